"""Verdicts: what a run of the suite shows of a provider, by operation and kind and by concern."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property
from importlib import metadata
from itertools import chain
from typing import Any

import pytest
from attrs import define, frozen

from recording_core.model.capabilities import Operation, ProviderInfo
from recording_core.model.enums import SessionKind
from recording_core.plugins import registry
from recording_core.plugins.hookspecs import PROJECT
from recording_core.testing.conformance.base import NOT_TESTED, UNDECLARED
from recording_core.testing.conformance.results.outcomes import FAILED, PASSED, Outcome
from recording_core.testing.conformance.suite import ProviderConformance, WebhookConformance

#: A class of the suite, and the concern of its tests. Concerns are shown in this order; another
#: class is a concern of its own name.
CONCERNS: Mapping[str, str] = {
    "SmokeRequirements": "emulator",
    "IndependenceRequirements": "emulator",
    "OperationRequirements": "verbs",
    "VerbRequirements": "verbs",
    "MomentRequirements": "verbs",
    "PathRequirements": "verbs",
    "StartRequirements": "starts",
    "ValueRequirements": "values",
    "WordRequirements": "statuses",
    "ListingRequirements": "listing",
    "ListingFilterRequirements": "listing",
    "MovingRowRequirements": "moving rows",
    "DownloadRequirements": "download",
    "WebhookRequirements": "webhooks",
    "OddEventRequirements": "webhooks",
    "EventWordRequirements": "webhooks",
    "SignatureRequirements": "webhooks",
    "EvidenceRequirements": "foreign answers",
    "AnswerRequirements": "errors and types",
    "OddFieldRequirements": "odd fields",
    "NullRequirements": "nulls",
    "DeadlineRequirements": "deadlines",
    "SecrecyRequirements": "secrets",
    "GuardRequirements": "secrets",
    "TelemetryRequirements": "telemetry",
    "AssumptionRequirements": "assumptions",
}
#: The class whose tests have parameters such as `call-start`: one for each cell of the table.
_CELL_TESTS = "OperationRequirements"
#: What a failed test of a class is about, if neither its name nor its requirement names a verb.
_OPERATIONS: Mapping[str, Operation] = {
    "StartRequirements": Operation.START,
    "ListingRequirements": Operation.LIST,
    "ListingFilterRequirements": Operation.LIST,
    "MovingRowRequirements": Operation.LIST,
    "DownloadRequirements": Operation.DOWNLOAD,
}
#: The two runs of what an assumption can change. Only both together are a result.
_WITHOUT, _WITH = "without assumptions", "with all assumptions"

YES, NO, NOT_RUN, NONE = "yes", "no", "not run", "–"


@frozen
class Verdict:
    """The result of several tests: a word, and what explains it.

    The word is `yes`, `no`, `NOT TESTED`, `not run` or `not declared`.
    """

    word: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.word} ({self.detail})" if self.detail else self.word


@define(slots=False)
class ProviderResults:
    """The results of one provider, from the outcomes of a run."""

    provider: str
    outcomes: list[Outcome]

    @cached_property
    def info(self) -> ProviderInfo | None:
        """The declaration of the provider, or `None` if it is not installed."""
        return registry.providers().get(self.provider)

    @property
    def label(self) -> str:
        """The vendor's name as people write it."""
        return self.info.label if self.info is not None else self.provider

    @cached_property
    def tests(self) -> dict[tuple[str, str, str], Outcome]:
        """The worst outcome of each test that ran: its phases, and another class that has it."""
        worst: dict[tuple[str, str, str], Outcome] = {}
        ranks = (FAILED, NOT_TESTED, PASSED, UNDECLARED)
        for each in self.outcomes:
            key = (each.owner, each.test, each.parameters)
            before = worst.get(key)
            if before is None or ranks.index(each.result) < ranks.index(before.result):
                worst[key] = each
        return worst

    @cached_property
    def missing(self) -> Counter[str]:
        """How many tests of the suite did not run, by class."""
        suites: list[type] = [ProviderConformance]
        if self.info is not None and self.info.webhooks is not None:
            suites.append(WebhookConformance)
        expected = set(chain.from_iterable(map(_list_tests, suites)))
        missing = Counter(owner for owner, _ in expected - {key[:2] for key in self.tests})
        for owner, test, parameters in self.tests:
            for one, other in ((_WITHOUT, _WITH), (_WITH, _WITHOUT)):
                missing[owner] += (owner, test, parameters.replace(one, other)) not in self.tests
        if cells := {
            parameters.removesuffix(f"-{_WITHOUT}").removesuffix(f"-{_WITH}")
            for owner, _, parameters in self.tests
            if owner == _CELL_TESTS
        }:
            missing[_CELL_TESTS] += len(Operation) * len(SessionKind) - len(cells)
        return +missing

    @cached_property
    def concerns(self) -> dict[str, Verdict]:
        """The verdict of each concern, in the order of `CONCERNS`."""
        owners = sorted({*self.missing, *(each.owner for each in self.tests.values())})
        names = [*dict.fromkeys(CONCERNS.values()), *owners]
        by_concern: dict[str, Verdict] = {}
        for name in dict.fromkeys(names):
            own = [each for each in owners if CONCERNS.get(each, each) == name]
            if own:
                tests = [each for each in self.tests.values() if each.owner in own]
                by_concern[name] = _judge(tests, sum(self.missing[each] for each in own))
            elif name == "webhooks":
                by_concern[name] = Verdict(UNDECLARED)
        return by_concern

    @cached_property
    def operations(self) -> dict[Operation, dict[SessionKind, Verdict]]:
        """The verdict of each operation and kind."""
        return {
            operation: {kind: self._judge_cell(operation, kind) for kind in SessionKind}
            for operation in Operation
        }

    def _judge_cell(self, operation: Operation, kind: SessionKind) -> Verdict:
        cell = f"{kind} {operation}"
        declared = self.info is not None and self.info.can(operation, kind)
        for each in self.tests.values():
            named = cell in each.cells or (declared and operation in _find_operations(each))
            if each.result == FAILED and named:
                return Verdict(NO)
        if not declared:
            return Verdict(NONE)
        own = [each for each in self.tests.values() if each.owner == _CELL_TESTS]
        word = _judge([each for each in own if cell in each.cells], 0).word
        return Verdict(word if word in (YES, NOT_RUN) else NOT_TESTED)

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many tests had each result, and how many did not run."""
        found = Counter(each.result for each in self.tests.values())
        words = (PASSED, FAILED, UNDECLARED, NOT_TESTED)
        return {**{word: found[word] for word in words}, NOT_RUN: self.missing.total()}

    @property
    def verdict(self) -> Verdict:
        """The verdict on all tests together."""
        return _judge(list(self.tests.values()), self.missing.total())

    def find_distribution(self) -> metadata.Distribution | None:
        """Return the distribution that has the provider's entry point."""
        entries = metadata.entry_points(group=PROJECT, name=self.provider)
        return next((each.dist for each in entries if each.dist is not None), None)

    def build_record(self) -> dict[str, Any]:
        """Build the record of the results for programs, which shows nothing of the machine."""
        own = self.find_distribution()
        versions = {own.name: own.version} if own is not None else {}
        return {
            "provider": self.provider,
            "label": self.label,
            "result": self.verdict.word,
            "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "versions": {
                **versions,
                "recording-core": metadata.version("recording-core"),
                "python": platform.python_version(),
                "pytest": pytest.__version__,
            },
            "operations": {
                kind: {operation: str(row[kind]) for operation, row in self.operations.items()}
                for kind in SessionKind
            },
            "concerns": {name: str(verdict) for name, verdict in self.concerns.items()},
            "counts": self.counts,
            "failed": sorted(
                f"{test}[{parameters}]" if parameters else test
                for (_, test, parameters), each in self.tests.items()
                if each.result == FAILED
            ),
        }


