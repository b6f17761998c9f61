"""Listing server, for a process of its own: a vendor's list with fixed page count and latency."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from vendor_pages import (
    ROWS,
    build_audian_page,
    build_plivo_page,
    build_realtimekit_page,
    build_voipbin_files,
    build_voipbin_page,
)

from recording_core.testing import LoopbackServer, Reply, Request

#: The window that is listed; VoIPBin's rows are spread evenly over it.
SINCE, UNTIL = datetime(2025, 6, 20, tzinfo=UTC), datetime(2026, 6, 20, tzinfo=UTC)

PageFunction = Callable[[Request], bytes]


def build_audian(pages: int) -> PageFunction:
    """Serve pages by `offset`, with a total."""

    @functools.cache
    def page(first: int) -> bytes:
        rows = max(0, min(ROWS, pages * ROWS - first))
        return build_audian_page(rows, first=first, total=pages * ROWS)

    return lambda request: page(int(request.arg("offset") or 0))


def build_realtimekit(pages: int) -> PageFunction:
    """Serve pages by `page_no`, with a total."""

    @functools.cache
    def page(number: int) -> bytes:
        rows = ROWS if number <= pages else 0
        return build_realtimekit_page(rows, first=(number - 1) * ROWS, total=pages * ROWS)

    return lambda request: page(int(request.arg("page_no") or 1))


def build_plivo(pages: int) -> PageFunction:
    """Serve pages by the cursor of `meta.next`."""

    @functools.cache
    def page(number: int, path: str) -> bytes:
        following = f"{path}?limit={ROWS}&cursor=c{number + 1}" if number + 1 < pages else None
        return build_plivo_page(ROWS, first=number * ROWS, following=following, total=pages * ROWS)

    def build_response(request: Request) -> bytes:
        cursor = request.arg("cursor")
        return page(int(cursor[1:]) if cursor else 0, request.path)

    return build_response


def build_voipbin(pages: int) -> PageFunction:
    """Serve pages by `page_token`, a time; and one stored file per recording, in a second list."""
    step = (UNTIL - SINCE) / (pages * ROWS)

    @functools.cache
    def page(path: str, first: int) -> bytes:
        rows = max(0, min(ROWS, pages * ROWS - first))
        build = build_voipbin_files if path.endswith("storage_files") else build_voipbin_page
        return build(rows, first=first, newest=UNTIL - step, step=step)

    def build_response(request: Request) -> bytes:
        token = request.arg("page_token")
        before = datetime.fromisoformat(token) if token else UNTIL
        delay = timedelta(minutes=1) if request.path.endswith("storage_files") else timedelta()
        return page(request.path, max(0, (UNTIL + delay - before) // step))

    return build_response


#: Not the emulators: with all their rules they would take longer than what is measured.
VENDORS: dict[str, Callable[[int], PageFunction]] = {
    "audian": build_audian,
    "plivo": build_plivo,
    "realtimekit": build_realtimekit,
    "voipbin": build_voipbin,
}

if __name__ == "__main__":
    vendor, count, latency = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    build_page = VENDORS[vendor](count)

    def respond(request: Request) -> Reply:
        time.sleep(latency)
        return Reply(200, build_page(request), {"Content-Type": "application/json"})

    with LoopbackServer(respond) as server:
        print(server.origin, flush=True)
        sys.stdin.read()  # until the parent process ends
