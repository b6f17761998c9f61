"""Report: measures of the recordings of all accounts, by group, and their coverage."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from recording_core.accounts import Account
from recording_core.provider.provider import Provider
from recording_core.reporting.collect.collected_rows import CollectedRows, open_collected_rows
from recording_core.reporting.collect.collector import AccountCoverage
from recording_core.reporting.collect.folder import write_file
from recording_core.reporting.compute.aggregation import check_expiring, compute_measures
from recording_core.reporting.compute.engines import Engine, find_engine
from recording_core.reporting.compute.groupings import parse_groupings
from recording_core.reporting.compute.measures import MEASURE_NAMES
from recording_core.reporting.compute.prices import Prices, load_published_prices, read_price_table
from recording_core.reporting.parquet import encode_parquet
from recording_core.reporting.row_schema import build_arrow_schema, load_declared_columns
from recording_core.reporting.window import ReportWindow, build_window

if TYPE_CHECKING:
    import pyarrow as pa

#: Left out of the overview, since quantiles sort all rows; the other measures are cheap.
_QUANTILES = ("seconds_median", "seconds_p95")


@frozen
class Overview:
    """The recordings of a report in two further groupings.

    `accounts` are dicts of `provider`, `account` and the measures without the quantiles; `times`
    are dicts of `unit` (the local `day` or `hour`), `status` and `recordings`.
    """

    accounts: list[dict[str, Any]]
    times: list[dict[str, Any]]
    unit: str


@frozen
class Report:
    """The result of `rec.report`.

    `rows` are dicts of the grouping columns and then every measure by its name, `totals` the
    measures of all rows together, and `coverage` has one entry per account. A measure without a
    known value is None, never 0.
    """

    rows: list[dict[str, Any]]
    totals: dict[str, Any]
    coverage: tuple[AccountCoverage, ...]
    window: ReportWindow
    by: tuple[str, ...]
    #: the period that the measure `expiring` looks ahead
    expiring: timedelta
    #: the currency of the measure `cost`
    currency: str
    #: the same recordings by account, and by day and status, for every `by`
    overview: Overview = field(repr=False, eq=False)
    _table: pa.Table = field(repr=False, eq=False)

    @property
    def complete(self) -> bool:
        """Whether everything that the vendors can list was seen, for every account."""
        return not self.missing

    @property
    def missing(self) -> tuple[AccountCoverage, ...]:
        """The accounts whose coverage is not complete."""
        return tuple(each for each in self.coverage if not each.coverage.complete)

    def as_dict(self) -> dict[str, Any]:
        """Return what `to_json` writes, as Python objects."""
        return {
            "rows": self.rows,
            "totals": self.totals,
            "coverage": [each.as_row() for each in self.coverage],
            "window": asdict(self.window),
            "complete": self.complete,
        }

    def to_json(self) -> str:
        """Return `{"rows": [...], "totals": {...}, "coverage": [...], "window": {...}, ...}`."""
        return json.dumps(
            self.as_dict(), default=_to_json_value, allow_nan=False, ensure_ascii=False
        )

    def to_csv(self) -> str:
        """Return a heading and one line per row; several words in one field are joined by `;`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self._table.column_names)
        writer.writerows([_to_csv_field(value) for value in row.values()] for row in self.rows)
        return text.getvalue()

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table, which pandas, polars and DuckDB read directly."""
        return self._table

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as one Parquet file, at a path or URL. Raises `StorageError`."""
        write_file(path, encode_parquet(self._table))

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one self-contained page, which opens from disk. Raises `StorageError`."""
        from recording_core.reporting.html.page import render_page

        write_file(path, render_page(self).encode())


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
    """Report the recordings of all accounts: measures by group, and what could not be seen.

    Args:
        since: the start of the window `[since, until)`, by `created_at`, else `started_at`; None is
            unbounded
        until: the end of the window; None is unbounded
        by: columns of the rows, and `hour`, `day`, `week`, `month` in the time zone `tz`
        tz: an IANA time zone
        accounts: accounts or connected providers; by default those of `find_accounts()`
        to: a folder (a path or any fsspec URL) that keeps the collected rows as Parquet; the next
            report with that folder lists only what may have changed
        source: such a folder, which is read without a request to any vendor
        engine: `duckdb`, `spark`, or an engine object
        expiring: the period that the measure `expiring` looks ahead
        prices: your own price table, or the path of its TOML file
        executor: an executor of `concurrent.futures`; by default threads
        now: the time of the report; by default the current time

    If a vendor fails, its rows are missing and the others are not affected: see `Report.coverage`.
    Raises `ConfigurationError` (also a `ValueError`) for an invalid window, time zone, grouping,
    engine or account, and `StorageError` for a folder that cannot be read or written.
    """
    window = build_window(since, until, tz, now)
    # A folder may have columns of plugins that are not installed here.
    stored = source is not None and to is None
    groups = check_arguments(window, by, engine, expiring, stored=stored)
    if isinstance(prices, str | os.PathLike):
        prices = read_price_table(Path(prices))
    elif prices is None:
        prices = load_published_prices()
    with open_collected_rows(
        window, accounts=accounts, to=to, source=source, executor=executor
    ) as collected:
        return build_report(
            collected, window, groups, expiring=expiring, prices=prices, engine=engine
        )


def build_report(
    collected: CollectedRows,
    window: ReportWindow,
    groups: tuple[str, ...],
    *,
    expiring: timedelta,
    prices: Prices,
    engine: str | Engine,
) -> Report:
    """Build the report of collected rows. Raises as `compute_measures` does."""
    compute = partial(
        compute_measures,
        collected.rows,
        since=window.since,
        until=window.until,
        tz=window.tz,
        now=window.now,
        expiring=expiring,
        prices=prices,
        engine=engine,
    )
    table = compute(by=groups)
    totals = compute(by=()) if groups else table
    names = [name for name in MEASURE_NAMES if name not in _QUANTILES]
    accounts = compute(by=("provider", "account"), only=names)
    unit = "hour" if "hour" in groups else "day"
    times = compute(by=(unit, "status"), only=["recordings"])
    return Report(
        rows=table.to_pylist(),
        totals=totals.to_pylist()[0],
        coverage=collected.coverage,
        window=window,
        by=groups,
        expiring=expiring,
        currency=prices.currency,
        overview=Overview(accounts.to_pylist(), times.to_pylist(), unit),
        table=table,
    )


def check_arguments(
    window: ReportWindow,
    by: str | Iterable[str],
    engine: str | Engine,
    expiring: timedelta,
    *,
    stored: bool,
) -> tuple[str, ...]:
    """Check a report's arguments before the rows are collected, and return the groupings.

    If the rows are `stored`, only their folder has the list of columns, so the groupings are not
    checked here. Raises `ConfigurationError`.
    """
    find_engine(engine)
    columns = None if stored else build_arrow_schema(load_declared_columns()).names
    groups = parse_groupings(by, columns)
    check_expiring(window.now, expiring)
    return groups


# -- writing --------------------------------------------------------------------------------------


def _to_json_value(value: Any) -> Any:
    """Convert what JSON cannot hold: times to ISO 8601 (UTC), durations to seconds."""
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"a report cannot hold a {type(value).__name__}")


def _to_csv_field(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return ";".join(str(_to_csv_field(each)) for each in value)
    if isinstance(value, Mapping):
        return ";".join(f"{key}={_to_csv_field(each)}" for key, each in value.items())
    return _to_json_value(value) if isinstance(value, date | timedelta) else value
