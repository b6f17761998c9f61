"""Mapping: how Audian's payloads become recordings, sessions, list pages and error details.

The functions are pure: they receive a payload and `now`, and return the library's values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

from attrs import evolve, frozen

from recording_core import (
    CommunicationSession,
    FileRole,
    MalformedPayload,
    MediaFile,
    QuotaExceeded,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugin import FINAL, FORMATS, ErrorDetails
from recording_core.plugin import readers as read

#: Audian's status -> ours. https://docs.audian.com/call-control/call-recording, Recording States;
#: https://docs.audian.com/conferences/recording has only `recording` and `completed`.
STATUSES: Mapping[str, RecordingStatus] = {
    "initiated": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "paused": RecordingStatus.PAUSED,
    "stopped": RecordingStatus.PROCESSING,  # "stopped but not yet processed"
    "processing": RecordingStatus.PROCESSING,
    "completed": RecordingStatus.AVAILABLE,  # or `expired` after 30 days, see `read_recording`
    "failed": RecordingStatus.FAILED,
}

#: How long a call's recording is kept: "Automatically deleted after 30 days".
#: https://docs.audian.com/call-control/call-recording. A conference's retention depends on the
#: plan: https://docs.audian.com/conferences/recording
RETENTION = timedelta(days=30)

#: The code of a 429 for a full storage, which waiting does not change. Any other 429 is a rate
#: limit. https://docs.audian.com/call-control/call-recording, Error Handling
QUOTA_CODE = "quota_exceeded"

#: The values of `participant`. https://docs.audian.com/call-control/call-recording, Participant
#: Recording
PARTICIPANTS = ("all", "caller", "callee")

#: The values of `algorithm` in an event's `checksum`.
#: https://docs.audian.com/call-control/call-recording, Recording Webhooks, has the first.
CHECKSUM_ALGORITHMS = ("sha256", "SHA256", "sha-256")

#: In these statuses a file may exist, although calls' responses have no URL.
_HAS_MEDIA = frozenset(
    {RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED, RecordingStatus.UNKNOWN}
)
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)

_EARLIEST_SINCE = datetime(2000, 1, 1, tzinfo=UTC)

T = TypeVar("T")

# Reading an enum's member takes ten times as long as a module's name (Python 3.11).
_DELETED, _AVAILABLE, _EXPIRED, _FAILED = (
    RecordingStatus.DELETED,
    RecordingStatus.AVAILABLE,
    RecordingStatus.EXPIRED,
    RecordingStatus.FAILED,
)
_CALL, _CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
_MIX = FileRole.MIX


def read_recording(
    row: Mapping[str, Any],
    account: str,
    base_url: str,
    now: datetime,
    *,
    raw: Mapping[str, Any] | None = None,
) -> Recording:
    """Read the recording of a call or a conference from a response or event.

    `now` decides whether a call's media has expired; `raw` is the payload, if it is not the row.
    Raises `MalformedPayload`.
    """
    # Calls: recording_id, call_id, file_size, file_format. Conferences: id, conference_id, size,
    # format, name. The response to a call's start has `format`, as a conference's.
    is_call = "recording_id" in row or "call_id" in row
    id_field = "recording_id" if is_call else "id"
    recording_id = read.required_text(row.get(id_field), id_field)
    target = _read_target(row)
    kind = _CALL if is_call else _CONFERENCE
    kind = target.kind if target is not None else kind
    provider_status = read.text(row.get("status"), "status")
    status = read.status_of(provider_status, STATUSES)
    started_at = read.instant(row.get("started_at"), "started_at")
    ended_at = _read_either(read.instant, row, "ended_at", "stopped_at")
    # A call's `created_at` is when the recording stopped, a conference's when it started.
    created_at = read.instant(row.get("created_at"), "created_at")
    deleted_at = read.instant(row.get("deleted_at"), "deleted_at")
    duration = read.seconds(row.get("duration"), "duration")
    if duration is None and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    expires_at = None
    if kind is _CALL and created_at is not None:
        expires_at = created_at + RETENTION
    if deleted_at is not None:
        status = _DELETED
    elif status is _AVAILABLE and expires_at is not None and expires_at <= now:
        status = _EXPIRED
    size = _read_either(read.count, row, "file_size", "size")
    format = _read_either(read.text, row, "file_format", "format")
    format = format.lower() if format is not None else None
    channels = read.count(row.get("channels"), "channels")
    bit_rate = read.count(row.get("bitrate"), "bitrate")
    url = _read_either(read.text, row, "url", "download_url")
    files: tuple[MediaFile, ...] = ()
    if url is not None or status in _HAS_MEDIA:
        file_format = FORMATS.get(format or "")
        files = (
            MediaFile(
                id="mix",
                role=_MIX,
                format=format,
                media_type=file_format.media_type if file_format else None,
                size=size,
                duration=duration,
                channels=channels,
                url=url or f"{base_url}/recordings/{quote(recording_id, safe='')}/download",
                checksum=_read_checksum(row.get("checksum")),
            ),
        )
    return Recording(
        provider="audian",
        account=account,
        id=recording_id,
        kind=kind,
        target=target,
        title=read.text(row.get("name"), "name"),
        status=status,
        provider_status=provider_status,
        started_at=started_at,
        ended_at=ended_at,
        created_at=created_at,
        duration=duration,
        size=size,
        format=format,
        channels=channels,
        sample_rate=read.count(row.get("sample_rate"), "sample_rate"),
        bit_rate=bit_rate * 1000 if bit_rate is not None else None,
        files=files,
        media_expires_at=expires_at,
        deleted_at=deleted_at,
        error=read.text(row.get("reason"), "reason") if status is _FAILED else None,
        raw=row if raw is None else raw,
    )


def _read_target(row: Mapping[str, Any]) -> CommunicationSession | None:
    for kind, name in ((SessionKind.CALL, "call_id"), (SessionKind.CONFERENCE, "conference_id")):
        value = read.text(row.get(name), name)
        if value is not None:
            return read.target(kind, value, name)
    return None


def _read_either(
    reader: Callable[[Any, str], T | None], row: Mapping[str, Any], name: str, other: str
) -> T | None:
    """Read a field that calls and conferences name differently."""
    value = reader(row.get(name), name)
    return value if value is not None else reader(row.get(other), other)


def _read_checksum(value: Any) -> str | None:
    """Read `{"algorithm": "sha256", "value": ...}` of an event; None if it is malformed.

    The page's own sample has 16 digits, so a malformed checksum is ignored and not an error.
    """
    if not isinstance(value, dict) or value.get("algorithm") not in CHECKSUM_ALGORITHMS:
        return None
    digest = value.get("value")
    if type(digest) is not str or not _SHA256.fullmatch(digest):
        return None
    return f"sha256:{digest.lower()}"


def read_session(
    row: Mapping[str, Any],
    target: CommunicationSession,
    account: str,
    base_url: str,
    now: datetime,
) -> RecordingSession:
    """Read the response to a start or stop. A conference's recording is final after the stop."""
    recording = read_recording(row, account, base_url, now)
    if recording.target is None:
        recording = evolve(recording, target=target, kind=target.kind)
    return RecordingSession(
        provider="audian",
        account=account,
        id=recording.id,
        target=target,
        status=recording.status,
        provider_status=recording.provider_status,
        started_at=recording.started_at,
        stopped_at=recording.ended_at,
        recordings=(recording,) if recording.status in FINAL else (),
        raw=row,
    )


