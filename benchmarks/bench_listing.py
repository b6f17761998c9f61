"""Listings: time compared with what the vendor's latency allows, and memory."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from statistics import median

from attrs import frozen
from listing_server import SINCE, UNTIL
from timing import BenchmarkRow
from vendor_pages import ROWS

import recording_core as rec

HERE = Path(__file__).parent
PAGES, LATENCY, WORKERS = 200, 0.05, 8
#: The number of recordings in the sweep whose memory is measured.
MANY = 200_000


@frozen
class PagingCase:
    """A vendor's paging: the requests per page, how many run in parallel, and the limit.

    `pages` describes the pages. `limit` is the largest allowed ratio of the measured time to the
    time that the latency of the requests alone takes.
    """

    vendor: str
    pages: str
    requests: int
    parallel: int
    limit: float
    path: str
    settings: Mapping[str, str]


CASES = (
    PagingCase("realtimekit", "numbered pages", 1, WORKERS, 1.2, "/client/v4",
        {"account_id": "a", "app_id": "b", "api_token": "token-of-the-benchmark"}),
    PagingCase("audian", "offsets", 1, WORKERS, 1.2, "/v2", {"api_key": "key-of-the-benchmark"}),
    PagingCase("plivo", "pages by cursor", 1, 1, 1.1, "/v1",
        {"auth_id": "MAXXXXXXXXXXXXXXXXXX", "auth_token": "token-of-the-benchmark"}),
    PagingCase("twilio", "pages by link", 1, 1, 1.1, "/2010-04-01",
        {"account_sid": "AC0123456789abcdef0123456789abcdef",
         "auth_token": "token-of-the-benchmark"}),
    # A page of recordings and one of their files; each contains the start of the next page.
    PagingCase("voipbin", "pages by time, and as many of files", 2, 1, 1.1, "/v1.0",
        {"token": "token-of-the-benchmark"}),
)  # fmt: skip


@contextmanager
def connect(case: PagingCase, pages: int, latency: float) -> Iterator[rec.Provider]:
    """Connect to a server process that returns each page after `latency` seconds."""
    command = [
        sys.executable,
        str(HERE / "listing_server.py"),
        case.vendor,
        str(pages),
        str(latency),
    ]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            origin = process.stdout.readline().strip()
            with rec.connect(
                case.vendor,
                base_url=origin + case.path,
                http=rec.HttpSettings(workers=WORKERS, rate=None),
                **case.settings,
            ) as provider:
                yield provider
        finally:
            process.kill()


def build_listing(provider: rec.Provider) -> rec.Listing:
    """Build the listing to sweep; Plivo's window is below the 30 days at which it is split."""
    since = UNTIL - timedelta(days=26) if provider.name == "plivo" else SINCE
    return provider.list(since=since, until=UNTIL)


def measure_sweep(provider: rec.Provider) -> float:
    """Measure a whole sweep in seconds, and check that it is complete."""
    start = time.perf_counter()
    listing = build_listing(provider)
    seen = {recording.id for recording in listing}
    seconds = time.perf_counter() - start
    assert len(seen) == PAGES * ROWS, (len(seen), listing.coverage)
    assert listing.coverage.complete, listing.coverage
    return seconds


def measure_latency(case: PagingCase, origin: str) -> float:
    """Measure what latency allows: the seconds in which plain connections fetch as many pages.

    There are as many connections as the sweep has, and nothing is decoded. It is a little more than
    `LATENCY` per page: a server sleeps too long, and needs time of its own.
    """

    def fetch_pages(_: int) -> None:
        with closing(HTTPConnection(origin.removeprefix("http://"))) as connection:
            for _ in range(PAGES * case.requests // case.parallel):
                connection.request("GET", f"{case.path}/recordings")
                connection.getresponse().read()

    start = time.perf_counter()
    with ThreadPoolExecutor(case.parallel) as threads:
        list(threads.map(fetch_pages, range(case.parallel)))
    return time.perf_counter() - start


def compare_with_latency(case: PagingCase) -> float:
    """Compute the ratio to the time that latency allows; the median of three sweeps."""
    with connect(case, PAGES, LATENCY) as provider:
        measure_sweep(provider)  # fills the server's cache and opens our connections
        origin = provider.transport.base_url.removesuffix(case.path)
        minimum = measure_latency(case, origin)
        return median(measure_sweep(provider) for _ in range(3)) / minimum


def measure_growth(case: PagingCase) -> float:
    """Measure how many MiB a sweep of many recordings grows from its tenth page to its end."""
    with connect(case, MANY // ROWS, 0.0) as provider:
        tracemalloc.start()
        memory: list[int] = []
        for number, _ in enumerate(build_listing(provider)):
            if number in (10 * ROWS, MANY - 10 * ROWS):
                memory.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    return (memory[1] - memory[0]) / 2**20


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    rows: list[BenchmarkRow] = []
    for case in CASES:
        ratio, growth = compare_with_latency(case), measure_growth(case)
        rows += [
            (f"{case.vendor}: a list of {PAGES} {case.pages}, against what latency allows",
             f"{ratio:.2f} ×", f"≤ {case.limit} ×", ratio <= case.limit),
            (f"{case.vendor}: memory from its 10th page to its end at {MANY:,} recordings",
             f"+{growth:.0f} MiB", "≤ 50 MiB", growth <= 50),
        ]  # fmt: skip
        print(f"  {case.vendor}", file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:84} {value:>8} {limit:>10} {'ok' if ok else 'FAILED'}")
