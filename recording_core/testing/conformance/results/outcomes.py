"""Outcomes: what each test of the suite found, as its report carries it to the end of the run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from traceback import walk_tb
from typing import Any

import pytest
from attrs import asdict, frozen

from recording_core.model.capabilities import Operation
from recording_core.model.enums import SessionKind
from recording_core.testing.conformance import base
from recording_core.testing.conformance.base import NOT_TESTED, UNDECLARED, ConformanceBase
from recording_core.testing.conformance.results.exchanges import describe_exchanges, find_emulator
from recording_core.testing.vendor_fixtures import find_marker

#: The name of the property of a report that carries an outcome.
PROPERTY = "recording_conformance"
#: A verb, and the operation that it needs; plain texts, which xdist can send.
_VERBS: Mapping[str, str] = {
    **{str(each): str(each) for each in Operation},
    "wait": str(Operation.GET),
    "record": str(Operation.STOP),
}
#: Tests have parameters such as `call-start`, and requirements begin with `call start`.
_CELL = re.compile(f"\\b({'|'.join(SessionKind)})[- ]({'|'.join(_VERBS)})\\b")
_REQUIREMENT = "The requirement: "
_SUITE = Path(base.__file__).resolve().parent

PASSED, FAILED = "passed", "failed"


@frozen
class Outcome:
    """What one test of the suite found.

    Attributes:
        provider: the name of the provider
        owner: the name of the class of the suite that has the test
        test: the name of the test's function
        parameters: the id of its parameters, or the empty string
        result: `passed`, `failed`, `not declared` or `NOT TESTED`
        reason: of a test that was not carried out
        cells: the kinds and operations that the test is about, such as `call start`; of a failed
            one also those that the requirement names
        operations: the operations that a failed test is about, if it names no kind
    """

    provider: str
    owner: str
    test: str
    parameters: str
    result: str
    reason: str = ""
    cells: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()

    @classmethod
    def load(cls, fields: Mapping[str, Any]) -> Outcome:
        """Load an outcome from its fields, which another process wrote as JSON."""
        sequences = {key: tuple(fields[key]) for key in ("cells", "operations")}
        return cls(**{**fields, **sequences})


def is_of_suite(item: pytest.Item) -> bool:
    """Whether a test is inherited from the suite."""
    return bool(_find_owners(item))


def find_provider(item: pytest.Item) -> str:
    """Return the provider that a test is about: that of its emulator, else of its marker."""
    vendor = getattr(getattr(item, "instance", None), "vendor", None)
    name: str | None = getattr(vendor, "provider", None)
    with suppress(pytest.UsageError):  # the fixture `emulator` raises it
        name = name or find_marker(item)[0]
    return name or "unknown"


def report_outcome(item: pytest.Item, call: pytest.CallInfo[Any], report: Any) -> None:
    """Add the outcome, and what the vendor sent, to the report of a phase of a test."""
    if not is_of_suite(item) or (report.when != "call" and report.passed):
        return
    error = call.excinfo.value if call.excinfo is not None else None
    outcome = _judge_report(item, report, error)
    report.user_properties.append((PROPERTY, asdict(outcome)))
    if outcome.result == FAILED and error is not None:
        emulator = find_emulator(item, error)
        if emulator is not None:
            # mypy: a test of the suite is a method, and not just any item.
            receives = any("webhook" in each.__module__ for each in item.cls.__mro__)  # type: ignore[attr-defined]
            events = emulator.build_webhook_requests() if receives else ()
            report.sections.append(("What the vendor sent", describe_exchanges(emulator, events)))


def read_outcomes(reporter: Any) -> Iterator[Outcome]:
    """Yield the outcomes of a run, also from other processes, that pytest's reporter received."""
    for report in chain.from_iterable(reporter.stats.values()):
        for name, value in getattr(report, "user_properties", ()):
            if name == PROPERTY:
                yield Outcome.load(value)


def _judge_report(item: pytest.Item, report: Any, error: BaseException | None) -> Outcome:
    owner, test = _find_owners(item)[-1].__name__, _find_test(item)
    callspec = getattr(item, "callspec", None)
    parameters = callspec.id if callspec is not None else ""
    result, reason = _judge_result(item, report, error)
    notes = [each for each in getattr(error, "__notes__", ()) if each.startswith(_REQUIREMENT)]
    text = " ".join((parameters, *notes)) if result == FAILED else parameters
    cells = tuple(sorted({f"{kind} {_VERBS[verb]}" for kind, verb in _CELL.findall(text)}))
    operations: set[str] = set()
    if result == FAILED and not cells:
        first = {each.removeprefix(_REQUIREMENT).partition(" ")[0].strip(":") for each in notes}
        operations = {_VERBS[each] for each in first | {*test.split("_")} if each in _VERBS}
    return Outcome(
        provider=find_provider(item),
        owner=owner,
        test=test,
        parameters=parameters,
        result=result,
        reason=reason,
        cells=cells,
        operations=tuple(sorted(operations)),
    )


def _judge_result(item: pytest.Item, report: Any, error: BaseException | None) -> tuple[str, str]:
    """Return the result of a phase and the reason of a skip; only the suite's own skips count."""
    if hasattr(report, "wasxfail"):
        return FAILED, ""  # marked by the provider's author, not by the suite
    if not _is_ours(_find_owners(item)[0]) and not report.failed:
        return NOT_TESTED, "the provider's tests replace it"
    if not report.skipped:
        return (PASSED, "") if report.passed else (FAILED, "")
    reason = str(error)
    if reason.startswith(NOT_TESTED):
        return NOT_TESTED, reason.removeprefix(NOT_TESTED).lstrip(": ")
    if error is None or not _is_raised_by_suite(error):
        return NOT_TESTED, "the provider's tests skip it"
    if reason.startswith(UNDECLARED):
        return UNDECLARED, reason.removeprefix(UNDECLARED).lstrip(": ")
    return NOT_TESTED, reason


def _is_raised_by_suite(error: BaseException) -> bool:
    """Whether the suite skipped a test, and neither a mark nor a provider's class."""
    files = [frame.f_code.co_filename for frame, _ in walk_tb(error.__traceback__)]
    callers = [each for each in map(Path, files) if "_pytest" not in each.parts]
    return bool(callers) and callers[-1].resolve().parent == _SUITE


def _find_test(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", None) or item.name)


def _find_owners(item: pytest.Item) -> list[type]:
    """Return the classes that define a test, the nearest first, if the last one is the suite's."""
    name = _find_test(item)
    kinds = getattr(getattr(item, "cls", None), "__mro__", ())
    owners = [each for each in kinds if name in vars(each)]
    return owners if owners and _is_ours(owners[-1]) else []


def _is_ours(kind: type) -> bool:
    return issubclass(kind, ConformanceBase) and kind.__module__.startswith("recording_core.")
