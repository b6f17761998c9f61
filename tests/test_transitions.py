"""Do callback, poll and listing end in the same state, in whatever order they come?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

import recording_core as rec
from recording_core import plugin
from recording_core.model.enums import FINAL
from recording_core.model.transitions import confirm_event, update_session

Kind, Status = rec.EventKind, rec.RecordingStatus
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


STATUS_OF = {
    Kind.STARTED: Status.RECORDING,
    Kind.PAUSED: Status.PAUSED,
    Kind.RESUMED: Status.RECORDING,
    Kind.STOPPED: Status.PROCESSING,
    Kind.AVAILABLE: Status.AVAILABLE,
    Kind.FAILED: Status.FAILED,
    Kind.EMPTY: Status.EMPTY,
    Kind.EXPIRED: Status.EXPIRED,
    Kind.DELETED: Status.DELETED,
    Kind.UPDATED: Status.UNKNOWN,
}


def event(kind: rec.EventKind, minute: float | None = None, **more: Any) -> rec.RecordingEvent:
    id = more.pop("recording_id", "R1")
    facts: dict[str, Any] = {
        "provider": "acme",
        "account": "default",
        "kind": kind,
        "recording_id": id,
        "target": rec.call("C1"),
        "recording": None,
        "status": STATUS_OF[kind],
        "occurred_at": None if minute is None else at(minute),
        "delivery_id": None,
        "key": plugin.build_event_key("acme", "default", id, kind, str(minute)),
    }
    return rec.RecordingEvent(**facts | more)


def recording(status: rec.RecordingStatus = Status.RECORDING, **more: Any) -> rec.Recording:
    return rec.Recording("acme", "default", "R1", status=status, **more)


def session(**more: Any) -> rec.RecordingSession:
    facts: dict[str, Any] = {"id": "R1", "target": rec.call("C1")} | more
    return rec.RecordingSession("acme", "default", **facts)


def applied(start: Any, events: Sequence[rec.RecordingEvent]) -> Any:
    for each in events:
        start = start.apply(each)
    return start


#: one life, and everything that may be told of it; each fact with what its callback would say
LIFE = (
    event(Kind.STARTED, 0),
    event(Kind.PAUSED, 1),
    event(Kind.RESUMED, 2),
    event(Kind.PAUSED, 3),
    event(Kind.RESUMED, 4),
    event(Kind.PAUSED, 5),
    event(Kind.STOPPED, 6),
    event(Kind.AVAILABLE, 7, recording=recording(Status.AVAILABLE, size=7, ended_at=at(6))),
    event(Kind.UPDATED, 8),
    event(Kind.EXPIRED, 9),
    event(Kind.DELETED, 10),
)

several = st.lists(st.sampled_from(LIFE), min_size=1, max_size=len(LIFE), unique_by=id)


@given(several.flatmap(lambda told: st.tuples(st.permutations(told), st.permutations(told * 2))))
def test_the_same_facts_in_any_order_and_number_end_in_the_same_session(orders: Any) -> None:
    once, doubled = orders
    in_order = sorted(once, key=LIFE.index)
    end = applied(session(), in_order)
    assert applied(session(), once) == end
    assert applied(session(), doubled) == end


lasting = [each for each in LIFE if each.kind not in (Kind.PAUSED, Kind.RESUMED)]


@given(
    st.lists(st.sampled_from(lasting)).flatmap(
        lambda told: st.tuples(st.just(told), st.permutations(told))
    )
)
def test_the_same_lasting_facts_in_any_order_end_in_the_same_recording(orders: Any) -> None:
    one, other = orders
    start = recording(Status.PENDING)
    assert applied(start, one) == applied(start, other)


@given(st.lists(st.sampled_from([event(kind, 1) for kind in Kind])))
def test_what_is_final_never_becomes_less_so(events: list[rec.RecordingEvent]) -> None:
    sure: rec.RecordingStatus | None = None
    now = session()
    for each in events:
        now = now.apply(each)
        if sure is not None:
            assert now.status in FINAL
        if sure in (Status.EXPIRED, Status.DELETED):
            assert now.status in (Status.EXPIRED, Status.DELETED)
        if sure is Status.AVAILABLE:
            assert now.status in (Status.AVAILABLE, Status.EXPIRED, Status.DELETED)
        sure = now.status if now.status in FINAL else None


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        (Status.PENDING, Kind.STARTED, Status.RECORDING),
        (Status.UNKNOWN, Kind.STARTED, Status.RECORDING),
        (Status.RECORDING, Kind.PAUSED, Status.PAUSED),
        (Status.PAUSED, Kind.RESUMED, Status.RECORDING),
        (Status.PAUSED, Kind.STARTED, Status.PAUSED),
        (Status.PROCESSING, Kind.PAUSED, Status.PROCESSING),
        (Status.PROCESSING, Kind.STARTED, Status.PROCESSING),
        (Status.AVAILABLE, Kind.STOPPED, Status.AVAILABLE),
        (Status.AVAILABLE, Kind.FAILED, Status.AVAILABLE),
        (Status.AVAILABLE, Kind.EXPIRED, Status.EXPIRED),
        (Status.AVAILABLE, Kind.DELETED, Status.DELETED),
        (Status.AVAILABLE, Kind.UPDATED, Status.AVAILABLE),
        (Status.FAILED, Kind.STOPPED, Status.FAILED),
        (Status.FAILED, Kind.EMPTY, Status.FAILED),
        (Status.EMPTY, Kind.STARTED, Status.EMPTY),
        (Status.DELETED, Kind.AVAILABLE, Status.DELETED),
        (Status.DELETED, Kind.EXPIRED, Status.DELETED),
    ],
)
def test_a_transition(before: Any, kind: rec.EventKind, after: Any) -> None:
    assert recording(before).apply(event(kind, 1)).status is after
    assert session(status=before, recordings=(recording(before),)).apply(event(kind, 1)).status is (
        after
    )
    assert session(status=before).apply(event(kind, 1)).status is after


def test_a_vendor_may_say_stopping_for_stopped() -> None:
    stopping = event(Kind.STOPPED, 1, status=Status.STOPPING)
    assert recording().apply(stopping).status is Status.STOPPING
    assert recording(Status.PROCESSING).apply(stopping).status is Status.PROCESSING


def test_pauses_are_intervals_whatever_comes_first() -> None:
    told = [event(Kind.RESUMED, 2), event(Kind.PAUSED, 3), event(Kind.PAUSED, 1)]
    after = applied(session(status=Status.RECORDING), told)
    assert after.pauses == (rec_interval(1, 2), rec_interval(3))
    assert after.status is Status.PAUSED
    late = after.apply(event(Kind.RESUMED, 4))
    assert late.pauses == (rec_interval(1, 2), rec_interval(3, 4))
    assert late.status is Status.RECORDING


def rec_interval(start: float, end: float | None = None) -> Any:
    from recording_core.model.entities import Interval

    return Interval(at(start), None if end is None else at(end))


def test_a_pause_ends_with_the_recording() -> None:
    after = applied(session(), [event(Kind.PAUSED, 1), event(Kind.STOPPED, 5)])
    assert after.pauses == (rec_interval(1, 5),)
    assert after.apply(event(Kind.RESUMED, 2)).pauses == (rec_interval(1, 2),)


def test_without_times_the_last_delivered_pause_or_resume_wins() -> None:
    now = session(status=Status.RECORDING)
    for kind, status in (
        (Kind.PAUSED, Status.PAUSED),
        (Kind.RESUMED, Status.RECORDING),
        (Kind.PAUSED, Status.PAUSED),
    ):
        now = now.apply(event(kind))
        assert now.status is status
    assert now.pauses == ()


def test_what_a_callback_says_is_kept_until_something_newer_says_otherwise() -> None:
    done = recording(
        Status.AVAILABLE, size=9, provider_status="done", duration=timedelta(minutes=5)
    )
    begun = recording(Status.RECORDING, size=1, provider_status="live", title="standup")
    for told in (
        [event(Kind.STARTED, 0, recording=begun), event(Kind.AVAILABLE, 7, recording=done)],
        [event(Kind.AVAILABLE, 7, recording=done), event(Kind.STARTED, 0, recording=begun)],
    ):
        after = applied(recording(Status.PENDING), told)
        assert (after.size, after.provider_status, after.title) == (9, "done", "standup")
        assert after.started_at == at(0)
        assert after.duration == timedelta(minutes=5)


def test_a_late_callback_does_not_set_the_sessions_own_word_back() -> None:
    told = [
        event(Kind.STARTED, 0, recording=recording(Status.RECORDING, provider_status="live")),
        event(Kind.STOPPED, 5, recording=recording(Status.PROCESSING, provider_status="over")),
        event(Kind.AVAILABLE, 7, recording=recording(Status.AVAILABLE, provider_status="done")),
    ]
    for order in itertools.permutations(told):
        after = applied(session(), order)
        assert (after.status, after.provider_status) == (Status.AVAILABLE, "done")


def test_a_session_learns_its_recordings_from_callbacks() -> None:
    begun = session(id=None, status=Status.RECORDING)
    after = begun.apply(event(Kind.AVAILABLE, 7, recording_id="r1"))
    assert after.id is None  # the vendor named none, and another recording may follow
    assert [(each.id, each.status) for each in after.recordings] == [("r1", Status.AVAILABLE)]
    assert after.apply(event(Kind.DELETED, 8, recording_id="R1")).status is Status.DELETED


def test_a_session_is_as_far_as_the_recording_that_is_least_far() -> None:
    both = session(id=None, recordings=(recording(Status.AVAILABLE), evolve(recording(), id="R2")))
    assert both.apply(event(Kind.DELETED, 1)).status is Status.RECORDING
    after = applied(both, [event(Kind.AVAILABLE, 1, recording_id="R2")])
    assert after.status is Status.AVAILABLE


@pytest.mark.parametrize(
    "foreign",
    [
        {"recording_id": "R2"},
        {"provider": "other"},
        {"account": "other"},
        {"recording_id": None, "target": rec.call("C2")},
        {"recording_id": None, "target": None},
    ],
)
def test_an_event_of_another_recording_is_the_callers_mistake(foreign: dict[str, Any]) -> None:
    other = evolve(event(Kind.STARTED), **foreign)
    for ours in (recording(), session(), session(recordings=(recording(),))):
        with pytest.raises(ValueError, match="this event is of"):
            ours.apply(other)
        with pytest.raises(TypeError):
            ours.apply("started")  # type: ignore[arg-type]


def test_a_poll_says_what_is_now_and_takes_back_nothing_final() -> None:
    seen = update_session(session(), (recording(Status.PAUSED),))
    assert seen.status is Status.PAUSED
    assert update_session(seen, (recording(Status.RECORDING),)).status is Status.RECORDING
    assert update_session(seen, (recording(Status.UNKNOWN),)).status is Status.UNKNOWN
    done = seen.apply(event(Kind.AVAILABLE, 7))
    stale = update_session(done, (recording(Status.PROCESSING, size=5),))
    assert (stale.status, stale.recordings[0].size) == (Status.AVAILABLE, 5)
    assert update_session(stale, (recording(Status.EXPIRED),)).status is Status.EXPIRED


@given(st.sampled_from(sorted(FINAL)), several)
def test_callback_and_poll_end_alike(final: rec.RecordingStatus, told: Any) -> None:
    told = [each for each in told if each.kind not in (Kind.EXPIRED, Kind.DELETED)]
    known = {Status.FAILED, Status.EMPTY}
    told = [each for each in told if not (final in known and each.kind is Kind.AVAILABLE)]
    polled = update_session(session(), (recording(final),))
    assert applied(polled, told).status is final
    assert update_session(applied(session(), told), (recording(final),)).status is final


def test_confirming_an_event_gives_the_fact_of_now() -> None:
    claimed = event(Kind.AVAILABLE, 7, trusted=False)
    same = confirm_event(claimed, recording(Status.AVAILABLE, size=5))
    assert (same.kind, same.key, same.trusted) == (Kind.AVAILABLE, claimed.key, True)
    assert same.recording is not None
    other = confirm_event(claimed, recording(Status.PROCESSING))
    assert (other.kind, other.status) == (Kind.STOPPED, Status.PROCESSING)
    assert other.key == plugin.build_event_key("acme", "default", "R1", Kind.STOPPED)
    nothing = confirm_event(claimed, recording(Status.PENDING))
    assert nothing.kind is Kind.UPDATED
    paused = event(Kind.PAUSED, 1)
    assert confirm_event(paused, recording(Status.PAUSED)).key == paused.key
    assert confirm_event(paused, recording(Status.RECORDING)).kind is Kind.STARTED


@given(
    st.permutations(
        [
            event(kind, minute, recording_id=id)
            for id in ("R1", "R2")
            for minute, kind in enumerate((Kind.STARTED, Kind.STOPPED, Kind.AVAILABLE))
        ]
    )
)
def test_several_recordings_of_one_session_end_alike_in_any_order(
    events: list[rec.RecordingEvent],
) -> None:
    """Also half-way: what is not over keeps its session from being so."""
    half = [each for each in events if (each.recording_id, each.kind) != ("R2", Kind.AVAILABLE)]
    after = applied(session(id=None), half)
    assert after.status is Status.PROCESSING
    assert {each.id: each.status for each in after.recordings} == {
        "R1": Status.AVAILABLE,
        "R2": Status.PROCESSING,
    }
    assert applied(session(id=None), events).status is Status.AVAILABLE
