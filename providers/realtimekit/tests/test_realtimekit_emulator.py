"""RealtimeKit's emulator behaves as Cloudflare's pages document, over plain HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from recording_core.testing import ManualClock
from recording_realtimekit.emulator import RealtimeKitEmulator

UNKNOWN = "00000000-0000-4000-8000-000000000000"
GATEWAY_ERROR = {
    "success": False,
    "errors": [{"code": 10000, "message": "Authentication error"}],
    "messages": [],
    "result": None,
}

pytestmark = pytest.mark.emulator("realtimekit")


class RawRealtimeKit:
    """The emulator, its clock, and raw requests with its credentials."""

    def __init__(self, emulator: RealtimeKitEmulator, http: requests.Session) -> None:
        assert isinstance(emulator.clock, ManualClock)
        self.emulator = emulator
        self.clock = emulator.clock
        self.http = http
        self.meeting_id = emulator.sessions[0].id
        self.account, self.app, self.token = emulator.credentials.values()
        self.base = f"{emulator.base_url}/accounts/{self.account}/realtime/kit/{self.app}"

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, self.base + path, headers=headers, timeout=5, **more)

    def start(self, path: str = "/recordings", **body: Any) -> requests.Response:
        return self.send("POST", path, json={"meeting_id": self.meeting_id, **body})

    def start_recording(self, **body: Any) -> str:
        """Start a recording, wait until it runs, and return its id."""
        recording_id = self.start(**body).json()["data"]["id"]
        self.advance(2)
        return str(recording_id)

    def send_action(self, recording_id: str, action: str) -> requests.Response:
        return self.send("PUT", f"/recordings/{recording_id}", json={"action": action})

    def get(self, recording_id: str) -> dict[str, Any]:
        answer = self.send("GET", f"/recordings/{recording_id}")
        assert answer.status_code == 200
        data: dict[str, Any] = answer.json()["data"]
        return data

    def record(self, seconds: float = 30, **body: Any) -> dict[str, Any]:
        """Record for `seconds`, stop, and return the uploaded recording."""
        recording_id = self.start_recording(**body)
        self.advance(seconds)
        self.send_action(recording_id, "stop")
        self.advance(5)
        return self.get(recording_id)

    def list_page(self, **query: Any) -> dict[str, Any]:
        answer = self.send("GET", "/recordings", params=query)
        assert answer.status_code == 200
        page: dict[str, Any] = answer.json()
        return page

    def list_page_ids(self, **query: Any) -> list[str]:
        return [row["id"] for row in self.list_page(**query)["data"]]

    def fetch(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        return self.http.request(method, url, headers=headers, timeout=5)

    def advance(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def vendor(emulator: RealtimeKitEmulator, http: requests.Session) -> RawRealtimeKit:
    """A vendor without past recordings."""
    return RawRealtimeKit(emulator, http)


@pytest.fixture
def past(
    start_emulator: Callable[..., RealtimeKitEmulator], http: requests.Session
) -> RawRealtimeKit:
    """A vendor with 45 recordings in the last 90 days."""
    return RawRealtimeKit(start_emulator("realtimekit", recordings=45), http)


def read_error(answer: requests.Response) -> tuple[int, Any]:
    """Check that an answer is an error of RealtimeKit itself, and return its status and message."""
    payload = answer.json()
    assert set(payload) == {"success", "error"}
    assert payload["success"] is False
    assert payload["error"]["code"] == answer.status_code
    return answer.status_code, payload["error"]["message"]


def list_urls(row: dict[str, Any]) -> list[str]:
    """List the URLs of a recording's files."""
    main = row["download_url"]
    if isinstance(main, list):
        return [
            entry["download_url"] for layer in main for entry in layer["download_urls"].values()
        ]
    return [url for url in (main, row["audio_download_url"]) if url]


# -- the gateway ----------------------------------------------------------------------------------


def test_credentials_have_the_form_of_cloudflares(vendor: RawRealtimeKit) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", vendor.account)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", vendor.app)
    assert len(vendor.token) == 40


def test_a_wrong_token_returns_the_gateways_error(vendor: RawRealtimeKit) -> None:
    answer = vendor.http.get(
        f"{vendor.base}/recordings", headers={"Authorization": "Bearer wrong"}, timeout=5
    )
    assert (answer.status_code, answer.json()) == (401, GATEWAY_ERROR)


def test_a_missing_token_has_its_own_code(vendor: RawRealtimeKit) -> None:
    answer = vendor.http.get(f"{vendor.base}/recordings", timeout=5)
    assert answer.status_code == 401
    assert [error["code"] for error in answer.json()["errors"]] == [9106]


