"""Which key does a vendor sign with today? The one that it publishes, asked for now and then."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

from attrs import field, frozen

from recording_core.clock import Clock
from recording_core.errors import ConfigurationError, RecordingError, WebhookRejected
from recording_core.webhooks.scheme import WebhookScheme

__all__ = ["PublishedKey"]

_log = logging.getLogger("recording_core.webhooks")

#: Between two fetches at least so long, whether they succeed or not: a stranger's forgeries must
#: not make us ask the vendor more often.
INTERVAL = timedelta(minutes=1)
#: A key is asked for anew after so long, so that one which the vendor withdrew is not trusted
#: for ever.
STALE = timedelta(days=1)
#: Seconds for one fetch: whoever delivered the callback waits meanwhile.
PATIENCE = 5.0


@frozen
class _Known:
    pem: str = field(repr=False)
    fetched: float


class PublishedKey:
    """One vendor's public key, from its own https origin and nowhere else. Thread-safe.

    No redirect is followed, no credential sent; the answer is bounded in size and time.
    """

    def __init__(self, provider: str, url: str, scheme: WebhookScheme, *, clock: Clock) -> None:
        self._provider = provider
        self._url = url
        self._scheme = scheme
        self._clock = clock
        self._lock = threading.Lock()
        self._known: _Known | None = None
        #: when the last fetch began, and why it failed, if it did
        self._asked: float | None = None
        self._failure: str | None = None
        self._open = _transport(provider, url, clock)

    def current(self) -> str:
        """The key in PEM. Raises `WebhookRejected` (503) where it cannot be had."""
        known = self._known
        if known is None or self._age(known) >= STALE:
            known = self._fetched_after(known)
        if known is None:
            raise self._unknown("nothing can be verified now")
        return known.pem

    def newer_than(self, pem: str) -> str | None:
        """Another key, if there is one since; asks the vendor at most once an interval.

        Raises `WebhookRejected` (503) where it could not be asked: then nobody knows.
        """
        known = self._known
        if known is not None and known.pem == pem:
            known = self._fetched_after(known)
        if known is not None and known.pem != pem:
            return known.pem
        if self._failure is not None:
            raise self._unknown("what the last one does not verify may be the next one's")
        return None

    def _unknown(self, so: str) -> WebhookRejected:
        return WebhookRejected(
            f"{self._provider}'s key could not be fetched, so {so}: {self._failure}", status=503
        )

    def _fetched_after(self, known: _Known | None) -> _Known | None:
        """What is known once a fetch was tried, by us or by whoever did while we waited."""
        with self._lock:  # one fetch serves all who wait for it
            if self._known is known and not self._asked_lately():
                self._asked = self._clock.monotonic()
                try:
                    self._known = _Known(self._fetch(), self._clock.monotonic())
                    self._failure = None
                except RecordingError as error:
                    self._failure = error.message
                    _log.warning("%s: the webhook key: %s", self._provider, error)
            return self._known

    def _asked_lately(self) -> bool:
        return (
            self._asked is not None
            and self._clock.monotonic() - self._asked < INTERVAL.total_seconds()
        )

    def _age(self, known: _Known) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - known.fetched)

    def _fetch(self) -> str:
        payload = self._open.get(self._url, operation="webhook key").payload
        try:
            pem = self._scheme.read_key(payload)
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever an answer can do to a reader
            raise WebhookRejected(f"an answer without a key: {type(error).__name__}") from None
        self._scheme.check_secret(pem)
        return pem


def _transport(provider: str, url: str, clock: Clock) -> Any:
    # Imported here: a receiver of a vendor with a secret needs no HTTP library.
    from recording_core.transport.public_key import PublicTransport

    try:
        return PublicTransport(provider, url, patience=PATIENCE, clock=clock)
    except ConfigurationError as error:
        raise ConfigurationError(error.message.replace("base_url", "key_url")) from None
