"""Requests to the emulated Plivo: routing, and reading and validating arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from recording_core.plugin import Request
from recording_plivo.emulator.responses import ErrorResponse

#: At the `Record` endpoints of these, `callback_url` receives the recording's end. Everywhere else
#: it receives the response itself: https://www.plivo.com/docs/voice/api/overview (asynchronous
#: requests).
CALLBACK_AT_THE_END = ("Call", "Conference")
#: A parameter -> the words that it may be. Unknown parameters are ignored, a conference's
#: `time_limit` too: the official client itself sends some that no page documents.
ALLOWED_WORDS = {
    "file_format": ("mp3", "wav"),
    "transcription_type": ("auto",),
    "callback_method": ("GET", "POST"),
    "recording_callback_method": ("GET", "POST"),
    "record_channel_type": ("mono", "stereo"),
    "record_track_type": ("participant", "all", "both"),
    "type": ("transcription", "raw", "diarized"),
}
DEFAULT_TIME_LIMIT = 60  # seconds; only calls have one


def find_route(request: Request, routes: Mapping[str, Mapping[str, str]]) -> tuple[str, list[str]]:
    """Find the name of the method that answers, and the path's segments below the account."""
    segments = request.segments()
    # Undocumented: a path without its last slash. Every sample has it; it is required here.
    if segments[:2] != ["v1", "Account"] or len(segments) < 4 or not request.path.endswith("/"):
        raise ErrorResponse(404)
    segments = segments[3:]
    for pattern, names in routes.items():
        words = pattern.split("/")
        pairs = zip(words, segments, strict=False)
        if len(words) == len(segments) and all(word in ("*", part) for word, part in pairs):
            if request.method not in names:
                raise ErrorResponse(405, "method not allowed")
            return names[request.method], segments
    raise ErrorResponse(404)


def read_arguments(request: Request) -> dict[str, Any]:
    """Read query and body together: the official client sends a DELETE's arguments as a body."""
    if request.method == "GET" or not request.body:
        return dict(request.query)
    # https://www.plivo.com/docs/voice/api/overview: "Plivo only accepts ... application/json".
    # Undocumented: the response to any other type.
    if not (request.header("content-type") or "").startswith("application/json"):
        raise ErrorResponse(400, "the body must be application/json")
    body = request.require_object(ErrorResponse(400, "the body must be a JSON object"))
    return {**dict(request.query), **body}


def is_asynchronous(segments: Sequence[str], args: Mapping[str, Any]) -> bool:
    """Whether the response goes to `callback_url`, and only an acknowledgement to the client."""
    at_the_end = segments[0] in CALLBACK_AT_THE_END and segments[-1] == "Record"
    return bool(args.get("callback_url")) and not at_the_end


def check_words(args: Mapping[str, Any], *names: str) -> None:
    """Raise `ErrorResponse` for a value that its parameter does not allow."""
    for name in names or ALLOWED_WORDS:
        if args.get(name) is not None and args[name] not in ALLOWED_WORDS[name]:
            raise ErrorResponse(400, f"{name} must be one of {', '.join(ALLOWED_WORDS[name])}")


def read_time_limit(args: Mapping[str, Any]) -> timedelta:
    """Read how long a call is recorded at most."""
    return timedelta(seconds=read_whole_number(args, "time_limit", DEFAULT_TIME_LIMIT, least=1))


def read_whole_number(
    args: Mapping[str, Any], name: str, default: int, *, least: int = 0, most: int = 10**9
) -> int:
    """Read a whole number, also in quotes; outside its bounds it raises `ErrorResponse`."""
    text = str(default if args.get(name) is None else args[name])
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and least <= int(text) <= most:
        return int(text)
    raise ErrorResponse(400, f"{name} is out of range")
