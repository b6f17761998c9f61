"""Documented receivers: each block of the page runs on a server and receives real deliveries."""

from __future__ import annotations

import re
import threading
import time
import types
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import requests
import uvicorn
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import clear_url_caches, path, set_urlconf

import recording_core as rec
from recording_core.cli.commands.emulate import build_emulator
from recording_core.plugins.registry import get_provider_info
from recording_core.testing import Emulator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "webhooks.md"
FIRST = "import os\n\nimport recording_core as rec\n"


def block(heading: str, number: int = 0) -> str:
    """A block of code below a heading of the page."""
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return str(re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[number])


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """The test's own output stays readable."""


@pytest.fixture
def on_loopback() -> Iterator[Any]:
    """`wsgi(app)` and `asgi(app)` serve until the test ends, and give the address."""
    ends: list[Callable[[], None]] = []

    def wsgi(app: Any) -> str:
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        run = threading.Thread(target=server.serve_forever, args=(0.02,))
        run.start()
        ends.extend((server.shutdown, run.join, server.server_close))
        return f"http://127.0.0.1:{server.server_port}"

    def asgi(app: Any) -> str:
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        run = threading.Thread(target=server.run)
        run.start()
        while not server.started:
            assert run.is_alive()
            time.sleep(0.005)
        ends.extend((lambda: setattr(server, "should_exit", True), run.join))
        return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    yield types.SimpleNamespace(wsgi=wsgi, asgi=asgi)
    for end in ends:
        end()


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Emulator]]:
    """A vendor on the wall clock, whose secret is in the environment as the page has it."""
    running: list[Emulator] = []

    def start(name: str) -> Emulator:
        short = timedelta(milliseconds=100)
        emulator = build_emulator(get_provider_info(name), recordings=0, processing=short)
        running.append(emulator.start())
        monkeypatch.setenv(f"{name.upper()}_WEBHOOK_SECRET", emulator.webhooks["secret"])
        return emulator

    yield start
    for each in running:
        each.stop()


def flask_app(page: dict[str, Any], wsgi: Any, asgi: Any) -> str:
    address: str = wsgi(page["app"])
    return address


def fastapi_app(page: dict[str, Any], wsgi: Any, asgi: Any) -> str:
    address: str = asgi(page["app"])
    return address


def django_app(page: dict[str, Any], wsgi: Any, asgi: Any) -> str:
    urls = types.ModuleType("urls_of_the_page")
    vars(urls)["urlpatterns"] = [path("hooks/voipbin", page["voipbin_hook"])]
    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="of the test", USE_TZ=True)
    settings.ROOT_URLCONF = urls
    clear_url_caches()
    set_urlconf(None)
    address: str = wsgi(get_wsgi_application())
    return address


@pytest.mark.parametrize(
    ("heading", "provider", "receiver", "serve"),
    [
        ("Flask", "plivo", "plivo", flask_app),
        ("FastAPI", "audian", "audian", fastapi_app),
        ("Django", "voipbin", "voipbin", django_app),
    ],
)
def test_a_documented_receiver_takes_what_the_vendor_delivers(
    heading: str,
    provider: str,
    receiver: str,
    serve: Any,
    vendor: Any,
    on_loopback: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    emulator: Emulator = vendor(provider)
    page: dict[str, Any] = {"__name__": heading}
    exec(compile(FIRST + block(heading), f"webhooks.md, {heading}", "exec"), page)
    heard: list[rec.RecordingEvent] = []
    failures = [RuntimeError("the database is away")]

    def listen(event: rec.RecordingEvent) -> None:
        if failures:
            raise failures.pop()
        heard.append(event)

    page[receiver].listen(listen)
    url = serve(page, on_loopback.wsgi, on_loopback.asgi) + f"/hooks/{provider}"
    monkeypatch.setenv(f"{provider.upper()}_WEBHOOK_URL", url)
    emulator.deliver_to(url)
    with emulator.connect() as client:
        call = next(each for each in emulator.sessions if each.kind is rec.SessionKind.CALL)
        session = client.start(call, callback_url=url if provider == "plivo" else None)
        time.sleep(0.3)
        done = client.wait(client.stop(session), timeout=timedelta(seconds=20))
    emulator.wait_for_deliveries()
    # The listener failed once, was answered 503, and that callback may come again later.
    assert 503 in [each.status for each in emulator.deliveries.attempts]
    assert not failures
    missed = emulator.build_webhook_requests()
    for each in missed:
        answer = requests.request(
            each.method, url, data=each.body, headers=dict(each.headers), timeout=5
        )
        assert answer.status_code == 200
    ids = {each.id for each in done.recordings}
    assert heard
    assert {event.recording_id for event in heard} <= ids
    keys = [event.key for event in heard]
    assert len(keys) == len(set(keys)), "dispatched twice"
    forged = requests.post(url, data=b"{}", headers={"Content-Type": "application/json"}, timeout=5)
    assert forged.status_code == 400


def test_the_documented_redis_store_keeps_the_interface() -> None:
    class Server:
        """What redis-py answers: `set` gives True or None, `exists` a number."""

        def __init__(self) -> None:
            self.keys: dict[str, timedelta] = {}

        def set(self, key: str, value: int, *, nx: bool, ex: timedelta) -> bool | None:
            assert nx
            if key in self.keys:
                return None
            self.keys[key] = ex
            return True

        def exists(self, key: str) -> int:
            return int(key in self.keys)

        def delete(self, key: str) -> int:
            return int(self.keys.pop(key, None) is not None)

    page: dict[str, Any] = {}
    exec(block("Delivery: at least once", 1), page)
    store = page["RedisReplayStore"](Server())
    assert "a" not in store
    assert store.add_if_absent("a", timedelta(days=1)) is True
    assert store.add_if_absent("a", timedelta(days=1)) is False
    assert "a" in store
    store.discard("a")
    assert "a" not in store
