"""How does RealtimeKit behave? As Cloudflare's pages say, with their quirks, on loopback.

    https://developers.cloudflare.com/api/resources/realtime_kit/subresources/recordings/
    https://developers.cloudflare.com/realtime/realtimekit/recording-guide/

Where those pages are silent, the harsher reading is emulated and a comment says so.
"""

from __future__ import annotations

import hmac
from bisect import insort
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, ClassVar
from uuid import UUID

from attrs import field, frozen

from recording_core import WebhookRequest, meeting
from recording_core.plugin import (
    MEDIA_TYPES,
    Clock,
    EmulatedEvent,
    Emulator,
    Reply,
    Request,
    Webhook,
    build_file_reply,
)
from recording_realtimekit.emulated_bucket import Bucket, missing
from recording_realtimekit.emulated_listing import page_of
from recording_realtimekit.emulated_recording import (
    BY_API,
    INTERNAL,
    RUNNING,
    EmulatedMeeting,
    EmulatedRecording,
    Peer,
)
from recording_realtimekit.emulated_refusals import (
    Refused,
    gateway_error,
    start_body,
    track_body,
    verb,
)
from recording_realtimekit.emulated_webhooks import REDELIVERY, Webhooks, facts_of

__all__ = ["RealtimeKitEmulator"]

# https://developers.cloudflare.com/fundamentals/api/reference/limits/
RATE_HEADERS = {
    "Ratelimit": '"default";r=50;t=30',
    "Ratelimit-Policy": '"burst";q=100;w=60',
}

#: who is in each meeting; the first left and came back, which makes two tracks
PARTICIPANTS = ("alice", "bob_2", "6b1f6f0e-carol", "alice")

STORAGE = {
    "type": "aws",
    "bucket": "customer-recordings",
    "region": "eu-central-1",
    "path": "meetings",
    "access_key": "AKIAEMULATED",
    "secret": "emulated-storage-secret",
}


@frozen
class Past:
    """A kind of past recording: what its start was told, and how it went."""

    body: Mapping[str, Any] = field(factory=dict)
    tracks: bool = False
    failed: bool = False


# They come in turn, newest first. The first four are one of each shape of files: 45 over 90 days
# leave four in the seven days that files are kept.
PAST = (
    Past(),
    Past({"audio_config": {"codec": "MP3"}}),
    Past(tracks=True),
    Past({"interactive_config": {"type": "ID3"}}),
    Past(failed=True),
    Past({"realtimekit_bucket_config": {"enabled": False}, "storage_config": STORAGE}),
    Past({"video_config": {"codec": "VP8"}, "audio_config": {}, "file_name_prefix": "weekly"}),
    Past({"storage_config": {"type": "sftp", "auth_method": "PASSWORD", "password": "emulated"}}),
)


