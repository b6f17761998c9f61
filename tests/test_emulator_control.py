"""Control of an emulator over HTTP, and what a reset leaves as it was."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import Emulator, LoopbackServer, Reply, Request
from recording_core.testing.emulator.control import Control
from recording_core.testing.offset_clock import OffsetClock

HOUR = timedelta(hours=1)


def send(method: str, url: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Send a request, with a JSON body unless it is bytes; returns the status and the response."""
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode()
            return error.code, json.loads(text) if text.startswith("{") else text


@pytest.fixture
def emulator(start_emulator: Callable[..., Emulator]) -> Emulator:
    return start_emulator("plivo", clock=OffsetClock(), recordings=3, seed=2)


@pytest.fixture
def control(emulator: Emulator) -> str:
    return Control(emulator, describe=lambda: {"credentials": emulator.credentials}).url


@pytest.fixture
def provider(emulator: Emulator) -> Iterator[rec.Provider]:
    with emulator.connect() as provider:
        yield provider


def test_time_is_advanced_for_the_vendor_and_not_for_what_it_sends(
    emulator: Emulator, control: str, provider: rec.Provider
) -> None:
    session = provider.start(emulator.sessions[0])
    status, answer = send("POST", f"{control}/advance", {"seconds": 3600})
    assert status == 200
    assert datetime.fromisoformat(answer["now"]) - datetime.now(UTC) > HOUR - timedelta(minutes=1)
    provider.stop(session)
    send("POST", f"{control}/advance", {"seconds": 60})
    [recording] = provider.wait(session, timeout=HOUR).recordings
    assert recording.duration is not None
    assert HOUR <= recording.duration < HOUR + timedelta(minutes=1)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(emulator.base_url, timeout=30)
    with refused.value as response:
        sent = parsedate_to_datetime(response.headers["Date"])
    assert abs(sent - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_reset_returns_to_the_start_and_keeps_the_webhook_url(
    emulator: Emulator, control: str, provider: rec.Provider
) -> None:
    received: list[Request] = []

    def answer(request: Request) -> Reply:
        received.append(request)
        return Reply()

    before = emulator.list_ids()
    with LoopbackServer(answer) as server:
        emulator.deliver_to(f"{server.origin}/hook")
        provider.start(emulator.sessions[1])
        provider.delete(before[0])
        send("POST", f"{control}/advance", {"seconds": 3600})
        send("POST", f"{control}/faults", {"name": "429-storm", "count": 1000})
        assert send("POST", f"{control}/reset") == (200, {"credentials": emulator.credentials})
        assert (emulator.list_ids(), emulator.journal, emulator.list_faults()) == (before, [], [])
        assert emulator.clock.now() - datetime.now(UTC) < timedelta(minutes=1)
        emulator.record(emulator.sessions[2])
        emulator.wait_for_deliveries()
    assert {each.path for each in received} == {"/hook"}


def test_other_recordings_do_not_change_the_credentials(
    emulator: Emulator, control: str, provider: rec.Provider
) -> None:
    before = set(emulator.list_ids())
    assert send("POST", f"{control}/seed", {"recordings": 45, "seed": 7})[0] == 200
    after = {each.id for each in provider.list()}
    assert (len(before), len(after), before & after) == (3, 45, set())
    send("POST", f"{control}/reset")
    assert set(emulator.list_ids()) == before


@pytest.mark.parametrize("vendor", sorted(rec.providers()))
def test_another_seed_gives_the_recordings_of_that_vendor(
    vendor: str, start_emulator: Callable[..., Emulator]
) -> None:
    emulator, other = start_emulator(vendor, recordings=3), start_emulator(vendor, seed=7)
    for each in (emulator, other):
        each.reset(recordings=5, seed=7)
        assert each.list_ids() == start_emulator(vendor, recordings=5, seed=7).list_ids()


def test_resets_that_arrive_together_follow_each_other(emulator: Emulator) -> None:
    begun: list[int] = []

    def begin() -> None:
        before = len(begun)
        time.sleep(0.05)
        assert len(begun) == before, "another reset was in progress"
        begun.append(1)

    url = f"{Control(emulator, describe=dict, begin=begin).url}/reset"
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: send("POST", url), range(3)))
    assert answers == [(200, {})] * 3


def test_faults_are_injected_listed_and_cleared(control: str, provider: rec.Provider) -> None:
    odd = {"name": "odd-field", "field": "recording_duration_ms", "values": [{}]}
    for fault in ({"name": "429-storm", "count": 2}, odd):
        status, answer = send("POST", f"{control}/faults", fault)
    assert (status, answer) == (200, {"faults": ["429-storm", "odd-field"]})
    assert [each.unread_fields for each in provider.list()] == [("recording_duration_ms",)] * 3
    assert send("DELETE", f"{control}/faults") == (200, {"faults": []})
    assert [each.unread_fields for each in provider.list()] == [()] * 3


