"""In-memory transport: answer a provider's requests without a socket.

Only the connections are replaced: requests, retries, limits and the reading of bytes are those of
a network, in a third of the time. Replies that drip need a real socket.
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


def serve_in_memory(provider: Provider, answer: Callable[[Request], Reply]) -> None:
    """Answer all further requests of the provider by `answer`, for any host."""

    def build_pool(host: str, port: int | None = None, **settings: Any) -> _InMemoryPool:
        in_memory = _InMemoryPool(host, port)
        in_memory.answer = answer
        return in_memory

    adapter: Any = provider.transport._session.get_adapter("https://")
    adapter._one_use = adapter
    manager = adapter.poolmanager
    manager.clear()
    manager.pool_classes_by_scheme = {"http": build_pool, "https": build_pool}


class _InMemoryPool(urllib3.HTTPConnectionPool):
    answer: Callable[[Request], Reply]

    def urlopen(  # type: ignore[override]  # its overloads differ by urllib3's version
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> urllib3.HTTPResponse:
        mark_sent()
        parts = urlsplit(url)
        content = body.encode() if isinstance(body, str) else body
        reply = self.answer(
            Request(
                method=method,
                path=parts.path,
                query=tuple(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in (headers or {}).items()},
                body=content or b"",
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
