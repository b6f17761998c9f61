"""Report: measures of the recordings of all accounts, by group, and their coverage."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from recording_core.accounts import Account
from recording_core.listing.coverage import AccountCoverage
from recording_core.listing.row_schema import FrameSource, build_arrow_schema, load_declared_columns
from recording_core.provider.provider import Provider
from recording_core.reporting.collect.collected_rows import CollectedRows, open_collected_rows
from recording_core.reporting.compute.aggregation import check_expiring, open_calculator
from recording_core.reporting.compute.engines import Engine, find_engine
from recording_core.reporting.compute.groupings import TIME_GROUPINGS, parse_groupings
from recording_core.reporting.compute.measures import (
    CONDITIONS,
    MEASURE_NAMES,
    MeasureContext,
)
from recording_core.reporting.compute.prices import Prices, load_published_prices, read_price_table
from recording_core.reporting.csv_format import convert_time, format_csv
from recording_core.reporting.next_steps import build_command
from recording_core.reporting.window import ReportWindow, build_window
from recording_core.storage.folder import write_file
from recording_core.storage.parquet import encode_parquet

if TYPE_CHECKING:
    import pyarrow as pa

#: Left out of the overview, since quantiles sort all rows; the other measures are cheap.
_QUANTILES = ("seconds_median", "seconds_p95")
#: The most recordings that are named per count that asks for action.
MOST_NAMED = 10_000
#: The measures that a notebook shows.
_NOTEBOOK_MEASURES = ("recordings", "hours", "bytes", "failed", "empty", "unknown", "expiring")
#: The metadata key of `Report.describe` in the Arrow schema and the Parquet file of a report.
_REPORT_KEY = b"recording_core.report"


@frozen
class Overview:
    """The recordings of a report in two further groupings.

    `accounts` are dicts of `provider`, `account` and the measures without the quantiles; `times`
    are dicts of `unit` (the local `day` or `hour`), `status`, `recordings` and `without_media`.
    """

    accounts: list[dict[str, Any]]
    times: list[dict[str, Any]]
    unit: str


@frozen
class Report(FrameSource):
    """The result of `rec.report`.

    `rows` are dicts of the grouping columns and then every measure by its name, `totals` the
    measures of all rows together, and `coverage` has one entry per account. A measure without a
    known value is None, never 0. `attention` has the recordings of each count that asks for action
    (`failed`, `expiring`, `unknown`, `without_media`, `empty`), at most ten thousand of each.
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
    #: measure -> its recordings, as dicts; counts of 0 are left out
    attention: Mapping[str, list[dict[str, Any]]] = field(repr=False)
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

    @property
    def without_figures(self) -> tuple[AccountCoverage, ...]:
        """The missing accounts none of whose recordings is in any figure."""
        included = {(row["provider"], row["account"]) for row in self.overview.accounts}
        return tuple(each for each in self.missing if (each.provider, each.account) not in included)

    def as_dict(self) -> dict[str, Any]:
        """Return what `to_json` writes, as Python objects."""
        attention = {
            name: {
                "count": self.totals[name],
                "command": build_command(self.window, self.expiring, name, recordings),
                "recordings": recordings,
            }
            for name, recordings in self.attention.items()
        }
        return {
            "rows": self.rows,
            "totals": self.totals,
            **self._describe(),
            "attention": attention,
        }

    def to_json(self) -> str:
        """Return `{"rows": [...], "totals": {...}, "coverage": [...], "window": {...}, ...}`."""
        return _format_json(self.as_dict())

    def to_coverage_json(self) -> str:
        """Return what a table cannot hold: coverage, window, and which accounts are missing."""
        missing = [{"provider": each.provider, "account": each.account} for each in self.missing]
        return _format_json({**self._describe(), "missing": missing})

    def to_csv(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        raw: bool = False,
        excel: bool = False,
    ) -> str:
        """Return CSV, and write it at a path or URL together with its `.coverage.json`.

        Several words in one field are joined by `;`. Text that a spreadsheet would run as a
        formula gets an apostrophe, unless `raw`. `excel` writes a byte order mark, semicolons and
        decimal commas. Raises `StorageError`.
        """
        table = self.to_arrow()
        rows = (row.values() for row in table.to_pylist())
        text = format_csv(table.column_names, rows, raw=raw, excel=excel)
        if path is not None:
            write_file(path, text.encode())
            if not os.path.exists(path) or os.path.isfile(path):  # nothing lies next to a pipe
                write_file(name_coverage_file(path), self.to_coverage_json().encode())
        return text

    def to_arrow(self) -> pa.Table:
        """Return the rows as an Arrow table, which pandas, polars and DuckDB read directly.

        Its metadata holds window and coverage. If accounts have no figures, each has a row without
        values at the end, and the column `missing_account` names it.
        """
        import pyarrow as pa

        table, absent = self._table, self.without_figures
        if absent:
            lines = [
                {
                    "provider": each.provider,
                    "account": each.account,
                    "missing_account": f"{each.provider} {each.account}",
                }
                for each in absent
            ]
            schema = table.schema.append(pa.field("missing_account", pa.string()))
            more = pa.Table.from_pylist(
                [{name: row.get(name) for name in schema.names} for row in lines], schema
            )
            table = pa.concat_tables([table, more], promote_options="default").select(schema.names)
        return table.replace_schema_metadata({_REPORT_KEY: self.to_coverage_json().encode()})

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the table of `to_arrow` as one Parquet file, at a path or URL.

        Raises `StorageError`.
        """
        write_file(path, encode_parquet(self.to_arrow()))

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one self-contained page, which opens from disk. Raises `StorageError`."""
        from recording_core.reporting.html.page import render_page

        write_file(path, render_page(self).encode())

    def __repr__(self) -> str:
        state = "complete" if self.complete else f"{len(self.missing)} incomplete"
        return (
            f"<Report recordings={self.totals['recordings']} by={','.join(self.by)} "
            f"accounts={len(self.coverage)} ({state})>"
        )

    def _repr_html_(self) -> str:
        """Return the rows, the totals and the missing accounts as tables, for a notebook."""
        from recording_core.model.html_table import build_table

        heading = [
            f"{name} ({self.window.tz})" if name in TIME_GROUPINGS else name for name in self.by
        ]
        rows = [
            [*(str(row[name]) for name in self.by), *(row[name] for name in _NOTEBOOK_MEASURES)]
            for row in self.rows
        ]
        if self.by:
            names = ["total", *([""] * (len(self.by) - 1))]
            rows.append([*names, *(self.totals[name] for name in _NOTEBOOK_MEASURES)])
        missing = [(each.provider, each.account, each.coverage.errors) for each in self.missing]
        tables = [build_table((*heading, *_NOTEBOOK_MEASURES), rows)]
        if missing:
            tables.append(build_table(("not complete", "account", "errors"), missing))
        return "".join(tables)

    def _describe(self) -> dict[str, Any]:
        return {
            "coverage": [each.as_row() for each in self.coverage],
            "window": asdict(self.window),
            "complete": self.complete,
        }


