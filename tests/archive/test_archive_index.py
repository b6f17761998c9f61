"""Index: what a run reads first. It saves requests, and decides nothing that a record decides."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import recording_core as rec
from recording_core.archiving import index
from recording_core.storage.folder import Folder

DAY = timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(vendor: Any, root: Path) -> rec.Archive:
    """An archive with six recordings, of three runs."""
    archive = rec.Archive(root)
    for number in range(6):
        vendor.add(f"r{number}")
        if number % 2:
            archive.copy([vendor.connect()])
    vendor.count_fetched()
    assert len(list_parts(root)) == 3
    return archive


def list_parts(root: Path) -> list[Path]:
    return sorted((root / "index").glob("*.parquet"))


def remove_all(root: Path) -> None:
    for path in list_parts(root):
        path.unlink()


def empty_one(root: Path) -> None:
    list_parts(root)[0].write_bytes(b"")


def cut_one(root: Path) -> None:
    path = list_parts(root)[1]
    path.write_bytes(path.read_bytes()[:-100])


def damage_data(root: Path) -> None:
    """Change bytes of the columns; the footer stays."""
    for path in list_parts(root):
        data = bytearray(path.read_bytes())
        for position in range(4, 2000, 7):
            data[position] ^= 0x55
        path.write_bytes(data)


def replace_by_another_parquet_file(root: Path) -> None:
    path = list_parts(root)[2]
    pq.write_table(pq.read_table(path, columns=["provider"]).replace_schema_metadata({}), path)


@pytest.mark.parametrize(
    "damage", [remove_all, empty_one, cut_one, damage_data, replace_by_another_parquet_file]
)
def test_copy_without_a_row_is_found_and_not_copied_again(
    vendor: Any,
    archive: rec.Archive,
    root: Path,
    stored: Any,
    damage: Callable[[Path], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    damage(root)
    before = stored.read(root)
    with caplog.at_level(logging.ERROR, "recording_core.archiving"):
        first = archive.copy([vendor.connect()])
    assert (first.copied, first.already_there, first.failed) == (0, 6, ())
    stored.check_nothing_was_overwritten(before, root)
    with caplog.at_level(logging.ERROR, "recording_core.archiving"):
        before = stored.read(root)
        second = archive.copy([vendor.connect()])
    assert second.already_there == 6
    assert stored.read(root) == before
    assert vendor.count_fetched() == 0


def test_second_run_reads_nothing_per_recording(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[str] = []
    for name in ("read", "list_names", "list_files", "look_at", "open", "write", "create"):
        real = getattr(Folder, name)

        def use(self: Folder, path: str, *rest: Any, real: Any = real, **more: Any) -> Any:
            used.append(path)
            return real(self, path, *rest, **more)

        monkeypatch.setattr(Folder, name, use)
    assert archive.copy([vendor.connect()]).already_there == 6
    assert used
    assert not [path for path in used if path.count("/") > 2]


def test_rebuilt_index_is_complete(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    remove_all(root)
    assert archive.rebuild_index() == 6
    before = stored.read(root)
    assert archive.copy([vendor.connect()]).already_there == 6
    after = stored.check_nothing_was_overwritten(before, root)
    assert len(after) <= len(before) + 1  # how far the run came
    assert vendor.count_fetched() == 0


@pytest.mark.parametrize("lost", ["record", "file"])
def test_recording_that_lost_a_file_is_copied_after_the_index_was_rebuilt(
    vendor: Any, archive: rec.Archive, root: Path, lost: str
) -> None:
    """Also if it is older than what the next run would have listed."""
    vendor.clock.advance(30 * DAY)
    vendor.add("new")
    archive.copy([vendor.connect()])
    found = archive.get("madeup", "default", "r3")
    assert found is not None
    (root / found.record if lost == "record" else found.copies[0].path).unlink()
    assert archive.rebuild_index() == 6
    assert archive.copy([vendor.connect()]).copied == 1
    found = archive.get("madeup", "default", "r3")
    assert found is not None
    assert found.copies[0].path.is_file()


def test_compacted_index_holds_the_same(
    vendor: Any, archive: rec.Archive, root: Path, stored: Any
) -> None:
    before = stored.read(root)
    rows = index.Index(archive.folder).read_rows().table.sort_by("recording_id").to_pylist()
    vendor.queries.clear()
    assert archive.compact() == 3
    after = stored.check_nothing_was_overwritten(before, root)
    assert len(after) == len(before) + 1
    found = index.Index(archive.folder)
    assert found.read().parts == 1
    assert found.read_rows().table.sort_by("recording_id").to_pylist() == rows
    assert archive.copy([vendor.connect()]).already_there == 6
    assert vendor.queries[0].since is not None
    assert archive.compact() == 1
    assert stored.read(root) == after


def test_replaced_parts_are_kept_for_a_day(archive: rec.Archive, root: Path, stored: Any) -> None:
    archive.compact()
    archive.compact()
    assert len(list_parts(root)) == 4
    stored.make_older(root, DAY - timedelta(hours=1))
    archive.compact()
    assert len(list_parts(root)) == 4
    stored.make_older(root, timedelta(hours=2))
    archive.compact()
    assert len(list_parts(root)) == 1


def test_part_that_is_added_during_a_compaction_is_not_lost(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = index.Index._read_parts
    vendor.add("meanwhile")
    started: list[rec.ArchiveRun] = []

    def read_late(self: Any, *arguments: Any) -> Any:
        if not started:
            started.append(rec.ArchiveRun())
            archive.copy([vendor.connect()])
        return real(self, *arguments)

    monkeypatch.setattr(index.Index, "_read_parts", read_late)
    archive.compact()
    monkeypatch.undo()
    vendor.count_fetched()
    assert archive.copy([vendor.connect()]).already_there == 7
    content = index.Index(archive.folder).read()
    known = content.get_account("madeup", "default")
    assert (len(known.states), known.uncopied) == (7, set())


def test_part_that_another_machine_removes_meanwhile_is_left_out(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compaction of another machine removed what it had replaced a day ago."""
    archive.compact()
    real = Folder.list_names
    removed: list[Path] = []

    def list_and_remove(self: Folder, below: str) -> list[str]:
        names = real(self, below)
        if below == index.FOLDER and not removed:
            removed.extend(list_parts(root)[:3])
            for path in removed:
                path.unlink()
        return names

    monkeypatch.setattr(Folder, "list_names", list_and_remove)
    run = archive.copy([vendor.connect()])
    assert removed
    assert (run.already_there, run.failed) == (6, ())


