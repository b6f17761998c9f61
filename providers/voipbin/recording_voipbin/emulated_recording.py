"""What does the emulated VoIPBin know of one recording, and what does it say of it by now?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from attrs import define

from recording_core import SessionKind
from recording_voipbin.emulated_files import StoredFile
from recording_voipbin.emulated_refusals import NIL
from recording_voipbin.emulated_session import EmulatedSession
from recording_voipbin.emulated_times import Age, stamps, written

__all__ = ["LEGS", "EmulatedRecording", "Stuck"]

#: a status that a recording does not leave any more
Stuck = Literal["initiating", "recording", "stopping"]

# Seen in its source; https://docs.voipbin.net says of a call "mixed into one channel".
LEGS: Mapping[SessionKind, Sequence[str]] = {
    SessionKind.CALL: ("in", "out"),
    SessionKind.CONFERENCE: ("in",),
}
PITCH = {"in": 440, "out": 330}
#: how much of the time from `tm_start` to `tm_end`, the server's clock, there is to be heard:
#: 10.62 s of 11.06 s in the sample on https://docs.voipbin.net
HEARD = 0.96
#: https://docs.voipbin.net, Recording: `tm_delete` is empty "in older recordings"
OLDER = timedelta(days=30)


@define(eq=False)
class EmulatedRecording:
    """A recording that moves on by the time it is asked at; nothing has to push it."""

    id: str
    session: EmulatedSession
    created: datetime
    file_ids: Sequence[str]
    #: from `tm_create` to `tm_start`
    starting: timedelta
    #: from an explicit stop to `tm_end`
    stopping: timedelta
    #: from `tm_end` until the last file is stored
    storing: timedelta
    format: str = "wav"
    on_end_flow_id: str = NIL
    activeflow_id: str = NIL
    #: `tm_end`, be it to come; None while no end is in sight
    ends: datetime | None = None
    stop_asked: datetime | None = None
    stuck: Stuck | None = None
    #: another customer's
    foreign: bool = False
    deleted: datetime | None = None

    @property
    def began(self) -> datetime:
        return self.created + self.starting

    def has_ended(self, now: datetime) -> bool:
        return self.ends is not None and self.ends <= now

    def status(self, now: datetime) -> str:
        if self.stuck:
            return self.stuck
        if self.has_ended(now):
            return "ended"
        if self.stop_asked:
            return "stopping"
        return "initiating" if now < self.began else "recording"

    def stop(self, now: datetime) -> None:
        """An explicit stop."""
        if self.has_ended(now):
            # Seen in its source: `stopping` is written whatever the status was, and nothing comes
            # after it.
            self.stuck = "stopping"
            return
        self.stop_asked = now
        self.end(max(now, self.began) + self.stopping)

    def end(self, at: datetime) -> None:
        """It ends then, unless it does so earlier; but not before it has begun."""
        self.ends = max(self.began, at if self.ends is None else min(at, self.ends))

    def files(self, now: datetime) -> list[StoredFile]:
        """What is in storage: nothing at its end, then one leg after the other."""
        # A deletion takes the files later than the row.
        gone = self.deleted is not None and now >= self.deleted + self.storing
        if self.ends is None or gone:
            return []
        legs = LEGS[self.session.kind]
        word = "call" if self.session.kind is SessionKind.CALL else "confbridge"
        start = written(self.created.replace(microsecond=0), "rfc3339")
        made = (
            StoredFile(
                id=id,
                filename=f"{word}_{self.session.reference_id}_{start}_{leg}.{self.format}",
                created=self.ends + self.storing * place / len(legs),
                seconds=HEARD * (self.ends - self.began).total_seconds(),
                pitch=PITCH[leg],
                reference_id=self.id,
            )
            for place, (id, leg) in enumerate(zip(self.file_ids, legs, strict=False), 1)
        )
        return [file for file in made if file.created <= now]

    def row(
        self, now: datetime, *, customer_id: str, age: Age, key: str, conference_word: str
    ) -> dict[str, Any]:
        """The fields in the order in which Go writes them."""
        is_call = self.session.kind is SessionKind.CALL
        start = self.began if now >= self.began and self.stuck != "initiating" else None
        end = self.ends if self.has_ended(now) else None
        row: dict[str, Any] = {
            "id": self.id,
            "customer_id": customer_id,
            "owner_type": "",
            "owner_id": NIL,
            "activeflow_id": self.activeflow_id,
            key: "call" if is_call else conference_word,
            "reference_id": self.session.reference_id,
            "status": self.status(now),
            "format": self.format,
            "on_end_flow_id": self.on_end_flow_id,
            **stamps(
                age,
                tm_start=start,
                tm_end=end,
                tm_create=self.created,
                # Undocumented: whether `stopping` counts as an update. It does, here.
                tm_update=self.deleted or end or self.stop_asked or start,
                tm_delete=self.deleted,
            ),
        }
        if age == "sentinel" and self.deleted is None and self.created < now - OLDER:
            row["tm_delete"] = ""
        return row
