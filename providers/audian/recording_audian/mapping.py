"""Mapping: how Audian's payloads become recordings, sessions, list pages and error details.

The functions are pure: they receive a payload and `now`, and return the library's values.
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
    QuotaExceeded,
    Recording,
    RecordingSession,
    RecordingStatus,
    SessionKind,
    Unavailable,
)
from recording_core.plugin import FINAL, FORMATS, ErrorDetails, Fields

#: Audian's status -> ours. https://docs.audian.com/call-control/call-recording, Recording States;
#: https://docs.audian.com/conferences/recording has only `recording` and `completed`.
STATUSES: Mapping[str, RecordingStatus] = {
    "initiated": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "paused": RecordingStatus.PAUSED,
    "stopped": RecordingStatus.PROCESSING,  # "stopped but not yet processed"
    "processing": RecordingStatus.PROCESSING,
    "completed": RecordingStatus.AVAILABLE,  # a call's last three: `expired` after `RETENTION`
    "failed": RecordingStatus.FAILED,
}

#: How long a call's recording is kept: "Automatically deleted after 30 days".
#: https://docs.audian.com/call-control/call-recording. A conference's retention depends on the
#: plan: https://docs.audian.com/conferences/recording
RETENTION = timedelta(days=30)

#: The code of a 429 for a full storage, which waiting does not change. Any other 429 is a rate
#: limit. https://docs.audian.com/call-control/call-recording, Error Handling
QUOTA_CODE = "quota_exceeded"

#: The engine reports a server error by the HTTP status in quotes, also in a response with the HTTP
#: status 200: https://docs.audian.com/errors shows the form.
SERVER_ERRORS = frozenset(map(str, range(500, 600)))

#: The values of `participant`. https://docs.audian.com/call-control/call-recording, Participant
#: Recording
PARTICIPANTS = ("all", "caller", "callee")

#: The values of `algorithm` in an event's `checksum`.
#: https://docs.audian.com/call-control/call-recording, Recording Webhooks, has the first.
CHECKSUM_ALGORITHMS = ("sha256", "SHA256", "sha-256")

_HEADER_VALUE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)

#: Our own JSON and the columns of a report hold smaller numbers only.
_TOO_LARGE = 1 << 63
_EARLIEST_SINCE = datetime(2000, 1, 1, tzinfo=UTC)

# Reading an enum's member takes ten times as long as a module's name (Python 3.11).
_AVAILABLE, _EXPIRED = RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED
_PROCESSING = RecordingStatus.PROCESSING
_DELETED, _FAILED = RecordingStatus.DELETED, RecordingStatus.FAILED
_UNKNOWN = RecordingStatus.UNKNOWN
_CALL, _CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
_MIX = FileRole.MIX


def read_recording(
    row: Mapping[str, Any],
    account: str,
    base_url: str,
    now: datetime,
    *,
    fields: Fields | None = None,
    word: str | None = None,
) -> Recording:
    """Read the recording of a call or a conference. Raises `MalformedPayload` without a usable id.

    `now` decides whether a call's media has expired. For an event, `fields` are its row's, and
    `word` stands for the status.
    """
    # Called for every row of every page, so its speed is measured (docs/performance.md).
    # Calls: recording_id, call_id, file_size, file_format. Conferences: id, conference_id, size,
    # format, name. The response to a call's start has `format`, as a conference's.
    if fields is None:
        fields = Fields(row)
    text, instant, count = fields.text, fields.instant, fields.count
    is_call = "recording_id" in row or "call_id" in row
    # The engine's own rows have `id` and `call_id`.
    has_id = not is_call or (row.get("recording_id") is None and "id" in row)
    recording_id = fields.required_text("id" if has_id else "recording_id")
    target = fields.target(_CALL, "call_id") if is_call else None
    if target is None and not (is_call and fields.is_unread("call_id")):
        target = fields.target(_CONFERENCE, "conference_id")
    if target is not None:
        kind = target.kind
    else:
        kind = _CALL if is_call and not fields.is_unread("conference_id") else _CONFERENCE
    provider_status = word or text("status")
    status = STATUSES.get(provider_status or "", _UNKNOWN)
    started_at = instant("started_at")
    ended_at = instant("stopped_at") if "stopped_at" in row else None
    ended_at = ended_at or instant("ended_at")
    # A call's `created_at` is when the recording stopped, a conference's when it started.
    created_at = instant("created_at")
    duration = reported_duration = fields.seconds("duration")
    if duration is None and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    expires_at = None
    if created_at is not None and kind is _CALL:
        expires_at = created_at + RETENTION
        if expires_at <= now and (status is _AVAILABLE or status is _PROCESSING):
            status = _EXPIRED
    deleted_at = None
    if "deleted_at" in row:
        deleted_at = instant("deleted_at")
        # The response to a deletion has no status: that it has a time is enough.
        is_deletion = provider_status is None and row.get("status") is None
        if deleted_at is not None or (is_deletion and fields.is_unread("deleted_at")):
            status = _DELETED
    size = count("file_size") or count("size") or None  # 0: not reported
    format = text("file_format") or text("format")
    format = format.lower() if format is not None else None
    channels = count("channels") if "channels" in row else None
    bit_rate = count("bitrate") if "bitrate" in row else None
    if bit_rate is not None:
        bit_rate *= 1000
        if bit_rate >= _TOO_LARGE:
            fields.leave_out("bitrate")
            bit_rate = None
    url = _read_url(fields) if "url" in row or "download_url" in row else None
    files: tuple[MediaFile, ...] = ()
    # In these statuses a file may exist, although calls' responses have no URL.
    if url is not None or status is _AVAILABLE or status is _EXPIRED or status is _UNKNOWN:
        file_format = FORMATS.get(format or "")
        files = (
            MediaFile(
                id="mix",
                role=_MIX,
                format=format,
                media_type=file_format.media_type if file_format else None,
                size=size,
                duration=reported_duration,
                channels=channels,
                url=url or f"{base_url}/recordings/{quote(recording_id, safe='')}/download",
                checksum=_read_checksum(fields) if "checksum" in row else None,
            ),
        )
    return Recording(
        provider="audian",
        account=account,
        id=recording_id,
        kind=kind,
        target=target,
        title=text("name"),
        status=status,
        provider_status=provider_status,
        started_at=started_at,
        ended_at=ended_at,
        created_at=created_at,
        duration=duration,
        size=size,
        format=format,
        channels=channels,
        sample_rate=count("sample_rate") if "sample_rate" in row else None,
        bit_rate=bit_rate,
        files=files,
        media_expires_at=expires_at,
        deleted_at=deleted_at,
        error=text("reason") if status is _FAILED else None,
        unread_fields=fields.unread,
        raw=row,
    )


def _read_url(fields: Fields) -> str | None:
    """Read an absolute URL. Without one, the file is at the path that the pages show for an id."""
    for name in ("url", "download_url"):
        url = fields.url(name)
        if url is not None and url.startswith(("https://", "http://")):
            return url
        if url is not None:
            fields.leave_out(name)
    return None


def _read_checksum(fields: Fields) -> str | None:
    """Read `{"algorithm": "sha256", "value": ...}` of an event.

    The digest in the page's own sample has 16 digits: it cannot be read, and nothing is compared.
    """
    checksum = fields.object("checksum")
    if checksum is None:
        return None
    algorithm, digest = checksum.text("algorithm"), checksum.text("value")
    if algorithm is not None and algorithm not in CHECKSUM_ALGORITHMS:
        checksum.leave_out("algorithm")
    elif digest is not None and not _SHA256.fullmatch(digest):
        checksum.leave_out("value")
    elif algorithm is not None and digest is not None:
        return f"sha256:{digest.lower()}"
    return None


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
        next_key: the `start_key` of the next page, if this list is read by keys
    """

    rows: Sequence[Any]
    total: int | None
    step: int
    has_more: bool
    next_key: str | None = None


