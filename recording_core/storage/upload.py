"""Upload: stream a file to a storage that is not a disk, and look at what arrived."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from recording_core.download.output_file import OutputFile
from recording_core.errors import StorageError

if TYPE_CHECKING:
    from recording_core.storage.folder import Folder

#: The bytes that are kept in memory: the smallest part of an upload in parts to S3. A smaller file
#: is written at once, which object stores do whole or not at all.
PART_SIZE = 5 * 1024 * 1024
_SLICE = 512 * 1024


class Upload:
    """The output file of a remote storage. A larger one is published before it is checked.

    That does no harm in a folder in which other files name the valid ones: the name is new, and the
    file is removed if the check fails.
    """

    def __init__(self, folder: Folder, destination: Path) -> None:
        self.destination = destination
        self._folder = folder
        #: the name under which parts are being sent
        self._name = ""
        self._buffer = bytearray()
        self._file: Any = None
        self._size = 0

    def write(self, data: bytes) -> None:
        with self._folder.raise_storage_errors(self._current, "written"):
            self._size += len(data)
            self._buffer += data
            while len(self._buffer) > PART_SIZE:
                if self._file is None:
                    self._name = self._current
                    self._file = self._folder.open_upload(self._name, PART_SIZE)
                # Some stores require parts of one size.
                write_part(self._file, bytes(memoryview(self._buffer)[:PART_SIZE]))
                del self._buffer[:PART_SIZE]

    def rewind(self) -> None:
        self.discard()
        self._buffer, self._size = bytearray(), 0

    @contextmanager
    def open_for_reading(self) -> Iterator[BinaryIO]:
        if not self._name:
            yield BytesIO(self._buffer)
            return
        self._publish()
        with self._folder.open(self._name) as file:
            yield file

    def commit(self) -> None:
        """Publish the file, and compare its size in the storage with what was written."""
        name = self.destination.as_posix()
        if not self._name:
            self._folder.write(name, bytes(self._buffer))
            self._name = name
        self._publish()
        if self._name != name:
            self._folder.rename(self._name, name)
            self._name = name
        found = self._folder.look_at(name)
        if found is None or found.size != self._size:
            has = "does not have it" if found is None else f"has {found.size} bytes of it"
            raise StorageError(
                f"{self._folder.describe(name)} was written with {self._size} bytes, and the "
                f"storage {has}. Check the storage; the next run writes it again"
            )

    def discard(self) -> None:
        """Remove what was sent, as far as the storage lets us. Raises nothing."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(Exception):
                # A buffered file of fsspec publishes what it has when it is closed.
                getattr(file, "discard", file.close)()
            with suppress(Exception):
                file.closed = True
        if self._name:
            self._folder.remove(self._name)
        self._name = ""

    @property
    def _current(self) -> str:
        return self._name or self.destination.as_posix()

    def _publish(self) -> None:
        if self._file is not None:
            with self._folder.raise_storage_errors(self._name, "written"):
                write_part(self._file, bytes(self._buffer))
                try:
                    self._file.close()
                except Exception:
                    # A store may need longer than s3fs waits, and has no such upload later.
                    found = self._folder.look_at(self._name)
                    if found is None or found.size != self._size:
                        raise
            self._file, self._buffer = None, bytearray()


def write_part(file: Any, data: bytes) -> None:
    """Write bytes to a file of fsspec. Raises what the file system raises."""
    set_pipelined = getattr(file, "set_pipelined", None)
    if set_pipelined is None:
        file.write(data)
        return
    # SFTP: paramiko waits for the response to each 32 KiB, or to the last ones: the last byte is
    # written after all others were confirmed.
    set_pipelined(True)
    for start in range(0, len(data) - 1, _SLICE):  # paramiko copies the rest after each 32 KiB
        file.write(data[start : min(start + _SLICE, len(data) - 1)])
    set_pipelined(False)
    file.write(data[-1:])


class StoppableFile:
    """An output file that refuses further bytes after a stop was requested."""

    def __init__(self, out: OutputFile, stopped: Callable[[], bool]) -> None:
        self._out, self._stopped = out, stopped
        self.rewind, self.commit = out.rewind, out.commit

    @property
    def destination(self) -> Path:
        return self._out.destination

    @destination.setter
    def destination(self, path: Path) -> None:
        self._out.destination = path

    def write(self, data: bytes) -> None:
        if self._stopped():
            raise StorageError(f"The transfer of {self._out.destination.name} was stopped")
        self._out.write(data)

    def open_for_reading(self) -> AbstractContextManager[BinaryIO]:
        return self._out.open_for_reading()
