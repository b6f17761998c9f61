"""Webhooks of the emulated Plivo: their events, parameters and signatures.

    https://www.plivo.com/docs/voice/api/conferences, and the pages on calls and multiparty calls
    https://www.plivo.com/docs/voice/xml/record, /voice/xml/conference
    https://www.plivo.com/docs/voice/api/number-masking
    https://www.plivo.com/docs/voice/api/overview (asynchronous requests)
    https://www.plivo.com/docs/voice/concepts/callback-configurations
    https://docs.plivo.com/docs/voice/concepts/signature-validation

The signed text follows the official clients, as the last page recommends.
"""

from __future__ import annotations

import base64
import hmac
import json
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from attrs import evolve, frozen

from recording_core import SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Webhook
from recording_plivo.emulator.recordings import EPOCH, EmulatedRecording, format_milliseconds

#: `rc=1&rp=ct,rt`: once more, and only after timeouts. A 500 is not retried. Undocumented: when,
#: and whether a refused connection counts as a timeout. Here: at once, and it does. A URL's
#: fragment may contain other values: `read_redelivery`.
REDELIVERY = RedeliveryPolicy(
    attempts=2, delay=timedelta(0), should_retry=lambda status: status is None, timeout=40.0
)
#: From the row's appearance, or from a later request, to the transcript. The page documents only
#: "under 5 minutes".
TRANSCRIBED_AFTER = timedelta(minutes=1)
#: The longest recording that can be transcribed. Undocumented: the error of one under 0.5 s.
LONGEST_TRANSCRIBED = timedelta(hours=4)

#: The number that number masking shows to both parties.
VIRTUAL_NUMBER = "12025550125"

#: While the recording runs: https://www.plivo.com/docs/voice/xml/record (recordSession)
RUNNING_NUMBERS = dict.fromkeys(
    ("RecordingDuration", "RecordingDurationMs", "RecordingStartMs", "RecordingEndMs"), "-1"
)


@frozen
class WebhookContext:
    """What the events of a recording depend on, other than the recording.

    Attributes:
        url: of its media
        resource_url: of its row
        processing: from the row's `add_time` until the row exists
        is_after_row: whether the end is reported once row and media exist (not with assumption 9)
        has_null_words: whether absent values are the word `null` (assumption 10)
    """

    url: str
    resource_url: str
    processing: timedelta
    is_after_row: bool
    has_null_words: bool


def read_webhook(args: Mapping[str, Any], kind: SessionKind) -> Webhook | None:
    """`callback_url` of calls and conferences, `recording_callback_url` of multiparty calls."""
    prefix = "recording_callback" if kind is SessionKind.MEETING else "callback"
    url = args.get(f"{prefix}_url")
    if isinstance(url, str) and url:
        return Webhook(url, str(args.get(f"{prefix}_method") or "POST"))
    return None


def read_transcript_webhook(args: Mapping[str, Any], name: str) -> Webhook | None:
    """`transcription_url` of a start, or `transcription_callback_url`; both are sent by POST."""
    url = args.get(name)
    return Webhook(url) if isinstance(url, str) and url else None


def read_redelivery(url: str, default: RedeliveryPolicy) -> RedeliveryPolicy:
    """Read `#rc=5&rp=4xx,5xx,ct,rt`: how often a request is repeated (0 to 5), and after what.

    Undocumented: other values. Here they are like absent.
    """
    given = dict(parse_qsl(urlsplit(url).fragment))
    if re.fullmatch(r"[0-5]", given.get("rc", ""), re.ASCII):
        default = evolve(default, attempts=1 + int(given["rc"]))
    causes = set(given.get("rp", "").split(",")) & {"4xx", "5xx", "ct", "rt", "all"}
    if not causes:
        return default

    def should_retry(status: int | None) -> bool:
        found = {"ct", "rt"} if status is None else {f"{status // 100}xx"} & {"4xx", "5xx"}
        return bool(found) and not causes.isdisjoint({*found, "all"})

    return evolve(default, should_retry=should_retry)


