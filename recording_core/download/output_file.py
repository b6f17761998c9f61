"""Output file: what a download writes to, on a disk or in another storage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from attrs import frozen

from recording_core.download.atomic_file import open_temporary_file
from recording_core.download.file_names import build_file_name
from recording_core.model.entities import MediaFile, Recording


class OutputFile(Protocol):
    """A file that appears at its destination when it is committed, or not at all.

    Each method raises `StorageError`.
    """

    #: the path that `commit` gives it; may be changed before that
    destination: Path

    def write(self, data: bytes) -> None:
        """Append bytes."""

    def rewind(self) -> None:
        """Discard what was written."""

    def open_for_reading(self) -> AbstractContextManager[BinaryIO]:
        """Open what was written; nothing is written after that."""

    def commit(self) -> None:
        """Store the file durably at its destination."""


@frozen
class Destination:
    """The place that the files of a download go to.

    Attributes:
        directory: a folder on a disk, for the files and for what must be unpacked first
        open_file: opens the output file of a path in `directory`
        build_name: builds the name of a recording's file; `alone` is whether it has no other one
    """

    directory: Path
    open_file: Callable[[Path], AbstractContextManager[OutputFile]] = open_temporary_file
    build_name: Callable[..., str] = build_file_name

    def build_path(self, recording: Recording, file: MediaFile, *, alone: bool) -> Path:
        """Build the path of a recording's file."""
        return self.directory / self.build_name(recording, file, alone=alone)
