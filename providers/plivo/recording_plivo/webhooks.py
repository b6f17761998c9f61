"""What does Plivo tell by itself? Callbacks in three vocabularies, and none says a status.

Neither where a name ends and its value begins is signed, nor when: so only the names in these
tables are read, each value has to look like one of its kind, and no event is `trusted`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from attrs import evolve, frozen

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


@frozen
class Field:
    """A field of a callback: what the recording's row calls it, and what it looks like."""

    name: str
    form: re.Pattern[str]


_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
#: an Auth ID, a host and a file's name are all that there is in it: no user, no query
_URL = re.compile(
    r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?/[A-Za-z0-9._~%/-]{1,1024}", re.ASCII
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?: ?[+-][0-9]{2}:?[0-9]{2}|Z)?",
    re.ASCII,
)
_WHEN = re.compile(rf"{_TIME.pattern}|[0-9]{{10}}|[0-9]{{13}}", re.ASCII)
_FORMAT = re.compile(r"\.?[A-Za-z0-9]{2,5}", re.ASCII)
_WORD = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
#: Of a conference, any text.
_NAME = re.compile(r"[^\x00-\x1f]{1,256}")

#: A value that contains another field's name has swallowed that field.
_SWALLOWED = re.compile(
    r"api_id|call_uuid|record_url|recording_(?:id|duration|start_ms|end_ms)"
    r"|CallUUID|EventName|EventTimestamp|MPCUUID|MemberID|SequenceNumber"
    r"|Record(?:Url|File|ing(?:ID|UUID|URL|Duration|Start|End|Format))"
)

#: The field of a callback -> the row's. In the order of the pages: callbacks of calls and
#: conferences (https://www.plivo.com/docs/voice/api/recordings, /voice/api/conferences), of XML
#: (https://www.plivo.com/docs/voice/xml/record), of multiparty calls
#: (https://www.plivo.com/docs/voice/api/multiparty-calls). Of two for one, the first counts.
FIELDS: Mapping[str, Field] = {
    "recording_id": Field("recording_id", _ID),
    "call_uuid": Field("call_uuid", _ID),
    "conference_name": Field("conference_name", _NAME),
    "record_url": Field("recording_url", _URL),
    "recording_duration_ms": Field("recording_duration_ms", _NUMBER),
    "recording_duration": Field("seconds", _NUMBER),
    "recording_start_ms": Field("recording_start_ms", _NUMBER),
    "recording_end_ms": Field("recording_end_ms", _NUMBER),
    "RecordingID": Field("recording_id", _ID),
    "CallUUID": Field("call_uuid", _ID),
    "RecordUrl": Field("recording_url", _URL),
    "RecordFile": Field("recording_url", _URL),
    "RecordingDurationMs": Field("recording_duration_ms", _NUMBER),
    "RecordingDuration": Field("seconds", _NUMBER),
    "RecordingStartMs": Field("recording_start_ms", _NUMBER),
    "RecordingEndMs": Field("recording_end_ms", _NUMBER),
    "EventName": Field("event", _WORD),
    "EventTimestamp": Field("at", _WHEN),
    "SequenceNumber": Field("sequence", _NUMBER),
    "MPCName": Field("mpc_name", _NAME),
    "MPCUUID": Field("mpc_uuid", _ID),
    "SessionUUID": Field("session_uuid", _ID),
    "MemberID": Field("member", _ID),
    "RecordingUUID": Field("recording_id", _ID),
    "RecordingURL": Field("recording_url", _URL),
    "RecordingFormat": Field("recording_format", _FORMAT),
    "RecordingStartTime": Field("start", _TIME),
    "RecordingEndTime": Field("end", _TIME),
}

#: So does what we don't read, but for a name like `ParentCallUUID`, and text that somebody said.
_NAMES = re.compile("|".join(sorted(FIELDS, key=len, reverse=True)))
_RELATED = re.compile(rf"[A-Za-z_-]*(?:{_NAMES.pattern})[A-Za-z_]*", re.ASCII)
SAID = "transcription"

#: These are -1 while it records.
NUMBERS = frozenset({"recording_duration_ms", "recording_start_ms", "recording_end_ms", "seconds"})

