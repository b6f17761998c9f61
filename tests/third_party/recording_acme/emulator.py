"""Emulator: Acme's API, media and webhooks on loopback. It shares no code with the client."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve

from recording_acme.assumptions import ASSUMPTIONS
from recording_core import WebhookRequest, call
from recording_core.plugin import MEDIA_TYPES, EmulatedEvent, Webhook, build_file_reply, build_media
from recording_core.testing import Emulator, Reply, Request

PER_PAGE = 20


@define
class AcmeRecording:
    """A recording in the emulator."""

    id: str
    call: str
    started: datetime
    ended: datetime | None = None
    format: str = "wav"

    def build_media(self) -> bytes:
        assert self.ended is not None
        return build_media(self.format, self.ended - self.started)


class AcmeEmulator(Emulator):
    """Acme Voice, with one live call."""

    provider = "acme"
    prefix = "/v1"
    assumptions = ASSUMPTIONS

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.credentials = {"key": self._build_id("key")}
        self.sessions = [call(self._build_id("call"))]
        self._recordings: dict[str, AcmeRecording] = {}

    def populate(self) -> None:
        for index in range(self.recordings):
            ended = self.clock.now() - self.compute_age(index)
            started = ended - timedelta(seconds=self.random.randint(1, 5))
            self._add(AcmeRecording(self._build_id("rec"), self._build_id("call"), started, ended))

    def list_ids(self) -> list[str]:
        return list(self._recordings)

    def build_error(self, status: int) -> Reply:
        return _build_problem(status, "refused")

    # -- API -------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        if request.header("x-acme-key") != self.credentials["key"]:
            return _build_problem(401, "invalid key")
        match (request.method, *request.segments()[1:]):
            case ("POST", "recordings"):
                return self._start(request)
            case ("GET", "recordings"):
                return self._list(request)
            case ("GET", "calls", call_id, "recording"):
                for recording in self._recordings.values():
                    if recording.call == call_id and recording.ended is None:
                        return Reply.json(self._build_row(recording))
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
        return _build_problem(404, "not found")

    def _start(self, request: Request) -> Reply:
        body = request.json()
        if body["call"] != self.sessions[0].id:
            return _build_problem(404, "no such call")
        recording = AcmeRecording(self._build_id("rec"), body["call"], self.clock.now())
        recording.format = body.get("format", "wav")
        self._add(recording)
        self.deliveries.follow(recording.id, lambda now: self._generate_events(recording, now))
        return Reply.json(self._build_row(recording), 201)

    def _list(self, request: Request) -> Reply:
        call_id, page = request.arg("call"), request.arg("page") or "1"
        if not page.isdecimal():
            return _build_problem(400, "invalid page")
        found = [each for each in self._recordings.values() if call_id in (None, each.call)]
        if self.assumes(1):
            found.sort(key=lambda each: each.started, reverse=True)
        else:
            found.sort(key=lambda each: each.id)
        end = int(page) * PER_PAGE
        return Reply.json(
            {
                "recordings": [self._build_row(each) for each in found[end - PER_PAGE : end]],
                "total": len(found),
                "next_page": str(int(page) + 1) if end < len(found) else None,
            }
        )

    def _build_row(self, recording: AcmeRecording, *, at: datetime | None = None) -> dict[str, Any]:
        row: dict[str, Any] = {
            "id": recording.id,
            "call": recording.call,
            "state": "live",
            "format": recording.format,
            "started": recording.started.isoformat(),
        }
        if recording.ended is None:
            return row
        row |= {
            "state": "encoding",
            "ended": recording.ended.isoformat(),
            "seconds": (recording.ended - recording.started).total_seconds(),
        }
        if (at or self.clock.now()) >= recording.ended + self.processing:
            link = f"{self.media_origin}/{recording.id}?signature={self._sign(recording.id)}"
            row |= {"state": "done", "bytes": len(recording.build_media()), "link": link}
        return row

    # -- webhooks --------------------------------------------------------------------------------

    @property
    def webhooks(self) -> dict[str, str]:
        return {"secret": f"hook-{self.credentials['key']}"}

    def _generate_events(self, recording: AcmeRecording, now: datetime) -> Iterator[EmulatedEvent]:
        live = evolve(recording, ended=None)
        yield EmulatedEvent(recording.started, "live", self._build_row(live))
        if recording.ended is not None:
            ended, done = recording.ended, recording.ended + self.processing
            yield EmulatedEvent(ended, "encoding", self._build_row(recording, at=ended))
            if done <= now:
                yield EmulatedEvent(done, "done", self._build_row(recording, at=done), is_last=True)

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        body = json.dumps(event.payload).encode()
        signature = hmac.digest(self.webhooks["secret"].encode(), body, "sha256").hex()
        return WebhookRequest("POST", webhook.url, {"X-Acme-Signature": signature}, body)

    # -- media -----------------------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        recording = self._recordings.get(request.path.strip("/"))
        if recording is None or request.arg("signature") != self._sign(recording.id):
            return _build_problem(403, "invalid signature")
        return build_file_reply(request, recording.build_media(), MEDIA_TYPES[recording.format])

    def _sign(self, id: str) -> str:
        return hmac.digest(self.credentials["key"].encode(), id.encode(), "sha256").hex()

    def _build_id(self, kind: str) -> str:
        return f"{kind}-{self.random.getrandbits(96):024x}"

    def _add(self, recording: AcmeRecording) -> None:
        self._recordings[recording.id] = recording


def _build_problem(status: int, message: str) -> Reply:
    return Reply.json({"problem": message}, status)
