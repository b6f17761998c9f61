"""How are callbacks taken on this machine? By a WSGI server of the standard library, in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import recording_core as rec

if TYPE_CHECKING:
    from wsgiref.types import StartResponse

__all__ = ["listening"]


@contextmanager
def listening(
    receiver: rec.Receiver | Mapping[str, rec.Receiver],
    host: str = "127.0.0.1",
    port: int = 0,
    url: str | None = None,
) -> Iterator[str]:
    """Serve until the `with` ends; yields the address. `url` is what the vendor knows it as.

    Without it that is this address, and for one receiver whichever path below it was called.
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
    at_any_path = url is None and isinstance(receiver, rec.Receiver)
    app = wsgi_app(receiver, url=url or address)

    def called(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        path = quote(environ.get("PATH_INFO", ""), safe="/:@!$&'()*+,;=~", encoding="latin-1")
        below = wsgi_app(receiver, url=address + path) if path.strip("/") else app
        return below(environ, start_response)

    server.set_app(called if at_any_path else app)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield address
    finally:
        server.shutdown()
        server.server_close()
