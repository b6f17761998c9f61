"""Reach: what a report from an archive states of the time that the runs covered."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.archiving.copier import Copier
from recording_core.archiving.expiry import find_expiring
from recording_core.archiving.index import Index
from recording_core.archiving.run_result import ELSEWHERE
from recording_core.reporting.collect.collected_rows import open_collected_rows
from recording_core.reporting.window import ReportWindow
from recording_core.storage.folder import Folder

DAY = timedelta(days=1)


def is_complete(root: Path, now: datetime, since: datetime | None = None) -> bool:
    window = ReportWindow(since, None, "UTC", now)
    with open_collected_rows(window, source=root) as collected:
        [coverage] = collected.coverage
    return coverage.coverage.complete


def test_a_run_of_the_last_days_reaches_back_to_its_beginning_alone(
    vendor: Any, tmp_path: Path
) -> None:
    archive, provider = rec.Archive(tmp_path), vendor.connect()
    now = vendor.clock.now()
    for days in (1, 20, 40):
        vendor.add(f"r{days}", age=days * DAY)
    assert archive.copy([provider], since=now - 30 * DAY).copied == 2
    archive.copy([provider])  # goes on from there
    assert is_complete(tmp_path, now)
    assert is_complete(tmp_path, now, now - 30 * DAY)
    assert not is_complete(tmp_path, now, now - 60 * DAY)
    vendor.recordings.pop("r40")  # nothing to copy, but a longer time was listed
    archive.copy([provider], since=now - 60 * DAY)
    archive.copy([provider], since=now - 1.5 * DAY)
    assert is_complete(tmp_path, now, now - 60 * DAY)
    assert not is_complete(tmp_path, now, now - 90 * DAY)


def test_a_first_run_without_a_beginning_reaches_back_to_everything(
    vendor: Any, tmp_path: Path
) -> None:
    archive, provider = rec.Archive(tmp_path), vendor.connect()
    now = vendor.clock.now()
    vendor.add("r1", age=5 * DAY)
    archive.copy([provider])
    vendor.clock.advance(2 * DAY)
    vendor.add("r2")
    archive.copy([provider])
    assert is_complete(tmp_path, now + 2 * DAY, now - 900 * DAY)
    assert not is_complete(tmp_path, now + 9 * DAY)


def test_what_failed_is_missing_from_the_report_until_a_run_copied_it(
    vendor: Any, tmp_path: Path
) -> None:
    archive, provider = rec.Archive(tmp_path), vendor.connect()
    now = vendor.clock.now()
    recording = vendor.add("r1", age=6 * DAY)
    path = vendor.get_path("r1")
    sound = vendor.media[path]
    vendor.media[path] = b"<html>Sorry</html>"
    assert len(archive.copy([provider]).failed) == 1
    assert not is_complete(tmp_path, now)
    vendor.media[path] = sound
    assert archive.copy([provider]).copied == 1
    assert is_complete(tmp_path, now)
    assert archive.get("madeup", "default", recording.id) is not None


def test_media_in_your_own_storage_is_counted_as_such_in_every_run(
    vendor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise rec.UnsupportedOperation("The media is in your own storage")

    archive, provider = rec.Archive(tmp_path), vendor.connect()
    vendor.add("r1")
    monkeypatch.setattr(provider, "download", refuse)
    for _ in range(2):
        assert archive.copy([provider]).without_media == {ELSEWHERE: 1}


def test_an_interrupt_in_on_progress_is_not_reported_to_it_again(
    vendor: Any, tmp_path: Path
) -> None:
    for number in range(8):
        vendor.add(f"r{number}")
    received: list[str] = []

    def interrupt(progress: rec.ArchiveProgress) -> None:
        received.append(progress.kind)
        if progress.kind == "copied":
            time.sleep(0.1)  # the reports of other copies arrive
            raise KeyboardInterrupt

    archive, provider = rec.Archive(tmp_path), vendor.connect()
    with pytest.raises(KeyboardInterrupt):
        archive.copy([provider], workers=1, on_progress=interrupt)
    assert received.count("copied") == 1
    records = len(list(tmp_path.rglob("record-*.json")))
    assert records > 1
    # What was recorded is in the index, also if its report came after the interrupt.
    assert Index(Folder(tmp_path)).read_rows().table.num_rows == records
    assert archive.copy([provider]).copied == 8 - records


def test_an_interrupted_run_waits_until_no_copy_is_being_made(
    vendor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy(self: Copier, *arguments: Any) -> Any:
        began.append(1)
        time.sleep(0.1)
        try:
            return copy_recording(self, *arguments)
        finally:
            ended.append(1)

    def interrupt(progress: rec.ArchiveProgress) -> None:
        if progress.kind == "copied":
            raise KeyboardInterrupt

    for number in range(20):
        vendor.add(f"r{number}")
    began: list[int] = []
    ended: list[int] = []
    copy_recording = Copier.copy
    monkeypatch.setattr(Copier, "copy", copy)
    with pytest.raises(KeyboardInterrupt):
        rec.Archive(tmp_path).copy([vendor.connect()], workers=4, on_progress=interrupt)
    assert len(began) == len(ended) < 20


def test_a_recording_that_changed_expires_without_a_copy(vendor: Any, tmp_path: Path) -> None:
    archive, provider = rec.Archive(tmp_path), vendor.connect()
    expires = vendor.clock.now() + DAY
    vendor.add("r1", media_expires_at=expires)
    archive.copy([provider])
    assert archive.expiring([provider], within=2 * DAY) == []
    vendor.add("r1", "mix", "late", media_expires_at=expires)
    [found] = find_expiring(archive.folder, [provider], 2 * DAY)
    assert [each.id for each in found.recordings] == ["r1"]
    assert not found.doubtful
    assert archive.expiring([provider], within=timedelta(hours=1)) == []
