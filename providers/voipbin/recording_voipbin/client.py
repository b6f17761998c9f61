"""Client: the requests to VoIPBin's API. `mapping` reads the responses."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from urllib.parse import quote
from zipfile import ZipInfo

from attrs import evolve

from recording_core import (
    AuthenticationFailed,
    CommunicationSession,
    ConfigurationError,
    Conflict,
    Copy,
    FileRole,
    MalformedPayload,
    MediaFile,
    NotFound,
    NotReady,
    OutcomeUnknown,
    Provider,
    ProviderError,
    Recording,
    RecordingSession,
    RecordingStatus,
    Rejected,
    SessionKind,
    Unavailable,
)
from recording_core.plugin import (
    LIVE,
    AuthBase,
    Bounds,
    Deadline,
    Destination,
    ErrorDetails,
    HeaderAuth,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    Window,
    fetch_temporarily,
    read_rows,
    store_files,
)
from recording_voipbin import mapping
from recording_voipbin.archive import ZipArchive, open_archive
from recording_voipbin.storage import PAGE_SIZE, ListPosition, StorageReader, find_new_rows

#: The only value of `format`. It is always sent: the schema requires it, and the server has no
#: default: it would name the files `..._in.`, and report no format.
FORMAT = "wav"
#: Our keyword -> its bounds, by kind. https://api.voipbin.net/openapi.json; the source ends a
#: conference's recording after 24 hours, also if the `duration` is longer.
#: Given by `extra`: `on_end_flow_id`, and for calls `end_of_silence` and `end_of_key`.
PARAMETERS: Mapping[SessionKind, Mapping[str, Bounds]] = {
    SessionKind.CALL: {"format": Bounds(values=(FORMAT,)), "max_duration": Bounds()},
    SessionKind.CONFERENCE: {
        "format": Bounds(values=(FORMAT,)),
        "max_duration": Bounds(most=mapping.MAX_DURATION),
    },
}

#: A list without `since` has one window per year since this one, and one for the time before.
FIRST_YEAR = 2020
#: From a recording's creation until its files are stored, unless it lasts very long.
STORAGE_SPAN = mapping.MAX_DURATION + mapping.MAX_STORAGE_DELAY
#: The most recordings of a target on one page. Each of them is a request of its own.
IDS_PER_PAGE = 10

#: The likely reasons why a start has no effect. Only the stop of a running recording clears the
#: `recording_id` of a conference, and nothing else does; a stop clears that of a call at any time.
#: https://github.com/voipbin/monorepo, conferencehandler/recording.go, recordinghandler/stop.go
NO_START: Mapping[SessionKind, str] = {
    SessionKind.CALL: (
        "It is being recorded already, or is not running, or has a recording that ended and was "
        "never stopped: stop that one, and start again"
    ),
    SessionKind.CONFERENCE: (
        "It is being recorded already, or is not running, or had a recording that ended without a "
        "stop: VoIPBin cannot record such a conference again. Record its calls, or a new conference"
    ),
}

#: With an unknown status it may still be recording.
MAYBE_LIVE = LIVE | {RecordingStatus.UNKNOWN}

#: What the value of a cookie consists of: RFC 6265, 4.1.1. Compiled on first use.
COOKIE_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"

#: For a list whose recording has files that a few pages do not reach.
NOT_REACHED = (
    "the files of a recording are not among those on the two pages of /storage_files that are read "
    "for one recording: it is reported as available, and its files are not listed"
)

#: The doubt of the one leg that an archive has, if no list of files names the legs.
LEG_MISSING = ("VoIPBin's archive has one of the two legs of this call",)


class VoIPBin(Provider):
    """A customer of VoIPBin."""

    default_base_url = "https://api.voipbin.net/v1.0"
    account_field = "customer_id"
    #: https://docs.voipbin.net, RESTful API: shared by all credentials of a customer
    rate = 16.7
    burst = 33.0
    #: the server builds a ZIP at the first request, for up to five minutes
    media_first_byte = 330.0
    path_words = (
        "calls conferences file recording_start recording_stop recordingfiles recordings "
        "storage_files"
    )
    start_parameters = PARAMETERS
    inferred_statuses = frozenset({RecordingStatus.FAILED})
    known_fields = mapping.KNOWN_FIELDS

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        token, accesskey = settings["token"], settings["accesskey"]
        if bool(token) == bool(accesskey):
            # With both, the server would ignore the access key.
            raise ConfigurationError(
                "VoIPBin needs either token (VOIPBIN_TOKEN, a JWT) or accesskey "
                f"(VOIPBIN_ACCESSKEY): {'both are' if token else 'neither is'} set"
            )
        if token:
            return HeaderAuth("Authorization", f"Bearer {token}")
        if not re.fullmatch(COOKIE_VALUE, accesskey):
            raise ConfigurationError(
                "The accesskey of VoIPBin contains a character that a cookie cannot carry (a "
                "quotation mark, comma, semicolon or backslash): check that it was copied correctly"
            )
        # https://github.com/voipbin/monorepo, lib/middleware/authenticate.go: the cookie precedes
        # the query, and no other header is read. In the query, the key would be in every URL.
        return HeaderAuth("Cookie", f"accesskey={accesskey}")

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    def _control(self) -> object:
        params = {"page_size": "1"}
        response = self.transport.get("recordings", operation="list", params=params)
        return mapping.read_page(response.payload)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        path = f"{_build_target_path(request.target)}/recording_start"
        body = _build_start_body(request)
        try:
            response = self.transport.request(
                "POST", path, operation="start", json=body, retry=RetryPolicy.NEVER
            )
        except ProviderError as error:
            if error.status == 500 and request.target.kind is SessionKind.CALL:
                # https://docs.voipbin.net documents 409 for these; the source has no such status.
                reason = (
                    "A recording may be running already: VoIPBin returns this error also to a "
                    "second start, to a start after a recording that ended and was never stopped, "
                    "and for a call that is not answered. active() returns the running recording"
                )
            elif (
                isinstance(error, Rejected)
                and error.status == 400
                and error.code not in mapping.NOT_STARTED
            ):
                reason = (
                    "The recording may have started: VoIPBin returns this error for every failure "
                    "behind its API. Check with list(since=) before you repeat the start"
                )
            else:
                raise
            raise error.convert(OutcomeUnknown, f"{error.message}. {reason}") from None
        payload = _require_object(response.payload)
        recording_id = mapping.read_current_recording_id(payload)
        if recording_id is None or payload.get("id") == mapping.NIL:
            raise Conflict(
                f"VoIPBin did not start a recording of {request.target}, and gave no reason. "
                f"{NO_START[request.target.kind]}",
                status=response.status,
                body=payload,
            )
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=recording_id,
            target=request.target,
            raw=payload,
        )

    def _stop(self, session: RecordingSession) -> RecordingSession:
        is_stopping = self._send_stop(session)
        status = RecordingStatus.STOPPING if is_stopping else RecordingStatus.PROCESSING
        # A session that is known to have ended keeps its status.
        return evolve(session, status=status) if session.status in MAYBE_LIVE else session

    def _send_stop(self, session: RecordingSession) -> bool:
        """Stop the target's recording. Returns whether the session's was running."""
        # A stop names the call or conference only: it would end a newer recording of it.
        if session.id is not None and self._has_other_recording(session):
            return False
        path = f"{_build_target_path(session.target)}/recording_stop"
        try:
            response = self.transport.request(
                "POST", path, operation="stop", retry=RetryPolicy.IF_NOT_PROCESSED
            )
        except ProviderError:
            # 500 for a call and 400 for a conference may mean that nothing is being recorded.
            if not self._has_stopped(session):
                raise
            return False
        payload = _require_object(response.payload)
        if payload.get("id") != mapping.NIL:
            return True
        # The target has no current recording. That proves no end: errors of a hang-up are only
        # logged, and the `recording_id` is cleared nevertheless.
        if not self._has_stopped(session):
            recording = f"recording {session.id}" if session.id else "its recording"
            raise Conflict(
                f"VoIPBin stopped nothing: {session.target} has no current recording, and nothing "
                f"shows that {recording} has ended. Look at it with get(), or end the "
                f"{session.target.kind} itself",
                status=response.status,
                body=payload,
            )
        return False

    def _has_other_recording(self, session: RecordingSession) -> bool:
        """Whether the target's current recording is another one than the session's."""
        try:
            payload = self._fetch_target(session.target, "stop", RetryPolicy.IF_NOT_PROCESSED)
            return mapping.read_current_recording_id(payload) not in (None, session.id)
        except ProviderError:
            return False  # a stop must neither wait for this request nor fail because of it

    def _has_stopped(self, session: RecordingSession) -> bool:
        """Whether the session, whose stop had no effect, is no longer being recorded."""
        try:
            if session.id is None:
                return self._active(session.target) is None
            recording = self._fetch_recording(session.id, "stop")
        except ProviderError:
            return False  # the error of the stop is raised
        return not _is_maybe_recording(recording)

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        payload = self._fetch_target(target, "active")
        recording_id = mapping.read_current_recording_id(payload)
        if recording_id is None:
            return None
        try:
            recording = self._fetch_recording(recording_id, "active")
        except NotFound:
            return None  # it was deleted, and its status cannot be read
        return mapping.build_session(recording, target) if _is_maybe_recording(recording) else None

    # -- lists -----------------------------------------------------------------------------------

    def _windows(self, query: Query) -> Sequence[Window]:
        """Build windows, newest first. They can be read in parallel: page tokens are times."""
        if query.target is not None:
            return (Window(query.since, query.until),)
        now = self.clock.now()
        end = now if query.until is None else min(query.until, now)
        cuts: list[datetime] = []
        if query.since is None:
            years = range(end.year, FIRST_YEAR - 1, -1)
            cuts = [at for year in years if (at := datetime(year, 1, 1, tzinfo=UTC)) < end]
        elif query.since < end:
            span = end - query.since
            count = min(self.http.workers, span.days)
            cuts = [end - span * number / count for number in range(1, count)]
        bounds = (query.until, *cuts, query.since)
        return [Window(since, until) for until, since in pairwise(bounds)]

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        if query.target is not None:
            return self._build_target_page(query.target, cursor)
        if cursor is None:
            start = window.until + STORAGE_SPAN if window.until is not None else None
            cursor = ListPosition(window.until), self._open_storage(start, "list")
        position, storage = cursor
        rows, next_position = self._fetch_rows("recordings", position, "list")
        inside = rows
        if rows and _is_older(rows[-1], window.since):  # the oldest one
            inside = [row for row in rows if not _is_older(row, window.since)]
        page_rows = read_rows(inside, self._read_recording)
        errors: list[str] = []
        oldest = next_position.before if next_position is not None else None
        return Page(
            self._add_stored_files(page_rows.recordings, storage, errors, oldest),
            tuple(page_rows.unreadable),
            next=(next_position, storage) if next_position is not None else None,
            is_last=next_position is None or len(inside) < len(rows),
            errors=tuple(errors),
            stable_cursor=True,  # it names a time
        )

    def _add_stored_files(
        self,
        recordings: Sequence[Recording],
        storage: StorageReader,
        problems: list[str],
        oldest: datetime | None,
    ) -> list[Recording]:
        """Add the files to a page's recordings, and the problems with files to `problems`.

        `oldest` is the time of the page's last row, for recordings without a readable time.
        """
        ended = [each for each in recordings if mapping.may_have_files(each)]
        times = [at for each in ended if (at := each.created_at or oldest) is not None]
        if times:
            storage.read_back_to(min(times))
        problems += storage.problems
        result: list[Recording] = []
        for each in recordings:
            if mapping.is_very_long(each) and not storage.has_failed:
                result.append(self._find_files(each, "list", problems))
            else:
                files, now = storage.find_files(each), self.clock.now()
                is_complete = not storage.has_unread_file(each, files or ())
                result.append(mapping.add_files(each, files, now, is_complete=is_complete))
        if times:
            storage.discard_files_since(min(times) + STORAGE_SPAN)  # the next rows are older
        return result

    def _build_target_page(self, target: CommunicationSession, cursor: Any) -> Page:
        """Build a page of a target's recordings: the list has no filter, but a target has ids."""
        unreadable: list[str] = []
        if cursor is None:
            row = self._fetch_target(target, "list")
            cursor, unreadable = mapping.read_recording_ids(row)
        remaining: deque[str] = deque(cursor)
        recordings: list[Recording] = []
        errors: list[str] = []
        while remaining and len(recordings) + len(unreadable) < IDS_PER_PAGE:
            try:
                recording = self._fetch_recording(remaining.popleft(), "list")
                recordings.append(self._find_files(recording, "list", errors))
            except NotFound as error:
                # It was deleted; its call or conference keeps its id.
                if not error.absent:
                    raise
            except MalformedPayload as error:
                unreadable.append(error.message)
        return Page(
            recordings,
            tuple(unreadable),
            next=tuple(remaining) or None,
            is_last=not remaining,
            errors=tuple(errors),
            stable_cursor=True,
        )

    # -- one recording ---------------------------------------------------------------------------

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        return self._find_files(self._fetch_recording(recording_id, "get"), "get", [])

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        path = _build_recording_path(recording_id)
        self.transport.request("DELETE", path, operation="delete", retry=RetryPolicy.IDEMPOTENT)

    def _find_files(self, recording: Recording, operation: str, problems: list[str]) -> Recording:
        """Find the files of one recording, and return it with them. Adds to `problems`.

        It sends at most two requests. If they do not reach all files, none was seen.
        """
        if not mapping.may_have_files(recording):
            return recording
        times = mapping.compute_storage_times(recording)
        storage = self._open_storage(times.latest if times is not None else None, operation)
        is_read = storage.read_files_of(recording)
        problems += storage.problems
        files = storage.find_files(recording)
        if not is_read and files is not None:
            problems.append(NOT_REACHED)
            files = None
        is_complete = not storage.has_unread_file(recording, files or ())
        return mapping.add_files(recording, files, self.clock.now(), is_complete=is_complete)

    def _open_storage(self, start: datetime | None, operation: str) -> StorageReader:
        """Open the list of files stored before `start`. A time in the future is not a bound."""
        if start is not None and start >= self.clock.now():
            start = None
        return StorageReader(
            self.transport.base_url,
            lambda position: self._fetch_rows("storage_files", position, operation),
            ListPosition(start),
        )

    # -- media -----------------------------------------------------------------------------------

    def _download(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        destination: Destination,
        deadline: Deadline,
    ) -> tuple[Copy, ...]:
        if recording.files:
            try:
                return super()._download(recording, files, destination, deadline)
            except (AuthenticationFailed, NotFound, NotReady) as error:
                # Another answer of the API, or one of the storage, is the same for the archive.
                if error.code not in mapping.FILE_REFUSED or error.copies:
                    raise
        return self._download_archive(recording, files, destination, deadline)

    def _download_archive(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        destination: Destination,
        deadline: Deadline,
    ) -> tuple[Copy, ...]:
        """Download the ZIP of a recording: its files could not be seen, or are refused."""
        url = f"{self.transport.base_url}/recordingfiles/{quote(recording.id, safe='')}"
        archive_file = MediaFile(id="archive", role=FileRole.MIX, format="zip", url=url)
        facts = {"provider": self.name, "recording_id": recording.id}
        max_bytes = mapping.compute_max_leg_bytes(recording)
        with ExitStack() as stack:
            try:
                path = stack.enter_context(
                    fetch_temporarily(
                        self.media,
                        archive_file,
                        destination.build_path(recording, archive_file, alone=True),
                        clock=self.clock,
                        retries=self.http.retries,
                        deadline=deadline,
                        facts=facts,
                        max_bytes=4 * max_bytes,  # two legs, and a margin
                    )
                )
            except NotFound as error:
                # Raises NotFound if the recording itself does not exist any more.
                self._fetch_recording(recording.id, "download")
                if error.status == 410:
                    raise
                raise NotReady(
                    f"Recording {recording.id} exists, and VoIPBin returned {error.status} for its "
                    "archive. Try again in a minute",
                    status=error.status,
                ) from None
            archive = stack.enter_context(open_archive(path, max_bytes=max_bytes, facts=facts))

            def check_deadline() -> None:
                if deadline.expired:
                    raise Unavailable(
                        f"The files were not unpacked within {deadline.seconds:g} s. "
                        "Nothing was stored"
                    )

            is_over = mapping.is_storage_over(recording, self.clock.now())
            entries = _match_entries(recording, archive, is_over=is_over)
            doubts: tuple[str, ...] = ()
            if not recording.files:
                files = tuple(entries)
                doubts = LEG_MISSING if len(files) < mapping.count_legs(recording, files) else ()
            alone = len(entries) == 1
            paths = [destination.build_path(recording, file, alone=alone) for file in files]
            contents = [archive.read_chunks(entries[file], check_deadline) for file in files]
            stored = store_files(
                zip(files, paths, contents, strict=True),
                facts=facts,
                max_bytes=self.http.max_media_bytes,
                open_file=destination.open_file,
            )
            copies = (
                fetched.build_copy(self, recording, file, path)
                for file, path, fetched in zip(files, paths, stored, strict=True)
            )
            return tuple(evolve(copy, doubts=(*copy.doubts, *doubts)) for copy in copies)

    # -- responses -------------------------------------------------------------------------------

    def _fetch_rows(
        self, path: str, position: ListPosition, operation: str
    ) -> tuple[Sequence[Any], ListPosition | None]:
        """Fetch a page of recordings or stored files, newest first.

        Returns its rows that were not read before, and the position after it.
        """
        params = {"page_size": str(PAGE_SIZE)}
        if position.before is not None:
            params["page_token"] = mapping.format_page_token(position.before)
        response = self.transport.get(path, operation=operation, params=params)
        rows, token = mapping.read_page(response.payload)
        return find_new_rows(position, rows, token)

    def _fetch_recording(self, recording_id: str, operation: str) -> Recording:
        """Fetch a recording without its files."""
        row = self._fetch_object(_build_recording_path(recording_id), operation)
        recording = self._read_recording(row)
        if recording.id.lower() != recording_id.lower():
            raise MalformedPayload("The response is about another recording", path="id")
        return recording

    def _fetch_target(
        self,
        target: CommunicationSession,
        operation: str,
        retry: RetryPolicy = RetryPolicy.IDEMPOTENT,
    ) -> Mapping[str, Any]:
        """Fetch a call or conference. Raises `NotFound` also if it was deleted."""
        try:
            return self._fetch_object(_build_target_path(target), operation, retry)
        except Conflict as error:
            if error.code != mapping.DELETED_SESSION:
                raise
            raise error.convert(NotFound, f"{target} was deleted: {error.message}") from None

    def _fetch_object(
        self, path: str, operation: str, retry: RetryPolicy = RetryPolicy.IDEMPOTENT
    ) -> Mapping[str, Any]:
        response = self.transport.request("GET", path, operation=operation, retry=retry)
        return _require_object(response.payload)

    def _read_recording(self, row: Mapping[str, Any]) -> Recording:
        return mapping.read_recording(row, self.account)


