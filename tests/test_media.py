"""Media: fetched by https from public addresses only; each redirect target is checked."""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recording_core import (
    AuthenticationFailed,
    ForbiddenHost,
    MediaHosts,
    NotFound,
    NotReady,
    PaginationError,
    ProviderError,
    RateLimited,
    Rejected,
    Unavailable,
)
from recording_core.testing import Reply, Request
from recording_core.transport import address_policy
from recording_core.transport.address_policy import (
    AddressPolicy,
    is_public,
    parse_origin,
    quote_url,
)
from recording_core.transport.client import Transport
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.session import build_session
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

API = "https://api.vendor.test"
VENDOR = ("media.vendor.test", "*.cdn.vendor.test")


@contextmanager
def open_media(api: Transport) -> Iterator[MediaTransport]:
    media = MediaTransport(api, vendor_hosts=VENDOR, credential_hosts=(), first_byte_timeout=5.0)
    try:
        yield media
    finally:
        media.close()


def fetch(api: Transport, url: str, **headers: str) -> bytes:
    with open_media(api) as media, media.fetch(url, headers) as response:
        return b"".join(response.iter_chunks(1000))


def resolve_to(monkeypatch: pytest.MonkeyPatch, addresses: list[str]) -> list[str]:
    """Resolve every name to these addresses. Returns the resolved names."""
    resolved: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        resolved.append(host)
        return [each for one in addresses for each in real(one, port, *args, **kwargs)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return resolved


FORBIDDEN_FORMS = [
    "http://127.0.0.1:{port}\\@good.test/",
    "https://127.0.0.1:{port}\\@good.test/",
    "https://good.test\\@127.0.0.1:{port}/",
    "https://user:password@good.test/a",
    "https://user@good.test/a",
    "https://good.test /a",
    "https://good.test\u3000/a",
    "https://good.test/ä\\b",
    "https://good.test/a\tb",
    "https://good.test/a b\n",
    "https://good.test/a\r\nHost: evil",
    "https://good.test/\x00",
    " https://good.test/",
    "https://good.test/\x7f",
    "https://gооd.test/",  # both o are Cyrillic
    "https://１２７.0.0.1/",
    "https://good。test/",
    "https://good.test:8443/",
    "https://good.test:80/",
    "http://good.test:8080/",
    "https:///a",
    "https://[::1",
    "https://good.test:99999/",
    "https://good.test:port/",
    "//good.test/a",
    "/a",
    "a",
    "",
    "ftp://good.test/a",
    "file:///etc/passwd",
    "data:audio/wav;base64,UklGRg==",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "HTTPS://USER@good.test/",
]
FORBIDDEN_ADDRESSES = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "192.0.0.192",
    "3fff::1",
    "198.18.0.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "fe80::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
]
NUMBERS = ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0x7f000001", "017700000001", "0"]


@pytest.mark.parametrize("path", ["a" * 20_000_000, "é a" * 7_000_000, "../" * 7_000_000])
def test_url_of_megabytes_is_refused_at_once(transport: MakeTransport, path: str) -> None:
    """T6: parsing it takes seconds."""
    api = transport(API, retries=0)
    began = time.process_time()
    with pytest.raises(ForbiddenHost, match=r"has 2[0-9]{7} characters"):
        fetch(api, f"https://h.test/{path}")
    with pytest.raises(PaginationError):
        api.resolve_link(f"{API}/{path}", "list")
    assert time.process_time() - began < 1


@pytest.mark.parametrize("url", FORBIDDEN_FORMS)
@pytest.mark.parametrize("hosts", [MediaHosts.PUBLIC, MediaHosts.VENDOR])
def test_dangerous_url_is_refused_before_its_name_is_resolved(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch, url: str, hosts: MediaHosts
) -> None:
    """S1."""
    resolved = resolve_to(monkeypatch, ["127.0.0.1"])
    with pytest.raises(ForbiddenHost) as caught:
        fetch(transport(API, retries=0, media_hosts=hosts), url.format(port=443))
    assert resolved == []
    assert "password" not in str(caught.value)


