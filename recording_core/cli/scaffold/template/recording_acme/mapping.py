"""Mapping: reads the vendor's payloads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recording_core import (
    FileRole,
    MalformedPayload,
    MediaFile,
    Recording,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import ErrorDetails, Fields, find_status

# FILL IN: every word that the vendor documents, below the address of its page (section 3)
#: https://acme.example/docs/states
STATUSES: Mapping[str, RecordingStatus] = {
    "live": RecordingStatus.RECORDING,
    "encoding": RecordingStatus.PROCESSING,
    "done": RecordingStatus.AVAILABLE,
    "broken": RecordingStatus.FAILED,
}

# FILL IN: every field that the vendor's pages show, below their address (section 3)
#: https://acme.example/docs/recordings
KNOWN_FIELDS = frozenset(
    ("id", "call", "state", "format", "started", "ended", "seconds", "bytes", "link")
)


# FILL IN: the field of each value; None for what the vendor does not report (section 3)
def read_recording(payload: Any, account: str) -> Recording:
    """Read a recording, from the API or from a webhook request."""
    fields = Fields(require_object(payload))
    state = fields.text("state")
    format = fields.text("format")
    size = fields.count("bytes")
    duration = fields.seconds("seconds")
    url = fields.text("link")
    file = MediaFile("mix", FileRole.MIX, format, size=size, duration=duration, url=url)
    return Recording(
        provider="acme",
        account=account,
        id=fields.required_text("id"),
        kind=SessionKind.CALL,
        target=fields.target(SessionKind.CALL, "call"),
        status=find_status(state, STATUSES),  # UNKNOWN for other words
        provider_status=state,
        started_at=fields.instant("started"),
        ended_at=fields.instant("ended"),
        duration=duration,
        size=size,
        format=format,
        files=(file,) if url is not None else (),
        unread_fields=fields.unread,
        raw=fields.row,
    )


# FILL IN: the vendor's error body, and its code for a recording that does not exist (section 4)
def read_error_details(body: Mapping[str, Any]) -> ErrorDetails:
    """Read an error response: `{"problem": "..."}`; `no-recording` is the code of a missing one."""
    problem = body.get("problem")
    return ErrorDetails(
        message=problem if isinstance(problem, str) else None,
        recognized=isinstance(problem, str),
        absent=problem == "no-recording",
    )


def require_object(payload: Any) -> Mapping[str, Any]:
    """Return the payload if it is a JSON object. Raises `MalformedPayload` otherwise."""
    if not isinstance(payload, dict):
        raise MalformedPayload("The response is JSON that is not an object")
    return payload
