"""Connections: fresh and stale ones, proxies, and certificates that are not accepted."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import recording_core as rec
from recording_core.redaction import MASK
from recording_core.testing.timing import assert_within
from recording_core.transport import network_failures
from recording_core.transport.authentication import TokenAuth
from recording_core.transport.client import Transport
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.retry import RetryPolicy

MakeTransport = Callable[..., Transport]
Handler = Callable[[socket.socket, int], None]
Listen = Callable[[Handler], int]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
DAY = timedelta(days=1)


def read_request(client: socket.socket) -> str:
    """Read one request, and return its method; an empty text at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        received = client.recv(65536)
        if not received:
            return ""
        data += received
    return data.split(b" ")[0].decode()


@pytest.fixture
def listen() -> Iterator[Listen]:
    """`port = listen(handle)`: `handle(socket, number)` serves each connection in a thread."""
    with contextlib.ExitStack() as stack:

        def start(handle: Handler) -> int:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            numbers = itertools.count(1)

            def serve(client: socket.socket, number: int) -> None:
                with client, contextlib.suppress(OSError):
                    handle(client, number)

            def accept() -> None:
                with contextlib.suppress(OSError):  # until the server is closed
                    while True:
                        client, _ = server.accept()
                        threading.Thread(
                            target=serve, args=(client, next(numbers)), daemon=True
                        ).start()

            threading.Thread(target=accept, daemon=True).start()
            stack.callback(server.shutdown, socket.SHUT_RDWR)  # wakes `accept`
            return int(server.getsockname()[1])

        yield start


def test_malformed_headers_are_not_logged(
    listen: Listen, transport: MakeTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """X2: urllib3 warns and quotes what follows, such as a signed URL or an echoed credential."""
    answer = OK.replace(b"\r\n", b"\r\nbroken line\r\nLocation: https://b.test/m?sig=SECRET\r\n", 1)

    def handle(client: socket.socket, number: int) -> None:
        if read_request(client):
            client.sendall(answer)

    with contextlib.suppress(rec.ProviderError):  # Python 3.11 reads a body without a length
        transport(f"http://127.0.0.1:{listen(handle)}", retries=0).get("thing", operation="try")
    assert "A response has malformed headers" in caplog.messages
    assert "SECRET" not in caplog.text


# -- fresh and stale connections -------------------------------------------------------------------


@pytest.fixture
def forgetful(listen: Listen, request: pytest.FixtureRequest) -> tuple[str, list[tuple[int, str]]]:
    """An origin that answers the first request of each connection and drops the second.

    It behaves as a server that closes a connection just when it is used again. The list contains
    the requests: the number of the connection, and the method. As many connections as the parameter
    states are answered together, so that none of them is used for two requests.
    """
    requests: list[tuple[int, str]] = []
    first = threading.Barrier(getattr(request, "param", 1))

    def handle(client: socket.socket, number: int) -> None:
        for answer in (OK, b""):
            if method := read_request(client):
                requests.append((number, method))
                if answer and number <= first.parties:
                    first.wait(20)
                client.sendall(answer)

    return f"http://127.0.0.1:{listen(handle)}", requests


def test_start_uses_a_connection_of_its_own(
    forgetful: tuple[str, list[tuple[int, str]]], transport: MakeTransport
) -> None:
    """On a connection that had ended, it would be in doubt although nothing happened."""
    origin, requests = forgetful
    api = transport(origin)
    api.get("thing", operation="try")
    for _ in range(2):
        api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)
    assert requests == [(1, "GET"), (2, "POST"), (3, "POST")]


def test_start_that_is_sent_again_after_a_401_uses_another_connection(
    listen: Listen, transport: MakeTransport
) -> None:
    requests: list[int] = []

    def handle(client: socket.socket, number: int) -> None:
        while read_request(client):
            requests.append(number)
            status = b"401 Unauthorized" if len(requests) == 1 else b"200 OK"
            client.sendall(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n{}" % status)

    api = transport(f"http://127.0.0.1:{listen(handle)}")
    tokens = itertools.count()
    api.auth = TokenAuth("X-Auth-Token", lambda: f"t0ken-{next(tokens)}")
    api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)
    assert requests == [1, 2]


def test_connection_of_a_start_is_closed_after_its_response(
    listen: Listen, transport: MakeTransport
) -> None:
    closed = threading.Event()

    def handle(client: socket.socket, number: int) -> None:
        read_request(client)
        client.sendall(OK)
        if not read_request(client):
            closed.set()

    api = transport(f"http://127.0.0.1:{listen(handle)}")
    api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)
    assert closed.wait(5)


