"""Events: one event type for the webhooks of every vendor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from attrs import field, frozen

from recording_core.model.entities import CommunicationSession, Recording
from recording_core.model.enums import FINAL, RecordingStatus


class EventKind(StrEnum):
    """What happened to a recording."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"
    AVAILABLE = "available"
    FAILED = "failed"
    EMPTY = "empty"
    EXPIRED = "expired"
    DELETED = "deleted"
    #: something else about a recording, such as its transcript, or a word that we do not support
    UPDATED = "updated"


#: The event that a status proves to have happened; the same for a webhook, a poll and a listing.
_KIND_OF_STATUS: Mapping[RecordingStatus, EventKind] = {
    RecordingStatus.RECORDING: EventKind.STARTED,
    RecordingStatus.PAUSED: EventKind.STARTED,
    RecordingStatus.STOPPING: EventKind.STOPPED,
    RecordingStatus.PROCESSING: EventKind.STOPPED,
    **{status: EventKind(status) for status in FINAL},
}

#: Lasting facts: events that happen once per recording and hold from then on, unlike a pause.
LASTING = frozenset(_KIND_OF_STATUS.values())


TOGGLES = frozenset({EventKind.PAUSED, EventKind.RESUMED})


def is_toggle(event: RecordingEvent) -> bool:
    """Whether the event may end or begin a pause, so that the last delivery counts.

    A vendor may send one word for a start and for a resume: then `STARTED` has no time. With a time
    it is the start, which precedes every pause.
    """
    return event.kind in TOGGLES or (event.kind is EventKind.STARTED and event.occurred_at is None)


def find_event_kind(status: RecordingStatus) -> EventKind | None:
    """Find the lasting fact that a status proves; `None` for `pending` and `unknown`."""
    return _KIND_OF_STATUS.get(status)


def build_event_key(
    provider: str,
    account: str,
    recording_id: str | None,
    kind: EventKind,
    occasion: str = "",
    *,
    subject: object = None,
) -> str:
    """Build the key of an event: the same for every delivery of the same event.

    `occasion` distinguishes one pause, resume or update from the next. Take it from what the vendor
    signed: a time, a sequence number or a digest. The key of a lasting fact does not contain it,
    unless there is no recording id. Then `subject`, a target or reference, stands for the id.
    """
    parts = [provider, account, recording_id or str(subject or ""), kind.value]
    if kind not in LASTING or recording_id is None:
        parts.append(occasion)
    return "/".join(quote(part, safe=":-_.") for part in parts)


@frozen
class RecordingEvent:
    """A verified webhook delivery in the same form for every vendor.

    Attributes:
        provider: the provider's name
        account: the account's name, as passed to the receiver
        kind: what happened
        recording_id: the vendor's id of the recording; `None` if the payload names none
        target: the session that is recorded; `None` if the payload does not name it
        recording: the recording, as far as the payload describes it
        status: the status of the recording, according to the payload
        occurred_at: the vendor's time of the event: an aware UTC datetime
        delivery_id: the vendor's id of this delivery, which is not signed
        key: identifies the event: the same for the same lasting fact, no matter whether it arrives
            by webhook, poll or listing
        trusted: false if the vendor's signature does not cover everything that the event states;
            `provider.confirm(event)` then reads the recording from the vendor
        replayed: true if an event with the same key was dispatched before; pauses and resumes are
            then dispatched again
        raw: the payload, with credential fields masked; not compared by `==`
        start_id: the vendor's id of the start, as in `RecordingSession.start_id`
    """

    provider: str
    account: str
    kind: EventKind
    recording_id: str | None
    target: CommunicationSession | None
    recording: Recording | None
    status: RecordingStatus
    occurred_at: datetime | None
    delivery_id: str | None
    key: str
    trusted: bool = True
    replayed: bool = False
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)
    start_id: str | None = field(default=None, eq=False, repr=False)


#: The field of `Recording` that holds the time of an event.
_TIME_FIELD: Mapping[EventKind, str] = {
    EventKind.STARTED: "started_at",
    EventKind.STOPPED: "ended_at",
    EventKind.EXPIRED: "media_expires_at",
    EventKind.DELETED: "deleted_at",
}


def build_event(recording: Recording) -> RecordingEvent | None:
    """Build the event that a recording's current status corresponds to, with the same `key`.

    Returns `None` if the status proves no lasting fact: `pending` and `unknown`.
    """
    kind = find_event_kind(recording.status)
    if kind is None:
        return None
    return RecordingEvent(
        provider=recording.provider,
        account=recording.account,
        kind=kind,
        recording_id=recording.id,
        target=recording.target,
        recording=recording,
        status=recording.status,
        occurred_at=getattr(recording, _TIME_FIELD[kind]) if kind in _TIME_FIELD else None,
        delivery_id=None,
        key=build_event_key(recording.provider, recording.account, recording.id, kind),
        raw=recording.raw,
    )
