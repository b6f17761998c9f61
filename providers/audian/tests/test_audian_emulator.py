"""The emulated Audian behaves as the pages document, over raw HTTP.

https://docs.audian.com/call-control/call-recording and https://docs.audian.com/conferences/recording
"""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Callable, Iterator
from datetime import timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from attrs import define, evolve

from recording_audian.emulator import AudianEmulator
from recording_core import SessionKind
from recording_core.testing import ManualClock

DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)
CALL, CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE


@define
class Api:
    """An HTTP client that sends the key, and the emulator that it sends requests to."""

    emulator: AudianEmulator
    http: requests.Session
    clock: ManualClock

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> requests.Response:
        url = f"{self.emulator.base_url}/{path}"
        return self.http.request(
            method, url, json=body, params=query, allow_redirects=False, timeout=5
        )

    def read_status(self, method: str, path: str, body: Any = None, **query: Any) -> int:
        return self(method, path, body, **query).status_code

    def read_json(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Return the payload of a response, which must be a success."""
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

    def read_row(self, id: str) -> Any:
        """Get a call's recording."""
        return self.read_json("GET", f"recordings/{id}")

    def list_ids(self, **query: Any) -> list[str]:
        """Return the ids on one page of calls' recordings."""
        return [row["recording_id"] for row in self.read_json("GET", "recordings", **query)["data"]]

    def start_recording(self, **body: Any) -> str:
        """Start a recording of the live call and pass its first second."""
        id: str = self.read_json("POST", f"{self.call}/record/start", body)["recording_id"]
        self.advance(1)
        return id

    def record_conference(self, seconds: float = 60, **body: Any) -> Any:
        """Record the live conference and return the response to the stop."""
        self.read_json("POST", f"{self.conference}/recording/start", body)
        self.advance(seconds)
        return self.read_json("POST", f"{self.conference}/recording/stop")

    def add_recordings(self, *ages: timedelta, **more: Any) -> list[str]:
        return [self.emulator.add(ago=age, **more) for age in ages]

    def read_temporary_url(self, id: str) -> str:
        """Return the temporary URL of a recording's media."""
        return self("GET", f"recordings/{id}/download").headers["Location"]

    def format_time(self, ago: timedelta) -> str:
        return f"{self.clock.now() - ago:%Y-%m-%dT%H:%M:%SZ}"

    def advance(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))

    def exchange_key(self, key: str | None = None) -> requests.Response:
        """Exchange the key, or another one, for a token."""
        given = key or self.emulator.credentials["api_key"]
        return self("PUT", "api_auth", {"data": {"api_key": given}})

    def send_credentials(self, **headers: str | None) -> None:
        """Send these credential headers, and no others, from now on."""
        for name in ("X-Auth-Token", "Authorization"):
            self.http.headers.pop(name, None)
        for name, value in headers.items():
            self.http.headers[name.replace("_", "-")] = value or ""


pytestmark = pytest.mark.emulator("audian")


@pytest.fixture
def api(emulator: AudianEmulator, manual_clock: ManualClock) -> Iterator[Api]:
    with requests.Session() as http:
        http.trust_env = False
        http.headers["X-Auth-Token"] = emulator.credentials["api_key"]
        yield Api(emulator, http, manual_clock)


@pytest.fixture
def past(api: Api, start_emulator: Callable[..., AudianEmulator]) -> Api:
    """An account with 45 past recordings."""
    return evolve(api, emulator=start_emulator("audian", recordings=45))


# -- authentication -------------------------------------------------------------------------------


