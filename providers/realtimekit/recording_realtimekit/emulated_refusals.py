"""Which requests does RealtimeKit refuse, and in which of its two error shapes?"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from recording_core.plugin import Reply, Request

__all__ = ["Refused", "gateway_error", "is_uuid", "start_body", "track_body", "verb"]


class Refused(Exception):
    """What RealtimeKit itself answers instead of a success; `code` is the HTTP status again."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def reply(self) -> Reply:
        error = {"code": self.status, "message": self.message}
        return Reply.json({"success": False, "error": error}, self.status)


# https://developers.cloudflare.com/fundamentals/api/
def gateway_error(status: int, *errors: tuple[int, str], bare: bool = False) -> Reply:
    """What Cloudflare's gateway answers before RealtimeKit is reached: codes of its own, a list.

    `bare` leaves out `messages` and `result`, as the gateway sometimes does.
    """
    listed = [{"code": code, "message": message} for code, message in errors]
    rest: dict[str, Any] = {} if bare else {"messages": [], "result": None}
    return Reply.json({"success": False, "errors": listed, **rest}, status)


Check = Callable[[Any], bool]


def is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(UUID(value)) and len(value) == 36
    except ValueError:
        return False


def is_url(value: Any) -> bool:
    return isinstance(value, str) and bool(urlsplit(value).scheme and urlsplit(value).netloc)


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not is_bool(value)


def whole(least: int, most: int) -> Check:
    return lambda value: type(value) is int and least <= value <= most


def one_of(*words: str) -> Check:
    return lambda value: value in words


def is_prefix(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\w+", value, re.ASCII) is not None


def are_user_ids(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 100 and all(map(is_text, value))


# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/start_recordings/
# Prefix: https://developers.cloudflare.com/realtime/realtimekit/recording-guide/custom-cloud-storage/
# The same page has the type `cloudflare` (R2), which the API's enumeration lacks.
START: Mapping[str, Check] = {
    "meeting_id": is_uuid,
    "allow_multiple_recordings": is_bool,
    "max_seconds": whole(60, 86400),
    "file_name_prefix": is_prefix,
    "url": is_url,
    "realtimekit_bucket_config.enabled": is_bool,
    "interactive_config.type": one_of("ID3"),
    "rtmp_out_config.rtmp_url": is_url,
    "audio_config.codec": one_of("AAC", "MP3"),
    "audio_config.channel": one_of("stereo", "mono"),
    "audio_config.export_file": is_bool,
    "video_config.codec": one_of("H264", "VP8", "VP9"),
    "video_config.width": whole(1, 1920),
    "video_config.height": whole(1, 1920),
    "video_config.export_file": is_bool,
    "video_config.watermark.url": is_url,
    "video_config.watermark.position": one_of(
        "left top", "right top", "left bottom", "right bottom"
    ),
    "video_config.watermark.size.width": whole(1, 1 << 31),
    "video_config.watermark.size.height": whole(1, 1 << 31),
    "storage_config.type": one_of("aws", "azure", "digitalocean", "gcs", "sftp", "cloudflare"),
    "storage_config.access_key": is_text,
    "storage_config.secret": is_text,
    "storage_config.bucket": is_text,
    "storage_config.region": is_text,
    "storage_config.path": is_text,
    "storage_config.auth_method": one_of("KEY", "PASSWORD"),
    "storage_config.username": is_text,
    "storage_config.password": is_text,
    "storage_config.host": is_text,
    "storage_config.port": is_number,
    "storage_config.private_key": is_text,
}
START_REQUIRED = ("meeting_id", "realtimekit_bucket_config.enabled", "storage_config.type")
#: what a storage needs, by its type, and by its `auth_method`
STORAGE_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "aws": ("access_key", "region"),
    "azure": ("access_key", "region"),
    "digitalocean": ("access_key", "region"),
    "KEY": ("private_key",),
    "PASSWORD": ("password",),
}

# https://developers.cloudflare.com/realtime/realtimekit/recording-guide/track-recording/
TRACK: Mapping[str, Check] = {
    "meeting_id": is_uuid,
    "layers.default.media_kind": one_of("audio"),
    "layers.default.file_name_prefix": is_prefix,
    "user_ids": are_user_ids,
}

# https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/methods/pause_resume_stop_recording/
VERB: Mapping[str, Check] = {"action": one_of("stop", "pause", "resume")}


def start_body(request: Request) -> dict[str, Any]:
    """The body of a start, or `Refused`."""
    body = _checked(request, START, START_REQUIRED)
    storage = body.get("storage_config") or {}
    for word in (storage.get("type"), storage.get("auth_method")):
        for name in STORAGE_REQUIRED.get(str(word), ()):
            if name not in storage:
                raise Refused(400, f'BAD_REQUEST: "storage_config.{name}" is required')
    return body


def track_body(request: Request) -> dict[str, Any]:
    """The body of a start of tracks, or `Refused`."""
    body = _checked(request, TRACK, ("meeting_id",))
    if set(body.get("layers", {})) - {"default"}:
        raise Refused(400, 'BAD_REQUEST: "layers" may only have "default"')
    return body


def verb(request: Request) -> str:
    """The action of a PUT, or `Refused`."""
    return str(_checked(request, VERB, ("action",))["action"])


def _checked(
    request: Request, checks: Mapping[str, Check], required: Collection[str]
) -> dict[str, Any]:
    """The body; fields that no table names are let pass, as the guides' misspelt ones are."""
    try:
        body = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "BAD_REQUEST: body must be a JSON object")
    for path, fits in checks.items():
        *parents, name = path.split(".")
        holder: Any = body
        for depth, parent in enumerate(parents, 1):
            holder = holder.get(parent)
            if holder is None:
                break
            if not isinstance(holder, dict):
                raise Refused(400, f'BAD_REQUEST: "{".".join(parents[:depth])}" is invalid')
        if holder is None:
            continue
        if name in holder and not fits(holder[name]):
            raise Refused(400, f'BAD_REQUEST: "{path}" is invalid')
        if name not in holder and path in required:
            raise Refused(400, f'BAD_REQUEST: "{path}" is required')
    # Only the storage may be null; that is the same as leaving it out.
    if any(body[key] is None for key in body if key != "storage_config"):
        raise Refused(400, "BAD_REQUEST: null is no value")
    return body
