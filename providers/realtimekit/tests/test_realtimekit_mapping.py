"""RealtimeKit's samples are read as its pages document them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_core.plugin import decode_json
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


def read_json(path: str, value: str, now: datetime = BEFORE) -> rec.Recording:
    """Read the row with a JSON value in one place, decoded as an answer is."""
    row: dict[str, Any] = {**ROW, "meeting": dict(ROW["meeting"])}
    *parents, name = path.split(".")
    (row[parents[0]] if parents else row)[name] = "@"
    body = json.dumps(row).replace('"@"', value)
    return mapping.read_recording(decode_json(body.encode()), "default", now)


#: The fields of a recording that do not depend on each other.
COMPARED = {
    *("reference", "title", "target", "size", "duration"),
    *("started_at", "ended_at", "created_at", "media_expires_at"),
}


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


#: An upload of which no file is offered.
WITHOUT_FILE: dict[str, Any] = {"download_url": None, "download_url_expiry": None}


def test_uploaded_without_a_url_is_available_in_the_customers_own_bucket() -> None:
    for expiry in (None, ROW["download_url_expiry"]):
        row = {"download_url": None, "download_url_expiry": expiry}
        recording = read(**row, storage_config={"type": "aws"}, now=AFTER)
        assert recording.status is rec.RecordingStatus.AVAILABLE
        assert recording.files == ()
        assert recording.format == "mp4"
        assert mapping.find_own_storage(recording.raw) == "aws"
        assert read(**row, now=AFTER + timedelta(days=2)).status is rec.RecordingStatus.EXPIRED


@pytest.mark.parametrize(
    ("changes", "young", "old"),
    [
        ({}, "available", "expired"),
        ({"storage_config": None}, "available", "expired"),
        ({"storage_config": {}}, "available", "expired"),
        ({"download_url": []}, "empty", "expired"),
        ({"download_url": [], "storage_config": {"type": "gcs"}}, "available", "available"),
        ({"file_size": 0, "storage_config": None}, "failed", "expired"),
        ({"file_size": "0", "storage_config": None}, "failed", "expired"),
        ({"file_size": 0}, "failed", "expired"),  # an optional field, as if it were null
        ({"file_size": "many", "storage_config": None}, "available", "expired"),
        ({"download_url": "https://b.example/x.mp4"}, "available", "available"),
        ({"stopped_time": None}, "available", "expired"),
        ({"stopped_time": None, "invoked_time": None}, "available", "available"),
    ],
)
def test_an_upload_without_file_or_expiry_is_read_by_the_retention(
    changes: dict[str, Any], young: str, old: str
) -> None:
    row = {**WITHOUT_FILE, **changes}
    recordings = [read(**row, now=BEFORE), read(**row, now=AFTER + timedelta(days=2))]
    assert [str(each.status) for each in recordings] == [young, old]
    failures = [each.error for each in recordings if each.status == "failed"]
    assert all(failure == "RealtimeKit stored no file" for failure in failures)


def test_a_size_of_zero_is_not_a_size() -> None:
    recording = read(file_size=0)
    assert (recording.status, recording.size, recording.files[0].size) == ("available", None, None)
    assert recording.unread_fields == ()


def test_an_audio_file_is_read_with_the_video() -> None:
    files = read(audio_download_url="https://bucket.example/x_audio.mp3?X-Amz-Signature=d").files
    assert [(file.id, file.role, file.format, file.size) for file in files] == [
        ("video", "video", "mp4", 2044680),
        ("audio", "audio", "mp3", None),
    ]
    assert files[1].name == "x_audio.mp3"


def test_the_other_name_of_the_audio_url_is_read() -> None:
    assert read(audio_download_url=..., download_audio_url="https://b.example/a.aac").files[1].url


#: The file of the guide's sample, which was requested with `"user_ids": ["user-123", "user-456"]`.
#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording
TRACK = "speaker_user-123_peer-456_peer_audio_1760000000000.webm"
TRACK_URL = f"https://storage.googleapis.com/bucket/{TRACK}?X-Goog-Signature=abc"
LAYER = {"layer_name": "default", "download_urls": {TRACK: {"download_url": TRACK_URL}}}
CAMEL_LAYER = {"layerName": "default", "downloadUrls": {TRACK: {"downloadUrl": TRACK_URL}}}
TEMPLATE = (
    "{{file_name_prefix}}_{{user_id}}_{{peer_id}}_{{stream_kind}}_{{media_kind}}_{{date_time}}.webm"
)


@pytest.mark.parametrize(
    "layers",
    [
        *([LAYER], LAYER, {"links": [LAYER]}, [CAMEL_LAYER], CAMEL_LAYER, {"links": [CAMEL_LAYER]}),
        *([{"download_urls": {TRACK: TRACK_URL}}], [TRACK_URL], {"links": [TRACK_URL]}),
        *([{"download_url": TRACK_URL}], [{"layer_name": "none"}, LAYER]),
        {"links": [{"downloadUrl": TRACK_URL}]},
    ],
    ids=str,
)
def test_every_form_of_the_layers_of_tracks_is_read(layers: Any) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"type": "TRACK", "output_file_name": TEMPLATE, "file_size": 0},
    ]
    for more in changes:
        recording = read(download_url=layers, **more)
        (track,) = recording.files
        assert (track.role, track.id, track.name) == ("track", TRACK, TRACK)
        assert (track.format, track.media_type, track.size) == ("webm", "audio/webm", None)
        assert (track.participant, track.url) == ("user-123", TRACK_URL)
        assert recording.status is rec.RecordingStatus.AVAILABLE
        assert (recording.format, recording.unread_fields) == ("webm", ())
        assert recording.size is None or not more


@pytest.mark.parametrize("more", [{"type": "TRACK"}, {"output_file_name": TEMPLATE}], ids=str)
def test_a_text_is_the_url_of_one_track_in_a_recording_of_tracks(more: dict[str, Any]) -> None:
    recording = read(download_url=TRACK_URL, **more)
    assert recording.files == read(download_url=[TRACK_URL], **more).files
    (track,) = recording.files
    assert (track.role, track.media_type, track.participant) == ("track", "audio/webm", "user-123")
    unread = read(download_url="https://b.example/\ufffd.webm", **more)
    assert (unread.files, unread.unread_fields) == ((), ("download_url",))


def test_two_layers_with_the_same_file_name_are_two_files() -> None:
    recording = read(download_url=[LAYER, LAYER])
    assert [file.id for file in recording.files] == [TRACK, f"1/{TRACK}"]


@pytest.mark.parametrize(
    "layers",
    [
        *([], {"links": []}, {"links": None}),
        *([{**LAYER, "download_urls": {}}], {**LAYER, "download_urls": {}}),
        *({"layerName": "default", "downloadUrls": {}}, [{**LAYER, "download_urls": None}]),
        *([{**LAYER, "download_urls": {TRACK: None}}], {"links": [{"layer_name": "default"}]}),
        [{**LAYER, "download_urls": {TRACK: {"download_url": ""}}}],
    ],
    ids=str,
)
def test_layers_without_urls_are_a_recording_without_tracks(layers: Any) -> None:
    """An empty list is the vendor's word that there is no file."""
    without_expiry = {"download_url": layers, "download_url_expiry": None, "storage_config": None}
    for more in ({}, {"file_size": 0}, {"type": "TRACK", "output_file_name": TEMPLATE}):
        recording = read(**without_expiry, **more)
        assert (recording.status, recording.files) == ("empty", ())
        assert recording.unread_fields == ()
        later = read(**without_expiry, **more, now=AFTER)
        assert later.status is rec.RecordingStatus.EXPIRED
    assert read(download_url=layers).status is rec.RecordingStatus.AVAILABLE, "an expiry is a file"
    assert read(download_url=layers, type="TRACK").status is rec.RecordingStatus.EMPTY


