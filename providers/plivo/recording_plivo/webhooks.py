"""Webhooks: Plivo's requests in three vocabularies, none of which has a status, to our events.

The signature covers neither the boundary between a name and its value nor the time. Therefore only
the names in these tables are read, each value must match its pattern, and no event is `trusted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve

from recording_core import (
    CommunicationSession,
    EventKind,
    FileRole,
    MalformedPayload,
    Recording,
    RecordingEvent,
    RecordingStatus,
    SessionKind,
    WebhookRejected,
    WebhookRequest,
)
from recording_core.plugin import WebhookScheme, build_event_key, decode_json, redact_payload
from recording_core.plugin import readers as read
from recording_plivo import mapping, signature

_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
#: A media URL has a host, an Auth ID and a file name: neither user information nor a query.
_URL = re.compile(
    r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?/[A-Za-z0-9._~%/-]{1,1024}", re.ASCII
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?: ?[+-][0-9]{2}:?[0-9]{2}|Z)?",
    re.ASCII,
)
_TIMESTAMP = re.compile(rf"{_TIME.pattern}|[0-9]{{10}}|[0-9]{{13}}", re.ASCII)
_FORMAT = re.compile(r"\.?[A-Za-z0-9]{2,5}", re.ASCII)
_WORD = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
#: A conference's name may be any text.
_NAME = re.compile(r"[^\x00-\x1f]{1,256}")

#: If a value contains another field's name, the boundary between the two was moved.
_EMBEDDED_NAMES = re.compile(
    r"api_id|call_uuid|record_url|recording_(?:id|duration|start_ms|end_ms)"
    r"|CallUUID|EventName|EventTimestamp|MPCUUID|MemberID|SequenceNumber"
    r"|Record(?:Url|File|ing(?:ID|UUID|URL|Duration|Start|End|Format))"
)

#: The field of a webhook -> the row's, and the pattern of its value. In the order of the pages:
#: calls and conferences (https://www.plivo.com/docs/voice/api/recordings, /voice/api/conferences),
#: XML (https://www.plivo.com/docs/voice/xml/record), multiparty calls
#: (https://www.plivo.com/docs/voice/api/multiparty-calls). If two map to one, the first is used.
FIELDS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "recording_id": ("recording_id", _ID),
    "call_uuid": ("call_uuid", _ID),
    "conference_name": ("conference_name", _NAME),
    "record_url": ("recording_url", _URL),
    "recording_duration_ms": ("recording_duration_ms", _NUMBER),
    "recording_duration": ("seconds", _NUMBER),
    "recording_start_ms": ("recording_start_ms", _NUMBER),
    "recording_end_ms": ("recording_end_ms", _NUMBER),
    "RecordingID": ("recording_id", _ID),
    "CallUUID": ("call_uuid", _ID),
    "RecordUrl": ("recording_url", _URL),
    "RecordFile": ("recording_url", _URL),
    "RecordingDurationMs": ("recording_duration_ms", _NUMBER),
    "RecordingDuration": ("seconds", _NUMBER),
    "RecordingStartMs": ("recording_start_ms", _NUMBER),
    "RecordingEndMs": ("recording_end_ms", _NUMBER),
    "EventName": ("event", _WORD),
    "EventTimestamp": ("at", _TIMESTAMP),
    "SequenceNumber": ("sequence", _NUMBER),
    "MPCName": ("mpc_name", _NAME),
    "MPCUUID": ("mpc_uuid", _ID),
    "SessionUUID": ("session_uuid", _ID),
    "MemberID": ("member", _ID),
    "RecordingUUID": ("recording_id", _ID),
    "RecordingURL": ("recording_url", _URL),
    "RecordingFormat": ("recording_format", _FORMAT),
    "RecordingStartTime": ("start", _TIME),
    "RecordingEndTime": ("end", _TIME),
}

#: A field that is not in the table must not contain a field's name either, except in a name such as
#: `ParentCallUUID`, and in a transcript's text.
_FIELD_NAMES = re.compile("|".join(sorted(FIELDS, key=len, reverse=True)))
_RELATED = re.compile(rf"[A-Za-z_-]*(?:{_FIELD_NAMES.pattern})[A-Za-z_]*", re.ASCII)
TRANSCRIPT = "transcription"

#: These are -1 while the recording runs: https://www.plivo.com/docs/voice/xml/record
NUMBERS = frozenset({"recording_duration_ms", "recording_start_ms", "recording_end_ms", "seconds"})

#: Fields of a webhook about a transcript:
#: https://www.plivo.com/docs/voice/api/conferences, the second half of the table
TRANSCRIPTION = frozenset({"transcription", "transcription_charge", "transcription_rate"})

#: A form may contain the parameters as JSON in this field: https://www.plivo.com/docs/api/recording/
WRAPPER = "response"

#: The kind of an event, and the status of its recording.
EventMeaning = tuple[EventKind, RecordingStatus]
#: `MPCRecordingPaused`, and the same for a participant:
#: https://www.plivo.com/docs/voice/api/multiparty-calls. For a session:
#: https://www.plivo.com/docs/voice/api/number-masking.
EVENTS: Mapping[str, EventMeaning] = {
    f"{subject}Recording{name}": meaning
    for subject in ("MPC", "Participant", "Session")
    for name, meaning in {
        "Initiated": (EventKind.STARTED, RecordingStatus.RECORDING),
        "Paused": (EventKind.PAUSED, RecordingStatus.PAUSED),
        "Resumed": (EventKind.RESUMED, RecordingStatus.RECORDING),
        "Completed": (EventKind.AVAILABLE, RecordingStatus.AVAILABLE),
        "Failed": (EventKind.FAILED, RecordingStatus.FAILED),
    }.items()
}
#: The media's URL in a webhook about the end: the first name is the API's, the others are XML's.
MEDIA_URL_FIELDS = ("record_url", "RecordUrl", "RecordFile")
UNKNOWN = (EventKind.UPDATED, RecordingStatus.UNKNOWN)
#: Webhooks of calls and conferences are sent at the end; XML's also at the start, with durations
#: of -1:
#: https://www.plivo.com/docs/voice/xml/record (recordSession, startOnDialAnswer)
RUNNING = (EventKind.STARTED, RecordingStatus.RECORDING)
ENDED = (EventKind.AVAILABLE, RecordingStatus.AVAILABLE)
#: A transcript, or the reason why it failed, exists only for a finished recording.
TRANSCRIBED = (EventKind.UPDATED, RecordingStatus.AVAILABLE)

#: Only with these statuses the URL is that of a file; a webhook about a start contains it, too.
_STATUSES_WITH_MEDIA = frozenset({RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN})


class PlivoWebhooks(WebhookScheme):
    """Signature version 3, and version 2 if it is allowed. The secret is the Auth Token."""

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        signature.check_signature(request, secrets, allow_v2=allow_v2)

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            parameters = _unwrap(signature.read_parameters(request))
            fields = _read_fields(parameters)
            if not fields.get("recording_id"):
                return ()
            return (_build_event(request, parameters, fields, account),)
        except MalformedPayload as error:
            raise WebhookRejected(
                f"the request is not a webhook of Plivo: {error.message}"
            ) from None


def _unwrap(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    wrapped = parameters.get(WRAPPER)
    if type(wrapped) is str and wrapped.startswith("{"):
        wrapped = decode_json(wrapped.encode("utf-8"))
    return wrapped if isinstance(wrapped, dict) else parameters


def _read_fields(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Read the fields of the table, as text, by the row's names. Raises `MalformedPayload`."""
    fields: dict[str, str] = {}
    for name, (row_name, pattern) in FIELDS.items():
        value = parameters.get(name)
        if value is None or value == "":
            continue
        if type(value) in (int, float):
            value = str(value)  # in a JSON body
        if type(value) is not str or not pattern.fullmatch(value):
            raise read.build_error(name, "in the form that Plivo uses")
        if row_name == "recording_id" and fields.get(row_name, value) != value:
            raise read.build_error(name, "the same as the other id")
        fields.setdefault(row_name, value)
    if _EMBEDDED_NAMES.search("\n".join(fields.values())):
        raise MalformedPayload("a field's value contains another field's name")
    for name, value in parameters.items():
        if name in FIELDS or name == TRANSCRIPT:
            continue
        ends = [found.end() for found in _FIELD_NAMES.finditer(f"{name}{value}")]
        if ends and (ends[-1] > len(name) or not _RELATED.fullmatch(name)):
            raise MalformedPayload("an unknown field contains another field's name")
    return fields