def read_answer_webhook(args: Mapping[str, Any]) -> Webhook:
    """`callback_url` of any other request, which receives the response itself."""
    return Webhook(str(args["callback_url"]), str(args.get("callback_method") or "POST"))


def build_answer_parameters(answer: Mapping[str, Any]) -> dict[str, str]:
    """Build the parameters of a response that is sent to `callback_url`."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in answer.items()
    }


def find_events(
    recording: EmulatedRecording, now: datetime, context: WebhookContext
) -> Iterable[EmulatedEvent]:
    """Find what happened until `now`. A start by the API has no event, except in a meeting."""
    end = recording.added + context.processing if context.is_after_row else recording.ended
    moments = sorted(_find_moments(recording, end), key=lambda moment: moment[0])
    last = len(moments) if recording.transcript_webhook is None else 0
    for number, (at, name) in enumerate(moments, 1):
        if at > now:
            continue
        parameters = _find_builder(recording)(recording, context, at, name)
        if "EventName" in parameters:
            parameters["SequenceNumber"] = str(number)
        yield EmulatedEvent(at, f"{name} {number}", parameters, number == last, recording.webhook)
    at = recording.added + context.processing + TRANSCRIBED_AFTER
    if recording.transcript_webhook is not None and at <= now:
        yield build_transcript_event(recording, at, recording.transcript_webhook)


def build_transcript_event(
    recording: EmulatedRecording, at: datetime, webhook: Webhook
) -> EmulatedEvent:
    """Build the event of a transcript, or of the reason why there is none."""
    is_too_long = recording.duration > LONGEST_TRANSCRIBED
    parameters = {
        "transcription_charge": "0.05",
        "transcription": "" if is_too_long else "Hello.",
        "duration": str(recording.duration // timedelta(seconds=1)),
        "call_uuid": recording.session.call_uuid,
        "transcription_rate": "0.05",
        "recording_id": recording.id,
        "error": "Recording duration too long for transcription" if is_too_long else "",
    }
    return EmulatedEvent(at, "transcript", parameters, True, webhook)


def _find_moments(recording: EmulatedRecording, end: datetime) -> Iterator[tuple[datetime, str]]:
    """Find when a recording has an event, and which."""
    kind = recording.session.kind
    if recording.has_failed:
        yield recording.started, "Failed"
    elif recording.source == "api" and kind is not SessionKind.MEETING:
        yield end, "Completed"
    elif recording.source == "xml" and kind is SessionKind.CONFERENCE:
        # Undocumented: when a member speaks or presses keys. Here at once.
        for action in ("enter", "floor", "digits"):
            yield recording.started, action
        yield end, "record"
        yield end, "exit"
    else:
        yield recording.started, "Initiated"
        for pause in recording.pauses:
            yield pause.start, "Paused"
            if pause.end is not None:
                yield pause.end, "Resumed"
        yield end, "Completed"


Builder = Callable[[EmulatedRecording, WebhookContext, datetime, str], dict[str, str]]


def _find_builder(recording: EmulatedRecording) -> Builder:
    """Find the function that builds the parameters of a recording's events."""
    kind = recording.session.kind
    if recording.source == "masking":
        return _build_masking_parameters
    if kind is SessionKind.MEETING:
        return _build_meeting_parameters
    if recording.source == "api":
        return _build_record_parameters
    if kind is SessionKind.CONFERENCE:
        return _build_xml_conference_parameters
    return _build_xml_record_parameters


