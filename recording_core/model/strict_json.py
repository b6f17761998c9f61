"""Strict JSON: decode bytes within strict limits, and mask credential fields.

What is not JSON, or too deep, raises. What JSON allows and this library does not, costs that value
alone: a number over 64 bits becomes `None`, a lone surrogate U+FFFD.
"""

from __future__ import annotations

import functools
import json
import re
from codecs import BOM_UTF8
from collections.abc import Callable
from itertools import chain
from typing import Any

from recording_core.errors import MalformedPayload
from recording_core.redaction import CREDENTIAL_KEYS, redact_object

#: Bounds that both decoders apply to integers and floats, since the accelerated decoder silently
#: reads integers over 64 bits as floats.
_TOO_LARGE = 1 << 64
_TOO_SMALL = -(1 << 63)
#: The same bounds as floats: comparing a float with a float takes a third of the time.
_LOWEST, _HIGHEST = float(_TOO_SMALL), float(_TOO_LARGE)

#: The deepest nesting that is accepted. Recursive code that handles the value may need several
#: frames per level, and vendors nest fewer than ten levels.
_DEEPEST = 100
#: The most values that are accepted; each takes up to a hundred bytes of memory, and two of JSON. A
#: vendor's largest page has some ten thousand.
_MOST_VALUES = 500_000
#: Types whose values are always valid; the accelerated decoder's integers are within 64 bits.
_VALID_TYPES: frozenset[type] = frozenset({bool, type(None)})
_VALID_TYPES_ACCELERATED = _VALID_TYPES | {int}
#: Stands for a part of a text that cannot be represented.
REPLACED = "\ufffd"
_NOTHING, _ITSELF = frozenset[str](), frozenset({""})
#: Half of a character beyond the basic plane, such as the rest of a title that was cut in an emoji.
_SURROGATE = re.compile("[\ud800-\udfff]")


class RepairedObject(dict[str, Any]):
    """A JSON object with values that were replaced, since they cannot be represented.

    Attributes:
        unread: their paths, such as `meeting.title`; the items of an array have its path
    """

    def __init__(self, values: dict[str, Any], unread: frozenset[str]) -> None:
        super().__init__(values)
        self.unread = unread

    def __reduce__(self) -> tuple[Any, ...]:
        return (RepairedObject, (dict(self), self.unread))


@functools.cache
def find_accelerated_decoder() -> Callable[[bytes], Any] | None:
    """Import the decoder of the extra `speed` on first use; `None` if it is not installed."""
    try:
        from orjson import loads
    except ImportError:
        return None
    return loads


