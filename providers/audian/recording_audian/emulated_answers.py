"""In which shapes does the emulated Audian answer? In three, and it refuses in three more.

Audian's pages describe two APIs on one host, in four styles. A client has to bear all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import frozen

__all__ = ["Echo", "Envelope", "ErrorShape", "Refused", "enveloped", "refusal"]

#: `bare`: the recording pages show the answer itself, https://docs.audian.com/conferences/recording
#: `data`: https://docs.audian.com/api-basics/response-format
#: `success`: https://docs.audian.com/errors/http-status-codes
Envelope = Literal["bare", "data", "success"]

#: `seed`: as on the recording pages, https://docs.audian.com/call-control/call-recording
#: `errors`: https://docs.audian.com/errors/error-codes
#: `kazoo`: https://docs.audian.com/errors, with the HTTP status in quotes
ErrorShape = Literal["seed", "errors", "kazoo"]

# https://docs.audian.com/errors/http-status-codes shows `authentication_error`. The other types are
# undocumented, and formed after it.
ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


class Refused(Exception):
    """An answer that is an error. `code` is a word; the number is the HTTP status again."""

    def __init__(
        self, status: int, code: str, message: str, *, parameter: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.parameter = parameter


@frozen
class Echo:
    """What the enveloped answers add: among it the very token that the request came with."""

    token: str | None
    request_id: str


def enveloped(payload: Mapping[str, Any], envelope: Envelope, echo: Echo) -> Mapping[str, Any]:
    if envelope == "success":
        return {"success": True, "data": payload}
    if envelope == "data":
        return {
            "auth_token": echo.token,
            "data": payload,
            "request_id": echo.request_id,
            "revision": "automatic",
            "status": "success",
        }
    return payload


def refusal(refused: Refused, shape: ErrorShape, echo: Echo) -> Mapping[str, Any]:
    code, message = refused.code, refused.message
    if shape == "errors":
        type = ERROR_TYPES.get(refused.status, "api_error")
        error = {"code": code, "message": message, "type": type}
        named = {"param": refused.parameter} if refused.parameter else {}
        return {"error": {**error, **named}}
    if shape == "kazoo":
        token = {"auth_token": echo.token} if echo.token else {}
        return {
            **token,
            "data": {"message": message},
            "error": str(refused.status),
            "message": "unauthorized" if refused.status == 401 else code,
            "request_id": echo.request_id,
            "status": "error",
        }
    return {"error": code, "message": message, "code": refused.status}
