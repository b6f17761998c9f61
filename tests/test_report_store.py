"""Is a day asked for again exactly while it may have changed, and is what was cut off unread?"""

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
    midnight,
    newest_undated,
    stretches,
    unsettled,
    whole_days,
)
from recording_core.reporting.collect.store import Store
from recording_core.reporting.row_schema import SCHEMA_VERSION, rows

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
TODAY = midnight(NOW)
WHOLE = rec.Coverage(complete=True)


def commit(
    since: int | None,
    until: int | None,
    *parts: Part,
    asked: int = 0,
    coverage: rec.Coverage = WHOLE,
) -> Commit:
    """A sweep of `[since, until)`, in days from today; `asked` is the day of the asking."""
    return Commit(
        1,
        SCHEMA_VERSION,
        "acme",
        "default",
        TODAY + since * DAY if since is not None else None,
        TODAY + until * DAY if until is not None else None,
        NOW + asked * DAY,
        coverage,
        parts,
    )


def part(day: int, *, unfinished: int = 0, file: str = "") -> Part:
    return Part(TODAY + day * DAY, file or f"{day}.parquet", 1, 1, unfinished)


def asked_for(*commits: Commit, since: int = -90, now: int = 0) -> list[tuple[int, int | None]]:
    """What is asked for, in days from today."""
    days = plugin.Window(TODAY + since * DAY, None)
    return [
        ((each.since - TODAY) // DAY, (each.until - TODAY) // DAY if each.until else None)
        for each in unsettled(commits, days, NOW + now * DAY)
        if each.since is not None
    ]


# -- which days may have changed ------------------------------------------------------------------


def test_what_was_never_asked_for_is_asked_for_as_one_window() -> None:
    assert asked_for() == [(-90, None)]


def test_only_the_last_three_days_and_today_are_asked_for_again() -> None:
    assert asked_for(commit(-90, None)) == [(-3, None)]


def test_the_days_since_the_last_report_are_asked_for_with_those_before_it() -> None:
    assert asked_for(commit(-90, None, asked=-10)) == [(-13, None)]


def test_a_sweep_that_was_not_complete_is_asked_for_again() -> None:
    broken = commit(-90, None, coverage=rec.Coverage(complete=False))
    assert asked_for(broken) == [(-90, None)]
    assert asked_for(commit(-40, None), broken) == [(-3, None), (-90, -40)]


def test_a_day_with_an_unfinished_recording_is_asked_for_again() -> None:
    assert asked_for(commit(-90, None, part(-20, unfinished=1), part(-19))) == [
        (-3, None),
        (-20, -19),
    ]


def test_what_is_processed_for_a_month_is_given_up() -> None:
    assert asked_for(commit(-90, None, part(-32, unfinished=1))) == [(-3, None)]
    assert asked_for(commit(-90, None, part(-30, unfinished=1)))[1:] == [(-30, -29)]


def test_a_longer_window_asks_for_what_is_new_in_it() -> None:
    assert asked_for(commit(-30, None), since=-60) == [(-3, None), (-60, -30)]


def test_a_window_of_settled_days_asks_nobody() -> None:
    days = whole_days(NOW - 60 * DAY, NOW - 30 * DAY)
    assert unsettled([commit(-90, None)], days, NOW) == ()


def test_a_day_whose_part_is_lost_is_asked_for_again() -> None:
    days = plugin.Window(TODAY - 90 * DAY, None)
    lost = [TODAY - 50 * DAY]
    found = unsettled([commit(-90, None)], days, NOW, lost)
    assert found[1:] == (plugin.Window(lost[0], lost[0] + DAY),)


BOUND = st.integers(-12, 12) | st.none()


def bounds() -> st.SearchStrategy[tuple[int | None, int | None]]:
    def in_order(pair: tuple[int | None, int | None]) -> bool:
        since, until = pair
        return since is None or until is None or since < until

    return st.tuples(BOUND, BOUND).filter(in_order)


@settings(deadline=None)
@given(st.lists(bounds(), max_size=6))
def test_every_day_is_read_once_and_from_the_newest_sweep_that_covers_it(
    swept: list[tuple[int | None, int | None]],
) -> None:
    days = range(-15, 15)
    commits = [
        commit(since, until, *(part(day, file=f"{number}:{day}") for day in days))
        for number, (since, until) in enumerate(swept)
    ]
    found = stretches(commits)
    assert (found[0].since, found[-1].until) == (BEGINNING, END)
    assert all(a.until == b.since for a, b in pairwise(found))
    read = [each.file for stretch in found for each in stretch.parts()]
    wanted = []
    for day in days:
        covers = (
            number
            for number, (since, until) in enumerate(swept)
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
def test_a_window_is_collected_in_whole_days(
    since: datetime | None, until: datetime | None, days: tuple[datetime | None, datetime | None]
) -> None:
    assert whole_days(since, until) == plugin.Window(*days)


def test_rows_without_a_time_are_those_of_the_newest_sweep_that_tells_of_any() -> None:
    old, new = Part(None, "old", 1, 1), Part(None, "new", 1, 1)
    silent = commit(-1, None)
    told = evolve(silent, undated=(new,))
    assert newest_undated([silent, told, evolve(silent, undated=(old,))]) == (new,)
    assert newest_undated([evolve(silent, undated=()), told]) == ()


# -- the folder -----------------------------------------------------------------------------------


def recordings(*ids: str) -> list[rec.Recording]:
    return [
        rec.Recording("acme", "default", each, created_at=NOW, status=rec.RecordingStatus.AVAILABLE)
        for each in ids
    ]


def keep(store: Store, *ids: str, day: datetime = TODAY) -> Part:
    """One sweep of one day that is whole in the folder."""
    kept = store.write("acme", "default", day, pa.table(rows(recordings(*ids))), 0)
    store.commit("acme", "default", plugin.Window(day, day + DAY), NOW, WHOLE, [kept], None)
    return kept


def read(store: Store) -> set[str]:
    found: set[str] = set()
    for account in store.accounts():
        for stretch in stretches(account.commits):
            for each in stretch.parts():
                table = pq.read_table(pa.BufferReader(store.folder.read(each.file)))
                found.update(table["recording_id"].to_pylist())
    return found


@pytest.fixture(params=["path", "file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    place = {
        "path": str(tmp_path / "kept"),
        "file": f"file://{tmp_path}/kept",
        "memory": f"memory://{tmp_path.name}/kept",
    }
    return Store(Folder(place[request.param]))


def test_what_is_written_is_read_back(store: Store) -> None:
    assert store.accounts() == ()
    keep(store, "a", "b")
    keep(store, "c", day=TODAY + DAY)
    assert read(store) == {"a", "b", "c"}
    keep(store, "d")  # the day once more: it is read from the newest
    assert read(store) == {"c", "d"}


def test_a_part_without_its_commit_is_never_read(store: Store) -> None:
    keep(store, "a")
    store.write("acme", "default", TODAY, pa.table(rows(recordings("half"))), 0)
    assert read(store) == {"a"}


def test_names_of_accounts_that_differ_only_to_people_lie_apart(store: Store) -> None:
    names = ["a/b", "a_b", "A_b", "..", "ä", "x" * 300]
    for name in names:
        store.commit("acme", name, plugin.Window(), NOW, WHOLE, [], None)
    assert sorted(each.account for each in store.accounts()) == sorted(names)
    for name in names:
        assert len(store.kept("acme", name).commits) == 1


@pytest.fixture
def here(tmp_path: Path) -> Store:
    return Store(Folder(str(tmp_path / "kept")))


def index(store: Store) -> Path:
    [found] = Path(store.folder.root).glob("index/*/*/*.json")
    return found


def test_an_index_file_that_is_cut_off_anywhere_is_named_with_what_to_do(here: Store) -> None:
    keep(here, "a")
    file = index(here)
    whole = file.read_bytes()
    for length in {0, 1, 20, len(whole) // 2, len(whole) - 1}:
        file.write_bytes(whole[:length])
        with pytest.raises(rec.StorageError, match=r"no whole index file.*delete it") as refused:
            here.accounts()
        assert file.name in str(refused.value)
        assert here.kept("acme", "default", forgiving=True).commits == ()


@settings(deadline=None)
@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_an_index_file_of_any_bytes_is_one_error(data: bytes) -> None:
    store = Store(Folder("memory://any-bytes"))
    store.folder.write("index/acme/default/x.json", data)
    with pytest.raises(rec.StorageError):
        store.accounts()


@pytest.mark.parametrize("what", ["version", "schema"])
def test_another_versions_index_says_so_also_to_who_forgives(here: Store, what: str) -> None:
    keep(here, "a")
    file = index(here)
    text = json.loads(file.read_bytes())
    text[what] += 1
    text["news"] = "what a later version knows"
    file.write_text(json.dumps(text))
    for forgiving in (False, True):
        with pytest.raises(rec.ConfigurationError, match=r"another version's.*another folder"):
            here.accounts(forgiving=forgiving)


def test_a_part_that_is_not_as_it_was_written_is_noticed(here: Store) -> None:
    kept = keep(here, "a")
    assert here.damaged([kept]) == ()
    path = Path(here.folder.root) / kept.file
    path.write_bytes(path.read_bytes()[:-1])
    assert here.damaged([kept]) == (kept.file,)
    path.unlink()
    assert here.damaged([kept]) == (kept.file,)


def test_a_write_that_fails_leaves_nothing_and_names_the_file(
    here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(rec.StorageError, match="cannot be written: OSError: No space left"):
        keep(here, "a")
    assert [path for path in Path(here.folder.root).rglob("*") if path.is_file()] == []


def test_what_newer_sweeps_cover_goes_after_a_week_and_nothing_that_is_read(here: Store) -> None:
    old, _ = keep(here, "old"), keep(here, "other", day=TODAY - DAY)
    lost = here.write("acme", "default", TODAY, pa.table(rows(recordings("lost"))), 0)
    root = Path(here.folder.root)
    for path in list(root.rglob("*")):  # all of it was written long ago
        stamp = f"{datetime.now(UTC):%Y%m%d}"
        if path.is_file():
            if path.suffix == ".json":
                path.write_text(path.read_text().replace(f"-{stamp}T", "-20200101T"))
            path.rename(path.with_name(path.name.replace(f"{stamp}T", "20200101T")))
    keep(here, "new")
    fresh = here.write("acme", "default", TODAY, pa.table(rows(recordings("under way"))), 0)
    before = read(here)
    here.tidy("acme", "default")
    assert read(here) == before == {"new", "other"}
    left = {str(path.relative_to(root)) for path in root.glob("rows/*/*/*")}
    assert fresh.file in left
    assert len(left) == 3
    for gone in (old, lost):
        assert gone.file.replace(stamp, "20200101") not in left


def _write_many(folder: str, number: int) -> None:
    store = Store(Folder(folder))
    for day in range(20):
        keep(store, f"{number}-{day}", day=TODAY + day * DAY)


def test_two_processes_in_one_folder_do_no_harm(tmp_path: Path) -> None:
    folder = str(tmp_path / "kept")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes:
        for job in [processes.submit(_write_many, folder, number) for number in range(2)]:
            job.result()
    found = read(Store(Folder(folder)))
    assert len(found) == 20
    assert {each.split("-")[1] for each in found} == {str(day) for day in range(20)}
    assert not list(tmp_path.rglob("*.part"))


# -- where it lies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nowhere://bucket/x", "cannot be opened"),
        ("", "must be a path or a URL"),
        ("nowhere://key:s3cr3t-word@bucket/x?sig=s3cr3t-word", "nowhere://bucket/x cannot"),
    ],
)
def test_a_folder_that_cannot_be_opened_shows_no_credential(url: str, said: str) -> None:
    with pytest.raises(rec.ConfigurationError, match=said) as refused:
        Folder(url)
    assert "s3cr3t" not in str(refused.value)


def test_a_folder_that_is_a_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(rec.StorageError, match="cannot be written"):
        Folder(str(tmp_path / "file")).write("x/y", b"")


def test_a_folder_that_nobody_may_look_into_is_no_empty_one(
    here: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(here, "a")
    scandir = os.scandir

    def refused(path: Any) -> Any:
        if "acme" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("os.scandir", refused)
    with pytest.raises(rec.StorageError, match="index cannot be listed: PermissionError"):
        here.accounts()


def test_a_link_leads_to_the_file_that_is_written(tmp_path: Path) -> None:
    (tmp_path / "latest.html").symlink_to("real.html")
    write_file(tmp_path / "latest.html", b"new")
    assert (tmp_path / "real.html").read_bytes() == b"new"
    assert (tmp_path / "latest.html").is_symlink()


@pytest.mark.parametrize("as_url", [str, lambda path: f"file://{path}"])
def test_a_file_is_written_whole_at_its_path_or_url(
    tmp_path: Path, as_url: Callable[[Path], str]
) -> None:
    path = tmp_path / "new" / "report.html"
    write_file(as_url(path), b"whole")
    assert path.read_bytes() == b"whole"
    assert os.listdir(path.parent) == [path.name]


def test_a_file_may_lie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_file("report.csv", b"x")
    assert (tmp_path / "report.csv").read_bytes() == b"x"
