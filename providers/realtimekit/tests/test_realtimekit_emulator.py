"""Does the emulator say what Cloudflare's pages say, quirks included? Over plain HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from recording_core.testing.manual_clock import ManualClock
from recording_realtimekit.emulator import RealtimeKitEmulator

UNKNOWN = "00000000-0000-4000-8000-000000000000"
GATEWAY_REFUSAL = {
    "success": False,
    "errors": [{"code": 10000, "message": "Authentication error"}],
    "messages": [],
    "result": None,
}


class Vendor:
    """The emulator, its clock, and raw requests with the credentials that it wants."""

    def __init__(self, emulator: RealtimeKitEmulator, http: requests.Session) -> None:
        assert isinstance(emulator.clock, ManualClock)
        self.emulator = emulator
        self.clock = emulator.clock
        self.http = http
        self.room = emulator.sessions[0].id
        self.account, self.app, self.token = emulator.credentials.values()
        self.base = f"{emulator.base_url}/accounts/{self.account}/realtime/kit/{self.app}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, self.base + path, headers=headers, timeout=5, **more)

    def start(self, path: str = "/recordings", **body: Any) -> requests.Response:
        return self.ask("POST", path, json={"meeting_id": self.room, **body})

    def started(self, **body: Any) -> str:
        """The id of a recording that is past its first seconds."""
        recording_id = self.start(**body).json()["data"]["id"]
        self.pass_time(2)
        return str(recording_id)

    def act(self, recording_id: str, action: str) -> requests.Response:
        return self.ask("PUT", f"/recordings/{recording_id}", json={"action": action})

    def get(self, recording_id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/recordings/{recording_id}")
        assert answer.status_code == 200
        data: dict[str, Any] = answer.json()["data"]
        return data

    def uploaded(self, seconds: float = 30, **body: Any) -> dict[str, Any]:
        """A recording that went all its way."""
        recording_id = self.started(**body)
        self.pass_time(seconds)
        self.act(recording_id, "stop")
        self.pass_time(5)
        return self.get(recording_id)

    def page(self, **query: Any) -> dict[str, Any]:
        answer = self.ask("GET", "/recordings", params=query)
        assert answer.status_code == 200
        page: dict[str, Any] = answer.json()
        return page

    def ids(self, **query: Any) -> list[str]:
        return [row["id"] for row in self.page(**query)["data"]]

    def fetch(self, url: str, method: str = "GET", **headers: str) -> requests.Response:
        return self.http.request(method, url, headers=headers, timeout=5)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def vendor(http: requests.Session) -> Iterator[Vendor]:
    """A vendor with no past."""
    with RealtimeKitEmulator() as emulator:
        yield Vendor(emulator, http)


@pytest.fixture
def past(http: requests.Session) -> Iterator[Vendor]:
    """A vendor with 45 recordings in the last 90 days."""
    with RealtimeKitEmulator(recordings=45) as emulator:
        yield Vendor(emulator, http)


def refusal(answer: requests.Response) -> tuple[int, Any]:
    """The status and the message of RealtimeKit's own error shape, which are checked."""
    payload = answer.json()
    assert set(payload) == {"success", "error"}
    assert payload["success"] is False
    assert payload["error"]["code"] == answer.status_code
    return answer.status_code, payload["error"]["message"]


def urls_of(row: dict[str, Any]) -> list[str]:
    """Every URL that a recording's files have."""
    main = row["download_url"]
    if isinstance(main, list):
        return [
            entry["download_url"] for layer in main for entry in layer["download_urls"].values()
        ]
    return [url for url in (main, row["audio_download_url"]) if url]


# -- the gateway ----------------------------------------------------------------------------------


def test_credentials_have_the_shapes_of_cloudflares(vendor: Vendor) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", vendor.account)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", vendor.app)
    assert len(vendor.token) == 40


def test_a_wrong_token_gets_the_gateways_error_shape(vendor: Vendor) -> None:
    answer = vendor.http.get(
        f"{vendor.base}/recordings", headers={"Authorization": "Bearer wrong"}, timeout=5
    )
    assert (answer.status_code, answer.json()) == (401, GATEWAY_REFUSAL)


