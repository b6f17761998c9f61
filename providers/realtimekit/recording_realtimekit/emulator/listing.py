"""Listing: the filters, the order and the pages of the emulated list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from recording_core.plugin import Request
from recording_realtimekit.assumptions import DEFAULT_SIZE, LARGEST_SIZE
from recording_realtimekit.emulator.recordings import STATUSES, EmulatedRecording
from recording_realtimekit.emulator.requests import is_uuid
from recording_realtimekit.emulator.responses import ErrorResponse, build_invalid

RowFilter = Callable[[EmulatedRecording], bool]


# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/get_recordings/
def build_page(
    rows: Sequence[EmulatedRecording],
    request: Request,
    now: datetime,
    *,
    base: int,
    max_size: int | None,
    assumes: Callable[[int], bool],
) -> tuple[Sequence[EmulatedRecording], dict[str, int]]:
    """Build the page that `request` asks for, and its `paging`. Raises `ErrorResponse`.

    `rows` are all recordings, oldest first, and `base` is the number of the first page. `assumes`
    returns whether the emulator follows the assumption of a number.
    """
    filters = _read_filters(request, now, by_invocation=assumes(4))
    matches = [row for row in rows if all(accepts(row) for accepts in filters)]
    _read_word(request, "sort_by", ("invokedTime",))
    order = _read_word(request, "sort_order", ("ASC", "DESC")) or ("ASC" if assumes(3) else "DESC")
    if order == "DESC":
        matches.reverse()
    # Without `per_page`, which may also be 0, all rows are in one page, or the assumed number.
    default_size = DEFAULT_SIZE if assumes(2) else len(matches)
    size = _read_count(request, "per_page") or default_size
    size = min(size, max_size or (LARGEST_SIZE if assumes(2) else size))
    number = _read_count(request, "page_no")
    if number is None or (number < base and assumes(1)):
        number = base
    before = (number - base) * size
    page = matches[before : before + size] if before >= 0 else []
    # Counted from 1, with both ends included, as in the sample.
    return page, {
        "total_count": len(matches),
        "start_offset": before + 1 if page else 0,
        "end_offset": before + len(page) if page else 0,
    }


def _read_filters(request: Request, now: datetime, *, by_invocation: bool) -> list[RowFilter]:
    filters: list[RowFilter] = []
    if (meeting_id := request.arg("meeting_id")) is not None:
        if not is_uuid(meeting_id):
            raise _build_error("meeting_id")
        filters.append(lambda row: row.meeting.id == meeting_id)
    if (search := request.arg("search")) is not None:
        text = search.casefold()
        filters.append(lambda row: text in f"{row.meeting.id} {row.meeting.title}".casefold())

    # "The start time range for which you want to retrieve the meetings": the start, or under
    # assumption 4 the invocation.
    def find_time(row: EmulatedRecording) -> datetime:
        return row.invoked_at if by_invocation else row.started_at

    if since := request.read_time("start_time", _build_error("start_time")):
        filters.append(lambda row: find_time(row) >= since)
    if until := request.read_time("end_time", _build_error("end_time")):
        filters.append(lambda row: find_time(row) <= until)
    if expired := _read_word(request, "expired", ("true", "false")):
        filters.append(lambda row: row.is_expired(now) is (expired == "true"))
    # The official client repeats the parameter; Dyte's specification, the API's predecessor,
    # joins the values with commas.
    statuses = [word for given in request.args("status") for word in given.split(",")]
    if not set(statuses) <= set(STATUSES):
        raise _build_error("status")
    if statuses:
        filters.append(lambda row: row.find_status(now) in statuses)
    return filters


def _read_word(request: Request, name: str, words: tuple[str, ...]) -> str | None:
    given = request.arg(name)
    if given is not None and given not in words:
        raise _build_error(name)
    return given


def _read_count(request: Request, name: str) -> int | None:
    """Read a number of at least 0; the schema does not require an integer, so `2.0` is valid."""
    given = request.arg(name)
    if given is None:
        return None
    try:
        number = int(float(given))
    except (ValueError, OverflowError):
        raise _build_error(name) from None
    if number < 0:
        raise _build_error(name)
    return number


def _build_error(name: str) -> ErrorResponse:
    return build_invalid(name)