def collect_results(outcomes: Iterable[Outcome]) -> list[ProviderResults]:
    """Return the results of each provider of a run, by name."""
    by_provider: dict[str, list[Outcome]] = {}
    for each in outcomes:
        by_provider.setdefault(each.provider, []).append(each)
    return [ProviderResults(name, by_provider[name]) for name in sorted(by_provider)]


@cache
def _list_tests(suite: type) -> frozenset[tuple[str, str]]:
    """Return the tests of a suite: each with the class that has it."""
    return frozenset(
        (next(each for each in reversed(suite.__mro__) if name in vars(each)).__name__, name)
        for name in dir(suite)
        if name.startswith("test_")
    )


def _find_operations(failed: Outcome) -> tuple[str, ...]:
    """Return the operations that a failed test is about for each kind."""
    if failed.cells or failed.operations:
        return failed.operations
    return (_OPERATIONS[failed.owner],) if failed.owner in _OPERATIONS else ()


def _judge(tests: list[Outcome], missing: int) -> Verdict:
    """Judge tests of which some did not run. What is not a pass comes first."""
    count = Counter(each.result for each in tests)
    total = len(tests) + missing
    if failed := count[FAILED]:
        return Verdict(NO, f"{failed} of {total} failed")
    if count[NOT_TESTED]:
        reasons = dict.fromkeys(each.reason for each in tests if each.result == NOT_TESTED)
        return Verdict(NOT_TESTED, "; ".join(each for each in reasons if each))
    if missing:
        return Verdict(NOT_RUN, f"{missing} of {total}" if tests else "")
    if count[PASSED]:
        return Verdict(YES)
    return Verdict(UNDECLARED if tests else NOT_RUN)
