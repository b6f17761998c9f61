"""Webhooks: verifies and reads the vendor's webhook requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from recording_core import Recording
from recording_core.plugin import HmacJsonScheme, KnownEvent

from recording_acme import mapping


# FILL IN: the signature and the events of the vendor's webhooks (section 5)
class AcmeWebhooks(HmacJsonScheme):
    """`X-Acme-Signature`: hex(HMAC-SHA256(secret, body)).

    The body is the recording.

    https://acme.example/docs/webhooks
    """

    provider = "acme"
    signature_header = "X-Acme-Signature"
    name_field = "state"
    row_field = None
    events: ClassVar[Mapping[str, KnownEvent]] = {
        "live": KnownEvent("started"),
        "encoding": KnownEvent("ended"),
        "done": KnownEvent("ended"),
        "broken": KnownEvent("ended"),
    }

    def read_recording(self, payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
        return mapping.read_recording(payload, account)
