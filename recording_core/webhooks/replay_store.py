"""Replay store: the keys of dispatched events, in memory or in a file."""

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


class ReplayStore(Protocol):
    """A store of the keys of the events that a receiver dispatched.

    Threads and processes call it in parallel. A receiver first checks `key in store`, and adds the
    key after every listener returned. `__contains__` is optional: without it, the receiver also
    stores keys in memory, and dispatches a replay again only if it reaches another process.
    Receivers that shall dispatch an event once between them share one store.
    """

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Store the key for `ttl`; return False if it is there already. Must be atomic."""
        ...


class MemoryReplayStore:
    """A replay store in this process, for the latest `limit` keys. Thread-safe."""

    def __init__(self, limit: int = 100_000, *, clock: Clock | None = None) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"limit must be an int, not {type(limit).__name__}")
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        #: key -> when it expires; the oldest first
        self._until: OrderedDict[str, float] = OrderedDict()

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return self._until.get(str(key), 0.0) > self._clock.monotonic()

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Store the key for `ttl`; return False if it is there already."""
        now = self._clock.monotonic()
        with self._lock:
            if self._until.get(key, now) > now:
                return False
            self._until[key] = now + _read_seconds(ttl)
            self._until.move_to_end(key)
            if len(self._until) > self._limit:
                self._until.popitem(last=False)
            return True

    def __repr__(self) -> str:
        return f"<MemoryReplayStore of {len(self._until)} keys, at most {self._limit}>"


_SCHEMA = """
CREATE TABLE IF NOT EXISTS dispatched (key TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID
"""
_ADD = """
INSERT INTO dispatched (key, until) VALUES (:key, :until)
ON CONFLICT (key) DO UPDATE SET until = excluded.until WHERE dispatched.until <= :now
"""
#: How many keys are added before expired ones are deleted.
_CLEANUP_INTERVAL = 1000


class SqliteReplayStore:
    """A replay store in a SQLite file, for several processes of one machine. Thread-safe.

    A key that was added is on the disk. Raises `StorageError` if the file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self.path = Path(path)
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self._added = 0
        self._execute("SELECT 1")  # reports a path that cannot be opened now

    def __contains__(self, key: object) -> bool:
        found = self._execute(
            "SELECT 1 FROM dispatched WHERE key = :key AND until > :now",
            key=str(key),
            now=self._get_timestamp(),
        )
        return bool(found)

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Store the key for `ttl`; return False if it is there already."""
        now = self._get_timestamp()
        added = self._execute(_ADD, key=key, until=now + _read_seconds(ttl), now=now)
        self._added += 1
        if self._added % _CLEANUP_INTERVAL == 0:
            self._execute("DELETE FROM dispatched WHERE until <= :now", now=now)
        return bool(added)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def _get_timestamp(self) -> float:
        return self._clock.now().timestamp()

    def _execute(self, statement: str, **values: Any) -> int:
        """Execute a statement and return how many rows it found or changed."""
        with self._lock:
            try:
                cursor = self._connect().execute(statement, values)
                rows = cursor.fetchall()
                return len(rows) or max(cursor.rowcount, 0)
            except sqlite3.Error as error:
                raise StorageError(
                    f"The replay store {self.path.name} cannot be used: {error}"
                ) from None

    def _connect(self) -> sqlite3.Connection:
        # A connection must not be used after a fork; the child process opens its own.
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
        return f"<SqliteReplayStore {self.path}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (SqliteReplayStore, (self.path,))


def _read_seconds(ttl: timedelta) -> float:
    if not isinstance(ttl, timedelta):
        raise TypeError(f"ttl must be a timedelta, not {type(ttl).__name__}")
    return ttl.total_seconds()
