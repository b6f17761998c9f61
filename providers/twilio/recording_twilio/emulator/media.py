"""Media of the emulated Twilio, which the API's own origin serves.

https://www.twilio.com/docs/voice/api/recording#fetch-a-recording-media-file
"""

from __future__ import annotations

import io
import random
import wave
from datetime import timedelta

from recording_core.plugin import Reply, Request, build_file_reply, build_media
from recording_twilio.emulator.recordings import EmulatedRecording
from recording_twilio.emulator.responses import NOT_DUAL, ErrorResponse

#: The suffix of the path -> the format and its `Content-Type`. Without one it is WAV.
SUFFIXES = {
    "": ("wav", "audio/x-wav"),
    ".wav": ("wav", "audio/x-wav"),
    ".mp3": ("mp3", "audio/mpeg"),
}


def split_suffix(segment: str) -> tuple[str, str]:
    """Split the last segment of a media path into the recording's SID and the suffix."""
    sid, dot, suffix = segment.partition(".")
    return sid, dot + suffix


def build_media_reply(request: Request, recording: EmulatedRecording, suffix: str) -> Reply:
    """Build the response to a request for the file of a recording. Raises `ErrorResponse`.

    Without `RequestedChannels` a conference's file has one channel, although two are stored.
    """
    format, media_type = SUFFIXES[suffix]
    wanted = request.arg("RequestedChannels")
    if wanted not in (None, "1", "2"):
        raise ErrorResponse(400, "RequestedChannels must be 1 or 2")
    if wanted == "2" and recording.channels == 1:
        raise ErrorResponse(400, "The recording has one channel only", NOT_DUAL)
    if recording.is_encrypted:
        # Undocumented: the size. The bytes are those of a cipher.
        body = random.Random(recording.sid).randbytes(4096)
        return build_file_reply(request, body, media_type)
    default = 1 if recording.source == "Conference" else recording.channels
    channels = int(wanted or default)
    # Undocumented: ranges. A client may use them.
    body = build_media(format, recording.duration)
    if format == "wav" and channels == 2:
        body = _build_stereo(body, recording.duration)
    return build_file_reply(request, body, media_type)


def _build_stereo(mono: bytes, duration: timedelta) -> bytes:
    """Build a file with the same tone on both channels."""
    with wave.open(io.BytesIO(mono)) as source:
        rate, frames = source.getframerate(), source.readframes(source.getnframes())
    both = bytearray(2 * len(frames))
    for offset in range(4):
        both[offset::4] = frames[offset % 2 :: 2]
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(both))
    return out.getvalue()
