"""How do VoIPBin's words and fields become ours? Pure: payloads and `now` in, values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen

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
from recording_core.plugin import FORMATS, ErrorDetails, find_format
from recording_core.plugin import readers as read

#: https://docs.voipbin.net, Recording (status). `ended` is said before the files are stored,
#: `stopping` may be said after the end: see `recording` and `with_files`.
STATUSES: Mapping[str, RecordingStatus] = {
    "initiating": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "stopping": RecordingStatus.STOPPING,
    "ended": RecordingStatus.PROCESSING,
}

#: `reference_type`, which the page of the recording calls `type`, and a confbridge `conference`.
#: https://docs.voipbin.net, Recording (type)
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "confbridge": SessionKind.CONFERENCE,
    "conference": SessionKind.CONFERENCE,
}
KIND_FIELDS = ("reference_type", "type")

#: How many files there will be: of a call, each direction by itself. The page says that they are
#: mixed; its server's source, and what it gives out, do not.
LEGS: Mapping[SessionKind | None, int] = {SessionKind.CALL: 2, SessionKind.CONFERENCE: 1, None: 1}

#: What is written of a UUID that is not set, and of a time, with a space or a T between.
#: https://docs.voipbin.net, Recording
NIL = "00000000-0000-0000-0000-000000000000"
UNSET = "9999-01-01"

#: The longest that a conference's recording may last, and nearly every call's.
LONGEST = timedelta(hours=24)
#: From the end of a recording until its files are stored: mostly, and at the latest. Neither is
#: documented; half a minute is what the server waits before it moves them.
MOSTLY_STORED, LATEST_STORED = timedelta(minutes=10), timedelta(hours=1)

#: PCM of 8 kHz, 16 bits, mono: https://docs.voipbin.net, Recording (format)
BYTES_A_SECOND = 16_000

#: The grain of VoIPBin's times.
TICK = timedelta(microseconds=1)


@frozen
class StoredFile:
    """One file in VoIPBin's storage, and the recording that it is of."""

    recording_id: str
    created_at: datetime | None
    file: MediaFile


def moment(value: Any, path: str) -> datetime | None:
    """A time of any of three ages: `...T05:31:47.87Z`, `... 05:31:47.870000`, or one of the ways
    to say that it has not come: null, absent, empty, and the year 9999.
    """
    if type(value) is str and value.startswith(UNSET):
        return None
    return read.instant(value, path)


def page_token(at: datetime) -> str:
    """A time as `page_token` wants it, which lists what is older."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


# An enum's member costs ten times a module's name (Python 3.11), and rows are many.
_DELETED, _STOPPING, _PROCESSING = (
    RecordingStatus.DELETED,
    RecordingStatus.STOPPING,
    RecordingStatus.PROCESSING,
)
_CALL = SessionKind.CALL


def recording(row: Mapping[str, Any], account: str) -> Recording:
    """A recording of a list or a get; what is stored of it, `with_files` adds.

    Raises `MalformedPayload`.
    """
    recording_id = uuid(row.get("id"), "id")
    if recording_id is None:
        raise MalformedPayload("field 'id' is nil", path="id")
    word = read.text(row.get("status"), "status")
    key = next((name for name in KIND_FIELDS if row.get(name) is not None), KIND_FIELDS[0])
    kind = KINDS.get(read.text(row.get(key), key) or "")
    reference = uuid(row.get("reference_id"), "reference_id", optional=True)
    started_at = moment(row.get("tm_start"), "tm_start")
    ended_at = moment(row.get("tm_end"), "tm_end")
    deleted_at = moment(row.get("tm_delete"), "tm_delete")
    status = read.status_of(word, STATUSES)
    if deleted_at is not None:
        status = _DELETED
    elif status is _STOPPING and ended_at is not None:
        # Written after `ended` where the end came quicker; nothing comes after it.
        status = _PROCESSING
    duration = None
    if started_at is not None and ended_at is not None and ended_at >= started_at:
        duration = ended_at - started_at
    target = None
    if kind is _CALL and reference is not None:
        # A conference's reference is its confbridge, which no verb takes.
        target = read.target(kind, reference, "reference_id")
    return Recording(
        provider="voipbin",
        account=account,
        id=recording_id,
        kind=kind,
        target=target,
        reference=reference,
        status=status,
        provider_status=word,
        started_at=started_at,
        ended_at=ended_at,
        created_at=moment(row.get("tm_create"), "tm_create"),
        duration=duration,
        format=read.text(row.get("format"), "format"),
        deleted_at=deleted_at,
        raw=row,
    )


def uuid(value: Any, path: str, *, optional: bool = False) -> str | None:
    """An id as it is; None for the nil one, and for none at all where it is optional."""
    given = read.text(value, path) if optional else read.required_text(value, path)
    return None if given == NIL else given


# -- what is stored -------------------------------------------------------------------------------


def may_have_files(seen: Recording) -> bool:
    """Whether it is worth asking: it is over, and not deleted."""
    over = seen.ended_at is not None or seen.status is RecordingStatus.PROCESSING
    return over and seen.status is not RecordingStatus.DELETED


def is_whole(seen: Recording, files: Sequence[MediaFile]) -> bool:
    """Whether there is one file a leg."""
    return len(files) >= LEGS[seen.kind]


def stored_by(seen: Recording) -> tuple[datetime, datetime] | None:
    """When its files were stored: mostly before the first moment, and before the second at the
    latest, which is the same for all that were created together unless they last for very long.
    """
    end = seen.ended_at or seen.started_at or seen.created_at
    if end is None:
        return None
    begin = seen.created_at or seen.started_at or end
    return end + MOSTLY_STORED, max(begin + LONGEST, end) + LATEST_STORED


def is_very_long(seen: Recording) -> bool:
    """Whether it ended so late that its files lie among those of much younger recordings."""
    if seen.created_at is None or seen.ended_at is None:
        return False
    return seen.ended_at > seen.created_at + LONGEST


def with_files(seen: Recording, files: Sequence[MediaFile] | None, now: datetime) -> Recording:
    """The recording with its files; with None, where storage does not tell, time has to."""
    status = seen.status
    if files is None:
        end = seen.ended_at or seen.started_at or seen.created_at
        if status is RecordingStatus.PROCESSING and end is not None and end + MOSTLY_STORED <= now:
            status = RecordingStatus.AVAILABLE
        return evolve(seen, status=status)
    # In, then out, in every answer; storage has them in the order in which they came.
    by_id = {file.id: evolve(file, format=file.format or seen.format) for file in files}
    named = tuple(sorted(by_id.values(), key=lambda file: (file.name or "", file.id)))
    size = None
    if is_whole(seen, named):
        if status is RecordingStatus.PROCESSING:
            status = RecordingStatus.AVAILABLE
        sizes = [file.size for file in named if file.size is not None]
        size = sum(sizes) if len(sizes) == len(named) else None
    return evolve(seen, status=status, files=named, size=size)


def stored_file(row: Mapping[str, Any]) -> StoredFile | None:
    """A row of `/storage_files`; None for what is no recording's, or was deleted.

    Raises `MalformedPayload`.
    """
    if read.text(row.get("reference_type"), "reference_type") != "recording":
        return None
    if moment(row.get("tm_delete"), "tm_delete") is not None:
        return None
    name = read.text(row.get("filename"), "filename")
    return StoredFile(
        recording_id=read.required_text(row.get("reference_id"), "reference_id"),
        created_at=moment(row.get("tm_create"), "tm_create"),
        file=leg(
            read.required_text(row.get("id"), "id"),
            name,
            read.count(row.get("filesize"), "filesize"),
        ),
    )


def leg(id: str, name: str | None, size: int | None, format: str | None = None) -> MediaFile:
    """One WAV. It has no URL of its own: the vendor's lives for a day from when it was stored."""
    format = find_format(name) or format
    known = FORMATS.get(format or "")
    return MediaFile(
        id=id,
        role=FileRole.LEG,
        format=format,
        media_type=known.media_type if known else None,
        size=size,
        name=name,
    )


