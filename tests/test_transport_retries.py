"""Retries: reads are retried, starts are never sent again, and waits are bounded."""

from __future__ import annotations

import errno
import random
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from requests.auth import AuthBase

from recording_core import (
    AuthenticationFailed,
    Conflict,
    HttpSettings,
    MalformedPayload,
    NotFound,
    OutcomeUnknown,
    Provider,
    ProviderError,
    ProviderInfo,
    QuotaExceeded,
    RateLimited,
    RecordingSession,
    Rejected,
    Unavailable,
    call,
)
from recording_core.plugin import Connection, StartRequest, build_capabilities
from recording_core.testing import ManualClock, Reply, Request
from recording_core.transport.authentication import NoAuth
from recording_core.transport.client import Transport
from recording_core.transport.network_failures import explain_failure
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.retry import RetryPolicy, compute_backoff, parse_retry_after
from recording_core.transport.status_codes import ErrorDetails

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

RETRIES = 3
#: responses after which the vendor may have processed the request
AMBIGUOUS = {
    "no byte": Reply(abort=True),
    "cut headers": evolve(Reply.json({"id": "r1"}), cut_headers=True),
    "cut headers, no length": Reply(
        200, b"", {"Server": "a" * 40}, framing="none", cut_headers=True
    ),
    "cut body": evolve(Reply.json({"id": "r1"}), cut_after=3),
    "cut chunks": evolve(Reply.json({"id": "r1"}), framing="chunked", cut_after=5),
    "an empty 200 of no length": Reply(200, framing="none"),
    "HTML with 200": Reply(200, b"<html>gateway</html>", {"Content-Type": "text/html"}),
    "not JSON": Reply(200, b'{"id": "r1"'),
    "500": Reply(500),
    "502": Reply(502),
    "503": Reply(503),
    "504": Reply(504),
    "408": Reply(408),
    # Without a body of the vendor's, a proxy or gateway may have sent these.
    "a gateway's 400": Reply(400, b"<html>", {"Content-Type": "text/html"}),
    "a gateway's 404": Reply(404, b"<html>", {"Content-Type": "text/html"}),
    "a gateway's 409": Reply(409, b"[]"),
    "a gateway's 410": Reply(410),
    "a gateway's 422": Reply(422, b"null"),
}
COMPLETE_RESPONSES = ("HTML with 200", "not JSON")


def count_requests(
    serve: Serve, transport: MakeTransport, reply: Reply, retry: RetryPolicy, method: str = "POST"
) -> tuple[int, ProviderError]:
    """Count the requests to a vendor that always replies so; return them and the final error."""
    origin, journal = serve(reply)
    with pytest.raises(ProviderError) as caught:
        transport(origin, retries=RETRIES, total_timeout=30.0).request(
            method, "thing", operation="try", retry=retry, json={"a": 1}
        )
    return len(journal), caught.value


@pytest.mark.parametrize("fault", AMBIGUOUS)
def test_doubtful_start_is_sent_once_and_raises_outcome_unknown(
    serve: Serve, transport: MakeTransport, fault: str
) -> None:
    """R1."""
    sent, error = count_requests(serve, transport, AMBIGUOUS[fault], RetryPolicy.NEVER)
    assert sent == 1
    assert type(error) is OutcomeUnknown
    assert "check before you repeat" in str(error)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Rejected),
        (401, AuthenticationFailed),
        (402, QuotaExceeded),
        (403, AuthenticationFailed),
        (404, NotFound),
        (409, Conflict),
        (410, NotFound),
        (418, Rejected),
        (422, Rejected),
        (429, RateLimited),
    ],
)
def test_rejected_start_is_sent_once_and_keeps_its_error(
    serve: Serve, transport: MakeTransport, status: int, error: type[ProviderError]
) -> None:
    sent, got = count_requests(serve, transport, Reply(status, b"{}"), RetryPolicy.NEVER)
    assert (sent, type(got), got.status) == (1, error, status)


@pytest.mark.parametrize(
    ("status", "requests"),
    [(429, 1 + RETRIES), (500, 1), (502, 1), (503, 1), (504, 1), (408, 1), (400, 1), (409, 1)],
)
def test_if_not_processed_retries_only_rate_limited_requests(
    serve: Serve, transport: MakeTransport, status: int, requests: int
) -> None:
    """R3."""
    sent, _ = count_requests(serve, transport, Reply(status), RetryPolicy.IF_NOT_PROCESSED)
    assert sent == requests


