"""Bad providers: copies of Bravo with one fault each, installed together and tested in one run.

A fault is tested by the tests of the conformance suite that have to find it, and by no others.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

BRAVO = Path(__file__).parent / "recording_bravo"
HONEST = "honest"

#: file, right text, wrong text; without a right text the file is new
Change = tuple[str, str, str]
#: The tests of a run by the name of the copy: their outcome, and the text of their failure.
Outcomes = Mapping[str, list[tuple[str, str, str]]]

#: Faults that `make test` tries; the others take some minutes more.
OFTEN = frozenset(
    (
        *("get_is_canned", "active_swallows_errors", "stop_lies", "delete_does_nothing"),
        *("pause_of_a_conference_is_local", "stop_drops_pauses", "download_leaves_a_file_out"),
        *("no_pause_of_a_conference", "no_delete_of_a_meeting"),
    )
)

_SUITE = """
import pytest
from recording_core.testing import ProviderConformance, WebhookConformance

pytestmark = pytest.mark.emulator("bravo", recordings=45)


class TestProvider(ProviderConformance):
    pass


class TestWebhooks(WebhookConformance):
    pass
"""
#: Writes what each test gave, a line per test.
_REPORTER = """
import json, pathlib

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        name = pathlib.Path(report.nodeid.split("::")[0]).stem
        row = [name, report.nodeid, report.outcome, report.longreprtext]
        with open("outcomes", "a") as file:
            print(json.dumps(row), file=file)
"""


@pytest.hookimpl(tryfirst=True)  # before items are deselected by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all but `OFTEN`, and files without one, to `make test-all`."""
    own = [item for item in items if item.path.parent == BRAVO.parent]
    often = {item for item in own if item.name.partition("[")[2].removesuffix("]") in OFTEN}
    paths = {item.path for item in often}
    for item in own:
        if item not in often and (item.name.endswith("]") or item.path not in paths):
            item.add_marker(pytest.mark.long)


def find_tests(names: str) -> list[str]:
    """Find the tests of a fault; those without a class belong to `TestProvider`."""
    return [each if each[0] == "T" else f"TestProvider::{each}" for each in names.split()]


def build_copy(site: Path, name: str, changes: Iterable[Change]) -> None:
    """Write a copy of Bravo as the provider `bravo_<name>`, with changes, and its test module."""
    package = site / f"recording_bravo_{name}"
    texts = {str(each.relative_to(BRAVO)): each.read_text() for each in BRAVO.rglob("*.py")}
    for file, right, wrong in changes:
        text = texts.setdefault(file, "")
        assert not right or text.count(right) == 1, f"{name}: {file} has not once: {right}"
        texts[file] = text.replace(right, wrong) if right else text + wrong
    for file, text in (*texts.items(), (f"../test_{name}.py", _SUITE)):
        path = package / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub(r'(recording_bravo|"bravo)\b', rf"\1_{name}", text))


def run_suite(
    site: Path, copies: Mapping[str, Iterable[Change]], tests: Mapping[str, Iterable[str]]
) -> Outcomes:
    """Install the copies and run tests of the suite for each of them, in one process."""
    for name, changes in copies.items():
        build_copy(site, name, changes)
    metadata = site / "bad_providers-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-providers\nVersion: 1.0\n")
    entries = (f"bravo_{name} = recording_bravo_{name}.plugin\n" for name in copies)
    (metadata / "entry_points.txt").write_text(f"[recording_core]\n{''.join(entries)}")
    (site / "conftest.py").write_text(_REPORTER)
    selected = [f"test_{name}.py::{each}" for name in copies for each in tests[name]]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "--tb=short", "--show-capture=no"),
            *("-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(site), *selected),
        ],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode in (0, 1), f"{done.stdout[-9000:]}{done.stderr[-3000:]}"
    outcomes: dict[str, list[tuple[str, str, str]]] = {name: [] for name in copies}
    for line in (site / "outcomes").read_text().splitlines():
        file, *outcome = json.loads(line)
        outcomes[file.removeprefix("test_")].append(tuple(outcome))
    return outcomes


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """What the suite gives for the selected faults of a module, and for Bravo itself."""
    faults = request.module.FAULTS
    own = [each for each in request.session.items if each.path == request.path]
    names = [each.callspec.params["fault"] for each in own if hasattr(each, "callspec")] or faults
    tests = {name: find_tests(faults[name][0]) for name in names}
    tests[HONEST] = sorted({each for some in tests.values() for each in some})
    copies = {name: faults[name][2:] if name != HONEST else () for name in tests}
    return run_suite(tmp_path_factory.mktemp("site"), copies, tests)


@pytest.fixture
def whole_suite(tmp_path: Path) -> Outcomes:
    """What the whole suite gives for Bravo."""
    return run_suite(tmp_path, {HONEST: ()}, {HONEST: ["TestProvider", "TestWebhooks"]})


@pytest.fixture
def check_fault(request: pytest.FixtureRequest, outcomes: Outcomes) -> Callable[[str], None]:
    """A function that requires that each expected test fails, for the expected reason."""

    def check(name: str) -> None:
        words = request.module.FAULTS[name][1]
        assert outcomes[name], f"no test ran for {name}"
        for test, outcome, text in outcomes[name]:
            assert outcome == "failed", f"{test} {outcome} in spite of the fault {name}"
            assert words in text, f"{test} does not fail with the words {words!r}, but:\n{text}"

    return check


@pytest.fixture
def check_honest(outcomes: Outcomes) -> Callable[[], None]:
    """A function that requires that Bravo passes every test that a fault has to fail."""

    def check() -> None:
        failed = [each for each in outcomes[HONEST] if each[1] != "passed"]
        assert not failed, f"{failed[0][0]} {failed[0][1]}:\n{failed[0][2]}"

    return check
