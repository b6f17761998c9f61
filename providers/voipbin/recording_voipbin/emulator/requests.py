"""Requests to the emulated VoIPBin: how ids and bodies are read, and which are rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from recording_core.plugin import Request
from recording_voipbin.emulator.responses import NIL, ErrorResponse

# https://api.voipbin.net/openapi.json requires all five. The server treats each as optional, and
# checks nothing but its JSON type.
START_FIELDS: Mapping[str, type] = {
    "format": str,
    "duration": int,
    "on_end_flow_id": str,
    "end_of_silence": int,
    "end_of_key": str,
}


def parse_uuid(text: str) -> str:
    """Parse the id in a path, and return it in lower case. Raises `ErrorResponse`."""
    id = _parse_uuid_or_nil(text)
    if id == NIL:  # the server rejects the nil UUID too
        raise ErrorResponse("INVALID_ARGUMENT", "INVALID_ID", "The id is not a UUID.")
    return id


def read_start_body(request: Request) -> dict[str, Any]:
    """Read the five fields of a start; absent ones are zero or empty. Raises `ErrorResponse`."""
    error = ErrorResponse("INVALID_ARGUMENT", "INVALID_JSON_BODY", "The body is not valid JSON.")
    # `null` is an object without fields; an empty body is not JSON.
    body = {} if request.body.strip() == b"null" else request.require_object(error)
    values: dict[str, Any] = {}
    for name, kind in START_FIELDS.items():
        value = kind() if body.get(name) is None else body[name]
        if type(value) is not kind:
            message = f"{name} has a wrong type."
            raise ErrorResponse("INVALID_ARGUMENT", "INVALID_JSON_BODY", message)
        values[name] = value
    # The server replaces a flow id that is not a UUID by the nil UUID, without an error.
    values["on_end_flow_id"] = _parse_uuid_or_nil(values["on_end_flow_id"])
    return values


def _parse_uuid_or_nil(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return NIL
