"""Coverage: what a listing requested, and how much of it was seen, for one sweep or an account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import asdict, define, field, frozen

from recording_core.errors import RecordingError
from recording_core.listing.page import Window

#: The most sentences and paths that a listing keeps, since a vendor chooses their number.
MOST_KEPT = 1000


@frozen
class Coverage:
    """What a listing requested, and how much of it was seen.

    Attributes:
        windows: the number of windows that the listing was divided into
        pages: the number of pages that were read
        expected: the total that the vendor reports; `None` if it reports none
        seen: the number of distinct recordings returned, before filters such as `status=`
        duplicates: rows that were returned more than once
        unreadable: one sentence for each row without a readable id, which is left out; at most
            a thousand
        found_on_reread: rows found only when a window was read again
        undated: rows without a time, which are included in every window
        errors: what went wrong, as sentences
        complete: whether everything that the vendor's API can list was read to the end
        not_listable: what this vendor's API cannot enumerate; never an error
        unread_fields: the path of each field that could not be read -> in how many recordings. The
            log names the first of them
    """

    windows: int = 0
    pages: int = 0
    expected: int | None = None
    seen: int = 0
    duplicates: int = 0
    unreadable: tuple[str, ...] = ()
    found_on_reread: int = 0
    undated: int = 0
    errors: tuple[str, ...] = ()
    complete: bool = False
    not_listable: tuple[str, ...] = ()
    unread_fields: Mapping[str, int] = field(factory=dict, hash=False)

    def _repr_html_(self) -> str:
        """Return a table of the fields that have a value, for a notebook."""
        from recording_core.model.html_table import build_fields_table

        return build_fields_table(self)


@define(eq=False, repr=False)
class CoverageCounter:
    """The counters of a sweep in progress; the fields are those of `Coverage`."""

    windows: int = 0
    pages: int = 0
    expected: int | None = None
    seen: int = 0
    duplicates: int = 0
    unreadable: list[str] = field(factory=list)
    found_on_reread: int = 0
    undated: int = 0
    errors: list[str] = field(factory=list)
    unread_fields: dict[str, int] = field(factory=dict)
    ended: bool = False

    def add_unread_fields(self, paths: tuple[str, ...]) -> list[str]:
        """Count the unread fields of a recording, and return the paths that are new and kept."""
        new: list[str] = []
        for path in paths:
            if path in self.unread_fields:
                self.unread_fields[path] += 1
            elif len(self.unread_fields) < MOST_KEPT:
                self.unread_fields[path] = 1
                new.append(path)
        return new

    def build_coverage(self, not_listable: tuple[str, ...]) -> Coverage:
        """Build the coverage of the sweep so far."""
        return Coverage(
            **{name: getattr(self, name) for name in _COUNTS},
            unreadable=tuple(self.unreadable),
            errors=tuple(self.errors),
            complete=self.ended and not self.errors and not self.unreadable,
            not_listable=not_listable,
            unread_fields=dict(self.unread_fields),
        )


#: The fields that a counter and a coverage share.
_COUNTS = ("windows", "pages", "expected", "seen", "duplicates", "found_on_reread", "undated")


@frozen
class AccountCoverage:
    """The coverage of one account, and the error that stopped its collection, if any.

    `asked_at` and `listed_at` are the times of the oldest and of the newest sweep that the rows
    come from; None if there was no sweep. `gaps` are the days that no complete sweep covers.
    `repaired` has a sentence for each damaged file of the folder whose days were collected again.
    """

    provider: str
    account: str
    coverage: Coverage
    asked_at: datetime | None = None
    error: RecordingError | None = None
    gaps: tuple[Window, ...] = ()
    repaired: tuple[str, ...] = ()
    listed_at: datetime | None = None

    def as_row(self) -> dict[str, Any]:
        """Return one flat dict: provider, account, the fields of `Coverage`, and the others."""
        error = f"{type(self.error).__name__}: {self.error}" if self.error else None
        return {
            "provider": self.provider,
            "account": self.account,
            **asdict(self.coverage, recurse=False),
            "asked_at": self.asked_at,
            "error": error,
            "gaps": [asdict(each) for each in self.gaps],
            "repaired": self.repaired,
        }


def merge_coverages(coverages: Iterable[Coverage]) -> Coverage:
    """Merge several sweeps of one account into one coverage; complete only if each of them is.

    Undated rows appear in each sweep, so `undated` is the maximum and not the sum.
    """
    sweeps = list(coverages)
    sums = ("windows", "pages", "seen", "duplicates", "found_on_reread")
    counts: dict[str, Any] = {name: sum(getattr(each, name) for each in sweeps) for name in sums}
    expected = [each.expected for each in sweeps if each.expected is not None]
    return Coverage(
        **counts,
        unreadable=tuple(row for each in sweeps for row in each.unreadable)[:MOST_KEPT],
        expected=sum(expected) if expected and len(expected) == len(sweeps) else None,
        undated=max((each.undated for each in sweeps), default=0),
        errors=tuple(dict.fromkeys(error for each in sweeps for error in each.errors)),
        complete=all(each.complete for each in sweeps),
        not_listable=tuple(dict.fromkeys(words for each in sweeps for words in each.not_listable)),
        unread_fields=dict(sum((Counter(each.unread_fields) for each in sweeps), Counter())),
    )
