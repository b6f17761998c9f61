"""Are the vendor's callbacks received when they are genuine, and only then, each fact once?"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from attrs import evolve

from recording_core import (
    ConfigurationError,
    NotFound,
    Operation,
    Provider,
    Receiver,
    Recording,
    RecordingEvent,
    RecordingSession,
    WebhookRejected,
    WebhookRequest,
    receive,
    receiver,
    unsafe_parse,
)
from recording_core.model.events import LASTING, build_event, build_event_key
from recording_core.testing.conformance.base import (
    ConformanceBase,
    advance,
    carrying,
    horizon,
    promising,
)
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import LoopbackServer, Reply, Request

__all__ = ["WebhookRequirements"]

#: Bodies that no vendor sends.
JUNK = (
    b"",
    b"\x00",
    b"\xff\xfe\xfd",
    b"null",
    b"[]",
    b'"text"',
    b"{",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"event": NaN, "data": Infinity}',
    b'{"event": ' + b"9" * 5000 + b"}",
    b'{"event": "\\ud800"}',
    b"a=1&a=2&&=&%ff=%zz",
)

#: What a field could hold instead.
OTHERS: tuple[Any, ...] = (
    *(None, 7, -1, 1.5, True),
    *("", "a word of tomorrow", "\x00", "é" * 99),
    *([], [[]], {}),
)


class WebhookRequirements(ConformanceBase):
    """What an application may rely on when the vendor calls back."""

    # -- what happened, and what was told of it --------------------------------------------------

    def receiver(self, emulator: Emulator) -> Receiver:
        """On the emulator's clock, with what the emulator signs with."""
        signs: dict[str, Any] = dict(emulator.webhooks)
        return Receiver(emulator.provider, **signs, clock=emulator.clock)

    def lives(
        self, provider: Provider, emulator: Emulator
    ) -> Iterator[tuple[list[WebhookRequest], list[Recording], RecordingSession]]:
        """For each kind that can be recorded: the callbacks, what polling showed, the session."""
        told = False
        for target in carrying(emulator, provider.info, Operation.START, Operation.GET):
            before = len(emulator.callbacks())
            session = begun = self.begin(provider, target)
            polled = [self._polled(provider, session)]
            advance(emulator, self.warm_up)
            polled.append(self._polled(provider, session))
            if all(provider.can(each, target.kind) for each in (Operation.PAUSE, Operation.RESUME)):
                session = provider.pause(session)
                advance(emulator, self.warm_up)
                session = provider.resume(session)
                advance(emulator, self.warm_up)
            session = provider.stop(session)
            polled.append(self._polled(provider, session))
            done = provider.wait(session, timeout=self.settle)
            polled.append(done.recordings)
            callbacks = emulator.callbacks()[before:]
            told = told or bool(callbacks)
            yield callbacks, [each for some in polled for each in some], begun
        assert told, "the emulator's callbacks() tell of no recording that was started and stopped"

    def _polled(self, provider: Provider, session: RecordingSession) -> tuple[Recording, ...]:
        if session.id is None:
            return ()
        try:
            return (provider.get(session.id, target=session.target),)
        except NotFound:
            return ()  # some vendors show a recording once it is over

    def genuine(self, provider: Provider, emulator: Emulator) -> WebhookRequest:
        """A callback that tells of a recording."""
        for callbacks, _, _ in self.lives(provider, emulator):
            for each in callbacks:
                if unsafe_parse(emulator.provider, each):
                    return each
        raise AssertionError("no callback tells of a recording")

    # -- the promises ----------------------------------------------------------------------------

    def test_each_callback_verifies_and_tells_of_its_recording(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        ours = self.receiver(emulator)
        for callbacks, polled, _ in self.lives(provider, emulator):
            ids = {each.id.casefold() for each in polled}
            for request in callbacks:
                for event in ours.receive(request):
                    with promising("an event names the recording that polling names"):
                        assert event.recording_id is not None
                        assert event.recording_id.casefold() in ids
                        assert (event.provider, event.account) == (provider.name, "default")
                        assert not event.replayed

    def test_a_fact_has_one_key_by_callback_and_by_polling(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        ours = self.receiver(emulator)
        compared = 0
        for callbacks, polled, _ in self.lives(provider, emulator):
            facts = {event.key for each in polled if (event := build_event(each)) is not None}
            for request in callbacks:
                for event in ours.receive(request):
                    if event.kind not in LASTING:
                        continue
                    with promising("a lasting fact's key is made of what it is, and nothing else"):
                        assert event.key == build_event_key(
                            event.provider, event.account, event.recording_id, event.kind
                        )
                    compared += event.key in facts
        with promising("what a callback tells is what polling shows, under the same key"):
            assert compared, "no callback's key was ever that of a poll"

    def test_what_a_callback_told_is_not_announced_by_reconciling(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        if not provider.can(Operation.LIST):
            pytest.skip("list is not declared")
        ours = self.receiver(emulator)
        told: list[RecordingEvent] = []
        ours.listen(told.append)
        for callbacks, _, _ in self.lives(provider, emulator):
            for request in callbacks:
                ours.receive(request)
        by_callback = {event.key for event in told}
        done = ours.reconcile(provider, **horizon(emulator))
        with promising("reconciling announces what no callback told, and once"):
            assert by_callback
            assert by_callback.isdisjoint(event.key for event in done)
            assert [event.key for event in told[len(by_callback) :]] == [e.key for e in done]
            assert len(ours.reconcile(provider, **horizon(emulator))) == 0

    def test_no_recording_is_lost_when_deliveries_fail(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        if not provider.can(Operation.LIST):
            pytest.skip("list is not declared")
        ours = self.receiver(emulator)
        heard: list[RecordingEvent] = []
        away = [True]

        @ours.listen
        def listen(event: RecordingEvent) -> None:
            if away[0]:
                raise ConnectionError("the application's database is away")
            heard.append(event)

        def answer(request: Request) -> Reply:
            url = request.origin + request.path
            try:
                ours.receive(WebhookRequest(request.method, url, request.headers, request.body))
            except WebhookRejected as error:
                return Reply(error.status)
            return Reply(200)

        with LoopbackServer(answer) as server:
            emulator.deliver_to(f"{server.origin}/hook")
            lives = list(self.lives(provider, emulator))
            emulator.settle()
            statuses = {attempt.status for attempt in emulator.deliveries.attempts}
            with promising("a listener that raises is answered 503"):
                assert statuses == {503}
                assert heard == []
            away[0] = False
            advance(emulator, self.settle)  # where the vendor sends again, it does by now
            emulator.settle()
        ours.reconcile(provider, **horizon(emulator))
        for _, _, session in lives:  # what some vendors list only for those who name it
            ours.reconcile(provider, **horizon(emulator), target=session.target)
        keys = [event.key for event in heard]
        ends = {each.id: build_event(each) for _, polled, _ in lives for each in polled}
        with promising("each recording's end is announced, by callback or by reconciling, once"):
            assert {event.key for event in ends.values() if event is not None} <= set(keys)
            assert len(keys) == len(set(keys))

    def test_a_replay_is_returned_as_such_and_not_announced(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        ours = self.receiver(emulator)
        request = self.genuine(provider, emulator)
        told: list[RecordingEvent] = []
        ours.listen(told.append)
        first, again = ours.receive(request), ours.receive(request)
        assert [event.replayed for event in first] == [False] * len(first)
        assert [event.replayed for event in again] == [True] * len(first)
        assert told == list(first)

    def test_no_flipped_bit_changes_what_is_said(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        ours = self.receiver(emulator)
        request = self.genuine(provider, emulator)
        said = _said(ours.verify(request))
        refused = flips = 0
        for what, forged in _flipped(request):
            flips += 1
            with promising(f"{what}: refused, or read as what was signed"):
                answer = _verified(ours, forged)
                assert answer in (400, 401, said)
            refused += answer != said
        assert refused > flips / 2, f"of {flips} flipped bits only {refused} were refused"

    def test_nobody_elses_secret_will_do(self, provider: Provider, emulator: Emulator) -> None:
        request = self.genuine(provider, emulator)
        other = Receiver(emulator.provider, **_others(emulator.webhooks), clock=emulator.clock)
        with pytest.raises(WebhookRejected) as caught:
            other.receive(request)
        assert caught.value.status == 401

    def test_no_signature_is_no_callback(self, provider: Provider, emulator: Emulator) -> None:
        request = self.genuine(provider, emulator)
        bare = [pair for pair in request.headers if "signature" not in pair[0]]
        assert len(bare) < len(request.headers), "no header's name says that it is a signature"
        for headers in (bare, []):
            with pytest.raises(WebhookRejected) as caught:
                self.receiver(emulator).receive(evolve(request, headers=headers))
            assert caught.value.status in (400, 401)

    def test_nothing_is_received_without_a_secret(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        request = self.genuine(provider, emulator)
        [name] = emulator.webhooks
        wrongs: list[dict[str, Any]] = [{name: blank} for blank in ("", "  ", "\n", [], [""])]
        wrongs.append({"secret": "x" * 40, "key": "x" * 40})
        for wrong in wrongs:
            with promising(f"{wrong} is a ConfigurationError"):
                with pytest.raises(ConfigurationError):
                    receiver(emulator.provider, **wrong)
                with pytest.raises(ConfigurationError):
                    receive(emulator.provider, request, **wrong)
        with pytest.raises(ConfigurationError):
            receive(emulator.provider, request)

    def test_whatever_the_body_only_a_typed_refusal_leaves(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        ours, request = self.receiver(emulator), self.genuine(provider, emulator)
        said = _said(ours.verify(request))
        bodies = [*JUNK, *_altered(request.body)]
        bodies += [request.body[:cut] for cut in range(len(request.body))]
        for body in bodies:
            forged = evolve(request, body=body)
            with promising(f"the body {body[:80]!r}: read, or refused"):
                # A GET's parameters are in its URL; its body says nothing.
                assert _verified(ours, forged) in (400, 401, said)
                try:
                    events = unsafe_parse(emulator.provider, forged)
                except WebhookRejected:
                    continue
                assert all(not event.trusted for event in events)

    def test_in_whatever_order_callbacks_come_the_session_ends_alike(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        for callbacks, polled, session in self.lives(provider, emulator):
            ours = self.receiver(emulator)
            ids = {each.id.casefold() for each in polled}
            events = [event for request in callbacks for event in ours.receive(request)]
            events = [each for each in events if (each.recording_id or "").casefold() in ids]
            ends = set()
            for order in itertools.islice(itertools.permutations(events), 200):
                after = session
                for event in (*order, *order):
                    after = after.apply(event)
                files = tuple((each.id, each.status) for each in after.recordings)
                ends.add((after.status, after.pauses, files))
            with promising("late, doubled and overtaken callbacks end in the same session"):
                assert len(ends) == 1, ends

    def test_no_repr_and_no_log_shows_a_secret(
        self, provider: Provider, emulator: Emulator, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        if "secret" not in emulator.webhooks:
            pytest.skip("this vendor shares no secret")
        secret = emulator.webhooks["secret"]
        request = self.genuine(provider, emulator)
        ours = self.receiver(emulator)
        shown: list[Any] = [ours, *vars(ours).values(), request, *ours.receive(request)]
        with pytest.raises(WebhookRejected) as caught:
            ours.receive(evolve(request, headers=[]))
        shown += [caught.value, [each.getMessage() for each in caplog.records]]
        for value in shown:
            with promising(f"a {type(value).__name__} shows no secret"):
                assert secret not in f"{value!r} {value}"


def _verified(ours: Receiver, request: WebhookRequest) -> list[Any] | int:
    """What a request says, or the status by which it is refused."""
    try:
        return _said(ours.verify(request))
    except WebhookRejected as error:
        return error.status


def _said(events: tuple[RecordingEvent, ...]) -> list[Any]:
    """All that is in events, but for what no vendor signs."""
    return [
        (evolve(event, delivery_id=None), json.dumps(event.raw, sort_keys=True, default=str))
        for event in events
    ]


def _flipped(request: WebhookRequest) -> Iterator[tuple[str, WebhookRequest]]:
    """Each bit of the body, and of each header that signs or is signed."""
    for index, bit in itertools.product(range(len(request.body)), range(8)):
        body = bytearray(request.body)
        body[index] ^= 1 << bit
        yield f"bit {bit} of byte {index} of the body", evolve(request, body=bytes(body))
    for number, (name, value) in enumerate(request.headers):
        if "signature" not in name and "timestamp" not in name:
            continue
        for index, bit in itertools.product(range(len(value)), range(7)):
            text = value[:index] + chr(ord(value[index]) ^ 1 << bit) + value[index + 1 :]
            headers = [*request.headers]
            headers[number] = (name, text)
            yield f"bit {bit} of character {index} of {name}", evolve(request, headers=headers)


def _altered(body: bytes) -> Iterator[bytes]:
    """The body's JSON with each of its values of another type, or gone."""
    try:
        told = json.loads(body)
    except ValueError:
        return
    for path in list(_paths(told)):
        for value in OTHERS:
            yield json.dumps(_with(told, path, value)).encode()


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        for path in _paths(item):
            yield (key, *path)


def _with(told: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(told) if isinstance(told, dict) else list(told)
    copy[path[0]] = _with(copy[path[0]], path[1:], value)
    return copy


def _others(webhooks: Any) -> dict[str, Any]:
    """A secret, or a key, of the same form that is somebody else's."""
    if "secret" in webhooks:
        secret = webhooks["secret"]
        return {"secret": secret[:-1] + ("a" if secret[-1] != "a" else "b")}
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    return {"key": public.public_bytes(serialization.Encoding.PEM, form).decode()}
