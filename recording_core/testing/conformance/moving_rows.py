"""Requirements for a listing while rows come and go at the vendor between two of its pages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from attrs import define, field

from recording_core import Operation, ProviderError, Recording, RecordingSession, RecordingStatus
from recording_core.listing.listing import Listing
from recording_core.listing.page import Page, Window
from recording_core.model.enums import FINAL
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    check_equal,
    skip_undeclared,
    state_requirement,
)
from recording_core.testing.emulator.emulator import Emulator

#: How often rows move during one listing. Each listing has more pages, so that it becomes calm.
_MOST_MOVES = 3

#: Further than this the clock is not advanced for a row to leave: a credential may expire.
_LONGEST_WAIT = timedelta(days=4)

#: Called with the number of a page, from 0, and the page, after the vendor returned it and before
#: the sweep sees it.
Move = Callable[[int, Page], None]


@define(eq=False)
class _ReadPage:
    """A page of a listing, and how it was requested."""

    window: Window
    cursor: Any
    page: Page

    def list_ids(self) -> list[str]:
        return [recording.id for recording in self.page.rows]


@define(eq=False)
class _PageLog:
    """The pages of a listing in the order of their answers, with a move after each."""

    listing: Listing
    move: Move = field(default=lambda number, page: None)
    pages: list[_ReadPage] = field(factory=list)
    lock: threading.Lock = field(factory=threading.Lock)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Log the pages that are read inside."""
        fetch = self.listing._fetch

        def log(query: Any, window: Window, cursor: Any) -> Page:
            page = fetch(query, window, cursor)
            with self.lock:  # with several workers, one move at a time
                self.pages.append(_ReadPage(window, cursor, page))
                self.move(len(self.pages) - 1, page)
            return page

        self.listing._fetch = log
        try:
            yield
        finally:
            self.listing._fetch = fetch

    def list_windows(self) -> list[list[_ReadPage]]:
        """Return the pages of the first pass over each window."""
        windows: dict[Window, dict[Any, _ReadPage]] = {}
        for each in self.pages:
            windows.setdefault(each.window, {}).setdefault(each.cursor, each)
        return [list(pages.values()) for pages in windows.values()]

    def read_again(self, page: _ReadPage) -> _ReadPage:
        """Request a page by its cursor again."""
        again = self.listing._fetch(self.listing.query, page.window, page.cursor)
        return _ReadPage(page.window, page.cursor, again)


