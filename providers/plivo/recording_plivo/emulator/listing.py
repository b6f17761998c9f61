"""Listing of the emulated Plivo: filters, the time window, and pages.

https://www.plivo.com/docs/voice/api/recordings (list all recordings) documents the window: without
a time filter only the last seven days are listed, and a range of more than thirty days is an error.
"""

from __future__ import annotations

import base64
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlencode

from recording_core import SessionKind
from recording_plivo.emulator.recordings import EmulatedRecording
from recording_plivo.emulator.requests import read_whole_number
from recording_plivo.emulator.responses import ErrorResponse

#: What `meta.next` carries. Version 4.63 of the official Python client states that a deployment
#: serves one of three modes; no page of the documentation names them.
PagingMode = Literal["offset", "cursor", "hybrid"]

LARGEST_PAGE = 20  # also the default; undocumented: more, which the official clients never send
DEFAULT_WINDOW = timedelta(days=7)
#: The filters by one session, which lift the default window with assumption 4.
SESSION_FILTERS = frozenset(
    {"call_uuid", "conference_name", "conference_uuid", "mpc_name", "mpc_uuid"}
)
LONGEST_WINDOW = timedelta(days=30)
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "__gt": operator.gt,
    "__gte": operator.ge,
    "__lt": operator.lt,
    "__lte": operator.le,
}
PAGING_PARAMETERS = ("limit", "offset", "cursor")


def _build_reader(kind: SessionKind, attribute: str) -> Callable[[EmulatedRecording], str | None]:
    """Build a reader of a session's attribute; it returns None for sessions of another kind."""
    return lambda recording: (
        getattr(recording.session, attribute) if recording.session.kind is kind else None
    )


# https://www.plivo.com/docs/voice/api/recordings, list all recordings: the filters by equality.
# Undocumented: other parameters. They are ignored here, so that a filter that does not exist
# returns too much instead of an error.
FILTERS: Mapping[str, Callable[[EmulatedRecording], str | None]] = {
    "call_uuid": lambda recording: recording.session.call_uuid,
    "conference_name": _build_reader(SessionKind.CONFERENCE, "name"),
    "conference_uuid": _build_reader(SessionKind.CONFERENCE, "uuid"),
    "mpc_name": _build_reader(SessionKind.MEETING, "name"),
    "mpc_uuid": _build_reader(SessionKind.MEETING, "uuid"),
    "from_number": lambda recording: _strip_plus(recording.session.from_number),
    "to_number": lambda recording: _strip_plus(recording.session.to_number),
    "subaccount": lambda recording: recording.subaccount,
}


def build_page(
    recordings: Sequence[EmulatedRecording],
    args: Mapping[str, Any],
    *,
    now: datetime,
    path: str,
    paging: PagingMode,
    assumes: Callable[[int], bool],
) -> tuple[list[EmulatedRecording], dict[str, Any]]:
    """Build one page, newest `add_time` first, and its `meta`. Raises `ErrorResponse`."""
    limit = read_whole_number(args, "limit", LARGEST_PAGE, least=1, most=LARGEST_PAGE)
    offset = read_whole_number(args, "offset", 0)
    filters = {key: value for key, value in args.items() if key not in PAGING_PARAMETERS}
    after: list[str] | None = None
    # In the hybrid mode "the server still applies a supplied offset, which would pin the walk to
    # page 1 forever" (the official client, 4.63).
    if "cursor" in args and (paging == "cursor" or (paging == "hybrid" and "offset" not in args)):
        after, filters = _decode_cursor(args["cursor"])
    if paging == "cursor" or after is not None:
        offset = 0
    is_wanted = _build_filter(filters, now, assumes)
    found = sorted(filter(is_wanted, recordings), key=_build_sort_key, reverse=True)
    left = [each for each in found if after is None or _build_sort_key(each) < after][offset:]
    shown = left[:limit]
    next_: dict[str, Any] = {}
    linked = filters if assumes(2) else {}  # the published links have none
    if len(left) > limit and paging == "offset":
        next_ = {**linked, "limit": limit, "offset": offset + limit}
    elif len(left) > limit:
        # A cursor holds the last row's sort key and not a count: rows that disappear shift nothing.
        # It also holds the filters, since the sample in the official client shows no other
        # parameter with it.
        cursor = _encode_cursor(_build_sort_key(shown[-1]), filters)
        next_ = {**linked, "limit": limit, "cursor": cursor}
    previous: dict[str, Any] = {}
    if paging == "offset" and offset:
        previous = {**linked, "limit": limit, "offset": max(0, offset - limit)}
    return shown, {
        "limit": limit,
        "next": _build_link(path, next_),
        "offset": offset,
        "previous": _build_link(path, previous),
        "total_count": len(found),
    }


