"""Client: the requests to Audian's API. `mapping` reads the responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import evolve

from recording_audian import mapping
from recording_core import (
    CommunicationSession,
    ConfigurationError,
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
)
from recording_core.plugin import (
    LIVE,
    AuthBase,
    Bounds,
    Deadline,
    ErrorDetails,
    HeaderAuth,
    NoAuth,
    Page,
    Query,
    RetryPolicy,
    StartRequest,
    TokenAuth,
    Window,
    read_rows,
)

#: The `limit` of a list. Its default and maximum are undocumented for these lists: the response has
#: the limit that applies. If it is rejected, the larger one of the pages' samples is sent.
PAGE_LIMIT, SAMPLE_LIMIT = 100, 50
#: How much earlier `since` is sent. Undocumented: what it compares, in which zone, and whether it
#: is included. This margin covers the start of a recording of 24 hours, the longest of a conference
#: (https://docs.audian.com/conferences/recording; of a call it is undocumented), in any zone: the
#: outermost is 14 hours from UTC. The library applies the exact bound.
SINCE_MARGIN = timedelta(hours=24) + timedelta(hours=14)
#: The most seconds by which a verb is delayed by the look whether its recording has ended.
LONGEST_LOOK = 2.0

#: Our keyword -> Audian's parameter and its bounds, by kind.
#: https://docs.audian.com/call-control/call-recording and
#: https://docs.audian.com/conferences/recording. Given by `extra`: `quality` for conferences.
#: Others of the calls' page are parameters of `POST /v2/calls` only.
PARAMETERS: Mapping[SessionKind, Mapping[str, tuple[str, Bounds]]] = {
    SessionKind.CALL: {
        "format": ("format", Bounds(values=("mp3", "wav", "opus"))),
        "participant": ("participant", Bounds(values=mapping.PARTICIPANTS, most=1)),
    },
    SessionKind.CONFERENCE: {
        "format": ("format", Bounds(values=("wav", "mp3", "m4a"))),
        "title": ("name", Bounds()),
    },
}

#: The fields of calls' and conferences' recordings, in all responses that the two pages show.
KNOWN_FIELDS = (
    "recording_id call_id duration file_size file_format bitrate sample_rate channels status "
    "created_at completed_at started_at stopped_at format deleted_at id conference_id name "
    "ended_at size url quality"
)

#: The recording has ended. With an unknown status, or after a stop that had no effect yet, it may
#: still record.
MAYBE_LIVE = LIVE | {RecordingStatus.UNKNOWN, RecordingStatus.STOPPING}
ENDED_STATUSES = frozenset(RecordingStatus) - MAYBE_LIVE

#: Added to a 404 for an id without a target, which is looked up among calls' recordings only.
TARGET_HINT = "if it is a conference's recording, pass target=conference(id)"


class Audian(Provider):
    """An Audian account."""

    default_base_url = "https://api.audian.com:8443/v2"
    start_parameters: ClassVar[Mapping[SessionKind, Mapping[str, Bounds]]] = {
        kind: {keyword: bounds for keyword, (_, bounds) in table.items()}
        for kind, table in PARAMETERS.items()
    }
    known_fields: ClassVar[frozenset[str]] = frozenset(KNOWN_FIELDS.split())
    path_words = (
        "api_auth calls conferences download pause record recording recordings resume start stop"
    )
    not_listable = ("conference recordings: Audian lists them for one conference at a time",)
    #: the `limit` that was not rejected
    _page_limit = PAGE_LIMIT

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        key, style = settings["api_key"], settings["auth_style"]
        # The recording pages show both headers, with the key itself as the value. The pages on
        # authentication exchange it first: https://docs.audian.com/authentication/api-keys
        styles: Mapping[str, Callable[[], AuthBase]] = {
            "x-auth-token": lambda: HeaderAuth("X-Auth-Token", key),
            "bearer": lambda: HeaderAuth("Authorization", f"Bearer {key}"),
            "exchange": lambda: TokenAuth("X-Auth-Token", lambda: self._exchange_key(key)),
        }
        if style not in styles:
            raise ConfigurationError(f"audian's auth_style must be one of {', '.join(styles)}")
        return styles[style]()

    def _exchange_key(self, key: str) -> str:
        """Exchange the key for a short-lived token: before the first request, and after a 401."""
        answer = self.transport.request(
            "PUT",
            "api_auth",
            operation="authenticate",
            json={"data": {"api_key": key}},
            retry=RetryPolicy.IDEMPOTENT,
            auth=NoAuth(),
            unmasked=True,
        )
        return mapping.read_token(answer.payload)

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    def _control(self) -> object:
        return mapping.read_page(self._request_page(None, {"limit": 1, "offset": 0}), 0)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        answer = self.transport.request(
            "POST",
            _build_verb_path(request.target, "start"),
            operation="start",
            json=_build_start_body(request),
            retry=RetryPolicy.NEVER,
        )
        if answer.payload is None:
            # Documented: a 204. https://docs.audian.com/errors/http-status-codes
            status = RecordingStatus.RECORDING
            return RecordingSession(self.name, self.account, None, request.target, status)
        return self._read_session(mapping.read_data(answer.payload), request.target)

    def _pause(self, session: RecordingSession) -> RecordingSession:
        return self._send_verb(session, "pause", RecordingStatus.PAUSED)

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._send_verb(session, "resume", RecordingStatus.RECORDING)

    def _stop(self, session: RecordingSession) -> RecordingSession:
        if session.status in ENDED_STATUSES:
            # A stop names the call or conference only: it would end a newer recording of it.
            return session
        return self._send_verb(session, "stop", RecordingStatus.PROCESSING)

    def _send_verb(
        self, session: RecordingSession, verb: str, status: RecordingStatus
    ) -> RecordingSession:
        """Send a verb and return the session after it.

        `status` is the result of a 2xx that names none, if no recording can be read that shows its
        own. After an error the recording is read: if its status shows the effect of the verb, the
        verb has succeeded.
        """
        ended = self._find_ended(session)
        if ended is not None and verb == "stop":
            return self._read_session(ended.raw, session.target)
        if ended is not None:
            raise NotFound(
                f"Recording {session.id} of {session.target} has ended. The {verb} was not sent, "
                f"because it names {session.target} only, which may have another recording now: "
                "pass that one's session"
            )
        success = ENDED_STATUSES if verb == "stop" else {status}
        try:
            answer = self.transport.request(
                "POST",
                _build_verb_path(session.target, verb),
                operation=verb,
                retry=RetryPolicy.IDEMPOTENT,
            )
            after = self._read_verb_response(session, answer.payload, status)
            if verb != "stop" and after.provider_status is None:
                recording = self._find_recording(session, verb)
                if recording is not None:
                    word = recording.provider_status
                    after = evolve(after, status=recording.status, provider_status=word)
        except (Rejected, Conflict, NotFound, MalformedPayload) as error:
            # Undocumented: the response to a second pause, resume or stop.
            recording = self._find_recording(session, verb)
            if recording is None and verb == "stop" and isinstance(error, NotFound):
                return evolve(session, status=status)  # neither call nor recording exists
            if recording is None or recording.status not in success:
                raise
            after = self._read_session(recording.raw, session.target)
        return after

    def _find_ended(self, session: RecordingSession) -> Recording | None:
        """Read the recording of a session before a verb, and return it if it has ended.

        A verb names the call or conference only: that of a stored session would act on a newer
        recording. No verb waits long for this request, or fails because it fails. Raises `Conflict`
        if the caller alone relates the id to the target, and Audian to another.
        """
        if session.id is None:
            return None
        never = RetryPolicy.NEVER
        try:
            with Deadline(LONGEST_LOOK):
                payload = self._request_recording("GET", "get", session.id, session.target, never)
            found = self._read_recording(mapping.read_data(payload))
        except ProviderError:
            return None
        if found.id != session.id:
            return None
        is_started = bool(session.raw) or session.started_at is not None
        if not is_started and found.target not in (None, session.target):
            raise Conflict(
                f"Recording {found.id} is one of {found.target}, not of {session.target}. Nothing "
                "was sent. Give its own target, or leave out its id"
            )
        is_over = found.status is RecordingStatus.UNKNOWN and found.ended_at is not None
        return found if is_over or found.status in ENDED_STATUSES else None

    def _read_verb_response(
        self, session: RecordingSession, payload: Any, status: RecordingStatus
    ) -> RecordingSession:
        """Read the session from the response to a verb."""
        row = mapping.read_data(payload) if payload is not None else {}
        if row.get("status") is None or {"recording_id", "id"}.isdisjoint(row):
            # Undocumented: the response to a pause and to a resume.
            provider_status = mapping.read_provider_status(row)
            if provider_status is not None:
                status = mapping.STATUSES[provider_status]
            return evolve(session, status=status, provider_status=provider_status)
        after = self._read_session(row, session.target)
        if session.id not in (None, after.id):
            raise MalformedPayload(
                f"The response is about recording {after.id} of {session.target}, not about "
                f"{session.id}. The request may have had its effect on {after.id}: get both",
                provider=self.name,
            )
        return after

    def _find_recording(self, session: RecordingSession, verb: str) -> Recording | None:
        """Read the session's recording; without an id, the only one that may be its own.

        That is one that runs or, after a stop, one since the session's start; of a call, a list has
        the end alone. An older one is never returned: the caller may delete what is found.
        """
        try:
            if session.id is not None:
                return self._get(session.id, session.target)
            # Without those of its events, which may have changed since.
            found = self._find_candidates(evolve(session, recordings=()))
        except NotFound:
            return None
        running = [each for each in found if each.status not in ENDED_STATUSES]
        if verb == "stop" and running:
            return running[0]  # whichever it is: the stop had no effect
        candidates = found if verb == "stop" and session.started_at is not None else running
        return candidates[0] if len(candidates) == 1 else None

    def _read_session(
        self, row: Mapping[str, Any], target: CommunicationSession
    ) -> RecordingSession:
        base_url, now = self.transport.base_url, self.clock.now()
        return mapping.read_session(row, target, self.account, base_url, now)

    # -- recordings ------------------------------------------------------------------------------

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        # Each page begins with the last row of the previous one: if rows came or went in between,
        # another row is there. A page by key has no such overlap.
        offset, overlap, key = cursor or (0, 0, None)
        place = {"offset": offset} if key is None else {"start_key": key}
        params: dict[str, Any] = {"limit": self._page_limit, **place}
        if query.target is None:
            if query.since is not None:
                params["since"] = mapping.format_since(query.since, SINCE_MARGIN)
        elif query.target.kind is SessionKind.CALL:
            # Undocumented: `call_id` and `since` in one request.
            params["call_id"] = query.target.id
        try:
            payload = self._request_page(query.target, params)
        except Rejected as error:
            # Later pages continue with the limit of the first.
            if cursor is not None or error.status != 400 or "limit" not in str(error.body):
                raise
            payload = self._request_page(query.target, {**params, "limit": SAMPLE_LIMIT})
            self._page_limit = SAMPLE_LIMIT
        page = mapping.read_page(payload, offset, overlap)
        ids = [mapping.read_row_id(row) for row in page.rows]
        next_overlap = 1 if page.step > 1 and page.next_key is None else 0
        step = page.step - next_overlap
        next_cursor = None
        if page.has_more and (step or page.next_key):
            next_cursor = (offset + step, next_overlap, page.next_key)
        total = page.total or 0
        remaining_cursors = None
        if cursor is None and next_cursor is not None and total > page.step:
            offsets = range(step, total - next_overlap, step)
            remaining_cursors = ((each, next_overlap, None) for each in offsets)
        return Page(
            read_rows(page.rows[overlap:], self._read_recording),
            total=page.total,
            next=next_cursor,
            remaining_cursors=remaining_cursors,
            overlap_id=(ids[0] if ids else "") if overlap else None,
            last_id=ids[-1] if ids else None,
        )

    def _request_page(self, target: CommunicationSession | None, params: Mapping[str, Any]) -> Any:
        path = _build_recordings_path(target)
        return self.transport.get(path, operation="list", params=params).payload

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        payload = self._request_recording("GET", "get", recording_id, target)
        recording = self._read_recording(mapping.read_data(payload))
        if recording.id != recording_id:
            # The URL of its media is built from its id.
            raise MalformedPayload("the response is about another recording", provider=self.name)
        return recording

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        self._request_recording("DELETE", "delete", recording_id, target)

    def _request_recording(
        self,
        method: str,
        operation: str,
        recording_id: str,
        target: CommunicationSession | None,
        retry: RetryPolicy = RetryPolicy.IDEMPOTENT,
    ) -> Any:
        path = f"{_build_recordings_path(target)}/{quote(recording_id, safe='')}"
        try:
            return self.transport.request(method, path, operation=operation, retry=retry).payload
        except NotFound as error:
            if target is not None:
                raise
            raise error.convert(NotFound, f"{error.message}; {TARGET_HINT}") from None

    def _read_recording(self, row: Mapping[str, Any]) -> Recording:
        base_url, now = self.transport.base_url, self.clock.now()
        return mapping.read_recording(row, self.account, base_url, now)


def _build_verb_path(target: CommunicationSession, verb: str) -> str:
    """Build the path of a verb: `record` for calls, `recording` for conferences."""
    if target.kind is SessionKind.CALL:
        return f"calls/{quote(target.id, safe='')}/record/{verb}"
    return f"conferences/{quote(target.id, safe='')}/recording/{verb}"


def _build_recordings_path(target: CommunicationSession | None) -> str:
    """Build the path of recordings: a conference's are below it, all others in one list."""
    if target is not None and target.kind is SessionKind.CONFERENCE:
        return f"conferences/{quote(target.id, safe='')}/recordings"
    return "recordings"


def _build_start_body(request: StartRequest) -> dict[str, Any]:
    given = request.given_parameters()
    if request.participant:
        (given["participant"],) = request.participant
    table = PARAMETERS[request.target.kind]
    return request.merge({table[each][0]: value for each, value in given.items()})
