"""How does an emulator speak HTTP, well and badly? A loopback server that cuts and stalls."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from attrs import evolve, field, frozen

__all__ = ["LoopbackServer", "Reply", "Request"]


@frozen
class Request:
    """One request as it arrived.

    Attributes:
        method: such as `GET`
        path: still percent-encoded, without the query
        query: decoded pairs, in their order
        headers: by names in lower case
        body: the raw bytes
        origin: the port's own, such as `http://127.0.0.1:41234`
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    origin: str

    def header(self, name: str) -> str | None:
        """A header's value, whatever the letter case of its name."""
        return self.headers.get(name.lower())

    def arg(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), None)

    def args(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def json(self) -> Any:
        """The body's JSON; None for an empty body. Raises `ValueError` for anything else."""
        return json.loads(self.body) if self.body else None

    def segments(self) -> list[str]:
        """The path's decoded parts, without empty ones."""
        return [unquote(part) for part in self.path.split("/") if part]


@frozen
class Reply:
    """One answer, or one way to fail at giving it."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)
    #: `none`: neither a length nor chunks; the body ends where the connection does
    framing: Literal["length", "chunked", "none"] = "length"
    #: close after so many bytes of the body, which was announced whole
    cut_after: int | None = None
    #: close in the middle of the headers
    cut_headers: bool = False
    #: close without a byte
    abort: bool = False
    #: say nothing for so many seconds, before the headers or before the body
    stall: Literal["headers", "body"] | None = None
    stall_seconds: float = 30.0
    #: send one byte each so many seconds, of the headers or of the body
    drip: Literal["headers", "body"] | None = None
    drip_seconds: float = 0.05

    @classmethod
    def json(cls, payload: Any, status: int = 200, **headers: str) -> Reply:
        """A JSON answer; keyword `retry_after="3"` becomes the header `retry-after: 3`."""
        return cls(
            status,
            json.dumps(payload, separators=(",", ":")).encode(),
            {
                "Content-Type": "application/json",
                **{k.replace("_", "-"): v for k, v in headers.items()},
            },
        )

    def with_headers(self, **headers: str) -> Reply:
        """The same answer with more headers."""
        more = {key.replace("_", "-"): value for key, value in headers.items()}
        return evolve(self, headers={**self.headers, **more})


class LoopbackServer:
    """Serves `answer` on 127.0.0.1 from threads of its own until it is closed."""

    def __init__(self, answer: Callable[[Request], Reply], port: int = 0) -> None:
        self._closing = threading.Event()
        outer = self

        class Handler(_Handler):
            closing = outer._closing

            def answer(self, request: Request) -> Reply:
                return answer(request)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up in the middle is what the tests are about, no news."""

        self._server = Server(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.origin = f"http://127.0.0.1:{self.port}"
        Handler.origin = self.origin
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving; connections that still hang are let go."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    closing: threading.Event
    origin = ""

    def answer(self, request: Request) -> Reply:
        raise NotImplementedError

    def log_message(self, format: str, *args: Any) -> None:
        """Standard error belongs to the program that runs us."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.closing.is_set():
            return self._hang_up()  # a connection kept alive outlives the listening socket
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            origin=self.origin,
        )
        self._send(self.answer(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _send(self, reply: Reply) -> None:
        if reply.abort:
            return self._hang_up()
        head = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('',))[0]}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        bodiless = reply.status in (204, 304) or self.command == "HEAD"
        body = b"" if bodiless else reply.body
        if reply.framing == "length" and reply.status != 204:
            head.append(f"Content-Length: {len(reply.body)}")
        elif reply.framing == "chunked":
            head.append("Transfer-Encoding: chunked")
        elif reply.framing == "none":
            head.append("Connection: close")
            self.close_connection = True
        start = ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")
        if reply.cut_headers:
            self.wfile.write(start[: len(start) * 2 // 3])
            return self._hang_up()
        if reply.stall == "headers":
            self._pause(reply.stall_seconds)
        if reply.framing == "chunked" and not bodiless:
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
        if reply.cut_after is not None:
            self.wfile.write(start + body[: reply.cut_after])
            return self._hang_up()
        if reply.drip == "headers":
            self._drip(start, reply.drip_seconds)
        else:
            # One write for small answers: two would meet the peer's delayed acknowledgement.
            if reply.stall is None and reply.drip is None and len(body) < 65536:
                self.wfile.write(start + body)
                return None
            self.wfile.write(start)
        if reply.stall == "body":
            self._pause(reply.stall_seconds)
        if reply.drip == "body":
            self._drip(body, reply.drip_seconds)
        else:
            self.wfile.write(body)
        return None

    def _pause(self, seconds: float) -> None:
        self.closing.wait(seconds)

    def _drip(self, data: bytes, seconds: float) -> None:
        for index in range(len(data)):
            if self.closing.is_set():
                return
            self.wfile.write(data[index : index + 1])
            self._pause(seconds)

    def _hang_up(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other side was faster
