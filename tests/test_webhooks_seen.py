"""Does a store of seen keys add each once, forget in time, and serve threads and processes?"""

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
Make = Callable[..., Any]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Make:
    if request.param == "memory":
        return lambda: rec.MemoryReplayStore(clock=clock)
    return lambda: rec.SqliteReplayStore(tmp_path / "seen.db", clock=clock)


def test_a_key_is_added_once(make: Make) -> None:
    seen = make()
    assert "a" not in seen
    assert seen.add_if_absent("a", HOUR)
    assert "a" in seen
    assert not seen.add_if_absent("a", HOUR)
    assert seen.add_if_absent("b", HOUR)


def test_a_key_is_forgotten_in_time(make: Make, clock: ManualClock) -> None:
    seen = make()
    seen.add_if_absent("a", HOUR)
    clock.advance(HOUR - timedelta(seconds=1))
    assert "a" in seen
    assert not seen.add_if_absent("a", 10 * HOUR)  # which prolongs nothing
    clock.advance(timedelta(seconds=2))
    assert "a" not in seen
    assert seen.add_if_absent("a", HOUR)
    assert "a" in seen


def test_of_many_threads_one_adds(make: Make) -> None:
    seen, barrier, added = make(), threading.Barrier(8), list[bool]()

    def add() -> None:
        barrier.wait()
        for number in range(50):
            added.append(seen.add_if_absent(str(number), HOUR))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert added.count(True) == 50


def test_a_time_to_live_is_a_timedelta(make: Make) -> None:
    with pytest.raises(TypeError):
        make().add_if_absent("a", 60)


def test_memory_is_bounded_and_keeps_the_latest() -> None:
    seen = rec.MemoryReplayStore(limit=100)
    for number in range(1000):
        seen.add_if_absent(str(number), HOUR)
    assert sum(str(number) in seen for number in range(1000)) == 100
    assert "999" in seen
    for wrong, kind in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(kind):
            rec.MemoryReplayStore(wrong)  # type: ignore[arg-type]


def _add_all(path: Path, barrier: Any, added: Any) -> None:
    seen = rec.SqliteReplayStore(path)
    barrier.wait(30)
    added.put(sum(seen.add_if_absent(str(number), HOUR) for number in range(100)))


def test_of_several_processes_one_adds(tmp_path: Path) -> None:
    fresh = multiprocessing.get_context("spawn")
    barrier, added = fresh.Barrier(2), fresh.Queue()
    path = tmp_path / "seen.db"
    processes = [fresh.Process(target=_add_all, args=(path, barrier, added)) for _ in range(2)]
    for each in processes:
        each.start()
    counts = [added.get(timeout=60) for _ in processes]
    for each in processes:
        each.join()
    assert sum(counts) == 100
    assert "99" in rec.SqliteReplayStore(path)


@pytest.mark.skipif(sys.platform == "win32", reason="fork")
def test_a_forked_process_opens_the_file_for_itself(tmp_path: Path) -> None:
    seen = rec.SqliteReplayStore(tmp_path / "seen.db")
    seen.add_if_absent("parent", HOUR)
    mine = seen._connection
    seen._process -= 1  # as a child would find it
    assert seen.add_if_absent("child", HOUR)
    assert seen._connection is not mine
    assert "parent" in seen


def test_a_file_outlives_its_process_and_forgets_what_is_over(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recording_core.webhooks.replay_store._SWEEP", 3)
    path = tmp_path / "seen.db"
    first = rec.SqliteReplayStore(path, clock=clock)
    first.add_if_absent("old", HOUR)
    first.close()
    second = pickle.loads(pickle.dumps(rec.SqliteReplayStore(path)))
    second._clock = clock
    assert "old" in second
    clock.advance(2 * HOUR)
    for number in range(3):
        second.add_if_absent(str(number), HOUR)
    rows = sqlite3.connect(path).execute("SELECT key FROM seen").fetchall()
    assert ("old",) not in rows
    assert len(rows) == 3


def test_a_disk_that_refuses_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(rec.StorageError):
        rec.SqliteReplayStore(tmp_path / "nowhere" / "seen.db")
    junk = tmp_path / "junk.db"
    junk.write_bytes(b"no database at all" * 100)
    with pytest.raises(rec.StorageError, match=r"junk\.db"):
        rec.SqliteReplayStore(junk)
