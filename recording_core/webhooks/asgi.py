"""ASGI application that receives webhooks; needs no framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

from recording_core.errors import WebhookRejected
from recording_core.webhooks.endpoint import Endpoint, build_response, handle_request
from recording_core.webhooks.receiver import Receiver
from recording_core.webhooks.request import ClientDisconnected, WebhookRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


def asgi_app(receiver: Receiver | Mapping[str, Receiver], *, url: str) -> Application:
    """Build an ASGI 3 application that receives webhooks: for one receiver, or several by path.

    Arguments and responses are those of `wsgi_app`. Each webhook is received in a thread, so that
    a listener may block.
    """
    endpoint = Endpoint(receiver, url)

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _handle_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            await _handle_http(endpoint, scope, receive, send)

    return application


async def _handle_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _handle_http(endpoint: Endpoint, scope: Message, receive: Receive, send: Send) -> None:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    try:
        found, url = endpoint.find_receiver(scope["method"], path)
        request = await WebhookRequest.from_asgi(scope, receive, url=url, max_body=found.max_body)
        status = await asyncio.to_thread(handle_request, found, request)
    except ClientDisconnected:
        return
    except WebhookRejected as error:
        status = HTTPStatus(error.status)
    headers, body = build_response(status)
    lines = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status.value, "headers": lines})
    await send({"type": "http.response.body", "body": body})
