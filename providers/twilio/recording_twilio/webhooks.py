"""Webhooks: recording status callbacks of calls, conferences and `<Record>`, to our events.

The signature covers neither the boundary between a name and its value nor the time. Therefore no
event is `trusted`, and a request is rejected if the signed text can be that of another event.

    https://www.twilio.com/docs/voice/api/recording (recording status callbacks)
    https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import evolve

from recording_core import (
    EventKind,
    MalformedPayload,
    Recording,
    RecordingEvent,
    RecordingStatus,
    WebhookRejected,
    WebhookRequest,
)
from recording_core.plugin import (
    WebhookScheme,
    build_event_key,
    redact_payload,
)
from recording_twilio import boundaries, mapping, signature

#: The parameter of a webhook -> the field of a row.
FIELDS: Mapping[str, str] = {
    "AccountSid": "account_sid",
    "CallSid": "call_sid",
    "ConferenceSid": "conference_sid",
    "ErrorCode": "error_code",
    "RecordingChannels": "channels",
    "RecordingDuration": "duration",
    "RecordingSid": "sid",
    "RecordingSource": "source",
    "RecordingStartTime": "start_time",
    "RecordingStatus": "status",
    "RecordingTrack": "track",
}
#: What identifies an event.
IDENTIFYING: Mapping[str, re.Pattern[str]] = {
    "RecordingSid": mapping.RECORDING_SID,
    "RecordingStatus": re.compile(r"[a-z][a-z-]{0,40}", re.ASCII),
}
#: These have digits in quotes in webhooks, and whole numbers in rows.
NUMBERS = ("RecordingChannels", "ErrorCode")
_DIGITS = re.compile(r"[0-9]{1,9}", re.ASCII)

#: `RecordingStatus` -> what happened; any other word is an `UPDATED` event. `in-progress` is sent
#: at the start and may be at a resume (assumption 5). `started`, `resumed` and `stopped` are events
#: of a participant's recording.
EVENTS: Mapping[str, tuple[EventKind, RecordingStatus]] = {
    "in-progress": (EventKind.STARTED, RecordingStatus.RECORDING),
    "started": (EventKind.STARTED, RecordingStatus.RECORDING),
    "paused": (EventKind.PAUSED, RecordingStatus.PAUSED),
    "resumed": (EventKind.RESUMED, RecordingStatus.RECORDING),
    "stopped": (EventKind.STOPPED, RecordingStatus.STOPPING),
    "completed": (EventKind.AVAILABLE, RecordingStatus.AVAILABLE),
    "absent": (EventKind.FAILED, RecordingStatus.FAILED),
    "failed": (EventKind.FAILED, RecordingStatus.FAILED),
}
EMPTY = (EventKind.EMPTY, RecordingStatus.EMPTY)
UNKNOWN = (EventKind.UPDATED, RecordingStatus.UNKNOWN)
#: Of a call's own status callback, which has a duration and no status: the recording has ended, and
#: its file is not stored yet. So has the `action` of `<Record>`, if it names the recording.
ENDED = (EventKind.STOPPED, RecordingStatus.PROCESSING)

#: The id of a delivery that is repeated: Twilio sends it with retries, and does not sign it.
DELIVERY = "I-Twilio-Idempotency-Token"


class TwilioWebhooks(WebhookScheme):
    """`X-Twilio-Signature`, by the Auth Token or by the secret of a SharedKey."""

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        signature.check_signature(request, secrets)

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            pairs = signature.read_parameters(request)
            parameters = _merge(pairs)
            _check_identity(parameters)
            boundaries.check_boundaries(request, EVENTS)
            recording_id = parameters.get("RecordingSid") or None
            word = parameters.get("RecordingStatus") or None
            # Without an id the word must be about a recording: one that could not be made.
            if recording_id is None and word not in ("failed", "absent"):
                return ()
            digest = hashlib.sha256(repr(sorted(pairs)).encode()).hexdigest()[:16]
            return (_build_event(request, parameters, recording_id, word, account, digest),)
        except MalformedPayload as error:
            raise WebhookRejected(
                f"the request is not a webhook of Twilio: {error.message}"
            ) from None


def _merge(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Build an object of the parameters; equal repeats of one are one value."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        values = found.setdefault(name, [])
        if value not in values:
            values.append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _check_identity(parameters: Mapping[str, Any]) -> None:
    """Check what identifies an event. Raises `MalformedPayload`."""
    for name, pattern in IDENTIFYING.items():
        value = parameters.get(name)
        if value not in (None, "") and not (type(value) is str and pattern.fullmatch(value)):
            raise MalformedPayload(f"the field {name!r} is not in the form that Twilio uses")


def _build_event(
    request: WebhookRequest,
    parameters: Mapping[str, Any],
    recording_id: str | None,
    word: str | None,
    account: str,
    digest: str,
) -> RecordingEvent:
    raw = redact_payload(dict(parameters))
    row = {
        FIELDS[name]: int(value) if name in NUMBERS and _is_number(value) else value
        for name, value in parameters.items()
        if name in FIELDS and value != ""
    }
    kind, status = _find_meaning(word, row)
    recording = None
    if recording_id is not None:
        recording = _read_recording(row, account, parameters, status)
    target = recording.target if recording is not None else mapping.read_owner(row)
    return RecordingEvent(
        provider="twilio",
        account=account,
        kind=kind,
        recording_id=recording_id,
        target=target,
        recording=recording,
        status=status,
        # No webhook has a time of its own. The start's would make a resume look like the start.
        occurred_at=None,
        delivery_id=request.header(DELIVERY),
        key=build_event_key("twilio", account, recording_id, kind, digest, subject=target),
        trusted=False,
        raw=raw,
    )


def _find_meaning(word: str | None, row: Mapping[str, Any]) -> tuple[EventKind, RecordingStatus]:
    if word is None:
        return ENDED if "duration" in row else UNKNOWN
    if word == mapping.ABSENT and row.get("error_code") in mapping.EMPTY_CODES:
        return EMPTY
    return EVENTS.get(word, UNKNOWN)


def _read_recording(
    row: Mapping[str, Any], account: str, parameters: Mapping[str, Any], status: RecordingStatus
) -> Recording:
    # `RecordingUrl` does not prove that a file exists, and the API names the file.
    recording = mapping.read_recording(row, account, "")
    names = {field: name for name, field in FIELDS.items()}
    unread = tuple(names.get(each, each) for each in recording.unread_fields)
    return evolve(
        recording, status=status, unread_fields=unread, raw=redact_payload(dict(parameters))
    )


def _is_number(value: Any) -> bool:
    return type(value) is str and _DIGITS.fullmatch(value) is not None