def read_provider_status(row: Mapping[str, Any]) -> str | None:
    """Read a recording's status; None for the `status` of an envelope, such as "success"."""
    value = row.get("status")
    return value if type(value) is str and value in STATUSES else None


def read_token(payload: Any) -> str:
    """Read the token that a key was exchanged for. Raises `MalformedPayload`.

    It is at the top level, and not in `data`: https://docs.audian.com/authentication/api-keys
    """
    value = payload.get("auth_token") if isinstance(payload, dict) else None
    if type(value) is not str or not _HEADER_VALUE.fullmatch(value):
        raise MalformedPayload("the response has no usable token", path="auth_token")
    return value


# -- envelopes ------------------------------------------------------------------------------------


def read_data(payload: Any) -> Mapping[str, Any]:
    """Read the object that a response contains, from any envelope. Raises `MalformedPayload`.

    The recording pages have no envelope. Others have `{"auth_token", "data", "status": "success"}`
    (https://docs.audian.com/api-basics/response-format) and `{"success": true, "data"}`
    (https://docs.audian.com/errors/http-status-codes). No other response has an object `data`.
    """
    if not isinstance(payload, dict):
        raise MalformedPayload("the response is not a JSON object")
    inner = payload.get("data")
    return inner if isinstance(inner, dict) else payload


