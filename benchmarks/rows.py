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
