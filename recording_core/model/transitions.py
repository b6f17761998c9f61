"""How does what we know change by what we are told? One rule for callback, poll and listing.

| from | may become |
|---|---|
| `unknown`, `pending` | anything that follows |
| `recording`, `paused` | each other, by the time of the pause; anything that follows |
| `stopping` | anything that follows |
| `processing` | anything that follows |
| `empty` | `failed`, `available`, `expired`, `deleted` |
| `failed` | `available`, `expired`, `deleted` |
| `available` | `expired`, `deleted` |
| `expired` | `deleted` |
| `deleted` | nothing |

Nothing moves upwards in this table by a callback, which may be late, doubled, or overtaken: in any
order the same facts end in the same state. A poll is the vendor's answer of now, so it may; yet
what is final never becomes less so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from attrs import evolve, fields

from recording_core.model.entities import Interval, Recording, RecordingSession, set_target
from recording_core.model.enums import FINAL, RecordingStatus
from recording_core.model.events import EventKind, RecordingEvent, build_event_key, find_event_kind

__all__ = [
    "apply_to_recording",
    "apply_to_session",
    "confirm_event",
    "update_session",
]

#: How far each status is; what is further was later.
_RANK: Mapping[RecordingStatus, int] = MappingProxyType(
    {
        RecordingStatus.UNKNOWN: 0,
        RecordingStatus.PENDING: 0,
        RecordingStatus.RECORDING: 1,
        RecordingStatus.PAUSED: 1,
        RecordingStatus.STOPPING: 2,
        RecordingStatus.PROCESSING: 3,
        RecordingStatus.EMPTY: 4,
        RecordingStatus.FAILED: 5,
        RecordingStatus.AVAILABLE: 6,
        RecordingStatus.EXPIRED: 7,
        RecordingStatus.DELETED: 8,
    }
)

#: The status that each kind of event tells of, and those that a vendor may give for it instead.
_TOLD: Mapping[EventKind, tuple[RecordingStatus, ...]] = MappingProxyType(
    {
        EventKind.STARTED: (RecordingStatus.RECORDING, RecordingStatus.PAUSED),
        EventKind.PAUSED: (RecordingStatus.PAUSED,),
        EventKind.RESUMED: (RecordingStatus.RECORDING,),
        EventKind.STOPPED: (RecordingStatus.PROCESSING, RecordingStatus.STOPPING),
        EventKind.AVAILABLE: (RecordingStatus.AVAILABLE,),
        EventKind.FAILED: (RecordingStatus.FAILED,),
        EventKind.EMPTY: (RecordingStatus.EMPTY,),
        EventKind.EXPIRED: (RecordingStatus.EXPIRED,),
        EventKind.DELETED: (RecordingStatus.DELETED,),
        EventKind.UPDATED: (RecordingStatus.UNKNOWN,),
    }
)

_TOGGLES = frozenset({EventKind.PAUSED, EventKind.RESUMED})
#: The act of recording goes on, or may: a pause can change it.
_LIVE = frozenset(status for status, rank in _RANK.items() if rank <= 1)

#: What a callback may add to, or correct in, a recording.
_FACTS = tuple(
    each.name
    for each in fields(Recording)
    if each.name not in ("provider", "account", "id", "status")
)


def apply_to_recording(recording: Recording, event: RecordingEvent) -> Recording:
    """`Recording.apply`."""
    _check(recording, event)
    if not _same_id(recording.id, event.recording_id):
        raise ValueError(f"this event is of recording {event.recording_id}, not {recording.id}")
    return _told(recording, event)


def apply_to_session(session: RecordingSession, event: RecordingEvent) -> RecordingSession:
    """`RecordingSession.apply`."""
    _check(session, event)
    known = [each.id for each in session.recordings]
    if not _belongs(session, event, known):
        raise ValueError(
            f"this event is of recording {event.recording_id} of {event.target}, and the session "
            f"is {session.id} of {session.target}"
        )
    recordings = list(session.recordings)
    new = event.recording_id is not None and not any(
        _same_id(each, event.recording_id) for each in known
    )
    if new:
        recordings.append(_first_seen(session, event.recording_id or ""))
    recordings = [
        _told(each, event) if _same_id(each.id, event.recording_id) else each for each in recordings
    ]
    ended = [each.ended_at for each in recordings if each.ended_at is not None]
    began = [each.started_at for each in recordings if each.started_at is not None]
    stopped_at = max(ended, default=session.stopped_at)
    pauses = _pauses(session, event, stopped_at)
    if event.kind in _TOGGLES:
        toggled = _toggled(event, pauses)
        recordings = [
            evolve(each, status=toggled) if each.status in _LIVE else each for each in recordings
        ]
    status = _of_all(recordings) if recordings else _status_told(event)
    if not (new and known):  # only a recording that joins others may set their session back
        status = _later(session.status, status)
    if event.kind in _TOGGLES and status in _LIVE:
        status = _toggled(event, pauses)
    is_news = event.kind is not EventKind.UPDATED and status is _status_told(event)
    said = event.recording.provider_status if event.recording is not None else None
    return evolve(
        session,
        status=status,
        provider_status=(said if is_news else None) or session.provider_status,
        started_at=min(began, default=session.started_at),
        stopped_at=stopped_at,
        pauses=pauses,
        recordings=_newest_first(recordings),
    )


def update_session(session: RecordingSession, found: tuple[Recording, ...]) -> RecordingSession:
    """The session with its recordings as the vendor has just shown them, the newest first."""
    known = {each.id.casefold(): each for each in session.recordings}
    recordings = tuple(
        _met(known.get(each.id.casefold()), set_target(each, session.target)) for each in found
    )
    newest = recordings[0]
    return evolve(
        session,
        id=session.id or newest.id,
        status=newest.status,
        provider_status=newest.provider_status,
        started_at=newest.started_at or session.started_at,
        stopped_at=newest.ended_at or session.stopped_at,
        recordings=recordings,
    )


def confirm_event(event: RecordingEvent, recording: Recording) -> RecordingEvent:
    """The event with its recording as the vendor has it now; `Provider.confirm`."""
    fact = find_event_kind(recording.status)
    still = _status_told(event) is recording.status or event.kind is EventKind.UPDATED
    kind = event.kind if still else fact or EventKind.UPDATED
    key = event.key
    if kind is not event.kind:
        key = build_event_key(event.provider, event.account, recording.id, kind, event.key)
    return evolve(
        event,
        kind=kind,
        target=recording.target or event.target,
        recording=recording,
        status=recording.status,
        key=key,
        trusted=True,
    )


# -- whose event is it? ---------------------------------------------------------------------------


def _check(ours: Recording | RecordingSession, event: RecordingEvent) -> None:
    given: object = event
    if not isinstance(given, RecordingEvent):
        raise TypeError(f"event must be a RecordingEvent, not {type(given).__name__}")
    if (ours.provider, ours.account) != (event.provider, event.account):
        raise ValueError(
            f"this event is of {event.provider}'s account {event.account!r}, not of "
            f"{ours.provider}'s {ours.account!r}"
        )


def _belongs(session: RecordingSession, event: RecordingEvent, known: Iterable[str]) -> bool:
    if any(_same_id(each, event.recording_id) for each in (session.id, *known)):
        return True
    if session.id is not None and event.recording_id is not None:
        return False
    return event.target is not None and (
        (event.target.kind, event.target.id.casefold())
        == (session.target.kind, session.target.id.casefold())
    )


def _same_id(one: str | None, other: str | None) -> bool:
    # As vendors compare them, who take a UUID in either case.
    return one is not None and other is not None and one.casefold() == other.casefold()


# -- a recording ----------------------------------------------------------------------------------


def _status_told(event: RecordingEvent) -> RecordingStatus:
    usual = _TOLD[event.kind]
    return event.status if event.status in usual else usual[0]


def _later(ours: RecordingStatus, told: RecordingStatus) -> RecordingStatus:
    return told if _RANK[told] > _RANK[ours] else ours


def _told(recording: Recording, event: RecordingEvent) -> Recording:
    told = _status_told(event)
    status = _later(recording.status, told)
    if event.kind in _TOGGLES and status in _LIVE:
        status = told  # a recording keeps no times of its pauses: the last that came counts
    after = evolve(recording, status=status)
    if event.recording is not None:
        after = _joined(after, event.recording, newer=_RANK[told] >= _RANK[recording.status])
    if event.occurred_at is not None and event.kind in _TIME_FIELD:
        name = _TIME_FIELD[event.kind]
        if getattr(after, name) is None:
            times: dict[str, Any] = {name: event.occurred_at}
            after = evolve(after, **times)
    return after


_TIME_FIELD: Mapping[EventKind, str] = MappingProxyType(
    {
        EventKind.STARTED: "started_at",
        EventKind.STOPPED: "ended_at",
        EventKind.DELETED: "deleted_at",
    }
)


def _joined(ours: Recording, told: Recording, *, newer: bool) -> Recording:
    """Our facts with those that were told: instead of ours if they are newer, else in the gaps."""
    changes: dict[str, Any] = {}
    for name in _FACTS:
        have, says = getattr(ours, name), getattr(told, name)
        if says not in (None, (), {}) and (newer or have in (None, (), {})):
            changes[name] = says
    return evolve(ours, **changes)


def _met(ours: Recording | None, seen: Recording) -> Recording:
    """What a poll shows; but what is final stays so, however stale the vendor's answer is."""
    if ours is None or ours.status not in FINAL or _RANK[seen.status] >= _RANK[ours.status]:
        return seen
    return _joined(ours, seen, newer=False)


