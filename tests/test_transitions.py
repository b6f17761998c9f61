"""Transitions: webhooks, polls and listings lead to the same state in any order."""

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


def build_time(minutes: float) -> datetime:
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


def build_event(
    kind: rec.EventKind, minute: float | None = None, **more: Any
) -> rec.RecordingEvent:
    id = more.pop("recording_id", "R1")
    facts: dict[str, Any] = {
        "provider": "acme",
        "account": "default",
        "kind": kind,
        "recording_id": id,
        "target": rec.call("C1"),
        "recording": None,
        "status": STATUS_OF[kind],
        "occurred_at": None if minute is None else build_time(minute),
        "delivery_id": None,
        "key": plugin.build_event_key("acme", "default", id, kind, str(minute)),
    }
    return rec.RecordingEvent(**facts | more)


def build_recording(status: rec.RecordingStatus = Status.RECORDING, **more: Any) -> rec.Recording:
    return rec.Recording("acme", "default", "R1", status=status, **more)


def build_session(**more: Any) -> rec.RecordingSession:
    facts: dict[str, Any] = {"id": "R1", "target": rec.call("C1")} | more
    return rec.RecordingSession("acme", "default", **facts)


def apply_all(start: Any, events: Sequence[rec.RecordingEvent]) -> Any:
    for each in events:
        start = start.apply(each)
    return start


#: all events of one recording, in order
LIFE = (
    build_event(Kind.STARTED, 0),
    build_event(Kind.PAUSED, 1),
    build_event(Kind.RESUMED, 2),
    build_event(Kind.PAUSED, 3),
    build_event(Kind.RESUMED, 4),
    build_event(Kind.PAUSED, 5),
    build_event(Kind.STOPPED, 6),
    build_event(
        Kind.AVAILABLE,
        7,
        recording=build_recording(Status.AVAILABLE, size=7, ended_at=build_time(6)),
    ),
    build_event(Kind.UPDATED, 8),
    build_event(Kind.EXPIRED, 9),
    build_event(Kind.DELETED, 10),
)

several = st.lists(st.sampled_from(LIFE), min_size=1, max_size=len(LIFE), unique_by=id)


@given(
    several.flatmap(lambda events: st.tuples(st.permutations(events), st.permutations(events * 2)))
)
def test_events_in_any_order_and_number_lead_to_the_same_session(orders: Any) -> None:
    once, twice = orders
    in_order = sorted(once, key=LIFE.index)
    end = apply_all(build_session(), in_order)
    assert apply_all(build_session(), once) == end
    assert apply_all(build_session(), twice) == end


lasting = [each for each in LIFE if each.kind not in (Kind.PAUSED, Kind.RESUMED)]


@given(
    st.lists(st.sampled_from(lasting)).flatmap(
        lambda events: st.tuples(st.just(events), st.permutations(events))
    )
)
def test_lasting_events_in_any_order_lead_to_the_same_recording(orders: Any) -> None:
    one, other = orders
    start = build_recording(Status.PENDING)
    assert apply_all(start, one) == apply_all(start, other)


@given(st.lists(st.sampled_from([build_event(kind, 1) for kind in Kind])))
def test_final_status_never_regresses(events: list[rec.RecordingEvent]) -> None:
    final: rec.RecordingStatus | None = None
    now = build_session()
    for each in events:
        now = now.apply(each)
        if final is not None:
            assert now.status in FINAL
        if final in (Status.EXPIRED, Status.DELETED):
            assert now.status in (Status.EXPIRED, Status.DELETED)
        if final is Status.AVAILABLE:
            assert now.status in (Status.AVAILABLE, Status.EXPIRED, Status.DELETED)
        final = now.status if now.status in FINAL else None


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
def test_transition_of_one_event(before: Any, kind: rec.EventKind, after: Any) -> None:
    assert build_recording(before).apply(build_event(kind, 1)).status is after
    assert build_session(status=before, recordings=(build_recording(before),)).apply(
        build_event(kind, 1)
    ).status is (after)
    assert build_session(status=before).apply(build_event(kind, 1)).status is after


def test_stopped_event_may_have_status_stopping() -> None:
    stopping = build_event(Kind.STOPPED, 1, status=Status.STOPPING)
    assert build_recording().apply(stopping).status is Status.STOPPING
    assert build_recording(Status.PROCESSING).apply(stopping).status is Status.PROCESSING


