"""Requests to the emulated Plivo: routing, and reading and validating arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from recording_core.plugin import Request
from recording_plivo.emulator.responses import ErrorResponse

#: At the `Record` endpoints of these, `callback_url` receives the recording's end, and with
#: assumption 8 also the response. Everywhere else it receives the response itself:
#: https://www.plivo.com/docs/voice/api/overview (asynchronous requests).
CALLBACK_AT_THE_END = ("Call", "Conference")
#: A parameter -> the words that it may be. Unknown parameters are ignored, a conference's
#: `time_limit` too: the official client itself sends some that no page documents.
ALLOWED_WORDS = {
    "file_format": ("mp3", "wav"),
    "transcription_type": ("auto", "hybrid", "manual"),
    "transcription_report_type": ("full", "compact"),
    "callback_method": ("GET", "POST"),
    "recording_callback_method": ("GET", "POST"),
    "record_channel_type": ("mono", "stereo"),
    "record_track_type": ("participant", "all", "both"),
    "type": ("transcription", "raw", "diarized"),
}
DEFAULT_TIME_LIMIT = 60  # seconds; only calls have one, also that of the XML element


def find_route(request: Request, routes: Mapping[str, Mapping[str, str]]) -> tuple[str, list[str]]:
    """Find the name of the method that answers, and the path's segments below the account."""
    segments = request.segments()
    # The client for Node requests some paths without the last slash.
    if segments[:2] != ["v1", "Account"]:
        raise ErrorResponse(404)
    segments = segments[3:]
    for pattern, names in routes.items():
        words = pattern.split("/") if pattern else []
        pairs = zip(words, segments, strict=False)
        if len(words) == len(segments) and all(word in ("*", part) for word, part in pairs):
            if request.method not in names:
                raise ErrorResponse(405, "method not allowed")
            return names[request.method], segments
    raise ErrorResponse(404)


def read_arguments(request: Request) -> dict[str, Any]:
    """Read query and body together: official clients send a DELETE's arguments as a body.

    An empty argument is absent: the client for Go sends parameters that were not given, empty.
    """
    return {name: value for name, value in _read_all(request).items() if value != ""}


def _read_all(request: Request) -> dict[str, Any]:
    if request.method == "GET" or not request.body:
        return dict(request.query)
    # https://www.plivo.com/docs/voice/api/overview: "Plivo only accepts ... application/json"; 400
    # is the documented code for a wrong parameter.
    if not (request.header("content-type") or "").startswith("application/json"):
        raise ErrorResponse(400, "the body must be application/json")
    body = request.require_object(ErrorResponse(400, "the body must be a JSON object"))
    return {**dict(request.query), **body}


def is_about_the_end(segments: list[str]) -> bool:
    """Whether `callback_url` receives the end of the recording that this request starts."""
    return segments[-1:] == ["Record"] and segments[0] in CALLBACK_AT_THE_END


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
