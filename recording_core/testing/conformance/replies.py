"""Replies of a vendor or a network that misbehaves, by name."""

from __future__ import annotations

from collections.abc import Mapping

from recording_core.testing.emulator.server import Reply
from recording_core.testing.malformed_json import MALFORMED_JSON

JSON = {"Content-Type": "application/json"}
HTML = {"Content-Type": "text/html"}
_BODY = b'{"id": "some-id"}'

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
    **{
        what: Reply(200, body, {"Content-Type": "audio/wav"}, **fault)
        for what, body, fault in (
            ("HTML with the Content-Type audio/wav", b"<!doctype html><p>" + b"x" * 600, {}),
            ("HTTP 200 without a body", b"", {}),
            ("truncated headers", bytes(5000), {"cut_headers": True}),
            ("a body that is truncated at once", bytes(5000), {"cut_after": 0}),
            ("no body in time", bytes(5000), {"stall": "body", "stall_seconds": 5}),
        )
    },
}


def select_failures(*names: str) -> dict[str, Reply]:
    """Return these failures of the API."""
    return {name: API_FAILURES[name] for name in names}
