"""What do these tests share? Loopback servers that keep a journal, and a transport to ask them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_core.transport import HttpSettings
from recording_core.transport.answers import Refusal
from recording_core.transport.exchange import Transport
from recording_core.transport.sign_in import HeaderAuth

#: what no request to a stranger and no text may hold
TOKEN = "s3cr3t-T0KEN-of-the-account"

#: A stranger's distribution, whose own tests are run where it is installed: test_third_party.py.
collect_ignore = ["third_party"]


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, ~/.netrc or CA bundle of the machine that runs the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clock() -> ManualClock:
    """Sleeping on it takes no time."""
    return ManualClock()


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, list[Request]]]]:
    """`origin, journal = serve(reply, ...)`, the last reply for ever; or `serve(answer)`."""
    servers: list[LoopbackServer] = []

    def start(*replies: Reply | Callable[[Request], Reply]) -> tuple[str, list[Request]]:
        journal: list[Request] = []

        def answer(request: Request) -> Reply:
            journal.append(request)
            reply = replies[min(len(journal), len(replies)) - 1]
            return reply if isinstance(reply, Reply) else reply(request)

        servers.append(LoopbackServer(answer))
        return servers[-1].origin, journal

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def transport(clock: ManualClock) -> Iterator[Callable[..., Transport]]:
    """`transport(base_url, **settings)`: one that signs in with `TOKEN`."""
    made: list[Transport] = []

    def make(
        base_url: str,
        *,
        vendor_rate: float | None = None,
        secrets: Iterable[str] = (TOKEN,),
        refusal: Callable[[Any], Refusal] = lambda payload: Refusal(),
        **settings: Any,
    ) -> Transport:
        made.append(
            Transport(
                provider="vendor",
                base_url=base_url,
                auth=HeaderAuth("X-Auth-Token", TOKEN),
                secrets=secrets,
                settings=HttpSettings(**settings),
                clock=clock,
                rate=vendor_rate,
                refusal=refusal,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()