def name_coverage_file(path: str | os.PathLike[str]) -> str:
    """Name the file that accompanies a CSV: `x.coverage.json` for `x.csv`."""
    return f"{os.fspath(path).removesuffix('.csv')}.coverage.json"


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
        source: such a folder, or an archive, which is read without a request to any vendor
        engine: `duckdb`, `spark`, or an engine object
        expiring: the period that the measure `expiring` looks ahead
        prices: your own price table, or the path of its TOML file
        executor: an executor of `concurrent.futures`, whose workers find the same credentials;
            needs accounts, and a folder that other processes can write. By default threads
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
    """Build the report of collected rows. Raises as `open_calculator` does."""
    names = [name for name in MEASURE_NAMES if name not in _QUANTILES]
    unit = "hour" if "hour" in groups else "day"
    context = MeasureContext(window.now, expiring, prices)
    with open_calculator(collected.rows, window, context, engine) as calculator:
        table = calculator.compute(groups)
        [totals] = (calculator.compute(()) if groups else table).to_pylist()
        accounts = calculator.compute(("provider", "account"), names)
        times = calculator.compute((unit, "status"), ["recordings", "without_media"])
        attention = {
            name: calculator.find_recordings(name, MOST_NAMED)
            for name in CONDITIONS
            if totals[name]
        }
    return Report(
        rows=table.to_pylist(),
        totals=totals,
        coverage=collected.coverage,
        window=window,
        by=groups,
        expiring=expiring,
        currency=prices.currency,
        attention=attention,
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


def _format_json(value: Any) -> str:
    return json.dumps(value, default=convert_time, allow_nan=False, ensure_ascii=False)
