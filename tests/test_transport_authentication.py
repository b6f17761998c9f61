"""Token authentication: tokens are fetched, renewed once after a 401, and never shown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
import requests

from recording_core import (
    AuthenticationFailed,
    MalformedPayload,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Unavailable,
)
from recording_core.redaction import Secrets
from recording_core.testing import ManualClock, Reply, Request
from recording_core.transport import HttpSettings
from recording_core.transport.authentication import NoAuth, TokenAuth
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.retry import RetryPolicy
from recording_core.transport.session import build_session
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
KEY = "k3y-that-lasts-for-ever"


class Vendor:
    """A vendor that issues a token for each `PUT /token`, valid for `lasts` requests."""

    def __init__(self, *, lasts: int = 1000) -> None:
        self.lasts = lasts
        self.issued = 0
        self.left = 0
        self.token_replies: list[Reply] = []
        self.answers: list[Reply] = []
        self.lock = threading.Lock()

    @property
    def token(self) -> str:
        return f"t0ken-of-short-life-{self.issued:04d}"

    def __call__(self, request: Request) -> Reply:
        with self.lock:
            if request.path == "/token":
                if self.token_replies:
                    return self.token_replies.pop(0)
                self.issued, self.left = self.issued + 1, self.lasts
                return Reply.json({"auth_token": self.token})
            if request.header("x-auth-token") != self.token or not self.left:
                return Reply.json({"error": f"no: {request.header('x-auth-token')}"}, 401)
            self.left -= 1
            return self.answers.pop(0) if self.answers else Reply.json({"auth_token": "echo"})


@contextmanager
def open_transport(origin: str, **settings: Any) -> Iterator[Transport]:
    api: Transport

    def fetch() -> str:
        answer = api.request(
            "PUT",
            "token",
            operation="authenticate",
            json={"key": KEY},
            retry=RetryPolicy.IDEMPOTENT,
            auth=NoAuth(),
            unmasked=True,
        )
        if "auth_token" not in answer.payload:
            raise MalformedPayload("the response contains no token", path="auth_token")
        return str(answer.payload["auth_token"])

    api = Transport(
        provider="vendor",
        base_url=origin,
        auth=TokenAuth("X-Auth-Token", fetch),
        secrets=[KEY],
        settings=HttpSettings(**settings),
        clock=ManualClock(),
        rate=None,
        error_details=lambda status, headers, body: ErrorDetails(message=str(body.get("error"))),
    )
    try:
        yield api
    finally:
        api.close()


def start(api: Transport) -> None:
    api.request("POST", "start", operation="start", json={}, retry=RetryPolicy.NEVER)


def list_paths(journal: list[Request]) -> list[str]:
    return [f"{request.method} {request.path}" for request in journal]


def test_token_is_fetched_before_the_first_request_and_reused(serve: Serve) -> None:
    origin, journal = serve(Vendor())
    with open_transport(origin) as api:
        assert journal == [], "connecting must send nothing"
        api.get("a", operation="get")
        api.get("b", operation="get")
    assert list_paths(journal) == ["PUT /token", "GET /a", "GET /b"]
    assert journal[0].header("x-auth-token") is None, "the first request has no token to send"


def test_only_the_authentication_response_is_unmasked(serve: Serve) -> None:
    origin, _ = serve(Vendor())
    with open_transport(origin) as api:
        assert api.get("a", operation="get").payload == {"auth_token": "***"}


def test_token_is_renewed_once_after_a_401_and_the_request_sent_again(serve: Serve) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with open_transport(origin, retries=0) as api:
        api.get("a", operation="get")
        api.get("b", operation="get")
        assert list_paths(journal) == ["PUT /token", "GET /a", "GET /b", "PUT /token", "GET /b"]
        vendor.lasts = 0
        with pytest.raises(AuthenticationFailed):
            api.get("c", operation="get")
    assert list_paths(journal)[5:] == ["GET /c", "PUT /token", "GET /c"]


def test_start_that_received_a_401_is_sent_again(serve: Serve) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with open_transport(origin) as api:
        api.get("a", operation="get")
        start(api)
    assert list_paths(journal)[2:] == ["POST /start", "PUT /token", "POST /start"]


@pytest.mark.parametrize("bad", [Reply(500), Reply(abort=True), Reply(200, b"<html>")])
def test_authenticated_start_is_not_sent_again(serve: Serve, bad: Reply) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with open_transport(origin) as api:
        api.get("a", operation="get")
        vendor.answers.append(bad)
        with pytest.raises((OutcomeUnknown, MalformedPayload)) as caught:
            start(api)
    assert list_paths(journal)[2:] == ["POST /start", "PUT /token", "POST /start"]
    assert caught.value.operation == "start"


@pytest.mark.parametrize("after_a_401", [False, True])
@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (Reply.json({"error": "who are you?"}, 401), AuthenticationFailed),
        (Reply(429, b"{}", {"Retry-After": "1"}), RateLimited),
        (Reply(500), Unavailable),
        (Reply(abort=True), Unavailable),
        (Reply(200, b"<html>"), MalformedPayload),
        (Reply.json({}), MalformedPayload),
    ],
)
def test_failed_authentication_before_a_start_keeps_its_error(
    serve: Serve, bad: Reply, kind: type[ProviderError], after_a_401: bool
) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with open_transport(origin) as api:
        if after_a_401:
            api.get("a", operation="get")
        vendor.token_replies = [bad] * 20
        with pytest.raises(kind) as caught:
            start(api)
        assert caught.value.operation == "authenticate"
    assert list_paths(journal).count("POST /start") == after_a_401


def test_failed_authentication_is_not_retried_by_the_request_that_needs_it(
    serve: Serve,
) -> None:
    vendor = Vendor()
    vendor.token_replies = [Reply(503)] * 100
    origin, journal = serve(vendor)
    with open_transport(origin, retries=2) as api, pytest.raises(Unavailable):
        api.get("a", operation="get")
    assert list_paths(journal) == ["PUT /token"] * 3


def test_authentication_is_retried_after_temporary_faults(serve: Serve) -> None:
    vendor = Vendor()
    vendor.token_replies = [Reply(503), Reply(abort=True)]
    origin, _ = serve(vendor)
    with open_transport(origin) as api:
        start(api)
    assert vendor.issued == 1


def test_threads_with_an_expired_token_share_one_renewal(serve: Serve) -> None:
    vendor = Vendor()
    together = threading.Barrier(8)

    def answer(request: Request) -> Reply:
        if request.path == "/wait" and request.header("x-auth-token") != vendor.token:
            together.wait(timeout=10)  # all eight are rejected at once
        return vendor(request)

    origin, journal = serve(answer)
    with open_transport(origin) as api:
        api.get("a", operation="get")
        vendor.issued += 1  # the token expires
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(api.get, "wait", operation="get") for _ in range(8)]
            for job in jobs:
                job.result()
    assert list_paths(journal).count("PUT /token") == 2
    assert list_paths(journal).count("GET /wait") == 16


def test_waiting_for_authentication_ends_with_the_own_deadline(serve: Serve) -> None:
    vendor = Vendor()
    vendor.token_replies = [Reply(200, b"{}", stall="headers", stall_seconds=10)] * 10
    origin, journal = serve(vendor)

    def measure_get(timeout: float) -> float:
        before = monotonic()
        with Deadline(timeout), pytest.raises(Unavailable):
            api.get("a", operation="get")
        return monotonic() - before

    with open_transport(origin, total_timeout=3.0) as api, ThreadPoolExecutor(2) as pool:
        slow = pool.submit(measure_get, 2.0)
        while not journal:
            pass  # until it has begun to authenticate
        fast = pool.submit(measure_get, 0.2)
        assert fast.result() < 1.0, "it waited for the other thread's authentication"
        now = api.clock.now()
        assert slow.result() < 3.0
        assert api.clock.now() == now, "it retried after its time was up"


@pytest.mark.parametrize("after_a_401", [False, True])
def test_start_that_was_never_sent_raises_unavailable(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, after_a_401: bool
) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with open_transport(origin) as api:
        if after_a_401:
            api.get("a", operation="get")
        send, starts = api._send, iter(range(10))

        def fail_to_connect(session: Any, request: Any, deadline: Any) -> Any:
            if request.method == "POST" and next(starts) == after_a_401:
                request.auth(requests.Request("POST", request.url).prepare())
                raise requests.ConnectionError
            return send(session, request, deadline)

        monkeypatch.setattr(api, "_send", fail_to_connect)
        with pytest.raises(Unavailable):
            start(api)
    assert list_paths(journal)[-1] == "PUT /token", "it was authenticated but not sent"


def test_errors_reprs_and_logs_show_no_token(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor = Vendor(lasts=0)
    origin, _ = serve(vendor)
    with open_transport(origin) as api, pytest.raises(AuthenticationFailed) as caught:
        api.get("a", operation="get")
    shown = f"{caught.value} {vars(caught.value)} {api.auth!r} {api.secrets!r} {caplog.text}"
    assert "no: ***" in shown
    assert "t0ken" not in shown
    assert KEY not in shown


def test_last_few_of_many_tokens_are_masked() -> None:
    secrets = Secrets([KEY])
    for number in range(1000):
        secrets.add(f"token-{number:04d}")
    assert secrets.redact(f"{KEY} token-0999 token-0992") == "*** *** ***"
    assert secrets.redact("token-0991") == "token-0991"
    secrets.add("word")
    assert secrets.redact("word") == "word", "a value this short would mask ordinary words"


def test_media_at_the_api_origin_uses_a_renewed_token(serve: Serve) -> None:
    vendor = Vendor(lasts=1)
    foreign, visits = serve(Reply(200, b"media"))
    vendor.answers = [Reply.json({}), Reply(302, b"", {"Location": f"{foreign}/m"})]
    origin, journal = serve(vendor)
    with open_transport(origin) as api:
        media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0)
        api.get("a", operation="get")
        with media.fetch(f"{origin}/media", {}) as response:
            assert b"".join(response.iter_chunks(100)) == b"media"
        media.close()
    assert list_paths(journal)[2:] == ["GET /media", "PUT /token", "GET /media"]
    assert [visit.header("x-auth-token") for visit in visits] == [None]


def test_401_from_another_origin_renews_no_token(serve: Serve) -> None:
    origin, journal = serve(Vendor())
    foreign, visits = serve(Reply(401))
    with (
        open_transport(origin) as api,
        build_session(None, 1) as session,
        Deadline(5.0) as deadline,
    ):
        # As for a vendor's media host that requires credentials.
        answer = api.send(
            session,
            "GET",
            foreign,
            deadline,
            auth=api.auth,
            headers={},
            operation="download",
            attempt=1,
        )
        answer.close()
        assert answer.status_code == 401
    assert list_paths(journal) == ["PUT /token"]
    assert len(visits) == 1


def test_401_from_a_media_host_renews_no_token(serve: Serve) -> None:
    origin, journal = serve(Vendor())
    foreign, visits = serve(Reply(401))
    with open_transport(origin) as api:
        media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0)
        with pytest.raises(AuthenticationFailed), media.fetch(f"{foreign}/media", {}):
            pass
        media.close()
    assert journal == []
    assert len(visits) == 1
