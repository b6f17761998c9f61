"""Timing: compare functions on a noisy machine, in turn and by the median of their ratios."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["BenchmarkRow", "compute_ratio", "measure_in_turn", "measure_processor_time"]

#: (what was measured, the value, the limit, whether the value is within the limit)
BenchmarkRow = tuple[str, str, str, bool]


def measure_processor_time(work: Callable[[], Any]) -> float:
    """Measure one run in seconds of processor time, which other processes affect least.

    Garbage of earlier runs is collected first.
    """
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def measure_in_turn(
    functions: Mapping[str, Callable[[], Any]], rounds: int = 31
) -> dict[str, list[float]]:
    """Measure functions in turn (A B C A B C ...), after one round that is not counted.

    Returns the seconds of each round by function.
    """
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 1):
        for name, work in functions.items():
            duration = measure_processor_time(work)
            if number:
                times[name].append(duration)
    return times


def compute_ratio(numerator: list[float], denominator: list[float]) -> float:
    """Compute the median of the ratios per round, which a drift of the machine does not affect."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))
