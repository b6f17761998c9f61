"""Collected rows: the rows of a report, and how complete they are for each account.

Accounts are collected in parallel into a folder (a temporary one, unless the caller names one), or
the rows that a folder already holds are read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from recording_core.accounts import Account, get_account_key, resolve_accounts
from recording_core.errors import ConfigurationError
from recording_core.listing.coverage import AccountCoverage, merge_coverages
from recording_core.listing.page import Window
from recording_core.listing.row_schema import build_arrow_schema
from recording_core.provider.provider import Provider
from recording_core.reporting.collect.archived_rows import is_archive, read_archived_rows
from recording_core.reporting.collect.collector import AccountTask, collect_accounts
from recording_core.reporting.collect.stable_windows import (
    BEGINNING,
    DAY,
    END,
    DayRange,
    Part,
    extend_to_days,
    find_day_ranges,
    find_newest_undated,
    find_parts,
    find_unstable_windows,
    floor_to_day,
)
from recording_core.reporting.collect.store import AccountIndex, RowStore
from recording_core.reporting.number_format import format_count
from recording_core.reporting.window import ReportWindow
from recording_core.storage.folder import Folder

_Key = tuple[str, str]


@frozen
class CollectedRows:
    """The Parquet files of a report by path or URL, or else an Arrow table, and their coverage."""

    rows: Any = field(repr=False)
    coverage: tuple[AccountCoverage, ...]


@contextmanager
def open_collected_rows(
    window: ReportWindow,
    *,
    accounts: Iterable[Account | Provider] | None = None,
    to: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
) -> Iterator[CollectedRows]:
    """Collect rows, or read a folder, as `report` does. The files exist while the `with` lasts."""
    if source is not None and to is not None and os.fspath(source) != os.fspath(to):
        raise ValueError("source and to name two folders: new rows go to the folder that is read")
    chosen = None if accounts is None else tuple(accounts)
    if to is not None:
        yield _collect_into(os.fspath(to), window, chosen, executor, durable=True)
    elif source is not None:
        yield _read_folder(os.fspath(source), window, chosen)
    else:
        # The workers of an interrupted report may still write there.
        with tempfile.TemporaryDirectory(
            prefix="recordings-", ignore_cleanup_errors=True
        ) as folder:
            yield _collect_into(folder, window, chosen, executor, durable=False)


def _collect_into(
    folder: str,
    window: ReportWindow,
    chosen: Sequence[Account | Provider] | None,
    executor: Executor | None,
    *,
    durable: bool,
) -> CollectedRows:
    """List what may have changed since the folder was written, and read all rows."""
    elsewhere = None if isinstance(executor, ThreadPoolExecutor) else executor
    accounts = resolve_accounts(chosen, "accounts", "this report", elsewhere)
    names = [get_account_key(each) for each in accounts]
    store = RowStore(Folder(folder, durable=durable))
    if durable and is_archive(store.folder):
        raise ConfigurationError(
            f"{store.folder} is an archive: read it with source= or --from, and collect into "
            "another folder."
        )
    if elsewhere is not None:
        store.folder.check_other_processes()
    days = extend_to_days(window.since, window.until)
    tasks, damage = [], {}
    for each, name in zip(accounts, names, strict=True):
        index = store.read_account(*name)
        damage[name] = _find_damage(store, index, days)
        # The undated rows are in every window, so any day returns them again.
        lost = [part.day or floor_to_day(window.now) for part in damage[name].parts]
        windows = find_unstable_windows(index.commits, days, window.now, lost)
        if windows:
            tasks.append(AccountTask(each, windows, folder, window.now, durable))
    results = {(each.provider, each.account): each for each in collect_accounts(tasks, executor)}
    found = {name: store.read_account(*name) for name in names}
    collected = _read_accounts(store, found, days, window.now, results)
    return evolve(
        collected,
        coverage=tuple(
            each if each.error else evolve(each, repaired=_repair(store, damage[name], found[name]))
            for name, each in zip(found, collected.coverage, strict=True)
        ),
    )


def _read_folder(
    folder: str, window: ReportWindow, chosen: Sequence[Account | Provider] | None
) -> CollectedRows:
    """Read the rows that a folder holds, or an archive, without a request to any vendor."""
    store = RowStore(Folder(folder))
    if is_archive(store.folder):
        names = None if chosen is None else [get_account_key(each) for each in chosen]
        return CollectedRows(*read_archived_rows(store.folder, window, names))
    found = store.read_accounts()
    if not found:
        raise ConfigurationError(
            f"{store.folder} holds no collected recordings. Collect into it with to= or --to. "
            "If it is an archive, write its index with `recordings archive rebuild-index`."
        )
    if chosen is not None:
        found = {name: found.get(name, AccountIndex()) for name in map(get_account_key, chosen)}
    days = extend_to_days(window.since, window.until)
    return _read_accounts(store, found, days, window.now, {})


def _read_accounts(
    store: RowStore,
    accounts: Mapping[_Key, AccountIndex],
    days: Window,
    now: datetime,
    results: Mapping[_Key, AccountCoverage],
) -> CollectedRows:
    """Read each account's coverage and find its files; `results` are of sweeps made just now."""
    coverages, files = [], []
    for name, index in accounts.items():
        parts = _find_parts(index, days)
        damage = _find_damage(store, index, days)
        result = results.get(name)
        errors = list(damage.describe(store))
        files += [store.folder.locate(each.file) for each in parts if each not in damage.parts]
        ranges = find_day_ranges(index.commits, days)
        rows = sum(part.rows for part in parts if part not in damage.parts)
        if result is not None and result.error is not None:
            errors.append(str(result.error))
        elif any(each.commit for each in ranges):
            errors += _describe_gaps(store, ranges, days, now)
        else:
            errors.append(f"Nothing was collected into {store.folder}. Collect it with --to.")
        coverage = _build_coverage(name, ranges, rows, errors, result)
        coverages.append(evolve(coverage, gaps=_find_gaps(ranges, damage, days, now)))
    return CollectedRows(files or build_arrow_schema().empty_table(), tuple(coverages))


