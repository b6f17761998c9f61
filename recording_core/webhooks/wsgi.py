"""How are callbacks taken by a WSGI server? A ready application, without a framework."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from recording_core.model.events import WebhookRequest
from recording_core.webhooks.endpoint import METHODS, Endpoint, taken, words
from recording_core.webhooks.receiver import Receiver

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

__all__ = ["wsgi_app"]

_CHUNK = 65536


def wsgi_app(receiver: Receiver | Mapping[str, Receiver], *, url: str) -> WSGIApplication:
    """A WSGI application (PEP 3333) that takes callbacks: one receiver, or several by path.

    `url` is the public URL that is configured at the vendor, or, for several, the one below which
    their paths are. Answers 200, the status of a `WebhookRejected`, or 503 where a listener
    raised, so that the vendor sends again.
    """
    endpoint = Endpoint(receiver, url)

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        status = _answer(endpoint, environ)
        body = words(status)
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers.append(("Allow", ", ".join(METHODS)))
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return application


def _answer(endpoint: Endpoint, environ: Mapping[str, Any]) -> HTTPStatus:
    # PEP 3333: bytes of a path come as latin-1.
    found = endpoint.find(environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"))
    if found is None:
        return HTTPStatus.NOT_FOUND
    receiver, url = found
    if environ["REQUEST_METHOD"] not in METHODS:
        return HTTPStatus.METHOD_NOT_ALLOWED
    body = _body(environ, receiver.max_body)
    if isinstance(body, HTTPStatus):
        return body
    query = environ.get("QUERY_STRING", "")
    request = WebhookRequest(
        method=environ["REQUEST_METHOD"],
        url=f"{url}?{query}" if query else url,
        headers=_headers(environ),
        body=body,
    )
    return taken(receiver, request)


def _body(environ: Mapping[str, Any], limit: int) -> bytes | HTTPStatus:
    """The raw bytes, or why they are not read."""
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not (length.isascii() and length.isdigit()):
            return HTTPStatus.BAD_REQUEST
        wanted = int(length) if len(length) < 20 else limit + 1
    elif environ.get("HTTP_TRANSFER_ENCODING") and not environ.get("wsgi.input_terminated"):
        # In chunks, which this server does not put together: to say 401 would blame the signature.
        return HTTPStatus.LENGTH_REQUIRED
    else:
        # Without a length only a server that ends the input itself can be read to its end.
        wanted = limit + 1 if environ.get("wsgi.input_terminated") else 0
    if length and wanted > limit:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    chunks: list[bytes] = []
    try:
        while wanted > 0:
            chunk = environ["wsgi.input"].read(min(wanted, _CHUNK))
            if not chunk:
                break
            chunks.append(chunk)
            wanted -= len(chunk)
    except OSError:
        return HTTPStatus.BAD_REQUEST  # whoever sent it hung up
    return b"".join(chunks)


def _headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = [
        (name[5:].replace("_", "-"), str(value))
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers.append((name.replace("_", "-"), str(environ[name])))
    return headers
