"""Which functions do the engines have that Ibis has no word for? Both know them by these names."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibis.expr.types import Value

__all__ = ["DUCKDB_MACROS", "microseconds", "moment"]

#: Spark's names; DuckDB is taught them. Its own date functions on times with a zone ask ICU's
#: calendar for every row, which takes fourteen times as long as counting microseconds.
#: https://spark.apache.org/docs/latest/api/sql/#unix_micros
#: https://duckdb.org/docs/stable/sql/functions/timestamp
DUCKDB_MACROS = (
    "CREATE TEMP MACRO unix_micros(t) AS epoch_us(t)",
    "CREATE TEMP MACRO timestamp_micros(n) AS make_timestamp(n)",
)


@functools.cache
def _builtins() -> tuple[Any, Any]:
    import ibis
    from ibis.expr import datatypes as dt

    @ibis.udf.scalar.builtin(name="unix_micros", signature=((dt.Timestamp("UTC"),), dt.int64))
    def unix_micros(t): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    @ibis.udf.scalar.builtin(name="timestamp_micros", signature=((dt.int64,), dt.Timestamp()))
    def timestamp_micros(n): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202

    return unix_micros, timestamp_micros


def microseconds(time: Value) -> Any:
    """A time as whole microseconds since 1970."""
    return _builtins()[0](time)


def moment(micros: Value) -> Any:
    """Whole microseconds since 1970 as a time without a zone, to ask for its year and month."""
    return _builtins()[1](micros)
