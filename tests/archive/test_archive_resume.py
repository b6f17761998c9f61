"""Resume: from which time a run without `since` lists, so that an outage loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.testing import ManualClock, Reply

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class Account:
    """One account with its archive: what its runs listed from."""

    def __init__(self, vendor: Any, root: Path) -> None:
        self.vendor = vendor
        self.archive = rec.Archive(root)
        self.provider = vendor.connect()

    def copy(self, provider: Any = None, **arguments: Any) -> rec.ArchiveRun:
        self.vendor.queries.clear()
        return self.archive.copy([provider or self.provider], **arguments)

    def get_since(self) -> datetime | None:
        """The time from which the last run listed."""
        since: datetime | None = self.vendor.queries[0].since
        return since

    def is_copied(self, id: str) -> bool:
        return self.archive.get("madeup", "default", id) is not None


@pytest.fixture
def account(vendor: Any, tmp_path: Path) -> Account:
    return Account(vendor, tmp_path)


def test_run_goes_on_from_the_last_complete_one_less_a_day(vendor: Any, account: Account) -> None:
    vendor.add("old", age=90 * DAY)
    vendor.add("new")
    began = vendor.clock.now()
    account.copy()
    assert account.get_since() is None
    vendor.clock.advance(30 * DAY)  # an outage
    vendor.add("meanwhile", age=20 * DAY)
    vendor.add("listed late", age=30 * DAY + 20 * HOUR)
    run = account.copy()
    assert account.get_since() is not None
    assert began - 2 * DAY < account.get_since() <= began - DAY
    assert run.copied == 2
    vendor.add("now")
    account.copy()
    account.copy()
    assert account.get_since() > began + 28 * DAY


def test_recording_of_tomorrow_does_not_hide_what_is_listed_late(
    vendor: Any, account: Account
) -> None:
    vendor.add("tomorrow", age=-3 * DAY)
    account.copy()
    vendor.clock.advance(HOUR)
    vendor.add("listed late", age=20 * HOUR)
    account.copy()
    assert account.is_copied("listed late")


def test_quiet_account_is_not_listed_from_ever_earlier_times(vendor: Any, account: Account) -> None:
    vendor.add("r", age=10 * DAY)
    account.copy()
    seen = []
    for _ in range(4):
        vendor.clock.advance(HOUR)
        account.copy()
        seen.append(account.get_since())
    assert len(set(seen)) == 1


def fail_media(vendor: Any) -> None:
    vendor.media[vendor.get_path("r")] = Reply(200, b"<html>")


def keep_unready(vendor: Any) -> None:
    vendor.add("r", status="processing")


def keep_recording(vendor: Any) -> None:
    vendor.add("r", status="recording")


@pytest.mark.parametrize("fail", [fail_media, keep_unready, keep_recording])
def test_recording_that_was_not_copied_is_listed_again(
    vendor: Any, account: Account, fail: Callable[[Any], None]
) -> None:
    sound = vendor.media.setdefault(vendor.get_path("r"), b"")
    vendor.add("r", age=10 * DAY)
    vendor.media.pop(vendor.get_path("r"))
    vendor.add("r")
    sound = vendor.media[vendor.get_path("r")]
    vendor.add("good")
    fail(vendor)
    for _ in range(3):
        account.copy()
        vendor.clock.advance(7 * DAY)
        assert not account.is_copied("r")
    vendor.media[vendor.get_path("r")] = sound
    vendor.add("r")
    account.copy()
    assert account.is_copied("r")


def leave_out_a_row(vendor: Any) -> None:
    vendor.list_doubts = ("A row cannot be read",)


def break_the_list(vendor: Any) -> None:
    vendor.list_error = rec.Unavailable("The vendor does not answer")


def break_the_plugin(vendor: Any) -> None:
    vendor.list_error = KeyError("a bug")


@pytest.mark.parametrize("fail", [leave_out_a_row, break_the_list, break_the_plugin])
def test_incomplete_list_does_not_advance(
    vendor: Any, account: Account, fail: Callable[[Any], None]
) -> None:
    """L4."""
    vendor.add("r")
    account.copy()
    account.copy()
    before = account.get_since()
    vendor.clock.advance(10 * DAY)
    vendor.add("s")
    fail(vendor)
    run = account.copy()
    assert not run.complete
    vendor.list_error, vendor.list_doubts = None, ()
    vendor.clock.advance(10 * DAY)
    account.copy()
    assert account.get_since() == before
    assert account.is_copied("s")


@pytest.mark.parametrize("argument", ["until", "since"])
def test_run_over_a_part_does_not_advance(vendor: Any, account: Account, argument: str) -> None:
    """A list that ends earlier, or begins later than the last one ended, leaves a gap."""
    vendor.add("r")
    account.copy()
    account.copy()
    before = account.get_since()
    vendor.clock.advance(10 * DAY)
    vendor.add("missed", age=9 * DAY if argument == "since" else timedelta(0))
    vendor.add("seen", age=HOUR if argument == "since" else 9 * DAY)
    account.copy(**{argument: vendor.clock.now() - 5 * DAY})
    assert account.is_copied("seen")
    assert not account.is_copied("missed")
    account.copy()
    assert account.get_since() == before
    assert account.is_copied("missed")


def test_run_whose_end_is_earlier_than_the_last_run_lists_everything(
    vendor: Any, account: Account
) -> None:
    vendor.add("r")
    account.copy()
    vendor.add("listed late", age=40 * DAY)
    run = account.copy(until=vendor.clock.now() - 30 * DAY)
    assert run.coverage[0].error is None
    assert account.get_since() is None
    assert account.is_copied("listed late")


def test_run_that_begins_after_its_end_is_refused(account: Account) -> None:
    now = account.vendor.clock.now()
    with pytest.raises(ValueError, match="since must not be after until"):
        account.copy(since=now, until=now - DAY)
    assert not account.vendor.queries


def test_earlier_recordings_are_copied_on_request(vendor: Any, account: Account) -> None:
    vendor.add("old", age=90 * DAY)
    vendor.add("new")
    begin = vendor.clock.now() - 10 * DAY
    account.copy(since=begin)
    (gap,) = account.copy().coverage[0].gaps  # also later, what is older was never listed
    assert (gap.since, gap.until) == (None, begin)
    assert not account.is_copied("old")
    vendor.clock.advance(HOUR)
    account.copy(since=vendor.clock.now() - 100 * DAY)
    assert account.is_copied("old")
    account.copy()
    assert account.get_since() is not None
    assert account.get_since() > vendor.clock.now() - 3 * DAY


def test_each_shard_goes_on_from_its_own_runs(vendor: Any, account: Account) -> None:
    for number in range(8):
        vendor.add(f"r{number}")
    runs = [account.copy(shard=(number, 2)) for number in (0, 1)]
    assert sum(run.copied for run in runs) == 8
    vendor.clock.advance(10 * DAY)
    for number in range(8, 16):
        vendor.add(f"r{number}")
    account.copy(shard=(0, 2))
    vendor.clock.advance(10 * DAY)
    account.copy(shard=(1, 2))
    assert all(map(account.is_copied, vendor.recordings))
    account.copy(shard=(2, 3))
    assert account.get_since() is None


def test_archive_without_an_index_lists_everything(
    vendor: Any, account: Account, tmp_path: Path
) -> None:
    vendor.add("r", age=90 * DAY)
    account.copy()
    for path in (tmp_path / "index").iterdir():
        path.unlink()
    vendor.count_fetched()
    run = account.copy()
    assert account.get_since() is None
    assert (run.copied, run.already_there, vendor.count_fetched()) == (0, 1, 0)


@pytest.mark.parametrize("skew", [DAY, 3 * DAY, -3 * DAY])
def test_clock_of_a_machine_does_not_decide_what_is_listed(
    vendor: Any, account: Account, skew: timedelta
) -> None:
    """One of two machines is days ahead or behind: nothing between two runs is left out."""
    clock = ManualClock(vendor.clock.now() + skew)
    other = vendor.connect(clock=clock)
    vendor.add("first", age=90 * DAY)
    account.copy(other)
    for number in range(6):
        vendor.clock.advance(20 * HOUR)
        clock.advance(20 * HOUR)
        vendor.add(f"r{number}", age=2 * HOUR)
        account.copy(other if number % 2 else None)
        assert all(map(account.is_copied, vendor.recordings))


def test_failure_is_tried_again_also_after_a_machine_whose_clock_is_ahead(
    vendor: Any, account: Account
) -> None:
    clock = ManualClock(vendor.clock.now() + 9 * DAY)
    vendor.add("r", age=5 * DAY)
    account.copy(vendor.connect(clock=clock))
    changed = vendor.add("r", "mix", "late")
    path = vendor.get_path("r", "late")
    sound, vendor.media[path] = vendor.media[path], Reply(200, b"<html>")
    run = account.copy(since=vendor.clock.now() - 20 * DAY)
    assert len(run.failed) == 1
    vendor.media[path] = sound
    account.copy()
    found = account.archive.get("madeup", "default", "r")
    assert found is not None
    assert len(found.copies) == len(changed.files)


def test_recording_without_a_time_is_copied_by_each_run(vendor: Any, account: Account) -> None:
    vendor.add("r")
    account.copy()
    vendor.clock.advance(10 * DAY)
    vendor.recordings["undated"] = evolve(vendor.add("undated"), created_at=None)
    assert account.copy().copied == 1
