"""Transitions: how events and polls change the status and facts of recordings and sessions.

| from | may become |
|---|---|
| `unknown`, `pending` | every status below |
| `recording`, `paused` | each other; every status below |
| `stopping` | every status below |
| `processing` | every status below |
| `empty` | `failed`, `available`, `expired`, `deleted` |
| `failed` | `available`, `expired`, `deleted` |
| `available` | `expired`, `deleted` |
| `expired` | `deleted` |
| `deleted` | nothing |

A webhook may arrive late, repeatedly or out of order, so an event never moves a status upwards in
this table: the same events lead to the same state in every order. A poll returns the current state,
so it may move a status upwards, but never out of a final status.

Of pauses and resumes the vendor's times decide, and without times the last delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from attrs import evolve, fields

from recording_core.model.entities import (
    Interval,
    Recording,
    RecordingSession,
    close_pause,
    set_target,
)
from recording_core.model.enums import FINAL, MAYBE_LIVE, RecordingStatus
from recording_core.model.events import (
    TOGGLES,
    EventKind,
    RecordingEvent,
    build_event_key,
    find_event_kind,
    is_toggle,
)

#: The statuses in their order, the earliest first, and those of the same rank together.
_ORDER = (
    "unknown pending",
    "recording paused",
    "stopping",
    "processing",
    "empty",
    "failed",
    "available",
    "expired",
    "deleted",
)
_RANK = {RecordingStatus(word): rank for rank, words in enumerate(_ORDER) for word in words.split()}

#: The statuses that an event of each kind can lead to; the first is the usual one.
_STATUSES_OF_KIND: Mapping[EventKind, tuple[RecordingStatus, ...]] = {
    EventKind.STARTED: (RecordingStatus.RECORDING, RecordingStatus.PAUSED),
    EventKind.PAUSED: (RecordingStatus.PAUSED,),
    EventKind.RESUMED: (RecordingStatus.RECORDING,),
    EventKind.STOPPED: (RecordingStatus.PROCESSING, RecordingStatus.STOPPING),
    EventKind.UPDATED: (RecordingStatus.UNKNOWN,),
    **{EventKind(status): (status,) for status in FINAL},
}

#: The largest difference that we allow between a vendor's clock and the local one.
CLOCK_SKEW = timedelta(minutes=5)

#: The fields of a recording that an event may set or correct.
_FACTS = tuple(
    each.name
    for each in fields(Recording)
    if each.name not in ("provider", "account", "id", "status", "unread_fields")
)


def apply_to_recording(recording: Recording, event: RecordingEvent) -> Recording:
    """Apply an event to a recording: the implementation of `Recording.apply`."""
    _check_event(recording, event)
    if not _is_same_id(recording.id, event.recording_id):
        raise ValueError(
            f"the event belongs to recording {event.recording_id}, not to {recording.id}"
        )
    return _apply_event(recording, event)


def apply_to_session(session: RecordingSession, event: RecordingEvent) -> RecordingSession:
    """Apply an event to a session: the implementation of `RecordingSession.apply`."""
    _check_event(session, event)
    known_ids = [each.id for each in session.recordings]
    if not _is_event_of(session, event, known_ids):
        raise ValueError(
            f"the event belongs to recording {event.recording_id} of {event.target}, not to "
            f"session {session.id} of {session.target}"
        )
    if event.recording_id is None and session.id is not None:
        return session  # what the vendor does not relate to a recording changes none
    recordings = list(session.recordings)
    is_new = event.recording_id is not None and not any(
        _is_same_id(each, event.recording_id) for each in known_ids
    )
    if is_new:
        recordings.append(_build_recording(session, event.recording_id or ""))
    recordings = [
        _apply_event(each, event) if _is_same_id(each.id, event.recording_id) else each
        for each in recordings
    ]
    keeps_start = session.id is None and session.started_at is not None
    ends = [each.ended_at for each in recordings if each.ended_at is not None]
    starts = [each.started_at for each in recordings if each.started_at is not None]
    stopped_at = max(ends, default=session.stopped_at)
    pauses = _merge_pauses(session, event, stopped_at)
    if event.kind in TOGGLES:
        toggled = _find_toggled_status(event, pauses)
        recordings = [
            evolve(each, status=toggled) if each.status in MAYBE_LIVE else each
            for each in recordings
        ]
    statuses = [each.status for each in recordings] or [_find_event_status(event)]
    status = min(statuses, key=_RANK.__getitem__)
    if not (is_new and known_ids):  # only an additional recording may set the session back
        status = max(session.status, status, key=_RANK.__getitem__)
    if is_toggle(event) and status in MAYBE_LIVE:
        status = _find_toggled_status(event, pauses)
    is_current = event.kind is not EventKind.UPDATED and status is _find_event_status(event)
    vendor_word = event.recording.provider_status if event.recording is not None else None
    return evolve(
        session,
        status=status,
        provider_status=(vendor_word if is_current else None) or session.provider_status,
        # Without an id, our own time of the start decides which recordings are this session's.
        started_at=session.started_at if keeps_start else min(starts, default=session.started_at),
        stopped_at=stopped_at,
        pauses=pauses,
        recordings=_sort_newest_first(recordings),
    )


def update_session(session: RecordingSession, found: tuple[Recording, ...]) -> RecordingSession:
    """Update a session with its recordings as the vendor has just returned them, newest first."""
    known = {each.id.casefold(): each for each in session.recordings}
    recordings = tuple(
        _update_recording(known.get(each.id.casefold()), set_target(each, session.target))
        for each in found
    )
    newest = recordings[0]
    after = evolve(
        session,
        id=session.id or newest.id,
        status=newest.status,
        provider_status=newest.provider_status,
        started_at=newest.started_at or session.started_at,
        stopped_at=newest.ended_at or session.stopped_at,
        recordings=recordings,
    )
    if newest.status in MAYBE_LIVE or after.stopped_at is None:
        return after
    return close_pause(after, after.stopped_at)


def confirm_event(event: RecordingEvent, recording: Recording) -> RecordingEvent:
    """Update an event to the recording's current state: the core of `Provider.confirm`."""
    current_kind = find_event_kind(recording.status)
    if event.trusted and event.recording is not None:
        recording = _keep_event_facts(event.recording, recording)
    holds = _find_event_status(event) is recording.status or event.kind is EventKind.UPDATED
    kind = event.kind if holds else current_kind or EventKind.UPDATED
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


