"""How is VoIPBin asked? Requests are built here, sent by transport, read by mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import evolve, field, frozen
from requests import PreparedRequest
from requests.auth import AuthBase

from recording_core import (
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
    SessionKind,
    Unavailable,
    UnsupportedOperation,
)
from recording_core.plugin import (
    LIVE,
    Deadline,
    ErrorDetails,
    HeaderAuth,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    Window,
    build_file_name,
    fetch_temporarily,
    read_rows,
    store_files,
)
from recording_voipbin import mapping
from recording_voipbin.archive import Archive, open_archive
from recording_voipbin.storage import PAGE_SIZE, Place, Storage, following

#: Our keyword -> VoIPBin's, of calls and conferences. What else it knows goes through `extra`:
#: on_end_flow_id, and for calls end_of_silence and end_of_key. https://api.voipbin.net/openapi.json
PARAMETERS: Mapping[str, str] = {"format": "format", "max_duration": "duration"}
#: The one word of its enum. It is sent always: the server makes a file's name of it, unchecked.
FORMATS = ("wav",)

#: A sweep without `since` has a window for each year from this one on, and one for all before.
BEGINNING = 2020
DAY = timedelta(days=1)
#: From a recording's creation until its files are stored, unless it lasts for very long.
REACH = mapping.LONGEST + mapping.LATEST_STORED
#: How many of a target's recordings are on one page of ours; each is asked for by itself.
IDS_A_PAGE = 10


class QueryAuth(AuthBase):
    """Signs in with one parameter of the query, since no header takes it. Its repr shows none."""

    def __init__(self, name: str, value: str) -> None:
        self._name, self._value = name, value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.prepare_url(request.url, {self._name: self._value})
        return request

    def __repr__(self) -> str:
        return f"<QueryAuth {self._name}>"


@frozen
class _Cursor:
    """Where a window's sweep stands, and what was read of storage on the way."""

    place: Place
    storage: Storage = field(eq=False, repr=False)


