"""Named faults: each makes a naive client wrong, and the library is right under each of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from attrs import fields

import recording_core as rec
from recording_core.testing import Emulator, LoopbackServer, Reply, Request
from recording_core.testing.emulator.named_faults import NAMED_FAULTS
from recording_plivo.emulator import PlivoEmulator

PAGE = Path(__file__).parent.parent / "docs" / "test-your-application.md"
MINUTE = timedelta(minutes=1)
VENDORS = sorted(rec.providers())
#: A figure for a test: the naive client waits for media for two seconds.
FIGURES: dict[str, dict[str, Any]] = {"slow-media": {"seconds": 2.5}}
#: Each fault with each provider, of which `make test` runs one for each fault.
PAIRS = [
    pytest.param(
        vendor, fault, marks=() if (index - number) % len(VENDORS) == 0 else pytest.mark.long
    )
    for index, fault in enumerate(NAMED_FAULTS)
    for number, vendor in enumerate(VENDORS)
]

# The client that most scripts begin with, in twenty lines.
NAIVE = """
class NaiveClient:
    def __init__(self, base_url, auth_id, auth_token, folder):
        self.url, self.auth = f"{base_url}/Account/{auth_id}", (auth_id, auth_token)
        self.folder, self.billed = folder, []

    def start(self, call, webhook):
        data = {"callback_url": webhook, "file_format": "wav"}
        requests.post(f"{self.url}/Call/{call}/Record/", json=data, auth=self.auth, timeout=30)

    def stop(self, call):
        url = f"{self.url}/Call/{call}/Record/"
        requests.delete(url, auth=self.auth, timeout=30)

    def receive(self, form):
        media = requests.get(form["record_url"], auth=self.auth, timeout=2)
        if media.status_code == 200 and media.headers["Content-Type"].startswith("audio/"):
            (self.folder / form["recording_id"]).write_bytes(media.content)
        row = f"{self.url}/Recording/{form['recording_id']}/"
        milliseconds = requests.get(row, auth=self.auth, timeout=30).json()["recording_duration_ms"]
        self.billed.append(float(milliseconds) / 1000)
"""


class Script:
    """A test's application: it records one call by the naive client, and receives its webhooks."""

    def __init__(self, emulator: PlivoEmulator, folder: Path) -> None:
        namespace: dict[str, Any] = {"requests": requests}
        exec(NAIVE, namespace)
        self.emulator = emulator
        self.folder = folder
        self.client = namespace["NaiveClient"](
            emulator.base_url, *emulator.credentials.values(), folder
        )

    def run(self, fault: str | None) -> list[str]:
        """Record a minute of a call, and return what is wrong in the end."""
        emulator, call = self.emulator, self.emulator.sessions[0].id
        received: list[Request] = []

        def answer(request: Request) -> Reply:
            received.append(request)
            return Reply()

        with LoopbackServer(answer) as server:
            self.client.start(call, f"{server.origin}/hook")
            if fault is not None:
                emulator.inject(fault, **FIGURES.get(fault, {}))
            emulator.advance(MINUTE)
            self.client.stop(call)
            emulator.advance(MINUTE)
            emulator.wait_for_deliveries()
        wrong = []
        for each in received:
            try:
                self.client.receive(dict(parse_qsl(each.body.decode())))
            except Exception as error:  # noqa: BLE001  # what the script would stop with
                wrong.append(type(error).__name__)
        files = list(self.folder.iterdir())
        wrong += ["no file"] * (not files)
        wrong += ["no audio" for each in files if not each.read_bytes().startswith(b"RIFF")]
        return wrong + [f"billed {self.client.billed}"] * (self.client.billed != [60.0])


def test_the_page_has_the_faults_with_their_figures() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE)
    shown = {name: dict(re.findall(r"`(\w+)` \(([^)]+)\)", figures)) for name, _, figures in rows}
    for name, kind in NAMED_FAULTS.items():
        figures = [each for each in fields(kind) if each.init]
        assert list(shown[name]) == [each.name for each in figures], name
        numbers = {
            each.name: f"{each.default:g}"
            for each in figures
            if isinstance(each.default, int | float)
        }
        assert numbers.items() <= shown[name].items()


