"""How do our values become JSON and come back? A cattrs converter of our own, strict both ways.

| Python | JSON |
|---|---|
| datetime (aware) | ISO 8601 in UTC |
| timedelta | seconds, a number |
| enum | its word; a status we don't know reads as `unknown` |
| Path | a string |
| tuple | an array |
| mapping (`raw`) | an object, as it is |

Nothing else is coerced: `"7"` is no number, `1` is no string, `null` is no id. Sizes and durations
are at least 0.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import cattrs

from recording_core.errors import MalformedPayload
from recording_core.model.enums import FileRole, RecordingStatus, SessionKind
from recording_core.model.strict_json import decode_json_plain

__all__ = ["configure_converter", "dumps", "loads", "make_converter"]

T = TypeVar("T")


def dumps(value: Any, *, indent: int | None = None) -> str:
    """One of our values, or a list of them, as JSON text. Signed URLs are kept: they are its data.

    Raises `TypeError` for what is not ours and `ValueError` for what JSON cannot say (NaN).
    """
    plain = _converter().unstructure(value)
    return json.dumps(plain, indent=indent, allow_nan=False, ensure_ascii=False)


def loads(text: str | bytes, kind: type[T]) -> T:
    """JSON text as one of our types. Raises `MalformedPayload`, with paths and without values."""
    try:
        data = text.encode("utf-8") if isinstance(text, str) else text
    except UnicodeEncodeError:
        raise MalformedPayload("not JSON: not UTF-8") from None
    value = decode_json_plain(data, masked=False)
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
        paths = ", ".join(_paths(error)) or "the whole"
        raise MalformedPayload(
            f"not a {getattr(kind, '__name__', kind)}: {paths}", path=paths
        ) from None


def make_converter() -> cattrs.Converter:
    """A new converter, configured as this module's first page says."""
    return configure_converter(cattrs.Converter(forbid_extra_keys=True))


def configure_converter(converter: cattrs.Converter) -> cattrs.Converter:
    """Teach a converter our types and strictness. Never done to cattrs' global one."""
    for kind in (str, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(int, _count)
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook(datetime, _moment)
    converter.register_structure_hook(timedelta, _length)
    converter.register_structure_hook(Path, lambda v, _: Path(_exactly(str)(v, str)))
    converter.register_structure_hook(RecordingStatus, _status)
    for word in (SessionKind, FileRole):  # each is a str, too, whose hook would take any text
        converter.register_structure_hook(word, lambda v, kind: kind(_exactly(str)(v, str)))
    converter.register_structure_hook_func(_is_raw, _object)
    converter.register_structure_hook_func(_is_tuple, _tuple_hook(converter))
    converter.register_unstructure_hook(datetime, _utc_text)
    converter.register_unstructure_hook(timedelta, lambda v: v.total_seconds())
    converter.register_unstructure_hook(Path, str)
    converter.register_unstructure_hook_func(_is_raw, lambda v: v)
    return converter


@functools.cache
def _converter() -> cattrs.Converter:
    return make_converter()


def _exactly(kind: type[T]) -> Callable[[Any, Any], T]:
    def structure(value: Any, _: Any) -> T:
        if type(value) is not kind:
            raise TypeError(f"expected {kind.__name__}")
        return value

    return structure


def _count(value: Any, _: Any) -> int:
    # Ours are sizes and the like.
    if _exactly(int)(value, int) < 0:
        raise ValueError("expected at least 0")
    return int(value)


def _length(value: Any, _: Any) -> timedelta:
    seconds = _number(value, float)
    if seconds < 0:
        raise ValueError("expected a duration of at least 0")
    return timedelta(seconds=seconds)


def _number(value: Any, _: Any) -> float:
    if type(value) not in (int, float) or value - value != 0:
        raise TypeError("expected a number")
    return float(value)


def _utc_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("a datetime without an offset says no moment; make it aware")
    return moment.astimezone(UTC).isoformat()


def _moment(value: Any, _: Any) -> datetime:
    moment = datetime.fromisoformat(_exactly(str)(value, str))
    if moment.tzinfo is None:
        raise ValueError("expected a time with its offset")
    return moment.astimezone(UTC)


def _status(value: Any, _: Any) -> RecordingStatus:
    # A later version's word, or a stranger's, is unknown, as everywhere.
    return _STATUSES.get(_exactly(str)(value, str), RecordingStatus.UNKNOWN)


_STATUSES = {status.value: status for status in RecordingStatus}


def _object(value: Any, _: Any) -> Mapping[str, Any]:
    if type(value) is not dict:
        raise TypeError("expected an object")
    return value


def _is_raw(kind: Any) -> bool:
    return bool(kind == Mapping[str, Any])


def _is_tuple(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) is tuple and kind.__args__[1:] == (...,)


def _tuple_hook(converter: cattrs.Converter) -> Callable[[Any, Any], tuple[Any, ...]]:
    def structure(value: Any, kind: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise TypeError("expected an array")
        return tuple(converter.structure(item, kind.__args__[0]) for item in value)

    return structure


def _paths(error: BaseException, path: str = "") -> list[str]:
    """Where in the document, from the notes that cattrs leaves; values are never quoted."""
    if isinstance(error, cattrs.ForbiddenExtraKeysError):
        return [f"{path or 'the document'} has unknown fields"]
    if not isinstance(error, cattrs.BaseValidationError):
        return [path] if path else []
    found: list[str] = []
    for inner in error.exceptions:
        notes = [note for note in getattr(inner, "__notes__", ()) if hasattr(note, "name")]
        step = f".{notes[-1].name}" if notes else ""
        found += _paths(inner, f"{path}{step}".lstrip("."))
    return found
