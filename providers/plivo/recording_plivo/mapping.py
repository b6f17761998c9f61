"""Mapping: Plivo's words and fields to ours. Pure functions from payloads to values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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
from recording_core.plugin import FORMATS, ErrorDetails, Fields, read_base_name, read_suffix

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
    "row without end": RecordingStatus.PROCESSING,  # with a URL, too: Plivo names it at the start
}

#: `recording_type`: the page documents `conference` and `normal`, responses contain `conference`
#: and `call`. The type of a multiparty call's recording is not documented (assumption 1): a row
#: with its name or UUID is one with any type.
#: https://www.plivo.com/docs/voice/api/recordings
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "normal": SessionKind.CALL,
    "conference": SessionKind.CONFERENCE,
    "mpc": SessionKind.MEETING,
}

#: The fields of a row that name a multiparty call; the official clients for Ruby and Node read
#: them.
MPC_NAME, MPC_UUID = "mpc_name", "mpc_uuid"

#: The names of the media's URL: in the row and at the start of a multiparty call; at the start of a
#: call or conference; in a webhook of the API; in one of XML, and its older name; in one of a
#: multiparty call.
#: https://www.plivo.com/docs/voice/api/recordings, /voice/api/conferences, /voice/xml/record,
#: /voice/api/multiparty-calls
URL_FIELDS = ("recording_url", "url", "record_url", "RecordUrl", "RecordFile", "RecordingURL")

#: The fields of rows and of responses to a start: the pages above, the official clients' fixtures,
#: and what the clients for Ruby and Node read.
KNOWN_FIELDS = frozenset(
    (
        *("add_time", "api_id", "call_uuid", "conference_name", "conference_uuid", "from_number"),
        *("message", "monthly_recording_storage_amount", "mpc_name", "mpc_uuid"),
        *("recording_duration_ms", "recording_end_ms", "recording_format", "recording_id"),
        *("recording_start_ms", "recording_storage_duration", "recording_storage_rate"),
        *("recording_type", "recording_url", "request_uuid", "resource_uri"),
        *("rounded_recording_duration", "to_number", "url"),
    )
)

_END_FIELDS = ("recording_end_ms", "recording_duration_ms")

#: A multiparty call is addressed as `MultiPartyCall/{name_...|uuid_...}/`.
#: https://www.plivo.com/docs/voice/api/multiparty-calls
_MPC_PREFIXES = ("name_", "uuid_")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

#: The end of a time in UTC as Go formats it, the language of number masking's fixtures.
_GO_UTC = " +0000 UTC"

_MEDIA_TYPES: Mapping[str | None, str] = {name: known.media_type for name, known in FORMATS.items()}

# Python 3.11 reads a module's name ten times as fast as an enum's member, and rows are many.
_CALL, _CONFERENCE, _MEETING = SessionKind.CALL, SessionKind.CONFERENCE, SessionKind.MEETING
_MIX = FileRole.MIX
_ROW = STATUS_OF_EVIDENCE["row"]
_UNFINISHED = STATUS_OF_EVIDENCE["row without end"]


# -- paths and parameters ------------------------------------------------------------------------


def build_mpc_id(meeting_id: str) -> str:
    """Build the id that the paths of multiparty calls take from a meeting's id."""
    if meeting_id.startswith(_MPC_PREFIXES):
        return meeting_id
    return f"{'uuid' if _UUID.fullmatch(meeting_id) else 'name'}_{meeting_id}"


def normalize_meeting_id(meeting_id: str) -> str:
    """Return the id of a meeting in its one form: without the prefix, if it is not needed.

    It is needed for a name that looks like a UUID or has a prefix, and for any other UUID.
    """
    path_id = build_mpc_id(meeting_id)
    bare = path_id[len("name_") :]
    return bare if bare.strip(" .") and build_mpc_id(bare) == path_id else path_id


def normalize_target(target: CommunicationSession) -> CommunicationSession:
    """Return a target in the form in which sessions, events and rows have it."""
    if target.kind is not _MEETING:
        return target
    return CommunicationSession(_MEETING, normalize_meeting_id(target.id))


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


def find_url(fields: Fields) -> str | None:
    """Find the media's URL under any of its names. It identifies bytes, so it must be complete."""
    for name in URL_FIELDS:
        if name in fields.row and (url := fields.url(name)) is not None:
            return url
    return None


def read_row_id(row: Any) -> str | None:
    """Read the recording id of a row; None if it has none."""
    found = row.get("recording_id") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def read_recording(row: Mapping[str, Any], account: str) -> Recording:
    """Read a recording object of a list or a get. Raises `MalformedPayload` without a usable id."""
    # Called for every row of every page; its cost is measured (docs/performance.md).
    fields = Fields(row)
    text, instant = fields.text, fields.instant
    recording_id = fields.required_text("recording_id")
    call_uuid = text("call_uuid")
    conference_name = text("conference_name")
    kind = _find_kind(fields, text("recording_type"), call_uuid, conference_name)
    target, reference = None, call_uuid
    if kind is _CALL:
        target = fields.target(kind, "call_uuid")
    elif kind is _CONFERENCE:
        # Names are reused: the UUID, if the row has one, distinguishes their conferences.
        target = fields.target(kind, "conference_name")
        reference = _read_reference(fields, "conference_uuid", call_uuid)
    elif kind is _MEETING:
        target = _read_meeting(fields)
        reference = _read_reference(fields, MPC_UUID, call_uuid)
    duration = reported_duration = fields.milliseconds("recording_duration_ms", quoted=True)
    started_at = instant("recording_start_ms", epoch="milliseconds", quoted=True)
    ended_at = instant("recording_end_ms", epoch="milliseconds", quoted=True)
    if duration is None and not fields.is_unread("recording_duration_ms"):
        duration = _compute_duration(started_at, ended_at)
    url = fields.url("recording_url") or find_url(fields)
    format = _find_format(text("recording_format"), url)
    files: tuple[MediaFile, ...] = ()
    if url is not None:
        files = (
            MediaFile(
                id="mix",
                role=_MIX,
                format=format,
                media_type=_MEDIA_TYPES.get(format),
                duration=reported_duration,
                url=url,
                name=read_base_name(url) or None,
            ),
        )
    return Recording(
        provider="plivo",
        account=account,
        id=recording_id,
        kind=kind,
        target=target,
        reference=reference,
        status=_ROW if ended_at is not None or _is_over(fields, duration, url) else _UNFINISHED,
        started_at=started_at,
        ended_at=ended_at,
        created_at=instant("add_time") or _read_go_time(fields, "add_time"),
        duration=duration,
        format=format,
        files=files,
        unread_fields=fields.unread,
        raw=row,
    )


