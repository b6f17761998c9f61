"""Emulator: it behaves as Plivo's pages document. Over raw HTTP, without Plivo's client.

https://www.plivo.com/docs/voice/api/recordings, .../conferences, .../multiparty-calls, .../overview
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import parse_qsl, quote

import pytest
import requests
from attrs import define

from recording_core import SessionKind
from recording_core.testing import ManualClock
from recording_plivo.emulator import PlivoEmulator
from recording_plivo.emulator.listing import PagingMode

DAY = timedelta(days=1)
#: From the end of a recording to its row.
UNTIL_LISTED = timedelta(seconds=8)


@define
class Api:
    """An HTTP client with the account's credentials, and its emulator."""

    emulator: PlivoEmulator
    http: requests.Session
    clock: ManualClock

    def __call__(self, method: str, path: str, **args: Any) -> requests.Response:
        """Send a request below the account: arguments in the query, those of a POST as JSON."""
        url = f"{self.emulator.base_url}/Account/{self.emulator.credentials['auth_id']}/{path}"
        if method == "POST":
            return self.http.request(method, url, json=args)
        return self.http.request(method, url, params=args)

    def list_ids(self, **args: Any) -> list[str]:
        """List the ids on the first page."""
        reply = self("GET", "Recording/", **args)
        assert reply.status_code == 200, reply.text
        return [row["recording_id"] for row in reply.json()["objects"]]

    def list_pages(self, limit: int, **args: Any) -> list[list[str]]:
        """List the ids on each page, following `meta.next`; twenty pages at most."""
        pages: list[list[str]] = []
        reply = self("GET", "Recording/", limit=limit, **args).json()
        while len(pages) < 20:
            pages.append([row["recording_id"] for row in reply["objects"]])
            if reply["meta"]["next"] is None:
                break
            reply = self.http.get(self.emulator.origin + reply["meta"]["next"]).json()
        return pages

    def send_for_status(self, method: str, path: str, **args: Any) -> int:
        return self(method, path, **args).status_code

    def build_path(self, kind: SessionKind, rest: str = "Record/") -> str:
        """Build the path of the live session of that kind, with `rest` after its id."""
        collection = {"call": "Call", "conference": "Conference", "meeting": "MultiPartyCall"}[kind]
        prefix = "name_" if kind is SessionKind.MEETING else ""
        return f"{collection}/{prefix}{quote(self.find_session_id(kind), safe='')}/{rest}"

    def find_session_id(self, kind: SessionKind) -> str:
        return next(session.id for session in self.emulator.sessions if session.kind is kind)

    def compute_past(self, age: timedelta) -> datetime:
        return self.clock.now() - age

    def format_past(self, age: timedelta) -> str:
        """Format a time in the past as the filters take it: in UTC, without an offset."""
        return f"{self.compute_past(age):%Y-%m-%d %H:%M:%S.%f}"

    def add(self, *ages: timedelta, **more: Any) -> list[str]:
        """Add recordings with an `add_time` of exactly these ages."""
        return [
            self.emulator.add(ended=self.compute_past(age), added_after=timedelta(0), **more)
            for age in ages
        ]

    def record(self, kind: SessionKind, **args: Any) -> str:
        """Record the live session of that kind for 5 s, and wait until it is listed."""
        id: str = self("POST", self.build_path(kind), **args).json()["recording_id"]
        self.clock.advance(timedelta(seconds=5))
        assert self.send_for_status("DELETE", self.build_path(kind)) == 204
        self.clock.advance(UNTIL_LISTED)
        return id


pytestmark = pytest.mark.emulator("plivo")


@pytest.fixture
def api(emulator: PlivoEmulator, manual_clock: ManualClock) -> Iterator[Api]:
    with requests.Session() as http:
        credentials = emulator.credentials
        http.auth = (credentials["auth_id"], credentials["auth_token"])
        yield Api(emulator, http, manual_clock)


PAGINGS = pytest.mark.parametrize("paging", get_args(PagingMode))
KINDS = pytest.mark.parametrize("kind", list(SessionKind))


