"""Mapping: read Acme's payloads."""

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

#: https://acme.example/docs/states
STATUSES: Mapping[str, RecordingStatus] = {
    "live": RecordingStatus.RECORDING,
    "encoding": RecordingStatus.PROCESSING,
    "done": RecordingStatus.AVAILABLE,
    "broken": RecordingStatus.FAILED,
}

#: https://acme.example/docs/recordings
KNOWN_FIELDS = frozenset(
    ("id", "call", "state", "format", "started", "ended", "seconds", "bytes", "link")
)


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
        status=find_status(state, STATUSES),
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


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read an error response: `{"problem": "..."}`."""
    problem = payload.get("problem")
    return ErrorDetails(message=problem if isinstance(problem, str) else None)


def require_object(payload: Any) -> Mapping[str, Any]:
    """Return the payload if it is a JSON object. Raises `MalformedPayload` otherwise."""
    if not isinstance(payload, dict):
        raise MalformedPayload("Acme returned JSON that is not an object")
    return payload
