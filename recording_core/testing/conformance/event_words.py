"""Requirements for events: what they state is so, and a word that is new loses none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import recording_core as rec
from recording_core.model.events import LASTING
from recording_core.plugin import FINAL, find_event_kind
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.testing.conformance.base import state_requirement
from recording_core.testing.conformance.odd_fields import find_parameters
from recording_core.testing.conformance.results.exchanges import show
from recording_core.testing.conformance.webhooks import SessionRun, WebhookRequirements
from recording_core.testing.conformance.word_tables import find_event_tables, find_status_words
from recording_core.testing.conformance.words import is_word

#: Of two clocks, and of times in whole seconds.
_TOLERANCE = timedelta(seconds=2)
#: Between these steps of a session its event of that kind happens.
_STEPS: Mapping[rec.EventKind, tuple[str, str]] = {
    rec.EventKind.STARTED: ("start", "start"),
    rec.EventKind.PAUSED: ("pause", "pause"),
    rec.EventKind.RESUMED: ("resume", "resume"),
}
#: The order of lasting events; what is not here comes last.
_ORDER: Mapping[rec.EventKind, int] = {rec.EventKind.STARTED: 0, rec.EventKind.STOPPED: 1}
#: The values of an event's recording that a later `get` returns, too, and of a final recording.
_LIVE_VALUES = ("kind", "started_at", "channels", "title")
_FINAL_VALUES = (*_LIVE_VALUES, "ended_at", "created_at", "duration", "size", "format")


class EventWordRequirements(WebhookRequirements):
    """Requirements for the words and values of webhooks. The signature is not checked here."""

    def test_events_state_what_happened(self) -> None:
        sent = _SentRequests(self._find_tables())
        for run in self.run_sessions():
            final = run.polled[-1]
            last = 0
            for number, request in enumerate(run.requests):
                events = self._parse_now(request)
                sent.add(request, {each.id.casefold() for each in run.polled}, events)
                for event in events:
                    what = f"the event {event.kind} with the body {show(request.body)}"
                    with state_requirement("an event states what has happened at the vendor"):
                        _check_moment(what, run, number, event)
                        _check_time(what, run, event)
                        last = _check_order(what, last, event)
                        _check_recording(what, event, final)
                    if event.kind in LASTING and _rank(event) == 2:
                        with state_requirement("the last event has the status that get returns"):
                            expected = (find_event_kind(final.status), final.status)
                            assert (event.kind, event.status) == expected, (
                                f"{what} has (kind, status) ({event.kind}, {event.status}); get "
                                f"returns {final.status}"
                            )

        sent.check_silent()

    def test_a_new_word_loses_no_event(self) -> None:
        """Nor does another word of the tables lose one."""
        tables, statuses = self._find_tables(), find_status_words(self.provider)
        known = {word for table in tables for word in table}
        failures = [w for w, found in statuses.items() if found == {rec.RecordingStatus.FAILED}]
        seen: set[tuple[Any, ...]] = set()
        for run in self.run_sessions():
            for request in run.requests:
                plain = self._parse_now(request)
                if not plain:
                    continue
                words = [each for each in find_parameters(request) if is_word(each[1])]
                known_here = [path for path, word, _ in words if word in known]
                deciding: list[tuple[tuple[str, ...], Any]] = []
                for path, word, build in words:
                    shape = (*(event.kind for event in plain), path, word)
                    if shape in seen:
                        continue
                    seen.add(shape)
                    new = _build_new_word(word)
                    must_be_unknown = known_here == [path]
                    if self._check_new_word(path, word, new, plain, build(new), must_be_unknown):
                        deciding.append((path, build))
                    for other in {other for table in tables if word in table for other in table}:
                        if is_word(other) and not _is_silent(other, tables):
                            events = self._parse_now(build(other))
                            _check_kept(_describe(path, other, word), plain, events)
                is_available = any(each.kind is rec.EventKind.AVAILABLE for each in plain)
                if deciding and failures and is_available:
                    self._check_row_decides(
                        failures[0], *max(deciding, key=lambda each: len(each[0]))
                    )

    def _find_tables(self) -> list[Mapping[str, Any]]:
        load_object(self.provider.info, "webhooks")  # only the tables of imported modules are found
        return find_event_tables(self.provider)

    def _parse_now(self, request: Any) -> tuple[rec.RecordingEvent, ...]:
        """Read the events of a request, by the emulator's clock and without its signature."""
        scheme = load_object(get_provider_info(self.vendor.provider), "webhooks")()
        events: tuple[rec.RecordingEvent, ...] = scheme.parse(
            request, account="default", now=self.vendor.clock.now()
        )
        return events

    def _check_new_word(
        self,
        path: tuple[str, ...],
        word: str,
        new: str,
        plain: tuple[rec.RecordingEvent, ...],
        request: Any,
        must_be_unknown: bool,
    ) -> bool:
        """Check the events of a request with a new word; return whether it changed the status."""
        sent = _describe(path, new, word)
        with state_requirement("a webhook with a word that is new is an event of its recording"):
            events = self._parse_now(request)
            _check_kept(sent, plain, events)
        kinds = {each.kind for each in plain} | {rec.EventKind.UPDATED}
        statuses = {each.status for each in plain} | {rec.RecordingStatus.UNKNOWN}
        if must_be_unknown:
            kinds, statuses = {rec.EventKind.UPDATED}, {rec.RecordingStatus.UNKNOWN}
        with state_requirement("a word that is new is an UPDATED event with the status UNKNOWN"):
            for event in events:
                is_fair = event.kind in kinds and event.status in statuses
                assert is_fair, (
                    f"{sent}: (kind, status) is ({event.kind}, {event.status}), not one of "
                    f"{sorted(kinds)} and {sorted(statuses)}"
                )
        return {each.status for each in events} == {rec.RecordingStatus.UNKNOWN}

    def _check_row_decides(self, failure: str, path: tuple[str, ...], build: Any) -> None:
        with state_requirement("an event has the status of its recording"):
            for event in self._parse_now(build(failure)):
                found = (event.kind, event.status)
                assert event.status in (rec.RecordingStatus.FAILED, rec.RecordingStatus.EMPTY), (
                    f"the vendor sent {'.'.join(path)}={failure!r}: (kind, status) is {found}, not "
                    "failed"
                )
                assert event.kind is not rec.EventKind.AVAILABLE, f"the kind is {event.kind}"


