"""Webhook request: one delivery before any parsing, from any framework, WSGI or ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Self

from attrs import Attribute, field, frozen

from recording_core.errors import WebhookRejected
from recording_core.redaction import redact_url

#: The most bytes of a body; webhooks have some thousand.
MAX_BODY = 1024 * 1024
_CHUNK = 65536


class ClientDisconnected(WebhookRejected):
    """The client of an ASGI server disconnected, so that it receives no response."""


def _convert_headers(
    given: Mapping[Any, Any] | Iterable[tuple[Any, Any]],
) -> tuple[tuple[str, str], ...]:
    """Convert headers to pairs of `str`, from lists, bytes, repeated names or any case."""
    pairs = given.items() if isinstance(given, Mapping) else given
    return tuple(
        (_decode_text(name).lower(), _decode_text(each))
        for name, value in pairs
        for each in (value if isinstance(value, list | tuple) else (value,))
    )


def _decode_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)


def _convert_body(given: bytes | bytearray | memoryview) -> bytes:
    body: object = given
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(
            f"body must be the raw bytes, since vendors sign those, not {type(body).__name__}"
        )
    return bytes(body)


def _require_str(_: WebhookRequest, attribute: Attribute[str], value: object) -> None:
    # Without this check, a framework's URL object or a method in bytes would fail much later, in
    # the verification.
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__}")


@frozen
class WebhookRequest:
    """One webhook delivery as your web framework received it, before any parsing.

    Raises `TypeError` if `method` or `url` is not a `str`, or `body` is not bytes.

    Attributes:
        method: the HTTP method, such as `POST`
        url: the public URL that is configured at the vendor, since vendors sign it. Do not build it
            from the `Host` header
        headers: a mapping or pairs, with names in any case
        body: the raw bytes, since vendors sign those
    """

    method: str = field(validator=_require_str)
    url: str = field(validator=_require_str, repr=redact_url)
    headers: tuple[tuple[str, str], ...] = field(converter=_convert_headers, repr=False, default=())
    body: bytes = field(converter=_convert_body, repr=False, default=b"")

    @classmethod
    def from_wsgi(cls, environ: Mapping[str, Any], *, url: str, max_body: int = MAX_BODY) -> Self:
        """Build a request from the environment of a WSGI application (PEP 3333); reads the body.

        Arguments:
            environ: its body must not have been read before
            url: the public URL that is configured at the vendor; the query that arrived replaces
                its own
            max_body: the largest body that is read, in bytes

        Raises `WebhookRejected`: 400 if the body cannot be read, 411 for a body in chunks that the
        server does not decode, 413 for a larger body.
        """
        headers = [
            (name.removeprefix("HTTP_").replace("_", "-"), str(value))
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name in ("CONTENT_TYPE", "CONTENT_LENGTH") and value)
        ]
        url = _replace_query(url, environ.get("QUERY_STRING", ""))
        return cls(environ["REQUEST_METHOD"], url, headers, _read_wsgi_body(environ, max_body))

    @classmethod
    async def from_asgi(
        cls,
        scope: Mapping[str, Any],
        receive: Callable[[], Awaitable[Mapping[str, Any]]],
        *,
        url: str,
        max_body: int = MAX_BODY,
    ) -> Self:
        """Build a request from the arguments of an ASGI application; reads the body.

        Arguments and errors are those of `from_wsgi`; a client that disconnects is a 400.
        """
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected("The client disconnected before the body was complete")
            body += message.get("body", b"")
            if len(body) > max_body:
                raise _build_size_error(max_body)
            more = message.get("more_body", False)
        url = _replace_query(url, scope.get("query_string", b"").decode("latin-1"))
        return cls(scope["method"], url, scope["headers"], body)

    def header(self, name: str) -> str | None:
        """Return a header by its name in any case, or `None`.

        Repeated headers are joined by commas (RFC 9110, 5.3).
        """
        wanted = name.lower()
        found = [value for each, value in self.headers if each == wanted]
        return ", ".join(found) if found else None


def remove_query(url: str) -> str:
    """Remove the query and the fragment of a URL. Raises `TypeError` if it is not a `str`."""
    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    return url.partition("#")[0].partition("?")[0]


def _replace_query(url: str, query: str) -> str:
    base = remove_query(url)
    return f"{base}?{query}" if query else base


def _read_wsgi_body(environ: Mapping[str, Any], limit: int) -> bytes:
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        if not (length.isascii() and length.isdigit()):
            raise WebhookRejected("The header Content-Length is not a number")
        wanted = int(length) if len(length) < 20 else limit + 1
        if wanted > limit:
            raise _build_size_error(limit)
    elif environ.get("wsgi.input_terminated"):
        wanted = limit + 1
    elif environ.get("HTTP_TRANSFER_ENCODING"):
        # This server does not decode chunked bodies. A 401 would wrongly blame the signature.
        raise WebhookRejected("The server does not decode a body in chunks", status=411)
    else:
        wanted = 0  # without a length, and without an end, the input cannot be read
    body = bytearray()
    try:
        while len(body) < wanted:
            chunk = environ["wsgi.input"].read(min(wanted - len(body), _CHUNK))
            if not chunk:
                break
            body += chunk
    except OSError:
        raise WebhookRejected("The client disconnected before the body was complete") from None
    if len(body) > limit:
        raise _build_size_error(limit)
    if length and len(body) < wanted:  # a 401 would wrongly blame the signature
        raise WebhookRejected(
            f"Only {len(body)} of the {wanted} bytes of the body could be read: the client "
            "disconnected, or something before this read a part of it"
        )
    return bytes(body)


def _build_size_error(limit: int) -> WebhookRejected:
    return WebhookRejected(f"The body is larger than {limit} bytes", status=413)
