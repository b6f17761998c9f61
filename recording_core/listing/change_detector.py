"""Change detector: whether rows came, went or moved while a window was read."""

from __future__ import annotations

from enum import Enum
from typing import Any

from attrs import define, field

from recording_core.errors import PaginationError
from recording_core.listing.page import Page

#: Consecutive empty pages after which a listing counts as endless.
_MAX_EMPTY_PAGES = 3
#: Consecutive pages without a new row after which a listing counts as endless. New rows at the
#: vendor shift old ones onto the next page, so fewer such pages are normal.
_MAX_REPEATED_PAGES = 50
#: Consecutive identical pages after which a listing counts as endless. Two are normal if exactly
#: one page of new rows came between the requests.
_MAX_IDENTICAL_PAGES = 3

#: A pass with more rows than this multiple of the largest total in it, and this many more, counts
#: as endless. Pages that shift repeat some rows, rows that come meanwhile raise the total,
#: and some vendors estimate it, or report that of the page.
_MAX_TOTALS = 10
_MAX_ROWS_MORE = 10_000

#: The ids of a page's first and last rows, and the number of its rows.
Signature = tuple[str, str, int]


class Signal(Enum):
    """A sign that a window is, or may be, unstable."""

    ROW_REPEATED = "a row appeared twice in one pass"
    TOTAL_CHANGED = "the vendor's total changed"
    TOTAL_SHRANK = "the vendor's total became smaller"
    OVERLAP_CHANGED = "another row stood at the overlap of two pages"
    EDGE_CHANGED = "the first or last page looked different when it was fetched again"
    NOT_PROVED = "pages had neither a total nor a stable cursor, so that moves would not show"
    SHORT = "fewer rows were returned than the vendor reports"
    SHORT_UNSTABLE = "too few rows, and the total changed or the pass before differs"


#: Signals under which rows may be missed unnoticed: a window is read again until a pass is without
#: them. Under the other signals it is read until a pass finds no new row.
_UNSAFE = {Signal.TOTAL_SHRANK, Signal.OVERLAP_CHANGED, Signal.SHORT_UNSTABLE}


def compute_signature(page: Page) -> Signature | None:
    """Compute what a page looks like; None if it has no readable row."""
    recordings = page.rows.recordings
    return (recordings[0].id, recordings[-1].id, page.size) if recordings else None


@define(eq=False, repr=False)
class ChangeDetector:
    """What the pages of one pass over a window showed.

    Attributes:
        before: row count and total of the pass before; None for the first
        total: the vendor's total in the newest page
        new_rows: rows that are new in this sweep, except those created after it began
        edge_pages: the cursors and signatures of the first and the newest page that has rows
    """

    before: tuple[int, int | None] | None = None
    total: int | None = None
    new_rows: int = 0
    edge_pages: dict[str, tuple[Any, Signature]] = field(factory=dict)
    row_count: int = 0
    _largest_total: int | None = None
    _signals: set[Signal] = field(factory=set)
    _pages: int = 0
    _empty_pages: int = 0
    _repeated_pages: int = 0
    _identical_pages: int = 1
    _last_signature: Signature | None = None
    #: the id of the newest page's last row
    _last_id: str | None = None
    _has_overlaps: bool = True
    _not_proved: bool = False
    _positional: bool = True

    def add(self, signal: Signal) -> None:
        self._signals.add(signal)

    def count_page(self, page: Page) -> bool:
        """Count a page before its rows are read, and return whether it ends the pass.

        Raises `PaginationError` if empty pages follow each other, or if there are far more rows
        than the vendor reports.
        """
        self.row_count += page.size
        self._pages += 1
        self._positional = not page.stable_cursor
        if page.total is None and not page.stable_cursor:
            self._not_proved = True
        if page.total is not None:
            if self.total is not None and self.total != page.total:
                self.add(Signal.TOTAL_CHANGED)
                if page.total < self.total:
                    self.add(Signal.TOTAL_SHRANK)
            self.total = page.total
            self._largest_total = max(self._largest_total or 0, page.total)
        largest = self._largest_total
        if largest is not None and self.row_count > largest * _MAX_TOTALS + _MAX_ROWS_MORE:
            raise PaginationError(
                f"The vendor reports {largest} recordings and returned {self.row_count} rows so "
                "far: the listing may never end. The recordings so far are correct, but not all"
            )
        self._empty_pages = 0 if page.size or page.ends_list else self._empty_pages + 1
        if page.is_last:
            self.total = None  # it includes rows that were not read on purpose
            return True
        if not page.size and self.total is not None and self.row_count >= self.total:
            return True
        if self._empty_pages >= _MAX_EMPTY_PAGES:
            raise PaginationError(
                f"The vendor returned {self._empty_pages} empty pages in a row, each with a "
                "cursor for another one"
            )
        return False

    def compare_page(self, cursor: Any, page: Page) -> None:
        """Compare a page with the one before it. Raises `PaginationError` if pages repeat.

        No matter how many rows come and go between two pages, a row can move from one to the other
        only if the overlap row changes.
        """
        if self._pages > 1:
            if page.overlap_id is None or self._last_id is None:
                self._has_overlaps = False
            elif page.overlap_id != self._last_id:
                self.add(Signal.OVERLAP_CHANGED)
        self._last_id = page.last_id
        signature = compute_signature(page)
        if signature is not None:
            self.edge_pages.setdefault("first", (cursor, signature))
            self.edge_pages["last"] = (cursor, signature)
            repeats = signature == self._last_signature
            self._identical_pages = self._identical_pages + 1 if repeats else 1
            if self._identical_pages >= _MAX_IDENTICAL_PAGES:
                raise PaginationError("The vendor returns the same page again and again")
        self._last_signature = signature

    def count_repeated(self, page: Page, repeated: int) -> None:
        """Count a page's rows that this pass had already. Raises `PaginationError` if endless."""
        if repeated:
            self.add(Signal.ROW_REPEATED)
        if page.size:  # also if none of the rows can be read
            all_repeated = repeated == len(page.rows.recordings)
            self._repeated_pages = self._repeated_pages + 1 if all_repeated else 0
        if self._repeated_pages >= _MAX_REPEATED_PAGES:
            raise PaginationError(
                f"The vendor returned {_MAX_REPEATED_PAGES} pages in a row without a new row that "
                "can be read"
            )

    @property
    def may_hide_moves(self) -> bool:
        """Whether no signal shows an unstable window, but rows may have moved unnoticed."""
        unproved = self._positional and self._pages > 1 and not self._has_overlaps
        return unproved and not self.find_signals()

    def find_signals(self) -> set[Signal]:
        signals = set(self._signals)
        if self._not_proved and self._pages > 1:
            signals.add(Signal.NOT_PROVED)
        if self.total is not None and self.row_count < self.total:
            signals.add(Signal.SHORT)
            differs = self.before != (self.row_count, self.total)
            if differs or Signal.TOTAL_CHANGED in signals:
                signals.add(Signal.SHORT_UNSTABLE)
        return signals

    def must_reread(self) -> bool:
        """Whether the window must be read again, since the signals of this pass demand it."""
        signals = self.find_signals()
        found_nothing_new = self.before is not None and not self.new_rows
        return bool(signals & _UNSAFE if found_nothing_new else signals)
