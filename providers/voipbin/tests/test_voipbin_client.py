"""Client: the requests to VoIPBin and the results of its responses, against the emulator.

The conformance suite tests the requirements of every provider; these tests are VoIPBin's own.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.testing import ManualClock, Reply, Request, build_recorder
from recording_voipbin import mapping, storage
from recording_voipbin.client import VoIPBin
from recording_voipbin.emulator import VoIPBinEmulator
from recording_voipbin.storage import ListPosition, StorageReader, find_new_rows

CALL, CONFERENCE = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ONE_WORKER = rec.HttpSettings(workers=1, retries=0)
STATUS = rec.RecordingStatus
KINDS = pytest.mark.parametrize("kind", [CALL, CONFERENCE])

pytestmark = pytest.mark.emulator("voipbin")


@pytest.fixture
def voipbin(emulated_provider: rec.Provider) -> rec.Provider:
    return emulated_provider


def find_live(emulator: VoIPBinEmulator, kind: rec.SessionKind) -> rec.CommunicationSession:
    return next(each for each in emulator.sessions if each.kind is kind)


def list_sent_requests(emulator: VoIPBinEmulator) -> list[str]:
    """List requests as `POST calls/*/recording_stop`, without the ids."""
    return [
        f"{each.method} " + "/".join("*" if "-" in part else part for part in each.segments()[1:])
        for each in emulator.list_requests()
    ]


#: Values that no optional field of a row has.
ABSURD: dict[str, Any] = {
    "a negative number": -1731660518,
    "a float": 0.5,
    "a huge number": 2**70,
    "true": True,
    "a list": ["x"],
    "an object": {"x": 1},
}
#: A page of a proxy or gateway.
PAGE = b"<html><h1>Not here</h1><hr>nginx</html>"


def spoil_optional_fields(value: Any) -> Any:
    """Return an `alter` that sets every optional field in the rows of both lists."""

    def alter(request: Request, payload: Any) -> Any:
        required = ("id", "reference_id" if "storage_files" in request.path else "status")
        for row in payload.get("result", [payload]):
            row.update({name: value for name in row if name not in required})
        return payload

    return alter


def build_error(status: int, word: str, reason: str, message: str = "Refused.") -> Reply:
    """Build an error in VoIPBin's shape."""
    error = {"status": word, "reason": reason, "message": message, "request_id": "req_Y"}
    return Reply.json({"error": error}, status)


def reply_to(emulator: VoIPBinEmulator, part: str, reply: Reply) -> None:
    """Send this reply to each request with this part in its path."""
    answer = emulator.answer

    def replace_answer(request: Request) -> Reply:
        return reply if part in request.segments() else answer(request)

    emulator.answer = replace_answer  # type: ignore[method-assign]


def forbid_storage(emulator: VoIPBinEmulator) -> None:
    """Forbid the list of stored files, and each of them."""
    reply_to(emulator, "storage_files", build_error(403, "PERMISSION_DENIED", "PERMISSION_DENIED"))


def refuse_files(emulator: VoIPBinEmulator) -> None:
    """Answer the request for one file as a server without that route."""
    reply_to(emulator, "file", build_error(404, "NOT_FOUND", "ROUTE_NOT_FOUND"))


def list_page_tokens(emulator: VoIPBinEmulator, path: str) -> list[str | None]:
    """List the page tokens of the requests of a list."""
    return [each.arg("page_token") for each in emulator.list_requests() if each.path.endswith(path)]


