"""Audian's call and conference recordings, as a provider for recording-core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_audian.client import Audian


def connect(
    *,
    api_key: str | None = None,
    auth_style: Literal["x-auth-token", "bearer", "exchange"] | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> Audian:
    """Connect to an Audian account. Sends no request.

    This is `rec.connect("audian", ...)`, with the settings by name.

    Args:
        api_key: the API key; else `AUDIAN_API_KEY`
        auth_style: how the key is sent; else `AUDIAN_AUTH_STYLE`, else `x-auth-token`
        account: the name of a configured account; with credentials, only the name that recordings
            carry
        base_url: the URL of the API
        http: timeouts, retries, rate and media hosts

    Raises `ConfigurationError` if a setting is missing or malformed.
    """
    provider = rec.connect(
        "audian",
        api_key=api_key,
        auth_style=auth_style,
        account=account,
        base_url=base_url,
        http=http,
    )
    return cast("Audian", provider)