@pytest.mark.parametrize("forgetful", [3], indirect=True)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_stale_connections_do_not_fail_a_request_that_may_be_repeated(
    forgetful: tuple[str, list[tuple[int, str]]], transport: MakeTransport, method: str
) -> None:
    """After a pause, all that were kept alive may have ended: another one would fail again."""
    origin, requests = forgetful
    api = transport(origin, retries=1)
    with ThreadPoolExecutor(3) as threads:
        for job in [threads.submit(api.get, "thing", operation="try") for _ in range(3)]:
            job.result()
    kept = len(requests)
    connections = max(number for number, _ in requests)
    api.request(method, "thing", operation="try", retry=RetryPolicy.IDEMPOTENT)
    assert [name for _, name in requests[kept:]] == [method, method]
    assert requests[-1][0] > connections


def test_request_on_a_stale_connection_is_not_repeated_if_it_may_have_an_effect(
    forgetful: tuple[str, list[tuple[int, str]]], transport: MakeTransport
) -> None:
    origin, requests = forgetful
    api = transport(origin)
    api.get("thing", operation="try")
    with pytest.raises(rec.Unavailable, match="connection was cut"):
        api.request("POST", "stop", operation="stop", retry=RetryPolicy.IF_NOT_PROCESSED)
    assert requests == [(1, "GET"), (1, "POST")]


# -- certificates ----------------------------------------------------------------------------------


class Authority:
    """A certificate authority, which issues certificates for tests."""

    def __init__(self, folder: Path, name: str = "Authority of the tests") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = self._begin(self._name, self._key.public_key(), now - DAY, now + DAY)
        usage = dict.fromkeys(
            (
                *("digital_signature", "content_commitment", "key_encipherment"),
                *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
            ),
            False,
        )
        self.certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**usage, key_cert_sign=True, crl_sign=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.bundle = folder / f"{name}.pem"
        self.bundle.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _begin(
        self, name: x509.Name, key: ec.EllipticCurvePublicKey, begin: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        own = self._key.public_key()
        return (
            x509.CertificateBuilder(self._name, name, key, x509.random_serial_number(), begin, end)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(own), critical=False)
        )

    def issue(
        self, host: str = "127.0.0.1", begin: timedelta = -DAY, end: timedelta = DAY
    ) -> ssl.SSLContext:
        """Issue a certificate, and return a server's context that shows it."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        name: x509.GeneralName = x509.DNSName(host)
        with contextlib.suppress(ValueError):
            name = x509.IPAddress(ip_address(host))
        certificate = (
            self._begin(x509.Name([]), key.public_key(), now + begin, now + end)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        return build_context(self._folder / f"{host}.pem", certificate, key)

    def build_own_context(self) -> ssl.SSLContext:
        """Return a server's context that shows the self-signed certificate of the authority."""
        return build_context(self._folder / "self-signed.pem", self.certificate, self._key)


