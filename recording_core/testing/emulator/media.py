"""Emulated media: small generated files that players accept."""

from __future__ import annotations

import functools
import io
import math
import struct
import tarfile
import wave
import zlib
from datetime import timedelta

#: format -> Content-Type
MEDIA_TYPES = {
    "aac": "audio/aac",
    "m4a": "audio/mp4",
    "mp3": "audio/mpeg",
    "mp4": "video/mp4",
    "opus": "audio/ogg",
    "tar": "application/x-tar",
    "wav": "audio/wav",
    "webm": "video/webm",
}


def build_media(format: str, duration: timedelta, *, pitch: int = 440) -> bytes:
    """Build a file of a format and duration. Raises `KeyError` for an unsupported format."""
    seconds = max(duration.total_seconds(), 0.0)
    builders = {
        "mp3": build_mp3,
        "mp4": build_mp4,
        "m4a": build_mp4,
        "opus": build_opus,
        "webm": build_webm,
        "tar": build_tar,
    }
    return build_wav(seconds, pitch=pitch) if format == "wav" else builders[format](seconds)


@functools.lru_cache(maxsize=8)
def build_wav(seconds: float, *, pitch: int = 440, sample_rate: int = 8000) -> bytes:
    """Build a soft tone: PCM, 16 bits, mono."""
    # The samples of one second are repeated: a whole pitch has whole periods in a second.
    samples = (
        round(6000 * math.sin(2 * math.pi * pitch * n / sample_rate)) for n in range(sample_rate)
    )
    tone = struct.pack(f"<{sample_rate}h", *samples)
    frames = round(seconds * sample_rate)
    whole, rest = divmod(frames * 2, len(tone))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(tone * whole + tone[:rest])
    return out.getvalue()


def build_mp3(seconds: float) -> bytes:
    """Build silence: MPEG-2 layer III, 16 kHz mono at 8 kbit/s, frames of 36 bytes and 36 ms."""
    frame = bytes.fromhex("fff318c4") + bytes(32)
    return frame * max(1, round(seconds / 0.036))


def build_mp4(seconds: float) -> bytes:
    """Build the boxes that state a duration, without tracks: ISO/IEC 14496-12, `ftyp`, `mvhd`."""

    def build_box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    header = struct.pack(">IIIII", 0, 0, 0, 1000, round(seconds * 1000))
    header += struct.pack(">IH", 0x10000, 0x100) + bytes(10) + matrix + bytes(24)
    header += struct.pack(">I", 1)
    movie = build_box(b"moov", build_box(b"mvhd", header))
    return build_box(b"ftyp", b"isom" + bytes(4) + b"isommp42") + movie


def build_opus(seconds: float) -> bytes:
    """Build silence: Opus in Ogg (RFC 7845), packets of two empty 60 ms frames (RFC 6716)."""
    # SILK, 60 ms, mono; the second byte is the number of frames; samples count at 48 kHz.
    packet, samples = b"\x1b\x02", 5760
    length = round(seconds * 48000)
    left = max(1, math.ceil(length / samples))
    head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, 0, 16000, 0, 0)
    tags = struct.pack("<8sI8sI", b"OpusTags", 8, b"emulated", 0)
    pages = [_build_ogg_page(0, [head], 0, begins=True), _build_ogg_page(1, [tags], 0)]
    reached = 0
    while left:
        count = min(left, 255)  # the most that a page holds
        left -= count
        # The granule position of the last page trims the last packet.
        reached = reached + count * samples if left else length
        pages.append(_build_ogg_page(len(pages), [packet] * count, reached, ends=not left))
    return b"".join(pages)


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _build_ogg_page(
    number: int, packets: list[bytes], granule: int, *, begins: bool = False, ends: bool = False
) -> bytes:
    """Build an Ogg page (RFC 3533, section 6) of packets of less than 255 bytes."""
    head = struct.pack("<4sBBqII", b"OggS", 0, 2 * begins + 4 * ends, granule, 1, number)
    rest = bytes([len(packets), *map(len, packets)]) + b"".join(packets)
    # Ogg's CRC is zlib's with the bits of each byte mirrored, and without inversions.
    mirrored = (head + bytes(4) + rest).translate(_MIRRORED)
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return head + int(f"{crc:032b}"[::-1], 2).to_bytes(4, "little") + rest


def build_webm(seconds: float) -> bytes:
    """Build an EBML header and a segment with the duration (RFC 8794, RFC 9559)."""

    def build_element(identifier: str, content: bytes) -> bytes:
        return bytes.fromhex(identifier) + bytes([0x80 | len(content)]) + content

    type_and_version = build_element("4282", b"webm") + build_element("4287", b"\x04")
    header = build_element("1a45dfa3", type_and_version)
    info = build_element("2ad7b1", (1_000_000).to_bytes(3, "big"))
    info += build_element("4489", struct.pack(">d", seconds * 1000))
    return header + build_element("18538067", build_element("1549a966", info))


def build_tar(seconds: float) -> bytes:
    """Build a playlist of ten-second segments, and the segments, as in interactive recordings."""
    count = max(1, math.ceil(seconds / 10))
    names = [f"segment_{index:05d}.ts" for index in range(count)]
    entries = "".join(
        f"#EXTINF:{min(10, seconds - 10 * i):.3f},\n{n}\n" for i, n in enumerate(names)
    )
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n{entries}#EXT-X-ENDLIST\n"
    files = {"playlist.m3u8": playlist.encode(), **dict.fromkeys(names, b"G" + bytes(187))}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()
