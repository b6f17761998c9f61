"""Commands `webhooks`: serve, verify and reconcile."""

from __future__ import annotations

import base64
import hmac
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

import recording_core as rec
from recording_audian.emulator import AudianEmulator
from recording_core import plugin
from recording_core.cli.app import build_command_line
from recording_core.clock import SystemClock

SECRET = "whsec_planted-c4nary"
RECORDINGS = (
    sys.executable,
    "-c",
    "import sys; from recording_core.cli import main; sys.exit(main())",
)


def run(*arguments: str, input: bytes | None = None) -> Result:
    return CliRunner().invoke(build_command_line(), ["webhooks", *arguments], input=input)


def load_objects(result: Result) -> list[Any]:
    """Return the JSON objects of the output, without its messages."""
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIAN_WEBHOOK_SECRET", SECRET)


def build_webhook(
    event: str = "recording.completed",
    id: str = "rec_1",
    at: datetime | None = None,
    secret: str = SECRET,
) -> tuple[dict[str, str], bytes]:
    """Build the headers and body of a webhook as the vendor documents it."""
    at = at or datetime.now(UTC)
    data = {"call_id": "call_1", "recording_id": id, "completed_at": at.isoformat()}
    body = json.dumps({"event": event, "data": data}).encode()
    stamp = str(int(at.timestamp()))
    signed = hmac.digest(secret.encode(), stamp.encode() + b"." + body, "sha256").hex()
    return {"X-Audian-Timestamp": stamp, "X-Audian-Signature": signed}, body