def test_another_name_or_figure_states_what_there_is(start_emulator: Callable[..., Any]) -> None:
    emulator = start_emulator("plivo")
    for name, figures, message in (
        ("late", {}, "the faults are slow-media, late-404, 429-storm, "),
        ("late-404", {"cuont": 1}, "late-404 has no figure cuont; its figures are count"),
        (
            "late-404",
            {"count": 0},
            "late-404 cannot have count=0: a count is a whole number above 0",
        ),
        ("late-404", {"count": True}, "late-404 cannot have count=True"),
        ("429-storm", {"count": True}, "429-storm cannot have count=True"),
        ("slow-media", {"seconds": True}, "slow-media cannot have seconds=True"),
        ("slow-media", {"seconds": "2"}, "seconds are above 0 and at most 3600"),
        ("odd-field", {"values": []}, "values are a list"),
    ):
        with pytest.raises(ValueError, match=message):
            emulator.inject(name, **figures)
    assert emulator.list_faults() == []


@pytest.fixture
def script(start_emulator: Callable[..., Any], tmp_path: Path) -> Script:
    return Script(start_emulator("plivo"), tmp_path)


def test_the_naive_client_of_twenty_lines_works_without_a_fault(script: Script) -> None:
    assert len(NAIVE.strip().splitlines()) == 20
    assert script.run(None) == []


@pytest.mark.parametrize(
    ("fault", "wrong"),
    {
        "slow-media": ["ConnectionError", "no file", "billed []"],
        "late-404": ["no file"],
        "429-storm": ["KeyError", "billed []"],
        "error-page-as-audio": ["no audio"],
        "webhook-lost": ["no file", "billed []"],
        "webhook-twice": ["billed [60.0, 60.0]"],
        "odd-field": ["TypeError", "billed []"],
    }.items(),
)
def test_each_fault_makes_the_naive_client_wrong(
    script: Script, fault: str, wrong: list[str]
) -> None:
    assert script.run(fault) == wrong


@pytest.mark.parametrize(("vendor", "fault"), PAIRS)
def test_the_library_is_right_under_each_fault(
    vendor: str, fault: str, start_emulator: Callable[..., Emulator], tmp_path: Path
) -> None:
    emulator = start_emulator(vendor)
    keys: dict[str, Any] = {**emulator.webhooks}
    receiver = rec.Receiver(vendor, **keys, clock=emulator.clock)
    with emulator.connect() as provider:
        session = emulator.begin_session(provider, emulator.sessions[0])
        emulator.inject(fault, **({"seconds": 0.1} if fault == "slow-media" else {}))
        emulator.advance(MINUTE)
        session = emulator.finish_session(provider, session)
        session = provider.wait(session, timeout=5 * MINUTE)
        [recording] = session.recordings
        copies = download(provider, recording, emulator, tmp_path)
        since = emulator.clock.now() - 60 * MINUTE
        assert [each.id for each in provider.list(since=since)] == [recording.id]
        requests = emulator.build_webhook_requests()
        events = [event for each in requests for event in receiver.receive(each)]
        events += receiver.reconcile(provider, since=since)
    assert recording.status is rec.RecordingStatus.AVAILABLE
    assert (recording.duration is None) <= (fault == "odd-field")
    assert copies
    assert all(each.path.stat().st_size == each.size > 100 for each in copies)
    assert len(list(tmp_path.iterdir())) == len(copies)
    kinds = [each.kind for each in events if not each.replayed]
    assert kinds.count(rec.EventKind.AVAILABLE) == 1


def download(
    provider: rec.Provider, recording: rec.Recording, emulator: Emulator, folder: Path
) -> tuple[rec.Copy, ...]:
    """Download a recording as an archive does: what is not ready or no media is tried again."""
    for _ in range(7):
        try:
            return provider.download(recording, folder)
        except (rec.NotReady, rec.NotMedia):
            emulator.advance(MINUTE)
    return ()
