"""What do all promises stand on? A provider, connected to the emulator of the fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from recording_core import (
    CommunicationSession,
    HttpSettings,
    Operation,
    Provider,
    ProviderInfo,
    Recording,
    RecordingSession,
    SessionKind,
)
from recording_core.testing.emulator.emulator import Emulator, Exchange
from recording_core.testing.manual_clock import ManualClock

__all__ = [
    "ConformanceBase",
    "advance",
    "carrying",
    "exchanges",
    "horizon",
    "promising",
    "silence",
    "times",
]


class ConformanceBase:
    """What a provider's author may set, and the fixture that every test has."""

    #: after its end a recording is final, its media there, within this time
    settle: ClassVar[timedelta] = timedelta(minutes=2)
    #: after its start a recording can be paused, and is worth keeping, after this time
    warm_up: ClassVar[timedelta] = timedelta(seconds=10)
    #: keywords that `start` needs at this vendor, by kind
    start_arguments: ClassVar[Mapping[SessionKind, Mapping[str, Any]]] = {}

    @pytest.fixture
    def provider(self, emulator: Emulator) -> Iterator[Provider]:
        with emulator.connect() as provider:
            yield provider

    def begin(self, provider: Provider, target: CommunicationSession) -> RecordingSession:
        """Start a recording of the target. Override where a plain start does not do."""
        return provider.start(target, **self.start_arguments.get(target.kind, {}))

    def verbs(self, provider: Provider) -> Mapping[Operation, Callable[[RecordingSession], Any]]:
        """What can be done with a session, or with its target."""
        return {
            Operation.START: lambda session: self.begin(provider, session.target),
            Operation.ACTIVE: lambda session: provider.active(session.target),
            Operation.PAUSE: provider.pause,
            Operation.RESUME: provider.resume,
            Operation.STOP: provider.stop,
        }

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        """End it behind the back of whoever started it; here, by a stop from elsewhere.

        Override it with a hang-up where the emulator has one.
        """
        with emulator.connect() as other:
            other.stop(session)

    def made(
        self, provider: Provider, emulator: Emulator, target: CommunicationSession
    ) -> RecordingSession:
        """A recording that was started, stopped and waited for."""
        session = self.begin(provider, target)
        advance(emulator, self.warm_up)
        return provider.wait(provider.stop(session), timeout=self.settle)


def carrying(
    emulator: Emulator, info: ProviderInfo, *operations: Operation
) -> list[CommunicationSession]:
    """A live session of each kind for which all of the operations are declared."""
    targets = []
    for kind in SessionKind:
        if all(info.can(operation, kind) for operation in operations):
            live = [target for target in emulator.sessions if target.kind is kind]
            assert live, f"Emulator.sessions has no live {kind}, and a {kind} can be recorded"
            targets.append(live[0])
    if not targets:
        pytest.skip(f"for no kind are all of these declared: {', '.join(operations)}")
    return targets


@contextmanager
def promising(what: str) -> Iterator[None]:
    """Whatever fails inside names the promise that was broken."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"The promise: {what}")
        raise


@contextmanager
def exchanges(emulator: Emulator) -> Iterator[list[Exchange]]:
    """What the emulator's API port saw inside; filled on leaving."""
    before, seen = len(emulator.journal), list[Exchange]()
    try:
        yield seen
    finally:
        seen += [each for each in emulator.journal[before:] if each.port == "api"]


@contextmanager
def silence(emulator: Emulator, what: str) -> Iterator[None]:
    """Inside, no request reaches the emulator, on either port."""
    before = len(emulator.journal)
    with promising(what):
        yield
    sent = [f"{each.request.method} {each.request.path}" for each in emulator.journal[before:]]
    assert not sent, f"{what}: yet there was sent {', '.join(sent)}"


def times(recording: Recording) -> Any:
    """The time by which `since` and `until` judge a recording."""
    return recording.created_at or recording.started_at


def advance(emulator: Emulator, by: timedelta) -> None:
    """Let the emulated time pass; nothing sleeps."""
    assert isinstance(emulator.clock, ManualClock), "start the emulator on a ManualClock"
    emulator.clock.advance(by)


def horizon(emulator: Emulator) -> Mapping[str, Any]:
    """Keywords of a `list` that reaches back over all that the emulator lists."""
    return {"since": emulator.clock.now() - emulator.keeps - timedelta(days=2)}


#: No retries and one page at a time: each fault hits one request, and each request is foreseen.
ONCE = HttpSettings(retries=0, workers=1)
