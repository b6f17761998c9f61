"""Run: list accounts, copy what is new or changed, and index what was recorded.

Each account is listed in a thread of its own. The recordings to copy go to one pool of threads, or
to an executor. What they report comes to the caller's thread through one queue, and that thread
alone counts, writes the index and calls `on_progress`.
"""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from contextvars import copy_context
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, field, frozen

from recording_core.accounts import Account, get_account_key, open_connection
from recording_core.archiving.copier import Copier, CopyTask, Outcome, run_task
from recording_core.archiving.index import (
    MOST_PARTS,
    OVERLAP,
    Entry,
    Index,
    IndexContent,
    KnownStates,
    RunMark,
)
from recording_core.archiving.owner import check_owner
from recording_core.archiving.record import compute_state, strip_recording, strip_text
from recording_core.errors import (
    ConfigurationError,
    PluginError,
    RecordingError,
    StorageError,
)
from recording_core.listing.coverage import AccountCoverage, Coverage
from recording_core.model.entities import Recording
from recording_core.model.enums import FINAL, LIVE, RecordingStatus
from recording_core.provider.provider import Provider
from recording_core.redaction import redact_text
from recording_core.storage.folder import Folder

#: How long recordings that are not ready are waited for, in seconds, and how often they are tried.
PATIENCE = 60.0
_FIRST_WAIT = 2.0
#: Recordings of one task for another process.
_TASK_SIZE = 16
#: Rows, and seconds, after which the index is written during a run.
_INDEX_ROWS, _INDEX_SECONDS = 1_000, 60.0
#: A run ends after this many recordings in a row that the archive could not store: the storage is
#: full or broken, and fetching more would cost the vendor's rate for nothing.
_MOST_STORAGE_ERRORS = 20
#: How long an interrupted run waits for copies to end, in seconds: each ends at its next bytes, and
#: removes what it wrote.
_STOP_SECONDS = 3.0
#: The most failures that a run names.
MOST_NAMED = 10_000
#: Stands in `without_media` for recordings whose media is in the customer's own storage.
ELSEWHERE = "in your own storage"
#: Known recordings are reported in lots of this size.
_LOT = 1_000
#: The vendor's total is reported again after this many rows, since each window adds its own.
_ROWS_PER_REPORT = 200


@frozen
class Failure:
    """A recording that was not copied, and why."""

    provider: str
    account: str
    recording_id: str
    error: RecordingError

    def __str__(self) -> str:
        return f"{self.provider} {self.account} {self.recording_id}: {self.error}"


@frozen
class ArchiveRun:
    """The result of `Archive.copy`.

    Attributes:
        copied: the number of recordings that were copied
        already_there: the number that had a copy of their current state
        not_ready: the number whose media is not available yet; the next run tries them again
        failed: those that could not be copied, and why; at most ten thousand. The next run tries
            them again
        bytes: the bytes that were copied
        files: the files that were copied
        without_media: status -> the number of recordings without a copy that have no media, such as
            `failed`, `empty` or `expired`; `in your own storage` is not a status
        coverage: one entry per account: what was listed
        nearest_expiry: when the vendor removes the first of those that are not copied yet
    """

    copied: int = 0
    already_there: int = 0
    not_ready: int = 0
    failed: tuple[Failure, ...] = ()
    bytes: int = 0
    files: int = 0
    without_media: Mapping[str, int] = field(factory=dict, hash=False)
    coverage: tuple[AccountCoverage, ...] = ()
    nearest_expiry: datetime | None = None

    @property
    def complete(self) -> bool:
        """Whether everything was listed, and what was ready was copied."""
        return not self.failed and all(each.coverage.complete for each in self.coverage)


