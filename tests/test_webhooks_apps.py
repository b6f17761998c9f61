"""WSGI and ASGI applications: they respond as vendors expect, without details of errors."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
import uvicorn

import recording_core as rec
from recording_core.webhooks import asgi_app, wsgi_app

URL = "https://app.example/hooks?tenant=1"


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Log nothing, so that the output of the tests stays readable."""


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Any], str]]:
    """`served("wsgi", app)` serves the application and returns its address on loopback."""
    ends: list[Callable[[], None]] = []

    def serve(kind: str, app: Any) -> str:
        if kind == "wsgi":
            server = make_server("127.0.0.1", 0, app, handler_class=QuietHandler)
            run = threading.Thread(target=server.serve_forever, args=(0.02,))
            run.start()
            ends.extend((server.shutdown, run.join, server.server_close))
            return f"http://127.0.0.1:{server.server_port}"
        config = uvicorn.Config(app, port=0, log_config=None, lifespan="on")
        asgi = uvicorn.Server(config)
        run = threading.Thread(target=asgi.run)
        run.start()
        while not asgi.started:
            assert run.is_alive()
        ends.extend((lambda: setattr(asgi, "should_exit", True), run.join))
        return f"http://127.0.0.1:{asgi.servers[0].sockets[0].getsockname()[1]}"

    yield serve
    for end in ends:
        end()


def build_app(kind: str, receiver: Any, url: str = URL) -> Any:
    return wsgi_app(receiver, url=url) if kind == "wsgi" else asgi_app(receiver, url=url)


both = pytest.mark.parametrize("kind", ["wsgi", "asgi"])


def post(address: str, webhook: rec.WebhookRequest, **more: Any) -> requests.Response:
    arguments: dict[str, Any] = {"headers": dict(webhook.headers), "data": webhook.body}
    return requests.post(address, timeout=5, **arguments | more)


@both
def test_webhook_and_its_replay_are_accepted(made_up: Any, served: Any, kind: str) -> None:
    receiver = rec.receiver("sharing", secret=made_up.secret)
    address = served(kind, build_app(kind, receiver))
    assert [post(address, made_up.build_request()).status_code for _ in range(3)] == [200] * 3
    assert len(made_up.dispatched) == 1


@both
def test_rejected_webhook_is_answered_with_its_status_only(
    made_up: Any, served: Any, kind: str
) -> None:
    receiver = rec.Receiver("sharing", secret=made_up.secret, max_body=1000)
    address = served(kind, build_app(kind, receiver))
    unsigned = rec.WebhookRequest("POST", URL, {}, b"{}")
    for webhook, status, text in (
        (made_up.build_request(secret="another secret"), 401, "Unauthorized\n"),
        (made_up.build_request(b"no JSON"), 400, "Bad Request\n"),
        (unsigned, 400, "Bad Request\n"),
        (made_up.build_request(bytes(1001)), 413, "Request Entity Too Large\n"),
    ):
        answer = post(address, webhook)
        assert answer.status_code == status
        assert answer.text in (text, "Content Too Large\n")  # its name since Python 3.13
    assert made_up.dispatched == []


@both
def test_listener_that_raises_is_answered_with_503(made_up: Any, served: Any, kind: str) -> None:
    address = served(kind, build_app(kind, rec.receiver("sharing", secret=made_up.secret)))
    made_up.listener_error = RuntimeError("hunter22")
    answer = post(address, made_up.build_request())
    assert (answer.status_code, answer.text) == (503, "Service Unavailable\n")
    made_up.listener_error = None
    assert post(address, made_up.build_request()).status_code == 200
    assert len(made_up.dispatched) == 1


@both
def test_each_method_that_vendors_offer_is_accepted(made_up: Any, served: Any, kind: str) -> None:
    address = served(kind, build_app(kind, rec.receiver("sharing", secret=made_up.secret)))
    for method in ("POST", "GET", "PUT", "DELETE"):
        webhook = made_up.build_request({"event": "available", "id": method})
        answer = requests.request(
            method, address, headers=dict(webhook.headers), data=webhook.body, timeout=5
        )
        assert answer.status_code == 200
    assert [each.recording_id for each in made_up.dispatched] == ["POST", "GET", "PUT", "DELETE"]


