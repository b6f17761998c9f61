"""Stateful: a model drives every vendor's verbs in random order, and checks the sessions.

Time passes, responses are lost, and webhooks arrive late, repeatedly and in any order. The sessions
must agree with the model.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from attrs import evolve
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import recording_core as rec
from recording_core.model.enums import FINAL, LIVE
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, ManualClock, Reply, Request
from recording_core.webhooks.receiver import Receiver

Status, Operation = rec.RecordingStatus, rec.Operation
EXAMPLES = settings().max_examples
#: The slowest test takes half a minute on an idle machine, and several minutes in a soak run.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 100 else 7200)
VENDORS = sorted(rec.providers())

#: The time after the end of a recording until list and get return it with a final status.
PROCESSING_TIME = timedelta(minutes=2)
#: The time after a start until a recording can be paused and is long enough to be kept.
WARM_UP = timedelta(seconds=15)
_JSON = {"Content-Type": "application/json"}
#: Failures that occur in place of the response, without any effect of the request.
FAULTS: Mapping[str, Reply] = {
    "HTTP 500": Reply(500, b"{}", _JSON),
    "HTTP 503": Reply(503),
    "HTTP 429": Reply(429, b"{}", {**_JSON, "Retry-After": "2"}),
    "a connection that breaks": Reply(abort=True),
    "an incomplete body": Reply(200, b'{"id": "some-id"}', _JSON, cut_after=5),
    "HTML with 200": Reply(200, b"<html>", {"Content-Type": "text/html"}),
}


class SessionMachine(RuleBasedStateMachine):
    """One account, with at most one recording at a time of each of its live sessions."""

    name: ClassVar[str]

    @initialize(seed=st.integers(0, 999))
    def open(self, seed: int) -> None:
        self.emulator: Emulator = load_object(rec.providers()[self.name], "emulator")(seed=seed)
        self.emulator.start()
        self.clock = self.emulator.clock
        self.provider = self.emulator.connect(http=rec.HttpSettings(workers=1))
        self.other = self.emulator.connect(http=rec.HttpSettings(workers=1))
        secrets: dict[str, Any] = dict(self.emulator.webhooks)
        self.receiver = Receiver(self.name, **secrets, clock=self.clock)
        #: what the vendor's API can start recording
        self.targets = [
            each for each in self.emulator.sessions if self.provider.can(Operation.START, each.kind)
        ]
        #: the newest session of each target, and the targets that the model is recording
        self.sessions: dict[rec.CommunicationSession, rec.RecordingSession] = {}
        self.running: set[rec.CommunicationSession] = set()
        self.paused: set[rec.CommunicationSession] = set()
        #: recording id -> the final status that was returned first
        self.final: dict[str, rec.RecordingStatus] = {}

    def teardown(self) -> None:
        if hasattr(self, "emulator"):
            self.provider.close()
            self.other.close()
            self.emulator.stop()

    # -- rules -----------------------------------------------------------------------------------

    @rule(seconds=st.integers(0, 150))
    def pass_time(self, seconds: int) -> None:
        self._advance(timedelta(seconds=seconds))

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        free = [each for each in self.targets if each not in self.running]
        if not free:
            return
        target = data.draw(st.sampled_from(free))
        self._note_start(target, self.provider.start(target))

    @rule(data=st.data(), fault=st.sampled_from(sorted(FAULTS)))
    def start_with_a_fault(self, data: st.DataObject, fault: str) -> None:
        """Nothing is started. The request is sent once, and the error states what is unknown."""
        free = [each for each in self.targets if each not in self.running]
        if not free:
            return
        target = data.draw(st.sampled_from(free))
        before = self._count_starts()
        self.emulator.faults.append(FAULTS[fault])
        # A 429 proves that nothing was started.
        kind = rec.RateLimited if fault == "HTTP 429" else rec.OutcomeUnknown
        with pytest.raises(kind) as caught:
            self.provider.start(target)
        assert getattr(caught.value, "target", target) == target
        assert self._count_starts() - before == 1, "the start was sent more than once"
        assert not self.emulator.faults

    @rule(data=st.data())
    def start_without_a_response(self, data: st.DataObject) -> None:
        """The response is lost after the start: the recording is found, and can be stopped."""
        free = [each for each in self.targets if each not in self.running]
        if not free:
            return
        target = data.draw(st.sampled_from(free))
        self._lose_next_response()
        with pytest.raises(rec.OutcomeUnknown):
            self.provider.start(target)
        self._advance(WARM_UP)
        if self.provider.can(Operation.ACTIVE, target.kind):
            found = self.provider.active(target)
            assert found is not None, "active() does not find the started recording"
            assert found.status in LIVE
            self._note_start(target, found)
        else:
            session = rec.RecordingSession(
                self.name, "default", None, target, started_at=self.clock.now() - WARM_UP
            )
            assert self.provider.stop(session).stopped_at is not None

    @precondition(lambda self: self.running)
    @rule(data=st.data(), lost=st.booleans())
    def pause(self, data: st.DataObject, lost: bool) -> None:
        self._pause_or_resume(Operation.PAUSE, self._draw_running(data), lost)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), lost=st.booleans())
    def resume(self, data: st.DataObject, lost: bool) -> None:
        self._pause_or_resume(Operation.RESUME, self._draw_running(data), lost)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), lost=st.booleans())
    def stop(self, data: st.DataObject, lost: bool) -> None:
        """Stop a session, which may have ended already, and may have been stopped before."""
        target = data.draw(st.sampled_from(sorted(self.sessions, key=str)))
        before = self.sessions[target]
        after = self._call_verb(Operation.STOP, before, lost)
        assert after.status not in LIVE - {Status.STOPPING}, f"{after.status} after a stop"
        assert after.stopped_at is not None
        assert all(pause.end is not None for pause in after.pauses), "a pause has no end"
        if before.status in FINAL:
            assert after.status is before.status, "a stop changed a final status"
        self._note_end(target)
        self.sessions[target] = after

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def stop_from_elsewhere(self, data: st.DataObject) -> None:
        target = self._draw_running(data)
        self.other.stop(self.sessions[target])
        self._note_end(target)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def find_active(self, data: st.DataObject) -> None:
        """Another connection finds the running recording."""
        target = self._draw_running(data)
        if self.provider.can(Operation.ACTIVE, target.kind):
            found = self.other.active(target)
            assert found is not None, "active() does not find the running recording"
            is_paused = target in self.paused and self.provider.get_shows_pauses
            expected = Status.PAUSED if is_paused else Status.RECORDING
            assert found.status is expected, f"active() found {found.status}, not {expected}"
            assert found.id == self.sessions[target].id

    @precondition(lambda self: set(self.sessions) - self.running)
    @rule(data=st.data(), faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=2))
    def wait(self, data: st.DataObject, faults: list[str]) -> None:
        """Wait for a session that has ended; get and list return its recordings."""
        done = sorted(set(self.sessions) - self.running, key=str)
        target = data.draw(st.sampled_from(done))
        session = self.sessions[target]
        temporary = [FAULTS[each] for each in faults if each not in ("HTML with 200",)]
        self.emulator.faults.extend(temporary)
        session = self.provider.wait(session, timeout=timedelta(minutes=10))
        assert session.recordings
        assert all(each.status in FINAL for each in session.recordings)
        self.emulator.faults.clear()
        self.sessions[target] = session
        self._advance(PROCESSING_TIME)
        since = self.clock.now() - timedelta(days=2)
        listed = {each.id: each for each in self.provider.list(since=since, target=target)}
        for recording in session.recordings:
            self._check_final(recording)
            read = self.provider.get(recording.id, target=target)
            self._check_final(read)
            assert read.status is recording.status
            assert recording.id in listed, "the recording is not in the list"
            self._check_final(listed[recording.id])

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), seed=st.integers(0, 2**16))
    def apply_webhooks(self, data: st.DataObject, seed: int) -> None:
        """All webhooks so far, repeatedly and in two random orders, lead to the same state."""
        target = data.draw(st.sampled_from(sorted(self.sessions, key=str)))
        session = self.sessions[target]
        events = [
            event
            for request in self.emulator.build_webhook_requests()
            for event in self.receiver.verify(request)
            if session.id and event.recording_id == session.id
        ]
        ends: list[tuple[Any, ...]] = []
        for generator in (random.Random(seed), random.Random(seed + 1)):
            order = events * 2
            generator.shuffle(order)
            after = session
            for event in order:
                before, after = after, after.apply(event)
                self._check_progress(before, after)
            ends.append((after.status, after.pauses, after.stopped_at))
        if any(event.occurred_at is None for event in events):
            ends = [each[:1] for each in ends if each[0] not in LIVE]
        assert len(set(ends)) <= 1, f"the result depends on the order: {ends}"
        may_be_over = after.status in FINAL or target not in self.running
        assert may_be_over or after.status in LIVE, f"{after.status} while it is recorded"

    # -- invariants ------------------------------------------------------------------------------

    @invariant()
    def check_sessions(self) -> None:
        for target, session in getattr(self, "sessions", {}).items():
            assert session.target == target
            assert rec.loads(rec.dumps(session), rec.RecordingSession) == session
            moments = [at for each in session.pauses for at in (each.start, each.end) if at]
            assert moments == sorted(moments), f"pauses overlap: {session.pauses}"
            open_pauses = [each for each in session.pauses if each.end is None]
            assert len(open_pauses) == (1 if target in self.paused else 0), session.pauses
            if target in self.paused:
                assert session.status is Status.PAUSED

    # -- the model -------------------------------------------------------------------------------

    def _advance(self, by: timedelta) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(by)

    def _draw_running(self, data: st.DataObject) -> rec.CommunicationSession:
        return data.draw(st.sampled_from(sorted(self.running, key=str)))

    def _note_start(self, target: rec.CommunicationSession, session: rec.RecordingSession) -> None:
        assert session.status in (Status.PENDING, Status.RECORDING)
        assert (session.target, session.pauses, session.stopped_at) == (target, (), None)
        self.sessions[target] = session
        self.running.add(target)
        self.paused.discard(target)
        self._advance(WARM_UP)

    def _note_end(self, target: rec.CommunicationSession) -> None:
        self.running.discard(target)
        if target in self.paused:
            # A stop by another connection does not change this session: stop it as well.
            self.paused.discard(target)
            self.sessions[target] = self.provider.stop(self.sessions[target])
        self._advance(timedelta(seconds=5))

    def _pause_or_resume(
        self, operation: rec.Operation, target: rec.CommunicationSession, lost: bool
    ) -> None:
        """Pause or resume; raises before any request if the vendor does not support it."""
        session = self.sessions[target]
        if not self.provider.can(operation, target.kind):
            before = len(self.emulator.journal)
            with pytest.raises(rec.UnsupportedOperation):
                getattr(self.provider, operation)(session)
            assert len(self.emulator.journal) == before, "an unsupported request was sent"
            return
        after = self._call_verb(operation, session, lost)
        is_pause = operation is Operation.PAUSE
        assert after.status is (Status.PAUSED if is_pause else Status.RECORDING)
        (self.paused.add if is_pause else self.paused.discard)(target)
        if not is_pause or session.status is Status.PAUSED:
            assert len(after.pauses) == len(session.pauses)
        self.sessions[target] = after
        self._advance(timedelta(seconds=3))

    def _call_verb(
        self, operation: rec.Operation, session: rec.RecordingSession, lost: bool
    ) -> rec.RecordingSession:
        """Call a verb, and again if its response is lost; the second call succeeds."""
        verb = getattr(self.provider, operation)
        if lost:
            self._lose_next_response()
        try:
            after: rec.RecordingSession = verb(session)
        except rec.Unavailable:
            assert lost
            after = verb(session)
        finally:
            # Some providers send no request for a session that has ended.
            self.emulator.__dict__.pop("answer", None)
        return after

    def _count_starts(self) -> int:
        return sum(request.method == "POST" for request in self.emulator.list_requests())

    def _lose_next_response(self) -> None:
        """Execute the next request, and break the connection before its response."""
        emulator, answer = self.emulator, type(self.emulator).answer

        def answer_and_abort(request: Request) -> Reply:
            answer(emulator, request)
            emulator.__dict__.pop("answer", None)
            return Reply(abort=True)

        emulator.__dict__["answer"] = answer_and_abort

    def _check_final(self, recording: rec.Recording) -> None:
        """Check that a final status does not change, except to expired or deleted."""
        before = self.final.setdefault(recording.id, recording.status)
        assert recording.status in FINAL, f"{recording.id} was {before}: it is {recording.status}"
        later = (Status.EXPIRED, Status.DELETED)
        assert recording.status is before or recording.status in later

    def _check_progress(self, before: rec.RecordingSession, after: rec.RecordingSession) -> None:
        if before.status in FINAL:
            assert after.status in FINAL, f"{before.status} became {after.status}"
        if before.status not in LIVE | {Status.UNKNOWN}:
            assert after.status not in LIVE, f"{before.status} became {after.status}"
        assert evolve(after, raw={}).target == before.target


@pytest.mark.parametrize("name", VENDORS)
def test_session_agrees_with_the_model_after_any_events(name: str) -> None:
    """Final statuses never regress, stop may be repeated, recordings are found, and waits end."""
    machine = type(f"{name.title()}SessionMachine", (SessionMachine,), {"name": name})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=max(15, EXAMPLES // 2),
            stateful_step_count=30 if EXAMPLES <= 100 else 50,
            deadline=None,
            derandomize=EXAMPLES <= 100,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_manual_clock_advances_on_the_shortest_sleep() -> None:
    """Rounding can leave less than a microsecond to wait, which must not poll without end."""
    clock = ManualClock()
    start = clock.now()
    clock.sleep(0)
    assert clock.now() == start
    clock.sleep(1e-17)
    assert clock.now() > start
