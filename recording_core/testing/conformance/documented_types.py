"""Documented types: check that a value has the types of its class's annotations."""

from __future__ import annotations

import functools
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs


def find_type_error(value: Any, hint: Any = None, path: str = "") -> str | None:
    """Return a sentence about the first field that violates its annotation, or None.

    Times must be aware and in UTC, durations and integers at least 0; a bool is not an integer.
    """
    kind: Any = type(value) if hint is None else hint
    if kind is Any:
        return None
    if isinstance(kind, type):
        return _find_class_error(value, kind, path)
    origin, args = _split_hint(kind)
    if origin is Mapping:
        return None if isinstance(value, dict) else _describe(value, "a mapping", path)
    if origin is tuple:
        if not isinstance(value, tuple):
            return _describe(value, "a tuple", path)
        items = enumerate(value)
        errors = [find_type_error(item, args[0], f"{path}[{index}]") for index, item in items]
        return next(filter(None, errors), None)
    # A union: of several types, or of one and None.
    errors = [find_type_error(value, each, path) for each in args]
    return None if None in errors else errors[0]


def _find_class_error(value: Any, kind: type, path: str) -> str | None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        return _describe(value, kind.__name__, path)
    if isinstance(value, datetime) and value.tzinfo is not UTC:
        return _describe(value, "aware" if value.utcoffset() is None else "in UTC", path)
    if isinstance(value, timedelta) and value < timedelta(0):
        return _describe(value, "a duration of at least 0", path)
    if isinstance(value, int) and value < 0:
        return _describe(value, "at least 0", path)
    for name, hint in _find_fields(kind):
        if error := find_type_error(getattr(value, name), hint, f"{path}.{name}"):
            return error
    return None


@functools.cache
def _split_hint(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


@functools.cache
def _find_fields(kind: type) -> list[tuple[str, Any]]:
    if not attrs.has(kind):
        return []
    hints = typing.get_type_hints(kind)
    return [(each.name, hints[each.name]) for each in attrs.fields(kind)]


def _describe(value: Any, expected: str, path: str) -> str:
    name = path.lstrip(".") or "the value"
    return f"{name} is {value!r}, a {type(value).__name__}, not {expected}"
