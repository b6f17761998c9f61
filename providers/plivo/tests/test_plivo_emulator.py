"""Does the emulator behave as Plivo's pages say? Asked over raw HTTP, without Plivo's client.

https://www.plivo.com/docs/voice/api/recordings, .../conferences, .../multiparty-calls, .../overview
"""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote

import pytest
import requests
from attrs import define

from recording_core import SessionKind
from recording_core.testing.manual_clock import ManualClock
from recording_plivo.emulated_listing import Paging
from recording_plivo.emulator import PlivoEmulator

DAY = timedelta(days=1)
#: what a recording needs, after its end, before Plivo knows it
UNTIL_LISTED = timedelta(seconds=8)


@define
class Api:
    """An HTTP client with the account's credentials, and the emulator that it talks to."""

    emulator: PlivoEmulator
    http: requests.Session
    clock: ManualClock

    def __call__(self, method: str, path: str, **args: Any) -> requests.Response:
        """One request below the account: its arguments in the query, a POST's as JSON."""
        url = f"{self.emulator.base_url}/Account/{self.emulator.credentials['auth_id']}/{path}"
        if method == "POST":
            return self.http.request(method, url, json=args)
        return self.http.request(method, url, params=args)

    def listed(self, **args: Any) -> list[str]:
        """The ids on the first page."""
        reply = self("GET", "Recording/", **args)
        assert reply.status_code == 200, reply.text
        return [row["recording_id"] for row in reply.json()["objects"]]

    def pages(self, limit: int, **args: Any) -> list[list[str]]:
        """The ids on each page, as `meta.next` leads on; twenty pages at most."""
        pages: list[list[str]] = []
        reply = self("GET", "Recording/", limit=limit, **args).json()
        while len(pages) < 20:
            pages.append([row["recording_id"] for row in reply["objects"]])
            if reply["meta"]["next"] is None:
                break
            reply = self.http.get(self.emulator.origin + reply["meta"]["next"]).json()
        return pages

    def status(self, method: str, path: str, **args: Any) -> int:
        return self(method, path, **args).status_code

    def path(self, kind: SessionKind, rest: str = "Record/") -> str:
        """The path of the live session of that kind, with what follows its id."""
        word = {"call": "Call", "conference": "Conference", "meeting": "MultiPartyCall"}[kind]
        return f"{word}/{quote(self.session_id(kind), safe='')}/{rest}"

    def session_id(self, kind: SessionKind) -> str:
        return next(session.id for session in self.emulator.sessions if session.kind is kind)

    def ago(self, by: timedelta) -> datetime:
        return self.clock.now() - by

    def said(self, by: timedelta) -> str:
        """That moment as the filters take it: UTC, without saying so."""
        return f"{self.ago(by):%Y-%m-%d %H:%M:%S.%f}"

    def planted(self, *ages: timedelta, **more: Any) -> list[str]:
        """Recordings with an `add_time` of exactly these ages."""
        return [
            self.emulator.add(ended=self.ago(age), added_after=timedelta(0), **more) for age in ages
        ]

    def recorded(self, kind: SessionKind, **args: Any) -> str:
        """A recording of the live session of that kind, started, ended after 5 s, and listed."""
        id: str = self("POST", self.path(kind), **args).json()["recording_id"]
        self.clock.advance(timedelta(seconds=5))
        assert self.status("DELETE", self.path(kind)) == 204
        self.clock.advance(UNTIL_LISTED)
        return id


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[PlivoEmulator]:
    with PlivoEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def api(emulator: PlivoEmulator, clock: ManualClock) -> Iterator[Api]:
    with requests.Session() as http:
        credentials = emulator.credentials
        http.auth = (credentials["auth_id"], credentials["auth_token"])
        yield Api(emulator, http, clock)


PAGINGS = pytest.mark.parametrize("paging", get_args(Paging))
KINDS = pytest.mark.parametrize("kind", list(SessionKind))


