"""Loopback server: HTTP on 127.0.0.1, with replies that can be truncated, stalled and dripped."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

from attrs import evolve, field, frozen


@frozen
class Request:
    """A request as it arrived.

    Attributes:
        method: such as `GET`
        path: percent-encoded, without the query
        query: decoded pairs, in order
        headers: by lower-case name
        body: the raw bytes
        origin: of the port that it reached, such as `http://127.0.0.1:41234`
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    origin: str

    def header(self, name: str) -> str | None:
        """Return the value of a header, in any letter case, or None."""
        return self.headers.get(name.lower())

    def arg(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)

    def args(self, name: str) -> list[str]:
        """Return all values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def json(self) -> Any:
        """Decode the JSON body; None for an empty body. Raises `ValueError` if it is not JSON."""
        return json.loads(self.body) if self.body else None

    def json_object(self) -> dict[str, Any] | None:
        """Decode the body; None if it is not a JSON object."""
        try:
            body = self.json()
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def require_object(self, error: Exception) -> dict[str, Any]:
        """Decode the body. Raises `error` if it is not a JSON object."""
        if (body := self.json_object()) is None:
            raise error
        return body

    def read_time(self, name: str, error: Exception) -> datetime | None:
        """Read a parameter in ISO 8601, in UTC by default. Raises `error` if it is invalid."""
        if (given := self.arg(name)) is None:
            return None
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            raise error from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def segments(self) -> list[str]:
        """Return the decoded, non-empty parts of the path."""
        return [unquote(part) for part in self.path.split("/") if part]


@frozen
class Reply:
    """A response to send, or a fault in place of it.

    Each fault ends or delays the response at one point, so that a client's reaction can be tested.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(factory=dict)
    #: `none`: neither a length nor chunks; the body ends with the connection
    framing: Literal["length", "chunked", "none"] = "length"
    #: close the connection after so many bytes of the body; Content-Length names the whole
    cut_after: int | None = None
    #: close the connection in the middle of the headers
    cut_headers: bool = False
    #: close the connection before the first byte
    abort: bool = False
    #: pause for `stall_seconds` before the headers, before the body or in the middle of the body
    stall: Literal["headers", "body", "middle"] | None = None
    stall_seconds: float = 30.0
    #: send the headers or the body byte by byte, with `drip_seconds` between two bytes
    drip: Literal["headers", "body"] | None = None
    drip_seconds: float = 0.05

    @classmethod
    def json(cls, payload: Any, status: int = 200, **headers: str) -> Reply:
        """Build a JSON reply; the keyword `retry_after="3"` is the header `retry-after: 3`."""
        body = json.dumps(payload, separators=(",", ":")).encode()
        return cls(status, body, {"Content-Type": "application/json"}).with_headers(**headers)

    def with_headers(self, **headers: str) -> Reply:
        """Return this reply with more headers."""
        more = {key.replace("_", "-"): value for key, value in headers.items()}
        return evolve(self, headers={**self.headers, **more})


class LoopbackServer:
    """An HTTP server on 127.0.0.1 that replies by `answer`, from its own threads, until closed.

    What `answer` raises is the body of an HTTP 500, and raised again on leaving a `with` block.
    """

    def __init__(self, answer: Callable[[Request], Reply], port: int = 0) -> None:
        self._server = _Server(answer, port)
        self.port: int = self._server.server_address[1]
        self.origin = self._server.origin
        #: what `answer` raised, oldest first
        self.errors = self._server.errors
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving, and end responses that still stall or drip."""
        self._server.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        if self.errors:
            raise self.errors[0]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Callable[[Request], Reply], port: int) -> None:
        super().__init__(("127.0.0.1", port), _RequestHandler)
        self.answer = answer
        self.origin = f"http://127.0.0.1:{self.server_address[1]}"
        self.closing = threading.Event()
        self.errors: list[Exception] = []

    def build_reply(self, request: Request) -> Reply:
        try:
            return self.answer(request)
        except Exception as error:  # noqa: BLE001  # raised again by `__exit__`
            self.errors.append(error)
            text = "".join(traceback.format_exception(error))
            return Reply(500, text.encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close early: that is what the tests do."""


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: standard error belongs to the program that runs the server."""

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.server.closing.is_set():
            return self._abort_connection()  # a connection kept alive outlives the listening socket
        path, _, query = self.path.partition("?")
        request = Request(
            method=self.command,
            path=path,
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            origin=self.server.origin,
        )
        self._send(self.server.build_reply(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _serve

    def _send(self, reply: Reply) -> None:
        if reply.abort:
            return self._abort_connection()
        head, body = self._build_head(reply), self._build_body(reply)
        if reply.cut_headers:
            self.wfile.write(head[: len(head) * 2 // 3])
            return self._abort_connection()
        if reply.cut_after is not None:
            body = body[: reply.cut_after]
        if reply.stall is None and reply.drip is None and len(body) < 65536:
            # One write for small replies: two would wait for the client's delayed ACK.
            head, body = head + body, b""
        half = len(body) // 2
        for part, data in (("headers", head), ("body", body[:half]), ("middle", body[half:])):
            if reply.stall == part:
                self.server.closing.wait(reply.stall_seconds)
            if reply.drip == part or (reply.drip, part) == ("body", "middle"):
                self._drip(data, reply.drip_seconds)
            else:
                self.wfile.write(data)
        if reply.cut_after is not None:
            self._abort_connection()
        return None

    def _build_head(self, reply: Reply) -> bytes:
        head = [f"HTTP/1.1 {reply.status} {self.responses.get(reply.status, ('',))[0]}"]
        head += [f"{name}: {value}" for name, value in reply.headers.items()]
        if reply.framing == "length" and reply.status != 204:
            head.append(f"Content-Length: {len(reply.body)}")
        elif reply.framing == "chunked":
            head.append("Transfer-Encoding: chunked")
        elif reply.framing == "none":
            head.append("Connection: close")
            self.close_connection = True
        return ("\r\n".join(head) + "\r\n\r\n").encode("latin-1")

    def _build_body(self, reply: Reply) -> bytes:
        if reply.status in (204, 304) or self.command == "HEAD":
            return b""
        if reply.framing == "chunked":
            chunk = b"%x\r\n%s\r\n" % (len(reply.body), reply.body) if reply.body else b""
            return chunk + b"0\r\n\r\n"
        return reply.body

    def _drip(self, data: bytes, seconds: float) -> None:
        for index in range(len(data)):
            if self.server.closing.is_set():
                return
            self.wfile.write(data[index : index + 1])
            self.server.closing.wait(seconds)

    def _abort_connection(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the client has closed it
