"""Which recordings does a page of the emulated list hold, and in which order?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from attrs import frozen

from recording_core.plugin import Request
from recording_realtimekit.emulated_recording import STATUSES, EmulatedRecording
from recording_realtimekit.emulated_refusals import Refused, is_uuid

__all__ = ["Page", "page_of"]

Filter = Callable[[EmulatedRecording], bool]


@frozen
class Page:
    """Some of the rows that fit, and how many came before them."""

    rows: Sequence[EmulatedRecording]
    before: int
    total: int

    def paging(self) -> dict[str, int]:
        """Counted from 1, both ends included, as in the sample."""
        # What an empty page has is documented nowhere: zeros, here.
        return {
            "total_count": self.total,
            "start_offset": self.before + 1 if self.rows else 0,
            "end_offset": self.before + len(self.rows) if self.rows else 0,
        }


# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/get_recordings/
def page_of(
    rows: Sequence[EmulatedRecording],
    request: Request,
    now: datetime,
    *,
    base: int,
    usual: int,
    largest: int,
) -> Page:
    """The page that `request` asks for, of `rows` that come oldest first; or `Refused`.

    `base` is the number of the first page; `usual` and `largest` are how many rows a page has
    that was asked for without `per_page`, and at most.
    """
    filters = _filters(request, now)
    fitting = [row for row in rows if all(fits(row) for fits in filters)]
    _word(request, "sort_by", ("invokedTime",))
    # The order without `sort_order` is documented nowhere: oldest first, here.
    if _word(request, "sort_order", ("ASC", "DESC")) == "DESC":
        fitting.reverse()
    # `per_page=0` is allowed by the schema and means nothing in particular.
    size = min(_count(request, "per_page") or usual, largest)
    # Where pages count from 1, who asks for page 0 gets the first.
    before = ((_count(request, "page_no") or base) - base) * size
    return Page(fitting[before : before + size], before, len(fitting))


def _filters(request: Request, now: datetime) -> list[Filter]:
    filters: list[Filter] = []
    if (room := request.arg("meeting_id")) is not None:
        if not is_uuid(room):
            raise _invalid("meeting_id")
        filters.append(lambda row: row.meeting.id == room)
    if (search := request.arg("search")) is not None:
        sought = search.casefold()
        filters.append(lambda row: sought in f"{row.meeting.id} {row.meeting.title}".casefold())
    # "The start time range for which you want to retrieve the meetings", and of no field's name.
    # Here it is the time of the invocation, as in `sort_by`.
    if (since := _time(request, "start_time")) is not None:
        filters.append(lambda row: row.invoked_at >= since)
    if (until := _time(request, "end_time")) is not None:
        filters.append(lambda row: row.invoked_at <= until)
    if expired := _word(request, "expired", ("true", "false")):
        filters.append(lambda row: row.expired(now) is (expired == "true"))
    # The official client repeats the name; Dyte's specification, from which the API came, joins
    # the words by commas.
    statuses = [word for given in request.args("status") for word in given.split(",")]
    if not set(statuses) <= set(STATUSES):
        raise _invalid("status")
    if statuses:
        filters.append(lambda row: row.status(now) in statuses)
    return filters


def _word(request: Request, name: str, words: tuple[str, ...]) -> str | None:
    given = request.arg(name)
    if given is not None and given not in words:
        raise _invalid(name)
    return given


def _count(request: Request, name: str) -> int | None:
    """The schema says number, at least 0; so `2.0` is one too."""
    given = request.arg(name)
    if given is None:
        return None
    try:
        number = int(float(given))
    except (ValueError, OverflowError):
        raise _invalid(name) from None
    if number < 0:
        raise _invalid(name)
    return number


def _time(request: Request, name: str) -> datetime | None:
    given = request.arg(name)
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise _invalid(name) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _invalid(name: str) -> Refused:
    return Refused(400, f'BAD_REQUEST: "{name}" is invalid')
