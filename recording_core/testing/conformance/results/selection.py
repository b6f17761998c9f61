"""Selection: a pytest plugin that runs the suite of one provider and writes the outcomes to a file.

`recordings conformance` loads it with `-p`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict

from recording_core.testing.conformance.results.outcomes import (
    find_provider,
    is_of_suite,
    read_outcomes,
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options by which the command names the provider and the file."""
    group = parser.getgroup("conformance")
    group.addoption("--conformance-of", help="run the tests of the suite for this provider only")
    group.addoption("--conformance-outcomes", help="write what each test found to this file")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not a test of the suite for the provider."""
    named = config.getoption("conformance_of")
    kept = [
        each for each in items if is_of_suite(each) and find_provider(each) in (named, "unknown")
    ]
    config.hook.pytest_deselected(items=[each for each in items if each not in kept])
    items[:] = kept


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Write the outcomes as JSON."""
    text = json.dumps([asdict(each) for each in read_outcomes(terminalreporter)])
    Path(config.getoption("conformance_outcomes")).write_text(text, encoding="utf-8")