def test_pauses_are_ordered_by_time_not_by_arrival() -> None:
    events = [
        build_event(Kind.RESUMED, 2),
        build_event(Kind.PAUSED, 3),
        build_event(Kind.PAUSED, 1),
    ]
    after = apply_all(build_session(status=Status.RECORDING), events)
    assert after.pauses == (build_interval(1, 2), build_interval(3))
    assert after.status is Status.PAUSED
    late = after.apply(build_event(Kind.RESUMED, 4))
    assert late.pauses == (build_interval(1, 2), build_interval(3, 4))
    assert late.status is Status.RECORDING


def build_interval(start: float, end: float | None = None) -> rec.Interval:
    return rec.Interval(build_time(start), None if end is None else build_time(end))


def test_stop_ends_a_pause() -> None:
    after = apply_all(build_session(), [build_event(Kind.PAUSED, 1), build_event(Kind.STOPPED, 5)])
    assert after.pauses == (build_interval(1, 5),)
    assert after.apply(build_event(Kind.RESUMED, 2)).pauses == (build_interval(1, 2),)


def test_a_start_without_a_time_ends_a_pause_since_it_may_be_a_resume() -> None:
    paused, begun = build_event(Kind.PAUSED), build_event(Kind.STARTED)
    for order, status in (((paused, begun), "recording"), ((begun, paused), "paused")):
        for start in (
            build_recording(Status.RECORDING),
            build_session(status=Status.RECORDING),
            build_session(status=Status.RECORDING, recordings=(build_recording(),)),
        ):
            after = apply_all(start, order)
            assert after.status == status
            assert after.apply(order[-1]) == after
            assert apply_all(after, order).status == status
            over = apply_all(after, (build_event(Kind.STOPPED), *order))
            assert over.status is Status.PROCESSING
    late = build_session(status=Status.PAUSED).apply(build_event(Kind.STARTED, 0))
    assert late.status is Status.PAUSED, "with a time it is the start, before the pause"


def test_a_poll_after_the_end_ends_the_pause() -> None:
    paused = build_session(pauses=(build_interval(1, 2), build_interval(3)))
    over = build_recording(Status.PROCESSING, ended_at=build_time(5))
    assert update_session(paused, (over,)).pauses == (build_interval(1, 2), build_interval(3, 5))
    for found in (build_recording(Status.PAUSED), build_recording(Status.PROCESSING)):
        assert update_session(paused, (found,)).pauses == paused.pauses
    ahead = evolve(over, ended_at=build_time(2.5))  # the clocks differ
    assert update_session(paused, (ahead,)).pauses[-1] == build_interval(3, 3)


def test_without_times_the_last_delivered_pause_or_resume_wins() -> None:
    now = build_session(status=Status.RECORDING)
    for kind, status in (
        (Kind.PAUSED, Status.PAUSED),
        (Kind.RESUMED, Status.RECORDING),
        (Kind.PAUSED, Status.PAUSED),
    ):
        now = now.apply(build_event(kind))
        assert now.status is status
    assert now.pauses == ()


def test_facts_of_a_webhook_hold_until_a_later_event_changes_them() -> None:
    done = build_recording(
        Status.AVAILABLE, size=9, provider_status="done", duration=timedelta(minutes=5)
    )
    begun = build_recording(Status.RECORDING, size=1, provider_status="live", title="standup")
    for events in (
        [
            build_event(Kind.STARTED, 0, recording=begun),
            build_event(Kind.AVAILABLE, 7, recording=done),
        ],
        [
            build_event(Kind.AVAILABLE, 7, recording=done),
            build_event(Kind.STARTED, 0, recording=begun),
        ],
    ):
        after = apply_all(build_recording(Status.PENDING), events)
        assert (after.size, after.provider_status, after.title) == (9, "done", "standup")
        assert after.started_at == build_time(0)
        assert after.duration == timedelta(minutes=5)


def test_late_webhook_does_not_revert_provider_status() -> None:
    events = [
        build_event(
            Kind.STARTED, 0, recording=build_recording(Status.RECORDING, provider_status="live")
        ),
        build_event(
            Kind.STOPPED, 5, recording=build_recording(Status.PROCESSING, provider_status="over")
        ),
        build_event(
            Kind.AVAILABLE, 7, recording=build_recording(Status.AVAILABLE, provider_status="done")
        ),
    ]
    for order in itertools.permutations(events):
        after = apply_all(build_session(), order)
        assert (after.status, after.provider_status) == (Status.AVAILABLE, "done")


