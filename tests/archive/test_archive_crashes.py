"""Crashes: processes that are killed, disks that fail or are full, and several machines at once.

After each, a record names only what is there, nothing was overwritten, and the next run completes
the archive.
"""

from __future__ import annotations

import ctypes
import errno
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import recording_core as rec
from recording_core.download import atomic_file

IS_SOAK = settings().max_examples > 100
#: `make test` runs a tenth of each loop, `make test-all` the whole, and `make soak` five of them.
KILLS = [10, pytest.param(500 if IS_SOAK else 100, marks=pytest.mark.long)]
ROUNDS = [2, pytest.param(100 if IS_SOAK else 20, marks=pytest.mark.long)]
#: every n-th operation fails in turn
STEPS = [10, pytest.param(1, marks=pytest.mark.long)]
OLD = timedelta(days=2, minutes=5)

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.timeout(3600 if IS_SOAK else 600),
]


def check_completion(vendor: Any, stored: Any, root: Path, before: dict[str, str]) -> None:
    """Check that the next run completes an archive, and that what no record needs is removable."""
    archive = rec.Archive(root)
    run = archive.copy([vendor.connect()])
    assert run.complete, run
    assert run.copied + run.already_there == len(vendor.recordings)
    stored.check_nothing_was_overwritten(before, root)
    assert set(stored.check_records(root)) == set(vendor.recordings)
    vendor.count_fetched()
    assert archive.copy([vendor.connect()]).already_there == len(vendor.recordings)
    assert vendor.count_fetched() == 0
    stored.make_older(root, OLD)
    assert archive.verify(clean=True).ok
    after = archive.verify()
    assert (after.ok, after.garbage) == (True, 0)
    assert all(map(len, stored.check_records(root).values()))
    assert not [path for path in root.rglob("*") if path.name.startswith((".", "probe-"))]


# -- killed processes -----------------------------------------------------------------------------


@pytest.mark.parametrize("kills", KILLS)
def test_killed_processes_leave_a_valid_archive(
    vendor: Any, stored: Any, fork: Any, tmp_path: Path, kills: int
) -> None:
    seed = time.time_ns() if IS_SOAK else kills
    generator = random.Random(seed)
    root, before = tmp_path / "archive", dict[str, str]()
    archive, killed, longest = rec.Archive(root), 0, 0.2
    while killed < kills:
        for _ in range(8):
            vendor.add(f"r{len(vendor.recordings)}", "a", "b", size=generator.choice((500, 90_000)))
        moment = generator.uniform(0.0, longest)
        if fork(lambda: archive.copy([vendor.connect()], workers=4).copied).kill_after(moment):
            killed += 1
        else:
            longest *= 0.9
        stored.check_records(root)
        before = stored.check_nothing_was_overwritten(before, root)
    check_completion(vendor, stored, root, before)


