"""Does Cloudflare's own client library take the emulator for Cloudflare?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudflare import (
    AuthenticationError,
    BadRequestError,
    Cloudflare,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
)

from recording_core.testing.manual_clock import ManualClock
from recording_realtimekit.emulator import RealtimeKitEmulator

UNKNOWN = "00000000-0000-4000-8000-000000000000"


class Vendor:
    """The emulator, and the official client's recordings with the account filled in."""

    def __init__(
        self, emulator: RealtimeKitEmulator, clock: ManualClock, client: Cloudflare
    ) -> None:
        self.emulator = emulator
        self.clock = clock
        self.recordings = client.realtime_kit.recordings
        self.room = emulator.sessions[0].id
        self.account: dict[str, Any] = {"account_id": emulator.credentials["account_id"]}
        self.app_id = emulator.credentials["app_id"]
        self.where: dict[str, Any] = {**self.account, "app_id": self.app_id}

    def start(self, **body: Any) -> Any:
        body = {"meeting_id": self.room, **body}
        return self.recordings.start_recordings(self.app_id, **self.account, **body).data

    def start_tracks(self, **body: Any) -> Any:
        body = {"meeting_id": self.room, **body}
        answer = self.recordings.start_track_recording(self.app_id, **self.account, **body)
        assert answer.data is not None
        return answer.data.recording

    def act(self, recording_id: str, action: Any) -> Any:
        return self.recordings.pause_resume_stop_recording(
            recording_id, **self.where, action=action
        ).data

    def get(self, recording_id: str) -> Any:
        return self.recordings.get_one_recording(recording_id, **self.where).data

    def page(self, **query: Any) -> Any:
        return self.recordings.get_recordings(self.app_id, **self.account, **query)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    clock = ManualClock()
    with RealtimeKitEmulator(recordings=45, clock=clock) as emulator, client_of(emulator) as client:
        yield Vendor(emulator, clock, client)


def client_of(emulator: RealtimeKitEmulator, token: str | None = None) -> Cloudflare:
    return Cloudflare(
        api_token=token or emulator.credentials["api_token"],
        base_url=emulator.base_url,
        max_retries=0,
    )


def test_a_recording_is_started_paused_resumed_stopped_and_uploaded(vendor: Vendor) -> None:
    started = vendor.start(max_seconds=3600)
    assert started.status == "INVOKED"
    assert started.started_time is None
    vendor.pass_time(2)
    assert vendor.get(started.id).status == "RECORDING"
    vendor.pass_time(20)
    assert vendor.act(started.id, "pause").status == "PAUSED"
    vendor.pass_time(40)
    assert vendor.act(started.id, "resume").status == "RECORDING"
    vendor.pass_time(10)
    stopped = vendor.act(started.id, "stop")
    assert stopped.status == "UPLOADING"
    assert stopped.download_url is None
    assert stopped.stop_reason.reason == "API_CALL"
    vendor.pass_time(5)
    done = vendor.get(started.id)
    assert done.status == "UPLOADED"
    assert done.recording_duration == 30
    assert done.started_time == started.invoked_time + timedelta(seconds=2)
    assert done.stopped_time - done.started_time == timedelta(seconds=70)
    assert done.download_url_expiry == done.stopped_time + timedelta(days=7, seconds=5)
    assert done.output_file_name.endswith(".mp4")
    assert done.start_reason.caller.user_id


def test_the_active_recording_is_found_by_its_meeting(vendor: Vendor) -> None:
    started = vendor.start()
    active = vendor.recordings.get_active_recordings(vendor.room, **vendor.where).data
    assert (active.id, active.status) == (started.id, "INVOKED")


def test_no_active_recording_is_not_found(vendor: Vendor) -> None:
    with pytest.raises(NotFoundError) as caught:
        vendor.recordings.get_active_recordings(vendor.room, **vendor.where)
    assert caught.value.body == {
        "success": False,
        "error": {"code": 404, "message": "No active recording found for the meeting"},
    }
    # The client looks for the gateway's list of errors, which RealtimeKit does not give.
    assert not caught.value.errors


def test_an_unknown_recording_and_an_unknown_meeting_are_not_found(vendor: Vendor) -> None:
    with pytest.raises(NotFoundError):
        vendor.get(UNKNOWN)
    with pytest.raises(NotFoundError):
        vendor.act(UNKNOWN, "stop")
    with pytest.raises(NotFoundError):
        vendor.start(meeting_id=UNKNOWN)


def test_a_second_recording_of_a_meeting_wants_to_be_allowed(vendor: Vendor) -> None:
    first = vendor.start()
    with pytest.raises(ConflictError):
        vendor.start()
    assert vendor.start(allow_multiple_recordings=True).id != first.id


def test_a_body_beyond_the_documented_limits_is_a_bad_request(vendor: Vendor) -> None:
    for body in ({"max_seconds": 59}, {"max_seconds": 86401}, {"video_config": {"width": 1921}}):
        with pytest.raises(BadRequestError):
            vendor.start(**body)


