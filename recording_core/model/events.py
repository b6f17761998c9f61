"""What did a vendor tell us by itself? One event type for every vendor's callbacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from attrs import Attribute, field, frozen

from recording_core.model.entities import CommunicationSession, Recording
from recording_core.model.enums import RecordingStatus
from recording_core.redaction import redact_url

__all__ = [
    "LASTING",
    "EventKind",
    "RecordingEvent",
    "WebhookRequest",
    "build_event_key",
    "build_event",
    "find_event_kind",
]


class EventKind(StrEnum):
    """The fact that an event tells of."""

    STARTED = "started"
    PAUSED = "paused"
    RESUMED = "resumed"
    STOPPED = "stopped"
    AVAILABLE = "available"
    FAILED = "failed"
    EMPTY = "empty"
    EXPIRED = "expired"
    DELETED = "deleted"
    #: something else about a recording, such as its transcript, or a word that we don't know
    UPDATED = "updated"


#: What a recording's status proves to have happened, whoever tells of it: callback, poll, listing.
_FACT_OF: Mapping[RecordingStatus, EventKind] = MappingProxyType(
    {
        RecordingStatus.RECORDING: EventKind.STARTED,
        RecordingStatus.PAUSED: EventKind.STARTED,
        RecordingStatus.STOPPING: EventKind.STOPPED,
        RecordingStatus.PROCESSING: EventKind.STOPPED,
        RecordingStatus.AVAILABLE: EventKind.AVAILABLE,
        RecordingStatus.FAILED: EventKind.FAILED,
        RecordingStatus.EMPTY: EventKind.EMPTY,
        RecordingStatus.EXPIRED: EventKind.EXPIRED,
        RecordingStatus.DELETED: EventKind.DELETED,
    }
)

#: Facts that hold from then on and happen once; a pause may come again.
LASTING = frozenset(_FACT_OF.values())


def find_event_kind(status: RecordingStatus) -> EventKind | None:
    """The lasting fact that a status proves; None for `pending` and `unknown`, which prove none."""
    return _FACT_OF.get(status)


def build_event_key(
    provider: str, account: str, recording_id: str | None, kind: EventKind, occasion: str = ""
) -> str:
    """What names a fact: the same however often and in whatever wrapping it comes.

    `occasion` tells one pause, resume or update from the next, out of what the vendor signed (its
    time, its sequence number, a digest); for a lasting fact it is left out.
    """
    parts = [provider, account, recording_id or "", kind.value]
    if kind not in LASTING:
        parts.append(occasion)
    return "/".join(quote(part, safe=":-_.") for part in parts)


@frozen
class RecordingEvent:
    """A verified callback, normalised. `key` is the same for the same lasting fact.

    Attributes:
        provider: the provider's name
        account: the account's name, as given to the receiver
        kind: the fact
        recording_id: the vendor's; None where it names none
        target: what is recorded, where the callback tells
        recording: as far as the callback describes it
        status: of the recording, by the callback
        occurred_at: the vendor's time, aware, in UTC
        delivery_id: the vendor's name of this delivery, which is not signed
        key: names the fact: the same however often, and in whatever way, it is told
        trusted: False where the vendor's signature leaves room for another meaning:
            `provider.confirm(event)` reads the recording anew
        replayed: the same key was announced before
        raw: the payload, credential fields masked; it takes no part in comparisons
    """

    provider: str
    account: str
    kind: EventKind
    recording_id: str | None
    target: CommunicationSession | None
    recording: Recording | None
    status: RecordingStatus
    occurred_at: datetime | None
    delivery_id: str | None
    key: str
    trusted: bool = True
    replayed: bool = False
    raw: Mapping[str, Any] = field(factory=dict, repr=False, eq=False)


#: Which of a recording's own times is that of the fact.
_TIME_OF: Mapping[EventKind, str] = MappingProxyType(
    {
        EventKind.STARTED: "started_at",
        EventKind.STOPPED: "ended_at",
        EventKind.EXPIRED: "media_expires_at",
        EventKind.DELETED: "deleted_at",
    }
)


def build_event(recording: Recording) -> RecordingEvent | None:
    """The event that a recording's present status would have been, with the same `key`.

    None where the status proves no lasting fact: `pending` and `unknown`.
    """
    kind = find_event_kind(recording.status)
    if kind is None:
        return None
    return RecordingEvent(
        provider=recording.provider,
        account=recording.account,
        kind=kind,
        recording_id=recording.id,
        target=recording.target,
        recording=recording,
        status=recording.status,
        occurred_at=getattr(recording, _TIME_OF[kind]) if kind in _TIME_OF else None,
        delivery_id=None,
        key=build_event_key(recording.provider, recording.account, recording.id, kind),
        raw=recording.raw,
    )


def _headers(given: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> tuple[tuple[str, str], ...]:
    """Pairs of text, whatever a framework hands over: lists, bytes, repeated names, odd case."""
    pairs = given.items() if isinstance(given, Mapping) else given
    flat: list[tuple[str, str]] = []
    for name, value in pairs:
        for each in value if isinstance(value, list | tuple) else (value,):
            flat.append((_text(name).lower(), _text(each)))
    return tuple(flat)


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes | bytearray) else str(value)


def _body(given: bytes | bytearray | memoryview) -> bytes:
    body: object = given
    if not isinstance(body, bytes | bytearray | memoryview):
        raise TypeError(
            f"the body must be the raw bytes, which are signed, not {type(body).__name__}"
        )
    return bytes(body)


def _is_text(_: WebhookRequest, attribute: Attribute[str], value: object) -> None:
    # A framework's own URL, or a method in bytes, would only fail when it is verified.
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__}")


@frozen
class WebhookRequest:
    """One callback as it came: what a framework received, before anybody parsed it.

    Attributes:
        method: such as `POST`
        url: the public URL that is configured at the vendor, which vendors sign: never what a
            `Host` header says
        headers: a mapping or pairs, in any case
        body: the raw bytes, since those are signed; `TypeError` for text
    """

    method: str = field(validator=_is_text)
    url: str = field(validator=_is_text, repr=redact_url)
    headers: tuple[tuple[str, str], ...] = field(converter=_headers, repr=False, default=())
    body: bytes = field(converter=_body, repr=False, default=b"")

    def header(self, name: str) -> str | None:
        """The header of that name in any case; repeated ones joined by commas (RFC 9110, 5.3)."""
        wanted = name.lower()
        found = [value for each, value in self.headers if each == wanted]
        return ", ".join(found) if found else None