class FaultyDisk:
    """Stands in for `os` in the module that writes files, and counts its operations.

    The operation of a number fails, or all from it on, or the process dies at it.
    """

    OPERATIONS = ("open", "write", "fsync", "replace", "close", "ftruncate", "unlink")
    #: of these faults, every one is tried also by `make test`
    WRITES = ("a short write", "a kill in a write")

    def __init__(self, at: int, fault: str) -> None:
        self.at, self.fault, self.count = at, fault, 0
        self.operations = ("write",) if fault in self.WRITES else self.OPERATIONS

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self.operations:
            return real

        def run(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            is_broken = self.fault == "a full disk" and name in ("open", "write", "fsync")
            if self.count != self.at and not (is_broken and self.count > self.at):
                return real(*arguments, **more)
            if self.fault in self.WRITES:
                written = real(arguments[0], bytes(arguments[1])[:100])
                if self.fault == "a short write":
                    return written
            if self.fault.startswith("a kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            if name == "close":  # as Linux does: an error, and the descriptor is closed
                real(*arguments)
            number = errno.EIO if self.fault == "EIO" else errno.ENOSPC
            raise OSError(number, os.strerror(number))

        return run


def copy_with_fault(vendor: Any, root: Path, at: int, fault: str) -> int:
    """Copy on a disk that fails at an operation, and return how many operations there were."""
    disk = FaultyDisk(at, fault)
    vars(atomic_file)["os"] = disk
    try:
        with suppress(rec.RecordingError):
            rec.Archive(root).copy([vendor.connect()], workers=1)
    finally:
        vars(atomic_file)["os"] = os
    return disk.count


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", ["a kill", "EIO", "ENOSPC", "a full disk", *FaultyDisk.WRITES])
def test_each_operation_of_a_disk_may_fail(
    vendor: Any, stored: Any, fork: Any, tmp_path: Path, fault: str, step: int
) -> None:
    """D6."""
    vendor.add("first")
    earlier = tmp_path / "earlier"
    assert rec.Archive(earlier).copy([vendor.connect()]).copied == 1
    vendor.add("r", "a", "b")
    vendor.add("s")
    step = 1 if fault in FaultyDisk.WRITES else step
    at = random.Random(fault).randint(1, step)
    while True:
        root = tmp_path / f"archive-{at}"
        shutil.copytree(earlier, root)
        before = stored.read(root)
        if fault.startswith("a kill"):
            child = fork(lambda root=root, at=at: copy_with_fault(vendor, root, at, fault))
            if not child.kill_after(None):
                break
        elif copy_with_fault(vendor, root, at, fault) < at:
            break
        stored.check_records(root)
        before = stored.check_nothing_was_overwritten(before, root)
        check_completion(vendor, stored, root, before)
        at += step
    assert at > (5 if fault in FaultyDisk.WRITES else 40)


# -- a full file system ---------------------------------------------------------------------------


def mount_small_file_system(folder: Path, size: str) -> None:
    """Mount a file system in memory that only this process sees. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, new_user, private = 0x20000, 0x10000000, 1 << 18 | 1 << 14
    user, is_root = os.getuid(), os.getuid() == 0

    def call(name: str, *arguments: Any) -> None:
        if getattr(libc, name)(*arguments):
            raise OSError(ctypes.get_errno(), f"{name} is not permitted here")

    call("unshare", new_namespace if is_root else new_namespace | new_user)
    if not is_root:
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    call("mount", b"none", b"/", None, private, None)
    call("mount", b"none", bytes(folder), b"tmpfs", 0, f"size={size}".encode())


def fill_and_free(vendor: Any, stored: Any, folder: Path) -> list[Any]:
    try:
        mount_small_file_system(folder, "200k")
    except OSError as error:
        return [str(error)]
    root = folder / "archive"
    with suppress(rec.StorageError):
        run = rec.Archive(root).copy([vendor.connect()])
        assert any(isinstance(each.error, rec.StorageError) for each in run.failed)
    copied = len(stored.check_records(root))
    before = stored.read(root)
    with suppress(rec.StorageError):
        rec.Archive(root).copy([vendor.connect()])
    stored.check_records(root)
    before = stored.check_nothing_was_overwritten(before, root)
    ctypes.CDLL(None).mount(b"none", bytes(folder), b"tmpfs", 32, b"size=4m")  # 32: another size
    check_completion(vendor, stored, root, before)
    return [copied]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs of Linux")
def test_full_file_system_holds_whole_copies_only(
    vendor: Any, stored: Any, fork: Any, tmp_path: Path
) -> None:
    for number in range(12):
        vendor.add(f"r{number}", "a", "b", size=20_000)
    (copied,) = fork(lambda: fill_and_free(vendor, stored, tmp_path)).join()
    if isinstance(copied, str):
        pytest.skip(copied)
    assert 0 < copied < 12


# -- several machines at once ---------------------------------------------------------------------


class Barrier:
    """Starts forked processes at the same moment."""

    def __init__(self) -> None:
        self._waiting, self._opening = os.pipe()

    def wait(self) -> None:
        os.close(self._opening)
        os.read(self._waiting, 1)

    def open(self) -> None:
        os.close(self._opening)
        os.close(self._waiting)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("machines", [2, 8])
def test_several_machines_copy_to_one_archive(
    vendor: Any, stored: Any, fork: Any, tmp_path: Path, machines: int, rounds: int
) -> None:
    """D8. Another one removes garbage at the same time."""
    root, before = tmp_path / "archive", dict[str, str]()
    for number in range(rounds):
        for _ in range(6):
            vendor.add(f"r{len(vendor.recordings)}", "a", "b")
        barrier = Barrier()

        def copy(barrier: Barrier = barrier) -> list[Any]:
            provider = vendor.connect()
            barrier.wait()
            run = rec.Archive(root).copy([provider], workers=4)
            return [run.copied + run.already_there, [str(each) for each in run.failed]]

        def clean(barrier: Barrier = barrier) -> list[str]:
            barrier.wait()
            rec.Archive(root).verify(clean=True)
            return []

        children = [fork(copy) for _ in range(machines)]
        cleaner = fork(clean) if number else None
        barrier.open()
        listed = vendor.recordings if number == 0 else None
        for child in children:
            count, failed = child.join()
            assert not failed
            assert listed is None or count == len(listed)
        if cleaner is not None:
            cleaner.join()
        found = stored.check_records(root)
        assert set(found) == set(vendor.recordings)
        stored.make_older(root, OLD)
    before = stored.read(root)
    check_completion(vendor, stored, root, before)
    assert {len(records) for records in stored.check_records(root).values()} == {1}
