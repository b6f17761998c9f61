"""Mapping: RealtimeKit's words and fields, read into ours. Pure functions of payloads and `now`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recording_core import (
    AuthenticationFailed,
    CommunicationSession,
    FileRole,
    MalformedPayload,
    MediaFile,
    NotFound,
    ProviderError,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import (
    FORMATS,
    ErrorDetails,
    Fields,
    find_error_class,
    read_base_name,
    read_suffix,
)

#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/monitor-status
#: PAUSED is in every enum of the API and in no table of that page.
STATUSES: Mapping[str, RecordingStatus] = {
    "INVOKED": RecordingStatus.PENDING,
    "RECORDING": RecordingStatus.RECORDING,
    "PAUSED": RecordingStatus.PAUSED,
    "UPLOADING": RecordingStatus.PROCESSING,
    "UPLOADED": RecordingStatus.AVAILABLE,  # the last word, also without files: `_find_end_status`
    "ERRORED": RecordingStatus.FAILED,
}

#: How long files exist after the upload.
#: https://developers.cloudflare.com/realtime/realtimekit/data-retention
RETENTION = timedelta(days=7)
#: https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings
LONGEST_RECORDING = timedelta(hours=24)

#: Codes of Cloudflare's gateway, which answers before RealtimeKit does.
#: https://developers.cloudflare.com/fundamentals/api/troubleshooting
GATEWAY_CODES: Mapping[int, type[ProviderError]] = {
    7000: NotFound,  # no route for that URI
    7003: NotFound,  # an identifier in the path is invalid
    9106: AuthenticationFailed,  # a header is missing
    9109: AuthenticationFailed,  # invalid access token
    10000: AuthenticationFailed,
}

#: A track's file name contains its participant: `<prefix>_user-123_peer-456_peer_audio_<ms>.webm`.
#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording
_TRACK_NAME = re.compile(r"user-(?P<user>.+?)_peer-")

_KNOWN_FORMATS = {name: (name, known.media_type) for name, known in FORMATS.items()}

# Reading an enum's member takes ten times as long as a module's name (Python 3.11), and there are
# many rows.
_AVAILABLE, _EXPIRED = RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED
_FAILED, _UNKNOWN = RecordingStatus.FAILED, RecordingStatus.UNKNOWN
_EMPTY = RecordingStatus.EMPTY
_MEETING, _VIDEO = SessionKind.MEETING, FileRole.VIDEO


def read_recording(row: Mapping[str, Any], account: str, now: datetime) -> Recording:
    """Read a recording from any answer of the API. Raises `MalformedPayload` without a usable id.

    `now` decides whether its media has expired: the vendor's status stays UPLOADED.
    """
    # Called for every row of every page, so its speed is measured (docs/performance.md).
    fields = Fields(row)
    text, instant = fields.text, fields.instant
    recording_id = fields.required_text("id")
    provider_status = text("status")
    status = STATUSES.get(provider_status or "", _UNKNOWN)
    started_at = instant("started_time")
    ended_at = instant("stopped_time")
    expires_at = instant("download_url_expiry")
    size = fields.count("file_size", quoted=True) or None  # 0: not reported, as of tracks
    # A sample of the vendor has 0 for a recording of 47 s.
    duration = reported_duration = fields.seconds("recording_duration") or None
    is_absent = duration is None and not fields.is_unread("recording_duration")
    if is_absent and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    name = text("output_file_name")
    files = _read_files(fields, name, size, reported_duration, expires_at)
    created_at = instant("invoked_time")
    error: str | None = None
    if status is _FAILED:
        error = _read_error(fields)
    elif status is _AVAILABLE and expires_at is not None and expires_at <= now:
        status = _EXPIRED
    elif status is _AVAILABLE and expires_at is None:
        latest = created_at + LONGEST_RECORDING if created_at is not None else None
        status, error = _find_end_status(fields, files, ended_at or latest, now)
    meeting = fields.object("meeting")
    if meeting is not None:
        target, title = meeting.target(_MEETING, "id"), meeting.text("title")
    else:
        target, title = fields.target(_MEETING, "meeting_id"), None
    return Recording(
        provider="realtimekit",
        account=account,
        id=recording_id,
        kind=_MEETING,
        target=target,
        reference=text("session_id"),
        title=title,
        status=status,
        provider_status=provider_status,
        started_at=started_at,
        ended_at=ended_at,
        created_at=created_at,
        duration=duration,
        size=size,
        format=files[0].format if files else _find_format(name)[0],
        files=files,
        media_expires_at=expires_at,
        error=error,
        unread_fields=fields.unread,
        raw=row,
    )


def _find_end_status(
    fields: Fields, files: tuple[MediaFile, ...], ended_at: datetime | None, now: datetime
) -> tuple[RecordingStatus, str | None]:
    """Find the status of an upload without a readable expiry, and the reason of a failure."""
    if files and not fields.is_unread("download_url_expiry"):
        return _AVAILABLE, None
    if not files and find_own_storage(fields.row) is not None:
        return _AVAILABLE, None
    if ended_at is not None and ended_at + RETENTION <= now:
        return _EXPIRED, None
    if files or fields.is_unread("download_url") or fields.is_unread("file_size"):
        return _AVAILABLE, None
    if type(fields.row.get("download_url")) is list:
        return _EMPTY, None  # a recording of tracks, without any track
    # A webhook has no `storage_config`, so that the file may be in the customer's storage.
    if "storage_config" in fields.row and fields.row.get("file_size") in (0, "0"):
        return _FAILED, "RealtimeKit stored no file"
    return _AVAILABLE, None


def find_own_storage(row: Mapping[str, Any]) -> str | None:
    """Find the type of the customer's storage that an answer names, such as `aws`."""
    storage = row.get("storage_config")
    if not isinstance(storage, dict) or not storage:
        return None
    found = storage.get("type")
    return found if isinstance(found, str) and found else "of an unknown type"