@pytest.mark.parametrize("fault", [each for each in AMBIGUOUS if not each.isdigit()])
def test_if_not_processed_does_not_retry_after_bytes_were_sent(
    serve: Serve, transport: MakeTransport, fault: str
) -> None:
    """R3."""
    sent, _ = count_requests(serve, transport, AMBIGUOUS[fault], RetryPolicy.IF_NOT_PROCESSED)
    assert sent == 1


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
@pytest.mark.parametrize("fault", [*AMBIGUOUS, "429"])
def test_idempotent_request_is_retried_up_to_the_limit(
    serve: Serve, transport: MakeTransport, fault: str, method: str
) -> None:
    """R2, R5: at most retries + 1 requests, for each of the vendor's faults."""
    sent, error = count_requests(
        serve, transport, AMBIGUOUS.get(fault, Reply(429)), RetryPolicy.IDEMPOTENT, method
    )
    # A complete response that cannot be read will not change.
    assert sent == (1 if fault in COMPLETE_RESPONSES else 1 + RETRIES)
    assert not isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 410, 422, 501, 505])
def test_definite_error_is_not_retried(serve: Serve, transport: MakeTransport, status: int) -> None:
    reply = Reply(status, b"{}")
    sent, error = count_requests(serve, transport, reply, RetryPolicy.IDEMPOTENT, "GET")
    assert (sent, error.status) == (1, status)


@pytest.mark.parametrize("name", ["a gateway's 400", "a gateway's 404", "a gateway's 410"])
def test_error_without_the_vendors_body_proves_nothing(
    serve: Serve, transport: MakeTransport, name: str
) -> None:
    _, error = count_requests(serve, transport, AMBIGUOUS[name], RetryPolicy.IDEMPOTENT, "GET")
    assert type(error) is Unavailable
    assert "a proxy or gateway may have sent it" in str(error)


@pytest.mark.parametrize("operation", ["stop", "active", "delete"])
def test_not_found_that_names_no_resource_needs_a_control_request(
    serve: Serve, transport: MakeTransport, operation: str
) -> None:
    """A shape that many servers use proves only together with an answer of the vendor's API."""
    origin, _ = serve(Reply(404, b'{"error": "not found"}'))
    controls: list[str] = []

    def fail() -> None:
        controls.append("failed")
        raise MalformedPayload("not the vendor's list")

    def send(absent: bool, control: Callable[[], object]) -> ProviderError:
        api = transport(
            origin,
            retries=0,
            control=control,
            error_details=lambda *_: ErrorDetails(recognized=True, absent=absent),
        )
        with pytest.raises(ProviderError) as caught:
            api.request("DELETE", "r1", operation=operation, retry=RetryPolicy.IDEMPOTENT)
        return caught.value

    assert type(send(False, lambda: controls.append("answered"))) is NotFound
    unproved = send(False, fail)
    assert type(unproved) is Unavailable
    assert "a control request to the vendor's API failed (MalformedPayload)" in str(unproved)
    proved = send(True, fail)
    assert isinstance(proved, NotFound)
    assert proved.absent
    assert controls == ["answered", "failed"]


def test_delete_whose_first_response_was_lost_needs_the_control_request(
    serve: Serve, transport: MakeTransport
) -> None:
    """A gateway's 504, and then its own 404 in a shape like the vendor's."""
    origin, _ = serve(Reply(504), Reply(404, b"{}"))

    def fail() -> None:
        raise Unavailable("nothing answers")

    with pytest.raises(Unavailable, match="a control request to the vendor's API failed"):
        transport(origin, retries=1, control=fail).request(
            "DELETE", "r1", operation="delete", retry=RetryPolicy.IDEMPOTENT
        )


@pytest.mark.parametrize("retry", list(RetryPolicy))
def test_request_that_was_never_sent_is_retried_unless_it_is_a_start(
    transport: MakeTransport, manual_clock: ManualClock, retry: RetryPolicy
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    before = manual_clock.monotonic()
    with pytest.raises(Unavailable, match="No connection"):
        transport(f"http://127.0.0.1:{port}", retries=RETRIES).request(
            "POST", "thing", operation="try", retry=retry
        )
    assert (manual_clock.monotonic() > before) is (retry is not RetryPolicy.NEVER)


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (socket.gaierror(-2, "unknown name"), "the name cannot be resolved (DNS: unknown name)"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "it was refused, as no server listens"),
        (OSError(errno.ENETUNREACH, "no"), "network is unreachable"),
        (requests.ConnectTimeout(), "no server answered in time"),
    ],
)
def test_connection_that_was_not_made_names_the_reason(failure: Exception, reason: str) -> None:
    origin = ("https", "api.vendor.test", 443)
    error = explain_failure(requests.ConnectionError(failure), origin, {}, sent=False)
    assert f"No connection to api.vendor.test:443 could be made: {reason}" in str(error)
    assert "Check base_url" in str(error)
    assert error is not None
    assert not error._is_lasting
    assert explain_failure(requests.ConnectionError(failure), origin, {}, sent=True) is None


