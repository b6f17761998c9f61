"""Does a value have the types that its class documents? The annotations are the documentation."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

__all__ = ["undocumented"]


def undocumented(value: Any, hint: Any = None, path: str = "") -> str | None:
    """The first place that its annotation does not allow, in words; None where all is well.

    Times must be aware and UTC, durations and numbers at least 0, and a bool is no number.
    """
    hint = type(value) if hint is None else hint
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and types.NoneType in args:
            return None
        wrong = [undocumented(value, each, path) for each in args]
        return None if None in wrong else wrong[0]
    if origin is tuple:
        if type(value) is not tuple:
            return _no(value, "a tuple", path)
        inner = (undocumented(item, args[0], f"{path}[{i}]") for i, item in enumerate(value))
        return next((each for each in inner if each), None)
    if origin is Mapping:
        return None if isinstance(value, dict) else _no(value, "a mapping", path)
    if hint is types.NoneType or hint is Any:
        return None if value is None or hint is Any else _no(value, "None", path)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        return _no(value, hint.__name__, path)
    if isinstance(value, datetime) and (value.tzinfo is not UTC and value.utcoffset() is not None):
        return _no(value, "in UTC", path)
    if isinstance(value, datetime) and value.utcoffset() is None:
        return _no(value, "aware", path)
    if isinstance(value, timedelta) and value < timedelta(0):
        return _no(value, "a duration of at least 0", path)
    if isinstance(value, int) and value < 0:
        return _no(value, "at least 0", path)
    if attrs.has(hint):
        for name, expected in _hints(hint).items():
            if wrong_field := undocumented(getattr(value, name), expected, f"{path}.{name}"):
                return wrong_field
    return None


def _no(value: Any, expected: str, path: str) -> str:
    return (
        f"{path.lstrip('.') or 'the value'} is {value!r}, a {type(value).__name__}, not {expected}"
    )


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {each.name: hints[each.name] for each in attrs.fields(kind)}
