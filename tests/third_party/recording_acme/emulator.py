"""What would Acme answer? Its API and its media, on loopback; it shares no code with the client."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import define, evolve

from recording_core import WebhookRequest, call
from recording_core.plugin import MEDIA_TYPES, EmulatedEvent, Webhook, build_file_reply, build_media
from recording_core.testing import Emulator, Reply, Request

PER_PAGE = 20


@define
class Take:
    """One recording."""

    id: str
    call: str
    started: datetime
    ended: datetime | None = None
    format: str = "wav"


class AcmeEmulator(Emulator):
    """Acme Voice, with one live call."""

    provider = "acme"
    prefix = "/v1"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.credentials = {"key": self._id("key")}
        self.sessions = [call(self._id("call"))]
        self._takes: dict[str, Take] = {}

    def populate(self) -> None:
        for index in range(self.recordings):
            ended = self.clock.now() - self.spread(index)
            long = timedelta(seconds=self.random.randint(1, 5))
            take = Take(self._id("rec"), self._id("call"), ended - long, ended)
            self._takes[take.id] = take

    def listed(self) -> list[str]:
        return list(self._takes)

    # -- the API ---------------------------------------------------------------------------------

    def answer(self, request: Request) -> Reply:
        if request.header("x-acme-key") != self.credentials["key"]:
            return _problem(401, "who are you?")
        match (request.method, *request.segments()[1:]):
            case ("POST", "recordings"):
                return self._start(request)
            case ("GET", "recordings"):
                return self._list(request)
            case ("GET", "calls", call_id, "recording"):
                live = [each for each in self._takes.values() if each.ended is None]
                found = next((each for each in live if each.call == call_id), None)
                return Reply.json(self._row(found)) if found else _problem(404, "not recorded")
            case (method, "recordings", id, *verb) if id in self._takes:
                take = self._takes[id]
                if (method, verb) == ("PUT", ["stop"]):
                    take.ended = take.ended or self.clock.now()
                elif (method, verb) == ("DELETE", []):
                    del self._takes[id]
                    return Reply(204)
                return Reply.json(self._row(take))
        return _problem(404, "no such thing")

    def _start(self, request: Request) -> Reply:
        body = request.json()
        if body["call"] != self.sessions[0].id:
            return _problem(404, "no such call")
        take = Take(self._id("rec"), body["call"], self.clock.now())
        take.format = body.get("format", "wav")
        self._takes[take.id] = take
        self.deliveries.follow(take.id, lambda now: self._facts(take, now))
        return Reply.json(self._row(take), 201)

    def _list(self, request: Request) -> Reply:
        wanted = request.arg("call")
        takes = [each for each in self._takes.values() if wanted in (None, each.call)]
        takes.sort(key=lambda each: each.started, reverse=True)
        page = int(request.arg("page") or 1)
        shown = takes[(page - 1) * PER_PAGE : page * PER_PAGE]
        more = str(page + 1) if page * PER_PAGE < len(takes) else None
        rows = [self._row(each) for each in shown]
        return Reply.json({"recordings": rows, "total": len(takes), "next_page": more})

    def _row(self, take: Take, *, at: datetime | None = None) -> dict[str, Any]:
        now = at or self.clock.now()
        row: dict[str, Any] = {
            "id": take.id,
            "call": take.call,
            "state": "live",
            "format": take.format,
            "started": take.started.isoformat(),
        }
        if take.ended is not None:
            row |= {"state": "encoding", "ended": take.ended.isoformat()}
            row |= {"seconds": (take.ended - take.started).total_seconds()}
        if take.ended is not None and now >= take.ended + self.processing:
            link = f"{self.media_origin}/{take.id}?signature={self._signature(take.id)}"
            row |= {"state": "done", "bytes": len(self._content(take)), "link": link}
        return row

    # -- the callbacks ---------------------------------------------------------------------------

    @property
    def webhooks(self) -> dict[str, str]:
        return {"secret": f"hook-{self.credentials['key']}"}

    def _facts(self, take: Take, now: datetime) -> Iterator[EmulatedEvent]:
        live = evolve(take, ended=None)
        yield EmulatedEvent(take.started, "live", self._row(live))
        if take.ended is not None:
            yield EmulatedEvent(take.ended, "encoding", self._row(take, at=take.ended))
            done = take.ended + self.processing
            if done <= now:
                yield EmulatedEvent(done, "done", self._row(take, at=done), last=True)

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        body = json.dumps(fact.told).encode()
        secret = self.webhooks["secret"].encode()
        signature = hmac.digest(secret, body, "sha256").hex()
        return WebhookRequest("POST", hook.url, {"X-Acme-Signature": signature}, body)

    # -- the media -------------------------------------------------------------------------------

    def answer_media(self, request: Request) -> Reply:
        take = self._takes.get(request.path.strip("/"))
        if take is None or request.arg("signature") != self._signature(take.id):
            return _problem(403, "the signature is wrong")
        return build_file_reply(request, self._content(take), MEDIA_TYPES[take.format])

    def _content(self, take: Take) -> bytes:
        assert take.ended is not None
        return build_media(take.format, take.ended - take.started)

    def _signature(self, id: str) -> str:
        return hmac.digest(self.credentials["key"].encode(), id.encode(), "sha256").hex()

    def _id(self, kind: str) -> str:
        return f"{kind}-{self.random.getrandbits(96):024x}"


def _problem(status: int, words: str) -> Reply:
    return Reply.json({"problem": words}, status)
