"""Tests of the emulators' webhook deliveries: signed, in order, on time, and repeated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from attrs import evolve

import recording_core as rec
from recording_core import plugin
from recording_core.cli.commands.emulate import build_emulator
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, LoopbackServer, Reply, Request
from recording_core.testing.emulator.deliveries import RedeliveryPolicy

VENDORS = sorted(rec.providers())
#: The events of a recording that was started, stopped and processed.
EVENTS = {
    "audian": ["started", "stopped", "available"],
    "plivo": ["available"],
    "realtimekit": ["started", "stopped", "available"],
    "twilio": ["started", "available"],
    "voipbin": ["started", "stopped"],
}
#: The same if processing takes no time.
EVENTS_AT_ONCE = {**EVENTS, "realtimekit": ["started", "available"]}
#: Requests per event, by the status of each response; None: no response.
ATTEMPTS: dict[str, dict[int | None, int]] = {
    "audian": {None: 3, 500: 3, 404: 3, 200: 1},
    "plivo": {None: 2, 500: 1, 404: 1, 200: 1},
    "realtimekit": {None: 2, 500: 2, 404: 1, 200: 1},
    "twilio": {None: 1, 500: 1, 404: 1, 200: 1},
    "voipbin": {None: 3, 500: 3, 404: 1, 200: 1},
}


#: The vendors that repeat an event without a response only if the URL asks for it.
FRAGMENTS = {"twilio": "#rp=rt"}


@pytest.fixture(params=VENDORS)
def emulator(request: pytest.FixtureRequest, start_emulator: Callable[..., Emulator]) -> Emulator:
    return start_emulator(request.param, recordings=5)


@pytest.fixture
def listener() -> Iterator[Callable[..., tuple[str, list[rec.WebhookRequest]]]]:
    """`url, arrived = listener(answer)`: a user's server, and the requests that it receives."""
    servers: list[LoopbackServer] = []

    def start(
        answer: Callable[[Request], Reply] = lambda _: Reply(),
    ) -> tuple[str, list[rec.WebhookRequest]]:
        arrived: list[rec.WebhookRequest] = []

        def receive(request: Request) -> Reply:
            query = f"?{urlencode(request.query)}" if request.query else ""
            url = f"{request.origin}{request.path}{query}"
            arrived.append(rec.WebhookRequest(request.method, url, request.headers, request.body))
            return answer(request)

        servers.append(LoopbackServer(receive))
        return f"{servers[-1].origin}/hooks?tenant=1", arrived

    yield start
    for server in servers:
        server.close()


Listener = Callable[..., tuple[str, list[rec.WebhookRequest]]]


def verify_events(
    emulator: Emulator, requests: list[rec.WebhookRequest]
) -> list[rec.RecordingEvent]:
    """Verify each request by the provider's scheme and return its events."""
    kind: type[plugin.WebhookScheme] = load_object(rec.providers()[emulator.provider], "webhooks")
    scheme, now = kind(), emulator.clock.now()
    found: list[rec.RecordingEvent] = []
    for request in requests:
        scheme.verify(request, list(emulator.webhooks.values()), now=now)
        found += scheme.parse(request, account="default", now=now)
    return found


def test_events_are_signed_and_in_order(emulator: Emulator) -> None:
    id = emulator.record()
    found = verify_events(emulator, emulator.build_webhook_requests())
    assert [event.kind for event in found] == EVENTS[emulator.provider]
    assert {event.recording_id for event in found} == {id}
    with emulator.connect() as provider:
        assert provider.get(id).status is rec.RecordingStatus.AVAILABLE
    for event in found:
        assert event.recording is not None
        if event.target is not None:
            assert event.target == emulator.sessions[0]


def test_no_event_is_sent_before_it_happens(emulator: Emulator) -> None:
    assert emulator.build_webhook_requests() == []
    with emulator.connect() as provider:
        session = provider.start(emulator.sessions[0])
        emulator.advance(timedelta(seconds=10))
        before = ["started"] if "started" in EVENTS[emulator.provider] else []
        assert [
            event.kind for event in verify_events(emulator, emulator.build_webhook_requests())
        ] == before
        provider.stop(session)


def test_past_recordings_have_no_events(emulator: Emulator) -> None:
    emulator.advance(timedelta(seconds=86400))
    assert emulator.build_webhook_requests() == []


def test_events_are_delivered_over_http(emulator: Emulator, listener: Listener) -> None:
    url, arrived = listener()
    emulator.deliver_to(url)
    emulator.record()
    emulator.wait_for_deliveries()
    found = verify_events(emulator, arrived)
    assert [event.kind for event in found] == EVENTS[emulator.provider]
    assert [event.key for event in found] == [
        event.key for event in verify_events(emulator, emulator.build_webhook_requests())
    ]
    assert [attempt.status for attempt in emulator.deliveries.attempts] == [200] * len(found)


