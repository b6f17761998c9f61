"""How do an account's recordings come into a folder? Swept, split by day, written as Parquet.

A piece of work is one account with all its windows, so that one process keeps that account's rate.
It can be pickled, and names the account whose credentials the worker finds. Rows pass through in
batches: what is held does not grow with what there is.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field, frozen

from recording_core.accounts import Account
from recording_core.errors import PluginError, RecordingError
from recording_core.listing.coverage import Coverage
from recording_core.listing.page import Window
from recording_core.model.enums import FINAL
from recording_core.reporting.collect.folder import Folder
from recording_core.reporting.collect.stable_windows import (
    DAY,
    Commit,
    Part,
    midnight,
    newest_undated,
    stretches,
)
from recording_core.reporting.collect.store import Store
from recording_core.reporting.row_schema import Column, declared_columns, rows

if TYPE_CHECKING:
    import pyarrow as pa

    from recording_core.model.entities import Recording
    from recording_core.provider.provider import Provider

__all__ = ["Collected", "Work", "collect", "collect_all", "joined", "name_of", "open_store"]

_log = logging.getLogger("recording_core.reporting")

#: Recordings that become Arrow at once; their payloads are let go then.
_BATCH = 2_000
#: Rows that are held as Arrow before they are written: some 40 MB.
_HELD = 200_000
#: A sweep is cut where its vendor cuts it anyway, into pieces of so many days at least.
_PIECE = 30 * DAY


@frozen
class Work:
    """What one worker does: an account (or a provider that is connected), and what to ask it for.

    `windows` are whole days, newest first. `now` is the report's, and the moment of the asking.
    """

    account: Account | Provider
    windows: tuple[Window, ...]
    folder: str = field(repr=False)
    now: datetime
    durable: bool = True


@frozen
class Collected:
    """How it went: `coverage` of what was asked now, and what stopped it, if anything did."""

    provider: str
    account: str
    coverage: Coverage
    error: RecordingError | None = None


def open_store(url: str, *, durable: bool = True) -> Store:
    """The store in a folder; `durable=False` where it is thrown away in the end."""
    return Store(Folder(url, durable=durable))


def collect_all(
    work: Sequence[Work], executor: Executor | None = None
) -> Iterator[tuple[Work, Collected]]:
    """Do all of it at once, and tell of each as it ends. Nothing that fails stops the others."""
    if executor is not None:
        yield from _through(executor, collect, work)
        return
    stopped = threading.Event()
    threads = ThreadPoolExecutor(max(1, len(work)), thread_name_prefix="recording-report")
    try:
        yield from _through(threads, partial(collect, stopped=stopped), work)
    finally:
        stopped.set()
        threads.shutdown(wait=False)  # who interrupts it waits for no vendor


def _through(
    executor: Executor, collect_one: Callable[[Work], Collected], work: Sequence[Work]
) -> Iterator[tuple[Work, Collected]]:
    jobs: list[tuple[Work, Future[Collected]]] = []
    try:
        for each in work:
            jobs.append((each, _submitted(executor, collect_one, each)))
        for each, job in jobs:
            yield each, _outcome(each, job)
    finally:
        for _, job in jobs:
            job.cancel()


def _submitted(
    executor: Executor, collect_one: Callable[[Work], Collected], work: Work
) -> Future[Collected]:
    """An executor of which a worker died takes no more work: that is a failed job, too."""
    try:
        return executor.submit(collect_one, work)
    except BrokenExecutor as error:
        failed: Future[Collected] = Future()
        failed.set_exception(error)
        return failed


def _outcome(work: Work, job: Future[Collected]) -> Collected:
    try:
        return job.result()
    except (Exception, CancelledError) as error:  # noqa: BLE001  # the worker's, not the vendor's
        whose = name_of(work.account)
        why = f"{type(error).__name__}: {error}"
        return _failed(
            *whose,
            RecordingError(f"the worker of {whose[0]} account {whose[1]!r} failed: {why}"),
        )


def collect(work: Work, stopped: threading.Event | None = None) -> Collected:
    """Sweep one account's windows into the folder. Raises nothing: it says what went wrong.

    Once it is `stopped`, it ends at the next rows.
    """
    provider, account = name_of(work.account)
    done: list[Coverage] = []
    try:
        store = open_store(work.folder, durable=work.durable)
        kept = store.kept(provider, account, forgiving=True)
        if work.durable and not kept.commits:
            store.ask(provider, account, work.now)
        with _connected(work.account) as connection:
            sweep = _Sweep(connection, store, kept.commits, work, stopped or threading.Event())
            for window in work.windows:
                sweep.run(window, done)
        if work.durable and kept.commits:
            store.tidy(provider, account)
    except RecordingError as error:
        return _failed(provider, account, error, done)
    except Exception as error:  # noqa: BLE001  # a plugin's bug costs its own rows
        _log.exception("%s: listing account %s failed", provider, account)
        bug = PluginError(
            f"the plugin of provider {provider!r} failed as it listed account {account!r}: "
            f"{type(error).__name__}: {error}"
        )
        return _failed(provider, account, bug, done)
    return Collected(provider, account, joined(done))


def _failed(
    provider: str, account: str, error: RecordingError, done: Sequence[Coverage] = ()
) -> Collected:
    coverage = joined(done)
    errors = (*coverage.errors, str(error))
    return Collected(provider, account, evolve(coverage, errors=errors, complete=False), error)


def name_of(account: Account | Provider) -> tuple[str, str]:
    """(provider, account), as recordings carry them."""
    if isinstance(account, Account):
        return account.provider, account.name
    return account.name, account.account


@contextmanager
def _connected(account: Account | Provider) -> Iterator[Provider]:
    """A connection of our own is closed again; a caller's is not."""
    if isinstance(account, Account):
        with account.connect() as provider:
            yield provider
    else:
        yield account


