"""Do VoIPBin's samples read as a reader of its pages would expect?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_voipbin import mapping

CALL, CONFERENCE = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)

#: What the server writes: https://github.com/voipbin/monorepo
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
#: The page of the recording, as it is: https://docs.voipbin.net, Recording
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
#: The same, filled in as it says.
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
IN = mapping.leg("in-id", "x_in.wav", 10)
OUT = mapping.leg("out-id", "x_out.wav", 20)


def read(base: dict[str, Any] = ROW, **changes: Any) -> rec.Recording:
    row = {key: value for key, value in {**base, **changes}.items() if value is not ...}
    return mapping.recording(row, "default")


def test_a_row_reads_in_full() -> None:
    assert read() == rec.Recording(
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
    assert read().raw == ROW


class TestThePage:
    def test_its_placeholders_cost_a_typed_error_that_shows_no_value(self) -> None:
        with pytest.raises(rec.MalformedPayload, match="'tm_start'") as caught:
            mapping.recording(PAGE, "default")
        assert "<string>" not in str(caught.value)

    @pytest.mark.parametrize("name", [key for key in PAGE if key.startswith("tm_")])
    def test_each_time_of_it_costs_one(self, name: str) -> None:
        if name == "tm_update":  # read by nobody
            assert read(tm_update="<string>") == read()
            return
        with pytest.raises(rec.MalformedPayload, match=name):
            mapping.recording({**ROW, name: "<string>"}, "default")

    def test_its_other_placeholders_are_words_that_nobody_knows(self) -> None:
        times: dict[str, Any] = {name: ... for name in PAGE if name.startswith("tm_")}
        seen = read(PAGE, **times)
        assert (seen.id, seen.reference) == ("<string>", "<string>")
        assert (seen.status, seen.provider_status) == (rec.RecordingStatus.UNKNOWN, "<string>")
        assert (seen.kind, seen.target) == (None, None)

    def test_filled_in_as_it_says_it_reads(self) -> None:
        seen = read(OLD)
        assert (seen.kind, seen.target) == (CONFERENCE, None)
        assert seen.status is rec.RecordingStatus.RECORDING
        assert seen.created_at == datetime(2021, 1, 28, 9, 16, 57, 500000, tzinfo=UTC)
        assert seen.started_at == datetime(2021, 1, 28, 9, 16, 58, 76735, tzinfo=UTC)
        assert (seen.ended_at, seen.duration, seen.deleted_at) == (None, None, None)

    def test_an_empty_tm_delete_says_not_deleted(self) -> None:
        assert read(OLD, tm_delete="") == read(OLD)

    def test_a_tm_delete_says_deleted(self) -> None:
        seen = read(OLD, tm_delete="2021-02-01 00:00:00.000000", status="ended")
        assert seen.status is rec.RecordingStatus.DELETED
        assert seen.deleted_at == datetime(2021, 2, 1, tzinfo=UTC)
        assert not mapping.may_have_files(seen)


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
    def test_every_age_is_utc(self, text: str, microsecond: int) -> None:
        expected = datetime(2026, 8, 22, 5, 31, 47, microsecond, tzinfo=UTC)
        assert mapping.moment(text, "tm_end") == expected

    @pytest.mark.parametrize(
        "unset", ["9999-01-01 00:00:00.000000", "9999-01-01T00:00:00.000000Z", "", None, ...]
    )
    def test_every_way_to_say_not_yet(self, unset: Any) -> None:
        assert read(tm_end=unset).ended_at is None

    @pytest.mark.parametrize("wrong", ["later", "2026-08-22", 1, True, "1999-01-01T00:00:00Z", []])
    def test_what_is_no_time_is_an_error(self, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match="tm_end"):
            read(tm_end=wrong)

    def test_a_token_has_six_digits_and_a_z(self) -> None:
        at = datetime(2026, 8, 22, 7, 31, 47, 870000, tzinfo=UTC)
        assert mapping.page_token(at) == "2026-08-22T07:31:47.870000Z"

    def test_an_end_before_the_start_is_no_duration(self) -> None:
        assert read(tm_end="2026-08-22T05:31:46Z").duration is None


@pytest.mark.parametrize(
    ("word", "status"),
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
def test_every_status_word_has_its_meaning(word: str | None, status: str) -> None:
    seen = read(status=word, tm_end=...)
    assert (seen.status, seen.provider_status) == (status, word or None)


def test_the_table_has_no_word_that_is_not_tested() -> None:
    assert set(mapping.STATUSES) == {"initiating", "recording", "stopping", "ended"}


def test_stopping_after_the_end_has_ended() -> None:
    assert read(status="stopping").status is rec.RecordingStatus.PROCESSING


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
def test_a_kind_has_three_spellings_and_two_names(
    words: dict[str, str], kind: rec.SessionKind | None, target: rec.CommunicationSession | None
) -> None:
    changes: dict[str, Any] = {"reference_type": ..., **words}
    seen = read(**changes)
    assert (seen.kind, seen.target, seen.reference) == (kind, target, ROW["reference_id"])


def test_a_nil_reference_is_none() -> None:
    seen = read(reference_id=mapping.NIL)
    assert (seen.reference, seen.target) == (None, None)


@pytest.mark.parametrize("id", [mapping.NIL, "", None, ..., 7, ["x"]])
def test_a_recording_without_an_id_is_an_error(id: Any) -> None:
    with pytest.raises(rec.MalformedPayload, match="id"):
        read(id=id)


class TestFiles:
    def test_a_row_of_storage_is_a_leg_without_a_url(self) -> None:
        stored = mapping.stored_file(FILE)
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
    def test_uploads_and_what_was_deleted_are_nobodys(self, changes: dict[str, Any]) -> None:
        assert mapping.stored_file({**FILE, **changes}) is None

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [("id", None), ("reference_id", 7), ("filesize", -1), ("filesize", True), ("filename", {})],
    )
    def test_a_malformed_row_is_an_error(self, name: str, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match=name):
            mapping.stored_file({**FILE, name: wrong})

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
    def test_ended_is_available_with_one_file_a_leg(
        self, kind: str, files: list[rec.MediaFile], status: str, size: int | None
    ) -> None:
        seen = mapping.with_files(read(reference_type=kind), files, END + HOUR)
        assert (seen.status, seen.size) == (status, size)
        names = [file.name for file in seen.files]
        assert names == sorted({file.name for file in files}, key=str), "in before out, each once"

    def test_a_size_that_is_not_told_is_not_added_up(self) -> None:
        seen = mapping.with_files(read(), [IN, mapping.leg("b", "b.wav", None)], END)
        assert (seen.status, seen.size) == (rec.RecordingStatus.AVAILABLE, None)

    @pytest.mark.parametrize(
        ("word", "status"),
        [("recording", "recording"), ("transmogrified", "unknown"), ("stopping", "available")],
    )
    def test_files_change_no_other_word(self, word: str, status: str) -> None:
        seen = mapping.with_files(read(status=word), [IN, OUT], END)
        assert (seen.status, len(seen.files)) == (status, 2)

    @pytest.mark.parametrize(
        ("later", "status"),
        [
            (10 * MINUTE - SECOND, "processing"),
            (10 * MINUTE, "available"),
            (timedelta(days=99), "available"),
        ],
    )
    def test_where_storage_cannot_be_asked_ten_minutes_decide(
        self, later: timedelta, status: str
    ) -> None:
        seen = mapping.with_files(read(), None, END + later)
        assert (seen.status, seen.files, seen.size) == (status, (), None)

    def test_a_name_without_a_format_has_the_recordings(self) -> None:
        (file,) = mapping.with_files(
            read(reference_type="confbridge"), [mapping.leg("a", "a", 1)], END
        ).files
        assert file.format == "wav"

    def test_it_is_looked_for_soon_after_the_end_and_for_25_hours(self) -> None:
        seen = read()
        assert seen.created_at is not None
        assert mapping.stored_by(seen) == (END + 10 * MINUTE, seen.created_at + 25 * HOUR)
        long = read(tm_end="2026-08-24T05:31:58.932Z")
        assert mapping.is_very_long(long)
        assert not mapping.is_very_long(seen)
        end = END + 48 * HOUR
        assert mapping.stored_by(long) == (end + 10 * MINUTE, end + HOUR)
        assert mapping.stored_by(read(tm_start=..., tm_end=..., tm_create=...)) is None


class TestSessions:
    def test_the_history_comes_newest_first_and_once(self) -> None:
        row = {"recording_id": "c", "recording_ids": ["a", "b", "c"]}
        assert mapping.recording_ids(row) == ["c", "b", "a"]
        assert mapping.recording_ids({"recording_id": mapping.NIL}) == []
        assert mapping.recording_ids({**row, "recording_id": "d"}) == ["d", "c", "b", "a"]
        assert mapping.recording_ids({"recording_ids": [mapping.NIL, "a"]}) == ["a"]

    @pytest.mark.parametrize("wrong", ["a", {}, [7], [None], [""]])
    def test_a_malformed_history_is_an_error(self, wrong: Any) -> None:
        with pytest.raises(rec.MalformedPayload, match="recording_ids"):
            mapping.recording_ids({"recording_ids": wrong})

    def test_an_answer_that_names_no_recording_is_an_error(self) -> None:
        with pytest.raises(rec.MalformedPayload, match="recording_id"):
            mapping.running_id({"id": "x"})
        assert mapping.running_id({"recording_id": mapping.NIL}) is None


class TestRefusals:
    def test_the_envelope(self) -> None:
        error = {
            "status": "NOT_FOUND",
            "reason": "RECORDING_NOT_FOUND",
            "message": "The recording was not found.",
            "request_id": "req_ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        }
        seen = mapping.read_error_details({"error": error})
        assert (seen.code, seen.message) == (error["reason"], error["message"])
        assert (seen.request_id, seen.kind, seen.is_error) == (error["request_id"], None, True)

    @pytest.mark.parametrize(
        "payload", [{}, {"error": "no"}, {"error": None}, {"error": {"reason": 7, "message": []}}]
    )
    def test_no_envelope_says_nothing(self, payload: dict[str, Any]) -> None:
        seen = mapping.read_error_details(payload)
        assert (seen.code, seen.message, seen.request_id) == (None, None, None)
