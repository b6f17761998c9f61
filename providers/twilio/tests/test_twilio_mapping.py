"""Mapping: each field and word of Twilio's rows, with the traps that its pages and clients show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_twilio import mapping

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
CALL, CONFERENCE = "CA0123456789abcdef0123456789abcdef", "CF0123456789abcdef0123456789abcdef"
RECORDING = "RE0123456789abcdef0123456789abcdef"
ROOT = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}"
#: A row of the account's list, with values of our own.
ROW: dict[str, Any] = {
    "account_sid": ACCOUNT,
    "api_version": "2010-04-01",
    "call_sid": CALL,
    "channels": 2,
    "conference_sid": None,
    "date_created": "Sat, 28 Nov 2026 09:15:03 +0000",
    "date_updated": "Sat, 28 Nov 2026 09:15:45 +0000",
    "duration": "37",
    "encryption_details": None,
    "error_code": None,
    "media_url": f"{ROOT}/Recordings/{RECORDING}",
    "price": "-0.0025",
    "price_unit": "USD",
    "sid": RECORDING,
    "source": "StartCallRecordingAPI",
    "start_time": "Sat, 28 Nov 2026 09:15:02 +0000",
    "status": "completed",
    "subresource_uris": {},
    "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Recordings/{RECORDING}.json",
}


def read(*, is_live: bool = False, **changes: Any) -> rec.Recording:
    return mapping.read_recording({**ROW, **changes}, "default", ROOT, is_live=is_live)


def test_a_completed_row_has_every_field() -> None:
    found = read()
    assert (found.id, found.status, found.provider_status) == (RECORDING, "available", "completed")
    assert (found.kind, found.target) == ("call", rec.call(CALL))
    assert found.started_at == datetime(2026, 11, 28, 9, 15, 2, tzinfo=UTC)
    assert found.created_at == datetime(2026, 11, 28, 9, 15, 3, tzinfo=UTC)
    assert found.duration == timedelta(seconds=37)
    assert (found.channels, found.format, found.size, found.ended_at) == (2, "wav", None, None)
    (file,) = found.files
    assert (file.url, file.media_type) == (f"{ROOT}/Recordings/{RECORDING}.wav", "audio/wav")
    assert file.duration == timedelta(seconds=37)
    assert found.unread_fields == ()


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("in-progress", "recording"),
        ("paused", "paused"),
        ("stopped", "stopping"),
        ("processing", "processing"),
        ("completed", "available"),
        ("absent", "failed"),
        ("failed", "failed"),
        ("deleted", "deleted"),
        ("zz-new", "unknown"),
        (None, "unknown"),
    ],
)
def test_each_word_has_its_status(word: str | None, status: str) -> None:
    assert read(status=word).status == status


def test_processing_is_recording_while_the_call_lives() -> None:
    assert read(status="processing", duration="-1", is_live=True).status == "recording"
    assert read(status="completed", is_live=True).status == "available"


@pytest.mark.parametrize(
    ("code", "status"), [(16101, "empty"), (16102, "empty"), (16105, "failed")]
)
def test_an_absent_recording_is_empty_only_by_its_code(code: int, status: str) -> None:
    found = read(status="absent", error_code=code, duration="0")
    assert (found.status, found.files) == (status, ())
    assert found.error == f"No file was stored by Twilio: error {code}"


def test_a_code_is_the_reason_of_an_absent_recording_only() -> None:
    assert read(error_code=16101).error is None


@pytest.mark.parametrize("value", ["-1", None, "", "-7"])
def test_a_duration_that_is_not_known_is_none_and_not_unread(value: Any) -> None:
    found = read(duration=value)
    assert (found.duration, found.unread_fields) == (None, ())


@pytest.mark.parametrize("value", ["zz", -1, True, "--1", "1e5"])
def test_a_duration_in_another_form_is_unread(value: Any) -> None:
    found = read(duration=value)
    assert (found.duration, found.unread_fields, found.status) == (None, ("duration",), "available")


def test_a_time_with_an_offset_is_converted() -> None:
    # twilio-python drops the offset.
    found = read(start_time="Sat, 28 Nov 2026 10:15:02 +0100")
    assert found.started_at == datetime(2026, 11, 28, 9, 15, 2, tzinfo=UTC)


def test_a_conference_row_belongs_to_the_conference_and_names_a_members_call() -> None:
    found = read(conference_sid=CONFERENCE, source="Conference")
    assert (found.kind, found.reference) == ("conference", CALL)
    assert found.target == rec.conference(CONFERENCE)
    # By default a conference's file has one channel although two are stored.
    assert found.files[0].url == f"{ROOT}/Recordings/{RECORDING}.wav?RequestedChannels=2"
    assert "?" not in (read(conference_sid=CONFERENCE, channels=1).files[0].url or "")


def test_a_conference_that_cannot_be_read_is_not_taken_for_a_call() -> None:
    found = read(conference_sid={"a": 1})
    assert (found.kind, found.target, found.unread_fields) == (None, None, ("conference_sid",))


@pytest.mark.parametrize(("value", "unread"), [(0, ()), (7, ("channels",)), ("2", ("channels",))])
def test_channels_are_one_or_two(value: Any, unread: tuple[str, ...]) -> None:
    found = read(channels=value)
    assert (found.channels, found.unread_fields) == (None, unread)


def test_an_encrypted_file_has_no_format() -> None:
    found = read(encryption_details={"encryption_cek": "k", "encryption_iv": "i"})
    assert (found.format, found.files[0].format, found.files[0].duration) == (None, None, None)
    assert found.duration == timedelta(seconds=37)


def test_media_in_the_customers_storage_is_no_file_of_twilios() -> None:
    url = f"https://bucket.s3.amazonaws.com/{ACCOUNT}/{RECORDING}"
    assert read(media_url=url).files == ()
    assert mapping.find_own_storage({"media_url": url}, ROOT) == "bucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://api.twilio.com/2010-04-01/Accounts/x/Recordings/y",
        "https://api.dublin.ie1.twilio.com/x",
        "https://[bad",
        7,
        None,
        "",
    ],
)
def test_media_at_twilio_is_fetched_by_the_path_of_the_recording(url: Any) -> None:
    # The row's own URL is never requested: samples show plain http.
    assert read(media_url=url).files[0].url == f"{ROOT}/Recordings/{RECORDING}.wav"


def test_a_row_without_a_sid_cannot_be_read() -> None:
    with pytest.raises(rec.MalformedPayload):
        read(sid=None)


@pytest.mark.parametrize(
    ("status", "body", "code", "recognized", "kind"),
    [
        (404, {"code": 20404, "message": "m", "status": 404}, "20404", True, None),
        (400, {"message": "m", "status": 400}, None, True, None),
        (400, {"message": "m", "status": 500}, None, False, None),
        (400, {"code": 20001, "title": "t", "detail": "m", "status": 400}, "20001", True, None),
        (400, {"title": "t", "detail": "m", "status": 400}, None, False, None),
        (404, {"message": "not found"}, None, False, None),
        (404, {"code": 20404}, "20404", False, None),
        (400, {"code": 21220, "message": "m", "status": 400}, "21220", True, rec.Conflict),
        (400, {"code": 16108, "message": "m", "status": 400}, "16108", True, rec.Conflict),
        (400, {"code": 21501, "message": "m", "status": 400}, "21501", True, rec.NotReady),
        (400, {"code": True, "message": 7}, None, False, None),
        (200, {"code": 21220, "message": "m"}, "21220", True, None),
    ],
)
def test_an_error_body_is_evidence_only_in_twilios_shape(
    status: int, body: dict[str, Any], code: str | None, recognized: bool, kind: Any
) -> None:
    found = mapping.read_error_details(status, body)
    assert (found.code, found.recognized, found.kind) == (code, recognized, kind)
    assert not found.absent
