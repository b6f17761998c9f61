"""How near is a listing to what its vendor's latency allows, and how much does it hold?"""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from measure import Row

import recording_core as rec

HERE = Path(__file__).parent
PAGES, LATENCY, WORKERS = 200, 0.05, 8
SINCE = datetime(2026, 5, 25, tzinfo=UTC)
UNTIL = datetime(2026, 6, 20, tzinfo=UTC)


@contextmanager
def slow_pages(kind: str, pages: int, latency: float) -> Iterator[str]:
    """The origin of a server process that answers each page after `latency` seconds."""
    command = [sys.executable, str(HERE / "slow_pages.py"), kind, str(pages), str(latency)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def realtimekit(origin: str) -> rec.Provider:
    return rec.connect(
        "realtimekit", base_url=f"{origin}/client/v4", account_id="a", app_id="b",
        api_token="token-of-nobody", http=rec.HttpSettings(workers=WORKERS, rate=None),
    )  # fmt: skip


def plivo(origin: str) -> rec.Provider:
    return rec.connect(
        "plivo", base_url=f"{origin}/v1", auth_id="MAXXXXXXXXXXXXXXXXXX",
        auth_token="token-of-nobody", http=rec.HttpSettings(workers=WORKERS, rate=None),
    )  # fmt: skip


def took(
    provider: rec.Provider, since: datetime | None = None, until: datetime | None = None
) -> float:
    """Seconds for a whole sweep, which must be complete."""
    start = time.perf_counter()
    listing = provider.list(since=since, until=until)
    seen = sum(1 for _ in listing)
    seconds = time.perf_counter() - start
    assert seen == PAGES * 100, (seen, listing.coverage)
    assert listing.coverage.complete, listing.coverage
    return seconds


def growth(pages: int) -> float:
    """MiB that a sweep holds at its page 1000 more than at its page 1, ids seen aside."""
    with slow_pages("numbered", pages, 0.0) as origin, realtimekit(origin) as provider:
        tracemalloc.start()
        held: list[int] = []
        for number, _ in enumerate(provider.list()):
            if number % 100 == 50 and number // 100 in (10, pages - 10):
                held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    return (held[1] - held[0]) / 2**20


def main() -> list[Row]:
    """The rows of the table."""
    numbered, cursors = [], []
    for _ in range(3):
        with slow_pages("numbered", PAGES, LATENCY) as origin, realtimekit(origin) as provider:
            took(provider)  # the server's rows and our connections are warm from here on
            numbered.append(took(provider) / (LATENCY * PAGES / WORKERS))
    with slow_pages("cursors", PAGES, LATENCY) as origin, plivo(origin) as provider:
        cursors.append(took(provider, since=SINCE, until=UNTIL) / (LATENCY * PAGES))
    paged, followed, held = sorted(numbered)[1], cursors[0], growth(1000)
    return [
        (f"listing {PAGES} numbered pages, {WORKERS} workers, against latency x pages / workers",
         f"{paged:.2f} ×", "≤ 1.2 ×", paged <= 1.2),
        (f"listing {PAGES} pages by cursor, against latency x pages",
         f"{followed:.2f} ×", "≤ 1.1 ×", followed <= 1.1),
        ("memory from page 10 to page 990 (98,000 ids seen are 14 MiB of it)",
         f"+{held:.0f} MiB", "≤ 25 MiB", held <= 25),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:80} {measured:>8} {wanted:>14} {'holds' if holds else 'FAILS'}")
