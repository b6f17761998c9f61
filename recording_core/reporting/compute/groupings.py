"""By what can a report be grouped? Any column, and the hour, day, week or month in any time zone.

A time grouping goes by `created_at`, else `started_at`, as `list` does; a row with neither stands
in the group null. The key of a group is a number that grows with time, and its text is written
from it afterwards: no engine's calendar or time zones take part, so all engines agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from attrs import frozen

from recording_core.errors import ConfigurationError
from recording_core.reporting.compute.functions import microseconds, moment

if TYPE_CHECKING:
    from ibis.expr.types import Table, Value

__all__ = [
    "TIME_GROUPINGS",
    "TimeGrouping",
    "checked_groupings",
    "checked_zone",
    "grouping_names",
    "offset",
    "when",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_HOUR = 3_600 * _SECOND
_DAY = 24 * _HOUR
#: More than lies between the year 1 and 1970.
_CENTURIES = 2000 * 366 * _DAY
#: 1970 began on a Thursday, three days after a Monday.
_MONDAY = 3 * _DAY
#: Room for an offset of a day either way, beside the hour that it belongs to.
_OFFSETS = 1 << 18


def when(rows: Table) -> Any:
    """The time that windows and time groupings go by, in microseconds since 1970."""
    return microseconds(rows.created_at.coalesce(rows.started_at))


# -- zones ----------------------------------------------------------------------------------------

#: Outside these years a zone counts as UTC: nobody knows what a clock will show then.
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


def checked_zone(name: object) -> tzinfo:
    """The IANA time zone of that name. Raises `ConfigurationError` where there is none."""
    if not isinstance(name, str):
        raise ConfigurationError(f"tz must be an IANA name, not {type(name).__name__}")
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, LookupError):
        raise ConfigurationError(
            f"no time zone is named {name!r}: give an IANA name, such as Europe/Berlin, "
            "America/New_York or UTC"
        ) from None


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


@cache
def _steps(zone: tzinfo, first: datetime, last: datetime) -> tuple[tuple[int, int], ...]:
    """(microseconds, offset in microseconds that holds from there on), over `[first, last]`."""

    def offset_at(moment: datetime) -> int:
        return (moment.astimezone(zone).utcoffset() or timedelta()) // timedelta(microseconds=1)

    first, last = max(first, _FIRST), min(last, _LAST - timedelta(days=1)) + timedelta(days=1)
    if first >= last:
        return ()
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)] + [last]
    steps = [(_micros(first), offset_at(first))]
    for early, late in pairwise(days):
        # No zone changes twice within a day; the second at which it does is found by halving.
        before, after = offset_at(early), offset_at(late)
        if before == after:
            continue
        while late - early > timedelta(seconds=1):
            middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
            if offset_at(middle) == before:
                early = middle
            else:
                late = middle
        steps.append((_micros(late.replace(microsecond=0)), after))
    if last == _LAST:
        steps.append((_micros(_LAST), 0))
    return tuple(steps)


def offset(micros: Value, zone: tzinfo, first: datetime, last: datetime) -> Any:
    """The zone's offset from UTC, in microseconds, at times that lie within `[first, last]`."""
    import ibis

    def chosen(steps: Sequence[tuple[int, int]]) -> Any:
        # A balanced tree of comparisons: as many a row as the number of changes has digits.
        if len(steps) == 1:
            return ibis.literal(steps[0][1], "int64")
        half = len(steps) // 2
        return (micros < steps[half][0]).ifelse(chosen(steps[:half]), chosen(steps[half:]))

    steps = _steps(zone, first, last) or ((_micros(_FIRST), 0),)
    return chosen(((_micros(_FIRST) - 1, 0), *steps) if first < _FIRST else steps)


# -- the groupings --------------------------------------------------------------------------------


def _floor(micros: Any, unit: int) -> Any:
    # Engines give a remainder the sign of what is divided: years before 1970 are lifted above it.
    return micros - (micros + _CENTURIES // unit * unit) % unit


def _hour(micros: Any, shift: Any) -> Any:
    start = _floor(micros + shift, _HOUR) - shift
    return start // _SECOND * _OFFSETS + (shift // _SECOND + _OFFSETS // 2)


def _hour_text(key: int) -> str:
    start, shift = divmod(key, _OFFSETS)
    zone = timezone(timedelta(seconds=shift - _OFFSETS // 2))
    return (_EPOCH + timedelta(seconds=start)).astimezone(zone).isoformat(timespec="minutes")


def _date_text(key: int) -> str:
    return (_EPOCH + timedelta(microseconds=key)).date().isoformat()


def _month(micros: Any, shift: Any) -> Any:
    local = moment(micros + shift)
    return local.year().cast("int64") * 12 + local.month().cast("int64") - 1


@frozen
class TimeGrouping:
    """`key(micros, shift)` of a UTC time and its zone's offset; `text` writes a key."""

    name: str
    words: str
    key: Callable[[Any, Any], Any]
    text: Callable[[int], str]
    #: The key at a time, near enough to cut the rows into parts of like size.
    near: Callable[[datetime], int]


TIME_GROUPINGS = {
    each.name: each
    for each in (
        TimeGrouping(
            "hour",
            "the local hour with its offset, so that an hour which comes twice in autumn is two: "
            "`2026-10-25T02:00+02:00`",
            _hour,
            _hour_text,
            lambda time: _micros(time) // _SECOND * _OFFSETS,
        ),
        TimeGrouping(
            "day",
            "the local date: `2026-03-29`",
            lambda micros, shift: _floor(micros + shift, _DAY),
            _date_text,
            _micros,
        ),
        TimeGrouping(
            "week",
            "the local date of the week's Monday: `2026-03-23`",
            lambda micros, shift: _floor(micros + shift + _MONDAY, 7 * _DAY) - _MONDAY,
            _date_text,
            _micros,
        ),
        TimeGrouping(
            "month",
            "the local month: `2026-03`",
            _month,
            lambda key: f"{key // 12:04d}-{key % 12 + 1:02d}",
            lambda time: time.year * 12 + time.month - 1,
        ),
    )
}


def grouping_names(by: object) -> tuple[str, ...]:
    """The names, whether or not there are such columns. Raises `ConfigurationError`."""
    if isinstance(by, str):
        by = [word.strip() for word in by.split(",") if word.strip()]
    if not isinstance(by, Iterable):
        raise ConfigurationError(f"by must be names, not {type(by).__name__}")
    return tuple(by)


def checked_groupings(by: object, columns: Iterable[str]) -> tuple[str, ...]:
    """The names to group by: several, or one text with commas.

    Raises `ConfigurationError` that names those which are possible.
    """
    names = grouping_names(by)
    possible = (*TIME_GROUPINGS, *columns)
    for name in names:
        if name not in possible:
            raise ConfigurationError(
                f"cannot group by {name!r}; possible are {', '.join(possible)}"
            )
    if len(set(names)) < len(names):
        raise ConfigurationError(f"by names one thing twice: {', '.join(names)}")
    return names
