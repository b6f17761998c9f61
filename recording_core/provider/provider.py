"""Provider: the verbs of one vendor account, the same for every vendor."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from attrs import evolve

from recording_core.errors import (
    AuthenticationFailed,
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
from recording_core.model.enums import (
    FINAL,
    LIVE,
    MAYBE_LIVE,
    FileRole,
    RecordingStatus,
    SessionKind,
)
from recording_core.plugins import registry as plugins
from recording_core.provider import validation
from recording_core.provider.base import ProviderBase
from recording_core.provider.recorder import Recorder
from recording_core.provider.start_request import (
    StartParameters,
    build_start_request,
    check_support,
    document_parameters,
)
from recording_core.transport.deadline import Deadline

if TYPE_CHECKING:
    from recording_core.download.output_file import Destination
    from recording_core.model.events import RecordingEvent

_log = logging.getLogger("recording_core")

_UNFINISHED = frozenset(RecordingStatus) - FINAL - {RecordingStatus.UNKNOWN}
_MAYBE_PAUSED = MAYBE_LIVE - {RecordingStatus.RECORDING}

#: Seconds between the polls of `wait`, at first and at most.
_FIRST_POLL, _SLOWEST_POLL = 0.5, 10.0


class Provider(ProviderBase):
    """One vendor account that you are connected to. `rec.connect` returns it.

    A provider is thread-safe, a context manager, and survives a fork. The verbs check their
    arguments and the vendor's capabilities before they send a request.

    Authors of providers set `default_base_url` and write `_auth` and the other underscored methods
    that their capabilities need; the public verbs need no override.
    """

    @document_parameters
    def start(
        self,
        target: CommunicationSession,
        *,
        extra: Mapping[str, Any] | None = None,
        **parameters: Unpack[StartParameters],
    ) -> RecordingSession:
        """Start recording a call, conference or meeting.

        The request is sent at most once, so that it never starts two recordings. Without a
        parameter the vendor's default applies. If that would cut the recording short, the vendor's
        documented maximum is requested.

        Args:
            target: `rec.call(id)`, `rec.conference(id)` or `rec.meeting(id)`
            {parameters}
            extra: additional fields of the vendor's request. Objects are merged deeply, lists
                replaced; `rec.OMIT` removes a field that would be sent

        Returns:
            The session; its `id` is `None` if the vendor returns none.

        Raises:
            UnsupportedOperation: the vendor does not support this; nothing was sent
            ValueError: a value is outside the vendor's documented bounds, or `extra` would change
                what is recorded; nothing was sent
            Conflict: the vendor reports that the target is already being recorded
            OutcomeUnknown: it may have started: check (`active`, `list`) before you repeat it
            ProviderError: it was not started
        """
        request = build_start_request(self.__check_target(target), parameters, extra)
        target = request.target
        self.__require_operation(Operation.START, target.kind)
        supported = self.start_parameters.get(target.kind, frozenset())
        check_support(request, supported, self.info.label)
        given = request.given_parameters()
        sent_at = self.clock.now()
        try:
            with self.__run_verb(Operation.START, target), self.__convert_to_outcome_unknown():
                session = _check_session_id(evolve(self._start(request), target=target))
        except OutcomeUnknown as error:
            error.target, error.sent_at = target, sent_at
            error.parameters = self.transport.secrets.redact_payload(
                {name: str(value) for name, value in given.items()} | dict(request.extra)
            )
            raise
        except (KeyboardInterrupt, SystemExit) as interruption:
            interruption.add_note(
                f"The start of a recording of {target} was interrupted: the recording may run"
            )
            raise
        given.pop("callback_url", None)
        session = evolve(session, parameters={**given, **session.parameters})
        if session.started_at is None and session.status is RecordingStatus.RECORDING:
            session = evolve(session, started_at=sent_at)
        return self.__notify_plugins(session, None)

    def pause(self, session: RecordingSession) -> RecordingSession:
        """Pause recording, for example while a card number is spoken. May be repeated.

        Returns the session as the vendor reports it, also if it does not report a pause: check that
        `session.status` is `paused`. Only then the pause is in `session.pauses`.

        Raises:
            UnsupportedOperation: the vendor cannot pause such a session; nothing was sent
            Unavailable: recording may or may not be paused: call `pause` again
            ProviderError: recording was not paused
        """
        self.__require_operation(Operation.PAUSE, self.__check_session(session).target.kind)
        at = self.clock.now()
        with self.__run_verb(Operation.PAUSE, session.target):
            after = _complete_session(self._pause(session), session)
            after = self.__look_again(after, self.get_shows_pauses, RecordingStatus.PAUSED)
        is_open = bool(after.pauses) and after.pauses[-1].end is None
        if after.status is RecordingStatus.PAUSED and not is_open:
            after = evolve(after, pauses=(*after.pauses, Interval(at)))
        return self.__notify_plugins(after, session)

    def resume(self, session: RecordingSession) -> RecordingSession:
        """Resume recording after a pause. May be repeated.

        Returns the session as the vendor reports it, with the end of the pause in `session.pauses`
        if it is no longer paused. Raises the same errors as `pause`.
        """
        self.__require_operation(Operation.RESUME, self.__check_session(session).target.kind)
        with self.__run_verb(Operation.RESUME, session.target):
            after = _complete_session(self._resume(session), session)
            after = self.__look_again(after, self.get_shows_pauses, RecordingStatus.RECORDING)
        if after.status not in _MAYBE_PAUSED:
            after = close_pause(after, after.stopped_at or self.clock.now())
        return self.__notify_plugins(after, session)

    def stop(self, session: RecordingSession) -> RecordingSession:
        """Stop recording. May be repeated; succeeds if recording has already ended.

        Most vendors process the media after this: call `wait` before you download it.

        Raises:
            UnsupportedOperation: the vendor cannot stop such a session; nothing was sent
            Unavailable: recording may or may not have ended: call `stop` again
            ProviderError: recording was not stopped
        """
        self.__require_operation(Operation.STOP, self.__check_session(session).target.kind)
        at = self.clock.now()
        with self.__run_verb(Operation.STOP, session.target):
            after = self.__look_again(_complete_session(self._stop(session), session), True)
        if session.status in FINAL and after.status in _UNFINISHED:  # a second stop, after the end
            after = evolve(after, status=session.status, provider_status=session.provider_status)
        if after.status in LIVE:  # the vendor accepted the stop, and still reports the old state
            after = evolve(after, status=RecordingStatus.STOPPING)
        if after.stopped_at is None:
            after = evolve(after, stopped_at=at)
        after = close_pause(after, after.stopped_at or at)
        return self.__notify_plugins(after, session)

    def active(self, target: CommunicationSession) -> RecordingSession | None:
        """Return the running recording of a target, or `None`.

        Finds recordings that another process or the vendor itself started.

        Raises:
            UnsupportedOperation: the vendor's API does not report running recordings
        """
        target = self.__check_target(target)
        self.__require_operation(Operation.ACTIVE, target.kind)
        with self.__run_verb(Operation.ACTIVE, target):
            found = self._active(target)
            return evolve(found, target=target) if found is not None else None

    @document_parameters
    def record(
        self,
        target: CommunicationSession,
        *,
        extra: Mapping[str, Any] | None = None,
        **parameters: Unpack[StartParameters],
    ) -> Recorder:
        """Return a context manager that starts recording on entry and stops it on exit.

        It also stops recording if the block raises. It accepts the keywords of `start`, and sends
        nothing before the block is entered.
        """
        return Recorder(self, validation.check_target(target), {"extra": extra, **parameters})

    def wait(self, session: RecordingSession, *, timeout: timedelta) -> RecordingSession:
        """Wait until every recording of the session has a final status, and return the session.

        Final are `available`, `failed`, `empty`, `expired` and `deleted`; a failed recording does
        not raise. The vendor is polled at once, then after 0.5 s, then in intervals that grow to
        10 s.

        Args:
            session: from `start` or a later verb
            timeout: the longest time to wait

        Raises:
            NotReady: the timeout passed, or the session has no id and several recordings may be its
                own; `error.session` is the session as it was last seen
        """
        self.__require_operation(Operation.GET, self.__check_session(session).target.kind)
        limit = validation.check_duration(timeout, "timeout")
        if limit is None:
            raise TypeError("timeout must be a timedelta: a wait without a timeout may never end")
        end = self.clock.monotonic() + limit.total_seconds()
        pause = _FIRST_POLL
        with self.__trace("wait"):
            while True:
                try:
                    # One poll must not outlast the timeout.
                    left = max(end - self.clock.monotonic(), _FIRST_POLL)
                    with self.__complete_errors(Operation.GET, session.target), Deadline(left):
                        session = self._observe(session)
                except (Unavailable, RateLimited) as error:
                    if isinstance(error, Unavailable) and error._is_lasting:
                        raise
                    _log.info("%s wait: polling again after %s", self.name, type(error).__name__)
                # Without recordings: a recording that failed before it had an id has no row.
                if FINAL.issuperset([one.status for one in session.recordings] or [session.status]):
                    return session
                left = end - self.clock.monotonic()
                if left <= 0:
                    raise NotReady(
                        f"The recording of {session.target} is {session.status} after "
                        f"{limit.total_seconds():g} s. Wait longer, or try again later",
                        session=session,
                        provider=self.name,
                        operation="wait",
                    )
                self.clock.sleep(min(pause, left))
                pause = min(pause * 1.5, _SLOWEST_POLL)

    def list(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        target: CommunicationSession | None = None,
        status: RecordingStatus | str | Iterable[RecordingStatus | str] | None = None,
    ) -> Listing:
        """List the recordings in `[since, until)`, each once. See `Listing`.

        The listing is lazy: requests are sent while you iterate over it. Without `since` it covers
        all recordings that the vendor has.

        Args:
            since: an aware datetime, compared with `created_at`, else `started_at`
            until: an aware datetime, exclusive
            target: only recordings of this call, conference or meeting
            status: only recordings with this status, or with one of several

        Raises:
            ValueError: a datetime is naive, or `since` is after `until`
            UnsupportedOperation: the vendor cannot list recordings of such a target
        """
        query = Query(
            validation.check_time(since, "since"),
            validation.check_time(until, "until"),
            self.__check_target(target) if target is not None else None,
            validation.check_statuses(status),
        )
        if query.since is not None and query.until is not None and query.since > query.until:
            raise ValueError("since must not be after until")
        self.__require_operation(Operation.LIST, target.kind if target is not None else None)
        return Listing(
            query,
            self._windows,
            self.__read_page,
            workers=self.http.workers,
            now=self.clock.now,
            not_listable=self.not_listable if target is None else (),
            provider=self.name,
            account=self.account,
        )

    def latest(self, target: CommunicationSession) -> Recording | None:
        """Return the newest available recording of a target, or `None`.

        Reads the complete list of the target's recordings: few vendors define an order.

        Raises:
            UnsupportedOperation: the vendor cannot list recordings of such a target
        """
        oldest = datetime.min.replace(tzinfo=UTC)
        return max(
            self.list(target=validation.check_target(target), status=RecordingStatus.AVAILABLE),
            key=lambda each: each.created_at or each.started_at or oldest,
            default=None,
        )

    def get(
        self, recording_or_id: Recording | str, *, target: CommunicationSession | None = None
    ) -> Recording:
        """Return the current state of a recording from the vendor.

        Args:
            recording_or_id: a recording or its id
            target: the session that was recorded; needed only with a bare id, at vendors that
                address a recording by its session

        Raises:
            NotFound: the vendor has no recording of that id
        """
        recording_id, target = self.__resolve_recording(recording_or_id, target, Operation.GET)
        with self.__run_verb(Operation.GET, f"recording {recording_id}"):
            return self.__get_exact(recording_id, target)

    def download(
        self,
        recording_or_id: Recording | str,
        directory: str | os.PathLike[str] | Destination,
        *,
        target: CommunicationSession | None = None,
        files: FileRole | str | MediaFile | Iterable[FileRole | str | MediaFile] | None = None,
        format: str | None = None,
        timeout: timedelta | None = None,
    ) -> tuple[Copy, ...]:
        """Download the files of a recording into a directory.

        Each file is streamed to a temporary file, checked, and then renamed, so that a final name
        never holds a partial file. The directory is created if it does not exist.

        Args:
            recording_or_id: a recording or its id; read from the vendor if it is an id, or if the
                URLs of its files have expired
            directory: the directory for the files; their names consist of provider, account and id.
                Or a `Destination`, for another storage or other names
            target: as for `get`
            files: only these: a role, an id, a `MediaFile`, or several of them; all without it
            format: one of the formats in which the vendor offers the same file, such as `mp3`;
                without it, each file has the format in which the vendor lists it
            timeout: the longest time for the whole download; without it, the download continues as
                long as bytes arrive

        Returns:
            One `Copy` per file. Before you delete at the vendor, check that each file of the
            recording has one, and that each is `verified`.

        Raises:
            NotReady: the media is not available yet
            NotFound: the recording or its media no longer exists
            UnsupportedOperation: the media is in a storage that the vendor's API does not serve, or
                the vendor does not offer this format; then nothing was sent
            DownloadError: a file failed and left nothing; `error.copies` are those completed before
        """
        # Imported with the first download.
        from recording_core.download.output_file import Destination

        destination = (
            directory if isinstance(directory, Destination) else Destination(Path(directory))
        )
        recording_id, target = self.__resolve_recording(recording_or_id, target, Operation.DOWNLOAD)
        format = self.__check_format(format)
        limit = validation.check_duration(timeout, "timeout")
        seconds = limit.total_seconds() if limit else None
        about = f"recording {recording_id}"
        with self.__complete_errors(Operation.DOWNLOAD, about), Deadline(seconds) as deadline:
            recording = self.__get_fetchable(recording_or_id, recording_id, target)
            if format is not None:
                from recording_core.download.downloader import choose_format

                chosen = (choose_format(self, file, format) for file in recording.files)
                recording = evolve(recording, files=tuple(chosen))
            selected = validation.select_files(recording, files)
            try:
                return self._download(recording, selected, destination, deadline)
            except (AuthenticationFailed, NotReady) as error:
                if recording.status not in FINAL - {RecordingStatus.AVAILABLE}:
                    raise
                message = f"Recording {recording_id} is {recording.status}: {error.message}"
                absent = error.convert(NotFound, message)
                absent.copies = error.copies
                raise absent from None

    def delete(
        self, recording_or_id: Recording | str, *, target: CommunicationSession | None = None
    ) -> None:
        """Delete a recording at the vendor permanently.

        Args:
            recording_or_id: a recording or its id
            target: as for `get`

        Raises:
            NotFound: the vendor has no recording of that id
            UnsupportedOperation: the vendor's API cannot delete recordings
            Unavailable: the recording may or may not be deleted: call `delete` again
        """
        recording_id, target = self.__resolve_recording(recording_or_id, target, Operation.DELETE)
        with self.__run_verb(Operation.DELETE, f"recording {recording_id}"):
            self._delete(recording_id, target)

    def confirm(self, event: RecordingEvent) -> RecordingEvent:
        """Confirm an event: read its recording from the vendor and return it as `trusted`.

        `kind`, `status` and `key` of the returned event correspond to the recording's current
        state, which may differ from the state that the webhook reported.

        Raises:
            ValueError: the event belongs to another provider or account, or has no recording id
            NotFound: the vendor has no such recording
        """
        from recording_core.model.events import RecordingEvent
        from recording_core.model.transitions import confirm_event

        if not isinstance(event, RecordingEvent):
            raise TypeError(f"event must be a RecordingEvent, not {type(event).__name__}")
        self.__check_owner("event", event)
        if event.recording_id is None:
            raise ValueError("the event has no recording id, so that it cannot be confirmed")
        recording = self.get(event.recording_id, target=event.target)
        return confirm_event(event, recording)

    def can(self, operation: Operation, kind: SessionKind | None = None) -> bool:
        """Whether the vendor supports the operation for this kind; without a kind, for any."""
        return self.info.can(operation, kind)

    # -- helpers of the verbs --------------------------------------------------------------------

    def __trace(self, operation: str) -> AbstractContextManager[None]:
        """Return a context with a span of the verb, if the application records spans."""
        # Imported with the first verb.
        from recording_core.transport.telemetry import trace_verb

        return trace_verb(operation, self.name, self.account)

    @contextmanager
    def __complete_errors(self, operation: Operation, subject: object) -> Iterator[None]:
        """Set what a `ProviderError` is about, as far as it does not state it."""
        try:
            with self.__trace(operation):
                yield
        except ProviderError as error:
            error.provider = error.provider or self.name
            error.operation = error.operation or operation
            error.account = error.account or self.account
            error.subject = error.subject or str(subject or "")
            raise

    @contextmanager
    def __run_verb(self, operation: Operation, subject: object) -> Iterator[None]:
        """Limit all exchanges of one verb, or of one page, to the total timeout."""
        deadline = Deadline(self.http.total_timeout, postponable=True)
        with self.__complete_errors(operation, subject), deadline:
            yield

    @contextmanager
    def __convert_to_outcome_unknown(self) -> Iterator[None]:
        """Raise `OutcomeUnknown` for an answer to a start that does not show its effect.

        It is a success that cannot be read, or an error that the vendor also returns after the
        recording may have started.
        """
        try:
            yield
        except OutcomeUnknown:
            raise
        except ProviderError as error:
            unread = isinstance(error, MalformedPayload)
            if not unread and error.code not in self.doubtful_start_codes:
                raise
            if error.operation not in ("", Operation.START):
                raise  # the response to an earlier request, such as authentication
            raise error.convert(
                OutcomeUnknown,
                f"{error.message.rstrip('.')}. The recording may have started: check before you "
                "repeat the start",
            ) from None

    def __look_again(
        self, session: RecordingSession, shows: bool, *wanted: RecordingStatus
    ) -> RecordingSession:
        """Read the recording once more if the answer to a verb does not show a wanted status.

        `shows`: whether another answer of the vendor could.
        """
        is_shown = session.status not in MAYBE_LIVE.difference(wanted)
        if is_shown or not shows or session.id is None:
            return session
        self.clock.sleep(_FIRST_POLL)  # a vendor may answer before the verb takes effect
        try:
            found = self.__get_exact(session.id, session.target)
        except ProviderError:
            return session  # the vendor has accepted the verb, and shows no other state
        return evolve(session, status=found.status, provider_status=found.provider_status)

    def _observe(self, session: RecordingSession) -> RecordingSession:
        """Read the current state of a session and its recordings, for `wait`."""
        from recording_core.model.transitions import update_session

        recording_id = session.id
        if recording_id is None:
            candidates = self._find_candidates(session)
            if not candidates:
                return session
            if len(candidates) > 1:
                raise NotReady(
                    f"{self.info.label} has {len(candidates)} recordings of {session.target} that "
                    "may be the one of this session, which has no id: "
                    f"{', '.join(each.id for each in candidates[:10])}. Call get with the right id",
                    session=session,
                    provider=self.name,
                    operation="wait",
                )
            recording_id = candidates[0].id
        found = self.__get_exact(recording_id, session.target)
        return update_session(session, (found,))

    def _find_candidates(self, session: RecordingSession) -> Sequence[Recording]:
        """Find the recordings that may be the one of a session without an id.

        They are those of its webhooks, or else of the list, that began after the session's start,
        as far as two clocks that differ show that.
        """
        from recording_core.model.transitions import CLOCK_SKEW, began_before

        start = session.started_at
        found = session.recordings or self.list(
            since=start - CLOCK_SKEW if start is not None else None, target=session.target
        )
        return [
            each
            for each in found
            if not began_before(each, session)
            # By clocks that agree, one that ended before is not it; by others, the wait is longer.
            and not (start is not None and each.ended_at is not None and each.ended_at < start)
        ]

    def __get_exact(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        """Read a recording and check that the response is about that recording."""
        recording = self._get(recording_id, target)
        if recording.id.casefold() != recording_id.casefold():
            raise MalformedPayload(
                f"The vendor returned another recording than {recording_id}, which was requested"
            )
        return set_target(recording, target)

    def __read_page(self, query: Query, window: Window, cursor: Any) -> Page:
        with self.__run_verb(Operation.LIST, query.target):
            page = self._page(query, window, cursor)
        target = query.target
        if target is None:
            return page
        return evolve(page, rows=page.rows.convert(lambda found: set_target(found, target)))

    def __get_fetchable(
        self, given: Recording | str, recording_id: str, target: CommunicationSession | None
    ) -> Recording:
        """Return the given recording if its files can be fetched now, else read it again."""
        if isinstance(given, Recording) and _is_fetchable(given, self.clock.now()):
            return given
        recording = self.__get_exact(recording_id, target)
        fetchable = {RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN, *self.inferred_statuses}
        if recording.status in fetchable:
            return recording
        state = f"Recording {recording_id} is {recording.status}"
        if recording.status in FINAL:
            raise NotFound(f"{state}: it has no media to download")
        raise NotReady(f"{state}: its media is not available yet. Wait for it")

    def _download(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        destination: Destination,
        deadline: Deadline,
    ) -> tuple[Copy, ...]:
        from recording_core.download.downloader import download_files

        return download_files(self, recording, files, destination, deadline)

    def __check_format(self, format: str | None) -> str | None:
        format = validation.check_word(format, "format")
        if format is None or format in self.download_formats:
            return format
        offer = f"offers {', '.join(self.download_formats)}, and not {format!r}"
        if not self.download_formats:
            offer = "offers each file in one format: leave out format"
        raise UnsupportedOperation(f"{self.info.label} {offer}")

    def __require_operation(self, operation: Operation, kind: SessionKind | None) -> None:
        """Raise `UnsupportedOperation` if the vendor's API has no such request."""
        if self.info.can(operation, kind):
            return
        kinds = [each for each in SessionKind if self.info.can(operation, each)]
        verb = "find active" if operation is Operation.ACTIVE else operation
        what = f"{verb} recordings of a {kind}" if kind else f"{verb} recordings"
        only = f". It supports this for: {', '.join(kinds)}" if kinds else ""
        raise UnsupportedOperation(f"{self.info.label} cannot {what}{only}")

    def __check_session(self, session: RecordingSession) -> RecordingSession:
        if not isinstance(session, RecordingSession):
            raise TypeError(f"session must be a RecordingSession, not {type(session).__name__}")
        self.__check_owner("session", session)
        if session.id is not None:
            check_id(session.id, "the id of a session")
        return session

    def __check_target(self, target: CommunicationSession) -> CommunicationSession:
        return self._normalize_target(validation.check_target(target))

    def __check_owner(
        self, what: str, given: Recording | RecordingSession | RecordingEvent
    ) -> None:
        if given.provider != self.name:
            raise ValueError(f"the {what} belongs to {given.provider}, not to {self.name}")
        # Several accounts may have conferences of the same name: without this check, a verb could
        # act on the wrong one.
        if given.account != self.account:
            raise ValueError(
                f"the {what} belongs to account {given.account!r}, and this connection to "
                f"{self.account!r}: connect with account={given.account!r}"
            )

    def __resolve_recording(
        self,
        given: Recording | str,
        target: CommunicationSession | None,
        operation: Operation,
    ) -> tuple[str, CommunicationSession | None]:
        """Check the arguments of a verb on a recording, and return its id and target."""
        if target is not None:
            target = self.__check_target(target)
        kind = None
        if isinstance(given, Recording):
            self.__check_owner("recording", given)
            target, kind, given = target or given.target, given.kind, given.id
        recording_id = check_id(given, "the id of a recording")
        self.__require_operation(operation, target.kind if target is not None else kind)
        return recording_id, target

    def __notify_plugins(
        self, session: RecordingSession, previous: RecordingSession | None
    ) -> RecordingSession:
        plugins.notify_plugins("recording_session_changed", session=session, previous=previous)
        return session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __dir__(self) -> Iterable[str]:
        """List the names for applications, which a shell completes; authors have others."""
        internal = {name for name in dir(ProviderBase) if not name.startswith("_")} | set(
            vars(self)
        )
        public = {"account", "close", "info", "name", "not_listable"}
        return sorted({*dir(type(self))} - internal | public)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} account={self.account!r} at {self.transport.base_url}>"

    def __reduce__(self) -> str:
        raise TypeError("a provider holds credentials and is not pickled: connect again there")


