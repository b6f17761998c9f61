"""How are two ways compared on a noisy machine? In turn, by the median of their ratios."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Row", "in_turn", "seconds"]

#: (what, measured ratio, the figure to reach, whether it holds)
Row = tuple[str, str, str, bool]


def seconds(work: Callable[[], Any]) -> float:
    """One run's processor time, which neighbours move least, without earlier runs' garbage."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def in_turn(ways: Mapping[str, Callable[[], Any]], rounds: int = 31) -> dict[str, list[float]]:
    """Seconds of each way, A B C A B C ..., after one round that is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            taken = seconds(work)
            if number:
                times[name].append(taken)
    return times


def ratio(numerator: list[float], denominator: list[float]) -> float:
    """The median of the pairs' ratios, which a drift of the machine's speed does not move."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))
