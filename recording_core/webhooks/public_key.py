"""Public key: fetch and cache the key that a vendor signs webhooks with."""

from __future__ import annotations

import logging
import math
import threading
from datetime import timedelta
from typing import Any

from attrs import field, frozen

from recording_core.clock import Clock
from recording_core.errors import ConfigurationError, RecordingError, WebhookRejected
from recording_core.webhooks.scheme import WebhookScheme

_log = logging.getLogger("recording_core.webhooks")

#: The shortest time between two fetches, successful or not, so that forged webhooks cannot cause
#: many requests to the vendor.
MIN_FETCH_INTERVAL = timedelta(minutes=1)
#: A key of this age is fetched again, so that a key which the vendor withdrew is not trusted for
#: ever.
MAX_AGE = timedelta(days=1)
#: Seconds for one fetch; the sender of the webhook waits meanwhile.
FETCH_TIMEOUT = 5.0


@frozen
class _CachedKey:
    pem: str = field(repr=False)
    fetched: float


class PublicKeyCache:
    """One vendor's public key, fetched from its own https origin and cached. Thread-safe.

    No redirect is followed and no credential sent. The response is bounded in size and time.
    """

    def __init__(self, provider: str, url: str, scheme: WebhookScheme, *, clock: Clock) -> None:
        self._provider = provider
        self._url = url
        self._scheme = scheme
        self._clock = clock
        self._lock = threading.Lock()
        self._cached: _CachedKey | None = None
        #: when the last fetch began, and why it failed, if it did
        self._last_fetch = -math.inf
        self._failure: str | None = None
        self._transport = _build_transport(provider, url, clock)

    def get_current(self) -> str:
        """Return the key in PEM. Raises `WebhookRejected` (503) if it cannot be fetched."""
        cached = self._cached
        now = self._clock.monotonic()
        if cached is None or now - cached.fetched >= MAX_AGE.total_seconds():
            cached = self._replace(cached)
        if cached is None:
            raise self._build_error("no webhook can be verified now")
        return cached.pem

    def find_newer(self, pem: str) -> str | None:
        """Return a key that replaced this one, or None; fetches at most once per interval.

        Raises `WebhookRejected` (503) if the last fetch failed, so that it is unknown.
        """
        cached = self._cached
        if cached is not None and cached.pem == pem:
            cached = self._replace(cached)
        if cached is not None and cached.pem != pem:
            return cached.pem
        if self._failure is not None:
            raise self._build_error("a signature that the cached key rejects may use a newer one")
        return None

    def _build_error(self, consequence: str) -> WebhookRejected:
        return WebhookRejected(
            f"{self._provider}'s public key could not be fetched, so that {consequence}: "
            f"{self._failure}",
            status=503,
        )

    def _replace(self, cached: _CachedKey | None) -> _CachedKey | None:
        """Fetch a key in place of this one, unless another thread just did, and return it."""
        with self._lock:  # one fetch serves all threads that wait for it
            now = self._clock.monotonic()
            is_due = now - self._last_fetch >= MIN_FETCH_INTERVAL.total_seconds()
            if self._cached is cached and is_due:
                self._last_fetch = now
                try:
                    self._cached = _CachedKey(self._fetch(), self._clock.monotonic())
                    self._failure = None
                except RecordingError as error:
                    self._failure = error.message
                    message = "%s: the public key for webhooks could not be fetched: %s"
                    _log.warning(message, self._provider, error)
            return self._cached

    def _fetch(self) -> str:
        payload = self._transport.get(self._url, operation="fetch public key").payload
        try:
            pem = self._scheme.read_key(payload)
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # the provider's code, given any response
            raise WebhookRejected(f"The response contains no key: {type(error).__name__}") from None
        self._scheme.check_secret(pem)
        return pem


def _build_transport(provider: str, url: str, clock: Clock) -> Any:
    # Imported here, since a vendor that shares a secret needs no HTTP library.
    from recording_core.transport.public_key import PublicTransport

    try:
        return PublicTransport(provider, url, timeout=FETCH_TIMEOUT, clock=clock)
    except ConfigurationError as error:
        raise ConfigurationError(error.message.replace("base_url", "key_url")) from None