@pytest.mark.parametrize("host", NUMBERS)
def test_number_that_resolves_to_loopback_is_refused(transport: MakeTransport, host: str) -> None:
    """S1: resolvers read such numbers differently, so that the resolved address decides."""
    with pytest.raises((ForbiddenHost, Unavailable)):
        fetch(transport(API, retries=0), f"https://{host}/")


@pytest.mark.parametrize(
    "host", [*NUMBERS, "10.0.0.5", "[fd00::1]", "[::ffff:127.0.0.1]", "localhost."]
)
def test_an_address_is_refused_before_a_proxy_connects_to_it(
    transport: MakeTransport, serve: Serve, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """S1, S3: an address is part of the URL's form; only names are the proxy's to resolve."""
    proxy, journal = serve(Reply(502))
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(ForbiddenHost):
        fetch(transport(API, retries=0, allow_loopback=False), f"https://{host}/")
    assert not journal


@pytest.mark.parametrize("address", FORBIDDEN_ADDRESSES)
def test_address_that_is_not_public_is_refused(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """S1: as a literal and behind a name, also if the name has a public address as well."""
    literal = f"[{address}]" if ":" in address else address
    with pytest.raises(ForbiddenHost):
        fetch(transport(API, retries=0), f"https://{literal}/a.wav")
    for answer in ([address], ["93.184.215.14", address]):
        resolve_to(monkeypatch, answer)
        with pytest.raises(ForbiddenHost, match="resolves to"):
            fetch(transport(API, retries=0), "https://good.test/a.wav")
        monkeypatch.undo()


@pytest.mark.parametrize(
    "address",
    ["93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8"],
)
def test_public_address_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_connected_address_is_checked_too(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S1: the machine may route a public address to a private one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        resolved = resolve_to(monkeypatch, ["93.184.215.14"])

        def connect_to_private(address: tuple[str, int], *_: Any, **__: Any) -> socket.socket:
            private = socket.socket()
            private.connect(("127.0.0.1", address[1]))
            return private

        monkeypatch.setattr(address_policy, "create_connection", connect_to_private)
        api = transport(API, retries=0, media_hosts=lambda host: True)
        policy = AddressPolicy(hosts=MediaHosts.PUBLIC, vendor_hosts=(), allow_loopback=False)
        with open_media(api) as media:
            media._session.close()
            media._session = build_session(policy, 1)  # as if the server's port were 443
            with (
                pytest.raises(ForbiddenHost, match=r"127\.0\.0\.1"),
                media.fetch(f"https://good.test:{port}/a.wav", {}),
            ):
                pass
        assert resolved == ["good.test"]
        server.setblocking(False)
        client, _ = server.accept()
        with client:
            client.settimeout(2)
            assert client.recv(100) == b""  # not even the first byte of the handshake


# -- spaces and letters ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "quoted"),
    [
        ("https://h.test/Board meeting.mp3", "https://h.test/Board%20meeting.mp3"),
        ("https://h.test/Büro/ä  b.mp3", "https://h.test/B%C3%BCro/%C3%A4%20%20b.mp3"),
        ("https://h.test/a?name=Büro 1&s=%20+/=", "https://h.test/a?name=B%C3%BCro%201&s=%20+/="),
        ("https://h.test?é", "https://h.test?%C3%A9"),
        ("https://h.test/a%2Fb%zz'()*!~", "https://h.test/a%2Fb%zz'()*!~"),
        ("https://h.test/\ud800", "https://h.test/%3F"),
        ("https://büro.test/ä", "https://büro.test/%C3%A4"),
        (" https://h.test/a b", " https://h.test/a b"),
        ("Büro.mp3", "Büro.mp3"),
        ("", ""),
    ],
)
def test_spaces_and_letters_after_the_host_are_percent_encoded(url: str, quoted: str) -> None:
    """Everything else is kept as it is, since the URL may be signed."""
    assert quote_url(url) == quoted
    assert quote_url(quoted) == quoted


def test_url_with_a_space_and_letters_is_fetched(serve: Serve, transport: MakeTransport) -> None:
    origin, journal = serve(Reply(200, b"media"))
    api, _ = serve(Reply(500))
    assert fetch(transport(api), origin + "/Büro 1.mp3?title=Ä b") == b"media"
    assert fetch(transport(origin), origin + "/Büro 1.mp3?title=Ä b") == b"media"
    assert [request.path for request in journal] == ["/B%C3%BCro%201.mp3"] * 2
    assert [dict(request.query) for request in journal] == [{"title": "Ä b"}] * 2


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_redirect_to_a_url_with_a_space_and_letters_is_followed(
    serve: Serve, transport: MakeTransport, encoding: str
) -> None:
    location = "/Büro 1".encode(encoding).decode("latin-1")  # as a server sends these bytes

    def answer(request: Request) -> Reply:
        return Reply(302, b"", {"Location": location}) if request.path == "/" else Reply(200, b"m")

    origin, journal = serve(answer)
    assert fetch(transport(origin), origin + "/") == b"m"
    assert journal[1].path == "/B%C3%BCro%201"


# -- media_hosts ----------------------------------------------------------------------------------


def build_policy(hosts: Any, *, allow_loopback: bool = False) -> AddressPolicy:
    return AddressPolicy(hosts=hosts, vendor_hosts=VENDOR, allow_loopback=allow_loopback)


@pytest.mark.parametrize(
    ("hosts", "url", "allowed"),
    [
        (MediaHosts.PUBLIC, "https://any.test/a", True),
        (MediaHosts.PUBLIC, "https://any.test:443/a", True),
        (MediaHosts.VENDOR, "https://media.vendor.test/a", True),
        (MediaHosts.VENDOR, "https://MEDIA.vendor.test/a", True),
        (MediaHosts.VENDOR, "https://eu.cdn.vendor.test/a", True),
        (MediaHosts.VENDOR, "https://cdn.vendor.test/a", False),
        (MediaHosts.VENDOR, "https://media.vendor.test.evil.test/a", False),
        (MediaHosts.VENDOR, "https://evilmedia.vendor.test/a", False),
        (MediaHosts.VENDOR, "https://evil.test/media.vendor.test", False),
        (lambda host: host == "nas.local", "https://nas.local:9000/a", True),
        (lambda host: host == "nas.local", "https://other.local/a", False),
        (lambda host: True, "http://nas.local/a", False),
        (lambda host: True, "http://127.0.0.1/a", False),
        (lambda host: True, "https://localhost/a", False),
    ],
)
def test_media_hosts_decides_which_hosts_are_allowed(hosts: Any, url: str, allowed: bool) -> None:
    """S3."""
    if allowed:
        build_policy(hosts).check_url(url)
    else:
        with pytest.raises(ForbiddenHost):
            build_policy(hosts).check_url(url)


def test_host_that_the_caller_allows_may_be_private(serve: Serve, transport: MakeTransport) -> None:
    build_policy(lambda host: True).check_address("nas.local", "10.0.0.7")
    with pytest.raises(ForbiddenHost):
        build_policy(MediaHosts.VENDOR).check_address("media.vendor.test", "10.0.0.7")
    origin, journal = serve(Reply(200, b"media"))
    with pytest.raises(ForbiddenHost):
        fetch(transport(API, retries=0, media_hosts=lambda host: True), origin + "/m")
    assert journal == []
    assert fetch(transport(API, allow_loopback=True), origin + "/m") == b"media"


def test_loopback_media_is_allowed_if_the_api_is_on_loopback(
    serve: Serve, transport: MakeTransport
) -> None:
    media, _ = serve(Reply(200, b"media"))
    assert fetch(transport(serve(Reply())[0]), media + "/m") == b"media"


# -- redirects ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        *("http://10.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data"),
        *("https://[fd00:ec2::254]/", "https://2130706433.evil.test:444/", "file:///etc/passwd"),
        "https://user:pw@good.test/",
    ],
)
def test_each_redirect_target_is_checked(
    serve: Serve, transport: MakeTransport, code: int, target: str
) -> None:
    """S2."""
    origin, _ = serve(Reply(code, b"", {"Location": target}))
    with pytest.raises(ForbiddenHost):
        fetch(transport(origin, retries=0), origin + "/m")


