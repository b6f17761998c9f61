"""Requirements for moments: what a verb reports or does is so at the vendor at that moment."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import recording_core as rec
from recording_core.model.enums import FINAL, LIVE
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    skip_undeclared,
    state_requirement,
)
from recording_core.testing.conformance.parameters import build_bounds, is_within
from recording_core.testing.conformance.world import TOLERANCE

#: The limit that is requested, or the shortest one that is longer, and a time before. A limit that
#: is too long shows only after hours, whose media emulators would have to build.
_LIMIT, _EARLIER = timedelta(seconds=90), timedelta(seconds=30)
_AVAILABLE = rec.RecordingStatus.AVAILABLE
_PAUSED, _RECORDING = rec.RecordingStatus.PAUSED, rec.RecordingStatus.RECORDING


class MomentRequirements(ConformanceBase):
    """Requirements for live recordings, by what another connection sees at the same moment."""

    def test_a_recording_is_available_only_if_its_media_is(self, tmp_path: Path) -> None:
        for target in self.find_live_targets():
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            stopped = self.vendor.finish_session(self.provider, session)
            with self.vendor.connect() as other:
                found = self._look(other, stopped, rec.Operation.GET)
                if found is not None and stopped.status in FINAL:
                    with state_requirement(f"{target.kind} stop: a final status is that of get"):
                        check_equal("status after stop", stopped.status, found)
                can_download = other.can(rec.Operation.DOWNLOAD, target.kind)
                is_available = _AVAILABLE in (stopped.status, found) and stopped.id is not None
                if not (is_available and can_download):
                    continue
                with state_requirement(
                    f"{target.kind}: after a stop that returns {stopped.status}, get returns "
                    f"{found}. So the media can be fetched at that moment"
                ):
                    other.download(str(stopped.id), tmp_path / target.kind, target=target)

    def test_active_reports_the_time_of_the_start(self) -> None:
        for target in self.find_live_targets(rec.Operation.ACTIVE):
            started = self.vendor.clock.now()
            with self.vendor.connect() as other:
                session = self.begin(other, target)
            for _ in range(2):
                self.vendor.advance(2 * self.warm_up)
                found = self.provider.active(target)
                assert found is not None, f"active returned None while {session!r} records"
                at = found.started_at
                assert at is None or abs(at - started) <= TOLERANCE, (
                    f"{target.kind} active: started_at is {at}. Expected: None, or {started}, "
                    f"when the suite started it, within {TOLERANCE}"
                )

    def test_a_verb_with_an_older_session_reaches_the_vendor(self) -> None:
        pairs = (("pause", "resume", _PAUSED, _RECORDING), ("resume", "pause", _RECORDING, _PAUSED))
        for target in self.find_live_targets(rec.Operation.PAUSE, rec.Operation.RESUME):
            session = self.begin(self.provider, target)
            with self.vendor.connect() as other:
                for theirs, ours, before, after in pairs:
                    self.vendor.advance(self.warm_up)
                    newer = getattr(other, theirs)(session)
                    if self._look(other, session) is not before:
                        break  # no read of this vendor shows a pause
                    self.vendor.advance(self.warm_up)
                    with state_requirement(
                        f"{target.kind} {ours}: it is sent also if another connection has sent "
                        f"{theirs} since, which the session does not show"
                    ):
                        getattr(self.provider, ours)(session)
                        check_equal(
                            "what another connection sees", self._look(other, session), after
                        )
                    self.vendor.advance(self.warm_up)
                    session = other.pause(other.resume(newer))

    def test_a_recording_does_not_end_before_its_max_duration(self) -> None:
        limits = {
            kind: bounds["max_duration"]
            for kind in self.find_kinds(rec.Operation.START)
            if "max_duration" in (bounds := build_bounds(self.provider, kind))
        }
        if not limits:
            skip_undeclared("max_duration")
        for kind, limit in limits.items():
            longest = max(limit.values, default=max(_LIMIT, limit.least or _LIMIT))
            if longest < _LIMIT or not is_within(longest, limit):
                continue
            with state_requirement(f"{kind} start with max_duration={longest}: it ends not before"):
                if self._is_live_after(_EARLIER, kind, max_duration=longest) is False:
                    # A vendor's own limit may be shorter.
                    assert self._is_live_after(_EARLIER, kind) is not True, (
                        f"it has ended after {_EARLIER}, and without a max_duration it has not: is "
                        "the unit of the limit right?"
                    )

    def _is_live_after(
        self, after: timedelta, kind: rec.SessionKind, **parameters: Any
    ) -> bool | None:
        """Record for some time, and return whether it still runs; None if nothing shows that."""
        target = self.find_session(kind)
        arguments = {**self.start_arguments.get(kind, {}), **parameters}
        try:
            session = self.provider.start(target, **arguments)
        except rec.ProviderError:  # it may have ended with the recording before
            return None
        self.vendor.advance(after)
        with self.vendor.connect() as other:
            if other.can(rec.Operation.ACTIVE, kind):
                is_live: bool | None = other.active(target) is not None
            else:
                status = self._look(other, session)
                is_live = None if status is None else status in LIVE
        with suppress(rec.ProviderError):
            self.end(self.vendor, session)
        self.vendor.advance(self.processing_timeout)
        return is_live

    def _look(
        self, other: rec.Provider, session: rec.RecordingSession, *reads: rec.Operation
    ) -> rec.RecordingStatus | None:
        """Return the status that `active` or else `get` shows, or one of them; None for nothing."""
        kind, target = session.target.kind, session.target
        for read in reads or (rec.Operation.ACTIVE, rec.Operation.GET):
            if other.can(read, kind):
                # A vendor may show a recording only after its end.
                with suppress(rec.NotFound, rec.Unavailable):
                    if read is rec.Operation.ACTIVE:
                        found: Any = other.active(target)
                    else:
                        found = other.get(session.id, target=target) if session.id else None
                    if found is not None:
                        return rec.RecordingStatus(found.status)
        return None

    def test_a_running_recording_is_deleted_or_delete_raises(self) -> None:
        for target in self.find_live_targets(rec.Operation.DELETE):
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            if session.id is None or not self.is_listable(target.kind):
                continue
            try:
                self.provider.delete(session.id, target=target)
            except rec.ProviderError:
                continue
            if self._is_stored(session.id):  # it may be deleted when it ends
                with suppress(rec.ProviderError):
                    self.end(self.vendor, session)
                self.vendor.advance(self.processing_timeout)
            with state_requirement(f"{target.kind} delete of what runs: it deletes, or raises"):
                assert not self._is_stored(session.id), (
                    f"delete returned, and Emulator.list_ids has {session.id} also after its end"
                )

    def _is_stored(self, id: str) -> bool:
        return id.casefold() in {each.casefold() for each in self.vendor.list_ids()}
