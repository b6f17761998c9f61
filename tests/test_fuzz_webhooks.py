"""What comes of callbacks that no vendor should send? Documented events, or a typed refusal.

Garbled before the emulator signs them, so that they are verified and read; and after it, so that
they are refused. And the same for our own JSON, which anybody may have had a hand in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator
from recording_core.testing.conformance.documented_types import undocumented
from recording_core.testing.emulator.deliveries import EmulatedEvent, Webhook
from recording_core.testing.fuzz.payloads import NOISE, SHAPES, garbled, noise, words_said
from recording_core.webhooks.receiver import Receiver

VENDORS = sorted(rec.providers())
EXAMPLES = settings().max_examples
#: The slowest takes half a minute where nothing else runs, and some minutes where it soaks.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 100 else 7200)
PAYLOADS = 100
#: A seed has no smaller one that is simpler, so nothing is shrunk: the payload is in the notes.
STEADY = settings(
    deadline=None,
    derandomize=EXAMPLES <= 100,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 2**32)
#: A signature by RSA takes a millisecond to make: of so many payloads one is signed anew.
SIGNED = 10
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@define
class Calling:
    """A vendor that calls back: its facts, its requests, and who receives them."""

    emulator: Emulator
    receiver: Receiver
    facts: list[EmulatedEvent]
    requests: list[rec.WebhookRequest]
    words: list[str]

    @property
    def name(self) -> str:
        return self.emulator.provider

    def signed(self, fact: EmulatedEvent, told: Any) -> rec.WebhookRequest:
        """A callback that says something else, signed by the vendor."""
        hook = Webhook("https://hooks.example.com/of/ours")
        return self.emulator.signed(evolve(fact, told=told), hook, self.emulator.clock.now())

    def told(self, fact: EmulatedEvent) -> Any:
        """What is said in a fact, as JSON has it; a form's fields where the vendor sends a form."""
        return getattr(fact.told, "parameters", fact.told)

    def retold(self, fact: EmulatedEvent, told: Mapping[str, Any]) -> Any:
        """The same fact with other words; a form's fields are text."""
        if not hasattr(fact.told, "parameters"):
            return told
        return evolve(
            fact.told, parameters={_form(name): _form(value) for name, value in told.items()}
        )


