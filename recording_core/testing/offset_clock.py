"""Offset clock: the machine's clock, which can be advanced while the machine's own time goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

from recording_core.clock import Clock, SystemClock


class OffsetClock(SystemClock):
    """The machine's time and what it was advanced by; sleeping takes real time."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """Return the advanced time, aware and in UTC."""
        return super().now() + self._offset

    def monotonic(self) -> float:
        """Return the advanced seconds of the machine's monotonic clock."""
        return super().monotonic() + self._offset.total_seconds()

    def read_machine_time(self) -> datetime:
        """Return the time that other programs of this machine read."""
        return super().now()

    def advance(self, by: timedelta) -> None:
        """Advance the clock by a duration."""
        offset = self._offset + by
        super().now() + offset  # raises before the offset changes, if no datetime is so late
        self._offset = offset

    def reset(self) -> None:
        """Return to the machine's time."""
        self._offset = timedelta(0)


def read_sending_time(clock: Clock) -> datetime:
    """Return the time for what is sent now: a `Date` header, and the timestamp of a signature.

    A receiver compares it with its own clock, which an advanced `OffsetClock` does not move.
    """
    return clock.read_machine_time() if isinstance(clock, OffsetClock) else clock.now()
