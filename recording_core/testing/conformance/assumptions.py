"""Requirements for assumptions: each is complete, and its probe shows whether it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from recording_core import Operation, Provider, RecordingSession
from recording_core.plugins.registry import load_object
from recording_core.provider.assumptions import (
    Assumption,
    Observation,
    find_unknown_parts,
    observe_recordings,
    observe_session,
    run_probe,
)
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    skip_undeclared,
    state_requirement,
)
from recording_core.testing.emulator.emulator import Emulator

#: Methods of requests that change nothing.
_READS = frozenset({"GET", "HEAD"})
#: The operations that a target of an observed session needs.
_NEEDED = (Operation.START, Operation.STOP)


class AssumptionRequirements(ConformanceBase):
    """Requirements for the numbered assumptions of a provider, and for its `known_fields`."""

    def test_the_table_of_assumptions_is_complete(self) -> None:
        table = self.vendor.assumptions
        info = self.provider.info
        declared = load_object(info, "assumptions") if info.assumptions is not None else ()
        with state_requirement("provider and emulator declare the same numbered assumptions"):
            check_equal("Emulator.assumptions", table, declared)
            numbers = [each.number for each in table]
            assert all(type(each) is int and each > 0 for each in numbers), (
                f"the numbers are {numbers}: each must be a whole number from 1"
            )
            check_equal("the numbers", numbers, sorted(set(numbers)))
            for each in table:
                for text in (each.leaves_open, each.assumed, each.refuted_by):
                    assert text.strip(), f"assumption {each.number} has an empty text"
            unused = max(numbers, default=0) + 1
            with pytest.raises(ValueError, match=str(unused)):
                self.vendor.assumes(unused)

    def test_a_probe_shows_whether_its_assumption_holds(self) -> None:
        probed = [each for each in self.vendor.assumptions if each.probe is not None]
        if not probed:
            skip_undeclared("a probe of an assumption")
        with self._observe(()) as (emulator, observations):
            for each in probed:
                with state_requirement(
                    f"assumption {each.number}: the probe does not return True for an emulator "
                    "that does not follow it"
                ):
                    answers = _run_probe(each, emulator, observations)
                    assert True not in answers, f"the probe returns {answers}"
        for each in probed:
            with (
                state_requirement(
                    f"assumption {each.number}: the probe returns True for an emulator that "
                    "follows it"
                ),
                self._observe((each.number,)) as (emulator, observations),
            ):
                answers = _run_probe(each, emulator, observations)
                assert set(answers) - {None} == {True}, f"the probe returns {answers}"

    def test_the_emulator_sends_nothing_unknown(self) -> None:
        known = self.provider.known_fields
        if not known:
            skip_undeclared("known_fields")
        with (
            state_requirement("by default, an emulator sends only what the vendor's pages show"),
            self._observe(()) as (_, observations),
        ):
            for each in observations:
                unknown = list(find_unknown_parts(each, known))
                assert not unknown, f"the provider does not read {unknown}"

    @contextmanager
    def _observe(self, assume: Iterable[int]) -> Iterator[tuple[Emulator, list[Observation]]]:
        """Observe another emulator: its past recordings, also with a new recording per target."""
        kind = type(self.vendor)
        with (
            kind(recordings=self.vendor.recordings, assume=assume) as emulator,
            self._connect_to(emulator) as provider,
        ):
            recordings = observe_recordings(provider) if provider.can(Operation.LIST) else ()
            observations = [Observation(provider, recordings)]
            for target in emulator.sessions:
                if not all(provider.can(each, target.kind) for each in _NEEDED):
                    continue
                sessions: dict[str, RecordingSession] = {}
                for verb, after in observe_session(provider, target).items():
                    assert isinstance(after, RecordingSession), f"{verb} {target} raised {after!r}"
                    sessions[verb] = after
                observations.append(Observation(provider, recordings, sessions))
            yield emulator, observations

    def _connect_to(self, emulator: Emulator) -> Provider:
        """Connect to another emulator than that of the test."""
        self.guard.allow(emulator.origin, emulator.media_origin)
        return emulator.connect()


def _run_probe(
    assumption: Assumption, emulator: Emulator, observations: Iterable[Observation]
) -> list[bool | None]:
    """Run a probe on each observation, and require that it only reads."""
    answers = []
    for each in observations:
        with emulator.log_requests() as entries:
            answer, detail = run_probe(assumption, each)
        changes = [entry.request.method for entry in entries if entry.request.method not in _READS]
        assert not changes, f"the probe sends {changes}, and may send reads only"
        assert answer is not None or " failed with " not in detail, detail
        answers.append(answer)
    return answers