@frozen
class ArchiveProgress:
    """What `on_progress` receives, in the thread that called `copy`.

    Attributes:
        kind: `copied`, `already_there`, `not_ready`, `without_media`, `failed`; `listing` while the
            list of an account is read, and `listed` when all that it names is done
        provider: the provider's name
        account: the account's name
        recording_id: the recording's id; `None` if it is about several
        count: the number of recordings that it is about
        files: the files that were copied
        bytes: the bytes that were copied
        expected: the number that the vendor's list states or had; `None` if it is not known, and
            too low while a list of several windows is read
        error: why it failed or is not ready
    """

    kind: str
    provider: str
    account: str
    recording_id: str | None = None
    count: int = 1
    files: int = 0
    bytes: int = 0
    expected: int | None = None
    error: RecordingError | None = None


@frozen
class RunRequest:
    """The arguments of `Archive.copy`, checked."""

    accounts: tuple[Account | Provider, ...]
    since: datetime | None
    until: datetime | None
    workers: int
    shard: tuple[int, int]
    executor: Executor | None
    share: float
    on_progress: Callable[[ArchiveProgress], object] | None


def copy_accounts(folder: Folder, request: RunRequest) -> ArchiveRun:
    """Copy what is new or changed at these accounts. Raises `StorageError`, as `Archive.copy`."""
    return _Run(folder, request).run()


def is_fetchable(recording: Recording, provider: Provider) -> bool:
    """Whether a listed recording is worth an attempt to copy it.

    An expiry that is inferred from the time is worth one if the vendor still offers files.
    """
    if recording.status in (RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN):
        return True
    return recording.status in provider.inferred_statuses and bool(recording.files)


def is_of_shard(recording_id: str, shard: tuple[int, int]) -> bool:
    """Whether a recording belongs to one part `(number, parts)` of all, by a hash of its id."""
    digest = hashlib.sha256(recording_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % shard[1] == shard[0]


# -- one run --------------------------------------------------------------------------------------


class _Run:
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
                _Lister(self, account, known[name], content, pool)
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
            files=self._counts["files"],
            without_media=dict(self._without_media),
            coverage=coverage,
            nearest_expiry=self._nearest_expiry,
        )

    def _stop(self, listers: Sequence[_Lister], pool: Executor) -> None:
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


# -- one account ----------------------------------------------------------------------------------


