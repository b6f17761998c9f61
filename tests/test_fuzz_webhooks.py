"""Fuzzed webhooks give documented events, or are rejected with a typed error.

Some are mutated before the emulator signs them, so that they are verified and parsed; others
after it, so that they are rejected. Our own JSON is tested in the same way.
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
from recording_core.testing.conformance.documented_types import find_type_error
from recording_core.testing.emulator.deliveries import EmulatedEvent, Webhook
from recording_core.testing.fuzz.payloads import (
    MUTATIONS,
    NOISE,
    generate_noise,
    list_words,
    mutate_payload,
)
from recording_core.webhooks.receiver import Receiver

VENDORS = sorted(rec.providers())
EXAMPLES = settings().max_examples
#: Examples of the mutation tests, each of `PAYLOADS` payloads.
MUTATION_EXAMPLES = EXAMPLES if EXAMPLES <= 100 else 2 * EXAMPLES
#: The slowest test takes half a minute on an idle machine, and some minutes under `make soak`.
pytestmark = pytest.mark.timeout(600 if EXAMPLES <= 100 else 7200)
PAYLOADS = 50 if EXAMPLES <= 100 else 100
#: A smaller seed is not simpler, so nothing is shrunk. Errors carry the payload as a note.
FUZZ_SETTINGS = settings(
    deadline=None,
    derandomize=EXAMPLES <= 100,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SEEDS = st.integers(0, 2**32)
#: One of this many payloads is signed again, since an RSA signature takes a millisecond.
SIGNED_EVERY = 10
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@define
class WebhookVendor:
    """A vendor that sends webhooks: its events, its requests, and their receiver."""

    emulator: Emulator
    receiver: Receiver
    events: list[EmulatedEvent]
    requests: list[rec.WebhookRequest]
    words: list[str]

    @property
    def name(self) -> str:
        return self.emulator.provider

    def build_signed_request(self, emulated: EmulatedEvent, payload: Any) -> rec.WebhookRequest:
        """Build a webhook with another payload, signed by the vendor."""
        hook = Webhook("https://hooks.example.com/of/ours")
        event = evolve(emulated, payload=payload)
        return self.emulator.sign_event(event, hook, self.emulator.clock.now())

    def replace_payload(self, emulated: EmulatedEvent, payload: Mapping[str, Any]) -> Any:
        """Build the event's payload from this JSON value; in a form all fields are text."""
        if not all(isinstance(value, str) for value in emulated.payload.values()):
            return payload
        return {
            _encode_form_value(name): _encode_form_value(value) for name, value in payload.items()
        }


def _encode_form_value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "replace").decode()


