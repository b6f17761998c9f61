"""Does a session stay true through anything? A model drives every vendor's verbs, in any order.

Time passes, answers are lost, callbacks come late, doubled and in any order; what the model knows
of the act of recording, the session has to say.
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
#: The slowest takes half a minute where nothing else runs, and some minutes where it soaks.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 100 else 7200)
VENDORS = sorted(rec.providers())

#: From the end of a recording until it is final, and seen by list and get.
SETTLE = timedelta(minutes=2)
#: After its start a recording can be paused, and is worth keeping.
WARM_UP = timedelta(seconds=15)
_JSON = {"Content-Type": "application/json"}
#: What a vendor answers, now and then, in place of what was asked; nothing was done.
HICCUPS: Mapping[str, Reply] = {
    "HTTP 500": Reply(500, b"{}", _JSON),
    "HTTP 503": Reply(503),
    "HTTP 429": Reply(429, b"{}", {**_JSON, "Retry-After": "2"}),
    "a connection that is cut": Reply(abort=True),
    "a body that is cut": Reply(200, b'{"id": "some-id"}', _JSON, cut_after=5),
    "HTML with 200": Reply(200, b"<html>", {"Content-Type": "text/html"}),
}


class Lives(RuleBasedStateMachine):
    """One account, and at most one recording at a time of each of its live sessions."""

    name: ClassVar[str]

    @initialize(seed=st.integers(0, 999))
    def open(self, seed: int) -> None:
        self.emulator: Emulator = load_object(rec.providers()[self.name], "emulator")(seed=seed)
        self.emulator.start()
        self.clock = self.emulator.clock
        self.provider = self.emulator.connect(http=rec.HttpSettings(workers=1))
        self.other = self.emulator.connect(http=rec.HttpSettings(workers=1))
        signs: dict[str, Any] = dict(self.emulator.webhooks)
        self.receiver = Receiver(self.name, **signs, clock=self.clock)
        #: the newest session of each target, and whether the model has it recording
        self.sessions: dict[rec.CommunicationSession, rec.RecordingSession] = {}
        self.running: set[rec.CommunicationSession] = set()
        self.paused: set[rec.CommunicationSession] = set()
        self.ended_at: dict[rec.CommunicationSession, Any] = {}
        #: what was final once, by recording
        self.final: dict[str, rec.RecordingStatus] = {}

    def teardown(self) -> None:
        if hasattr(self, "emulator"):
            self.provider.close()
            self.other.close()
            self.emulator.stop()

    # -- what happens ----------------------------------------------------------------------------

    @rule(seconds=st.integers(0, 150))
    def time_passes(self, seconds: int) -> None:
        self._pass(timedelta(seconds=seconds))

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        free = [each for each in self.emulator.sessions if each not in self.running]
        if not free:
            return
        target = data.draw(st.sampled_from(free))
        self._begun(target, self.provider.start(target))

    @rule(data=st.data(), hiccup=st.sampled_from(sorted(HICCUPS)))
    def start_and_hear_nonsense(self, data: st.DataObject, hiccup: str) -> None:
        """Sent at most once: nothing was started, and whether it was is an error's to say."""
        free = [each for each in self.emulator.sessions if each not in self.running]
        if not free:
            return
        target = data.draw(st.sampled_from(free))
        before = self._starts()
        self.emulator.faults.append(HICCUPS[hiccup])
        # A refusal for its rate leaves no doubt.
        kind = rec.RateLimited if hiccup == "HTTP 429" else rec.OutcomeUnknown
        with pytest.raises(kind) as caught:
            self.provider.start(target)
        assert getattr(caught.value, "target", target) == target
        assert self._starts() - before == 1, "sent more than once"
        assert not self.emulator.faults

    @rule(data=st.data())
    def start_and_hear_nothing(self, data: st.DataObject) -> None:
        """It was started, and the answer is lost: what runs is found, and can be ended."""
        free = [each for each in self.emulator.sessions if each not in self.running]
        if not free:
            return
        target = data.draw(st.sampled_from(free))
        self._deaf_to_one()
        with pytest.raises(rec.OutcomeUnknown):
            self.provider.start(target)
        self._pass(WARM_UP)
        if self.provider.can(Operation.ACTIVE, target.kind):
            found = self.provider.active(target)
            assert found is not None, "what was started is not found"
            assert found.status in LIVE
            self._begun(target, found)
        else:
            session = rec.RecordingSession(
                self.name, "default", None, target, started_at=self.clock.now() - WARM_UP
            )
            assert self.provider.stop(session).stopped_at is not None

    @precondition(lambda self: self.running)
    @rule(data=st.data(), lost=st.booleans())
    def pause(self, data: st.DataObject, lost: bool) -> None:
        self._tell(Operation.PAUSE, self._drawn(data), lost)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), lost=st.booleans())
    def resume(self, data: st.DataObject, lost: bool) -> None:
        self._tell(Operation.RESUME, self._drawn(data), lost)

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), lost=st.booleans())
    def stop(self, data: st.DataObject, lost: bool) -> None:
        """Also of what has ended already, and twice."""
        target = data.draw(st.sampled_from(sorted(self.sessions, key=str)))
        before = self.sessions[target]
        after = self._told(Operation.STOP, before, lost)
        assert after.status not in LIVE - {Status.STOPPING}, f"stopped, it is {after.status}"
        assert after.stopped_at is not None
        assert all(pause.end is not None for pause in after.pauses), "a pause outlives its stop"
        if before.status in FINAL:
            assert after.status is before.status, "a stop changed what was final"
        self._ended(target)
        self.sessions[target] = after

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def stop_from_elsewhere(self, data: st.DataObject) -> None:
        target = self._drawn(data)
        self.other.stop(self.sessions[target])
        self._ended(target)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        """What records is found by who did not start it, as the model knows it."""
        target = self._drawn(data)
        if self.provider.can(Operation.ACTIVE, target.kind):
            found = self.other.active(target)
            assert found is not None, "nothing is found, and it records"
            wanted = Status.PAUSED if target in self.paused else Status.RECORDING
            assert found.status is wanted, f"found {found.status}, and it is {wanted}"
            assert found.id == self.sessions[target].id

    @precondition(lambda self: set(self.sessions) - self.running)
    @rule(data=st.data(), hiccups=st.lists(st.sampled_from(sorted(HICCUPS)), max_size=2))
    def wait(self, data: st.DataObject, hiccups: list[str]) -> None:
        """It ends, final, and what was recorded is in get and list."""
        done = sorted(set(self.sessions) - self.running, key=str)
        target = data.draw(st.sampled_from(done))
        session = self.sessions[target]
        short = [HICCUPS[each] for each in hiccups if each not in ("HTML with 200",)]
        self.emulator.faults.extend(short)
        session = self.provider.wait(session, timeout=timedelta(minutes=10))
        assert session.recordings
        assert all(each.status in FINAL for each in session.recordings)
        self.emulator.faults.clear()
        self.sessions[target] = session
        self._pass(SETTLE)
        since = self.clock.now() - timedelta(days=2)
        listed = {each.id: each for each in self.provider.list(since=since, target=target)}
        for recording in session.recordings:
            self._remember(recording)
            got = self.provider.get(recording.id, target=target)
            self._remember(got)
            assert got.status is recording.status
            assert recording.id in listed, "what was started is not in the list"
            self._remember(listed[recording.id])

    @precondition(lambda self: self.sessions)
    @rule(data=st.data(), seed=st.integers(0, 2**16))
    def callbacks(self, data: st.DataObject, seed: int) -> None:
        """All that was told so far, late, doubled, in any order: they end in one state."""
        target = data.draw(st.sampled_from(sorted(self.sessions, key=str)))
        session = self.sessions[target]
        told = [event for each in self.emulator.callbacks() for event in self.receiver.verify(each)]
        events = [each for each in told if session.id and each.recording_id == session.id]
        ends: list[tuple[Any, ...]] = []
        for chance in (random.Random(seed), random.Random(seed + 1)):
            order = events * 2
            chance.shuffle(order)
            after = session
            for event in order:
                before, after = after, after.apply(event)
                self._goes_on(before, after)
            ends.append((after.status, after.pauses, after.stopped_at))
        if any(event.occurred_at is None for event in events):
            ends = [each[:1] for each in ends if each[0] not in LIVE]
        assert len(set(ends)) <= 1, f"the order decides: {ends}"
        known = after.status in FINAL or target not in self.running
        assert known or after.status in LIVE, f"it records, and callbacks make it {after.status}"

    # -- what always holds -----------------------------------------------------------------------

    @invariant()
    def sessions_are_whole(self) -> None:
        for target, session in getattr(self, "sessions", {}).items():
            assert session.target == target
            assert rec.loads(rec.dumps(session), rec.RecordingSession) == session
            moments = [at for each in session.pauses for at in (each.start, each.end) if at]
            assert moments == sorted(moments), f"pauses overlap: {session.pauses}"
            going_on = [each for each in session.pauses if each.end is None]
            assert len(going_on) == (1 if target in self.paused else 0), session.pauses
            if target in self.paused:
                assert session.status is Status.PAUSED

    # -- what the model knows --------------------------------------------------------------------

    def _pass(self, by: timedelta) -> None:
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(by)

    def _drawn(self, data: st.DataObject) -> rec.CommunicationSession:
        return data.draw(st.sampled_from(sorted(self.running, key=str)))

    def _begun(self, target: rec.CommunicationSession, session: rec.RecordingSession) -> None:
        assert session.status in (Status.PENDING, Status.RECORDING)
        assert (session.target, session.pauses, session.stopped_at) == (target, (), None)
        self.sessions[target] = session
        self.running.add(target)
        self.paused.discard(target)
        self._pass(WARM_UP)

    def _ended(self, target: rec.CommunicationSession) -> None:
        self.running.discard(target)
        if target in self.paused:
            # The model's session learns of an end elsewhere by its own stop.
            self.paused.discard(target)
            self.sessions[target] = self.provider.stop(self.sessions[target])
        self._pass(timedelta(seconds=5))

    def _tell(self, operation: rec.Operation, target: rec.CommunicationSession, lost: bool) -> None:
        """Pause or resume, where the vendor can be told so."""
        session = self.sessions[target]
        if not self.provider.can(operation, target.kind):
            before = len(self.emulator.journal)
            with pytest.raises(rec.UnsupportedOperation):
                getattr(self.provider, operation)(session)
            assert len(self.emulator.journal) == before, "it was sent all the same"
            return
        after = self._told(operation, session, lost)
        is_pause = operation is Operation.PAUSE
        assert after.status is (Status.PAUSED if is_pause else Status.RECORDING)
        (self.paused.add if is_pause else self.paused.discard)(target)
        if not is_pause or session.status is Status.PAUSED:
            assert len(after.pauses) == len(session.pauses)
        self.sessions[target] = after
        self._pass(timedelta(seconds=3))

    def _told(
        self, operation: rec.Operation, session: rec.RecordingSession, lost: bool
    ) -> rec.RecordingSession:
        """The verb; where its answer is lost it may be sent again, and that is success."""
        verb = getattr(self.provider, operation)
        if lost:
            self._deaf_to_one()
        try:
            after: rec.RecordingSession = verb(session)
        except rec.Unavailable:
            assert lost
            after = verb(session)
        finally:
            # Of what has ended some are told nothing.
            self.emulator.__dict__.pop("answer", None)
        return after

    def _starts(self) -> int:
        return sum(request.method == "POST" for request in self.emulator.requests())

    def _deaf_to_one(self) -> None:
        """The next request is done, and its answer never comes."""
        emulator, answer = self.emulator, type(self.emulator).answer

        def lost(request: Request) -> Reply:
            answer(emulator, request)
            emulator.__dict__.pop("answer", None)
            return Reply(abort=True)

        emulator.__dict__["answer"] = lost

    def _remember(self, recording: rec.Recording) -> None:
        """What is final stays so."""
        before = self.final.setdefault(recording.id, recording.status)
        assert recording.status in FINAL, f"{recording.id} was {before}: it is {recording.status}"
        later = (Status.EXPIRED, Status.DELETED)
        assert recording.status is before or recording.status in later

    def _goes_on(self, before: rec.RecordingSession, after: rec.RecordingSession) -> None:
        if before.status in FINAL:
            assert after.status in FINAL, f"{before.status} became {after.status}"
        if before.status not in LIVE | {Status.UNKNOWN}:
            assert after.status not in LIVE, f"{before.status} became {after.status}"
        assert evolve(after, raw={}).target == before.target


@pytest.mark.parametrize("name", VENDORS)
def test_a_session_is_true_whatever_happens(name: str) -> None:
    """Final states never regress, a stop twice is fine, what was started is found, waits end."""
    machine = type(f"LivesAt{name.title()}", (Lives,), {"name": name})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES // 2,
            stateful_step_count=30 if EXAMPLES <= 100 else 50,
            deadline=None,
            derandomize=EXAMPLES <= 100,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_no_sleep_is_too_short_for_a_clock_that_stands_still() -> None:
    """Sums of floats leave a wait less than a microsecond: it would ask for ever."""
    clock = ManualClock()
    start = clock.now()
    clock.sleep(0)
    assert clock.now() == start
    clock.sleep(1e-17)
    assert clock.now() > start
