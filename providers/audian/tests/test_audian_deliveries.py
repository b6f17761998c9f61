"""Does the emulated Audian call back as its pages say?"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

import recording_core as rec
from recording_audian.emulator import AudianEmulator
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request


@pytest.fixture
def audian() -> Iterator[AudianEmulator]:
    with AudianEmulator() as emulator:
        yield emulator


def ask(audian: AudianEmulator, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"X-Auth-Token": audian.credentials["api_key"]}
    return requests.request(method, audian.base_url + path, json=body, headers=headers, timeout=5)


def advance(audian: AudianEmulator, seconds: float) -> None:
    assert isinstance(audian.clock, ManualClock)
    audian.clock.advance(timedelta(seconds=seconds))


def record(audian: AudianEmulator, target: rec.CommunicationSession | None = None) -> str:
    with audian.connect() as provider:
        session = provider.start(target or audian.sessions[0])
        advance(audian, 10)
        provider.stop(session)
    advance(audian, 10)
    assert session.id is not None
    return session.id


def test_a_callback_has_the_headers_and_the_envelope_of_the_pages(audian: AudianEmulator) -> None:
    id = record(audian)
    request = audian.callbacks()[-1]
    payload = json.loads(request.body)
    assert set(payload) == {"id", "version", "timestamp", "event", "data"}
    assert payload["event"] == request.header("X-Audian-Event") == "recording.completed"
    assert payload["data"]["download_url"] == f"{audian.base_url}/recordings/{id}/download"
    timestamp = request.header("X-Audian-Timestamp") or ""
    assert datetime.fromtimestamp(int(timestamp), UTC) == audian.clock.now()
    secret = audian.webhooks["secret"].encode()
    message = f"{timestamp}.".encode() + request.body
    signature = hmac.new(secret, message, hashlib.sha256).hexdigest()
    given = request.header("X-Audian-Signature") or ""
    assert given.removeprefix("sha256=") == signature


def test_the_checksum_is_that_of_the_file(audian: AudianEmulator) -> None:
    id = record(audian)
    checksum = json.loads(audian.callbacks()[-1].body)["data"]["checksum"]
    content = ask(audian, "GET", f"/recordings/{id}/download").content
    assert checksum["value"] == hashlib.sha256(content).hexdigest()


def test_both_ways_to_write_a_signature_come(audian: AudianEmulator) -> None:
    for _ in range(5):
        record(audian)
    written = {
        (request.header("X-Audian-Signature") or "").startswith("sha256=")
        for request in audian.callbacks()
    }
    assert written == {True, False}


def test_a_start_is_told_when_it_records_and_not_while_it_is_initiated(
    audian: AudianEmulator,
) -> None:
    with audian.connect() as provider:
        provider.start(audian.sessions[0])
    assert audian.callbacks() == []
    advance(audian, 1)
    assert len(audian.callbacks()) == 1


def test_a_failure_is_told_with_its_reason(audian: AudianEmulator) -> None:
    id = audian.add(duration=None, failed=True)
    with audian.connect() as provider:
        (recording,) = provider.list()
        assert recording.target is not None
    audian.hang_up(recording.target)
    advance(audian, 10)
    told = [json.loads(request.body) for request in audian.callbacks()]
    assert [each["event"] for each in told] == ["recording.stopped", "recording.failed"]
    assert told[-1]["data"]["reason"] == "storage_error"
    assert told[-1]["data"]["recording_id"] == id


def test_of_a_pause_and_of_a_conference_nothing_is_told(audian: AudianEmulator) -> None:
    with audian.connect() as provider:
        session = provider.start(audian.sessions[0])
        advance(audian, 5)
        provider.pause(session)
        advance(audian, 5)
        provider.resume(session)
    record(audian, audian.sessions[1])
    told = [json.loads(request.body)["event"] for request in audian.callbacks()]
    assert told == ["recording.started"]


def test_a_recording_that_is_deleted_first_never_completes(audian: AudianEmulator) -> None:
    with audian.connect() as provider:
        session = provider.start(audian.sessions[0])
        advance(audian, 10)
        session = provider.stop(session)
        assert session.id is not None
        provider.delete(session.id)
    advance(audian, 60)
    told = [json.loads(request.body)["event"] for request in audian.callbacks()]
    assert told == ["recording.started", "recording.stopped"]


def test_webhooks_are_made_listed_and_deleted(audian: AudianEmulator) -> None:
    arrived: list[Request] = []
    with LoopbackServer(lambda request: arrived.append(request) or Reply()) as server:  # type: ignore[func-returns-value]
        body = {"url": server.origin, "events": ["recording.completed"]}
        made = ask(audian, "POST", "/webhooks", body)
        assert made.status_code == 201
        assert made.json()["signing_secret"] == audian.webhooks["secret"]
        record(audian)
        audian.settle()
        assert [request.header("x-audian-event") for request in arrived] == ["recording.completed"]
        (row,) = ask(audian, "GET", "/webhooks").json()["data"]
        assert row["url"] == server.origin
        assert "signing_secret" not in row
        assert ask(audian, "DELETE", f"/webhooks/{row['id']}").status_code == 204
        record(audian)
        audian.settle()
        assert len(arrived) == 1
        assert ask(audian, "DELETE", f"/webhooks/{row['id']}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://hooks.example.com", "events": ["*"]},
        {"url": "https://hooks.example.com", "events": "*"},
        {"url": "https://hooks.example.com"},
        {"events": ["*"]},
    ],
)
def test_a_webhook_needs_an_https_url_and_events(audian: AudianEmulator, body: Any) -> None:
    assert ask(audian, "POST", "/webhooks", body).status_code == 400


def test_an_attempt_has_a_delivery_of_its_own_and_the_same_event(audian: AudianEmulator) -> None:
    answers = [Reply(500)]
    with LoopbackServer(lambda _: answers.pop() if answers else Reply()) as server:
        audian.deliver_to(server.origin)
        with audian.connect() as provider:
            provider.start(audian.sessions[0])
        advance(audian, 2)
        audian.settle()
        advance(audian, 10)
        audian.settle()
    first, second = (attempt.request for attempt in audian.deliveries.attempts)
    assert first.body == second.body
    for name in ("X-Audian-Delivery-ID", "X-Audian-Timestamp"):
        assert first.header(name) != second.header(name)
