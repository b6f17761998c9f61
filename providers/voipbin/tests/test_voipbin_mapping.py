"""Mapping: the samples of VoIPBin's pages and source become the documented values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_voipbin import mapping

CALL, CONFERENCE = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

#: A row as the server writes it: https://github.com/voipbin/monorepo
ROW: dict[str, Any] = {
    "id": "348d988b-2ac9-4702-84f0-ae81301ad349",
    "customer_id": "5e4a0680-804e-11ec-8477-2fea5968d85b",
    "owner_type": "",
    "owner_id": mapping.NIL,
    "activeflow_id": "d4e5f6a7-b8c9-0123-4567-890abcdef012",
    "reference_type": "call",
    "reference_id": "531bc6f4-c695-4c6d-a478-f28b88dfc2ca",
    "status": "ended",
    "format": "wav",
    "on_end_flow_id": mapping.NIL,
    "tm_start": "2026-08-22T05:31:47.87Z",
    "tm_end": "2026-08-22T05:31:58.932Z",
    "tm_create": "2026-08-22T05:31:45.051136Z",
    "tm_update": "2026-08-22T05:31:58.932Z",
}
#: The page of the recording, unchanged: https://docs.voipbin.net, Recording
PAGE: dict[str, Any] = {
    "id": "<string>",
    "type": "<string>",
    "reference_id": "<string>",
    "status": "<string>",
    "format": "<string>",
    "tm_start": "<string>",
    "tm_end": "<string>",
    "tm_create": "<string>",
    "tm_update": "<string>",
    "tm_delete": "<string>",
}
#: The same, with values as the page describes them.
OLD: dict[str, Any] = {
    "id": "348d988b-2ac9-4702-84f0-ae81301ad349",
    "type": "conference",
    "reference_id": "531bc6f4-c695-4c6d-a478-f28b88dfc2ca",
    "status": "recording",
    "format": "wav",
    "tm_start": "2021-01-28 09:16:58.076735",
    "tm_end": "9999-01-01 00:00:00.000000",
    "tm_create": "2021-01-28 09:16:57.5",
    "tm_update": "2021-01-28 09:16:58.076735",
    "tm_delete": "9999-01-01 00:00:00.000000",
}
FILE: dict[str, Any] = {
    "id": "0f7a3d1c-0000-4000-8000-000000000001",
    "customer_id": "5e4a0680-804e-11ec-8477-2fea5968d85b",
    "reference_type": "recording",
    "reference_id": ROW["id"],
    "filename": "call_531bc6f4-c695-4c6d-a478-f28b88dfc2ca_2026-08-22T05:31:45Z_in.wav",
    "filesize": 169964,
    "uri_download": "https://storage.googleapis.com/bucket/x?X-Goog-Signature=abc",
    "tm_download_expire": "2026-08-23T05:32:30Z",
    "tm_create": "2026-08-22T05:32:30Z",
    "tm_update": None,
    "tm_delete": None,
}
END = datetime(2026, 8, 22, 5, 31, 58, 932000, tzinfo=UTC)
IN = mapping.build_leg("in-id", "x_in.wav", 10)
OUT = mapping.build_leg("out-id", "x_out.wav", 20)


def read_row(base: dict[str, Any] = ROW, **changes: Any) -> rec.Recording:
    """Read a row with these fields changed; `...` removes a field."""
    row = {key: value for key, value in {**base, **changes}.items() if value is not ...}
    return mapping.read_recording(row, "default")


def test_a_row_is_read_in_full() -> None:
    assert read_row() == rec.Recording(
        provider="voipbin",
        account="default",
        id="348d988b-2ac9-4702-84f0-ae81301ad349",
        kind=CALL,
        target=rec.call("531bc6f4-c695-4c6d-a478-f28b88dfc2ca"),
        reference="531bc6f4-c695-4c6d-a478-f28b88dfc2ca",
        status=rec.RecordingStatus.PROCESSING,  # until its files are stored
        provider_status="ended",
        started_at=datetime(2026, 8, 22, 5, 31, 47, 870000, tzinfo=UTC),
        ended_at=END,
        created_at=datetime(2026, 8, 22, 5, 31, 45, 51136, tzinfo=UTC),
        duration=timedelta(seconds=11, milliseconds=62),
        format="wav",
    )
    assert read_row().raw == ROW


class TestSampleOfThePage:
    def test_its_placeholders_raise_an_error_that_shows_no_value(self) -> None:
        with pytest.raises(rec.MalformedPayload, match="'tm_start'") as caught:
            mapping.read_recording(PAGE, "default")
        assert "<string>" not in str(caught.value)

    @pytest.mark.parametrize("name", [key for key in PAGE if key.startswith("tm_")])
    def test_each_malformed_time_raises_an_error(self, name: str) -> None:
        if name == "tm_update":  # it is not read
            assert read_row(tm_update="<string>") == read_row()
            return
        with pytest.raises(rec.MalformedPayload, match=name):
            mapping.read_recording({**ROW, name: "<string>"}, "default")

    def test_its_other_placeholders_are_unknown_values(self) -> None:
        times: dict[str, Any] = {name: ... for name in PAGE if name.startswith("tm_")}
        recording = read_row(PAGE, **times)
        assert (recording.id, recording.reference) == ("<string>", "<string>")
        assert (recording.status, recording.provider_status) == (
            rec.RecordingStatus.UNKNOWN,
            "<string>",
        )
        assert (recording.kind, recording.target) == (None, None)

    def test_the_page_with_values_is_read(self) -> None:
        recording = read_row(OLD)
        assert (recording.kind, recording.target) == (CONFERENCE, None)
        assert recording.status is rec.RecordingStatus.RECORDING
        assert recording.created_at == datetime(2021, 1, 28, 9, 16, 57, 500000, tzinfo=UTC)
        assert recording.started_at == datetime(2021, 1, 28, 9, 16, 58, 76735, tzinfo=UTC)
        assert (recording.ended_at, recording.duration, recording.deleted_at) == (None, None, None)

    def test_an_empty_tm_delete_is_not_a_deletion(self) -> None:
        assert read_row(OLD, tm_delete="") == read_row(OLD)

    def test_a_tm_delete_is_a_deletion(self) -> None:
        recording = read_row(OLD, tm_delete="2021-02-01 00:00:00.000000", status="ended")
        assert recording.status is rec.RecordingStatus.DELETED
        assert recording.deleted_at == datetime(2021, 2, 1, tzinfo=UTC)
        assert not mapping.may_have_files(recording)


class TestTimes:
    @pytest.mark.parametrize(
        ("text", "microsecond"),
        [
            ("2026-08-22T05:31:47Z", 0),
            ("2026-08-22T05:31:47.8Z", 800000),
            ("2026-08-22T05:31:47.87Z", 870000),
            ("2026-08-22T05:31:47.051136Z", 51136),
            ("2026-08-22T05:31:47.870000Z", 870000),
            ("2026-08-22T07:31:47.87+02:00", 870000),
            ("2026-08-22 05:31:47.870000", 870000),
            ("2026-08-22 05:31:47", 0),
        ],
    )
    def test_every_time_format_is_read_as_utc(self, text: str, microsecond: int) -> None:
        expected = datetime(2026, 8, 22, 5, 31, 47, microsecond, tzinfo=UTC)
        assert mapping.read_time(text, "tm_end") == expected

    @pytest.mark.parametrize(
        "unset", ["9999-01-01 00:00:00.000000", "9999-01-01T00:00:00.000000Z", "", None, ...]
    )
    def test_every_form_of_an_unset_time_is_none(self, unset: Any) -> None:
        assert read_row(tm_end=unset).ended_at is None

    @pytest.mark.parametrize("wrong", ["later", "2026-08-22", 1, True, "1999-01-01T00:00:00Z", []])
    def test_a_malformed_time_is_an_error(self, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match="tm_end"):
            read_row(tm_end=wrong)

    def test_a_page_token_has_six_digits_and_a_z(self) -> None:
        at = datetime(2026, 8, 22, 7, 31, 47, 870000, tzinfo=UTC)
        assert mapping.format_page_token(at) == "2026-08-22T07:31:47.870000Z"

    def test_an_end_before_the_start_leaves_the_duration_unset(self) -> None:
        assert read_row(tm_end="2026-08-22T05:31:46Z").duration is None


@pytest.mark.parametrize(
    ("provider_status", "status"),
    [
        ("initiating", "pending"),
        ("recording", "recording"),
        ("stopping", "stopping"),
        ("ended", "processing"),
        ("transmogrified", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_every_status_is_mapped(provider_status: str | None, status: str) -> None:
    recording = read_row(status=provider_status, tm_end=...)
    assert (recording.status, recording.provider_status) == (status, provider_status or None)


def test_every_status_in_the_table_is_tested() -> None:
    assert set(mapping.STATUSES) == {"initiating", "recording", "stopping", "ended"}


def test_stopping_with_an_end_is_processing() -> None:
    assert read_row(status="stopping").status is rec.RecordingStatus.PROCESSING


@pytest.mark.parametrize(
    ("words", "kind", "target"),
    [
        ({"reference_type": "call"}, CALL, rec.call(ROW["reference_id"])),
        ({"reference_type": "confbridge"}, CONFERENCE, None),
        ({"reference_type": "conference"}, CONFERENCE, None),
        ({"type": "call"}, CALL, rec.call(ROW["reference_id"])),
        ({"type": "confbridge"}, CONFERENCE, None),
        ({"type": "conference"}, CONFERENCE, None),
        ({"reference_type": "flow"}, None, None),
        ({}, None, None),
    ],
)
def test_a_kind_has_three_words_and_two_field_names(
    words: dict[str, str], kind: rec.SessionKind | None, target: rec.CommunicationSession | None
) -> None:
    changes: dict[str, Any] = {"reference_type": ..., **words}
    recording = read_row(**changes)
    assert (recording.kind, recording.target, recording.reference) == (
        kind,
        target,
        ROW["reference_id"],
    )


def test_an_all_zero_reference_is_none() -> None:
    recording = read_row(reference_id=mapping.NIL)
    assert (recording.reference, recording.target) == (None, None)


@pytest.mark.parametrize("id", [mapping.NIL, "", None, ..., 7, ["x"]])
def test_a_recording_without_an_id_is_an_error(id: Any) -> None:
    with pytest.raises(rec.MalformedPayload, match="id"):
        read_row(id=id)


class TestFiles:
    def test_a_row_of_storage_is_a_leg_without_a_url(self) -> None:
        stored = mapping.read_stored_file(FILE)
        assert stored is not None
        assert stored.recording_id == ROW["id"]
        assert stored.created_at == datetime(2026, 8, 22, 5, 32, 30, tzinfo=UTC)
        assert stored.file == rec.MediaFile(
            id=FILE["id"],
            role=rec.FileRole.LEG,
            format="wav",
            media_type="audio/wav",
            size=169964,
            name=FILE["filename"],
        )

    @pytest.mark.parametrize(
        "changes",
        [{"reference_type": ""}, {"reference_type": "tts"}, {"tm_delete": "2026-08-23T00:00:00Z"}],
    )
    def test_uploaded_and_deleted_files_belong_to_no_recording(
        self, changes: dict[str, Any]
    ) -> None:
        assert mapping.read_stored_file({**FILE, **changes}) is None

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [("id", None), ("reference_id", 7), ("filesize", -1), ("filesize", True), ("filename", {})],
    )
    def test_a_malformed_row_is_an_error(self, name: str, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match=name):
            mapping.read_stored_file({**FILE, name: wrong})

    @pytest.mark.parametrize(
        ("kind", "files", "status", "size"),
        [
            ("call", [], "processing", None),
            ("call", [IN], "processing", None),
            ("call", [OUT, IN], "available", 30),
            ("call", [IN, IN], "processing", None),
            ("confbridge", [], "processing", None),
            ("confbridge", [IN], "available", 10),
            ("flow", [IN], "available", 10),
        ],
    )
    def test_ended_is_available_with_one_file_per_leg(
        self, kind: str, files: list[rec.MediaFile], status: str, size: int | None
    ) -> None:
        recording = mapping.add_files(read_row(reference_type=kind), files, END + HOUR)
        assert (recording.status, recording.size) == (status, size)
        names = [file.name for file in recording.files]
        assert names == sorted({file.name for file in files}, key=str), (
            "`in` before `out`, and each once"
        )

    def test_the_size_is_unknown_if_one_leg_has_no_size(self) -> None:
        recording = mapping.add_files(read_row(), [IN, mapping.build_leg("b", "b.wav", None)], END)
        assert (recording.status, recording.size) == (rec.RecordingStatus.AVAILABLE, None)

    @pytest.mark.parametrize(
        ("provider_status", "status"),
        [("recording", "recording"), ("transmogrified", "unknown"), ("stopping", "available")],
    )
    def test_files_change_no_other_status(self, provider_status: str, status: str) -> None:
        recording = mapping.add_files(read_row(status=provider_status), [IN, OUT], END)
        assert (recording.status, len(recording.files)) == (status, 2)

    @pytest.mark.parametrize(
        ("later", "status"),
        [
            (10 * MINUTE - SECOND, "processing"),
            (10 * MINUTE, "available"),
            (timedelta(days=99), "available"),
        ],
    )
    def test_if_stored_files_cannot_be_read_it_is_available_ten_minutes_after_its_end(
        self, later: timedelta, status: str
    ) -> None:
        recording = mapping.add_files(read_row(), None, END + later)
        assert (recording.status, recording.files, recording.size) == (status, (), None)

    def test_a_file_name_without_a_suffix_gets_the_recordings_format(self) -> None:
        (file,) = mapping.add_files(
            read_row(reference_type="confbridge"), [mapping.build_leg("a", "a", 1)], END
        ).files
        assert file.format == "wav"

    def test_files_are_expected_soon_after_the_end_and_within_25_hours(self) -> None:
        recording = read_row()
        assert recording.created_at is not None
        assert mapping.compute_storage_times(recording) == (
            END + 10 * MINUTE,
            recording.created_at + 25 * HOUR,
        )
        long = read_row(tm_end="2026-08-24T05:31:58.932Z")
        assert mapping.is_very_long(long)
        assert not mapping.is_very_long(recording)
        end = END + 48 * HOUR
        assert mapping.compute_storage_times(long) == (end + 10 * MINUTE, end + HOUR)
        assert (
            mapping.compute_storage_times(read_row(tm_start=..., tm_end=..., tm_create=...)) is None
        )


class TestSessions:
    def test_recording_ids_are_newest_first_and_unique(self) -> None:
        row = {"recording_id": "c", "recording_ids": ["a", "b", "c"]}
        assert mapping.read_recording_ids(row) == ["c", "b", "a"]
        assert mapping.read_recording_ids({"recording_id": mapping.NIL}) == []
        assert mapping.read_recording_ids({**row, "recording_id": "d"}) == ["d", "c", "b", "a"]
        assert mapping.read_recording_ids({"recording_ids": [mapping.NIL, "a"]}) == ["a"]

    @pytest.mark.parametrize("wrong", ["a", {}, [7], [None], [""]])
    def test_a_malformed_history_is_an_error(self, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match="recording_ids"):
            mapping.read_recording_ids({"recording_ids": wrong})

    def test_a_response_without_a_recording_id_is_an_error(self) -> None:
        with pytest.raises(rec.MalformedPayload, match="recording_id"):
            mapping.read_current_recording_id({"id": "x"})
        assert mapping.read_current_recording_id({"recording_id": mapping.NIL}) is None


class TestErrorDetails:
    def test_the_envelope_is_read(self) -> None:
        error = {
            "status": "NOT_FOUND",
            "reason": "RECORDING_NOT_FOUND",
            "message": "The recording was not found.",
            "request_id": "req_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        }
        details = mapping.read_error_details({"error": error})
        assert (details.code, details.message) == (error["reason"], error["message"])
        assert (details.request_id, details.kind, details.is_error) == (
            error["request_id"],
            None,
            True,
        )

    @pytest.mark.parametrize(
        "payload", [{}, {"error": "no"}, {"error": None}, {"error": {"reason": 7, "message": []}}]
    )
    def test_another_shape_has_no_details(self, payload: dict[str, Any]) -> None:
        details = mapping.read_error_details(payload)
        assert (details.code, details.message, details.request_id) == (None, None, None)
