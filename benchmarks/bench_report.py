"""Reports: time and memory, compared with SQL written by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
from pyarrow import parquet
from report_rows import write_rows
from timing import BenchmarkRow, compute_ratio, measure_in_turn
from vendor_pages import build_realtimekit_page

import recording_core as rec
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_core.reporting.compute.aggregation import Computation, compute_measures
from recording_core.reporting.compute.engines import DuckDB
from recording_core.reporting.compute.measures import MEASURES
from recording_realtimekit import mapping

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MILLION = 1_000_000
GROUPS = ("provider", "day", "status")
PAGES = 20

#: vendor x day x status: the same totals, counts and quantiles in plain SQL.
MEASURES_SQL = """
SELECT provider, epoch_us(created_at) // 86400000000 AS day,
       CASE WHEN status = 'available' AND epoch_us(media_expires_at) <= {now} THEN 'expired'
            ELSE status END AS state,
       count(*), sum(seconds), count(seconds), sum(bytes), count(bytes),
       quantile_cont(seconds, [0.5, 0.95]),
       count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'empty'),
       count(*) FILTER (WHERE state = 'unknown'),
       list_sort(list_distinct(list(provider_status) FILTER (WHERE state = 'unknown'))),
       count(*) FILTER (WHERE state = 'available' AND files = 0),
       count(*) FILTER (WHERE state = 'available' AND media_expires_at < {soon}),
       min(media_expires_at) FILTER (WHERE state = 'available'),
       count(*) FILTER (WHERE created_at IS NULL AND started_at IS NULL),
       count(*) FILTER (WHERE started_at <= ended_at),
       sum(seconds) FILTER (WHERE provider = 'plivo' AND state = 'available'
                            AND created_at <= {paid}) / 60 * 0.0004,
       count(*) FILTER (WHERE provider = 'plivo' AND (state <> 'available' OR created_at > {paid}))
FROM '{path}' GROUP BY ALL ORDER BY ALL
"""
#: Peak concurrency: the union of starts and ends with a running total.
PEAKS_SQL = """
WITH changes AS (
    SELECT {keys}, epoch_us(started_at) AS tick, 1 AS change FROM '{path}'
    WHERE started_at < ended_at
    UNION ALL SELECT {keys}, epoch_us(ended_at), -1 FROM '{path}' WHERE started_at < ended_at),
running AS (
    SELECT *, sum(change) OVER (PARTITION BY {names} ORDER BY tick, change
                                ROWS UNBOUNDED PRECEDING) AS running FROM changes)
