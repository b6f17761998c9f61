"""How is Audian asked? Requests are built here, sent by transport, read by mapping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from attrs import evolve
from requests.auth import AuthBase

from recording_audian import mapping
from recording_core import (
    CommunicationSession,
    ConfigurationError,
    Conflict,
    MalformedPayload,
    NotFound,
    Provider,
    Recording,
    RecordingSession,
    RecordingStatus,
    Rejected,
    SessionKind,
    UnsupportedOperation,
)
from recording_core.plugin import (
    LIVE,
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

#: Neither its default nor its maximum is documented for these lists; the answer tells what holds.
LIMIT = 100
#: What `since` compares, in which zone, and whether it is included is not documented. A recording
#: lasts 24 hours at most, and we decide ourselves: https://docs.audian.com/conferences/recording
EARLIER = timedelta(hours=25)

#: Our keyword -> Audian's, by kind. https://docs.audian.com/call-control/call-recording and
#: https://docs.audian.com/conferences/recording. By `extra`: bitrate, sample_rate, announce and
#: announcement of calls, quality of conferences.
PARAMETERS: Mapping[SessionKind, Mapping[str, str]] = {
    SessionKind.CALL: {"format": "format", "participant": "participant"},
    SessionKind.CONFERENCE: {"format": "format", "title": "name"},
}

#: Capturing is over. A word that we don't know may mean that it still records.
ENDED = frozenset(RecordingStatus) - LIVE - {RecordingStatus.UNKNOWN}

#: Said beside a 404: without its conference a conference's recording is looked for among calls'.
NEEDS_A_TARGET = "if it is a conference's recording, pass target=conference(id)"


class Audian(Provider):
    """An Audian account."""

    default_base_url = "https://api.audian.com:8443/v2"
    start_parameters: ClassVar[Mapping[SessionKind, frozenset[str]]] = {
        kind: frozenset(table) for kind, table in PARAMETERS.items()
    }
    #: as on the pages of `PARAMETERS`
    formats: ClassVar[Mapping[SessionKind, tuple[str, ...]]] = {
        SessionKind.CALL: ("mp3", "wav", "opus"),
        SessionKind.CONFERENCE: ("wav", "mp3"),
    }
    not_listable = (
        "conference recordings: Audian lists them by their conference only; pass target=",
    )

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        key, style = settings["api_key"], settings["auth_style"]
        # The recording pages show both headers with the key itself in them; the pages on
        # authentication exchange it first. https://docs.audian.com/authentication/api-keys
        styles: Mapping[str, Callable[[], AuthBase]] = {
            "x-auth-token": lambda: HeaderAuth("X-Auth-Token", key),
            "bearer": lambda: HeaderAuth("Authorization", f"Bearer {key}"),
            "exchange": lambda: TokenAuth("X-Auth-Token", lambda: self._exchanged(key)),
        }
        if style not in styles:
            raise ConfigurationError(f"audian's auth_style must be one of {', '.join(styles)}")
        return styles[style]()

    def _exchanged(self, key: str) -> str:
        """A token of short life for the key. Asked for when there is none, and after a 401."""
        answer = self.transport.request(
            "PUT",
            "api_auth",
            operation="sign in",
            json={"data": {"api_key": key}},
            retry=RetryPolicy.IDEMPOTENT,
            auth=NoAuth(),
            unmasked=True,
        )
        return mapping.token(answer.payload)

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(body)

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        answer = self.transport.request(
            "POST",
            _verb_path(request.target, "start"),
            operation="start",
            json=_start_body(request),
            retry=RetryPolicy.NEVER,
        )
        return self._session(mapping.data(answer.payload), request.target)

    def _pause(self, session: RecordingSession) -> RecordingSession:
        paused = RecordingStatus.PAUSED
        return self._act(session, "pause", paused, frozenset({paused}))

    def _resume(self, session: RecordingSession) -> RecordingSession:
        recording = RecordingStatus.RECORDING
        return self._act(session, "resume", recording, frozenset({recording}))

    def _stop(self, session: RecordingSession) -> RecordingSession:
        if session.status in ENDED:
            # A stop names its call or conference alone: it would end somebody else's recording.
            return session
        return self._act(session, "stop", RecordingStatus.PROCESSING, ENDED)

    def _act(
        self,
        session: RecordingSession,
        action: str,
        status: RecordingStatus,
        wanted: frozenset[RecordingStatus],
    ) -> RecordingSession:
        """Tell it. `status` is what a 2xx means by itself; `wanted` makes a refusal success."""
        try:
            answer = self.transport.request(
                "POST",
                _verb_path(session.target, action),
                operation=action,
                retry=RetryPolicy.IDEMPOTENT,
            )
            after = self._told(session, answer.payload, status)
        except (Rejected, Conflict, NotFound, MalformedPayload) as error:
            # What it answers to a second pause or stop is not documented: a refusal of what holds
            # already is success.
            seen = self._seen(session)
            if seen is None and action == "stop" and isinstance(error, NotFound):
                return evolve(session, status=status)  # it went, its call and its recording
            if seen is None or seen.status not in wanted:
                raise
            after = self._session(seen.raw, session.target)
        return evolve(
            after,
            started_at=after.started_at or session.started_at,
            pauses=session.pauses,
            recordings=after.recordings or session.recordings,
        )

    def _told(
        self, session: RecordingSession, payload: Any, status: RecordingStatus
    ) -> RecordingSession:
        """The session as the answer to a verb has it."""
        told = mapping.data(payload) if payload is not None else {}
        word = mapping.status_word(told)
        if word is None or {"recording_id", "id"}.isdisjoint(told):
            # What a pause and a resume answer is not documented; that they were accepted is enough.
            status = mapping.STATUSES[word] if word is not None else status
            return evolve(session, status=status, provider_status=word)
        after = self._session(told, session.target)
        if session.id not in (None, after.id):
            raise MalformedPayload("an answer about another recording", provider=self.name)
        return after

    def _seen(self, session: RecordingSession) -> Recording | None:
        """Its recording as it is now; of a session without an id, what still records there."""
        try:
            if session.id is not None:
                return self._get(session.id, session.target)
            found = list(self.list(target=session.target))
        except NotFound:
            return None
        live = [each for each in found if each.status not in ENDED]
        return next(iter(live or found), None)

    def _session(self, row: Mapping[str, Any], target: CommunicationSession) -> RecordingSession:
        return mapping.session(row, target, self.account, self.transport.base_url, self.clock.now())

    # -- recordings ------------------------------------------------------------------------------

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        # Each page begins with the last row of the one before: had rows come or gone between the
        # two, another would stand there.
        offset, overlap = cursor or (0, 0)
        params: dict[str, Any] = {"limit": LIMIT, "offset": offset}
        if query.target is None:
            if query.since is not None:
                params["since"] = mapping.since(query.since, EARLIER)
        elif query.target.kind is SessionKind.CALL:
            # Whether a call and a time may be asked for together is not documented.
            params["call_id"] = query.target.id
        answer = self.transport.get(_recordings_path(query.target), operation="list", params=params)
        page = mapping.rows(answer.payload, offset)
        ids = [mapping.row_id(row) for row in page.rows]
        again = 1 if page.step > 1 else 0
        step = page.step - again
        after = (offset + step, again) if page.more and step else None
        total = page.total or 0
        many = cursor is None and after is not None and total > page.step
        return Page(
            read_rows(page.rows[overlap:], self._read),
            total=page.total,
            next=after,
            remaining_cursors=((each, again) for each in range(step, total - again, step))
            if many
            else None,
            overlap_id=(ids[0] if ids else "") if overlap else None,
            last_id=ids[-1] if ids else None,
        )

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        with _telling_of_conferences(target):
            answer = self.transport.get(
                f"{_recordings_path(target)}/{quote(recording_id, safe='')}", operation="get"
            )
        found = self._read(mapping.data(answer.payload))
        if found.id != recording_id:
            # Its media's address is made from its id: that must be the one that was asked for.
            raise MalformedPayload("an answer about another recording", provider=self.name)
        return found

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        with _telling_of_conferences(target):
            self.transport.request(
                "DELETE",
                f"{_recordings_path(target)}/{quote(recording_id, safe='')}",
                operation="delete",
                retry=RetryPolicy.IDEMPOTENT,
            )

    def _read(self, row: Mapping[str, Any]) -> Recording:
        return mapping.recording(row, self.account, self.transport.base_url, self.clock.now())


def _verb_path(target: CommunicationSession, verb: str) -> str:
    """Where it is told: calls' paths say `record`, conferences' say `recording`."""
    if target.kind is SessionKind.CALL:
        return f"calls/{quote(target.id, safe='')}/record/{verb}"
    return f"conferences/{quote(target.id, safe='')}/recording/{verb}"


def _recordings_path(target: CommunicationSession | None) -> str:
    """Where recordings are: a conference's below it, all others together."""
    if target is not None and target.kind is SessionKind.CONFERENCE:
        return f"conferences/{quote(target.id, safe='')}/recordings"
    return "recordings"


@contextmanager
def _telling_of_conferences(target: CommunicationSession | None) -> Iterator[None]:
    """A 404 without a target says what may be missing."""
    try:
        yield
    except NotFound as error:
        if target is not None:
            raise
        raise NotFound(
            f"{error.message}; {NEEDS_A_TARGET}",
            provider=error.provider,
            operation=error.operation,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            body=error.body,
        ) from None


def _start_body(request: StartRequest) -> dict[str, Any]:
    table = PARAMETERS[request.target.kind]
    body: dict[str, Any] = {}
    if request.format is not None:
        body[table["format"]] = request.format
    if request.title is not None:
        body[table["title"]] = request.title
    if request.participants:
        (participant, *others) = request.participants
        if others or participant not in mapping.PARTICIPANTS:
            raise UnsupportedOperation(
                f"Audian records {', '.join(mapping.PARTICIPANTS)} of a call, and no participant "
                "by another name"
            )
        body[table["participant"]] = participant
    return {**body, **request.extra}
