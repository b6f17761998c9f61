"""Requests: the bodies that RealtimeKit accepts, and the checks of their fields."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from recording_core.plugin import Request
from recording_realtimekit.emulator.responses import ErrorResponse, build_invalid

#: the type of a field's values, its possible values, or whether a value is valid
FieldCheck = type | Sequence[Any] | Callable[[Any], bool]

MAX_SECONDS = range(60, 86400 + 1)


def is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value)) and len(value) == 36
    except ValueError:
        return False


def is_url(value: Any) -> bool:
    return isinstance(value, str) and bool(urlsplit(value).scheme and urlsplit(value).netloc)


def is_web_url(value: Any) -> bool:
    return is_url(value) and urlsplit(value).scheme in ("http", "https")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_prefix(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w+", value, re.ASCII) is not None


def are_user_ids(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 100 and {str}.issuperset(map(type, value))


# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/start_recordings/
# `file_name_prefix`: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/custom-cloud-storage/
# The same page has the storage type `cloudflare` (R2), which the enum of the API lacks.
START_FIELDS: Mapping[str, FieldCheck] = {
    "meeting_id": is_uuid,
    "allow_multiple_recordings": bool,
    "max_seconds": MAX_SECONDS,
    "file_name_prefix": is_prefix,
    "url": is_url,
    "realtimekit_bucket_config.enabled": bool,
    "interactive_config.type": ("ID3",),
    "rtmp_out_config.rtmp_url": is_url,
    "audio_config.codec": ("AAC", "MP3"),
    "audio_config.channel": ("stereo", "mono"),
    "audio_config.export_file": bool,
    "video_config.codec": ("H264", "VP8", "VP9"),
    "video_config.width": range(1, 1920 + 1),
    "video_config.height": range(1, 1920 + 1),
    "video_config.export_file": bool,
    "video_config.watermark.url": is_url,
    "video_config.watermark.position": ("left top", "right top", "left bottom", "right bottom"),
    "video_config.watermark.size.width": range(1, (1 << 31) + 1),
    "video_config.watermark.size.height": range(1, (1 << 31) + 1),
    "storage_config.type": ("aws", "azure", "digitalocean", "gcs", "sftp", "cloudflare"),
    "storage_config.access_key": str,
    "storage_config.secret": str,
    "storage_config.bucket": str,
    "storage_config.region": str,
    "storage_config.path": str,
    "storage_config.auth_method": ("KEY", "PASSWORD"),
    "storage_config.username": str,
    "storage_config.password": str,
    "storage_config.host": str,
    "storage_config.port": is_number,
    "storage_config.private_key": str,
}
REQUIRED_START_FIELDS = ("meeting_id", "realtimekit_bucket_config.enabled", "storage_config.type")
#: the fields that a storage requires, by its type and by its `auth_method`
REQUIRED_STORAGE_FIELDS: Mapping[str, tuple[str, ...]] = {
    "aws": ("access_key", "region"),
    "azure": ("access_key", "region"),
    "digitalocean": ("access_key", "region"),
    "KEY": ("private_key",),
    "PASSWORD": ("password",),
}

DEFAULT_AUDIO = {"codec": "AAC", "channel": "stereo"}

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording/
# Dyte's specification, the API's predecessor, has `max_seconds`.
TRACK_FIELDS: Mapping[str, FieldCheck] = {
    "meeting_id": is_uuid,
    "max_seconds": MAX_SECONDS,
    "layers.default.media_kind": ("audio",),
    "layers.default.file_name_prefix": is_prefix,
    "user_ids": are_user_ids,
}

# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/pause_resume_stop_recording/
ACTION_FIELDS: Mapping[str, FieldCheck] = {"action": ("stop", "pause", "resume")}


def read_start_body(request: Request) -> dict[str, Any]:
    """Read the body of a start. Raises `ErrorResponse`."""
    body = _read_body(request, START_FIELDS, REQUIRED_START_FIELDS)
    storage = body.get("storage_config", {})
    for word in (storage.get("type"), storage.get("auth_method")):
        for name in REQUIRED_STORAGE_FIELDS.get(str(word), ()):
            if name not in storage:
                raise build_invalid(f"storage_config.{name}", "is required")
    if body.get("video_config", {}).get("codec") == "VP8":
        # With it `audio_config` must not be changed, and the sound is always Vorbis.
        for name, default in DEFAULT_AUDIO.items():
            if body.get("audio_config", {}).get(name, default) != default:
                raise build_invalid(f"audio_config.{name}")
    return body


def read_track_body(request: Request) -> dict[str, Any]:
    """Read the body of a start of a track recording. Raises `ErrorResponse`."""
    body = _read_body(request, TRACK_FIELDS, ("meeting_id",))
    for name in body.get("layers", {}):
        if name != "default":
            raise build_invalid(f"layers.{name}", "is not allowed")
    return body


def read_action(request: Request) -> str:
    """Read the action of a PUT. Raises `ErrorResponse`."""
    return str(_read_body(request, ACTION_FIELDS, ("action",))["action"])


def _read_body(
    request: Request, checks: Mapping[str, FieldCheck], required: Collection[str]
) -> dict[str, Any]:
    """Read and check a body. Fields outside the table are ignored, as the guides' misspelt ones."""
    body = request.require_object(ErrorResponse(422, "The body must be of type object"))
    if body.get("storage_config") is None:
        body.pop("storage_config", None)  # null is the same as leaving it out, here alone
    for path, check in checks.items():
        *parents, name = path.split(".")
        holder: Any = body
        for depth, parent in enumerate(parents, 1):
            if parent not in holder:
                break
            holder = holder[parent]
            if not isinstance(holder, dict):
                raise build_invalid(".".join(parents[:depth]), "must be of type object")
        else:
            if name in holder and not _is_valid(holder[name], check):
                raise build_invalid(path)
            if name not in holder and path in required:
                raise build_invalid(path, "is required")
    names = {path.partition(".")[0] for path in checks}
    return {name: value for name, value in body.items() if name in names}


def _is_valid(value: Any, check: FieldCheck) -> bool:
    if isinstance(check, Sequence):
        return type(value) is type(check[0]) and value in check
    return isinstance(value, check) if isinstance(check, type) else check(value)
