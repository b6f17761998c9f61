"""RealtimeKit's emulator delivers webhooks as its pages document."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from recording_core.testing import LoopbackServer, Reply, Request
from recording_realtimekit.emulator import RealtimeKitEmulator
from recording_realtimekit.webhooks import RealtimeKitWebhooks

EVENTS = ["recording.statusUpdate", "meeting.started"]

pytestmark = pytest.mark.emulator("realtimekit")


def send(
    emulator: RealtimeKitEmulator, method: str, path: str, body: Any = None
) -> requests.Response:
    credentials = emulator.credentials
    url = (
        f"{emulator.base_url}/accounts/{credentials['account_id']}/realtime/kit/"
        f"{credentials['app_id']}/webhooks{path}"
    )
    headers = {"Authorization": f"Bearer {credentials['api_token']}"}
    return requests.request(method, url, json=body, headers=headers, timeout=5)


def build_payloads(emulator: RealtimeKitEmulator) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in emulator.build_webhook_requests()]


def test_three_states_are_sent_in_camel_case_with_sizes_as_text(
    emulator: RealtimeKitEmulator,
) -> None:
    id = emulator.record()
    events = build_payloads(emulator)
    assert [each["recording"]["status"] for each in events] == [
        "RECORDING",
        "UPLOADING",
        "UPLOADED",
    ]
    assert {each["recording"]["id"] for each in events} == {id}
    last = events[-1]
    assert last["recording"]["fileSize"].isdecimal()
    assert last["recording"]["stopReason"].startswith("{'reason': 'API_CALL'")
    assert last["meeting"]["id"] == emulator.sessions[0].id
    assert last["meeting"]["status"] == "LIVE"
    assert "_" not in "".join(last["recording"])


def test_a_recording_that_ends_too_early_is_sent_as_errored(
    emulator: RealtimeKitEmulator,
) -> None:
    emulator.record(duration=timedelta(seconds=4))
    assert build_payloads(emulator)[-1]["recording"]["status"] == "ERRORED"


def test_no_webhook_is_sent_for_invoked_and_for_a_pause(emulator: RealtimeKitEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        assert build_payloads(emulator) == []
        emulator.advance(timedelta(seconds=10))
        provider.pause(session)
        emulator.advance(timedelta(seconds=10))
        provider.resume(session)
    assert [each["recording"]["status"] for each in build_payloads(emulator)] == ["RECORDING"]


def test_tracks_are_sent_as_layers(emulator: RealtimeKitEmulator) -> None:
    emulator.record(tracks=True)
    layers = build_payloads(emulator)[-1]["recording"]["downloadUrl"]
    assert list(layers[0]) == ["layer_name", "download_urls"]
    (event,) = RealtimeKitWebhooks().parse(
        emulator.build_webhook_requests()[-1], account="default", now=emulator.clock.now()
    )
    assert event.recording is not None
    assert len(event.recording.files) == 4


def test_the_public_key_needs_no_credentials(emulator: RealtimeKitEmulator) -> None:
    answer = requests.get(f"{emulator.origin}/.well-known/webhooks.json", timeout=5)
    key = RealtimeKitWebhooks().read_key(answer.json())
    assert key == emulator.webhooks["key"]
    emulator.record()
    for request in emulator.build_webhook_requests():
        RealtimeKitWebhooks().verify(request, [key], now=emulator.clock.now())


def test_webhooks_are_created_changed_and_deleted(emulator: RealtimeKitEmulator) -> None:
    received: list[Request] = []
    with LoopbackServer(lambda request: received.append(request) or Reply()) as server:  # type: ignore[func-returns-value]
        body = {"name": "mine", "url": server.origin, "events": EVENTS}
        created = send(emulator, "POST", "", body)
        assert created.status_code == 201
        id = created.json()["data"]["id"]
        emulator.record()
        emulator.wait_for_deliveries()
        assert len(received) == 3
        assert {request.header("rtk-webhook-id") for request in received} == {id}
        changed = send(emulator, "PATCH", f"/{id}", {"enabled": False}).json()["data"]
        assert changed == {**body, "id": id, "enabled": False}
        assert send(emulator, "GET", f"/{id}").json()["data"] == changed
        emulator.record()
        emulator.wait_for_deliveries()
        assert len(received) == 3
        send(emulator, "PUT", f"/{id}", {**body, "events": ["meeting.started"]})
        emulator.record()
        emulator.wait_for_deliveries()
        assert len(received) == 3
        assert [each["id"] for each in send(emulator, "GET", "").json()["data"]] == [id]
        assert send(emulator, "DELETE", f"/{id}").status_code == 200
        assert send(emulator, "GET", f"/{id}").status_code == 404
        assert send(emulator, "POST", f"/{id}/x", {}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        *([], {}, {"name": "mine", "url": "https://hooks.example.com"}),
        {"name": 7, "url": "https://hooks.example.com", "events": []},
        {"name": "mine", "url": "https://hooks.example.com", "events": "*"},
    ],
)
def test_an_invalid_webhook_is_a_bad_request(emulator: RealtimeKitEmulator, body: Any) -> None:
    response = send(emulator, "POST", "", body)
    assert response.status_code == 400
    assert response.json()["success"] is False


def test_every_attempt_has_its_own_delivery_id(emulator: RealtimeKitEmulator) -> None:
    answers = [Reply(503)]
    with LoopbackServer(lambda _: answers.pop() if answers else Reply()) as server:
        emulator.deliver_to(server.origin)
        with emulator.connect() as provider:
            provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=3))
        emulator.wait_for_deliveries()
        emulator.advance(timedelta(seconds=10))
        emulator.wait_for_deliveries()
    first, second = (attempt.request for attempt in emulator.deliveries.attempts)
    assert (first.body, first.header("rtk-signature")) == (
        second.body,
        second.header("rtk-signature"),
    )
    assert first.header("rtk-uuid") != second.header("rtk-uuid")