def build_context(
    path: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> ssl.SSLContext:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        + certificate.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """A certificate authority that the environment trusts."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    return authority


#: What is wrong with a certificate -> how the server gets it, OpenSSL's reason, and what to do.
FAULTS: dict[str, tuple[Callable[[Authority], ssl.SSLContext], str, str]] = {
    "expired": (
        lambda own: own.issue(begin=-2 * DAY, end=-DAY),
        "certificate has expired",
        "Check the clock",
    ),
    "not valid yet": (
        lambda own: own.issue(begin=DAY / 2),
        "certificate is not yet valid",
        "Check the clock",
    ),
    "of another host": (
        lambda own: own.issue("other.vendor.test"),
        "not valid for",
        "Another server answers",
    ),
    "of an authority that is not trusted": (
        lambda own: Authority(own._folder, "Another authority").issue(),
        "unable to get local issuer certificate",
        "REQUESTS_CA_BUNDLE",
    ),
    "self-signed": (
        lambda own: Authority(own._folder, "Another authority").build_own_context(),
        "self",
        "REQUESTS_CA_BUNDLE",
    ),
}


@pytest.fixture
def serve_tls(listen: Listen) -> Callable[[ssl.SSLContext], tuple[int, list[int]]]:
    """`port, connections = serve_tls(context)`; the list contains a number per connection."""

    def start(context: ssl.SSLContext) -> tuple[int, list[int]]:
        connections: list[int] = []

        def handle(client: socket.socket, number: int) -> None:
            connections.append(number)
            with context.wrap_socket(client, server_side=True) as secure:
                while read_request(secure):
                    secure.sendall(OK)

        return listen(handle), connections

    return start


ServeTls = Callable[[ssl.SSLContext], tuple[int, list[int]]]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("retry", list(RetryPolicy))
def test_certificate_that_is_not_accepted_is_reported_with_its_reason_at_once(
    authority: Authority,
    serve_tls: ServeTls,
    transport: MakeTransport,
    fault: str,
    retry: RetryPolicy,
) -> None:
    build, reason, advice = FAULTS[fault]
    port, connections = serve_tls(build(authority))
    api = transport(f"https://127.0.0.1:{port}", retries=3)
    with pytest.raises(rec.Unavailable) as caught:
        api.request("POST", "thing", operation="try", retry=retry)
    assert type(caught.value) is rec.Unavailable
    message = str(caught.value)
    assert message.startswith(
        f"vendor try: The TLS certificate of 127.0.0.1:{port} is not accepted: "
    )
    assert reason in message
    assert advice in message
    assert "Nothing was sent" in message
    assert len(connections) == 1


def test_certificate_of_an_unknown_authority_names_the_variable_to_set(
    authority: Authority,
    serve_tls: ServeTls,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, _ = serve_tls(authority.issue())
    api = transport(f"https://127.0.0.1:{port}")
    api.get("thing", operation="try")
    api.close()
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(rec.Unavailable, match="set REQUESTS_CA_BUNDLE to a file"):
        api.get("thing", operation="try")
    other = Authority(authority.bundle.parent, "Another authority")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other.bundle))
    with pytest.raises(rec.Unavailable, match="to the file that CURL_CA_BUNDLE names"):
        api.get("thing", operation="try")


def test_certificate_authorities_are_read_once_and_again_when_they_change(
    authority: Authority,
    serve_tls: ServeTls,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Reading them takes longer than the handshake, and each start has a connection of its own."""
    read: list[object] = []

    class Context(ssl.SSLContext):
        def load_verify_locations(self, *args: Any, **kwargs: Any) -> None:
            read.append(args or kwargs)
            super().load_verify_locations(*args, **kwargs)

    monkeypatch.setattr(
        "recording_core.transport.session.create_urllib3_context",
        lambda: Context(ssl.PROTOCOL_TLS_CLIENT),
    )
    port, connections = serve_tls(authority.issue())
    api = transport(f"https://127.0.0.1:{port}")

    def start() -> None:
        api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)

    start()
    api.get("thing", operation="try")
    start()
    assert (len(connections), len(read)) == (3, 1)
    other = Authority(authority.bundle.parent, "Another authority")
    authority.bundle.write_bytes(other.bundle.read_bytes())
    os.utime(authority.bundle, (0, 0))
    with pytest.raises(rec.Unavailable, match="certificate"):
        start()
    assert len(read) == 2


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_bundle_that_cannot_be_read_is_named_by_its_variable(
    authority: Authority,
    serve_tls: ServeTls,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    content: str | None,
) -> None:
    port, _ = serve_tls(authority.issue())
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    api = transport(f"https://127.0.0.1:{port}")
    with pytest.raises(rec.Unavailable, match="REQUESTS_CA_BUNDLE does not name a readable file"):
        api.get("thing", operation="try")


def test_handshake_with_a_server_without_tls_is_retried_and_reported(
    listen: Listen, transport: MakeTransport
) -> None:
    connections: list[int] = []

    def handle(client: socket.socket, number: int) -> None:
        connections.append(number)
        client.recv(65536)
        client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    port = listen(handle)
    with pytest.raises(rec.Unavailable, match=r"TLS handshake with 127\.0\.0\.1:"):
        transport(f"https://127.0.0.1:{port}", retries=1).get("thing", operation="try")
    assert len(connections) == 2


