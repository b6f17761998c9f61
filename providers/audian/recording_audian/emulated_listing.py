"""Which rows does a page of the emulated listings hold? Calls and conferences have one each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

from recording_audian.emulated_requests import invalid
from recording_audian.emulated_takes import CallTake, ConferenceTake
from recording_core.plugin import Request

__all__ = ["SinceReads", "page_of_a_conference", "page_of_calls"]

#: What `since` compares, which is undocumented.
SinceReads = Literal["created_at", "started_at"]

# Undocumented for these listings. https://docs.audian.com/api-basics/pagination has both numbers
# for those that are paged by keys. Who asks for more gets the most, and no error.
USUAL_PAGE = 25
LARGEST_PAGE = 100


# https://docs.audian.com/call-control/call-recording, list recordings. Undocumented: `since` and
# `call_id` together. Both hold, here.
def page_of_calls(
    takes: Sequence[CallTake],
    request: Request,
    now: datetime,
    *,
    since_reads: SinceReads,
    since_zone: tzinfo | None,
) -> dict[str, Any]:
    """The page that is asked for, of takes that come newest first; or `Refused`."""
    limit, offset = _asked_for(request)
    if since := _since(request, since_zone):
        takes = [take for take in takes if _is_since(take, since, since_reads, now)]
    if (call_id := request.arg("call_id")) is not None:
        takes = [take for take in takes if take.session_id == call_id]
    return {
        "data": [take.item(now) for take in takes[offset : offset + limit]],
        "pagination": {
            "total": len(takes),
            "limit": limit,
            "offset": offset,
            "has_more": offset + limit < len(takes),
        },
    }


# https://docs.audian.com/conferences/recording, list recordings.
def page_of_a_conference(
    takes: Sequence[ConferenceTake], request: Request, now: datetime, base_url: str
) -> dict[str, Any]:
    """The same for one conference: another envelope, and no word on whether there is more."""
    limit, offset = _asked_for(request)
    return {
        "recordings": [take.item(now, base_url) for take in takes[offset : offset + limit]],
        "total": len(takes),
        "limit": limit,
        "offset": offset,
    }


def _is_since(take: CallTake, since: datetime, reads: SinceReads, now: datetime) -> bool:
    """Undocumented: whether the bound is included. It is, here."""
    if reads == "started_at":
        return take.started.replace(microsecond=0) >= since
    # What still runs has no `created_at`, and is not found by it.
    return not take.runs(now) and take.end.replace(microsecond=0) >= since


def _asked_for(request: Request) -> tuple[int, int]:
    """The limit that holds, and the offset."""
    limit = _whole(request, "limit", USUAL_PAGE, least=1)
    return min(limit, LARGEST_PAGE), _whole(request, "offset", 0, least=0)


def _since(request: Request, zone: tzinfo | None) -> datetime | None:
    """The bound; with a zone, as a vendor reads it that takes every time for that zone's."""
    given = request.arg("since")
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        raise invalid("since") from None
    if zone is None and moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=zone or UTC)


def _whole(request: Request, name: str, default: int, *, least: int) -> int:
    text = request.arg(name)
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and int(text) >= least:
        return int(text)
    raise invalid(name)
