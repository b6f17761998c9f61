"""How does every call end in time? One watchdog thread shuts the sockets of those that overstay.

A socket's own timeout is per read: a server that drips a byte now and then is never late by it.
"""

from __future__ import annotations

import heapq
import itertools
import os
import socket
import threading
import time
from types import TracebackType
from typing import Self

__all__ = ["Deadline", "exchanging", "mark_sent", "postpone", "release", "seconds_left", "watch"]


class Deadline:
    """A total bound on what one thread does with sockets, as a context manager; they nest.

    A shut socket can look like the regular end of a body, so `expired` is asked after each read.
    `sent` tells whether a byte of a request left since it was last set to False. One within
    another ends no later than that one. A `patient` one does not count the turns that are waited
    for under a rate limit.
    """

    def __init__(self, seconds: float | None, *, patient: bool = False) -> None:
        self.seconds = seconds
        self.sent = False
        self._patient = patient
        bound = seconds if seconds is not None and seconds < threading.TIMEOUT_MAX / 2 else None
        self._end = time.monotonic() + bound if bound is not None else None
        #: whose socket, the socket, and whether it is a duplicate of ours
        self._watched: list[tuple[object, socket.socket, bool]] = []
        self._open = True
        self._over = False
        self._lock = threading.Lock()

    @property
    def expired(self) -> bool:
        """Whether the time was up while the bound held.

        Decided by the clock: on a busy machine a socket's own timeout, which is never more than
        what is left, may wake its reader before the watchdog is awake.
        """
        self._look()
        return self._over

    def _look(self) -> None:
        if self._open and self.remaining() == 0.0:
            self.expire()

    def remaining(self) -> float | None:
        """Seconds left, at least 0; None without a bound."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def within(self, seconds: float) -> float:
        """So many seconds, or what is left if that is less; never 0, which sockets misread."""
        left = self.remaining()
        return seconds if left is None else max(0.001, min(seconds, left))

    def _postpone(self, seconds: float) -> None:
        with self._lock:
            if self._end is None or self._over:
                return
            self._end += seconds
        _watchdog.add(self._end, self)

    def lift(self) -> None:
        """The bound has done its work, such as for a first byte that has come."""
        with self._lock:
            self._open = False

    def __enter__(self) -> Self:
        outer = _stack()[-1] if _stack() else None
        end = outer._end if outer is not None else None
        if outer is not None and end is not None and (self._end is None or end < self._end):
            self.seconds, self._end = outer.seconds, end
        _stack().append(self)
        if self._end is not None:
            _watchdog.add(self._end, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _stack().remove(self)
        if error is not None:
            self._look()  # so that whoever asks later learns whose fault it was
        self.lift()
        for _, sock, ours in self._watched:
            if ours:
                sock.close()

    def _watch(self, connection: object, sock: socket.socket, ours: bool) -> None:
        with self._lock:
            self._watched.append((connection, sock, ours))
            if self._open and self._over:
                _shut(sock)

    def _release(self, connection: object) -> None:
        with self._lock:
            kept = [each for each in self._watched if each[0] is not connection]
            gone = [each for each in self._watched if each[0] is connection]
            self._watched = kept
        for _, sock, ours in gone:
            if ours:
                sock.close()

    def expire(self) -> None:
        """The time is up: every socket that is watched is shut. The watchdog calls it."""
        with self._lock:
            if self._open and self.remaining() == 0.0:  # and was not postponed
                self._over = True
                for _, sock, _ in self._watched:
                    _shut(sock)


def watch(connection: object, sock: socket.socket, *, fresh: bool = False) -> None:
    """Put a connection's socket under every deadline of this thread.

    A fresh one is watched through a duplicate, since TLS takes the original's descriptor away.
    """
    for deadline in _stack():
        deadline._watch(connection, sock.dup() if fresh else sock, fresh)


def release(connection: object) -> None:
    """Its exchange is over: from now on another thread may use it, under deadlines of its own."""
    for deadline in _stack():
        deadline._release(connection)


def seconds_left() -> float | None:
    """What the strictest of this thread's deadlines leaves; None without one."""
    left = [each for deadline in _stack() if (each := deadline.remaining()) is not None]
    return min(left, default=None)


def postpone(seconds: float) -> None:
    """So long this thread is about to wait for its turn, which its patient deadlines allow."""
    for deadline in _stack():
        if deadline._patient:
            deadline._postpone(seconds)


def exchanging() -> bool:
    """Whether this thread is in the middle of an exchange of ours."""
    return bool(_stack())


def mark_sent() -> None:
    """A request's bytes leave now: whatever fails from here on may have had its effect.

    Only the innermost exchange's: a sign-in in the middle of another sends nothing of that one.
    """
    for deadline in _stack()[-1:]:
        deadline.sent = True


def _shut(sock: socket.socket) -> None:
    try:
        # The plain method: an SSLSocket's own would take its state away under the reader.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # it was closed already


_local = threading.local()


def _stack() -> list[Deadline]:
    if not hasattr(_local, "stack"):
        _local.stack = []
    return _local.stack  # type: ignore[no-any-return]  # threading.local is untyped


class _Watchdog:
    """One daemon thread for all deadlines of the process, started at the first."""

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
                        heapq.heappop(self._heap)  # ended in time: forgotten
                due = heapq.heappop(self._heap)[2]
            due.expire()


_watchdog = _Watchdog()


def _after_fork() -> None:
    # A fork copies the heap and not the thread.
    global _watchdog
    _watchdog = _Watchdog()
    _local.stack = []


os.register_at_fork(after_in_child=_after_fork)
