"""Size limits: the most bytes that a file of media may have, so that one without end ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

#: 20 Mbit/s. Conference services record 1080p at some Mbit/s. Archives may contain video, too.
_VIDEO = 2_500_000
#: Format -> bytes per second at the highest quality of that format, from which a recording is far;
#: other formats as `_VIDEO`.
_RATES: Mapping[str, int] = {
    # Two channels of 32-bit samples at 48 kHz. FLAC never needs more than what it compresses.
    **dict.fromkeys(("aiff", "flac", "wav"), 48_000 * 2 * 4),
    # 320 kbit/s: the highest bit rate of ISO/IEC 11172-3, layer III.
    "mp3": 40_000,
    # 512 kbit/s: RFC 6716, 2.1.1 for Opus (510). The others are used with at most as much.
    **dict.fromkeys(("aac", "m4a", "ogg", "opus"), 64_000),
    # 24 kbit/s: RFC 4867, 3.2 for AMR-WB (23.85).
    "amr": 3_000,
}
#: Vendors round durations and leave out pauses.
_FACTOR = 4
#: Every file may have as many bytes: for tags, pictures, and durations that are too short.
SMALLEST_LIMIT = 64 * 1024 * 1024
#: For a file whose size and duration are unknown: nine hours of video at 2 Mbit/s.
DEFAULT_LIMIT = 8 * 1024 * 1024 * 1024


def compute_size_limit(duration: timedelta | None, formats: Iterable[str | None]) -> int:
    """Compute the most bytes of a file of this duration.

    `formats` are those that the file may have, or `None`; the one that needs most bytes decides.
    """
    if not duration:  # 0 is not a duration
        return DEFAULT_LIMIT
    rates = (_RATES.get(each, _VIDEO) for each in formats if each is not None)
    rate = max(rates, default=_VIDEO)
    return SMALLEST_LIMIT + round(duration.total_seconds() * rate * _FACTOR)
