"""Every call ends within its total timeout, however the vendor delays its response."""

from __future__ import annotations

import gc
import re
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from recording_core import (
    FileRole,
    MediaFile,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    RecordingError,
    Truncated,
    Unavailable,
)
from recording_core.clock import SystemClock
from recording_core.download.transfer import FileFetcher
from recording_core.testing import ManualClock, Reply, Request
from recording_core.testing.timing import SLACK, assert_within
from recording_core.transport import deadline as deadlines
from recording_core.transport import name_resolution
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.name_resolution import resolve_addresses
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.retry import RetryPolicy

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

TOTAL = 0.3
FACTS = {"provider": "vendor", "recording_id": "r1"}
_LONG_BODY = Reply.json({"a": "x" * 200})
SLOW = {
    "no response": evolve(_LONG_BODY, stall="headers"),
    "no body": evolve(_LONG_BODY, stall="body"),
    "slow headers": evolve(_LONG_BODY, drip="headers"),
    "slow body": evolve(_LONG_BODY, drip="body"),
    "slow body without a length": evolve(_LONG_BODY, drip="body", framing="none"),
    "slow chunks": evolve(_LONG_BODY, drip="body", framing="chunked"),
}


@contextmanager
def open_media(api: Transport, first_byte: float = 60.0) -> Iterator[MediaTransport]:
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte_timeout=first_byte)
    try:
        yield media
    finally:
        media.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a host that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def unreachable() -> Iterator[int]:
    """A port at which connecting hangs, since its queue is full and nothing accepts."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = []
        for _ in range(8):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for each in waiting:
            each.close()


def send_once(api: Transport) -> None:
    api.request("POST", "thing", operation="start", json={}, retry=RetryPolicy.NEVER)


def read(api: Transport) -> None:
    api.get("thing", operation="get")


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize(("call", "error"), [(read, Unavailable), (send_once, OutcomeUnknown)])
def test_slow_api_response_ends_at_the_total_timeout(
    serve: Serve,
    transport: MakeTransport,
    slow: Reply,
    call: Callable[[Transport], None],
    error: type[ProviderError],
) -> None:
    """T6: the watchdog's shutdown may look like the regular end of headers or body."""
    origin, _ = serve(slow)
    api = transport(origin, total_timeout=TOTAL)
    with assert_within(TOTAL), pytest.raises(error, match="within"):
        call(api)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("call", "error"), [(read, Unavailable), (send_once, ProviderError)])
def test_silent_host_ends_at_the_total_timeout(
    silent: str,
    transport: MakeTransport,
    scheme: str,
    call: Callable[[Transport], None],
    error: type[ProviderError],
) -> None:
    """T6: with https the TLS handshake never ends."""
    api = transport(f"{scheme}://{silent}", total_timeout=TOTAL)
    with assert_within(TOTAL), pytest.raises(error):
        call(api)


def test_slow_tls_handshake_ends_at_the_total_timeout(transport: MakeTransport) -> None:
    """T6: each byte arrives within the read timeout, the last one not within the total."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):  # the head of a record of 16 KiB
                    try:
                        client.sendall(bytes([byte]))
                    except OSError:
                        return
                    if over.wait(0.02):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        api = transport(
            f"https://127.0.0.1:{server.getsockname()[1]}", total_timeout=TOTAL, retries=0
        )
        try:
            with assert_within(TOTAL), pytest.raises(Unavailable, match="within"):
                read(api)
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("addresses", [1, 12])
def test_unreachable_host_with_several_addresses_ends_at_the_total_timeout(
    unreachable: int, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch, addresses: int
) -> None:
    """T6: urllib3 gives each address the whole timeout."""
    real = socket.getaddrinfo

    def many(*args: Any, **kwargs: Any) -> list[Any]:
        return real(*args, **kwargs)[:1] * addresses

    monkeypatch.setattr(socket, "getaddrinfo", many)
    api = transport(f"http://127.0.0.1:{unreachable}", total_timeout=TOTAL)
    with assert_within(TOTAL), pytest.raises(Unavailable):
        read(api)


@pytest.mark.parametrize("call", [read, send_once])
def test_refused_connection_raises_unavailable_also_for_a_start(
    transport: MakeTransport, call: Callable[[Transport], None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with assert_within(0), pytest.raises(Unavailable, match="No connection"):
        call(transport(f"http://127.0.0.1:{port}", retries=2))


def test_unknown_host_name_raises_unavailable(transport: MakeTransport) -> None:
    for host in ("nobody.invalid", "a" * 70 + ".test"):
        with pytest.raises(Unavailable):
            read(transport(f"https://{host}", retries=0, total_timeout=5.0))


def test_retries_end_at_the_total_timeout(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T6: the total bounds all attempts together, not each one."""
    monkeypatch.setattr("recording_core.transport.client.compute_backoff", lambda attempt: 0.0)
    origin, journal = serve(evolve(Reply(503), stall="headers", stall_seconds=0.1))
    with assert_within(TOTAL), pytest.raises(Unavailable):
        read(transport(origin, total_timeout=TOTAL, retries=100))
    assert 1 < len(journal) < 5


