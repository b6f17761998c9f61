"""What does the emulated VoIPBin tell by itself, to whom, and how does it sign that?

https://github.com/voipbin/monorepo: models/recording/event.go, webhookhandler/message.go. The pages
on https://docs.voipbin.net promise other events and other retries; the source is emulated.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from recording_core import WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Request, Webhook
from recording_voipbin.emulated_recording import EmulatedRecording
from recording_voipbin.emulated_refusals import Refused

__all__ = ["REDELIVERY", "Webhooks", "facts_of"]

#: Three attempts in all; whatever else is answered counts as delivered.
REDELIVERY = RedeliveryPolicy(
    attempts=3,
    pause=timedelta(seconds=1),
    after=lambda status: status is None or status >= 500,
    timeout=30.0,
)
METHODS = ("POST", "PUT", "GET", "DELETE")


def facts_of(
    recording: EmulatedRecording,
    now: datetime,
    row: Callable[[EmulatedRecording, datetime], dict[str, Any]],
) -> Iterable[EmulatedEvent]:
    """What happened until now: a start and an end, and nothing of a stop, a file or a deletion."""
    if recording.began <= now and recording.stuck != "initiating":
        data = {**row(recording, recording.began), "status": "recording"}
        yield EmulatedEvent(recording.began, "started", {"type": "recording_started", "data": data})
    if recording.ends is not None and recording.ends <= now:
        data = {**row(recording, recording.ends), "status": "ended"}
        told = {"type": "recording_finished", "data": data}
        yield EmulatedEvent(recording.ends, "finished", told, last=True)


@define
class Webhooks:
    """The customer's one webhook; an empty URL disables it."""

    chance: random.Random
    hook: Webhook | None = None
    #: made with the customer, and shown in its own view alone
    secret: str = field()

    @secret.default
    def _made_up(self) -> str:
        return base64.urlsafe_b64encode(self.chance.randbytes(24)).decode()

    def hooks(self) -> Iterable[Webhook]:
        return () if self.hook is None else (self.hook,)

    def row(self) -> dict[str, Any]:
        hook = self.hook or Webhook("", "")
        return {
            "webhook_method": hook.method,
            "webhook_uri": hook.url,
            "webhook_secret": self.secret,
        }

    def configure(self, request: Request) -> None:
        try:
            body = request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise Refused("INVALID_ARGUMENT", "INVALID_JSON_BODY", "The body is not JSON.")
        # Undocumented: no method, and another one than these four. It is POST, and refused.
        url, method = body.get("webhook_uri", ""), body.get("webhook_method") or "POST"
        if not isinstance(url, str) or method not in METHODS:
            raise Refused("INVALID_ARGUMENT", "INVALID_ARGUMENT", "The webhook is not valid.")
        self.hook = Webhook(url, method) if url else None

    def signed(self, fact: EmulatedEvent, hook: Webhook) -> WebhookRequest:
        """By any method the event is in the body; neither a time nor an id is beside it."""
        text = json.dumps(fact.told, separators=(",", ":"), ensure_ascii=False)
        # As Go writes what HTML would read.
        for character, escaped in (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e")):
            text = text.replace(character, escaped)
        body = text.encode()
        digest = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-VoIPBIN-Signature": f"sha256={digest}"}
        return WebhookRequest(hook.method, hook.url, headers, body)
