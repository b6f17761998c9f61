"""How do RealtimeKit's words and fields become ours? Pure: payloads and `now` in, values out."""

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
#: PAUSED is in every enum of the API and in no table of states.
STATUSES: Mapping[str, RecordingStatus] = {
    "INVOKED": RecordingStatus.PENDING,
    "RECORDING": RecordingStatus.RECORDING,
    "PAUSED": RecordingStatus.PAUSED,
    "UPLOADING": RecordingStatus.PROCESSING,
    "UPLOADED": RecordingStatus.AVAILABLE,  # also past its seven days, see `recording`
    "ERRORED": RecordingStatus.FAILED,
}

#: Codes of Cloudflare's gateway, which answers before RealtimeKit does.
#: https://developers.cloudflare.com/fundamentals/api/troubleshooting
GATEWAY_CODES: Mapping[int, type[ProviderError]] = {
    7000: NotFound,  # no route for that URI
    7003: NotFound,  # an identifier in the path is not one
    9106: AuthenticationFailed,  # a header is missing
    9109: AuthenticationFailed,  # invalid access token
    10000: AuthenticationFailed,
}

#: Those of them by which a path, and not a recording, is not found; as `ErrorDetails.code` has them.
NO_ROUTE = frozenset({"7000", "7003"})

#: A track's file name carries its participant: `<prefix>_user-123_peer-456_peer_audio_<ms>.webm`.
#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording
_TRACK_NAME = re.compile(r"user-(?P<user>.+?)_peer-")


# An enum's member costs ten times a module's name (Python 3.11), and rows are many.
_AVAILABLE, _EXPIRED = RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED
_FAILED, _UNKNOWN = RecordingStatus.FAILED, RecordingStatus.UNKNOWN
_MEETING, _VIDEO = SessionKind.MEETING, FileRole.VIDEO


def recording(row: Mapping[str, Any], account: str, now: datetime) -> Recording:
    """A recording of any of the API's answers. Raises `MalformedPayload`.

    `now` decides whether its media has expired: the status stays UPLOADED.
    """
    # Called for every row of every page: what it costs is measured (docs/performance.md).
    get, text, instant = row.get, read.text, read.instant
    recording_id = read.required_text(get("id"), "id")
    word = text(get("status"), "status")
    status = STATUSES.get(word or "", _UNKNOWN)
    started_at = instant(get("started_time"), "started_time")
    ended_at = instant(get("stopped_time"), "stopped_time")
    expires_at = instant(get("download_url_expiry"), "download_url_expiry")
    size = read.count(get("file_size"), "file_size", quoted=True)
    duration = read.seconds(get("recording_duration"), "recording_duration")
    # A vendor's sample says 0 for a recording of 47 s.
    if not duration and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    name = text(get("output_file_name"), "output_file_name")
    files = _files(row, name, size, duration, expires_at)
    if status is _AVAILABLE and expires_at is not None and expires_at <= now:
        status = _EXPIRED
    meeting = read.obj(get("meeting"), "meeting")
    target = title = None
    if meeting is not None:
        meeting_id = text(meeting.get("id"), "meeting.id")
        title = text(meeting.get("title"), "meeting.title")
    else:
        meeting_id = text(get("meeting_id"), "meeting_id")
    if meeting_id is not None:
        target = read.target(_MEETING, meeting_id, "meeting.id")
    return Recording(
        "realtimekit",
        account,
        recording_id,
        _MEETING,
        target,
        text(get("session_id"), "session_id"),
        title,
        status,
        word,
        started_at,
        ended_at,
        instant(get("invoked_time"), "invoked_time"),
        duration,
        size,
        files[0].format if files else _format(name)[0],
        None,
        None,
        None,
        files,
        expires_at,
        None,
        _error(row) if status is _FAILED else None,
        row,
    )


