"""VendorPage mappings: page bytes to recordings, compared with pydantic v2 and `json.loads`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from attrs import frozen
from pydantic_mappings import BASE_URL, MAPPINGS, NOW, TWILIO_ROOT
from timing import BenchmarkRow, compute_ratio, measure_in_turn
from vendor_pages import (
    build_audian_page,
    build_plivo_page,
    build_realtimekit_page,
    build_twilio_page,
    build_voipbin_page,
)

from recording_audian import mapping as audian
from recording_core import Recording
from recording_core.model import strict_json
from recording_core.plugin import read_rows
from recording_plivo import mapping as plivo
from recording_realtimekit import mapping as realtimekit
from recording_twilio import mapping as twilio
from recording_voipbin import mapping as voipbin

ROUNDS = 15


@frozen
class VendorPage:
    """A page as the vendor sends it, the key of its rows, and our mapping of a row."""

    name: str
    page: bytes
    key: str
    read: Callable[[Mapping[str, Any]], Recording]


#: Pages of the vendors' default sizes.
VENDORS = (
    VendorPage(
        "Audian",
        build_audian_page(),
        "data",
        lambda row: audian.read_recording(row, "default", BASE_URL, NOW),
    ),
    VendorPage(
        "Plivo", build_plivo_page(20), "objects", lambda row: plivo.read_recording(row, "default")
    ),
    VendorPage(
        "RealtimeKit",
        build_realtimekit_page(100),
        "data",
        lambda row: realtimekit.read_recording(row, "default", NOW),
    ),
    VendorPage(
        "Twilio",
        build_twilio_page(),
        "recordings",
        lambda row: twilio.read_recording(row, "default", TWILIO_ROOT),
    ),
    # The files are in another list.
    VendorPage(
        "VoIPBin",
        build_voipbin_page(),
        "result",
        lambda row: voipbin.read_recording(row, "default"),
    ),
)


def map_page(vendor: VendorPage, decode: Callable[[bytes], Any]) -> list[Recording]:
    """Map a page's bytes to recordings as a listing does."""
    found = read_rows(decode(vendor.page)[vendor.key], vendor.read)
    assert not found.unreadable
    return list(found.recordings)


def check_equal(vendor: VendorPage) -> None:
    """Check that both mappings return the same fields, so that the same work is compared."""
    theirs = [each.model_dump() for each in MAPPINGS[vendor.name](vendor.page)]
    mine = [
        attrs.asdict(each, recurse=True) for each in map_page(vendor, strict_json.decode_json_plain)
    ]
    assert len(theirs) == len(mine)
    for one, other in zip(mine, theirs, strict=True):
        different = {name for name in other if one[name] != other[name]}
        assert not different, (vendor.name, {name: (one[name], other[name]) for name in different})


def compute_speedup(
    vendor: VendorPage, reference: Callable[[], object], ours: Callable[[], object]
) -> float:
    """Compute how many times as fast `ours` is, over about 2 MB of pages."""
    pages = max(1, 2_000_000 // len(vendor.page))

    def repeat(function: Callable[[], object]) -> Callable[[], None]:
        def call_repeatedly() -> None:
            for _ in range(pages):
                function()

        return call_repeatedly

    times = measure_in_turn({"reference": repeat(reference), "ours": repeat(ours)}, ROUNDS)
    return compute_ratio(times["reference"], times["ours"])


def measure_vendor(vendor: VendorPage) -> list[BenchmarkRow]:
    """Measure the mapping of one vendor."""
    check_equal(vendor)
    plain, fast = (
        (lambda: map_page(vendor, strict_json.decode_json_plain)),
        (lambda: map_page(vendor, strict_json.decode_json)),
    )
    pydantic = compute_speedup(vendor, lambda: MAPPINGS[vendor.name](vendor.page), plain)
    accelerated = compute_speedup(vendor, plain, fast)
    json_share = compute_speedup(vendor, lambda: json.loads(vendor.page), plain)
    # The rows of the other vendors are short, so their decoder is a small part of the time.
    minimum = 1.2 if vendor.name == "RealtimeKit" else 0
    return [
        (f"{vendor.name}: page bytes → recordings, against pydantic v2",
         f"{pydantic:.2f} ×", "≥ 0.8 ×", pydantic >= 0.8),
        (f"{vendor.name}: the extra `speed`, against the plain path",
         f"{accelerated:.2f} ×", f"≥ {minimum} ×" if minimum else "–", accelerated >= minimum),
        (f"{vendor.name}: page bytes → recordings, as a share of the rate of `json.loads` alone",
         f"{json_share:.2f} ×", "–", True),
    ]  # fmt: skip


def main() -> list[BenchmarkRow]:
    """Run the benchmark and return the rows of its table."""
    assert strict_json.find_accelerated_decoder(), (
        "install the extra: pip install recording-core[speed]"
    )
    return [row for vendor in VENDORS for row in measure_vendor(vendor)]


if __name__ == "__main__":
    for what, value, limit, ok in main():
        print(f"{what:60} {value:>8} {limit:>14} {'ok' if ok else 'FAILED'}")