def test_requests_are_listed_without_credentials(
    emulator: Emulator, control: str, provider: rec.Provider
) -> None:
    token = emulator.credentials["auth_token"]
    list(provider.list(since=emulator.clock.now() - HOUR))
    send("GET", f"{emulator.origin}/v1/{token}?token={token}")
    send("GET", f"{emulator.origin}/tok%20en/%{ord(token[0]):x}{token[1:]}")
    _, answer = send("GET", f"{control}/requests")
    rows = answer["requests"]
    assert token not in json.dumps(answer)
    assert [(each["method"], each["port"], each["status"]) for each in rows] == [
        *[("GET", "api", 200)] * (len(rows) - 2),
        *[("GET", "api", 401)] * 2,
    ]
    assert [each["path"] for each in rows[-2:]] == ["/v1/***", "/tok en/***"]
    assert datetime.fromisoformat(rows[-1]["at"]) <= emulator.clock.now()


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "advance", {}, 400, "seconds must be a number of at least 0"),
        ("POST", "advance", {"seconds": -1}, 400, "seconds must be"),
        ("POST", "advance", {"seconds": 1e300}, 400, ""),
        ("POST", "advance", {"seconds": 300_000_000_000}, 400, ""),
        ("POST", "advance", b"[" * 100_000, 400, ""),
        ("POST", "advance", b"{", 400, "The body is not a JSON object"),
        ("POST", "advance", [1], 400, "The body is not a JSON object"),
        ("POST", "faults", {"name": "late"}, 400, "no fault is named 'late'"),
        ("POST", "faults", {}, 400, "no fault is named 'None'"),
        ("POST", "faults", {"name": "late-404", "self": 1}, 400, "has no figure self"),
        ("POST", "faults", {"name": "late-404", "count": "3"}, 400, "cannot have count='3'"),
        ("POST", "seed", {"recordings": -1}, 400, "recordings must be a whole number from 0"),
        ("POST", "seed", {"seed": "7"}, 400, "seed must be a whole number"),
        ("POST", "reset", {"all": True}, 400, "all: only no name may be given"),
        ("GET", "reset", None, 404, "GET /_emulator/reset is none of: POST /_emulator/reset"),
        ("GET", "", None, 404, "is none of"),
    ],
)
def test_a_wrong_request_is_refused_with_a_sentence(
    emulator: Emulator, control: str, method: str, path: str, body: Any, status: int, text: str
) -> None:
    before = emulator.clock.now()
    found, answer = send(method, f"{control}/{path}", body)
    assert (found, text in answer["error"]) == (status, True), answer
    assert emulator.clock.now() - before < timedelta(minutes=1)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://example.com"},
        {"Origin": "null"},
        {"Host": "example.com"},
        {"Host": "example.com:80"},
        {"Host": "127.0.0.1.example.com:80"},
    ],
)
def test_a_page_in_a_browser_cannot_steer_it(
    emulator: Emulator, control: str, headers: dict[str, str]
) -> None:
    emulator.inject("late-404")
    for method, path in (("POST", "reset"), ("DELETE", "faults"), ("GET", "requests")):
        assert send(method, f"{control}/{path}", **headers)[0] == 403
    assert emulator.list_faults() == ["late-404"]


def test_without_a_control_the_vendor_answers(start_emulator: Callable[..., Emulator]) -> None:
    emulator = start_emulator("plivo")
    assert send("POST", f"{emulator.origin}/_emulator/reset")[0] == 401
    assert len(emulator.journal) == 1


@pytest.mark.parametrize("vendor", sorted(rec.providers()))
def test_every_emulator_can_be_reset(vendor: str, start_emulator: Callable[..., Emulator]) -> None:
    emulator = start_emulator(vendor, recordings=5, seed=3)
    before = (
        emulator.base_url,
        emulator.media_origin,
        dict(emulator.credentials),
        dict(emulator.webhooks),
        list(emulator.sessions),
        emulator.list_ids(),
    )
    emulator.record(emulator.sessions[-1])
    emulator.faults.append(Reply(500))
    emulator.reset()
    assert not emulator.faults
    assert before == (
        emulator.base_url,
        emulator.media_origin,
        emulator.credentials,
        emulator.webhooks,
        list(emulator.sessions),
        emulator.list_ids(),
    )
    with emulator.connect() as provider:
        assert provider.get(emulator.record()).status is rec.RecordingStatus.AVAILABLE