class TestAuthentication:
    def test_the_key_is_accepted_in_either_header_and_in_both(self, api: Api) -> None:
        key = api.emulator.credentials["api_key"]
        assert re.fullmatch(r"[!-~]{40}", key)
        bearer = f"Bearer {key}"
        for headers in (
            {"X_Auth_Token": key},
            {"Authorization": bearer},
            {"X_Auth_Token": key, "Authorization": bearer},
            {"X_Auth_Token": key, "Authorization": "Bearer wrong"},
        ):
            api.send_credentials(**headers)
            assert api.read_status("GET", "recordings") == 200

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
    def test_any_other_credential_is_401_and_changes_nothing(
        self, api: Api, headers: dict[str, str]
    ) -> None:
        [id] = api.add_recordings(DAY)
        api.send_credentials(**headers)
        assert api.read_status("DELETE", f"recordings/{id}") == 401
        assert api.read_status("POST", f"{api.call}/record/start") == 401
        assert api.emulator.list_ids() == [id]

    def test_the_exchange_returns_the_other_apis_envelope(self, api: Api) -> None:
        api.send_credentials()
        response = api.exchange_key()
        assert response.status_code == 201
        payload = response.json()
        assert payload["auth_token"].startswith("eyJhbGciOiJSUzI1NiI")
        assert payload["auth_token"].count(".") == 2
        assert payload["data"]["account_id"]
        assert payload["status"] == "success"
        assert {"request_id", "revision", "version", "node", "tokens"} <= set(payload)

    def test_a_token_is_accepted_until_it_expires(self, api: Api) -> None:
        token = api.exchange_key().json()["auth_token"]
        assert token != api.exchange_key().json()["auth_token"]
        api.send_credentials(X_Auth_Token=token)
        api.advance(15 * 60 - 1)
        assert api.read_status("GET", "recordings") == 200
        api.advance(1)
        assert api.read_status("GET", "recordings") == 401
        api.send_credentials(X_Auth_Token=api.exchange_key().json()["auth_token"])
        assert api.read_status("GET", "recordings") == 200

    def test_the_lifetime_of_a_token_can_be_set(self, api: Api) -> None:
        api.emulator.token_lifetime = HOUR
        api.send_credentials(X_Auth_Token=api.exchange_key().json()["auth_token"])
        api.advance(59 * 60)
        assert api.read_status("GET", "recordings") == 200

    def test_a_token_is_rejected_as_a_bearer_token(self, api: Api) -> None:
        api.send_credentials(Authorization=f"Bearer {api.exchange_key().json()['auth_token']}")
        assert api.read_status("GET", "recordings") == 401

    def test_with_exchange_only_the_key_itself_is_401(self, api: Api) -> None:
        api.emulator.exchange_only = True
        key = api.emulator.credentials["api_key"]
        assert api.read_status("GET", "recordings") == 401
        api.send_credentials(Authorization=f"Bearer {key}")
        assert api.read_status("GET", "recordings") == 401
        api.send_credentials(X_Auth_Token=api.exchange_key().json()["auth_token"])
        assert api.read_status("GET", "recordings") == 200

    @pytest.mark.parametrize("body", [None, [], {}, {"data": None}, {"data": {"api_key": "no"}}])
    def test_a_wrong_key_at_the_exchange_gets_the_other_apis_error(
        self, api: Api, body: Any
    ) -> None:
        api.send_credentials()
        response = api("PUT", "api_auth", body)
        assert response.status_code == 401
        payload = response.json()
        assert payload.pop("request_id")
        assert payload == {
            "data": {"message": "invalid credentials"},
            "error": "401",
            "message": "unauthorized",
            "status": "error",
        }


# -- response shapes ------------------------------------------------------------------------------


class TestResponseShapes:
    def test_errors_have_the_shape_of_the_recording_pages_by_default(self, api: Api) -> None:
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
        api.send_credentials(X_Auth_Token="wrong")
        assert api("GET", "recordings").json()["error"] == "invalid_api_key"
        api.send_credentials()
        assert api("GET", "recordings").json()["error"] == "missing_authentication"

    def test_errors_can_have_the_shape_of_the_pages_on_errors(self, api: Api) -> None:
        api.emulator.error_shape = "errors"
        assert api("POST", f"{api.call}/record/start", {"format": "ogg"}).json() == {
            "error": {
                "code": "invalid_format",
                "message": "Recording format is not supported",
                "type": "invalid_request_error",
                "param": "format",
            }
        }
        api.send_credentials(X_Auth_Token="wrong")
        error = api("GET", "recordings").json()["error"]
        assert set(error) == {"code", "message", "type"}
        assert (error["code"], error["type"]) == ("invalid_api_key", "authentication_error")

    def test_errors_can_have_the_shape_of_kazoo_with_the_token_in_the_body(self, api: Api) -> None:
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
        api.send_credentials(Authorization="Bearer wrong")
        payload = api("GET", "recordings").json()
        found = (payload["auth_token"], payload["error"], payload["message"])
        assert found == ("wrong", "401", "unauthorized")

    @pytest.mark.parametrize("emulator_assumptions", [[4]])
    def test_an_injected_error_has_the_shape_of_the_others(self, api: Api) -> None:
        own = api("GET", "recordings/rec_none").json()
        api.emulator.inject("429-storm", count=1)
        reply = api("GET", "recordings")
        assert reply.status_code == 429
        assert reply.json().keys() == own.keys() - {"auth_token"}
        assert (reply.json()["error"], reply.json()["status"]) == ("429", "error")

    def test_a_server_error_can_have_the_http_status_200(self, api: Api) -> None:
        assert api.emulator.build_error(503).status == 503
        api.emulator.hides_server_errors = True
        assert api.emulator.build_error(429).status == 429
        api.emulator.faults.append(api.emulator.build_error(503))
        payload = api.read_json("GET", "recordings")
        assert (payload["error"], payload["status"]) == ("503", "error")

    @pytest.mark.parametrize("path", ["recordings", "recordings/{id}", "{conference}/recordings"])
    def test_a_success_can_come_in_an_envelope(self, api: Api, path: str) -> None:
        [id] = api.add_recordings(DAY)
        path = path.format(id=id, conference=api.conference)
        bare = api.read_json("GET", path)
        api.emulator.envelope = "success"
        assert api.read_json("GET", path) == {"success": True, "data": bare}
        api.emulator.envelope = "data"
        payload = api.read_json("GET", path)
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
            # Calls and conferences have different path segments, and conferences have no pause.
            ("POST", "{call}/recording/start"),
            ("POST", "{conference}/record/start"),
            ("POST", "{conference}/recording/pause"),
            ("POST", "{call}/record/rewind"),
            ("PATCH", "recordings"),
            ("GET", "nowhere"),
        ],
    )
    def test_an_unknown_path_or_id_is_404(self, api: Api, method: str, path: str) -> None:
        response = api(method, path.format(call=api.call, conference=api.conference))
        assert (response.status_code, response.json()["error"]) == (404, "not_found")


