"""RealtimeKit's emulator delivers webhooks as its pages document."""

from __future__ import annotations

import json
from collections.abc import Callable
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


def stamp(at: str) -> dict[str, str]:
    """The times of a webhook that was not changed since its creation."""
    return dict.fromkeys(("created_at", "updated_at"), at)


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
    assert "'reason': 'API_CALL'" in last["recording"]["stopReason"]
    assert "stopReason" not in events[0]["recording"]
    assert last["recording"]["organizationId"] == emulator.credentials["app_id"]
    assert last["meeting"]["id"] == emulator.sessions[0].id
    assert last["meeting"]["roomName"]
    assert {each["meeting"]["status"] for each in events} == {"LIVE"}, "also after the end"
    ends = [each["meeting"]["endedAt"] for each in events]
    assert ends == [None, *[last["recording"]["stoppedTime"]] * 2]
    assert "_" not in "".join(last["recording"])


def test_a_stop_by_the_vendor_names_itself_in_pythons_notation(
    emulator: RealtimeKitEmulator,
) -> None:
    emulator.add(duration=None)
    emulator.hang_up(emulator.sessions[0])
    emulator.advance(timedelta(minutes=1))
    reason = build_payloads(emulator)[-1]["recording"]["stopReason"]
    assert reason == "{'reason': 'ALL_PEERS_LEFT', 'caller': {'type': 'INTERNAL'}}"


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


@pytest.mark.emulator("realtimekit", assume=[8])
def test_other_changes_may_be_sent_too(emulator: RealtimeKitEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        for verb in (provider.pause, provider.resume, provider.pause, provider.resume):
            emulator.advance(timedelta(seconds=10))
            session = verb(session)
        emulator.advance(timedelta(seconds=10))
        provider.stop(session)
    words = ["INVOKED", "RECORDING", *["PAUSED", "RECORDING"] * 2, "UPLOADING"]
    assert [each["recording"]["status"] for each in build_payloads(emulator)] == words


@pytest.mark.emulator("realtimekit", assume=[9])
def test_the_layers_of_tracks_may_be_sent_in_camel_case(emulator: RealtimeKitEmulator) -> None:
    emulator.record(tracks=True)
    ((layer,),) = [build_payloads(emulator)[-1]["recording"]["downloadUrl"]]
    assert list(layer) == ["layerName", "downloadUrls"]
    assert all(list(each) == ["downloadUrl"] for each in layer["downloadUrls"].values())
    (event,) = RealtimeKitWebhooks().parse(
        emulator.build_webhook_requests()[-1], account="default", now=emulator.clock.now()
    )
    assert event.recording is not None
    assert [file.role for file in event.recording.files] == ["track"] * 4
    assert event.recording.unread_fields == ()


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
        emulator.advance(timedelta(minutes=1))
        changed = send(emulator, "PATCH", f"/{id}", {"enabled": False}).json()["data"]
        first = created.json()["data"]
        assert first == {**body, "id": id, "enabled": True, **stamp(first["created_at"])}
        assert changed == {**first, "enabled": False, "updated_at": changed["updated_at"]}
        assert changed["created_at"] < changed["updated_at"]
        assert send(emulator, "GET", f"/{id}").json()["data"] == changed
        emulator.record()
        emulator.wait_for_deliveries()
        assert len(received) == 3
        replaced = send(emulator, "PUT", f"/{id}", {**body, "events": ["meeting.started"]})
        assert replaced.json()["data"]["created_at"] == first["created_at"]
        assert replaced.json()["data"]["enabled"] is True, "its default"
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
        {"name": 7, "url": "https://hooks.example.com", "events": ["recording.statusUpdate"]},
        {"name": "mine", "url": "https://hooks.example.com", "events": "*"},
        {"name": "mine", "url": "https://hooks.example.com", "events": ["recording.other"]},
        {"name": "mine", "url": "nowhere", "events": ["recording.statusUpdate"]},
        {"name": "mine", "url": "ftp://x/", "events": ["recording.statusUpdate"]},
        {"name": "mine", "url": "https://hooks.example.com", "events": []},
        {"name": "mine", "url": "https://hooks.example.com", "events": [7]},
        {"name": "mine", "url": "https://hooks.example.com", "events": EVENTS, "enabled": 1},
    ],
)
def test_an_invalid_webhook_is_a_bad_request(emulator: RealtimeKitEmulator, body: Any) -> None:
    response = send(emulator, "POST", "", body)
    assert response.status_code == 400
    assert response.json()["success"] is False


def test_the_names_of_all_events_are_listed(emulator: RealtimeKitEmulator) -> None:
    events = send(emulator, "GET", "/all").json()["data"]
    assert len(events) == 9
    assert set(EVENTS) < set(events)
    body = {"name": "mine", "url": "https://hooks.example.com", "events": events}
    assert send(emulator, "POST", "", body).status_code == 201


@pytest.mark.parametrize(("assume", "attempts"), [((), 2), ((10,), 5)])
def test_a_failed_delivery_is_repeated(
    start_emulator: Callable[..., RealtimeKitEmulator], assume: tuple[int, ...], attempts: int
) -> None:
    emulator = start_emulator("realtimekit", assume=assume)
    with LoopbackServer(lambda _: Reply(503)) as server:
        emulator.deliver_to(server.origin)
        with emulator.connect() as provider:
            provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=3))
        for _ in range(attempts + 2):
            emulator.wait_for_deliveries()
            emulator.advance(timedelta(seconds=10))
    assert len(emulator.deliveries.attempts) == attempts


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