class _Lister:
    """Lists one account in a thread, and submits what has to be copied."""

    def __init__(
        self,
        run: _Run,
        account: Account | Provider,
        known: KnownStates,
        content: IndexContent,
        pool: Executor,
    ) -> None:
        self._run, self._account, self._known, self._pool = run, account, known, pool
        self._content = content
        self._name = get_account_key(account)
        #: the copies that are made or wait for a worker, so that memory does not grow with the
        #: list. An executor may have more workers than the account's rate is divided among
        waiting = 4 if run.request.executor is None else 1
        self._places = threading.Semaphore(waiting * run.request.workers)
        #: the part of the account's rate that this process uses; an executor's have the other half
        self._share = (
            run.request.share / run.request.shard[1] / (1 if run.request.executor is None else 2)
        )
        self._pending = 0
        self._changed = threading.Condition()
        self._not_ready: list[tuple[Recording, str]] = []
        #: the time of the newest recording that was listed
        self._newest: datetime | None = None
        self._batch: list[tuple[Recording, str]] = []

    def run(self) -> None:
        """List the account to its end, and wait for its copies. Raises nothing of a vendor's."""
        try:
            self._list()
        except RecordingError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  # a plugin's bug affects its own account only
            self._fail(self._describe_bug(error))

    def _describe_bug(self, error: Exception) -> PluginError:
        return PluginError(
            f"The plugin of provider {self._name[0]!r} failed as it listed account "
            f"{self._name[1]!r}: {type(error).__name__}: {redact_text(str(error))}"
        )

    def _fail(self, error: RecordingError, coverage: Coverage | None = None) -> None:
        coverage = coverage or Coverage()
        coverage = evolve(coverage, errors=(*coverage.errors, str(error)), complete=False)
        self._end_listing(AccountCoverage(*self._name, coverage, error=error), None)

    def _end_listing(self, coverage: AccountCoverage, mark: RunMark | None) -> None:
        self._report(lambda: self._run.end_listing(self._name, coverage, mark))

    def _report(self, report: Callable[[], None]) -> None:
        self._run.reports.put(report)

    def _list(self) -> None:
        request = self._run.request
        with ExitStack() as stack:
            provider = stack.enter_context(open_connection(self._account))
            stack.enter_context(provider.transport.bucket.limit_to(self._share))
            if provider.account_field is None:
                check_owner(self._run.folder, provider)
            began = provider.clock.now()
            since = request.since or self._content.find_resume_time(*self._name, request.shard)
            listing = provider.list(since=since, until=request.until)
            error: RecordingError | None = None
            try:
                self._sweep(provider, listing)
            except RecordingError as raised:
                error = raised
            except Exception as raised:  # noqa: BLE001  # the copies of what it listed go on
                error = self._describe_bug(raised)
            self._submit(provider)
            self._wait_until(0)
            self._retry(provider)
        coverage = listing.coverage
        if error is not None:
            self._fail(error, coverage)
            return
        # The next run goes on from a list up to now alone, without a gap after the last one.
        last = self._content.find_last_run(*self._name, request.shard)
        before = None if last is None else last.resume_at
        connects = since is None or before is None or since <= before
        is_whole = coverage.complete and request.until is None and connects
        resume_at = began if is_whole else None
        started_at, newest_at = began, self._newest
        if last is not None:
            # After the last one, also if the clock of the machine that made it is ahead.
            started_at = max(began, last.started_at + timedelta.resolution)
            newest_at = max(filter(None, (newest_at, last.newest_at)), default=None)
        listed_since = since
        if since is not None and last is not None:
            listed_since = last.listed_since and min(since, last.listed_since)
        stored = evolve(
            coverage,
            errors=tuple(map(strip_text, coverage.errors)),
            unreadable=tuple(map(strip_text, coverage.unreadable)),
        )
        mark = RunMark(
            *self._name, request.shard, started_at, resume_at, stored, listed_since, newest_at
        )
        facts = AccountCoverage(*self._name, coverage, asked_at=began, listed_at=began)
        self._end_listing(facts, mark)

    def _sweep(self, provider: Provider, listing: Any) -> None:
        request, run, states = self._run.request, self._run, self._known.states
        seen, is_checked = 0, provider.account_field is None
        recordings = iter(listing)
        with closing(recordings):
            for number, recording in enumerate(recordings):
                if run.stopped.is_set():
                    return
                moment = recording.created_at or recording.started_at
                if moment is not None and (self._newest is None or moment > self._newest):
                    self._newest = moment
                if number % _ROWS_PER_REPORT == 0:
                    self._report_expected(listing.coverage.expected)
                if not is_checked:
                    is_checked = check_owner(run.folder, provider, recording)
                if request.shard[1] > 1 and not is_of_shard(recording.id, request.shard):
                    continue
                state = compute_state(recording)
                if state in states.get(recording.id, ""):
                    if self._known.has_copy(recording.id):
                        seen += 1
                    else:
                        self._skip(recording)
                    if seen >= _LOT:
                        self._count_known(seen, listing)
                        seen = 0
                elif is_fetchable(recording, provider):
                    self._batch.append((recording, state))
                    if request.executor is None or len(self._batch) >= _TASK_SIZE:
                        self._submit(provider)
                elif self._is_worth_waiting(recording, provider):
                    self._not_ready.append((recording, state))
                elif self._known.has_copy(recording.id):
                    seen += 1
                else:
                    self._skip(recording)
        self._count_known(seen, listing)
        self._report_expected(listing.coverage.seen)

    def _report_expected(self, expected: int | None) -> None:
        if expected is not None:
            self._report(lambda: self._run.report_expected(self._name, expected))

    def _count_known(self, count: int, listing: Any) -> None:
        if count:
            expected = listing.coverage.expected
            self._report(lambda: self._run.count("already_there", self._name, count, expected))

    def _is_worth_waiting(self, recording: Recording, provider: Provider) -> bool:
        """Whether a recording is being processed, and not for so long that it may never end."""
        if recording.status in FINAL or recording.status in LIVE:
            return False
        moment = recording.ended_at or recording.created_at or recording.started_at
        return moment is None or provider.clock.now() - moment < OVERLAP

    def _skip(self, recording: Recording) -> None:
        """Report a recording that has no media, or none yet."""
        if recording.status not in FINAL:
            self._report(lambda: self._run.miss(recording, "not_ready"))
        else:
            self._report(lambda: self._run.count_without_media(self._name, recording))

    # -- copies ----------------------------------------------------------------------------------

    def _submit(self, provider: Provider, *, last: bool = False) -> None:
        batch, self._batch = self._batch, []
        if not batch:
            return
        while not self._places.acquire(timeout=0.5):
            if self._run.stopped.is_set():
                return
        run = self._run
        with self._changed:
            self._pending += 1
        try:
            if run.request.executor is not None and isinstance(self._account, Account):
                share = self._share / run.request.workers
                # Workers may have another working directory.
                url = run.folder.locate("")
                task = CopyTask(url, self._account, share, tuple(batch))
                job = self._pool.submit(run_task, task)
            else:
                copier = Copier(run.folder, run.stopped.is_set)
                job = self._pool.submit(
                    copy_context().run, lambda: [copier.copy(provider, *each) for each in batch]
                )
        except RuntimeError as error:  # a worker died, or no thread can be started
            job = Future()
            job.set_exception(error)
        job.add_done_callback(lambda job: self._finish(job, batch, last=last))

    def _finish(
        self, job: Future[list[Outcome]], batch: Sequence[tuple[Recording, str]], *, last: bool
    ) -> None:
        """Report the outcomes of a job. Runs in the thread that ended it."""
        try:
            outcomes = job.result()
            if self._run.request.executor is not None:
                outcomes = [self._check_shared(each) for each in outcomes]
        except BaseException as error:  # noqa: BLE001  # the worker's, not the vendor's
            reason = f"{type(error).__name__}: {redact_text(str(error))}"
            failure = RecordingError(f"The worker of the copy failed: {reason}")
            outcomes = [Outcome("failed", *each, error=failure) for each in batch]
        for outcome in outcomes:
            if outcome.kind == "not_ready" and not last:
                self._not_ready.append((outcome.recording, outcome.state))
            self._report(lambda each=outcome: self._run.handle_outcome(each, last=last))  # type: ignore[misc]
        self._places.release()
        with self._changed:
            self._pending -= 1
            self._changed.notify_all()

    def _check_shared(self, outcome: Outcome) -> Outcome:
        """Check that another process has written its record to this archive, and not elsewhere."""
        folder, path = self._run.folder, outcome.path
        if path is None or folder.look_at(path) is not None:
            return outcome
        error = StorageError(
            f"The worker wrote {folder.describe(path)} in a folder that this process does not "
            "see, such as the disk of another machine. Use a folder that all workers share, or a "
            "bucket"
        )
        return evolve(outcome, kind="failed", record=None, path=None, error=error)

    def wait_for_stop(self, end: float) -> None:
        """Wait until no copy is being made any more, or until a time of the monotonic clock."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, max(end - time.monotonic(), 0))

    def _wait_until(self, pending: int) -> None:
        with self._changed:
            while self._pending > pending and not self._run.stopped.is_set():
                self._changed.wait(0.5)

    def _retry(self, provider: Provider) -> None:
        """Try what was not ready again, for a bounded time."""
        end, wait = provider.clock.monotonic() + PATIENCE, _FIRST_WAIT
        while self._not_ready and not self._run.stopped.is_set():
            left = end - provider.clock.monotonic()
            waiting, self._not_ready = self._not_ready, []
            last = left <= wait
            self._sleep(provider, min(wait, left))
            for each in waiting:
                self._batch.append(each)
                self._submit(provider, last=last)
            self._wait_until(0)
            wait *= 2

    def _sleep(self, provider: Provider, seconds: float) -> None:
        """Sleep, unless the run is stopped."""
        end = provider.clock.monotonic() + seconds
        while (left := end - provider.clock.monotonic()) > 0 and not self._run.stopped.is_set():
            provider.clock.sleep(min(left, 0.5))
