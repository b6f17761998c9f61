"""Replay stores: add each key once, expire it in time, and serve threads, processes and forks."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import pickle
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest

import recording_core as rec
from recording_core.download.atomic_file import lock_file
from recording_core.model import events
from recording_core.testing import ManualClock
from recording_core.webhooks import replay_store
from recording_core.webhooks.dispatch import Dispatcher
from recording_core.webhooks.replay_store import CLAIM_LIFETIME, claim_key

HOUR = timedelta(hours=1)
MakeStore = Callable[..., Any]


@pytest.fixture(params=["memory", "sqlite"])
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path, manual_clock: ManualClock
) -> MakeStore:
    if request.param == "memory":
        return lambda: rec.MemoryReplayStore(clock=manual_clock)
    return lambda: rec.SqliteReplayStore(tmp_path / "replays.db", clock=manual_clock)


def test_key_is_added_once(make_store: MakeStore) -> None:
    store = make_store()
    assert "a" not in store
    assert store.add_if_absent("a", HOUR)
    assert "a" in store
    assert not store.add_if_absent("a", HOUR)
    assert store.add_if_absent("b", HOUR)


def test_discarded_key_can_be_added_again(make_store: MakeStore) -> None:
    store = make_store()
    store.discard("a")
    store.add_if_absent("a", HOUR)
    store.discard("a")
    assert "a" not in store
    assert store.add_if_absent("a", HOUR)


def test_key_expires_after_its_ttl(make_store: MakeStore, manual_clock: ManualClock) -> None:
    store = make_store()
    store.add_if_absent("a", HOUR)
    manual_clock.advance(HOUR - timedelta(seconds=1))
    assert "a" in store
    assert not store.add_if_absent("a", 10 * HOUR)  # does not extend its lifetime
    manual_clock.advance(timedelta(seconds=2))
    assert "a" not in store
    assert store.add_if_absent("a", HOUR)
    assert "a" in store


def test_one_of_many_threads_adds_a_key(make_store: MakeStore) -> None:
    store, barrier, added = make_store(), threading.Barrier(8), list[bool]()

    def add() -> None:
        barrier.wait()
        for number in range(50):
            added.append(store.add_if_absent(str(number), HOUR))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert added.count(True) == 50


def test_ttl_must_be_a_timedelta(make_store: MakeStore) -> None:
    with pytest.raises(TypeError):
        make_store().add_if_absent("a", 60)


def test_memory_store_is_bounded_and_keeps_the_latest_keys() -> None:
    store = rec.MemoryReplayStore(limit=100)
    for number in range(1000):
        store.add_if_absent(str(number), HOUR)
    assert sum(str(number) in store for number in range(1000)) == 100
    assert "999" in store
    for wrong, kind in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(kind):
            rec.MemoryReplayStore(wrong)  # type: ignore[arg-type]


def _add_all(path: Path, barrier: Any, added: Any) -> None:
    store = rec.SqliteReplayStore(path)
    barrier.wait(30)
    added.put(sum(store.add_if_absent(str(number), HOUR) for number in range(100)))


def test_one_of_several_processes_adds_a_key(tmp_path: Path) -> None:
    fresh = multiprocessing.get_context("spawn")
    barrier, added = fresh.Barrier(2), fresh.Queue()
    path = tmp_path / "replays.db"
    processes = [fresh.Process(target=_add_all, args=(path, barrier, added)) for _ in range(2)]
    for each in processes:
        each.start()
    counts = [added.get(timeout=60) for _ in processes]
    for each in processes:
        each.join()
    assert sum(counts) == 100
    assert "99" in rec.SqliteReplayStore(path)


# -- one dispatch per event -----------------------------------------------------------------------

unix_only = pytest.mark.skipif(sys.platform == "win32", reason="fork")


def build_event(number: int = 0) -> rec.RecordingEvent:
    recording = rec.Recording("vendor", "default", f"R{number}", status=rec.RecordingStatus.FAILED)
    event = events.build_event(recording)
    assert event is not None
    return event


def _dispatch_all(path: Path, log: Path, rounds: int, barrier: Any, replays: Any) -> None:
    dispatcher = Dispatcher(rec.SqliteReplayStore(path))

    @dispatcher.listen
    def write_line(event: rec.RecordingEvent) -> None:
        with log.open("a") as file:
            file.write(f"{event.recording_id}\n")

    found = 0
    for number in range(rounds):
        barrier.wait(30)  # without it, the processes would hardly ever meet
        found += dispatcher.dispatch(build_event(number)).replayed
    replays.put(found)


@unix_only
def test_several_processes_dispatch_an_event_once(tmp_path: Path) -> None:
    forking = multiprocessing.get_context("fork")
    count, rounds, log = 4, 60, tmp_path / "log"
    barrier, replays = forking.Barrier(count), forking.Queue()
    path = tmp_path / "replays.db"
    rec.SqliteReplayStore(path).close()
    arguments = (path, log, rounds, barrier, replays)
    processes = [forking.Process(target=_dispatch_all, args=arguments) for _ in range(count)]
    for each in processes:
        each.start()
    found = [replays.get(timeout=60) for _ in processes]
    for each in processes:
        each.join()
    assert sorted(log.read_text().split()) == sorted(f"R{number}" for number in range(rounds))
    assert sum(found) == (count - 1) * rounds
    assert {each.name for each in tmp_path.iterdir()} <= {
        "log", "replays.db", "replays.db-wal", "replays.db-shm",
    }  # fmt: skip


def _hang_in_listener(path: Path, called: Any) -> None:
    dispatcher = Dispatcher(rec.SqliteReplayStore(path))

    @dispatcher.listen
    def hang(event: rec.RecordingEvent) -> None:
        called.put(1)
        time.sleep(60)

    dispatcher.dispatch(build_event())


@unix_only
def test_event_of_a_killed_process_is_dispatched_at_once(tmp_path: Path) -> None:
    forking = multiprocessing.get_context("fork")
    path, called = tmp_path / "replays.db", forking.Queue()
    process = forking.Process(target=_hang_in_listener, args=(path, called))
    process.start()
    called.get(timeout=20)
    process.kill()
    process.join()
    began, dispatcher = time.monotonic(), Dispatcher(rec.SqliteReplayStore(path))
    assert not dispatcher.dispatch(build_event()).replayed
    assert time.monotonic() - began < 2
    assert not list(tmp_path.glob("*.lock"))


class OtherStore:
    """A store of an application with the required methods alone, which counts its calls."""

    def __init__(self) -> None:
        self.keys: dict[str, timedelta] = {}
        self.lock = threading.Lock()
        self.fails_on_discard = False

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        with self.lock:
            if key in self.keys:
                return False
            self.keys[key] = ttl
            return True

    def discard(self, key: str) -> None:
        if self.fails_on_discard:
            raise ConnectionError("redis://:hunter22@cache")
        self.keys.pop(key, None)


@pytest.mark.parametrize("kind", ["memory", "sqlite", "other"])
def test_event_in_progress_is_waited_for_and_then_answered_with_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    store: rec.ReplayStore = OtherStore()
    if kind != "other":
        sqlite = rec.SqliteReplayStore(tmp_path / "replays.db")
        store = sqlite if kind == "sqlite" else rec.MemoryReplayStore()
    dispatcher, called, finish = Dispatcher(store), threading.Event(), threading.Event()

    @dispatcher.listen
    def wait(event: rec.RecordingEvent) -> None:
        called.set()
        finish.wait(20)

    with ThreadPoolExecutor() as threads:
        first = threads.submit(dispatcher.dispatch, build_event())
        assert called.wait(10)
        monkeypatch.setattr("recording_core.webhooks.dispatch._MAX_WAIT", 0.1)
        with pytest.raises(rec.WebhookRejected, match="R0 is still being dispatched") as caught:
            dispatcher.dispatch(build_event())
        assert caught.value.status == 503
        monkeypatch.undo()
        second = threads.submit(dispatcher.dispatch, build_event())
        finish.set()
        assert [each.result(10).replayed for each in (first, second)] == [False, True]
    if isinstance(store, OtherStore):
        assert list(store.keys) == [build_event().key]


def test_claim_that_cannot_be_discarded_expires(caplog: pytest.LogCaptureFixture) -> None:
    store = OtherStore()
    dispatcher = Dispatcher(store)
    store.fails_on_discard = True
    with pytest.raises(rec.WebhookRejected):  # the lookup of a store without `__contains__`
        dispatcher.dispatch(build_event())
    assert sorted(store.keys.values()) == [timedelta(seconds=1), CLAIM_LIFETIME]
    assert "claim on an event expires in 0:05:00" in caplog.text
    assert "hunter22" not in caplog.text


def test_claim_on_a_file_that_was_just_removed_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process ends its claim between our opening and locking of the file."""
    store = rec.SqliteReplayStore(tmp_path / "replays.db")
    end_claim = claim_key(store, "a")
    assert end_claim is not None

    def lock_late(descriptor: int) -> None:
        assert end_claim is not None
        end_claim()
        lock_file(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(replay_store, "lock_file", lock_late)
        assert claim_key(store, "a") is None
    assert claim_key(store, "a") is not None
    assert claim_key(store, "a") is None


def test_store_without_discard_is_rejected() -> None:
    store: Any = type("Store", (), {"add_if_absent": lambda *_: True})()
    with pytest.raises(TypeError, match="Store has no discard"):
        Dispatcher(store)


def test_locks_that_cannot_be_created_are_503(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispatcher = Dispatcher(rec.SqliteReplayStore(tmp_path / "replays.db"))
    monkeypatch.setattr(fcntl, "flock", raise_no_locks)
    with pytest.raises(rec.WebhookRejected, match="next to the replay store cannot be locked") as e:
        dispatcher.dispatch(build_event())
    assert e.value.status == 503


def raise_no_locks(*_: Any) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


# -- forks ----------------------------------------------------------------------------------------


def exit_after(act: Callable[[], object]) -> NoReturn:
    """Run `act` in a child process and end it; it is killed after ten seconds."""
    try:
        signal.alarm(10)
        act()
        os._exit(0)
    except BaseException:  # noqa: BLE001  # the child must not continue the tests
        traceback.print_exc()
    finally:
        os._exit(1)


def wait_for(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_in_child(act: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        exit_after(act)
    return wait_for(pid)


@unix_only
def test_child_of_a_process_whose_thread_is_inside_does_not_hang(make_store: MakeStore) -> None:
    store, stop = make_store(), threading.Event()

    def add() -> None:
        number = 0
        while not stop.is_set():
            store.add_if_absent(f"thread {number}", HOUR)
            number += 1
            time.sleep(0.001)

    thread = threading.Thread(target=add)
    thread.start()
    try:
        for number in range(20):
            assert run_in_child(partial(store.add_if_absent, f"{number}", HOUR)) == 0
    finally:
        stop.set()
        thread.join()


@unix_only
def test_child_does_not_inherit_a_lock_that_is_held(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_store()
    with store._lock:
        with monkeypatch.context() as patched:
            # A fork waits for a statement no longer than SQLite itself would, and a second.
            patched.setattr(replay_store, "_BUSY_TIMEOUT", -0.9)
            pid = os.fork()
        if pid == 0:
            exit_after(lambda: store.add_if_absent("a", HOUR))
        assert wait_for(pid) == 0
    assert store.add_if_absent("b", HOUR)


@unix_only
def test_child_may_dispatch_what_a_thread_of_its_parent_was_dispatching() -> None:
    store = rec.MemoryReplayStore()
    assert claim_key(store, "a") is not None

    def claim() -> None:
        assert claim_key(store, "a") is not None

    assert run_in_child(claim) == 0
    assert claim_key(store, "a") is None


@unix_only
def test_keys_of_a_child_survive_the_end_of_its_parents_connection(tmp_path: Path) -> None:
    # A child's SQLite takes inherited locks for its own. When the parent closes the file, it would
    # remove the log into which the child writes.
    path = tmp_path / "replays.db"
    store = rec.SqliteReplayStore(path)
    store.add_if_absent("parent", HOUR)
    closed_read, closed_write = os.pipe()

    def write_in_child() -> None:
        store.add_if_absent("child before", HOUR)
        os.read(closed_read, 1)
        store.add_if_absent("child after", HOUR)

    pid = os.fork()
    if pid == 0:
        exit_after(write_in_child)
    store.add_if_absent("parent again", HOUR)
    store.close()
    time.sleep(0.1)
    os.write(closed_write, b"x")
    assert wait_for(pid) == 0
    again = rec.SqliteReplayStore(path)
    assert all(key in again for key in ("parent", "parent again", "child before", "child after"))


def test_file_survives_its_process_and_drops_expired_keys(
    tmp_path: Path, manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.webhooks.replay_store._CLEANUP_INTERVAL", 3)
    path = tmp_path / "replays.db"
    first = rec.SqliteReplayStore(path, clock=manual_clock)
    first.add_if_absent("old", HOUR)
    first.close()
    second = pickle.loads(pickle.dumps(rec.SqliteReplayStore(path)))
    second._clock = manual_clock
    assert "old" in second
    manual_clock.advance(2 * HOUR)
    for number in range(3):
        second.add_if_absent(str(number), HOUR)
    rows = sqlite3.connect(path).execute("SELECT key FROM dispatched").fetchall()
    assert ("old",) not in rows
    assert len(rows) == 3


def test_file_that_another_process_writes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = rec.SqliteReplayStore(tmp_path / "replays.db")
    with closing(
        sqlite3.connect(store.path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
        timer.start()
        try:
            assert store.add_if_absent("a", HOUR)
        finally:
            timer.join()
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(replay_store, "_BUSY_TIMEOUT", 0.2)
        with pytest.raises(rec.StorageError, match=r"replays\.db cannot be used: .* is locked"):
            store.add_if_absent("b", HOUR)


def test_unusable_file_raises_storage_error(tmp_path: Path) -> None:
    with pytest.raises(rec.StorageError):
        rec.SqliteReplayStore(tmp_path / "nowhere" / "replays.db")
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no database at all" * 100)
    with pytest.raises(rec.StorageError, match=r"junk\.db"):
        rec.SqliteReplayStore(junk)
