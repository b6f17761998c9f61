"""Recordings of the emulated Audian: those of calls and those of conferences, and their store.

https://docs.audian.com/call-control/call-recording and https://docs.audian.com/conferences/recording
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from attrs import Factory, define, field

from recording_audian.emulator.responses import build_not_found_error
from recording_core import Interval
from recording_core.plugin import Clock, build_media, compute_recorded_time

#: Both pages; conferences' recordings are kept longer on larger plans.
RETENTION = timedelta(days=30)
#: "Max recording duration: 24 hours continuous", on the page of conferences only.
MAX_DURATION = timedelta(hours=24)
NEVER = datetime.max.replace(tzinfo=UTC)


@define(eq=False, kw_only=True)
class EmulatedRecording:
    """One recording. Its state follows from the time: nothing has to advance it."""

    #: the fields of a row in a list; a get returns more
    list_fields: ClassVar[Sequence[str]]

    id: str
    session_id: str
    format: str
    started_at: datetime
    stopped_at: datetime | None = None
    is_failed: bool = False
    pauses: list[Interval] = Factory(list)

    @property
    def end(self) -> datetime:
        """When it was stopped, or when it stops without a request; `NEVER` if neither is known."""
        return self.stopped_at or NEVER

    def is_running(self, now: datetime) -> bool:
        return now < self.end

    def is_retained(self, now: datetime) -> bool:
        return self.is_running(now) or now - self.end < RETENTION

    def has_media(self, now: datetime) -> bool:
        return self.compute_status(now) == "completed"

    def compute_status(self, now: datetime) -> str:
        if self.is_running(now):
            return "recording"
        return "failed" if self.is_failed else "completed"

    def build_row(self, now: datetime, base_url: str) -> dict[str, Any]:
        """Build the response to a get."""
        raise NotImplementedError

    def build_list_row(self, now: datetime, base_url: str) -> dict[str, Any]:
        row = self.build_row(now, base_url)
        return {name: value for name, value in row.items() if name in self.list_fields}

    def build_verb_response(self, verb: str, now: datetime, base_url: str) -> dict[str, Any]:
        return self.build_row(now, base_url)

    @property
    def duration(self) -> timedelta:
        """From its start to its end. Undocumented: whether pauses count. Here they do not."""
        return compute_recorded_time(self.started_at, self.end, self.pauses)

    @property
    def seconds(self) -> int:
        return self.duration // timedelta(seconds=1)

    def build_content(self) -> bytes:
        """Build the bytes of its file, once it has ended."""
        return build_media(self.format, self.duration)

    @cached_property
    def size(self) -> int:
        return len(self.build_content())


@define(eq=False, kw_only=True)
class CallRecording(EmulatedRecording):
    """The recording of a call, as https://docs.audian.com/call-control/call-recording shows it.

    Its row has neither start nor end, and its `created_at` is the end.
    """

    list_fields = ("recording_id", "id", "call_id", "duration", "file_size", "status", "created_at")

    bitrate: int
    sample_rate: int
    #: from `initiated` to `recording`
    starting: timedelta
    #: from the stop to `completed`; the status is `stopped` in the first half of it
    processing: timedelta
    #: whether its row has `id` too, as the engine's: assumption 2
    has_id: bool

    @property
    def is_paused(self) -> bool:
        return bool(self.pauses) and self.pauses[-1].end is None

    def compute_status(self, now: datetime) -> str:
        if self.is_running(now):
            if self.is_paused:
                return "paused"
            # A start answers `recording` at once, so that it may be paused in this time, too.
            return "initiated" if now < self.started_at + self.starting else "recording"
        if now < self.end + self.processing / 2:
            return "stopped"
        return "processing" if now < self.end + self.processing else super().compute_status(now)

    def build_row(self, now: datetime, base_url: str) -> dict[str, Any]:
        """Build the response to a get. Undocumented: values that are not final yet. Here: null."""
        has_ended, has_media = not self.is_running(now), self.has_media(now)
        return {
            "recording_id": self.id,
            **({"id": self.id} if self.has_id else {}),
            "call_id": self.session_id,
            "duration": self.seconds if has_ended else None,
            "file_size": self.size if has_media else None,
            "file_format": self.format,
            "bitrate": self.bitrate,
            "sample_rate": self.sample_rate,
            "channels": 1,
            "status": self.compute_status(now),
            "created_at": format_time(self.end) if has_ended else None,
            "completed_at": format_time(self.end + self.processing) if has_media else None,
        }

    def build_verb_response(self, verb: str, now: datetime, base_url: str) -> dict[str, Any]:
        """Build the response to a start and a stop.

        The one to a pause or resume is undocumented (assumption 6): the fields that those have in
        common.
        """
        # As in the page's sample, although a get may report `initiated` for another second.
        statuses = {"start": "recording", "stop": "stopped"}
        response: dict[str, Any] = {
            "call_id": self.session_id,
            "recording_id": self.id,
            "status": statuses.get(verb) or self.compute_status(now),
        }
        if verb == "start":
            response |= {"started_at": format_time(self.started_at), "format": self.format}
        elif verb == "stop":
            response |= {"stopped_at": format_time(self.end), "duration": self.seconds}
        return response


@define(eq=False, kw_only=True)
class ConferenceRecording(EmulatedRecording):
    """The recording of a conference, as https://docs.audian.com/conferences/recording shows it.

    It is `completed`, and has its media, as soon as it ends: the page has no state between.
    """

    list_fields = (
        *("id", "conference_id", "name", "status", "format"),
        *("duration", "size", "started_at", "ended_at", "url"),
    )

    name: str | None = None
    quality: str = "standard"

    @property
    def end(self) -> datetime:
        return min(self.stopped_at or NEVER, self.started_at + MAX_DURATION)

    def build_row(self, now: datetime, base_url: str) -> dict[str, Any]:
        """Build the response to a start and a stop.

        A get returns the same here: the page does not show its response.
        """
        has_ended, has_media = not self.is_running(now), self.has_media(now)
        row = {
            "id": self.id,
            "conference_id": self.session_id,
            "name": self.name,
            "status": self.compute_status(now),
            "format": self.format,
            "quality": self.quality,
            "started_at": format_time(self.started_at),
            "ended_at": format_time(self.end) if has_ended else None,
            "duration": self.seconds if has_ended else None,
            "size": self.size if has_media else None,
            "url": f"{base_url}/recordings/{self.id}/download" if has_media else None,
        }
        # The response to a start has no `created_at`; in that to a stop it is the start.
        return {**row, "created_at": row["started_at"]} if has_ended else row


AnyRecording = TypeVar("AnyRecording", bound=EmulatedRecording)


@define
class RecordingStore(Generic[AnyRecording]):
    """The live calls, or the live conferences, and the recordings of all calls or conferences."""

    clock: Clock
    #: the ids of the live calls or conferences
    live: set[str] = field(factory=set)
    #: id -> recording, with those whose retention is over
    recordings: dict[str, AnyRecording] = field(factory=dict)

    def find(self, id: str) -> AnyRecording | None:
        """Find a recording that was not deleted and whose retention is not over."""
        recording = self.recordings.get(id)
        return recording if recording and recording.is_retained(self.clock.now()) else None

    def require(self, id: str) -> AnyRecording:
        """Find a recording, or raise the 404."""
        recording = self.find(id)
        if recording is None:
            raise build_not_found_error()
        return recording

    def list_retained(self) -> list[AnyRecording]:
        """List recordings, newest first; those that still run precede those that have ended."""
        now = self.clock.now()
        retained = [each for each in self.recordings.values() if each.is_retained(now)]
        return sorted(retained, key=lambda each: (each.end, each.started_at, each.id), reverse=True)

    def find_running(self, session_id: str) -> AnyRecording | None:
        now = self.clock.now()
        of_session = (each for each in self.recordings.values() if each.session_id == session_id)
        return next((each for each in of_session if each.is_running(now)), None)

    def require_running(self, session_id: str) -> AnyRecording:
        """Find the recording that a stop, a pause or a resume is for.

        Undocumented: these verbs when nothing is recorded. Here: 404.
        """
        recording = self.find_running(session_id)
        if recording is None:
            raise build_not_found_error("Active recording")
        return recording


def format_time(moment: datetime) -> str:
    """Format a time as `2024-01-15T10:35:10Z`: UTC, in whole seconds as on Audian's pages."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
