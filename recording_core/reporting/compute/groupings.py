"""Groupings: any column, and the hour, day, week or month in any time zone.

A time grouping uses `created_at`, else `started_at`, as `list` does; a row with neither is in the
group null. The key of a group is a number that grows with time, and its text is formatted from it
afterwards. No calendar or time zones of an engine are involved, so all engines return the same
result.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.errors import ConfigurationError
from recording_core.reporting.compute.functions import (
    DAY,
    EPOCH,
    SECOND,
    cast_to_timestamp,
    floor,
    to_microseconds,
)

if TYPE_CHECKING:
    from ibis.expr.types import Value

_HOUR = 3_600 * SECOND
#: 1970 began on a Thursday, three days after a Monday.
_MONDAY = 3 * DAY
#: The factor that separates an hour from its offset (up to a day in either direction) in a key.
_OFFSETS = 1 << 18


# -- zones ----------------------------------------------------------------------------------------

#: Outside these years every zone counts as UTC, since its offsets are unknown.
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


@cache
def _find_offset_changes(
    zone: tzinfo, first: datetime, last: datetime
) -> tuple[tuple[int, int], ...]:
    """Find the offset changes in `[first, last]`: (time, offset from then on), in microseconds."""

    def get_offset(time: datetime) -> int:
        return (time.astimezone(zone).utcoffset() or timedelta()) // timedelta(microseconds=1)

    def find_change(early: datetime, late: datetime) -> datetime:
        # No zone changes twice within a day. Bisect to the second of the change.
        before, seconds = get_offset(early), range((late - early) // timedelta(seconds=1) + 1)
        index = bisect_left(
            seconds, True, key=lambda each: get_offset(early + timedelta(seconds=each)) != before
        )
        return (early + timedelta(seconds=index)).replace(microsecond=0)

    first, last = max(first, _FIRST), min(last, _LAST - timedelta(days=1)) + timedelta(days=1)
    if first >= last:
        return ()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)] + [last]
    changes = [(to_microseconds(first), get_offset(first))]
    changes += [
        (to_microseconds(find_change(early, late)), get_offset(late))
        for early, late in pairwise(days)
        if get_offset(early) != get_offset(late)
    ]
    if last == _LAST:
        changes.append((to_microseconds(_LAST), 0))
    return tuple(changes)


def build_offset(micros: Value, zone: tzinfo, first: datetime, last: datetime) -> Any:
    """Build the zone's offset from UTC, in microseconds, for times within `[first, last]`."""
    import ibis

    def build_choice(changes: Sequence[tuple[int, int]]) -> Any:
        # A balanced tree: the comparisons per row are the binary logarithm of the changes.
        if len(changes) == 1:
            return ibis.literal(changes[0][1], "int64")
        half = len(changes) // 2
        return (micros < changes[half][0]).ifelse(
            build_choice(changes[:half]), build_choice(changes[half:])
        )

    changes = _find_offset_changes(zone, first, last) or ((to_microseconds(_FIRST), 0),)
    if first < _FIRST:
        changes = ((to_microseconds(_FIRST) - 1, 0), *changes)
    return build_choice(changes)


# -- the groupings --------------------------------------------------------------------------------


def _build_hour_key(micros: Any, shift: Any) -> Any:
    start = floor(micros + shift, _HOUR) - shift
    return start // SECOND * _OFFSETS + (shift // SECOND + _OFFSETS // 2)


def _format_hour(key: int) -> str:
    start, shift = divmod(key, _OFFSETS)
    zone = timezone(timedelta(seconds=shift - _OFFSETS // 2))
    return (EPOCH + timedelta(seconds=start)).astimezone(zone).isoformat(timespec="minutes")


def _format_date(key: int) -> str:
    return (EPOCH + timedelta(microseconds=key)).date().isoformat()


def _build_month_key(micros: Any, shift: Any) -> Any:
    local = cast_to_timestamp(micros + shift)
    return local.year().cast("int64") * 12 + local.month().cast("int64") - 1


@frozen
class TimeGrouping:
    """A grouping by time; `key(micros, shift)` takes a UTC time and its zone's offset."""

    name: str
    description: str
    key: Callable[[Any, Any], Any]
    format_key: Callable[[int], str]
    #: The approximate key of a time, to split the rows into parts of similar size.
    estimate_key: Callable[[datetime], int]


TIME_GROUPINGS = {
    each.name: each
    for each in (
        TimeGrouping(
            "hour",
            "the local hour with its offset, so that the repeated hour in autumn is two groups: "
            "`2026-10-25T02:00+02:00`",
            _build_hour_key,
            _format_hour,
            lambda time: to_microseconds(time) // SECOND * _OFFSETS,
        ),
        TimeGrouping(
            "day",
            "the local date: `2026-03-29`",
            lambda micros, shift: floor(micros + shift, DAY),
            _format_date,
            to_microseconds,
        ),
        TimeGrouping(
            "week",
            "the local date of the week's Monday: `2026-03-23`",
            lambda micros, shift: floor(micros + shift + _MONDAY, 7 * DAY) - _MONDAY,
            _format_date,
            to_microseconds,
        ),
        TimeGrouping(
            "month",
            "the local month: `2026-03`",
            _build_month_key,
            lambda key: f"{key // 12:04d}-{key % 12 + 1:02d}",
            lambda time: time.year * 12 + time.month - 1,
        ),
    )
}


def parse_groupings(by: object, columns: Iterable[str] | None) -> tuple[str, ...]:
    """Parse the names to group by: an iterable, or one text with commas.

    Raises `ConfigurationError` that lists the possible names. If `columns` is None, since they are
    not known yet, the names are not checked.
    """
    if isinstance(by, str):
        by = [word.strip() for word in by.split(",") if word.strip()]
    if not isinstance(by, Iterable):
        raise ConfigurationError(f"by must be names, not {type(by).__name__}")
    names = tuple(by)
    if columns is None:
        return names
    possible = (*TIME_GROUPINGS, *columns)
    for name in names:
        if name not in possible:
            raise ConfigurationError(
                f"cannot group by {name!r}; possible are {', '.join(possible)}"
            )
    if len(set(names)) < len(names):
        raise ConfigurationError(f"by names a grouping twice: {', '.join(names)}")
    return names
