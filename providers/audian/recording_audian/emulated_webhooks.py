"""What does the emulated Audian tell by itself, to whom, and how does it sign that?

https://docs.audian.com/webhooks, its pages on setup, signatures, events and payloads
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import string
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field, frozen

from recording_audian.emulated_answers import Refused
from recording_audian.emulated_ledger import not_found
from recording_audian.emulated_requests import body_of
from recording_audian.emulated_takes import CallTake, written
from recording_core import WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Reply, Request, Webhook

__all__ = ["REDELIVERY", "Webhooks", "facts_of"]

#: "Reply 2xx within 30 s", says the page on the setup, and that there are retries. Undocumented:
#: how many, and how far apart. We chose three attempts, ten seconds apart.
REDELIVERY = RedeliveryPolicy(
    attempts=3,
    pause=timedelta(seconds=10),
    after=lambda status: status is None or not 200 <= status < 300,
    timeout=30.0,
)


def facts_of(take: CallTake, now: datetime, base_url: str) -> Iterable[EmulatedEvent]:
    """What happened until now, as https://docs.audian.com/call-control/call-recording tells it.

    No event tells of a pause.
    """
    ids = {"call_id": take.session_id, "recording_id": take.id}
    began = take.started + take.starting
    if began <= now and began < take.end:
        yield _fact(began, "started", {**ids, "started_at": written(take.started)})
    if take.runs(now):
        return
    length = {"duration": take.seconds}
    yield _fact(take.end, "stopped", {**ids, **length, "stopped_at": written(take.end)})
    done = take.end + take.processing
    if done > now:
        return
    if take.failed:
        reason = {"reason": "storage_error", "failed_at": written(done)}
        yield _fact(done, "failed", {**ids, **reason}, last=True)
        return
    yield _fact(
        done,
        "completed",
        {
            **ids,
            **length,
            "file_size": take.size,
            "file_format": take.format,
            "download_url": f"{base_url}/recordings/{take.id}/download",
            "completed_at": written(done),
            "checksum": {
                "algorithm": "sha256",
                "value": hashlib.sha256(take.content()).hexdigest(),
            },
        },
        last=True,
    )


def _fact(at: datetime, word: str, data: dict[str, Any], *, last: bool = False) -> EmulatedEvent:
    return EmulatedEvent(at, word, {"event": f"recording.{word}", "data": data}, last)


@frozen
class Configured:
    """What `POST /v2/webhooks` made: a URL, and the events that it wants."""

    url: str
    events: Sequence[str]

    def wants(self, event: str) -> bool:
        return "*" in self.events or event in self.events


@define
class Webhooks:
    """The account's webhooks. Undocumented: whether each has a secret of its own; one, here."""

    chance: random.Random
    configured: dict[str, Configured] = field(factory=dict)
    secret: str = field()

    @secret.default
    def _made_up(self) -> str:
        return "whsec_" + "".join(self.chance.choices(string.ascii_letters + string.digits, k=32))

    def hooks(self, fact: EmulatedEvent) -> Iterable[Webhook]:
        event = fact.told["event"]
        return [Webhook(each.url) for each in self.configured.values() if each.wants(event)]

    def answer(self, request: Request, path: Sequence[str]) -> Reply:
        """Undocumented: all but the creation, whose answer is shown."""
        match (request.method, *path):
            case ("POST",):
                return Reply.json(self._created(request), 201)
            case ("GET",):
                rows = [self._row(id, each) for id, each in self.configured.items()]
                return Reply.json({"data": rows})
            case ("DELETE", id) if id in self.configured:
                del self.configured[id]
                return Reply(204)
        raise not_found("Webhook")

    def _created(self, request: Request) -> dict[str, Any]:
        body = body_of(request)
        url, events = body.get("url"), body.get("events")
        # "HTTPS only"; on loopback, where nobody else listens, we call without.
        if not isinstance(url, str) or not (url.startswith("https://") or Webhook(url).is_near):
            raise Refused(400, "invalid_request_error", "url must be an https URL")
        if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
            raise Refused(400, "invalid_request_error", "events is required")
        id = f"wh_{self.chance.getrandbits(48):012x}"
        self.configured[id] = Configured(url, tuple(events))
        return {**self._row(id, self.configured[id]), "signing_secret": self.secret}

    def _row(self, id: str, configured: Configured) -> dict[str, Any]:
        return {"id": id, "url": configured.url, "events": list(configured.events)}

    def signed(self, fact: EmulatedEvent, hook: Webhook, now: datetime) -> WebhookRequest:
        """A new time and delivery with every attempt, and the same event in it."""
        event_id = hashlib.sha256(json.dumps(fact.told).encode()).hexdigest()[:12]
        payload = {
            "id": f"evt_{event_id}",
            "version": "v1",
            "timestamp": written(fact.at),
            **fact.told,
        }
        body = json.dumps(payload, separators=(",", ":")).encode()
        timestamp = str(int(now.timestamp()))
        message = timestamp.encode() + b"." + body
        signature = hmac.new(self.secret.encode(), message, hashlib.sha256).hexdigest()
        # One page has the bare digest, another one this prefix: we take turns.
        prefix = self.chance.choice(("", "sha256="))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "AudianWebhook/1.0",
            "X-Audian-Event": fact.told["event"],
            "X-Audian-Timestamp": timestamp,
            "X-Audian-Signature": prefix + signature,
            "X-Audian-Delivery-ID": f"delv_{self.chance.getrandbits(48):012x}",
        }
        return WebhookRequest(hook.method, hook.url, headers, body)
