"""How near is a listing to what its vendor's latency allows, and how much does it hold?"""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from attrs import frozen
from measure import Row
from rows import ROWS
from slow_pages import SINCE, UNTIL

import recording_core as rec

HERE = Path(__file__).parent
PAGES, LATENCY, WORKERS = 200, 0.05, 8
#: How many recordings a sweep lists while its memory is looked at.
MANY = 200_000


@frozen
class Way:
    """How a vendor's list is paged: what it waits for at the least, and how near we are to come.

    `requests` are those of a page, of which `at_once` are on their way at a time; `why` says so.
    """

    vendor: str
    why: str
    requests: int
    at_once: int
    limit: float
    path: str
    settings: Mapping[str, str]


WAYS = (
    Way("realtimekit", "numbered pages", 1, WORKERS, 1.2, "/client/v4",
        {"account_id": "a", "app_id": "b", "api_token": "token-of-nobody"}),
    Way("audian", "offsets", 1, WORKERS, 1.2, "/v2", {"api_key": "key-of-nobody"}),
    Way("plivo", "pages by cursor", 1, 1, 1.1, "/v1",
        {"auth_id": "MAXXXXXXXXXXXXXXXXXX", "auth_token": "token-of-nobody"}),
    # A page of recordings and one of their files, each of which tells where the next begins.
    Way("voipbin", "pages by time, and as many of files", 2, 1, 1.1, "/v1.0",
        {"token": "token-of-nobody"}),
)  # fmt: skip


@contextmanager
def connected(way: Way, pages: int, latency: float) -> Iterator[rec.Provider]:
    """A client of a server process that answers each page after `latency` seconds."""
    command = [sys.executable, str(HERE / "slow_pages.py"), way.vendor, str(pages), str(latency)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            origin = process.stdout.readline().strip()
            with rec.connect(
                way.vendor,
                base_url=origin + way.path,
                http=rec.HttpSettings(workers=WORKERS, rate=None),
                **way.settings,
            ) as provider:
                yield provider
        finally:
            process.kill()


def listing_of(provider: rec.Provider) -> rec.Listing:
    """What is swept; Plivo is asked for 30 days at most at a time, and so for a window of those."""
    since = UNTIL - timedelta(days=26) if provider.name == "plivo" else SINCE
    return provider.list(since=since, until=UNTIL)


def took(provider: rec.Provider) -> float:
    """Seconds for a whole sweep, which must be complete."""
    start = time.perf_counter()
    listing = listing_of(provider)
    seen = {recording.id for recording in listing}
    seconds = time.perf_counter() - start
    assert len(seen) == PAGES * ROWS, (len(seen), listing.coverage)
    assert listing.coverage.complete, listing.coverage
    return seconds


def share(way: Way) -> float:
    """Of what latency allows; the middle of three sweeps."""
    least = LATENCY * PAGES * way.requests / way.at_once
    with connected(way, PAGES, LATENCY) as provider:
        took(provider)  # the server's rows and our connections are warm from here on
        return sorted(took(provider) for _ in range(3))[1] / least


def growth(way: Way) -> float:
    """MiB that a sweep of many recordings holds near its end more than at its tenth page."""
    with connected(way, MANY // ROWS, 0.0) as provider:
        tracemalloc.start()
        held: list[int] = []
        for number, _ in enumerate(listing_of(provider)):
            if number in (10 * ROWS, MANY - 10 * ROWS):
                held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    return (held[1] - held[0]) / 2**20


def main() -> list[Row]:
    """The rows of the table."""
    rows: list[Row] = []
    for way in WAYS:
        paged, held = share(way), growth(way)
        rows += [
            (f"{way.vendor}: a list of {PAGES} {way.why}, against what latency allows",
             f"{paged:.2f} ×", f"≤ {way.limit} ×", paged <= way.limit),
            (f"{way.vendor}: memory from its 10th page to its end at {MANY:,} recordings",
             f"+{held:.0f} MiB", "≤ 50 MiB", held <= 50),
        ]  # fmt: skip
        print(f"  {way.vendor}", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:84} {measured:>8} {wanted:>10} {'holds' if holds else 'FAILS'}")
