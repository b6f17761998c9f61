"""Start request: the checked parameters of `start`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import field, frozen

from recording_core.model.entities import CommunicationSession

__all__ = ["StartRequest"]


@frozen
class StartRequest:
    """What `start` was asked for, checked. `extra` goes to the vendor as it is.

    Attributes:
        target: what to record
        format: in lower case, or None
        max_duration: or None
        channels: 1, 2, or None
        participants: empty for all
        tracks: one file a participant
        title: or None
        callback_url: or None
        extra: beside all that
    """

    target: CommunicationSession
    format: str | None = None
    max_duration: timedelta | None = None
    channels: int | None = None
    participants: tuple[str, ...] = ()
    tracks: bool = False
    title: str | None = None
    callback_url: str | None = field(default=None, repr=False)
    extra: Mapping[str, Any] = field(factory=dict, repr=False)

    def given_parameters(self) -> dict[str, Any]:
        """The shared parameters that were given, by the keyword of `start`."""
        given = {
            "format": self.format,
            "max_duration": self.max_duration,
            "channels": self.channels,
            "participant": self.participants or None,
            "tracks": self.tracks or None,
            "title": self.title,
            "callback_url": self.callback_url,
        }
        return {name: value for name, value in given.items() if value is not None}
