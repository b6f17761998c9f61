"""Responses of the emulated VoIPBin: the envelope of an error, and how times are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from attrs import define

from recording_core.plugin import Reply

#: What Go writes for a UUID that is not set.
NIL = str(UUID(int=0))

# https://docs.voipbin.net, RESTful API (errors); 500 as in VoIPBin's source.
HTTP_STATUSES: Mapping[str, int] = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PAYMENT_REQUIRED": 402,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}

#: The reasons of faults, if a reason is not the status. https://github.com/voipbin/monorepo
FAULT_REASONS: Mapping[str, str] = {
    "INVALID_ARGUMENT": "INVALID_ID",
    "UNAUTHENTICATED": "INVALID_CREDENTIALS",
    "NOT_FOUND": "ROUTE_NOT_FOUND",
    "RESOURCE_EXHAUSTED": "RATE_LIMIT_EXCEEDED",
    "UNAVAILABLE": "REQUEST_TIMEOUT",
}

#: How a deployment writes times.
#: `rfc3339`: the source since 2026-02 (https://github.com/voipbin/monorepo). Zeros at the end of
#: the fraction are dropped, and unset times are left out.
#: `sentinel`: the source before that, and https://docs.voipbin.net today.
#: `fixed6`: the examples in https://api.voipbin.net/openapi.json.
TimeFormat = Literal["rfc3339", "sentinel", "fixed6"]

# https://docs.voipbin.net, Recording and Common: "indicate the event has not yet occurred".
# The pages also show the form with `T`. Undocumented: which deployments write it. Here: `fixed6`.
UNSET_TIMES: Mapping[TimeFormat, str | None] = {
    "rfc3339": None,
    "sentinel": "9999-01-01 00:00:00.000000",
    "fixed6": "9999-01-01T00:00:00.000000Z",
}


@define
class ErrorResponse(Exception):
    """An error that the emulated vendor returns. Without a reason, the reason is the status."""

    status: str
    reason: str | None = None
    message: str = "Refused."
    details: Sequence[Mapping[str, str]] = ()

    def build_reply(self, request_id: str) -> Reply:
        error = {
            "status": self.status,
            "reason": self.reason or self.status,
            "message": self.message,
            "request_id": request_id,
            **({"details": list(self.details)} if self.details else {}),
        }
        reply = Reply.json({"error": error}, HTTP_STATUSES[self.status])
        if self.reason == "INVALID_JSON_BODY":
            # The framework has written its own header before: from VoIPBin's source.
            return reply.with_headers(**{"Content-Type": "text/plain; charset=utf-8"})
        return reply


def build_owner_fields(id: str, customer_id: str, owner_type: str = "") -> dict[str, Any]:
    """Build the first fields of every row, except that of a conference, which has two of them."""
    return {"id": id, "customer_id": customer_id, "owner_type": owner_type, "owner_id": NIL}


def format_time(at: datetime, time_format: TimeFormat) -> str:
    """Format a time.

    The forms are `2026-08-22T05:31:47.87Z`, `2026-08-22 05:31:47.870000` and
    `2026-08-22T05:31:47.870000Z`.
    """
    at = at.astimezone(UTC)
    if time_format == "sentinel":
        return f"{at:%Y-%m-%d %H:%M:%S.%f}"
    text = f"{at:%Y-%m-%dT%H:%M:%S.%f}"
    return (text.rstrip("0").rstrip(".") if time_format == "rfc3339" else text) + "Z"


def build_time_fields(
    times: Mapping[str, datetime | None], time_format: TimeFormat, *, nulls: bool = False
) -> dict[str, str | None]:
    """Build the fields of these times; one that is unset is left out, null or the sentinel."""
    fields = {
        name: UNSET_TIMES[time_format] if at is None else format_time(at, time_format)
        for name, at in times.items()
    }
    return {name: text for name, text in fields.items() if nulls or text is not None}
