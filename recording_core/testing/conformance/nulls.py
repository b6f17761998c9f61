"""Requirements for nulls: each value comes from the vendor's answer, and without it is `None`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import pytest
from attrs import fields

import recording_core as rec
from recording_core.plugin import Fields
from recording_core.testing.conformance.base import SINGLE_REQUESTS, state_requirement
from recording_core.testing.conformance.mutations import REMOVED, change_value, find_rows
from recording_core.testing.conformance.results.exchanges import show
from recording_core.testing.conformance.states import Read, StateReads, Value
from recording_core.testing.conformance.world import measure
from recording_core.testing.emulator.media import MEDIA_TYPES
from recording_core.testing.emulator.server import Request
from recording_core.testing.json_paths import JsonPath, get_value, walk_values

_Owner = Value | rec.MediaFile
#: Of a value, and the number of what it is about among the times and numbers of its row.
_Alter = Callable[[Any, int], Any]

#: Values that are times or numbers, by the class that has them.
_MEASURED = (
    *("started_at", "ended_at", "created_at", "stopped_at", "media_expires_at", "deleted_at"),
    *("url_expires_at", "duration", "size", "channels", "sample_rate", "bit_rate"),
)
#: What a recording may have from its file, and a file from its recording.
_SHARED = frozenset({"duration", "size", "channels", "sample_rate", "bit_rate"})
#: Values that the vendor's answer must contain as they are.
_TEXTS = ("title", "reference", "participant", "name", "provider_status", "checksum")
_NOT_COMPARED = frozenset({"raw", "unread_fields", "files", "recordings", "parameters", "pauses"})
#: Words in the name of a time or number that state its form.
_FORM_WORDS = frozenset(
    (
        *("ms", "millis", "milliseconds", "s", "sec", "secs", "seconds", "epoch", "unix", "iso"),
        *("utc", "at", "on", "date", "time", "timestamp"),
    )
)
#: What follows from other values, or is a sentence of the provider's own.
_DERIVED = frozenset({"status", "kind", "format", "media_type", "role", "error"})


class NullRequirements(StateReads):
    """Requirements for values: the provider invents none."""

    @pytest.mark.long
    def test_a_field_that_is_missing_becomes_none(self) -> None:
        """Also if another field has the same time or number: here they all differ."""
        listed: list[JsonPath] = []
        for turn, (what, read, plain, answers) in enumerate(self._read_states()):
            ids = {each.id: each for each in plain if each.id is not None}
            differ = _RowsAlteration(ids, _shift)
            with state_requirement(f"{what} succeeds"), self.alter_payloads(differ):
                before = {each.id: each for each in read() if each.id in ids}
            paths = _find_paths(answers, before)
            if what == "list":
                listed = paths
            elif what.startswith("list") and what.endswith("final"):
                # The same rows as before, by another query.
                paths = [each for each in paths if each not in listed]
            for number, path in enumerate(paths, turn):
                change = _FieldChange(before, path, number)
                try:
                    with self.alter_payloads(_chain(differ, change)):
                        after = {each.id: each for each in read()}
                except (rec.RecordingError, TypeError):
                    continue  # it identifies the recording, or is an item of an array
                name = ".".join(map(str, path))
                with state_requirement("a field that is missing or null becomes None"):
                    for id, (row, value) in change.rows.items():
                        sent = f"no {name}" if value is REMOVED else f"null as {name}"
                        if id in after:
                            _check_kept(
                                f"{what}: the vendor sent {sent}", before[id], after[id], row
                            )

    def test_a_format_follows_from_the_answer(self) -> None:
        """From a field of its own, or from the name, the URL or the media type of a file."""
        for what, read, plain, _ in self._read_states():
            change = _FormatRemoval({each.id: each for each in plain if each.id is not None})
            try:
                with self.alter_payloads(change):
                    after = read()
            except (rec.RecordingError, TypeError):
                continue  # as above
            with state_requirement("a format follows from what the vendor sent"):
                for found in after:
                    if isinstance(found, rec.Recording) and found.id in change.ids:
                        _check_formats(what, found, change.payloads)

    def test_each_value_comes_from_the_answer(self) -> None:
        for what, read, plain, answers in self._read_states():
            before = {each.id: each for each in plain if each.id is not None}
            with state_requirement("a text or URL is what the vendor's answer contains"):
                for recording in before.values():
                    _check_texts(what, recording, answers)
            if what.startswith("get"):
                with state_requirement("nothing has a time of deletion that was not deleted"):
                    deleted = [each.deleted_at for each in plain if isinstance(each, rec.Recording)]
                    assert not any(deleted), (
                        f"{what}: deleted_at is {deleted[0]}, but the recording was not deleted"
                    )
            for how, alter in _ALTERATIONS.items():
                change = _RowsAlteration(before, alter)
                with (
                    state_requirement(f"{what} succeeds if the vendor sends {how}"),
                    self.alter_payloads(change),
                ):
                    after = {each.id: each for each in read()}
                with state_requirement("a time or number depends on the vendor's answer"):
                    for id, recording in before.items():
                        if id in after and id in change.seen:
                            _check_measured(f"{what}, with {how}", recording, after[id])

    def _read_states(self) -> Iterator[tuple[str, Read, list[Value], list[Any]]]:
        """Generate each read with what it returns and the payloads that it receives."""
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for what, read in self.generate_reads(provider):
                if what.endswith(("paused", "ended")):
                    continue
                try:
                    plain, answers = self.log_answers(read)
                except (rec.NotFound, rec.NotReady):
                    continue  # some vendors return a recording only after its end
                yield what, read, plain, answers


class _FieldChange:
    """For `Emulator.alter`: remove the field at a path from every second row; null in the others.

    `turn` is the number of the first row.
    """

    def __init__(self, ids: Mapping[str, Any], path: JsonPath, turn: int) -> None:
        values = (REMOVED, None)
        self._values = {id: values[number % 2] for number, id in enumerate(ids, turn)}
        self._path = path
        #: the changed rows and their new values, by the id of the recording
        self.rows: dict[str, tuple[Any, Any]] = {}

    def __call__(self, request: Request, payload: Any) -> Any:
        for id, row in find_rows(payload, self._values.keys()):
            with suppress(LookupError, TypeError):  # not every row has the field
                change_value(row, self._path, self._values[id])
                self.rows[id] = (row, self._values[id])
        return payload


class _FormatRemoval:
    """For `Emulator.alter`: null in place of each field that is a format of its recording."""

    def __init__(self, recordings: Mapping[str, Value]) -> None:
        self._formats = {
            id: {each.format, *(file.format for file in each.files)}
            for id, each in recordings.items()
            if isinstance(each, rec.Recording)
        }
        #: of the recordings whose rows had such a field
        self.ids: set[str] = set()
        self.payloads: list[Any] = []

    def __call__(self, request: Request, payload: Any) -> Any:
        for id, row in find_rows(payload, self._formats.keys()):
            for path, value in list(walk_values(row)):
                if isinstance(value, str) and value.lower().lstrip(".") in self._formats[id]:
                    change_value(row, path, None)
                    self.ids.add(id)
        self.payloads.append(payload)
        return payload


class _RowsAlteration:
    """For `Emulator.alter`: alter each time and number in the rows of these recordings."""

    def __init__(self, ids: Mapping[str, Any], alter: _Alter) -> None:
        self._ids, self._alter = ids, alter
        #: no numbers, even if they consist of digits
        self._names = {*ids, *(each.target.id for each in ids.values() if each.target)}
        self.seen: set[str] = set()

    def __call__(self, request: Request, payload: Any) -> Any:
        for id, row in find_rows(payload, self._ids.keys()):
            self.seen.add(id)
            found = [path for path, value in walk_values(row) if self._is_altered(value)]
            subjects: dict[tuple[Any, ...], int] = {}
            for path in found:
                subjects.setdefault(_find_subject(path), len(subjects) + 1)
            for path in reversed(found):
                value = self._alter(get_value(row, path), subjects[_find_subject(path)])
                change_value(row, path, value)
        return payload

    def _is_altered(self, value: Any) -> bool:
        return is_measured(value) and not (isinstance(value, str) and value in self._names)


def _find_subject(path: JsonPath) -> tuple[Any, ...]:
    """Find what a time or number is about: `start_time_ms` and `startedAt` are about the same."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", str(path[-1]))
    stems = {each.lower().removesuffix("ed") for each in words} - _FORM_WORDS
    return (*path[:-1], *sorted(stems or {str(path[-1])}))


