"""Lister: list one account in a thread, and submit what has to be copied."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing
from contextvars import copy_context
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from recording_core.accounts import Account, build_bug, get_account_key, open_connection
from recording_core.archiving.copier import Copier, CopyTask, Outcome, run_task
from recording_core.archiving.index import (
    OVERLAP,
    IndexContent,
    KnownStates,
    RunMark,
)
from recording_core.archiving.owner import check_owner
from recording_core.archiving.record import compute_state, strip_text
from recording_core.errors import (
    PluginError,
    RecordingError,
    StorageError,
)
from recording_core.listing.coverage import AccountCoverage, Coverage
from recording_core.listing.page import Window
from recording_core.model.entities import Recording
from recording_core.model.enums import FINAL, LIVE, RecordingStatus
from recording_core.provider.provider import Provider

if TYPE_CHECKING:
    from recording_core.archiving.run import Run

#: How long recordings that are not ready are waited for, in seconds, and how often they are tried.
PATIENCE = 60.0
_FIRST_WAIT = 2.0
#: Recordings of one task for another process.
_TASK_SIZE = 16
#: Known recordings are reported in lots of this size.
_LOT = 1_000
#: The vendor's total is reported again after this many rows, since each window adds its own.
_ROWS_PER_REPORT = 200


def is_fetchable(recording: Recording, provider: Provider) -> bool:
    """Whether a listed recording is worth an attempt to copy it.

    An expiry that is inferred from the time is worth one if the vendor still offers files. A
    failure that is inferred is always: files that a list does not show may exist.
    """
    if recording.status in (RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN):
        return True
    may_exist = bool(recording.files) or recording.status is RecordingStatus.FAILED
    return recording.status in provider.inferred_statuses and may_exist


def is_of_shard(recording_id: str, shard: tuple[int, int]) -> bool:
    """Whether a recording belongs to one part `(number, parts)` of all, by a hash of its id."""
    digest = hashlib.sha256(recording_id.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") % shard[1] == shard[0]


class AccountLister:
    """Lists one account in a thread, and submits what has to be copied."""

    def __init__(
        self,
        run: Run,
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
            self._fail(self._build_bug(error))

    def _build_bug(self, error: Exception) -> PluginError:
        return build_bug(self._name[0], f"listed account {self._name[1]!r}", error)

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
            since = request.since
            if since is None:
                since = self._content.find_resume_time(*self._name, request.shard)
                if since is not None and request.until is not None and since >= request.until:
                    since = None
            listing = provider.list(since=since, until=request.until)
            error: RecordingError | None = None
            try:
                self._sweep(provider, listing)
            except RecordingError as raised:
                error = raised
            except Exception as raised:  # noqa: BLE001  # the copies of what it listed go on
                error = self._build_bug(raised)
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
        gaps = () if listed_since is None else (Window(None, listed_since),)
        facts = AccountCoverage(*self._name, coverage, asked_at=began, gaps=gaps, listed_at=began)
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
            reason = f"{type(error).__name__}: {error}"
            failure = RecordingError(f"The worker of the copy failed: {reason}")
            outcomes = [Outcome("failed", *each, error=failure) for each in batch]
        for outcome in outcomes:
            if outcome.kind == "not_ready" and not last:
                self._not_ready.append((outcome.recording, outcome.state))
            self._report(partial(self._run.handle_outcome, outcome, last=last))
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