def test_no_token_at_all_has_a_code_of_its_own(vendor: Vendor) -> None:
    answer = vendor.http.get(f"{vendor.base}/recordings", timeout=5)
    assert answer.status_code == 401
    assert [error["code"] for error in answer.json()["errors"]] == [9106]


def test_a_foreign_account_is_forbidden(vendor: Vendor) -> None:
    vendor.base = vendor.base.replace(vendor.account, "0" * 32)
    answer = vendor.ask("GET", "/recordings")
    assert (answer.status_code, answer.json()) == (403, GATEWAY_REFUSAL)


def test_a_foreign_app_is_not_found_by_realtimekit(vendor: Vendor) -> None:
    vendor.base = vendor.base.replace(vendor.app, UNKNOWN)
    assert refusal(vendor.ask("GET", "/recordings"))[0] == 404


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "POST"])
def test_there_is_no_way_to_delete_or_change_a_recording(vendor: Vendor, method: str) -> None:
    answer = vendor.ask(method, f"/recordings/{vendor.started()}")
    assert answer.status_code == 404
    assert [error["code"] for error in answer.json()["errors"]] == [7003, 7000]
    assert "result" not in answer.json()


def test_every_answer_tells_the_rate(vendor: Vendor) -> None:
    for answer in (vendor.start(), vendor.start(), vendor.ask("GET", "/nowhere")):
        assert answer.headers["Ratelimit"] == '"default";r=50;t=30'
        assert answer.headers["Ratelimit-Policy"] == '"burst";q=100;w=60'


# -- start ----------------------------------------------------------------------------------------


