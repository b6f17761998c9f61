"""Verification: check a webhook's size and signature, and only then parse it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from recording_core.clock import Clock
from recording_core.errors import ConfigurationError, PluginError, RecordingError, WebhookRejected
from recording_core.model.events import RecordingEvent
from recording_core.plugins import registry as plugins
from recording_core.webhooks.public_key import PublicKeyCache
from recording_core.webhooks.request import MAX_BODY, WebhookRequest
from recording_core.webhooks.scheme import WebhookScheme
from recording_core.webhooks.signatures import encode_secret

_log = logging.getLogger("recording_core.webhooks")

#: The most characters of all headers, and of a URL; servers allow no more by default.
_MAX_HEADERS = 64 * 1024
_MAX_URL = 64 * 1024


class Verifier:
    """One vendor's scheme with the secrets of one account. The repr shows no secret."""

    def __init__(
        self,
        provider: str,
        scheme: WebhookScheme,
        secret: Any,
        key: Any,
        account: str,
        *,
        clock: Clock,
        allow_v2: bool = False,
        max_body: int = MAX_BODY,
        public_key: PublicKeyCache | None = None,
    ) -> None:
        self.provider = provider
        self.account = require_account_name(account)
        self.max_body = max_body
        self._scheme = scheme
        self._secrets = _require_secrets(provider, scheme, secret, key)
        self._public_key = public_key
        self._allow_v2 = bool(allow_v2)
        self._clock = clock

    def verify_and_parse(self, request: WebhookRequest) -> tuple[RecordingEvent, ...]:
        """Verify a webhook and parse its events. Raises `WebhookRejected` if it is not genuine."""
        _check_size(request, self.max_body)
        now = self._clock.now()
        try:
            self._check_signature(request, now)
        except WebhookRejected as error:
            _log.info("%s: a webhook was rejected: %s", self.provider, error)
            raise
        return _parse_events(self._scheme, request, self.account, now)

    def _check_signature(self, request: WebhookRequest, now: datetime) -> None:
        if self._public_key is None:
            self._check_with(self._secrets, request, now)
        else:
            self._public_key.check(lambda keys: self._check_with(keys, request, now))

    def _check_with(self, secrets: Sequence[str], request: WebhookRequest, now: datetime) -> None:
        try:
            self._scheme.verify(request, secrets, now=now, allow_v2=self._allow_v2)
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # the provider's code, given any bytes
            raise WebhookRejected(
                f"The signature could not be checked: {type(error).__name__}"
            ) from None

    def __repr__(self) -> str:
        return f"<Verifier of {self.provider} account={self.account!r}>"


def parse_unverified(
    provider: str, request: WebhookRequest, account: str, now: datetime
) -> tuple[RecordingEvent, ...]:
    """Parse the events of a request without verifying it; each has `trusted=False`."""
    _check_size(request, MAX_BODY)
    events = _parse_events(load_scheme(provider), request, require_account_name(account), now)
    return tuple(evolve(event, trusted=False) for event in events)


def _check_size(request: WebhookRequest, max_body: int) -> None:
    given: object = request
    if not isinstance(given, WebhookRequest):
        raise TypeError(f"request must be a WebhookRequest, not {type(given).__name__}")
    if len(request.body) > max_body:
        raise WebhookRejected(f"The body is larger than {max_body} bytes", status=413)
    if sum(len(name) + len(value) for name, value in request.headers) > _MAX_HEADERS:
        raise WebhookRejected(f"The headers are longer than {_MAX_HEADERS} characters")
    if len(request.url) > _MAX_URL:
        raise WebhookRejected(f"The URL is longer than {_MAX_URL} characters")


def _parse_events(
    scheme: WebhookScheme, request: WebhookRequest, account: str, now: datetime
) -> tuple[RecordingEvent, ...]:
    try:
        return scheme.parse(request, account=account, now=now)
    except WebhookRejected:
        raise
    except RecordingError as error:
        raise WebhookRejected(f"The body cannot be read: {error.message}") from None
    except Exception as error:  # noqa: BLE001  # the provider's code, given any body
        _log.debug("a webhook's body cannot be read", exc_info=True)
        raise WebhookRejected(f"The body cannot be read: {type(error).__name__}") from None


def load_scheme(provider: str) -> WebhookScheme:
    """Load an installed provider's scheme.

    Raises `PluginError` if the provider is not installed or has no webhooks.
    """
    info = plugins.get_provider_info(provider)
    kind = plugins.load_object(info, "webhooks")
    if not (isinstance(kind, type) and issubclass(kind, WebhookScheme)):
        raise PluginError(
            f"The plugin of provider {provider!r} is broken: {info.webhooks} is not a subclass of "
            "WebhookScheme"
        )
    return kind()


def require_account_name(account: object) -> str:
    """Return the account's name. Raises `ConfigurationError` if it is not a name."""
    if not isinstance(account, str) or not account.strip():
        raise ConfigurationError("account must be a name, such as 'default'")
    return account


class _HiddenSecrets(tuple[str, ...]):
    """Secrets whose repr, which tracebacks with variables contain, shows only their number."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("secrets cannot be pickled")


def _require_secrets(
    provider: str, scheme: WebhookScheme, secret: Any, key: Any
) -> tuple[str, ...]:
    # The messages never quote the value.
    name, given = ("secret", secret) if scheme.key_url is None else ("key", key)
    if name == "key" and secret is not None:
        raise ConfigurationError(
            f"{provider} shares no secret: it signs with a key that it publishes. Omit "
            "secret=; key= (PEM) is needed only to avoid fetching the key"
        )
    if name == "secret" and key is not None:
        raise ConfigurationError(
            f"{provider} signs with a shared secret: pass secret= and not key="
        )
    if name == "secret" and secret is None:
        raise ConfigurationError(
            f"{provider}'s webhooks cannot be verified without secret=; the library receives no "
            "unverified webhooks"
        )
    if given is None:
        return ()
    is_single = isinstance(given, str | bytes) or not isinstance(given, Iterable)
    several = _HiddenSecrets((given,) if is_single else given)
    if not several:
        raise ConfigurationError(f"{provider}'s {name} must not be an empty list")
    for each in several:
        if not isinstance(each, str):
            raise ConfigurationError(
                f"{provider}'s {name} must be a str or several str, not {type(each).__name__}"
            )
        if not each.strip():
            raise ConfigurationError(f"{provider}'s {name} must not be empty or blank")
        encode_secret(each)
        scheme.check_secret(each)
    return several
