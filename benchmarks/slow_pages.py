"""What does a listing wait for? A server of its own process: so many pages, so long a page."""

from __future__ import annotations

import functools
import json
import sys
import time
from urllib.parse import urlencode

from rows import realtimekit_page

from recording_core.testing import LoopbackServer, Reply, Request

ROWS = 100


def numbered(pages: int) -> LoopbackServer:
    """RealtimeKit's list: `page_no`, and a total."""

    @functools.cache
    def body(number: int) -> bytes:
        rows = ROWS if number <= pages else 0
        return realtimekit_page(rows, first=(number - 1) * ROWS, total=pages * ROWS)

    def answer(request: Request) -> Reply:
        time.sleep(LATENCY)
        return Reply(200, body(int(request.arg("page_no") or 1)), JSON)

    return LoopbackServer(answer)


def cursors(pages: int) -> LoopbackServer:
    """Plivo's list: `meta.next` with a cursor."""

    @functools.cache
    def body(number: int, path: str) -> bytes:
        more = number + 1 < pages
        query = urlencode({"limit": ROWS, "cursor": f"c{number + 1}"})
        meta = {
            "limit": ROWS,
            "next": f"{path}?{query}" if more else None,
            "total_count": pages * ROWS,
        }
        return json.dumps(
            {
                "api_id": "x",
                "meta": meta,
                "objects": [plivo_row(number * ROWS + i) for i in range(ROWS)],
            }
        ).encode()

    def answer(request: Request) -> Reply:
        time.sleep(LATENCY)
        cursor = request.arg("cursor")
        return Reply(200, body(int(cursor[1:]) if cursor else 0, request.path), JSON)

    return LoopbackServer(answer)


def plivo_row(index: int) -> dict[str, object]:
    """One Recording object."""
    return {
        "add_time": "2026-06-01 16:08:53.523657+05:30",
        "call_uuid": f"f72eea2a-8ea4-4d5c-8a3e-{index:012d}",
        "conference_name": "",
        "from_number": "+15550100",
        "monthly_recording_storage_amount": 0.0008,
        "recording_duration_ms": "7560.00000",
        "recording_end_ms": "1780309130398.00000",
        "recording_format": "mp3",
        "recording_id": f"d405c4eb-0f1a-4b0e-9d0c-{index:012d}",
        "recording_start_ms": "1780309122838.00000",
        "recording_storage_duration": 20,
        "recording_storage_rate": 0.0004,
        "recording_type": "call",
        "recording_url": f"https://media.plivo.com/v1/Account/MA/Recording/{index}.mp3",
        "resource_uri": f"/v1/Account/MA/Recording/{index}/",
        "rounded_recording_duration": 60,
        "to_number": "+15550101",
    }


JSON = {"Content-Type": "application/json"}
LATENCY = 0.05

if __name__ == "__main__":
    kind, pages, latency = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    LATENCY = latency
    with {"numbered": numbered, "cursors": cursors}[kind](pages) as server:
        print(server.origin, flush=True)
        sys.stdin.read()  # until whoever started us goes away