@pytest.mark.parametrize(
    ("layers", "path"),
    [
        *(({}, "download_url"), ({"a": 7}, "download_url"), ([{}], "download_url")),
        *(([None], "download_url"), ([[LAYER]], "download_url"), (["546"], "download_url")),
        *(({"links": 7}, "download_url.links"), ({"links": LAYER}, "download_url.links")),
        ([{"download_urls": 7}], "download_url.download_urls"),
        ({"downloadUrls": [7]}, "download_url.downloadUrls"),
        ([{"downloadUrls": {TRACK: {"downloadUrl": 7}}}], "download_url.downloadUrls.downloadUrl"),
    ],
    ids=str,
)
def test_layers_in_another_form_are_named_and_change_no_status(layers: Any, path: str) -> None:
    without_expiry = {"download_url_expiry": None, "storage_config": None, "type": "TRACK"}
    changes: list[dict[str, Any]] = [{}, without_expiry]
    for more in changes:
        recording = read(download_url=layers, **more)
        assert (recording.files, recording.unread_fields) == ((), (path,))
        assert recording.status is rec.RecordingStatus.AVAILABLE


def test_a_size_of_zero_shows_nothing_about_tracks() -> None:
    row = {**WITHOUT_FILE, "storage_config": None, "file_size": 0}
    assert read(**row).status is rec.RecordingStatus.FAILED
    changes: list[dict[str, Any]] = [{"type": "TRACK"}, {"output_file_name": TEMPLATE}]
    for more in changes:
        recording = read(**row, **more)
        assert (recording.status, recording.error) == ("available", None)
        assert read(**row, **more, now=AFTER).status is rec.RecordingStatus.EXPIRED


