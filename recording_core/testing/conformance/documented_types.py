"""Does a value have the types that its class documents? The annotations are the documentation."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

__all__ = ["undocumented"]


_Judge = Callable[[Any, str], str | None]


def undocumented(value: Any, hint: Any = None, path: str = "") -> str | None:
    """The first place that its annotation does not allow, in words; None where all is well.

    Times must be aware and UTC, durations and numbers at least 0, and a bool is no number.
    """
    kind: Any = type(value) if hint is None else hint
    return _judge(kind)(value, path)


@functools.cache
def _judge(hint: Any) -> _Judge:
    """What judges values of one annotation; each annotation is taken apart once."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _any_of(args)
    if origin is tuple:
        return _tuple_of(args[0])
    if origin is Mapping:
        return lambda value, path: (
            None if isinstance(value, dict) else _no(value, "a mapping", path)
        )
    if hint is Any:
        return lambda value, path: None
    if hint is types.NoneType:
        return lambda value, path: None if value is None else _no(value, "None", path)
    return _of_class(hint)


def _any_of(hints: Sequence[Any]) -> _Judge:
    judges = [_judge(hint) for hint in hints if hint is not types.NoneType]
    optional = types.NoneType in hints

    def judge(value: Any, path: str) -> str | None:
        if value is None and optional:
            return None
        wrong = [each(value, path) for each in judges]
        return None if None in wrong else wrong[0]

    return judge


def _tuple_of(hint: Any) -> _Judge:
    inner = _judge(hint)

    def judge(value: Any, path: str) -> str | None:
        if type(value) is not tuple:
            return _no(value, "a tuple", path)
        wrong = (inner(item, f"{path}[{i}]") for i, item in enumerate(value))
        return next((each for each in wrong if each), None)

    return judge


def _of_class(kind: type) -> _Judge:
    fields = _fields(kind) if attrs.has(kind) else ()

    def judge(value: Any, path: str) -> str | None:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            return _no(value, kind.__name__, path)
        if isinstance(value, datetime) and value.tzinfo is not UTC:
            return _no(value, "aware" if value.utcoffset() is None else "in UTC", path)
        if isinstance(value, timedelta) and value < timedelta(0):
            return _no(value, "a duration of at least 0", path)
        if isinstance(value, int) and value < 0:
            return _no(value, "at least 0", path)
        for name, hint in fields:
            if wrong := _judge(hint)(getattr(value, name), f"{path}.{name}"):
                return wrong
        return None

    return judge


def _no(value: Any, expected: str, path: str) -> str:
    return (
        f"{path.lstrip('.') or 'the value'} is {value!r}, a {type(value).__name__}, not {expected}"
    )


def _fields(kind: type) -> Sequence[tuple[str, Any]]:
    hints = typing.get_type_hints(kind)
    return [(each.name, hints[each.name]) for each in attrs.fields(kind)]
