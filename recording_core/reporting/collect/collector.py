"""Collector: list the recordings of accounts and write them as Parquet, one file per day.

A task is one account with all its windows, so that one process keeps to that account's rate limit.
A task can be pickled; it names the account, and the worker finds the credentials. Rows are handled
in batches, so memory use does not grow with the number of recordings.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from recording_core.accounts import Account, build_bug, get_account_key, open_connection
from recording_core.errors import RecordingError
from recording_core.listing.coverage import AccountCoverage, Coverage, merge_coverages
from recording_core.listing.page import Window
from recording_core.listing.row_schema import load_declared_columns, replace_surrogates, rows
from recording_core.reporting.collect.stable_windows import (
    DAY,
    Commit,
    Part,
    find_newest_undated,
    find_parts,
    floor_to_day,
)
from recording_core.reporting.collect.store import RowStore
from recording_core.storage.folder import Folder

if TYPE_CHECKING:
    import pyarrow as pa

    from recording_core.model.entities import Recording
    from recording_core.plugins.columns import Column
    from recording_core.provider.provider import Provider

_log = logging.getLogger("recording_core.reporting")

#: Recordings that are converted to Arrow at once. Their payloads are released afterwards.
_BATCH_SIZE = 2_000
#: Rows that are held as Arrow before they are written: about 40 MB.
_MAX_BUFFERED_ROWS = 200_000
#: A window is split at the same times as the provider's own listing, into windows of at least this
#: length.
_MIN_WINDOW = 30 * DAY


@frozen
class AccountTask:
    """The task of one worker: an account (or a connected provider) and the windows to list.

    `windows` are whole days, newest first. `now` is the time of the report and of the request.
    """

    account: Account | Provider
    windows: tuple[Window, ...]
    folder: str = field(repr=False)
    now: datetime
    durable: bool = True


def collect_accounts(
    tasks: Sequence[AccountTask], executor: Executor | None = None
) -> Iterator[AccountCoverage]:
    """Run all tasks at once and yield the result of each. A failure does not stop the others."""
    stopped = threading.Event()
    threads = ThreadPoolExecutor(max(1, len(tasks)), thread_name_prefix="recording-report")
    jobs: list[Future[AccountCoverage]] = []
    try:
        for task in tasks:
            try:
                job = (
                    threads.submit(copy_context().run, collect_account, task, stopped)
                    if executor is None
                    else executor.submit(collect_account, task)
                )
            except RuntimeError as error:  # a worker died, or no thread can be started
                job = Future()
                job.set_exception(error)
            jobs.append(job)
        for task, job in zip(tasks, jobs, strict=True):
            yield _read_result(task, job)
    finally:
        for job in jobs:
            job.cancel()
        stopped.set()
        threads.shutdown(wait=False)  # an interrupt does not wait for a vendor


def _read_result(task: AccountTask, job: Future[AccountCoverage]) -> AccountCoverage:
    try:
        return job.result()
    except Exception as error:  # noqa: BLE001  # the worker's, not the vendor's
        provider, account = get_account_key(task.account)
        reason = f"The worker of {provider} account {account!r} failed"
        failure = RecordingError(f"{reason}: {type(error).__name__}: {error}")
        return _build_failure(provider, account, failure)


def collect_account(task: AccountTask, stopped: threading.Event | None = None) -> AccountCoverage:
    """List one account's windows into the folder. Raises nothing: errors are in the result.

    The result is the coverage of this run. The run ends at the next batch of rows after `stopped`
    is set.
    """
    provider, account = get_account_key(task.account)
    done: list[Coverage] = []
    try:
        store = RowStore(Folder(task.folder, durable=task.durable))
        commits = store.read_account(provider, account).commits
        if task.durable and not commits:
            store.register_account(provider, account, task.now)
        with open_connection(task.account) as connection:
            collector = _AccountCollector(
                connection,
                store,
                commits,
                task.now,
                stopped or threading.Event(),
                load_declared_columns(),
                find_newest_undated(commits),
            )
            for window in task.windows:
                collector.collect_window(window, done)
        if task.durable and commits:
            store.remove_superseded(provider, account)
    except RecordingError as error:
        return _build_failure(provider, account, error, done)
    except Exception as error:  # noqa: BLE001  # a plugin's bug affects its own rows only
        _log.exception("%s: listing account %s failed", provider, account)
        bug = build_bug(provider, f"listed account {account!r}", error)
        return _build_failure(provider, account, bug, done)
    return AccountCoverage(provider, account, merge_coverages(done))


def _build_failure(
    provider: str, account: str, error: RecordingError, done: Sequence[Coverage] = ()
) -> AccountCoverage:
    coverage = merge_coverages(done)
    coverage = evolve(coverage, errors=(*coverage.errors, str(error)), complete=False)
    return AccountCoverage(provider, account, coverage, error=error)


# -- one window -----------------------------------------------------------------------------------


@define(eq=False)
class _AccountCollector:
    """Lists the windows of one account, newest first, and commits them."""

    _provider: Provider
    _store: RowStore
    _commits: Sequence[Commit]
    _now: datetime
    _stopped: threading.Event
    _columns: tuple[Column, ...]
    #: the newest undated rows, including those that this run has found
    _undated: tuple[Part, ...]

    def collect_window(self, window: Window, done: list[Coverage]) -> None:
        """List a window and append the coverage of each sweep to `done`."""
        pending: Commit | None = None
        try:
            for each in self._split_window(window):
                commit = self._sweep(each)
                done.append(commit.coverage)
                if pending is not None:  # windows without rows are committed with the next one
                    commit = _merge_commits(pending, commit)
                pending = commit
                if pending.parts:
                    self._store.commit(pending)  # a run that is killed continues from here
                    pending = None
        finally:
            if pending is not None:
                self._store.commit(pending)

    def _split_window(self, window: Window) -> Iterator[Window]:
        """Split a window at midnights near those at which the provider splits its listing."""
        until = window.until
        for cut in self._provider.list(since=window.since, until=window.until).plan_windows():
            if cut.since is None or cut.since == window.since:
                break
            since = floor_to_day(cut.since) + DAY
            end = until or floor_to_day(self._now) + DAY
            if end - since >= _MIN_WINDOW and (window.since is None or since > window.since):
                yield Window(since, until)
                until = since
        yield Window(window.since, until)

    def _sweep(self, window: Window) -> Commit:
        """List whole days once and write the rows by day."""
        listing = self._provider.list(since=window.since, until=window.until)
        before = find_parts(self._commits, window)
        writer = _DayWriter(self._store, self._provider, self._columns)
        recordings = iter(listing)
        seen: set[str] = set()
        while batch := list(islice(recordings, _BATCH_SIZE)):
            if before or self._undated:
                seen.update(each.id for each in batch)
            writer.add_recordings(batch)
            if self._stopped.is_set():
                raise RecordingError("The report was interrupted.")
        coverage = listing.coverage
        self._carry_over(before, seen, writer, absent_is_gone=coverage.complete)
        whole = coverage.complete and window == Window()
        self._carry_over(self._undated, seen, writer, absent_is_gone=whole)
        parts = writer.finish()
        undated = tuple(part for part in parts if part.day is None)
        has_undated = bool(self._undated or undated)
        self._undated = undated
        return Commit(
            self._provider.name,
            self._provider.account,
            window.since,
            window.until,
            self._now,
            coverage,
            tuple(part for part in parts if part.day is not None),
            undated if has_undated else None,
        )

    def _carry_over(
        self, parts: Sequence[Part], seen: set[str], writer: _DayWriter, *, absent_is_gone: bool
    ) -> None:
        """Keep earlier rows that this sweep did not return.

        After an incomplete sweep all of them are kept. After a complete one (`absent_is_gone`) only
        those whose media has expired are: the vendor's retention removed them, and the others were
        deleted.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        # Encoded as in the rows.
        ids = pa.array([replace_surrogates(each) for each in seen], pa.string())
        keep = ~pc.field("recording_id").isin(ids)
        if absent_is_gone:
            now = pa.scalar(self._now, pa.timestamp("us", "UTC"))
            keep &= pc.field("media_expires_at") <= now
        lost = self._store.find_damaged(parts)
        for part in parts:
            if part.file in lost:
                continue  # collected again, as far as the vendor still lists its rows
            table = pq.read_table(pa.BufferReader(self._store.folder.read(part.file)))
            writer.add_table(part.day, table.filter(keep))


