"""Garbage: what `verify` finds, and what `verify(clean=True)` removes and leaves alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.archiving.record import decode_record
from recording_core.storage.folder import Folder
from recording_core.testing import ManualClock

DAY = timedelta(days=1)
OLD = 2 * DAY + timedelta(minutes=5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(vendor: Any, root: Path) -> rec.Archive:
    """An archive with one recording of two files."""
    vendor.add("r", "a", "b")
    archive = rec.Archive(root)
    archive.copy([vendor.connect()])
    return archive


def find_folder(root: Path) -> Path:
    """Find the folder of the recording."""
    (path,) = {path.parent for path in root.rglob("record-*.json")}
    return path


def add_record(vendor: Any, archive: rec.Archive, *names: str) -> Path:
    """Copy the recording with other files, and return the path of the new record."""
    before = set(Path(archive.folder.root).rglob("record-*.json"))
    vendor.add("r", *names)
    assert archive.copy([vendor.connect()]).copied == 1
    (path,) = set(Path(archive.folder.root).rglob("record-*.json")) - before
    return path


def list_objects(record: Path) -> list[Path]:
    return [record.parent / copy.path for copy in decode_record(record.read_bytes()).copies]


def make_older(path: Path, by: timedelta) -> None:
    moment = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (moment, moment))


# -- verification ---------------------------------------------------------------------------------


def test_whole_archive_is_verified(archive: rec.Archive, root: Path, stored: Any) -> None:
    before = stored.read(root)
    result = archive.verify()
    assert result.ok
    assert (result.recordings, result.files, result.hashed, result.garbage) == (1, 2, 2, 0)
    assert archive.verify(sample=0).hashed == 0
    assert stored.read(root) == before


def remove(path: Path) -> None:
    path.unlink()


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))


@pytest.mark.parametrize(
    ("damage", "kind", "sample"),
    [(remove, "missing", 0), (shorten, "changed", 0), (change, "changed", 1)],
)
def test_damaged_file_is_reported_and_nothing_is_removed(
    vendor: Any,
    archive: rec.Archive,
    root: Path,
    stored: Any,
    damage: Callable[[Path], None],
    kind: str,
    sample: float,
) -> None:
    superseded = add_record(vendor, archive, "a")
    path = next(
        each for each in find_folder(root).glob("*.wav") if each not in list_objects(superseded)
    )
    damage(path)
    stored.make_older(root, OLD)
    before = stored.read(root)
    result = archive.verify(sample=sample, clean=True)
    assert not result.ok
    assert stored.read(root) == before
    assert result.removed == 0
    (sentence,) = getattr(result, kind)
    assert path.name in sentence
    assert "recording r of madeup account 'default'" in sentence


def test_damaged_record_is_removed_when_a_better_one_has_its_files(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    damaged = add_record(vendor, archive, "a")
    remove(list_objects(damaged)[0])
    stored.make_older(root, OLD)
    result = archive.verify(clean=True)
    assert (len(result.missing), result.removed) == (1, 1)
    assert not damaged.exists()
    assert archive.verify().ok


def test_superseded_record_is_removed_only_if_the_best_one_is_unchanged(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    """Also if only a sample is hashed."""
    superseded = add_record(vendor, archive, "a")
    best = next(each for each in root.rglob("record-*.json") if each != superseded)
    change(list_objects(best)[0])
    stored.make_older(root, OLD)
    before = stored.read(root)
    result = archive.verify(sample=0, clean=True)
    assert (len(result.changed), result.removed) == (1, 0)
    assert stored.read(root) == before


# -- what is removed ------------------------------------------------------------------------------


@pytest.mark.parametrize(("age", "removed"), [(OLD, 3), (DAY, 0)])
def test_files_that_no_record_names_are_removed_after_two_days(
    archive: rec.Archive, root: Path, age: timedelta, removed: int
) -> None:
    folder = find_folder(root)
    for name in ("mix-0123.mp3", ".mix-0123.mp3.0.part", "anything"):
        (folder / name).write_bytes(b"garbage")
        make_older(folder / name, age)
    assert archive.verify().garbage == 3
    assert len(list(folder.iterdir())) == 6
    result = archive.verify(clean=True)
    assert (result.garbage, result.garbage_bytes, result.removed) == (3, 21, removed)
    assert len(list(folder.iterdir())) == 6 - removed
    assert archive.verify().ok


def test_superseded_record_is_removed_with_its_objects(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    first = find_folder(root).glob("record-*.json").__next__()
    objects = list_objects(first)
    second = add_record(vendor, archive, "a", "b", "c")
    stored.make_older(root, OLD)
    assert archive.verify(clean=True).removed == 3
    assert not any(path.exists() for path in (first, *objects))
    assert set(find_folder(root).iterdir()) == {second, *list_objects(second)}
    vendor.count_fetched()
    assert archive.copy([vendor.connect()]).already_there == 1
    assert vendor.count_fetched() == 0


def test_objects_of_a_younger_record_stay(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    """An attempt may last hours: its objects are older than the record that names them."""
    young = add_record(vendor, archive, "a")
    stored.make_older(root, OLD)
    make_older(young, -DAY)
    assert archive.verify(clean=True).removed == 0
    stored.check_records(root)


def test_record_is_removed_before_its_objects(
    vendor: Any,
    archive: rec.Archive,
    root: Path,
    stored: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No record names a missing object, also if the removal stops at any point."""
    first = next(find_folder(root).glob("record-*.json"))
    add_record(vendor, archive, "a", "b", "c")
    stored.make_older(root, OLD)
    real = Folder.remove

    def remove_and_check(self: Folder, name: str) -> Any:
        result = real(self, name)
        if "probe" not in name:
            stored.check_records(root)
        return result

    monkeypatch.setattr(Folder, "remove", remove_and_check)
    assert archive.verify(clean=True).removed == 3
    assert not first.exists()


