"""What is Audian sent, and what is made of its answers? Asked of the emulator, over HTTP.

What the library promises of every provider is in the conformance suite; here is what is Audian's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args

import pytest
from attrs import evolve

import recording_core as rec
from recording_audian.emulated_answers import Envelope, ErrorShape
from recording_audian.emulated_listing import SinceReads
from recording_audian.emulator import AudianEmulator
from recording_core.plugin import LIVE
from recording_core.testing import ManualClock, Reply, Request

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
CODES = (301, 302, 303, 307, 308)
STATUSES = rec.RecordingStatus


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[AudianEmulator]:
    with AudianEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def audian(emulator: AudianEmulator) -> Iterator[rec.Provider]:
    with emulator.connect() as provider:
        yield provider


@pytest.fixture
def call(emulator: AudianEmulator) -> rec.CommunicationSession:
    """The live call."""
    return emulator.sessions[0]


@pytest.fixture
def conference(emulator: AudianEmulator) -> rec.CommunicationSession:
    """The live conference."""
    return emulator.sessions[1]


def signing_in_by(emulator: AudianEmulator, style: str) -> rec.Provider:
    emulator.credentials["auth_style"] = style
    return emulator.connect()


def sent(emulator: AudianEmulator) -> list[str]:
    """Each request as `POST calls/x/record/start`: its method, and its path below the base URL."""
    return [f"{each.method} {each.path.removeprefix('/v2/')}" for each in emulator.requests()]


@contextmanager
def silence(emulator: AudianEmulator) -> Iterator[None]:
    """Inside, nothing is sent."""
    before = len(emulator.journal)
    yield
    assert emulator.journal[before:] == []


class TestSigningIn:
    def test_the_key_goes_into_x_auth_token(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        list(audian.list())
        (request,) = emulator.requests()
        assert request.header("x-auth-token") == emulator.credentials["api_key"]
        assert request.header("authorization") is None
        assert request.header("accept") == "application/json"

    def test_or_it_goes_into_authorization(self, emulator: AudianEmulator) -> None:
        with signing_in_by(emulator, "bearer") as audian:
            list(audian.list())
        (request,) = emulator.requests()
        assert request.header("authorization") == f"Bearer {emulator.credentials['api_key']}"
        assert request.header("x-auth-token") is None

    def test_or_it_is_exchanged_for_a_token(self, emulator: AudianEmulator) -> None:
        emulator.exchange_only = True
        with signing_in_by(emulator, "exchange") as audian:
            list(audian.list())
            list(audian.list())
        assert sent(emulator) == ["PUT api_auth", "GET recordings", "GET recordings"]
        sign_in, *others = emulator.requests()
        key = emulator.credentials["api_key"]
        assert sign_in.json() == {"data": {"api_key": key}}
        for name in ("x-auth-token", "authorization"):
            assert sign_in.header(name) is None
        for request in others:
            assert str(request.header("x-auth-token")).startswith("eyJ")
            assert key not in str(request)

    def test_a_token_that_ended_is_renewed_once_whatever_was_asked(
        self,
        emulator: AudianEmulator,
        clock: ManualClock,
        call: rec.CommunicationSession,
        tmp_path: Path,
    ) -> None:
        emulator.exchange_only = True
        id = emulator.add()
        with signing_in_by(emulator, "exchange") as audian:
            recording = audian.get(id)
            path = f"calls/{call.id}/record/start"
            clock.advance(emulator.token_lifetime)
            before = len(emulator.journal)
            session = audian.start(call)  # refused at the door, it is no second start
            assert sent(emulator)[before:] == [f"POST {path}", "PUT api_auth", f"POST {path}"]
            clock.advance(emulator.token_lifetime)
            assert audian.stop(session).status is STATUSES.PROCESSING
            clock.advance(emulator.token_lifetime)
            before = len(emulator.journal)
            assert audian.download(recording, tmp_path)
            media = f"GET recordings/{id}/download"
            assert sent(emulator)[-3:] == [media, "PUT api_auth", media]

    @pytest.mark.parametrize("style", ["x-auth-token", "bearer", "exchange"])
    def test_a_key_that_is_none_says_so(self, emulator: AudianEmulator, style: str) -> None:
        credentials: dict[str, Any] = {"api_key": "wrong-key-of-nobody", "auth_style": style}
        with (
            rec.connect("audian", base_url=emulator.base_url, **credentials) as audian,
            pytest.raises(rec.AuthenticationFailed, match="invalid"),
        ):
            list(audian.list())
        assert len(emulator.requests()) == 1, "a key does not get better by trying"

    def test_where_the_key_alone_opens_nothing_that_is_said(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        emulator.exchange_only = True
        with pytest.raises(rec.AuthenticationFailed):
            list(audian.list())

    @pytest.mark.parametrize("style", ["", "X-Auth-Token", "basic", "exchanged"])
    def test_another_style_is_a_configuration_error_at_connect(
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
    def test_a_sign_in_without_a_token_leaves_no_doubt_about_a_start(
        self, emulator: AudianEmulator, call: rec.CommunicationSession, answer: Any
    ) -> None:
        with signing_in_by(emulator, "exchange") as audian:
            emulator.faults.append(Reply.json(answer))
            with pytest.raises(rec.MalformedPayload, match=r"audian sign in: .*token"):
                audian.start(call)
        assert sent(emulator) == ["PUT api_auth"]

    def test_a_token_shows_nowhere(
        self, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        emulator.envelope = "data"  # which repeats the token
        emulator.error_shape = "kazoo"  # and so does this
        with signing_in_by(emulator, "exchange") as audian:
            session = audian.start(call)
            token = str(emulator.requests()[-1].header("x-auth-token"))
            with pytest.raises(rec.NotFound) as missing:
                audian.get("nobody", target=call)
            emulator.faults.append(Reply.json({"message": f"bad token {token}"}, 400))
            with pytest.raises(rec.Rejected) as bad:
                audian.get("nobody", target=call)
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
            (
                {"extra": {"bitrate": 96, "sample_rate": 8000}},
                {"bitrate": 96, "sample_rate": 8000},
            ),
            (
                {"extra": {"announce": True, "announcement": "This call is being recorded"}},
                {"announce": True, "announcement": "This call is being recorded"},
            ),
            ({"format": "mp3", "extra": {"format": "wav"}}, {"format": "wav"}),
        ],
    )
    def test_a_call_is_told_in_the_words_of_its_page(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        clock: ManualClock,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        session = audian.start(call, **keywords)
        assert sent(emulator) == [f"POST calls/{call.id}/record/start"]
        assert emulator.requests()[0].json() == body
        assert session.id in emulator.listed()
        assert (session.target, session.status) == (call, STATUSES.RECORDING)
        assert session.started_at == clock.now()

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
    def test_a_conference_is_told_in_the_words_of_its_page(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        clock: ManualClock,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        session = audian.start(conference, **keywords)
        assert sent(emulator) == [f"POST conferences/{conference.id}/recording/start"]
        assert emulator.requests()[0].json() == body
        assert (session.target, session.status) == (conference, STATUSES.RECORDING)
        assert session.started_at == clock.now()

    @pytest.mark.parametrize(
        ("kind", "keywords"),
        [
            ("call", {"title": "x"}),
            ("call", {"participant": "alice"}),
            ("call", {"participant": ["caller", "callee"]}),
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
    def test_what_the_vendor_cannot_be_told_raises_before_any_request(
        self, audian: rec.Provider, emulator: AudianEmulator, kind: str, keywords: dict[str, Any]
    ) -> None:
        target = next(each for each in emulator.sessions if each.kind == kind)
        with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="Audian"):
            audian.start(target, **keywords)

    def test_a_conference_cannot_be_paused_nor_a_meeting_recorded(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
    ) -> None:
        session = audian.start(conference)
        for ask in (
            lambda: audian.pause(session),
            lambda: audian.resume(session),
            lambda: audian.start(rec.meeting("x")),
            lambda: audian.list(target=rec.meeting("x")),
            lambda: audian.active(conference),
        ):
            with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="Audian"):
                ask()

    @pytest.mark.parametrize("shape", get_args(ErrorShape))
    def test_a_full_storage_is_a_quota_and_never_tried_again(
        self, audian: rec.Provider, emulator: AudianEmulator, shape: ErrorShape
    ) -> None:
        emulator.quota_exceeded, emulator.error_shape = True, shape
        for number, target in enumerate(emulator.sessions, 1):
            with pytest.raises(rec.QuotaExceeded, match="storage quota exceeded") as caught:
                audian.start(target)
            assert (caught.value.status, caught.value.code) == (429, "quota_exceeded")
            assert len(emulator.requests()) == number

    def test_a_read_that_meets_the_quota_is_not_tried_again_and_the_rates_429_is(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        emulator.faults.append(Reply.json({"error": "quota_exceeded", "code": 429}, 429))
        with pytest.raises(rec.QuotaExceeded):
            list(audian.list())
        assert len(emulator.requests()) == 1
        emulator.faults.append(Reply.json({"error": "rate_limited", "code": 429}, 429))
        assert list(audian.list()) == []
        assert len(emulator.requests()) == 3

    def test_ids_are_quoted(self, audian: rec.Provider, emulator: AudianEmulator) -> None:
        strange = "a/b?c d"
        for ask in (
            lambda: audian.start(rec.call(strange)),
            lambda: audian.start(rec.conference(strange)),
            lambda: audian.get(strange, target=rec.conference(strange)),
            lambda: audian.delete(strange),
        ):
            with pytest.raises(rec.NotFound):
                ask()
        quoted = "a%2Fb%3Fc%20d"
        assert sent(emulator) == [
            f"POST calls/{quoted}/record/start",
            f"POST conferences/{quoted}/recording/start",
            f"GET conferences/{quoted}/recordings/{quoted}",
            f"DELETE recordings/{quoted}",
        ]


class TestPauseResumeStop:
    def test_a_calls_stop_is_not_its_end_yet(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        session = audian.start(call)
        clock.advance(MINUTE)
        stopped = audian.stop(session)
        assert (stopped.status, stopped.provider_status) == (STATUSES.PROCESSING, "stopped")
        assert (stopped.stopped_at, stopped.recordings) == (clock.now(), ())
        assert stopped.started_at == session.started_at, "the answer does not repeat it"
        done = audian.wait(stopped, timeout=MINUTE)
        assert [one.status for one in done.recordings] == [STATUSES.AVAILABLE]
        assert done.started_at == session.started_at

    def test_a_conferences_stop_brings_the_recording(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        session = audian.start(conference, title="Standup")
        clock.advance(MINUTE)
        stopped = audian.stop(session)
        (recording,) = stopped.recordings
        assert (stopped.status, stopped.provider_status) == (STATUSES.AVAILABLE, "completed")
        assert (recording.title, recording.duration) == ("Standup", MINUTE)
        assert recording.target == conference
        before = len(emulator.requests())
        assert audian.download(recording, tmp_path)
        assert len(emulator.requests()) == before + 1, "nothing was asked but the media"

    @pytest.mark.parametrize("status", [409, 400, 404, 422])
    def test_what_holds_already_is_success_however_the_vendor_refuses_it(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        clock: ManualClock,
        status: int,
    ) -> None:
        emulator.conflict_status = status
        session = audian.start(call)
        clock.advance(2 * SECOND)
        for verb, wanted in ((audian.pause, STATUSES.PAUSED), (audian.resume, STATUSES.RECORDING)):
            once = verb(session)
            assert once.status is wanted
            clock.advance(SECOND)
            session = verb(once)
            assert session == once
            assert sent(emulator)[-1] == f"GET recordings/{session.id}"
        with emulator.connect() as elsewhere:
            elsewhere.stop(session)
        assert audian.stop(session).status is STATUSES.PROCESSING
        clock.advance(MINUTE)
        stopped = audian.stop(session)
        assert stopped.status is STATUSES.AVAILABLE
        assert [one.id for one in stopped.recordings] == [session.id]

    @pytest.mark.parametrize("status", [409, 400, 404])
    def test_what_is_really_refused_is_an_error(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        status: int,
    ) -> None:
        session = audian.start(call)  # for a second it is only `initiated`
        emulator.conflict_status = status
        with pytest.raises(rec.ProviderError, match="The recording is initiated"):
            audian.pause(session)
        emulator.hang_up(call)
        for verb in (audian.pause, audian.resume):
            with pytest.raises(rec.NotFound, match="Active recording not found"):
                verb(session)

    def test_a_refused_stop_of_what_may_still_record_is_an_error(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        for word in ("recording", "winding-down"):
            emulator.faults.append(Reply.json({"error": "conflict"}, 409))
            emulator.alter = lambda request, payload, word=word: {**payload, "status": word}
            with pytest.raises(rec.Conflict):
                audian.stop(session)

    def test_what_stopped_is_not_stopped_again_since_another_may_have_begun(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        # A stop names its call alone, and would end whatever is recorded there.
        first = audian.stop(audian.start(call))
        clock.advance(MINUTE)
        second = audian.start(call)
        with silence(emulator):
            assert audian.stop(first) == first
        clock.advance(MINUTE)
        assert audian.get(str(second.id)).status is STATUSES.RECORDING

    def test_an_answer_about_another_recording_is_no_answer(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        emulator.alter = lambda request, payload: (
            {**payload, "recording_id": "rec_other"} if request.method == "POST" else payload
        )
        assert audian.stop(session).id == session.id, "its own was looked up"
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
    def test_whatever_a_2xx_says_the_verb_was_accepted(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        answer: Reply,
    ) -> None:
        session = audian.start(call)
        for verb, wanted in (
            (audian.pause, STATUSES.PAUSED),
            (audian.resume, STATUSES.RECORDING),
            (audian.stop, STATUSES.PROCESSING),
        ):
            emulator.faults.append(answer)
            after = verb(session)
            assert (after.status, after.id) == (wanted, session.id)
            assert after.started_at == session.started_at

    def test_a_2xx_that_says_otherwise_is_believed(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        emulator.faults.append(Reply.json({"status": "failed"}))
        assert audian.pause(session).status is STATUSES.FAILED

    def test_what_cannot_be_read_is_looked_up_and_never_taken_for_a_pause(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        # Whoever pauses is about to read out a card number.
        session = audian.start(call)
        clock.advance(2 * SECOND)
        page = Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})
        emulator.faults.append(page)
        with pytest.raises(rec.MalformedPayload, match="text/html"):
            audian.pause(session)
        audian.pause(session)
        emulator.faults.append(page)
        assert audian.pause(session).status is STATUSES.PAUSED

    def test_a_session_without_an_id_is_that_of_its_call(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        clock: ManualClock,
        call: rec.CommunicationSession,
        conference: rec.CommunicationSession,
    ) -> None:
        for target in (call, conference):
            unnamed = rec.RecordingSession("audian", "default", None, target)
            assert audian.stop(unnamed).status is STATUSES.PROCESSING, "nothing was recorded at all"
            started = audian.start(target)
            clock.advance(2 * SECOND)
            stopped = audian.stop(unnamed)
            assert (stopped.id, stopped.target) == (started.id, target)
            assert audian.stop(unnamed).id == started.id
            done = audian.wait(stopped, timeout=MINUTE)
            assert [each.id for each in done.recordings] == [started.id]

    def test_without_an_id_what_records_counts_and_not_what_ended(
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
        emulator.faults.append(Reply.json({"error": "conflict"}, 409))
        with pytest.raises(rec.Conflict):
            audian.stop(rec.RecordingSession("audian", "default", None, call))
        assert audian.get(str(running)).status in LIVE

    def test_a_stop_of_what_is_long_gone_is_success(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        emulator.remove(str(session.id))
        emulator.hang_up(call)
        assert audian.stop(session).status is STATUSES.PROCESSING


class TestGetAndDelete:
    def test_a_conferences_recording_needs_its_conference_and_the_404_says_so(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        tmp_path: Path,
    ) -> None:
        id = emulator.add(rec.SessionKind.CONFERENCE, session_id=conference.id)
        for ask in (
            lambda: audian.get(id),
            lambda: audian.delete(id),
            lambda: audian.download(id, tmp_path),
        ):
            with pytest.raises(rec.NotFound, match=r"Recording not found; .*target=conference\("):
                ask()
        recording = audian.get(id, target=conference)
        assert recording.target == conference
        (copy,) = audian.download(id, tmp_path, target=conference)
        assert copy.recording_id == id
        audian.delete(id, target=conference)
        with pytest.raises(rec.NotFound) as caught:
            audian.delete(recording)
        assert "target=" not in str(caught.value)

    def test_a_listed_recording_of_a_conference_needs_nothing_more(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        conference: rec.CommunicationSession,
        tmp_path: Path,
    ) -> None:
        emulator.add(rec.SessionKind.CONFERENCE, session_id=conference.id)
        emulator.alter = lambda request, payload: (
            {**payload, "recordings": [_without_parent(row) for row in payload["recordings"]]}
            if "recordings" in payload
            else payload
        )
        (recording,) = audian.list(target=conference)
        assert recording.target == conference, "it is that of the question, where no row names it"
        assert audian.get(recording).id == recording.id
        assert audian.download(recording, tmp_path)
        audian.delete(recording)
        assert list(audian.list(target=conference)) == []

    @pytest.mark.parametrize("answer", [Reply(204), Reply(200), Reply.json({}), Reply(202)])
    def test_whatever_a_deletion_answers_a_2xx_is_success(
        self, audian: rec.Provider, emulator: AudianEmulator, answer: Reply
    ) -> None:
        emulator.faults.append(answer)
        audian.delete("rec_abc123")


def _without_parent(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "conference_id"}


class TestList:
    @pytest.mark.parametrize("envelope", get_args(Envelope))
    @pytest.mark.parametrize("recordings", [0, 1, 99, 100, 101, 250])
    def test_every_row_of_calls_comes_once(
        self, clock: ManualClock, recordings: int, envelope: Envelope
    ) -> None:
        with AudianEmulator(clock=clock, recordings=recordings) as emulator:
            emulator.envelope = envelope
            with emulator.connect() as audian:
                listing = audian.list()
                found = [each.id for each in listing]
            assert sorted(found) == sorted(emulator.listed())
            coverage = listing.coverage
            assert (coverage.complete, coverage.expected) == (True, recordings)
            # Of each page after the first one row is the last one of the page before.
            pages = 1 + max(0, -(-(recordings - 100) // 99))
            assert len(emulator.requests()) == pages
            assert [each.arg("limit") for each in emulator.requests()][:1] == ["100"]
            assert {each.arg("since") for each in emulator.requests()} == {None}

    @pytest.mark.parametrize("envelope", get_args(Envelope))
    @pytest.mark.parametrize("recordings", [0, 1, 100, 101, 250])
    def test_every_row_of_a_conference_comes_once(
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

    @pytest.mark.parametrize("held", [1, 7, 50])
    @pytest.mark.parametrize("said", [True, False])
    def test_a_page_may_hold_fewer_rows_than_were_asked_for(
        self, clock: ManualClock, held: int, said: bool
    ) -> None:
        with AudianEmulator(clock=clock, recordings=61) as emulator:
            answer = emulator.answer

            def short(request: Request) -> Reply:
                query = dict(request.query)
                query["limit"] = str(held)
                return answer(evolve(request, query=tuple(query.items())))

            emulator.answer = short  # type: ignore[method-assign]
            if not said:
                emulator.alter = lambda request, payload: {
                    **payload,
                    "pagination": {**payload["pagination"], "limit": 100},
                }
            with emulator.connect() as audian:
                listing = audian.list()
                found = [each.id for each in listing]
            assert sorted(found) == sorted(emulator.listed())
            assert listing.coverage.complete
            assert listing.coverage.duplicates == 0

    @pytest.mark.parametrize("said", [{"total": None}, {"has_more": None}, {"total": 7}])
    def test_either_word_on_how_many_there_are_is_enough(
        self, clock: ManualClock, said: dict[str, Any]
    ) -> None:
        with AudianEmulator(clock=clock, recordings=250) as emulator:
            emulator.alter = lambda request, payload: {
                **payload,
                "pagination": {**payload["pagination"], **said},
            }
            with emulator.connect() as audian:
                listing = audian.list()
                assert {each.id for each in listing} == set(emulator.listed())
            assert listing.coverage.complete

    def test_what_cannot_be_seen_is_said(
        self, audian: rec.Provider, call: rec.CommunicationSession
    ) -> None:
        listing = audian.list()
        list(listing)
        (blind,) = listing.coverage.not_listable
        assert "conference" in blind
        assert "target=" in blind
        narrowed = audian.list(target=call)
        list(narrowed)
        assert narrowed.coverage.not_listable == ()

    def test_a_call_is_asked_for_alone_and_the_time_is_decided_here(
        self, audian: rec.Provider, emulator: AudianEmulator, clock: ManualClock
    ) -> None:
        old = emulator.add(session_id="call_1", ago=2 * DAY)
        new = emulator.add(session_id="call_1", ago=timedelta(hours=1))
        emulator.add(session_id="call_2")
        target = rec.call("call_1")
        listing = audian.list(target=target, since=clock.now() - DAY)
        assert [each.id for each in listing] == [new]
        (request,) = emulator.requests()
        assert (request.arg("call_id"), request.arg("since")) == ("call_1", None)
        assert {each.id for each in audian.list(target=target)} == {old, new}

    def test_since_is_sent_25_hours_early(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        zone = timezone(timedelta(hours=2))
        list(audian.list(since=datetime(2026, 1, 9, 13, 0, 0, 5, zone)))
        assert emulator.requests()[0].arg("since") == "2026-01-08T10:00:00Z"

    @pytest.mark.parametrize("reads", get_args(SinceReads))
    @pytest.mark.parametrize("hours", [None, -12, 0, 14])
    def test_no_reading_of_since_loses_a_recording(
        self, clock: ManualClock, reads: SinceReads, hours: int | None
    ) -> None:
        with AudianEmulator(clock=clock, recordings=90) as emulator:
            emulator.since_reads = reads
            emulator.since_zone = None if hours is None else timezone(timedelta(hours=hours))
            with emulator.connect() as audian:
                everything = list(audian.list())
                for index in (0, 20, 45, 89):
                    since = everything[index].created_at
                    assert since is not None
                    found = [each.id for each in audian.list(since=since)]
                    wanted = [
                        each.id
                        for each in everything
                        if each.created_at and each.created_at >= since
                    ]
                    assert found == wanted

    def test_a_call_of_24_hours_is_found_by_its_end_where_since_reads_its_start(
        self, audian: rec.Provider, emulator: AudianEmulator, clock: ManualClock
    ) -> None:
        emulator.since_reads = "started_at"
        id = emulator.add(ago=SECOND, duration=DAY)
        assert [each.id for each in audian.list(since=clock.now() - SECOND)] == [id]

    @pytest.mark.parametrize("workers", [1, 4])
    def test_rows_that_arrive_while_paging_lose_and_double_none(
        self, clock: ManualClock, workers: int
    ) -> None:
        with AudianEmulator(clock=clock, recordings=350) as emulator:
            before, count = set(emulator.listed()), iter(range(1000))

            def arriving(request: Request, payload: Any) -> Any:
                for _ in range(3 if next(count) in (0, 1, 2) else 0):
                    emulator.add(ago=timedelta(0), duration=SECOND)
                return payload

            emulator.alter = arriving
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as audian:
                listing = audian.list()
                found = [each.id for each in listing]
            assert len(found) == len(set(found)), "some came twice"
            assert before <= set(found), f"{len(before - set(found))} were lost"
            assert listing.coverage.complete

    def test_rows_that_vanish_while_paging_cost_no_other(self, clock: ManualClock) -> None:
        with (
            AudianEmulator(clock=clock, recordings=350) as emulator,
            emulator.connect(http=rec.HttpSettings(workers=1)) as audian,
        ):
            newest_first = [each.id for each in audian.list()]
            gone, count = newest_first[2:7], iter(range(1000))

            def vanishing(request: Request, payload: Any) -> Any:
                if next(count) == 1:
                    for id in gone:
                        emulator.remove(id)
                return payload

            emulator.alter = vanishing
            listing = audian.list()
            found = [each.id for each in listing]
        assert len(found) == len(set(found)), "some came twice"
        assert set(newest_first) - set(gone) <= set(found), "some were lost"
        assert listing.coverage.complete

    def test_what_still_runs_has_no_time_and_is_yielded_all_the_same(
        self, audian: rec.Provider, emulator: AudianEmulator, call: rec.CommunicationSession
    ) -> None:
        session = audian.start(call)
        listing = audian.list(target=call, since=datetime(2020, 1, 1, tzinfo=UTC))
        assert [each.id for each in listing] == [session.id]
        assert listing.coverage.undated == 1


class TestMedia:
    @pytest.mark.parametrize("style", ["x-auth-token", "bearer", "exchange"])
    @pytest.mark.parametrize("status", CODES)
    def test_the_redirect_is_followed_without_the_key(
        self, emulator: AudianEmulator, tmp_path: Path, status: int, style: str
    ) -> None:
        emulator.redirect_status = status
        of_a_call = emulator.add()
        conference = emulator.sessions[1]
        other = emulator.add(rec.SessionKind.CONFERENCE, session_id=conference.id)
        with signing_in_by(emulator, style) as audian:
            copies = audian.download(of_a_call, tmp_path)
            copies += audian.download(other, tmp_path, target=conference)
        assert len(copies) == 2
        signed = [each for each in emulator.requests() if each.path.endswith("/download")]
        assert len(signed) == 2
        for request in signed:
            assert request.header("x-auth-token") or request.header("authorization")
        visits = emulator.requests("media")
        assert len(visits) == 2
        for request in visits:
            assert {"x-auth-token", "authorization", "cookie"}.isdisjoint(request.headers)
            shown = f"{request.path} {request.query} {dict(request.headers)} {request.body!r}"
            assert emulator.credentials["api_key"] not in shown
            assert "eyJ" not in shown

    def test_the_answer_may_be_the_file_itself(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path
    ) -> None:
        emulator.redirect_status = None
        (copy,) = audian.download(emulator.add(), tmp_path)
        assert {"framing", "size", "format"} <= set(copy.checks)
        assert emulator.requests("media") == []

    def test_a_file_has_one_name_whether_it_was_listed_or_got(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add(format="opus")
        (listed,) = audian.list()
        assert listed.format is None, "a list names no format"
        (copy,) = audian.download(listed, tmp_path)
        assert copy.path.suffix == ".opus"
        assert "format" in copy.checks
        assert audian.download(id, tmp_path)[0].path == copy.path
        assert len(list(tmp_path.iterdir())) == 1

    @pytest.mark.parametrize("format", ["wav", "mp3", "opus"])
    def test_each_format_is_copied_whole(
        self, audian: rec.Provider, emulator: AudianEmulator, tmp_path: Path, format: str
    ) -> None:
        (copy,) = audian.download(emulator.add(format=format), tmp_path)
        assert {"framing", "size", "format"} <= set(copy.checks)

    def test_a_good_checksum_is_checked(
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
    def test_what_is_not_ready_says_so(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        clock: ManualClock,
        tmp_path: Path,
        status: int,
    ) -> None:
        emulator.unready_status = status
        session = audian.start(call)
        clock.advance(MINUTE)
        stopped = audian.stop(session)
        with pytest.raises(rec.NotReady, match="processing"):
            audian.download(str(session.id), tmp_path)
        # Also where the row is ahead of the media.
        emulator.alter = lambda request, payload: (
            {**payload, "status": "completed"} if request.method == "GET" else payload
        )
        with pytest.raises(rec.NotReady, match="not stored yet"):
            audian.download(str(stopped.id), tmp_path)

    def test_a_temporary_link_that_ended_is_asked_for_anew(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        recording = audian.get(emulator.add())
        assert "/recordings/" in str(recording.files[0].url)
        assert emulator.media_origin not in str(recording.files[0].url), "which would not last"
        audian.download(recording, tmp_path)
        clock.advance(2 * DAY)
        assert audian.download(recording, tmp_path)

    def test_after_thirty_days_it_is_gone(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        recording = audian.get(emulator.add(ago=29 * DAY))
        assert recording.media_expires_at == clock.now() + DAY
        clock.advance(DAY)
        with pytest.raises(rec.NotFound):
            audian.download(recording, tmp_path)


class TestAnswers:
    @pytest.mark.parametrize("shape", get_args(ErrorShape))
    def test_errors_are_read_in_each_of_their_shapes(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        call: rec.CommunicationSession,
        shape: ErrorShape,
    ) -> None:
        emulator.error_shape = shape
        with pytest.raises(rec.NotFound) as missing:
            audian.get("rec_nobody", target=call)
        text = "audian get: Recording not found (HTTP 404, code not_found"
        assert str(missing.value).startswith(text)
        with pytest.raises(rec.Rejected) as wrong:
            audian.start(call, format="flac")
        text = "audian start: Recording format is not supported (HTTP 400, code invalid_format"
        assert str(wrong.value).startswith(text)
        audian.start(call)
        with pytest.raises(rec.Conflict) as twice:
            audian.start(call)
        assert (twice.value.code, twice.value.status) == ("conflict", 409)

    @pytest.mark.parametrize("envelope", get_args(Envelope))
    def test_every_verb_bears_every_envelope(
        self,
        audian: rec.Provider,
        emulator: AudianEmulator,
        clock: ManualClock,
        tmp_path: Path,
        envelope: Envelope,
    ) -> None:
        emulator.envelope = envelope
        for target in emulator.sessions:
            session = audian.start(target)
            clock.advance(2 * SECOND)
            if target.kind is rec.SessionKind.CALL:
                session = audian.resume(audian.pause(session))
            done = audian.wait(audian.stop(session), timeout=MINUTE)
            (recording,) = done.recordings
            assert (recording.id, recording.target) == (session.id, target)
            assert audian.download(recording, tmp_path)
            audian.delete(recording)

    @pytest.mark.parametrize(
        "payload",
        [
            {"success": False, "error": {"code": "not_found", "message": "gone"}},
            {"status": "error", "error": "404", "data": {"message": "gone"}, "message": "no"},
        ],
    )
    def test_a_200_that_says_it_failed_is_an_error(
        self, audian: rec.Provider, emulator: AudianEmulator, payload: dict[str, Any]
    ) -> None:
        for ask in (lambda: audian.get("some-id"), lambda: list(audian.list())):
            emulator.faults.append(Reply.json(payload))
            # Its class is told by HTTP alone.
            with pytest.raises(rec.Rejected, match="gone"):
                ask()

    def test_the_token_that_an_answer_repeats_is_masked(
        self, audian: rec.Provider, emulator: AudianEmulator
    ) -> None:
        id = emulator.add()
        emulator.alter = lambda request, payload: {**payload, "auth_token": "canary-token"}
        recording = audian.get(id)
        assert recording.raw["auth_token"] == "***"
        assert "canary" not in f"{recording!r} {rec.dumps(recording)}"


def test_a_quota_at_the_download_is_no_rate_and_is_asked_once(tmp_path: Path) -> None:
    with AudianEmulator() as emulator, emulator.connect() as audian:
        recording = audian.get(emulator.add())
        emulator.journal.clear()
        full = {"error": "quota_exceeded", "message": "Recording storage quota exceeded"}
        emulator.faults.extend([Reply.json({**full, "code": 429}, 429)] * 9)
        with pytest.raises(rec.QuotaExceeded) as caught:
            audian.download(recording, tmp_path)
        assert caught.value.code == "quota_exceeded"
        assert len(emulator.requests()) == 1


@pytest.mark.parametrize("error", ["not_found", "500", {"code": "invalid_request_error"}])
def test_an_error_in_a_2xx_is_no_success(error: object) -> None:
    with AudianEmulator() as emulator, emulator.connect() as audian:
        recording_id = emulator.add()
        emulator.faults.append(Reply.json({"error": error, "message": "no"}))
        with pytest.raises(rec.ProviderError):
            audian.delete(recording_id)
