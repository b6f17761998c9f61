"""How is a provider answered without a socket? Its connections are replaced, and nothing above.

Requests, retries, limits and the reading of bytes are those that a network would meet; an exchange
takes a third of the time. What a socket does by itself, such as to drip, is left to real ones.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import urllib3

from recording_core.provider.provider import Provider
from recording_core.testing.emulator.server import Reply, Request
from recording_core.transport.deadline import mark_sent

__all__ = ["unplug"]


def unplug(provider: Provider, answer: Callable[[Request], Reply]) -> None:
    """From now on `answer` gives what the provider's API would, at whatever address it is."""

    def pool(host: str, port: int | None = None, **settings: Any) -> _Pool:
        made = _Pool(host, port)
        made.answer = answer
        return made

    for scheme in ("http://", "https://"):
        adapter: Any = provider.transport._session.get_adapter(scheme)
        manager = adapter.poolmanager
        manager.clear()
        manager.pool_classes_by_scheme = {"http": pool, "https": pool}


class _Pool(urllib3.HTTPConnectionPool):
    answer: Callable[[Request], Reply]

    def urlopen(  # type: ignore[override]  # urllib3 has an overload for each of its versions
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> urllib3.HTTPResponse:
        mark_sent()
        parts = urlsplit(url)
        given = body.encode() if isinstance(body, str) else body
        reply = self.answer(
            Request(
                method=method,
                path=parts.path,
                query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in (headers or {}).items()},
                body=given or b"",
                origin=f"http://{self.host}:{self.port}",
            )
        )
        if reply.abort or reply.cut_headers:
            raise urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionResetError())
        if reply.stall:
            raise urllib3.exceptions.ReadTimeoutError(self, url, "Read timed out.")
        length = {"Content-Length": str(len(reply.body))}
        return urllib3.HTTPResponse(
            body=io.BytesIO(reply.body[: reply.cut_after]),
            headers={**length, **reply.headers},
            status=reply.status,
            preload_content=False,
            request_method=method,
            enforce_content_length=True,
        )
