"""Listing: the pages of the emulated VoIPBin's lists, of recordings and of stored files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

from recording_core.plugin import Request
from recording_voipbin.emulator.media import EmulatedFile
from recording_voipbin.emulator.recordings import EmulatedRecording
from recording_voipbin.emulator.responses import ErrorResponse, TimeFormat, format_time

#: The largest page, which is also the default. From VoIPBin's source.
LARGEST_PAGE = 100

Row = TypeVar("Row", EmulatedRecording, EmulatedFile)


def build_page(
    rows: Iterable[Row],
    build_row: Callable[[Row], dict[str, Any]],
    request: Request,
    time_format: TimeFormat,
    *,
    malformed_token_error: ErrorResponse | None,
) -> dict[str, Any]:
    """Build a page, newest first. Raises `ErrorResponse`.

    All other parameters are ignored: the API has no filter. So is a token that is not a time, if
    it has no error.
    """
    limit = _read_page_size(request)
    if before := _read_page_token(request, malformed_token_error):
        # The token is a time, and lists what is older. If a page ends between rows of one
        # microsecond, the next page does not have the others of them.
        rows = (row for row in rows if row.created_at < before)
    # The order of rows of one microsecond is not known, and a client must not depend on it.
    page = sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]
    # A token always has six digits. The last page has one too, which leads to an empty page.
    token_format: TimeFormat = "sentinel" if time_format == "sentinel" else "fixed6"
    token = format_time(page[-1].created_at, token_format) if page else ""
    return {"result": [build_row(row) for row in page], "next_page_token": token}


def _read_page_token(request: Request, malformed: ErrorResponse | None) -> datetime | None:
    if not request.arg("page_token"):
        return None
    try:
        return request.read_time("page_token", ErrorResponse("INTERNAL"))
    except ErrorResponse:
        if malformed is not None:
            raise malformed from None
        return None


def _read_page_size(request: Request) -> int:
    text = request.arg("page_size") or ""
    if text and not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        reason = "INVALID_REQUEST_PARAMETER"
        raise ErrorResponse("INVALID_ARGUMENT", reason, "page_size is not an integer.")
    size = int(text or LARGEST_PAGE)
    # A size that is out of range becomes the largest, without an error.
    return size if 0 < size <= LARGEST_PAGE else LARGEST_PAGE
