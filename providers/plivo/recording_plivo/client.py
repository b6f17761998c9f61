"""How is Plivo asked? Requests are built here, sent by transport, read by mapping."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, urlsplit

from attrs import evolve, frozen
from requests.auth import AuthBase, HTTPBasicAuth

from recording_core import (
    CommunicationSession,
    Conflict,
    MalformedPayload,
    NotFound,
    Provider,
    ProviderError,
    Recording,
    RecordingSession,
    RecordingStatus,
    Rejected,
    SessionKind,
    UnsupportedOperation,
)
from recording_core.plugin import (
    Connection,
    ErrorDetails,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    Window,
    read_rows,
)
from recording_core.plugin import readers as read
from recording_plivo import mapping

#: The longest that Plivo lets a call last; without `time_limit` it stops recording after 60 s.
#: https://docs.plivo.com/docs/voice/concepts/account-limits
LONGEST_CALL = timedelta(hours=4)

#: `add_time` ranges of more than 30 days are refused, and without one only 7 days are listed.
#: https://www.plivo.com/docs/voice/api/recordings#list-all-recordings
WINDOW = timedelta(days=30)
#: Plivo began in 2011.
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)
PAGE_SIZE = 20  # the most that `limit` may be

#: Our keyword -> Plivo's, by kind. https://www.plivo.com/docs/voice/api/recordings,
#: /voice/api/conferences and /voice/api/multiparty-calls
PARAMETERS: Mapping[SessionKind, Mapping[str, str]] = {
    SessionKind.CALL: {
        "format": "file_format",
        "max_duration": "time_limit",
        "channels": "record_channel_type",
        "callback_url": "callback_url",
    },
    SessionKind.CONFERENCE: {"format": "file_format", "callback_url": "callback_url"},
    SessionKind.MEETING: {
        "format": "file_format",
        "participant": "member_id",  # in the path
        "callback_url": "recording_callback_url",
    },
}
CHANNELS = {1: "mono", 2: "stereo"}

#: What we keep in a session's `raw` beside the answer: whom a participant's recording is of.
MEMBER = "member_id"


_log = logging.getLogger("recording_plivo")


class Plivo(Provider):
    """A Plivo account (main or sub)."""

    default_base_url = "https://api.plivo.com/v1"
    #: 300 requests in 5 seconds: https://docs.plivo.com/docs/voice/concepts/account-limits
    rate = 60.0
    #: "HTTP Auth on recordings" is a switch of the console that no API tells
    credential_hosts = ("media.plivo.com", "*.media.plivo.com")
    start_parameters: ClassVar[Mapping[SessionKind, frozenset[str]]] = {
        kind: frozenset(table) for kind, table in PARAMETERS.items()
    }
    #: as on the pages of `PARAMETERS`
    formats: ClassVar[Mapping[SessionKind, tuple[str, ...]]] = {
        SessionKind.CALL: ("mp3", "wav"),
        SessionKind.CONFERENCE: ("mp3", "wav"),
        SessionKind.MEETING: ("mp3",),
    }

    def __init__(self, connection: Connection) -> None:
        self._root = f"Account/{quote(connection.settings['auth_id'], safe='')}"
        super().__init__(connection)

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HTTPBasicAuth(settings["auth_id"], settings["auth_token"])

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        if len(request.participants) > 1:
            raise UnsupportedOperation(
                "Plivo records one participant or all of a multiparty call; start one recording "
                "a participant"
            )
        member = request.participants[0] if request.participants else None
        answer = self.transport.request(
            "POST",
            f"{self._root}/{mapping.record_path(request.target, member)}",
            operation="start",
            json=_start_body(request),
            retry=RetryPolicy.NEVER,
        )
        payload = self._object(answer.payload, "start")
        recording_id = read.text(payload.get("recording_id"), "recording_id")
        words = (read.text(payload.get("message"), "message") or "").lower()
        if recording_id is None and "started" not in words and "async" not in words:
            raise MalformedPayload(
                "an answer that names no recording",
                path="recording_id",
                provider=self.name,
                operation="start",
            )
        evidence = "async api spawned" if "async" in words else "start accepted"
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=recording_id,
            target=request.target,
            status=mapping.STATUS_OF_EVIDENCE[evidence],
            started_at=self.clock.now(),
            raw={**payload, MEMBER: member} if member else payload,
        )

    def _pause(self, session: RecordingSession) -> RecordingSession:
        return self._switch(session, "pause", "Pause/", "pause accepted")

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._switch(session, "resume", "Resume/", "resume accepted")

    def _switch(
        self, session: RecordingSession, operation: str, word: str, evidence: str
    ) -> RecordingSession:
        status = mapping.STATUS_OF_EVIDENCE[evidence]
        try:
            self.transport.request(
                "POST",
                self._session_path(session) + word,
                operation=operation,
                retry=RetryPolicy.IF_NOT_PROCESSED,
            )
        except (Rejected, Conflict) as error:
            # What Plivo answers to a second pause is not documented; its refusal of what holds
            # already, by our own account, is success.
            if session.status is not status or not _in_its_own_words(error):
                raise
        return evolve(session, status=status)

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # A call may run several recordings: naming ours leaves the others alone. Conferences and
        # multiparty calls cannot be told.
        is_call = session.target.kind is SessionKind.CALL
        url = mapping.url_in(session.raw) if is_call else None
        if is_call and session.id is not None and url is None:
            _log.warning(
                "Plivo stops one recording by its URL, which this session does not hold: "
                "every recording of %s is stopped",
                session.target,
            )
        try:
            self.transport.request(
                "DELETE",
                self._session_path(session),
                operation="stop",
                retry=RetryPolicy.IDEMPOTENT,
                params={"URL": url} if url else None,
            )
        except NotFound as error:
            # The call, and its recording with it, has ended by itself.
            if not _in_its_own_words(error):
                raise
        if session.status in (RecordingStatus.AVAILABLE, RecordingStatus.FAILED):
            return session
        return evolve(session, status=mapping.STATUS_OF_EVIDENCE["stop accepted"])

    def _session_path(self, session: RecordingSession) -> str:
        member = session.raw.get(MEMBER)
        return f"{self._root}/{mapping.record_path(session.target, member)}"

    def _observe(self, session: RecordingSession) -> RecordingSession:
        try:
            return super()._observe(session)
        except NotFound:
            # Rows appear only after the end: a 404 on what we started ourselves means "not yet".
            return session

    # -- recordings ------------------------------------------------------------------------------

    def _windows(self, query: Query) -> Sequence[Window]:
        """Windows that Plivo accepts, newest first. Bounds are always sent: one-sided ones and none
        at all have meanings that its pages do not tell, or seven days."""
        # A row is added seconds after its recording ended; a clock that is behind loses nothing.
        end = self.clock.now() + timedelta(days=1)
        if query.until is not None:
            end = min(end, query.until)
        beginning = max(query.since, BEGINNING) if query.since is not None else BEGINNING
        windows: list[Window] = []
        while end > beginning:
            windows.append(Window(max(beginning, end - WINDOW), end))
            end -= WINDOW
        return windows

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        assert window.since is not None  # noqa: S101  # ours always have both bounds
        assert window.until is not None  # noqa: S101  # the same
        params = {
            **mapping.list_filter(query.target),
            "add_time__gte": mapping.filter_time(window.since),
            "add_time__lt": mapping.filter_time(window.until),
            "limit": str(PAGE_SIZE),
            **dict(cursor.query if cursor is not None else ()),
        }
        answer = self.transport.get(f"{self._root}/Recording/", operation="list", params=params)
        payload = self._object(answer.payload, "list")
        meta = read.obj(payload.get("meta"), "meta")
        rows = read.array(payload.get("objects"), "objects")
        if rows is None or meta is None:
            # Without `meta` nobody could tell the last page from one of many.
            path = "objects" if rows is None else "meta"
            raise MalformedPayload(
                f"a list without {path}", path=path, provider=self.name, operation="list"
            )
        total = read.count(meta.get("total_count"), "meta.total_count")
        overlap = cursor.overlap if cursor is not None else 0
        ids = [mapping.row_id(row) for row in rows]
        following = self._next(meta)
        return Page(
            read_rows(rows[overlap:], self._reader(query.target)),
            total=total,
            next=following,
            remaining_cursors=_offsets(following, total, len(rows))
            if cursor is None and following
            else None,
            overlap_id=(ids[0] if ids else "") if overlap else None,
            last_id=ids[-1] if ids else None,
        )

    def _next(self, meta: Mapping[str, Any]) -> _Cursor | None:
        """The query of `meta.next`, which has a cursor or an offset. The filters are sent beside
        it, for no page says that the link repeats them; an offset of ours never is: beside a
        cursor it would lead back to the first page (seen in Plivo's own client, 4.63)."""
        link = read.text(meta.get("next"), "meta.next")
        if link is None:
            return None
        url = self.transport.on_origin(link, "list")
        return _Cursor(tuple(parse_qsl(urlsplit(url).query, keep_blank_values=True)))

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        answer = self.transport.get(self._recording_path(recording_id), operation="get")
        return self._read(self._object(answer.payload, "get"))

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        self.transport.request(
            "DELETE",
            self._recording_path(recording_id),
            operation="delete",
            retry=RetryPolicy.IDEMPOTENT,
        )

    def _recording_path(self, recording_id: str) -> str:
        return f"{self._root}/Recording/{quote(recording_id, safe='')}/"

    def _read(self, row: Mapping[str, Any]) -> Recording:
        return mapping.recording(row, self.account)

    def _reader(
        self, target: CommunicationSession | None
    ) -> Callable[[Mapping[str, Any]], Recording]:
        """What a multiparty call's row calls itself is not documented: its filter's word counts."""
        if target is None or target.kind is not SessionKind.MEETING:
            return self._read
        return lambda row: evolve(self._read(row), kind=target.kind, target=target)

    def _object(self, payload: Any, operation: str) -> Mapping[str, Any]:
        if not isinstance(payload, dict):
            raise MalformedPayload(
                "an answer that is no object", provider=self.name, operation=operation
            )
        return payload


def _in_its_own_words(error: ProviderError) -> bool:
    """Whether Plivo itself refused: a proxy's 404 or redirect says nothing about a call."""
    return isinstance(error.body, dict) and "error" in error.body


@frozen
class _Cursor:
    """What a page is asked for by, and how many rows of the page before it begins with."""

    query: tuple[tuple[str, str], ...]
    overlap: int = 0


def _offsets(following: _Cursor, total: int | None, rows: int) -> Iterator[_Cursor] | None:
    """All pages from there on, where it counts by offset in steps of what the first page held;
    None for a cursor, and for anything else that is best followed as it says.

    Each begins with the last row of the page before: had rows come or gone between the two,
    another would stand there.
    """
    query = dict(following.query)
    offset, limit = query.get("offset", ""), query.get("limit", str(PAGE_SIZE))
    if "cursor" in query or total is None or not (offset.isdecimal() and limit.isdecimal()):
        return None
    if not 0 < int(offset) < total or not rows == int(offset) == int(limit):
        return None
    overlap = 1 if rows > 1 else 0
    step = rows - overlap
    return (
        _Cursor(tuple({**query, "offset": str(each)}.items()), overlap)
        for each in range(step, total - overlap, step)
    )


def _start_body(request: StartRequest) -> dict[str, Any]:
    table = PARAMETERS[request.target.kind]
    body: dict[str, Any] = {}
    if request.format is not None:
        body[table["format"]] = request.format
    if "max_duration" in table:
        # Without it Plivo would stop after 60 seconds, the classic surprise.
        limit = request.max_duration or LONGEST_CALL
        body[table["max_duration"]] = max(1, round(limit.total_seconds()))
    if request.channels is not None:
        if request.channels not in CHANNELS:
            raise UnsupportedOperation("Plivo records in 1 channel (mono) or 2 (stereo)")
        body[table["channels"]] = CHANNELS[request.channels]
    if request.callback_url is not None:
        body[table["callback_url"]] = request.callback_url
    return {**body, **request.extra}
