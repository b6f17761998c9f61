"""States: reads of the vendor's rows while recordings live, are processed, and are final."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import recording_core as rec
from recording_core.testing.conformance.base import ConformanceBase

Value = rec.Recording | rec.RecordingSession
#: Reads recordings, or with `active` a session.
Read = Callable[[], list[Value]]


class StateReads(ConformanceBase):
    """Reads of everything that the vendor shows of a recording while it is made."""

    def find_recent_bounds(self) -> dict[str, Any]:
        """Return keywords of `list` that include what this test records, without a long sweep."""
        return {"since": self.vendor.clock.now() - timedelta(days=1)}

    def record_targets(self, *operations: rec.Operation) -> Iterator[rec.CommunicationSession]:
        """Record each live session once, and generate it."""
        for target in self.list_live_targets(*operations):
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            self.end(self.vendor, session)
            self.vendor.advance(self.processing_timeout)
            yield target

    def generate_reads(self, provider: rec.Provider) -> Iterator[tuple[str, Read]]:
        """Generate reads of the vendor's rows while recordings live, are processed, and are final.

        The next read is generated after the one before was used.
        """
        if provider.can(rec.Operation.LIST):
            yield "list", collect(partial(provider.list, **self.find_newest_bounds()))
        for target in self.list_live_targets():
            session = self.begin(self.provider, target)
            yield from self._generate_reads_of(provider, session, "that is recorded")
            self.vendor.advance(self.warm_up)
            if self.provider.can(rec.Operation.PAUSE, target.kind):
                self.provider.pause(session)
                yield from self._generate_reads_of(provider, session, "that is paused")
            self.end(self.vendor, session)
            yield from self._generate_reads_of(provider, session, "that has ended")
            self.vendor.advance(self.processing_timeout)
            yield from self._generate_reads_of(provider, session, "that is final")

    def _generate_reads_of(
        self, provider: rec.Provider, session: rec.RecordingSession, state: str
    ) -> Iterator[tuple[str, Read]]:
        target = session.target
        what = f"of a {target.kind} {state}"
        if provider.can(rec.Operation.GET, target.kind) and session.id is not None:
            get = partial(provider.get, session.id, target=target)
            yield f"get {what}", lambda: [get()]
        if provider.can(rec.Operation.ACTIVE, target.kind):
            yield f"active {what}", lambda: [*filter(None, [provider.active(target)])]
        if provider.can(rec.Operation.LIST, target.kind):
            sweep = partial(provider.list, target=target, **self.find_recent_bounds())
            yield f"list {what}", collect(sweep)


def collect(sweep: Callable[[], Iterable[rec.Recording]]) -> Read:
    """Build a read of a listing."""
    return lambda: [*sweep()]