def test_at_most_five_redirects_are_followed(serve: Serve, transport: MakeTransport) -> None:
    """S2."""

    def answer(request: Request) -> Reply:
        step = int(request.path.strip("/"))
        return Reply(302, b"", {"Location": f"/{step - 1}"}) if step else Reply(200, b"media")

    origin, journal = serve(answer)
    assert fetch(transport(origin), origin + "/5") == b"media"
    with pytest.raises(Unavailable, match="more than 5"):
        fetch(transport(origin), origin + "/6")
    assert len(journal) == 12


def test_body_of_a_redirect_is_never_read(serve: Serve, transport: MakeTransport) -> None:
    """T7: requests reads all of it, even with redirects disabled."""
    endless = Reply(302, bytes(50_000_000), {"Location": "/m"})
    origin, _ = serve(lambda request: endless if request.path == "/" else Reply(200, b"media"))
    with open_media(transport(origin)) as media, media.fetch(origin + "/", {}) as response:
        assert b"".join(response.iter_chunks(10)) == b"media"
    answered = transport(serve(lambda r: endless if r.path == "/" else Reply.json({}))[0])
    assert answered.get("", operation="get").payload == {}


@pytest.mark.parametrize(
    ("plain", "secure"),
    [
        ("http://h.test/a", "https://h.test/a"),
        ("http://h.test:80/a", "https://h.test/a"),
        ("http://h.test:443/a", "https://h.test/a"),
        ("HTTP://h.test:80?a=:80/", "https://h.test?a=:80/"),
        ("http://h.test:80", "https://h.test"),
        ("http://h.test/a:80/b", "https://h.test/a:80/b"),
        ("https://h.test/a", "https://h.test/a"),
        ("http://127.0.0.1:80/a", "http://127.0.0.1:80/a"),
        ("http://h.test:8080/a", "http://h.test:8080/a"),  # refused afterwards, as plain http
    ],
)
def test_http_url_is_fetched_by_https(transport: MakeTransport, plain: str, secure: str) -> None:
    with open_media(transport(API)) as media:
        assert media._upgrade_to_https(plain) == secure


