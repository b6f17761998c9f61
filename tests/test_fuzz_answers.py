"""Fuzzed responses give values of the documented types, or one of our errors.

Hypothesis draws a response, a mutation and a seed, and each draw makes fifty payloads. `make soak`
makes 70,000 for each vendor, and different ones each time.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import attrs
import pytest
from attrs import define, evolve, field, fields, frozen, has
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, Reply, Request
from recording_core.testing.conformance.documented_types import find_type_error
from recording_core.testing.conformance.mutations import (
    REMOVED,
    PayloadPlace,
    find_places,
    rewrite_payload,
)
from recording_core.testing.fuzz.in_memory import serve_in_memory
from recording_core.testing.fuzz.payloads import (
    CANARY_DIGITS,
    CANARY_NUMBER,
    MUTATIONS,
    NOISE,
    generate_noise,
    list_words,
    mutate_payload,
)

VENDORS = sorted(rec.providers())
#: 15 by default; `make soak` has more, and different ones each time.
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

ONCE = rec.HttpSettings(retries=0, workers=1, max_json_bytes=1_000_000)
PROCESSING = timedelta(minutes=2)
#: The HTTP statuses that an error body is sent with.
STATUSES = (
    200,
    202,
    400,
    401,
    402,
    403,
    404,
    405,
    409,
    410,
    418,
    422,
    429,
    451,
    500,
    502,
    503,
    599,
)
_JSON = {"Content-Type": "application/json"}

#: Fields whose numbers a vendor documents in quotes; we read them with and without quotes.
QUOTED: Mapping[str, frozenset[str]] = {
    "plivo": frozenset({"recording_duration_ms", "recording_start_ms", "recording_end_ms"}),
    "realtimekit": frozenset({"file_size"}),
    "twilio": frozenset({"duration"}),
}
#: The text fields of a recording that may contain the vendor's own text only.
VENDOR_TEXT_FIELDS = ("id", "reference", "title", "provider_status", "format", "error")


@frozen(slots=False)
class Exchange:
    """A request, and the vendor's own response."""

    method: str
    path: str
    reply: Reply

    @cached_property
    def payload(self) -> Any:
        return json.loads(self.reply.body)


@frozen(slots=False)
class RecordedVerb:
    """One verb and the exchanges that it needs."""

    name: str
    call: Callable[[rec.Provider], Any] = field(repr=False)
    exchanges: Sequence[Exchange] = field(repr=False)

    @cached_property
    def json_exchanges(self) -> list[int]:
        """The indexes of the exchanges whose response is JSON."""
        return [i for i, each in enumerate(self.exchanges) if each.reply.body]

    @cached_property
    def words(self) -> list[set[str]]:
        """The texts of each response."""
        return [
            set(list_words(each.payload)) if each.reply.body else set() for each in self.exchanges
        ]


@define
class Vendor:
    """A vendor's recorded responses, and a provider that receives them in place of its API's."""

    name: str
    provider: rec.Provider
    recorded: list[RecordedVerb]
    error_bodies: list[Any]
    words: list[str]
    reply: Callable[[Request], Reply] = field(default=lambda request: Reply(500))

    def call_verb(self, recorded: RecordedVerb, number: int, reply: Reply) -> Any:
        """Call the verb with one response replaced, and return its result or our error."""
        all_replies = [each.reply for each in recorded.exchanges]
        all_replies[number] = reply
        remaining: dict[tuple[str, str], list[Reply]] = {}
        for exchange, each in zip(recorded.exchanges, all_replies, strict=True):
            remaining.setdefault((exchange.method, exchange.path), []).append(each)

        def answer(request: Request) -> Reply:
            replies = remaining.get((request.method, request.path))
            if not replies:
                return Reply(404, json.dumps(self.error_bodies[0]).encode(), _JSON)
            return replies.pop(0) if len(replies) > 1 else replies[0]

        self.reply = answer
        try:
            return recorded.call(self.provider)
        except rec.RecordingError as error:
            return error


