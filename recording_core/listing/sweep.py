"""Is the list complete? One sweep fetches pages ahead, and reads again what moved meanwhile."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import Any

from attrs import define, field

from recording_core.errors import PaginationError
from recording_core.listing.coverage import CoverageCounter
from recording_core.listing.page import Page, Query, Window
from recording_core.model.entities import Recording

__all__ = ["Sweep"]

#: Empty pages in a row that a vendor may send before we call it endless.
_EMPTY_PAGES = 3
#: Full pages in a row without a new row: so many rows may appear between two pages, and not more.
_KNOWN_PAGES = 50
#: The same page so often in a row: once more than as many rows coming between two pages make it.
_SAME_PAGES = 3
#: How often a window whose rows move is read again before we say that it never held still.
_PASSES = 6
#: How long we wait at most for a worker to begin, in seconds; it takes a hundredth of that.
_HEAD_START = 0.01


#: The ids of a page's first and last rows, and how many there are.
_Shape = tuple[str, str, int]


@define(eq=False, repr=False)
class _Pass:
    """One reading of one window: its pages in order, fetched ahead as far as they are known."""

    window: Window
    number: int
    index: int
    jobs: deque[tuple[Any, Future[Page]]] = field(factory=deque)
    known: Iterator[Any] = field(factory=lambda: iter((None,)))
    newest: Future[Page] | None = None
    cursors: set[Any] = field(factory=set)
    ended: bool = False
    # what the pages told
    rows: int = 0
    empty: int = 0
    total: int | None = None
    moved: bool = False
    #: the total changed on the way: where rows are fewer than it, some came on pages that were read
    recounted: bool = False
    #: rows went, so that others may have slipped from a page to come to one that was read
    shrunk: bool = False
    fresh: int = 0
    known_pages: int = 0
    pages: int = 0
    by_position: bool = True
    #: nothing tells whether rows moved: neither a total, nor a cursor that holds still
    unproved: bool = False
    #: the last row of the newest page that was read, and whether each page showed it once more
    overlap_id: str | None = None
    seamed: bool = True
    #: another row stood at a seam, so that one may have slipped over it
    slipped: bool = False
    #: how many rows the reading before this one showed, and how many were expected
    before: tuple[int, int | None] | None = None
    last_page: _Shape | None = None
    same_pages: int = 1
    #: the cursors of the first and the newest page that had rows, and what these looked like
    ends: dict[str, tuple[Any, _Shape]] = field(factory=dict)

    @property
    def short(self) -> bool:
        """Fewer rows were shown than the vendor counts."""
        return self.total is not None and self.rows < self.total

    @property
    def looks_still(self) -> bool:
        """Nothing that was seen tells that rows moved, and they may have all the same."""
        told = self.moved or self.unproved or self.short or self.seamed
        return self.by_position and self.pages > 1 and not told

    def take(self) -> tuple[Any, ...]:
        """The next cursor that is known, in a tuple; empty where there is none (yet)."""
        if self.ended:
            return ()
        if self.number > 1 and self.jobs and not self.jobs[-1][1].done():
            return ()  # one after the other: then nothing slips by unless the total shrinks
        for cursor in self.known:
            self.cursors.add(cursor)
            return (cursor,)
        if self.newest is not None and self.newest.done() and not self.newest.exception():
            page = self.newest.result()
            self.newest = None
            if not page.is_last:
                self.follow(page)
                return self.take()
        return ()

    def follow(self, page: Page) -> None:
        """The page's own word on what comes after it."""
        if page.remaining_cursors is not None:
            self.known = iter(page.remaining_cursors)
        elif page.next is not None:
            if page.next in self.cursors:
                raise PaginationError(
                    "the vendor's cursor repeats: the listing would never end. What was yielded is "
                    "right, and not all"
                )
            self.known = iter((page.next,))


def _shape(page: Page) -> _Shape | None:
    recordings = page.rows.recordings
    return (recordings[0].id, recordings[-1].id, page.size) if recordings else None


