"""Report from an archive: its rows, and how much of each account it covers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.archiving.index import Entry, Index, RunMark
from recording_core.reporting.collect.collected_rows import open_collected_rows
from recording_core.reporting.missing import ExpectedSession, SessionOutcome, find_missing
from recording_core.reporting.report import report
from recording_core.reporting.window import ReportWindow
from recording_core.storage.folder import Folder

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SEEN = rec.Coverage(windows=1, pages=1, seen=3, complete=True, not_listable=("conferences",))


def build_entry(number: int, *, account: str = "default", **fields: Any) -> Entry:
    created = NOW - number * DAY
    recording = rec.Recording(
        "plivo",
        account,
        f"R{number}",
        status=rec.RecordingStatus.AVAILABLE,
        target=rec.call(f"C{number}"),
        created_at=created,
        size=None,
        duration=timedelta(minutes=1),
    )
    values: dict[str, Any] = {"at": NOW, "path": f"record-{number}", "copies": 1, "size": 100}
    return Entry(recording, "state", **(values | fields))


def build_mark(started: datetime = NOW, **fields: Any) -> RunMark:
    mark = RunMark("plivo", "default", (0, 1), started, started - DAY, SEEN)
    return evolve(mark, **fields)


@pytest.fixture
def archive(tmp_path: Path) -> Callable[..., str]:
    """Write an archive's index with entries and marks, and return its folder."""

    def write(entries: list[Entry], *marks: RunMark) -> str:
        Index(Folder(tmp_path / "archive")).append(entries, marks)
        return str(tmp_path / "archive")

    return write


def read_rows(
    folder: str,
    since: datetime | None = None,
    until: datetime | None = None,
    accounts: list[rec.Account] | None = None,
) -> tuple[list[str], tuple[Any, ...]]:
    """Read the ids and the coverage, without computing a report."""
    window = ReportWindow(since, until, "UTC", NOW)
    with open_collected_rows(window, source=folder, accounts=accounts) as collected:
        return collected.rows["recording_id"].to_pylist(), collected.coverage


def read_coverage(folder: str, **window: Any) -> Any:
    [coverage] = read_rows(folder, **window)[1]
    return coverage


def test_a_report_reads_the_rows_and_coverage_of_an_archive(archive: Callable[..., str]) -> None:
    entries = [build_entry(1), build_entry(2), build_entry(2, at=NOW + DAY, size=150)]
    without_media = build_entry(3, path=None, copies=0, size=0)
    found = report(source=archive([*entries, without_media], build_mark()), now=NOW)
    assert found.totals["recordings"] == 2
    assert (found.totals["bytes"], found.totals["seconds"]) == (250, 120)
    assert found.complete
    [coverage] = found.coverage
    assert (coverage.provider, coverage.account, coverage.asked_at) == ("plivo", "default", NOW)
    assert (coverage.coverage.seen, coverage.coverage.expected) == (2, None)
    assert coverage.coverage.not_listable == ("conferences",)


def test_what_has_a_verified_copy_does_not_expire(archive: Callable[..., str]) -> None:
    entries = [build_entry(1), build_entry(2, doubts=1)]
    expiring = [
        evolve(each, recording=evolve(each.recording, media_expires_at=NOW + DAY))
        for each in entries
    ]
    found = report(source=archive(expiring, build_mark()), now=NOW)
    assert [each["recording_id"] for each in found.attention["expiring"]] == ["R2"]


def test_rows_of_an_archive_are_in_the_window_and_the_groups(archive: Callable[..., str]) -> None:
    folder = archive([build_entry(number) for number in range(5)], build_mark())
    found = report(source=folder, since=NOW - 3 * DAY, until=NOW, by="day", now=NOW)
    assert [row["day"] for row in found.rows] == ["2026-06-07", "2026-06-08", "2026-06-09"]


def test_an_archive_that_fell_behind_is_not_complete(archive: Callable[..., str]) -> None:
    folder = archive([build_entry(20)], build_mark(NOW - 10 * DAY))
    coverage = read_coverage(folder)
    assert not coverage.coverage.complete
    [error] = coverage.coverage.errors
    assert "created since 2026-05-31 may have no copy" in error
    assert f"recordings archive copy {folder} plivo --account default" in error
    assert [each.since for each in coverage.gaps] == [NOW - 10 * DAY]
    assert read_coverage(folder, until=NOW - 11 * DAY).coverage.complete


def test_a_run_of_the_same_day_is_recent_enough(archive: Callable[..., str]) -> None:
    assert read_coverage(archive([], build_mark(NOW - 1.5 * DAY))).coverage.complete


def test_what_failed_makes_the_report_incomplete_from_its_day_on(
    archive: Callable[..., str],
) -> None:
    failed = NOW - 5 * DAY
    folder = archive([build_entry(1)], build_mark(resume_at=failed - DAY))
    assert [each.since for each in read_coverage(folder).gaps] == [failed]
    assert read_coverage(folder, until=failed).coverage.complete