# -- recordings of calls --------------------------------------------------------------------------


class TestCalls:
    def test_start_returns_the_documented_body(self, api: Api) -> None:
        response = api.read_json("POST", f"{api.call}/record/start", {"format": "mp3"})
        assert re.fullmatch(r"rec_[0-9a-f]+", response.pop("recording_id"))
        assert response == {
            "call_id": api.emulator.sessions[0].id,
            "status": "recording",
            "started_at": "2026-06-01T12:00:00Z",
            "format": "mp3",
        }

    def test_stop_returns_the_documented_body(self, api: Api) -> None:
        id = api.start_recording()
        api.advance(304)
        assert api.read_json("POST", f"{api.call}/record/stop") == {
            "call_id": api.emulator.sessions[0].id,
            "recording_id": id,
            "status": "stopped",
            "stopped_at": "2026-06-01T12:05:05Z",
            "duration": 305,
        }

    def test_get_returns_the_documented_body_with_the_end_as_created_at(self, api: Api) -> None:
        id = api.start_recording()
        api.advance(304)
        api.read_json("POST", f"{api.call}/record/stop")
        api.advance(5)
        row = api.read_row(id)
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

    def test_a_recording_passes_through_all_documented_states(self, api: Api) -> None:
        id = api.read_json("POST", f"{api.call}/record/start")["recording_id"]
        statuses = [api.read_row(id)["status"]]
        for verb, seconds in (("", 1), ("pause", 1), ("resume", 1), ("stop", 0), ("", 3), ("", 2)):
            if verb:
                api.read_json("POST", f"{api.call}/record/{verb}")
            api.advance(seconds)
            statuses.append(api.read_row(id)["status"])
        assert statuses == [
            "initiated",
            "recording",
            "paused",
            "recording",
            "stopped",
            "processing",
            "completed",
        ]

    def test_values_that_are_not_final_are_null(self, api: Api) -> None:
        id = api.start_recording()
        late = ("duration", "file_size", "created_at", "completed_at")
        assert [api.read_row(id)[name] for name in late] == [None] * 4
        api.read_json("POST", f"{api.call}/record/stop")
        row = api.read_row(id)
        assert (row["duration"], row["file_size"], row["completed_at"]) == (1, None, None)

    def test_the_duration_excludes_pauses(self, api: Api) -> None:
        id = api.start_recording()
        for _ in "ab":
            api.advance(10)
            assert api.read_json("POST", f"{api.call}/record/pause") == {}
            assert api.read_row(id)["status"] == "paused"
            api.advance(100)
            assert api.read_json("POST", f"{api.call}/record/resume") == {}
            assert api.read_row(id)["status"] == "recording"
        api.read_json("POST", f"{api.call}/record/pause")
        api.advance(100)
        assert api.read_json("POST", f"{api.call}/record/stop")["duration"] == 21

    @pytest.mark.parametrize("emulator_assumptions", [[8]])
    def test_a_repeated_verb_is_rejected(self, api: Api) -> None:
        record = f"{api.call}/record"
        assert api.read_status("POST", f"{record}/resume") == 404
        assert api.read_status("POST", f"{record}/start") == 200
        assert api.read_status("POST", f"{record}/start") == 409
        assert api.read_status("POST", f"{record}/resume") == 409
        assert api.read_status("POST", f"{record}/pause") == 200
        assert api.read_status("POST", f"{record}/pause") == 409
        assert api.read_status("POST", f"{record}/stop") == 200
        for verb in ("stop", "pause", "resume"):
            assert api.read_status("POST", f"{record}/{verb}") == 404
        assert api.read_status("POST", f"{record}/start") == 200

    def test_without_an_assumption_a_repeated_verb_changes_nothing(self, api: Api) -> None:
        for path, verbs in ((f"{api.call}/record", 3), (f"{api.conference}/recording", 1)):
            first = api.read_json("POST", f"{path}/start")
            assert api.read_json("POST", f"{path}/start") == first
            for verb in ("pause", "resume")[: verbs - 1]:
                for _ in range(2):
                    api.read_json("POST", f"{path}/{verb}")
                    api.advance(1)
            api.read_json("POST", f"{path}/stop")
            assert api.read_status("POST", f"{path}/stop") == 404
        assert [api.read_row(id)["duration"] for id in api.list_ids()] == [2]
        id = api.start_recording()
        assert api.read_status("DELETE", f"recordings/{id}") == 200
        assert id not in api.list_ids()

    @pytest.mark.parametrize("emulator_assumptions", [[], [8]])
    def test_a_recording_can_be_paused_as_soon_as_its_start_is_answered(self, api: Api) -> None:
        id = api.read_json("POST", f"{api.call}/record/start")["recording_id"]
        api.read_json("POST", f"{api.call}/record/pause")
        assert api.read_row(id)["status"] == "paused"
        api.advance(1)
        assert api.read_row(id)["status"] == "paused"
        api.read_json("POST", f"{api.call}/record/resume")
        assert api.read_row(id)["status"] == "recording"

    @pytest.mark.parametrize("emulator_assumptions", [[8]])
    def test_the_status_of_a_conflict_can_be_set(self, api: Api) -> None:
        api.emulator.conflict_status = 400
        api.start_recording()
        assert api.read_status("POST", f"{api.call}/record/start") == 400

    def test_the_end_of_a_call_ends_its_recording(self, api: Api) -> None:
        id = api.start_recording()
        api.emulator.hang_up(api.emulator.sessions[0])
        api.advance(5)
        assert api.read_row(id)["status"] == "completed"
        assert api.read_status("POST", f"{api.call}/record/stop") == 404
        assert api.read_status("POST", f"{api.call}/record/start") == 404

    def test_a_failed_recording_has_no_file(self, api: Api) -> None:
        [id] = api.add_recordings(DAY, failed=True)
        row = api.read_row(id)
        found = (row["status"], row["file_size"], row["completed_at"])
        assert found == ("failed", None, None)
        assert api.read_status("GET", f"recordings/{id}/download") == 404

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
    def test_get_returns_the_parameters_of_the_call(
        self, api: Api, body: dict[str, Any], shown: tuple[Any, ...]
    ) -> None:
        call = {"from": "+1555", "to": "+1556", "recording": {"enabled": True, **body}}
        assert api("POST", "calls", call).status_code == 200
        row = api.read_row(api.emulator.list_ids()[0])
        assert (row["file_format"], row["bitrate"], row["sample_rate"]) == shown

    def test_a_start_ignores_the_parameters_that_its_page_does_not_show(self, api: Api) -> None:
        id = api.start_recording(format="wav", bitrate=128, sample_rate="8000", announce="yes")
        row = api.read_row(id)
        assert (row["file_format"], row["bitrate"], row["sample_rate"]) == ("wav", 256, 16000)

    @pytest.mark.parametrize("format", ["m4a", "MP3", "", None, 1, ["mp3"]])
    def test_an_unsupported_format_is_400(self, api: Api, format: Any) -> None:
        response = api("POST", f"{api.call}/record/start", {"format": format})
        assert (response.status_code, response.json()["error"]) == (400, "invalid_format")

    @pytest.mark.parametrize(
        "body",
        [
            {"participant": "both"},
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
    def test_an_invalid_parameter_of_a_call_is_400_and_makes_no_call(
        self, api: Api, body: Any
    ) -> None:
        call = {"from": "+1555", "to": "+1556", "recording": body}
        response = api("POST", "calls", call)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request_error")
        assert api.emulator.list_ids() == []

    @pytest.mark.parametrize("body", [{"participant": "both"}, {"participant": None}, ["mp3"]])
    def test_an_invalid_parameter_is_400_and_starts_nothing(self, api: Api, body: Any) -> None:
        response = api("POST", f"{api.call}/record/start", body)
        assert (response.status_code, response.json()["error"]) == (400, "invalid_request_error")
        assert api.emulator.list_ids() == []

    def test_a_body_that_is_not_json_is_400(self, api: Api) -> None:
        url = f"{api.emulator.base_url}/{api.call}/record/start"
        json = {"Content-Type": "application/json"}
        assert api.http.post(url, data={"format": "wav"}, timeout=5).status_code == 400
        assert api.http.post(url, data='{"format": "wav"}', timeout=5).status_code == 400
        assert api.http.post(url, data="{", headers=json, timeout=5).status_code == 400
        assert api.http.post(url, headers=json, timeout=5).status_code == 200

    def test_a_start_beyond_the_quota_is_429_and_starts_nothing(self, api: Api) -> None:
        api.emulator.quota_exceeded = True
        for path in (f"{api.call}/record/start", f"{api.conference}/recording/start"):
            response = api("POST", path)
            assert (response.status_code, response.json()["error"]) == (429, "quota_exceeded")
        assert api.emulator.list_ids() == []
        assert api.emulator.conference_recordings == {}

    def test_delete_returns_the_documented_body_and_removes_the_recording(self, api: Api) -> None:
        [id] = api.add_recordings(DAY)
        url = api.read_temporary_url(id)
        assert api.read_json("DELETE", f"recordings/{id}") == {
            "recording_id": id,
            "deleted_at": "2026-06-01T12:00:00Z",
        }
        for method, path in (("GET", ""), ("GET", "/download"), ("DELETE", "")):
            assert api.read_status(method, f"recordings/{id}{path}") == 404
        assert requests.get(url, timeout=5).status_code == 404
        assert api.list_ids() == api.emulator.list_ids() == []

    @pytest.mark.parametrize("emulator_assumptions", [[8]])
    def test_deleting_a_running_recording_is_409(self, api: Api) -> None:
        assert api.read_status("DELETE", f"recordings/{api.start_recording()}") == 409

    def test_a_recording_is_404_after_thirty_days(self, api: Api) -> None:
        [id] = api.add_recordings(30 * DAY - SECOND)
        assert api.list_ids() == [id]
        api.advance(1)
        assert api.list_ids() == api.emulator.list_ids() == []
        assert api.read_status("GET", f"recordings/{id}") == 404
        assert api.read_status("GET", f"recordings/{id}/download") == 404

    def test_a_new_call_can_be_recorded_from_its_start(self, api: Api) -> None:
        made = {"from": "+14155552671", "to": "+14155552672"}
        recording = {"enabled": True, "format": "opus", "participant": "all"}
        response = api.read_json("POST", "calls", {**made, "recording": recording})
        names = {"call_id", "call_uuid", "from", "to", "status", "created_at"}
        assert set(response) == names
        [id] = api.list_ids(call_id=response["call_id"])
        assert api.read_row(id)["file_format"] == "opus"
        assert api.read_status("POST", f"calls/{response['call_id']}/record/stop") == 200
        silent = api.read_json("POST", "calls", {**made, "recording": {"enabled": False}})
        assert api.list_ids(call_id=silent["call_id"]) == []
        assert api.read_status("POST", "calls", {**made, "recording": {"format": "ogg"}}) == 400
        assert api.read_status("POST", "calls", {"from": "+14155552671"}) == 400


class TestListOfCalls:
    def test_list_returns_the_documented_body_newest_first(self, api: Api) -> None:
        new, old = api.add_recordings(DAY, 2 * DAY)
        response = api.read_json("GET", "recordings", limit=50, offset=0)
        names = ("recording_id", "call_id", "duration", "file_size", "status", "created_at")
        assert response == {
            "data": [{name: api.read_row(id)[name] for name in names} for id in (new, old)],
            "pagination": {"total": 2, "limit": 50, "offset": 0, "has_more": False},
        }
        assert response["data"][0]["created_at"] == "2026-05-31T12:00:00Z"

    def test_pages_follow_by_offset_until_has_more_is_false(self, api: Api) -> None:
        ids = api.add_recordings(*[hours * HOUR for hours in range(1, 6)])
        assert [api.list_ids(limit=2, offset=offset) for offset in (0, 2, 4, 6)] == [
            ids[:2],
            ids[2:4],
            ids[4:],
            [],
        ]
        pages = [
            api.read_json("GET", "recordings", limit=2, offset=n)["pagination"] for n in (2, 3, 4)
        ]
        assert [page["has_more"] for page in pages] == [True, False, False]
        assert {page["total"] for page in pages} == {5}

    def test_a_page_has_25_rows_by_default_and_at_most_100(self, api: Api) -> None:
        api.add_recordings(*[HOUR] * 101)
        assert len(api.list_ids()) == 25
        assert len(api.list_ids(limit=1000)) == 100
        assert api.read_json("GET", "recordings", limit=1000)["pagination"]["limit"] == 100

    @pytest.mark.parametrize(
        "query", [{"limit": 0}, {"limit": -1}, {"limit": "x"}, {"offset": -1}, {"since": "monday"}]
    )
    def test_an_invalid_query_is_400(self, api: Api, query: dict[str, Any]) -> None:
        assert api.read_status("GET", "recordings", **query) == 400

    def test_added_and_removed_rows_shift_the_offsets(self, api: Api) -> None:
        ids = api.add_recordings(*[hours * HOUR for hours in range(1, 7)])
        assert api.list_ids(limit=2) == ids[:2]
        api.emulator.remove(ids[0])
        assert api.list_ids(limit=2, offset=2) == ids[3:5]  # ids[2] was on neither page
        api.add_recordings(timedelta(0), timedelta(0))
        assert api.list_ids(limit=2, offset=2) == ids[1:3]

    def test_call_id_filters_the_list(self, api: Api) -> None:
        mine = api.add_recordings(HOUR, DAY, session_id="call_mine")
        api.add_recordings(2 * HOUR)
        assert api.list_ids(call_id="call_mine") == mine
        assert api.list_ids(call_id="call_mine", since=api.format_time(2 * HOUR)) == mine[:1]
        assert api.list_ids(call_id="call_none") == []

    def test_since_compares_the_end_and_includes_its_bound(self, api: Api) -> None:
        [id] = api.add_recordings(DAY, duration=HOUR)
        assert api.list_ids(since=api.format_time(DAY)) == [id]
        assert api.list_ids(since=api.format_time(DAY - SECOND)) == []

    def test_since_can_compare_the_start(self, api: Api) -> None:
        api.emulator.since_field = "started_at"
        [id] = api.add_recordings(DAY, duration=HOUR)
        assert api.list_ids(since=api.format_time(DAY)) == []
        assert api.list_ids(since=api.format_time(DAY + HOUR)) == [id]

    def test_since_can_be_read_in_another_zone(self, api: Api) -> None:
        [id] = api.add_recordings(DAY)
        api.emulator.since_zone = timezone(-timedelta(hours=8))
        assert api.list_ids(since=api.format_time(DAY)) == []
        assert api.list_ids(since=api.format_time(DAY + 8 * HOUR)) == [id]

    def test_a_running_recording_is_first_and_since_excludes_it(self, api: Api) -> None:
        [ended] = api.add_recordings(HOUR)
        running = api.emulator.add(ago=2 * HOUR, duration=None)
        assert api.list_ids() == [running, ended]
        assert api.list_ids(since=api.format_time(DAY)) == [ended]
        api.emulator.since_field = "started_at"
        assert api.list_ids(since=api.format_time(DAY)) == [running, ended]

    def test_the_list_of_calls_excludes_conference_recordings(self, api: Api) -> None:
        id = api.record_conference()["id"]
        assert api.list_ids() == api.emulator.list_ids() == []
        assert api.read_status("GET", f"recordings/{id}") == 404
        assert api.read_status("DELETE", f"recordings/{id}") == 404
        assert api.read_status("GET", f"recordings/{id}/download") == 302


# -- recordings of conferences --------------------------------------------------------------------


class TestConferences:
    def test_start_returns_the_documented_body(self, api: Api) -> None:
        parameters = {"name": "Team Standup - Feb 4", "format": "wav", "quality": "high"}
        response = api.read_json("POST", f"{api.conference}/recording/start", parameters)
        assert re.fullmatch(r"rec_[0-9a-f]+", response.pop("id"))
        assert response == {
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

    def test_stop_returns_the_documented_body_of_a_complete_recording(self, api: Api) -> None:
        response = api.record_conference(1800, name="Team Standup - Feb 4", quality="high")
        id, size = response["id"], response.pop("size")
        assert response == {
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
        assert len(requests.get(api.read_temporary_url(id), timeout=5).content) == size

    def test_get_returns_the_same_body_as_start_and_stop(self, api: Api) -> None:
        for verb in ("start", "stop"):
            response = api.read_json("POST", f"{api.conference}/recording/{verb}")
            assert api.read_json("GET", f"{api.conference}/recordings/{response['id']}") == response

    def test_list_returns_the_documented_body(self, api: Api) -> None:
        stopped = api.record_conference(name="Team Standup - Feb 4")
        row = {key: stopped[key] for key in stopped if key not in ("quality", "created_at")}
        assert api.read_json("GET", f"{api.conference}/recordings", limit=10, offset=0) == {
            "recordings": [row],
            "total": 1,
            "limit": 10,
            "offset": 0,
        }

    def test_pages_are_newest_first_and_have_a_total_only(self, api: Api) -> None:
        ids = [api.record_conference(10)["id"] for _ in range(3)]
        api.add_recordings(HOUR, kind=CONFERENCE)
        pages = [
            api.read_json("GET", f"{api.conference}/recordings", limit=2, offset=offset)
            for offset in (0, 2)
        ]
        found = [[row["id"] for row in page["recordings"]] for page in pages]
        assert found == [ids[:0:-1], ids[:1]]
        assert {page["total"] for page in pages} == {3}

    def test_a_conference_without_recordings_has_an_empty_list(self, api: Api) -> None:
        assert api.read_json("GET", f"{api.conference}/recordings")["recordings"] == []

    @pytest.mark.parametrize("format", ["wav", "mp3", "m4a"])
    @pytest.mark.parametrize("quality", ["high", "standard", "economy"])
    def test_every_documented_format_and_quality_is_accepted(
        self, api: Api, format: str, quality: str
    ) -> None:
        response = api.record_conference(1, format=format, quality=quality)
        assert (response["format"], response["quality"]) == (format, quality)

    def test_the_default_is_a_wav_of_standard_quality_without_a_name(self, api: Api) -> None:
        response = api.record_conference()
        found = (response["format"], response["quality"], response["name"])
        assert found == ("wav", "standard", None)

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"format": "opus"}, "invalid_format"),
            ({"quality": "low"}, "invalid_request_error"),
            ({"name": 7}, "invalid_request_error"),
        ],
    )
    def test_other_values_are_400(self, api: Api, body: dict[str, Any], error: str) -> None:
        response = api("POST", f"{api.conference}/recording/start", body)
        assert (response.status_code, response.json()["error"]) == (400, error)

    @pytest.mark.parametrize("emulator_assumptions", [[8]])
    def test_a_repeated_verb_is_rejected(self, api: Api) -> None:
        recording = f"{api.conference}/recording"
        assert api.read_status("POST", f"{recording}/stop") == 404
        assert api.read_status("POST", f"{recording}/start") == 200
        assert api.read_status("POST", f"{recording}/start") == 409
        assert api.read_status("POST", f"{recording}/stop") == 200
        assert api.read_status("POST", f"{recording}/stop") == 404

    def test_a_recording_ends_after_24_hours(self, api: Api) -> None:
        id = api.read_json("POST", f"{api.conference}/recording/start", {"format": "mp3"})["id"]
        api.advance(25 * 3600)
        row = api.read_json("GET", f"{api.conference}/recordings/{id}")
        assert (row["status"], row["duration"]) == ("completed", 24 * 3600)
        assert api.read_status("POST", f"{api.conference}/recording/stop") == 404

    def test_a_recording_ends_with_its_conference_and_is_still_listed(self, api: Api) -> None:
        api.read_json("POST", f"{api.conference}/recording/start")
        api.advance(30)
        api.emulator.hang_up(api.emulator.sessions[1])
        [row] = api.read_json("GET", f"{api.conference}/recordings")["recordings"]
        assert (row["status"], row["duration"]) == ("completed", 30)
        assert api.read_status("POST", f"{api.conference}/recording/start") == 404

    def test_delete_returns_204_and_removes_the_recording(self, api: Api) -> None:
        id = api.record_conference()["id"]
        path = f"{api.conference}/recordings/{id}"
        response = api("DELETE", path)
        assert (response.status_code, response.content) == (204, b"")
        assert api.read_status("GET", path) == api.read_status("DELETE", path) == 404
        assert api.read_json("GET", f"{api.conference}/recordings")["total"] == 0

    def test_a_recording_of_another_conference_is_404(self, api: Api) -> None:
        id = api.emulator.add(CONFERENCE)
        assert api.read_status("GET", f"{api.conference}/recordings/{id}") == 404
        assert api.read_status("DELETE", f"{api.conference}/recordings/{id}") == 404

    def test_a_new_conference_can_be_recorded_from_its_start(self, api: Api) -> None:
        made = api.read_json("POST", "conferences", {"name": "Weekly Meeting", "record": True})
        path = f"conferences/{made['id']}"
        [row] = api.read_json("GET", f"{path}/recordings")["recordings"]
        assert (row["status"], row["format"]) == ("recording", "wav")
        assert api.read_status("POST", f"{path}/recording/stop") == 200
        other = api.read_json("POST", "conferences", {"name": "Weekly Meeting"})
        assert api.read_json("GET", f"conferences/{other['id']}/recordings")["total"] == 0
        body = {"name": "Weekly Meeting", "record": 1}
        assert api.read_status("POST", "conferences", body) == 400


