"""Mapping: read Bravo's payloads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from recording_core import (
    CommunicationSession,
    FileRole,
    MalformedPayload,
    MediaFile,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import ErrorDetails, Fields, find_status

#: https://bravo.example/docs/recordings#status
STATUSES: Mapping[str, RecordingStatus] = {
    "queued": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "paused": RecordingStatus.PAUSED,
    "encoding": RecordingStatus.PROCESSING,
    "ready": RecordingStatus.AVAILABLE,
    "silent": RecordingStatus.EMPTY,
    "failed": RecordingStatus.FAILED,
    "purged": RecordingStatus.EXPIRED,
    "absent": RecordingStatus.DELETED,
}
#: https://bravo.example/docs/recordings#kind
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "conference": SessionKind.CONFERENCE,
    "meeting": SessionKind.MEETING,
}
#: https://bravo.example/docs/recordings#files
ROLES: Mapping[str, FileRole] = {"mix": FileRole.MIX, "video": FileRole.VIDEO}
#: https://bravo.example/docs/recordings
KNOWN_FIELDS = frozenset(
    (
        *("id", "kind", "session", "status", "title", "format", "channels", "created_ms"),
        *("started_at", "ended_at", "changed_at", "duration_ms", "bytes", "failure", "files"),
        *("files.name", "files.role", "files.format", "files.bytes", "files.duration_ms"),
        *("files.channels", "files.url", "files.url_expires_ms", "files.sha256"),
    )
)
#: https://bravo.example/docs/errors
ABSENT_CODES = frozenset(("no_such_recording", "not_recorded"))


def read_recording(payload: Any, account: str) -> Recording:
    """Read a recording, from the API or from a webhook request."""
    fields = Fields(require_object(payload))
    status = fields.text("status")
    kind = KINDS.get(fields.text("kind") or "")
    files = tuple(_read_files(fields))
    return Recording(
        provider="bravo",
        account=account,
        id=fields.required_text("id"),
        kind=kind,
        target=fields.target(kind, "session") if kind is not None else None,
        title=fields.text("title"),
        status=find_status(status, STATUSES),
        provider_status=status,
        created_at=fields.instant("created_ms", epoch="milliseconds"),
        started_at=fields.instant("started_at"),
        ended_at=fields.instant("ended_at"),
        duration=fields.milliseconds("duration_ms"),
        size=fields.count("bytes"),
        format=fields.text("format"),
        channels=fields.count("channels"),
        error=fields.text("failure"),
        files=files,
        unread_fields=fields.unread,
        raw=fields.row,
    )


def _read_files(fields: Fields) -> Iterator[MediaFile]:
    for index, row in enumerate(fields.array("files") or ()):
        each = fields.nest(row, f"files[{index}]")
        url = each.url("url")
        name = each.text("name")
        if url is None or name is None:
            continue
        digest = each.text("sha256")
        yield MediaFile(
            name,
            ROLES.get(each.text("role") or "", FileRole.AUDIO),
            each.text("format"),
            size=each.count("bytes"),
            duration=each.milliseconds("duration_ms"),
            channels=each.count("channels"),
            url=url,
            url_expires_at=each.instant("url_expires_ms", epoch="milliseconds"),
            checksum=f"sha256:{digest}" if digest is not None else None,
        )


def read_session(payload: Any, target: CommunicationSession, account: str) -> RecordingSession:
    """Read the session of a recording, from the answer to a verb."""
    recording = read_recording(payload, account)
    return RecordingSession(
        provider=recording.provider,
        account=account,
        id=recording.id,
        target=target,
        status=recording.status,
        provider_status=recording.provider_status,
        started_at=recording.started_at,
        stopped_at=recording.ended_at,
        raw=recording.raw,
    )


def read_error_details(body: Mapping[str, Any]) -> ErrorDetails:
    """Read an error response: `{"error": {"code": "...", "text": "..."}}`."""
    error = body.get("error")
    fields = Fields(error if isinstance(error, dict) else {})
    code = fields.text("code")
    return ErrorDetails(
        message=fields.text("text"),
        code=code,
        recognized=code is not None,
        absent=code in ABSENT_CODES,
    )


def require_object(payload: Any) -> Mapping[str, Any]:
    """Return the payload if it is a JSON object. Raises `MalformedPayload` otherwise."""
    if not isinstance(payload, dict):
        raise MalformedPayload("Bravo returned JSON that is not an object")
    return payload
