"""Requirements for verbs: declared operations work, others raise before any request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
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
from recording_core.testing.emulator.server import Reply, Request


class VerbRequirements(ConformanceBase):
    """Requirements for each verb, by the capabilities that `ProviderInfo` declares."""

    def test_capabilities_and_secrets_are_declared(self) -> None:
        assert list(self.provider.info), "ProviderInfo.capabilities declares no operation"
        assert any(setting.secret for setting in self.provider.info.settings), (
            "no Setting of ProviderInfo has secret=True: no credential would be redacted"
        )

    def test_a_pause_counts_only_if_the_vendor_shows_it(self) -> None:
        pause, resume = self.provider.pause, self.provider.resume
        for target in self.find_live_targets(rec.Operation.PAUSE, rec.Operation.RESUME):
            session, words = self._learn_words(self.begin(self.provider, target))
            if not words:
                continue  # the answers prove that this vendor shows no pause
            back = {(name, after): before for (name, before), after in words.items()}
            for verb, replacements in ((pause, words), (resume, back)):
                before = session
                self.vendor.advance(self.warm_up)
                with (
                    state_requirement(
                        f"{target.kind} {verb.__name__}: it changes neither status nor pauses if "
                        f"each answer of the vendor has the old words: {replacements}"
                    ),
                    self.alter_payloads(partial(_replace_words, replacements)),
                ):
                    after = verb(session)
                    check_equal(
                        "(status, pauses)",
                        (after.status, after.pauses),
                        (before.status, before.pauses),
                    )
                with state_requirement(f"{target.kind} {verb.__name__}: it may be repeated then"):
                    session = verb(after)
                    assert session.pauses != before.pauses, f"pauses is {session.pauses}"
            if not self.provider.get_shows_pauses:
                continue
            with (
                state_requirement(
                    f"{target.kind} pause: it counts if get shows it, also if the vendor answers "
                    f"with the old words: {words}"
                ),
                self.alter_payloads(partial(_replace_words, words, only_writes=True)),
            ):
                after = pause(session)
                check_equal("status", after.status, rec.RecordingStatus.PAUSED)
                check_equal("pauses", len(after.pauses), len(session.pauses) + 1)

    def _learn_words(
        self, session: rec.RecordingSession
    ) -> tuple[rec.RecordingSession, dict[tuple[str, Any], Any]]:
        """Pause and resume twice, and return the words by which the answers differ.

        They are by field and word while paused. A word is the same each time, unlike a time or an
        id, and a text for people has spaces.
        """
        provider, target = self.provider, session.target
        seen: dict[str, list[dict[str, set[Any]]]] = {"paused": [], "recording": []}

        def read(verb: Callable[[rec.RecordingSession], rec.RecordingSession]) -> Any:
            after = verb(session)
            if provider.can(rec.Operation.ACTIVE, target.kind):
                provider.active(target)
            if provider.can(rec.Operation.GET, target.kind) and session.id is not None:
                with suppress(rec.NotFound):
                    provider.get(session.id, target=target)
            return after

        for state in ("paused", "recording") * 2:
            self.vendor.advance(self.warm_up)
            verb = provider.pause if state == "paused" else provider.resume
            session, answers = self.log_answers(partial(read, verb))
            seen[state].append(_list_words(answers))
        paused, recording = (_find_lasting(answers) for answers in seen.values())
        return session, {
            (name, word): min(recording[name] - words, key=str)
            for name, words in paused.items()
            for word in words - recording.get(name, set())
            if recording.get(name, set()) - words
        }

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

    def test_a_closed_provider_connects_again(self) -> None:
        self.require_declared(rec.Operation.LIST)
        before = {each.id for each in self.list_all()}
        self.provider.close()
        self.provider.close()
        with state_requirement("close may be repeated, and the next verb connects again"):
            after = {each.id for each in self.list_all()}
            assert before <= after, f"list lacks {before - after} after close"

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

    def _build_session(self, target: rec.CommunicationSession) -> rec.RecordingSession:
        return rec.RecordingSession(self.provider.name, self.provider.account, "some-id", target)


def _list_words(payload: Any) -> dict[str, set[Any]]:
    """Return the words and flags of JSON payloads, by the name of their field."""
    words: dict[str, set[Any]] = {}
    rest = [("", payload)]
    while rest:
        name, value = rest.pop()
        if isinstance(value, dict):
            rest += value.items()
        elif isinstance(value, list):
            rest += [(name, each) for each in value]
        elif isinstance(value, bool) or (isinstance(value, str) and " " not in value):
            words.setdefault(name, set()).add(value)
    return words


def _find_lasting(answers: Sequence[Mapping[str, set[Any]]]) -> dict[str, set[Any]]:
    """Return the words that are in each of several answers."""
    first, *others = answers
    return {
        name: words.intersection(*(each.get(name, set()) for each in others))
        for name, words in first.items()
    }


def _replace_words(
    words: Mapping[tuple[str, Any], Any],
    request: Request,
    payload: Any,
    *,
    only_writes: bool = False,
) -> Any:
    """Replace the words of a payload, by the name of their field."""
    if only_writes and request.method == "GET":
        return payload

    def replace(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replace(key, each) for key, each in value.items()}
        if isinstance(value, list):
            return [replace(name, each) for each in value]
        return words.get((name, value), value)

    return replace("", payload)


class _BlockError(Exception):
    """Raised inside a `with` block."""
