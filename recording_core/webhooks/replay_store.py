"""What was announced already? Keys of events, in memory or in a file that processes share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from recording_core.clock import Clock, SystemClock
from recording_core.errors import StorageError

__all__ = ["MemoryReplayStore", "ReplayStore", "SqliteReplayStore"]


class ReplayStore(Protocol):
    """Where a receiver remembers keys. Both calls may come from several threads and processes.

    A key enters only after every listener returned, so a look (`key in seen`) comes first. A
    store without `__contains__` will do: what this process announced is then remembered in
    memory too, and only a repetition that reaches another process is announced again. Receivers
    that shall announce a fact once between them share one store.
    """

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Remember the key for so long; False where it was there. One atomic step."""
        ...


class MemoryReplayStore:
    """Remembers in this process alone, the latest `limit` keys. Thread-safe."""

    def __init__(self, limit: int = 100_000, *, clock: Clock | None = None) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"limit must be an int, not {type(limit).__name__}")
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        #: key -> when it is forgotten, the oldest first
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return self._until.get(str(key), 0.0) > self._clock.monotonic()

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Remember the key for so long; False where it was there."""
        now = self._clock.monotonic()
        with self._lock:
            if self._until.get(key, now) > now:
                return False
            self._until[key] = now + _seconds(ttl)
            self._until.move_to_end(key)
            if len(self._until) > self._limit:
                self._until.popitem(last=False)
            return True

    def __repr__(self) -> str:
        return f"<MemorySeen of {len(self._until)} keys, at most {self._limit}>"


_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID
"""
_ADD = """
INSERT INTO seen (key, until) VALUES (:key, :until)
ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE seen.until <= :now
"""
#: So many keys come between two sweeps of those that are over.
_SWEEP = 1000


class SqliteReplayStore:
    """Remembers in a file, for several processes of one machine, over restarts. Thread-safe.

    A key that was added is on the disk. Raises `StorageError` where the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self.path = Path(path)
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self._added = 0
        self._run("SELECT 1")  # a path that cannot be opened is told now

    def __contains__(self, key: object) -> bool:
        found = self._run(
            "SELECT 1 FROM seen WHERE key = :key AND until > :now", key=str(key), now=self._now()
        )
        return bool(found)

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Remember the key for so long; False where it was there."""
        now = self._now()
        added = self._run(_ADD, key=key, until=now + _seconds(ttl), now=now)
        self._added += 1
        if self._added % _SWEEP == 0:
            self._run("DELETE FROM seen WHERE until <= :now", now=now)
        return bool(added)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _run(self, statement: str, **values: Any) -> int:
        """How many rows it found or changed."""
        with self._lock:
            try:
                cursor = self._opened().execute(statement, values)
                rows = cursor.fetchall()
                return len(rows) or max(cursor.rowcount, 0)
            except sqlite3.Error as error:
                raise StorageError(
                    f"the store of seen events, {self.path.name}, cannot be used: {error}"
                ) from None

    def _opened(self) -> sqlite3.Connection:
        # A connection must not cross a fork; the child opens its own.
        if self._connection is None or self._process != os.getpid():
            connection = sqlite3.connect(
                self.path, timeout=5, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
            self._connection, self._process = connection, os.getpid()
        return self._connection

    def __repr__(self) -> str:
        return f"<SqliteSeen {self.path}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (SqliteReplayStore, (self.path,))


def _seconds(ttl: timedelta) -> float:
    if not isinstance(ttl, timedelta):
        raise TypeError(f"ttl must be a timedelta, not {type(ttl).__name__}")
    return ttl.total_seconds()
