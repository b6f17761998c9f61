"""Enums: recording status, session kind, file role, and the mark of an omitted field."""

from __future__ import annotations

from enum import Enum, StrEnum


class RecordingStatus(StrEnum):
    """The state of a recording or of a recording session.

    `provider_status` keeps the vendor's own word. A word that this library does not support becomes
    `UNKNOWN` and never raises, so that reports can count it when a vendor adds words.
    """

    #: the vendor accepted the request and does not record yet
    PENDING = "pending"
    #: the vendor is recording now
    RECORDING = "recording"
    #: recording is paused and can be resumed
    PAUSED = "paused"
    #: the stop was requested; the vendor still records or closes its files
    STOPPING = "stopping"
    #: recording has ended; the media cannot be fetched yet
    PROCESSING = "processing"
    #: the media can be fetched now
    AVAILABLE = "available"
    #: recording failed and there will be no media
    FAILED = "failed"
    #: there was nothing to record; this is not an error
    EMPTY = "empty"
    #: the vendor removed the media when its retention period ended
    EXPIRED = "expired"
    #: a user deleted it
    DELETED = "deleted"
    #: the vendor sent a status that we do not support; no mapping uses it on purpose
    UNKNOWN = "unknown"


#: Statuses that end `Provider.wait`: the recording does not change any more unless it is deleted.
FINAL = frozenset(
    {
        RecordingStatus.AVAILABLE,
        RecordingStatus.FAILED,
        RecordingStatus.EMPTY,
        RecordingStatus.EXPIRED,
        RecordingStatus.DELETED,
    }
)

#: Statuses of a recording session that can be stopped.
LIVE = frozenset({RecordingStatus.PENDING, RecordingStatus.RECORDING, RecordingStatus.PAUSED})

#: Statuses of a recording session that may still be live: of an unsupported status too.
MAYBE_LIVE = LIVE | {RecordingStatus.UNKNOWN}


class SessionKind(StrEnum):
    """The kind of communication session that is recorded."""

    #: two parties
    CALL = "call"
    #: several parties in an audio bridge
    CONFERENCE = "conference"
    #: a video meeting, or a multiparty call that exists independently of its calls
    MEETING = "meeting"


class FileRole(StrEnum):
    """The content of one media file of a recording."""

    #: all participants, mixed
    MIX = "mix"
    #: one direction of a call
    LEG = "leg"
    #: one participant
    TRACK = "track"
    #: picture and sound
    VIDEO = "video"
    #: the sound of a video file, as a separate file
    AUDIO = "audio"


class Omit(Enum):
    """The type of `OMIT`. An enum's member is one object, also after `pickle` and `copy`."""

    OMIT = "omit"

    def __repr__(self) -> str:
        return self.name


#: In `extra` of `start`, the value of a field that is not sent.
OMIT = Omit.OMIT
