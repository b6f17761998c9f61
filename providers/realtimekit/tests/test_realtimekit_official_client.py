"""Cloudflare's official client library works with RealtimeKit's emulator.

The client validates every answer by the schemas of the API.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudflare import (
    APIResponseValidationError,
    AuthenticationError,
    BadRequestError,
    Cloudflare,
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableEntityError,
)

from recording_core.testing import ManualClock
from recording_realtimekit.emulator import RealtimeKitEmulator

UNKNOWN = "00000000-0000-4000-8000-000000000000"

pytestmark = pytest.mark.emulator("realtimekit", recordings=45)


class OfficialRealtimeKit:
    """The emulator, and the official client's recordings with the account filled in."""

    def __init__(
        self, emulator: RealtimeKitEmulator, clock: ManualClock, client: Cloudflare
    ) -> None:
        self.emulator = emulator
        self.clock = clock
        self.recordings = client.realtime_kit.recordings
        self.webhooks = client.realtime_kit.webhooks
        self.meeting_id = emulator.sessions[0].id
        self.account: dict[str, Any] = {"account_id": emulator.credentials["account_id"]}
        self.app_id = emulator.credentials["app_id"]
        self.app: dict[str, Any] = {**self.account, "app_id": self.app_id}

    def start(self, **body: Any) -> Any:
        body = {"meeting_id": self.meeting_id, **body}
        return self.recordings.start_recordings(self.app_id, **self.account, **body).data

    def start_tracks(self, **body: Any) -> Any:
        body = {"meeting_id": self.meeting_id, **body}
        answer = self.recordings.start_track_recording(self.app_id, **self.account, **body)
        assert answer.data is not None
        return answer.data.recording

    def send_action(self, recording_id: str, action: Any) -> Any:
        return self.recordings.pause_resume_stop_recording(
            recording_id, **self.app, action=action
        ).data

    def get(self, recording_id: str) -> Any:
        return self.recordings.get_one_recording(recording_id, **self.app).data

    def list_page(self, **query: Any) -> Any:
        return self.recordings.get_recordings(self.app_id, **self.account, **query)

    def advance(self, seconds: float) -> None:
        self.clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def vendor(
    emulator: RealtimeKitEmulator, manual_clock: ManualClock
) -> Iterator[OfficialRealtimeKit]:
    with build_client(emulator) as client:
        yield OfficialRealtimeKit(emulator, manual_clock, client)


def build_client(
    emulator: RealtimeKitEmulator, token: str | None = None, *, is_strict: bool = True
) -> Cloudflare:
    return Cloudflare(
        api_token=token or emulator.credentials["api_token"],
        base_url=emulator.base_url,
        max_retries=0,
        _strict_response_validation=is_strict,
    )


def test_a_recording_is_started_paused_resumed_stopped_and_uploaded(
    vendor: OfficialRealtimeKit,
) -> None:
    started = vendor.start(max_seconds=3600)
    assert started.status == "INVOKED"
    assert started.started_time is None
    vendor.advance(2)
    assert vendor.get(started.id).status == "RECORDING"
    vendor.advance(20)
    assert vendor.send_action(started.id, "pause").status == "PAUSED"
    vendor.advance(40)
    assert vendor.send_action(started.id, "resume").status == "RECORDING"
    vendor.advance(10)
    stopped = vendor.send_action(started.id, "stop")
    assert stopped.status == "UPLOADING"
    assert stopped.download_url is None
    assert stopped.stop_reason.reason == "API_CALL"
    vendor.advance(5)
    done = vendor.get(started.id)
    assert done.status == "UPLOADED"
    assert done.recording_duration == 30
    assert done.started_time == started.invoked_time + timedelta(seconds=2)
    assert done.stopped_time - done.started_time == timedelta(seconds=70)
    assert done.download_url_expiry == done.stopped_time + timedelta(days=7, seconds=5)
    assert done.output_file_name.endswith(".mp4")
    assert done.start_reason.caller.user_id
    assert done.stop_reason.caller.type == "ORGANIZATION"


def test_active_returns_the_recording_of_a_meeting(vendor: OfficialRealtimeKit) -> None:
    started = vendor.start()
    active = vendor.recordings.get_active_recordings(vendor.meeting_id, **vendor.app).data
    assert (active.id, active.status) == (started.id, "INVOKED")


def test_active_without_a_recording_is_not_found(vendor: OfficialRealtimeKit) -> None:
    with pytest.raises(NotFoundError) as caught:
        vendor.recordings.get_active_recordings(vendor.meeting_id, **vendor.app)
    assert caught.value.body == {
        "success": False,
        "error": {"code": 404, "message": "No active recording found for the meeting"},
    }
    # The client reads the gateway's list of errors, which RealtimeKit does not return.
    assert not caught.value.errors


