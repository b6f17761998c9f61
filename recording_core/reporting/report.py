"""How many recordings, hours and bytes, at which vendor, and could all of them be seen?"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from recording_core.accounts import Account
from recording_core.clock import SystemClock
from recording_core.errors import ConfigurationError
from recording_core.provider.provider import Provider
from recording_core.provider.validation import check_time
from recording_core.reporting.collect.folder import write_file
from recording_core.reporting.collect.selection import Collection, Covered, ReportWindow, collected
from recording_core.reporting.compute.engines import Engine, engine_named
from recording_core.reporting.compute.figures import checked_terms, measure
from recording_core.reporting.compute.groupings import (
    checked_groupings,
    checked_zone,
    grouping_names,
)
from recording_core.reporting.compute.overview import Overview, overview
from recording_core.reporting.compute.prices import Prices, price_table, published
from recording_core.reporting.row_schema import arrow_schema, declared_columns

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Report", "checked_question", "measured", "report"]


@frozen
class Report:
    """The answer to `rec.report`.

    `rows` are dicts of the grouping columns and then every measure by its name, `totals` the
    measures of all rows together, `coverage` one a vendor's account. A measure that nothing is
    known of is None, never 0.
    """

    rows: list[dict[str, Any]]
    totals: dict[str, Any]
    coverage: tuple[Covered, ...]
    window: ReportWindow
    by: tuple[str, ...]
    #: how soon is soon, for the measure `expiring`
    expiring: timedelta
    #: what the measure `cost` is in
    currency: str
    #: the same recordings by account, and by day and status, whatever `by` is
    overview: Overview = field(repr=False, eq=False)
    _table: pa.Table = field(repr=False, eq=False)

    @property
    def complete(self) -> bool:
        """Whether all that could be asked for was seen, at every account."""
        return all(each.coverage.complete for each in self.coverage)

    @property
    def missing(self) -> tuple[Covered, ...]:
        """The accounts of which something could not be seen."""
        return tuple(each for each in self.coverage if not each.coverage.complete)

    def as_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as Python's own types."""
        return {
            "rows": self.rows,
            "totals": self.totals,
            "coverage": [each.as_row() for each in self.coverage],
            "window": asdict(self.window),
            "complete": self.complete,
        }

    def to_json(self) -> str:
        """`{"rows": [...], "totals": {...}, "coverage": [...], "window": {...}, ...}` in a line."""
        return json.dumps(self.as_dict(), default=_plain, allow_nan=False, ensure_ascii=False)

    def to_csv(self) -> str:
        """A heading, and a line a row; several words in one field have semicolons between."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._table.column_names)
        writer.writerows([_field(value) for value in row.values()] for row in self.rows)
        return text.getvalue()

    def to_arrow(self) -> pa.Table:
        """The rows as an Arrow table; pandas, polars and DuckDB take it as it is."""
        return self._table

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """The rows as one Parquet file, at a path or URL. Raises `StorageError`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(self._table, sink, compression="zstd")
        write_file(path, sink.getvalue().to_pybytes())

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """One self-contained page, which opens from disk. Raises `StorageError`."""
        from recording_core.reporting.html.page import page

        write_file(path, page(self).encode())


def report(
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    by: str | Sequence[str] = ("provider",),
    tz: str = "UTC",
    accounts: Iterable[Account | Provider] | None = None,
    to: str | os.PathLike[str] | None = None,
    source: str | os.PathLike[str] | None = None,
    engine: str | Engine = "duckdb",
    expiring: timedelta = timedelta(days=7),
    prices: Prices | str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    now: datetime | None = None,
) -> Report:
    """One normalised view over every account: what is there, by what, and what was not seen.

    `[since, until)` goes by `created_at`, else `started_at`; `by` are columns of the rows, and
    `hour`, `day`, `week`, `month` in the time zone `tz`. `expiring` is how soon is soon for media
    that the vendor removes, `prices` a table of your own or its file. `accounts` are `Account`s or
    connected providers; without any, those of `configured_accounts()`. With `to`, a folder (a path
    or any fsspec URL), what is collected stays there as Parquet, and the next report asks the
    vendors only for what may have changed. `source` is such a folder, read without asking anybody.
    `executor` is any of `concurrent.futures`; threads otherwise.

    A vendor that fails costs its own rows: see `Report.coverage`. Raises `ConfigurationError` (a
    `ValueError`, too) for a window, zone, grouping, engine or account that is none, and
    `StorageError` for a folder that cannot be read or written.
    """
    now = check_time(now, "now") or SystemClock().now()
    asked = ReportWindow(check_time(since, "since"), check_time(until, "until"), tz, now)
    # A folder may have columns of plugins that are not installed here; it is read in no time.
    groups = checked_question(asked, by, engine, stored=source is not None and to is None)
    checked_terms(now, expiring)
    if isinstance(prices, str | os.PathLike):
        prices = price_table(Path(prices))
    elif prices is None:
        prices = published()
    with collected(asked, accounts=accounts, to=to, source=source, executor=executor) as collection:
        return measured(collection, asked, groups, expiring=expiring, prices=prices, engine=engine)


def measured(
    collection: Collection,
    asked: ReportWindow,
    groups: tuple[str, ...],
    *,
    expiring: timedelta,
    prices: Prices,
    engine: str | Engine,
) -> Report:
    """The answer that collected rows give. Raises as `measure` does."""
    facts: dict[str, Any] = {
        "since": asked.since,
        "until": asked.until,
        "tz": asked.tz,
        "now": asked.now,
        "expiring": expiring,
        "prices": prices,
        "engine": engine,
    }
    table = measure(collection.rows, by=groups, **facts)
    totals = measure(collection.rows, by=(), **facts) if groups else table
    return Report(
        rows=table.to_pylist(),
        totals=totals.to_pylist()[0],
        coverage=collection.coverage,
        window=asked,
        by=groups,
        expiring=expiring,
        currency=prices.currency,
        overview=overview(collection.rows, hourly="hour" in groups, **facts),
        table=table,
    )


def checked_question(
    asked: ReportWindow, by: str | Iterable[str], engine: str | Engine, *, stored: bool
) -> tuple[str, ...]:
    """What to group by, once all that can be is checked: before an hour of collecting, not after.

    Of what is `stored`, the folder alone knows the columns. Raises `ConfigurationError`.
    """
    if asked.since is not None and asked.until is not None and asked.since >= asked.until:
        raise ConfigurationError(
            f"since ({asked.since.isoformat()}) is not before until ({asked.until.isoformat()}): "
            "the window is empty"
        )
    checked_zone(asked.tz)
    engine_named(engine)
    if stored:
        return grouping_names(by)
    return checked_groupings(by, arrow_schema(declared_columns()).names)


# -- writing --------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """What JSON has no word for: times as ISO 8601 (UTC), lengths of time in seconds."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"a report holds a {type(value).__name__}")


def _field(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ";".join(str(_field(each)) for each in value)
    if isinstance(value, Mapping):
        return ";".join(f"{key}={_field(each)}" for key, each in value.items())
    return _plain(value) if isinstance(value, date | timedelta) else value
