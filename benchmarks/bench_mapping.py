"""How fast do page bytes become recordings? Beside Cloudflare's client and beside pydantic v2."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cloudflare
import httpx
import pydantic
from measure import Row, in_turn, ratio
from rows import realtimekit_page

from recording_core import FileRole, Recording, RecordingStatus, SessionKind, decoding, read_rows
from recording_realtimekit import mapping

NOW = datetime(2026, 6, 5, tzinfo=UTC)
PAGE = realtimekit_page(rows=100)


def ours(decode: Callable[[bytes], Any]) -> Sequence[Recording]:
    """The library's way from bytes to values, as `RealtimeKit.list` takes it."""
    rows = decode(PAGE)["data"]
    read = read_rows(rows, lambda row: mapping.recording(row, "default", NOW))
    assert not read.unreadable
    return read.recordings


# -- pydantic v2: a strict model of the same row, which ends in the same fields -------------------


class _Session(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, frozen=True)
    kind: SessionKind
    id: str


class _File(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, frozen=True)
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


class _Meeting(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True)
    id: str
    title: str | None = None


Time = pydantic.AwareDatetime


class _Row(pydantic.BaseModel):
    """What the vendor sends, typed."""

    model_config = pydantic.ConfigDict(strict=True)
    id: str
    audio_download_url: str | None = None
    download_url: str | list[Any] | None = None
    download_url_expiry: Time | None = pydantic.Field(None, strict=False)
    file_size: int | str | None = None
    invoked_time: Time | None = pydantic.Field(None, strict=False)
    output_file_name: str | None = None
    session_id: str | None = None
    started_time: Time | None = pydantic.Field(None, strict=False)
    status: str
    stopped_time: Time | None = pydantic.Field(None, strict=False)
    recording_duration: int | float | None = None
    meeting: _Meeting | None = None


class _Recording(pydantic.BaseModel):
    """Our `Recording`, in pydantic's hands."""

    model_config = pydantic.ConfigDict(strict=True, frozen=True)
    provider: str
    account: str
    id: str
    kind: SessionKind
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


def pydantic_way() -> list[_Recording]:
    """Validated as the vendor's row, then built as ours: the fastest of the ways that we tried."""
    found = []
    for raw in json.loads(PAGE)["data"]:
        row = _Row.model_validate(raw)
        status = mapping.STATUSES.get(row.status, RecordingStatus.UNKNOWN)
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


# -- Cloudflare's own client, given the same bytes ------------------------------------------------


def cloudflare_way() -> Callable[[], Any]:
    """The official client's list call, its network replaced by the page's bytes."""
    answer = httpx.MockTransport(
        lambda request: httpx.Response(
            200, content=PAGE, headers={"content-type": "application/json"}
        )
    )
    client = cloudflare.Cloudflare(api_token="t", http_client=httpx.Client(transport=answer))
    return lambda: client.realtime_kit.recordings.get_recordings("app", account_id="account").data


def pages_of(way: Callable[[], Any], pages: int = 50) -> Callable[[], None]:
    """The same page so many times, each let go before the next."""

    def work() -> None:
        for _ in range(pages):
            way()

    return work


def main() -> list[Row]:
    """The rows of the table."""
    assert decoding.accelerated(), "install the extra: pip install recording-core[speed]"
    way = cloudflare_way()
    assert len(way() or ()) == len(ours(decoding.decode_plain)) == len(pydantic_way()) == 100
    plain, fast = (lambda: ours(decoding.decode_plain)), (lambda: ours(decoding.decode))

    def against(peer: Callable[[], Any], mine: Callable[[], Any]) -> float:
        """How many times as fast `mine` is; two at a time, so that no third heats the caches.

        Some pages each, one after the other as in a listing: the first is read with cold caches.
        """
        times = in_turn({"peer": pages_of(peer), "mine": pages_of(mine)}, rounds=15)
        return ratio(times["peer"], times["mine"])

    against_cloudflare = against(way, plain)
    fast_cloudflare = against(way, fast)
    against_pydantic = against(pydantic_way, plain)
    accelerated = against(plain, fast)
    return [
        ("page bytes → recordings, against the cloudflare client", f"{against_cloudflare:.1f} ×",
         "≥ 5 ×", against_cloudflare >= 5),
        ("the same, with the extra `speed`", f"{fast_cloudflare:.1f} ×", "towards 10 ×", True),
        ("page bytes → recordings, against pydantic v2", f"{against_pydantic:.2f} ×",
         "≥ 0.8 ×", against_pydantic >= 0.8),
        ("the extra `speed`, against the plain path", f"{accelerated:.2f} ×",
         "≥ 1.2 ×", accelerated >= 1.2),
    ]  # fmt: skip


if __name__ == "__main__":
    for what, measured, wanted, holds in main():
        print(f"{what:60} {measured:>8} {wanted:>14} {'holds' if holds else 'FAILS'}")