A, B = "0b7e2f6c-4f0a-4f5e-9a51-6a2b0f3d9c11", "77D1C2B3-0A9F-4E8D-9C7B-A1B2C3D4E5F6"


@pytest.mark.parametrize(
    ("name", "user_ids", "participant"),
    [
        (TRACK, (), "user-123"),
        (f"default_{A}_{B}_peer_audio_1795000000000.webm", (), A),
        (f"default_{B}_{A}_peer_audio_1795000000000.webm", (), B),
        (f"participant_{A}_{B}_peer_media_kind_audio_1795000000000.webm", (), A),
        (f"my_own_prefix_{A}_{B}_peer_audio_1795000000000.webm", (), A),
        (f"{A}_bob_{B}_peer_audio_1795000000000.webm", (), "bob"),  # the prefix is a UUID
        (f"default_user 7@example.com_{B}_peer_audio_1.webm", (), "user 7@example.com"),
        (f"default_bob_2_{B}_peer_audio_1.webm", (), None),
        (f"default_bob_2_{B}_peer_audio_1.webm", ("alice", "bob_2"), "bob_2"),
        (f"default_bob_2_{B}_peer_audio_1.webm", ("2", "bob_2"), None),
        (f"my_own_bob_{B}_peer_audio_1.webm", ("alice", "bob"), "bob"),
        (f"my_own_bob_{B}_peer_audio_1.webm", ("alice", "rob"), None),
        (f"default_{B}_peer_audio_1.webm", ("default",), None),  # an id is missing
        (f"default_bob_{B}_peer_audio.webm", (), None),
        (f"default__{B}_peer_audio_1.webm", (), None),
        (f"my_own_{A.replace('0', 'g')}_{B}_peer_audio_1.webm", (), None),
        (f"my_own_{A.replace('-', '')}_{B}_peer_audio_1.webm", (), None),
        ("recording.webm", (), None),
        ("1.webm", (), None),
        ("", ("alice",), None),
        ("_____1.webm", (), None),
    ],
)
def test_the_name_of_a_track_is_read_from_the_right(
    name: str, user_ids: tuple[str, ...], participant: str | None
) -> None:
    assert mapping.find_participant(name, user_ids) == participant
    recording = read(download_url=[{"download_urls": {name or "x": "https://b.example/t"}}])
    assert recording.files[0].participant == mapping.find_participant(name)
    (file,) = mapping.name_participants(recording, user_ids).files
    assert file.participant == participant


def test_the_answer_to_a_start_of_tracks_is_read() -> None:
    """The guide's sample has fields that no schema has, and a template as the file's name."""
    row = {
        "id": ROW["id"],
        "meeting_id": ROW["meeting"]["id"],
        "type": "TRACK",
        "status": "INVOKED",
        "output_file_name": TEMPLATE,
        "invoked_time": "2026-06-03T09:59:55.120Z",
        **dict.fromkeys(("download_url", "audio_download_url", "file_size", "started_time")),
    }
    session = mapping.read_session(row, rec.meeting("m"), "default", BEFORE)
    assert (session.id, session.status, session.started_at) == (ROW["id"], "pending", None)
    recording = mapping.read_recording(row, "default", BEFORE)
    assert recording.target == rec.meeting(ROW["meeting"]["id"])
    assert (recording.format, recording.unread_fields) == ("webm", ())