def _build_event(
    request: WebhookRequest,
    parameters: Mapping[str, Any],
    fields: Mapping[str, str],
    account: str,
) -> RecordingEvent:
    event_name = fields.get("event")
    kind, status = _find_meaning(parameters, fields, event_name)
    raw = redact_payload(parameters)
    recording = None
    if (kind, status) != TRANSCRIBED:
        recording = _build_recording(fields, event_name, status, account, raw)
    occurred_at = _read_timestamp(fields.get("at"))
    if occurred_at is None and recording is not None:
        occurred_at = recording.started_at if kind is EventKind.STARTED else recording.ended_at
    recording_id = fields["recording_id"]
    # What distinguishes one pause from the next: its number, its time, or else the signed content.
    occasion = fields.get("sequence") or fields.get("at") or signature.compute_digest(request)
    return RecordingEvent(
        provider="plivo",
        account=account,
        kind=kind,
        recording_id=recording_id,
        target=_build_target(fields),
        recording=recording,
        status=status,
        occurred_at=occurred_at,
        delivery_id=request.header(signature.NONCE),
        key=build_event_key("plivo", account, recording_id, kind, occasion),
        trusted=False,
        raw=raw,
    )


def _find_meaning(
    parameters: Mapping[str, Any], fields: Mapping[str, str], event_name: str | None
) -> EventMeaning:
    if event_name is not None:
        return EVENTS.get(event_name, UNKNOWN)
    spans = [fields[name] for name in ("recording_duration_ms", "seconds") if name in fields]
    if any(span.startswith("-") for span in spans):
        return RUNNING
    # Without its EventName a multiparty call's webhook is not one about the end: its URL has
    # another name.
    if any(parameters.get(name) for name in MEDIA_URL_FIELDS):
        return ENDED
    return TRANSCRIBED if not TRANSCRIPTION.isdisjoint(parameters) else UNKNOWN


