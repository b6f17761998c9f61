"""Run: list accounts, copy what is new or changed, and index what was recorded.

Each account is listed in a thread of its own. The recordings to copy go to one pool of threads, or
to an executor. What they report comes to the caller's thread through one queue, and that thread
alone counts, writes the index and calls `on_progress`.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime

from attrs import evolve

from recording_core.accounts import get_account_key
from recording_core.archiving.copier import Outcome
from recording_core.archiving.index import (
    MOST_PARTS,
    OVERLAP,
    Entry,
    Index,
    IndexContent,
    RunMark,
)
from recording_core.archiving.lister import AccountLister
from recording_core.archiving.record import strip_recording
from recording_core.archiving.run_result import (
    ELSEWHERE,
    MOST_NAMED,
    ArchiveProgress,
    ArchiveRun,
    Failure,
    RunRequest,
)
from recording_core.errors import (
    ConfigurationError,
    StorageError,
)
from recording_core.listing.coverage import AccountCoverage
from recording_core.model.entities import Recording
from recording_core.model.enums import RecordingStatus
from recording_core.storage.folder import Folder

#: Rows, and seconds, after which the index is written during a run.
_INDEX_ROWS, _INDEX_SECONDS = 1_000, 60.0
#: A run ends after this many recordings in a row that the archive could not store: the storage is
#: full or broken, and fetching more would cost the vendor's rate for nothing.
_MOST_STORAGE_ERRORS = 20
#: How long an interrupted run waits for copies to end, in seconds: each ends at its next bytes, and
#: removes what it wrote.
_STOP_SECONDS = 3.0


def copy_accounts(folder: Folder, request: RunRequest) -> ArchiveRun:
    """Copy what is new or changed at these accounts. Raises `StorageError`, as `Archive.copy`."""
    return Run(folder, request).run()


class Run:
    """One run, in the caller's thread."""

    def __init__(self, folder: Folder, request: RunRequest) -> None:
        self.folder = folder
        self.request = request
        self.index = Index(folder)
        self.stopped = threading.Event()
        #: what the other threads report: a callable that the caller's thread runs
        self.reports: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._counts: Counter[str] = Counter()
        self._without_media: Counter[str] = Counter()
        self._failed: list[Failure] = []
        self._coverage: dict[tuple[str, str], AccountCoverage] = {}
        #: account -> the time of its oldest recording without a copy; one without a time is in
        #: every window
        self._outstanding: dict[tuple[str, str], datetime] = {}
        self._nearest_expiry: datetime | None = None
        self._entries: list[Entry] = []
        self._marks: list[RunMark] = []
        self._indexed_at = time.monotonic()
        self._storage_errors = 0
        self._on_progress = request.on_progress

    def run(self) -> ArchiveRun:
        content = self.index.read()
        accounts = self.request.accounts
        names = [get_account_key(each) for each in accounts]
        known = {name: content.get_account(*name) for name in names}
        threads = ThreadPoolExecutor(len(accounts), thread_name_prefix="recording-archive-list")
        with ExitStack() as stack:
            pool = stack.enter_context(self._open_pool())
            stack.callback(threads.shutdown, wait=False, cancel_futures=True)
            stack.callback(self.stopped.set)  # runs first: an interrupt waits for no vendor
            listers = [
                AccountLister(self, account, known[name], content, pool)
                for account, name in zip(accounts, names, strict=True)
            ]
            try:
                jobs = [threads.submit(copy_context().run, each.run) for each in listers]
                self._handle_reports(jobs)
                self._write_marks(content)
            except BaseException:
                self._stop(listers, pool)
                with suppress(StorageError):  # the records are there
                    self._write_index()
                raise
        coverage = tuple(self._coverage[name] for name in names)
        errors = [each.error for each in coverage]
        if isinstance(errors[0], ConfigurationError) and all(
            isinstance(error, ConfigurationError) for error in errors
        ):
            raise errors[0]  # no account can be used
        return ArchiveRun(
            copied=self._counts["copied"],
            already_there=self._counts["already_there"],
            not_ready=self._counts["not_ready"],
            failed=tuple(self._failed),
            bytes=self._counts["bytes"],
            unverified=self._counts["unverified"],
            files=self._counts["files"],
            without_media=dict(self._without_media),
            coverage=coverage,
            nearest_expiry=self._nearest_expiry,
        )

    def _stop(self, listers: Sequence[AccountLister], pool: Executor) -> None:
        """Stop the copies that are being made, and handle what was reported until then."""
        self.stopped.set()
        if self.request.executor is None:
            pool.shutdown(wait=False, cancel_futures=True)
            end = time.monotonic() + _STOP_SECONDS
            for each in listers:
                each.wait_for_stop(end)
        with suppress(queue.Empty):
            while True:
                self.reports.get_nowait()()

    @contextmanager
    def _open_pool(self) -> Iterator[Executor]:
        if self.request.executor is not None:
            yield self.request.executor
            return
        pool = ThreadPoolExecutor(self.request.workers, thread_name_prefix="recording-archive")
        try:
            yield pool
        finally:
            pool.shutdown(wait=not self.stopped.is_set(), cancel_futures=True)

    def _handle_reports(self, jobs: Sequence[Future[None]]) -> None:
        left = len(jobs)

        def end(_: Future[None]) -> None:
            self.reports.put(finish)

        def finish() -> None:
            nonlocal left
            left -= 1

        for job in jobs:
            job.add_done_callback(end)
        while left:
            with suppress(queue.Empty):
                # With a timeout, because a signal does not interrupt an endless wait on every
                # system.
                self.reports.get(timeout=1.0)()
            if time.monotonic() - self._indexed_at > _INDEX_SECONDS:
                self._write_index()
        for job in jobs:
            job.result()

    # -- reports, in the caller's thread ---------------------------------------------------------

    def count(self, kind: str, name: tuple[str, str], count: int, expected: int | None) -> None:
        """Count recordings that need no copy."""
        self._counts[kind] += count
        self._notify(ArchiveProgress(kind, *name, count=count, expected=expected))

    def report_expected(self, name: tuple[str, str], expected: int) -> None:
        self._notify(ArchiveProgress("listing", *name, count=0, expected=expected))

    def count_without_media(self, name: tuple[str, str], recording: Recording) -> None:
        # An earlier run found that an available one is elsewhere.
        is_available = recording.status is RecordingStatus.AVAILABLE
        self._without_media[ELSEWHERE if is_available else recording.status.value] += 1
        self._notify(ArchiveProgress("without_media", *name, recording.id))

    def end_listing(
        self, name: tuple[str, str], coverage: AccountCoverage, mark: RunMark | None
    ) -> None:
        self._coverage[name] = coverage
        if mark is not None:
            self._marks.append(mark)
        seen = coverage.coverage.seen
        self._notify(ArchiveProgress("listed", *name, count=seen, expected=seen))

    def handle_outcome(self, outcome: Outcome, *, last: bool) -> None:
        """Count what became of a recording; one that is not ready only if this was the last try."""
        recording, error = outcome.recording, outcome.error
        name = (recording.provider, recording.account)
        if outcome.kind == "not_ready" and not last:
            return
        if outcome.record is None and self.stopped.is_set():
            return  # it was stopped, and did not fail
        progress = ArchiveProgress(outcome.kind, *name, recording.id, error=error)
        if outcome.record is not None and outcome.path is not None:
            entry = Entry.from_record(outcome.record, outcome.path)
            self._entries.append(entry)
            self._storage_errors = 0
            if outcome.kind == "copied":
                self._counts["files"] += entry.copies
                self._counts["bytes"] += entry.size
                self._counts["unverified"] += not outcome.record.verified
                progress = evolve(progress, files=entry.copies, bytes=entry.size)
            kind = "copied" if outcome.kind == "copied" else "already_there"
        elif outcome.kind == "gone" and recording.status is not RecordingStatus.AVAILABLE:
            self._remember_absence(outcome, recording.status.value)
            kind = "without_media"
        elif outcome.kind == "elsewhere":
            self._remember_absence(outcome, ELSEWHERE)
            kind = "without_media"
        elif outcome.kind == "not_ready":
            self._miss(recording)
            kind = "not_ready"
        else:
            self._miss(recording)
            kind = "failed"
            if error is not None and len(self._failed) < MOST_NAMED:
                self._failed.append(Failure(*name, recording.id, error))
        self._counts[kind] += 1
        self._notify(evolve(progress, kind=kind))
        if isinstance(error, StorageError) and not self.stopped.is_set():
            self._storage_errors += 1
            if self._storage_errors >= _MOST_STORAGE_ERRORS:
                raise StorageError(
                    f"{self._storage_errors} recordings in a row could not be stored in "
                    f"{self.folder}, so the run was ended. The last: {error}"
                )
        if len(self._entries) >= _INDEX_ROWS:
            self._write_index()

    def _remember_absence(self, outcome: Outcome, words: str) -> None:
        """Index that there is nothing to copy, until the vendor lists the recording differently."""
        recording = strip_recording(outcome.recording)
        self._entries.append(Entry(recording, outcome.state, datetime.now(UTC)))
        self._without_media[words] += 1

    def miss(self, recording: Recording, kind: str) -> None:
        """Count a recording that cannot be copied yet."""
        self._miss(recording)
        self._counts[kind] += 1
        self._notify(ArchiveProgress(kind, recording.provider, recording.account, recording.id))

    def _miss(self, recording: Recording) -> None:
        name = (recording.provider, recording.account)
        moment = recording.created_at or recording.started_at
        if moment is not None:
            self._outstanding[name] = min(moment, self._outstanding.get(name, moment))
        expiry = recording.media_expires_at
        if expiry is not None and (self._nearest_expiry is None or expiry < self._nearest_expiry):
            self._nearest_expiry = expiry

    def _notify(self, progress: ArchiveProgress) -> None:
        receive, self._on_progress = self._on_progress, None
        if receive is not None:
            receive(progress)
            self._on_progress = receive  # what raised is not called again

    # -- the index -------------------------------------------------------------------------------

    def _write_index(self) -> None:
        entries, self._entries = self._entries, []
        self._indexed_at = time.monotonic()
        if entries:
            self.index.append(entries)

    def _write_marks(self, content: IndexContent) -> None:
        """Write the last rows, and how far this run came if the next one then begins elsewhere."""
        marks = [evolve(each, resume_at=self._find_resume_time(each)) for each in self._marks]
        entries, self._entries = self._entries, []
        if entries or self._counts["copied"] or any(_is_news(each, content) for each in marks):
            self.index.append(entries, marks)
        if content.parts >= MOST_PARTS:
            self.index.compact()

    def _find_resume_time(self, mark: RunMark) -> datetime | None:
        """Find the time before which nothing is left to copy, less a day; None if not all was seen.

        What failed, or was not ready, is listed again.
        """
        if mark.resume_at is None:
            return None
        oldest = self._outstanding.get((mark.provider, mark.account), mark.resume_at)
        return min(mark.resume_at, oldest) - OVERLAP


def _is_news(mark: RunMark, content: IndexContent) -> bool:
    """Whether the next run begins a day later, or earlier, than it would without this mark.

    Or whether this run listed what was created earlier than any before.
    """
    if mark.resume_at is None:
        return False
    last = content.find_last_run(mark.provider, mark.account, mark.shard)
    if last is None or last.resume_at is None or mark.listed_since != last.listed_since:
        return True
    if mark.newest_at is not None and last.newest_at is None:
        return True
    return not last.resume_at <= mark.resume_at < last.resume_at + OVERLAP
