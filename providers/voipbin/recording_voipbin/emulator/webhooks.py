"""Webhooks of the emulated VoIPBin: the customer's webhook, its events, and how they are signed.

https://github.com/voipbin/monorepo: models/recording/event.go, webhookhandler/message.go. The pages
on https://docs.voipbin.net document other events and other retries; the source is emulated.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from recording_core import WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Webhook
from recording_voipbin.emulator.recordings import EmulatedRecording

#: Three attempts, after network errors and 5xx. Any other response counts as delivered.
REDELIVERY = RedeliveryPolicy(
    attempts=3,
    delay=timedelta(seconds=1),
    should_retry=lambda status: status is None or status >= 500,
)


def build_events(
    recording: EmulatedRecording,
    now: datetime,
    build_row: Callable[[EmulatedRecording, datetime], dict[str, Any]],
) -> Iterable[EmulatedEvent]:
    """Build the events until now: a start and an end. A stop, a file or a deletion has none."""
    began, ended = recording.started_at, recording.ended_at
    if began <= now and recording.stuck != "initiating":
        data = {**build_row(recording, began), "status": "recording"}
        yield EmulatedEvent(began, "started", {"type": "recording_started", "data": data})
    if ended is not None and ended <= now:
        data = {**build_row(recording, ended), "status": "ended"}
        payload = {"type": "recording_finished", "data": data}
        yield EmulatedEvent(ended, "finished", payload, is_last=True)


def find_webhook(customer: Mapping[str, str]) -> Webhook | None:
    """Find the webhook of a customer; an empty URL is none, and an empty method is sent as GET."""
    url, method = customer["webhook_uri"], customer["webhook_method"]
    return Webhook(url, method or "GET") if url else None


def build_signed_request(event: EmulatedEvent, webhook: Webhook, secret: str) -> WebhookRequest:
    """Build the signed request of an event: in the body with any method, without a time or id."""
    text = json.dumps(event.payload, separators=(",", ":"), ensure_ascii=False)
    # Go escapes the characters that HTML would interpret.
    for character in "&<>":
        text = text.replace(character, f"\\u{ord(character):04x}")
    body = text.encode()
    digest = hmac.digest(secret.encode(), body, "sha256").hex()
    headers = {"Content-Type": "application/json", "X-VoIPBIN-Signature": f"sha256={digest}"}
    return WebhookRequest(webhook.method, webhook.url, headers, body)
