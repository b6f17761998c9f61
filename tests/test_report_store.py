"""The row store: which days are listed again, and which files are read."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import stat
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core import plugin
from recording_core.listing.row_schema import rows
from recording_core.model.serialization import dumps
from recording_core.reporting.collect.stable_windows import (
    BEGINNING,
    DAY,
    END,
    Commit,
    Part,
    extend_to_days,
    find_day_ranges,
    find_newest_undated,
    find_unstable_windows,
    floor_to_day,
)
from recording_core.reporting.collect.store import RowStore
from recording_core.storage.folder import Folder, write_file

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
TODAY = floor_to_day(NOW)
WHOLE = rec.Coverage(complete=True)


def commit(
    since: int | None,
    until: int | None,
    *parts: Part,
    day: int = 0,
    coverage: rec.Coverage = WHOLE,
) -> Commit:
    """A sweep of `[since, until)`, in days from today, which was made on `day`."""
    return Commit(
        "acme",
        "default",
        TODAY + since * DAY if since is not None else None,
        TODAY + until * DAY if until is not None else None,
        NOW + day * DAY,
        coverage,
        parts,
    )


def part(day: int, *, unfinished: int = 0, file: str = "") -> Part:
    return Part(TODAY + day * DAY, file or f"{day}.parquet", 1, 1, unfinished)


def find_unstable(*commits: Commit, since: int = -90, now: int = 0) -> list[tuple[int, int | None]]:
    """The unstable windows, in days from today."""
    days = plugin.Window(TODAY + since * DAY, None)
    return [
        ((each.since - TODAY) // DAY, (each.until - TODAY) // DAY if each.until else None)
        for each in find_unstable_windows(commits, days, NOW + now * DAY)
        if each.since is not None
    ]


# -- which days may have changed ------------------------------------------------------------------


def test_days_that_were_never_listed_are_listed_as_one_window() -> None:
    assert find_unstable() == [(-90, None)]


def test_only_the_last_three_days_and_today_are_listed_again() -> None:
    assert find_unstable(commit(-90, None)) == [(-3, None)]


def test_the_days_since_the_last_sweep_and_three_before_it_are_listed_again() -> None:
    assert find_unstable(commit(-90, None, day=-10)) == [(-13, None)]


def test_the_days_of_an_incomplete_sweep_are_listed_again() -> None:
    incomplete = commit(-90, None, coverage=rec.Coverage(complete=False))
    assert find_unstable(incomplete) == [(-90, None)]
    assert find_unstable(commit(-40, None), incomplete) == [(-3, None), (-90, -40)]


def test_a_day_with_an_unfinished_recording_is_listed_again() -> None:
    assert find_unstable(commit(-90, None, part(-20, unfinished=1), part(-19))) == [
        (-3, None),
        (-20, -19),
    ]


def test_a_recording_that_is_processed_for_a_month_makes_no_day_unstable() -> None:
    assert find_unstable(commit(-90, None, part(-32, unfinished=1))) == [(-3, None)]
    assert find_unstable(commit(-90, None, part(-30, unfinished=1)))[1:] == [(-30, -29)]


def test_a_longer_window_lists_the_days_that_it_adds() -> None:
    assert find_unstable(commit(-30, None), since=-60) == [(-3, None), (-60, -30)]


def test_a_window_of_stable_days_is_not_listed() -> None:
    days = extend_to_days(NOW - 60 * DAY, NOW - 30 * DAY)
    assert find_unstable_windows([commit(-90, None)], days, NOW) == ()


def test_a_day_whose_part_is_lost_is_listed_again() -> None:
    days = plugin.Window(TODAY - 90 * DAY, None)
    lost = [TODAY - 50 * DAY]
    found = find_unstable_windows([commit(-90, None)], days, NOW, lost)
    assert found[1:] == (plugin.Window(lost[0], lost[0] + DAY),)


BOUND = st.integers(-12, 12) | st.none()


def draw_bounds() -> st.SearchStrategy[tuple[int | None, int | None]]:
    def is_in_order(pair: tuple[int | None, int | None]) -> bool:
        since, until = pair
        return since is None or until is None or since < until

    return st.tuples(BOUND, BOUND).filter(is_in_order)


@settings(deadline=None)
@given(st.lists(draw_bounds(), max_size=6))
def test_every_day_is_read_once_from_the_newest_sweep_that_covers_it(
    sweeps: list[tuple[int | None, int | None]],
) -> None:
    days = range(-15, 15)
    commits = [
        commit(since, until, *(part(day, file=f"{number}:{day}") for day in days))
        for number, (since, until) in enumerate(sweeps)
    ]
    found = find_day_ranges(commits)
    assert (found[0].since, found[-1].until) == (BEGINNING, END)
    assert all(a.until == b.since for a, b in pairwise(found))
    read = [each.file for stretch in found for each in stretch.iterate_parts()]
    wanted = []
    for day in days:
        covers = (
            number
            for number, (since, until) in enumerate(sweeps)
            if (since is None or since <= day) and (until is None or day < until)
        )
        wanted += [f"{number}:{day}" for number in covers][:1]
    assert sorted(read) == sorted(wanted)


@pytest.mark.parametrize(
    ("since", "until", "days"),
    [
        (NOW, NOW + timedelta(hours=1), (TODAY, TODAY + DAY)),
        (TODAY - DAY, TODAY, (TODAY - DAY, TODAY)),
        (None, None, (None, None)),
    ],
)
def test_a_window_is_extended_to_whole_days(
    since: datetime | None, until: datetime | None, days: tuple[datetime | None, datetime | None]
) -> None:
    assert extend_to_days(since, until) == plugin.Window(*days)


def test_undated_rows_are_read_from_the_newest_sweep_that_states_any() -> None:
    old, new = Part(None, "old", 1, 1), Part(None, "new", 1, 1)
    without = commit(-1, None)
    newer = evolve(without, undated=(new,))
    assert find_newest_undated([without, newer, evolve(without, undated=(old,))]) == (new,)
    assert find_newest_undated([evolve(without, undated=()), newer]) == ()


# -- the folder -----------------------------------------------------------------------------------


def build_recordings(*ids: str) -> list[rec.Recording]:
    return [
        rec.Recording("acme", "default", each, created_at=NOW, status=rec.RecordingStatus.AVAILABLE)
        for each in ids
    ]


def write_sweep(store: RowStore, *ids: str, day: datetime = TODAY) -> Part:
    """Write one complete sweep of one day."""
    part = store.write("acme", "default", day, pa.table(rows(build_recordings(*ids))))
    store.commit(Commit("acme", "default", day, day + DAY, NOW, WHOLE, (part,)))
    return part


def read_ids(store: RowStore) -> set[str]:
    found: set[str] = set()
    for index in store.read_accounts().values():
        for stretch in find_day_ranges(index.commits):
            for each in stretch.iterate_parts():
                table = pq.read_table(pa.BufferReader(store.folder.read(each.file)))
                found.update(table["recording_id"].to_pylist())
    return found


@pytest.fixture(params=["path", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RowStore:
    url = {
        "path": str(tmp_path / "kept"),
        "file": f"file://{tmp_path}/kept",
        "memory": f"memory://{tmp_path.name}/kept",
    }
    return RowStore(Folder(url[request.param]))


def test_written_rows_are_read_back(store: RowStore) -> None:
    assert store.read_accounts() == {}
    write_sweep(store, "a", "b")
    write_sweep(store, "c", day=TODAY + DAY)
    assert read_ids(store) == {"a", "b", "c"}
    write_sweep(store, "d")  # the same day again: it is read from the newest sweep
    assert read_ids(store) == {"c", "d"}


def test_a_part_without_a_commit_is_not_read(store: RowStore) -> None:
    write_sweep(store, "a")
    store.write("acme", "default", TODAY, pa.table(rows(build_recordings("half"))))
    assert read_ids(store) == {"a"}


def test_similar_account_names_have_separate_folders(store: RowStore) -> None:
    names = ["a/b", "a_b", "A_b", "..", "ä", "x" * 300]
    for name in names:
        store.commit(Commit("acme", name, None, None, NOW, WHOLE))
    assert list(store.read_accounts()) == [("acme", name) for name in sorted(names)]
    for name in names:
        assert len(store.read_account("acme", name).commits) == 1


@pytest.fixture
def here(tmp_path: Path) -> RowStore:
    return RowStore(Folder(str(tmp_path / "kept")))


def find_index_file(store: RowStore) -> Path:
    [found] = Path(store.folder.root).glob("index/*/*/*.json")
    return found


def test_any_flipped_byte_of_an_index_file_is_found(here: RowStore) -> None:
    write_sweep(here, "a")
    file = find_index_file(here)
    whole = file.read_bytes()
    name = f"index/acme/default/{file.name}"
    for position in range(len(whole)):
        flipped = bytes([whole[position] ^ 1])
        file.write_bytes(whole[:position] + flipped + whole[position + 1 :])
        index = here.read_account("acme", "default")
        assert (index.commits, list(index.damaged)) == ((), [name])
    for length in {0, 1, 20, len(whole) // 2, len(whole) - 1}:
        file.write_bytes(whole[:length])
        assert here.read_accounts()["acme", "default"].damaged


@settings(deadline=None)
@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_an_index_file_of_arbitrary_bytes_is_damaged(data: bytes) -> None:
    store = RowStore(Folder(f"memory://any-bytes-{uuid.uuid4()}"))
    name = f"index/acme/default/x-{sha256(data).hexdigest()[:32]}.json"
    store.folder.write(name, data)
    assert "is not an index file" in store.read_account("acme", "default").damaged[name]


@pytest.mark.parametrize("what", ["version", "schema"])
def test_an_index_of_another_version_raises(here: RowStore, what: str) -> None:
    write_sweep(here, "a")
    text = json.loads(find_index_file(here).read_bytes())
    text[what] += 1
    text["new_field"] = "of a later version"
    data = json.dumps(text).encode()
    here.folder.write(f"index/acme/default/x-{sha256(data).hexdigest()[:32]}.json", data)
    with pytest.raises(rec.ConfigurationError, match=r"another version.*another folder"):
        here.read_accounts()


@pytest.mark.parametrize(
    ("account", "file"),
    [
        ("default", "../outside.parquet"),
        ("default", "/etc/passwd"),
        ("default", "rows/acme/default/../../../outside.parquet"),
        ("default", "rows/acme/default/sub/part.parquet"),
        ("default", "rows/acme/other/part.parquet"),
        ("default", "file:///outside.parquet"),
        ("other", "rows/acme/other/part.parquet"),
    ],
)
def test_an_index_file_that_names_files_outside_its_account_is_refused(
    here: RowStore, account: str, file: str
) -> None:
    outside = Part(TODAY, file, 1, 1, 0, "0" * 64)
    data = dumps(Commit("acme", account, TODAY, None, NOW, WHOLE, (outside,))).encode()
    name = f"index/acme/default/x-{sha256(data).hexdigest()[:32]}.json"
    here.folder.write(name, data)
    index = here.read_account("acme", "default")
    assert index.commits == ()
    assert "outside the folder of its account" in index.damaged[name]


def flip_byte(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_any_damage_of_a_part_is_found(here: RowStore) -> None:
    part = write_sweep(here, "a")
    path = Path(here.folder.root) / part.file
    whole = path.read_bytes()

    def find_damage(part: Part) -> str:
        return RowStore(here.folder).find_damaged([part]).get(part.file, "")

    assert find_damage(part) == ""
    for position in range(0, len(whole), 97):
        flip_byte(path, position)
        assert "SHA-256" in find_damage(part)
        path.write_bytes(whole)
    assert "has 2 rows and not 1" not in find_damage(part)
    assert "has 1 rows and not 2" in find_damage(evolve(part, rows=2))
    path.write_bytes(whole[:-1])
    assert "bytes" in find_damage(part)
    path.unlink()
    assert "is missing" in find_damage(part)


def test_a_part_that_cannot_be_read_is_damaged(
    here: RowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, other = write_sweep(here, "a"), write_sweep(here, "b", day=TODAY + DAY)
    whole = here.folder.files.cat_file

    def raise_for_one(path: str) -> bytes:
        if path.endswith(part.file):
            raise OSError(errno.EIO, "Input/output error")
        return bytes(whole(path))

    monkeypatch.setattr(here.folder.files, "cat_file", raise_for_one)
    damaged = here.find_damaged([part, other])
    assert list(damaged) == [part.file]
    assert "Input/output error" in damaged[part.file]


def test_a_failed_write_leaves_no_file_and_names_the_file(
    here: RowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", raise_disk_full)
    with pytest.raises(rec.StorageError, match=r"Cannot create .*\.parquet: No space left"):
        write_sweep(here, "a")
    assert [path for path in Path(here.folder.root).rglob("*") if path.is_file()] == []


def test_superseded_files_are_removed_after_a_week_and_files_in_use_stay(here: RowStore) -> None:
    old, _ = write_sweep(here, "old"), write_sweep(here, "other", day=TODAY - DAY)
    lost = here.write("acme", "default", TODAY, pa.table(rows(build_recordings("lost"))))
    root = Path(here.folder.root)
    for path in list(root.rglob("*")):  # as if all of it was written long ago
        stamp = f"{datetime.now(UTC):%Y%m%d}"
        if path.is_file():
            name = path.name.replace(f"{stamp}T", "20200101T")
            if path.suffix == ".json":
                path.write_text(path.read_text().replace(f"-{stamp}T", "-20200101T"))
                name = f"{name[:-37]}{sha256(path.read_bytes()).hexdigest()[:32]}.json"
            path.rename(path.with_name(name))
    write_sweep(here, "new")
    fresh = here.write("acme", "default", TODAY, pa.table(rows(build_recordings("in progress"))))
    before = read_ids(here)
    here.remove_superseded("acme", "default")
    assert read_ids(here) == before == {"new", "other"}
    left = {str(path.relative_to(root)) for path in root.glob("rows/*/*/*")}
    assert fresh.file in left
    assert len(left) == 3
    for gone in (old, lost):
        assert gone.file.replace(stamp, "20200101") not in left


def _write_half(folder: str, started: Any) -> None:
    def hang(fd: object) -> None:
        started.set()
        time.sleep(60)

    os.fsync = hang
    write_sweep(RowStore(Folder(folder)), "killed")


def test_temporary_files_of_a_killed_process_are_removed_by_the_next_report(
    here: RowStore,
) -> None:
    write_sweep(here, "a")
    forking = multiprocessing.get_context("fork")
    started = forking.Event()
    process = forking.Process(target=_write_half, args=(here.folder.root, started))
    process.start()
    assert started.wait(20)
    root = Path(here.folder.root)
    here.remove_superseded("acme", "default")
    assert len(list(root.rglob("*.part"))) == 1  # its writer lives
    process.kill()
    process.join()
    here.remove_superseded("acme", "default")
    assert not list(root.rglob("*.part"))
    assert read_ids(here) == {"a"}


def test_worker_of_an_interrupted_report_does_not_create_its_folder_again(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "removed"), durable=False)
    with pytest.raises(rec.StorageError, match="the report was interrupted"):
        folder.write("rows/a.parquet", b"x")
    assert list(tmp_path.iterdir()) == []


def _write_many(folder: str, number: int) -> None:
    store = RowStore(Folder(folder))
    for day in range(20):
        write_sweep(store, f"{number}-{day}", day=TODAY + day * DAY)


def test_two_processes_may_write_into_one_folder(tmp_path: Path) -> None:
    folder = str(tmp_path / "kept")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        for job in [processes.submit(_write_many, folder, number) for number in range(2)]:
            job.result()
    found = read_ids(RowStore(Folder(folder)))
    assert len(found) == 20
    assert {each.split("-")[1] for each in found} == {str(day) for day in range(20)}
    assert not list(tmp_path.rglob("*.part"))


# -- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nowhere://bucket/x", "cannot be opened"),
        ("", "must be a path or a URL"),
        ("nowhere://key:s3cr3t-word@bucket/x?sig=s3cr3t-word", "nowhere://bucket/x cannot"),
    ],
)
def test_an_error_for_a_folder_contains_no_credential(url: str, message: str) -> None:
    with pytest.raises(rec.ConfigurationError, match=message) as raised:
        Folder(url)
    assert "s3cr3t" not in str(raised.value)


def test_a_folder_that_is_a_file_raises_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(rec.StorageError, match=r"Cannot create .*file/x/y: Not a directory"):
        Folder(str(tmp_path / "file")).write("x/y", b"")


def test_a_folder_without_read_permission_does_not_count_as_empty(
    here: RowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(here, "a")
    scandir = os.scandir

    def scandir_without_permission(path: Any) -> Any:
        if "acme" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", scandir_without_permission)
    with pytest.raises(rec.StorageError, match="index cannot be listed: PermissionError"):
        here.read_accounts()


def test_writing_to_a_link_writes_its_target(tmp_path: Path) -> None:
    (tmp_path / "latest.html").symlink_to("real.html")
    write_file(tmp_path / "latest.html", b"new")
    assert (tmp_path / "real.html").read_bytes() == b"new"
    assert (tmp_path / "latest.html").is_symlink()


@pytest.mark.parametrize("as_url", [str, lambda path: f"file://{path}"])
def test_a_file_is_written_at_a_path_or_url(tmp_path: Path, as_url: Callable[[Path], str]) -> None:
    path = tmp_path / "new" / "report.html"
    write_file(as_url(path), b"whole")
    assert path.read_bytes() == b"whole"
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("form", ["html", "parquet", "csv", "json"])
def test_a_private_file_stays_private(tmp_path: Path, form: str) -> None:
    path = tmp_path / f"report.{form}"
    path.write_bytes(b"old")
    path.chmod(0o600)
    write_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path) -> None:
    write_file(tmp_path / "report.html", b"new")
    (tmp_path / "other").write_bytes(b"")
    assert (tmp_path / "report.html").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_relative_file_name_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_file("report.csv", b"x")
    assert (tmp_path / "report.csv").read_bytes() == b"x"
