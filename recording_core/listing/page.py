"""Pages: what is asked of a listing, and one page as a provider read it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import field, frozen

from recording_core.errors import MalformedPayload
from recording_core.model.entities import CommunicationSession, Recording
from recording_core.model.enums import RecordingStatus

__all__ = ["Page", "PageRows", "Query", "Window", "read_rows"]


@frozen
class Query:
    """What is asked: `[since, until)` by `created_at`, else `started_at`; None is unbounded.

    Attributes:
        since: aware; what lies before is not asked for
        until: aware; from here on, neither
        target: only of this call, conference or meeting
        statuses: only these
    """

    since: datetime | None = None
    until: datetime | None = None
    target: CommunicationSession | None = None
    statuses: frozenset[RecordingStatus] | None = None

    def wants(self, recording: Recording) -> bool:
        """Decided here, never by a vendor's filter: their readings of a time differ."""
        when = recording.created_at or recording.started_at
        if when is not None:
            if self.since is not None and when < self.since:
                return False
            if self.until is not None and when >= self.until:
                return False
        if self.target is not None and recording.target is not None:
            # Ids are compared as vendors do, who take a UUID in either case.
            asked, seen = self.target, recording.target
            if (asked.kind, asked.id.casefold()) != (seen.kind, seen.id.casefold()):
                return False
        return self.statuses is None or recording.status in self.statuses


@frozen
class Window:
    """One independent piece of a sweep; its bounds as the vendor is asked, if it can be.

    Attributes:
        since: aware, or None
        until: aware, or None
    """

    since: datetime | None = None
    until: datetime | None = None


class PageRows:
    """A page's rows, read when somebody first looks at them: the next page is asked for before.

    `recordings` are those that could be read, `unreadable` says why each of the others could not.
    """

    def __init__(
        self, raw: Sequence[Any], read: Callable[[Mapping[str, Any]], Recording] | None = None
    ) -> None:
        self._raw = raw
        self._read = read

    def __len__(self) -> int:
        return len(self._raw)

    @property
    def recordings(self) -> Sequence[Recording]:
        return self._found[0]

    @property
    def unreadable(self) -> Sequence[str]:
        return self._found[1]

    def each(self, change: Callable[[Recording], Recording]) -> PageRows:
        """The same rows, each recording changed when it is read."""
        read = self._read
        if read is None:
            return PageRows([change(recording) for recording in self._raw])
        return PageRows(self._raw, lambda row: change(read(row)))

    @functools.cached_property
    def _found(self) -> tuple[Sequence[Recording], Sequence[str]]:
        if self._read is None:
            return self._raw, ()
        recordings: list[Recording] = []
        reasons: list[str] = []
        for index, row in enumerate(self._raw):
            try:
                if type(row) is not dict:
                    raise MalformedPayload("not an object")
                recordings.append(self._read(row))
            except MalformedPayload as error:
                reasons.append(f"row {index}: {error.message}")
        return recordings, reasons


def read_rows(raw: Sequence[Any], read: Callable[[Mapping[str, Any]], Recording]) -> PageRows:
    """A page's JSON rows, each to be read by itself: one that cannot be costs itself alone."""
    return PageRows(raw, read)


def _rows(given: PageRows | Sequence[Recording]) -> PageRows:
    return given if isinstance(given, PageRows) else PageRows(given)


@frozen(eq=False, repr=False)
class Page:
    """One page as a provider read it.

    Attributes:
        rows: as `read_rows` answers, or recordings
        unreadable: rows that the provider itself could not read, beside those of `rows`
        total: how many rows the whole window holds, as the vendor says
        next: the cursor of the page after this one; None for none
        more: where a first page tells them, the cursors of all pages after it, so that they can be
            fetched at once; the last of them is asked for its `next` again
        last: ends the window although the vendor has more, such as at the first row before `since`
        errors: what went wrong beside the rows, and made what is said of them less sure
        steady: the cursor names a row, not a position: what comes or goes meanwhile moves nothing
        seam: where the page before was asked to overlap this one: the id of the row that stands
            before `rows` now, and "" for none. Rows that come and go elsewhere show at this seam
        ends: the id of the last row, which the next page's `seam` is compared with; None where it
            cannot be read
    """

    rows: PageRows = field(converter=_rows)
    unreadable: tuple[str, ...] = ()
    total: int | None = None
    next: Any = None
    remaining_cursors: Iterable[Any] | None = None
    is_last: bool = False
    errors: tuple[str, ...] = ()
    stable_cursor: bool = False
    overlap_id: str | None = None
    last_id: str | None = None

    @property
    def size(self) -> int:
        """How many rows the vendor sent, readable or not."""
        return len(self.rows) + len(self.unreadable)
