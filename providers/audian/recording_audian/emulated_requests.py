"""What does the emulated Audian read from a request, and what does it refuse?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from recording_audian.emulated_answers import Refused
from recording_core.plugin import Request

__all__ = ["body_of", "call_parameters", "conference_parameters", "invalid"]

Check = Callable[[Any], bool]


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def one_of(*words: str) -> Check:
    return lambda value: value in words


def is_rate(value: Any) -> bool:
    return type(value) is int and value > 0


# https://docs.audian.com/call-control/call-recording, recording parameters. Undocumented: null,
# which is refused here, and what no page names, which is ignored.
OF_A_CALL: Mapping[str, Check] = {
    "enabled": is_bool,
    "participant": one_of("all", "caller", "callee"),
    "bitrate": is_rate,
    "announce": is_bool,
    "announcement": is_text,
}
# Its section on formats: format -> kbit/s unless one says otherwise, and Hz. The table of the
# parameters has 8000 and 16000 alone; the section gives Opus 48 kHz too.
BIT_RATES: Mapping[str, int] = {"mp3": 64, "wav": 256, "opus": 32}
SAMPLE_RATES: Mapping[str, Collection[int]] = {
    "mp3": (8000, 16000),
    "wav": (8000, 16000),
    "opus": (8000, 16000, 48000),
}
# https://docs.audian.com/conferences/recording: the table of parameters has `high` and `standard`,
# `wav` and `mp3`; the tables of qualities and formats add `economy` and `m4a`.
OF_A_CONFERENCE: Mapping[str, Check] = {
    "name": is_text,
    "quality": one_of("high", "standard", "economy"),
}
CONFERENCE_FORMATS = ("wav", "mp3", "m4a")


def body_of(request: Request) -> dict[str, Any]:
    """The JSON object that a start may have; empty where there is no body."""
    if not request.body:
        return {}
    # https://docs.audian.com/authentication: "Content-Type: application/json" for all bodies.
    # Undocumented: what anything else is told.
    if not (request.header("content-type") or "").startswith("application/json"):
        raise invalid("body", "The body must be application/json")
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise invalid("body", "The body must be a JSON object")
    return body


def call_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """`format`, `bitrate` and `sample_rate` of a call's recording; or `Refused`."""
    format = _format(body, tuple(BIT_RATES), default="mp3")
    _checked(body, OF_A_CALL)
    sample_rate = body.get("sample_rate", 16000)
    if type(sample_rate) is not int or sample_rate not in SAMPLE_RATES[format]:
        raise invalid("sample_rate")
    bit_rate = body.get("bitrate", BIT_RATES[format])
    return {"format": format, "bitrate": bit_rate, "sample_rate": sample_rate}


def conference_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """`format`, `name` and `quality` of a conference's recording; or `Refused`."""
    format = _format(body, CONFERENCE_FORMATS, default="wav")
    _checked(body, OF_A_CONFERENCE)
    return {"format": format, **{name: body[name] for name in OF_A_CONFERENCE if name in body}}


def _format(body: Mapping[str, Any], formats: Collection[str], *, default: str) -> str:
    format = body.get("format", default)
    if not isinstance(format, str) or format not in formats:
        message = "Recording format is not supported"
        raise Refused(400, "invalid_format", message, parameter="format")
    return format


def _checked(body: Mapping[str, Any], checks: Mapping[str, Check]) -> None:
    for name, is_fine in checks.items():
        if name in body and not is_fine(body[name]):
            raise invalid(name)


def invalid(name: str, message: str | None = None) -> Refused:
    # The code is https://docs.audian.com/errors/error-codes's; the recording pages have none.
    text = message or f"The parameter {name} is invalid"
    return Refused(400, "invalid_request_error", text, parameter=name)