@pytest.fixture(scope="module", params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Iterator[WebhookVendor]:
    with (
        load_object(rec.providers()[request.param], "emulator")() as emulator,
        emulator.connect() as provider,
    ):
        for target in tuple(emulator.sessions):
            session = emulator.begin_session(provider, target)
            emulator.clock.sleep(20)
            if provider.can(rec.Operation.PAUSE, target.kind):
                session = provider.pause(session)
                emulator.clock.sleep(10)
                session = provider.resume(session)
            emulator.finish_session(provider, session)
            emulator.clock.sleep(120)
        keys: dict[str, Any] = dict(emulator.webhooks)
        ours = Receiver(emulator.provider, **keys, clock=emulator.clock)
        requests = emulator.build_webhook_requests()
        events = emulator.deliveries.list_events()
        assert len(events) >= 2
        vendor = WebhookVendor(emulator, ours, events, requests, [])
        vendor.words = sorted(
            {word for emulated in events for word in list_words(emulated.payload)}
        )
        yield vendor


def check_request(vendor: WebhookVendor, request: rec.WebhookRequest, *, signed: bool) -> str:
    """Check that a request gives documented events or a 4xx; return which of these."""
    rejected: rec.WebhookRejected | None = None
    events: tuple[rec.RecordingEvent, ...] = ()
    try:
        if signed:
            events = vendor.receiver.verify(request)
        else:
            events = rec.unsafe_parse(vendor.name, request)
        for event in events:
            assert not (wrong := find_type_error(event)), wrong
            assert (event.provider, event.account) == (vendor.name, "default")
            assert event.key.strip(), "the event has no key"
            assert signed or not event.trusted
            repr(event).encode("utf-8")
            rec.dumps(event.recording)
    except rec.WebhookRejected as error:
        rejected = error
    except BaseException as error:
        error.add_note(f"{vendor.name}, signed={signed}: {request.body[:3000]!r}")
        raise
    if rejected is not None:
        assert rejected.status in (400, 401, 413), f"status {rejected.status}"
        str(rejected).encode("utf-8")
        return "rejected"
    return "event" if events else "nothing"


def test_mutated_webhooks_give_documented_events_or_are_rejected(
    vendor: WebhookVendor,
) -> None:
    """P1, W1: 1,250 payloads, under `make soak` 70,000, one of ten signed again by the vendor."""
    outcomes: Counter[str] = Counter()

    @settings(FUZZ_SETTINGS, max_examples=MUTATION_EXAMPLES)
    @given(st.sampled_from(range(len(vendor.events))), st.sampled_from(sorted(MUTATIONS)), SEEDS)
    def mutate(which: int, mutation: str, seed: int) -> None:
        emulated, request = vendor.events[which], vendor.requests[which]
        others = [each.payload for each in vendor.events]
        for nth in range(PAYLOADS):
            original = emulated.payload
            body = mutate_payload(original, mutation, seed * PAYLOADS + nth, others)
            payload = _try_decode(body)
            signable = payload is not None and "event" not in _find_lost_fields(emulated, payload)
            if nth % SIGNED_EVERY == 0 and payload is not None and signable:
                mutated = vendor.replace_payload(emulated, payload)
                signed = vendor.build_signed_request(emulated, mutated)
                outcome = check_request(vendor, signed, signed=True)
                assert outcome != "rejected" or mutation != "new fields", "new fields are rejected"
                outcomes[f"signed, {outcome}"] += 1
            if not request.body.startswith(b"{") and payload is not None and nth % 2:
                mutated = vendor.replace_payload(emulated, payload)
                body = vendor.build_signed_request(emulated, mutated).body
            outcomes[check_request(vendor, evolve(request, body=body), signed=False)] += 1

    mutate()
    assert sum(outcomes.values()) >= MUTATION_EXAMPLES * PAYLOADS
    least = MUTATION_EXAMPLES * PAYLOADS // 50
    assert min(outcomes["event"], outcomes["rejected"], outcomes["signed, event"]) > least, outcomes


def _try_decode(body: bytes) -> dict[str, Any] | None:
    """Decode the object in the body, or return None if an emulator could not write it."""
    try:
        payload = json.loads(body)
        json.dumps(payload, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _find_lost_fields(emulated: EmulatedEvent, payload: Mapping[str, Any]) -> set[str]:
    """Find the fields that the emulator needs to sign the event and that the payload lacks."""
    original = emulated.payload if isinstance(emulated.payload, Mapping) else {}
    return {name for name in original if not isinstance(payload.get(name), type(original[name]))}


def test_random_webhooks_give_documented_events_or_are_rejected(
    vendor: WebhookVendor,
) -> None:
    """P1: 600 payloads."""
    count = 0

    @settings(FUZZ_SETTINGS, max_examples=EXAMPLES // 2)
    @given(st.sampled_from(vendor.requests), st.sampled_from(sorted(NOISE)), SEEDS)
    def make(request: rec.WebhookRequest, kind: str, seed: int) -> None:
        nonlocal count
        for nth in range(PAYLOADS):
            body = generate_noise(kind, seed * PAYLOADS + nth, vendor.words if nth % 2 else ())
            check_request(vendor, evolve(request, body=body), signed=False)
            count += 1

    make()
    assert count >= EXAMPLES // 2 * PAYLOADS


def test_webhooks_changed_after_signing_are_rejected(vendor: WebhookVendor) -> None:
    """W1, W2: neither with another body, nor with another signature."""

    @settings(FUZZ_SETTINGS, max_examples=EXAMPLES // 2)
    @given(st.sampled_from(vendor.requests), st.sampled_from(sorted(NOISE)), SEEDS)
    def forge(request: rec.WebhookRequest, kind: str, seed: int) -> None:
        keys = [event.key for event in vendor.receiver.verify(request)]
        names = [name for name, _ in request.headers if "signature" in name]
        for nth in range(PAYLOADS):
            junk = generate_noise(kind, seed * PAYLOADS + nth)
            if nth % 2 and junk != request.body:
                forged = evolve(request, body=junk)
            else:
                changed = junk.decode("latin-1")
                headers = [(n, changed if n in names else v) for n, v in request.headers]
                forged = evolve(request, headers=headers)
            with pytest.raises(rec.WebhookRejected) as caught:
                vendor.receiver.verify(forged)
            assert caught.value.status in (400, 401)
        assert [event.key for event in vendor.receiver.verify(request)] == keys

    forge()


def test_unknown_event_name_is_an_update_with_unknown_status(vendor: WebhookVendor) -> None:
    """P3: an unknown event name prevents nothing."""
    names = {"event", "type", "EventName", "RecordingStatus"}
    compared = 0
    for emulated in vendor.events:
        payload = emulated.payload
        for name in names & set(payload):
            prefix = payload[name].rpartition("_")[0] or payload[name].rpartition(".")[0]
            separator = payload[name][len(prefix) : len(prefix) + 1] if prefix else ""
            plain = "zz-unknown" if payload[name].islower() else "MPCZzUnknown"
            word = f"{prefix}{separator}ZzUnknown" if prefix else plain
            changed = vendor.replace_payload(emulated, {**payload, name: word})
            request = vendor.build_signed_request(emulated, changed)
            for event in vendor.receiver.verify(request):
                assert event.kind is rec.EventKind.UPDATED
                assert event.status is rec.RecordingStatus.UNKNOWN
                compared += 1
    assert compared


# -- our own JSON ---------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=VENDORS)
def values(request: pytest.FixtureRequest) -> list[Any]:
    """Recordings of every status and a session of each kind, from a vendor's provider."""
    with (
        load_object(rec.providers()[request.param], "emulator")(recordings=12) as emulator,
        emulator.connect() as provider,
    ):
        listed = list(provider.list(since=emulator.clock.now() - timedelta(days=29)))
        targets = tuple(emulator.sessions)
        sessions = [emulator.begin_session(provider, target) for target in targets]
        emulator.clock.sleep(20)
        stopped = [emulator.finish_session(provider, session) for session in sessions]
        emulator.clock.sleep(120)
        wait = timedelta(minutes=2)
        done = [provider.wait(session, timeout=wait) for session in stopped]
    pause = rec.Interval(NOW, NOW + timedelta(seconds=5))
    return [*listed[:8], *sessions, *(evolve(each, pauses=(pause,)) for each in done)]


def test_mutated_json_of_ours_gives_documented_values_or_malformed_payload(
    values: list[Any],
) -> None:
    """P1, P2: `loads` reads what `dumps` wrote, or raises `MalformedPayload`."""
    written = [json.loads(rec.dumps(value)) for value in values]
    outcomes: Counter[str] = Counter()

    @settings(FUZZ_SETTINGS, max_examples=MUTATION_EXAMPLES)
    @given(st.sampled_from(range(len(values))), st.sampled_from([*MUTATIONS, *NOISE]), SEEDS)
    def mutate(which: int, mutation: str, seed: int) -> None:
        for nth in range(PAYLOADS):
            number = seed * PAYLOADS + nth
            if mutation in NOISE:
                body = generate_noise(mutation, number, list(list_words(written[which])))
            else:
                body = mutate_payload(written[which], mutation, number, written)
            try:
                found = rec.loads(body, type(values[which]))
            except rec.MalformedPayload as error:
                str(error).encode("utf-8")
                outcomes["rejected"] += 1
                continue
            except BaseException as error:
                error.add_note(f"{type(values[which]).__name__}: {body[:3000]!r}")
                raise
            assert not (wrong := find_type_error(found)), f"{wrong}: {body[:3000]!r}"
            again = rec.dumps(found)
            assert rec.loads(again, type(found)) == found
            assert _are_alike(json.loads(again), json.loads(body)), f"{again} was {body[:3000]!r}"
            outcomes["read"] += 1

    mutate()
    assert sum(outcomes.values()) >= MUTATION_EXAMPLES * PAYLOADS
    assert min(outcomes["read"], outcomes["rejected"]) >= sum(outcomes.values()) // 50, outcomes


def _are_alike(ours: Any, theirs: Any) -> bool:
    """Return whether each value that was read has the JSON type that was written."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return all(_are_alike(ours[name], theirs[name]) for name in ours.keys() & theirs.keys())
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_are_alike, ours, theirs))
    if type(ours) in (int, float):
        return type(theirs) in (int, float)
    return type(ours) is type(theirs)