class _SentRequests:
    """The requests of all sessions, to compare those without an event with the others."""

    def __init__(self, tables: list[Mapping[str, Any]]) -> None:
        self._tables = tables
        #: what the requests about recordings have in common
        self._marks: set[Any] = {word for table in tables for word in table}
        #: those that name a recording and gave no event, with its id
        self._silent: list[tuple[Any, str]] = []

    def add(self, request: Any, ids: set[str], events: tuple[rec.RecordingEvent, ...]) -> None:
        if events:
            self._marks |= self._find_marks(request)
            return
        values = (str(value).casefold() for _, value, _ in find_parameters(request))
        self._silent += ((request, id) for id in ids.intersection(values))

    def check_silent(self) -> None:
        """Require an event of each request that names a recording and is like one about it.

        That is one with a word of the provider's tables, with the fields of another request that
        gave an event, or whose event's name begins as its name.
        """
        for request, id in self._silent:
            words = [value for _, value, _ in find_parameters(request) if is_word(value)]
            marks = {*words, *self._find_marks(request)} & self._marks
            if marks and not any(_is_silent(word, self._tables) for word in words):
                with state_requirement("a webhook about a recording gives an event"):
                    raise AssertionError(
                        f"the vendor sent {show(request.body)}, which names the recording {id}, "
                        f"and parse returned no event; expected is one, by {marks}"
                    )

    def _find_marks(self, request: Any) -> set[Any]:
        """Find the names of the fields, and the first part of each word."""
        found = [(path, value) for path, value, _ in find_parameters(request)]
        heads = {(path, _find_head(value)) for path, value in found if is_word(value)}
        return {each for each in heads if each[1]} | {frozenset(path for path, _ in found)}


