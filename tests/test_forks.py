"""Forks: a child process shares neither connections nor locks nor a recording with its parent."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

import recording_core as rec
from recording_core.forks import ForkSafeLock, _live
from recording_core.listing.page import PageRows
from recording_core.testing import LoopbackServer, ManualClock, Reply, Request
from recording_core.testing.emulator import media
from recording_core.transport.authentication import TokenAuth
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.media_client import MediaTransport
from recording_core.transport.rate_limit import TokenBucket
from recording_core.transport.retry import RetryPolicy
from recording_core.transport.session import NETWORK_ERRORS
from recording_plivo.emulator import PlivoEmulator

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]

Serve = Callable[..., tuple[str, list[Request]]]
Tls = Callable[..., tuple[int, list[Request]]]
MakeTransport = Callable[..., Transport]

SOUND = media.build_mp3(2.0)
#: Seconds after which a wait ends.
LONGEST = 20.0
CREDENTIALS = {"auth_id": "MA" + "X" * 18, "auth_token": "t" * 40}


def answer(request: Request) -> Reply:
    """Return the recording, or the media, whose id the path ends with."""
    name = request.segments()[-1].removesuffix(".mp3")
    if not name.startswith("warm"):
        time.sleep(0.02)  # so that the requests of two processes overlap
    if request.path.startswith("/m/"):
        return Reply(200, SOUND + name.encode().ljust(16), {"Content-Type": "audio/mpeg"})
    return Reply.json({"recording_id": name})


def connect(base_url: str, **settings: Any) -> rec.Provider:
    http = rec.HttpSettings(retries=0, total_timeout=5, read_timeout=2, **settings)
    return rec.connect("plivo", base_url=f"{base_url}/v1", http=http, **CREDENTIALS)


def get_manager(api: Transport) -> Any:
    """Return what holds the connection pools of a transport."""
    return api._session.get_adapter("https://").poolmanager  # type: ignore[attr-defined]


def find_pools(api: Transport) -> list[Any]:
    """Return the connection pools of a transport."""
    pools = get_manager(api).pools
    return list(map(pools.__getitem__, pools.keys()))


def find_kept(api: Transport) -> list[Any]:
    """Return the connections that a transport keeps alive."""
    return [each for pool in find_pools(api) for each in pool.pool.queue if each is not None]


@pytest.fixture
def connections() -> list[int]:
    """The ports of the clients that connected to `vendor`."""
    return []


@pytest.fixture
def vendor(connections: list[int]) -> Iterator[LoopbackServer]:
    with LoopbackServer(answer) as server:
        accept = server._server.get_request

        def get_request() -> Any:
            client, address = accept()
            connections.append(address[1])
            return client, address

        server._server.get_request = get_request  # type: ignore[method-assign]
        yield server


# -- connections -----------------------------------------------------------------------------------


def test_children_that_download_store_their_own_media(
    fork: Any, vendor: LoopbackServer, tmp_path: Path
) -> None:
    with connect(vendor.origin) as provider:

        def download(name: str) -> str:
            url = f"{vendor.origin}/m/{name}.mp3"
            file = rec.MediaFile(id="mix", role=rec.FileRole.MIX, format="mp3", url=url)
            status = rec.RecordingStatus.AVAILABLE
            recording = rec.Recording("plivo", "default", name, status=status, files=(file,))
            (copy,) = provider.download(recording, tmp_path)
            return copy.path.read_bytes()[-16:].decode().strip()

        download("warm")

        def download_many(prefix: str) -> list[str]:
            return [download(f"{prefix}{number}") for number in range(8)]

        children = {each: fork(partial(download_many, each)) for each in ("a", "b")}
        for prefix, child in {**children, "c": None}.items():
            stored = child.join() if child is not None else download_many(prefix)
            assert stored == [f"{prefix}{number}" for number in range(8)]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_child_leaves_the_connection_of_its_parent_open(
    fork: Any, serve: Serve, tls: Tls, transport: MakeTransport, scheme: str
) -> None:
    """A shutdown, or the end of TLS, would end it for the parent, too."""
    if scheme == "https":
        origin = f"https://localhost:{tls(Reply.json({}))[0]}"
    else:
        origin, _ = serve(Reply.json({}))
    api = transport(origin, retries=0)

    def find_ports() -> list[int]:
        """The local ports of the connections that are kept alive."""
        return [each.sock.getsockname()[1] for each in find_kept(api)]

    api.get("thing", operation="try")
    (port,) = find_ports()

    def use_twice() -> list[int]:
        before = find_ports()
        for _ in range(2):
            api.request("PUT", "thing", operation="try", retry=RetryPolicy.IF_NOT_PROCESSED)
        return [*before, *find_ports()]

    (used,) = fork(use_twice).join()
    assert used != port
    api.request("PUT", "thing", operation="try", retry=RetryPolicy.IF_NOT_PROCESSED)
    assert find_ports() == [port]


def test_child_closes_the_descriptors_that_it_inherits(
    fork: Any, serve: Serve, tls: Tls, transport: MakeTransport
) -> None:
    origins = [serve(Reply.json({}))[0], f"https://localhost:{tls(Reply.json({}))[0]}"]
    descriptors = []
    for origin in origins:
        api = transport(origin)
        api.get("thing", operation="try")
        descriptors += [each.sock.fileno() for each in find_kept(api)]
    assert len(descriptors) == 2

    def is_open(descriptor: int) -> bool:
        try:
            os.fstat(descriptor)
        except OSError:
            return False
        return True

    def find_open() -> list[int]:
        return list(filter(is_open, descriptors))

    assert find_open() == descriptors
    assert fork(find_open).join() == []


@pytest.mark.parametrize("framing", ["length", "none"])
def test_exchange_of_another_thread_is_completed_in_the_parent_alone(
    fork: Any, serve: Serve, transport: MakeTransport, framing: Literal["length", "none"]
) -> None:
    reached, leave = threading.Event(), threading.Event()

    def respond(request: Request) -> Reply:
        if request.path == "/slow":
            reached.set()
            leave.wait(LONGEST)
        return Reply(200, b'{"path": "%s"}' % request.path.encode(), framing=framing)

    origin, _ = serve(respond)
    api = transport(origin, retries=0)

    def get(path: str) -> Any:
        return api.get(path, operation="try").payload

    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(get, "slow")
        assert reached.wait(LONGEST)
        child = fork(lambda: [get("quick") for _ in range(3)])
        try:
            assert child.join() == [{"path": "/quick"}] * 3
        finally:
            leave.set()
        assert slow.result() == {"path": "/slow"}


def test_body_that_is_read_during_a_fork_is_an_error_in_the_child(
    fork: Any, serve: Serve, transport: MakeTransport
) -> None:
    """Otherwise the two processes would divide its bytes between them."""
    body = bytes(range(256)) * 4096
    foreign, _ = serve(Reply(200, body), Reply(200, body, framing="none"))
    client = MediaTransport(
        transport(serve(Reply())[0]), vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0
    )
    with contextlib.closing(client):
        for _ in range(2):
            with client.fetch(f"{foreign}/m", {}) as response:
                chunks = response.iter_chunks(1024)
                first = next(chunks)

                def read_rest(chunks: Iterator[bytes] = chunks) -> str:
                    try:
                        return f"{len(b''.join(chunks))} bytes"
                    except NETWORK_ERRORS as error:
                        return f"an error: {type(error).__name__}"

                # What the parent had already received is in the child's memory, too.
                assert fork(read_rest).join().startswith("an error")
                assert first + b"".join(chunks) == body


def test_deadline_in_a_child_ends_no_connection_of_its_parent(
    fork: Any, serve: Serve, transport: MakeTransport
) -> None:
    body = bytes(range(256)) * 4096
    foreign, _ = serve(Reply(200, body))
    client = MediaTransport(
        transport(serve(Reply())[0]), vendor_hosts=(), credential_hosts=(), first_byte_timeout=5.0
    )
    with (
        contextlib.closing(client),
        Deadline(30.0) as deadline,
        client.fetch(f"{foreign}/m", {}) as response,
    ):

        def expire() -> bool:
            deadline._end = time.monotonic()
            return deadline.expired

        assert fork(expire).join()
        assert b"".join(response.iter_chunks(1024)) == body


# -- locks -----------------------------------------------------------------------------------------


@contextlib.contextmanager
def hold(*locks: Any) -> Iterator[None]:
    """Hold locks in another thread, which a forked child does not have."""
    held, release = threading.Event(), threading.Event()

    def run() -> None:
        with contextlib.ExitStack() as stack:
            for lock in locks:
                stack.enter_context(lock)
            held.set()
            release.wait(LONGEST)

    thread = threading.Thread(target=run)
    thread.start()
    assert held.wait(LONGEST)
    try:
        yield
    finally:
        release.set()
        thread.join()


def test_child_waits_for_no_lock_that_a_thread_of_its_parent_holds(
    fork: Any, serve: Serve, transport: MakeTransport
) -> None:
    origin, journal = serve(Reply.json({}))
    api = transport(origin, retries=0)
    api.auth = TokenAuth("X-Auth-Token", lambda: "t0ken-of-the-vendor")
    api.bucket = TokenBucket(100.0, ManualClock())
    api.get("thing", operation="try")
    api.auth._value = ""

    def get() -> bool:
        api.get("thing", operation="try")
        api.close()
        return True

    jar: Any = api._session.cookies
    # No variable refers to the pools themselves: the child drops them, which closes them.
    locks = (
        get_manager(api).pools.lock,
        *(pool.pool.mutex for pool in find_pools(api)),
        *(jar._cookies_lock, api.auth._lock, api.bucket._lock),
    )
    with hold(*locks):
        assert fork(get).join()
    assert len(journal) == 2


def test_child_reads_rows_and_media_while_a_thread_of_its_parent_does(
    fork: Any, vendor: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`functools.cached_property` has a lock for all objects of a class before Python 3.12."""
    parent, reached, leave = os.getpid(), threading.Barrier(3), threading.Event()

    def wait_in_parent(*_: Any, **__: Any) -> Any:
        if os.getpid() == parent:
            reached.wait(LONGEST)
            leave.wait(LONGEST)

    def read_rows() -> int:
        return len(PageRows([{}], wait_in_parent).recordings)

    monkeypatch.setattr("recording_core.transport.media_client.MediaTransport", wait_in_parent)
    with ThreadPoolExecutor(2) as threads, connect(vendor.origin) as provider:
        threads.submit(read_rows)
        threads.submit(lambda: provider.media)
        reached.wait(LONGEST)
        try:
            assert fork(lambda: [read_rows(), provider.media]).join() == [1, None]
        finally:
            leave.set()


