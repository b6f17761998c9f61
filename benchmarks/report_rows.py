"""Which rows does the report's benchmark read? Millions, made by DuckDB, in our own schema."""

from __future__ import annotations

from pathlib import Path

import duckdb

from recording_core.reporting.row_schema import COLUMNS, arrow_schema

__all__ = ["write_rows"]

#: A year of four vendors' recordings in order of time, as a folder that was collected has them.
_VALUES = {
    "provider": "'vendor-' || (i % 4)",
    "account": "'default'",
    "recording_id": "'r-' || i",
    "status": "['available', 'available', 'available', 'expired', 'failed', 'empty'][1 + h % 6]",
    "started_at": "moment",
    "ended_at": "moment + to_milliseconds((h // 7) % 3600000)",
    "created_at": "moment",
    "seconds": "CASE WHEN h % 10 > 0 THEN ((h // 7) % 3600000)::DOUBLE / 1000 END",
    "bytes": "((h // 11) % 100000000)::BIGINT",
    "format": "'mp3'",
    "files": "1::BIGINT",
    "media_expires_at": "moment + INTERVAL 30 DAY",
}
_TYPES = {"text": "VARCHAR", "time": "TIMESTAMPTZ", "seconds": "DOUBLE"}


def write_rows(path: Path, count: int) -> str:
    """Write `count` rows, spread over 2025, and answer the file's address."""
    nothing = {each.name: f"NULL::{_TYPES.get(each.type, 'BIGINT')}" for each in COLUMNS}
    columns = ", ".join(f"{value} AS {name}" for name, value in (nothing | _VALUES).items())
    [(key, version)] = (arrow_schema().metadata or {}).items()
    step = 365 * 86_400_000_000 // count
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            f"COPY (SELECT {columns} FROM (SELECT i, (hash(i) % 1000000007)::BIGINT AS h, "
            f"make_timestamptz(1735689600000000 + i * {step}) AS moment FROM range({count}) t(i))) "
            f"TO '{path}' (FORMAT parquet, KV_METADATA {{'{key.decode()}': '{version.decode()}'}})"
        )
    return str(path)