# -- media ----------------------------------------------------------------------------------------


class TestMedia:
    def test_a_download_redirects_to_another_host_without_credentials(self, api: Api) -> None:
        [id] = api.add_recordings(DAY)
        response = api("GET", f"recordings/{id}/download")
        assert (response.status_code, response.content) == (302, b"")
        url = response.headers["Location"]
        assert url.startswith(api.emulator.media_origin)
        assert urlsplit(url).query
        assert requests.get(url, timeout=5).status_code == 200

    def test_the_media_host_ignores_a_credential_and_the_journal_has_it(self, api: Api) -> None:
        [id] = api.add_recordings(DAY)
        # On a redirect `requests` removes only `Authorization`.
        url = f"{api.emulator.base_url}/recordings/{id}/download"
        assert api.http.get(url, timeout=5).status_code == 200
        [request] = api.emulator.list_requests("media")
        assert request.header("x-auth-token") == api.emulator.credentials["api_key"]

    @pytest.mark.parametrize("status", [301, 303, 307, 308])
    def test_the_status_of_the_redirect_can_be_set(self, api: Api, status: int) -> None:
        [id] = api.add_recordings(DAY)
        api.emulator.redirect_status = status
        assert api.read_status("GET", f"recordings/{id}/download") == status

    def test_the_response_to_a_download_can_be_the_file(self, api: Api) -> None:
        [id] = api.add_recordings(DAY, format="wav")
        content = requests.get(api.read_temporary_url(id), timeout=5).content
        api.emulator.redirect_status = None
        response = api("GET", f"recordings/{id}/download")
        assert (response.status_code, response.headers["Content-Type"]) == (200, "audio/wav")
        assert response.content == content

    def test_a_temporary_url_is_valid_for_24_hours_and_can_be_requested_again(
        self, api: Api
    ) -> None:
        [id] = api.add_recordings(DAY)
        url = api.read_temporary_url(id)
        api.clock.advance(DAY - SECOND)
        assert requests.get(url, timeout=5).status_code == 200
        api.clock.advance(SECOND)
        assert requests.get(url, timeout=5).status_code == 403
        assert requests.get(api.read_temporary_url(id), timeout=5).status_code == 200

    def test_a_changed_temporary_url_is_rejected(self, api: Api) -> None:
        [id, other] = api.add_recordings(DAY, DAY)
        url = api.read_temporary_url(id)
        for changed in (
            url.replace(id, other),
            re.sub(r"expires=\d", "expires=9", url),
            url[:-1] + ("0" if url[-1] != "0" else "1"),
            url.partition("?")[0],
        ):
            assert requests.get(changed, timeout=5).status_code == 403
        assert requests.post(url, timeout=5).status_code == 405

    def test_a_download_before_completion_is_an_error(self, api: Api) -> None:
        id = api.start_recording()
        for seconds in (1, 3):
            assert api.read_status("GET", f"recordings/{id}/download") == 404
            api.emulator.unready_status = 409
            assert api.read_status("GET", f"recordings/{id}/download") == 409
            api.emulator.unready_status = 404
            if seconds == 1:
                api.read_json("POST", f"{api.call}/record/stop")
            api.advance(seconds)
        api.advance(2)
        assert api.read_status("GET", f"recordings/{id}/download") == 302

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
    def test_each_format_has_its_media_type_and_the_size_of_its_row(
        self, api: Api, kind: SessionKind, format: str, media_type: str, magic: bytes, seconds: int
    ) -> None:
        session = api.emulator.sessions[1].id
        duration = timedelta(seconds=seconds)
        id = api.emulator.add(kind, session_id=session, format=format, duration=duration)
        response = requests.get(api.read_temporary_url(id), timeout=5)
        assert response.headers["Content-Type"] == media_type
        assert response.content.startswith(magic)
        if kind is CALL:
            assert api.read_row(id)["file_size"] == len(response.content)
        else:
            row = api.read_json("GET", f"{api.conference}/recordings/{id}")
            assert row["size"] == len(response.content)

    def test_a_wav_file_has_the_duration_of_its_row(self, api: Api) -> None:
        [id] = api.add_recordings(DAY, format="wav", duration=timedelta(seconds=75))
        content = requests.get(api.read_temporary_url(id), timeout=5).content
        with wave.open(io.BytesIO(content)) as file:
            assert file.getnframes() / file.getframerate() == api.read_row(id)["duration"] == 75

    @pytest.mark.parametrize("seconds", [0, 1, 75])
    def test_an_opus_file_has_the_duration_of_its_row_and_valid_pages(
        self, api: Api, seconds: int
    ) -> None:
        [id] = api.add_recordings(DAY, format="opus", duration=timedelta(seconds=seconds))
        pages = list(split_ogg_pages(requests.get(api.read_temporary_url(id), timeout=5).content))
        assert [page[28 : 28 + 8] for page in pages[:2]] == [b"OpusHead", b"OpusTags"]
        assert [page[5] for page in pages] == [2, *[0] * (len(pages) - 2), 4]
        assert [int.from_bytes(page[18:22], "little") for page in pages] == [*range(len(pages))]
        assert int.from_bytes(pages[-1][6:14], "little") == 48000 * seconds
        for page in pages:
            without = page[:22] + bytes(4) + page[26:]
            assert int.from_bytes(page[22:26], "little") == compute_ogg_crc(without)

    def test_a_range_can_be_requested_and_the_etag_is_strong(self, api: Api) -> None:
        [id] = api.add_recordings(DAY)
        whole = requests.get(api.read_temporary_url(id), timeout=5)
        etag = whole.headers["ETag"]
        assert re.fullmatch(r'"[^"]+"', etag)
        headers = {"Range": "bytes=5-", "If-Range": etag}
        part = requests.get(api.read_temporary_url(id), headers=headers, timeout=5)
        assert (part.status_code, part.content) == (206, whole.content[5:])


