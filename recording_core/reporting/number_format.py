"""Number format: numbers and times for people, e.g. `1,234`, `1.2 GB`, `5:14`, `3 Mar 2026, 14:46`.

A no-break space joins a number and its unit.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta, tzinfo

#: Stands for a value that the vendor does not report; never 0.
NOT_REPORTED = "–"
_SPACE = "\N{NO-BREAK SPACE}"


def format_number(value: float) -> str:
    return f"{value:,}"


def format_count(value: int, noun: str) -> str:
    """Format a number with its noun: `1 recording`, `1,234 recordings`."""
    return f"{value:,}{_SPACE}{noun}{'' if value == 1 else 's'}"


def format_hundredths(value: float) -> str:
    """Format hours or a cost, without the unit; a small positive value never becomes `0.00`."""
    return f"<{_SPACE}0.01" if 0 < value < 0.005 else f"{value:,.2f}"


def format_size(value: int) -> str:
    """Format bytes in decimal units, as disks and invoices count them."""
    if abs(value) < 1000:
        return f"{value}{_SPACE}B"
    amount, units = value / 1000, ["PB", "TB", "GB", "MB", "kB"]
    while abs(amount) >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop()
    return f"{amount:,.1f}{_SPACE}{units[-1]}"


def format_length(seconds: float) -> str:
    """Format seconds as `0:07`, `5:14`, `1:02:03`."""
    minutes, rest = divmod(round(abs(seconds)), 60)
    whole, minutes = divmod(minutes, 60)
    sign = "−" if seconds <= -0.5 else ""
    return f"{sign}{whole:,}:{minutes:02}:{rest:02}" if whole else f"{sign}{minutes}:{rest:02}"


def format_percent(part: float, whole: float) -> str:
    """Format a share as `3.9 %`; neither `0 %` of a positive part nor `100 %` of less than all."""
    if not whole:
        return NOT_REPORTED
    share = 100 * part / whole
    if 0 < share < 0.1:
        return f"<{_SPACE}0.1{_SPACE}%"
    if 99.9 < share < 100:
        return f">{_SPACE}99.9{_SPACE}%"
    return f"{share:.1f}".removesuffix(".0") + f"{_SPACE}%"


def format_date(value: date, *, year: bool = True) -> str:
    """Format a date as `3 Mar 2026`."""
    return f"{value.day}{_SPACE}{value:%b}" + (f"{_SPACE}{value.year}" if year else "")


def format_time(value: datetime, zone: tzinfo) -> str:
    """Format a time in a zone as `3 Mar 2026, 14:46`."""
    local = _convert_to_zone(value, zone)
    return f"{format_date(local)}, {local:%H:%M}"


def format_datetime(value: datetime, zone: tzinfo = UTC) -> str:
    """Format a time so that times sort as text: `2026-11-20 05:27`."""
    return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"


def format_period(
    since: datetime | None, until: datetime | None, now: datetime, zone: tzinfo
) -> str:
    """Format the days of `[since, until)`: `1 Jan – 31 Mar 2026`, `Until 31 Mar 2026`."""
    last = _convert_to_zone((until or now) - timedelta(microseconds=1), zone).date()
    if since is None:
        return f"Until {format_date(last)}"
    first = _convert_to_zone(since, zone).date()
    if first >= last:
        return format_date(first)
    return f"{format_date(first, year=first.year != last.year)} – {format_date(last)}"


def format_window(
    since: datetime | None, until: datetime | None, now: datetime, zone: tzinfo
) -> str:
    """Format a window exactly: `From 1 Jan 2026, 00:00 to 1 Apr 2026, 00:00`."""
    end = format_time(until or now, zone)
    if since is None:
        return f"Everything before {end}"
    return f"From {format_time(since, zone)} to {end}"


def join_words(words: Iterable[str]) -> str:
    """Join words as `one, two and three`."""
    *head, last = list(words) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def _convert_to_zone(value: datetime, zone: tzinfo) -> datetime:
    try:
        return value.astimezone(zone)
    except OverflowError:  # at either end of the calendar
        return value
