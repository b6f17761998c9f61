"""What is there to measure, and how much of what was asked is that?

Accounts are collected at once into a folder (one that is thrown away, unless the caller names one),
or a folder is read as it is; each account says what could not be seen of it.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from attrs import asdict, evolve, field, frozen

from recording_core.accounts import Account, check_distinct, find_accounts
from recording_core.errors import ConfigurationError, RecordingError, StorageError
from recording_core.listing.coverage import Coverage
from recording_core.listing.page import Window
from recording_core.provider.provider import Provider
from recording_core.reporting.collect.collector import (
    Collected,
    Work,
    collect_all,
    joined,
    name_of,
    open_store,
)
from recording_core.reporting.collect.stable_windows import (
    BEGINNING,
    DAY,
    END,
    Part,
    Stretch,
    midnight,
    newest_undated,
    stretches,
    unsettled,
    whole_days,
)
from recording_core.reporting.collect.store import Kept, Store
from recording_core.reporting.row_schema import arrow_schema, check_schema

__all__ = ["Collection", "Covered", "ReportWindow", "collected"]


@frozen
class ReportWindow:
    """What was asked: `[since, until)` by `created_at`, else `started_at`; None is unbounded.

    `tz` is the time zone that hours, days, weeks and months are of; `now` is when it was asked.
    """

    since: datetime | None
    until: datetime | None
    tz: str
    now: datetime


@frozen
class Covered:
    """One account: how much of what was asked was seen, and what stopped it, if anything did.

    `asked_at` is when the oldest of what is shown was asked for; None where nothing ever was.
    """

    provider: str
    account: str
    coverage: Coverage
    asked_at: datetime | None = None
    error: RecordingError | None = None

    def as_row(self) -> dict[str, Any]:
        """One flat object: provider, account, the fields of `Coverage`, asked_at, error."""
        error = f"{type(self.error).__name__}: {self.error}" if self.error else None
        return {
            "provider": self.provider,
            "account": self.account,
            **asdict(self.coverage, recurse=False),
            "asked_at": self.asked_at,
            "error": error,
        }


@frozen
class Collection:
    """What there is to measure: Parquet files by path or URL (or a table, where there are none),
    and how much of what was asked that is."""

    rows: Any = field(repr=False)
    coverage: tuple[Covered, ...]


@contextmanager
def collected(
    window: ReportWindow,
    *,
    accounts: Iterable[Account | Provider] | None = None,
    to: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
) -> Iterator[Collection]:
    """Collect, or read what was; the files last as long as the `with`. Arguments as `report`'s."""
    if source is not None and to is not None and os.fspath(source) != os.fspath(to):
        raise ValueError("source and to are two folders: what is new goes to the one that is read")
    chosen = None if accounts is None else tuple(accounts)
    for each in chosen or ():
        if not isinstance(each, Account | Provider):
            raise TypeError(f"accounts are Account or Provider, not {type(each).__name__}")
    if to is not None:
        yield _fresh(os.fspath(to), window, chosen, executor, durable=True)
    elif source is not None:
        yield _stored(os.fspath(source), window, chosen)
    else:
        # The workers of a report that was interrupted may still write there.
        with tempfile.TemporaryDirectory(
            prefix="recordings-", ignore_cleanup_errors=True
        ) as folder:
            yield _fresh(folder, window, chosen, executor, durable=False)


def _fresh(
    folder: str,
    window: ReportWindow,
    chosen: Sequence[Account | Provider] | None,
    executor: Executor | None,
    *,
    durable: bool,
) -> Collection:
    """Ask for what may have changed since the folder was written, and read all of it."""
    accounts = find_accounts() if chosen is None else chosen
    if not accounts:
        raise ConfigurationError("no account was given: leave accounts out for all of them")
    names = [name_of(each) for each in accounts]
    check_distinct(names, "this report")
    store = open_store(folder, durable=durable)
    if isinstance(executor, ProcessPoolExecutor):
        _check_processes(store, accounts)
    days = whole_days(window.since, window.until)
    work = []
    for each, name in zip(accounts, names, strict=True):
        kept = store.kept(*name, forgiving=True)
        lost = _damaged(store, kept, days)
        windows = unsettled(kept.commits, days, window.now, [part.day for part in lost])
        if windows:
            work.append(Work(each, windows, folder, window.now, durable))
    outcomes = {name_of(each.account): outcome for each, outcome in collect_all(work, executor)}
    covered, files = [], []
    for name in names:
        kept = store.kept(*name, forgiving=True)
        found, parts = _read(store, kept, days, window.now, outcomes.get(name), forgiving=True)
        covered.append(found)
        files += parts
    return Collection(_rows(store, files), tuple(covered))


