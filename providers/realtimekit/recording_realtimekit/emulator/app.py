"""App: the emulated RealtimeKit, its routes and its verbs.

    https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/
    https://developers.cloudflare.com/realtime/realtimekit/recording-guide/

If those pages leave a question open, a comment names the number of the assumption.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID, uuid5

from attrs import evolve

from recording_core import CommunicationSession, WebhookRequest
from recording_core import meeting as build_meeting
from recording_core.plugin import EmulatedEvent, Emulator, Reply, Request, Webhook, build_uuid
from recording_realtimekit.assumptions import ASSUMPTIONS
from recording_realtimekit.emulator import listing, media, recordings, requests, webhooks
from recording_realtimekit.emulator.authentication import authenticate, build_route_error
from recording_realtimekit.emulator.recordings import EmulatedMeeting, EmulatedRecording
from recording_realtimekit.emulator.responses import ErrorResponse, build_success

# https://developers.cloudflare.com/fundamentals/api/reference/limits/
RATE_HEADERS = {"Ratelimit": '"default";r=50;t=30', "Ratelimit-Policy": '"burst";q=100;w=60'}
#: The edge answers with a page before RealtimeKit does.
RATE_LIMITED = Reply(
    429,
    b"<html><body><h1>429 Too Many Requests</h1></body></html>",
    {"Content-Type": "text/html", "retry-after": "1", "x-envoy-ratelimited": "true"} | RATE_HEADERS,
)
#: an action -> the statuses in which it is possible
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "pause": ("RECORDING",),
    "resume": ("PAUSED",),
    "stop": recordings.RUNNING,
}


class RealtimeKitEmulator(Emulator):
    """Cloudflare RealtimeKit.

    Args:
        page_base: the number of the first page, 0 or 1 (assumption 1)
        starting: the time from INVOKED to RECORDING
        shortest: a shorter recording ends as ERRORED
        max_page_size: rows in a page at most, whichever `per_page` is given; by default no limit
            (assumption 2)
        settings: those of every emulator
    """

    provider: ClassVar[str] = "realtimekit"
    prefix: ClassVar[str] = "/client/v4"
    assumptions = ASSUMPTIONS
    wall_clock_settings: ClassVar = dict.fromkeys(("starting", "shortest"), timedelta(0))
    conformance_settings: ClassVar = {"recordings": 45, "max_page_size": 10}

    #: the status of a refused start, pause, resume or stop (assumption 5, always for a start)
    conflict_status = 409

    def __init__(
        self,
        *,
        page_base: int = 1,
        starting: timedelta = timedelta(seconds=2),
        shortest: timedelta = timedelta(seconds=5),
        max_page_size: int | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.redelivery = webhooks.build_redelivery(self.assumes)
        self.page_base = page_base
        self.starting = starting
        self.shortest = shortest
        self.max_page_size = max_page_size
        self.credentials = {
            "account_id": f"{self.random.getrandbits(128):032x}",
            "app_id": build_uuid(self.random),
            "api_token": f"{self.random.getrandbits(160):040x}",
        }
        #: by id; all of them are live
        self.meetings = {made.id: made for made in map(self._build_meeting, range(3))}
        self.sessions = (build_meeting(next(iter(self.meetings))),)
        #: oldest first
        self._rows: list[EmulatedRecording] = []
        self._by_id: dict[str, EmulatedRecording] = {}
        self._bucket = media.RecordingsBucket()
        self._webhooks = webhooks.EmulatedWebhooks(
            self.webhook_random, self.credentials["app_id"], self.assumes
        )

    def build_error(self, status: int) -> Reply:
        if status == 429:
            return RATE_LIMITED
        return ErrorResponse(status, "The request is refused").build_reply()

    def populate(self) -> None:
        self._bucket = media.RecordingsBucket(self.media_origin, self.random.randbytes(32))
        meetings = list(self.meetings)
        for index in range(self.recordings):
            kind = index % len(recordings.HISTORY)
            record_on_start = self.random.random() < 0.4
            self.add(
                ago=self.compute_age(index),
                duration=timedelta(seconds=self.random.randint(20, 1800)),
                meeting_id=meetings[index % len(meetings)],
                tracks=kind == recordings.TRACKS_INDEX,
                failed=kind == recordings.FAILED_INDEX,
                body=recordings.HISTORY[kind],
                start_reason={"reason": "RECORD_ON_START"} if record_on_start else None,
            )

    def list_ids(self) -> list[str]:
        # Files go after seven days; that their rows stay follows from the filter `expired`.
        with self.lock:
            return list(self._by_id)

    # -- changes that a test makes without the API ----------------------------------------------

    def add(
        self,
        *,
        ago: timedelta = timedelta(hours=1),
        duration: timedelta | None = timedelta(minutes=1),
        meeting_id: str | None = None,
        tracks: bool = False,
        failed: bool = False,
        body: Mapping[str, Any] | None = None,
        start_reason: Mapping[str, Any] | None = None,
    ) -> EmulatedRecording:
        """Add a recording that ended `ago`; with `duration=None` one that began then and runs.

        `body` is the body of its start.
        """
        at = self.clock.now() - ago
        begun, ended = (at, None) if duration is None else (at - duration, at)
        reason = "INTERNAL_ERROR" if failed else "ALL_PEERS_LEFT"
        with self.lock:
            made = self._add_recording(
                self.meetings[meeting_id or self.sessions[0].id],
                begun - self.starting,
                body or {},
                tracks=tracks,
                session_id=build_uuid(self.random) if ended else None,
                stopped_at=ended,
                stop_reason={"reason": reason},
                failed=failed,
                start_reason=start_reason or recordings.BY_API,
            )
            if duration is None:
                self._follow(made, since=self.clock.now())
        return made

    def hang_up(self, target: CommunicationSession) -> None:
        """End a meeting's session whose last participant left a minute ago, and its recordings.

        The meeting stays, with a new session.
        """
        with self.lock:
            for running in self._find_running(target.id):
                running.stop(self.clock.now(), {"reason": "ALL_PEERS_LEFT"})
            meeting = self.meetings[target.id]
            self.meetings[target.id] = evolve(meeting, session_id=build_uuid(self.random))

    def remove(self, recording_id: str) -> None:
        """Remove a recording and its files, which the API itself cannot do."""
        with self.lock:
            self._rows.remove(self._by_id.pop(recording_id))
            self.deliveries.forget(recording_id)

    # -- webhooks -------------------------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, Any]:
        with self.lock:
            return {"key": self._webhooks.public_key}

    def find_webhooks(self, event: EmulatedEvent) -> Iterable[Webhook]:
        yield from super().find_webhooks(event)
        yield from self._webhooks.list_receivers()

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        return self._webhooks.build_delivery(event, webhook)

    def _follow(self, recording: EmulatedRecording, since: datetime) -> None:
        self.deliveries.follow(
            recording.id,
            lambda now: self._webhooks.find_events(recording, since, now, self._bucket.sign_url),
        )

    # -- routes ---------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        if (request.method, request.path) == ("GET", "/.well-known/webhooks.json"):
            # Another of Cloudflare's hosts serves it, without credentials.
            return build_success({"publicKey": self._webhooks.public_key}, message="")
        try:
            reply = self._route(request, authenticate(request, self.credentials))
        except ErrorResponse as error:
            reply = error.build_reply()
        return reply.with_headers(**RATE_HEADERS)

    def _route(self, request: Request, path: list[str]) -> Reply:
        match (request.method, *path):
            case ("GET", "recordings"):
                return self._list(request)
            case ("POST", "recordings"):
                return self._start(request, tracks=False)
            case ("POST", "recordings", "track"):
                return self._start(request, tracks=True)
            case ("GET", "recordings", "active-recording", meeting_id):
                return self._get_active(meeting_id)
            case ("GET", "recordings", recording_id):
                return self._build_details(self._find_recording(recording_id))
            case ("PUT", "recordings", recording_id):
                return self._act(request, recording_id)
            case (_, "webhooks", *rest):
                reply = self._webhooks.answer(request, rest, self.clock.now())
                for webhook in self._webhooks.list_receivers():
                    self.deliveries.start_sending(webhook.url)
                if reply is not None:
                    return reply
        raise build_route_error(request)

    # -- verbs ----------------------------------------------------------------------------------

    def _start(self, request: Request, *, tracks: bool) -> Reply:
        body = requests.read_track_body(request) if tracks else requests.read_start_body(request)
        meeting = self.meetings.get(body["meeting_id"])
        if meeting is None:
            raise ErrorResponse(404, "Meeting not found")
        if not body.get("allow_multiple_recordings"):
            running = self._find_running(meeting.id)
            if self.assumes(6):  # tracks do not count in addition to the video
                running = [row for row in running if (row.participants is not None) == tracks]
            if running:
                raise ErrorResponse(self.conflict_status, "A recording is already in progress")
        made = self._add_recording(meeting, self.clock.now(), body, tracks=tracks)
        self._follow(made, since=made.invoked_at)
        # The answer always precedes the recorder: INVOKED, without a time of its start.
        before = made.invoked_at - timedelta.resolution
        if not tracks:
            return build_success(made.build_details(before, self._bucket.sign_url))
        row = made.build_row(before, self._bucket.sign_url)
        # The guide to track recording shows `meeting_id`, which no schema has.
        return build_success({"recording": {**row, "meeting_id": meeting.id}})

    def _get_active(self, meeting_id: str) -> Reply:
        running = self._find_running(meeting_id)
        if not running:
            raise ErrorResponse(404, "No active recording found for the meeting")
        # Several may run; the schema has a place for one.
        return build_success(running[-1].build_row(self.clock.now(), self._bucket.sign_url))

    def _act(self, request: Request, recording_id: str) -> Reply:
        recording = self._find_recording(recording_id)
        action = requests.read_action(request)
        now = self.clock.now()
        status = recording.find_status(now)
        if status in ACTIONS[action]:
            getattr(recording, action)(now)
        elif self.assumes(5):
            raise ErrorResponse(
                self.conflict_status, f"Cannot {action} a recording that is {status}"
            )
        # No error is declared for this request: an action without an effect shows the recording.
        return self._build_details(recording)

    def _list(self, request: Request) -> Reply:
        now = self.clock.now()
        page, paging = listing.build_page(
            self._rows,
            request,
            now,
            base=self.page_base,
            max_size=self.max_page_size,
            assumes=self.assumes,
        )
        items = [row.build_list_item(now, self._bucket.sign_url) for row in page]
        return build_success(items, paging=paging)

    def _build_details(self, recording: EmulatedRecording) -> Reply:
        return build_success(recording.build_details(self.clock.now(), self._bucket.sign_url))

    # -- media ----------------------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        if error := self._bucket.find_error(request, self.clock.now()):
            return error
        # `EmulatedRecording` built every URL that has a valid signature, and chose its parts.
        _, recording_id, name = request.segments()
        recording = self._by_id.get(recording_id)
        if recording is None:
            return self._bucket.build_error("missing")
        file = next(file for file in recording.files if file.name == name)
        content = recording.build_content(file)
        is_audio = file.kind != "video"
        return media.build_media_reply(request, content, file.format, is_audio=is_audio)

    # -- state ----------------------------------------------------------------------------------

    def _find_recording(self, recording_id: str) -> EmulatedRecording:
        if recording_id not in self._by_id:
            raise ErrorResponse(404, "Recording not found")
        return self._by_id[recording_id]

    def _find_running(self, meeting_id: str) -> list[EmulatedRecording]:
        now = self.clock.now()
        rows = [row for row in self._rows if row.meeting.id == meeting_id]
        return [row for row in rows if row.find_status(now) in recordings.RUNNING]

    def _add_recording(
        self,
        meeting: EmulatedMeeting,
        invoked_at: datetime,
        body: Mapping[str, Any],
        *,
        tracks: bool,
        session_id: str | None = None,
        **more: Any,
    ) -> EmulatedRecording:
        user_ids = body.get("user_ids", recordings.USER_IDS)
        participants = tuple(each for each in meeting.participants if each.user_id in user_ids)
        made = EmulatedRecording(
            id=build_uuid(self.random),
            meeting=meeting,
            session_id=session_id or meeting.session_id,
            # The API reports milliseconds.
            invoked_at=invoked_at.replace(microsecond=invoked_at.microsecond // 1000 * 1000),
            body=body,
            participants=participants if tracks else None,
            assumes=self.assumes,
            starting=self.starting,
            shortest=self.shortest,
            processing=self.processing,
            **more,
        )
        insort(self._rows, made, key=attrgetter("invoked_at", "id"))
        self._by_id[made.id] = made
        return made

    def _build_meeting(self, index: int) -> EmulatedMeeting:
        meeting_id = build_uuid(self.random)
        return EmulatedMeeting(
            id=meeting_id,
            title=("Weekly sync", "Interview", "Board")[index],
            created_at=self.clock.now() - timedelta(days=100),
            session_id=build_uuid(self.random),
            participants=tuple(
                recordings.EmulatedParticipant(
                    user_id, build_uuid(self.random), str(uuid5(UUID(meeting_id), user_id))
                )
                for user_id in recordings.USER_IDS
            ),
        )
