"""Mapping: Twilio's words and fields to ours. Pure functions from payloads to values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from recording_core import (
    CommunicationSession,
    Conflict,
    FileRole,
    MediaFile,
    NotReady,
    ProviderError,
    Recording,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import FORMATS, ErrorDetails, Fields, find_status

# -- tables --------------------------------------------------------------------------------------

#: The status of a row. `processing` is also what Twilio shows while it records and while it is
#: paused: the call or conference decides then. `failed` is sent by webhooks only.
#: https://www.twilio.com/docs/voice/api/recording#recording-status-values
STATUSES: Mapping[str, RecordingStatus] = {
    "in-progress": RecordingStatus.RECORDING,
    "paused": RecordingStatus.PAUSED,
    "stopped": RecordingStatus.STOPPING,
    "processing": RecordingStatus.PROCESSING,
    "completed": RecordingStatus.AVAILABLE,
    "absent": RecordingStatus.FAILED,
    "failed": RecordingStatus.FAILED,
    "deleted": RecordingStatus.DELETED,
}
#: The word of a row of which the call or conference shows whether it is still recorded.
UNDECIDED = "processing"
#: The words of a row that may still be recorded.
UNFINISHED = frozenset({UNDECIDED, "in-progress", "paused"})
ABSENT = "absent"
#: `error_code` of an absent recording: too short, or silent. Any other is a failure, such as 16105,
#: no valid public key. https://www.twilio.com/docs/api/errors
EMPTY_CODES = frozenset({16101, 16102})

#: The words of a call or conference that has ended; a word that is not here may be that of a live
#: one. https://www.twilio.com/docs/voice/api/call-resource, /conference-resource
ENDED = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})

#: The code of an error -> its class, if the HTTP status implies another one.
#: https://www.twilio.com/docs/api/errors
ERROR_CLASSES: Mapping[int, type[ProviderError]] = {
    21220: Conflict,  # the call is not in progress
    16108: Conflict,  # Twilio.CURRENT does not name exactly one recording
    21501: NotReady,  # the recording is still processed
}
#: The code of a request for two channels of a recording that has one.
NOT_DUAL = "16113"

#: The formats that Twilio offers for the file of every recording, by the suffix of the path; the
#: first is what it stores. https://www.twilio.com/docs/voice/api/recording
DOWNLOAD_FORMATS = ("wav", "mp3")

#: The fields of rows and of answers to a create and update: the vendor's own description of the
#: API, and https://www.twilio.com/docs/voice/api/recording
KNOWN_FIELDS = frozenset(
    (
        *("account_sid", "api_version", "call_sid", "channels", "conference_sid", "date_created"),
        *("date_updated", "duration", "encryption_details", "error_code", "media_url", "price"),
        *("price_unit", "sid", "source", "start_time", "status", "subresource_uris", "track"),
        *("uri", "encryption_details.encryption_public_key_sid"),
        *("encryption_details.encryption_cek", "encryption_details.encryption_iv"),
    )
)

#: A SID is two letters and 32 hexadecimal digits.
RECORDING_SID, CALL_SID, CONFERENCE_SID = (
    re.compile(rf"{prefix}[0-9a-fA-F]{{32}}", re.ASCII) for prefix in ("RE", "CA", "CF")
)

# Python 3.11 reads a module's name ten times as fast as an enum's member, and rows are many.
_CALL, _CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
_MIX = FileRole.MIX
_EMPTY = RecordingStatus.EMPTY
_WITH_MEDIA = frozenset({RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN})
_WAV = FORMATS["wav"].media_type


# -- paths and parameters ------------------------------------------------------------------------


def build_session_path(target: CommunicationSession, sid: str = "") -> str:
    """Build the path of a call or conference, or of another one of the same kind."""
    kind = "Calls" if target.kind is _CALL else "Conferences"
    return f"{kind}/{quote(sid or target.id, safe='')}"


def is_named(target: CommunicationSession) -> bool:
    """Whether a conference is given by its name (`FriendlyName`) and not by its SID."""
    return target.kind is _CONFERENCE and not CONFERENCE_SID.fullmatch(target.id)


def build_list_filter(target: CommunicationSession | None) -> dict[str, str]:
    """Build the query parameters that narrow the account's list to one call or conference."""
    if target is None:
        return {}
    return {"CallSid" if target.kind is _CALL else "ConferenceSid": target.id}


