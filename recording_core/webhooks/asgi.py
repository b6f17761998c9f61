"""How are callbacks taken by an ASGI server? A ready application, without a framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from recording_core.model.events import WebhookRequest
from recording_core.webhooks.endpoint import METHODS, Endpoint, taken, words
from recording_core.webhooks.receiver import Receiver

__all__ = ["asgi_app"]

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi_app(receiver: Receiver | Mapping[str, Receiver], *, url: str) -> Application:
    """An ASGI 3 application that takes callbacks: one receiver, or several by path.

    As `wsgi_app`. Receiving is done in a thread, so that a listener may block.
    """
    endpoint = Endpoint(receiver, url)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            status = await _answer(endpoint, scope, receive)
            if status is not None:
                await _send(status, send)

    return application


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(endpoint: Endpoint, scope: Message, receive: Receive) -> HTTPStatus | None:
    """The status to answer; None where nobody is there any more."""
    found = endpoint.find(scope["path"].removeprefix(scope.get("root_path", "")))
    if found is None:
        return HTTPStatus.NOT_FOUND
    receiver, url = found
    if scope["method"] not in METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > receiver.max_body:
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        chunks.append(chunk)
        more = message.get("more_body", False)
    query = scope.get("query_string", b"").decode("latin-1")
    request = WebhookRequest(
        method=scope["method"],
        url=f"{url}?{query}" if query else url,
        headers=scope["headers"],
        body=b"".join(chunks),
    )
    return await asyncio.to_thread(taken, receiver, request)


async def _send(status: HTTPStatus, send: Send) -> None:
    body = words(status)
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append((b"allow", ", ".join(METHODS).encode()))
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})