class TestRequests:
    def test_without_credentials_it_is_401_and_no_json(self, api: Api) -> None:
        api.http.auth = None
        reply = api("GET", "Recording/")
        assert (reply.status_code, reply.headers["Content-Type"]) == (401, "text/plain")

    def test_with_a_wrong_token_it_is_401(self, api: Api) -> None:
        api.http.auth = (api.emulator.credentials["auth_id"], "x" * 40)
        assert api.status("GET", "Recording/") == 401

    def test_the_path_must_name_the_account_of_the_credentials(self, api: Api) -> None:
        url = f"{api.emulator.base_url}/Account/MA{'0' * 18}/Recording/"
        assert api.http.get(url).status_code == 401

    @pytest.mark.parametrize("path", ["Recording", "Recordings/", "Call/x/", "Conference/a/b/c/"])
    def test_other_paths_and_a_missing_slash_are_404(self, api: Api, path: str) -> None:
        reply = api("GET", path)
        assert reply.status_code == 404
        assert reply.json()["error"] == "not found"

    @pytest.mark.parametrize("path", ["Recording/", "Recording/x/", "Conference/"])
    def test_a_method_that_a_path_does_not_know_is_405(self, api: Api, path: str) -> None:
        assert api.status("POST", path) == 405

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    @pytest.mark.parametrize("path", ["Recording/nothing/", "Transcription/nothing/"])
    def test_an_unknown_recording_is_404(self, api: Api, method: str, path: str) -> None:
        assert api.status(method, path) == 404

    @KINDS
    def test_an_unknown_session_is_404(self, api: Api, kind: SessionKind) -> None:
        path = api.path(kind).replace(quote(api.session_id(kind), safe=""), "nobody")
        assert api.status("POST", path) == 404

    def test_only_json_objects_are_accepted(self, api: Api) -> None:
        url = f"{api.emulator.base_url}/Account/{api.emulator.credentials['auth_id']}/"
        url += api.path(SessionKind.CALL)
        json = {"Content-Type": "application/json"}
        assert api.http.post(url, data={"file_format": "wav"}).status_code == 400
        assert api.http.post(url, data="{", headers=json).status_code == 400
        assert api.http.post(url, data="[1]", headers=json).status_code == 400

    def test_a_delete_may_have_a_body_and_a_post_unknown_keys(self, api: Api) -> None:
        [id] = api.planted(DAY)
        url = f"{api.emulator.base_url}/Account/{api.emulator.credentials['auth_id']}"
        reply = api.http.delete(f"{url}/Recording/{id}/", json={"recording_id": id})
        assert (reply.status_code, reply.content) == (204, b"")
        assert api.status("POST", api.path(SessionKind.CONFERENCE), conference_name="x") == 202

    def test_callback_url_turns_a_get_asynchronous(self, api: Api) -> None:
        [id] = api.planted(DAY)
        for path in ("Recording/", f"Recording/{id}/", "Recording/nothing/"):
            reply = api("GET", path, callback_url="https://example.com/hook")
            assert reply.json().pop("api_id")
            assert reply.json()["message"] == "async api spawned"
            assert "objects" not in reply.json()

    def test_callback_url_at_a_start_does_not(self, api: Api) -> None:
        reply = api("POST", api.path(SessionKind.CALL), callback_url="https://example.com/hook")
        assert reply.json()["recording_id"]

    def test_but_at_a_multiparty_call_it_does_and_the_recording_runs(self, api: Api) -> None:
        reply = api("POST", api.path(SessionKind.MEETING), callback_url="https://example.com/hook")
        assert "recording_id" not in reply.json()
        assert api("GET", api.path(SessionKind.MEETING, "")).json()["recording"] == "recording"