def test_what_no_run_listed_is_named(archive: Callable[..., str]) -> None:
    first = NOW - 30 * DAY
    folder = archive([build_entry(1)], build_mark(listed_since=first))
    coverage = read_coverage(folder, since=NOW - 60 * DAY)
    [error] = coverage.coverage.errors
    assert "created before 2026-05-11 was never listed" in error
    assert error.endswith("--since 2026-04-11`")
    assert read_coverage(folder, since=first).coverage.complete
    assert read_coverage(folder).coverage.complete  # an unbounded window begins with the archive


def test_an_account_without_a_complete_run_has_rows_and_is_not_complete(
    archive: Callable[..., str],
) -> None:
    incomplete = rec.Coverage(errors=("page 3 failed",))
    mark = build_mark(resume_at=None, coverage=incomplete)
    found, [coverage] = read_rows(archive([build_entry(1)], mark))
    assert found == ["R1"]
    assert not coverage.coverage.complete
    assert coverage.coverage.errors[0] == "page 3 failed"
    assert "No run has listed this account completely" in coverage.coverage.errors[1]
    assert coverage.asked_at is None


def test_a_last_run_that_could_not_list_everything_is_named(archive: Callable[..., str]) -> None:
    incomplete = rec.Coverage(errors=("page 3 failed",))
    later = build_mark(NOW + timedelta(hours=1), resume_at=None, coverage=incomplete)
    coverage = read_coverage(archive([build_entry(1)], build_mark(), later))
    assert coverage.coverage.errors == ("page 3 failed",)
    assert not coverage.coverage.complete
    # A run of one window is not evidence for the others.
    partial = build_mark(NOW + timedelta(hours=2), resume_at=None)
    assert read_coverage(archive([], partial)).coverage.complete


def test_machines_cover_an_account_if_each_part_was_listed(archive: Callable[..., str]) -> None:
    first = build_mark(NOW - DAY, shard=(0, 2))
    folder = archive([build_entry(1)], first)
    assert not read_coverage(folder).coverage.complete
    archive([], build_mark(NOW, shard=(1, 2)))
    coverage = read_coverage(folder)
    assert coverage.coverage.complete
    assert (coverage.asked_at, coverage.listed_at) == (NOW - DAY, NOW)
    archive([], build_mark(NOW - 9 * DAY, shard=(0, 1)))  # an older one of the whole account
    assert read_coverage(folder).asked_at == NOW - DAY


def test_a_damaged_index_file_makes_the_report_incomplete(
    archive: Callable[..., str], tmp_path: Path
) -> None:
    folder = archive([build_entry(number) for number in range(50)])
    [path] = (tmp_path / "archive" / "index").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(rec.StorageError, match="recordings archive rebuild-index"):
        read_rows(folder)  # no account is left that could be named as incomplete
    archive([build_entry(100)], build_mark())
    found, [coverage] = read_rows(folder)
    assert found == ["R100"]
    assert not coverage.coverage.complete
    [error] = coverage.coverage.errors
    assert path.name in error
    assert f"recordings archive rebuild-index {folder}" in error


def test_a_changed_byte_in_the_index_gives_no_other_rows(
    archive: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("CRITICAL")
    index = Index(Folder(archive([build_entry(number) for number in range(50)])))
    [path] = (tmp_path / "archive" / "index").iterdir()
    whole, table = path.read_bytes(), index.read_rows().table
    damaged = 0
    for position in range(10, len(whole), 131):
        data = bytearray(whole)
        data[position] ^= 4
        path.write_bytes(data)
        found = index.read_rows()
        damaged += len(found.damaged)
        assert found.damaged or found.table.equals(table), position
    assert damaged > 10


def test_chosen_accounts_are_read_and_others_are_missing(archive: Callable[..., str]) -> None:
    entries = [build_entry(1), build_entry(2, account="sales")]
    folder = archive(entries, build_mark(), build_mark(account="sales"))
    chosen = [rec.Account("plivo", "sales"), rec.Account("plivo", "other")]
    found, coverage = read_rows(folder, accounts=chosen)
    assert found == ["R2"]
    assert [(each.account, each.coverage.complete) for each in coverage] == [
        ("sales", True),
        ("other", False),
    ]
    assert len(read_rows(folder)[1]) == 2


def test_expected_sessions_are_found_in_an_archive(archive: Callable[..., str]) -> None:
    folder = archive([build_entry(1)], build_mark())
    window = ReportWindow(None, None, "UTC", NOW)
    sessions = [
        ExpectedSession("plivo", rec.call(each), account=None, started_at=NOW - DAY)
        for each in ("C1", "C2")
    ]
    with open_collected_rows(window, source=folder) as collected:
        found = [each.outcome for each in find_missing(sessions, collected, window)]
    assert found == [SessionOutcome.RECORDED, SessionOutcome.MISSING]


def test_a_report_does_not_collect_into_an_archive(archive: Callable[..., str]) -> None:
    folder = archive([build_entry(1)], build_mark())
    with pytest.raises(rec.ConfigurationError, match="is an archive: read it with"):
        report(to=folder, accounts=[rec.Account("plivo")])


def test_a_folder_without_an_index_is_neither(tmp_path: Path) -> None:
    with pytest.raises(rec.ConfigurationError, match=r"archive rebuild-index"):
        report(source=tmp_path)
