"""Mapping: how VoIPBin's payloads become recordings, files, sessions, pages and error details.

The functions are pure: they receive payloads and `now`, and return the library's values.
"""

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

#: VoIPBin's status -> ours. https://docs.voipbin.net, Recording (status). `ended` is reported
#: before the files are stored: see `add_files`. `stopping` may be reported after the end: see
#: `read_recording`.
STATUSES: Mapping[str, RecordingStatus] = {
    "initiating": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "stopping": RecordingStatus.STOPPING,
    "ended": RecordingStatus.PROCESSING,
}

#: The values of `reference_type` -> our kinds. The page names the field `type`, and has the value
#: `conference` in place of `confbridge`. https://docs.voipbin.net, Recording (type)
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "confbridge": SessionKind.CONFERENCE,
    "conference": SessionKind.CONFERENCE,
}

#: What stands for a UUID that is not set, and the beginning of a time that is not set.
#: https://docs.voipbin.net, Recording
NIL = "00000000-0000-0000-0000-000000000000"
UNSET_TIME = "9999-01-01"

#: The longest recording of a conference, by the source; nearly every call is shorter.
MAX_DURATION = timedelta(hours=24)
#: From the end of a recording until its files are stored: usually, and at most. Neither is
#: documented; the server waits half a minute before it moves them.
USUAL_STORAGE_DELAY, MAX_STORAGE_DELAY = timedelta(minutes=10), timedelta(hours=1)

#: PCM of 8 kHz, 16 bits, mono: https://docs.voipbin.net, Recording (format)
BYTES_PER_SECOND = 16_000

#: The resolution of VoIPBin's times.
TIME_RESOLUTION = timedelta(microseconds=1)

# Reading an enum's member takes ten times as long as a module's name (Python 3.11).
_DELETED, _STOPPING = RecordingStatus.DELETED, RecordingStatus.STOPPING
_PROCESSING, _CALL = RecordingStatus.PROCESSING, SessionKind.CALL


@frozen
class StoredFile:
    """A file in VoIPBin's storage, with the id of the recording that it belongs to."""

    recording_id: str
    created_at: datetime | None
    file: MediaFile


def read_recording(row: Mapping[str, Any], account: str) -> Recording:
    """Read the recording of a list, a get or an event, without files: see `add_files`.

    Raises `MalformedPayload`.
    """
    recording_id = read_uuid(row.get("id"), "id")
    if recording_id is None:
        raise MalformedPayload("The field 'id' is the all-zero UUID", path="id")
    provider_status = read.text(row.get("status"), "status")
    kind_field = "reference_type" if row.get("reference_type") is not None else "type"
    kind = KINDS.get(read.text(row.get(kind_field), kind_field) or "")
    reference = read_uuid(row.get("reference_id"), "reference_id", optional=True)
    started_at = read_time(row.get("tm_start"), "tm_start")
    ended_at = read_time(row.get("tm_end"), "tm_end")
    deleted_at = read_time(row.get("tm_delete"), "tm_delete")
    status = read.status_of(provider_status, STATUSES)
    if deleted_at is not None:
        status = _DELETED
    elif status is _STOPPING and ended_at is not None:
        # If the end precedes the stop, the server writes `stopping` over `ended`, and keeps it.
        status = _PROCESSING
    duration = None
    if started_at is not None and ended_at is not None and ended_at >= started_at:
        duration = ended_at - started_at
    target = None
    if kind is _CALL and reference is not None:
        # A conference's reference is its confbridge, which no request accepts.
        target = read.target(kind, reference, "reference_id")
    return Recording(
        provider="voipbin",
        account=account,
        id=recording_id,
        kind=kind,
        target=target,
        reference=reference,
        status=status,
        provider_status=provider_status,
        started_at=started_at,
        ended_at=ended_at,
        created_at=read_time(row.get("tm_create"), "tm_create"),
        duration=duration,
        format=read.text(row.get("format"), "format"),
        deleted_at=deleted_at,
        raw=row,
    )


def read_uuid(value: Any, path: str, *, optional: bool = False) -> str | None:
    """Read an id; None for the all-zero one, and for an absent one if it is optional."""
    given = read.text(value, path) if optional else read.required_text(value, path)
    return None if given == NIL else given


def read_time(value: Any, path: str) -> datetime | None:
    """Read a time such as `...T05:31:47.87Z` or `... 05:31:47.870000`. Raises `MalformedPayload`.

    None if it is not set: null, absent, empty, or in the year 9999.
    """
    if type(value) is str and value.startswith(UNSET_TIME):
        return None
    return read.instant(value, path)


def try_read_time(row: Any, name: str) -> datetime | None:
    """Read a time of a row; None if it is not set or malformed."""
    try:
        return read_time(row.get(name), name) if isinstance(row, dict) else None
    except MalformedPayload:
        return None


