"""The emulated Audian: the routes of its recording API, and their verbs.

    https://docs.audian.com/call-control/call-recording
    https://docs.audian.com/conferences/recording

These two pages are emulated, each with its own field names. "Undocumented" in a comment marks what
they leave open; it names the choice made here, which is the stricter one for a client.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, ClassVar

from recording_audian.assumptions import ASSUMPTIONS
from recording_audian.emulator import listing, media, recordings, requests, responses, webhooks
from recording_audian.emulator.authentication import ApiKeys, read_credential
from recording_audian.emulator.recordings import CallRecording, EmulatedRecording, RecordingStore
from recording_audian.emulator.responses import ErrorResponse, build_not_found_error
from recording_core import CommunicationSession, Interval, SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, Emulator, Reply, Request, Webhook, build_uuid

#: What a handler returns: a whole reply, or the payload of a success, not yet in its envelope.
Result = dict[str, Any] | Reply

CALL, CONFERENCE = SessionKind.CALL, SessionKind.CONFERENCE
PARAMETER_READERS = {
    CALL: requests.read_start_parameters,
    CONFERENCE: requests.read_conference_parameters,
}
#: The formats of the past recordings of calls, in turn; and the parameters of the two past
#: recordings of the live conference.
PAST_FORMATS = ("mp3", "opus", "mp3", "wav", "mp3", "mp3", "opus")
PAST_CONFERENCE_RECORDINGS: Sequence[Mapping[str, Any]] = (
    {"name": "Team Standup - Feb 4", "format": "wav", "quality": "high"},
    {"format": "m4a", "quality": "economy"},
)


class AudianEmulator(Emulator):
    """Audian's recording API, with one live call and one live conference.

    `starting` is how long a call's recording is `initiated`. The attributes below are the questions
    on which Audian's pages contradict each other or are silent; a test or `assume` sets them.
    """

    provider: ClassVar[str] = "audian"
    prefix: ClassVar[str] = "/v2"
    retention: ClassVar[timedelta] = recordings.RETENTION
    wall_clock_settings: ClassVar[Mapping[str, Any]] = {"starting": timedelta(0)}
    #: more than two pages of a hundred
    conformance_settings: ClassVar[Mapping[str, Any]] = {"recordings": 230}
    assumptions = ASSUMPTIONS
    redelivery = webhooks.REDELIVERY

    #: the envelope of a success, and the shape of an error
    envelope: responses.Envelope = "bare"
    error_shape: responses.ErrorShape = "flat"
    #: whether only a token is accepted: the key itself is then valid for `PUT /v2/api_auth` alone
    exchange_only = False
    #: https://docs.audian.com/authentication/tokens: "short-lived", without a number; its access
    #: tokens last at least this long
    token_lifetime = timedelta(minutes=15)
    #: whether each start returns the 429 of a full storage, which a retry does not change
    quota_exceeded = False
    #: whether lists are paged by keys, as https://docs.audian.com/api-basics/pagination has them
    is_paged_by_keys = False
    since_field: listing.SinceField = "created_at"
    #: the zone of the vendor's clocks, if it reads the time in `since` and ignores its `Z`
    since_zone: tzinfo | None = None
    #: the status of the redirect from a download to its temporary URL, undocumented; None if the
    #: response is the file itself, as in the conferences' sample, which follows no redirect
    redirect_status: int | None = 302
    #: the status of what assumption 8 refuses
    conflict_status = 409
    #: the status of a download without media: undocumented, but the calls' page has the 404 under
    #: the heading "Recording Not Available"
    unready_status = 404
    #: whether `build_error` builds a server error as the engine does: with the HTTP status 200, and
    #: its own status in quotes in the body
    hides_server_errors = False
    #: whether an event of a completed recording has neither format nor checksum: the page has both
    has_short_events = False

    def __init__(self, *, starting: timedelta = timedelta(seconds=1), **settings: Any) -> None:
        super().__init__(**settings)
        self.starting = starting
        self.is_paged_by_keys = self.assumes(1)
        if self.assumes(3):
            self.envelope = "data"
        if self.assumes(4):
            self.error_shape = "kazoo"
        if self.assumes(5):
            self.since_field = "started_at"
        if self.assumes(7):
            self.redirect_status = None
        characters = string.ascii_letters + string.digits
        key = "".join(self.random.choices(characters, k=40))
        self.credentials = {"api_key": key}
        self._api_keys = ApiKeys(key, self._build_hex(32), self.random)
        self._temporary_urls = media.TemporaryUrls("", b"")
        secret = "whsec_" + "".join(self.webhook_random.choices(characters, k=32))
        self._webhooks = webhooks.EmulatedWebhooks(self.webhook_random, secret)
        self._calls = RecordingStore[CallRecording](self.clock)
        self._conferences = RecordingStore[recordings.ConferenceRecording](self.clock)
        self._stores: Mapping[SessionKind, RecordingStore[Any]] = {
            CALL: self._calls,
            CONFERENCE: self._conferences,
        }
        self.sessions = [self.begin(CALL), self.begin(CONFERENCE)]

    def build_error(self, status: int) -> Reply:
        is_hidden = self.hides_server_errors and status >= 500
        shape = "kazoo" if is_hidden else self.error_shape
        error = ErrorResponse(status, "refused", "The request is refused")
        body = responses.build_error_body(error, shape, None, self._build_hex(32))
        return Reply.json(body, 200 if is_hidden else status)

    def populate(self) -> None:
        self._temporary_urls = media.TemporaryUrls(self.media_origin, self.random.randbytes(32))
        for index in range(self.recordings):
            format = PAST_FORMATS[index % len(PAST_FORMATS)]
            # A WAV file is large: 16 kB per second.
            seconds = self.random.randrange(1, 180 if format == "wav" else 1200)
            self.add(
                ago=self.compute_age(index),
                duration=timedelta(seconds=0 if index % 14 == 4 else seconds),
                failed=index == 2,
                format=format,
            )
        for days, parameters in enumerate(PAST_CONFERENCE_RECORDINGS if self.recordings else (), 1):
            ago, duration = timedelta(days=days), timedelta(minutes=days)
            conference_id = self.sessions[1].id
            self.add(CONFERENCE, session_id=conference_id, ago=ago, duration=duration, **parameters)

    def list_ids(self) -> list[str]:
        """Return the ids of calls' recordings: Audian's API cannot enumerate conferences."""
        with self.lock:
            return [recording.id for recording in self._calls.list_retained()]

    @property
    def conference_recordings(self) -> dict[str, list[str]]:
        """Conference id -> the ids of its recordings, which only that id can list."""
        with self.lock:
            found: dict[str, list[str]] = {}
            for recording in self._conferences.list_retained():
                found.setdefault(recording.session_id, []).append(recording.id)
            return found

    # -- changes that a test makes at the vendor ------------------------------------------------

    def begin(self, kind: SessionKind) -> CommunicationSession:
        """Begin a call or a conference."""
        with self.lock:
            target = self._build_session(kind)
            self._stores[kind].live.add(target.id)
        return target

    def hang_up(self, target: CommunicationSession) -> None:
        """End a call or a conference, and its recording."""
        with self.lock:
            store = self._stores[target.kind]
            store.live.discard(target.id)
            if recording := store.find_running(target.id):
                recording.stopped_at = self.clock.now()

    def add(
        self,
        kind: SessionKind = CALL,
        *,
        session_id: str | None = None,
        ago: timedelta = timedelta(hours=1),
        duration: timedelta | None = timedelta(minutes=1),
        failed: bool = False,
        **parameters: Any,
    ) -> str:
        """Add a recording that ended `ago`, and return its id. `parameters` are those of a start.

        With `duration=None` it began `ago` and still runs.
        """
        at = self.clock.now() - ago
        with self.lock:
            session_id = session_id or self._build_session(kind).id
            recording = self._record(kind, session_id, PARAMETER_READERS[kind](parameters))
            recording.is_failed = failed
            if duration is None:
                self._follow(recording)
                recording.started_at = at
                self._stores[kind].live.add(session_id)
            else:
                recording.started_at, recording.stopped_at = at - duration, at
        return recording.id

    def remove(self, id: str) -> None:
        """Remove a recording with its row and its media."""
        with self.lock:
            store = self._calls if id in self._calls.recordings else self._conferences
            del store.recordings[id]
            self.deliveries.forget(id)

    # -- webhooks -------------------------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, Any]:
        return {"secret": self._webhooks.secret}

    def find_webhooks(self, event: EmulatedEvent) -> Iterable[Webhook]:
        yield from super().find_webhooks(event)
        yield from self._webhooks.find_webhooks(event)

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        return self._webhooks.sign_event(event, webhook, now)

    def _follow(self, recording: EmulatedRecording) -> None:
        """Deliver a recording's events from its start on. Of a conference's none is documented."""
        if isinstance(recording, CallRecording):
            since = recording.started_at

            def list_events(now: datetime) -> Iterable[EmulatedEvent]:
                is_short = self.has_short_events
                events = webhooks.build_events(recording, now, self.base_url, is_short=is_short)
                return [event for event in events if event.at >= since]

            self.deliveries.follow(recording.id, list_events)

    # -- the API's port -------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        token, request_id = read_credential(request), self._build_hex(32)
        now, shape = self.clock.now(), self.error_shape
        try:
            if (request.method, request.path) == ("PUT", f"{self.prefix}/api_auth"):
                # This endpoint belongs to the other API, and always answers in its shape.
                shape = "kazoo"
                payload = self._api_keys.exchange_key(request, now, self.token_lifetime)
                return Reply.json(payload, 201)
            self._api_keys.check_request(request, now, exchange_only=self.exchange_only)
            result = self._route(request)
        except ErrorResponse as error:
            body = responses.build_error_body(error, shape, token, request_id)
            return Reply.json(body, error.status)
        if isinstance(result, Reply):
            return result
        return Reply.json(responses.build_success_body(result, self.envelope, token, request_id))

    def _route(self, request: Request) -> Result:
        now = self.clock.now()
        # Undocumented: the HTTP statuses on the calls' page. Here all are 200, as for conferences.
        match (request.method, *request.segments()):
            case ("POST", "v2", "calls"):
                return self._make_call(requests.read_body(request))
            case ("POST", "v2", "calls", id, "record", verb):
                return self._apply_verb(CALL, id, verb, request)
            case ("POST", "v2", "conferences"):
                return self._make_conference(requests.read_body(request))
            case ("POST", "v2", "conferences", id, "recording", verb):
                return self._apply_verb(CONFERENCE, id, verb, request)
            case ("GET", "v2", "recordings"):
                # Undocumented: whether it has conferences' recordings. Not here: assumption 9.
                rows, since = self._calls.list_retained(), (self.since_field, self.since_zone)
                calls = listing.filter_calls(rows, request, now, *since)
                return self._build_page(calls, request, listing.build_call_page)
            case ("GET", "v2", "recordings", id):
                # Undocumented: a conference's recording by this path. Here: 404.
                return self._calls.require(id).build_row(now, self.base_url)
            case ("DELETE", "v2", "recordings", id):
                self._delete(self._calls.require(id))
                return {"recording_id": id, "deleted_at": recordings.format_time(now)}
            case ("GET", "v2", "recordings", id, "download"):
                return self._download(id, request)
            case ("GET", "v2", "conferences", conference_id, "recordings"):
                return self._list_conference_recordings(conference_id, request)
            case ("GET", "v2", "conferences", conference_id, "recordings", id):
                recording = self._require_conference_recording(conference_id, id)
                return recording.build_row(now, self.base_url)
            case (_, "v2", "webhooks", *path):
                reply = self._webhooks.answer(request, path)
                for row in self._webhooks.subscriptions.values():
                    self.deliveries.start_sending(row["url"])
                return reply
            case ("DELETE", "v2", "conferences", conference_id, "recordings", id):
                self._delete(self._require_conference_recording(conference_id, id))
                return Reply(204)  # undocumented
        raise build_not_found_error("Path")  # undocumented, also for a method that a path lacks

    # -- calls ----------------------------------------------------------------------------------

    # https://docs.audian.com/call-control/making-calls
    def _make_call(self, body: Mapping[str, Any]) -> Result:
        """Make a call. The response names no recording."""
        recording = body.get("recording", {})
        parties = (body.get("from"), body.get("to"))
        if not isinstance(recording, dict) or not all(isinstance(each, str) for each in parties):
            raise ErrorResponse(400, "invalid_request_error", "from and to are required")
        parameters = requests.read_call_parameters(recording)
        target = self.begin(CALL)
        if recording.get("enabled"):
            self._follow(self._record(CALL, target.id, parameters))
        return {
            "call_id": target.id,
            "call_uuid": build_uuid(self.random),
            "from": body["from"],
            "to": body["to"],
            "status": "initiated",
            "created_at": recordings.format_time(self.clock.now()),
        }

    # -- conferences ----------------------------------------------------------------------------

    # https://docs.audian.com/conferences/create
    def _make_conference(self, body: Mapping[str, Any]) -> Result:
        """Make a conference. The response names no recording; its other fields are undocumented."""
        name, record = body.get("name"), body.get("record", False)
        if not isinstance(name, str) or not isinstance(record, bool):
            raise ErrorResponse(400, "invalid_request_error", "name is required")
        target = self.begin(CONFERENCE)
        if record:
            self._record(CONFERENCE, target.id, requests.read_conference_parameters({}))
        now = recordings.format_time(self.clock.now())
        return {"id": target.id, "name": name, "record": record, "created_at": now}

    def _require_conference_recording(self, conference_id: str, id: str) -> EmulatedRecording:
        recording = self._conferences.require(id)
        if recording.session_id != conference_id:
            raise build_not_found_error()
        return recording

    def _list_conference_recordings(self, conference_id: str, request: Request) -> Result:
        ids = {each.session_id for each in self._conferences.recordings.values()}
        if conference_id not in ids | self._conferences.live:
            raise build_not_found_error("Conference")
        rows = [
            each for each in self._conferences.list_retained() if each.session_id == conference_id
        ]
        return self._build_page(rows, request, listing.build_conference_page)

    def _build_page(
        self, rows: Any, request: Request, build: Callable[..., dict[str, Any]]
    ) -> Result:
        now = self.clock.now()
        if self.is_paged_by_keys:  # a page is then its own envelope
            return Reply.json(listing.build_key_page(rows, request, now, self.base_url))
        return build(rows, request, now, self.base_url)

    # -- both kinds, and their media ------------------------------------------------------------

    def _apply_verb(self, kind: SessionKind, id: str, verb: str, request: Request) -> Result:
        now = self.clock.now()
        recording: EmulatedRecording
        match (kind, verb):
            case (_, "start"):
                recording = self._start(kind, id, request)
            case (_, "stop"):
                recording = self._stores[kind].require_running(id)
                recording.stopped_at = now
            case (SessionKind.CALL, "pause"):
                recording = self._calls.require_running(id)
                if recording.is_paused:
                    self._refuse("The recording is paused")
                else:
                    recording.pauses.append(Interval(now))
            case (SessionKind.CALL, "resume"):
                recording = self._calls.require_running(id)
                if recording.is_paused:
                    recording.pauses[-1] = Interval(recording.pauses[-1].start, now)
                else:
                    self._refuse("The recording is not paused")
            case _:
                raise build_not_found_error("Path")
        if verb in ("pause", "resume") and not self.assumes(6):
            return {}
        return recording.build_verb_response(verb, now, self.base_url)

    def _start(self, kind: SessionKind, session_id: str, request: Request) -> EmulatedRecording:
        """Start a recording. Undocumented: whether two of one session may run. Here they may not.

        Without assumption 8 the response to a second start is about the recording that runs.
        """
        parameters = PARAMETER_READERS[kind](requests.read_body(request))
        if session_id not in self._stores[kind].live:
            raise build_not_found_error("Call" if kind is CALL else "Conference")
        running: EmulatedRecording | None = self._stores[kind].find_running(session_id)
        if running is not None:
            self._refuse("A recording is already in progress")
            return running
        if self.quota_exceeded:
            raise ErrorResponse(429, "quota_exceeded", "Recording storage quota exceeded")
        recording = self._record(kind, session_id, parameters)
        self._follow(recording)
        return recording

    def _refuse(self, message: str) -> None:
        """Raise the error of a request that changes nothing or comes too early: assumption 8."""
        if self.assumes(8):
            raise ErrorResponse(self.conflict_status, "conflict", message)

    def _record(
        self, kind: SessionKind, session_id: str, parameters: Mapping[str, Any]
    ) -> EmulatedRecording:
        """Add a recording that starts now, with the parameters that `PARAMETER_READERS` read."""
        id, now = self._build_id("rec"), self.clock.now()
        common = {"id": id, "session_id": session_id, "started_at": now, **parameters}
        recording: EmulatedRecording
        if kind is CONFERENCE:
            recording = recordings.ConferenceRecording(**common)
        else:
            recording = CallRecording(
                **common,
                starting=self.starting,
                processing=self.processing,
                has_id=self.assumes(2),
            )
        self._stores[kind].recordings[id] = recording
        return recording

    def _delete(self, recording: EmulatedRecording) -> None:
        if recording.is_running(self.clock.now()):
            self._refuse("The recording is in progress")
        self.remove(recording.id)

    def _download(self, id: str, request: Request) -> Reply:
        """Answer a download: one path for both kinds."""
        recording, now = self._find_recording(id), self.clock.now()
        if recording is None or (not recording.has_media(now) and self.unready_status == 404):
            raise build_not_found_error()
        if not recording.has_media(now):
            raise ErrorResponse(self.unready_status, "conflict", "The recording is not ready")
        if self.redirect_status is None:
            return media.build_media_reply(request, recording)
        url = self._temporary_urls.build_url(f"{recording.id}.{recording.format}", now)
        return Reply(self.redirect_status, headers={"Location": url})

    def answer_media(self, request: Request) -> Reply:
        if error := self._temporary_urls.find_error(request, self.clock.now()):
            return error
        recording = self._find_recording(request.segments()[-1].partition(".")[0])
        if recording is None:
            return media.build_media_error(404, "NoSuchKey")
        return media.build_media_reply(request, recording)

    def _find_recording(self, id: str) -> EmulatedRecording | None:
        return self._calls.find(id) or self._conferences.find(id)

    # -- helpers --------------------------------------------------------------------------------

    def _build_session(self, kind: SessionKind) -> CommunicationSession:
        return CommunicationSession(kind, self._build_id("call" if kind is CALL else "conf"))

    def _build_id(self, prefix: str) -> str:
        return f"{prefix}_{self._build_hex(12)}"

    def _build_hex(self, digits: int) -> str:
        return f"{self.random.getrandbits(4 * digits):0{digits}x}"
