"""What is in a ZIP from a stranger? The bytes of its plain files; its names lead nowhere."""

from __future__ import annotations

import errno
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from recording_core import (
    ChecksumMismatch,
    DownloadError,
    MediaFile,
    NotMedia,
    StorageError,
    Truncated,
)

__all__ = ["Archive", "open_archive"]

#: A call has two legs. Of more than these nobody knows what they are.
MOST_ENTRIES = 16
#: The directory at the archive's end is read into memory, at twenty times its size.
MOST_DIRECTORY_BYTES = 256 * 1024
METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # APPNOTE 4.4.4: as such, strongly, and the directory too
_CHUNK = 1024 * 1024

#: What the standard library raises for a ZIP that is none, or was made to be misread.
_MALFORMED: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, EOFError)
_MALFORMED += (NotImplementedError, RuntimeError, ValueError, OverflowError, LookupError)


@frozen
class Archive:
    """An open ZIP whose entries are few, plain files by name and kind, and not encrypted."""

    entries: Sequence[zipfile.ZipInfo]
    _zip: zipfile.ZipFile
    _facts: Mapping[str, str]

    def paired(self, files: Sequence[MediaFile]) -> Sequence[zipfile.ZipInfo]:
        """The entry of each file: by its name, else, of as many, by the order of their names.

        Raises `NotMedia`.
        """
        by_name = {entry.filename: entry for entry in self.entries}
        names = {file.name for file in files}
        if len(names) == len(files) and names <= by_name.keys():
            return [by_name[file.name or ""] for file in files]
        if len(self.entries) != len(files):
            raise NotMedia(
                f"the archive has {len(self.entries)} entries, and the {len(files)} files that "
                "storage names are not among them",
                **self._facts,
            )
        in_order = sorted(range(len(files)), key=lambda place: (files[place].name or "", place))
        entries = sorted(self.entries, key=lambda entry: entry.filename)
        return [entries[in_order.index(place)] for place in range(len(files))]

    def chunks(
        self, entry: zipfile.ZipInfo, before_each: Callable[[], None] = lambda: None
    ) -> Iterator[bytes]:
        """The entry's bytes, whole by its own size and CRC, or a `DownloadError`.

        `before_each` may raise to break off.
        """
        have = 0
        with _judged(self._facts), self._zip.open(entry) as content:
            before_each()
            while chunk := content.read(_CHUNK):
                have += len(chunk)
                yield chunk
                before_each()
        if have != entry.file_size:
            raise Truncated(
                f"an entry of the archive breaks off after {have} of {entry.file_size} bytes",
                **self._facts,
            )


@contextmanager
def open_archive(path: Path, *, most_bytes: int, facts: Mapping[str, str]) -> Iterator[Archive]:
    """Open a ZIP, and look at its directory only. Raises `NotMedia` or `Truncated` for whatever is
    not a handful of plain files, none of which claims more than `most_bytes`.
    """
    with ExitStack() as stack:
        with _judged(facts, directory=True):
            raw = stack.enter_context(_Frugal(path, MOST_DIRECTORY_BYTES))
            archive = stack.enter_context(zipfile.ZipFile(raw))
            raw.left = None
        _check(archive.infolist(), most_bytes, facts)
        yield Archive(archive.infolist(), archive, facts)


def _check(entries: Sequence[zipfile.ZipInfo], most_bytes: int, facts: Mapping[str, str]) -> None:
    if len(entries) > MOST_ENTRIES:
        _refuse(f"the archive has {len(entries)} entries, and a recording a leg or two", facts)
    if len({entry.filename for entry in entries}) < len(entries):
        _refuse("two entries of the archive have the same name", facts)
    for entry in entries:
        # `orig_filename` is what stands there; `filename` ends at a NUL, and has other slashes.
        if _leads_somewhere(entry.orig_filename):
            _refuse("an entry's name in the archive is a path, and no plain name", facts)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            _refuse("an entry of the archive is a link, or no file at all", facts)
        if entry.flag_bits & ENCRYPTED:
            _refuse("an entry of the archive is encrypted", facts)
        if entry.compress_type not in METHODS:
            _refuse("an entry of the archive is packed in a way that VoIPBin does not use", facts)
        if entry.file_size > most_bytes:
            _refuse(
                f"an entry of the archive claims to be {entry.file_size} bytes long; a leg of this "
                f"recording is at most {most_bytes}",
                facts,
            )


def _leads_somewhere(name: str) -> bool:
    # Colons are in every name of VoIPBin's, within its time; at the second place they are a drive.
    if not name or name in (".", "..") or name[1:2] == ":":
        return True
    return not name.isprintable() or "/" in name or "\\" in name


def _refuse(why: str, facts: Mapping[str, str]) -> NoReturn:
    raise NotMedia(f"{why}; nothing was unpacked", **facts)


@contextmanager
def _judged(facts: Mapping[str, str], *, directory: bool = False) -> Iterator[None]:
    """The standard library's exceptions as ours; their texts quote names that strangers chose."""
    try:
        yield
    except DownloadError:
        raise
    except _TooMuch:
        _refuse("the archive's directory is far larger than that of a recording", facts)
    except _MALFORMED as error:
        if directory or isinstance(error, EOFError):
            raise Truncated("the archive breaks off, or is none", **facts) from None
        if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
            raise ChecksumMismatch(
                "the bytes of an entry are not those that the archive announces", **facts
            ) from None
        _refuse(f"the archive is malformed ({type(error).__name__})", facts)
    except OSError as error:
        if error.errno == errno.EINVAL:
            _refuse("the archive points at places that it does not have", facts)
        raise StorageError(
            f"the downloaded archive cannot be read again ({type(error).__name__})", **facts
        ) from None


class _TooMuch(Exception):
    """More was read than may be."""


class _Frugal(io.FileIO):
    """A file of which only so many bytes may be read until `left` is None."""

    def __init__(self, path: Path, left: int) -> None:
        super().__init__(path)
        self.left: int | None = left

    def read(self, size: int | None = -1, /) -> bytes:
        wish = -1 if size is None else size
        if self.left is None:
            return super().read(wish) or b""
        data = super().read(wish if 0 <= wish <= self.left else self.left + 1) or b""
        self.left -= len(data)
        if self.left < 0:
            raise _TooMuch
        return data
