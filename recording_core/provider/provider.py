"""What can one do with a vendor's account? The verbs, the same for every vendor."""

from __future__ import annotations

import functools
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from attrs import evolve
from requests.auth import AuthBase

from recording_core.clock import Clock
from recording_core.errors import (
    Conflict,
    MalformedPayload,
    NotFound,
    NotReady,
    OutcomeUnknown,
    ProviderError,
    RateLimited,
    Unavailable,
    UnsupportedOperation,
)
from recording_core.listing.listing import Listing
from recording_core.listing.page import Page, Query, Window
from recording_core.model.capabilities import Operation
from recording_core.model.entities import (
    CommunicationSession,
    Copy,
    Interval,
    MediaFile,
    Recording,
    RecordingSession,
    check_id,
    close_pause,
    set_target,
)
from recording_core.model.enums import FINAL, FileRole, RecordingStatus, SessionKind
from recording_core.plugins import registry as plugins
from recording_core.provider.connection import Connection
from recording_core.provider.recorder import Recorder
from recording_core.provider.start_request import StartRequest
from recording_core.provider.validation import (
    check_channels,
    check_duration,
    check_extra,
    check_participants,
    check_statuses,
    check_target,
    check_text,
    check_time,
    check_word,
    select_files,
)
from recording_core.transport.client import Transport
from recording_core.transport.deadline import Deadline
from recording_core.transport.status_codes import ErrorDetails

if TYPE_CHECKING:
    from recording_core.model.events import RecordingEvent
    from recording_core.transport.media_client import MediaTransport

__all__ = ["Provider"]

_log = logging.getLogger("recording_core")

#: How far a vendor's clock may be from ours.
_CLOCK_SKEW = timedelta(minutes=5)

#: `wait` asks after so many seconds first, then ever less often.
_FIRST_LOOK, _SLOWEST_LOOK = 0.5, 10.0


