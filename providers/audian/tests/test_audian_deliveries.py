"""Deliveries: the emulated Audian sends the webhooks that its pages document."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from recording_audian.emulator import AudianEmulator
from recording_core.testing import LoopbackServer, Reply, Request

pytestmark = pytest.mark.emulator("audian")


def send(emulator: AudianEmulator, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"X-Auth-Token": emulator.credentials["api_key"]}
    return requests.request(method, emulator.base_url + path, json=body, headers=headers, timeout=5)


def test_a_webhook_has_the_documented_headers_and_envelope(emulator: AudianEmulator) -> None:
    id = emulator.record()
    request = emulator.build_webhook_requests()[-1]
    payload = json.loads(request.body)
    assert set(payload) == {"id", "version", "timestamp", "event", "data"}
    assert payload["event"] == request.header("X-Audian-Event") == "recording.completed"
    assert payload["data"]["download_url"] == f"{emulator.base_url}/recordings/{id}/download"
    timestamp = request.header("X-Audian-Timestamp") or ""
    assert datetime.fromtimestamp(int(timestamp), UTC) == emulator.clock.now()
    secret = emulator.webhooks["secret"].encode()
    message = f"{timestamp}.".encode() + request.body
    signature = hmac.new(secret, message, hashlib.sha256).hexdigest()
    given = request.header("X-Audian-Signature") or ""
    assert given.removeprefix("sha256=") == signature


def test_the_checksum_in_a_webhook_is_that_of_the_file(emulator: AudianEmulator) -> None:
    id = emulator.record()
    checksum = json.loads(emulator.build_webhook_requests()[-1].body)["data"]["checksum"]
    content = send(emulator, "GET", f"/recordings/{id}/download").content
    assert checksum["value"] == hashlib.sha256(content).hexdigest()


def test_the_event_of_a_completed_recording_can_be_the_shorter_of_the_page(
    emulator: AudianEmulator,
) -> None:
    emulator.has_short_events = True
    emulator.record()
    payload = json.loads(emulator.build_webhook_requests()[-1].body)
    assert payload["event"] == "recording.completed"
    names = "recording_id call_id download_url file_size duration completed_at"
    assert payload["data"].keys() == set(names.split())


def test_webhooks_are_sent_with_both_forms_of_the_signature(emulator: AudianEmulator) -> None:
    for _ in range(5):
        emulator.record()
    is_prefixed = {
        (request.header("X-Audian-Signature") or "").startswith("sha256=")
        for request in emulator.build_webhook_requests()
    }
    assert is_prefixed == {True, False}


def test_a_started_webhook_is_sent_once_it_records_and_not_while_it_is_initiated(
    emulator: AudianEmulator,
) -> None:
    with emulator.connect() as provider:
        provider.start(emulator.sessions[0])
    assert emulator.build_webhook_requests() == []
    emulator.advance(timedelta(seconds=1))
    assert len(emulator.build_webhook_requests()) == 1


def test_a_failed_webhook_is_sent_with_the_reason(emulator: AudianEmulator) -> None:
    id = emulator.add(duration=None, failed=True)
    with emulator.connect() as provider:
        (recording,) = provider.list()
        assert recording.target is not None
    emulator.hang_up(recording.target)
    emulator.advance(timedelta(seconds=10))
    payloads = [json.loads(request.body) for request in emulator.build_webhook_requests()]
    assert [each["event"] for each in payloads] == ["recording.stopped", "recording.failed"]
    assert payloads[-1]["data"]["reason"] == "storage_error"
    assert payloads[-1]["data"]["recording_id"] == id


def test_no_webhook_is_sent_for_a_pause_or_a_conference(emulator: AudianEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=5))
        provider.pause(session)
        emulator.advance(timedelta(seconds=5))
        provider.resume(session)
    emulator.record(emulator.sessions[1])
    events = [json.loads(request.body)["event"] for request in emulator.build_webhook_requests()]
    assert events == ["recording.started"]


def test_no_completed_webhook_is_sent_after_a_deletion(emulator: AudianEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=10))
        session = provider.stop(session)
        assert session.id is not None
        provider.delete(session.id)
    emulator.advance(timedelta(seconds=60))
    events = [json.loads(request.body)["event"] for request in emulator.build_webhook_requests()]
    assert events == ["recording.started", "recording.stopped"]


def test_webhooks_are_created_listed_and_deleted(emulator: AudianEmulator) -> None:
    received: list[Request] = []
    with LoopbackServer(lambda request: received.append(request) or Reply()) as server:  # type: ignore[func-returns-value]
        body = {"url": server.origin, "events": ["recording.completed"]}
        created = send(emulator, "POST", "/webhooks", body)
        assert created.status_code == 201
        assert created.json()["signing_secret"] == emulator.webhooks["secret"]
        emulator.record()
        emulator.wait_for_deliveries()
        assert [request.header("x-audian-event") for request in received] == ["recording.completed"]
        (row,) = send(emulator, "GET", "/webhooks").json()["data"]
        assert row["url"] == server.origin
        assert "signing_secret" not in row
        assert send(emulator, "DELETE", f"/webhooks/{row['id']}").status_code == 204
        emulator.record()
        emulator.wait_for_deliveries()
        assert len(received) == 1
        assert send(emulator, "DELETE", f"/webhooks/{row['id']}").status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://hooks.example.com", "events": ["*"]},
        {"url": "https://hooks.example.com", "events": "*"},
        {"url": "https://hooks.example.com"},
        {"events": ["*"]},
    ],
)
def test_a_webhook_needs_an_https_url_and_events(emulator: AudianEmulator, body: Any) -> None:
    assert send(emulator, "POST", "/webhooks", body).status_code == 400


def test_each_attempt_has_its_own_delivery_id_and_the_same_event(emulator: AudianEmulator) -> None:
    replies = [Reply(500)]
    with LoopbackServer(lambda _: replies.pop() if replies else Reply()) as server:
        emulator.deliver_to(server.origin)
        with emulator.connect() as provider:
            provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=2))
        emulator.wait_for_deliveries()
        emulator.advance(timedelta(seconds=10))
        emulator.wait_for_deliveries()
    first, second = (attempt.request for attempt in emulator.deliveries.attempts)
    assert first.body == second.body
    for name in ("X-Audian-Delivery-ID", "X-Audian-Timestamp"):
        assert first.header(name) != second.header(name)
