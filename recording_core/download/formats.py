"""Formats: the extension, media type and first bytes of each media format."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from attrs import frozen

#: The number of first bytes that `MediaFormat.matches` needs; tar has its signature at offset 257.
HEAD_SIZE = 512
_TEXT_TYPES = ("text/html", "text/xml", "application/json", "application/xml")


@frozen
class MediaFormat:
    """A media format: its extension as its name, and a pattern of its first bytes."""

    name: str
    media_type: str
    signature: bytes

    def matches(self, head: bytes) -> bool:
        """Whether the first `HEAD_SIZE` bytes of a file are of this format."""
        return re.match(self.signature, head, re.DOTALL) is not None


_ISO = rb".{4}(?:ftyp|styp|moov|mdat|wide|free|skip)"
#: Sources: RFC 2361 (RIFF), ISO/IEC 11172-3, ISO/IEC 14496-12, RFC 9559 (Matroska), RFC 3533 (Ogg),
#: ISO/IEC 13818-7 (ADTS), POSIX ustar, PKWARE's APPNOTE.
FORMATS: Mapping[str, MediaFormat] = {
    form.name: form
    for form in (
        MediaFormat("aac", "audio/aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
        MediaFormat("m4a", "audio/mp4", _ISO),
        # An ID3v2 tag, or the sync word of a frame with a layer that is not reserved.
        MediaFormat("mp3", "audio/mpeg", rb"ID3|\xff[\xe2-\xe7\xea-\xef\xf2-\xf7\xfa-\xff]."),
        MediaFormat("mp4", "video/mp4", _ISO),
        MediaFormat("ogg", "audio/ogg", rb"OggS"),
        MediaFormat("opus", "audio/ogg", rb"OggS"),
        MediaFormat("tar", "application/x-tar", rb".{257}ustar|\x1f\x8b"),
        MediaFormat("wav", "audio/wav", rb"(?:RIFF|RF64).{4}WAVE"),
        MediaFormat("webm", "video/webm", rb"\x1a\x45\xdf\xa3"),
        MediaFormat("zip", "application/zip", rb"PK(?:\x03\x04|\x05\x06)"),
    )
}


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
    """Whether a response is HTML, XML or JSON by its media type or its first bytes."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _TEXT_TYPES or kind.endswith(("+json", "+xml")):
        return True
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<", b"{", b"["))
