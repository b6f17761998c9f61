"""Serialisation: convert entities to JSON and back, with a strict cattrs converter.

| Python | JSON |
|---|---|
| datetime (aware) | ISO 8601 in UTC |
| timedelta | seconds, a number |
| enum | its word; an unsupported status reads as `unknown` |
| Path | a string |
| tuple | an array |
| mapping (`raw`) | an object, unchanged |
| mapping (`parameters`) | an object with values as above |

Types are never coerced: `"7"` is not read as a number, `1` not as a string, `null` not as an id.
Sizes and durations are at least 0.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import cattrs
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from recording_core.errors import MalformedPayload
from recording_core.model.entities import RecordingSession
from recording_core.model.enums import RecordingStatus
from recording_core.model.strict_json import decode_json_plain

T = TypeVar("T")


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Serialise one of this library's values, or a list of them, to JSON text.

    The text contains signed URLs. Raises `TypeError` for other types, and `ValueError` for values
    that JSON cannot represent (NaN, a naive datetime).
    """
    plain = _converter().unstructure(value)
    return json.dumps(plain, indent=indent, allow_nan=False, ensure_ascii=False)


def loads(text: str | bytes, kind: type[T]) -> T:
    """Read one of this library's types from JSON text.

    Raises `MalformedPayload`, which names the paths of the wrong values and never quotes them.
    """
    if not isinstance(text, str | bytes):
        raise TypeError(f"text must be str or bytes, not {type(text).__name__}")
    try:
        data = text.encode("utf-8") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise MalformedPayload("The data is not JSON: it is not UTF-8") from None
    value = decode_json_plain(data, masked=False, repaired=False)
    try:
        return _converter().structure(value, kind)
    except (
        cattrs.BaseValidationError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        paths = ", ".join(_list_paths(error)) or "the whole document"
        raise MalformedPayload(
            f"The document is not a {getattr(kind, '__name__', kind)}: {paths}", path=paths
        ) from None


def make_converter() -> cattrs.Converter:
    """Make a new converter with the rules at the top of this module."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    for kind, hook in _STRUCTURE_HOOKS.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_func(_is_raw, _structure_object)
    converter.register_structure_hook_func(_is_tuple, _make_tuple_hook(converter))
    converter.register_unstructure_hook(datetime, _unstructure_datetime)
    converter.register_unstructure_hook(timedelta, lambda v: v.total_seconds())
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook_func(_is_raw, lambda v: v)
    _register_parameters(converter)
    return converter


_converter = functools.cache(make_converter)

#: The types of a session's shared parameters. Another parameter is JSON of the provider's own.
_PARAMETER_TYPES: Mapping[str, Any] = {
    "format": str,
    "max_duration": timedelta,
    "channels": int,
    "participant": tuple[str, ...],
    "tracks": bool,
    "title": str,
}


def _register_parameters(converter: cattrs.Converter) -> None:
    """Register how a session is converted, whose `parameters` have types by their names."""

    def structure(value: Any, _: Any) -> Mapping[str, Any]:
        return {
            name: converter.structure(item, _PARAMETER_TYPES.get(name, Any))
            for name, item in _structure_object(value, None).items()
        }

    converter.register_structure_hook(
        RecordingSession,
        make_dict_structure_fn(
            RecordingSession,
            converter,
            _cattrs_forbid_extra_keys=True,
            parameters=override(struct_hook=structure),
        ),
    )
    converter.register_unstructure_hook(
        RecordingSession,
        make_dict_unstructure_fn(
            RecordingSession,
            converter,
            parameters=override(unstruct_hook=lambda v: converter.unstructure(dict(v))),
        ),
    )


def _require_type(value: Any, kind: type[T]) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}")
    return value


def _structure_count(value: Any, _: Any) -> int:
    # Integers are sizes and counts in all of our types.
    if _require_type(value, int) < 0:
        raise ValueError("expected at least 0")
    return int(value)


def _structure_duration(value: Any, _: Any) -> timedelta:
    seconds = _structure_number(value, float)
    if seconds < 0:
        raise ValueError("expected a duration of at least 0")
    return timedelta(seconds=seconds)


def _structure_number(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or value - value != 0:
        raise TypeError("expected a number")
    return float(value)


def _structure_datetime(value: Any, _: Any) -> datetime:
    moment = datetime.fromisoformat(_require_type(value, str))
    if moment.tzinfo is None:
        raise ValueError("expected a time with an offset")
    return moment.astimezone(UTC)


def _structure_status(value: Any, _: Any) -> RecordingStatus:
    # A word of a later version, or of another program, reads as unknown.
    return _STATUSES.get(_require_type(value, str), RecordingStatus.UNKNOWN)


_STATUSES = {status.value: status for status in RecordingStatus}


def _structure_text(value: Any, kind: Callable[[str], T]) -> T:
    return kind(_require_type(value, str))


_STRUCTURE_HOOKS: Mapping[type, Callable[[Any, Any], Any]] = {
    str: _require_type,
    bool: _require_type,
    int: _structure_count,
    float: _structure_number,
    datetime: _structure_datetime,
    timedelta: _structure_duration,
    Path: _structure_text,
    RecordingStatus: _structure_status,
    StrEnum: _structure_text,
}


def _unstructure_datetime(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a datetime without an offset is ambiguous; make it aware")
    return moment.astimezone(UTC).isoformat()


def _structure_object(value: Any, _: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("expected an object")
    return value


def _is_raw(kind: Any) -> bool:
    return bool(kind == Mapping[str, Any])


def _is_tuple(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is tuple and kind.__args__[1:] == (...,)


def _make_tuple_hook(converter: cattrs.Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    def structure(value: Any, kind: Any) -> tuple[Any, ...]:
        items = _require_type(value, list)
        return tuple(converter.structure(item, kind.__args__[0]) for item in items)

    return structure


def _list_paths(error: BaseException, path: str = "") -> list[str]:
    """List the paths of the wrong values, from the notes of cattrs. Never quotes a value."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return [f"{path or 'the document'} has unknown fields"]
    if not isinstance(error, cattrs.BaseValidationError):
        return [path] if path else []
    found: list[str] = []
    for inner in error.exceptions:
        notes = [note for note in getattr(inner, "__notes__", ()) if hasattr(note, "name")]
        step = f".{notes[-1].name}" if notes else ""
        found += _list_paths(inner, f"{path}{step}".lstrip("."))
    return found
