"""Status groups: the meaning of each status on the page, and the group whose colour it shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.model.enums import RecordingStatus

if TYPE_CHECKING:
    from recording_core.reporting.report import Overview

#: On the page, what is `available` can be downloaded, so these recordings are a status of their
#: own.
NO_FILE = "available, no file"


@frozen
class StatusGroup:
    """Statuses that share a colour and pattern, since twelve would be hard to distinguish."""

    name: str
    label: str


#: In the order from the bottom of a column to its top.
STATUS_GROUPS = (
    StatusGroup("available", "available"),
    StatusGroup("nofile", "no file"),
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
    NO_FILE: ("nofile", "has ended well, but the vendor offers no file to download"),
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


def count_statuses(overview: Overview) -> Iterator[tuple[Any, str | None, int]]:
    """Count the recordings by time and status, with `NO_FILE` as a status of its own."""
    for row in overview.times:
        without = row["without_media"]
        for status, count in ((row["status"], row["recordings"] - without), (NO_FILE, without)):
            if count:
                yield row[overview.unit], status, count


def find_status_group(status: str | None) -> StatusGroup:
    """Find the group of a status; an unsupported status, as of a later version, is unknown."""
    name, _ = _STATUSES.get(status or "", ("unknown", ""))
    return _GROUPS[name]
