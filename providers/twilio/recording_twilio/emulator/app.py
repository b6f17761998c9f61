"""Emulated Twilio: the routes and verbs of its recordings API, as its pages and clients show them.

What they leave open is a numbered assumption (`recording_twilio/assumptions.py`), or a comment
states "undocumented" and what is done here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import evolve

from recording_core import CommunicationSession, Interval, SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, Emulator, RedeliveryPolicy, Reply, Request, Webhook
from recording_twilio.assumptions import ASSUMPTIONS
from recording_twilio.emulator import listing, media, recordings, requests, responses, webhooks
from recording_twilio.emulator.authentication import (
    build_api_key,
    build_credentials,
    build_sid,
    is_authenticated,
)
from recording_twilio.emulator.recordings import (
    CONFERENCE_NAMES,
    EmulatedPause,
    EmulatedRecording,
    EmulatedSession,
)
from recording_twilio.emulator.requests import Arguments
from recording_twilio.emulator.responses import API, ErrorResponse

#: The path below /2010-04-01/Accounts/{sid}/ without `.json`, and the method -> the emulator's
#: method that answers. https://www.twilio.com/docs/voice/api
ROUTES: Mapping[str, Mapping[str, str]] = {
    "Calls": {"GET": "_list_calls"},
    "Calls/*": {"GET": "_get_call", "POST": "_update_call"},
    "Calls/*/Recordings": {"POST": "_start", "GET": "_list_of_session"},
    "Calls/*/Recordings/*": {"GET": "_get", "POST": "_update", "DELETE": "_delete"},
    "Conferences": {"GET": "_list_conferences"},
    "Conferences/*": {"GET": "_get_conference"},
    # There is no POST: a request cannot start the recording of a conference.
    "Conferences/*/Recordings": {"GET": "_list_of_session"},
    "Conferences/*/Recordings/*": {"GET": "_get", "POST": "_update", "DELETE": "_delete"},
    "Recordings": {"GET": "_list"},
    "Recordings/*": {"GET": "_get", "DELETE": "_delete"},
}
#: What an update's `Status` asks for -> the emulator's method.
CHANGES = {"paused": "_pause", "in-progress": "_resume", "stopped": "_stop"}
#: Names the only active recording of a call or conference.
CURRENT = "Twilio.CURRENT"


class TwilioEmulator(Emulator):
    """Twilio's recordings API, with one live call and one live conference.

    Args:
        media_auth: the console's switch "Enforce HTTP Auth on Media URLs", which no API reads
        largest_page: the most rows of a page, no matter what `PageSize` asks for
        settings: those of every emulator
    """

    provider = "twilio"
    prefix = API
    assumptions = ASSUMPTIONS
    redelivery = webhooks.REDELIVERY
    conformance_settings: ClassVar = {"recordings": 45, "largest_page": 20}
    #: kept until deleted
    retention = timedelta(days=3650)

    def __init__(
        self,
        *,
        media_auth: bool = True,
        largest_page: int = listing.LARGEST_PAGE,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.media_auth = media_auth
        self.max_page_size = largest_page
        self.credentials = build_credentials(self.random)
        #: valid in place of the Auth Token, for requests but not for webhooks
        self.api_key = build_api_key(self.random)
        #: its token is valid for its own calls, conferences and recordings alone
        self.subaccount = build_credentials(random.Random(self.credentials["account_sid"]))
        #: the account in the path of the request that is answered
        self.account = self.credentials["account_sid"]
        self.live: list[EmulatedSession] = []
        self.stored: dict[str, EmulatedRecording] = {}
        self.sessions: list[CommunicationSession] = [
            self.begin(SessionKind.CALL),
            self.begin(SessionKind.CONFERENCE, CONFERENCE_NAMES[0]),
        ]

    # -- changes that tests make without the client ---------------------------------------------

    def begin(
        self, kind: SessionKind, name: str = "", *, is_ringing: bool = False, account: str = ""
    ) -> CommunicationSession:
        """Begin a call or conference of the account or its subaccount; return it as a target."""
        with self.lock:
            session = self._add_session(kind, name, self.read_clock(), account)
            session.is_ringing = is_ringing
        return CommunicationSession(kind, session.sid)

    def begin_recording(
        self, target: CommunicationSession, *, source: str = "", **more: Any
    ) -> str:
        """Record a call or conference as TwiML does, until it ends; return the recording's SID."""
        session = self.find_session(target)
        is_call = target.kind is SessionKind.CALL
        more = {"channels": 1 if is_call else 2, "events": requests.EVENTS, **more}
        return self._record(
            session, source or ("DialVerb" if is_call else "Conference"), **more
        ).sid

    def hang_up(self, target: CommunicationSession) -> None:
        """End a call or conference, and its recordings. Another one takes its place."""
        with self.lock:
            session = self.find_session(target)
            for each in self.live:
                is_member = target.kind is SessionKind.CONFERENCE and each.sid == session.call_sid
                if each is session or is_member:
                    each.ended = each.ended or self.read_clock()
            self.sessions = [
                self.begin(target.kind, session.name) if each == target else each
                for each in self.sessions
            ]

    def find_session(self, target: CommunicationSession) -> EmulatedSession:
        """Find a session. Raises `ErrorResponse`."""
        for session in self.live:
            if (session.kind, session.sid) == (target.kind, target.id):
                return session
        raise ErrorResponse(404)

    def add(
        self,
        *,
        ended: datetime,
        duration: timedelta = timedelta(minutes=1),
        kind: SessionKind = SessionKind.CALL,
        name: str = "",
        account: str = "",
        **more: Any,
    ) -> str:
        """Add a past recording of the account or of its subaccount, and return its SID."""
        ended, duration = (
            ended.replace(microsecond=0),
            timedelta(seconds=round(duration.total_seconds())),
        )
        with self.lock:
            session = self._add_session(kind, name, ended - duration, account, ended=ended)
            source = "StartCallRecordingAPI" if kind is SessionKind.CALL else "Conference"
            recording = EmulatedRecording(
                build_sid(self.random, "RE"), session, ended - duration, source, **more
            )
            self.stored[recording.sid] = recording
        return recording.sid

    def _add_session(
        self,
        kind: SessionKind,
        name: str,
        began: datetime,
        account: str,
        *,
        ended: datetime | None = None,
    ) -> EmulatedSession:
        """Add a session, and with a conference the call of one of its members."""
        account = account or self.credentials["account_sid"]
        session = recordings.build_session(self.random, kind, name, began, account)
        session.ended = ended
        self.live.append(session)
        if kind is SessionKind.CONFERENCE:
            self.live.append(recordings.build_member(session))
        return session

    def remove(self, sid: str) -> None:
        """Remove a recording with its row and media."""
        with self.lock:
            del self.stored[sid]
            self.deliveries.forget(sid)

    def build_error(self, status: int) -> Reply:
        return responses.build_error_reply(ErrorResponse(status, "The request is refused"))

    def populate(self) -> None:
        now = self.read_clock()
        for index in range(self.recordings):
            kind = SessionKind.CONFERENCE if index % 3 == 2 else SessionKind.CALL
            self.add(
                ended=now - self.compute_age(index),
                duration=timedelta(seconds=self.random.randint(1, 90)),
                kind=kind,
                name=self.random.choice(CONFERENCE_NAMES),
                channels=2 if index % 2 else 1,
            )

    def list_ids(self) -> list[str]:
        with self.lock:
            own = self._list_own(self.credentials["account_sid"])
            return [each.sid for each in own if each.deleted is None]

    def read_clock(self) -> datetime:
        """Return the time in whole seconds, which all of Twilio's times have."""
        return self.clock.now().replace(microsecond=0)

    # -- webhooks -------------------------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, Any]:
        return {"secret": self.credentials["auth_token"]}

    def find_redelivery(self, webhook: Webhook) -> RedeliveryPolicy:
        return webhooks.read_redelivery(webhook.url, self.redelivery)

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        # The primary Auth Token of the account itself.
        is_of_subaccount = event.payload.get("AccountSid") == self.subaccount["account_sid"]
        secret = (self.subaccount if is_of_subaccount else self.credentials)["auth_token"]
        token = f"{event.payload.get('RecordingSid')} {event.name}" if event.attempt > 1 else None
        return webhooks.build_signed_request(event.payload, webhook, secret, retry_token=token)

    def _record(self, session: EmulatedSession, source: str, **more: Any) -> EmulatedRecording:
        with self.lock:
            recording = EmulatedRecording(
                build_sid(self.random, "RE"), session, self.read_clock(), source, **more
            )
            self.stored[recording.sid] = recording
            context = webhooks.WebhookContext(
                account=recording.account,
                url=self._build_media_url(recording),
                processing=self.processing,
                has_pause_events=self.assumes(5),
            )
            self.deliveries.follow(
                recording.sid, lambda now: webhooks.find_events(recording, now, context)
            )
            if recording.webhook is not None:
                self.deliveries.start_sending(recording.webhook.url)
        return recording

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        self.account = self._read_account(request)
        if not self._is_allowed(request):
            return responses.build_error_reply(ErrorResponse(401, "Authenticate"))
        try:
            name, segments = requests.find_route(request, ROUTES)
            arguments = requests.read_arguments(request)
            answer: Callable[[Sequence[str], Arguments], Reply] = getattr(self, name)
            return answer(segments, arguments)
        except ErrorResponse as error:
            return responses.build_error_reply(error)

    def _is_allowed(self, request: Request) -> bool:
        pairs = {
            self.credentials["account_sid"]: [self.credentials, self.api_key],
            self.subaccount["account_sid"]: [self.subaccount],
        }
        if self.assumes(9):
            pairs[self.subaccount["account_sid"]].append(self.credentials)
        return any(is_authenticated(request, each) for each in pairs.get(self.account, ()))

    def _read_account(self, request: Request) -> str:
        match request.segments():
            case ["2010-04-01", "Accounts", account, *_]:
                return account
        return ""

    def _list_own(self, account: str) -> list[EmulatedRecording]:
        """List the recordings of an account, without those of its subaccount."""
        return [each for each in self.stored.values() if each.account == account]

    def _find_own(self, sid: str) -> EmulatedRecording | None:
        recording = self.stored.get(sid)
        return recording if recording is not None and recording.account == self.account else None

    def _start(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        session = self._require_session(segments)
        arguments.check_words()
        webhook = webhooks.read_webhook(arguments)
        if session.call_status != "in-progress":
            raise ErrorResponse(
                400,
                "Requested resource is not eligible for recording",
                responses.NOT_ELIGIBLE,
            )
        running = [
            each for each in self._find_running(session) if each.source == "StartCallRecordingAPI"
        ]
        if running:
            # A second start succeeds without a second recording. Undocumented: that the answer is
            # the first one's row, and has the status 200, which is declared next to 201.
            return Reply.json(self._build_row(running[0], segments, status="in-progress"), 200)
        track = arguments.get("RecordingTrack") or "both"
        is_dual = arguments.get("RecordingChannels") == "dual" and track == "both"
        recording = self._record(
            session,
            "StartCallRecordingAPI",
            channels=2 if is_dual else 1,
            track=track,
            webhook=webhook,
            events=webhooks.read_events(arguments) if webhook is not None else requests.EVENTS,
        )
        return Reply.json(self._build_row(recording, segments, status="in-progress"), 201)

    def _update(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        session = self._require_session(segments)
        arguments.check_words()
        word = arguments.get("Status")
        # https://www.twilio.com/docs/voice/api/conference-recordings: `stopped` is not supported
        allowed = [*CHANGES][: 3 if session.kind is SessionKind.CALL else 2]
        if word not in allowed:
            raise ErrorResponse(400, f"Status must be one of {', '.join(allowed)}")
        recording = self._find_addressed(session, segments[3])
        if not recording.is_running(self.read_clock()):
            if self.assumes(1):
                raise ErrorResponse(404)
            raise ErrorResponse(
                400, "Requested resource is not in progress", responses.NOT_ELIGIBLE
            )
        if self.assumes(2) and recording.is_paused == (word == "paused") and word != "stopped":
            raise ErrorResponse(400, f"The recording is already {word}")
        getattr(self, CHANGES[word])(recording, arguments)
        return Reply.json(self._build_row(recording, segments, status=word))

    def _pause(self, recording: EmulatedRecording, arguments: Arguments) -> None:
        if not recording.is_paused:
            is_cut = arguments.get("PauseBehavior") == "skip"
            recording.pauses.append(EmulatedPause(Interval(self.read_clock()), is_cut))

    def _resume(self, recording: EmulatedRecording, arguments: Arguments) -> None:
        if recording.is_paused:
            *earlier, last = recording.pauses
            interval = Interval(last.interval.start, self.read_clock())
            recording.pauses = [*earlier, evolve(last, interval=interval)]

    def _stop(self, recording: EmulatedRecording, arguments: Arguments) -> None:
        recording.stopped = self.read_clock()

    def _get(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        is_of_account = segments[0] == "Recordings"
        shows_deleted = is_of_account and arguments.get("IncludeSoftDeleted") == "true"
        recording = self._require_recording(segments, shows_deleted=shows_deleted)
        return Reply.json(self._build_row(recording, segments))

    def _delete(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        recording = self._require_recording(segments)
        status = recording.find_status(self.read_clock(), self.processing, shows_state=False)
        if status != "completed":
            # Undocumented: the answer. "Only completed recordings can be deleted."
            raise ErrorResponse(409, "A recording that is not completed cannot be deleted")
        recording.deleted = self.read_clock()
        self.deliveries.forget(recording.sid)
        return Reply(204)

    def _list(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        now = self.read_clock()
        call_sid, conference_sid = arguments.get("CallSid"), arguments.get("ConferenceSid")
        shows_deleted = arguments.get("IncludeSoftDeleted") == "true"
        found = [
            each
            for each in self._list_own(self.account)
            if each.is_kept(now)
            and (shows_deleted or each.deleted is None)
            and call_sid in (None, each.session.call_sid)
            and (
                conference_sid is None
                or (each.session.kind, each.session.sid) == (SessionKind.CONFERENCE, conference_sid)
            )
        ]
        return self._build_list(found, segments, arguments)

    def _list_of_session(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        session = self._require_session(segments)
        found = [
            each
            for each in self._list_own(self.account)
            if each.session is session and each.deleted is None
        ]
        return self._build_list(found, segments, arguments)

    def _build_list(
        self,
        found: Iterable[EmulatedRecording],
        segments: Sequence[str],
        arguments: Arguments,
    ) -> Reply:
        is_wanted = listing.build_time_filter(
            arguments, "DateCreated", cuts_to_date=self.assumes(4) or segments[0] != "Recordings"
        )
        return self._reply_page(
            [each for each in found if is_wanted(each.started)],
            segments,
            arguments,
            "recordings",
            lambda each: (each.started, each.sid),
            lambda each: self._build_row(each, segments),
        )

    def _list_calls(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        wanted = [arguments.get(each) for each in ("Status", "From", "To", "ParentCallSid")]
        is_in_time = listing.build_session_filter(arguments, StartTime="began", EndTime="ended")
        found = [
            each
            for each in self._list_own_sessions(SessionKind.CALL)
            # No call here is the child of another one.
            if listing.is_equal(wanted, (each.call_status, each.from_number, each.to_number, ""))
            and is_in_time(each)
        ]
        return self._reply_page(
            found,
            segments,
            arguments,
            "calls",
            lambda each: (each.began, each.sid),
            responses.build_call,
        )

    def _list_conferences(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        wanted = [arguments.get(each) for each in ("Status", "FriendlyName")]
        is_in_time = listing.build_session_filter(
            arguments, cuts_to_date=True, DateCreated="began", DateUpdated="updated"
        )
        found = [
            each
            for each in self._list_own_sessions(SessionKind.CONFERENCE)
            if listing.is_equal(wanted, (each.conference_status, each.name)) and is_in_time(each)
        ]
        return self._reply_page(
            found,
            segments,
            arguments,
            "conferences",
            lambda each: (each.began, each.sid),
            responses.build_conference,
        )

    def _get_call(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        return Reply.json(responses.build_call(self._require_session(segments)))

    def _update_call(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        session = self._require_session(segments)
        if arguments.get("Status") != "completed":
            raise ErrorResponse(400, "Status must be completed")
        session.ended = session.ended or self.read_clock()
        return self._get_call(segments, arguments)

    def _get_conference(self, segments: Sequence[str], arguments: Arguments) -> Reply:
        session = self._require_session(segments)
        return Reply.json(responses.build_conference(session))

    # -- helpers of the answers ------------------------------------------------------------------

    def _list_own_sessions(self, kind: SessionKind) -> list[EmulatedSession]:
        return [each for each in self.live if (each.kind, each.account) == (kind, self.account)]

    def _require_session(self, segments: Sequence[str]) -> EmulatedSession:
        kind = SessionKind.CALL if segments[0] == "Calls" else SessionKind.CONFERENCE
        for session in self._list_own_sessions(kind):
            if session.sid == segments[1]:
                return session
        raise ErrorResponse(404)

    def _require_recording(
        self, segments: Sequence[str], *, shows_deleted: bool = False
    ) -> EmulatedRecording:
        recording = self._find_own(segments[-1])
        if recording is None or not recording.is_kept(self.read_clock()):
            raise ErrorResponse(404)
        if recording.deleted is not None and not shows_deleted:
            raise ErrorResponse(404)
        if segments[0] != "Recordings" and recording.session is not self._require_session(segments):
            raise ErrorResponse(404)
        return recording

    def _find_running(self, session: EmulatedSession) -> list[EmulatedRecording]:
        now = self.read_clock()
        return [
            each
            for each in self._list_own(self.account)
            if each.session is session and each.is_running(now)
        ]

    def _find_addressed(self, session: EmulatedSession, sid: str) -> EmulatedRecording:
        """Find the recording of an update, whose path may name the current one."""
        if sid == CURRENT:
            running = self._find_running(session)
            if len(running) == 1:
                return running[0]
            raise ErrorResponse(
                400,
                f"{CURRENT} needs exactly one active recording, and there are {len(running)}",
                responses.NOT_ONE_CURRENT,
            )
        recording = self._find_own(sid)
        if recording is None or recording.session is not session or recording.deleted is not None:
            raise ErrorResponse(404)
        return recording

    def _reply_page(
        self,
        rows: Sequence[Any],
        segments: Sequence[str],
        arguments: Arguments,
        name: str,
        read_key: Callable[[Any], tuple[datetime, str]],
        build_row: Callable[[Any], dict[str, Any]],
    ) -> Reply:
        path = "/".join((API, "Accounts", self.account, *segments)) + ".json"
        shown, fields = listing.build_page(
            rows,
            arguments,
            path=path,
            read_key=read_key,
            has_row_tokens=self.assumes(3),
            largest=self.max_page_size,
        )
        return Reply.json({**fields, name: [build_row(each) for each in shown]})

    def _build_row(
        self, recording: EmulatedRecording, segments: Sequence[str], *, status: str | None = None
    ) -> dict[str, Any]:
        row = recording.build_row(
            self.read_clock(),
            self.processing,
            status=status,
            shows_state=self.assumes(7),
            shows_null=self.assumes(6),
        )
        owner = "" if segments[0] == "Recordings" else f"{segments[0]}/{segments[1]}/"
        row["uri"] = f"{API}/Accounts/{self.account}/{owner}Recordings/{recording.sid}.json"
        if segments[0] == "Calls":
            row["track"] = recording.track
        elif segments[0] == "Recordings":
            row["media_url"] = self._build_media_url(recording)
            row["subresource_uris"] = {}
        return row

    def _build_media_url(self, recording: EmulatedRecording) -> str:
        if recording.own_storage is not None:
            return recording.own_storage
        return f"{self.origin}{API}/Accounts/{recording.account}/Recordings/{recording.sid}"

    # -- media, at the API's origin ---------------------------------------------------------------

    def is_media(self, request: Request) -> bool:
        """Whether a request to the API's port is for a file."""
        segments = request.segments()
        if segments[3:4] != ["Recordings"] or len(segments) != 5:
            return False
        return media.split_suffix(segments[4])[1] in media.SUFFIXES

    def answer_media(self, request: Request) -> Reply:
        self.account = self._read_account(request)
        if self.media_auth and not self._is_allowed(request):
            return responses.build_error_reply(ErrorResponse(401, "Authenticate"))
        try:
            if request.method not in ("GET", "HEAD"):
                raise ErrorResponse(405, "The method is not allowed for this resource")
            sid, suffix = media.split_suffix(request.segments()[-1])
            recording = self._find_own(sid)
            if recording is None or not recording.has_media(self.read_clock(), self.processing):
                raise ErrorResponse(404)
            return media.build_media_reply(request, recording, suffix)
        except ErrorResponse as error:
            return responses.build_error_reply(error)
