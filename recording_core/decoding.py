"""How do bytes become JSON values? Strictly, and with credential fields masked on the way."""

from __future__ import annotations

import json
from typing import Any

from recording_core.errors import MalformedPayload
from recording_core.redaction import redact_payload

try:
    import orjson
except ImportError:  # the extra `speed` is not installed
    orjson = None  # type: ignore[assignment, unused-ignore]

__all__ = ["decode", "decode_plain", "decode_unmasked"]

#: What both decoders refuse: deeper nesting helps nobody and costs the interpreter's stack.
_TOO_LARGE = 1 << 64
_TOO_SMALL = -(1 << 63)


def decode(data: bytes) -> Any:
    """Bytes of UTF-8 JSON as Python values, credential fields masked.

    Refused: NaN, infinities, integers over 64 bits, lone surrogates, nesting beyond the
    interpreter's depth. Of duplicate keys the last wins. Raises `MalformedPayload`, which never
    quotes the data.
    """
    return redact_payload(decode_unmasked(data))


def decode_unmasked(data: bytes) -> Any:
    """As `decode`, credentials and all: for the answer to a sign-in, and for our own JSON."""
    # The accelerated decoder reads integers over 64 bits as floats, without a word: whoever may
    # have sent one is read by the plain one, which refuses it.
    if orjson is not None and not _may_hold_huge_integer(data):
        try:
            return orjson.loads(data)
        except (ValueError, RecursionError) as error:
            raise MalformedPayload(f"not JSON: {_reason(error)}") from None
    return decode_plain(data)


def decode_plain(data: bytes) -> Any:
    """As `decode_unmasked`, by the standard library alone."""
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        # Only an escape can make a lone surrogate, which would fail much later, on its way to disk.
        if b"\\ud" in data or b"\\uD" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def _may_hold_huge_integer(data: bytes) -> bool:
    zeros = data.translate(_DIGITS_TO_ZERO)
    found = zeros.find(_NINETEEN_ZEROS)
    while found >= 0:
        if zeros[found - 1 : found] in _BEFORE_A_NUMBER:  # the digits of a signature are not
            return True
        end = found + 19
        while zeros[end : end + 1] == b"0":
            end += 1
        found = zeros.find(_NINETEEN_ZEROS, end)
    return False


def _reason(error: Exception) -> str:
    """Why, without the data that json's and Unicode's own messages may quote."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeError):
        return "not UTF-8"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg.split(':')[0]} at character {error.pos}"
    return "a number out of range"


def _integer(digits: str) -> int:
    if len(digits) >= 19:
        value = int(digits) if len(digits) <= 20 else _TOO_LARGE
        if not _TOO_SMALL <= value < _TOO_LARGE:
            raise ValueError("integer over 64 bits")
        return value
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value - value != 0.0:
        raise ValueError("number out of range")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_finite, parse_constant=_no_constant)
_DIGITS_TO_ZERO = bytes(ord("0") if 48 <= byte <= 57 else byte for byte in range(256))
_NINETEEN_ZEROS = b"0" * 19
_BEFORE_A_NUMBER = frozenset({b"", *(bytes([byte]) for byte in b":[,- \t\r\n")})
