"""Webhooks of the emulated Plivo: their events, parameters and signatures.

    https://www.plivo.com/docs/voice/api/conferences, and the pages on calls and multiparty calls
    https://www.plivo.com/docs/voice/concepts/callback-configurations
    https://docs.plivo.com/docs/voice/concepts/signature-validation

The signed text follows the official clients, as the last page recommends.
"""

from __future__ import annotations

import base64
import hmac
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from recording_core import SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Webhook
from recording_plivo.emulator.recordings import EPOCH, EmulatedRecording, format_milliseconds

#: `rc=1&rp=ct,rt`: once more, and only after timeouts. A 500 is not retried. Undocumented: when,
#: and whether a refused connection counts as a timeout. Here: at once, and it does.
REDELIVERY = RedeliveryPolicy(
    attempts=2, delay=timedelta(0), should_retry=lambda status: status is None, timeout=40.0
)
#: From the row's appearance to its transcript. The page documents only "under 5 minutes".
TRANSCRIBED_AFTER = timedelta(minutes=1)


def read_webhook(args: Mapping[str, Any]) -> Webhook | None:
    """`callback_url` of calls and conferences, `recording_callback_url` of multiparty calls."""
    for prefix in ("recording_callback", "callback"):
        url = args.get(f"{prefix}_url")
        if isinstance(url, str) and url:
            return Webhook(url, str(args.get(f"{prefix}_method") or "POST"))
    return None


def read_transcript_webhook(args: Mapping[str, Any]) -> Webhook | None:
    """`transcription_url`; a transcript is sent by POST only."""
    url = args.get("transcription_url")
    return Webhook(url) if isinstance(url, str) and url else None


def find_events(
    recording: EmulatedRecording, now: datetime, url: str, processing: timedelta
) -> Iterable[EmulatedEvent]:
    """Find what happened until `now`. Calls and conferences have only the event of their end.

    Undocumented: whether that event is sent before the row exists. Here it is not.
    """
    done = recording.added + processing
    for number, (at, name) in enumerate(_find_moments(recording, done), 1):
        if at > now:
            continue
        if recording.session.kind is SessionKind.MEETING:
            parameters = _build_meeting_parameters(recording, url, at, name)
            parameters["SequenceNumber"] = str(number)
        else:
            parameters = _build_record_parameters(recording, url)
        is_last = name == "Completed" and recording.transcript_webhook is None
        yield EmulatedEvent(at, f"{name} {number}", parameters, is_last, recording.webhook)
    if recording.transcript_webhook is not None and done + TRANSCRIBED_AFTER <= now:
        at, parameters = done + TRANSCRIBED_AFTER, _build_transcript_parameters(recording)
        yield EmulatedEvent(at, "transcript", parameters, True, recording.transcript_webhook)


def _find_moments(recording: EmulatedRecording, done: datetime) -> list[tuple[datetime, str]]:
    """Find when a recording has an event, and which, in order."""
    if recording.session.kind is not SessionKind.MEETING:
        return [(done, "Completed")]
    moments = [(recording.started, "Initiated"), (done, "Completed")]
    for pause in recording.pauses:
        moments.append((pause.start, "Paused"))
        if pause.end is not None:
            moments.append((pause.end, "Resumed"))
    return sorted(moments, key=lambda moment: moment[0])


def _build_record_parameters(recording: EmulatedRecording, url: str) -> dict[str, str]:
    session = recording.session
    is_call = session.kind is SessionKind.CALL
    return {
        "api_id": recording.api_id,
        "record_url": url,
        "recording_id": recording.id,
        **({"call_uuid": session.call_uuid} if is_call else {"conference_name": session.name}),
        "recording_duration": str(recording.duration // timedelta(seconds=1)),
        "recording_duration_ms": format_milliseconds(recording.duration),
        "recording_start_ms": format_milliseconds(recording.started - EPOCH),
        "recording_end_ms": format_milliseconds(recording.ended - EPOCH),
    }


def _build_meeting_parameters(
    recording: EmulatedRecording, url: str, at: datetime, name: str
) -> dict[str, str]:
    subject = "MPC" if recording.member is None else "Participant"
    parameters = {
        "EventName": f"{subject}Recording{name}",
        "EventTimestamp": _format_time(at),
        "MPCName": recording.session.name,
        "MPCUUID": recording.session.uuid,
        "RecordingUUID": recording.id,
        "RecordingURL": url,
        "RecordingFormat": recording.file_format,
        "RecordingStartTime": _format_time(recording.started),
    }
    if recording.member is not None:
        parameters["MemberID"] = recording.member
    if name == "Completed":
        parameters["RecordingDuration"] = str(recording.duration // timedelta(seconds=1))
        parameters["RecordingEndTime"] = _format_time(recording.ended)
    return parameters


def _build_transcript_parameters(recording: EmulatedRecording) -> dict[str, str]:
    return {
        "transcription_charge": "0.05",
        "transcription": "Hello.",
        "duration": str(recording.duration // timedelta(seconds=1)),
        "call_uuid": recording.session.call_uuid,
        "transcription_rate": "0.05",
        "recording_id": recording.id,
        "error": "",
    }


def _format_time(at: datetime) -> str:
    """Format a time as `YYYY-MM-DD HH:mm:ss±hh:mm`."""
    return at.astimezone(UTC).isoformat(" ", "seconds")


def build_signed_request(
    parameters: Mapping[str, str], webhook: Webhook, token: str, generator: random.Random
) -> WebhookRequest:
    """Build the request of a delivery as a form or a query, signed with a nonce of its own.

    The URL's fragment configures redelivery and is not sent.
    """
    url, body, headers = webhook.url.partition("#")[0], b"", {}
    if webhook.method == "GET":
        url += ("&" if "?" in url else "?") + urlencode(parameters)
        parameters = {}
    else:
        body = urlencode(parameters).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    nonce = "".join(generator.choices("0123456789", k=20))
    text = _build_signed_text(url, parameters)
    digest = hmac.digest(token.encode(), f"{text}.{nonce}".encode(), "sha256")
    signature = base64.b64encode(digest).decode()
    headers |= {
        "X-Plivo-Signature-V3": signature,
        "X-Plivo-Signature-Ma-V3": signature,
        "X-Plivo-Signature-V3-Nonce": nonce,
    }
    return WebhookRequest(webhook.method, url, headers, body)


def _build_signed_text(url: str, parameters: Mapping[str, str]) -> str:
    """Build the signed text without the nonce."""
    # It is `URL?query` or `URL?query.parameters`.
    parts = urlsplit(url)
    text = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = parse_qs(parts.query, keep_blank_values=True)
    ordered = "&".join(f"{name}={value}" for name in sorted(query) for value in sorted(query[name]))
    if parameters:
        text += "?" + (f"{ordered}." if ordered else "")
        return text + "".join(name + parameters[name] for name in sorted(parameters))
    return f"{text}?{ordered}" if ordered else text
