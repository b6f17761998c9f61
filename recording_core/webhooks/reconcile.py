"""Which callbacks never came? What the vendor lists is announced, as the events they would be."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from recording_core.errors import WebhookRejected
from recording_core.model.events import RecordingEvent, build_event
from recording_core.webhooks.dispatch import Dispatcher

if TYPE_CHECKING:
    from recording_core.listing.coverage import Coverage
    from recording_core.model.entities import CommunicationSession
    from recording_core.provider.provider import Provider

__all__ = ["Reconciliation", "reconciled"]

_log = logging.getLogger("recording_core.webhooks")


@frozen
class Reconciliation:
    """What a reconciliation announced, and how much of the vendor it saw. Iterates its events.

    `failed` are those that a listener or the store refused: they come again the next time.
    `coverage.complete` is False where the vendor could not show everything.
    """

    events: tuple[RecordingEvent, ...]
    failed: tuple[RecordingEvent, ...]
    coverage: Coverage

    def __iter__(self) -> Iterator[RecordingEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


def reconciled(
    provider: Provider,
    announcer: Dispatcher,
    *,
    since: datetime | None,
    target: CommunicationSession | None = None,
) -> Reconciliation:
    """Announce the fact that each listed recording's status proves, where it is new."""
    listing = provider.list(since=since, target=target)
    announced: list[RecordingEvent] = []
    failed: list[RecordingEvent] = []
    for recording in listing:
        event = build_event(recording)
        if event is None:
            continue
        try:
            told = announcer.tell(event)
        except WebhookRejected as error:
            # One that a listener cannot bear must not keep the others from it.
            _log.warning("%s: not announced: %s", provider.name, error)
            failed.append(event)
            continue
        if not told.replayed:
            announced.append(told)
    return Reconciliation(tuple(announced), tuple(failed), listing.coverage)
