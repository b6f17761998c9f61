"""How do bytes become JSON values? Strictly, and with credential fields masked on the way."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

from recording_core.errors import MalformedPayload
from recording_core.redaction import CREDENTIAL_KEYS, redact_object

__all__ = ["find_accelerated_decoder", "decode_json", "decode_json_plain"]

#: What both decoders refuse from, for integers and floats alike: the accelerated one reads
#: integers over 64 bits as floats, without a word.
_TOO_LARGE = 1 << 64
_TOO_SMALL = -(1 << 63)
#: The same as floats, with which a float is compared in a third of the time.
_LOWEST, _HIGHEST = float(_TOO_SMALL), float(_TOO_LARGE)

#: As many levels are refused: who handles the value next may need a frame or two for each, and
#: vendors nest under ten.
_DEEPEST = 100
#: No value of these types is wrong; the accelerated decoder's integers are within 64 bits, too.
_SOUND: frozenset[type] = frozenset({bool, type(None)})
_SOUND_ACCELERATED = _SOUND | {int}


@functools.cache
def find_accelerated_decoder() -> Callable[[bytes], Any] | None:
    """The extra `speed` at work, imported at the first answer; None where it is not installed."""
    try:
        from orjson import loads
    except ImportError:
        return None
    return loads


def decode_json(data: bytes) -> Any:
    """Bytes of UTF-8 JSON as Python values, credential fields masked.

    Refused: NaN, infinities, numbers over 64 bits, lone surrogates, nesting of a hundred levels and
    more. Of duplicate keys the last wins. Raises `MalformedPayload`, which never quotes the data.
    """
    loads = find_accelerated_decoder()
    if loads is None:
        return decode_json_plain(data)
    try:
        return _judged(loads(data), masked=True, sound=_SOUND_ACCELERATED)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def decode_json_plain(data: bytes, *, masked: bool = True) -> Any:
    """As `decode`, by the standard library alone.

    Not `masked`, for the answer to a sign-in and for our own JSON, credentials are kept.
    """
    try:
        value = _judged(_DECODER.decode(data.decode("utf-8")), masked=masked)
        # Only an escape can make a lone surrogate, which would fail much later, on its way to disk.
        if (b"\\ud" in data or b"\\uD" in data) and any(_lone_surrogates(data)):
            raise UnicodeError("a lone surrogate")
        return value
    except (ValueError, RecursionError) as error:
        raise MalformedPayload(f"not JSON: {_reason(error)}") from None


def _lone_surrogates(data: bytes) -> Iterator[bytes]:
    """Those that JSON escapes, also where they stand under a credential's key or a doubled one."""
    # The pattern takes escapes one after the other, and so a backslash's own never for another's.
    pattern = re.compile(
        rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)", re.DOTALL
    )
    return (found[1] for found in pattern.finditer(data) if found[1])


def _judged(value: Any, *, masked: bool, sound: frozenset[type] = _SOUND) -> Any:
    """A value just decoded, each container once, level by level: depth, numbers, credentials.

    `sound` are the types whose values need no look. This runs for every row of every page: its
    speed is measured (docs/performance.md).
    """
    objects: list[Any] = []
    arrays: list[Any] = [[value]]
    for _ in range(_DEEPEST + 1):
        if not objects and not arrays:
            return value
        # A credential's key is rare: one look at all keys of a level, then at each object.
        if masked and not CREDENTIAL_KEYS.isdisjoint(chain.from_iterable(objects)):
            for each in objects:
                each.update(redact_object(each))
        items = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(arrays))
        objects, arrays = [], []
        for item in items:
            kind = type(item)
            if kind is str or kind in sound:
                continue
            if kind is int:
                if not _TOO_SMALL <= item < _TOO_LARGE:
                    raise ValueError("number out of range")
            elif kind is float:
                # One of exactly the bound may have been an integer beyond it.
                if not _LOWEST < item < _HIGHEST:
                    raise ValueError("number out of range")
            elif kind is dict:
                objects.append(item)
            else:
                arrays.append(item)
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


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)
