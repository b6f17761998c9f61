"""Manual clock: time that a test advances; nothing sleeps."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta


class ManualClock:
    """A clock that moves only when it is advanced; sleeping advances it. Thread-safe.

    Args:
        start: an aware datetime, by default 12:00 UTC on 1 June 2026
    """

    def __init__(self, start: datetime = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)) -> None:
        self._start = self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time, aware and in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Return the seconds since the clock was created."""
        return (self._now - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        """Advance at once, by at least a microsecond, since a shorter wait would never end."""
        if seconds > 0:
            self.advance(max(timedelta(seconds=seconds), timedelta.resolution))

    def advance(self, by: timedelta) -> None:
        """Advance the clock by a duration."""
        with self._lock:
            self._now += by
