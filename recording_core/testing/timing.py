"""How long did it take, had the machine had time for us? Bounds on time that hold on a busy one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["SLACK", "within"]

#: Seconds that an ended call may take to come back.
SLACK = 1.0
_TASKS = Path("/proc/self/task")


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The block may take so long and one second more.

    What its thread, and one other, had to wait for a processor that somebody held is not counted
    where the system tells it (Linux): a library that hangs or sleeps waits for no processor.
    """
    start, before = time.monotonic(), _kept_waiting()
    yield
    took = time.monotonic() - start
    waited = {task: now - before.get(task, 0.0) for task, now in _kept_waiting().items()}
    own = waited.pop(str(threading.get_native_id()), 0.0)
    busy = own + max(waited.values(), default=0.0)  # ours, and whoever it was that we waited for
    assert took - busy < seconds + SLACK, f"{took:.2f} s, of which the machine took {busy:.2f} s"


def _kept_waiting() -> dict[str, float]:
    """Seconds for which each thread of this process was ready to run, and did not.

    https://docs.kernel.org/scheduler/sched-stats.html
    """
    waited: dict[str, float] = {}
    try:
        for task in _TASKS.iterdir():
            try:
                waited[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
            except (OSError, ValueError):
                pass  # it ended just now
    except OSError:
        pass  # another system: what took long took long
    return waited
