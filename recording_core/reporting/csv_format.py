"""CSV format: text that a spreadsheet does not run as a formula, and its reading.

Spreadsheets run a cell that begins like a formula, also if a vendor or a caller chose its text
(OWASP, "CSV Injection"). Such a text is written with an apostrophe before it, which spreadsheets
take for "this is text". Numbers are written unchanged.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import zip_longest
from typing import Any

#: Also after apostrophes, so that reading removes exactly the one that writing added. The last
#: four are the full-width forms, which spreadsheets of East Asian locales convert.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")
#: Semicolons and decimal commas are what spreadsheets expect in the same locales.
_EXCEL_DELIMITER = ";"
_BYTE_ORDER_MARK = "\ufeff"
_DELIMITERS = ",;\t"


def protect_text(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def unprotect_text(text: str) -> str:
    """Remove the apostrophe that `protect_text` has put before a text."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def format_csv(
    headings: Iterable[str],
    rows: Iterable[Iterable[Any]],
    *,
    raw: bool = False,
    excel: bool = False,
) -> str:
    """Format a heading and rows as CSV; several words in one field are joined by `;`.

    `raw` adds no apostrophe. `excel` is for a double click in locales with decimal commas: with a
    byte order mark, semicolons and decimal commas.
    """
    text = io.StringIO()
    delimiter = _EXCEL_DELIMITER if excel else ","
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")

    def format_field(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return ";".join(str(format_field(each)) for each in value)
        if isinstance(value, Mapping):
            return format_field([f"{key}={each}" for key, each in value.items()])
        if isinstance(value, str):
            return value if raw else protect_text(value)
        if isinstance(value, float) and excel:
            return str(value).replace(".", ",")
        return convert_time(value) if isinstance(value, date | timedelta) else value

    writer.writerow(map(format_field, headings))
    writer.writerows(map(format_field, row) for row in rows)
    return f"{_BYTE_ORDER_MARK}{text.getvalue()}" if excel else text.getvalue()


def parse_csv(lines: Iterable[str]) -> tuple[tuple[str, ...], Iterator[tuple[int, dict[str, str]]]]:
    """Parse CSV as spreadsheets save it: the names of its columns, and each row with its line.

    The delimiter is a comma, semicolon or tab. Names are returned in lower case, with `_` for
    spaces, and texts without the apostrophe of `protect_text`. Rows without text are left out.
    Raises `csv.Error`.
    """
    lines = iter(lines)
    first = next(lines, "").removeprefix(_BYTE_ORDER_MARK)
    delimiter = max(_DELIMITERS, key=first.count)
    heading = next(csv.reader([first], delimiter=delimiter), [])
    names = tuple(map(_normalize_name, heading))

    def read_rows() -> Iterator[tuple[int, dict[str, str]]]:
        rows = csv.reader(lines, delimiter=delimiter)
        for row in rows:
            cells = [unprotect_text(each.strip(" ")).strip() for each in row]
            if any(cells):
                yield rows.line_num + 1, dict(zip_longest(names, cells[: len(names)], fillvalue=""))

    return names, read_rows()


def _normalize_name(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", unprotect_text(name.strip())).casefold()


def convert_time(value: Any) -> Any:
    """Convert a time to ISO 8601 (UTC) and a duration to seconds."""
    if isinstance(value, datetime) and value.tzinfo:
        value = value.astimezone(UTC)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(f"a report cannot hold a {type(value).__name__}")
