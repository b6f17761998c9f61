"""What does the emulated Plivo read from a request, and what does it refuse?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from recording_core.plugin import Request

__all__ = ["Refused", "answers_later", "arguments", "route", "time_limit", "whole", "words"]

# https://www.plivo.com/docs/voice/api/recordings, /conferences, /multiparty-calls: the path below
# /v1/Account/{auth_id}/ and the method -> which method of the emulator answers.
ROUTES: Mapping[str, Mapping[str, str]] = {
    "Recording": {"GET": "_list"},
    "Recording/*": {"GET": "_get", "DELETE": "_delete"},
    "Call/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "Conference": {"GET": "_conferences"},
    "Conference/*": {"GET": "_conference"},
    "Conference/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall/*": {"GET": "_multiparty_call"},
    "MultiPartyCall/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall/*/Record/Pause": {"POST": "_pause"},
    "MultiPartyCall/*/Record/Resume": {"POST": "_resume"},
    "MultiPartyCall/*/Participant/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall/*/Participant/*/Record/Pause": {"POST": "_pause"},
    "MultiPartyCall/*/Participant/*/Record/Resume": {"POST": "_resume"},
    "Transcription/*": {"POST": "_transcribe", "GET": "_transcript", "DELETE": "_forget"},
}
#: Here `callback_url` is told of the recording's end. Everywhere else it makes the answer itself
#: arrive there: https://www.plivo.com/docs/voice/api/overview (asynchronous requests).
CALLBACK_AT_THE_END = ("Call", "Conference")
#: A parameter -> the words that it may be. Unknown parameters are ignored, a conference's
#: `time_limit` too: the official client itself sends some that no page names.
WORDS = {
    "file_format": ("mp3", "wav"),
    "transcription_type": ("auto",),
    "callback_method": ("GET", "POST"),
    "recording_callback_method": ("GET", "POST"),
    "record_channel_type": ("mono", "stereo"),
    "record_track_type": ("participant", "all", "both"),
    "type": ("transcription", "raw", "diarized"),
}
DEFAULT_TIME_LIMIT = 60  # seconds, and only calls have one
_LARGEST = 10**9


class Refused(Exception):
    """An answer of Plivo's with an `error` in it."""

    def __init__(self, status: int, error: str = "not found") -> None:
        super().__init__(error)
        self.status = status
        self.error = error


def route(request: Request) -> tuple[str, list[str]]:
    """The name of the method that answers, and the path's parts below the account."""
    parts = request.segments()
    # Undocumented: a path without its last slash. Every sample has it, and we know no other.
    if parts[:2] != ["v1", "Account"] or len(parts) < 4 or not request.path.endswith("/"):
        raise Refused(404)
    for pattern, names in ROUTES.items():
        if _matches(pattern.split("/"), parts[3:]):
            if request.method not in names:
                raise Refused(405, "method not allowed")
            return names[request.method], parts[3:]
    raise Refused(404)


def _matches(pattern: Sequence[str], parts: Sequence[str]) -> bool:
    return len(pattern) == len(parts) and all(
        word in ("*", part) for word, part in zip(pattern, parts, strict=True)
    )


def arguments(request: Request) -> dict[str, Any]:
    """Query and body together: the official Python client sends a DELETE's arguments as a body."""
    if request.method == "GET" or not request.body:
        return dict(request.query)
    # https://www.plivo.com/docs/voice/api/overview: "Plivo only accepts ... application/json".
    # Undocumented: what anything else is told.
    if not (request.header("content-type") or "").startswith("application/json"):
        raise Refused(400, "the body must be application/json")
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return {**dict(request.query), **body}


def answers_later(parts: Sequence[str], args: Mapping[str, Any]) -> bool:
    """Whether the answer goes to `callback_url`, and only an acknowledgement to the client."""
    at_the_end = parts[0] in CALLBACK_AT_THE_END and parts[-1] == "Record"
    return bool(args.get("callback_url")) and not at_the_end


def words(args: Mapping[str, Any], *names: str) -> None:
    """Refuses a word that its parameter does not know."""
    for name in names or WORDS:
        if args.get(name) is not None and args[name] not in WORDS[name]:
            raise Refused(400, f"{name} must be one of {', '.join(WORDS[name])}")


def time_limit(args: Mapping[str, Any]) -> timedelta:
    """How long a call is recorded at most."""
    if args.get("time_limit") is None:
        return timedelta(seconds=DEFAULT_TIME_LIMIT)
    return timedelta(seconds=whole(args, "time_limit", DEFAULT_TIME_LIMIT, least=1))


def whole(
    args: Mapping[str, Any], name: str, default: int, *, least: int = 0, most: int = _LARGEST
) -> int:
    """A whole number, be it in quotes; refused outside its bounds."""
    text = str(args.get(name, default))
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and least <= int(text) <= most:
        return int(text)
    raise Refused(400, f"{name} is out of range")
