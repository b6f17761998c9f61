"""How is something recorded while a block of code runs? Started on entering, stopped on leaving."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from recording_core.errors import RecordingError
from recording_core.model.capabilities import Operation
from recording_core.model.entities import CommunicationSession, RecordingSession

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

__all__ = ["Recorder"]

_log = logging.getLogger("recording_core")


class Recorder:
    """A recording that runs while a `with` block does. `session` is its current state.

    Entering starts, and raises what `Provider.start` does. Leaving stops, unless it was stopped; an
    error of that stop never hides the block's own, but is noted on it and logged.
    """

    def __init__(
        self, provider: Provider, target: CommunicationSession, as_start: Mapping[str, Any]
    ) -> None:
        self._provider = provider
        self._target = target
        self._as_start = as_start
        self._session: RecordingSession | None = None

    @property
    def session(self) -> RecordingSession:
        """The session as the last verb left it. `RecordingError` before the block is entered."""
        if self._session is None:
            raise RecordingError("nothing is recorded yet: use `with provider.record(...)`")
        return self._session

    def can(self, operation: Operation) -> bool:
        """Whether the vendor can be told so for what is being recorded."""
        return self._provider.can(operation, self._target.kind)

    def pause(self) -> RecordingSession:
        """As `Provider.pause`."""
        self._session = self._provider.pause(self.session)
        return self._session

    def resume(self) -> RecordingSession:
        """As `Provider.resume`."""
        self._session = self._provider.resume(self.session)
        return self._session

    def stop(self) -> RecordingSession:
        """As `Provider.stop`; leaving the block then sends nothing more."""
        self._session = self._provider.stop(self.session)
        return self._session

    def __enter__(self) -> Self:
        self._session = self._provider.start(self._target, **self._as_start)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.session.stopped_at is not None:
            return
        try:
            self.stop()
        except RecordingError as failure:
            if error is None:
                raise
            # The body's own error matters more; that the recording may still run must not be lost.
            error.add_note(f"and the recording of {self._target} could not be stopped: {failure}")
            _log.warning(
                "%s: the recording of %s could not be stopped: %s",
                self._provider.name,
                self._target,
                failure,
            )

    def __repr__(self) -> str:
        return f"<Recorder of {self._target} at {self._provider.name}>"
