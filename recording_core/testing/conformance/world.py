"""World: what the suite recorded, when, with which pauses, as the reference for reported values.

The suite owns the emulator's clock, so it has each of these values without the provider.

| value | must be |
|---|---|
| `started_at`, `stopped_at` and `ended_at` | the clock at the start and at the stop |
| `created_at` | between the start and the moment at which it was read first |
| `duration` | the time from the start to the stop, with or without the pauses |
| pauses of a session | the clock at each pause and at each resume, or at the stop |
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

from recording_core import (
    CommunicationSession,
    Operation,
    Recording,
    RecordingSession,
    RecordingStatus,
    dumps,
    loads,
)
from recording_core.model.entities import Interval
from recording_core.testing.emulator.emulator import compute_recorded_time

if TYPE_CHECKING:
    from recording_core.testing.conformance.base import ConformanceBase

#: A vendor may begin and end some seconds late, and rounds to seconds.
TOLERANCE = timedelta(seconds=5)

#: To an odd time of a day, so that no constant fits, and no local time is taken for UTC.
AFTER_NOON = timedelta(hours=11, minutes=58, seconds=47, milliseconds=250)


@frozen
class Plan:
    """How long to record, by the clock.

    Attributes:
        before: from the start to the first pause, or to the stop
        pauses: how long each pause lasts, and how long is recorded after its resume; nothing is
            resumed with 0, so that the stop ends the pause
    """

    before: timedelta
    pauses: tuple[tuple[timedelta, timedelta], ...] = ()


def _seconds(before: float, *pauses: tuple[float, float]) -> Plan:
    return Plan(
        timedelta(seconds=before),
        tuple((timedelta(seconds=one), timedelta(seconds=other)) for one, other in pauses),
    )


#: Lengths that no unit, rounding or constant confuses. Each ends in another way.
PLANS = (_seconds(40), _seconds(46, (67, 58)), _seconds(52, (31, 37), (91, 0)))


@frozen
class Take:
    """One recording that the suite made, with the times of the emulator's clock."""

    target: CommunicationSession
    id: str | None
    started: datetime
    stopped: datetime
    pauses: tuple[Interval, ...]
    #: the session after the stop
    session: RecordingSession

    def list_durations(self) -> tuple[timedelta, timedelta]:
        """Return the duration with the pauses, and without them."""
        whole = self.stopped - self.started
        return whole, compute_recorded_time(self.started, self.stopped, self.pauses)


def record(test: ConformanceBase, target: CommunicationSession, plan: Plan) -> Take:
    """Record by a plan, and check the session after each verb.

    A session travels between processes: pauses and stops are sent by another connection. What the
    provider cannot pause is recorded without a pause.
    """
    vendor, provider = test.vendor, test.provider
    started = vendor.clock.now()
    session = test.begin(provider, target)
    _check_times("start", session, Interval(started), ())
    vendor.advance(plan.before)
    pauses: tuple[Interval, ...] = ()
    with vendor.connect(http=provider.http) as other:
        session = loads(dumps(session), RecordingSession)
        for paused, after in plan.pauses if provider.can(Operation.PAUSE, target.kind) else ():
            pauses = (*pauses, Interval(vendor.clock.now()))
            session = other.pause(session)
            _check_times("pause", session, Interval(started), pauses)
            vendor.advance(paused)
            if not after or not provider.can(Operation.RESUME, target.kind):
                break
            pauses = (*pauses[:-1], Interval(pauses[-1].start, vendor.clock.now()))
            session = other.resume(session)
            _check_times("resume", session, Interval(started), pauses)
            vendor.advance(after)
        stopped = vendor.clock.now()
        session = vendor.finish_session(other, session)
    if pauses and pauses[-1].end is None:
        pauses = (*pauses[:-1], Interval(pauses[-1].start, stopped))
    if provider.can(Operation.STOP, target.kind):
        _check_times("stop", session, Interval(started, stopped), pauses)
    return Take(target, session.id, started, stopped, pauses, session)


