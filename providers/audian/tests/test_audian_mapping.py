"""Mapping: every sample of Audian's pages is read in full.

The samples are those of https://docs.audian.com/call-control/call-recording and
https://docs.audian.com/conferences/recording, unchanged. The client's tests cover request bodies.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import recording_core as rec
from recording_audian import mapping
from recording_audian.webhooks import AudianWebhooks
from recording_core.plugin import decode_json

BASE = "https://api.audian.com:8443/v2"
#: within the retention of the calls' sample, and at its end
NOW = datetime(2024, 1, 20, tzinfo=UTC)
LATER = datetime(2024, 2, 14, 10, 35, 10, tzinfo=UTC)
CALL = rec.call("call_xyz789")
CONFERENCE = rec.conference("conf_abc123def456")

STARTED_AT = datetime(2024, 1, 15, 10, 30, 5, tzinfo=UTC)
STOPPED_AT = datetime(2024, 1, 15, 10, 35, 10, tzinfo=UTC)

# -- calls: https://docs.audian.com/call-control/call-recording ------------------------------------

START = {
    "call_id": "call_xyz789",
    "recording_id": "rec_abc123",
    "status": "recording",
    "started_at": "2024-01-15T10:30:05Z",
    "format": "mp3",
}
STOP = {
    "call_id": "call_xyz789",
    "recording_id": "rec_abc123",
    "status": "stopped",
    "stopped_at": "2024-01-15T10:35:10Z",
    "duration": 305,
}
GET = {
    "recording_id": "rec_abc123",
    "call_id": "call_xyz789",
    "duration": 305,
    "file_size": 1536000,
    "file_format": "mp3",
    "bitrate": 64,
    "sample_rate": 16000,
    "channels": 1,
    "status": "completed",
    "created_at": "2024-01-15T10:35:10Z",
    "completed_at": "2024-01-15T10:36:00Z",
}
LIST = {
    "data": [
        {
            "recording_id": "rec_abc123",
            "call_id": "call_xyz789",
            "duration": 305,
            "file_size": 1536000,
            "status": "completed",
            "created_at": "2024-01-15T10:35:10Z",
        },
        {
            "recording_id": "rec_abc124",
            "call_id": "call_xyz790",
            "duration": 125,
            "file_size": 640000,
            "status": "completed",
            "created_at": "2024-01-14T14:20:30Z",
        },
    ],
    "pagination": {"total": 152, "limit": 50, "offset": 0, "has_more": True},
}
DELETE = {"recording_id": "rec_abc123", "deleted_at": "2024-01-15T11:00:00Z"}
COMPLETED_IN_SHORT = {
    "event": "recording.completed",
    "data": {
        "recording_id": "rec_abc123",
        "call_id": "call_xyz789",
        "download_url": "https://api.audian.com:8443/v2/recordings/rec_abc123/download",
        "file_size": 1536000,
        "duration": 305,
        "completed_at": "2024-01-15T10:36:00Z",
    },
}
STARTED = {
    "event": "recording.started",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "started_at": "2024-01-15T10:30:05Z",
    },
}
STOPPED = {
    "event": "recording.stopped",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "duration": 305,
        "stopped_at": "2024-01-15T10:35:10Z",
    },
}
COMPLETED: dict[str, Any] = {
    "event": "recording.completed",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "duration": 305,
        "file_size": 1536000,
        "file_format": "mp3",
        "download_url": "https://api.audian.com:8443/v2/recordings/rec_abc123/download",
        "completed_at": "2024-01-15T10:36:00Z",
        "checksum": {"algorithm": "sha256", "value": "abcdef0123456789"},
    },
}
FAILED = {
    "event": "recording.failed",
    "data": {
        "call_id": "call_xyz789",
        "recording_id": "rec_abc123",
        "reason": "storage_error",
        "failed_at": "2024-01-15T10:36:00Z",
    },
}

# -- conferences: https://docs.audian.com/conferences/recording ------------------------------------

CONFERENCE_START = {
    "id": "rec_abc123def456",
    "conference_id": "conf_abc123def456",
    "name": "Team Standup - Feb 4",
    "status": "recording",
    "format": "wav",
    "quality": "high",
    "started_at": "2024-02-04T11:30:00Z",
    "ended_at": None,
    "duration": None,
    "size": None,
    "url": None,
}
CONFERENCE_STOP = {
    "id": "rec_abc123def456",
    "conference_id": "conf_abc123def456",
    "name": "Team Standup - Feb 4",
    "status": "completed",
    "format": "wav",
    "quality": "high",
    "started_at": "2024-02-04T11:30:00Z",
    "ended_at": "2024-02-04T12:00:00Z",
    "duration": 1800,
    "size": 57600000,
    "url": "https://api.audian.com:8443/v2/recordings/rec_abc123def456/download",
    "created_at": "2024-02-04T11:30:00Z",
}
CONFERENCE_LIST = {
    "recordings": [
        {
            "id": "rec_abc123def456",
            "conference_id": "conf_abc123def456",
            "name": "Team Standup - Feb 4",
            "status": "completed",
            "format": "wav",
            "duration": 1800,
            "size": 57600000,
            "started_at": "2024-02-04T11:30:00Z",
            "ended_at": "2024-02-04T12:00:00Z",
            "url": "https://api.audian.com:8443/v2/recordings/rec_abc123def456/download",
        }
    ],
    "total": 1,
    "limit": 10,
    "offset": 0,
}

#: The one file of the calls' sample, and of the conferences'.
FILE = rec.MediaFile(
    id="mix",
    role=rec.FileRole.MIX,
    format="mp3",
    media_type="audio/mpeg",
    size=1536000,
    duration=timedelta(seconds=305),
    channels=1,
    url="https://api.audian.com:8443/v2/recordings/rec_abc123/download",
)
CONFERENCE_RECORDING = rec.Recording(
    provider="audian",
    account="default",
    id="rec_abc123def456",
    kind=rec.SessionKind.CONFERENCE,
    target=CONFERENCE,
    title="Team Standup - Feb 4",
    status=rec.RecordingStatus.AVAILABLE,
    provider_status="completed",
    started_at=datetime(2024, 2, 4, 11, 30, tzinfo=UTC),
    ended_at=datetime(2024, 2, 4, 12, 0, tzinfo=UTC),
    created_at=datetime(2024, 2, 4, 11, 30, tzinfo=UTC),
    duration=timedelta(minutes=30),
    size=57600000,
    format="wav",
    files=(
        rec.MediaFile(
            id="mix",
            role=rec.FileRole.MIX,
            format="wav",
            media_type="audio/wav",
            size=57600000,
            duration=timedelta(minutes=30),
            url="https://api.audian.com:8443/v2/recordings/rec_abc123def456/download",
        ),
    ),
)


def read(row: dict[str, Any], now: datetime = NOW, **changes: Any) -> rec.Recording:
    row = {key: value for key, value in {**row, **changes}.items() if value is not ...}
    return mapping.read_recording(row, "default", BASE, now)


def read_event(event: Any, now: datetime = NOW) -> rec.Recording:
    request = rec.WebhookRequest(
        "POST", "https://hooks.example.com/", {}, json.dumps(event).encode()
    )
    (found,) = AudianWebhooks().parse(request, account="default", now=now)
    assert found.recording is not None
    return found.recording


def read_session(row: dict[str, Any], target: rec.CommunicationSession) -> rec.RecordingSession:
    return mapping.read_session(row, target, "default", BASE, NOW)


def read_json(row: dict[str, Any]) -> rec.Recording:
    """Read a row from JSON, in which any value of Python may be written."""
    given = {key: value for key, value in row.items() if value is not ...}
    return mapping.read_recording(decode_json(json.dumps(given).encode()), "default", BASE, NOW)


#: Values that no optional field of a recording has; a text may be a title or a format.
ABSURD_VALUES: tuple[Any, ...] = (
    *(-1, True, [], {}, [[]], {"x": 1}, 2**70, "0000-00-00", "0001-01-01T00:00:00Z", "\ud83d"),
)
#: (row, field, attribute of `Recording`)
OPTIONAL_FIELDS: tuple[tuple[dict[str, Any], str, str], ...] = (
    (GET, "duration", "duration"),
    (GET, "file_size", "size"),
    (GET, "file_format", "format"),
    (GET, "bitrate", "bit_rate"),
    (GET, "sample_rate", "sample_rate"),
    (GET, "channels", "channels"),
    (GET, "created_at", "created_at"),
    (START, "started_at", "started_at"),
    (STOP, "stopped_at", "ended_at"),
    (CONFERENCE_STOP, "name", "title"),
    (CONFERENCE_STOP, "format", "format"),
    (CONFERENCE_STOP, "size", "size"),
    (CONFERENCE_STOP, "started_at", "started_at"),
    (CONFERENCE_STOP, "ended_at", "ended_at"),
    (CONFERENCE_STOP, "created_at", "created_at"),
)


class TestCalls:
    def test_the_response_to_a_get_is_read_in_full(self) -> None:
        assert read(GET) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.AVAILABLE,
            provider_status="completed",
            started_at=None,  # 10:30:05 in other responses; this one has no such field
            ended_at=None,
            created_at=STOPPED_AT,
            duration=timedelta(seconds=305),
            size=1536000,
            format="mp3",
            channels=1,
            sample_rate=16000,
            bit_rate=64000,
            files=(FILE,),
            media_expires_at=datetime(2024, 2, 14, 10, 35, 10, tzinfo=UTC),
        )

    def test_a_start_is_read_as_a_recording_session(self) -> None:
        assert read_session(START, CALL) == rec.RecordingSession(
            provider="audian",
            account="default",
            id="rec_abc123",
            target=CALL,
            status=rec.RecordingStatus.RECORDING,
            provider_status="recording",
            started_at=STARTED_AT,
        )
        assert read(START).format == "mp3"
        assert read(START).files == (), "no media exists yet, and no URL is built"

    def test_a_stop_is_read_as_a_processing_session(self) -> None:
        assert read_session(STOP, CALL) == rec.RecordingSession(
            provider="audian",
            account="default",
            id="rec_abc123",
            target=CALL,
            status=rec.RecordingStatus.PROCESSING,
            provider_status="stopped",
            stopped_at=STOPPED_AT,
        )
        assert read(STOP).duration == timedelta(seconds=305)

    def test_the_rows_of_a_list_have_fewer_fields(self) -> None:
        page = mapping.read_page(LIST, 0)
        first, second = (read(row) for row in page.rows)
        assert (first.id, first.target, first.size) == ("rec_abc123", CALL, 1536000)
        assert first.created_at == STOPPED_AT
        assert (first.format, first.channels, first.bit_rate) == (None, None, None)
        assert first.files[0].url == FILE.url
        assert (second.id, second.target) == ("rec_abc124", rec.call("call_xyz790"))
        assert second.duration == timedelta(seconds=125)
        assert second.size == 640000
        assert second.created_at == datetime(2024, 1, 14, 14, 20, 30, tzinfo=UTC)
        assert {first.status, second.status} == {rec.RecordingStatus.AVAILABLE}

    def test_a_deletion_has_its_time(self) -> None:
        assert read(DELETE) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            status=rec.RecordingStatus.DELETED,
            deleted_at=datetime(2024, 1, 15, 11, 0, tzinfo=UTC),
        )

    def test_the_media_expires_thirty_days_after_created_at(self) -> None:
        assert read(GET, LATER - timedelta(seconds=1)).status is rec.RecordingStatus.AVAILABLE
        assert read(GET, LATER).status is rec.RecordingStatus.EXPIRED
        assert read(GET, LATER).provider_status == "completed"
        assert read(GET, LATER, status="failed").status is rec.RecordingStatus.FAILED
        for word in ("stopped", "processing"):
            early = read(GET, LATER - timedelta(seconds=1), status=word)
            assert early.status is rec.RecordingStatus.PROCESSING
            assert read(GET, LATER, status=word).status is rec.RecordingStatus.EXPIRED

    def test_a_size_of_zero_is_not_a_size(self) -> None:
        recording = read(GET, file_size=0)
        assert (recording.size, recording.files[0].size) == (None, None)
        assert recording.unread_fields == ()


class TestConferences:
    def test_a_stop_is_read_with_its_recording(self) -> None:
        assert read_session(CONFERENCE_STOP, CONFERENCE) == rec.RecordingSession(
            provider="audian",
            account="default",
            id="rec_abc123def456",
            target=CONFERENCE,
            status=rec.RecordingStatus.AVAILABLE,
            provider_status="completed",
            started_at=datetime(2024, 2, 4, 11, 30, tzinfo=UTC),
            stopped_at=datetime(2024, 2, 4, 12, 0, tzinfo=UTC),
            recordings=(CONFERENCE_RECORDING,),
        )

    def test_a_start_is_read_as_a_recording_session(self) -> None:
        assert read_session(CONFERENCE_START, CONFERENCE) == rec.RecordingSession(
            provider="audian",
            account="default",
            id="rec_abc123def456",
            target=CONFERENCE,
            status=rec.RecordingStatus.RECORDING,
            provider_status="recording",
            started_at=datetime(2024, 2, 4, 11, 30, tzinfo=UTC),
        )
        started = read(CONFERENCE_START)
        assert (started.title, started.format) == ("Team Standup - Feb 4", "wav")
        assert (started.size, started.duration, started.files) == (None, None, ())

    def test_a_row_of_a_list_has_all_fields_but_created_at(self) -> None:
        page = mapping.read_page(CONFERENCE_LIST, 0)
        (row,) = page.rows
        assert (page.total, page.has_more) == (1, False)
        assert read(row) == read(CONFERENCE_STOP, created_at=...)

    def test_no_expiry_is_computed_for_a_conference(self) -> None:
        recording = read(CONFERENCE_STOP, datetime(2034, 1, 1, tzinfo=UTC))
        assert recording.media_expires_at is None
        assert recording.status is rec.RecordingStatus.AVAILABLE

    def test_a_row_without_a_conference_gets_the_target_of_the_request(self) -> None:
        assert read(CONFERENCE_STOP, conference_id=...).target is None
        assert read(CONFERENCE_STOP, conference_id=...).kind is rec.SessionKind.CONFERENCE
        row = {key: value for key, value in CONFERENCE_STOP.items() if key != "conference_id"}
        assert read_session(row, CONFERENCE).recordings == (CONFERENCE_RECORDING,)

    def test_a_quality_stays_in_raw(self) -> None:
        # The tables contradict each other: "high" is 256 kbps, and an hour of WAV 1.3 GB.
        assert read(CONFERENCE_STOP).bit_rate is None
        assert read(CONFERENCE_STOP).raw["quality"] == "high"


class TestBoth:
    @pytest.mark.parametrize(
        ("provider_status", "status"),
        [
            ("initiated", "pending"),
            ("recording", "recording"),
            ("paused", "paused"),
            ("stopped", "processing"),
            ("processing", "processing"),
            ("completed", "available"),
            ("failed", "failed"),
            ("transmogrified", "unknown"),
            (None, "unknown"),
        ],
    )
    def test_every_documented_status_is_mapped(
        self, provider_status: str | None, status: str
    ) -> None:
        for row in (GET, CONFERENCE_STOP):
            recording = read(row, status=provider_status)
            assert recording.status == status
            assert recording.provider_status == provider_status

    def test_the_table_has_no_status_that_is_not_tested(self) -> None:
        assert set(mapping.STATUSES) == {
            "initiated", "recording", "paused", "stopped", "processing", "completed", "failed",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("status", "files"),
        [
            ("initiated", 0),
            ("recording", 0),
            ("paused", 0),
            ("stopped", 0),
            ("processing", 0),
            ("failed", 0),
            ("completed", 1),
            ("an unknown status", 1),
        ],
    )
    def test_a_url_is_built_only_if_media_may_exist(self, status: str, files: int) -> None:
        for row in (GET, CONFERENCE_START):
            assert len(read(row, status=status).files) == files

    def test_the_id_in_a_built_url_is_percent_encoded(self) -> None:
        (file,) = read(GET, recording_id="rec/../a b?c").files
        assert file.url == f"{BASE}/recordings/rec%2F..%2Fa%20b%3Fc/download"

    @pytest.mark.parametrize("format", ["wav", "mp3", "opus", "m4a"])
    def test_each_documented_format_has_its_media_type(self, format: str) -> None:
        for row, name in ((GET, "file_format"), (CONFERENCE_STOP, "format")):
            recording = read({**row, name: format.upper()})
            assert recording.format == recording.files[0].format == format
            assert recording.files[0].media_type is not None

    def test_a_missing_duration_is_computed_from_start_and_end(self) -> None:
        assert read(CONFERENCE_STOP, duration=None).duration == timedelta(minutes=30)
        assert read(CONFERENCE_STOP, duration=None, ended_at=None).duration is None
        assert read(GET, duration=None).duration is None
        early = "2024-02-04T11:00:00Z"
        assert read(CONFERENCE_STOP, duration=None, ended_at=early).duration is None

    def test_a_computed_duration_is_not_that_of_the_file(self) -> None:
        found = read(CONFERENCE_STOP, duration=None, status="completed")
        assert found.duration == timedelta(minutes=30)
        assert [file.duration for file in found.files] == [None], "the vendor reports none"
        reported = read(CONFERENCE_STOP, status="completed")
        assert [file.duration for file in reported.files] == [timedelta(minutes=30)]

    def test_a_duration_of_zero_is_kept(self) -> None:
        assert read(GET, duration=0).duration == timedelta(0)
        assert read(CONFERENCE_STOP, duration=0).duration == timedelta(0)

    def test_null_and_absent_fields_are_read_alike(self) -> None:
        for row in (GET, CONFERENCE_STOP):
            ids = {"recording_id", "call_id", "id", "conference_id"}
            gone = {key: value for key, value in row.items() if key in ids}
            null = {key: value if key in ids else None for key, value in row.items()}
            assert read(gone) == read(null)

    def test_only_the_id_is_required(self) -> None:
        assert read({"recording_id": "x"}).kind is rec.SessionKind.CALL
        assert read({"id": "x"}).kind is rec.SessionKind.CONFERENCE

    @pytest.mark.parametrize(
        ("row", "field", "value"),
        [
            (GET, "recording_id", None),
            (GET, "recording_id", 7),
            (GET, "recording_id", ...),
            (GET, "recording_id", "rec\u200b1\n"),
            (GET, "recording_id", ".."),
            (GET, "recording_id", "rec_\ud83d"),
            (GET, "recording_id", 2**70),
            (CONFERENCE_STOP, "id", None),
            (CONFERENCE_STOP, "id", ""),
        ],
    )
    def test_an_error_names_the_id_that_cannot_be_read(
        self, row: dict[str, Any], field: str, value: Any
    ) -> None:
        with pytest.raises(rec.MalformedPayload) as caught:
            read_json({**row, field: value})
        assert caught.value.path == field
        assert str(caught.value).isprintable(), "the id is escaped"

    @pytest.mark.parametrize(("row", "field", "attribute"), OPTIONAL_FIELDS)
    @pytest.mark.parametrize("value", ABSURD_VALUES, ids=repr)
    def test_an_unread_field_costs_that_field_alone(
        self, row: dict[str, Any], field: str, attribute: str, value: Any
    ) -> None:
        good, found = read(row), read_json({**row, field: value})
        if isinstance(value, str) and attribute in ("title", "format"):
            expected = value.replace("\ud83d", "\ufffd")
            expected = expected.lower() if attribute == "format" else expected
            assert getattr(found, attribute) == expected
            assert found.unread_fields == ((field,) if "\ud83d" in value else ())
        else:
            assert getattr(found, attribute) is None
            assert found.unread_fields == (field,)
        assert (found.id, found.kind, found.status) == (good.id, good.kind, good.status)
        assert len(found.files) == len(good.files)
        assert [each.url for each in found.files] == [each.url for each in good.files]

    def test_a_recording_with_every_optional_field_unread_is_still_a_recording(self) -> None:
        for row in (GET, CONFERENCE_STOP):
            ids = {"recording_id", "id", "status"}
            optional = set(row) - ids - {"completed_at", "quality"}
            texts = {"call_id", "conference_id", "name", "file_format", "format"}
            for value in ABSURD_VALUES:
                odd = {key: value if key in optional else row[key] for key in row}
                found, good = read_json(odd), read(row)
                assert (found.id, found.status, found.kind) == (good.id, good.status, good.kind)
                assert [each.url for each in found.files] == [each.url for each in good.files]
                is_text = isinstance(value, str) and value != "\ud83d"
                unread = optional - texts if is_text else optional
                assert unread <= set(found.unread_fields) <= set(row) - ids

    def test_an_unread_status_is_unknown(self) -> None:
        for row in (GET, CONFERENCE_STOP):
            found = read_json({**row, "status": 7})
            assert (found.status, found.provider_status) == (rec.RecordingStatus.UNKNOWN, None)
            assert found.unread_fields == ("status",)
            assert len(found.files) == 1, "one download may be tried"

    def test_an_unread_duration_of_a_conference_is_computed_and_named(self) -> None:
        found = read_json({**CONFERENCE_STOP, "duration": -1731660518})
        assert found.duration == timedelta(minutes=30)
        assert found.unread_fields == ("duration",)

    @pytest.mark.parametrize("url", [7, "rec_1/download", "file:///etc/passwd", "https://x/\ud83d"])
    def test_no_file_has_an_unread_url(self, url: Any) -> None:
        found = read_json({**CONFERENCE_STOP, "url": url})
        assert found.status is rec.RecordingStatus.AVAILABLE
        assert [each.url for each in found.files] == [CONFERENCE_RECORDING.files[0].url]
        assert found.unread_fields == ("url",)
        assert read_json({**CONFERENCE_START, "url": url}).files == ()

    def test_an_unread_time_of_a_deletion_does_not_change_its_status(self) -> None:
        for value in ABSURD_VALUES:
            assert read_json({**DELETE, "deleted_at": value}).status is rec.RecordingStatus.DELETED
            found = read_json({**GET, "deleted_at": value})
            assert found.status is rec.RecordingStatus.AVAILABLE, "the status decides"
            assert found.unread_fields == ("deleted_at",)

    def test_a_bit_rate_fits_into_our_own_json(self) -> None:
        found = read(GET, bitrate=2**62)
        assert (found.bit_rate, found.unread_fields) == (None, ("bitrate",))
        assert rec.loads(rec.dumps(found), rec.Recording) == found

    def test_an_unread_id_of_a_session_is_not_replaced_by_another_field(self) -> None:
        found = read({**GET, "call_id": 7, "conference_id": "conf_1"})
        assert (found.target, found.kind) == (None, rec.SessionKind.CALL)
        found = read({"recording_id": "rec_1", "conference_id": 7})
        assert (found.target, found.kind) == (None, rec.SessionKind.CONFERENCE)

    def test_a_row_of_a_call_may_have_its_id_in_id(self) -> None:
        # Rows of the engine have `id` and `call_id`; `recording_id` is preferred.
        found = read(GET, recording_id=..., id="rec_1")
        assert (found.id, found.target) == ("rec_1", CALL)
        assert read(GET, id="rec_1").id == "rec_abc123"
        assert mapping.read_row_id({"id": "rec_1", "call_id": "x"}) == "rec_1"
        assert mapping.read_row_id({**GET, "id": "rec_1"}) == "rec_abc123"

    @pytest.mark.parametrize(
        "body",
        [
            {"format": "mp3", "participant": "all"},
            {"participant": "all"},
            {"participant": "caller"},
            {"participant": "callee"},
            {"name": "Team Standup - Feb 4", "format": "wav"},
            {"name": "Weekly Meeting", "record": True},
            {
                "from": "+14155552671",
                "to": "+14155552672",
                "recording": {"enabled": True, "format": "mp3", "participant": "all"},
            },
            {
                "from": "+14155552671",
                "to": "+14155552672",
                "recording": {
                    "enabled": True,
                    "announce": True,
                    "announcement": "This call is being recorded",
                },
            },
            {
                "name": "Recorded Support Line",
                "phone_number": "+14155552671",
                "recording": {"enabled": True, "format": "mp3", "participant": "all"},
                "routing": [
                    {
                        "pattern": "*",
                        "destination": "+14155552673",
                        "destination_type": "phone_number",
                    }
                ],
            },
        ],
    )
    def test_a_request_body_is_not_read_as_a_recording(self, body: dict[str, Any]) -> None:
        with pytest.raises(rec.MalformedPayload, match="'id'"):
            read(body)
        with pytest.raises(rec.WebhookRejected, match="'event'"):
            read_event(body)


class TestEnvelopes:
    @pytest.mark.parametrize(
        "envelope",
        [
            lambda payload: payload,
            lambda payload: {
                "auth_token": "***",
                "data": payload,
                "request_id": "4c1f",
                "revision": "automatic",
                "status": "success",
            },
            lambda payload: {"success": True, "data": payload},
            lambda payload: {"data": payload},
        ],
    )
    def test_a_response_is_read_alike_in_every_envelope(self, envelope: Any) -> None:
        assert read(dict(mapping.read_data(envelope(GET)))) == read(GET)
        assert mapping.read_page(envelope(LIST), 0) == mapping.read_page(LIST, 0)
        assert mapping.read_page(envelope(CONFERENCE_LIST), 0) == mapping.read_page(
            CONFERENCE_LIST, 0
        )

    def test_rows_may_be_the_data_of_an_envelope(self) -> None:
        page = mapping.read_page({"success": True, **LIST}, 0)
        assert page == mapping.read_page(LIST, 0)

    @pytest.mark.parametrize("payload", [None, [], 7, "words", True])
    def test_a_response_that_is_not_an_object_is_malformed(self, payload: Any) -> None:
        for read in (
            mapping.read_data,
            mapping.read_token,
            lambda each: mapping.read_page(each, 0),
        ):
            with pytest.raises(rec.MalformedPayload):
                read(payload)

    def test_the_documented_lists_have_a_step_and_has_more(self) -> None:
        calls, conference = mapping.read_page(LIST, 0), mapping.read_page(CONFERENCE_LIST, 0)
        # The sample shows two rows of a limit of fifty: the step is what came.
        assert (calls.total, calls.step, calls.has_more) == (152, 2, True)
        assert (conference.total, conference.step, conference.has_more) == (1, 1, False)

    @pytest.mark.parametrize(
        ("rows", "offset", "total", "has_more"),
        [(10, 0, 30, True), (10, 20, 30, False), (10, 10, 30, True), (0, 0, 0, False)],
    )
    def test_a_conference_list_has_more_until_the_total_is_reached(
        self, rows: int, offset: int, total: int, has_more: bool
    ) -> None:
        payload = {"recordings": [{}] * rows, "total": total, "limit": 10, "offset": offset}
        assert mapping.read_page(payload, offset).has_more is has_more

    @pytest.mark.parametrize(
        ("paging", "key"),
        [
            ({"page_size": 25}, None),
            ({"page_size": 25, "next_start_key": None}, None),
            ({"page_size": 25, "next_start_key": ""}, None),
            ({"page_size": 25, "next_start_key": "g2wAAAAC"}, "g2wAAAAC"),
            ({"next_start_key": 63876672000, "start_key": "a"}, "63876672000"),
        ],
    )
    def test_a_list_that_is_paged_by_keys_ends_without_a_key(
        self, paging: dict[str, Any], key: str | None
    ) -> None:
        envelope = {"auth_token": "x", "request_id": "r", "status": "success"}
        page = mapping.read_page({**envelope, "data": LIST["data"], **paging}, 0)
        assert (len(page.rows), page.total) == (2, None)
        assert (page.next_key, page.has_more) == (key, key is not None)

    @pytest.mark.parametrize(
        ("paging", "key", "has_more"),
        [
            ({"pagination": {"total": 9, "has_more": True}}, None, True),
            ({"pagination": {"total": 2, "has_more": False}}, None, False),
            ({"pagination": {"total": "9"}}, None, True),
            ({"pagination": None}, None, False),
            ({"total": 9}, None, True),
            ({"has_more": True, "next_start_key": None}, None, True),
            ({"pagination": {"total": 9, "has_more": True}, "next_start_key": "k"}, "k", True),
        ],
    )
    def test_a_page_size_alone_ends_no_list_that_has_numbers(
        self, paging: dict[str, Any], key: str | None, has_more: bool
    ) -> None:
        page = mapping.read_page({"data": LIST["data"], "page_size": 2, **paging}, 0)
        assert (page.next_key, page.has_more) == (key, has_more)

    def test_a_key_that_cannot_be_read_hides_no_rows(self) -> None:
        with pytest.raises(rec.MalformedPayload) as caught:
            mapping.read_page({"data": [], "page_size": 25, "next_start_key": ["a"]}, 0)
        assert caught.value.path == "next_start_key"

    @pytest.mark.parametrize(
        ("payload", "path"),
        [
            ({"pagination": {"total": 1}}, "data"),
            ({"data": None, "pagination": {"total": 1}}, "data"),
            ({"data": [], "pagination": {}}, "total"),
            ({"data": []}, "total"),
            ({"data": "rows", "pagination": {"total": 1}}, "data"),
            ({"recordings": None, "total": 1}, "recordings"),
            ({"recordings": {}, "total": 1}, "recordings"),
            ({"recordings": []}, "total"),
        ],
    )
    def test_a_list_that_could_hide_rows_is_malformed(
        self, payload: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(rec.MalformedPayload) as caught:
            mapping.read_page(payload, 0)
        assert caught.value.path == path

    @pytest.mark.parametrize(
        ("paging", "total", "has_more"),
        [
            ({"total": 9, "limit": -1}, 9, True),
            ({"total": 9, "has_more": "yes"}, 9, True),
            ({"total": "9", "has_more": False}, None, False),
            ({"total": "9", "has_more": True}, None, True),
            # The end is recognized by a page without another row.
            ({"total": "9"}, None, True),
            ({"total": -1, "has_more": 0}, None, True),
            ([], None, True),
        ],
    )
    def test_unread_facts_of_a_page_hide_no_row(
        self, paging: Any, total: int | None, has_more: bool
    ) -> None:
        page = mapping.read_page({"data": [{}, {}], "pagination": paging}, 0)
        assert (len(page.rows), page.step) == (2, 2)
        assert (page.total, page.has_more) == (total, has_more)

    def test_a_page_without_a_row_after_the_overlap_is_the_last_one(self) -> None:
        for rows, overlap, has_more in ((2, 1, True), (1, 1, False), (1, 0, True), (0, 0, False)):
            payload = {"recordings": [{}] * rows, "total": "x"}
            assert mapping.read_page(payload, 7, overlap).has_more is has_more

    @pytest.mark.parametrize("value", [None, "", "a b", "a\nb", "tökén", 7, {}])
    def test_a_token_must_be_a_header_value(self, value: Any) -> None:
        assert mapping.read_token({"auth_token": "eyJhbGciOiJSUzI1NiJ9.e30.x"}).startswith("eyJ")
        with pytest.raises(rec.MalformedPayload) as caught:
            mapping.read_token({"auth_token": value, "data": {"auth_token": "eyJ"}})
        assert caught.value.path == "auth_token"

    def test_since_is_formatted_in_utc_and_whole_seconds(self) -> None:
        moment = datetime(2024, 1, 9, 13, 0, 0, 999999, timezone(timedelta(hours=2)))
        assert mapping.format_since(moment, timedelta(hours=25)) == "2024-01-08T10:00:00Z"

    def test_since_may_be_any_time(self) -> None:
        for hours in (-14, 0, 14):
            zone = timezone(timedelta(hours=hours))
            for moment in (datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)):
                text = mapping.format_since(moment, timedelta(hours=25))
                assert len(text) == len("2024-01-08T10:00:00Z")


class TestErrors:
    @pytest.mark.parametrize(
        ("payload", "code", "message", "kind"),
        [
            # https://docs.audian.com/call-control/call-recording, Error Handling
            (
                {
                    "error": "quota_exceeded",
                    "message": "Recording storage quota exceeded",
                    "code": 429,
                },
                "quota_exceeded",
                "Recording storage quota exceeded",
                rec.QuotaExceeded,
            ),
            (
                {"error": "not_found", "message": "Recording not found", "code": 404},
                "not_found",
                "Recording not found",
                None,
            ),
            (
                {
                    "error": "invalid_format",
                    "message": "Recording format is not supported",
                    "code": 400,
                },
                "invalid_format",
                "Recording format is not supported",
                None,
            ),
            # https://docs.audian.com/errors/error-codes
            (
                {
                    "error": {
                        "code": "invalid_api_key",
                        "message": "The API key is invalid",
                        "type": "authentication_error",
                        "param": None,
                    }
                },
                "invalid_api_key",
                "The API key is invalid",
                None,
            ),
            (
                {"error": {"code": "quota_exceeded", "message": "m"}},
                "quota_exceeded",
                "m",
                rec.QuotaExceeded,
            ),
            # https://docs.audian.com/errors
            (
                {
                    "auth_token": "***",
                    "data": {"message": "invalid credentials"},
                    "error": "401",
                    "message": "unauthorized",
                    "request_id": "4c1f",
                    "status": "error",
                },
                "unauthorized",
                "invalid credentials",
                None,
            ),
            (
                {
                    "data": {"message": "Recording storage quota exceeded"},
                    "error": "429",
                    "message": "quota_exceeded",
                    "status": "error",
                },
                "quota_exceeded",
                "Recording storage quota exceeded",
                rec.QuotaExceeded,
            ),
            ({"error": "401", "message": "unauthorized"}, "unauthorized", "unauthorized", None),
            ({"message": "Unauthorized"}, "Unauthorized", "Unauthorized", None),
            ({"error": "not_found"}, "not_found", None, None),
        ],
    )
    def test_every_error_shape_is_read(
        self,
        payload: dict[str, Any],
        code: str,
        message: str | None,
        kind: type[rec.ProviderError] | None,
    ) -> None:
        details = mapping.read_error_details(payload)
        assert (details.code, details.message, details.kind) == (code, message, kind)

    @pytest.mark.parametrize(
        ("payload", "is_recognized"),
        [
            ({"error": "not_found", "message": "Recording not found", "code": 404}, True),
            ({"error": {"code": "not_found", "message": "m", "type": "t"}}, True),
            ({"error": "404", "message": "not_found", "status": "error"}, True),
            # Bodies of frameworks, gateways and other vendors
            ({}, False),
            ({"error": "not_found"}, False),
            ({"message": "no Route matched with those values"}, False),
            ({"statusCode": 404, "error": "Not Found", "message": "Cannot GET /v2/x"}, False),
            ({"status": 404, "error": "Not Found", "message": "m", "path": "/v2/x"}, False),
            ({"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}}, False),
            ({"error": {"code": "ResourceNotFound", "message": "m"}}, False),
            ({"error": "404", "message": "m"}, False),
            ({"status": "error", "message": "m"}, False),
            ({"success": False, "errors": [{"code": 7003, "message": "m"}]}, False),
            ({"error": "", "message": "m", "code": 404}, False),
            ({"error": "not_found", "message": "m", "code": True}, False),
        ],
    )
    def test_only_a_documented_shape_is_recognized(
        self, payload: dict[str, Any], is_recognized: bool
    ) -> None:
        details = mapping.read_error_details(payload)
        assert details.recognized is is_recognized
        assert not details.absent, "`not_found` does not name what is missing"

    @pytest.mark.parametrize("status", ["500", "503", "599"])
    def test_a_server_error_in_quotes_is_unavailable(self, status: str) -> None:
        payload = {"error": status, "message": "unspecified_fault", "status": "error"}
        details = mapping.read_error_details(payload)
        assert (details.code, details.message) == (status, "unspecified_fault")
        assert (details.is_error, details.kind) == (True, rec.Unavailable)

    def test_the_request_id_of_the_vendor_is_read(self) -> None:
        assert mapping.read_error_details({"request_id": "4c1f"}).request_id == "4c1f"

    @pytest.mark.parametrize(
        ("payload", "is_error"),
        [
            ({"status": "error", "error": "404", "message": "m"}, True),
            ({"success": False, "error": {"code": "x"}}, True),
            ({"status": "success", "data": {}}, False),
            ({"success": True, "data": {}}, False),
            (GET, False),
            ({**GET, "status": "error"}, False),  # an unknown status of a recording
            (CONFERENCE_STOP, False),
            (LIST, False),
        ],
    )
    def test_a_body_may_state_an_error_regardless_of_the_http_status(
        self, payload: dict[str, Any], is_error: bool
    ) -> None:
        details = mapping.read_error_details(payload)
        assert details.is_error is is_error
        assert details.kind is None

    @pytest.mark.parametrize("value", [None, [], {}, 7, True, "", ["x"], {"code": 7}])
    def test_a_body_that_is_not_an_error_has_no_details(self, value: Any) -> None:
        for name in ("error", "message", "data", "request_id", "status", "success"):
            details = mapping.read_error_details({name: value})
            assert (details.code, details.message, details.kind) == (None, None, None)


class TestEvents:
    def test_a_started_event_has_its_time(self) -> None:
        assert read_event(STARTED) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.RECORDING,
            provider_status="recording",
            started_at=STARTED_AT,
        )

    def test_a_stopped_event_has_its_time_and_the_duration(self) -> None:
        assert read_event(STOPPED) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.PROCESSING,
            provider_status="stopped",
            ended_at=STOPPED_AT,
            duration=timedelta(seconds=305),
        )

    def test_a_completed_event_has_the_media(self) -> None:
        recording = read_event(COMPLETED)
        assert recording == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.AVAILABLE,
            provider_status="completed",
            duration=timedelta(seconds=305),
            size=1536000,
            format="mp3",
            files=recording.files,
            unread_fields=recording.unread_fields,
        )
        (file,) = recording.files
        assert (file.url, file.size, file.format) == (FILE.url, 1536000, "mp3")
        assert file.checksum is None, "the checksum in the page's sample is too short"
        assert recording.unread_fields == ("data.checksum.value",)
        assert recording.raw == COMPLETED

    def test_the_short_variant_of_a_completed_event_is_read(self) -> None:
        recording = read_event(COMPLETED_IN_SHORT)
        assert recording.status is rec.RecordingStatus.AVAILABLE
        assert (recording.format, recording.size) == (None, 1536000)
        assert recording.files[0].url == FILE.url

    def test_a_failed_event_has_the_reason(self) -> None:
        assert read_event(FAILED) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.FAILED,
            provider_status="failed",
            error="storage_error",
        )
        assert read(GET, reason="storage_error").error is None

    @pytest.mark.parametrize(
        ("checksum", "expected"),
        [
            ({"algorithm": "sha256", "value": "0a" * 32}, "sha256:" + "0a" * 32),
            ({"algorithm": "sha256", "value": "0A" * 32}, "sha256:" + "0a" * 32),
            ({"algorithm": "SHA256", "value": "0a" * 32}, "sha256:" + "0a" * 32),
            ({"algorithm": "sha256", "value": "abcdef0123456789"}, None),
            ({"algorithm": "sha256", "value": "0g" * 32}, None),
            ({"algorithm": "sha256", "value": "0a" * 32 + "\n"}, None),
            ({"algorithm": "sha256", "value": "٠٩" * 32}, None),
            ({"algorithm": "sha256", "value": 7}, None),
            ({"algorithm": "md5", "value": "0a" * 32}, None),
            ({"algorithm": ["sha256"], "value": "0a" * 32}, None),
            ("0a" * 32, None),
            ({"value": "0a" * 32}, None),
            ({}, None),
            (None, None),
        ],
    )
    def test_a_malformed_checksum_is_not_compared(
        self, checksum: Any, expected: str | None
    ) -> None:
        recording = read_event({**COMPLETED, "data": {**COMPLETED["data"], "checksum": checksum}})
        assert recording.files[0].checksum == expected
        # One that is absent, or has no algorithm, is not unread.
        is_read = expected is not None or checksum in ({"value": "0a" * 32}, {}, None)
        paths = [path for path in recording.unread_fields if path.startswith("data.checksum")]
        assert (paths == []) is is_read

    def test_the_other_fields_of_the_envelope_are_optional(self) -> None:
        # https://docs.audian.com/webhooks/payloads
        more = {"id": "evt_1", "version": "v1", "timestamp": "2024-01-15T10:36:01Z"}
        assert read_event({**COMPLETED, **more}) == read_event(COMPLETED)

    def test_an_event_of_a_conference_is_read_by_conference_id(self) -> None:
        # Undocumented.
        data = {"recording_id": "rec_abc123def456", "conference_id": CONFERENCE.id}
        recording = read_event({"event": "recording.started", "data": data})
        assert (recording.kind, recording.target) == (rec.SessionKind.CONFERENCE, CONFERENCE)

    def test_an_unknown_event_has_its_name_as_provider_status(self) -> None:
        recording = read_event({**STARTED, "event": "recording.archived"})
        assert recording.status is rec.RecordingStatus.UNKNOWN
        assert recording.provider_status == "recording.archived"

    @pytest.mark.parametrize(
        "payload",
        [
            None,
            [],
            "words",
            {},
            {"event": None, "data": {}},
            {"event": "recording.started"},
            {"event": "recording.started", "data": []},
            {"event": "recording.started", "data": {}},
            {"event": 7, "data": {"recording_id": "x"}},
        ],
    )
    def test_a_malformed_event_is_a_typed_error(self, payload: Any) -> None:
        with pytest.raises(rec.WebhookRejected):
            read_event(payload)
