"""What did a vendor tell us by itself? One event type for every vendor's callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import field, frozen

from recording_core.models import CommunicationSession, Recording
from recording_core.status import RecordingStatus

__all__ = ["RecordingEvent"]


@frozen
class RecordingEvent:
    """A verified callback, normalised. `key` is the same for the same lasting fact.

    `trusted` is False where the vendor's signature leaves room for another meaning; `replayed`
    says that the same key was announced before.
    """

    provider: str
    account: str
    kind: str
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
