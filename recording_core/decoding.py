"""How do bytes become JSON values? Strictly, and with credential fields masked on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from recording_core.errors import MalformedPayload
from recording_core.redaction import CREDENTIAL_KEYS, redact_object

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

#: As many levels are refused: who handles the value next may need a frame or two for each, and
#: vendors nest under ten.
_DEEPEST = 100
_SCALARS = frozenset({bool, int, type(None)})


def decode(data: bytes) -> Any:
    """Bytes of UTF-8 JSON as Python values, credential fields masked.

    Refused: NaN, infinities, numbers over 64 bits, lone surrogates, nesting of a hundred levels and
    more. Of duplicate keys the last wins. Raises `MalformedPayload`, which never quotes the data.
    """
    if _accelerated is None:
        return decode_plain(data)
    try:
        return _judged(_accelerated(data), masked=True)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def decode_plain(data: bytes, *, masked: bool = True) -> Any:
    """As `decode`, by the standard library alone.

    Not `masked`, for the answer to a sign-in and for our own JSON, credentials are kept.
    """
    try:
        value = _judged(_DECODER.decode(data.decode("utf-8")), masked=masked)
        # Only an escape can make a lone surrogate, which would fail much later, on its way to disk.
        if b"\\" in data and (b"\\ud" in data or b"\\uD" in data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def _judged(value: Any, *, masked: bool) -> Any:
    """A value just decoded, each container once, level by level: depth, floats, credentials.

    For every row of every page: its speed is measured (docs/performance.md).
    """
    if type(value) is float:
        _check_range(value)
    level = [value] if type(value) in (dict, list) else []
    for _ in range(_DEEPEST):
        if not level:
            return value
        inner: list[Any] = []
        for each in level:
            keyed = type(each) is dict
            for item in each.values() if keyed else each:
                kind = type(item)
                if kind is str or kind in _SCALARS:
                    continue
                if kind is float:
                    _check_range(item)
                else:
                    inner.append(item)
            if masked and keyed and not CREDENTIAL_KEYS.isdisjoint(each):
                each.update(redact_object(each))
        level = inner
    raise RecursionError


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


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_no_constant)
