"""Ranges: a media host's replies with a whole file, one range of it, or HTTP 416."""

from __future__ import annotations

import hashlib
import re

from recording_core.testing.emulator.server import Reply, Request

#: One range, with a first or a last byte.
_ONE_RANGE = re.compile(r"bytes=(?=.*[0-9])([0-9]*)-([0-9]*)", re.ASCII)


def build_file_reply(request: Request, body: bytes, media_type: str) -> Reply:
    """Build the reply to GET or HEAD of a file, with ranges and a strong ETag (RFC 9110).

    Several ranges, and a range that cannot be parsed, get the whole file, as the RFC allows.
    """
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"Content-Type": media_type, "ETag": etag, "Accept-Ranges": "bytes"}
    wanted = _ONE_RANGE.fullmatch(request.header("range") or "")
    if wanted is None or request.method != "GET" or request.header("if-range") not in (None, etag):
        return Reply(200, body, headers)
    first, last = wanted.groups()
    if first and last and int(last) < int(first):
        return Reply(200, body, headers)
    if first:
        start, end = int(first), min(int(last or len(body)), len(body) - 1)
    else:
        start, end = max(0, len(body) - int(last)), len(body) - 1
    if start > end:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(body)}"})
    part = {"Content-Range": f"bytes {start}-{end}/{len(body)}"}
    return Reply(206, body[start : end + 1], {**headers, **part})