def _form(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()


@pytest.fixture(scope="module", params=VENDORS)
def calling(request: pytest.FixtureRequest) -> Iterator[Calling]:
    with (
        load_object(rec.providers()[request.param], "emulator")() as emulator,
        emulator.connect() as provider,
    ):
        for target in emulator.sessions:
            session = provider.start(target)
            emulator.clock.sleep(20)
            if provider.can(rec.Operation.PAUSE, target.kind):
                session = provider.pause(session)
                emulator.clock.sleep(10)
                session = provider.resume(session)
            provider.stop(session)
            emulator.clock.sleep(120)
        signs: dict[str, Any] = dict(emulator.webhooks)
        ours = Receiver(emulator.provider, **signs, clock=emulator.clock)
        requests = emulator.callbacks()
        facts = emulator.deliveries.happened()
        assert len(facts) >= 2
        made = Calling(emulator, ours, facts, requests, [])
        made.words = sorted({word for fact in facts for word in words_said(made.told(fact))})
        yield made


def judge(calling: Calling, request: rec.WebhookRequest, *, signed: bool) -> str:
    """Whether a request is read as a documented event, or refused with a 4xx; which of them."""
    rejected: rec.WebhookRejected | None = None
    events: tuple[rec.RecordingEvent, ...] = ()
    try:
        if signed:
            events = calling.receiver.verify(request)
        else:
            events = rec.unsafe_parse(calling.name, request)
        for event in events:
            assert not (wrong := undocumented(event)), wrong
            assert (event.provider, event.account) == (calling.name, "default")
            assert event.key.strip(), "an event without a key"
            assert signed or not event.trusted
            repr(event).encode("utf-8")
            rec.dumps(event.recording)
    except rec.WebhookRejected as error:
        rejected = error
    except BaseException as error:
        error.add_note(f"{calling.name}, signed={signed}: {request.body[:3000]!r}")
        raise
    if rejected is not None:
        assert rejected.status in (400, 401, 413), f"status {rejected.status}"
        str(rejected).encode("utf-8")
        return "refused"
    return "event" if events else "nothing"


def test_no_garbled_callback_is_anything_but_a_documented_event_or_refused(
    calling: Calling,
) -> None:
    """P1, W1: at least 20,000 payloads, one of ten signed anew by the vendor."""
    seen: Counter[str] = Counter()

    @settings(STEADY, max_examples=2 * EXAMPLES)
    @given(st.sampled_from(range(len(calling.facts))), st.sampled_from(sorted(SHAPES)), SEEDS)
    def garble(which: int, shape: str, seed: int) -> None:
        fact, request = calling.facts[which], calling.requests[which]
        others = [calling.told(each) for each in calling.facts]
        for nth in range(PAYLOADS):
            body = garbled(calling.told(fact), shape, seed * PAYLOADS + nth, others)
            told = _readable(body)
            if nth % SIGNED == 0 and told is not None and "event" not in _lost(fact, told):
                garbled_now = calling.signed(fact, calling.retold(fact, told))
                how = judge(calling, garbled_now, signed=True)
                assert how != "refused" or not _is_only_more(shape), "new words were refused"
                seen[f"signed, {how}"] += 1
            if hasattr(fact.told, "parameters") and told is not None and nth % 2:
                body = calling.signed(fact, calling.retold(fact, told)).body
            seen[judge(calling, evolve(request, body=body), signed=False)] += 1

    garble()
    assert sum(seen.values()) >= 200 * PAYLOADS
    assert min(seen["event"], seen["refused"], seen["signed, event"]) > 100, seen


def _readable(body: bytes) -> dict[str, Any] | None:
    """The object in the body, if there is one that an emulator could write."""
    try:
        told = json.loads(body)
        json.dumps(told, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return told if isinstance(told, dict) else None


def _lost(fact: EmulatedEvent, told: Mapping[str, Any]) -> set[str]:
    """What the emulator itself needs to know of what it signs."""
    known = fact.told if isinstance(fact.told, Mapping) else {}
    return {name for name in known if not isinstance(told.get(name), type(known[name]))}


def _is_only_more(shape: str) -> bool:
    return shape == "new fields"


def test_no_random_callback_is_anything_but_a_documented_event_or_refused(
    calling: Calling,
) -> None:
    """P1: at least 5,000 payloads."""
    count = 0

    @settings(STEADY, max_examples=EXAMPLES // 2)
    @given(st.sampled_from(calling.requests), st.sampled_from(sorted(NOISE)), SEEDS)
    def make(request: rec.WebhookRequest, kind: str, seed: int) -> None:
        nonlocal count
        for nth in range(PAYLOADS):
            body = noise(kind, seed * PAYLOADS + nth, calling.words if nth % 2 else ())
            judge(calling, evolve(request, body=body), signed=False)
            count += 1

    make()
    assert count >= 50 * PAYLOADS


def test_no_callback_that_was_changed_after_it_was_signed_is_let_in(calling: Calling) -> None:
    """W1, W2: neither with another body, nor with another signature."""

    @settings(STEADY, max_examples=EXAMPLES // 2)
    @given(st.sampled_from(calling.requests), st.sampled_from(sorted(NOISE)), SEEDS)
    def forge(request: rec.WebhookRequest, kind: str, seed: int) -> None:
        said = [event.key for event in calling.receiver.verify(request)]
        names = [name for name, _ in request.headers if "signature" in name]
        for nth in range(PAYLOADS):
            junk = noise(kind, seed * PAYLOADS + nth)
            if nth % 2 and junk != request.body:
                forged = evolve(request, body=junk)
            else:
                changed = junk.decode("latin-1")
                headers = [(n, changed if n in names else v) for n, v in request.headers]
                forged = evolve(request, headers=headers)
            with pytest.raises(rec.WebhookRejected) as caught:
                calling.receiver.verify(forged)
            assert caught.value.status in (400, 401)
        assert [event.key for event in calling.receiver.verify(request)] == said

    forge()


def test_a_word_of_tomorrow_is_an_update_of_unknown_status(calling: Calling) -> None:
    """P3: the name of an event that nobody knows costs nothing."""
    known = {"event", "type", "EventName"}
    compared = 0
    for fact in calling.facts:
        told = calling.told(fact)
        for name in known & set(told):
            prefix = told[name].rpartition("_")[0] or told[name].rpartition(".")[0]
            sign = told[name][len(prefix) : len(prefix) + 1] if prefix else ""
            word = f"{prefix}{sign}ZzOfTomorrow" if prefix else "MPCZzOfTomorrow"
            request = calling.signed(fact, calling.retold(fact, {**told, name: word}))
            for event in calling.receiver.verify(request):
                assert event.kind is rec.EventKind.UPDATED
                assert event.status is rec.RecordingStatus.UNKNOWN
                compared += 1
    assert compared


# -- our own JSON ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=VENDORS)
def values(request: pytest.FixtureRequest) -> list[Any]:
    """Recordings of every shape and a session of each kind, as a vendor's provider made them."""
    with (
        load_object(rec.providers()[request.param], "emulator")(recordings=12) as emulator,
        emulator.connect() as provider,
    ):
        listed = list(provider.list(since=emulator.clock.now() - timedelta(days=29)))
        sessions = [provider.start(target) for target in emulator.sessions]
        emulator.clock.sleep(20)
        stopped = [provider.stop(session) for session in sessions]
        emulator.clock.sleep(120)
        wait = timedelta(minutes=2)
        done = [provider.wait(session, timeout=wait) for session in stopped]
    pause = rec.Interval(NOW, NOW + timedelta(seconds=5))
    return [*listed[:8], *sessions, *(evolve(each, pauses=(pause,)) for each in done)]


def test_no_garbled_json_of_ours_gives_anything_but_documented_values(values: list[Any]) -> None:
    """P1, P2: `loads` takes what `dumps` wrote, or refuses it."""
    written = [json.loads(rec.dumps(value)) for value in values]
    seen: Counter[str] = Counter()

    @settings(STEADY, max_examples=2 * EXAMPLES)
    @given(st.sampled_from(range(len(values))), st.sampled_from([*SHAPES, *NOISE]), SEEDS)
    def garble(which: int, shape: str, seed: int) -> None:
        for nth in range(PAYLOADS):
            number = seed * PAYLOADS + nth
            if shape in NOISE:
                body = noise(shape, number, list(words_said(written[which])))
            else:
                body = garbled(written[which], shape, number, written)
            try:
                found = rec.loads(body, type(values[which]))
            except rec.MalformedPayload as error:
                str(error).encode("utf-8")
                seen["refused"] += 1
                continue
            except BaseException as error:
                error.add_note(f"{type(values[which]).__name__}: {body[:3000]!r}")
                raise
            assert not (wrong := undocumented(found)), f"{wrong}: {body[:3000]!r}"
            again = rec.dumps(found)
            assert rec.loads(again, type(found)) == found
            assert _are_alike(json.loads(again), json.loads(body)), f"{again} was {body[:3000]!r}"
            seen["read"] += 1

    garble()
    assert sum(seen.values()) >= 200 * PAYLOADS
    assert min(seen["read"], seen["refused"]) > 1000, seen


def _are_alike(ours: Any, theirs: Any) -> bool:
    """Whether what was read is, place by place, of the JSON type that was written."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(_are_alike(ours[name], theirs[name]) for name in ours.keys() & theirs.keys())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_are_alike, ours, theirs))
    if type(ours) in (int, float):
        return type(theirs) in (int, float)
    return type(ours) is type(theirs)
