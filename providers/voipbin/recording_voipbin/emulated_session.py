"""What does the emulated VoIPBin say of a call or a conference?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, field

from recording_core import SessionKind
from recording_voipbin.emulated_refusals import NIL
from recording_voipbin.emulated_times import Age, stamps

__all__ = ["ZERO", "EmulatedSession"]

#: undocumented: the word of one that is over; all that counts is that it is not `progressing`
OVER: Mapping[SessionKind, str] = {
    SessionKind.CALL: "hangup",
    SessionKind.CONFERENCE: "terminated",
}
# Seen in its source: where a recording could not be started or stopped, its backends now and then
# answer `null` with 200, and the API makes an object of it.
ZERO: Mapping[str, Any] = {
    "id": NIL,
    "customer_id": NIL,
    "owner_type": "",
    "owner_id": NIL,
    "status": "",
    "recording_id": NIL,
}


@define(eq=False)
class EmulatedSession:
    """A call or conference. `reference_id` is what its recordings call it."""

    kind: SessionKind
    id: str
    #: the call's own id, or that of a conference's confbridge, which no answer about it names
    reference_id: str
    created: datetime
    over: bool = False
    #: what is recorded, or was: only an explicit stop clears it
    recording_id: str = NIL
    recording_ids: list[str] = field(factory=list)

    def row(self, customer_id: str, age: Age) -> dict[str, Any]:
        row: dict[str, Any] = {
            **ZERO,
            "id": self.id,
            "customer_id": customer_id,
            "status": OVER[self.kind] if self.over else "progressing",
            "recording_id": self.recording_id,
        }
        # Go drops an empty list, and never a UUID.
        if self.recording_ids:
            row["recording_ids"] = list(self.recording_ids)
        return {**row, **stamps(age, tm_create=self.created, tm_update=None, tm_delete=None)}
