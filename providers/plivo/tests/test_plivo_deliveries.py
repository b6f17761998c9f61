"""Deliveries: the emulator's webhooks are as documented, and the official client accepts them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
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


def parse(request: rec.WebhookRequest) -> Any:
    (event,) = rec.unsafe_parse("plivo", request)
    return event


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


def test_webhooks_of_a_participants_recording_do_not_name_the_multiparty_call(
    emulator: PlivoEmulator,
) -> None:
    member = emulator.find_session(emulator.sessions[2]).members[0]
    id = emulator.record(emulator.sessions[2], participant=member)
    requests = emulator.build_webhook_requests()
    for request in requests:
        parameters = read_parameters(request)
        assert parameters["EventName"].startswith("ParticipantRecording")
        assert parameters["MemberID"] == member
        assert parameters["RecordingResourceURL"].endswith(f"/Recording/{id}/")
        assert not [name for name in parameters if name.startswith("MPC")]
    assert parse(requests[-1]).recording.kind == "meeting"


def test_xml_record_is_reported_at_its_start_and_its_end(emulator: PlivoEmulator) -> None:
    target = emulator.sessions[0]
    recording_id = emulator.record_by_xml(target)
    emulator.advance(timedelta(seconds=7.56))
    emulator.hang_up(target)
    emulator.advance(timedelta(seconds=10))
    begun, ended = emulator.build_webhook_requests()
    assert is_accepted(emulator, begun)
    assert is_accepted(emulator, ended)
    names = ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs")
    assert {read_parameters(begun)[name] for name in names} == {"-1"}
    assert read_parameters(ended)["RecordingDurationMs"] == "7560"
    events = [parse(begun), parse(ended)]
    assert [event.kind for event in events] == ["started", "available"]
    assert {event.recording_id for event in events} == {recording_id}
    assert {event.target for event in events} == {target}


def test_xml_record_ends_after_sixty_seconds(emulator: PlivoEmulator) -> None:
    for target in emulator.sessions[:2]:
        emulator.record_by_xml(target)
    emulator.advance(timedelta(minutes=2))
    events = [parse(request) for request in emulator.build_webhook_requests()]
    (ended,) = [each for each in events if each.kind == "available"]
    assert (ended.target, ended.recording.duration) == (
        emulator.sessions[0],
        timedelta(seconds=60),
    )


def test_an_xml_conference_names_its_recording_from_the_first_enter_on(
    emulator: PlivoEmulator,
) -> None:
    target = emulator.sessions[1]
    id = emulator.record_by_xml(target)
    emulator.advance(timedelta(seconds=5))
    emulator.hang_up(target)
    emulator.advance(timedelta(seconds=10))
    requests = emulator.build_webhook_requests()
    assert all(is_accepted(emulator, request) for request in requests)
    parameters = [read_parameters(request) for request in requests]
    actions = ["enter", "floor", "digits", "record", "exit"]
    assert [each["ConferenceAction"] for each in parameters] == actions
    assert {each["RecordingID"] for each in parameters} == {id}
    assert len({each["RecordUrl"] for each in parameters}) == 1
    events = [parse(request) for request in requests]
    assert [event.kind for event in events] == [*["started"] * 3, "available", "started"]
    assert {event.target for event in events} == {target}
    session = rec.RecordingSession("plivo", "default", None, target)
    for event in events:
        session = session.apply(event)
    assert session.status == "available"


def test_number_masking_reports_a_session(emulator: PlivoEmulator) -> None:
    target = emulator.sessions[0]
    id = emulator.record_masked_call(target)
    emulator.advance(timedelta(seconds=5))
    emulator.hang_up(target)
    emulator.advance(timedelta(seconds=10))
    requests = emulator.build_webhook_requests()
    assert all(is_accepted(emulator, request) for request in requests)
    events = [parse(request) for request in requests]
    assert [event.kind for event in events] == ["started", "available"]
    assert {event.recording_id for event in events} == {id}
    uuid = emulator.find_session(target).uuid
    assert {(event.target, event.recording.reference) for event in events} == {(None, uuid)}


@pytest.mark.parametrize("subject", ["MPC", "Participant", "Session"])
def test_a_failed_start_is_reported_without_an_id(emulator: PlivoEmulator, subject: str) -> None:
    meeting = emulator.sessions[2]
    member = emulator.find_session(meeting).members[0] if subject == "Participant" else None
    emulator.fail_to_record(
        emulator.sessions[0] if subject == "Session" else meeting,
        member=member,
        is_masked=subject == "Session",
    )
    (request,) = emulator.build_webhook_requests()
    assert is_accepted(emulator, request)
    assert read_parameters(request)["EventName"] == f"{subject}RecordingFailed"
    event = parse(request)
    assert (event.kind, event.recording_id) == ("failed", None)
    assert event.target == (meeting if subject == "MPC" else None)
    emulator.advance(timedelta(minutes=1))
    assert emulator.list_ids() == []


@pytest.mark.emulator("plivo", assume=[8, 13])
def test_the_answer_to_a_start_has_the_id_and_url_of_its_recording(
    emulator: PlivoEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    hook = "https://hooks.example.com/plivo"
    with emulator.connect() as provider:
        sessions = [provider.start(emulator.sessions[0], callback_url=hook) for _ in "ab"]
        answers = [parse(request) for request in emulator.build_webhook_requests()]
        first, second = sessions
        with pytest.raises(ValueError, match="the event belongs to"):
            first.apply(answers[1])
        first, second = first.apply(answers[0]), second.apply(answers[1])
        emulator.advance(timedelta(seconds=5))
        first = provider.stop(first)
        assert caplog.messages == []
        emulator.advance(timedelta(seconds=10))
        assert emulator.list_ids() == [answers[0].recording_id], "the other continues"
        assert provider.wait(first, timeout=timedelta(minutes=1)).id == answers[0].recording_id


@pytest.mark.emulator("plivo", assume=[8])
def test_the_answer_to_a_start_may_be_sent_to_its_callback_url(emulator: PlivoEmulator) -> None:
    with emulator.connect() as provider:
        target = emulator.sessions[0]
        session = provider.start(target, callback_url="https://hooks.example.com/plivo")
        assert (session.id, session.status) == (None, "pending")
        (answer,) = emulator.build_webhook_requests()
        assert is_accepted(emulator, answer)
        assert read_parameters(answer)["message"] == "call recording started"
        begun = parse(answer)
        assert (begun.kind, begun.status) == ("started", "recording")
        emulator.advance(timedelta(seconds=5))
        session = provider.stop(session)
        emulator.advance(timedelta(seconds=10))
        ended = parse(emulator.build_webhook_requests()[-1])
        assert (ended.kind, ended.target) == ("available", target)
        with pytest.raises(ValueError, match="the event belongs to"):
            session.apply(ended)  # its `api_id` is not that of the acknowledgement
        assert provider.wait(session, timeout=timedelta(minutes=1)).id == begun.recording_id


def test_the_answer_to_an_asynchronous_request_is_sent_also_if_it_is_an_error(
    emulator: PlivoEmulator,
) -> None:
    hook = "https://hooks.example.com/answers"
    with emulator.connect() as provider:
        provider.start(emulator.sessions[2], extra={"callback_url": hook})
        assert provider.start(rec.meeting("unknown"), extra={"callback_url": hook}).id is None
    first, *_, last = (
        read_parameters(each) for each in emulator.build_webhook_requests() if each.url == hook
    )
    assert first["message"] == "MPC: Weekly Review record started"
    assert last["error"] == "not found"


def test_the_end_is_reported_once_the_row_exists(emulator: PlivoEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=5))
        provider.stop(session)
        emulator.advance(timedelta(seconds=5))
        assert emulator.build_webhook_requests() == []
        emulator.advance(timedelta(seconds=5))
        (request,) = emulator.build_webhook_requests()
        assert provider.confirm(parse(request)).trusted


@pytest.mark.emulator("plivo", assume=[9])
def test_the_end_may_be_reported_before_the_row_exists(emulator: PlivoEmulator) -> None:
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=5))
        provider.stop(session)
        (request,) = emulator.build_webhook_requests()
        with pytest.raises(rec.NotFound):
            provider.confirm(parse(request))


@pytest.mark.emulator("plivo", assume=[10])
def test_absent_values_of_a_meetings_webhook_may_be_the_word_null(emulator: PlivoEmulator) -> None:
    emulator.record(emulator.sessions[2])
    begun, ended = emulator.build_webhook_requests()
    assert read_parameters(begun)["RecordingDuration"] == "null"
    assert read_parameters(ended)["RecordingDuration"] == "10"
    assert parse(begun).recording.unread_fields == ("RecordingDuration", "RecordingEndTime")


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


@pytest.mark.parametrize(
    ("fragment", "status", "attempts"),
    [
        ("", 500, 1),
        ("", None, 2),
        ("#rc=3", None, 4),
        ("#rc=0", None, 1),
        ("#rc=6", None, 2),
        ("#rc=5&rp=4xx,5xx,ct,rt", 500, 6),
        ("#rc=2&rp=5xx", 404, 1),
        ("#rc=2&rp=5xx", None, 1),
        ("#rc=2&rp=all", 404, 3),
        ("#rc=2&rp=all", 200, 1),
        ("#rp=unknown", 500, 1),
    ],
)
def test_the_fragment_of_a_url_configures_redelivery(
    emulator: PlivoEmulator, fragment: str, status: int | None, attempts: int
) -> None:
    reply = Reply(abort=True) if status is None else Reply(status)
    with LoopbackServer(lambda _: reply) as server:
        emulator.record(callback_url=f"{server.origin}/{fragment}")
        emulator.wait_for_deliveries()
    assert [each.status for each in emulator.deliveries.attempts] == [status] * attempts


def test_a_loopback_url_of_a_start_needs_no_default(emulator: PlivoEmulator) -> None:
    with LoopbackServer(lambda _: Reply()) as server:
        emulator.record(callback_url=server.origin)
        emulator.wait_for_deliveries()
    assert [attempt.status for attempt in emulator.deliveries.attempts] == [200]
