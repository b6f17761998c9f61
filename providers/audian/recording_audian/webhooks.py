"""Webhooks: how Audian's events are verified and read.

The recording in an event is read by `mapping`, like that of a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from attrs import evolve

from recording_audian import mapping
from recording_core import Recording
from recording_core.plugin import Fields, HmacJsonScheme, KnownEvent

#: The base of a file's URL if the event has none.
BASE_URL = "https://api.audian.com:8443/v2"


class AudianWebhooks(HmacJsonScheme):
    """Audian's scheme: `hex(HMAC-SHA256(secret, timestamp + "." + body))` and a recent time."""

    provider = "audian"
    #: https://docs.audian.com/call-control/call-recording, Recording Webhooks. An event has no
    #: status: the table names it. No event of a pause or of a conference's recording is documented.
    events: ClassVar[Mapping[str, KnownEvent]] = {
        "recording.started": KnownEvent("started_at", status="recording"),
        "recording.stopped": KnownEvent("stopped_at", status="stopped"),
        "recording.completed": KnownEvent("completed_at", status="completed"),
        "recording.failed": KnownEvent("failed_at", status="failed"),
    }
    #: https://docs.audian.com/webhooks/events: the names of recordings' events begin so. Events of
    #: calls, messages and numbers come to the same URL. The event's own id is part of the body.
    event_prefix = "recording."
    id_field = "id"
    #: https://docs.audian.com/webhooks/payloads. The delivery id is new with every attempt, and it
    #: is not signed. How far the clocks may differ is undocumented.
    timestamp_header = "X-Audian-Timestamp"
    signature_header = "X-Audian-Signature"
    delivery_header = "X-Audian-Delivery-ID"
    #: https://docs.audian.com/webhooks/signatures shows the bare hex digest;
    #: https://docs.audian.com/webhooks/payloads shows it after the prefix.
    signature_prefixes = ("", "sha256=")

    def read_recording(self, payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
        known = self.events.get(payload["event"])
        event = Fields(payload)
        row = event.nest(self.read_row(payload), "data")
        # The status of an unknown event is `UNKNOWN`, and its `provider_status` the event's name.
        word = payload["event"] if known is None else known.status
        if known is not None:
            _read_time(event, row, known.time_field)  # which adds it to the unread fields
        recording = mapping.read_recording(row.row, account, BASE_URL, now, fields=row, word=word)
        return evolve(recording, unread_fields=event.unread, raw=payload)

    def read_time(self, payload: Mapping[str, Any], field: str) -> datetime | None:
        return _read_time(Fields(payload), Fields(self.read_row(payload)), field)


def _read_time(event: Fields, row: Fields, field: str) -> datetime | None:
    """Read the time of an event: its own, else that of the envelope."""
    return row.instant(field) or event.instant("timestamp")
