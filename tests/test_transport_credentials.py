"""Where do credentials go? To the API's own origin, and to nobody else, whoever asks for them."""

from __future__ import annotations

import pickle
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3.util.connection

from recording_core import (
    AuthenticationFailed,
    ConfigurationError,
    ForbiddenHost,
    PaginationError,
    ProviderError,
    Rejected,
    Unavailable,
)
from recording_core.testing import LoopbackServer, Reply, Request
from recording_core.transport.authentication import HeaderAuth
from recording_core.transport.client import Transport
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.retry import RetryPolicy
from recording_core.transport.session import new_session
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

TOKEN = "s3cr3t-T0KEN-of-the-account"
CODES = (301, 302, 303, 307, 308)

#: A certificate of its own for localhost and *.vendor.test, good until 2126, trusted by nobody.
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


def holds_credentials(request: Request) -> bool:
    """Whether anything of a request is of the account: any header, the query, or the body."""
    everything = repr((request.headers, request.query, request.path, request.body))
    return TOKEN in everything or not {"authorization", "cookie"}.isdisjoint(request.headers)


def elsewhere(where: str, strange: str) -> str:
    """The origin of a server, as another port, another host or another scheme."""
    return {
        "port": strange,
        "host": strange.replace("127.0.0.1", "localhost"),
        "scheme": strange.replace("http:", "https:"),
    }[where]


