"""Responses: the envelope of a success, and the two shapes of an error."""

from __future__ import annotations

from typing import Any

from attrs import define

from recording_core.plugin import Reply


@define
class ErrorResponse(Exception):
    """An error of RealtimeKit itself. Its code repeats the HTTP status."""

    status: int
    message: str

    def build_reply(self) -> Reply:
        error = {"code": self.status, "message": self.message}
        return Reply.json({"success": False, "error": error}, self.status)


class GatewayErrorResponse(ErrorResponse):
    """An error of Cloudflare's gateway, before RealtimeKit is reached: a list of other codes.

    https://developers.cloudflare.com/fundamentals/api/

    `bare` leaves out `messages` and `result`, as the gateway sometimes does.
    """

    def __init__(self, status: int, *errors: tuple[int, str], bare: bool = False) -> None:
        super().__init__(status, errors[0][1])
        self.errors = errors
        self.bare = bare

    def build_reply(self) -> Reply:
        errors = [{"code": code, "message": message} for code, message in self.errors]
        rest: dict[str, Any] = {} if self.bare else {"messages": [], "result": None}
        return Reply.json({"success": False, "errors": errors, **rest}, self.status)


def build_success(data: Any, status: int = 200, **more: Any) -> Reply:
    return Reply.json({"success": True, "data": data, **more}, status)


def build_invalid(name: str, message: str = "contains an invalid value") -> ErrorResponse:
    """Build the error of a field outside its bounds, in the words of the validator Joi.

    A third party received 422 with `"layers" is required` and similar ones (assumption 17).
    """
    return ErrorResponse(422, f'"{name}" {message}')