@both
def test_other_methods_are_answered_with_405(made_up: Any, served: Any, kind: str) -> None:
    address = served(kind, build_app(kind, rec.receiver("sharing", secret=made_up.secret)))
    for method in ("PATCH", "OPTIONS", "HEAD"):
        answer = requests.request(method, address, timeout=5)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST, GET, PUT, DELETE"
    assert requests.get(address, timeout=5).status_code == 400  # some vendors use GET


@both
def test_request_url_is_the_configured_one_with_the_received_query(
    made_up: Any, served: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[rec.WebhookRequest] = []
    monkeypatch.setattr(rec.Receiver, "receive", lambda self, request: seen.append(request))
    receiver = rec.receiver("sharing", secret=made_up.secret)
    address = served(kind, build_app(kind, receiver))
    post(
        f"{address}/any/path?tenant=1&x=%20é",
        made_up.build_request(),
        headers={"Host": "evil.example"},
    )
    post(address, made_up.build_request(b"\x00\xff"))
    assert seen[0].url == "https://app.example/hooks?tenant=1&x=%20%C3%A9"
    assert seen[1].url == "https://app.example/hooks"
    assert (seen[1].method, seen[1].body) == ("POST", b"\x00\xff")
    assert seen[1].header("X-Signature") == made_up.build_request(b"\x00\xff").header("x-signature")


@both
def test_several_receivers_have_their_own_paths(made_up: Any, served: Any, kind: str) -> None:
    accounts = {
        f"/{account}": rec.receiver("sharing", secret=f"secret of {account}", account=account)
        for account in ("one", "two")
    }
    address = served(kind, build_app(kind, accounts))
    for account in ("one", "two"):
        webhook = made_up.build_request(secret=f"secret of {account}")
        assert post(f"{address}/{account}", webhook).status_code == 200
    assert post(f"{address}/one", webhook).status_code == 401
    assert post(f"{address}/three", webhook).status_code == 404
    assert [event.account for event in made_up.dispatched] == ["one", "two"]


@both
@pytest.mark.parametrize("prefix", ["", "/hooks/caf%C3%A9"])
def test_the_path_of_the_public_url_may_be_forwarded_or_not(
    made_up: Any,
    served: Any,
    kind: str,
    prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Proxies forward the whole path or the rest of it, and vendors sign the slash at the end."""
    seen: list[str] = []
    monkeypatch.setattr(rec.Receiver, "receive", lambda self, request: seen.append(request.url))
    receiver = rec.receiver("sharing", secret=made_up.secret)
    public = f"https://app.example{prefix}"
    receivers = {"/one": receiver, "/two/": receiver, "/": receiver}
    address = served(kind, build_app(kind, receivers, f"{public}/?tenant=1"))
    paths = ("/one", "/one/", "/two", "/two/", "/")
    for path in paths:
        for before in ("", prefix):
            answer = post(f"{address}{before}{path}", made_up.build_request())
            assert answer.status_code == 200
    assert seen == [f"{public}{path}" for path in paths for _ in range(2)]
    assert not caplog.records
    for path in ("/three", "/hooks/one\n", "/" + "x" * 500):
        assert post(f"{address}{path}", made_up.build_request()).status_code == 404
    for record in caplog.records:
        assert record.levelname == "WARNING"
        assert "\n" not in record.getMessage()
        assert len(record.getMessage()) < 400
    assert "'/three'" in caplog.messages[0]
    assert "/hooks/café/one" in caplog.messages[0] or not prefix


def test_invalid_arguments_raise(made_up: Any) -> None:
    receiver = rec.receiver("sharing", secret=made_up.secret)
    for app in (wsgi_app, asgi_app):
        for wrong, url, kind in (
            ({}, URL, TypeError),
            ("receiver", URL, TypeError),
            ({"/a": "receiver"}, URL, TypeError),
            ({"a": receiver}, URL, rec.ConfigurationError),
            ({"/a": receiver, "/a/": receiver}, URL, rec.ConfigurationError),
            (receiver, "app.example", rec.ConfigurationError),
            (receiver, None, TypeError),
        ):
            with pytest.raises(kind):
                app(wrong, url=url)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("length", "terminated", "status"),
    [
        ("-1", False, "400"),
        ("1e3", False, "400"),
        ("٣", False, "400"),
        ("9" * 5000, False, "413"),
        ("2000000", False, "413"),
        ("", True, "200"),
        ("", False, "401"),
        (None, False, "401"),
    ],
)
def test_body_is_read_by_its_length_or_to_its_end(
    made_up: Any, length: str | None, terminated: bool, status: str
) -> None:
    webhook = made_up.build_request()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/caf\xc3\xa9",
        "wsgi.input": io.BytesIO(webhook.body),
        "wsgi.input_terminated": terminated,
        "HTTP_X_SIGNATURE": webhook.header("x-signature"),
    } | ({} if length is None else {"CONTENT_LENGTH": length})
    answers: list[str] = []
    app = wsgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL)
    list(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] == status


def test_chunked_body_that_a_server_cannot_decode_is_answered_with_411(
    made_up: Any, served: Any
) -> None:
    # The standard library's server does not decode chunked bodies. Others do, and set a flag.
    address = served("wsgi", wsgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL))
    webhook = made_up.build_request()
    assert post(address, webhook, data=iter([webhook.body])).status_code == 411
    address = served("asgi", asgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL))
    assert post(address, webhook, data=iter([webhook.body])).status_code == 200


def test_endless_wsgi_body_is_read_up_to_the_limit(made_up: Any) -> None:
    class EndlessStream:
        read_so_far = 0

        def read(self, size: int) -> bytes:
            self.read_so_far += size
            return bytes(size)

    stream, answers = EndlessStream(), list[str]()
    app = wsgi_app(rec.Receiver("sharing", secret=made_up.secret, max_body=10_000), url=URL)
    environ: Any = {"REQUEST_METHOD": "POST", "wsgi.input": stream, "wsgi.input_terminated": True}
    list(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] == "413"
    assert stream.read_so_far <= 10_001


def test_disconnected_client_is_not_answered(made_up: Any) -> None:
    sent: list[Any] = []

    async def disconnect() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = asgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL)
    scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(app(scope, disconnect, send))  # type: ignore[arg-type]
    assert sent == []
    asyncio.run(app({"type": "websocket"}, disconnect, send))  # type: ignore[arg-type]
    assert [each["type"] for each in sent] == ["websocket.close"]
    assert made_up.dispatched == []


def test_cut_connection_is_answered_with_400(made_up: Any) -> None:
    class CutStream:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError

    answers: list[str] = []
    app = wsgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL)
    environ: Any = {"REQUEST_METHOD": "POST", "wsgi.input": CutStream(), "CONTENT_LENGTH": "5"}
    list(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] == "400"


def call_asgi(app: Any, scope: Any, messages: Callable[[], Any]) -> list[Any]:
    """Call an ASGI application, and return what it sends."""
    sent: list[Any] = []

    async def receive() -> Any:
        return messages()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "POST", "headers": []} | scope, receive, send))
    return sent


def test_endless_asgi_body_is_read_up_to_the_limit(made_up: Any) -> None:
    chunks = iter(range(1000))

    def endless() -> Any:
        assert next(chunks) < 12
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    receiver = rec.Receiver("sharing", secret=made_up.secret, max_body=10_000)
    sent = call_asgi(asgi_app(receiver, url=URL), {"path": "/"}, endless)
    assert sent[0]["status"] == 413


def test_application_may_be_mounted_below_another(made_up: Any) -> None:
    webhook = made_up.build_request()
    app = asgi_app({"/hook": rec.receiver("sharing", secret=made_up.secret)}, url=URL)
    scope = {"path": "/mounted/hook", "root_path": "/mounted", "headers": webhook.headers}
    sent = call_asgi(app, scope, lambda: {"type": "http.request", "body": webhook.body})
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b"OK\n"


class TestRequests:
    """`WebhookRequest.from_wsgi` and `from_asgi`, for an application of one's own."""

    def test_from_wsgi_reads_method_url_headers_and_body(self) -> None:
        environ = {
            "REQUEST_METHOD": "PUT",
            "QUERY_STRING": "a=%20b",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": "4",
            "HTTP_X_SIGNATURE": "5167",
            "HTTP_HOST": "evil.example",
            "SERVER_NAME": "10.0.0.7",
            "wsgi.input": io.BytesIO(b"\x00\xff{}and what a client sends after it"),
        }
        request = rec.WebhookRequest.from_wsgi(environ, url=URL)
        assert (request.method, request.body) == ("PUT", b"\x00\xff{}")
        assert request.url == "https://app.example/hooks?a=%20b"
        assert request.header("X-Signature") == "5167"
        assert request.header("Content-Type") == "application/json"
        assert request.header("Content-Length") == "4"
        assert request.header("Server-Name") is None

    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"CONTENT_LENGTH": "1048577"}, 413),
            ({"CONTENT_LENGTH": "9" * 5000}, 413),
            ({"CONTENT_LENGTH": "-1"}, 400),
            ({"CONTENT_LENGTH": "\u0661"}, 400),
            ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
            ({"wsgi.input_terminated": True}, 413),
        ],
    )
    def test_from_wsgi_rejects_a_body_that_it_cannot_read(
        self, more: dict[str, Any], status: int
    ) -> None:
        body = io.BytesIO(bytes(1_048_577))
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": body, **more}
        with pytest.raises(rec.WebhookRejected) as caught:
            rec.WebhookRequest.from_wsgi(environ, url=URL)
        assert caught.value.status == status

    @pytest.mark.parametrize("left", [b"", b"half"])
    def test_from_wsgi_rejects_a_body_that_was_read_before(self, left: bytes) -> None:
        """A 401 would blame the signature, and so the secret."""
        body = {"CONTENT_LENGTH": "8", "wsgi.input": io.BytesIO(left)}
        with pytest.raises(rec.WebhookRejected, match=f"Only {len(left)} of the 8 bytes") as caught:
            rec.WebhookRequest.from_wsgi({"REQUEST_METHOD": "POST", **body}, url=URL)
        assert caught.value.status == 400

    def test_from_wsgi_reads_no_body_whose_length_is_unknown(self) -> None:
        environ = {"REQUEST_METHOD": "GET", "wsgi.input": io.BytesIO(b"the next request")}
        request = rec.WebhookRequest.from_wsgi(environ, url=URL)
        assert (request.url, request.body) == ("https://app.example/hooks", b"")

    def test_from_asgi_reads_method_url_headers_and_body(self) -> None:
        scope = {
            "method": "GET",
            "query_string": b"a=%20b",
            "headers": [(b"host", b"evil.example"), (b"x-signature", b"5167")],
        }
        request = build_from_asgi(scope, b"\x00\xff", b"", b"{}")
        assert (request.method, request.body) == ("GET", b"\x00\xff{}")
        assert request.url == "https://app.example/hooks?a=%20b"
        assert request.header("X-Signature") == "5167"

    def test_from_asgi_rejects_a_body_that_is_too_large(self) -> None:
        scope = {"method": "POST", "headers": []}
        assert len(build_from_asgi(scope, bytes(1_048_576)).body) == 1_048_576
        with pytest.raises(rec.WebhookRejected) as caught:
            build_from_asgi(scope, bytes(1_048_576), b"x", b"")
        assert caught.value.status == 413

    def test_from_asgi_rejects_a_request_whose_client_disconnected(self) -> None:
        with pytest.raises(rec.WebhookRejected) as caught:
            build_from_asgi({"method": "POST", "headers": []}, b"{", None)
        assert caught.value.status == 400

    def test_a_url_that_is_not_a_str_is_a_type_error(self) -> None:
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO()}
        url: Any = URL.encode()
        with pytest.raises(TypeError, match="url must be a str, not bytes"):
            rec.WebhookRequest.from_wsgi(environ, url=url)


def build_from_asgi(scope: dict[str, Any], *chunks: bytes | None) -> rec.WebhookRequest:
    """Build a request whose body arrives in these chunks; None: the client disconnects."""
    messages = [
        {"type": "http.disconnect"}
        if chunk is None
        else {"type": "http.request", "body": chunk, "more_body": index < len(chunks)}
        for index, chunk in enumerate(chunks, 1)
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return asyncio.run(rec.WebhookRequest.from_asgi(scope, receive, url=URL))
