"""Deadline: a bound on the total time of a call, enforced by one watchdog thread.

The watchdog shuts down the sockets of a call that takes too long. A socket's own timeout is not
enough, since it is per read: a server that sends a byte now and then never exceeds it.

Deadlines are part of the context (`contextvars`): a thread of ours that works for a call runs in a
copy of the caller's context, and so under its deadlines.
"""

from __future__ import annotations

import socket
import threading
import time
from contextvars import ContextVar
from typing import Self

from recording_core.errors import Unavailable
from recording_core.forks import renew_in_children

#: The deadlines of the current call, the outermost first.
_stack: ContextVar[tuple[Deadline, ...]] = ContextVar("recording_deadlines", default=())


class Deadline:
    """A bound on the total time that one call spends with sockets; a context manager.

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

    @property
    def _may_expire(self) -> bool:
        return self._open and not self._over

    def compute_remaining(self) -> float | None:
        """Compute the seconds left, at least 0; None without a bound."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def limit(self, seconds: float) -> float:
        """Return `seconds`, or the seconds left if those are fewer; never 0 (no timeout)."""
        left = self.compute_remaining()
        return seconds if left is None else max(0.001, min(seconds, left))

    def _postpone(self, seconds: float, fixed: Deadline | None) -> None:
        with self._lock:
            if self._end is None or self._over:
                return
            self._end += seconds
            if fixed is not None and fixed._end is not None and fixed._end < self._end:
                self.seconds, self._end = fixed.seconds, fixed._end

    def lift(self) -> None:
        """End the bound early, e.g. when the first byte has arrived."""
        _watchdog.discard(self)
        with self._lock:
            self._open = False

    def __enter__(self) -> Self:
        """Begin the bound. Raises `Unavailable` if no thread can be started to watch it."""
        outer = _stack.get()
        end = outer[-1]._end if outer else None
        if end is not None and (self._end is None or end < self._end):
            self.seconds, self._end = outer[-1].seconds, end
        if self._end is not None:
            _watchdog.add(self, self._end)
        _stack.set((*outer, self))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        _stack.set(tuple(each for each in _stack.get() if each is not self))
        if error is not None:
            self.expire()  # records whether this deadline caused the error
        self.lift()
        with self._lock:
            watched, self._watched = self._watched, []
        for _, sock, duplicate in watched:
            if duplicate:
                sock.close()

    def _watch(self, connection: object, sock: socket.socket, *, fresh: bool) -> None:
        with self._lock:
            if self._over:
                _shut_down(sock)
            elif self._open:
                self._watched.append((connection, sock.dup() if fresh else sock, fresh))

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
    """Put a connection's socket under every deadline of this call.

    A fresh one is watched through a duplicate, since TLS detaches the original's descriptor.
    """
    for deadline in _stack.get():
        deadline._watch(connection, sock, fresh=fresh)


def release_connection(connection: object) -> None:
    """Stop watching a connection whose exchange is over, since another thread may use it next."""
    for deadline in _stack.get():
        deadline._release(connection)


def compute_seconds_left(*, postponable: bool = True) -> float | None:
    """Compute the seconds left by the strictest of this call's deadlines; None without one.

    `postponable` is whether those count that waits under a rate limit extend.
    """
    deadlines = (each for each in _stack.get() if postponable or not each._postponable)
    left = [left for each in deadlines if (left := each.compute_remaining()) is not None]
    return min(left, default=None)


def postpone_deadlines(seconds: float) -> None:
    """Extend this call's postponable deadlines by a wait under the rate limit.

    None is extended beyond a deadline around it that is not postponable.
    """
    fixed: Deadline | None = None
    for deadline in _stack.get():  # each is at least as strict as those around it
        if deadline._postponable:
            deadline._postpone(seconds, fixed)
        else:
            fixed = deadline


def is_exchanging() -> bool:
    """Return whether this call is in the middle of an exchange of this library."""
    return bool(_stack.get())


def mark_sent() -> None:
    """Record that a request's bytes are being sent, so that it may have an effect from now on.

    This concerns the innermost exchange alone: authentication in the middle of another exchange
    sends no byte of that exchange.
    """
    for deadline in _stack.get()[-1:]:
        deadline.sent = True


def _shut_down(sock: socket.socket) -> None:
    try:
        # The base class's method: an SSLSocket's own would drop the TLS state that a reader uses.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        pass  # already closed


class _Watchdog:
    """One daemon thread for all deadlines of the process, started with the first."""

    def __init__(self) -> None:
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Begin again, without deadlines: a fork copies them and not the thread."""
        for each in _stack.get():  # their sockets are the parent's; a lock may be held for ever
            each._watched, each._lock = [], threading.Lock()
        _stack.set(())
        self._active: set[Deadline] = set()
        self._changed = threading.Condition()
        #: when the thread wakes, by the monotonic clock
        self._wakes_at = 0.0
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline, end: float) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = self._start_thread()
            self._active.add(deadline)
            if end < self._wakes_at:
                self._changed.notify()

    def discard(self, deadline: Deadline) -> None:
        with self._changed:
            self._active.discard(deadline)

    def _start_thread(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="recording-deadlines", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise Unavailable(
                "This process cannot start a thread, which watches the time limit of requests; "
                "nothing was sent. Use fewer threads, or raise the system's limit"
            ) from None
        return thread

    def _run(self) -> None:
        while True:
            for deadline in self._wait_for_due():
                deadline.expire()

    def _wait_for_due(self) -> list[Deadline]:
        """Return the deadlines whose time is up; if there are none, wait and return none."""
        with self._changed:
            now = time.monotonic()
            waiting = [(each._end, each) for each in self._active if each._may_expire]
            due = [each for end, each in waiting if end is not None and end <= now]
            if not due:
                endless = now + threading.TIMEOUT_MAX / 2
                self._wakes_at = min((end or endless for end, _ in waiting), default=endless)
                waiting.clear()  # while this thread sleeps it keeps no ended deadline in memory
                self._changed.wait(self._wakes_at - now)
            return due


_watchdog = _Watchdog()
