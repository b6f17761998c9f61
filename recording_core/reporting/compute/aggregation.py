"""Aggregation: compute the measures of every group, as one table, on either engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import define, frozen

from recording_core.errors import ConfigurationError
from recording_core.listing.row_schema import build_arrow_types
from recording_core.reporting.compute.concurrency import (
    MIN_ROWS_PER_MINUTE,
    compute_peaks,
    compute_pruned_peaks,
)
from recording_core.reporting.compute.engines import Engine, EngineSession, find_engine
from recording_core.reporting.compute.functions import select_time, to_microseconds
from recording_core.reporting.compute.groupings import TIME_GROUPINGS, build_offset, parse_groupings
from recording_core.reporting.compute.measures import (
    CONDITIONS,
    MEASURE_NAMES,
    MEASURES,
    Measure,
    MeasureContext,
    prepare_rows,
)
from recording_core.reporting.compute.prices import Prices, load_published_prices
from recording_core.reporting.window import ReportWindow, build_window

if TYPE_CHECKING:
    import pyarrow

_MINUTE = timedelta(minutes=1)
#: The fields of a recording that asks for action; `time` is `created_at`, else `started_at`.
RECORDING_FIELDS = (
    *("provider", "account", "recording_id", "kind", "session_id", "status"),
    *("time", "media_expires_at", "error"),
)


def compute_measures(
    source: Any,
    *,
    by: str | Iterable[str] = ("provider",),
    since: datetime | None = None,
    until: datetime | None = None,
    tz: str = "UTC",
    now: datetime | None = None,
    expiring: timedelta = timedelta(days=7),
    prices: Prices | None = None,
    engine: str | Engine = "duckdb",
    only: Iterable[str] = MEASURE_NAMES,
) -> pyarrow.Table:
    """Compute the measures per group: the grouping columns and then the measures, sorted by group.

    `source` is Arrow data (`rec.rows(...)`, a `pyarrow.Table`) or the addresses of Parquet files.
    The window is `[since, until)` by `created_at`, else `started_at`; rows with neither are in
    every window. `by` are columns and `hour day week month` in the time zone `tz`, whose values
    are texts; a column in `by` with the name of a measure replaces the measure. `now` and
    `expiring` determine what has expired or expires soon. `only` names the measures to compute;
    their order does not change.

    Raises `ConfigurationError` for an unknown grouping, zone or engine, an empty window, rows of
    another schema, and rows that do not fit into memory; `StorageError` for files that cannot be
    read.
    """
    window = build_window(since, until, tz, now)
    check_expiring(window.now, expiring)
    prices = load_published_prices() if prices is None else prices
    context = MeasureContext(window.now, expiring, prices)
    with open_calculator(source, window, context, engine) as calculator:
        return calculator.compute(by, only)


@contextmanager
def open_calculator(
    source: Any, window: ReportWindow, context: MeasureContext, engine: str | Engine
) -> Iterator[Calculator]:
    """Open the rows once for several computations. Raises as `compute_measures` does."""
    with find_engine(engine).open(source) as session:
        yield Calculator(session, window, context, _read_time_range(session, window))


@frozen
class Calculator:
    """The rows of a report in an engine's session, and the arguments of all its measures."""

    _session: EngineSession
    _window: ReportWindow
    _context: MeasureContext
    #: the number of rows, and the time that they span
    _time_range: tuple[int, datetime, datetime]

    def compute(
        self, by: str | Iterable[str], only: Iterable[str] = MEASURE_NAMES
    ) -> pyarrow.Table:
        """Compute measures per group, as `compute_measures` does."""
        names = parse_groupings(by, self._session.schema.names)
        return self._open_computation(names, only).compute()

    def find_recordings(self, condition: str, limit: int) -> list[dict[str, Any]]:
        """Find the recordings that one of `CONDITIONS` counts: `limit` of them, newest first.

        Those whose media expires come in the order of its expiry.
        """
        rows = self._open_computation((), ()).select_rows()
        rows = rows.filter(CONDITIONS[condition](rows, self._context))
        time = rows.created_at.coalesce(rows.started_at)
        first = rows.media_expires_at.asc() if condition == "expiring" else time.desc()
        found = rows.mutate(time=time).order_by([first, rows.recording_id]).limit(limit)
        recordings: list[dict[str, Any]] = self._session.run(
            found.select(*RECORDING_FIELDS)
        ).to_pylist()
        return recordings

    def _open_computation(self, names: tuple[str, ...], only: Iterable[str]) -> Computation:
        measures = _select_measures(only)
        return Computation(
            self._session, names, self._window, self._context, measures, *self._time_range
        )


