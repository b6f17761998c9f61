"""Do rows that come and go between two pages cost others? None is lost, and none comes twice."""

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
#: The slowest takes half a minute where nothing else runs, and some minutes where it soaks.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 100 else 7200)
#: Rows that the vendor has before the first page is asked for, on pages of `SIZE`.
ROWS, SIZE = 34, 6
DAYS = timedelta(days=6)
#: After so many answers, which is two readings of all pages, it comes to rest.
RESTLESS = 2 * (ROWS // SIZE + 1)

#: How a recording that ended so long ago comes to be at each emulated vendor; gives its id.
COMES: Mapping[str, Callable[[Any, timedelta], str]] = {
    "audian": lambda emulator, ago: emulator.add(ago=ago),
    "plivo": lambda emulator, ago: emulator.add(ended=emulator.clock.now() - ago),
    "realtimekit": lambda emulator, ago: emulator.add(ago=ago).id,
    "voipbin": lambda emulator, ago: emulator.add(created=emulator.clock.now() - ago),
}
#: Where the pages' size is a vendor's own: the module that the emulator has it in.
SIZES = {
    "audian": "recording_audian.emulated_listing.LARGEST_PAGE",
    "plivo": "recording_plivo.client.PAGE_SIZE",
    "voipbin": "recording_voipbin.emulated_listing.LARGEST_PAGE",
}
#: Its pages are numbers of rows in the order of when they were invoked, which is now for whatever
#: comes. Were one to come amid older ones, in the very moment in which another goes, nothing but a
#: second reading of every page could show it.
NEWEST_ONLY = ("realtimekit",)
#: Every way of paging that an emulated vendor knows.
PAGING: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "audian": ("audian", {}),
    "plivo by offset": ("plivo", {"paging": "offset"}),
    "plivo by cursor": ("plivo", {"paging": "cursor"}),
    "plivo by both": ("plivo", {"paging": "hybrid"}),
    "realtimekit from 0": ("realtimekit", {"page_base": 0}),
    "realtimekit from 1": ("realtimekit", {"page_base": 1}),
    "voipbin": ("voipbin", {}),
}


@pytest.fixture(scope="module", params=PAGING)
def vendor(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    name, options = PAGING[request.param]
    with pytest.MonkeyPatch.context() as patch:
        if name in SIZES:
            patch.setattr(SIZES[name], SIZE)
        with load_object(rec.providers()[name], "emulator")(**options) as emulator:
            emulator.largest_page = SIZE
            yield emulator


@define
class Shifting:
    """For `Emulator.alter`: between two answers rows come and go, where chance has it."""

    emulator: Any
    dice: random.Random
    #: what is still to happen, and how much of it at most at once
    comings: int
    goings: int
    most: int
    newest_only: bool
    answers: int = 0
    there: set[str] = field(factory=set)
    kept: set[str] = field(factory=set)

    def fill(self) -> None:
        for id in list(self.emulator.listed()):
            self.emulator.remove(id)
        for number in range(ROWS):
            ago = DAYS * (number + 1) / (ROWS + 2)
            self.there.add(COMES[self.emulator.provider](self.emulator, ago))
        self.kept = set(self.there)

    def __call__(self, request: Request, payload: Any) -> Any:
        self.answers += 1
        if self.answers > RESTLESS:
            return payload
        for _ in range(self.dice.randint(0, self.most)):
            if self.comings and self.dice.random() < 0.5:
                self.comings -= 1
                # Each at its own microsecond: of more than a page of one no token could tell.
                share = self.dice.random() * (0.001 if self.newest_only else 1)
                ago = timedelta(minutes=2) + DAYS * share
                COMES[self.emulator.provider](self.emulator, ago)
            if self.goings and self.there and self.dice.random() < 0.5:
                self.goings -= 1
                gone = self.dice.choice(sorted(self.there))
                self.there.discard(gone)
                self.kept.discard(gone)
                self.emulator.remove(gone)
        return payload


@pytest.mark.parametrize("workers", [1, 4])
@settings(
    max_examples=EXAMPLES // 4,
    deadline=None,
    derandomize=EXAMPLES <= 100,
    suppress_health_check=list(HealthCheck),
)
@given(
    seed=st.integers(0, 2**32),
    comings=st.integers(0, 14),
    goings=st.integers(0, 14),
    most=st.integers(1, 6),
    newest_only=st.booleans(),
)
def test_no_row_that_was_there_throughout_is_lost_or_comes_twice(
    vendor: Emulator,
    workers: int,
    seed: int,
    comings: int,
    goings: int,
    most: int,
    newest_only: bool,
) -> None:
    """L1, L2: and once it has come to rest, the list is complete."""
    newest_only = newest_only or vendor.provider in NEWEST_ONLY
    shifting = Shifting(vendor, random.Random(seed), comings, goings, most, newest_only)
    shifting.fill()
    with vendor.connect(http=rec.HttpSettings(workers=workers)) as provider:
        listing = provider.list(since=vendor.clock.now() - DAYS - timedelta(days=2))
        vendor.alter = shifting
        try:
            seen = [recording.id for recording in listing]
        finally:
            vendor.alter = None
    assert len(seen) == len(set(seen)), "a recording came twice"
    lost = shifting.kept - set(seen)
    assert not lost, f"lost {len(lost)} of {len(shifting.kept)}: {listing.coverage}"
    assert listing.coverage.complete, listing.coverage


def test_the_pages_are_several(vendor: Emulator) -> None:
    """Otherwise nothing could shift."""
    shifting = Shifting(vendor, random.Random(0), 0, 0, 0, newest_only=False)
    shifting.fill()
    with vendor.connect(http=rec.HttpSettings(workers=1)) as provider:
        listing = provider.list(since=vendor.clock.now() - DAYS - timedelta(days=2))
        assert {recording.id for recording in listing} == shifting.kept
    assert listing.coverage.pages >= ROWS // SIZE


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("answers", [1, 2, 3])
def test_one_that_goes_where_another_comes_in_the_same_moment_costs_no_third(
    vendor: Emulator, workers: int, answers: int
) -> None:
    """L2: no total changes and no end, and where a vendor takes offsets its pages' seams tell."""
    # The one that goes is on the second page, and the other comes on the fourth, if it may.
    place = 0.001 if vendor.provider in NEWEST_ONLY else 21.5 / (ROWS + 2)
    emulator: Any = vendor
    shifting = Shifting(vendor, random.Random(0), 0, 0, 0, newest_only=False)
    shifting.fill()
    with vendor.connect(http=rec.HttpSettings(workers=workers)) as provider:
        since = vendor.clock.now() - DAYS - timedelta(days=2)
        gone = [recording.id for recording in provider.list(since=since)][8]
        shown = 0

        def move(request: Request, payload: Any) -> Any:
            nonlocal shown
            shown += 1
            if shown == answers:
                emulator.remove(gone)
                COMES[vendor.provider](emulator, DAYS * place)
            return payload

        listing = provider.list(since=since)
        vendor.alter = move
        try:
            seen = [recording.id for recording in listing]
        finally:
            vendor.alter = None
    assert shifting.kept - {gone} <= set(seen)
    assert len(seen) == len(set(seen))
    assert listing.coverage.complete, listing.coverage
