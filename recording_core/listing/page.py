"""Pages: the query of a listing, its windows, and one page as a provider read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import field, frozen

from recording_core.errors import MalformedPayload
from recording_core.model.entities import CommunicationSession, Recording
from recording_core.model.enums import RecordingStatus


@frozen
class Query:
    """The query of a listing; `None` does not restrict it.

    Attributes:
        since: the first time, in UTC, compared with `created_at`, else `started_at`
        until: the end time, in UTC, exclusive
        target: only recordings of this call, conference or meeting
        statuses: only recordings with one of these statuses
    """

    since: datetime | None = None
    until: datetime | None = None
    target: CommunicationSession | None = None
    statuses: frozenset[RecordingStatus] | None = None

    def matches(self, recording: Recording) -> bool:
        """Whether a recording matches the query.

        Vendors interpret the times of their filters differently, so that this alone decides.
        """
        when = recording.created_at or recording.started_at
        if when is not None:
            if self.since is not None and when < self.since:
                return False
            if self.until is not None and when >= self.until:
                return False
        if self.target is not None and recording.target is not None:
            # Vendors accept a UUID in either case.
            ours, theirs = self.target, recording.target
            if (ours.kind, ours.id.casefold()) != (theirs.kind, theirs.id.casefold()):
                return False
        return self.statuses is None or recording.status in self.statuses


@frozen
class Window:
    """A part of a sweep that is read independently.

    Attributes:
        since: the first time, an aware datetime; `None` if the vendor has no such filter
        until: the end time, an aware datetime, or `None`
    """

    since: datetime | None = None
    until: datetime | None = None


class PageRows:
    """The rows of a page, parsed on first access, so that the next page is requested before that.

    Iterating over it yields the recordings.

    Attributes:
        recordings: the rows that could be read
        unreadable: one sentence for each row that could not be read
    """

    def __init__(
        self, raw: Sequence[Any], read: Callable[[Mapping[str, Any]], Recording] | None = None
    ) -> None:
        self._raw = raw
        self._read = read
        #: not a `functools.cached_property`, whose lock a forked child could find closed
        self._parsed: tuple[Sequence[Recording], Sequence[str]] | None = None

    def __len__(self) -> int:
        return len(self._raw)

    def __iter__(self) -> Iterator[Recording]:
        return iter(self.recordings)

    @property
    def recordings(self) -> Sequence[Recording]:
        return self._parse()[0]

    @property
    def unreadable(self) -> Sequence[str]:
        return self._parse()[1]

    def convert(self, change: Callable[[Recording], Recording]) -> PageRows:
        """Return the same rows with a function applied to each recording when it is read."""
        read = self._read
        if read is None:
            return PageRows([change(recording) for recording in self._raw])
        return PageRows(self._raw, lambda row: change(read(row)))

    def _parse(self) -> tuple[Sequence[Recording], Sequence[str]]:
        if self._parsed is not None:
            return self._parsed
        if self._read is None:
            return self._raw, ()
        recordings: list[Recording] = []
        reasons: list[str] = []
        for index, row in enumerate(self._raw):
            try:
                if not isinstance(row, dict):
                    raise MalformedPayload("It is not an object")
                recordings.append(self._read(row))
            except MalformedPayload as error:
                reasons.append(f"Row {index}: {error.message}")
        self._parsed = recordings, reasons
        return self._parsed


def read_rows(raw: Sequence[Any], read: Callable[[Mapping[str, Any]], Recording]) -> PageRows:
    """Read the JSON rows of a page one by one. A row that cannot be read does not affect others."""
    return PageRows(raw, read)


def _convert_rows(given: PageRows | Sequence[Recording]) -> PageRows:
    return given if isinstance(given, PageRows) else PageRows(given)


@frozen(eq=False, repr=False)
class Page:
    """One page as a provider read it.

    Attributes:
        rows: the result of `read_rows`, or recordings
        unreadable: one sentence for each row that the provider itself could not read, in addition
            to those of `rows`
        total: the number of rows in the whole window, as the vendor reports it
        next: the cursor of the next page, or `None`; any hashable value
        remaining_cursors: on a first page, the cursors of all pages after it if they can be
            computed, so that those are fetched in parallel. The `next` of the last of them is used
        is_last: whether the window ends here although the vendor has more, e.g. at the first row
            before `since`
        ends_list: whether this is the last page of one of several lists, and `next` begins the next
            one. It may be empty: only pages of one list count as endless
        errors: sentences for `Coverage.errors`: problems that make the rows less certain
        stable_cursor: whether the cursor names a row and not a position, so that rows that come or
            go meanwhile do not shift the pages
        overlap_id: for pages that were requested to overlap: the id of the row before `rows`, the
            overlap row, or "" if there is none. It equals the `last_id` of the page before unless
            rows moved meanwhile
        last_id: the id of the last row, or `None` if it cannot be read
    """

    rows: PageRows = field(converter=_convert_rows)
    unreadable: tuple[str, ...] = ()
    total: int | None = None
    next: Any = None
    remaining_cursors: Iterable[Any] | None = None
    is_last: bool = False
    ends_list: bool = False
    errors: tuple[str, ...] = ()
    stable_cursor: bool = False
    overlap_id: str | None = None
    last_id: str | None = None

    @property
    def size(self) -> int:
        """The number of rows that the vendor returned, readable or not."""
        return len(self.rows) + len(self.unreadable)
