"""Webhooks of the emulated Twilio: recording status callbacks and their signatures.

    https://www.twilio.com/docs/voice/api/recording (recording status callbacks)
    https://www.twilio.com/docs/usage/webhooks/webhooks-security

The signed text follows the official clients.
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from attrs import evolve, frozen

from recording_core import SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Webhook
from recording_twilio.emulator.recordings import EmulatedRecording
from recording_twilio.emulator.requests import EVENTS, Arguments
from recording_twilio.emulator.responses import ErrorResponse, format_time

#: Only a failed connection is retried, once. A 500 or no response loses the event.
REDELIVERY = RedeliveryPolicy(
    attempts=2,
    delay=timedelta(0),
    should_retry=lambda status: False,
    timeout=15.0,
    retries_connect=True,
)
#: After what a request may be repeated: a status, no connection, or no response.
CAUSES = frozenset({"4xx", "5xx", "ct", "rt"})


@frozen
class WebhookContext:
    """What the requests about a recording contain in addition to its own fields."""

    account: str
    url: str
    processing: timedelta
    #: assumption 5: pauses and resumes have events, too
    has_pause_events: bool


def read_webhook(arguments: Arguments) -> Webhook | None:
    """Read the callback that a start names."""
    url = arguments.get("RecordingStatusCallback")
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        # Undocumented: which of the codes of a bad URL this request has.
        raise ErrorResponse(400, "RecordingStatusCallback is not a valid URL", 21205)
    return Webhook(url, arguments.get("RecordingStatusCallbackMethod") or "POST")


def read_redelivery(url: str, default: RedeliveryPolicy) -> RedeliveryPolicy:
    """Read `#rc=3&rp=4xx,5xx,ct,rt`: how often a request is repeated (0 to 5), and after what.

    Undocumented: other values. Here they are like absent. Timeouts in it are not followed.
    """
    given = dict(parse_qsl(urlsplit(url).fragment))
    if re.fullmatch("[0-5]", given.get("rc", ""), re.ASCII):
        default = evolve(default, attempts=1 + int(given["rc"]))
    words = given.get("rp", "").split(",")
    causes = CAUSES if "all" in words else CAUSES.intersection(words)
    if not causes:
        return default
    return evolve(
        default,
        should_retry=lambda status: ("rt" if status is None else f"{status // 100}xx") in causes,
        retries_connect="ct" in causes,
    )


def read_events(arguments: Arguments) -> tuple[str, ...]:
    """Read the events that a start asks for, by default the last one only."""
    words = arguments.list_words("RecordingStatusCallbackEvent")
    return tuple(each for each in words if each in EVENTS) or ("completed",)


def find_events(
    recording: EmulatedRecording, now: datetime, context: WebhookContext
) -> Iterator[EmulatedEvent]:
    """Find the events of a recording that happened by now, the oldest first."""
    words = set(recording.events)

    def build(at: datetime, name: str, word: str, *, is_last: bool = False) -> EmulatedEvent:
        parameters = _build_parameters(recording, word, context)
        return EmulatedEvent(at, name, parameters, is_last, recording.webhook)

    if "in-progress" in words:
        yield build(recording.started, "in-progress", "in-progress")
    if context.has_pause_events:
        for number, pause in enumerate(recording.pauses):
            yield build(pause.interval.start, f"paused {number}", "paused")
            end = pause.interval.end
            if end is not None and end < recording.ended:
                yield build(end, f"resumed {number}", "in-progress")
    stored = recording.ended + context.processing
    if stored <= now:
        last = "completed" if recording.error_code is None else "absent"
        if last in words:
            yield build(stored, last, last, is_last=True)


def _build_parameters(
    recording: EmulatedRecording, word: str, context: WebhookContext
) -> dict[str, str]:
    parameters = {
        "AccountSid": context.account,
        "RecordingSid": recording.sid,
        "RecordingUrl": context.url,
        "RecordingStatus": word,
        "RecordingChannels": str(recording.channels),
        "RecordingStartTime": format_time(recording.started) or "",
        "RecordingSource": recording.source,
    }
    if recording.session.kind is SessionKind.CONFERENCE:
        parameters["ConferenceSid"] = recording.session.sid
    else:
        parameters |= {
            "CallSid": recording.session.call_sid,
            "RecordingTrack": recording.track,
        }
    if word == "completed":
        parameters["RecordingDuration"] = str(recording.duration // timedelta(seconds=1))
        if recording.source == "RecordVerb":
            parameters["ErrorCode"] = "0"
    elif word == "absent":
        parameters["ErrorCode"] = str(recording.error_code)
    return parameters


def build_signed_request(
    parameters: Mapping[str, Any],
    webhook: Webhook,
    secret: str,
    *,
    shared_key: str | None = None,
    as_json: bool = False,
    retry_token: str | None = None,
) -> WebhookRequest:
    """Build the request of a delivery: a form, a query or JSON, signed.

    The URL's fragment configures redelivery and is not sent. `shared_key` is the id of the key
    whose secret is used, in place of the Auth Token. `retry_token` is sent with a repeated request.
    """
    url, body, headers = webhook.url.partition("#")[0], b"", {}
    signed = ""
    if webhook.method == "GET":
        url = _add_query(url, urlencode(parameters))
    elif as_json:
        body = json.dumps(parameters).encode()
        url = _add_query(url, f"bodySHA256={sha256(body).hexdigest()}")
        headers["Content-Type"] = "application/json"
    else:
        body = urlencode(parameters).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded; charset=UTF-8"
        # Values of a repeated name are signed once.
        pairs = set(parse_qsl(body.decode(), keep_blank_values=True))
        signed = "".join(name + value for name, value in sorted(pairs))
    algorithm = "sha1" if shared_key is None else "sha256"
    digest = hmac.digest(secret.encode(), (url + signed).encode(), algorithm)
    headers["X-Twilio-Signature"] = base64.b64encode(digest).decode()
    if shared_key is not None:
        headers["X-Twilio-Webhooks-Signature-Settings"] = f"key={shared_key},algorithm=HMAC_SHA256"
    if retry_token is not None:
        headers["I-Twilio-Idempotency-Token"] = retry_token  # not signed
    return WebhookRequest(webhook.method, url, headers, body)


def _add_query(url: str, query: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{query}"
