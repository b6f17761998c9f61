"""Responses of the emulated Twilio: errors, and the objects of calls and conferences.

https://www.twilio.com/docs/usage/twilios-response
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from attrs import define

from recording_core.plugin import Reply
from recording_twilio.emulator.recordings import EmulatedSession

API = "/2010-04-01"

#: The code of an error that a status has by default; 400 has none. https://www.twilio.com/docs/api/errors
CODES = {401: 20003, 403: 20006, 404: 20404, 405: 20004, 429: 20429}
#: "Requested resource is not available in its current state", for a call that is not in progress
NOT_ELIGIBLE = 21220
#: `Twilio.CURRENT` does not name exactly one recording
NOT_ONE_CURRENT = 16108
#: two channels were requested of a recording that has one
NOT_DUAL = 16113


@define
class ErrorResponse(Exception):
    """An error of Twilio's API: an HTTP status, its message and its code."""

    status: int
    message: str = "The requested resource was not found"
    code: int | None = None


def build_error_reply(error: ErrorResponse) -> Reply:
    """Build the body of an error, which repeats the HTTP status. Its code may be missing."""
    code = error.code or CODES.get(error.status)
    more = {"code": code, "more_info": f"https://www.twilio.com/docs/errors/{code}"} if code else {}
    body = {"message": error.message, "status": error.status, **more}
    reply = Reply.json(body, error.status)
    if error.status == 401:
        return reply.with_headers(WWW_Authenticate='Basic realm="Twilio API"')
    return reply


def format_time(moment: datetime | None) -> str | None:
    """Format a time as RFC 2822 in UTC."""
    return None if moment is None else format_datetime(moment.astimezone(UTC))


def build_call(session: EmulatedSession) -> dict[str, Any]:
    """Build the object of a call. https://www.twilio.com/docs/voice/api/call-resource"""
    uri = f"{API}/Accounts/{session.account}/Calls/{session.sid}"
    seconds = (
        None if session.ended is None else int((session.ended - session.began).total_seconds())
    )
    return {
        "account_sid": session.account,
        "answered_by": None,
        "api_version": "2010-04-01",
        "caller_name": None,
        "date_created": format_time(session.began),
        "date_updated": format_time(session.updated),
        "direction": "inbound",
        "duration": None if seconds is None else str(seconds),
        "end_time": format_time(session.ended),
        "forwarded_from": None,
        "from": session.from_number,
        "from_formatted": session.from_number,
        "group_sid": None,
        "parent_call_sid": None,
        "phone_number_sid": None,
        "price": None,
        "price_unit": "USD",
        "queue_time": "0",
        "sid": session.sid,
        "start_time": format_time(session.began),
        "status": session.call_status,
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
        "to": session.to_number,
        "to_formatted": session.to_number,
        "trunk_sid": None,
        "uri": f"{uri}.json",
    }


def build_conference(session: EmulatedSession) -> dict[str, Any]:
    """Build the object of a conference.

    https://www.twilio.com/docs/voice/api/conference-resource
    """
    uri = f"{API}/Accounts/{session.account}/Conferences/{session.sid}"
    reason = {"reason_conference_ended": "last-participant-left"}  # of one that has ended
    return {
        "account_sid": session.account,
        "api_version": "2010-04-01",
        "call_sid_ending_conference": session.call_sid if session.ended else None,
        "date_created": format_time(session.began),
        "date_updated": format_time(session.updated),
        "friendly_name": session.name,
        **(reason if session.ended else {}),
        "region": "us1",
        "sid": session.sid,
        "status": session.conference_status,
        "subresource_uris": {
            "participants": f"{uri}/Participants.json",
            "recordings": f"{uri}/Recordings.json",
        },
        "uri": f"{uri}.json",
    }
