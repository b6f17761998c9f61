"""Tests of the cassettes: they replay without a server, and hold no secret."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import vcr
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.serializers.yamlserializer import deserialize, serialize

import recording_core as rec
from cassettes import record
from cassettes.scenarios import SCENARIOS, Stage
from recording_audian.emulator import AudianEmulator
from recording_core import plugin
from recording_core.clock import SystemClock
from recording_core.model.enums import LIVE
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request, build_recorder
from recording_core.transport.address_policy import WatchedHTTPConnection
from recording_core.transport.retry import RetryPolicy
from recording_plivo.emulator import PlivoEmulator
from recording_realtimekit.emulator import RealtimeKitEmulator
from recording_twilio.emulator import TwilioEmulator
from recording_voipbin.emulator import VoIPBinEmulator

ROOT = Path(__file__).resolve().parent.parent
CASSETTES = ROOT / "cassettes"
VENDORS = sorted(path.name for path in (ROOT / "providers").iterdir() if path.is_dir())
DECLARED = [
    (vendor, operation)
    for vendor in VENDORS
    for operation in rec.Operation
    if get_provider_info(vendor).can(operation)
]


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse connections and name look-ups, and fail if there was one."""
    attempts: list[object] = []

    def refuse(*args: object, **kwargs: object) -> None:
        attempts.append(args)
        raise OSError("there is no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert not attempts


def connect(vendor: str, clock: ManualClock) -> rec.Provider:
    """Connect to the default base URL, with placeholders as credentials."""
    info = get_provider_info(vendor)
    settings = {each.name: each.default or "" for each in info.settings}
    # The required settings, and the first secret if none is required alone.
    needed = [each for each in info.settings if each.default is None]
    if not any(each.secret for each in needed):
        needed += [each for each in info.settings if each.secret][:1]
    settings |= {each.name: record.build_placeholder(each.name) for each in needed}
    client: type[rec.Provider] = load_object(info, "client")
    http = record.ONE_WORKER
    return client(plugin.Connection(info, settings=settings, clock=clock, http=http))


def replay(
    vendor: str, operation: rec.Operation, directory: Path, cassettes: Path = CASSETTES
) -> tuple[Stage, Any]:
    """Run the scenario of an operation against its cassette; return the stage and the outcome."""
    facts = json.loads((cassettes / record.FACTS).read_text())[vendor][operation]
    clock = ManualClock(datetime.fromisoformat(facts["at"]))
    with connect(vendor, clock) as provider:
        stage = Stage(
            provider, record.read_target(facts["target"]), clock.now(), clock.advance, directory
        )
        with build_recorder().use_cassette(
            str(cassettes / vendor / f"{operation}.yaml")
        ) as cassette:
            outcome = SCENARIOS[operation](stage)
            assert cassette.all_played, "the cassette holds requests that were not sent"
    return stage, outcome


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("vendor", "operation"), DECLARED, ids=lambda each: str(each))
def test_each_operation_replays_at_the_default_base_url(
    vendor: str, operation: rec.Operation, tmp_path: Path
) -> None:
    stage, outcome = replay(vendor, operation, tmp_path)
    match operation:
        case rec.Operation.START | rec.Operation.ACTIVE | rec.Operation.RESUME:
            assert (outcome.target, outcome.account) == (stage.target, "default")
            assert outcome.status in LIVE
            assert outcome.id
        case rec.Operation.PAUSE:
            assert outcome.status is rec.RecordingStatus.PAUSED
            assert outcome.pauses == (rec.Interval(stage.at + timedelta(seconds=10)),)
        case rec.Operation.STOP:
            assert outcome.status not in LIVE
            assert outcome.stopped_at is not None
        case rec.Operation.LIST:
            assert len({recording.id for recording in outcome}) == 3
            assert {recording.provider for recording in outcome} == {vendor}
        case rec.Operation.GET:
            assert outcome.status is rec.RecordingStatus.AVAILABLE
            assert outcome.files
            assert all((file.url or "https://").startswith("https://") for file in outcome.files)
        case rec.Operation.DOWNLOAD:
            assert {copy.path.parent for copy in outcome} == {tmp_path}
            assert all({"framing", "format"} <= set(copy.checks) for copy in outcome)
        case rec.Operation.DELETE:
            assert outcome is None


def test_each_operation_has_a_cassette() -> None:
    found = {(path.parent.name, path.stem) for path in CASSETTES.glob("*/*.yaml")}
    assert found == {(vendor, str(operation)) for vendor, operation in DECLARED}


