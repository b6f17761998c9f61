"""Webhooks of the emulated Audian: subscriptions, events, and how requests are signed.

https://docs.audian.com/webhooks, its pages on setup, signatures, events and payloads
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from recording_audian.emulator.recordings import CallRecording, format_time
from recording_audian.emulator.requests import read_body
from recording_audian.emulator.responses import ErrorResponse, build_not_found_error
from recording_core import WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Reply, Request, Webhook

#: https://docs.audian.com/webhooks/setup: a response 2xx within 30 seconds, else retries.
#: Undocumented: how many, and how far apart (assumption 10): three attempts, ten seconds apart.
REDELIVERY = RedeliveryPolicy(
    attempts=3,
    delay=timedelta(seconds=10),
    should_retry=lambda status: status is None or not 200 <= status < 300,
)


def build_events(
    recording: CallRecording, now: datetime, base_url: str, *, is_short: bool
) -> Iterable[EmulatedEvent]:
    """Build the events until now, as https://docs.audian.com/call-control/call-recording has them.

    The page shows the event of a completed recording twice; `is_short` chooses the shorter one.
    Audian documents no event of a pause.
    """
    ids = {"call_id": recording.session_id, "recording_id": recording.id}
    begin = recording.started_at + recording.starting
    if begin <= now and begin < recording.end:
        data = {**ids, "started_at": format_time(recording.started_at)}
        yield _build_event(begin, "started", data)
    if recording.is_running(now):
        return
    length = {"duration": recording.seconds}
    stop = {**ids, **length, "stopped_at": format_time(recording.end)}
    yield _build_event(recording.end, "stopped", stop)
    completion = recording.end + recording.processing
    if completion > now:
        return
    if recording.is_failed:
        reason = {"reason": "storage_error", "failed_at": format_time(completion)}
        yield _build_event(completion, "failed", {**ids, **reason})
        return
    file: dict[str, Any] = {
        "file_size": recording.size,
        "download_url": f"{base_url}/recordings/{recording.id}/download",
        "completed_at": format_time(completion),
    }
    if not is_short:
        digest = hashlib.sha256(recording.build_content()).hexdigest()
        checksum = {"algorithm": "sha256", "value": digest}
        file |= {"file_format": recording.format, "checksum": checksum}
    yield _build_event(completion, "completed", {**ids, **length, **file})


def _build_event(at: datetime, name: str, data: dict[str, Any]) -> EmulatedEvent:
    payload = {"event": f"recording.{name}", "data": data}
    return EmulatedEvent(at, name, payload, is_last=name in ("completed", "failed"))


@define
class EmulatedWebhooks:
    """The account's webhooks. Undocumented: whether each has a secret. Here they share one."""

    random: random.Random
    secret: str
    #: id -> its row, with the URL and the events that it receives
    subscriptions: dict[str, dict[str, Any]] = field(factory=dict)

    def find_webhooks(self, event: EmulatedEvent) -> Iterable[Webhook]:
        """Find the subscriptions that receive an event."""
        names = {"*", event.payload["event"]}
        found = [row for row in self.subscriptions.values() if names.intersection(row["events"])]
        return [Webhook(row["url"]) for row in found]

    def answer(self, request: Request, path: Sequence[str]) -> Reply:
        """Answer a request to `/v2/webhooks`. Undocumented: all but the creation."""
        match (request.method, *path):
            case ("POST",):
                return Reply.json(self._create_subscription(request), 201)
            case ("GET",):
                return Reply.json({"data": list(self.subscriptions.values())})
            case ("DELETE", id) if id in self.subscriptions:
                del self.subscriptions[id]
                return Reply(204)
        raise build_not_found_error("Webhook")

    def _create_subscription(self, request: Request) -> dict[str, Any]:
        body = read_body(request)
        url, events = body.get("url"), body.get("events")
        # "HTTPS only". A loopback URL, which no other machine can reach, is accepted without.
        if not isinstance(url, str) or not (url.startswith("https://") or Webhook(url).is_loopback):
            raise ErrorResponse(400, "invalid_request_error", "url must be an https URL")
        if not isinstance(events, list) or not all(isinstance(each, str) for each in events):
            raise ErrorResponse(400, "invalid_request_error", "events is required")
        id = f"wh_{self.random.getrandbits(48):012x}"
        self.subscriptions[id] = {"id": id, "url": url, "events": events}
        return {**self.subscriptions[id], "signing_secret": self.secret}

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: datetime) -> WebhookRequest:
        """Build the signed request. Each attempt has its own time and delivery id."""
        event_id = hashlib.sha256(json.dumps(event.payload).encode()).hexdigest()[:12]
        head = {"id": f"evt_{event_id}", "version": "v1", "timestamp": format_time(event.at)}
        body = json.dumps({**head, **event.payload}, separators=(",", ":")).encode()
        timestamp = str(int(now.timestamp()))
        message = timestamp.encode() + b"." + body
        signature = hmac.digest(self.secret.encode(), message, "sha256").hex()
        # /webhooks/signatures shows the bare digest, /webhooks/payloads this prefix: both come.
        prefix = self.random.choice(("", "sha256="))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "AudianWebhook/1.0",
            "X-Audian-Event": event.payload["event"],
            "X-Audian-Timestamp": timestamp,
            "X-Audian-Signature": prefix + signature,
            "X-Audian-Delivery-ID": f"delv_{self.random.getrandbits(48):012x}",
        }
        return WebhookRequest(webhook.method, webhook.url, headers, body)