def test_another_account_is_forbidden(vendor: RawRealtimeKit) -> None:
    vendor.base = vendor.base.replace(vendor.account, "0" * 32)
    answer = vendor.send("GET", "/recordings")
    assert (answer.status_code, answer.json()) == (403, GATEWAY_ERROR)


def test_another_app_is_not_found_by_realtimekit(vendor: RawRealtimeKit) -> None:
    vendor.base = vendor.base.replace(vendor.app, UNKNOWN)
    assert read_error(vendor.send("GET", "/recordings"))[0] == 404


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST"])
def test_no_request_deletes_or_changes_a_recording(vendor: RawRealtimeKit, method: str) -> None:
    answer = vendor.send(method, f"/recordings/{vendor.start_recording()}")
    assert answer.status_code == 404
    assert [error["code"] for error in answer.json()["errors"]] == [7003, 7000]
    assert "result" not in answer.json()


def test_every_answer_has_the_rate_headers(vendor: RawRealtimeKit) -> None:
    for answer in (vendor.start(), vendor.start(), vendor.send("GET", "/nowhere")):
        assert answer.headers["Ratelimit"] == '"default";r=50;t=30'
        assert answer.headers["Ratelimit-Policy"] == '"burst";q=100;w=60'


def test_the_edge_answers_too_many_requests_with_a_page(vendor: RawRealtimeKit) -> None:
    vendor.emulator.inject("429-storm", count=1, seconds=7)
    answer = vendor.send("GET", "/recordings")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["x-envoy-ratelimited"] == "true"
    assert "Ratelimit" in answer.headers
    assert answer.headers["Content-Type"] == "text/html"


# -- start ----------------------------------------------------------------------------------------


def test_a_start_returns_a_recording_that_is_invoked(vendor: RawRealtimeKit) -> None:
    payload = vendor.start().json()
    assert payload["success"] is True
    row = payload["data"]
    assert row["status"] == "INVOKED"
    assert row["invoked_time"] == "2026-06-01T12:00:00.000Z"
    assert row["output_file_name"].endswith(".mp4")
    assert "stop_reason" not in row, "the schema has it as optional and not as null"
    still_unknown = ("started_time", "stopped_time", "file_size", "download_url")
    assert [row[name] for name in still_unknown] == [None] * 4
    assert "meeting" not in row
    assert "type" not in row


@pytest.mark.parametrize(
    "body",
    [
        {"meeting_id": "standup"},
        {"max_seconds": 59},
        {"max_seconds": 86401},
        {"max_seconds": "60"},
        {"max_seconds": True},
        {"allow_multiple_recordings": "yes"},
        {"file_name_prefix": "weekly sync"},
        {"url": "nowhere"},
        {"audio_config": {"codec": "WAV"}},
        {"audio_config": {"channel": "dual"}},
        {"audio_config": "MP3"},
        {"audio_config": {"codec": "MP3"}, "video_config": {"codec": "VP8"}},
        {"audio_config": {"channel": "mono"}, "video_config": {"codec": "VP8"}},
        {"video_config": {"codec": "AV1"}},
        {"video_config": {"width": 0}},
        {"video_config": {"width": True}},
        {"video_config": {"height": 1921}},
        {"video_config": {"watermark": {"position": "middle"}}},
        {"video_config": {"watermark": None}},
        {"video_config": {"watermark": {"size": {"width": 0}}}},
        {"video_config": None},
        {"interactive_config": {"type": "ID4"}},
        {"realtimekit_bucket_config": {}},
        {"storage_config": {}},
        {"storage_config": {"type": "dropbox"}},
        {"storage_config": {"type": "aws", "region": "eu"}},
        {"storage_config": {"type": "sftp", "auth_method": "KEY"}},
        {"storage_config": {"type": "sftp", "auth_method": "PASSWORD"}},
    ],
    ids=str,
)
def test_a_start_outside_the_documented_bounds_is_refused_in_words_of_the_validator(
    vendor: RawRealtimeKit, body: dict[str, Any]
) -> None:
    status, message = read_error(vendor.start(**body))
    assert status == 422
    assert re.match(r'"[a-z_.]+" (contains an invalid value|is required|must be of type)', message)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"max_seconds": 60}'])
def test_a_start_without_a_meeting_is_refused(vendor: RawRealtimeKit, body: bytes) -> None:
    assert read_error(vendor.send("POST", "/recordings", data=body))[0] == 422


