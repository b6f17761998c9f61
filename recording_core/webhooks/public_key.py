"""Public key: fetch and cache the key that a vendor signs webhooks with."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from recording_core.clock import Clock
from recording_core.errors import ConfigurationError, RecordingError, WebhookRejected
from recording_core.forks import ForkSafeLock
from recording_core.webhooks.scheme import WebhookScheme

_log = logging.getLogger("recording_core.webhooks")

#: The shortest time between two fetches, successful or not, so that forged webhooks cannot cause
#: many requests to the vendor.
MIN_FETCH_INTERVAL = timedelta(minutes=1)
#: A key of this age is fetched again, so that a key which the vendor withdrew is not trusted for
#: ever.
MAX_AGE = timedelta(days=1)
#: How long a key is accepted after the vendor replaced it: a vendor sends a webhook again that was
#: signed before. No vendor documents for how long; each gives up sooner.
REPLACED_KEY_LIFETIME = timedelta(days=1)
#: Seconds for one fetch; the sender of the webhook waits meanwhile.
FETCH_TIMEOUT = 5.0


class PublicKeyCache:
    """One vendor's public key, fetched from its own https origin and cached. Thread-safe.

    No redirect is followed and no credential sent. The response is bounded in size and time.
    """

    def __init__(self, provider: str, url: str, scheme: WebhookScheme, *, clock: Clock) -> None:
        self._provider = provider
        self._url = url
        self._scheme = scheme
        self._clock = clock
        #: one thread fetches; a webhook that a cached key verifies never waits for it
        self._lock = ForkSafeLock()
        #: the current key and the one that it replaced, in PEM, each with the end of its validity
        self._keys: tuple[tuple[str, float], ...] = ()
        #: when the current key was fetched, when the last fetch began, and why it failed, if it did
        self._fetched_at = self._began_at = -math.inf
        self._failure: str | None = None
        #: how many fetches have begun, and the number of the latest that succeeded
        self._begun = self._succeeded = 0
        self._transport = _build_transport(provider, url, clock)

    def check(self, verify: Callable[[Sequence[str]], None]) -> None:
        """Call `verify` with the valid keys and, if it rejects them, with a newer one.

        Raises what `verify` raises, and `WebhookRejected` (503) if a newer key may verify the
        webhook: the vendor does not send it again after a 401. It is a 401 only if the key was
        fetched after the webhook arrived.
        """
        begun, tried, rejection = self._begun, list[str](), None
        for get_keys in (self._get_keys, self._get_newer_keys):
            keys = [each for each in get_keys() if each not in tried]
            if not keys:
                continue
            tried += keys
            try:
                verify(keys)
            except WebhookRejected as error:
                if error.status != 401:
                    raise
                rejection = error
            else:
                return
        if rejection is not None and self._succeeded > begun:
            raise rejection
        if self._failure is not None:
            raise self._build_error("a signature that no cached key verifies may use a newer one")
        raise WebhookRejected(
            f"No cached public key of {self._provider} verifies the webhook. A newer one may, but "
            "the key was requested a moment ago. The receiver requests it again for a webhook that "
            f"arrives more than {MIN_FETCH_INTERVAL / timedelta(seconds=1):.0f} seconds later",
            status=503,
        )

    def _get_keys(self) -> list[str]:
        """Return the valid keys. Raises `WebhookRejected` (503) if there is none."""
        if self._clock.monotonic() - self._fetched_at >= MAX_AGE.total_seconds():
            # Only without any key does a webhook wait for another thread's fetch.
            self._fetch_if_due(wait=not self._keys)
        if not self._keys:
            raise self._build_error("no webhook can be verified now")
        return self._list_valid_keys()

    def _get_newer_keys(self) -> list[str]:
        self._fetch_if_due(wait=False)
        return self._list_valid_keys()

    def _list_valid_keys(self) -> list[str]:
        now = self._clock.monotonic()
        return [pem for pem, until in self._keys if now < until]

    def _build_error(self, consequence: str) -> WebhookRejected:
        return WebhookRejected(
            f"{self._provider}'s public key could not be fetched, so that {consequence}: "
            f"{self._failure or 'another request for it is in progress'}",
            status=503,
        )

    def _fetch_if_due(self, *, wait: bool) -> None:
        """Fetch the key, at most once per interval, unless another thread is fetching it."""
        if not self._lock.acquire(timeout=FETCH_TIMEOUT + 1 if wait else 0):
            return
        try:
            now = self._clock.monotonic()
            if now - self._began_at < MIN_FETCH_INTERVAL.total_seconds():
                return
            self._began_at = now
            self._begun += 1
            pem = self._fetch()
            now = self._clock.monotonic()
            replaced = [each for each, until in self._keys if until == math.inf and each != pem]
            if replaced or not self._keys:
                until = now + REPLACED_KEY_LIFETIME.total_seconds()
                self._keys = ((pem, math.inf), *((each, until) for each in replaced))
            self._fetched_at, self._failure, self._succeeded = now, None, self._begun
        except RecordingError as error:
            self._failure = error.message
            message = "%s: the public key for webhooks could not be fetched: %s"
            _log.warning(message, self._provider, error)
        finally:
            self._lock.release()

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
