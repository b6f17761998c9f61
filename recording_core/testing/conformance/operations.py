"""Requirements for operations: each one, for each kind, changes or shows the vendor's own state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

import recording_core as rec
from recording_core.model.enums import FINAL, LIVE
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    find_listing_time,
    state_requirement,
)
from recording_core.testing.conformance.world import PLANS, record
from recording_core.testing.emulator.server import Request

#: The fields that `get` and `list` return alike, if both report them.
_EQUAL_FIELDS = ("id", "kind", "status", "started_at", "ended_at", "created_at", "duration", "size")
#: How many of the recordings of a kind are looked at.
_MOST_ROWS = 25


class OperationRequirements(ConformanceBase):
    """Requirements for each operation and kind, by what `ProviderInfo` declares."""

    # Parametrized over all operations and kinds in `ProviderConformance.pytest_generate_tests`.
    def test_an_operation_does_what_is_declared(
        self, operation: rec.Operation, kind: rec.SessionKind, tmp_path: Path
    ) -> None:
        if not self.provider.can(operation, kind):
            verbs = self._build_verbs_of_nothing(kind, tmp_path)
            with (
                self.forbid_requests(
                    f"{kind} {operation} is not declared and raises UnsupportedOperation"
                ),
                pytest.raises(rec.UnsupportedOperation),
            ):
                verbs[operation]()
            return
        checks: Mapping[rec.Operation, Callable[[rec.SessionKind], None]] = {
            rec.Operation.START: self._prove_start,
            rec.Operation.PAUSE: partial(self._prove_toggles, last=rec.Operation.PAUSE),
            rec.Operation.RESUME: partial(self._prove_toggles, last=rec.Operation.RESUME),
            rec.Operation.STOP: self._prove_stop,
            rec.Operation.ACTIVE: self._prove_active,
            rec.Operation.LIST: self._prove_list,
            rec.Operation.GET: self._prove_get,
            rec.Operation.DOWNLOAD: partial(self._prove_download, directory=tmp_path),
            rec.Operation.DELETE: self._prove_delete,
        }
        with state_requirement(f"{kind} {operation}: declared, so it works for a {kind}"):
            checks[operation](kind)

    # -- of a live recording ---------------------------------------------------------------------

    def _prove_start(self, kind: rec.SessionKind) -> None:
        target, before = self.find_session(kind), set(self.vendor.list_ids())
        with self.require_request(write=True):
            session = self.begin(self.provider, target)
        assert isinstance(session, rec.RecordingSession), f"start returned {session!r}"
        check_equal(
            "(provider, account, target) of the session",
            (session.provider, session.account, session.target),
            (self.provider.name, self.provider.account, target),
        )
        assert session.status in LIVE, f"status is {session.status} after start"
        check_equal("stopped_at after start", session.stopped_at, None)
        if self.provider.can(rec.Operation.ACTIVE, kind):
            found = self.provider.active(target)
            assert found is not None, "active returned None after start"
        self.vendor.advance(self.warm_up)
        self.end(self.vendor, session)
        self.vendor.advance(self.processing_timeout)
        if self.is_listable(kind):
            new = set(self.vendor.list_ids()) - before
            assert new, "Emulator.list_ids has no new recording after start, and its end"
            assert session.id is None or session.id.casefold() in {id.casefold() for id in new}, (
                f"the id of the session is {session.id}. Expected: that of the new recording at "
                f"the vendor, one of {new}"
            )

    def _prove_toggles(self, kind: rec.SessionKind, last: rec.Operation) -> None:
        """Pause, and resume if that is checked; what was sent differs, and the vendor shows it."""
        session = self.begin(self.provider, self.find_session(kind))
        self.vendor.advance(self.warm_up)
        requests: dict[str, Request] = {}
        toggles: list[tuple[rec.Operation, rec.RecordingStatus]] = []
        if self.provider.can(rec.Operation.PAUSE, kind):
            toggles.append((rec.Operation.PAUSE, rec.RecordingStatus.PAUSED))
        if self.provider.can(rec.Operation.RESUME, kind):
            toggles.append((rec.Operation.RESUME, rec.RecordingStatus.RECORDING))
        verbs = self.build_verbs(self.provider)
        for operation, status in toggles:
            with self.require_request(write=True) as sent:
                session = verbs[operation](session)
            requests[operation] = sent[-1]
            check_equal(f"status after {operation}", session.status, status)
            ended = [pause.end is not None for pause in session.pauses]
            if rec.Operation.PAUSE in requests:
                check_equal(
                    f"whether each pause has ended, after {operation}",
                    ended,
                    [operation is rec.Operation.RESUME],
                )
            self._check_shown(session, {status}, operation)
            if operation is last:
                break
            self.vendor.advance(self.warm_up)
        if self.provider.can(rec.Operation.STOP, kind):
            with self.require_request(write=True) as sent:
                self.provider.stop(session)
            requests[rec.Operation.STOP] = sent[-1]
        _check_different(requests)

    def _prove_stop(self, kind: rec.SessionKind) -> None:
        target = self.find_session(kind)
        session = self.begin(self.provider, target)
        self.vendor.advance(self.warm_up)
        with self.require_request(write=True):
            stopped = self.provider.stop(session)
        assert stopped.status not in LIVE, f"status is {stopped.status} after stop"
        assert stopped.stopped_at is not None, "stopped_at is None after stop"
        self.vendor.advance(self.processing_timeout)
        with self.vendor.connect() as other:
            if other.can(rec.Operation.ACTIVE, kind):
                check_equal("active after stop", other.active(target), None)
            if other.can(rec.Operation.GET, kind):
                after = other.wait(session, timeout=self.warm_up)
                assert after.status in FINAL, (
                    f"another connection reads {after.status} {self.processing_timeout} after the "
                    "stop. Expected: a final status"
                )
        # What still records is in the way of a second recording, or longer than it ran.
        second = self.begin(self.provider, self.find_session(kind))
        assert second.id is None or second.id != session.id, (
            f"a second recording has the id of the first, {session.id}, which was stopped"
        )

    def _prove_active(self, kind: rec.SessionKind) -> None:
        ids = []
        for _ in range(2):
            target = self.find_session(kind)
            # A 404 with the vendor's code for it is an answer, too.
            with self.vendor.log_requests() as sent:
                check_equal("active before a start", self.provider.active(target), None)
            assert sent, "active sent no request"
            with self.vendor.connect() as other:
                started = self.begin(other, target)
            self.vendor.advance(self.warm_up)
            found = self.provider.active(target)
            assert found is not None, f"active returned None while {started!r} records"
            check_equal("the target of active", found.target, target)
            if started.id is not None:
                check_equal("the id of active", found.id, started.id)
            assert found.status in LIVE, f"status is {found.status} while it records"
            ids.append(found.id)
            with self.vendor.connect() as other:
                self.vendor.finish_session(other, started)
            self.vendor.advance(self.processing_timeout)
            check_equal("active after the end", self.provider.active(target), None)
        assert None in ids or ids[0] != ids[1], f"active of two recordings returned one id: {ids}"

    def _check_shown(
        self, session: rec.RecordingSession, statuses: Iterable[rec.RecordingStatus], verb: str
    ) -> None:
        """Require that another connection sees the new status, by each read that shows it."""
        kind, id = session.target.kind, session.id
        with self.vendor.connect() as other:
            shown = {}
            if other.can(rec.Operation.ACTIVE, kind):
                found = other.active(session.target)
                assert found is not None, f"active of another connection is None after {verb}"
                shown["active"] = found.status
            if other.can(rec.Operation.GET, kind) and id is not None and other.get_shows_pauses:
                with suppress(rec.NotFound):  # a vendor may show a recording only after its end
                    shown["get"] = other.get(id, target=session.target).status
        for read, status in shown.items():
            expected = set(statuses) if other.get_shows_pauses else LIVE
            assert status in expected, (
                f"{read} of another connection returns {status} after {verb}. Expected: "
                f"{' or '.join(sorted(expected))}"
            )

    # -- of recordings ---------------------------------------------------------------------------

    def _prove_list(self, kind: rec.SessionKind) -> None:
        with self.require_request():
            rows = self._find_rows(kind)
        missing = {each.id for each in rows} - set(self.vendor.list_ids())
        assert not missing or not self.is_listable(kind), (
            f"list returns {missing}. Expected: only what the vendor has, by Emulator.list_ids"
        )
        if not self.is_recorded_live(kind):
            return
        target, now = self.find_session(kind), self.vendor.clock.now()
        take = record(self, target, PLANS[0])
        self.vendor.advance(self.processing_timeout)
        found = list(self.provider.list(since=now - PLANS[0].before, target=target))
        others = [each for each in found if each.target != target]
        assert not others, f"list(target={target}) returns {others}. Expected: only that target's"
        assert found, f"list(target={target}) is empty. Expected: {take.id}, which just ended"
        assert take.id is None or take.id in {each.id for each in found}, (
            f"list(target={target}) returns {found}. Expected: also {take.id}"
        )

    def _prove_get(self, kind: rec.SessionKind) -> None:
        rows = self._find_rows(kind)
        for row in {each.status: each for each in rows}.values():
            with self.require_request():
                got = self.provider.get(row)
            _check_agreement(got, row)
        if not self.is_recorded_live(kind):
            return
        target = self.find_session(kind)
        session = self.record_once(target)
        for recording in session.recordings:
            check_equal(f"the target of {recording.id}", recording.target, target)
            got = self.provider.get(recording.id, target=target)
            check_equal(f"the target of {recording.id} by get", got.target, target)
            listed = self._list_like(got, kind)
            assert listed, f"list does not return {got!r}, which get returns"
            _check_agreement(got, listed[0])

    def _prove_download(self, kind: rec.SessionKind, directory: Path) -> None:
        rows = [e for e in self._find_rows(kind) if e.status is rec.RecordingStatus.AVAILABLE]
        if self.provider.can(rec.Operation.GET, kind) and not any(each.files for each in rows):
            rows = [self.provider.get(each) for each in rows[:2]]
        recordings = [each for each in rows if each.files]
        assert recordings, (
            f"the emulator lists no available recording of a {kind} with files: add one to populate"
        )
        for recording in recordings[:2]:
            with self.require_request():
                copies = self.provider.download(recording, directory / recording.id)
            check_equal(
                f"the files of {recording.id} that were stored",
                [each.file.id for each in copies],
                [each.id for each in recording.files],
            )
            for each in copies:
                assert each.path.stat().st_size > 0, f"{each!r} is empty"

    def _prove_delete(self, kind: rec.SessionKind) -> None:
        rows = [each for each in self._find_rows(kind) if each.status in FINAL]
        assert rows, f"the emulator lists no finished recording of a {kind}: add one to populate"
        recording = rows[len(rows) // 2]
        before = set(self.vendor.list_ids())
        with self.require_request(write=True):
            self.provider.delete(recording)
        gone = before - set(self.vendor.list_ids())
        assert gone == {recording.id} & before, (
            f"after delete of {recording.id}, Emulator.list_ids lacks {gone or 'nothing'}"
        )
        left = self._list_like(recording, kind)
        if self.provider.can(rec.Operation.GET, kind):
            with suppress(rec.NotFound):
                left.append(self.provider.get(recording))
        assert all(each.status is rec.RecordingStatus.DELETED for each in left), (
            f"list or get still returns {left!r}. Expected: nothing, or the status deleted"
        )
        with pytest.raises(rec.NotFound):
            self.provider.delete(recording)

    def _list_like(self, recording: rec.Recording, kind: rec.SessionKind) -> list[rec.Recording]:
        """List a recording by its id, and by its time if it has one."""
        at, margin, filters = find_listing_time(recording), timedelta(days=1), {}
        if at is not None:
            filters = {"since": at - margin, "until": at + margin}
        listed = self.list_of_kind(kind, recording.target, **filters)
        return [each for each in listed if each.id == recording.id]

    def _find_rows(self, kind: rec.SessionKind) -> list[rec.Recording]:
        rows = self.list_of_kind(kind, most=_MOST_ROWS)
        if not rows and self.is_recorded_live(kind):
            target = self.find_session(kind)
            record(self, target, PLANS[0])
            self.vendor.advance(self.processing_timeout)
            rows = self.list_of_kind(kind, target, most=_MOST_ROWS)
        assert rows, f"the emulator lists no recording of a {kind}: add one to populate"
        return rows

    def _build_verbs_of_nothing(
        self, kind: rec.SessionKind, directory: Path
    ) -> dict[rec.Operation, Callable[[], object]]:
        """Return a call of each operation with an id that does not exist."""
        provider, target = self.provider, rec.CommunicationSession(kind, "some-id")
        session = rec.RecordingSession(provider.name, provider.account, "some-id", target)
        return {
            rec.Operation.START: lambda: provider.start(target),
            rec.Operation.PAUSE: lambda: provider.pause(session),
            rec.Operation.RESUME: lambda: provider.resume(session),
            rec.Operation.STOP: lambda: provider.stop(session),
            rec.Operation.ACTIVE: lambda: provider.active(target),
            rec.Operation.LIST: lambda: list(provider.list(target=target)),
            rec.Operation.GET: lambda: provider.get("some-id", target=target),
            rec.Operation.DOWNLOAD: lambda: provider.download("some-id", directory, target=target),
            rec.Operation.DELETE: lambda: provider.delete("some-id", target=target),
        }


def _check_different(requests: Mapping[str, Request]) -> None:
    """Require that no two operations send the same request."""
    sent: dict[object, str] = {}
    for operation, request in requests.items():
        key = (request.method, request.path, request.query, request.body)
        other = sent.setdefault(key, operation)
        assert other == operation, (
            f"{other} and {operation} send the same request, {request.method} {request.path}. "
            "Expected: two requests, as they have opposite effects"
        )


def _check_agreement(got: rec.Recording, listed: rec.Recording) -> None:
    """Check that fields which both `get` and `list` report are equal.

    A vendor may round the times and durations of one of them to whole seconds.
    """
    for name in _EQUAL_FIELDS:
        one, other = getattr(got, name), getattr(listed, name)
        is_equal = one == other
        if isinstance(one, datetime | timedelta) and other is not None:
            is_equal = abs(one - other) < timedelta(seconds=1)
        assert one is None or other is None or is_equal, (
            f"{name} differs: get returns {one!r}, list returns {other!r}"
        )
    ours, theirs = ([file.id for file in each.files] for each in (got, listed))
    assert ours == theirs, f"the file ids differ: get returns {ours}, list returns {theirs}"
