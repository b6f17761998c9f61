"""How are callbacks taken on this machine? By a WSGI server of the standard library, in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import recording_core as rec

__all__ = ["listening"]


@contextmanager
def listening(
    receiver: rec.Receiver | Mapping[str, rec.Receiver],
    host: str = "127.0.0.1",
    port: int = 0,
    url: str | None = None,
) -> Iterator[str]:
    """Serve until the `with` ends; yields the address. `url` is what the vendor knows it as.

    Raises `ConfigurationError` where nobody can listen.
    """
    from socketserver import ThreadingMixIn
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

    from recording_core.webhooks import wsgi_app

    class Handler(WSGIRequestHandler):
        timeout = 30  # whoever connects and says nothing

        def log_message(self, *_: Any) -> None:
            """Standard error is for words that somebody reads."""

    class Server(ThreadingMixIn, WSGIServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that hangs up is no news."""

    try:
        server = Server((host, port), Handler)
    except OSError as error:
        raise rec.ConfigurationError(
            f"cannot listen at {host}:{port}: {error.strerror or error}"
        ) from None
    address = f"http://{host}:{server.server_port}"
    server.set_app(wsgi_app(receiver, url=url or address))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
