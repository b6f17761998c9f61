"""Recordings of the emulated VoIPBin, and the calls and conferences that they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from attrs import define, field

from recording_core import SessionKind
from recording_voipbin.emulator.media import EmulatedFile
from recording_voipbin.emulator.responses import (
    NIL,
    TimeFormat,
    build_owner_fields,
    build_time_fields,
    format_time,
)

#: A status that a recording keeps forever.
StuckStatus = Literal["initiating", "recording", "stopping"]

#: The files of a recording -> their pitches. From VoIPBin's source; https://docs.voipbin.net
#: describes a call as "mixed into one channel".
LEGS: Mapping[SessionKind, Mapping[str, int]] = {
    SessionKind.CALL: {"in": 440, "out": 330},
    SessionKind.CONFERENCE: {"in": 440},
}
#: How many seconds the audio is shorter than the time from `tm_start` to `tm_end`: 10.62 s instead
#: of 11.06 s in the sample on https://docs.voipbin.net.
AUDIO_LAG = 0.44
#: https://docs.voipbin.net, Recording: `tm_delete` is empty "in older recordings".
OLD_AGE = timedelta(days=30)

#: Assumption 4: the status of a session that has ended. A start compares with `progressing` only.
ENDED_STATUSES: Mapping[SessionKind, str] = {
    SessionKind.CALL: "hangup",
    SessionKind.CONFERENCE: "terminated",
}
#: From VoIPBin's source: if a recording cannot be started or stopped, a backend may answer `null`
#: with 200, and the API writes an object with these fields. Go leaves out an empty status.
ZERO_SESSIONS: Mapping[SessionKind, Mapping[str, Any]] = {
    SessionKind.CALL: {
        **build_owner_fields(NIL, NIL),
        **{"source": {}, "destination": {}, "action": {}, "recording_id": NIL},
    },
    SessionKind.CONFERENCE: {
        **{"id": NIL, "customer_id": NIL, "recording_id": NIL, "direct_hash": ""},
        **dict.fromkeys(("tm_end", "tm_create", "tm_update", "tm_delete")),
    },
}


@define(eq=False)
class EmulatedSession:
    """A call or a conference."""

    kind: SessionKind
    id: str
    #: The `reference_id` of its recordings: a call's id, or the id of a conference's confbridge,
    #: which no response about the conference contains.
    reference_id: str
    created_at: datetime
    has_ended: bool = False
    is_deleted: bool = False
    #: The current recording, or the last one: only an explicit stop clears it.
    recording_id: str = NIL
    recording_ids: list[str] = field(factory=list)

    def build_row(
        self,
        customer_id: str,
        time_format: TimeFormat,
        *,
        ended_status: str | None,
        recording_ids: Sequence[str],
    ) -> dict[str, Any]:
        """Build its row; with `ended_status` None, an ended session has no status."""
        is_call = self.kind is SessionKind.CALL
        status = ended_status if self.has_ended else "progressing"
        row = {
            **(build_owner_fields(self.id, customer_id) if is_call else {}),
            **{"id": self.id, "customer_id": customer_id},
            **({"status": status} if status is not None else {}),
            "recording_id": self.recording_id,
        }
        # Go leaves out an empty list, and never a UUID.
        if recording_ids:
            row["recording_ids"] = list(recording_ids)
        times = {"tm_create": self.created_at, "tm_update": None, "tm_delete": None}
        if is_call:
            return {**row, **build_time_fields(times, time_format)}
        times = {"tm_end": None, **times}
        return {**row, "direct_hash": "", **build_time_fields(times, time_format, nulls=True)}


@define(eq=False)
class EmulatedRecording:
    """One recording. Its state follows from the time: nothing has to advance it."""

    id: str
    session: EmulatedSession
    created_at: datetime
    file_ids: Sequence[str]
    #: from `tm_create` to `tm_start`
    starting: timedelta
    #: from an explicit stop to `tm_end`
    stopping: timedelta
    #: from `tm_end` until the last file is stored
    storing: timedelta
    #: also the extension of its files; empty if the start names none
    format: str = "wav"
    on_end_flow_id: str = NIL
    activeflow_id: str = NIL
    #: `tm_end`, which may be in the future; None if no end is known
    ended_at: datetime | None = None
    stop_requested_at: datetime | None = None
    stuck: StuckStatus | None = None
    #: whether it belongs to another customer
    foreign: bool = False
    deleted_at: datetime | None = None

    @property
    def started_at(self) -> datetime:
        return self.created_at + self.starting

    def has_ended(self, now: datetime) -> bool:
        return self.ended_at is not None and self.ended_at <= now

    def compute_status(self, now: datetime) -> str:
        if self.stuck and self.stop_requested_at is None:
            return self.stuck
        if self.has_ended(now):
            return "ended"
        if self.stop_requested_at:
            return "stopping"
        return "initiating" if now < self.started_at else "recording"

    def stop(self, now: datetime) -> None:
        """Apply an explicit stop."""
        if self.has_ended(now):
            # From VoIPBin's source: `stopping` is written over any status, and nothing replaces it.
            self.stuck = "stopping"
            return
        self.stop_requested_at = now
        if self.stuck:
            return  # it failed: it has no end
        self.end(max(now, self.started_at) + self.stopping)

    def end(self, at: datetime) -> None:
        """End it at this time, unless it ends earlier. It never ends before its start."""
        at = at if self.ended_at is None else min(at, self.ended_at)
        self.ended_at = max(self.started_at, at)

    def list_files(self, now: datetime) -> list[EmulatedFile]:
        """List its stored files: none when it ends, then one leg after the other."""
        if self.ended_at is None:
            return []
        # A deletion removes the files later than the row: those that were stored before it. Whether
        # a running recording's are stored after it is undocumented; here, they are.
        removed = None
        if self.deleted_at is not None and now >= self.deleted_at + self.storing:
            removed = self.deleted_at
        seconds = (self.ended_at - self.started_at).total_seconds()
        legs = LEGS[self.session.kind]
        word = "call" if self.session.kind is SessionKind.CALL else "confbridge"
        start = format_time(self.created_at.replace(microsecond=0), "rfc3339")
        files = (
            EmulatedFile(
                id=id,
                filename=f"{word}_{self.session.reference_id}_{start}_{leg}.{self.format}",
                created_at=self.ended_at + self.storing * number / len(legs),
                seconds=max(0.0, seconds - AUDIO_LAG),
                pitch=pitch,
                reference_id=self.id,
                foreign=self.foreign,
            )
            for number, (id, (leg, pitch)) in enumerate(
                zip(self.file_ids, legs.items(), strict=False), 1
            )
        )
        return [
            file
            for file in files
            if file.created_at <= now and (removed is None or file.created_at > removed)
        ]

    def build_row(
        self, now: datetime, customer_id: str, time_format: TimeFormat, kind_key: str, word: str
    ) -> dict[str, Any]:
        """Build its row, with the fields in the order in which Go writes them.

        `kind_key` is the name of the field with its kind, and `word` the kind of a conference.
        """
        is_call = self.session.kind is SessionKind.CALL
        has_started = now >= self.started_at and self.stuck != "initiating"
        start = self.started_at if has_started else None
        end = self.ended_at if self.has_ended(now) else None
        times = {
            "tm_start": start,
            "tm_end": end,
            "tm_create": self.created_at,
            "tm_update": max(filter(None, (start, end, self.deleted_at)), default=None),
            "tm_delete": self.deleted_at,
        }
        row = {
            **build_owner_fields(self.id, customer_id),
            "activeflow_id": self.activeflow_id,
            kind_key: "call" if is_call else word,
            "reference_id": self.session.reference_id,
            "status": self.compute_status(now),
            **({"format": self.format} if self.format else {}),
            "on_end_flow_id": self.on_end_flow_id,
            **build_time_fields(times, time_format),
        }
        is_old = self.created_at < now - OLD_AGE
        if time_format == "sentinel" and self.deleted_at is None and is_old:
            row["tm_delete"] = ""
        return row
