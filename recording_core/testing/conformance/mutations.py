"""Mutations: every place in a vendor's JSON payloads, and the values that may replace it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from attrs import define, field, frozen

from recording_core.testing.emulator.server import Request
from recording_core.testing.json_paths import JsonPath, get_value, walk_values

#: A key that does not match is data, such as a file name or an id.
_NAME = re.compile(r"[A-Za-z_ ]{1,40}")

#: In place of a value: the key is removed.
REMOVED = object()
#: Values that replace one of another type; a string also replaces a string.
WRONG: tuple[Any, ...] = (None, True, -7, 2.5, "", "zz-strange", [], {})


@frozen
class PayloadPlace:
    """A place in one payload: its number among the payloads, its path, and its value."""

    answer: int
    path: JsonPath
    value: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        """Equal for the same field of different rows; keys that are data count as equal."""
        names = (
            step if isinstance(step, str) and _NAME.fullmatch(step) else "*" for step in self.path
        )
        return (*names, type(self.value))

    def __str__(self) -> str:
        return f"response {self.answer + 1}, {'.'.join(map(str, self.path))}"


def find_places(answers: list[Any]) -> list[PayloadPlace]:
    """Return the places of the payloads, one of each shape, since rows are alike."""
    found: dict[tuple[Any, ...], PayloadPlace] = {}
    for number, answer in enumerate(answers):
        for path, value in walk_values(answer):
            if path:
                place = PayloadPlace(number, path, value)
                found.setdefault(place.shape, place)
    return list(found.values())


def generate_changes(answers: list[Any]) -> Iterator[PayloadChange]:
    """Generate a change of each scalar to each wrong value, and the removal of each key."""
    for place in find_places(answers):
        if not isinstance(place.value, dict | list):
            for wrong in WRONG:
                if wrong is not place.value and wrong != place.value:
                    yield PayloadChange(place, wrong)
        if isinstance(place.path[-1], str):
            yield PayloadChange(place, REMOVED)


@define
class PayloadChange:
    """For `Emulator.alter`: change one place of one payload, counted from when it is set."""

    place: PayloadPlace
    value: Any
    seen: int = field(init=False, default=0)

    def __call__(self, request: Request, payload: Any) -> Any:
        self.seen += 1
        if self.seen == self.place.answer + 1:
            with suppress(LookupError, TypeError):  # a request before it may be sent only once
                change_value(payload, self.place.path, self.value)
        return payload

    def __str__(self) -> str:
        return f"{self.place}: {'removed' if self.value is REMOVED else repr(self.value)}"


def change_value(payload: Any, path: JsonPath, value: Any) -> Any:
    """Change the value at a path in place, or remove it, and return the payload."""
    *parents, last = path
    holder = get_value(payload, parents)
    if value is REMOVED:
        del holder[last]
    else:
        holder[last] = value
    return payload


def rewrite_payload(value: Any, words: Mapping[str, str], more: Mapping[str, Any]) -> Any:
    """Return the value with each string that is in `words` replaced, and `more` in each object."""
    if isinstance(value, dict):
        rewritten = {key: rewrite_payload(item, words, more) for key, item in value.items()}
        return {**rewritten, **more}
    if isinstance(value, list):
        return [rewrite_payload(item, words, more) for item in value]
    return words.get(value, value) if isinstance(value, str) else value


def find_row_id(place: PayloadPlace, answers: list[Any], ids: set[str]) -> str | None:
    """Return the id of the recording whose row holds the place; None if no row does."""
    value = answers[place.answer]
    for step in place.path:
        value = value[step]
        if isinstance(value, dict) and type(step) is int:
            found = find_id(value, ids)
            if found is not None:
                return found
    return None


def find_id(row: Mapping[str, Any], ids: Container[str]) -> str | None:
    """Find the id of a recording in an object; ids may also be numbers, in fields of that name."""
    for key, item in row.items():
        is_number = type(item) is int and key.lower().endswith("id")
        if (isinstance(item, str) or is_number) and str(item) in ids:
            return str(item)
    return None


class RowChange:
    """For `Emulator.alter`: change one field of every row, each row to another value."""

    def __init__(
        self, ids: Iterable[str], path: JsonPath, values: Sequence[Any], *, whole: bool = False
    ) -> None:
        #: whether objects and arrays are changed, too
        self._whole = whole
        self._values = {id: values[number % len(values)] for number, id in enumerate(ids)}
        self._path = path
        self.applied: dict[str, Any] = {}

    def __call__(self, request: Request, payload: Any) -> Any:
        for id, row in find_rows(payload, self._values.keys()):
            with suppress(LookupError, TypeError):  # not every row has the field
                if self._whole or not isinstance(get_value(row, self._path), dict | list):
                    self.applied[id] = self._values[id]
                    change_value(row, self._path, self._values[id])
        return payload


def find_rows(payload: Any, ids: Container[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Find the objects of a payload that belong to a recording: the outermost with its id."""
    if isinstance(payload, list):
        for item in payload:
            yield from find_rows(item, ids)
    elif isinstance(payload, dict):
        found = find_id(payload, ids)
        if found is not None:
            yield found, payload
            return
        for item in payload.values():
            yield from find_rows(item, ids)


def find_row_fields(answers: Iterable[Any], ids: Container[str]) -> Iterator[tuple[JsonPath, Any]]:
    """Find each scalar field of the rows once, with a value that is not null if a row has one."""
    found: dict[JsonPath, Any] = {}
    for answer in answers:
        for _, row in find_rows(answer, ids):
            for path, value in walk_values(row):
                if path and not isinstance(value, dict | list) and found.get(path) is None:
                    found[path] = value
    yield from found.items()


def find_row_parts(answers: Iterable[Any], ids: Container[str]) -> Iterator[tuple[JsonPath, Any]]:
    """Find each place of the rows once: fields, arrays and objects, and one item of an array.

    Not an object with a link, which may be the recording itself within a row of its session.
    """
    found: dict[JsonPath, Any] = {}
    media: set[JsonPath] = set()
    for answer in answers:
        for _, row in find_rows(answer, ids):
            for path, value in walk_values(row):
                if _is_media(value):
                    media.add(path)
                is_first = all(step == 0 for step in path if isinstance(step, int))
                if path and is_first and found.get(path) is None:
                    found[path] = value
    yield from ((path, value) for path, value in found.items() if path not in media)


def _is_media(value: Any) -> bool:
    return isinstance(value, dict) and any(
        isinstance(each, str) and "/" in each for _, each in walk_values(value)
    )
