"""Do the ready receivers answer as vendors expect, and strangers learn nothing?"""

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


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """The test's own output stays readable."""


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Callable[[str, Any], str]]:
    """`served("wsgi", app)` is its address on loopback."""
    ends: list[Callable[[], None]] = []

    def serve(kind: str, app: Any) -> str:
        if kind == "wsgi":
            server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
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


def ready(kind: str, receiver: Any, url: str = URL) -> Any:
    return wsgi_app(receiver, url=url) if kind == "wsgi" else asgi_app(receiver, url=url)


both = pytest.mark.parametrize("kind", ["wsgi", "asgi"])


def post(address: str, callback: rec.WebhookRequest, **more: Any) -> requests.Response:
    facts: dict[str, Any] = {"headers": dict(callback.headers), "data": callback.body}
    return requests.post(address, timeout=5, **facts | more)


@both
def test_a_callback_is_taken_and_a_replay_too(made_up: Any, served: Any, kind: str) -> None:
    receiver = rec.receiver("sharing", secret=made_up.secret)
    address = served(kind, ready(kind, receiver))
    assert [post(address, made_up.callback()).status_code for _ in range(3)] == [200] * 3
    assert len(made_up.heard) == 1


@both
def test_what_is_refused_is_answered_by_its_status_and_nothing_more(
    made_up: Any, served: Any, kind: str
) -> None:
    receiver = rec.Receiver("sharing", secret=made_up.secret, max_body=1000)
    address = served(kind, ready(kind, receiver))
    unsigned = rec.WebhookRequest("POST", URL, {}, b"{}")
    for callback, status, text in (
        (made_up.callback(secret="a stranger's"), 401, "Unauthorized\n"),
        (made_up.callback(b"no JSON"), 400, "Bad Request\n"),
        (unsigned, 400, "Bad Request\n"),
        (made_up.callback(bytes(1001)), 413, "Request Entity Too Large\n"),
    ):
        answer = post(address, callback)
        assert answer.status_code == status
        assert answer.text in (text, "Content Too Large\n")  # its name since Python 3.13
    assert made_up.heard == []


@both
def test_where_a_listener_raised_the_vendor_sends_again(
    made_up: Any, served: Any, kind: str
) -> None:
    address = served(kind, ready(kind, rec.receiver("sharing", secret=made_up.secret)))
    made_up.failing = RuntimeError("hunter22")
    answer = post(address, made_up.callback())
    assert (answer.status_code, answer.text) == (503, "Service Unavailable\n")
    made_up.failing = None
    assert post(address, made_up.callback()).status_code == 200
    assert len(made_up.heard) == 1


@both
def test_by_whichever_method_a_user_chose_it_is_taken(made_up: Any, served: Any, kind: str) -> None:
    address = served(kind, ready(kind, rec.receiver("sharing", secret=made_up.secret)))
    for method in ("POST", "GET", "PUT", "DELETE"):
        callback = made_up.callback({"event": "available", "id": method})
        answer = requests.request(
            method, address, headers=dict(callback.headers), data=callback.body, timeout=5
        )
        assert answer.status_code == 200
    assert [each.recording_id for each in made_up.heard] == ["POST", "GET", "PUT", "DELETE"]


@both
def test_other_methods_are_not_allowed(made_up: Any, served: Any, kind: str) -> None:
    address = served(kind, ready(kind, rec.receiver("sharing", secret=made_up.secret)))
    for method in ("PATCH", "OPTIONS", "HEAD"):
        answer = requests.request(method, address, timeout=5)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST, GET, PUT, DELETE"
    assert requests.get(address, timeout=5).status_code == 400  # which some vendors use


