"""Receiver: verify webhooks, parse their events, and dispatch each event once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from recording_core.clock import Clock, SystemClock
from recording_core.errors import ConfigurationError
from recording_core.model.events import RecordingEvent
from recording_core.webhooks.dispatch import Dispatcher, ListenerT
from recording_core.webhooks.public_key import PublicKeyCache
from recording_core.webhooks.replay_store import MemoryReplayStore, ReplayStore
from recording_core.webhooks.request import MAX_BODY, WebhookRequest
from recording_core.webhooks.verification import Verifier, load_scheme, parse_unverified

if TYPE_CHECKING:
    from recording_core.model.entities import CommunicationSession
    from recording_core.provider.provider import Provider
    from recording_core.webhooks.reconcile import Reconciliation


class Receiver:
    """Receives one vendor's webhooks for one account. Thread-safe; cannot be pickled.

    Use `receiver` unless you need one of the additional arguments.

    Arguments:
        clock: in place of the system's clock
        key_url: another URL of the vendor's public key, https or loopback
        max_body: the largest body that is accepted, in bytes
    """

    def __init__(
        self,
        provider: str,
        secret: str | Iterable[str] | None = None,
        key: str | Iterable[str] | None = None,
        account: str = "default",
        replay_store: ReplayStore | None = None,
        allow_v2: bool = False,
        *,
        clock: Clock | None = None,
        key_url: str | None = None,
        max_body: int = MAX_BODY,
    ) -> None:
        clock = clock or SystemClock()
        scheme = load_scheme(provider)
        if key_url is not None and scheme.key_url is None:
            raise ConfigurationError(f"{provider} publishes no key: omit key_url")
        address = (key_url or scheme.key_url) if key is None else None
        self.provider = provider
        self.account = account
        self.max_body = max_body
        self._verifier = Verifier(
            provider,
            scheme,
            secret,
            key,
            account,
            clock=clock,
            allow_v2=allow_v2,
            max_body=max_body,
            public_key=PublicKeyCache(provider, address, scheme, clock=clock) if address else None,
        )
        self._dispatcher = Dispatcher(
            MemoryReplayStore(clock=clock) if replay_store is None else replay_store
        )

    def listen(self, listener: ListenerT) -> ListenerT:
        """Add a listener, which is called with each new event; usable as a decorator.

        If it raises, `receive` raises too, so that the vendor sends the webhook again.
        """
        return self._dispatcher.listen(listener)

    def receive(self, request: WebhookRequest) -> tuple[RecordingEvent, ...]:
        """Verify a webhook's raw bytes, parse its events, and dispatch those that are new.

        Returns no event if the webhook is not about recordings. An event whose key was dispatched
        before has `replayed=True` and is not dispatched again, unless it is a pause or resume.
        Raises `WebhookRejected`, whose `status` is the HTTP status to respond with; it is 503 also
        if a listener raised (then its exception is the `__cause__`).
        """
        return tuple(self._dispatcher.dispatch(event) for event in self.verify(request))

    def verify(self, request: WebhookRequest) -> tuple[RecordingEvent, ...]:
        """Verify a webhook and return its events, without dispatching or storing them."""
        return self._verifier.verify_and_parse(request)

    def reconcile(
        self,
        provider: Provider,
        *,
        since: datetime | None = None,
        target: CommunicationSession | None = None,
    ) -> Reconciliation:
        """List the vendor's recordings, and dispatch the events that `replay_store` lacks.

        The events have the keys that the missing webhooks would have had.

        Arguments:
            provider: a connection to the receiver's vendor and account
            since: list recordings since then (an aware datetime)
            target: for recordings that the vendor lists only per target (`coverage.not_listable`)

        Returns the dispatched events and the listing's coverage. Raises `ValueError` for a
        connection to another vendor or account, and what `Provider.list` raises.
        """
        from recording_core.webhooks.reconcile import reconcile_events

        if provider.name != self.provider or provider.account != self.account:
            raise ValueError(
                f"this receiver is for {self.provider} account {self.account!r}, but the "
                f"connection is to {provider.name} account {provider.account!r}"
            )
        return reconcile_events(provider, self._dispatcher, since=since, target=target)

    def __repr__(self) -> str:
        return f"<Receiver of {self.provider} account={self.account!r}>"

    def __reduce__(self) -> str:
        raise TypeError(
            "a receiver contains secrets and cannot be pickled; create one in the other process"
        )


def receiver(
    provider: str,
    secret: str | Iterable[str] | None = None,
    key: str | Iterable[str] | None = None,
    account: str = "default",
    replay_store: ReplayStore | None = None,
    allow_v2: bool = False,
) -> Receiver:
    """Create a receiver for one vendor's webhooks.

    Arguments:
        provider: the provider's name
        secret: the secret that is shared with the vendor; several for a rotation
        key: the public key in PEM, for a vendor that signs with a key of its own; several for a
            rotation. By default the vendor's published key is fetched
        account: the account's name, which events carry
        replay_store: stores the keys of dispatched events; by default in memory
        allow_v2: accept a vendor's older signature, which does not cover the body

    Raises `ConfigurationError` for a secret that is missing, blank or cannot be this vendor's.
    """
    return Receiver(provider, secret, key, account, replay_store, allow_v2)


def receive(
    provider: str,
    request: WebhookRequest,
    *,
    secret: str | Iterable[str] | None = None,
    key: str | Iterable[str] | None = None,
    account: str = "default",
) -> tuple[RecordingEvent, ...]:
    """Verify one webhook, parse its events and dispatch them.

    There is no replay store, so that a replay is dispatched again. Nothing is fetched. Raises what
    `receiver` and `Receiver.receive` raise.
    """
    scheme = load_scheme(provider)
    if scheme.key_url is not None and key is None and secret is None:
        raise ConfigurationError(
            f"{provider} signs with a key that it publishes, and `receive` fetches nothing: "
            f'pass key= (PEM), or use a receiver: rec.receiver("{provider}")'
        )
    verifier = Verifier(provider, scheme, secret, key, account, clock=SystemClock())
    dispatcher = Dispatcher(None)
    return tuple(dispatcher.dispatch(event) for event in verifier.verify_and_parse(request))


def unsafe_parse(
    provider: str, request: WebhookRequest, *, account: str = "default"
) -> tuple[RecordingEvent, ...]:
    """Parse a request that is not verified, for debugging; nothing is dispatched.

    Anyone can have sent it. Every event has `trusted=False`.
    """
    return parse_unverified(provider, request, account, SystemClock().now())
