"""Does each declared capability work, and does each undeclared one raise before any request?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from recording_core import (
    CommunicationSession,
    NotFound,
    Operation,
    Provider,
    Recorder,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
    UnsupportedOperation,
    call,
)
from recording_core.model.enums import FINAL, LIVE
from recording_core.testing.conformance.base import (
    ConformanceBase,
    advance,
    carrying,
    exchanges,
    horizon,
    promising,
    silence,
)
from recording_core.testing.emulator.emulator import Emulator, Exchange
from recording_core.testing.emulator.server import Reply

__all__ = ["VerbRequirements"]

#: A value for each keyword of `start`.
KEYWORDS: Mapping[str, Any] = {
    "format": "wav",
    "max_duration": timedelta(hours=1),
    "channels": 1,
    "participant": "somebody",
    "tracks": True,
    "title": "a title",
    "callback_url": "https://example.com/hook",
}


class VerbRequirements(ConformanceBase):
    """The verbs, driven by the capabilities that `ProviderInfo` declares."""

    def test_something_is_declared_and_each_secret_is_marked(self, provider: Provider) -> None:
        assert list(provider.info), "ProviderInfo.capabilities declares nothing"
        assert any(setting.secret for setting in provider.info.settings), (
            "no Setting of ProviderInfo is marked secret=True: nothing would be redacted"
        )

    def test_a_start_records(self, provider: Provider, emulator: Emulator) -> None:
        for target in carrying(emulator, provider.info, Operation.START):
            with promising(f"{target.kind} start: a recording begins"):
                with exchanges(emulator) as seen:
                    session = self.begin(provider, target)
                _took_effect(seen)
                assert isinstance(session, RecordingSession), f"start returned {session!r}"
                of = (session.provider, session.account, session.target)
                assert of == (provider.name, provider.account, target), f"a session of {of}"
                assert session.status in LIVE, f"status is {session.status} after start"
                assert session.stopped_at is None, "a recording that begins has ended"

    def test_a_pause_holds_until_the_resume(self, provider: Provider, emulator: Emulator) -> None:
        for target in carrying(emulator, provider.info, Operation.START, Operation.PAUSE):
            session = self.begin(provider, target)
            advance(emulator, self.warm_up)
            with promising(f"{target.kind} pause: recording is suspended"):
                with exchanges(emulator) as seen:
                    paused = provider.pause(session)
                _took_effect(seen)
                assert paused.status is RecordingStatus.PAUSED, f"status is {paused.status}"
                assert [pause.end for pause in paused.pauses] == [None], f"{paused.pauses}"
                self._is_seen_as(RecordingStatus.PAUSED, provider, paused)
            if not provider.can(Operation.RESUME, target.kind):
                continue
            advance(emulator, self.warm_up)
            with promising(f"{target.kind} resume: recording goes on"):
                with exchanges(emulator) as seen:
                    resumed = provider.resume(paused)
                _took_effect(seen)
                assert resumed.status is RecordingStatus.RECORDING, f"status is {resumed.status}"
                assert [pause.end is None for pause in resumed.pauses] == [False], (
                    f"the pause is not closed: {resumed.pauses}"
                )
                self._is_seen_as(RecordingStatus.RECORDING, provider, resumed)

    def test_a_stop_ends_it(self, provider: Provider, emulator: Emulator) -> None:
        for target in carrying(emulator, provider.info, Operation.START, Operation.STOP):
            session = self.begin(provider, target)
            advance(emulator, self.warm_up)
            with promising(f"{target.kind} stop: nothing records any more"):
                with exchanges(emulator) as seen:
                    stopped = provider.stop(session)
                _took_effect(seen)
                assert stopped.status not in LIVE, f"status is {stopped.status} after stop"
                assert stopped.stopped_at is not None, "stopped_at is not set"
                if provider.can(Operation.ACTIVE, target.kind):
                    advance(emulator, self.settle)
                    assert provider.active(target) is None, "active still finds it"

    def test_wait_returns_once_every_recording_is_final(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        wanted = (Operation.START, Operation.STOP, Operation.GET)
        for target in carrying(emulator, provider.info, *wanted):
            with promising(f"{target.kind} wait: every recording becomes final within `settle`"):
                session = self.made(provider, emulator, target)
                assert session.recordings, "no recording came of it"
                for recording in session.recordings:
                    assert recording.status in FINAL, f"{recording.id} is {recording.status}"
                    assert recording.target == target, f"its target is {recording.target}"

    def test_active_finds_what_somebody_else_started(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for target in carrying(emulator, provider.info, Operation.START, Operation.ACTIVE):
            with promising(f"{target.kind} active: it finds what another connection started"):
                assert provider.active(target) is None, "found before anything was started"
                with emulator.connect() as other:
                    started = self.begin(other, target)
                advance(emulator, self.warm_up)
                found = provider.active(target)
                assert found is not None, "nothing found while it records"
                assert (found.id, found.target) == (started.id, target), f"found {found!r}"
                assert found.status in LIVE, f"its status is {found.status}"

    def test_what_was_recorded_is_listed_and_got(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        wanted = (Operation.START, Operation.STOP, Operation.LIST, Operation.GET)
        for target in carrying(emulator, provider.info, *wanted):
            for recording in self.made(provider, emulator, target).recordings:
                with promising(f"{target.kind} list: it has what was just recorded"):
                    listed = {each.id: each for each in _shown(provider, emulator, target)}
                    assert recording.id in listed, f"{recording.id} is not listed"
                with promising(f"{target.kind} get: it says what the list says"):
                    got = provider.get(recording.id, target=target)
                    assert got.target == target, f"its target is {got.target}"
                    _agree(got, listed[recording.id])

    def test_close_ends_connections_and_not_the_provider(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for kind in _kinds(provider, Operation.LIST):
            target = next((each for each in emulator.sessions if each.kind is kind), None)
            before = {each.id for each in _shown(provider, emulator, target)}
            provider.close()
            provider.close()
            with promising("close: it may be called twice, and a verb connects again"):
                after = {each.id for each in _shown(provider, emulator, target)}
                assert before <= after, f"{before - after} are not listed any more"

    def test_a_deleted_recording_is_gone(self, provider: Provider, emulator: Emulator) -> None:
        for kind in _kinds(provider, Operation.DELETE, Operation.LIST):
            target = next((each for each in emulator.sessions if each.kind is kind), None)
            shown = _shown(provider, emulator, target)
            listed = [each for each in shown if each.kind is kind]
            assert listed, f"the emulator lists no {kind}'s recording that could be deleted"
            victim = listed[len(listed) // 2]
            with promising(f"{kind} delete: the recording is gone"):
                provider.delete(victim)
                assert victim.id not in emulator.listed(), "the emulator still lists it"
                left = {each.id: each for each in _shown(provider, emulator, target)}
                assert victim.id not in left or _is_deleted(left[victim.id]), "list still has it"
                try:
                    assert _is_deleted(provider.get(victim)), "get still finds it"
                except NotFound:
                    pass
                with pytest.raises(NotFound):
                    provider.delete(victim)

    def test_what_is_not_declared_raises_before_any_request(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        for kind in SessionKind:
            for operation in Operation:
                if not provider.can(operation, kind):
                    session = _invented(provider, CommunicationSession(kind, "some-id"))
                    with (
                        silence(emulator, f"{kind} {operation} is not declared: it must raise"),
                        pytest.raises(UnsupportedOperation),
                    ):
                        _ask(provider, operation, session, tmp_path)

    def test_what_a_start_cannot_be_told_raises_before_any_request(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for target in carrying(emulator, provider.info, Operation.START):
            possible = provider.start_parameters.get(target.kind, frozenset())
            assert possible <= set(KEYWORDS), f"no keywords of start: {possible - set(KEYWORDS)}"
            for name in KEYWORDS.keys() - possible:
                with (
                    silence(emulator, f"{target.kind} start: {name} cannot be told"),
                    pytest.raises(UnsupportedOperation),
                ):
                    provider.start(target, **{name: KEYWORDS[name]})

    def test_stop_pause_and_resume_may_be_repeated(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for target in carrying(emulator, provider.info, Operation.START):
            session = self.begin(provider, target)
            advance(emulator, self.warm_up)
            for operation, verb in (
                (Operation.PAUSE, provider.pause),
                (Operation.RESUME, provider.resume),
                (Operation.STOP, provider.stop),
            ):
                if not provider.can(operation, target.kind):
                    continue
                with promising(f"{target.kind} {operation}: it may be repeated"):
                    once = verb(session)
                    advance(emulator, timedelta(seconds=1))
                    session = verb(once)
                    assert session.status is once.status, f"{once.status}, then {session.status}"
                    assert session.pauses == once.pauses, f"{once.pauses}, then {session.pauses}"
                    advance(emulator, self.warm_up)

    def test_leaving_a_with_block_stops_and_shows_the_bodys_error(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for target in carrying(emulator, provider.info, Operation.START, Operation.STOP):
            arguments = self.start_arguments.get(target.kind, {})
            with promising(f"{target.kind} record: an error of the body stops it and is raised"):
                recorder = provider.record(target, **arguments)
                with pytest.raises(_BodyError):
                    self._leave_by_error(recorder, emulator)
                assert recorder.session.status not in LIVE, f"it is {recorder.session.status}"
                advance(emulator, self.settle)
            with promising(f"{target.kind} record: a stop that fails hides no error of the body"):
                recorder = provider.record(target, **arguments)
                with pytest.raises(_BodyError) as caught:
                    self._leave_by_error(recorder, emulator, *[Reply(400)] * 20)
                emulator.faults.clear()
                notes = getattr(caught.value, "__notes__", [])
                assert notes, "nothing says that it may still run"
                provider.stop(recorder.session)
                advance(emulator, self.settle)

    def _leave_by_error(self, recorder: Recorder, emulator: Emulator, *faults: Reply) -> None:
        with recorder:
            advance(emulator, self.warm_up)
            emulator.faults.extend(faults)
            raise _BodyError

    def test_leaving_a_with_block_after_it_ended_by_itself_is_success(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for target in carrying(emulator, provider.info, Operation.START, Operation.STOP):
            with promising(f"{target.kind} record: what ended by itself is left in peace"):
                with provider.record(
                    target, **self.start_arguments.get(target.kind, {})
                ) as recorder:
                    advance(emulator, self.warm_up)
                    self.end(emulator, recorder.session)
                    advance(emulator, self.settle)
                assert recorder.session.status not in LIVE, f"it is {recorder.session.status}"

    def test_wrong_arguments_raise_before_any_request(
        self, provider: Provider, emulator: Emulator, tmp_path: Path
    ) -> None:
        naive = datetime(2026, 1, 1)  # noqa: DTZ001  # naive is the point
        aware = datetime(2026, 1, 1, tzinfo=UTC)
        session = _invented(provider, call("some-id"))
        foreign = evolve(session, provider="somebody-else")
        wrong: list[tuple[str, Any]] = [
            ("a naive since", lambda: provider.list(since=naive)),
            ("a naive until", lambda: provider.list(until=naive)),
            ("a since that is no time", lambda: provider.list(since=_wrong("2026-01-01"))),
            (
                "a since after until",
                lambda: provider.list(since=aware, until=aware - timedelta(days=1)),
            ),
            ("a status that does not exist", lambda: provider.list(status="zz")),
            ("a target that is text", lambda: provider.list(target=_wrong("some-id"))),
            ("an empty id of a recording", lambda: provider.get("")),
            ("an id with a line break", lambda: provider.get("a\nb")),
            ("an id that is a number", lambda: provider.get(_wrong(7))),
            ("an empty id to delete", lambda: provider.delete(" ")),
            ("an empty id to download", lambda: provider.download("", tmp_path)),
            ("a start of text", lambda: provider.start(_wrong("some-id"))),
            ("an empty id of a call", lambda: provider.start(call(""))),
            ("a session that is text", lambda: provider.stop(_wrong("some-id"))),
            ("a stop of another provider's session", lambda: provider.stop(foreign)),
            ("a pause of another provider's session", lambda: provider.pause(foreign)),
            ("a resume of another provider's session", lambda: provider.resume(foreign)),
            (
                "a wait for another provider's session",
                lambda: provider.wait(foreign, timeout=timedelta(seconds=1)),
            ),
            (
                "a get of another provider's recording",
                lambda: provider.get(Recording("somebody-else", "default", "some-id")),
            ),
        ]
        for kind in SessionKind:
            if provider.can(Operation.START, kind):
                target = CommunicationSession(kind, "some-id")
                wrong += [
                    ("no channels", lambda t=target: provider.start(t, channels=0)),
                    (
                        "a duration in seconds",
                        lambda t=target: provider.start(t, max_duration=_wrong(60)),
                    ),
                    ("no participants", lambda t=target: provider.start(t, participant=[])),
                ]
        for what, ask in wrong:
            with silence(emulator, f"{what} is refused"), pytest.raises((ValueError, TypeError)):
                ask()

    def _is_seen_as(
        self, status: RecordingStatus, provider: Provider, session: RecordingSession
    ) -> None:
        """Whether the vendor says so too, where it can be asked."""
        if provider.can(Operation.ACTIVE, session.target.kind):
            seen = provider.active(session.target)
            assert seen is not None, f"active finds nothing while it is {status}"
            assert seen.status is status, f"active says {seen.status}, not {status}"


class _BodyError(Exception):
    """What the body of a `with` raises."""


def _wrong(value: Any) -> Any:
    """A value of a type that the signature forbids, past the type checker."""
    return value


def _invented(provider: Provider, target: CommunicationSession) -> RecordingSession:
    return RecordingSession(provider.name, provider.account, "some-id", target)


def _kinds(provider: Provider, *operations: Operation) -> list[SessionKind]:
    kinds = [k for k in SessionKind if all(provider.can(each, k) for each in operations)]
    if not kinds:
        pytest.skip(f"for no kind are all of these declared: {', '.join(operations)}")
    return kinds


def _shown(
    provider: Provider, emulator: Emulator, target: CommunicationSession | None
) -> list[Recording]:
    """What a list shows; of a vendor that is blind for some kind, also what the target's shows."""
    shown = list(provider.list(**horizon(emulator)))
    if provider.not_listable and target is not None:
        shown += provider.list(target=target, **horizon(emulator))
    return shown


