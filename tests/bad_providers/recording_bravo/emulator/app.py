"""Emulator: the routes and verbs of Bravo's API, its media host and its webhooks."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from recording_bravo.emulator.listing import list_rows
from recording_bravo.emulator.recordings import FILES, BravoRecording, RowBuilder
from recording_bravo.emulator.responses import build_problem
from recording_core import CommunicationSession, WebhookRequest, call, conference
from recording_core.plugin import MEDIA_TYPES, EmulatedEvent, Webhook, build_file_reply
from recording_core.testing import Emulator, Reply, Request

#: The outcome of past recordings, in turn.
OUTCOMES = ("ready", "ready", "silent", "ready", "failed", "ready", "ready")
KINDS = ("call", "conference", "meeting", "call", "meeting")


class BravoEmulator(Emulator):
    """Bravo Meet, with a live call and a live conference."""

    provider = "bravo"
    prefix = "/v2"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.credentials = {"token": self._build_id("token")}
        self.sessions = [call(self._build_id("call")), conference(self._build_id("room"))]
        self._recordings: dict[str, BravoRecording] = {}

    def populate(self) -> None:
        self._rows = RowBuilder(self.media_origin, self.credentials["token"])
        for index in range(self.recordings):
            ended = self.clock.now() - self.compute_age(index)
            recording = self._add(
                KINDS[index % len(KINDS)],
                self._build_id("session"),
                ended - timedelta(seconds=self.random.randint(3, 9)),
            )
            recording.title = f"Recording {index}" if index % 3 else None
            recording.channels = 1 + index % 2
            recording.format = "mp4" if recording.kind == "meeting" else "wav"
            recording.outcome = OUTCOMES[index % len(OUTCOMES)]
            recording.end(ended)

    def list_ids(self) -> list[str]:
        return list(self._recordings)

    def build_error(self, status: int) -> Reply:
        return build_problem(status, "refused")

    def begin_recording(self, target: CommunicationSession) -> str:
        recording = self._add(str(target.kind), target.id, self.clock.now())
        self._follow(recording)
        return recording.id

    # -- API -------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        now = self.clock.now()
        if request.header("authorization") != f"Bearer {self.credentials['token']}":
            return build_problem(401, "invalid_token")
        for recording in self._recordings.values():
            recording.settle(now)
        match (request.method, *request.segments()[1:]):
            case ("POST", "recordings"):
                return self._start(request)
            case ("GET", "recordings"):
                return list_rows(request, list(self._recordings.values()), self._rows, now)
            case ("GET", "active", kind, id):
                return self._find_active(kind, id)
            case (method, "recordings", id, *verb):
                if id not in self._recordings:
                    return build_problem(404, "no_such_recording")
                return self._answer_one(method, self._recordings[id], *verb)
        return build_problem(404, "no_such_page")

    def _answer_one(self, method: str, recording: BravoRecording, verb: str = "") -> Reply:
        now = self.clock.now()
        match (method, verb):
            case ("DELETE", ""):
                del self._recordings[recording.id]
                self.deliveries.forget(recording.id)
                return Reply(204)
            case ("POST", "stop"):
                recording.end(now)
            case ("POST", "pause" | "resume") if recording.ended is not None:
                return build_problem(409, "ended")
            case ("POST", "pause"):
                recording.pause(now)
            case ("POST", "resume"):
                recording.resume(now)
            case _ if (method, verb) != ("GET", ""):
                return build_problem(404, "no_such_page")
        return Reply.json(self._rows.build_row(recording, now))

    def _start(self, request: Request) -> Reply:
        body = request.json_object()
        if body is None or body.get("session") != self.sessions[0].id:
            return build_problem(404, "no_such_session")
        recording = self._add("call", body["session"], self.clock.now())
        recording.format = body.get("format", "wav")
        recording.channels = body.get("channels", 1)
        recording.title = body.get("title")
        if "max_seconds" in body:
            recording.max_duration = timedelta(seconds=body["max_seconds"])
        if "notify_url" in body:
            recording.webhook = Webhook(body["notify_url"])
        self._follow(recording)
        return Reply.json(self._rows.build_row(recording, self.clock.now()), 201)

    def _find_active(self, kind: str, id: str) -> Reply:
        for recording in reversed(self._recordings.values()):
            if (recording.kind, recording.session) == (kind, id) and recording.ended is None:
                return Reply.json(self._rows.build_row(recording, self.clock.now()))
        return build_problem(404, "not_recorded")

    # -- webhooks --------------------------------------------------------------------------------

    @property
    def webhooks(self) -> dict[str, str]:
        return {"secret": f"hook-{self.credentials['token']}"}

    def _follow(self, recording: BravoRecording) -> None:
        self.deliveries.follow(recording.id, lambda now: self._generate_events(recording, now))

    def _generate_events(self, recording: BravoRecording, now: datetime) -> Iterator[EmulatedEvent]:
        recording.settle(now)
        names = {"paused": "paused", "encoding": "stopped"}
        for number, (at, status) in enumerate(recording.list_changes()):
            if at > now:
                return
            name = names.get(status, "finished")
            if status == "recording":
                name = "resumed" if number else "started"
            row = self._rows.build_row(recording, at)
            if name == "paused":  # also if it was resumed at the same time
                row["status"] = "paused"
            payload = {"id": f"{recording.id}-{number}", "event": f"recording.{name}", "data": row}
            yield EmulatedEvent(at, str(number), payload, status == "purged", recording.webhook)

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        body = json.dumps(event.payload).encode()
        timestamp = str(int(now.timestamp()))
        message = timestamp.encode() + b"." + body
        signature = hmac.digest(self.webhooks["secret"].encode(), message, "sha256").hex()
        headers = {
            "X-Bravo-Signature": f"sha256={signature}",
            "X-Bravo-Timestamp": timestamp,
            "X-Bravo-Delivery": self._build_delivery_id(),
        }
        return WebhookRequest("POST", webhook.url, headers, body)

    def _build_delivery_id(self) -> str:
        return f"{self.webhook_random.getrandbits(64):016x}"

    # -- media -----------------------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        id, _, role = request.path.strip("/").partition("/")
        recording, expires = self._recordings.get(id), request.arg("expires") or ""
        if not expires.isdecimal() or recording is None or recording.ended is None:
            return build_problem(403, "invalid_link")
        is_late = int(expires) < self.clock.now().timestamp() * 1000
        if is_late or request.arg("signature") != self._rows.sign(f"{id}/{role}", int(expires)):
            return build_problem(403, "invalid_link")
        format = FILES[recording.kind][role] or recording.format
        return build_file_reply(request, recording.build_file(role), MEDIA_TYPES[format])

    # -- recordings ------------------------------------------------------------------------------

    def _add(self, kind: str, session: str, started: datetime) -> BravoRecording:
        id = self._build_id("rec")
        recording = BravoRecording(id, kind, session, started, self.processing)
        self._recordings[id] = recording
        return recording

    def _build_id(self, kind: str) -> str:
        return f"{kind}-{self.random.getrandbits(96):024x}"
