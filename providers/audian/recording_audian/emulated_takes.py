"""What does the emulated Audian say of one recording? Two vocabularies: calls', conferences'.

https://docs.audian.com/call-control/call-recording and https://docs.audian.com/conferences/recording
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from attrs import Factory, define

from recording_core import Interval
from recording_core.plugin import build_media

__all__ = ["KEPT", "CallTake", "ConferenceTake", "Take", "written"]

#: both pages; conferences' are kept longer on dearer plans
KEPT = timedelta(days=30)
#: "Max recording duration: 24 hours continuous", which only the conferences' page says
LONGEST = timedelta(hours=24)
NEVER = datetime.max.replace(tzinfo=UTC)

#: what a row of the listing has; a call's own URL says more, and so does a conference's
LISTED_OF_A_CALL = ("recording_id", "call_id", "duration", "file_size", "status", "created_at")
LISTED_OF_A_CONFERENCE = (
    "id",
    "conference_id",
    "name",
    "status",
    "format",
    "duration",
    "size",
    "started_at",
    "ended_at",
    "url",
)


@define(eq=False, kw_only=True)
class Take:
    """One recording, which moves on by the time it is asked at; nothing has to push it."""

    id: str
    session_id: str
    format: str
    started: datetime
    stopped: datetime | None = None
    failed: bool = False
    pauses: list[Interval] = Factory(list)

    @property
    def end(self) -> datetime:
        """When it was stopped, or will stop by itself; `NEVER` while no end is in sight."""
        return self.stopped or NEVER

    def runs(self, now: datetime) -> bool:
        return now < self.end

    def is_kept(self, now: datetime) -> bool:
        return self.runs(now) or now - self.end < KEPT

    def is_ready(self, now: datetime) -> bool:
        """Whether its media is there."""
        return self.status(now) == "completed"

    def status(self, now: datetime) -> str:
        raise NotImplementedError

    @property
    def duration(self) -> timedelta:
        """From its start to its end. Undocumented: whether pauses count. They do not, here."""
        paused = (
            min(pause.end or self.end, self.end) - min(pause.start, self.end)
            for pause in self.pauses
        )
        return self.end - self.started - sum(paused, timedelta(0))

    @property
    def seconds(self) -> int:
        return self.duration // timedelta(seconds=1)

    def content(self) -> bytes:
        """The bytes of its file, once it has ended."""
        return build_media(self.format, self.duration)

    @cached_property
    def size(self) -> int:
        return len(self.content())


@define(eq=False, kw_only=True)
class CallTake(Take):
    """The recording of a call, in the words of https://docs.audian.com/call-control/call-recording.

    Its row names neither start nor end, and its `created_at` is the end.
    """

    bitrate: int
    sample_rate: int
    #: from `initiated` to `recording`
    starting: timedelta
    #: from the stop to `completed`; for its first half the status is `stopped`
    processing: timedelta

    def status(self, now: datetime) -> str:
        if self.runs(now):
            if now < self.started + self.starting:
                return "initiated"
            return "paused" if self.pauses and self.pauses[-1].end is None else "recording"
        if now < self.end + self.processing / 2:
            return "stopped"
        if now < self.end + self.processing:
            return "processing"
        return "failed" if self.failed else "completed"

    def row(self, now: datetime) -> dict[str, Any]:
        """What its own URL answers. Undocumented: what is not known yet. It is null, here."""
        ended, ready = not self.runs(now), self.is_ready(now)
        return {
            "recording_id": self.id,
            "call_id": self.session_id,
            "duration": self.seconds if ended else None,
            "file_size": self.size if ready else None,
            "file_format": self.format,
            "bitrate": self.bitrate,
            "sample_rate": self.sample_rate,
            "channels": 1,
            "status": self.status(now),
            "created_at": written(self.end) if ended else None,
            "completed_at": written(self.end + self.processing) if ready else None,
        }

    def item(self, now: datetime) -> dict[str, Any]:
        row = self.row(now)
        return {name: row[name] for name in LISTED_OF_A_CALL}

    def start_answer(self) -> dict[str, Any]:
        return {
            "call_id": self.session_id,
            "recording_id": self.id,
            # So the page's sample, though a get may say `initiated` for another second.
            "status": "recording",
            "started_at": written(self.started),
            "format": self.format,
        }

    def stop_answer(self) -> dict[str, Any]:
        return {
            "call_id": self.session_id,
            "recording_id": self.id,
            "status": "stopped",
            "stopped_at": written(self.end),
            "duration": self.seconds,
        }

    def pause_answer(self, now: datetime) -> dict[str, Any]:
        """Undocumented: what a pause and a resume answer. What start and stop have in common."""
        return {
            "call_id": self.session_id,
            "recording_id": self.id,
            "status": self.status(now),
        }


@define(eq=False, kw_only=True)
class ConferenceTake(Take):
    """The recording of a conference, in the words of https://docs.audian.com/conferences/recording.

    It is `completed`, and its media there, as soon as it ends; the page knows no other state.
    """

    name: str | None = None
    quality: str = "standard"

    @property
    def end(self) -> datetime:
        return min(self.stopped or NEVER, self.started + LONGEST)

    def status(self, now: datetime) -> str:
        if self.runs(now):
            return "recording"
        return "failed" if self.failed else "completed"

    def row(self, now: datetime, base_url: str) -> dict[str, Any]:
        """What start and stop answer, and, since the page shows nothing of it, its own URL."""
        ended, ready = not self.runs(now), self.is_ready(now)
        row = {
            "id": self.id,
            "conference_id": self.session_id,
            "name": self.name,
            "status": self.status(now),
            "format": self.format,
            "quality": self.quality,
            "started_at": written(self.started),
            "ended_at": written(self.end) if ended else None,
            "duration": self.seconds if ended else None,
            "size": self.size if ready else None,
            "url": f"{base_url}/recordings/{self.id}/download" if ready else None,
        }
        # The answer to a start has none; where there is one, it is the start, not the end.
        return {**row, "created_at": row["started_at"]} if ended else row

    def item(self, now: datetime, base_url: str) -> dict[str, Any]:
        row = self.row(now, base_url)
        return {name: row[name] for name in LISTED_OF_A_CONFERENCE}


def written(moment: datetime) -> str:
    """`2024-01-15T10:35:10Z`: UTC, and seconds are the smallest that Audian writes."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
