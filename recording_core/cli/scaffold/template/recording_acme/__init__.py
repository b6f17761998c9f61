"""Acme Voice for recording-core."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import recording_core as rec

if TYPE_CHECKING:
    from recording_acme.client import AcmeProvider


# FILL IN: the settings of plugin.py by name (section 2)
def connect(
    *,
    key: str | None = None,
    account: str | None = None,
    base_url: str | None = None,
    http: rec.HttpSettings | None = None,
) -> AcmeProvider:
    """Connect to an account: `rec.connect` with the settings of this provider by name."""
    provider = rec.connect(
        "acme",
        key=key,
        account=account,
        base_url=base_url,
        http=http,
    )
    return cast("AcmeProvider", provider)
