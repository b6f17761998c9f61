"""Rate limit: a token bucket for a vendor's published rate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from recording_core.clock import Clock
from recording_core.errors import RateLimited
from recording_core.forks import ForkSafeLock
from recording_core.transport.deadline import compute_seconds_left, postpone_deadlines


class TokenBucket:
    """A token bucket for `rate` requests per second, shared by threads.

    It allows one minute's worth at once, or `burst`, and then an even rate. A rate of None means no
    limit. A forked child process counts on its own, from what its parent had left.
    """

    def __init__(self, rate: float | None, clock: Clock, burst: float | None = None) -> None:
        self._rate = rate
        self._clock = clock
        self._tokens = self._capacity = max(1.0, burst or (rate or 0.0) * 60.0)
        self._last = clock.monotonic()
        self._lock = ForkSafeLock()

    @contextmanager
    def limit_to(self, share: float, burst: float | None = None) -> Iterator[None]:
        """Allow only a share of the rate while the context lasts; 1.0 is all of it.

        `burst` is how many requests are allowed at once, by default the same share.
        """
        rate, capacity = self._rate, self._capacity
        if rate is not None and (share != 1.0 or burst is not None):
            with self._lock:
                self._rate, self._capacity = rate * share, max(1.0, burst or capacity * share)
                self._tokens = min(self._tokens, self._capacity)
        try:
            yield
        finally:
            self._rate, self._capacity = rate, capacity

    def take(self) -> None:
        """Wait until the rate allows one more request.

        Raises `RateLimited` at once if a `timeout=` of the caller ends before that.
        """
        if self._rate is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            self._tokens = min(self._capacity, self._tokens + (now - self._last) * self._rate)
            self._last = now
            wait = (1.0 - self._tokens) / self._rate
            left = compute_seconds_left(postponable=False) if wait > 0 else None
            if left is not None and wait > left:
                raise RateLimited(
                    f"The vendor's rate allows the next request in {wait:.0f} s, which is after "
                    "the timeout; it was not sent",
                    retry_after=timedelta(seconds=wait),
                )
            self._tokens -= 1.0  # below zero: later callers queue up behind this one
        if wait > 0:
            postpone_deadlines(wait)
            self._clock.sleep(wait)
