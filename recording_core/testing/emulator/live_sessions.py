"""Live sessions: how an emulator records them, by its provider or as the vendor does on its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from recording_core.model.capabilities import Operation
from recording_core.model.entities import CommunicationSession, RecordingSession

if TYPE_CHECKING:
    import threading

    from recording_core.provider.provider import Provider
    from recording_core.transport import HttpSettings


class LiveSessions(ABC):
    """The part of an emulator that records live sessions."""

    #: the provider's name
    provider: ClassVar[str]
    #: a live session of each kind, to start a recording of, or for `begin_recording`
    sessions: Sequence[CommunicationSession]
    lock: threading.RLock

    @abstractmethod
    def connect(self, *, account: str = "default", http: HttpSettings | None = None) -> Provider:
        """Connect the installed provider of this emulator's name to it, on its clock."""

    @abstractmethod
    def advance(self, by: timedelta) -> None:
        """Advance the clock."""

    # -- for a kind of session that the API cannot start or stop recording ------------------------

    def begin_recording(self, target: CommunicationSession) -> str:
        """Start recording a live session, as the vendor does on its own, and return the id.

        Called with `lock` held (`with emulator.lock:`), which is reentrant.
        """
        raise NotImplementedError(
            f"{self.provider} declares no start for a {target.kind}: its emulator must implement "
            "begin_recording, which starts what the vendor starts on its own"
        )

    def hang_up(self, target: CommunicationSession) -> None:
        """End a live session, and with it its recording; `sessions` then has another live one.

        Called with `lock` held.
        """
        raise NotImplementedError(
            f"{self.provider} declares no stop for a {target.kind}: its emulator must implement "
            "hang_up, which ends the session"
        )

    def record(
        self,
        target: CommunicationSession | None = None,
        *,
        duration: timedelta = timedelta(seconds=10),
        processing: timedelta = timedelta(seconds=10),
        **parameters: Any,
    ) -> str:
        """Record a live session by the installed provider, and return the recording's id.

        What the vendor's API cannot start or stop, the emulator does as the vendor.

        Args:
            target: by default the first of `sessions`
            duration: from the start to the stop
            processing: how long to advance the clock after the stop
            parameters: of `Provider.start`
        """
        with self.connect() as provider:
            session = self.begin_session(provider, target or self.sessions[0], **parameters)
            self.advance(duration)
            self.finish_session(provider, session)
        self.advance(processing)
        assert session.id is not None, f"{self.provider} returned no id for the recording"
        return session.id

    def begin_session(
        self, provider: Provider, target: CommunicationSession, **parameters: Any
    ) -> RecordingSession:
        """Start a recording by the provider, or as the vendor does if its API has no such start."""
        if provider.can(Operation.START, target.kind):
            return provider.start(target, **parameters)
        with self.lock:
            id = self.begin_recording(target)
        if not provider.can(Operation.ACTIVE, target.kind):
            return RecordingSession(provider.name, provider.account, id, target)
        session = provider.active(target)
        assert session is not None, f"active finds no recording of {target}, but {id} runs"
        return session

    def finish_session(self, provider: Provider, session: RecordingSession) -> RecordingSession:
        """Stop a recording by the provider, or hang up if the vendor's API has no such stop."""
        if provider.can(Operation.STOP, session.target.kind):
            return provider.stop(session)
        with self.lock:
            self.hang_up(session.target)
        return session
