"""pytest plugin: its fixtures start, share and stop emulators, and loading it imports little."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import Emulator, ManualClock, Reply
from recording_core.testing.conformance.results.outcomes import find_provider
from recording_core.testing.vendor_fixtures import build_fixtures

TWO_TESTS = """
import pytest
import recording_core as rec

emulators = []

@pytest.mark.emulator("plivo")
def test_one(emulator, emulated_provider):
    assert list(emulated_provider.list()) == []
    emulators.append(emulator)

def test_two():
    with pytest.raises(rec.Unavailable), emulators[0].connect() as provider:
        list(provider.list())
"""

PAGE = Path(__file__).parent.parent / "docs" / "test-your-application.md"


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def run_tests(folder: Path, *options: str) -> str:
    """Run the tests of a folder with our plugin alone, since to load all others takes long."""
    command = ("-m", "pytest", "-q", "-p", "recording_core.testing.pytest_plugin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return run(*command, "--strict-config", "--strict-markers", *options, folder=folder)


def test_loading_the_plugin_imports_no_other_module_than_the_facades(tmp_path: Path) -> None:
    code = (
        "import sys, recording_core.testing.pytest_plugin; "
        "print(*sorted(name for name in sys.modules if name.startswith('recording_')), "
        "'requests' in sys.modules)"
    )
    assert run("-c", code, folder=tmp_path).split() == [
        "recording_core",
        "recording_core.testing",
        "recording_core.testing.pytest_plugin",
        "False",
    ]


def test_the_tests_on_the_page_pass_without_a_conftest(tmp_path: Path) -> None:
    section = PAGE.read_text().partition("## Time")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "test_page.py").write_text("\n\n".join(blocks))
    output = run("-m", "pytest", "-q", "-p", "no:xdist", "--strict-markers", folder=tmp_path)
    assert "4 passed" in output, output


APPLICATION = """
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import recording_core as rec
from recording_core.clock import SystemClock

connected = []

@pytest.fixture(autouse=True, scope="module")
def developer():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWILIO_AUTH_TOKEN", "of the developer")
        patch.setenv("TWILIO_API_KEY", "of the developer")
        patch.setenv("TWILIO_WEBHOOK_KEY", "of the developer")
        Path("recordings.toml").write_text('[[account]]\\nprovider = "plivo"')
        yield
        assert os.environ["TWILIO_AUTH_TOKEN"] == "of the developer"
        assert not any(name.endswith("_BASE_URL") for name in os.environ)

@pytest.mark.emulator(provider="plivo", recordings=2)
@pytest.mark.emulator("twilio", recordings=9)
def test_two_vendors_share_a_clock(plivo_emulator, twilio_emulator):
    plivo_emulator.inject("429-storm", count=1)
    with rec.connect("twilio") as twilio, rec.connect("plivo") as plivo:
        assert [len(list(each.list())) for each in (twilio, plivo)] == [9, 2]
    assert {"TWILIO_API_KEY", "TWILIO_WEBHOOK_KEY"}.isdisjoint(os.environ)
    assert plivo_emulator.clock is twilio_emulator.clock
    connected.append(plivo)

def test_time_is_the_machines_until_it_is_advanced(plivo_emulator, application_clock):
    plivo = rec.connect("plivo")
    assert len(list(plivo.list())) == 3
    assert plivo_emulator.journal and plivo_emulator.list_faults() == []
    session = plivo.start(plivo_emulator.sessions[0])
    plivo_emulator.advance(timedelta(hours=1))
    [recording] = plivo.wait(plivo.stop(session), timeout=timedelta(minutes=1)).recordings
    assert timedelta(0) <= recording.ended_at - datetime.now(UTC) - timedelta(minutes=59)
    assert SystemClock().now() == application_clock.now()
    receiver = rec.receiver("plivo", secret=os.environ["PLIVO_WEBHOOK_SECRET"])
    for request in plivo_emulator.build_webhook_requests():
        assert receiver.receive(request)
    plivo.close()

def test_without_the_fixture_nothing_is_replaced():
    assert abs(SystemClock().now() - datetime.now(UTC)) < timedelta(minutes=1)
    assert "PLIVO_AUTH_ID" not in os.environ