class VoIPBin(Provider):
    """A VoIPBin customer's account."""

    default_base_url = "https://api.voipbin.net/v1.0"
    #: https://docs.voipbin.net, RESTful API: a customer's, whoever asks
    rate = 16.7
    burst = 33.0
    #: the server zips on the first request, for up to five minutes
    media_first_byte = 330.0
    start_parameters: ClassVar[Mapping[SessionKind, frozenset[str]]] = {
        SessionKind.CALL: frozenset(PARAMETERS),
        SessionKind.CONFERENCE: frozenset(PARAMETERS),
    }
    formats: ClassVar[Mapping[SessionKind, tuple[str, ...]]] = {
        SessionKind.CALL: FORMATS,
        SessionKind.CONFERENCE: FORMATS,
    }

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        token, accesskey = settings["token"], settings["accesskey"]
        if bool(token) == bool(accesskey):
            # With both, the server would look at the token alone.
            raise ConfigurationError(
                "voipbin needs either token (VOIPBIN_TOKEN, a JWT) or accesskey "
                f"(VOIPBIN_ACCESSKEY); {'both are' if token else 'neither is'} set"
            )
        if token:
            return HeaderAuth("Authorization", f"Bearer {token}")
        return QueryAuth("accesskey", accesskey)

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        try:
            answer = self.transport.request(
                "POST",
                f"{_path(request.target)}/recording_start",
                operation="start",
                json=_start_body(request),
                retry=RetryPolicy.NEVER,
            )
        except OutcomeUnknown as error:
            if error.status != 500:
                raise
            # The pages promise 409 for both; the server has no such code.
            raise OutcomeUnknown(
                f"{error.message}. One may be running already: VoIPBin answers so to a second "
                "start, too, after a recording that ended and was never stopped, and for a call "
                "that is not answered. active() shows what runs",
                provider=error.provider,
                operation=error.operation,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                body=error.body,
            ) from None
        payload = self._object(answer.payload, "start")
        recording_id = mapping.running_id(payload)
        if recording_id is None or payload.get("id") == mapping.NIL:
            raise Conflict(
                f"VoIPBin did not start, and does not say why: {request.target} is recorded "
                "already, was and was never stopped, or is not running",
                provider=self.name,
                operation="start",
                status=answer.status,
                body=payload,
            )
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=recording_id,
            target=request.target,
            status=RecordingStatus.PENDING,
            raw=payload,
        )

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # It stops whatever is recorded there. What somebody began after ours is left alone.
        if session.id is not None and self._is_of_another(session):
            return _after_stop(session, RecordingStatus.PROCESSING)
        try:
            answer = self.transport.request(
                "POST",
                f"{_path(session.target)}/recording_stop",
                operation="stop",
                retry=RetryPolicy.IF_NOT_PROCESSED,
            )
        except ProviderError:
            # 500 of a call and 400 of a conference may mean that nothing is recorded any more.
            if not self._is_over(session):
                raise
            return _after_stop(session, RecordingStatus.PROCESSING)
        if self._object(answer.payload, "stop").get("id") == mapping.NIL:
            return _after_stop(session, RecordingStatus.PROCESSING)  # there was nothing to stop
        return _after_stop(session, RecordingStatus.STOPPING)

    def _is_of_another(self, session: RecordingSession) -> bool:
        """Whether what is recorded there now is another recording than the session's."""
        try:
            answer = self.transport.request(
                "GET", _path(session.target), operation="stop", retry=RetryPolicy.IF_NOT_PROCESSED
            )
            running = mapping.running_id(self._object(answer.payload, "stop"))
        except ProviderError:
            return False  # a stop must neither wait nor fail because one could not look
        return running not in (None, session.id)

    def _is_over(self, session: RecordingSession) -> bool:
        """Whether what a stop was refused for is not recorded any more."""
        try:
            if session.id is None:
                return self._active(session.target) is None
            seen = self._seen(session.id, "stop")
        except ProviderError:
            return False  # then the refusal counts
        return not _may_record(seen)

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        recording_id = mapping.running_id(self._row(_path(target), "active"))
        if recording_id is None:
            return None
        try:
            seen = self._seen(recording_id, "active")
        except NotFound:
            return None  # it was deleted, and says no more
        return mapping.session(seen, target) if _may_record(seen) else None

    # -- lists -----------------------------------------------------------------------------------

    def _windows(self, query: Query) -> Sequence[Window]:
        """Windows that can be read at once, newest first: page tokens are times."""
        if query.target is not None:
            return (Window(query.since, query.until),)
        now = self.clock.now()
        end = now if query.until is None else min(query.until, now)
        cuts: list[datetime] = []
        if query.since is None:
            years = range(end.year, BEGINNING - 1, -1)
            cuts = [at for year in years if (at := datetime(year, 1, 1, tzinfo=UTC)) < end]
        elif query.since < end:
            span = end - query.since
            count = min(self.http.workers, span // DAY)
            cuts = [end - span * number / count for number in range(1, count)]
        return [
            Window(since, until)
            for until, since in zip((query.until, *cuts), (*cuts, query.since), strict=True)
        ]

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        if query.target is not None:
            return self._page_of(query.target, cursor)
        if cursor is None:
            start = window.until + REACH if window.until is not None else None
            cursor = _Cursor(Place(window.until), self._storage(start, "list"))
        rows, after = self._rows("recordings", cursor.place, "list")
        inside = [row for row in rows if not _is_before(window.since, row)]
        read = read_rows(inside, self._read)
        joined, errors = self._joined(read.recordings, cursor.storage)
        last = after is None or len(inside) < len(rows)
        return Page(
            joined,
            tuple(read.unreadable),
            next=evolve(cursor, place=after) if after is not None else None,
            is_last=last,
            errors=errors,
            stable_cursor=True,  # a moment in time stays where it is
        )

    def _joined(
        self, recordings: Sequence[Recording], storage: Storage
    ) -> tuple[list[Recording], tuple[str, ...]]:
        """A page's recordings with their files, and what was wrong with those."""
        wanted = [each for each in recordings if mapping.may_have_files(each)]
        if needed := [each.created_at for each in wanted if each.created_at is not None]:
            storage.read_back_to(min(needed))
        joined: list[Recording] = []
        errors = [*storage.errors, *storage.unreadable]
        for each in recordings:
            if not mapping.may_have_files(each):
                joined.append(each)
            elif mapping.is_very_long(each) and not storage.failed:
                whole, more = self._with_files(each, "list")
                joined.append(whole)
                errors += more
            else:
                files = storage.files_of(each)
                joined.append(mapping.with_files(each, files, self.clock.now()))
        if needed:
            storage.forget_from(min(needed) + REACH)  # what comes next is older
        return joined, tuple(errors)

    def _page_of(self, target: CommunicationSession, cursor: Any) -> Page:
        """A target's recordings by their ids, which it names: no filter of the list does."""
        left: Sequence[str] = (
            mapping.recording_ids(self._row(_path(target), "list")) if cursor is None else cursor
        )
        found: list[Recording] = []
        unreadable: list[str] = []
        errors: list[str] = []
        while left and len(found) + len(unreadable) < IDS_A_PAGE:
            recording_id, *left = left
            try:
                seen, more = self._with_files(self._seen(recording_id, "list"), "list")
            except NotFound:
                continue  # deleted; its call or conference still names it
            except MalformedPayload as error:
                unreadable.append(error.message)
                continue
            found.append(seen)
            errors += more
        return Page(
            found,
            tuple(unreadable),
            next=tuple(left) or None,
            is_last=not left,
            errors=tuple(errors),
            stable_cursor=True,
        )

    # -- one recording ---------------------------------------------------------------------------

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        return self._with_files(self._seen(recording_id, "get"), "get")[0]

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        self.transport.request(
            "DELETE",
            _recording_path(recording_id),
            operation="delete",
            retry=RetryPolicy.IDEMPOTENT,
        )

    def _with_files(self, seen: Recording, operation: str) -> tuple[Recording, tuple[str, ...]]:
        """One recording with its files, looked for where they mostly are first, then in the rest of
        the time in which a sweep looks; and what was wrong."""
        stored_by = mapping.stored_by(seen)
        if stored_by is None or not mapping.may_have_files(seen):
            return seen, ()
        mostly, latest = stored_by
        begin = seen.created_at or seen.started_at or mostly
        now = self.clock.now()
        files: list[MediaFile] = []
        wrong: list[str] = []
        for start, stop in ((mostly, begin), (latest, mostly)):
            storage = self._storage(start, operation)
            storage.read_back_to(stop, until_whole=seen)
            more = storage.files_of(seen)
            if more is None:
                return mapping.with_files(seen, None, now), storage.errors
            files += more
            wrong += storage.unreadable
            seen = mapping.with_files(seen, files, now)
            if mapping.is_whole(seen, seen.files) or mostly >= now:
                break
        return seen, tuple(wrong)

    def _storage(self, start: datetime | None, operation: str) -> Storage:
        """What is stored before `start`; a time that is still to come is no bound."""
        if start is not None and start >= self.clock.now():
            start = None
        return Storage(lambda place: self._rows("storage_files", place, operation), Place(start))

    # -- media -----------------------------------------------------------------------------------

    def _download(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        directory: Path,
        deadline: Deadline,
    ) -> tuple[Copy, ...]:
        url = f"{self.transport.base_url}/recordingfiles/{quote(recording.id, safe='')}"
        packed = MediaFile("archive", FileRole.MIX, "zip", url=url)
        facts = {"provider": self.name, "recording_id": recording.id}
        with ExitStack() as stack:
            try:
                path = stack.enter_context(
                    fetch_temporarily(
                        self.media,
                        packed,
                        directory / build_file_name(recording, packed, alone=True),
                        clock=self.clock,
                        retries=self.http.retries,
                        deadline=deadline,
                        facts=facts,
                    )
                )
            except NotFound as error:
                self._seen(recording.id, "download")  # NotFound, if the recording itself is gone
                raise NotReady(
                    f"recording {recording.id} is there, and its archive answers 404. Try again "
                    "in a minute",
                    provider=self.name,
                    operation="download",
                    status=error.status,
                ) from None
            sizes = [file.size for file in recording.files]
            known = max((size for size in sizes if size is not None), default=0)
            archive = stack.enter_context(
                open_archive(
                    path, most_bytes=max(known, mapping.most_bytes(recording)), facts=facts
                )
            )
            return self._unpacked(recording, files, archive, directory, deadline, facts)

    def _unpacked(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        archive: Archive,
        directory: Path,
        deadline: Deadline,
        facts: Mapping[str, str],
    ) -> tuple[Copy, ...]:
        entries = archive.entries
        expected = max(len(recording.files), mapping.LEGS[recording.kind])
        if len(entries) < expected:
            raise NotReady(
                f"the archive of recording {recording.id} has {len(entries)} of {expected} files: "
                "the others are not stored yet, or never will be. Try again in a minute",
                provider=self.name,
                operation="download",
            )
        all_files: Sequence[MediaFile] = recording.files
        if all_files:
            entries = archive.paired(all_files)
        else:
            # Storage could not be asked: the archive is all that tells.
            all_files = files = [
                mapping.leg(
                    f"leg-{number}", entry.filename, entry.file_size or None, recording.format
                )
                for number, entry in enumerate(entries, 1)
            ]

        def in_time() -> None:
            if deadline.expired:
                raise Unavailable(
                    f"the files were not unpacked within {deadline.seconds:g} s; nothing was left "
                    "behind",
                    provider=self.name,
                    operation="download",
                )

        entry_of = {file.id: entry for file, entry in zip(all_files, entries, strict=True)}
        alone = len(all_files) == 1
        paths = [directory / build_file_name(recording, file, alone=alone) for file in files]
        stored = store_files(
            (
                (file, path, archive.chunks(entry_of[file.id], in_time))
                for file, path in zip(files, paths, strict=True)
            ),
            facts=facts,
        )
        return tuple(
            Copy(
                provider=self.name,
                account=self.account,
                recording_id=recording.id,
                file=file,
                path=path,
                size=fetched.size,
                sha256=fetched.sha256,
                checks=fetched.checks,
                made_at=self.clock.now(),
            )
            for file, path, fetched in zip(files, paths, stored, strict=True)
        )

    # -- answers ---------------------------------------------------------------------------------

    def _rows(self, path: str, place: Place, operation: str) -> tuple[Sequence[Any], Place | None]:
        """A page of recordings or stored files, newest first, and the place after it."""
        params = {"page_size": str(PAGE_SIZE)}
        if place.before is not None:
            params["page_token"] = mapping.page_token(place.before)
        rows, token = mapping.page(
            self.transport.get(path, operation=operation, params=params).payload
        )
        return following(place, rows, token)

    def _seen(self, recording_id: str, operation: str) -> Recording:
        """A recording as its own row tells it, without its files."""
        seen = self._read(self._row(_recording_path(recording_id), operation))
        if seen.id.lower() != recording_id.lower():
            raise MalformedPayload("an answer about another recording", path="id")
        return seen

    def _row(self, path: str, operation: str) -> Mapping[str, Any]:
        return self._object(self.transport.get(path, operation=operation).payload, operation)

    def _read(self, row: Mapping[str, Any]) -> Recording:
        return mapping.recording(row, self.account)

    def _object(self, payload: Any, operation: str) -> Mapping[str, Any]:
        if not isinstance(payload, dict):
            raise MalformedPayload(
                "an answer that is no object", provider=self.name, operation=operation
            )
        return payload


def _is_before(since: datetime | None, row: Any) -> bool:
    created_at = mapping.known_moment(row, "tm_create")
    return since is not None and created_at is not None and created_at < since


def _may_record(seen: Recording) -> bool:
    # A word that we don't know may mean that it does.
    live = seen.status in LIVE or seen.status is RecordingStatus.UNKNOWN
    return live and seen.ended_at is None


def _after_stop(session: RecordingSession, status: RecordingStatus) -> RecordingSession:
    """What was known to have ended stays as it was."""
    live = session.status in LIVE or session.status is RecordingStatus.UNKNOWN
    return evolve(session, status=status) if live else session


def _path(target: CommunicationSession) -> str:
    return f"{target.kind}s/{quote(target.id, safe='')}"


def _recording_path(recording_id: str) -> str:
    return f"recordings/{quote(recording_id, safe='')}"


def _start_body(request: StartRequest) -> dict[str, Any]:
    format = request.format or FORMATS[0]
    if format not in FORMATS:
        raise UnsupportedOperation(
            f"VoIPBin cannot be told the format {format!r}; it can: {', '.join(FORMATS)}"
        )
    # Without it a recording would have no end but the call's.
    limit = request.max_duration or mapping.LONGEST
    body = {
        PARAMETERS["format"]: format,
        PARAMETERS["max_duration"]: max(1, round(limit.total_seconds())),
    }
    return {**body, **request.extra}
