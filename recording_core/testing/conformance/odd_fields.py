"""Requirements for odd fields: one costs its own value, never a recording, a status or an event."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from attrs import evolve, fields, frozen

import recording_core as rec
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    check_types,
    state_requirement,
)
from recording_core.testing.conformance.mutations import (
    REMOVED,
    PayloadChange,
    PayloadPlace,
    RowChange,
    change_value,
    find_places,
    find_row_fields,
)
from recording_core.testing.conformance.webhooks import WebhookRequirements
from recording_core.testing.conformance.world import measure
from recording_core.testing.emulator.server import Request
from recording_core.testing.json_paths import JsonPath, walk_values

_OBJECTS: tuple[Any, ...] = ([], [[]], {}, {"a": 1})
#: Decoded as `None`, since no 64 bits hold them.
_HUGE: tuple[Any, ...] = (2**70, -(2**70), 10**400)
#: Half of an emoji, as a JavaScript vendor cuts a title.
SURROGATE = "zz\ud83d"
_NO_TEXTS: tuple[Any, ...] = (True, False, 0, -7, 7, 2.5, *_HUGE, *_OBJECTS)
_NO_TIMES: tuple[Any, ...] = (
    *("0000-00-00", "0000-00-00 00:00:00", "0001-01-01T00:00:00Z", "-1", "now", "2026-13-45"),
    *("2026-11-28", "9999-99-99T99:99:99Z", "1731660518", 1731660518, 1731660518000),
)
_NO_NUMBERS: tuple[Any, ...] = (
    *(-1731660518, -0.5, *_HUGE, True, "zz", "-1", "1e5", "0x10", "NaN", "1,5", *_OBJECTS),
)
#: By the JSON type of the genuine value, the values that stand for nothing in its place.
ABSURD: Mapping[type, tuple[Any, ...]] = {
    str: (*_NO_TEXTS, SURROGATE),
    int: _NO_NUMBERS,
    float: _NO_NUMBERS,
    bool: (7, 2.5, "zz", *_HUGE, *_OBJECTS),
    type(None): (True, *_HUGE, *_OBJECTS),
}


def list_absurd_values(genuine: Any) -> tuple[Any, ...]:
    """Return the absurd values in place of a genuine scalar; a text may be a time or a number."""
    values = ABSURD[type(genuine)]
    if isinstance(genuine, str):
        if len(genuine) >= 16 and genuine[:4].isdecimal() and genuine[10:11] in ("T", " "):
            return values + _NO_TIMES
        with suppress(ValueError):
            float(genuine)
            # Without its quotes, a number is still that number.
            return (
                *(each for each in values if each not in (0, 7, 2.5) or each is False),
                *_NO_NUMBERS,
            )
    return values


class OddFieldRequirements(ConformanceBase):
    """Requirements for what a vendor sends in a field that identifies nothing."""

    @pytest.mark.long
    def test_an_absurd_field_costs_no_recording_of_a_list(self) -> None:
        self.require_declared(rec.Operation.LIST)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listing, before, optional = self._find_optional_fields(provider)
            for path, genuine in optional.items():
                name = ".".join(step for step in path if isinstance(step, str))
                values = list_absurd_values(genuine)
                for start in range(0, len(values), len(before)):
                    change = RowChange(before, path, values[start:])
                    with (
                        state_requirement(f"absurd values of {name} cost no recording of a list"),
                        self.alter_payloads(change),
                    ):
                        found = {each.id: each for each in _sweep(listing)}
                        lost = sorted(before.keys() - found.keys())
                        assert not lost, f"lost: {lost}; {listing.coverage.unreadable}"
                        for id, value in change.applied.items():
                            _check_odd(before[id], found[id], path, value)

    def test_absurd_fields_all_at_once_cost_no_recording(self, tmp_path: Path) -> None:
        self.require_declared(rec.Operation.LIST, rec.Operation.GET)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            listing, before, optional = self._find_optional_fields(provider, with_urls=True)
            changes = [
                RowChange(before, path, list_absurd_values(genuine)[1:])
                for path, genuine in optional.items()
            ]

            def alter(request: Request, payload: Any) -> Any:
                for change in changes:
                    change(request, payload)
                return payload

            with (
                state_requirement("a recording with every optional field absurd is kept"),
                self.alter_payloads(alter),
            ):
                found = {each.id: each for each in _sweep(listing)}
                assert found.keys() == before.keys(), f"lost: {before.keys() - found.keys()}"
                for recording in found.values():
                    check_types(recording)
                    rec.dumps(provider.get(recording))
                available = [
                    found[id]
                    for id, plain in before.items()
                    if plain.status is rec.RecordingStatus.AVAILABLE and plain.files
                ]
                if available and provider.can(rec.Operation.DOWNLOAD):
                    copies = provider.download(available[0], tmp_path)
                    assert len(copies) == len(before[available[0].id].files)

    def _find_optional_fields(
        self, provider: rec.Provider, *, with_urls: bool = False
    ) -> tuple[rec.Listing, dict[str, rec.Recording], dict[JsonPath, Any]]:
        """List the newest rows; return the listing, they, and their fields that are optional.

        A field identifies its recording or its files, or is the status, if they change without it.
        With URLs, one without which a file has no URL is not optional either.
        """
        listing = provider.list(**self.find_newest_bounds())
        plain, answers = self.log_answers(lambda: list(listing))
        before = {each.id: each for each in plain}
        optional: dict[JsonPath, Any] = {}
        for path, genuine in find_row_fields(answers, before):
            with self.alter_payloads(RowChange(before, path, (REMOVED,))):
                found = _identify(_sweep(listing), with_urls)
                if found == _identify(before.values(), with_urls):
                    optional[path] = genuine
        return listing, before, optional

    @pytest.mark.long
    def test_an_absurd_field_costs_no_get(self) -> None:
        self.require_declared(rec.Operation.LIST, rec.Operation.GET)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            shapes = {(each.kind, each.status, len(each.files)): each for each in self.list_all()}
            for recording in shapes.values():
                plain, answers = self.log_answers(partial(provider.get, recording))
                for place in find_places(answers):
                    if isinstance(place.value, dict | list):
                        continue
                    self._check_get(provider, plain, place)

    def _check_get(self, provider: rec.Provider, plain: rec.Recording, place: PayloadPlace) -> None:
        try:
            with self.alter_payloads(PayloadChange(place, REMOVED)):
                if _identify([provider.get(plain)]) != _identify([plain]):
                    return
        except (rec.RecordingError, TypeError):
            return  # it identifies the recording, or is an item of an array
        for value in list_absurd_values(place.value)[::3]:
            change = PayloadChange(place, value)
            with (
                state_requirement(f"get returns the recording with one absurd field ({change})"),
                self.alter_payloads(change),
            ):
                _check_odd(plain, provider.get(plain), place.path, value)

    @pytest.mark.long
    def test_an_absurd_field_costs_no_verb(self) -> None:
        verbs = self.build_verbs(self.provider)
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START, rec.Operation.STOP):
            session, answers = self.log_answers(partial(self.begin, self.provider, target))
            self.vendor.advance(self.warm_up)
            stopped, more = self.log_answers(partial(verbs[rec.Operation.STOP], session))
            self.vendor.advance(self.processing_timeout)
            for place in find_places([*answers, *more]):
                if isinstance(place.value, dict | list):
                    continue
                statuses = (session.status, stopped.status)
                if self._run_session(target, PayloadChange(place, REMOVED)) != statuses:
                    continue  # it identifies the recording, or is the status
                values: tuple[Any, ...] = ({}, -7, SURROGATE)
                for value in values if isinstance(place.value, str) else values[:2]:
                    change = PayloadChange(place, value)
                    with state_requirement(
                        f"{target.kind} start and stop succeed with one absurd field ({change})"
                    ):
                        found = self._run_session(target, change)
                        assert found == statuses, f"the statuses are {found}, not {statuses}"

    def _run_session(self, target: rec.CommunicationSession, change: PayloadChange) -> Any:
        """Return the statuses after start and stop with a change, or the error."""
        session = None
        try:
            with self.alter_payloads(change):
                session = self.begin(self.provider, target)
                self.vendor.advance(self.warm_up)
                return session.status, self.provider.stop(session).status
        except (rec.RecordingError, TypeError) as error:
            return error
        finally:
            if session is not None:
                with suppress(rec.RecordingError):
                    self.provider.stop(session)
            else:
                for each in self._find_running(target):
                    self.provider.stop(each)
            self.vendor.advance(self.processing_timeout)

    def _find_running(self, target: rec.CommunicationSession) -> Iterator[rec.RecordingSession]:
        """Find what a start whose answer could not be read has started."""
        if self.provider.can(rec.Operation.ACTIVE, target.kind):
            running = self.provider.active(target)
        else:
            running = rec.RecordingSession(self.provider.name, "default", None, target)
        if running is not None:
            yield running


class OddEventRequirements(WebhookRequirements):
    """The same requirements for webhooks. The signature is genuine; the vendor sends a field so."""

    def test_an_absurd_field_costs_no_event(self) -> None:
        seen: set[tuple[Any, ...]] = set()
        most = 0
        for request in [each for run in self.run_sessions() for each in run.requests]:
            plain = self._parse(request)
            parameters = list(find_parameters(request))
            most = max(most, len(parameters))
            for path, genuine, build in parameters:
                shape = (*(event.kind for event in plain), path)
                if shape in seen or self._parse(build(REMOVED)) != plain:
                    continue  # it identifies the event, or was tried
                seen.add(shape)
                for value in list_absurd_values(genuine):
                    changed = build(value)
                    if changed is None:
                        continue
                    with state_requirement(f"an event with {'.'.join(path)}={value!r} is read"):
                        found = self._parse(changed)
                        assert found == plain, f"the events are {found}, not {plain}"
        with state_requirement(
            "a webhook is read without a field that does not identify its event"
        ):
            assert seen or most < 5, f"a webhook has {most} fields, and none may be missing"

    def _parse(self, request: rec.WebhookRequest | None) -> Any:
        """Return what identifies the events of a request, or the error."""
        if request is None:
            return None
        try:
            events = rec.unsafe_parse(self.vendor.provider, request)
        except rec.WebhookRejected as error:
            return error.message
        for event in events:
            check_types(event)
        return [_EventIdentity.of(event) for event in events]


@frozen
class _EventIdentity:
    recording_id: str | None
    kind: rec.EventKind
    status: rec.RecordingStatus

    @classmethod
    def of(cls, event: rec.RecordingEvent) -> _EventIdentity:
        return cls(event.recording_id, event.kind, event.status)


def find_parameters(request: rec.WebhookRequest) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Find the scalars of a JSON or form body: their path, value, and a function to change them."""
    try:
        payload = json.loads(request.body)
    except ValueError:
        pairs = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        for name, text in pairs.items():

            def build_form(value: Any, name: str = name) -> rec.WebhookRequest | None:
                if value is not REMOVED and (
                    not isinstance(value, str | int | float) or value == SURROGATE
                ):
                    return None
                changed = {key: each for key, each in pairs.items() if key != name}
                if value is not REMOVED:
                    changed[name] = str(value)
                return evolve(request, body=urlencode(changed).encode())

            yield (name,), text, build_form
        return
    for path, value in walk_values(payload):
        if path and not isinstance(value, dict | list):

            def build_json(value: Any, path: JsonPath = path) -> rec.WebhookRequest:
                payload = change_value(json.loads(request.body), path, value)
                return evolve(request, body=json.dumps(payload).encode())

            yield tuple(map(str, path)), value, build_json