def _chain(*changes: Callable[[Request, Any], Any]) -> Callable[[Request, Any], Any]:
    """Build one change for `Emulator.alter` of several."""

    def alter(request: Request, payload: Any) -> Any:
        for change in changes:
            payload = change(request, payload)
        return payload

    return alter


def is_measured(value: Any) -> bool:
    """Whether a value is a number or a time, also in quotes."""
    if isinstance(value, str):
        return (
            value.removeprefix("-").replace(".", "", 1).isdecimal() or _read_time(value) is not None
        )
    return isinstance(value, int | float) and not isinstance(value, bool)


@lru_cache(maxsize=4096)
def _read_time(text: str) -> datetime | None:
    return Fields({"time": text}).instant("time")


#: The least number that may be a time since 1970 -> a minute.
_EPOCHS: Mapping[float, int] = {1e12: 60_000, 1e9: 60}


def _shift(value: Any, number: int) -> Any:
    """Return another number, or a later time in the same form, each by another difference.

    In any unit, two numbers that were equal and get the same `number` stay equal.
    """
    if not isinstance(value, str):
        minute = next((each for least, each in _EPOCHS.items() if value >= least), None)
        if minute is None and value > 0:
            return value * (number + 1)
        return value + (minute or 7) * number
    moment = _read_time(value)
    if moment is None:
        return str(_shift(float(value) if "." in value else int(value), number))
    later = moment + timedelta(minutes=number)
    if not value[:4].isdecimal():
        return later.strftime("%a, %d %b %Y %H:%M:%S +0000")
    text = later.replace(tzinfo=None).isoformat(value[10])
    return f"{text}Z" if value.endswith("Z") else f"{text}+00:00" if "+" in value else text