class TestRequests:
    def test_missing_credentials_are_401_in_plain_text(self, api: Api) -> None:
        api.http.auth = None
        reply = api("GET", "Recording/")
        assert (reply.status_code, reply.headers["Content-Type"]) == (401, "text/plain")

    def test_a_wrong_token_is_401(self, api: Api) -> None:
        api.http.auth = (api.emulator.credentials["auth_id"], "x" * 40)
        assert api.send_for_status("GET", "Recording/") == 401

    def test_the_path_of_another_account_is_401(self, api: Api) -> None:
        url = f"{api.emulator.base_url}/Account/MA{'0' * 18}/Recording/"
        assert api.http.get(url).status_code == 401

    @pytest.mark.parametrize("path", ["Recordings/", "Call/", "Call/x/", "Conference/a/b/c/"])
    def test_other_paths_are_404(self, api: Api, path: str) -> None:
        reply = api("GET", path)
        assert reply.status_code == 404
        assert reply.json()["error"] == "not found"

    @pytest.mark.parametrize("path", ["Recording/", "Recording/x/", "Conference/"])
    def test_an_unsupported_method_is_405(self, api: Api, path: str) -> None:
        assert api.send_for_status("POST", path) == 405

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    @pytest.mark.parametrize("path", ["Recording/nothing/", "Transcription/nothing/"])
    def test_an_unknown_recording_is_404(self, api: Api, method: str, path: str) -> None:
        assert api.send_for_status(method, path) == 404

    @KINDS
    def test_an_unknown_session_is_404(self, api: Api, kind: SessionKind) -> None:
        path = api.build_path(kind).replace(quote(api.find_session_id(kind), safe=""), "unknown")
        assert api.send_for_status("POST", path) == 404

    def test_only_json_objects_are_accepted(self, api: Api) -> None:
        url = f"{api.emulator.base_url}/Account/{api.emulator.credentials['auth_id']}/"
        url += api.build_path(SessionKind.CALL)
        json = {"Content-Type": "application/json"}
        assert api.http.post(url, data={"file_format": "wav"}).status_code == 400
        assert api.http.post(url, data="{", headers=json).status_code == 400
        assert api.http.post(url, data="[1]", headers=json).status_code == 400

    def test_a_delete_may_have_a_body_and_a_post_unknown_keys(self, api: Api) -> None:
        [id] = api.add(DAY)
        url = f"{api.emulator.base_url}/Account/{api.emulator.credentials['auth_id']}"
        reply = api.http.delete(f"{url}/Recording/{id}/", json={"recording_id": id})
        assert (reply.status_code, reply.content) == (204, b"")
        assert (
            api.send_for_status("POST", api.build_path(SessionKind.CONFERENCE), conference_name="x")
            == 202
        )

    def test_callback_url_makes_a_get_asynchronous(self, api: Api) -> None:
        [id] = api.add(DAY)
        for path in ("Recording/", f"Recording/{id}/", "Recording/nothing/"):
            reply = api("GET", path, callback_url="https://example.com/hook")
            assert reply.json().pop("api_id")
            assert reply.json()["message"] == "async api spawned"
            assert "objects" not in reply.json()
        reply = api("DELETE", f"Recording/{id}/", callback_url="https://example.com/hook")
        assert (reply.status_code, reply.json()["message"]) == (202, "async api spawned")
        assert api.list_ids() == []

    def test_callback_url_does_not_make_a_start_asynchronous(self, api: Api) -> None:
        reply = api(
            "POST", api.build_path(SessionKind.CALL), callback_url="https://example.com/hook"
        )
        assert reply.json()["recording_id"]

    def test_callback_url_makes_the_start_of_a_multiparty_call_asynchronous(self, api: Api) -> None:
        reply = api(
            "POST", api.build_path(SessionKind.MEETING), callback_url="https://example.com/hook"
        )
        assert "recording_id" not in reply.json()
        assert (
            api("GET", api.build_path(SessionKind.MEETING, "")).json()["recording"] == "recording"
        )


class TestStarting:
    @pytest.mark.parametrize(
        ("kind", "url", "message"),
        [
            (SessionKind.CALL, "url", "call recording started"),
            (SessionKind.CONFERENCE, "url", "conference recording started"),
            (SessionKind.MEETING, "recording_url", "MPC: Weekly Review record started"),
        ],
    )
    def test_the_response_contains_the_recording_id_and_its_future_url(
        self, api: Api, kind: SessionKind, url: str, message: str
    ) -> None:
        reply = api("POST", api.build_path(kind), file_format="wav")
        assert reply.status_code == 202
        payload = reply.json()
        assert set(payload) == {"api_id", "message", "recording_id", url}
        assert payload["message"] == message
        assert payload[url] == (
            f"{api.emulator.media_origin}/v1/Account/{api.emulator.credentials['auth_id']}"
            f"/Recording/{payload['recording_id']}.wav"
        )

    @pytest.mark.parametrize(
        "args",
        [
            {"file_format": "ogg"},
            {"time_limit": 0},
            {"time_limit": -5},
            {"time_limit": "soon"},
            {"time_limit": True},
            {"transcription_type": "none"},
            {"callback_method": "PUT"},
            {"record_channel_type": "quad"},
        ],
    )
    def test_a_bad_parameter_is_400(self, api: Api, args: dict[str, Any]) -> None:
        reply = api("POST", api.build_path(SessionKind.CALL), **args)
        assert reply.status_code == 400
        assert isinstance(reply.json()["error"], str)

    def test_a_call_is_recorded_for_60_seconds_without_a_time_limit(self, api: Api) -> None:
        started = [
            api("POST", api.build_path(SessionKind.CALL), **args).json()["recording_id"]
            for args in ({}, {"time_limit": 3600})
        ]
        api.clock.advance(timedelta(hours=2))
        rows = [api("GET", f"Recording/{id}/").json() for id in started]
        lengths = [row["recording_duration_ms"] for row in rows]
        assert lengths == ["60000.00000", "3600000.00000"]

    def test_a_conference_ignores_a_time_limit(self, api: Api) -> None:
        started = api("POST", api.build_path(SessionKind.CONFERENCE), time_limit=10).json()
        api.clock.advance(timedelta(hours=2))
        assert api.send_for_status("GET", f"Recording/{started['recording_id']}/") == 404
        assert api.send_for_status("DELETE", api.build_path(SessionKind.CONFERENCE)) == 204

    @KINDS
    def test_a_row_appears_only_seconds_after_the_end(self, api: Api, kind: SessionKind) -> None:
        started = api("POST", api.build_path(kind)).json()
        id, url = started["recording_id"], started.get("url") or started["recording_url"]
        steps = [timedelta(seconds=20), timedelta(seconds=1), timedelta(seconds=5)]
        for step in steps:
            api.clock.advance(step)
            assert api.send_for_status("GET", f"Recording/{id}/") == 404
            assert api.send_for_status("DELETE", f"Recording/{id}/") == 404
            assert requests.get(url).status_code == 404
            assert api.list_ids() == []
            if step is steps[0]:
                assert api.send_for_status("DELETE", api.build_path(kind)) == 204
        api.clock.advance(UNTIL_LISTED)
        assert api.send_for_status("GET", f"Recording/{id}/") == 200
        assert requests.get(url).status_code == 200
        assert api.list_ids() == api.emulator.list_ids() == [id]

    @KINDS
    def test_hanging_up_ends_the_recording_and_the_session(
        self, api: Api, kind: SessionKind
    ) -> None:
        id = api("POST", api.build_path(kind)).json()["recording_id"]
        api.clock.advance(timedelta(seconds=7))
        session = next(each for each in api.emulator.sessions if each.kind is kind)
        api.emulator.hang_up(session)
        assert (
            api.send_for_status("POST", api.build_path(kind))
            == api.send_for_status("DELETE", api.build_path(kind))
            == 404
        )
        api.clock.advance(UNTIL_LISTED)
        assert api("GET", f"Recording/{id}/").json()["recording_duration_ms"] == "7000.00000"


