"""Mapping: the samples of VoIPBin's pages and source become the documented values."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.plugin import Fields, decode_json
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
#: A stored file as the server writes it: https://github.com/voipbin/monorepo
FILE: dict[str, Any] = {
    "id": "0f7a3d1c-0000-4000-8000-000000000001",
    "customer_id": "5e4a0680-804e-11ec-8477-2fea5968d85b",
    "owner_type": "agent",
    "owner_id": mapping.NIL,
    "type": "recording",
    "reference_type": "recording",
    "reference_id": ROW["id"],
    "name": "recording file",
    "detail": "",
    "filename": "call_531bc6f4-c695-4c6d-a478-f28b88dfc2ca_2026-08-22T05:31:45Z_in.wav",
    "filesize": 169964,
    "uri_download": "https://storage.googleapis.com/bucket/x?X-Goog-Signature=abc",
    "tm_download_expire": "2026-08-29T05:32:30Z",
    "tm_create": "2026-08-22T05:32:30Z",
    "tm_update": None,
    "tm_delete": None,
}
END = datetime(2026, 8, 22, 5, 31, 58, 932000, tzinfo=UTC)
API = "https://api.voipbin.net/v1.0"


def build_file(id: str, name: str | None, size: int | None, *unread: str) -> mapping.StoredFile:
    return mapping.StoredFile(ROW["id"], END, mapping.build_leg(id, name, size), unread)


IN, OUT = build_file("in-id", "x_in.wav", 10), build_file("out-id", "x_out.wav", 20)

#: Values that no field has; a text with a lone surrogate is tested apart.
ABSURD: dict[str, Any] = {
    "a negative number": -1731660518,
    "zero": 0,
    "a float": 0.5,
    "a huge number": 2**70,
    "true": True,
    "false": False,
    "a list": ["x"],
    "an empty list": [],
    "an object": {"x": 1},
}
ABSURD_TIMES: dict[str, Any] = {
    **ABSURD,
    "a word": "<string>",
    "a date": "2026-08-22",
    "the year 1": "0001-01-01T00:00:00Z",
    "a zero date": "0000-00-00",
    "a lone surrogate": "2026-08-22T05:31:47Z\ud83d",
}
TIMES = ("tm_start", "tm_end", "tm_create", "tm_delete")
#: A field of a row -> the field of the recording.
TEXTS = {"status": "provider_status", "format": "format", "reference_id": "reference"}


def decode(row: dict[str, Any]) -> Any:
    """Decode a row as it comes from the vendor, so that what JSON allows is repaired."""
    return decode_json(json.dumps(row).encode())


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
    def test_its_placeholders_are_read_without_the_times(self) -> None:
        recording = mapping.read_recording(PAGE, "default")
        assert sorted(recording.unread_fields) == sorted(TIMES)
        assert (recording.started_at, recording.ended_at, recording.created_at) == (None,) * 3

    def test_the_time_of_the_last_change_is_not_read(self) -> None:
        assert read_row(tm_update="<string>") == read_row()

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
        assert mapping.read_time(Fields({"tm_end": text}), "tm_end") == expected

    @pytest.mark.parametrize(
        "unset", ["9999-01-01 00:00:00.000000", "9999-01-01T00:00:00.000000Z", "", None, ...]
    )
    def test_every_form_of_an_unset_time_is_none(self, unset: Any) -> None:
        recording = read_row(tm_end=unset)
        assert (recording.ended_at, recording.unread_fields) == (None, ())

    def test_a_time_of_a_row_that_is_not_an_object_is_none(self) -> None:
        assert mapping.read_row_time(["tm_create"], "tm_create") is None

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


@pytest.mark.parametrize("word", mapping.STATUSES)
def test_every_status_with_an_end_is_processing(word: str) -> None:
    assert read_row(status=word).status is rec.RecordingStatus.PROCESSING


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


class TestUnreadFields:
    @pytest.mark.parametrize("name", TIMES)
    @pytest.mark.parametrize("value", ABSURD_TIMES.values(), ids=ABSURD_TIMES)
    def test_an_absurd_time_is_named_and_changes_nothing_else(self, name: str, value: Any) -> None:
        recording = mapping.read_recording(decode({**ROW, name: value}), "default")
        assert recording.unread_fields == (name,)
        assert recording.raw.keys() >= {name}
        without = {key: other for key, other in ROW.items() if key != name}
        assert recording == evolve(read_row(without), unread_fields=(name,))
        assert recording.status is rec.RecordingStatus.PROCESSING

    @pytest.mark.parametrize("name", [*TEXTS, "reference_type"])
    @pytest.mark.parametrize("value", ABSURD.values(), ids=ABSURD)
    def test_an_absurd_text_is_named_and_changes_nothing_else(self, name: str, value: Any) -> None:
        recording = mapping.read_recording(decode({**ROW, name: value}), "default")
        assert recording.unread_fields == (name,)
        without = {key: other for key, other in ROW.items() if key != name}
        assert recording == evolve(read_row(without), unread_fields=(name,))

    @pytest.mark.parametrize(("name", "field"), TEXTS.items())
    def test_a_lone_surrogate_is_replaced_and_named(self, name: str, field: str) -> None:
        recording = mapping.read_recording(decode({**ROW, name: "x\ud83d"}), "default")
        assert getattr(recording, field) == "x\ufffd"
        assert recording.unread_fields == (name,)
        if name == "reference_id":
            assert recording.target is None, "no request can carry it"

    def test_a_row_of_absurd_values_exists_by_its_id(self) -> None:
        row = dict.fromkeys(ROW, -1) | {"tm_delete": "0000-00-00", "id": ROW["id"]}
        recording = mapping.read_recording(row, "default")
        assert (recording.id, recording.status) == (ROW["id"], rec.RecordingStatus.UNKNOWN)
        assert set(recording.unread_fields) == {*TIMES, *TEXTS, "reference_type"}
        assert mapping.may_have_files(recording)

    @pytest.mark.parametrize("value", ABSURD_TIMES.values(), ids=ABSURD_TIMES)
    def test_an_unread_end_proves_that_a_stop_came_too_late(self, value: Any) -> None:
        recording = mapping.read_recording(
            decode({**ROW, "status": "stopping", "tm_end": value}), "default"
        )
        assert recording.status is rec.RecordingStatus.PROCESSING
        added = mapping.add_files(recording, [IN, OUT], END)
        assert (added.status, added.unread_fields) == (rec.RecordingStatus.AVAILABLE, ("tm_end",))

    def test_files_of_a_recording_whose_end_is_unread_are_read(self) -> None:
        assert mapping.may_have_files(read_row(status="recording", tm_end=-1))
        assert not mapping.may_have_files(read_row(status="recording", tm_end=...))
        assert read_row(status="recording", tm_end=-1).status is rec.RecordingStatus.RECORDING


@pytest.mark.parametrize(
    "id", [mapping.NIL, "", None, ..., 7, ["x"], "a\nb", "a\u202eb", "a\u200bb", "\0", ".", ".."]
)
def test_a_recording_without_an_id_is_an_error(id: Any) -> None:
    with pytest.raises(rec.MalformedPayload, match="id"):
        read_row(id=id)


class TestFiles:
    def test_a_row_of_storage_is_a_leg_with_the_url_of_the_api(self) -> None:
        """The signed URL in the row expires; the API's redirects to a new one."""
        stored = mapping.read_stored_file(FILE, API)
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
            url=f"{API}/storage_files/{FILE['id']}/file",
        )

    def test_a_row_without_a_signed_url_is_the_same_leg(self) -> None:
        row = {**FILE, "uri_download": "", "tm_download_expire": None}
        assert mapping.read_stored_file(row, API) == mapping.read_stored_file(FILE, API)

    def test_the_id_of_a_file_is_quoted_in_its_url(self) -> None:
        stored = mapping.read_stored_file({**FILE, "id": "a/../b?c"}, API)
        assert stored is not None
        assert stored.file.url == f"{API}/storage_files/a%2F..%2Fb%3Fc/file"

    @pytest.mark.parametrize(
        ("name", "leg"),
        [
            ("call_x_2026-08-22T05:31:45Z_in.wav", "in"),
            ("call_x_2026-08-22T05:31:45Z_out.wav", "out"),
            ("confbridge_x_2026-08-22T05:31:45Z_in.", "in"),
            ("call_x_2026-08-22T05:31:45Z_out.mp3", "out"),
            ("call_x_2026-08-22T05:31:45Z.wav", None),
            ("in.wav", None),
            (None, None),
        ],
    )
    def test_the_name_of_a_file_shows_its_leg(self, name: str | None, leg: str | None) -> None:
        """Without a format, the server names it with a dot and no extension."""
        assert mapping.find_leg(name) == leg

    @pytest.mark.parametrize(
        "changes",
        [
            {"reference_type": "", "type": "rag"},
            {"reference_type": "tts"},
            {"tm_delete": "2026-08-23T00:00:00Z"},
        ],
    )
    def test_uploaded_and_deleted_files_belong_to_no_recording(
        self, changes: dict[str, Any]
    ) -> None:
        assert mapping.read_stored_file({**FILE, **changes}, API) is None

    @pytest.mark.parametrize("name", ["id", "reference_id"])
    @pytest.mark.parametrize("wrong", [*ABSURD.values(), None, "", "a\u202eb"])
    def test_a_row_without_usable_ids_is_an_error(self, name: str, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match=name):
            mapping.read_stored_file({**FILE, name: wrong}, API)

    @pytest.mark.parametrize(
        "name", ["filename", "filesize", "tm_create", "tm_delete", "reference_type"]
    )
    @pytest.mark.parametrize("wrong", [*ABSURD.values(), "0000-00-00"])
    def test_a_file_with_an_absurd_field_is_kept_and_the_field_named(
        self, name: str, wrong: Any
    ) -> None:
        readable = {"filesize": (0,), "filename": ("0000-00-00",)}.get(name, ())
        if type(wrong) in (int, str) and wrong in readable:
            return
        if name == "reference_type" and type(wrong) is str:
            assert mapping.read_stored_file({**FILE, name: wrong}, API) is None
            return
        good = mapping.read_stored_file(FILE, API)
        stored = mapping.read_stored_file(decode({**FILE, name: wrong}), API)
        assert stored is not None
        assert good is not None
        expected = good.file
        if name == "filename":
            expected = evolve(expected, name=None, format=None, media_type=None)
        elif name == "filesize":
            expected = evolve(expected, size=None)
        assert (stored.file, stored.unread) == (expected, (f"storage_files.{name}",))
        assert stored.created_at == (None if name == "tm_create" else good.created_at)

    def test_what_is_unread_of_files_is_named_in_the_recording(self) -> None:
        recording = mapping.add_files(
            read_row(format=7),
            [build_file("a", "a", None, "storage_files.filesize"), OUT],
            END,
        )
        assert recording.status is rec.RecordingStatus.AVAILABLE
        assert recording.unread_fields == ("format", "storage_files.filesize")
        assert (recording.size, [file.size for file in recording.files]) == (None, [None, 20])
        again = mapping.add_files(
            recording, [build_file("a", "a", None, "storage_files.filesize"), OUT], END
        )
        assert again == recording

    @pytest.mark.parametrize(
        ("names", "status"),
        [
            (["call_1_in.wav"], "processing"),
            (["call_1_in.wav", "call_1_out.wav"], "available"),
            (["confbridge_1_in.wav"], "available"),
        ],
    )
    def test_if_the_kind_is_unread_the_names_of_the_files_show_it(
        self, names: list[str], status: str
    ) -> None:
        files = [build_file(name, name, 1) for name in names]
        recording = mapping.add_files(read_row(reference_type=7), files, END)
        assert (recording.kind, str(recording.status)) == (None, status)

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
        self, kind: str, files: list[mapping.StoredFile], status: str, size: int | None
    ) -> None:
        recording = mapping.add_files(read_row(reference_type=kind), files, END + HOUR - SECOND)
        assert (recording.status, recording.size) == (status, size)
        names = [file.name for file in recording.files]
        assert names == sorted({each.file.name for each in files}, key=str), (
            "`in` before `out`, and each once"
        )

    @pytest.mark.parametrize(
        ("files", "status", "error"),
        [
            ([], "failed", "VoIPBin stored no file"),
            ([IN], "available", "VoIPBin stored 1 of 2 files"),
        ],
    )
    def test_what_is_not_stored_an_hour_after_the_end_never_will_be(
        self, files: list[mapping.StoredFile], status: str, error: str
    ) -> None:
        for row in (read_row(), read_row(tm_end=7)):
            later = END + (HOUR if row.ended_at is not None else 25 * HOUR)
            recording = mapping.add_files(row, files, later)
            assert (recording.status, recording.error) == (status, error)
            partly = mapping.add_files(row, files, later, is_complete=False)
            assert (partly.status, partly.error) == ("available", None), "a file was not read"
            assert (partly.files, partly.unread_fields[-1]) == ((), "storage_files")
            early = mapping.add_files(row, files, later - MINUTE, is_complete=False)
            assert (early.status, len(early.files)) == ("processing", len(files))

    def test_the_size_is_unknown_if_one_leg_has_no_size(self) -> None:
        assert mapping.read_stored_file({**FILE, "filesize": 0}, API) == mapping.read_stored_file(
            {**FILE, "filesize": None}, API
        )
        recording = mapping.add_files(read_row(), [IN, build_file("b", "b.wav", None)], END)
        assert (recording.status, recording.size) == (rec.RecordingStatus.AVAILABLE, None)

    @pytest.mark.parametrize(
        ("provider_status", "status"),
        [("recording", "available"), ("transmogrified", "unknown"), ("stopping", "available")],
    )
    def test_with_an_end_files_change_every_status_but_an_unknown_one(
        self, provider_status: str, status: str
    ) -> None:
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
        assert recording.unread_fields == ("storage_files",)

    def test_a_file_name_without_a_suffix_gets_the_recordings_format(self) -> None:
        (file,) = mapping.add_files(
            read_row(reference_type="confbridge"), [build_file("a", "a", 1)], END
        ).files
        assert file.format == "wav"

    def test_files_are_expected_soon_after_the_end_and_within_an_hour(self) -> None:
        recording = read_row()
        created_at = recording.created_at
        assert created_at is not None
        for each, end in (
            (recording, END),
            (read_row(tm_end="2026-08-24T05:31:58.932Z"), END + 48 * HOUR),
        ):
            times = mapping.compute_storage_times(each)
            assert times == mapping.StorageTimes(begin=created_at, end=end, latest=end + HOUR)
            assert times.soon == end + 2 * MINUTE
            assert mapping.is_very_long(each) is (each is not recording)
        unread = mapping.compute_storage_times(read_row(tm_end=7))
        assert unread is not None
        assert unread.latest == created_at + 25 * HOUR
        assert (
            mapping.compute_storage_times(read_row(tm_start=..., tm_end=..., tm_create=...)) is None
        )


