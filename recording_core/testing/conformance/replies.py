"""Replies of a vendor or a network that misbehaves, by name."""

from __future__ import annotations

from collections.abc import Mapping

import recording_core as rec
from recording_core.testing.emulator.server import Reply

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
WAV = {"Content-Type": "audio/wav"}
_BODY = b'{"id": "some-id"}'

#: Bodies that no vendor sends, and that each reader rejects.
MALFORMED_JSON: Mapping[str, bytes] = {
    "no body": b"",
    "HTML": b"<html>Welcome</html>",
    "truncated JSON": b'{"event": "recor',
    "null": b"null",
    "a number": b"17",
    "a string": b'"recording"',
    "NaN": b'{"event": NaN}',
    "infinity": b'{"event": 1e999}',
    "a number of 5000 digits": b'{"event": ' + b"9" * 5000 + b"}",
    "100,000 nested objects": b'{"event":' * 100_000,
    "50,000 nested arrays": b"[" * 50_000 + b"]" * 50_000,
    "invalid UTF-8": b'{"event": "\xff\xfe"}',
    "a lone surrogate": b'{"event": "\\ud800"}',
}

#: Statuses with which the vendor reports that it did nothing, and the errors that they raise.
REJECTIONS: Mapping[int, type[rec.ProviderError]] = {
    400: rec.Rejected,
    401: rec.AuthenticationFailed,
    404: rec.NotFound,
    409: rec.Conflict,
    422: rec.Rejected,
    429: rec.RateLimited,
}

#: Failures of the API, which can hit any request.
API_FAILURES: Mapping[str, Reply] = {
    **{f"HTTP {status}": Reply(status, b"{}", JSON) for status in (400, 401, 404, 409, 500)},
    "HTTP 401 with text": Reply(401, b"no", {"Content-Type": "text/plain"}),
    "HTTP 403": Reply(403),
    "HTTP 429": Reply(429, b"{}", {**JSON, "Retry-After": "7"}),
    "HTTP 502 with HTML": Reply(502, b"<html>Bad gateway</html>", HTML),
    "HTTP 503": Reply(503, headers={"Retry-After": "1"}),
    "HTTP 504": Reply(504),
    "a closed connection": Reply(abort=True),
    "truncated headers": Reply(200, _BODY, JSON, cut_headers=True),
    "a truncated body": Reply(200, _BODY, JSON, cut_after=5),
    "no headers in time": Reply(200, _BODY, JSON, stall="headers", stall_seconds=5),
    "no body in time": Reply(200, _BODY, JSON, stall="body", stall_seconds=5),
    **{f"HTTP 200 with {what}": Reply(200, body, JSON) for what, body in MALFORMED_JSON.items()},
    "HTTP 200 with HTML": Reply(200, MALFORMED_JSON["HTML"], HTML),
    "invalid gzip": Reply(200, b"no gzip", {**JSON, "Content-Encoding": "gzip"}),
    "two million bytes": Reply(200, b" " * 2_000_000, JSON),
}

#: Failures of the media host.
MEDIA_FAILURES: Mapping[str, Reply] = {
    **{f"HTTP {status}": Reply(status) for status in (401, 429, 500)},
    "HTTP 404": Reply(404, b"{}", JSON),
    "HTTP 403": Reply(403, b"<Error>", {"Content-Type": "application/xml"}),
    "HTTP 200 with HTML": Reply(200, b"<html>Log in</html>", HTML),
    "HTTP 200 with JSON": Reply(200, b'{"error": "gone"}', JSON),
    "an endless redirect": Reply(302, headers={"Location": "/again"}),
    "a redirect to another protocol": Reply(302, headers={"Location": "file:///etc/passwd"}),
    "a closed connection": Reply(abort=True),
    "HTML with the Content-Type audio/wav": Reply(200, b"<!doctype html><p>" + b"x" * 600, WAV),
    "HTTP 200 without a body": Reply(200, headers=WAV),
    "truncated headers": Reply(200, bytes(5000), WAV, cut_headers=True),
    "a body that is truncated at once": Reply(200, bytes(5000), WAV, cut_after=0),
    "no body in time": Reply(200, bytes(5000), WAV, stall="body", stall_seconds=5),
}

#: Answers to a link that has expired, as storages send them; each is renewed once.
EXPIRED_LINKS: Mapping[str, Reply] = {
    **{f"HTTP {status}": Reply(status) for status in (401, 403, 410)},
    "HTTP 400 with ExpiredToken": Reply(400, b"<Error><Code>ExpiredToken</Code></Error>"),
}


def build_odd_media(body: bytes) -> Mapping[str, Reply]:
    """Build replies that contain a whole file in an unusual form, by name."""
    codings = ("aws-chunked", "UTF-8", "binary", "none")
    whole = {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"}
    return {
        **{
            f"Content-Encoding: {each}": Reply(200, body, {"Content-Encoding": each})
            for each in codings
        },
        "HTTP 206 without a requested range": Reply(206, body, whole),
        "HTTP 203": Reply(203, body),
        "no Content-Type": Reply(200, body),
        "Content-Type text/plain": Reply(200, body, {"Content-Type": "text/plain"}),
    }


def select_failures(*names: str) -> dict[str, Reply]:
    """Return these failures of the API."""
    return {name: API_FAILURES[name] for name in names}
