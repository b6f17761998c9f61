"""What archiving avoids, since it would cost each recording or each run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

import recording_core as rec
from recording_core.archiving.index import Index
from recording_core.archiving.record import decode_record, encode_record, strip_recording


@pytest.fixture
def archive(tmp_path: Path) -> rec.Archive:
    return rec.Archive(tmp_path / "archive")


def find_record(archive: rec.Archive) -> bytes:
    [name] = [name for name in archive.folder.list_files("") if "/record-" in name]
    return archive.folder.read(name)


def test_record_is_decoded_once(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.add("r1")
    archive.copy([vendor.connect()])
    data = find_record(archive)
    with monkeypatch.context() as patch:
        patch.setattr(json, "loads", None)
        record = decode_record(data)
    assert decode_record(encode_record(record)) == record


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2, "new": 1}, "of another version than 1"),
        ({"version": 2}, "of another version than 1"),
        ({"version": None}, "of another version than 1"),
        ({"state": 7}, "not a Record: state"),
        ({"copies": []}, "does not name its objects"),
    ],
)
def test_record_that_cannot_be_read_states_why(
    vendor: Any, archive: rec.Archive, change: dict[str, Any], message: str
) -> None:
    vendor.add("r1")
    archive.copy([vendor.connect()])
    data = find_record(archive)
    assert b"\n" not in data[:-1]  # the encoder with line breaks takes three times as long
    with pytest.raises(rec.MalformedPayload, match=message):
        decode_record(json.dumps({**json.loads(data), **change}).encode())
    with pytest.raises(rec.MalformedPayload, match="not whole"):
        decode_record(data[:-20])


@pytest.mark.parametrize(
    "text",
    [
        *("https://a.example/f?X-Amz-Signature=s1gn4ture", "see ftp://a.example/f?key=s1gn4ture"),
        *("token=s1gn4ture", "Bearer s1gn4ture", "/v1/f?signature=s1gn4ture"),
        "password:s1gn4ture",
    ],
)
def test_texts_of_a_record_that_are_not_plain_words_are_redacted(text: str) -> None:
    recording = rec.Recording(
        "madeup", "default", "r1", kind=rec.SessionKind.CALL, status=rec.RecordingStatus.AVAILABLE,
        title=text,
    )  # fmt: skip
    stripped = strip_recording(recording)
    assert "s1gn4ture" not in str(stripped.title)


def test_index_is_read_without_a_data_set_and_without_paths(
    vendor: Any, archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.add("r1")
    archive.copy([vendor.connect()])
    columns: list[Any] = []
    real = parquet.ParquetFile.read

    def read(file: parquet.ParquetFile, wanted: Any, **options: Any) -> Any:
        columns.append(wanted)
        return real(file, wanted, **options)

    monkeypatch.setattr(parquet, "read_table", None)  # imports pandas, if it is installed
    monkeypatch.setattr(parquet.ParquetFile, "read", read)
    content = Index(archive.folder).read()
    known = content.get_account("madeup", "default")
    assert list(known.states) == ["r1"]
    assert known.has_copy("r1")
    assert (known.uncopied, known.doubtful) == (set(), set())
    assert all("record" not in each for each in columns)
    assert re.fullmatch("[0-9a-f]{24}", known.states["r1"])
