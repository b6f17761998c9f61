"""How does a media host answer? With the whole file, with the part that was asked for, or 416."""

from __future__ import annotations

import hashlib
import re

from recording_core.testing.emulator.server import Reply, Request

__all__ = ["build_file_reply"]

_ONE_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)", re.ASCII)


def build_file_reply(request: Request, body: bytes, media_type: str) -> Reply:
    """What RFC 9110 says of GET and HEAD: `Range` and `If-Range` against a strong ETag.

    Several ranges in one request, and a range that cannot be read, get the whole file, as the RFC
    allows.
    """
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Content-Type": media_type, "ETag": etag, "Accept-Ranges": "bytes"}
    asked = _ONE_RANGE.fullmatch(request.header("range") or "")
    if asked is None or request.method != "GET" or request.header("if-range") not in (None, etag):
        return Reply(200, body, headers)
    first, last = asked.groups()
    if first:
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
        if last and int(last) < int(first):
            return Reply(200, body, headers)
    elif last:
        start, end = max(0, len(body) - int(last)), len(body) - 1
    else:
        return Reply(200, body, headers)
    if start > end:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(body)}"})
    part = {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return Reply(206, body[start : end + 1], {**headers, **part})
