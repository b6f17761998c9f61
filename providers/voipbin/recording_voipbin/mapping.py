"""Mapping: how VoIPBin's payloads become recordings, files, sessions, pages and error details.

The functions are pure: they receive payloads and `now`, and return the library's values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from attrs import evolve, frozen

from recording_core import (
    CommunicationSession,
    FileRole,
    MalformedPayload,
    MediaFile,
    ProviderError,
    Recording,
    RecordingSession,
    RecordingStatus,
    Rejected,
    SessionKind,
)
from recording_core.plugin import FORMATS, ErrorDetails, Fields, find_format

#: VoIPBin's status -> ours. https://docs.voipbin.net, Recording (status). `ended` is reported
#: before the files are stored, also if they never are: see `add_files`.
STATUSES: Mapping[str, RecordingStatus] = {
    "initiating": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "stopping": RecordingStatus.STOPPING,
    "ended": RecordingStatus.PROCESSING,
}

#: The same with a `tm_end`, which proves the end: if it precedes a stop, the server writes
#: `stopping` over `ended`, and keeps it. https://github.com/voipbin/monorepo
ENDED_STATUSES = dict.fromkeys(STATUSES, RecordingStatus.PROCESSING)

#: The values of `reference_type` -> our kinds. The page names the field `type`, and has the value
#: `conference` in place of `confbridge`. https://docs.voipbin.net, Recording (type)
KINDS: Mapping[str, SessionKind] = {
    "call": SessionKind.CALL,
    "confbridge": SessionKind.CONFERENCE,
    "conference": SessionKind.CONFERENCE,
}

#: The reasons of errors which state that the recording does not exist: never existed, or deleted.
#: https://github.com/voipbin/monorepo, recordinghandler/db.go and servicehandler/recording.go
ABSENT = frozenset({"RECORDING_NOT_FOUND", "RESOURCE_NOT_FOUND"})

#: The only reasons with HTTP 400 which prove that nothing was started: they come before the request
#: reaches the servers that record. conference-manager returns 400 for every failure behind it, also
#: for a timeout after the recording was created.
#: https://github.com/voipbin/monorepo, conference-manager listenhandler/main.go
NOT_STARTED = frozenset({"INVALID_ID", "INVALID_JSON_BODY", "INVALID_REQUEST_PARAMETER"})

#: The reason of the error, with HTTP 409, to a request for a call that was deleted.
#: https://github.com/voipbin/monorepo
DELETED_SESSION = "STATE_INVALID"

#: The reasons of errors to the request for one file, after which the archive is requested: such a
#: file, or such a route, does not exist, or the credential may not read files.
#: https://github.com/voipbin/monorepo, storage-manager
FILE_REFUSED = frozenset({"FILE_NOT_FOUND", "ROUTE_NOT_FOUND", "PERMISSION_DENIED"})

#: The reasons of errors whose HTTP status implies another class. The server lacks the key that
#: signs download links: 503, but a later attempt does not change that.
#: https://github.com/voipbin/monorepo
ERRORS_BY_REASON: Mapping[str, type[ProviderError]] = {"SIGNING_NOT_CONFIGURED": Rejected}

#: The fields of a recording, a call and a conference that the pages or the source show.
#: https://docs.voipbin.net, Recording; https://github.com/voipbin/monorepo
KNOWN_FIELDS = frozenset(
    {
        *("id", "customer_id", "owner_type", "owner_id", "activeflow_id", "type", "status"),
        *("reference_type", "reference_id", "format", "on_end_flow_id", "direct_hash"),
        *("tm_start", "tm_end", "tm_create", "tm_update", "tm_delete"),
        *("recording_id", "recording_ids", "source", "destination", "action"),
    }
)

#: What stands for a UUID that is not set, and the beginning of a time that is not set.
#: https://docs.voipbin.net, Recording
NIL = "00000000-0000-0000-0000-000000000000"
UNSET_TIME = "9999-01-01"

#: The longest recording of a conference, by the source; nearly every call is shorter.
MAX_DURATION = timedelta(hours=24)
#: From the end of a recording until its files are stored: soon, usually, and at most. The server
#: stores them right after the end, and never tries again; the times are assumption 2.
SOON, USUAL_STORAGE_DELAY, MAX_STORAGE_DELAY = (
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
)

#: PCM of 8 kHz, 16 bits, mono: https://docs.voipbin.net, Recording (format)
BYTES_PER_SECOND = 16_000

#: The resolution of VoIPBin's times.
TIME_RESOLUTION = timedelta(microseconds=1)

# Reading an enum's member takes ten times as long as a module's name (Python 3.11).
_DELETED, _STOPPING = RecordingStatus.DELETED, RecordingStatus.STOPPING
_PROCESSING, _UNKNOWN = RecordingStatus.PROCESSING, RecordingStatus.UNKNOWN
_AVAILABLE, _FAILED = RecordingStatus.AVAILABLE, RecordingStatus.FAILED
_CALL = SessionKind.CALL


#: The end of a file's name, whose extension is empty if the recording has no format.
#: https://github.com/voipbin/monorepo. Compiled on first use.
_LEG = r"_(in|out)\.[a-z0-9]*\Z"


@frozen
class StorageTimes:
    """When the files of a recording are stored.

    Attributes:
        begin: not before this
        end: soon after this, and usually within `USUAL_STORAGE_DELAY`
        latest: never after this
    """

    begin: datetime
    end: datetime
    latest: datetime

    @property
    def soon(self) -> datetime:
        """The time before which they are stored, if nothing is slow."""
        return self.end + SOON


@frozen
class StoredFile:
    """A file in VoIPBin's storage.

    Attributes:
        recording_id: the id of the recording that it belongs to
        created_at: when it was stored
        file: the file
        unread: the paths of its fields that could not be read
    """

    recording_id: str
    created_at: datetime | None
    file: MediaFile
    unread: tuple[str, ...] = ()


def read_recording(row: Mapping[str, Any], account: str) -> Recording:
    """Read the recording of a list, a get or an event, without files: see `add_files`.

    Raises `MalformedPayload` without a usable id.
    """
    # Called for every row of every page, so its speed is measured (docs/performance.md).
    fields = Fields(row)
    text, instant = fields.text, fields.instant
    recording_id = fields.required_text("id")
    if recording_id == NIL:
        raise MalformedPayload("The field 'id' is the all-zero UUID", path="id")
    provider_status = text("status")
    kind = KINDS.get(text("reference_type") or text("type") or "")
    reference = text("reference_id")
    if reference == NIL:
        reference = None
    started_at, ended_at = instant("tm_start"), instant("tm_end")
    created_at, deleted_at = instant("tm_create"), instant("tm_delete")
    if fields.unread:
        _drop_unset_times(fields)
    statuses = STATUSES if ended_at is None else ENDED_STATUSES
    status = statuses.get(provider_status or "", _UNKNOWN)
    if deleted_at is not None:
        status = _DELETED
    elif status is _STOPPING and fields.is_unread("tm_end"):
        # After a stop, an end that cannot be read is an end too: its files decide.
        status = _PROCESSING
    duration = None
    if started_at is not None and ended_at is not None and ended_at >= started_at:
        duration = ended_at - started_at
    target = None
    if kind is _CALL and reference is not None:
        # A conference's reference is its confbridge, which no request accepts.
        target = fields.target(kind, "reference_id")
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
        created_at=created_at,
        duration=duration,
        format=text("format"),
        deleted_at=deleted_at,
        unread_fields=fields.unread,
        raw=row,
    )


def read_time(fields: Fields, name: str) -> datetime | None:
    """Read a time such as `...T05:31:47.87Z` or `... 05:31:47.870000`.

    None if it is not set: null, absent, empty, or in the year 9999.
    """
    found = fields.instant(name)
    if found is None and fields.unread:
        _drop_unset_times(fields)
    return found


def _drop_unset_times(fields: Fields) -> None:
    """Drop the times that are not set from the fields that could not be read."""
    # Afterwards, since most rows have none, and a look at each time before it is read is slower.
    get = fields.row.get
    fields.unread = tuple(
        name
        for name in fields.unread
        if type(value := get(name)) is not str or not value.startswith(UNSET_TIME)
    )


def read_row_time(row: Any, name: str) -> datetime | None:
    """Read a time of a row; None if it is not set or cannot be read."""
    return read_time(Fields(row), name) if isinstance(row, dict) else None


def format_page_token(at: datetime) -> str:
    """Format a time as a `page_token`, which lists what is older."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"


