"""Recordings: what the emulated vendor keeps, and the rows that it returns for them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from attrs import define
from recording_core.plugin import build_media


@define
class AcmeRecording:
    """A recording in the emulator."""

    id: str
    call: str
    started: datetime
    ended: datetime | None = None
    format: str = "wav"

    def build_media(self) -> bytes:
        assert self.ended is not None
        return build_media(self.format, self.ended - self.started)

    # FILL IN: a row as the vendor's pages show it, with a word for each state (section 7)
    def build_row(self, now: datetime, processing: timedelta, link: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": self.id,
            "call": self.call,
            "state": "live",
            "format": self.format,
            "started": self.started.isoformat(),
        }
        if self.ended is None:
            return row
        row |= {
            "state": "encoding",
            "ended": self.ended.isoformat(),
            "seconds": (self.ended - self.started).total_seconds(),
        }
        if now >= self.ended + processing:
            row |= {"state": "done", "bytes": len(self.build_media()), "link": link}
        return row
