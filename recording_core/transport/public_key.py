"""How is what a vendor publishes for everybody read? Without credentials, from its origin alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests

from recording_core.clock import Clock
from recording_core.errors import Rejected
from recording_core.transport.authentication import NoAuth
from recording_core.transport.client import Transport
from recording_core.transport.settings import HttpSettings
from recording_core.transport.status_codes import ErrorDetails

__all__ = ["PublicTransport"]

#: Bytes of an answer; a key in PEM has some hundred.
_MAX_ANSWER = 64 * 1024


class PublicTransport(Transport):
    """Reads one vendor's public documents, once a call; follows no redirect, signs nothing in."""

    def __init__(self, provider: str, url: str, *, patience: float, clock: Clock) -> None:
        parts = urlsplit(url)
        super().__init__(
            provider=provider,
            base_url=f"{parts.scheme}://{parts.netloc}",
            auth=NoAuth(),
            secrets=(),
            settings=HttpSettings(
                connect_timeout=patience,
                read_timeout=patience,
                total_timeout=patience,
                retries=0,
                workers=1,
                max_json_bytes=_MAX_ANSWER,
            ),
            clock=clock,
            rate=None,
            error_details=lambda status, headers, body: ErrorDetails(),
        )

    def _redirected(
        self, method: str, url: str, response: requests.Response, facts: Mapping[str, Any]
    ) -> str:
        raise Rejected(
            "the vendor's document is elsewhere now: a redirect is not followed",
            status=response.status_code,
            **facts,
        )
