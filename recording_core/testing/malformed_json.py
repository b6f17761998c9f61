"""Malformed JSON: bodies that no vendor sends, and that each reader rejects."""

from __future__ import annotations

from collections.abc import Mapping

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
