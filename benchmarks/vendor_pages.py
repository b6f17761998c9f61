"""Vendor pages: pages of each vendor's list, with the fields that it documents."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

#: Rows per page, unless the vendor documents another number.
ROWS = 100


def build_realtimekit_row(index: int, media: str = "", size: int = 0) -> dict[str, Any]:
    """Build one item as in https://developers.cloudflare.com/api/resources/realtime_kit.

    With the origin of a media server its file is there, and has that size.
    """
    recording_id = f"97cb480d-5840-4528-ace3-{index:012d}"
    meeting_id = f"50c8940e-1b97-402a-97d6-{index % 100:012d}"
    name = f"{meeting_id}_17804807{index:05d}.mp4"
    folder = f"{media}/{size}" if media else "https://bucket.r2.cloudflarestorage.com/recordings"
    return {
        "id": recording_id,
        "audio_download_url": None,
        "download_url": (
            f"{folder}/{name}"
            "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260603T103200Z&X-Amz-Expires=604800"
            "&X-Amz-SignedHeaders=host&X-Amz-Signature="
            + hashlib.sha256(recording_id.encode()).hexdigest()
        ),
        "download_url_expiry": f"{2099 if media else 2026}-06-10T10:30:00.000Z",
        "file_size": size or 2_044_680 + index,
        "invoked_time": "2026-06-03T09:59:55.120Z",
        "output_file_name": name,
        "session_id": f"05e57591-d89e-45c9-ae44-{index:012d}",
        "started_time": "2026-06-03T10:00:00.000Z",
        "status": "UPLOADED",
        "stopped_time": "2026-06-03T10:30:00.000Z",
        "recording_duration": 1800,
        "storage_config": None,
        "meeting": {
            "id": meeting_id,
            "created_at": "2026-06-01T09:59:55.120Z",
            "updated_at": "2026-06-02T09:59:55.120Z",
            "live_stream_on_start": False,
            "persist_chat": False,
            "record_on_start": False,
            "session_keep_alive_time_in_secs": 60,
            "status": "ACTIVE",
            "summarize_on_end": False,
            "title": "Weekly sync",
            "transcribe_on_end": False,
        },
    }


def build_realtimekit_page(
    rows: int = 1000, first: int = 0, total: int | None = None, media: str = "", size: int = 0
) -> bytes:
    """Build a page of RealtimeKit's recordings."""
    return json.dumps(
        {
            "success": True,
            "data": [build_realtimekit_row(first + index, media, size) for index in range(rows)],
            "paging": {
                "total_count": rows if total is None else total,
                "start_offset": first + 1,
                "end_offset": first + rows,
            },
        }
    ).encode()


