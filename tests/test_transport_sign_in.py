"""What becomes of credentials that do not last? Fetched, renewed once after a 401, never shown."""

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
from recording_core.transport.session import new_session
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
KEY = "k3y-that-lasts-for-ever"


class Vendor:
    """Gives a token for each `PUT /token`; `lasts` tells how many requests it opens."""

    def __init__(self, *, lasts: int = 1000) -> None:
        self.lasts = lasts
        self.given = 0
        self.left = 0
        self.sign_ins: list[Reply] = []
        self.answers: list[Reply] = []
        self.lock = threading.Lock()

    @property
    def token(self) -> str:
        return f"t0ken-of-short-life-{self.given:04d}"

    def __call__(self, request: Request) -> Reply:
        with self.lock:
            if request.path == "/token":
                if self.sign_ins:
                    return self.sign_ins.pop(0)
                self.given, self.left = self.given + 1, self.lasts
                return Reply.json({"auth_token": self.token})
            if request.header("x-auth-token") != self.token or not self.left:
                return Reply.json({"error": f"no: {request.header('x-auth-token')}"}, 401)
            self.left -= 1
            return self.answers.pop(0) if self.answers else Reply.json({"auth_token": "echo"})


@contextmanager
def signing_in(origin: str, **settings: Any) -> Iterator[Transport]:
    api: Transport

    def fetch() -> str:
        answer = api.request(
            "PUT",
            "token",
            operation="sign in",
            json={"key": KEY},
            retry=RetryPolicy.IDEMPOTENT,
            auth=NoAuth(),
            unmasked=True,
        )
        if "auth_token" not in answer.payload:
            raise MalformedPayload("an answer without a token", path="auth_token")
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


def paths(journal: list[Request]) -> list[str]:
    return [f"{request.method} {request.path}" for request in journal]


def test_a_token_is_fetched_before_the_first_request_and_kept(serve: Serve) -> None:
    origin, journal = serve(Vendor())
    with signing_in(origin) as api:
        assert journal == [], "connecting sends nothing"
        api.get("a", operation="get")
        api.get("b", operation="get")
    assert paths(journal) == ["PUT /token", "GET /a", "GET /b"]
    assert journal[0].header("x-auth-token") is None, "there was none to send"


def test_only_the_sign_ins_own_answer_keeps_its_credentials(serve: Serve) -> None:
    origin, _ = serve(Vendor())
    with signing_in(origin) as api:
        assert api.get("a", operation="get").payload == {"auth_token": "***"}


def test_after_a_401_it_is_renewed_once_and_the_request_sent_again(serve: Serve) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with signing_in(origin, retries=0) as api:
        api.get("a", operation="get")
        api.get("b", operation="get")
        assert paths(journal) == ["PUT /token", "GET /a", "GET /b", "PUT /token", "GET /b"]
        vendor.lasts = 0
        with pytest.raises(AuthenticationFailed):
            api.get("c", operation="get")
    assert paths(journal)[5:] == ["GET /c", "PUT /token", "GET /c"]


def test_a_start_that_was_refused_at_the_door_is_sent_again(serve: Serve) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with signing_in(origin) as api:
        api.get("a", operation="get")
        start(api)
    assert paths(journal)[2:] == ["POST /start", "PUT /token", "POST /start"]


@pytest.mark.parametrize("bad", [Reply(500), Reply(abort=True), Reply(200, b"<html>")])
def test_a_start_that_passed_the_door_is_not_sent_again(serve: Serve, bad: Reply) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with signing_in(origin) as api:
        api.get("a", operation="get")
        vendor.answers.append(bad)
        with pytest.raises((OutcomeUnknown, MalformedPayload)) as caught:
            start(api)
    assert paths(journal)[2:] == ["POST /start", "PUT /token", "POST /start"]
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
def test_a_start_before_which_the_sign_in_failed_leaves_no_doubt(
    serve: Serve, bad: Reply, kind: type[ProviderError], after_a_401: bool
) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with signing_in(origin) as api:
        if after_a_401:
            api.get("a", operation="get")
        vendor.sign_ins = [bad] * 20
        with pytest.raises(kind) as caught:
            start(api)
        assert caught.value.operation == "sign in"
    assert paths(journal).count("POST /start") == after_a_401


def test_a_sign_in_that_fails_is_not_multiplied_by_the_attempts_of_what_waits_for_it(
    serve: Serve,
) -> None:
    vendor = Vendor()
    vendor.sign_ins = [Reply(503)] * 100
    origin, journal = serve(vendor)
    with signing_in(origin, retries=2) as api, pytest.raises(Unavailable):
        api.get("a", operation="get")
    assert paths(journal) == ["PUT /token"] * 3


def test_a_sign_in_is_repeated_where_that_may_help(serve: Serve) -> None:
    vendor = Vendor()
    vendor.sign_ins = [Reply(503), Reply(abort=True)]
    origin, _ = serve(vendor)
    with signing_in(origin) as api:
        start(api)
    assert vendor.given == 1


