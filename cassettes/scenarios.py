"""What is asked on each cassette? One short scene for each operation, the same for every vendor.

`record.py` plays them before a vendor or an emulator, `tests/test_cassettes.py` before the
cassettes. No request depends on the clock: the time of the recording is handed in.
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

#: How far back the scenes look; shorter than any vendor's window.
REACH = timedelta(days=6)


@frozen
class Stage:
    """Where a scene is played. `later` lets time pass, really or emulated."""

    provider: Provider
    target: CommunicationSession | None
    at: datetime
    later: Callable[[timedelta], None]
    directory: Path

    def live(self) -> CommunicationSession:
        """Who is recorded."""
        if self.target is None:
            raise ValueError("this scene needs a live session to record")
        return self.target


def start(stage: Stage) -> RecordingSession:
    return stage.provider.start(stage.live())


def pause(stage: Stage) -> RecordingSession:
    session = start(stage)
    stage.later(timedelta(seconds=10))
    return stage.provider.pause(session)


def resume(stage: Stage) -> RecordingSession:
    return stage.provider.resume(pause(stage))


def stop(stage: Stage) -> RecordingSession:
    session = start(stage)
    stage.later(timedelta(seconds=10))
    return stage.provider.stop(session)


def active(stage: Stage) -> RecordingSession | None:
    start(stage)
    stage.later(timedelta(seconds=10))
    return stage.provider.active(stage.live())


def list_(stage: Stage) -> list[Recording]:
    listing = stage.provider.list(since=stage.at - REACH, until=stage.at)
    found = list(listing)
    if not listing.coverage.complete:
        raise RuntimeError(f"a listing that is not complete: {listing.coverage}")
    return found


def get(stage: Stage) -> Recording:
    return stage.provider.get(_shortest(stage))


def download(stage: Stage) -> Any:
    return stage.provider.download(_shortest(stage), stage.directory)


def delete(stage: Stage) -> None:
    stage.provider.delete(_shortest(stage))


def _shortest(stage: Stage) -> Recording:
    """The smallest to have: the shortest that has a file."""
    ready = [each for each in list_(stage) if each.status is RecordingStatus.AVAILABLE]
    return min(
        (each for each in ready if each.files),
        key=lambda each: (each.duration or timedelta.max, each.id),
    )


SCENES: Mapping[Operation, Callable[[Stage], Any]] = {
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
#: These record something, and need a live session.
LIVE_SCENES = frozenset(
    {Operation.START, Operation.PAUSE, Operation.RESUME, Operation.STOP, Operation.ACTIVE}
)
