"""Replay store: the keys of dispatched events, in memory or in a file."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from recording_core.clock import Clock, SystemClock
from recording_core.download.atomic_file import (
    HAS_LOCKS,
    is_removed,
    lock_file,
    remove_locked_file,
)
from recording_core.errors import StorageError
from recording_core.forks import ForkSafeLock

_log = logging.getLogger("recording_core.webhooks")

#: How long a claim on a key lasts if its process ends before the event was dispatched. A listener
#: that takes longer may be called twice.
CLAIM_LIFETIME = timedelta(minutes=5)
#: How long a key is stored that is added only to see whether it was there: shorter than its claim.
_PROBE_LIFETIME = timedelta(seconds=1)
#: The stores whose file is closed during a fork.
_stores: WeakSet[SqliteReplayStore] = WeakSet()


class ReplayStore(Protocol):
    """A store of the keys of the events that a receiver dispatched.

    Threads and processes call it in parallel. A receiver claims a key before it dispatches the
    event, by adding another key for five minutes, and discards the claim afterwards; it adds the
    key of the event after every listener returned. `__contains__` is optional: `key in store`
    replaces an addition and a removal. Receivers that shall dispatch an event once between them
    share one store.
    """

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        """Store the key for `ttl`; return False if it is there already. Must be atomic."""
        ...

    def discard(self, key: str) -> None:
        """Remove the key, if it is there."""
        ...


def claim_key(store: ReplayStore, key: str) -> Callable[[], None] | None:
    """Claim a key, so that one thread of one process dispatches its event.

    Returns a function that ends the claim, or None if the key is claimed already.
    """
    if isinstance(store, MemoryReplayStore | SqliteReplayStore):
        return store._claim(key)  # ends with its process, and not after a time
    return _add_claim(store, key)


def _add_claim(store: ReplayStore, key: str) -> Callable[[], None] | None:
    claim = f"dispatching {key}"
    if not store.add_if_absent(claim, CLAIM_LIFETIME):
        return None
    return partial(_discard_claim, store, claim)


def _discard_claim(store: ReplayStore, claim: str) -> None:
    try:
        store.discard(claim)
    except Exception as error:  # noqa: BLE001  # any store's own; the event is dispatched already
        message = "the replay store failed with %s; the claim on an event expires in %s"
        _log.warning(message, type(error).__name__, CLAIM_LIFETIME)


def is_stored(store: ReplayStore, key: str) -> bool:
    """Return whether a key that we have claimed is in the store."""
    if can_look_up(store):
        return key in store  # type: ignore[operator]  # has `__contains__`
    if not store.add_if_absent(key, _PROBE_LIFETIME):
        return True
    store.discard(key)
    return False


def can_look_up(store: ReplayStore) -> bool:
    """Return whether a store has the optional `__contains__`."""
    return hasattr(type(store), "__contains__")


class MemoryReplayStore:
    """A replay store in this process, for the latest `limit` keys. Thread-safe.

    A forked child process has a copy.
    """

    def __init__(self, limit: int = 100_000, *, clock: Clock | None = None) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int):
            raise TypeError(f"limit must be an int, not {type(limit).__name__}")
        if limit < 1:
            raise ValueError("limit must be at least 1")
        self._limit = limit
        self._clock: Clock = clock or SystemClock()
        #: key -> when it expires; the oldest first
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = ForkSafeLock()
        #: (process id, key): a child process does not have the threads that claimed its parent's
        self._claimed: set[tuple[int, str]] = set()

    def __contains__(self, key: object) -> bool:
        now = self._clock.monotonic()
        with self._lock:
            return self._until.get(str(key), now) > now

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

    def discard(self, key: str) -> None:
        """Remove the key, if it is there."""
        with self._lock:
            self._until.pop(key, None)

    def _claim(self, key: str) -> Callable[[], None] | None:
        claim = os.getpid(), key
        with self._lock:
            if claim in self._claimed:
                return None
            self._claimed.add(claim)
            return partial(self._claimed.discard, claim)

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
#: Seconds that a statement waits for other processes, and that one attempt waits. SQLite sleeps for
#: longer and longer during an attempt, so that a busy process would keep others from writing.
_BUSY_TIMEOUT = 5.0
_ATTEMPT_TIMEOUT = 0.03
#: Connections that a child process inherited: it must neither use nor close them.
_inherited: list[sqlite3.Connection] = []


class SqliteReplayStore:
    """A replay store in a SQLite file, for several processes of one machine. Thread-safe.

    A key that was added is on the disk. A file next to it is locked while an event is dispatched.
    Raises `StorageError` if a file cannot be used.
    """

    def __init__(self, path: str | os.PathLike[str], *, clock: Clock | None = None) -> None:
        self.path = Path(path)
        self._clock: Clock = clock or SystemClock()
        self._lock = ForkSafeLock()
        self._connection: sqlite3.Connection | None = None
        self._paused = False
        self._added = 0
        _stores.add(self)
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

    def discard(self, key: str) -> None:
        """Remove the key, if it is there."""
        self._execute("DELETE FROM dispatched WHERE key = :key", key=key)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            self._disconnect()

    def _claim(self, key: str) -> Callable[[], None] | None:
        """Lock a file of the key's own: the lock ends with its process, also if it is killed."""
        if not HAS_LOCKS:
            return _add_claim(self, key)
        name = f"{self.path.name}-{sha256(key.encode('utf-8', 'replace')).hexdigest()[:16]}.lock"
        path = self.path.with_name(name)
        try:
            # Another user, who may share the store, needs no more than to read it.
            descriptor = os.open(path, os.O_CREAT | os.O_RDONLY, 0o666)
            try:
                lock_file(descriptor)
                if not is_removed(descriptor):  # by a process whose claim ended just now
                    return partial(_unlock_file, path, descriptor)
            except BlockingIOError:
                pass  # another thread or process has the claim
            except OSError:
                os.close(descriptor)
                raise
            os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"The file {name} next to the replay store cannot be locked: {error.strerror}"
            ) from None
        return None

    def _get_timestamp(self) -> float:
        return self._clock.now().timestamp()

    def _execute(self, statement: str, **values: Any) -> int:
        """Execute a statement and return how many rows it found or changed."""
        end = time.monotonic() + _BUSY_TIMEOUT
        with self._lock:
            while True:
                try:
                    return self._execute_once(statement, values)
                except sqlite3.Error as error:
                    # The lowest byte of an extended code is the plain one.
                    is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                    if not is_busy or time.monotonic() >= end:
                        raise StorageError(
                            f"The replay store {self.path.name} cannot be used: {error}"
                        ) from None
                    time.sleep(0.001)  # some errors come at once

    def _execute_once(self, statement: str, values: dict[str, Any]) -> int:
        # The cursor ends with this call, while the lock is held: the connection may be closed next.
        cursor = self._connect().execute(statement, values)
        rows = cursor.fetchall()
        return len(rows) or max(cursor.rowcount, 0)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self.path, timeout=_ATTEMPT_TIMEOUT, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(_SCHEMA)
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _pause(self) -> None:
        """Close the file before a fork, and keep other threads from opening it.

        A child's SQLite takes the locks of an inherited connection for its own, and so would lose
        keys or wait for ever. See https://sqlite.org/howtocorrupt.html, section 2.6.
        """
        # Waits for a statement of another thread, which ends within SQLite's own timeout.
        if self._lock.acquire(timeout=_BUSY_TIMEOUT + 1):
            self._paused = True
            self._disconnect()

    def _resume(self) -> None:
        """Let other threads open the file again, in the process that forked."""
        if self._paused:
            self._paused = False
            self._lock.release()

    def _renew(self) -> None:
        """Put an inherited connection aside, in a child process."""
        self._paused = False
        if self._connection is not None:  # a thread used it for longer than `_pause` waits
            _inherited.append(self._connection)
            self._connection = None

    def __repr__(self) -> str:
        return f"<SqliteReplayStore {self.path}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (SqliteReplayStore, (self.path,))


def _unlock_file(path: Path, descriptor: int) -> None:
    try:
        remove_locked_file(path, descriptor)
    except OSError:
        pass  # an empty file that stays does no harm
    finally:
        os.close(descriptor)


# -- forks ----------------------------------------------------------------------------------------


def _pause_all() -> None:
    for each in list(_stores):
        each._pause()


def _resume_all() -> None:
    for each in list(_stores):
        each._resume()


def _renew_all() -> None:
    for each in list(_stores):
        each._renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_pause_all, after_in_parent=_resume_all, after_in_child=_renew_all)


def _read_seconds(ttl: timedelta) -> float:
    if not isinstance(ttl, timedelta):
        raise TypeError(f"ttl must be a timedelta, not {type(ttl).__name__}")
    return ttl.total_seconds()
