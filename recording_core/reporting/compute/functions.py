"""Functions: whole microseconds since 1970 in Python and in both engines.

Ibis lacks two of the functions; the engines have them under the same names.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibis.expr.types import Table, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000
DAY = 86_400 * SECOND
#: A time longer than from the year 1 to 1970.
_CENTURIES = 2000 * 366 * DAY

#: DuckDB macros under Spark's names. DuckDB's own date functions on times with a zone use the ICU
#: calendar for every row, which takes fourteen times as long as arithmetic on microseconds.
#: https://spark.apache.org/docs/latest/api/sql/#unix_micros
#: https://duckdb.org/docs/stable/sql/functions/timestamp
DUCKDB_MACROS = (
    "CREATE TEMP MACRO unix_micros(t) AS epoch_us(t)",
    "CREATE TEMP MACRO timestamp_micros(n) AS make_timestamp(n)",
)


def to_microseconds(time: datetime) -> int:
    """Convert a time to microseconds since 1970, exactly."""
    return (time - EPOCH) // timedelta(microseconds=1)


@functools.cache
def _build_functions() -> tuple[Any, Any]:
    import ibis
    from ibis.expr import datatypes as dt

    @ibis.udf.scalar.builtin(name="unix_micros", signature=((dt.Timestamp("UTC"),), dt.int64))
    def unix_micros(t): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    @ibis.udf.scalar.builtin(name="timestamp_micros", signature=((dt.int64,), dt.Timestamp()))
    def timestamp_micros(n): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    return unix_micros, timestamp_micros


def cast_to_microseconds(time: Value) -> Any:
    """Cast a time to whole microseconds since 1970."""
    return _build_functions()[0](time)


def cast_to_timestamp(micros: Value) -> Any:
    """Cast whole microseconds since 1970 to a time without a zone, to extract year and month."""
    return _build_functions()[1](micros)


def select_time(rows: Table) -> Any:
    """Select the time that windows and time groupings use, in microseconds since 1970."""
    return cast_to_microseconds(rows.created_at.coalesce(rows.started_at))


def floor(micros: Any, unit: int) -> Any:
    """Round microseconds down to a multiple of a unit."""
    # An engine's remainder has the sign of the dividend, so times before 1970 are made positive.
    return micros - (micros + _CENTURIES // unit * unit) % unit
