"""Archive run: what `archive copy` writes, as events, a table of accounts, and messages."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

from attrs import asdict, define, field

import recording_core as rec
from recording_core.cli.output.archive_progress import COLUMNS, AccountProgress
from recording_core.cli.output.messages import describe_credentials, write_message
from recording_core.cli.output.output import Output
from recording_core.cli.output.summary import describe_coverage
from recording_core.listing.coverage import AccountCoverage
from recording_core.reporting.number_format import (
    format_count,
    format_datetime,
    format_length,
    format_size,
)

#: The failures that are shown; `--json` has all of them.
_MOST_SHOWN = 10


@define
class CopyRun:
    """A run of `archive copy` at several accounts, (provider, account) -> what it did there."""

    out: Output
    accounts: dict[tuple[str, str], AccountProgress]
    began: float = field(factory=time.monotonic)

    def receive(self, progress: rec.ArchiveProgress) -> None:
        """Write an event of a recording as JSON."""
        if self.out.json and progress.recording_id is not None:
            error = progress.error
            names = {"event": progress.kind} | asdict(progress, recurse=False)
            del names["kind"], names["count"], names["expected"]
            names["error"] = None if error is None else f"{type(error).__name__}: {error}"
            self.out.write_object(names)

    def write(self, archive: rec.Archive, run: rec.ArchiveRun | None) -> None:
        """Write the table of accounts, or the summary as JSON; `run` is None if it was ended."""
        for each in run.coverage if run is not None else ():
            account = self.accounts[each.provider, each.account]
            account.is_complete = each.coverage.complete and not account.counts["failed"]
        if self.out.json:
            self.out.write_object({"summary": self._summarize(archive, run)})
        else:
            self.out.write_rows(list(self.accounts.values()), COLUMNS)

    def _summarize(self, archive: rec.Archive, run: rec.ArchiveRun | None) -> dict[str, Any]:
        counts = sum((each.counts for each in self.accounts.values()), Counter[str]())
        names = ("copied", "already_there", "not_ready", "failed")
        return {
            "archive": str(archive.folder),
            **{name: counts[name] for name in names},
            "unverified": None if run is None else run.unverified,
            "without_media": None if run is None else dict(run.without_media),
            "files": sum(each.files for each in self.accounts.values()),
            "bytes": sum(each.bytes for each in self.accounts.values()),
            "nearest_expiry": None if run is None else run.nearest_expiry,
            "complete": run is not None and run.complete,
            "coverage": [] if run is None else [each.as_row() for each in run.coverage],
        }

    def describe(self) -> str:
        """Describe what was copied: `Copied 12 recordings, 15.5 MB, in 0:12`."""
        copied = sum(each.counts["copied"] for each in self.accounts.values())
        size = sum(each.bytes for each in self.accounts.values())
        seconds = time.monotonic() - self.began
        words = f"Copied {format_count(copied, 'recording')}, {format_size(size)}"
        return f"{words}, in {format_length(seconds)}"

    def write_messages(
        self, archive: rec.Archive, run: rec.ArchiveRun, accounts: Sequence[rec.Account]
    ) -> None:
        """Write what needs attention, and what a person looks for after a run."""
        for failure in run.failed[:_MOST_SHOWN]:
            write_message(f"Failed: {failure}")
        failed = sum(each.counts["failed"] for each in self.accounts.values())
        if failed > _MOST_SHOWN:
            write_message(f"Failed: {failed - _MOST_SHOWN:,} more; --json names each.")
        for each, account in zip(run.coverage, accounts, strict=True):
            write_message(self._describe_account(each, account))
        if run.without_media:
            counts = ", ".join(f"{count:,} {word}" for word, count in run.without_media.items())
            write_message(f"Without media to copy: {counts}.")
        if run.unverified:
            count = format_count(run.unverified, "recording")
            write_message(
                f"Not verified: {count} of those copied; `recordings archive verify` names them."
            )
        if run.not_ready:
            count = format_count(run.not_ready, "recording")
            write_message(f"Not ready: {count}; the next run tries again.")
        if run.nearest_expiry is not None:
            when = format_datetime(run.nearest_expiry)
            write_message(
                f"The first of the recordings without a copy is removed by its vendor at {when} "
                "(UTC): run this command again before."
            )
        write_message(f"{self.describe()}, to {archive.folder}.")

    def _describe_account(self, coverage: AccountCoverage, account: rec.Account) -> str:
        label = self.accounts[coverage.provider, coverage.account].label
        if coverage.error is None:
            gaps = "".join(
                f"; what was created before {format_datetime(each.until)} (UTC) was never listed: "
                "--since with an earlier time copies it too"
                for each in coverage.gaps
                if each.until is not None
            )
            return f"{label}: {describe_coverage(coverage.coverage)}{gaps}"
        check = ""
        if isinstance(coverage.error, rec.AuthenticationFailed):
            check = f"; {describe_credentials(account)}"
        return f"Error: {label}: {str(coverage.error).rstrip('.')}{check}"
