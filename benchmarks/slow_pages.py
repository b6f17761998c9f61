"""What does a listing wait for? Servers of their own process: so many pages, so long a page."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rows import ROWS, audian_page, plivo_page, realtimekit_page, voipbin_files, voipbin_page

from recording_core.testing import LoopbackServer, Reply, Request

#: The time that is listed; of VoIPBin's rows, over which they lie evenly.
SINCE, UNTIL = datetime(2025, 6, 20, tzinfo=UTC), datetime(2026, 6, 20, tzinfo=UTC)

Answer = Callable[[Request], bytes]


def audian(pages: int) -> Answer:
    """`offset`, and a total."""

    @functools.cache
    def page(first: int) -> bytes:
        rows = max(0, min(ROWS, pages * ROWS - first))
        return audian_page(rows, first=first, total=pages * ROWS)

    return lambda request: page(int(request.arg("offset") or 0))


def realtimekit(pages: int) -> Answer:
    """`page_no`, and a total."""

    @functools.cache
    def page(number: int) -> bytes:
        rows = ROWS if number <= pages else 0
        return realtimekit_page(rows, first=(number - 1) * ROWS, total=pages * ROWS)

    return lambda request: page(int(request.arg("page_no") or 1))


def plivo(pages: int) -> Answer:
    """`meta.next` with a cursor."""

    @functools.cache
    def page(number: int, path: str) -> bytes:
        following = f"{path}?limit={ROWS}&cursor=c{number + 1}" if number + 1 < pages else None
        return plivo_page(ROWS, first=number * ROWS, following=following, total=pages * ROWS)

    def answer(request: Request) -> bytes:
        cursor = request.arg("cursor")
        return page(int(cursor[1:]) if cursor else 0, request.path)

    return answer


def voipbin(pages: int) -> Answer:
    """`page_token`, a time; and one stored file a recording, in a list of their own."""
    step = (UNTIL - SINCE) / (pages * ROWS)

    @functools.cache
    def page(path: str, first: int) -> bytes:
        rows = max(0, min(ROWS, pages * ROWS - first))
        made = voipbin_files if path.endswith("storage_files") else voipbin_page
        return made(rows, first=first, newest=UNTIL - step, step=step)

    def answer(request: Request) -> bytes:
        token = request.arg("page_token")
        before = datetime.fromisoformat(token) if token else UNTIL
        late = timedelta(minutes=1) if request.path.endswith("storage_files") else timedelta()
        return page(request.path, max(0, (UNTIL + late - before) // step))

    return answer


#: Beside these the emulators, with all that they know, would take longer than what is measured.
VENDORS: dict[str, Callable[[int], Answer]] = {
    "audian": audian,
    "plivo": plivo,
    "realtimekit": realtimekit,
    "voipbin": voipbin,
}

if __name__ == "__main__":
    vendor, count, latency = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    told = VENDORS[vendor](count)

    def answer(request: Request) -> Reply:
        time.sleep(latency)
        return Reply(200, told(request), {"Content-Type": "application/json"})

    with LoopbackServer(answer) as server:
        print(server.origin, flush=True)
        sys.stdin.read()  # until whoever started us goes away
