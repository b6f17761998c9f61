"""What does Audian tell by itself? Its events: signed with a time, and read by the same mapping."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from recording_audian import mapping
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


@frozen
class Told:
    """What an event says: the status that the recording has, and where it says since when."""

    status: str
    since: str


#: https://docs.audian.com/call-control/call-recording, Recording Webhooks: an event names no
#: status; this is the one that it tells of. None tells of a pause, and none of a conference.
EVENTS: Mapping[str, Told] = {
    "recording.started": Told("recording", since="started_at"),
    "recording.stopped": Told("stopped", since="stopped_at"),
    "recording.completed": Told("completed", since="completed_at"),
    "recording.failed": Told("failed", since="failed_at"),
}
#: Events of recordings begin so; those of calls, messages and numbers come to the same address.
#: https://docs.audian.com/webhooks/events
OURS = "recording."

#: https://docs.audian.com/webhooks/payloads. The last is new with every attempt, and not signed.
TIMESTAMP = "X-Audian-Timestamp"
SIGNATURE = "X-Audian-Signature"
DELIVERY = "X-Audian-Delivery-ID"
#: https://docs.audian.com/webhooks/signatures writes the bare hex, /webhooks/payloads has this
#: before it.
PREFIX = "sha256="
#: How far the vendor's clock and ours may be apart, in seconds: not documented, the field's usual.
TOLERANCE = 300
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)

#: What a recording's file is asked from where the event does not say it.
BASE_URL = "https://api.audian.com:8443/v2"


class AudianWebhooks(WebhookScheme):
    """`hex(HMAC-SHA256(secret, timestamp + "." + body))`, and the time is one of now."""

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        signatures = read_signatures(request, SIGNATURE)
        timestamp = request.header(TIMESTAMP)
        if timestamp is None or not _SECONDS.fullmatch(timestamp):
            raise WebhookRejected(f"{TIMESTAMP} is not a time in whole seconds", status=400)
        message = b"%s.%s" % (timestamp.encode("ascii"), request.body)
        check_hex(message, secrets, [each.removeprefix(PREFIX) for each in signatures])
        off = int(timestamp) - now.timestamp()
        if abs(off) > TOLERANCE:
            when = "ahead of" if off > 0 else "behind"
            raise WebhookRejected(
                f"signed {abs(off):.0f} seconds {when} this machine's clock: an old request sent "
                "again, or a clock that is wrong",
                status=401,
            )

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            payload = decode_json(request.body)
            word = _word(payload)
            if not word.startswith(OURS):
                return ()
            if word in EVENTS:
                return (_known(payload, word, request, account, now),)
            return (_unknown(payload, request, account, now),)
        except MalformedPayload as error:
            raise WebhookRejected(f"not an event of Audian's: {error.message}") from None


def recording(payload: Any, account: str, base_url: str, now: datetime) -> Recording:
    """The recording that an event tells of. Raises `MalformedPayload`.

    Of an event that we don't know the status is `UNKNOWN`, and its name is kept.
    """
    word = _word(payload)
    row = read.obj(payload.get("data"), "data")
    if row is None:
        raise MalformedPayload("an event without data", path="data")
    told = EVENTS.get(word)
    status = told.status if told is not None else word
    return mapping.recording({**row, "status": status}, account, base_url, now, raw=payload)


def _word(payload: Any) -> str:
    event = read.obj(payload, "the event")
    if event is None:
        raise MalformedPayload("an event that is no object")
    return read.required_text(event.get("event"), "event")


def _known(
    payload: Mapping[str, Any], word: str, request: WebhookRequest, account: str, now: datetime
) -> RecordingEvent:
    seen = recording(payload, account, BASE_URL, now)
    since = EVENTS[word].since
    occurred_at = read.instant(payload["data"].get(since), f"data.{since}")
    if occurred_at is None:
        occurred_at = read.instant(payload.get("timestamp"), "timestamp")
    kind = find_event_kind(seen.status) or EventKind.UPDATED
    return RecordingEvent(
        provider="audian",
        account=account,
        kind=kind,
        recording_id=seen.id,
        target=seen.target,
        recording=seen,
        status=seen.status,
        occurred_at=occurred_at,
        delivery_id=request.header(DELIVERY),
        key=build_event_key("audian", account, seen.id, kind, ""),
        raw=payload,
    )


def _unknown(
    payload: Mapping[str, Any], request: WebhookRequest, account: str, now: datetime
) -> RecordingEvent:
    """An event of tomorrow, with as much of a recording as can be read in it."""
    seen: Recording | None
    try:
        seen = recording(payload, account, BASE_URL, now)
    except MalformedPayload:
        seen = None
    recording_id = seen.id if seen is not None else None
    # The id is the event's, and signed; https://docs.audian.com/webhooks/events
    event_id = payload.get("id")
    occasion = event_id if type(event_id) is str else hashlib.sha256(request.body).hexdigest()[:16]
    return RecordingEvent(
        provider="audian",
        account=account,
        kind=EventKind.UPDATED,
        recording_id=recording_id,
        target=seen.target if seen is not None else None,
        recording=seen,
        status=RecordingStatus.UNKNOWN,
        occurred_at=None,
        delivery_id=request.header(DELIVERY),
        key=build_event_key("audian", account, recording_id, EventKind.UPDATED, occasion),
        raw=payload,
    )
