"""How can a vendor's answer drift? Every place in it, and what may stand there instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import define, field, frozen

from recording_core.testing.emulator.server import Request

__all__ = ["GONE", "Change", "Kept", "Place", "changes", "every", "places", "row_of"]

Path = tuple[str | int, ...]

#: What is no such name is data, such as a file's name or an id.
_NAME = re.compile(r"[A-Za-z_ ]{1,40}")

#: The place is not there at all.
GONE = object()
#: What stands where another type is documented; a text where a text is, too.
WRONG: tuple[Any, ...] = (None, True, -7, 2.5, "", "zz-strange", [], {})


@frozen
class Place:
    """A place in one answer: in which, where, and what stands there."""

    answer: int
    path: Path
    value: Any

    @property
    def shape(self) -> tuple[Any, ...]:
        """The same for the same field of another row; a key that is data is like any other."""
        names = (
            step if isinstance(step, str) and _NAME.fullmatch(step) else "*" for step in self.path
        )
        return (*names, type(self.value))

    def __str__(self) -> str:
        return f"answer {self.answer + 1}, {'.'.join(map(str, self.path))}"


def places(answers: list[Any]) -> list[Place]:
    """Every place of the answers, but one only of each shape: rows are alike."""
    found: dict[tuple[Any, ...], Place] = {}
    for number, answer in enumerate(answers):
        for path, value in _walk(answer):
            place = Place(number, path, value)
            found.setdefault(place.shape, place)
    return list(found.values())


def _walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, index))


def changes(answers: list[Any]) -> Iterator[Change]:
    """Every scalar as every wrong thing, and every key gone."""
    for place in places(answers):
        if not isinstance(place.value, dict | list):
            for wrong in WRONG:
                if wrong is not place.value and wrong != place.value:
                    yield Change(place, wrong)
        if isinstance(place.path[-1], str):
            yield Change(place, GONE)


@define
class Change:
    """For `Emulator.alter`: one place of one answer, counted from when it is set."""

    place: Place
    value: Any
    seen: int = field(init=False, default=0)

    def __call__(self, request: Request, payload: Any) -> Any:
        self.seen += 1
        if self.seen == self.place.answer + 1:
            *parents, last = self.place.path
            holder = payload
            for step in parents:
                holder = holder[step]
            if self.value is GONE:
                del holder[last]
            else:
                holder[last] = self.value
        return payload

    def __str__(self) -> str:
        return f"{self.place}: {'gone' if self.value is GONE else repr(self.value)}"


@define
class Kept:
    """For `Emulator.alter`: keeps each answer and changes nothing."""

    answers: list[Any] = field(factory=list)

    def __call__(self, request: Request, payload: Any) -> Any:
        self.answers.append(payload)
        return payload


def every(value: Any, words: Mapping[str, str], more: Mapping[str, Any]) -> Any:
    """The value with each text that is in `words` replaced, and `more` in each object."""
    if isinstance(value, dict):
        return {**{key: every(item, words, more) for key, item in value.items()}, **more}
    if isinstance(value, list):
        return [every(item, words, more) for item in value]
    return words.get(value, value) if isinstance(value, str) else value


def row_of(place: Place, answers: list[Any], ids: set[str]) -> str | None:
    """The recording whose row the place is in; None for what is about the page."""
    value = answers[place.answer]
    for step in place.path:
        value = value[step]
        if isinstance(value, dict) and type(step) is int:
            found = [item for item in value.values() if isinstance(item, str) and item in ids]
            if found:
                return found[0]
    return None