class TestStarting:
    @pytest.mark.parametrize(
        ("kind", "url", "message"),
        [
            (SessionKind.CALL, "url", "call recording started"),
            (SessionKind.CONFERENCE, "url", "conference recording started"),
            (SessionKind.MEETING, "recording_url", "MPC: Weekly Review record started"),
        ],
    )
    def test_the_answer_names_the_recording_and_its_future_url(
        self, api: Api, kind: SessionKind, url: str, message: str
    ) -> None:
        reply = api("POST", api.path(kind), file_format="wav")
        assert reply.status_code == 202
        answer = reply.json()
        assert set(answer) == {"api_id", "message", "recording_id", url}
        assert answer["message"] == message
        assert answer[url] == (
            f"{api.emulator.media_origin}/v1/Account/{api.emulator.credentials['auth_id']}"
            f"/Recording/{answer['recording_id']}.wav"
        )

    @pytest.mark.parametrize(
        "args",
        [
            {"file_format": "ogg"},
            {"time_limit": 0},
            {"time_limit": -5},
            {"time_limit": "soon"},
            {"time_limit": True},
            {"transcription_type": "hybrid"},
            {"callback_method": "PUT"},
            {"record_channel_type": "quad"},
        ],
    )
    def test_a_bad_parameter_is_400(self, api: Api, args: dict[str, Any]) -> None:
        reply = api("POST", api.path(SessionKind.CALL), **args)
        assert reply.status_code == 400
        assert isinstance(reply.json()["error"], str)

    def test_a_call_is_cut_off_after_60_seconds_unless_one_says_otherwise(self, api: Api) -> None:
        started = [
            api("POST", api.path(SessionKind.CALL), **args).json()["recording_id"]
            for args in ({}, {"time_limit": 3600})
        ]
        api.clock.advance(timedelta(hours=2))
        rows = [api("GET", f"Recording/{id}/").json() for id in started]
        lengths = [row["recording_duration_ms"] for row in rows]
        assert lengths == ["60000.00000", "3600000.00000"]

    def test_a_conference_is_not_cut_off_and_ignores_a_time_limit(self, api: Api) -> None:
        started = api("POST", api.path(SessionKind.CONFERENCE), time_limit=10).json()
        api.clock.advance(timedelta(hours=2))
        assert api.status("GET", f"Recording/{started['recording_id']}/") == 404
        assert api.status("DELETE", api.path(SessionKind.CONFERENCE)) == 204

    @KINDS
    def test_plivo_knows_a_recording_only_seconds_after_its_end(
        self, api: Api, kind: SessionKind
    ) -> None:
        started = api("POST", api.path(kind)).json()
        id, url = started["recording_id"], started.get("url") or started["recording_url"]
        steps = [timedelta(seconds=20), timedelta(seconds=1), timedelta(seconds=5)]
        for step in steps:
            api.clock.advance(step)
            assert api.status("GET", f"Recording/{id}/") == 404
            assert api.status("DELETE", f"Recording/{id}/") == 404
            assert requests.get(url).status_code == 404
            assert api.listed() == []
            if step is steps[0]:
                assert api.status("DELETE", api.path(kind)) == 204
        api.clock.advance(UNTIL_LISTED)
        assert api.status("GET", f"Recording/{id}/") == 200
        assert requests.get(url).status_code == 200
        assert api.listed() == api.emulator.listed() == [id]

    @KINDS
    def test_hanging_up_ends_the_recording_and_the_session(
        self, api: Api, kind: SessionKind
    ) -> None:
        id = api("POST", api.path(kind)).json()["recording_id"]
        api.clock.advance(timedelta(seconds=7))
        session = next(each for each in api.emulator.sessions if each.kind is kind)
        api.emulator.hang_up(session)
        assert api.status("POST", api.path(kind)) == api.status("DELETE", api.path(kind)) == 404
        api.clock.advance(UNTIL_LISTED)
        assert api("GET", f"Recording/{id}/").json()["recording_duration_ms"] == "7000.00000"


class TestStopping:
    @KINDS
    def test_all_recordings_of_the_session_stop(self, api: Api, kind: SessionKind) -> None:
        both = {api("POST", api.path(kind)).json()["recording_id"] for _ in range(2)}
        reply = api("DELETE", api.path(kind))
        assert (reply.status_code, reply.content) == (204, b"")
        api.clock.advance(UNTIL_LISTED)
        assert set(api.listed()) == both

    def test_with_a_url_only_that_one_of_a_calls_recordings_stops(self, api: Api) -> None:
        one, _ = (api("POST", api.path(SessionKind.CALL)).json() for _ in range(2))
        assert api.status("DELETE", api.path(SessionKind.CALL), URL=one["url"]) == 204
        assert api.status("DELETE", api.path(SessionKind.CALL), URL="https://else.where/") == 404
        api.clock.advance(UNTIL_LISTED)
        assert api.listed() == [one["recording_id"]]

    @KINDS
    def test_stopping_what_is_not_recorded_is_404(self, api: Api, kind: SessionKind) -> None:
        assert api.status("DELETE", api.path(kind)) == 404


