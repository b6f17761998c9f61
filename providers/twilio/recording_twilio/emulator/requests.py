"""Requests to the emulated Twilio: routing, and reading and validating arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from urllib.parse import parse_qsl

from recording_core.plugin import Request
from recording_twilio.emulator.responses import ErrorResponse

FORM = "application/x-www-form-urlencoded"
#: A parameter -> the words that it may be. Unknown parameters are ignored: "20001 unknown
#: parameter" is a warning.
ALLOWED_WORDS: Mapping[str, tuple[str, ...]] = {
    "RecordingChannels": ("mono", "dual"),
    "RecordingTrack": ("inbound", "outbound", "both"),
    "RecordingStatusCallbackMethod": ("GET", "POST"),
    "Trim": ("trim-silence", "do-not-trim"),
    "PauseBehavior": ("skip", "silence"),
}
EVENTS = ("in-progress", "completed", "absent")
#: "2026-11-28" or "2026-11-28T09:15:02Z"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d(?:\.\d+)?Z)?", re.ASCII)


class Arguments:
    """The names and values of a query or form, of which a name may be repeated."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def get(self, name: str) -> str | None:
        """Return the last value of a name. An empty one counts as absent."""
        found = [value for key, value in self._pairs if key == name and value]
        return found[-1] if found else None

    def list_others(self, *names: str) -> list[tuple[str, str]]:
        """Return the pairs that have none of these names."""
        return [pair for pair in self._pairs if pair[0] not in names]

    def list_words(self, name: str) -> tuple[str, ...]:
        """Return all words of a name, which may be repeated or have spaces between its words."""
        return tuple(
            word for key, value in self._pairs if key == name for word in value.split() if word
        )

    def check_words(self) -> None:
        """Raise `ErrorResponse` for a value that its parameter does not allow."""
        for name, allowed in ALLOWED_WORDS.items():
            value = self.get(name)
            if value is not None and value not in allowed:
                raise ErrorResponse(400, f"Invalid {name}: it must be one of {', '.join(allowed)}")


def read_arguments(request: Request) -> Arguments:
    """Read the query of a GET or DELETE, and the form of a POST."""
    if request.method != "POST":
        if request.method == "GET" and request.body:
            # https://www.twilio.com/en-us/changelog, 2024-02-15
            raise ErrorResponse(403, "A GET request must not have a body")
        return Arguments(request.query)
    kind = (request.header("content-type") or "").partition(";")[0].strip()
    if request.body and kind != FORM:
        raise ErrorResponse(400, f"The body must be {FORM}")
    return Arguments(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def find_route(request: Request, routes: Mapping[str, Mapping[str, str]]) -> tuple[str, list[str]]:
    """Find the name of the method that answers, and the path's segments below the account."""
    segments = request.segments()[3:]
    if not segments or not segments[-1].endswith(".json"):
        # Without the suffix the real API answers in XML, which no client of ours requests.
        raise ErrorResponse(404)
    segments[-1] = segments[-1].removesuffix(".json")
    for pattern, names in routes.items():
        words = pattern.split("/")
        pairs = zip(words, segments, strict=False)
        if len(words) == len(segments) and all(word in ("*", part) for word, part in pairs):
            if request.method not in names:
                raise ErrorResponse(405, "The method is not allowed for this resource")
            return names[request.method], segments
    raise ErrorResponse(404)


def read_time(text: str, name: str, *, cuts_to_date: bool) -> datetime:
    """Read a filter by time, in UTC: a date is its midnight. `cuts_to_date` ignores the time."""
    found = _TIME.fullmatch(text)
    try:
        day = datetime.combine(date.fromisoformat(found[1] if found else ""), time(), UTC)
        if found is None or found[2] is None or cuts_to_date:
            return day
        return datetime.fromisoformat(text)
    except ValueError:
        raise ErrorResponse(400, f"{name} must be a date such as 2026-11-28") from None


def read_whole_number(
    arguments: Arguments, name: str, default: int, *, least: int = 1, most: int
) -> int:
    """Read a whole number. Raises `ErrorResponse` outside its bounds."""
    text = arguments.get(name) or str(default)
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) and least <= int(text) <= most:
        return int(text)
    raise ErrorResponse(400, f"{name} must be a number from {least} to {most}")
