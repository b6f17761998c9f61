"""What do these tests share? Loopback servers that keep a journal, and a transport to ask them."""

from __future__ import annotations

import base64
import hmac
import json
import signal
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pluggy
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import settings

from recording_core.errors import ConfigurationError, WebhookRejected
from recording_core.model.capabilities import ProviderInfo, build_capabilities
from recording_core.model.entities import call
from recording_core.model.enums import RecordingStatus
from recording_core.model.events import EventKind, RecordingEvent, WebhookRequest, build_event_key
from recording_core.plugins import hookspecs
from recording_core.plugins import registry as plugins
from recording_core.plugins.hookspecs import PROJECT, hookimpl
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_core.transport import HttpSettings
from recording_core.transport.authentication import HeaderAuth
from recording_core.transport.client import Transport
from recording_core.transport.status_codes import ErrorDetails
from recording_core.webhooks import WebhookScheme

# What runs in the background may have been told to ignore Ctrl-C, and would hand that on to the
# programs that are tested with it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long one example takes says more of the machine that runs it than of the code.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")

#: what no request to a stranger and no text may hold
TOKEN = "s3cr3t-T0KEN-of-the-account"

#: `make soak`: three to four times as much of all that chance makes, and others each time
settings.register_profile("soak", max_examples=350, deadline=None)

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
        error_details: Callable[..., ErrorDetails] = lambda *_: ErrorDetails(),
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
                error_details=error_details,
            )
        )
        return made[-1]

    yield make
    for each in made:
        each.close()


# -- webhooks: two vendors of nobody's, one of each kind of signature ------------------------------

#: what the made-up vendor shares with its customer
SECRET = "whsec_m4de-up-by-nobody"


class _Told(WebhookScheme):
    """JSON: one fact, or a list of them: `{"event": "available", "id": "R1", "at": "..."}`."""

    provider = ""

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        told = json.loads(request.body)
        return tuple(
            self._event(each, account) for each in (told if isinstance(told, list) else [told])
        )

    def _event(self, told: dict[str, Any], account: str) -> RecordingEvent:
        kind, at = EventKind(told["event"]), told.get("at")
        return RecordingEvent(
            provider=self.provider,
            account=account,
            kind=kind,
            recording_id=told["id"],
            target=call("C1"),
            recording=None,
            status=STATUS_TOLD.get(kind, RecordingStatus.UNKNOWN),
            occurred_at=datetime.fromisoformat(at) if at else None,
            delivery_id=None,
            key=build_event_key(self.provider, account, told["id"], kind, at or ""),
        )


class Sharing(_Told):
    """Signs with a shared secret: hex of HMAC-SHA256 over the body."""

    provider = "sharing"

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        given = request.header("x-signature")
        if given is None:
            raise WebhookRejected("no signature", status=400)
        right = [hmac.digest(each.encode(), request.body, "sha256").hex() for each in secrets]
        if not any(hmac.compare_digest(given.encode(), each.encode()) for each in right):
            raise WebhookRejected("not the vendor's signature", status=401)

    def check_secret(self, secret: str) -> None:
        """Takes any: that a blank one is refused does not depend on the vendor's scheme."""


class Publishing(_Told):
    """Signs with a key that it publishes: RSA-SHA256 over the body, in base64."""

    provider = "publishing"
    key_url = "https://keys.publishing.example/key.json"

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        given = base64.b64decode(request.header("x-signature") or "", validate=True)
        for pem in secrets:
            key = serialization.load_pem_public_key(pem.encode())
            assert isinstance(key, rsa.RSAPublicKey)
            try:
                return key.verify(given, request.body, padding.PKCS1v15(), hashes.SHA256())
            except InvalidSignature:
                pass
        raise WebhookRejected("not the vendor's signature", status=401)

    def read_key(self, payload: Any) -> str:
        return str(payload["data"]["publicKey"])

    def check_secret(self, secret: str) -> None:
        try:
            key = serialization.load_pem_public_key(secret.encode())
        except ValueError:
            raise ConfigurationError("no key in PEM") from None
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
            raise ConfigurationError("the key is too small")


STATUS_TOLD = {
    EventKind.STARTED: RecordingStatus.RECORDING,
    EventKind.PAUSED: RecordingStatus.PAUSED,
    EventKind.RESUMED: RecordingStatus.RECORDING,
    EventKind.STOPPED: RecordingStatus.PROCESSING,
    EventKind.AVAILABLE: RecordingStatus.AVAILABLE,
    EventKind.FAILED: RecordingStatus.FAILED,
    EventKind.EMPTY: RecordingStatus.EMPTY,
    EventKind.EXPIRED: RecordingStatus.EXPIRED,
    EventKind.DELETED: RecordingStatus.DELETED,
}


class MadeUp:
    """Plugins that are installed for one test: the vendors, and one that hears every event."""

    secret = SECRET

    def __init__(self) -> None:
        #: the events that were announced through the hook
        self.heard: list[RecordingEvent] = []
        #: what the listening plugin raises next
        self.failing: Exception | None = None

    @hookimpl
    def recording_event(self, event: RecordingEvent) -> None:
        if self.failing is not None:
            raise self.failing
        self.heard.append(event)

    def callback(self, body: Any = None, *, secret: str = SECRET, **headers: str) -> WebhookRequest:
        """A signed callback of the vendor that shares a secret."""
        raw = body if isinstance(body, bytes) else json.dumps(body or told()).encode()
        signature = hmac.digest(secret.encode(), raw, "sha256").hex()
        return WebhookRequest(
            method="POST",
            url="https://app.example/hooks",
            headers={"X-Signature": signature, **headers},
            body=raw,
        )


def told(event: str = "available", id: str = "R1", **more: str) -> dict[str, str]:
    """One fact in the made-up vendors' words."""
    return {"event": event, "id": id, **more}


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """`rec.receiver("sharing", ...)` and `"publishing"` work, and `made_up.heard` fills."""
    module = types.ModuleType("made_up_vendors")
    vars(module).update(Sharing=Sharing, Publishing=Publishing)
    monkeypatch.setitem(sys.modules, "made_up_vendors", module)
    infos = {
        name: ProviderInfo(
            name=name,
            label=name.title(),
            settings=(),
            capabilities=build_capabilities(call="list get"),
            documentation="https://example.com",
            client="made_up_vendors:Client",
            webhooks=f"made_up_vendors:{kind.__name__}",
        )
        for name, kind in (("sharing", Sharing), ("publishing", Publishing))
    }
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(vendor := MadeUp(), name="listening")
    found = plugins.load_registry()
    registry = plugins.Registry(manager, {**found.providers, **infos}, found.broken)
    monkeypatch.setattr(plugins, "load_registry", lambda: registry)
    return vendor