# -- URL parsers ----------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        *("http://", "https://", "HTTPS://", "//", "/", "\\", "@", ":", "#", "?", "%", ".", ";"),
        *("127.0.0.1", "good.test", "[::1]", "[", "]", "a", "1", ":443", ":80", "%2f", "%40"),
        *("%5c", "*", "|", "^", "{", "..", "/../", "//evil.test", "xn--a", "_"),
    ]
)


@settings(max_examples=1500)
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join))
@example("https:/\\good.test/")
@example("https://good.test%2f@127.0.0.1/")
@example("https://good.test%23.evil.test/")
def test_checked_host_is_the_connected_host(url: str) -> None:
    """S4: requests connects to what urllib reads of the URL that requests prepared."""
    try:
        build_policy(lambda host: True, allow_loopback=True).check_url(url)
        checked = parse_origin(url)
        prepared = requests.Request("GET", url).prepare().url or ""
    except (ForbiddenHost, requests.RequestException):
        return
    parts = urlsplit(prepared)
    host = (parts.hostname or "").strip("[]")
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    assert (parts.scheme, host, port) == (checked[0], checked[1].strip("[]"), checked[2])


# -- responses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (401, AuthenticationFailed),
        (403, AuthenticationFailed),
        (404, NotFound),
        (409, NotFound),
        (410, NotFound),
        (202, NotReady),
        (204, NotReady),
        (429, RateLimited),
        (500, Unavailable),
        (503, Unavailable),
        (304, Rejected),
        (999, Unavailable),
    ],
)
def test_error_of_a_media_host_is_typed(
    serve: Serve, transport: MakeTransport, status: int, error: type[ProviderError]
) -> None:
    origin, _ = serve(Reply(status, b"a body with a secret=hunter2"))
    api, _ = serve(Reply(500))
    with pytest.raises(error) as caught:
        fetch(transport(api), origin + "/m?X-Signature=hunter2")
    assert "hunter2" not in repr((str(caught.value), vars(caught.value)))


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 429, 503])
def test_error_of_the_api_in_place_of_media_has_the_vendors_message(
    serve: Serve, transport: MakeTransport, status: int
) -> None:
    """Not "the media host": the API's own origin answered."""
    body = b'{"code": "SOME_REASON", "text": "No.", "id": "req_7"}'
    origin, _ = serve(Reply(status, body, {"Retry-After": "1"}))
    api = transport(
        origin,
        error_details=lambda status, headers, body: ErrorDetails(
            body["text"], body["code"], body["id"], recognized=True
        ),
    )
    with pytest.raises(ProviderError) as caught:
        fetch(api, origin + "/m")
    error = caught.value
    wait = " The vendor limits requests: try again after 1 s" if status == 429 else ""
    assert (error.message, error.code, error.request_id) == (f"No.{wait}", "SOME_REASON", "req_7")
    assert "media host" not in str(error)