def test_certificate_of_a_media_host_is_reported_and_not_retried(
    authority: Authority, serve_tls: ServeTls, tmp_path: Path
) -> None:
    port, connections = serve_tls(authority.issue(begin=-2 * DAY, end=-DAY))
    url = f"https://127.0.0.1:{port}/m.mp3?X-Amz-Signature=abcdef"
    file = rec.MediaFile(id="mix", role=rec.FileRole.MIX, format="mp3", url=url)
    available = rec.RecordingStatus.AVAILABLE
    recording = rec.Recording("plivo", "default", "r1", status=available, files=(file,))
    with (
        rec.connect(
            "plivo",
            auth_id="MA" + "X" * 18,
            auth_token="t" * 40,
            base_url="http://127.0.0.1:9",
        ) as provider,
        pytest.raises(rec.Unavailable, match="certificate has expired") as caught,
    ):
        provider.download(recording, tmp_path / "out")
    assert "abcdef" not in str(caught.value)
    assert len(connections) == 1


def test_wait_ends_at_once_if_the_certificate_is_not_accepted(
    authority: Authority, serve_tls: ServeTls
) -> None:
    port, connections = serve_tls(authority.issue(begin=-2 * DAY, end=-DAY))
    session = rec.RecordingSession("plivo", "default", "r1", rec.call("c1"))
    with (
        rec.connect(
            "plivo",
            auth_id="MA" + "X" * 18,
            auth_token="t" * 40,
            base_url=f"https://127.0.0.1:{port}",
        ) as provider,
        pytest.raises(rec.Unavailable, match="certificate has expired"),
    ):
        provider.wait(session, timeout=timedelta(seconds=30))
    assert len(connections) == 1


# -- proxies ---------------------------------------------------------------------------------------

PASSWORD = "pr0xy-passw0rd"


def answer_connect(client: socket.socket, status: bytes) -> None:
    assert read_request(client) == "CONNECT"
    client.sendall(b"HTTP/1.1 " + status + b"\r\n\r\n")


@pytest.fixture
def use_proxy(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler, str], None]:
    def install(handle: Handler, variable: str) -> None:
        monkeypatch.setenv(variable, f"http://user:{PASSWORD}@127.0.0.1:{listen(handle)}")

    return install


UseProxy = Callable[[Handler, str], None]


@pytest.mark.parametrize(
    ("status", "advice", "connections"),
    [
        (b"407 Proxy Authentication Required", "Correct the user and the password", 1),
        (b"403 Forbidden", "NO_PROXY", 1),
        (b"502 Bad Gateway", "NO_PROXY", 2),
        (b"999 Odd", "NO_PROXY", 2),
        (b"", "NO_PROXY", 2),
    ],
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_proxy_that_does_not_connect_is_named_by_its_variable(
    use_proxy: UseProxy,
    transport: MakeTransport,
    status: bytes,
    advice: str,
    connections: int,
    variable: str,
) -> None:
    """Nothing was sent to the vendor, so that a start is not in doubt."""
    numbers: list[int] = []

    def handle(client: socket.socket, number: int) -> None:
        numbers.append(number)
        if status:
            answer_connect(client, status)

    use_proxy(handle, variable)
    api = transport("https://api.vendor.test", retries=1)
    for retry in (RetryPolicy.NEVER, RetryPolicy.IF_NOT_PROCESSED):
        numbers.clear()
        with pytest.raises(rec.Unavailable) as caught:
            api.request("POST", "start", operation="start", retry=retry)
        message = str(caught.value)
        assert f"The proxy of {variable} did not connect to api.vendor.test:443" in message
        assert "Nothing was sent to the vendor" in message
        assert advice in message
        assert (f": HTTP {status[:3].decode()} (" in message) is bool(status)
        assert PASSWORD not in message
        assert caught.value.status is None
        assert len(numbers) == (1 if retry is RetryPolicy.NEVER else connections)


def test_certificate_that_is_not_accepted_behind_a_proxy_leaves_no_doubt(
    authority: Authority, use_proxy: UseProxy, transport: MakeTransport
) -> None:
    context = authority.issue("other.vendor.test")

    def handle(client: socket.socket, number: int) -> None:
        answer_connect(client, b"200 OK")
        context.wrap_socket(client, server_side=True)

    use_proxy(handle, "HTTPS_PROXY")
    api = transport("https://api.vendor.test")
    with pytest.raises(rec.Unavailable, match=r"certificate of api\.vendor\.test:443") as caught:
        api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)
    assert type(caught.value) is rec.Unavailable


