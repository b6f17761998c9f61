"""Lists of the emulated Twilio: filters and pages.

https://www.twilio.com/docs/usage/twilios-response#pagination
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from recording_twilio.emulator.requests import Arguments, read_time, read_whole_number
from recording_twilio.emulator.responses import ErrorResponse

T = TypeVar("T")
#: The time of a row, and its SID.
SortKey = tuple[datetime, str]

DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
#: The pages name `<` and `>`. `DateCreated<=2026-11-28` in a URL is the name `DateCreated<`. Both
#: include the midnight that they name.
_COMPARISONS: Sequence[tuple[str, Callable[[datetime, datetime], bool]]] = (
    ("", lambda given, bound: given.date() == bound.date()),
    ("<", lambda given, bound: given <= bound),
    (">", lambda given, bound: given >= bound),
)


def build_time_filter(
    arguments: Arguments, name: str, *, cuts_to_date: bool
) -> Callable[[datetime], bool]:
    """Build a filter by time from a parameter and its comparisons. Raises `ErrorResponse`."""
    bounds = [
        (compare, read_time(text, name, cuts_to_date=cuts_to_date))
        for suffix, compare in _COMPARISONS
        if (text := arguments.get(name + suffix)) is not None
    ]
    return lambda given: all(compare(given, bound) for compare, bound in bounds)


def build_page(
    rows: Sequence[T],
    arguments: Arguments,
    *,
    path: str,
    read_key: Callable[[T], SortKey],
    has_row_tokens: bool,
    largest: int = LARGEST_PAGE,
) -> tuple[Sequence[T], dict[str, Any]]:
    """Build one page, newest first, and the fields next to its array.

    Undocumented: what a `PageToken` is. Here it is a position, or with `has_row_tokens` (assumption
    3) the key of the last row of the page before. Raises `ErrorResponse`.
    """
    rows = sorted(rows, key=read_key, reverse=True)
    size = min(read_whole_number(arguments, "PageSize", DEFAULT_PAGE, most=LARGEST_PAGE), largest)
    token, page = arguments.get("PageToken"), int(arguments.get("Page") or 0)
    first = 0 if token is None else _find_position(token, rows, read_key)
    shown = rows[first : first + size]
    filters = {
        key: value
        for key in ("CallSid", "ConferenceSid", "IncludeSoftDeleted", "FriendlyName", "Status")
        if (value := arguments.get(key)) is not None
    }
    for suffix, _ in _COMPARISONS:
        if (value := arguments.get(f"DateCreated{suffix}")) is not None:
            filters[f"DateCreated{suffix}"] = value

    def build_uri(number: int, **more: str) -> str:
        return f"{path}?{urlencode({**filters, 'PageSize': size, 'Page': number, **more})}"

    following = None
    if first + size < len(rows):
        last = _encode_key(*read_key(shown[-1])) if has_row_tokens else f"PT{first + size}"
        following = build_uri(page + 1, PageToken=last)
    fields = {
        "end": first + max(len(shown) - 1, 0),
        "first_page_uri": build_uri(0),
        "next_page_uri": following,
        "page": page,
        "page_size": size,
        "previous_page_uri": build_uri(page - 1) if page else None,
        "start": first,
        "uri": build_uri(page, **({} if token is None else {"PageToken": token})),
    }
    return shown, fields


def _encode_key(began: datetime, sid: str) -> str:
    return f"PA{sid}{began.timestamp():.0f}"


def _find_position(token: str, rows: Sequence[T], read_key: Callable[[T], SortKey]) -> int:
    """Find the first row after a token, also if the row that it names is gone."""
    if found := re.fullmatch(r"PT([0-9]{1,9})", token, re.ASCII):
        return int(found[1])
    if found := re.fullmatch(r"PA([A-Z]{2}[0-9a-f]{32})([0-9]{1,12})", token, re.ASCII):
        last = datetime.fromtimestamp(int(found[2]), UTC), found[1]
        return sum(read_key(row) >= last for row in rows)
    raise ErrorResponse(400, "Invalid PageToken")