class MovingRowRequirements(ConformanceBase):
    """Requirements for `list` if rows come and go between its pages, and for what pages declare."""

    def test_rows_that_move_between_pages_are_not_lost(self) -> None:
        moves, bounds = self._build_moves(), self.bounds
        for what, move in moves.items():
            with (
                state_requirement(f"list is complete if {what}"),
                self.vendor.connect(http=SINGLE_REQUESTS) as provider,
            ):
                self._check_moved(provider.list(**bounds), move)
            if "each page" in what:
                with state_requirement(f"list fetches pages in parallel and is complete if {what}"):
                    self._check_moved(self.provider.list(**bounds), move)

    def _build_moves(self) -> dict[str, Move]:
        """Build the ways in which rows move, by name."""
        insert, remove = self._insert, self._remove
        inserts, removes = bool(self.list_live_targets()), self.provider.can(Operation.DELETE)
        if not inserts and not removes:
            skip_undeclared("anything by which rows come or go")
        live: list[RecordingSession] = []

        def begin_and_end(number: int, page: Page) -> None:
            if number == 0:
                live[:] = [self.begin(self.provider, self.list_live_targets()[0])]
                self.vendor.advance(self.warm_up)
            elif number == 1:
                self.vendor.finish_session(self.provider, live.pop())

        moves: dict[str, tuple[bool, Move]] = {
            "recordings are made after each page": (
                inserts,
                lambda number, page: insert() if number < _MOST_MOVES else None,
            ),
            "a recording begins after the first page, ends after the second": (
                inserts,
                begin_and_end,
            ),
            "a row of each page is deleted after that page": (
                removes,
                lambda number, page: remove(page) if number < _MOST_MOVES else None,
            ),
            "a row of the first page is deleted and another one is made after that page": (
                inserts and removes,
                lambda number, page: (remove(page), insert())[1] if number == 0 else None,
            ),
            "the oldest recording leaves the list after the first page": (
                self._find_expiry() is not None,
                lambda number, page: self._expire() if number == 0 else None,
            ),
        }
        return {name: move for name, (can_move, move) in moves.items() if can_move}

    def _check_moved(self, listing: Listing, move: Move) -> None:
        before = set(self.vendor.list_ids())
        log = _PageLog(listing, move)
        with log.watch():
            ids = [recording.id for recording in listing]
        kept = before & set(self.vendor.list_ids())
        lost, coverage = sorted(kept - set(ids)), listing.coverage
        assert len(ids) == len(set(ids)), (
            f"list returned {len(ids)} rows for {len(set(ids))} recordings"
        )
        assert not lost or not coverage.complete, (
            f"the vendor listed {len(kept)} recordings before and after, and list lost {lost} of "
            f"them, but coverage.complete is true: {_describe(log)}; {coverage}"
        )
        assert coverage.complete, (
            f"the rows moved at most {_MOST_MOVES} times, and then all pages could be read again, "
            f"but coverage.complete is false: {coverage}"
        )

    def test_pages_are_as_they_are_declared(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listing = provider.list(**self.bounds)
            log = self._check_totals(listing, "nothing moves")
            windows = log.list_windows()
            steps: dict[str, Callable[[], Any]] = {}
            if self.list_live_targets():
                steps["a recording was made"] = self._insert
            first = next((list(pages[0].page.rows) for pages in windows if len(pages) > 1), [])
            removable = [each for each in first if self._is_removable(each)]
            for recording in removable[:1] + removable[1:][-1:]:
                step = f"{recording.id} was deleted, a row of the first page"
                steps[step] = partial(self._delete, recording)
            if self._find_expiry() is not None:
                steps["the oldest recording left the list"] = self._expire
            for what, take in steps.items():
                take()
                with state_requirement(f"after {what}, a page is as its provider declares"):
                    for pages in windows:
                        self._check_cursors(log, pages)
                self._check_totals(listing, what)

    def _check_totals(self, listing: Listing, what: str) -> _PageLog:
        """Require that a listing shows what the vendor lists now, and that totals count that."""
        log = _PageLog(listing)
        with log.watch():
            found = {recording.id: recording for recording in listing}
        listed, coverage = set(self.vendor.list_ids()), listing.coverage
        with state_requirement(f"the same list shows what the vendor lists now, after {what}"):
            # Some vendors list a deleted recording as deleted.
            extra = {id for id in found.keys() - listed if str(found[id].status) != "deleted"}
            lost = listed - found.keys()
            assert not lost, f"the vendor lists {sorted(lost)}, and list does not return them"
            assert not extra, f"list returned {sorted(extra)}, which the vendor does not list"
        with state_requirement(f"a total is the number of the window's rows, after {what}"):
            assert coverage.complete, f"coverage.complete is false: {coverage}"
            for pages in log.list_windows():
                rows = len({id for each in pages for id in each.list_ids()})
                totals = {each.page.total for each in pages if not each.page.is_last}
                assert totals <= {rows, None}, (
                    f"the pages of a window have {rows} rows, but Page.total is {totals}"
                )
        return log

    def _check_cursors(self, log: _PageLog, pages: list[_ReadPage]) -> None:
        """Require that pages did not shift if they are declared as stable or as unchanged."""
        earlier_ids: set[str] = set()
        for earlier, page in pairwise(pages):
            earlier_ids.update(earlier.list_ids())
            ids = page.list_ids()
            try:
                again = log.read_again(page)
            except ProviderError:
                continue  # it is reported, so that nothing is lost in silence
            declared = f"stable_cursor={earlier.page.stable_cursor}"
            if not earlier.page.stable_cursor:
                overlap = again.page.overlap_id
                if overlap is None or overlap != earlier.page.last_id:
                    continue  # it declares nothing, or that rows moved
                declared = f"overlap_id={overlap!r}, as last_id of the page before"
            found = again.list_ids()
            repeated = set(found) & earlier_ids - set(ids)
            listed = set(self.vendor.list_ids())
            assert not repeated, (
                f"the page has {sorted(repeated)} of a page before it, but the provider declared "
                f"{declared}"
            )
            first = next((id for id in ids if id in listed), None)
            assert first is None or first in found, (
                f"the page began with {first}, which is missing there now, but the provider "
                f"declared {declared}: the page is {found}, the one before was "
                f"{earlier.list_ids()}"
            )

    def _insert(self) -> None:
        """Make a recording by another connection, which the vendor lists."""
        before = set(self.vendor.list_ids())
        for target in self.list_live_targets():
            with self.vendor.connect() as other:
                session = self.begin(other, target)
                self.vendor.advance(self.warm_up)
                self.vendor.finish_session(other, session)
            self.vendor.advance(self.processing_timeout)
            if set(self.vendor.list_ids()) - before:
                return
        raise AssertionError(
            "a recording began and ended, but Emulator.list_ids returns no other id than before"
        )

    def _is_removable(self, recording: Recording) -> bool:
        is_over = recording.status in FINAL - {RecordingStatus.DELETED}
        return is_over and self.provider.can(Operation.DELETE, recording.kind)

    def _remove(self, page: Page) -> None:
        """Delete the first row of a page that can be, if one of them is still there."""
        listed = self.vendor.list_ids()
        for recording in page.rows:
            if self._is_removable(recording) and recording.id in listed:
                return self._delete(recording)

    def _delete(self, recording: Recording) -> None:
        """Delete a recording by another connection; some vendors list it as deleted then."""
        with self.vendor.connect() as other:
            other.delete(recording)
            if recording.id in self.vendor.list_ids():
                check_equal("status", other.get(recording.id).status, RecordingStatus.DELETED)

    def _expire(self) -> None:
        """Advance the clock until the oldest recording leaves."""
        before = set(self.vendor.list_ids())
        self.vendor.advance(self._find_expiry() or timedelta(0))
        assert before - set(self.vendor.list_ids()), (
            f"Emulator.retention is {self.vendor.retention}, but after that time "
            "Emulator.list_ids returns the same ids as before"
        )

    def _find_expiry(self) -> timedelta | None:
        """Return how long it takes until the oldest recording leaves; None if that is long."""
        if self.vendor.retention == Emulator.retention:
            return None  # the default: rows stay
        wait = self.vendor.retention - self.vendor.compute_age(self.vendor.recordings - 1)
        return wait + timedelta(hours=1) if wait < _LONGEST_WAIT else None


def _describe(log: _PageLog) -> str:
    """Describe what the provider made of each page of a listing."""
    return "; ".join(
        f"page {number} has {each.page.size} rows, total={each.page.total}, "
        f"stable_cursor={each.page.stable_cursor}, overlap_id={each.page.overlap_id}"
        for number, each in enumerate(log.pages, start=1)
    )
