"""Listing: the pages of the emulated Audian's two lists, of calls and of a conference."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, Literal

from recording_audian.emulator.recordings import (
    CallRecording,
    ConferenceRecording,
    EmulatedRecording,
)
from recording_audian.emulator.responses import build_parameter_error
from recording_core.plugin import Request

#: The field that `since` compares, which is undocumented.
SinceField = Literal["created_at", "started_at"]

# Undocumented for these lists. https://docs.audian.com/api-basics/pagination has both numbers for
# lists that are paged by keys. A larger limit is lowered to the largest, without an error.
DEFAULT_PAGE = 25
LARGEST_PAGE = 100


# https://docs.audian.com/call-control/call-recording, list recordings. Undocumented: `since` and
# `call_id` together. Here both apply.
def filter_calls(
    recordings: Sequence[CallRecording],
    request: Request,
    now: datetime,
    since_field: SinceField,
    since_zone: tzinfo | None,
) -> Sequence[CallRecording]:
    """Return the recordings that the request's filters select. Raises `ErrorResponse`."""
    if since := request.read_time("since", build_parameter_error("since")):
        # With a zone: as a vendor that reads every time in that zone.
        since = since.replace(tzinfo=since_zone or since.tzinfo)
        recordings = [each for each in recordings if _is_since(each, since, since_field, now)]
    if (call_id := request.arg("call_id")) is not None:
        recordings = [each for each in recordings if each.session_id == call_id]
    return recordings


def build_call_page(
    recordings: Sequence[CallRecording], request: Request, now: datetime, base_url: str
) -> dict[str, Any]:
    """Build a page of recordings, which are given newest first."""
    rows, numbers = _cut_page(recordings, request, now, base_url)
    has_more = numbers["offset"] + numbers["limit"] < numbers["total"]
    return {"data": rows, "pagination": {**numbers, "has_more": has_more}}


# https://docs.audian.com/conferences/recording, list recordings.
def build_conference_page(
    recordings: Sequence[ConferenceRecording], request: Request, now: datetime, base_url: str
) -> dict[str, Any]:
    """Build a page of one conference's recordings: another envelope, and without `has_more`."""
    rows, numbers = _cut_page(recordings, request, now, base_url)
    return {"recordings": rows, **numbers}


# https://docs.audian.com/api-basics/pagination shows this for other lists. Undocumented: what a key
# looks like. Here it is the next row's id.
def build_key_page(
    recordings: Sequence[EmulatedRecording], request: Request, now: datetime, base_url: str
) -> dict[str, Any]:
    """Build a page that is read by keys; it ignores `limit` and `offset`, and has no total."""
    size = min(_read_whole_number(request, "page_size", DEFAULT_PAGE, least=1), LARGEST_PAGE)
    ids = [each.id for each in recordings]
    key = request.arg("start_key")
    if key is not None and key not in ids:
        raise build_parameter_error("start_key")
    start = ids.index(key) if key is not None else 0
    rows = [each.build_list_row(now, base_url) for each in recordings[start : start + size]]
    page: dict[str, Any] = {"data": rows, "page_size": size, "status": "success"}
    if start + size < len(ids):
        page["next_start_key"] = ids[start + size]
    return page


def _cut_page(
    recordings: Sequence[EmulatedRecording], request: Request, now: datetime, base_url: str
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    limit = min(_read_whole_number(request, "limit", DEFAULT_PAGE, least=1), LARGEST_PAGE)
    offset = _read_whole_number(request, "offset", 0, least=0)
    rows = [each.build_list_row(now, base_url) for each in recordings[offset : offset + limit]]
    return rows, {"total": len(recordings), "limit": limit, "offset": offset}


def _is_since(
    recording: CallRecording, since: datetime, since_field: SinceField, now: datetime
) -> bool:
    """Compare with the bound. Undocumented: whether it is included. Here it is."""
    if since_field == "started_at":
        return recording.started_at.replace(microsecond=0) >= since
    # A recording that still runs has no `created_at`, so `since` does not find it.
    return not recording.is_running(now) and recording.end.replace(microsecond=0) >= since


def _read_whole_number(request: Request, name: str, default: int, *, least: int) -> int:
    text = request.arg(name)
    if text is None:
        return default
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and int(text) >= least:
        return int(text)
    raise build_parameter_error(name)