@frozen
class ListPage:
    """A page of a list.

    Attributes:
        rows: as Audian returned them
        total: of the whole list, if Audian reports it
        step: from this page's offset to the next page's
        has_more: whether a page follows
    """

    rows: Sequence[Any]
    total: int | None
    step: int
    has_more: bool


def read_page(payload: Any, offset: int) -> ListPage:
    """Read the page at this offset. Raises `MalformedPayload`.

    Calls: `{"data", "pagination"}`. Conferences: `{"recordings", "total", "limit", "offset"}`.
    """
    body = read_data(payload)
    name = "recordings" if "recordings" in body else "data"
    rows = read.array(body.get(name), name)
    pagination = read.json_object(body.get("pagination"), "pagination")
    pagination = pagination if pagination is not None else body
    total = read.count(pagination.get("total"), "total")
    limit = read.count(pagination.get("limit"), "limit")
    has_more = pagination.get("has_more")
    if has_more is not None and type(has_more) is not bool:
        raise read.build_error("has_more", "true or false")
    if rows is None or (total is None and has_more is None):
        # With neither `total` nor `has_more` the last page cannot be recognized.
        path = name if rows is None else "total"
        raise MalformedPayload(f"the list has no field `{path}`", path=path)
    size = len(rows)
    if has_more is None:
        has_more = offset + size < (total or 0)
    # A page may have fewer rows than its limit: a larger step would skip rows.
    return ListPage(rows, total, min(limit or size, size), has_more)


def read_row_id(row: Any) -> str | None:
    """Read a row's recording id, even if other fields are malformed; None if it has none."""
    value = row.get("recording_id", row.get("id")) if isinstance(row, dict) else None
    return value if isinstance(value, str) else None


def format_since(moment: datetime, margin: timedelta) -> str:
    """Format a bound, moved earlier by the margin: in UTC and whole seconds, with `Z`."""
    early = max(moment, _EARLIEST_SINCE) - margin
    return early.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- errors ---------------------------------------------------------------------------------------


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read an error body in any of three shapes.

    https://docs.audian.com/call-control/call-recording: `{"error": "not_found", "message", "code"}`
    https://docs.audian.com/errors/error-codes: `{"error": {"code", "message", "type"}}`
    https://docs.audian.com/errors: `{"data": {"message"}, "error": "401", "message", "status"}`
    """
    error, detail, text = (payload.get(name) for name in ("error", "data", "message"))
    code, message = text, text
    if isinstance(error, dict):
        code, message = error.get("code"), error.get("message") or text
    elif type(error) is str and not error.isdecimal():
        code = error
    if isinstance(detail, dict) and detail.get("message"):
        message = detail["message"]
    # A 2xx may contain an error: no success has the field `error`.
    is_error = bool(payload.get("error")) or payload.get("success") is False
    return ErrorDetails(
        code=_read_text(code),
        message=_read_text(message),
        request_id=_read_text(payload.get("request_id")),
        kind=QuotaExceeded if code == QUOTA_CODE else None,
        is_error=is_error,
    )


def _read_text(value: Any) -> str | None:
    return value if type(value) is str and value else None
