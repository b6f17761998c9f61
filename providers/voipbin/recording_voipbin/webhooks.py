"""What does VoIPBin tell by itself? Two events of a recording, each with all of its row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from recording_core import (
    EventKind,
    MalformedPayload,
    Recording,
    RecordingEvent,
    RecordingStatus,
    WebhookRejected,
    WebhookRequest,
)
from recording_core.plugin import (
    WebhookScheme,
    build_event_key,
    check_hex,
    decode_json,
    find_event_kind,
    read_signatures,
)
from recording_core.plugin import readers as read
from recording_voipbin import mapping


@frozen
class Told:
    """What an event says: a fact (None where only the row's status tells it), and since when."""

    kind: EventKind | None
    since: str


#: https://github.com/voipbin/monorepo, models/recording/event.go: the first two are sent. The
#: others are promised by https://docs.voipbin.net, Webhook, and no code sends them.
EVENTS: Mapping[str, Told] = {
    "recording_started": Told(EventKind.STARTED, since="tm_start"),
    "recording_finished": Told(EventKind.STOPPED, since="tm_end"),
    "recording_created": Told(None, since="tm_create"),
    "recording_updated": Told(None, since="tm_update"),
    "recording_deleted": Told(EventKind.DELETED, since="tm_delete"),
}
#: All of a customer's events come to one address, and are named so by what they are about.
OURS = "recording_"

#: https://github.com/voipbin/monorepo, webhookhandler/message.go; no page has it.
SIGNATURE = "X-VoIPBIN-Signature"
PREFIX = "sha256="


class VoIPBinWebhooks(WebhookScheme):
    """`sha256=` and `hex(HMAC-SHA256(secret, body))`: neither the time nor the URL is signed."""

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        given = read_signatures(request, SIGNATURE)
        signatures = [each.removeprefix(PREFIX) for each in given if each.startswith(PREFIX)]
        check_hex(request.body, secrets, signatures)

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        # By any of four methods (`webhook_method`) the event is in the body.
        try:
            payload = read.obj(decode_json(request.body), "the event")
            if payload is None:
                raise MalformedPayload("an event that is no object")
            word = read.required_text(payload.get("type"), "type")
            if not word.startswith(OURS):
                return ()
            if word in EVENTS:
                return (_known(payload, EVENTS[word], request, account),)
            return (_unknown(payload, request, account),)
        except MalformedPayload as error:
            raise WebhookRejected(f"not an event of VoIPBin's: {error.message}") from None


def _recording(payload: Mapping[str, Any], account: str) -> Recording:
    row = read.obj(payload.get("data"), "data")
    if row is None:
        raise MalformedPayload("an event without data", path="data")
    return mapping.recording(row, account)


def _known(
    payload: Mapping[str, Any], told: Told, request: WebhookRequest, account: str
) -> RecordingEvent:
    seen = _recording(payload, account)
    if told.kind is EventKind.DELETED:
        seen = evolve(seen, status=RecordingStatus.DELETED)
    kind = told.kind or find_event_kind(seen.status) or EventKind.UPDATED
    occurred_at = _moment(payload, told.since) or _moment(payload, "tm_update")
    occasion = occurred_at.isoformat() if occurred_at is not None else _digest(request)
    return RecordingEvent(
        provider="voipbin",
        account=account,
        kind=kind,
        recording_id=seen.id,
        target=seen.target,
        recording=seen,
        status=seen.status,
        occurred_at=occurred_at,
        delivery_id=None,  # it names none
        key=build_event_key("voipbin", account, seen.id, kind, occasion),
        raw=payload,
    )


def _unknown(payload: Mapping[str, Any], request: WebhookRequest, account: str) -> RecordingEvent:
    """An event of tomorrow, with as much of a recording as can be read in it."""
    seen: Recording | None
    try:
        seen = _recording(payload, account)
    except MalformedPayload:
        seen = None
    recording_id = seen.id if seen is not None else None
    return RecordingEvent(
        provider="voipbin",
        account=account,
        kind=EventKind.UPDATED,
        recording_id=recording_id,
        target=seen.target if seen is not None else None,
        recording=seen,
        status=RecordingStatus.UNKNOWN,
        occurred_at=None,
        delivery_id=None,
        key=build_event_key("voipbin", account, recording_id, EventKind.UPDATED, _digest(request)),
        raw=payload,
    )


def _moment(payload: Mapping[str, Any], name: str) -> datetime | None:
    return mapping.moment(payload["data"].get(name), f"data.{name}")


def _digest(request: WebhookRequest) -> str:
    return hashlib.sha256(request.body).hexdigest()[:16]
