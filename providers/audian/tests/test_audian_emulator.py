"""Does the emulator behave as Audian's pages say? Asked over raw HTTP.

https://docs.audian.com/call-control/call-recording and https://docs.audian.com/conferences/recording
"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Iterator
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from attrs import define

from recording_audian.emulator import AudianEmulator
from recording_core import SessionKind
from recording_core.testing.manual_clock import ManualClock

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
CALL, CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE


@define
class Api:
    """An HTTP client that shows the key, and the emulator that it talks to."""

    emulator: AudianEmulator
    http: requests.Session
    clock: ManualClock

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        url = f"{self.emulator.base_url}/{path}"
        return self.http.request(
            method, url, json=body, params=query, allow_redirects=False, timeout=5
        )

    def status(self, method: str, path: str, body: Any = None, **query: Any) -> int:
        return self(method, path, body, **query).status_code

    def json(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The payload of an answer that must be a success."""
        reply = self(method, path, body, **query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    @property
    def call(self) -> str:
        """The path of the live call."""
        return f"calls/{self.emulator.sessions[0].id}"

    @property
    def conference(self) -> str:
        """The path of the live conference."""
        return f"conferences/{self.emulator.sessions[1].id}"

    def row(self, id: str) -> Any:
        """What a call's recording says of itself."""
        return self.json("GET", f"recordings/{id}")

    def listed(self, **query: Any) -> list[str]:
        """The ids on one page of calls' recordings."""
        return [row["recording_id"] for row in self.json("GET", "recordings", **query)["data"]]

    def started(self, **body: Any) -> str:
        """A recording of the live call, past its first second."""
        id: str = self.json("POST", f"{self.call}/record/start", body)["recording_id"]
        self.pass_time(1)
        return id

    def of_the_conference(self, seconds: float = 60, **body: Any) -> Any:
        """The answer to the stop of a recording of the live conference."""
        self.json("POST", f"{self.conference}/recording/start", body)
        self.pass_time(seconds)
        return self.json("POST", f"{self.conference}/recording/stop")

    def planted(self, *ages: timedelta, **more: Any) -> list[str]:
        return [self.emulator.add(ago=age, **more) for age in ages]

    def link(self, id: str) -> str:
        """The temporary URL of a recording's media."""
        return self("GET", f"recordings/{id}/download").headers["Location"]

    def said(self, ago: timedelta) -> str:
        return f"{self.clock.now() - ago:%Y-%m-%dT%H:%M:%SZ}"

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def sign_in(self, key: str | None = None) -> requests.Response:
        """The exchange of the key, or of another one, for a token."""
        given = key or self.emulator.credentials["api_key"]
        return self("PUT", "api_auth", {"data": {"api_key": given}})

    def show(self, **headers: str | None) -> None:
        """Show nothing but these headers from now on."""
        for name in ("X-Auth-Token", "Authorization"):
            self.http.headers.pop(name, None)
        for name, value in headers.items():
            self.http.headers[name.replace("_", "-")] = value or ""


@pytest.fixture
def emulator() -> Iterator[AudianEmulator]:
    with AudianEmulator() as emulator:
        yield emulator


@pytest.fixture
def api(emulator: AudianEmulator) -> Iterator[Api]:
    yield from shown_the_key(emulator)


@pytest.fixture
def past() -> Iterator[Api]:
    """An account with 45 past recordings."""
    with AudianEmulator(recordings=45) as emulator:
        yield from shown_the_key(emulator)


def shown_the_key(emulator: AudianEmulator) -> Iterator[Api]:
    assert isinstance(emulator.clock, ManualClock)
    with requests.Session() as http:
        http.trust_env = False
        http.headers["X-Auth-Token"] = emulator.credentials["api_key"]
        yield Api(emulator, http, emulator.clock)


# -- who may ask ----------------------------------------------------------------------------------


class TestSigningIn:
    def test_the_key_opens_by_either_header_and_by_both(self, api: Api) -> None:
        key = api.emulator.credentials["api_key"]
        assert re.fullmatch(r"[!-~]{40}", key)
        bearer = f"Bearer {key}"
        for headers in (
            {"X_Auth_Token": key},
            {"Authorization": bearer},
            {"X_Auth_Token": key, "Authorization": bearer},
            {"X_Auth_Token": key, "Authorization": "Bearer wrong"},
        ):
            api.show(**headers)
            assert api.status("GET", "recordings") == 200

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X_Auth_Token": ""},
            {"X_Auth_Token": "wrong"},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic d3Jvbmc6d3Jvbmc="},
        ],
    )
    def test_anything_else_is_401_and_nothing_is_done(
        self, api: Api, headers: dict[str, str]
    ) -> None:
        [id] = api.planted(DAY)
        api.show(**headers)
        assert api.status("DELETE", f"recordings/{id}") == 401
        assert api.status("POST", f"{api.call}/record/start") == 401
        assert api.emulator.listed() == [id]

    def test_the_exchange_answers_in_the_other_apis_envelope(self, api: Api) -> None:
        api.show()
        answer = api.sign_in()
        assert answer.status_code == 201
        payload = answer.json()
        assert payload["auth_token"].startswith("eyJhbGciOiJSUzI1NiI")
        assert payload["auth_token"].count(".") == 2
        assert payload["data"]["account_id"]
        assert payload["status"] == "success"
        assert {"request_id", "revision", "version", "node", "tokens"} <= set(payload)

    def test_its_token_opens_until_it_expires(self, api: Api) -> None:
        token = api.sign_in().json()["auth_token"]
        assert token != api.sign_in().json()["auth_token"]
        api.show(X_Auth_Token=token)
        api.pass_time(15 * 60 - 1)
        assert api.status("GET", "recordings") == 200
        api.pass_time(1)
        assert api.status("GET", "recordings") == 401
        api.show(X_Auth_Token=api.sign_in().json()["auth_token"])
        assert api.status("GET", "recordings") == 200

    def test_its_life_can_be_set(self, api: Api) -> None:
        api.emulator.token_lifetime = HOUR
        api.show(X_Auth_Token=api.sign_in().json()["auth_token"])
        api.pass_time(59 * 60)
        assert api.status("GET", "recordings") == 200

    def test_a_token_is_no_bearer(self, api: Api) -> None:
        api.show(Authorization=f"Bearer {api.sign_in().json()['auth_token']}")
        assert api.status("GET", "recordings") == 401

    def test_where_only_the_exchange_counts_the_key_opens_nothing_else(self, api: Api) -> None:
        api.emulator.exchange_only = True
        key = api.emulator.credentials["api_key"]
        assert api.status("GET", "recordings") == 401
        api.show(Authorization=f"Bearer {key}")
        assert api.status("GET", "recordings") == 401
        api.show(X_Auth_Token=api.sign_in().json()["auth_token"])
        assert api.status("GET", "recordings") == 200

    @pytest.mark.parametrize("body", [None, [], {}, {"data": None}, {"data": {"api_key": "no"}}])
    def test_a_wrong_key_is_exchanged_for_the_other_apis_error(self, api: Api, body: Any) -> None:
        api.show()
        answer = api("PUT", "api_auth", body)
        assert answer.status_code == 401
        payload = answer.json()
        assert payload.pop("request_id")
        assert payload == {
            "data": {"message": "invalid credentials"},
            "error": "401",
            "message": "unauthorized",
            "status": "error",
        }


