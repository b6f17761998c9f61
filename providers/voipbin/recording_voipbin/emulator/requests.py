"""Requests to the emulated VoIPBin: how ids and bodies are read, and which are rejected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from recording_core import SessionKind
from recording_core.plugin import Request
from recording_voipbin.emulator.responses import NIL, ErrorResponse

# https://api.voipbin.net/openapi.json requires all of them. The server treats each as optional, and
# checks nothing but its JSON type.
_FIELDS: Mapping[str, type] = {"format": str, "duration": int, "on_end_flow_id": str}
START_FIELDS: Mapping[SessionKind, Mapping[str, type]] = {
    SessionKind.CALL: {**_FIELDS, "end_of_silence": int, "end_of_key": str},
    SessionKind.CONFERENCE: _FIELDS,
}
#: `PUT /v1.0/customer` replaces all of these. From VoIPBin's source.
CUSTOMER_FIELDS = (
    *("name", "detail", "email", "phone_number", "address", "webhook_method", "webhook_uri"),
)


def parse_uuid(text: str, reason: str = "INVALID_ID") -> str:
    """Parse the id in a path, and return it in lower case. Raises `ErrorResponse`."""
    id = _parse_uuid_or_nil(text)
    if id == NIL:  # the server rejects the nil UUID too
        raise ErrorResponse("INVALID_ARGUMENT", reason, "The id is not a UUID.")
    return id


def read_start_body(request: Request, kind: SessionKind) -> dict[str, Any]:
    """Read the fields of a start; absent ones are zero or empty. Raises `ErrorResponse`.

    The format stays empty too: no default replaces it.
    """
    values = _read_body(request, START_FIELDS[kind])
    # The server replaces a flow id that is not a UUID by the nil UUID, without an error.
    values["on_end_flow_id"] = _parse_uuid_or_nil(values["on_end_flow_id"])
    return values


def read_customer_body(request: Request) -> dict[str, str]:
    """Read all fields of a customer; absent ones are empty. Raises `ErrorResponse`."""
    return _read_body(request, dict.fromkeys(CUSTOMER_FIELDS, str))


def _read_body(request: Request, kinds: Mapping[str, type]) -> dict[str, Any]:
    error = ErrorResponse("INVALID_ARGUMENT", "INVALID_JSON_BODY", "The body is not valid JSON.")
    # `null` is an object without fields; an empty body is not JSON.
    body = {} if request.body.strip() == b"null" else request.require_object(error)
    values: dict[str, Any] = {}
    for name, kind in kinds.items():
        value = kind() if body.get(name) is None else body[name]
        if type(value) is not kind:
            message = f"{name} has a wrong type."
            raise ErrorResponse("INVALID_ARGUMENT", "INVALID_JSON_BODY", message)
        values[name] = value
    return values


def _parse_uuid_or_nil(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return NIL