def test_an_unknown_recording_and_an_unknown_meeting_are_not_found(
    vendor: OfficialRealtimeKit,
) -> None:
    with pytest.raises(NotFoundError):
        vendor.get(UNKNOWN)
    with pytest.raises(NotFoundError):
        vendor.send_action(UNKNOWN, "stop")
    with pytest.raises(NotFoundError):
        vendor.start(meeting_id=UNKNOWN)


def test_a_second_recording_of_a_meeting_must_be_allowed(vendor: OfficialRealtimeKit) -> None:
    first = vendor.start()
    with pytest.raises(ConflictError):
        vendor.start()
    assert vendor.start(allow_multiple_recordings=True).id != first.id


def test_a_body_outside_the_documented_bounds_is_refused(vendor: OfficialRealtimeKit) -> None:
    for body in ({"max_seconds": 59}, {"max_seconds": 86401}, {"video_config": {"width": 1921}}):
        with pytest.raises(UnprocessableEntityError):
            vendor.start(**body)


def test_a_wrong_token_is_rejected_by_the_gateway(vendor: OfficialRealtimeKit) -> None:
    with (
        build_client(vendor.emulator, "x" * 40) as other,
        pytest.raises(AuthenticationError) as caught,
    ):
        other.realtime_kit.recordings.get_recordings(vendor.app_id, **vendor.account)
    assert [(error.code, error.message) for error in caught.value.errors] == [
        (10000, "Authentication error")
    ]


def test_another_account_is_denied(vendor: OfficialRealtimeKit) -> None:
    with pytest.raises(PermissionDeniedError):
        vendor.recordings.get_recordings(vendor.app_id, account_id="0" * 32)


def test_tracks_are_an_array_of_layers_although_the_type_is_a_string(
    vendor: OfficialRealtimeKit,
) -> None:
    """The guide and the schemas contradict each other about one recording, not about a list."""
    started = vendor.start_tracks(
        layers={"default": {"media_kind": "audio", "file_name_prefix": "speaker"}},
        user_ids=["alice"],
    )
    assert started.output_file_name.startswith("{{file_name_prefix}}_")
    vendor.advance(60)
    vendor.send_action(started.id, "stop")
    vendor.advance(5)
    assert vendor.list_page(per_page=100, sort_order="DESC").data[0].id == started.id
    with pytest.raises(APIResponseValidationError):
        vendor.get(started.id)
    with build_client(vendor.emulator, is_strict=False) as lenient:
        answer = lenient.realtime_kit.recordings.get_one_recording(started.id, **vendor.app)
    data: Any = answer.data
    (layer,) = data.download_url
    assert layer["layer_name"] == "default"
    # Alice left and returned: one file for each of her two stays.
    assert len(layer["download_urls"]) == 2
    assert all(name.startswith("speaker_alice_") for name in layer["download_urls"])


def test_pages_contain_every_recording_once(vendor: OfficialRealtimeKit) -> None:
    seen: list[str] = []
    for page_no, expected in ((1, (1, 20)), (2, (21, 40)), (3, (41, 45))):
        page = vendor.list_page(
            page_no=page_no, per_page=20, sort_by="invokedTime", sort_order="DESC"
        )
        assert (page.paging.start_offset, page.paging.end_offset) == expected
        assert page.paging.total_count == 45
        seen += [item.id for item in page.data]
    assert sorted(seen) == sorted(vendor.emulator.list_ids())
    assert vendor.list_page(page_no=4, per_page=20).data == []


def test_rows_are_sorted_by_invoked_time(vendor: OfficialRealtimeKit) -> None:
    def list_times(word: Any) -> list[datetime]:
        page = vendor.list_page(per_page=50, sort_by="invokedTime", sort_order=word)
        return [item.invoked_time for item in page.data]

    assert list_times("ASC") == sorted(list_times("DESC"))
    assert list_times("DESC") == list_times("ASC")[::-1]


def test_statuses_are_repeated_in_the_query_and_filter_rows(vendor: OfficialRealtimeKit) -> None:
    page = vendor.list_page(status=["ERRORED", "RECORDING"], per_page=50)
    assert ("status", "ERRORED") in vendor.emulator.list_requests()[-1].query
    assert ("status", "RECORDING") in vendor.emulator.list_requests()[-1].query
    assert {item.status for item in page.data} == {"ERRORED"}
    assert {item.status for item in vendor.list_page(per_page=50).data} == {"ERRORED", "UPLOADED"}


def test_a_meeting_id_filters_rows_and_items_name_it(vendor: OfficialRealtimeKit) -> None:
    page = vendor.list_page(meeting_id=vendor.meeting_id, per_page=50)
    assert page.data
    assert {item.meeting.id for item in page.data} == {vendor.meeting_id}


def test_a_window_of_sixty_days_contains_every_row_in_it(vendor: OfficialRealtimeKit) -> None:
    since = vendor.clock.now() - timedelta(days=60)
    everything = vendor.list_page(per_page=100).data
    window = vendor.list_page(start_time=since, end_time=vendor.clock.now(), per_page=100).data
    assert [item.id for item in window] == [
        item.id for item in everything if item.invoked_time >= since
    ]
    assert 25 < len(window) < 35


