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
    import pandas
    import polars
    import pyarrow

    from recording_core.listing.coverage import Coverage, CoverageCounter
    from recording_core.listing.row_schema import Rows


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
        account: str = "",
    ) -> None:
        self.query = query
        self._windows = windows
        self._fetch = fetch
        self._workers = workers
        self._now = now
        self._not_listable = not_listable
        self._provider = provider
        self._account = account
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
        from recording_core.transport.telemetry import VerbSpan

        self._counter = counter = CoverageCounter()
        with VerbSpan("list", self._provider, self._account) as span:
            try:
                windows = self._windows(self.query)
                counter.windows = len(windows)
                fetch = span.bind(self._fetch)
                sweep = Sweep(self.query, fetch, self._workers, self._now(), counter)
                yield from sweep.run(windows)
            except RecordingError as error:
                if isinstance(error, ProviderError):  # the sweep raises it without these two
                    error.provider = error.provider or self._provider
                    error.operation = error.operation or "list"
                counter.errors.append(str(error))
                raise

    def to_arrow(self) -> pyarrow.Table:
        """List the recordings, and return them as an Arrow table with the columns of `rec.rows`.

        Afterwards `coverage` is final. Raises as iterating does, and `ConfigurationError` without
        pyarrow.
        """
        return self._build_rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        """List the recordings, and return them as a pandas data frame. Whole numbers are `Int64`.

        pandas adds up nothing known to 0, unless you write `sum(min_count=1)`. Raises as
        `to_arrow`, and `ConfigurationError` without pandas.
        """
        return self._build_rows().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """List the recordings, and return them as a polars data frame.

        polars adds up nothing known to 0: check `count()`. Raises as `to_arrow`, and
        `ConfigurationError` without polars.
        """
        return self._build_rows().to_polars()

    def _build_rows(self) -> Rows:
        from recording_core.listing.row_schema import rows

        return rows(self)

    def __repr__(self) -> str:
        query, coverage = self.query, self.coverage
        facts = {
            "since": query.since,
            "until": query.until,
            "target": query.target,
            "status": query.statuses and ",".join(sorted(query.statuses)),
            "seen": coverage.seen,
            "complete": coverage.complete,
        }
        known = (f"{name}={value}" for name, value in facts.items() if value is not None)
        return f"<{' '.join(('Listing', self._provider, *known))}>"

    def _repr_html_(self) -> str:
        """Return the coverage as a table, for a notebook. Sends nothing."""
        return self.coverage._repr_html_()
