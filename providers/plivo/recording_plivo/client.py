"""Client: builds Plivo's requests. Transport sends them, and mapping reads the responses."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from attrs import evolve

from recording_core import (
    CommunicationSession,
    Conflict,
    FileRole,
    MalformedPayload,
    NotFound,
    Provider,
    ProviderError,
    Recording,
    RecordingSession,
    RecordingStatus,
    Rejected,
    SessionKind,
)
from recording_core.plugin import (
    AuthBase,
    Bounds,
    Connection,
    Deadline,
    ErrorDetails,
    Fields,
    HTTPBasicAuth,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    Window,
    read_rows,
)
from recording_plivo import mapping

#: The longest that a call may last. Without `time_limit` Plivo stops recording it after 60 s.
#: https://docs.plivo.com/docs/voice/concepts/account-limits
LONGEST_CALL = timedelta(hours=4)

#: Plivo rejects `add_time` ranges of more than 30 days, and lists only 7 days without a range.
#: https://www.plivo.com/docs/voice/api/recordings#list-all-recordings
WINDOW = timedelta(days=30)
#: Plivo began in 2011.
BEGINNING = datetime(2011, 1, 1, tzinfo=UTC)
PAGE_SIZE = 20  # the largest `limit`

CHANNELS = {1: "mono", 2: "stereo"}
#: What is recorded of a multiparty call's member:
#: https://www.plivo.com/docs/voice/api/multiparty-calls
TRACK_TYPE = "record_track_type"
_FORMAT = ("file_format", Bounds(values=("mp3", "wav")))
#: Our keyword -> Plivo's and its bounds, by kind. https://www.plivo.com/docs/voice/api/recordings,
#: /voice/api/conferences and /voice/api/multiparty-calls
PARAMETERS: Mapping[SessionKind, Mapping[str, tuple[str, Bounds]]] = {
    SessionKind.CALL: {
        "format": _FORMAT,
        "max_duration": ("time_limit", Bounds(most=LONGEST_CALL)),
        "channels": ("record_channel_type", Bounds(values=tuple(CHANNELS))),
        "callback_url": ("callback_url", Bounds()),
    },
    SessionKind.CONFERENCE: {"format": _FORMAT, "callback_url": ("callback_url", Bounds())},
    SessionKind.MEETING: {
        "format": _FORMAT,
        "participant": (TRACK_TYPE, Bounds(most=1)),  # the member's id is in the path
        "callback_url": ("recording_callback_url", Bounds()),
    },
}

#: Plivo's own client reads an error of the request in each of these:
#: https://github.com/plivo/plivo-python, plivo/rest/client.py
REPEATED_STATUSES = frozenset({400, 409, 422})

#: The longest that a pause or a stop is delayed by the look whether its recording has ended.
_LONGEST_LOOK = 5.0

_log = logging.getLogger("recording_plivo")


class Plivo(Provider):
    """A Plivo account: a main account or a subaccount."""

    default_base_url = "https://api.plivo.com/v1"
    #: 300 requests in any 5 seconds, which is the burst and 5 seconds at the rate:
    #: https://docs.plivo.com/docs/voice/concepts/account-limits
    rate = 50.0
    burst = 50.0
    #: "HTTP Auth on recordings" is a switch of the console that no API reports
    credential_hosts = ("media.plivo.com", "*.media.plivo.com")
    known_fields = mapping.KNOWN_FIELDS
    path_words = "Account Call Conference MultiPartyCall Participant Pause Record Recording Resume"
    start_parameters: ClassVar[Mapping[SessionKind, Mapping[str, Bounds]]] = {
        kind: {keyword: bounds for keyword, (_, bounds) in table.items()}
        for kind, table in PARAMETERS.items()
    }

    def __init__(self, connection: Connection) -> None:
        #: the path of the account below the base URL
        self.root = f"Account/{quote(connection.settings['auth_id'], safe='')}"
        super().__init__(connection)

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return HTTPBasicAuth(settings["auth_id"], settings["auth_token"])

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(status, body)

    def _normalize_target(self, target: CommunicationSession) -> CommunicationSession:
        return mapping.normalize_target(target)

    def _control(self) -> None:
        response = self.transport.get(
            f"{self.root}/Recording/", operation="list", params={"limit": "1"}
        )
        _read_list(response.payload)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        body = _build_start_body(request)
        response = self.transport.request(
            "POST",
            self._build_record_path(request.target, request.given_parameters()),
            operation="start",
            json=body,
            retry=RetryPolicy.NEVER,
        )
        payload = _require_object(response.payload)
        recording_id = _read_id(payload)
        message = (Fields(payload).text("message") or "").lower()
        if recording_id is None and "started" not in message and "async" not in message:
            raise MalformedPayload(
                "The response has no recording_id, and its message does not state that recording "
                "started",
                path="recording_id",
            )
        evidence = "async api spawned" if "async" in message else "start accepted"
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=recording_id,
            target=request.target,
            status=mapping.STATUS_OF_EVIDENCE[evidence],
            started_at=self.clock.now(),
            # Later verbs have the same default, `all`, also if the start was given another word.
            parameters={TRACK_TYPE: body[TRACK_TYPE]} if body.get(TRACK_TYPE) else {},
            raw=payload,
            start_id=mapping.read_start_id(payload),
        )

    def _pause(self, session: RecordingSession) -> RecordingSession:
        return self._switch(session, "pause")

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._switch(session, "resume")

    def _switch(self, session: RecordingSession, operation: str) -> RecordingSession:
        if self._has_ended(session):
            raise NotFound(
                f"Recording {session.id} of {session.target} has ended. Nothing was sent, because "
                f"a {operation} names {session.target} only, which may have another recording now"
            )
        status = mapping.STATUS_OF_EVIDENCE[f"{operation} accepted"]
        try:
            self.transport.request(
                "POST",
                f"{self._build_session_path(session)}{operation.capitalize()}/",
                operation=operation,
                json=_find_repeated(session) or None,
                retry=RetryPolicy.IF_NOT_PROCESSED,
            )
        except (Rejected, Conflict) as error:
            # The response to a second pause is not documented. If the session already has the
            # requested state, an error of Plivo's is success.
            if session.status is not status or error.status not in REPEATED_STATUSES:
                raise
        return evolve(session, status=status)

    def _stop(self, session: RecordingSession) -> RecordingSession:
        # A call may have several recordings: with the URL only ours stops. Conferences and
        # multiparty calls have no such parameter.
        params = _find_repeated(session)
        is_call = session.target.kind is SessionKind.CALL
        url = _find_session_url(session) if is_call else None
        if url is not None:
            params["URL"] = url
        elif is_call and session.id is not None and not session.raw:
            # It was built by hand. After a start whose response names no URL, all of them is the
            # only way to stop its own.
            raise Conflict(
                "Plivo stops a single recording of a call by its URL, which this session does not "
                f"have: every recording of {session.target} would end. Nothing was sent. To stop "
                f"recording {session.id} alone, pass the session that its start returned (on the "
                "command line its JSON: `recordings stop -`). To stop all of them, leave out the "
                "recording's id"
            )
        if url is not None or not self._has_ended(session):
            if is_call and url is None:
                _log.warning(
                    "Plivo stops a single recording of a call by its URL, and this session has "
                    "none. Every recording of %s is stopped.",
                    session.target,
                )
            self._send_stop(session, params)
        if session.status in (RecordingStatus.AVAILABLE, RecordingStatus.FAILED):
            return session
        return evolve(session, status=mapping.STATUS_OF_EVIDENCE["stop accepted"])

    def _send_stop(self, session: RecordingSession, params: Mapping[str, Any]) -> None:
        try:
            self.transport.request(
                "DELETE",
                self._build_session_path(session),
                operation="stop",
                retry=RetryPolicy.IDEMPOTENT,
                params=params or None,
            )
        except NotFound:
            pass  # the call has ended, and with it its recording

    def _has_ended(self, session: RecordingSession) -> bool:
        """Whether the recording of a session has a row with an end.

        Without a URL, a verb acts on everything that its target records: that of a stored session
        would act on a newer recording. No verb waits long for this request, or fails because of it.
        """
        if session.id is None:
            return False
        try:
            with Deadline(_LONGEST_LOOK):
                response = self.transport.request(
                    "GET",
                    self._build_recording_path(session.id),
                    operation="get",
                    retry=RetryPolicy.NEVER,
                )
            found = self._read_row(_require_object(response.payload))
        except ProviderError:
            return False
        return found.id == session.id and found.status is mapping.STATUS_OF_EVIDENCE["row"]

    def _build_session_path(self, session: RecordingSession) -> str:
        return self._build_record_path(session.target, session.parameters)

    def _build_record_path(
        self, target: CommunicationSession, parameters: Mapping[str, Any]
    ) -> str:
        (member,) = parameters.get("participant") or (None,)
        return f"{self.root}/{mapping.build_record_path(target, member)}"

    def _observe(self, session: RecordingSession) -> RecordingSession:
        try:
            return _set_track(super()._observe(session))
        except NotFound:
            # Rows appear only after the end: a 404 for a recording that was started means that
            # it has no row yet.
            return session

    # -- recordings ------------------------------------------------------------------------------

    def _windows(self, query: Query) -> Sequence[Window]:
        """Windows that Plivo accepts, newest first. Both bounds are always sent: its pages do not
        document one bound alone, and no bounds list seven days."""
        # One day more, so that a clock that is behind loses no row.
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
        # `_windows` always sets both bounds.
        assert window.since and window.until  # noqa: S101, PT018
        params = {
            **mapping.build_list_filter(query.target),
            "add_time__gte": mapping.format_filter_time(window.since),
            "add_time__lt": mapping.format_filter_time(window.until),
            "limit": str(PAGE_SIZE),
            **dict(cursor.query if cursor is not None else ()),
        }
        response = self.transport.get(f"{self.root}/Recording/", operation="list", params=params)
        rows, meta = _read_list(response.payload)
        total = meta.count("total_count")
        overlap = cursor.overlap if cursor is not None else 0
        ids = [mapping.read_row_id(row) for row in rows]
        following = self._read_next(meta, len(rows))
        page_rows = read_rows(rows[overlap:], self._read_row)
        target = query.target
        if target is not None and target.kind is SessionKind.MEETING:
            page_rows = page_rows.convert(lambda row: _set_meeting(row, target))
        return Page(
            page_rows,
            total=total,
            next=following,
            remaining_cursors=_build_offset_cursors(following, total, len(rows))
            if cursor is None and following
            else None,
            overlap_id=(ids[0] if ids else "") if overlap else None,
            last_id=ids[-1] if ids else None,
        )

    def _read_next(self, meta: Fields, rows: int) -> _Cursor | None:
        """Read the query of `meta.next`, which has a cursor or an offset.

        The filters are sent with it, because no page documents that the link repeats them. No
        offset is sent with a cursor, also if the link has both: it would lead back to the first
        page (Plivo's own client, 4.63).
        """
        link = meta.text("next")
        if meta.is_unread("next"):
            if rows < PAGE_SIZE:
                return None  # a page that is not full is the last
            raise MalformedPayload(
                "The link `meta.next` of a full page cannot be read", path="meta.next"
            )
        if link is None:
            return None
        url = self.transport.resolve_link(link, "list")
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        if "cursor" in dict(query):
            query = [each for each in query if each[0] != "offset"]
        return _Cursor(tuple(query))

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        response = self.transport.get(self._build_recording_path(recording_id), operation="get")
        return _set_meeting(self._read_row(_require_object(response.payload)), target)

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        self.transport.request(
            "DELETE",
            self._build_recording_path(recording_id),
            operation="delete",
            retry=RetryPolicy.IDEMPOTENT,
        )

    def _build_recording_path(self, recording_id: str) -> str:
        return f"{self.root}/Recording/{quote(recording_id, safe='')}/"

    def _read_row(self, row: Mapping[str, Any]) -> Recording:
        return mapping.read_recording(row, self.account)


def _require_object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise MalformedPayload("The response is not a JSON object")
    return payload


def _read_list(payload: Any) -> tuple[list[Any], Fields]:
    """Read the rows of a list and its `meta`, without which the last page looks like any other."""
    fields = Fields(_require_object(payload))
    rows, meta = fields.array("objects"), fields.object("meta")
    if rows is None or meta is None:
        path = "objects" if rows is None else "meta"
        raise MalformedPayload(f"The response is a list without `{path}`", path=path)
    return rows, meta


def _set_meeting(row: Recording, target: CommunicationSession | None) -> Recording:
    """Set the meeting that the caller gave: a row may name it by its UUID, or not at all."""
    if target is None or target.kind is not SessionKind.MEETING:
        return row
    return evolve(row, kind=target.kind, target=target)


def _set_track(session: RecordingSession) -> RecordingSession:
    """Set the participant if the start asked for that member's own track: no row states it."""
    (member,) = session.parameters.get("participant") or (None,)
    if member is None or session.parameters.get(TRACK_TYPE) != "participant":
        return session
    track = {"role": FileRole.TRACK, "participant": member}
    recordings = (
        evolve(each, files=tuple(evolve(file, **track) for file in each.files))
        for each in session.recordings
    )
    return evolve(session, recordings=tuple(recordings))


def _find_repeated(session: RecordingSession) -> dict[str, Any]:
    """Find the parameters of the start that later verbs must repeat."""
    return {TRACK_TYPE: session.parameters[TRACK_TYPE]} if TRACK_TYPE in session.parameters else {}


def _find_session_url(session: RecordingSession) -> str | None:
    """Find the media's URL, which the response to the start names, or a webhook."""
    recordings = session.recordings
    if session.id is None and len(recordings) > 1:
        recordings = ()  # which of them is the session's is not known
    payloads = (session.raw, *(each.raw for each in recordings if session.id in (None, each.id)))
    return next(filter(None, (mapping.find_url(Fields(each)) for each in payloads)), None)


def _read_id(payload: Mapping[str, Any]) -> str | None:
    """Read the id of a start's response, which may name none; nor one that no request can carry."""
    try:
        return Fields(payload).required_text("recording_id")
    except MalformedPayload:
        return None


class _Cursor(NamedTuple):
    """The query of a page, and with how many rows of the page before it begins."""

    query: tuple[tuple[str, str], ...]
    overlap: int = 0


def _build_offset_cursors(
    following: _Cursor, total: int | None, rows: int
) -> Iterator[_Cursor] | None:
    """Build the cursors of all remaining pages, if the next page's offset is the first page's size.

    Returns None for a cursor, and for anything else, which is followed link by link. Each page
    begins with the last row of the page before it: if rows were added or removed between the two
    requests, another row is there.
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


def _build_start_body(request: StartRequest) -> dict[str, Any]:
    # Without `time_limit` Plivo would stop after 60 seconds.
    limit = request.max_duration or LONGEST_CALL
    values: dict[str, Any] = {
        "format": request.format,
        "max_duration": max(1, round(limit.total_seconds())),
        "channels": CHANNELS.get(request.channels),
        "callback_url": request.callback_url,
        # The default, `all`, is a recording of the whole call, with one channel per member.
        "participant": "participant" if request.participant else None,
    }
    table = PARAMETERS[request.target.kind].items()
    return request.merge(
        {name: values[each] for each, (name, _) in table if values.get(each) is not None}
    )
