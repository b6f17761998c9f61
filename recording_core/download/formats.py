"""Formats: the extension, media type and first bytes of each media format."""

from __future__ import annotations

import codecs
import posixpath
import re
from collections.abc import Mapping
from typing import BinaryIO

from attrs import frozen

#: The number of first bytes by which a format is recognised; tar has its signature at offset 257.
HEAD_SIZE = 512
#: The most tags that are skipped before the first frame, and the most zeros, in bytes.
_MAX_TAGS = 16
_MAX_ZEROS = 65536
_TEXT_TYPES = ("text/html", "text/xml", "application/json", "application/xml")
#: The beginning of HTML, XML or JSON.
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<[a-zA-Z!?]|[{\[]\s*[\"{\[])")
#: Control characters that no text contains: all except white space and the escape of terminals.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")


@frozen
class MediaFormat:
    """A media format: its extension as its name, and a pattern of its first bytes."""

    name: str
    media_type: str
    signature: bytes

    def matches(self, head: bytes) -> bool:
        """Whether the first `HEAD_SIZE` bytes of a file are of this format."""
        return re.match(self.signature, head, re.DOTALL) is not None


#: A frame of layer II or III whose bit rate and sample rate are not reserved.
_MPEG_FRAME = rb"\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd][%s]" % b"".join(
    rb"\x%x0-\x%xb" % (bit_rate, bit_rate) for bit_rate in range(15)
)
#: Sources: RFC 2361 (RIFF), ISO/IEC 11172-3, ISO/IEC 14496-12, RFC 9559 (Matroska), RFC 3533 (Ogg),
#: RFC 7845 (Opus), RFC 9639 (FLAC), RFC 4867 (AMR), ISO/IEC 13818-7 (ADTS), AIFF 1.3, POSIX ustar,
#: RFC 1952 (gzip), PKWARE's APPNOTE. The first that matches is the format: `m4a` precedes `mp4`.
FORMATS: Mapping[str, MediaFormat] = {
    form.name: form
    for form in (
        MediaFormat("aac", "audio/aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
        MediaFormat("aiff", "audio/aiff", rb"FORM.{4}AIF[FC]"),
        MediaFormat("amr", "audio/amr", rb"#!AMR"),
        MediaFormat("flac", "audio/flac", rb"fLaC"),
        MediaFormat("gz", "application/gzip", rb"\x1f\x8b"),
        MediaFormat("m4a", "audio/mp4", rb".{4}ftypM4[AB]"),
        MediaFormat("mkv", "video/matroska", rb"\x1a\x45\xdf\xa3.{0,50}matroska"),
        MediaFormat("mp3", "audio/mpeg", _MPEG_FRAME),
        # A box of padding is small: the size of one whose first byte is a letter exceeds 512 MiB.
        MediaFormat(
            "mp4", "video/mp4", rb".{4}(?:ftyp|styp|moov|mdat)|[\0-\x1f].{3}(?:wide|free|skip)"
        ),
        MediaFormat("opus", "audio/ogg", rb"OggS.{24}OpusHead"),
        MediaFormat("ogg", "audio/ogg", rb"OggS"),
        MediaFormat("tar", "application/x-tar", rb".{257}ustar"),
        MediaFormat("wav", "audio/wav", rb"(?:RIFF|RF64|BW64).{4}WAVE"),
        MediaFormat("webm", "video/webm", rb"\x1a\x45\xdf\xa3"),
        MediaFormat("zip", "application/zip", rb"PK(?:\x03\x04|\x05\x06)"),
    )
}
#: Formats that are listed under the name of another one with the same container.
_CONTAINERS = {"gz": "tar", "m4a": "mp4", "opus": "ogg"}
#: The formats that may begin with an ID3v2 tag.
_TAGGED = ("aac", "flac", "mp3")


def has_same_container(format: str, other: str) -> bool:
    """Whether two formats, such as `m4a` and `mp4`, have the same container."""
    return _CONTAINERS.get(format, format) == _CONTAINERS.get(other, other)


def identify_format(file: BinaryIO, content_type: str = "") -> str | None:
    """Identify the format of a file by its content; `None` if it is of no known format.

    Tags and zeros before the first frame of an MP3 file are skipped, as players do. The media type
    decides only whether an MP4 file has sound alone.
    """
    position = 0
    for _ in range(_MAX_TAGS):
        head = _read_at(file, position, HEAD_SIZE)
        size = _measure_tag(head)
        if size == 0:
            break
        position += size
    found = find_signature(head)
    if found is None and head.startswith(b"\0"):
        # Zeros prove nothing: only an MP3 file is known to begin with them.
        found = find_signature(_read_at(file, position, _MAX_ZEROS).lstrip(b"\0"))
        found = found if found == "mp3" else None
    if position:
        return found if found in _TAGGED else "mp3"
    if found == "mp4" and content_type.strip().lower().startswith("audio/"):
        return "m4a"
    return found


def find_signature(head: bytes) -> str | None:
    """Find the format whose signature the first bytes of a file have; a tag counts as MP3."""
    if _measure_tag(head):
        return "mp3"
    return next((form.name for form in FORMATS.values() if form.matches(head)), None)


#: A tag of ID3v2, whose version follows: a text that begins with the same letters has none.
_ID3 = re.compile(rb"ID3[\0-\x1f]")


def _measure_tag(head: bytes) -> int:
    """Compute the size of the ID3v2 or APEv2 tag that a file begins with; 0 if there is none."""
    if _ID3.match(head):
        size = 0
        for byte in head[6:10]:  # seven bits each
            size = size << 7 | byte & 0x7F
        return size + (20 if head[5:6] and head[5] & 0x10 else 10)
    if head.startswith(b"APETAGEX"):
        return 32 + int.from_bytes(head[12:16], "little")
    return 0


def _read_at(file: BinaryIO, position: int, size: int) -> bytes:
    file.seek(position)
    return file.read(size)


def read_base_name(path_or_url: str) -> str:
    """Return the last part of a path or of the path of a URL. Empty if there is none."""
    _, is_url, rest = path_or_url.partition("://")
    if not is_url:
        return posixpath.basename(path_or_url)
    if "?" in rest or "#" in rest:
        rest = rest.partition("?")[0].partition("#")[0]
    _, slash, name = rest.rpartition("/")
    return name if slash else ""


def read_suffix(path_or_url: str) -> str:
    """Return the extension of a path or URL in lower case, without the dot. Empty if none."""
    _, dot, suffix = read_base_name(path_or_url).rpartition(".")
    return suffix.lower() if dot else ""


def find_format(path_or_url: str | None) -> str | None:
    """Find the format by the extension of a file name, path or URL. `None` if unsupported."""
    suffix = read_suffix(path_or_url) if path_or_url else ""
    return suffix if suffix in FORMATS else None


def get_extension(format: str | None) -> str:
    """Return the extension of a format, with its dot; `.bin` for an unknown format."""
    return f".{format}" if format in FORMATS else ".bin"


def looks_like_text(head: bytes, content_type: str) -> bool:
    """Whether a response is a page or a text, by its media type or its first bytes."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")) or _PAGE.match(head):
        return True
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:  # the last character may be cut
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        if not kind.startswith("text/"):
            return False
        text = head.decode("latin-1")
    return _CONTROLS.search(text) is None