@contextmanager
def media_of(api: Transport, **changes: Any) -> Iterator[MediaTransport]:
    media = MediaTransport(
        api, **{"vendor_hosts": (), "credential_hosts": (), "first_byte": 5.0, **changes}
    )
    try:
        yield media
    finally:
        media.close()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ["port", "host", "scheme"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_redirect_of_the_api_leads_no_credential_astray(
    serve: Serve, transport: MakeTransport, code: int, where: str, method: str
) -> None:
    """T1, T2."""
    strange, visits = serve(Reply.json({}))
    target = elsewhere(where, strange) + "/v1/thing"
    origin, journal = serve(Reply(code, b"", {"Location": target}))
    api = transport(origin + "/v1", retries=2)
    with pytest.raises(Rejected, match="redirects"):
        api.request(
            method,
            "thing",
            operation="try",
            json={"secret": TOKEN} if method != "GET" else None,
            params={"key": TOKEN},
            retry=RetryPolicy.IDEMPOTENT,
        )
    assert visits == []
    assert len(journal) == 1


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("retry", list(RetryPolicy))
def test_a_verb_that_is_redirected_on_its_own_origin_is_not_replayed(
    serve: Serve, transport: MakeTransport, code: int, method: str, retry: RetryPolicy
) -> None:
    """T2."""
    origin, journal = serve(Reply(code, b"", {"Location": "/v1/other"}), Reply.json({}))
    with pytest.raises(ProviderError):
        transport(origin).request(method, "thing", operation="try", retry=retry)
    assert [request.path for request in journal] == ["/thing"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("relative", [True, False])
def test_a_read_is_followed_on_its_own_origin_and_signed_there(
    serve: Serve, transport: MakeTransport, code: int, relative: bool
) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/thing":
            location = "/other?page=2" if relative else f"{request.origin}/other?page=2"
            return Reply(code, b"", {"Location": location})
        return Reply.json({"page": request.arg("page")})

    origin, journal = serve(answer)
    answered = transport(origin).get("thing", operation="try", params={"a": "1"})
    assert answered.payload == {"page": "2"}
    assert [request.header("x-auth-token") for request in journal] == [TOKEN, TOKEN]


def test_an_endless_chain_of_redirects_ends_in_a_typed_error(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, journal = serve(Reply(302, b"", {"Location": "/again"}))
    with pytest.raises(Unavailable, match="redirects"):
        transport(origin, retries=0).get("thing", operation="try")
    assert len(journal) == 6


@pytest.mark.parametrize(
    "location",
    ["", "http://[::1", "//", "http://", "\\\\evil", "http://a b/", "javascript:alert(1)", "/\xff"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_nonsense_is_a_typed_error(
    serve: Serve, transport: MakeTransport, location: str, method: str
) -> None:
    """P1: urllib, requests and urllib3 each raise something of their own for these."""
    origin, journal = serve(Reply(302, b"", {"Location": location}), Reply(404))
    api = transport(origin, retries=0)
    with pytest.raises(ProviderError):
        api.request(method, "thing", operation="try", retry=RetryPolicy.IDEMPOTENT)
    assert len(journal) <= 2
    with (
        media_of(api) as media,
        pytest.raises((ProviderError, ForbiddenHost)),
        media.fetch(serve(Reply(302, b"", {"Location": location}))[0] + "/m", {}),
    ):
        pass


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ["port", "host"])
def test_a_redirect_of_media_leads_no_credential_astray(
    serve: Serve, transport: MakeTransport, code: int, where: str
) -> None:
    """T1, S2: from the API's own origin, signed, to a stranger, bare."""
    strange, visits = serve(Reply(200, b"media"))
    origin, journal = serve(Reply(code, b"", {"Location": elsewhere(where, strange) + "/m"}))
    with media_of(transport(origin)) as media, media.fetch(origin + "/thing", {}) as response:
        assert b"".join(response.chunks(1024)) == b"media"
    assert [holds_credentials(request) for request in journal] == [True]
    assert [holds_credentials(request) for request in visits] == [False]


@pytest.mark.parametrize("code", CODES)
def test_a_stranger_that_redirects_back_to_the_api_gets_no_signed_request(
    serve: Serve, transport: MakeTransport, code: int
) -> None:
    """T1: or a stranger would choose what is asked in our name."""
    origin, journal = serve(Reply(200, b"media"))
    strange, visits = serve(Reply(code, b"", {"Location": origin + "/delete-everything"}))
    with media_of(transport(origin)) as media, media.fetch(strange + "/m", {}):
        pass
    assert not any(map(holds_credentials, journal + visits))


@pytest.mark.parametrize("status", [401, 403])
def test_media_elsewhere_that_asks_for_a_sign_in_gets_none(
    serve: Serve, transport: MakeTransport, status: int
) -> None:
    strange, visits = serve(Reply(status, b"", {"WWW-Authenticate": "Basic"}))
    origin, _ = serve(Reply())
    with (
        media_of(transport(origin), credential_hosts=("127.0.0.1", "*")) as media,
        pytest.raises(AuthenticationFailed),
        media.fetch(strange + "/m", {}),
    ):
        pass
    assert [holds_credentials(request) for request in visits] == [False]


def test_a_link_to_the_next_page_is_followed_on_the_apis_origin_alone(
    serve: Serve, transport: MakeTransport
) -> None:
    """L5."""
    strange, visits = serve(Reply.json({}))
    origin, _ = serve(Reply.json({}))
    api = transport(origin + "/v1")
    assert api.on_origin("?page=2", "list") == f"{origin}/v1/?page=2"
    for link in (
        strange + "/v1/things?page=2",
        origin.replace("http:", "https:") + "/v1/things",
        origin.replace("127.0.0.1", "localhost") + "/v1/things",
        "//evil.test/v1",
        "https://[::1",
        f"{origin.replace('//', '//user:pw@')}/v1/things",
        f"{origin}\\@evil.test/v1",
    ):
        with pytest.raises(PaginationError):
            api.on_origin(link, "list")
        if link.startswith(("http", "//")):
            with pytest.raises(PaginationError):
                api.get(link, operation="list")
    assert visits == []


# -- the environment ------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["HOME", "NETRC"])
def test_a_netrc_changes_nothing_of_what_is_sent(
    serve: Serve,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
) -> None:
    """T4: requests puts a ~/.netrc's entry in the place of our own Authorization."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\nlogin mallory\npassword pw\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv(by, str(tmp_path if by == "HOME" else netrc))
    strange, visits = serve(Reply(200, b"media"))
    origin, journal = serve(Reply.json({}))
    api = transport(origin)
    api.auth = HeaderAuth("Authorization", f"Bearer {TOKEN}")
    api.get("thing", operation="try")
    with media_of(api) as media, media.fetch(strange + "/m", {}):
        pass
    assert [request.header("authorization") for request in journal] == [f"Bearer {TOKEN}"]
    assert [request.header("authorization") for request in visits] == [None]
    prepared = new_session(None, 1).prepare_request(requests.Request("GET", strange))
    assert "authorization" not in prepared.headers


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_is_never_asked_through_a_proxy(
    serve: Serve,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
    tls: Callable[..., tuple[int, list[Request]]],
    scheme: str,
) -> None:
    """T4: HTTP_PROXY would see X-Auth-Token."""
    proxy, seen = serve(Reply(502))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, proxy)
    if scheme == "https":
        port, journal = tls(Reply.json({}))
        origin = f"https://127.0.0.1:{port}"
    else:
        origin, journal = serve(Reply.json({}))
    api = transport(origin, retries=0)
    api.get("thing", operation="try")
    with media_of(api) as media, media.fetch(origin + "/m", {}):
        pass
    assert len(journal) == 2
    assert seen == []


def test_cookies_are_not_kept(serve: Serve, transport: MakeTransport) -> None:
    cookie = {"Set-Cookie": "session=stolen; Path=/"}
    origin, journal = serve(Reply.json({}).with_headers(set_cookie=cookie["Set-Cookie"]))
    strange, visits = serve(Reply(200, b"m", cookie))
    api = transport(origin)
    for _ in range(2):
        api.get("thing", operation="try")
    with media_of(api) as media:
        for url in (strange, strange, origin):
            with media.fetch(url + "/m", {}):
                pass
    assert [request.header("cookie") for request in journal + visits] == [None] * 5


# -- the base URL ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.vendor.test/v1",
        "http://10.0.0.1/v1",
        "http://127.1/v1",  # a name to us, whatever a resolver makes of it
        "http://2130706433/v1",
        "http://localhost.evil.test/v1",
        "http://127.0.0.1@evil.test/v1",
        "https://user:pw@api.vendor.test/v1",
        "https://api.vendor.test/v1?key=1",
        "https://api.vendor.test/v1#a",
        "https://api.vendor.test\\@evil.test/",
        "https://api vendor.test/",
        "https://",
        "ftp://api.vendor.test/v1",
        "api.vendor.test/v1",
        "",
        "https://[::1",
    ],
)
def test_a_base_url_that_shows_credentials_to_others_is_refused(
    transport: MakeTransport, base_url: str
) -> None:
    """T3."""
    with pytest.raises(ConfigurationError, match="base_url") as caught:
        transport(base_url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:1/v1",
        "http://localhost:1",
        "http://[::1]:1/",
        "https://api.vendor.test/v1",
    ],
)
def test_https_and_loopback_are_base_urls(transport: MakeTransport, base_url: str) -> None:
    assert transport(base_url).base_url == base_url.rstrip("/")


# -- TLS ------------------------------------------------------------------------------------------


@pytest.fixture
def tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[..., tuple[int, list[Request]]]]:
    """`port, journal = tls(reply, ...)`: as `serve`, by https, which the environment trusts."""
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


Tls = Callable[..., tuple[int, list[Request]]]


def test_a_certificate_of_nobody_is_refused_before_a_byte_is_sent(
    tls: Tls, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T5."""
    port, journal = tls(Reply.json({}))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    api = transport(f"https://localhost:{port}", retries=0)
    with pytest.raises(Unavailable, match="certificate"):
        api.get("thing", operation="try")
    assert journal == []


def test_the_environments_authorities_are_honoured(tls: Tls, transport: MakeTransport) -> None:
    """T4."""
    port, journal = tls(Reply.json({}))
    transport(f"https://localhost:{port}", retries=0).get("thing", operation="try")
    assert [request.header("x-auth-token") for request in journal] == [TOKEN]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_looking_away_from_a_certificate_is_loud(
    tls: Tls, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T5: per client, and never in silence."""
    port, journal = tls(Reply.json({}))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.warns(UserWarning, match="not verified"):
        api = transport(f"https://localhost:{port}", retries=0, verify_tls=False)
    api.get("thing", operation="try")
    assert len(journal) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_https_is_never_followed_down_to_http(
    serve: Serve, tls: Tls, transport: MakeTransport, method: str
) -> None:
    """T3."""
    plain, visits = serve(Reply.json({}))
    port, _ = tls(Reply(307, b"", {"Location": plain.replace("127.0.0.1", "localhost")}))
    api = transport(f"https://localhost:{port}", retries=0)
    with pytest.raises(Rejected):
        api.request(method, "thing", operation="try", retry=RetryPolicy.IDEMPOTENT)
    assert visits == []


# -- the one exception ----------------------------------------------------------------------------


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, int]], None]:
    """`dns({host: port})`: 443 of these names is that port of loopback."""
    real = urllib3.util.connection.create_connection

    def install(names: dict[str, int]) -> None:
        def connect(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
            host, port = address
            if host in names:
                assert port == 443
                address = ("127.0.0.1", names[host])
            return real(address, *args, **kwargs)

        monkeypatch.setattr(urllib3.util.connection, "create_connection", connect)

    return install


def test_a_host_in_the_table_gets_the_credentials_once_it_has_asked_for_them(
    serve: Serve, tls: Tls, transport: MakeTransport, dns: Callable[[dict[str, int]], None]
) -> None:
    """T1's exception, which is Plivo's "HTTP Auth on recordings"."""
    origin, _ = serve(Reply())
    port, visits = tls(Reply(401), Reply(200, b"media"))
    dns({"eu.media.vendor.test": port})
    table = ("media.vendor.test", "*.media.vendor.test")
    with (
        media_of(transport(origin), credential_hosts=table) as media,
        media.fetch("https://eu.media.vendor.test/m.mp3", {}) as response,
    ):
        assert b"".join(response.chunks(1024)) == b"media"
    assert [request.header("x-auth-token") for request in visits] == [None, TOKEN]


@pytest.mark.parametrize(
    ("host", "reply"),
    [
        ("media.vendor.test", Reply(403)),  # it did not ask
        ("api.vendor.test", Reply(401)),  # not in the table
    ],
)
def test_no_other_host_and_no_other_answer_gets_the_credentials(
    serve: Serve,
    tls: Tls,
    transport: MakeTransport,
    dns: Callable[[dict[str, int]], None],
    host: str,
    reply: Reply,
) -> None:
    origin, _ = serve(Reply())
    port, visits = tls(reply)
    dns({host: port})
    with (
        media_of(transport(origin), credential_hosts=("media.vendor.test",)) as media,
        pytest.raises(AuthenticationFailed),
        media.fetch(f"https://{host}/m.mp3", {}),
    ):
        pass
    assert [holds_credentials(request) for request in visits] == [False]


def test_a_host_in_the_table_gets_nothing_when_a_redirect_led_there(
    serve: Serve, tls: Tls, transport: MakeTransport, dns: Callable[[dict[str, int]], None]
) -> None:
    port, visits = tls(Reply(401))
    dns({"media.vendor.test": port})
    strange, _ = serve(Reply(302, b"", {"Location": "https://media.vendor.test/m.mp3"}))
    origin, _ = serve(Reply())
    with (
        media_of(transport(origin), credential_hosts=("media.vendor.test",)) as media,
        pytest.raises(AuthenticationFailed),
        media.fetch(strange + "/m", {}),
    ):
        pass
    assert [holds_credentials(request) for request in visits] == [False]


def test_a_signed_host_that_redirects_leads_the_credentials_nowhere(
    serve: Serve, tls: Tls, transport: MakeTransport, dns: Callable[[dict[str, int]], None]
) -> None:
    strange, bare = serve(Reply(200, b"media"))
    port, visits = tls(Reply(401), Reply(302, b"", {"Location": strange + "/m"}))
    dns({"media.vendor.test": port})
    origin, _ = serve(Reply())
    with (
        media_of(transport(origin), credential_hosts=("media.vendor.test",)) as media,
        media.fetch("https://media.vendor.test/m.mp3", {}),
    ):
        pass
    assert [holds_credentials(request) for request in visits] == [False, True]
    assert [holds_credentials(request) for request in bare] == [False]


# -- what shows -----------------------------------------------------------------------------------


def test_no_repr_of_a_transport_shows_a_credential(serve: Serve, transport: MakeTransport) -> None:
    """X1."""
    api = transport(serve(Reply())[0])
    with media_of(api) as media:
        shown = repr([api, api.auth, api.secrets, api.settings, media, media._peers])
    assert TOKEN not in shown


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize(
    "body",
    [
        b'{"error": "token %s is wrong", "api_token": "%s", "%s": 1}',
        b"token %s is wrong <b>%s</b> %s",
        b'{"message": "see https://h.test/a?X-Amz-Signature=%s%s%s"}',
        b"x" * 1990 + b"%s%s%s",
    ],
)
def test_no_error_repeats_the_credential_that_a_vendor_echoes(
    serve: Serve, transport: MakeTransport, status: int, body: bytes
) -> None:
    """X2: neither in its text, nor in its body, nor in its cause."""
    body = body.replace(b"%s", TOKEN.encode())
    origin, _ = serve(Reply(status, body, {"X-Request-Id": f"id-{TOKEN}"}))
    api = transport(origin, retries=0, error_details=lambda *_: ErrorDetails(is_error=True))
    with pytest.raises(ProviderError) as caught:
        api.request("POST", "thing", operation="try", retry=RetryPolicy.NEVER)
    error = caught.value
    shown = repr((str(error), vars(error), error.__cause__))
    # Not even the beginning of one that an excerpt's end cuts through.
    assert TOKEN[:6] not in shown
    assert error.__suppress_context__ or error.__context__ is None


#: The token as JSON may write it: each may be escaped of a text's characters.
WRITTEN = {
    "as it is": TOKEN,
    "one character escaped": TOKEN.replace("-", "\\u002d", 1),
    "each character escaped": "".join(f"\\u{ord(each):04X}" for each in TOKEN),
}


@pytest.mark.parametrize("written", WRITTEN)
@pytest.mark.parametrize("status", [200, 403])
def test_no_payload_keeps_the_credential_that_a_vendor_echoes(
    serve: Serve, transport: MakeTransport, status: int, written: str
) -> None:
    """X1, X2: whatever its field is called, and whoever reads words out of it."""
    token = WRITTEN[written]
    body = f'{{"note": "of {token}", "{token}": ["{token}"], "id": "r1"}}'.encode()
    api = transport(
        serve(Reply(status, body))[0],
        retries=0,
        error_details=lambda status, headers, body: ErrorDetails(*[body["note"]] * 3),
    )
    if status == 200:
        assert api.get("thing", operation="try").payload == {
            "note": "of ***",
            "***": ["***"],
            "id": "r1",
        }
        return
    with pytest.raises(AuthenticationFailed) as caught:
        api.get("thing", operation="try")
    assert "of ***" in caught.value.message
    assert TOKEN not in repr((str(caught.value), vars(caught.value)))


def test_the_credentials_of_a_connection_are_not_pickled(
    serve: Serve, transport: MakeTransport
) -> None:
    """X1: not even by themselves, out of the transport that holds them."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(transport(serve(Reply())[0]).secrets)