def _is_fetchable(recording: Recording, now: datetime) -> bool:
    """Whether the files of a recording can be fetched without reading the recording again."""
    return (
        recording.status is RecordingStatus.AVAILABLE
        and bool(recording.files)
        # A list may contain less than `get` returns, and the format is part of the file name.
        and all(
            file.url is not None
            and file.format is not None
            and (file.url_expires_at is None or file.url_expires_at > now)
            for file in recording.files
        )
    )


def _complete_session(after: RecordingSession, before: RecordingSession) -> RecordingSession:
    """Complete the session after a verb by what the vendor's answer does not report."""
    return evolve(
        after,
        id=after.id or before.id,
        target=before.target,
        started_at=after.started_at or before.started_at,
        stopped_at=after.stopped_at or before.stopped_at,
        pauses=after.pauses or before.pauses,
        parameters={**before.parameters, **after.parameters},
        recordings=after.recordings or before.recordings,
        start_id=after.start_id or before.start_id,
    )


def _check_session_id(session: RecordingSession) -> RecordingSession:
    """Check the id that `_start` returned. Raises `Conflict` for an all-zero id."""
    if session.id is not None:
        if not session.id.strip("0-"):
            raise Conflict("The vendor returned an all-zero id: no recording was started")
        try:
            check_id(session.id, "the id of the recording")
        except ValueError as error:
            raise MalformedPayload(f"The vendor returned an unusable id: {error}") from None
    return session
