"""Application: the routes and verbs of the emulated API, and its media host."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve
from recording_core import WebhookRequest, call
from recording_core.plugin import MEDIA_TYPES, EmulatedEvent, Webhook, build_file_reply
from recording_core.testing import Emulator, Reply, Request

from recording_acme.assumptions import ASSUMPTIONS
from recording_acme.emulator.listing import build_page
from recording_acme.emulator.recordings import AcmeRecording
from recording_acme.emulator.responses import build_problem
from recording_acme.emulator.webhooks import generate_events, sign_request


class AcmeEmulator(Emulator):
    """Acme Voice, with one live call."""

    provider = "acme"
    prefix = "/v1"
    assumptions = ASSUMPTIONS

    # FILL IN: credentials in the vendor's form, and a live session of each kind (section 7)
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.credentials = {"key": self._build_id("key")}
        self.sessions = [call(self._build_id("call"))]
        self._recordings: dict[str, AcmeRecording] = {}

    def populate(self) -> None:
        for index in range(self.recordings):
            ended = self.clock.now() - self.compute_age(index)
            started = ended - timedelta(seconds=self.random.randint(1, 5))
            call_id = self._build_id("call")
            self._add(AcmeRecording(self._build_id("rec"), call_id, started, ended))

    def list_ids(self) -> list[str]:
        return list(self._recordings)

    def build_error(self, status: int) -> Reply:
        return build_problem(status, "refused")

    # -- API -------------------------------------------------------------------------------------

    # FILL IN: how a request is authenticated, and each route that the client uses (section 7)
    def answer(self, request: Request) -> Reply:
        if request.header("X-Acme-Key") != self.credentials["key"]:
            return build_problem(401, "invalid key")
        match (request.method, *request.segments()[1:]):
            case ("POST", "recordings"):
                return self._start(request)
            case ("GET", "recordings"):
                found = self._recordings.values()
                return build_page(request, found, self._build_row, newest_first=self.assumes(1))
            case ("GET", "calls", call_id, "recording"):
                for recording in self._recordings.values():
                    if recording.call == call_id and recording.ended is None:
                        return Reply.json(self._build_row(recording))
                return build_problem(404, "no-recording")
            case (method, "recordings", id, *verb) if id in self._recordings:
                recording = self._recordings[id]
                if (method, verb) == ("PUT", ["stop"]):
                    before = evolve(recording)
                    recording.ended = recording.ended or self.clock.now()
                    return Reply.json(self._build_row(before if self.assumes(2) else recording))
                if (method, verb) == ("DELETE", []):
                    del self._recordings[id]
                    return Reply(204)
                return Reply.json(self._build_row(recording))
            case (_, "recordings", _, *_):
                return build_problem(404, "no-recording")
        return build_problem(404, "not found")

    def _start(self, request: Request) -> Reply:
        body = request.json()
        if body["call"] != self.sessions[0].id:
            return build_problem(404, "no such call")
        recording = AcmeRecording(
            self._build_id("rec"),
            body["call"],
            self.clock.now(),
        )
        recording.format = body.get("format", "wav")
        self._add(recording)
        self.deliveries.follow(
            recording.id,
            lambda now: generate_events(recording, now, self.processing, self._build_row),
        )
        return Reply.json(self._build_row(recording), 201)

    def _build_row(
        self,
        recording: AcmeRecording,
        at: datetime | None = None,
    ) -> dict[str, Any]:
        link = f"{self.media_origin}/{recording.id}?signature={self._sign(recording.id)}"
        return recording.build_row(at or self.clock.now(), self.processing, link)

    # -- webhooks --------------------------------------------------------------------------------

    @property
    def webhooks(self) -> dict[str, Any]:
        return {"secret": f"hook-{self.credentials['key']}"}

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        return sign_request(event.payload, webhook.url, self.webhooks["secret"])

    # -- media -----------------------------------------------------------------------------------

    # FILL IN: how the vendor protects its media: a signed link, credentials, or nothing (section 7)
    def answer_media(self, request: Request) -> Reply:
        recording = self._recordings.get(request.path.strip("/"))
        if recording is None or request.arg("signature") != self._sign(recording.id):
            return build_problem(403, "invalid signature")
        return build_file_reply(request, recording.build_media(), MEDIA_TYPES[recording.format])

    def _sign(self, id: str) -> str:
        return hmac.digest(self.credentials["key"].encode(), id.encode(), "sha256").hex()

    def _build_id(self, kind: str) -> str:
        return f"{kind}-{self.random.getrandbits(96):024x}"

    def _add(self, recording: AcmeRecording) -> None:
        self._recordings[recording.id] = recording