class TestMultiPartyCalls:
    def test_the_friendly_name_and_the_uuid_address_the_same_one(self, api: Api) -> None:
        by_name = api("GET", api.path(SessionKind.MEETING, "")).json()
        by_uuid = api("GET", f"MultiPartyCall/uuid_{by_name['mpc_uuid']}/").json()
        assert by_name["friendly_name"] == by_uuid["friendly_name"] == "Weekly Review"
        assert api.status("POST", f"MultiPartyCall/uuid_{by_name['mpc_uuid']}/Record/") == 202
        assert api.status("DELETE", api.path(SessionKind.MEETING)) == 204

    def test_it_says_whether_it_is_recorded(self, api: Api) -> None:
        path = api.path(SessionKind.MEETING, "")
        said = [api("GET", path).json()["recording"]]
        for method in ("POST", "DELETE"):
            api(method, api.path(SessionKind.MEETING))
            said.append(api("GET", path).json()["recording"])
        assert said == ["not-recording", "recording", "not-recording"]

    def test_a_pause_does_not_count_and_repeating_it_changes_nothing(self, api: Api) -> None:
        id = api("POST", api.path(SessionKind.MEETING)).json()["recording_id"]
        for verb in ("Pause", "Pause", "Resume", "Resume"):
            api.clock.advance(timedelta(seconds=10))
            assert api.status("POST", api.path(SessionKind.MEETING, f"Record/{verb}/")) == 204
        api.clock.advance(timedelta(seconds=10))
        api("DELETE", api.path(SessionKind.MEETING))
        api.clock.advance(UNTIL_LISTED)
        row = api("GET", f"Recording/{id}/").json()
        assert row["recording_duration_ms"] == "30000.00000"
        assert float(row["recording_end_ms"]) - float(row["recording_start_ms"]) == 50_000

    def test_a_pause_may_last_to_the_end(self, api: Api) -> None:
        id = api("POST", api.path(SessionKind.MEETING)).json()["recording_id"]
        api.clock.advance(timedelta(seconds=10))
        api("POST", api.path(SessionKind.MEETING, "Record/Pause/"))
        api.clock.advance(timedelta(seconds=10))
        api("DELETE", api.path(SessionKind.MEETING))
        api.clock.advance(UNTIL_LISTED)
        row = api("GET", f"Recording/{id}/").json()
        assert row["recording_duration_ms"] == "10000.00000"

    @pytest.mark.parametrize("verb", ["Pause", "Resume"])
    def test_pausing_what_is_not_recorded_is_404(self, api: Api, verb: str) -> None:
        assert api.status("POST", api.path(SessionKind.MEETING, f"Record/{verb}/")) == 404

    @pytest.mark.parametrize("kind", [SessionKind.CALL, SessionKind.CONFERENCE])
    def test_nothing_else_can_be_paused(self, api: Api, kind: SessionKind) -> None:
        api("POST", api.path(kind))
        assert api.status("POST", api.path(kind, "Record/Pause/")) == 404

    def test_a_participant_is_recorded_alone(self, api: Api) -> None:
        member, other = api.emulator.members(api.emulator.sessions[2])
        record = api.path(SessionKind.MEETING, f"Participant/{member}/Record/")
        started = api("POST", record, record_track_type="participant").json()
        assert started["message"] == f"MPC: Weekly Review participant {member} record started"
        assert api.status("POST", record + "Pause/") == 204
        assert api.status("POST", record + "Resume/") == 204
        assert api.status("DELETE", record.replace(member, other)) == 404
        assert api.status("DELETE", api.path(SessionKind.MEETING)) == 404
        assert api.status("DELETE", record) == 204
        api.clock.advance(UNTIL_LISTED)
        assert api.listed() == [started["recording_id"]]

    def test_a_participant_who_is_not_there_is_404(self, api: Api) -> None:
        path = api.path(SessionKind.MEETING, "Participant/1/Record/")
        assert api.status("POST", path) == 404


class TestConferences:
    def test_live_ones_are_listed_by_name(self, api: Api) -> None:
        assert api("GET", "Conference/").json()["conferences"] == ["Daily Standup #1"]
        api.emulator.hang_up(api.emulator.sessions[1])
        assert api("GET", "Conference/").json()["conferences"] == []
        assert api.status("GET", api.path(SessionKind.CONFERENCE, "")) == 404

    def test_one_says_its_run_time_and_members_as_text(self, api: Api) -> None:
        api.clock.advance(timedelta(seconds=590))
        answer = api("GET", api.path(SessionKind.CONFERENCE, "")).json()
        assert answer["conference_name"] == "Daily Standup #1"
        assert answer["conference_run_time"] == "590"
        assert answer["conference_member_count"] == "2"
        assert len(answer["members"]) == 2

    def test_a_name_may_hold_whatever_a_path_can_quote(self, api: Api) -> None:
        name = "a/b?c=d&e#50% ü"
        api.emulator.begin(SessionKind.CONFERENCE, name)
        assert api.status("POST", f"Conference/{quote(name, safe='')}/Record/") == 202


