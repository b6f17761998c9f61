"""RealtimeKit's recordings in the provider-neutral vocabulary of recording-core."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_realtimekit.client import RealtimeKit


def connect(
    *,
    account_id: str | None = None,
    app_id: str | None = None,
    api_token: str | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> RealtimeKit:
    """Connect to a RealtimeKit app of a Cloudflare account. Sends no request.

    This is `rec.connect("realtimekit", ...)`, with the settings by name.

    Args:
        account_id: the id of the Cloudflare account; else `REALTIMEKIT_ACCOUNT_ID`
        app_id: the id of the app; else `REALTIMEKIT_APP_ID`
        api_token: the API token; else `REALTIMEKIT_API_TOKEN`
        account: the name of a configured account; with credentials, only the name that recordings
            carry
        base_url: the URL of the API
        http: timeouts, retries, rate and media hosts

    Raises `ConfigurationError` if a setting is missing or malformed.
    """
    provider = rec.connect(
        "realtimekit",
        account_id=account_id,
        app_id=app_id,
        api_token=api_token,
        account=account,
        base_url=base_url,
        http=http,
    )
    return cast("RealtimeKit", provider)
