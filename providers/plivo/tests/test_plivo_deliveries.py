"""Deliveries: the emulator's webhooks are as documented, and the official client accepts them."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from plivo.utils.signature_v3 import validate_v3_signature

import recording_core as rec
from recording_core.testing import LoopbackServer, Reply, Request
from recording_plivo.emulator import PlivoEmulator
from recording_plivo.webhooks import PlivoWebhooks

pytestmark = pytest.mark.emulator("plivo")


def read_parameters(request: rec.WebhookRequest) -> dict[str, str]:
    if request.method == "GET":
        return dict(parse_qsl(urlsplit(request.url).query, keep_blank_values=True))
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def is_accepted(emulator: PlivoEmulator, request: rec.WebhookRequest) -> bool:
    """Whether the official client accepts the signature."""
    nonce = request.header("X-Plivo-Signature-V3-Nonce")
    signature = request.header("X-Plivo-Signature-V3")
    parameters = read_parameters(request) if request.method == "POST" else {}
    is_valid: bool = validate_v3_signature(
        request.method, request.url, nonce, emulator.webhooks["secret"], signature, parameters
    )
    return is_valid


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("which", [0, 1, 2], ids=["call", "conference", "meeting"])
def test_the_official_client_accepts_each_webhook(
    emulator: PlivoEmulator, which: int, method: str
) -> None:
    parameter = "recording_callback_method" if which == 2 else "callback_method"
    url = "https://hooks.example.com/plivo?b=2&a=1#rc=2"
    emulator.record(emulator.sessions[which], callback_url=url, extra={parameter: method})
    requests = emulator.build_webhook_requests()
    assert requests
    for request in requests:
        assert request.method == method
        assert "#" not in request.url
        assert is_accepted(emulator, request)


def test_a_webhook_is_sent_at_the_end_of_a_call(emulator: PlivoEmulator) -> None:
    id = emulator.record()
    (request,) = emulator.build_webhook_requests()
    parameters = read_parameters(request)
    with emulator.connect() as provider:
        row = provider.get(id).raw
    assert set(parameters) == {
        *("api_id", "record_url", "recording_id", "call_uuid", "recording_duration"),
        *("recording_duration_ms", "recording_start_ms", "recording_end_ms"),
    }
    assert parameters["record_url"] == row["recording_url"]
    assert parameters["recording_duration_ms"] == row["recording_duration_ms"]
    assert parameters["api_id"]


def test_the_webhook_of_a_conference_contains_its_name(emulator: PlivoEmulator) -> None:
    emulator.record(emulator.sessions[1])
    (request,) = emulator.build_webhook_requests()
    assert read_parameters(request)["conference_name"] == emulator.sessions[1].id
    assert "call_uuid" not in read_parameters(request)


def test_webhooks_of_a_meeting_are_sent_in_order(emulator: PlivoEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[2])
        for verb in (provider.pause, provider.resume, provider.pause, provider.resume):
            emulator.advance(timedelta(seconds=5))
            session = verb(session)
        emulator.advance(timedelta(seconds=5))
        provider.stop(session)
    emulator.advance(timedelta(seconds=10))
    requests = emulator.build_webhook_requests()
    names = ["Initiated", "Paused", "Resumed", "Paused", "Resumed", "Completed"]
    assert [read_parameters(request)["EventName"] for request in requests] == [
        f"MPCRecording{name}" for name in names
    ]
    assert [read_parameters(request)["SequenceNumber"] for request in requests] == list("123456")
    events = [
        event
        for request in requests
        for event in PlivoWebhooks().parse(request, account="default", now=emulator.clock.now())
    ]
    assert [event.kind for event in events] == [
        "started",
        *["paused", "resumed"] * 2,
        "available",
    ]
    assert len({event.key for event in events}) == 6
    assert {event.target for event in events} == {rec.meeting("Weekly Review")}


def test_webhooks_of_a_participants_recording_contain_the_member_id(
    emulator: PlivoEmulator,
) -> None:
    member = emulator.find_session(emulator.sessions[2]).members[0]
    emulator.record(emulator.sessions[2], participant=member)
    for request in emulator.build_webhook_requests():
        assert read_parameters(request)["EventName"].startswith("ParticipantRecording")
        assert read_parameters(request)["MemberID"] == member


def test_a_webhook_is_sent_with_a_requested_transcript(emulator: PlivoEmulator) -> None:
    extra = {"transcription_type": "auto", "transcription_url": "https://hooks.example.com/t"}
    id = emulator.record(extra=extra)
    assert len(emulator.build_webhook_requests()) == 1
    emulator.advance(timedelta(seconds=60))
    transcript = emulator.build_webhook_requests()[1]
    assert transcript.url == "https://hooks.example.com/t"
    assert read_parameters(transcript)["transcription"] == "Hello."
    assert read_parameters(transcript)["recording_id"] == id


def test_the_url_of_the_start_overrides_the_default(emulator: PlivoEmulator) -> None:
    paths: list[str] = []

    def answer(request: Request) -> Reply:
        paths.append(request.path)
        return Reply()

    with LoopbackServer(answer) as server:
        emulator.deliver_to(f"{server.origin}/default")
        emulator.record(callback_url=f"{server.origin}/mine")
        emulator.record()
        emulator.wait_for_deliveries()
    assert paths == ["/mine", "/default"]


def test_a_loopback_url_of_a_start_needs_no_default(emulator: PlivoEmulator) -> None:
    with LoopbackServer(lambda _: Reply()) as server:
        emulator.record(callback_url=server.origin)
        emulator.wait_for_deliveries()
    assert [attempt.status for attempt in emulator.deliveries.attempts] == [200]
