"""Reconciliation: dispatch the events of webhooks that never arrived, from a listing."""

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

_log = logging.getLogger("recording_core.webhooks")


@frozen
class Reconciliation:
    """The result of a reconciliation. Iterating it yields `events`.

    Attributes:
        events: the dispatched events
        failed: events for which a listener or the replay store failed; the next reconciliation
            dispatches them again
        coverage: what the listing saw; `coverage.complete` is False if it could not see everything
    """

    events: tuple[RecordingEvent, ...]
    failed: tuple[RecordingEvent, ...]
    coverage: Coverage

    def __iter__(self) -> Iterator[RecordingEvent]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)


def reconcile_events(
    provider: Provider,
    dispatcher: Dispatcher,
    *,
    since: datetime | None,
    target: CommunicationSession | None = None,
) -> Reconciliation:
    """Dispatch the event that each listed recording's status proves, if its key is new."""
    listing = provider.list(since=since, target=target)
    dispatched: list[RecordingEvent] = []
    failed: list[RecordingEvent] = []
    for recording in listing:
        event = build_event(recording)
        if event is None:
            continue
        try:
            result = dispatcher.dispatch(event)
        except WebhookRejected as error:
            # An event that a listener fails on must not prevent the others.
            _log.warning("%s: an event was not dispatched: %s", provider.name, error)
            failed.append(event)
            continue
        if not result.replayed:
            dispatched.append(result)
    return Reconciliation(tuple(dispatched), tuple(failed), listing.coverage)
