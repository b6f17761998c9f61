"""Credentials are sent to the API's own origin and to no other host."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from recording_core import (
    AuthenticationFailed,
    ConfigurationError,
    ForbiddenHost,
    PaginationError,
    ProviderError,
    Rejected,
    Unavailable,
)
from recording_core.testing import Reply, Request
from recording_core.transport import address_policy
from recording_core.transport.authentication import HeaderAuth
from recording_core.transport.client import Transport
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.retry import RetryPolicy
from recording_core.transport.session import build_session
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

TOKEN = "s3cr3t-T0KEN-of-the-account"
CODES = (301, 302, 303, 307, 308)


def has_credentials(request: Request) -> bool:
    """Return whether a request contains credentials: in a header, the query or the body."""
    everything = repr((request.headers, request.query, request.path, request.body))
    return TOKEN in everything or not {"authorization", "cookie"}.isdisjoint(request.headers)


def build_foreign_origin(difference: str, origin: str) -> str:
    """Build an origin of a server that differs from the API's in the port, host or scheme."""
    return {
        "port": origin,
        "host": origin.replace("127.0.0.1", "localhost"),
        "scheme": origin.replace("http:", "https:"),
    }[difference]


@contextmanager
def open_media(api: Transport, **changes: Any) -> Iterator[MediaTransport]:
    media = MediaTransport(
        api, **{"vendor_hosts": (), "credential_hosts": (), "first_byte_timeout": 5.0, **changes}
    )
    try:
        yield media
    finally:
        media.close()


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ["port", "host", "scheme"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_api_redirect_to_another_origin_is_not_followed(
    serve: Serve, transport: MakeTransport, code: int, where: str, method: str
) -> None:
    """T1, T2."""
    foreign, visits = serve(Reply.json({}))
    target = build_foreign_origin(where, foreign) + "/v1/thing"
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
def test_redirected_verb_is_not_sent_again(
    serve: Serve, transport: MakeTransport, code: int, method: str, retry: RetryPolicy
) -> None:
    """T2."""
    origin, journal = serve(Reply(code, b"", {"Location": "/v1/other"}), Reply.json({}))
    with pytest.raises(ProviderError):
        transport(origin).request(method, "thing", operation="try", retry=retry)
    assert [request.path for request in journal] == ["/thing"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("relative", [True, False])
def test_read_follows_redirects_on_the_api_origin_with_credentials(
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


def test_endless_redirects_raise_unavailable(serve: Serve, transport: MakeTransport) -> None:
    origin, journal = serve(Reply(302, b"", {"Location": "/again"}))
    with pytest.raises(Unavailable, match="redirects"):
        transport(origin, retries=0).get("thing", operation="try")
    assert len(journal) == 6


@pytest.mark.parametrize(
    "location",
    ["", "http://[::1", "//", "http://", "\\\\evil", "http://a b/", "javascript:alert(1)", "/\xff"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_to_an_invalid_url_raises_a_typed_error(
    serve: Serve, transport: MakeTransport, location: str, method: str
) -> None:
    """P1: urllib, requests and urllib3 each raise their own exceptions for these."""
    origin, journal = serve(Reply(302, b"", {"Location": location}), Reply(404))
    api = transport(origin, retries=0)
    with pytest.raises(ProviderError):
        api.request(method, "thing", operation="try", retry=RetryPolicy.IDEMPOTENT)
    assert len(journal) <= 2
    with (
        open_media(api) as media,
        pytest.raises((ProviderError, ForbiddenHost)),
        media.fetch(serve(Reply(302, b"", {"Location": location}))[0] + "/m", {}),
    ):
        pass


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("where", ["port", "host"])
def test_media_redirect_to_another_origin_carries_no_credentials(
    serve: Serve, transport: MakeTransport, code: int, where: str
) -> None:
    """T1, S2: the API's own origin receives the credentials, the redirect's target does not."""
    foreign, visits = serve(Reply(200, b"media"))
    origin, journal = serve(
        Reply(code, b"", {"Location": build_foreign_origin(where, foreign) + "/m"})
    )
    with open_media(transport(origin)) as media, media.fetch(origin + "/thing", {}) as response:
        assert b"".join(response.iter_chunks(1024)) == b"media"
    assert [has_credentials(request) for request in journal] == [True]
    assert [has_credentials(request) for request in visits] == [False]


@pytest.mark.parametrize("code", CODES)
def test_redirect_back_to_the_api_origin_carries_no_credentials(
    serve: Serve, transport: MakeTransport, code: int
) -> None:
    """T1: otherwise a third party could choose a request that we authenticate."""
    origin, journal = serve(Reply(200, b"media"))
    foreign, visits = serve(Reply(code, b"", {"Location": origin + "/delete-everything"}))
    with open_media(transport(origin)) as media, media.fetch(foreign + "/m", {}):
        pass
    assert not any(map(has_credentials, journal + visits))


@pytest.mark.parametrize("status", [401, 403])
def test_foreign_media_host_that_requires_authentication_receives_no_credentials(
    serve: Serve, transport: MakeTransport, status: int
) -> None:
    foreign, visits = serve(Reply(status, b"", {"WWW-Authenticate": "Basic"}))
    origin, _ = serve(Reply())
    with (
        open_media(transport(origin), credential_hosts=("127.0.0.1", "*")) as media,
        pytest.raises(AuthenticationFailed),
        media.fetch(foreign + "/m", {}),
    ):
        pass
    assert [has_credentials(request) for request in visits] == [False]


def test_next_page_link_is_followed_on_the_api_origin_only(
    serve: Serve, transport: MakeTransport
) -> None:
    """L5."""
    foreign, visits = serve(Reply.json({}))
    origin, _ = serve(Reply.json({}))
    api = transport(origin + "/v1")
    assert api.resolve_link("?page=2", "list") == f"{origin}/v1/?page=2"
    for link in (
        foreign + "/v1/things?page=2",
        origin.replace("http:", "https:") + "/v1/things",
        origin.replace("127.0.0.1", "localhost") + "/v1/things",
        "//evil.test/v1",
        "https://[::1",
        f"{origin.replace('//', '//user:pw@')}/v1/things",
        f"{origin}\\@evil.test/v1",
    ):
        with pytest.raises(PaginationError):
            api.resolve_link(link, "list")
        if link.startswith(("http", "//")):
            with pytest.raises(PaginationError):
                api.get(link, operation="list")
    assert visits == []


# -- the environment ------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["HOME", "NETRC"])
def test_netrc_is_not_used(
    serve: Serve,
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
) -> None:
    """T4: requests replaces our Authorization header with an entry of ~/.netrc."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1\nlogin mallory\npassword pw\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv(by, str(tmp_path if by == "HOME" else netrc))
    foreign, visits = serve(Reply(200, b"media"))
    origin, journal = serve(Reply.json({}))
    api = transport(origin)
    api.auth = HeaderAuth("Authorization", f"Bearer {TOKEN}")
    api.get("thing", operation="try")
    with open_media(api) as media, media.fetch(foreign + "/m", {}):
        pass
    assert [request.header("authorization") for request in journal] == [f"Bearer {TOKEN}"]
    assert [request.header("authorization") for request in visits] == [None]
    prepared = build_session(None, 1).prepare_request(requests.Request("GET", foreign))
    assert "authorization" not in prepared.headers


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_requests_use_no_proxy(
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
    with open_media(api) as media, media.fetch(origin + "/m", {}):
        pass
    assert len(journal) == 2
    assert seen == []


def test_cookies_are_not_stored(serve: Serve, transport: MakeTransport) -> None:
    cookie = {"Set-Cookie": "session=stolen; Path=/"}
    origin, journal = serve(Reply.json({}).with_headers(set_cookie=cookie["Set-Cookie"]))
    foreign, visits = serve(Reply(200, b"m", cookie))
    api = transport(origin)
    for _ in range(2):
        api.get("thing", operation="try")
    with open_media(api) as media:
        for url in (foreign, foreign, origin):
            with media.fetch(url + "/m", {}):
                pass
    assert [request.header("cookie") for request in journal + visits] == [None] * 5


def test_cookies_are_not_parsed(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T6: the parser of this header may take a second for each, which no deadline would end."""
    parsed: list[Any] = []
    monkeypatch.setattr("http.cookiejar.split_header_words", parsed.append)
    origin, _ = serve(Reply(200, b"{}", {"Set-Cookie": "a=b", "Set-Cookie2": "a=b, c=d"}))
    transport(origin).get("thing", operation="try")
    assert not parsed


# -- the base URL ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.vendor.test/v1",
        "http://10.0.0.1/v1",
        "http://127.1/v1",  # a name, though a resolver may read it as an address
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
def test_base_url_that_exposes_credentials_raises_configuration_error(
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
def test_https_and_loopback_base_urls_are_accepted(transport: MakeTransport, base_url: str) -> None:
    assert transport(base_url).base_url == base_url.rstrip("/")


# -- TLS ------------------------------------------------------------------------------------------


Tls = Callable[..., tuple[int, list[Request]]]


def test_untrusted_certificate_is_rejected_before_a_byte_is_sent(
    tls: Tls, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T5."""
    port, journal = tls(Reply.json({}))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    api = transport(f"https://localhost:{port}", retries=0)
    with pytest.raises(Unavailable, match="certificate"):
        api.get("thing", operation="try")
    assert journal == []


def test_certificate_authorities_of_the_environment_are_used(
    tls: Tls, transport: MakeTransport
) -> None:
    """T4."""
    port, journal = tls(Reply.json({}))
    transport(f"https://localhost:{port}", retries=0).get("thing", operation="try")
    assert [request.header("x-auth-token") for request in journal] == [TOKEN]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_disabled_certificate_verification_warns(
    tls: Tls, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T5: verification is disabled per client, and never silently."""
    port, journal = tls(Reply.json({}))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.warns(UserWarning, match="not verified"):
        api = transport(f"https://localhost:{port}", retries=0, verify_tls=False)
    api.get("thing", operation="try")
    assert len(journal) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirect_from_https_to_http_is_not_followed(
    serve: Serve, tls: Tls, transport: MakeTransport, method: str
) -> None:
    """T3."""
    plain, visits = serve(Reply.json({}))
    port, _ = tls(Reply(307, b"", {"Location": plain.replace("127.0.0.1", "localhost")}))
    api = transport(f"https://localhost:{port}", retries=0)
    with pytest.raises(Rejected):
        api.request(method, "thing", operation="try", retry=RetryPolicy.IDEMPOTENT)
    assert visits == []


# -- credential hosts -----------------------------------------------------------------------------


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, int]], None]:
    """`dns({host: port})`: connections to 443 of these hosts go to that port on loopback."""
    module: Any = address_policy
    connect, resolve = module.create_connection, module.resolve_addresses

    def install(names: dict[str, int]) -> None:
        addresses = {host: f"127.0.0.{number}" for number, host in enumerate(names, 2)}
        ports = {addresses[host]: port for host, port in names.items()}

        def resolve_name(host: str, *args: Any) -> list[str]:
            return [addresses[host]] if host in addresses else resolve(host, *args)

        def connect_to_port(address: tuple[str, int], *args: Any, **kwargs: Any) -> Any:
            if address[0] in ports:
                assert address[1] == 443
                address = ("127.0.0.1", ports[address[0]])
            return connect(address, *args, **kwargs)

        monkeypatch.setattr(module, "resolve_addresses", resolve_name)
        monkeypatch.setattr(module, "create_connection", connect_to_port)

    return install


def test_credential_host_receives_credentials_after_it_answered_401(
    serve: Serve, tls: Tls, transport: MakeTransport, dns: Callable[[dict[str, int]], None]
) -> None:
    """The exception to T1, for Plivo's "HTTP Auth on recordings"."""
    origin, _ = serve(Reply())
    port, visits = tls(Reply(401), Reply(200, b"media"))
    dns({"eu.media.vendor.test": port})
    table = ("media.vendor.test", "*.media.vendor.test")
    with (
        open_media(transport(origin), credential_hosts=table) as media,
        media.fetch("https://eu.media.vendor.test/m.mp3", {}) as response,
    ):
        assert b"".join(response.iter_chunks(1024)) == b"media"
    assert [request.header("x-auth-token") for request in visits] == [None, TOKEN]


@pytest.mark.parametrize(
    ("host", "reply"),
    [
        ("media.vendor.test", Reply(403)),  # not a 401
        ("api.vendor.test", Reply(401)),  # not in the table
    ],
)
def test_other_hosts_and_other_statuses_receive_no_credentials(
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
        open_media(transport(origin), credential_hosts=("media.vendor.test",)) as media,
        pytest.raises(AuthenticationFailed),
        media.fetch(f"https://{host}/m.mp3", {}),
    ):
        pass
    assert [has_credentials(request) for request in visits] == [False]


def test_credential_host_receives_no_credentials_after_a_redirect(
    serve: Serve, tls: Tls, transport: MakeTransport, dns: Callable[[dict[str, int]], None]
) -> None:
    port, visits = tls(Reply(401))
    dns({"media.vendor.test": port})
    foreign, _ = serve(Reply(302, b"", {"Location": "https://media.vendor.test/m.mp3"}))
    origin, _ = serve(Reply())
    with (
        open_media(transport(origin), credential_hosts=("media.vendor.test",)) as media,
        pytest.raises(AuthenticationFailed),
        media.fetch(foreign + "/m", {}),
    ):
        pass
    assert [has_credentials(request) for request in visits] == [False]


def test_redirect_by_a_credential_host_carries_no_credentials(
    serve: Serve, tls: Tls, transport: MakeTransport, dns: Callable[[dict[str, int]], None]
) -> None:
    foreign, bare = serve(Reply(200, b"media"))
    port, visits = tls(Reply(401), Reply(302, b"", {"Location": foreign + "/m"}))
    dns({"media.vendor.test": port})
    origin, _ = serve(Reply())
    with (
        open_media(transport(origin), credential_hosts=("media.vendor.test",)) as media,
        media.fetch("https://media.vendor.test/m.mp3", {}),
    ):
        pass
    assert [has_credentials(request) for request in visits] == [False, True]
    assert [has_credentials(request) for request in bare] == [False]


# -- reprs, errors ---------------------------------------------------------------------------------


def test_transport_reprs_show_no_credential(serve: Serve, transport: MakeTransport) -> None:
    """X1."""
    api = transport(serve(Reply())[0])
    with open_media(api) as media:
        shown = repr([api, api.auth, api.secrets, api.settings, media, media._policy])
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
def test_errors_do_not_contain_credentials_that_a_vendor_echoes(
    serve: Serve, transport: MakeTransport, status: int, body: bytes
) -> None:
    """X2: neither the text, nor the body, nor the cause contains them."""
    body = body.replace(b"%s", TOKEN.encode())
    origin, _ = serve(Reply(status, body, {"X-Request-Id": f"id-{TOKEN}"}))
    api = transport(origin, retries=0, error_details=lambda *_: ErrorDetails(is_error=True))
    with pytest.raises(ProviderError) as caught:
        api.request("POST", "thing", operation="try", retry=RetryPolicy.NEVER)
    error = caught.value
    shown = repr((str(error), vars(error), error.__cause__))
    # Nor the beginning of one that the end of an excerpt splits.
    assert TOKEN[:6] not in shown
    assert error.__suppress_context__ or error.__context__ is None


#: The token as JSON may write it: any character of a text may be escaped.
ESCAPED = {
    "as it is": TOKEN,
    "one character escaped": TOKEN.replace("-", "\\u002d", 1),
    "each character escaped": "".join(f"\\u{ord(each):04X}" for each in TOKEN),
}


@pytest.mark.parametrize("form", ESCAPED)
@pytest.mark.parametrize("status", [200, 403])
def test_payloads_do_not_contain_credentials_that_a_vendor_echoes(
    serve: Serve, transport: MakeTransport, status: int, form: str
) -> None:
    """X1, X2: under any field name, and in what `error_details` reads."""
    token = ESCAPED[form]
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


def test_secrets_cannot_be_pickled(serve: Serve, transport: MakeTransport) -> None:
    """X1: not even apart from the transport that contains them."""
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(transport(serve(Reply())[0]).secrets)
