"""Acme Voice for recording-core."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_acme.client import AcmeVoice


def connect(
    *,
    key: str | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> AcmeVoice:
    """Connect to an account of Acme Voice, with the settings of `rec.connect("acme")` by name."""
    provider = rec.connect("acme", key=key, account=account, base_url=base_url, http=http)
    return cast("AcmeVoice", provider)