# -- the shapes -----------------------------------------------------------------------------------


class TestShapes:
    def test_errors_come_as_on_the_recording_pages(self, api: Api) -> None:
        assert api("GET", "recordings/rec_none").json() == {
            "error": "not_found",
            "message": "Recording not found",
            "code": 404,
        }
        assert api("POST", f"{api.call}/record/start", {"format": "ogg"}).json() == {
            "error": "invalid_format",
            "message": "Recording format is not supported",
            "code": 400,
        }
        api.emulator.quota_exceeded = True
        assert api("POST", f"{api.call}/record/start").json() == {
            "error": "quota_exceeded",
            "message": "Recording storage quota exceeded",
            "code": 429,
        }
        api.show(X_Auth_Token="wrong")
        assert api("GET", "recordings").json()["error"] == "invalid_api_key"
        api.show()
        assert api("GET", "recordings").json()["error"] == "missing_authentication"

    def test_or_as_on_the_pages_on_errors(self, api: Api) -> None:
        api.emulator.error_shape = "errors"
        assert api("POST", f"{api.call}/record/start", {"format": "ogg"}).json() == {
            "error": {
                "code": "invalid_format",
                "message": "Recording format is not supported",
                "type": "invalid_request_error",
                "param": "format",
            }
        }
        api.show(X_Auth_Token="wrong")
        error = api("GET", "recordings").json()["error"]
        assert set(error) == {"code", "message", "type"}
        assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")

    def test_or_as_kazoos_with_the_token_in_the_body(self, api: Api) -> None:
        api.emulator.error_shape = "kazoo"
        payload = api("GET", "recordings/rec_none").json()
        assert payload.pop("request_id")
        assert payload == {
            "auth_token": api.emulator.credentials["api_key"],
            "data": {"message": "Recording not found"},
            "error": "404",
            "message": "not_found",
            "status": "error",
        }
        api.show(Authorization="Bearer wrong")
        payload = api("GET", "recordings").json()
        said = (payload["auth_token"], payload["error"], payload["message"])
        assert said == ("wrong", "401", "unauthorized")

    @pytest.mark.parametrize("path", ["recordings", "recordings/{id}", "{conference}/recordings"])
    def test_a_success_may_come_in_an_envelope(self, api: Api, path: str) -> None:
        [id] = api.planted(DAY)
        path = path.format(id=id, conference=api.conference)
        bare = api.json("GET", path)
        api.emulator.envelope = "success"
        assert api.json("GET", path) == {"success": True, "data": bare}
        api.emulator.envelope = "data"
        payload = api.json("GET", path)
        assert set(payload) == {"auth_token", "data", "request_id", "revision", "status"}
        assert payload["data"] == bare
        assert payload["auth_token"] == api.emulator.credentials["api_key"]
        assert payload["status"] == "success"

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "recordings/rec_none"),
            ("DELETE", "recordings/rec_none"),
            ("GET", "recordings/rec_none/download"),
            ("GET", "conferences/conf_none/recordings"),
            ("GET", "{conference}/recordings/rec_none"),
            ("DELETE", "{conference}/recordings/rec_none"),
            ("POST", "calls/call_none/record/start"),
            ("POST", "calls/call_none/record/stop"),
            ("POST", "conferences/conf_none/recording/start"),
            ("POST", "conferences/conf_none/recording/stop"),
            # Each has its own word, and conferences have no pause.
            ("POST", "{call}/recording/start"),
            ("POST", "{conference}/record/start"),
            ("POST", "{conference}/recording/pause"),
            ("POST", "{call}/record/rewind"),
            ("PATCH", "recordings"),
            ("GET", "nowhere"),
        ],
    )
    def test_what_there_is_not_is_404(self, api: Api, method: str, path: str) -> None:
        answer = api(method, path.format(call=api.call, conference=api.conference))
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


