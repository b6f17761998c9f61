"""JSON paths: walk through a payload, and read or replace the value at a place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

#: The keys and indices that lead to a value.
JsonPath = tuple[str | int, ...]


def walk_values(value: Any, path: JsonPath = ()) -> Iterator[tuple[JsonPath, Any]]:
    """Generate each value in a payload with its path, the outermost first."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk_values(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk_values(item, (*path, index))


def get_value(value: Any, path: Sequence[str | int]) -> Any:
    """Return the value at a path."""
    for step in path:
        value = value[step]
    return value


def replace_value(value: Any, path: JsonPath, new: Any) -> Any:
    """Replace the value at a path in place, and return the payload."""
    if not path:
        return new
    get_value(value, path[:-1])[path[-1]] = new
    return value