class TestStopping:
    @KINDS
    def test_stop_ends_all_recordings_of_the_session(self, api: Api, kind: SessionKind) -> None:
        both = {api("POST", api.build_path(kind)).json()["recording_id"] for _ in range(2)}
        reply = api("DELETE", api.build_path(kind))
        assert (reply.status_code, reply.content) == (204, b"")
        api.clock.advance(UNTIL_LISTED)
        assert set(api.list_ids()) == both

    @pytest.mark.emulator("plivo", assume=[12])
    def test_stop_with_a_url_ends_only_that_recording_of_a_call(self, api: Api) -> None:
        one, _ = (api("POST", api.build_path(SessionKind.CALL)).json() for _ in range(2))
        assert (
            api.send_for_status("DELETE", api.build_path(SessionKind.CALL), URL=one["url"]) == 204
        )
        assert (
            api.send_for_status(
                "DELETE", api.build_path(SessionKind.CALL), URL="https://example.com/"
            )
            == 404
        )
        api.clock.advance(UNTIL_LISTED)
        assert api.list_ids() == [one["recording_id"]]

    @KINDS
    @pytest.mark.emulator("plivo", assume=[12])
    def test_stop_of_a_session_that_is_not_recorded_is_404(
        self, api: Api, kind: SessionKind
    ) -> None:
        assert api.send_for_status("DELETE", api.build_path(kind)) == 404


class TestMultiPartyCalls:
    def test_the_friendly_name_and_the_uuid_address_the_same_call(self, api: Api) -> None:
        by_name = api("GET", api.build_path(SessionKind.MEETING, "")).json()
        by_uuid = api("GET", f"MultiPartyCall/uuid_{by_name['mpc_uuid']}/").json()
        assert by_name["friendly_name"] == by_uuid["friendly_name"] == "Weekly Review"
        assert (by_name["status"], by_name["duration"]) == ("Active", None)
        assert (
            api.send_for_status("POST", f"MultiPartyCall/uuid_{by_name['mpc_uuid']}/Record/") == 202
        )
        assert api.send_for_status("DELETE", api.build_path(SessionKind.MEETING)) == 204

    def test_the_multiparty_call_states_whether_it_is_recorded(self, api: Api) -> None:
        path = api.build_path(SessionKind.MEETING, "")
        states = [api("GET", path).json()["recording"]]
        for method in ("POST", "DELETE"):
            api(method, api.build_path(SessionKind.MEETING))
            states.append(api("GET", path).json()["recording"])
        assert states == ["not-recording", "recording", "not-recording"]

    def test_a_pause_is_not_in_the_duration_and_can_be_repeated(self, api: Api) -> None:
        id = api("POST", api.build_path(SessionKind.MEETING)).json()["recording_id"]
        for verb in ("Pause", "Pause", "Resume", "Resume"):
            api.clock.advance(timedelta(seconds=10))
            assert (
                api.send_for_status("POST", api.build_path(SessionKind.MEETING, f"Record/{verb}/"))
                == 204
            )
        api.clock.advance(timedelta(seconds=10))
        api("DELETE", api.build_path(SessionKind.MEETING))
        api.clock.advance(UNTIL_LISTED)
        row = api("GET", f"Recording/{id}/").json()
        assert row["recording_duration_ms"] == "30000.00000"
        assert float(row["recording_end_ms"]) - float(row["recording_start_ms"]) == 50_000

    def test_a_pause_may_last_until_the_end(self, api: Api) -> None:
        id = api("POST", api.build_path(SessionKind.MEETING)).json()["recording_id"]
        api.clock.advance(timedelta(seconds=10))
        api("POST", api.build_path(SessionKind.MEETING, "Record/Pause/"))
        api.clock.advance(timedelta(seconds=10))
        api("DELETE", api.build_path(SessionKind.MEETING))
        api.clock.advance(UNTIL_LISTED)
        row = api("GET", f"Recording/{id}/").json()
        assert row["recording_duration_ms"] == "10000.00000"

    @pytest.mark.emulator("plivo", assume=[7])
    def test_a_second_pause_or_resume_is_400(self, api: Api) -> None:
        api("POST", api.build_path(SessionKind.MEETING))
        statuses = [
            api.send_for_status("POST", api.build_path(SessionKind.MEETING, f"Record/{verb}/"))
            for verb in ("Pause", "Pause", "Resume", "Resume")
        ]
        assert statuses == [204, 400, 204, 400]

    @pytest.mark.parametrize("verb", ["Pause", "Resume"])
    @pytest.mark.emulator("plivo", assume=[12])
    def test_pause_of_a_session_that_is_not_recorded_is_404(self, api: Api, verb: str) -> None:
        assert (
            api.send_for_status("POST", api.build_path(SessionKind.MEETING, f"Record/{verb}/"))
            == 404
        )

    @pytest.mark.parametrize("kind", [SessionKind.CALL, SessionKind.CONFERENCE])
    def test_calls_and_conferences_cannot_be_paused(self, api: Api, kind: SessionKind) -> None:
        api("POST", api.build_path(kind))
        assert api.send_for_status("POST", api.build_path(kind, "Record/Pause/")) == 404

    @pytest.mark.emulator("plivo", assume=[12])
    def test_a_participant_is_recorded_alone(self, api: Api) -> None:
        member, other = api.emulator.find_session(api.emulator.sessions[2]).members
        record = api.build_path(SessionKind.MEETING, f"Participant/{member}/Record/")
        track = {"record_track_type": "participant"}
        started = api("POST", record, **track).json()
        assert started["message"] == "MPC: Weekly Review participant record started"
        assert api.send_for_status("POST", record + "Pause/", **track) == 204
        assert api.send_for_status("POST", record + "Resume/", **track) == 204
        assert api.send_for_status("DELETE", record.replace(member, other), **track) == 404
        assert api.send_for_status("DELETE", record) == 404, "the default is `all`"
        assert api.send_for_status("DELETE", api.build_path(SessionKind.MEETING)) == 404
        assert api.send_for_status("DELETE", record, **track) == 204
        api.clock.advance(UNTIL_LISTED)
        assert api.list_ids() == [started["recording_id"]]

    def test_an_unknown_participant_is_404(self, api: Api) -> None:
        path = api.build_path(SessionKind.MEETING, "Participant/1/Record/")
        assert api.send_for_status("POST", path) == 404