@pytest.mark.parametrize("cut", [False, True])
def test_start_through_a_proxy_is_in_doubt_only_after_it_was_sent(
    authority: Authority, use_proxy: UseProxy, transport: MakeTransport, cut: bool
) -> None:
    context = authority.issue("api.vendor.test")

    def handle(client: socket.socket, number: int) -> None:
        answer_connect(client, b"200 OK")
        with context.wrap_socket(client, server_side=True) as secure:
            assert read_request(secure) == "POST"
            if not cut:
                secure.sendall(OK)

    use_proxy(handle, "HTTPS_PROXY")
    api = transport("https://api.vendor.test")

    def start() -> Any:
        return api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER).payload

    if not cut:
        assert start() == {}
        return
    with pytest.raises(rec.OutcomeUnknown, match="connection was cut"):
        start()


def test_media_behind_a_proxy_names_its_variable(
    use_proxy: UseProxy, transport: MakeTransport
) -> None:
    def handle(client: socket.socket, number: int) -> None:
        answer_connect(client, b"407 Proxy Authentication Required")

    use_proxy(handle, "HTTPS_PROXY")
    media = MediaTransport(
        transport("https://api.vendor.test"),
        vendor_hosts=(),
        credential_hosts=(),
        first_byte_timeout=5.0,
    )
    url = "https://media.vendor.test/m.mp3?X-Amz-Signature=abcdef"
    with (
        contextlib.closing(media),
        pytest.raises(rec.Unavailable, match=r"proxy of HTTPS_PROXY .* HTTP 407") as caught,
        media.fetch(url, {}),
    ):
        pass
    assert MASK not in str(caught.value)
    assert "abcdef" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    [
        f"ftp://user:{PASSWORD}@127.0.0.1:1",
        f"http://user:{PASSWORD}@127.0.0.1:99999",
        f"http://user:{PASSWORD}@",
        f"http://user:{PASSWORD}@[::1",
        f"socks6://user:{PASSWORD}@127.0.0.1:1",
        f"user:{PASSWORD}@127.0.0.1:port",
        "http://",
    ],
)
def test_url_of_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(rec.Unavailable, match="HTTPS_PROXY is not the URL of a proxy") as caught:
        transport("https://api.vendor.test", retries=3).get("thing", operation="try")
    assert caught.value._is_lasting
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


# -- SOCKS proxies ---------------------------------------------------------------------------------


def receive_exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (received := client.recv(count - len(data))):
        data += received
    return data


def accept_socks(client: socket.socket, password: str = "", answer: int = 0) -> bytes:
    """Act as a SOCKS 5 proxy (RFC 1928), and return the address that the client requests."""
    _, count = receive_exactly(client, 2)
    receive_exactly(client, count)
    client.sendall(b"\x05\x02" if password else b"\x05\x00")
    if password:  # RFC 1929
        name = receive_exactly(client, receive_exactly(client, 2)[1])
        given = receive_exactly(client, receive_exactly(client, 1)[0])
        fits = (name, given) == (b"user", password.encode())
        client.sendall(b"\x01\x00" if fits else b"\x01\x01")
        if not fits:
            return b""
    kind = receive_exactly(client, 4)[3]
    address = receive_exactly(client, receive_exactly(client, 1)[0] if kind == 3 else 4)
    receive_exactly(client, 2)
    client.sendall(bytes([5, answer, 0, 1, 0, 0, 0, 0, 0, 0]))
    return address


@pytest.fixture
def use_socks(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> Callable[[Handler, str], None]:
    def install(handle: Handler, scheme: str) -> None:
        proxy = f"{scheme}://user:{PASSWORD}@127.0.0.1:{listen(handle)}"
        monkeypatch.setenv("HTTPS_PROXY", proxy)

    return install


UseSocks = Callable[[Handler, str], None]


@pytest.mark.parametrize(
    ("scheme", "address"), [("socks5h", b"api.vendor.test"), ("socks5", bytes([127, 0, 0, 9]))]
)
def test_requests_and_media_go_through_a_socks_proxy(
    authority: Authority,
    use_socks: UseSocks,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    address: bytes,
) -> None:
    context = authority.issue("api.vendor.test")
    seen: list[bytes] = []

    def handle(client: socket.socket, number: int) -> None:
        seen.append(accept_socks(client, PASSWORD))
        with context.wrap_socket(client, server_side=True) as secure:
            while read_request(secure):
                secure.sendall(OK)

    use_socks(handle, scheme)
    resolve = socket.getaddrinfo

    def resolve_vendor(host: Any, port: Any, *others: Any, **more: Any) -> Any:
        assert scheme == "socks5" or host == "127.0.0.1"  # else the proxy resolves it
        return resolve("127.0.0.9" if host == "api.vendor.test" else host, port, *others, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_vendor)
    api = transport("https://api.vendor.test")
    for _ in range(2):
        api.get("thing", operation="try")
    assert seen == [address]
    api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)
    assert seen == [address] * 2