def _identify(
    recordings: Iterable[rec.Recording], with_urls: bool = False
) -> list[tuple[Any, ...]]:
    return sorted(
        (
            *(each.id, str(each.provider_status)),
            tuple((file.id, with_urls and file.url is not None) for file in each.files),
        )
        for each in recordings
    )


def _sweep(listing: rec.Listing) -> list[rec.Recording]:
    """Read a listing; what it had returned before an error is all that is found."""
    found: list[rec.Recording] = []
    with suppress(rec.RecordingError):
        found += listing
    return found


def _check_odd(plain: rec.Recording, found: rec.Recording, path: JsonPath, value: Any) -> None:
    """Check a recording one of whose fields was absurd, against the one without that."""
    check_types(found)
    assert found.id == plain.id, f"the id is {found.id!r}, not {plain.id!r}"
    assert found.status == plain.status, (
        f"the status is {found.status} with {value!r}, not {plain.status}"
    )
    changed = [
        name
        for name in (each.name for each in fields(rec.Recording))
        if name not in ("raw", "unread_fields", "files")
        and getattr(found, name) != getattr(plain, name)
    ]
    for name in changed:
        now = getattr(found, name)
        now = getattr(now, "id", now)  # a target is named by a text
        is_text = isinstance(now, str) and isinstance(value, str)
        is_derived = name == "duration" and now == measure(found)
        assert now is None or is_text or is_derived, (
            f"{name} is {now!r} with the absurd value {value!r}"
        )
    is_text = isinstance(value, str) and value != SURROGATE
    if changed and not is_text:
        leaf = next(step for step in reversed(path) if isinstance(step, str))
        named = {step for each in found.unread_fields for step in each.split(".")}
        assert leaf in named, (
            f"{', '.join(changed)} changed with {value!r}, and unread_fields is "
            f"{found.unread_fields}: it must name {leaf}"
        )
