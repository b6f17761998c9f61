"""What does every emulated vendor have? Two ports, a clock, a journal, and answers gone wrong."""

from __future__ import annotations

import json
import random
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from attrs import evolve, frozen

from recording_core.clock import Clock
from recording_core.model.entities import CommunicationSession
from recording_core.model.events import WebhookRequest
from recording_core.plugins.registry import load_object, provider_info
from recording_core.provider.connection import Connection
from recording_core.testing.emulator.deliveries import (
    Deliveries,
    EmulatedEvent,
    RedeliveryPolicy,
    Webhook,
)
from recording_core.testing.emulator.server import LoopbackServer, Reply, Request
from recording_core.testing.manual_clock import ManualClock

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider
    from recording_core.transport import HttpSettings

__all__ = ["Emulator", "Exchange"]


@frozen
class Exchange:
    """A request that an emulator saw, and the status that it answered."""

    request: Request
    port: str
    status: int


class Emulator(ABC):
    """A vendor on loopback: it speaks its vendor's own words, with the quirks of its pages.

    A subclass writes `answer` (the API's port) and `answer_media` (the media's port), sets
    `credentials` and `sessions`, and knows no client and no mapping: one that shared them would
    agree with their bugs. State moves on `clock`, which a test advances.

    A context manager, which is `start` and `stop`.

    Args:
        recordings: how many past recordings the vendor would list today
        clock: a `ManualClock` of its own without it; several emulators may share one
        processing: from the end of a recording until its media can be fetched
        latency: in real time, before each answer
        seed: another one makes another history and other credentials; the same, the same
        port: of the API, any that is free without it
    """

    #: the provider's name
    provider: ClassVar[str]
    #: what follows the origin in the base URL, such as `/v1`
    prefix: ClassVar[str] = ""
    #: how long the vendor keeps what it lists; past recordings are spread over at most 90 days
    keeps: ClassVar[timedelta] = timedelta(days=90)
    #: more keywords of the constructor for a run on the wall clock, where nobody waits as long as
    #: the vendor would have one wait
    wall_clock: ClassVar[Mapping[str, Any]] = {}
    #: when its callbacks are sent again
    redelivery: RedeliveryPolicy = RedeliveryPolicy.ONCE

    #: what `rec.connect(provider, base_url=..., **credentials)` takes
    credentials: dict[str, str]
    #: a live session of each kind, to start a recording of
    sessions: Sequence[CommunicationSession]

    def __init__(
        self,
        *,
        recordings: int = 0,
        clock: Clock | None = None,
        processing: timedelta = timedelta(seconds=5),
        latency: timedelta = timedelta(0),
        seed: int = 0,
        port: int = 0,
    ) -> None:
        self.recordings = recordings
        self.clock: Clock = clock if clock is not None else ManualClock()
        #: from the end of a recording until its media can be fetched
        self.processing = processing
        self.latency = latency
        self.random = random.Random(f"{self.provider}:{seed}")
        #: every exchange since the start, oldest first
        self.journal: list[Exchange] = []
        #: answers that the next requests get in place of the vendor's; media has its own
        self.faults: deque[Reply] = deque()
        self.media_faults: deque[Reply] = deque()
        #: rewrites each JSON payload of the API before it is sent
        self.alter: Callable[[Request, Any], Any] | None = None
        self.lock = threading.RLock()
        #: what it tells by itself; its chances are its own, so that nothing else depends on them
        self.deliveries = Deliveries(self)
        self.hook_random = random.Random(f"{self.provider}:{seed}:webhooks")
        self._told: Webhook | None = None
        self._port = port
        self._api: LoopbackServer | None = None
        self._media: LoopbackServer | None = None

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """What the vendor's API answers. Called with `lock` held."""

    @abstractmethod
    def answer_media(self, request: Request) -> Reply:
        """What the vendor's media host answers. Called with `lock` held."""

    @abstractmethod
    def populate(self) -> None:
        """Make the past recordings and the live sessions. Called once, when the ports are known."""

    @abstractmethod
    def listed(self) -> list[str]:
        """The ids of the recordings that the vendor would list today, in whatever order."""

    def connect(self, *, account: str = "default", http: HttpSettings | None = None) -> Provider:
        """The installed provider of this emulator's name, connected to it and on its clock."""
        info = provider_info(self.provider)
        connection = Connection(
            info,
            settings={each.name: each.default or "" for each in info.settings} | self.credentials,
            account=account,
            base_url=self.base_url,
            http=http,
            clock=self.clock,
        )
        client: type[Provider] = load_object(info, "client")
        return client(connection)

    # -- of a vendor that calls back -------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, str]:
        """What `rec.receiver(provider, **webhooks)` takes: a secret, or a key in PEM."""
        return {}

    def hooks(self, fact: EmulatedEvent) -> Iterable[Webhook]:
        """Who is told of it; by default the URL of `deliver_to`. Called with `lock` held."""
        return () if self._told is None else (self._told,)

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        """The callback as the vendor would send it now. Called with `lock` held."""
        raise NotImplementedError(f"{self.provider} does not call back")

    # -- what subclasses need not override -------------------------------------------------------

    def deliver_to(self, url: str) -> None:
        """From now on its callbacks go there, signed, if it is a loopback URL."""
        with self.lock:
            self.deliveries.look()
            self._told = Webhook(url)
        self.deliveries.open(url)

    def callbacks(self) -> list[WebhookRequest]:
        """What it told so far, oldest first, signed as of now; nobody need have listened."""
        return self.deliveries.requests()

    def settle(self, timeout: float = 10.0) -> None:
        """Wait until every callback that is due by its clock was sent. `timeout` is in seconds."""
        self.deliveries.settle(timeout)

    @property
    def base_url(self) -> str:
        """What `rec.connect(base_url=)` takes."""
        return self.origin + self.prefix

    @property
    def origin(self) -> str:
        """Of the API's port."""
        assert self._api is not None, "start the emulator first"
        return self._api.origin

    @property
    def media_origin(self) -> str:
        """Of the media's port."""
        assert self._media is not None, "start the emulator first"
        return self._media.origin

    def requests(self, port: str = "api") -> list[Request]:
        """What arrived at one of the two ports, oldest first."""
        return [exchange.request for exchange in self.journal if exchange.port == port]

    def start(self) -> Self:
        """Open both ports on loopback and populate."""
        self._api = LoopbackServer(lambda request: self._exchange(request, "api"), self._port)
        self._media = LoopbackServer(lambda request: self._exchange(request, "media"))
        self.populate()
        return self

    def stop(self) -> None:
        """Close both ports, and call nobody any more."""
        self.deliveries.close()
        for server in (self._api, self._media):
            if server is not None:
                server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def spread(self, index: int) -> timedelta:
        """How long ago the past recording of this index ended: all over the time that is kept."""
        kept = min(self.keeps, timedelta(days=90)) - timedelta(hours=6)
        return timedelta(hours=3) + kept * index / max(self.recordings, 1)

    def _exchange(self, request: Request, port: str) -> Reply:
        if self.latency:
            time.sleep(self.latency.total_seconds())
        with self.lock:
            self.deliveries.look()
            faults = self.faults if port == "api" else self.media_faults
            if faults:
                reply = faults.popleft()
            elif port == "api":
                reply = self._altered(request, self.answer(request))
            else:
                reply = self.answer_media(request)
            self.journal.append(Exchange(request, port, reply.status))
            self.deliveries.look()
            # Every vendor says what time it is; `recordings doctor` compares.
            now = format_datetime(self.clock.now().astimezone(UTC), usegmt=True)
        return evolve(reply, headers={"Date": now, **reply.headers})

    def _altered(self, request: Request, reply: Reply) -> Reply:
        is_json = reply.headers.get("Content-Type", "").startswith("application/json")
        if self.alter is None or not is_json or not reply.body:
            return reply
        payload = self.alter(request, json.loads(reply.body))
        return evolve(reply, body=json.dumps(payload).encode())
