"""Which sweep is a day read from, and which days may have changed since?

Each day is read from the newest sweep that covers it. A day is settled, and its vendor not asked
about it again, once a complete sweep was made of it `SETTLED_AFTER` its end or later and saw every
row in a final state; a row that is in none so long as `GIVEN_UP_AFTER` will stay as it is. What
expires is no change: whoever reads a row sees whether its media has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from attrs import frozen

from recording_core.listing.coverage import Coverage
from recording_core.listing.page import Window

__all__ = [
    "BEGINNING",
    "DAY",
    "END",
    "GIVEN_UP_AFTER",
    "SETTLED_AFTER",
    "Commit",
    "Part",
    "Stretch",
    "midnight",
    "newest_undated",
    "stretches",
    "unsettled",
    "whole_days",
]

#: Vendors list a recording up to two days after it was made, and correct it as late.
SETTLED_AFTER = timedelta(days=3)
#: What is still processed after so long was forgotten by its vendor.
GIVEN_UP_AFTER = timedelta(days=30)

DAY = timedelta(days=1)
#: The ends of what has none.
BEGINNING = datetime.min.replace(tzinfo=UTC)
END = datetime.max.replace(tzinfo=UTC)


@frozen
class Part:
    """One Parquet file: rows of one day (UTC), or of `day` None: rows that name no time.

    `unfinished` are those in a state that is not final.
    """

    day: datetime | None
    file: str
    rows: int
    size: int
    unfinished: int = 0


@frozen
class Commit:
    """What one sweep covered, `[since, until)` in whole days (None is unbounded), and what it saw.

    `undated` are the rows that name no time, where the sweep tells anything about them. `version`
    is the index's, and `schema` the rows'.
    """

    version: int
    schema: int
    provider: str
    account: str
    since: datetime | None
    until: datetime | None
    asked_at: datetime
    coverage: Coverage
    parts: tuple[Part, ...]
    undated: tuple[Part, ...] | None = None


@frozen
class Stretch:
    """Days `[since, until)`, and the newest sweep that covers them; None where none does."""

    since: datetime
    until: datetime
    commit: Commit | None

    def parts(self) -> Iterator[Part]:
        for part in self.commit.parts if self.commit else ():
            if part.day is not None and self.since <= part.day < self.until:
                yield part

    def unsettled(self) -> Iterator[tuple[datetime, datetime]]:
        """The days of it that may have changed since they were seen."""
        if self.commit is None or not self.commit.coverage.complete:
            yield self.since, self.until
            return
        asked_at = self.commit.asked_at
        fresh = max(self.since, midnight(asked_at - SETTLED_AFTER))
        if fresh < self.until:
            yield fresh, self.until
        for part in self.parts():
            if part.unfinished and part.day and asked_at - part.day < DAY + GIVEN_UP_AFTER:
                yield part.day, _next(part.day)


def stretches(commits: Sequence[Commit], window: Window = Window()) -> list[Stretch]:  # noqa: B008
    """One account's days in a window, in their order. `commits` are its own, newest first."""
    since, until = window.since or BEGINNING, window.until or END
    found: list[Stretch] = []
    bare = [(since, until)]
    for commit in commits:
        left: list[tuple[datetime, datetime]] = []
        for start, end in bare:
            first = max(start, commit.since or BEGINNING)
            last = min(end, commit.until or END)
            if first >= last:
                left.append((start, end))
                continue
            found.append(Stretch(first, last, commit))
            left += [each for each in ((start, first), (last, end)) if each[0] < each[1]]
        bare = left
    found += [Stretch(start, end, None) for start, end in bare]
    return sorted(found, key=lambda each: each.since)


def newest_undated(commits: Iterable[Commit]) -> tuple[Part, ...]:
    """The rows that name no time, as the newest sweep that tells of any saw them."""
    return next((each.undated for each in commits if each.undated is not None), ())


def unsettled(
    commits: Sequence[Commit], window: Window, now: datetime, lost: Iterable[datetime | None] = ()
) -> tuple[Window, ...]:
    """What to ask the vendor for, so that the window is known as it is now; newest first.

    `lost` are days whose parts are no longer there as they were written.
    """
    merged: list[tuple[datetime, datetime]] = []
    pieces = [piece for each in stretches(commits, window) for piece in each.unsettled()]
    pieces += [(day, _next(day)) for day in lost if day is not None]
    for start, end in sorted(pieces):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    tomorrow = midnight(now) + DAY
    return tuple(
        # What is made while it is asked is seen, too.
        Window(start if start > BEGINNING else None, end if end < tomorrow else None)
        for start, end in reversed(merged)
    )


def whole_days(since: datetime | None, until: datetime | None) -> Window:
    """The days (UTC) that a window touches."""
    first = midnight(since) if since is not None else None
    if until is None:
        return Window(first, None)
    last = midnight(until)
    return Window(first, last if last == until else _next(last))


def _next(day: datetime) -> datetime:
    """The day after it; the calendar's last has none."""
    return day + DAY if day < midnight(END) else END


def midnight(moment: datetime) -> datetime:
    """The beginning of its day (UTC)."""
    return datetime.combine(moment.astimezone(UTC).date(), time(), UTC)