def test_expired_selects_recordings_whose_files_were_removed(vendor: OfficialRealtimeKit) -> None:
    now = vendor.clock.now()
    gone = vendor.list_page(expired=True, per_page=100).data
    kept = vendor.list_page(expired=False, per_page=100).data
    assert gone
    assert kept
    assert all(item.status == "UPLOADED" for item in gone + kept)
    # Rows of tracks have no URL in a list, and so no expiry.
    assert all(item.download_url_expiry <= now for item in gone if item.download_url)
    assert all(item.download_url_expiry > now for item in kept if item.download_url)


def test_the_client_reads_every_time_of_every_row(vendor: OfficialRealtimeKit) -> None:
    for item in vendor.list_page(per_page=100).data:
        for at in (item.invoked_time, item.started_time, item.stopped_time):
            assert at.tzinfo == UTC


def test_a_storage_config_contains_the_secret_that_the_types_omit(
    vendor: OfficialRealtimeKit,
) -> None:
    started = vendor.start(
        storage_config={
            "type": "aws",
            "access_key": "AKIA",
            "secret": "hush",
            "bucket": "ours",
            "region": "eu-central-1",
        }
    )
    storage = started.storage_config
    assert (storage.type, storage.bucket, storage.region) == ("aws", "ours", "eu-central-1")
    assert storage.model_extra == {"secret": "hush"}


def test_every_answer_about_a_past_recording_is_valid(vendor: OfficialRealtimeKit) -> None:
    """A page and its rows; those of tracks show their array in their own answer alone."""
    rows = vendor.list_page(per_page=100).data
    assert len(rows) == 45
    refused = set()
    for row in rows:
        try:
            assert vendor.get(row.id).status == row.status
        except APIResponseValidationError:
            refused.add(row.output_file_name)
    assert all(name.startswith("{{file_name_prefix}}") for name in refused)


@pytest.mark.emulator("realtimekit", recordings=45, assume="all")
def test_no_assumption_invalidates_the_answers_about_a_composite(
    vendor: OfficialRealtimeKit,
) -> None:
    started = vendor.start()
    vendor.advance(20)
    for action in ("pause", "resume", "stop"):
        vendor.advance(2)
        assert vendor.send_action(started.id, action).id == started.id
    vendor.advance(5)
    assert vendor.get(started.id).status == "UPLOADED"
    assert vendor.list_page(status=["ERRORED"]).data
    with pytest.raises(ConflictError):
        vendor.send_action(started.id, "stop")


def test_every_filter_of_a_list_is_valid_alone_and_together(vendor: OfficialRealtimeKit) -> None:
    now = vendor.clock.now()
    filters: dict[str, Any] = {
        "expired": False,
        "meeting_id": vendor.meeting_id,
        "page_no": 1,
        "per_page": 25,
        "search": "weekly",
        "sort_by": "invokedTime",
        "sort_order": "DESC",
        "start_time": now - timedelta(days=90),
        "end_time": now,
        "status": ["UPLOADED"],
    }
    for name, value in filters.items():
        assert vendor.list_page(**{name: value}).success, name
    page = vendor.list_page(**filters)
    assert page.data
    assert {(row.meeting.id, row.status) for row in page.data} == {(vendor.meeting_id, "UPLOADED")}


def test_webhooks_are_created_changed_listed_and_deleted(vendor: OfficialRealtimeKit) -> None:
    hook: dict[str, Any] = {
        "name": "mine",
        "url": "https://hooks.example.com/rtk",
        "events": ["recording.statusUpdate", "meeting.summary"],
    }
    created = vendor.webhooks.create_webhook(vendor.app_id, **vendor.account, **hook).data
    assert (created.name, created.enabled, created.created_at) == ("mine", True, vendor.clock.now())
    (listed,) = vendor.webhooks.get_webhooks(vendor.app_id, **vendor.account).data
    assert listed.id == created.id
    edited = vendor.webhooks.edit_webhook(created.id, **vendor.app, enabled=False).data
    assert (edited.enabled, edited.events) == (False, hook["events"])
    replaced = vendor.webhooks.replace_webhook(created.id, **vendor.app, **hook).data
    assert (replaced.enabled, replaced.created_at) == (True, created.created_at)
    shown = vendor.webhooks.get_webhook_by_id(created.id, **vendor.app).data
    assert shown.to_dict() == replaced.to_dict()
    vendor.webhooks.delete_webhook(created.id, **vendor.app)
    assert vendor.webhooks.get_webhooks(vendor.app_id, **vendor.account).data == []
    for wrong in ({"events": ["recording.other"]}, {"url": "nowhere"}):
        with pytest.raises(BadRequestError):
            vendor.webhooks.create_webhook(vendor.app_id, **vendor.account, **{**hook, **wrong})