#: What becomes of each time and number of a row.
_ALTERATIONS: Mapping[str, _Alter] = {
    "other times and numbers": _shift,
    "no times and numbers": lambda value, number: REMOVED,
    "null in place of times and numbers": lambda value, number: None,
}


def _find_paths(answers: list[Any], ids: Mapping[str, Any]) -> list[JsonPath]:
    """Find the places of the rows, also those of objects and arrays, without the ids.

    One item of each array stands for all.
    """
    found = (
        path
        for answer in answers
        for _, row in find_rows(answer, ids.keys())
        for path, value in walk_values(row)
        if path
        and isinstance(path[-1], str)
        and not (isinstance(value, str) and value in ids)
        and all(step == 0 for step in path if isinstance(step, int))
    )
    return list(dict.fromkeys(found))


def _check_kept(sent: str, before: Value, after: Value, row: Any) -> None:
    """Require that each value is what it was, or None."""
    statuses = (rec.RecordingStatus.AVAILABLE, before.status)
    is_expiry = before.status is rec.RecordingStatus.EXPIRED  # by a time that is missing now
    assert after.status is before.status or after.status not in statuses or is_expiry, (
        f"{sent}, and the status became {after.status}, not {before.status} or a less certain one"
    )
    texts = set(_list_texts(row))
    for path, was, now in _pair_values(before, after):
        if path.rpartition(".")[2] in _DERIVED or now is None or now == was:
            continue
        if isinstance(now, rec.CommunicationSession):
            now = now.id
        if isinstance(now, str):  # under another name, too; the id names the file
            is_shown = now in texts or str(after.id) in now
        else:
            is_shown = isinstance(after, rec.Recording) and now in _derive(path, after)
        assert is_shown, f"{sent}, and {path} became {now!r}; expected is {was!r} or None"