@pytest.fixture(scope="module", params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    name = request.param
    with (
        load_object(rec.providers()[name], "emulator")(recordings=12) as emulator,
        emulator.connect(http=ONCE) as provider,
    ):
        exchanges: list[Exchange] = []

        def record(request: Request) -> Reply:
            reply: Reply = emulator._Emulator__handle(request, port="api")
            exchanges.append(Exchange(request.method, request.path, reply))
            return reply

        serve_in_memory(provider, record)
        recorded = list(record_verbs(provider, emulator, exchanges))
        bodies = list(record_error_bodies(provider, emulator, exchanges))
        vendor = Vendor(name, provider, recorded, bodies, [])
        vendor.words = sorted(
            {target.id for target in emulator.sessions}
            | {
                word
                for each in recorded
                for i in each.json_exchanges
                for word in _list_words(each, i)
            }
        )
        serve_in_memory(provider, lambda request: vendor.reply(request))
        yield vendor


def _list_words(recorded: RecordedVerb, number: int) -> list[str]:
    return list_words(recorded.exchanges[number].payload)


def record_verbs(
    provider: rec.Provider, emulator: Emulator, exchanges: list[Exchange]
) -> Iterator[RecordedVerb]:
    """Call every supported verb for every kind, and yield it with its exchanges."""

    def record(name: str, call: Callable[[rec.Provider], Any]) -> tuple[RecordedVerb, Any]:
        exchanges.clear()
        value = call(provider)
        return RecordedVerb(name, call, tuple(exchanges)), value

    # A single window, if the vendor's listing has windows.
    since = emulator.clock.now() - timedelta(days=28)
    verb, listed = record("list", lambda each: list(each.list(since=since)))
    yield verb
    shapes = {(one.kind, one.status, len(one.files)): one for one in reversed(listed)}
    for one in shapes.values():
        call = _get(one.id, one.target)
        yield record(f"get {one.kind} {one.status} of {len(one.files)} files", call)[0]
    for target in tuple(emulator.sessions):
        if provider.can(rec.Operation.START, target.kind):
            verb, session = record(f"start {target.kind}", _call_verb("start", target))
            yield verb
        else:
            session = emulator.begin_session(provider, target)
        for name in ("active", "pause", "resume", "stop"):
            emulator.clock.sleep(10)
            if provider.can(rec.Operation(name), target.kind):
                verb, after = record(f"{name} {target.kind}", _call_verb(name, session))
                session = session if name == "active" else after
                yield verb
        if not provider.can(rec.Operation.STOP, target.kind):
            emulator.finish_session(provider, session)
        emulator.clock.sleep(PROCESSING.total_seconds())
        yield record(f"wait {target.kind}", _wait(session))[0]
        yield record(f"list of a {target.kind}", _list_of(target, since))[0]


def _get(id: str, target: rec.CommunicationSession | None) -> Callable[[rec.Provider], Any]:
    return lambda provider: provider.get(id, target=target)


def _list_of(target: rec.CommunicationSession, since: datetime) -> Callable[[rec.Provider], Any]:
    return lambda provider: list(provider.list(target=target, since=since))


def _call_verb(verb: str, subject: Any) -> Callable[[rec.Provider], Any]:
    if verb == "active":
        return lambda provider: provider.active(subject.target)
    return lambda provider: getattr(provider, verb)(subject)


def _wait(session: rec.RecordingSession) -> Callable[[rec.Provider], Any]:
    return lambda provider: provider.wait(session, timeout=timedelta(seconds=0.6))


def record_error_bodies(
    provider: rec.Provider, emulator: Emulator, exchanges: list[Exchange]
) -> Iterator[Any]:
    """Make the vendor return errors, and yield their bodies."""
    exchanges.clear()
    target = emulator.sessions[0]
    unknown = evolve(target, id="00000000-1111-4222-8333-444444444444")
    calls: Iterable[Callable[[], Any]] = (
        lambda: provider.get(unknown.id),
        lambda: provider.start(unknown),
        lambda: provider.start(
            target, extra={"time_limit": "x", "duration": "x", "max_seconds": -1}
        ),
        lambda: (provider.start(target), provider.start(target)),
    )
    for call in calls:
        try:
            call()
        except rec.RecordingError:
            pass
    for each in exchanges:
        if (
            each.reply.status >= 400
            and each.reply.headers.get("Content-Type") == "application/json"
        ):
            yield each.payload
    reply = emulator.answer(Request("GET", f"{emulator.prefix}/x", (), {}, b"", emulator.origin))
    if reply.headers.get("Content-Type") == "application/json":
        yield json.loads(reply.body)


# -- the checks ----------------------------------------------------------------------------------


def check_outcome(
    vendor: Vendor, recorded: RecordedVerb, number: int, body: bytes, outcome: Any
) -> None:
    """Check that an outcome has documented types, and that its texts come from the vendor."""
    if isinstance(outcome, rec.RecordingError):
        assert isinstance(outcome, rec.ProviderError), f"{type(outcome).__name__}: {outcome}"
        assert outcome.provider == vendor.name, f"the error names the provider {outcome.provider!r}"
        assert outcome.operation, "the error names no operation"
        str(outcome).encode("utf-8")
        repr(outcome)
        return
    found = list(_recordings(outcome))
    for value in (*found, *(() if isinstance(outcome, list) else (outcome,))):
        if value is None:
            continue
        assert not (wrong := find_type_error(value)), wrong
        repr(value).encode("utf-8")
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.id = "another"
    texts_sent = _join_texts(vendor, recorded, number, body) if found or outcome else ""
    for recording in found:
        texts = [getattr(recording, name) for name in VENDOR_TEXT_FIELDS]
        if " stored " in (recording.error or ""):
            texts.remove(recording.error)  # the mapping's own sentence on a missing file
        texts += [recording.target.id] if recording.target else []
        texts += [file.participant for file in recording.files]
        offered = (None, *vendor.provider.download_formats)  # known by the URL alone
        for text in texts:
            assert text in offered or text.casefold() in texts_sent, f"{text!r} was never sent"
        for size in (recording.size, *(file.size for file in recording.files)):
            quoted = vendor.name in QUOTED
            assert quoted or size != int(CANARY_DIGITS), "a text became a number"
    if isinstance(outcome, rec.RecordingSession):
        for text in (outcome.id, outcome.provider_status):
            assert text is None or text.casefold() in texts_sent, f"{text!r} was never sent"


def _recordings(outcome: Any) -> Iterator[rec.Recording]:
    if isinstance(outcome, rec.Recording):
        yield outcome
    elif isinstance(outcome, rec.RecordingSession):
        yield from outcome.recordings
    elif isinstance(outcome, list):
        yield from outcome


def _join_texts(vendor: Vendor, recorded: RecordedVerb, number: int, body: bytes) -> str:
    """Join all texts that the provider received, from the vendor or the caller."""
    try:
        # The library replaces lone surrogates.
        texts = {re.sub("[\ud800-\udfff]", "\ufffd", each) for each in list_words(json.loads(body))}
    except ValueError:
        texts = set()
    others = (words for i, words in enumerate(recorded.words) if i != number)
    return "\n".join(texts.union(vendor.words, *others)).casefold()


def call_with_body(
    vendor: Vendor, recorded: RecordedVerb, number: int, body: bytes, status: int | None = None
) -> Any:
    """Call the verb with that response body, check the outcome and return it."""
    own = recorded.exchanges[number].reply
    reply = Reply(own.status if status is None else status, body, _JSON)
    try:
        outcome = vendor.call_verb(recorded, number, reply)
        check_outcome(vendor, recorded, number, body, outcome)
    except BaseException as error:
        error.add_note(f"{vendor.name}, {recorded.name}, response {number + 1}: {body[:3000]!r}")
        raise
    return outcome


def test_mutated_responses_give_documented_values_or_our_errors(
    vendor: Vendor,
) -> None:
    """P1, P2, P3: 1,250 payloads, under `make soak` 70,000."""
    outcomes: Counter[str] = Counter()
    plain = {each.name: call_unchanged(vendor, each) for each in vendor.recorded}

    @settings(FUZZ_SETTINGS, max_examples=MUTATION_EXAMPLES)
    @given(st.sampled_from(vendor.recorded), st.sampled_from(sorted(MUTATIONS)), SEEDS)
    def mutate(recorded: RecordedVerb, mutation: str, seed: int) -> None:
        others = [
            each.exchanges[each.json_exchanges[0]].payload
            for each in vendor.recorded
            if each.json_exchanges
        ]
        for nth in range(PAYLOADS):
            number = (
                recorded.json_exchanges[nth % len(recorded.json_exchanges)]
                if recorded.json_exchanges
                else 0
            )
            own = recorded.exchanges[number]
            payload = own.payload if own.reply.body else {}
            body = mutate_payload(payload, mutation, seed * PAYLOADS + nth, others)
            outcome = call_with_body(vendor, recorded, number, body)
            outcomes["error" if isinstance(outcome, rec.RecordingError) else "value"] += 1
            reads = recorded.name.startswith(("get", "list", "active"))
            if mutation == "new fields" and own.reply.body and reads:
                assert outcome == plain[recorded.name], "an unknown field changed the result"

    mutate()
    assert sum(outcomes.values()) >= MUTATION_EXAMPLES * PAYLOADS
    assert min(outcomes["error"], outcomes["value"]) > sum(outcomes.values()) // 20, (
        f"the mutations change too little or too much: {outcomes}"
    )