def test_lock_that_the_forking_thread_holds_is_released_in_both_processes(
    fork: Any,
) -> None:
    lock = ForkSafeLock()

    def release_and_acquire() -> bool:
        lock.release()
        return lock.acquire(timeout=0)

    with lock:
        child = fork(release_and_acquire)
        assert not lock.acquire(timeout=0)
    assert child.join()
    assert lock.acquire(timeout=0)


def test_objects_are_not_kept_alive_to_be_renewed() -> None:
    before = len(_live)
    lock = ForkSafeLock()
    assert len(_live) == before + 1
    del lock
    assert len(_live) == before


def test_child_counts_requests_under_the_rate_on_its_own(
    fork: Any,
) -> None:
    clock = ManualClock()
    bucket = TokenBucket(1.0, clock, burst=3)
    bucket.take()

    def take_two() -> float:
        began = clock.monotonic()
        bucket.take()
        bucket.take()
        return clock.monotonic() - began

    assert fork(take_two).join() == 0.0
    assert take_two() == 0.0


# -- recorders and listings ------------------------------------------------------------------------


def test_recorder_stops_nothing_in_a_child() -> None:
    with PlivoEmulator() as emulator, emulator.connect() as provider:

        def count_stops() -> int:
            return sum(request.method == "DELETE" for request in emulator.list_requests())

        with provider.record(emulator.sessions[0]) as recorder:
            reading, writing = os.pipe()
            process = os.fork()
            if process == 0:
                try:
                    with contextlib.suppress(SystemExit), recorder_of(recorder):
                        sys.exit("the child ends inside the block")
                    os.write(writing, str(recorder.session.stopped_at).encode())
                finally:
                    os._exit(0)
            os.close(writing)
            with open(reading, "rb") as results:
                assert results.read() == b"None"
            os.waitpid(process, 0)
            assert count_stops() == 0
        assert count_stops() == 1


