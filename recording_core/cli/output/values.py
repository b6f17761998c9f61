"""How does a value look to people, and how to programs? `1:02:03` and `3723`, `1.2 MB` and bytes.

| value | people | programs |
|---|---|---|
| datetime | `2026-11-20 05:27`, UTC | ISO 8601, UTC |
| timedelta | `1:02:03` | seconds |
| size | `1.2 MB` | bytes |
| None | `–` | nothing |
"""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = [
    "aligned",
    "clock_time",
    "counted",
    "days",
    "for_people",
    "for_programs",
    "hours",
    "moment",
    "one_line",
    "size",
    "width_of",
]

NOTHING = "–"


def one_line(text: str) -> str:
    """Text on one line, without what would command a terminal: titles are strangers' words."""
    joined = " ".join(text.split())
    return "".join(each if each.isprintable() else "�" for each in joined)


def moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def clock_time(value: timedelta) -> str:
    """`4:05`, or `1:02:03` from an hour on."""
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    whole, minutes = divmod(minutes, 60)
    return f"{whole}:{minutes:02}:{seconds:02}" if whole else f"{minutes}:{seconds:02}"


def hours(value: timedelta) -> str:
    return f"{value / timedelta(hours=1):.1f} h"


def days(value: timedelta) -> str:
    return counted(max(1, round(value / timedelta(days=1))), "day")


def size(value: int) -> str:
    """Bytes in decimal units, as disks and invoices count them."""
    if value < 1000:
        return f"{value} B"
    amount, units = value / 1000, ["TB", "GB", "MB", "kB"]
    while amount >= 999.95 and len(units) > 1:
        amount /= 1000
        units.pop()
    return f"{amount:.1f} {units[-1]}"


def counted(number: int, noun: str) -> str:
    """`1 page`, `2 pages`, `1,234 pages`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def for_people(value: Any) -> str:
    """A cell of a table on a terminal."""
    match value:
        case None | "" | ():
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case datetime():
            return moment(value)
        case timedelta():
            return clock_time(value)
        case tuple() | list():
            return ", ".join(map(for_people, value))
    return one_line(str(value))


def for_programs(value: Any) -> str:
    """A field of a tab-separated line."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case timedelta():
            return f"{value.total_seconds():g}"
        case tuple() | list():
            return ",".join(map(for_programs, value))
    return one_line(str(value))


def width_of(text: str) -> int:
    """The columns that a text takes on a terminal: ideographs take two, accents none."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))


def padded(text: str, width: int, *, right: bool = False) -> str:
    space = " " * (width - width_of(text))
    return space + text if right else text + space


def aligned(
    rows: Iterable[Sequence[str]],
    *,
    right: Iterable[int] = (),
    gap: int = 2,
    indent: int = 0,
    width: int | None = None,
) -> Iterator[str]:
    """Each row as a text with its columns beneath those of the others.

    `right` are the columns that stand at their right; with a `width` the last column is wrapped
    within it, so that a row may take several lines.
    """
    table = [tuple(row) for row in rows]
    to_the_right = set(right)
    widths = [max(map(width_of, column)) for column in zip(*table, strict=True)]
    before = indent + sum(widths[:-1]) + gap * (len(widths) - 1)
    for row in table:
        last = textwrap.wrap(row[-1], max(20, width - before)) if width is not None else [row[-1]]
        cells = [
            padded(cell, widths[index], right=index in to_the_right)
            for index, cell in enumerate((*row[:-1], *last[:1]))
        ]
        first = (" " * indent + (" " * gap).join(cells)).rstrip()
        yield "\n".join((first, *(" " * before + rest for rest in last[1:])))
