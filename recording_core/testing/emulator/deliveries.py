"""How does an emulated vendor call back? Signed, when things happen on its clock, and again."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit, urlunsplit

from attrs import field, frozen

from recording_core.model.events import WebhookRequest

if TYPE_CHECKING:
    from recording_core.testing.emulator.emulator import Emulator

__all__ = ["Attempt", "Deliveries", "EmulatedEvent", "Webhook", "RedeliveryPolicy"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
#: Seconds between two looks at the clock, while there is a URL to call.
_TICK = 0.02


@frozen
class EmulatedEvent:
    """Something that happened to a recording. `name` is its own among that recording's facts.

    `told` is what the vendor says of it, in whatever form its emulator signs. After the `last`
    nothing more happens.
    """

    at: datetime
    name: str
    told: Any = field(repr=False)
    last: bool = False


@frozen
class Webhook:
    """Where a user wants to be called, and by which method."""

    url: str
    method: str = "POST"

    @property
    def is_near(self) -> bool:
        """Whether it is on this machine: an emulator calls nobody else."""
        parts = urlsplit(self.url)
        return parts.scheme == "http" and parts.hostname in _LOOPBACK


@frozen
class RedeliveryPolicy:
    """When a vendor sends a callback again: how often in all, how much later, and after what.

    `after` is asked with the status that it got, None where none came within `timeout` seconds.
    """

    attempts: int
    pause: timedelta
    after: Callable[[int | None], bool]
    timeout: float = 30.0

    ONCE: ClassVar[RedeliveryPolicy]


RedeliveryPolicy.ONCE = RedeliveryPolicy(1, timedelta(0), lambda status: False)


@frozen
class Attempt:
    """A request that was sent, and the status that it got; None where none came."""

    request: WebhookRequest
    status: int | None


@frozen
class _Due:
    at: datetime
    fact: EmulatedEvent
    hook: Webhook
    sent: int = 0


class Deliveries:
    """What happened at one emulator, whom it has to tell, and the thread that tells them.

    What happened follows from the clock: nobody pushes it, so it is noticed by looking.
    """

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._followed: dict[str, Callable[[datetime], Iterable[EmulatedEvent]]] = {}
        self._noticed: set[tuple[str, str]] = set()
        self._happened: list[tuple[EmulatedEvent, tuple[Webhook, ...]]] = []
        self._due: list[_Due] = []
        self._in_hand = 0
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        #: every request that was really sent, oldest first
        self.attempts: list[Attempt] = []

    def follow(self, id: str, facts: Callable[[datetime], Iterable[EmulatedEvent]]) -> None:
        """Tell of a recording from now on. `facts` gives what happened to it until then."""
        with self._emulator.lock:
            self._followed[id] = facts

    def look(self) -> None:
        """Notice what happened by now. Called with the emulator's lock held."""
        now = self._emulator.clock.now()
        fresh: list[EmulatedEvent] = []
        for id, facts in list(self._followed.items()):
            for fact in facts(now):
                if (id, fact.name) not in self._noticed:
                    self._noticed.add((id, fact.name))
                    fresh.append(fact)
                if fact.last:
                    self._followed.pop(id, None)
        for fact in sorted(fresh, key=lambda each: each.at):
            hooks = tuple(self._emulator.hooks(fact))
            self._happened.append((fact, hooks))
            self._due += [_Due(fact.at, fact, hook) for hook in hooks if hook.is_near]

    def requests(self) -> list[WebhookRequest]:
        """All that was to be told so far, oldest first, as it would be sent now."""
        with self._emulator.lock:
            self.look()
            somewhere = Webhook(f"https://hooks.example.com/{self._emulator.provider}")
            now = self._emulator.clock.now()
            return [
                self._emulator.signed(fact, hook, now)
                for fact, hooks in self._happened
                for hook in hooks or (somewhere,)
            ]

    def happened(self) -> list[EmulatedEvent]:
        """All that was to be told so far, oldest first: as `requests`, and not signed."""
        with self._emulator.lock:
            self.look()
            return [fact for fact, hooks in self._happened for _ in hooks or (None,)]

    def open(self, url: str) -> None:
        """From now on somebody may have to be called: watch the clock. Not for far URLs."""
        with self._emulator.lock:
            if self._thread is None and Webhook(url).is_near:
                self._thread = threading.Thread(
                    target=self._run, name=f"{self._emulator.provider}-webhooks", daemon=True
                )
                self._thread.start()

    def settle(self, timeout: float) -> None:
        """Wait until all that is due by the clock was sent. Raises `TimeoutError`."""
        end = time.monotonic() + timeout
        while True:
            with self._emulator.lock:
                self.look()
                now = self._emulator.clock.now()
                if not self._in_hand and not any(due.at <= now for due in self._due):
                    return
            if time.monotonic() > end:
                raise TimeoutError(f"callbacks were not delivered within {timeout} seconds")
            time.sleep(0.005)

    def close(self) -> None:
        """Call nobody any more."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closing.wait(_TICK):
            # Sent without the lock: who is called may well ask the emulator before it answers.
            for due in self._taken():
                if not self._closing.is_set():
                    self._send(due)

    def _taken(self) -> Sequence[_Due]:
        with self._emulator.lock:
            self.look()
            now = self._emulator.clock.now()
            taken = sorted((due for due in self._due if due.at <= now), key=lambda due: due.at)
            self._due = [due for due in self._due if due.at > now]
            self._in_hand = len(taken)
        return taken

    def _send(self, due: _Due) -> None:
        emulator, policy = self._emulator, self._emulator.redelivery
        with emulator.lock:
            request = emulator.signed(due.fact, due.hook, emulator.clock.now())
        status = _sent(request, policy.timeout)
        with emulator.lock:
            self.attempts.append(Attempt(request, status))
            self._in_hand -= 1
            if policy.after(status) and due.sent + 1 < policy.attempts:
                again = emulator.clock.now() + policy.pause
                self._due.append(_Due(again, due.fact, due.hook, due.sent + 1))


def _sent(request: WebhookRequest, timeout: float) -> int | None:
    """The status of the answer; None where none came."""
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    target = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    try:
        connection.request(
            request.method, target, body=request.body or None, headers=dict(request.headers)
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