# -- vcrpy alone ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("vendor", VENDORS)
def test_plain_vcrpy_replays_what_it_has_and_nothing_else(vendor: str, tmp_path: Path) -> None:
    facts = json.loads((CASSETTES / record.FACTS).read_text())[vendor]["list"]
    clock = ManualClock(datetime.fromisoformat(facts["at"]))
    with connect(vendor, clock) as provider:
        stage = Stage(provider, None, clock.now(), clock.advance, tmp_path)
        for _ in range(2):  # the connections of a cassette are not used in the next one
            with vcr.VCR(record_mode="none").use_cassette(str(CASSETTES / vendor / "list.yaml")):
                assert len(list(SCENARIOS[rec.Operation.LIST](stage))) == 3
                with pytest.raises(CannotOverwriteExistingCassetteException):
                    provider.transport.get("another/path", operation="try")


def test_connections_before_and_after_a_cassette_are_ours(serve: Any, transport: Any) -> None:
    origin, journal = serve(Reply.json({}))
    api = transport(origin)
    api.get("thing", operation="try")
    with (
        vcr.VCR(record_mode="none").use_cassette("none.yaml"),
        pytest.raises(CannotOverwriteExistingCassetteException),
    ):
        api.get("thing", operation="try")
    assert len(journal) == 1
    api.get("thing", operation="try")
    assert len(journal) == 2
    for pool in api._session.adapters["http://"].poolmanager.pools._container.values():
        kinds = {type(each) for each in pool.pool.queue if each is not None}
        assert kinds == {WatchedHTTPConnection}


def test_threads_do_not_pass_a_cassette_while_another_one_connects(
    serve: Any, transport: Any, tmp_path: Path
) -> None:
    """vcrpy restores urllib3's own classes, for all threads, whenever it creates a connection."""
    origin, journal = serve(lambda request: Reply.json({"path": request.path}))
    api = transport(origin)

    def post(number: int) -> Any:
        never = RetryPolicy.NEVER  # on a connection of its own
        return api.request("POST", f"{number}", operation="try", retry=never).payload["path"]

    for mode, requests in (("once", 60), ("none", 60)):
        with (
            vcr.VCR(record_mode=mode).use_cassette(str(tmp_path / "a.yaml")) as cassette,
            ThreadPoolExecutor(6) as threads,
        ):
            assert len(set(threads.map(post, range(60)))) == 60
        assert (len(cassette), len(journal)) == (60, requests)


LATE = """
import sys, vcr
import recording_core as rec
assert "recording_core.transport.client" not in sys.modules
address, cassette = sys.argv[1:]
plivo = {"auth_id": "MA" + "X" * 18, "auth_token": "t" * 40}
with vcr.VCR(record_mode="none").use_cassette(cassette):
    with rec.connect("plivo", **plivo) as provider:
        print(provider.get("R1").id)
with rec.connect("plivo", **plivo, base_url=address) as provider:
    print(provider.get("R2").id)
"""


