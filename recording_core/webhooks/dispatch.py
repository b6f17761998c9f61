"""Who is told of an event, and when is it told no more? Each listener, at least once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from weakref import WeakKeyDictionary

from attrs import evolve

from recording_core.errors import RecordingError, WebhookRejected
from recording_core.model.events import RecordingEvent
from recording_core.plugins import registry as plugins
from recording_core.webhooks.replay_store import MemoryReplayStore, ReplayStore

__all__ = ["REMEMBERED", "Dispatcher", "SameListener"]

_log = logging.getLogger("recording_core.webhooks")

#: How long a key stays in `replay_store`: vendors that sign no time can be replayed for ever.
REMEMBERED = timedelta(days=90)

Listener = Callable[[RecordingEvent], object]
#: the same listener comes back, so that `listen` is a decorator
SameListener = TypeVar("SameListener", bound=Listener)


class Dispatcher:
    """Announces each event once its key is new, and remembers it once every listener returned.

    Without `replay_store` everything is announced and nothing remembered. Thread-safe.
    """

    def __init__(self, replay_store: ReplayStore | None) -> None:
        if replay_store is not None and not callable(getattr(replay_store, "add_if_absent", None)):
            raise TypeError(
                f"replay_store must have add_if_absent(key, ttl), not be {type(replay_store).__name__}"
            )
        self._replay_store = replay_store
        beside = _beside(replay_store)
        self._look = replay_store if hasattr(type(replay_store), "__contains__") else beside.memory
        self._listeners: list[Listener] = []
        self._locks = beside.locks

    def listen(self, listener: SameListener) -> SameListener:
        """Call this with each event, too, beside the plugins' `recording_event`."""
        if not callable(listener):
            raise TypeError(f"a listener must be callable, not {type(listener).__name__}")
        self._listeners.append(listener)
        return listener

    def tell(self, event: RecordingEvent) -> RecordingEvent:
        """The event, announced; with `replayed=True` where its key was announced before.

        Raises `WebhookRejected` (503) where a listener or the store failed: it was not remembered,
        so that it is announced again when it comes again.
        """
        if self._replay_store is None:
            self._announce(event)
            return event
        with self._locks[hash(event.key) % len(self._locks)]:
            if self._holds(event.key):
                return evolve(event, replayed=True)
            self._announce(event)
            self._remember(self._replay_store, event.key)
            return event

    def _announce(self, event: RecordingEvent) -> None:
        raised = plugins.notify_plugins("recording_event", event=event)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001  # the application's own: reported below
                name = getattr(listener, "__qualname__", type(listener).__name__)
                _log.exception("listener %s failed", name)
                raised.append(error)
        if raised:
            raise WebhookRejected(
                f"a listener raised {type(raised[0]).__name__} at {event.provider}'s {event.kind} "
                f"of recording {event.recording_id}; it is announced again when it comes again",
                status=503,
            ) from raised[0]

    def _holds(self, key: str) -> bool:
        try:
            return key in self._look  # type: ignore[operator]  # asked for in __init__
        except Exception as error:
            raise _store_failed(error) from error

    def _remember(self, replay_store: ReplayStore, key: str) -> None:
        try:
            replay_store.add_if_absent(key, REMEMBERED)
            if self._look is not replay_store:
                self._look.add_if_absent(key, REMEMBERED)  # type: ignore[union-attr]
        except Exception as error:
            raise _store_failed(error) from error


class _Beside:
    """What those share, in one process, who share a store."""

    def __init__(self) -> None:
        # The same event at two threads waits for itself; others do not wait for it.
        self.locks = tuple(threading.RLock() for _ in range(64))
        #: what was announced here, for a store that cannot be looked into
        self.memory = MemoryReplayStore()


_known: WeakKeyDictionary[object, _Beside] = WeakKeyDictionary()
_knowing = threading.Lock()


def _beside(replay_store: ReplayStore | None) -> _Beside:
    beside = _Beside()
    try:
        with _knowing:
            return _known.setdefault(replay_store, beside)
    except TypeError:  # no hash, or no weak reference: nobody can tell that it is the same store
        return beside


def _store_failed(error: Exception) -> WebhookRejected:
    # A store's own words may hold its password.
    what = f": {error}" if isinstance(error, RecordingError) else ""
    return WebhookRejected(
        f"the store of seen events failed with {type(error).__name__}{what}", status=503
    )
