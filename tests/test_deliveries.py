"""Do emulated vendors call back as their vendors do? Signed, in order, on time, and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from attrs import evolve

import recording_core as rec
from recording_core import plugin
from recording_core.cli.commands.emulate import emulator_of
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, LoopbackServer, ManualClock, Reply, Request
from recording_core.testing.emulator.deliveries import RedeliveryPolicy

VENDORS = sorted(rec.providers())
#: What a vendor tells of a recording that was started, stopped and processed.
TOLD = {
    "audian": ["started", "stopped", "available"],
    "plivo": ["available"],
    "realtimekit": ["started", "stopped", "available"],
    "voipbin": ["started", "stopped"],
}
#: The same where processing takes no time.
TOLD_AT_ONCE = {**TOLD, "realtimekit": ["started", "available"]}
#: How often a vendor calls in all, if it is always answered so; None: not at all.
ATTEMPTS: dict[str, dict[int | None, int]] = {
    "audian": {None: 3, 500: 3, 404: 3, 200: 1},
    "plivo": {None: 2, 500: 1, 404: 1, 200: 1},
    "realtimekit": {None: 3, 500: 3, 404: 1, 200: 1},
    "voipbin": {None: 3, 500: 3, 404: 1, 200: 1},
}


@pytest.fixture(params=VENDORS)
def emulator(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    with load_object(rec.providers()[request.param], "emulator")(recordings=5) as emulator:
        yield emulator


@pytest.fixture
def listener() -> Iterator[Callable[..., tuple[str, list[rec.WebhookRequest]]]]:
    """`url, arrived = listener(answer)`: what a user's server gets."""
    servers: list[LoopbackServer] = []

    def start(
        answer: Callable[[Request], Reply] = lambda _: Reply(),
    ) -> tuple[str, list[rec.WebhookRequest]]:
        arrived: list[rec.WebhookRequest] = []

        def received(request: Request) -> Reply:
            query = f"?{urlencode(request.query)}" if request.query else ""
            url = f"{request.origin}{request.path}{query}"
            arrived.append(rec.WebhookRequest(request.method, url, request.headers, request.body))
            return answer(request)

        servers.append(LoopbackServer(received))
        return f"{servers[-1].origin}/hooks?tenant=1", arrived

    yield start
    for server in servers:
        server.close()


Listener = Callable[..., tuple[str, list[rec.WebhookRequest]]]


def advance(emulator: Emulator, seconds: float) -> None:
    assert isinstance(emulator.clock, ManualClock)
    emulator.clock.advance(timedelta(seconds=seconds))


def record(emulator: Emulator, **told: Any) -> str:
    """Start, ten seconds, stop, and a minute until all is processed; gives the recording's id."""
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0], **told)
        advance(emulator, 10)
        provider.stop(session)
        advance(emulator, 60)
        assert session.id is not None
        return session.id


def events(emulator: Emulator, requests: list[rec.WebhookRequest]) -> list[rec.RecordingEvent]:
    """Each verified by the provider's own scheme, and read."""
    kind: type[plugin.WebhookScheme] = load_object(rec.providers()[emulator.provider], "webhooks")
    scheme, now = kind(), emulator.clock.now()
    found: list[rec.RecordingEvent] = []
    for request in requests:
        scheme.verify(request, list(emulator.webhooks.values()), now=now)
        found += scheme.parse(request, account="default", now=now)
    return found


def test_what_happens_is_told_in_its_order_and_signed(emulator: Emulator) -> None:
    id = record(emulator)
    found = events(emulator, emulator.callbacks())
    assert [event.kind for event in found] == TOLD[emulator.provider]
    assert {event.recording_id for event in found} == {id}
    with emulator.connect() as provider:
        assert provider.get(id).status is rec.RecordingStatus.AVAILABLE
    for event in found:
        assert event.recording is not None
        if event.target is not None:
            assert event.target == emulator.sessions[0]


def test_nothing_is_told_before_it_happens(emulator: Emulator) -> None:
    assert emulator.callbacks() == []
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        advance(emulator, 10)
        before = ["started"] if "started" in TOLD[emulator.provider] else []
        assert [event.kind for event in events(emulator, emulator.callbacks())] == before
        provider.stop(session)


def test_past_recordings_are_told_of_no_more(emulator: Emulator) -> None:
    advance(emulator, 86400)
    assert emulator.callbacks() == []


