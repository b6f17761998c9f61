"""Webhooks: verify and read Bravo's webhook requests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from recording_bravo import mapping
from recording_core import EventKind, Recording
from recording_core.plugin import HmacJsonScheme, KnownEvent


class BravoWebhooks(HmacJsonScheme):
    """`X-Bravo-Signature: sha256=hex(HMAC-SHA256(secret, time.body))`.

    https://bravo.example/docs/webhooks
    """

    provider = "bravo"
    signature_header = "X-Bravo-Signature"
    signature_prefixes = ("sha256=",)
    timestamp_header = "X-Bravo-Timestamp"
    delivery_header = "X-Bravo-Delivery"
    event_prefix = "recording."
    id_field = "id"
    events: ClassVar[Mapping[str, KnownEvent]] = {
        "recording.started": KnownEvent("started_at"),
        "recording.paused": KnownEvent("changed_at", EventKind.PAUSED),
        "recording.resumed": KnownEvent("changed_at", EventKind.RESUMED),
        "recording.stopped": KnownEvent("ended_at"),
        "recording.finished": KnownEvent("ended_at"),
    }

    def read_recording(self, payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
        return mapping.read_recording(self.read_row(payload), account)
