"""Does the emulated RealtimeKit call back as its pages say?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_realtimekit.emulator import RealtimeKitEmulator
from recording_realtimekit.webhooks import RealtimeKitWebhooks

EVENTS = ["recording.statusUpdate", "meeting.started"]


@pytest.fixture
def realtimekit() -> Iterator[RealtimeKitEmulator]:
    with RealtimeKitEmulator() as emulator:
        yield emulator


def ask(
    realtimekit: RealtimeKitEmulator, method: str, path: str, body: Any = None
) -> requests.Response:
    known = realtimekit.credentials
    url = (
        f"{realtimekit.base_url}/accounts/{known['account_id']}/realtime/kit/{known['app_id']}"
        f"/webhooks{path}"
    )
    headers = {"Authorization": f"Bearer {known['api_token']}"}
    return requests.request(method, url, json=body, headers=headers, timeout=5)


def advance(realtimekit: RealtimeKitEmulator, seconds: float) -> None:
    assert isinstance(realtimekit.clock, ManualClock)
    realtimekit.clock.advance(timedelta(seconds=seconds))


def record(realtimekit: RealtimeKitEmulator, seconds: float = 10, **how: Any) -> str:
    with realtimekit.connect() as provider:
        session = provider.start(realtimekit.sessions[0], **how)
        advance(realtimekit, seconds)
        provider.stop(session)
    advance(realtimekit, 10)
    assert session.id is not None
    return session.id


def told(realtimekit: RealtimeKitEmulator) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in realtimekit.callbacks()]


def test_three_states_are_told_in_camel_case_with_sizes_as_text(
    realtimekit: RealtimeKitEmulator,
) -> None:
    id = record(realtimekit)
    events = told(realtimekit)
    assert [each["recording"]["status"] for each in events] == [
        "RECORDING",
        "UPLOADING",
        "UPLOADED",
    ]
    assert {each["recording"]["id"] for each in events} == {id}
    last = events[-1]
    assert last["recording"]["fileSize"].isdecimal()
    assert last["recording"]["stopReason"].startswith("{'reason': 'API_CALL'")
    assert last["meeting"]["id"] == realtimekit.sessions[0].id
    assert last["meeting"]["status"] == "LIVE"
    assert "_" not in "".join(last["recording"])


def test_what_ends_too_early_is_told_as_an_error(realtimekit: RealtimeKitEmulator) -> None:
    record(realtimekit, seconds=4)
    assert told(realtimekit)[-1]["recording"]["status"] == "ERRORED"


def test_neither_a_queue_nor_a_pause_is_told(realtimekit: RealtimeKitEmulator) -> None:
    with realtimekit.connect() as provider:
        session = provider.start(realtimekit.sessions[0])
        assert told(realtimekit) == []
        advance(realtimekit, 10)
        provider.pause(session)
        advance(realtimekit, 10)
        provider.resume(session)
    assert [each["recording"]["status"] for each in told(realtimekit)] == ["RECORDING"]


def test_tracks_are_told_as_layers(realtimekit: RealtimeKitEmulator) -> None:
    record(realtimekit, tracks=True)
    layers = told(realtimekit)[-1]["recording"]["downloadUrl"]
    assert list(layers[0]) == ["layer_name", "download_urls"]
    (event,) = RealtimeKitWebhooks().parse(
        realtimekit.callbacks()[-1], account="default", now=realtimekit.clock.now()
    )
    assert event.recording is not None
    assert len(event.recording.files) == 4


def test_the_key_is_published_without_a_credential(realtimekit: RealtimeKitEmulator) -> None:
    answer = requests.get(f"{realtimekit.origin}/.well-known/webhooks.json", timeout=5)
    key = RealtimeKitWebhooks().read_key(answer.json())
    assert key == realtimekit.webhooks["key"]
    record(realtimekit)
    for request in realtimekit.callbacks():
        RealtimeKitWebhooks().verify(request, [key], now=realtimekit.clock.now())


def test_webhooks_are_made_changed_and_deleted(realtimekit: RealtimeKitEmulator) -> None:
    arrived: list[Request] = []
    with LoopbackServer(lambda request: arrived.append(request) or Reply()) as server:  # type: ignore[func-returns-value]
        body = {"name": "mine", "url": server.origin, "events": EVENTS}
        made = ask(realtimekit, "POST", "", body)
        assert made.status_code == 201
        id = made.json()["data"]["id"]
        record(realtimekit)
        realtimekit.settle()
        assert len(arrived) == 3
        assert {request.header("rtk-webhook-id") for request in arrived} == {id}
        changed = ask(realtimekit, "PATCH", f"/{id}", {"enabled": False}).json()["data"]
        assert changed == {**body, "id": id, "enabled": False}
        assert ask(realtimekit, "GET", f"/{id}").json()["data"] == changed
        record(realtimekit)
        realtimekit.settle()
        assert len(arrived) == 3
        ask(realtimekit, "PUT", f"/{id}", {**body, "events": ["meeting.started"]})
        record(realtimekit)
        realtimekit.settle()
        assert len(arrived) == 3
        assert [each["id"] for each in ask(realtimekit, "GET", "").json()["data"]] == [id]
        assert ask(realtimekit, "DELETE", f"/{id}").status_code == 200
        assert ask(realtimekit, "GET", f"/{id}").status_code == 404
        assert ask(realtimekit, "POST", f"/{id}/x", {}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [
        *([], {}, {"name": "mine", "url": "https://hooks.example.com"}),
        {"name": 7, "url": "https://hooks.example.com", "events": []},
        {"name": "mine", "url": "https://hooks.example.com", "events": "*"},
    ],
)
def test_a_webhook_that_is_none_is_refused(realtimekit: RealtimeKitEmulator, body: Any) -> None:
    refused = ask(realtimekit, "POST", "", body)
    assert refused.status_code == 400
    assert refused.json()["success"] is False


def test_an_attempt_has_a_delivery_of_its_own(realtimekit: RealtimeKitEmulator) -> None:
    answers = [Reply(503)]
    with LoopbackServer(lambda _: answers.pop() if answers else Reply()) as server:
        realtimekit.deliver_to(server.origin)
        with realtimekit.connect() as provider:
            provider.start(realtimekit.sessions[0])
        advance(realtimekit, 3)
        realtimekit.settle()
        advance(realtimekit, 10)
        realtimekit.settle()
    first, second = (attempt.request for attempt in realtimekit.deliveries.attempts)
    assert (first.body, first.header("rtk-signature")) == (
        second.body,
        second.header("rtk-signature"),
    )
    assert first.header("rtk-uuid") != second.header("rtk-uuid")