def test_webhooks_add_recordings_to_a_session() -> None:
    begun = build_session(id=None, status=Status.RECORDING)
    after = begun.apply(build_event(Kind.AVAILABLE, 7, recording_id="r1"))
    assert after.id is None  # the vendor returned none, and another recording may follow
    assert [(each.id, each.status) for each in after.recordings] == [("r1", Status.AVAILABLE)]
    assert after.apply(build_event(Kind.DELETED, 8, recording_id="R1")).status is Status.DELETED


def test_an_event_belongs_to_a_session_also_by_the_id_of_its_occurrence() -> None:
    recording = build_recording(Status.AVAILABLE, reference=build_session().target.id)
    kind = build_session().target.kind
    named = rec.CommunicationSession(kind, "a name")
    event = evolve(build_event(Kind.AVAILABLE, 7, recording=recording), target=named)
    after = build_session(id=None).apply(event)
    assert [each.status for each in after.recordings] == [Status.AVAILABLE]
    for foreign in (None, evolve(recording, reference="another")):
        with pytest.raises(ValueError, match="the event belongs to"):
            build_session(id=None).apply(evolve(event, recording=foreign))


@pytest.mark.parametrize("id", ["a-1", "a-2", None])
def test_an_event_belongs_to_the_session_whose_start_it_names(id: Any) -> None:
    session = build_session(id=None, start_id="a-1" if id else None)
    event = evolve(build_event(Kind.STARTED), target=None, start_id=id)
    if id == "a-1":
        assert [each.id for each in session.apply(event).recordings] == ["R1"]
        with pytest.raises(ValueError, match="the event belongs to"):
            evolve(session, id="R2").apply(event)
    else:
        with pytest.raises(ValueError, match="the event belongs to"):
            session.apply(event)


@pytest.mark.parametrize("name", ["started_at", "ended_at", "created_at"])
def test_an_event_of_an_earlier_recording_is_not_of_a_session_without_an_id(name: str) -> None:
    """It does not move the session's start either, which decides about later events."""
    session = build_session(id=None, started_at=NOON)
    times: list[dict[str, Any]] = [{name: build_time(minutes)} for minutes in (-5, -5.1)]
    allowed, earlier = (
        build_event(Kind.AVAILABLE, 7, recording=build_recording(**each)) for each in times
    )
    after = session.apply(allowed)
    assert (after.recordings[0].id, after.started_at) == ("R1", NOON)
    with pytest.raises(ValueError, match="the event belongs to"):
        session.apply(earlier)


def test_an_event_of_another_start_is_not_of_a_session_without_an_id() -> None:
    session = build_session(id=None, start_id="a-1")
    assert session.apply(build_event(Kind.STARTED)).recordings
    assert session.apply(build_event(Kind.STARTED, start_id="a-1")).recordings
    with pytest.raises(ValueError, match="the event belongs to"):
        session.apply(build_event(Kind.STARTED, start_id="a-2"))


def test_session_has_the_earliest_status_of_its_recordings() -> None:
    both = build_session(
        id=None, recordings=(build_recording(Status.AVAILABLE), evolve(build_recording(), id="R2"))
    )
    assert both.apply(build_event(Kind.DELETED, 1)).status is Status.RECORDING
    after = apply_all(both, [build_event(Kind.AVAILABLE, 1, recording_id="R2")])
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
def test_event_of_another_recording_raises_value_error(foreign: dict[str, Any]) -> None:
    other = evolve(build_event(Kind.STARTED), **foreign)
    for ours in (
        build_recording(),
        build_session(),
        build_session(recordings=(build_recording(),)),
    ):
        with pytest.raises(ValueError, match="the event belongs to"):
            ours.apply(other)
        with pytest.raises(TypeError):
            ours.apply("started")  # type: ignore[arg-type]


