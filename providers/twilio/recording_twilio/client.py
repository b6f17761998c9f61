"""Client: builds Twilio's requests. Transport sends them, and mapping reads the responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote, urlsplit

from attrs import evolve

from recording_core import (
    AuthenticationFailed,
    CommunicationSession,
    ConfigurationError,
    Conflict,
    Copy,
    MalformedPayload,
    MediaFile,
    NotFound,
    OutcomeUnknown,
    PaginationError,
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
    FORMATS,
    LIVE,
    AuthBase,
    Bounds,
    Connection,
    Deadline,
    Destination,
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
from recording_twilio import mapping

#: The largest page: https://www.twilio.com/docs/usage/twilios-response#pagination
PAGE_SIZE = 1000
#: A filter by time is sent with a margin, since the pages leave open whether it cuts a time to its
#: date.
MARGIN = timedelta(days=1)
#: Twilio's recordings API began with version 2008-08-01.
BEGINNING = datetime(2008, 1, 1, tzinfo=UTC)

CHANNELS = {1: "mono", 2: "dual"}
TRACKS = ("both", "inbound", "outbound")
#: By default a webhook is sent about the end alone.
#: https://www.twilio.com/docs/voice/api/recording#recordingstatuscallback
EVENTS = ("in-progress", "completed", "absent")
#: Names the only active recording of a call or conference.
CURRENT = "Twilio.CURRENT"
#: The statuses of an update that does not fit the state of the recording; a redirect is also
#: `Rejected`, and proves nothing.
REFUSALS = frozenset({400, 404, 409})
#: An update timed out. https://www.twilio.com/docs/voice/api/recording
_TIMED_OUT = 408
PAUSE_BEHAVIORS = ("", "silence", "skip")
#: A region or edge becomes a part of the host that receives the credentials.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?|", re.ASCII)

_STOPPING = RecordingStatus.STOPPING
#: What ends a recording, so that a stop of it is success.
_OVER = frozenset(RecordingStatus) - LIVE - {RecordingStatus.UNKNOWN}
#: The words that show what the last update did to a recording that has not ended.
_CHANGEABLE = mapping.UNFINISHED - {mapping.UNDECIDED}


class Twilio(Provider):
    """A Twilio account: a main account or a subaccount."""

    default_base_url = "https://api.twilio.com/2010-04-01"
    #: an update answers `paused`, a later get the same word as while it records
    get_shows_pauses = False
    path_words = "Accounts Calls Calls.json Conferences Conferences.json Recordings Recordings.json"
    known_fields = mapping.KNOWN_FIELDS
    download_formats = mapping.DOWNLOAD_FORMATS
    start_parameters: ClassVar[Mapping[SessionKind, Mapping[str, Bounds]]] = {
        SessionKind.CALL: {
            "channels": Bounds(values=tuple(CHANNELS)),
            "participant": Bounds(values=TRACKS, most=1),
            "callback_url": Bounds(),
        }
    }

    def __init__(self, connection: Connection) -> None:
        settings = connection.settings
        #: the path of the account below the base URL
        self.root = f"Accounts/{quote(settings['account_sid'], safe='')}"
        self.pause_behavior = settings["pause_behavior"]
        if self.pause_behavior not in PAUSE_BEHAVIORS:
            raise ConfigurationError(
                "pause_behavior of Twilio (TWILIO_PAUSE_BEHAVIOR) is `silence` or `skip`, not "
                f"{self.pause_behavior!r}"
            )
        self.default_base_url = _build_base_url(settings)  # type: ignore[misc]  # by connection
        super().__init__(connection)
        #: the URL of the account, which also serves the media
        self.media_root = f"{self.transport.base_url}/{self.root}"

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        key, secret, token = (settings[each] for each in ("api_key", "api_secret", "auth_token"))
        if bool(key) != bool(secret):
            raise ConfigurationError(
                "Twilio needs api_key (TWILIO_API_KEY) and api_secret (TWILIO_API_SECRET) "
                f"together: only {'api_key' if key else 'api_secret'} is set"
            )
        if key:  # with both, the token is there for webhooks
            return HTTPBasicAuth(key, secret)
        if not token:
            raise ConfigurationError(
                "Twilio needs auth_token (TWILIO_AUTH_TOKEN), or api_key (TWILIO_API_KEY) and "
                "api_secret (TWILIO_API_SECRET): none of them is set"
            )
        return HTTPBasicAuth(settings["account_sid"], token)

    def _error_details(self, status: int, headers: Mapping[str, str], body: Any) -> ErrorDetails:
        return mapping.read_error_details(status, body)

    def _control(self) -> None:
        response = self.transport.get(
            f"{self.root}/Recordings.json", operation="list", params={"PageSize": "1"}
        )
        self._read_list(response.payload, "recordings")

    def _find_own_storage(self, recording: Recording) -> str | None:
        return mapping.find_own_storage(recording.raw, self.media_root)

    def _offer_format(self, file: MediaFile, format: str) -> MediaFile:
        if file.format is None:  # ciphertext has one form
            return file
        path, mark, query = (file.url or "").partition("?")
        return evolve(
            file,
            format=format,
            media_type=FORMATS[format].media_type,
            url=f"{path.rpartition('.')[0]}.{format}{mark}{query}",
            size=None,
        )

    # -- one session -----------------------------------------------------------------------------

    def _start(self, request: StartRequest) -> RecordingSession:
        body: dict[str, Any] = {}
        if request.channels is not None:
            body["RecordingChannels"] = CHANNELS[request.channels]
        if request.participant:
            (body["RecordingTrack"],) = request.participant
        if request.callback_url is not None:
            body["RecordingStatusCallback"] = request.callback_url
            body["RecordingStatusCallbackEvent"] = list(EVENTS)
        response = self.transport.request(
            "POST",
            f"{self.root}/{mapping.build_session_path(request.target)}/Recordings.json",
            operation="start",
            form=request.merge(body),
            retry=RetryPolicy.NEVER,
        )
        payload = _require_object(response.payload)
        return self._build_session(payload, request.target)

    def _build_session(
        self,
        payload: Mapping[str, Any],
        target: CommunicationSession,
        *,
        recording_id: str | None = None,
    ) -> RecordingSession:
        """Build a session from the answer to a create or update."""
        fields = Fields(payload)
        word, sid = fields.text("status"), fields.text("sid")
        if sid is None or not mapping.RECORDING_SID.fullmatch(sid):
            sid = recording_id  # an update of the current recording may repeat `Twilio.CURRENT`
        if sid is None and word is None:
            raise MalformedPayload("The response has neither a sid nor a status", path="sid")
        status = mapping.STATUSES.get(word or "", RecordingStatus.UNKNOWN)
        if word == mapping.UNDECIDED:
            status = RecordingStatus.RECORDING  # the call lives: it has just answered
        return RecordingSession(
            provider=self.name,
            account=self.account,
            id=sid,
            target=target,
            status=status,
            provider_status=word,
            started_at=fields.instant("start_time"),
            raw=payload,
        )

    def _pause(self, session: RecordingSession) -> RecordingSession:
        more = {"PauseBehavior": self.pause_behavior} if self.pause_behavior else {}
        return self._switch(session, "pause", "paused", **more)

    def _resume(self, session: RecordingSession) -> RecordingSession:
        return self._switch(session, "resume", "in-progress")

    def _switch(
        self, session: RecordingSession, operation: str, word: str, **more: str
    ) -> RecordingSession:
        wanted = mapping.STATUSES[word]
        try:
            return self._update(session, operation, word, **more)
        except Rejected as error:
            # The answer to a second pause is not documented (assumption 2). If the session already
            # has the requested state, or a get shows it (assumption 7), this is success.
            if error.status not in REFUSALS:
                raise
            if session.status is wanted:
                return session
            found = self._look_again_after(session)
            if found.provider_status != word:
                raise
            return found

    def _stop(self, session: RecordingSession) -> RecordingSession:
        try:
            after = self._update(session, "stop", "stopped")
            # The answer is a success, also if its status cannot be read.
            return after if after.provider_status else evolve(after, status=_STOPPING)
        except (Rejected, Conflict, NotFound) as error:
            # What no longer records cannot be stopped (assumption 1).
            if error.status not in REFUSALS:
                raise
            if session.status in _OVER:
                return session
            after = self._look_again_after(session)
            if after.status in LIVE and error.code != _NOT_IN_PROGRESS:
                raise
            if after.status in _OVER:
                return after
            return evolve(after, status=RecordingStatus.PROCESSING)

    def _look_again_after(self, session: RecordingSession) -> RecordingSession:
        """Read the recording of a session for which an update failed."""
        if session.id is None:
            running = self._active(session.target)
            ended = evolve(session, status=RecordingStatus.PROCESSING, provider_status=None)
            return running or ended
        found = self._get(session.id, session.target)
        return evolve(
            session,
            status=found.status,
            provider_status=found.provider_status,
            recordings=(found,),
        )

    def _update(
        self, session: RecordingSession, operation: str, word: str, **more: str
    ) -> RecordingSession:
        """Send an update. If it may have been applied, read the recording before repeating it.

        Raises `OutcomeUnknown` if nothing shows whether it was applied.
        """
        send = self._prepare_update(session, operation, {"Status": word, **more})
        try:
            return send()
        except Unavailable as error:
            failure = error
        timed_out = failure.status == _TIMED_OUT
        if not timed_out and not self.http.retries:
            raise failure
        unknown = failure.convert(
            OutcomeUnknown,
            f"{failure.message}. The {operation} of the recording of {session.target} may have "
            f"taken effect: call {operation} again, and take a refusal as a sign that it has",
        )
        found = None
        with suppress(ProviderError):
            found = self._look_again_after(session)
        if found is None:
            raise unknown if timed_out else failure
        is_over = found.status in _OVER
        if is_over if operation == "stop" else found.provider_status == word:
            return found
        # `processing` shows neither a pause nor a stop while the call lives.
        is_shown = is_over or found.provider_status in _CHANGEABLE
        if timed_out and not is_shown:
            raise unknown
        try:
            return send()
        except Unavailable as error:
            if error.status != _TIMED_OUT:
                raise
        except (Rejected, Conflict, NotFound) as error:
            if is_shown or error.code == _NOT_IN_PROGRESS:
                raise
        raise unknown

    def _prepare_update(
        self, session: RecordingSession, operation: str, form: Mapping[str, str]
    ) -> Callable[[], RecordingSession]:
        """Find the path of an update, and return what sends it."""
        # The row may name another leg of the call than the start did.
        owner = mapping.read_owner(session.raw)
        if owner is None or owner.kind is not session.target.kind:
            owner = self._find_live_target(session.target, operation)
        sid = owner.id if owner is not None else ""
        path = mapping.build_session_path(session.target, sid)
        recording = quote(session.id, safe="") if session.id is not None else CURRENT

        def send() -> RecordingSession:
            response = self.transport.request(
                "POST",
                f"{self.root}/{path}/Recordings/{recording}.json",
                operation=operation,
                form=form,
                retry=RetryPolicy.IF_NOT_PROCESSED,
            )
            payload = _require_object(response.payload)
            return self._build_session(payload, session.target, recording_id=session.id)

        return send

    def _active(self, target: CommunicationSession) -> RecordingSession | None:
        own = self._find_live_target(target, "active")
        if own is None or (own is target and not self._is_live(target, "active")):
            return None
        filter = mapping.build_list_filter(own)
        for row in self._iterate_rows("recordings", filter, operation="active"):
            is_own = mapping.read_owner(row) in (own, None)
            if is_own and mapping.is_unfinished(row) and mapping.has_no_end(row):
                return self._build_session(row, target)
        return None

    def _find_live_target(
        self, target: CommunicationSession, operation: str
    ) -> CommunicationSession | None:
        """Find the live conference of a name, if there is one; any other target is returned."""
        if not mapping.is_named(target):
            return target
        found = self._find_conferences(target, operation, **_IN_PROGRESS)
        return found[0] if found else None

    def _find_conferences(
        self, target: CommunicationSession, operation: str, **filter: str
    ) -> tuple[CommunicationSession, ...]:
        """Find the conferences of a name, which is reused."""
        filter["FriendlyName"] = target.id
        rows = self._iterate_rows("conferences", filter, operation=operation)
        sids = map(mapping.read_row_id, rows)
        return tuple(CommunicationSession(SessionKind.CONFERENCE, sid) for sid in sids if sid)

    # -- recordings ------------------------------------------------------------------------------

    def _page(self, query: Query, window: Window, cursor: Any) -> Page:
        target, path, params = query.target, f"{self.root}/Recordings.json", None
        targets: tuple[CommunicationSession | None, ...] = (target,)
        if cursor is not None:
            targets = cursor.targets
        elif target is not None and mapping.is_named(target):
            targets = self._find_conferences(target, "list")
            if not targets:
                return Page(())
        if cursor is not None and cursor.query is not None:
            path = f"{path}?{cursor.query}"
        else:
            params = {
                **mapping.build_list_filter(targets[0]),
                **self._build_time_filter(query),
                "IncludeSoftDeleted": "true",
                "PageSize": str(PAGE_SIZE),
            }
        response = self.transport.get(path, operation="list", params=params)
        payload_rows, following = self._read_list(response.payload, "recordings")
        live, errors = self._find_live(payload_rows, targets[0], "list")
        last = mapping.read_row_id(payload_rows[-1]) if payload_rows else None
        rows = read_rows(
            payload_rows, lambda row: _set_name(self._read_row(row, live, targets[0]), target)
        )
        left = targets if following is not None else targets[1:]
        return Page(
            rows,
            next=_Cursor(left, following) if left else None,
            ends_list=following is None,
            errors=errors,
            # A token with the SID of the page's last row names that row (assumption 3).
            stable_cursor=following is None or (last is not None and last in following),
        )

    def _build_time_filter(self, query: Query) -> dict[str, str]:
        params = {}
        if query.since is not None and query.since > BEGINNING:
            params["DateCreated>"] = mapping.format_filter_time(query.since - MARGIN)
        if query.until is not None and query.until < self.clock.now():
            params["DateCreated<"] = mapping.format_filter_time(query.until + MARGIN)
        return params

    def _find_live(
        self, rows: Sequence[Any], target: CommunicationSession | None, operation: str
    ) -> tuple[frozenset[str], tuple[str, ...]]:
        """Find which calls and conferences of the undecided rows of a page live.

        Takes one request for one of them. For several it takes a request per page of the live
        calls, and one per page of the live conferences, and not one per row. Returns also a
        sentence for the coverage if the credentials may not read calls.
        """
        found = (mapping.read_owner(row) or target for row in rows if mapping.is_undecided(row))
        owners = {each for each in found if each is not None}
        try:
            if len(owners) == 1:
                return frozenset(each.id for each in owners if self._is_live(each, operation)), ()
            live: set[str] = set()
            for kind, name in _LIVE_LISTS.items():
                if any(each.kind is kind for each in owners):
                    sessions = self._iterate_rows(name, _IN_PROGRESS, operation=operation)
                    live.update(filter(None, map(mapping.read_row_id, sessions)))
            return frozenset(live), ()
        except AuthenticationFailed as error:
            if error.status != 403:
                raise
            return frozenset(), (_NO_CALLS,)

    def _iterate_rows(
        self, name: str, filter: Mapping[str, str], *, operation: str
    ) -> Iterator[Any]:
        """Iterate over the rows of a list of the account, page by page."""
        path = start = f"{self.root}/{name.capitalize()}.json"
        params: dict[str, str] | None = {**filter, "PageSize": str(PAGE_SIZE)}
        seen: set[str | None] = set()
        while True:
            response = self.transport.get(path, operation=operation, params=params)
            rows, following = self._read_list(response.payload, name)
            yield from rows
            if following is None:
                return
            if following in seen:
                raise PaginationError(
                    f"Twilio's list of {name} returns the same page again and again",
                    provider=self.name,
                    operation=operation,
                )
            seen.add(following)
            path, params = f"{start}?{following}", None

    def _read_list(self, payload: Any, name: str) -> tuple[list[Any], str | None]:
        """Read the rows of a list, and the query of the next page; None on the last one.

        Without `next_page_uri`, which is null on the last page, a page looks like the last one.
        """
        fields = Fields(_require_object(payload))
        rows, link = fields.array(name), fields.text("next_page_uri")
        is_read = "next_page_uri" in fields.row and not fields.is_unread("next_page_uri")
        if rows is None or not is_read:
            raise MalformedPayload(
                f"Twilio returned a list without a readable `{name}` or `next_page_uri`"
            )
        return rows, link and urlsplit(self.transport.resolve_link(link, "list")).query

    def _is_live(self, target: CommunicationSession, operation: str) -> bool:
        """Whether a call or conference has not ended."""
        path = f"{self.root}/{mapping.build_session_path(target)}.json"
        try:
            response = self.transport.get(path, operation=operation)
        except NotFound:
            return False
        return Fields(_require_object(response.payload)).text("status") not in mapping.ENDED

    def _get(self, recording_id: str, target: CommunicationSession | None) -> Recording:
        response = self.transport.get(
            f"{self.root}/Recordings/{quote(recording_id, safe='')}.json",
            operation="get",
            params={"IncludeSoftDeleted": "true"},
        )
        row = _require_object(response.payload)
        live, _ = self._find_live((row,), target, "get")
        return _set_name(self._read_row(row, live, target), target)

    def _delete(self, recording_id: str, target: CommunicationSession | None) -> None:
        self.transport.request(
            "DELETE",
            f"{self.root}/Recordings/{quote(recording_id, safe='')}.json",
            operation="delete",
            retry=RetryPolicy.IDEMPOTENT,
            expect="none",
        )

    def _download(
        self,
        recording: Recording,
        files: Sequence[MediaFile],
        destination: Destination,
        deadline: Deadline,
    ) -> tuple[Copy, ...]:
        try:
            return super()._download(recording, files, destination, deadline)
        except Rejected as error:
            if error.code != mapping.NOT_DUAL:
                raise
            # Two channels were stored, as the row states, and one is left.
            mono = [evolve(each, url=(each.url or "").partition("?")[0]) for each in files]
            return super()._download(recording, mono, destination, deadline)

    def _read_row(
        self,
        row: Mapping[str, Any],
        live: frozenset[str],
        target: CommunicationSession | None,
    ) -> Recording:
        is_live = False
        if live:
            owner = mapping.read_owner(row) or target
            is_live = owner is not None and owner.id in live
        return mapping.read_recording(row, self.account, self.media_root, is_live=is_live)


class _Cursor(NamedTuple):
    """The conferences whose pages are left, and the query of the next page of the first."""

    targets: tuple[CommunicationSession | None, ...]
    query: str | None


#: The code of a request about a call that is not in progress.
_NOT_IN_PROGRESS = "21220"
_IN_PROGRESS = {"Status": "in-progress"}
#: The names of the lists of live calls and conferences, by kind.
_LIVE_LISTS = {SessionKind.CALL: "calls", SessionKind.CONFERENCE: "conferences"}
_NO_CALLS = (
    "Twilio did not permit to read the live calls (HTTP 403): a recording that runs is listed as "
    "`processing`. Give the API key the permission to read calls and conferences"
)


def _set_name(recording: Recording, target: CommunicationSession | None) -> Recording:
    """Set the name of a conference that the caller gave; a row names its SID."""
    if target is None or not mapping.is_named(target) or recording.kind is not target.kind:
        return recording
    return evolve(recording, target=target)


def _build_base_url(settings: Mapping[str, str]) -> str:
    """Build the API's URL of a region and an edge. Raises `ConfigurationError`."""
    region, edge = settings["region"], settings["edge"]
    for name, value in (("region", region), ("edge", edge)):
        if not _LABEL.fullmatch(value):
            raise ConfigurationError(
                f"{name} of Twilio (TWILIO_{name.upper()}) is a word such as ie1 or dublin, and is "
                "a part of the host that receives the credentials"
            )
    if edge and not region:
        region = "us1"
    host = ".".join(filter(None, ("api", edge, region, "twilio.com")))
    return f"https://{host}/2010-04-01"


def _require_object(payload: Any) -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise MalformedPayload("The response is not a JSON object")
    return payload