def test_a_start_answers_a_recording_that_is_invoked(vendor: Vendor) -> None:
    payload = vendor.start().json()
    assert payload["success"] is True
    row = payload["data"]
    assert row["status"] == "INVOKED"
    assert row["invoked_time"] == "2026-06-01T12:00:00.000Z"
    unknown_yet = ("started_time", "stopped_time", "file_size", "download_url")
    assert [row[name] for name in unknown_yet] == [None] * 4
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
        {"video_config": {"codec": "AV1"}},
        {"video_config": {"width": 0}},
        {"video_config": {"width": True}},
        {"video_config": {"height": 1921}},
        {"video_config": {"watermark": {"position": "middle"}}},
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
def test_a_start_beyond_what_is_documented_is_a_bad_request(
    vendor: Vendor, body: dict[str, Any]
) -> None:
    status, message = refusal(vendor.start(**body))
    assert status == 400
    assert message.startswith("BAD_REQUEST: ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"max_seconds": 60}'])
def test_a_start_without_a_meeting_is_a_bad_request(vendor: Vendor, body: bytes) -> None:
    assert refusal(vendor.ask("POST", "/recordings", data=body))[0] == 400


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
def test_a_start_within_what_is_documented_is_taken(vendor: Vendor, body: dict[str, Any]) -> None:
    assert vendor.start(**body).status_code == 200


def test_a_start_in_an_unknown_meeting_is_not_found(vendor: Vendor) -> None:
    assert refusal(vendor.start(meeting_id=UNKNOWN)) == (404, "Meeting not found")


def test_a_meeting_is_recorded_once_at_a_time_unless_more_is_allowed(vendor: Vendor) -> None:
    first = vendor.start().json()["data"]["id"]
    assert refusal(vendor.start())[0] == 409
    second = vendor.start(allow_multiple_recordings=True).json()["data"]["id"]
    vendor.pass_time(10)
    vendor.act(first, "stop")
    assert refusal(vendor.start())[0] == 409
    vendor.act(second, "stop")
    assert vendor.start().status_code == 200


def test_recordings_of_one_moment_in_one_meeting_keep_their_files_apart(vendor: Vendor) -> None:
    short, long = (
        vendor.start(allow_multiple_recordings=True).json()["data"]["id"] for _ in range(2)
    )
    for recording_id in (short, long):
        vendor.pass_time(20)
        vendor.act(recording_id, "stop")
    vendor.pass_time(5)
    first, second = (vendor.fetch(vendor.get(id)["download_url"]) for id in (short, long))
    assert first.content != second.content


# -- states ---------------------------------------------------------------------------------------


def test_pauses_do_not_count_as_recorded(vendor: Vendor) -> None:
    recording_id = vendor.started()
    for _ in range(2):
        vendor.pass_time(10)
        vendor.act(recording_id, "pause")
        vendor.pass_time(30)
        assert vendor.act(recording_id, "resume").json()["data"]["status"] == "RECORDING"
    vendor.act(recording_id, "stop")
    assert vendor.get(recording_id)["recording_duration"] == 20


def test_a_paused_recording_can_be_stopped(vendor: Vendor) -> None:
    recording_id = vendor.started()
    vendor.pass_time(10)
    vendor.act(recording_id, "pause")
    vendor.pass_time(10)
    assert vendor.act(recording_id, "stop").json()["data"]["recording_duration"] == 10


def test_verbs_out_of_turn_are_conflicts(vendor: Vendor) -> None:
    recording_id = vendor.start().json()["data"]["id"]
    out_of_turn = [
        ("pause", 0),  # INVOKED
        ("resume", 2),  # RECORDING
    ]
    for action, seconds in out_of_turn:
        vendor.pass_time(seconds)
        assert refusal(vendor.act(recording_id, action))[0] == 409
    vendor.act(recording_id, "pause")
    assert refusal(vendor.act(recording_id, "pause"))[0] == 409
    vendor.act(recording_id, "stop")
    for action in ("pause", "resume", "stop"):
        assert refusal(vendor.act(recording_id, action))[0] == 409


def test_an_unknown_action_is_a_bad_request(vendor: Vendor) -> None:
    recording_id = vendor.started()
    assert refusal(vendor.act(recording_id, "rewind"))[0] == 400
    assert refusal(vendor.ask("PUT", f"/recordings/{recording_id}", json={}))[0] == 400


def test_a_recording_ends_by_itself_at_its_longest(vendor: Vendor) -> None:
    recording_id = vendor.started(max_seconds=60)
    vendor.pass_time(59)
    assert vendor.get(recording_id)["status"] == "RECORDING"
    vendor.pass_time(1)
    assert vendor.get(recording_id)["status"] == "UPLOADING"
    vendor.pass_time(5)
    row = vendor.get(recording_id)
    assert row["status"] == "UPLOADED"
    assert row["recording_duration"] == 60
    assert row["stop_reason"] is None


def test_less_than_five_seconds_end_in_an_error(vendor: Vendor) -> None:
    short = vendor.uploaded(seconds=4)
    assert short["status"] == "ERRORED"
    assert short["file_size"] is None
    assert urls_of(short) == []
    assert vendor.uploaded(seconds=5)["status"] == "UPLOADED"


def test_the_active_recording_is_the_one_that_runs(vendor: Vendor) -> None:
    path = f"/recordings/active-recording/{vendor.room}"
    assert refusal(vendor.ask("GET", path))[0] == 404
    recording_id = vendor.started()
    vendor.act(recording_id, "pause")
    active = vendor.ask("GET", path).json()["data"]
    assert (active["id"], active["status"]) == (recording_id, "PAUSED")
    assert not {"meeting", "start_reason", "storage_config"} & set(active)
    vendor.act(recording_id, "stop")
    assert refusal(vendor.ask("GET", path))[0] == 404


def test_one_that_the_vendor_started_by_itself_is_active_too(vendor: Vendor) -> None:
    planted = vendor.emulator.add(
        ago=timedelta(minutes=3), duration=None, start_reason={"reason": "RECORD_ON_START"}
    )
    active = vendor.ask("GET", f"/recordings/active-recording/{vendor.room}").json()["data"]
    assert (active["id"], active["status"]) == (planted.id, "RECORDING")
    details = vendor.get(planted.id)
    assert details["start_reason"] == {"reason": "RECORD_ON_START"}
    assert details["stop_reason"] is None


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "name", "types"),
    [
        ({}, r"{room}_\d+\.mp4", ["video/mp4"]),
        ({"file_name_prefix": "weekly"}, r"weekly_{room}_\d+\.mp4", ["video/mp4"]),
        ({"audio_config": {}}, r"{room}_\d+\.mp4", ["video/mp4", "audio/mp4"]),
        ({"audio_config": {"codec": "MP3"}}, r"{room}_\d+\.mp4", ["video/mp4", "audio/mpeg"]),
        ({"audio_config": {"export_file": False}}, r"{room}_\d+\.mp4", ["video/mp4"]),
        (
            {"audio_config": {"codec": "MP3"}, "video_config": {"export_file": False}},
            r"{room}_\d+_audio\.mp3",
            ["audio/mpeg"],
        ),
        ({"video_config": {"codec": "VP8"}}, r"{room}_\d+\.webm", ["video/webm"]),
        (
            {"video_config": {"codec": "VP8"}, "audio_config": {"codec": "MP3"}},
            r"{room}_\d+\.webm",
            ["video/webm", "video/webm"],
        ),
        ({"interactive_config": {"type": "ID3"}}, r"{room}_\d+\.tar", ["application/x-tar"]),
    ],
    ids=str,
)
def test_the_configuration_decides_which_files_there_are(
    vendor: Vendor, body: dict[str, Any], name: str, types: list[str]
) -> None:
    row = vendor.uploaded(**body)
    assert re.fullmatch(name.replace("{room}", vendor.room), row["output_file_name"])
    answers = [vendor.fetch(url) for url in urls_of(row)]
    assert [answer.headers["Content-Type"] for answer in answers] == types
    assert row["file_size"] == len(answers[0].content)
    # One expiry for both URLs.
    assert row["download_url_expiry"] == "2026-06-08T12:00:37.000Z"


