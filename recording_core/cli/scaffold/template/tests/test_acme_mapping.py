"""Mapping: samples of the vendor's pages are read as the pages document them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import recording_core as rec

from recording_acme import mapping

# FILL IN: the sample of the vendor's page, unchanged, below its address (section 3)
#: https://acme.example/docs/recordings
SAMPLE: dict[str, Any] = {
    "id": "rec-17",
    "call": "call-4",
    "state": "done",
    "format": "mp3",
    "started": "2026-03-01T10:00:00+02:00",
    "ended": "2026-03-01T10:01:30+02:00",
    "seconds": 90.0,
    "bytes": 180_000,
    "link": "https://media.acme.example/rec-17?signature=abc",
}


def test_the_sample_is_read() -> None:
    recording = mapping.read_recording(SAMPLE, "default")
    assert recording.id == "rec-17"
    assert recording.target == rec.call("call-4")
    assert recording.status is rec.RecordingStatus.AVAILABLE
    assert recording.started_at == datetime(2026, 3, 1, 8, tzinfo=UTC)
    assert recording.duration == timedelta(seconds=90)
    assert recording.size == 180_000
    assert [each.url for each in recording.files] == [SAMPLE["link"]]
    assert recording.unread_fields == ()
    assert recording.raw == SAMPLE


@pytest.mark.parametrize("word", mapping.STATUSES)
def test_each_word_has_its_status(word: str) -> None:
    recording = mapping.read_recording({**SAMPLE, "state": word}, "default")
    assert (recording.status, recording.provider_status) == (mapping.STATUSES[word], word)


def test_an_error_of_another_form_is_not_recognized() -> None:
    assert not mapping.read_error_details({"problem": 404}).recognized
    assert mapping.read_error_details({"problem": "no-recording"}).absent
