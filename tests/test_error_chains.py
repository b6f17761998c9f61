"""Error chains: causes, contexts and foreign frames of our errors contain no request."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3
from attrs import evolve

import recording_core as rec
from recording_core.testing import Reply, Request
from recording_core.transport.authentication import TokenAuth
from recording_core.transport.client import Transport
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.retry import RetryPolicy

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

TOKEN = "s3cr3t-T0KEN-of-the-account"
SIGNATURE = "0123456789abcdefSIGNATURE"
JSON = {"Content-Type": "application/json"}
ECHO = f'{{"url": "https://m.test/a?X-Amz-Signature={SIGNATURE}", "note": "{TOKEN}"'.encode()

#: Replies that make a request fail, each in another part of the library.
REPLIES = {
    "no byte": Reply(abort=True),
    "cut headers": evolve(Reply.json({"id": "r1"}), cut_headers=True),
    "a cut body": evolve(Reply.json({"id": "r1"}), cut_after=3),
    "cut chunks": evolve(Reply.json({"id": "r1"}), framing="chunked", cut_after=5),
    "no headers in time": Reply(stall="headers", stall_seconds=2.0),
    "no body in time": evolve(Reply.json({}), stall="body", stall_seconds=2.0),
    "no length": Reply(200, framing="none"),
    "truncated JSON": Reply(200, ECHO, JSON),
    "JSON that is not UTF-8": Reply(200, ECHO + b"\xff}", JSON),
    "JSON that is nested too deeply": Reply(200, b"[" * 5000 + b"]" * 5000, JSON),
    "broken compression": Reply(200, ECHO, {**JSON, "Content-Encoding": "gzip"}),
    "a refusal": Reply(401, ECHO + b"}", JSON),
    "a fault": Reply(500, ECHO + b"}", JSON),
    "a redirect to another origin": Reply(302, b"", {"Location": "https://other.test/a"}),
    "a redirect to an invalid URL": Reply(302, b"", {"Location": f"http://[::1/{SIGNATURE}"}),
    "endless redirects": Reply(302, b"", {"Location": f"/again?X-Amz-Signature={SIGNATURE}"}),
}


def iterate_chain(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        yield error
        yield from iterate_chain(error.__cause__)
        yield from iterate_chain(error.__context__)


def check_chain(error: BaseException) -> None:
    """Check everything that a tool for error reports reaches from an error of ours."""
    for each in iterate_chain(error):
        assert not has_secret((str(each), each.args, vars(each))), f"{each!r} is reachable"
        assert not any(map(has_secret, (*each.args, *vars(each).values())))
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "site-packages" in frame.f_code.co_filename:
                found = [name for name, value in frame.f_locals.items() if has_secret(value)]
                assert not found, f"{frame.f_code.co_filename} has {found}"


def has_secret(value: object) -> bool:
    """Whether a value, or an attribute of a request or response, contains a secret."""
    kinds = (requests.Request, requests.PreparedRequest, requests.Response, urllib3.HTTPResponse)
    shown = repr((value, vars(value) if isinstance(value, kinds) else ()))
    return SIGNATURE in shown or TOKEN in shown


@pytest.mark.parametrize("name", REPLIES)
@pytest.mark.parametrize("retry", [RetryPolicy.NEVER, RetryPolicy.IDEMPOTENT])
def test_error_of_a_request_leads_to_no_request(
    serve: Serve, transport: MakeTransport, name: str, retry: RetryPolicy
) -> None:
    """`raise ... from None` hides a context, and leaves it for every tool that looks."""
    origin, _ = serve(REPLIES[name])
    api = transport(origin, retries=1, read_timeout=0.2)
    method = "GET" if "redirect" in name else "POST"
    with pytest.raises(rec.ProviderError) as caught:
        api.request(method, "thing", operation="try", params={"sig": SIGNATURE}, retry=retry)
    check_chain(caught.value)


def find_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_error_of_a_connection_leads_to_no_request(transport: MakeTransport, scheme: str) -> None:
    api = transport(f"{scheme}://127.0.0.1:{find_free_port()}", retries=1)
    with pytest.raises(rec.Unavailable) as caught:
        api.get("thing", operation="try", params={"sig": SIGNATURE})
    check_chain(caught.value)


def test_error_of_a_certificate_leads_to_no_request(
    tls: Callable[..., tuple[int, list[Request]]],
    transport: MakeTransport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port, _ = tls(Reply.json({}))
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(rec.Unavailable) as caught:
        transport(f"https://localhost:{port}").get("thing", operation="try")
    check_chain(caught.value)


@pytest.mark.parametrize("reply", [Reply(abort=True), Reply(401), Reply(200, ECHO)])
def test_error_of_an_authentication_leads_to_no_request(
    serve: Serve, transport: MakeTransport, reply: Reply
) -> None:
    api = transport(serve(reply)[0], retries=0)

    def fetch() -> str:
        answer = api.request(
            "PUT",
            "token",
            operation="authenticate",
            json={"key": TOKEN},
            retry=RetryPolicy.IDEMPOTENT,
            auth=TokenAuth("X-Auth-Token", lambda: TOKEN),
            unmasked=True,
        )
        return str(answer.payload)

    api.auth = TokenAuth("X-Auth-Token", fetch)
    with pytest.raises(rec.ProviderError) as caught:
        api.get("thing", operation="try")
    check_chain(caught.value)
    names = [frame.f_code.co_name for frame, _ in traceback.walk_tb(caught.tb)]
    assert "fetch" not in names, "error trackers record its variables, such as the credential"


def test_context_of_the_caller_is_kept(serve: Serve, transport: MakeTransport) -> None:
    """An error that is raised while another one is handled has that one as its context."""
    api = transport(serve(Reply(abort=True))[0], retries=0)

    def get_while_handling() -> None:
        try:
            raise KeyError("of the caller")
        except KeyError:
            api.get("thing", operation="try")

    with pytest.raises(rec.Unavailable) as caught:
        get_while_handling()
    contexts = [type(each) for each in iterate_chain(caught.value)]
    assert contexts[-1] is KeyError
    assert set(contexts[:-1]) == {rec.Unavailable}


MEDIA = {
    **{name: REPLIES[name] for name in ("no byte", "cut headers", "no headers in time")},
    "a cut body": Reply(200, b"ID3" + bytes(1000), cut_after=500),
    "cut chunks": Reply(200, b"ID3" + bytes(1000), framing="chunked", cut_after=500),
    "no body in time": Reply(200, b"ID3" + bytes(1000), stall="body", stall_seconds=2.0),
    "a page": Reply(200, b"<html>", {"Content-Type": "text/html"}),
    "an expired link": Reply(403),
    "another host": Reply(302, b"", {"Location": f"http://10.0.0.1/a?sig={SIGNATURE}"}),
    "an invalid URL": Reply(302, b"", {"Location": f"http://[::1/{SIGNATURE}"}),
    "an invalid port": Reply(302, b"", {"Location": f"http://127.0.0.1:999999/a?sig={SIGNATURE}"}),
    "endless redirects": Reply(302, b"", {"Location": f"/a?sig={SIGNATURE}"}),
}


@pytest.mark.parametrize("name", MEDIA)
def test_error_of_a_download_leads_to_no_signed_url(
    serve: Serve, tmp_path: Path, name: str
) -> None:
    foreign, _ = serve(MEDIA[name])
    url = f"{foreign}/m.mp3?X-Amz-Signature={SIGNATURE}"
    file = rec.MediaFile(id="mix", role=rec.FileRole.MIX, format="mp3", url=url)
    available = rec.RecordingStatus.AVAILABLE
    recording = rec.Recording("plivo", "default", "r1", status=available, files=(file,))
    http = rec.HttpSettings(retries=0, total_timeout=0.5, read_timeout=0.2)
    credentials = {"auth_id": "MA" + "X" * 18, "auth_token": TOKEN}
    base_url = serve(Reply(404))[0]
    with (
        rec.connect("plivo", base_url=base_url, http=http, **credentials) as provider,
        pytest.raises((rec.ProviderError, rec.DownloadError)) as caught,
    ):
        provider.download(recording, tmp_path)
    check_chain(caught.value)


def test_error_of_a_forbidden_address_leads_to_no_signed_url(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is raised inside urllib3, whose frames have the URL."""

    def resolve(*_: Any, **__: Any) -> list[str]:
        return ["10.0.0.1"]

    monkeypatch.setattr("recording_core.transport.address_policy.resolve_addresses", resolve)
    media = MediaTransport(
        transport(serve(Reply())[0]), vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0
    )
    url = f"https://media.vendor.test/m.mp3?X-Amz-Signature={SIGNATURE}"
    with closing(media), pytest.raises(rec.ForbiddenHost) as caught, media.fetch(url, {}):
        pass
    check_chain(caught.value)