SELECT {names}, max(running), arg_max(tick, running) FROM running GROUP BY ALL
"""
KEYS = {
    "provider": "provider",
    "day": "epoch_us(created_at) // 86400000000 AS day",
    "status": "status",
}


def measure_seconds(function: Callable[[], Any]) -> float:
    """Measure elapsed time, not processor time, since DuckDB works in several threads."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def measure_sql(statement: str, path: str, **more: str) -> float:
    """Measure a statement in seconds, in a new connection."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET preserve_insertion_order = false")
        text = statement.format(
            path=path,
            now=1_767_225_600_000_000,
            soon="TIMESTAMPTZ '2026-01-08 00:00:00+00'",
            paid="TIMESTAMPTZ '2025-10-03 00:00:00+00'",
            **more,
        )
        return measure_seconds(lambda: connection.sql(text).to_arrow_table())


def measure_report(path: str, what: str, by: tuple[str, ...] = GROUPS) -> float:
    """Measure `what` in seconds: the statement `measures` or `peaks`, or `all` of the report."""
    durations: dict[str, float] = {}

    def add_timer(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                durations[name] = durations.get(name, 0.0) + time.perf_counter() - start

        return call

    names = ("aggregate", "add_peaks")
    originals = {name: getattr(Computation, name) for name in names}
    for name, function in originals.items():
        setattr(Computation, name, add_timer(name, function))
    try:
        total = measure_seconds(lambda: compute_measures([path], by=by, now=NOW))
    finally:
        for name, function in originals.items():
            setattr(Computation, name, function)
    return {
        "all": total,
        "measures": durations["aggregate"],
        "peaks": durations["add_peaks"],
    }[what]


def compare(sql: Callable[[], float], report: Callable[[], float], rounds: int) -> float:
    """Compute the ratio of the minimums, in turn: other processes only add time."""
    pairs = [(sql(), report()) for _ in range(rounds)]
    return min(pair[1] for pair in pairs) / min(pair[0] for pair in pairs)


def compare_measures(path: str, constant: float, rounds: int) -> float:
    """Compare totals and quantiles, without the constant time of Ibis."""
    return compare(
        lambda: measure_sql(MEASURES_SQL, path),
        lambda: measure_report(path, "measures") - constant,
        rounds,
    )


def compare_peaks(path: str, by: tuple[str, ...], constant: float, rounds: int) -> float:
    """Compare peak concurrency, without that constant time."""
    keys = ", ".join(KEYS[name] for name in by)
    return compare(
        lambda: measure_sql(PEAKS_SQL, path, keys=keys, names=", ".join(by)),
        lambda: measure_report(path, "peaks", by) - constant,
        rounds,
    )


#: The measures of the first statement; a second one, with further sorts, computes the peaks.
NO_PEAKS = tuple(each.name for each in MEASURES if each.expression is not None)
COMPUTATIONS: dict[str, Callable[[str], object]] = {
    "report": lambda path: compute_measures([path], by=GROUPS, now=NOW, only=NO_PEAKS),
    "sql": lambda path: measure_sql(MEASURES_SQL, path),
}


def measure_memory(name: str, tiny: str, path: str) -> int:
    """Measure in a new process how many bytes more memory `path` takes than `tiny`."""
    command = [sys.executable, __file__, name, tiny, path]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def measure_growth(name: str, tiny: str, path: str) -> int:
    """Measure the memory in the process that `measure_memory` starts."""

    def read_peak() -> int:
        # Not `getrusage`, which includes the memory of the process before `exec`.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    COMPUTATIONS[name](tiny)
    before = read_peak()
    COMPUTATIONS[name](path)
    return read_peak() - before


def compare_pages_to_parquet(folder: Path) -> float:
    """Compare the path from page bytes to recordings to Parquet with `json.loads` alone."""
    page = build_realtimekit_page()

    def read_recordings() -> Iterator[rec.Recording]:
        for _ in range(PAGES):
            yield from read_rows(
                strict_json.decode_json(page)["data"],
                lambda row: mapping.read_recording(row, "default", NOW),
            ).recordings

    def write() -> None:
        table = pyarrow.table(rec.rows(read_recordings()))
        parquet.write_table(table, folder / "out.parquet", compression="zstd")

    functions = {"json": lambda: [json.loads(page) for _ in range(PAGES)], "parquet": write}
    times = measure_in_turn(functions, rounds=9)
    return compute_ratio(times["json"], times["parquet"])


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    table: list[BenchmarkRow] = []
    with tempfile.TemporaryDirectory(prefix="bench-report-") as name:
        folder = Path(name)
        rate = compare_pages_to_parquet(folder)
        table.append(("pages → objects → Parquet, against `json.loads` alone",
                      f"{rate:.2f} ×", "≥ 0.25 ×", rate >= 0.25))  # fmt: skip
        tiny = write_rows(folder / "tiny.parquet", 1000)
        compute_measures([tiny])  # imports the libraries
        constant = {
            what: min(measure_report(tiny, what) for _ in range(3))
            for what in ("measures", "peaks")
        }
        for millions, rounds in ((1, 5), (10, 3), (50, 1)):
            path = write_rows(folder / f"{millions}.parquet", millions * MILLION)
            ratio = compare_measures(path, constant["measures"], rounds)
            table.append((f"vendor x day x status of {millions} M rows, against SQL by hand",
                          f"{ratio:.2f} ×", "≤ 1.3 ×", ratio <= 1.3))  # fmt: skip
            if millions == 10:
                for by in (GROUPS, ("provider",)):
                    ratio = compare_peaks(path, by, constant["peaks"], 1)
                    table.append((f"peak concurrency by {' x '.join(by)} of 10 M rows, against SQL",
                                  f"{ratio:.2f} ×", "≤ 1.5 ×", ratio <= 1.5))  # fmt: skip
            print(f"  {millions} M rows", file=sys.stderr, flush=True)
        ratio = measure_memory("report", tiny, path) / measure_memory("sql", tiny, path)
        table.append(("memory for vendor x day x status of 50 M rows, against SQL by hand",
                      f"{ratio:.2f} ×", "≤ 1.2 ×", ratio <= 1.2))  # fmt: skip
        found = compute_measures(
            [path], by=GROUPS, now=NOW, engine=DuckDB({"memory_limit": "1GiB"})
        )
        correct = sum(found.column("recordings").to_pylist()) == 50 * MILLION
        table.append(("vendor x day x status of 50 M rows with a memory_limit of 1 GiB",
                      "done" if correct else "wrong", "done", correct))  # fmt: skip
    return table


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(measure_growth(*sys.argv[1:]))
        raise SystemExit
    for what, value, limit, ok in main():
        print(f"{what:70} {value:>8} {limit:>10} {'ok' if ok else 'FAILED'}")