# -- stored files ---------------------------------------------------------------------------------


def may_have_files(recording: Recording) -> bool:
    """Whether files may be stored: the recording has ended, and was not deleted."""
    has_ended = (
        recording.ended_at is not None
        or recording.status is _PROCESSING
        or "tm_end" in recording.unread_fields
    )
    return has_ended and recording.status is not _DELETED


def count_legs(recording: Recording, files: Sequence[MediaFile]) -> int:
    """Count the files that the recording has in the end: a call has one per direction.

    If its kind cannot be read, the names of the files that it has now show it.
    https://docs.voipbin.net, Recording, documents one mixed file; the source
    (https://github.com/voipbin/monorepo) does not mix them.
    """
    is_call = recording.kind is _CALL
    if recording.kind is None:
        is_call = any((file.name or "").startswith("call_") for file in files)
    return 2 if is_call else 1


def compute_storage_times(recording: Recording) -> StorageTimes | None:
    """Compute when the recording's files are stored; None if it has no time."""
    end = recording.ended_at or recording.started_at or recording.created_at
    if end is None:
        return None
    begin = recording.created_at or recording.started_at or end
    latest = end if recording.ended_at is not None else begin + MAX_DURATION
    return StorageTimes(begin, end, latest + MAX_STORAGE_DELAY)