class TestLiveObjects:
    @pytest.mark.parametrize("slash", ["", "/"])
    def test_a_path_needs_no_last_slash(self, api: Api, slash: str) -> None:
        assert api.send_for_status("GET", f"MultiPartyCall/name_Weekly Review{slash}") == 200
        assert api.send_for_status("GET", f"Recording{slash}") == 200

    def test_the_account_is_shown(self, api: Api) -> None:
        payload = api("GET", "").json()
        assert payload["auth_id"] == api.emulator.credentials["auth_id"]
        assert payload["resource_uri"] == f"/v1/Account/{payload['auth_id']}/"

    def test_live_calls_are_listed_and_shown(self, api: Api) -> None:
        call = api.find_session_id(SessionKind.CALL)
        assert api("GET", "Call/", status="live").json()["calls"] == [call]
        payload = api("GET", f"Call/{call}/", status="live").json()
        assert (payload["call_uuid"], payload["call_status"]) == (call, "in-progress")
        api.emulator.hang_up(api.emulator.sessions[0])
        assert api("GET", "Call/", status="live").json()["calls"] == []
        assert api.send_for_status("GET", f"Call/{call}/", status="live") == 404

    def test_multiparty_calls_are_listed_also_after_their_end(self, api: Api) -> None:
        api.emulator.begin(SessionKind.MEETING, "Another")
        api.clock.advance(timedelta(seconds=75))
        api.emulator.hang_up(api.emulator.sessions[2])
        payload = api("GET", "MultiPartyCall/").json()
        assert payload["meta"] == {
            "count": 2,
            "limit": 20,
            "next": None,
            "offset": 0,
            "previous": None,
        }
        live, ended = payload["objects"]
        assert (live["friendly_name"], live["status"]) == ("Another", "Active")
        assert (live["recording"], live["end_time"]) == ("not-recording", None)
        assert (ended["status"], ended["recording"]) == ("Ended", None)
        assert (ended["duration"], ended["billed_duration"]) == (75, 120)
        assert (ended["billed_amount"], ended["termination_cause_code"]) == ("0.01000", 1000)
        for filters in ({"status": "ended"}, {"friendly_name": "Weekly Review"}):
            assert api("GET", "MultiPartyCall/", **filters).json()["objects"] == [ended]

    @pytest.mark.parametrize("which", ["calls", "participants"])
    def test_live_pages_link_to_both_neighbours(self, api: Api, which: str) -> None:
        api.emulator.begin(SessionKind.MEETING, "Another")
        participants = api.build_path(SessionKind.MEETING, "Participant/")
        path = "MultiPartyCall/" if which == "calls" else participants
        whole = api("GET", path).json()
        first = api("GET", path, limit=1).json()
        last = api.http.get(api.emulator.origin + first["meta"]["next"]).json()
        assert first["objects"] + last["objects"] == whole["objects"]
        assert last["meta"]["next"] is None
        again = api.http.get(api.emulator.origin + last["meta"]["previous"]).json()
        assert {**again, "api_id": ""} == {**first, "api_id": ""}

    def test_participants_are_listed_and_shown(self, api: Api) -> None:
        session = api.emulator.find_session(api.emulator.sessions[2])
        path = api.build_path(SessionKind.MEETING, "Participant/")
        members = api("GET", path).json()["objects"]
        assert [each["member_id"] for each in members] == list(session.members)
        assert members[0]["mpc_uuid"] == session.uuid
        assert len({each["call_uuid"] for each in members}) == 2
        one = api("GET", f"{path}{session.members[1]}/").json()
        assert {**one, "api_id": ""} == {**members[1], "api_id": ""}
        assert api.send_for_status("GET", f"{path}1/") == 404

    @pytest.mark.parametrize(
        ("assume", "word"),
        [
            pytest.param(number, word, marks=pytest.mark.emulator("plivo", assume=number))
            for number, word in (((), "recording"), ((11,), "not-recording"))
        ],
    )
    def test_a_participants_recording_may_count_as_that_of_the_call(
        self, api: Api, assume: tuple[int, ...], word: str
    ) -> None:
        member = api.emulator.find_session(api.emulator.sessions[2]).members[0]
        api("POST", api.build_path(SessionKind.MEETING, f"Participant/{member}/Record/"))
        assert api("GET", api.build_path(SessionKind.MEETING, "")).json()["recording"] == word


