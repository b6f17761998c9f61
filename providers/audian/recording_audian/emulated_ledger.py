"""Which recordings does the emulated Audian still have, and which call is being recorded?"""

from __future__ import annotations

from typing import Generic, TypeVar

from attrs import define, field

from recording_audian.emulated_answers import Refused
from recording_audian.emulated_takes import Take
from recording_core.plugin import Clock

__all__ = ["Ledger", "not_found"]

AnyTake = TypeVar("AnyTake", bound=Take)


@define
class Ledger(Generic[AnyTake]):
    """The live calls, or conferences, and the recordings of all that there ever were."""

    clock: Clock
    live: set[str] = field(factory=set)
    takes: dict[str, AnyTake] = field(factory=dict)

    def keep(self, take: AnyTake) -> AnyTake:
        self.takes[take.id] = take
        return take

    def find(self, id: str) -> AnyTake | None:
        """One that was neither deleted nor kept for longer than Audian keeps it."""
        take = self.takes.get(id)
        return take if take and take.is_kept(self.clock.now()) else None

    def found(self, id: str) -> AnyTake:
        take = self.find(id)
        if take is None:
            raise not_found()
        return take

    def kept(self) -> list[AnyTake]:
        """Newest first; what still runs is newer than what has ended."""
        now = self.clock.now()
        kept = [take for take in self.takes.values() if take.is_kept(now)]
        return sorted(kept, key=lambda take: (take.end, take.started, take.id), reverse=True)

    def running(self, session_id: str) -> AnyTake | None:
        now = self.clock.now()
        takes = (take for take in self.takes.values() if take.session_id == session_id)
        return next((take for take in takes if take.runs(now)), None)

    def to_be_told(self, session_id: str) -> AnyTake:
        """Undocumented: a stop, a pause or a resume where nothing records. It is 404, here."""
        take = self.running(session_id)
        if take is None:
            raise not_found("Active recording")
        return take

    def hang_up(self, session_id: str) -> None:
        self.live.discard(session_id)
        if take := self.running(session_id):
            take.stopped = self.clock.now()


def not_found(what: str = "Recording") -> Refused:
    return Refused(404, "not_found", f"{what} not found")
