"""Replay stores: add each key once, expire it in time, and serve threads and processes."""

from __future__ import annotations

import multiprocessing
import pickle
import sqlite3
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import ManualClock

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


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_forked_process_opens_its_own_connection(tmp_path: Path) -> None:
    store = rec.SqliteReplayStore(tmp_path / "replays.db")
    store.add_if_absent("parent", HOUR)
    mine = store._connection
    store._process -= 1  # as in a child process
    assert store.add_if_absent("child", HOUR)
    assert store._connection is not mine
    assert "parent" in store


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


def test_unusable_file_raises_storage_error(tmp_path: Path) -> None:
    with pytest.raises(rec.StorageError):
        rec.SqliteReplayStore(tmp_path / "nowhere" / "replays.db")
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no database at all" * 100)
    with pytest.raises(rec.StorageError, match=r"junk\.db"):
        rec.SqliteReplayStore(junk)
