"""Status groups: the meaning of each status on the page, and the group whose colour it shares."""

from __future__ import annotations

from attrs import frozen

from recording_core.model.enums import RecordingStatus


@frozen
class StatusGroup:
    """Statuses that share a colour and pattern, since eleven would be hard to distinguish."""

    name: str
    label: str


#: In the order from the bottom of a column to its top.
STATUS_GROUPS = (
    StatusGroup("available", "available"),
    StatusGroup("progress", "in progress"),
    StatusGroup("gone", "expired or deleted"),
    StatusGroup("empty", "empty"),
    StatusGroup("failed", "failed"),
    StatusGroup("unknown", "unknown"),
)
_GROUPS = {each.name: each for each in STATUS_GROUPS}
#: status -> the name of its group, and its meaning for the reader of a page
_STATUSES: dict[str, tuple[str, str]] = {
    RecordingStatus.AVAILABLE: ("available", "can be downloaded now"),
    RecordingStatus.PROCESSING: ("progress", "has ended; the vendor is preparing its media"),
    RecordingStatus.RECORDING: ("progress", "is being recorded now"),
    RecordingStatus.PAUSED: ("progress", "is paused and can be resumed"),
    RecordingStatus.STOPPING: ("progress", "is being stopped"),
    RecordingStatus.PENDING: ("progress", "was requested and has not begun"),
    RecordingStatus.FAILED: ("failed", "went wrong; there will be no media"),
    RecordingStatus.EMPTY: ("empty", "had nothing to record, which is not an error"),
    RecordingStatus.EXPIRED: ("gone", "was removed by the vendor's retention"),
    RecordingStatus.DELETED: ("gone", "was deleted by a user or a program"),
    RecordingStatus.UNKNOWN: ("unknown", "has a status that is not supported yet"),
}
MEANINGS = {status: meaning for status, (_, meaning) in _STATUSES.items()}


def find_status_group(status: str | None) -> StatusGroup:
    """Find the group of a status; an unsupported status, as of a later version, is unknown."""
    name, _ = _STATUSES.get(status or "", ("unknown", ""))
    return _GROUPS[name]
