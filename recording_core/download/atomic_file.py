"""Atomic file: a temporary file, synced and renamed, so that a final name holds whole bytes."""

from __future__ import annotations

import errno
import os
import re
import secrets
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from attrs import define

from recording_core.errors import StorageError

if sys.platform != "win32":
    import fcntl

__all__ = ["TemporaryFile", "open_temporary_file"]

#: A temporary file younger than this may have a writer that is about to lock it.
_ABANDONED_AFTER = 60.0
#: A folder's temporary files and when it was listed; so many folders are remembered.
_LISTED: dict[Path, tuple[float, list[str]]] = {}
_MOST_FOLDERS = 1000
_CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)
_CREATE |= getattr(os, "O_BINARY", 0)
_PART = re.compile(r"[0-9a-f]{16}\.part", re.ASCII)


@define
class TemporaryFile:
    """A file beside its destination, held by a lock while its writer lives."""

    path: Path
    destination: Path
    descriptor: int
    facts: Mapping[str, str]
    committed: bool = False

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError as error:
            raise storage_error(error, "write to", self.path.parent, self.facts) from None

    def rewind(self) -> None:
        try:
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)
        except OSError as error:
            raise storage_error(error, "rewrite a file in", self.path.parent, self.facts) from None

    def commit(self) -> None:
        """Make the bytes durable, then visible under the final name, then the name durable."""
        folder = self.path.parent
        try:
            os.fsync(self.descriptor)
            os.replace(self.path, self.destination)
            self.committed = True
        except OSError as error:
            raise storage_error(error, "finish a file in", folder, self.facts) from None
        try:
            if os.name == "posix":
                handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise storage_error(
                error,
                "make a name durable in",
                folder,
                self.facts,
                "The file is whole and there, and a power cut may lose it",
            ) from None


@contextmanager
def open_temporary_file(destination: Path, facts: Mapping[str, str]) -> Iterator[TemporaryFile]:
    folder = destination.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned_files(destination)
        path = folder / f".{destination.name}.{secrets.token_hex(8)}.part"
        descriptor = os.open(path, _CREATE, 0o600)
    except OSError as error:
        raise storage_error(error, "create a file in", folder, facts) from None
    out = TemporaryFile(path, destination, descriptor, facts)
    try:
        try:
            lock_file(descriptor)
        except OSError:
            pass  # a file system without locks: nobody will be able to remove it, either
        yield out
    finally:
        # What can fail here has nothing left to lose: the bytes were synced, or are given up.
        try:
            os.close(descriptor)
        except OSError:
            pass
        if not out.committed:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                pass


def lock_file(descriptor: int) -> None:
    """Hold a file until its holder dies. `OSError` where somebody holds it, or nobody can."""
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, "no lock here dies with its holder")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _remove_abandoned_files(destination: Path) -> None:
    """Temporary files of this destination whose writers died."""
    if os.name != "posix":
        return
    beginning = f".{destination.name}."
    for name in _list_temporary_files(destination.parent):
        if not name.startswith(beginning) or not _PART.fullmatch(name, len(beginning)):
            continue
        path = destination.parent / name
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # its writer finished just now
        try:
            if os.fstat(descriptor).st_mtime <= time.time() - _ABANDONED_AFTER:
                lock_file(descriptor)
                os.unlink(path)
        except OSError:
            pass  # its writer lives
        finally:
            os.close(descriptor)


def _list_temporary_files(folder: Path) -> Iterable[str]:
    """The names of temporary files there, as of a minute ago at the most.

    A folder of many thousand files takes longer to list than a file to fetch. What is not in an
    older list is too young to be abandoned.
    """
    folder, now = folder.absolute(), time.monotonic()  # a relative one means another elsewhere
    listed = _LISTED.get(folder)
    if listed is None or now - listed[0] >= _ABANDONED_AFTER:
        if len(_LISTED) >= _MOST_FOLDERS:
            _LISTED.clear()
        listed = now, [name for name in os.listdir(folder) if name.endswith(".part")]
        _LISTED[folder] = listed
    return listed[1]


def storage_error(
    error: OSError,
    what: str,
    folder: Path,
    facts: Mapping[str, str],
    then: str = "What stood there before is untouched",
) -> StorageError:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    return StorageError(f"cannot {what} {folder}: {reason}. {then}", **facts)
