"""How do bytes become JSON values? Strictly, and with credential fields masked on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from recording_core.errors import MalformedPayload
from recording_core.redaction import redact_object, redact_payload

_accelerated: Callable[[bytes], Any] | None
try:
    from orjson import loads as _accelerated
except ImportError:  # the extra `speed` is not installed
    _accelerated = None

__all__ = ["ACCELERATED", "decode", "decode_plain"]

#: Whether the extra `speed` is at work.
ACCELERATED = _accelerated is not None

#: What both decoders refuse from, for integers and floats alike: the accelerated one reads
#: integers over 64 bits as floats, without a word.
_TOO_LARGE = 1 << 64
_TOO_SMALL = -(1 << 63)

#: As many levels are refused: a walk needs a frame or two for each, and vendors nest under ten.
_DEEPEST = 100
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TO_SQUARE = bytes.maketrans(b"{}", b"[]")
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)


def decode(data: bytes) -> Any:
    """Bytes of UTF-8 JSON as Python values, credential fields masked.

    Refused: NaN, infinities, numbers over 64 bits, lone surrogates, nesting of a hundred levels and
    more, which whoever handles the value next might not bear. Of duplicate keys the last wins.
    Raises `MalformedPayload`, which never quotes the data.
    """
    if _accelerated is None:
        return decode_plain(data)
    try:
        return redact_payload(_accelerated(data), _check_range, _DEEPEST - 1)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def decode_plain(data: bytes, *, masked: bool = True) -> Any:
    """As `decode`, by the standard library alone.

    Not `masked`, for the answer to a sign-in and for our own JSON, credentials are kept.
    """
    _check_depth(data)
    try:
        value = (_MASKING if masked else _PLAIN).decode(data.decode("utf-8"))
        # Only an escape can make a lone surrogate, which would fail much later, on its way to disk.
        if b"\\" in data and (b"\\ud" in data or b"\\uD" in data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def _check_depth(data: bytes) -> None:
    if _levels(data) is None and _levels(_TEXT.sub(b"", data)) is None:
        raise MalformedPayload("not JSON: brackets nest too deeply, or have no partner")


def _levels(data: bytes) -> int | None:
    # Pairs are taken away from within; brackets in texts, which may have no partner, only seem to
    # be levels, and are rare enough to be told apart afterwards.
    brackets = data.translate(_TO_SQUARE, _ALL_BUT_BRACKETS)
    for level in range(_DEEPEST):
        if not brackets:
            return level
        inner = brackets.replace(b"[]", b"")
        if len(inner) == len(brackets) or b"[" * _DEEPEST in inner:
            break
        brackets = inner
    return None


def _reason(error: Exception) -> str:
    """Why, without the data that json's and Unicode's own messages may quote."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.split(':')[0]} at character {error.pos}"
    return "a number out of range"


def _check_range(value: float) -> None:
    if not _TOO_SMALL < value < _TOO_LARGE:
        raise ValueError("number out of range")


def _integer(digits: str) -> int:
    if len(digits) < 19:
        return int(digits)
    # Python refuses to read thousands of digits, with another error than ours.
    value = int(digits) if len(digits) <= 20 else _TOO_LARGE
    if not _TOO_SMALL <= value < _TOO_LARGE:
        raise ValueError("number out of range")
    return value


def _float(digits: str) -> float:
    value = float(digits)
    _check_range(value)
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_RULES: dict[str, Any] = {
    "parse_int": _integer,
    "parse_float": _float,
    "parse_constant": _no_constant,
}
_PLAIN = json.JSONDecoder(**_RULES)
_MASKING = json.JSONDecoder(object_hook=redact_object, **_RULES)