def read_page(payload: Any, offset: int, overlap: int = 0) -> ListPage:
    """Read the page at this offset. Its first `overlap` rows were the last of the page before.

    Calls: `{"data", "pagination"}`. Conferences: `{"recordings", "total", "limit", "offset"}`.
    https://docs.audian.com/api-basics/pagination: `{"data", "page_size", "next_start_key"}`, on the
    last page without the key. If a list has both, its keys count only as long as there is one.
    Raises `MalformedPayload` for a body that is not a list.
    """
    body = Fields(read_data(payload))
    name = "recordings" if "recordings" in body.row else "data"
    rows = body.array(name)
    if rows is None:
        raise MalformedPayload(f"The list has no array `{name}`", path=name)
    key = _read_start_key(body)
    numbers = [body.row.get(each) for each in ("pagination", "total", "has_more")]
    has_keys = not {"page_size", "next_start_key"}.isdisjoint(body.row)
    if key is not None or (has_keys and numbers == [None] * 3):
        return ListPage(rows, None, len(rows), key is not None, key)
    paging = body.object("pagination") or body
    total, limit, has_more = paging.count("total"), paging.count("limit"), paging.flag("has_more")
    size = len(rows)
    if has_more is None and total is not None:
        has_more = offset + size < total
    elif has_more is None:
        if not (paging.is_unread("total") or paging.is_unread("has_more")) and not (
            body.is_unread("pagination")
        ):
            raise MalformedPayload("The list has neither `total` nor `has_more`", path="total")
        # They are there and cannot be read: the page after the last row has no other row.
        has_more = size > overlap
    # A page may have fewer rows than its limit: a larger step would skip rows.
    return ListPage(rows, total, min(limit or size, size), has_more)