def test_without_realtimekits_bucket_there_is_no_url(vendor: Vendor) -> None:
    row = vendor.uploaded(
        audio_config={},
        realtimekit_bucket_config={"enabled": False},
        storage_config={"type": "gcs", "secret": "hush", "bucket": "ours"},
    )
    assert row["status"] == "UPLOADED"
    for name in ("download_url", "audio_download_url", "download_url_expiry"):
        assert row[name] is None
    assert row["storage_config"] == {"type": "gcs", "secret": "hush", "bucket": "ours"}


def test_a_storage_shows_secret_and_password_and_hides_the_keys(vendor: Vendor) -> None:
    storage = {
        "type": "sftp",
        "auth_method": "KEY",
        "host": "sftp.example.com",
        "port": 22,
        "password": "p",
        "secret": "s",
    }
    row = vendor.uploaded(storage_config={**storage, "access_key": "a", "private_key": "k"})
    assert row["storage_config"] == storage


# -- tracks ---------------------------------------------------------------------------------------


def test_a_start_of_tracks_answers_the_template_of_their_names(vendor: Vendor) -> None:
    payload = vendor.start("/recordings/track").json()
    row = payload["data"]["recording"]
    assert row["type"] == "TRACK"
    assert row["meeting_id"] == vendor.room
    assert row["output_file_name"].startswith("{{file_name_prefix}}_")
    assert row["output_file_name"].endswith(".webm")


def test_tracks_have_a_file_for_each_stay_of_each_participant(vendor: Vendor) -> None:
    recording_id = vendor.start("/recordings/track").json()["data"]["recording"]["id"]
    vendor.pass_time(32)
    vendor.act(recording_id, "stop")
    vendor.pass_time(5)
    row = vendor.get(recording_id)
    (layer,) = row["download_url"]
    assert layer["layer_name"] == "default"
    assert row["audio_download_url"] is None
    pattern = rf"{vendor.room}_user-(.+)_peer-(.+)_peer_audio_\d+\.webm"
    names = [re.fullmatch(pattern, name) for name in layer["download_urls"]]
    assert [name and name[1] for name in names] == ["alice", "bob_2", "6b1f6f0e-carol", "alice"]
    contents = [vendor.fetch(url).content for url in urls_of(row)]
    assert len(set(contents)) == 4
    assert row["file_size"] == sum(map(len, contents))


@pytest.mark.parametrize(
    "body",
    [
        {"meeting_id": "standup"},
        {"layers": {"default": {"media_kind": "video"}}},
        {"layers": {"other": {"media_kind": "audio"}}},
        {"user_ids": [f"user-{n}" for n in range(101)]},
        {"user_ids": "alice"},
        {"user_ids": [7]},
    ],
    ids=lambda body: next(iter(body)),
)
def test_tracks_beyond_what_is_documented_are_a_bad_request(
    vendor: Vendor, body: dict[str, Any]
) -> None:
    assert refusal(vendor.start("/recordings/track", **body))[0] == 400


