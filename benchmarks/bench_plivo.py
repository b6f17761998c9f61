"""Plivo mapping: page bytes to recordings, compared with Plivo's own client plus our mapping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import plivo
import requests
from plivo.base import ListResponseObject
from plivo.resources.recordings import Recording as OfficialRecording
from timing import BenchmarkRow, compute_ratio, measure_in_turn
from vendor_pages import build_plivo_page

from recording_core import Recording
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_core.redaction import redact_payload
from recording_plivo import mapping

NOW = datetime(2026, 6, 5, tzinfo=UTC)
#: Plivo's pages hold at most 20 rows, so a listing has many pages.
PAGES = [build_plivo_page(20, first=20 * number) for number in range(200)]
_CLIENT = plivo.RestClient("MAXXXXXXXXXXXXXXXXXX", "token")
#: The attributes of the official client's objects in addition to the row.
_CLIENT_ATTRIBUTES = ("client", "_name")


def map_page(page: bytes, decode: Callable[[bytes], Any]) -> Sequence[Recording]:
    """Map a page's bytes to recordings as `Plivo.list` does."""
    read = read_rows(decode(page)["objects"], lambda row: mapping.read_recording(row, "default"))
    assert not read.unreadable
    return read.recordings


def map_official_page(page: bytes) -> Sequence[Recording]:
    """Decode a page with the official client, then map its objects with our mapping.

    Neither function includes the HTTP request. `raw` becomes the row again, with credentials masked
    at any depth, so that the output is equal.
    """
    response = requests.Response()
    response.status_code, response.encoding = 200, "utf-8"
    response._content = page
    found = _CLIENT.process_response("GET", response, ListResponseObject, OfficialRecording)
    return [
        mapping.read_recording(
            redact_payload(
                {
                    name: value
                    for name, value in vars(each).items()
                    if name not in _CLIENT_ATTRIBUTES
                }
            ),
            "default",
        )
        for each in found.objects
    ]


def map_all(function: Callable[[bytes], Any], pages: Sequence[bytes] = PAGES) -> Callable[[], None]:
    """Map all pages as a listing does; each result is released before the next page."""

    def map_pages() -> None:
        for page in pages:
            function(page)

    return map_pages


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    one, other = map_page(PAGES[0], strict_json.decode_json_plain), map_official_page(PAGES[0])
    assert one == other
    assert [each.raw for each in one] == [each.raw for each in other]
    plain = map_all(lambda page: map_page(page, strict_json.decode_json_plain))
    fast = map_all(lambda page: map_page(page, strict_json.decode_json))
    official = map_all(map_official_page)
    times = measure_in_turn({"official": official, "ours": plain}, rounds=11)
    accelerated = measure_in_turn({"official": official, "ours": fast}, rounds=11)
    speedup = compute_ratio(times["official"], times["ours"])
    with_speed = compute_ratio(accelerated["official"], accelerated["ours"])
    return [
        ("Plivo's page bytes → recordings, against its official client and the same mapping",
         f"{speedup:.2f} ×", "≥ 1.2 ×", speedup >= 1.2),
        ("the same, with the extra `speed`", f"{with_speed:.2f} ×", "–", True),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:84} {value:>8} {limit:>10} {'ok' if ok else 'FAILED'}")
