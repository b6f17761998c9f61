"""How fast do RealtimeKit's page bytes become recordings? Beside Cloudflare's own client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import cloudflare
import httpx
from measure import Row, in_turn, ratio
from rows import realtimekit_page

from recording_core import Recording
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_realtimekit import mapping

NOW = datetime(2026, 6, 5, tzinfo=UTC)
PAGE = realtimekit_page(rows=100)


def ours(decode: Callable[[bytes], Any]) -> Sequence[Recording]:
    """The library's way from bytes to values, as `RealtimeKit.list` takes it."""
    rows = decode(PAGE)["data"]
    read = read_rows(rows, lambda row: mapping.recording(row, "default", NOW))
    assert not read.unreadable
    return read.recordings


# -- Cloudflare's own client, given the same bytes ------------------------------------------------


def cloudflare_way() -> Callable[[], Any]:
    """The official client's list call, its network replaced by the page's bytes."""
    answer = httpx.MockTransport(
        lambda request: httpx.Response(
            200, content=PAGE, headers={"content-type": "application/json"}
        )
    )
    client = cloudflare.Cloudflare(api_token="t", http_client=httpx.Client(transport=answer))
    return lambda: client.realtime_kit.recordings.get_recordings("app", account_id="account").data


def pages_of(way: Callable[[], Any], pages: int = 50) -> Callable[[], None]:
    """The same page so many times, each let go before the next."""

    def work() -> None:
        for _ in range(pages):
            way()

    return work


def main() -> list[Row]:
    """The rows of the table."""
    assert strict_json.find_accelerated_decoder(), (
        "install the extra: pip install recording-core[speed]"
    )
    way = cloudflare_way()
    assert len(way() or ()) == len(ours(strict_json.decode_json_plain)) == 100
    plain, fast = (
        (lambda: ours(strict_json.decode_json_plain)),
        (lambda: ours(strict_json.decode_json)),
    )

    def against(peer: Callable[[], Any], mine: Callable[[], Any]) -> float:
        """How many times as fast `mine` is; two at a time, so that no third heats the caches.

        Some pages each, one after the other as in a listing: the first is read with cold caches.
        """
        times = in_turn({"peer": pages_of(peer), "mine": pages_of(mine)}, rounds=15)
        return ratio(times["peer"], times["mine"])

    against_cloudflare = against(way, plain)
    fast_cloudflare = against(way, fast)
    return [
        ("page bytes → recordings, against the cloudflare client", f"{against_cloudflare:.1f} ×",
         "≥ 5 ×", against_cloudflare >= 5),
        ("the same, with the extra `speed`", f"{fast_cloudflare:.1f} ×", "towards 10 ×", True),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:60} {measured:>8} {wanted:>14} {'holds' if holds else 'FAILS'}")