def is_storage_over(recording: Recording, now: datetime) -> bool:
    """Whether no file of the recording can be stored any more."""
    times = compute_storage_times(recording)
    return times is not None and times.latest <= now


def is_very_long(recording: Recording) -> bool:
    """Whether it ended so late that its files are listed among those of much newer recordings."""
    if recording.created_at is None or recording.ended_at is None:
        return False
    return recording.ended_at > recording.created_at + MAX_DURATION


def add_files(
    recording: Recording,
    stored: Sequence[StoredFile] | None,
    now: datetime,
    *,
    is_complete: bool = True,
) -> Recording:
    """Return the recording with its files, if it may have some.

    With all of them, `ended` becomes `AVAILABLE`; also with some if no other can be stored any
    more, and `FAILED` without any. If the files were not seen (None), or if some are missing and
    `stored` is not complete, the time since the end decides, and `unread_fields` has
    `storage_files`. What cannot be read of a file is added there too.
    """
    if not may_have_files(recording):
        return recording
    status = recording.status
    status = _AVAILABLE if status is _PROCESSING else status
    if stored is None:
        times = compute_storage_times(recording)
        unread = (*recording.unread_fields, "storage_files")
        is_usually_stored = times is not None and times.end + USUAL_STORAGE_DELAY <= now
        status = status if is_usually_stored else recording.status
        return evolve(recording, status=status, unread_fields=unread)
    # By name, which is `in` before `out`: the list of files is ordered by time.
    by_id = {
        file.id: file if file.format else evolve(file, format=recording.format)
        for file in (each.file for each in stored)
    }
    ordered = tuple(sorted(by_id.values(), key=lambda file: (file.name or "", file.id)))
    unread = recording.unread_fields
    for each in stored:
        if each.unread:
            unread = tuple(dict.fromkeys((*unread, *each.unread)))
    error: str | None = None
    legs = count_legs(recording, ordered)
    if len(ordered) < legs:
        if status is not _AVAILABLE or not is_storage_over(recording, now):
            return evolve(recording, files=ordered, unread_fields=unread)
        if not is_complete:
            # With the others alone, a caller could delete the one that was not read.
            return add_files(recording, None, now)
        status = _AVAILABLE if ordered else _FAILED
        count = f"{len(ordered)} of {legs} files" if ordered else "no file"
        error = f"VoIPBin stored {count}"
    sizes = [file.size for file in ordered if file.size is not None]
    size = sum(sizes) if sizes and len(sizes) == len(ordered) else None
    return evolve(
        recording, status=status, files=ordered, size=size, error=error, unread_fields=unread
    )


