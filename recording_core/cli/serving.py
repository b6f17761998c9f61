"""Serving: receives webhooks with the standard library's WSGI server, in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import recording_core as rec

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


@contextmanager
def serve_receivers(
    receiver: rec.Receiver | Mapping[str, rec.Receiver],
    host: str = "127.0.0.1",
    port: int = 0,
    url: str | None = None,
) -> Iterator[str]:
    """Serve receivers until the `with` block ends; yields the server's address.

    `url` is the public URL that is configured at the vendor. Without it, it is this server's
    address; a single receiver then accepts requests at any path, and that path is part of its URL.
    Raises `ConfigurationError` if the server cannot listen at the host and port.
    """
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    from recording_core.webhooks import wsgi_app

    class Handler(WSGIRequestHandler):
        timeout = 30  # closes a connection on which nothing is sent

        def log_message(self, *_: Any) -> None:
            """Write no access log: standard error is for messages."""

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Ignore clients that close the connection."""

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise rec.ConfigurationError(
            f"Cannot listen at {host}:{port}: {error.strerror or error}"
        ) from None
    address = f"http://{host}:{server.server_port}"
    app = wsgi_app(receiver, url=url or address)

    def handle_any_path(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = quote(environ.get("PATH_INFO", ""), safe="/:@!$&'()*+,;=~", encoding="latin-1")
        app_at_path = wsgi_app(receiver, url=address + path) if path.strip("/") else app
        return app_at_path(environ, start_response)

    accepts_any_path = url is None and isinstance(receiver, rec.Receiver)
    server.set_app(handle_any_path if accepts_any_path else app)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
