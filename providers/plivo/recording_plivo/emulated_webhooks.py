"""What does the emulated Plivo tell by itself, to whom, and how does it sign that?

    https://www.plivo.com/docs/voice/api/conferences, and the pages on calls and multiparty calls
    https://www.plivo.com/docs/voice/concepts/callback-configurations
    https://docs.plivo.com/docs/voice/concepts/signature-validation

What a signature is made of follows the vendor's own clients, as the last page advises.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from attrs import frozen

from recording_core import SessionKind, WebhookRequest
from recording_core.plugin import EmulatedEvent, RedeliveryPolicy, Webhook
from recording_plivo.emulated_rows import Take

__all__ = ["REDELIVERY", "Told", "facts_of", "hook_in", "signed", "transcript_hook_in"]

#: `rc=1&rp=ct,rt`: once more, and only after timeouts. A 500 is not retried. Undocumented: when,
#: and whether a refused connection counts as a timeout. At once, and it does, here.
REDELIVERY = RedeliveryPolicy(
    attempts=2, pause=timedelta(0), after=lambda status: status is None, timeout=40.0
)
#: From the row's coming until its transcript: "under 5 minutes" is all that the page says.
TRANSCRIBED_AFTER = timedelta(minutes=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class Told:
    """A callback's parameters, and the URL that its user named for it."""

    parameters: Mapping[str, str]
    hook: Webhook | None


def hook_in(args: Mapping[str, Any]) -> Webhook | None:
    """`callback_url` of calls and conferences, `recording_callback_url` of multiparty calls."""
    for prefix in ("recording_callback", "callback"):
        url = args.get(f"{prefix}_url")
        if isinstance(url, str) and url:
            return Webhook(url, str(args.get(f"{prefix}_method") or "POST"))
    return None


def transcript_hook_in(args: Mapping[str, Any]) -> Webhook | None:
    """A transcript comes by POST alone."""
    url = args.get("transcription_url")
    return Webhook(url) if isinstance(url, str) and url else None


def facts_of(take: Take, now: datetime, url: str, processing: timedelta) -> Iterable[EmulatedEvent]:
    """What happened until now. Calls and conferences tell their end alone.

    Undocumented: whether the end is told before there is a row. It is not, here.
    """
    done = take.added + processing
    if take.subject.kind is SessionKind.MEETING:
        facts = list(_of_a_meeting(take, url, done))
    else:
        facts = [(done, "Completed", lambda: _record_callback(take, url))]
    for number, (at, name, told) in enumerate(facts, 1):
        if at > now:
            continue
        parameters = told()
        if "EventName" in parameters:
            parameters["SequenceNumber"] = str(number)
        last = name == "Completed" and take.transcript_hook is None
        yield EmulatedEvent(at, f"{name} {number}", Told(parameters, take.hook), last)
    if take.transcript_hook is not None and done + TRANSCRIBED_AFTER <= now:
        transcript = Told(_transcript(take), take.transcript_hook)
        yield EmulatedEvent(done + TRANSCRIBED_AFTER, "transcript", transcript, last=True)


def _of_a_meeting(take: Take, url: str, done: datetime) -> Iterable[tuple[datetime, str, Any]]:
    moments = [(take.started, "Initiated"), (done, "Completed")]
    for pause in take.pauses:
        moments.append((pause.start, "Paused"))
        if pause.end is not None:
            moments.append((pause.end, "Resumed"))
    whose = "MPC" if take.member is None else "Participant"
    for at, name in sorted(moments, key=lambda moment: moment[0]):
        event = f"{whose}Recording{name}"

        def told(at: datetime = at, event: str = event) -> dict[str, str]:
            return _meeting_callback(take, url, at, event)

        yield at, name, told


def _record_callback(take: Take, url: str) -> dict[str, str]:
    conference = take.subject.kind is SessionKind.CONFERENCE
    return {
        "api_id": take.api_id,
        "record_url": url,
        "recording_id": take.id,
        **(
            {"conference_name": take.subject.name}
            if conference
            else {"call_uuid": take.subject.call_uuid}
        ),
        "recording_duration": str(take.duration // timedelta(seconds=1)),
        "recording_duration_ms": _milliseconds(take.duration),
        "recording_start_ms": _milliseconds(take.started - _EPOCH),
        "recording_end_ms": _milliseconds(take.ended - _EPOCH),
    }


def _meeting_callback(take: Take, url: str, at: datetime, event: str) -> dict[str, str]:
    parameters = {
        "EventName": event,
        "EventTimestamp": _written(at),
        "MPCName": take.subject.name,
        "MPCUUID": take.subject.uuid,
        "RecordingUUID": take.id,
        "RecordingURL": url,
        "RecordingFormat": take.file_format,
        "RecordingStartTime": _written(take.started),
    }
    if take.member is not None:
        parameters["MemberID"] = take.member
    if event.endswith("Completed"):
        parameters["RecordingDuration"] = str(take.duration // timedelta(seconds=1))
        parameters["RecordingEndTime"] = _written(take.ended)
    return parameters


def _transcript(take: Take) -> dict[str, str]:
    return {
        "transcription_charge": "0.05",
        "transcription": "Hello.",
        "duration": str(take.duration // timedelta(seconds=1)),
        "call_uuid": take.subject.call_uuid,
        "transcription_rate": "0.05",
        "recording_id": take.id,
        "error": "",
    }


def _milliseconds(span: timedelta) -> str:
    return f"{span // timedelta(milliseconds=1)}.00000"


def _written(at: datetime) -> str:
    """`YYYY-MM-DD HH:mm:ss±hh:mm`"""
    return at.astimezone(UTC).isoformat(" ", "seconds")


def signed(told: Told, hook: Webhook, token: str, chance: random.Random) -> WebhookRequest:
    """Form or query, with a nonce of its own; a fragment tells how to retry, and is not sent."""
    url, body = hook.url.partition("#")[0], b""
    headers = {}
    if hook.method == "GET":
        url += ("&" if "?" in url else "?") + urlencode(told.parameters)
    else:
        body = urlencode(told.parameters).encode()
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    nonce = "".join(chance.choices("0123456789", k=20))
    line = _line(url, {} if hook.method == "GET" else told.parameters)
    digest = hmac.new(token.encode(), f"{line}.{nonce}".encode(), hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    headers |= {
        "X-Plivo-Signature-V3": signature,
        "X-Plivo-Signature-Ma-V3": signature,
        "X-Plivo-Signature-V3-Nonce": nonce,
    }
    return WebhookRequest(hook.method, url, headers, body)


def _line(url: str, parameters: Mapping[str, str]) -> str:
    """What is signed but for the nonce: `URL?query` or `URL?query.parameters`."""
    parts = urlsplit(url)
    line = f"{parts.scheme}://{parts.netloc}{parts.path}"
    query = parse_qs(parts.query, keep_blank_values=True)
    ordered = "&".join(f"{name}={value}" for name in sorted(query) for value in sorted(query[name]))
    if parameters:
        line += "?" + (f"{ordered}." if ordered else "")
        return line + "".join(name + parameters[name] for name in sorted(parameters))
    return f"{line}?{ordered}" if ordered else line