def decode_json(data: bytes) -> Any:
    """Decode UTF-8 JSON, repair values that cannot be represented, and mask credential fields.

    A byte order mark is ignored, which RFC 8259 (8.1) allows and the shell of Windows writes.

    A number over 64 bits becomes `None` and a lone surrogate U+FFFD; the object around it is a
    `RepairedObject`, which names the key. Of duplicate keys the last wins. Raises
    `MalformedPayload`, which never quotes the data, for NaN, infinities, a hundred levels of
    nesting or more, half a million values, and for what is not JSON.
    """
    # Before they are decoded; a text may contain the signs, too, but no page of half a million.
    if len(data) > _MOST_VALUES and sum(map(data.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise MalformedPayload(f"The data has more than {_MOST_VALUES:,} values")
    loads = find_accelerated_decoder()
    if loads is not None:
        try:
            return _check_value(loads(data), masked=True, valid_types=_VALID_TYPES_ACCELERATED)
        except (ValueError, RecursionError):
            pass  # the standard library's decoder decides, and repairs
    return decode_json_plain(data)


def decode_json_plain(data: bytes, *, masked: bool = True, repaired: bool = True) -> Any:
    """Decode as `decode_json` does, with the standard library only.

    `masked=False` keeps credentials: for authentication responses and for this library's own JSON.
    `repaired=False` raises instead of replacing a value.
    """
    try:
        text = data.removeprefix(BOM_UTF8).decode("utf-8")
        # Lone surrogates come from escapes only, and would fail much later, when written to disk.
        if "\\ud" not in text and "\\uD" not in text:
            try:
                return _check_value(_DECODER.decode(text), masked=masked)
            except json.JSONDecodeError:
                raise
            except ValueError:
                pass  # a number is out of range
        value, replaced = _repair(_REPAIRING_DECODER.decode(text), 0, masked)
        if replaced and not repaired:
            raise ValueError("a value cannot be represented")
        return _check_value(value, masked=masked)
    except (ValueError, RecursionError) as error:
        failure = _build_error(error)
    raise failure  # here, since the error of `json` contains the data, and would be the context


def _repair(value: Any, depth: int, masked: bool) -> tuple[Any, frozenset[str]]:
    """Replace what cannot be represented. Returns also the paths inside the value; "" is itself."""
    if depth > _DEEPEST:
        raise RecursionError
    if isinstance(value, str):
        repaired = _SURROGATE.sub(REPLACED, value)
        return repaired, _ITSELF if repaired != value else _NOTHING
    if isinstance(value, list):
        items = [_repair(item, depth + 1, masked) for item in value]
        return [item for item, _ in items], _NOTHING.union(*(paths for _, paths in items))
    if isinstance(value, dict):
        if masked:  # first, so that a credential of any type is masked
            value = redact_object(value)
        values: dict[str, Any] = {}
        unread: set[str] = set()
        for key, item in value.items():
            name = _SURROGATE.sub(REPLACED, key)
            values[name], paths = _repair(item, depth + 1, masked)
            unread |= {f"{name}.{path}" if path else name for path in paths}
            unread |= {name} if name != key else set()
        return RepairedObject(values, frozenset(unread)) if unread else values, frozenset(unread)
    return (None, _ITSELF) if value is _UNREADABLE else (value, _NOTHING)


def _check_value(value: Any, *, masked: bool, valid_types: frozenset[type] = _VALID_TYPES) -> Any:
    """Check depth and numbers of a decoded value, level by level, and mask credential fields.

    `valid_types` are the types that need no check. This runs for every row of every page, and its
    speed is measured (docs/performance.md).
    """
    objects: list[Any] = []
    arrays: list[Any] = [[value]]
    for _ in range(_DEEPEST + 1):
        if not objects and not arrays:
            return value
        # Credential keys are rare: check all keys of a level at once, then each object.
        if masked and not CREDENTIAL_KEYS.isdisjoint(chain.from_iterable(objects)):
            for each in objects:
                each.update(redact_object(each))
        items = chain(chain.from_iterable(map(dict.values, objects)), chain.from_iterable(arrays))
        objects, arrays = [], []
        for item in items:
            kind = type(item)
            if kind is str or kind in valid_types:
                continue
            if kind is int:
                if not _TOO_SMALL <= item < _TOO_LARGE:
                    raise ValueError("number out of range")
            elif kind is float:
                # A float equal to a bound may have been an integer beyond it.
                if not _LOWEST < item < _HIGHEST:
                    raise ValueError("number out of range")
            elif kind is list:
                arrays.append(item)
            else:
                objects.append(item)
    raise RecursionError


def _build_error(error: Exception) -> MalformedPayload:
    """Build the error, without the data that the messages of json and Unicode errors may quote."""
    reason = "a number or text cannot be represented"
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    elif isinstance(error, UnicodeError):
        reason = "it is not UTF-8"
    elif isinstance(error, json.JSONDecodeError):
        reason = f"{error.msg.split(':')[0]} at character {error.pos}"
    return MalformedPayload(f"The data is not JSON: {reason}")


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_reject_constant)


#: Stands for a number that is out of range until it is replaced.
_UNREADABLE = object()


def _parse_int(digits: str) -> Any:
    # More than twenty digits are over 64 bits; Python refuses to convert thousands of them.
    value = int(digits) if len(digits) <= 20 else _TOO_LARGE
    return value if _TOO_SMALL <= value < _TOO_LARGE else _UNREADABLE


def _parse_float(text: str) -> Any:
    value = float(text)
    return value if _LOWEST < value < _HIGHEST else _UNREADABLE


_REPAIRING_DECODER = json.JSONDecoder(
    parse_constant=_reject_constant, parse_int=_parse_int, parse_float=_parse_float
)