@contextlib.contextmanager
def recorder_of(recorder: rec.Recorder) -> Iterator[None]:
    """The rest of the `with` block of a recorder that was entered before the fork."""
    try:
        yield
    except BaseException as error:
        recorder.__exit__(type(error), error, error.__traceback__)
        raise
    else:
        recorder.__exit__(None, None, None)


def test_listing_that_was_begun_before_a_fork_is_an_error_in_the_child(
    fork: Any,
) -> None:
    """Its workers exist in the parent alone: the child would wait for them for ever."""
    with PlivoEmulator(recordings=45) as emulator, emulator.connect() as provider:
        listing = provider.list()
        rows = iter(listing)
        first = next(rows)

        def read_rest() -> str:
            try:
                return f"{len(list(rows))} rows"
            except rec.RecordingError as error:
                return str(error)

        assert "begun before a fork" in fork(read_rest).join()
        assert fork(lambda: len(list(listing))).join() == 45
        assert len({first.id, *(each.id for each in rows)}) == 45


# -- servers and pools that fork -------------------------------------------------------------------

#: A module that connects and sends a request when it is imported: before its workers are forked.
PRELOADED = f"""
import json, os
import recording_core as rec

http = rec.HttpSettings(retries=0, total_timeout=5)
plivo = rec.connect("plivo", base_url=os.environ["VENDOR"] + "/v1", http=http, **{CREDENTIALS})
plivo.get("warm")

def get(name):
    try:
        return [os.getpid(), plivo.get(name).id]
    except rec.RecordingError as error:
        return [os.getpid(), repr(error)]
"""
GUNICORN = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(get(environ["PATH_INFO"].strip("/"))).encode()]
"""
CELERY = """
from celery import Celery

