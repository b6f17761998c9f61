"""Pydantic mappings: the fastest mapping that we found with pydantic v2, for each vendor.

A strict model validates the vendor's row, and its values become a recording that keeps the raw row.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import pydantic

from recording_audian import mapping as audian
from recording_core import FileRole, RecordingStatus, SessionKind
from recording_realtimekit import mapping as realtimekit
from recording_twilio import mapping as twilio
from recording_voipbin import mapping as voipbin

__all__ = ["BASE_URL", "MAPPINGS", "NOW", "TWILIO_ROOT"]

NOW = datetime(2026, 6, 5, tzinfo=UTC)
BASE_URL = "https://api.audian.com:8443/v2"
TWILIO_ROOT = "https://api.twilio.com/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef"
_STRICT = pydantic.ConfigDict(strict=True)
_FROZEN = pydantic.ConfigDict(strict=True, frozen=True)

#: An ISO 8601 string, which strict models accept in JSON only.
Time = pydantic.AwareDatetime


def _build_time_field() -> Any:
    return pydantic.Field(None, strict=False)


# -- our models in pydantic -----------------------------------------------------------------------


class _Session(pydantic.BaseModel):
    model_config = _FROZEN
    kind: SessionKind
    id: str


class _File(pydantic.BaseModel):
    model_config = _FROZEN
    id: str
    role: FileRole
    format: str | None = None
    media_type: str | None = None
    size: int | None = None
    duration: timedelta | None = None
    channels: int | None = None
    participant: str | None = None
    url: str | None = None
    url_expires_at: datetime | None = None
    checksum: str | None = None
    name: str | None = None


class _Recording(pydantic.BaseModel):
    model_config = _FROZEN
    provider: str
    account: str
    id: str
    kind: SessionKind | None = None
    target: _Session | None = None
    reference: str | None = None
    title: str | None = None
    status: RecordingStatus
    provider_status: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    created_at: datetime | None = None
    duration: timedelta | None = None
    size: int | None = None
    format: str | None = None
    channels: int | None = None
    sample_rate: int | None = None
    bit_rate: int | None = None
    files: tuple[_File, ...] = ()
    media_expires_at: datetime | None = None
    deleted_at: datetime | None = None
    error: str | None = None
    raw: dict[str, Any]


# -- Audian ---------------------------------------------------------------------------------------


class _AudianRow(pydantic.BaseModel):
    model_config = _STRICT
    recording_id: str
    call_id: str
    status: str
    duration: int | float | None = None
    file_size: int | None = None
    file_format: str | None = None
    name: str | None = None
    channels: int | None = None
    bitrate: int | None = None
    url: str | None = None
    checksum: str | None = None
    created_at: Time | None = _build_time_field()
    started_at: Time | None = _build_time_field()
    ended_at: Time | None = _build_time_field()
    deleted_at: Time | None = _build_time_field()


def _map_audian(page: bytes) -> list[_Recording]:
    found = []
    for raw in json.loads(page)["data"]:
        row = _AudianRow.model_validate(raw)
        status = audian.STATUSES.get(row.status, RecordingStatus.UNKNOWN)
        expires = row.created_at + audian.RETENTION if row.created_at is not None else None
        if row.deleted_at is not None:
            status = RecordingStatus.DELETED
        elif status is RecordingStatus.AVAILABLE and expires is not None and expires <= NOW:
            status = RecordingStatus.EXPIRED
        length = timedelta(seconds=row.duration) if row.duration is not None else None
        media = f"{BASE_URL}/recordings/{quote(row.recording_id, safe='')}/download"
        files: tuple[_File, ...] = ()
        if row.url is not None or status is RecordingStatus.AVAILABLE:
            files = (
                _File(
                    id="mix", role=FileRole.MIX, format=row.file_format, size=row.file_size,
                    duration=length, channels=row.channels, checksum=row.checksum,
                    url=row.url or media,
                ),
            )  # fmt: skip
        found.append(
            _Recording(
                provider="audian", account="default", id=row.recording_id, kind=SessionKind.CALL,
                target=_Session(kind=SessionKind.CALL, id=row.call_id), title=row.name,
                status=status, provider_status=row.status, started_at=row.started_at,
                ended_at=row.ended_at, created_at=row.created_at, duration=length,
                size=row.file_size, format=row.file_format, channels=row.channels,
                bit_rate=row.bitrate, files=files, media_expires_at=expires,
                deleted_at=row.deleted_at, raw=raw,
            )
        )  # fmt: skip
    return found


# -- Plivo ----------------------------------------------------------------------------------------


class _PlivoRow(pydantic.BaseModel):
    model_config = _STRICT
    recording_id: str
    call_uuid: str | None = None
    conference_name: str | None = None
    recording_type: str | None = None
    recording_format: str | None = None
    recording_url: str | None = None
    recording_duration_ms: float = pydantic.Field(strict=False)
    recording_start_ms: float = pydantic.Field(strict=False)
    recording_end_ms: float = pydantic.Field(strict=False)
    add_time: Time | None = _build_time_field()


def _parse_milliseconds(value: float) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)


def _map_plivo(page: bytes) -> list[_Recording]:
    found = []
    for raw in json.loads(page)["objects"]:
        row = _PlivoRow.model_validate(raw)
        length = timedelta(milliseconds=row.recording_duration_ms)
        created = row.add_time.astimezone(UTC) if row.add_time is not None else None
        form = row.recording_format
        found.append(
            _Recording(
                provider="plivo", account="default", id=row.recording_id, kind=SessionKind.CALL,
                target=_Session(kind=SessionKind.CALL, id=row.call_uuid or ""),
                reference=row.call_uuid, status=RecordingStatus.AVAILABLE,
                started_at=_parse_milliseconds(row.recording_start_ms),
                ended_at=_parse_milliseconds(row.recording_end_ms), created_at=created,
                duration=length, format=form,
                files=(
                    _File(
                        id="mix", role=FileRole.MIX, format=form, media_type="audio/mpeg",
                        duration=length, url=row.recording_url,
                        name=(row.recording_url or "").rpartition("/")[2],
                    ),
                ),
                raw=raw,
            )
        )  # fmt: skip
    return found


# -- RealtimeKit ----------------------------------------------------------------------------------


class _Meeting(pydantic.BaseModel):
    model_config = _STRICT
    id: str
    title: str | None = None


class _RealtimeKitRow(pydantic.BaseModel):
    """The vendor's row, typed."""

    model_config = _STRICT
    id: str
    audio_download_url: str | None = None
    download_url: str | list[Any] | None = None
    download_url_expiry: Time | None = _build_time_field()
    file_size: int | str | None = None
    invoked_time: Time | None = _build_time_field()
    output_file_name: str | None = None
    session_id: str | None = None
    started_time: Time | None = _build_time_field()
    status: str
    stopped_time: Time | None = _build_time_field()
    recording_duration: int | float | None = None
    meeting: _Meeting | None = None


