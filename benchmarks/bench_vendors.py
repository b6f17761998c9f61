"""How fast do each vendor's page bytes become recordings? Beside pydantic v2 and `json.loads`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import frozen
from measure import Row, in_turn, ratio
from pydantic_ways import BASE_URL, NOW, WAYS
from rows import audian_page, plivo_page, realtimekit_page, voipbin_page

from recording_audian import mapping as audian
from recording_core import Recording
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_plivo import mapping as plivo
from recording_realtimekit import mapping as realtimekit
from recording_voipbin import mapping as voipbin

ROUNDS = 15


@frozen
class Vendor:
    """A page as the vendor sends it, where its rows are, and how we read one."""

    name: str
    page: bytes
    key: str
    read: Callable[[Mapping[str, Any]], Recording]


#: Pages as large as the vendors make them.
VENDORS = (
    Vendor(
        "Audian",
        audian_page(),
        "data",
        lambda row: audian.recording(row, "default", BASE_URL, NOW),
    ),
    Vendor("Plivo", plivo_page(20), "objects", lambda row: plivo.recording(row, "default")),
    Vendor(
        "RealtimeKit",
        realtimekit_page(100),
        "data",
        lambda row: realtimekit.recording(row, "default", NOW),
    ),
    # Its files come from another list.
    Vendor("VoIPBin", voipbin_page(), "result", lambda row: voipbin.recording(row, "default")),
)


def ours(vendor: Vendor, decode: Callable[[bytes], Any]) -> list[Recording]:
    """The library's way from bytes to values, as a listing takes it."""
    found = read_rows(decode(vendor.page)[vendor.key], vendor.read)
    assert not found.unreadable
    return list(found.recordings)


def check_alike(vendor: Vendor) -> None:
    """Both ways end in the same fields: what we compare is the same work."""
    theirs = [each.model_dump() for each in WAYS[vendor.name](vendor.page)]
    mine = [
        attrs.asdict(each, recurse=True) for each in ours(vendor, strict_json.decode_json_plain)
    ]
    assert len(theirs) == len(mine)
    for one, other in zip(mine, theirs, strict=True):
        different = {name for name in one if one[name] != other[name]}
        assert not different, (vendor.name, {name: (one[name], other[name]) for name in different})


def against(vendor: Vendor, peer: Callable[[], object], mine: Callable[[], object]) -> float:
    """How many times as fast `mine` is, over as many pages as some hundred kilobytes are."""
    pages = max(1, 2_000_000 // len(vendor.page))

    def all_pages(way: Callable[[], object]) -> Callable[[], None]:
        def work() -> None:
            for _ in range(pages):
                way()

        return work

    times = in_turn({"peer": all_pages(peer), "mine": all_pages(mine)}, ROUNDS)
    return ratio(times["peer"], times["mine"])


def figures(vendor: Vendor) -> list[Row]:
    """One vendor's."""
    check_alike(vendor)
    plain, fast = (
        (lambda: ours(vendor, strict_json.decode_json_plain)),
        (lambda: ours(vendor, strict_json.decode_json)),
    )
    pydantic = against(vendor, lambda: WAYS[vendor.name](vendor.page), plain)
    accelerated = against(vendor, plain, fast)
    alone = against(vendor, lambda: json.loads(vendor.page), plain)
    # Beside rows as short as the others' the decoder is little, however fast.
    least = 1.2 if vendor.name == "RealtimeKit" else 0
    return [
        (f"{vendor.name}: page bytes → recordings, against pydantic v2",
         f"{pydantic:.2f} ×", "≥ 0.8 ×", pydantic >= 0.8),
        (f"{vendor.name}: the extra `speed`, against the plain path",
         f"{accelerated:.2f} ×", f"≥ {least} ×" if least else "–", accelerated >= least),
        (f"{vendor.name}: page bytes → recordings, of the rate of `json.loads` alone",
         f"{alone:.2f} ×", "–", True),
    ]  # fmt: skip


def main() -> list[Row]:
    """The rows of the table."""
    assert strict_json.find_accelerated_decoder(), (
        "install the extra: pip install recording-core[speed]"
    )
    return [row for vendor in VENDORS for row in figures(vendor)]


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:60} {measured:>8} {wanted:>14} {'holds' if holds else 'FAILS'}")