folder = os.environ["FOLDER"]
app = Celery("preloaded", broker="filesystem://", backend=f"file://{folder}")
app.conf.broker_transport_options = {
    **dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), folder),
    "polling_interval": 0.02,
}
app.conf.worker_prefetch_multiplier = 1
app.task(get, name="get")
"""


def check_answers(
    answers: Callable[[list[str]], list[tuple[int, str]]], connections: list[int]
) -> None:
    """Check that at least two processes answer, each right and by a connection of its own."""
    names = [f"r{number}" for number in range(16)]
    given = answers(names)
    assert [name for _, name in given] == names
    processes = {process for process, _ in given}
    assert len(processes) > 1
    assert len(connections) > len(processes)  # the parent has one, too


@contextlib.contextmanager
def run_server(command: list[str], **variables: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, **variables}
    with subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGQUIT)  # at once, for both servers


def test_gunicorn_with_preload_mixes_no_answers(
    vendor: LoopbackServer, connections: list[int], tmp_path: Path
) -> None:
    (tmp_path / "preloaded.py").write_text(PRELOADED + GUNICORN)
    command = ["gunicorn", "--preload", "--workers=2", "--bind=127.0.0.1:0"]
    command += ["--graceful-timeout=1", f"--chdir={tmp_path}", "preloaded:app"]
    with run_server(command, VENDOR=vendor.origin) as server:
        assert server.stderr is not None
        found = (re.search(r"Listening at: (\S+)", line) for line in server.stderr)
        origin = next(each for each in found if each)[1]
        drain = threading.Thread(target=server.stderr.read, daemon=True)
        drain.start()

        def ask(name: str) -> tuple[int, str]:
            with urllib.request.urlopen(f"{origin}/{name}", timeout=LONGEST) as response:
                process, found = json.load(response)
                return process, found

        def ask_all(names: list[str]) -> list[tuple[int, str]]:
            with ThreadPoolExecutor(4) as threads:
                return list(threads.map(ask, names))

        check_answers(ask_all, connections)


def test_celery_with_prefork_mixes_no_answers(
    vendor: LoopbackServer, connections: list[int], tmp_path: Path
) -> None:
    from celery import Celery  # type: ignore[import-untyped]

    (tmp_path / "preloaded.py").write_text(PRELOADED + CELERY)
    command = ["celery", "-A", "preloaded", f"--workdir={tmp_path}", "worker", "--pool=prefork"]
    command += ["--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    app = Celery(broker="filesystem://", backend=f"file://{tmp_path}")
    app.conf.broker_transport_options = dict.fromkeys(
        ("data_folder_in", "data_folder_out", "control_folder"), str(tmp_path)
    )
    with run_server(command, VENDOR=vendor.origin, FOLDER=str(tmp_path)) as worker:
        assert worker.stderr is not None
        drain = threading.Thread(target=worker.stderr.read, daemon=True)
        drain.start()

        def ask_all(names: list[str]) -> list[tuple[int, str]]:
            jobs = [app.send_task("get", (name,)) for name in names]
            return [tuple(job.get(timeout=LONGEST, interval=0.05)) for job in jobs]

        check_answers(ask_all, connections)


_shared: dict[str, rec.Provider] = {}


def get_shared(name: str) -> tuple[int, str]:
    return os.getpid(), _shared["provider"].get(name).id


def test_process_pool_mixes_no_answers(vendor: LoopbackServer, connections: list[int]) -> None:
    context = multiprocessing.get_context("fork")
    with connect(vendor.origin) as _shared["provider"]:
        get_shared("warm")
        with ProcessPoolExecutor(2, context) as pool:
            check_answers(lambda names: list(pool.map(get_shared, names)), connections)
