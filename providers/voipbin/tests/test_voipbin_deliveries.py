"""Does the emulated VoIPBin call back as its source does?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_voipbin.emulator import VoIPBinEmulator


@pytest.fixture
def voipbin() -> Iterator[VoIPBinEmulator]:
    with VoIPBinEmulator() as emulator:
        yield emulator


def ask(voipbin: VoIPBinEmulator, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {voipbin.token}"}
    return requests.request(method, voipbin.base_url + path, json=body, headers=headers, timeout=5)


def advance(voipbin: VoIPBinEmulator, seconds: float) -> None:
    assert isinstance(voipbin.clock, ManualClock)
    voipbin.clock.advance(timedelta(seconds=seconds))


def record(voipbin: VoIPBinEmulator, which: int = 0) -> str:
    with voipbin.connect() as provider:
        session = provider.start(voipbin.sessions[which])
        advance(voipbin, 10)
        provider.stop(session)
    advance(voipbin, 2)
    assert session.id is not None
    return session.id


def told(voipbin: VoIPBinEmulator) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in voipbin.callbacks()]


def test_an_event_carries_the_row_as_it_was_then(voipbin: VoIPBinEmulator) -> None:
    id = record(voipbin)
    started, finished = told(voipbin)
    assert (started["type"], started["data"]["status"]) == ("recording_started", "recording")
    assert (finished["type"], finished["data"]["status"]) == ("recording_finished", "ended")
    assert "tm_end" not in started["data"]
    row = ask(voipbin, "GET", f"/recordings/{id}").json()
    assert finished["data"] == row


def test_finished_comes_before_the_files_are_stored_and_nothing_after(
    voipbin: VoIPBinEmulator,
) -> None:
    id = record(voipbin)
    assert len(told(voipbin)) == 2
    with voipbin.connect() as provider:
        assert provider.get(id).status == "processing"
        advance(voipbin, 60)
        assert provider.get(id).status == "available"
        provider.delete(id)
    assert len(told(voipbin)) == 2


def test_a_conference_names_its_confbridge(voipbin: VoIPBinEmulator) -> None:
    record(voipbin, which=1)
    data = told(voipbin)[0]["data"]
    assert data["reference_type"] == "confbridge"
    assert data["reference_id"] == voipbin.reference_id(voipbin.sessions[1])


@pytest.mark.parametrize("method", ["POST", "PUT", "GET", "DELETE"])
def test_the_customer_chooses_url_and_method(voipbin: VoIPBinEmulator, method: str) -> None:
    arrived: list[Request] = []
    with LoopbackServer(lambda request: arrived.append(request) or Reply()) as server:  # type: ignore[func-returns-value]
        body = {"webhook_uri": f"{server.origin}/v", "webhook_method": method}
        shown = ask(voipbin, "PUT", "/customer", body).json()
        assert shown["webhook_secret"] == voipbin.webhooks["secret"]
        record(voipbin)
        voipbin.settle()
        assert [request.method for request in arrived] == [method, method]
        assert all(request.body for request in arrived)
        # An empty URL disables it.
        assert ask(voipbin, "PUT", "/customer", {"webhook_uri": ""}).status_code == 200
        record(voipbin)
        voipbin.settle()
        assert len(arrived) == 2


@pytest.mark.parametrize(
    "body", [[], {"webhook_uri": 7}, {"webhook_uri": "https://x.example", "webhook_method": "HEAD"}]
)
def test_a_webhook_that_is_none_is_refused(voipbin: VoIPBinEmulator, body: Any) -> None:
    assert ask(voipbin, "PUT", "/customer", body).status_code == 400


def test_a_secret_is_thirty_two_characters_of_base64url(voipbin: VoIPBinEmulator) -> None:
    assert len(voipbin.webhooks["secret"]) == 32