def test_read_timeout_is_retried(serve: Serve, transport: MakeTransport) -> None:
    origin, journal = serve(
        evolve(Reply.json({}), stall="headers"),
        evolve(Reply.json({}), stall="body"),
        Reply.json({}),
    )
    with assert_within(0.4):
        read(transport(origin, read_timeout=0.15, total_timeout=5.0))
    assert len(journal) == 3


# -- media ----------------------------------------------------------------------------------------


def fetch(api: Transport, url: str, path: Path, *, timeout: float | None = None) -> Any:
    file = MediaFile("f", FileRole.MIX, "wav", url=url)
    with open_media(api) as media, Deadline(timeout) as deadline:
        fetcher = FileFetcher(media, clock=api.clock, retries=2, deadline=deadline, facts=FACTS)
        return fetcher.fetch(file, path)


@pytest.mark.parametrize("slow", ["no response", "slow headers"])
def test_media_without_a_first_byte_ends_at_the_total_timeout(
    serve: Serve, transport: MakeTransport, tmp_path: Path, slow: str
) -> None:
    """T6: media that did not begin within the total is not requested again."""
    origin, journal = serve(SLOW[slow])
    with assert_within(TOTAL), pytest.raises(Unavailable, match="first byte"):
        fetch(transport(origin, total_timeout=TOTAL), origin + "/m", tmp_path / "f.wav")
    assert len(journal) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_slow_file_ends_at_its_timeout_and_leaves_no_file(
    serve: Serve, transport: MakeTransport, tmp_path: Path, slow: Reply
) -> None:
    """T6: a socket that is shut down looks like the end of a body without a length."""
    wav = b"RIFF\xff\xff\xff\x7fWAVE" + bytes(1000)
    if slow.stall is None and slow.drip == "body":
        slow = evolve(slow, body=wav)
    origin, _ = serve(slow)
    with assert_within(TOTAL), pytest.raises(RecordingError, match="completely within"):
        fetch(transport(origin), origin + "/m", tmp_path / "f.wav", timeout=TOTAL)
    assert list(tmp_path.iterdir()) == []


def test_silence_within_a_media_body_ends_at_the_read_timeout(
    serve: Serve, transport: MakeTransport, tmp_path: Path
) -> None:
    origin, journal = serve(evolve(Reply(200, b"RIFF"), stall="body"))
    with assert_within(0.3), pytest.raises(Truncated):
        fetch(transport(origin, read_timeout=0.1), origin + "/m", tmp_path / "f.wav")
    assert len(journal) == 3


def test_first_byte_of_media_may_take_longer_than_the_read_timeout(
    serve: Serve, transport: MakeTransport
) -> None:
    """A vendor that packs files first may send nothing for minutes, but not within the body."""
    origin, journal = serve(
        evolve(Reply(200, b"media"), stall="headers", stall_seconds=0.4),
    )
    with (
        open_media(transport(origin, read_timeout=0.1)) as media,
        media.fetch(origin + "/m", {}) as response,
    ):
        assert b"".join(response.iter_chunks(10)) == b"media"
    assert len(journal) == 1


def test_first_byte_deadline_does_not_cut_off_a_slow_reader(
    serve: Serve, transport: MakeTransport
) -> None:
    body = bytes(5_000_000)
    origin, _ = serve(Reply(200, body))
    with (
        open_media(transport(origin, total_timeout=0.6)) as media,
        media.fetch(origin + "/m", {}) as response,
    ):
        chunks = response.iter_chunks(1_000_000)
        size = len(next(chunks))
        time.sleep(0.9)
        assert size + sum(map(len, chunks)) == len(body)


def test_inner_deadline_ends_with_the_outer_one(serve: Serve, transport: MakeTransport) -> None:
    """T6: one poll of a `wait`, with its retries, lasts no longer than the wait's timeout."""
    origin, _ = serve(SLOW["no response"])
    with assert_within(TOTAL), Deadline(TOTAL), pytest.raises(Unavailable):
        read(transport(origin, total_timeout=20.0, read_timeout=20.0))