def build_meeting(name: str | None, uuid: str | None) -> CommunicationSession | None:
    """Build the target of a multiparty call, as `start` accepts it; its name is preferred.

    Returns None without both, and for an id that no request can carry.
    """
    if not name and not uuid:
        return None
    meeting_id = normalize_meeting_id(f"name_{name}" if name else f"uuid_{uuid}")
    return Fields({"id": meeting_id}).target(_MEETING, "id")


def read_time(fields: Fields, name: str) -> datetime | None:
    """Read a time in ISO 8601, or as Go formats it."""
    return fields.instant(name) or _read_go_time(fields, name)


def _read_reference(fields: Fields, name: str, call_uuid: str | None) -> str | None:
    """Read the UUID of an occurrence; without one, the call of a member stands for it."""
    uuid = fields.text(name)
    return call_uuid if uuid is None and not fields.is_unread(name) else uuid


def _read_meeting(fields: Fields) -> CommunicationSession | None:
    name, uuid = fields.text(MPC_NAME), fields.text(MPC_UUID)
    if fields.is_unread(MPC_NAME):
        return None  # not absent: the UUID does not stand for it
    target = build_meeting(name, uuid)
    if target is None and (name or uuid):
        fields.leave_out(MPC_NAME if name else MPC_UUID)
    return target


def _read_go_time(fields: Fields, name: str) -> datetime | None:
    value = fields.row.get(name)
    if type(value) is not str or not value.endswith(_GO_UTC):
        return None
    moment = Fields({name: value.removesuffix(_GO_UTC)}).instant(name)
    if moment is not None:
        fields.unread = tuple(each for each in fields.unread if each != name)
    return moment


def _compute_duration(started_at: datetime | None, ended_at: datetime | None) -> timedelta | None:
    if started_at is None or ended_at is None or ended_at < started_at:
        return None
    return ended_at - started_at


def _is_over(fields: Fields, duration: timedelta | None, url: str | None) -> bool:
    """Whether a row without a readable end is that of a finished recording.

    An end or duration that cannot be read is not the same as none. Rows of the first years have
    neither field; those have a URL.
    """
    if duration is not None or any(map(fields.is_unread, _END_FIELDS)):
        return True
    has_url = url is not None or any(map(fields.is_unread, URL_FIELDS))
    return has_url and "recording_end_ms" not in fields.row


def _find_kind(
    fields: Fields, recording_type: str | None, call_uuid: str | None, conference_name: str | None
) -> SessionKind | None:
    row = fields.row
    has_mpc = row.get(MPC_UUID) or row.get(MPC_NAME)
    if has_mpc and (fields.text(MPC_UUID) or fields.text(MPC_NAME)):
        return _MEETING
    if recording_type is not None:
        known = KINDS.get(recording_type) or KINDS.get(recording_type.lower())
        if known is not None:
            return known
    # In pages of 2012 the type is the format ("mp3"); then the parent's name decides.
    if conference_name is not None:
        return _CONFERENCE
    if fields.is_unread("recording_type") or fields.is_unread("conference_name"):
        return None
    if recording_type is None or recording_type.lower() in FORMATS:
        return _CALL if call_uuid is not None else None
    return None


def _find_format(recording_format: str | None, url: str | None) -> str | None:
    # Number masking's webhooks contain ".mp3".
    if recording_format is not None:
        is_known = recording_format in FORMATS
        return recording_format if is_known else recording_format.lower().lstrip(".")
    return (read_suffix(url) or None) if url else None


def read_start_id(payload: Mapping[str, Any]) -> str | None:
    """Read the id of a request, which webhooks about what it started repeat."""
    api_id = payload.get("api_id")
    return api_id if isinstance(api_id, str) and api_id else None


def read_error_details(status: int, payload: Mapping[str, Any]) -> ErrorDetails:
    """Read `{"api_id": ..., "error": "not found"}`; the pages document a string, it may be nested.

    No error has a code, so that none states which resource is absent.
    https://www.plivo.com/docs/voice/api/overview
    """
    error = text = payload.get("error")
    if isinstance(error, dict):
        text = error.get("error") or error.get("message")
    if isinstance(text, list):
        text = "; ".join(str(each) for each in text)
    if isinstance(error, dict) and error and not isinstance(text, str):
        text = json.dumps(error, ensure_ascii=False, separators=(",", ":"))
    message = text if isinstance(text, str) and text else None
    return ErrorDetails(
        message=message,
        request_id=read_start_id(payload),
        # A 404 with an empty object: https://github.com/plivo/plivo-go, baseclient.go
        recognized=message is not None or (status == 404 and not payload),
    )