def _stored(
    folder: str, window: ReportWindow, chosen: Sequence[Account | Provider] | None
) -> Collection:
    """What was collected, and nobody is asked."""
    store = open_store(folder)
    found = {(kept.provider, kept.account): kept for kept in store.accounts()}
    if not found:
        raise ConfigurationError(
            f"{store.folder} holds no collected recordings: collect into it first, with to= or --to"
        )
    names = list(found) if chosen is None else [name_of(each) for each in chosen]
    days = whole_days(window.since, window.until)
    covered, files = [], []
    for name in names:
        kept = found.get(name, Kept(*name, (), ()))
        one, parts = _read(store, kept, days, window.now, None, forgiving=False)
        covered.append(one)
        files += parts
    return Collection(_rows(store, files), tuple(covered))


def _check_processes(store: Store, accounts: Iterable[Account | Provider]) -> None:
    if store.folder.of_this_process:
        raise ConfigurationError(
            f"{store.folder} lies in this process's memory, where other processes cannot write: "
            "name a folder on disk, or use threads"
        )
    if not all(isinstance(each, Account) for each in accounts):
        raise ConfigurationError(
            "a connected provider holds credentials and goes to no other process: give Accounts"
        )


def _damaged(store: Store, kept: Kept, days: Window) -> list[Part]:
    parts = [part for each in stretches(kept.commits, days) for part in each.parts()]
    lost = set(store.damaged(parts))
    return [part for part in parts if part.file in lost]


def _read(
    store: Store,
    kept: Kept,
    days: Window,
    now: datetime,
    outcome: Collected | None,
    *,
    forgiving: bool,
) -> tuple[Covered, list[str]]:
    """One account's coverage of these days, and the files of its rows."""
    found = stretches(kept.commits, days)
    commits = list({id(each.commit): each.commit for each in found if each.commit}.values())
    parts = [part for each in found for part in each.parts()]
    parts += newest_undated(kept.commits)
    lost = set(store.damaged(parts))
    if lost and not forgiving:
        raise _no_part(store, min(lost))
    errors = [str(_no_part(store, name)) for name in sorted(lost)]
    error = outcome.error if outcome is not None else None
    if error is not None:
        errors.append(str(error))
    elif commits:
        errors += _gaps(store, found, days, now)
    else:
        errors.append(f"nothing of it was collected into {store.folder}: collect it with --to")
    coverage = joined(each.coverage for each in commits)
    if any(
        each.commit
        and (each.since, each.until) != (each.commit.since or BEGINNING, each.commit.until or END)
        for each in found
    ):
        coverage = evolve(coverage, expected=None)  # it counts days that newer sweeps saw
    if len(commits) > 1:  # sweeps that saw one recording each count it
        coverage = evolve(coverage, seen=sum(each.rows for each in parts))
    if outcome is not None:
        blind = dict.fromkeys((*coverage.not_listable, *outcome.coverage.not_listable))
        coverage = evolve(coverage, not_listable=tuple(blind))
    if errors:
        coverage = evolve(
            coverage,
            errors=tuple(dict.fromkeys((*coverage.errors, *errors))),
            complete=False,
        )
    asked_at = min((each.asked_at for each in commits), default=None)
    covered = Covered(kept.provider, kept.account, coverage, asked_at, error)
    return covered, [part.file for part in parts if part.file not in lost]


def _gaps(store: Store, found: Iterable[Stretch], days: Window, now: datetime) -> Iterator[str]:
    """Days that were never collected. What was not asked for by its ends is none."""
    for each in found:
        first = each.since
        if each.commit is not None:
            # A sweep with an open end saw no day that came after it.
            first = max(first, midnight(each.commit.asked_at) + DAY)
            if days.until is None or first >= min(each.until, now):
                continue
        elif each.since == BEGINNING and days.since is None:
            continue
        since = f"from {first:%Y-%m-%d}"
        until = f" to {each.until:%Y-%m-%d}" if each.until != END else " on"
        yield f"not collected into {store.folder} {since}{until}: collect it with --to"


def _no_part(store: Store, name: str) -> RecordingError:
    """Why a part cannot be read, and what to do."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = store.folder.shown(name)
    try:
        check_schema(pq.read_schema(pa.BufferReader(store.folder.read(name))), where)
        why = "is not the file that was collected"
    except (StorageError, ConfigurationError) as error:
        why = error.message if isinstance(error, ConfigurationError) else "is gone"
        if isinstance(error, ConfigurationError):
            return error
    except (pa.ArrowException, OSError):
        why = "is no whole Parquet file"
    return StorageError(f"{where} {why}: collect its day anew, with --to and the same folder")


def _rows(store: Store, files: Sequence[str]) -> Any:
    if files:
        return [store.folder.locate(name) for name in files]
    return arrow_schema().empty_table()
