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
    Refusal,
    SessionKind,
)
from recording_core import readers as read
from recording_core.media_types import FORMATS, base_name, suffix_of

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


def url_in(payload: Mapping[str, Any]) -> str | None:
    """The media's URL, by whichever of its names."""
    for name in URL_FIELDS:
        url = read.text(payload.get(name), name)
        if url is not None:
            return url
    return None


def filter_time(moment: datetime) -> str:
    """A time as `add_time` filters want it: UTC, a space, and neither offset nor `T`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def recording(row: Mapping[str, Any], account: str) -> Recording:
    """A Recording object of a list or a get. Raises `MalformedPayload`."""
    recording_id = read.required_text(row.get("recording_id"), "recording_id")
    call_uuid = read.text(row.get("call_uuid"), "call_uuid")
    conference_name = read.text(row.get("conference_name"), "conference_name")
    word = read.text(row.get("recording_type"), "recording_type")
    kind = _kind(word, call_uuid, conference_name)
    duration = read.milliseconds(
        row.get("recording_duration_ms"), "recording_duration_ms", quoted=True
    )
    started_at = read.epoch_milliseconds(
        row.get("recording_start_ms"), "recording_start_ms", quoted=True
    )
    ended_at = read.epoch_milliseconds(row.get("recording_end_ms"), "recording_end_ms", quoted=True)
    if duration is None and started_at is not None and ended_at is not None:
        duration = ended_at - started_at
    url = url_in(row)
    format = _format(read.text(row.get("recording_format"), "recording_format"), url)
    evidence = "row" if url is not None or ended_at is not None else "row without url or end"
    files: tuple[MediaFile, ...] = ()
    if url is not None:
        known = FORMATS.get(format or "")
        files = (
            MediaFile(
                id="mix",
                role=FileRole.MIX,
                format=format,
                media_type=known.media_type if known else None,
                duration=duration,
                url=url,
                name=base_name(url) or None,
            ),
        )
    return Recording(
        provider="plivo",
        account=account,
        id=recording_id,
        kind=kind,
        target=_target(kind, call_uuid, conference_name),
        reference=call_uuid,
        status=STATUS_OF_EVIDENCE[evidence],
        started_at=started_at,
        ended_at=ended_at,
        created_at=read.instant(row.get("add_time"), "add_time"),
        duration=duration,
        format=format,
        files=files,
        raw=row,
    )


def _kind(
    word: str | None, call_uuid: str | None, conference_name: str | None
) -> SessionKind | None:
    if word is not None and word.lower() in KINDS:
        return KINDS[word.lower()]
    # Pages of 2012 said the format here ("mp3"); then the parent's name tells.
    if conference_name is not None:
        return SessionKind.CONFERENCE
    if word is None or word.lower() in FORMATS:
        return SessionKind.CALL if call_uuid is not None else None
    return None


def _target(
    kind: SessionKind | None, call_uuid: str | None, conference_name: str | None
) -> CommunicationSession | None:
    if kind is SessionKind.CALL and call_uuid is not None:
        return read.target(kind, call_uuid, "call_uuid")
    # Names come again, session after session; it is all that the row says of its conference.
    if kind is SessionKind.CONFERENCE and conference_name is not None:
        return read.target(kind, conference_name, "conference_name")
    return None


def _format(word: str | None, url: str | None) -> str | None:
    # A masking page's callback writes ".mp3".
    if word is not None:
        return word.lower().lstrip(".")
    return (suffix_of(url) or None) if url else None


def refusal(payload: Mapping[str, Any]) -> Refusal:
    """`{"api_id": ..., "error": "not found"}`; the error is a string on the pages, and may nest."""
    error = payload.get("error")
    if isinstance(error, dict):
        error = error.get("error") or error.get("message")
    if isinstance(error, list):
        error = "; ".join(str(each) for each in error)
    api_id = payload.get("api_id")
    return Refusal(
        message=error if isinstance(error, str) else None,
        request_id=api_id if isinstance(api_id, str) else None,
    )
