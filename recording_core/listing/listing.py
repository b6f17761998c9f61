"""What is a list of recordings? Lazy, each recording once, and with what could not be seen.

A provider cuts what is asked into windows (of time, where its vendor has them) and reads one page
at a time; `sweep.py` fetches ahead, decides, deduplicates, and reads again what moved meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from recording_core.errors import ProviderError, RecordingError
from recording_core.listing.coverage import Coverage
from recording_core.listing.page import Page, Query, Window
from recording_core.model.entities import Recording

if TYPE_CHECKING:
    from recording_core.listing.coverage import CoverageCounter

__all__ = ["Listing"]


class Listing:
    """The answer to `Provider.list`: lazy, complete, each recording once.

    Iterate over it for `Recording`s. Rows come newest first where the vendor has an order; those
    that only an overlap or a second pass found come last. `coverage` is final when the iterator
    ends or raises; iterating again sweeps again.

    Iterating raises `ProviderError` for a page that cannot be had (what was yielded is right all
    the same) and `PaginationError` for a list that would never end or leads away from the vendor.
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
        self._count: CoverageCounter | None = None

    @property
    def coverage(self) -> Coverage:
        """What was asked, what was seen, what could not be seen."""
        if self._count is None:
            return Coverage(not_listable=self._not_listable)
        return self._count.coverage(self._not_listable)

    def windows(self) -> Sequence[Window]:
        """The pieces that this vendor's listing is swept in, newest first. Asks nobody."""
        return self._windows(self.query)

    def __iter__(self) -> Iterator[Recording]:
        # Threads are nothing that a connection alone needs.
        from recording_core.listing.coverage import CoverageCounter
        from recording_core.listing.sweep import Sweep

        self._count = count = CoverageCounter()
        try:
            windows = self._windows(self.query)
            count.windows = len(windows)
            sweep = Sweep(self.query, self._fetch, self._workers, self._now(), count)
            yield from sweep.run(windows)
        except RecordingError as error:
            if isinstance(error, ProviderError):  # one of our own knows neither
                error.provider = error.provider or self._provider
                error.operation = error.operation or "list"
            count.errors.append(str(error))
            raise

    def __repr__(self) -> str:
        return f"<Listing {self.query} seen={self.coverage.seen}>"
