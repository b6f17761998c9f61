"""Is this callback the vendor's, and what does it say? Measured, verified, and only then read."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from attrs import evolve

from recording_core.clock import Clock
from recording_core.errors import (
    ConfigurationError,
    PluginError,
    RecordingError,
    WebhookRejected,
)
from recording_core.model.events import RecordingEvent, WebhookRequest
from recording_core.plugins import registry as plugins
from recording_core.webhooks.public_key import PublishedKey
from recording_core.webhooks.scheme import WebhookScheme
from recording_core.webhooks.signatures import key_bytes

__all__ = ["MAX_BODY", "Verifier", "checked_account", "scheme_of", "unverified"]

_log = logging.getLogger("recording_core.webhooks")

#: Bytes of a body; a callback has some thousand.
MAX_BODY = 1024 * 1024
#: Characters of all headers, and of a URL: servers allow no more by default.
_MAX_HEADERS = 64 * 1024
_MAX_URL = 64 * 1024


class Verifier:
    """One vendor's scheme with the secrets of one account. Its repr shows none of them."""

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
        published: PublishedKey | None = None,
    ) -> None:
        self.provider = provider
        self.account = checked_account(account)
        self.max_body = max_body
        self._scheme = scheme
        self._secrets = _checked_secrets(provider, scheme, secret, key)
        self._published = published
        self._allow_v2 = bool(allow_v2)
        self._clock = clock

    def events_in(self, request: WebhookRequest) -> tuple[RecordingEvent, ...]:
        """What a genuine callback says. Raises `WebhookRejected` for any other."""
        _check_size(request, self.max_body)
        now = self._clock.now()
        try:
            self._check_signature(request, now)
        except WebhookRejected as error:
            _log.info("%s: callback refused: %s", self.provider, error)
            raise
        return _parsed(self._scheme, request, self.account, now)

    def _check_signature(self, request: WebhookRequest, now: datetime) -> None:
        if self._published is None:
            self._check_with(self._secrets, request, now)
            return
        key = self._published.current()
        try:
            self._check_with((key,), request, now)
        except WebhookRejected as error:
            # The vendor may have changed its key; whoever forges makes us ask no more often.
            newer = self._published.newer_than(key) if error.status == 401 else None
            if newer is None:
                raise
            self._check_with((newer,), request, now)

    def _check_with(self, secrets: tuple[str, ...], request: WebhookRequest, now: datetime) -> None:
        try:
            self._scheme.verify(request, secrets, now=now, allow_v2=self._allow_v2)
        except RecordingError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a stranger's bytes do to a scheme
            raise WebhookRejected(
                f"the signature cannot be checked: {type(error).__name__}"
            ) from None

    def __repr__(self) -> str:
        return f"<Verifier of {self.provider} account={self.account!r}>"


def unverified(
    provider: str, request: WebhookRequest, account: str, now: datetime
) -> tuple[RecordingEvent, ...]:
    """What a request claims, by whomever it was sent."""
    _check_size(request, MAX_BODY)
    events = _parsed(scheme_of(provider), request, checked_account(account), now)
    return tuple(evolve(event, trusted=False) for event in events)


def _check_size(request: WebhookRequest, max_body: int) -> None:
    given: object = request
    if not isinstance(given, WebhookRequest):
        raise TypeError(f"request must be a WebhookRequest, not {type(given).__name__}")
    if len(request.body) > max_body:
        raise WebhookRejected(f"a body of over {max_body} bytes", status=413)
    if sum(len(name) + len(value) for name, value in request.headers) > _MAX_HEADERS:
        raise WebhookRejected(f"headers of over {_MAX_HEADERS} characters")
    if len(request.url) > _MAX_URL:
        raise WebhookRejected(f"a URL of over {_MAX_URL} characters")


def _parsed(
    scheme: WebhookScheme, request: WebhookRequest, account: str, now: datetime
) -> tuple[RecordingEvent, ...]:
    try:
        return scheme.parse(request, account=account, now=now)
    except WebhookRejected:
        raise
    except RecordingError as error:
        raise WebhookRejected(f"a body that cannot be read: {error.message}") from None
    except Exception as error:  # noqa: BLE001  # whatever a body can do to a parser
        _log.debug("a body that cannot be read", exc_info=True)
        raise WebhookRejected(f"a body that cannot be read: {type(error).__name__}") from None


def scheme_of(provider: str) -> WebhookScheme:
    """An installed provider's scheme. `PluginError` where it is not installed, or has none."""
    info = plugins.provider_info(provider)
    kind = plugins.load_object(info, "webhooks")
    if not (isinstance(kind, type) and issubclass(kind, WebhookScheme)):
        raise PluginError(f"provider {provider!r} names {info.webhooks}: no WebhookScheme")
    return kind()


def checked_account(account: object) -> str:
    """The account's name, or `ConfigurationError`."""
    if not isinstance(account, str) or not account.strip():
        raise ConfigurationError("account must be a name, such as 'default'")
    return account


class _Hidden(tuple[str, ...]):
    """Secrets; a repr, and so a traceback that shows variables, says only how many."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets>"

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("secrets are not pickled")


def _checked_secrets(
    provider: str, scheme: WebhookScheme, secret: Any, key: Any
) -> tuple[str, ...]:
    if scheme.key_url is not None:
        if secret is not None:
            raise ConfigurationError(
                f"{provider} shares no secret, it signs with a key that it publishes: leave out "
                "secret=, and give key= (PEM) only to fetch nothing"
            )
        return _checked_each(provider, scheme, key, "key") if key is not None else ()
    if key is not None:
        raise ConfigurationError(f"{provider} signs with a shared secret: give secret=, not key=")
    if secret is None:
        raise ConfigurationError(
            f"{provider}'s callbacks cannot be verified without secret=; nothing is received "
            "unverified"
        )
    return _checked_each(provider, scheme, secret, "secret")


def _checked_each(provider: str, scheme: WebhookScheme, given: Any, name: str) -> tuple[str, ...]:
    # The value itself is never quoted.
    if isinstance(given, str):
        given = (given,)
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise ConfigurationError(
            f"{provider}'s {name} must be a str or several, not {type(given).__name__}"
        )
    several = _Hidden(given)
    if not several:
        raise ConfigurationError(f"{provider}'s {name} names none at all")
    for each in several:
        if not isinstance(each, str):
            raise ConfigurationError(
                f"{provider}'s {name} must be a str or several, not {type(each).__name__}"
            )
        if not each.strip():
            raise ConfigurationError(f"{provider}'s {name} must not be empty or blank")
        key_bytes(each)
        scheme.check_secret(each)
    return several