# -- recordings of calls --------------------------------------------------------------------------


class TestCalls:
    def test_start_answers_as_on_the_page(self, api: Api) -> None:
        answer = api.json("POST", f"{api.call}/record/start", {"format": "mp3"})
        assert re.fullmatch(r"rec_[0-9a-f]+", answer.pop("recording_id"))
        assert answer == {
            "call_id": api.emulator.sessions[0].id,
            "status": "recording",
            "started_at": "2026-06-01T12:00:00Z",
            "format": "mp3",
        }

    def test_stop_answers_as_on_the_page(self, api: Api) -> None:
        id = api.started()
        api.pass_time(304)
        assert api.json("POST", f"{api.call}/record/stop") == {
            "call_id": api.emulator.sessions[0].id,
            "recording_id": id,
            "status": "stopped",
            "stopped_at": "2026-06-01T12:05:05Z",
            "duration": 305,
        }

    def test_get_answers_as_on_the_page_and_created_is_the_end(self, api: Api) -> None:
        id = api.started()
        api.pass_time(304)
        api.json("POST", f"{api.call}/record/stop")
        api.pass_time(5)
        row = api.row(id)
        assert row.pop("file_size") > 0
        assert row == {
            "recording_id": id,
            "call_id": api.emulator.sessions[0].id,
            "duration": 305,
            "file_format": "mp3",
            "bitrate": 64,
            "sample_rate": 16000,
            "channels": 1,
            "status": "completed",
            "created_at": "2026-06-01T12:05:05Z",
            "completed_at": "2026-06-01T12:05:10Z",
        }

    def test_until_then_it_goes_through_all_the_states(self, api: Api) -> None:
        id = api.json("POST", f"{api.call}/record/start")["recording_id"]
        seen = [api.row(id)["status"]]
        for verb, seconds in (("", 1), ("pause", 1), ("resume", 1), ("stop", 0), ("", 3), ("", 2)):
            if verb:
                api.json("POST", f"{api.call}/record/{verb}")
            api.pass_time(seconds)
            seen.append(api.row(id)["status"])
        assert seen == [
            "initiated",
            "recording",
            "paused",
            "recording",
            "stopped",
            "processing",
            "completed",
        ]

    def test_what_is_not_known_yet_is_null(self, api: Api) -> None:
        id = api.started()
        late = ("duration", "file_size", "created_at", "completed_at")
        assert [api.row(id)[name] for name in late] == [None] * 4
        api.json("POST", f"{api.call}/record/stop")
        row = api.row(id)
        assert (row["duration"], row["file_size"], row["completed_at"]) == (1, None, None)

    def test_pauses_are_no_part_of_it(self, api: Api) -> None:
        id = api.started()
        for _ in "ab":
            api.pass_time(10)
            paused = api.json("POST", f"{api.call}/record/pause")
            api.pass_time(100)
            resumed = api.json("POST", f"{api.call}/record/resume")
        for answer, status in ((paused, "paused"), (resumed, "recording")):
            assert answer == {
                "call_id": api.emulator.sessions[0].id,
                "recording_id": id,
                "status": status,
            }
        api.json("POST", f"{api.call}/record/pause")
        api.pass_time(100)
        assert api.json("POST", f"{api.call}/record/stop")["duration"] == 21

    def test_repeating_is_refused(self, api: Api) -> None:
        record = f"{api.call}/record"
        assert api.status("POST", f"{record}/resume") == 404
        assert api.status("POST", f"{record}/start") == 200
        assert api.status("POST", f"{record}/start") == 409
        assert api.status("POST", f"{record}/pause") == 409  # it is `initiated`
        api.pass_time(1)
        assert api.status("POST", f"{record}/resume") == 409
        assert api.status("POST", f"{record}/pause") == 200
        assert api.status("POST", f"{record}/pause") == 409
        assert api.status("POST", f"{record}/stop") == 200
        for verb in ("stop", "pause", "resume"):
            assert api.status("POST", f"{record}/{verb}") == 404
        assert api.status("POST", f"{record}/start") == 200

    def test_by_a_status_that_can_be_set(self, api: Api) -> None:
        api.emulator.conflict_status = 400
        api.started()
        assert api.status("POST", f"{api.call}/record/start") == 400

    def test_a_call_that_ended_took_its_recording_along(self, api: Api) -> None:
        id = api.started()
        api.emulator.hang_up(api.emulator.sessions[0])
        api.pass_time(5)
        assert api.row(id)["status"] == "completed"
        assert api.status("POST", f"{api.call}/record/stop") == 404
        assert api.status("POST", f"{api.call}/record/start") == 404

    def test_a_failed_one_has_no_file(self, api: Api) -> None:
        [id] = api.planted(DAY, failed=True)
        row = api.row(id)
        said = (row["status"], row["file_size"], row["completed_at"])
        assert said == ("failed", None, None)
        assert api.status("GET", f"recordings/{id}/download") == 404

    @pytest.mark.parametrize(
        ("body", "shown"),
        [
            ({}, ("mp3", 64, 16000)),
            ({"format": "wav", "sample_rate": 8000}, ("wav", 256, 8000)),
            ({"format": "opus", "sample_rate": 48000}, ("opus", 32, 48000)),
            ({"bitrate": 128, "participant": "caller"}, ("mp3", 128, 16000)),
            ({"participant": "callee", "announce": True, "colour": "red"}, ("mp3", 64, 16000)),
        ],
    )
    def test_what_the_start_is_told_is_shown(
        self, api: Api, body: dict[str, Any], shown: tuple[Any, ...]
    ) -> None:
        row = api.row(api.started(**body))
        assert (row["file_format"], row["bitrate"], row["sample_rate"]) == shown

    @pytest.mark.parametrize("format", ["m4a", "MP3", "", None, 1, ["mp3"]])
    def test_another_format_is_400(self, api: Api, format: Any) -> None:
        answer = api("POST", f"{api.call}/record/start", {"format": format})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_format")

    @pytest.mark.parametrize(
        "body",
        [
            {"participant": "everybody"},
            {"participant": None},
            {"bitrate": 0},
            {"bitrate": "64"},
            {"bitrate": True},
            {"sample_rate": 44100},
            {"sample_rate": 48000},
            {"sample_rate": "8000"},
            {"announce": "yes"},
            {"announcement": 7},
            ["mp3"],
        ],
    )
    def test_a_bad_parameter_is_400_and_nothing_records(self, api: Api, body: Any) -> None:
        answer = api("POST", f"{api.call}/record/start", body)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request_error")
        assert api.emulator.listed() == []

    def test_only_json_is_read(self, api: Api) -> None:
        url = f"{api.emulator.base_url}/{api.call}/record/start"
        json = {"Content-Type": "application/json"}
        assert api.http.post(url, data={"format": "wav"}, timeout=5).status_code == 400
        assert api.http.post(url, data='{"format": "wav"}', timeout=5).status_code == 400
        assert api.http.post(url, data="{", headers=json, timeout=5).status_code == 400
        assert api.http.post(url, headers=json, timeout=5).status_code == 200

    def test_a_start_beyond_the_quota_is_429_and_records_nothing(self, api: Api) -> None:
        api.emulator.quota_exceeded = True
        for path in (f"{api.call}/record/start", f"{api.conference}/recording/start"):
            answer = api("POST", path)
            assert (answer.status_code, answer.json()["error"]) == (429, "quota_exceeded")
        assert api.emulator.listed() == []
        assert api.emulator.conference_recordings == {}

    def test_delete_answers_as_on_the_page_and_it_is_gone(self, api: Api) -> None:
        [id] = api.planted(DAY)
        link = api.link(id)
        assert api.json("DELETE", f"recordings/{id}") == {
            "recording_id": id,
            "deleted_at": "2026-06-01T12:00:00Z",
        }
        for method, path in (("GET", ""), ("GET", "/download"), ("DELETE", "")):
            assert api.status(method, f"recordings/{id}{path}") == 404
        assert requests.get(link, timeout=5).status_code == 404
        assert api.listed() == api.emulator.listed() == []

    def test_what_still_runs_is_not_deleted(self, api: Api) -> None:
        assert api.status("DELETE", f"recordings/{api.started()}") == 409

    def test_after_thirty_days_it_is_gone_too(self, api: Api) -> None:
        [id] = api.planted(30 * DAY - SECOND)
        assert api.listed() == [id]
        api.pass_time(1)
        assert api.listed() == api.emulator.listed() == []
        assert api.status("GET", f"recordings/{id}") == 404
        assert api.status("GET", f"recordings/{id}/download") == 404

    def test_a_call_that_is_made_can_be_recorded_from_its_start(self, api: Api) -> None:
        made = {"from": "+14155552671", "to": "+14155552672"}
        told = {"enabled": True, "format": "opus", "participant": "all"}
        answer = api.json("POST", "calls", {**made, "recording": told})
        names = {"call_id", "call_uuid", "from", "to", "status", "created_at"}
        assert set(answer) == names
        [id] = api.listed(call_id=answer["call_id"])
        assert api.row(id)["file_format"] == "opus"
        assert api.status("POST", f"calls/{answer['call_id']}/record/stop") == 200
        silent = api.json("POST", "calls", {**made, "recording": {"enabled": False}})
        assert api.listed(call_id=silent["call_id"]) == []
        assert api.status("POST", "calls", {**made, "recording": {"format": "ogg"}}) == 400
        assert api.status("POST", "calls", {"from": "+14155552671"}) == 400


