"""Webhooks: how VoIPBin's events are verified and read.

An event contains the row of its recording, which `mapping` reads like that of a response.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from attrs import evolve

from recording_core import EventKind, Recording, RecordingStatus
from recording_core.plugin import Fields, HmacJsonScheme, KnownEvent
from recording_voipbin import mapping


class VoIPBinWebhooks(HmacJsonScheme):
    """`sha256=` and `hex(HMAC-SHA256(secret, body))`: neither the time nor the URL is signed.

    The event is in the body with any of the four methods (`webhook_method`).
    """

    provider = "voipbin"
    #: The first two are sent: https://github.com/voipbin/monorepo, models/recording/event.go. The
    #: others are documented by https://docs.voipbin.net, Webhook, and no code sends them.
    events: ClassVar[Mapping[str, KnownEvent]] = {
        "recording_started": KnownEvent("tm_start", EventKind.STARTED),
        "recording_finished": KnownEvent("tm_end", EventKind.STOPPED),
        "recording_created": KnownEvent("tm_create"),
        "recording_updated": KnownEvent("tm_update"),
        "recording_deleted": KnownEvent("tm_delete", EventKind.DELETED),
    }
    #: https://docs.voipbin.net, Webhook: all events of a customer come to the same URL.
    event_prefix = "recording_"
    name_field = "type"
    #: https://github.com/voipbin/monorepo, webhookhandler/message.go; no page documents it.
    signature_header = "X-VoIPBIN-Signature"
    signature_prefixes = ("sha256=",)

    def read_recording(self, payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
        recording = mapping.read_recording(self.read_row(payload), account)
        if payload["type"] == "recording_deleted":
            return evolve(recording, status=RecordingStatus.DELETED)
        return recording

    def read_time(self, payload: Mapping[str, Any], field: str) -> datetime | None:
        fields = Fields(self.read_row(payload))
        return mapping.read_time(fields, field) or mapping.read_time(fields, "tm_update")