def _merge_commits(later: Commit, earlier: Commit) -> Commit:
    """Merge the commits of adjacent windows; the later one has no parts."""
    return evolve(
        earlier,
        until=later.until,
        coverage=merge_coverages([later.coverage, earlier.coverage]),
        undated=later.undated if earlier.undated is None else earlier.undated,
    )


@define(eq=False)
class _DayWriter:
    """Buffers rows by day as Arrow tables and writes them once there are enough."""

    _store: RowStore
    _provider: Provider
    _columns: tuple[Column, ...]
    _tables: dict[datetime | None, list[pa.Table]] = field(factory=dict)
    _buffered: int = 0
    _parts: list[Part] = field(factory=list)

    def add_recordings(self, recordings: Sequence[Recording]) -> None:
        by_day: dict[datetime | None, list[Recording]] = {}
        for each in recordings:
            time = each.created_at or each.started_at
            day = floor_to_day(time) if time is not None else None
            by_day.setdefault(day, []).append(each)
        for day, found in by_day.items():
            self.add_table(day, rows(found, columns=self._columns).to_arrow())

    def add_table(self, day: datetime | None, table: pa.Table) -> None:
        if not table.num_rows:
            return
        self._tables.setdefault(day, []).append(table)
        self._buffered += table.num_rows
        if self._buffered >= _MAX_BUFFERED_ROWS:
            self._write()

    def finish(self) -> list[Part]:
        self._write()
        return self._parts

    def _write(self) -> None:
        import pyarrow as pa

        name, account = self._provider.name, self._provider.account
        for day, tables in self._tables.items():
            table = pa.concat_tables(tables, promote_options="default")
            self._parts.append(self._store.write(name, account, day, table))
        self._tables, self._buffered = {}, 0
