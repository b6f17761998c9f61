"""Measure format: the value of a measure as text, and for how many recordings it is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recording_core.reporting.compute.measures import MEASURES
from recording_core.reporting.number_format import (
    NOT_REPORTED,
    format_hundredths,
    format_length,
    format_number,
    format_size,
)

_MEASURES = {each.name: each for each in MEASURES}
#: a measure's type -> its format
_FORMATS = {
    "count": format_number,
    "bytes": format_size,
    "seconds": format_length,
    "number": format_hundredths,
}


def format_measure(row: Mapping[str, Any], name: str) -> str:
    """Format the value of a measure without its unit."""
    value = row[name]
    return NOT_REPORTED if value is None else _FORMATS[_MEASURES[name].type](value)


def find_known_measure(name: str) -> str:
    """Return the measure that counts the recordings for which a measure is known."""
    return _MEASURES[name].known or "recordings"


def format_known(row: Mapping[str, Any], name: str, prefix: str = "") -> str:
    """Format `of 9 of 12` if a measure is known for only some recordings, after a prefix."""
    known, count = row[find_known_measure(name)], row["recordings"]
    return "" if known == count else f"{prefix}{known:,} of {count:,}"
