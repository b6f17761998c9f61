"""Recordings and sessions of the emulated Plivo, and the rows that it lists for them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal

from attrs import define, field

from recording_core import Interval, SessionKind
from recording_core.plugin import Webhook, build_uuid, compute_recorded_time

#: How a row is written: as the API does now, as its page shows it, or as in the API's first years.
RowShape = Literal["now", "page", "2013"]

# https://www.plivo.com/docs/voice/api/recordings documents `conference` and `normal`; the official
# clients' fixtures contain `conference` and `call`. Only with assumption 1 a multiparty call's
# recording has a type.
RECORDING_TYPES = {
    SessionKind.CALL: "call",
    SessionKind.CONFERENCE: "conference",
    SessionKind.MEETING: "mpc",
}
#: Conference names are reused (a daily stand-up), so a name does not identify one conference.
SESSION_NAMES = {
    SessionKind.CALL: ("",),
    SessionKind.CONFERENCE: ("Daily Standup #1", "noname", "Board/Q3 50%"),
    SessionKind.MEETING: ("Weekly Review", "Support Line 7"),
}
#: From the end to `add_time`: one to seven seconds in every sample that Plivo publishes.
ADDED_AFTER = timedelta(seconds=2, microseconds=104_729)
#: The samples' offset; the filter `add_time` takes UTC without an offset.
PLIVO_ZONE = timezone(timedelta(hours=5, minutes=30))
BILLING_FIELDS = (
    "monthly_recording_storage_amount",
    "recording_storage_duration",
    "recording_storage_rate",
    "rounded_recording_duration",
)
#: Dollars per minute and month: https://www.plivo.com/docs/voice/api/recordings
STORAGE_RATE = 0.0004
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9000, 1, 1, tzinfo=UTC)


@define
class EmulatedSession:
    """A call, conference or multiparty call that can be recorded until it ended."""

    kind: SessionKind
    uuid: str
    call_uuid: str
    began: datetime
    name: str = ""
    members: tuple[str, ...] = ()
    from_number: str = ""
    to_number: str = ""
    ended: datetime | None = None

    @property
    def target_id(self) -> str:
        """The id of the target: the call's UUID, or the name of a conference or multiparty call."""
        has_prefix = self.kind is SessionKind.MEETING and self.name.startswith(("name_", "uuid_"))
        return f"name_{self.name}" if has_prefix else self.name or self.call_uuid

    @property
    def path_ids(self) -> tuple[str, ...]:
        """The ids that address it in the paths of its endpoints."""
        if self.kind is SessionKind.CALL:
            return (self.call_uuid,)
        if self.kind is SessionKind.CONFERENCE:
            return (self.name,)
        return (f"name_{self.name}", f"uuid_{self.uuid}")