@pytest.mark.parametrize(
    "body",
    [
        {"max_seconds": 60},
        {"max_seconds": 86400},
        {"storage_config": None},
        {"storage_config": {"type": "cloudflare", "secret_key": "s"}},
        {"storage_config": {"type": "gcs", "secret": "s"}},
        {"video_config": {"codec": "VP9", "width": 1920, "height": 1}},
        {"audio_config": {"codec": "AAC", "channel": "mono", "export_file": False}},
        {"rtmp_out_config": {"rtmp_url": "rtmp://example.com/live"}},
        {"allow_multiple_recording": True},
    ],
    ids=str,
)
def test_a_start_within_the_documented_bounds_is_accepted(
    vendor: RawRealtimeKit, body: dict[str, Any]
) -> None:
    assert vendor.start(**body).status_code == 200


def test_a_start_in_an_unknown_meeting_is_not_found(vendor: RawRealtimeKit) -> None:
    assert read_error(vendor.start(meeting_id=UNKNOWN)) == (404, "Meeting not found")


def test_a_meeting_has_one_recording_at_a_time_unless_more_are_allowed(
    vendor: RawRealtimeKit,
) -> None:
    first = vendor.start().json()["data"]["id"]
    assert read_error(vendor.start())[0] == 409
    second = vendor.start(allow_multiple_recordings=True).json()["data"]["id"]
    vendor.advance(10)
    vendor.send_action(first, "stop")
    assert read_error(vendor.start())[0] == 409
    vendor.send_action(second, "stop")
    assert vendor.start().status_code == 200


def test_recordings_started_at_the_same_time_have_different_files(vendor: RawRealtimeKit) -> None:
    short, long = (
        vendor.start(allow_multiple_recordings=True).json()["data"]["id"] for _ in range(2)
    )
    for recording_id in (short, long):
        vendor.advance(20)
        vendor.send_action(recording_id, "stop")
    vendor.advance(5)
    first, second = (vendor.fetch(vendor.get(id)["download_url"]) for id in (short, long))
    assert first.content != second.content


# -- states ---------------------------------------------------------------------------------------


def test_pauses_do_not_count_into_the_duration(vendor: RawRealtimeKit) -> None:
    recording_id = vendor.start_recording()
    for _ in range(2):
        vendor.advance(10)
        vendor.send_action(recording_id, "pause")
        vendor.advance(30)
        assert vendor.send_action(recording_id, "resume").json()["data"]["status"] == "RECORDING"
    vendor.send_action(recording_id, "stop")
    assert vendor.get(recording_id)["recording_duration"] == 20


def test_a_paused_recording_can_be_stopped(vendor: RawRealtimeKit) -> None:
    recording_id = vendor.start_recording()
    vendor.advance(10)
    vendor.send_action(recording_id, "pause")
    vendor.advance(10)
    assert vendor.send_action(recording_id, "stop").json()["data"]["recording_duration"] == 10


def test_actions_without_an_effect_show_the_recording(vendor: RawRealtimeKit) -> None:
    """No error is declared for them."""
    recording_id = vendor.start().json()["data"]["id"]

    def act(action: str) -> str:
        data = vendor.send_action(recording_id, action).json()["data"]
        assert data["id"] == recording_id
        return str(data["status"])

    assert act("pause") == "INVOKED"
    vendor.advance(2)
    assert act("resume") == "RECORDING"
    assert [act("pause"), act("pause")] == ["PAUSED", "PAUSED"]
    assert [act("stop"), act("stop"), act("pause")] == ["UPLOADING"] * 3


@pytest.mark.emulator("realtimekit", assume=[5])
def test_actions_in_a_wrong_state_are_conflicts(vendor: RawRealtimeKit) -> None:
    recording_id = vendor.start().json()["data"]["id"]
    wrong_actions = [
        ("pause", 0),  # INVOKED
        ("resume", 2),  # RECORDING
    ]
    for action, seconds in wrong_actions:
        vendor.advance(seconds)
        assert read_error(vendor.send_action(recording_id, action))[0] == 409
    vendor.send_action(recording_id, "pause")
    assert read_error(vendor.send_action(recording_id, "pause"))[0] == 409
    vendor.send_action(recording_id, "stop")
    for action in ("pause", "resume", "stop"):
        assert read_error(vendor.send_action(recording_id, action))[0] == 409


def test_an_unknown_action_is_refused(vendor: RawRealtimeKit) -> None:
    recording_id = vendor.start_recording()
    assert read_error(vendor.send_action(recording_id, "rewind"))[0] == 422
    assert read_error(vendor.send("PUT", f"/recordings/{recording_id}", json={}))[0] == 422


def test_a_recording_ends_after_max_seconds(vendor: RawRealtimeKit) -> None:
    recording_id = vendor.start_recording(max_seconds=60)
    vendor.advance(59)
    assert vendor.get(recording_id)["status"] == "RECORDING"
    vendor.advance(1)
    assert vendor.get(recording_id)["status"] == "UPLOADING"
    vendor.advance(5)
    row = vendor.get(recording_id)
    assert row["status"] == "UPLOADED"
    assert row["recording_duration"] == 60
    assert "stop_reason" not in row, "no word is documented"