def call_unchanged(vendor: Vendor, recorded: RecordedVerb) -> Any:
    return vendor.call_verb(recorded, 0, recorded.exchanges[0].reply)


def test_random_responses_give_documented_values_or_our_errors(
    vendor: Vendor,
) -> None:
    """P1, P2: 600 payloads, half of them made of the vendor's own texts."""
    count = 0

    @settings(FUZZ_SETTINGS, max_examples=EXAMPLES // 2)
    @given(st.sampled_from(vendor.recorded), st.sampled_from(sorted(NOISE)), SEEDS)
    def make(recorded: RecordedVerb, kind: str, seed: int) -> None:
        nonlocal count
        for nth in range(PAYLOADS):
            words = vendor.words if nth % 2 else ()
            body = generate_noise(kind, seed * PAYLOADS + nth, words)
            call_with_body(vendor, recorded, nth % len(recorded.exchanges), body)
            count += 1

    make()
    assert count >= EXAMPLES // 2 * PAYLOADS


def test_mutated_error_bodies_raise_typed_errors(vendor: Vendor) -> None:
    """P1: the HTTP status decides, even if the body of the error is malformed."""
    assert vendor.error_bodies

    @settings(FUZZ_SETTINGS, max_examples=EXAMPLES // 2)
    @given(
        st.sampled_from(vendor.recorded),
        st.sampled_from(sorted(MUTATIONS)),
        st.sampled_from(STATUSES),
        SEEDS,
    )
    def mutate(recorded: RecordedVerb, mutation: str, status: int, seed: int) -> None:
        for nth in range(PAYLOADS):
            own = vendor.error_bodies[nth % len(vendor.error_bodies)]
            body = mutate_payload(own, mutation, seed * PAYLOADS + nth, vendor.error_bodies)
            outcome = call_with_body(vendor, recorded, 0, body, status)
            reads = recorded.name.startswith(("get", "list"))
            if reads and status >= 400 and len(recorded.exchanges) == 1:
                assert isinstance(outcome, rec.ProviderError), f"HTTP {status} gave {outcome!r}"
                assert not isinstance(outcome, rec.MalformedPayload), f"HTTP {status} was read"

    mutate()


@settings(FUZZ_SETTINGS, max_examples=EXAMPLES)
@given(word=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).map("zz".__add__))
def test_unknown_status_is_unknown_and_keeps_the_vendors_word(vendor: Vendor, word: str) -> None:
    """P3: any word, in every response that contains a status."""
    for recorded in vendor.recorded:
        plain = list(_recordings(call_unchanged(vendor, recorded)))
        words = {each.provider_status for each in plain if each.provider_status}
        if not words or not recorded.name.startswith(("get", "list")):
            continue
        bodies = [
            each.reply.body
            and json.dumps(rewrite_payload(each.payload, dict.fromkeys(words, word), {}))
            for each in recorded.exchanges
        ]
        replaced = evolve(
            recorded,
            exchanges=[
                evolve(each, reply=evolve(each.reply, body=str(text).encode()))
                for each, text in zip(recorded.exchanges, bodies, strict=True)
            ],
        )
        for recording in _recordings(call_unchanged(vendor, replaced)):
            statuses = (recording.status, recording.provider_status)
            assert statuses == (rec.RecordingStatus.UNKNOWN, word), f"{recorded.name}: {statuses}"


#: One value of each JSON type.
TYPES: Mapping[str, tuple[Any, ...]] = {
    "number": (CANARY_NUMBER, 1),
    "text": (CANARY_DIGITS, "1", "true", "[]"),
    "bool": (True, False),
    "array": ([CANARY_NUMBER], [CANARY_DIGITS]),
    "object": ({"zz": CANARY_NUMBER},),
}


def json_type(value: Any) -> str:
    kinds = {
        bool: "bool",
        int: "number",
        float: "number",
        str: "text",
        list: "array",
        dict: "object",
    }
    return kinds.get(type(value), "null")


@pytest.mark.long
def test_value_of_a_wrong_json_type_is_rejected_or_ignored(vendor: Vendor) -> None:
    """P2: a value of another type, at each place of each response, is rejected or ignored."""
    for recorded in vendor.recorded:
        for number in recorded.json_exchanges:
            payload = recorded.exchanges[number].payload
            for place in find_places([payload]):
                if json_type(place.value) in ("null", "array", "object"):
                    continue
                absent = [
                    call_with_body(vendor, recorded, number, _replace_value(payload, place, each))
                    for each in (None, REMOVED, "", place.value)
                ]
                rows = [i for i, step in enumerate(place.path) if type(step) is int]
                if rows:  # the row may be left out, too
                    row = evolve(place, path=place.path[: rows[-1] + 1])
                    absent.append(
                        call_with_body(
                            vendor, recorded, number, _replace_value(payload, row, REMOVED)
                        )
                    )
                for kind, values in TYPES.items():
                    if kind == json_type(place.value) or _is_quoted(vendor, place, kind):
                        continue
                    for value in values:
                        outcome = call_with_body(
                            vendor, recorded, number, _replace_value(payload, place, value)
                        )
                        assert _is_one_of(outcome, absent), (
                            f"{vendor.name}, {recorded.name}, {place}: {value!r} became part of "
                            f"{outcome!r}"
                        )


def _replace_value(payload: Any, place: PayloadPlace, value: Any) -> bytes:
    """Encode the payload as JSON with another value at that place."""
    changed = json.loads(json.dumps(payload))
    holder = changed
    for step in place.path[:-1]:
        holder = holder[step]
    if value is not REMOVED:
        holder[place.path[-1]] = value
    else:
        del holder[place.path[-1]]
    return json.dumps(changed).encode()


def _is_quoted(vendor: Vendor, place: PayloadPlace, kind: str) -> bool:
    return place.path[-1] in QUOTED.get(vendor.name, ()) and kind in ("number", "text")


def _is_one_of(outcome: Any, absent: Sequence[Any]) -> bool:
    """Return whether an outcome is an error, or equals one without the value."""
    if isinstance(outcome, rec.RecordingError):
        return True
    if isinstance(outcome, list):
        known = [each for some in absent if isinstance(some, list) for each in some]
        return all(any(_is_part_of(each, other) for other in known) for each in outcome)
    return any(_is_part_of(outcome, each) for each in absent)


def _is_part_of(found: Any, known: Any) -> bool:
    """Return whether a value equals a known one, but for what is None since it was not read."""
    if isinstance(found, tuple) and isinstance(known, tuple) and len(found) == len(known):
        return all(map(_is_part_of, found, known))
    if has(type(found)) and type(found) is type(known):
        names = [each.name for each in fields(type(found)) if each.name != "unread_fields"]
        return all(_is_part_of(getattr(found, n), getattr(known, n)) for n in names if n != "raw")
    return found is None or bool(found == known)