class TestRows:
    def test_a_call_is_told_in_the_wire_types_of_the_official_fixtures(self, api: Api) -> None:
        id = api.recorded(SessionKind.CALL)
        row = api("GET", f"Recording/{id}/").json()
        auth_id = api.emulator.credentials["auth_id"]
        assert row.pop("api_id")
        assert row.pop("from_number").startswith("+1202555")
        assert row.pop("to_number")
        assert row == {
            "add_time": "2026-06-01 17:30:07.104729+05:30",
            "call_uuid": api.session_id(SessionKind.CALL),
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

    def test_a_conference_names_itself_and_a_multiparty_call_does_not(self, api: Api) -> None:
        for kind, name, word in (
            (SessionKind.CONFERENCE, "Daily Standup #1", "conference"),
            (SessionKind.MEETING, "", "mpc"),
        ):
            row = api("GET", f"Recording/{api.recorded(kind)}/").json()
            assert (row["conference_name"], row["recording_type"]) == (name, word)
            assert row["call_uuid"]

    def test_the_bill_counts_whole_minutes_and_the_duration_does_not(self, api: Api) -> None:
        for seconds, billed in ((0, 60), (7.56, 60), (60, 60), (60.001, 120), (345.1, 360)):
            [id] = api.planted(DAY, duration=timedelta(seconds=seconds))
            row = api("GET", f"Recording/{id}/").json()
            assert row["rounded_recording_duration"] == billed
            assert row["recording_duration_ms"] == f"{round(seconds * 1000)}.00000"

    def test_the_page_shows_numbers_in_quotes_and_no_parties(self, api: Api) -> None:
        [id] = api.planted(DAY, shape="page")
        row = api("GET", f"Recording/{id}/").json()
        assert row["rounded_recording_duration"] == "60"
        assert row["recording_storage_rate"] == "0.0004"
        assert row["recording_type"] == "normal"
        assert row["conference_name"] is None
        assert "from_number" not in row

    def test_the_first_years_had_less_and_a_naive_add_time(self, api: Api) -> None:
        [id] = api.planted(DAY, shape="2013")
        row = api("GET", f"Recording/{id}/").json()
        assert row["add_time"] == "2026-05-31T12:00:00.000000"
        assert "recording_start_ms" not in row
        assert row["recording_url"] == f"{api.emulator.media_origin}/recordings_2013/{id}.mp3"
        assert requests.get(row["recording_url"]).status_code == 200

    def test_deleted_is_404_for_the_row_and_its_media(self, api: Api) -> None:
        [id] = api.planted(DAY)
        url = api("GET", f"Recording/{id}/").json()["recording_url"]
        assert api.status("DELETE", f"Recording/{id}/") == 204
        assert api.status("GET", f"Recording/{id}/") == 404
        assert api.status("DELETE", f"Recording/{id}/") == 404
        assert requests.get(url).status_code == 404
        assert api.listed() == api.emulator.listed() == []


class TestWindow:
    def test_without_a_time_filter_it_is_the_last_seven_days(self, api: Api) -> None:
        recent, edge, _, _ = api.planted(DAY, 7 * DAY, 7.01 * DAY, 40 * DAY)
        assert api.listed() == [recent, edge]

    def test_a_filter_by_call_widens_nothing(self, api: Api) -> None:
        [old] = api.planted(8 * DAY)
        call = api("GET", f"Recording/{old}/").json()["call_uuid"]
        assert api.listed(call_uuid=call) == []
        assert api.listed(call_uuid=call, add_time__gte=api.said(9 * DAY)) == [old]

    def test_older_ones_are_reached_by_windows_of_thirty_days(self, api: Api) -> None:
        old = api.planted(60 * DAY, 89 * DAY)
        bounds = {"add_time__gte": api.said(90 * DAY), "add_time__lt": api.said(60 * DAY)}
        assert api.listed(**bounds) == [old[1]]

    def test_a_longer_range_is_400(self, api: Api) -> None:
        bounds = {"add_time__gte": api.said(60 * DAY), "add_time__lt": api.said(29 * DAY)}
        reply = api("GET", "Recording/", **bounds)
        assert reply.status_code == 400
        assert "30 days" in reply.json()["error"]

    def test_one_bound_alone_gives_the_thirty_days_next_to_it(self, api: Api) -> None:
        near, _middle, far = api.planted(5 * DAY, 45 * DAY, 80 * DAY)
        assert api.listed(add_time__gte=api.said(85 * DAY)) == [far]
        assert api.listed(add_time__lt=api.said(DAY)) == [near]

    def test_gt_and_lt_exclude_their_bound_and_gte_and_lte_include_it(self, api: Api) -> None:
        [id] = api.planted(3 * DAY)
        at, before, after = api.said(3 * DAY), api.said(4 * DAY), api.said(2 * DAY)
        assert api.listed(add_time__gt=at, add_time__lt=after) == []
        assert api.listed(add_time__gte=at, add_time__lt=after) == [id]
        assert api.listed(add_time__gt=before, add_time__lt=at) == []
        assert api.listed(add_time__gt=before, add_time__lte=at) == [id]
        assert api.listed(add_time=at) == [id]

    @pytest.mark.parametrize(
        "time", ["2026-05-31 00:00", "2026-05-31 00:00:00", "2026-05-31 00:00:00.5"]
    )
    def test_seconds_and_their_fraction_may_be_left_out(self, api: Api, time: str) -> None:
        [id] = api.planted(timedelta(hours=6))
        assert api.listed(add_time__gt=time) == [id]

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
    def test_any_other_form_of_time_is_400(self, api: Api, time: str) -> None:
        assert api.status("GET", "Recording/", add_time__gt=time) == 400

    def test_days_in_storage_stand_in_place_of_add_time_and_never_beside_it(self, api: Api) -> None:
        _, old = api.planted(2 * DAY, 50 * DAY)
        assert api.listed(recording_storage_duration__gte=50) == [old]
        both = {"recording_storage_duration": 1, "add_time__gt": api.said(DAY)}
        assert api.status("GET", "Recording/", **both) == 400


class TestFilters:
    @pytest.mark.parametrize(
        ("kind", "by_name", "by_uuid"),
        [
            (SessionKind.CONFERENCE, "conference_name", "conference_uuid"),
            (SessionKind.MEETING, "mpc_name", "mpc_uuid"),
        ],
    )
    def test_a_name_comes_again_and_a_uuid_does_not(
        self, api: Api, kind: SessionKind, by_name: str, by_uuid: str
    ) -> None:
        session = next(each for each in api.emulator.sessions if each.kind is kind)
        name = session.id.removeprefix("name_")
        api.planted(DAY, kind=kind, name="another")
        [yesterday] = api.planted(DAY, kind=kind, name=name)
        today = api.recorded(kind)
        assert api.listed(**{by_name: name}) == [today, yesterday]
        assert api.listed(**{by_uuid: api.emulator.uuid(session)}) == [today]

    @pytest.mark.parametrize("plus", ["", "+"])
    def test_numbers_match_with_and_without_their_plus(self, api: Api, plus: str) -> None:
        for id in api.planted(*[DAY] * 20):
            number = api("GET", f"Recording/{id}/").json()["from_number"]
            assert id in api.listed(from_number=plus + number.removeprefix("+"))
        assert api.listed(to_number="+12025559999") == []

    def test_a_subaccounts_recordings_are_found_by_it(self, api: Api) -> None:
        [own] = api.planted(DAY)
        auth_id = api.emulator.subaccount["auth_id"]
        [its] = api.planted(2 * DAY, subaccount=auth_id)
        assert api.listed() == [own, its]
        assert api.listed(subaccount=auth_id) == [its]

    def test_what_no_page_names_is_ignored(self, api: Api) -> None:
        ids = api.planted(DAY)
        assert api.listed(status="completed") == ids


class TestPaging:
    @pytest.mark.parametrize("args", [{"limit": 21}, {"limit": 0}, {"limit": "x"}, {"offset": -1}])
    def test_a_page_out_of_range_is_400(self, api: Api, args: dict[str, Any]) -> None:
        assert api.status("GET", "Recording/", **args) == 400

    @PAGINGS
    def test_following_meta_next_gives_each_once_and_newest_first(
        self, api: Api, paging: Paging
    ) -> None:
        api.emulator.paging = paging
        ids = api.planted(*[timedelta(hours=hour) for hour in range(1, 26)])
        assert api.pages(10) == [ids[:10], ids[10:20], ids[20:]]

    @PAGINGS
    def test_meta_next_keeps_the_filters(self, api: Api, paging: Paging) -> None:
        api.emulator.paging = paging
        ids = api.planted(*[hours * timedelta(hours=1) for hours in range(24 * 20, 24 * 20 + 5)])
        bounds = {"add_time__gte": api.said(25 * DAY), "add_time__lt": api.said(15 * DAY)}
        assert api.pages(2, **bounds) == [ids[:2], ids[2:4], ids[4:]]

    @PAGINGS
    def test_a_full_page_may_be_the_last(self, api: Api, paging: Paging) -> None:
        api.emulator.paging = paging
        api.planted(*[DAY] * 4)
        assert [len(page) for page in api.pages(2)] == [2, 2]

    def test_meta_counts_and_leads_to_the_neighbours(self, api: Api) -> None:
        api.planted(*[DAY] * 5)
        meta = api("GET", "Recording/", limit=2, offset=2).json()["meta"]
        path = f"/v1/Account/{api.emulator.credentials['auth_id']}/Recording/"
        assert meta == {
            "limit": 2,
            "offset": 2,
            "total_count": 5,
            "next": f"{path}?limit=2&offset=4",
            "previous": f"{path}?limit=2&offset=0",
        }

    def test_offsets_shift_when_a_row_vanishes_and_cursors_do_not(self, api: Api) -> None:
        ids = api.planted(*[timedelta(hours=hour) for hour in range(1, 7)])
        followed: dict[str, list[str]] = {}
        steps: tuple[tuple[Paging, str], ...] = (("offset", ids[0]), ("cursor", ids[1]))
        for paging, gone in steps:
            api.emulator.paging = paging
            first = api("GET", "Recording/", limit=2).json()
            api.emulator.remove(gone)
            second = api.http.get(api.emulator.origin + first["meta"]["next"]).json()
            followed[paging] = [row["recording_id"] for row in second["objects"]]
        assert followed == {"offset": ids[3:5], "cursor": ids[3:5]}

    def test_in_the_hybrid_mode_an_offset_beside_the_cursor_loops(self, api: Api) -> None:
        ids = api.planted(*[timedelta(hours=hour) for hour in range(1, 7)])
        api.emulator.paging = "hybrid"
        next_ = api("GET", "Recording/", limit=2, offset=0).json()["meta"]["next"]
        assert "cursor=" in next_
        assert "offset=" not in next_
        url = api.emulator.origin + next_
        looped, led_on = api.http.get(url + "&offset=0").json(), api.http.get(url).json()
        assert [row["recording_id"] for row in looped["objects"]] == ids[:2]
        assert [row["recording_id"] for row in led_on["objects"]] == ids[2:4]

    @pytest.mark.parametrize("cursor", ["x", "bm90IGpzb24", "MQ", "WzEsMl0", "ü"])
    def test_a_cursor_of_ones_own_making_is_400(self, api: Api, cursor: str) -> None:
        api.emulator.paging = "cursor"
        assert api.status("GET", "Recording/", cursor=cursor) == 400


class TestMedia:
    def url(self, api: Api, **more: Any) -> str:
        [id] = api.planted(DAY, **more)
        url: str = api("GET", f"Recording/{id}/").json()["recording_url"]
        return url

    @pytest.mark.parametrize(("format", "type"), [("mp3", "audio/mpeg"), ("wav", "audio/wav")])
    def test_it_is_public_on_a_host_of_its_own(self, api: Api, format: str, type: str) -> None:
        url = self.url(api, format=format)
        assert not url.startswith(api.emulator.origin)
        reply = requests.get(url)
        assert (reply.status_code, reply.headers["Content-Type"]) == (200, type)

    def test_a_wav_lasts_as_long_as_its_row_says(self, api: Api) -> None:
        url = self.url(api, format="wav", duration=timedelta(seconds=7.5))
        with wave.open(io.BytesIO(requests.get(url).content)) as file:
            assert file.getnframes() / file.getframerate() == 7.5

    def test_the_switch_in_the_console_makes_it_ask_for_credentials(self, api: Api) -> None:
        url = self.url(api)
        api.emulator.media_auth = True
        reply = requests.get(url)
        assert reply.status_code == 401
        assert reply.headers["WWW-Authenticate"].startswith("Basic")
        assert api.http.get(url).status_code == 200

    def test_then_a_subaccounts_media_wants_the_subaccounts_credentials(self, api: Api) -> None:
        its = api.emulator.subaccount
        url = self.url(api, subaccount=its["auth_id"])
        api.emulator.media_auth = True
        assert api.http.get(url).status_code == 401
        assert requests.get(url, auth=(its["auth_id"], its["auth_token"])).status_code == 200

    def test_and_the_host_of_the_first_years_stays_public(self, api: Api) -> None:
        url = self.url(api, shape="2013")
        api.emulator.media_auth = True
        assert requests.get(url).status_code == 200

    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-9", 0, 10),
            ("bytes=5-", 5, None),
            ("bytes=-7", -7, None),
            ("bytes=9-99999", 9, None),
        ],
    )
    def test_a_part_can_be_asked_for(
        self, api: Api, asked: str, start: int, end: int | None
    ) -> None:
        url = self.url(api, duration=timedelta(seconds=3))
        whole = requests.get(url)
        part = requests.get(url, headers={"Range": asked})
        assert part.status_code == 206
        assert part.content == whole.content[start:end]
        assert part.headers["Content-Range"].endswith(f"/{len(whole.content)}")
        assert part.headers["ETag"] == whole.headers["ETag"]

    def test_a_part_of_another_file_is_refused_with_the_whole_of_this_one(self, api: Api) -> None:
        url = self.url(api)
        etag = requests.head(url).headers["ETag"]
        asked = {"Range": "bytes=5-", "If-Range": etag}
        assert requests.get(url, headers=asked).status_code == 206
        assert requests.get(url, headers={**asked, "If-Range": '"old"'}).status_code == 200

    @pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=0-1,3-4", "bytes=-", "seconds=0-1"])
    def test_what_is_no_single_range_gets_the_whole(self, api: Api, asked: str) -> None:
        assert requests.get(self.url(api), headers={"Range": asked}).status_code == 200

    def test_a_part_behind_the_end_is_416(self, api: Api) -> None:
        reply = requests.get(self.url(api), headers={"Range": "bytes=99999999-"})
        assert reply.status_code == 416
        assert reply.headers["Content-Range"].startswith("bytes */")

    def test_it_can_only_be_read(self, api: Api) -> None:
        assert requests.delete(self.url(api)).status_code == 405


