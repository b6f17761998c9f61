"""Timing: assert that a block ends in time, also on a busy machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds that a call may take to return after its deadline.
SLACK = 1.0
#: Seconds that the thread sleeps that measures how late this machine wakes threads.
_NAP = 0.02


@contextmanager
def assert_within(seconds: float) -> Iterator[None]:
    """Assert that the block takes at most so many seconds, plus `SLACK`.

    The part of the time is not counted that another thread of this process waited to run, which a
    busy machine causes, and a library that hangs or sleeps does not. What the block's own thread
    computed is counted.
    """
    ended, lateness = threading.Event(), list[float]()

    def nap() -> None:
        while not ended.is_set():
            before = time.monotonic()
            ended.wait(_NAP)
            lateness.append(max(0.0, time.monotonic() - before - _NAP))

    napping = threading.Thread(target=nap, name="napping", daemon=True)
    start, computed = time.monotonic(), time.thread_time()
    napping.start()
    try:
        yield
    finally:
        took, computed = time.monotonic() - start, time.thread_time() - computed
        ended.set()
        napping.join()
    busy = max(0.0, sum(lateness) - computed)
    assert took - busy < seconds + SLACK, (
        f"the block took {took:.2f} s ({busy:.2f} s of them waiting for a processor), not "
        f"{seconds:.2f} s"
    )
