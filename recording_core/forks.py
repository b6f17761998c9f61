"""Forks: renew in a child process what it must not share with its parent."""

from __future__ import annotations

import os
import threading
from types import TracebackType
from typing import Any, Protocol
from weakref import WeakSet


class Renewable(Protocol):
    """An object whose state a forked child process must not share with its parent."""

    def renew(self) -> None:
        """Replace locks and drop connections; called in the child, in its only thread."""


_live: WeakSet[Any] = WeakSet()


def renew_in_children(thing: Renewable) -> None:
    """Call `thing.renew()` in each child process that is forked while the object exists."""
    _live.add(thing)


class ForkSafeLock:
    """A lock that is open in a forked child process, whichever thread of the parent holds it."""

    def __init__(self) -> None:
        self.renew()
        renew_in_children(self)

    def renew(self) -> None:
        """Replace the lock: the thread that would open the old one does not exist in a child."""
        self._lock = threading.Lock()

    def acquire(self, timeout: float = -1) -> bool:
        """Acquire the lock within `timeout` seconds, -1 for any time; return whether it worked."""
        return self._lock.acquire(timeout=timeout)

    def release(self) -> None:
        """Release the lock."""
        try:
            self._lock.release()
        except RuntimeError:
            pass  # the thread that held it forked, and this is the child

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _renew_all() -> None:
    for each in list(_live):  # the list keeps all of them until the last one is renewed
        each.renew()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(after_in_child=_renew_all)
