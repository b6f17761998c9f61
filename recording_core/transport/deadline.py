"""Deadline: a bound on the total time of a call, enforced by one watchdog thread.

The watchdog shuts down the sockets of a call that takes too long. A socket's own timeout is not
enough, since it is per read: a server that sends a byte now and then never exceeds it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import socket
import threading
import time
from typing import Self


class Deadline:
    """A bound on the total time that one thread spends with sockets; a context manager.

    Deadlines nest: an inner one ends no later than the outer one. A socket that was shut down can
    look like the regular end of a body, so check `expired` after each read.

    Attributes:
        seconds: the length of the bound; None for no bound
        sent: whether a byte of a request was sent since this was last set to False

    Arguments:
        postponable: whether waits under a rate limit extend the bound
    """

    def __init__(self, seconds: float | None, *, postponable: bool = False) -> None:
        self.seconds = seconds
        self.sent = False
        self._postponable = postponable
        bound = seconds if seconds is not None and seconds < threading.TIMEOUT_MAX / 2 else None
        self._end = time.monotonic() + bound if bound is not None else None
        #: (connection, socket, whether the socket is a duplicate that we must close)
        self._watched: list[tuple[object, socket.socket, bool]] = []
        self._open = True
        self._over = False
        self._lock = threading.Lock()

    @property
    def expired(self) -> bool:
        """Whether the time ran out before the bound was lifted.

        The clock decides: on a busy machine a socket's own timeout, which is never longer than the
        time left, may wake its reader before the watchdog runs.
        """
        self.expire()
        return self._over

    def compute_remaining(self) -> float | None:
        """Compute the seconds left, at least 0; None without a bound."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def limit(self, seconds: float) -> float:
        """Return `seconds`, or the seconds left if those are fewer; never 0 (no timeout)."""
        left = self.compute_remaining()
        return seconds if left is None else max(0.001, min(seconds, left))

    def _postpone(self, seconds: float) -> None:
        with self._lock:
            if self._end is None or self._over:
                return
            self._end += seconds
        _watchdog.add(self._end, self)

    def lift(self) -> None:
        """End the bound early, e.g. when the first byte has arrived."""
        with self._lock:
            self._open = False

    def __enter__(self) -> Self:
        outer = _get_stack()[-1] if _get_stack() else None
        end = outer._end if outer is not None else None
        if outer is not None and end is not None and (self._end is None or end < self._end):
            self.seconds, self._end = outer.seconds, end
        _get_stack().append(self)
        if self._end is not None:
            _watchdog.add(self._end, self)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        _get_stack().remove(self)
        if error is not None:
            self.expire()  # records whether this deadline caused the error
        self.lift()
        for _, sock, duplicate in self._watched:
            if duplicate:
                sock.close()

    def _watch(self, connection: object, sock: socket.socket, duplicate: bool) -> None:
        with self._lock:
            self._watched.append((connection, sock, duplicate))
            if self._open and self._over:
                _shut_down(sock)

    def _release(self, connection: object) -> None:
        with self._lock:
            released = [each for each in self._watched if each[0] is connection]
            self._watched = [each for each in self._watched if each[0] is not connection]
        for _, sock, duplicate in released:
            if duplicate:
                sock.close()

    def expire(self) -> None:
        """Shut down every watched socket if the time is up."""
        with self._lock:
            if self._open and self.compute_remaining() == 0.0:  # and was not postponed
                self._over = True
                for _, sock, _ in self._watched:
                    _shut_down(sock)


def watch_socket(connection: object, sock: socket.socket, *, fresh: bool = False) -> None:
    """Put a connection's socket under every deadline of this thread.

    A fresh one is watched through a duplicate, since TLS detaches the original's descriptor.
    """
    for deadline in _get_stack():
        deadline._watch(connection, sock.dup() if fresh else sock, fresh)


def release_connection(connection: object) -> None:
    """Stop watching a connection whose exchange is over, since another thread may use it next."""
    for deadline in _get_stack():
        deadline._release(connection)


def compute_seconds_left() -> float | None:
    """Compute the seconds left by the strictest of this thread's deadlines; None without one."""
    left = [each for deadline in _get_stack() if (each := deadline.compute_remaining()) is not None]
    return min(left, default=None)


def postpone_deadlines(seconds: float) -> None:
    """Extend this thread's postponable deadlines by a wait under the rate limit."""
    for deadline in _get_stack():
        if deadline._postponable:
            deadline._postpone(seconds)


def is_exchanging() -> bool:
    """Return whether this thread is in the middle of an exchange of this library."""
    return bool(_get_stack())


def mark_sent() -> None:
    """Record that a request's bytes are being sent, so that it may have an effect from now on.

    This concerns the innermost exchange alone: authentication in the middle of another exchange
    sends no byte of that exchange.
    """
    for deadline in _get_stack()[-1:]:
        deadline.sent = True


def _shut_down(sock: socket.socket) -> None:
    try:
        # The base class's method: an SSLSocket's own would drop the TLS state that a reader uses.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # already closed


_local = threading.local()


def _get_stack() -> list[Deadline]:
    if not hasattr(_local, "stack"):
        _local.stack = []
    return _local.stack  # type: ignore[no-any-return]  # threading.local is untyped


class _Watchdog:
    """One daemon thread for all deadlines of the process, started with the first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Deadline]] = []
        self._changed = threading.Condition()
        self._order = itertools.count()
        self._thread: threading.Thread | None = None

    def add(self, end: float, deadline: Deadline) -> None:
        with self._changed:
            heapq.heappush(self._heap, (end, next(self._order), deadline))
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="recording-deadlines", daemon=True
                )
                self._thread.start()
            if self._heap[0][2] is deadline:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._heap or self._heap[0][0] > time.monotonic():
                    wait = self._heap[0][0] - time.monotonic() if self._heap else None
                    self._changed.wait(wait)
                    while self._heap and not self._heap[0][2]._open:
                        heapq.heappop(self._heap)  # ended in time
                due = heapq.heappop(self._heap)[2]
            due.expire()


_watchdog = _Watchdog()


def _reset_after_fork() -> None:
    # A fork copies the heap and not the thread.
    global _watchdog
    _watchdog = _Watchdog()
    _local.stack = []


os.register_at_fork(after_in_child=_reset_after_fork)