def _build_coverage(
    name: _Key,
    ranges: Iterable[DayRange],
    rows: int,
    errors: Sequence[str],
    result: AccountCoverage | None,
) -> AccountCoverage:
    """Build an account's coverage from the sweeps of its days, and from its latest collection."""
    covered = [(each, each.commit) for each in ranges if each.commit is not None]
    commits = list({id(commit): commit for _, commit in covered}.values())
    coverage = merge_coverages(each.coverage for each in commits)
    if any(
        (each.since, each.until) != (commit.since or BEGINNING, commit.until or END)
        for each, commit in covered
    ):
        coverage = evolve(coverage, expected=None)  # includes days of newer sweeps
    if len(commits) > 1:  # each sweep that returned a recording has counted it
        coverage = evolve(coverage, seen=rows)
    if result is not None:
        not_listable = dict.fromkeys((*coverage.not_listable, *result.coverage.not_listable))
        coverage = evolve(coverage, not_listable=tuple(not_listable))
    if errors:
        all_errors = tuple(dict.fromkeys((*coverage.errors, *errors)))
        coverage = evolve(coverage, errors=all_errors, complete=False)
    times = [each.asked_at for each in commits]
    return AccountCoverage(
        *name,
        coverage,
        asked_at=min(times, default=None),
        listed_at=max(times, default=None),
        error=result.error if result is not None else None,
    )


def _find_gaps(
    ranges: Sequence[DayRange], damage: _Damage, days: Window, now: datetime
) -> tuple[Window, ...]:
    """Find the days that no complete sweep covers, or whose rows cannot be read."""
    if not any(each.commit for each in ranges):
        return (days,)
    gaps = list(_find_uncollected(ranges, days, now))
    for each in ranges:
        if each.commit is not None and not each.commit.coverage.complete:
            gaps.append((each.since, each.until))
    gaps += [(part.day, part.day + DAY) for part in damage.parts if part.day is not None]
    return tuple(
        Window(since if since > BEGINNING else None, until if until < END else None)
        for since, until in sorted(gaps)
    )


def _find_uncollected(
    found: Iterable[DayRange], days: Window, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Find the days that were never collected; days outside an unbounded window are none."""
    for each in found:
        first = each.since
        if each.commit is not None:
            # A sweep without an end does not cover the days after it was made.
            first = max(first, floor_to_day(each.commit.asked_at) + DAY)
            if days.until is None or first >= min(each.until, now):
                continue
        elif each.since == BEGINNING and days.since is None:
            continue
        yield first, each.until


def _describe_gaps(
    store: RowStore, found: Iterable[DayRange], days: Window, now: datetime
) -> Iterator[str]:
    for first, end in _find_uncollected(found, days, now):
        since = f"from {first:%Y-%m-%d}"
        until = f" to {end:%Y-%m-%d}" if end != END else " on"
        yield (
            f"The days {since}{until} were not collected into {store.folder}. "
            "Collect them with --to."
        )


# -- damage ---------------------------------------------------------------------------------------


@frozen
class _Damage:
    """The damaged files of an account: part, or index file -> what is wrong with it."""

    parts: Mapping[Part, str]
    index: Mapping[str, str]

    def describe(self, store: RowStore) -> Iterator[str]:
        found = {part.file: reason for part, reason in self.parts.items()} | dict(self.index)
        for file, reason in sorted(found.items()):
            yield (
                f"{store.folder.describe(file)} {reason}, so its recordings are left out. "
                "Collect them again with --to and the same folder."
            )


def _find_parts(index: AccountIndex, days: Window) -> list[Part]:
    """Find the parts with the rows of a window's days, and those with undated rows."""
    return [*find_parts(index.commits, days), *find_newest_undated(index.commits)]


def _find_damage(store: RowStore, index: AccountIndex, days: Window) -> _Damage:
    parts = _find_parts(index, days)
    reasons = store.find_damaged(parts)
    return _Damage(
        {each: reasons[each.file] for each in parts if each.file in reasons}, index.damaged
    )


def _repair(store: RowStore, damage: _Damage, index: AccountIndex) -> tuple[str, ...]:
    """Describe the damage that a collection has replaced, and remove damaged index files."""
    sentences = []
    for file, reason in sorted(damage.index.items()):
        store.folder.remove(file)
        sentences.append(f"{store.folder.describe(file)} {reason}: its days were collected again.")
    for part, reason in sorted(damage.parts.items(), key=lambda each: each[0].file):
        day = Window(part.day, part.day + DAY) if part.day is not None else Window(END, END)
        current = _find_parts(index, day) if part.day is None else find_parts(index.commits, day)
        if part not in current:
            rows = sum(each.rows for each in current)
            sentences.append(
                f"{store.folder.describe(part.file)} {reason}: collected again, "
                f"{rows:,} of its {format_count(part.rows, 'recording')}."
            )
    return tuple(sentences)
