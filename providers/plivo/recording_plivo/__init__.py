"""Provider for Plivo: recordings of calls, conferences and multiparty calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_plivo.client import Plivo


def connect(
    *,
    auth_id: str | None = None,
    auth_token: str | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> Plivo:
    """Connect to a Plivo account or subaccount. Sends no request.

    This is `rec.connect("plivo", ...)`, with the settings by name.

    Args:
        auth_id: the Auth ID; else `PLIVO_AUTH_ID`
        auth_token: the Auth Token; else `PLIVO_AUTH_TOKEN`
        account: the name of a configured account; with credentials, only the name that recordings
            carry
        base_url: the URL of the API
        http: timeouts, retries, rate and media hosts

    Raises `ConfigurationError` if a setting is missing or malformed.
    """
    provider = rec.connect(
        "plivo",
        auth_id=auth_id,
        auth_token=auth_token,
        account=account,
        base_url=base_url,
        http=http,
    )
    return cast("Plivo", provider)