def _build_record_parameters(
    recording: EmulatedRecording, context: WebhookContext, at: datetime, name: str
) -> dict[str, str]:
    """https://www.plivo.com/docs/voice/api/conferences, and the same of a call."""
    session = recording.session
    is_call = session.kind is SessionKind.CALL
    return {
        "api_id": recording.api_id,
        "record_url": context.url,
        "recording_id": recording.id,
        **({"call_uuid": session.call_uuid} if is_call else {"conference_name": session.name}),
        "recording_duration": str(recording.duration // timedelta(seconds=1)),
        "recording_duration_ms": format_milliseconds(recording.duration),
        "recording_start_ms": format_milliseconds(recording.started - EPOCH),
        "recording_end_ms": format_milliseconds(recording.ended - EPOCH),
    }


def _build_xml_record_parameters(
    recording: EmulatedRecording, context: WebhookContext, at: datetime, name: str
) -> dict[str, str]:
    """https://www.plivo.com/docs/voice/xml/record, with the parameters of every XML request."""
    session = recording.session
    return {
        "RecordUrl": context.url,
        "RecordFile": context.url,
        "RecordingID": recording.id,
        **(RUNNING_NUMBERS if name == "Initiated" else _build_xml_numbers(recording)),
        "CallUUID": session.call_uuid,
        "From": session.from_number,
        "To": session.to_number,
        "Direction": "inbound",
        "CallStatus": "in-progress",
    }


def _build_xml_conference_parameters(
    recording: EmulatedRecording, context: WebhookContext, at: datetime, name: str
) -> dict[str, str]:
    """https://www.plivo.com/docs/voice/xml/conference: URL and id are there from `enter` on."""
    session = recording.session
    return {
        "ConferenceAction": name,
        "ConferenceName": session.name,
        "ConferenceUUID": session.uuid,
        "ConferenceMemberID": "" if name == "record" else session.members[0],
        "CallUUID": "" if name == "record" else session.call_uuid,
        "RecordUrl": context.url,
        "RecordingID": recording.id,
        **(_build_xml_numbers(recording) if name == "record" else {}),
    }


def _build_xml_numbers(recording: EmulatedRecording) -> dict[str, str]:
    millisecond = timedelta(milliseconds=1)
    return {
        "RecordingDuration": str(recording.duration // timedelta(seconds=1)),
        "RecordingDurationMs": str(recording.duration // millisecond),
        "RecordingStartMs": str((recording.started - EPOCH) // millisecond),
        "RecordingEndMs": str((recording.ended - EPOCH) // millisecond),
    }


def _build_meeting_parameters(
    recording: EmulatedRecording, context: WebhookContext, at: datetime, name: str
) -> dict[str, str]:
    """https://www.plivo.com/docs/voice/api/multiparty-calls

    A participant's have neither the name nor the UUID of the multiparty call.
    """
    is_whole = recording.member is None
    names = {"MPCName": recording.session.name, "MPCUUID": recording.session.uuid}
    return {
        "EventName": f"{'MPC' if is_whole else 'Participant'}Recording{name}",
        "EventTimestamp": _format_time(at),
        **(names if recording.member is None else {"MemberID": recording.member}),
        **_build_event_numbers(recording, context, name),
    }


def _build_masking_parameters(
    recording: EmulatedRecording, context: WebhookContext, at: datetime, name: str
) -> dict[str, str]:
    """https://www.plivo.com/docs/voice/api/number-masking"""
    session = recording.session
    return {
        "EventName": f"SessionRecording{name}",
        "EventTimestamp": _format_time(at),
        "SessionUUID": session.uuid,
        "From": session.from_number,
        "To": session.to_number,
        "VirtualNumber": VIRTUAL_NUMBER,
        **_build_event_numbers(recording, context, name),
    }


def _build_event_numbers(
    recording: EmulatedRecording, context: WebhookContext, name: str
) -> dict[str, str]:
    if recording.has_failed:
        return {}  # there is no recording
    fields = {
        "RecordingUUID": recording.id,
        "RecordingURL": context.url,
        "RecordingResourceURL": context.resource_url,
        "RecordingFormat": recording.file_format,
        "RecordingStartTime": _format_time(recording.started),
    }
    if name == "Completed":
        fields["RecordingDuration"] = str(recording.duration // timedelta(seconds=1))
        fields["RecordingEndTime"] = _format_time(recording.ended)
    elif context.has_null_words:
        fields |= {"RecordingDuration": "null", "RecordingEndTime": "null"}
    return fields


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
