"""Lists of the emulated Twilio: filters and pages.

https://www.twilio.com/docs/usage/twilios-response#pagination
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from recording_twilio.emulator.recordings import EmulatedSession
from recording_twilio.emulator.requests import Arguments, read_time, read_whole_number
from recording_twilio.emulator.responses import ErrorResponse

T = TypeVar("T")
#: The time of a row, and its SID.
SortKey = tuple[datetime, str]

DEFAULT_PAGE, LARGEST_PAGE = 50, 1000
MOST_PAGES = 10**9 - 1
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


def build_session_filter(
    arguments: Arguments, *, cuts_to_date: bool = False, **fields: str
) -> Callable[[EmulatedSession], bool]:
    """Build a filter of sessions by several times: a parameter -> the field that it is about."""
    filters = {
        field: build_time_filter(arguments, name, cuts_to_date=cuts_to_date)
        for name, field in fields.items()
        if any(arguments.get(name + suffix) for suffix, _ in _COMPARISONS)
    }

    def is_wanted(session: EmulatedSession) -> bool:
        times = ((getattr(session, field), compare) for field, compare in filters.items())
        return all(time is not None and compare(time) for time, compare in times)

    return is_wanted


def is_equal(wanted: Sequence[str | None], found: Sequence[str]) -> bool:
    """Whether each value that a filter names is the one that was found."""
    return all(one in (None, other) for one, other in zip(wanted, found, strict=True))


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
    token = arguments.get("PageToken")
    page = read_whole_number(arguments, "Page", 0, least=0, most=MOST_PAGES)
    first = 0 if token is None else _find_position(token, rows, read_key, size)
    shown = rows[first : first + size]
    filters = arguments.list_others("PageSize", "Page", "PageToken")

    def build_uri(number: int, **more: str) -> str:
        pairs = [*filters, ("PageSize", size), ("Page", number), *more.items()]
        return f"{path}?{urlencode(pairs)}"

    following = None
    if first + size < len(rows):
        last = _encode_key("PA", *read_key(shown[-1])) if has_row_tokens else f"PT{first + size}"
        following = build_uri(page + 1, PageToken=last)
    previous = None
    if page and shown:
        begin = max(first - size, 0)
        before = _encode_key("PB", *read_key(shown[0])) if has_row_tokens else f"PT{begin}"
        previous = build_uri(page - 1, PageToken=before)
    fields = {
        "end": first + max(len(shown) - 1, 0),
        "first_page_uri": build_uri(0),
        "next_page_uri": following,
        "page": page,
        "page_size": size,
        "previous_page_uri": previous,
        "start": first,
        "uri": build_uri(page, **({} if token is None else {"PageToken": token})),
    }
    return shown, fields


def _encode_key(prefix: str, began: datetime, sid: str) -> str:
    return f"{prefix}{sid}{began.timestamp():.0f}"


def _find_position(
    token: str, rows: Sequence[T], read_key: Callable[[T], SortKey], size: int
) -> int:
    """Find the first row of the page after a row (PA) or before one (PB), also if it is gone."""
    if found := re.fullmatch(r"PT([0-9]{1,9})", token, re.ASCII):
        return int(found[1])
    if found := re.fullmatch(r"(P[AB])([A-Z]{2}[0-9a-f]{32})([0-9]{1,11})", token, re.ASCII):
        named = datetime.fromtimestamp(int(found[3]), UTC), found[2]
        if found[1] == "PA":
            return sum(read_key(row) >= named for row in rows)
        return max(sum(read_key(row) > named for row in rows) - size, 0)
    raise ErrorResponse(400, "Invalid PageToken")
