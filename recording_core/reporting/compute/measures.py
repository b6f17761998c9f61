"""What does a report count? One table: a measure's name, its words, and its Ibis expression.

Every expression is built of whole microseconds and whole bytes, so that each engine comes to the
same number whatever the order in which it adds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.model.capabilities import StoragePrice
from recording_core.model.enums import RecordingStatus
from recording_core.reporting.compute.functions import microseconds
from recording_core.reporting.compute.prices import Prices

if TYPE_CHECKING:
    from ibis.expr.types import Table, Value

__all__ = ["MEASURES", "NAMES", "Measure", "Terms", "micros_of", "reported"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What a 64-bit integer holds in microseconds, in seconds: some 285,000 years.
_LONGEST = 9e12
#: Nine petabytes: no file is larger, and a sum of such sizes stays a 64-bit integer.
_LARGEST = 1 << 53


@frozen
class Terms:
    """What a report was asked: the moment it speaks of, how soon is soon, what storing costs."""

    now: datetime
    expiring: timedelta
    prices: Prices


@frozen
class Measure:
    """One figure of every group.

    `expression` aggregates the rows that `reported` answers. It is None for what goes by another
    table, the running totals of `concurrency.py`.
    """

    name: str
    type: str
    words: str
    expression: Callable[[Table, Terms], Value] | None


def micros_of(moment: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def reported(rows: Table, terms: Terms) -> Table:
    """The rows as a report speaks of them: an `available` whose media has expired is `expired`."""
    gone = (rows.status == RecordingStatus.AVAILABLE.value) & (
        microseconds(rows.media_expires_at) <= micros_of(terms.now)
    )
    # Spelled out: a clip asks twice of each bound whether there is a value at all.
    seconds: Any = (rows.seconds < -_LONGEST).ifelse(-_LONGEST, rows.seconds)
    seconds = (rows.seconds > _LONGEST).ifelse(_LONGEST, seconds)
    return rows.mutate(
        status=gone.fill_null(False).ifelse(RecordingStatus.EXPIRED.value, rows.status),
        bytes=(rows.bytes > _LARGEST).ifelse(_LARGEST, rows.bytes),
        micros=(seconds * 1_000_000).round().cast("int64"),
    )


# -- what several measures share ------------------------------------------------------------------


def _count(rows: Table, where: Any) -> Any:
    # Spark counts by adding, and has no sum where nothing is known.
    return rows.count(where=where).fill_null(0)


def _is(status: RecordingStatus) -> Callable[[Table, Terms], Value]:
    return lambda rows, terms: _count(rows, rows.status == status.value)


def _seconds(rows: Table, terms: Terms) -> Any:
    return rows.micros.sum().cast("float64") / 1e6


def _quantile(index: int) -> Callable[[Table, Terms], Value]:
    def expression(rows: Table, terms: Terms) -> Any:
        # Of one list, so that the engine gathers and sorts a group's values once for both.
        value = rows.seconds.quantile([0.5, 0.95])[index]
        # Engines differ in the last bit on the line between two neighbours. A quantile of whole
        # microseconds lies on a twentieth of one; from 116 days on doubles are too coarse for
        # that, and a twentieth of a millisecond has to do.
        return (value < 1e7).ifelse(
            (value * 2e7).round().cast("float64") / 2e7,
            (value * 2e4).round().cast("float64") / 2e4,
        )

    return expression


def _expiring(rows: Table, terms: Terms) -> Value:
    expires = microseconds(rows.media_expires_at)
    soon = micros_of(terms.now + terms.expiring)
    return _count(rows, (rows.status == RecordingStatus.AVAILABLE.value) & (expires < soon))


def _unknown_words(rows: Table, terms: Terms) -> Any:
    unknown = (rows.status == RecordingStatus.UNKNOWN.value) & rows.provider_status.notnull()
    # Gathered and then made unique: counting each group's different words apart takes longer.
    return rows.provider_status.collect(where=unknown).unique().sort()


def _peak_known(rows: Table, terms: Terms) -> Any:
    return _count(rows, rows.started_at <= rows.ended_at)


# -- storage --------------------------------------------------------------------------------------

_NOTHING_STORED = tuple(
    status.value
    for status in RecordingStatus
    if status not in (RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN)
)


def _billed(rows: Table, terms: Terms, provider: str) -> Any:
    """What this provider bills of each row, as microseconds or bytes; null where nobody knows.

    One question inside another, so that an engine asks the inner one of this provider's rows only.
    """
    import ibis

    price = terms.prices.of[provider]
    amount = rows.micros if price.per_minute_month is not None else rows.bytes
    free, unknown = ibis.literal(0, "int64"), ibis.null("int64")
    if price.free_days:
        when = microseconds(rows.created_at.coalesce(rows.started_at))
        since = micros_of(terms.now) - price.free_days * 86_400_000_000
        amount = (when > since).ifelse(free, when.isnull().ifelse(unknown, amount))
    stored = rows.status == RecordingStatus.AVAILABLE.value
    unstored = rows.status.isin(_NOTHING_STORED).ifelse(free, unknown)
    return (rows.provider == provider).ifelse(stored.ifelse(amount, unstored), unknown)


def _unit(price: StoragePrice) -> tuple[float, float]:
    """(how many microseconds or bytes have a price, that price a month)."""
    if price.per_minute_month is not None:
        return 60e6, price.per_minute_month
    return 1e9, price.per_gb_month or 0.0


def _cost(rows: Table, terms: Terms) -> Any:
    import ibis

    total: Any = ibis.literal(0.0, "float64")
    for provider, price in sorted(terms.prices.of.items()):
        unit, rate = _unit(price)
        # Divided first: whole minutes and gigabytes stay whole, and 12 at 0.023 are 0.276.
        billed = _billed(rows, terms, provider).sum().fill_null(0).cast("float64") / unit
        total = total + billed * ibis.literal(rate, "float64")
    return (_cost_known(rows, terms) > 0).ifelse(total, ibis.null("float64"))


def _cost_known(rows: Table, terms: Terms) -> Any:
    import ibis

    counts = [_billed(rows, terms, provider).count() for provider in sorted(terms.prices.of)]
    # Counted also where nothing has a price: a mere 0 would be a figure of each row.
    return sum(counts[1:], counts[0]) if counts else _count(rows, ibis.literal(False))


# -- the table ------------------------------------------------------------------------------------

#: The names are promises, in `--json` and in docs/report.md.
MEASURES = (
    Measure("recordings", "count", "recordings", lambda rows, terms: rows.count()),
    Measure("seconds", "seconds", "their length together, in seconds", _seconds),
    Measure(
        "seconds_known",
        "count",
        "of how many recordings the length is known",
        lambda rows, terms: rows.seconds.count(),
    ),
    Measure(
        "hours",
        "number",
        "their length together, in hours: `seconds` / 3600",
        lambda rows, terms: _seconds(rows, terms) / 3600.0,
    ),
    Measure(
        "bytes",
        "bytes",
        "their size together, in bytes",
        lambda rows, terms: rows.bytes.sum(),
    ),
    Measure(
        "bytes_known",
        "count",
        "of how many recordings the size is known",
        lambda rows, terms: rows.bytes.count(),
    ),
    Measure(
        "seconds_median",
        "seconds",
        "the median length: exact, and half-way between the two in the middle of an even number",
        _quantile(0),
    ),
    Measure(
        "seconds_p95",
        "seconds",
        "the 95th percentile of the length: exact, on the line between its two neighbours",
        _quantile(1),
    ),
    Measure("failed", "count", "recordings that failed", _is(RecordingStatus.FAILED)),
    Measure(
        "empty", "count", "recordings of nothing, which is no error", _is(RecordingStatus.EMPTY)
    ),
    Measure(
        "unknown",
        "count",
        "recordings in a state for which the vendor has a word that we don't know",
        _is(RecordingStatus.UNKNOWN),
    ),
    Measure(
        "unknown_words", "words", "those words, each once, in alphabetical order", _unknown_words
    ),
    Measure(
        "without_media",
        "count",
        "recordings that are `available`, and of which no file can be had",
        lambda rows, terms: _count(
            rows, (rows.status == RecordingStatus.AVAILABLE.value) & (rows.files == 0)
        ),
    ),
    Measure(
        "expiring",
        "count",
        "recordings that are `available` now and whose media the vendor removes within the days "
        "asked for",
        _expiring,
    ),
    Measure(
        "undated",
        "count",
        "recordings with neither `created_at` nor `started_at`, which stand in every window",
        lambda rows, terms: _count(rows, rows.created_at.isnull() & rows.started_at.isnull()),
    ),
    Measure(
        "peak_concurrency",
        "count",
        "how many of the group's recordings ran at once at most, each from `started_at` until "
        "just before `ended_at`; one that ends as it starts never runs",
        None,
    ),
    Measure("peak_at", "time", "when that was first reached", None),
    Measure(
        "peak_known",
        "count",
        "of how many recordings both times are known, the end not before the start",
        _peak_known,
    ),
    Measure(
        "cost",
        "number",
        "what storing that which is `available` costs a month, by the price table and in its "
        "currency; after the vendor's free days, and nothing where no media is stored",
        _cost,
    ),
    Measure("cost_known", "count", "of how many recordings that is known", _cost_known),
)
NAMES = tuple(measure.name for measure in MEASURES)