def test_address_policy_applies_to_what_this_machine_resolves_for_a_socks_proxy(
    use_socks: UseSocks, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_socks(lambda client, _: pytest.fail("the proxy was contacted"), "socks5")
    resolve = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _, *more, **named: resolve("10.0.0.1", *more))
    media = MediaTransport(
        transport("https://api.vendor.test"),
        vendor_hosts=(),
        credential_hosts=(),
        first_byte_timeout=5.0,
    )
    with (
        contextlib.closing(media),
        pytest.raises(rec.ForbiddenHost, match=r"resolves to 10\.0\.0\.1"),
        media.fetch("https://media.vendor.test/m.mp3", {}),
    ):
        pass


@pytest.mark.parametrize(
    ("password", "answer", "reason"),
    [
        (PASSWORD, 5, "Connection refused"),
        ("another", 0, "authentication failed"),
        (None, 0, "closed unexpectedly"),
    ],
)
def test_socks_proxy_that_does_not_connect_is_named_with_its_reason(
    use_socks: UseSocks,
    transport: MakeTransport,
    password: str | None,
    answer: int,
    reason: str,
) -> None:
    def handle(client: socket.socket, number: int) -> None:
        if password is not None:
            accept_socks(client, password, answer)
        else:
            receive_exactly(client, 4)

    use_socks(handle, "socks5h")
    api = transport("https://api.vendor.test", retries=0)
    with pytest.raises(rec.Unavailable, match=reason) as caught:
        api.request("POST", "start", operation="start", retry=RetryPolicy.NEVER)
    message = str(caught.value)
    assert "The proxy of HTTPS_PROXY did not connect to api.vendor.test:443: " in message
    assert "Nothing was sent to the vendor" in message
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_negotiation_with_a_socks_proxy_is_under_the_deadline(
    use_socks: UseSocks, transport: MakeTransport
) -> None:
    """A timeout of a socket is per read: a proxy that sends byte by byte never exceeds it."""

    def handle(client: socket.socket, number: int) -> None:
        receive_exactly(client, 4)
        client.sendall(b"\x05\x00")
        for byte in b"\x05\x00\x00\x03\xff" + bytes(257):
            client.sendall(bytes([byte]))
            time.sleep(0.1)

    use_socks(handle, "socks5h")
    api = transport("https://api.vendor.test", total_timeout=0.3, retries=0)
    with assert_within(0.3), pytest.raises(rec.Unavailable, match="within"):
        api.get("thing", operation="try")


def test_addresses_of_a_socks_proxy_share_the_deadline(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve = socket.getaddrinfo
    addresses = [f"127.0.0.{number}" for number in range(1, 9)]

    def resolve_proxy(host: Any, *others: Any, **more: Any) -> Any:
        return [resolve(each, *others, **more)[0] for each in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", resolve_proxy)
    with contextlib.ExitStack() as waiting:
        server = waiting.enter_context(socket.socket())
        server.bind(("0.0.0.0", 0))
        server.listen(0)  # and nothing accepts
        port = server.getsockname()[1]
        for each in addresses:
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex((each, port))
        monkeypatch.setenv("HTTPS_PROXY", f"socks5h://proxy.test:{port}")
        api = transport("https://api.vendor.test", total_timeout=0.3, retries=0)
        with assert_within(0.3), pytest.raises(rec.Unavailable, match="within"):
            api.get("thing", operation="try")


def test_socks_proxy_without_pysocks_names_the_package_to_install(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_missing(*_: Any, **__: Any) -> None:  # as requests does then
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr("requests.adapters.SOCKSProxyManager", raise_missing)
    monkeypatch.setattr(network_failures, "find_spec", lambda name: None)
    monkeypatch.setenv("ALL_PROXY", f"socks5h://user:{PASSWORD}@127.0.0.1:1")
    advice = r"ALL_PROXY names a SOCKS proxy, which needs PySocks: pip install 'requests\[socks\]'"
    with pytest.raises(rec.Unavailable, match=advice) as caught:
        transport("https://api.vendor.test").get("thing", operation="try")
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))
