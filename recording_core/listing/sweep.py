"""Sweep: one complete read of a listing, which reads unstable windows again.

A window is unstable if rows came, went or moved while it was read. `change_detector` has the
signals that show it, and decides whether they demand another pass.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from datetime import datetime
from typing import Any

from attrs import define, field

from recording_core.listing.change_detector import ChangeDetector, Signal, compute_signature
from recording_core.listing.coverage import MOST_KEPT, CoverageCounter
from recording_core.listing.page import Page, Query, Window
from recording_core.listing.page_queue import PageFetcher, PageQueue
from recording_core.model.entities import Recording
from recording_core.redaction import escape_controls

_log = logging.getLogger("recording_core.listing")

#: How often a window is read before it is reported as unstable.
_MAX_PASSES = 6


@define(eq=False, repr=False)
class _Pass:
    """One read of one window. `number` is 1 for the first, `index` unique in the sweep."""

    queue: PageQueue
    number: int
    index: int
    detector: ChangeDetector = field(factory=ChangeDetector)


class Sweep:
    """One iteration over a listing."""

    def __init__(
        self,
        query: Query,
        fetch: Callable[[Query, Window, Any], Page],
        workers: int,
        started: datetime,
        counter: CoverageCounter,
    ) -> None:
        self._query = query
        self._fetcher = PageFetcher(lambda window, cursor: fetch(query, window, cursor), workers)
        self._started = started
        self._counter = counter
        #: id -> index of the pass that returned it last
        self._seen: dict[str, int] = {}

    def run(self, windows: Sequence[Window]) -> Iterator[Recording]:
        """Yield every recording of the windows that matches the query, each once."""
        passes = deque(
            _Pass(PageQueue(window, one_at_a_time=False), 1, index)
            for index, window in enumerate(windows)
        )
        next_index = len(passes)
        totals: list[int | None] = []
        try:
            while passes:
                current = passes[0]
                self._fetch_ahead(passes)
                if current.queue:
                    cursor, page = current.queue.pop()
                    # Fetch ahead before the rows are read and yielded: the caller may take long.
                    self._count_page(current, page)
                    self._fetcher.release(1)
                    self._fetch_ahead(passes)
                    yield from self._read_page(current, cursor, page)
                    continue
                if current.number == 1 and current.detector.may_hide_moves:
                    self._compare_edges(current)
                passes.popleft()
                if self._must_reread(current):
                    passes.append(self._build_next_pass(current, next_index))
                    next_index += 1
                else:
                    totals.append(current.detector.total)
        finally:
            self._fetcher.close()
        reported = [total for total in totals if total is not None]
        complete = reported and len(reported) == len(totals)
        self._counter.expected = sum(reported) if complete else None
        self._counter.ended = True

    def _fetch_ahead(self, passes: deque[_Pass]) -> None:
        self._fetcher.fetch_ahead(each.queue for each in passes)

    def _build_next_pass(self, done: _Pass, index: int) -> _Pass:
        # One page at a time: then a row can slip through only if the total shrinks.
        queue = PageQueue(done.queue.window, one_at_a_time=True)
        detector = ChangeDetector(before=(done.detector.row_count, done.detector.total))
        return _Pass(queue, done.number + 1, index, detector)

    def _compare_edges(self, current: _Pass) -> None:
        """Fetch the first and the last page again, and compare what they look like.

        If one row goes for each row that comes, totals stay the same and only this shows it.
        """
        jobs = [
            (signature, self._fetcher.submit(current.queue.window, cursor))
            for cursor, signature in current.detector.edge_pages.values()
        ]
        self._counter.pages += len(jobs)
        wait(job for _, job in jobs)  # both, even if one fails, so that no request is left running
        if any(compute_signature(job.result()) != signature for signature, job in jobs):
            current.detector.add(Signal.EDGE_CHANGED)

    def _count_page(self, current: _Pass, page: Page) -> None:
        self._counter.pages += 1
        errors = self._counter.errors
        # The same error on many pages is listed once.
        new_errors = [each for each in page.errors if each not in errors]
        errors += new_errors[: max(0, MOST_KEPT - len(errors))]
        if current.detector.count_page(page):
            self._fetcher.release(current.queue.end())

    def _read_page(self, current: _Pass, cursor: Any, page: Page) -> Iterator[Recording]:
        """Yield the rows that are new and match the query."""
        recordings = page.rows.recordings
        self._count_unreadable(current, (*page.rows.unreadable, *page.unreadable))
        current.detector.compare_page(cursor, page)
        repeated = 0
        for recording in recordings:
            seen_by = self._seen.get(recording.id)
            self._seen[recording.id] = current.index
            if seen_by is not None:
                repeated += seen_by == current.index
                if current.number == 1:
                    self._counter.duplicates += 1
                continue
            self._counter.seen += 1
            if recording.unread_fields:
                self._count_unread_fields(recording)
            when = recording.created_at or recording.started_at
            if when is None:
                self._counter.undated += 1
            if when is None or when < self._started:
                current.detector.new_rows += 1
            if self._query.matches(recording):
                if current.number > 1:
                    self._counter.found_on_reread += 1
                yield recording
        current.detector.count_repeated(page, repeated)

    def _count_unreadable(self, current: _Pass, sentences: Sequence[str]) -> None:
        unreadable = self._counter.unreadable
        for sentence in sentences:
            # A later pass repeats the rows of the first.
            if len(unreadable) < MOST_KEPT and (current.number == 1 or sentence not in unreadable):
                unreadable.append(sentence)

    def _count_unread_fields(self, recording: Recording) -> None:
        for path in self._counter.add_unread_fields(recording.unread_fields):
            _log.warning(
                "%s list: the field %r could not be read, first in recording %s; it may have a "
                "form that the vendor does not document. The payload is in `raw`",
                recording.provider,
                path,
                escape_controls(recording.id),
            )

    def _must_reread(self, current: _Pass) -> bool:
        """Whether a window must be read again; name the reason if it is given up."""
        detector = current.detector
        if not detector.must_reread():
            if Signal.SHORT in detector.find_signals():
                # Two passes miss the same rows: reading again would not help.
                self._counter.errors.append(
                    f"The vendor reports {detector.total} recordings and returned "
                    f"{detector.row_count}"
                )
            return False
        if current.number >= _MAX_PASSES:
            self._counter.errors.append(
                f"A window is unstable: it was read {_MAX_PASSES} times, and rows still came, "
                "went or moved during the last"
            )
            return False
        return True
