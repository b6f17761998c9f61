"""Atomic file: write to a temporary file, sync it and rename it."""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from attrs import define

from recording_core.errors import StorageError

if sys.platform != "win32":
    import fcntl

#: The age in seconds at which a temporary file without a lock is abandoned. The writer of a younger
#: one may be about to lock it.
_ABANDONED_AFTER = 60.0
#: folder -> when it was listed, and the temporary files in it
_LISTED: dict[Path, tuple[float, list[str]]] = {}
#: The number of folders in `_LISTED`.
_MAX_FOLDERS = 1000
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_PART = re.compile(r"[0-9a-f]{16}\.part", re.ASCII)


@define
class TemporaryFile:
    """A file in the folder of its destination, locked while its writer lives."""

    path: Path
    destination: Path
    descriptor: int
    committed: bool = False

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with _convert_errors("write to", self.path.parent):
            while view:
                view = view[os.write(self.descriptor, view) :]

    @contextmanager
    def open_for_reading(self) -> Iterator[BinaryIO]:
        """Open what was written so far."""
        with _convert_errors("read a file in", self.path.parent), self.path.open("rb") as file:
            yield file

    def rewind(self) -> None:
        """Discard what was written."""
        with _convert_errors("rewrite a file in", self.path.parent):
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)

    def commit(self) -> None:
        """Sync the bytes, rename the file to its destination, and sync the folder."""
        folder = self.path.parent
        with _convert_errors("finish a file in", folder):
            os.fsync(self.descriptor)
            os.replace(self.path, self.destination)
            self.committed = True
        if os.name != "posix":
            return
        consequence = "The file is complete, but a power failure may lose it"
        with _convert_errors("sync", folder, consequence):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def open_temporary_file(destination: Path) -> Iterator[TemporaryFile]:
    """Create a temporary file for a destination, and remove it unless it was committed.

    Also removes temporary files of the same destination whose writers died.
    """
    folder = destination.parent
    with _convert_errors("create a file in", folder):
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned_files(destination)
        path = folder / f".{destination.name}.{secrets.token_hex(8)}.part"
        descriptor = os.open(path, _CREATE, 0o600)
    out = TemporaryFile(path, destination, descriptor)
    try:
        with suppress(OSError):  # a file system without locks: no process can lock and remove it
            lock_file(descriptor)
        yield out
    finally:
        # Errors are ignored, since the bytes were either synced before or are not needed.
        with suppress(OSError):
            os.close(descriptor)
        if not out.committed:
            with suppress(OSError):
                path.unlink()


def lock_file(descriptor: int) -> None:
    """Lock a file until its process ends. Raises `OSError` if it is locked or cannot be."""
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, "Windows has no lock that ends with its process")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_abandoned_files(destination: Path) -> None:
    if os.name != "posix":
        return
    prefix = f".{destination.name}."
    for name in _list_temporary_files(destination.parent):
        if not name.startswith(prefix) or not _PART.fullmatch(name, len(prefix)):
            continue
        path = destination.parent / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # its writer has just finished
        try:
            if os.fstat(descriptor).st_mtime <= time.time() - _ABANDONED_AFTER:
                lock_file(descriptor)
                os.unlink(path)
        except OSError:
            pass  # its writer still holds the lock
        finally:
            os.close(descriptor)


def _list_temporary_files(folder: Path) -> Iterable[str]:
    """List the names of temporary files in a folder. The list may be one minute old.

    Listing a folder of many thousand files takes longer than fetching a file. Files that are not in
    an older list are too young to be abandoned.
    """
    # Absolute, since a relative path changes its meaning with the current directory.
    folder, now = folder.absolute(), time.monotonic()
    listed = _LISTED.get(folder)
    if listed is None or now - listed[0] >= _ABANDONED_AFTER:
        if len(_LISTED) >= _MAX_FOLDERS:
            _LISTED.clear()
        listed = now, [name for name in os.listdir(folder) if name.endswith(".part")]
        _LISTED[folder] = listed
    return listed[1]


@contextmanager
def _convert_errors(
    action: str, folder: Path, consequence: str = "Existing files are unchanged"
) -> Iterator[None]:
    """Raise `StorageError` if an action on a folder, such as "write to", raises `OSError`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StorageError(f"Cannot {action} {folder}: {reason}. {consequence}") from None
