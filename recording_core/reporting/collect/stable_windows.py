"""Stable windows: the sweep that each day is read from, and the days that may have changed since.

Each day is read from the newest sweep that covers it. A day is stable, and is not listed again,
after a complete sweep that was made at least `STABLE_AFTER` after its end and found every row in a
final state. A row that is not in a final state after `ABANDONED_AFTER` is expected to stay as it
is. The expiry of media is not a change, since the row states when its media expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from attrs import field, frozen

from recording_core.listing.coverage import Coverage
from recording_core.listing.page import Window
from recording_core.listing.row_schema import SCHEMA_VERSION

#: The version of the index format; incremented when its meaning changes.
INDEX_VERSION = 1

#: Vendors list a recording up to two days after it was made, and correct it as late as that.
STABLE_AFTER = timedelta(days=3)
#: A recording that is still processed after this time is never finished by its vendor.
ABANDONED_AFTER = timedelta(days=30)

DAY = timedelta(days=1)
#: The bounds of an unbounded window.
BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


@frozen
class Part:
    """One Parquet file with the rows of one day (UTC); `day` is None for undated rows.

    `unfinished` is the number of rows whose status is not final, and `sha256` the digest of the
    file's content.
    """

    day: datetime | None
    file: str
    rows: int
    size: int
    unfinished: int = 0
    sha256: str = ""


@frozen
class Commit:
    """The record of one sweep: the whole days `[since, until)` (None is unbounded), and its result.

    `undated` are the parts with undated rows; None if the sweep made no statement about them.
    `version` is that of the index and `schema` that of the rows.
    """

    version: int = field(default=INDEX_VERSION, kw_only=True)
    schema: int = field(default=SCHEMA_VERSION, kw_only=True)
    provider: str
    account: str
    since: datetime | None
    until: datetime | None
    asked_at: datetime
    coverage: Coverage
    parts: tuple[Part, ...] = ()
    undated: tuple[Part, ...] | None = None


@frozen
class DayRange:
    """The days `[since, until)` and the newest sweep that covers them, or None."""

    since: datetime
    until: datetime
    commit: Commit | None

    def iterate_parts(self) -> Iterator[Part]:
        for part in self.commit.parts if self.commit else ():
            if part.day is not None and self.since <= part.day < self.until:
                yield part

    def find_unstable_days(self) -> Iterator[tuple[datetime, datetime]]:
        """Find the days that may have changed since the sweep."""
        if self.commit is None or not self.commit.coverage.complete:
            yield self.since, self.until
            return
        asked_at = self.commit.asked_at
        unstable_since = max(self.since, floor_to_day(asked_at - STABLE_AFTER))
        if unstable_since < self.until:
            yield unstable_since, self.until
        for part in self.iterate_parts():
            if part.unfinished and part.day and asked_at - part.day < DAY + ABANDONED_AFTER:
                yield part.day, _get_next_day(part.day)


def find_day_ranges(
    commits: Sequence[Commit],
    window: Window = Window(),  # noqa: B008
) -> list[DayRange]:
    """Divide a window, in order of time, by the newest commit of each day (the first given)."""
    since, until = window.since or BEGINNING, window.until or END
    found: list[DayRange] = []
    uncovered = [(since, until)]
    for commit in commits:
        left: list[tuple[datetime, datetime]] = []
        for start, end in uncovered:
            first = max(start, commit.since or BEGINNING)
            last = min(end, commit.until or END)
            if first >= last:
                left.append((start, end))
                continue
            found.append(DayRange(first, last, commit))
            left += [each for each in ((start, first), (last, end)) if each[0] < each[1]]
        uncovered = left
    found += [DayRange(start, end, None) for start, end in uncovered]
    return sorted(found, key=lambda each: each.since)


def find_parts(commits: Sequence[Commit], window: Window) -> list[Part]:
    """Find the parts with the rows of a window's days."""
    return [part for each in find_day_ranges(commits, window) for part in each.iterate_parts()]


def find_newest_undated(commits: Iterable[Commit]) -> tuple[Part, ...]:
    """Find the parts with undated rows: those of the newest sweep that states any."""
    return next((each.undated for each in commits if each.undated is not None), ())


def find_unstable_windows(
    commits: Sequence[Commit], window: Window, now: datetime, lost: Iterable[datetime | None] = ()
) -> tuple[Window, ...]:
    """Find the windows to list, newest first; `lost` are days with missing or damaged parts."""
    merged: list[tuple[datetime, datetime]] = []
    unstable = [
        days for each in find_day_ranges(commits, window) for days in each.find_unstable_days()
    ]
    unstable += [(day, _get_next_day(day)) for day in lost if day is not None]
    for start, end in sorted(unstable):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    tomorrow = floor_to_day(now) + DAY
    return tuple(
        # Without an end, so that recordings made during the sweep are listed, too.
        Window(start if start > BEGINNING else None, end if end < tomorrow else None)
        for start, end in reversed(merged)
    )


def extend_to_days(since: datetime | None, until: datetime | None) -> Window:
    """Extend a window to whole days (UTC)."""
    first = floor_to_day(since) if since is not None else None
    last = floor_to_day(until) if until is not None else None
    return Window(first, _get_next_day(last) if last is not None and last != until else last)


def _get_next_day(day: datetime) -> datetime:
    """Return the next midnight, or `END` for the last day of the calendar."""
    return day + DAY if day < floor_to_day(END) else END


def floor_to_day(instant: datetime) -> datetime:
    """Return the beginning of the day (UTC) of an instant."""
    return datetime.combine(instant.astimezone(UTC).date(), time(), UTC)
