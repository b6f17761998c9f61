"""How do Audian's words and fields become ours? Pure: payloads and `now` in, our values out."""

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

#: https://docs.audian.com/call-control/call-recording, Recording States. The conferences' page has
#: two of them, `recording` and `completed`.
STATUSES: Mapping[str, RecordingStatus] = {
    "initiated": RecordingStatus.PENDING,
    "recording": RecordingStatus.RECORDING,
    "paused": RecordingStatus.PAUSED,
    "stopped": RecordingStatus.PROCESSING,  # "stopped but not yet processed"
    "processing": RecordingStatus.PROCESSING,
    "completed": RecordingStatus.AVAILABLE,  # also past its thirty days, see `recording`
    "failed": RecordingStatus.FAILED,
}

#: How long a call's recording is kept: "Automatically deleted after 30 days", the same page says.
#: A conference's depends on the plan, https://docs.audian.com/conferences/recording
KEPT = timedelta(days=30)

#: The code of a 429 that no waiting lifts; the other is about the rate.
#: https://docs.audian.com/call-control/call-recording, Error Handling
QUOTA = "quota_exceeded"

#: Who may be recorded of a call; of the same page, Participant Recording.
PARTICIPANTS = ("all", "caller", "callee")

#: With these there is a file to ask for, though calls' answers name no URL.
_HAS_MEDIA = frozenset(
    {RecordingStatus.AVAILABLE, RecordingStatus.EXPIRED, RecordingStatus.UNKNOWN}
)
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+", re.ASCII)
_SHA256 = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)

T = TypeVar("T")


# An enum's member costs ten times a module's name (Python 3.11), and rows are many.
_DELETED, _AVAILABLE, _EXPIRED, _FAILED = (
    RecordingStatus.DELETED,
    RecordingStatus.AVAILABLE,
    RecordingStatus.EXPIRED,
    RecordingStatus.FAILED,
)
_CALL, _CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
_MIX = FileRole.MIX


