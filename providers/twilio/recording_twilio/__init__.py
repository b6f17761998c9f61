"""Provider for Twilio: recordings of calls and conferences."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_twilio.client import Twilio


def connect(
    *,
    account_sid: str | None = None,
    auth_token: str | None = None,
    api_key: str | None = None,
    api_secret: str | None = None,
    region: str | None = None,
    edge: str | None = None,
    pause_behavior: str | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> Twilio:
    """Connect to a Twilio account or subaccount. Sends no request.

    This is `rec.connect("twilio", ...)`, with the settings by name.

    Args:
        account_sid: the SID of the account or subaccount; else `TWILIO_ACCOUNT_SID`
        auth_token: its Auth Token; else `TWILIO_AUTH_TOKEN`
        api_key: in place of the token, the SID of an API key; else `TWILIO_API_KEY`
        api_secret: the secret of that key; else `TWILIO_API_SECRET`
        region: the region, such as `ie1`; else `TWILIO_REGION`
        edge: the edge location, such as `dublin`; else `TWILIO_EDGE`
        pause_behavior: what a pause leaves in the recording, `silence` (Twilio's default) or
            `skip`; else `TWILIO_PAUSE_BEHAVIOR`
        account: the name of a configured account; with credentials, only the name that recordings
            carry
        base_url: the URL of the API
        http: timeouts, retries, rate and media hosts

    Raises `ConfigurationError` if a setting is missing or malformed.
    """
    provider = rec.connect(
        "twilio",
        account_sid=account_sid,
        auth_token=auth_token,
        api_key=api_key,
        api_secret=api_secret,
        region=region,
        edge=edge,
        pause_behavior=pause_behavior,
        account=account,
        base_url=base_url,
        http=http,
    )
    return cast("Twilio", provider)