def _files(
    row: Mapping[str, Any],
    name: str | None,
    size: int | None,
    duration: timedelta | None,
    expires_at: datetime | None,
) -> tuple[MediaFile, ...]:
    """Video, audio beside it, or tracks; none where the bucket is the customer's own."""
    url = row.get("download_url")
    if type(url) is list:
        # Every schema says string or null; of track recordings it is an array of layers.
        return _tracks(url, expires_at)
    files: tuple[MediaFile, ...] = ()
    if url is not None and url != "":
        url = read.required_text(url, "download_url")
        form, media_type = _format(name, url)
        files = (
            MediaFile(
                "video",
                _VIDEO,
                form,
                media_type,
                size,
                duration,
                None,
                None,
                url,
                expires_at,
                None,
                name,
            ),
        )
    # A page's sample says `download_audio_url`.
    audio = row.get("audio_download_url") or row.get("download_audio_url")
    if audio:
        audio = read.required_text(audio, "audio_download_url")
        form, media_type = _format(None, audio)
        beside = MediaFile(
            "audio",
            FileRole.AUDIO,
            form,
            media_type,
            None,
            duration,
            None,
            None,
            audio,
            expires_at,
            None,
            read_base_name(audio) or None,
        )
        return (*files, beside)
    return files


def _tracks(layers: list[Any], expires_at: datetime | None) -> tuple[MediaFile, ...]:
    files: dict[str, MediaFile] = {}
    for index, layer in enumerate(layers):
        path = f"download_url[{index}]"
        urls = read.obj((read.obj(layer, path) or {}).get("download_urls"), f"{path}.download_urls")
        for name, entry in (urls or {}).items():
            place = f"{path}.download_urls.*"
            url = (
                entry if type(entry) is str else (read.obj(entry, place) or {}).get("download_url")
            )
            url = read.text(url, f"{place}.download_url")
            if not name.strip() or url is None:
                continue  # a participant's track that is not stored
            form, media_type = _format(name, url)
            user = _TRACK_NAME.search(name)
            # Two layers may name their files alike.
            file_id = name if name not in files else f"{index}/{name}"
            files[file_id] = MediaFile(
                id=file_id,
                role=FileRole.TRACK,
                format=form,
                media_type=media_type,
                participant=user["user"] if user else None,
                url=url,
                url_expires_at=expires_at,
                name=name,
            )
    return tuple(files.values())


def _format(name: str | None, url: str | None = None) -> tuple[str | None, str | None]:
    """The format that a file's name, else its URL, ends in; and its media type if we know it."""
    if name:
        known = _KNOWN.get(name.rpartition(".")[2])
        if known is not None:
            return known
    # The literal template `{{file_name_prefix}}_…webm` of a track's start is a name, too.
    for suffix in (read_suffix(name or ""), read_suffix(url or "")):
        if suffix.isalnum() and len(suffix) <= 5:
            return _KNOWN.get(suffix, (suffix, None))
    return None, None


_KNOWN = {name: (name, known.media_type) for name, known in FORMATS.items()}


def _error(row: Mapping[str, Any]) -> str | None:
    reason = row.get("stop_reason")
    if type(reason) is dict:
        reason = reason.get("reason")
    return reason if type(reason) is str and reason else None


def session(
    row: Mapping[str, Any], target: CommunicationSession, account: str, now: datetime
) -> RecordingSession:
    """The act of recording, as start, active and the three actions answer it."""
    seen = recording(row, account, now)
    return RecordingSession(
        provider="realtimekit",
        account=account,
        id=seen.id,
        target=target,
        status=seen.status,
        provider_status=seen.provider_status,
        started_at=seen.started_at,
        stopped_at=seen.ended_at,
        raw=row,
    )


def data(payload: Any) -> Any:
    """What an answer is about, out of its envelope. Raises `MalformedPayload` without one."""
    if not isinstance(payload, dict) or payload.get("data") is None:
        raise MalformedPayload("an answer without data", path="data")
    return payload["data"]


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """The gateway's `errors[]`, RealtimeKit's `error{code,message}`, and Dyte's bare message."""
    refused = payload.get("success") is False
    errors = payload.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        code, message = errors[0].get("code"), errors[0].get("message")
        kind = GATEWAY_CODES.get(code) if type(code) is int else None
        return ErrorDetails(_code(code), _words(message), kind=kind, is_error=refused)
    error = payload.get("error")
    if isinstance(error, dict):
        code, message = error.get("code"), error.get("message")
        # RealtimeKit's code is the HTTP status; it counts where the real one says 200.
        kind = find_error_class(code) if refused and type(code) is int else None
        return ErrorDetails(_code(code), _words(message), kind=kind, is_error=refused)
    return ErrorDetails(message=_words(payload.get("message")), is_error=refused)


def _code(code: Any) -> str | None:
    return str(code) if isinstance(code, int | str) and not isinstance(code, bool) else None


def _words(message: Any) -> str | None:
    return message if isinstance(message, str) and message else None
