"""How does a figure read on a page? `1,234`, `1.2 GB`, `5:14`, `3 Mar 2026, 14:46`.

A number keeps to its unit: a space between them is one at which no line breaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo

__all__ = [
    "NOT_TOLD",
    "bounds",
    "cost",
    "counted",
    "day",
    "hours",
    "joined",
    "length",
    "moment",
    "number",
    "percent",
    "period",
    "size",
]

#: What the vendor does not tell; never 0.
NOT_TOLD = "–"
_SPACE = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """`1 recording`, `1,234 recordings`."""
    return f"{value:,}{_SPACE}{noun}{'' if value == 1 else 's'}"


def hours(value: float) -> str:
    """The number alone: its unit stands beside it. Never `0.00` of something."""
    return _hundredths(value)


def cost(value: float) -> str:
    """The number alone: its currency stands beside it. Never `0.00` of something."""
    return _hundredths(value)


def _hundredths(value: float) -> str:
    return f"<{_SPACE}0.01" if 0 < value < 0.005 else f"{value:,.2f}"


def size(value: int) -> str:
    """Bytes in decimal units, as disks and invoices count them."""
    if abs(value) < 1000:
        return f"{value}{_SPACE}B"
    amount, units = value / 1000, ["PB", "TB", "GB", "MB", "kB"]
    while abs(amount) >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop()
    return f"{amount:,.1f}{_SPACE}{units[-1]}"


def length(seconds: float) -> str:
    """`0:07`, `5:14`, `1:02:03`."""
    minutes, rest = divmod(round(abs(seconds)), 60)
    whole, minutes = divmod(minutes, 60)
    sign = "−" if seconds <= -0.5 else ""
    return f"{sign}{whole:,}:{minutes:02}:{rest:02}" if whole else f"{sign}{minutes}:{rest:02}"


def percent(part: float, whole: float) -> str:
    """`3.9 %`; never `0 %` of something, nor `100 %` of less than all."""
    if not whole:
        return NOT_TOLD
    share = 100 * part / whole
    if 0 < share < 0.1:
        return f"<{_SPACE}0.1{_SPACE}%"
    if 99.9 < share < 100:
        return f">{_SPACE}99.9{_SPACE}%"
    return f"{share:.1f}".removesuffix(".0") + f"{_SPACE}%"


def day(value: date, *, year: bool = True) -> str:
    """`3 Mar 2026`."""
    month = value.strftime("%b")
    return f"{value.day}{_SPACE}{month}" + (f"{_SPACE}{value.year}" if year else "")


def moment(value: datetime, zone: tzinfo) -> str:
    """`3 Mar 2026, 14:46` in that zone."""
    local = _local(value, zone)
    return f"{day(local)}, {local:%H:%M}"


def period(since: datetime | None, until: datetime | None, now: datetime, zone: tzinfo) -> str:
    """`1 Jan – 31 Mar 2026`: the days that `[since, until)` touches; `Until 31 Mar 2026`."""
    last = _local((until or now) - timedelta(microseconds=1), zone).date()
    if since is None:
        return f"Until {day(last)}"
    first = _local(since, zone).date()
    if first >= last:
        return day(first)
    return f"{day(first, year=first.year != last.year)} – {day(last)}"


def bounds(since: datetime | None, until: datetime | None, now: datetime, zone: tzinfo) -> str:
    """`From 1 Jan 2026, 00:00 to 1 Apr 2026, 00:00`, exactly."""
    end = moment(until or now, zone)
    return f"Everything before {end}" if since is None else f"From {moment(since, zone)} to {end}"


def joined(words: Iterable[str]) -> str:
    """`one, two and three`."""
    *head, last = list(words) or [""]
    return f"{', '.join(head)} and {last}" if head else last


def _local(value: datetime, zone: tzinfo) -> datetime:
    try:
        return value.astimezone(zone)
    except OverflowError:  # at either end of the calendar
        return value