EXPIRIES = {
    "ExpiredToken": b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message/></Error>",
    "ExpiredRequest": b"<Error>\n <Code>ExpiredRequest</Code></Error>",
    "TOKEN_EXPIRED": b'{"code": "TOKEN_EXPIRED", "secret": "hunter2"}',
    "request_expired": b'{"error": {"error_code":"request_expired"}}',
    "expired": b'{"error": "expired"}',
}


@pytest.mark.parametrize("code", EXPIRIES)
@pytest.mark.parametrize("on_api", [True, False])
def test_400_with_an_expiry_code_is_an_expired_link(
    serve: Serve, transport: MakeTransport, code: str, on_api: bool
) -> None:
    """As Google Cloud Storage reports it; other storages send 403."""
    origin, _ = serve(Reply(400, EXPIRIES[code]))
    api = origin if on_api else serve(Reply(500))[0]
    with pytest.raises(AuthenticationFailed, match="link to the media has expired") as caught:
        fetch(transport(api), origin + "/m?X-Signature=hunter2")
    assert (caught.value.status, caught.value.code) == (400, code)
    assert "hunter2" not in repr((str(caught.value), vars(caught.value)))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<Error><Code>InvalidArgument</Code><Message>The range has expired</Message></Error>",
        b'{"code": "BAD", "message": "expired"}',
        b"<Code>" + b"x" * 100 + b"expired</Code>",
        bytes(100_000) + EXPIRIES["ExpiredToken"],
    ],
)
def test_400_without_an_expiry_code_is_rejected(
    serve: Serve, transport: MakeTransport, body: bytes
) -> None:
    origin, _ = serve(Reply(400, body))
    with pytest.raises(Rejected):
        fetch(transport(serve(Reply(500))[0]), origin + "/m")


def test_410_does_not_suggest_to_try_again(serve: Serve, transport: MakeTransport) -> None:
    origin, _ = serve(Reply(410))
    with pytest.raises(NotFound, match="no longer exists"):
        fetch(transport(serve(Reply(500))[0]), origin + "/m")


def test_media_is_requested_uncompressed(serve: Serve, transport: MakeTransport) -> None:
    """T8."""
    origin, journal = serve(Reply(200, b"\x1f\x8b not gzip", {"Content-Encoding": "gzip"}))
    assert fetch(transport(origin), origin + "/m") == b"\x1f\x8b not gzip"
    assert journal[0].header("accept-encoding") == "identity"
