"""What does the emulated Plivo say of one recording? Nothing while it runs, later a row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from attrs import define, field

from recording_core import Interval, SessionKind
from recording_core.plugin import Webhook

__all__ = ["Shape", "Subject", "Take"]

#: how a row is written: as the API does now, as its page shows it, or as in the API's first years
Shape = Literal["now", "page", "2013"]

# https://www.plivo.com/docs/voice/api/recordings says `conference` and `normal`; the official
# clients' fixtures say `conference` and `call`. The word for a multiparty call's recording is
# undocumented; we say `mpc`, which a client must bear as any word that it never saw.
RECORDING_TYPES = {
    SessionKind.CALL: "call",
    SessionKind.CONFERENCE: "conference",
    SessionKind.MEETING: "mpc",
}
#: From the end to `add_time`: one to seven seconds in every sample that Plivo publishes.
ADDED_AFTER = timedelta(seconds=2, microseconds=104_729)
#: The samples' offset; the filter `add_time` wants UTC without one.
PLIVO_ZONE = timezone(timedelta(hours=5, minutes=30))
BILL = (
    "monthly_recording_storage_amount",
    "recording_storage_duration",
    "recording_storage_rate",
    "rounded_recording_duration",
)
STORAGE_RATE = 0.0004  # dollars a minute and month, https://www.plivo.com/docs/voice/api/recordings
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@define
class Subject:
    """A call, conference or multiparty call: what is recorded. `over` when it has ended."""

    kind: SessionKind
    uuid: str
    call_uuid: str
    began: datetime
    name: str = ""
    members: tuple[str, ...] = ()
    from_number: str = ""
    to_number: str = ""
    over: bool = False

    def ids(self) -> tuple[str, ...]:
        """What may stand for it in the path of its endpoints."""
        if self.kind is SessionKind.CALL:
            return (self.call_uuid,)
        if self.kind is SessionKind.CONFERENCE:
            return (self.name,)
        return (f"name_{self.name}", f"uuid_{self.uuid}")


@define
class Take:
    """One recording from its start on: while it runs, and the row that it becomes."""

    id: str
    subject: Subject
    started: datetime
    file_format: str = "mp3"
    limit: timedelta | None = None
    stopped: datetime | None = None
    #: the participant of a multiparty call who alone is recorded
    member: str | None = None
    pauses: list[Interval] = field(factory=list)
    added_after: timedelta = ADDED_AFTER
    subaccount: str | None = None
    shape: Shape = "now"
    #: whom its start named to be told of it, and of its transcript
    hook: Webhook | None = None
    transcript_hook: Webhook | None = None
    #: of the answer to its start
    api_id: str = ""

    @property
    def ended(self) -> datetime:
        """When it was stopped or reaches its time limit; `NEVER` while no end is in sight."""
        limit = NEVER if self.limit is None else self.started + self.limit
        return min(self.stopped or NEVER, limit)

    @property
    def added(self) -> datetime:
        """Its `add_time`, which follows the end and not the start."""
        return self.ended + self.added_after

    @property
    def duration(self) -> timedelta:
        """From start to end without its pauses."""
        paused = (
            min(pause.end or self.ended, self.ended) - min(pause.start, self.ended)
            for pause in self.pauses
        )
        return self.ended - self.started - sum(paused, timedelta(0))

    def is_running(self, now: datetime) -> bool:
        return now < self.ended

    def is_listed(self, now: datetime, processing: timedelta) -> bool:
        """Whether its row and its media are there: after `add_time`, and the wait for it."""
        return now >= self.added + processing

    def media_path(self, account: str) -> str:
        """Where its media lies, on the host of its time."""
        if self.shape == "2013":
            return f"/recordings_2013/{self.id}.{self.file_format}"
        return f"/v1/Account/{self.subaccount or account}/Recording/{self.id}.{self.file_format}"

    def row(self, account: str, media_origin: str, now: datetime) -> dict[str, Any]:
        """The recording object of the API, in the wire types of the official clients' fixtures."""
        billed = max(1, math.ceil(self.duration / timedelta(minutes=1)))
        row = {
            "add_time": self.added.astimezone(PLIVO_ZONE).isoformat(" ", "microseconds"),
            "call_uuid": self.subject.call_uuid,
            # The object has no field for the name of a multiparty call.
            "conference_name": (
                self.subject.name if self.subject.kind is SessionKind.CONFERENCE else ""
            ),
            "from_number": self.subject.from_number,
            "monthly_recording_storage_amount": round(STORAGE_RATE * billed, 6),
            "recording_duration_ms": _milliseconds(self.duration),
            "recording_end_ms": _milliseconds(self.ended - EPOCH),
            "recording_format": self.file_format,
            "recording_id": self.id,
            "recording_start_ms": _milliseconds(self.started - EPOCH),
            "recording_storage_duration": self.days_stored(now),
            "recording_storage_rate": STORAGE_RATE,
            "recording_type": RECORDING_TYPES[self.subject.kind],
            "recording_url": media_origin + self.media_path(account),
            "resource_uri": f"/v1/Account/{self.subaccount or account}/Recording/{self.id}/",
            "rounded_recording_duration": 60 * billed,
            "to_number": self.subject.to_number,
        }
        return _OLDER_SHAPES[self.shape](row, self) if self.shape in _OLDER_SHAPES else row

    def days_stored(self, now: datetime) -> int:
        """Its `recording_storage_duration`: at least one."""
        return max(1, math.ceil((now - self.added) / timedelta(days=1)))


def _milliseconds(span: timedelta) -> str:
    """`"345100.00000"`: Plivo writes milliseconds as a decimal in quotes."""
    return f"{span // MILLISECOND}.00000"


def _as_its_page_shows(row: Mapping[str, Any], take: Take) -> dict[str, Any]:
    """https://www.plivo.com/docs/voice/api/recordings: numbers in quotes, nulls, no parties."""
    shown = {key: value for key, value in row.items() if key not in ("from_number", "to_number")}
    shown.update({key: str(row[key]) for key in BILL})
    shown["conference_name"] = row["conference_name"] or None
    if take.subject.kind is SessionKind.CALL:
        shown["recording_type"] = "normal"
    return shown


def _as_in_2013(row: Mapping[str, Any], take: Take) -> dict[str, Any]:
    """https://www.plivo.com/docs/api/recording/: no start and end, no bill, a naive `add_time`."""
    later = ("from_number", "to_number", "recording_start_ms", "recording_end_ms", *BILL)
    naive = take.added.astimezone(UTC).replace(tzinfo=None)
    shown = {key: value for key, value in row.items() if key not in later}
    return {**shown, "add_time": naive.isoformat("T", "microseconds")}


_OLDER_SHAPES = {"page": _as_its_page_shows, "2013": _as_in_2013}
