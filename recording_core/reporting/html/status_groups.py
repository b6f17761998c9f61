"""What does a status say to whoever reads a page, and with which others is it drawn?"""

from __future__ import annotations

from attrs import frozen

from recording_core.model.enums import RecordingStatus

__all__ = ["FAMILIES", "MEANINGS", "Family", "family_of"]

#: status -> what that means to its reader
MEANINGS = {
    RecordingStatus.AVAILABLE: "can be downloaded now",
    RecordingStatus.PROCESSING: "is over; the vendor still prepares its media",
    RecordingStatus.RECORDING: "runs now",
    RecordingStatus.PAUSED: "is suspended, and can go on",
    RecordingStatus.STOPPING: "was told to stop, and has not stopped yet",
    RecordingStatus.PENDING: "was asked for, and has not begun",
    RecordingStatus.FAILED: "went wrong: there will be no media",
    RecordingStatus.EMPTY: "had nothing to record, which is no error",
    RecordingStatus.EXPIRED: "was removed by the vendor's own clock",
    RecordingStatus.DELETED: "was deleted by somebody",
    RecordingStatus.UNKNOWN: "is in a state for which the vendor uses a word that is new to us",
}


@frozen
class Family:
    """Statuses of one colour and pattern: eleven would be too many to tell apart."""

    name: str
    label: str
    statuses: tuple[RecordingStatus, ...]


#: From the bottom of a column to its top.
FAMILIES = (
    Family("available", "available", (RecordingStatus.AVAILABLE,)),
    Family(
        "progress",
        "in progress",
        (
            RecordingStatus.PROCESSING,
            RecordingStatus.RECORDING,
            RecordingStatus.PAUSED,
            RecordingStatus.STOPPING,
            RecordingStatus.PENDING,
        ),
    ),
    Family("gone", "expired or deleted", (RecordingStatus.EXPIRED, RecordingStatus.DELETED)),
    Family("empty", "empty", (RecordingStatus.EMPTY,)),
    Family("failed", "failed", (RecordingStatus.FAILED,)),
    Family("unknown", "unknown", (RecordingStatus.UNKNOWN,)),
)
_FAMILY_OF = {status.value: family for family in FAMILIES for status in family.statuses}


def family_of(status: str | None) -> Family:
    """A word that is none of ours, such as a later version's, counts as unknown."""
    return _FAMILY_OF.get(status or "", FAMILIES[-1])
