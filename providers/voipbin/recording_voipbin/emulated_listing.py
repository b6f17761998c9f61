"""Which rows are on a page of the emulated VoIPBin, and what leads to the next?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from recording_core.plugin import Request
from recording_voipbin.emulated_refusals import Refused
from recording_voipbin.emulated_times import Age, read, token

__all__ = ["page_of"]

LARGEST_PAGE = 100  # and by default; seen in its source


class _Dated(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def created(self) -> datetime: ...


Row = TypeVar("Row", bound=_Dated)


def page_of(rows: Iterable[Row], request: Request, age: Age) -> tuple[list[Row], str]:
    """The page that was asked for, newest first, and its `next_page_token`. Raises `Refused`.

    Any other parameter is ignored: no filter is public.
    """
    size = request.arg("page_size") or ""
    if size and not re.fullmatch(r"[+-]?[0-9]{1,18}", size):
        reason = "INVALID_REQUEST_PARAMETER"
        raise Refused("INVALID_ARGUMENT", reason, "page_size is not an integer.")
    limit = int(size or LARGEST_PAGE)
    # Too much and too little silently become the largest.
    limit = limit if 0 < limit <= LARGEST_PAGE else LARGEST_PAGE
    if given := request.arg("page_token"):
        try:
            before = read(given)
        except ValueError:
            # Undocumented; its source hands the token to the database, so we let that one fail.
            raise Refused("INTERNAL") from None
        # The time alone decides: of rows of one microsecond that a page's end divides, those of
        # the next page are never seen.
        rows = (row for row in rows if row.created < before)
    # Undocumented: the order of rows of one microsecond. By id, here.
    page = sorted(rows, key=lambda row: (row.created, row.id), reverse=True)[:limit]
    # The last page has a token too, and leads to an empty one.
    return page, token(page[-1].created, age) if page else ""