def _is_silent(word: str, tables: list[Mapping[str, Any]]) -> bool:
    """Whether a word proves nothing that has an event, as a recording that is pending."""
    found = {table[word] for table in tables if word in table}
    return bool(found) and found <= {rec.RecordingStatus.PENDING, rec.RecordingStatus.UNKNOWN}


def _check_kept(
    sent: str, plain: tuple[rec.RecordingEvent, ...], events: tuple[rec.RecordingEvent, ...]
) -> None:
    lost = {each.recording_id for each in plain} - {each.recording_id for each in events}
    assert not lost, f"{sent}, and no event is about {lost}: {events}"


def _describe(path: tuple[str, ...], new: str, word: str) -> str:
    return f"the vendor sent {'.'.join(path)}={new!r} in place of {word!r}"


def _find_head(word: str) -> str:
    """Find the first part of a word, such as `recording.`; empty without one."""
    found = re.match(r"[^._:-]*[._:-]", word)
    return found[0] if found else ""


def _build_new_word(word: str) -> str:
    """Build a word that no vendor has, in the letters of another and with its first part."""
    new = "ZZNEW" if word.isupper() else "zznew" if word.islower() else "ZzNew"
    return _find_head(word) + new


def _rank(event: rec.RecordingEvent) -> int:
    return _ORDER.get(event.kind, 2)


def _check_moment(what: str, run: SessionRun, number: int, event: rec.RecordingEvent) -> None:
    """Require that an event does not precede the fact."""
    if event.kind not in LASTING:
        return
    is_before = number < run.before_end and _rank(event) > 0
    assert not is_before, f"{what} was sent while the session was recorded"
    known = [each.status for each in run.at_end]
    is_early = number < run.before_final and known and not FINAL.intersection(known)
    assert not (is_early and _rank(event) == 2), f"{what} was sent while get returned {known[0]}"


def _check_time(what: str, run: SessionRun, event: rec.RecordingEvent) -> None:
    """Require that the time of an event is that of what happened."""
    if event.occurred_at is None:
        return
    first, last = _STEPS.get(event.kind, ("end" if _is_end(event) else "start", "final"))
    earliest, latest = run.steps[first] - _TOLERANCE, run.steps[last] + _TOLERANCE
    assert earliest <= event.occurred_at <= latest, (
        f"{what} has occurred_at={event.occurred_at}; it happened from {earliest} to {latest}"
    )


def _is_end(event: rec.RecordingEvent) -> bool:
    return event.kind in LASTING and _rank(event) > 0


def _check_order(what: str, last: int, event: rec.RecordingEvent) -> int:
    """Require that no lasting event follows one that ends it; return the rank so far."""
    if event.kind not in LASTING or (
        event.kind is rec.EventKind.STARTED and event.occurred_at is None  # it may be a resume
    ):
        return last
    assert _rank(event) >= last, f"{what} follows an event that ends the recording"
    return _rank(event)


def _check_recording(what: str, event: rec.RecordingEvent, final: rec.Recording) -> None:
    """Require that an event's recording has the values that get returns, or None."""
    found = event.recording
    if found is None:
        return
    for name, now, later in _pair(found, final, is_final=found.status in FINAL):
        assert _is_close(now, later), f"{what} has {name}={now!r}; get returns {later!r}"


def _pair(
    found: rec.Recording, final: rec.Recording, *, is_final: bool
) -> Iterator[tuple[str, Any, Any]]:
    for name in _FINAL_VALUES if is_final else _LIVE_VALUES:
        now, later = getattr(found, name), getattr(final, name)
        if now is not None and later is not None:
            yield name, now, later


def _is_close(one: Any, other: Any) -> bool:
    if isinstance(one, datetime | timedelta):
        return bool(abs(one - other) <= _TOLERANCE)
    return bool(one == other)
