"""How do Plivo's words and fields become ours? Pure: payloads in, our values out."""

from __future__ import annotations

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

#: Plivo has no status: it is inferred from where a recording was met.
#: https://www.plivo.com/docs/voice/api/recordings
STATUS_OF_EVIDENCE: Mapping[str, RecordingStatus] = {
    "start accepted": RecordingStatus.RECORDING,
    "async api spawned": RecordingStatus.PENDING,  # the id comes later, to the callback
    "pause accepted": RecordingStatus.PAUSED,
    "resume accepted": RecordingStatus.RECORDING,
    "stop accepted": RecordingStatus.PROCESSING,
    "row": RecordingStatus.AVAILABLE,  # a row appears seconds after the end, also with 0 ms
    "row without url or end": RecordingStatus.PROCESSING,
}

#: `recording_type`: the page says conference and normal, answers say conference and call. What a
#: multiparty call's says is not documented.
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "normal": SessionKind.CALL,
    "conference": SessionKind.CONFERENCE,
    "mpc": SessionKind.MEETING,
    "multipartycall": SessionKind.MEETING,
    "multi_party_call": SessionKind.MEETING,
}

#: One URL, five names: start of a call or conference; start of a multiparty call, and the row;
#: callback; XML callback; the XML callback's older name.
URL_FIELDS = ("recording_url", "url", "record_url", "RecordUrl", "RecordFile", "RecordingURL")

#: The `participant=False` of a Plivo id: `MultiPartyCall/{name_...|uuid_...}/`.
#: https://www.plivo.com/docs/voice/api/multiparty-calls
_MPC_PREFIXES = ("name_", "uuid_")


def mpc_id(meeting_id: str) -> str:
    """A meeting's id as the multiparty-call paths want it."""
    if meeting_id.startswith(_MPC_PREFIXES):
        return meeting_id
    return f"{'uuid' if _is_uuid(meeting_id) else 'name'}_{meeting_id}"


def _is_uuid(text: str) -> bool:
    parts = text.split("-")
    digits = "".join(parts)
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(
        character in "0123456789abcdefABCDEF" for character in digits
    )


def record_path(target: CommunicationSession, participant: str | None = None) -> str:
    """Where recording is started and stopped. Names come raw: `My Conf/Room?x` must be quoted."""
    if target.kind is SessionKind.CALL:
        return f"Call/{quote(target.id, safe='')}/Record/"
    if target.kind is SessionKind.CONFERENCE:
        return f"Conference/{quote(target.id, safe='')}/Record/"
    member = f"Participant/{quote(participant, safe='')}/" if participant else ""
    return f"MultiPartyCall/{quote(mpc_id(target.id), safe='')}/{member}Record/"


def list_filter(target: CommunicationSession | None) -> dict[str, str]:
    """The query parameters that narrow a list to one target."""
    if target is None:
        return {}
    if target.kind is SessionKind.CALL:
        return {"call_uuid": target.id}
    if target.kind is SessionKind.CONFERENCE:
        return {"conference_name": target.id}
    word, _, rest = mpc_id(target.id).partition("_")
    return {f"mpc_{word}": rest}


# An enum's member costs ten times a module's name (Python 3.11), and rows are many.
_CALL, _CONFERENCE, _MIX = SessionKind.CALL, SessionKind.CONFERENCE, FileRole.MIX
_ROW = STATUS_OF_EVIDENCE["row"]
_UNFINISHED = STATUS_OF_EVIDENCE["row without url or end"]
_MEDIA_TYPES = {name: known.media_type for name, known in FORMATS.items()}


def url_in(payload: Mapping[str, Any]) -> str | None:
    """The media's URL, by whichever of its names."""
    for name in URL_FIELDS:
        if name in payload and (url := read.text(payload[name], name)) is not None:
            return url
    return None


def filter_time(moment: datetime) -> str:
    """A time as `add_time` filters want it: UTC, a space, and neither offset nor `T`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def row_id(row: Any) -> str | None:
    """Which recording a row is of, be the rest of it malformed; None where it does not say."""
    found = row.get("recording_id") if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def recording(row: Mapping[str, Any], account: str) -> Recording:
    """A Recording object of a list or a get. Raises `MalformedPayload`."""
    # Called for every row of every page: what it costs is measured (docs/performance.md).
    get, text, epoch = row.get, read.text, read.epoch_milliseconds
    recording_id = read.required_text(get("recording_id"), "recording_id")
    call_uuid = text(get("call_uuid"), "call_uuid")
    conference_name = text(get("conference_name"), "conference_name")
    kind = _kind(text(get("recording_type"), "recording_type"), call_uuid, conference_name)
    duration = read.milliseconds(get("recording_duration_ms"), "recording_duration_ms", quoted=True)
    started_at = epoch(get("recording_start_ms"), "recording_start_ms", quoted=True)
    ended_at = epoch(get("recording_end_ms"), "recording_end_ms", quoted=True)
    if duration is None and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    url = url_in(row)
    form = _format(text(get("recording_format"), "recording_format"), url)
    files: tuple[MediaFile, ...] = ()
    if url is not None:
        files = (
            MediaFile(
                "mix",
                _MIX,
                form,
                _MEDIA_TYPES.get(form) if form is not None else None,
                None,
                duration,
                None,
                None,
                url,
                None,
                None,
                read_base_name(url) or None,
            ),
        )
    return Recording(
        "plivo",
        account,
        recording_id,
        kind,
        _target(kind, call_uuid, conference_name),
        call_uuid,
        None,
        _ROW if url is not None or ended_at is not None else _UNFINISHED,
        None,
        started_at,
        ended_at,
        read.instant(get("add_time"), "add_time"),
        duration,
        None,
        form,
        None,
        None,
        None,
        files,
        None,
        None,
        None,
        row,
    )


def _kind(
    word: str | None, call_uuid: str | None, conference_name: str | None
) -> SessionKind | None:
    known = KINDS.get(word.lower()) if word is not None else None
    if known is not None:
        return known
    # Pages of 2012 said the format here ("mp3"); then the parent's name tells.
    if conference_name is not None:
        return _CONFERENCE
    if word is None or word.lower() in FORMATS:
        return _CALL if call_uuid is not None else None
    return None


def _target(
    kind: SessionKind | None, call_uuid: str | None, conference_name: str | None
) -> CommunicationSession | None:
    if kind is _CALL and call_uuid is not None:
        return read.target(kind, call_uuid, "call_uuid")
    # Names come again, session after session; it is all that the row says of its conference.
    if kind is _CONFERENCE and conference_name is not None:
        return read.target(kind, conference_name, "conference_name")
    return None


def _format(word: str | None, url: str | None) -> str | None:
    # A masking page's callback writes ".mp3".
    if word is not None:
        return word.lower().lstrip(".")
    return (read_suffix(url) or None) if url else None


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """`{"api_id": ..., "error": "not found"}`; the error is a string on the pages, and may nest."""
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