class TestSessions:
    def test_recording_ids_are_newest_first_and_unique(self) -> None:
        row = {"recording_id": "c", "recording_ids": ["a", "b", "c"]}
        for given, ids in (
            (row, ["c", "b", "a"]),
            ({"recording_id": mapping.NIL}, []),
            ({**row, "recording_id": "d"}, ["d", "c", "b", "a"]),
            ({"recording_ids": [mapping.NIL, "a"]}, ["a"]),
        ):
            assert mapping.read_recording_ids(given) == (ids, [])

    @pytest.mark.parametrize("wrong", ["a", {}, 7, True, 2**70])
    def test_a_history_that_is_not_an_array_is_an_error(self, wrong: Any) -> None:
        if wrong == 2**70:
            wrong_row = decode({"recording_ids": wrong})
        else:
            wrong_row = {"recording_ids": wrong}
        with pytest.raises(rec.MalformedPayload, match="recording_ids"):
            mapping.read_recording_ids(wrong_row)

    @pytest.mark.parametrize("wrong", [7, None, "", {}, "..", "a\nb"])
    def test_each_id_that_cannot_be_read_has_a_sentence(self, wrong: Any) -> None:
        ids, problems = mapping.read_recording_ids({"recording_ids": ["a", wrong, "b"]})
        assert ids == ["b", "a"]
        (problem,) = problems
        assert "'recording_ids'" in problem
        if wrong is not None:
            ids, problems = mapping.read_recording_ids(
                {"recording_ids": ["a"], "recording_id": wrong}
            )
            assert (ids, len(problems)) == (["a"], 1)

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
        assert (details.recognized, details.absent) == (True, True)

    @pytest.mark.parametrize(
        ("reason", "absent"),
        [
            ("RECORDING_NOT_FOUND", True),
            ("RESOURCE_NOT_FOUND", True),
            ("ROUTE_NOT_FOUND", False),
            ("CALL_NOT_FOUND", False),
            ("PERMISSION_DENIED", False),
        ],
    )
    def test_only_two_reasons_state_that_the_recording_does_not_exist(
        self, reason: str, absent: bool
    ) -> None:
        details = mapping.read_error_details({"error": {"status": "NOT_FOUND", "reason": reason}})
        assert (details.recognized, details.absent) == (True, absent)

    @pytest.mark.parametrize(
        "payload", [{}, {"error": "no"}, {"error": None}, {"error": {"reason": 7, "message": []}}]
    )
    def test_another_shape_has_no_details(self, payload: dict[str, Any]) -> None:
        details = mapping.read_error_details(payload)
        assert (details.code, details.message, details.request_id) == (None, None, None)
        assert not details.recognized

    @pytest.mark.parametrize(
        "error",
        [
            {"code": 404, "status": "NOT_FOUND", "message": "Not found."},  # Google's gateways
            {"reason": "RECORDING_NOT_FOUND", "message": "Not found."},
            {"message": "not found"},
        ],
    )
    def test_an_error_without_status_and_reason_is_not_recognized(
        self, error: dict[str, Any]
    ) -> None:
        assert not mapping.read_error_details({"error": error}).recognized

    def test_a_missing_signing_key_is_not_a_fault_that_passes(self) -> None:
        error = {"status": "UNAVAILABLE", "reason": "SIGNING_NOT_CONFIGURED"}
        assert mapping.read_error_details({"error": error}).kind is rec.Rejected
