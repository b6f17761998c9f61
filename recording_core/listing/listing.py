"""Listing: the lazy result of `Provider.list`.

A provider divides a query into windows (of time, if its vendor supports that) and reads one page at
a time. `sweep.py` fetches pages ahead, filters, removes duplicates, and re-reads unstable windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recording_core.errors import ProviderError, RecordingError
from recording_core.listing.page import Page, Query, Window
from recording_core.model.entities import Recording

if TYPE_CHECKING:
    from recording_core.listing.coverage import Coverage, CoverageCounter


class Listing:
    """The result of `Provider.list`: lazy, complete, each recording once.

    Iterating yields `Recording` objects, newest first if the vendor has an order, followed
    by those that were found when a window was read again. Each iteration reads the vendor's list
    again. `coverage` is final when the iterator ends or raises.

    Iterating raises `ProviderError` if a page cannot be read, and `PaginationError` if the list
    would never end or leads away from the vendor. Recordings yielded before that are correct.
    """

    def __init__(
        self,
        query: Query,
        windows: Callable[[Query], Sequence[Window]],
        fetch: Callable[[Query, Window, Any], Page],
        *,
        workers: int,
        now: Callable[[], datetime],
        not_listable: tuple[str, ...] = (),
        provider: str = "",
    ) -> None:
        self.query = query
        self._windows = windows
        self._fetch = fetch
        self._workers = workers
        self._now = now
        self._not_listable = not_listable
        self._provider = provider
        self._counter: CoverageCounter | None = None

    @property
    def coverage(self) -> Coverage:
        """What was requested, what was seen, and what cannot be listed. See `Coverage`."""
        # Imported here and below: connecting needs neither this nor the threads of `sweep`.
        from recording_core.listing.coverage import Coverage

        if self._counter is None:
            return Coverage(not_listable=self._not_listable)
        return self._counter.build_coverage(self._not_listable)

    def plan_windows(self) -> Sequence[Window]:
        """Return the windows that a sweep reads, newest first. Sends nothing."""
        return self._windows(self.query)

    def __iter__(self) -> Iterator[Recording]:
        from recording_core.listing.coverage import CoverageCounter
        from recording_core.listing.sweep import Sweep

        self._counter = counter = CoverageCounter()
        try:
            windows = self._windows(self.query)
            counter.windows = len(windows)
            sweep = Sweep(self.query, self._fetch, self._workers, self._now(), counter)
            yield from sweep.run(windows)
        except RecordingError as error:
            if isinstance(error, ProviderError):  # the sweep raises it without these two
                error.provider = error.provider or self._provider
                error.operation = error.operation or "list"
            counter.errors.append(str(error))
            raise

    def __repr__(self) -> str:
        return f"<Listing {self.query} seen={self.coverage.seen}>"