class TestConferences:
    def test_live_conferences_are_listed_by_name(self, api: Api) -> None:
        assert api("GET", "Conference/").json()["conferences"] == ["Daily Standup #1"]
        api.emulator.hang_up(api.emulator.sessions[1])
        assert api("GET", "Conference/").json()["conferences"] == []
        assert api.send_for_status("GET", api.build_path(SessionKind.CONFERENCE, "")) == 404

    def test_run_time_and_member_count_are_strings(self, api: Api) -> None:
        api.clock.advance(timedelta(seconds=590))
        payload = api("GET", api.build_path(SessionKind.CONFERENCE, "")).json()
        assert payload["conference_name"] == "Daily Standup #1"
        assert payload["conference_run_time"] == "590"
        assert payload["conference_member_count"] == "2"
        assert len(payload["members"]) == 2
        assert payload["members"][0]["join_time"] == "590"
        assert set(payload["members"][0]) == {
            *("call_uuid", "caller_name", "deaf", "direction", "from", "join_time"),
            *("member_id", "muted", "to"),
        }

    def test_a_name_may_contain_any_character_that_a_path_can_quote(self, api: Api) -> None:
        name = "a/b?c=d&e#50% ü"
        api.emulator.begin(SessionKind.CONFERENCE, name)
        assert api.send_for_status("POST", f"Conference/{quote(name, safe='')}/Record/") == 202


class TestRows:
    def test_the_row_of_a_call_has_the_wire_types_of_the_official_fixtures(self, api: Api) -> None:
        id = api.record(SessionKind.CALL)
        row = api("GET", f"Recording/{id}/").json()
        auth_id = api.emulator.credentials["auth_id"]
        assert row.pop("api_id")
        assert row.pop("from_number").startswith("+1202555")
        assert row.pop("to_number")
        assert row == {
            "add_time": "2026-06-01 17:30:07.104729+05:30",
            "call_uuid": api.find_session_id(SessionKind.CALL),
            "conference_name": "",
            "monthly_recording_storage_amount": 0.0004,
            "recording_duration_ms": "5000.00000",
            "recording_end_ms": "1780315205000.00000",
            "recording_format": "mp3",
            "recording_id": id,
            "recording_start_ms": "1780315200000.00000",
            "recording_storage_duration": 1,
            "recording_storage_rate": 0.0004,
            "recording_type": "call",
            "recording_url": (
                f"{api.emulator.media_origin}/v1/Account/{auth_id}/Recording/{id}.mp3"
            ),
            "resource_uri": f"/v1/Account/{auth_id}/Recording/{id}/",
            "rounded_recording_duration": 60,
        }

    def test_only_the_row_of_a_conference_has_a_name(self, api: Api) -> None:
        for kind, name, recording_type, names in (
            (SessionKind.CALL, "", "call", set()),
            (SessionKind.CONFERENCE, "Daily Standup #1", "conference", {"conference_uuid"}),
            (SessionKind.MEETING, "", None, {"mpc_name", "mpc_uuid"}),
        ):
            row = api("GET", f"Recording/{api.record(kind)}/").json()
            assert (row["conference_name"], row.get("recording_type")) == (name, recording_type)
            assert row["call_uuid"]
            assert set(row) & {"conference_uuid", "mpc_name", "mpc_uuid"} == names

    @pytest.mark.emulator("plivo", assume=[1])
    def test_the_row_of_a_multiparty_call_may_have_a_type_of_its_own(self, api: Api) -> None:
        row = api("GET", f"Recording/{api.record(SessionKind.MEETING)}/").json()
        assert row["recording_type"] == "mpc"

    def test_only_the_billing_duration_is_in_whole_minutes(self, api: Api) -> None:
        for seconds, billed in ((0, 60), (7.56, 60), (60, 60), (60.001, 120), (345.1, 360)):
            [id] = api.add(DAY, duration=timedelta(seconds=seconds))
            row = api("GET", f"Recording/{id}/").json()
            assert row["rounded_recording_duration"] == billed
            assert row["recording_duration_ms"] == f"{round(seconds * 1000)}.00000"

    def test_rows_as_on_the_page_have_quoted_numbers_and_no_parties(self, api: Api) -> None:
        [id] = api.add(DAY, shape="page")
        row = api("GET", f"Recording/{id}/").json()
        assert row["rounded_recording_duration"] == "60"
        assert row["recording_storage_rate"] == "0.0004"
        assert row["recording_type"] == "normal"
        assert row["conference_name"] is None
        assert "from_number" not in row

    def test_rows_of_2013_have_fewer_fields_and_a_naive_add_time(self, api: Api) -> None:
        [id] = api.add(DAY, shape="2013")
        row = api("GET", f"Recording/{id}/").json()
        assert row["add_time"] == "2026-05-31T12:00:00.000000"
        assert "recording_start_ms" not in row
        assert row["recording_url"] == f"{api.emulator.media_origin}/recordings_2013/{id}.mp3"
        assert requests.get(row["recording_url"]).status_code == 200

    def test_after_a_delete_row_and_media_are_404(self, api: Api) -> None:
        [id] = api.add(DAY)
        url = api("GET", f"Recording/{id}/").json()["recording_url"]
        assert api.send_for_status("DELETE", f"Recording/{id}/") == 204
        assert api.send_for_status("GET", f"Recording/{id}/") == 404
        assert api.send_for_status("DELETE", f"Recording/{id}/") == 404
        assert requests.get(url).status_code == 404
        assert api.list_ids() == api.emulator.list_ids() == []


