"""What does Audian tell by itself? Its events, read; whoever calls this has verified them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import evolve

from recording_audian import mapping
from recording_core import MalformedPayload, Recording
from recording_core import readers as read

#: https://docs.audian.com/call-control/call-recording, Recording Webhooks: an event names no
#: status; this is the one that it tells of. None tells of a pause, and none of a conference.
EVENTS: Mapping[str, str] = {
    "recording.started": "recording",
    "recording.stopped": "stopped",
    "recording.completed": "completed",
    "recording.failed": "failed",
}


def recording(payload: Any, account: str, base_url: str, now: datetime) -> Recording:
    """The recording that an event tells of. Raises `MalformedPayload`.

    Of an event that we don't know the status is `UNKNOWN`, and its name is kept.
    """
    event = read.obj(payload, "the event")
    if event is None:
        raise MalformedPayload("an event that is no object")
    word = read.required_text(event.get("event"), "event")
    row = read.obj(event.get("data"), "data")
    if row is None:
        raise MalformedPayload("an event without data", path="data")
    told = {**row, "status": EVENTS.get(word, word)}
    return evolve(mapping.recording(told, account, base_url, now), raw=event)
