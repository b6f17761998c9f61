"""Shared fixtures: loopback servers with a journal, a transport, and made-up webhook vendors."""

from __future__ import annotations

import base64
import functools
import hmac
import json
import os
import select
import signal
import ssl
import sys
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
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
from recording_core.model.events import EventKind, RecordingEvent, build_event_key
from recording_core.plugins import hookspecs
from recording_core.plugins import registry as plugins
from recording_core.plugins.hookspecs import PROJECT, hookimpl
from recording_core.reporting.compute import engines
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_core.transport import HttpSettings
from recording_core.transport.authentication import HeaderAuth
from recording_core.transport.client import Transport
from recording_core.transport.status_codes import ErrorDetails
from recording_core.webhooks.request import WebhookRequest
from recording_core.webhooks.scheme import WebhookScheme

# A shell starts background jobs with SIGINT ignored, which tested programs would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The time of one example depends on the machine more than on the code.
# A test of a vendor mutates fifty payloads per example. `make soak` has 93 times as many.
settings.register_profile("ours", max_examples=15, deadline=None)
settings.load_profile("ours")

#: must not appear in a request to another host, or in any text
TOKEN = "s3cr3t-T0KEN-of-the-account"

#: A self-signed certificate for localhost and *.vendor.test, valid until 2126.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgasrn2ukqAtif8vTO
z7Cbn/yys+hk42QT+yPwXtVkf2ChRANCAASx5au/b+LNNRRUNsq21u5PGOMVmUAP
2sYyTeGPemr6jN5/RlNaHsHtIOUlddzns2dGCI5smhcoWqhq2jVVAqPB
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIB4zCCAYqgAwIBAgIUcIaVCawLjwZURRFuxXlBH83liUcwCgYIKoZIzj0EAwIw
EzERMA8GA1UEAwwIbG9vcGJhY2swIBcNMjYxMTIwMDYwODI3WhgPMjEyNjEwMjcw
NjA4MjdaMBMxETAPBgNVBAMMCGxvb3BiYWNrMFkwEwYHKoZIzj0CAQYIKoZIzj0D
AQcDQgAEseWrv2/izTUUVDbKttbuTxjjFZlAD9rGMk3hj3pq+ozef0ZTWh7B7SDl
JXXc57NnRgiObJoXKFqoato1VQKjwaOBuTCBtjAdBgNVHQ4EFgQUuTx8Ha9bo+20
1qsvSh2LsR2m8IMwHwYDVR0jBBgwFoAUuTx8Ha9bo+201qsvSh2LsR2m8IMwDwYD
VR0TAQH/BAUwAwEB/zBTBgNVHREETDBKgglsb2NhbGhvc3SCEW1lZGlhLnZlbmRv
ci50ZXN0ghMqLm1lZGlhLnZlbmRvci50ZXN0gg9hcGkudmVuZG9yLnRlc3SHBH8A
AAEwDgYDVR0PAQH/BAQDAgKEMAoGCCqGSM49BAMCA0cAMEQCIC83LZJiBHYtfMnN
/9c0LYIMv6nr5zfrSjKccNqxKP+8AiArwgedz40dCuv8a5dEImHZi5e2u69kslDR
c6RB3+cJZA==
-----END CERTIFICATE-----
"""

#: `make soak`: other random examples each time
settings.register_profile("soak", max_examples=350, deadline=None)


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the machine's proxy, ~/.netrc and CA bundle from the environment."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hide the accounts of the user who runs the tests, in an empty folder."""
    for info in plugins.load_registry().providers.values():
        for name in (f"{info.name.upper()}_BASE_URL", *(each.env for each in info.settings)):
            monkeypatch.delenv(name, raising=False)
    for name in ("RECORDINGS_CONFIG", "APPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True, scope="session")
def compiled_sql() -> Iterator[None]:
    """Compile each expression of reports once: tests repeat them, and Ibis takes half the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "compile_sql", functools.cache(engines.compile_sql))
        yield


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[str, list[Request]]]]:
    """`origin, journal = serve(reply, ...)`, which repeats the last reply; or `serve(answer)`."""
    with ExitStack() as running:

        def start(*replies: Reply | Callable[[Request], Reply]) -> tuple[str, list[Request]]:
            journal: list[Request] = []

            def answer(request: Request) -> Reply:
                journal.append(request)
                reply = replies[min(len(journal), len(replies)) - 1]
                return reply if isinstance(reply, Reply) else reply(request)

            return running.enter_context(LoopbackServer(answer)).origin, journal

        yield start


@pytest.fixture
def transport(manual_clock: ManualClock) -> Iterator[Callable[..., Transport]]:
    """`transport(base_url, **settings)`: a transport that authenticates with `TOKEN`."""
    with ExitStack() as opened:

        def build(
            base_url: str,
            *,
            vendor_rate: float | None = None,
            secrets: Iterable[str] = (TOKEN,),
            # A vendor that documents a JSON object for every error.
            error_details: Callable[..., ErrorDetails] = lambda *_: ErrorDetails(recognized=True),
            control: Callable[[], object] | None = None,
            **settings: Any,
        ) -> Transport:
            transport = Transport(
                provider="vendor",
                base_url=base_url,
                auth=HeaderAuth("X-Auth-Token", TOKEN),
                secrets=secrets,
                settings=HttpSettings(**settings),
                clock=manual_clock,
                rate=vendor_rate,
                error_details=error_details,
                control=control,
            )
            return opened.enter_context(closing(transport))

        yield build


@pytest.fixture
def tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., tuple[int, list[Request]]]]:
    """`port, journal = tls(reply, ...)`: like `serve`, by https that the environment trusts."""
    pem = tmp_path / "certificate.pem"
    pem.write_text(CERTIFICATE)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    servers: list[LoopbackServer] = []

    def start(*replies: Reply) -> tuple[int, list[Request]]:
        journal: list[Request] = []

        def answer(request: Request) -> Reply:
            journal.append(request)
            return replies[min(len(journal), len(replies)) - 1]

        server = LoopbackServer(answer)
        listening = server._server.socket
        server._server.socket = context.wrap_socket(listening, server_side=True)
        servers.append(server)
        return server.port, journal

    yield start
    for server in servers:
        server.close()


# -- processes ------------------------------------------------------------------------------------


class Child:
    """A forked process that runs a task, whose result can be written as JSON."""

    #: Seconds after which a process that hangs is killed.
    longest = 60.0

    def __init__(self, task: Callable[[], object]) -> None:
        self._reading, writing = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            try:
                report = [True, task()]
            except BaseException:  # noqa: BLE001  # the child must not return into pytest
                report = [False, traceback.format_exc()]
            os.write(writing, json.dumps(report).encode())
            os._exit(0)
        os.close(writing)

    def join(self) -> Any:
        """Wait for the end of the task, and return its result."""
        with open(self._reading, "rb") as results:
            if not select.select([results], [], [], self.longest)[0]:
                os.kill(self._process, signal.SIGKILL)
            report = results.read()
        os.waitpid(self._process, 0)
        assert report, "the child hung or died"
        worked, result = json.loads(report)
        assert worked, result
        return result

    def kill_after(self, seconds: float | None) -> bool:
        """Kill the process at a moment, or let it die, and return whether it had not ended."""
        if seconds is not None:
            time.sleep(seconds)
            os.kill(self._process, signal.SIGKILL)
        with open(self._reading, "rb") as results:
            _, status = os.waitpid(self._process, 0)
            report = results.read()
        if report:
            worked, result = json.loads(report)
            assert worked, result
        return os.WIFSIGNALED(status) and not report


@pytest.fixture
def fork() -> type[Child]:
    return Child


# -- webhooks: two made-up vendors, one for each kind of signature --------------------------------

#: the secret that a made-up vendor shares with its customer
SECRET = "whsec_m4de-up"


class _JsonScheme(WebhookScheme):
    """JSON: one event or a list of them: `{"event": "available", "id": "R1", "at": "..."}`."""

    provider = ""

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        payload = json.loads(request.body)
        rows = payload if isinstance(payload, list) else [payload]
        return tuple(self._read_event(row, account) for row in rows)

    def _read_event(self, row: dict[str, Any], account: str) -> RecordingEvent:
        kind, at = EventKind(row["event"]), row.get("at")
        return RecordingEvent(
            provider=self.provider,
            account=account,
            kind=kind,
            recording_id=row["id"],
            target=call("C1"),
            recording=None,
            status=STATUS_OF_KIND.get(kind, RecordingStatus.UNKNOWN),
            occurred_at=datetime.fromisoformat(at) if at else None,
            delivery_id=None,
            key=build_event_key(self.provider, account, row["id"], kind, at or ""),
        )


class SharedSecretScheme(_JsonScheme):
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
        """Accept any secret: the receiver itself rejects a blank one."""


class PublishedKeyScheme(_JsonScheme):
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


STATUS_OF_KIND = {
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


class MadeUpVendors:
    """Plugins of one test: the vendors, and a listener that records every event."""

    secret = SECRET

    def __init__(self) -> None:
        #: the events that the hook received
        self.dispatched: list[RecordingEvent] = []
        #: raised by the hook instead of recording the event
        self.listener_error: Exception | None = None

    @hookimpl
    def recording_event(self, event: RecordingEvent) -> None:
        if self.listener_error is not None:
            raise self.listener_error
        self.dispatched.append(event)

    def build_request(
        self, body: Any = None, *, secret: str = SECRET, **headers: str
    ) -> WebhookRequest:
        """Build a signed webhook request of the vendor that shares a secret."""
        payload = body or {"event": "available", "id": "R1"}
        raw = body if isinstance(body, bytes) else json.dumps(payload).encode()
        signature = hmac.digest(secret.encode(), raw, "sha256").hex()
        return WebhookRequest(
            method="POST",
            url="https://app.example/hooks",
            headers={"X-Signature": signature, **headers},
            body=raw,
        )


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUpVendors:
    """Installs the vendors `sharing` and `publishing`, and the listener."""
    module = types.ModuleType("made_up_vendors")
    schemes = {"sharing": SharedSecretScheme, "publishing": PublishedKeyScheme}
    vars(module).update({kind.__name__: kind for kind in schemes.values()})
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
        for name, kind in schemes.items()
    }
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(vendors := MadeUpVendors(), name="listening")
    found = plugins.load_registry()
    registry = plugins.Registry(manager, {**found.providers, **infos}, found.broken)
    monkeypatch.setattr(plugins, "load_registry", lambda: registry)
    return vendors