def test_a_row_that_the_schema_calls_complete_is_read_without_its_optional_fields() -> None:
    """Keys that the schema requires, each null if it may be null."""
    nullable = ("audio_download_url", "download_url", "download_url_expiry", "file_size")
    row = {
        **{name: ROW[name] for name in ("id", "invoked_time", "output_file_name")},
        **dict.fromkeys((*nullable, "session_id", "started_time", "stopped_time")),
        "status": "RECORDING",
    }
    recording = mapping.read_recording(row, "default", BEFORE)
    assert (recording.status, recording.files) == ("recording", ())
    assert recording.unread_fields == ()
    assert (recording.duration, recording.size, recording.reference) == (None, None, None)


@pytest.mark.parametrize("size", [2044680.0, 2044680, "2044680"])
def test_a_size_may_have_every_form_of_a_whole_number(size: object) -> None:
    recording = read(file_size=size)
    assert (recording.size, type(recording.size)) == (2044680, int)
    assert recording.unread_fields == ()


def test_a_duration_of_zero_is_the_time_between_start_and_stop() -> None:
    recording = read(
        recording_duration=0,
        started_time="2023-01-25 04:51:35.903816Z",
        stopped_time="2023-01-25 04:52:22.903816Z",
    )
    assert recording.duration == timedelta(seconds=47)
    assert [file.duration for file in recording.files] == [None] * len(recording.files)
    assert recording.files, "the times are not those of the file"
    assert recording.started_at == datetime(2023, 1, 25, 4, 51, 35, 903816, tzinfo=UTC)


def test_an_unread_expiry_leaves_the_retention_to_expire_media() -> None:
    for value in WRONG_TYPES:
        recording = read_json("download_url_expiry", value)
        assert (recording.status, recording.media_expires_at) == ("available", None)
        expired = read_json("download_url_expiry", value, AFTER)
        assert (expired.status, expired.media_expires_at) == ("expired", None)
        assert expired.unread_fields == ("download_url_expiry",)


def test_a_duration_of_zero_is_unknown_without_a_readable_start_and_stop() -> None:
    assert read(recording_duration=0, started_time=7).duration is None
    assert read(recording_duration=0, stopped_time=None).duration is None


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


@pytest.mark.parametrize("value", ["null", "7", '""', '" "', '".."', '"a\\u0000b"', '"\\ud83d"'])
def test_a_recording_without_a_usable_id_is_malformed(value: str) -> None:
    with pytest.raises(rec.MalformedPayload, match="id") as caught:
        read_json("id", value)
    assert caught.value.path == "id"


#: JSON values of a type that no optional field has.
WRONG_TYPES = ("-1731660518", "true", "[7]", '{"a": 7}', str(2**70), "1e400")
#: JSON strings that are neither a number nor a time.
WRONG_WORDS = ('"0000-00-00"', '"0001-01-01T00:00:00Z"', '"soon"', '"1_000"', '"\\ud83d"', '"٧"')


@pytest.mark.parametrize(
    ("path", "attribute", "values"),
    [
        *((path, name, WRONG_TYPES) for path, name in (
            ("session_id", "reference"), ("meeting.title", "title"), ("meeting.id", "target"),
        )),
        *((path, name, (*WRONG_TYPES, *WRONG_WORDS, "1780480795120")) for path, name in (
            ("started_time", "started_at"), ("stopped_time", "ended_at"),
            ("invoked_time", "created_at"), ("download_url_expiry", "media_expires_at"),
        )),
        ("file_size", "size", (*WRONG_TYPES, *WRONG_WORDS, "1.5", '""')),
        ("recording_duration", "duration", (*WRONG_TYPES, *WRONG_WORDS, '"1800"')),
    ],
)  # fmt: skip
def test_an_unread_field_is_none_and_named_and_changes_nothing_else(
    path: str, attribute: str, values: tuple[str, ...]
) -> None:
    for value in values:
        recording = read_json(path, value)
        assert getattr(recording, attribute) is None, value
        assert recording.unread_fields == (path,), value
        assert recording.status is rec.RecordingStatus.AVAILABLE, value
        assert [file.url for file in recording.files] == [ROW["download_url"]], value
        for name in COMPARED - {attribute}:
            assert getattr(recording, name) == getattr(read(), name), (value, name)


