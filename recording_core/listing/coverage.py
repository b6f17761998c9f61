"""Coverage: what a listing requested, and how much of it was seen."""

from __future__ import annotations

from attrs import asdict, define, field, frozen


@frozen
class Coverage:
    """What a listing requested, and how much of it was seen.

    Attributes:
        windows: the number of windows that the listing was divided into
        pages: the number of pages that were read
        expected: the total that the vendor reports; `None` if it reports none
        seen: the number of distinct recordings returned, before filters such as `status=`
        duplicates: rows that were returned more than once
        unreadable: rows without a readable id, which are left out
        found_on_reread: rows found only when a window was read again
        undated: rows without a time, which are included in every window
        errors: what went wrong, as sentences
        complete: whether everything that the vendor's API can list was read to the end
        not_listable: what this vendor's API cannot enumerate; never an error
    """

    windows: int = 0
    pages: int = 0
    expected: int | None = None
    seen: int = 0
    duplicates: int = 0
    unreadable: int = 0
    found_on_reread: int = 0
    undated: int = 0
    errors: tuple[str, ...] = ()
    complete: bool = False
    not_listable: tuple[str, ...] = ()


@define(eq=False, repr=False)
class CoverageCounter:
    """The counters of a sweep in progress; the fields are those of `Coverage`."""

    windows: int = 0
    pages: int = 0
    expected: int | None = None
    seen: int = 0
    duplicates: int = 0
    unreadable: int = 0
    found_on_reread: int = 0
    undated: int = 0
    errors: list[str] = field(factory=list)
    ended: bool = False

    def build_coverage(self, not_listable: tuple[str, ...]) -> Coverage:
        """Build the coverage of the sweep so far."""
        counts = asdict(self, filter=lambda field, _: field.name not in ("errors", "ended"))
        return Coverage(
            **counts,
            errors=tuple(self.errors),
            complete=self.ended and not self.errors and not self.unreadable,
            not_listable=not_listable,
        )