def build_live_page(objects: Sequence[Any], args: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Build a page of multiparty calls or participants, whose `meta` has no `total_count`."""
    limit = read_whole_number(args, "limit", 20, least=1, most=20)
    offset = read_whole_number(args, "offset", 0)
    end = offset + limit
    next_ = {"limit": limit, "offset": end} if end < len(objects) else {}
    previous = {"limit": limit, "offset": max(0, offset - limit)} if offset else {}
    return {
        "meta": {
            "count": len(objects),
            "limit": limit,
            "next": _build_link(path, next_),
            "offset": offset,
            "previous": _build_link(path, previous),
        },
        "objects": list(objects[offset:end]),
    }


def _build_link(path: str, query: Mapping[str, Any]) -> str | None:
    return f"{path}?{urlencode(query)}" if query else None


def _build_sort_key(recording: EmulatedRecording) -> list[str]:
    return [recording.added.astimezone(UTC).isoformat(timespec="microseconds"), recording.id]


def _encode_cursor(after: list[str], filters: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([after, filters]).encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> tuple[list[str], dict[str, Any]]:
    try:
        after, filters = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (TypeError, ValueError):
        after = filters = None
    if not isinstance(after, list) or not isinstance(filters, dict):
        raise ErrorResponse(400, "invalid cursor")
    return after, filters


def _build_filter(
    filters: Mapping[str, Any], now: datetime, assumes: Callable[[int], bool]
) -> Callable[[EmulatedRecording], bool]:
    """Build a function that returns whether a recording matches all filters."""
    times = {
        op: _parse_time(filters[f"add_time{op}"])
        for op in COMPARISONS
        if filters.get(f"add_time{op}")
    }
    days = {
        op: read_whole_number(filters, f"recording_storage_duration{op}", 1)
        for op in COMPARISONS
        if filters.get(f"recording_storage_duration{op}")
    }
    if times and days:
        raise ErrorResponse(400, "recording_storage_duration cannot be combined with add_time")
    if times:
        times = _complete_bounds(times, now, narrows=assumes(3))
    elif not (days and assumes(5)) and not (assumes(4) and SESSION_FILTERS & filters.keys()):
        times = {"__gte": now - DEFAULT_WINDOW}
    equal = [
        (read, _strip_plus(filters[key]) if key.endswith("_number") else filters[key])
        for key, read in FILTERS.items()
        if filters.get(key)
    ]
    return lambda recording: (
        all(COMPARISONS[op](recording.added, at) for op, at in times.items())
        and all(COMPARISONS[op](recording.count_days_stored(now), n) for op, n in days.items())
        and all(read(recording) == value for read, value in equal)
    )


def _complete_bounds(
    times: Mapping[str, datetime], now: datetime, *, narrows: bool
) -> dict[str, datetime]:
    """Compute the bounds that Plivo applies if at least one is given.

    With one bound alone the range ends now; `narrows` (assumption 3) cuts it to thirty days instead
    of an error.
    """
    low = max((times[op] for op in ("__gt", "__gte") if op in times), default=None)
    high = min((times[op] for op in ("__lt", "__lte") if op in times), default=None)
    if low and high and high - low > LONGEST_WINDOW:
        raise ErrorResponse(400, "the range of add_time must not exceed 30 days")
    if low and not high and narrows:
        return {**times, "__lte": low + LONGEST_WINDOW}
    if high and not low and narrows:
        return {**times, "__gte": high - LONGEST_WINDOW}
    if (high and not low) or (low and not high and now - low > LONGEST_WINDOW):
        raise ErrorResponse(400, "the range of add_time must not exceed 30 days")
    return dict(times)


def _parse_time(text: str) -> datetime:
    """Parse `YYYY-MM-DD HH:MM[:ss[.uuuuuu]]`, which is UTC; the page has no `T`, `Z` or offset."""
    if TIME.fullmatch(text):
        whole, _, fraction = text.partition(".")
        try:
            moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
            return moment + timedelta(microseconds=int(fraction.ljust(6, "0")))
        except ValueError:
            pass  # such as a month 13
    raise ErrorResponse(400, "add_time must have the format YYYY-MM-DD HH:MM[:ss[.uuuuuu]]")


def _strip_plus(number: str) -> str:
    """Strip a number's plus, which becomes a space in a query that was not encoded."""
    return number.strip().lstrip("+")
