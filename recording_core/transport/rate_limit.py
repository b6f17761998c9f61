"""Rate limit: a token bucket for a vendor's published rate."""

from __future__ import annotations

import threading

from recording_core.clock import Clock
from recording_core.transport.deadline import postpone

__all__ = ["TokenBucket"]


class TokenBucket:
    """A vendor's published rate: one minute's worth at once, or `burst`, then evenly. Shared by
    threads.
    """

    def __init__(self, rate: float | None, clock: Clock, burst: float | None = None) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = self._capacity = max(1.0, burst or (rate or 0.0) * 60.0)
        self._last = clock.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait for this request's turn."""
        if self._rate is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._last) * self._rate)
            self._last = now
            self._tokens -= 1.0  # below zero: later callers queue up behind this one
            wait = -self._tokens / self._rate
        if wait > 0:
            postpone(wait)
            self._clock.sleep(wait)
