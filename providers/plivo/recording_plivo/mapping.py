"""Mapping: Plivo's words and fields to ours. Pure functions from payloads to values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from recording_core import (
    CommunicationSession,
    FileRole,
    MediaFile,
    Recording,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import FORMATS, ErrorDetails, read_base_name, read_suffix
from recording_core.plugin import readers as read

# -- tables --------------------------------------------------------------------------------------

#: Plivo has no status. It is inferred from the response or row in which a recording appears.
#: https://www.plivo.com/docs/voice/api/recordings
STATUS_OF_EVIDENCE: Mapping[str, RecordingStatus] = {
    "start accepted": RecordingStatus.RECORDING,
    "async api spawned": RecordingStatus.PENDING,  # the id is sent later, to `callback_url`
    "pause accepted": RecordingStatus.PAUSED,
    "resume accepted": RecordingStatus.RECORDING,
    "stop accepted": RecordingStatus.PROCESSING,
    "row": RecordingStatus.AVAILABLE,  # a row appears seconds after the end, also with 0 ms
    "row without url or end": RecordingStatus.PROCESSING,
}

#: `recording_type`: the page documents `conference` and `normal`, responses contain `conference`
#: and `call`. The type of a multiparty call's recording is not documented.
#: https://www.plivo.com/docs/voice/api/recordings
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "normal": SessionKind.CALL,
    "conference": SessionKind.CONFERENCE,
    "mpc": SessionKind.MEETING,
    "multipartycall": SessionKind.MEETING,
    "multi_party_call": SessionKind.MEETING,
}

#: The names of the media's URL: in the row and at the start of a multiparty call; at the start of a
#: call or conference; in a webhook of the API; in one of XML, and its older name; in one of a
#: multiparty call.
#: https://www.plivo.com/docs/voice/api/recordings, /voice/api/conferences, /voice/xml/record,
#: /voice/api/multiparty-calls
URL_FIELDS = ("recording_url", "url", "record_url", "RecordUrl", "RecordFile", "RecordingURL")

#: A multiparty call is addressed as `MultiPartyCall/{name_...|uuid_...}/`.
#: https://www.plivo.com/docs/voice/api/multiparty-calls
_MPC_PREFIXES = ("name_", "uuid_")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_MEDIA_TYPES: Mapping[str | None, str] = {name: known.media_type for name, known in FORMATS.items()}

# Python 3.11 reads a module's name ten times as fast as an enum's member, and rows are many.
_CALL, _CONFERENCE, _MIX = SessionKind.CALL, SessionKind.CONFERENCE, FileRole.MIX
_ROW = STATUS_OF_EVIDENCE["row"]
_UNFINISHED = STATUS_OF_EVIDENCE["row without url or end"]


# -- paths and parameters ------------------------------------------------------------------------


def build_mpc_id(meeting_id: str) -> str:
    """Build the id that the paths of multiparty calls take from a meeting's id."""
    if meeting_id.startswith(_MPC_PREFIXES):
        return meeting_id
    return f"{'uuid' if _UUID.fullmatch(meeting_id) else 'name'}_{meeting_id}"


def build_record_path(target: CommunicationSession, participant: str | None = None) -> str:
    """Build the path that starts and stops recording; names are percent-encoded."""
    if target.kind is SessionKind.CALL:
        return f"Call/{quote(target.id, safe='')}/Record/"
    if target.kind is SessionKind.CONFERENCE:
        return f"Conference/{quote(target.id, safe='')}/Record/"
    member = f"Participant/{quote(participant, safe='')}/" if participant else ""
    return f"MultiPartyCall/{quote(build_mpc_id(target.id), safe='')}/{member}Record/"


def build_list_filter(target: CommunicationSession | None) -> dict[str, str]:
    """Build the query parameters that narrow a list to one target."""
    if target is None:
        return {}
    if target.kind is SessionKind.CALL:
        return {"call_uuid": target.id}
    if target.kind is SessionKind.CONFERENCE:
        return {"conference_name": target.id}
    prefix, _, rest = build_mpc_id(target.id).partition("_")
    return {f"mpc_{prefix}": rest}


