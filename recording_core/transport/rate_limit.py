"""Rate limit: a token bucket for a vendor's published rate."""

from __future__ import annotations

import threading

from recording_core.clock import Clock
from recording_core.transport.deadline import postpone_deadlines


class TokenBucket:
    """A token bucket for `rate` requests per second, shared by threads.

    It allows one minute's worth at once, or `burst`, and then an even rate. A rate of None means no
    limit.
    """

    def __init__(self, rate: float | None, clock: Clock, burst: float | None = None) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = self._capacity = max(1.0, burst or (rate or 0.0) * 60.0)
        self._last = clock.monotonic()
        self._lock = threading.Lock()

    def take(self) -> None:
        """Wait until the rate allows one more request."""
        if self._rate is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._last) * self._rate)
            self._last = now
            self._tokens -= 1.0  # below zero: later callers queue up behind this one
            wait = -self._tokens / self._rate
        if wait > 0:
            postpone_deadlines(wait)
            self._clock.sleep(wait)
