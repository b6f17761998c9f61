"""What comes of answers that no vendor should give? Values of the documented types, or our errors.

Hypothesis draws an answer, a shape and a seed; of each a hundred payloads are made. `make soak`
makes 70,000 for each vendor, and others each time.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import attrs
import pytest
from attrs import define, evolve, field, frozen
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, Reply, Request
from recording_core.testing.conformance.documented_types import undocumented
from recording_core.testing.conformance.mutations import GONE, Place, every, places
from recording_core.testing.fuzz.in_memory import unplug
from recording_core.testing.fuzz.payloads import (
    CANARY_DIGITS,
    CANARY_NUMBER,
    NOISE,
    SHAPES,
    garbled,
    noise,
    words_said,
)

VENDORS = sorted(rec.providers())
#: A profile's examples are a hundred; `make soak` has more, and others each time.
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

ONCE = rec.HttpSettings(retries=0, workers=1, max_json_bytes=1_000_000)
SETTLE = timedelta(minutes=2)
#: Of an error body: whatever the HTTP status beside it.
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

#: Where a vendor documents a number in quotes, and we take it with and without them.
QUOTED: Mapping[str, frozenset[str]] = {
    "plivo": frozenset({"recording_duration_ms", "recording_start_ms", "recording_end_ms"}),
    "realtimekit": frozenset({"file_size"}),
}
#: The texts that are the vendor's own words, and never made by us.
OWN_WORDS = ("id", "reference", "title", "provider_status", "format", "error")


@frozen(slots=False)
class Exchange:
    """What was asked, and the vendor's own answer."""

    method: str
    path: str
    reply: Reply

    @cached_property
    def payload(self) -> Any:
        return json.loads(self.reply.body)


@frozen(slots=False)
class Answered:
    """One verb and the exchanges that it takes."""

    name: str
    ask: Callable[[rec.Provider], Any] = field(repr=False)
    exchanges: Sequence[Exchange] = field(repr=False)

    @cached_property
    def spoken(self) -> list[int]:
        """The exchanges whose answer is JSON."""
        return [i for i, each in enumerate(self.exchanges) if each.reply.body]

    @cached_property
    def words(self) -> list[set[str]]:
        """The texts of each of these answers."""
        return [
            set(words_said(each.payload)) if each.reply.body else set() for each in self.exchanges
        ]


@define
class Vendor:
    """A vendor whose answers were kept, and a provider that gets them instead of its API's."""

    name: str
    provider: rec.Provider
    answered: list[Answered]
    refusals: list[Any]
    words: list[str]
    reply: Callable[[Request], Reply] = field(default=lambda request: Reply(500))

    def tell(self, answered: Answered, number: int, reply: Reply) -> Any:
        """What the verb returns when one of its answers is that; errors of ours are values here."""
        given = [each.reply for each in answered.exchanges]
        given[number] = reply
        left: dict[tuple[str, str], list[Reply]] = {}
        for exchange, each in zip(answered.exchanges, given, strict=True):
            left.setdefault((exchange.method, exchange.path), []).append(each)

        def answer(request: Request) -> Reply:
            replies = left.get((request.method, request.path))
            if not replies:
                return Reply(404, json.dumps(self.refusals[0]).encode(), _JSON)
            return replies.pop(0) if len(replies) > 1 else replies[0]

        self.reply = answer
        try:
            return answered.ask(self.provider)
        except rec.RecordingError as error:
            return error


