"""Media: the emulated bucket behind presigned URLs. It receives neither an account nor a token."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from recording_core.plugin import MEDIA_TYPES, EmulatedBucket, Reply, Request, build_file_reply

#: of files with sound alone, in containers that may also have a picture
AUDIO_TYPES = {"mp4": "audio/mp4", "webm": "audio/webm"}

#: how long a URL is valid, and how long its file is kept:
#: https://developers.cloudflare.com/realtime/realtimekit/data-retention/
RETENTION = timedelta(days=7)


def build_media_reply(request: Request, content: bytes, format: str, *, is_audio: bool) -> Reply:
    types = MEDIA_TYPES | AUDIO_TYPES if is_audio else MEDIA_TYPES
    return build_file_reply(request, content, types[format])


class RecordingsBucket(EmulatedBucket):
    """The bucket of RealtimeKit's recordings."""

    name = "rtk-recordings"
    lifetime = RETENTION
    prefix = "X-Amz-"
    algorithm = "AWS4-HMAC-SHA256"
    credential = "EMULATED/{date}/auto/s3/aws4_request"
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    errors: ClassVar[Mapping[str, tuple[int, str, str]]] = {
        "header": (
            400,
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature "
            "query string parameter or the Authorization header should be specified",
        ),
        "unsigned": (403, "AccessDenied", "Access Denied"),
        "signature": (
            403,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        ),
        "expired": (403, "AccessDenied", "Request has expired"),
        "missing": (404, "NoSuchKey", "The specified key does not exist."),
    }