class TestWindow:
    def test_a_list_without_a_time_filter_shows_the_last_seven_days(self, api: Api) -> None:
        recent, edge, _, _ = api.add(DAY, 7 * DAY, 7.01 * DAY, 40 * DAY)
        assert api.list_ids() == [recent, edge]

    def test_a_filter_by_call_keeps_the_window(self, api: Api) -> None:
        [old] = api.add(8 * DAY)
        call = api("GET", f"Recording/{old}/").json()["call_uuid"]
        assert api.list_ids(call_uuid=call) == []
        assert api.list_ids(call_uuid=call, add_time__gte=api.format_past(9 * DAY)) == [old]

    @pytest.mark.emulator("plivo", assume=[4])
    def test_a_filter_by_call_may_lift_the_window(self, api: Api) -> None:
        [old] = api.add(8 * DAY)
        call = api("GET", f"Recording/{old}/").json()["call_uuid"]
        assert api.list_ids(call_uuid=call) == [old]

    def test_older_recordings_are_listed_in_windows_of_thirty_days(self, api: Api) -> None:
        old = api.add(60 * DAY, 89 * DAY)
        bounds = {
            "add_time__gte": api.format_past(90 * DAY),
            "add_time__lt": api.format_past(60 * DAY),
        }
        assert api.list_ids(**bounds) == [old[1]]

    def test_a_longer_range_is_400(self, api: Api) -> None:
        bounds = {
            "add_time__gte": api.format_past(60 * DAY),
            "add_time__lt": api.format_past(29 * DAY),
        }
        reply = api("GET", "Recording/", **bounds)
        assert reply.status_code == 400
        assert "30 days" in reply.json()["error"]

    def test_one_bound_alone_ends_now(self, api: Api) -> None:
        near, _ = api.add(5 * DAY, 45 * DAY)
        assert api.list_ids(add_time__gte=api.format_past(29 * DAY)) == [near]
        for bound in ("add_time__gte", "add_time__lt"):
            days = {bound: api.format_past(31 * DAY)}
            assert api.send_for_status("GET", "Recording/", **days) == 400

    @pytest.mark.emulator("plivo", assume=[3])
    def test_one_bound_alone_may_list_the_thirty_days_next_to_it(self, api: Api) -> None:
        near, _middle, far = api.add(5 * DAY, 45 * DAY, 80 * DAY)
        assert api.list_ids(add_time__gte=api.format_past(85 * DAY)) == [far]
        assert api.list_ids(add_time__lt=api.format_past(DAY)) == [near]

    def test_gt_and_lt_exclude_their_bound_and_gte_and_lte_include_it(self, api: Api) -> None:
        [id] = api.add(3 * DAY)
        at, before, after = (
            api.format_past(3 * DAY),
            api.format_past(4 * DAY),
            api.format_past(2 * DAY),
        )
        assert api.list_ids(add_time__gt=at, add_time__lt=after) == []
        assert api.list_ids(add_time__gte=at, add_time__lt=after) == [id]
        assert api.list_ids(add_time__gt=before, add_time__lt=at) == []
        assert api.list_ids(add_time__gt=before, add_time__lte=at) == [id]
        assert api.list_ids(add_time=at) == [id]

    @pytest.mark.parametrize(
        "time", ["2026-05-31 00:00", "2026-05-31 00:00:00", "2026-05-31 00:00:00.5"]
    )
    def test_seconds_and_their_fraction_may_be_left_out(self, api: Api, time: str) -> None:
        [id] = api.add(timedelta(hours=6))
        assert api.list_ids(add_time__gt=time) == [id]

    @pytest.mark.parametrize(
        "time",
        [
            "2026-05-31T00:00:00",
            "2026-05-31 00:00:00Z",
            "2026-05-31 00:00:00+02:00",
            "2026-05-31",
            "2026-13-31 00:00",
            "1780315200",
        ],
    )
    def test_any_other_time_format_is_400(self, api: Api, time: str) -> None:
        assert api.send_for_status("GET", "Recording/", add_time__gt=time) == 400

    def test_days_in_storage_may_not_widen_the_window(self, api: Api) -> None:
        new, _ = api.add(2 * DAY, 50 * DAY)
        assert api.list_ids(recording_storage_duration__gte=1) == [new]

    @pytest.mark.emulator("plivo", assume=[5])
    def test_days_in_storage_replace_add_time_and_exclude_it(self, api: Api) -> None:
        _, old = api.add(2 * DAY, 50 * DAY)
        assert api.list_ids(recording_storage_duration__gte=50) == [old]
        both = {"recording_storage_duration": 1, "add_time__gt": api.format_past(DAY)}
        assert api.send_for_status("GET", "Recording/", **both) == 400


class TestFilters:
    @pytest.mark.parametrize(
        ("kind", "by_name", "by_uuid"),
        [
            (SessionKind.CONFERENCE, "conference_name", "conference_uuid"),
            (SessionKind.MEETING, "mpc_name", "mpc_uuid"),
        ],
    )
    def test_a_name_is_reused_and_a_uuid_is_not(
        self, api: Api, kind: SessionKind, by_name: str, by_uuid: str
    ) -> None:
        session = next(each for each in api.emulator.sessions if each.kind is kind)
        name = session.id.removeprefix("name_")
        api.add(DAY, kind=kind, name="another")
        [yesterday] = api.add(DAY, kind=kind, name=name)
        today = api.record(kind)
        assert api.list_ids(**{by_name: name}) == [today, yesterday]
        assert api.list_ids(**{by_uuid: api.emulator.find_session(session).uuid}) == [today]

    @pytest.mark.parametrize("plus", ["", "+"])
    def test_numbers_match_with_and_without_their_plus(self, api: Api, plus: str) -> None:
        for id in api.add(*[DAY] * 20):
            number = api("GET", f"Recording/{id}/").json()["from_number"]
            assert id in api.list_ids(from_number=plus + number.removeprefix("+"))
        assert api.list_ids(to_number="+12025559999") == []

    def test_recordings_are_filtered_by_subaccount(self, api: Api) -> None:
        [main] = api.add(DAY)
        auth_id = api.emulator.subaccount["auth_id"]
        [sub] = api.add(2 * DAY, subaccount=auth_id)
        assert api.list_ids() == [main, sub]
        assert api.list_ids(subaccount=auth_id) == [sub]

    def test_undocumented_parameters_are_ignored(self, api: Api) -> None:
        ids = api.add(DAY)
        assert api.list_ids(status="completed") == ids


