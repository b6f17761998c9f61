"""Timeline: the recordings by hour, day, week, month or year, for a chart."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from recording_core.listing.page import Window
from recording_core.reporting.html.status_groups import count_statuses, find_status_group
from recording_core.reporting.number_format import format_date

if TYPE_CHECKING:
    from recording_core.reporting.report import Overview

#: The maximum number of columns. Beyond it, days become weeks, then months, then years.
MAX_STEPS = 130


@frozen
class TimelineStep:
    """One column: its short label, its full name, and its recordings by status group.

    `missing` are the labels of the accounts that were not listed completely for this time.
    """

    label: str
    name: str
    counts: Mapping[str, int]
    start: datetime
    missing: tuple[str, ...] = ()

    @property
    def recordings(self) -> int:
        return sum(self.counts.values())


@frozen
class Timeline:
    """The columns in order, one per `unit`, including empty ones; `undated` are in no column."""

    unit: str
    steps: tuple[TimelineStep, ...]
    undated: int


def build_timeline(
    overview: Overview,
    since: datetime | None,
    until: datetime,
    zone: tzinfo,
    gaps: Mapping[str, Sequence[Window]] = MappingProxyType({}),
) -> Timeline | None:
    """Build the timeline with the shortest steps that fit; None if no recording is dated.

    `gaps` is the label of an account -> the windows that were not listed completely.
    """
    timeline = _build_timeline(overview, since, until, zone)
    if timeline is None or not gaps:
        return timeline
    ends = [*(step.start for step in timeline.steps[1:]), datetime.max.replace(tzinfo=UTC)]
    steps = [
        evolve(
            step,
            missing=tuple(
                label
                for label, windows in gaps.items()
                if any(_overlaps(each, step.start, end) for each in windows)
            ),
        )
        for step, end in zip(timeline.steps, ends, strict=True)
    ]
    return evolve(timeline, steps=tuple(steps))


def _overlaps(window: Window, start: datetime, end: datetime) -> bool:
    return (window.since is None or window.since < end) and (
        window.until is None or window.until > start
    )


def _build_timeline(
    overview: Overview, since: datetime | None, until: datetime, zone: tzinfo
) -> Timeline | None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    undated = 0
    for unit, status, count in count_statuses(overview):
        if unit is None:
            undated += count
        else:
            counts[unit][find_status_group(status).name] += count
    if not counts:
        return None
    if overview.unit == "hour":
        hours = _build_hours(counts, zone)
        if hours is not None:
            return Timeline("hour", hours, undated)
    days: dict[date, Counter[str]] = defaultdict(Counter)
    for key, found in counts.items():
        days[date.fromisoformat(key[:10])].update(found)
    first, last = min(days), max(days)
    scale = next(
        (each for each in _SCALES if each.count_steps(first, last) <= MAX_STEPS), _SCALES[-1]
    )
    # The chart shows the whole window if that needs no longer steps.
    begin = min(first, since.astimezone(zone).date()) if since is not None else first
    end = max(last, (until - timedelta(microseconds=1)).astimezone(zone).date())
    if scale.count_steps(begin, last) > MAX_STEPS:
        begin = first
    if scale.count_steps(begin, end) > MAX_STEPS:
        end = last
    return Timeline(scale.unit, _build_steps(days, scale, begin, end, zone), undated)


@frozen
class _Scale:
    """A length of steps: `index` numbers them consecutively, `start` is a step's first day."""

    unit: str
    index: Callable[[date], int]
    start: Callable[[int], date]
    label: Callable[[date], str]
    name: Callable[[date], str]

    def count_steps(self, first: date, last: date) -> int:
        return self.index(last) - self.index(first) + 1


#: From short to long. Ordinal 1 was a Monday.
_SCALES = (
    _Scale(
        "day",
        lambda day: day.toordinal(),
        date.fromordinal,
        lambda day: format_date(day, year=False),
        lambda day: f"{day:%A} {format_date(day)}",
    ),
    _Scale(
        "week",
        lambda day: (day.toordinal() - 1) // 7,
        lambda index: date.fromordinal(index * 7 + 1),
        lambda day: format_date(day, year=False),
        lambda day: f"the week from Monday {format_date(day)}",
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


def _build_steps(
    days: Mapping[date, Counter[str]], scale: _Scale, begin: date, end: date, zone: tzinfo
) -> tuple[TimelineStep, ...]:
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for day, found in days.items():
        counts[scale.index(day)].update(found)
    indexes: Iterable[int] = range(scale.index(begin), scale.index(end) + 1)
    if scale.count_steps(begin, end) > MAX_STEPS:
        indexes = sorted(counts)  # centuries apart, so a vendor's clock is wrong
    return tuple(
        TimelineStep(
            scale.label(start),
            scale.name(start),
            counts.get(index, {}),
            datetime.combine(start, time(), zone),
        )
        for index in indexes
        for start in (scale.start(index),)
    )


def _build_hours(counts: Mapping[str, Any], zone: tzinfo) -> tuple[TimelineStep, ...] | None:
    # As instants in UTC, so that the repeated hour in autumn is two steps.
    found = {datetime.fromisoformat(key).astimezone(UTC): counts[key] for key in counts}
    first, last = min(found), max(found)
    number = (last - first) // timedelta(hours=1) + 1
    if number > MAX_STEPS:
        return None
    between = (first + timedelta(hours=each) for each in range(number))
    label = "%H:%M" if number <= 24 else "%a %H:%M"
    return tuple(
        TimelineStep(
            local.strftime(label),
            f"{format_date(local)}, {local:%H:%M}",
            found.get(start, {}),
            start,
        )
        for start in sorted({*found, *between})
        for local in (start.astimezone(zone),)
    )