def test_objects_stay_if_their_record_cannot_be_removed(
    vendor: Any,
    archive: rec.Archive,
    root: Path,
    stored: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_record(vendor, archive, "a")
    add_record(vendor, archive, "b")
    stored.make_older(root, OLD)
    files = type(archive.folder.files)
    real = files.rm_file

    def fail_at_records(self: Any, path: str) -> None:
        if "record-" in path:
            raise OSError(5, "Input/output error")
        real(self, path)

    monkeypatch.setattr(files, "rm_file", fail_at_records)
    archive.verify(clean=True)
    assert len(stored.check_records(root)["r"]) == 3


def test_folder_with_an_unreadable_record_is_left_alone(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    add_record(vendor, archive, "a")
    folder = find_folder(root)
    (folder / "record-0123456789abcdef.json").write_bytes(b'{"version": 2}')
    (folder / "mix-0123.mp3").write_bytes(b"garbage")
    stored.make_older(root, OLD)
    before = stored.read(root)
    result = archive.verify(clean=True)
    assert len(result.unreadable) == 1
    assert "record-0123456789abcdef.json" in result.unreadable[0]
    assert (result.ok, result.removed) == (False, 0)
    assert stored.read(root) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"version": 1}'])
def test_folder_without_a_readable_record_is_left_alone(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any, content: bytes
) -> None:
    next(find_folder(root).glob("record-*.json")).write_bytes(content)
    stored.make_older(root, OLD)
    before = stored.read(root)
    result = archive.verify(clean=True)
    assert (len(result.unreadable), result.removed) == (1, 0)
    assert stored.read(root) == before
    assert list(archive.recordings()) == []
    assert archive.get("madeup", "default", "r") is None
    (root / "index").rename(root / "index-that-is-lost")
    assert archive.copy([vendor.connect()]).copied == 1
    assert archive.get("madeup", "default", "r") is not None
    before.pop(next(each for each in before if each.startswith("index")))
    stored.check_nothing_was_overwritten(before, root)


def test_folder_without_any_record_is_left_alone(
    archive: rec.Archive, root: Path, stored: Any
) -> None:
    """A record may have been lost, and nothing else of the copy be left."""
    next(find_folder(root).glob("record-*.json")).unlink()
    stored.make_older(root, OLD)
    result = archive.verify(clean=True)
    assert (result.garbage, result.removed) == (2, 0)


def test_temporary_files_outside_of_the_recordings_are_removed(
    archive: rec.Archive, root: Path
) -> None:
    """Those of a process that was killed as it wrote the index, an owner or a probe."""
    names = ("index/.a.parquet.0.part", "madeup/default/.account-1.json.0.part", "probe-0123")
    for name in names:
        (root / name).write_bytes(b"half")
    assert archive.verify(clean=True).removed == 0
    for name in names:
        make_older(root / name, OLD)
    result = archive.verify(clean=True)
    assert (result.garbage, result.removed) == (3, 3)
    assert not any((root / name).exists() for name in names)
    assert len(list((root / "index").iterdir())) == 1


def test_clock_of_the_storage_decides_what_is_old(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the clock of the machine that cleans, nor that of the vendor's connection."""
    path = find_folder(root) / "mix-0123.mp3"
    path.write_bytes(b"garbage")
    vendor.clock.advance(10 * DAY)
    assert archive.verify(clean=True).removed == 0
    # The storage is a day behind, and the file is of its yesterday.
    real: Callable[[Folder], Any] = Folder.read_clock
    monkeypatch.setattr(Folder, "read_clock", lambda self: real(self) - DAY)
    make_older(path, 2 * DAY + timedelta(hours=1))
    assert archive.verify(clean=True).removed == 0
    monkeypatch.setattr(Folder, "read_clock", lambda self: real(self) + DAY)
    assert archive.verify(clean=True).removed == 1


def test_storage_without_a_clock_keeps_everything(
    archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = find_folder(root) / "mix-0123.mp3"
    path.write_bytes(b"garbage")
    make_older(path, OLD)
    monkeypatch.setattr(Folder, "read_clock", lambda self: None)
    assert archive.verify(clean=True).removed == 0


def test_copy_that_another_machine_makes_survives_a_removal(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine that copies is a day ahead, the one that cleans a day behind."""
    from recording_core.archiving import copier

    ahead = vendor.connect(clock=ManualClock(vendor.clock.now() + DAY))
    cleaned: list[int] = []
    real = copier.Copier._record

    def clean_and_record(self: Any, *arguments: Any) -> Any:
        stored.make_older(root, timedelta(hours=12))  # the longest attempt
        cleaned.append(archive.verify(clean=True).removed)
        return real(self, *arguments)

    monkeypatch.setattr(copier.Copier, "_record", clean_and_record)
    vendor.add("r", "a", "b", "c")
    assert archive.copy([ahead]).copied == 1
    assert cleaned == [0]
    assert len(stored.check_records(root)["r"]) == 2


def test_file_that_is_added_while_the_folder_is_listed_is_not_missing(
    archive: rec.Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of a folder may show a record, and not the object that was added before it."""
    real = Folder.list_files

    def list_partly(self: Folder, below: str) -> Any:
        found = dict(real(self, below))
        found.pop(next(name for name in found if name.endswith(".wav")))
        return found

    monkeypatch.setattr(Folder, "list_files", list_partly)
    result = archive.verify()
    assert result.ok
    assert result.hashed == 2
