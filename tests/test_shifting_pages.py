"""Shifting pages: rows that come and go between pages cause no loss and no duplicate."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, Request

EXAMPLES = settings().max_examples
#: The slowest test takes half a minute on an idle machine, and several minutes in a soak run.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 100 else 7200)
#: The rows that the vendor has before the first request, and the rows per page.
ROWS, SIZE = 34, 6
DAYS = timedelta(days=6)
#: The number of responses after which rows no longer change: two reads of all pages.
UNSTABLE_RESPONSES = 2 * (ROWS // SIZE + 1)

#: Adds a recording that ended some time ago to an emulated vendor, and returns its id.
ADD: Mapping[str, Callable[[Any, timedelta], str]] = {
    "audian": lambda emulator, ago: emulator.add(ago=ago),
    "plivo": lambda emulator, ago: emulator.add(ended=emulator.clock.now() - ago),
    "realtimekit": lambda emulator, ago: emulator.add(ago=ago).id,
    "twilio": lambda emulator, ago: emulator.add(ended=emulator.clock.now() - ago),
    "voipbin": lambda emulator, ago: emulator.add(created=emulator.clock.now() - ago),
}
#: The constants with the page sizes that the vendors or our clients prescribe.
SIZES = {
    "audian": "recording_audian.emulator.listing.LARGEST_PAGE",
    "plivo": "recording_plivo.client.PAGE_SIZE",
    "voipbin": "recording_voipbin.emulator.listing.LARGEST_PAGE",
}
#: Vendors with numbered pages in the order of creation, in which new rows can only come first. If a
#: row came between older ones at the moment in which another goes, only a second read of every page
#: could show it.
NEWEST_ONLY = ("realtimekit",)
#: Every kind of paging that an emulated vendor supports.
PAGING: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "audian": ("audian", {}),
    "plivo by offset": ("plivo", {"paging": "offset"}),
    "plivo by cursor": ("plivo", {"paging": "cursor"}),
    "plivo by both": ("plivo", {"paging": "hybrid"}),
    "realtimekit from 0": ("realtimekit", {"page_base": 0}),
    "realtimekit from 1": ("realtimekit", {"page_base": 1}),
    "twilio by position": ("twilio", {}),
    "twilio by row": ("twilio", {"assume": [3]}),
    "voipbin": ("voipbin", {}),
}


@pytest.fixture(scope="module", params=PAGING)
def vendor(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    name, options = PAGING[request.param]
    with pytest.MonkeyPatch.context() as patch:
        if name in SIZES:
            patch.setattr(SIZES[name], SIZE)
        with load_object(rec.providers()[name], "emulator")(**options) as emulator:
            emulator.max_page_size = SIZE
            yield emulator


@define
class ShiftingRows:
    """For `Emulator.alter`: adds and removes random rows before each response is returned."""

    emulator: Any
    generator: random.Random
    #: the changes that are still to come
    insertions: int
    deletions: int
    #: the most changes before one response
    most: int
    newest_only: bool
    responses: int = 0
    #: the original rows that still exist
    existing: set[str] = field(factory=set)
    #: the original rows that exist from the start to the end
    kept: set[str] = field(factory=set)

    def fill(self) -> None:
        for id in list(self.emulator.list_ids()):
            self.emulator.remove(id)
        for number in range(ROWS):
            ago = DAYS * (number + 1) / (ROWS + 2)
            self.existing.add(ADD[self.emulator.provider](self.emulator, ago))
        self.kept = set(self.existing)

    def __call__(self, request: Request, payload: Any) -> Any:
        self.responses += 1
        if self.responses > UNSTABLE_RESPONSES:
            return payload
        for _ in range(self.generator.randint(0, self.most)):
            if self.insertions and self.generator.random() < 0.5:
                self.insertions -= 1
                # Each row at its own microsecond: a page token that is a time cannot divide more
                # rows of one time than a page holds.
                share = self.generator.random() * (0.001 if self.newest_only else 1)
                ago = timedelta(minutes=2) + DAYS * share
                ADD[self.emulator.provider](self.emulator, ago)
            if self.deletions and self.existing and self.generator.random() < 0.5:
                self.deletions -= 1
                removed = self.generator.choice(sorted(self.existing))
                self.existing.discard(removed)
                self.kept.discard(removed)
                self.emulator.remove(removed)
        return payload


@pytest.mark.parametrize("workers", [1, 4])
@settings(
    max_examples=max(12, EXAMPLES // 4),
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=st.integers(0, 2**32),
    insertions=st.integers(0, 14),
    deletions=st.integers(0, 14),
    most=st.integers(1, 6),
    newest_only=st.booleans(),
)
def test_shifting_rows_cause_no_loss_and_no_duplicate(
    vendor: Emulator,
    workers: int,
    seed: int,
    insertions: int,
    deletions: int,
    most: int,
    newest_only: bool,
) -> None:
    """L1, L2: and once the rows are stable, the listing is complete."""
    newest_only = newest_only or vendor.provider in NEWEST_ONLY
    shifting = ShiftingRows(vendor, random.Random(seed), insertions, deletions, most, newest_only)
    shifting.fill()
    with vendor.connect(http=rec.HttpSettings(workers=workers)) as provider:
        listing = provider.list(since=vendor.clock.now() - DAYS - timedelta(days=2))
        vendor.alter = shifting
        try:
            seen = [recording.id for recording in listing]
        finally:
            vendor.alter = None
    assert len(seen) == len(set(seen)), "a recording was yielded twice"
    lost = shifting.kept - set(seen)
    assert not lost, f"lost {len(lost)} of {len(shifting.kept)}: {listing.coverage}"
    assert listing.coverage.complete, listing.coverage


def test_listing_has_several_pages(vendor: Emulator) -> None:
    """With one page, nothing could shift."""
    shifting = ShiftingRows(vendor, random.Random(0), 0, 0, 0, newest_only=False)
    shifting.fill()
    with vendor.connect(http=rec.HttpSettings(workers=1)) as provider:
        listing = provider.list(since=vendor.clock.now() - DAYS - timedelta(days=2))
        assert {recording.id for recording in listing} == shifting.kept
    assert listing.coverage.pages >= ROWS // SIZE


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("responses", [1, 2, 3])
def test_row_that_replaces_another_causes_no_loss(
    vendor: Emulator, workers: int, responses: int
) -> None:
    """L2: the total and the edge pages stay the same; with offsets, an overlap row changes."""
    # The removed row is on the second page, and the new one on the fourth if the vendor allows it.
    place = 0.001 if vendor.provider in NEWEST_ONLY else 21.5 / (ROWS + 2)
    emulator: Any = vendor
    shifting = ShiftingRows(vendor, random.Random(0), 0, 0, 0, newest_only=False)
    shifting.fill()
    with vendor.connect(http=rec.HttpSettings(workers=workers)) as provider:
        since = vendor.clock.now() - DAYS - timedelta(days=2)
        removed = [recording.id for recording in provider.list(since=since)][8]
        returned = 0

        def move(request: Request, payload: Any) -> Any:
            nonlocal returned
            returned += 1
            if returned == responses:
                emulator.remove(removed)
                ADD[vendor.provider](emulator, DAYS * place)
            return payload

        listing = provider.list(since=since)
        vendor.alter = move
        try:
            seen = [recording.id for recording in listing]
        finally:
            vendor.alter = None
    assert shifting.kept - {removed} <= set(seen)
    assert len(seen) == len(set(seen))
    assert listing.coverage.complete, listing.coverage
