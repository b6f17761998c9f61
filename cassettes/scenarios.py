"""Scenarios of the cassettes: the calls of each operation, the same for every vendor.

`record.py` runs them against a vendor or an emulator, `tests/test_cassettes.py` against the
cassettes. No request depends on the clock: the time of the recording is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

from recording_core import (
    CommunicationSession,
    Operation,
    Provider,
    Recording,
    RecordingSession,
    RecordingStatus,
)

#: The range of the lists; shorter than any vendor's window.
REACH = timedelta(days=6)


@frozen
class Stage:
    """What a scenario runs with. `wait` lets time pass, on the wall clock or the emulator's."""

    provider: Provider
    target: CommunicationSession | None
    at: datetime
    wait: Callable[[timedelta], None]
    directory: Path

    def require_target(self) -> CommunicationSession:
        """Return the live session to record."""
        if self.target is None:
            raise ValueError("this scenario needs a live session to record")
        return self.target


def start(stage: Stage) -> RecordingSession:
    return stage.provider.start(stage.require_target())


def pause(stage: Stage) -> RecordingSession:
    session = start(stage)
    stage.wait(timedelta(seconds=10))
    return stage.provider.pause(session)


def resume(stage: Stage) -> RecordingSession:
    return stage.provider.resume(pause(stage))


def stop(stage: Stage) -> RecordingSession:
    session = start(stage)
    stage.wait(timedelta(seconds=10))
    return stage.provider.stop(session)


def active(stage: Stage) -> RecordingSession | None:
    start(stage)
    stage.wait(timedelta(seconds=10))
    return stage.provider.active(stage.require_target())


def list_(stage: Stage) -> list[Recording]:
    listing = stage.provider.list(since=stage.at - REACH, until=stage.at)
    found = list(listing)
    if not listing.coverage.complete:
        raise RuntimeError(f"the listing is not complete: {listing.coverage}")
    return found


def get(stage: Stage) -> Recording:
    return stage.provider.get(_find_shortest(stage))


def download(stage: Stage) -> Any:
    return stage.provider.download(_find_shortest(stage), stage.directory)


def delete(stage: Stage) -> None:
    stage.provider.delete(_find_shortest(stage))


def _find_shortest(stage: Stage) -> Recording:
    """Find the shortest recording with a file, to keep the cassette small."""
    ready = [each for each in list_(stage) if each.status is RecordingStatus.AVAILABLE]
    return min(
        (each for each in ready if each.files),
        key=lambda each: (each.duration or timedelta.max, each.id),
    )


SCENARIOS: Mapping[Operation, Callable[[Stage], Any]] = {
    Operation.START: start,
    Operation.PAUSE: pause,
    Operation.RESUME: resume,
    Operation.STOP: stop,
    Operation.ACTIVE: active,
    Operation.LIST: list_,
    Operation.GET: get,
    Operation.DOWNLOAD: download,
    Operation.DELETE: delete,
}
#: These start a recording, and need a live session.
LIVE_SCENARIOS = frozenset(
    {Operation.START, Operation.PAUSE, Operation.RESUME, Operation.STOP, Operation.ACTIVE}
)