def test_threads_whose_token_ended_share_one_renewal(serve: Serve) -> None:
    vendor = Vendor()
    together = threading.Barrier(8)

    def answer(request: Request) -> Reply:
        if request.path == "/wait" and request.header("x-auth-token") != vendor.token:
            together.wait(timeout=10)  # all eight are refused, and then all eight want another
        return vendor(request)

    origin, journal = serve(answer)
    with signing_in(origin) as api:
        api.get("a", operation="get")
        vendor.given += 1  # it ended
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(api.get, "wait", operation="get") for _ in range(8)]
            for job in jobs:
                job.result()
    assert paths(journal).count("PUT /token") == 2
    assert paths(journal).count("GET /wait") == 16


def test_who_waits_for_a_sign_in_waits_no_longer_than_its_own_time(serve: Serve) -> None:
    vendor = Vendor()
    vendor.sign_ins = [Reply(200, b"{}", stall="headers", stall_seconds=10)] * 10
    origin, journal = serve(vendor)

    def ask(within: float) -> float:
        before = monotonic()
        with Deadline(within), pytest.raises(Unavailable):
            api.get("a", operation="get")
        return monotonic() - before

    with signing_in(origin, total_timeout=3.0) as api, ThreadPoolExecutor(2) as pool:
        patient = pool.submit(ask, 2.0)
        while not journal:
            pass  # until it has begun to sign in
        impatient = pool.submit(ask, 0.2)
        assert impatient.result() < 1.0, "it waited for the other's sign-in"
        now = api.clock.now()
        assert patient.result() < 3.0
        assert api.clock.now() == now, "it went on trying when its time was up"


@pytest.mark.parametrize("after_a_401", [False, True])
def test_a_start_that_never_left_leaves_no_doubt(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, after_a_401: bool
) -> None:
    vendor = Vendor(lasts=1)
    origin, journal = serve(vendor)
    with signing_in(origin) as api:
        if after_a_401:
            api.get("a", operation="get")
        send, starts = api._send, iter(range(10))

        def unplugged(session: Any, method: str, url: str, *args: Any, **more: Any) -> Any:
            if method == "POST" and next(starts) == after_a_401:
                more["auth"](requests.Request(method, url).prepare())
                raise requests.ConnectionError
            return send(session, method, url, *args, **more)

        monkeypatch.setattr(api, "_send", unplugged)
        with pytest.raises(Unavailable):
            start(api)
    assert paths(journal)[-1] == "PUT /token", "it was signed, and was not sent"


def test_a_token_shows_in_no_error_repr_or_log(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    vendor = Vendor(lasts=0)
    origin, _ = serve(vendor)
    with signing_in(origin) as api, pytest.raises(AuthenticationFailed) as caught:
        api.get("a", operation="get")
    shown = f"{caught.value} {vars(caught.value)} {api.auth!r} {api.secrets!r} {caplog.text}"
    assert "no: ***" in shown
    assert "t0ken" not in shown
    assert KEY not in shown


def test_of_many_tokens_the_last_few_are_kept_secret() -> None:
    secrets = Secrets([KEY])
    for number in range(1000):
        secrets.add(f"token-{number:04d}")
    assert secrets.redact(f"{KEY} token-0999 token-0992") == "*** *** ***"
    assert secrets.redact("token-0991") == "token-0991"
    secrets.add("word")
    assert secrets.redact("word") == "word", "so short a value would mask ordinary words"


def test_media_at_the_apis_origin_is_signed_with_a_renewed_token(serve: Serve) -> None:
    vendor = Vendor(lasts=1)
    strange, visits = serve(Reply(200, b"media"))
    vendor.answers = [Reply.json({}), Reply(302, b"", {"Location": f"{strange}/m"})]
    origin, journal = serve(vendor)
    with signing_in(origin) as api:
        media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte=5.0)
        api.get("a", operation="get")
        with media.fetch(f"{origin}/media", {}) as response:
            assert b"".join(response.chunks(100)) == b"media"
        media.close()
    assert paths(journal)[2:] == ["GET /media", "PUT /token", "GET /media"]
    assert [visit.header("x-auth-token") for visit in visits] == [None]


def test_a_401_from_elsewhere_renews_nothing(serve: Serve) -> None:
    origin, journal = serve(Vendor())
    strange, visits = serve(Reply(401))
    with signing_in(origin) as api, new_session(None, 1) as session, Deadline(5.0) as deadline:
        # As for a vendor's own media host, which asks for the credentials.
        answer = api.send(session, "GET", strange, deadline, auth=api.auth, headers={})
        assert answer.status_code == 401
    assert paths(journal) == ["PUT /token"]
    assert len(visits) == 1


def test_a_401_from_a_media_host_renews_nothing(serve: Serve) -> None:
    origin, journal = serve(Vendor())
    strange, visits = serve(Reply(401))
    with signing_in(origin) as api:
        media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte=5.0)
        with pytest.raises(AuthenticationFailed), media.fetch(f"{strange}/media", {}):
            pass
        media.close()
    assert journal == []
    assert len(visits) == 1
