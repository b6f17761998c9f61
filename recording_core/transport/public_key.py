"""Public key: read the documents that a vendor publishes, without credentials."""

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

#: Bytes of a response; a key in PEM has some hundred.
_MAX_BYTES = 64 * 1024


class PublicTransport(Transport):
    """The way to one vendor's public documents: no credentials, no retries, no redirects.

    `timeout` (seconds) bounds each request.
    """

    def __init__(self, provider: str, url: str, *, timeout: float, clock: Clock) -> None:
        parts = urlsplit(url)
        super().__init__(
            provider=provider,
            base_url=f"{parts.scheme}://{parts.netloc}",
            auth=NoAuth(),
            secrets=(),
            settings=HttpSettings(
                connect_timeout=timeout,
                read_timeout=timeout,
                total_timeout=timeout,
                retries=0,
                workers=1,
                max_json_bytes=_MAX_BYTES,
            ),
            clock=clock,
            rate=None,
            error_details=lambda status, headers, body: ErrorDetails(),
            path_words=parts.path.replace("/", " "),
        )

    def _resolve_redirect(
        self, method: str, url: str, response: requests.Response, facts: Mapping[str, Any]
    ) -> str:
        raise Rejected(
            "The vendor redirects the request for its public document; the redirect was not "
            "followed",
            status=response.status_code,
            **facts,
        )
