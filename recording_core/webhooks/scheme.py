"""How does one vendor sign its callbacks, and what do they say? A provider's webhooks answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from recording_core.errors import MalformedPayload
from recording_core.model.events import RecordingEvent, WebhookRequest
from recording_core.webhooks.signatures import key_bytes

__all__ = ["WebhookScheme"]


class WebhookScheme(ABC):
    """One vendor's callbacks: verified first, then read. Stateless, and no I/O of any kind.

    `ProviderInfo.webhooks` names the subclass. `receiver` and `receive` call `verify` before
    `parse`, always; both raise `WebhookRejected` for whatever is wrong with a request.
    """

    #: where the vendor publishes the public key that it signs with; None where it shares a secret
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
        """Return only if one of the secrets (or PEM public keys) signed these raw bytes.

        `now` is for vendors that sign a timestamp. `allow_v2` accepts a signature that does not
        cover the body, where the vendor still sends one. Raises `WebhookRejected`: 400 where the
        signature is missing or no signature at all, 401 where it is not the vendor's.
        """

    @abstractmethod
    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        """What the callback says, of recordings; empty for one about something else.

        A word that we don't know is an `UPDATED` event with status `unknown`, never an error.
        Raises `WebhookRejected` (400) for a body that cannot be read.
        """

    def read_key(self, payload: Any) -> str:
        """The key in PEM, out of the JSON that `key_url` answers. Overridden where there is one.

        Raises `MalformedPayload` for an answer that holds none.
        """
        raise MalformedPayload("this vendor publishes no key")

    def check_secret(self, secret: str) -> None:
        """Raise `ConfigurationError` for a secret (or PEM key) that cannot be this vendor's."""
        key_bytes(secret)
