"""Values: how the command line formats them, for people and for programs.

| value | for people | for programs |
|---|---|---|
| datetime | `2026-11-20 05:27`, UTC | ISO 8601, UTC |
| timedelta | `1:02:03` | seconds |
| size | `1.2 MB` | bytes |
| None | `–` | an empty field |
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from recording_core.redaction import escape_controls
from recording_core.reporting.number_format import NOT_REPORTED, format_datetime, format_length


def sanitize_line(text: str) -> str:
    """Return text on one line, with control characters escaped, which titles may contain.

    No-break spaces become spaces, so that the output can be searched.
    """
    return escape_controls(" ".join(text.split()))


def format_for_people(value: Any) -> str:
    """Format a value as a cell of a table on a terminal."""
    match value:
        case None | "" | ():
            return NOT_REPORTED
        case bool():
            return "yes" if value else "no"
        case datetime():
            return format_datetime(value)
        case timedelta():
            return format_length(value.total_seconds())
        case tuple() | list():
            return ", ".join(map(format_for_people, value))
    return sanitize_line(str(value))


def format_for_programs(value: Any) -> str:
    """Format a value as a field of a tab-separated line."""
    match value:
        case None | "":
            return ""
        case datetime():
            return value.astimezone(UTC).isoformat()
        case timedelta():
            return f"{value.total_seconds():g}"
        case date():
            return value.isoformat()
        case float():
            return f"{value:g}" if value.is_integer() else str(value)
        case tuple() | list():
            return ",".join(map(format_for_programs, value))
    return format_for_people(value)