class TestListOfCalls:
    def test_it_answers_as_on_the_page_newest_first(self, api: Api) -> None:
        new, old = api.planted(DAY, 2 * DAY)
        answer = api.json("GET", "recordings", limit=50, offset=0)
        names = ("recording_id", "call_id", "duration", "file_size", "status", "created_at")
        assert answer == {
            "data": [{name: api.row(id)[name] for name in names} for id in (new, old)],
            "pagination": {"total": 2, "limit": 50, "offset": 0, "has_more": False},
        }
        assert answer["data"][0]["created_at"] == "2026-05-31T12:00:00Z"

    def test_pages_follow_by_offset_while_there_is_more(self, api: Api) -> None:
        ids = api.planted(*[hours * HOUR for hours in range(1, 6)])
        assert [api.listed(limit=2, offset=offset) for offset in (0, 2, 4, 6)] == [
            ids[:2],
            ids[2:4],
            ids[4:],
            [],
        ]
        pages = [api.json("GET", "recordings", limit=2, offset=n)["pagination"] for n in (2, 3, 4)]
        assert [page["has_more"] for page in pages] == [True, False, False]
        assert {page["total"] for page in pages} == {5}

    def test_a_page_has_25_rows_and_never_more_than_100(self, api: Api) -> None:
        api.planted(*[HOUR] * 101)
        assert len(api.listed()) == 25
        assert len(api.listed(limit=1000)) == 100
        assert api.json("GET", "recordings", limit=1000)["pagination"]["limit"] == 100

    @pytest.mark.parametrize(
        "query", [{"limit": 0}, {"limit": -1}, {"limit": "x"}, {"offset": -1}, {"since": "monday"}]
    )
    def test_what_cannot_be_read_is_400(self, api: Api, query: dict[str, Any]) -> None:
        assert api.status("GET", "recordings", **query) == 400

    def test_rows_that_come_and_go_shift_the_offsets(self, api: Api) -> None:
        ids = api.planted(*[hours * HOUR for hours in range(1, 7)])
        assert api.listed(limit=2) == ids[:2]
        api.emulator.remove(ids[0])
        assert api.listed(limit=2, offset=2) == ids[3:5]  # ids[2] was never shown
        api.planted(timedelta(0), timedelta(0))
        assert api.listed(limit=2, offset=2) == ids[1:3]

    def test_a_calls_recordings_are_found_by_it(self, api: Api) -> None:
        mine = api.planted(HOUR, DAY, session_id="call_mine")
        api.planted(2 * HOUR)
        assert api.listed(call_id="call_mine") == mine
        assert api.listed(call_id="call_mine", since=api.said(2 * HOUR)) == mine[:1]
        assert api.listed(call_id="call_none") == []

    def test_since_compares_the_end_and_includes_its_bound(self, api: Api) -> None:
        [id] = api.planted(DAY, duration=HOUR)
        assert api.listed(since=api.said(DAY)) == [id]
        assert api.listed(since=api.said(DAY - SECOND)) == []

    def test_or_it_compares_the_start(self, api: Api) -> None:
        api.emulator.since_reads = "started_at"
        [id] = api.planted(DAY, duration=HOUR)
        assert api.listed(since=api.said(DAY)) == []
        assert api.listed(since=api.said(DAY + HOUR)) == [id]

    def test_or_it_takes_utc_for_another_zones_time(self, api: Api) -> None:
        [id] = api.planted(DAY)
        api.emulator.since_zone = timezone(-timedelta(hours=8))
        assert api.listed(since=api.said(DAY)) == []
        assert api.listed(since=api.said(DAY + 8 * HOUR)) == [id]

    def test_what_still_runs_comes_first_and_since_does_not_find_it(self, api: Api) -> None:
        [ended] = api.planted(HOUR)
        running = api.emulator.add(ago=2 * HOUR, duration=None)
        assert api.listed() == [running, ended]
        assert api.listed(since=api.said(DAY)) == [ended]
        api.emulator.since_reads = "started_at"
        assert api.listed(since=api.said(DAY)) == [running, ended]

    def test_conferences_have_no_part_in_it(self, api: Api) -> None:
        id = api.of_the_conference()["id"]
        assert api.listed() == api.emulator.listed() == []
        assert api.status("GET", f"recordings/{id}") == 404
        assert api.status("DELETE", f"recordings/{id}") == 404
        assert api.status("GET", f"recordings/{id}/download") == 302


