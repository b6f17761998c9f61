"""What does the emulated VoIPBin refuse, and in which envelope?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from recording_core.plugin import Reply, Request

__all__ = ["NIL", "Refused", "start_body", "uuid_in"]

#: what Go writes of a UUID that is not set
NIL = str(UUID(int=0))

# https://docs.voipbin.net, RESTful API (errors); 503 and 500 as in its source
HTTP: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
}
# https://api.voipbin.net/openapi.json says that all five are required; the server takes each as
# optional, and checks nothing but its JSON type.
START: Mapping[str, type] = {
    "format": str,
    "duration": int,
    "on_end_flow_id": str,
    "end_of_silence": int,
    "end_of_key": str,
}


class Refused(Exception):
    """An answer of VoIPBin's with an `error` in it; most reasons repeat the status."""

    def __init__(self, status: str, reason: str | None = None, message: str = "Refused.") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason or status
        self.message = message

    def reply(self, request_id: str) -> Reply:
        error = {
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "request_id": request_id,
        }
        return Reply.json({"error": error}, HTTP[self.status])


def uuid_in(text: str) -> str:
    """The id in a path, in lower case; the nil UUID is none."""
    id = _uuid_or_nil(text)
    if id == NIL:
        raise Refused("INVALID_ARGUMENT", "INVALID_ID", "The id is not a UUID.")
    return id


def _uuid_or_nil(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        return NIL


def start_body(request: Request) -> dict[str, Any]:
    """What a start was told: five fields, zero or empty where it was not."""
    try:
        # An empty body is no JSON either.
        body = request.json() if request.body else ""
    except ValueError:
        body = ""
    body = {} if body is None else body
    if not isinstance(body, dict):
        raise Refused("INVALID_ARGUMENT", "INVALID_JSON_BODY", "The body is not valid JSON.")
    told: dict[str, Any] = {}
    for name, kind in START.items():
        value = kind() if body.get(name) is None else body[name]
        if type(value) is not kind:
            raise Refused("INVALID_ARGUMENT", "INVALID_JSON_BODY", f"{name} has a wrong type.")
        told[name] = value
    # A flow that is no UUID silently becomes none.
    told["on_end_flow_id"] = _uuid_or_nil(told["on_end_flow_id"])
    return told