def test_later_attempt_succeeds(serve: Serve, transport: MakeTransport) -> None:
    origin, journal = serve(Reply(503), Reply(abort=True), Reply(429), Reply.json({"id": "r1"}))
    assert transport(origin).get("thing", operation="get").payload == {"id": "r1"}
    assert len(journal) == 4


@pytest.mark.parametrize("first", [Reply(abort=True), Reply(502), Reply(504)])
def test_delete_whose_first_response_was_lost_accepts_not_found(
    serve: Serve, transport: MakeTransport, first: Reply
) -> None:
    """R2."""
    origin, journal = serve(first, Reply(404, b"{}"))
    transport(origin).request("DELETE", "thing", operation="delete", retry=RetryPolicy.IDEMPOTENT)
    assert len(journal) == 2


@pytest.mark.parametrize("method", ["DELETE", "GET"])
def test_missing_resource_raises_not_found(
    serve: Serve, transport: MakeTransport, method: str
) -> None:
    origin, _ = serve(Reply(404, b"{}"))
    with pytest.raises(NotFound):
        transport(origin).request(method, "thing", operation="try", retry=RetryPolicy.IDEMPOTENT)
    origin, _ = serve(Reply(503), Reply(404, b"{}"))
    if method == "GET":
        with pytest.raises(NotFound):
            transport(origin).get("thing", operation="try")


def test_start_is_sent_once_per_call(serve: Serve, transport: MakeTransport) -> None:
    """R1, at scale: a thousand starts, each of which may have had its effect."""
    faults = [AMBIGUOUS[name] for name in ("no byte", "cut headers", "cut body", "503")]
    generator = random.Random(1)
    origin, journal = serve(lambda request: generator.choice(faults))
    api = transport(origin)
    unknown = 0
    for number in range(1000):
        try:
            api.request("POST", f"{number}", operation="start", retry=RetryPolicy.NEVER, json={})
        except OutcomeUnknown:
            unknown += 1
    assert unknown == len(journal) == 1000
    assert len({request.path for request in journal}) == 1000


# -- a provider's start ---------------------------------------------------------------------------


class Vendor(Provider):
    """The smallest provider, which requires a response with an id."""

    default_base_url = "https://api.vendor.test"
    doubtful_start_codes = frozenset({"TIMEOUT"})

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return NoAuth()

    def _start(self, request: StartRequest) -> RecordingSession:
        payload = self.transport.request(
            "POST", "start", operation="start", retry=RetryPolicy.NEVER, json=dict(request.extra)
        ).payload
        if not isinstance(payload, dict) or not isinstance(payload.get("id"), str):
            raise MalformedPayload("no id", path="id", provider=self.name, operation="start")
        return RecordingSession(self.name, self.account, payload["id"], request.target)


INFO = ProviderInfo(
    "vendor", "Vendor", (), build_capabilities(call="start"), "https://vendor.test", "x:Vendor"
)


def test_error_with_a_doubtful_code_raises_outcome_unknown(
    serve: Serve, manual_clock: ManualClock
) -> None:
    """The vendor also returns this code after the recording began."""
    for code, expected in (("TIMEOUT", OutcomeUnknown), ("INVALID", Rejected)):
        origin, _ = serve(Reply.json({"code": code, "message": "No."}, status=400))
        connection = Connection(INFO, settings={}, base_url=origin, clock=manual_clock)
        with Vendor(connection) as vendor, pytest.raises(expected):
            vendor.start(call("c1"))