def format_filter_time(moment: datetime) -> str:
    """Format a time as filters take it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- payloads ------------------------------------------------------------------------------------


def read_row_id(row: Any) -> str | None:
    """Read the SID of a row; None if it has none."""
    found = row.get("sid") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def read_owner(row: Any) -> CommunicationSession | None:
    """Read the conference of a row, or else its call; None if its SID cannot be read."""
    if not isinstance(row, dict):
        return None
    conference = row.get("conference_sid")
    if type(conference) is str and CONFERENCE_SID.fullmatch(conference):
        return CommunicationSession(_CONFERENCE, conference)
    call = row.get("call_sid")
    if type(call) is str and CALL_SID.fullmatch(call):
        return CommunicationSession(_CALL, call)
    return None


def is_undecided(row: Any) -> bool:
    """Whether only the call or conference of a row shows if it is still recorded."""
    return isinstance(row, dict) and row.get("status") == UNDECIDED


def is_unfinished(row: Any) -> bool:
    """Whether a row is that of a recording that may still be recorded, also by a new word."""
    word = row.get("status") if isinstance(row, dict) else None
    return type(word) is str and (word in UNFINISHED or word not in STATUSES)


def has_no_end(row: Mapping[str, Any]) -> bool:
    """Whether an unfinished row has no duration, as while it is recorded."""
    return _read_duration(Fields(row)) is None


def read_recording(
    row: Mapping[str, Any], account: str, media_root: str, *, is_live: bool = False
) -> Recording:
    """Read a recording of a list, get, create or update.

    Args:
        row: the payload
        account: the account's name
        media_root: the URL of the account at the API, which serves the media; or "" if the file is
            not needed
        is_live: whether the call or conference of an unfinished row is known to live

    Raises `MalformedPayload` without a usable SID.
    """
    # Called for every row of every page; its cost is measured (docs/performance.md).
    fields = Fields(row)
    text, instant = fields.text, fields.instant
    recording_id = fields.required_text("sid")
    word = text("status")
    code = fields.count("error_code")
    status = find_status(word, STATUSES)
    if word == ABSENT and code in EMPTY_CODES:
        status = _EMPTY
    elif word == UNDECIDED and is_live:
        status = RecordingStatus.RECORDING
    conference, call = text("conference_sid"), text("call_sid")
    kind, target, reference = None, None, None
    if conference is not None:
        # `call_sid` is the call of a member then.
        kind, reference = _CONFERENCE, call
        target = fields.target(kind, "conference_sid")
    elif call is not None and not fields.is_unread("conference_sid"):
        kind = _CALL
        target = fields.target(kind, "call_sid")
    duration = _read_duration(fields)
    channels = fields.count("channels")
    if channels is not None and channels not in (1, 2):
        if channels:  # 0 is the default of the vendor's own description
            fields.leave_out("channels")
        channels = None
    details = fields.object("encryption_details")
    is_encrypted = details is not None and "encryption_cek" in details.row
    if details is not None and not is_encrypted:
        fields.leave_out("encryption_details")  # an object without a key
    format = None if is_encrypted else "wav"
    files: tuple[MediaFile, ...] = ()
    if status in _WITH_MEDIA and media_root and find_own_storage(row, media_root) is None:
        name = recording_id if recording_id.isalnum() else quote(recording_id, safe="")
        url = f"{media_root}/Recordings/{name}.wav"
        if channels == 2 and kind is not _CALL:
            url += "?RequestedChannels=2"  # by default a conference's file has one channel
        files = (
            MediaFile(
                id="mix",
                role=_MIX,
                format=format,
                media_type=None if is_encrypted else _WAV,
                duration=None if is_encrypted else duration,
                channels=channels,
                url=url,
            ),
        )
    return Recording(
        provider="twilio",
        account=account,
        id=recording_id,
        kind=kind,
        target=target,
        reference=reference,
        status=status,
        provider_status=word,
        started_at=instant("start_time"),
        created_at=instant("date_created"),
        duration=duration,
        format=format if files else None,
        channels=channels,
        files=files,
        error=f"No file was stored by Twilio: error {code}" if code and word == ABSENT else None,
        unread_fields=fields.unread,
        raw=row,
    )


def find_own_storage(row: Mapping[str, Any], media_root: str) -> str | None:
    """Find the host of the customer's own storage, if `media_url` names one.

    The URL of a file that Twilio stores is on a host of Twilio's, or on the API's origin.
    """
    url = row.get("media_url")
    if type(url) is not str or not url or url.startswith(f"{media_root}/"):
        return None
    try:
        host, own = urlsplit(url).hostname, urlsplit(media_root).hostname
    except ValueError:
        return None
    if not host or host == own or host == "twilio.com" or host.endswith(".twilio.com"):
        return None
    return host


def _read_duration(fields: Fields) -> timedelta | None:
    """Read the duration, whole seconds in quotes. A negative one means that it is not known."""
    value = fields.row.get("duration")
    if type(value) is str and value.startswith("-") and value[1:].isdecimal() and value.isascii():
        return None
    return fields.seconds("duration", quoted=True)


def read_error_details(status: int, payload: Mapping[str, Any]) -> ErrorDetails:
    """Read `{"code": 20404, "message": "...", "more_info": "...", "status": 404}`, or RFC 9457.

    `code` may be missing; without it RFC 9457 may be a gateway's. A 404 has the same code for an
    unknown recording, path and account, so that none states which of them is absent.
    https://www.twilio.com/docs/usage/twilios-response
    """
    given, own = payload.get("code"), payload.get("message")
    code = given if type(given) is int and given > 0 else None
    has_shape = isinstance(own, str) and payload.get("status") == status
    message = own if isinstance(own, str) else payload.get("detail") or payload.get("title")
    message = message if isinstance(message, str) and message else None
    return ErrorDetails(
        message=message,
        code=str(code) if code is not None else None,
        recognized=message is not None and (code is not None or has_shape),
        kind=ERROR_CLASSES.get(code) if code is not None and status >= 400 else None,
    )