@pytest.fixture(scope="module", params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Iterator[Vendor]:
    name = request.param
    with (
        load_object(rec.providers()[name], "emulator")(recordings=12) as emulator,
        emulator.connect(http=ONCE) as provider,
    ):
        seen: list[Exchange] = []

        def keep(asked: Request) -> Reply:
            reply: Reply = emulator._exchange(asked, "api")
            seen.append(Exchange(asked.method, asked.path, reply))
            return reply

        unplug(provider, keep)
        answered = list(lived(provider, emulator, seen))
        kept = Vendor(name, provider, answered, list(refusals(provider, emulator, seen)), [])
        kept.words = sorted(
            {target.id for target in emulator.sessions}
            | {word for each in answered for i in each.spoken for word in _words(each, i)}
        )
        unplug(provider, lambda asked: kept.reply(asked))
        yield kept


def _words(answered: Answered, number: int) -> list[str]:
    return words_said(answered.exchanges[number].payload)


def lived(provider: rec.Provider, emulator: Emulator, seen: list[Exchange]) -> Iterator[Answered]:
    """Every verb of every kind that the vendor can be told, with what it answers."""

    def told(name: str, ask: Callable[[rec.Provider], Any]) -> tuple[Answered, Any]:
        seen.clear()
        value = ask(provider)
        return Answered(name, ask, tuple(seen)), value

    # One window, where a vendor's listing has windows.
    since = emulator.clock.now() - timedelta(days=28)
    answer, listed = told("list", lambda each: list(each.list(since=since)))
    yield answer
    shapes = {(one.kind, one.status, len(one.files)): one for one in reversed(listed)}
    for one in shapes.values():
        ask = _get(one.id, one.target)
        yield told(f"get {one.kind} {one.status} of {len(one.files)} files", ask)[0]
    for target in emulator.sessions:
        answer, begun = told(f"start {target.kind}", _verb("start", target))
        yield answer
        session = begun
        for verb in ("active", "pause", "resume", "stop"):
            emulator.clock.sleep(10)
            if provider.can(rec.Operation(verb), target.kind):
                answer, after = told(f"{verb} {target.kind}", _verb(verb, session))
                session = session if verb == "active" else after
                yield answer
        emulator.clock.sleep(SETTLE.total_seconds())
        yield told(f"wait {target.kind}", _wait(session))[0]
        yield told(f"list of a {target.kind}", _list_of(target, since))[0]


def _get(id: str, target: rec.CommunicationSession | None) -> Callable[[rec.Provider], Any]:
    return lambda provider: provider.get(id, target=target)


def _list_of(target: rec.CommunicationSession, since: datetime) -> Callable[[rec.Provider], Any]:
    return lambda provider: list(provider.list(target=target, since=since))


def _verb(verb: str, subject: Any) -> Callable[[rec.Provider], Any]:
    if verb == "active":
        return lambda provider: provider.active(subject.target)
    return lambda provider: getattr(provider, verb)(subject)


def _wait(session: rec.RecordingSession) -> Callable[[rec.Provider], Any]:
    return lambda provider: provider.wait(session, timeout=timedelta(seconds=0.6))


def refusals(provider: rec.Provider, emulator: Emulator, seen: list[Exchange]) -> Iterator[Any]:
    """The bodies of the vendor's own refusals."""
    seen.clear()
    target = emulator.sessions[0]
    stranger = evolve(target, id="00000000-1111-4222-8333-444444444444")
    asks: Iterable[Callable[[], Any]] = (
        lambda: provider.get(stranger.id),
        lambda: provider.start(stranger),
        lambda: provider.start(
            target, extra={"time_limit": "x", "duration": "x", "max_seconds": -1}
        ),
        lambda: (provider.start(target), provider.start(target)),
    )
    for ask in asks:
        try:
            ask()
        except rec.RecordingError:
            pass
    for each in seen:
        if (
            each.reply.status >= 400
            and each.reply.headers.get("Content-Type") == "application/json"
        ):
            yield each.payload
    asked = Request("GET", f"{emulator.prefix}/x", (), {}, b"", emulator.origin)
    reply = emulator.answer(asked)
    if reply.headers.get("Content-Type") == "application/json":
        yield json.loads(reply.body)


# -- what is held ---------------------------------------------------------------------------------


def judge(vendor: Vendor, answered: Answered, number: int, body: bytes, outcome: Any) -> None:
    """Whether what came of it is documented, and said by the vendor."""
    if isinstance(outcome, rec.RecordingError):
        assert isinstance(outcome, rec.ProviderError), f"{type(outcome).__name__}: {outcome}"
        assert outcome.provider == vendor.name, f"of provider {outcome.provider!r}"
        assert outcome.operation, "of no operation"
        str(outcome).encode("utf-8")
        repr(outcome)
        return
    found = list(_recordings(outcome))
    for value in (*found, *(() if isinstance(outcome, list) else (outcome,))):
        if value is None:
            continue
        assert not (wrong := undocumented(value)), wrong
        repr(value).encode("utf-8")
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            value.id = "another"
    said = _said(vendor, answered, number, body) if found or outcome else ""
    for recording in found:
        texts = [getattr(recording, name) for name in OWN_WORDS]
        texts += [recording.target.id] if recording.target else []
        texts += [file.participant for file in recording.files]
        for text in texts:
            assert text is None or text.casefold() in said, f"{text!r} was never said"
        for size in (recording.size, *(file.size for file in recording.files)):
            quoted = vendor.name in QUOTED
            assert quoted or size != int(CANARY_DIGITS), "a text became a number"
    if isinstance(outcome, rec.RecordingSession):
        for text in (outcome.id, outcome.provider_status):
            assert text is None or text.casefold() in said, f"{text!r} was never said"


def _recordings(outcome: Any) -> Iterator[rec.Recording]:
    if isinstance(outcome, rec.Recording):
        yield outcome
    elif isinstance(outcome, rec.RecordingSession):
        yield from outcome.recordings
    elif isinstance(outcome, list):
        yield from outcome


def _said(vendor: Vendor, answered: Answered, number: int, body: bytes) -> str:
    """All texts that the provider was told, by the vendor or by whoever asked."""
    try:
        said = set(words_said(json.loads(body)))
    except ValueError:
        said = set()
    others = (words for i, words in enumerate(answered.words) if i != number)
    return "\n".join(said.union(vendor.words, *others)).casefold()


def fed(
    vendor: Vendor, answered: Answered, number: int, body: bytes, status: int | None = None
) -> Any:
    """What comes of one verb with that answer, judged."""
    own = answered.exchanges[number].reply
    reply = Reply(own.status if status is None else status, body, _JSON)
    try:
        outcome = vendor.tell(answered, number, reply)
        judge(vendor, answered, number, body, outcome)
    except BaseException as error:
        error.add_note(f"{vendor.name}, {answered.name}, answer {number + 1}: {body[:3000]!r}")
        raise
    return outcome


def test_no_garbled_answer_gives_anything_but_documented_values_and_our_errors(
    vendor: Vendor,
) -> None:
    """P1, P2, P3: at least 20,000 payloads."""
    seen: Counter[str] = Counter()
    plain = {each.name: fed_plain(vendor, each) for each in vendor.answered}

    @settings(STEADY, max_examples=2 * EXAMPLES)
    @given(st.sampled_from(vendor.answered), st.sampled_from(sorted(SHAPES)), SEEDS)
    def garble(answered: Answered, shape: str, seed: int) -> None:
        others = [each.exchanges[each.spoken[0]].payload for each in vendor.answered if each.spoken]
        for nth in range(PAYLOADS):
            number = answered.spoken[nth % len(answered.spoken)] if answered.spoken else 0
            own = answered.exchanges[number]
            payload = own.payload if own.reply.body else {}
            body = garbled(payload, shape, seed * PAYLOADS + nth, others)
            outcome = fed(vendor, answered, number, body)
            seen["error" if isinstance(outcome, rec.RecordingError) else "value"] += 1
            reads = answered.name.startswith(("get", "list", "active"))
            if shape == "new fields" and own.reply.body and reads:
                assert outcome == plain[answered.name], "what nobody knows changed something"

    garble()
    assert sum(seen.values()) >= 200 * PAYLOADS
    assert min(seen["error"], seen["value"]) > 1000, (
        f"the garbling is too mild or too harsh: {seen}"
    )


def fed_plain(vendor: Vendor, answered: Answered) -> Any:
    return vendor.tell(answered, 0, answered.exchanges[0].reply)


def test_no_random_answer_gives_anything_but_documented_values_and_our_errors(
    vendor: Vendor,
) -> None:
    """P1, P2: at least 5,000 payloads, half of them of the vendor's own words."""
    count = 0

    @settings(STEADY, max_examples=EXAMPLES // 2)
    @given(st.sampled_from(vendor.answered), st.sampled_from(sorted(NOISE)), SEEDS)
    def make(answered: Answered, kind: str, seed: int) -> None:
        nonlocal count
        for nth in range(PAYLOADS):
            words = vendor.words if nth % 2 else ()
            body = noise(kind, seed * PAYLOADS + nth, words)
            fed(vendor, answered, nth % len(answered.exchanges), body)
            count += 1

    make()
    assert count >= 50 * PAYLOADS


def test_no_garbled_refusal_is_anything_but_a_typed_error(vendor: Vendor) -> None:
    """P1: an error's body may be of any shape, and its status decides all the same."""
    assert vendor.refusals

    @settings(STEADY, max_examples=EXAMPLES // 2)
    @given(
        st.sampled_from(vendor.answered),
        st.sampled_from(sorted(SHAPES)),
        st.sampled_from(STATUSES),
        SEEDS,
    )
    def refuse(answered: Answered, shape: str, status: int, seed: int) -> None:
        for nth in range(PAYLOADS):
            own = vendor.refusals[nth % len(vendor.refusals)]
            body = garbled(own, shape, seed * PAYLOADS + nth, vendor.refusals)
            outcome = fed(vendor, answered, 0, body, status)
            reads = answered.name.startswith(("get", "list"))
            if reads and status >= 400 and len(answered.exchanges) == 1:
                assert isinstance(outcome, rec.ProviderError), f"HTTP {status} gave {outcome!r}"
                assert not isinstance(outcome, rec.MalformedPayload), f"HTTP {status} was read"

    refuse()


@settings(STEADY, max_examples=EXAMPLES)
@given(word=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).map("zz".__add__))
def test_a_status_that_nobody_knows_is_unknown_and_kept(vendor: Vendor, word: str) -> None:
    """P3: whatever the word is, in every answer that says one."""
    for answered in vendor.answered:
        plain = list(_recordings(fed_plain(vendor, answered)))
        words = {each.provider_status for each in plain if each.provider_status}
        if not words or not answered.name.startswith(("get", "list")):
            continue
        told = [
            each.reply.body and json.dumps(every(each.payload, dict.fromkeys(words, word), {}))
            for each in answered.exchanges
        ]
        replaced = evolve(
            answered,
            exchanges=[
                evolve(each, reply=evolve(each.reply, body=str(text).encode()))
                for each, text in zip(answered.exchanges, told, strict=True)
            ],
        )
        for recording in _recordings(fed_plain(vendor, replaced)):
            seen = (recording.status, recording.provider_status)
            assert seen == (rec.RecordingStatus.UNKNOWN, word), f"{answered.name}: {seen}"


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


def test_no_value_of_a_wrong_json_type_becomes_one_of_the_right(vendor: Vendor) -> None:
    """P2: each place of each answer, with each other type: refused, or as if it were not there."""
    for answered in vendor.answered:
        for number in answered.spoken:
            payload = answered.exchanges[number].payload
            for place in places([payload]):
                if json_type(place.value) in ("null", "array", "object"):
                    continue
                absent = [
                    fed(vendor, answered, number, _with(payload, place, each))
                    for each in (None, GONE, "", place.value)
                ]
                rows = [i for i, step in enumerate(place.path) if type(step) is int]
                if rows:  # a row that cannot be read costs itself
                    row = evolve(place, path=place.path[: rows[-1] + 1])
                    absent.append(fed(vendor, answered, number, _with(payload, row, GONE)))
                for kind, values in TYPES.items():
                    if kind == json_type(place.value) or _is_quoted(vendor, place, kind):
                        continue
                    for value in values:
                        outcome = fed(vendor, answered, number, _with(payload, place, value))
                        assert _is_one_of(outcome, absent), (
                            f"{vendor.name}, {answered.name}, {place}: {value!r} became part of "
                            f"{outcome!r}"
                        )


def _with(payload: Any, place: Place, value: Any) -> bytes:
    """The payload as JSON with another value in that place."""
    changed = json.loads(json.dumps(payload))
    holder = changed
    for step in place.path[:-1]:
        holder = holder[step]
    if value is not GONE:
        holder[place.path[-1]] = value
    else:
        del holder[place.path[-1]]
    return json.dumps(changed).encode()


def _is_quoted(vendor: Vendor, place: Place, kind: str) -> bool:
    return place.path[-1] in QUOTED.get(vendor.name, ()) and kind in ("number", "text")


def _is_one_of(outcome: Any, absent: Sequence[Any]) -> bool:
    """Whether it is an error, or nothing of it differs from what there is without the value."""
    if isinstance(outcome, rec.RecordingError) or outcome in absent:
        return True
    if isinstance(outcome, list):
        known = [each for some in absent if isinstance(some, list) for each in some]
        return all(each in known for each in outcome)
    return False