class RealtimeKitEmulator(Emulator):
    """Cloudflare RealtimeKit.

    `starting` is the time from INVOKED to RECORDING; what recorded less than `shortest` ends as
    ERRORED. `page_base` is the number of the first page, 0 or 1: no page of the vendor tells.
    """

    provider: ClassVar[str] = "realtimekit"
    prefix: ClassVar[str] = "/client/v4"
    redelivery = REDELIVERY
    wall_clock: ClassVar[Mapping[str, Any]] = {"starting": timedelta(0), "shortest": timedelta(0)}

    #: rows of a page that was asked for without `per_page`; documented nowhere
    usual_page = 25
    #: rows of the largest page, however many are asked for; documented nowhere
    largest_page = 100
    #: what a second start, a pause of what is paused and a stop of what is stopped get;
    #: documented nowhere, and the vendor's own client library retries a 409
    conflict_status = 409

    def __init__(
        self,
        *,
        recordings: int = 0,
        clock: Clock | None = None,
        processing: timedelta = timedelta(seconds=5),
        latency: timedelta = timedelta(0),
        seed: int = 0,
        port: int = 0,
        page_base: int = 1,
        starting: timedelta = timedelta(seconds=2),
        shortest: timedelta = timedelta(seconds=5),
    ) -> None:
        super().__init__(
            recordings=recordings,
            clock=clock,
            processing=processing,
            latency=latency,
            seed=seed,
            port=port,
        )
        self.page_base = page_base
        self.starting = starting
        self.shortest = shortest
        self.credentials = {
            "account_id": f"{self.random.getrandbits(128):032x}",
            "app_id": self._uuid(),
            "api_token": f"{self.random.getrandbits(160):040x}",
        }
        #: by id; all of them are live
        self.meetings = {made.id: made for made in map(self._meeting, range(3))}
        self.sessions = (meeting(next(iter(self.meetings))),)
        #: oldest first
        self._rows: list[EmulatedRecording] = []
        self._by_id: dict[str, EmulatedRecording] = {}
        self._bucket = Bucket("", b"")
        self._webhooks = Webhooks(self.hook_random)

    def populate(self) -> None:
        self._bucket = Bucket(self.media_origin, self.random.randbytes(32))
        meetings = list(self.meetings)
        for index in range(self.recordings):
            past = PAST[index % len(PAST)]
            by_itself = self.random.random() < 0.4
            self.add(
                ago=self.spread(index),
                duration=timedelta(seconds=self.random.randint(20, 1800)),
                meeting_id=meetings[index % len(meetings)],
                tracks=past.tracks,
                failed=past.failed,
                body=past.body,
                start_reason={"reason": "RECORD_ON_START"} if by_itself else None,
                size_as_text=self.random.random() < 0.3,
                spaced_times=self.random.random() < 0.3,
                zero_duration=self.random.random() < 0.15,
            )

    def listed(self) -> list[str]:
        # Files go after seven days; that their rows stay follows from the filter `expired`.
        with self.lock:
            return list(self._by_id)

    # -- what tests do behind the vendor's back -------------------------------------------------

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
        **quirks: bool,
    ) -> EmulatedRecording:
        """A recording that ended `ago`; with `duration=None` one that began then and still runs.

        `body` is what a start would have been told; `quirks` are fields of `EmulatedRecording`.
        """
        at = self.clock.now() - ago
        begun, ended = (at, None) if duration is None else (at - duration, at)
        reason = "INTERNAL_ERROR" if failed else "ALL_PEERS_LEFT"
        with self.lock:
            made = self._keep(
                self.meetings[meeting_id or self.sessions[0].id],
                begun - self.starting,
                body or {},
                tracks=tracks,
                session_id=self._uuid() if ended else None,
                stopped_at=ended,
                stop_reason={"reason": reason, "caller": INTERNAL},
                failed=failed,
                start_reason=start_reason or BY_API,
                **quirks,
            )
            if duration is None:
                self._follow(made, since=self.clock.now())
        return made

    def remove(self, recording_id: str) -> None:
        """Make a recording and its files vanish; the API itself has no way to."""
        with self.lock:
            gone = self._by_id.pop(recording_id)
            self._rows.remove(gone)

    # -- what it tells by itself ----------------------------------------------------------------

    @property
    def webhooks(self) -> Mapping[str, str]:
        with self.lock:
            return {"key": self._webhooks.public_key}

    def hooks(self, fact: EmulatedEvent) -> Iterable[Webhook]:
        yield from super().hooks(fact)
        yield from self._webhooks.hooks()

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        return self._webhooks.signed(fact, hook)

    def _follow(self, recording: EmulatedRecording, since: datetime) -> None:
        def facts(now: datetime) -> Iterable[EmulatedEvent]:
            if recording.id not in self._by_id:
                return ()
            return facts_of(recording, since, now, self._bucket.url)

        self.deliveries.follow(recording.id, facts)

    # -- the gateway ----------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        if (request.method, request.path) == ("GET", "/.well-known/webhooks.json"):
            # Of another host of Cloudflare's, and without a credential.
            return self._webhooks.published()
        return self._routed(request).with_headers(**RATE_HEADERS)

    def _routed(self, request: Request) -> Reply:
        given = request.header("authorization")
        wanted = f"Bearer {self.credentials['api_token']}"
        if given is None:
            return gateway_error(401, (9106, "Missing X-Auth-Key, X-Auth-Email or Authorization"))
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            return gateway_error(401, (10000, "Authentication error"))
        match request.segments():
            case ["client", "v4", "accounts", account, "realtime", "kit", app, *rest]:
                pass
            case _:
                return self._no_route(request)
        if account != self.credentials["account_id"]:
            # A good token, and somebody else's account.
            return gateway_error(403, (10000, "Authentication error"))
        try:
            if app != self.credentials["app_id"]:
                raise Refused(404, "App not found")
            return self._recordings(request, rest)
        except Refused as refused:
            return refused.reply()

    def _no_route(self, request: Request) -> Reply:
        lost = f"Could not route to {request.path}, perhaps your object identifier is invalid?"
        return gateway_error(404, (7003, lost), (7000, "No route for that URI"), bare=True)

    def _recordings(self, request: Request, path: list[str]) -> Reply:
        match (request.method, *path):
            case ("GET", "recordings"):
                return self._list(request)
            case ("POST", "recordings"):
                return self._start(request)
            case ("POST", "recordings", "track"):
                return self._start_tracks(request)
            case ("GET", "recordings", "active-recording", meeting_id):
                return self._active(meeting_id)
            case ("GET", "recordings", recording_id):
                return self._details(self._found(recording_id))
            case ("PUT", "recordings", recording_id):
                return self._act(request, recording_id)
            case (_, "webhooks", *rest):
                reply = self._webhooks.answer(request, rest)
                for hook in self._webhooks.hooks():
                    self.deliveries.open(hook.url)
                return reply or self._no_route(request)
        return self._no_route(request)

    # -- start, active, get, pause, resume, stop, list -------------------------------------------

    def _start(self, request: Request) -> Reply:
        body = start_body(request)
        room = self._room(body)
        if not body.get("allow_multiple_recordings"):
            self._refuse_second(room, tracks=False)
        made = self._keep(room, self.clock.now(), body, tracks=False)
        self._follow(made, since=made.invoked_at)
        return self._details(made)

    def _start_tracks(self, request: Request) -> Reply:
        body = track_body(request)
        room = self._room(body)
        # No page tells whether tracks may be recorded beside the picture: they may, here, but
        # not twice.
        self._refuse_second(room, tracks=True)
        made = self._keep(room, self.clock.now(), body, tracks=True)
        self._follow(made, since=made.invoked_at)
        row = made.row(self.clock.now(), self._bucket.url)
        # The guide on track recording shows `meeting_id`, which no schema has.
        return self._success({"recording": {**row, "meeting_id": room.id}})

    def _active(self, meeting_id: str) -> Reply:
        running = self._running(meeting_id)
        if not running:
            raise Refused(404, "No active recording found for the meeting")
        # Several may run; the schema has room for one.
        return self._success(running[-1].row(self.clock.now(), self._bucket.url))

    def _act(self, request: Request, recording_id: str) -> Reply:
        recording = self._found(recording_id)
        action = verb(request)
        now = self.clock.now()
        status = recording.status(now)
        verbs: dict[str, tuple[tuple[str, ...], Callable[[datetime], None]]] = {
            "pause": (("RECORDING",), recording.pause),
            "resume": (("PAUSED",), recording.resume),
            "stop": (RUNNING, recording.stop),
        }
        allowed, act = verbs[action]
        if status not in allowed:
            # What a verb gets that comes too late or twice is documented nowhere.
            raise Refused(self.conflict_status, f"Cannot {action} a recording that is {status}")
        act(now)
        return self._details(recording)

    def _room(self, body: Mapping[str, Any]) -> EmulatedMeeting:
        found = self.meetings.get(body["meeting_id"])
        if found is None:
            raise Refused(404, "Meeting not found")
        return found

    def _running(self, meeting_id: str) -> list[EmulatedRecording]:
        now = self.clock.now()
        rows = [row for row in self._rows if row.meeting.id == meeting_id]
        return [row for row in rows if row.status(now) in RUNNING]

    def _refuse_second(self, room: EmulatedMeeting, *, tracks: bool) -> None:
        if any((row.peers is not None) == tracks for row in self._running(room.id)):
            raise Refused(self.conflict_status, "A recording is already in progress")

    def _found(self, recording_id: str) -> EmulatedRecording:
        # What an id gets that is no UUID is documented nowhere: it is not found either.
        if recording_id not in self._by_id:
            raise Refused(404, "Recording not found")
        return self._by_id[recording_id]

    def _details(self, recording: EmulatedRecording) -> Reply:
        return self._success(recording.details(self.clock.now(), self._bucket.url))

    def _success(self, data: Any, **more: Any) -> Reply:
        return Reply.json({"success": True, "data": data, **more})

    def _list(self, request: Request) -> Reply:
        now = self.clock.now()
        page = page_of(
            self._rows,
            request,
            now,
            base=self.page_base,
            usual=self.usual_page,
            largest=self.largest_page,
        )
        items = [row.item(now, self._bucket.url) for row in page.rows]
        return self._success(items, paging=page.paging())

    # -- media ----------------------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        if refusal := self._bucket.refusal(request, self.clock.now()):
            return refusal
        # A URL whose signature is good was made by `EmulatedRecording`, which chose its parts.
        _, recording_id, name = request.segments()
        recording = self._by_id.get(recording_id)
        if recording is None:
            return missing()
        file = next(file for file in recording.files if file.name == name)
        return build_file_reply(request, recording.content(file), MEDIA_TYPES[file.format])

    # -- making things --------------------------------------------------------------------------

    def _keep(
        self,
        room: EmulatedMeeting,
        invoked_at: datetime,
        body: Mapping[str, Any],
        *,
        tracks: bool,
        session_id: str | None = None,
        **more: Any,
    ) -> EmulatedRecording:
        peers: tuple[Peer, ...] | None = None
        if tracks:
            chosen = body.get("user_ids")
            peers = tuple(peer for peer in room.peers if chosen is None or peer.user in chosen)
        made = EmulatedRecording(
            id=self._uuid(),
            meeting=room,
            session_id=session_id or room.session_id,
            # The API speaks of milliseconds.
            invoked_at=invoked_at.replace(microsecond=invoked_at.microsecond // 1000 * 1000),
            body=body,
            peers=peers,
            starting=self.starting,
            shortest=self.shortest,
            processing=self.processing,
            **more,
        )
        insort(self._rows, made, key=attrgetter("invoked_at", "id"))
        self._by_id[made.id] = made
        return made

    def _meeting(self, index: int) -> EmulatedMeeting:
        return EmulatedMeeting(
            id=self._uuid(),
            title=("Weekly sync", "Interview", "Board")[index],
            created_at=self.clock.now() - timedelta(days=100),
            session_id=self._uuid(),
            peers=tuple(Peer(user, self._uuid()) for user in PARTICIPANTS),
        )

    def _uuid(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))
