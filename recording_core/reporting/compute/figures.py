"""How do rows become figures? Each measure of each group, in one table, on either engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.clock import SystemClock
from recording_core.errors import ConfigurationError
from recording_core.provider.validation import check_time
from recording_core.reporting.compute.concurrency import MINUTES_PRUNE, peaks, pruned_peaks
from recording_core.reporting.compute.engines import Engine, Open, engine_named, rows_of
from recording_core.reporting.compute.groupings import (
    TIME_GROUPINGS,
    checked_groupings,
    checked_zone,
    offset,
    when,
)
from recording_core.reporting.compute.measures import (
    MEASURES,
    NAMES,
    Measure,
    Terms,
    micros_of,
    reported,
)
from recording_core.reporting.compute.prices import Prices, published

if TYPE_CHECKING:
    import pyarrow

__all__ = ["checked_terms", "measure"]

#: a measure's type -> how Arrow names it
_ARROW = {
    "count": "int64",
    "bytes": "int64",
    "seconds": "float64",
    "number": "float64",
}
_MINUTES = timedelta(minutes=1)


def measure(
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
    only: Iterable[str] = NAMES,
) -> pyarrow.Table:
    """Every measure of every group: the grouping columns and then the measures, sorted by group.

    `source` is Arrow data (`rec.rows(...)`, a `pyarrow.Table`) or the addresses of Parquet files.
    The window is `[since, until)` by `created_at`, else `started_at`; rows with neither are in
    every window. `by` are columns and `hour day week month` in the time zone `tz`, whose values
    are texts; where it names a column that is called as a measure is, the column takes the name.
    `now` decides what has expired and what does within `expiring`; `only` names the measures to
    compute, in their own order, where not all are asked for.

    Raises `ConfigurationError` for an unknown grouping, zone or engine, an empty window, Parquet
    of another schema and what does not fit into memory, and `StorageError` for files that cannot
    be read.
    """
    check_time(since, "since")
    check_time(until, "until")
    now = check_time(now, "now") or SystemClock().now()
    if since is not None and until is not None and since >= until:
        raise ConfigurationError(
            f"since ({since.isoformat()}) is not before until ({until.isoformat()}), so the "
            "window is empty: give an earlier since or a later until"
        )
    checked_terms(now, expiring)
    zone = checked_zone(tz)
    terms = Terms(now, expiring, published() if prices is None else prices)
    with engine_named(engine).open(source) as opened:
        names = checked_groupings(by, opened.schema.names)
        measures = _measures(only)
        asked = _Asked(names, since, until, zone, terms, opened, measures)
        return _in_words(asked, _measured(asked))


def checked_terms(now: datetime, expiring: timedelta) -> None:
    """Whether `expiring` is a length of time, and `now` that much later is a time.

    Raises `ConfigurationError`.
    """
    try:
        now + expiring
        sound = expiring >= timedelta(0)
    except (OverflowError, TypeError):
        sound = False
    if not sound:
        raise ConfigurationError(
            "expiring must be 0 days or more, as a timedelta that ends before the year 10000"
        )


def _measures(only: Iterable[str]) -> tuple[Measure, ...]:
    wanted = set(only)
    if wanted & {each.name for each in MEASURES if each.expression is None}:
        wanted.add("peak_known")  # nobody ran, or nobody knows: it tells which
    return tuple(each for each in MEASURES if each.name in wanted)


@frozen
class _Asked:
    """One report's question, and the rows that it is asked of."""

    by: tuple[str, ...]
    since: datetime | None
    until: datetime | None
    zone: tzinfo
    terms: Terms
    opened: Open
    measures: tuple[Measure, ...]

    @property
    def keys(self) -> list[str]:
        """What the groups are called while they are computed: no measure is called so."""
        return [f"group_{number}" for number in range(len(self.by))]


@frozen
class _Extent:
    """How many rows there are, and over what time: from Parquet's own statistics."""

    rows: int
    first: datetime
    last: datetime


def _extent(asked: _Asked) -> _Extent:
    rows = rows_of(asked.opened.schema)
    [facts] = asked.opened.run(
        rows.aggregate(
            rows=rows.count(),
            first_created=rows.created_at.min(),
            first_started=rows.started_at.min(),
            last_created=rows.created_at.max(),
            last_started=rows.started_at.max(),
        )
    ).to_pylist()
    known = [value for name, value in facts.items() if name != "rows" and value is not None]
    first, last = min(known, default=asked.terms.now), max(known, default=asked.terms.now)
    if asked.since is not None:
        first = max(first, asked.since)
    if asked.until is not None:
        last = min(last, asked.until)
    return _Extent(facts["rows"], first.astimezone(UTC), max(first, last).astimezone(UTC))


def _grouped_rows(asked: _Asked, extent: _Extent) -> Any:
    """The rows of the window as a report speaks of them, with the keys of their groups."""
    rows = reported(rows_of(asked.opened.schema), asked.terms)
    time = when(rows)
    if asked.since is not None:
        rows = rows.filter((time >= micros_of(asked.since)) | time.isnull())
    if asked.until is not None:
        rows = rows.filter((time < micros_of(asked.until)) | time.isnull())
    keys = {}
    for key, name in zip(asked.keys, asked.by, strict=True):
        if name in TIME_GROUPINGS:
            micros = when(rows)
            shift = offset(micros, asked.zone, extent.first, extent.last)
            keys[key] = TIME_GROUPINGS[name].key(micros, shift)
        else:
            keys[key] = rows[name]
    return rows.mutate(**keys)


