"""Where does emulated media come from? Small files, made from nothing, that players accept."""

from __future__ import annotations

import functools
import io
import math
import struct
import tarfile
import wave
from datetime import timedelta

__all__ = ["MEDIA_TYPES", "media", "mp3", "mp4", "tar", "wav", "webm"]

#: format -> the Content-Type that a vendor's media host would say
MEDIA_TYPES = {
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "tar": "application/x-tar",
    "wav": "audio/wav",
    "webm": "video/webm",
}


def media(format: str, duration: timedelta, *, pitch: int = 440) -> bytes:
    """A file of that format and duration. Raises `KeyError` for a format that nobody emulates."""
    seconds = max(duration.total_seconds(), 0.0)
    makers = {"mp3": mp3, "mp4": mp4, "m4a": mp4, "webm": webm, "tar": tar}
    return wav(seconds, pitch=pitch) if format == "wav" else makers[format](seconds)


@functools.lru_cache(maxsize=8)
def wav(seconds: float, *, pitch: int = 440, sample_rate: int = 8000) -> bytes:
    """A soft tone: PCM, 16 bits, mono."""
    # One second's samples, repeated: any whole pitch ends where it began.
    tone = struct.pack(
        f"<{sample_rate}h",
        *(
            round(6000 * math.sin(2 * math.pi * pitch * n / sample_rate))
            for n in range(sample_rate)
        ),
    )
    frames = round(seconds * sample_rate)
    whole, rest = divmod(frames * 2, len(tone))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(tone * whole + tone[:rest])
    return out.getvalue()


def mp3(seconds: float) -> bytes:
    """Silence: MPEG-2 layer III, 16 kHz mono at 8 kbit/s, frames of 36 bytes and 36 ms."""
    frame = bytes.fromhex("fff318c4") + bytes(32)
    return frame * max(1, round(seconds / 0.036))


def mp4(seconds: float) -> bytes:
    """The boxes that name a duration, and no track: ISO/IEC 14496-12, `ftyp` and `moov/mvhd`."""

    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    header = struct.pack(">IIIII", 0, 0, 0, 1000, round(seconds * 1000))
    header += struct.pack(">IH", 0x10000, 0x100) + bytes(10) + matrix + bytes(24)
    header += struct.pack(">I", 1)
    return box(b"ftyp", b"isom" + bytes(4) + b"isommp42") + box(b"moov", box(b"mvhd", header))


def webm(seconds: float) -> bytes:
    """An EBML header and a segment whose info names the duration: RFC 8794 and RFC 9559."""

    def element(identifier: str, content: bytes) -> bytes:
        return bytes.fromhex(identifier) + bytes([0x80 | len(content)]) + content

    header = element("1a45dfa3", element("4282", b"webm") + element("4287", b"\x04"))
    info = element("2ad7b1", (1_000_000).to_bytes(3, "big"))
    info += element("4489", struct.pack(">d", seconds * 1000))
    return header + element("18538067", element("1549a966", info))


def tar(seconds: float) -> bytes:
    """A playlist of ten-second segments, and the segments, as interactive recordings have them."""
    count = max(1, math.ceil(seconds / 10))
    names = [f"segment_{index:05d}.ts" for index in range(count)]
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n"
    playlist += "".join(
        f"#EXTINF:{min(10, seconds - 10 * i):.3f},\n{n}\n" for i, n in enumerate(names)
    )
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in (
            ("playlist.m3u8", (playlist + "#EXT-X-ENDLIST\n").encode()),
            *((name, bytes([0x47]) + bytes(187)) for name in names),
        ):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()