def read_stored_file(row: Mapping[str, Any], base_url: str) -> StoredFile | None:
    """Read a row of `/storage_files`. Raises `MalformedPayload` without usable ids.

    None for a file that does not belong to a recording, or that was deleted. The file's URL is the
    API's, below `base_url`: it redirects to a newly signed one at each request, and the signed one
    in the row expires a week after the file was stored.
    """
    fields = Fields(row)
    # Without the word, or if it cannot be read, the id of the recording decides. Uploaded files
    # have an empty one.
    word = "" if row.get("reference_type") == "" else fields.text("reference_type")
    if word is not None and word != "recording" and word.isascii():
        return None
    if read_time(fields, "tm_delete") is not None:
        return None
    file_id, recording_id = fields.required_text("id"), fields.required_text("reference_id")
    # A size of 0 is not that of a WAV, which has a header.
    size = fields.count("filesize") or None
    url = f"{base_url}/storage_files/{quote(file_id, safe='')}/file"
    file = build_leg(file_id, fields.text("filename"), size, url=url)
    created_at = read_time(fields, "tm_create")
    unread = fields.unread
    if unread:
        unread = tuple(f"storage_files.{path}" for path in unread)
    return StoredFile(recording_id, created_at, file, unread)


def find_leg(name: str | None) -> str | None:
    """Find which leg a file is by its name: `in` (from the party), `out` (to it), or None."""
    found = re.search(_LEG, name or "")
    return found and found[1]


def build_leg(
    id: str,
    name: str | None,
    size: int | None,
    format: str | None = None,
    url: str | None = None,
) -> MediaFile:
    """Build the file of one leg."""
    format = find_format(name) or format
    file_format = FORMATS.get(format or "")
    return MediaFile(
        id=id,
        role=FileRole.LEG,
        format=format,
        media_type=file_format.media_type if file_format else None,
        size=size,
        name=name,
        url=url,
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
    recording_id = Fields(row).required_text("recording_id")
    return None if recording_id == NIL else recording_id


def read_recording_ids(row: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Read the ids of all recordings of a call or conference, newest first.

    Returns also one sentence for each id that cannot be read. Raises `MalformedPayload` if the
    history is not an array.
    """
    fields = Fields(row)
    history = fields.array("recording_ids")
    if history is None and fields.is_unread("recording_ids"):
        raise MalformedPayload("The field 'recording_ids' is not an array", path="recording_ids")
    # VoIPBin leaves out an empty history.
    given = [("recording_ids", each) for each in history or ()]
    if row.get("recording_id") is not None:
        given.append(("recording_id", row["recording_id"]))
    ids: list[str] = []
    problems: list[str] = []
    for name, value in reversed(given):
        try:
            ids.append(Fields({name: value}).required_text(name))
        except MalformedPayload as error:
            problems.append(error.message)
    return [each for each in dict.fromkeys(ids) if each != NIL], problems


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

    The last page has a token too: only a page without rows ends a list. Raises `MalformedPayload`
    without an array of rows.
    """
    rows = payload.get("result") if isinstance(payload, dict) else None
    if not isinstance(rows, list):
        raise MalformedPayload("The list has no array `result`", path="result")
    return rows, read_row_time(payload, "next_page_token")


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read `{"error": {"status", "reason", "message", "request_id"}}`, with any HTTP status.

    https://docs.voipbin.net, RESTful API (errors)
    """
    error = payload.get("error")
    if not isinstance(error, dict):
        return ErrorDetails(recognized=False)
    texts = {name: value for name, value in error.items() if isinstance(value, str) and value}
    status, reason = texts.get("status"), texts.get("reason")
    return ErrorDetails(
        code=reason or status,
        message=texts.get("message"),
        request_id=texts.get("request_id"),
        # Other APIs have an error with a `status` too, but not with a `reason`.
        recognized=status is not None and reason is not None,
        absent=reason in ABSENT,
        kind=ERRORS_BY_REASON.get(reason or ""),
        is_error=True,  # no success has this field
    )