class TestPaging:
    @pytest.mark.parametrize("args", [{"limit": 21}, {"limit": 0}, {"limit": "x"}, {"offset": -1}])
    def test_a_limit_or_offset_out_of_range_is_400(self, api: Api, args: dict[str, Any]) -> None:
        assert api.send_for_status("GET", "Recording/", **args) == 400

    @PAGINGS
    def test_following_meta_next_lists_each_recording_once_newest_first(
        self, api: Api, paging: PagingMode
    ) -> None:
        api.emulator.paging = paging
        ids = api.add(*[timedelta(hours=hour) for hour in range(1, 26)])
        assert api.list_pages(10) == [ids[:10], ids[10:20], ids[20:]]

    @PAGINGS
    def test_meta_next_has_no_filters(self, api: Api, paging: PagingMode) -> None:
        api.emulator.paging = paging
        api.add(*[hours * timedelta(hours=1) for hours in range(1, 4)])
        bounds = {
            "add_time__gte": api.format_past(5 * DAY),
            "add_time__lt": api.format_past(timedelta(0)),
        }
        meta = api("GET", "Recording/", limit=2, **bounds).json()["meta"]
        assert "add_time" not in meta["next"]

    @PAGINGS
    @pytest.mark.emulator("plivo", assume=[2])
    def test_meta_next_may_keep_the_filters(self, api: Api, paging: PagingMode) -> None:
        api.emulator.paging = paging
        ids = api.add(*[hours * timedelta(hours=1) for hours in range(24 * 20, 24 * 20 + 5)])
        bounds = {
            "add_time__gte": api.format_past(25 * DAY),
            "add_time__lt": api.format_past(15 * DAY),
        }
        assert api.list_pages(2, **bounds) == [ids[:2], ids[2:4], ids[4:]]

    @PAGINGS
    def test_a_full_page_may_be_the_last(self, api: Api, paging: PagingMode) -> None:
        api.emulator.paging = paging
        api.add(*[DAY] * 4)
        assert [len(page) for page in api.list_pages(2)] == [2, 2]

    def test_meta_has_the_total_and_links_to_both_neighbours(self, api: Api) -> None:
        api.add(*[DAY] * 5)
        meta = api("GET", "Recording/", limit=2, offset=2).json()["meta"]
        path = f"/v1/Account/{api.emulator.credentials['auth_id']}/Recording/"
        assert meta == {
            "limit": 2,
            "offset": 2,
            "total_count": 5,
            "next": f"{path}?limit=2&offset=4",
            "previous": f"{path}?limit=2&offset=0",
        }

    def test_offsets_shift_when_a_row_is_removed_and_cursors_do_not(self, api: Api) -> None:
        ids = api.add(*[timedelta(hours=hour) for hour in range(1, 7)])
        followed: dict[str, list[str]] = {}
        steps: tuple[tuple[PagingMode, str], ...] = (("offset", ids[0]), ("cursor", ids[1]))
        for paging, removed in steps:
            api.emulator.paging = paging
            first = api("GET", "Recording/", limit=2).json()
            api.emulator.remove(removed)
            second = api.http.get(api.emulator.origin + first["meta"]["next"]).json()
            followed[paging] = [row["recording_id"] for row in second["objects"]]
        assert followed == {"offset": ids[3:5], "cursor": ids[3:5]}

    def test_an_offset_with_the_cursor_loops_in_hybrid_mode(self, api: Api) -> None:
        ids = api.add(*[timedelta(hours=hour) for hour in range(1, 7)])
        api.emulator.paging = "hybrid"
        next_ = api("GET", "Recording/", limit=2, offset=0).json()["meta"]["next"]
        assert "cursor=" in next_
        assert "offset=" not in next_
        url = api.emulator.origin + next_
        looped, continued = api.http.get(url + "&offset=0").json(), api.http.get(url).json()
        assert [row["recording_id"] for row in looped["objects"]] == ids[:2]
        assert [row["recording_id"] for row in continued["objects"]] == ids[2:4]

    @pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "MQ", "WzEsMl0", "ü"])
    def test_an_invalid_cursor_is_400(self, api: Api, cursor: str) -> None:
        api.emulator.paging = "cursor"
        assert api.send_for_status("GET", "Recording/", cursor=cursor) == 400


