"""Signals: end a command in order when a user, a terminal or a service manager stops it.

Only the command sets handlers. The library sets none.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

#: Ctrl-C, a service manager, and a terminal that is closed; Windows has no SIGHUP.
_STOPS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


def raise_interrupts() -> Callable[[], int | None]:
    """Let each of these signals raise `KeyboardInterrupt`, so that what is unfinished is removed.

    Returns a function that returns the exit code of an interrupted command: 128 and the signal's
    number, as shells report it; None if no signal arrived.
    """
    received: list[int] = []

    def interrupt(number: int, _: object) -> None:
        received.append(number)
        for each in handled:
            if each is not signal.SIGINT:  # a second Ctrl-C ends a cleanup that takes too long
                signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    # A signal that is ignored stays so: `nohup` starts commands that way.
    defaults = (signal.SIG_DFL, signal.default_int_handler)
    handled = [each for each in _STOPS if signal.getsignal(each) in defaults]
    for each in handled:
        signal.signal(each, interrupt)
    return lambda: 128 + received[0] if received else None


def watch_for_interrupt() -> Callable[[], None]:
    """Watch for these signals; returns a function that waits until one of them arrived."""
    # Not an event: a handler that runs while its own thread waits for one can never set it.
    received: list[int] = []
    for each in _STOPS:
        if each is signal.SIGINT or signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, lambda number, _: received.append(number))

    def wait() -> None:
        while not received:
            time.sleep(0.1)

    return wait