def _map_realtimekit(page: bytes) -> list[_Recording]:
    found = []
    for raw in json.loads(page)["data"]:
        row = _RealtimeKitRow.model_validate(raw)
        status = realtimekit.STATUSES.get(row.status, RecordingStatus.UNKNOWN)
        expires = row.download_url_expiry
        if status is RecordingStatus.AVAILABLE and expires is not None and expires <= NOW:
            status = RecordingStatus.EXPIRED
        duration = timedelta(seconds=row.recording_duration or 0)
        size = int(row.file_size) if row.file_size is not None else None
        name = row.output_file_name
        form = name.rpartition(".")[2] if name else None
        files: tuple[_File, ...] = ()
        if isinstance(row.download_url, str):
            files = (
                _File(
                    id="video", role=FileRole.VIDEO, format=form, media_type="video/mp4",
                    size=size, duration=duration, url=row.download_url,
                    url_expires_at=expires, name=name,
                ),
            )  # fmt: skip
        meeting = row.meeting
        found.append(
            _Recording(
                provider="realtimekit", account="default", id=row.id, kind=SessionKind.MEETING,
                target=_Session(kind=SessionKind.MEETING, id=meeting.id) if meeting else None,
                reference=row.session_id, title=meeting.title if meeting else None,
                status=status, provider_status=row.status, started_at=row.started_time,
                ended_at=row.stopped_time, created_at=row.invoked_time, duration=duration,
                size=size, format=form, files=files, media_expires_at=expires, raw=raw,
            )
        )  # fmt: skip
    return found