def format_page_token(at: datetime) -> str:
    """Format a time as a `page_token`, which lists what is older."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


# -- stored files ---------------------------------------------------------------------------------


def may_have_files(recording: Recording) -> bool:
    """Whether files may be stored: the recording has ended, and was not deleted."""
    has_ended = recording.ended_at is not None or recording.status is _PROCESSING
    return has_ended and recording.status is not _DELETED


def count_legs(recording: Recording) -> int:
    """Count the files that the recording has in the end: a call has one per direction.

    https://docs.voipbin.net, Recording, documents one mixed file; the source
    (https://github.com/voipbin/monorepo) does not mix them.
    """
    return 2 if recording.kind is _CALL else 1


def compute_storage_times(recording: Recording) -> tuple[datetime, datetime] | None:
    """Compute the times before which files are stored: usually, and at the latest.

    The second is the same for all recordings that were created at the same time, unless they last
    very long. None if the recording has no time.
    """
    end = recording.ended_at or recording.started_at or recording.created_at
    if end is None:
        return None
    begin = recording.created_at or recording.started_at or end
    return end + USUAL_STORAGE_DELAY, max(begin + MAX_DURATION, end) + MAX_STORAGE_DELAY


def is_very_long(recording: Recording) -> bool:
    """Whether it ended so late that its files are listed among those of much newer recordings."""
    if recording.created_at is None or recording.ended_at is None:
        return False
    return recording.ended_at > recording.created_at + MAX_DURATION


def add_files(recording: Recording, files: Sequence[MediaFile] | None, now: datetime) -> Recording:
    """Return the recording with its files, if it may have some.

    With all of them, `ended` becomes `AVAILABLE`. If the files could not be read (None), the time
    since the end decides.
    """
    if not may_have_files(recording):
        return recording
    status = recording.status
    status = RecordingStatus.AVAILABLE if status is _PROCESSING else status
    if files is None:
        times = compute_storage_times(recording)
        is_usually_stored = times is not None and times[0] <= now
        return evolve(recording, status=status) if is_usually_stored else recording
    # By name, which is `in` before `out`: the list of files is ordered by time.
    by_id = {file.id: evolve(file, format=file.format or recording.format) for file in files}
    ordered = tuple(sorted(by_id.values(), key=lambda file: (file.name or "", file.id)))
    if len(ordered) < count_legs(recording):
        return evolve(recording, files=ordered)
    sizes = [file.size for file in ordered if file.size is not None]
    size = sum(sizes) if len(sizes) == len(ordered) else None
    return evolve(recording, status=status, files=ordered, size=size)


def read_stored_file(row: Mapping[str, Any]) -> StoredFile | None:
    """Read a row of `/storage_files`. Raises `MalformedPayload`.

    None for a file that does not belong to a recording, or that was deleted.
    """
    if read.text(row.get("reference_type"), "reference_type") != "recording":
        return None
    if read_time(row.get("tm_delete"), "tm_delete") is not None:
        return None
    file_id = read.required_text(row.get("id"), "id")
    name = read.text(row.get("filename"), "filename")
    size = read.count(row.get("filesize"), "filesize")
    return StoredFile(
        recording_id=read.required_text(row.get("reference_id"), "reference_id"),
        created_at=read_time(row.get("tm_create"), "tm_create"),
        file=build_leg(file_id, name, size),
    )


def build_leg(id: str, name: str | None, size: int | None, format: str | None = None) -> MediaFile:
    """Build the file of one WAV. It has no URL: VoIPBin's expires a day after it was stored."""
    format = find_format(name) or format
    file_format = FORMATS.get(format or "")
    return MediaFile(
        id=id,
        role=FileRole.LEG,
        format=format,
        media_type=file_format.media_type if file_format else None,
        size=size,
        name=name,
    )


def compute_max_leg_bytes(recording: Recording) -> int:
    """Compute the largest size of one leg: by the recording's duration, or as it is reported."""
    longest = (recording.duration or MAX_DURATION) + timedelta(minutes=10)
    sizes = [file.size for file in recording.files if file.size is not None]
    return max([round(longest.total_seconds()) * BYTES_PER_SECOND, *sizes])


def read_current_recording_id(row: Mapping[str, Any]) -> str | None:
    """Read the id of a call's or conference's current recording. Raises `MalformedPayload`.

    It may have ended: only an explicit stop clears the field.
    """
    return read_uuid(row.get("recording_id"), "recording_id")


def read_recording_ids(row: Mapping[str, Any]) -> list[str]:
    """Read the ids of all recordings of a call or conference, newest first."""
    # VoIPBin leaves out an empty history.
    history = read.array(row.get("recording_ids"), "recording_ids") or []
    ids = [read_uuid(each, "recording_ids") for each in history]
    ids.append(read_uuid(row.get("recording_id"), "recording_id", optional=True))
    return list(dict.fromkeys(each for each in reversed(ids) if each is not None))


def build_session(recording: Recording, target: CommunicationSession) -> RecordingSession:
    """Build the recording session that makes a recording."""
    return RecordingSession(
        provider="voipbin",
        account=recording.account,
        id=recording.id,
        target=target,
        status=recording.status,
        provider_status=recording.provider_status,
        started_at=recording.started_at,
        stopped_at=recording.ended_at,
        raw=recording.raw,
    )


# -- envelopes ------------------------------------------------------------------------------------


def read_page(payload: Any) -> tuple[list[Any], datetime | None]:
    """Read the rows of a page, and the time in its token, which is that of the last row.

    The last page has a token too: only a page without rows ends a list. Raises `MalformedPayload`.
    """
    rows = read.array(payload.get("result"), "result") if isinstance(payload, dict) else None
    if rows is None:
        raise MalformedPayload("The list has no field `result`", path="result")
    return rows, try_read_time(payload, "next_page_token")


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read `{"error": {"status", "reason", "message", "request_id"}}`, with any HTTP status.

    https://docs.voipbin.net, RESTful API (errors)
    """
    error = payload.get("error")
    if not isinstance(error, dict):
        return ErrorDetails()
    texts = {name: value for name, value in error.items() if isinstance(value, str) and value}
    return ErrorDetails(
        code=texts.get("reason") or texts.get("status"),
        message=texts.get("message"),
        request_id=texts.get("request_id"),
        is_error=True,  # no success has this field
    )