class Provider(ABC):
    """One vendor account that one is connected to. Thread-safe; a context manager.

    A plugin's author writes the underscored methods that the capabilities name, and sets
    `default_base_url`; the public verbs check arguments and capabilities, announce what happened,
    and need no override.
    """

    #: the API, without a slash at its end
    default_base_url: ClassVar[str]
    #: requests a second that the vendor publishes; None for none
    rate: ClassVar[float | None] = None
    #: how many of them at once, where it publishes that too; None for one minute's worth
    burst: ClassVar[float | None] = None
    #: seconds until media's first byte; a vendor that packs files first needs more
    media_first_byte: ClassVar[float] = 60.0
    #: hosts that get the API's credentials after they answered 401, over https
    credential_hosts: ClassVar[tuple[str, ...]] = ()
    #: the keywords of `start` that the vendor can be told, by kind
    start_parameters: ClassVar[Mapping[SessionKind, frozenset[str]]] = {}
    #: the words of `format=` that it documents, by kind; its own default first
    formats: ClassVar[Mapping[SessionKind, tuple[str, ...]]] = {}
    #: what this vendor cannot enumerate, in words, for `coverage.not_listable`
    not_listable: ClassVar[tuple[str, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self.info = connection.info
        self.name = connection.info.name
        self.account = connection.account
        self.clock: Clock = connection.clock
        self.http = connection.http
        self.transport = Transport(
            provider=self.name,
            base_url=connection.base_url or self.default_base_url,
            auth=self._auth(connection.settings),
            secrets=connection.secrets(),
            settings=connection.http,
            clock=self.clock,
            rate=self.rate,
            burst=self.burst,
            error_details=self._error_details,
        )

    @functools.cached_property
    def media(self) -> MediaTransport:
        """The way to media, for which its modules are imported at the first download."""
        from recording_core.transport.media_client import MediaTransport

        return MediaTransport(
            self.transport,
            vendor_hosts=self.info.media_hosts,
            credential_hosts=self.credential_hosts,
            first_byte=self.media_first_byte,
        )

    # -- what a plugin's author writes -----------------------------------------------------------

    @abstractmethod
    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        """What signs a request to the API. `HeaderAuth`, requests' `HTTPBasicAuth`, or your own."""

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        """What an error body says. `kind` only where the HTTP status does not tell the class."""
        return ErrorDetails()

    def _start(self, request: StartRequest) -> RecordingSession:
        """Start, once: `Repeat.NEVER`. A session without an id where the vendor names none."""
        raise NotImplementedError

    def _pause(self, session: RecordingSession) -> RecordingSession:
        """Suspend. Success where it is paused already."""
        raise NotImplementedError

    def _resume(self, session: RecordingSession) -> RecordingSession:
        """Go on. Success where it records already."""
        raise NotImplementedError

    def _stop(self, session: RecordingSession) -> RecordingSession:
        """End. Success where nothing records any more."""
        raise NotImplementedError

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        """What runs now, by whomever it was started; None where nothing does."""
        raise NotImplementedError

    def _windows(self, query: Query) -> Sequence[Window]:
        """How a sweep is cut; newest first. One window unless the vendor's listing wants more."""
        return (Window(query.since, query.until),)

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        """Read one page; `cursor` is None for a window's first."""
        raise NotImplementedError

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        """Read one. `target` where the caller gave one, or the recording had one."""
        raise NotImplementedError

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        """Delete one. A 404 raises `NotFound` by itself."""
        raise NotImplementedError

    def _observe(self, session: RecordingSession) -> RecordingSession:
        """The session as the vendor sees it now, with its recordings; for `wait`."""
        from recording_core.model.transitions import update_session

        if session.id is None:
            found = tuple(self._begun_with(session))
            if not found:
                return session
        else:
            found = (self._get_same(session.id, session.target),)
        return update_session(session, found)

    def _begun_with(self, session: RecordingSession) -> Iterator[Recording]:
        """The target's recordings that a session without an id may have made."""
        start = session.started_at
        since = start - _CLOCK_SKEW if start is not None else None
        for each in self.list(since=since, target=session.target):
            early = since is not None and each.started_at is not None and each.started_at < since
            over = start is not None and each.ended_at is not None and each.ended_at <= start
            if not early and not over:  # what began or ended before is somebody else's
                yield each

    # -- the verbs -------------------------------------------------------------------------------

    def start(
        self,
        target: CommunicationSession,
        *,
        format: str | None = None,
        max_duration: timedelta | None = None,
        channels: int | None = None,
        participant: str | Sequence[str] | None = None,
        tracks: bool = False,
        title: str | None = None,
        callback_url: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> RecordingSession:
        """Start recording a call, conference or meeting. Sent at most once.

        Args:
            target: `rec.call(id)`, `rec.conference(id)` or `rec.meeting(id)`
            format: such as `mp3`
            max_duration: the vendor stops by itself then; without it, its longest is asked for
            channels: 1, or 2 for a side each
            participant: the id of the one to record, or several
            tracks: one file a participant
            title: a name for people
            callback_url: where the vendor sends its webhooks about this recording
            extra: sent to the vendor as it is

        Raises:
            UnsupportedOperation: this vendor cannot be told so; nothing was sent
            Conflict: the vendor refuses, for something records already
            OutcomeUnknown: it may have started all the same: look before you repeat it
            ProviderError: it was not started
        """
        request = StartRequest(
            target=check_target(target),
            format=check_word(format, "format"),
            max_duration=check_duration(max_duration, "max_duration"),
            channels=check_channels(channels),
            participants=check_participants(participant),
            tracks=bool(tracks),
            title=check_text(title, "title"),
            callback_url=check_text(callback_url, "callback_url"),
            extra=check_extra(extra),
        )
        self._must(Operation.START, target.kind)
        possible = self.start_parameters.get(target.kind, frozenset())
        for name in request.given_parameters():
            if name not in possible:
                raise UnsupportedOperation(
                    f"{self.info.label} cannot be told {name} when a {target.kind} is recorded; "
                    f"it can: {', '.join(sorted(possible)) or 'nothing'}, and extra"
                )
        sent_at = self.clock.now()
        try:
            with self._bounded(Operation.START), _doubting():
                session = _checked_session(self._start(request))
        except OutcomeUnknown as error:
            error.target, error.sent_at = target, sent_at
            error.parameters = self.transport.secrets.redact_payload(
                {name: str(value) for name, value in request.given_parameters().items()}
                | dict(request.extra)
            )
            raise
        except (KeyboardInterrupt, SystemExit) as interruption:
            interruption.add_note(f"starting to record {target} was interrupted: it may run")
            raise
        if session.started_at is None and session.status is RecordingStatus.RECORDING:
            session = evolve(session, started_at=sent_at)
        self._announce(session, None)
        return session

    def pause(self, session: RecordingSession) -> RecordingSession:
        """Suspend recording, such as while a card number is read out. May be repeated.

        Returns when the vendor has accepted it, with the pause in `session.pauses`.

        Raises:
            UnsupportedOperation: this vendor cannot pause such a session; nothing was sent
            Unavailable: it may be paused, or not: send it again
        """
        self._must(Operation.PAUSE, self._own(session).target.kind)
        at = self.clock.now()
        with self._bounded(Operation.PAUSE):
            after = self._pause(session)
        if not after.pauses or after.pauses[-1].end is not None:
            after = evolve(after, pauses=(*after.pauses, Interval(at)))
        self._announce(after, session)
        return after

    def resume(self, session: RecordingSession) -> RecordingSession:
        """Go on after a pause. May be repeated. Raises as `pause` does."""
        self._must(Operation.RESUME, self._own(session).target.kind)
        with self._bounded(Operation.RESUME):
            after = close_pause(self._resume(session), self.clock.now())
        self._announce(after, session)
        return after

    def stop(self, session: RecordingSession) -> RecordingSession:
        """End recording. Success also where nothing records any more; may be repeated.

        The media is not there yet at most vendors: `wait` for it.

        Raises:
            Unavailable: it may have ended, or not: send it again
        """
        self._must(Operation.STOP, self._own(session).target.kind)
        at = self.clock.now()
        with self._bounded(Operation.STOP):
            after = close_pause(self._stop(session), at)
        if after.stopped_at is None:
            after = evolve(after, stopped_at=at)
        self._announce(after, session)
        return after

    def active(self, target: CommunicationSession) -> RecordingSession | None:
        """The recording that runs now, by whomever it was started; None where none does.

        Raises:
            UnsupportedOperation: this vendor does not tell
        """
        self._must(Operation.ACTIVE, check_target(target).kind)
        with self._bounded(Operation.ACTIVE):
            return self._active(target)

    def record(self, target: CommunicationSession, **as_start: Any) -> Recorder:
        """A context manager that starts on entering and stops on leaving, also after an error.

        Takes the keywords of `start`. Sends nothing before the block is entered.
        """
        return Recorder(self, check_target(target), as_start)

    def wait(self, session: RecordingSession, *, timeout: timedelta) -> RecordingSession:
        """Return the session once each of its recordings is final, also if it failed.

        Final are `available`, `failed`, `empty`, `expired` and `deleted`. The vendor is asked after
        half a second first, then ever less often, each ten seconds at last.

        Raises:
            NotReady: the timeout passed; `error.session` is the last one seen
        """
        self._must(Operation.GET, self._own(session).target.kind)
        limit = check_duration(timeout, "timeout")
        if limit is None:
            raise TypeError("timeout must be a timedelta: a wait without a bound may never end")
        end = self.clock.monotonic() + limit.total_seconds()
        pause = _FIRST_LOOK
        while True:
            try:
                # One look lasts no longer than the whole wait may.
                left = max(end - self.clock.monotonic(), _FIRST_LOOK)
                with self._naming(Operation.GET), Deadline(left):
                    session = self._observe(session)
            except (Unavailable, RateLimited) as error:
                _log.info("%s: asking again after %s", self.name, type(error).__name__)
            if session.recordings and all(one.status in FINAL for one in session.recordings):
                return session
            left = end - self.clock.monotonic()
            if left <= 0:
                raise NotReady(
                    f"the recording of {session.target} is {session.status} after "
                    f"{limit.total_seconds():g} s; wait longer, or look again later",
                    session=session,
                    provider=self.name,
                    operation="wait",
                )
            self.clock.sleep(min(pause, left))
            pause = min(pause * 1.5, _SLOWEST_LOOK)

    def list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        target: CommunicationSession | None = None,
        status: RecordingStatus | str | Iterable[RecordingStatus | str] | None = None,
    ) -> Listing:
        """Recordings in `[since, until)`, lazily; everything without `since`. See `Listing`.

        Args:
            since: aware; compared with `created_at`, else `started_at`
            until: aware; not included
            target: only of this call, conference or meeting
            status: only of this status, or of these

        Raises:
            ValueError: a naive datetime, or an empty window
            UnsupportedOperation: this vendor cannot list such a target
        """
        query = Query(
            check_time(since, "since"),
            check_time(until, "until"),
            check_target(target) if target is not None else None,
            check_statuses(status),
        )
        if query.since is not None and query.until is not None and query.since > query.until:
            raise ValueError("since is after until: the window is empty")
        self._must(Operation.LIST, target.kind if target is not None else None)
        return Listing(
            query,
            self._windows,
            self._read_page,
            workers=self.http.workers,
            now=self.clock.now,
            not_listable=self.not_listable if target is None else (),
            provider=self.name,
        )

    def get(
        self, recording_or_id: Recording | str, *, target: CommunicationSession | None = None
    ) -> Recording:
        """The recording as the vendor knows it now.

        `target=` is needed only where the vendor finds a recording by what was recorded, and a bare
        id is given.

        Raises:
            NotFound: the vendor has none of that id
        """
        recording_id, target = self._address(recording_or_id, target, Operation.GET)
        with self._bounded(Operation.GET):
            return self._get_same(recording_id, target)

    def download(
        self,
        recording_or_id: Recording | str,
        directory: str | os.PathLike[str],
        *,
        target: CommunicationSession | None = None,
        files: FileRole | str | MediaFile | Iterable[FileRole | str | MediaFile] | None = None,
        timeout: timedelta | None = None,
    ) -> tuple[Copy, ...]:
        """Copy a recording's files into a directory, which is made if need be.

        Each is streamed to a temporary file, checked, and only then named; one `Copy` a file.

        Args:
            recording_or_id: asked for anew if it is an id, or its links have expired
            directory: for the files; their names are made of provider, account and id
            target: as for `get`
            files: only those: a role, an id, a `MediaFile`, or several; all without it
            timeout: for all of it; none without it, as long as bytes come

        Raises:
            NotReady: the media is not there yet
            NotFound: it is gone
            UnsupportedOperation: it lies where the vendor's API does not reach
            DownloadError: nothing was left behind; `error.copies` are those made before
        """
        recording_id, target = self._address(recording_or_id, target, Operation.DOWNLOAD)
        limit = check_duration(timeout, "timeout")
        seconds = limit.total_seconds() if limit else None
        with self._naming(Operation.DOWNLOAD), Deadline(seconds) as deadline:
            recording = self._fetchable(recording_or_id, recording_id, target)
            wanted = select_files(recording, files)
            return self._download(recording, wanted, Path(directory), deadline)

    def delete(
        self, recording_or_id: Recording | str, *, target: CommunicationSession | None = None
    ) -> None:
        """Delete a recording at the vendor, for good.

        Raises:
            NotFound: there is none of that id
            UnsupportedOperation: this vendor deletes none
            Unavailable: it may be gone, or not: send it again
        """
        recording_id, target = self._address(recording_or_id, target, Operation.DELETE)
        with self._bounded(Operation.DELETE):
            self._delete(recording_id, target)

    def confirm(self, event: RecordingEvent) -> RecordingEvent:
        """The event as the vendor answers for it: its recording read anew, and `trusted`.

        Its `kind`, `status` and `key` are those of the fact that the recording proves now, which
        may be another than the callback told of. Raises `NotFound`, and `ValueError` for an event
        of another vendor or account, or of no recording.
        """
        from recording_core.model.events import RecordingEvent
        from recording_core.model.transitions import confirm_event

        if not isinstance(event, RecordingEvent):
            raise TypeError(f"event must be a RecordingEvent, not {type(event).__name__}")
        if event.provider != self.name:
            raise ValueError(f"this event is {event.provider}'s, and not {self.name}'s")
        self._same_account("event", event.account)
        if event.recording_id is None:
            raise ValueError("this event names no recording that could be read anew")
        recording = self.get(event.recording_id, target=event.target)
        return confirm_event(event, recording)

    def can(self, operation: Operation, kind: SessionKind | None = None) -> bool:
        """Whether this vendor can be told so; without a kind, for any."""
        return self.info.can(operation, kind)

    def close(self) -> None:
        """Close the connections that are kept alive. A verb opens them again."""
        if "media" in self.__dict__:
            self.media.close()
        self.transport.close()

    # -- below the verbs -------------------------------------------------------------------------

    @contextmanager
    def _naming(self, operation: Operation) -> Iterator[None]:
        """An error that a mapping raised knows neither its provider nor the verb."""
        try:
            yield
        except ProviderError as error:
            error.provider = error.provider or self.name
            error.operation = error.operation or operation
            raise

    @contextmanager
    def _bounded(self, operation: Operation) -> Iterator[None]:
        """One verb, or one page, of however many exchanges: all of them within the total."""
        with self._naming(operation), Deadline(self.http.total_timeout, patient=True):
            yield

    def _get_same(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        recording = self._get(recording_id, target)
        if recording.id.casefold() != recording_id.casefold():
            raise MalformedPayload("the answer is about another recording than was asked for")
        return set_target(recording, target)

    def _read_page(self, query: Query, window: Window, cursor: Any) -> Page:
        with self._bounded(Operation.LIST):
            page = self._page(query, window, cursor)
        target = query.target
        if target is None:
            return page
        return evolve(page, rows=page.rows.each(lambda found: set_target(found, target)))

    def _fetchable(
        self,
        given: Recording | str,
        recording_id: str,
        target: CommunicationSession | None,
    ) -> Recording:
        """A recording whose files can be asked for now: the given one, or as the vendor has it."""
        recording = given if isinstance(given, Recording) else None
        if recording is None or not _fresh(recording, self.clock.now()):
            recording = self._get_same(recording_id, target)
        facts: dict[str, Any] = {"provider": self.name, "operation": "download"}
        if recording.status in (RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN):
            return recording
        if recording.status in FINAL:
            raise NotFound(
                f"recording {recording_id} is {recording.status}: there is no media to fetch",
                **facts,
            )
        raise NotReady(
            f"recording {recording_id} is {recording.status}: its media is not there yet; "
            "wait for it",
            **facts,
        )

    def _download(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        directory: Path,
        deadline: Deadline,
    ) -> tuple[Copy, ...]:
        from recording_core.download.downloader import (
            download_files,  # its modules come with the first download
        )

        return download_files(self, recording, files, directory, deadline)

    def _must(self, operation: Operation, kind: SessionKind | None) -> None:
        """Raise `UnsupportedOperation` for what cannot be said, before anything is sent."""
        if self.info.can(operation, kind):
            return
        kinds = [each for each in SessionKind if self.info.can(operation, each)]
        verb = "find active" if operation is Operation.ACTIVE else operation
        what = f"{verb} recordings of a {kind}" if kind else f"{verb} recordings"
        only = f"; it can for: {', '.join(kinds)}" if kinds else ""
        raise UnsupportedOperation(f"{self.info.label} cannot {what}{only}")

    def _own(self, session: RecordingSession) -> RecordingSession:
        if not isinstance(session, RecordingSession):
            raise TypeError(f"session must be a RecordingSession, not {type(session).__name__}")
        if session.provider != self.name:
            raise ValueError(f"this session is {session.provider}'s, and not {self.name}'s")
        self._same_account("session", session.account)
        if session.id is not None:
            check_id(session.id, "a session's id")
        return session

    def _same_account(self, what: str, account: str) -> None:
        """Names of conferences come again at every account: another's would stop the wrong one."""
        if account != self.account:
            raise ValueError(
                f"this {what} is of account {account!r}, and this connection of {self.account!r}; "
                "connect with account="
            )

    def _address(
        self,
        given: Recording | str,
        target: CommunicationSession | None,
        operation: Operation,
    ) -> tuple[str, CommunicationSession | None]:
        if target is not None:
            check_target(target)
        kind = target.kind if target is not None else None
        if isinstance(given, Recording):
            if given.provider != self.name:
                raise ValueError(f"this recording is {given.provider}'s, and not {self.name}'s")
            self._same_account("recording", given.account)
            target = target or given.target
            kind = target.kind if target is not None else given.kind
            recording_id = check_id(given.id, "a recording's id")
        else:
            recording_id = check_id(given, "a recording's id")
        self._must(operation, kind)
        return recording_id, target

    def _announce(self, session: RecordingSession, previous: RecordingSession | None) -> None:
        plugins.notify_plugins("recording_session_changed", session=session, previous=previous)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} account={self.account!r} at {self.transport.base_url}>"

    def __reduce__(self) -> str:
        raise TypeError("a provider holds credentials and is not pickled; connect anew there")


# -- values ---------------------------------------------------------------------------------------


def _fresh(recording: Recording, now: datetime) -> bool:
    """Whether a recording's files can be asked for without asking for the recording again."""
    return (
        recording.status is RecordingStatus.AVAILABLE
        and bool(recording.files)
        # A list may say less than a get, and a file's name ends in its format.
        and all(file.url is not None and file.format is not None for file in recording.files)
        and all(
            file.url_expires_at is None or file.url_expires_at > now for file in recording.files
        )
    )


def _checked_session(session: RecordingSession) -> RecordingSession:
    """A session that its verbs can use; `Conflict` for the id that means "none"."""
    if session.id is not None:
        if not session.id.strip("0-"):
            raise Conflict("the vendor answers with the id of nothing: no recording was started")
        try:
            check_id(session.id, "the recording's id")
        except ValueError as error:
            raise MalformedPayload(str(error)) from None
    return session


@contextmanager
def _doubting() -> Iterator[None]:
    """An answer that reads as success and cannot be understood leaves a start in doubt."""
    try:
        yield
    except MalformedPayload as error:
        if error.operation not in ("", Operation.START):
            raise  # the answer to what came before it, such as a sign-in
        raise OutcomeUnknown(
            f"{error.message}. It may have started: look before you repeat it",
            provider=error.provider,
            operation=error.operation,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            body=error.body,
        ) from None
