"""RealtimeKit's samples are read as its pages document them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_realtimekit import mapping

#: A row of a list: https://developers.cloudflare.com/api/resources/realtime_kit
ROW: dict[str, Any] = {
    "id": "97cb480d-5840-4528-ace3-919b5e386c68",
    "audio_download_url": None,
    "download_url": "https://bucket.example/x.mp4?X-Amz-Signature=abc",
    "download_url_expiry": "2026-06-10T10:30:00.000Z",
    "file_size": 2044680,
    "invoked_time": "2026-06-03T09:59:55.120Z",
    "output_file_name": "50c8940e-1b97-402a-97d6-2708b7feca41_1780480795120.mp4",
    "session_id": "05e57591-d89e-45c9-ae44-08dc1eaad0e0",
    "started_time": "2026-06-03T10:00:00.000Z",
    "status": "UPLOADED",
    "stopped_time": "2026-06-03T10:30:00.000Z",
    "recording_duration": 1800,
    "meeting": {
        "id": "50c8940e-1b97-402a-97d6-2708b7feca41",
        "title": "Weekly sync",
        "created_at": "2026-06-01T09:59:55.120Z",
        "updated_at": "2026-06-01T09:59:55.120Z",
        "status": "ACTIVE",
        "record_on_start": False,
    },
}
BEFORE = datetime(2026, 6, 5, tzinfo=UTC)
AFTER = datetime(2026, 6, 11, tzinfo=UTC)


def read(now: datetime = BEFORE, **changes: Any) -> rec.Recording:
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not ...}
    return mapping.read_recording(row, "default", now)


def test_every_field_of_a_row_is_read() -> None:
    expires = datetime(2026, 6, 10, 10, 30, tzinfo=UTC)
    assert read() == rec.Recording(
        provider="realtimekit",
        account="default",
        id="97cb480d-5840-4528-ace3-919b5e386c68",
        kind=rec.SessionKind.MEETING,
        target=rec.meeting("50c8940e-1b97-402a-97d6-2708b7feca41"),
        reference="05e57591-d89e-45c9-ae44-08dc1eaad0e0",
        title="Weekly sync",
        status=rec.RecordingStatus.AVAILABLE,
        provider_status="UPLOADED",
        started_at=datetime(2026, 6, 3, 10, 0, tzinfo=UTC),
        ended_at=datetime(2026, 6, 3, 10, 30, tzinfo=UTC),
        created_at=datetime(2026, 6, 3, 9, 59, 55, 120000, tzinfo=UTC),
        duration=timedelta(minutes=30),
        size=2044680,
        format="mp4",
        files=(
            rec.MediaFile(
                id="video",
                role=rec.FileRole.VIDEO,
                format="mp4",
                media_type="video/mp4",
                size=2044680,
                duration=timedelta(minutes=30),
                url="https://bucket.example/x.mp4?X-Amz-Signature=abc",
                url_expires_at=expires,
                name="50c8940e-1b97-402a-97d6-2708b7feca41_1780480795120.mp4",
            ),
        ),
        media_expires_at=expires,
    )


def test_a_repr_omits_the_signature_of_a_url() -> None:
    assert "X-Amz-Signature=abc" not in repr(read())


@pytest.mark.parametrize(
    ("provider_status", "status"),
    [
        ("INVOKED", "pending"),
        ("RECORDING", "recording"),
        ("PAUSED", "paused"),
        ("UPLOADING", "processing"),
        ("UPLOADED", "available"),
        ("ERRORED", "failed"),
        ("TRANSMOGRIFIED", "unknown"),
        (None, "unknown"),
    ],
)
def test_every_provider_status_has_a_status(provider_status: str | None, status: str) -> None:
    recording = read(status=provider_status)
    assert recording.status == status
    assert recording.provider_status == provider_status


def test_every_status_of_the_table_is_tested() -> None:
    assert set(mapping.STATUSES) == {
        "INVOKED", "RECORDING", "PAUSED", "UPLOADING", "UPLOADED", "ERRORED",
    }  # fmt: skip


def test_uploaded_media_expires_by_the_clock() -> None:
    assert read(now=AFTER).status is rec.RecordingStatus.EXPIRED
    assert read(now=AFTER, status="ERRORED").status is rec.RecordingStatus.FAILED


def test_uploaded_without_a_url_is_available_in_the_customers_own_bucket() -> None:
    recording = read(download_url=None, download_url_expiry=None, now=AFTER)
    assert recording.status is rec.RecordingStatus.AVAILABLE
    assert recording.files == ()
    assert recording.format == "mp4"


def test_an_audio_file_is_read_with_the_video() -> None:
    files = read(audio_download_url="https://bucket.example/x_audio.mp3?X-Amz-Signature=d").files
    assert [(file.id, file.role, file.format, file.size) for file in files] == [
        ("video", "video", "mp4", 2044680),
        ("audio", "audio", "mp3", None),
    ]
    assert files[1].name == "x_audio.mp3"


def test_the_other_name_of_the_audio_url_is_read() -> None:
    assert read(audio_download_url=..., download_audio_url="https://b.example/a.aac").files[1].url


def test_tracks_are_an_array_of_layers_unlike_the_schema() -> None:
    name = "speaker_user-123_peer-456_peer_audio_1760000000000.webm"
    layers = [
        {"layer_name": "default", "download_urls": {name: {"download_url": "https://b.example/t"}}}
    ]
    recording = read(
        download_url=layers,
        output_file_name="{{file_name_prefix}}_user-{{user_id}}_peer_audio_{{ts}}.webm",
        type="TRACK",
    )
    (track,) = recording.files
    assert (track.role, track.id, track.participant) == ("track", name, "123")
    assert (track.format, track.media_type, track.size) == ("webm", "video/webm", None)
    assert track.url == "https://b.example/t"
    assert recording.format == "webm"


@pytest.mark.parametrize("layers", [[], [{}], [{"download_urls": None}], [None]])
def test_layers_without_urls_have_no_files(layers: list[Any]) -> None:
    assert read(download_url=layers).files == ()


@pytest.mark.parametrize("size", [2044680, "2044680"])
def test_a_size_is_a_number_or_a_string_of_digits(size: object) -> None:
    assert read(file_size=size).size == 2044680


def test_a_duration_of_zero_is_the_time_between_start_and_stop() -> None:
    recording = read(
        recording_duration=0,
        started_time="2023-01-25 04:51:35.903816Z",
        stopped_time="2023-01-25 04:52:22.903816Z",
    )
    assert recording.duration == timedelta(seconds=47)
    assert recording.started_at == datetime(2023, 1, 25, 4, 51, 35, 903816, tzinfo=UTC)


def test_an_absent_duration_is_unknown() -> None:
    assert read(recording_duration=None, stopped_time=None).duration is None
    assert read(recording_duration=..., started_time=None).duration is None


def test_a_single_recording_names_no_meeting() -> None:
    recording = read(meeting=...)
    assert recording.target is None
    assert recording.kind is rec.SessionKind.MEETING


def test_only_the_id_is_required() -> None:
    recording = mapping.read_recording({"id": "x"}, "default", BEFORE)
    assert recording == rec.Recording("realtimekit", "default", "x", rec.SessionKind.MEETING)


def test_a_failed_recording_has_the_reason_as_error() -> None:
    reason = {"reason": "INTERNAL_ERROR", "caller": {"type": "INTERNAL", "user_Id": "u"}}
    assert read(status="ERRORED", stop_reason=reason).error == "INTERNAL_ERROR"
    assert read(stop_reason=reason).error is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", None),
        ("id", 7),
        ("status", 7),
        ("file_size", -1),
        ("file_size", 1.5),
        ("file_size", "1_000"),
        ("file_size", "٧"),
        ("file_size", True),
        ("recording_duration", "1800"),
        ("recording_duration", -1),
        ("started_time", "soon"),
        ("started_time", 1780480795120),
        ("stopped_time", "57840-01-01T00:00:00Z"),
        ("invoked_time", "1026-06-03T09:59:55.120Z"),
        ("download_url", 7),
        ("download_url", {"url": "x"}),
        ("audio_download_url", ["x"]),
        ("meeting", "50c8940e"),
        ("session_id", 7),
        ("output_file_name", []),
    ],
)
def test_an_error_names_the_wrong_field_but_not_its_value(field: str, value: Any) -> None:
    with pytest.raises(rec.MalformedPayload) as caught:
        read(**{field: value})
    assert caught.value.path == field
    assert repr(value) not in str(caught.value)


@pytest.mark.parametrize(
    ("payload", "code", "kind", "is_error"),
    [
        (
            {
                "success": False,
                "errors": [{"code": 10000, "message": "Authentication error"}],
                "messages": [],
                "result": None,
            },
            "10000",
            rec.AuthenticationFailed,
            True,
        ),
        (
            {"success": False, "errors": [{"code": 7003, "message": "m"}]},
            "7003",
            rec.NotFound,
            True,
        ),
        ({"success": False, "error": {"code": 404, "message": "m"}}, "404", rec.NotFound, True),
        ({"success": False, "error": {"code": 409, "message": "m"}}, "409", rec.Conflict, True),
        ({"success": False, "error": {"code": 1005, "message": "m"}}, "1005", None, True),
        ({"message": "Unauthorized"}, None, None, False),
        ({"success": False, "errors": []}, None, None, True),
        ({"success": False, "errors": ["x"], "error": "y"}, None, None, True),
        ({"success": True, "data": {}}, None, None, False),
    ],
)
def test_both_error_shapes_are_read(
    payload: dict[str, Any],
    code: str | None,
    kind: type[rec.ProviderError] | None,
    is_error: bool,
) -> None:
    details = mapping.read_error_details(payload)
    assert (details.code, details.kind, details.is_error) == (code, kind, is_error)
