"""Emulator: the base class of emulated vendors, with two ports, a clock, a journal and faults."""

from __future__ import annotations

import json
import random
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from uuid import UUID

from attrs import evolve

from recording_core.clock import Clock
from recording_core.model.entities import CommunicationSession, Interval
from recording_core.plugins.registry import get_provider_info, load_object
from recording_core.provider.assumptions import Assumption
from recording_core.provider.connection import Connection
from recording_core.testing.emulator.deliveries import (
    Deliveries,
    EmulatedEvent,
    RedeliveryPolicy,
    Webhook,
)
from recording_core.testing.emulator.journal import JournalEntry
from recording_core.testing.emulator.live_sessions import LiveSessions
from recording_core.testing.emulator.named_faults import NamedFaults
from recording_core.testing.emulator.resettable import Resettable, construct_again, construct_twin
from recording_core.testing.emulator.server import LoopbackServer, Reply, Request
from recording_core.testing.manual_clock import ManualClock
from recording_core.testing.offset_clock import OffsetClock, read_sending_time
from recording_core.webhooks.request import WebhookRequest

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider
    from recording_core.transport import HttpSettings


class Emulator(LiveSessions, Resettable):
    """A vendor on loopback: it speaks its vendor's API, with the documented quirks.

    A subclass implements `answer` (the API's port) and `answer_media` (the media's port), sets
    `credentials` and `sessions`, and imports neither client nor mapping: if it shared code with
    them, it would share their bugs. State moves on `clock`, which a test advances.

    A context manager: it starts on entering and stops on leaving. What one of its methods raises
    while it answers a request is the body of an HTTP 500, and raised again on leaving.

    Args:
        recordings: how many past recordings the vendor would list today
        clock: several emulators may share one; by default a `ManualClock` of its own
        processing: from the end of a recording until its media can be fetched
        latency: before each answer, in real time
        seed: determines the past recordings and the credentials
        port: of the API; by default any free port
        assume: the numbers of the assumptions that it follows, or `"all"`; by default none, so that
            it shows only what the vendor's pages, clients and fixtures show. Raises `ValueError`
            for another number
    """

    #: the provider's name
    provider: ClassVar[str]
    #: the path of the base URL, such as `/v1`
    prefix: ClassVar[str] = ""
    #: how long the vendor lists a recording; by default for ever. Past recordings are spread over
    #: at most 90 days
    retention: ClassVar[timedelta] = timedelta(days=90)
    #: keywords of the constructor for a run on the wall clock, which shorten the vendor's delays
    wall_clock_settings: ClassVar[Mapping[str, Any]] = {}
    #: keywords of the constructor for `recordings conformance`; they must give several pages
    conformance_settings: ClassVar[Mapping[str, Any]] = {"recordings": 45}
    #: the provider's table of assumptions, the same as that of its `ProviderInfo`
    assumptions: ClassVar[tuple[Assumption, ...]] = ()
    #: when its webhook events are delivered again
    redelivery: RedeliveryPolicy = RedeliveryPolicy.ONCE

    #: what `rec.connect(provider, base_url=..., **credentials)` takes
    credentials: dict[str, str]
    #: a live session of each kind, to start a recording of, or for `begin_recording`
    sessions: Sequence[CommunicationSession]

    # The constructor sets neither: requests that arrive during a reset need them.
    __servers: Mapping[str, LoopbackServer] = {}
    __control: Callable[[Request], Reply] | None = None

    def __init__(
        self,
        *,
        recordings: int = 0,
        clock: Clock | None = None,
        processing: timedelta = timedelta(seconds=5),
        latency: timedelta = timedelta(0),
        seed: int = 0,
        port: int = 0,
        assume: Iterable[int] | Literal["all"] = (),
    ) -> None:
        numbers = (each.number for each in self.assumptions) if assume == "all" else assume
        self.__assumed = frozenset(map(self.__check_number, numbers))
        self.recordings = recordings
        self.clock: Clock = clock if clock is not None else ManualClock()
        #: from the end of a recording until its media can be fetched
        self.processing = processing
        self.latency = latency
        self.random = random.Random(f"{self.provider}:{seed}")
        #: every request since the start, oldest first
        self.journal: list[JournalEntry] = []
        #: replies to the next requests in place of the vendor's; the media port has its own
        self.faults: deque[Reply] = deque()
        self.media_faults: deque[Reply] = deque()
        #: rewrites each JSON payload of the API before it is sent
        self.alter: Callable[[Request, Any], Any] | None = None
        self.deliveries = Deliveries(self)
        self.__named = NamedFaults(self)
        self.deliveries.count_copies = self.__named.count_deliveries
        #: a generator for webhooks alone, so that their use changes no other value
        self.webhook_random = random.Random(f"{self.provider}:{seed}:webhooks")
        self.__webhook: Webhook | None = None
        self.__port = port

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """Return the API's reply to a request. Called with `lock` held."""

    @abstractmethod
    def answer_media(self, request: Request) -> Reply:
        """Return the media host's reply to a request. Called with `lock` held."""

    def is_media(self, request: Request) -> bool:
        """Whether a request that reached the API's port is for media, which `answer_media` answers.

        By default none is. Override it if the vendor's API serves media at its own origin.
        """
        return False

    def build_error(self, status: int) -> Reply:
        """Build a refusal in the vendor's documented shape; override unless it is `message`."""
        return Reply.json({"message": "The request is refused"}, status)

    @abstractmethod
    def populate(self) -> None:
        """Create the past recordings and the live sessions. Called once, with both ports open."""

    @abstractmethod
    def list_ids(self) -> list[str]:
        """Return the ids of the recordings that the vendor would list today, in any order."""

    def connect(self, *, account: str = "default", http: HttpSettings | None = None) -> Provider:
        """Connect the installed provider of this emulator's name to it, on its clock."""
        info = get_provider_info(self.provider)
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

    # -- for a vendor with webhooks --------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, Any]:
        """Keywords of `rec.receiver(provider, **webhooks)`: a secret, or a key in PEM."""
        return {}

    def find_webhooks(self, event: EmulatedEvent) -> Iterable[Webhook]:
        """Return an event's webhooks, by default that of `deliver_to`. Called with `lock` held."""
        return () if self.__webhook is None else (self.__webhook,)

    def find_redelivery(self, webhook: Webhook) -> RedeliveryPolicy:
        """Return when a webhook's events are delivered again, by default `redelivery`."""
        return self.redelivery

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        """Build the signed request that delivers an event now. Called with `lock` held."""
        raise NotImplementedError(f"{self.provider} has no webhooks")

    # -- what subclasses do not override ---------------------------------------------------------

    def assumes(self, number: int) -> bool:
        """Whether it follows the assumption of this number. Raises `ValueError` for another one."""
        return self.__check_number(number) in self.__assumed

    def __check_number(self, number: int) -> int:
        if number not in (numbers := [each.number for each in self.assumptions]):
            raise ValueError(
                f"{type(self).__name__}.assumptions has no number {number}, only: "
                f"{', '.join(map(str, numbers)) or 'none'}"
            )
        return number

    def deliver_to(self, url: str) -> None:
        """Deliver later events to this URL, signed, if it is a loopback URL."""
        with self.lock:
            self.deliveries.collect_events()
            self.__webhook = Webhook(url)
        self.deliveries.start_sending(url)

    def build_webhook_requests(self) -> list[WebhookRequest]:
        """Build the requests of all events so far, oldest first, signed as of now.

        This needs no server and no `deliver_to`.
        """
        return self.deliveries.build_requests()

    def wait_for_deliveries(self, timeout: float = 10.0) -> None:
        """Wait until everything that is due by its clock was sent.

        Raises `TimeoutError` after `timeout` seconds of real time.
        """
        self.deliveries.wait_until_sent(timeout)

    @property
    def base_url(self) -> str:
        """The base URL of the API, for `rec.connect(base_url=)`."""
        return self.origin + self.prefix

    @property
    def origin(self) -> str:
        """The origin of the API's port."""
        return self.__find_origin("api")

    @property
    def media_origin(self) -> str:
        """The origin of the media's port."""
        return self.__find_origin("media")

    def __find_origin(self, port: str) -> str:
        assert port in self.__servers, "start the emulator first"
        return self.__servers[port].origin

    def list_requests(self, port: str = "api") -> list[Request]:
        """Return the requests to the API, or with `media` those for media, oldest first."""
        return [entry.request for entry in self.journal if entry.port == port]

    @contextmanager
    def log_requests(self, *ports: str) -> Iterator[list[JournalEntry]]:
        """Collect the requests that arrive inside a `with` block, at these ports or at both.

        The list is filled on leaving the block.
        """
        before, entries = len(self.journal), list[JournalEntry]()
        try:
            yield entries
        finally:
            entries += [each for each in self.journal[before:] if not ports or each.port in ports]

    @contextmanager
    def forbid_requests(self) -> Iterator[None]:
        """Raise `AssertionError` if a request arrives at a port inside a `with` block."""
        with self.log_requests() as entries:
            yield
        sent = [f"{each.request.method} {each.request.path}" for each in entries]
        assert not sent, f"no request may be sent here, but the provider sent {', '.join(sent)}"

    def advance(self, by: timedelta) -> None:
        """Advance the clock, a `ManualClock` or an `OffsetClock`; nothing sleeps."""
        assert isinstance(self.clock, ManualClock | OffsetClock), (
            f"the emulator runs on a {type(self.clock).__name__}: start it on a ManualClock"
        )
        self.clock.advance(by)

    def inject(self, name: str, /, **figures: Any) -> None:
        """Show a named fault from now on, such as `late-404`, with figures such as `count=3`.

        [Test your application](test-your-application.md#named-faults) has the table of faults.
        Raises `ValueError` for an unknown name or figure, and for a figure out of its bounds.
        """
        with self.lock:
            self.deliveries.collect_events()
            self.__named.inject(name, **figures)

    def clear_faults(self) -> None:
        """Show no fault any more, neither a named one nor a reply of `faults`."""
        with self.lock:
            self.deliveries.collect_events()
            self.__named.clear()
            self.faults.clear()
            self.media_faults.clear()

    def list_faults(self) -> list[str]:
        """Return the names of the named faults that it shows."""
        with self.lock:
            return self.__named.list_names()

    def serve_control(self, answer: Callable[[Request], Reply]) -> None:
        """Answer requests to paths below `/_emulator/` of the API's port; no journal has them."""
        self.__control = answer

    def reset(self, *, recordings: int | None = None, seed: int | None = None) -> None:
        """Return to the state after the start: no other recordings, requests, faults or events.

        The ports, the credentials, the URL of `deliver_to` and the clock stay as they are.

        Args:
            recordings: how many past recordings, in place of the constructor's argument
            seed: determines the past recordings, in place of the constructor's argument
        """
        self.deliveries.close()
        webhook = self.__webhook
        with self.lock:
            construct_again(self, "credentials", "_Emulator__servers", "_Emulator__control")
            if recordings is not None:
                self.recordings = recordings
            if seed is not None:
                # A constructor draws from its generator, too: credentials, for example.
                self.random.setstate(construct_twin(self, seed=seed).random.getstate())
            self.populate()
        if webhook is not None:
            self.deliver_to(webhook.url)

    def start(self) -> Self:
        """Open both ports on loopback and create the past recordings."""
        for name, port in (("api", self.__port), ("media", 0)):
            server = LoopbackServer(partial(self.__handle, port=name), port)
            self.__servers = {**self.__servers, name: server}
        self.populate()
        return self

    def stop(self) -> None:
        """Close both ports and stop delivering events. Raises what the emulator raised first."""
        self.deliveries.close()
        for server in self.__servers.values():
            server.close()
        errors = [*self.deliveries.errors]
        errors += [error for server in self.__servers.values() for error in server.errors]
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def compute_age(self, index: int) -> timedelta:
        """Compute how long ago the past recording of this index ended, over the whole retention."""
        span = min(self.retention, timedelta(days=90)) - timedelta(hours=6)
        return timedelta(hours=3) + span * index / max(self.recordings, 1)

    def __handle(self, request: Request, port: str) -> Reply:
        if port == "api" and self.__control is not None and request.path.startswith("/_emulator/"):
            return self.__control(request)
        with self.lock:
            latency = self.latency.total_seconds()
        if latency:
            time.sleep(latency)
        with self.lock:
            reply = None
            try:
                self.deliveries.collect_events()
                if port == "api" and self.is_media(request):
                    port = "media"
                reply = self.__find_reply(request, port)
            finally:
                at = self.clock.now()
                self.journal.append(JournalEntry.build(request, port, reply, at))
            self.deliveries.collect_events()
            # Every vendor sends a Date header, which `recordings doctor` compares.
            sent = read_sending_time(self.clock).astimezone(UTC)
            now = format_datetime(sent, usegmt=True)
        return evolve(reply, headers={"Date": now, **reply.headers})

    def __find_reply(self, request: Request, port: str) -> Reply:
        faults = self.faults if port == "api" else self.media_faults
        if faults:
            return faults.popleft()
        if port == "media":
            reply = self.answer_media(request)
        elif (refusal := self.__named.replace_reply()) is not None:
            return refusal
        else:
            reply = self.__alter_reply(request, self.answer(request))
        return self.__named.change_reply(request, port, reply)

    def __alter_reply(self, request: Request, reply: Reply) -> Reply:
        is_json = reply.headers.get("Content-Type", "").startswith("application/json")
        if self.alter is None or not is_json or not reply.body:
            return reply
        payload = self.alter(request, json.loads(reply.body))
        return evolve(reply, body=json.dumps(payload).encode())


def build_uuid(generator: random.Random) -> str:
    """Build a random UUID (version 4) that depends on the generator's seed alone."""
    return str(UUID(int=generator.getrandbits(128), version=4))


def compute_recorded_time(start: datetime, end: datetime, pauses: Iterable[Interval]) -> timedelta:
    """Compute the time from start to end without the pauses, of which the last may be open."""
    paused = (min(each.end or end, end) - min(each.start, end) for each in pauses)
    return end - start - sum(paused, timedelta(0))