def _measured(asked: _Asked) -> Any:
    import pyarrow as pa

    extent = _extent(asked)
    rows = _grouped_rows(asked, extent)
    peaked = any(each.expression is None for each in asked.measures)
    return pa.concat_tables(
        [
            _with_peaks(asked, part, extent, _figures(asked, part))
            if peaked
            else _figures(asked, part)
            for part in _parts(asked, rows, extent)
        ]
    )


def _figures(asked: _Asked, rows: Any) -> Any:
    """All measures but the peaks, in one statement."""
    expressions = {
        each.name: each.expression(rows, asked.terms)
        for each in asked.measures
        if each.expression is not None
    }
    return asked.opened.run(rows.aggregate(by=asked.keys, **expressions))


def _parts(asked: _Asked, rows: Any, extent: _Extent) -> list[Any]:
    """The rows, cut between groups into parts whose quantiles fit into memory one at a time."""
    named = [name for name in asked.by if name in TIME_GROUPINGS]
    at_once = asked.opened.rows_at_once
    if not named or at_once is None or extent.rows <= at_once:
        return [rows]
    # Any cut of the key is one between groups, wherever it falls in time.
    key = rows[asked.keys[asked.by.index(named[0])]]
    near = TIME_GROUPINGS[named[0]].near
    first, last, count = near(extent.first), near(extent.last), -(-extent.rows // at_once)
    cuts = sorted({first + (last - first) * number // count for number in range(1, count)})
    if not cuts:
        return [rows]
    between = [(key >= low) & (key < high) for low, high in pairwise(cuts)]
    return [
        rows.filter(chosen)
        for chosen in ((key < cuts[0]) | key.isnull(), *between, key >= cuts[-1])
    ]


def _with_peaks(asked: _Asked, rows: Any, extent: _Extent, figures: Any) -> Any:
    """The figures with their group's peak: 0 where none ran, and null where nobody knows."""
    import pyarrow as pa

    found = asked.opened.run(_peaks(asked, rows, extent, figures))
    known = figures.column("peak_known").to_pylist()
    highest: list[int | None] = [0 if count else None for count in known]
    first: list[int | None] = [None] * len(known)
    for number, peak, at in zip(
        *(found.column(name).to_pylist() for name in ("number", "peak_concurrency", "peak_at")),
        strict=True,
    ):
        highest[number], first[number] = peak, at
    return figures.append_column("peak_concurrency", pa.array(highest, pa.int64())).append_column(
        "peak_at", pa.array(first, pa.int64())
    )


def _peaks(asked: _Asked, rows: Any, extent: _Extent, figures: Any) -> Any:
    numbered = _numbered(asked, rows, figures)
    minutes = (extent.last - extent.first) / _MINUTES * max(1, figures.num_rows)
    timed = any(name in TIME_GROUPINGS for name in asked.by)
    if not timed and extent.rows >= MINUTES_PRUNE * minutes:
        return pruned_peaks(numbered)
    return peaks(numbered)


def _numbered(asked: _Asked, rows: Any, figures: Any) -> Any:
    """The rows with the number of their group: one integer sorts in half the time of its keys."""
    import ibis
    import pyarrow as pa

    if not asked.keys:
        return rows.mutate(number=ibis.literal(0, "int64"))
    groups = asked.opened.hold(
        figures.select(asked.keys).append_column(
            "number", pa.array(range(figures.num_rows), pa.int64())
        )
    )
    same = [rows[key].identical_to(groups[key]) for key in asked.keys]
    return rows.join(groups, same).select(rows.started_at, rows.ended_at, groups.number)


def _in_words(asked: _Asked, figures: Any) -> Any:
    """Sorted by group, time groups written as texts, each measure in its documented type."""
    import pyarrow as pa
    from pyarrow import compute as pc

    if asked.keys:
        # Null, which is no group of its own, comes last.
        order = pc.sort_indices(figures, sort_keys=[(key, "ascending") for key in asked.keys])
        figures = figures.take(order)
    types = {
        "words": pa.list_(pa.string()),
        "time": pa.timestamp("us", "UTC"),
        **{word: pa.type_for_alias(name) for word, name in _ARROW.items()},
    }
    columns: dict[str, Any] = {}
    for key, name in zip(asked.keys, asked.by, strict=True):
        values = figures.column(key)
        if name in TIME_GROUPINGS:
            text = TIME_GROUPINGS[name].text
            values = pa.array(
                [None if each is None else text(each) for each in values.to_pylist()], pa.string()
            )
        else:
            values = values.cast(asked.opened.schema.field(name).type)
        columns[name] = values
    for each in asked.measures:
        if each.name in columns:
            continue
        values = figures.column(each.name)
        if each.type == "words":
            values = pa.array([each or [] for each in values.to_pylist()], types["words"])
        columns[each.name] = values.cast(types[each.type])
    return pa.table(columns)
