"""Page queue: the pages of a window in order, fetched ahead as far as cursors are available."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from attrs import define, field

from recording_core.errors import PaginationError, RecordingError, Unavailable
from recording_core.listing.page import Page, Window

#: The longest time in seconds to wait for a worker to start; it usually takes a hundredth of that.
_WORKER_START_TIMEOUT = 0.01
#: The part of a page's time that the consumer leaves the interpreter to the workers, which send and
#: decode. Measured: without it, pages that arrive together wait for each other.
_HANDOVER = 0.05


class PageFetcher:
    """The workers that fetch pages, and the number of pages that they may hold."""

    def __init__(self, fetch: Callable[[Window, Any], Page], workers: int) -> None:
        self._fetch = fetch
        self._workers = workers
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="recording-list")
        self._process = os.getpid()
        self._pages_ahead = 0
        self._has_workers = False
        #: the seconds that the last page took
        self._page_time = 0.0

    def submit(self, window: Window, cursor: Any) -> Future[Page]:
        """Fetch one page in a worker, and wait until the worker has sent its request.

        The worker runs in a copy of the caller's context, and so under its deadlines.

        Reading rows keeps the interpreter busy, and it switches threads every 5 ms only. Without
        this wait, each page that follows a cursor would take that much longer.

        Raises `Unavailable` if the process cannot start any worker.
        """
        started = threading.Event()
        job: Future[Page] = Future()

        def fetch() -> None:
            if not job.set_running_or_notify_cancel():
                return
            started.set()
            begun = time.monotonic()
            try:
                job.set_result(self._fetch(window, cursor))
            except BaseException as error:  # noqa: BLE001  # raised by `pop`
                job.set_exception(error)
            self._page_time = time.monotonic() - begun

        try:
            self._pool.submit(copy_context().run, fetch)
            self._has_workers = True
        except RuntimeError:  # no further thread can be started; the workers that run take the job
            if not self._has_workers:
                raise Unavailable(
                    "This process cannot start a thread to fetch pages; nothing was sent. Use "
                    "fewer threads, or raise the system's limit"
                ) from None
        started.wait(_WORKER_START_TIMEOUT)
        time.sleep(min(self._page_time * _HANDOVER, _WORKER_START_TIMEOUT))
        return job

    def fetch_ahead(self, queues: Iterable[PageQueue]) -> None:
        """Fetch pages in order, as far as cursors are available and pages may be held.

        Raises `RecordingError` in a process that was forked from the one of the workers.
        """
        if os.getpid() != self._process:
            raise RecordingError(
                "The listing was begun before a fork, and only the parent process can fetch its "
                "further pages. Iterate over it again in this process"
            )
        for queue in queues:
            while self._pages_ahead < self._workers:
                cursor = queue.take_cursor()
                if not cursor:
                    break
                queue.add_job(cursor[0], self.submit(queue.window, cursor[0]))
                self._pages_ahead += 1
            if self._pages_ahead >= self._workers:
                return

    def release(self, pages: int) -> None:
        """Allow as many pages again, since they were read or discarded."""
        self._pages_ahead -= pages

    def close(self) -> None:
        """Cancel what has not started, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@define(eq=False, repr=False)
class PageQueue:
    """The pages of one pass over a window.

    Attributes:
        window: the window that is read
        one_at_a_time: fetch a page only when the one before it has arrived
    """

    window: Window
    one_at_a_time: bool
    _jobs: deque[tuple[Any, Future[Page]]] = field(factory=deque)
    _cursors: Iterator[Any] = field(factory=lambda: iter((None,)))
    _last_job: Future[Page] | None = None
    _requested: set[Any] = field(factory=set)
    _ended: bool = False

    def __bool__(self) -> bool:
        return bool(self._jobs)

    def take_cursor(self) -> tuple[Any, ...]:
        """Take the next available cursor, in a tuple; empty if none is available (yet)."""
        if self._ended or (self.one_at_a_time and self._jobs and not self._jobs[-1][1].done()):
            return ()
        for cursor in self._cursors:
            self._requested.add(cursor)
            return (cursor,)
        if self._last_job is not None and self._last_job.done() and not self._last_job.exception():
            page = self._last_job.result()
            self._last_job = None
            if not page.is_last:
                self._add_cursors(page)
                return self.take_cursor()
        return ()

    def _add_cursors(self, page: Page) -> None:
        """Add the cursors of the pages that follow, as the page names them."""
        if page.remaining_cursors is not None:
            self._cursors = iter(page.remaining_cursors)
        elif page.next is not None:
            if page.next in self._requested:
                raise PaginationError(
                    "The vendor's cursor repeats, so that the listing would never end. The "
                    "recordings so far are correct, but not all"
                )
            self._cursors = iter((page.next,))

    def add_job(self, cursor: Any, job: Future[Page]) -> None:
        """Add the page of a cursor, which a worker fetches."""
        self._jobs.append((cursor, job))
        self._last_job = job

    def pop(self) -> tuple[Any, Page]:
        """Wait for the next page, and return it with its cursor. Raises what fetching raised."""
        cursor, job = self._jobs.popleft()
        return cursor, job.result()

    def end(self) -> int:
        """End the pass, and return how many pages that were fetched ahead are discarded."""
        self._ended = True
        discarded = len(self._jobs)
        for _, job in self._jobs:
            job.cancel()
        self._jobs.clear()
        return discarded
