"""Emulator: the quirks of Twilio that its pages and clients show, over plain HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from recording_core import SessionKind, WebhookRejected, conference, receiver
from recording_core.testing import ManualClock
from recording_twilio.emulator import TwilioEmulator

pytestmark = pytest.mark.emulator("twilio")

HOUR = timedelta(hours=1)
Send = Callable[..., requests.Response]


@pytest.fixture
def send(emulator: TwilioEmulator) -> Send:
    """`send(method, path, **form)`, below the account, with its credentials."""
    pair = (emulator.credentials["account_sid"], emulator.credentials["auth_token"])

    def request(method: str, path: str, **fields: Any) -> requests.Response:
        options: dict[str, Any] = {"params" if method in ("GET", "DELETE") else "data": fields}
        options |= fields.pop("options", {})
        url = f"{emulator.base_url}/Accounts/{pair[0]}/{path}"
        return requests.request(method, url, **{"auth": pair, "timeout": 5, **options})

    return request


def read_error(response: requests.Response) -> tuple[int, int | None]:
    body = response.json()
    assert body["status"] == response.status_code
    code = body.get("code")
    url = f"https://www.twilio.com/docs/errors/{code}" if code else None
    assert body.get("more_info") == url
    return response.status_code, code


def assume_numbers(emulator: Any, *numbers: int) -> None:
    emulator.assumes = numbers.__contains__


class TestErrors:
    def test_wrong_credentials_and_another_account_are_401(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        assert read_error(send("GET", "Recordings.json", options={"auth": ("a", "b")}))[0] == 401
        url = f"{emulator.base_url}/Accounts/AC{'0' * 32}/Recordings.json"
        pair = (emulator.credentials["account_sid"], emulator.credentials["auth_token"])
        assert read_error(requests.get(url, auth=pair, timeout=5)) == (401, 20003)

    @pytest.mark.parametrize(
        ("method", "path", "error"),
        [
            ("GET", "Recordings/RE0.json", (404, 20404)),
            ("GET", "Recordings/RE0.mp3", (404, 20404)),
            ("GET", "Nothing.json", (404, 20404)),
            ("GET", "Recordings", (404, 20404)),
            ("GET", "Calls/CA0.json", (404, 20404)),
            ("GET", "Conferences/CF0.json", (404, 20404)),
            ("POST", "Recordings.json", (405, 20004)),
            ("POST", "Recordings/RE0.wav", (405, 20004)),
            ("GET", "Recordings.json?PageSize=1001", (400, None)),
            ("GET", "Recordings.json?PageSize=0", (400, None)),
            ("GET", "Recordings.json?PageToken=zz", (400, None)),
            ("GET", "Recordings.json?DateCreated=zz", (400, None)),
            ("GET", "Recordings.json?DateCreated=2026-13-01", (400, None)),
            ("GET", "Recordings.json?Page=abc", (400, None)),
            ("GET", f"Recordings.json?PageToken=PARE{'0' * 32}{'9' * 12}", (400, None)),
            ("GET", "Recordings.json?Page=-1", (400, None)),
            ("GET", "Calls.json?StartTime=zz", (400, None)),
        ],
    )
    def test_a_wrong_request_has_its_error(
        self, send: Send, method: str, path: str, error: tuple[int, int | None]
    ) -> None:
        assert read_error(send(method, path)) == error

    def test_a_conference_has_no_request_to_start(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        path = f"Conferences/{emulator.sessions[1].id}/Recordings.json"
        assert read_error(send("POST", path))[0] == 405

    @pytest.mark.parametrize(
        "fields",
        [
            {"RecordingChannels": "2"},
            {"RecordingTrack": "left"},
            {"Trim": "yes"},
            {"RecordingStatusCallback": "no url"},
        ],
    )
    def test_a_word_that_does_not_exist_starts_nothing(
        self, emulator: TwilioEmulator, send: Send, fields: dict[str, str]
    ) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings.json"
        assert send("POST", path, **fields).status_code == 400
        assert emulator.list_ids() == []

    def test_a_body_must_be_a_form_and_a_get_has_none(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings.json"
        assert send("POST", path, options={"data": None, "json": {"a": 1}}).status_code == 400
        assert read_error(send("GET", path, options={"data": {"a": 1}})) == (403, 20006)

    def test_a_call_ends_only_by_completed(self, emulator: TwilioEmulator, send: Send) -> None:
        path = f"Calls/{emulator.sessions[0].id}.json"
        assert send("POST", path, Status="canceled").status_code == 400
        assert send("POST", path, Status="completed").json()["status"] == "completed"


class TestUpdates:
    def test_a_start_answers_201_and_a_second_one_200(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings.json"
        first, second = send("POST", path), send("POST", path)
        assert (first.status_code, second.status_code) == (201, 200)
        assert first.json() == second.json()
        assert first.json()["channels"] == 1

    def test_a_single_track_is_mono(self, emulator: TwilioEmulator, send: Send) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings.json"
        row = send("POST", path, RecordingChannels="dual", RecordingTrack="inbound").json()
        assert (row["channels"], row["track"]) == (1, "inbound")

    def test_events_are_one_value_with_spaces_or_a_repeated_name(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        for events in ("in-progress completed", ["in-progress", "completed"]):
            call = emulator.begin(SessionKind.CALL)
            row = send(
                "POST",
                f"Calls/{call.id}/Recordings.json",
                RecordingStatusCallback="https://app.example.com/hook",
                RecordingStatusCallbackEvent=events,
            ).json()
            assert emulator.stored[row["sid"]].events == ("in-progress", "completed")

    @pytest.mark.parametrize("is_assumed", [False, True])
    def test_an_update_after_the_end_is_refused(
        self, emulator: TwilioEmulator, send: Send, is_assumed: bool
    ) -> None:
        if is_assumed:
            assume_numbers(emulator, 1)
        path = f"Calls/{emulator.sessions[0].id}/Recordings"
        sid = send("POST", f"{path}.json").json()["sid"]
        assert send("POST", f"{path}/{sid}.json", Status="stopped").json()["status"] == "stopped"
        expected = (404, 20404) if is_assumed else (400, 21220)
        assert read_error(send("POST", f"{path}/{sid}.json", Status="stopped")) == expected

    def test_an_update_needs_a_status_and_a_recording_of_the_session(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings"
        sid = send("POST", f"{path}.json").json()["sid"]
        assert send("POST", f"{path}/{sid}.json").status_code == 400
        assert send("POST", f"{path}/{sid}.json", Status="deleted").status_code == 400
        other = f"Calls/{emulator.begin(SessionKind.CALL).id}/Recordings/{sid}.json"
        assert send("POST", other, Status="paused").status_code == 404
        assert send("GET", other).status_code == 404

    def test_the_current_recording_is_exactly_one(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings/Twilio.CURRENT.json"
        assert read_error(send("POST", path, Status="paused")) == (400, 16108)

    def test_a_get_shows_the_state_only_under_an_assumption(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        assume_numbers(emulator, 6, 7)
        path = f"Calls/{emulator.sessions[0].id}/Recordings"
        sid = send("POST", f"{path}.json").json()["sid"]
        for word, shown in (("paused", "paused"), ("in-progress", "in-progress")):
            send("POST", f"{path}/{sid}.json", Status=word)
            row = send("GET", f"Recordings/{sid}.json").json()
            assert (row["status"], row["duration"]) == (shown, None)
        send("POST", f"{path}/{sid}.json", Status="stopped")
        assert send("GET", f"Recordings/{sid}.json").json()["status"] == "stopped"


class TestRows:
    def test_the_rows_of_each_path_have_their_own_fields(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        sid = emulator.begin_recording(emulator.sessions[0])
        of_call = send("GET", f"Calls/{emulator.sessions[0].id}/Recordings/{sid}.json").json()
        of_account = send("GET", f"Recordings/{sid}.json").json()
        assert of_call.keys() ^ of_account.keys() == {"track", "media_url", "subresource_uris"}
        assert of_call["uri"].endswith(f"/Calls/{emulator.sessions[0].id}/Recordings/{sid}.json")

    def test_a_conference_is_found_by_a_reused_name(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        target = emulator.sessions[1]
        name = emulator.find_session(target).name
        emulator.hang_up(target)
        assert emulator.sessions[1] != target
        rows = send("GET", "Conferences.json", FriendlyName=name).json()["conferences"]
        assert {row["sid"]: row["status"] for row in rows} == {
            target.id: "completed",
            emulator.sessions[1].id: "in-progress",
        }
        assert send("GET", f"Conferences/{target.id}.json").json()["status"] == "completed"

    def test_an_absent_recording_has_a_code_and_no_media(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        sid = emulator.add(ended=manual_clock.now() - HOUR, error_code=16101)
        row = send("GET", f"Recordings/{sid}.json").json()
        assert (row["status"], row["error_code"], row["duration"]) == ("absent", 16101, "0")
        assert send("GET", f"Recordings/{sid}.wav").status_code == 404

    def test_a_removed_recording_leaves_nothing(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        sid = emulator.add(ended=manual_clock.now() - HOUR)
        emulator.remove(sid)
        assert send("GET", f"Recordings/{sid}.json", IncludeSoftDeleted="true").status_code == 404

    def test_a_deleted_row_is_hidden_and_ends_after_forty_days(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        sid = emulator.add(ended=manual_clock.now() - HOUR)
        assert send("DELETE", f"Recordings/{sid}.json").status_code == 204
        assert send("GET", f"Recordings/{sid}.json").status_code == 404
        shown = send("GET", f"Recordings/{sid}.json", IncludeSoftDeleted="true").json()
        assert shown["status"] == "deleted"
        manual_clock.advance(timedelta(days=41))
        assert send("GET", f"Recordings/{sid}.json", IncludeSoftDeleted="true").status_code == 404


class TestLists:
    def test_a_page_has_exactly_one_array(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        for hour in range(3):
            emulator.add(ended=manual_clock.now() - HOUR * (hour + 1))
        page = send("GET", "Recordings.json", PageSize="2").json()
        assert [name for name, value in page.items() if isinstance(value, list)] == ["recordings"]
        assert (page["page"], page["page_size"], page["start"], page["end"]) == (0, 2, 0, 1)
        assert page["previous_page_uri"] is None
        following = page["next_page_uri"].partition("Recordings.json?")[2]
        last = send("GET", f"Recordings.json?{following}").json()
        assert (last["page"], last["next_page_uri"], len(last["recordings"])) == (1, None, 1)

    @pytest.mark.parametrize(
        ("query", "count"),
        [
            ({"DateCreated": "2026-05-30"}, 2),
            ({"DateCreated>": "2026-05-30T10:00:00Z"}, 3),
            ({"DateCreated>": "2026-05-31T00:00:00Z"}, 1),
            ({"DateCreated<": "2026-05-31"}, 3),
            ({"DateCreated<": "2026-05-31T11:59:00Z"}, 3),
        ],
    )
    def test_filters_include_the_moment_that_they_name(
        self, emulator: TwilioEmulator, send: Send, query: dict[str, str], count: int
    ) -> None:
        now = emulator.clock.now()
        for ago in (13, 36, 48, 96):  # the clock begins at noon
            emulator.add(ended=now - HOUR * ago, duration=timedelta(minutes=1))
        rows = send("GET", "Recordings.json", **query).json()["recordings"]
        assert len(rows) == count, [row["date_created"] for row in rows]

    @pytest.mark.parametrize("assume", [(), (3,)])
    def test_the_page_before_has_the_rows_before(
        self, emulator: TwilioEmulator, send: Send, assume: tuple[int, ...]
    ) -> None:
        assume_numbers(emulator, *assume)
        for hour in range(5):
            emulator.add(ended=emulator.clock.now() - HOUR * (hour + 1))
        forth: list[list[str]] = []
        back: list[list[str]] = []
        link = "Recordings.json?PageSize=2"
        for link_name, seen in (("next_page_uri", forth), ("previous_page_uri", back)):
            while True:
                page = send("GET", link).json()
                seen.append([row["sid"] for row in page["recordings"]])
                if page[link_name] is None:
                    break
                link = page[link_name].partition(f"{emulator.credentials['account_sid']}/")[2]
        assert [len(each) for each in forth] == [2, 2, 1]
        assert back == forth[::-1]

    def test_the_links_of_a_page_have_its_filters(
        self, emulator: TwilioEmulator, send: Send
    ) -> None:
        page = send("GET", "Calls.json", **{"StartTime>": "2026-05-01", "To": "+1"}).json()
        assert "?StartTime%3E=2026-05-01&To=%2B1&PageSize=50" in page["uri"]

    def test_calls_and_conferences_are_filtered(self, emulator: TwilioEmulator, send: Send) -> None:
        emulator.advance(HOUR)
        new, old = emulator.begin(SessionKind.CALL), emulator.sessions[0]
        member = emulator.find_session(emulator.sessions[1]).call_sid
        emulator.hang_up(old)  # another call begins
        now, began = "2026-06-01T13:00:00Z", "2026-06-01T12:00:00Z"
        later = new.id, emulator.sessions[0].id
        session = emulator.find_session(new)
        for query, expected in (
            ({"From": session.from_number, "To": session.to_number}, {new.id}),
            ({"From": "+1"}, set()),
            ({"ParentCallSid": old.id}, set()),
            ({"StartTime": "2026-06-01"}, {old.id, member, *later}),
            ({"StartTime<": began}, {old.id, member}),
            ({"StartTime>": now}, {*later}),
            ({"EndTime<": now}, {old.id}),
            ({"EndTime>": now, "Status": "in-progress"}, set()),
            ({"Status": "in-progress"}, {member, *later}),
        ):
            calls = send("GET", "Calls.json", **query).json()["calls"]
            assert {row["sid"] for row in calls} == expected, query
        emulator.advance(HOUR * 24)
        emulator.hang_up(emulator.sessions[1])
        for query, count in (
            ({"DateCreated": "2026-06-01"}, 1),
            ({"DateCreated>": "2026-06-02"}, 1),
            ({"DateUpdated>": "2026-06-02"}, 2),
            ({"DateUpdated<": "2026-06-01"}, 0),
        ):
            rows = send("GET", "Conferences.json", **query).json()["conferences"]
            assert len(rows) == count, query

    def test_a_list_is_filtered_by_call_and_conference(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        ended = manual_clock.now() - HOUR
        for kind in (SessionKind.CALL, SessionKind.CONFERENCE):
            emulator.add(ended=ended, kind=kind)
        for row in send("GET", "Recordings.json").json()["recordings"]:
            of_call = send("GET", "Recordings.json", CallSid=row["call_sid"]).json()
            assert [each["sid"] for each in of_call["recordings"]] == [row["sid"]]
            if row["conference_sid"] is not None:
                found = send("GET", "Recordings.json", ConferenceSid=row["conference_sid"]).json()
                assert [each["sid"] for each in found["recordings"]] == [row["sid"]]
                path = f"Conferences/{row['conference_sid']}/Recordings.json"
                assert len(send("GET", path).json()["recordings"]) == 1


class TestMedia:
    @pytest.mark.parametrize(
        ("channels", "wanted", "expected"),
        [(2, None, 1), (2, "2", 2), (2, "1", 1), (1, None, 1), (1, "2", 400), (2, "3", 400)],
    )
    def test_a_conferences_file_is_mono_unless_two_channels_are_requested(
        self,
        emulator: TwilioEmulator,
        send: Send,
        channels: int,
        wanted: str | None,
        expected: int,
    ) -> None:
        more: dict[str, Any] = {"duration": timedelta(seconds=1), "channels": channels}
        kind = SessionKind.CONFERENCE
        sid = emulator.add(ended=emulator.clock.now() - HOUR, kind=kind, **more)
        query = {} if wanted is None else {"RequestedChannels": wanted}
        found = send("GET", f"Recordings/{sid}", **query)
        if expected == 400:
            assert found.status_code == 400
        else:
            assert found.content[22:24] == bytes([expected, 0])

    def test_media_is_not_there_before_the_recording_is_completed(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        sid = emulator.begin_recording(emulator.sessions[0])
        manual_clock.advance(timedelta(seconds=3))
        emulator.hang_up(emulator.sessions[0])
        assert read_error(send("GET", f"Recordings/{sid}.mp3")) == (404, 20404)
        manual_clock.advance(timedelta(seconds=10))
        assert send("GET", f"Recordings/{sid}.mp3").status_code == 200
        assert [each.path.rpartition(".")[2] for each in emulator.list_requests("media")] == [
            "mp3",
            "mp3",
        ]


class TestEvents:
    def test_a_record_verb_has_an_error_code_of_0(
        self, emulator: TwilioEmulator, manual_clock: ManualClock
    ) -> None:
        target = emulator.sessions[0]
        emulator.begin_recording(target, source="RecordVerb", events=("completed",))
        manual_clock.advance(timedelta(seconds=5))
        emulator.hang_up(target)
        manual_clock.advance(timedelta(seconds=10))
        (event,) = emulator.deliveries.list_events()
        assert event.payload["ErrorCode"] == "0"
        assert event.payload["RecordingDuration"] == "5"

    def test_an_absent_recording_has_its_own_event(
        self, emulator: TwilioEmulator, manual_clock: ManualClock
    ) -> None:
        target = emulator.sessions[1]
        emulator.begin_recording(target, error_code=16102)
        emulator.hang_up(target)
        manual_clock.advance(timedelta(seconds=10))
        _, event = emulator.deliveries.list_events()
        assert (event.name, event.payload["ErrorCode"]) == ("absent", "16102")
        assert event.payload["ConferenceSid"] == target.id
        assert "CallSid" not in event.payload

    def test_a_callback_is_called_as_the_start_names_it(
        self, emulator: TwilioEmulator, send: Send, manual_clock: ManualClock
    ) -> None:
        path = f"Calls/{emulator.sessions[0].id}/Recordings.json"
        send(
            "POST",
            path,
            RecordingStatusCallback="https://app.example.com/hook",
            RecordingStatusCallbackMethod="GET",
        )
        manual_clock.advance(timedelta(seconds=5))
        emulator.hang_up(emulator.sessions[0])
        manual_clock.advance(timedelta(seconds=10))
        (request,) = emulator.build_webhook_requests()  # by default about the end alone
        assert (request.method, request.body) == ("GET", b"")
        assert "RecordingStatus=completed" in request.url

    def test_a_subaccount_signs_by_its_own_token(self, emulator: TwilioEmulator) -> None:
        own = emulator.subaccount
        for account in (own["account_sid"], ""):
            call = emulator.begin(SessionKind.CALL, account=account)
            emulator.begin_recording(call)
        receivers = [
            receiver("twilio", secret=each["auth_token"]) for each in (own, emulator.credentials)
        ]
        requests = emulator.build_webhook_requests()
        for request, one, other in zip(requests, receivers, reversed(receivers), strict=True):
            assert len(one.receive(request)) == 1
            with pytest.raises(WebhookRejected):
                other.receive(request)

    def test_an_unknown_session_is_not_recorded(self, emulator: TwilioEmulator) -> None:
        with pytest.raises(Exception, match="not found"):
            emulator.begin_recording(conference("CF0"))