def joined(coverages: Iterable[Coverage]) -> Coverage:
    """Several sweeps of one account as if they were one; complete only if each of them is.

    What is undated comes in each of them.
    """
    each = list(coverages)
    promised = [one.expected for one in each]
    return Coverage(
        windows=sum(one.windows for one in each),
        pages=sum(one.pages for one in each),
        expected=sum(one for one in promised if one is not None)
        if promised and None not in promised
        else None,
        seen=sum(one.seen for one in each),
        duplicates=sum(one.duplicates for one in each),
        unreadable=sum(one.unreadable for one in each),
        found_on_reread=sum(one.found_on_reread for one in each),
        undated=max((one.undated for one in each), default=0),
        errors=tuple(dict.fromkeys(error for one in each for error in one.errors)),
        complete=all(one.complete for one in each),
        not_listable=tuple(dict.fromkeys(words for one in each for words in one.not_listable)),
    )


# -- one window -----------------------------------------------------------------------------------


@define
class _Finished:
    """Pieces that are swept, next to each other, and not committed yet."""

    window: Window
    coverages: list[Coverage] = field(factory=list)
    parts: list[Part] = field(factory=list)
    undated: list[Part] | None = None


class _Sweep:
    """One account's windows, piece by piece, newest first."""

    def __init__(
        self,
        provider: Provider,
        store: Store,
        commits: Sequence[Commit],
        work: Work,
        stopped: threading.Event,
    ) -> None:
        self._stopped = stopped
        self._provider = provider
        self._store = store
        self._commits = commits
        self._work = work
        self._finished: _Finished | None = None
        #: as they are found, before any commit of this run is read again
        self._undated = newest_undated(commits)
        self._columns = declared_columns()

    def run(self, window: Window, done: list[Coverage]) -> None:
        try:
            for piece in self._pieces(window):
                done.append(self._sweep(piece))
                if self._finished is not None and self._finished.parts:
                    self._commit()  # so that a run which is killed goes on from here
        finally:
            self._commit()  # the same where it fails; pieces without a row are committed together

    def _pieces(self, window: Window) -> Iterator[Window]:
        """The window, cut at midnights near those where the vendor's listing is cut anyway."""
        until = window.until
        for cut in self._provider.list(since=window.since, until=window.until).windows():
            if cut.since is None or cut.since == window.since:
                break
            since = midnight(cut.since) + DAY
            end = until or midnight(self._work.now) + DAY
            if end - since >= _PIECE and (window.since is None or since > window.since):
                yield Window(since, until)
                until = since
        yield Window(window.since, until)

    def _sweep(self, piece: Window) -> Coverage:
        """One listing of whole days, written by day."""
        listing = self._provider.list(since=piece.since, until=piece.until)
        before = [part for stretch in stretches(self._commits, piece) for part in stretch.parts()]
        known = bool(before or self._undated)
        days = _Days(self._store, self._provider, self._columns)
        seen: set[str] = set()
        for batch in _batches(listing, _BATCH):
            if known:
                seen.update(each.id for each in batch)
            days.add(batch)
            if self._stopped.is_set():
                raise RecordingError("the report was interrupted")
        coverage = listing.coverage
        self._carry(before, seen, days, gone=coverage.complete)
        told_undated = bool(self._undated) or days.has_undated
        if told_undated:
            whole = coverage.complete and piece == Window()
            self._carry(self._undated, seen, days, gone=whole)
        parts = days.written()
        undated = [part for part in parts if part.day is None]
        if told_undated:
            self._undated = tuple(undated)
        self._add(piece, coverage, [part for part in parts if part.day is not None])
        if self._finished is not None and told_undated:
            self._finished.undated = undated
        return coverage

    def _carry(self, parts: Iterable[Part], seen: set[str], days: _Days, *, gone: bool) -> None:
        """Keep rows of before that the vendor did not show this time: those whose media its own
        clock removed, and all where the sweep was not complete. Others somebody deleted."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        parts = list(parts)
        # As the rows spell them, in which a lone surrogate is a question mark.
        ids = pa.array([each.encode("utf-8", "replace").decode() for each in seen], pa.string())
        final = pa.array([each.value for each in FINAL], pa.string())
        lost = set(self._store.damaged(parts))
        for part in parts:
            if part.file in lost:
                continue  # what cannot be read is collected anew, as far as the vendor has it
            table = pq.read_table(pa.BufferReader(self._store.folder.read(part.file)))
            keep = pc.invert(pc.is_in(table["recording_id"], ids))
            if gone:
                expired = pc.less_equal(
                    table["media_expires_at"],
                    pa.scalar(self._work.now, table.schema.field("media_expires_at").type),
                )
                keep = pc.and_(keep, pc.fill_null(expired, False))
            table = table.filter(keep)
            if table.num_rows:
                finished = pc.sum(pc.is_in(table["status"], final)).as_py()
                days.put(part.day, table, table.num_rows - finished)

    def _add(self, piece: Window, coverage: Coverage, parts: list[Part]) -> None:
        if self._finished is None:
            self._finished = _Finished(piece)
        else:
            self._finished.window = Window(piece.since, self._finished.window.until)
        self._finished.coverages.append(coverage)
        self._finished.parts += parts

    def _commit(self) -> None:
        finished, self._finished = self._finished, None
        if finished is not None:
            self._store.commit(
                self._provider.name,
                self._provider.account,
                finished.window,
                self._work.now,
                joined(finished.coverages),
                finished.parts,
                finished.undated,
            )


class _Days:
    """Rows by day, held as Arrow until there are enough of them to write."""

    def __init__(self, store: Store, provider: Provider, columns: tuple[Column, ...]) -> None:
        self._store = store
        self._provider = provider
        self._columns = columns
        self._tables: dict[datetime | None, list[pa.Table]] = {}
        self._unfinished: dict[datetime | None, int] = {}
        self._held = 0
        self._parts: list[Part] = []
        self.has_undated = False

    def add(self, recordings: Sequence[Recording]) -> None:
        import pyarrow as pa

        by_day: dict[datetime | None, list[Recording]] = {}
        for each in recordings:
            when = each.created_at or each.started_at
            day = midnight(when) if when is not None else None
            by_day.setdefault(day, []).append(each)
        for day, found in by_day.items():
            unfinished = sum(each.status not in FINAL for each in found)
            batches = rows(found, columns=self._columns)
            # Not by the C stream, in which an error of a column is a text, with its traceback.
            self.put(day, pa.Table.from_batches(batches, batches.schema), unfinished)

    def put(self, day: datetime | None, table: pa.Table, unfinished: int) -> None:
        self.has_undated = self.has_undated or day is None
        self._tables.setdefault(day, []).append(table)
        self._unfinished[day] = self._unfinished.get(day, 0) + unfinished
        self._held += table.num_rows
        if self._held >= _HELD:
            self._write()

    def written(self) -> list[Part]:
        self._write()
        return self._parts

    def _write(self) -> None:
        import pyarrow as pa

        for day, tables in self._tables.items():
            self._parts.append(
                self._store.write(
                    self._provider.name,
                    self._provider.account,
                    day,
                    pa.concat_tables(tables, promote_options="default"),
                    self._unfinished[day],
                )
            )
        self._tables, self._unfinished, self._held = {}, {}, 0


def _batches(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