# -- which events belong to a recording or session ------------------------------------------------


def _check_event(ours: Recording | RecordingSession, event: RecordingEvent) -> None:
    given: object = event
    if not isinstance(given, RecordingEvent):
        raise TypeError(f"event must be a RecordingEvent, not {type(given).__name__}")
    if (ours.provider, ours.account) != (event.provider, event.account):
        raise ValueError(
            f"the event belongs to account {event.account!r} at {event.provider}, not to account "
            f"{ours.account!r} at {ours.provider}"
        )


def _is_event_of(
    session: RecordingSession, event: RecordingEvent, known_ids: Iterable[str]
) -> bool:
    if any(_is_same_id(each, event.recording_id) for each in (session.id, *known_ids)):
        return True
    if session.id is not None and event.recording_id is not None:
        return False
    if session.start_id is not None and event.start_id is not None:
        return session.start_id == event.start_id
    if event.recording is not None and began_before(event.recording, session):
        return False
    if event.target is None or event.target.kind is not session.target.kind:
        return False
    # A session may be addressed by a name or by the id of that occurrence.
    reference = event.recording.reference if event.recording is not None else None
    return any(_is_same_id(session.target.id, each) for each in (event.target.id, reference))


def began_before(recording: Recording, session: RecordingSession) -> bool:
    """Whether a recording began before a session, even if the vendor's clock differs from ours."""
    began = recording.started_at or recording.ended_at or recording.created_at
    if began is None or session.started_at is None:
        return False
    return began < session.started_at - CLOCK_SKEW


def _is_same_id(one: str | None, other: str | None) -> bool:
    # Vendors accept a UUID in either case.
    return one is not None and other is not None and one.casefold() == other.casefold()


# -- recordings -----------------------------------------------------------------------------------


def _find_event_status(event: RecordingEvent) -> RecordingStatus:
    possible = _STATUSES_OF_KIND[event.kind]
    return event.status if event.status in possible else possible[0]


def _apply_event(recording: Recording, event: RecordingEvent) -> Recording:
    event_status = _find_event_status(event)
    status = max(recording.status, event_status, key=_RANK.__getitem__)
    if is_toggle(event) and status in MAYBE_LIVE:
        status = event_status  # a recording stores no pause times: the last delivery wins
    after = evolve(recording, status=status)
    if event.recording is not None:
        is_newer = _RANK[event_status] >= _RANK[recording.status]
        after = _merge_facts(after, event.recording, overwrite=is_newer)
    if event.occurred_at is not None and event.kind in _TIME_FIELD:
        name = _TIME_FIELD[event.kind]
        if getattr(after, name) is None:
            times: dict[str, Any] = {name: event.occurred_at}
            after = evolve(after, **times)
    return after