class Sweep:
    """One iteration over a listing."""

    def __init__(
        self,
        query: Query,
        fetch: Callable[[Query, Window, Any], Page],
        workers: int,
        started: datetime,
        count: CoverageCounter,
    ) -> None:
        self._query = query
        self._fetch = fetch
        self._workers = workers
        self._started = started
        self._count = count
        #: id -> the pass that showed it last
        self._seen: dict[str, int] = {}
        self._held = 0

    def run(self, windows: Sequence[Window]) -> Iterator[Recording]:
        passes = deque(_Pass(window, 1, index) for index, window in enumerate(windows))
        number = len(passes)
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="recording-list")
        expected: list[int | None] = []
        try:
            while passes:
                current = passes[0]
                self._fill(passes, pool)
                if current.jobs:
                    cursor, job = current.jobs.popleft()
                    page = job.result()
                    # Ahead of the consumer, who may take long over this page's rows, and ahead
                    # of ourselves, who have yet to read them.
                    self._judge(current, page)
                    self._held -= 1
                    self._fill(passes, pool)
                    yield from self._rows(current, cursor, page)
                    continue
                if current.number == 1 and current.looks_still:
                    current.moved = self._slipped(current, pool)
                passes.popleft()
                if self._must_repeat(current):
                    again = _Pass(current.window, current.number + 1, number)
                    again.before = (current.rows, current.total)
                    passes.append(again)
                    number += 1
                else:
                    expected.append(current.total)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        known = [total for total in expected if total is not None]
        self._count.expected = sum(known) if known and len(known) == len(expected) else None
        self._count.ended = True

    def _fill(self, passes: deque[_Pass], pool: ThreadPoolExecutor) -> None:
        """Fetch ahead, in order, as far as cursors are known and pages may be held."""
        for each in passes:
            while self._held < self._workers:
                taken = each.take()
                if not taken:
                    break
                each.newest = self._ask(pool, each.window, taken[0])
                each.jobs.append((taken[0], each.newest))
                self._held += 1
            if self._held >= self._workers:
                return

    def _ask(self, pool: ThreadPoolExecutor, window: Window, cursor: Any) -> Future[Page]:
        """Fetch one page in a worker, whose request leaves before we go on.

        Reading rows keeps the interpreter busy, which hands itself over every 5 ms only: without
        the head start that much is added to each page of a cursor.
        """
        begun = threading.Event()

        def fetch() -> Page:
            begun.set()
            return self._fetch(self._query, window, cursor)

        job = pool.submit(fetch)
        begun.wait(_HEAD_START)
        return job

    def _slipped(self, done: _Pass, pool: ThreadPoolExecutor) -> bool:
        """Whether the first or the last page looks different now: where one row goes for each that
        comes, totals stand still, and only this tells."""
        looks = [
            (shape, self._ask(pool, done.window, cursor)) for cursor, shape in done.ends.values()
        ]
        self._count.pages += len(looks)
        wait(look for _, look in looks)  # both, also where one fails: nothing is left on its way
        return any(_shape(look.result()) != shape for shape, look in looks)

    def _judge(self, current: _Pass, page: Page) -> None:
        """Count a page, and see whether its window moves or never ends."""
        self._count.pages += 1
        # The same thing goes wrong page after page, and is said once.
        self._count.errors += [each for each in page.errors if each not in self._count.errors]
        size = page.size
        current.rows += size
        current.pages += 1
        current.unproved = current.unproved or (page.total is None and not page.stable_cursor)
        if page.total is not None:
            if current.total is not None and current.total != page.total:
                current.moved = current.recounted = True
                current.shrunk = current.shrunk or page.total < current.total
            current.total = page.total
        current.by_position = not page.stable_cursor
        current.empty = 0 if size else current.empty + 1
        if page.is_last:
            current.total = None  # it counts what lies beyond, too
            self._end(current)
        elif not size and current.total is not None and current.rows >= current.total:
            self._end(current)
        elif current.empty >= _EMPTY_PAGES:
            raise PaginationError(
                f"{current.empty} empty pages in a row, and the vendor still names a next one"
            )

    def _end(self, current: _Pass) -> None:
        """No page after this one counts, also of those that are on their way."""
        current.ended = True
        for _, job in current.jobs:
            job.cancel()
        self._held -= len(current.jobs)
        current.jobs.clear()

    def _rows(self, current: _Pass, cursor: Any, page: Page) -> Iterator[Recording]:
        """Read a page's rows and yield those that are wanted and new; see whether they repeat."""
        recordings = page.rows.recordings
        self._count.unreadable += len(page.rows.unreadable) + len(page.unreadable)
        self._compare(current, page)
        shape = _shape(page)
        if shape is not None:
            current.ends.setdefault("first", (cursor, shape))
            current.ends["last"] = (cursor, shape)
            current.same_pages = current.same_pages + 1 if shape == current.last_page else 1
            if current.same_pages >= _SAME_PAGES:
                raise PaginationError("the vendor sends the same page again and again")
        current.last_page = shape
        known = 0
        for recording in recordings:
            before = self._seen.get(recording.id)
            self._seen[recording.id] = current.index
            if before is not None:
                if before == current.index:
                    current.moved = True
                    known += 1
                if current.number == 1:
                    self._count.duplicates += 1
                continue
            self._count.seen += 1
            when = recording.created_at or recording.started_at
            if when is None:
                self._count.undated += 1
            if when is None or when < self._started:
                current.fresh += 1
            if self._query.wants(recording):
                if current.number > 1:
                    self._count.found_on_reread += 1
                yield recording
        if page.size:  # be it that none of its rows can be read
            current.known_pages = current.known_pages + 1 if known == len(recordings) else 0
        if current.known_pages >= _KNOWN_PAGES:
            raise PaginationError(
                f"{_KNOWN_PAGES} pages in a row repeat what was on pages before them, or hold "
                "nothing that can be read"
            )

    def _compare(self, current: _Pass, page: Page) -> None:
        """Look at the seam between this page and the one before: what moved over it shows there.

        However many rows come and go between two pages, a row can only slip from one to the other
        if another stands at the seam afterwards.
        """
        if current.pages > 1:
            if page.overlap_id is None or current.overlap_id is None:
                current.seamed = False
            elif page.overlap_id != current.overlap_id:
                current.moved = current.slipped = True
        current.overlap_id = page.last_id

    def _must_repeat(self, done: _Pass) -> bool:
        """Whether a window is read again: rows moved under us, or were expected and not shown."""
        unproved = done.unproved and done.pages > 1
        if not done.moved and not done.short and not unproved:
            return False
        restless = done.shrunk or done.slipped or (done.short and done.recounted)
        settled = not done.short or done.before == (done.rows, done.total)
        if done.number > 1 and not done.fresh and not restless and settled:
            # A whole pass that found nothing new, and what it lacks the one before lacked, too: a
            # fixed point, whatever the vendor counts.
            if done.short:
                self._count.errors.append(
                    f"The vendor reports {done.total} recordings and returned {done.rows}"
                )
            return False
        if done.number >= _PASSES:
            self._count.errors.append(
                f"a window never held still: it was read {_PASSES} times, and rows still came, "
                "went or moved in the last"
            )
            return False
        return True
