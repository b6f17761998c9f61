"""pytest plugin: fixtures that start emulators and connect to them, on a clock that tests advance.

pytest loads this module in every run, so that the library itself is imported by the fixtures only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

import pytest

if TYPE_CHECKING:
    from recording_core import Provider
    from recording_core.testing import Emulator, ManualClock


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of the fixtures `<provider>_emulator`."""
    parser.addini(
        "emulator_settings",
        "settings of each fixture `<provider>_emulator`, such as `recordings=45 seed=7`",
        type="args",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker of the fixture `emulator`, and the fixtures of the installed vendors."""
    from recording_core.testing.vendor_fixtures import build_fixtures

    config.pluginmanager.register(build_fixtures(), "recording_core_vendor_fixtures")
    config.addinivalue_line(
        "markers",
        "emulator(provider, **settings): the emulator of this test, such as "
        "@pytest.mark.emulator('acme', recordings=45)",
    )
    config.addinivalue_line(
        "markers",
        "long: takes many seconds; `pytest -m 'not long'` leaves these tests of the suite out",
    )


# -- the results of the conformance suite ---------------------------------------------------------

#: Loaded in a run that has tests of the suite, and in no other.
_SUITE = "recording_core.testing.conformance.base"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the outcome of a test of the suite to its report, which may go to another process."""
    report = yield
    if _SUITE in sys.modules:
        from recording_core.testing.conformance.results.outcomes import report_outcome

        report_outcome(item, call, report)
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write a table of results for each provider of which tests of the suite ran."""
    # `recordings conformance` writes the table itself.
    is_read = terminalreporter.config.getoption("conformance_outcomes", None) is not None
    if not is_read and any(
        name == "recording_conformance"
        for category in terminalreporter.stats.values()
        for report in category
        for name, _ in getattr(report, "user_properties", ())
    ):
        from recording_core.testing.conformance.results.table import write_tables

        write_tables(terminalreporter)


# -- emulators ------------------------------------------------------------------------------------


@pytest.fixture
def manual_clock() -> ManualClock:
    """The clock of the test's emulators. It stands still until the test advances it."""
    from recording_core.testing import ManualClock

    return ManualClock()


@pytest.fixture
def start_emulator(
    request: pytest.FixtureRequest, manual_clock: ManualClock
) -> Iterator[Callable[..., Emulator]]:
    """A function that starts emulators, which stop after the test.

    `start_emulator("acme", recordings=45)` takes a provider's name and the keywords of its
    emulator's constructor. All emulators of a test share a clock, unless `clock=` is given: the
    `application_clock` if the test uses it, else `manual_clock`.
    """
    from recording_core.plugins.registry import get_provider_info, load_object

    clock = manual_clock
    if "application_clock" in request.fixturenames:
        clock = request.getfixturevalue("application_clock")
    with ExitStack() as running:

        def start(provider: str, **settings: Any) -> Emulator:
            build = load_object(get_provider_info(provider), "emulator")
            emulator: Emulator = build(**{"clock": clock, **settings})
            return running.enter_context(emulator)

        yield start


@pytest.fixture
def emulator_assumptions() -> Iterable[int] | Literal["all"]:
    """The assumptions that the fixture `emulator` follows; the conformance suite replaces it."""
    return ()


@pytest.fixture
def emulator(
    request: pytest.FixtureRequest,
    start_emulator: Callable[..., Emulator],
    emulator_assumptions: Iterable[int] | Literal["all"],
) -> Emulator:
    """The running emulator that `@pytest.mark.emulator("acme", recordings=45)` names.

    The marker applies to a test, a class or, as `pytestmark`, to a module.
    """
    from recording_core.testing.vendor_fixtures import find_marker

    provider, settings = find_marker(request.node)
    if provider is None:
        raise pytest.UsageError(
            f"{request.node.nodeid} uses the fixture emulator: name one by a marker, such as "
            '@pytest.mark.emulator("acme"), or write a fixture of that name'
        )
    return start_emulator(provider, **{"assume": emulator_assumptions, **settings})


@pytest.fixture
def emulated_provider(emulator: Emulator) -> Iterator[Provider]:
    """The real provider, connected to the fixture `emulator` and on its clock."""
    with emulator.connect() as provider:
        yield provider
