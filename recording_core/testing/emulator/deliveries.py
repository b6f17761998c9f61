"""Webhook deliveries of an emulator: signed requests, sent when events happen, and again."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from attrs import evolve, field, frozen

from recording_core.testing.offset_clock import read_sending_time
from recording_core.webhooks.request import WebhookRequest

if TYPE_CHECKING:
    from recording_core.testing.emulator.emulator import Emulator

#: Seconds between two readings of the clock while there is a URL to deliver to.
_TICK = 0.02


@frozen
class EmulatedEvent:
    """Something that happened to a recording.

    Attributes:
        at: when it happened, by the emulator's clock
        name: unique among the events of that recording
        payload: what the vendor sends about it, in the form that `Emulator.sign_event` reads
        is_last: whether no other event of that recording follows
        webhook: the only receiver, if the request that started the recording named one
        attempt: counts the requests that deliver it to one receiver, set before each is signed
    """

    at: datetime
    name: str
    payload: Any = field(repr=False)
    is_last: bool = False
    webhook: Webhook | None = None
    attempt: int = 1


@frozen
class Webhook:
    """A URL that a user configured, and the method with which the vendor calls it."""

    url: str
    method: str = "POST"

    @property
    def is_loopback(self) -> bool:
        """Whether the URL is on this machine. An emulator sends to no other."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")


@frozen
class RedeliveryPolicy:
    """When a vendor delivers an event again.

    Attributes:
        attempts: how many requests at most, with the first
        delay: from one attempt to the next
        should_retry: receives the status of the response, None if none came
        timeout: seconds that the vendor waits for the response
        retries_connect: whether it is delivered again if there was no connection; if None, as if no
            response came
    """

    attempts: int
    delay: timedelta
    should_retry: Callable[[int | None], bool]
    timeout: float = 30.0
    retries_connect: bool | None = None

    ONCE: ClassVar[RedeliveryPolicy]


RedeliveryPolicy.ONCE = RedeliveryPolicy(1, timedelta(0), lambda status: False)


@frozen
class Attempt:
    """A request that was sent, and the status of its response; None if none came."""

    request: WebhookRequest
    status: int | None


@frozen
class _PendingDelivery:
    at: datetime
    event: EmulatedEvent
    webhook: Webhook
    earlier_attempts: int = 0


