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
    build_twilio_page,
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


def build_realtimekit(pages: int, media: str = "", size: int = 0) -> PageFunction:
    """Serve pages by `page_no`, with a total; `media` is the origin of the files of that size."""

    @functools.cache
    def page(number: int) -> bytes:
        rows = ROWS if number <= pages else 0
        return build_realtimekit_page(rows, (number - 1) * ROWS, pages * ROWS, media, size)

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


def build_twilio(pages: int) -> PageFunction:
    """Serve pages by a token that contains the SID of the last row of the page before."""

    @functools.cache
    def page(first: int) -> bytes:
        rows = max(0, min(ROWS, pages * ROWS - first))
        last = first + rows
        more = f"PageToken=PARE{last - 1:032x}" if last < pages * ROWS else None
        return build_twilio_page(rows, first, more)

    def build_response(request: Request) -> bytes:
        token = request.arg("PageToken")
        return page(int(token[4:], 16) + 1 if token else 0)

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
VENDORS: dict[str, Callable[..., PageFunction]] = {
    "audian": build_audian,
    "plivo": build_plivo,
    "realtimekit": build_realtimekit,
    "twilio": build_twilio,
    "voipbin": build_voipbin,
}

if __name__ == "__main__":
    vendor, count, latency = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    media = {"media": sys.argv[4], "size": int(sys.argv[5])} if len(sys.argv) > 4 else {}
    build_page = VENDORS[vendor](count, **media)

    def respond(request: Request) -> Reply:
        time.sleep(latency)
        return Reply(200, build_page(request), {"Content-Type": "application/json"})

    with LoopbackServer(respond) as server:
        print(server.origin, flush=True)
        sys.stdin.read()  # until the parent process ends
