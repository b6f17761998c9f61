"""The row store: which days are listed again, and which files are read."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
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
from recording_core.reporting.collect.folder import Folder, write_file
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
from recording_core.reporting.row_schema import rows

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
    for commits in store.read_accounts().values():
        for stretch in find_day_ranges(commits):
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
        assert len(store.read_account("acme", name)) == 1


@pytest.fixture
def here(tmp_path: Path) -> RowStore:
    return RowStore(Folder(str(tmp_path / "kept")))


def find_index_file(store: RowStore) -> Path:
    [found] = Path(store.folder.root).glob("index/*/*/*.json")
    return found


def test_a_truncated_index_file_is_reported_with_what_to_do(here: RowStore) -> None:
    write_sweep(here, "a")
    file = find_index_file(here)
    whole = file.read_bytes()
    for length in {0, 1, 20, len(whole) // 2, len(whole) - 1}:
        file.write_bytes(whole[:length])
        with pytest.raises(
            rec.StorageError, match=r"not a complete index file.*Delete it"
        ) as raised:
            here.read_accounts()
        assert file.name in str(raised.value)
        assert here.read_account("acme", "default", skip_damaged=True) == ()


@settings(deadline=None)
@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_an_index_file_of_arbitrary_bytes_raises_storage_error(data: bytes) -> None:
    store = RowStore(Folder("memory://any-bytes"))
    store.folder.write("index/acme/default/x.json", data)
    with pytest.raises(rec.StorageError):
        store.read_accounts()


@pytest.mark.parametrize("what", ["version", "schema"])
def test_an_index_of_another_version_raises_also_if_damage_is_skipped(
    here: RowStore, what: str
) -> None:
    write_sweep(here, "a")
    file = find_index_file(here)
    text = json.loads(file.read_bytes())
    text[what] += 1
    text["new_field"] = "of a later version"
    file.write_text(json.dumps(text))
    for skip_damaged in (False, True):
        with pytest.raises(rec.ConfigurationError, match=r"another version.*another folder"):
            here.read_accounts(skip_damaged=skip_damaged)


def test_a_truncated_or_missing_part_is_found(here: RowStore) -> None:
    part = write_sweep(here, "a")
    assert here.find_damaged([part]) == ()
    path = Path(here.folder.root) / part.file
    path.write_bytes(path.read_bytes()[:-1])
    assert here.find_damaged([part]) == (part.file,)
    path.unlink()
    assert here.find_damaged([part]) == (part.file,)


def test_a_failed_write_leaves_no_file_and_names_the_file(
    here: RowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", raise_disk_full)
    with pytest.raises(rec.StorageError, match="cannot be written: OSError: No space left"):
        write_sweep(here, "a")
    assert [path for path in Path(here.folder.root).rglob("*") if path.is_file()] == []


def test_superseded_files_are_removed_after_a_week_and_files_in_use_stay(here: RowStore) -> None:
    old, _ = write_sweep(here, "old"), write_sweep(here, "other", day=TODAY - DAY)
    lost = here.write("acme", "default", TODAY, pa.table(rows(build_recordings("lost"))))
    root = Path(here.folder.root)
    for path in list(root.rglob("*")):  # as if all of it was written long ago
        stamp = f"{datetime.now(UTC):%Y%m%d}"
        if path.is_file():
            if path.suffix == ".json":
                path.write_text(path.read_text().replace(f"-{stamp}T", "-20200101T"))
            path.rename(path.with_name(path.name.replace(f"{stamp}T", "20200101T")))
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
    with pytest.raises(rec.StorageError, match="cannot be written"):
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


def test_a_relative_file_name_is_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_file("report.csv", b"x")
    assert (tmp_path / "report.csv").read_bytes() == b"x"
