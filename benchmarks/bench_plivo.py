"""How fast do Plivo's page bytes become recordings? Beside Plivo's own client, mapped alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import plivo
import requests
from measure import Row, in_turn, ratio
from plivo.base import ListResponseObject
from plivo.resources.recordings import Recording as TheirRecording
from rows import plivo_page

from recording_core import Recording
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_core.redaction import redact_payload
from recording_plivo import mapping

NOW = datetime(2026, 6, 5, tzinfo=UTC)
#: Plivo's pages hold 20 rows at most: a listing is many of them.
PAGES = [plivo_page(20, first=20 * number) for number in range(200)]
_CLIENT = plivo.RestClient("MAXXXXXXXXXXXXXXXXXX", "token")
#: What their objects have beside the row.
_THEIRS = ("client", "_name")


def ours(page: bytes, decode: Callable[[bytes], Any]) -> Sequence[Recording]:
    """The library's way from bytes to values, as `Plivo.list` takes it."""
    read = read_rows(decode(page)["objects"], lambda row: mapping.recording(row, "default"))
    assert not read.unreadable
    return read.recordings


def theirs(page: bytes) -> Sequence[Recording]:
    """The official client's objects of the same bytes, and then our mapping of each.

    From the answer on: what its `requests` does before is in neither way. `raw` becomes the row
    again, with credentials masked at any depth, since the output shall be equal.
    """
    answer = requests.Response()
    answer.status_code, answer.encoding = 200, "utf-8"
    answer._content = page
    found = _CLIENT.process_response("GET", answer, ListResponseObject, TheirRecording)
    return [
        mapping.recording(
            redact_payload({name: it for name, it in vars(each).items() if name not in _THEIRS}),
            "default",
        )
        for each in found.objects
    ]


def all_pages(way: Callable[[bytes], Any], pages: Sequence[bytes] = PAGES) -> Callable[[], None]:
    """One page after the other, as a listing goes, each let go before the next."""

    def work() -> None:
        for page in pages:
            way(page)

    return work


def main() -> list[Row]:
    """The rows of the table."""
    one, other = ours(PAGES[0], strict_json.decode_json_plain), theirs(PAGES[0])
    assert one == other
    assert [each.raw for each in one] == [each.raw for each in other]
    plain = all_pages(lambda page: ours(page, strict_json.decode_json_plain))
    fast = all_pages(lambda page: ours(page, strict_json.decode_json))
    official = all_pages(theirs)
    against = in_turn({"official": official, "ours": plain}, rounds=11)
    accelerated = in_turn({"official": official, "ours": fast}, rounds=11)
    figure = ratio(against["official"], against["ours"])
    with_speed = ratio(accelerated["official"], accelerated["ours"])
    return [
        ("Plivo's page bytes → recordings, against its official client and the same mapping",
         f"{figure:.2f} ×", "≥ 1.2 ×", figure >= 1.2),
        ("the same, with the extra `speed`", f"{with_speed:.2f} ×", "–", True),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:84} {measured:>8} {wanted:>10} {'holds' if holds else 'FAILS'}")
