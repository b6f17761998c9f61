"""Responses of the emulated Plivo: errors, starts, and the objects of live calls.

The objects have the fields and types of the official clients' fixtures:
https://github.com/plivo/plivo-node, lib/rest/request-test.js
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from attrs import define

from recording_core import SessionKind
from recording_core.plugin import Reply
from recording_plivo.emulator.recordings import EmulatedRecording, EmulatedSession

# Undocumented: the body of a 401. It is unlikely to be JSON: if a JSON object has no `objects`, the
# official client's `recordings.list` (4.63) raises AttributeError instead of AuthenticationError.
UNAUTHORIZED = Reply(
    401,
    b"Could not verify your access level for that URL.",
    {"Content-Type": "text/plain", "WWW-Authenticate": 'Basic realm="Plivo"'},
)


#: The client for Ruby fails at a 204 without a Content-Type.
NO_CONTENT = Reply(204, b"", {"Content-Type": "application/json"})


#: Dollars per minute of a multiparty call, as in the fixtures.
MEETING_RATE = 0.005


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
        subject = session.name if member is None else f"{session.name} participant"
        message = f"MPC: {subject} record started"
        return {"message": message, "recording_id": recording.id, "recording_url": url}
    message = f"{session.kind} recording started"
    return {"url": url, "message": message, "recording_id": recording.id}


def build_account(auth_id: str) -> dict[str, Any]:
    """Build the account object."""
    return {
        "account_type": "standard",
        "address": "",
        "auth_id": auth_id,
        "auto_recharge": False,
        "billing_mode": "prepaid",
        "cash_credits": "20.00000",
        "city": "",
        "name": "Emulated account",
        "resource_uri": f"/v1/Account/{auth_id}/",
        "state": "",
        "timezone": "UTC",
    }


def build_live_call(session: EmulatedSession) -> dict[str, Any]:
    """Build the object of a live call."""
    return {
        "call_status": "in-progress",
        "call_uuid": session.call_uuid,
        "caller_name": session.from_number,
        "direction": "inbound",
        "from": session.from_number.removeprefix("+"),
        "request_uuid": session.uuid,
        "session_start": session.began.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "to": session.to_number.removeprefix("+"),
    }


def build_conference(session: EmulatedSession, now: datetime) -> dict[str, Any]:
    """Build the object of a live conference."""
    seconds = str((now - session.began) // timedelta(seconds=1))
    return {
        "conference_name": session.name,
        "conference_run_time": seconds,
        "conference_member_count": str(len(session.members)),
        "members": [
            {
                "call_uuid": _build_call_uuid(session, member),
                "caller_name": session.from_number,
                "deaf": False,
                "direction": "inbound",
                "from": session.from_number.removeprefix("+"),
                "join_time": seconds,
                "member_id": member,
                "muted": False,
                "to": session.to_number.removeprefix("+"),
            }
            for member in session.members
        ],
    }


def build_multiparty_call(
    session: EmulatedSession, auth_id: str, now: datetime, *, is_recorded: bool
) -> dict[str, Any]:
    """Build the object of a multiparty call, live or ended."""
    ended = session.ended
    seconds = None if ended is None else (ended - session.began) // timedelta(seconds=1)
    minutes = None if seconds is None else max(1, math.ceil(seconds / 60))
    path = _build_path(session, auth_id)
    return {
        "billed_amount": None if minutes is None else f"{MEETING_RATE * minutes:.5f}",
        "billed_duration": None if minutes is None else 60 * minutes,
        "creation_time": _format_time(session.began),
        "duration": seconds,
        "end_time": None if ended is None else _format_time(ended),
        "friendly_name": session.name,
        "mpc_uuid": session.uuid,
        "participants": f"{path}Participant/",
        "recording": None if ended else "recording" if is_recorded else "not-recording",
        "resource_uri": path,
        "start_time": _format_time(session.began),
        "status": "Active" if ended is None else "Ended",
        "stay_alone": False,
        "sub_account": None,
        "termination_cause": None if ended is None else "No Active Participants",
        "termination_cause_code": None if ended is None else 1000,
    }


def build_participant(session: EmulatedSession, member: str, auth_id: str) -> dict[str, Any]:
    """Build the object of a multiparty call's participant."""
    return {
        "billed_amount": None,
        "billed_duration": None,
        "call_uuid": _build_call_uuid(session, member),
        "coach_mode": False,
        "duration": None,
        "end_mpc_on_exit": False,
        "exit_cause": None,
        "exit_time": None,
        "hold": False,
        "join_time": _format_time(session.began),
        "member_id": member,
        "mpc_uuid": session.uuid,
        "mute": False,
        "resource_uri": f"{_build_path(session, auth_id)}Participant/{member}/",
        "role": "agent",
        "start_mpc_on_enter": True,
    }


def _build_path(session: EmulatedSession, auth_id: str) -> str:
    return f"/v1/Account/{auth_id}/MultiPartyCall/uuid_{session.uuid}/"


def _build_call_uuid(session: EmulatedSession, member: str) -> str:
    """Build the UUID of a member's call; that of the first is the session's."""
    if member == session.members[0]:
        return session.call_uuid
    return str(uuid5(UUID(session.call_uuid), member))


def _format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(" ", "seconds")
