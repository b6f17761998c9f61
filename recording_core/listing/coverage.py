"""Coverage: how much of a listing was seen."""

from __future__ import annotations

from attrs import define, field, frozen

__all__ = ["CoverageCounter", "Coverage"]


@frozen
class Coverage:
    """How much of what was asked was seen.

    Attributes:
        windows: into how many pieces the sweep was cut
        pages: how many pages were read
        promised: what the vendor counts; None where it does not
        seen: distinct recordings that it showed, before `status=` and the like chose among them
        doubled: rows that it showed again
        unreadable: rows that could not be read; each costs itself alone
        late: rows that only a second pass found
        undated: rows yielded although they name no time
        errors: what went wrong, in words
        complete: all that could be asked for was seen, to the end
        blind: what this vendor cannot enumerate at all; shown, never an error
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
    """The numbers of one sweep as it goes."""

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

    def coverage(self, not_listable: tuple[str, ...]) -> Coverage:
        """What they say so far."""
        return Coverage(
            windows=self.windows,
            pages=self.pages,
            expected=self.expected,
            seen=self.seen,
            duplicates=self.duplicates,
            unreadable=self.unreadable,
            found_on_reread=self.found_on_reread,
            undated=self.undated,
            errors=tuple(self.errors),
            complete=self.ended and not self.errors and not self.unreadable,
            not_listable=not_listable,
        )
