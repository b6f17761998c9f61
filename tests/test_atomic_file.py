"""Atomic file: temporary files are locked, renamed when complete, and removed if a writer died."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from recording_core import StorageError
from recording_core.download import atomic_file
from recording_core.download.atomic_file import open_temporary_file


def write(path: Path, data: bytes = b"data", **options: Any) -> None:
    with open_temporary_file(path, **options) as out:
        out.write(data)
        out.commit()


def create_part(folder: Path, name: str = "a.wav", number: int = 0) -> Path:
    path = folder / f".{name}.{number}.part"
    path.write_bytes(b"half")
    return path


def list_names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


# -- unique names ---------------------------------------------------------------------------------


def test_unique_destination_needs_no_lock_and_looks_for_no_dead_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic_file, "lock_file", None)
    monkeypatch.setattr(atomic_file, "remove_abandoned_file", None)
    path = tmp_path / "new" / "folder" / "a.wav"
    with open_temporary_file(path, unique=True) as out:
        out.write(b"whole")
        out.commit()
    assert path.read_bytes() == b"whole"
    assert list_names(path.parent) == ["a.wav"]


def test_unique_destination_that_is_written_twice_keeps_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with open_temporary_file(path, unique=True) as first:
        with (
            pytest.raises(StorageError, match="Cannot create"),
            open_temporary_file(path, unique=True),
        ):
            pass
        first.write(b"first")
        first.commit()
    assert path.read_bytes() == b"first"


# -- new folders ----------------------------------------------------------------------------------


def test_new_folder_is_synced_in_the_one_that_contains_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(atomic_file, "_sync_folder", synced.append)
    path = tmp_path / "new" / "folder" / "a.wav"
    write(path)
    assert synced == [tmp_path, tmp_path / "new", path.parent]
    write(path)
    assert synced[3:] == [path.parent]


# -- files of dead writers ------------------------------------------------------------------------


def _write_half(path: Path, started: Any) -> None:
    with open_temporary_file(path) as out:
        out.write(b"half")
        started.set()
        threading.Event().wait()


@pytest.mark.parametrize("killed", [1, 3])
def test_files_of_killed_writers_are_removed_at_once(tmp_path: Path, killed: int) -> None:
    forking = multiprocessing.get_context("fork")
    path, processes = tmp_path / "a.wav", []
    for _ in range(killed):
        started = forking.Event()
        processes.append(forking.Process(target=_write_half, args=(path, started)))
        processes[-1].start()
        assert started.wait(20)
    with open_temporary_file(path) as out:  # while they live, nothing of theirs is touched
        assert len(list_names(tmp_path)) == killed + 1
        for each in processes:
            assert each.pid is not None
            os.kill(each.pid, signal.SIGKILL)
            each.join()
        out.write(b"data")
        out.commit()
    write(path)
    assert list_names(tmp_path) == ["a.wav"]


def test_only_files_of_dead_writers_are_removed(tmp_path: Path) -> None:
    dead, locked = create_part(tmp_path), create_part(tmp_path, number=1)
    other = create_part(tmp_path, "b.wav")
    folder = tmp_path / ".a.wav.2.part"
    folder.mkdir()
    pipe = tmp_path / ".a.wav.3.part"
    os.mkfifo(pipe)
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    link = tmp_path / ".a.wav.4.part"
    link.symlink_to(target)
    with locked.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with open_temporary_file(tmp_path / "a.wav") as out:
            assert out.path == dead
            assert out.path.read_bytes() == b""
    assert not dead.exists()
    write(tmp_path / "a.wav")
    assert not locked.exists()
    assert all(each.exists() for each in (other, folder, pipe, link, target))


def test_folder_is_not_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(os, "listdir", fail)
    monkeypatch.setattr(os, "scandir", fail)
    write(tmp_path / "a.wav")


def test_file_that_is_removed_before_it_is_locked_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process takes a file for a dead writer's in the moment between two system calls."""
    real, removed = atomic_file.lock_file, list[Path]()

    def lock_late(descriptor: int) -> None:
        if not removed:
            removed.append(tmp_path / ".a.wav.0.part")
            atomic_file.remove_abandoned_file(removed[0])
        real(descriptor)

    monkeypatch.setattr(atomic_file, "lock_file", lock_late)
    write(tmp_path / "a.wav")
    assert removed
    assert list_names(tmp_path) == ["a.wav"]