def _read_time_range(
    session: EngineSession, window: ReportWindow
) -> tuple[int, datetime, datetime]:
    """Return the number of rows and the time that they span, from Parquet's own statistics."""
    rows = session.rows
    [statistics] = session.run(
        rows.aggregate(
            rows=rows.count(),
            first_created=rows.created_at.min(),
            first_started=rows.started_at.min(),
            last_created=rows.created_at.max(),
            last_started=rows.started_at.max(),
        )
    ).to_pylist()
    row_count = statistics.pop("rows")
    known = [value for value in statistics.values() if value is not None]
    first, last = min(known, default=window.now), max(known, default=window.now)
    if window.since is not None:
        first = max(first, window.since)
    if window.until is not None:
        last = min(last, window.until)
    return row_count, first.astimezone(UTC), max(first, last).astimezone(UTC)


def check_expiring(now: datetime, expiring: timedelta) -> None:
    """Check the period of the measure `expiring`. Raises `ConfigurationError`."""
    with suppress(OverflowError, TypeError):
        if now + expiring >= now:
            return
    raise ConfigurationError(
        "expiring must be 0 days or more, as a timedelta that ends before the year 10000."
    )


def _select_measures(only: Iterable[str]) -> tuple[Measure, ...]:
    wanted = set(only)
    if wanted & {each.name for each in MEASURES if each.expression is None}:
        wanted.add("peak_known")  # distinguishes a peak of 0 from an unknown one
    return tuple(each for each in MEASURES if each.name in wanted)