# -- recordings of conferences --------------------------------------------------------------------


class TestConferences:
    def test_start_answers_as_on_the_page(self, api: Api) -> None:
        told = {"name": "Team Standup - Feb 4", "format": "wav", "quality": "high"}
        answer = api.json("POST", f"{api.conference}/recording/start", told)
        assert re.fullmatch(r"rec_[0-9a-f]+", answer.pop("id"))
        assert answer == {
            "conference_id": api.emulator.sessions[1].id,
            "name": "Team Standup - Feb 4",
            "status": "recording",
            "format": "wav",
            "quality": "high",
            "started_at": "2026-06-01T12:00:00Z",
            "ended_at": None,
            "duration": None,
            "size": None,
            "url": None,
        }

    def test_stop_answers_as_on_the_page_and_it_is_complete_at_once(self, api: Api) -> None:
        answer = api.of_the_conference(1800, name="Team Standup - Feb 4", quality="high")
        id, size = answer["id"], answer.pop("size")
        assert answer == {
            "id": id,
            "conference_id": api.emulator.sessions[1].id,
            "name": "Team Standup - Feb 4",
            "status": "completed",
            "format": "wav",
            "quality": "high",
            "started_at": "2026-06-01T12:00:00Z",
            "ended_at": "2026-06-01T12:30:00Z",
            "duration": 1800,
            "url": f"{api.emulator.base_url}/recordings/{id}/download",
            "created_at": "2026-06-01T12:00:00Z",
        }
        assert len(requests.get(api.link(id), timeout=5).content) == size

    def test_get_says_what_start_and_stop_said(self, api: Api) -> None:
        for verb in ("start", "stop"):
            answer = api.json("POST", f"{api.conference}/recording/{verb}")
            assert api.json("GET", f"{api.conference}/recordings/{answer['id']}") == answer

    def test_list_answers_as_on_the_page(self, api: Api) -> None:
        stopped = api.of_the_conference(name="Team Standup - Feb 4")
        row = {key: stopped[key] for key in stopped if key not in ("quality", "created_at")}
        assert api.json("GET", f"{api.conference}/recordings", limit=10, offset=0) == {
            "recordings": [row],
            "total": 1,
            "limit": 10,
            "offset": 0,
        }

    def test_its_pages_come_newest_first_and_do_not_say_whether_there_is_more(
        self, api: Api
    ) -> None:
        ids = [api.of_the_conference(10)["id"] for _ in range(3)]
        api.planted(HOUR, kind=CONFERENCE)
        pages = [
            api.json("GET", f"{api.conference}/recordings", limit=2, offset=offset)
            for offset in (0, 2)
        ]
        found = [[row["id"] for row in page["recordings"]] for page in pages]
        assert found == [ids[:0:-1], ids[:1]]
        assert {page["total"] for page in pages} == {3}

    def test_a_conference_without_recordings_has_an_empty_list(self, api: Api) -> None:
        assert api.json("GET", f"{api.conference}/recordings")["recordings"] == []

    @pytest.mark.parametrize("format", ["wav", "mp3", "m4a"])
    @pytest.mark.parametrize("quality", ["high", "standard", "economy"])
    def test_all_that_its_tables_have_is_taken(self, api: Api, format: str, quality: str) -> None:
        answer = api.of_the_conference(1, format=format, quality=quality)
        assert (answer["format"], answer["quality"]) == (format, quality)

    def test_a_wav_of_standard_quality_without_a_name_is_the_default(self, api: Api) -> None:
        answer = api.of_the_conference()
        assert (answer["format"], answer["quality"], answer["name"]) == ("wav", "standard", None)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"format": "opus"}, "invalid_format"),
            ({"quality": "low"}, "invalid_request_error"),
            ({"name": 7}, "invalid_request_error"),
        ],
    )
    def test_anything_else_is_400(self, api: Api, body: dict[str, Any], error: str) -> None:
        answer = api("POST", f"{api.conference}/recording/start", body)
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    def test_repeating_is_refused(self, api: Api) -> None:
        recording = f"{api.conference}/recording"
        assert api.status("POST", f"{recording}/stop") == 404
        assert api.status("POST", f"{recording}/start") == 200
        assert api.status("POST", f"{recording}/start") == 409
        assert api.status("POST", f"{recording}/stop") == 200
        assert api.status("POST", f"{recording}/stop") == 404

    def test_it_ends_by_itself_after_24_hours(self, api: Api) -> None:
        id = api.json("POST", f"{api.conference}/recording/start", {"format": "mp3"})["id"]
        api.pass_time(25 * 3600)
        row = api.json("GET", f"{api.conference}/recordings/{id}")
        assert (row["status"], row["duration"]) == ("completed", 24 * 3600)
        assert api.status("POST", f"{api.conference}/recording/stop") == 404

    def test_and_with_its_conference_which_can_still_be_listed(self, api: Api) -> None:
        api.json("POST", f"{api.conference}/recording/start")
        api.pass_time(30)
        api.emulator.hang_up(api.emulator.sessions[1])
        [row] = api.json("GET", f"{api.conference}/recordings")["recordings"]
        assert (row["status"], row["duration"]) == ("completed", 30)
        assert api.status("POST", f"{api.conference}/recording/start") == 404

    def test_deleted_is_204_and_gone(self, api: Api) -> None:
        id = api.of_the_conference()["id"]
        path = f"{api.conference}/recordings/{id}"
        answer = api("DELETE", path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert api.status("GET", path) == api.status("DELETE", path) == 404
        assert api.json("GET", f"{api.conference}/recordings")["total"] == 0

    def test_another_conferences_recording_is_404(self, api: Api) -> None:
        id = api.emulator.add(CONFERENCE)
        assert api.status("GET", f"{api.conference}/recordings/{id}") == 404
        assert api.status("DELETE", f"{api.conference}/recordings/{id}") == 404

    def test_a_conference_that_is_made_can_be_recorded_from_its_start(self, api: Api) -> None:
        made = api.json("POST", "conferences", {"name": "Weekly Meeting", "record": True})
        path = f"conferences/{made['id']}"
        [row] = api.json("GET", f"{path}/recordings")["recordings"]
        assert (row["status"], row["format"]) == ("recording", "wav")
        assert api.status("POST", f"{path}/recording/stop") == 200
        silent = api.json("POST", "conferences", {"name": "Weekly Meeting"})
        assert api.json("GET", f"conferences/{silent['id']}/recordings")["total"] == 0
        assert api.status("POST", "conferences", {"name": "Weekly Meeting", "record": 1}) == 400


# -- media ----------------------------------------------------------------------------------------


class TestMedia:
    def test_a_download_leads_to_another_host_that_wants_no_credential(self, api: Api) -> None:
        [id] = api.planted(DAY)
        answer = api("GET", f"recordings/{id}/download")
        assert (answer.status_code, answer.content) == (302, b"")
        link = answer.headers["Location"]
        assert link.startswith(api.emulator.media_origin)
        assert urlsplit(link).query
        assert requests.get(link, timeout=5).status_code == 200

    def test_that_host_takes_a_credential_in_silence_and_the_journal_tells(self, api: Api) -> None:
        [id] = api.planted(DAY)
        # What `requests` does when left alone: only `Authorization` stays behind.
        url = f"{api.emulator.base_url}/recordings/{id}/download"
        assert api.http.get(url, timeout=5).status_code == 200
        [seen] = api.emulator.requests("media")
        assert seen.header("x-auth-token") == api.emulator.credentials["api_key"]

    @pytest.mark.parametrize("status", [301, 303, 307, 308])
    def test_the_redirects_status_can_be_set(self, api: Api, status: int) -> None:
        [id] = api.planted(DAY)
        api.emulator.redirect_status = status
        assert api.status("GET", f"recordings/{id}/download") == status

    def test_or_the_answer_is_the_file(self, api: Api) -> None:
        [id] = api.planted(DAY, format="wav")
        elsewhere = requests.get(api.link(id), timeout=5).content
        api.emulator.redirect_status = None
        answer = api("GET", f"recordings/{id}/download")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "audio/wav")
        assert answer.content == elsewhere

    def test_a_link_is_good_for_24_hours_and_can_be_had_again(self, api: Api) -> None:
        [id] = api.planted(DAY)
        link = api.link(id)
        api.clock.advance(DAY - SECOND)
        assert requests.get(link, timeout=5).status_code == 200
        api.clock.advance(SECOND)
        assert requests.get(link, timeout=5).status_code == 403
        assert requests.get(api.link(id), timeout=5).status_code == 200

    def test_a_link_that_was_changed_is_good_for_nothing(self, api: Api) -> None:
        [id, other] = api.planted(DAY, DAY)
        link = api.link(id)
        for changed in (
            link.replace(id, other),
            re.sub(r"expires=\d", "expires=9", link),
            link[:-1] + ("0" if link[-1] != "0" else "1"),
            link.partition("?")[0],
        ):
            assert requests.get(changed, timeout=5).status_code == 403
        assert requests.post(link, timeout=5).status_code == 405

    def test_before_it_is_complete_there_is_none(self, api: Api) -> None:
        id = api.started()
        for seconds in (1, 3):
            assert api.status("GET", f"recordings/{id}/download") == 404
            api.emulator.unready_status = 409
            assert api.status("GET", f"recordings/{id}/download") == 409
            api.emulator.unready_status = 404
            if seconds == 1:
                api.json("POST", f"{api.call}/record/stop")
            api.pass_time(seconds)
        api.pass_time(2)
        assert api.status("GET", f"recordings/{id}/download") == 302

    @pytest.mark.parametrize(
        ("kind", "format", "media_type", "magic"),
        [
            (CALL, "mp3", "audio/mpeg", b"\xff\xf3"),
            (CALL, "wav", "audio/wav", b"RIFF"),
            (CALL, "opus", "audio/ogg", b"OggS"),
            (CONFERENCE, "m4a", "audio/mp4", b"\x00\x00\x00\x18ftyp"),
        ],
    )
    @pytest.mark.parametrize("seconds", [0, 45])
    def test_each_format_has_its_type_and_the_size_that_its_row_says(
        self, api: Api, kind: SessionKind, format: str, media_type: str, magic: bytes, seconds: int
    ) -> None:
        session = api.emulator.sessions[1].id
        long = timedelta(seconds=seconds)
        id = api.emulator.add(kind, session_id=session, format=format, duration=long)
        answer = requests.get(api.link(id), timeout=5)
        assert answer.headers["Content-Type"] == media_type
        assert answer.content.startswith(magic)
        if kind is CALL:
            assert api.row(id)["file_size"] == len(answer.content)
        else:
            row = api.json("GET", f"{api.conference}/recordings/{id}")
            assert row["size"] == len(answer.content)

    def test_a_wav_lasts_as_long_as_its_row_says(self, api: Api) -> None:
        [id] = api.planted(DAY, format="wav", duration=timedelta(seconds=75))
        content = requests.get(api.link(id), timeout=5).content
        with wave.open(io.BytesIO(content)) as file:
            assert file.getnframes() / file.getframerate() == api.row(id)["duration"] == 75

    @pytest.mark.parametrize("seconds", [0, 1, 75])
    def test_an_opus_does_too_and_its_pages_are_sound(self, api: Api, seconds: int) -> None:
        [id] = api.planted(DAY, format="opus", duration=timedelta(seconds=seconds))
        pages = list(ogg_pages(requests.get(api.link(id), timeout=5).content))
        assert [page[28 : 28 + 8] for page in pages[:2]] == [b"OpusHead", b"OpusTags"]
        assert [page[5] for page in pages] == [2, *[0] * (len(pages) - 2), 4]
        assert [int.from_bytes(page[18:22], "little") for page in pages] == [*range(len(pages))]
        assert int.from_bytes(pages[-1][6:14], "little") == 48000 * seconds
        for page in pages:
            without = page[:22] + bytes(4) + page[26:]
            assert int.from_bytes(page[22:26], "little") == crc_of_rfc_3533(without)

    def test_a_part_can_be_asked_for_and_the_etag_is_strong(self, api: Api) -> None:
        [id] = api.planted(DAY)
        whole = requests.get(api.link(id), timeout=5)
        etag = whole.headers["ETag"]
        assert re.fullmatch(r'"[^"]+"', etag)
        asked = {"Range": "bytes=5-", "If-Range": etag}
        part = requests.get(api.link(id), headers=asked, timeout=5)
        assert (part.status_code, part.content) == (206, whole.content[5:])