def test_part_that_is_removed_before_its_rows_are_read_is_left_out(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was replaced, or its recordings are looked up."""
    real = Folder.read

    def remove_and_read(self: Folder, name: str) -> bytes:
        if name.endswith(".parquet"):
            (root / name).unlink(missing_ok=True)
        return real(self, name)

    monkeypatch.setattr(Folder, "read", remove_and_read)
    run = archive.copy([vendor.connect()])
    assert (run.copied, run.already_there, run.failed) == (0, 6, ())


def test_run_compacts_an_index_of_many_parts(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.archiving.run.MOST_PARTS", 3)
    vendor.add("new")
    archive.copy([vendor.connect()])
    assert index.Index(archive.folder).read().parts == 1


def test_rows_are_written_during_a_long_run(
    vendor: Any, archive: rec.Archive, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed later has indexed most of what it copied."""
    monkeypatch.setattr("recording_core.archiving.run._INDEX_ROWS", 2)
    for number in range(7):
        vendor.add(f"s{number}")
    parts: list[int] = []
    archive.copy([vendor.connect()], on_progress=lambda _: parts.append(len(list_parts(root))))
    assert {4, 5, 6} <= set(parts)
    content = index.Index(archive.folder).read()
    known = content.get_account("madeup", "default")
    assert (len(known.states), known.uncopied) == (13, set())
