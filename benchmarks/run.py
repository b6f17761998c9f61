"""Runner: run every benchmark, print the table and write it to docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
BENCHMARKS = (
    "bench_import",
    "bench_mapping",
    "bench_vendors",
    "bench_plivo",
    "bench_listing",
    "bench_download",
    "bench_archive",
    "bench_webhooks",
    "bench_report",
)
MARK = "<!-- measured: what follows is written by `make bench` -->"


def run_benchmark(name: str) -> list[list[str | bool]]:
    """Run a benchmark in a new process and return its rows."""
    code = f"import json, {name}; print('\\n' + json.dumps({name}.main()))"
    process = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, check=True, stdout=subprocess.PIPE
    )
    found: list[list[str | bool]] = json.loads(process.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Run all benchmarks; returns 0 if every value is within its limit."""
    rows = []
    for name in BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += run_benchmark(name)
    lines = ["| benchmark | measured | limit | |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {value} | {limit} | {'✓' if ok else '✗'} |" for what, value, limit, ok in rows
    ]
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()} on {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} cores; "
        + ", ".join(
            f"{name} {metadata.version(name)}"
            for name in (
                "attrs",
                "requests",
                "orjson",
                "pydantic",
                "cloudflare",
                "duckdb",
                "pyarrow",
            )
        )
        + ". Each ratio compares two functions that were measured in turn in one run."
    )
    table = "\n".join(lines)
    print(f"{machine}\n\n{table}")
    before = PAGE.read_text().partition(MARK)[0] if PAGE.exists() else "# Performance\n\n"
    PAGE.write_text(f"{before}{MARK}\n\n{machine}\n\n{table}\n")
    return 0 if all(ok for *_, ok in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