def ogg_pages(content: bytes) -> Iterator[bytes]:
    while content:
        assert content[:4] == b"OggS"
        lacing = content[27 : 27 + content[26]]
        end = 27 + len(lacing) + sum(lacing)
        yield content[:end]
        content = content[end:]


def crc_of_rfc_3533(page: bytes) -> int:
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register >> 31 else 0)
            register &= 0xFFFFFFFF
    return register


# -- the past -------------------------------------------------------------------------------------


class TestPast:
    def test_45_calls_are_listed_all_over_thirty_days(self, past: Api) -> None:
        pages = [past.listed(limit=20, offset=offset) for offset in (0, 20, 40)]
        ids = [id for page in pages for id in page]
        assert len(set(ids)) == len(ids) == 45
        assert set(ids) == set(past.emulator.listed())
        rows = [past.row(id) for id in ids]
        created = [row["created_at"] for row in rows]
        assert created == sorted(created, reverse=True)
        assert created[-1] < past.said(28 * DAY)
        assert {row["file_format"] for row in rows} == {"mp3", "wav", "opus"}
        assert [row["status"] for row in rows].count("failed") == 1
        seconds = [row["duration"] for row in rows]
        assert min(seconds) == 0
        assert 600 < max(seconds) < 1200

    def test_each_has_the_bytes_that_it_says(self, past: Api) -> None:
        for id in past.emulator.listed():
            row = past.row(id)
            if row["status"] == "completed":
                assert len(requests.get(past.link(id), timeout=5).content) == row["file_size"]

    def test_the_live_conference_has_two_that_nothing_else_enumerates(self, past: Api) -> None:
        answer = past.json("GET", f"{past.conference}/recordings")
        ids = [row["id"] for row in answer["recordings"]]
        assert len(ids) == 2
        assert past.emulator.conference_recordings == {past.emulator.sessions[1].id: ids}
        assert not set(ids) & set(past.emulator.listed())

    def test_without_a_past_there_are_no_recordings_at_all(self, api: Api) -> None:
        assert api.emulator.listed() == []
        assert api.emulator.conference_recordings == {}

    def test_one_of_each_kind_is_live(self, api: Api) -> None:
        assert [target.kind for target in api.emulator.sessions] == [CALL, CONFERENCE]
        call, conference = api.emulator.sessions
        assert (call.id[:5], conference.id[:5]) == ("call_", "conf_")
        begun = api.emulator.begin(CALL)
        assert api.status("POST", f"calls/{begun.id}/record/start") == 200

    def test_the_same_seed_makes_the_same_past(self) -> None:
        def past(seed: int) -> list[Any]:
            with AudianEmulator(recordings=9, seed=seed) as emulator:
                return [emulator.listed(), emulator.credentials, emulator.sessions]

        assert past(1) == past(1)
        assert past(1) != past(2)
