"""Archive: reading of the ZIP that a download returns. Nothing in it is trusted.

Only the bytes of plain files are read; their names are never used as paths.
"""

from __future__ import annotations

import errno
import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from attrs import frozen

from recording_core import ChecksumMismatch, MediaFile, NotMedia, StorageError, Truncated

#: A recording has at most two files. The rest is a margin.
MAX_ENTRIES = 16
#: The most bytes that are read at once. `zipfile` reads the directory of an archive at once, and
#: needs twenty times its size.
MAX_READ_BYTES = 256 * 1024
COMPRESSION_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
#: APPNOTE 4.4.4: encryption, strong encryption, and encryption of the directory
ENCRYPTION_FLAGS = 0x0001 | 0x0040 | 0x2000

#: What the standard library raises for a file that is not a ZIP, or for a malformed or hostile one.
_MALFORMED: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, EOFError)
_MALFORMED += (NotImplementedError, RuntimeError, ValueError, OverflowError, LookupError)


#: What identifies the entry of a file: its name, or its size if it has no name.
_KEYS: tuple[tuple[Callable[[MediaFile], Any], Callable[[zipfile.ZipInfo], Any]], ...] = (
    (lambda file: file.name, lambda entry: entry.filename),
    (lambda file: file.size if file.name is None else None, lambda entry: entry.file_size),
)


@frozen
class ZipArchive:
    """An open ZIP. By its directory, its entries are few, plain files, and not encrypted."""

    entries: Sequence[zipfile.ZipInfo]
    _zip: zipfile.ZipFile
    _facts: Mapping[str, str]

    def match_files(self, files: Sequence[MediaFile]) -> dict[MediaFile, zipfile.ZipInfo]:
        """Return the entry of each file: that of its name, or of its size if it has no name.

        The order of the entries proves nothing. Raises `NotMedia` if a file has no such entry.
        """
        entries, unmatched = list(self.entries), list(files)
        matched: dict[MediaFile, zipfile.ZipInfo] = {}
        for read_file, read_entry in _KEYS:
            found = [read_file(file) for file in unmatched]
            expected = [read_entry(entry) for entry in entries]
            for file, key in zip(unmatched, found, strict=True):
                if key is not None and found.count(key) == expected.count(key) == 1:
                    matched[file] = entries[expected.index(key)]
            unmatched = [file for file in unmatched if file not in matched]
            entries = [entry for entry in entries if entry not in matched.values()]
        if unmatched:
            raise NotMedia(
                f"The archive has {len(self.entries)} entries, and the {len(files)} files that "
                "VoIPBin's storage lists are not among them",
                **self._facts,
            )
        return matched

    def read_chunks(
        self, entry: zipfile.ZipInfo, before_each: Callable[[], None] = lambda: None
    ) -> Iterator[bytes]:
        """Read the bytes of an entry, and check its own size and CRC. Raises `DownloadError`.

        `before_each` is called before each chunk; it may raise to stop the reading.
        """
        received = 0
        with _convert_errors(self._facts), self._zip.open(entry) as content:
            before_each()
            while chunk := content.read(MAX_READ_BYTES):
                received += len(chunk)
                yield chunk
                before_each()
        if received != entry.file_size:
            raise Truncated(
                f"An entry of the archive ends after {received} of {entry.file_size} bytes",
                **self._facts,
            )


@contextmanager
def open_archive(path: Path, *, max_bytes: int, facts: Mapping[str, str]) -> Iterator[ZipArchive]:
    """Open a ZIP, and check its directory. Nothing is unpacked.

    Raises `NotMedia` or `Truncated` unless it contains a few plain files, each of which declares at
    most `max_bytes`. `facts` are the keywords of a `DownloadError`: provider and recording_id.
    """
    with ExitStack() as stack:
        with _convert_errors(facts, directory=True):
            file = stack.enter_context(_LimitedFile(path))
            archive = stack.enter_context(zipfile.ZipFile(file))
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            _reject(
                f"The archive has {len(entries)} entries, and a recording has one or two", facts
            )
        if len({entry.filename for entry in entries}) < len(entries):
            _reject("Two entries of the archive have the same name", facts)
        for fault in (_find_fault(entry, max_bytes) for entry in entries):
            if fault is not None:
                _reject(fault, facts)
        yield ZipArchive(entries, archive, facts)


def _find_fault(entry: zipfile.ZipInfo, max_bytes: int) -> str | None:
    # `orig_filename` is the name in the archive; `filename` ends at a NUL, and has its slashes
    # converted.
    if _is_path(entry.orig_filename):
        return "The name of an entry of the archive is a path, and not a plain name"
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        return "An entry of the archive is a link, or not a file"
    if entry.flag_bits & ENCRYPTION_FLAGS:
        return "An entry of the archive is encrypted"
    if entry.compress_type not in COMPRESSION_METHODS:
        return "An entry of the archive is compressed in a way that VoIPBin does not use"
    if entry.file_size > max_bytes:
        return (
            f"An entry of the archive declares a size of {entry.file_size} bytes, and a leg of "
            f"this recording has at most {max_bytes}"
        )
    return None


def _is_path(name: str) -> bool:
    """Whether a name could lead out of a folder, or is not a name."""
    # Names of VoIPBin's contain colons, in their time. In the second place they are a drive's.
    if not name or name in (".", "..") or name[1:2] == ":":
        return True
    return not name.isprintable() or "/" in name or "\\" in name


def _reject(reason: str, facts: Mapping[str, str]) -> NoReturn:
    raise NotMedia(f"{reason}. Nothing was unpacked", **facts)


@contextmanager
def _convert_errors(facts: Mapping[str, str], *, directory: bool = False) -> Iterator[None]:
    """Convert exceptions of the standard library. Their texts may quote names in the archive."""
    try:
        yield
    except zipfile.LargeZipFile:
        _reject("The directory of the archive is far larger than that of a recording", facts)
    except _MALFORMED as error:
        if directory or isinstance(error, EOFError):
            raise Truncated("The archive is incomplete, or not a ZIP", **facts) from None
        if isinstance(error, zipfile.BadZipFile) and "CRC" in str(error):
            raise ChecksumMismatch(
                "The bytes of an entry do not match the checksum in the archive", **facts
            ) from None
        _reject(f"The archive is malformed ({type(error).__name__})", facts)
    except OSError as error:
        if error.errno == errno.EINVAL:
            _reject("The archive refers to positions outside of it", facts)
        raise StorageError(
            f"Cannot read the downloaded archive again ({type(error).__name__})", **facts
        ) from None


class _LimitedFile(io.FileIO):
    """A file that raises `LargeZipFile` if more than `MAX_READ_BYTES` are read at once."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MAX_READ_BYTES + 1
        data = super().read(most if size is None or size < 0 else min(size, most)) or b""
        if len(data) == most:
            raise zipfile.LargeZipFile
        return data