def format_filter_time(moment: datetime) -> str:
    """Format a time as `add_time` filters take it: UTC with a space, no offset and no `T`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


# -- payloads ------------------------------------------------------------------------------------


def find_url(payload: Mapping[str, Any]) -> str | None:
    """Find the media's URL under any of its names."""
    for name in URL_FIELDS:
        if name in payload and (url := read.text(payload[name], name)) is not None:
            return url
    return None


def read_row_id(row: Any) -> str | None:
    """Read the recording id of a row, also if the rest is malformed; None if it has none."""
    found = row.get("recording_id") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def read_recording(row: Mapping[str, Any], account: str) -> Recording:
    """Read a recording object of a list or a get. Raises `MalformedPayload`."""
    # Called for every row of every page; its cost is measured (docs/performance.md).
    get, text, epoch = row.get, read.text, read.epoch_milliseconds
    recording_id = read.required_text(get("recording_id"), "recording_id")
    call_uuid = text(get("call_uuid"), "call_uuid")
    conference_name = text(get("conference_name"), "conference_name")
    kind = _find_kind(text(get("recording_type"), "recording_type"), call_uuid, conference_name)
    duration = read.milliseconds(get("recording_duration_ms"), "recording_duration_ms", quoted=True)
    started_at = epoch(get("recording_start_ms"), "recording_start_ms", quoted=True)
    ended_at = epoch(get("recording_end_ms"), "recording_end_ms", quoted=True)
    if duration is None and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    url = find_url(row)
    format = _find_format(text(get("recording_format"), "recording_format"), url)
    files: tuple[MediaFile, ...] = ()
    if url is not None:
        files = (
            MediaFile(
                id="mix",
                role=_MIX,
                format=format,
                media_type=_MEDIA_TYPES.get(format),
                duration=duration,
                url=url,
                name=read_base_name(url) or None,
            ),
        )
    return Recording(
        provider="plivo",
        account=account,
        id=recording_id,
        kind=kind,
        target=_build_target(kind, call_uuid, conference_name),
        reference=call_uuid,
        status=_ROW if url is not None or ended_at is not None else _UNFINISHED,
        started_at=started_at,
        ended_at=ended_at,
        created_at=read.instant(get("add_time"), "add_time"),
        duration=duration,
        format=format,
        files=files,
        raw=row,
    )


def _find_kind(
    recording_type: str | None, call_uuid: str | None, conference_name: str | None
) -> SessionKind | None:
    known = KINDS.get(recording_type.lower()) if recording_type is not None else None
    if known is not None:
        return known
    # In pages of 2012 the type is the format ("mp3"); then the parent's name decides.
    if conference_name is not None:
        return _CONFERENCE
    if recording_type is None or recording_type.lower() in FORMATS:
        return _CALL if call_uuid is not None else None
    return None


def _build_target(
    kind: SessionKind | None, call_uuid: str | None, conference_name: str | None
) -> CommunicationSession | None:
    if kind is _CALL and call_uuid is not None:
        return read.target(kind, call_uuid, "call_uuid")
    # Conference names are reused, but the row has nothing else that identifies its conference.
    if kind is _CONFERENCE and conference_name is not None:
        return read.target(kind, conference_name, "conference_name")
    return None


def _find_format(recording_format: str | None, url: str | None) -> str | None:
    # Number masking's webhooks contain ".mp3".
    if recording_format is not None:
        return recording_format.lower().lstrip(".")
    return (read_suffix(url) or None) if url else None


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read `{"api_id": ..., "error": "not found"}`; the pages document a string, it may be nested.

    https://www.plivo.com/docs/voice/api/overview
    """
    error = payload.get("error")
    if isinstance(error, dict):
        error = error.get("error") or error.get("message")
    if isinstance(error, list):
        error = "; ".join(str(each) for each in error)
    api_id = payload.get("api_id")
    return ErrorDetails(
        message=error if isinstance(error, str) else None,
        request_id=api_id if isinstance(api_id, str) else None,
    )