def test_reasons_name_no_caller_that_the_schema_does_not_have(past: RawRealtimeKit) -> None:
    """`INTERNAL` is known from webhooks alone."""
    details = [past.get(id) for id in past.emulator.list_ids()]
    assert {each["stop_reason"]["reason"] for each in details} == {
        "ALL_PEERS_LEFT",
        "INTERNAL_ERROR",
    }
    assert all(set(each["stop_reason"]) == {"reason"} for each in details)
    callers = [each["start_reason"].get("caller", {}).get("type") for each in details]
    assert set(callers) == {None, "ORGANIZATION"}


def test_the_end_of_a_session_ends_its_recordings_and_the_meeting_stays(
    vendor: RawRealtimeKit,
) -> None:
    first = vendor.start_recording()
    other = vendor.emulator.add(duration=None, meeting_id=list(vendor.emulator.meetings)[1])
    vendor.advance(10)
    vendor.emulator.hang_up(vendor.emulator.sessions[0])
    ended = vendor.get(first)
    assert (ended["status"], ended["recording_duration"]) == ("UPLOADING", 10)
    assert ended["stop_reason"] == {"reason": "ALL_PEERS_LEFT"}
    assert vendor.get(other.id)["status"] == "RECORDING"
    later = vendor.get(vendor.start_recording())
    assert later["status"] == "RECORDING"
    assert later["session_id"] != ended["session_id"] == vendor.get(first)["session_id"]


def test_a_start_is_answered_before_the_recorder_begins(http: requests.Session) -> None:
    with RealtimeKitEmulator(starting=timedelta(0)) as emulator:
        vendor = RawRealtimeKit(emulator, http)
        for path in ("/recordings", "/recordings/track"):
            data = vendor.start(path, allow_multiple_recordings=True).json()["data"]
            row = data.get("recording", data)
            assert (row["status"], row["started_time"]) == ("INVOKED", None)
            assert vendor.get(row["id"])["status"] == "RECORDING"
            vendor.send_action(row["id"], "stop")


def test_a_recording_under_five_seconds_ends_as_errored(vendor: RawRealtimeKit) -> None:
    short = vendor.record(seconds=4)
    assert short["status"] == "ERRORED"
    assert short["file_size"] is None
    assert list_urls(short) == []
    assert vendor.record(seconds=5)["status"] == "UPLOADED"


def test_active_returns_the_running_recording(vendor: RawRealtimeKit) -> None:
    path = f"/recordings/active-recording/{vendor.meeting_id}"
    assert read_error(vendor.send("GET", path))[0] == 404
    recording_id = vendor.start_recording()
    vendor.send_action(recording_id, "pause")
    active = vendor.send("GET", path).json()["data"]
    assert (active["id"], active["status"]) == (recording_id, "PAUSED")
    assert not {"meeting", "start_reason", "storage_config"} & set(active)
    vendor.send_action(recording_id, "stop")
    assert read_error(vendor.send("GET", path))[0] == 404


def test_active_returns_a_recording_that_the_vendor_started(vendor: RawRealtimeKit) -> None:
    added = vendor.emulator.add(
        ago=timedelta(minutes=3), duration=None, start_reason={"reason": "RECORD_ON_START"}
    )
    active = vendor.send("GET", f"/recordings/active-recording/{vendor.meeting_id}").json()["data"]
    assert (active["id"], active["status"]) == (added.id, "RECORDING")
    details = vendor.get(added.id)
    assert details["start_reason"] == {"reason": "RECORD_ON_START"}
    assert "stop_reason" not in details


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "name", "types"),
    [
        ({}, r"{meeting}_\d+\.mp4", ["video/mp4"]),
        ({"file_name_prefix": "weekly"}, r"weekly_{meeting}_\d+\.mp4", ["video/mp4"]),
        ({"audio_config": {}}, r"{meeting}_\d+\.mp4", ["video/mp4", "audio/mp4"]),
        ({"audio_config": {"codec": "MP3"}}, r"{meeting}_\d+\.mp4", ["video/mp4", "audio/mpeg"]),
        ({"audio_config": {"export_file": False}}, r"{meeting}_\d+\.mp4", ["video/mp4"]),
        (
            {"audio_config": {"codec": "MP3"}, "video_config": {"export_file": False}},
            r"{meeting}_\d+_audio\.mp3",
            ["audio/mpeg"],
        ),
        ({"video_config": {"codec": "VP8"}}, r"{meeting}_\d+\.webm", ["video/webm"]),
        (
            {"video_config": {"codec": "VP8"}, "audio_config": {"codec": "AAC"}},
            r"{meeting}_\d+\.webm",
            ["video/webm", "audio/webm"],
        ),
        ({"interactive_config": {"type": "ID3"}}, r"{meeting}_\d+\.tar", ["application/x-tar"]),
    ],
    ids=str,
)
def test_the_configuration_determines_the_files(
    vendor: RawRealtimeKit, body: dict[str, Any], name: str, types: list[str]
) -> None:
    row = vendor.record(**body)
    assert re.fullmatch(name.replace("{meeting}", vendor.meeting_id), row["output_file_name"])
    answers = [vendor.fetch(url) for url in list_urls(row)]
    assert [answer.headers["Content-Type"] for answer in answers] == types
    assert row["file_size"] == len(answers[0].content)
    # Both URLs have one expiry.
    assert row["download_url_expiry"] == "2026-06-08T12:00:37.000Z"