def most_bytes(seen: Recording) -> int:
    """What one leg of it may be at most, where nobody says its size."""
    longest = (seen.duration or LONGEST) + timedelta(minutes=10)
    return round(longest.total_seconds()) * BYTES_A_SECOND


# -- calls and conferences ------------------------------------------------------------------------


def running_id(row: Mapping[str, Any]) -> str | None:
    """What is recorded of a call or conference, or was: only an explicit stop clears it."""
    return uuid(row.get("recording_id"), "recording_id")


def recording_ids(row: Mapping[str, Any]) -> list[str]:
    """All its recordings, newest first."""
    history = read.array(row.get("recording_ids"), "recording_ids") or []  # left out where empty
    ids = [uuid(each, "recording_ids") for each in history]
    ids.append(uuid(row.get("recording_id"), "recording_id", optional=True))
    return list(dict.fromkeys(each for each in reversed(ids) if each is not None))


def session(seen: Recording, target: CommunicationSession) -> RecordingSession:
    """The act of recording, from the recording that it makes."""
    return RecordingSession(
        provider="voipbin",
        account=seen.account,
        id=seen.id,
        target=target,
        status=seen.status,
        provider_status=seen.provider_status,
        started_at=seen.started_at,
        stopped_at=seen.ended_at,
        raw=seen.raw,
    )


# -- envelopes ------------------------------------------------------------------------------------


def page(payload: Any) -> tuple[list[Any], datetime | None]:
    """The rows of a page, and the moment that its token says they reach back to.

    There is a token also on the last page: only a page without rows ends a list.
    """
    rows = read.array(payload.get("result"), "result") if isinstance(payload, dict) else None
    if rows is None:
        raise MalformedPayload("a list without a result", path="result")
    return rows, known_moment(payload, "next_page_token")


def known_moment(row: Any, name: str) -> datetime | None:
    """A time, or None where it cannot be read, be it malformed."""
    try:
        return moment(row.get(name), name) if isinstance(row, dict) else None
    except MalformedPayload:
        return None


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """`{"error": {"status", "reason", "message", "request_id"}}`, whatever the HTTP status."""
    error = payload.get("error")
    if not isinstance(error, dict):
        return ErrorDetails()
    words = {name: error.get(name) for name in ("status", "reason", "message", "request_id")}
    said = {name: word for name, word in words.items() if isinstance(word, str) and word}
    return ErrorDetails(
        code=said.get("reason") or said.get("status"),
        message=said.get("message"),
        request_id=said.get("request_id"),
        is_error=True,  # no answer that worked has this field
    )