def build_plivo_row(index: int) -> dict[str, Any]:
    """Build one Recording object, with the JSON types of the official clients' fixtures."""
    recording_id = f"{index:08d}-8f1a-11e4-aa07-02a0c3e4d4b2"
    call_uuid = f"{index:08d}-9b3c-4d55-9a0e-3c1f4b7f2d10"
    start = 1_780_480_800_000 + 61_000 * index
    length = 45_000 + 1_370 * (index % 400)
    minutes = -(-length // 60_000)
    return {
        "add_time": f"2026-06-03 {10 + index % 10:02d}:{index % 60:02d}:02.104729+05:30",
        "call_uuid": call_uuid,
        "conference_name": "",
        "from_number": "+14155550100",
        "monthly_recording_storage_amount": round(0.0004 * minutes, 6),
        "recording_duration_ms": f"{length}.00000",
        "recording_end_ms": f"{start + length}.00000",
        "recording_format": "mp3",
        "recording_id": recording_id,
        "recording_start_ms": f"{start}.00000",
        "recording_storage_duration": 3,
        "recording_storage_rate": 0.0004,
        "recording_type": "call",
        "recording_url": (
            f"https://media.plivo.com/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/{recording_id}.mp3"
        ),
        "resource_uri": f"/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/{recording_id}/",
        "rounded_recording_duration": 60 * minutes,
        "to_number": "+14155550199",
    }


def build_plivo_page(
    rows: int = 20, first: int = 0, following: str | None = "/more", total: int = 100_000
) -> bytes:
    """Build a page of Plivo's recordings, at most 20. `following` is the address of the next."""
    return json.dumps(
        {
            "api_id": "ff25223a-1c9f-11e4-80aa-12313f048015",
            "meta": {
                "limit": rows,
                "next": following,
                "offset": first,
                "previous": None,
                "total_count": total,
            },
            "objects": [build_plivo_row(first + index) for index in range(rows)],
        }
    ).encode()


_TWILIO = "/2010-04-01/Accounts/AC0123456789abcdef0123456789abcdef"


def build_twilio_page(rows: int = ROWS, first: int = 0, following: str | None = None) -> bytes:
    """Build a page of Twilio's recordings of calls. `following` is the query of the next page."""
    found: list[dict[str, Any]] = [
        {
            "account_sid": "AC0123456789abcdef0123456789abcdef",
            "api_version": "2010-04-01",
            "call_sid": f"CA{index:032x}",
            "channels": 2,
            "conference_sid": None,
            "date_created": f"Mon, 01 Jun 2026 09:{index // 60 % 60:02}:{index % 60:02} +0000",
            "date_updated": "Mon, 01 Jun 2026 12:00:00 +0000",
            "duration": str(30 + index % 1000),
            "encryption_details": None,
            "error_code": None,
            "media_url": f"https://api.twilio.com{_TWILIO}/Recordings/RE{index:032x}",
            "price": "-0.0025",
            "price_unit": "USD",
            "sid": f"RE{index:032x}",
            "source": "StartCallRecordingAPI",
            "start_time": f"Mon, 01 Jun 2026 09:{index // 60 % 60:02}:{index % 60:02} +0000",
            "status": "completed",
            "subresource_uris": {},
            "uri": f"{_TWILIO}/Recordings/RE{index:032x}.json",
        }
        for index in range(first, first + rows)
    ]
    link = f"{_TWILIO}/Recordings.json?{following}" if following is not None else None
    return json.dumps({"page": 0, "next_page_uri": link, "recordings": found}).encode()


def build_audian_page(rows: int = ROWS, first: int = 0, total: int = 10_000) -> bytes:
    """Build a page of Audian's recordings of calls."""
    found = [
        {
            "recording_id": f"rec_{index:012x}",
            "call_id": f"call_{index:012x}",
            "duration": 148 + index % 1000,
            "file_size": 147_996 + index,
            "status": "completed",
            "created_at": f"2026-06-01T09:{index % 60:02d}:00Z",
        }
        for index in range(first, first + rows)
    ]
    more = first + rows < total
    pagination = {"total": total, "limit": ROWS, "offset": first, "has_more": more}
    return json.dumps({"data": found, "pagination": pagination}).encode()


_NIL = "00000000-0000-0000-0000-000000000000"
_NEWEST, _STEP = datetime(2026, 6, 1, tzinfo=UTC), timedelta(minutes=1)


def build_voipbin_page(
    rows: int = ROWS, first: int = 0, newest: datetime = _NEWEST, step: timedelta = _STEP
) -> bytes:
    """Build a page of VoIPBin's recordings of conferences, newest first, without their files."""
    found = []
    for index in range(first, first + rows):
        created = newest - step * index
        start, end = created + timedelta(seconds=1), created + timedelta(seconds=18.994)
        found.append(
            {
                "id": f"ff59b932-a0fc-4e9c-8f9c-{index:012d}",
                "customer_id": "88ab473e-8251-481b-b392-c45be9cc9db1",
                "owner_type": "",
                "owner_id": _NIL,
                "activeflow_id": f"30747515-a845-4038-b8ad-{index:012d}",
                "reference_type": "confbridge",
                "reference_id": f"291be316-7ef1-449c-85f7-{index:012d}",
                "status": "ended",
                "format": "wav",
                "on_end_flow_id": _NIL,
                "tm_start": _format_time(start),
                "tm_end": _format_time(end),
                "tm_create": _format_time(created),
                "tm_update": _format_time(end),
            }
        )
    token = found[-1]["tm_create"] if found else ""
    return json.dumps({"result": found, "next_page_token": token}).encode()


def build_voipbin_files(
    rows: int = ROWS, first: int = 0, newest: datetime = _NEWEST, step: timedelta = _STEP
) -> bytes:
    """Build a page of the files of `build_voipbin_page`, each stored one minute later."""
    found = [
        {
            "id": f"1f59b932-a0fc-4e9c-8f9c-{index:012d}",
            "reference_type": "recording",
            "reference_id": f"ff59b932-a0fc-4e9c-8f9c-{index:012d}",
            "filename": f"confbridge_{index}_in.wav",
            "filesize": 288_044,
            "tm_create": _format_time(newest - step * index + timedelta(minutes=1)),
        }
        for index in range(first, first + rows)
    ]
    token = found[-1]["tm_create"] if found else ""
    return json.dumps({"result": found, "next_page_token": token}).encode()


def _format_time(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