def _build_recording(
    fields: Mapping[str, str],
    event_name: str | None,
    status: RecordingStatus,
    account: str,
    raw: Mapping[str, Any],
) -> Recording:
    row: dict[str, Any] = {
        name: value for name, value in fields.items() if name not in NUMBERS or value[0] != "-"
    }
    if "recording_duration_ms" not in row and "seconds" in row:
        row["recording_duration_ms"] = str(Decimal(row["seconds"]) * 1000)
    for name, other in (("start", "recording_start_ms"), ("end", "recording_end_ms")):
        moment = read.instant(fields.get(name), name)
        if moment is not None and other not in row:
            row[other] = str((moment - _EPOCH) // timedelta(milliseconds=1))
    if "mpc_name" in fields or "mpc_uuid" in fields:
        row["recording_type"] = "mpc"
    recording = mapping.read_recording(row, account)
    files = recording.files if status in _STATUSES_WITH_MEDIA else ()
    if "member" in fields and (event_name or "").startswith("Participant"):
        files = tuple(
            evolve(file, role=FileRole.TRACK, participant=fields["member"]) for file in files
        )
    return evolve(
        recording,
        target=_build_target(fields),
        reference=fields.get("mpc_uuid") or fields.get("session_uuid") or recording.reference,
        status=status,
        provider_status=event_name,
        files=files,
        raw=raw,
    )


def _build_target(fields: Mapping[str, str]) -> CommunicationSession | None:
    name, uuid = fields.get("mpc_name"), fields.get("mpc_uuid")
    if name is not None:
        # As `start` takes it: without the prefix, unless it would then be read as another id.
        is_plain = mapping.build_mpc_id(name) == f"name_{name}"
        return read.target(SessionKind.MEETING, name if is_plain else f"name_{name}", "MPCName")
    if uuid is not None:
        return read.target(SessionKind.MEETING, uuid, "MPCUUID")
    if "conference_name" in fields:
        return read.target(SessionKind.CONFERENCE, fields["conference_name"], "conference_name")
    if "call_uuid" in fields and "session_uuid" not in fields:
        return read.target(SessionKind.CALL, fields["call_uuid"], "call_uuid")
    return None


def _read_timestamp(text: str | None) -> datetime | None:
    if text is None or not text.isdecimal():
        return read.instant(text, "EventTimestamp")
    milliseconds = text if len(text) == 13 else f"{text}000"
    return read.epoch_milliseconds(milliseconds, "EventTimestamp", quoted=True)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
