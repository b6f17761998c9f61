"""Model: a vendor, an archive and a clock change in random order, and the archive is compared."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import recording_core as rec
from recording_core.archiving.index import Index
from recording_core.archiving.record import compute_state, decode_record
from recording_core.download import atomic_file
from recording_core.testing import ManualClock, Reply

IS_SOAK = settings().max_examples > 100
pytestmark = pytest.mark.timeout(7200 if IS_SOAK else 600)

HOUR = timedelta(hours=1)
#: what a media host may send in place of a file
MEDIA_FAULTS: Mapping[str, Reply] = {
    "an error page": Reply(200, b"<html>expired</html>", {"Content-Type": "text/html"}),
    "HTTP 404": Reply(404),
    "HTTP 500": Reply(500),
    "an empty file": Reply(200, b""),
    "a cut file": Reply(200, b"RIFF" + bytes(400), cut_after=100),
    "a broken connection": Reply(abort=True),
}


class FailingOs:
    """Stands in for `os` in the module that writes files; one operation fails."""

    def __init__(self, at: int, error: int) -> None:
        self.left, self.error = at, error

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in ("open", "write", "fsync", "replace"):
            return real

        def run(*arguments: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise OSError(self.error, os.strerror(self.error))
            return None if name == "fsync" else real(*arguments, **more)

        return run


class ArchiveMachine(RuleBasedStateMachine):
    """One account of a vendor, which two machines archive; the clock of one is ahead or behind."""

    vendor_class: ClassVar[Any]
    stored: ClassVar[Any]

    @initialize(skew=st.integers(-30, 30))
    def open(self, skew: int) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.root = self.folder / "archive"
        self.archive = rec.Archive(self.root)
        self.vendor = self.vendor_class()
        self.other_clock = ManualClock(self.vendor.clock.now() + skew * HOUR)
        self.providers = [self.vendor.connect(), self.vendor.connect(clock=self.other_clock)]
        #: the recordings that the next complete run must copy, and those that it did
        self.due: set[str] = set()
        self.looks: dict[str, str] = {}
        self.count, self.is_listed = 0, False
        vars(atomic_file)["os"] = FailingOs(0, 0)  # no syncs: faster
        self.add(3, 2, 5, "available")

    def teardown(self) -> None:
        if not hasattr(self, "vendor"):
            return
        try:
            self._check_that_nothing_is_lost()
        finally:
            vars(atomic_file)["os"] = os
            self.vendor.close()
            shutil.rmtree(self.folder)

    def _check_that_nothing_is_lost(self) -> None:
        """Check that an outage of days loses nothing, also what could not be copied before it."""
        for machine in (0, 1):
            self._add(1, 0, "available")
            self.copy(machine)
            self.pass_time(50)
        self.repair_media()
        self.copy(0)
        assert not self.due, f"{sorted(self.due)} are not archived"

    # -- the vendor ------------------------------------------------------------------------------

    @rule(
        count=st.integers(1, 4),
        files=st.integers(1, 3),
        age=st.integers(0, 20),
        status=st.sampled_from(["available", "available", "available", "processing", "empty"]),
    )
    def add(self, count: int, files: int, age: int, status: str) -> None:
        for _ in range(count):
            self._add(files, age, status)

    def _add(self, files: int, age: int, status: str) -> None:
        self.count += 1
        # A vendor lists late, but only until it was listed once completely.
        scale = 1 if self.is_listed else 12
        self._change(f"r{self.count}", files, status, age * scale * HOUR)

    @precondition(lambda self: self.vendor.recordings)
    @rule(data=st.data(), files=st.integers(1, 3), duration=st.integers(0, 1))
    def change(self, data: st.DataObject, files: int, duration: int) -> None:
        """A late track, fewer files, another duration, or the end of the processing."""
        recording = self._draw(data)
        facts = {"duration": timedelta(seconds=duration)} if duration else {}
        self._change(recording.id, files, "available", **facts)

    def _change(
        self, id: str, files: int, status: str, age: timedelta = HOUR, **facts: Any
    ) -> None:
        new = self.vendor.add(id, *"abc"[:files], age=age, status=status, **facts)
        # An older one is listed only if it was not copied before.
        is_young = self.vendor.clock.now() - new.created_at < timedelta(hours=24)
        if status == "available" and (is_young or not self.is_listed or id in self.due):
            self.due.add(id)

    @precondition(lambda self: self.vendor.recordings)
    @rule(data=st.data())
    def delete_at_vendor(self, data: st.DataObject) -> None:
        id = self._draw(data).id
        del self.vendor.recordings[id]
        self.due.discard(id)

    @rule(fault=st.sampled_from(sorted(MEDIA_FAULTS)), part=st.integers(1, 3))
    def break_media(self, fault: str, part: int) -> None:
        for path in sorted(self.vendor.media)[::part]:
            self.vendor.media[path] = MEDIA_FAULTS[fault]

    @rule()
    def repair_media(self) -> None:
        for path, media in self.vendor.media.items():
            if isinstance(media, Reply):
                self.vendor.media[path] = self.vendor.build_media(path)

    @rule(hours=st.integers(1, 80))
    def pass_time(self, hours: int) -> None:
        self.vendor.clock.advance(hours * HOUR)
        self.other_clock.advance(hours * HOUR)
        if self.root.exists():
            self.stored.make_older(self.root, hours * HOUR)
        self.looks = self.stored.read(self.root)

    # -- the archive -----------------------------------------------------------------------------

    @rule(machine=st.integers(0, 1))
    def copy(self, machine: int) -> None:
        run = self.archive.copy([self.providers[machine]], workers=2)
        self.is_listed = True
        assert all(each.coverage.complete for each in run.coverage)
        failed = {each.recording_id for each in run.failed}
        for id in sorted(self.due):
            recording = self.vendor.recordings[id]
            broken = [each for each in recording.files if self._is_broken(each)]
            if broken:
                continue
            assert id not in failed, run.failed
            assert compute_state(recording) in self._read_states(id), f"{id} is not archived"
            self.due.discard(id)

    @rule(machine=st.integers(0, 1))
    def copy_everything(self, machine: int) -> None:
        """With `since`, also what changed after its day."""
        long_ago = self.vendor.clock.now() - timedelta(days=3650)
        self.archive.copy([self.providers[machine]], since=long_ago)
        self.is_listed = True
        for id, recording in self.vendor.recordings.items():
            is_ready = recording.status is rec.RecordingStatus.AVAILABLE
            if is_ready and not any(map(self._is_broken, recording.files)):
                assert compute_state(recording) in self._read_states(id), f"{id} is not archived"
                self.due.discard(id)

    @rule(
        machine=st.integers(0, 1),
        at=st.integers(1, 40),
        error=st.sampled_from([errno.EIO, errno.ENOSPC]),
    )
    def copy_to_a_failing_disk(self, machine: int, at: int, error: int) -> None:
        vars(atomic_file)["os"] = FailingOs(at, error)
        with suppress(rec.StorageError):
            self.archive.copy([self.providers[machine]], workers=1)
            self.is_listed = True
        vars(atomic_file)["os"] = FailingOs(0, 0)

    @rule(machine=st.integers(0, 1), at=st.integers(1, 6))
    def interrupt(self, machine: int, at: int) -> None:
        seen: list[Any] = []

        def count(progress: Any) -> None:
            seen.append(progress)
            if len(seen) == at:
                raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            self.archive.copy([self.providers[machine]], on_progress=count, workers=2)
            self.is_listed = True

    @rule(
        machine=st.integers(0, 1), days=st.integers(0, 8), side=st.sampled_from(["since", "until"])
    )
    def copy_a_part(self, machine: int, days: int, side: str) -> None:
        last = Index(self.archive.folder).read().find_last_run("madeup", "default", (0, 1))
        if side == "since" and last is None:
            return  # the archive would begin there
        moment = self.vendor.clock.now() - timedelta(days=days)
        self.archive.copy([self.providers[machine]], **{side: moment})

    def compact(self) -> None:
        self.archive.compact()
        self.looks = self.stored.read(self.root)

    def rebuild_index(self) -> None:
        self.archive.rebuild_index()

    def remove_index(self) -> None:
        for part in self.root.glob("index/*"):
            part.unlink()
        self.looks = self.stored.read(self.root)

    def cut_newest_part(self) -> None:
        for part in sorted(self.root.glob("index/*"))[-1:]:
            part.write_bytes(part.read_bytes()[:-9])
        self.looks = self.stored.read(self.root)

    @rule(action=st.sampled_from(["compact", "rebuild_index", "remove_index", "cut_newest_part"]))
    def maintain(self, action: str) -> None:
        getattr(self, action)()
        self.clean()

    def clean(self) -> None:
        """Each recording keeps its best copy, and no record loses an object."""
        before = {id: self.archive.get("madeup", "default", id) for id in self._list_ids()}
        result = self.archive.verify(clean=True)
        assert result.ok, result
        self.looks = self.stored.read(self.root)
        for id, archived in before.items():
            assert self.archive.get("madeup", "default", id) == archived

    # -- invariants ------------------------------------------------------------------------------

    @invariant()
    def check_archive(self) -> None:
        if hasattr(self, "vendor"):
            self.due = {
                id
                for id in self.due
                if compute_state(self.vendor.recordings[id]) not in self._read_states(id)
            }
            self.stored.check_records(self.root)
            self.looks = self.stored.check_nothing_was_overwritten(self.looks, self.root)

    # -- helpers ---------------------------------------------------------------------------------

    def _draw(self, data: st.DataObject) -> rec.Recording:
        recordings: dict[str, rec.Recording] = self.vendor.recordings
        return recordings[data.draw(st.sampled_from(sorted(recordings)))]

    def _is_broken(self, file: rec.MediaFile) -> bool:
        path = str(file.url).partition("?")[0].split("/", 3)[3]
        return isinstance(self.vendor.media[f"/{path}"], Reply)

    def _list_ids(self) -> set[str]:
        return set(self.stored.check_records(self.root))

    def _read_states(self, id: str) -> set[str]:
        paths = self.root.glob(f"madeup/default/*/{id}/record-*.json")
        return {decode_record(path.read_bytes()).state for path in paths}


@pytest.mark.parametrize(
    "examples", [8, pytest.param(350 if IS_SOAK else 100, marks=pytest.mark.long)]
)
def test_archive_agrees_with_the_model(vendor: Any, stored: Any, examples: int) -> None:
    machine = type("Machine", (ArchiveMachine,), {"vendor_class": type(vendor), "stored": stored})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=50 if IS_SOAK else 25,
            deadline=None,
            derandomize=not IS_SOAK,
            suppress_health_check=list(HealthCheck),
        ),
    )