@pytest.mark.parametrize("status", [None, 500, 404, 200])
def test_failed_deliveries_are_repeated_as_the_vendor_documents(
    emulator: Emulator, listener: Listener, status: int | None
) -> None:
    url, arrived = listener(lambda _: Reply(abort=True) if status is None else Reply(status))
    emulator.deliver_to(url)
    emulator.record()
    for _ in range(5):
        emulator.wait_for_deliveries()
        emulator.advance(timedelta(seconds=15))
    emulator.wait_for_deliveries()
    count = len(EVENTS[emulator.provider])
    assert len(arrived) == count * ATTEMPTS[emulator.provider][status]
    assert len({event.key for event in verify_events(emulator, arrived)}) == count


@pytest.mark.parametrize(
    ("retries_connect", "should_retry", "is_connected", "attempts"),
    [
        (None, True, False, 2),
        (None, False, False, 1),
        (True, False, False, 2),
        (True, False, True, 1),
        (False, True, False, 1),
        (False, True, True, 2),
    ],
)
def test_a_failed_connection_differs_from_no_response(
    start_emulator: Callable[..., Emulator],
    retries_connect: bool | None,
    should_retry: bool,
    is_connected: bool,
    attempts: int,
) -> None:
    emulator = start_emulator("plivo")
    emulator.redelivery = RedeliveryPolicy(
        2, timedelta(0), lambda status: should_retry, retries_connect=retries_connect
    )
    with LoopbackServer(lambda _: Reply(abort=True)) as server:
        if not is_connected:
            server.close()
        emulator.deliver_to(server.origin)
        emulator.record()
        emulator.wait_for_deliveries()
    assert [each.status for each in emulator.deliveries.attempts] == [None] * attempts


def test_a_delivery_that_fails_once_succeeds_the_next_time(
    emulator: Emulator, listener: Listener
) -> None:
    count = len(EVENTS[emulator.provider])
    received: list[Request] = []

    def fail_last(request: Request) -> Reply:
        received.append(request)
        return Reply(abort=len(received) == count)  # after the last, nothing advances the clock

    url, arrived = listener(fail_last)
    emulator.deliver_to(url + FRAGMENTS.get(emulator.provider, ""))
    emulator.record()
    emulator.wait_for_deliveries()
    threading.Event().wait(0.1)  # in real time; the vendor's clock does not move
    sent = len(arrived)
    emulator.advance(timedelta(seconds=15))
    emulator.wait_for_deliveries()
    # A vendor that repeats without a delay has done so by now.
    assert sent == (count + 1 if emulator.redelivery.delay == timedelta(0) else count)
    assert len(arrived) == count + 1


def test_a_receiver_may_query_the_vendor_before_it_responds(
    emulator: Emulator, listener: Listener
) -> None:
    statuses: list[rec.RecordingStatus] = []

    def query(_: Request) -> Reply:
        with emulator.connect() as provider:
            statuses.extend(recording.status for recording in provider.list())
        return Reply()

    url, arrived = listener(query)
    emulator.deliver_to(url)
    emulator.record()
    emulator.wait_for_deliveries()
    assert arrived
    assert statuses


def test_no_event_is_sent_to_another_machine(emulator: Emulator) -> None:
    for url in ("https://hooks.example.com/x", "http://192.0.2.1/x", "http://localhost.example/x"):
        emulator.deliver_to(url)
        emulator.record()
    emulator.wait_for_deliveries()
    assert emulator.deliveries.attempts == []
    assert len(emulator.build_webhook_requests()) == 3 * len(EVENTS[emulator.provider])
    assert not any("webhooks" in thread.name for thread in threading.enumerate())


def test_a_stopped_emulator_sends_no_event(emulator: Emulator, listener: Listener) -> None:
    url, arrived = listener()
    emulator.deliver_to(url)
    emulator.stop()
    assert not any("webhooks" in thread.name for thread in threading.enumerate())
    assert arrived == []


def test_waiting_for_a_delivery_that_stalls_times_out(
    emulator: Emulator, listener: Listener
) -> None:
    url, _ = listener(lambda _: Reply(stall="headers"))
    emulator.redelivery = evolve(emulator.redelivery, timeout=1.0)
    emulator.deliver_to(url)
    emulator.record()
    with pytest.raises(TimeoutError):
        emulator.wait_for_deliveries(0.2)


def test_an_emulator_without_webhooks_overrides_nothing() -> None:
    assert not RedeliveryPolicy.ONCE.should_retry(None)
    assert Emulator.webhooks.fget(object()) == {}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", VENDORS)
def test_events_are_sent_on_the_wall_clock(name: str, listener: Listener) -> None:
    url, arrived = listener()
    with build_emulator(rec.providers()[name], recordings=0, processing=timedelta(0)) as emulator:
        emulator.deliver_to(url)
        with emulator.connect() as provider:
            provider.stop(provider.start(emulator.sessions[0]))
        pause = threading.Event()
        for _ in range(100):
            if len(arrived) >= len(EVENTS_AT_ONCE[name]):
                break
            pause.wait(0.1)
        assert [event.kind for event in verify_events(emulator, list(arrived))] == EVENTS_AT_ONCE[
            name
        ]