class TestAuthentication:
    def test_a_token_is_sent_as_a_bearer_token_and_never_in_a_url(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        list(voipbin.list())
        for request in emulator.list_requests():
            assert request.header("authorization") == f"Bearer {emulator.token}"
            assert {name for name, _ in request.query} <= {"page_size", "page_token"}

    @pytest.mark.parametrize("storage", ["readable", "forbidden"])
    def test_an_access_key_is_sent_as_a_cookie_to_the_api_and_in_no_url(
        self, emulator: VoIPBinEmulator, tmp_path: Path, storage: str
    ) -> None:
        id = emulator.add()
        if storage == "forbidden":
            forbid_storage(emulator)
        emulator.credentials = {"accesskey": emulator.accesskey}
        with emulator.connect() as voipbin:
            session = voipbin.start(find_live(emulator, CALL), format="wav")
            voipbin.stop(session)
            assert len(list(voipbin.list(since=emulator.clock.now() - DAY))) == 2
            assert len(voipbin.download(id, tmp_path)) == 2
        for request in emulator.list_requests():
            assert request.header("cookie") == f"accesskey={emulator.accesskey}"
            assert request.header("authorization") is None
            assert emulator.accesskey not in f"{request.path} {request.query}"
        assert emulator.list_requests("media")
        for request in emulator.list_requests("media"):
            assert emulator.accesskey not in f"{request.query} {dict(request.headers)}"
            assert request.header("cookie") is None

    @pytest.mark.parametrize("character", ['"', ",", ";", "\\", " ", "\n", "\x7f", "é"])
    def test_an_access_key_that_a_cookie_cannot_carry_is_rejected_at_connect(
        self, character: str
    ) -> None:
        with pytest.raises(rec.ConfigurationError, match="accesskey") as caught:
            rec.connect("voipbin", accesskey=f"vb_se{character}cret")
        assert "cret" not in str(caught.value)

    def test_every_other_character_of_an_access_key_is_sent_as_it_is(
        self, emulator: VoIPBinEmulator
    ) -> None:
        key = "vb_" + "".join(chr(each) for each in range(0x21, 0x7F) if chr(each) not in '",;\\')
        with rec.connect("voipbin", base_url=emulator.base_url, accesskey=key) as voipbin:
            with pytest.raises(rec.AuthenticationFailed):
                voipbin.get(mapping.NIL[:-1] + "1")
            assert key not in repr(voipbin.transport.auth)
        assert emulator.list_requests()[0].header("cookie") == f"accesskey={key}"

    def test_a_cookie_that_the_server_sets_is_never_sent(self, emulator: VoIPBinEmulator) -> None:
        id = emulator.add()
        answer = emulator.answer

        def set_cookie(request: Request) -> Reply:
            return answer(request).with_headers(Set_Cookie="token=stale; Path=/")

        emulator.answer = set_cookie  # type: ignore[method-assign]
        emulator.credentials = {"accesskey": emulator.accesskey}
        with emulator.connect() as voipbin:
            assert voipbin.get(id) == voipbin.get(id), "a stale token would precede the key"

    def test_no_cassette_contains_an_access_key(
        self, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id, key = emulator.add(), emulator.accesskey
        emulator.credentials = {"accesskey": key}
        emulator.alter = lambda request, payload: {**payload, "note": f"sent by {key}"}
        cassette = tmp_path / "get.yaml"
        with (
            build_recorder(record_mode="once").use_cassette(str(cassette)),
            emulator.connect() as voipbin,
        ):
            voipbin.get(id)
        text = " ".join(cassette.read_text().split())
        assert id in text
        assert "sent by ***" in text
        assert key not in text
        assert "ookie" not in text

    @pytest.mark.parametrize(
        ("given", "word"),
        [({}, "neither is"), ({"token": "a.b.c", "accesskey": "vb_key"}, "both are")],
    )
    def test_connect_needs_exactly_one_credential(
        self, given: dict[str, Any], word: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("VOIPBIN_TOKEN", "VOIPBIN_ACCESSKEY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(rec.ConfigurationError, match=word) as caught:
            rec.connect("voipbin", **given)
        assert "vb_key" not in str(caught.value)

    def test_either_credential_may_come_from_the_environment(
        self, emulator: VoIPBinEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VOIPBIN_BASE_URL", emulator.base_url)
        for name in ("TOKEN", "ACCESSKEY"):
            with monkeypatch.context() as only:
                only.setenv(f"VOIPBIN_{name}", getattr(emulator, name.lower()))
                with rec.connect("voipbin") as voipbin:
                    assert list(voipbin.list()) == []

    def test_no_error_log_or_repr_shows_an_access_key(
        self, emulator: VoIPBinEmulator, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        caplog.set_level(logging.DEBUG)
        key = emulator.accesskey
        emulator.credentials = {"accesskey": key}
        id = emulator.add()
        output: list[str] = []
        with emulator.connect(http=ONE_WORKER) as voipbin:
            output += [repr(voipbin), repr(voipbin.transport.auth)]
            for fault in (
                Reply(401, f"bad key {key}".encode()),
                Reply(403, f"Cookie: a=b; accesskey={key}".encode()),
                Reply.json({"error": {"reason": key, "message": f"?accesskey={key}"}}, 400),
                Reply(302, headers={"Location": f"/elsewhere?accesskey={key}"}),
                Reply(302, headers={"Location": f"http://localhost:1/?accesskey={key}"}),
                Reply(abort=True),
                Reply(200, f'{{"id": "{key}'.encode()),
            ):
                for call in (
                    lambda: list(voipbin.list()),
                    lambda: voipbin.get(id),
                    lambda: voipbin.start(find_live(emulator, CALL)),
                    lambda: voipbin.download(id, tmp_path),
                ):
                    emulator.faults.append(fault)
                    try:
                        call()
                    except rec.RecordingError as error:
                        output += [repr(vars(error)), *traceback.format_exception(error)]
                    emulator.faults.clear()
        output += [f"{record.getMessage()}" for record in caplog.records]
        assert any("recordings" in each for each in output), "requests are logged"
        assert not [each for each in output if key in each]


class TestStart:
    @KINDS
    def test_only_the_format_is_sent_without_being_asked_for(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, kind: rec.SessionKind
    ) -> None:
        target = find_live(emulator, kind)
        session = voipbin.start(target)
        assert list_sent_requests(emulator) == [f"POST {kind}s/*/recording_start"]
        assert emulator.list_requests()[0].json() == {"format": "wav"}
        assert emulator.list_ids() == [session.id], (
            "the `recording_id` of the response, and not its `id`"
        )
        assert (session.target, session.status) == (target, STATUS.PENDING)

    @KINDS
    @pytest.mark.parametrize(
        ("keywords", "body"),
        [
            ({"max_duration": HOUR}, {"duration": 3600}),
            ({"max_duration": timedelta(milliseconds=1)}, {"duration": 1}),
            ({"format": "WAV"}, {}),
            ({"extra": {"duration": 0}}, {"duration": 0}),
            (
                {"extra": {"end_of_silence": 5, "end_of_key": "#", "on_end_flow_id": mapping.NIL}},
                {"end_of_silence": 5, "end_of_key": "#", "on_end_flow_id": mapping.NIL},
            ),
        ],
    )
    def test_keywords_and_extra_are_sent_with_the_vendors_names(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        kind: rec.SessionKind,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        voipbin.start(find_live(emulator, kind), **keywords)
        assert emulator.list_requests()[0].json() == {"format": "wav", **body}

    def test_omit_removes_the_format(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        voipbin.start(find_live(emulator, CALL), extra={"format": rec.OMIT, "duration": rec.OMIT})
        assert emulator.list_requests()[0].json() == {}

    def test_a_conference_is_recorded_for_24_hours_at_most(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        conference = find_live(emulator, CONFERENCE)
        with emulator.forbid_requests(), pytest.raises(ValueError, match="at most 86400 s"):
            voipbin.start(conference, max_duration=DAY + SECOND)
        voipbin.start(conference, max_duration=DAY)
        assert emulator.list_requests()[-1].json()["duration"] == 86400
        voipbin.start(find_live(emulator, CALL), max_duration=DAY + SECOND)
        assert emulator.list_requests()[-1].json()["duration"] == 86401

    @pytest.mark.parametrize(
        "keywords",
        [
            {"format": "mp3"},
            {"channels": 1},
            {"participant": "x"},
            {"tracks": True},
            {"title": "x"},
            {"callback_url": "https://example.com/hook"},
        ],
    )
    def test_an_unsupported_keyword_raises_before_any_request(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, keywords: dict[str, Any]
    ) -> None:
        for target in emulator.sessions:
            with (
                emulator.forbid_requests(),
                pytest.raises(rec.UnsupportedOperation, match="VoIPBin"),
            ):
                voipbin.start(target, **keywords)

    def test_a_second_start_of_a_call_is_outcome_unknown_with_the_likely_reason(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CALL)
        first = voipbin.start(target)
        with pytest.raises(
            rec.OutcomeUnknown, match="A recording may be running already"
        ) as caught:
            voipbin.start(target, max_duration=HOUR)
        assert list_sent_requests(emulator) == ["POST calls/*/recording_start"] * 2, "sent once"
        error = caught.value
        assert (error.target, error.status, error.code) == (target, 500, "INTERNAL")
        assert (error.request_id or "").startswith("req_")
        assert error.parameters == {"max_duration": "1:00:00"}
        running = voipbin.active(target)
        assert running is not None, "as the message suggests"
        assert running.id == first.id

    @pytest.mark.parametrize(
        "reply",
        [
            build_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            build_error(400, "INVALID_ARGUMENT", "A_REASON_OF_TOMORROW"),
            build_error(500, "INTERNAL", "INTERNAL"),
            build_error(503, "UNAVAILABLE", "REQUEST_TIMEOUT"),
            *(Reply(status, PAGE) for status in (400, 404, 408, 409, 410, 422, 500, 503)),
        ],
    )
    def test_an_error_after_which_it_may_have_started_is_outcome_unknown(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, reply: Reply
    ) -> None:
        target = find_live(emulator, CONFERENCE)
        emulator.faults.append(reply)
        with pytest.raises(rec.OutcomeUnknown) as caught:
            voipbin.start(target)
        assert (caught.value.target, caught.value.status) == (target, reply.status)
        assert "not answered" not in str(caught.value), "that is a reason of calls"
        assert list_sent_requests(emulator) == ["POST conferences/*/recording_start"], "sent once"

    @pytest.mark.parametrize(
        ("reply", "error"),
        [
            *(
                (build_error(400, "INVALID_ARGUMENT", reason), rec.Rejected)
                for reason in ("INVALID_ID", "INVALID_JSON_BODY", "INVALID_REQUEST_PARAMETER")
            ),
            (build_error(401, "UNAUTHENTICATED", "INVALID_CREDENTIALS"), rec.AuthenticationFailed),
            (build_error(403, "PERMISSION_DENIED", "PERMISSION_DENIED"), rec.AuthenticationFailed),
            (build_error(404, "NOT_FOUND", "CONFERENCE_NOT_FOUND"), rec.NotFound),
            (build_error(429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"), rec.RateLimited),
        ],
    )
    def test_an_error_before_which_nothing_was_started_keeps_its_class(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        reply: Reply,
        error: type[rec.ProviderError],
    ) -> None:
        emulator.faults.append(reply)
        with pytest.raises(error) as caught:
            voipbin.start(find_live(emulator, CONFERENCE))
        assert type(caught.value) is error
        assert caught.value.request_id == "req_Y"

    @pytest.mark.parametrize("value", ABSURD.values(), ids=ABSURD)
    def test_odd_side_fields_of_the_response_change_nothing(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, value: Any
    ) -> None:
        emulator.alter = lambda request, payload: {
            name: given if name in ("id", "recording_id") else value
            for name, given in payload.items()
        }
        session = voipbin.start(find_live(emulator, CALL))
        assert [session.id] == emulator.list_ids()

    @pytest.mark.parametrize("id", [7, "", None, "..", "a\nb", "a\u202eb", "x\ud83d"])
    def test_an_unusable_recording_id_is_outcome_unknown(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, id: Any
    ) -> None:
        emulator.alter = lambda request, payload: {**payload, "recording_id": id}
        with pytest.raises(rec.OutcomeUnknown):
            voipbin.start(find_live(emulator, CALL))

    def test_another_5xx_is_outcome_unknown_without_that_reason(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        emulator.faults.append(Reply(503))
        with pytest.raises(rec.OutcomeUnknown) as caught:
            voipbin.start(find_live(emulator, CALL))
        assert "active()" not in str(caught.value)

    def test_a_second_start_of_a_conference_is_a_conflict(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CONFERENCE)
        voipbin.start(target)
        with pytest.raises(rec.Conflict, match="being recorded already") as caught:
            voipbin.start(target)
        assert "cannot record such a conference again" in str(caught.value)
        assert "stop that one" not in str(caught.value)
        assert list_sent_requests(emulator) == ["POST conferences/*/recording_start"] * 2, (
            "sent once"
        )

    @pytest.mark.parametrize("name", ["id", "recording_id"])
    def test_either_all_zero_id_is_a_conflict(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, name: str
    ) -> None:
        emulator.alter = lambda request, payload: {**payload, name: mapping.NIL}
        with pytest.raises(rec.Conflict):
            voipbin.start(find_live(emulator, CALL))

    def test_a_response_without_a_recording_id_is_outcome_unknown(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        emulator.alter = lambda request, payload: {"id": payload["id"]}
        with pytest.raises(rec.OutcomeUnknown):
            voipbin.start(find_live(emulator, CALL))


class TestStop:
    @KINDS
    def test_a_running_recording_is_stopped_and_the_next_start_succeeds(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = find_live(emulator, kind)
        session = voipbin.start(target)
        manual_clock.advance(MINUTE)
        stopped = voipbin.stop(session)
        assert (stopped.status, stopped.id) == (STATUS.STOPPING, session.id)
        assert list_sent_requests(emulator)[-1] == f"POST {kind}s/*/recording_stop"
        assert voipbin.stop(stopped) == stopped, "an all-zero object, or 400: nothing is recorded"
        assert voipbin.start(target).id != session.id

    @KINDS
    def test_a_stop_after_a_hang_up_succeeds(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = find_live(emulator, kind)
        session = voipbin.start(target)
        manual_clock.advance(MINUTE)
        emulator.hang_up(target)
        manual_clock.advance(SECOND)
        stopped = voipbin.stop(session)
        rejected = emulator.journal[-2]
        assert rejected.request.path.endswith("/recording_stop")
        assert rejected.status == (500 if kind is CALL else 400), "the vendor has no other response"
        assert stopped.status is STATUS.PROCESSING
        done = voipbin.wait(stopped, timeout=MINUTE)
        assert done.status is STATUS.AVAILABLE

    def test_a_conference_whose_recording_ended_without_a_stop_cannot_be_recorded_again(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, CONFERENCE)
        session = voipbin.start(target, max_duration=30 * SECOND)
        manual_clock.advance(31 * SECOND)
        assert voipbin.active(target) is None
        stopped = voipbin.stop(session)
        rejected = emulator.journal[-2]
        assert (rejected.request.method, rejected.status) == ("POST", 400)
        assert stopped.status is STATUS.PROCESSING, "the vendor's row shows its end"
        assert voipbin.wait(stopped, timeout=MINUTE).recordings[0].provider_status == "ended"
        for _ in range(2):
            with pytest.raises(rec.Conflict, match="ended without a stop"):
                voipbin.start(target)
            voipbin.stop(session)

    def test_a_stop_is_sent_to_a_call_after_the_duration_too_so_that_the_next_start_succeeds(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, CALL)
        session = voipbin.start(target, max_duration=5 * SECOND)
        manual_clock.advance(MINUTE)
        assert voipbin.active(target) is None
        stopped = voipbin.stop(session)
        done = voipbin.wait(stopped, timeout=MINUTE)
        assert done.recordings[0].provider_status == "stopping", "the vendor keeps it"
        assert done.status is STATUS.AVAILABLE
        voipbin.start(target)

    @pytest.mark.parametrize("status", [400, 500, 503, 403])
    def test_a_rejected_stop_of_a_running_recording_is_an_error(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        status: int,
    ) -> None:
        session = voipbin.start(find_live(emulator, CALL))
        manual_clock.advance(MINUTE)
        answer = emulator.answer

        def reject_stops(request: Request) -> Reply:
            return Reply(status, b"{}") if request.method == "POST" else answer(request)

        emulator.answer = reject_stops  # type: ignore[method-assign]
        before = len(emulator.journal)
        with pytest.raises(rec.ProviderError) as caught:
            voipbin.stop(session)
        assert caught.value.status == status
        posts = [each for each in emulator.journal[before:] if each.request.method == "POST"]
        assert len(posts) == 1, "a stop with an effect is not repeated after a 5xx"

    def test_a_stop_of_nothing_is_no_proof_that_the_recording_has_ended(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        """The errors of a hang-up are only logged, and the call's `recording_id` is cleared."""
        session = voipbin.start(find_live(emulator, CALL))
        manual_clock.advance(MINUTE)
        with emulator.lock:
            emulator._sessions[session.target.id].recording_id = mapping.NIL
        with pytest.raises(rec.Conflict, match=f"nothing shows that recording {session.id}"):
            voipbin.stop(session)
        emulator.hang_up(session.target)
        with emulator.lock:
            emulator._sessions[session.target.id].has_ended = False
        assert voipbin.stop(session).status is STATUS.PROCESSING

    def test_a_newer_recording_of_the_target_is_not_stopped(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, CALL)
        ours = voipbin.start(target)
        manual_clock.advance(MINUTE)
        with emulator.connect() as other:
            other.stop(ours)
            theirs = other.start(target)
        manual_clock.advance(MINUTE)
        assert voipbin.stop(ours).status is STATUS.PROCESSING
        running = voipbin.active(target)
        assert running is not None
        assert (running.id, running.status) == (theirs.id, STATUS.RECORDING)

    def test_a_stop_is_sent_even_if_the_request_before_it_fails(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        session = voipbin.start(find_live(emulator, CALL))
        manual_clock.advance(MINUTE)
        emulator.faults.append(Reply(503))
        assert voipbin.stop(session).status is STATUS.STOPPING

    @KINDS
    def test_a_session_without_an_id_stops_the_current_recording(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = find_live(emulator, kind)
        unnamed = rec.RecordingSession("voipbin", "default", None, target)
        assert voipbin.stop(unnamed).status is STATUS.PROCESSING
        voipbin.start(target)
        manual_clock.advance(MINUTE)
        assert voipbin.stop(unnamed).status is STATUS.STOPPING
        assert voipbin.active(target) is None

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 503])
    @KINDS
    def test_a_page_of_a_gateway_is_no_proof_that_it_has_stopped(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        kind: rec.SessionKind,
        status: int,
    ) -> None:
        target = find_live(emulator, kind)
        session = voipbin.start(target)
        manual_clock.advance(MINUTE)
        for given in (session, evolve(session, id=None)):
            emulator.faults += [Reply(status, PAGE)] * 40
            with pytest.raises(rec.Unavailable):
                voipbin.stop(given)
            emulator.faults.clear()
        running = voipbin.active(target)
        assert running is not None
        assert running.id == session.id

    def test_a_404_about_another_resource_is_no_proof_that_it_has_stopped(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        session = voipbin.start(find_live(emulator, CALL))
        manual_clock.advance(MINUTE)
        reply = build_error(404, "NOT_FOUND", "CALL_NOT_FOUND")
        reply_to(emulator, "recording_stop", reply)
        with pytest.raises(rec.NotFound):
            voipbin.stop(session)
        reply_to(emulator, "v1.0", reply)
        with pytest.raises(rec.Unavailable, match="control request"):
            voipbin.stop(session)


class TestActive:
    @KINDS
    def test_only_a_running_recording_is_active(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = find_live(emulator, kind)
        assert voipbin.active(target) is None
        session = voipbin.start(target)
        manual_clock.advance(MINUTE)
        running = voipbin.active(target)
        assert running is not None
        assert (running.id, running.status) == (session.id, STATUS.RECORDING)
        assert running.started_at == manual_clock.now() - MINUTE + SECOND
        emulator.hang_up(target)
        manual_clock.advance(SECOND)
        assert voipbin.active(target) is None, "although the call keeps its recording_id"

    def test_a_deleted_recording_is_not_active(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CALL)
        voipbin.delete(str(voipbin.start(target).id))
        assert voipbin.active(target) is None

    def test_a_recording_with_an_unknown_status_is_active(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        voipbin.start(find_live(emulator, CALL))
        emulator.alter = lambda request, payload: {**payload, "status": "unheard-of"}
        running = voipbin.active(find_live(emulator, CALL))
        assert running is not None
        assert running.status is STATUS.UNKNOWN

    @pytest.mark.parametrize("assume", [(), (3,)])
    def test_an_unknown_call_is_not_found(self, assume: tuple[int, ...]) -> None:
        with (
            VoIPBinEmulator(assume=assume) as emulator,
            emulator.connect() as voipbin,
            pytest.raises(rec.NotFound, match="_NOT_FOUND"),
        ):
            voipbin.active(rec.call("00000000-0000-4000-8000-000000000000"))

    def test_a_deleted_call_is_not_found(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        """VoIPBin returns 409, which elsewhere means that something is being recorded already."""
        target = find_live(emulator, CALL)
        session = voipbin.start(target)
        manual_clock.advance(MINUTE)
        emulator.hang_up(target)
        emulator.delete_session(target)
        for call in (lambda: voipbin.active(target), lambda: list(voipbin.list(target=target))):
            with pytest.raises(rec.NotFound, match="was deleted") as caught:
                call()
            assert (caught.value.status, caught.value.code) == (409, "STATE_INVALID")
        assert voipbin.stop(session).status is STATUS.PROCESSING
        reply_to(emulator, "calls", build_error(409, "FAILED_PRECONDITION", "ANOTHER_REASON"))
        with pytest.raises(rec.Conflict):
            voipbin.active(target)

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422, 503])
    @KINDS
    def test_a_page_of_a_gateway_is_no_proof_that_nothing_is_recorded(
        self, emulator: VoIPBinEmulator, kind: rec.SessionKind, status: int
    ) -> None:
        target = find_live(emulator, kind)
        with emulator.connect(http=ONE_WORKER) as voipbin:
            session = voipbin.start(target)
            for part in ("v1.0", "recordings"):  # for both requests, or for the second one
                answer = emulator.answer
                reply_to(emulator, part, Reply(status, PAGE))
                with pytest.raises(rec.Unavailable):
                    voipbin.active(target)
                emulator.answer = answer  # type: ignore[method-assign]
            running = voipbin.active(target)
            assert running is not None
            assert running.id == session.id

    def test_a_404_that_does_not_name_the_recording_is_confirmed_by_the_list(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CALL)
        session = voipbin.start(target)
        missing = build_error(404, "NOT_FOUND", "ROUTE_NOT_FOUND")
        reply_to(emulator, str(session.id), missing)
        assert voipbin.active(target) is None
        assert emulator.list_requests()[-1].query == (("page_size", "1"),)
        answer = emulator.answer
        for reply in (missing, Reply.json({"rows": []}), Reply(404, PAGE), Reply(403, PAGE)):
            reply_to(emulator, "recordings", reply)
            reply_to(emulator, str(session.id), missing)
            with pytest.raises(rec.Unavailable, match="control request"):
                voipbin.active(target)
            emulator.answer = answer  # type: ignore[method-assign]


class TestDelete:
    @pytest.mark.parametrize("status", [404, 410])
    def test_a_page_of_a_gateway_is_no_proof_of_a_deletion(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, status: int
    ) -> None:
        id = emulator.add()
        # The page of a slow server's proxy, and then its page for "not found".
        for replies in ([Reply(504, PAGE), Reply(status, PAGE)], [Reply(status, PAGE)]):
            emulator.faults += replies * 20
            with pytest.raises(rec.Unavailable):
                voipbin.delete(id)
            emulator.faults.clear()
        assert [each.id for each in voipbin.list()] == [id]

    def test_a_page_of_a_gateway_that_passes_is_retried(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()
        emulator.faults += [Reply(504, PAGE), Reply(404, PAGE)]
        voipbin.delete(id)
        assert list(voipbin.list()) == []

    def test_a_deletion_whose_response_was_lost_succeeds(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()
        answer, lost = emulator.answer, [True]

        def lose_first(request: Request) -> Reply:
            reply = answer(request)
            return Reply(504, PAGE) if lost and lost.pop() else reply

        emulator.answer = lose_first  # type: ignore[method-assign]
        voipbin.delete(id)
        assert list_sent_requests(emulator) == ["DELETE recordings/*"] * 2
        with pytest.raises(rec.NotFound, match="RESOURCE_NOT_FOUND"):
            voipbin.delete(id)

    def test_a_404_about_another_resource_needs_the_list(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()
        missing = build_error(404, "NOT_FOUND", "ROUTE_NOT_FOUND")
        reply_to(emulator, id, missing)
        with pytest.raises(rec.NotFound, match="ROUTE_NOT_FOUND"):
            voipbin.delete(id)
        reply_to(emulator, "recordings", missing)
        with pytest.raises(rec.Unavailable, match="control request"):
            voipbin.delete(id)


class TestGet:
    @KINDS
    def test_it_is_processing_between_its_end_and_the_storage_of_its_files(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        session = voipbin.start(find_live(emulator, kind))
        manual_clock.advance(MINUTE)
        voipbin.stop(session)
        manual_clock.advance(SECOND)
        states: list[tuple[str, int, bool]] = []
        for _ in range(3):
            recording = voipbin.get(str(session.id))
            (listed,) = voipbin.list(since=manual_clock.now() - DAY)
            assert (listed.status, listed.files, listed.size) == (
                recording.status,
                recording.files,
                recording.size,
            ), "list and get agree"
            assert recording.provider_status == "ended"
            states.append((str(recording.status), len(recording.files), bool(recording.size)))
            manual_clock.advance(emulator.processing / 2)
        of_call = [("processing", 0, False), ("processing", 1, False), ("available", 2, True)]
        of_conference = [("processing", 0, False), ("processing", 0, False), ("available", 1, True)]
        assert states == (of_call if kind is CALL else of_conference)

    def test_a_get_costs_three_requests_at_most_and_what_they_do_not_reach_is_not_seen(
        self,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        """A busy account: more files within an hour than two pages have."""
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 5)
        created = manual_clock.now() - 9 * DAY
        ids = {
            stored: emulator.add(created=created, stored=stored, duration=MINUTE)
            for stored in (0, 1, 2)
        }
        for number in range(40):  # from the end of these on, to an hour later
            emulator.add(kind=CONFERENCE, created=created + MINUTE + number * MINUTE)
        with emulator.connect() as voipbin:
            for stored, id in ids.items():
                before = len(emulator.list_requests())
                recording = voipbin.get(id)
                assert len(emulator.list_requests()) == before + 3
                if stored == 2:
                    assert (recording.status, len(recording.files)) == (STATUS.AVAILABLE, 2), (
                        "the second page is that which usually has its files"
                    )
                    continue
                assert (recording.status, recording.files) == (STATUS.AVAILABLE, ())
                assert recording.error is None, "nothing is stated about files that were not seen"
                assert recording.unread_fields == ("storage_files",)
                # The archive is the last word about an old recording.
                if stored == 0:
                    with pytest.raises(rec.NotFound, match="is empty: VoIPBin stored no file"):
                        voipbin.download(id, tmp_path)
                    continue
                (copy,) = voipbin.download(id, tmp_path)
                assert copy.doubts == ("VoIPBin's archive has one of the two legs of this call",)
            for number in range(12):  # and more of them before that
                emulator.add(created=created + number * SECOND, duration=MINUTE)
            recording = voipbin.get(ids[2])
            assert (recording.status, recording.files) == (STATUS.AVAILABLE, ())
            assert len(voipbin.download(recording, tmp_path)) == 2, "by the archive"
            listed = {each.id: each for each in voipbin.list()}
            assert len(listed[ids[2]].files) == 2, "a list reads all of them"
            assert listed[ids[0]].status is STATUS.FAILED
            target = find_live(emulator, CALL)
            emulator.add(created=created, target=target, stored=0)
            listing = voipbin.list(target=target)
            assert [each.status for each in listing] == [STATUS.AVAILABLE]
            (error,) = listing.coverage.errors
            assert "two pages of /storage_files" in error

    @pytest.mark.parametrize("stored", [0, 1])
    def test_a_gap_between_the_two_pages_of_a_get_is_not_seen(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
        stored: int,
    ) -> None:
        """The second page reaches the recording's start; its other leg may be in the gap."""
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 5)
        created = manual_clock.now() - 9 * DAY
        id = emulator.add(created=created, stored=stored)
        for number in range(10):
            emulator.add(kind=CONFERENCE, created=created - HOUR - number * MINUTE)
            emulator.add(kind=CONFERENCE, created=created + 4 * MINUTE + number * MINUTE)
        recording = voipbin.get(id)
        assert (recording.status, recording.files, recording.error) == (STATUS.AVAILABLE, (), None)
        assert len(list_page_tokens(emulator, "/storage_files")) == 2

    def test_files_are_the_stored_wavs(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CALL)
        recording = voipbin.get(emulator.add(target=target, duration=10 * SECOND))
        assert [(file.role, file.format, file.url) for file in recording.files] == [
            (rec.FileRole.LEG, "wav", f"{emulator.base_url}/storage_files/{file.id}/file")
            for file in recording.files
        ]
        names = [(file.name or "") for file in recording.files]
        assert [name.rpartition("_")[2] for name in names] == ["in.wav", "out.wav"]
        assert recording.size == sum(file.size or 0 for file in recording.files)

    def test_an_old_recording_needs_one_page_of_stored_files(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        for days in range(1, 90):
            emulator.add(created=manual_clock.now() - days * DAY)
        id = emulator.add(created=manual_clock.now() - 40 * DAY + HOUR)
        assert voipbin.get(id).status is STATUS.AVAILABLE
        assert list_sent_requests(emulator) == ["GET recordings/*", "GET storage_files"]
        (token,) = list_page_tokens(emulator, "/storage_files")
        assert token == "2026-04-22T14:01:01.000000Z", "an hour after its end"

    def test_stored_files_are_read_only_until_those_of_the_recording_are_complete(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 2)
        for hours in range(1, 20):
            emulator.add(created=manual_clock.now() - 10 * DAY + hours * HOUR)
        id = emulator.add(created=manual_clock.now() - 10 * DAY, duration=20 * HOUR)
        assert voipbin.get(id).status is STATUS.AVAILABLE
        assert len(list_page_tokens(emulator, "/storage_files")) == 1

    def test_files_that_were_stored_within_an_hour_are_found(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        emulator.processing = 59 * MINUTE
        id = emulator.add(created=manual_clock.now() - 3 * DAY)
        listed = {each.id: each for each in voipbin.list(until=manual_clock.now() - 2 * DAY)}
        assert voipbin.get(id) == listed[id]
        assert listed[id].status is STATUS.AVAILABLE
        emulator.processing = 3 * HOUR
        id = emulator.add(created=manual_clock.now() - 6 * DAY)
        listed = {each.id: each for each in voipbin.list()}
        assert voipbin.get(id) == listed[id]
        assert listed[id].status is STATUS.FAILED, "by our clock; the download tries"
        assert len(voipbin.download(id, tmp_path)) == 2

    @pytest.mark.parametrize(
        ("stored", "status", "error"),
        [
            (0, STATUS.FAILED, "VoIPBin stored no file"),
            (1, STATUS.AVAILABLE, "VoIPBin stored 1 of 2 files"),
            (2, STATUS.AVAILABLE, None),
        ],
    )
    def test_an_hour_after_the_end_no_file_is_expected(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
        stored: int,
        status: rec.RecordingStatus,
        error: str | None,
    ) -> None:
        id = emulator.add(created=manual_clock.now() - 10 * MINUTE, stored=stored)
        ended_at = voipbin.get(id).ended_at
        assert ended_at is not None
        manual_clock.advance(ended_at + HOUR - manual_clock.now() - SECOND)
        before = STATUS.AVAILABLE if stored == 2 else STATUS.PROCESSING
        assert voipbin.get(id).status is before
        manual_clock.advance(SECOND)
        recording = voipbin.get(id)
        (listed,) = voipbin.list()
        assert recording == listed
        assert (recording.status, recording.error) == (status, error)
        session = rec.RecordingSession("voipbin", "default", id, find_live(emulator, CALL))
        assert voipbin.wait(session, timeout=SECOND).status is status
        sent = len(emulator.list_requests("media"))
        if stored:
            assert len(voipbin.download(id, tmp_path)) == stored
        else:
            with pytest.raises(rec.NotFound, match="is empty: VoIPBin stored no file"):
                voipbin.download(id, tmp_path)
        expected = sent + max(stored, 1)
        assert len(emulator.list_requests("media")) == expected, "it is tried once"

    @pytest.mark.parametrize("status", [403, 404, 500, 503])
    def test_if_stored_files_cannot_be_read_it_is_available_ten_minutes_after_its_end(
        self, emulator: VoIPBinEmulator, manual_clock: ManualClock, status: int
    ) -> None:
        id = emulator.add(created=manual_clock.now() - 5 * MINUTE, duration=MINUTE)
        answer = emulator.answer

        def reject_storage(request: Request) -> Reply:
            return Reply(status) if "storage_files" in request.path else answer(request)

        emulator.answer = reject_storage  # type: ignore[method-assign]
        with emulator.connect(http=ONE_WORKER) as voipbin:
            assert voipbin.get(id).status is STATUS.PROCESSING
            manual_clock.advance(10 * MINUTE)
            recording = voipbin.get(id)
            assert (recording.status, recording.files) == (STATUS.AVAILABLE, ())
            assert recording.unread_fields == ("storage_files",)

    def test_an_expired_credential_is_raised_while_reading_stored_files(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()

        def expire_next(request: Request, payload: Any) -> Any:
            emulator.faults.append(Reply(401))
            return payload

        emulator.alter = expire_next
        with pytest.raises(rec.AuthenticationFailed):
            voipbin.get(id)

    def test_a_response_about_another_recording_is_an_error(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()
        assert voipbin.get(id.upper()).id == id
        emulator.alter = lambda request, payload: {**payload, "id": "other"}
        with pytest.raises(rec.MalformedPayload):
            voipbin.get(id)

    def test_foreign_and_deleted_recordings_are_errors(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        foreign, deleted = emulator.add(foreign=True), emulator.add()
        with pytest.raises(rec.AuthenticationFailed, match="PERMISSION_DENIED"):
            voipbin.get(foreign)
        voipbin.delete(deleted)
        with pytest.raises(rec.NotFound, match="RESOURCE_NOT_FOUND"):
            voipbin.get(deleted)


class TestList:
    @pytest.mark.parametrize("time_format", ["rfc3339", "sentinel", "fixed6"])
    @pytest.mark.parametrize("old_page", [False, True])
    def test_every_time_format_lists_the_same_recordings(
        self, manual_clock: ManualClock, time_format: Any, old_page: bool
    ) -> None:
        with VoIPBinEmulator(recordings=45, clock=manual_clock) as emulator:
            emulator.time_format = time_format
            if old_page:
                emulator.reference_key, emulator.conference_word = "type", "conference"
            with emulator.connect() as voipbin:
                listing = voipbin.list(since=manual_clock.now() - 100 * DAY)
                found = list(listing)
        assert {each.id for each in found} == set(emulator.list_ids())
        assert len(found) == 45
        assert listing.coverage.complete
        kinds = [str(each.kind) for each in found]
        assert (kinds.count("call"), kinds.count("conference")) == (30, 15)
        statuses = [str(each.status) for each in found]
        assert (statuses.count("available"), statuses.count("failed")) == (43, 2)

    def test_list_and_get_return_equal_recordings(self, manual_clock: ManualClock) -> None:
        with (
            VoIPBinEmulator(recordings=45, clock=manual_clock) as emulator,
            emulator.connect() as voipbin,
        ):
            for kind in (CALL, CONFERENCE):
                for stuck in (None, "initiating", "recording", "stopping"):
                    emulator.add(kind=kind, stuck=stuck)
            emulator.add(duration=30 * HOUR, created=manual_clock.now() - 9 * DAY)
            for recording in voipbin.list():
                assert voipbin.get(recording.id) == recording

    def test_windows_are_of_equal_length_and_cover_the_time(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        since = manual_clock.now() - 80 * DAY
        list(voipbin.list(since=since))
        tokens = list_page_tokens(emulator, "/recordings")
        expected = [
            mapping.format_page_token(manual_clock.now() - number * 10 * DAY)
            for number in range(1, 8)
        ]
        assert sorted(tokens, key=str) == sorted([None, *expected], key=str)

    def test_a_short_time_is_one_window(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        list(voipbin.list(since=manual_clock.now() - HOUR))
        list(voipbin.list(since=manual_clock.now() + HOUR))
        list(voipbin.list(since=manual_clock.now() - DAY, until=manual_clock.now() - 2 * HOUR))
        expected = [None, None, mapping.format_page_token(manual_clock.now() - 2 * HOUR)]
        assert list_page_tokens(emulator, "/recordings") == expected

    def test_a_window_ends_at_the_first_row_before_it(
        self, emulator: VoIPBinEmulator, manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 5)
        for hours in range(1, 100):
            emulator.add(created=manual_clock.now() - hours * HOUR)
        with emulator.connect(http=ONE_WORKER) as voipbin:
            assert len(list(voipbin.list(since=manual_clock.now() - 8 * HOUR))) == 8
        assert len(list_page_tokens(emulator, "/recordings")) <= 4, "one of them is fetched ahead"
        assert len(list_page_tokens(emulator, "/storage_files")) <= 6

    @pytest.mark.parametrize("duration", [MINUTE, 23 * HOUR, 30 * HOUR, 80 * HOUR])
    def test_files_that_were_stored_after_the_window_are_found(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        duration: timedelta,
    ) -> None:
        created = manual_clock.now() - 9 * DAY
        id = emulator.add(created=created, duration=duration)
        for hours in range(-2, 120):
            emulator.add(created=created + hours * HOUR + MINUTE)
        until = created + timedelta(microseconds=1)
        (recording,) = voipbin.list(since=created, until=until)
        assert (recording.id, recording.status) == (id, STATUS.AVAILABLE)
        assert recording == voipbin.get(id)
        assert {each.id: each for each in voipbin.list()}[id] == recording

    def test_without_since_there_is_one_window_per_year_and_one_without_a_start(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        oldest = emulator.add(created=datetime(2018, 3, 1, tzinfo=UTC))
        boundaries = [
            emulator.add(created=datetime(year, 1, 1, tzinfo=UTC)) for year in (2020, 2026)
        ]
        tick = timedelta(microseconds=1)
        before = emulator.add(created=datetime(2026, 1, 1, tzinfo=UTC) - tick)
        listing = voipbin.list()
        assert {each.id for each in listing} == {oldest, before, *boundaries}
        assert listing.coverage.windows == 8
        assert (listing.coverage.duplicates, listing.coverage.complete) == (0, True)
        assert len(list(voipbin.list(until=datetime(2019, 1, 1, tzinfo=UTC)))) == 1

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    def test_rows_of_one_microsecond_at_the_end_of_a_page_are_listed(
        self,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
        size: int,
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 6)
        at = manual_clock.now() - HOUR
        for number in range(8):
            for _ in range(size):
                emulator.add(created=at - number * MINUTE)
        with emulator.connect(http=ONE_WORKER) as voipbin:
            listing = voipbin.list()
            found = [each.id for each in listing]
        assert sorted(found) == sorted(emulator.list_ids())
        assert (listing.coverage.duplicates, listing.coverage.found_on_reread) == (0, 0), (
            "each is read once"
        )
        assert listing.coverage.complete
        assert {str(each.status) for each in listing} == {"available"}, "files too"

    def test_more_than_a_page_of_rows_of_one_microsecond_is_an_error(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        for _ in range(101):
            emulator.add(created=manual_clock.now() - HOUR, kind=CONFERENCE, stored=0)
        listing = voipbin.list()
        with pytest.raises(rec.PaginationError, match="microsecond"):
            list(listing)
        assert not listing.coverage.complete

    @pytest.mark.emulator("voipbin", assume=[6])
    def test_a_target_is_listed_by_its_recording_ids(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        for target in emulator.sessions:
            ids = [
                emulator.add(target=target, created=manual_clock.now() - number * HOUR)
                for number in range(25, 0, -1)
            ]
            voipbin.delete(ids[3])
            emulator.journal.clear()
            listing = voipbin.list(target=target, since=manual_clock.now() - 20 * HOUR)
            found = list(listing)
            assert [each.id for each in found] == ids[:4:-1], (
                "newest first, including the one at `since`"
            )
            assert {each.target for each in found} == {target}
            assert listing.coverage.complete
            assert "GET recordings" not in list_sent_requests(emulator), (
                "the list of all recordings is not read"
            )

    def test_deleted_recordings_that_a_target_still_has_are_skipped(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, CONFERENCE)
        ids = [emulator.add(target=target) for _ in range(60)]
        for id in ids[:-1]:
            voipbin.delete(id)
        listing = voipbin.list(target=target)
        assert [each.id for each in listing] == [ids[-1]]
        assert listing.coverage.complete
        voipbin.delete(ids[-1])
        assert list(listing) == []
        assert listing.coverage.complete

    def test_an_unknown_call_is_not_found(self, voipbin: rec.Provider) -> None:
        listing = voipbin.list(target=rec.call("00000000-0000-4000-8000-000000000000"))
        with pytest.raises(rec.NotFound):
            list(listing)
        assert not listing.coverage.complete

    def test_if_stored_files_cannot_be_read_coverage_has_one_error(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        forbid_storage(emulator)
        for hours in range(300):
            emulator.add(created=manual_clock.now() - hours * HOUR - 2 * MINUTE)
        listing = voipbin.list(since=manual_clock.now() - 99 * DAY)
        statuses = [str(each.status) for each in listing]
        assert (statuses.count("available"), statuses.count("processing")) == (299, 1)
        (error,) = listing.coverage.errors
        assert error.startswith("/storage_files cannot be read (HTTP 403)")
        assert not listing.coverage.complete
        listing = voipbin.list(target=find_live(emulator, CALL))
        assert list(listing) == []
        emulator.add(target=find_live(emulator, CALL))
        assert [str(each.status) for each in listing] == ["available"]
        assert len(listing.coverage.errors) == 1

    @pytest.mark.parametrize("count", [3, 150])
    def test_if_stored_files_are_not_newest_first_none_was_seen(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
        count: int,
    ) -> None:
        ids = [emulator.add(created=manual_clock.now() - days * DAY) for days in range(1, count)]

        def reverse_files(request: Request, payload: Any) -> Any:
            if "storage_files" in request.path:
                payload["result"].reverse()
            return payload

        emulator.alter = reverse_files
        listing = voipbin.list()
        assert {(each.status, each.files) for each in listing} == {(STATUS.AVAILABLE, ())}
        assert "(PaginationError)" in listing.coverage.errors[0]
        assert len(voipbin.download(ids[0], tmp_path)) == 2, "by the archive"

    def test_a_file_with_an_unread_size_is_kept_and_the_size_named(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add()

        def alter(request: Request, payload: Any) -> Any:
            if "storage_files" in request.path and payload["result"]:
                payload["result"][0]["filesize"] = "big"
            return payload

        emulator.alter = alter
        listing = voipbin.list(since=emulator.clock.now() - DAY)
        (recording,) = listing
        assert (recording.status, recording.size) == (STATUS.AVAILABLE, None)
        assert recording.unread_fields == ("storage_files.filesize",)
        assert listing.coverage.unread_fields == {"storage_files.filesize": 1}
        assert (listing.coverage.errors, listing.coverage.complete) == ((), True)
        assert voipbin.get(id) == recording
        assert len(voipbin.download(id, tmp_path)) == 2

    @pytest.mark.parametrize("name", ["id", "reference_id"])
    def test_a_leg_that_cannot_be_read_is_not_missing(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
        name: str,
    ) -> None:
        id = emulator.add(created=manual_clock.now() - 3 * HOUR)

        def alter(request: Request, payload: Any) -> Any:
            if "storage_files" in request.path and len(payload["result"]) == 2:
                payload["result"][0][name] = 7
            return payload

        emulator.alter = alter
        (listed,) = voipbin.list()
        for recording in (listed, voipbin.get(id)):
            assert (recording.status, recording.error) == (STATUS.AVAILABLE, None)
            assert recording.files == (), "a caller could delete the other one"
            assert recording.unread_fields == ("storage_files",)
            assert len(voipbin.download(recording, tmp_path)) == 2, "by the archive"

    def test_a_file_without_an_id_leaves_its_recording_processing_and_is_reported(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        emulator.add()
        emulator.add()

        def alter(request: Request, payload: Any) -> Any:
            if "storage_files" in request.path and payload["result"]:
                payload["result"][0]["id"] = "."
            return payload

        emulator.alter = alter
        listing = voipbin.list(since=emulator.clock.now() - DAY)
        assert sorted(str(each.status) for each in listing) == ["available", "processing"]
        (error,) = listing.coverage.errors
        assert "'id'" in error
        assert not listing.coverage.complete

    @pytest.mark.parametrize("value", ABSURD.values(), ids=ABSURD)
    @pytest.mark.parametrize("kind", [CALL, CONFERENCE])
    def test_recordings_with_every_optional_field_absurd_are_listed_read_and_downloaded(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
        kind: rec.SessionKind,
        value: Any,
    ) -> None:
        ids = [
            emulator.add(kind=kind, created=manual_clock.now() - days * DAY) for days in range(1, 4)
        ]
        with emulator.connect() as other:
            before = {each.id: each for each in other.list()}
        emulator.alter = spoil_optional_fields(value)
        listing = voipbin.list()
        found = {each.id: each for each in listing}
        assert set(found) == set(ids)
        for id, recording in found.items():
            assert recording.status is before[id].status is STATUS.AVAILABLE
            assert {"tm_create", "tm_end", "format", "reference_type"} <= set(
                recording.unread_fields
            )
            assert (recording.kind, recording.created_at, recording.format) == (None, None, None)
            assert voipbin.get(id) == recording
            assert len(voipbin.download(id, tmp_path)) == len(before[id].files)
        coverage = listing.coverage
        assert (coverage.unreadable, coverage.errors, coverage.complete) == ((), (), True)
        assert coverage.unread_fields["tm_create"] == 3
        assert coverage.unread_fields["storage_files.filesize"] == 3

    @pytest.mark.parametrize("value", ["", 7, None, "a\nb", "a\u200bb", "a\u202eb", "\0", "..", {}])
    def test_a_row_without_a_usable_id_has_a_sentence_and_ends_no_list(
        self, emulator: VoIPBinEmulator, manual_clock: ManualClock, value: Any
    ) -> None:
        ids = [emulator.add(created=manual_clock.now() - days * DAY) for days in range(1, 4)]

        def alter(request: Request, payload: Any) -> Any:
            for row in payload["result"] if request.path.endswith("/recordings") else ():
                if row["id"] == ids[-1]:  # the last one, which the next page repeats
                    row["id"] = value
            return payload

        emulator.alter = alter
        with emulator.connect(http=ONE_WORKER) as voipbin:
            listing = voipbin.list(since=manual_clock.now() - 9 * DAY)
            assert [each.id for each in listing] == ids[:-1]
        (sentence,) = listing.coverage.unreadable
        assert "'id'" in sentence
        assert sentence.isprintable()

    @pytest.mark.parametrize("value", [-1, "0000-00-00", 2**70, {}, "2026-01-01T00:00:00Z\ud83d"])
    def test_pages_go_on_if_the_time_of_rows_or_of_the_token_is_unread(
        self,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
        value: Any,
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 5)
        at = manual_clock.now() - HOUR
        ids = {emulator.add(created=at - number // 3 * MINUTE) for number in range(20)}

        def spoil_rows(request: Request, payload: Any) -> Any:
            for row in payload["result"] if request.path.endswith("/recordings") else ():
                row["tm_create"] = value
            return payload

        def spoil_token(request: Request, payload: Any) -> Any:
            return {**payload, "next_page_token": value}

        def spoil_token_and_last_row(request: Request, payload: Any) -> Any:
            if payload["result"] and request.path.endswith("/recordings"):
                payload["result"][-1]["tm_create"] = value
            return spoil_token(request, payload)

        for alter in (spoil_rows, spoil_token, spoil_token_and_last_row):
            emulator.alter = alter
            with emulator.connect(http=ONE_WORKER) as voipbin:
                listing = voipbin.list(since=manual_clock.now() - DAY)
                assert {each.id for each in listing} == ids, alter.__name__
            assert listing.coverage.complete, alter.__name__

    def test_an_unreadable_id_in_the_history_of_a_target_is_reported(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CALL)
        ids = [emulator.add(target=target) for _ in range(2)]

        def alter(request: Request, payload: Any) -> Any:
            if request.path.endswith(target.id):
                payload["recording_ids"].insert(1, "..")
            return payload

        emulator.alter = alter
        listing = voipbin.list(target=target)
        assert {each.id for each in listing} == set(ids)
        (sentence,) = listing.coverage.unreadable
        assert "'recording_ids'" in sentence
        assert not listing.coverage.complete

    def test_a_404_that_does_not_name_the_recording_hides_none_of_a_target(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = find_live(emulator, CALL)
        emulator.add(target=target)
        reply_to(emulator, "recordings", build_error(404, "NOT_FOUND", "ROUTE_NOT_FOUND"))
        listing = voipbin.list(target=target)
        with pytest.raises(rec.NotFound, match="ROUTE_NOT_FOUND"):
            list(listing)
        assert not listing.coverage.complete

    def test_uploaded_files_belong_to_no_recording(self, manual_clock: ManualClock) -> None:
        with (
            VoIPBinEmulator(recordings=9, clock=manual_clock) as emulator,
            emulator.connect() as voipbin,
        ):
            names = {file.name or "" for each in voipbin.list() for file in each.files}
        assert not [name for name in names if name.startswith("greeting")]

    def test_a_vendor_that_ignores_the_page_token_is_an_error(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, manual_clock: ManualClock
    ) -> None:
        numbers = iter(range(10_000))

        def alter(request: Request, payload: Any) -> Any:
            if not payload.get("result"):
                return payload
            at = mapping.format_page_token(manual_clock.now() - HOUR + next(numbers) * SECOND)
            return {**payload, "result": [{**payload["result"][0], "id": at, "tm_create": at}]}

        emulator.add(created=manual_clock.now() - 2 * HOUR)
        emulator.alter = alter
        with pytest.raises(rec.PaginationError, match="back in time"):
            list(voipbin.list())


class TestStorageReader:
    """`StorageReader`, without a vendor."""

    AT = datetime(2026, 6, 1, tzinfo=UTC)

    def build_recording(self, number: int) -> rec.Recording:
        """Build the recording with this number: each began an hour before the previous one."""
        began = self.AT - number * HOUR
        row = {
            "id": f"r{number}",
            "reference_type": "confbridge",
            "status": "ended",
            "tm_create": mapping.format_page_token(began),
            "tm_end": mapping.format_page_token(began + MINUTE),
        }
        return mapping.read_recording(row, "default")

    def test_a_list_over_years_keeps_the_files_of_about_a_day(self) -> None:
        pages: list[ListPosition] = []

        def read_page(position: ListPosition) -> tuple[list[Any], ListPosition | None]:
            pages.append(position)
            first = 100 * (len(pages) - 1)
            rows = [
                {
                    "id": f"f{number}",
                    "reference_type": "recording",
                    "reference_id": f"r{number}",
                    "filename": "x_in.wav",
                    "filesize": 1,
                    "tm_create": mapping.format_page_token(self.AT - number * HOUR + 2 * MINUTE),
                }
                for number in range(first, first + 100)
            ]
            new, next_position = find_new_rows(position, rows, None)
            return list(new), next_position

        reader = StorageReader("https://x.example", read_page, ListPosition(None))
        voipbin = object.__new__(VoIPBin)
        voipbin.clock = ManualClock()
        for first in range(0, 20_000, 100):
            page = [self.build_recording(number) for number in range(first, first + 100)]
            problems: list[str] = []
            recordings = voipbin._add_stored_files(page, reader, problems, None)
            assert {str(each.status) for each in recordings} == {"available"}
            assert problems == []
            assert len(reader._files) <= 130
        assert len(pages) <= 201, "each page is read once"

    def test_it_reads_no_further_than_the_oldest_recording(self) -> None:
        pages: list[ListPosition] = []

        def read_page(position: ListPosition) -> tuple[list[Any], ListPosition | None]:
            pages.append(position)
            return [], ListPosition(self.AT - len(pages) * DAY)

        reader = StorageReader("https://x.example", read_page, ListPosition(self.AT))
        reader.read_back_to(self.AT - 5 * DAY)
        assert len(pages) == 5
        reader.read_back_to(self.AT - 5 * DAY)
        assert len(pages) == 5

    def test_endless_rows_of_one_microsecond_are_an_error(self) -> None:
        at = mapping.format_page_token(self.AT)
        position: ListPosition | None = ListPosition(self.AT + DAY)
        for number in range(10):
            assert position is not None
            rows = [{"id": f"{number}-{n}", "tm_create": at} for n in range(100)]
            _, position = find_new_rows(position, rows, None)
        assert position is not None
        with pytest.raises(rec.PaginationError):
            find_new_rows(position, [{"id": "one more", "tm_create": at}], None)

    def test_a_page_that_is_repeated_is_an_error(self) -> None:
        """A server that ignores the token would be queried without end."""
        times = [self.AT, self.AT - DAY]
        rows = [{"id": str(at), "tm_create": mapping.format_page_token(at)} for at in times]
        _, position = find_new_rows(ListPosition(None), rows, None)
        assert position is not None
        with pytest.raises(rec.PaginationError, match="do not go back in time"):
            find_new_rows(position, rows, None)

    def test_a_page_without_a_readable_time_at_its_end_is_an_error(self) -> None:
        with pytest.raises(rec.MalformedPayload):
            find_new_rows(ListPosition(None), [{"id": "x"}], None)
        assert find_new_rows(ListPosition(None), [{"id": "x"}], self.AT)[1] == ListPosition(
            self.AT + mapping.TIME_RESOLUTION, frozenset({"x"})
        )

    def test_rows_without_an_id_are_read_once_each(self) -> None:
        rows = [{"id": None, "tm_create": mapping.format_page_token(self.AT), "n": 1}, ["x"]]
        new, position = find_new_rows(ListPosition(None), rows, None)
        assert (list(new), position is not None) == (rows, True)
        assert position is not None
        more = [*rows, {"id": None, "tm_create": mapping.format_page_token(self.AT), "n": 2}]
        assert find_new_rows(position, more, None)[0] == more[2:]
        assert find_new_rows(position, rows, None) == ([], None)

    def test_the_page_size_is_the_largest_that_is_allowed(self) -> None:
        assert storage.PAGE_SIZE == 100


class TestDownload:
    @KINDS
    def test_there_is_one_copy_per_wav_and_no_other_file(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        tmp_path: Path,
        kind: rec.SessionKind,
    ) -> None:
        id = emulator.add(kind=kind)
        copies = voipbin.download(id, tmp_path)
        recording = voipbin.get(id)
        assert tuple(copy.file for copy in copies) == recording.files
        assert len(copies) == (2 if kind is CALL else 1)
        for copy in copies:
            assert copy.path.read_bytes()[:4] == b"RIFF"
            assert copy.size == copy.file.size
            assert copy.checks == ("framing", "size", "format")
            assert ":" not in copy.path.name
        assert len({copy.sha256 for copy in copies}) == len(copies)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {copy.path.name for copy in copies}, "the archive is not kept"
        alone = f"voipbin-default-{id}.wav"
        assert names == {alone} if kind is CONFERENCE else alone not in names

    def test_files_are_chosen_by_id_and_by_role(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        recording = voipbin.get(emulator.add())
        both = voipbin.download(recording, tmp_path / "both")
        for number, file in enumerate(recording.files):
            for files in (file.id, file, [file.id]):
                (copy,) = voipbin.download(recording, tmp_path / "one", files=files)
                assert copy.file == file
                assert copy.sha256 == both[number].sha256
                assert copy.path.name == both[number].path.name
        assert len(voipbin.download(recording, tmp_path / "legs", files="leg")) == 2
        with pytest.raises(ValueError, match="no file 'mix'"):
            voipbin.download(recording, tmp_path, files="mix")

    def test_a_recording_without_all_files_is_not_ready_and_not_fetched(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        for stored in (0, 1):
            id = emulator.add(created=manual_clock.now() - 30 * MINUTE, stored=stored)
            with pytest.raises(rec.NotReady, match="processing"):
                voipbin.download(id, tmp_path)
        assert emulator.list_requests("media") == []

    def test_the_only_stored_leg_of_a_call_is_downloaded_and_the_missing_one_stated(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        recording = voipbin.get(emulator.add(created=manual_clock.now() - 90 * DAY, stored=1))
        assert recording.error == "VoIPBin stored 1 of 2 files"
        (file,) = recording.files
        (copy,) = voipbin.download(recording, tmp_path, files=file.id)
        assert (copy.file, copy.verified) == (file, True)
        assert list_sent_requests(emulator)[-1] == "GET storage_files/*/file"

    @pytest.mark.parametrize("stored", [0, 1])
    def test_an_empty_or_short_archive_is_not_ready_until_an_hour_after_the_end(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
        stored: int,
    ) -> None:
        forbid_storage(emulator)
        id = emulator.add(stored=stored)
        with pytest.raises(rec.NotReady, match=f"{stored} of 2 files.*Try again"):
            voipbin.download(id, tmp_path)
        assert list(tmp_path.iterdir()) == []
        manual_clock.advance(2 * MINUTE)
        if stored:
            (copy,) = voipbin.download(id, tmp_path)
            assert (copy.file.id, copy.verified, len(copy.doubts)) == ("leg-in", False, 1)
        else:
            with pytest.raises(rec.NotFound, match="is empty: VoIPBin stored no file"):
                voipbin.download(id, tmp_path)

    def test_a_whole_archive_of_an_old_recording_has_no_doubt(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        forbid_storage(emulator)
        for kind in (CALL, CONFERENCE):
            id = emulator.add(kind=kind, created=emulator.clock.now() - 9 * DAY)
            assert all(copy.verified for copy in voipbin.download(id, tmp_path))

    @pytest.mark.parametrize("age", [HOUR, 9 * DAY])
    def test_an_archive_that_lags_behind_storage_is_not_ready(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path, age: timedelta
    ) -> None:
        """VoIPBin keeps an archive from which it left out a file that it could not read."""
        created = emulator.clock.now() - age
        id, short = emulator.add(created=created), emulator.add(created=created, stored=1)
        refuse_files(emulator)
        answer = emulator.answer

        def return_short_archive(request: Request) -> Reply:
            if "recordingfiles" in request.path:
                request = evolve(request, path=request.path.replace(id, short))
            return answer(request)

        emulator.answer = return_short_archive  # type: ignore[method-assign]
        with pytest.raises(rec.NotReady, match=r"1 of the 2 files.* ask VoIPBin") as caught:
            voipbin.download(id, tmp_path)
        assert "in a minute" not in str(caught.value)

    @pytest.mark.parametrize(
        "reply",
        [
            build_error(404, "NOT_FOUND", "ROUTE_NOT_FOUND"),
            build_error(404, "NOT_FOUND", "FILE_NOT_FOUND"),
            build_error(403, "PERMISSION_DENIED", "PERMISSION_DENIED"),
        ],
    )
    def test_if_the_api_refuses_a_file_the_archive_has_it(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path, reply: Reply
    ) -> None:
        recording = voipbin.get(emulator.add())
        before = voipbin.download(recording, tmp_path / "before")
        reply_to(emulator, "file", reply)
        copies = voipbin.download(recording, tmp_path / "after")
        assert [(copy.file, copy.sha256) for copy in copies] == [
            (copy.file, copy.sha256) for copy in before
        ]
        for file in recording.files:
            (copy,) = voipbin.download(recording, tmp_path / "one", files=file.id)
            assert copy.file == file
        assert list_sent_requests(emulator).count("GET recordingfiles/*") == 3

    @KINDS
    def test_if_stored_files_cannot_be_read_the_archive_names_them(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        tmp_path: Path,
        kind: rec.SessionKind,
    ) -> None:
        forbid_storage(emulator)
        copies = voipbin.download(emulator.add(kind=kind), tmp_path)
        ids = [copy.file.id for copy in copies]
        assert ids == (["leg-in", "leg-out"] if kind is CALL else ["leg-in"])
        assert [copy.file.role for copy in copies] == [rec.FileRole.LEG] * len(ids)
        assert (copies[0].file.name or "").endswith("_in.wav")
        assert {path.name for path in tmp_path.iterdir()} == {copy.path.name for copy in copies}

    def test_the_signed_url_is_requested_without_the_credential(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        voipbin.download(emulator.add(kind=CONFERENCE), tmp_path)
        (request,) = emulator.list_requests("media")
        assert request.arg("X-Goog-Signature")
        assert request.header("authorization") is None
        assert request.header("accept-encoding") == "identity"
        assert emulator.token not in json.dumps([request.path, request.query])

    def test_an_interrupted_download_is_resumed_at_a_new_signed_url(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add(duration=10 * MINUTE)
        first = voipbin.download(id, tmp_path)
        answer_media, cuts = emulator.answer_media, [True]

        def cut_first_reply(request: Request) -> Reply:
            reply = answer_media(request)
            return evolve(reply, cut_after=300) if cuts and cuts.pop() else reply

        emulator.answer_media = cut_first_reply  # type: ignore[method-assign]
        again = voipbin.download(id, tmp_path)
        assert [copy.sha256 for copy in again] == [copy.sha256 for copy in first]
        assert list_sent_requests(emulator).count("GET storage_files/*/file") == 5
        assert emulator.list_requests("media")[3].header("range") == "bytes=300-"

    @pytest.mark.parametrize("storage", ["readable", "forbidden"])
    def test_a_recording_that_is_deleted_during_the_download_is_not_found(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path, storage: str
    ) -> None:
        id = emulator.add()
        answer = emulator.answer

        def delete_first(request: Request) -> Reply:
            if request.path.endswith(("/file", f"recordingfiles/{id}")):
                emulator.remove(id)
            return answer(request)

        emulator.answer = delete_first  # type: ignore[method-assign]
        if storage == "forbidden":
            forbid_storage(emulator)
        with pytest.raises(rec.NotFound, match="RECORDING_NOT_FOUND"):
            voipbin.download(id, tmp_path)

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            (400, rec.AuthenticationFailed),
            (403, rec.AuthenticationFailed),
            (410, rec.NotFound),
        ],
    )
    @pytest.mark.parametrize("storage", ["readable", "forbidden"])
    def test_an_expired_signed_url_is_renewed_once(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        tmp_path: Path,
        status: int,
        error: type[rec.ProviderError],
        storage: str,
    ) -> None:
        """Google's storage reports it with status 400 and the code `ExpiredToken`."""
        id = emulator.add(kind=CONFERENCE)
        if storage == "forbidden":
            forbid_storage(emulator)
        path = "recordingfiles/*" if storage == "forbidden" else "storage_files/*/file"
        reply = Reply(status, b"<Error><Code>ExpiredToken</Code></Error>")
        emulator.media_faults.append(reply)
        assert all(copy.verified for copy in voipbin.download(id, tmp_path))
        assert list_sent_requests(emulator).count(f"GET {path}") == 2
        emulator.media_faults.extend([reply] * 3)
        with pytest.raises(error):
            voipbin.download(id, tmp_path)
        assert len(emulator.media_faults) == 1

    def test_a_404_for_the_media_of_an_existing_recording_is_not_ready(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        for _ in range(2):
            emulator.media_faults.append(Reply(404))
            with pytest.raises(rec.NotReady, match="returned 404"):
                voipbin.download(emulator.add(), tmp_path)
            forbid_storage(emulator)

    @pytest.mark.parametrize(
        ("status", "word", "reason", "error"),
        [
            (403, "PERMISSION_DENIED", "PERMISSION_DENIED", rec.AuthenticationFailed),
            (429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", rec.RateLimited),
            (500, "INTERNAL", "INTERNAL", rec.Unavailable),
            (503, "UNAVAILABLE", "SIGNING_NOT_CONFIGURED", rec.Rejected),
            (503, "UNAVAILABLE", "REQUEST_TIMEOUT", rec.Unavailable),
        ],
    )
    @pytest.mark.parametrize("storage", ["readable", "forbidden"])
    def test_an_error_of_the_api_for_media_has_its_code_message_and_request_id(
        self,
        emulator: VoIPBinEmulator,
        tmp_path: Path,
        storage: str,
        status: int,
        word: str,
        reason: str,
        error: type[rec.ProviderError],
    ) -> None:
        id = emulator.add()
        for part in ("file", "recordingfiles"):
            reply_to(emulator, part, build_error(status, word, reason, "Not now."))
        if storage == "forbidden":
            forbid_storage(emulator)
        with emulator.connect(http=ONE_WORKER) as voipbin, pytest.raises(error) as caught:
            voipbin.download(id, tmp_path)
        raised = caught.value
        assert (type(raised), raised.status, raised.code) == (error, status, reason)
        assert raised.request_id == "req_Y"
        assert "Not now." in str(raised)
        assert "media host" not in str(raised)

    def test_a_missing_signing_key_is_not_retried(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add()
        reply = build_error(503, "UNAVAILABLE", "SIGNING_NOT_CONFIGURED")
        for part in ("file", "recordingfiles"):
            reply_to(emulator, part, reply)
        with pytest.raises(rec.Rejected):
            voipbin.download(id, tmp_path)
        assert list_sent_requests(emulator)[2:] == ["GET storage_files/*/file"]

    @pytest.mark.parametrize("status", [400, 404, 409, 410])
    @pytest.mark.parametrize("storage", ["readable", "forbidden"])
    def test_a_page_of_a_gateway_is_no_proof_that_the_media_is_gone(
        self, emulator: VoIPBinEmulator, tmp_path: Path, status: int, storage: str
    ) -> None:
        id = emulator.add()
        for part in ("file", "recordingfiles"):
            reply_to(emulator, part, Reply(status, PAGE))
        if storage == "forbidden":
            forbid_storage(emulator)
        with emulator.connect(http=ONE_WORKER) as voipbin, pytest.raises(rec.Unavailable):
            voipbin.download(id, tmp_path)

    def test_the_first_byte_may_take_as_long_as_the_server_builds_the_zip(self) -> None:
        assert VoIPBin.media_first_byte == 330.0

    def test_a_listed_recording_is_downloaded_with_its_current_files(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        session = voipbin.start(find_live(emulator, CALL))
        manual_clock.advance(MINUTE)
        voipbin.stop(session)
        (listed,) = voipbin.list(since=manual_clock.now() - DAY)
        assert listed.status is STATUS.STOPPING
        manual_clock.advance(MINUTE)
        assert len(voipbin.download(listed, tmp_path)) == 2


class TestLimits:
    def test_the_vendors_rate_and_burst_are_the_default(self) -> None:
        with rec.connect("voipbin", token="a.b.c") as voipbin:
            bucket: Any = voipbin.transport.bucket
            assert (bucket._rate, bucket._capacity) == (16.7, 33.0)

    def test_a_rate_that_is_given_replaces_the_vendors_burst(self) -> None:
        http = rec.HttpSettings(rate=2.0)
        with rec.connect("voipbin", token="a.b.c", http=http) as voipbin:
            bucket: Any = voipbin.transport.bucket
            assert (bucket._rate, bucket._capacity) == (2.0, 120.0)