def _require_object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise MalformedPayload("The response is not a JSON object")
    return payload


def _match_entries(
    recording: Recording, archive: ZipArchive, *, is_over: bool
) -> Mapping[MediaFile, ZipInfo]:
    """Return the entry of each of the recording's files, or of those that the archive names.

    `is_over` is whether no file can be stored any more: then the archive is the last word. Raises
    `NotReady` if files are missing, and `NotFound` if none will ever be there.
    """
    found, files = archive.entries, recording.files
    name = f"The archive of recording {recording.id}"
    if len(found) < len(files):
        # The server keeps an archive from which it left out a file that it could not read.
        raise NotReady(
            f"{name} has {len(found)} of the {len(files)} files that VoIPBin's storage lists, and "
            "VoIPBin keeps such an archive. If another attempt has the same result, ask VoIPBin"
        )
    if files:
        return archive.match_files(files)
    # The list of stored files could not be read: the archive alone names them, newest first.
    entries = sorted(found, key=lambda each: each.filename)
    words = [mapping.find_leg(each.filename) for each in entries]
    if None in words or len(set(words)) < len(words):
        words = [str(number) for number in range(1, len(entries) + 1)]
    legs = [
        mapping.build_leg(f"leg-{word}", each.filename, each.file_size or None, recording.format)
        for word, each in zip(words, entries, strict=True)
    ]
    expected = mapping.count_legs(recording, legs)
    if len(found) < expected and not is_over:
        raise NotReady(
            f"{name} has {len(found)} of {expected} files: the others are not stored yet, or never "
            "will be. Try again in a minute"
        )
    if not found:
        reason = recording.error or "VoIPBin stored no file in the hour after the recording's end"
        raise NotFound(f"{name} is empty: {reason}")
    return dict(zip(legs, entries, strict=True))


def _is_older(row: Any, since: datetime | None) -> bool:
    if since is None:
        return False
    created_at = mapping.read_row_time(row, "tm_create")
    return created_at is not None and created_at < since


def _is_maybe_recording(recording: Recording) -> bool:
    return recording.status in MAYBE_LIVE and recording.ended_at is None


def _build_target_path(target: CommunicationSession) -> str:
    return f"{target.kind}s/{quote(target.id, safe='')}"


def _build_recording_path(recording_id: str) -> str:
    return f"recordings/{quote(recording_id, safe='')}"


def _build_start_body(request: StartRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"format": request.format or FORMAT}
    if request.max_duration is not None:
        body["duration"] = max(1, round(request.max_duration.total_seconds()))
    return request.merge(body)
