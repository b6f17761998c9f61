"""Does the emulated Plivo call back as its pages say, and by signatures that its client accepts?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from plivo.utils.signature_v3 import validate_v3_signature

import recording_core as rec
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_plivo.emulator import PlivoEmulator
from recording_plivo.webhooks import PlivoWebhooks


@pytest.fixture
def plivo() -> Iterator[PlivoEmulator]:
    with PlivoEmulator() as emulator:
        yield emulator


def advance(plivo: PlivoEmulator, seconds: float) -> None:
    assert isinstance(plivo.clock, ManualClock)
    plivo.clock.advance(timedelta(seconds=seconds))


def record(plivo: PlivoEmulator, which: int = 0, **how: Any) -> str:
    with plivo.connect() as provider:
        session = provider.start(plivo.sessions[which], **how)
        advance(plivo, 10)
        provider.stop(session)
    advance(plivo, 10)
    assert session.id is not None
    return session.id


def told(request: rec.WebhookRequest) -> dict[str, str]:
    if request.method == "GET":
        return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def accepted(plivo: PlivoEmulator, request: rec.WebhookRequest) -> bool:
    """By the vendor's own client."""
    nonce = request.header("X-Plivo-Signature-V3-Nonce")
    given = request.header("X-Plivo-Signature-V3")
    parameters = told(request) if request.method == "POST" else {}
    verdict: bool = validate_v3_signature(
        request.method, request.url, nonce, plivo.webhooks["secret"], given, parameters
    )
    return verdict


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["call", "conference", "meeting"])
def test_the_vendors_own_client_accepts_each_callback(
    plivo: PlivoEmulator, which: int, method: str
) -> None:
    word = "recording_callback_method" if which == 2 else "callback_method"
    url = "https://hooks.example.com/plivo?b=2&a=1#rc=2"
    record(plivo, which, callback_url=url, extra={word: method})
    requests = plivo.callbacks()
    assert requests
    for request in requests:
        assert request.method == method
        assert "#" not in request.url
        assert accepted(plivo, request)


def test_the_end_of_a_call_is_told_with_the_answers_id(plivo: PlivoEmulator) -> None:
    id = record(plivo)
    (request,) = plivo.callbacks()
    parameters = told(request)
    with plivo.connect() as provider:
        row = provider.get(id).raw
    assert set(parameters) == {
        *("api_id", "record_url", "recording_id", "call_uuid", "recording_duration"),
        *("recording_duration_ms", "recording_start_ms", "recording_end_ms"),
    }
    assert parameters["record_url"] == row["recording_url"]
    assert parameters["recording_duration_ms"] == row["recording_duration_ms"]
    assert parameters["api_id"]


def test_a_conference_is_told_by_name(plivo: PlivoEmulator) -> None:
    record(plivo, 1)
    (request,) = plivo.callbacks()
    assert told(request)["conference_name"] == plivo.sessions[1].id
    assert "call_uuid" not in told(request)


def test_a_meeting_tells_its_pauses_in_order(plivo: PlivoEmulator) -> None:
    with plivo.connect() as provider:
        session = provider.start(plivo.sessions[2])
        for act in (provider.pause, provider.resume, provider.pause, provider.resume):
            advance(plivo, 5)
            session = act(session)
        advance(plivo, 5)
        provider.stop(session)
    advance(plivo, 10)
    requests = plivo.callbacks()
    words = ["Initiated", "Paused", "Resumed", "Paused", "Resumed", "Completed"]
    assert [told(request)["EventName"] for request in requests] == [
        f"MPCRecording{word}" for word in words
    ]
    assert [told(request)["SequenceNumber"] for request in requests] == list("123456")
    events = [
        event
        for request in requests
        for event in PlivoWebhooks().parse(request, account="default", now=plivo.clock.now())
    ]
    assert [event.kind for event in events] == [
        "started",
        *["paused", "resumed"] * 2,
        "available",
    ]
    assert len({event.key for event in events}) == 6
    assert {event.target for event in events} == {rec.meeting("Weekly Review")}


def test_a_participants_recording_tells_whose_it_is(plivo: PlivoEmulator) -> None:
    member = plivo.members(plivo.sessions[2])[0]
    record(plivo, 2, participant=member)
    for request in plivo.callbacks():
        assert told(request)["EventName"].startswith("ParticipantRecording")
        assert told(request)["MemberID"] == member


def test_a_transcript_is_told_where_one_was_asked_for(plivo: PlivoEmulator) -> None:
    extra = {"transcription_type": "auto", "transcription_url": "https://hooks.example.com/t"}
    id = record(plivo, extra=extra)
    assert len(plivo.callbacks()) == 1
    advance(plivo, 60)
    transcript = plivo.callbacks()[1]
    assert transcript.url == "https://hooks.example.com/t"
    assert told(transcript)["transcription"] == "Hello."
    assert told(transcript)["recording_id"] == id


def test_the_url_of_the_start_wins_over_the_default(plivo: PlivoEmulator) -> None:
    paths: list[str] = []

    def answer(request: Request) -> Reply:
        paths.append(request.path)
        return Reply()

    with LoopbackServer(answer) as server:
        plivo.deliver_to(f"{server.origin}/default")
        record(plivo, callback_url=f"{server.origin}/mine")
        record(plivo)
        plivo.settle()
    assert paths == ["/mine", "/default"]


def test_a_loopback_url_of_a_start_needs_no_default(plivo: PlivoEmulator) -> None:
    with LoopbackServer(lambda _: Reply()) as server:
        record(plivo, callback_url=server.origin)
        plivo.settle()
    assert [attempt.status for attempt in plivo.deliveries.attempts] == [200]