def recording(
    row: Mapping[str, Any],
    account: str,
    base_url: str,
    now: datetime,
    *,
    raw: Mapping[str, Any] | None = None,
) -> Recording:
    """A recording in either vocabulary, of any answer or event. Raises `MalformedPayload`.

    `now` decides whether a call's media has expired; `raw` is the payload, if it is not the row.
    """
    # Calls: recording_id, call_id, file_size, file_format. Conferences: id, conference_id, size,
    # format, name. A start of a call says format, as a conference does.
    of_call = "recording_id" in row or "call_id" in row
    id_field = "recording_id" if of_call else "id"
    recording_id = read.required_text(row.get(id_field), id_field)
    target = _target(row)
    kind = _CALL if of_call else _CONFERENCE
    kind = target.kind if target is not None else kind
    word = read.text(row.get("status"), "status")
    status = read.status_of(word, STATUSES)
    started_at = read.instant(row.get("started_at"), "started_at")
    ended_at = _either(read.instant, row, "ended_at", "stopped_at")
    # Of a call this is when it stopped; of a conference, when it started.
    created_at = read.instant(row.get("created_at"), "created_at")
    deleted_at = read.instant(row.get("deleted_at"), "deleted_at")
    duration = read.seconds(row.get("duration"), "duration")
    if duration is None and started_at and ended_at and ended_at >= started_at:
        duration = ended_at - started_at
    expires_at = None
    if kind is _CALL and created_at is not None:
        expires_at = created_at + KEPT
    if deleted_at is not None:
        status = _DELETED
    elif status is _AVAILABLE and expires_at is not None and expires_at <= now:
        status = _EXPIRED
    size = _either(read.count, row, "file_size", "size")
    format = _either(read.text, row, "file_format", "format")
    format = format.lower() if format is not None else None
    channels = read.count(row.get("channels"), "channels")
    bit_rate = read.count(row.get("bitrate"), "bitrate")
    url = _either(read.text, row, "url", "download_url")
    files: tuple[MediaFile, ...] = ()
    if url is not None or status in _HAS_MEDIA:
        known = FORMATS.get(format or "")
        files = (
            MediaFile(
                id="mix",
                role=_MIX,
                format=format,
                media_type=known.media_type if known else None,
                size=size,
                duration=duration,
                channels=channels,
                url=url or f"{base_url}/recordings/{quote(recording_id, safe='')}/download",
                checksum=_checksum(row.get("checksum")),
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
        provider_status=word,
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


def _target(row: Mapping[str, Any]) -> CommunicationSession | None:
    for kind, name in ((SessionKind.CALL, "call_id"), (SessionKind.CONFERENCE, "conference_id")):
        value = read.text(row.get(name), name)
        if value is not None:
            return read.target(kind, value, name)
    return None


def _either(
    reader: Callable[[Any, str], T | None], row: Mapping[str, Any], name: str, other: str
) -> T | None:
    """The field by its name in one vocabulary, else in the other."""
    value = reader(row.get(name), name)
    return value if value is not None else reader(row.get(other), other)


def _checksum(value: Any) -> str | None:
    """`{"algorithm": "sha256", "value": ...}` of an event. The page's own is too short to be one:
    what is malformed proves nothing, and costs nothing."""
    if type(value) is not dict or value.get("algorithm") not in ("sha256", "SHA256", "sha-256"):
        return None
    digest = value.get("value")
    if type(digest) is not str or not _SHA256.fullmatch(digest):
        return None
    return f"sha256:{digest.lower()}"


def session(
    row: Mapping[str, Any],
    target: CommunicationSession,
    account: str,
    base_url: str,
    now: datetime,
) -> RecordingSession:
    """The act of recording, as start and stop answer it; a conference's stop is its end."""
    seen = recording(row, account, base_url, now)
    if seen.target is None:
        seen = evolve(seen, target=target, kind=target.kind)
    return RecordingSession(
        provider="audian",
        account=account,
        id=seen.id,
        target=target,
        status=seen.status,
        provider_status=seen.provider_status,
        started_at=seen.started_at,
        stopped_at=seen.ended_at,
        recordings=(seen,) if seen.status in FINAL else (),
        raw=row,
    )


def status_word(row: Mapping[str, Any]) -> str | None:
    """The status that an answer says, if it is one: an envelope's is a word like "success"."""
    word = row.get("status")
    return word if type(word) is str and word in STATUSES else None


def token(payload: Any) -> str:
    """The token that a key was exchanged for: beside `data`, not in it. Raises `MalformedPayload`.

    https://docs.audian.com/authentication/api-keys
    """
    value = payload.get("auth_token") if type(payload) is dict else None
    if type(value) is not str or not _HEADER_VALUE.fullmatch(value):
        raise MalformedPayload("an answer without a token", path="auth_token")
    return value


# -- envelopes ------------------------------------------------------------------------------------


def data(payload: Any) -> Mapping[str, Any]:
    """What an answer is about, out of whichever envelope. Raises `MalformedPayload`.

    The recording pages have none. Others have `{"auth_token", "data", "status": "success"}`
    (https://docs.audian.com/api-basics/response-format) and `{"success": true, "data"}`
    (https://docs.audian.com/errors/http-status-codes). No answer has an object called `data`
    of its own.
    """
    if type(payload) is not dict:
        raise MalformedPayload("an answer that is no object")
    inner = payload.get("data")
    return inner if type(inner) is dict else payload


@frozen
class Rows:
    """A page of a list. `step` is how far the next one is; `more` whether there is one, if told."""

    rows: Sequence[Any]
    total: int | None
    step: int
    more: bool


def rows(payload: Any, offset: int) -> Rows:
    """The page at this offset. Raises `MalformedPayload`.

    `{"data", "pagination"}` of calls, `{"recordings", "total", "limit", "offset"}` of conferences.
    """
    body = data(payload)
    name = "recordings" if "recordings" in body else "data"
    found = read.array(body.get(name), name)
    paging = read.obj(body.get("pagination"), "pagination")
    paging = paging if paging is not None else body
    total = read.count(paging.get("total"), "total")
    limit = read.count(paging.get("limit"), "limit")
    has_more = paging.get("has_more")
    if has_more is not None and type(has_more) is not bool:
        raise read.wrong("has_more", "true or false")
    if found is None or (total is None and has_more is None):
        # Without a word on how many there are, nobody could tell the last page from one of many.
        path = name if found is None else "total"
        raise MalformedPayload(f"a list without {path}", path=path)
    size = len(found)
    more = has_more if has_more is not None else offset + size < (total or 0)
    # A page may hold fewer than its limit says; what is skipped would be lost.
    return Rows(found, total, min(limit or size, size), more)


def row_id(row: Any) -> str | None:
    """Which recording a row is of, be the rest of it malformed; None where it does not say."""
    found = row.get("recording_id", row.get("id")) if isinstance(row, dict) else None
    return found if isinstance(found, str) else None


def since(moment: datetime, margin: timedelta) -> str:
    """A bound as the list wants it, so much earlier: whole seconds of UTC, and `Z`."""
    early = max(moment, _LONG_AGO) - margin
    return early.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


# -- refusals -------------------------------------------------------------------------------------


def read_error_details(payload: Mapping[str, Any]) -> ErrorDetails:
    """Three shapes, one of which has its code in quotes, and another an object.

    https://docs.audian.com/call-control/call-recording: `{"error": "not_found", "message", "code"}`
    https://docs.audian.com/errors/error-codes: `{"error": {"code", "message", "type"}}`
    https://docs.audian.com/errors: `{"data": {"message"}, "error": "401", "message", "status"}`
    """
    error, detail, words = (payload.get(name) for name in ("error", "data", "message"))
    code, message = words, words
    if type(error) is dict:
        code, message = error.get("code"), error.get("message") or words
    elif type(error) is str and not error.isdecimal():
        code = error
    if type(detail) is dict and detail.get("message"):
        message = detail["message"]
    request_id = payload.get("request_id")
    # An error in a 2xx: no answer that worked has this field.
    failed = bool(payload.get("error"))
    return ErrorDetails(
        code=_words(code),
        message=_words(message),
        request_id=_words(request_id),
        kind=QuotaExceeded if code == QUOTA else None,
        is_error=failed or payload.get("success") is False,
    )


def _words(value: Any) -> str | None:
    return value if type(value) is str and value else None