@contextmanager
def use_local_time(zone: str) -> Iterator[None]:
    """Let the process have another local time, if the system can change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", zone)
        if hasattr(time, "tzset"):
            time.tzset()
        yield
    if hasattr(time, "tzset"):
        time.tzset()


def measure(recording: Recording) -> timedelta | None:
    """Measure a recording from its start to its end; None without both."""
    if recording.started_at is None or recording.ended_at is None:
        return None
    return recording.ended_at - recording.started_at


def check_session(verb: str, session: RecordingSession, take: Take) -> None:
    """Require the times and pauses of a session that has ended.

    A pause that the end closed stays open if the vendor does not report the end.
    """
    pauses = take.pauses
    if session.stopped_at is None and pauses and pauses[-1].end == take.stopped:
        pauses = (*pauses[:-1], Interval(pauses[-1].start))
    times = Interval(take.started, take.stopped)
    _check_times(verb, session, times, pauses, has_ended=True)


def check_recording(verb: str, recording: Recording, take: Take, now: datetime) -> None:
    """Require the times, durations and the target of a finished recording.

    `now` is the time at which the recording was read first.
    """
    where = f"after {verb}, of the recording {recording.id}"
    _check_time(f"started_at {where}", recording.started_at, take.started)
    _check_time(f"ended_at {where}", recording.ended_at, take.stopped)
    created = recording.created_at
    assert created is None or take.started - TOLERANCE <= created <= now + TOLERANCE, (
        f"created_at {where} is {created}. Expected: between {take.started}, when the suite "
        f"started it, and {now}, when it was available"
    )
    durations = {"the recording": recording.duration}
    durations |= {f"file {each.id}": each.duration for each in recording.files}
    for what, duration in durations.items():
        possible = take.list_durations()
        assert duration is None or any(_is_near(duration, each) for each in possible), (
            f"duration of {what} {where} is {duration}. Expected: {possible[0]}, as long as the "
            f"suite recorded, or {possible[1]}, without its pauses"
        )
    assert recording.target in (None, take.target), (
        f"target {where} is {recording.target}. Expected: {take.target}"
    )


def _check_times(
    verb: str,
    session: RecordingSession,
    times: Interval,
    pauses: Sequence[Interval],
    *,
    has_ended: bool = False,
) -> None:
    where = f"after {verb}, of a session with status {session.status}"
    _check_time(f"started_at {where}", session.started_at, times.start)
    if times.end is None:
        assert session.stopped_at is None, (
            f"stopped_at {where} is {session.stopped_at}. Expected: None, while it runs"
        )
    else:
        _check_time(f"stopped_at {where}", session.stopped_at, times.end)
    found = session.pauses
    is_right = len(found) == len(pauses) and all(
        _is_same_time(one.start, other.start) and _is_same_time(one.end, other.end)
        for one, other in zip(found, pauses, strict=True)
    )
    assert is_right, (
        f"pauses {where} is {_describe(found)}. Expected: {_describe(pauses)}, by the clock at "
        "each pause and resume"
    )
    if pauses and pauses[-1].end is None and not has_ended:
        assert session.status is RecordingStatus.PAUSED, f"status {where}. Expected: paused"


def _describe(pauses: Sequence[Interval]) -> str:
    return ", ".join(f"from {each.start} to {each.end}" for each in pauses) or "no pause"


def _check_time(what: str, found: datetime | None, expected: datetime) -> None:
    assert found is None or _is_near(found - expected, timedelta(0)), (
        f"{what} is {found}. Expected: {expected}, within {TOLERANCE}"
    )


def _is_same_time(found: datetime | None, expected: datetime | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return _is_near(found - expected, timedelta(0))


def _is_near(one: timedelta, other: timedelta) -> bool:
    return abs(one - other) <= TOLERANCE
