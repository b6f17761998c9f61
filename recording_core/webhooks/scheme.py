"""Webhook scheme: the base class of a provider's webhooks, which verifies and parses them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from recording_core.errors import MalformedPayload
from recording_core.model.events import RecordingEvent
from recording_core.webhooks.request import WebhookRequest
from recording_core.webhooks.signatures import encode_secret


class WebhookScheme(ABC):
    """How to verify and parse one vendor's webhooks. Stateless; does no I/O.

    `ProviderInfo.webhooks` names the subclass. `receiver` and `receive` always call `verify`
    before `parse`. Both methods raise `WebhookRejected` for an invalid request.
    """

    #: the URL of the public key that the vendor signs with; None if it shares a secret
    key_url: ClassVar[str | None] = None

    @abstractmethod
    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        """Check that one of the secrets (or PEM public keys) signed these raw bytes.

        Arguments:
            request: the raw request
            secrets: the shared secrets, or the public keys in PEM
            now: for vendors that sign a timestamp
            allow_v2: accept a signature that does not cover the body, if the vendor sends one

        Raises `WebhookRejected`: 400 if the signature is missing or malformed, 401 if it is not
        the vendor's.
        """

    @abstractmethod
    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        """Parse the recording events of a webhook; empty if it is about something else.

        An unknown event name is an `UPDATED` event with status `unknown`, never an error. Raises
        `WebhookRejected` (400) for a body that cannot be read.
        """

    def read_key(self, payload: Any) -> str:
        """Read the public key in PEM from the JSON at `key_url`. Override it if there is one.

        Raises `MalformedPayload` if the JSON contains no key.
        """
        raise MalformedPayload("This vendor publishes no key")

    def check_secret(self, secret: str) -> None:
        """Raise `ConfigurationError` for a secret (or PEM key) that cannot be this vendor's."""
        encode_secret(secret)