def test_tracks_may_run_beside_the_picture_and_not_twice(vendor: Vendor) -> None:
    vendor.start()
    assert vendor.start("/recordings/track").status_code == 200
    assert refusal(vendor.start("/recordings/track"))[0] == 409


# -- the bucket -----------------------------------------------------------------------------------


@pytest.fixture
def url(vendor: Vendor) -> str:
    """The presigned URL of an audio file of some size."""
    return str(vendor.uploaded(audio_config={"codec": "MP3"})["audio_download_url"])


def s3_refusal(answer: requests.Response) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/xml"
    found = re.search("<Code>(.*)</Code>", answer.text)
    return answer.status_code, found[1] if found else ""


def test_a_presigned_url_is_on_another_origin_and_needs_no_token(vendor: Vendor, url: str) -> None:
    assert url.startswith(vendor.emulator.media_origin + "/")
    assert "X-Amz-Signature=" in url
    assert vendor.fetch(url).content.startswith(b"\xff\xf3")


def test_a_token_at_the_bucket_is_one_authorization_too_many(vendor: Vendor, url: str) -> None:
    answer = vendor.fetch(url, Authorization=f"Bearer {vendor.token}")
    assert s3_refusal(answer) == (400, "InvalidArgument")


def test_head_is_not_what_was_signed(vendor: Vendor, url: str) -> None:
    assert vendor.fetch(url, "HEAD").status_code == 403


def test_an_added_or_a_changed_parameter_breaks_the_signature(vendor: Vendor, url: str) -> None:
    for broken in (f"{url}&download=1", url[:-1] + ("0" if url[-1] != "0" else "1")):
        assert s3_refusal(vendor.fetch(broken)) == (403, "SignatureDoesNotMatch")
    other = url.replace(urlsplit(url).path, urlsplit(url).path + "x")
    assert s3_refusal(vendor.fetch(other)) == (403, "SignatureDoesNotMatch")


def test_without_a_signature_access_is_denied(vendor: Vendor, url: str) -> None:
    assert s3_refusal(vendor.fetch(url.partition("?")[0])) == (403, "AccessDenied")


def test_after_seven_days_the_url_expires_and_nothing_renews_it(vendor: Vendor) -> None:
    row = vendor.uploaded()
    vendor.clock.advance(timedelta(days=7) - timedelta(seconds=1))
    assert vendor.fetch(row["download_url"]).status_code == 200
    vendor.pass_time(1)
    answer = vendor.fetch(row["download_url"])
    assert s3_refusal(answer) == (403, "AccessDenied")
    assert "expired" in answer.text
    assert vendor.get(row["id"]) == row
    assert vendor.ids() == [row["id"]]


def test_a_range_is_served_while_the_file_is_the_same(vendor: Vendor, url: str) -> None:
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


def test_a_row_of_the_list_names_its_meeting_and_the_recording_itself_does_not(
    vendor: Vendor,
) -> None:
    recording_id = vendor.started()
    (row,) = vendor.page()["data"]
    assert row["meeting"]["id"] == vendor.room
    assert row["meeting"]["title"]
    assert not {"start_reason", "stop_reason"} & set(row)
    one = vendor.get(recording_id)
    assert "meeting" not in one
    assert one["start_reason"]["caller"]["user_Id"]


def test_the_past_is_the_same_for_the_same_seed(http: requests.Session, past: Vendor) -> None:
    def facts(vendor: Vendor) -> list[Any]:
        rows = vendor.page(per_page=100)["data"]
        return [(row["id"], row["invoked_time"], row["recording_duration"]) for row in rows]

    for seed, same in ((0, True), (1, False)):
        with RealtimeKitEmulator(recordings=45, seed=seed) as twin:
            assert (facts(Vendor(twin, http)) == facts(past)) is same