@both
def test_the_url_is_the_configured_one_with_the_requests_query(
    made_up: Any, served: Any, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[rec.WebhookRequest] = []
    monkeypatch.setattr(rec.Receiver, "receive", lambda self, request: seen.append(request))
    receiver = rec.receiver("sharing", secret=made_up.secret)
    address = served(kind, ready(kind, receiver))
    post(
        f"{address}/any/path?tenant=1&x=%20é", made_up.callback(), headers={"Host": "evil.example"}
    )
    post(address, made_up.callback(b"\x00\xff"))
    assert seen[0].url == "https://app.example/hooks?tenant=1&x=%20%C3%A9"
    assert seen[1].url == "https://app.example/hooks"
    assert (seen[1].method, seen[1].body) == ("POST", b"\x00\xff")
    assert seen[1].header("X-Signature") == made_up.callback(b"\x00\xff").header("x-signature")


@both
def test_several_receivers_stand_at_paths_of_their_own(
    made_up: Any, served: Any, kind: str
) -> None:
    accounts = {
        f"/{account}": rec.receiver("sharing", secret=f"secret of {account}", account=account)
        for account in ("one", "two")
    }
    address = served(kind, ready(kind, accounts))
    for account in ("one", "two"):
        callback = made_up.callback(secret=f"secret of {account}")
        assert post(f"{address}/{account}", callback).status_code == 200
    assert post(f"{address}/one", callback).status_code == 401
    assert post(f"{address}/three", callback).status_code == 404
    assert [event.account for event in made_up.heard] == ["one", "two"]


def test_what_cannot_be_served_is_not_made(made_up: Any) -> None:
    receiver = rec.receiver("sharing", secret=made_up.secret)
    for app in (wsgi_app, asgi_app):
        for wrong, url, kind in (
            ({}, URL, TypeError),
            ("receiver", URL, TypeError),
            ({"/a": "receiver"}, URL, TypeError),
            ({"a": receiver}, URL, rec.ConfigurationError),
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
def test_a_body_is_read_by_its_length_or_to_its_end(
    made_up: Any, length: str | None, terminated: bool, status: str
) -> None:
    callback = made_up.callback()
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/caf\xc3\xa9",
        "wsgi.input": io.BytesIO(callback.body),
        "wsgi.input_terminated": terminated,
        "HTTP_X_SIGNATURE": callback.header("x-signature"),
    } | ({} if length is None else {"CONTENT_LENGTH": length})
    answers: list[str] = []
    app = wsgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL)
    list(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] == status


def test_chunks_that_a_server_cannot_read_are_told_from_a_bad_signature(
    made_up: Any, served: Any
) -> None:
    # The standard library's server does not put chunks together; others do, and say so.
    address = served("wsgi", wsgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL))
    callback = made_up.callback()
    assert post(address, callback, data=iter([callback.body])).status_code == 411
    address = served("asgi", asgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL))
    assert post(address, callback, data=iter([callback.body])).status_code == 200


def test_an_endless_body_is_read_up_to_the_bound(made_up: Any) -> None:
    class Endless:
        read_so_far = 0

        def read(self, size: int) -> bytes:
            self.read_so_far += size
            return bytes(size)

    stream, answers = Endless(), list[str]()
    app = wsgi_app(rec.Receiver("sharing", secret=made_up.secret, max_body=10_000), url=URL)
    environ: Any = {"REQUEST_METHOD": "POST", "wsgi.input": stream, "wsgi.input_terminated": True}
    list(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] == "413"
    assert stream.read_so_far <= 10_001


def test_whoever_hangs_up_is_not_answered(made_up: Any) -> None:
    sent: list[Any] = []

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    app = asgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL)
    scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": []}
    asyncio.run(app(scope, gone, send))  # type: ignore[arg-type]
    assert sent == []
    asyncio.run(app({"type": "websocket"}, gone, send))  # type: ignore[arg-type]
    assert [each["type"] for each in sent] == ["websocket.close"]
    assert made_up.heard == []


def test_a_connection_that_is_cut_is_a_bad_request(made_up: Any) -> None:
    class Cut:
        def read(self, size: int) -> bytes:
            raise ConnectionResetError

    answers: list[str] = []
    app = wsgi_app(rec.receiver("sharing", secret=made_up.secret), url=URL)
    environ: Any = {"REQUEST_METHOD": "POST", "wsgi.input": Cut(), "CONTENT_LENGTH": "5"}
    list(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers[0][:3] == "400"


def asked(app: Any, scope: Any, messages: Callable[[], Any]) -> list[Any]:
    """What an ASGI application sends to this request."""
    sent: list[Any] = []

    async def receive() -> Any:
        return messages()

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "POST", "headers": []} | scope, receive, send))
    return sent


def test_an_endless_asgi_body_is_read_up_to_the_bound(made_up: Any) -> None:
    chunks = iter(range(1000))

    def endless() -> Any:
        assert next(chunks) < 12
        return {"type": "http.request", "body": bytes(1000), "more_body": True}

    receiver = rec.Receiver("sharing", secret=made_up.secret, max_body=10_000)
    sent = asked(asgi_app(receiver, url=URL), {"path": "/"}, endless)
    assert sent[0]["status"] == 413


def test_an_application_may_be_mounted_below_another(made_up: Any) -> None:
    callback = made_up.callback()
    app = asgi_app({"/hook": rec.receiver("sharing", secret=made_up.secret)}, url=URL)
    scope = {"path": "/mounted/hook", "root_path": "/mounted", "headers": callback.headers}
    sent = asked(app, scope, lambda: {"type": "http.request", "body": callback.body})
    assert sent[0]["status"] == 200
    assert sent[1]["body"] == b"OK\n"
