"""Deliveries: the emulated VoIPBin sends the webhooks that its source shows."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import requests

from recording_core.testing import LoopbackServer, Reply, Request
from recording_voipbin.emulator import VoIPBinEmulator

pytestmark = pytest.mark.emulator("voipbin")
#: From the end of a recording; its files are not stored yet.
NOT_STORED = timedelta(seconds=2)


def send(emulator: VoIPBinEmulator, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {emulator.token}"}
    return requests.request(method, emulator.base_url + path, json=body, headers=headers, timeout=5)


def read_payloads(emulator: VoIPBinEmulator) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in emulator.build_webhook_requests()]


def test_a_webhook_contains_the_row_at_the_time_of_the_event(emulator: VoIPBinEmulator) -> None:
    id = emulator.record(processing=NOT_STORED)
    started, finished = read_payloads(emulator)
    assert (started["type"], started["data"]["status"]) == ("recording_started", "recording")
    assert (finished["type"], finished["data"]["status"]) == ("recording_finished", "ended")
    assert "tm_end" not in started["data"]
    row = send(emulator, "GET", f"/recordings/{id}").json()
    assert finished["data"] == row


def test_a_finished_webhook_is_sent_before_the_files_are_stored_and_is_the_last(
    emulator: VoIPBinEmulator,
) -> None:
    id = emulator.record(processing=NOT_STORED)
    assert len(read_payloads(emulator)) == 2
    with emulator.connect() as provider:
        assert provider.get(id).status == "processing"
        emulator.advance(timedelta(seconds=60))
        assert provider.get(id).status == "available"
        provider.delete(id)
    assert len(read_payloads(emulator)) == 2


def test_a_webhook_of_a_conference_contains_its_confbridge(emulator: VoIPBinEmulator) -> None:
    emulator.record(emulator.sessions[1], processing=NOT_STORED)
    data = read_payloads(emulator)[0]["data"]
    assert data["reference_type"] == "confbridge"
    assert data["reference_id"] == emulator.find_reference_id(emulator.sessions[1])


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE", "PATCH", None])
def test_webhooks_are_sent_to_the_customers_url_with_its_method(
    emulator: VoIPBinEmulator, method: str | None
) -> None:
    """A method is not checked, and without one the request is a GET."""
    received: list[Request] = []
    with LoopbackServer(lambda request: received.append(request) or Reply()) as server:  # type: ignore[func-returns-value]
        row = send(emulator, "GET", "/customer").json()
        assert row["webhook_secret"] == emulator.webhooks["secret"]
        body = {"webhook_uri": f"{server.origin}/v", "webhook_method": method}
        if method is None:
            del body["webhook_method"]
        assert send(emulator, "PUT", "/customer", body).status_code == 200
        emulator.record(processing=NOT_STORED)
        emulator.wait_for_deliveries()
        assert [request.method for request in received] == [method or "GET"] * 2
        assert all(request.body for request in received)
        # An empty URL disables it.
        assert send(emulator, "PUT", "/customer", {"webhook_uri": ""}).status_code == 200
        emulator.record(processing=NOT_STORED)
        emulator.wait_for_deliveries()
        assert len(received) == 2


def test_an_update_of_the_customer_replaces_all_seven_fields(emulator: VoIPBinEmulator) -> None:
    before = send(emulator, "GET", "/customer").json()
    assert all(before[name] for name in ("name", "email", "phone_number", "address"))
    body = {"webhook_uri": "https://example.com/hook", "webhook_method": "POST"}
    answer = send(emulator, "PUT", "/customer", body).json()
    blanked = dict.fromkeys(("name", "detail", "email", "phone_number", "address"), "")
    assert answer == {"id": before["id"], **blanked, **body}, "and no secret"
    after = send(emulator, "GET", "/customer").json()
    assert after == {**answer, "webhook_secret": before["webhook_secret"]}
    sent = {name: value for name, value in before.items() if name not in ("id", "webhook_secret")}
    assert len(sent) == 7
    send(emulator, "PUT", "/customer", {**sent, **body})
    assert send(emulator, "GET", "/customer").json() == {**before, **body}


@pytest.mark.parametrize("body", [[], {"webhook_uri": 7}])
def test_a_malformed_customer_is_rejected(emulator: VoIPBinEmulator, body: Any) -> None:
    assert send(emulator, "PUT", "/customer", body).status_code == 400


def test_the_secret_has_32_characters_of_base64url(emulator: VoIPBinEmulator) -> None:
    assert len(emulator.webhooks["secret"]) == 32
