"""Does every call end in time? Against each way to be slow, within its total and one second."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from recording_core import (
    FileRole,
    MediaFile,
    OutcomeUnknown,
    ProviderError,
    RecordingError,
    Truncated,
    Unavailable,
)
from recording_core.download.transfer import fetch_file
from recording_core.testing import ManualClock, Reply, Request
from recording_core.testing.timing import within
from recording_core.transport import deadline as deadlines
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.retry import RetryPolicy

Serve = Callable[..., tuple[str, list[Request]]]
MakeTransport = Callable[..., Transport]

TOTAL = 0.3
FACTS = {"provider": "vendor", "recording_id": "r1"}
_LONG = Reply.json({"a": "x" * 200})
SLOW = {
    "says nothing": evolve(_LONG, stall="headers"),
    "stalls before the body": evolve(_LONG, stall="body"),
    "drips its headers": evolve(_LONG, drip="headers"),
    "drips its body": evolve(_LONG, drip="body"),
    "drips a body that it never measured": evolve(_LONG, drip="body", framing="none"),
    "drips chunks": evolve(_LONG, drip="body", framing="chunked"),
}


@contextmanager
def media_of(api: Transport, first_byte: float = 60.0) -> Iterator[MediaTransport]:
    media = MediaTransport(api, vendor_hosts=(), credential_hosts=(), first_byte=first_byte)
    try:
        yield media
    finally:
        media.close()


@pytest.fixture
def silent() -> Iterator[str]:
    """An origin that accepts connections and never answers: a host that hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def unreachable() -> Iterator[int]:
    """A port where connecting hangs, since nobody accepts and its queue is full."""
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


def sent_once(api: Transport) -> None:
    api.request("POST", "thing", operation="start", json={}, retry=RetryPolicy.NEVER)


def read(api: Transport) -> None:
    api.get("thing", operation="get")


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
@pytest.mark.parametrize(("call", "error"), [(read, Unavailable), (sent_once, OutcomeUnknown)])
def test_a_slow_answer_of_the_api_ends_at_the_total(
    serve: Serve,
    transport: MakeTransport,
    slow: Reply,
    call: Callable[[Transport], None],
    error: type[ProviderError],
) -> None:
    """T6: a watchdog's shutdown may look like the regular end of headers or body."""
    origin, _ = serve(slow)
    api = transport(origin, total_timeout=TOTAL)
    with within(TOTAL), pytest.raises(error, match="within"):
        call(api)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("call", "error"), [(read, Unavailable), (sent_once, ProviderError)])
def test_a_host_that_accepts_and_hangs_ends_at_the_total(
    silent: str,
    transport: MakeTransport,
    scheme: str,
    call: Callable[[Transport], None],
    error: type[ProviderError],
) -> None:
    """T6: with https it is the handshake that is never answered."""
    api = transport(f"{scheme}://{silent}", total_timeout=TOTAL)
    with within(TOTAL), pytest.raises(error):
        call(api)


def test_a_handshake_that_drips_ends_at_the_total(transport: MakeTransport) -> None:
    """T6: each byte is in time for a read's timeout, and the last is not for the total."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                for byte in b"\x16\x03\x03\x40\x00" + bytes(1000):  # a record of 16 KiB, to come
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
            with within(TOTAL), pytest.raises(Unavailable, match="within"):
                read(api)
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize("addresses", [1, 12])
def test_an_unreachable_host_ends_at_the_total_however_many_addresses_it_has(
    unreachable: int, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch, addresses: int
) -> None:
    """T6: urllib3 gives each address the whole timeout."""
    real = socket.getaddrinfo

    def many(*args: Any, **kwargs: Any) -> list[Any]:
        return real(*args, **kwargs)[:1] * addresses

    monkeypatch.setattr(socket, "getaddrinfo", many)
    api = transport(f"http://127.0.0.1:{unreachable}", total_timeout=TOTAL)
    with within(TOTAL), pytest.raises(Unavailable):
        read(api)


@pytest.mark.parametrize("call", [read, sent_once])
def test_a_refused_connection_is_unavailable_and_leaves_no_doubt(
    transport: MakeTransport, call: Callable[[Transport], None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with within(0), pytest.raises(Unavailable, match="no connection"):
        call(transport(f"http://127.0.0.1:{port}", retries=2))


def test_a_name_that_nobody_knows_is_unavailable(transport: MakeTransport) -> None:
    for host in ("nobody.invalid", "a" * 70 + ".test"):
        with pytest.raises(Unavailable):
            read(transport(f"https://{host}", retries=0, total_timeout=5.0))


def test_retries_end_at_the_total_too(
    serve: Serve, transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T6: the total is of all attempts, not of each."""
    monkeypatch.setattr("recording_core.transport.client.backoff", lambda attempt: 0.0)
    origin, journal = serve(evolve(Reply(503), stall="headers", stall_seconds=0.1))
    with within(TOTAL), pytest.raises(Unavailable):
        read(transport(origin, total_timeout=TOTAL, retries=100))
    assert 1 < len(journal) < 5