def _first_seen(session: RecordingSession, recording_id: str) -> Recording:
    return Recording(
        session.provider,
        session.account,
        recording_id,
        kind=session.target.kind,
        target=session.target,
        # The first one is as far as the session, which may have been stopped already.
        status=RecordingStatus.UNKNOWN if session.recordings else session.status,
    )


# -- a session ------------------------------------------------------------------------------------


def _of_all(recordings: Iterable[Recording]) -> RecordingStatus:
    """As far as the recording that is least far."""
    return min((each.status for each in recordings), key=_RANK.__getitem__)


def _newest_first(recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    by_id = sorted(recordings, key=lambda each: each.id)
    return tuple(sorted(by_id, key=_when, reverse=True))


def _when(recording: Recording) -> datetime:
    return recording.started_at or recording.created_at or _LONG_AGO


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _toggled(event: RecordingEvent, pauses: tuple[Interval, ...]) -> RecordingStatus:
    if event.occurred_at is None:
        return _status_told(event)
    paused = pauses[-1].end is None
    return RecordingStatus.PAUSED if paused else RecordingStatus.RECORDING


def _pauses(
    session: RecordingSession, event: RecordingEvent, stopped_at: datetime | None
) -> tuple[Interval, ...]:
    """The session's pauses with one more beginning or end, wherever in time it belongs.

    Beginnings and ends may come in any order, and twice. So none is lost until its other half
    comes: a beginning that another follows lasts until that one, an end without a beginning is an
    empty pause, and the stop ends the last. When it was paused is the union of all.
    """
    toggles = event.kind in _TOGGLES and event.occurred_at is not None
    if not toggles and stopped_at == session.stopped_at:
        return session.pauses
    began = {each.start for each in session.pauses if each.start != each.end}
    followed = {one.end for one, _ in pairwise(session.pauses)} & began
    ended = {each.end for each in session.pauses if each.end is not None} - followed
    ended.discard(session.stopped_at)
    if toggles and event.occurred_at is not None:
        (began if event.kind is EventKind.PAUSED else ended).add(event.occurred_at)
    after: list[Interval] = []
    for at, ends in sorted([(at, False) for at in began] + [(at, True) for at in ended]):
        going_on = bool(after) and after[-1].end is None
        if going_on:
            after[-1] = Interval(after[-1].start, at)
        if not ends:
            after.append(Interval(at))
        elif not going_on:
            after.append(Interval(at, at))
    if after and after[-1].end is None and stopped_at is not None and after[-1].start < stopped_at:
        after[-1] = Interval(after[-1].start, stopped_at)
    return tuple(after)
