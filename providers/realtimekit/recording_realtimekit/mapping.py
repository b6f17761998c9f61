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
    find_error_class,
    read_base_name,
    read_suffix,
)
from recording_core.plugin import readers as read

#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/monitor-status
#: PAUSED is in every enum of the API and in no table of that page.
STATUSES: Mapping[str, RecordingStatus] = {
    "INVOKED": RecordingStatus.PENDING,
    "RECORDING": RecordingStatus.RECORDING,
    "PAUSED": RecordingStatus.PAUSED,
    "UPLOADING": RecordingStatus.PROCESSING,
    "UPLOADED": RecordingStatus.AVAILABLE,  # also after seven days, see `read_recording`
    "ERRORED": RecordingStatus.FAILED,
}

#: Codes of Cloudflare's gateway, which answers before RealtimeKit does.
#: https://developers.cloudflare.com/fundamentals/api/troubleshooting
GATEWAY_CODES: Mapping[int, type[ProviderError]] = {
    7000: NotFound,  # no route for that URI
    7003: NotFound,  # an identifier in the path is invalid
    9106: AuthenticationFailed,  # a header is missing
    9109: AuthenticationFailed,  # invalid access token
    10000: AuthenticationFailed,
}

#: The codes of an unknown path, not of an unknown recording, as `ErrorDetails.code` has them.
#: https://developers.cloudflare.com/fundamentals/api/troubleshooting
NO_ROUTE = frozenset({"7000", "7003"})

#: A track's file name contains its participant: `<prefix>_user-123_peer-456_peer_audio_<ms>.webm`.
#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording
_TRACK_NAME = re.compile(r"user-(?P<user>.+?)_peer-")

_KNOWN_FORMATS = {name: (name, known.media_type) for name, known in FORMATS.items()}

# Reading an enum's member takes ten times as long as a module's name (Python 3.11), and there are
# many rows.
_AVAILABLE, _EXPIRED = RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED
_FAILED, _UNKNOWN = RecordingStatus.FAILED, RecordingStatus.UNKNOWN
_MEETING, _VIDEO = SessionKind.MEETING, FileRole.VIDEO


def read_recording(row: Mapping[str, Any], account: str, now: datetime) -> Recording:
    """Read a recording from any answer of the API. Raises `MalformedPayload`.

    `now` decides whether its media has expired: the vendor's status stays UPLOADED.
    """
    # Called for every row of every page, so its speed is measured (docs/performance.md).
    get, text, instant = row.get, read.text, read.instant
    recording_id = read.required_text(get("id"), "id")
    provider_status = text(get("status"), "status")
    status = STATUSES.get(provider_status or "", _UNKNOWN)
    started_at = instant(get("started_time"), "started_time")
    ended_at = instant(get("stopped_time"), "stopped_time")
    expires_at = instant(get("download_url_expiry"), "download_url_expiry")
    size = read.count(get("file_size"), "file_size", quoted=True)
    duration = read.seconds(get("recording_duration"), "recording_duration")
    # A sample of the vendor has 0 for a recording of 47 s.
    if not duration and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    name = text(get("output_file_name"), "output_file_name")
    files = _read_files(row, name, size, duration, expires_at)
    if status is _AVAILABLE and expires_at is not None and expires_at <= now:
        status = _EXPIRED
    meeting = read.json_object(get("meeting"), "meeting")
    target = title = None
    if meeting is not None:
        meeting_id = text(meeting.get("id"), "meeting.id")
        title = text(meeting.get("title"), "meeting.title")
    else:
        meeting_id = text(get("meeting_id"), "meeting_id")
    if meeting_id is not None:
        target = read.target(_MEETING, meeting_id, "meeting.id")
    return Recording(
        provider="realtimekit",
        account=account,
        id=recording_id,
        kind=_MEETING,
        target=target,
        reference=text(get("session_id"), "session_id"),
        title=title,
        status=status,
        provider_status=provider_status,
        started_at=started_at,
        ended_at=ended_at,
        created_at=instant(get("invoked_time"), "invoked_time"),
        duration=duration,
        size=size,
        format=files[0].format if files else _find_format(name)[0],
        files=files,
        media_expires_at=expires_at,
        error=_read_error(row) if status is _FAILED else None,
        raw=row,
    )


def _read_files(
    row: Mapping[str, Any],
    name: str | None,
    size: int | None,
    duration: timedelta | None,
    expires_at: datetime | None,
) -> tuple[MediaFile, ...]:
    """Read the video and the extra audio file, or the tracks; empty if the customer stores them."""
    url = row.get("download_url")
    if type(url) is list:
        # Every schema has a string or null; for track recordings it is an array of layers.
        return _read_tracks(url, expires_at)
    files: tuple[MediaFile, ...] = ()
    if url is not None and url != "":
        url = read.required_text(url, "download_url")
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
    audio = row.get("audio_download_url") or row.get("download_audio_url")
    if audio:
        audio = read.required_text(audio, "audio_download_url")
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


def _read_tracks(layers: list[Any], expires_at: datetime | None) -> tuple[MediaFile, ...]:
    files: dict[str, MediaFile] = {}
    for index, layer in enumerate(layers):
        path = f"download_url[{index}]"
        urls = read.json_object(
            (read.json_object(layer, path) or {}).get("download_urls"), f"{path}.download_urls"
        )
        for name, entry in (urls or {}).items():
            entry_path = f"{path}.download_urls.*"
            url = (
                entry
                if type(entry) is str
                else (read.json_object(entry, entry_path) or {}).get("download_url")
            )
            url = read.text(url, f"{entry_path}.download_url")
            if not name.strip() or url is None:
                continue  # this participant's track was not stored
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


def _read_error(row: Mapping[str, Any]) -> str | None:
    reason = row.get("stop_reason")
    if isinstance(reason, dict):
        reason = reason.get("reason")
    return reason if type(reason) is str and reason else None


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


def read_data(payload: Any) -> Any:
    """Read `data` from the envelope of an answer. Raises `MalformedPayload` without one."""
    if not isinstance(payload, dict) or payload.get("data") is None:
        raise MalformedPayload("the answer has no `data`", path="data")
    return payload["data"]


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read the gateway's `errors[]`, RealtimeKit's `error{code,message}` or Dyte's bare message."""
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
        kind=kind,
        is_error=is_error,
    )