@pytest.mark.emulator("realtimekit", assume=[11])
def test_an_aac_file_may_have_a_container_of_its_own(vendor: RawRealtimeKit) -> None:
    url = vendor.record(audio_config={})["audio_download_url"]
    assert urlsplit(url).path.endswith("_audio.m4a")
    assert vendor.fetch(url).headers["Content-Type"] == "audio/mp4"


def test_without_realtimekits_bucket_the_urls_are_null(vendor: RawRealtimeKit) -> None:
    row = vendor.record(
        audio_config={},
        realtimekit_bucket_config={"enabled": False},
        storage_config={"type": "gcs", "secret": "hush", "bucket": "ours"},
    )
    assert row["status"] == "UPLOADED"
    for name in ("download_url", "audio_download_url", "download_url_expiry"):
        assert row[name] is None
    assert row["storage_config"] == {"type": "gcs", "secret": "hush", "bucket": "ours"}


def test_a_storage_config_contains_secret_and_password_but_no_keys(vendor: RawRealtimeKit) -> None:
    storage = {
        "type": "sftp",
        "auth_method": "KEY",
        "host": "sftp.example.com",
        "port": 22,
        "password": "p",
        "secret": "s",
    }
    row = vendor.record(storage_config={**storage, "access_key": "a", "private_key": "k"})
    assert row["storage_config"] == storage


# -- tracks ---------------------------------------------------------------------------------------


def test_a_start_of_tracks_returns_the_template_of_file_names(vendor: RawRealtimeKit) -> None:
    payload = vendor.start("/recordings/track").json()
    row = payload["data"]["recording"]
    assert row["type"] == "TRACK"
    assert row["meeting_id"] == vendor.meeting_id
    assert row["output_file_name"] == (
        "{{file_name_prefix}}_{{user_id}}_{{peer_id}}_{{stream_kind}}_{{media_kind}}_{{date_time}}"
        ".webm"
    )


def record_tracks(vendor: RawRealtimeKit, **body: Any) -> dict[str, Any]:
    recording_id = vendor.start("/recordings/track", **body).json()["data"]["recording"]["id"]
    vendor.advance(32)
    vendor.send_action(recording_id, "stop")
    vendor.advance(5)
    return vendor.get(recording_id)


UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_tracks_have_one_file_per_stay_of_a_participant(vendor: RawRealtimeKit) -> None:
    row = record_tracks(vendor)
    (layer,) = row["download_url"]
    assert layer["layer_name"] == "default"
    assert row["audio_download_url"] is None
    names = [
        re.fullmatch(rf"default_(.+)_{UUID}_peer_audio_\d+\.webm", name)
        for name in layer["download_urls"]
    ]
    assert [name and name[1] for name in names] == ["alice", "bob_2", "6b1f6f0e-carol", "alice"]
    answers = [vendor.fetch(url) for url in list_urls(row)]
    assert len({answer.content for answer in answers}) == 4
    assert {answer.headers["Content-Type"] for answer in answers} == {"audio/webm"}
    assert row["file_size"] is None
    prefixed = record_tracks(vendor, layers={"default": {"file_name_prefix": "desk"}})
    assert all(name.startswith("desk_") for name in prefixed["download_url"][0]["download_urls"])


def test_a_list_has_no_urls_of_tracks_as_in_its_schema(vendor: RawRealtimeKit) -> None:
    record_tracks(vendor)
    (row,) = vendor.list_page()["data"]
    assert "type" not in row
    assert (row["status"], row["download_url"], row["download_url_expiry"]) == (
        "UPLOADED",
        None,
        None,
    )


