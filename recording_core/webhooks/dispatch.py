"""Dispatch: call each listener with an event, at least once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from attrs import evolve

from recording_core.errors import RecordingError, WebhookRejected
from recording_core.model.events import (
    TOGGLES,
    EventKind,
    RecordingEvent,
    build_event_key,
    is_toggle,
)
from recording_core.plugins import registry as plugins
from recording_core.webhooks.replay_store import (
    ReplayStore,
    can_look_up,
    claim_key,
    is_stored,
)

_log = logging.getLogger("recording_core.webhooks")

#: How long a replay store keeps a key. If a vendor signs no time, a webhook can be replayed later.
KEY_LIFETIME = timedelta(days=90)
#: Seconds that a delivery waits while another thread or process dispatches the same event, and
#: between two looks. Vendors wait for an answer for 3 to 30 seconds.
_MAX_WAIT = 10.0
_WAIT_INTERVAL = 0.02

Listener = Callable[[RecordingEvent], object]
#: `listen` returns its argument, so that it is a decorator
ListenerT = TypeVar("ListenerT", bound=Listener)


class Dispatcher:
    """Dispatch each event whose key is new, and store the key after every listener returned.

    Pauses and resumes are dispatched again, with `replayed=True`: a vendor may send the second
    pause of a recording in the words of the first. Without `replay_store` every event is dispatched
    and no key is stored. Thread-safe.
    """

    def __init__(self, replay_store: ReplayStore | None) -> None:
        for name in ("add_if_absent", "discard") if replay_store is not None else ():
            if not callable(getattr(replay_store, name, None)):
                raise TypeError(
                    "replay_store must have the methods add_if_absent(key, ttl) and discard(key); "
                    f"{type(replay_store).__name__} has no {name}"
                )
        self._replay_store = replay_store
        self._listeners: list[Listener] = []

    def listen(self, listener: ListenerT) -> ListenerT:
        """Call this listener with each event, in addition to the plugins' `recording_event`."""
        if not callable(listener):
            raise TypeError(f"a listener must be callable, not {type(listener).__name__}")
        self._listeners.append(listener)
        return listener

    def dispatch(self, event: RecordingEvent) -> RecordingEvent:
        """Dispatch an event and return it; with `replayed=True` if its key is in the store.

        Raises `WebhookRejected` (503) if a listener or the store failed. The key is not stored
        then, so that the event is dispatched again when it arrives again.
        """
        store = self._replay_store
        if store is None:
            self._call_listeners(event)
            return event
        with _convert_store_errors():
            end_claim = _wait_for_claim(store, event)
            try:
                return self._dispatch_claimed(store, event)
            finally:
                end_claim()

    def _dispatch_claimed(self, store: ReplayStore, event: RecordingEvent) -> RecordingEvent:
        is_replay = is_stored(store, event.key)
        if is_replay:
            event = evolve(event, replayed=True)
        if not is_replay or _may_change_again(store, event):
            self._call_listeners(event)
        if not is_replay:
            store.add_if_absent(event.key, KEY_LIFETIME)
            if event.kind is EventKind.PAUSED:
                store.add_if_absent(_build_pause_key(event), KEY_LIFETIME)
        return event

    def _call_listeners(self, event: RecordingEvent) -> None:
        raised = plugins.notify_plugins("recording_event", event=event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001  # the application's own error, reported below
                name = getattr(listener, "__qualname__", type(listener).__name__)
                _log.exception("listener %s failed", name)
                raised.append(error)
        if raised:
            raise WebhookRejected(
                f"A listener raised {type(raised[0]).__name__} for the event {event.kind} of "
                f"{event.provider} recording {event.recording_id}; the event is dispatched again "
                "when it arrives again",
                status=503,
            ) from raised[0]


def _build_pause_key(event: RecordingEvent) -> str:
    """Build the key which states that a pause of the recording was dispatched."""
    return build_event_key(event.provider, event.account, event.recording_id, EventKind.PAUSED)


def _may_change_again(store: ReplayStore, event: RecordingEvent) -> bool:
    """Whether a replay may be a pause or resume that has not been dispatched."""
    if event.kind in TOGGLES:
        return True
    # After a pause, the vendor's word for a start is that of a resume.
    return is_toggle(event) and (
        not can_look_up(store) or _build_pause_key(event) in store  # type: ignore[operator]
    )


def _wait_for_claim(store: ReplayStore, event: RecordingEvent) -> Callable[[], None]:
    """Claim an event's key, as soon as no other thread or process claims it.

    Returns a function that ends the claim. Raises `WebhookRejected` (503) after `_MAX_WAIT`.
    """
    end = None
    while (end_claim := claim_key(store, event.key)) is None:
        end = end or time.monotonic() + _MAX_WAIT
        if time.monotonic() >= end:
            raise WebhookRejected(
                f"The event {event.kind} of {event.provider} recording {event.recording_id} is "
                "still being dispatched after an earlier delivery",
                status=503,
            )
        time.sleep(_WAIT_INTERVAL)
    return end_claim


@contextmanager
def _convert_store_errors() -> Iterator[None]:
    try:
        yield
    except WebhookRejected:  # of a listener, or of an event in progress
        raise
    except Exception as error:
        # The text of another library's error may contain the store's password.
        detail = f": {error}" if isinstance(error, RecordingError) else ""
        raise WebhookRejected(
            f"The replay store failed with {type(error).__name__}{detail}", status=503
        ) from error