class TestMedia:
    def find_url(self, api: Api, **more: Any) -> str:
        [id] = api.add(DAY, **more)
        url: str = api("GET", f"Recording/{id}/").json()["recording_url"]
        return url

    @pytest.mark.parametrize(("format", "type"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
    def test_media_is_public_on_a_separate_host(self, api: Api, format: str, type: str) -> None:
        url = self.find_url(api, format=format)
        assert not url.startswith(api.emulator.origin)
        reply = requests.get(url)
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, type)

    def test_a_wav_has_the_duration_of_its_row(self, api: Api) -> None:
        url = self.find_url(api, format="wav", duration=timedelta(seconds=7.5))
        with wave.open(io.BytesIO(requests.get(url).content)) as file:
            assert file.getnframes() / file.getframerate() == 7.5

    def test_media_auth_requires_credentials(self, api: Api) -> None:
        url = self.find_url(api)
        api.emulator.media_auth = True
        reply = requests.get(url)
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"].startswith("Basic")
        assert api.http.get(url).status_code == 200

    def test_media_auth_of_a_subaccount_requires_its_own_credentials(self, api: Api) -> None:
        subaccount = api.emulator.subaccount
        url = self.find_url(api, subaccount=subaccount["auth_id"])
        api.emulator.media_auth = True
        assert api.http.get(url).status_code == 401
        assert (
            requests.get(url, auth=(subaccount["auth_id"], subaccount["auth_token"])).status_code
            == 200
        )

    def test_media_of_2013_stays_public(self, api: Api) -> None:
        url = self.find_url(api, shape="2013")
        api.emulator.media_auth = True
        assert requests.get(url).status_code == 200

    @pytest.mark.parametrize(
        ("requested", "start", "end"),
        [
            ("bytes=0-9", 0, 10),
            ("bytes=5-", 5, None),
            ("bytes=-7", -7, None),
            ("bytes=9-99999", 9, None),
        ],
    )
    def test_a_range_request_returns_206(
        self, api: Api, requested: str, start: int, end: int | None
    ) -> None:
        url = self.find_url(api, duration=timedelta(seconds=3))
        whole = requests.get(url)
        part = requests.get(url, headers={"Range": requested})
        assert part.status_code == 206
        assert part.content == whole.content[start:end]
        assert part.headers["Content-Range"].endswith(f"/{len(whole.content)}")
        assert part.headers["ETag"] == whole.headers["ETag"]

    def test_if_range_with_another_etag_returns_the_whole_file(self, api: Api) -> None:
        url = self.find_url(api)
        etag = requests.head(url).headers["ETag"]
        headers = {"Range": "bytes=5-", "If-Range": etag}
        assert requests.get(url, headers=headers).status_code == 206
        assert requests.get(url, headers={**headers, "If-Range": '"old"'}).status_code == 200

    @pytest.mark.parametrize("requested", ["bytes=5-2", "bytes=0-1,3-4", "bytes=-", "seconds=0-1"])
    def test_an_invalid_or_multiple_range_returns_the_whole_file(
        self, api: Api, requested: str
    ) -> None:
        assert requests.get(self.find_url(api), headers={"Range": requested}).status_code == 200

    def test_a_range_after_the_end_is_416(self, api: Api) -> None:
        reply = requests.get(self.find_url(api), headers={"Range": "bytes=99999999-"})
        assert reply.status_code == 416
        assert reply.headers["Content-Range"].startswith("bytes */")

    def test_media_can_only_be_read(self, api: Api) -> None:
        assert requests.delete(self.find_url(api)).status_code == 405


class TestTranscriptions:
    def test_a_transcription_is_created_read_and_deleted(self, api: Api) -> None:
        [id] = api.add(DAY)
        path = f"Transcription/{id}/"
        assert api.send_for_status("GET", path) == 404
        assert api("POST", path).json()["message"] == "transcription in progress"
        payload = api("GET", path, type="diarized").json()
        assert payload["status"] == "success"
        assert payload["recording_duration_ms"] == 60_000
        assert api.send_for_status("GET", path, type="song") == 400
        assert api("DELETE", path).json()["message"] == "request accepted"
        assert api.send_for_status("GET", path) == 404

    @pytest.mark.parametrize("word", ["auto", "hybrid", "manual"])
    def test_a_start_may_ask_for_each_type(self, api: Api, word: str) -> None:
        path = api.build_path(SessionKind.CALL)
        assert api.send_for_status("POST", path, transcription_type=word) == 202

    @pytest.mark.parametrize(
        ("hours", "transcription", "error"),
        [(4, "Hello.", ""), (4.1, "", "Recording duration too long for transcription")],
    )
    def test_the_transcript_is_sent_to_the_url_of_the_request(
        self, api: Api, hours: float, transcription: str, error: str
    ) -> None:
        [id] = api.add(DAY, duration=timedelta(hours=hours))
        url = "https://hooks.example.com/t"
        api("POST", f"Transcription/{id}/", transcription_callback_url=url)
        assert api.emulator.build_webhook_requests() == []
        api.clock.advance(timedelta(minutes=1))
        [sent] = api.emulator.build_webhook_requests()
        fields = dict(parse_qsl(sent.body.decode(), keep_blank_values=True))
        assert (sent.url, fields["recording_id"]) == (url, id)
        assert (fields["transcription"], fields["error"]) == (transcription, error)


class TestPastRecordings:
    def test_the_requested_number_is_spread_over_ninety_days(
        self, manual_clock: ManualClock
    ) -> None:
        with (
            PlivoEmulator(recordings=45, clock=manual_clock) as emulator,
            requests.Session() as http,
        ):
            http.auth = (emulator.credentials["auth_id"], emulator.credentials["auth_token"])
            api = Api(emulator, http, manual_clock)
            rows = [api("GET", f"Recording/{id}/").json() for id in emulator.list_ids()]
            found: list[str] = []
            for days in (30, 60, 90):
                window = {
                    "add_time__gte": api.format_past(days * DAY),
                    "add_time__lt": api.format_past((days - 30) * DAY),
                }
                found += [id for page in api.list_pages(20, **window) for id in page]
        assert len(found) == 45
        assert set(found) == set(emulator.list_ids())
        assert {row.get("recording_type") for row in rows} == {"call", "conference", None}
        assert {row["recording_format"] for row in rows} == {"mp3", "wav"}
        milliseconds = [float(row["recording_duration_ms"]) for row in rows]
        assert min(milliseconds) == 0
        assert max(milliseconds) < 20 * 60 * 1000

    def test_the_same_seed_creates_the_same_recordings(self, manual_clock: ManualClock) -> None:
        def list_history(seed: int) -> list[str]:
            with PlivoEmulator(recordings=9, clock=manual_clock, seed=seed) as emulator:
                return [*emulator.list_ids(), *emulator.credentials.values()]

        assert list_history(1) == list_history(1)
        assert list_history(1) != list_history(2)

    def test_an_added_recording_is_listed_once_its_row_exists(self, api: Api) -> None:
        id = api.emulator.add(ended=datetime(2026, 6, 1, 12, 0, tzinfo=UTC))
        assert api.list_ids() == api.emulator.list_ids() == []
        api.clock.advance(timedelta(seconds=12))
        assert api.list_ids() == [id]
