"""Demo archive: copy all vendors' recordings, kill that in the middle, go on, verify and report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

import recording_core as rec
from recording_core.cli.output.archive_progress import (
    COLUMNS,
    AccountProgress,
    show_archive_progress,
)
from recording_core.cli.output.output import write_table
from recording_core.cli.output.progress import show_status
from recording_core.reporting.number_format import format_count, format_size

if TYPE_CHECKING:
    from recording_core.cli.demo.steps import DemoVendor, Requirements
    from recording_core.reporting.report import Report

#: What is archived, so that the demo stays short: without it, the first run copies everything.
PERIOD = timedelta(days=30)
#: The copies after which the first run is killed.
KILLED_AFTER = 20
#: How long the first run may take, in seconds.
_TIMEOUT = 60


@frozen
class ArchiveFigures:
    """What the page shows of the archive."""

    recordings: int
    files: int
    bytes: int
    #: the copies that the killed run had made, and the files that it left without a record
    killed_after: int
    garbage: int
    ok: bool


def show_archive(
    folder: Path,
    vendors: Sequence[DemoVendor],
    requirements: Requirements,
    write_line: Callable[..., None],
) -> tuple[ArchiveFigures, Report]:
    """Run the archive's steps, and return what the page shows, and the report from the archive."""
    killed_after = _run_until_killed(folder, vendors)
    archive = rec.Archive(folder)
    torn = archive.verify(sample=0)
    write_line(
        "Killed",
        f"in the middle: {format_count(torn.recordings, 'recording')} with a record, "
        f"{format_count(torn.garbage, 'file')} without, which a cleanup removes later",
    )
    requirements.check(torn.ok, "archive: a killed process leaves no record of a missing file")
    run = _continue(archive, vendors)
    requirements.check(run.complete, "archive: the next run goes on and completes the archive")
    requirements.check(
        run.already_there >= torn.recordings, "archive: what was recorded is not copied again"
    )
    with show_status("Verifying the archive"):
        found = archive.verify()
    requirements.check(found.ok, "archive: each record names what is there, unchanged")
    requirements.check(
        found.recordings == run.copied + run.already_there,
        "archive: it has each recording that a run counted",
    )
    write_line(
        "Verified",
        f"{format_count(found.hashed, 'file')} read again: {len(found.missing)} missing, "
        f"{len(found.changed)} changed",
    )
    report = rec.report(source=folder)
    requirements.check(
        report.complete and report.totals["recordings"] == found.recordings,
        "archive: the report from it has each of its recordings",
    )
    figures = ArchiveFigures(
        found.recordings, found.files, report.totals["bytes"], killed_after, torn.garbage, found.ok
    )
    write_line(
        "Archive",
        f"{format_count(figures.recordings, 'recording')}, {format_count(figures.files, 'file')}, "
        f"{format_size(figures.bytes)}",
    )
    return figures, report


def _run_until_killed(folder: Path, vendors: Sequence[DemoVendor]) -> int:
    """Copy in another process, which kills itself; return the number of copies that it made."""
    accounts: list[dict[str, Any]] = [
        {
            "provider": each.provider.name,
            "base_url": each.emulator.base_url,
            **each.emulator.credentials,
        }
        for each in vendors
    ]
    order = {
        "folder": str(folder.absolute()),
        "days": PERIOD.days,
        "copies": KILLED_AFTER,
        "accounts": accounts,
    }
    with show_status("Copying, until the process is killed"):
        done = subprocess.run(
            (sys.executable, "-m", "recording_core.cli.demo.killed_run"),
            input=json.dumps(order),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
    if not done.stdout.strip().isdigit():
        raise rec.RecordingError(f"The process that copies ended early: {done.stderr[-500:]}")
    return int(done.stdout)


def _continue(archive: rec.Archive, vendors: Sequence[DemoVendor]) -> rec.ArchiveRun:
    accounts = {
        (each.provider.name, each.provider.account): AccountProgress(
            each.provider.name, each.provider.account, each.label
        )
        for each in vendors
    }
    with show_archive_progress(accounts, parts=1, plain=False) as receive:
        run = archive.copy(
            [each.provider for each in vendors],
            since=datetime.now(UTC) - PERIOD,
            on_progress=receive,
        )
    for coverage in run.coverage:
        account = accounts[coverage.provider, coverage.account]
        account.is_complete = coverage.coverage.complete and not account.counts["failed"]
    write_table(list(accounts.values()), COLUMNS, indent=2)
    return run
