"""Requests to the emulated Audian: how their bodies are read, and which values are rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recording_audian.emulator.responses import ErrorResponse, build_parameter_error
from recording_core.plugin import Request

#: Field -> the type of its value, or its possible values.
Rules = Mapping[str, type | Sequence[Any]]

# https://docs.audian.com/call-control/call-recording, recording parameters of `POST /v2/calls`.
# Undocumented: null, which is rejected here, and fields that no page names, which are ignored.
CALL_FIELDS: Rules = {
    "enabled": bool,
    "participant": ("all", "caller", "callee"),
    "bitrate": range(1, 1 << 31),
    "announce": bool,
    "announcement": str,
}
# The same page, recording formats: format -> default kbit/s, and the sample rates in Hz. The table
# of parameters has 8000 and 16000 only; the section on formats gives Opus 48 kHz too.
BIT_RATES: Mapping[str, int] = {"mp3": 64, "wav": 256, "opus": 32}
SAMPLE_RATES: Mapping[str, Sequence[int]] = {
    "mp3": (8000, 16000),
    "wav": (8000, 16000),
    "opus": (8000, 16000, 48000),
}
# https://docs.audian.com/conferences/recording: the table of parameters has `high` and `standard`,
# `wav` and `mp3`; the tables of qualities and formats add `economy` and `m4a`.
CONFERENCE_FIELDS: Rules = {"name": str, "quality": ("high", "standard", "economy")}
CONFERENCE_FORMATS = ("wav", "mp3", "m4a")


def read_body(request: Request) -> dict[str, Any]:
    """Read the JSON object of a request; an empty body is an empty object."""
    if not request.body:
        return {}
    # https://docs.audian.com/authentication: "Content-Type: application/json" for all bodies.
    # Undocumented: the response to any other type.
    if not (request.header("content-type") or "").startswith("application/json"):
        raise build_parameter_error("body", "The body must be application/json")
    return request.require_object(build_parameter_error("body", "The body must be a JSON object"))


def read_call_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read `format`, `bitrate` and `sample_rate` of a call's recording. Raises `ErrorResponse`."""
    format = _read_format(body, tuple(BIT_RATES))
    _check_fields(body, {**CALL_FIELDS, "sample_rate": SAMPLE_RATES[format]})
    defaults = {"bitrate": BIT_RATES[format], "sample_rate": 16000}
    return {"format": format, **{name: body.get(name, defaults[name]) for name in defaults}}


def read_start_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read the parameters of a call's `record/start`. Raises `ErrorResponse`.

    The page shows these two. Undocumented: what the others do here. They are ignored.
    """
    shown = {name: body[name] for name in ("format", "participant") if name in body}
    return read_call_parameters(shown)


def read_conference_parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """Read `format`, `name`, `quality` of a conference's recording. Raises `ErrorResponse`."""
    format = _read_format(body, CONFERENCE_FORMATS)
    _check_fields(body, CONFERENCE_FIELDS)
    return {"format": format, **{name: body[name] for name in CONFERENCE_FIELDS if name in body}}


def _read_format(body: Mapping[str, Any], formats: Sequence[str]) -> str:
    """Read the format; the first is the default."""
    format = body.get("format", formats[0])
    if format not in formats:
        message = "Recording format is not supported"
        raise ErrorResponse(400, "invalid_format", message, parameter="format")
    return str(format)


def _check_fields(body: Mapping[str, Any], rules: Rules) -> None:
    for name, rule in rules.items():
        if name in body and not _is_valid(body[name], rule):
            raise build_parameter_error(name)


def _is_valid(value: Any, rule: type | Sequence[Any]) -> bool:
    if isinstance(rule, type):
        return type(value) is rule
    return type(value) is type(rule[0]) and value in rule