def test_a_status_that_is_not_a_text_is_unknown_and_named() -> None:
    for value in WRONG_TYPES:
        recording = read_json("status", value)
        assert (recording.status, recording.provider_status) == ("unknown", None)
        assert recording.unread_fields == ("status",)


def test_a_url_that_cannot_be_read_gives_no_file_and_the_same_status() -> None:
    for path in ("download_url", "audio_download_url"):
        for value in ("-7", "true", '{"a": 7}', str(2**70), '"https://bucket.example/\\ud83d.mp4"'):
            recording = read_json(path, value)
            assert path not in [f"{file.id}_url" for file in recording.files]
            assert len(recording.files) == (path == "audio_download_url"), (path, value)
            assert recording.unread_fields == (path,), value
            assert recording.status is rec.RecordingStatus.AVAILABLE, value


def test_a_name_or_title_cut_in_a_character_is_kept() -> None:
    named = read_json("output_file_name", '"standup \\ud83d.mp4"')
    assert [file.name for file in named.files] == ["standup \ufffd.mp4"]
    assert (named.format, named.unread_fields) == ("mp4", ("output_file_name",))
    titled = read_json("meeting.title", '"Stand-up \\ud83d"')
    assert (titled.title, titled.unread_fields) == ("Stand-up \ufffd", ("meeting.title",))
    assert titled.target == read().target


def test_a_name_that_is_not_a_text_leaves_the_file_with_the_format_of_its_url() -> None:
    recording = read_json("output_file_name", "[7]")
    assert [(file.name, file.format, file.size) for file in recording.files] == [
        (None, "mp4", 2044680)
    ]
    assert recording.unread_fields == ("output_file_name",)


def test_an_unread_meeting_names_no_target() -> None:
    for value in ("7", "true", '"50c8940e"', "[7]"):
        recording = read_json("meeting", value)
        assert (recording.target, recording.title) == (None, None)
        assert recording.unread_fields == ("meeting",)


@pytest.mark.parametrize("reason", ["7", "[7]", "true", '{"reason": 7}'])
def test_an_unread_reason_of_a_failure_is_named(reason: str) -> None:
    row = json.dumps({**ROW, "status": "ERRORED"})[:-1] + f', "stop_reason": {reason}}}'
    recording = mapping.read_recording(decode_json(row.encode()), "default", BEFORE)
    assert (recording.status, recording.error) == ("failed", None)
    (path,) = recording.unread_fields
    assert path == ("stop_reason.reason" if "{" in reason else "stop_reason")


@pytest.mark.parametrize(
    ("layer", "path"),
    [
        ("7", "download_url"),
        ('{"download_urls": 7}', "download_url.download_urls"),
        ('{"download_urls": {"b.webm": 7}}', "download_url.download_urls"),
        (
            '{"download_urls": {"b.webm": {"download_url": 7}}}',
            "download_url.download_urls.download_url",
        ),
        (
            '{"download_urls": {"b.webm": {"download_url": "https://b.example/\\ud83d"}}}',
            "download_url.download_urls.b.webm.download_url",
        ),
    ],
)
def test_an_unread_track_costs_only_that_track(layer: str, path: str) -> None:
    good = '{"download_urls": {"a.webm": {"download_url": "https://b.example/a"}}}'
    recording = read_json("download_url", f"[{layer}, {good}]")
    assert [file.id for file in recording.files] == ["a.webm"]
    assert recording.unread_fields == (path,)
    assert recording.status is rec.RecordingStatus.AVAILABLE


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
        ({"success": False, "error": {"code": 1005, "message": "m"}}, "1005", rec.Conflict, True),
        ({"success": False, "error": {"code": 1006, "message": "m"}}, "1006", None, True),
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
    assert details.recognized is (is_error and code is not None)
    assert not details.absent


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"message": "no Route matched with those values"},
        {"error": "not found"},
        {"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}},
        {"errors": [{"code": 404, "message": "m"}]},
        {"success": False},
        {"success": False, "error": "not found"},
        {"success": False, "error": {"code": "404", "message": "m"}},
        {"success": "false", "error": {"code": 404, "message": "m"}},
    ],
)
def test_the_shape_of_another_server_is_not_recognized(payload: dict[str, Any]) -> None:
    assert mapping.read_error_details(payload).recognized is False
