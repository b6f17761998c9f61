"""Do Audian's samples read as a reader of its pages would expect?

The samples are those of https://docs.audian.com/call-control/call-recording and
https://docs.audian.com/conferences/recording, all that there are and as they stand there. What is
sent in them is in the client's test.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

import recording_core as rec
from recording_audian import mapping, webhooks

BASE = "https://api.audian.com:8443/v2"
#: while the calls' sample is kept, and after
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
    return mapping.recording(row, "default", BASE, now)


def told(event: Any, now: datetime = NOW) -> rec.Recording:
    return webhooks.recording(event, "default", BASE, now)


def session(row: dict[str, Any], target: rec.CommunicationSession) -> rec.RecordingSession:
    return mapping.session(row, target, "default", BASE, NOW)


class TestCalls:
    def test_the_answer_to_a_get_reads_in_full(self) -> None:
        assert read(GET) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.AVAILABLE,
            provider_status="completed",
            started_at=None,  # 10:30:05, as other answers say; this one does not
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

    def test_a_start_is_a_session_that_records(self) -> None:
        assert session(START, CALL) == rec.RecordingSession(
            provider="audian",
            account="default",
            id="rec_abc123",
            target=CALL,
            status=rec.RecordingStatus.RECORDING,
            provider_status="recording",
            started_at=STARTED_AT,
        )
        assert read(START).format == "mp3"
        assert read(START).files == (), "there is no media yet, and no address is invented"

    def test_a_stop_is_a_session_whose_recording_is_processed(self) -> None:
        assert session(STOP, CALL) == rec.RecordingSession(
            provider="audian",
            account="default",
            id="rec_abc123",
            target=CALL,
            status=rec.RecordingStatus.PROCESSING,
            provider_status="stopped",
            stopped_at=STOPPED_AT,
        )
        assert read(STOP).duration == timedelta(seconds=305)

    def test_the_rows_of_a_list_say_less(self) -> None:
        page = mapping.rows(LIST, 0)
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

    def test_a_deletion_says_when(self) -> None:
        assert read(DELETE) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            status=rec.RecordingStatus.DELETED,
            deleted_at=datetime(2024, 1, 15, 11, 0, tzinfo=UTC),
        )

    def test_after_thirty_days_the_media_has_expired_by_the_clock_alone(self) -> None:
        assert read(GET, LATER - timedelta(seconds=1)).status is rec.RecordingStatus.AVAILABLE
        assert read(GET, LATER).status is rec.RecordingStatus.EXPIRED
        assert read(GET, LATER).provider_status == "completed"
        assert read(GET, LATER, status="failed").status is rec.RecordingStatus.FAILED


class TestConferences:
    def test_a_stop_is_a_session_with_its_recording(self) -> None:
        assert session(CONFERENCE_STOP, CONFERENCE) == rec.RecordingSession(
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

    def test_a_start_is_a_session_that_records(self) -> None:
        assert session(CONFERENCE_START, CONFERENCE) == rec.RecordingSession(
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

    def test_a_row_of_a_list_is_that_recording_without_its_created_at(self) -> None:
        page = mapping.rows(CONFERENCE_LIST, 0)
        (row,) = page.rows
        assert (page.total, page.more) == (1, False)
        assert read(row) == read(CONFERENCE_STOP, created_at=...)

    def test_how_long_it_is_kept_depends_on_the_plan(self) -> None:
        recording = read(CONFERENCE_STOP, datetime(2034, 1, 1, tzinfo=UTC))
        assert recording.media_expires_at is None
        assert recording.status is rec.RecordingStatus.AVAILABLE

    def test_what_names_no_conference_is_of_the_one_that_was_asked(self) -> None:
        assert read(CONFERENCE_STOP, conference_id=...).target is None
        assert read(CONFERENCE_STOP, conference_id=...).kind is rec.SessionKind.CONFERENCE
        row = {key: value for key, value in CONFERENCE_STOP.items() if key != "conference_id"}
        assert session(row, CONFERENCE).recordings == (CONFERENCE_RECORDING,)

    def test_a_quality_stays_in_raw(self) -> None:
        # Its tables contradict each other: high is 256 kbps, and a WAV of an hour 1.3 GB.
        assert read(CONFERENCE_STOP).bit_rate is None
        assert read(CONFERENCE_STOP).raw["quality"] == "high"


class TestBoth:
    @pytest.mark.parametrize(
        ("word", "status"),
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
    def test_every_status_word_has_its_meaning(self, word: str | None, status: str) -> None:
        for row in (GET, CONFERENCE_STOP):
            recording = read(row, status=word)
            assert recording.status == status
            assert recording.provider_status == word

    def test_the_table_has_no_word_that_is_not_tested(self) -> None:
        assert set(mapping.STATUSES) == {
            "initiated", "recording", "paused", "stopped", "processing", "completed", "failed",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("word", "files"),
        [
            ("initiated", 0),
            ("recording", 0),
            ("paused", 0),
            ("stopped", 0),
            ("processing", 0),
            ("failed", 0),
            ("completed", 1),
            ("a word of tomorrow", 1),
        ],
    )
    def test_an_address_is_made_only_where_media_may_be(self, word: str, files: int) -> None:
        for row in (GET, CONFERENCE_START):
            assert len(read(row, status=word).files) == files

    def test_the_address_that_is_made_is_quoted(self) -> None:
        (file,) = read(GET, recording_id="rec/../a b?c").files
        assert file.url == f"{BASE}/recordings/rec%2F..%2Fa%20b%3Fc/download"

    @pytest.mark.parametrize("format", ["wav", "mp3", "opus", "m4a"])
    def test_each_format_of_either_page_has_its_media_type(self, format: str) -> None:
        for row, name in ((GET, "file_format"), (CONFERENCE_STOP, "format")):
            recording = read({**row, name: format.upper()})
            assert recording.format == recording.files[0].format == format
            assert recording.files[0].media_type is not None

    def test_a_duration_that_is_not_told_is_the_time_between_start_and_end(self) -> None:
        assert read(CONFERENCE_STOP, duration=None).duration == timedelta(minutes=30)
        assert read(CONFERENCE_STOP, duration=None, ended_at=None).duration is None
        assert read(GET, duration=None).duration is None
        early = "2024-02-04T11:00:00Z"
        assert read(CONFERENCE_STOP, duration=None, ended_at=early).duration is None

    def test_a_duration_of_nothing_is_one(self) -> None:
        assert read(GET, duration=0).duration == timedelta(0)
        assert read(CONFERENCE_STOP, duration=0).duration == timedelta(0)

    def test_null_and_absent_are_the_same(self) -> None:
        for row in (GET, CONFERENCE_STOP):
            ids = {"recording_id", "call_id", "id", "conference_id"}
            gone = {key: value for key, value in row.items() if key in ids}
            null = {key: value if key in ids else None for key, value in row.items()}
            assert read(gone) == read(null)

    def test_only_the_id_must_be_there(self) -> None:
        assert read({"recording_id": "x"}).kind is rec.SessionKind.CALL
        assert read({"id": "x"}).kind is rec.SessionKind.CONFERENCE

    @pytest.mark.parametrize(
        ("row", "field", "value"),
        [
            (GET, "recording_id", None),
            (GET, "recording_id", 7),
            (GET, "recording_id", ...),
            (GET, "call_id", 7),
            (GET, "call_id", " "),
            (GET, "duration", "305"),
            (GET, "duration", -1),
            (GET, "duration", True),
            (GET, "file_size", "1536000"),
            (GET, "file_size", 1.5),
            (GET, "file_format", 7),
            (GET, "bitrate", "64"),
            (GET, "sample_rate", []),
            (GET, "channels", {}),
            (GET, "status", 7),
            (GET, "created_at", "soon"),
            (GET, "created_at", 63876672000),
            (CONFERENCE_STOP, "id", None),
            (CONFERENCE_STOP, "id", ""),
            (CONFERENCE_STOP, "conference_id", []),
            (CONFERENCE_STOP, "name", {}),
            (CONFERENCE_STOP, "size", -1),
            (CONFERENCE_STOP, "url", 7),
            (CONFERENCE_STOP, "started_at", "2024-02-04"),
            (CONFERENCE_STOP, "ended_at", False),
        ],
    )
    def test_a_wrong_field_is_named_and_its_value_is_not(
        self, row: dict[str, Any], field: str, value: Any
    ) -> None:
        with pytest.raises(rec.MalformedPayload) as caught:
            read(row, **{field: value})
        assert caught.value.path == field
        assert repr(value) not in str(caught.value)

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
    def test_what_the_pages_send_is_no_recording(self, body: dict[str, Any]) -> None:
        with pytest.raises(rec.MalformedPayload, match="'id'"):
            read(body)
        with pytest.raises(rec.MalformedPayload, match="'event'"):
            told(body)


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
    def test_an_answer_reads_alike_in_each_of_them(self, envelope: Any) -> None:
        assert read(dict(mapping.data(envelope(GET)))) == read(GET)
        assert mapping.rows(envelope(LIST), 0) == mapping.rows(LIST, 0)
        assert mapping.rows(envelope(CONFERENCE_LIST), 0) == mapping.rows(CONFERENCE_LIST, 0)

    def test_the_rows_themselves_may_be_the_data_of_an_envelope(self) -> None:
        page = mapping.rows({"success": True, **LIST}, 0)
        assert page == mapping.rows(LIST, 0)

    @pytest.mark.parametrize("payload", [None, [], 7, "words", True])
    def test_what_is_no_object_is_no_answer(self, payload: Any) -> None:
        for ask in (mapping.data, mapping.token, lambda each: mapping.rows(each, 0)):
            with pytest.raises(rec.MalformedPayload):
                ask(payload)

    def test_the_pages_lists_say_what_comes_after_them(self) -> None:
        calls, conference = mapping.rows(LIST, 0), mapping.rows(CONFERENCE_LIST, 0)
        # Two rows are shown of fifty: where so few come, so few are skipped.
        assert (calls.total, calls.step, calls.more) == (152, 2, True)
        assert (conference.total, conference.step, conference.more) == (1, 1, False)

    @pytest.mark.parametrize(
        ("rows", "offset", "total", "more"),
        [(10, 0, 30, True), (10, 20, 30, False), (10, 10, 30, True), (0, 0, 0, False)],
    )
    def test_a_conferences_list_goes_on_while_rows_are_missing(
        self, rows: int, offset: int, total: int, more: bool
    ) -> None:
        payload = {"recordings": [{}] * rows, "total": total, "limit": 10, "offset": offset}
        assert mapping.rows(payload, offset).more is more

    @pytest.mark.parametrize(
        ("payload", "path"),
        [
            ({"pagination": {"total": 1}}, "data"),
            ({"data": None, "pagination": {"total": 1}}, "data"),
            ({"data": [], "pagination": {}}, "total"),
            ({"data": []}, "total"),
            ({"data": [], "pagination": []}, "pagination"),
            ({"data": [], "pagination": {"total": "1"}}, "total"),
            ({"data": [], "pagination": {"total": 1, "limit": -1}}, "limit"),
            ({"data": [], "pagination": {"total": 1, "has_more": "yes"}}, "has_more"),
            ({"data": "rows", "pagination": {"total": 1}}, "data"),
            ({"recordings": None, "total": 1}, "recordings"),
            ({"recordings": {}, "total": 1}, "recordings"),
            ({"recordings": []}, "total"),
        ],
    )
    def test_a_list_that_could_hide_rows_is_refused(
        self, payload: dict[str, Any], path: str
    ) -> None:
        with pytest.raises(rec.MalformedPayload) as caught:
            mapping.rows(payload, 0)
        assert caught.value.path == path

    @pytest.mark.parametrize("value", [None, "", "a b", "a\nb", "tökén", 7, {}])
    def test_a_token_must_be_one(self, value: Any) -> None:
        assert mapping.token({"auth_token": "eyJhbGciOiJSUzI1NiJ9.e30.x"}).startswith("eyJ")
        with pytest.raises(rec.MalformedPayload) as caught:
            mapping.token({"auth_token": value, "data": {"auth_token": "eyJ"}})
        assert caught.value.path == "auth_token"

    def test_a_bound_is_written_in_whole_seconds_of_utc_and_early(self) -> None:
        moment = datetime(2024, 1, 9, 13, 0, 0, 999999, timezone(timedelta(hours=2)))
        assert mapping.since(moment, timedelta(hours=25)) == "2024-01-08T10:00:00Z"

    def test_a_bound_may_be_of_any_time(self) -> None:
        for hours in (-14, 0, 14):
            zone = timezone(timedelta(hours=hours))
            for moment in (datetime.min.replace(tzinfo=zone), datetime.max.replace(tzinfo=zone)):
                text = mapping.since(moment, timedelta(hours=25))
                assert len(text) == len("2024-01-08T10:00:00Z")


class TestRefusals:
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
    def test_all_shapes_are_read(
        self,
        payload: dict[str, Any],
        code: str,
        message: str | None,
        kind: type[rec.ProviderError] | None,
    ) -> None:
        refusal = mapping.read_error_details(payload)
        assert (refusal.code, refusal.message, refusal.kind) == (code, message, kind)

    def test_the_vendors_own_request_id_is_kept(self) -> None:
        assert mapping.read_error_details({"request_id": "4c1f"}).request_id == "4c1f"

    @pytest.mark.parametrize(
        ("payload", "refused"),
        [
            ({"status": "error", "error": "404", "message": "m"}, True),
            ({"success": False, "error": {"code": "x"}}, True),
            ({"status": "success", "data": {}}, False),
            ({"success": True, "data": {}}, False),
            (GET, False),
            ({**GET, "status": "error"}, False),  # a word that we don't know, of a recording
            (CONFERENCE_STOP, False),
            (LIST, False),
        ],
    )
    def test_a_body_may_say_by_itself_that_it_failed(
        self, payload: dict[str, Any], refused: bool
    ) -> None:
        refusal = mapping.read_error_details(payload)
        assert refusal.is_error is refused
        assert refusal.kind is None

    @pytest.mark.parametrize("value", [None, [], {}, 7, True, "", ["x"], {"code": 7}])
    def test_what_is_no_refusal_says_nothing(self, value: Any) -> None:
        for name in ("error", "message", "data", "request_id", "status", "success"):
            refusal = mapping.read_error_details({name: value})
            assert (refusal.code, refusal.message, refusal.kind) == (None, None, None)


class TestEvents:
    def test_a_start_says_when(self) -> None:
        assert told(STARTED) == rec.Recording(
            provider="audian",
            account="default",
            id="rec_abc123",
            kind=rec.SessionKind.CALL,
            target=CALL,
            status=rec.RecordingStatus.RECORDING,
            provider_status="recording",
            started_at=STARTED_AT,
        )

    def test_a_stop_says_when_and_how_long(self) -> None:
        assert told(STOPPED) == rec.Recording(
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

    def test_a_completion_names_the_media(self) -> None:
        recording = told(COMPLETED)
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
        )
        (file,) = recording.files
        assert (file.url, file.size, file.format) == (FILE.url, 1536000, "mp3")
        assert file.checksum is None, "the page's own is too short to be one"
        assert recording.raw == COMPLETED

    def test_the_shorter_completion_is_one_too(self) -> None:
        recording = told(COMPLETED_IN_SHORT)
        assert recording.status is rec.RecordingStatus.AVAILABLE
        assert (recording.format, recording.size) == (None, 1536000)
        assert recording.files[0].url == FILE.url

    def test_a_failure_says_why(self) -> None:
        assert told(FAILED) == rec.Recording(
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
            ({"value": "0a" * 32}, None),
            ({}, None),
            ("0a" * 32, None),
            (None, None),
        ],
    )
    def test_a_checksum_is_one_or_is_ignored(self, checksum: Any, expected: str | None) -> None:
        recording = told({**COMPLETED, "data": {**COMPLETED["data"], "checksum": checksum}})
        assert recording.files[0].checksum == expected

    def test_the_rest_of_an_envelope_may_be_there(self) -> None:
        # https://docs.audian.com/webhooks/payloads
        more = {"id": "evt_1", "version": "v1", "timestamp": "2024-01-15T10:36:01Z"}
        assert told({**COMPLETED, **more}) == told(COMPLETED)

    def test_a_conference_is_told_of_by_its_own_id(self) -> None:
        # No page shows it.
        data = {"recording_id": "rec_abc123def456", "conference_id": CONFERENCE.id}
        recording = told({"event": "recording.started", "data": data})
        assert (recording.kind, recording.target) == (rec.SessionKind.CONFERENCE, CONFERENCE)

    def test_an_event_of_tomorrow_is_unknown_and_its_name_is_kept(self) -> None:
        recording = told({**STARTED, "event": "recording.archived"})
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
    def test_what_is_no_event_is_a_typed_error(self, payload: Any) -> None:
        with pytest.raises(rec.MalformedPayload):
            told(payload)
