"""Client: the requests that Twilio receives, and what its answers become."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from attrs import evolve

import recording_core as rec
import recording_twilio
from recording_core.testing import Reply, Request
from recording_twilio.client import Twilio
from recording_twilio.emulator import TwilioEmulator

pytestmark = pytest.mark.emulator("twilio")

MINUTE = timedelta(minutes=1)
SID = "AC0123456789abcdef0123456789abcdef"


@pytest.fixture
def twilio(emulator: TwilioEmulator) -> Iterator[Twilio]:
    with emulator.connect() as provider:
        assert isinstance(provider, Twilio)
        yield provider


def read_sent(emulator: TwilioEmulator) -> tuple[str, str, list[tuple[str, str]]]:
    """Read the method, the path below the account, and the form of the last write."""
    request = [each for each in emulator.list_requests() if each.method != "GET"][-1]
    path = request.path.partition(emulator.credentials["account_sid"])[2]
    return request.method, path, parse_qsl(request.body.decode())


def assume_numbers(emulator: Any, *numbers: int) -> None:
    emulator.assumes = numbers.__contains__


def connect(emulator: TwilioEmulator, **settings: Any) -> rec.Provider:
    settings |= emulator.credentials
    return rec.connect("twilio", base_url=emulator.base_url, **settings)


class TestConnect:
    def test_the_token_authenticates_with_the_account(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        list(twilio.list())
        header = emulator.list_requests()[0].header("authorization") or ""
        expected = "{account_sid}:{auth_token}".format(**emulator.credentials)
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == expected

    def test_an_api_key_authenticates_in_place_of_the_token(self, emulator: TwilioEmulator) -> None:
        settings: dict[str, Any] = {**emulator.credentials, **emulator.api_key}
        provider = recording_twilio.connect(**settings, base_url=emulator.base_url)
        with provider:
            list(provider.list())
        header = emulator.list_requests()[0].header("authorization") or ""
        expected = "{api_key}:{api_secret}".format(**emulator.api_key)
        assert base64.b64decode(header.removeprefix("Basic ")).decode() == expected

    @pytest.mark.parametrize("given", ["account_sid auth_token", "account_sid api_key api_secret"])
    def test_given_credentials_are_not_mixed_with_those_of_the_environment(
        self, emulator: TwilioEmulator, monkeypatch: pytest.MonkeyPatch, given: str
    ) -> None:
        own = {**emulator.credentials, **emulator.api_key}
        for name in own:
            monkeypatch.setenv(f"TWILIO_{name.upper()}", "x" * 34)
        settings: dict[str, Any] = {name: own[name] for name in given.split()}
        with rec.connect("twilio", base_url=emulator.base_url, **settings) as provider:
            assert list(provider.list()) == []

    @pytest.mark.parametrize(
        ("settings", "word"),
        [
            ({}, "none of them"),
            ({"api_key": "SK1"}, "only api_key"),
            ({"api_secret": "s" * 20}, "only api_secret"),
            ({"auth_token": "t" * 20, "edge": "evil.example/"}, "edge"),
            ({"auth_token": "t" * 20, "region": "a.b"}, "region"),
            ({"auth_token": "t" * 20, "pause_behavior": "mute"}, "pause_behavior"),
        ],
    )
    def test_settings_that_do_not_fit_raise(self, settings: dict[str, Any], word: str) -> None:
        with pytest.raises(rec.ConfigurationError, match=word):
            rec.connect("twilio", account_sid=SID, **settings)

    @pytest.mark.parametrize(
        ("settings", "host"),
        [
            ({}, "api.twilio.com"),
            ({"region": "ie1"}, "api.ie1.twilio.com"),
            ({"edge": "dublin", "region": "ie1"}, "api.dublin.ie1.twilio.com"),
            ({"edge": "ashburn"}, "api.ashburn.us1.twilio.com"),
        ],
    )
    def test_region_and_edge_are_part_of_the_host(
        self, settings: dict[str, Any], host: str
    ) -> None:
        with rec.connect("twilio", account_sid=SID, auth_token="t" * 20, **settings) as provider:
            assert provider.transport.base_url == f"https://{host}/2010-04-01"
        assert Twilio.default_base_url == "https://api.twilio.com/2010-04-01"


class TestSubaccounts:
    @pytest.fixture(params=["its own token", "the parent's token"])
    def subaccount(
        self, request: pytest.FixtureRequest, emulator: TwilioEmulator
    ) -> Iterator[rec.Provider]:
        settings: dict[str, Any] = {**emulator.subaccount}
        if request.param == "the parent's token":
            assume_numbers(emulator, 9)
            parent = emulator.credentials
            settings |= {"api_key": parent["account_sid"], "api_secret": parent["auth_token"]}
        with rec.connect("twilio", base_url=emulator.base_url, **settings) as provider:
            yield provider

    def test_a_subaccount_has_its_own_recordings(
        self,
        emulator: TwilioEmulator,
        twilio: Twilio,
        subaccount: rec.Provider,
        tmp_path: Path,
    ) -> None:
        ended, sid = emulator.clock.now() - MINUTE, emulator.subaccount["account_sid"]
        own = emulator.add(ended=ended, account=sid, duration=timedelta(seconds=1))
        other = emulator.add(ended=ended)
        assert [each.id for each in subaccount.list()] == [own]
        assert [each.id for each in twilio.list()] == [other]
        (copy,) = subaccount.download(own, tmp_path)
        assert f"/Accounts/{sid}/" in (copy.file.url or "")
        call = emulator.begin(rec.SessionKind.CALL, account=sid)
        started = subaccount.start(call)
        assert started.raw["account_sid"] == sid
        assert subaccount.active(call) is not None
        with pytest.raises(rec.NotFound):
            twilio.get(started.id or "")
        assert twilio.active(call) is None
        with pytest.raises(rec.NotFound):
            subaccount.start(emulator.sessions[0])

    def test_the_token_of_a_subaccount_is_not_valid_for_its_parent(
        self, emulator: TwilioEmulator
    ) -> None:
        own = emulator.subaccount
        with (
            rec.connect(
                "twilio",
                account_sid=emulator.credentials["account_sid"],
                api_key=own["account_sid"],
                api_secret=own["auth_token"],
                base_url=emulator.base_url,
            ) as provider,
            pytest.raises(rec.AuthenticationFailed),
        ):
            list(provider.list())


class TestVerbs:
    def test_a_start_sends_what_was_given_and_nothing_else(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        call = emulator.sessions[0]
        twilio.start(call)
        assert read_sent(emulator) == ("POST", f"/Calls/{call.id}/Recordings.json", [])

    def test_the_keywords_of_a_start_are_fields_of_a_form(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        twilio.start(
            emulator.sessions[0],
            channels=2,
            participant="inbound",
            callback_url="https://app.example.com/hook",
            extra={"Trim": "trim-silence"},
        )
        assert read_sent(emulator)[2] == [
            ("RecordingChannels", "dual"),
            ("RecordingTrack", "inbound"),
            ("RecordingStatusCallback", "https://app.example.com/hook"),
            ("RecordingStatusCallbackEvent", "in-progress"),
            ("RecordingStatusCallbackEvent", "completed"),
            ("RecordingStatusCallbackEvent", "absent"),
            ("Trim", "trim-silence"),
        ]

    def test_a_member_of_a_conference_is_recorded_on_a_call_of_its_own(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        conference = emulator.sessions[1]
        call = rec.call(emulator.find_session(conference).call_sid)
        session = twilio.start(call)
        emulator.advance(MINUTE)
        assert twilio.get(session.id or "").target == call
        assert twilio.active(conference) is None
        emulator.hang_up(conference)
        waited = twilio.wait(session, timeout=MINUTE)
        assert [(each.status, each.duration) for each in waited.recordings] == [
            ("available", MINUTE)
        ]

    def test_a_second_start_is_the_same_recording(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        call = emulator.sessions[0]
        assert twilio.start(call).id == twilio.start(call).id

    def test_a_call_that_rings_or_ended_is_a_conflict(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        ended = emulator.sessions[0]
        emulator.hang_up(ended)
        for call in (ended, emulator.begin(rec.SessionKind.CALL, is_ringing=True)):
            with pytest.raises(rec.Conflict) as caught:
                twilio.start(call)
            assert caught.value.code == "21220"

    def test_a_conference_is_neither_started_nor_stopped(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        conference = emulator.sessions[1]
        session = rec.RecordingSession("twilio", "default", "RE1", conference)
        with emulator.forbid_requests():
            with pytest.raises(rec.UnsupportedOperation):
                twilio.start(conference)
            with pytest.raises(rec.UnsupportedOperation):
                twilio.stop(session)

    @pytest.mark.parametrize("behavior", ["", "skip", "silence"])
    def test_pause_behavior_is_sent_if_it_is_set(
        self, emulator: TwilioEmulator, behavior: str
    ) -> None:
        with connect(emulator, pause_behavior=behavior) as provider:
            call = emulator.sessions[0]
            session = provider.pause(provider.start(call))
            expected = [("PauseBehavior", behavior)] if behavior else []
            path = f"/Calls/{call.id}/Recordings/{session.id}.json"
            assert read_sent(emulator) == ("POST", path, [("Status", "paused"), *expected])
            provider.resume(session)
            assert read_sent(emulator)[2] == [("Status", "in-progress")]

    @pytest.mark.parametrize(("behavior", "seconds"), [("skip", 20), ("silence", 30), ("", 30)])
    def test_a_pause_is_cut_out_or_silence(
        self, emulator: TwilioEmulator, behavior: str, seconds: int
    ) -> None:
        with connect(emulator, pause_behavior=behavior) as provider:
            session = provider.start(emulator.sessions[0])
            for verb in (provider.pause, provider.resume, provider.stop):
                emulator.advance(timedelta(seconds=10))
                session = verb(session)
        emulator.advance(MINUTE)
        with emulator.connect() as provider:
            found = provider.get(session.id or "")
            assert found.duration == timedelta(seconds=seconds)

    def test_a_paused_recording_is_paused_only_in_the_session(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        session = twilio.pause(twilio.start(emulator.sessions[0]))
        assert (session.status, len(session.pauses)) == ("paused", 1)
        found = twilio.get(session.id or "")
        assert (found.status, found.provider_status) == ("recording", "processing")

    def test_the_recording_of_a_conference_is_found_paused_and_resumed(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        conference = emulator.sessions[1]
        assert twilio.active(conference) is None
        id = emulator.begin_recording(conference)
        session = twilio.active(conference)
        assert session is not None
        assert (session.id, session.status) == (id, "recording")
        assert twilio.pause(session).status == "paused"
        path = f"/Conferences/{conference.id}/Recordings/{id}.json"
        assert read_sent(emulator)[1] == path
        assert twilio.resume(session).status == "recording"
        emulator.hang_up(conference)
        assert twilio.active(conference) is None
        waited = twilio.wait(session, timeout=MINUTE)
        assert (waited.status, waited.recordings[0].target) == ("available", conference)

    def test_a_live_recording_whose_word_is_new_is_active(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        def alter(request: Request, payload: Any) -> Any:
            for row in payload.get("recordings", ()):
                row["status"] = "zz-new-word"
            return payload

        call = emulator.sessions[0]
        started = twilio.start(call)
        emulator.alter = alter
        session = twilio.active(call)
        assert session is not None
        assert (session.id, session.status) == (started.id, "unknown")
        assert session.provider_status == "zz-new-word"

    def test_a_recording_that_was_stopped_is_not_active(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        call = emulator.sessions[0]
        twilio.stop(twilio.start(call))
        emulator.advance(MINUTE)
        assert twilio.active(call) is None

    def test_a_session_without_an_id_addresses_the_current_recording(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        call = emulator.sessions[0]
        id = twilio.start(call).id
        session = rec.RecordingSession("twilio", "default", None, call)
        assert twilio.pause(session).id == id
        assert read_sent(emulator)[1].endswith("/Recordings/Twilio.CURRENT.json")
        emulator.begin_recording(call)
        with pytest.raises(rec.Conflict) as caught:
            twilio.stop(session)
        assert caught.value.code == "16108"

    def test_the_word_current_is_never_taken_for_an_id(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        emulator.alter = lambda request, payload: {**payload, "sid": "Twilio.CURRENT"}
        assert twilio.pause(session).id == session.id
        assert twilio.pause(evolve(session, id=None)).id is None

    @pytest.mark.parametrize("has_ended", [True, False])
    def test_a_stop_after_the_end_succeeds(
        self, emulator: TwilioEmulator, twilio: Twilio, has_ended: bool
    ) -> None:
        call = emulator.sessions[0]
        session = twilio.start(call)
        if has_ended:
            emulator.hang_up(call)
        else:
            twilio.stop(session)
        assert twilio.stop(session).status == "processing"
        emulator.advance(MINUTE)
        assert twilio.stop(session).status == "available"
        assert twilio.stop(evolve(session, id=None)).status == "processing"

    def test_a_stop_that_is_refused_while_it_records_raises(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        emulator.faults.append(emulator.build_error(400))
        with pytest.raises(rec.Rejected):
            twilio.stop(session)

    def test_an_update_uses_the_call_that_the_row_names(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        parent = emulator.sessions[0]
        session = evolve(twilio.start(parent), target=rec.call("CA" + "0" * 32))
        assert twilio.stop(session).status == "stopping"
        assert read_sent(emulator)[1].startswith(f"/Calls/{parent.id}/")

    @pytest.mark.parametrize("wanted", ["paused", "recording"])
    def test_a_second_pause_or_resume_that_is_refused_is_success(
        self, emulator: TwilioEmulator, twilio: Twilio, wanted: str
    ) -> None:
        assume_numbers(emulator, 2)
        session = twilio.start(emulator.sessions[0])
        verb = twilio.resume
        if wanted == "paused":
            session, verb = twilio.pause(session), twilio.pause
        assert verb(session).status == wanted
        with pytest.raises(rec.Rejected):
            verb(evolve(session, status=rec.RecordingStatus.UNKNOWN))

    def test_a_redirect_of_an_update_is_not_taken_for_success(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        session = twilio.pause(twilio.start(emulator.sessions[0]))
        stopping = evolve(session, status=rec.RecordingStatus.STOPPING)
        for verb, given in ((twilio.pause, session), (twilio.stop, stopping)):
            emulator.faults.append(Reply(302, headers={"Location": "/elsewhere"}))
            with pytest.raises(rec.Rejected):
                verb(given)


class TestUpdatesInDoubt:
    """An update may have been applied although its answer does not state it."""

    @pytest.fixture
    def lose(
        self, emulator: TwilioEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., list[str]]:
        """`sent = lose(status, is_applied=True)`: of the next update's answer; None for none.

        `sent` has the methods of all later requests.
        """
        answer = emulator.answer

        def start(status: int | None, *, is_applied: bool = True) -> list[str]:
            sent: list[str] = []

            def reply(request: Request) -> Reply:
                sent.append(request.method)
                if sent.count("POST") > 1 or request.method != "POST":
                    return answer(request)
                if is_applied:
                    answer(request)
                return Reply(abort=True) if status is None else Reply(status)

            monkeypatch.setattr(emulator, "answer", reply)
            return sent

        return start

    @pytest.mark.parametrize("verb", ["pause", "resume", "stop"])
    def test_an_update_that_timed_out_is_not_repeated_blindly(
        self, emulator: TwilioEmulator, twilio: Twilio, lose: Any, verb: str
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        sent = lose(408)
        with pytest.raises(rec.OutcomeUnknown) as caught:
            getattr(twilio, verb)(session)
        assert (caught.value.status, caught.value.operation) == (408, verb)
        assert sent == ["POST", "GET", "GET"]  # the recording, and its call

    @pytest.mark.parametrize(
        ("verb", "status"), [("pause", "paused"), ("resume", "recording"), ("stop", "stopping")]
    )
    @pytest.mark.parametrize("answer", [408, 503, None])
    def test_an_update_that_a_get_shows_succeeded(
        self,
        emulator: TwilioEmulator,
        twilio: Twilio,
        lose: Any,
        verb: str,
        status: str,
        answer: int | None,
    ) -> None:
        assume_numbers(emulator, 1, 2, 7)
        session = twilio.start(emulator.sessions[0])
        if verb == "resume":
            session = twilio.pause(session)
        sent = lose(answer)
        assert getattr(twilio, verb)(session).status == status
        assert sent.count("POST") == 1

    @pytest.mark.parametrize("assume", [(), (7,)])
    @pytest.mark.parametrize("answer", [503, None])
    def test_an_update_that_was_not_applied_is_repeated(
        self,
        emulator: TwilioEmulator,
        twilio: Twilio,
        lose: Any,
        answer: int | None,
        assume: tuple[int, ...],
    ) -> None:
        assume_numbers(emulator, 2, *assume)
        session = twilio.start(emulator.sessions[0])
        sent = lose(answer, is_applied=False)
        assert twilio.pause(session).status == "paused"
        assert sent[0] == sent[-1] == "POST"
        assert "GET" in sent

    def test_an_update_that_timed_out_is_repeated_if_a_get_shows_that_it_was_not_applied(
        self, emulator: TwilioEmulator, twilio: Twilio, lose: Any
    ) -> None:
        assume_numbers(emulator, 2, 7)
        session = twilio.start(emulator.sessions[0])
        lose(408, is_applied=False)
        assert twilio.pause(session).status == "paused"
        emulator.faults.append(Reply(408))
        assert twilio.resume(session).status == "recording"

    @pytest.mark.parametrize("verb", ["pause", "stop"])
    def test_a_repeat_that_is_refused_proves_nothing(
        self, emulator: TwilioEmulator, twilio: Twilio, lose: Any, verb: str
    ) -> None:
        assume_numbers(emulator, 1, 2)
        session = twilio.start(emulator.sessions[0])
        lose(503)
        with pytest.raises(rec.OutcomeUnknown):
            getattr(twilio, verb)(session)

    def test_a_refused_stop_of_what_is_not_in_progress_succeeds(
        self, emulator: TwilioEmulator, twilio: Twilio, lose: Any
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        lose(503)
        assert twilio.stop(session).status == "processing"

    def test_a_rejection_after_the_end_is_raised(
        self, emulator: TwilioEmulator, twilio: Twilio, lose: Any
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        emulator.hang_up(emulator.sessions[0])
        lose(408)
        with pytest.raises(rec.Conflict):
            twilio.pause(session)

    @pytest.mark.parametrize(
        ("status", "error"), [(408, rec.OutcomeUnknown), (503, rec.Unavailable)]
    )
    @pytest.mark.parametrize("is_shown", [True, False])
    def test_an_update_that_fails_again_and_again_raises(
        self,
        emulator: TwilioEmulator,
        twilio: Twilio,
        status: int,
        error: type[Exception],
        is_shown: bool,
    ) -> None:
        assume_numbers(emulator, 7)
        session = twilio.start(emulator.sessions[0])
        answer = emulator.answer
        emulator.answer = lambda request: (  # type: ignore[method-assign]
            answer(request) if is_shown and request.method == "GET" else Reply(status)
        )
        with pytest.raises(error):
            twilio.pause(session)
        assert sum(each.method == "POST" for each in emulator.list_requests()) <= 3

    def test_without_retries_an_update_is_sent_once(self, emulator: TwilioEmulator) -> None:
        with emulator.connect(http=rec.HttpSettings(retries=0)) as provider:
            session = provider.start(emulator.sessions[0])
            emulator.faults.append(Reply(503))
            with pytest.raises(rec.Unavailable):
                provider.pause(session)
        assert len(emulator.list_requests()) == 2

    def test_the_end_of_a_session_without_an_id_shows_no_resume(
        self, emulator: TwilioEmulator, twilio: Twilio, lose: Any
    ) -> None:
        session = evolve(twilio.start(emulator.sessions[0]), id=None)
        emulator.hang_up(emulator.sessions[0])
        lose(503)
        with pytest.raises(rec.Conflict):
            twilio.resume(session)


class TestStatus:
    """`processing` means recording or processing: list, get and wait agree on it."""

    def test_list_get_and_wait_agree(self, emulator: TwilioEmulator, twilio: Twilio) -> None:
        call = emulator.sessions[0]
        session = twilio.start(call)
        steps: dict[str, Callable[[], None]] = {
            "recording": lambda: emulator.hang_up(call),
            "processing": lambda: emulator.advance(MINUTE),
            "available": lambda: None,
        }
        for expected, step in steps.items():
            (listed,) = twilio.list()
            (of_call,) = twilio.list(target=call)
            got = twilio.get(listed)
            try:
                waited: rec.RecordingSession | None = twilio.wait(session, timeout=MINUTE / 60)
            except rec.NotReady as error:
                waited = error.session
            assert waited is not None
            found = {each.status for each in (listed, of_call, got, waited)}
            assert found == {expected}
            step()

    def test_a_list_asks_once_per_page_for_the_live_calls(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        for _ in range(7):
            emulator.begin_recording(emulator.begin(rec.SessionKind.CALL))
        emulator.begin_recording(emulator.sessions[1])
        with emulator.log_requests() as entries:
            assert {each.status for each in twilio.list()} == {"recording"}
        paths = [each.request.path.rpartition("/")[2] for each in entries]
        assert sorted(paths) == ["Calls.json", "Conferences.json", "Recordings.json"]
        assert all(dict(each.request.query)["PageSize"] == "1000" for each in entries)

    def test_one_call_is_asked_for_alone(self, emulator: TwilioEmulator, twilio: Twilio) -> None:
        call = emulator.sessions[0]
        emulator.begin_recording(call)
        for target in (None, call):
            with emulator.log_requests() as entries:
                (found,) = twilio.list(target=target)
            assert found.status == "recording"
            assert entries[1].request.path.endswith(f"/Calls/{call.id}.json")
            assert len(entries) == 2

    def test_a_list_without_unfinished_rows_is_one_request(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.add(ended=emulator.clock.now() - MINUTE)
        with emulator.log_requests() as entries:
            assert len(list(twilio.list())) == 1
        assert len(entries) == 1

    def test_live_calls_on_several_pages_are_all_read(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        for _ in range(5):
            emulator.begin_recording(emulator.begin(rec.SessionKind.CALL))
        emulator.max_page_size = 2
        assert {each.status for each in twilio.list()} == {"recording"}

    def test_a_key_that_may_not_read_calls_still_lists(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.begin_recording(emulator.sessions[0])

        def forbid(request: Request, payload: Any) -> Any:
            emulator.faults.append(emulator.build_error(403))
            emulator.alter = None
            return payload

        emulator.alter = forbid
        listing = twilio.list()
        assert [each.status for each in listing] == ["processing"]
        assert "permission" in listing.coverage.errors[0]

    def test_a_key_that_may_not_read_calls_still_gets(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        id = emulator.begin_recording(emulator.sessions[0])

        def forbid(request: Request, payload: Any) -> Any:
            emulator.faults.append(emulator.build_error(403))
            return payload

        emulator.alter = forbid
        assert twilio.get(id).status == "processing"

    def test_an_error_while_live_calls_are_read_is_raised(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.begin_recording(emulator.sessions[0])

        def fail(request: Request, payload: Any) -> Any:
            emulator.faults.append(emulator.build_error(401))
            return payload

        emulator.alter = fail
        with pytest.raises(rec.AuthenticationFailed):
            list(twilio.list())

    def test_a_call_that_is_gone_does_not_live(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        id = emulator.begin_recording(emulator.sessions[0])
        emulator.alter = lambda request, payload: (
            {**payload, "call_sid": "CA" + "0" * 32} if "Recordings" in request.path else payload
        )
        assert twilio.get(id).status == "processing"


class TestNames:
    """A conference may be given by its name, which is reused."""

    def test_the_live_conference_of_a_name_is_found_and_paused(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        name = emulator.find_session(emulator.sessions[1]).name
        target = rec.conference(name)
        emulator.hang_up(emulator.sessions[1])
        assert twilio.active(target) is None
        id = emulator.begin_recording(emulator.sessions[1])
        session = twilio.active(target)
        assert session is not None
        assert (session.id, session.target) == (id, target)
        assert twilio.pause(session).status == "paused"
        assert twilio.resume(evolve(session, id=None, raw={})).id == id
        path = f"/Conferences/{emulator.sessions[1].id}/Recordings/Twilio.CURRENT.json"
        assert read_sent(emulator)[1] == path
        emulator.hang_up(emulator.sessions[1])
        waited = twilio.wait(session, timeout=MINUTE)
        assert waited.status == "available"
        (found,) = waited.recordings
        latest = twilio.latest(target)
        given = (twilio.get(id, target=target), twilio.get(found), latest, found)
        assert {each and each.target for each in given} == {target}
        of_call = twilio.start(emulator.sessions[0]).id or ""
        assert twilio.get(of_call, target=target).target == emulator.sessions[0]

    def test_a_name_without_a_live_conference_is_not_found(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        target = rec.conference("no such name")
        assert twilio.active(target) is None
        assert list(twilio.list(target=target)) == []
        with pytest.raises(rec.NotFound):
            twilio.pause(rec.RecordingSession("twilio", "default", None, target))

    def test_conferences_without_a_recording_do_not_end_a_list_by_name(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        name, kind = "standup", rec.SessionKind.CONFERENCE
        id = emulator.add(ended=emulator.clock.now() - 60 * MINUTE, kind=kind, name=name)
        for _ in range(4):
            emulator.begin(kind, name)
        listing = twilio.list(target=rec.conference(name))
        assert [each.id for each in listing] == [id]
        assert (listing.coverage.pages, listing.coverage.complete) == (5, True)
        latest = twilio.latest(rec.conference(name))
        assert latest is not None
        assert latest.id == id

    def test_empty_pages_of_one_conference_are_endless(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        def alter(request: Request, payload: Any) -> Any:
            sent = len(emulator.list_requests())
            is_endless = "recordings" in payload and sent < 20
            uri = f"{request.path}?Try={sent}"
            return {**payload, "next_page_uri": uri} if is_endless else payload

        emulator.begin(rec.SessionKind.CONFERENCE, "standup")
        emulator.alter = alter
        with pytest.raises(rec.PaginationError, match="empty pages"):
            list(twilio.list(target=rec.conference("standup")))

    def test_a_list_by_name_has_the_recordings_of_every_conference(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        name, kind = "Board/Q3 50%", rec.SessionKind.CONFERENCE
        now, target = emulator.clock.now(), rec.conference(name)
        ids = {emulator.add(ended=now - MINUTE * n, kind=kind, name=name) for n in range(1, 4)}
        live = emulator.begin(kind, name)
        for _ in range(3):
            ids.add(emulator.begin_recording(live))
        emulator.add(ended=now - MINUTE, kind=kind, name="another")
        emulator.max_page_size = 2
        listing = twilio.list(target=target)
        found = list(listing)
        assert {each.id for each in found} == ids
        assert {each.target for each in found} == {target}
        assert sum(each.status == "recording" for each in found) == 3
        assert listing.coverage.complete


class TestList:
    def test_a_filter_by_time_has_a_day_on_both_sides(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        since, until = (datetime(2026, 5, day, 15, tzinfo=UTC) for day in (3, 5))
        list(twilio.list(since=since, until=until))
        query = dict(emulator.list_requests()[0].query)
        assert query == {
            "DateCreated>": "2026-05-02T15:00:00Z",
            "DateCreated<": "2026-05-06T15:00:00Z",
            "IncludeSoftDeleted": "true",
            "PageSize": "1000",
        }

    def test_bounds_outside_any_recording_are_not_sent(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        bounds = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        list(twilio.list(since=bounds[0], until=bounds[1]))
        assert "DateCreated" not in str(emulator.list_requests()[0].query)

    @pytest.mark.parametrize("assume", [(), (4,)])
    def test_no_recording_is_lost_whether_a_filter_has_hours_or_not(
        self, emulator: TwilioEmulator, twilio: Twilio, assume: tuple[int, ...]
    ) -> None:
        assume_numbers(emulator, *assume)
        noon = datetime(2026, 5, 3, 12, tzinfo=UTC)
        ids = {emulator.add(ended=noon + timedelta(hours=hour)) for hour in range(-30, 30, 3)}
        found = {each.id for each in twilio.list(since=noon - timedelta(days=9), until=noon)}
        later = {each.id for each in twilio.list(since=noon)}
        assert found | later == ids
        assert not found & later

    def test_a_deleted_recording_is_listed_for_forty_days(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        id = emulator.add(ended=emulator.clock.now() - MINUTE)
        twilio.delete(id)
        assert [each.status for each in twilio.list()] == ["deleted"]
        assert twilio.get(id).status == "deleted"
        with pytest.raises(rec.NotFound):
            twilio.delete(id)
        emulator.advance(timedelta(days=41))
        assert list(twilio.list()) == []

    def test_a_recording_that_is_not_completed_is_not_deleted(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        with pytest.raises(rec.Conflict):
            twilio.delete(session.id or "")

    def test_an_absent_recording_is_not_deleted(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        id = emulator.add(ended=emulator.clock.now() - MINUTE, error_code=16101)
        with pytest.raises(rec.Conflict):
            twilio.delete(id)
        assert twilio.get(id).status == "empty"

    def test_pages_follow_the_link_on_the_apis_own_path(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.max_page_size = 2
        ids = {emulator.add(ended=emulator.clock.now() - MINUTE * each) for each in range(1, 6)}
        emulator.alter = lambda request, payload: {
            **payload,
            "next_page_uri": (payload["next_page_uri"] or "").replace("/2010-04-01/", "/x/")
            or None,
        }
        assert {each.id for each in twilio.list()} == ids

    @pytest.mark.parametrize(
        ("link", "error"),
        [
            ("https://evil.example/2010-04-01/x", rec.PaginationError),
            (7, rec.MalformedPayload),
        ],
    )
    def test_a_link_that_leads_elsewhere_is_not_followed(
        self, emulator: TwilioEmulator, twilio: Twilio, link: Any, error: type[Exception]
    ) -> None:
        emulator.alter = lambda request, payload: {**payload, "next_page_uri": link}
        with pytest.raises(error):
            list(twilio.list())

    def test_a_page_without_a_link_is_not_taken_for_the_last(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.alter = lambda request, payload: {"recordings": payload["recordings"]}
        with pytest.raises(rec.MalformedPayload, match="next_page_uri"):
            list(twilio.list())

    def test_live_calls_that_never_end_are_not_read_for_ever(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        call = emulator.sessions[0]
        emulator.add(ended=emulator.clock.now() - MINUTE)
        emulator.alter = lambda request, payload: (
            {**payload, "next_page_uri": "/2010-04-01/x?PageToken=PT0"}
            if "next_page_uri" in payload
            else payload
        )
        with pytest.raises(rec.PaginationError):
            twilio.active(call)

    @pytest.mark.parametrize(("assume", "passes"), [((3,), 1), ((), 2)])
    def test_a_list_is_read_once_if_its_tokens_name_rows(
        self, emulator: TwilioEmulator, twilio: Twilio, assume: tuple[int, ...], passes: int
    ) -> None:
        assume_numbers(emulator, *assume)
        emulator.max_page_size = 2
        for each in range(1, 6):
            emulator.add(ended=emulator.clock.now() - MINUTE * each)
        with emulator.log_requests() as entries:
            listing = twilio.list()
            assert len(list(listing)) == 5
        assert listing.coverage.complete
        assert len(entries) == 3 * passes


class TestDownload:
    def test_a_file_is_wav_unless_mp3_is_chosen(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path
    ) -> None:
        id = emulator.add(ended=emulator.clock.now() - MINUTE, duration=timedelta(seconds=3))
        for format in (None, "mp3", "wav"):
            (copy,) = twilio.download(id, tmp_path, format=format)
            assert (copy.path.suffix, copy.verified) == (f".{format or 'wav'}", True)
            assert copy.file.media_type == ("audio/mpeg" if format == "mp3" else "audio/wav")
        with emulator.forbid_requests(), pytest.raises((ValueError, rec.UnsupportedOperation)):
            twilio.download(id, tmp_path, format="ogg")

    @pytest.mark.parametrize("media_auth", [True, False])
    def test_the_apis_own_origin_gets_the_credentials(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path, media_auth: bool
    ) -> None:
        emulator.media_auth = media_auth
        id = emulator.add(ended=emulator.clock.now() - MINUTE, duration=timedelta(seconds=1))
        twilio.download(id, tmp_path)
        (request,) = emulator.list_requests("media")
        assert (request.header("authorization") or "").startswith("Basic ")

    @pytest.mark.parametrize("kind", [rec.SessionKind.CALL, rec.SessionKind.CONFERENCE])
    def test_a_dual_recording_is_copied_with_two_channels(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path, kind: rec.SessionKind
    ) -> None:
        more: dict[str, Any] = {"duration": timedelta(seconds=1), "kind": kind, "channels": 2}
        id = emulator.add(ended=emulator.clock.now() - MINUTE, **more)
        (copy,) = twilio.download(id, tmp_path)
        assert copy.path.read_bytes()[22:24] == b"\2\0"  # of the header of a WAV file

    @pytest.mark.parametrize("format", [None, "mp3"])
    def test_one_channel_is_fetched_if_there_is_only_one(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path, format: str | None
    ) -> None:
        more: dict[str, Any] = {"duration": timedelta(seconds=1), "channels": 1}
        kind = rec.SessionKind.CONFERENCE
        id = emulator.add(ended=emulator.clock.now() - MINUTE, kind=kind, **more)
        emulator.alter = lambda request, payload: {**payload, "channels": 2}
        (copy,) = twilio.download(id, tmp_path, format=format)
        assert copy.verified
        assert [each.query for each in emulator.list_requests("media")] == [
            (("RequestedChannels", "2"),),
            (),
        ]

    def test_another_error_of_media_is_raised(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path
    ) -> None:
        id = emulator.add(ended=emulator.clock.now() - MINUTE)
        emulator.media_faults.append(emulator.build_error(400))
        with pytest.raises(rec.Rejected):
            twilio.download(id, tmp_path)

    def test_media_in_the_customers_storage_is_named(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path
    ) -> None:
        url = "https://bucket.s3.amazonaws.com/a/b"
        id = emulator.add(ended=emulator.clock.now() - MINUTE, own_storage=url)
        with pytest.raises(rec.UnsupportedOperation, match=r"bucket\.s3\.amazonaws\.com"):
            twilio.download(id, tmp_path)
        assert not emulator.list_requests("media")

    @pytest.mark.parametrize("format", [None, "wav", "mp3"])
    def test_an_encrypted_file_is_kept_as_it_is(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path, format: str | None
    ) -> None:
        id = emulator.add(ended=emulator.clock.now() - MINUTE, is_encrypted=True)
        (copy,) = twilio.download(id, tmp_path, format=format)
        assert (copy.path.suffix, copy.size) == (".bin", 4096)

    def test_a_file_that_is_not_stored_yet_is_not_ready(
        self, emulator: TwilioEmulator, twilio: Twilio, tmp_path: Path
    ) -> None:
        id = emulator.add(ended=emulator.clock.now() - MINUTE)
        recording = twilio.get(id)
        # Right after `completed` the file may be missing.
        emulator.media_faults.extend([emulator.build_error(404)] * 9)
        with pytest.raises(rec.NotReady):
            twilio.download(recording, tmp_path)


class TestErrors:
    def test_too_many_requests_are_repeated(self, emulator: TwilioEmulator, twilio: Twilio) -> None:
        emulator.faults.append(emulator.build_error(429).with_headers(retry_after="1"))
        assert list(twilio.list()) == []

    def test_a_start_without_evidence_is_an_unknown_outcome(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.faults.append(Reply.json({"code": 7}, 201))
        with pytest.raises(rec.OutcomeUnknown):
            twilio.start(emulator.sessions[0])

    def test_a_start_that_names_no_recording_has_a_session_without_an_id(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        emulator.faults.append(Reply.json({"status": "processing"}, 201))
        session = twilio.start(emulator.sessions[0])
        assert (session.id, session.status) == (None, "recording")

    def test_a_stop_succeeds_if_the_status_of_its_answer_cannot_be_read(
        self, emulator: TwilioEmulator, twilio: Twilio
    ) -> None:
        session = twilio.start(emulator.sessions[0])
        emulator.alter = lambda request, payload: {**payload, "status": 7}
        with emulator.log_requests() as entries:
            assert twilio.stop(session).status == "stopping"
        assert len(entries) == 1