def _read_start_key(body: Fields) -> str | None:
    """Read the key of the next page; None on the last. Raises `MalformedPayload`."""
    key = body.row.get("next_start_key")
    if key is None or key == "":
        return None
    if type(key) is int:  # keys are times or ids, and time is a number in this API
        return str(key)
    if type(key) is not str:
        raise MalformedPayload("The key of the next page cannot be read", path="next_start_key")
    return key


def read_row_id(row: Any) -> str | None:
    """Read a row's recording id, even if other fields are malformed; None if it has none."""
    value = (row.get("recording_id") or row.get("id")) if isinstance(row, dict) else None
    return value if isinstance(value, str) else None


def format_since(moment: datetime, margin: timedelta) -> str:
    """Format a bound, moved earlier by the margin: in UTC and whole seconds, with `Z`."""
    early = max(moment, _EARLIEST_SINCE) - margin
    return early.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- errors ---------------------------------------------------------------------------------------


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Read an error body. It is recognized in the three shapes that Audian documents.

    https://docs.audian.com/call-control/call-recording: `{"error": "not_found", "message", "code"}`
    https://docs.audian.com/errors/error-codes: `{"error": {"code", "message", "type"}}`
    https://docs.audian.com/errors: `{"data": {"message"}, "error": "401", "message", "status"}`

    No code states that one resource is absent: `not_found` may be about a path, too.
    """
    error, detail, text = (payload.get(name) for name in ("error", "data", "message"))
    code, message, recognized = text, text, False
    kind: type[ProviderError] | None = None
    if isinstance(error, dict):
        code, message = error.get("code"), error.get("message") or text
        recognized = all(_read_text(error.get(name)) for name in ("code", "message", "type"))
    elif type(error) is str and error.isdecimal():
        code, kind = (error, Unavailable) if error in SERVER_ERRORS else (text, None)
        # Some samples have no `data`.
        recognized = payload.get("status") == "error" and _read_text(text) is not None
    elif type(error) is str:
        code = error
        recognized = type(payload.get("code")) is int and bool(error and _read_text(text))
    if isinstance(detail, dict) and detail.get("message"):
        message = detail["message"]
    # A 2xx may contain an error: no success has the field `error`.
    is_error = bool(payload.get("error")) or payload.get("success") is False
    return ErrorDetails(
        code=_read_text(code),
        message=_read_text(message),
        request_id=_read_text(payload.get("request_id")),
        recognized=recognized,
        kind=QuotaExceeded if code == QUOTA_CODE else kind,
        is_error=is_error,
    )


def _read_text(value: Any) -> str | None:
    return value if type(value) is str and value else None