def save_request(headers: dict[str, str], body: bytes, start: str = "POST /hook HTTP/1.1") -> bytes:
    lines = [start, "Host: app.example", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def serving() -> Iterator[Callable[..., tuple[subprocess.Popen[str], list[str]]]]:
    """Function that runs `webhooks serve`; returns the process and the addresses that it prints."""
    running: list[subprocess.Popen[str]] = []

    def serve(*arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
        command = [*RECORDINGS, "webhooks", "serve", *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        running.append(process)
        assert process.stderr is not None
        messages = []
        for line in process.stderr:
            messages.append(line)
            if "Ctrl-C" in line:
                break
        return process, re.findall(r"http://\S+", "".join(messages))

    yield serve
    for each in running:
        each.kill()
        each.communicate()


@pytest.mark.parametrize("path", ["", "/hooks/caf%C3%A9?tenant=1"])
def test_serve_accepts_a_signed_url_at_any_path(
    serving: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("PLIVO_WEBHOOK_SECRET", SECRET)
    process, [address] = serving("--provider", "plivo", "--json")
    parameters = {"recording_id": "r1", "record_url": "https://media.plivo.com/r1.mp3"}
    signed = (
        f"{address}{path}{'.' if path else '?'}record_url{parameters['record_url']}recording_idr1.7"
    )
    signature = base64.b64encode(hmac.digest(SECRET.encode(), signed.encode(), "sha256")).decode()
    headers = {"X-Plivo-Signature-V3": signature, "X-Plivo-Signature-V3-Nonce": "7"}
    assert requests.post(address + path, parameters, headers=headers, timeout=5).status_code == 200
    assert json.loads(process.stdout.readline())["recording_id"] == "r1"


def test_verify_keeps_the_query_of_the_request_with_another_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PLIVO_WEBHOOK_SECRET", SECRET)
    url, query = "https://app.example/hook", "recording_id=r1&tenant=acme"
    signature = hmac.digest(SECRET.encode(), f"{url}?{query}.7".encode(), "sha256")
    signed = {"X-Plivo-Signature-V3": base64.b64encode(signature).decode()}
    headers = {**signed, "X-Plivo-Signature-V3-Nonce": "7"}
    request = save_request(headers, b"", f"GET /behind/a/proxy?{query} HTTP/1.1")
    for configured in (url, f"{url}?tenant=acme"):
        result = run("verify", "plivo", "-", "--url", configured, "--json", input=request)
        assert result.exit_code == 0
        assert load_objects(result)[1]["recording_id"] == "r1"


def test_serve_prints_events_as_they_arrive(serving: Any, tmp_path: Path) -> None:
    store = str(tmp_path / "replays.db")
    process, [address] = serving("--provider", "audian", "--json", "--replay-store", store)
    for id in ("rec_1", "rec_1", "rec_2"):
        headers, body = build_webhook(id=id)
        assert requests.post(address, body, headers=headers, timeout=5).status_code == 200
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [(each["kind"], each["recording_id"]) for each in lines] == [
        ("available", "rec_1"),
        ("available", "rec_2"),
    ]
    headers, body = build_webhook(secret="another")
    answer = requests.post(address, body, headers=headers, timeout=5)
    assert (answer.status_code, answer.text) == (401, "Unauthorized\n")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert (process.returncode, out) == (0, "")
    [again] = [process for process, _ in [serving("audian", "--replay-store", store)]]
    again.send_signal(signal.SIGTERM)
    assert again.wait(timeout=10) == 0


def test_serve_uses_one_path_per_vendor(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIVO_WEBHOOK_SECRET", "x" * 40)
    process, addresses = serving("audian", "plivo")
    assert [each.rpartition("/")[2] for each in addresses] == ["audian", "plivo"]
    headers, body = build_webhook()
    statuses = [
        requests.post(each, body, headers=headers, timeout=5).status_code for each in addresses
    ]
    assert statuses == [200, 400]
    assert process.stdout.readline().startswith("time\tprovider\tevent\tstatus\trecording\t")
    assert process.stdout.readline().split("\t")[1:3] == ["audian", "available"]


@pytest.mark.parametrize(
    ("arguments", "variable", "code", "message"),
    [
        (("serve",), None, 2, "Name at least one PROVIDER"),
        (("serve", "unknown"), None, 2, "No provider named"),
        (("serve", "plivo"), None, 1, "set PLIVO_WEBHOOK_SECRET"),
        (("serve", "audian", "--secret-env", "UNSET_NAME"), None, 1, "UNSET_NAME is not set"),
        (("serve", "audian"), "  ", 1, "empty or blank"),
        (("serve", "audian", "plivo", "--secret-env", "X"), None, 2, "exactly one PROVIDER"),
        (("serve", "audian", "--host", "256.0.0.1"), None, 1, "Cannot listen"),
    ],
)
def test_wrong_usage_of_serve(
    arguments: Any, variable: str | None, code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    if variable is not None:
        monkeypatch.setenv("AUDIAN_WEBHOOK_SECRET", variable)
    done = run(*arguments)
    assert (done.exit_code, message in done.output) == (code, True), done.output


def test_verify_accepts_a_signed_request(tmp_path: Path) -> None:
    path = tmp_path / "request.http"
    path.write_bytes(save_request(*build_webhook()))
    done = run("verify", "audian", str(path))
    assert done.exit_code == 0
    assert "passes verification: 1 event" in done.output
    assert "rec_1" in done.stdout
    lines = [
        json.loads(line)
        for line in run("verify", "audian", str(path), "--json").stdout.splitlines()
        if line.startswith("{")
    ]
    assert lines[0] == {"passes": True, "events": 1}
    assert lines[1]["recording_id"] == "rec_1"


def test_verify_checks_an_old_request_at_its_time() -> None:
    then = datetime.now(UTC) - timedelta(hours=2)
    request = save_request(*build_webhook(at=then))
    late = run("verify", "audian", "-", input=request)
    assert late.exit_code == 1
    assert "behind this machine's clock" in late.output
    done = run("verify", "audian", "-", "--at", then.isoformat(), input=request)
    assert done.exit_code == 0, done.output


def test_verify_explains_a_failure_without_the_secret() -> None:
    headers, body = build_webhook(secret="another")
    done = run("verify", "audian", "-", input=save_request(headers, body))
    assert done.exit_code == 1
    assert "fails verification (401)" in done.output
    assert "its unverified content: available rec_1" in done.output
    assert SECRET not in done.output
    as_json = run("verify", "audian", "-", "--json", input=save_request(headers, body))
    assert as_json.exit_code == 1
    assert load_objects(as_json)[0]["status"] == 401


def test_verify_accepts_lf_line_ends_and_ignores_data_after_the_body() -> None:
    headers, body = build_webhook()
    raw = save_request(headers, body)
    head = raw[: raw.index(b"\r\n\r\n")]
    edited = head.replace(b"\r\n", b"\n") + b"\n\n" + body + b"\n"
    done = run("verify", "audian", "-", input=edited)
    assert done.exit_code == 0, done.output
    assert "Ignored 1 bytes after the end of the body" in done.output
    cut = run("verify", "audian", "-", input=raw[:-1])
    assert cut.exit_code == 1
    assert "but Content-Length is" in cut.output


@pytest.mark.parametrize("data", [b"", b"\xff" * 100, b"{}", b"POST / HTTP/1.1", b"POST\r\n\r\n"])
def test_verify_rejects_data_that_is_not_a_request(data: bytes) -> None:
    done = run("verify", "audian", "-", input=data)
    assert done.exit_code == 2
    assert "not a raw HTTP request" in done.output


@pytest.fixture
def audian(monkeypatch: pytest.MonkeyPatch) -> Iterator[AudianEmulator]:
    with AudianEmulator(recordings=3, clock=SystemClock()) as emulator:
        monkeypatch.setenv("AUDIAN_API_KEY", emulator.credentials["api_key"])
        monkeypatch.setenv("AUDIAN_BASE_URL", emulator.base_url)
        yield emulator


def test_reconcile_prints_each_missed_event_once(audian: AudianEmulator, tmp_path: Path) -> None:
    store = str(tmp_path / "replays.db")
    known = audian.list_ids()[0]
    key = plugin.build_event_key("audian", "default", known, rec.EventKind.AVAILABLE)
    rec.SqliteReplayStore(store).add_if_absent(key, timedelta(days=1))
    arguments = ("reconcile", "audian", "--since", "40d", "--replay-store", store, "--json")
    done = run(*arguments)
    events = load_objects(done)
    found = {each["recording_id"] for each in events if each["kind"] == "available"}
    assert found
    assert known not in found
    assert "dispatched" in done.output
    again = run(*arguments)
    assert load_objects(again) == []


def test_reconcile_reports_a_failed_listener(audian: AudianEmulator, made_up: Any) -> None:
    made_up.listener_error = RuntimeError()
    done = run("reconcile", "audian", "--since", "40d")
    assert done.exit_code == 3
    assert "rejected by a listener" in done.output


def test_the_commands_import_no_heavy_module_before_they_run() -> None:
    code = (
        "import sys, recording_core.cli.commands.webhooks as w; "
        "print(*sorted({'requests', 'cryptography', 'wsgiref', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