@pytest.mark.emulator("realtimekit", assume=[13, 14, 15, 16])
def test_tracks_may_look_as_a_third_party_received_them(vendor: RawRealtimeKit) -> None:
    row = record_tracks(vendor, user_ids=["alice"])
    assert row["file_size"] == 0
    ((layer,),) = row["download_url"].values()
    names = [
        re.fullmatch(rf"participant_({UUID})_{UUID}_peer_media_kind_audio_\d+\.webm", name)
        for name in layer["download_urls"]
    ]
    assert len(names) == 2
    assert len({name and name[1] for name in names}) == 1, "both stays are of one user"
    (listed,) = vendor.list_page()["data"]
    assert listed["download_url"] == row["download_url"]
    assert list(row["download_url"]) == ["links"]


@pytest.mark.parametrize(
    "body",
    [
        {"meeting_id": "standup"},
        {"layers": {"default": {"media_kind": "video"}}},
        {"layers": {"other": {"media_kind": "audio"}}},
        {"layers": {"default": None}},
        {"layers": None},
        {"max_seconds": "abc"},
        {"max_seconds": 59},
        {"max_seconds": 86401},
        {"user_ids": [f"user-{n}" for n in range(101)]},
        {"user_ids": "alice"},
        {"user_ids": [7]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_tracks_outside_the_documented_bounds_are_refused(
    vendor: RawRealtimeKit, body: dict[str, Any]
) -> None:
    assert read_error(vendor.start("/recordings/track", **body))[0] == 422


def test_fields_that_no_page_shows_change_nothing(vendor: RawRealtimeKit) -> None:
    odd = {"storage_config": "x", "realtimekit_bucket_config": 7, "video_config": 7}
    assert len(list_urls(record_tracks(vendor, **odd))) == 4
    assert vendor.record(user_ids=7, layers=7)["status"] == "UPLOADED"


def test_tracks_count_as_the_one_recording_of_a_meeting(vendor: RawRealtimeKit) -> None:
    vendor.start()
    assert read_error(vendor.start("/recordings/track"))[0] == 409


@pytest.mark.emulator("realtimekit", assume=[6])
def test_tracks_may_run_with_the_video_but_not_twice(vendor: RawRealtimeKit) -> None:
    vendor.start()
    assert vendor.start("/recordings/track").status_code == 200
    assert read_error(vendor.start("/recordings/track"))[0] == 409


# -- the bucket -----------------------------------------------------------------------------------


@pytest.fixture
def url(vendor: RawRealtimeKit) -> str:
    """The presigned URL of an audio file of some size."""
    return str(vendor.record(audio_config={"codec": "MP3"})["audio_download_url"])


def read_s3_error(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/xml"
    found = re.search("<Code>(.*)</Code>", answer.text)
    return answer.status_code, found[1] if found else ""


def test_a_presigned_url_has_another_origin_and_needs_no_token(
    vendor: RawRealtimeKit, url: str
) -> None:
    assert url.startswith(vendor.emulator.media_origin + "/")
    assert "X-Amz-Signature=" in url
    assert vendor.fetch(url).content.startswith(b"\xff\xf3")


def test_a_token_in_addition_to_the_signature_is_an_error(vendor: RawRealtimeKit, url: str) -> None:
    answer = vendor.fetch(url, Authorization=f"Bearer {vendor.token}")
    assert read_s3_error(answer) == (400, "InvalidArgument")


def test_head_does_not_match_the_signature_of_get(vendor: RawRealtimeKit, url: str) -> None:
    assert vendor.fetch(url, "HEAD").status_code == 403


def test_an_added_or_changed_parameter_invalidates_the_signature(
    vendor: RawRealtimeKit, url: str
) -> None:
    for broken in (f"{url}&download=1", url[:-1] + ("0" if url[-1] != "0" else "1")):
        assert read_s3_error(vendor.fetch(broken)) == (403, "SignatureDoesNotMatch")
    other = url.replace(urlsplit(url).path, urlsplit(url).path + "x")
    assert read_s3_error(vendor.fetch(other)) == (403, "SignatureDoesNotMatch")


def test_without_a_signature_access_is_denied(vendor: RawRealtimeKit, url: str) -> None:
    assert read_s3_error(vendor.fetch(url.partition("?")[0])) == (403, "AccessDenied")


def test_a_url_expires_after_seven_days_and_is_not_renewed(vendor: RawRealtimeKit) -> None:
    row = vendor.record()
    vendor.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    assert vendor.fetch(row["download_url"]).status_code == 200
    vendor.advance(1)
    answer = vendor.fetch(row["download_url"])
    assert read_s3_error(answer) == (403, "AccessDenied")
    assert "expired" in answer.text
    assert vendor.get(row["id"]) == row
    assert vendor.list_page_ids() == [row["id"]]


@pytest.mark.emulator("realtimekit", assume=[12])
def test_a_row_may_lose_its_urls_with_its_file(vendor: RawRealtimeKit) -> None:
    row = vendor.record()
    vendor.clock.advance(timedelta(days=7))
    after = vendor.get(row["id"])
    gone = dict.fromkeys(("download_url", "download_url_expiry"))
    assert after == {**row, **gone}


def test_a_range_is_served_if_the_file_is_unchanged(vendor: RawRealtimeKit, url: str) -> None:
    whole = vendor.fetch(url)
    etag = whole.headers["ETag"]
    part = vendor.fetch(url, Range="bytes=100-", **{"If-Range": etag})
    assert part.status_code == 206
    assert part.content == whole.content[100:]
    size = len(whole.content)
    assert part.headers["Content-Range"] == f"bytes 100-{size - 1}/{size}"
    assert vendor.fetch(url, Range="bytes=100-", **{"If-Range": '"other"'}).status_code == 200
    assert vendor.fetch(url, Range=f"bytes={size}-").status_code == 416


# -- list -----------------------------------------------------------------------------------------


def test_a_list_item_names_its_meeting_but_a_single_recording_does_not(
    vendor: RawRealtimeKit,
) -> None:
    recording_id = vendor.start_recording()
    (row,) = vendor.list_page()["data"]
    assert row["meeting"]["id"] == vendor.meeting_id
    assert row["meeting"]["title"]
    assert not {"start_reason", "stop_reason"} & set(row)
    one = vendor.get(recording_id)
    assert "meeting" not in one
    assert one["start_reason"]["caller"]["user_Id"]


def test_the_same_seed_creates_the_same_recordings(
    http: requests.Session, past: RawRealtimeKit
) -> None:
    def read_facts(vendor: RawRealtimeKit) -> list[Any]:
        rows = vendor.list_page(per_page=100)["data"]
        return [(row["id"], row["invoked_time"], row["recording_duration"]) for row in rows]

    for seed, same in ((0, True), (1, False)):
        with RealtimeKitEmulator(recordings=45, seed=seed) as twin:
            assert (read_facts(RawRealtimeKit(twin, http)) == read_facts(past)) is same


def test_past_recordings_have_every_quirk(past: RawRealtimeKit) -> None:
    rows = past.list_page(per_page=100)["data"]
    uploaded = [row for row in rows if row["status"] == "UPLOADED"]
    assert len(rows) == len(past.emulator.list_ids()) == 45
    assert {row["status"] for row in rows} == {"UPLOADED", "ERRORED"}
    assert {type(row["file_size"]) for row in uploaded} == {int, type(None)}
    details = [past.get(row["id"]) for row in uploaded]
    assert {type(row["download_url"]) for row in details} == {str, list, type(None)}
    assert all("T" in row["started_time"] for row in rows)
    assert any("secret" in (row["storage_config"] or {}) for row in rows)
    assert any("password" in (row["storage_config"] or {}) for row in rows)
    assert {row["output_file_name"].rpartition(".")[2] for row in rows} == {"mp4", "tar", "webm"}
    assert {past.get(row["id"])["start_reason"]["reason"] for row in rows} == {
        "API_CALL",
        "RECORD_ON_START",
    }


def test_the_last_seven_days_have_every_shape_of_files_and_serve_them(
    past: RawRealtimeKit,
) -> None:
    rows = past.list_page(expired="false", per_page=100)["data"]
    details = [past.get(row["id"]) for row in rows]
    assert {len(list_urls(row)) for row in details} == {1, 2, 4}
    for row in details:
        answers = [past.fetch(url) for url in list_urls(row)]
        assert all(answer.status_code == 200 for answer in answers)


def test_older_files_are_removed_but_their_status_stays_uploaded(past: RawRealtimeKit) -> None:
    rows = past.list_page(expired="true", per_page=100)["data"]
    assert {row["status"] for row in rows} == {"UPLOADED"}
    for row in rows:
        urls = list_urls(past.get(row["id"]))
        assert {past.fetch(url).status_code for url in urls} == {403}


@pytest.mark.parametrize("base", [0, 1])
def test_page_base_is_the_number_of_the_first_page(http: requests.Session, base: int) -> None:
    with RealtimeKitEmulator(recordings=7, page_base=base) as emulator:
        vendor = RawRealtimeKit(emulator, http)
        pages = [vendor.list_page_ids(per_page=3, page_no=base + n) for n in range(4)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert sorted(id for page in pages for id in page) == sorted(emulator.list_ids())
        assert vendor.list_page_ids(per_page=3) == pages[0]
        assert vendor.list_page_ids(per_page=3, page_no=0) == ([] if base else pages[0])
    with RealtimeKitEmulator(recordings=7, assume=[1]) as emulator:
        vendor = RawRealtimeKit(emulator, http)
        pages = [vendor.list_page_ids(per_page=3, page_no=number) for number in (0, 1)]
        assert pages[0] == pages[1] != []


def test_offsets_count_from_one_and_are_zero_for_an_empty_page(past: RawRealtimeKit) -> None:
    def read_offsets(**query: int) -> list[int]:
        paging = past.list_page(**query)["paging"]
        return [paging[name] for name in ("start_offset", "end_offset", "total_count")]

    assert read_offsets(per_page=25) == [1, 25, 45]
    assert read_offsets(per_page=25, page_no=2) == [26, 45, 45]
    assert read_offsets(per_page=25, page_no=3) == [0, 0, 45]
    assert read_offsets() == [1, 45, 45]


def test_without_a_size_and_an_order_a_page_has_all_rows_newest_first(past: RawRealtimeKit) -> None:
    rows = past.list_page()["data"]
    assert len(rows) == 45
    assert rows == past.list_page(sort_order="DESC", per_page=45)["data"]


def test_the_assumed_size_and_order_are_those_of_a_page_without_them(
    http: requests.Session,
) -> None:
    with RealtimeKitEmulator(recordings=120, assume=[2, 3]) as emulator:
        vendor = RawRealtimeKit(emulator, http)
        ids = vendor.list_page_ids()
        assert len(ids) == 25
        assert ids == vendor.list_page_ids(sort_order="ASC", per_page=25)
        assert len(vendor.list_page_ids(per_page=1000)) == 100


@pytest.mark.parametrize(("assume", "field"), [((), "started_time"), ((4,), "invoked_time")])
def test_a_window_is_compared_with_one_of_two_times(
    start_emulator: Callable[..., RealtimeKitEmulator],
    http: requests.Session,
    assume: tuple[int, ...],
    field: str,
) -> None:
    emulator = start_emulator("realtimekit", assume=assume)
    vendor = RawRealtimeKit(emulator, http)
    made = emulator.add()
    moment = vendor.get(made.id)[field]
    for name in ("start_time", "end_time"):
        assert vendor.list_page_ids(**{name: moment}) == [made.id], "both ends are included"
    other = {"started_time": made.invoked_at, "invoked_time": made.started_at}[field]
    excluded = "end_time" if field == "started_time" else "start_time"
    assert vendor.list_page_ids(**{excluded: other.isoformat()}) == []


def test_a_page_has_at_most_max_page_size_rows(past: RawRealtimeKit) -> None:
    assert len(past.list_page_ids(per_page=1000)) == 45
    past.emulator.max_page_size = 10
    assert len(past.list_page_ids(per_page=1000)) == 10


def test_statuses_may_be_repeated_or_comma_separated(past: RawRealtimeKit) -> None:
    running = past.start_recording()
    errored = past.list_page_ids(status="ERRORED")
    assert errored
    assert set(past.list_page_ids(status=["ERRORED", "RECORDING"])) == {*errored, running}
    assert set(past.list_page_ids(status="ERRORED,RECORDING")) == {*errored, running}


def test_a_search_finds_meetings_by_title_and_by_id(past: RawRealtimeKit) -> None:
    rows = past.list_page(search="weekly", per_page=100)["data"]
    assert {row["meeting"]["title"] for row in rows} == {"Weekly sync"}
    assert [row["id"] for row in rows] == past.list_page_ids(search=past.meeting_id, per_page=100)
    assert past.list_page_ids(meeting_id=UNKNOWN) == []


@pytest.mark.parametrize(
    "query",
    [
        {"meeting_id": "standup"},
        {"page_no": -1},
        {"per_page": "many"},
        {"page_no": "inf"},
        {"expired": "perhaps"},
        {"sort_by": "startedTime"},
        {"sort_order": "desc"},
        {"start_time": "yesterday"},
        {"status": "DONE"},
        {"status": ["UPLOADED", "DONE"]},
    ],
    ids=str,
)
def test_a_query_outside_the_documented_bounds_is_refused(
    vendor: RawRealtimeKit, query: dict[str, Any]
) -> None:
    assert read_error(vendor.send("GET", "/recordings", params=query))[0] == 422


def test_remove_deletes_a_recording_and_its_files(vendor: RawRealtimeKit) -> None:
    added = vendor.emulator.add(ago=timedelta(days=1), duration=timedelta(minutes=10))
    row = vendor.get(added.id)
    assert row["recording_duration"] == 600
    vendor.emulator.remove(added.id)
    assert read_error(vendor.send("GET", f"/recordings/{added.id}"))[0] == 404
    assert vendor.fetch(row["download_url"]).status_code == 404
    assert vendor.emulator.list_ids() == vendor.list_page_ids() == []
