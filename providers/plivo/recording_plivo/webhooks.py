"""Webhooks: Plivo's requests in its vocabularies, none of which has a status, to our events.

The signature covers neither the boundary between a name and its value nor the time. Therefore no
event is `trusted`, and a request is rejected if the signed text can be split in another way that
changes what identifies the event: its recording, its name, its status or the media's URL. Nor does
it cover the method: a request is rejected if its text names a recording by the other method, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
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
from recording_core.plugin import (
    Fields,
    WebhookScheme,
    build_event_key,
    decode_json,
    redact_payload,
)
from recording_plivo import boundaries, mapping, signature

_ID = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
#: A media URL has a host, an Auth ID and a file name: neither user information nor a query.
_URL = re.compile(
    r"https?://[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?/[A-Za-z0-9._~%/-]{0,1023}[A-Za-z0-9_~%-]",
    re.ASCII,
)
_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,9})?", re.ASCII)
_MINUS_ONE = re.compile(r"-1(?:\.0{1,9})?", re.ASCII)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
    r"(?: ?[+-][0-9]{2}:?[0-9]{2}(?: UTC)?|Z)?",
    re.ASCII,
)
_TIMESTAMP = re.compile(rf"{_TIME.pattern}|[0-9]{{10}}|[0-9]{{13}}", re.ASCII)
_FORMAT = re.compile(r"\.?[A-Za-z0-9]{2,5}", re.ASCII)
_WORD = re.compile(r"[A-Za-z]{1,64}", re.ASCII)
#: A conference's name may be any text.
_NAME = re.compile(r"[^\x00-\x1f]{1,256}")

#: The field of a webhook -> the row's, and the pattern of its value. In the order of the pages:
#: calls and conferences (https://www.plivo.com/docs/voice/api/recordings, /voice/api/conferences),
#: XML (https://www.plivo.com/docs/voice/xml/record, /voice/xml/conference), multiparty calls
#: (https://www.plivo.com/docs/voice/api/multiparty-calls), number masking
#: (https://www.plivo.com/docs/voice/api/number-masking), asynchronous answers
#: (https://www.plivo.com/docs/voice/api/overview). If two map to one, the first is used.
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
    "ConferenceAction": ("action", _WORD),
    "ConferenceName": ("conference_name", _NAME),
    "ConferenceUUID": ("conference_uuid", _ID),
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
    "message": ("message", _NAME),
    "recording_url": ("recording_url", _URL),
}

#: What identifies an event, in the row's names. It must match its pattern; any other field that
#: cannot be read is `None`.
IDENTIFYING = frozenset({"recording_id", "recording_url", "event", "action"})
#: The URL of a multiparty call's event, whose name alone decides what it means.
MEETING_URL = "RecordingURL"
#: The older name of `RecordUrl`; it is read only if that is absent.
OLDER_URL = "RecordFile"
#: Fixtures of Plivo's official client contain this word in place of null.
NULL = "null"

TRANSCRIPT = "transcription"

#: These are -1 while the recording runs, which is like absent: https://www.plivo.com/docs/voice/xml/record
NUMBERS = frozenset({"recording_duration_ms", "recording_start_ms", "recording_end_ms", "seconds"})
DURATIONS = ("recording_duration_ms", "seconds")
#: Any of these, with another value, states that the recording has ended.
ENDS = (*DURATIONS, "recording_end_ms")

#: Fields of a webhook about a transcript:
#: https://www.plivo.com/docs/voice/api/conferences, the second half of the table
TRANSCRIPTION = frozenset({TRANSCRIPT, "transcription_charge", "transcription_rate"})

#: The names that another split of the signed text may contain.
_PATTERNS = {
    **{name: pattern for name, (_, pattern) in FIELDS.items()},
    "api_id": _ID,
    "RecordingResourceURL": re.compile(r"https?://[A-Za-z0-9._~%:/-]{1,1024}", re.ASCII),
    TRANSCRIPT: re.compile(r"(?s:.*)"),
    "transcription_charge": _NUMBER,
    "transcription_rate": _NUMBER,
}

#: A webhook about a recording has a field of each group. A failure may have no id.
_GROUPS = (
    [name for name, (row_name, _) in FIELDS.items() if row_name in ("recording_id", "at")],
    [
        "transcription_rate",
        *(name for name, (row_name, _) in FIELDS.items() if row_name in ("recording_url", "event")),
    ],
)

#: A form may contain the parameters as JSON in this field: https://www.plivo.com/docs/api/recording/
WRAPPER = "response"

#: The kind of an event, and the status of its recording.
EventMeaning = tuple[EventKind, RecordingStatus]
RUNNING = (EventKind.STARTED, RecordingStatus.RECORDING)
PAUSED = (EventKind.PAUSED, RecordingStatus.PAUSED)
RESUMED = (EventKind.RESUMED, RecordingStatus.RECORDING)
ENDED = (EventKind.AVAILABLE, RecordingStatus.AVAILABLE)
FAILED = (EventKind.FAILED, RecordingStatus.FAILED)
#: A transcript, or the reason why it failed, exists only for a finished recording.
TRANSCRIBED = (EventKind.UPDATED, RecordingStatus.AVAILABLE)
UNKNOWN = (EventKind.UPDATED, RecordingStatus.UNKNOWN)

#: (element, action, evidence) -> what a webhook means; anything else is `UNKNOWN`. An action of ""
#: means that the webhook has none, and an evidence of "" that the words alone decide. Evidence is
#: `end` (a URL, and a duration or an end), `url` (a URL alone: Plivo names it from the start on) or
#: `-1` (all numbers are -1: https://www.plivo.com/docs/voice/xml/record, recordSession and
#: startOnDialAnswer).
#:
#: - `Record`: of the API, and of the XML element. The API's are sent at the end.
#: - `Conference`: of the XML element, whose `RecordUrl` is there from the first `enter` on. Only
#:   `record` is about a file. Its action URL has no `ConferenceAction`.
#:   https://www.plivo.com/docs/voice/xml/conference
#: - `MPC`, `Participant`: https://www.plivo.com/docs/voice/api/multiparty-calls
#: - `Session`: https://www.plivo.com/docs/voice/api/number-masking
#: - `answer`: the response to an asynchronous start, which is sent to `callback_url`
#:   https://www.plivo.com/docs/voice/api/overview
#: - `transcript`: https://www.plivo.com/docs/voice/api/conferences, the second half of the table
MEANINGS: Mapping[tuple[str, str, str], EventMeaning] = {
    ("Record", "", "end"): ENDED,
    ("Record", "", "url"): RUNNING,
    ("Record", "", "-1"): RUNNING,
    ("Conference", "", "end"): ENDED,
    ("Conference", "", "url"): RUNNING,
    ("Conference", "", "-1"): RUNNING,
    ("Conference", "enter", ""): RUNNING,
    ("Conference", "exit", ""): RUNNING,
    ("Conference", "digits", ""): RUNNING,
    ("Conference", "floor", ""): RUNNING,
    ("Conference", "record", "end"): ENDED,
    ("Conference", "record", "url"): RUNNING,
    ("Conference", "record", "-1"): RUNNING,
    ("MPC", "RecordingInitiated", ""): RUNNING,
    ("MPC", "RecordingPaused", ""): PAUSED,
    ("MPC", "RecordingResumed", ""): RESUMED,
    ("MPC", "RecordingCompleted", ""): ENDED,
    ("MPC", "RecordingFailed", ""): FAILED,
    ("Participant", "RecordingInitiated", ""): RUNNING,
    ("Participant", "RecordingPaused", ""): PAUSED,
    ("Participant", "RecordingResumed", ""): RESUMED,
    ("Participant", "RecordingCompleted", ""): ENDED,
    ("Participant", "RecordingFailed", ""): FAILED,
    ("Session", "RecordingInitiated", ""): RUNNING,
    ("Session", "RecordingCompleted", ""): ENDED,
    ("Session", "RecordingFailed", ""): FAILED,
    ("answer", "started", ""): RUNNING,
    ("transcript", "", ""): TRANSCRIBED,
}
#: The elements whose webhooks have an `EventName`, which begins with the element's name.
NAMED_ELEMENTS = ("MPC", "Participant", "Session")
EVENT_NAMES = frozenset(
    f"{element}{action}" for element, action, _ in MEANINGS if element in NAMED_ELEMENTS
)
#: The element -> the `recording_type` that a row would have. That of a transcript is not known: its
#: call may be that of a conference's member.
TYPES: Mapping[str, str] = {
    "Conference": "conference",
    "MPC": "mpc",
    "Participant": "mpc",
    "transcript": "unknown",
}
#: The rows' names of what identifies an occurrence of a session.
UUIDS = ("mpc_uuid", "session_uuid")
#: The rows' names of the fields of multiparty calls.
MPC_FIELDS = frozenset({"mpc_name", "mpc_uuid"})
#: The fields that only the XML element `Conference` has.
CONFERENCE_FIELDS = ("ConferenceAction", "ConferenceName", "ConferenceUUID")
#: The media's URL, also while it is recorded: the names of the API, of XML, and of a row. That of a
#: multiparty call's webhook proves nothing: without its `EventName` it is not about the end.
MEDIA_URL_FIELDS = ("record_url", "RecordUrl", "RecordFile", "recording_url")
#: These happen once per recording.
ONCE = frozenset({EventKind.STARTED, EventKind.AVAILABLE, EventKind.FAILED})

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
            delivery = _Delivery(_unwrap(signature.read_parameters(request)))
            # Without an id the words must be about a recording: one that could not be started.
            if delivery.id is None and delivery.meaning[0] is not EventKind.FAILED:
                return ()
            if boundaries.names_recording_by_other_method(request, _GROUPS, _PATTERNS):
                raise MalformedPayload("the signed text can also be that of another method")
            for split in boundaries.iterate_other_splits(request, _PATTERNS):
                if delivery.is_contradicted_by(split):
                    raise MalformedPayload("the signed text can also mean another event")
            return (delivery.build_event(request, account),)
        except MalformedPayload as error:
            raise WebhookRejected(
                f"the request is not a webhook of Plivo: {error.message}"
            ) from None


def _unwrap(parameters: dict[str, Any]) -> dict[str, Any]:
    # In a webhook with fields of its own, a field of this name is the customer's.
    wrapped = parameters.get(WRAPPER)
    if type(wrapped) is str and wrapped.startswith("{") and FIELDS.keys().isdisjoint(parameters):
        wrapped = decode_json(wrapped.encode("utf-8"))
    return wrapped if isinstance(wrapped, dict) else parameters


class _Delivery:
    """What a webhook's parameters mean. Raises `MalformedPayload` if what identifies is malformed.

    Attributes:
        id: the recording's id
        event_name: the name of a multiparty call's event
        url: the media's URL
        element: what sends the webhook, as in `MEANINGS`
        meaning: the kind of the event, and the status of its recording
    """

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.fields = Fields(parameters)
        #: the row's name -> the first parameter of that name that is present
        self.names: dict[str, str] = {}
        #: the row's name -> its value, as it was sent
        self.row: dict[str, Any] = {}
        for name in [each for each in FIELDS if each in parameters]:
            (row_name, pattern), value = FIELDS[name], parameters[name]
            if value is None or value == "" or (name == OLDER_URL and "RecordUrl" in parameters):
                continue
            if value == NULL and pattern is not _NAME:
                self.fields.leave_out(name)
            elif row_name not in IDENTIFYING:
                self.row.setdefault(row_name, value)
            elif type(value) is not str or not pattern.fullmatch(value):
                if name == MEETING_URL:
                    self.fields.leave_out(name)
                    continue
                raise MalformedPayload(f"the field {name!r} is not in the form that Plivo uses")
            elif self.row.setdefault(row_name, value) != value:
                raise MalformedPayload(f"the field {name!r} differs from another of its meaning")
            self.names.setdefault(row_name, name)
        self.id: str | None = self.row.get("recording_id")
        self.event_name: str | None = self.row.get("event")
        self.url: str | None = self.row.get("recording_url")
        self.element, action = self._find_element()
        # A word decides alone, and what has none by the evidence.
        self.meaning = MEANINGS.get((self.element, action, "")) or MEANINGS.get(
            (self.element, action, self._find_evidence()), UNKNOWN
        )

    def is_contradicted_by(self, split: Iterable[tuple[str, str]]) -> bool:
        """Whether this is another event if the signed text is split in this way."""
        try:
            other = _Delivery(signature.merge_repeated(split))
        except MalformedPayload:
            return False
        if other.event_name not in (None, self.event_name, *EVENT_NAMES):
            return False
        return (other.id, other.event_name, other.url, other.meaning) != (
            self.id,
            self.event_name,
            self.url,
            self.meaning,
        )

    def _find_element(self) -> tuple[str, str]:
        """Find the element and the action of this webhook, as in `MEANINGS`."""
        parameters = self.fields.row
        if self.event_name is not None:
            for element in NAMED_ELEMENTS:
                if self.event_name.startswith(element):
                    return element, self.event_name.removeprefix(element)
            return "", self.event_name
        if any(map(parameters.get, CONFERENCE_FIELDS)):
            return "Conference", self.row.get("action", "")
        has_end = not self.row.keys().isdisjoint(ENDS)
        if not has_end and str(self.row.get("message")).endswith("started"):
            return "answer", "started"
        if self._has_url() or TRANSCRIPTION.isdisjoint(parameters):
            return "Record", ""
        return "transcript", ""

    def _has_url(self) -> bool:
        return any(map(self.fields.row.get, MEDIA_URL_FIELDS))

    def _find_evidence(self) -> str:
        for names in (DURATIONS, ENDS):
            values = [str(self.row[name]) for name in names if name in self.row]
            numbers = list(filter(_NUMBER.fullmatch, values))
            if numbers and all(map(_MINUS_ONE.fullmatch, numbers)):
                return "-1"
        if not self._has_url():
            return ""
        return "url" if self.row.keys().isdisjoint(ENDS) else "end"

    def build_event(self, request: WebhookRequest, account: str) -> RecordingEvent:
        """Build the event. Fields that cannot be read are named in its recording."""
        kind, status = self.meaning
        raw = redact_payload(self.fields.row)
        target = self._read_target()
        has_uuid = not self.names.keys().isdisjoint(UUIDS)
        reference = next(filter(None, map(self._read_text, UUIDS)), None) if has_uuid else None
        occurred_at = self._read_timestamp()
        # What distinguishes one pause from the next: its number, its time, or else the signed
        # content. A lasting fact of a recording happens once.
        occasion = self._read_text("sequence") or self._read_text("at")
        if self.id is None or (occasion is None and kind not in ONCE):
            occasion = signature.compute_digest(request)
        recording = None
        if self.id is not None:
            recording = self._read_recording(account, target, reference, raw)
            if occurred_at is None:
                is_start = kind is EventKind.STARTED
                occurred_at = recording.started_at if is_start else recording.ended_at
        return RecordingEvent(
            provider="plivo",
            account=account,
            kind=kind,
            recording_id=self.id,
            target=target,
            recording=recording,
            status=status,
            occurred_at=occurred_at,
            delivery_id=request.header(signature.NONCE),
            key=build_event_key(
                "plivo",
                account,
                self.id,
                kind,
                occasion or "",
                subject=target or reference,
            ),
            trusted=False,
            raw=raw,
            start_id=mapping.read_start_id(self.fields.row),
        )

    def _read_recording(
        self,
        account: str,
        target: CommunicationSession | None,
        reference: str | None,
        raw: Mapping[str, Any],
    ) -> Recording:
        is_running = self.meaning == RUNNING
        row = {
            name: value
            for name, value in self.row.items()
            if name not in NUMBERS or not (is_running or _MINUS_ONE.fullmatch(str(value)))
        }
        for name in ("call_uuid", "mpc_uuid", "conference_uuid", "recording_format"):
            if name in row:
                row[name] = self._read_text(name) or _UNREADABLE
        if "recording_duration_ms" not in row and not is_running:
            row["recording_duration_ms"] = self._read_seconds()
        for name, other in (("start", "recording_start_ms"), ("end", "recording_end_ms")):
            moment = mapping.read_time(self.fields, self.names[name]) if name in self.row else None
            if moment is not None:
                row.setdefault(other, (moment - _EPOCH) // timedelta(milliseconds=1))
        if self.element in TYPES:
            row["recording_type"] = TYPES[self.element]
        recording = mapping.read_recording(row, account)
        for path in recording.unread_fields:
            if path in self.names:
                self.fields.leave_out(self.names[path])
        status = self.meaning[1]
        files = recording.files if status in _STATUSES_WITH_MEDIA else ()
        if "member" in self.names and self.element == "Participant":
            member = self._read_text("member")
            files = tuple(evolve(file, role=FileRole.TRACK, participant=member) for file in files)
        return evolve(
            recording,
            target=target,
            reference=recording.reference if self.names.keys().isdisjoint(UUIDS) else reference,
            raw=raw,
            status=status,
            provider_status=self.event_name,
            files=files,
            unread_fields=self.fields.unread,
        )

    def _read_seconds(self) -> Any:
        """Read the duration in whole seconds as milliseconds, if there is no other, or it is -1."""
        if self.fields.is_unread(self.names.get("recording_duration_ms", "")):
            return _UNREADABLE
        if "seconds" not in self.names:
            return None
        seconds = self.fields.seconds(self.names["seconds"], quoted=True)
        return _UNREADABLE if seconds is None else seconds / timedelta(milliseconds=1)

    def _read_text(self, row_name: str) -> str | None:
        """Read a field that must match its pattern."""
        value = self.row.get(row_name)
        if value is None:
            return None
        pattern = FIELDS[self.names[row_name]][1]
        if type(value) in (int, float) and pattern in (_NUMBER, _TIMESTAMP):
            value = str(value)  # in a JSON body
        if type(value) is str and pattern.fullmatch(value):
            return value
        self.fields.leave_out(self.names[row_name])
        return None

    def _read_target(self) -> CommunicationSession | None:
        if self.element in ("transcript", "Session"):
            return None
        if self.element in ("MPC", "Participant") or not MPC_FIELDS.isdisjoint(self.names):
            return self._read_meeting()
        if self.element == "Conference" or "conference_name" in self.names:
            name = self.names.get("conference_name")
            return self.fields.target(SessionKind.CONFERENCE, name) if name else None
        call_uuid = self._read_text("call_uuid")
        return CommunicationSession(SessionKind.CALL, call_uuid) if call_uuid else None

    def _read_meeting(self) -> CommunicationSession | None:
        uuid, parameter = self._read_text("mpc_uuid"), self.names.get("mpc_name")
        if parameter is None:
            return mapping.build_meeting(None, uuid)
        name = self.fields.text(parameter)
        target = mapping.build_meeting(name, None)
        if target is None:
            self.fields.leave_out(parameter)
        return target

    def _read_timestamp(self) -> datetime | None:
        text = self._read_text("at")
        if text is None:
            return None
        name = self.names["at"]
        if not text.isdecimal():
            return mapping.read_time(self.fields, name)
        milliseconds = text if len(text) == 13 else f"{text}000"
        moment = Fields({name: milliseconds}).instant(name, epoch="milliseconds", quoted=True)
        if moment is None:
            self.fields.leave_out(name)
        return moment


#: Stands in a row for a value that cannot be read.
_UNREADABLE = ()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