#: Which of a callback's fields show that it is about a transcript:
#: https://www.plivo.com/docs/voice/api/conferences, the second half of the table
TRANSCRIPTION = frozenset({"transcription", "transcription_charge", "transcription_rate"})

#: A form may have the callback as JSON in this field: https://www.plivo.com/docs/api/recording/
WRAPPER = "response"


@frozen
class Told:
    """What an event says of its recording."""

    kind: EventKind
    status: RecordingStatus


#: https://www.plivo.com/docs/voice/api/multiparty-calls: `MPCRecordingPaused`, and the same of a
#: participant; https://www.plivo.com/docs/voice/api/number-masking: of a session.
SUBJECTS = ("MPC", "Participant", "Session")
EVENTS: Mapping[str, Told] = {
    "RecordingInitiated": Told(EventKind.STARTED, RecordingStatus.RECORDING),
    "RecordingPaused": Told(EventKind.PAUSED, RecordingStatus.PAUSED),
    "RecordingResumed": Told(EventKind.RESUMED, RecordingStatus.RECORDING),
    "RecordingCompleted": Told(EventKind.AVAILABLE, RecordingStatus.AVAILABLE),
    "RecordingFailed": Told(EventKind.FAILED, RecordingStatus.FAILED),
}
#: By these a record callback tells where the file is; the first is the API's, the others are XML's.
OF_THE_END = ("record_url", "RecordUrl", "RecordFile")
UNKNOWN = Told(EventKind.UPDATED, RecordingStatus.UNKNOWN)
#: A record callback comes at the end; that of XML also at the start, with durations of -1:
#: https://www.plivo.com/docs/voice/xml/record (recordSession, startOnDialAnswer)
RUNNING = Told(EventKind.STARTED, RecordingStatus.RECORDING)
ENDED = Told(EventKind.AVAILABLE, RecordingStatus.AVAILABLE)
#: Only of what was recorded there is a transcript, or a reason why there is none.
TRANSCRIBED = Told(EventKind.UPDATED, RecordingStatus.AVAILABLE)

#: With these there is a file to speak of, though a start names its URL, too.
_HAS_MEDIA = frozenset({RecordingStatus.AVAILABLE, RecordingStatus.UNKNOWN})


class PlivoWebhooks(WebhookScheme):
    """Version 3, and version 2 where it is allowed; the secret is the account's Auth Token."""

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        signature.check(request, secrets, allow_v2=allow_v2)

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            told = _unwrapped(signature.parameters(request))
            known = _known(told)
            if not known.get("recording_id"):
                return ()
            return (_event(request, told, known, account),)
        except MalformedPayload as error:
            raise WebhookRejected(f"not a callback of Plivo's: {error.message}") from None


def _unwrapped(told: Mapping[str, Any]) -> Mapping[str, Any]:
    wrapped = told.get(WRAPPER)
    if type(wrapped) is str and wrapped.startswith("{"):
        wrapped = decode_json(wrapped.encode("utf-8"))
    return wrapped if type(wrapped) is dict else told


def _known(told: Mapping[str, Any]) -> dict[str, str]:
    """The fields that we know, as text, by the row's names. Raises `MalformedPayload`."""
    known: dict[str, str] = {}
    for name, field in FIELDS.items():
        if name not in told:
            continue
        value = told[name]
        if value is None or value == "":
            continue
        if type(value) in (int, float):
            value = str(value)  # of a JSON body
        if type(value) is not str or not field.form.fullmatch(value):
            raise read.wrong(name, "of the form that it has")
        if field.name == "recording_id" and known.get("recording_id", value) != value:
            raise read.wrong(name, "the same as the other id")
        known.setdefault(field.name, value)
    if _SWALLOWED.search("\n".join(known.values())):
        raise MalformedPayload("a field's name in another one's value")
    for name in told:
        if name in FIELDS or name == SAID or not _NAMES.search(f"{name}{told[name]}"):
            continue
        if not _is_other(name, str(told[name])):
            raise MalformedPayload("a field's name in one that we don't know")
    return known


def _is_other(name: str, value: str) -> bool:
    """Whether one that we don't know has a name of its own, though one of ours is part of it."""
    related = _RELATED.fullmatch(name) is not None
    within = all(found.end() <= len(name) for found in _NAMES.finditer(f"{name}{value}"))
    return related and within


