"""Webhooks: the events of a recording, and their signed requests."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve
from recording_core import WebhookRequest
from recording_core.plugin import EmulatedEvent

from recording_acme.emulator.recordings import AcmeRecording


# FILL IN: the vendor's events, each with its time, its name and its payload (section 7)
def generate_events(
    recording: AcmeRecording,
    now: datetime,
    processing: timedelta,
    build_row: Callable[[AcmeRecording, datetime], dict[str, Any]],
) -> Iterator[EmulatedEvent]:
    started = recording.started
    yield EmulatedEvent(started, "live", build_row(evolve(recording, ended=None), started))
    if recording.ended is not None:
        ended, done = recording.ended, recording.ended + processing
        yield EmulatedEvent(ended, "encoding", build_row(recording, ended))
        if done <= now:
            yield EmulatedEvent(done, "done", build_row(recording, done), is_last=True)


# FILL IN: how the vendor signs a webhook (section 7)
def sign_request(payload: Any, url: str, secret: str) -> WebhookRequest:
    body = json.dumps(payload).encode()
    signature = hmac.digest(secret.encode(), body, "sha256").hex()
    return WebhookRequest("POST", url, {"X-Acme-Signature": signature}, body)
