"""Dispatch: call each listener with an event, at least once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar
from weakref import WeakKeyDictionary

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
from recording_core.webhooks.replay_store import MemoryReplayStore, ReplayStore

_log = logging.getLogger("recording_core.webhooks")

#: How long a replay store keeps a key. If a vendor signs no time, a webhook can be replayed later.
KEY_LIFETIME = timedelta(days=90)

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
        if replay_store is not None and not callable(getattr(replay_store, "add_if_absent", None)):
            raise TypeError(
                "replay_store must have a method add_if_absent(key, ttl); "
                f"{type(replay_store).__name__} has none"
            )
        self._replay_store = replay_store
        shared = _get_shared_state(replay_store)
        self._lookup = (
            replay_store if hasattr(type(replay_store), "__contains__") else shared.memory
        )
        self._listeners: list[Listener] = []
        self._locks = shared.locks

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
        if self._replay_store is None:
            self._call_listeners(event)
            return event
        with self._locks[hash(event.key) % len(self._locks)]:
            with _convert_store_errors():
                is_replay = event.key in self._lookup  # type: ignore[operator]  # see __init__
                repeats = is_replay and self._may_change_again(event)
            if is_replay:
                event = evolve(event, replayed=True)
            if not is_replay or repeats:
                self._call_listeners(event)
            if not is_replay:
                with _convert_store_errors():
                    self._store_key(event.key)
                    if event.kind is EventKind.PAUSED:
                        self._store_key(_build_pause_key(event))
            return event

    def _may_change_again(self, event: RecordingEvent) -> bool:
        """Whether a replay may be a pause or resume that has not been dispatched."""
        if event.kind in TOGGLES:
            return True
        # After a pause, the vendor's word for a start is that of a resume.
        return is_toggle(event) and _build_pause_key(event) in self._lookup  # type: ignore[operator]

    def _store_key(self, key: str) -> None:
        self._replay_store.add_if_absent(key, KEY_LIFETIME)  # type: ignore[union-attr]
        if self._lookup is not self._replay_store:
            self._lookup.add_if_absent(key, KEY_LIFETIME)  # type: ignore[union-attr]

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


class _SharedState:
    """What the dispatchers of one process share if they share a replay store."""

    def __init__(self) -> None:
        # Threads wait for each other if they dispatch the same event, and rarely otherwise.
        self.locks = tuple(threading.RLock() for _ in range(64))
        #: the keys that this process stored, for a store without `__contains__`
        self.memory = MemoryReplayStore()


_shared_states: WeakKeyDictionary[object, _SharedState] = WeakKeyDictionary()
_shared_states_lock = threading.Lock()


def _get_shared_state(replay_store: ReplayStore | None) -> _SharedState:
    state = _SharedState()
    try:
        with _shared_states_lock:
            return _shared_states.setdefault(replay_store, state)
    except TypeError:  # no hash or no weak reference: the store cannot be recognised
        return state


@contextmanager
def _convert_store_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The text of another library's error may contain the store's password.
        detail = f": {error}" if isinstance(error, RecordingError) else ""
        raise WebhookRejected(
            f"The replay store failed with {type(error).__name__}{detail}", status=503
        ) from error
