"""HTML table: the fields of a value, or rows, for a notebook. Every text is escaped."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from html import escape
from typing import Any

from attrs import fields


def build_fields_table(value: Any, *, without: Collection[str] = ()) -> str:
    """Build a table of the fields of a frozen value. Fields that are unknown or empty are left out.

    A zero and a false are values.
    """
    found = [
        (each.name, getattr(value, each.name))
        for each in fields(type(value))
        if each.name not in without
    ]
    rows = [pair for pair in found if pair[1] is not None and pair[1] != () and pair[1] != {}]
    return build_table((type(value).__name__, ""), rows)


def build_table(heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Build a table with a heading. A number is aligned right, and `None` is a dash."""
    cells = "".join(f"<th>{escape(each)}</th>" for each in heading)
    body = "".join(f"<tr>{''.join(map(_build_cell, row))}</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _build_cell(value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    style = ' style="text-align:right"' if is_number else ' style="text-align:left"'
    return f"<td{style}>{_format_value(value)}</td>"


def _format_value(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return "<br>".join(escape(f"{name}: {each}") for name, each in value.items())
    if isinstance(value, list | tuple):
        return "<br>".join(map(_format_value, value))
    return escape(str(value))
