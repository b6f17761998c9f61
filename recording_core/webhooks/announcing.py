"""Who is told of an event, and when is it told no more? Each listener, at least once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from weakref import WeakKeyDictionary

from attrs import evolve

from recording_core import plugins
from recording_core.errors import RecordingError, WebhookRejected
from recording_core.events import RecordingEvent
from recording_core.webhooks.seen import MemorySeen, Seen

__all__ = ["REMEMBERED", "Announcer", "SameListener"]

_log = logging.getLogger("recording_core.webhooks")

#: How long a key stays in `seen`: vendors that sign no time can be replayed for ever.
REMEMBERED = timedelta(days=90)

Listener = Callable[[RecordingEvent], object]
#: the same listener comes back, so that `listen` is a decorator
SameListener = TypeVar("SameListener", bound=Listener)


class Announcer:
    """Announces each event once its key is new, and remembers it once every listener returned.

    Without `seen` everything is announced and nothing remembered. Thread-safe.
    """

    def __init__(self, seen: Seen | None) -> None:
        if seen is not None and not callable(getattr(seen, "add_if_absent", None)):
            raise TypeError(f"seen must have add_if_absent(key, ttl), not be {type(seen).__name__}")
        self._seen = seen
        beside = _beside(seen)
        self._look = seen if hasattr(type(seen), "__contains__") else beside.memory
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
        if self._seen is None:
            self._announce(event)
            return event
        with self._locks[hash(event.key) % len(self._locks)]:
            if self._holds(event.key):
                return evolve(event, replayed=True)
            self._announce(event)
            self._remember(self._seen, event.key)
            return event

    def _announce(self, event: RecordingEvent) -> None:
        raised = plugins.announce("recording_event", event=event)
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

    def _remember(self, seen: Seen, key: str) -> None:
        try:
            seen.add_if_absent(key, REMEMBERED)
            if self._look is not seen:
                self._look.add_if_absent(key, REMEMBERED)  # type: ignore[union-attr]
        except Exception as error:
            raise _store_failed(error) from error


class _Beside:
    """What those share, in one process, who share a store."""

    def __init__(self) -> None:
        # The same event at two threads waits for itself; others do not wait for it.
        self.locks = tuple(threading.RLock() for _ in range(64))
        #: what was announced here, for a store that cannot be looked into
        self.memory = MemorySeen()


_known: WeakKeyDictionary[object, _Beside] = WeakKeyDictionary()
_knowing = threading.Lock()


def _beside(seen: Seen | None) -> _Beside:
    beside = _Beside()
    try:
        with _knowing:
            return _known.setdefault(seen, beside)
    except TypeError:  # no hash, or no weak reference: nobody can tell that it is the same store
        return beside


def _store_failed(error: Exception) -> WebhookRejected:
    # A store's own words may hold its password.
    what = f": {error}" if isinstance(error, RecordingError) else ""
    return WebhookRejected(
        f"the store of seen events failed with {type(error).__name__}{what}", status=503
    )