# -- Twilio ---------------------------------------------------------------------------------------


class _TwilioRow(pydantic.BaseModel):
    model_config = _STRICT
    sid: str
    call_sid: str | None = None
    conference_sid: str | None = None
    channels: int | None = None
    date_created: str | None = None
    duration: int | None = pydantic.Field(None, strict=False)
    error_code: int | None = None
    start_time: str | None = None
    status: str


def _map_twilio(page: bytes) -> list[_Recording]:
    found = []
    for raw in json.loads(page)["recordings"]:
        row = _TwilioRow.model_validate(raw)
        length = timedelta(seconds=row.duration or 0)
        found.append(
            _Recording(
                provider="twilio", account="default", id=row.sid, kind=SessionKind.CALL,
                target=_Session(kind=SessionKind.CALL, id=row.call_sid or ""),
                status=twilio.STATUSES.get(row.status, RecordingStatus.UNKNOWN),
                provider_status=row.status, started_at=_parse_rfc_2822(row.start_time),
                created_at=_parse_rfc_2822(row.date_created), duration=length, format="wav",
                channels=row.channels,
                files=(
                    _File(
                        id="mix", role=FileRole.MIX, format="wav", media_type="audio/wav",
                        duration=length, channels=row.channels,
                        url=f"{TWILIO_ROOT}/Recordings/{row.sid}.wav",
                    ),
                ),
                raw=raw,
            )
        )  # fmt: skip
    return found


def _parse_rfc_2822(value: str | None) -> datetime | None:
    return parsedate_to_datetime(value).astimezone(UTC) if value else None


# -- VoIPBin --------------------------------------------------------------------------------------


class _VoIPBinRow(pydantic.BaseModel):
    model_config = _STRICT
    id: str
    reference_type: str
    reference_id: str
    status: str
    format: str | None = None
    tm_start: Time | None = _build_time_field()
    tm_end: Time | None = _build_time_field()
    tm_create: Time | None = _build_time_field()
    tm_delete: Time | None = _build_time_field()


def _map_voipbin(page: bytes) -> list[_Recording]:
    found = []
    for raw in json.loads(page)["result"]:
        row = _VoIPBinRow.model_validate(raw)
        kind = voipbin.KINDS.get(row.reference_type)
        of_call = kind is SessionKind.CALL
        length = row.tm_end - row.tm_start if row.tm_end and row.tm_start else None
        found.append(
            _Recording(
                provider="voipbin", account="default", id=row.id, kind=kind,
                target=_Session(kind=SessionKind.CALL, id=row.reference_id) if of_call else None,
                reference=row.reference_id,
                status=voipbin.STATUSES.get(row.status, RecordingStatus.UNKNOWN),
                provider_status=row.status, started_at=row.tm_start, ended_at=row.tm_end,
                created_at=row.tm_create, duration=length, format=row.format,
                deleted_at=row.tm_delete, raw=raw,
            )
        )  # fmt: skip
    return found


#: vendor -> the mapping of a page's bytes
MAPPINGS: dict[str, Callable[[bytes], list[_Recording]]] = {
    "Audian": _map_audian,
    "Plivo": _map_plivo,
    "RealtimeKit": _map_realtimekit,
    "Twilio": _map_twilio,
    "VoIPBin": _map_voipbin,
}
