"""How does a callback become events? Verified, then parsed, then announced, each fact once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from recording_core.clock import Clock, SystemClock
from recording_core.errors import ConfigurationError
from recording_core.model.events import RecordingEvent, WebhookRequest
from recording_core.webhooks.dispatch import Dispatcher, SameListener
from recording_core.webhooks.public_key import PublishedKey
from recording_core.webhooks.replay_store import MemoryReplayStore, ReplayStore
from recording_core.webhooks.verification import MAX_BODY, Verifier, scheme_of, unverified

if TYPE_CHECKING:
    from recording_core.model.entities import CommunicationSession
    from recording_core.provider.provider import Provider
    from recording_core.webhooks.reconcile import Reconciliation

__all__ = ["Receiver", "receive", "receiver", "unsafe_parse"]


class Receiver:
    """Where one vendor's callbacks for one account arrive. Thread-safe; never pickled.

    Made by `receiver`, or here by those who need more: a `clock`, another address of the
    published key (`key_url`, https or loopback), another bound on the body (`max_body`, bytes).
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
        scheme = scheme_of(provider)
        if key_url is not None and scheme.key_url is None:
            raise ConfigurationError(f"{provider} publishes no key: key_url must be left out")
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
            published=PublishedKey(provider, address, scheme, clock=clock) if address else None,
        )
        self._announcer = Dispatcher(
            MemoryReplayStore(clock=clock) if replay_store is None else replay_store
        )

    def listen(self, listener: SameListener) -> SameListener:
        """Call this with each new event, too, as plugins' `recording_event` is. A decorator.

        What it raises makes `receive` raise, so that the vendor sends again.
        """
        return self._announcer.listen(listener)

    def receive(self, request: WebhookRequest) -> tuple[RecordingEvent, ...]:
        """Verify a callback's raw bytes, read them, announce what is new in them.

        Empty where the vendor tells of something other than recordings. An event whose key was
        announced before has `replayed=True` and is not announced. Raises `WebhookRejected`, whose
        `status` is the answer to give: 503 also where a listener raised, which is its cause.
        """
        return tuple(self._announcer.tell(event) for event in self.verify(request))

    def verify(self, request: WebhookRequest) -> tuple[RecordingEvent, ...]:
        """The events of a verified callback, neither announced nor remembered."""
        return self._verifier.events_in(request)

    def reconcile(
        self,
        provider: Provider,
        *,
        since: datetime | None = None,
        target: CommunicationSession | None = None,
    ) -> Reconciliation:
        """List what the vendor has since then, and announce what `replay_store` does not hold.

        `target` is for what the vendor lists only for those who name it (`coverage.not_listable`).

        The events are those that the callbacks would have been, with the same keys. Returns those
        announced, and the listing's coverage: see `Reconciliation`. Raises `ValueError` for a
        connection to another vendor or account, and what `Provider.list` raises.
        """
        from recording_core.webhooks.reconcile import reconciled

        if provider.name != self.provider or provider.account != self.account:
            raise ValueError(
                f"this receiver is for {self.provider}'s account {self.account!r}, and the "
                f"connection to {provider.name}'s {provider.account!r}"
            )
        return reconciled(provider, self._announcer, since=since, target=target)

    def __repr__(self) -> str:
        return f"<Receiver of {self.provider} account={self.account!r}>"

    def __reduce__(self) -> str:
        raise TypeError("a receiver holds secrets and is not pickled; make one anew there")


def receiver(
    provider: str,
    secret: str | Iterable[str] | None = None,
    key: str | Iterable[str] | None = None,
    account: str = "default",
    replay_store: ReplayStore | None = None,
    allow_v2: bool = False,
) -> Receiver:
    """Where a vendor's callbacks arrive: keeps the secrets, what was seen, and a published key.

    `secret` (what is shared with the vendor) and `key` (PEM, for a vendor that signs with a key
    of its own) take one or several, for rotation; without `key` the published one is fetched.
    `replay_store` is where keys of announced events are remembered, in memory by default. `allow_v2`
    accepts a vendor's older signature that does not cover the body. Raises `ConfigurationError`
    for a secret that is missing, blank or cannot be this vendor's.
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
    """Verify, read and announce one callback, without a store: a replay is not noticed.

    Fetches nothing. Raises as `receiver` and `Receiver.receive` do.
    """
    scheme = scheme_of(provider)
    if scheme.key_url is not None and key is None and secret is None:
        raise ConfigurationError(
            f"{provider} signs with a key that it publishes, and `receive` fetches nothing: "
            f'give key= (PEM), or keep a receiver: rec.receiver("{provider}")'
        )
    verifier = Verifier(provider, scheme, secret, key, account, clock=SystemClock())
    announcer = Dispatcher(None)
    return tuple(announcer.tell(event) for event in verifier.events_in(request))


def unsafe_parse(
    provider: str, request: WebhookRequest, *, account: str = "default"
) -> tuple[RecordingEvent, ...]:
    """What a request claims, by whomever it was sent: nothing is verified, nothing announced.

    For looking into a request at one's desk. Every event has `trusted=False`.
    """
    return unverified(provider, request, account, SystemClock().now())