class TestTranscriptions:
    def test_one_is_made_read_and_removed(self, api: Api) -> None:
        [id] = api.planted(DAY)
        path = f"Transcription/{id}/"
        assert api.status("GET", path) == 404
        assert api("POST", path).json()["message"] == "transcription in progress"
        answer = api("GET", path, type="diarized").json()
        assert answer["status"] == "success"
        assert answer["recording_duration_ms"] == 60_000
        assert api.status("GET", path, type="song") == 400
        assert api("DELETE", path).json()["message"] == "request accepted"
        assert api.status("GET", path) == 404


class TestPastRecordings:
    def test_there_are_as_many_as_asked_for_all_over_ninety_days(self, clock: ManualClock) -> None:
        with PlivoEmulator(recordings=45, clock=clock) as emulator, requests.Session() as http:
            http.auth = (emulator.credentials["auth_id"], emulator.credentials["auth_token"])
            api = Api(emulator, http, clock)
            rows = [api("GET", f"Recording/{id}/").json() for id in emulator.listed()]
            found: list[str] = []
            for days in (30, 60, 90):
                window = {
                    "add_time__gte": api.said(days * DAY),
                    "add_time__lt": api.said((days - 30) * DAY),
                }
                found += [id for page in api.pages(20, **window) for id in page]
        assert len(found) == 45
        assert set(found) == set(emulator.listed())
        assert {row["recording_type"] for row in rows} >= {"call", "conference", "mpc", "normal"}
        assert {row["recording_format"] for row in rows} == {"mp3", "wav"}
        milliseconds = [float(row["recording_duration_ms"]) for row in rows]
        assert min(milliseconds) == 0
        assert max(milliseconds) < 20 * 60 * 1000

    def test_the_same_seed_makes_the_same_ones(self, clock: ManualClock) -> None:
        def rows(seed: int) -> list[str]:
            with PlivoEmulator(recordings=9, clock=clock, seed=seed) as emulator:
                return [*emulator.listed(), *emulator.credentials.values()]

        assert rows(1) == rows(1)
        assert rows(1) != rows(2)

    def test_a_planted_one_waits_for_its_row_as_any_other(self, api: Api) -> None:
        id = api.emulator.add(ended=datetime(2026, 6, 1, 12, 0, tzinfo=UTC))
        assert api.listed() == api.emulator.listed() == []
        api.clock.advance(timedelta(seconds=12))
        assert api.listed() == [id]
