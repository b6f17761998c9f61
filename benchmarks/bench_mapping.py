"""RealtimeKit mapping: page bytes to recordings, compared with Cloudflare's own client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import cloudflare
import httpx
from timing import BenchmarkRow, compute_ratio, measure_in_turn
from vendor_pages import build_realtimekit_page

from recording_core import Recording
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_realtimekit import mapping

NOW = datetime(2026, 6, 5, tzinfo=UTC)
PAGE = build_realtimekit_page(rows=100)


def map_page(decode: Callable[[bytes], Any]) -> Sequence[Recording]:
    """Map a page's bytes to recordings as `RealtimeKit.list` does."""
    rows = decode(PAGE)["data"]
    read = read_rows(rows, lambda row: mapping.read_recording(row, "default", NOW))
    assert not read.unreadable
    return read.recordings


# -- Cloudflare's own client, with the same bytes -------------------------------------------------


def build_cloudflare_call() -> Callable[[], Any]:
    """Build the official client's list call; a mock transport returns the page's bytes."""
    transport = httpx.MockTransport(
        lambda request: httpx.Response(
            200, content=PAGE, headers={"content-type": "application/json"}
        )
    )
    client = cloudflare.Cloudflare(api_token="t", http_client=httpx.Client(transport=transport))
    return lambda: client.realtime_kit.recordings.get_recordings("app", account_id="account").data


def repeat(function: Callable[[], Any], count: int = 50) -> Callable[[], None]:
    """Repeat a function; each result is released before the next call."""

    def call_repeatedly() -> None:
        for _ in range(count):
            function()

    return call_repeatedly


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    assert strict_json.find_accelerated_decoder(), (
        "install the extra: pip install recording-core[speed]"
    )
    official = build_cloudflare_call()
    assert len(official() or ()) == len(map_page(strict_json.decode_json_plain)) == 100
    plain, fast = (
        (lambda: map_page(strict_json.decode_json_plain)),
        (lambda: map_page(strict_json.decode_json)),
    )

    def compute_speedup(reference: Callable[[], Any], ours: Callable[[], Any]) -> float:
        """Compute how many times as fast `ours` is.

        Only two functions are measured at a time, so that no third one warms the caches. Each maps
        several pages in a row, as a listing does, since the first is read with cold caches.
        """
        times = measure_in_turn({"reference": repeat(reference), "ours": repeat(ours)}, rounds=15)
        return compute_ratio(times["reference"], times["ours"])

    against_cloudflare = compute_speedup(official, plain)
    fast_cloudflare = compute_speedup(official, fast)
    return [
        ("page bytes → recordings, against the cloudflare client", f"{against_cloudflare:.1f} ×",
         "≥ 4.5 ×", against_cloudflare >= 4.5),
        ("the same, with the extra `speed`", f"{fast_cloudflare:.1f} ×", "towards 10 ×", True),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:60} {value:>8} {limit:>14} {'ok' if ok else 'FAILED'}")