def split_ogg_pages(content: bytes) -> Iterator[bytes]:
    while content:
        assert content[:4] == b"OggS"
        lacing = content[27 : 27 + content[26]]
        end = 27 + len(lacing) + sum(lacing)
        yield content[:end]
        content = content[end:]


def compute_ogg_crc(page: bytes) -> int:
    register = 0
    for byte in page:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register >> 31 else 0)
            register &= 0xFFFFFFFF
    return register


# -- past recordings ------------------------------------------------------------------------------


class TestPastRecordings:
    def test_45_recordings_are_spread_over_thirty_days(self, past: Api) -> None:
        pages = [past.list_ids(limit=20, offset=offset) for offset in (0, 20, 40)]
        ids = [id for page in pages for id in page]
        assert len(set(ids)) == len(ids) == 45
        assert set(ids) == set(past.emulator.list_ids())
        rows = [past.read_row(id) for id in ids]
        created = [row["created_at"] for row in rows]
        assert created == sorted(created, reverse=True)
        assert created[-1] < past.format_time(28 * DAY)
        assert {row["file_format"] for row in rows} == {"mp3", "wav", "opus"}
        assert [row["status"] for row in rows].count("failed") == 1
        seconds = [row["duration"] for row in rows]
        assert min(seconds) == 0
        assert 600 < max(seconds) < 1200

    def test_each_file_has_the_size_of_its_row(self, past: Api) -> None:
        for id in past.emulator.list_ids():
            row = past.read_row(id)
            if row["status"] == "completed":
                response = requests.get(past.read_temporary_url(id), timeout=5)
                assert len(response.content) == row["file_size"]

    def test_the_live_conference_has_two_recordings_that_no_other_list_has(self, past: Api) -> None:
        response = past.read_json("GET", f"{past.conference}/recordings")
        ids = [row["id"] for row in response["recordings"]]
        assert len(ids) == 2
        assert past.emulator.conference_recordings == {past.emulator.sessions[1].id: ids}
        assert not set(ids) & set(past.emulator.list_ids())

    def test_without_past_recordings_every_list_is_empty(self, api: Api) -> None:
        assert api.emulator.list_ids() == []
        assert api.emulator.conference_recordings == {}

    def test_one_session_of_each_kind_is_live(self, api: Api) -> None:
        assert [target.kind for target in api.emulator.sessions] == [CALL, CONFERENCE]
        call, conference = api.emulator.sessions
        assert (call.id[:5], conference.id[:5]) == ("call_", "conf_")
        started = api.emulator.begin(CALL)
        assert api.read_status("POST", f"calls/{started.id}/record/start") == 200

    def test_the_same_seed_creates_the_same_recordings(self) -> None:
        def past(seed: int) -> list[Any]:
            with AudianEmulator(recordings=9, seed=seed) as emulator:
                return [emulator.list_ids(), emulator.credentials, emulator.sessions]

        assert past(1) == past(1)
        assert past(1) != past(2)
