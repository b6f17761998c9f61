"""What does a report cost beside the SQL that one writes by hand, and does it fit into memory?"""

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
from measure import Row, in_turn, ratio
from pyarrow import parquet
from report_rows import write_rows
from rows import realtimekit_page

import recording_core as rec
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_core.reporting.compute import figures as computing
from recording_core.reporting.compute.engines import DuckDB
from recording_core.reporting.compute.figures import measure
from recording_core.reporting.compute.measures import MEASURES
from recording_realtimekit import mapping

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MILLION = 1_000_000
GROUPS = ("provider", "day", "status")
PAGES = 20

#: vendor x day x status: the same totals, counts and quantiles, as one would write them.
FIGURES = """
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
       count(*) FILTER (WHERE created_at IS NULL AND started_at IS NULL),
       count(*) FILTER (WHERE started_at <= ended_at),
       sum(seconds) FILTER (WHERE provider = 'plivo' AND state = 'available'
                            AND created_at <= {paid}) / 60 * 0.0004,
       count(*) FILTER (WHERE provider = 'plivo' AND (state <> 'available' OR created_at > {paid}))
FROM '{path}' GROUP BY ALL ORDER BY ALL
"""
#: Peak concurrency: the union of starts and ends with a running total.
PEAKS = """
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


def seconds(work: Callable[[], Any]) -> float:
    """By the clock: DuckDB works in several threads."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def by_hand(statement: str, path: str, **more: str) -> float:
    """A statement's seconds, in a connection of its own."""
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
        return seconds(lambda: connection.sql(text).to_arrow_table())


def ours(path: str, what: str, by: tuple[str, ...] = GROUPS) -> float:
    """The seconds that the report spends in one of its statements, or in all of itself."""
    taken: dict[str, float] = {}

    def timed(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*given)
            finally:
                taken[name] = taken.get(name, 0.0) + time.perf_counter() - start

        return run

    names = ("_figures", "_with_peaks")
    before = {name: getattr(computing, name) for name in names}
    for name, work in before.items():
        setattr(computing, name, timed(name, work))
    try:
        whole = seconds(lambda: measure([path], by=by, now=NOW))
    finally:
        for name, work in before.items():
            setattr(computing, name, work)
    return {"all": whole, "figures": taken["_figures"], "peaks": taken["_with_peaks"]}[what]


def against(hand: Callable[[], float], report: Callable[[], float], rounds: int) -> float:
    """The least of each, in turn: what else runs on the machine only adds."""
    pairs = [(hand(), report()) for _ in range(rounds)]
    return min(pair[1] for pair in pairs) / min(pair[0] for pair in pairs)


def figures(path: str, constant: float, rounds: int) -> float:
    """Totals and quantiles, without the constant that Ibis costs."""
    return against(lambda: by_hand(FIGURES, path), lambda: ours(path, "figures") - constant, rounds)


def peaks(path: str, by: tuple[str, ...], constant: float, rounds: int) -> float:
    """Peak concurrency, without that constant."""
    keys = ", ".join(KEYS[name] for name in by)
    return against(
        lambda: by_hand(PEAKS, path, keys=keys, names=", ".join(by)),
        lambda: ours(path, "peaks", by) - constant,
        rounds,
    )


#: All that one statement measures; the peaks are another, with sorts of their own.
NO_PEAKS = tuple(each.name for each in MEASURES if each.expression is not None)
WAYS: dict[str, Callable[[str], object]] = {
    "ours": lambda path: measure([path], by=GROUPS, now=NOW, only=NO_PEAKS),
    "by hand": lambda path: by_hand(FIGURES, path),
}


def memory(way: str, tiny: str, path: str) -> int:
    """By how much a process of its own grows, in bytes, above what few rows take."""
    command = [sys.executable, __file__, way, tiny, path]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.splitlines()[-1])


def grown(way: str, tiny: str, path: str) -> int:
    """What `memory` runs in that process."""

    def peak() -> int:
        # `getrusage` remembers what the process was before it became this one.
        facts = Path("/proc/self/status").read_text(encoding="ascii")
        return int(facts.partition("VmHWM:")[2].split()[0]) * 1024

    WAYS[way](tiny)
    before = peak()
    WAYS[way](path)
    return peak() - before


def pages_to_parquet(folder: Path) -> float:
    """The rate from pages over objects to Parquet, as a share of `json.loads` alone."""
    page = realtimekit_page()

    def recordings() -> Iterator[rec.Recording]:
        for _ in range(PAGES):
            yield from read_rows(
                strict_json.decode_json(page)["data"],
                lambda row: mapping.recording(row, "default", NOW),
            ).recordings

    def written() -> None:
        table = pyarrow.table(rec.rows(recordings()))
        parquet.write_table(table, folder / "out.parquet", compression="zstd")

    ways = {"json": lambda: [json.loads(page) for _ in range(PAGES)], "parquet": written}
    times = in_turn(ways, rounds=9)
    return ratio(times["json"], times["parquet"])


def main() -> list[Row]:
    """The rows of the table."""
    table: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-report-") as name:
        folder = Path(name)
        rate = pages_to_parquet(folder)
        table.append(("pages → objects → Parquet, against `json.loads` alone",
                      f"{rate:.2f} ×", "≥ 0.25 ×", rate >= 0.25))  # fmt: skip
        tiny = write_rows(folder / "tiny.parquet", 1000)
        measure([tiny])  # imports what it needs
        constant = {what: min(ours(tiny, what) for _ in range(3)) for what in ("figures", "peaks")}
        for millions, rounds in ((1, 5), (10, 3), (50, 1)):
            path = write_rows(folder / f"{millions}.parquet", millions * MILLION)
            share = figures(path, constant["figures"], rounds)
            table.append((f"vendor x day x status of {millions} M rows, against SQL by hand",
                          f"{share:.2f} ×", "≤ 1.3 ×", share <= 1.3))  # fmt: skip
            if millions == 10:
                for by in (GROUPS, ("provider",)):
                    share = peaks(path, by, constant["peaks"], 1)
                    table.append((f"peak concurrency by {' x '.join(by)} of 10 M rows, by hand",
                                  f"{share:.2f} ×", "≤ 1.5 ×", share <= 1.5))  # fmt: skip
            print(f"  {millions} M rows", file=sys.stderr, flush=True)
        share = memory("ours", tiny, path) / memory("by hand", tiny, path)
        table.append(("memory that 50 M rows by vendor x day x status take, against that SQL",
                      f"{share:.2f} ×", "≤ 1.2 ×", share <= 1.2))  # fmt: skip
        found = measure([path], by=GROUPS, now=NOW, engine=DuckDB({"memory_limit": "1GiB"}))
        whole = sum(found.column("recordings").to_pylist()) == 50 * MILLION
        table.append(("50 M rows by vendor x day x status under a memory_limit of 1 GiB",
                      "done" if whole else "wrong", "done", whole))  # fmt: skip
    return table


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(grown(*sys.argv[1:]))
        raise SystemExit
    for what, measured, wanted, holds in main():
        print(f"{what:70} {measured:>8} {wanted:>10} {'holds' if holds else 'FAILS'}")