def test_file_that_its_writer_renames_meanwhile_is_not_taken_for_a_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is taken by a living writer when the lock is there at last."""
    path = create_part(tmp_path)
    real = atomic_file.lock_file

    def lock_late(descriptor: int) -> None:
        path.rename(tmp_path / "a.wav")
        path.write_bytes(b"of a living writer")
        real(descriptor)

    monkeypatch.setattr(atomic_file, "lock_file", lock_late)
    atomic_file.remove_abandoned_file(path)
    assert list_names(tmp_path) == [path.name, "a.wav"]


def test_name_that_another_writer_took_over_is_left_to_it(tmp_path: Path) -> None:
    with open_temporary_file(tmp_path / "a.wav") as out:
        out.path.unlink()
        create_part(tmp_path)
    assert list_names(tmp_path) == [".a.wav.0.part"]


def _list_open_files() -> set[str]:
    return {os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Imitate what Windows refuses: to rename or remove a file that this process has open."""

    def refuse_open_files(call: Any) -> Any:
        def check_and_call(path: Any, *others: Any, **more: Any) -> Any:
            if os.path.realpath(path) in _list_open_files():
                raise PermissionError(errno.EACCES, "used by another process", str(path))
            return call(path, *others, **more)

        return check_and_call

    for name in ("replace", "rename", "unlink", "remove"):
        monkeypatch.setattr(os, name, refuse_open_files(getattr(os, name)))
    monkeypatch.setattr(atomic_file, "HAS_LOCKS", False)
    for name in ("fchown", "fchmod", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK"):
        monkeypatch.delattr(os, name)


@pytest.mark.usefixtures("windows")
def test_system_that_renames_no_open_file_is_supported(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        write(tmp_path / "a.wav", data, private=False)
        assert (tmp_path / "a.wav").read_bytes() == data
    with open_temporary_file(tmp_path / "a.wav") as out:
        out.write(b"not committed")
    assert list_names(tmp_path) == ["a.wav"]


def test_file_that_cannot_be_renamed_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock has ended then: another writer may have the name."""

    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(StorageError, match=r"Cannot finish .* Operation not permitted"):
        write(tmp_path / "a.wav")
    assert list_names(tmp_path) == []

    def take_over(source: Path, _: Path) -> None:
        source.unlink()
        other.enter_context(open_temporary_file(tmp_path / "a.wav"))
        refuse()

    with ExitStack() as other:
        attempts = iter((refuse, take_over))
        monkeypatch.setattr(os, "replace", lambda *paths: next(attempts)(*paths))
        with pytest.raises(StorageError):
            write(tmp_path / "a.wav")
        assert list_names(tmp_path) == [".a.wav.0.part"]


def test_file_system_without_locks_keeps_all_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*args: Any) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", flock)
    old = create_part(tmp_path)
    write(tmp_path / "a.wav")
    assert list_names(tmp_path) == [old.name, "a.wav"]


def test_a_thousand_writers_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic_file, "_MAX_WRITERS", 3)
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(open_temporary_file(tmp_path / "a.wav"))
        with pytest.raises(StorageError, match=r"Cannot create .*a\.wav: Device or resource busy"):
            stack.enter_context(open_temporary_file(tmp_path / "a.wav"))
    assert list_names(tmp_path) == []


def test_child_process_removes_no_file_of_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    try:
        with open_temporary_file(path) as out:
            pid = os.fork()
            if pid == 0:
                raise InterruptedError
            os.waitpid(pid, 0)
            assert out.path.exists()
            out.write(b"data")
            out.commit()
    except InterruptedError:
        os._exit(0)  # the child, after it left the `with`
    assert list_names(tmp_path) == ["a.wav"]


def test_file_is_read_by_the_descriptor_that_holds_its_lock(tmp_path: Path) -> None:
    with open_temporary_file(tmp_path / "a.wav") as out:
        out.write(b"first ")
        hidden = out.path.rename(tmp_path / "hidden")  # as if no other may open it
        with out.open_for_reading() as file:
            assert file.read(3) == b"fir"
        hidden.rename(out.path)
        out.write(b"second")
        out.commit()
    assert (tmp_path / "a.wav").read_bytes() == b"first second"


# -- commit ---------------------------------------------------------------------------------------


class FailingFolderSync:
    """A replacement of `os` in which a folder cannot be opened or synced."""

    def __init__(self, code: int, name: str) -> None:
        self._code, self._name = code, name

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name != self._name:
            return real

        def call(target: Any, *arguments: Any) -> Any:
            is_folder = stat.S_ISDIR(os.stat(target).st_mode) if os.path.exists(target) else False
            if is_folder:
                raise OSError(self._code, os.strerror(self._code))
            return real(target, *arguments)

        return call


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("fsync", errno.EINVAL),
        ("fsync", errno.ENOTSUP),
        ("fsync", errno.EOPNOTSUPP),
        ("fsync", errno.ENOSYS),
        ("open", errno.EACCES),
    ],
)
def test_file_system_that_cannot_sync_a_folder_is_supported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.setattr(atomic_file, "os", FailingFolderSync(code, name))
    write(tmp_path / "a.wav")
    assert list_names(tmp_path) == ["a.wav"]


@pytest.mark.parametrize(("name", "code"), [("fsync", errno.EIO), ("open", errno.EMFILE)])
def test_error_of_the_disk_while_syncing_a_folder_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    monkeypatch.setattr(atomic_file, "os", FailingFolderSync(code, name))
    with pytest.raises(StorageError, match="complete, but a power failure may lose it"):
        write(tmp_path / "a.wav")
    assert list_names(tmp_path) == ["a.wav"]


def test_bytes_that_cannot_be_synced_are_an_error_on_every_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="Cannot finish"):
        write(tmp_path / "a.wav")
    assert list_names(tmp_path) == []


# -- modes ----------------------------------------------------------------------------------------


def read_mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o022, 0o077, 0o000])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_download_is_private(tmp_path: Path, umask: int) -> None:
    write(tmp_path / "a.wav")
    assert read_mode(tmp_path / "a.wav") == 0o600


@pytest.mark.parametrize("mode", [None, 0o600, 0o640, 0o644, 0o660, 0o400])
def test_file_has_the_mode_of_the_one_that_it_replaces(
    tmp_path: Path, umask: int, mode: int | None
) -> None:
    path = tmp_path / "report.html"
    if mode is not None:
        path.write_bytes(b"old")
        path.chmod(mode)
    with open_temporary_file(path, private=False) as out:
        # At no time can others read it who may not read the old one.
        assert read_mode(out.path) == (0o666 & ~umask if mode is None else mode)
        out.write(b"new")
        out.commit()
    assert read_mode(path) == (0o666 & ~umask if mode is None else mode)


@pytest.mark.skipif(os.getuid() != 0, reason="only the superuser can give a file to any group")
def test_group_that_cannot_be_kept_gets_no_access(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(b"old")
    path.chmod(0o660)
    os.chown(path, -1, 12345)

    def fail(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    write(path, private=False)
    assert (path.stat().st_gid, read_mode(path)) == (12345, 0o660)
    monkeypatch.setattr(os, "fchown", fail)
    write(path, private=False)
    assert (path.stat().st_gid, read_mode(path)) == (os.getgid(), 0o600)