def test_the_past_has_every_quirk(past: Vendor) -> None:
    rows = past.page(per_page=100)["data"]
    uploaded = [row for row in rows if row["status"] == "UPLOADED"]
    assert len(rows) == len(past.emulator.listed()) == 45
    assert {row["status"] for row in rows} == {"UPLOADED", "ERRORED"}
    assert {type(row["file_size"]) for row in uploaded} == {int, str}
    assert {type(row["download_url"]) for row in uploaded} == {str, list, type(None)}
    assert any(row["recording_duration"] == 0 for row in uploaded)
    assert {"T" in row["started_time"] for row in rows} == {True, False}
    assert any("secret" in (row["storage_config"] or {}) for row in rows)
    assert any("password" in (row["storage_config"] or {}) for row in rows)
    assert {row["output_file_name"].rpartition(".")[2] for row in rows} == {"mp4", "tar", "webm"}
    assert {past.get(row["id"])["start_reason"]["reason"] for row in rows} == {
        "API_CALL",
        "RECORD_ON_START",
    }


def test_the_last_seven_days_have_each_shape_of_files_and_they_can_be_fetched(
    past: Vendor,
) -> None:
    rows = past.page(expired="false", per_page=100)["data"]
    assert {len(urls_of(row)) for row in rows} == {1, 2, 4}
    for row in rows:
        answers = [past.fetch(url) for url in urls_of(row)]
        assert all(answer.status_code == 200 for answer in answers)


def test_older_files_are_gone_though_their_rows_still_say_uploaded(past: Vendor) -> None:
    rows = past.page(expired="true", per_page=100)["data"]
    assert {row["status"] for row in rows} == {"UPLOADED"}
    for row in rows:
        assert {past.fetch(url).status_code for url in urls_of(row)} == {403}


@pytest.mark.parametrize("base", [0, 1])
def test_the_first_page_has_the_number_that_the_test_chose(
    http: requests.Session, base: int
) -> None:
    with RealtimeKitEmulator(recordings=7, page_base=base) as emulator:
        vendor = Vendor(emulator, http)
        pages = [vendor.ids(per_page=3, page_no=base + n) for n in range(4)]
        assert [len(page) for page in pages] == [3, 3, 1, 0]
        assert sorted(id for page in pages for id in page) == sorted(emulator.listed())
        assert vendor.ids(per_page=3) == pages[0]
        assert vendor.ids(per_page=3, page_no=0) == pages[0]


def test_offsets_count_from_one_and_an_empty_page_has_none(past: Vendor) -> None:
    def offsets(**query: int) -> list[int]:
        paging = past.page(**query)["paging"]
        return [paging[name] for name in ("start_offset", "end_offset", "total_count")]

    assert offsets() == [1, 25, 45]
    assert offsets(page_no=2) == [26, 45, 45]
    assert offsets(page_no=3) == [0, 0, 45]


def test_no_page_is_larger_than_the_largest(past: Vendor) -> None:
    past.emulator.largest_page = 10
    assert len(past.ids(per_page=1000)) == 10


def test_statuses_may_be_repeated_or_joined(past: Vendor) -> None:
    running = past.started()
    errored = past.ids(status="ERRORED")
    assert errored
    assert set(past.ids(status=["ERRORED", "RECORDING"])) == {*errored, running}
    assert set(past.ids(status="ERRORED,RECORDING")) == {*errored, running}


def test_a_search_finds_meetings_by_title_and_by_id(past: Vendor) -> None:
    rows = past.page(search="weekly", per_page=100)["data"]
    assert {row["meeting"]["title"] for row in rows} == {"Weekly sync"}
    assert [row["id"] for row in rows] == past.ids(search=past.room, per_page=100)
    assert past.ids(meeting_id=UNKNOWN) == []


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
def test_a_query_beyond_what_is_documented_is_a_bad_request(
    vendor: Vendor, query: dict[str, Any]
) -> None:
    assert refusal(vendor.ask("GET", "/recordings", params=query))[0] == 400


def test_what_a_test_removes_is_gone_with_its_files(vendor: Vendor) -> None:
    planted = vendor.emulator.add(ago=timedelta(days=1), duration=timedelta(minutes=10))
    row = vendor.get(planted.id)
    assert row["recording_duration"] == 600
    vendor.emulator.remove(planted.id)
    assert refusal(vendor.ask("GET", f"/recordings/{planted.id}"))[0] == 404
    assert vendor.fetch(row["download_url"]).status_code == 404
    assert vendor.emulator.listed() == vendor.ids() == []
