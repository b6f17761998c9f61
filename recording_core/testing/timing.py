"""Timing: assert that a block ends in time, also on a busy machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Seconds that a call may take to return after its deadline.
SLACK = 1.0


@contextmanager
def assert_within(seconds: float) -> Iterator[None]:
    """Assert that the block takes at most so many seconds, plus `SLACK`.

    On Linux, the time that the block's thread and one other thread waited for a processor is not
    counted: a library that hangs or sleeps does not wait for a processor.
    """
    start, before = time.monotonic(), _read_waiting_times()
    yield
    took = time.monotonic() - start
    waited = {task: now - before.get(task, 0.0) for task, now in _read_waiting_times().items()}
    own = waited.pop(str(threading.get_native_id()), 0.0)
    busy = own + max(waited.values(), default=0.0)  # this thread, and the one that it waited for
    assert took - busy < seconds + SLACK, (
        f"the block took {took:.2f} s ({busy:.2f} s of them waiting for a processor), not "
        f"{seconds:.2f} s"
    )


def _read_waiting_times() -> dict[str, float]:
    """Return the seconds that each thread of this process waited for a processor, by task id.

    https://docs.kernel.org/scheduler/sched-stats.html
    """
    waited: dict[str, float] = {}
    with suppress(OSError):  # not Linux: nothing is subtracted
        for task in Path("/proc/self/task").iterdir():
            with suppress(OSError, ValueError):  # the thread has ended
                waited[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
    return waited