_TIME_FIELD: Mapping[EventKind, str] = {
    EventKind.STARTED: "started_at",
    EventKind.STOPPED: "ended_at",
    EventKind.DELETED: "deleted_at",
}


def _merge_facts(ours: Recording, theirs: Recording, *, overwrite: bool) -> Recording:
    """Fill our empty fields from another recording; with `overwrite`, replace the others too."""
    changes: dict[str, Any] = {}
    for name in _FACTS:
        our_value, their_value = getattr(ours, name), getattr(theirs, name)
        if their_value not in (None, (), {}) and (overwrite or our_value in (None, (), {})):
            changes[name] = their_value
    unread = {*ours.unread_fields, *theirs.unread_fields}
    return evolve(ours, **changes, unread_fields=tuple(sorted(unread)))


def _update_recording(ours: Recording | None, polled: Recording) -> Recording:
    """Return the polled recording, but keep a final status if the vendor's response is stale."""
    if ours is None:
        return polled
    if ours.status in FINAL and _RANK[polled.status] < _RANK[ours.status]:
        return _merge_facts(ours, polled, overwrite=False)
    return _keep_event_facts(ours, polled)


def _keep_event_facts(ours: Recording, polled: Recording) -> Recording:
    """Keep what a vendor may report by events only: checksums, and the reason of a failure."""
    checksums = {(each.id, each.size): each.checksum for each in ours.files}
    files = (
        evolve(each, checksum=each.checksum or checksums.get((each.id, each.size)))
        for each in polled.files
    )
    error = polled.error or (ours.error if polled.status is ours.status else None)
    return evolve(polled, files=tuple(files), error=error)


def _build_recording(session: RecordingSession, recording_id: str) -> Recording:
    return Recording(
        session.provider,
        session.account,
        recording_id,
        kind=session.target.kind,
        target=session.target,
        # The first recording has the status of its session, which may have been stopped already.
        status=RecordingStatus.UNKNOWN if session.recordings else session.status,
    )


# -- sessions -------------------------------------------------------------------------------------


def _sort_newest_first(recordings: Iterable[Recording]) -> tuple[Recording, ...]:
    oldest = datetime.min.replace(tzinfo=UTC)
    by_id = sorted(recordings, key=lambda each: each.id)
    return tuple(
        sorted(by_id, key=lambda each: each.started_at or each.created_at or oldest, reverse=True)
    )


def _find_toggled_status(event: RecordingEvent, pauses: tuple[Interval, ...]) -> RecordingStatus:
    if event.occurred_at is None:
        return _find_event_status(event)
    is_paused = pauses[-1].end is None
    return RecordingStatus.PAUSED if is_paused else RecordingStatus.RECORDING


def _merge_pauses(
    session: RecordingSession, event: RecordingEvent, stopped_at: datetime | None
) -> tuple[Interval, ...]:
    """Insert the pause or resume of an event into the session's pauses, ordered by time.

    Pauses and resumes may arrive in any order, and repeatedly. Each is kept until its counterpart
    arrives: a pause lasts until the next pause if no resume lies between them, a resume without a
    pause is an empty interval, and the stop ends the last pause. The session was paused during the
    union of all intervals.
    """
    has_time = event.kind in TOGGLES and event.occurred_at is not None
    if not has_time and stopped_at == session.stopped_at:
        return session.pauses
    starts = {each.start for each in session.pauses if each.start != each.end}
    # An interval that ends when the next begins may have been ended by that pause, not a resume.
    implied_ends = {one.end for one, _ in pairwise(session.pauses)} & starts
    ends = {each.end for each in session.pauses if each.end is not None} - implied_ends
    ends.discard(session.stopped_at)
    if has_time and event.occurred_at is not None:
        (starts if event.kind is EventKind.PAUSED else ends).add(event.occurred_at)
    merged: list[Interval] = []
    for at, is_end in sorted([(at, False) for at in starts] + [(at, True) for at in ends]):
        is_open = bool(merged) and merged[-1].end is None
        if is_open:
            merged[-1] = Interval(merged[-1].start, at)
        if not is_end:
            merged.append(Interval(at))
        elif not is_open:
            merged.append(Interval(at, at))
    is_open = bool(merged) and merged[-1].end is None
    if is_open and stopped_at is not None and merged[-1].start < stopped_at:
        merged[-1] = Interval(merged[-1].start, stopped_at)
    return tuple(merged)
