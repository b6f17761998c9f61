"""Mapping: RealtimeKit's words and fields, read into ours. Pure functions of payloads and `now`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve

from recording_core import (
    AuthenticationFailed,
    CommunicationSession,
    Conflict,
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
#: RealtimeKit's own codes are HTTP statuses. Its client for browsers has another one for a start
#: while a recording is in progress: https://github.com/cloudflare/realtimekit-ui/pull/170
OWN_CODES: Mapping[int, type[ProviderError]] = {1005: Conflict}

#: The fields that pages and schemas of the API show. `storage_config` has none of them, since its
#: fields are those of the customer's storage.
#: https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings
#: `type` and `meeting_id` are in the guide to tracks, `download_audio_url` in that to audio only.
KNOWN_FIELDS = frozenset(
    {
        *("id", "audio_download_url", "download_url", "download_url_expiry", "file_size"),
        *("invoked_time", "output_file_name", "session_id", "started_time", "status"),
        *("stopped_time", "recording_duration", "storage_config"),
        *("type", "meeting_id", "download_audio_url"),
        *("start_reason", "start_reason.reason", "start_reason.caller", "start_reason.caller.type"),
        *("start_reason.caller.user_Id", "start_reason.caller.name"),
        *("stop_reason", "stop_reason.reason", "stop_reason.caller", "stop_reason.caller.type"),
        *("stop_reason.caller.user_Id", "stop_reason.caller.name"),
        *("meeting", "meeting.id", "meeting.title", "meeting.created_at", "meeting.updated_at"),
        *("meeting.status", "meeting.record_on_start", "meeting.live_stream_on_start"),
        *("meeting.persist_chat", "meeting.session_keep_alive_time_in_secs"),
        *("meeting.summarize_on_end", "meeting.transcribe_on_end", "meeting.recording_config"),
    }
)

#: `download_url` of tracks is an array of layers, although every schema has a string, which is read
#: as one track. Third parties received the array inside an object, one layer alone, and names in
#: camelCase.
#: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording
LINKS = "links"
LAYER_URLS = ("download_urls", "downloadUrls")
LAYER_FIELDS = frozenset({*LAYER_URLS, "layer_name", "layerName"})
ENTRY_URLS = ("download_url", "downloadUrl")
#: The answer to a track's start has the template of its files' names as `output_file_name`.
TEMPLATE_MARK = "{{"

_KNOWN_FORMATS = {name: (name, known.media_type) for name, known in FORMATS.items()}
#: The media types of files with sound alone, in containers that may also have a picture.
_AUDIO_TYPES = {"mp4": "audio/mp4", "webm": "audio/webm"}

# Reading an enum's member takes ten times as long as a module's name (Python 3.11), and there are
# many rows.
_AVAILABLE, _EXPIRED = RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED
_FAILED, _UNKNOWN = RecordingStatus.FAILED, RecordingStatus.UNKNOWN
_EMPTY = RecordingStatus.EMPTY
_MEETING, _VIDEO = SessionKind.MEETING, FileRole.VIDEO


def read_recording(
    row: Mapping[str, Any], account: str, now: datetime, *, names_storage: bool = True
) -> Recording:
    """Read a recording from any answer of the API. Raises `MalformedPayload` without a usable id.

    `now` decides whether its media has expired: the vendor's status stays UPLOADED. `names_storage`
    is whether such an answer names the customer's own storage, if there is one: a webhook does not.
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
    size = read_count(fields, "file_size", quoted=True) or None  # 0: not reported, as of tracks
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
    elif status is _AVAILABLE and (not files or expires_at is None or expires_at <= now):
        latest = created_at + LONGEST_RECORDING if created_at is not None else None
        status, error = _find_end_status(
            fields, files, expires_at, ended_at or latest, now, names_storage=names_storage
        )
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
    fields: Fields,
    files: tuple[MediaFile, ...],
    expires_at: datetime | None,
    ended_at: datetime | None,
    now: datetime,
    *,
    names_storage: bool,
) -> tuple[RecordingStatus, str | None]:
    """Find the status of an upload without files or with a past or no expiry, and its failure."""
    row = fields.row
    if not files and find_own_storage(row) is not None:
        return _AVAILABLE, None
    if files and expires_at is None and not fields.is_unread("download_url_expiry"):
        return _AVAILABLE, None
    end = expires_at or (ended_at and ended_at + RETENTION)
    if end is not None and end <= now:
        return _EXPIRED, None
    if files or fields.is_unread("file_size") or _is_any_url_unread(fields):
        return _AVAILABLE, None
    is_of_tracks = _is_of_tracks(row)
    if isinstance(row.get("download_url"), list | dict) and (is_of_tracks or expires_at is None):
        return _EMPTY, None  # no track was stored
    # A webhook names no storage, so that the file may be in the customer's. A third party received
    # 0 for every recording of tracks, and an expiry belongs to a stored file.
    is_sized = names_storage and not is_of_tracks and expires_at is None
    if is_sized and row.get("file_size") in (0, "0"):
        return _FAILED, "RealtimeKit stored no file"
    return _AVAILABLE, None


def _is_of_tracks(row: Mapping[str, Any]) -> bool:
    return row.get("type") == "TRACK" or TEMPLATE_MARK in str(row.get("output_file_name"))


def _is_any_url_unread(fields: Fields) -> bool:
    """Whether `download_url` or a part of it could not be read."""
    return any(f"{path}.".startswith("download_url.") for path in fields.unread)