@define
class EmulatedRecording:
    """One recording from its start on: while it runs, and the row that it becomes."""

    id: str
    session: EmulatedSession
    started: datetime
    file_format: str = "mp3"
    time_limit: timedelta | None = None
    stopped: datetime | None = None
    #: the only participant of a multiparty call that is recorded; None for all
    member: str | None = None
    pauses: list[Interval] = field(factory=list)
    added_after: timedelta = ADDED_AFTER
    subaccount: str | None = None
    shape: RowShape = "now"
    #: what started it: a request, an XML element, or number masking
    source: Literal["api", "xml", "masking"] = "api"
    #: `participant`, `all` or `both` of a member's recording
    track_type: str = "all"
    #: whether recording could not be started, so that there is no id
    has_failed: bool = False
    #: the URLs that its start named for its events, and for its transcript
    webhook: Webhook | None = None
    transcript_webhook: Webhook | None = None
    #: the `api_id` of the response to its start
    api_id: str = ""

    @property
    def ended(self) -> datetime:
        """When it was stopped or reaches its time limit; `NEVER` without either."""
        limit = NEVER if self.time_limit is None else self.started + self.time_limit
        return min(self.stopped or NEVER, limit)

    @property
    def added(self) -> datetime:
        """Its `add_time`, which follows the end and not the start."""
        return self.ended + self.added_after

    @property
    def duration(self) -> timedelta:
        """The time from start to end without its pauses."""
        # Undocumented: whether a row's duration, or the file, contains pauses. Here neither does.
        return compute_recorded_time(self.started, self.ended, self.pauses)

    def is_running(self, now: datetime) -> bool:
        return now < self.ended

    def is_listed(self, now: datetime, processing: timedelta) -> bool:
        """Whether its row and its media exist: once `processing` has passed since `add_time`."""
        return not self.has_failed and now >= self.added + processing

    def build_media_path(self, account: str) -> str:
        """Build the path of its media; the first years had another host and path."""
        if self.shape == "2013":
            return f"/recordings_2013/{self.id}.{self.file_format}"
        return f"/v1/Account/{self.subaccount or account}/Recording/{self.id}.{self.file_format}"

    def build_row(
        self, account: str, media_origin: str, now: datetime, *, has_meeting_type: bool
    ) -> dict[str, Any]:
        """Build the API's recording object, in the wire types of the official clients' fixtures.

        The clients for Ruby and Node also read the names and UUIDs of its conference or multiparty
        call.
        """
        kind = self.session.kind
        billed = max(1, math.ceil(self.duration / timedelta(minutes=1)))
        row: dict[str, Any] = {
            "add_time": self.added.astimezone(PLIVO_ZONE).isoformat(" ", "microseconds"),
            "call_uuid": self.session.call_uuid,
            "conference_name": self.session.name if kind is SessionKind.CONFERENCE else "",
            "from_number": self.session.from_number,
            "monthly_recording_storage_amount": round(STORAGE_RATE * billed, 6),
            "recording_duration_ms": format_milliseconds(self.duration),
            "recording_end_ms": format_milliseconds(self.ended - EPOCH),
            "recording_format": self.file_format,
            "recording_id": self.id,
            "recording_start_ms": format_milliseconds(self.started - EPOCH),
            "recording_storage_duration": self.count_days_stored(now),
            "recording_storage_rate": STORAGE_RATE,
            "recording_type": RECORDING_TYPES[kind],
            "recording_url": media_origin + self.build_media_path(account),
            "resource_uri": f"/v1/Account/{self.subaccount or account}/Recording/{self.id}/",
            "rounded_recording_duration": 60 * billed,
            "to_number": self.session.to_number,
        }
        if kind is SessionKind.CONFERENCE:
            row["conference_uuid"] = self.session.uuid
        if kind is SessionKind.MEETING:
            row |= {"mpc_name": self.session.name, "mpc_uuid": self.session.uuid}
            if not has_meeting_type:
                del row["recording_type"]
        return _OLDER_SHAPES[self.shape](row, self) if self.shape in _OLDER_SHAPES else row

    def count_days_stored(self, now: datetime) -> int:
        """Count its `recording_storage_duration`, which is at least 1."""
        return max(1, math.ceil((now - self.added) / timedelta(days=1)))


def build_session(
    generator: random.Random, kind: SessionKind, name: str, began: datetime
) -> EmulatedSession:
    """Build a session with random ids, two members (calls have none) and phone numbers."""
    call_uuid = build_uuid(generator)
    is_call = kind is SessionKind.CALL
    return EmulatedSession(
        kind=kind,
        uuid=call_uuid if is_call else build_uuid(generator),
        call_uuid=call_uuid,  # conferences' recordings also carry one: that of a member
        began=began,
        name="" if is_call else name,
        members=() if is_call else tuple(str(generator.randrange(1000, 9999)) for _ in "ab"),
        from_number=f"+1202555{generator.randrange(100, 200):04}",
        to_number="sip:agent@phone.plivo.com"
        if generator.random() < 0.3
        else f"+1202555{generator.randrange(100, 200):04}",
    )


def truncate_to_milliseconds(moment: datetime) -> datetime:
    """Drop the microseconds, so that a row's end minus its start is its duration."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def format_milliseconds(span: timedelta) -> str:
    """Format milliseconds as Plivo does, as a decimal in quotes: `"345100.00000"`."""
    return f"{span // timedelta(milliseconds=1)}.00000"


def _rewrite_as_page(row: Mapping[str, Any], recording: EmulatedRecording) -> dict[str, Any]:
    """https://www.plivo.com/docs/voice/api/recordings: numbers in quotes, nulls, no parties."""
    later = ("from_number", "to_number", "conference_uuid")
    shown = {key: value for key, value in row.items() if key not in later}
    shown.update({key: str(row[key]) for key in BILLING_FIELDS})
    shown["conference_name"] = row["conference_name"] or None
    if recording.session.kind is SessionKind.CALL:
        shown["recording_type"] = "normal"
    return shown


def _rewrite_as_2013(row: Mapping[str, Any], recording: EmulatedRecording) -> dict[str, Any]:
    """https://www.plivo.com/docs/api/recording/: no start, end or billing, a naive `add_time`."""
    later = (
        *("from_number", "to_number", "recording_start_ms", "recording_end_ms"),
        *("conference_uuid", *BILLING_FIELDS),
    )
    naive = recording.added.astimezone(UTC).replace(tzinfo=None)
    shown = {key: value for key, value in row.items() if key not in later}
    return {**shown, "add_time": naive.isoformat("T", "microseconds")}


_OLDER_SHAPES = {"page": _rewrite_as_page, "2013": _rewrite_as_2013}