def test_huge_bound_means_none_and_affects_no_other_deadline(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, _ = serve(SLOW["no response"])
    with Deadline(1e300) as endless:
        assert endless.compute_remaining() is None
    with assert_within(TOTAL), pytest.raises(Unavailable):
        read(transport(origin, total_timeout=TOTAL))


# -- the watchdog ---------------------------------------------------------------------------------


def test_ended_deadline_does_not_shut_down_the_next_exchange_of_its_connection(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, journal = serve(
        Reply.json({}), evolve(Reply.json({}), stall="headers", stall_seconds=0.5)
    )
    api = transport(origin, total_timeout=0.3, retries=0)
    read(api)
    slower = transport(origin, total_timeout=5.0, retries=0)
    slower._session = api._session  # the same pool, and so the same kept-alive connection
    read(slower)
    assert len(journal) == 2


def test_deadline_does_not_shut_down_a_connection_that_another_thread_uses(
    serve: Serve, transport: MakeTransport, manual_clock: ManualClock
) -> None:
    """A start would seem to be cut, because a download in another thread was late."""
    origin, journal = serve(
        Reply.json({}), Reply.json({}), evolve(Reply.json({}), stall="headers", stall_seconds=0.5)
    )
    api = transport(origin, total_timeout=5.0)
    failures: list[BaseException] = []

    def other() -> None:
        try:
            send_once(api)
        except BaseException as error:  # noqa: BLE001  # reported below, in the test's own thread
            failures.append(error)

    with Deadline(0.3):
        read(api)
        read(api)  # on the same connection, which is watched again
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert failures == []
    assert len(journal) == 3


def test_deadlines_close_their_descriptors(serve: Serve, transport: MakeTransport) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("no /proc on this system")
    origin, _ = serve(evolve(Reply.json({}), framing="none"))
    api = transport(origin)
    read(api)
    before = len(list(descriptors.iterdir()))
    with Deadline(60):
        for _ in range(20):
            read(api)
        inside = len(list(descriptors.iterdir()))
    assert inside - before < 10
    assert len(list(descriptors.iterdir())) - before < 10


def test_strictest_of_nested_deadlines_ends_the_call(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, _ = serve(SLOW["no response"])
    with assert_within(0.2), Deadline(0.2) as outer, pytest.raises(Unavailable):
        read(transport(origin, total_timeout=20.0, retries=0))
    assert outer.expired


def test_deadline_expires_by_the_clock_while_the_watchdog_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine a socket's own timeout may wake its reader first."""
    monkeypatch.setattr(deadlines._watchdog, "add", lambda deadline, end: None)
    with Deadline(0.02) as checked:
        expired = [checked.expired]
        time.sleep(0.03)
        expired.append(checked.expired)
    assert expired == [False, True]
    exceeded = Deadline(0.02)
    with pytest.raises(TimeoutError):
        _overrun(exceeded, 0.03)
    assert exceeded._over  # recorded when it was left


def _overrun(deadline: Deadline, seconds: float) -> None:
    with deadline:
        time.sleep(seconds)
        raise TimeoutError


def test_rate_limit_waits_extend_postponable_deadlines(manual_clock: ManualClock) -> None:
    """A rate limit makes no verb late."""
    bucket = TokenBucket(0.1, manual_clock, 1.0)
    with Deadline(1.0, postponable=True) as verb, Deadline(1.0, postponable=True) as exchange:
        bucket.take()
        bucket.take()  # waits ten seconds
        left = verb.compute_remaining(), exchange.compute_remaining()
    assert all(each is not None and 9.0 < each < 12.0 for each in left)


def test_rate_limit_wait_before_a_retry_does_not_count(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.transport.client.compute_backoff", lambda attempt: 0.0)
    origin, journal = serve(Reply(503), Reply.json({}))
    api = transport(origin, total_timeout=0.4)
    api.bucket = TokenBucket(1.0, SystemClock(), 1.0)
    read(api)  # the second attempt waits a second for its turn
    assert len(journal) == 2


def test_timeout_that_ends_before_the_next_turn_raises_at_once(manual_clock: ManualClock) -> None:
    """R4: `download(timeout=)` includes the waits. The turn stays free for another caller."""
    bucket = TokenBucket(0.1, manual_clock, 1.0)
    before = manual_clock.monotonic()
    with Deadline(2.0), Deadline(60.0, postponable=True):
        bucket.take()
        for _ in range(3):
            with pytest.raises(RateLimited, match="10 s") as caught:
                bucket.take()
    assert caught.value.retry_after == timedelta(seconds=10)
    assert manual_clock.monotonic() == before
    bucket.take()
    assert manual_clock.monotonic() == before + 10.0


def test_wait_under_the_rate_extends_no_deadline_beyond_a_timeout_around_it() -> None:
    with Deadline(3.0) as fixed, Deadline(1.0, postponable=True) as verb:
        deadlines.postpone_deadlines(1.0)
        assert 1.0 < (verb.compute_remaining() or 0) < 2.1
        deadlines.postpone_deadlines(10.0)
        assert verb.compute_remaining() == pytest.approx(fixed.compute_remaining(), abs=0.1)
        assert verb.seconds == 3.0  # which the message names


def test_ended_deadlines_are_not_kept() -> None:
    with Deadline(60.0) as ended:
        pass
    reference = weakref.ref(ended)
    del ended
    with Deadline(30.0):
        pass
    gc.collect()
    assert reference() is None


def test_deadline_without_a_thread_raises_and_later_ones_work(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Thread.start` fails if the process has reached the system's limit of threads."""
    origin, journal = serve(SLOW["no response"])
    api = transport(origin, total_timeout=TOTAL)
    with monkeypatch.context() as patched:
        patched.setattr(deadlines, "_watchdog", deadlines._Watchdog())
        with monkeypatch.context() as exhausted:
            exhausted.setattr(threading.Thread, "start", _fail_to_start)
            for _ in range(2):
                with pytest.raises(Unavailable, match="cannot start a thread"):
                    send_once(api)
        assert journal == []
        with assert_within(TOTAL), pytest.raises(Unavailable, match="within"):
            read(api)


def _fail_to_start(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


# -- name resolution ------------------------------------------------------------------------------


@pytest.fixture
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A resolver that answers when the test is over; the names that it looks up."""
    ended, asked = threading.Event(), list[str]()

    def hang(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        ended.wait(20)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield asked
    ended.set()


def test_name_resolution_that_hangs_ends_at_the_total_timeout(
    transport: MakeTransport, hanging_resolver: list[str]
) -> None:
    """T6: the system's resolver cannot be interrupted; threads share one lookup."""
    api = transport("https://api.vendor.test", total_timeout=TOTAL)
    for call in (read, send_once):
        with assert_within(TOTAL), pytest.raises(Unavailable, match="within"):
            call(api)
    assert hanging_resolver == ["api.vendor.test"]


def test_lookups_that_hang_are_bounded(hanging_resolver: list[str]) -> None:
    for number in range(name_resolution.MAX_LOOKUPS + 5):
        with assert_within(0), pytest.raises(TimeoutError):
            resolve_addresses(f"host-{number}.test", 443, 0.001)
    assert len(hanging_resolver) == name_resolution.MAX_LOOKUPS


def test_each_connection_resolves_its_name_once(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, _ = serve(Reply.json({}))
    real, asked = socket.getaddrinfo, list[str]()

    def count(host: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    read(transport(origin.replace("127.0.0.1", "localhost")))
    assert asked.count("localhost") == 1


def test_name_that_cannot_be_looked_up_for_want_of_a_thread_raises_unavailable(
    transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = transport("https://api.vendor.test", retries=0)
    with Deadline(60.0):  # the watchdog runs
        monkeypatch.setattr(threading.Thread, "start", _fail_to_start)
        with pytest.raises(Unavailable):
            read(api)
    assert name_resolution._resolver._running == {}


def test_postponed_deadline_still_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, assert_within(0.4), Deadline(0.1, postponable=True) as deadline:
        deadlines.watch_socket(ours, ours)
        began = time.monotonic()
        deadlines.postpone_deadlines(0.3)
        ours.settimeout(20)
        assert ours.recv(1) == b""  # shut by the watchdog
        assert time.monotonic() - began > 0.35
        assert deadline.expired


def test_block_that_sleeps_or_computes_is_late_also_on_a_busy_machine() -> None:
    with pytest.raises(AssertionError, match="the block took"), assert_within(-SLACK + 0.05):
        time.sleep(0.3)
    with pytest.raises(AssertionError, match="the block took"), assert_within(-SLACK + 0.05):
        sum(range(10_000_000))  # which no other thread interrupts
    with assert_within(0.0):
        pass


def test_waits_for_a_processor_are_not_counted() -> None:
    """Each thread that computes keeps the others from running for some milliseconds."""
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            sum(range(1000))

    others = [threading.Thread(target=compute) for _ in range(8)]
    for each in others:
        each.start()
    try:
        with pytest.raises(AssertionError) as caught, assert_within(-SLACK - 1.0):
            time.sleep(0.5)
    finally:
        ended.set()
        for each in others:
            each.join()
    waited = re.search(r"\((.*) s of them waiting for a processor\)", str(caught.value))
    assert waited is not None
    assert float(waited[1]) > 0.1
