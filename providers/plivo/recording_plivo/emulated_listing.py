"""Which recordings does the emulated Plivo list, and on what pages?

The window is the trap: https://www.plivo.com/docs/voice/api/recordings (list all recordings) says
that without a time filter only the last seven days are listed, and that a range of more than thirty
days is refused.
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
from recording_plivo.emulated_requests import Refused, whole
from recording_plivo.emulated_rows import Take

__all__ = ["Paging", "page_of"]

#: What carries `meta.next`. Version 4.63 of the official Python client says that a deployment
#: serves one of three modes; no page of the documentation names them.
Paging = Literal["offset", "cursor", "hybrid"]

LARGEST_PAGE = 20  # and by default; undocumented: more, which the official clients never send
DEFAULT_WINDOW = timedelta(days=7)
LONGEST_WINDOW = timedelta(days=30)
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "": operator.eq,
    "__gt": operator.gt,
    "__gte": operator.ge,
    "__lt": operator.lt,
    "__lte": operator.le,
}
PAGING_WORDS = ("limit", "offset", "cursor")


def _named(kind: SessionKind, attribute: str) -> Callable[[Take], str | None]:
    """Reads the subject's attribute where the subject is of that kind."""
    return lambda take: getattr(take.subject, attribute) if take.subject.kind is kind else None


# https://www.plivo.com/docs/voice/api/recordings, list all recordings: the filters by equality.
# Any other parameter is ignored, undocumented as that is: a filter that one merely hoped for gives
# too much and no error.
FILTERS: Mapping[str, Callable[[Take], str | None]] = {
    "call_uuid": lambda take: take.subject.call_uuid,
    "conference_name": _named(SessionKind.CONFERENCE, "name"),
    "conference_uuid": _named(SessionKind.CONFERENCE, "uuid"),
    "mpc_name": _named(SessionKind.MEETING, "name"),
    "mpc_uuid": _named(SessionKind.MEETING, "uuid"),
    "from_number": lambda take: _number(take.subject.from_number),
    "to_number": lambda take: _number(take.subject.to_number),
    "subaccount": lambda take: take.subaccount,
}


def page_of(
    takes: Sequence[Take], args: Mapping[str, Any], *, now: datetime, path: str, paging: Paging
) -> tuple[list[Take], dict[str, Any]]:
    """One page of the takes, newest `add_time` first, and its `meta`. Raises `Refused`."""
    limit = whole(args, "limit", LARGEST_PAGE, least=1, most=LARGEST_PAGE)
    offset = whole(args, "offset", 0)
    asked = {key: value for key, value in args.items() if key not in PAGING_WORDS}
    after: list[str] | None = None
    # In the hybrid mode "the server still applies a supplied offset, which would pin the walk to
    # page 1 forever" (the official client, 4.63).
    if "cursor" in args and (paging == "cursor" or (paging == "hybrid" and "offset" not in args)):
        after, asked = _opened(args["cursor"])
    if paging == "cursor" or after is not None:
        offset = 0
    wanted = _filter(asked, now)
    found = sorted((take for take in takes if wanted(take)), key=_place, reverse=True)
    left = [take for take in found if after is None or _place(take) < after][offset:]
    shown = left[:limit]
    next_: dict[str, Any] | None = None
    if len(left) > limit:
        if paging == "offset":
            next_ = {**asked, "limit": limit, "offset": offset + limit}
        else:
            # The place of the last row and not a count: rows that vanish shift nothing. The cursor
            # holds the filters too, for the sample in the official client shows nothing beside it.
            next_ = {"limit": limit, "cursor": _closed(_place(shown[-1]), asked)}
    previous: dict[str, Any] | None = None
    if paging == "offset" and offset:
        previous = {**asked, "limit": limit, "offset": max(0, offset - limit)}
    return shown, {
        "limit": limit,
        "next": None if next_ is None else f"{path}?{urlencode(next_)}",
        "offset": offset,
        "previous": None if previous is None else f"{path}?{urlencode(previous)}",
        "total_count": len(found),
    }


def _place(take: Take) -> list[str]:
    return [take.added.astimezone(UTC).isoformat(timespec="microseconds"), take.id]


def _closed(after: list[str], asked: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps([after, asked]).encode()).decode().rstrip("=")


def _opened(cursor: str) -> tuple[list[str], dict[str, Any]]:
    try:
        after, asked = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (TypeError, ValueError):
        after = asked = None
    if not isinstance(after, list) or not isinstance(asked, dict):
        raise Refused(400, "invalid cursor")
    return after, asked


def _filter(asked: Mapping[str, Any], now: datetime) -> Callable[[Take], bool]:
    """Whether a take is among those asked for."""
    times = {op: _time(asked[f"add_time{op}"]) for op in COMPARISONS if asked.get(f"add_time{op}")}
    days = {
        op: whole(asked, f"recording_storage_duration{op}", 1)
        for op in COMPARISONS
        if asked.get(f"recording_storage_duration{op}")
    }
    if times and days:
        raise Refused(400, "recording_storage_duration cannot be combined with add_time")
    if not days:
        # Undocumented: whether the days in storage lift the window. They exclude `add_time`, so we
        # take them to stand in its place.
        times = _windowed(times, now)
    equal = [
        (read, _number(asked[key]) if key.endswith("_number") else asked[key])
        for key, read in FILTERS.items()
        if asked.get(key)
    ]
    return lambda take: (
        all(COMPARISONS[op](take.added, at) for op, at in times.items())
        and all(COMPARISONS[op](take.days_stored(now), count) for op, count in days.items())
        and all(read(take) == value for read, value in equal)
    )


def _windowed(times: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
    """The bounds that Plivo really applies. A filter by call, name or number widens nothing."""
    if not times:
        return {"__gte": now - DEFAULT_WINDOW}
    low = max((times[op] for op in ("__gt", "__gte") if op in times), default=None)
    high = min((times[op] for op in ("__lt", "__lte") if op in times), default=None)
    if low is not None and high is not None:
        if high - low > LONGEST_WINDOW:
            raise Refused(400, "the range of add_time must not exceed 30 days")
        return dict(times)
    # Undocumented: what one bound alone does. We list the thirty days next to it, which is silently
    # less than was asked for.
    if low is not None:
        return {**times, "__lte": low + LONGEST_WINDOW}
    if high is not None:
        return {**times, "__gte": high - LONGEST_WINDOW}
    return dict(times)


def _time(text: str) -> datetime:
    """`YYYY-MM-DD HH:MM[:ss[.uuuuuu]]`, which is UTC; the page allows no `T`, `Z` or offset."""
    if TIME.fullmatch(text):
        whole, _, fraction = text.partition(".")
        try:
            moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
            return moment + timedelta(microseconds=int(fraction.ljust(6, "0")))
        except ValueError:
            pass  # a month 13
    raise Refused(400, "add_time must have the format YYYY-MM-DD HH:MM[:ss[.uuuuuu]]")


def _number(number: str) -> str:
    """A number without its plus, which a query that was not encoded turns into a space."""
    return number.strip().lstrip("+")
