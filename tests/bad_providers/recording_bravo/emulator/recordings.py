"""Recordings of the emulator: their state at a time, and the rows that the API returns."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve, field

from recording_core import Interval
from recording_core.plugin import Webhook, build_media, compute_recorded_time

#: After this time Bravo removes the media, and keeps the row.
MEDIA_KEPT = timedelta(days=30)
#: How long a link to media is valid.
LINK_VALID = timedelta(hours=1)
#: The role and format of each file, by kind; `None` is the format of the start.
FILES: dict[str, dict[str, str | None]] = {
    "call": {"mix": None},
    "conference": {"mix": None},
    "meeting": {"mix": "mp3", "video": "mp4"},
}


@define
class BravoRecording:
    """A recording in the emulator."""

    id: str
    kind: str
    session: str
    started: datetime
    processing: timedelta
    ended: datetime | None = None
    format: str = "wav"
    channels: int = 1
    title: str | None = None
    max_duration: timedelta | None = None
    webhook: Webhook | None = None
    #: the status after the processing
    outcome: str = "ready"
    pauses: list[Interval] = field(factory=list)

    def end(self, at: datetime) -> None:
        """End the recording, unless it has ended."""
        if self.ended is None:
            self.resume(at)
            self.ended = at

    def pause(self, at: datetime) -> None:
        """Pause the recording, unless it is paused."""
        if not self.pauses or self.pauses[-1].end is not None:
            self.pauses.append(Interval(at))

    def resume(self, at: datetime) -> None:
        """Resume the recording, if it is paused."""
        if self.pauses and self.pauses[-1].end is None:
            self.pauses[-1] = evolve(self.pauses[-1], end=at)

    def settle(self, now: datetime) -> None:
        """End a recording that has reached its longest duration."""
        if self.max_duration is not None and self.started + self.max_duration <= now:
            self.end(self.started + self.max_duration)

    def list_changes(self) -> list[tuple[datetime, str]]:
        """Return each change of the status, oldest first, and the status after it."""
        changes = [(self.started, "recording")]
        for pause in self.pauses:
            changes.append((pause.start, "paused"))
            if pause.end is not None and pause.end != self.ended:
                changes.append((pause.end, "recording"))
        if self.ended is not None:
            changes += [(self.ended, "encoding"), (self.ended + self.processing, self.outcome)]
            if self.outcome == "ready":
                changes.append((self.ended + MEDIA_KEPT, "purged"))
        return changes

    def build_file(self, role: str) -> bytes:
        """Build the media of one file."""
        assert self.ended is not None
        recorded = compute_recorded_time(self.started, self.ended, self.pauses)
        return build_media(FILES[self.kind][role] or self.format, recorded)


@define
class RowBuilder:
    """Builds the rows of recordings, with links that one key signs."""

    media_origin: str
    key: str

    def build_row(self, recording: BravoRecording, now: datetime) -> dict[str, Any]:
        """Build the row that the API returns, or a webhook contains, at a time."""
        changed, status = [each for each in recording.list_changes() if each[0] <= now][-1]
        row: dict[str, Any] = {
            "id": recording.id,
            "kind": recording.kind,
            "session": recording.session,
            "status": status,
            "title": recording.title,
            "format": recording.format,
            "channels": recording.channels,
            "created_ms": _count_ms(recording.started),
            "started_at": recording.started.isoformat(),
            "changed_at": changed.isoformat(),
            "failure": "the recorder stopped" if status == "failed" else None,
            "files": [],
        }
        if recording.ended is not None and recording.ended <= now:
            recorded = compute_recorded_time(recording.started, recording.ended, recording.pauses)
            row |= {
                "ended_at": recording.ended.isoformat(),
                "duration_ms": recorded // timedelta(milliseconds=1),
            }
        if status == "ready":
            files = [*self._build_files(recording, row["duration_ms"], now)]
            row |= {"bytes": sum(each["bytes"] for each in files), "files": files}
        return row

    def _build_files(
        self, recording: BravoRecording, duration_ms: int, now: datetime
    ) -> Iterator[dict[str, Any]]:
        expires_ms = _count_ms(now + LINK_VALID)
        for role, format in FILES[recording.kind].items():
            content = recording.build_file(role)
            path = f"{recording.id}/{role}"
            query = f"expires={expires_ms}&signature={self.sign(path, expires_ms)}"
            yield {
                "name": role,
                "role": role,
                "format": format or recording.format,
                "bytes": len(content),
                "duration_ms": duration_ms,
                "channels": recording.channels,
                "url": f"{self.media_origin}/{path}?{query}",
                "url_expires_ms": expires_ms,
                "sha256": hashlib.sha256(content).hexdigest(),
            }

    def sign(self, path: str, expires_ms: int) -> str:
        """Compute the signature of a link."""
        return hmac.digest(self.key.encode(), f"{path}:{expires_ms}".encode(), "sha256").hex()


def _count_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