def read_count(fields: Fields, name: str, *, quoted: bool = False) -> int | None:
    """Read a whole number. The schema has `number`, so that `3.0` is one, too."""
    value = fields.row.get(name)
    if type(value) is float and 0 <= value < 1 << 53 and value.is_integer():
        return int(value)
    return fields.count(name, quoted=quoted)


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
    has_layers = type(url) is not str and isinstance(url, list | dict)
    if not has_layers:
        url = fields.url("download_url")
    if has_layers or (url is not None and _is_of_tracks(fields.row)):
        files = _read_tracks(fields, expires_at)
    elif url is not None:
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
            media_type=_AUDIO_TYPES.get(format_name or "", media_type),
            duration=duration,
            url=audio,
            url_expires_at=expires_at,
            name=read_base_name(audio) or None,
        )
        return (*files, audio_file)
    return files


def _read_tracks(fields: Fields, expires_at: datetime | None) -> tuple[MediaFile, ...]:
    files: dict[str, MediaFile] = {}
    for index, name, url in _list_tracks(fields):
        format_name, media_type = _find_format(name, url)
        # Two layers may use the same file name.
        file_id = name if name not in files else f"{index}/{name}"
        files[file_id] = MediaFile(
            id=file_id,
            role=FileRole.TRACK,
            format=format_name,
            media_type=_AUDIO_TYPES.get(format_name or "", media_type),
            participant=find_participant(name),
            url=url,
            url_expires_at=expires_at,
            name=name,
        )
    return tuple(files.values())


def _list_tracks(fields: Fields) -> Iterator[tuple[int, str, str]]:
    """Yield the number of the layer, the file's name and the URL of each track that was stored."""
    layers = fields.row["download_url"]
    if not isinstance(layers, list):
        is_wrapped = isinstance(layers, dict) and LINKS in layers
        layers = fields.nest(layers, "download_url").array(LINKS) if is_wrapped else [layers]
    urls: Mapping[str, Any]
    for index, layer in enumerate(layers or ()):
        is_bare = type(layer) is str and "://" in layer
        if is_bare or (isinstance(layer, dict) and _find_name(layer, ENTRY_URLS)):
            urls, path = {"": layer}, "download_url"
        elif isinstance(layer, dict) and LAYER_FIELDS.intersection(layer):
            path = _find_name(layer, LAYER_URLS) or LAYER_URLS[0]
            found = fields.nest(layer, "download_url").object(path)
            urls, path = found.row if found is not None else {}, f"download_url.{path}"
        else:
            fields.leave_out("download_url")
            continue
        for name, entry in urls.items():
            url = entry
            if isinstance(entry, dict):
                key = _find_name(entry, ENTRY_URLS) or ENTRY_URLS[0]
                url = fields.nest(entry, path).text(key)
            elif entry is not None and type(entry) is not str:
                fields.leave_out(path)
                continue
            # Without a URL, this participant's track was not stored; or the URL is cut.
            name = name or read_base_name(url or "")
            if name.strip() and url and "\ufffd" not in url:
                yield index, name, url


def _find_name(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Find which of a field's names an object has."""
    return next((name for name in names if name in row), None)


def find_participant(name: str, user_ids: Collection[str] = ()) -> str | None:
    """Find the user id in the name of a track's file, which is read from the right.

    `{{file_name_prefix}}_{{user_id}}_{{peer_id}}_{{stream_kind}}_{{media_kind}}_{{date_time}}.webm`:
    https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording

    A third party received `media_kind_audio` as the kind of media. Prefix and ids may contain the
    separator: then an id is found if it is a UUID, or one of the `user_ids` that were requested.
    """
    parts = name.rpartition(".")[0].split("_")
    if not parts.pop().isdecimal():
        return None
    if parts[-3:-1] == ["media", "kind"]:
        del parts[-3:-1]
    owner = parts[:-3]  # without the id of the connection and the two kinds
    if len(owner) < 2:
        return None
    if len(owner) == 2 or _is_uuid(owner[-1]):
        return owner[-1] or None
    rest = "_".join(owner)
    found = [each for each in user_ids if rest.endswith(f"_{each}")]
    return found[0] if len(found) == 1 else None


def _is_uuid(text: str) -> bool:
    sizes = [len(part) for part in text.split("-")]
    return sizes == [8, 4, 4, 4, 12] and set(text.lower()) <= set("0123456789abcdef-")


def name_participants(recording: Recording, user_ids: Collection[str]) -> Recording:
    """Name the participants of tracks whose file names show them among the requested ones alone."""
    files = tuple(
        evolve(file, participant=find_participant(file.name or "", user_ids))
        if file.role is FileRole.TRACK and file.participant is None
        else file
        for file in recording.files
    )
    return evolve(recording, files=files)


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

    No code names the resource that is absent: RealtimeKit's 404 may also be that of an unknown app.
    The bare message is documented for a 401 only, and other servers send the same.
    """
    is_error = payload.get("success") is False
    error, errors = payload.get("error"), payload.get("errors")
    kind = None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        error = errors[0]
        kind = GATEWAY_CODES.get(error["code"]) if type(error.get("code")) is int else None
    elif isinstance(error, dict):
        # The code is the HTTP status; it decides if the response itself has 200.
        if is_error and type(error.get("code")) is int:
            kind = OWN_CODES.get(error["code"]) or find_error_class(error["code"])
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