def _event(
    request: WebhookRequest, told: Mapping[str, Any], known: Mapping[str, str], account: str
) -> RecordingEvent:
    word = known.get("event")
    said = _said(told, known, word)
    raw = redact_payload(told)
    seen = _recording(known, word, said, account, raw) if said is not TRANSCRIBED else None
    kind = said.kind
    at = _when(known.get("at"))
    if at is None and seen is not None:
        at = seen.started_at if kind is EventKind.STARTED else seen.ended_at
    recording_id = known["recording_id"]
    return RecordingEvent(
        provider="plivo",
        account=account,
        kind=kind,
        recording_id=recording_id,
        target=_target(known),
        recording=seen,
        status=said.status,
        occurred_at=at,
        delivery_id=request.header(signature.NONCE),
        key=build_event_key("plivo", account, recording_id, kind, _occasion(request, known)),
        trusted=False,
        raw=raw,
    )


def _said(told: Mapping[str, Any], known: Mapping[str, str], word: str | None) -> Told:
    if word is not None:
        for subject in SUBJECTS:
            if word.startswith(subject):
                return EVENTS.get(word.removeprefix(subject), UNKNOWN)
        return UNKNOWN
    spans = [known[name] for name in ("recording_duration_ms", "seconds") if name in known]
    if any(span.startswith("-") for span in spans):
        return RUNNING
    # One of a multiparty call says what happened: without its word it says nothing of the kind.
    if any(told.get(name) for name in OF_THE_END):
        return ENDED
    return TRANSCRIBED if not TRANSCRIPTION.isdisjoint(told) else UNKNOWN


def _recording(
    known: Mapping[str, str],
    word: str | None,
    said: Told,
    account: str,
    raw: Mapping[str, Any],
) -> Recording:
    row: dict[str, Any] = {
        name: value for name, value in known.items() if name not in NUMBERS or value[0] != "-"
    }
    if "recording_duration_ms" not in row and "seconds" in row:
        row["recording_duration_ms"] = str(Decimal(row["seconds"]) * 1000)
    for name, other in (("start", "recording_start_ms"), ("end", "recording_end_ms")):
        moment = read.instant(known.get(name), name)
        if moment is not None and other not in row:
            row[other] = str((moment - _EPOCH) // timedelta(milliseconds=1))
    if "mpc_name" in known or "mpc_uuid" in known:
        row["recording_type"] = "mpc"
    seen = mapping.recording(row, account)
    files = seen.files if said.status in _HAS_MEDIA else ()
    if "member" in known and (word or "").startswith("Participant"):
        files = tuple(
            evolve(file, role=FileRole.TRACK, participant=known["member"]) for file in files
        )
    return evolve(
        seen,
        target=_target(known),
        reference=known.get("mpc_uuid") or known.get("session_uuid") or seen.reference,
        status=said.status,
        provider_status=word,
        files=files,
        raw=raw,
    )


def _target(known: Mapping[str, str]) -> CommunicationSession | None:
    name, uuid = known.get("mpc_name"), known.get("mpc_uuid")
    if name is not None:
        # As `start` takes it: bare, unless it would be read as something else.
        bare = mapping.mpc_id(name) == f"name_{name}"
        return read.target(SessionKind.MEETING, name if bare else f"name_{name}", "MPCName")
    if uuid is not None:
        return read.target(SessionKind.MEETING, uuid, "MPCUUID")
    if "conference_name" in known:
        return read.target(SessionKind.CONFERENCE, known["conference_name"], "conference_name")
    if "call_uuid" in known and "session_uuid" not in known:
        return read.target(SessionKind.CALL, known["call_uuid"], "call_uuid")
    return None


def _when(text: str | None) -> datetime | None:
    if text is None or not text.isdecimal():
        return read.instant(text, "EventTimestamp")
    milliseconds = text if len(text) == 13 else f"{text}000"
    return read.epoch_milliseconds(milliseconds, "EventTimestamp", quoted=True)


def _occasion(request: WebhookRequest, known: Mapping[str, str]) -> str:
    """What tells one pause from the next: its number, else its time, else all that was signed."""
    given = known.get("sequence") or known.get("at")
    if given is not None:
        return given
    return signature.digest(request)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
