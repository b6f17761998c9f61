"""Emulated Plivo: its routes and verbs, as its pages, official clients and fixtures show them.

What they leave open is a numbered assumption (`recording_plivo/assumptions.py`), or a comment
states "undocumented" and what is done here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from recording_core import CommunicationSession, Interval, SessionKind, WebhookRequest
from recording_core.plugin import (
    EmulatedEvent,
    Emulator,
    RedeliveryPolicy,
    Reply,
    Request,
    Webhook,
    build_uuid,
)
from recording_plivo.assumptions import ASSUMPTIONS
from recording_plivo.emulator import (
    listing,
    media,
    recordings,
    requests,
    responses,
    webhooks,
)
from recording_plivo.emulator.authentication import build_credentials, is_authenticated
from recording_plivo.emulator.recordings import SESSION_NAMES, EmulatedRecording, EmulatedSession
from recording_plivo.emulator.responses import ErrorResponse

# https://www.plivo.com/docs/voice/api/recordings, /conferences, /multiparty-calls: the path below
# /v1/Account/{auth_id}/ and the method -> the emulator's method that answers.
ROUTES: Mapping[str, Mapping[str, str]] = {
    "": {"GET": "_get_account"},
    "Recording": {"GET": "_list"},
    "Recording/*": {"GET": "_get", "DELETE": "_delete"},
    "Call": {"GET": "_list_live_calls"},
    "Call/*": {"GET": "_get_live_call"},
    "Call/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "Conference": {"GET": "_list_conferences"},
    "Conference/*": {"GET": "_get_conference"},
    "Conference/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall": {"GET": "_list_multiparty_calls"},
    "MultiPartyCall/*": {"GET": "_get_multiparty_call"},
    "MultiPartyCall/*/Participant": {"GET": "_list_participants"},
    "MultiPartyCall/*/Participant/*": {"GET": "_get_participant"},
    "MultiPartyCall/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall/*/Record/Pause": {"POST": "_pause"},
    "MultiPartyCall/*/Record/Resume": {"POST": "_resume"},
    "MultiPartyCall/*/Participant/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall/*/Participant/*/Record/Pause": {"POST": "_pause"},
    "MultiPartyCall/*/Participant/*/Record/Resume": {"POST": "_resume"},
    "Transcription/*": {
        "POST": "_start_transcription",
        "GET": "_get_transcription",
        "DELETE": "_delete_transcription",
    },
}
KINDS = {
    "Call": SessionKind.CALL,
    "Conference": SessionKind.CONFERENCE,
    "MultiPartyCall": SessionKind.MEETING,
}
#: One past recording in ten is written as in the first years, and with assumption 6 another one as
#: the page shows it.
PAST_SHAPES: Mapping[int, recordings.RowShape] = {3: "page", 6: "2013"}


class PlivoEmulator(Emulator):
    """Plivo's recording API, with one live call, conference and multiparty call.

    Args:
        paging: what `meta.next` carries
        media_auth: the console's switch "HTTP Auth on recordings", which no API can read
        settings: those of every emulator
    """

    provider = "plivo"
    prefix = "/v1"
    assumptions = ASSUMPTIONS
    redelivery = webhooks.REDELIVERY
    #: more than one page of twenty in each window of thirty days
    conformance_settings: ClassVar = {"recordings": 75}

    def __init__(
        self, *, paging: listing.PagingMode = "offset", media_auth: bool = False, **settings: Any
    ) -> None:
        super().__init__(**settings)
        self.paging: listing.PagingMode = paging
        self.media_auth = media_auth
        self.credentials = build_credentials(self.random, "MA")
        #: valid for the media of its own recordings, and here for nothing else
        self.subaccount = build_credentials(self.random, "SA")
        self._sessions: list[EmulatedSession] = []
        self._recordings: dict[str, EmulatedRecording] = {}
        self._transcribed: set[str] = set()
        self.sessions = [self.begin(kind, SESSION_NAMES[kind][0]) for kind in SessionKind]

    # -- changes that tests make without the client ---------------------------------------------

    def begin(self, kind: SessionKind, name: str = "") -> CommunicationSession:
        """Begin a call, conference or multiparty call; the last two have two members."""
        with self.lock:
            session = recordings.build_session(self.random, kind, name, self._read_clock())
            self._sessions.append(session)
        return CommunicationSession(kind, session.target_id)

    def record_by_xml(self, target: CommunicationSession, *, format: str = "mp3") -> str:
        """Record a call or conference by its XML element until it ends, and return the id.

        A call is recorded for 60 s at most, the default of `maxLength`.
        """
        session = self.find_session(target)
        time_limit = requests.read_time_limit({}) if session.kind is SessionKind.CALL else None
        return self._begin_recording(session, source="xml", format=format, time_limit=time_limit).id

    def record_masked_call(self, target: CommunicationSession) -> str:
        """Record a call as one of number masking until it ends, and return the id."""
        return self._begin_recording(self.find_session(target), source="masking").id

    def fail_to_record(
        self, target: CommunicationSession, *, member: str | None = None, is_masked: bool = False
    ) -> None:
        """Fail to start the recording of a multiparty call, its member, or a masked call."""
        self._begin_recording(
            self.find_session(target),
            source="masking" if is_masked else "api",
            member=member,
            has_failed=True,
        )

    def hang_up(self, target: CommunicationSession) -> None:
        """End a session and its running recordings."""
        now = self._read_clock()
        with self.lock:
            session = self.find_session(target)
            session.ended = now
            for recording in self._recordings.values():
                if recording.session is session and recording.is_running(now):
                    recording.stopped = now

    def find_session(self, target: CommunicationSession) -> EmulatedSession:
        """Find a session, with its members and its uuid. Raises `ErrorResponse`."""
        for session in reversed(self._sessions):
            if session.kind is target.kind and target.id in (session.target_id, *session.path_ids):
                return session
        raise ErrorResponse(404)

    def add(
        self,
        *,
        ended: datetime,
        duration: timedelta = timedelta(minutes=1),
        kind: SessionKind = SessionKind.CALL,
        name: str = "",
        format: str = "mp3",
        shape: recordings.RowShape = "now",
        subaccount: str | None = None,
        added_after: timedelta | None = None,
    ) -> str:
        """Add a past recording and return its id. `add_time` is one to seven seconds later."""
        started = recordings.truncate_to_milliseconds(ended - duration)
        ended, name = recordings.truncate_to_milliseconds(ended), name or SESSION_NAMES[kind][0]
        with self.lock:
            id = build_uuid(self.random)
            delay = timedelta(microseconds=self.random.randrange(1_000_000, 6_800_000))
            recording = EmulatedRecording(
                id=id[:18] if shape == "2013" else id,  # shown so short; not every id is a UUID
                session=recordings.build_session(self.random, kind, name, started),
                started=started,
                stopped=ended,
                file_format=format,
                subaccount=subaccount,
                shape=shape,
                added_after=delay if added_after is None else added_after,
            )
            self._recordings[recording.id] = recording
        return recording.id

    def remove(self, id: str) -> None:
        """Remove a recording with its row and media."""
        with self.lock:
            del self._recordings[id]
            self.deliveries.forget(id)

    def build_error(self, status: int) -> Reply:
        return self._build_error(ErrorResponse(status, "refused"))

    def populate(self) -> None:
        now = self._read_clock()
        kinds = list(SessionKind)
        for index in range(self.recordings):
            kind = kinds[index % 3]
            seconds = 0.0 if index % 14 == 4 else self.random.uniform(1, 1200)
            self.add(
                ended=now - self.compute_age(index),
                duration=timedelta(seconds=seconds),
                kind=kind,
                name=self.random.choice(SESSION_NAMES[kind]),
                format="wav" if index % 7 == 5 else "mp3",
                shape=self._find_past_shape(kind, index),
            )

    def _find_past_shape(self, kind: SessionKind, index: int) -> recordings.RowShape:
        shape = PAST_SHAPES.get(index % 10, "now")
        # There were no multiparty calls in the years of the older shapes.
        is_older = kind is not SessionKind.MEETING and (shape != "page" or self.assumes(6))
        return shape if is_older else "now"

    def list_ids(self) -> list[str]:
        with self.lock:
            return [recording.id for recording in self._find_listed()]

    # -- webhooks -------------------------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, Any]:
        return {"secret": self.credentials["auth_token"]}

    def find_redelivery(self, webhook: Webhook) -> RedeliveryPolicy:
        return webhooks.read_redelivery(webhook.url, self.redelivery)

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        token = self.credentials["auth_token"]
        return webhooks.build_signed_request(event.payload, webhook, token, self.webhook_random)

    def _follow(self, recording: EmulatedRecording) -> None:
        context = webhooks.WebhookContext(
            url=self._build_url(recording),
            resource_url=f"{self.base_url}/Account/{self.credentials['auth_id']}/Recording/"
            f"{recording.id}/",
            processing=self.processing,
            is_after_row=not self.assumes(9),
            has_null_words=self.assumes(10),
        )
        self.deliveries.follow(
            recording.id, lambda now: webhooks.find_events(recording, now, context)
        )
        for webhook in (recording.webhook, recording.transcript_webhook):
            if webhook is not None:
                self.deliveries.start_sending(webhook.url)

    def _send(self, event: EmulatedEvent) -> None:
        """Send an event that is about a request, and not about what happens to a recording."""
        id = build_uuid(self.webhook_random)
        self.deliveries.follow(id, lambda now: [event] if event.at <= now else [])
        if event.webhook is not None:
            self.deliveries.start_sending(event.webhook.url)

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        auth_id = self.credentials["auth_id"]
        # 401 is the documented code for credentials that do not match, also if the path does not.
        if not is_authenticated(request, self.credentials) or request.segments()[2:3] != [auth_id]:
            return responses.UNAUTHORIZED
        try:
            name, segments = requests.find_route(request, ROUTES)
            args = requests.read_arguments(request)
        except ErrorResponse as error:
            return self._build_error(error)
        try:
            reply: Reply = getattr(self, name)(segments, args)
        except ErrorResponse as error:
            reply = self._build_error(error)
        if args.get("callback_url") and (
            not requests.is_about_the_end(segments) or (self.assumes(8) and reply.status == 202)
        ):
            return self._answer_asynchronously(reply, webhooks.read_answer_webhook(args))
        return reply

    def _answer_asynchronously(self, reply: Reply, webhook: Webhook) -> Reply:
        """Send the response, also an error, to `callback_url`, and acknowledge the request."""
        acknowledgement = {"api_id": build_uuid(self.random), "message": "async api spawned"}
        if reply.body:
            payload = json.loads(reply.body)
            if self.assumes(13):
                acknowledgement["api_id"] = payload["api_id"]
            parameters = webhooks.build_answer_parameters(payload)
            self._send(EmulatedEvent(self._read_clock(), "answer", parameters, True, webhook))
        return Reply.json(acknowledgement, 202)

    def _list(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        path = f"/v1/Account/{self.credentials['auth_id']}/Recording/"
        shown, meta = listing.build_page(
            self._find_listed(),
            args,
            now=self._read_clock(),
            path=path,
            paging=self.paging,
            assumes=self.assumes,
        )
        return self._build_reply(meta=meta, objects=[self._build_row(each) for each in shown])

    def _get(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        return self._build_reply(**self._build_row(self._require_listed(segments[1])))

    def _delete(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self.remove(self._require_listed(segments[1]).id)
        return responses.NO_CONTENT

    def _start(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session, member = self._require_live(segments)
        requests.check_words(args)
        time_limit = requests.read_time_limit(args) if session.kind is SessionKind.CALL else None
        # Undocumented: a second start on one session, and what the track type `both` yields. Here
        # each start is one recording of its own.
        recording = self._begin_recording(
            session,
            format=args.get("file_format") or "mp3",
            time_limit=time_limit,
            member=member,
            track_type=args.get("record_track_type") or "all",
            webhook=webhooks.read_webhook(args, session.kind),
            transcript_webhook=webhooks.read_transcript_webhook(args, "transcription_url"),
        )
        fields = responses.build_start_fields(recording, self._build_url(recording))
        return Reply.json({"api_id": recording.api_id, **fields}, 202)

    def _begin_recording(
        self, session: EmulatedSession, *, format: str = "mp3", **more: Any
    ) -> EmulatedRecording:
        with self.lock:
            recording = EmulatedRecording(
                id=build_uuid(self.random),
                session=session,
                started=self._read_clock(),
                file_format=format,
                **more,
            )
            if recording.has_failed:
                recording.stopped = recording.started
            self._recordings[recording.id] = recording
            self._follow(recording)
            recording.api_id = build_uuid(self.random)
        return recording

    def _stop(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        # https://www.plivo.com/docs/api/call/record/: `URL` stops that one of a call's recordings.
        url = args.get("URL", "") if segments[0] == "Call" else ""
        for recording in self._find_addressed(segments, args, url):
            recording.stopped = self._read_clock()
        return responses.NO_CONTENT

    def _pause(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        for recording in self._find_addressed(segments, args):
            if not recording.pauses or recording.pauses[-1].end is not None:
                recording.pauses.append(Interval(self._read_clock()))
            else:
                self._answer_repetition()
        return responses.NO_CONTENT

    def _resume(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        for recording in self._find_addressed(segments, args):
            if recording.pauses and recording.pauses[-1].end is None:
                recording.pauses[-1] = Interval(recording.pauses[-1].start, self._read_clock())
            else:
                self._answer_repetition()
        return responses.NO_CONTENT

    def _answer_repetition(self) -> None:
        """Refuse a second pause or resume, with assumption 7; it is accepted otherwise."""
        if self.assumes(7):
            raise ErrorResponse(400, "the recording already has this state")

    def _find_addressed(
        self, segments: Sequence[str], args: Mapping[str, Any], url: str = ""
    ) -> list[EmulatedRecording]:
        """Find the recordings that a stop, pause or resume is about.

        A participant's are those of the given track type, whose default is `all`, as at the start.
        """
        session, member = self._require_live(segments)
        running = self._find_running(session, member)
        if member is not None:
            requests.check_words(args, "record_track_type")
            wanted = args.get("record_track_type") or "all"
            running = [each for each in running if each.track_type == wanted]
        if url:
            running = [each for each in running if self._build_url(each) == url]
        if not running and self.assumes(12):
            raise ErrorResponse(404)
        return running

    # -- live objects ---------------------------------------------------------------------------

    def _get_account(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        return self._build_reply(**responses.build_account(self.credentials["auth_id"]))

    def _list_live_calls(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self._require_live_filter(args)
        calls = self._find_sessions(SessionKind.CALL)
        return self._build_reply(calls=[each.call_uuid for each in calls if each.ended is None])

    def _get_live_call(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self._require_live_filter(args)
        session, _ = self._require_live(segments)
        return self._build_reply(**responses.build_live_call(session))

    def _require_live_filter(self, args: Mapping[str, Any]) -> None:
        # Calls that ended are no part of this emulator.
        if args.get("status") != "live":
            raise ErrorResponse(404)

    def _list_conferences(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        conferences = self._find_sessions(SessionKind.CONFERENCE)
        return self._build_reply(conferences=[each.name for each in conferences if not each.ended])

    def _get_conference(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session, _ = self._require_live(segments)
        return self._build_reply(**responses.build_conference(session, self._read_clock()))

    def _list_multiparty_calls(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        objects = [
            self._build_multiparty_call(each)
            for each in reversed(self._find_sessions(SessionKind.MEETING))
            if args.get("friendly_name") in (None, each.name)
        ]
        status = str(args.get("status", "")).lower()
        found = [each for each in objects if status in ("", each["status"].lower())]
        path = f"/v1/Account/{self.credentials['auth_id']}/MultiPartyCall/"
        return self._build_reply(**listing.build_live_page(found, args, path))

    def _get_multiparty_call(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session = self._find_session(SessionKind.MEETING, segments[1])
        return self._build_reply(**self._build_multiparty_call(session))

    def _build_multiparty_call(self, session: EmulatedSession) -> dict[str, Any]:
        # A paused recording counts. Undocumented: that of one participant (assumption 11).
        members = (None,) if self.assumes(11) else (None, *session.members)
        is_recorded = any(self._find_running(session, each) for each in members)
        auth_id, now = self.credentials["auth_id"], self._read_clock()
        return responses.build_multiparty_call(session, auth_id, now, is_recorded=is_recorded)

    def _list_participants(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session = self._find_session(SessionKind.MEETING, segments[1])
        auth_id = self.credentials["auth_id"]
        members = [responses.build_participant(session, each, auth_id) for each in session.members]
        path = f"/v1/Account/{auth_id}/MultiPartyCall/uuid_{session.uuid}/Participant/"
        return self._build_reply(**listing.build_live_page(members, args, path))

    def _get_participant(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session = self._find_session(SessionKind.MEETING, segments[1])
        if segments[3] not in session.members:
            raise ErrorResponse(404)
        auth_id = self.credentials["auth_id"]
        return self._build_reply(**responses.build_participant(session, segments[3], auth_id))

    # -- transcriptions -------------------------------------------------------------------------

    def _start_transcription(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        recording = self._require_listed(segments[1])
        self._transcribed.add(recording.id)
        webhook = webhooks.read_transcript_webhook(args, "transcription_callback_url")
        if webhook is not None:
            at = self._read_clock() + webhooks.TRANSCRIBED_AFTER
            self._send(webhooks.build_transcript_event(recording, at, webhook))
        return self._build_reply(202, message="transcription in progress")

    def _get_transcription(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        recording = self._require_listed(segments[1])
        requests.check_words(args, "type")
        if recording.id not in self._transcribed:
            raise ErrorResponse(404)
        return self._build_reply(
            cost=0.0,
            rate=0.0,
            # Whole numbers here; decimals in quotes in the recording object.
            recording_duration_ms=recording.duration // timedelta(milliseconds=1),
            recording_start_ms=int(recording.started.timestamp() * 1000),
            status="success",
            transcription="Hello.",
        )

    def _delete_transcription(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self._transcribed.discard(self._require_listed(segments[1]).id)
        return self._build_reply(message="request accepted")

    # -- the media's port -----------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        """A file is 404 until its row exists, although the response to the start named its URL."""
        accounts = (self.credentials, self.subaccount)
        try:
            return media.build_media_reply(
                request, self._find_listed(), *accounts, media_auth=self.media_auth
            )
        except ErrorResponse as error:
            return self._build_error(error)

    # -- shared by both ports -------------------------------------------------------------------

    def _build_reply(self, status: int = 200, /, **fields: Any) -> Reply:
        """Build a JSON response; each has an `api_id` of its own."""
        return Reply.json({"api_id": build_uuid(self.random), **fields}, status)

    def _build_error(self, error: ErrorResponse) -> Reply:
        return self._build_reply(error.status, error=error.error)

    def _build_row(self, recording: EmulatedRecording) -> dict[str, Any]:
        return recording.build_row(
            self.credentials["auth_id"],
            self.media_origin,
            self._read_clock(),
            has_meeting_type=self.assumes(1),
        )

    def _build_url(self, recording: EmulatedRecording) -> str:
        return self.media_origin + recording.build_media_path(self.credentials["auth_id"])

    def _read_clock(self) -> datetime:
        return recordings.truncate_to_milliseconds(self.clock.now())

    def _find_listed(self) -> list[EmulatedRecording]:
        now = self._read_clock()
        return [each for each in self._recordings.values() if each.is_listed(now, self.processing)]

    def _require_listed(self, id: str) -> EmulatedRecording:
        """Find a recording that has a row; while it runs, and shortly after, it is 404."""
        recording = self._recordings.get(id)
        if recording is None or not recording.is_listed(self._read_clock(), self.processing):
            raise ErrorResponse(404)
        return recording

    def _find_session(self, kind: SessionKind, id: str) -> EmulatedSession:
        """Find the latest session of that id, also if it has ended."""
        for session in reversed(self._find_sessions(kind)):
            if id in session.path_ids:
                return session
        raise ErrorResponse(404)

    def _find_sessions(self, kind: SessionKind) -> list[EmulatedSession]:
        return [each for each in self._sessions if each.kind is kind]

    def _require_live(self, segments: Sequence[str]) -> tuple[EmulatedSession, str | None]:
        """Find the live session that the path names, and the participant if it names one."""
        session = self._find_session(KINDS[segments[0]], segments[1])
        member = segments[3] if segments[2:3] == ["Participant"] else None
        if session.ended is not None or member not in (None, *session.members):
            raise ErrorResponse(404)
        return session, member

    def _find_running(
        self, session: EmulatedSession, member: str | None
    ) -> list[EmulatedRecording]:
        """Find the recordings of the whole session or of one participant, and not of the other."""
        # Undocumented: whether a verb about a multiparty call is also about its participants'
        # recordings. Here it is not.
        now = self._read_clock()
        return [
            each
            for each in self._recordings.values()
            if each.session is session and each.member == member and each.is_running(now)
        ]
