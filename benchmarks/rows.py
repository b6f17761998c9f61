"""What do the benchmarks read? A page of RealtimeKit's list: 25 documented fields a row."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def realtimekit_row(index: int) -> dict[str, Any]:
    """One item, as https://developers.cloudflare.com/api/resources/realtime_kit lists it."""
    recording_id = f"97cb480d-5840-4528-ace3-{index:012d}"
    meeting_id = f"50c8940e-1b97-402a-97d6-{index % 100:012d}"
    name = f"{meeting_id}_17804807{index:05d}.mp4"
    return {
        "id": recording_id,
        "audio_download_url": None,
        "download_url": (
            f"https://bucket.r2.cloudflarestorage.com/recordings/{name}"
            "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260603T103200Z&X-Amz-Expires=604800"
            "&X-Amz-SignedHeaders=host&X-Amz-Signature="
            + hashlib.sha256(recording_id.encode()).hexdigest()
        ),
        "download_url_expiry": "2026-06-10T10:30:00.000Z",
        "file_size": 2_044_680 + index,
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


def realtimekit_page(rows: int = 1000, first: int = 0, total: int | None = None) -> bytes:
    """A page's bytes."""
    return json.dumps(
        {
            "success": True,
            "data": [realtimekit_row(first + index) for index in range(rows)],
            "paging": {
                "total_count": rows if total is None else total,
                "start_offset": first + 1,
                "end_offset": first + rows,
            },
        }
    ).encode()


def plivo_row(index: int) -> dict[str, Any]:
    """One Recording object, in the wire types of the official clients' fixtures."""
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


def plivo_page(rows: int = 20, first: int = 0) -> bytes:
    """A page's bytes; 20 rows are Plivo's most."""
    following = f"/v1/Account/MAXXXXXXXXXXXXXXXXXX/Recording/?limit=20&offset={first + rows}"
    return json.dumps(
        {
            "api_id": "ff25223a-1c9f-11e4-80aa-12313f048015",
            "meta": {
                "limit": 20,
                "next": following,
                "offset": first,
                "previous": None,
                "total_count": 100_000,
            },
            "objects": [plivo_row(first + index) for index in range(rows)],
        }
    ).encode()


def audian_page(rows: int = 100) -> bytes:
    """A page of Audian's recordings of calls."""
    found = [
        {
            "recording_id": f"rec_{index:012x}",
            "call_id": f"call_{index:012x}",
            "duration": 148 + index,
            "file_size": 147_996 + index,
            "status": "completed",
            "created_at": f"2026-06-01T09:{index % 60:02d}:00Z",
        }
        for index in range(rows)
    ]
    pagination = {"total": 10_000, "limit": rows, "offset": 0, "has_more": True}
    return json.dumps({"data": found, "pagination": pagination}).encode()


def voipbin_page(rows: int = 100) -> bytes:
    """A page of VoIPBin's recordings; their files are another list's."""
    nil = "00000000-0000-0000-0000-000000000000"
    found = [
        {
            "id": f"ff59b932-a0fc-4e9c-8f9c-{index:012d}",
            "customer_id": "88ab473e-8251-481b-b392-c45be9cc9db1",
            "owner_type": "",
            "owner_id": nil,
            "activeflow_id": f"30747515-a845-4038-b8ad-{index:012d}",
            "reference_type": "call",
            "reference_id": f"291be316-7ef1-449c-85f7-{index:012d}",
            "status": "ended",
            "format": "wav",
            "on_end_flow_id": nil,
            "tm_start": f"2026-06-01T09:{index % 60:02d}:00Z",
            "tm_end": f"2026-06-01T09:{index % 60:02d}:17.994Z",
            "tm_create": f"2026-06-01T08:{index % 60:02d}:59Z",
            "tm_update": f"2026-06-01T09:{index % 60:02d}:17.994Z",
        }
        for index in range(rows)
    ]
    return json.dumps({"result": found, "next_page_token": "2026-06-01T08:00:59.000000Z"}).encode()
