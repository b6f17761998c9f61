"""Atomic file: write to a temporary file, sync it and rename it.

The temporary files of a destination have numbers, of which a writer takes the first that is free.
So those of dead writers are found without a list of the folder, which takes longer than fetching a
file if there are many thousand files. A writer that lives holds a lock on its file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from attrs import define, field

from recording_core.errors import StorageError

try:
    import fcntl
except ImportError:  # Windows
    HAS_LOCKS = False
else:
    #: Whether this system has locks that end with their process.
    HAS_LOCKS = True

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

    destination: Path
    path: Path = field(init=False)
    descriptor: int = field(default=-1, init=False)
    #: Whether the file may be there: from before it is created, since a signal may interrupt then.
    present: bool = field(default=False, init=False)
    committed: bool = field(default=False, init=False)
    #: A forked child has a copy of this object, and must not remove the file of its parent.
    process: int = field(factory=os.getpid, init=False)

    def create(self, mode: int) -> None:
        """Create the file, which no other writer may have. Raises `OSError`."""
        self._create(0, mode)

    def create_locked(self, mode: int) -> None:
        """Create and lock the first file that no writer has. Raises `OSError`."""
        for number in range(_MAX_WRITERS):
            remove_abandoned_file(_build_temporary_path(self.destination, number))
            try:
                self._create(number, mode)
            except FileExistsError:
                continue  # its writer lives
            with suppress(OSError):  # without locks, no process can lock and remove it
                lock_file(self.descriptor)
            if not is_removed(self.descriptor):  # by another process before it was locked
                for later in range(number + 1, number + 1 + _LOOK_AHEAD):
                    remove_abandoned_file(_build_temporary_path(self.destination, later))
                return
            self.close()
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    def _create(self, number: int, mode: int) -> None:
        self.path = _build_temporary_path(self.destination, number)
        self.present = True
        try:
            self.descriptor = os.open(self.path, _CREATE, mode)
        except OSError:
            self.present = False
            raise

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
            try:
                os.replace(self.path, self.destination)
            except PermissionError:  # Windows renames no open file
                self.close()
                os.replace(self.path, self.destination)
            self.committed = True
        if durable:
            consequence = "The file is complete, but a power failure may lose it"
            with _convert_errors("sync the folder of", self.destination, consequence):
                _sync_folder(self.destination.parent)

    def close(self) -> None:
        """Close the descriptor, which ends the lock."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file, unless another writer has its name. Raises `OSError`."""
        if not HAS_LOCKS:
            self.close()  # Windows removes no open file
            self.path.unlink()
        elif self.descriptor >= 0:
            remove_locked_file(self.path, self.descriptor)
        else:
            remove_abandoned_file(self.path)


@contextmanager
def open_temporary_file(
    destination: Path, *, private: bool = True, unique: bool = False
) -> Iterator[TemporaryFile]:
    """Create a temporary file for a destination, and remove it unless it was committed.

    Also removes temporary files of the same destination whose writers died. A destination that is
    `unique` has no other writer, living or dead: its file needs no lock. Unless it is `private`,
    the file has the mode of the one that it replaces, or else the mode of any new file.
    """
    out = TemporaryFile(destination)
    create = out.create if unique else out.create_locked
    try:
        with _convert_errors("create", destination):
            replaced = None if private else _find_status(destination)
            mode = 0o600 if private or replaced is not None else 0o666
            try:
                create(mode)
            except FileNotFoundError:
                _create_folder(destination.parent)
                create(mode)
            if replaced is not None and hasattr(os, "fchown"):
                _copy_access(out.descriptor, replaced)
        yield out
    finally:
        # Errors are ignored, since the bytes were either synced before or are not needed.
        if out.present and not out.committed and out.process == os.getpid():
            with suppress(OSError):
                out.remove()
        with suppress(OSError):
            out.close()


def lock_file(descriptor: int) -> None:
    """Lock a file until its process ends. Raises `OSError` if it is locked or cannot be."""
    if not HAS_LOCKS:
        raise OSError(errno.ENOLCK, "This system has no lock that ends with its process")
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


def _build_temporary_path(destination: Path, number: int) -> Path:
    return destination.with_name(f".{destination.name}.{number}.part")


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


def _create_folder(folder: Path) -> None:
    """Create a folder and those above it, and sync each in the one that contains it.

    POSIX does not require that a synced file is found again if its folder is new.
    """
    missing = [folder]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for each in reversed(missing):
        each.mkdir(exist_ok=True)  # another process may create it now
        _sync_folder(each.parent)


def _sync_folder(folder: Path) -> None:
    if not hasattr(os, "O_DIRECTORY"):  # Windows syncs no folder
        return
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
