"""How does a test move time? It advances this clock; nothing sleeps."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

__all__ = ["ManualClock"]


class ManualClock:
    """A clock that stands still until it is advanced; sleeping advances it. Thread-safe.

    It begins at noon of 1 June 2026, UTC, or at the aware datetime that it is given.
    """

    def __init__(self, start: datetime = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)) -> None:
        self._start = self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since it was made."""
        return (self._now - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Advance by so many seconds, at once; by a microsecond at least, or a wait never ends."""
        if seconds > 0:
            self.advance(max(timedelta(seconds=seconds), timedelta.resolution))

    def advance(self, by: timedelta) -> None:
        """Let so much time pass."""
        with self._lock:
            self._now += by
