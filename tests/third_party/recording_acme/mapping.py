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
from recording_core.plugin import ErrorDetails
from recording_core.plugin import readers as read

#: https://acme.example/docs/states
STATUSES: Mapping[str, RecordingStatus] = {
    "live": RecordingStatus.RECORDING,
    "encoding": RecordingStatus.PROCESSING,
    "done": RecordingStatus.AVAILABLE,
    "broken": RecordingStatus.FAILED,
}


def read_recording(payload: Any, account: str) -> Recording:
    """Read a recording, from the API or from a webhook request."""
    row = require_object(payload)
    call_id = read.text(row.get("call"), "call")
    state = read.text(row.get("state"), "state")
    format = read.text(row.get("format"), "format")
    size = read.count(row.get("bytes"), "bytes")
    duration = read.seconds(row.get("seconds"), "seconds")
    url = read.text(row.get("link"), "link")
    file = MediaFile("mix", FileRole.MIX, format, size=size, duration=duration, url=url)
    return Recording(
        provider="acme",
        account=account,
        id=read.required_text(row.get("id"), "id"),
        kind=SessionKind.CALL,
        target=read.target(SessionKind.CALL, call_id, "call") if call_id else None,
        status=read.status_of(state, STATUSES),
        provider_status=state,
        started_at=read.instant(row.get("started"), "started"),
        ended_at=read.instant(row.get("ended"), "ended"),
        duration=duration,
        size=size,
        format=format,
        files=(file,) if url is not None else (),
        raw=row,
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