def _read_files(
    fields: Fields,
    name: str | None,
    size: int | None,
    duration: timedelta | None,
    expires_at: datetime | None,
) -> tuple[MediaFile, ...]:
    """Read the video and the extra audio file, or the tracks; empty if the customer stores them."""
    url = fields.row.get("download_url")
    files: tuple[MediaFile, ...] = ()
    if type(url) is list:
        # Every schema has a string or null; for track recordings it is an array of layers.
        files = _read_tracks(fields, url, expires_at)
    elif url is not None and (url := fields.url("download_url")) is not None:
        format_name, media_type = _find_format(name, url)
        files = (
            MediaFile(
                id="video",
                role=_VIDEO,
                format=format_name,
                media_type=media_type,
                size=size,
                duration=duration,
                url=url,
                url_expires_at=expires_at,
                name=name,
            ),
        )
    # The sample of one page has `download_audio_url`.
    audio = fields.url("audio_download_url") or fields.url("download_audio_url")
    if audio is not None:
        format_name, media_type = _find_format(None, audio)
        audio_file = MediaFile(
            id="audio",
            role=FileRole.AUDIO,
            format=format_name,
            media_type=media_type,
            duration=duration,
            url=audio,
            url_expires_at=expires_at,
            name=read_base_name(audio) or None,
        )
        return (*files, audio_file)
    return files


def _read_tracks(
    fields: Fields, layers: list[Any], expires_at: datetime | None
) -> tuple[MediaFile, ...]:
    files: dict[str, MediaFile] = {}
    for index, layer in enumerate(layers):
        if not isinstance(layer, dict):
            fields.leave_out("download_url")
            continue
        urls = fields.nest(layer, "download_url").object("download_urls")
        for name, entry in urls.row.items() if urls is not None else ():
            url = entry
            if isinstance(entry, dict):
                url = fields.nest(entry, "download_url.download_urls").text("download_url")
            elif entry is not None and type(entry) is not str:
                fields.leave_out("download_url.download_urls")
                continue
            if not name.strip() or not url or "\ufffd" in url:
                continue  # this participant's track was not stored, or its URL is cut
            format_name, media_type = _find_format(name, url)
            user = _TRACK_NAME.search(name)
            # Two layers may use the same file name.
            file_id = name if name not in files else f"{index}/{name}"
            files[file_id] = MediaFile(
                id=file_id,
                role=FileRole.TRACK,
                format=format_name,
                media_type=media_type,
                participant=user["user"] if user else None,
                url=url,
                url_expires_at=expires_at,
                name=name,
            )
    return tuple(files.values())


def _find_format(name: str | None, url: str | None = None) -> tuple[str | None, str | None]:
    """Find the format by the suffix of a file's name, else of its URL; and its media type."""
    if name:
        known = _KNOWN_FORMATS.get(name.rpartition(".")[2])
        if known is not None:
            return known
    # The answer to a track's start has the template `{{file_name_prefix}}_…webm` as a name.
    for suffix in (read_suffix(name or ""), read_suffix(url or "")):
        if suffix.isalnum() and len(suffix) <= 5:
            return _KNOWN_FORMATS.get(suffix, (suffix, None))
    return None, None


def _read_error(fields: Fields) -> str | None:
    if type(fields.row.get("stop_reason")) is str:
        return fields.text("stop_reason")
    reason = fields.object("stop_reason")
    return reason.text("reason") if reason is not None else None


def read_session(
    row: Mapping[str, Any], target: CommunicationSession, account: str, now: datetime
) -> RecordingSession:
    """Read a recording session from the answer of start, active and the three actions."""
    recording = read_recording(row, account, now)
    return RecordingSession(
        provider="realtimekit",
        account=account,
        id=recording.id,
        target=target,
        status=recording.status,
        provider_status=recording.provider_status,
        started_at=recording.started_at,
        stopped_at=recording.ended_at,
        raw=row,
    )


def read_data(payload: Any) -> Mapping[str, Any]:
    """Read `data` from the envelope of an answer. Raises `MalformedPayload` without an object."""
    data = payload.get("data") if isinstance(payload, dict) else None
    if not isinstance(data, dict):
        raise MalformedPayload("The answer has no object `data`", path="data")
    return data


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read the gateway's `errors[]`, RealtimeKit's `error{code,message}` or Dyte's bare message.

    No code names the resource that is absent: RealtimeKit's 404 is also that of an unknown app. The
    bare message is documented for a 401 only, and other servers send the same.
    """
    is_error = payload.get("success") is False
    error, errors = payload.get("error"), payload.get("errors")
    kind = None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        error = errors[0]
        kind = GATEWAY_CODES.get(error["code"]) if type(error.get("code")) is int else None
    elif isinstance(error, dict):
        # RealtimeKit's code is the HTTP status; it decides if the response itself has 200.
        is_status = is_error and type(error.get("code")) is int
        kind = find_error_class(error["code"]) if is_status else None
    else:
        error = {"message": payload.get("message")}
    code, message = error.get("code"), error.get("message")
    return ErrorDetails(
        code=str(code) if type(code) in (int, str) else None,
        message=message if type(message) is str and message else None,
        recognized=is_error and type(code) is int,
        kind=kind,
        is_error=is_error,
    )