def test_poll_updates_the_status_but_never_a_final_one() -> None:
    polled = update_session(build_session(), (build_recording(Status.PAUSED),))
    assert polled.status is Status.PAUSED
    assert update_session(polled, (build_recording(Status.RECORDING),)).status is Status.RECORDING
    assert update_session(polled, (build_recording(Status.UNKNOWN),)).status is Status.UNKNOWN
    done = polled.apply(build_event(Kind.AVAILABLE, 7))
    stale = update_session(done, (build_recording(Status.PROCESSING, size=5),))
    assert (stale.status, stale.recordings[0].size) == (Status.AVAILABLE, 5)
    assert update_session(stale, (build_recording(Status.EXPIRED),)).status is Status.EXPIRED


def test_what_only_events_report_holds_after_a_poll() -> None:
    """Audian reports checksums and the reason of a failure in webhooks alone."""
    file = rec.MediaFile("mix", rec.FileRole.MIX, size=5, checksum="sha256:" + "0" * 64)
    without = evolve(file, checksum=None)
    reported = build_recording(Status.AVAILABLE, files=(file,))
    event = build_event(Kind.AVAILABLE, 7, recording=reported, trusted=True)
    polled = build_recording(Status.AVAILABLE, files=(without,))
    after = update_session(build_session().apply(event), (polled,))
    assert after.recordings[0].files == (file,)
    assert confirm_event(event, polled).recording == reported
    # A body that anyone may have sent adds nothing, and bytes of another size are others.
    assert confirm_event(evolve(event, trusted=False), polled).recording == polled
    larger = evolve(polled, files=(evolve(without, size=6),))
    assert confirm_event(event, larger).recording == larger

    failed = evolve(reported, status=Status.FAILED, error="disk full")
    again = update_session(
        build_session().apply(build_event(Kind.FAILED, 7, recording=failed)),
        (build_recording(Status.FAILED),),
    )
    assert again.recordings[0].error == "disk full"
    assert update_session(again, (polled,)).recordings[0].error is None


@given(st.sampled_from(sorted(FINAL)), several)
def test_webhooks_and_polls_lead_to_the_same_status(
    final: rec.RecordingStatus, events: Any
) -> None:
    events = [each for each in events if each.kind not in (Kind.EXPIRED, Kind.DELETED)]
    without_media = {Status.FAILED, Status.EMPTY}
    events = [
        each for each in events if not (final in without_media and each.kind is Kind.AVAILABLE)
    ]
    polled = update_session(build_session(), (build_recording(final),))
    assert apply_all(polled, events).status is final
    assert (
        update_session(apply_all(build_session(), events), (build_recording(final),)).status
        is final
    )


def test_confirmed_event_has_the_current_state() -> None:
    claimed = build_event(Kind.AVAILABLE, 7, trusted=False)
    same = confirm_event(claimed, build_recording(Status.AVAILABLE, size=5))
    assert (same.kind, same.key, same.trusted) == (Kind.AVAILABLE, claimed.key, True)
    assert same.recording is not None
    other = confirm_event(claimed, build_recording(Status.PROCESSING))
    assert (other.kind, other.status) == (Kind.STOPPED, Status.PROCESSING)
    assert other.key == plugin.build_event_key("acme", "default", "R1", Kind.STOPPED)
    nothing = confirm_event(claimed, build_recording(Status.PENDING))
    assert nothing.kind is Kind.UPDATED
    paused = build_event(Kind.PAUSED, 1)
    assert confirm_event(paused, build_recording(Status.PAUSED)).key == paused.key
    assert confirm_event(paused, build_recording(Status.RECORDING)).kind is Kind.STARTED


@given(
    st.permutations(
        [
            build_event(kind, minute, recording_id=id)
            for id in ("R1", "R2")
            for minute, kind in enumerate((Kind.STARTED, Kind.STOPPED, Kind.AVAILABLE))
        ]
    )
)
def test_events_of_several_recordings_in_any_order_lead_to_the_same_session(
    events: list[rec.RecordingEvent],
) -> None:
    """Also half-way: the session is not available before all of its recordings are."""
    half = [each for each in events if (each.recording_id, each.kind) != ("R2", Kind.AVAILABLE)]
    after = apply_all(build_session(id=None), half)
    assert after.status is Status.PROCESSING
    assert {each.id: each.status for each in after.recordings} == {
        "R1": Status.AVAILABLE,
        "R2": Status.PROCESSING,
    }
    assert apply_all(build_session(id=None), events).status is Status.AVAILABLE
