"""Which facts did a vendor tell by itself, and which had to be asked for? The demo's receiver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

import recording_core as rec
from recording_core.cli.serving import listening

if TYPE_CHECKING:
    from recording_core.testing import Emulator

__all__ = ["Callbacks", "Learned", "calling_back"]

#: How long an emulator may take to send what is due, in seconds.
PATIENCE = 10.0


@frozen
class Learned:
    """What became known of one session's recordings: by callback, and by asking for the rest."""

    told: tuple[rec.RecordingEvent, ...]
    asked: tuple[rec.RecordingEvent, ...]

    @property
    def events(self) -> tuple[rec.RecordingEvent, ...]:
        return (*self.told, *self.asked)


@define
class Callbacks:
    """A receiver a vendor, what each was told, and when the demo began to listen."""

    began: datetime
    receivers: dict[str, rec.Receiver] = field(factory=dict)
    told: list[rec.RecordingEvent] = field(factory=list)
    cut_off: bool = False

    def learned(
        self, provider: rec.Provider, emulator: Emulator, session: rec.RecordingSession
    ) -> Learned:
        """Wait for the callbacks that are due, then ask for what none of them told."""
        if provider.name not in self.receivers:
            return Learned((), ())
        if not self.cut_off:
            emulator.settle(PATIENCE)
        ids = {each.id for each in session.recordings}
        told = tuple(each for each in self.told if each.recording_id in ids)
        # A minute earlier, since the vendor's clock is not ours.
        since = self.began - timedelta(minutes=1)
        found = self.receivers[provider.name].reconcile(
            provider, since=since, target=session.target
        )
        return Learned(told, tuple(each for each in found if each.recording_id in ids))


@contextmanager
def calling_back(
    emulators: Iterable[Emulator], began: datetime, *, cut_off: bool
) -> Iterator[Callbacks]:
    """Listen on loopback, and let each emulated vendor call back there, unless `cut_off`."""
    callbacks = Callbacks(began, cut_off=cut_off)
    those_who_call = [
        each for each in emulators if rec.providers()[each.provider].webhooks is not None
    ]
    for emulator in those_who_call:
        keys: dict[str, Any] = dict(emulator.webhooks)
        receiver = rec.receiver(emulator.provider, **keys)
        receiver.listen(callbacks.told.append)
        callbacks.receivers[emulator.provider] = receiver
    if cut_off or not those_who_call:
        yield callbacks
        return
    paths = {f"/{name}": receiver for name, receiver in callbacks.receivers.items()}
    with listening(paths) as address:
        for emulator in those_who_call:
            emulator.deliver_to(f"{address}/{emulator.provider}")
        yield callbacks
