"""Formats: the extension, media type and first bytes of each media format."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from attrs import frozen

#: The number of first bytes that `MediaFormat.matches` needs; tar has its signature at offset 257.
HEAD_SIZE = 512


@frozen
class MediaFormat:
    """A media format.

    Attributes:
        name: the name, which is also the extension
        media_type: the media type
        matches: a function of the first `HEAD_SIZE` bytes of a file, which returns whether they are
            of this format
    """

    name: str
    media_type: str
    matches: Callable[[bytes], bool]


def _matches_mp3(head: bytes) -> bool:
    # An ID3v2 tag, or the sync word of a frame with a layer that is not reserved.
    if head[:3] == b"ID3":
        return True
    return len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6)


def _matches_iso(head: bytes) -> bool:
    return head[4:8] in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip")


#: Sources: RFC 2361 (RIFF), ISO/IEC 11172-3, ISO/IEC 14496-12, RFC 9559 (Matroska), RFC 3533 (Ogg),
#: ISO/IEC 13818-7 (ADTS), POSIX ustar, PKWARE's APPNOTE.
FORMATS: Mapping[str, MediaFormat] = {
    form.name: form
    for form in (
        MediaFormat(
            "aac", "audio/aac", lambda h: len(h) > 1 and h[0] == 0xFF and h[1] & 0xF6 == 0xF0
        ),
        MediaFormat("m4a", "audio/mp4", _matches_iso),
        MediaFormat("mp3", "audio/mpeg", _matches_mp3),
        MediaFormat("mp4", "video/mp4", _matches_iso),
        MediaFormat("ogg", "audio/ogg", lambda h: h[:4] == b"OggS"),
        MediaFormat("opus", "audio/ogg", lambda h: h[:4] == b"OggS"),
        MediaFormat(
            "tar", "application/x-tar", lambda h: h[257:262] == b"ustar" or h[:2] == b"\x1f\x8b"
        ),
        MediaFormat(
            "wav", "audio/wav", lambda h: h[:4] in (b"RIFF", b"RF64") and h[8:12] == b"WAVE"
        ),
        MediaFormat("webm", "video/webm", lambda h: h[:4] == b"\x1a\x45\xdf\xa3"),
        MediaFormat("zip", "application/zip", lambda h: h[:4] in (b"PK\x03\x04", b"PK\x05\x06")),
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
    if kind in ("text/html", "application/json", "application/xml", "text/xml") or kind.endswith(
        ("+json", "+xml")
    ):
        return True
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return start in (b"<", b"{", b"[")
