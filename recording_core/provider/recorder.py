"""Recorder: record while a `with` block runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from recording_core.errors import RecordingError
from recording_core.model.capabilities import Operation
from recording_core.model.entities import CommunicationSession, RecordingSession

if TYPE_CHECKING:
    from recording_core.provider.provider import Provider

_log = logging.getLogger("recording_core")


class Recorder:
    """A context manager that records while its block runs; `Provider.record` returns it.

    Entering the block starts recording and raises the errors of `Provider.start`. Leaving it stops
    recording unless `stop` was called. If that stop fails while the block raises, the block's
    exception is kept, and the failure is added to it as a note and logged. A child process that was
    forked inside the block stops nothing by leaving it.
    """

    # A plain class, as `Listing` and `PageRows`: an attrs class takes a millisecond to define.
    def __init__(
        self, provider: Provider, target: CommunicationSession, start_arguments: Mapping[str, Any]
    ) -> None:
        self._provider = provider
        self._target = target
        self._start_arguments = start_arguments
        self._session: RecordingSession | None = None

    @property
    def session(self) -> RecordingSession:
        """The session after the last verb. Raises `RecordingError` before the block is entered."""
        if self._session is None:
            raise RecordingError("Recording has not started: use `with provider.record(...)`")
        return self._session

    def can(self, operation: Operation) -> bool:
        """Whether the vendor supports the operation for the kind of session that is recorded."""
        return self._provider.can(operation, self._target.kind)

    def pause(self) -> RecordingSession:
        """Pause recording; see `Provider.pause`."""
        self._session = self._provider.pause(self.session)
        return self._session

    def resume(self) -> RecordingSession:
        """Resume recording; see `Provider.resume`."""
        self._session = self._provider.resume(self.session)
        return self._session

    def stop(self) -> RecordingSession:
        """Stop recording; see `Provider.stop`. Leaving the block then sends nothing."""
        self._session = self._provider.stop(self.session)
        return self._session

    def __enter__(self) -> Self:
        self._session = self._provider.start(self._target, **self._start_arguments)
        self._process = os.getpid()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.session.stopped_at is not None or self._process != os.getpid():
            return
        try:
            self.stop()
        except RecordingError as failure:
            if error is None:
                raise
            # The exception of the block is kept, and the note reports that the recording may run.
            message = f"The recording of {self._target} could not be stopped: {failure}"
            error.add_note(message)
            _log.warning("%s: %s", self._provider.name, message)

    def __repr__(self) -> str:
        return f"<Recorder of {self._target} at {self._provider.name}>"
