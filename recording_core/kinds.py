"""What takes place, and what does a file of its recording hold? The two words of every table."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FileRole", "SessionKind"]


class SessionKind(StrEnum):
    """What takes place and is recorded."""

    #: two parties
    CALL = "call"
    #: several parties in an audio bridge
    CONFERENCE = "conference"
    #: a room with video, or a multiparty call that has a life of its own
    MEETING = "meeting"


class FileRole(StrEnum):
    """What one media file of a recording holds."""

    #: everybody, mixed
    MIX = "mix"
    #: one direction of a call
    LEG = "leg"
    #: one participant
    TRACK = "track"
    #: picture and sound
    VIDEO = "video"
    #: the sound beside a video file
    AUDIO = "audio"
