"""Responses of the emulated Plivo: its JSON envelope and its errors."""

from __future__ import annotations

from attrs import define

from recording_core import SessionKind
from recording_core.plugin import Reply
from recording_plivo.emulator.recordings import EmulatedRecording

# Undocumented: the body of a 401. It is unlikely to be JSON: if a JSON object has no `objects`, the
# official client's `recordings.list` (4.63) raises AttributeError instead of AuthenticationError.
UNAUTHORIZED = Reply(
    401,
    b"Could not verify your access level for that URL.",
    {"Content-Type": "text/plain", "WWW-Authenticate": 'Basic realm="Plivo"'},
)


@define
class ErrorResponse(Exception):
    """An error of Plivo's API: an HTTP status, and the text of its `error` field.

    https://www.plivo.com/docs/voice/api/overview
    """

    status: int
    error: str = "not found"


def build_start_fields(recording: EmulatedRecording, url: str) -> dict[str, str]:
    """Build the fields of the response to a start; multiparty calls name the URL differently."""
    session, member = recording.session, recording.member
    if session.kind is SessionKind.MEETING:
        subject = session.name if member is None else f"{session.name} participant {member}"
        message = f"MPC: {subject} record started"
        return {"message": message, "recording_id": recording.id, "recording_url": url}
    message = f"{session.kind} recording started"
    return {"url": url, "message": message, "recording_id": recording.id}
