"""Measures: the name, type, description and Ibis expression of every measure of a report.

The expressions use whole microseconds and whole bytes, so that each engine computes the same number
in any order of addition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.model.enums import RecordingStatus
from recording_core.reporting.compute.functions import (
    DAY,
    cast_to_microseconds,
    select_time,
    to_microseconds,
)
from recording_core.reporting.compute.prices import Prices

if TYPE_CHECKING:
    from ibis.expr.types import Table, Value

#: Seconds whose microseconds fit into a 64-bit integer: about 285,000 years.
_LONGEST = 9e12
#: Nine petabytes: no file is larger, and a sum of such sizes fits into a 64-bit integer.
_LARGEST = 1 << 53
_AVAILABLE = RecordingStatus.AVAILABLE.value


@frozen
class MeasureContext:
    """The arguments that measures depend on: the time, the period of `expiring`, the prices."""

    now: datetime
    expiring: timedelta
    prices: Prices


_Expression = Callable[["Table", MeasureContext], "Value"]


@frozen
class Measure:
    """One measure, computed for every group.

    `expression` aggregates the rows that `prepare_rows` returns. It is None for the peaks, which
    `concurrency.py` computes from running totals. `known` names the measure that counts the
    recordings for which this one is known, if there is such a measure.
    """

    name: str
    description: str
    expression: _Expression | None
    type: str = "count"
    known: str | None = None


def prepare_rows(rows: Table, context: MeasureContext) -> Table:
    """Clip extreme values, and set the status `expired` if the media of `available` has expired."""
    expires = cast_to_microseconds(rows.media_expires_at)
    expired = (rows.status == _AVAILABLE) & (expires <= to_microseconds(context.now))
    # Not `clip`, which tests each bound twice for null.
    seconds: Any = (rows.seconds > _LONGEST).ifelse(_LONGEST, rows.seconds)
    seconds = (rows.seconds < -_LONGEST).ifelse(-_LONGEST, seconds)
    return rows.mutate(
        status=expired.fill_null(False).ifelse(RecordingStatus.EXPIRED.value, rows.status),
        bytes=(rows.bytes > _LARGEST).ifelse(_LARGEST, rows.bytes),
        micros=(seconds * 1_000_000).round().cast("int64"),
    )


# -- expressions ----------------------------------------------------------------------------------


def _count(rows: Table, where: Any) -> Any:
    # Spark counts by a sum, which is null if there are no values.
    return rows.count(where=where).fill_null(0)


def _has_status(status: RecordingStatus) -> _Expression:
    return lambda rows, context: rows.status == status.value


def _is_expiring(rows: Table, context: MeasureContext) -> Any:
    soon = to_microseconds(context.now + context.expiring)
    return (rows.status == _AVAILABLE) & (cast_to_microseconds(rows.media_expires_at) < soon)


#: measure -> whether it counts a row. These counts ask for action, so a report also names their
#: recordings.
CONDITIONS: Mapping[str, Callable[[Table, MeasureContext], Any]] = {
    "failed": _has_status(RecordingStatus.FAILED),
    "expiring": _is_expiring,
    "unknown": _has_status(RecordingStatus.UNKNOWN),
    "without_media": lambda rows, context: (rows.status == _AVAILABLE) & (rows.files == 0),
    "empty": _has_status(RecordingStatus.EMPTY),
}


def _count_condition(rows: Table, context: MeasureContext, *, name: str) -> Any:
    return _count(rows, CONDITIONS[name](rows, context))


def _sum_seconds(rows: Table, context: MeasureContext) -> Any:
    return rows.micros.sum().cast("float64") / 1e6


def _compute_quantile(rows: Table, context: MeasureContext, *, index: int) -> Any:
    # One list for both quantiles, so that the engine gathers and sorts the values once.
    value = rows.seconds.quantile([0.5, 0.95])[index]
    # Engines differ in the last bit when they interpolate. A quantile of whole microseconds is a
    # multiple of a twentieth of one; from 116 days on, doubles are too coarse for that, and it is
    # rounded to a twentieth of a millisecond.
    fine, coarse = (value * 2e7).round().cast("float64"), (value * 2e4).round().cast("float64")
    return (value < 1e7).ifelse(fine / 2e7, coarse / 2e4)


def _collect_unknown_words(rows: Table, context: MeasureContext) -> Any:
    unknown = (rows.status == RecordingStatus.UNKNOWN.value) & rows.provider_status.notnull()
    # Collected and then made unique: a distinct aggregation per group takes longer.
    return rows.provider_status.collect(where=unknown).unique().sort()


# -- storage --------------------------------------------------------------------------------------

_NOTHING_STORED = sorted({each.value for each in RecordingStatus} - {"available", "unknown"})


def _build_billed_amount(rows: Table, context: MeasureContext, provider: str) -> Any:
    """Build the amount that a provider bills per row, in microseconds or bytes; null if unknown.

    The conditions are nested, so that an engine evaluates the inner ones for this provider only.
    """
    import ibis

    price = context.prices.of[provider]
    amount = rows.micros if price.per_minute_month is not None else rows.bytes
    free, unknown = ibis.literal(0, "int64"), ibis.null("int64")
    if price.free_days:
        time = select_time(rows)
        since = to_microseconds(context.now) - price.free_days * DAY
        amount = (time > since).ifelse(free, time.isnull().ifelse(unknown, amount))
    unstored = rows.status.isin(_NOTHING_STORED).ifelse(free, unknown)
    billed = (rows.status == _AVAILABLE).ifelse(amount, unstored)
    return (rows.provider == provider).ifelse(billed, unknown)


def _sum_cost(rows: Table, context: MeasureContext) -> Any:
    import ibis

    total: Any = ibis.literal(0.0, "float64")
    for provider, price in sorted(context.prices.of.items()):
        # The unit in microseconds or bytes, and its price per month.
        unit, rate = 60e6, price.per_minute_month
        if rate is None:
            unit, rate = 1e9, price.per_gb_month or 0.0
        billed = _build_billed_amount(rows, context, provider).sum().fill_null(0).cast("float64")
        # Divided first, so that whole minutes and gigabytes stay exact: 12 at 0.023 are 0.276.
        total = total + billed / unit * ibis.literal(rate, "float64")
    return (_count_known_costs(rows, context) > 0).ifelse(total, ibis.null("float64"))


def _count_known_costs(rows: Table, context: MeasureContext) -> Any:
    import ibis

    counts = [_build_billed_amount(rows, context, each).count() for each in context.prices.of]
    # An aggregation even if there are no prices: a literal 0 would be one value per row.
    return sum(counts[1:], counts[0]) if counts else _count(rows, ibis.literal(False))


# -- the table ------------------------------------------------------------------------------------

#: The names are public: they appear in `--json` and in docs/report.md.
MEASURES = (
    Measure("recordings", "the number of recordings", lambda rows, context: rows.count()),
    Measure("seconds", "the total duration, in seconds", _sum_seconds, "seconds", "seconds_known"),
    Measure(
        "seconds_known",
        "the number of recordings whose duration is known",
        lambda rows, context: rows.seconds.count(),
    ),
    Measure(
        "hours",
        "the total duration, in hours: `seconds` / 3600",
        lambda rows, context: _sum_seconds(rows, context) / 3600.0,
        "number",
        "seconds_known",
    ),
    Measure(
        "bytes",
        "the total size, in bytes",
        lambda rows, context: rows.bytes.sum(),
        "bytes",
        "bytes_known",
    ),
    Measure(
        "bytes_known",
        "the number of recordings whose size is known",
        lambda rows, context: rows.bytes.count(),
    ),
    Measure(
        "seconds_median",
        "the median duration: exact; of an even number, the mean of the two in the middle",
        partial(_compute_quantile, index=0),
        "seconds",
    ),
    Measure(
        "seconds_p95",
        "the 95th percentile of the duration: exact, interpolated between its two neighbours",
        partial(_compute_quantile, index=1),
        "seconds",
    ),
    Measure(
        "failed",
        "the number of recordings that failed",
        partial(_count_condition, name="failed"),
    ),
    Measure(
        "empty",
        "the number of recordings without content, which is not an error",
        partial(_count_condition, name="empty"),
    ),
    Measure(
        "unknown",
        "the number of recordings whose status at the vendor is not supported yet",
        partial(_count_condition, name="unknown"),
    ),
    Measure(
        "unknown_words",
        "the vendors' words for those statuses, each once, in alphabetical order",
        _collect_unknown_words,
        "words",
    ),
    Measure(
        "without_media",
        "the number of recordings that are `available` and have no file to download",
        partial(_count_condition, name="without_media"),
    ),
    Measure(
        "expiring",
        "the number of recordings that are `available` now and whose media the vendor removes "
        "within the period `expiring`",
        partial(_count_condition, name="expiring"),
    ),
    Measure(
        "nearest_expiry",
        "when the vendor next removes the media of a recording that is `available` now",
        lambda rows, context: rows.media_expires_at.min(where=rows.status == _AVAILABLE),
        "time",
    ),
    Measure(
        "undated",
        "the number of recordings with neither `created_at` nor `started_at`; they are in every "
        "window",
        lambda rows, context: _count(rows, rows.created_at.isnull() & rows.started_at.isnull()),
    ),
    Measure(
        "peak_concurrency",
        "the peak number of the group's recordings that ran at once, each over "
        "`[started_at, ended_at)`",
        None,
        known="peak_known",
    ),
    Measure("peak_at", "when that peak was first reached", None, "time"),
    Measure(
        "peak_known",
        "the number of recordings of which both times are known, with the end not before the start",
        lambda rows, context: _count(rows, rows.started_at <= rows.ended_at),
    ),
    Measure(
        "cost",
        "the storage cost per month of `available` recordings, by the price table and in its "
        "currency; 0 within the vendor's free days and for recordings without stored media",
        _sum_cost,
        "number",
        "cost_known",
    ),
    Measure(
        "cost_known", "the number of recordings whose storage cost is known", _count_known_costs
    ),
)
MEASURE_NAMES = tuple(measure.name for measure in MEASURES)