def test_a_read_that_is_silent_for_too_long_is_asked_again(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, journal = serve(
        evolve(Reply.json({}), stall="headers"),
        evolve(Reply.json({}), stall="body"),
        Reply.json({}),
    )
    with within(0.4):
        read(transport(origin, read_timeout=0.15, total_timeout=5.0))
    assert len(journal) == 3


# -- media ----------------------------------------------------------------------------------------


def fetch(api: Transport, url: str, path: Path, *, timeout: float | None = None) -> Any:
    file = MediaFile("f", FileRole.MIX, "wav", url=url)
    with media_of(api) as media, Deadline(timeout) as deadline:
        return fetch_file(
            media, file, path, clock=api.clock, retries=2, deadline=deadline, facts=FACTS
        )


@pytest.mark.parametrize("slow", ["says nothing", "drips its headers"])
def test_media_whose_first_byte_does_not_come_ends_at_the_total(
    serve: Serve, transport: MakeTransport, tmp_path: Path, slow: str
) -> None:
    """T6: what did not begin within the total is not asked for again."""
    origin, journal = serve(SLOW[slow])
    with within(TOTAL), pytest.raises(Unavailable, match="first byte"):
        fetch(transport(origin, total_timeout=TOTAL), origin + "/m", tmp_path / "f.wav")
    assert len(journal) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("slow", SLOW.values(), ids=SLOW)
def test_a_slow_file_ends_at_its_timeout_and_leaves_nothing(
    serve: Serve, transport: MakeTransport, tmp_path: Path, slow: Reply
) -> None:
    """T6: a socket that is shut looks like the end of a body that nobody measured."""
    wav = b"RIFF\xff\xff\xff\x7fWAVE" + bytes(1000)
    if slow.stall is None and slow.drip == "body":
        slow = evolve(slow, body=wav)
    origin, _ = serve(slow)
    with within(TOTAL), pytest.raises(RecordingError, match="whole within"):
        fetch(transport(origin), origin + "/m", tmp_path / "f.wav", timeout=TOTAL)
    assert list(tmp_path.iterdir()) == []


def test_a_body_that_falls_silent_is_given_up_by_the_read_timeout(
    serve: Serve, transport: MakeTransport, tmp_path: Path
) -> None:
    origin, journal = serve(evolve(Reply(200, b"RIFF"), stall="body"))
    with within(0.3), pytest.raises(Truncated):
        fetch(transport(origin, read_timeout=0.1), origin + "/m", tmp_path / "f.wav")
    assert len(journal) == 3


def test_the_first_byte_of_media_may_take_longer_than_a_read(
    serve: Serve, transport: MakeTransport
) -> None:
    """A vendor that packs files first says nothing for minutes; then silence is a fault again."""
    origin, journal = serve(
        evolve(Reply(200, b"media"), stall="headers", stall_seconds=0.4),
    )
    with (
        media_of(transport(origin, read_timeout=0.1)) as media,
        media.fetch(origin + "/m", {}) as response,
    ):
        assert b"".join(response.chunks(10)) == b"media"
    assert len(journal) == 1


def test_a_slow_reader_is_not_cut_off_by_the_first_bytes_deadline(
    serve: Serve, transport: MakeTransport
) -> None:
    body = bytes(5_000_000)
    origin, _ = serve(Reply(200, body))
    with (
        media_of(transport(origin, total_timeout=0.6)) as media,
        media.fetch(origin + "/m", {}) as response,
    ):
        chunks = response.chunks(1_000_000)
        size = len(next(chunks))
        time.sleep(0.9)
        assert size + sum(map(len, chunks)) == len(body)


def test_a_deadline_within_another_ends_with_it(serve: Serve, transport: MakeTransport) -> None:
    """T6: one look of a `wait`, with its retries, lasts no longer than the wait may."""
    origin, _ = serve(SLOW["says nothing"])
    with within(TOTAL), Deadline(TOTAL), pytest.raises(Unavailable):
        read(transport(origin, total_timeout=20.0, read_timeout=20.0))


def test_a_bound_beyond_all_clocks_is_none_and_harms_no_other(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, _ = serve(SLOW["says nothing"])
    with Deadline(1e300) as endless:
        assert endless.remaining() is None
    with within(TOTAL), pytest.raises(Unavailable):
        read(transport(origin, total_timeout=TOTAL))


# -- the watchdog ---------------------------------------------------------------------------------


def test_a_deadline_that_was_kept_never_shuts_the_connections_next_exchange(
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


def test_a_deadline_never_shuts_a_connection_that_another_thread_has_taken_from_the_pool(
    serve: Serve, transport: MakeTransport, clock: ManualClock
) -> None:
    """A start of ours would look as if it were cut, because a download elsewhere was late."""
    origin, journal = serve(
        Reply.json({}), Reply.json({}), evolve(Reply.json({}), stall="headers", stall_seconds=0.5)
    )
    api = transport(origin, total_timeout=5.0)
    failures: list[BaseException] = []

    def other() -> None:
        try:
            sent_once(api)
        except BaseException as error:  # noqa: BLE001  # told below, in the test's own thread
            failures.append(error)

    with Deadline(0.3):
        read(api)
        read(api)  # on the same connection, which is watched anew
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert failures == []
    assert len(journal) == 3


def test_deadlines_leave_no_descriptor_behind(serve: Serve, transport: MakeTransport) -> None:
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


def test_deadlines_nest_and_the_strictest_ends_the_call(
    serve: Serve, transport: MakeTransport
) -> None:
    origin, _ = serve(SLOW["says nothing"])
    with within(0.2), Deadline(0.2) as outer, pytest.raises(Unavailable):
        read(transport(origin, total_timeout=20.0, retries=0))
    assert outer.expired


def test_a_deadline_is_over_by_the_clock_also_while_the_watchdog_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine a socket's own timeout may wake its reader first."""
    monkeypatch.setattr(deadlines._watchdog, "add", lambda end, deadline: None)
    with Deadline(0.02) as asked:
        seen = [asked.expired]
        time.sleep(0.03)
        seen.append(asked.expired)
    assert seen == [False, True]
    left = Deadline(0.02)
    with pytest.raises(TimeoutError):
        _overstay(left, 0.03)
    assert left._over  # remembered, for whoever asks later


def _overstay(deadline: Deadline, seconds: float) -> None:
    with deadline:
        time.sleep(seconds)
        raise TimeoutError


@pytest.mark.parametrize("patient", [True, False])
def test_a_turn_that_is_waited_for_counts_against_a_bound_unless_it_is_patient(
    clock: ManualClock, patient: bool
) -> None:
    """A rate of its user's makes no verb late; `download(timeout=)` is a promise all the same."""
    bucket = TokenBucket(0.1, clock, 1.0)
    with Deadline(1.0, patient=patient) as deadline:
        bucket.take()
        bucket.take()  # after ten seconds
        left = deadline.remaining()
    assert left is not None
    assert (left > 9.0) is patient


def test_a_postponed_bound_still_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, within(0.4), Deadline(0.1, patient=True) as deadline:
        deadlines.watch(ours, ours)
        began = time.monotonic()
        deadlines.postpone(0.3)
        ours.settimeout(20)
        assert ours.recv(1) == b""  # shut by the watchdog
        assert time.monotonic() - began > 0.35
        assert deadline.expired