def _took_effect(seen: list[Exchange]) -> None:
    """A verb that changes something sends something that may, and the vendor agrees."""
    writes = [each for each in seen if each.request.method != "GET"]
    said = ", ".join(f"{each.request.method} {each.status}" for each in seen) or "nothing"
    assert any(each.status < 300 for each in writes), (
        f"no request that changes anything was accepted by the vendor; sent was: {said}"
    )


def _is_deleted(recording: Recording) -> bool:
    return recording.status is RecordingStatus.DELETED


def _agree(got: Recording, listed: Recording) -> None:
    """What both answers say, they say alike; either may leave something out."""
    for name in (
        "id",
        "kind",
        "status",
        "started_at",
        "ended_at",
        "created_at",
        "duration",
        "size",
    ):
        one, other = getattr(got, name), getattr(listed, name)
        assert one is None or other is None or one == other, (
            f"{name}: get says {one}, list says {other}"
        )
    ours, theirs = ([file.id for file in each.files] for each in (got, listed))
    assert ours == theirs, f"files: get says {ours}, list says {theirs}"


def _ask(
    provider: Provider, operation: Operation, session: RecordingSession, directory: Path
) -> None:
    target = session.target
    match operation:
        case Operation.START:
            provider.start(target)
        case Operation.PAUSE:
            provider.pause(session)
        case Operation.RESUME:
            provider.resume(session)
        case Operation.STOP:
            provider.stop(session)
        case Operation.ACTIVE:
            provider.active(target)
        case Operation.LIST:
            list(provider.list(target=target))
        case Operation.GET:
            provider.get("some-id", target=target)
        case Operation.DOWNLOAD:
            provider.download("some-id", directory, target=target)
        case Operation.DELETE:
            provider.delete("some-id", target=target)