@pytest.mark.parametrize("payload", [[], None, "yes", 1, {}, {"id": None}, {"id": 7}])
def test_start_with_an_unreadable_response_raises_outcome_unknown(
    serve: Serve, manual_clock: ManualClock, payload: Any
) -> None:
    """R1: "no answer, a broken answer or any 5xx is `OutcomeUnknown`"; a 200 had an effect."""
    origin, journal = serve(Reply.json(payload))
    with (
        Vendor(Connection(INFO, settings={}, base_url=origin, clock=manual_clock)) as vendor,
        pytest.raises(OutcomeUnknown) as caught,
    ):
        vendor.start(call("c1"), extra={"token": "secret", "color": "red"})
    assert len(journal) == 1
    assert caught.value.target == call("c1")
    assert caught.value.sent_at == manual_clock.now()
    assert caught.value.parameters == {"token": "***", "color": "red"}


# -- Retry-After ----------------------------------------------------------------------------------

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
RETRY_AFTERS = [
    (None, None),
    ("0", timedelta(0)),
    ("7", timedelta(seconds=7)),
    (" 7 ", timedelta(seconds=7)),
    ("1.5", timedelta(seconds=1.5)),
    ("-5", timedelta(0)),
    ("1" + "0" * 60, YEAR),
    ("9" * 400, YEAR),
    ("9" * 5000, None),
    ("1e9", None),
    ("0x10", None),
    ("1_000", None),
    ("٧", None),
    ("inf", None),
    ("nan", None),
    ("", None),
    ("soon", None),
    ("7, 8", None),
    ("Mon, 01 Jun 2026 12:00:30 GMT", timedelta(seconds=30)),
    ("Mon, 01 Jun 2026 11:00:00 GMT", timedelta(0)),
    ("Mon, 01 Jun 2026 14:00:30 +0200", timedelta(seconds=30)),
    ("Sun, 06 Nov 1994 08:49:37 GMT", timedelta(0)),
    ("Fri, 31 Dec 9999 23:59:59 GMT", YEAR),
    ("Fri, 31 Dec 9999 23:59:59 -2359", YEAR),
    ("Mon, 01 Jan 0001 00:00:00 +2359", timedelta(0)),
    ("Mon, 99 Jun 2026 12:00:30 GMT", None),
    ("Mon, 01 Jun 2026 12:00:30 +99999999", None),
]


@pytest.mark.parametrize(("value", "wait"), RETRY_AFTERS)
def test_retry_after_is_parsed_or_ignored(value: str | None, wait: timedelta | None) -> None:
    """R4."""
    assert parse_retry_after(value, NOW) == wait


@given(
    st.text(max_size=60) | st.from_regex(r"\w{3}, \d{1,5} \w{3} \d{1,9} [\d:]{5,9} [+-]?\w{1,9}")
)
def test_parsing_retry_after_never_raises(value: str) -> None:
    """R4."""
    wait = parse_retry_after(value, NOW)
    assert wait is None or timedelta(0) <= wait <= YEAR


@pytest.mark.parametrize("value", [value for value, _ in RETRY_AFTERS if value and value.isascii()])
@pytest.mark.parametrize(
    ("status", "retry", "error"),
    [
        (429, RetryPolicy.IDEMPOTENT, RateLimited),
        (429, RetryPolicy.IF_NOT_PROCESSED, RateLimited),
        (503, RetryPolicy.IDEMPOTENT, Unavailable),
    ],
)
def test_retry_after_is_waited_for_or_raised_at_once(
    serve: Serve,
    transport: MakeTransport,
    manual_clock: ManualClock,
    value: str,
    status: int,
    retry: RetryPolicy,
    error: type[ProviderError],
) -> None:
    """R4: never beyond the total timeout, which the vendor cannot take into account."""
    wait = parse_retry_after(value, manual_clock.now()) or timedelta(0)
    origin, journal = serve(Reply(status, b"", {"Retry-After": value}), Reply.json({}))
    api = transport(origin, total_timeout=20.0)
    before, started = manual_clock.monotonic(), time.monotonic()
    if wait < timedelta(seconds=20):
        api.request("GET", "thing", operation="get", retry=retry)
        assert len(journal) == 2
        assert (
            wait
            <= timedelta(seconds=manual_clock.monotonic() - before)
            <= wait + timedelta(seconds=8)
        )
    else:
        with pytest.raises(error) as caught:
            api.request("GET", "thing", operation="get", retry=retry)
        assert getattr(caught.value, "retry_after", None) == wait
        assert len(journal) == 1
        assert manual_clock.monotonic() == before
    assert time.monotonic() - started < 1


def test_rate_limited_start_raises_at_once(
    serve: Serve, transport: MakeTransport, manual_clock: ManualClock
) -> None:
    origin, journal = serve(Reply(429, b"", {"Retry-After": "3"}))
    before = manual_clock.monotonic()
    with pytest.raises(RateLimited) as caught:
        transport(origin).request("POST", "thing", operation="start", retry=RetryPolicy.NEVER)
    assert caught.value.retry_after == timedelta(seconds=3)
    assert (len(journal), manual_clock.monotonic()) == (1, before)