def test_a_wrong_token_is_refused_by_the_gateway(vendor: Vendor) -> None:
    with (
        client_of(vendor.emulator, "x" * 40) as stranger,
        pytest.raises(AuthenticationError) as caught,
    ):
        stranger.realtime_kit.recordings.get_recordings(vendor.app_id, **vendor.account)
    assert [(error.code, error.message) for error in caught.value.errors] == [
        (10000, "Authentication error")
    ]


def test_somebody_elses_account_is_denied(vendor: Vendor) -> None:
    with pytest.raises(PermissionDeniedError):
        vendor.recordings.get_recordings(vendor.app_id, account_id="0" * 32)


def test_tracks_are_an_array_of_layers_though_the_types_say_text(vendor: Vendor) -> None:
    started = vendor.start_tracks(
        layers={"default": {"media_kind": "audio", "file_name_prefix": "speaker"}},
        user_ids=["alice"],
    )
    assert started.output_file_name.startswith("{{file_name_prefix}}_")
    vendor.pass_time(60)
    vendor.act(started.id, "stop")
    vendor.pass_time(5)
    (layer,) = vendor.get(started.id).download_url
    assert layer["layer_name"] == "default"
    # Alice left and came back: a file for each of her two peers.
    assert len(layer["download_urls"]) == 2
    assert all(name.startswith("speaker_user-alice_peer-") for name in layer["download_urls"])


def test_pages_together_hold_every_recording_once(vendor: Vendor) -> None:
    seen: list[str] = []
    for page_no, expected in ((1, (1, 20)), (2, (21, 40)), (3, (41, 45))):
        page = vendor.page(page_no=page_no, per_page=20, sort_by="invokedTime", sort_order="DESC")
        assert (page.paging.start_offset, page.paging.end_offset) == expected
        assert page.paging.total_count == 45
        seen += [item.id for item in page.data]
    assert sorted(seen) == sorted(vendor.emulator.listed())
    assert vendor.page(page_no=4, per_page=20).data == []


def test_rows_come_in_the_order_of_their_invocation(vendor: Vendor) -> None:
    def order(word: Any) -> list[datetime]:
        page = vendor.page(per_page=50, sort_by="invokedTime", sort_order=word)
        return [item.invoked_time for item in page.data]

    assert order("ASC") == sorted(order("DESC"))
    assert order("DESC") == order("ASC")[::-1]


def test_the_statuses_are_repeated_in_the_query_and_filter(vendor: Vendor) -> None:
    page = vendor.page(status=["ERRORED", "RECORDING"], per_page=50)
    assert ("status", "ERRORED") in vendor.emulator.requests()[-1].query
    assert ("status", "RECORDING") in vendor.emulator.requests()[-1].query
    assert {item.status for item in page.data} == {"ERRORED"}
    assert {item.status for item in vendor.page(per_page=50).data} == {"ERRORED", "UPLOADED"}


def test_the_meeting_filters_and_is_told(vendor: Vendor) -> None:
    page = vendor.page(meeting_id=vendor.room, per_page=50)
    assert page.data
    assert {item.meeting.id for item in page.data} == {vendor.room}


def test_a_window_of_sixty_days_yields_every_row_of_it(vendor: Vendor) -> None:
    since = vendor.clock.now() - timedelta(days=60)
    everything = vendor.page(per_page=100).data
    window = vendor.page(start_time=since, end_time=vendor.clock.now(), per_page=100).data
    assert [item.id for item in window] == [
        item.id for item in everything if item.invoked_time >= since
    ]
    assert 25 < len(window) < 35


def test_expired_tells_the_files_that_the_bucket_dropped(vendor: Vendor) -> None:
    now = vendor.clock.now()
    gone = vendor.page(expired=True, per_page=100).data
    kept = vendor.page(expired=False, per_page=100).data
    assert gone
    assert kept
    assert all(item.status == "UPLOADED" for item in gone + kept)
    assert all(item.download_url_expiry <= now for item in gone)
    assert all(item.download_url_expiry > now for item in kept)


def test_every_time_of_every_row_is_one_that_the_client_reads(vendor: Vendor) -> None:
    for item in vendor.page(per_page=100).data:
        for at in (item.invoked_time, item.started_time, item.stopped_time):
            assert at.tzinfo == UTC


def test_the_storage_is_told_with_the_secret_that_the_types_leave_out(vendor: Vendor) -> None:
    started = vendor.start(
        storage_config={
            "type": "aws",
            "access_key": "AKIA",
            "secret": "hush",
            "bucket": "ours",
            "region": "eu-central-1",
        }
    )
    told = started.storage_config
    assert (told.type, told.bucket, told.region) == ("aws", "ours", "eu-central-1")
    assert told.model_extra == {"secret": "hush"}
