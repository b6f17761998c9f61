"""HMAC over JSON: the scheme of vendors that sign a JSON event with a shared secret."""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from attrs import frozen

from recording_core.errors import MalformedPayload, WebhookRejected
from recording_core.model.entities import Recording
from recording_core.model.enums import RecordingStatus
from recording_core.model.events import EventKind, RecordingEvent, build_event_key, find_event_kind
from recording_core.model.strict_json import decode_json
from recording_core.plugins.fields import Fields
from recording_core.webhooks.request import WebhookRequest
from recording_core.webhooks.scheme import WebhookScheme
from recording_core.webhooks.signatures import check_hex, read_signatures

#: By how many seconds the vendor's clock and ours may differ.
TOLERANCE_SECONDS = 300
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)


@frozen
class KnownEvent:
    """What an event of a vendor means.

    Attributes:
        time_field: the field of the row with the time of the event
        kind: what happened; None if the status of the recording decides
        status: the vendor's status that the event stands for, if its row contains none
    """

    time_field: str
    kind: EventKind | None = None
    status: str | None = None


class HmacJsonScheme(WebhookScheme):
    """A scheme for JSON such as `{"event": "...", "data": {...}}`, signed with HMAC-SHA256 in hex.

    The signature covers the body, or `time.body` if there is a `timestamp_header`. A subclass sets
    the class variables and implements `read_recording`. An event that `events` does not contain is
    `UPDATED` with the status `unknown`; its recording is None if it cannot be read.
    """

    #: the provider's name
    provider: ClassVar[str]
    #: the names of the events that the vendor documents
    events: ClassVar[Mapping[str, KnownEvent]]
    #: how the names of events about recordings begin; other webhooks contain no event of ours
    event_prefix: ClassVar[str] = ""
    #: the field with the name of the event
    name_field: ClassVar[str] = "event"
    #: the field with the row of the recording; None if the payload is the row
    row_field: ClassVar[str | None] = "data"
    #: the field with the id of the event; None if the vendor sends none
    id_field: ClassVar[str | None] = None

    signature_header: ClassVar[str]
    #: what may precede the digest in the header
    signature_prefixes: ClassVar[tuple[str, ...]] = ("",)
    #: the header with the time in seconds since 1970, if the vendor signs it
    timestamp_header: ClassVar[str | None] = None
    #: the header with the id of the delivery
    delivery_header: ClassVar[str | None] = None

    @abstractmethod
    def read_recording(self, payload: Mapping[str, Any], account: str, now: datetime) -> Recording:
        """Read the recording of an event. Raises `MalformedPayload` without a usable id."""

    def read_row(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read the row of an event's recording. Raises `MalformedPayload` if there is none."""
        if self.row_field is None:
            return payload
        row = payload.get(self.row_field)
        if not isinstance(row, dict):
            raise MalformedPayload(f"The event has no object `{self.row_field}`")
        return row

    def read_time(self, payload: Mapping[str, Any], field: str) -> datetime | None:
        """Read the time of an event from a field of its row; `None` if it cannot be read."""
        return Fields(self.read_row(payload)).instant(field)

    def verify(
        self,
        request: WebhookRequest,
        secrets: Sequence[str],
        *,
        now: datetime,
        allow_v2: bool = False,
    ) -> None:
        given = read_signatures(request, self.signature_header)
        digests = [
            each.removeprefix(prefix)
            for prefix in self.signature_prefixes
            for each in given
            if each.startswith(prefix)
        ]
        if self.timestamp_header is None:
            check_hex(request.body, secrets, digests)
            return
        timestamp = request.header(self.timestamp_header) or ""
        if not _SECONDS.fullmatch(timestamp):
            raise WebhookRejected(f"{self.timestamp_header} is not a time in whole seconds")
        check_hex(b"%s.%s" % (timestamp.encode("ascii"), request.body), secrets, digests)
        difference = int(timestamp) - now.timestamp()
        if abs(difference) > TOLERANCE_SECONDS:
            direction = "ahead of" if difference > 0 else "behind"
            raise WebhookRejected(
                f"{self.timestamp_header} is {abs(difference):.0f} seconds {direction} this "
                "machine's clock: the request is old and was sent again, or a clock is wrong",
                status=401,
            )

    def parse(
        self, request: WebhookRequest, *, account: str, now: datetime
    ) -> tuple[RecordingEvent, ...]:
        try:
            payload = decode_json(request.body)
            if not isinstance(payload, dict):
                raise MalformedPayload("The body is not a JSON object")
            name = Fields(payload).required_text(self.name_field)
            if not name.startswith(self.event_prefix):
                return ()
            return (self.__build_event(payload, name, request, account, now),)
        except MalformedPayload as error:
            raise WebhookRejected(
                f"The body is not an event of {self.provider}: {error.message}"
            ) from None

    def __build_event(
        self,
        payload: Mapping[str, Any],
        name: str,
        request: WebhookRequest,
        account: str,
        now: datetime,
    ) -> RecordingEvent:
        known, recording = self.events.get(name), None
        try:
            recording = self.read_recording(payload, account, now)
        except MalformedPayload:
            if known is not None:
                raise
        kind, status, occurred_at = EventKind.UPDATED, RecordingStatus.UNKNOWN, None
        if known is not None and recording is not None:
            status = recording.status
            kind = known.kind or find_event_kind(status) or EventKind.UPDATED
            occurred_at = self.read_time(payload, known.time_field)
        occasion = payload.get(self.id_field) if self.id_field else None
        if type(occasion) is not str:
            digest = hashlib.sha256(request.body).hexdigest()[:16]
            occasion = occurred_at.isoformat() if occurred_at is not None else digest
        recording_id = recording.id if recording is not None else None
        return RecordingEvent(
            provider=self.provider,
            account=account,
            kind=kind,
            recording_id=recording_id,
            target=recording.target if recording is not None else None,
            recording=recording,
            status=status,
            occurred_at=occurred_at,
            delivery_id=request.header(self.delivery_header) if self.delivery_header else None,
            key=build_event_key(self.provider, account, recording_id, kind, occasion),
            raw=payload,
        )
