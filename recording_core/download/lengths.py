"""Lengths: how long the recording in a media file is, by its headers.

WAV and WebM are read here, other formats by tinytag (extra `media`).
"""

from __future__ import annotations

import struct
from datetime import timedelta
from types import ModuleType
from typing import BinaryIO

from attrs import frozen

#: The formats that tinytag reads.
TINYTAG_FORMATS = frozenset({"aiff", "flac", "m4a", "mp3", "mp4", "ogg", "opus"})
#: Seconds; what a header states beyond it is junk.
_LONGEST = 10 * 365 * 86400.0
#: The most parts of a file that are looked at.
_MAX_PARTS = 1000
#: A WAV file whose size was not known when it began states 0 or one of the largest numbers.
_UNKNOWN_SIZE = 0x7FFF0000
#: Elements of Matroska: RFC 9559, 5.1.
_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_INFO, _TIMESTAMP_SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489


@frozen
class MediaLength:
    """The length of the recording in a file, and the length that the file's header states."""

    present: timedelta
    stated: timedelta


def can_read_length(format: str | None) -> bool:
    """Whether lengths of this format can be read, with what is installed."""
    if format in ("mkv", "wav", "webm"):
        return True
    return format in TINYTAG_FORMATS and _import_tinytag() is not None


def read_length(file: BinaryIO, format: str | None) -> MediaLength | None:
    """Read the length of a media file; `None` if it cannot be read."""
    if not can_read_length(format):
        return None
    file.seek(0)
    if format == "wav":
        return _read_wav(file)
    read = _read_by_tinytag if format in TINYTAG_FORMATS else _read_webm
    seconds = read(file, format)
    return _build_length(seconds, seconds)


def _build_length(present: float | None, stated: float | None) -> MediaLength | None:
    if present is None or stated is None or not 0 <= present <= _LONGEST or stated > _LONGEST:
        return None
    return MediaLength(timedelta(seconds=present), timedelta(seconds=stated))


def _import_tinytag() -> ModuleType | None:
    try:
        import tinytag
    except ImportError:
        return None
    return tinytag


def _read_by_tinytag(file: BinaryIO, format: str | None) -> float | None:
    from tinytag import TinyTag

    try:
        return TinyTag.get(f"media.{format}", file, tags=False).duration
    except Exception:  # noqa: BLE001  # another library's parser, given any bytes
        return None


def _read_wav(file: BinaryIO) -> MediaLength | None:
    """Read the chunks of a WAV file: RIFF, and RF64 for more than 4 GiB (EBU Tech 3306)."""
    end = file.seek(0, 2)
    position, bytes_per_second, size_64 = 12, 0, 0
    for _ in range(_MAX_PARTS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return None
        name, size = head[:4], int.from_bytes(head[4:], "little")
        position += 8
        if name == b"ds64":
            size_64 = int.from_bytes(file.read(16)[8:], "little")
        elif name == b"fmt ":
            bytes_per_second = int.from_bytes(file.read(12)[8:], "little")
        elif name == b"data":
            if bytes_per_second == 0:
                return None
            if size == 0xFFFFFFFF and size_64:
                size = size_64
            elif size == 0 or size >= _UNKNOWN_SIZE:
                size = end - position
            present = min(size, end - position)
            return _build_length(present / bytes_per_second, size / bytes_per_second)
        position += size + size % 2
    return None


def _read_webm(file: BinaryIO, format: str | None) -> float | None:
    """Read the duration in the header of a WebM or MKV file. One that was streamed has none."""
    end = file.seek(0, 2)
    file.seek(0)
    scale, duration = 1_000_000, None
    for _ in range(_MAX_PARTS):
        element, size = _read_vint(file, keep_marker=True), _read_vint(file)
        if element is None or size is None or element == _CLUSTER:
            break
        if element in (_SEGMENT, _INFO):
            continue  # its children follow
        if element == _TIMESTAMP_SCALE and size <= 8:
            scale = int.from_bytes(file.read(size), "big")
        elif element == _DURATION and size in (4, 8):
            content = file.read(size)
            if len(content) == size:
                duration = struct.unpack(">f" if size == 4 else ">d", content)[0]
        else:
            position = file.tell() + size
            if position > end:  # a file system has a largest position
                break
            file.seek(position)
    return None if duration is None else duration * scale / 1e9


def _read_vint(file: BinaryIO, *, keep_marker: bool = False) -> int | None:
    """Read an integer of variable size (RFC 8794, 4); `None` at the end of the file."""
    first = file.read(1)
    if not first or first == b"\0":
        return None
    length = 9 - first[0].bit_length()
    rest = file.read(length - 1)
    value = first[0] if keep_marker else first[0] & (0xFF >> length)
    return int.from_bytes(bytes([value]) + rest, "big")