class Deliveries:
    """The events of one emulator, the deliveries that are due, and the thread that sends them.

    Events follow from the clock, which pushes nothing: they are found by reading it.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._followed: dict[str, Callable[[datetime], Iterable[EmulatedEvent]]] = {}
        self._collected: set[tuple[str, str]] = set()
        #: if an event has no receiver, `build_requests` builds a request to this
        self._default = Webhook(f"https://hooks.example.com/{emulator.provider}")
        self._events: list[tuple[EmulatedEvent, Webhook]] = []
        self._pending: list[_PendingDelivery] = []
        self._sending = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        #: returns how often an event of a recording is delivered, 0 for never
        self.count_copies: Callable[[str], int] = lambda id: 1
        #: every request that was sent, oldest first
        self.attempts: list[Attempt] = []
        #: what the emulator raised in the thread that sends; `Emulator.stop` raises the first
        self.errors: list[Exception] = []

    def follow(self, id: str, events: Callable[[datetime], Iterable[EmulatedEvent]]) -> None:
        """Deliver the events of a recording. `events(now)` returns those that happened by then."""
        with self._emulator.lock:
            self._followed[id] = events

    def forget(self, id: str) -> None:
        """Deliver no further events of a recording, because it was removed."""
        with self._emulator.lock:
            self._followed.pop(id, None)

    def collect_events(self) -> None:
        """Collect the events that happened by now. Called with the emulator's lock held."""
        now = self._emulator.clock.now()
        new: list[EmulatedEvent] = []
        for id, events in list(self._followed.items()):
            for event in events(now):
                if (id, event.name) not in self._collected:
                    self._collected.add((id, event.name))
                    new += [event] * self.count_copies(id)
                if event.is_last:
                    self._followed.pop(id, None)
        for event in sorted(new, key=lambda each: each.at):
            found = (event.webhook,) if event.webhook else self._emulator.find_webhooks(event)
            for webhook in tuple(found) or (self._default,):
                self._events.append((event, webhook))
                if webhook.is_loopback:
                    self._pending.append(_PendingDelivery(event.at, event, webhook))

    def build_requests(self) -> list[WebhookRequest]:
        """Build the request of every event so far, oldest first, signed as of now."""
        with self._emulator.lock:
            self.collect_events()
            now = self._emulator.clock.now()
            return [self._emulator.sign_event(*each, now) for each in self._events]

    def list_events(self) -> list[EmulatedEvent]:
        """Return the event of each request that `build_requests` builds, in the same order."""
        with self._emulator.lock:
            self.collect_events()
            return [event for event, _ in self._events]

    def start_sending(self, url: str) -> None:
        """Start the thread that sends what is due, if the URL is on this machine."""
        with self._emulator.lock:
            if self._thread is None and Webhook(url).is_loopback:
                thread = threading.Thread(
                    target=self._run, name=f"{self._emulator.provider}-webhooks", daemon=True
                )
                thread.start()
                self._thread = thread  # `close` can join it only after its start

    def wait_until_sent(self, timeout: float) -> None:
        """Wait until what is due was sent. Raises `TimeoutError` after `timeout` real seconds."""
        end = time.monotonic() + timeout
        while True:
            with self._emulator.lock:
                self.collect_events()
                now = self._emulator.clock.now()
                if not self._sending and not any(each.at <= now for each in self._pending):
                    return
            if self.errors:
                raise self.errors[0]
            if time.monotonic() > end:
                raise TimeoutError(f"webhooks were not delivered within {timeout} seconds")
            time.sleep(0.005)

    def close(self) -> None:
        """Stop sending."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closing.wait(_TICK):
            try:
                # Sent without the lock: the receiver may query the emulator before it responds.
                for delivery in self._take_due():
                    if not self._closing.is_set():
                        self._send(delivery)
            except Exception as error:  # noqa: BLE001  # raised again by `stop`
                self.errors.append(error)
                return

    def _take_due(self) -> Sequence[_PendingDelivery]:
        with self._emulator.lock:
            self.collect_events()
            now = self._emulator.clock.now()
            due = [each for each in self._pending if each.at <= now]
            self._pending = [each for each in self._pending if each.at > now]
            self._sending = len(due)
        return sorted(due, key=lambda each: each.at)

    def _send(self, delivery: _PendingDelivery) -> None:
        emulator, event, webhook = self._emulator, delivery.event, delivery.webhook
        policy = emulator.find_redelivery(webhook)
        attempts = delivery.earlier_attempts + 1
        event = evolve(event, attempt=attempts)
        with emulator.lock:
            request = emulator.sign_event(event, webhook, read_sending_time(emulator.clock))
        is_connected, status = _send_request(request, policy.timeout)
        should_retry = policy.retries_connect
        if is_connected or should_retry is None:
            should_retry = policy.should_retry(status)
        with emulator.lock:
            self.attempts.append(Attempt(request, status))
            self._sending -= 1
            if should_retry and attempts < policy.attempts:
                at = emulator.clock.now() + policy.delay
                self._pending.append(_PendingDelivery(at, event, webhook, attempts))


def _send_request(request: WebhookRequest, timeout: float) -> tuple[bool, int | None]:
    """Send a request. Return whether there was a connection, and the status; None if none came."""
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    is_connected = False
    try:
        connection.connect()
        is_connected = True
        connection.request(
            request.method, target, body=request.body or None, headers=dict(request.headers)
        )
        response = connection.getresponse()
        response.read()
        return True, response.status
    except (OSError, http.client.HTTPException):
        return is_connected, None
    finally:
        connection.close()