def _derive(path: str, recording: rec.Recording) -> Iterator[Any]:
    """Derive what a value may be without its field: from the times, the files or the recording."""
    files, name = recording.files, path.rpartition(".")[2]
    if path == "duration":
        yield measure(recording)
    if path == "size" and files:
        yield sum(each.size or 0 for each in files)
    if path in _SHARED:
        yield from (getattr(each, name, None) for each in files)
    elif name in _SHARED - {"duration"}:  # a file's is what the vendor reports of the file
        yield getattr(recording, name, None)


def _check_measured(what: str, before: Value, after: Value) -> None:
    """Require that no time or number stayed as it was."""
    for path, was, now in _pair_values(before, after):
        name = path.rpartition(".")[2]
        if name in _MEASURED and was is not None:
            assert now != was, (
                f"{what}: {path} is still {now!r}; expected is another value or None, since "
                "nothing in the vendor's answer is the same"
            )


def _check_texts(what: str, value: Value, answers: list[Any]) -> None:
    """Require that the answers contain each text of a value."""
    texts = {unquote(text) for answer in answers for text in _list_texts(answer)}
    for path, text, _ in _pair_values(value, value):
        name = path.rpartition(".")[2]
        if not isinstance(text, str):
            continue
        shown = unquote(text).removeprefix("sha256:") if name == "checksum" else unquote(text)
        if name in _TEXTS:
            assert any(shown.casefold() in each.casefold() for each in texts), (
                f"{what}: {path} is {text!r}, which no answer of the vendor contains"
            )
        elif name == "url":
            assert any(shown in each or (len(each) > 5 and each in shown) for each in texts), (
                f"{what}: {path} is {text!r}, and no answer of the vendor has a part of it"
            )


def _check_formats(what: str, found: rec.Recording, payloads: list[Any]) -> None:
    """Require that the rows of a recording and of its files show each format."""
    ids = {found.id, *(file.id for file in found.files)}
    rows = [row for payload in payloads for _, row in find_rows(payload, ids)]
    shown = {part for text in _list_texts(rows) for part in _split(text)}
    formats = {str(found): found.format, **{str(file): file.format for file in found.files}}
    for part, format in formats.items():
        assert format is None or format in shown, (
            f"{what}: the vendor sent {show(rows)}, and format of {part} became {format!r}; "
            "expected is None"
        )


def _split(text: str) -> Iterator[str]:
    """Split a name, a URL or a media type into what may be a format."""
    text = text.lower()
    yield from re.split(r"[^a-z0-9]+", text)
    yield from (format for format, type in MEDIA_TYPES.items() if type in text)


def _list_texts(payload: Any) -> Iterator[str]:
    for path, value in walk_values(payload):
        if isinstance(value, str):
            yield value
        if path and isinstance(path[-1], str) and not path[-1].isidentifier():  # a key that is data
            yield path[-1]


def _pair_values(before: _Owner, after: _Owner) -> Iterator[tuple[str, Any, Any]]:
    """Pair the values of two recordings or sessions, and of their files with equal ids."""
    for each in fields(type(before)):
        if each.name not in _NOT_COMPARED:
            yield each.name, getattr(before, each.name), getattr(after, each.name)
    if isinstance(before, rec.Recording) and isinstance(after, rec.Recording):
        files = {file.id: file for file in after.files}
        for file in before.files:
            if file.id in files:
                for path, was, now in _pair_values(file, files[file.id]):
                    yield f"files.{path}", was, now