def test_callbacks_are_delivered_over_http(emulator: Emulator, listener: Listener) -> None:
    url, arrived = listener()
    emulator.deliver_to(url)
    record(emulator)
    emulator.settle()
    found = events(emulator, arrived)
    assert [event.kind for event in found] == TOLD[emulator.provider]
    assert [event.key for event in found] == [
        event.key for event in events(emulator, emulator.callbacks())
    ]
    assert [attempt.status for attempt in emulator.deliveries.attempts] == [200] * len(found)


@pytest.mark.parametrize("status", [None, 500, 404, 200])
def test_a_callback_is_sent_again_as_the_vendor_would(
    emulator: Emulator, listener: Listener, status: int | None
) -> None:
    url, arrived = listener(lambda _: Reply(abort=True) if status is None else Reply(status))
    emulator.deliver_to(url)
    record(emulator)
    for _ in range(5):
        emulator.settle()
        advance(emulator, 15)
    emulator.settle()
    told = len(TOLD[emulator.provider])
    assert len(arrived) == told * ATTEMPTS[emulator.provider][status]
    assert len({event.key for event in events(emulator, arrived)}) == told


def test_a_callback_that_fails_once_arrives_the_next_time(
    emulator: Emulator, listener: Listener
) -> None:
    told = len(TOLD[emulator.provider])
    asked: list[Request] = []

    def failing(request: Request) -> Reply:
        asked.append(request)
        return Reply(abort=len(asked) == told)  # the last: nothing moves the vendor's clock then

    url, arrived = listener(failing)
    emulator.deliver_to(url)
    record(emulator)
    emulator.settle()
    threading.Event().wait(0.1)  # of real time, in which the vendor's does not move
    sent = len(arrived)
    advance(emulator, 15)
    emulator.settle()
    # The one vendor that tries again at once has done so by now.
    assert sent == (told + 1 if emulator.redelivery.pause == timedelta(0) else told)
    assert len(arrived) == told + 1


def test_who_is_called_may_ask_the_vendor_before_it_answers(
    emulator: Emulator, listener: Listener
) -> None:
    seen: list[rec.RecordingStatus] = []

    def ask(_: Request) -> Reply:
        with emulator.connect() as provider:
            seen.extend(recording.status for recording in provider.list())
        return Reply()

    url, arrived = listener(ask)
    emulator.deliver_to(url)
    record(emulator)
    emulator.settle()
    assert arrived
    assert seen


def test_nobody_is_called_who_is_not_on_this_machine(emulator: Emulator) -> None:
    for url in ("https://hooks.example.com/x", "http://192.0.2.1/x", "http://localhost.example/x"):
        emulator.deliver_to(url)
        record(emulator)
    emulator.settle()
    assert emulator.deliveries.attempts == []
    assert len(emulator.callbacks()) == 3 * len(TOLD[emulator.provider])
    assert not any("webhooks" in thread.name for thread in threading.enumerate())


def test_a_vendor_that_was_stopped_calls_nobody(emulator: Emulator, listener: Listener) -> None:
    url, arrived = listener()
    emulator.deliver_to(url)
    emulator.stop()
    assert not any("webhooks" in thread.name for thread in threading.enumerate())
    assert arrived == []


def test_waiting_for_a_callback_that_hangs_ends(emulator: Emulator, listener: Listener) -> None:
    url, _ = listener(lambda _: Reply(stall="headers"))
    emulator.redelivery = evolve(emulator.redelivery, timeout=1.0)
    emulator.deliver_to(url)
    record(emulator)
    with pytest.raises(TimeoutError):
        emulator.settle(0.2)


def test_a_vendor_that_does_not_call_back_needs_nothing_of_this() -> None:
    assert not RedeliveryPolicy.ONCE.after(None)
    assert Emulator.webhooks.fget(object()) == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", VENDORS)
def test_on_the_wall_clock_callbacks_come_by_themselves(name: str, listener: Listener) -> None:
    url, arrived = listener()
    with emulator_of(rec.providers()[name], recordings=0, processing=timedelta(0)) as emulator:
        emulator.deliver_to(url)
        with emulator.connect() as provider:
            provider.stop(provider.start(emulator.sessions[0]))
        patience = threading.Event()
        for _ in range(100):
            if len(arrived) >= len(TOLD_AT_ONCE[name]):
                break
            patience.wait(0.1)
        assert [event.kind for event in events(emulator, list(arrived))] == TOLD_AT_ONCE[name]
