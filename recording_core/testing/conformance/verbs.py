"""Requirements for verbs: declared operations work, others raise before any request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.model.enums import FINAL, LIVE
from recording_core.provider.start_request import START_PARAMETERS
from recording_core.testing.conformance.base import ConformanceBase, check_equal, state_requirement
from recording_core.testing.emulator.server import Reply

#: The fields that `get` and `list` return alike, if both report them.
_EQUAL_FIELDS = ("id", "kind", "status", "started_at", "ended_at", "created_at", "duration", "size")


class VerbRequirements(ConformanceBase):
    """Requirements for each verb, by the capabilities that `ProviderInfo` declares."""

    def test_capabilities_and_secrets_are_declared(self) -> None:
        assert list(self.provider.info), "ProviderInfo.capabilities declares no operation"
        assert any(setting.secret for setting in self.provider.info.settings), (
            "no Setting of ProviderInfo has secret=True: no credential would be redacted"
        )

    def test_start_begins_a_recording(self) -> None:
        for target in self.find_targets(rec.Operation.START):
            with state_requirement(f"{target.kind} start: a recording begins"):
                with self._require_write():
                    session = self.begin(self.provider, target)
                assert isinstance(session, rec.RecordingSession), f"start returned {session!r}"
                check_equal(
                    "(provider, account, target) of the session",
                    (session.provider, session.account, session.target),
                    (self.provider.name, self.provider.account, target),
                )
                assert session.status in LIVE, f"status is {session.status} after start"
                check_equal("stopped_at after start", session.stopped_at, None)

    def test_pause_suspends_until_resume(self) -> None:
        verbs = self.build_verbs(self.provider)
        for target in self.find_live_targets(rec.Operation.PAUSE):
            session = self.begin(self.provider, target)
            for operation, status, effect in (
                (rec.Operation.PAUSE, rec.RecordingStatus.PAUSED, "is suspended"),
                (rec.Operation.RESUME, rec.RecordingStatus.RECORDING, "continues"),
            ):
                if not self.provider.can(operation, target.kind):
                    continue
                self.vendor.advance(self.warm_up)
                with state_requirement(f"{target.kind} {operation}: the recording {effect}"):
                    with self._require_write():
                        session = verbs[operation](session)
                    check_equal(f"status after {operation}", session.status, status)
                    ended = [pause.end is not None for pause in session.pauses]
                    assert ended == [operation is rec.Operation.RESUME], (
                        f"pauses is {session.pauses} after {operation}: there must be one, which "
                        "ends at the resume"
                    )
                    if self.provider.can(rec.Operation.ACTIVE, target.kind):
                        found = self.provider.active(target)
                        assert found is not None, f"active returned None after {operation}"
                        if self.provider.get_shows_pauses:
                            check_equal(f"status of active after {operation}", found.status, status)
                        assert found.status in LIVE, f"status of active is {found.status}"

    def test_a_pause_counts_only_if_the_vendor_shows_it(self) -> None:
        pause, resume = self.provider.pause, self.provider.resume
        for target in self.find_live_targets(rec.Operation.PAUSE, rec.Operation.RESUME):
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            paused = pause(session)
            self.vendor.advance(self.warm_up)
            session = resume(paused)
            words = (session.provider_status, paused.provider_status)
            if None in words or words[0] == words[1]:
                continue  # this vendor reports no status
            for verb, word, other in ((pause, words[1], words[0]), (resume, *words)):
                before, change = session, partial(_replace_word, word, other)
                self.vendor.advance(self.warm_up)
                with (
                    state_requirement(
                        f"{target.kind} {verb.__name__}: it changes neither status nor pauses if "
                        f"the vendor answers {other} and get returns {other}"
                    ),
                    self.alter_payloads(lambda request, payload: change(payload)),  # noqa: B023
                ):
                    after = verb(session)
                    check_equal(
                        "(status, pauses)",
                        (after.status, after.pauses),
                        (before.status, before.pauses),
                    )
                with state_requirement(f"{target.kind} {verb.__name__}: it may be repeated then"):
                    session = verb(after)
                    check_equal("provider_status", session.provider_status, word)
                    assert session.pauses != before.pauses, f"pauses is {session.pauses}"
            if not self.provider.get_shows_pauses:
                continue
            with (
                state_requirement(
                    f"{target.kind} pause: it counts if the vendor answers {words[0]}, and get "
                    f"returns {words[1]}"
                ),
                self.alter_payloads(
                    lambda request, payload: (
                        _replace_word(words[1], words[0], payload)  # noqa: B023
                        if request.method != "GET"
                        else payload
                    )
                ),
            ):
                after = pause(session)
                check_equal("status", after.status, rec.RecordingStatus.PAUSED)
                check_equal("pauses", len(after.pauses), len(session.pauses) + 1)

    def test_a_recording_that_ended_unnoticed_is_not_paused(self) -> None:
        verbs = self.build_verbs(self.provider)
        for target in self.find_live_targets():
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            can = partial(self.provider.can, kind=target.kind)
            if can(rec.Operation.PAUSE):
                session = self.provider.pause(session)
            self.end(self.vendor, session)
            self.vendor.advance(self.processing_timeout)
            for operation in (rec.Operation.PAUSE, rec.Operation.RESUME):
                if not can(operation):
                    continue
                with state_requirement(
                    f"{target.kind} {operation}: after the end it raises or returns the end"
                ):
                    try:
                        after = verbs[operation](session)
                    except rec.ProviderError:
                        continue
                    assert after.status not in LIVE, f"status is {after.status}"
            stopped = session
            if can(rec.Operation.STOP):
                with state_requirement(f"{target.kind} stop: it succeeds after the end"):
                    stopped = self.provider.stop(session)
                    assert stopped.status not in LIVE, f"status is {stopped.status}"
            if can(rec.Operation.GET):
                with state_requirement(f"{target.kind} wait: the end ends a pause, if it is known"):
                    for each in (session, stopped):
                        after = self.provider.wait(each, timeout=self.processing_timeout)
                        assert after.status in FINAL, f"status is {after.status}"
                        ends = [pause.end for pause in after.pauses]
                        assert None not in (ends if after.stopped_at else ()), f"{after.pauses}"

    def test_stop_ends_the_recording(self) -> None:
        for target in self.find_live_targets(rec.Operation.STOP):
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            with state_requirement(f"{target.kind} stop: the recording ends"):
                with self._require_write():
                    stopped = self.provider.stop(session)
                assert stopped.status not in LIVE, f"status is {stopped.status} after stop"
                assert stopped.stopped_at is not None, "stopped_at is None after stop"
                if self.provider.can(rec.Operation.ACTIVE, target.kind):
                    self.vendor.advance(self.processing_timeout)
                    check_equal("active after stop", self.provider.active(target), None)

    def test_wait_returns_when_each_recording_is_final(self) -> None:
        for target in self.find_live_targets(rec.Operation.GET):
            with state_requirement(
                f"{target.kind} wait: each recording becomes final within processing_timeout "
                f"({self.processing_timeout})"
            ):
                session = self.record_once(target)
                assert session.recordings, f"the session has no recordings: {session!r}"
                for recording in session.recordings:
                    assert recording.status in FINAL, (
                        f"recording {recording.id} is {recording.status}, which is not final"
                    )
                    check_equal(f"the target of {recording.id}", recording.target, target)

    def test_active_finds_a_recording_of_another_connection(self) -> None:
        for target in self.find_live_targets(rec.Operation.ACTIVE):
            with state_requirement(
                f"{target.kind} active: it finds what another connection started"
            ):
                check_equal("active before any start", self.provider.active(target), None)
                with self.vendor.connect() as other:
                    started = self.begin(other, target)
                self.vendor.advance(self.warm_up)
                found = self.provider.active(target)
                assert found is not None, f"active returned None while {started!r} records"
                check_equal(
                    "(id, target) of active", (found.id, found.target), (started.id, target)
                )
                assert found.status in LIVE, f"status is {found.status} while it records"

    def test_a_new_recording_is_listed_and_found_by_get(self) -> None:
        for target in self.find_live_targets(rec.Operation.LIST, rec.Operation.GET):
            for recording in self.record_once(target).recordings:
                with state_requirement(f"{target.kind} list: it returns a new recording"):
                    listed = {each.id: each for each in self._list_with_target(target.kind)}
                    assert recording.id in listed, f"list does not return {recording.id}"
                with state_requirement(f"{target.kind} get: it returns what list returns"):
                    got = self.provider.get(recording.id, target=target)
                    check_equal("target", got.target, target)
                    _check_agreement(got, listed[recording.id])

    def test_a_closed_provider_connects_again(self) -> None:
        for kind in self.find_kinds(rec.Operation.LIST):
            before = {each.id for each in self._list_with_target(kind)}
            self.provider.close()
            self.provider.close()
            with state_requirement("close may be repeated, and the next verb connects again"):
                after = {each.id for each in self._list_with_target(kind)}
                assert before <= after, f"list lacks {before - after} after close"

    def test_delete_removes_the_recording(self) -> None:
        for kind in self.find_kinds(rec.Operation.DELETE, rec.Operation.LIST):
            deletable = [each for each in self._list_with_target(kind) if each.kind is kind]
            assert deletable, f"the emulator lists no recording of a {kind}, to delete: add some"
            recording = deletable[len(deletable) // 2]
            with state_requirement(f"{kind} delete: the recording no longer exists"):
                self.provider.delete(recording)
                assert recording.id not in self.vendor.list_ids(), (
                    f"the emulator still lists {recording.id}"
                )
                left = [each for each in self._list_with_target(kind) if each.id == recording.id]
                with suppress(rec.NotFound):
                    left.append(self.provider.get(recording))
                assert all(each.status is rec.RecordingStatus.DELETED for each in left), (
                    f"list or get still returns {left!r}"
                )
                with pytest.raises(rec.NotFound):
                    self.provider.delete(recording)

    def test_an_undeclared_operation_raises_before_any_request(self, tmp_path: Path) -> None:
        for kind in rec.SessionKind:
            verbs = self._build_all_verbs(kind, tmp_path)
            for operation in rec.Operation:
                if not self.provider.can(operation, kind):
                    with (
                        self.forbid_requests(
                            f"{kind} {operation} is not declared and raises UnsupportedOperation"
                        ),
                        pytest.raises(rec.UnsupportedOperation),
                    ):
                        verbs[operation]()

    def test_an_undeclared_start_parameter_raises_before_any_request(self) -> None:
        for target in self.find_targets(rec.Operation.START):
            declared = set(self.provider.start_parameters.get(target.kind, ()))
            unknown = declared - set(START_PARAMETERS)
            assert not unknown, f"start_parameters names {unknown}, which start does not take"
            for name in START_PARAMETERS.keys() - declared:
                with (
                    self.forbid_requests(
                        f"{target.kind} start: {name} is not in start_parameters and raises "
                        "UnsupportedOperation"
                    ),
                    pytest.raises(rec.UnsupportedOperation),
                ):
                    self.provider.start(target, **{name: START_PARAMETERS[name].example})

    def test_pause_resume_and_stop_may_be_repeated(self) -> None:
        verbs = self.build_verbs(self.provider)
        for target in self.find_live_targets():
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            for operation in (rec.Operation.PAUSE, rec.Operation.RESUME, rec.Operation.STOP):
                if not self.provider.can(operation, target.kind):
                    continue
                with state_requirement(f"{target.kind} {operation}: it may be repeated"):
                    once = verbs[operation](session)
                    self.vendor.advance(timedelta(seconds=1))
                    session = verbs[operation](once)
                    check_equal("status after the second call", session.status, once.status)
                    check_equal("pauses after the second call", session.pauses, once.pauses)
                    self.vendor.advance(self.warm_up)

    def test_an_error_inside_a_with_block_stops_and_is_raised(self) -> None:
        for target in self.find_targets(rec.Operation.START, rec.Operation.STOP):
            arguments = self.start_arguments.get(target.kind, {})
            with state_requirement(
                f"{target.kind} record: an error inside the block stops the recording and is raised"
            ):
                recorder = self.provider.record(target, **arguments)
                with pytest.raises(_BlockError):
                    self._raise_inside(recorder)
                status = recorder.session.status
                assert status not in LIVE, f"status is {status} after leaving the block"
                self.vendor.advance(self.processing_timeout)
            with state_requirement(
                f"{target.kind} record: a stop that fails does not hide the error of the block"
            ):
                recorder = self.provider.record(target, **arguments)
                with pytest.raises(_BlockError) as caught:
                    self._raise_inside(recorder, *[Reply(400)] * 20)
                self.vendor.faults.clear()
                notes = getattr(caught.value, "__notes__", [])
                assert notes, "the error has no note that the recording may still run"
                self.provider.stop(recorder.session)
                self.vendor.advance(self.processing_timeout)

    def _raise_inside(self, recorder: rec.Recorder, *faults: Reply) -> None:
        with recorder:
            self.vendor.advance(self.warm_up)
            self.vendor.faults.extend(faults)
            raise _BlockError

    def test_leaving_a_with_block_after_the_recording_ended_succeeds(self) -> None:
        for target in self.find_targets(rec.Operation.START, rec.Operation.STOP):
            arguments = self.start_arguments.get(target.kind, {})
            with state_requirement(
                f"{target.kind} record: leaving the block succeeds if the recording has ended"
            ):
                with self.provider.record(target, **arguments) as recorder:
                    self.vendor.advance(self.warm_up)
                    self.end(self.vendor, recorder.session)
                    self.vendor.advance(self.processing_timeout)
                status = recorder.session.status
                assert status not in LIVE, f"status is {status} after leaving the block"

    def test_wrong_arguments_raise_before_any_request(self, tmp_path: Path) -> None:
        # Of any type, so that a type checker accepts wrong arguments.
        provider: Any = self.provider
        naive = datetime(2026, 1, 1)  # noqa: DTZ001  # a naive time is what the test needs
        aware = datetime(2026, 1, 1, tzinfo=UTC)
        reversed_bounds = {"since": aware, "until": aware - timedelta(days=1)}
        foreign = evolve(self._build_session(rec.call("some-id")), provider="other-provider")
        theirs = rec.Recording("other-provider", "default", "some-id")
        second = timedelta(seconds=1)
        wrong: list[tuple[str, Callable[[], Any]]] = [
            ("list with a naive since", lambda: provider.list(since=naive)),
            ("list with a naive until", lambda: provider.list(until=naive)),
            ("list with a string as since", lambda: provider.list(since="2026-01-01")),
            ("list with since after until", lambda: provider.list(**reversed_bounds)),
            ("list with an unknown status", lambda: provider.list(status="zz")),
            ("list with a string as target", lambda: provider.list(target="some-id")),
            ("get with an empty id", lambda: provider.get("")),
            ("get with a line break in the id", lambda: provider.get("a\nb")),
            ("get with a number as id", lambda: provider.get(7)),
            ("get with another provider's recording", lambda: provider.get(theirs)),
            ("delete with a blank id", lambda: provider.delete(" ")),
            ("download with an empty id", lambda: provider.download("", tmp_path)),
            ("start with a string as target", lambda: provider.start("some-id")),
            ("start with an empty id of a call", lambda: provider.start(rec.call(""))),
            ("stop with a string as session", lambda: provider.stop("some-id")),
            ("stop with another provider's session", lambda: provider.stop(foreign)),
            ("pause with another provider's session", lambda: provider.pause(foreign)),
            ("resume with another provider's session", lambda: provider.resume(foreign)),
            ("wait with another's session", lambda: provider.wait(foreign, timeout=second)),
        ]
        parameters: tuple[Any, ...] = ({"channels": 0}, {"max_duration": 60}, {"participant": []})
        for kind in rec.SessionKind:
            if provider.can(rec.Operation.START, kind):
                start = partial(provider.start, rec.CommunicationSession(kind, "some-id"))
                wrong += [(f"start with {each}", partial(start, **each)) for each in parameters]
        for what, verb in wrong:
            with (
                self.forbid_requests(f"{what} raises ValueError or TypeError"),
                pytest.raises((ValueError, TypeError)),
            ):
                verb()

    @contextmanager
    def _require_write(self) -> Iterator[None]:
        """Require that a request other than GET is sent inside and that the vendor accepts it."""
        with self.vendor.log_requests("api") as requests:
            yield
        sent = ", ".join(f"{each.request.method} -> HTTP {each.status}" for each in requests)
        assert any(each.status < 300 for each in requests if each.request.method != "GET"), (
            f"the vendor accepted no request that changes anything; the provider sent: "
            f"{sent or 'nothing'}"
        )

    def _list_with_target(self, kind: rec.SessionKind) -> list[rec.Recording]:
        """List all recordings, and by target those that the vendor's own list cannot contain."""
        recordings = self.list_all()
        target = next((each for each in self.vendor.sessions if each.kind is kind), None)
        if self.provider.not_listable and target is not None:
            recordings += self.list_all(target=target)
        return recordings

    def _build_session(self, target: rec.CommunicationSession) -> rec.RecordingSession:
        return rec.RecordingSession(self.provider.name, self.provider.account, "some-id", target)

    def _build_all_verbs(
        self, kind: rec.SessionKind, directory: Path
    ) -> dict[rec.Operation, Callable[[], Any]]:
        provider, target = self.provider, rec.CommunicationSession(kind, "some-id")
        session = self._build_session(target)
        return {
            rec.Operation.START: lambda: provider.start(target),
            rec.Operation.PAUSE: lambda: provider.pause(session),
            rec.Operation.RESUME: lambda: provider.resume(session),
            rec.Operation.STOP: lambda: provider.stop(session),
            rec.Operation.ACTIVE: lambda: provider.active(target),
            rec.Operation.LIST: lambda: list(provider.list(target=target)),
            rec.Operation.GET: lambda: provider.get("some-id", target=target),
            rec.Operation.DOWNLOAD: lambda: provider.download("some-id", directory, target=target),
            rec.Operation.DELETE: lambda: provider.delete("some-id", target=target),
        }


def _replace_word(word: str | None, other: str | None, payload: Any) -> Any:
    """Replace each text of a payload that is a word."""
    if isinstance(payload, dict):
        return {name: _replace_word(word, other, value) for name, value in payload.items()}
    if isinstance(payload, list):
        return [_replace_word(word, other, value) for value in payload]
    return other if payload == word else payload


class _BlockError(Exception):
    """Raised inside a `with` block."""


def _check_agreement(got: rec.Recording, listed: rec.Recording) -> None:
    """Check that fields which both `get` and `list` report are equal."""
    for name in _EQUAL_FIELDS:
        one, other = getattr(got, name), getattr(listed, name)
        assert one is None or other is None or one == other, (
            f"{name} differs: get returns {one!r}, list returns {other!r}"
        )
    ours, theirs = ([file.id for file in each.files] for each in (got, listed))
    assert ours == theirs, f"the file ids differ: get returns {ours}, list returns {theirs}"