@define(eq=False, slots=False)
class Computation:
    """The computation of measures over the rows in an engine's session."""

    _session: EngineSession
    _by: tuple[str, ...]
    _window: ReportWindow
    _context: MeasureContext
    _measures: tuple[Measure, ...]
    _row_count: int
    _first: datetime
    _last: datetime

    def __attrs_post_init__(self) -> None:
        #: The internal names of the grouping columns, which differ from those of all measures.
        self._keys = [f"group_{number}" for number in range(len(self._by))]
        self._time_names = [name for name in self._by if name in TIME_GROUPINGS]

    def compute(self) -> pyarrow.Table:
        import pyarrow as pa

        has_peaks = any(each.expression is None for each in self._measures)
        tables = []
        for rows in self._split_rows(self.select_rows()):
            table = self.aggregate(rows)
            tables.append(self.add_peaks(rows, table) if has_peaks else table)
        return self._format_table(pa.concat_tables(tables))

    def select_rows(self) -> Any:
        """Select the prepared rows of the window, with the keys of their groups."""
        window = self._window
        rows = prepare_rows(self._session.rows, self._context)
        time = select_time(rows)
        if window.since is not None:
            rows = rows.filter((time >= to_microseconds(window.since)) | time.isnull())
        if window.until is not None:
            rows = rows.filter((time < to_microseconds(window.until)) | time.isnull())
        micros = select_time(rows)
        keys = {}
        for key, name in zip(self._keys, self._by, strict=True):
            if name in TIME_GROUPINGS:
                shift = build_offset(micros, window.zone, self._first, self._last)
                keys[key] = TIME_GROUPINGS[name].key(micros, shift)
            else:
                keys[key] = rows[name]
        return rows.mutate(**keys)

    def _split_rows(self, rows: Any) -> list[Any]:
        """Split the rows between groups into parts whose quantiles fit into memory."""
        max_rows = self._session.max_rows
        if not self._time_names or max_rows is None or self._row_count <= max_rows:
            return [rows]
        # All rows of a group have the same key, so a cut at any key is between groups.
        name = self._time_names[0]
        key = rows[self._keys[self._by.index(name)]]
        estimate_key = TIME_GROUPINGS[name].estimate_key
        first, last = estimate_key(self._first), estimate_key(self._last)
        count = -(-self._row_count // max_rows)
        cuts = sorted({first + (last - first) * number // count for number in range(1, count)})
        if not cuts:
            return [rows]
        between = [(key >= low) & (key < high) for low, high in pairwise(cuts)]
        return [
            rows.filter(chosen)
            for chosen in ((key < cuts[0]) | key.isnull(), *between, key >= cuts[-1])
        ]

    def aggregate(self, rows: Any) -> pyarrow.Table:
        """Compute all measures except the peaks, in one statement."""
        expressions = {
            each.name: each.expression(rows, self._context)
            for each in self._measures
            if each.expression is not None
        }
        return self._session.run(rows.aggregate(by=self._keys, **expressions))

    def add_peaks(self, rows: Any, table: pyarrow.Table) -> pyarrow.Table:
        """Add each group's peak: 0 if no recording ran, null if no times are known."""
        import pyarrow as pa
        import pyarrow.compute as pc

        minutes = (self._last - self._first) / _MINUTE * max(1, table.num_rows)
        prune = not self._time_names and self._row_count >= MIN_ROWS_PER_MINUTE * minutes
        numbered = self._number_groups(rows, table)
        found = self._session.run(
            compute_pruned_peaks(numbered) if prune else compute_peaks(numbered)
        )
        index = pc.index_in(pa.array(range(table.num_rows), pa.int64()), found["number"])
        peaks = found["peak_concurrency"].take(index)
        none_ran = pc.and_(pc.is_null(peaks), pc.greater(table["peak_known"], 0))
        return table.append_column(
            "peak_concurrency", pc.if_else(none_ran, 0, peaks)
        ).append_column("peak_at", found["peak_at"].take(index))

    def _number_groups(self, rows: Any, table: pyarrow.Table) -> Any:
        """Add the number of each row's group: one integer sorts in half the time of the keys."""
        import ibis
        import pyarrow as pa

        if not self._keys:
            return rows.mutate(number=ibis.literal(0, "int64"))
        numbers = pa.array(range(table.num_rows), pa.int64())
        groups = self._session.register_groups(
            table.select(self._keys).append_column("number", numbers)
        )
        same = [rows[key].identical_to(groups[key]) for key in self._keys]
        return rows.join(groups, same).select(rows.started_at, rows.ended_at, groups.number)

    def _format_table(self, table: pyarrow.Table) -> pyarrow.Table:
        """Sort by group, write time groups as texts, and cast measures to their types."""
        import pyarrow as pa

        if self._keys:
            # Nulls are sorted last.
            table = table.sort_by([(key, "ascending") for key in self._keys])
        types = build_arrow_types()
        columns: dict[str, Any] = {}
        for key, name in zip(self._keys, self._by, strict=True):
            if name in TIME_GROUPINGS:
                format_key = TIME_GROUPINGS[name].format_key
                keys = table[key].to_pylist()
                texts = [None if each is None else format_key(each) for each in keys]
                columns[name] = pa.array(texts, types["text"])
            else:
                columns[name] = table[key].cast(self._session.schema.field(name).type)
        for each in self._measures:
            if each.name in columns:
                continue
            values = table[each.name]
            if each.type == "words":
                values = pa.array([words or [] for words in values.to_pylist()], types["words"])
            columns[each.name] = values.cast(types[each.type])
        return pa.table(columns)
