"""VoIPBin's call and conference recordings, as a provider for recording-core."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_voipbin.client import VoIPBin


def connect(
    *,
    token: str | None = None,
    accesskey: str | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> VoIPBin:
    """Connect to a VoIPBin account, with `token` or `accesskey`. Sends no request.

    This is `rec.connect("voipbin", ...)`, with the settings by name.

    Args:
        token: a JWT; else `VOIPBIN_TOKEN`
        accesskey: an access key; else `VOIPBIN_ACCESSKEY`
        account: the name of a configured account; with credentials, only the name that recordings
            carry
        base_url: the URL of the API
        http: timeouts, retries, rate and media hosts

    Raises `ConfigurationError` if a setting is missing or malformed.
    """
    provider = rec.connect(
        "voipbin",
        token=token,
        accesskey=accesskey,
        account=account,
        base_url=base_url,
        http=http,
    )
    return cast("VoIPBin", provider)