# -- how long, how often --------------------------------------------------------------------------


def test_backoff_has_full_jitter_also_at_its_maximum() -> None:
    """R5: urllib3's has no jitter at the maximum, and no wait before the first retry."""
    for attempt, longest in ((0, 0.5), (1, 1.0), (4, 8.0), (5, 8.0), (50, 8.0), (5000, 8.0)):
        waits = [compute_backoff(attempt) for _ in range(500)]
        assert 0 <= min(waits) < longest * 0.1
        assert longest * 0.9 < max(waits) <= longest


def test_rate_allows_one_minutes_worth_at_once_and_then_an_even_rate(
    manual_clock: ManualClock,
) -> None:
    bucket = TokenBucket(4.0, manual_clock)
    for _ in range(240):
        bucket.take()
    assert manual_clock.monotonic() == 0
    for _ in range(40):
        bucket.take()
    assert manual_clock.monotonic() == pytest.approx(10.0)
    manual_clock.advance(timedelta(hours=1))  # a minute's worth accumulates, not an hour's
    for _ in range(241):
        bucket.take()
    assert manual_clock.monotonic() == pytest.approx(3610.25)


def test_burst_limits_the_requests_at_once(manual_clock: ManualClock) -> None:
    bucket = TokenBucket(4.0, manual_clock, 10.0)
    for _ in range(10):
        bucket.take()
    assert manual_clock.monotonic() == 0
    for _ in range(40):
        bucket.take()
    assert manual_clock.monotonic() == pytest.approx(10.0)


@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_first_request_never_waits_for_the_rate(manual_clock: ManualClock, rate: float) -> None:
    TokenBucket(rate, manual_clock).take()
    assert manual_clock.monotonic() == 0


def test_threads_share_the_rate() -> None:
    """The sum of their waits is what the rate requires, in any order of the threads."""

    class Waits(ManualClock):
        def __init__(self) -> None:
            super().__init__()
            self.waits: list[float] = []

        def sleep(self, seconds: float) -> None:
            self.waits.append(seconds)

    clock = Waits()
    bucket = TokenBucket(1.0, clock)

    def take() -> None:
        for _ in range(20):
            bucket.take()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(clock.waits) == [float(n) for n in range(1, 21)]


def test_loopback_has_no_rate_limit(
    serve: Serve, transport: MakeTransport, manual_clock: ManualClock
) -> None:
    origin, _ = serve(Reply.json({}))
    api = transport(origin, vendor_rate=1.0)
    for _ in range(70):
        api.get("thing", operation="get")
    assert manual_clock.monotonic() == 0


@pytest.mark.parametrize("settings", [{}, {"rate": 5.0}, {"rate": None}])
def test_vendor_rate_applies_unless_another_is_set(
    transport: MakeTransport, manual_clock: ManualClock, settings: dict[str, Any]
) -> None:
    bucket = transport("https://api.vendor.test", vendor_rate=2.0, **settings).bucket
    for _ in range(121):
        bucket.take()
    assert (manual_clock.monotonic() > 0) is (settings == {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": -1.0},
        {"rate": True},
        {"rate": "4"},
        {"rate": float("nan")},
        {"retries": -1},
        {"retries": 1.5},
        {"workers": 0},
        {"total_timeout": 0},
        {"read_timeout": -1},
        {"connect_timeout": float("nan")},
        {"max_json_bytes": 0},
        {"max_media_bytes": 0},
        {"max_media_bytes": 1.5},
        {"media_hosts": "public"},
        {"verify_tls": "no"},
        {"allow_loopback": "yes"},
    ],
)
def test_invalid_settings_raise(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        HttpSettings(**wrong)


def test_error_body_with_status_200_raises(serve: Serve, transport: MakeTransport) -> None:
    """A vendor may report an error in the body alone."""

    def read(status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return ErrorDetails(code="7", message="no such call", kind=NotFound, is_error=True)

    replies: Sequence[Reply] = [Reply.json({"error": "no such call"})]
    origin, journal = serve(*replies)
    with pytest.raises(NotFound, match="no such call") as caught:
        transport(origin, error_details=read).get("thing", operation="get")
    assert (caught.value.code, caught.value.status, len(journal)) == ("7", 200, 1)