def test_library_may_be_imported_in_a_cassette(serve: Any, tmp_path: Path) -> None:
    path = f"/v1/Account/MA{'X' * 18}/Recording/R1/"
    body = json.dumps({"recording_id": "R1"})
    response = {
        "status": {"code": 200, "message": "OK"},
        "headers": {"Content-Length": [str(len(body))]},
        "body": {"string": body},
    }
    request: dict[str, Any] = {
        "method": "GET", "uri": f"https://api.plivo.com{path}", "body": None, "headers": {},
    }  # fmt: skip
    cassette = {"version": 1, "interactions": [{"request": request, "response": response}]}
    (tmp_path / "a.yaml").write_text(serialize(cassette))
    origin, journal = serve(Reply.json({"recording_id": "R2"}))
    done = subprocess.run(
        [sys.executable, "-c", LATE, f"{origin}/v1", str(tmp_path / "a.yaml")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.split() == ["R1", "R2"], done.stderr
    assert len(journal) == 1


# -- secrets --------------------------------------------------------------------------------------

#: Patterns that no cassette may contain.
FORBIDDEN: Mapping[str, str] = {
    "an authorization header": r"(?i)authorization",
    "an authorization scheme": r"(?i)\b(?:basic|bearer) +[A-Za-z0-9+/._~-]{8,}",
    "a signed query": r"(?i)[?&](?:x-amz|x-goog|sig|signature|token|accesskey)[a-z-]*=",
    "a cookie": r"(?i)\bcookie",
    "a signature header": r"(?i)x-plivo-signature|rtk-signature|x-twilio-signature",
    "an emulator's address": r"127\.0\.0\.1|localhost",
    "an AWS key": r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}",
    "a Plivo account": r"\b(?:MA|SA)[A-Z0-9]{18}\b",
    "a Twilio account": r"\b(?:AC|SK)[0-9a-f]{32}\b",
    # VoIPBin names an archive by the hash of its content.
    "a token in hex": r"(?<!/tmp/)\b[0-9a-f]{40}\b",
    "a phone number that may exist": r"\+(?!1202555)[1-9][0-9]{7,14}\b",
    "an e-mail address": r"\b(?!agent@phone\.plivo\.com)[\w.]+@[\w-]+\.[a-z]{2,}",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_cassette_contains(what: str) -> None:
    for path in CASSETTES.rglob("*.*"):
        if path.suffix in (".yaml", ".json"):
            # YAML folds long lines; a match may span the fold.
            text = re.sub(r"\n\s+", " ", path.read_text())
            found = re.search(FORBIDDEN[what], text)
            assert found is None, f"{path.relative_to(ROOT)} contains {what} at {found.start()}"


def test_no_cassette_contains_the_credentials_of_an_emulator() -> None:
    # The seed determines them: the cassettes were recorded with these.
    with (
        AudianEmulator() as audian,
        PlivoEmulator() as plivo,
        RealtimeKitEmulator() as realtimekit,
        TwilioEmulator() as twilio,
        VoIPBinEmulator() as voipbin,
    ):
        emulators = (audian, plivo, realtimekit, twilio, voipbin)
        secrets = [value for each in emulators for value in each.credentials.values()]
    for path in CASSETTES.glob("*/*.yaml"):
        text = re.sub(r"\s", "", path.read_text())
        assert not [secret for secret in secrets if secret in text], path


def test_planted_secrets_are_filtered_and_the_rest_replays(tmp_path: Path) -> None:
    import requests

    canaries = [f"canary-{number}-c0ffee" for number in range(12)]
    payload = {
        "id": "some-id",
        "access_key": canaries[0],
        "deep": [{"authToken": canaries[1], "secret": canaries[2]}],
        "link": f"https://media.example.com/a.wav?X-Amz-Date=2026&X-Amz-Signature={canaries[3]}",
        "owner": f"https://user:{canaries[4]}@example.com/a",
        "account": canaries[11],
    }
    headers = {"Set-Cookie": f"session={canaries[5]}", "X-Whatever": canaries[6]}
    params = {"page": "2", "accesskey": canaries[7]}

    def answer(request: Request) -> Reply:
        return Reply.json(payload).with_headers(**headers)

    def send(origin: str) -> Any:
        return requests.post(
            f"{origin}/list",
            params=params,
            headers={"X-Auth-Token": canaries[8], "Cookie": canaries[9]},
            json={"password": canaries[10], "id": "some-id"},
            timeout=5,
        ).json()

    path = tmp_path / "cassette.yaml"
    replace = {canaries[11]: "the-account"}
    with LoopbackServer(answer) as server:
        replace[server.origin] = "https://api.example.com"
        with build_recorder(record_mode="once", replace=replace).use_cassette(str(path)):
            assert send(server.origin) == payload, "recording changes the response"
    text = path.read_text()
    assert not [canary for canary in canaries if canary in text]
    assert "the-account" in text
    assert "page=2" in text
    with build_recorder(replace=replace).use_cassette(str(path)):
        again = send("https://api.example.com")
    assert again["id"] == "some-id"
    assert again["access_key"] == "***"
    assert again["link"] == "https://media.example.com/a.wav?***"


# -- recording ------------------------------------------------------------------------------------


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_committed_cassettes_match_the_emulators(vendor: str, tmp_path: Path) -> None:
    # After a change of a request or an emulator: `python cassettes/record.py`.
    record.record(vendor, tmp_path, live=False)
    for path in sorted((tmp_path / vendor).iterdir()):
        committed = (CASSETTES / vendor / path.name).read_text()
        same = deserialize(path.read_text()) == deserialize(committed)
        assert same, f"{vendor}/{path.name} is out of date: run cassettes/record.py"


def test_recordings_live_records_from_the_vendor_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # An emulator stands in for the vendor, at its own URL, on the wall clock.
    with PlivoEmulator(clock=SystemClock(), seed=7) as emulator:
        emulator.add(ended=datetime.now(UTC) - timedelta(hours=1), duration=timedelta(seconds=1))
        monkeypatch.setenv("RECORDINGS_LIVE", "1")
        monkeypatch.setenv("PLIVO_BASE_URL", emulator.base_url)
        monkeypatch.setenv("PLIVO_AUTH_ID", emulator.credentials["auth_id"])
        monkeypatch.setenv("PLIVO_AUTH_TOKEN", emulator.credentials["auth_token"])
        monkeypatch.setattr(record, "HERE", tmp_path)
        record.main(["plivo"])
        methods = {request.method for request in emulator.list_requests()}
    # There is no target to record, and deleting is not allowed.
    assert methods == {"GET"}
    recorded = {path.stem: path.read_text() for path in (tmp_path / "plivo").iterdir()}
    assert recorded.keys() == {"list", "get", "download"}
    for text in recorded.values():
        assert emulator.origin in text, "recorded from another host"
        assert not [each for each in emulator.credentials.values() if each in text]
    facts = json.loads((tmp_path / record.FACTS).read_text())["plivo"]
    assert datetime.fromisoformat(facts["list"]["at"]) <= datetime.now(UTC)
