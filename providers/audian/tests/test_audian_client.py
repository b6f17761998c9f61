"""Client: the requests to Audian and the results of its responses, against the emulator.

The conformance suite tests the requirements of every provider; these tests are Audian's own.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from attrs import evolve

import recording_core as rec
from recording_audian import client
from recording_audian.emulator import AudianEmulator
from recording_audian.emulator.listing import SinceField
from recording_audian.emulator.responses import Envelope, ErrorShape
from recording_core.plugin import LIVE
from recording_core.testing import ManualClock, Reply, Request

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
CODES = (301, 302, 303, 307, 308)
STATUSES = rec.RecordingStatus

pytestmark = pytest.mark.emulator("audian")


@pytest.fixture
def audian(emulated_provider: rec.Provider) -> rec.Provider:
    return emulated_provider


@pytest.fixture
def call(emulator: AudianEmulator) -> rec.CommunicationSession:
    """The live call."""
    return emulator.sessions[0]


@pytest.fixture
def conference(emulator: AudianEmulator) -> rec.CommunicationSession:
    """The live conference."""
    return emulator.sessions[1]


def connect_with_style(emulator: AudianEmulator, style: str) -> rec.Provider:
    emulator.credentials["auth_style"] = style
    return emulator.connect()


def build_error(status: int, code: str, message: str = "m") -> Reply:
    """Build an error in the shape of the recording pages."""
    return Reply.json({"error": code, "message": message, "code": status}, status)


def build_page(status: int) -> Reply:
    """Build the error page of a proxy or gateway."""
    page = b"<html><h1>%d</h1><hr>nginx</html>" % status
    return Reply(status, page, {"Content-Type": "text/html"})


def answer_next_post(emulator: AudianEmulator, reply: Reply) -> None:
    """Answer the next POST so. A `fault` would answer the look that precedes a verb."""
    genuine, replies = emulator.answer, [reply]

    def answer(request: Request) -> Reply:
        return replies.pop() if replies and request.method == "POST" else genuine(request)

    emulator.answer = answer  # type: ignore[method-assign]


def list_sent_requests(emulator: AudianEmulator) -> list[str]:
    """List requests as `POST calls/x/record/start`: the method, and the path below the base URL."""
    return [f"{each.method} {each.path.removeprefix('/v2/')}" for each in emulator.list_requests()]


class TestAuthentication:
    def test_the_key_is_sent_in_x_auth_token_by_default(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        list(audian.list())
        (request,) = emulator.list_requests()
        assert request.header("x-auth-token") == emulator.credentials["api_key"]
        assert request.header("authorization") is None
        assert request.header("accept") == "application/json"

    def test_the_key_can_be_sent_as_a_bearer_token(self, emulator: AudianEmulator) -> None:
        with connect_with_style(emulator, "bearer") as audian:
            list(audian.list())
        (request,) = emulator.list_requests()
        assert request.header("authorization") == f"Bearer {emulator.credentials['api_key']}"
        assert request.header("x-auth-token") is None

    def test_the_key_can_be_exchanged_for_a_token(self, emulator: AudianEmulator) -> None:
        emulator.exchange_only = True
        with connect_with_style(emulator, "exchange") as audian:
            list(audian.list())
            list(audian.list())
        assert list_sent_requests(emulator) == ["PUT api_auth", "GET recordings", "GET recordings"]
        exchange, *others = emulator.list_requests()
        key = emulator.credentials["api_key"]
        assert exchange.json() == {"data": {"api_key": key}}
        for name in ("x-auth-token", "authorization"):
            assert exchange.header(name) is None
        for request in others:
            assert str(request.header("x-auth-token")).startswith("eyJ")
            assert key not in str(request)

    def test_an_expired_token_is_renewed_once_for_every_operation(
        self,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        call: rec.CommunicationSession,
        tmp_path: Path,
    ) -> None:
        emulator.exchange_only = True
        id = emulator.add()
        with connect_with_style(emulator, "exchange") as audian:
            recording = audian.get(id)
            path = f"calls/{call.id}/record/start"
            manual_clock.advance(emulator.token_lifetime)
            before = len(emulator.journal)
            session = audian.start(call)  # the first was rejected with 401
            assert list_sent_requests(emulator)[before:] == [
                f"POST {path}",
                "PUT api_auth",
                f"POST {path}",
            ]
            manual_clock.advance(emulator.token_lifetime)
            assert audian.stop(session).status is STATUSES.PROCESSING
            manual_clock.advance(emulator.token_lifetime)
            before = len(emulator.journal)
            assert audian.download(recording, tmp_path)
            media = f"GET recordings/{id}/download"
            assert list_sent_requests(emulator)[-3:] == [media, "PUT api_auth", media]

    @pytest.mark.parametrize("style", ["x-auth-token", "bearer", "exchange"])
    def test_an_invalid_key_is_an_authentication_error_without_a_retry(
        self, emulator: AudianEmulator, style: str
    ) -> None:
        credentials: dict[str, Any] = {"api_key": "wrong-key", "auth_style": style}
        with (
            rec.connect("audian", base_url=emulator.base_url, **credentials) as audian,
            pytest.raises(rec.AuthenticationFailed, match="invalid"),
        ):
            list(audian.list())
        assert len(emulator.list_requests()) == 1, "a wrong key is not retried"

    def test_a_key_that_must_be_exchanged_is_an_authentication_error(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        emulator.exchange_only = True
        with pytest.raises(rec.AuthenticationFailed):
            list(audian.list())

    @pytest.mark.parametrize("style", ["", "X-Auth-Token", "basic", "exchanged"])
    def test_an_unknown_style_is_a_configuration_error_at_connect(
        self, style: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with pytest.raises(rec.ConfigurationError, match="auth_style"):
            rec.connect("audian", api_key="some-key", auth_style=style)
        if style:
            monkeypatch.setenv("AUDIAN_AUTH_STYLE", style)
            with pytest.raises(rec.ConfigurationError, match="x-auth-token, bearer, exchange"):
                rec.connect("audian", api_key="some-key")

    @pytest.mark.parametrize(
        "answer", [{}, {"data": {"auth_token": "eyJ"}}, {"auth_token": ""}, [], None]
    )
    def test_an_exchange_without_a_token_sends_no_start(
        self, emulator: AudianEmulator, call: rec.CommunicationSession, answer: Any
    ) -> None:
        with connect_with_style(emulator, "exchange") as audian:
            emulator.faults.append(Reply.json(answer))
            with pytest.raises(rec.MalformedPayload, match=r"audian authenticate: .*token"):
                audian.start(call)
        assert list_sent_requests(emulator) == ["PUT api_auth"]

    def test_a_token_appears_in_no_repr_error_or_session(
        self, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        emulator.envelope = "data"  # which repeats the token
        emulator.error_shape = "kazoo"  # and so does this
        with connect_with_style(emulator, "exchange") as audian:
            session = audian.start(call)
            token = str(emulator.list_requests()[-1].header("x-auth-token"))
            with pytest.raises(rec.NotFound) as missing:
                audian.get("rec_none", target=call)
            emulator.faults.append(build_error(400, "invalid_format", f"bad token {token}"))
            with pytest.raises(rec.Rejected) as bad:
                audian.get("rec_none", target=call)
            shown = f"{session!r} {dict(session.raw)} {vars(missing.value)} {missing.value}"
            shown += f" {bad.value} {vars(bad.value)} {audian!r} {vars(audian.transport)}"
        assert isinstance(missing.value.body, dict)
        assert missing.value.body["auth_token"] == "***"
        assert token not in shown


class TestStart:
    @pytest.mark.parametrize(
        ("keywords", "body"),
        [
            ({}, {}),
            ({"format": "mp3", "participant": "all"}, {"format": "mp3", "participant": "all"}),
            ({"participant": "all"}, {"participant": "all"}),
            ({"participant": "caller"}, {"participant": "caller"}),
            ({"participant": ["callee"]}, {"participant": "callee"}),
            ({"format": "OPUS"}, {"format": "opus"}),
            ({"extra": {"own": [1]}}, {"own": [1]}),
            ({"format": "mp3", "extra": {"format": "wav"}}, {"format": "wav"}),
            ({"format": "mp3", "extra": {"format": rec.OMIT}}, {}),
        ],
    )
    def test_the_start_of_a_call_has_the_documented_parameters(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        session = audian.start(call, **keywords)
        assert list_sent_requests(emulator) == [f"POST calls/{call.id}/record/start"]
        assert emulator.list_requests()[0].json() == body
        assert session.id in emulator.list_ids()
        assert (session.target, session.status) == (call, STATUSES.RECORDING)
        assert session.started_at == manual_clock.now()

    @pytest.mark.parametrize(
        ("keywords", "body"),
        [
            ({}, {}),
            (
                {"title": "Team Standup - Feb 4", "format": "wav"},
                {"name": "Team Standup - Feb 4", "format": "wav"},
            ),
            ({"format": "m4a"}, {"format": "m4a"}),
            ({"extra": {"quality": "high"}}, {"quality": "high"}),
        ],
    )
    def test_the_start_of_a_conference_has_the_documented_parameters(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        manual_clock: ManualClock,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        session = audian.start(conference, **keywords)
        assert list_sent_requests(emulator) == [f"POST conferences/{conference.id}/recording/start"]
        assert emulator.list_requests()[0].json() == body
        assert (session.target, session.status) == (conference, STATUSES.RECORDING)
        assert session.started_at == manual_clock.now()

    @pytest.mark.parametrize(
        ("kind", "keywords"),
        [
            ("call", {"title": "x"}),
            ("call", {"participant": "alice"}),
            ("call", {"participant": ["caller", "callee"]}),
            ("call", {"format": "m4a"}),
            ("conference", {"format": "opus"}),
            ("conference", {"participant": "all"}),
            *[
                (kind, {name: value})
                for kind in ("call", "conference")
                for name, value in (
                    ("max_duration", MINUTE),
                    ("channels", 2),
                    ("tracks", True),
                    ("callback_url", "https://example.com/hook"),
                )
            ],
        ],
    )
    def test_an_unsupported_parameter_raises_before_any_request(
        self, audian: rec.Provider, emulator: AudianEmulator, kind: str, keywords: dict[str, Any]
    ) -> None:
        target = next(each for each in emulator.sessions if each.kind == kind)
        with emulator.forbid_requests(), pytest.raises(rec.UnsupportedOperation, match="Audian"):
            audian.start(target, **keywords)

    def test_an_unsupported_operation_raises_before_any_request(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
    ) -> None:
        session = audian.start(conference)
        for send in (
            lambda: audian.pause(session),
            lambda: audian.resume(session),
            lambda: audian.start(rec.meeting("x")),
            lambda: audian.list(target=rec.meeting("x")),
            lambda: audian.active(conference),
        ):
            with (
                emulator.forbid_requests(),
                pytest.raises(rec.UnsupportedOperation, match="Audian"),
            ):
                send()

    @pytest.mark.parametrize("shape", get_args(ErrorShape))
    def test_a_full_storage_is_quota_exceeded_without_a_retry(
        self, audian: rec.Provider, emulator: AudianEmulator, shape: ErrorShape
    ) -> None:
        emulator.quota_exceeded, emulator.error_shape = True, shape
        for number, target in enumerate(emulator.sessions, 1):
            with pytest.raises(rec.QuotaExceeded, match="storage quota exceeded") as caught:
                audian.start(target)
            assert (caught.value.status, caught.value.code) == (429, "quota_exceeded")
            assert len(emulator.list_requests()) == number

    def test_a_quota_429_is_not_retried_and_a_rate_429_is(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        emulator.faults.append(Reply.json({"error": "quota_exceeded", "code": 429}, 429))
        with pytest.raises(rec.QuotaExceeded):
            list(audian.list())
        assert len(emulator.list_requests()) == 1
        emulator.faults.append(Reply.json({"error": "rate_limited", "code": 429}, 429))
        assert list(audian.list()) == []
        assert len(emulator.list_requests()) == 3

    @pytest.mark.parametrize("answer", [Reply(204), Reply(200), Reply(202)])
    def test_a_start_may_be_answered_without_a_body(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        answer: Reply,
    ) -> None:
        genuine = emulator.answer

        def answer_without_body(request: Request) -> Reply:
            reply = genuine(request)
            return answer if request.path.endswith("/start") else reply

        emulator.answer = answer_without_body  # type: ignore[method-assign]
        for target in emulator.sessions:
            session = audian.start(target)
            assert (session.id, session.status) == (None, STATUSES.RECORDING)
            assert session.started_at == manual_clock.now()
            manual_clock.advance(MINUTE)
            done = audian.wait(audian.stop(session), timeout=MINUTE)
            assert [each.duration for each in done.recordings] == [MINUTE]

    @pytest.mark.parametrize("body", [{}, {"success": True}, {"status": "success", "data": {}}])
    def test_a_start_that_is_answered_with_an_object_without_an_id_is_outcome_unknown(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        body: dict[str, Any],
    ) -> None:
        emulator.faults.append(Reply.json(body))
        with pytest.raises(rec.OutcomeUnknown):
            audian.start(call)

    def test_ids_are_percent_encoded(self, audian: rec.Provider, emulator: AudianEmulator) -> None:
        id = "a/b?c d"
        for send in (
            lambda: audian.start(rec.call(id)),
            lambda: audian.start(rec.conference(id)),
            lambda: audian.get(id, target=rec.conference(id)),
            lambda: audian.delete(id),
        ):
            with pytest.raises(rec.NotFound):
                send()
        quoted = "a%2Fb%3Fc%20d"
        assert list_sent_requests(emulator) == [
            f"POST calls/{quoted}/record/start",
            f"POST conferences/{quoted}/recording/start",
            f"GET conferences/{quoted}/recordings/{quoted}",
            f"DELETE recordings/{quoted}",
            "GET recordings",  # the control request
        ]


class TestPauseResumeStop:
    def test_the_recording_of_a_call_is_processed_after_the_stop(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = audian.start(call)
        manual_clock.advance(MINUTE)
        stopped = audian.stop(session)
        assert (stopped.status, stopped.provider_status) == (STATUSES.PROCESSING, "stopped")
        assert (stopped.stopped_at, stopped.recordings) == (manual_clock.now(), ())
        assert stopped.started_at == session.started_at, "the response does not repeat it"
        done = audian.wait(stopped, timeout=MINUTE)
        assert [one.status for one in done.recordings] == [STATUSES.AVAILABLE]
        assert done.started_at == session.started_at

    def test_the_stop_of_a_conference_returns_the_recording(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        session = audian.start(conference, title="Standup")
        manual_clock.advance(MINUTE)
        stopped = audian.stop(session)
        (recording,) = stopped.recordings
        assert (stopped.status, stopped.provider_status) == (STATUSES.AVAILABLE, "completed")
        assert (recording.title, recording.duration) == ("Standup", MINUTE)
        assert recording.target == conference
        before = len(emulator.list_requests())
        assert audian.download(recording, tmp_path)
        assert len(emulator.list_requests()) == before + 1, "only the media was requested"

    @pytest.mark.parametrize("emulator_assumptions", [[8]])
    @pytest.mark.parametrize("status", [409, 400, 404, 422])
    def test_a_repeated_verb_succeeds_whichever_error_audian_returns(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        status: int,
    ) -> None:
        emulator.conflict_status = status
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        for verb, expected in (
            (audian.pause, STATUSES.PAUSED),
            (audian.resume, STATUSES.RECORDING),
        ):
            once = verb(session)
            assert once.status is expected
            manual_clock.advance(SECOND)
            session = verb(once)
            assert session == once
            assert list_sent_requests(emulator)[-1] == f"GET recordings/{session.id}"
        with emulator.connect() as elsewhere:
            elsewhere.stop(session)
        assert audian.stop(session).status is STATUSES.PROCESSING
        manual_clock.advance(MINUTE)
        stopped = audian.stop(session)
        assert stopped.status is STATUSES.AVAILABLE
        assert [one.id for one in stopped.recordings] == [session.id]

    @pytest.mark.parametrize("status", [409, 400, 404])
    def test_a_verb_without_effect_is_an_error(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        status: int,
    ) -> None:
        session = audian.start(call)
        answer_next_post(emulator, build_error(status, "conflict", "The recording is initiated"))
        with pytest.raises(rec.ProviderError, match="The recording is initiated"):
            audian.pause(session)
        emulator.hang_up(call)
        for verb in (audian.pause, audian.resume):
            emulator.faults.append(build_error(404, "not_found"))  # to the look
            with pytest.raises(rec.NotFound, match="Active recording not found"):
                verb(session)

    def test_a_rejected_stop_of_a_recording_that_may_still_run_is_an_error(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        for word in ("recording", "winding-down"):
            answer_next_post(emulator, build_error(409, "conflict"))
            emulator.alter = lambda request, payload, word=word: {**payload, "status": word}
            with pytest.raises(rec.Conflict):
                audian.stop(session)

    def test_an_ended_session_is_not_stopped_again(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        # A stop names the call only: it would end a newer recording of the call.
        first = audian.stop(audian.start(call))
        manual_clock.advance(MINUTE)
        second = audian.start(call)
        with emulator.forbid_requests():
            assert audian.stop(first) == first
        manual_clock.advance(MINUTE)
        assert audian.get(str(second.id)).status is STATUSES.RECORDING

    def test_a_stored_session_acts_on_no_newer_recording(
        self, audian: rec.Provider, emulator: AudianEmulator, manual_clock: ManualClock
    ) -> None:
        for target in emulator.sessions:
            first = audian.start(target)
            stored = rec.loads(rec.dumps(first), rec.RecordingSession)
            manual_clock.advance(MINUTE)
            audian.wait(audian.stop(first), timeout=MINUTE)
            second = str(audian.start(target).id)
            manual_clock.advance(2 * SECOND)
            before = len(emulator.list_requests())
            stopped = audian.stop(stored)
            assert (stopped.id, stopped.status) == (first.id, STATUSES.AVAILABLE)
            assert [each.id for each in stopped.recordings] == [first.id]
            for verb in (audian.pause, audian.resume):
                if audian.can(rec.Operation.PAUSE, target.kind):
                    with pytest.raises(rec.NotFound, match=f"{first.id} of {target} has ended"):
                        verb(stored)
            assert {each.split()[0] for each in list_sent_requests(emulator)[before:]} == {"GET"}
            assert audian.get(second, target=target).status is STATUSES.RECORDING

    def test_a_recording_with_an_end_has_ended_whichever_its_status(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        conference: rec.CommunicationSession,
    ) -> None:
        stored = audian.start(conference)
        manual_clock.advance(MINUTE)
        audian.stop(stored)
        second = str(audian.start(conference).id)
        emulator.alter = lambda request, payload: {**payload, "status": "archived"}
        stopped = audian.stop(stored)
        assert (stopped.id, stopped.provider_status) == (stored.id, "archived")
        emulator.alter = None
        assert audian.get(second, target=conference).status is STATUSES.RECORDING

    @pytest.mark.parametrize("emulator_assumptions", [[6]])
    @pytest.mark.parametrize(
        "reply",
        [
            *(build_page(status) for status in (200, 401, 404, 429, 503)),
            build_error(404, "not_found"),
            build_error(429, "rate_limited").with_headers(retry_after="9"),
            build_error(500, "internal"),
            Reply(204),
            Reply.json([]),
            Reply.json({"recording_id": "rec_other", "status": "completed"}),
            Reply(abort=True),
            None,
        ],
        ids=lambda reply: f"{reply.status} {reply.body.decode()[:40]}" if reply else "unknown word",
    )
    def test_a_look_that_fails_prevents_no_verb_and_is_not_repeated(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        reply: Reply | None,
    ) -> None:
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        # A word of no page, without an end, does not show that nothing records.
        unknown = Reply.json({"recording_id": session.id, "status": "winding-down"})
        for verb, expected in (
            (audian.pause, STATUSES.PAUSED),
            (audian.resume, STATUSES.RECORDING),
            (audian.stop, STATUSES.PROCESSING),
        ):
            before = len(emulator.list_requests())
            emulator.faults.append(reply or unknown)
            assert verb(session).status is expected
            sent = list_sent_requests(emulator)[before:]
            assert [each.split()[0] for each in sent] == ["GET", "POST"]

    def test_a_look_that_takes_long_delays_a_pause_by_seconds_only(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        monkeypatch.setattr(client, "LONGEST_LOOK", 0.3)
        emulator.faults.append(Reply(stall="headers"))
        began = time.monotonic()
        assert audian.pause(session).status is STATUSES.PAUSED
        assert time.monotonic() - began < 5

    @pytest.mark.parametrize("status", [404, 409])
    def test_a_stop_after_the_end_succeeds_also_if_the_look_fails(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        status: int,
    ) -> None:
        session = audian.start(call)
        emulator.hang_up(call)
        emulator.faults.append(build_error(500, "internal"))
        answer_next_post(emulator, build_error(status, "conflict"))
        assert audian.stop(session).status is STATUSES.PROCESSING

    def test_an_id_of_another_call_from_the_caller_alone_is_a_conflict(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        other = emulator.begin(rec.SessionKind.CALL)
        session = audian.start(call)
        mistaken = rec.RecordingSession("audian", "default", session.id, other)
        running = str(audian.start(other).id)
        for verb in (audian.pause, audian.resume, audian.stop):
            with pytest.raises(
                rec.Conflict, match=f"{session.id} is one of {call}, not of {other}"
            ):
                verb(mistaken)
        assert audian.get(running).status in LIVE
        # Audian may name the call of a started recording by another id, such as `call_uuid`.
        emulator.alter = lambda request, payload: {**payload, "call_id": "other"}
        assert audian.stop(session).status is STATUSES.PROCESSING

    def test_a_stop_with_an_id_that_is_not_found_names_the_recording_that_may_have_ended(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        # The row of a recording that was just started may be missing, too: the stop is sent.
        running = audian.start(call).id
        given = rec.RecordingSession("audian", "default", "rec_none", call)
        with pytest.raises(rec.MalformedPayload, match=f"effect on {running}") as caught:
            audian.stop(given)
        assert f"recording {running} of {call}, not about rec_none" in str(caught.value)

    def test_a_response_about_another_recording_is_malformed(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        emulator.alter = lambda request, payload: (
            {**payload, "recording_id": "rec_other"} if request.method == "POST" else payload
        )
        assert audian.stop(session).id == session.id, "its own recording was read"
        emulator.alter = lambda request, payload: {**payload, "recording_id": "rec_other"}
        with pytest.raises(rec.MalformedPayload, match="another recording"):
            audian.get(str(session.id))

    @pytest.mark.parametrize(
        "answer",
        [
            Reply(204),
            Reply(200),
            Reply(202, b"null", {"Content-Type": "application/json"}),
            Reply.json({}),
            Reply.json({"success": True}),
            Reply.json({"status": "success", "data": {}}),
            Reply.json({"success": True, "data": {"call_id": "x"}}, 201),
            Reply.json({"status": "ok", "request_id": "4c1f"}),
        ],
        ids=lambda reply: f"{reply.status} {reply.body.decode()}",
    )
    def test_after_a_2xx_without_a_documented_body_the_recording_shows_the_state(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        answer: Reply,
    ) -> None:
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        for verb, expected in (
            (audian.pause, STATUSES.RECORDING),
            (audian.stop, STATUSES.PROCESSING),
        ):
            answer_next_post(emulator, answer)  # it has no effect
            after = verb(session)
            assert (after.status, after.id) == (expected, session.id)
            assert (after.started_at, after.pauses) == (session.started_at, ())
        genuine = emulator.answer

        def answer_without_body(request: Request) -> Reply:
            reply = genuine(request)
            return answer if request.method == "POST" else reply

        emulator.answer = answer_without_body  # type: ignore[method-assign]
        for verb, expected in (
            (audian.pause, STATUSES.PAUSED),
            (audian.resume, STATUSES.RECORDING),
            (audian.stop, STATUSES.PROCESSING),
        ):
            session = verb(session)
            assert session.status is expected
        assert len(session.pauses) == 1

    def test_a_stop_that_is_answered_with_recording_is_sent_again(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        answer_next_post(emulator, Reply.json({"status": "recording"}))
        stopping = audian.stop(session)
        assert stopping.status is STATUSES.STOPPING
        assert stopping.stopped_at is not None
        assert audian.stop(stopping).status is STATUSES.PROCESSING

    def test_a_status_in_a_2xx_is_applied(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        answer_next_post(emulator, Reply.json({"status": "failed"}))
        assert audian.pause(session).status is STATUSES.FAILED

    def test_a_malformed_response_to_a_pause_is_checked_by_a_get(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        # If a pause is reported that did not happen, a card number may be recorded.
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        page = Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})
        answer_next_post(emulator, page)
        with pytest.raises(rec.MalformedPayload, match="text/html"):
            audian.pause(session)
        audian.pause(session)
        answer_next_post(emulator, page)
        assert audian.pause(session).status is STATUSES.PAUSED

    def test_a_session_without_an_id_is_found_by_its_target(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        call: rec.CommunicationSession,
        conference: rec.CommunicationSession,
    ) -> None:
        for target in (call, conference):
            now = manual_clock.now()
            unnamed = rec.RecordingSession("audian", "default", None, target, started_at=now)
            assert audian.stop(unnamed).status is STATUSES.PROCESSING, "the call has no recording"
            started = audian.start(target)
            manual_clock.advance(2 * SECOND)
            stopped = audian.stop(unnamed)
            assert (stopped.id, stopped.target) == (started.id, target)
            assert audian.stop(unnamed).id == started.id
            done = audian.wait(stopped, timeout=MINUTE)
            assert [each.id for each in done.recordings] == [started.id]

    @pytest.mark.parametrize("has_start", [True, False])
    def test_a_session_without_an_id_is_never_an_older_recording(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        has_start: bool,
    ) -> None:
        # After a start with an unknown outcome: what is deleted next must not be last week's.
        for target in emulator.sessions:
            old = emulator.add(target.kind, session_id=target.id, ago=7 * DAY)
            at = manual_clock.now() if has_start else None
            unnamed = rec.RecordingSession("audian", "default", None, target, started_at=at)
            stopped = audian.stop(unnamed)
            assert (stopped.id, stopped.status) == (None, STATUSES.PROCESSING)
            assert stopped.recordings == ()
            emulator.faults.append(build_error(409, "conflict"))
            with pytest.raises(rec.Conflict):
                audian.stop(unnamed)
            assert audian.get(old, target=target).status is STATUSES.AVAILABLE

    def test_a_session_without_an_id_is_none_that_ended_before_its_start(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        conference: rec.CommunicationSession,
    ) -> None:
        emulator.add(conference.kind, session_id=conference.id, ago=MINUTE)
        at = manual_clock.now()
        unnamed = rec.RecordingSession("audian", "default", None, conference, started_at=at)
        assert audian.stop(unnamed).id is None

    def test_a_refused_stop_succeeds_by_the_list_and_not_by_earlier_events(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        started = audian.start(call)
        session = evolve(started, id=None, recordings=(audian.get(str(started.id)),))
        emulator.hang_up(call)
        assert audian.stop(session).id == started.id

    def test_a_session_without_an_id_is_none_of_several_recordings(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        conference: rec.CommunicationSession,
    ) -> None:
        at = manual_clock.now()
        unnamed = rec.RecordingSession("audian", "default", None, conference, started_at=at)
        for _ in range(2):
            audian.start(conference)
            manual_clock.advance(MINUTE)
            last = audian.stop(unnamed)
        assert last.id is not None, "the response to the stop has it"
        assert audian.stop(unnamed).id is None

    @pytest.mark.parametrize("lists_running", [True, False])
    def test_a_pause_without_an_id_never_has_the_status_of_an_ended_recording(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        lists_running: bool,
    ) -> None:
        # With a final status, a stop would send nothing and the recording run on.
        emulator.add(session_id=call.id)
        running = str(audian.start(call).id)
        manual_clock.advance(2 * SECOND)
        if not lists_running:
            emulator.alter = lambda request, payload: (
                {**payload, "data": [row for row in payload["data"] if row["created_at"]]}
                if "data" in payload
                else payload
            )
        at = manual_clock.now()
        for started_at in (None, at):
            session = rec.RecordingSession("audian", "default", None, call, started_at=started_at)
            session = audian.pause(session)
            assert session.status is STATUSES.PAUSED
            session = audian.resume(session)
            assert session.status is STATUSES.RECORDING
        assert audian.stop(session).id == running

    def test_a_session_without_an_id_is_the_recording_that_runs(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        ended = emulator.add(session_id=call.id)
        running = audian.start(call).id
        emulator.alter = lambda request, payload: (
            {
                **payload,
                "data": sorted(payload["data"], key=lambda row: row["recording_id"] != ended),
            }
            if "data" in payload
            else payload
        )
        emulator.faults.append(build_error(409, "conflict"))
        with pytest.raises(rec.Conflict):
            audian.stop(rec.RecordingSession("audian", "default", None, call))
        # Two recordings that may be the session's own: one of them runs, so the stop had no effect.
        emulator.faults.append(build_error(404, "not_found", "Recording not found"))
        since = audian.clock.now() - DAY
        with pytest.raises(rec.NotFound, match="Recording not found"):
            audian.stop(rec.RecordingSession("audian", "default", None, call, started_at=since))
        assert audian.get(str(running)).status in LIVE

    def test_a_stop_succeeds_if_call_and_recording_no_longer_exist(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        emulator.remove(str(session.id))
        emulator.hang_up(call)
        assert audian.stop(session).status is STATUSES.PROCESSING


class TestGetAndDelete:
    def test_a_404_without_a_target_states_that_a_conference_needs_one(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        tmp_path: Path,
    ) -> None:
        id = emulator.add(rec.SessionKind.CONFERENCE, session_id=conference.id)
        for send in (
            lambda: audian.get(id),
            lambda: audian.delete(id),
            lambda: audian.download(id, tmp_path),
        ):
            with pytest.raises(rec.NotFound, match=r"Recording not found; .*target=conference\("):
                send()
        recording = audian.get(id, target=conference)
        assert recording.target == conference
        (copy,) = audian.download(id, tmp_path, target=conference)
        assert copy.recording_id == id
        audian.delete(id, target=conference)
        with pytest.raises(rec.NotFound) as caught:
            audian.delete(recording)
        assert "target=" not in str(caught.value)

    def test_a_listed_recording_of_a_conference_has_its_target(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        tmp_path: Path,
    ) -> None:
        emulator.add(rec.SessionKind.CONFERENCE, session_id=conference.id)
        emulator.alter = lambda request, payload: (
            {**payload, "recordings": [_remove_conference_id(row) for row in payload["recordings"]]}
            if "recordings" in payload
            else payload
        )
        (recording,) = audian.list(target=conference)
        assert recording.target == conference, (
            "a row without a conference gets the target of the request"
        )
        assert audian.get(recording).id == recording.id
        assert audian.download(recording, tmp_path)
        audian.delete(recording)
        assert list(audian.list(target=conference)) == []

    @pytest.mark.parametrize("answer", [Reply(204), Reply(200), Reply.json({}), Reply(202)])
    def test_any_2xx_to_a_deletion_is_success(
        self, audian: rec.Provider, emulator: AudianEmulator, answer: Reply
    ) -> None:
        emulator.faults.append(answer)
        audian.delete("rec_abc123")


def _remove_conference_id(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "conference_id"}


class TestList:
    @pytest.mark.parametrize("envelope", get_args(Envelope))
    @pytest.mark.parametrize("recordings", [0, 1, 99, 100, 101, 250])
    def test_every_row_of_calls_is_listed_once(
        self, manual_clock: ManualClock, recordings: int, envelope: Envelope
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=recordings) as emulator:
            emulator.envelope = envelope
            with emulator.connect() as audian:
                listing = audian.list()
                found = [each.id for each in listing]
            assert sorted(found) == sorted(emulator.list_ids())
            coverage = listing.coverage
            assert (coverage.complete, coverage.expected) == (True, recordings)
            # Each page after the first begins with the last row of the previous page.
            pages = 1 + max(0, -(-(recordings - 100) // 99))
            assert len(emulator.list_requests()) == pages
            assert [each.arg("limit") for each in emulator.list_requests()][:1] == ["100"]
            assert {each.arg("since") for each in emulator.list_requests()} == {None}

    @pytest.mark.parametrize("envelope", get_args(Envelope))
    @pytest.mark.parametrize("recordings", [0, 1, 100, 101, 250])
    def test_every_row_of_a_conference_is_listed_once(
        self,
        emulator: AudianEmulator,
        audian: rec.Provider,
        conference: rec.CommunicationSession,
        recordings: int,
        envelope: Envelope,
    ) -> None:
        emulator.envelope = envelope
        for minutes in range(recordings):
            kind = rec.SessionKind.CONFERENCE
            emulator.add(kind, session_id=conference.id, ago=minutes * MINUTE, duration=SECOND)
        listing = audian.list(target=conference)
        found = [each.id for each in listing]
        assert sorted(found) == sorted(emulator.conference_recordings.get(conference.id, []))
        assert (listing.coverage.complete, listing.coverage.expected) == (True, recordings)
        assert listing.coverage.not_listable == ()

    @pytest.mark.parametrize("recordings", [0, 1, 25, 26, 60])
    def test_every_row_of_a_list_that_is_paged_by_keys_is_listed_once(
        self,
        emulator: AudianEmulator,
        audian: rec.Provider,
        conference: rec.CommunicationSession,
        recordings: int,
    ) -> None:
        emulator.is_paged_by_keys = True
        for minutes in range(recordings):
            emulator.add(ago=minutes * MINUTE, duration=SECOND)
            kind = rec.SessionKind.CONFERENCE
            emulator.add(kind, session_id=conference.id, ago=minutes * MINUTE, duration=SECOND)
        for target, ids in (
            (None, emulator.list_ids()),
            (conference, emulator.conference_recordings.get(conference.id, [])),
        ):
            listing = audian.list(target=target)
            assert sorted(each.id for each in listing) == sorted(ids)
            assert (listing.coverage.complete, listing.coverage.errors) == (True, ())
        offsets = [each.arg("offset") for each in emulator.list_requests()]
        assert set(offsets) <= {"0", None}

    @pytest.mark.parametrize("size", [1, 7, 50])
    @pytest.mark.parametrize("is_reported", [True, False])
    def test_a_page_may_have_fewer_rows_than_the_limit(
        self, manual_clock: ManualClock, size: int, is_reported: bool
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=61) as emulator:
            answer = emulator.answer

            def answer_short_page(request: Request) -> Reply:
                query = dict(request.query)
                query["limit"] = str(size)
                return answer(evolve(request, query=tuple(query.items())))

            emulator.answer = answer_short_page  # type: ignore[method-assign]
            if not is_reported:
                emulator.alter = lambda request, payload: {
                    **payload,
                    "pagination": {**payload["pagination"], "limit": 100},
                }
            with emulator.connect() as audian:
                listing = audian.list()
                found = [each.id for each in listing]
            assert sorted(found) == sorted(emulator.list_ids())
            assert listing.coverage.complete
            assert listing.coverage.duplicates == 0

    def test_a_page_size_beside_the_pagination_hides_no_row(
        self, manual_clock: ManualClock
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=230) as emulator:
            emulator.alter = lambda request, payload: {**payload, "page_size": 100}
            with emulator.connect() as audian:
                listing = audian.list()
                assert sorted(each.id for each in listing) == sorted(emulator.list_ids())
            assert (listing.coverage.complete, listing.coverage.expected) == (True, 230)

    @pytest.mark.parametrize("workers", [1, 4])
    def test_a_limit_that_audian_rejects_is_lowered_to_that_of_its_samples(
        self, manual_clock: ManualClock, workers: int
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=230) as emulator:
            genuine = emulator.answer

            def answer_up_to_50(request: Request) -> Reply:
                if int(request.arg("limit") or 0) > 50:
                    return build_error(400, "invalid_request_error", "limit is at most 50")
                return genuine(request)

            emulator.answer = answer_up_to_50  # type: ignore[method-assign]
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as audian:
                for _ in range(2):
                    listing = audian.list()
                    assert sorted(each.id for each in listing) == sorted(emulator.list_ids())
                    assert listing.coverage.complete
            limits = [each.arg("limit") for each in emulator.list_requests()]
            assert limits == ["100", *["50"] * (len(limits) - 1)]

    @pytest.mark.parametrize("message", ["since is invalid", "limit is at most 10"])
    def test_any_other_400_to_a_list_is_an_error(
        self, audian: rec.Provider, emulator: AudianEmulator, message: str
    ) -> None:
        emulator.faults += [build_error(400, "invalid_request_error", message)] * 2
        with pytest.raises(rec.Rejected, match=message):
            list(audian.list())
        assert len(emulator.list_requests()) == (2 if "limit" in message else 1)

    def test_the_limit_of_the_first_page_is_that_of_all_pages(
        self, manual_clock: ManualClock
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=230) as emulator:
            genuine = emulator.answer

            def reject_later_pages(request: Request) -> Reply:
                if request.arg("offset") != "0":
                    return build_error(400, "invalid_request_error", "limit is at most 50")
                return genuine(request)

            emulator.answer = reject_later_pages  # type: ignore[method-assign]
            with emulator.connect() as audian, pytest.raises(rec.Rejected, match="at most 50"):
                list(audian.list())
            assert {each.arg("limit") for each in emulator.list_requests()} == {"100"}

    @pytest.mark.parametrize("changes", [{"total": None}, {"has_more": None}, {"total": 7}])
    def test_a_list_needs_only_total_or_has_more(
        self, manual_clock: ManualClock, changes: dict[str, Any]
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=250) as emulator:
            emulator.alter = lambda request, payload: {
                **payload,
                "pagination": {**payload["pagination"], **changes},
            }
            with emulator.connect() as audian:
                listing = audian.list()
                assert {each.id for each in listing} == set(emulator.list_ids())
            assert listing.coverage.complete

    def test_coverage_names_conferences_as_not_listable(
        self, audian: rec.Provider, call: rec.CommunicationSession
    ) -> None:
        listing = audian.list()
        list(listing)
        (sentence,) = listing.coverage.not_listable
        assert "one conference at a time" in sentence
        narrowed = audian.list(target=call)
        list(narrowed)
        assert narrowed.coverage.not_listable == ()

    def test_a_list_of_one_call_applies_since_locally(
        self, audian: rec.Provider, emulator: AudianEmulator, manual_clock: ManualClock
    ) -> None:
        old = emulator.add(session_id="call_1", ago=2 * DAY)
        new = emulator.add(session_id="call_1", ago=timedelta(hours=1))
        emulator.add(session_id="call_2")
        target = rec.call("call_1")
        listing = audian.list(target=target, since=manual_clock.now() - DAY)
        assert [each.id for each in listing] == [new]
        (request,) = emulator.list_requests()
        assert (request.arg("call_id"), request.arg("since")) == ("call_1", None)
        assert {each.id for each in audian.list(target=target)} == {old, new}

    def test_since_is_sent_38_hours_early(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        zone = timezone(timedelta(hours=2))
        list(audian.list(since=datetime(2026, 1, 9, 13, 0, 0, 5, zone)))
        assert emulator.list_requests()[0].arg("since") == "2026-01-07T21:00:00Z"

    @pytest.mark.parametrize("field", get_args(SinceField))
    @pytest.mark.parametrize("hours", [None, -12, 0, 14])
    def test_no_interpretation_of_since_loses_a_recording(
        self, manual_clock: ManualClock, field: SinceField, hours: int | None
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=90) as emulator:
            emulator.since_field = field
            emulator.since_zone = None if hours is None else timezone(timedelta(hours=hours))
            with emulator.connect() as audian:
                everything = list(audian.list())
                for index in (0, 20, 45, 89):
                    since = everything[index].created_at
                    assert since is not None
                    found = [each.id for each in audian.list(since=since)]
                    expected = [
                        each.id
                        for each in everything
                        if each.created_at and each.created_at >= since
                    ]
                    assert found == expected

    @pytest.mark.parametrize("hours", [-12, -10, 0, 14])
    def test_a_recording_of_24_hours_is_found_if_since_compares_the_start(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        hours: int,
    ) -> None:
        emulator.since_field = "started_at"
        emulator.since_zone = timezone(timedelta(hours=hours))
        id = emulator.add(ago=SECOND, duration=DAY)
        assert [each.id for each in audian.list(since=manual_clock.now() - SECOND)] == [id]

    @pytest.mark.parametrize("workers", [1, 4])
    def test_rows_added_while_paging_cause_no_loss_or_duplicate(
        self, manual_clock: ManualClock, workers: int
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=350) as emulator:
            before, count = set(emulator.list_ids()), iter(range(1000))

            def add_rows(request: Request, payload: Any) -> Any:
                for _ in range(3 if next(count) in (0, 1, 2) else 0):
                    emulator.add(ago=timedelta(0), duration=SECOND)
                return payload

            emulator.alter = add_rows
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as audian:
                listing = audian.list()
                found = [each.id for each in listing]
            assert len(found) == len(set(found)), "some were listed twice"
            assert before <= set(found), f"{len(before - set(found))} were lost"
            assert listing.coverage.complete

    def test_rows_removed_while_paging_cause_no_loss(self, manual_clock: ManualClock) -> None:
        with (
            AudianEmulator(clock=manual_clock, recordings=350) as emulator,
            emulator.connect(http=rec.HttpSettings(workers=1)) as audian,
        ):
            newest_first = [each.id for each in audian.list()]
            gone, count = newest_first[2:7], iter(range(1000))

            def remove_rows(request: Request, payload: Any) -> Any:
                if next(count) == 1:
                    for id in gone:
                        emulator.remove(id)
                return payload

            emulator.alter = remove_rows
            listing = audian.list()
            found = [each.id for each in listing]
        assert len(found) == len(set(found)), "some were listed twice"
        assert set(newest_first) - set(gone) <= set(found), "some were lost"
        assert listing.coverage.complete

    def test_a_running_recording_has_no_created_at_and_is_yielded(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        listing = audian.list(target=call, since=datetime(2020, 1, 1, tzinfo=UTC))
        assert [each.id for each in listing] == [session.id]
        assert listing.coverage.undated == 1


class TestUnreadFields:
    @pytest.mark.parametrize("value", [-1, 2**70, "0000-00-00", "\ud83d", [], True])
    def test_a_recording_with_every_optional_field_unread_is_listed_and_downloaded(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        tmp_path: Path,
        value: Any,
    ) -> None:
        kind = rec.SessionKind.CONFERENCE
        call_id = emulator.add()
        conference_id = emulator.add(kind, session_id=conference.id)
        emulator.alter = lambda request, payload: _replace_optional_fields(payload, value)
        for target, id in ((None, call_id), (conference, conference_id)):
            listing = audian.list(target=target)
            (listed,) = listing
            assert (listed.id, listed.status) == (id, STATUSES.AVAILABLE)
            assert listed.unread_fields
            assert set(listing.coverage.unread_fields) == set(listed.unread_fields)
            assert (listing.coverage.complete, listing.coverage.unreadable) == (True, ())
            recording = audian.get(id, target=target)
            assert (recording.size, recording.duration, recording.created_at) == (None, None, None)
            (copy,) = audian.download(recording, tmp_path)
            assert copy.size > 0

    def test_an_unread_field_of_an_answer_never_fails_a_verb(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        conference: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        emulator.alter = lambda request, payload: _replace_optional_fields(payload, -1)
        for target in (call, conference):
            session = audian.start(target)
            assert session.id is not None
            assert session.status is STATUSES.RECORDING
            manual_clock.advance(2 * SECOND)
            if target is call:
                assert audian.pause(session).status is STATUSES.PAUSED
                assert audian.resume(session).status is STATUSES.RECORDING
            done = audian.wait(audian.stop(session), timeout=MINUTE)
            assert [each.status for each in done.recordings] == [STATUSES.AVAILABLE]

    @pytest.mark.parametrize("value", ["250", -1, [], None, 2**70])
    @pytest.mark.parametrize("recordings", [1, 100, 250])
    def test_an_unread_total_hides_no_row(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        recordings: int,
        value: Any,
    ) -> None:
        for minutes in range(recordings):
            kind = rec.SessionKind.CONFERENCE
            emulator.add(kind, session_id=conference.id, ago=minutes * MINUTE, duration=SECOND)
        emulator.alter = lambda request, payload: {**payload, "total": value, "limit": value}
        listing = audian.list(target=conference)
        if value is None:
            with pytest.raises(rec.MalformedPayload, match="neither"):
                list(listing)
            return
        found = [each.id for each in listing]
        assert sorted(found) == sorted(emulator.conference_recordings[conference.id])
        assert listing.coverage.complete

    def test_a_row_without_a_usable_id_is_named_and_costs_itself_alone(
        self, manual_clock: ManualClock
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=3) as emulator:
            emulator.alter = lambda request, payload: {
                **payload,
                "data": [{**payload["data"][0], "recording_id": "rec\u200b"}, *payload["data"][1:]],
            }
            with emulator.connect() as audian:
                listing = audian.list()
                assert len(list(listing)) == 2
        (sentence,) = listing.coverage.unreadable
        assert "recording_id" in sentence
        assert "\\u200b" in sentence, "the id is escaped"


def _replace_optional_fields(payload: Any, value: Any) -> Any:
    """Replace each field of recordings except ids of recordings and statuses."""
    if isinstance(payload, list):
        return [_replace_optional_fields(each, value) for each in payload]
    if not isinstance(payload, dict) or "error" in payload:
        return payload
    if {"recording_id", "id"}.isdisjoint(payload):
        return {key: _replace_optional_fields(each, value) for key, each in payload.items()}
    kept = ["recording_id", "id", "status"]
    if isinstance(value, str):  # a text is another call or conference
        kept += ["call_id", "conference_id"]
    return {key: each if key in kept else value for key, each in payload.items()}


class TestEvidence:
    """A 404 or 410 counts only if Audian sent it, and a lost start is never reported as failed."""

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
    def test_a_page_of_a_proxy_never_stops_a_recording(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        status: int,
    ) -> None:
        session = audian.start(call)
        emulator.faults.extend([build_page(status)] * 9)
        with pytest.raises(rec.Unavailable, match="proxy or gateway"):
            audian.stop(session)
        emulator.faults.clear()
        assert audian.get(str(session.id)).status in LIVE
        answer_next_post(emulator, build_page(status))
        assert audian.stop(session).status is STATUSES.PROCESSING, "it is sent again"

    @pytest.mark.parametrize("status", [404, 410])
    @pytest.mark.parametrize("code", ["not_found", "unknown_route"])
    def test_a_404_of_every_path_is_not_success(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        status: int,
        code: str,
    ) -> None:
        # In Audian's shape, but the control request fails, too: base_url names another API.
        session = audian.start(call)
        id = str(session.id)
        for send in (lambda: audian.stop(session), lambda: audian.delete(id)):
            emulator.faults.extend([build_error(status, code)] * 40)
            with pytest.raises(rec.Unavailable, match="control request"):
                send()
            emulator.faults.clear()
        assert audian.get(id).status in LIVE

    def test_a_404_of_audian_is_confirmed_by_one_cheap_request(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        answer_next_post(emulator, build_error(404, "not_found", "Call not found"))
        with pytest.raises(rec.NotFound, match="Call not found"):
            audian.stop(session)
        assert list_sent_requests(emulator)[2:] == [
            f"POST calls/{call.id}/record/stop",
            "GET recordings",
            f"GET recordings/{session.id}",
        ]
        control = emulator.list_requests()[3]
        assert (control.arg("limit"), control.arg("offset")) == ("1", "0")

    @pytest.mark.parametrize(
        "answer",
        [{}, [], {"data": []}, {"data": {}}, {"data": None, "pagination": {"total": 0}}, "words"],
    )
    def test_a_control_request_needs_a_list_of_audian(
        self, audian: rec.Provider, emulator: AudianEmulator, answer: Any
    ) -> None:
        for _ in range(4):
            emulator.faults.append(build_error(404, "not_found"))
            emulator.faults.append(Reply.json(answer))
        with pytest.raises(rec.Unavailable, match="control request"):
            audian.delete("rec_1")

    def test_a_deletion_behind_pages_of_a_proxy_is_sent_again(
        self, manual_clock: ManualClock
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=3) as emulator:
            with emulator.connect() as audian:
                id = next(iter(audian.list())).id
                emulator.faults.extend([build_page(504), build_page(404)])
                audian.delete(id)
            assert id not in emulator.list_ids()

    def test_a_deletion_that_only_pages_answered_is_not_success(
        self, manual_clock: ManualClock
    ) -> None:
        with AudianEmulator(clock=manual_clock, recordings=3) as emulator:
            with emulator.connect(http=rec.HttpSettings(retries=1)) as audian:
                id = next(iter(audian.list())).id
                emulator.faults.extend([build_page(504), build_page(404)])
                with pytest.raises(rec.Unavailable):
                    audian.delete(id)
            assert id in emulator.list_ids()

    @pytest.mark.parametrize(
        "reply",
        [
            *[build_page(status) for status in (400, 404, 409, 410, 422, 500, 503)],
            Reply.json({"message": "no Route matched with those values"}, 404),
            Reply.json({"error": "conflict"}, 409),
            Reply.json({"error": "500", "message": "unspecified_fault", "status": "error"}),
            Reply.json({"error": "503", "message": "datastore_fault", "data": {"message": "m"}}),
            Reply.json({"call_id": "call_1", "recording_id": 7, "status": "recording"}),
        ],
        ids=lambda reply: f"{reply.status} {reply.body.decode()[:40]}",
    )
    def test_a_start_that_may_have_happened_is_outcome_unknown(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        conference: rec.CommunicationSession,
        reply: Reply,
    ) -> None:
        for target in (call, conference):
            emulator.faults.append(reply)
            with pytest.raises(rec.OutcomeUnknown) as caught:
                audian.start(target)
            assert caught.value.target == target
        assert len(emulator.list_requests()) == 2, "a start is never repeated"

    @pytest.mark.parametrize(
        ("reply", "error"),
        [
            (build_error(400, "invalid_format"), rec.Rejected),
            (build_error(404, "not_found"), rec.NotFound),
            (build_error(409, "conflict"), rec.Conflict),
            (Reply.json({"error": "404", "message": "m", "status": "error"}), rec.Rejected),
        ],
    )
    def test_a_start_that_audian_rejects_keeps_its_error(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        reply: Reply,
        error: type[rec.ProviderError],
    ) -> None:
        emulator.faults.append(reply)
        with pytest.raises(error):
            audian.start(call)

    def test_a_rejected_download_has_code_and_message(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path
    ) -> None:
        recording = audian.get(emulator.add())
        payload = {"data": {"message": "invalid credentials"}, "error": "401", "request_id": "4c1f"}
        reply = Reply.json({**payload, "message": "unauthorized", "status": "error"}, 401)
        emulator.faults.append(reply)
        with pytest.raises(rec.AuthenticationFailed, match="invalid credentials") as caught:
            audian.download(recording, tmp_path)
        assert (caught.value.code, caught.value.request_id) == ("unauthorized", "4c1f")


class TestMedia:
    @pytest.mark.parametrize("style", ["x-auth-token", "bearer", "exchange"])
    @pytest.mark.parametrize("status", CODES)
    def test_a_redirect_is_followed_without_the_key(
        self, emulator: AudianEmulator, tmp_path: Path, status: int, style: str
    ) -> None:
        emulator.redirect_status = status
        call_recording = emulator.add()
        conference = emulator.sessions[1]
        conference_recording = emulator.add(rec.SessionKind.CONFERENCE, session_id=conference.id)
        with connect_with_style(emulator, style) as audian:
            copies = audian.download(call_recording, tmp_path)
            copies += audian.download(conference_recording, tmp_path, target=conference)
        assert len(copies) == 2
        requests = [each for each in emulator.list_requests() if each.path.endswith("/download")]
        assert len(requests) == 2
        for request in requests:
            assert request.header("x-auth-token") or request.header("authorization")
        media_requests = emulator.list_requests("media")
        assert len(media_requests) == 2
        for request in media_requests:
            assert {"x-auth-token", "authorization", "cookie"}.isdisjoint(request.headers)
            shown = f"{request.path} {request.query} {dict(request.headers)} {request.body!r}"
            assert emulator.credentials["api_key"] not in shown
            assert "eyJ" not in shown

    def test_the_response_to_a_download_may_be_the_file(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path
    ) -> None:
        emulator.redirect_status = None
        (copy,) = audian.download(emulator.add(), tmp_path)
        assert {"framing", "size", "format"} <= set(copy.checks)
        assert emulator.list_requests("media") == []

    def test_a_file_has_the_same_name_from_a_list_and_from_a_get(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add(format="opus")
        (listed,) = audian.list()
        assert listed.format is None, "a list has no format"
        (copy,) = audian.download(listed, tmp_path)
        assert copy.path.suffix == ".opus"
        assert "format" in copy.checks
        assert audian.download(id, tmp_path)[0].path == copy.path
        assert len(list(tmp_path.iterdir())) == 1

    @pytest.mark.parametrize("format", ["wav", "mp3", "opus"])
    def test_each_format_is_downloaded_whole(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path, format: str
    ) -> None:
        (copy,) = audian.download(emulator.add(format=format), tmp_path)
        assert {"framing", "size", "format"} <= set(copy.checks)

    def test_a_valid_checksum_is_compared(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path
    ) -> None:
        recording = audian.get(emulator.add())
        (copy,) = audian.download(recording, tmp_path)
        digest = hashlib.sha256(copy.path.read_bytes()).hexdigest()
        good, bad = (
            evolve(recording, files=(evolve(recording.files[0], checksum=f"sha256:{each}"),))
            for each in (digest, "0" * 64)
        )
        assert "checksum" in audian.download(good, tmp_path)[0].checks
        with pytest.raises(rec.ChecksumMismatch):
            audian.download(bad, tmp_path)

    @pytest.mark.parametrize("status", [404, 409])
    def test_a_download_before_the_media_is_not_ready(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        tmp_path: Path,
        status: int,
    ) -> None:
        emulator.unready_status = status
        session = audian.start(call)
        manual_clock.advance(MINUTE)
        stopped = audian.stop(session)
        with pytest.raises(rec.NotReady, match="processing"):
            audian.download(str(session.id), tmp_path)
        # Also if the row is `completed` before the media exists.
        emulator.alter = lambda request, payload: (
            {**payload, "status": "completed"} if request.method == "GET" else payload
        )
        with pytest.raises(rec.NotReady, match="not stored yet"):
            audian.download(str(stopped.id), tmp_path)

    def test_an_expired_temporary_url_is_requested_again(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        recording = audian.get(emulator.add())
        assert "/recordings/" in str(recording.files[0].url)
        assert emulator.media_origin not in str(recording.files[0].url), "a temporary URL expires"
        audian.download(recording, tmp_path)
        manual_clock.advance(2 * DAY)
        assert audian.download(recording, tmp_path)

    def test_a_download_after_thirty_days_is_not_found(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        recording = audian.get(emulator.add(ago=29 * DAY))
        assert recording.media_expires_at == manual_clock.now() + DAY
        manual_clock.advance(DAY)
        with pytest.raises(rec.NotFound):
            audian.download(recording, tmp_path)


class TestResponses:
    @pytest.mark.parametrize("emulator_assumptions", [[8]])
    @pytest.mark.parametrize("shape", get_args(ErrorShape))
    def test_errors_are_read_in_every_shape(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        shape: ErrorShape,
    ) -> None:
        emulator.error_shape = shape
        with pytest.raises(rec.NotFound) as missing:
            audian.get("rec_none", target=call)
        text = "audian get: Recording not found (recording rec_none, HTTP 404, code not_found"
        assert str(missing.value).startswith(text)
        with pytest.raises(rec.Rejected) as wrong:
            audian.start(call, extra={"format": "flac"})
        text = f"audian start: Recording format is not supported ({call}, HTTP 400, code invalid_"
        assert str(wrong.value).startswith(text)
        audian.start(call)
        with pytest.raises(rec.Conflict) as twice:
            audian.start(call)
        assert (twice.value.code, twice.value.status) == ("conflict", 409)

    @pytest.mark.parametrize("envelope", get_args(Envelope))
    def test_every_operation_reads_every_envelope(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
        envelope: Envelope,
    ) -> None:
        emulator.envelope = envelope
        for target in emulator.sessions:
            session = audian.start(target)
            manual_clock.advance(2 * SECOND)
            if target.kind is rec.SessionKind.CALL:
                session = audian.resume(audian.pause(session))
            done = audian.wait(audian.stop(session), timeout=MINUTE)
            (recording,) = done.recordings
            assert (recording.id, recording.target) == (session.id, target)
            assert audian.download(recording, tmp_path)
            audian.delete(recording)

    @pytest.mark.parametrize(
        ("payload", "kind"),
        [
            ({"success": False, "error": {"code": "x", "message": "gone"}}, rec.MalformedPayload),
            (
                {"status": "error", "error": "404", "data": {"message": "gone"}, "message": "no"},
                rec.Rejected,
            ),
        ],
    )
    def test_an_error_body_in_a_200_is_an_error(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        payload: dict[str, Any],
        kind: type[rec.ProviderError],
    ) -> None:
        for send in (lambda: audian.get("some-id"), lambda: list(audian.list())):
            emulator.faults.append(Reply.json(payload))
            # The class follows from the HTTP status, which is 200.
            with pytest.raises(kind, match="gone"):
                send()
        # What is not in the vendor's shape does not show that nothing was started.
        emulator.faults.append(Reply.json(payload))
        is_refusal = kind is rec.Rejected
        with pytest.raises(kind if is_refusal else rec.OutcomeUnknown, match="gone"):
            audian.start(emulator.sessions[0])

    @pytest.mark.parametrize("status", [500, 503])
    def test_a_server_error_in_a_200_is_unavailable(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        manual_clock: ManualClock,
        status: int,
    ) -> None:
        session = audian.start(call)
        manual_clock.advance(2 * SECOND)
        emulator.hides_server_errors = True
        fault = emulator.build_error(status)
        assert fault.status == 200
        for send in (
            lambda: list(audian.list()),
            lambda: audian.get(str(session.id)),
            lambda: audian.pause(session),
            lambda: audian.resume(session),
            lambda: audian.stop(session),
            lambda: audian.delete(str(session.id)),
        ):
            emulator.faults += [fault] * 9
            with pytest.raises(rec.Unavailable) as caught:
                send()
            assert (caught.value.status, caught.value.code) == (200, str(status))
            emulator.faults.clear()
        session = audian.stop(session)
        emulator.faults.append(fault)
        assert audian.wait(session, timeout=MINUTE).status is STATUSES.AVAILABLE

    def test_a_token_in_a_response_is_masked(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        id = emulator.add()
        emulator.alter = lambda request, payload: {**payload, "auth_token": "canary-token"}
        recording = audian.get(id)
        assert recording.raw["auth_token"] == "***"
        assert "canary" not in f"{recording!r} {rec.dumps(recording)}"


def test_a_quota_429_at_a_download_is_not_retried(tmp_path: Path) -> None:
    with AudianEmulator() as emulator, emulator.connect() as audian:
        recording = audian.get(emulator.add())
        emulator.journal.clear()
        full = {"error": "quota_exceeded", "message": "Recording storage quota exceeded"}
        emulator.faults.extend([Reply.json({**full, "code": 429}, 429)] * 9)
        with pytest.raises(rec.QuotaExceeded) as caught:
            audian.download(recording, tmp_path)
        assert caught.value.code == "quota_exceeded"
        assert len(emulator.list_requests()) == 1


@pytest.mark.parametrize("error", ["not_found", "500", {"code": "invalid_request_error"}])
def test_an_error_in_a_2xx_is_not_success(error: object, manual_clock: ManualClock) -> None:
    with AudianEmulator(clock=manual_clock) as emulator, emulator.connect() as audian:
        recording_id = emulator.add()
        # A server error is sent again.
        emulator.faults += [Reply.json({"error": error, "message": "no"})] * 9
        with pytest.raises(rec.ProviderError):
            audian.delete(recording_id)
