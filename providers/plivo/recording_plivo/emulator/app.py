"""Emulated Plivo: its routes and verbs, as its pages and official clients show them.

If they do not document something, a comment states "undocumented" and what is done here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recording_core import CommunicationSession, Interval, SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, Emulator, Reply, Request, Webhook, build_uuid
from recording_plivo.emulator import listing, media, recordings, requests, responses, webhooks
from recording_plivo.emulator.authentication import build_credentials, is_authenticated
from recording_plivo.emulator.recordings import SESSION_NAMES, EmulatedRecording, EmulatedSession
from recording_plivo.emulator.responses import ErrorResponse

# https://www.plivo.com/docs/voice/api/recordings, /conferences, /multiparty-calls: the path below
# /v1/Account/{auth_id}/ and the method -> the emulator's method that answers.
ROUTES: Mapping[str, Mapping[str, str]] = {
    "Recording": {"GET": "_list"},
    "Recording/*": {"GET": "_get", "DELETE": "_delete"},
    "Call/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "Conference": {"GET": "_list_conferences"},
    "Conference/*": {"GET": "_get_conference"},
    "Conference/*/Record": {"POST": "_start", "DELETE": "_stop"},
    "MultiPartyCall/*": {"GET": "_get_multiparty_call"},
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
#: One past recording in ten is written as the page shows it, one as in the first years.
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
    redelivery = webhooks.REDELIVERY

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
        return CommunicationSession(kind, session.path_ids[0])

    def hang_up(self, target: CommunicationSession) -> None:
        """End a session and its running recordings."""
        now = self._read_clock()
        with self.lock:
            session = self.find_session(target)
            session.has_ended = True
            for recording in self._recordings.values():
                if recording.session is session and recording.is_running(now):
                    recording.stopped = now

    def find_session(self, target: CommunicationSession) -> EmulatedSession:
        """Find a session, with its members and its uuid. Raises `ErrorResponse`."""
        return self._find_session(target.kind, target.id)

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
                # There were no multiparty calls in the years of the older shapes.
                shape="now" if kind is SessionKind.MEETING else PAST_SHAPES.get(index % 10, "now"),
            )

    def list_ids(self) -> list[str]:
        with self.lock:
            return [recording.id for recording in self._find_listed()]

    # -- webhooks -------------------------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, str]:
        return {"secret": self.credentials["auth_token"]}

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        token = self.credentials["auth_token"]
        return webhooks.build_signed_request(event.payload, webhook, token, self.webhook_random)

    def _follow(self, recording: EmulatedRecording) -> None:
        url = self._build_url(recording)
        self.deliveries.follow(
            recording.id, lambda now: webhooks.find_events(recording, now, url, self.processing)
        )
        for webhook in (recording.webhook, recording.transcript_webhook):
            if webhook is not None:
                self.deliveries.start_sending(webhook.url)

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        auth_id = self.credentials["auth_id"]
        # Undocumented: another account's path. Here the response is that to a wrong credential.
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
        if requests.is_asynchronous(segments, args):  # also if the response is an error
            return self._build_reply(202, message="async api spawned")
        return reply

    def _list(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        path = f"/v1/Account/{self.credentials['auth_id']}/Recording/"
        shown, meta = listing.build_page(
            self._find_listed(), args, now=self._read_clock(), path=path, paging=self.paging
        )
        return self._build_reply(meta=meta, objects=[self._build_row(each) for each in shown])

    def _get(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        return self._build_reply(**self._build_row(self._require_listed(segments[1])))

    def _delete(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self.remove(self._require_listed(segments[1]).id)
        return Reply(204)

    def _start(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session, member = self._require_live(segments)
        requests.check_words(args)
        time_limit = requests.read_time_limit(args) if session.kind is SessionKind.CALL else None
        # Undocumented: starting twice. Here both are recorded, each on its own.
        recording = EmulatedRecording(
            id=build_uuid(self.random),
            session=session,
            started=self._read_clock(),
            file_format=args.get("file_format") or "mp3",
            time_limit=time_limit,
            member=member,
            webhook=webhooks.read_webhook(args),
            transcript_webhook=webhooks.read_transcript_webhook(args),
        )
        self._recordings[recording.id] = recording
        self._follow(recording)
        recording.api_id = build_uuid(self.random)
        fields = responses.build_start_fields(recording, self._build_url(recording))
        return Reply.json({"api_id": recording.api_id, **fields}, 202)

    def _stop(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        # https://www.plivo.com/docs/api/call/record/: `URL` stops that one of a call's recordings.
        url = args.get("URL", "") if segments[0] == "Call" else ""
        for recording in self._require_running(segments, url):
            recording.stopped = self._read_clock()
        return Reply(204)

    def _pause(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        for recording in self._require_running(segments):
            if not recording.pauses or recording.pauses[-1].end is not None:
                recording.pauses.append(Interval(self._read_clock()))
        return Reply(204)

    def _resume(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        for recording in self._require_running(segments):
            if recording.pauses and recording.pauses[-1].end is None:
                recording.pauses[-1] = Interval(recording.pauses[-1].start, self._read_clock())
        return Reply(204)

    def _require_running(self, segments: Sequence[str], url: str = "") -> list[EmulatedRecording]:
        running = self._find_running(*self._require_live(segments))
        if url:
            running = [each for each in running if self._build_url(each) == url]
        # Undocumented: stopping or pausing what is not recorded, and pausing or resuming twice.
        # Here: 404, and the second is accepted like the first.
        if not running:
            raise ErrorResponse(404)
        return running

    def _list_conferences(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        conferences = (each for each in self._sessions if each.kind is SessionKind.CONFERENCE)
        live = [each.name for each in conferences if not each.has_ended]
        return self._build_reply(conferences=live)

    def _get_conference(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session, _ = self._require_live(segments)
        return self._build_reply(
            conference_name=session.name,
            conference_run_time=str((self._read_clock() - session.began) // timedelta(seconds=1)),
            conference_member_count=str(len(session.members)),
            members=[{"member_id": member} for member in session.members],
        )

    def _get_multiparty_call(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        session = self._find_session(SessionKind.MEETING, segments[1])
        # Undocumented: whether a participant's own recording, or a paused one, counts. Here only
        # the paused one does.
        is_recorded = bool(self._find_running(session, None))
        return self._build_reply(
            mpc_uuid=session.uuid,
            friendly_name=session.name,
            status="ended" if session.has_ended else "active",
            recording="recording" if is_recorded else "not-recording",
        )

    def _start_transcription(self, segments: Sequence[str], args: Mapping[str, Any]) -> Reply:
        self._transcribed.add(self._require_listed(segments[1]).id)
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
            self.credentials["auth_id"], self.media_origin, self._read_clock()
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
        for session in reversed(self._sessions):
            if session.kind is kind and id in session.path_ids:
                return session
        raise ErrorResponse(404)

    def _require_live(self, segments: Sequence[str]) -> tuple[EmulatedSession, str | None]:
        """Find the live session that the path names, and the participant if it names one."""
        session = self._find_session(KINDS[segments[0]], segments[1])
        member = segments[3] if segments[2:3] == ["Participant"] else None
        if session.has_ended or member not in (None, *session.members):
            raise ErrorResponse(404)
        return session, member

    def _find_running(
        self, session: EmulatedSession, member: str | None
    ) -> list[EmulatedRecording]:
        """Find the recordings of the whole session or of one participant, and not of the other."""
        now = self._read_clock()
        return [
            each
            for each in self._recordings.values()
            if each.session is session and each.member == member and each.is_running(now)
        ]
