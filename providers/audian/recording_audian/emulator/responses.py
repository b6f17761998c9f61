"""Responses of the emulated Audian: three envelopes for a success, three shapes for an error.

Audian's pages describe two APIs on one host, in several styles. A client has to read all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import define

#: `bare`: the payload itself, https://docs.audian.com/conferences/recording
#: `data`: https://docs.audian.com/api-basics/response-format
#: `success`: https://docs.audian.com/errors/http-status-codes
Envelope = Literal["bare", "data", "success"]

#: `flat`: the recording pages, https://docs.audian.com/call-control/call-recording
#: `errors`: https://docs.audian.com/errors/error-codes
#: `kazoo`: https://docs.audian.com/errors, with the HTTP status in quotes
ErrorShape = Literal["flat", "errors", "kazoo"]

# https://docs.audian.com/errors/http-status-codes shows `authentication_error`. The other types are
# undocumented, and are built in the same way.
ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


@define(eq=False)
class ErrorResponse(Exception):
    """An error that the emulated vendor returns. `code` is its word, `status` the HTTP status."""

    status: int
    code: str
    message: str
    parameter: str | None = None


def build_not_found_error(resource: str = "Recording") -> ErrorResponse:
    """Build the 404 for a resource that does not exist."""
    return ErrorResponse(404, "not_found", f"{resource} not found")


def build_parameter_error(name: str, message: str | None = None) -> ErrorResponse:
    """Build the 400 for a parameter that cannot be read or is out of bounds."""
    # The code is that of https://docs.audian.com/errors/error-codes; the recording pages have none.
    text = message or f"The parameter {name} is invalid"
    return ErrorResponse(400, "invalid_request_error", text, parameter=name)


def build_success_body(
    payload: Mapping[str, Any], envelope: Envelope, token: str | None, request_id: str
) -> Mapping[str, Any]:
    """Put a payload into the envelope, which may contain the token of the request itself."""
    if envelope == "success":
        return {"success": True, "data": payload}
    if envelope == "data":
        return {
            "auth_token": token,
            "data": payload,
            "request_id": request_id,
            "revision": "automatic",
            "status": "success",
        }
    return payload


def build_error_body(
    error: ErrorResponse, shape: ErrorShape, token: str | None, request_id: str
) -> Mapping[str, Any]:
    """Write an error in one of the three shapes."""
    code, message = error.code, error.message
    if shape == "errors":
        type = ERROR_TYPES.get(error.status, "api_error")
        parameter = {"param": error.parameter} if error.parameter else {}
        return {"error": {"code": code, "message": message, "type": type, **parameter}}
    if shape == "kazoo":
        return {
            **({"auth_token": token} if token else {}),
            "data": {"message": message},
            "error": str(error.status),
            "message": "unauthorized" if error.status == 401 else code,
            "request_id": request_id,
            "status": "error",
        }
    return {"error": code, "message": message, "code": error.status}
