"""Enums: recording status, session kind, file role."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["FINAL", "LIVE", "FileRole", "RecordingStatus", "SessionKind"]


class RecordingStatus(StrEnum):
    """The state of a recording, or of the act of recording.

    A vendor's own word is kept beside it as `provider_status`; a word that we don't know is
    `UNKNOWN`, never an exception, so that counting it shows when a vendor's vocabulary moves.
    """

    #: the vendor accepted the request; nothing is being captured yet
    PENDING = "pending"
    #: media is being captured now
    RECORDING = "recording"
    #: capturing is suspended and can be resumed
    PAUSED = "paused"
    #: the stop was asked for; the vendor still captures or closes its files
    STOPPING = "stopping"
    #: capturing is over; the media cannot be fetched yet
    PROCESSING = "processing"
    #: the media can be fetched now
    AVAILABLE = "available"
    #: it went wrong and there will be no media
    FAILED = "failed"
    #: there was nothing to record, which is no error
    EMPTY = "empty"
    #: the vendor's own clock removed the media
    EXPIRED = "expired"
    #: somebody deleted it
    DELETED = "deleted"
    #: the vendor said a word that we don't know; never the target of a mapping on purpose
    UNKNOWN = "unknown"


#: Nothing more will happen by itself: `Provider.wait` returns.
FINAL = frozenset(
    {
        RecordingStatus.AVAILABLE,
        RecordingStatus.FAILED,
        RecordingStatus.EMPTY,
        RecordingStatus.EXPIRED,
        RecordingStatus.DELETED,
    }
)

#: The act of recording still goes on: it can be stopped.
LIVE = frozenset({RecordingStatus.PENDING, RecordingStatus.RECORDING, RecordingStatus.PAUSED})


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
