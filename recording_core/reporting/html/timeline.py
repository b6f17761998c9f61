"""Over which hours, days, weeks, months or years does a chart go, and what happened in each?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

from attrs import frozen

from recording_core.reporting.compute.overview import Overview
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.status_groups import family_of

__all__ = ["MOST_STEPS", "Step", "Timeline", "timeline"]

#: More columns than these cannot be told apart, so that days become weeks, then months and years.
MOST_STEPS = 130


@frozen
class Step:
    """One column: its short label, its full name, and its recordings by family of status."""

    label: str
    words: str
    counts: Mapping[str, int]

    @property
    def recordings(self) -> int:
        return sum(self.counts.values())


@frozen
class Timeline:
    """The columns in order, one an `unit`, also where nothing happened; `undated` are in none."""

    unit: str
    steps: tuple[Step, ...]
    undated: int


def timeline(
    seen: Overview, since: datetime | None, until: datetime, zone: tzinfo
) -> Timeline | None:
    """What was recorded when, in steps as fine as can be drawn; None where nothing is dated."""
    counts: dict[str, Counter[str]] = {}
    undated = 0
    for row in seen.times:
        if row[seen.unit] is None:
            undated += row["recordings"]
        else:
            found = counts.setdefault(row[seen.unit], Counter())
            found[family_of(row["status"]).name] += row["recordings"]
    if not counts:
        return None
    if seen.unit == "hour":
        hours = _hours(counts, zone)
        if hours is not None:
            return Timeline("hour", hours, undated)
    days: dict[date, Counter[str]] = {}
    for key, found in counts.items():
        days.setdefault(date.fromisoformat(key[:10]), Counter()).update(found)
    first, last = min(days), max(days)
    scale = next((each for each in _SCALES if each.steps(first, last) <= MOST_STEPS), _SCALES[-1])
    # The whole window is drawn where that makes no step coarser.
    begin = min(first, since.astimezone(zone).date()) if since is not None else first
    end = max(last, (until - timedelta(microseconds=1)).astimezone(zone).date())
    if scale.steps(begin, last) > MOST_STEPS:
        begin = first
    if scale.steps(begin, end) > MOST_STEPS:
        end = last
    return Timeline(scale.unit, _steps(days, scale, begin, end), undated)


@frozen
class _Scale:
    """`index` numbers the steps, one after the other, and `start` is a step's first day."""

    unit: str
    index: Callable[[date], int]
    start: Callable[[int], date]
    label: Callable[[date], str]
    words: Callable[[date], str]

    def steps(self, first: date, last: date) -> int:
        return self.index(last) - self.index(first) + 1


#: From fine to coarse. Ordinal 1 was a Monday.
_SCALES = (
    _Scale(
        "day",
        lambda day: day.toordinal(),
        date.fromordinal,
        lambda day: wording.day(day, year=False),
        lambda day: f"{day:%A} {wording.day(day)}",
    ),
    _Scale(
        "week",
        lambda day: (day.toordinal() - 1) // 7,
        lambda index: date.fromordinal(index * 7 + 1),
        lambda day: wording.day(day, year=False),
        lambda day: f"the week from Monday {wording.day(day)}",
    ),
    _Scale(
        "month",
        lambda day: day.year * 12 + day.month - 1,
        lambda index: date(index // 12, index % 12 + 1, 1),
        lambda day: f"{day:%b} {day.year}",
        lambda day: f"{day:%B} {day.year}",
    ),
    _Scale(
        "year",
        lambda day: day.year,
        lambda index: date(index, 1, 1),
        lambda day: str(day.year),
        lambda day: str(day.year),
    ),
)


def _steps(
    days: Mapping[date, Counter[str]], scale: _Scale, begin: date, end: date
) -> tuple[Step, ...]:
    counts: dict[int, Counter[str]] = {}
    for day, found in days.items():
        counts.setdefault(scale.index(day), Counter()).update(found)
    indexes: Iterable[int] = range(scale.index(begin), scale.index(end) + 1)
    if scale.steps(begin, end) > MOST_STEPS:
        indexes = sorted(counts)  # centuries apart: no vendor's clock is right about that
    return tuple(
        Step(scale.label(start), scale.words(start), counts.get(index, {}))
        for index in indexes
        for start in (scale.start(index),)
    )


def _hours(counts: Mapping[str, Any], zone: tzinfo) -> tuple[Step, ...] | None:
    # As instants in UTC: the hour that comes twice in autumn is two.
    found = {datetime.fromisoformat(key).astimezone(UTC): counts[key] for key in counts}
    first, last = min(found), max(found)
    number = (last - first) // timedelta(hours=1) + 1
    if number > MOST_STEPS:
        return None
    between = (first + timedelta(hours=each) for each in range(number))
    label = "%H:%M" if number <= 24 else "%a %H:%M"
    return tuple(
        Step(local.strftime(label), f"{wording.day(local)}, {local:%H:%M}", found.get(start, {}))
        for start in sorted({*found, *between})
        for local in (start.astimezone(zone),)
    )
