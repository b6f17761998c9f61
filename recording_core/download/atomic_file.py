"""Atomic file: write to a temporary file, sync it and rename it.

The temporary files of a destination have numbers, of which a writer takes the first that is free.
So those of dead writers are found without a list of the folder, which takes longer than fetching a
file if there are many thousand files. A writer that lives holds a lock on its file.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from attrs import define, field

from recording_core.errors import StorageError

if sys.platform != "win32":
    import fcntl

_CREATE = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_BINARY", 0)
#: How many processes may write one destination at once.
_MAX_WRITERS = 1000
#: The numbers after a writer's own at which it looks for files of dead writers.
_LOOK_AHEAD = 3
#: What file systems that cannot sync a folder return: CIFS, and some in user space (FUSE). EACCES
#: is the answer of a folder in which we may write and not read.
_CANNOT_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES}


@define
class TemporaryFile:
    """A file in the folder of its destination, locked while its writer lives."""

    path: Path
    destination: Path
    descriptor: int
    committed: bool = False
    #: A forked child has a copy of this object, and must not remove the file of its parent.
    process: int = field(factory=os.getpid)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        with _convert_errors("write", self.destination):
            while view:
                view = view[os.write(self.descriptor, view) :]

    @contextmanager
    def open_for_reading(self) -> Iterator[BinaryIO]:
        """Open what was written so far."""
        # With our own descriptor: on CIFS a lock keeps every other from reading, see flock(2).
        with (
            _convert_errors("read", self.destination),
            os.fdopen(os.dup(self.descriptor), "rb") as file,
        ):
            file.seek(0)
            try:
                yield file
            finally:
                os.lseek(self.descriptor, 0, os.SEEK_END)

    def rewind(self) -> None:
        """Discard what was written."""
        with _convert_errors("rewrite", self.destination):
            os.ftruncate(self.descriptor, 0)
            os.lseek(self.descriptor, 0, os.SEEK_SET)

    def commit(self, *, durable: bool = True) -> None:
        """Sync the bytes, rename the file to its destination, and sync the folder.

        Without `durable`, only rename it.
        """
        with _convert_errors("finish", self.destination):
            if durable:
                os.fsync(self.descriptor)
            os.replace(self.path, self.destination)
            self.committed = True
        if durable and os.name == "posix":
            consequence = "The file is complete, but a power failure may lose it"
            with _convert_errors("sync the folder of", self.destination, consequence):
                _sync_folder(self.destination.parent)


@contextmanager
def open_temporary_file(destination: Path, *, private: bool = True) -> Iterator[TemporaryFile]:
    """Create a temporary file for a destination, and remove it unless it was committed.

    Also removes temporary files of the same destination whose writers died. Unless it is `private`,
    the file has the mode of the one that it replaces, or else the mode of any new file.
    """
    with _convert_errors("create", destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        replaced = None if private else _find_status(destination)
        mode = 0o600 if private or replaced is not None else 0o666
        path, descriptor = _create_locked_file(destination, mode)
    out = TemporaryFile(path, destination, descriptor)
    try:
        if replaced is not None and os.name == "posix":
            with _convert_errors("create", destination):
                _copy_access(descriptor, replaced)
        yield out
    finally:
        # Errors are ignored, since the bytes were either synced before or are not needed.
        is_ours = not out.committed and out.process == os.getpid()
        if is_ours and os.name == "posix":
            with suppress(OSError):
                remove_locked_file(path, descriptor)
        with suppress(OSError):
            os.close(descriptor)
        if is_ours and os.name != "posix":  # Windows removes no open file
            with suppress(OSError):
                path.unlink()


def lock_file(descriptor: int) -> None:
    """Lock a file until its process ends. Raises `OSError` if it is locked or cannot be."""
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, "Windows has no lock that ends with its process")
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_locked_file(path: Path, descriptor: int) -> None:
    """Remove a file that we hold the lock of, unless it was removed: the name may be taken then."""
    if not is_removed(descriptor):
        os.unlink(path)


def is_removed(descriptor: int) -> bool:
    """Return whether an open file has no name any more."""
    return os.fstat(descriptor).st_nlink == 0


def remove_abandoned_file(path: Path) -> None:
    """Remove a temporary file whose writer died, which its lock shows. Raises nothing."""
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags)
    except OSError:
        return  # there is none, or it is a link or another user's
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            lock_file(descriptor)  # fails if its writer lives, or if there are no locks
            # Otherwise its writer has renamed it meanwhile, and the name may be taken.
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                os.unlink(path)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def _create_locked_file(destination: Path, mode: int) -> tuple[Path, int]:
    """Create and lock the first of a destination's temporary files that no writer has."""

    def build_path(number: int) -> Path:
        return destination.with_name(f".{destination.name}.{number}.part")

    for number in range(_MAX_WRITERS):
        path = build_path(number)
        remove_abandoned_file(path)
        try:
            descriptor = os.open(path, _CREATE, mode)
        except FileExistsError:
            continue  # its writer lives
        with suppress(OSError):  # a file system without locks: no process can lock and remove it
            lock_file(descriptor)
        if not is_removed(descriptor):  # by another process before it was locked
            for later in range(number + 1, number + 1 + _LOOK_AHEAD):
                remove_abandoned_file(build_path(later))
            return path, descriptor
        os.close(descriptor)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


def _copy_access(descriptor: int, replaced: os.stat_result) -> None:
    """Give a file the group and mode of the file that it replaces."""
    mode = stat.S_IMODE(replaced.st_mode) & 0o777
    if os.fstat(descriptor).st_gid != replaced.st_gid:
        try:
            os.fchown(descriptor, -1, replaced.st_gid)
        except OSError:
            mode &= ~0o070  # was granted to another group than the file has now
    os.fchmod(descriptor, mode)


def _find_status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


@contextmanager
def _convert_errors(
    action: str, destination: Path, consequence: str = "Existing files are unchanged"
) -> Iterator[None]:
    """Raise `StorageError` if an action on a file, such as "write", raises `OSError`."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        raise StorageError(f"Cannot {action} {destination}: {reason}. {consequence}") from None
