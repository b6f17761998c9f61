"""Mapping: Plivo's samples are read as its pages document them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_core.plugin import Fields, decode_json
from recording_plivo import mapping

#: A row of the official clients' tests: decimals as strings, India's offset, a space.
ROW: dict[str, Any] = {
    "add_time": "2022-04-12 16:08:53.523657+05:30",
    "call_uuid": "f72eea2a-8ea4-4d5c-8a3e-7d9b7f6f0a11",
    "conference_name": "",
    "from_number": "+919768368717",
    "monthly_recording_storage_amount": 0.0008,
    "recording_duration_ms": "7560.00000",
    "recording_end_ms": "1649759930398.00000",
    "recording_format": "mp3",
    "recording_id": "d405c4eb-0f1a-4b0e-9d0c-2f7a3b1c4d5e",
    "recording_start_ms": "1649759922838.00000",
    "recording_storage_duration": 209,
    "recording_storage_rate": 0.0004,
    "recording_type": "call",
    "recording_url": "https://media.plivo.com/v1/Account/MAZT/Recording/d405c4eb.mp3",
    "resource_uri": "/v1/Account/MAZT/Recording/d405c4eb/",
    "rounded_recording_duration": 120,
    "to_number": "sip:alice@phone.plivo.com",
}

#: https://www.plivo.com/docs/voice/api/conferences, start recording (without its stray comma)
STARTED: dict[str, Any] = {
    "api_id": "2867b6e2-58c3-11e1-86da-adf28403fe48",
    "message": "conference recording started",
    "recording_id": "93bc7c6a-3b2b-11e3",
    "url": "https://media.plivo.com/v1/Account/<Auth_ID>/Recording/93bc7c6a-3b2b-11e3.mp3",
}


def read_row(**changes: Any) -> rec.Recording:
    row = {key: value for key, value in {**ROW, **changes}.items() if value is not ...}
    return mapping.read_recording(row, "default")


def test_all_fields_of_a_row_are_read() -> None:
    recording = read_row()
    assert recording == rec.Recording(
        provider="plivo",
        account="default",
        id="d405c4eb-0f1a-4b0e-9d0c-2f7a3b1c4d5e",
        kind=rec.SessionKind.CALL,
        target=rec.call("f72eea2a-8ea4-4d5c-8a3e-7d9b7f6f0a11"),
        reference="f72eea2a-8ea4-4d5c-8a3e-7d9b7f6f0a11",
        status=rec.RecordingStatus.AVAILABLE,
        started_at=datetime(2022, 4, 12, 10, 38, 42, 838000, tzinfo=UTC),
        ended_at=datetime(2022, 4, 12, 10, 38, 50, 398000, tzinfo=UTC),
        created_at=datetime(2022, 4, 12, 10, 38, 53, 523657, tzinfo=UTC),
        duration=timedelta(milliseconds=7560),
        format="mp3",
        files=(
            rec.MediaFile(
                id="mix",
                role=rec.FileRole.MIX,
                format="mp3",
                media_type="audio/mpeg",
                duration=timedelta(milliseconds=7560),
                url="https://media.plivo.com/v1/Account/MAZT/Recording/d405c4eb.mp3",
                name="d405c4eb.mp3",
            ),
        ),
    )
    assert recording.raw == ROW
    assert recording.size is None, "Plivo does not report the size"


def test_the_url_is_found_in_the_response_to_a_start() -> None:
    assert mapping.find_url(Fields(STARTED)) == STARTED["url"]


@pytest.mark.parametrize(
    ("recording_type", "conference_name", "kind"),
    [
        ("call", "", rec.SessionKind.CALL),
        ("normal", None, rec.SessionKind.CALL),
        ("conference", "noname", rec.SessionKind.CONFERENCE),
        ("Conference", "standup", rec.SessionKind.CONFERENCE),
        ("mpc", "", rec.SessionKind.MEETING),
        ("mp3", "", rec.SessionKind.CALL),  # pages of 2012
        ("mp3", "standup", rec.SessionKind.CONFERENCE),
        (None, "standup", rec.SessionKind.CONFERENCE),
        ("trunk", "", None),  # the set is open: no guess
    ],
)
def test_the_kind_is_read_from_the_type_or_the_parent(
    recording_type: str | None, conference_name: str | None, kind: rec.SessionKind | None
) -> None:
    assert read_row(recording_type=recording_type, conference_name=conference_name).kind is kind


def test_the_target_of_a_conference_is_its_name() -> None:
    recording = read_row(recording_type="conference", conference_name="My Conf Hall")
    assert recording.target == rec.conference("My Conf Hall")
    assert recording.reference == ROW["call_uuid"]


def test_the_row_of_a_multiparty_call_has_no_target() -> None:
    assert read_row(recording_type="mpc").target is None


@pytest.mark.parametrize("duration", ["0", "0.00000", 0, 0.0])
def test_a_recording_of_no_length_is_available(duration: object) -> None:
    recording = read_row(recording_duration_ms=duration)
    assert recording.status is rec.RecordingStatus.AVAILABLE
    assert recording.duration == timedelta(0)


def test_a_row_of_2012_is_read() -> None:
    recording = mapping.read_recording(
        {
            "recording_id": "c2186400-1c8c-11e4-a664-0026b945b52x",
            "call_uuid": "3b2b",
            "recording_type": "normal",
            "add_time": "2012-02-04T23:33:08.079231",
            "recording_url": "http://s3.amazonaws.com/recordings_2013/c2186400.mp3",
            "rounded_recording_duration": "3456",
            "recording_storage_duration": "723",
        },
        "default",
    )
    assert recording.created_at == datetime(2012, 2, 4, 23, 33, 8, 79231, tzinfo=UTC)
    assert recording.duration is None, "the rounded duration is for billing only"
    assert recording.format == "mp3"
    assert recording.status is rec.RecordingStatus.AVAILABLE, "a row that has no field for the end"


@pytest.mark.parametrize("url", [..., "https://media.plivo.com/v1/Account/MA/Recording/a.mp3"])
def test_a_row_without_end_is_processing_also_with_a_url(url: Any) -> None:
    without_end = {"recording_end_ms": None, "recording_duration_ms": None}
    recording = read_row(recording_url=url, **without_end)
    assert recording.status is rec.RecordingStatus.PROCESSING
    assert len(recording.files) == (url is not ...)
    assert read_row(recording_url=url, recording_end_ms=None).status == "available", "a duration"


@pytest.mark.parametrize("name", mapping.URL_FIELDS)
def test_the_url_is_found_under_each_name(name: str) -> None:
    url = "https://media.plivo.com/a.mp3"
    assert mapping.find_url(Fields({name: url})) == url


def test_a_computed_duration_is_not_that_of_the_file() -> None:
    found = read_row(
        recording_duration_ms=None,
        recording_start_ms="1780315520000.0",
        recording_end_ms="1780315560000.0",
    )
    assert found.duration == timedelta(seconds=40)
    assert [file.duration for file in found.files] == [None], "the vendor reports none"


def test_an_end_before_the_start_is_no_duration() -> None:
    found = read_row(
        recording_duration_ms=None,
        recording_start_ms="1780315560000.0",
        recording_end_ms="1780315520000.0",
    )
    assert found.duration is None


@pytest.mark.parametrize("id", [None, "", 7, ["a"], ".", "..", "a\u200bb", "a\n", "\ufffd"])
def test_a_row_without_a_usable_id_cannot_be_read(id: Any) -> None:
    with pytest.raises(rec.MalformedPayload) as caught:
        read_row(recording_id=id)
    assert caught.value.path == "recording_id"


#: Each optional field that is read -> the fields of the recording that depend on it.
OPTIONAL = {
    "call_uuid": ("target",),
    "conference_name": (),
    "recording_type": (),
    "recording_duration_ms": ("duration",),
    "recording_start_ms": ("started_at",),
    "recording_end_ms": ("ended_at",),
    "recording_format": (),
    "recording_url": ("files",),
    "add_time": ("created_at",),
}
TEXTS = ("call_uuid", "conference_name", "recording_type", "recording_format", "recording_url")
ABSURD: list[Any] = [
    *(-1, -0.5, 2**63, 1e300, 7, True, False, [], ["a"], {}, {"id": 1}),
    *("-1", "0001-01-01T00:00:00Z", "0000-00-00", "yesterday", "2022-04-12", "NaN", "7,5", "٧"),
    *("1_000", "1e9", " ", "null", "9" * 40),
]


@pytest.mark.parametrize("value", ABSURD, ids=repr)
@pytest.mark.parametrize("field", OPTIONAL)
def test_an_odd_field_fails_alone_and_is_named(field: str, value: Any) -> None:
    recording, good = read_row(**{field: value}), read_row()
    assert recording.id == good.id
    assert recording.status is good.status
    is_read = type(value) is str and field in TEXTS
    if recording.unread_fields:
        assert recording.unread_fields == (field,)
        for name in OPTIONAL[field]:
            assert not getattr(recording, name)
    else:
        assert is_read or (field == "recording_duration_ms" and value == 7)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("recording_duration_ms", -1731660518),
        ("recording_start_ms", "1649759922.838"),  # seconds: 1970
        ("recording_end_ms", "0000-00-00"),
        ("add_time", 1649759922),
        ("add_time", "0001-01-01 00:00:00"),
        ("add_time", "2022-13-45 10:38:53 +0000 UTC"),
        ("recording_url", ["https://media.plivo.com"]),
        ("call_uuid", {"id": 1}),
        ("call_uuid", "a\nb"),
        ("recording_format", 3),
        ("recording_type", 3),
    ],
)
def test_an_odd_field_is_none_and_the_others_are_read(field: str, value: Any) -> None:
    recording, good = read_row(**{field: value}), read_row()
    assert recording.unread_fields == (field,)
    for name in {name for names in OPTIONAL.values() for name in names} - {*OPTIONAL[field]}:
        if name == "target" and field == "recording_type":
            continue  # without its type the kind of session is unknown
        if name == "files" and field == "recording_duration_ms":
            continue  # the duration of the file is that of the recording
        assert getattr(recording, name) == getattr(good, name)


def test_an_unread_url_is_not_an_absent_one() -> None:
    recording = read_row(
        recording_url={"href": "x"}, recording_end_ms=..., recording_duration_ms=...
    )
    assert (recording.status, recording.files) == (rec.RecordingStatus.AVAILABLE, ())
    ended = read_row(recording_url=None, recording_end_ms="soon", recording_duration_ms=None)
    assert ended.status is rec.RecordingStatus.AVAILABLE
    assert ended.unread_fields == ("recording_end_ms",)


def test_half_a_character_costs_its_text_alone() -> None:
    row = decode_json(
        b'{"recording_id": "r1", "recording_type": "conference", "conference_name": "a\\ud83d",'
        b' "recording_url": "https://media.plivo.com/\\ud83d.mp3", "to_number": "\\ud83d",'
        b' "recording_format": "mp3"}'
    )
    recording = mapping.read_recording(row, "default")
    assert recording.unread_fields == ("conference_name", "recording_url", "to_number")
    assert recording.raw["conference_name"] == "a\ufffd"
    assert (recording.kind, recording.target) == (rec.SessionKind.CONFERENCE, None)
    assert (recording.status, recording.files) == (rec.RecordingStatus.AVAILABLE, ())


def test_a_time_as_go_formats_it_is_read() -> None:
    recording = read_row(add_time="2022-04-12 10:38:53.523657 +0000 UTC")
    assert recording.created_at == read_row().created_at
    assert recording.unread_fields == ()


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("name_sales", "name_sales"),
        ("uuid_3b2b", "uuid_3b2b"),
        ("12ca0f68-3d4d-4a7f-9bb3-9d6e4b3f6f11", "uuid_12ca0f68-3d4d-4a7f-9bb3-9d6e4b3f6f11"),
        ("12CA0F68-3D4D-4A7F-9BB3-9D6E4B3F6F11", "uuid_12CA0F68-3D4D-4A7F-9BB3-9D6E4B3F6F11"),
        ("sales", "name_sales"),
        ("12ca0f68", "name_12ca0f68"),
    ],
)
def test_a_multiparty_call_is_addressed_by_name_or_uuid(given: str, path: str) -> None:
    assert mapping.build_mpc_id(given) == path


@pytest.mark.parametrize(
    ("target", "participant", "path"),
    [
        (rec.call("a/b"), None, "Call/a%2Fb/Record/"),
        (rec.conference("My Conf/Hall?x#y"), None, "Conference/My%20Conf%2FHall%3Fx%23y/Record/"),
        (rec.meeting("sales"), None, "MultiPartyCall/name_sales/Record/"),
        (rec.meeting("sales"), "7", "MultiPartyCall/name_sales/Participant/7/Record/"),
    ],
)
def test_names_are_percent_encoded_in_paths(
    target: rec.CommunicationSession, participant: str | None, path: str
) -> None:
    assert mapping.build_record_path(target, participant) == path


def test_filter_times_are_utc_without_an_offset() -> None:
    moment = datetime.fromisoformat("2024-01-01T02:00:00+02:00")
    assert mapping.format_filter_time(moment) == "2024-01-01 00:00:00.000000"


@pytest.mark.parametrize(
    ("status", "payload", "message", "is_recognized"),
    [
        (404, {"api_id": "97ceeb52", "error": "not found"}, "not found", True),
        (400, {"error": {"error": "bad limit"}}, "bad limit", True),
        (400, {"error": ["bad limit", "bad offset"]}, "bad limit; bad offset", True),
        (400, {"error": {"time_limit": ["invalid"]}}, '{"time_limit":["invalid"]}', True),
        (400, {"error": {}}, None, False),
        (400, {"error": []}, None, False),
        (404, {}, None, True),  # Plivo's own, as its client for Go reads it
        (400, {}, None, False),
        (404, {"error": 7, "api_id": 7}, None, False),
        (404, {"error": ""}, None, False),
        (404, {"message": "no Route matched with those values"}, None, False),
    ],
)
def test_error_details_are_recognized_in_plivos_shapes(
    status: int, payload: dict[str, Any], message: str | None, is_recognized: bool
) -> None:
    details = mapping.read_error_details(status, payload)
    assert (details.message, details.recognized) == (message, is_recognized)
    assert details.request_id == ("97ceeb52" if payload.get("api_id") == "97ceeb52" else None)
    assert not details.absent, "Plivo has no code for a resource that does not exist"


@pytest.mark.parametrize(
    ("evidence", "status"),
    [
        ("start accepted", "recording"),
        ("async api spawned", "pending"),
        ("pause accepted", "paused"),
        ("resume accepted", "recording"),
        ("stop accepted", "processing"),
        ("row", "available"),
        ("row without end", "processing"),
    ],
)
def test_the_status_is_inferred_from_evidence(evidence: str, status: str) -> None:
    assert mapping.STATUS_OF_EVIDENCE[evidence] == status
    assert len(mapping.STATUS_OF_EVIDENCE) == 7
