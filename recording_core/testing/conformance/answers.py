"""What becomes of an answer gone wrong? A documented value or a typed error, never a surprise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from recording_core import (
    AuthenticationFailed,
    Conflict,
    HttpSettings,
    Listing,
    MalformedPayload,
    NotFound,
    Operation,
    Provider,
    ProviderError,
    RateLimited,
    Recording,
    RecordingError,
    RecordingSession,
    RecordingStatus,
    Rejected,
    Unavailable,
    dumps,
    loads,
)
from recording_core.redaction import MASK, redact_payload
from recording_core.testing.conformance.base import (
    ONCE,
    ConformanceBase,
    advance,
    carrying,
    horizon,
    promising,
    times,
)
from recording_core.testing.conformance.documented_types import undocumented
from recording_core.testing.conformance.mutations import Change, Kept, changes, every, row_of
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply

__all__ = ["AnswerRequirements"]

_JSON = {"Content-Type": "application/json"}
_NEW_WORD = "zz-a-word-of-tomorrow"
#: Answers of more than a million bytes are too large.
_STRICT = HttpSettings(retries=0, workers=1, max_json_bytes=1_000_000)
#: Seconds that are really waited.
_IMPATIENT = HttpSettings(retries=0, workers=1, read_timeout=0.3)

_Kinds = type[ProviderError] | tuple[type[ProviderError], ...]
#: What the next answer is, and what a read then raises.
ERRORS: Mapping[str, tuple[Reply, _Kinds]] = {
    "HTTP 400": (Reply(400, b"{}", _JSON), Rejected),
    "HTTP 401": (Reply(401, b"{}", _JSON), AuthenticationFailed),
    "HTTP 401 in text": (Reply(401, b"no", {"Content-Type": "text/plain"}), AuthenticationFailed),
    "HTTP 403": (Reply(403), AuthenticationFailed),
    "HTTP 404": (Reply(404, b"{}", _JSON), NotFound),
    "HTTP 409": (Reply(409, b"{}", _JSON), Conflict),
    "HTTP 429": (Reply(429, b"{}", {**_JSON, "Retry-After": "7"}), RateLimited),
    "HTTP 500": (Reply(500, b"{}", _JSON), Unavailable),
    "HTTP 502 in HTML": (Reply(502, b"<html>", {"Content-Type": "text/html"}), Unavailable),
    "HTTP 503": (Reply(503), Unavailable),
    "a connection that is cut": (Reply(abort=True), Unavailable),
    "a body that is cut": (Reply(200, b'{"id": "some-id"}', _JSON, cut_after=5), Unavailable),
    # A cut there looks like the end of the headers of an answer without a body.
    "headers that are cut": (
        Reply(200, b'{"id": "some-id"}', _JSON, cut_headers=True),
        (Unavailable, MalformedPayload),
    ),
    "no answer in time": (Reply(stall="headers", stall_seconds=5), Unavailable),
    "no body in time": (Reply(200, b"{}", _JSON, stall="body", stall_seconds=5), Unavailable),
    "HTML with 200": (Reply(200, b"<html>", {"Content-Type": "text/html"}), MalformedPayload),
    "JSON that breaks off": (Reply(200, b'{"id": ', _JSON), MalformedPayload),
    "no bytes with 200": (Reply(200, b"", _JSON), MalformedPayload),
    "null": (Reply(200, b"null", _JSON), MalformedPayload),
    "a number": (Reply(200, b"7", _JSON), MalformedPayload),
    "a text": (Reply(200, b'"words"', _JSON), MalformedPayload),
    "JSON nested without end": (Reply(200, b"[" * 200_000, _JSON), MalformedPayload),
    "a number of 5000 digits": (
        Reply(200, b'{"id": ' + b"9" * 5000 + b"}", _JSON),
        MalformedPayload,
    ),
    "a number that is none": (Reply(200, b'{"id": NaN}', _JSON), MalformedPayload),
    "what is not UTF-8": (Reply(200, b'{"id": "\xff\xfe"}', _JSON), MalformedPayload),
    "half a surrogate pair": (Reply(200, rb'{"id": "\ud800"}', _JSON), MalformedPayload),
    "two million bytes": (Reply(200, b" " * 2_000_000, _JSON), MalformedPayload),
    "a broken compression": (
        Reply(200, b"no gzip", {**_JSON, "Content-Encoding": "gzip"}),
        MalformedPayload,
    ),
}


class AnswerRequirements(ConformanceBase):
    """The reads, against a vendor or a network that misbehaves."""

    def test_errors_are_typed_by_what_to_do_next(self, emulator: Emulator) -> None:
        self._are_typed(emulator, _STRICT, {w: e for w, e in ERRORS.items() if not e[0].stall})

    def test_silence_is_a_typed_error(self, emulator: Emulator) -> None:
        self._are_typed(emulator, _IMPATIENT, {w: e for w, e in ERRORS.items() if e[0].stall})

    def _are_typed(
        self, emulator: Emulator, http: HttpSettings, errors: Mapping[str, tuple[Reply, _Kinds]]
    ) -> None:
        with emulator.connect() as patient, emulator.connect(http=http) as provider:
            some = self._some(patient, emulator)
            for verb, read in self._reads(provider, emulator, some).items():
                for what, (reply, kind) in errors.items():
                    with promising(f"{verb}, answered by {what}: a typed error"):
                        emulator.faults.append(reply)
                        with pytest.raises(kind) as caught:
                            read()
                        error = caught.value
                        emulator.faults.clear()
                        assert error.provider == provider.name, f"of provider {error.provider!r}"
                        if isinstance(error, RateLimited):
                            wish = error.retry_after
                            assert wish == timedelta(seconds=7), f"retry_after is {wish}"

    def test_a_read_is_repeated_where_that_may_help(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        some = self._some(provider, emulator)
        for verb, read in self._reads(provider, emulator, some).items():
            for what in ("HTTP 500", "HTTP 503", "HTTP 429", "a connection that is cut"):
                with promising(f"{verb}, answered by {what} once: it works"):
                    emulator.faults.append(ERRORS[what][0])
                    read()
                    assert not emulator.faults, "nothing was asked"

    def test_values_have_the_documented_types(self, provider: Provider, emulator: Emulator) -> None:
        for recording in self._recordings(provider, emulator):
            with promising(f"recording {recording.id}: each field is of its documented type"):
                assert not (wrong := undocumented(recording)), wrong
                of = (recording.provider, recording.account)
                assert of == (provider.name, provider.account), f"it is of {of}"
                assert recording.raw, "raw is empty: keep the vendor's payload there"
                ids = [file.id for file in recording.files]
                assert len(ids) == len(set(ids)), f"files of the same id: {ids}"
        for session in self._sessions(provider, emulator):
            with promising(f"session of {session.target}: each field is of its documented type"):
                assert not (wrong := undocumented(session)), wrong

    def test_every_value_survives_json(self, provider: Provider, emulator: Emulator) -> None:
        values: list[Recording | RecordingSession] = [*self._recordings(provider, emulator)]
        values += self._sessions(provider, emulator)
        for value in values:
            with promising(f"loads(dumps({value!r})) is the same"):
                again = loads(dumps(value), type(value))
                assert again == value, f"it is {again!r}"
                assert again.raw == value.raw, "raw differs"

    def test_raw_holds_no_credential_field(self, provider: Provider, emulator: Emulator) -> None:
        planted = {name: f"canary-{name}" for name in ("access_key", "secret", "authToken")}
        emulator.alter = lambda request, payload: every(payload, {}, planted)
        values: list[Recording | RecordingSession] = [*self._recordings(provider, emulator)]
        values += self._sessions(provider, emulator)
        for value in values:
            with promising(f"raw of {value!r}: credential fields are masked"):
                assert not (shown := list(_unmasked(value.raw))), f"it shows {', '.join(shown)}"

    def test_a_new_status_word_is_unknown_and_kept(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        known = self._recordings(provider, emulator)
        words = {each.provider_status for each in known if each.provider_status}
        if not words:
            pytest.skip("this vendor says no status: provider_status is always None")
        emulator.alter = lambda request, payload: every(
            payload, dict.fromkeys(words, _NEW_WORD), {}
        )
        for recording in self._recordings(provider, emulator):
            with promising("a status word that nobody knows is UNKNOWN, and kept beside it"):
                seen = (recording.status, recording.provider_status)
                assert seen == (RecordingStatus.UNKNOWN, _NEW_WORD), f"it is {seen}"

    def test_new_fields_change_nothing_and_are_kept(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        before = {each.id: each for each in self._recordings(provider, emulator)}
        more = {"zz_new_field": {"words": ["and", 1, None]}}
        emulator.alter = lambda request, payload: every(payload, {}, more)
        with promising("fields that nobody knows change nothing, and stay in raw"):
            after = {each.id: each for each in self._recordings(provider, emulator)}
            assert after.keys() == before.keys(), "other recordings are listed"
            for id, recording in after.items():
                assert recording == before[id], f"{recording!r} was {before[id]!r}"
                assert "zz_new_field" in json.dumps(dict(recording.raw)), "raw lost it"

    def test_one_bad_row_costs_that_row_and_is_counted(self, emulator: Emulator) -> None:
        with emulator.connect(http=ONCE) as provider:
            bounds = _recent(list(provider.list(**horizon(emulator)))) or horizon(emulator)
            ids, answers = _seen(provider.list(**bounds), emulator)
            for change in changes(answers):
                victim = row_of(change.place, answers, ids)
                if victim is None:
                    continue
                with promising(f"list, with one field of a row changed ({change})"):
                    listing = provider.list(**bounds)
                    found, error = _swept(listing, emulator, change)
                    assert error is None, f"one bad row costs the whole list: {error!r}"
                    for recording in found:
                        assert not (wrong := undocumented(recording)), wrong
                    lost = ids - {recording.id for recording in found}
                    assert lost <= {victim}, f"it costs other rows too: {sorted(lost)}"
                    # A row whose id became another id is there, under that one.
                    gone = lost and len(found) < len(ids)
                    assert not (gone and listing.coverage.complete), (
                        "the row is missing, and coverage says complete: it must be counted in "
                        "coverage.unreadable"
                    )

    def test_a_page_that_goes_wrong_never_makes_a_complete_list(self, emulator: Emulator) -> None:
        with emulator.connect(http=ONCE) as provider:
            bounds = horizon(emulator)
            listing = provider.list(**bounds)
            ids, answers = _seen(listing, emulator)
            # Who is told no number cannot see that the last page is not the last.
            counted = listing.coverage.expected is not None
            for change in changes(answers):
                if row_of(change.place, answers, ids) is not None:
                    continue
                with promising(f"list, with a page's own field changed ({change})"):
                    listing = provider.list(**bounds)
                    found, error = _swept(listing, emulator, change)
                    for recording in found:
                        assert not (wrong := undocumented(recording)), wrong
                    complete = listing.coverage.complete
                    assert not (error and complete), f"{error!r}, and coverage says complete"
                    lost = ids - {recording.id for recording in found}
                    assert not (counted and lost and complete), (
                        f"{len(lost)} recordings are lost, and coverage says complete"
                    )

    def test_any_field_of_one_recording_may_go_wrong(self, emulator: Emulator) -> None:
        with emulator.connect(http=ONCE) as provider:
            reads = self._single_reads(provider, emulator)
            if not reads:
                pytest.skip("neither get nor active is declared")
            for verb, read in reads.items():
                with _kept(emulator) as answers:
                    read()
                for change in changes(answers):
                    emulator.alter = change
                    with promising(f"{verb} with one field changed ({change})"):
                        value, error = _tried(read)
                        assert value is None or not (wrong := undocumented(value)), wrong
                        named = getattr(error, "provider", provider.name)
                        assert named == provider.name, f"{error!r} names no provider"
                    emulator.alter = None

    # -- what is read ----------------------------------------------------------------------------

    def _recordings(self, provider: Provider, emulator: Emulator) -> list[Recording]:
        """Everything that the listing says, and some of it as `get` says it."""
        listed = list(provider.list(**horizon(emulator))) if provider.can(Operation.LIST) else []
        got = [provider.get(each) for each in listed[:20]] if provider.can(Operation.GET) else []
        return [*listed, *got]

    def _sessions(self, provider: Provider, emulator: Emulator) -> list[RecordingSession]:
        """A session of each kind, in every state that it goes through."""
        if not provider.can(Operation.START):
            return []
        sessions: list[RecordingSession] = []
        for target in carrying(emulator, provider.info, Operation.START):
            sessions.append(self.begin(provider, target))
            for operation, verb in (
                (Operation.PAUSE, provider.pause),
                (Operation.RESUME, provider.resume),
                (Operation.STOP, provider.stop),
            ):
                if provider.can(operation, target.kind):
                    advance(emulator, self.warm_up)
                    sessions.append(verb(sessions[-1]))
            advance(emulator, self.settle)
        return sessions

    def _reads(
        self, provider: Provider, emulator: Emulator, some: Recording | str
    ) -> dict[str, Callable[[], Any]]:
        """Every declared way of reading, by name."""
        reads: dict[str, Callable[[], Any]] = {}
        if provider.can(Operation.LIST):
            bounds = horizon(emulator)
            reads["list"] = lambda: list(provider.list(**bounds))
        if provider.can(Operation.GET):
            reads["get"] = lambda: provider.get(some)
        return reads

    def _single_reads(self, provider: Provider, emulator: Emulator) -> dict[str, Callable[[], Any]]:
        reads: dict[str, Callable[[], Any]] = {}
        if provider.can(Operation.LIST) and provider.can(Operation.GET):
            for recording in _of_each_shape(list(provider.list(**horizon(emulator)))):
                label = f"get of a recording that is {recording.status}"
                reads[f"{label} with {len(recording.files)} files"] = partial(
                    provider.get, recording.id, target=recording.target
                )
        if provider.can(Operation.ACTIVE) and provider.can(Operation.START):
            for target in carrying(emulator, provider.info, Operation.ACTIVE, Operation.START):
                self.begin(provider, target)
                reads[f"active of a {target.kind}"] = partial(provider.active, target)
        return reads

    def _some(self, provider: Provider, emulator: Emulator) -> Recording | str:
        if provider.can(Operation.LIST):
            first, *_ = provider.list(**horizon(emulator))
            return first
        return emulator.listed()[0]


def _of_each_shape(recordings: list[Recording]) -> list[Recording]:
    shapes = {(each.kind, each.status, len(each.files)): each for each in reversed(recordings)}
    return list(shapes.values())


@contextmanager
def _kept(emulator: Emulator) -> Iterator[list[Any]]:
    """Every JSON answer that is given inside."""
    kept = Kept()
    emulator.alter = kept
    try:
        yield kept.answers
    finally:
        emulator.alter = None


def _tried(read: Callable[[], Any]) -> tuple[Any, RecordingError | None]:
    try:
        return read(), None
    except RecordingError as error:
        return None, error


def _seen(listing: Listing, emulator: Emulator) -> tuple[set[str], list[Any]]:
    """The ids of a sweep, and the answers that it got."""
    with _kept(emulator) as answers:
        return {recording.id for recording in listing}, answers


def _swept(
    listing: Listing, emulator: Emulator, change: Change
) -> tuple[list[Recording], RecordingError | None]:
    """What a sweep of changed answers finds, and how it ends."""
    found: list[Recording] = []
    emulator.alter = change
    try:
        found.extend(listing)
    except RecordingError as error:
        return found, error
    finally:
        emulator.alter = None
    return found, None


def _recent(recordings: list[Recording]) -> dict[str, Any] | None:
    """Bounds of a list that has some rows of each kind, and is soon swept."""
    moments = sorted(filter(None, map(times, recordings)), reverse=True)
    return {"since": moments[min(23, len(moments) - 1)]} if moments else None


def _unmasked(value: Any, path: str = "raw") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            masked = redact_payload({key: "some-value"})[key] == MASK
            if masked and item not in (None, "", MASK):
                yield f"{path}.{key}"
            else:
                yield from _unmasked(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _unmasked(item, f"{path}[]")