"""


def test_an_application_that_connects_itself_is_tested(tmp_path: Path) -> None:
    (tmp_path / "test_application.py").write_text(APPLICATION)
    ini = "[pytest]\nemulator_settings = recordings=3 seed=5\n"
    (tmp_path / "pytest.ini").write_text(ini)
    output = run_tests(tmp_path)
    assert "3 passed" in output, output


@pytest.mark.parametrize("vendor", sorted(rec.providers()))
def test_every_vendor_has_a_fixture(vendor: str, request: pytest.FixtureRequest) -> None:
    emulator: Emulator = request.getfixturevalue(f"{vendor}_emulator")
    emulator.record()
    since = emulator.clock.now() - timedelta(hours=1)
    with rec.connect(vendor) as provider:
        assert [each.id for each in provider.list(since=since)] == emulator.list_ids()


@pytest.mark.emulator(recordings=2)
def test_a_marker_without_a_name_is_for_the_vendor_of_the_fixture(plivo_emulator: Emulator) -> None:
    assert len(plivo_emulator.list_ids()) == 2


def test_a_provider_named_start_does_not_replace_a_fixture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "vendors-1.0.dist-info"
    folder.mkdir()
    (folder / "entry_points.txt").write_text("[recording_core]\nstart = a:b\nacme = a:b\n")
    monkeypatch.syspath_prepend(tmp_path)
    names = vars(build_fixtures())
    assert ("acme_emulator" in names, "start_emulator" in names) == (True, False)


def test_a_test_without_a_marker_states_what_to_do(tmp_path: Path) -> None:
    for marker, message in (
        ("usefixtures()", "name one by a marker, such as @pytest.mark.emulator"),
        ("emulator(recordings=2)", "name one by a marker, such as @pytest.mark.emulator"),
        ("emulator('plivo', 45)", "names one provider, not ['plivo', 45]"),
    ):
        code = f"import pytest\n@pytest.mark.{marker}\ndef test_one(emulator): pass"
        (tmp_path / "test_one.py").write_text(code)
        output = run_tests(tmp_path)
        assert message in output, output


def test_a_suite_without_a_provider_states_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import pytest\nfrom recording_core.testing import ProviderConformance\n"
        "@pytest.mark.emulator(recordings=2)\nclass TestOne(ProviderConformance): ..."
    )
    output = run_tests(tmp_path, "-k", "iterating_again")
    assert "name one by a marker, such as @pytest.mark.emulator" in output, output


@pytest.mark.emulator("audian")
class TestMarker:
    @pytest.mark.emulator(provider="plivo", recordings=2)
    def test_the_closest_one_names_the_provider(self, request: pytest.FixtureRequest) -> None:
        assert find_provider(request.node) == "plivo"

    @pytest.mark.emulator(recordings=2)
    def test_one_without_a_name_names_no_provider(self, request: pytest.FixtureRequest) -> None:
        assert find_provider(request.node) == "unknown"

    @pytest.mark.emulator("plivo", 45)
    def test_a_wrong_one_names_no_provider(self, request: pytest.FixtureRequest) -> None:
        assert find_provider(request.node) == "unknown"


def test_an_emulator_stops_after_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_two.py").write_text(TWO_TESTS)
    output = run_tests(tmp_path)
    assert "2 passed" in output, output


RECORDED = """
import pytest
import recording_core as rec

@pytest.mark.vcr
def test_one():
    with rec.connect("plivo") as provider:
        assert provider.get("R1").id == "R1"
"""


def test_pytest_recording_records_and_replays_without_credentials(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, journal = serve(Reply.json({"recording_id": "R1"}))
    token = "t0ken" * 8
    for name, value in (("BASE_URL", f"{origin}/v1"), ("AUTH_ID", "MA"), ("AUTH_TOKEN", token)):
        monkeypatch.setenv(f"PLIVO_{name}", value)
    section = PAGE.read_text().partition("## Recorded responses")[2]
    [block] = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    (tmp_path / "conftest.py").write_text(block)
    (tmp_path / "test_one.py").write_text(RECORDED)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # loading the others takes longer
    command = ("-m", "pytest", "-q", "-p", "pytest_recording.plugin", "--block-network")
    for mode in ("once", "none"):
        output = run(*command, "--record-mode", mode, folder=tmp_path)
        assert "1 passed" in output, output
    assert len(journal) == 1
    [cassette] = tmp_path.rglob("*.yaml")
    assert token not in cassette.read_text()
    assert "uthorization" not in cassette.read_text()


@pytest.mark.emulator("plivo", recordings=3)
class TestFixtures:
    def test_the_marker_of_a_class_gives_the_settings(self, emulator: Emulator) -> None:
        assert (emulator.provider, emulator.recordings) == ("plivo", 3)

    @pytest.mark.emulator(provider="audian")
    def test_the_marker_of_a_test_has_precedence(self, emulator: Emulator) -> None:
        assert (emulator.provider, emulator.recordings) == ("audian", 0)

    def test_the_emulators_and_the_provider_share_the_clock(
        self,
        emulator: Emulator,
        emulated_provider: rec.Provider,
        start_emulator: Callable[..., Emulator],
        manual_clock: ManualClock,
    ) -> None:
        other = start_emulator("realtimekit")
        assert emulator.clock is other.clock is manual_clock
        with emulator.log_requests("api") as requests:
            assert len(list(emulated_provider.list())) == 3
        assert {entry.port for entry in requests} == {"api"}

    def test_an_emulator_more_has_the_clock_of_the_application(
        self,
        application_clock: ManualClock,
        plivo_emulator: Emulator,
        start_emulator: Callable[..., Emulator],
    ) -> None:
        assert start_emulator("plivo").clock is plivo_emulator.clock is application_clock

    def test_forbidden_requests_are_named(
        self, emulator: Emulator, emulated_provider: rec.Provider
    ) -> None:
        with (
            pytest.raises(AssertionError, match="sent GET /v1/Account/"),
            emulator.forbid_requests(),
        ):
            list(emulated_provider.list())
        with emulator.forbid_requests():
            emulated_provider.list()

    @pytest.mark.parametrize("vendor", sorted(rec.providers()))
    def test_a_recording_is_made_without_the_application(
        self, vendor: str, start_emulator: Callable[..., Emulator]
    ) -> None:
        emulator = start_emulator(vendor)
        with emulator.connect() as provider:
            recording = provider.get(emulator.record())
        assert recording.status is rec.RecordingStatus.AVAILABLE
