"""Archive progress: what a run does at each account, as bars on a terminal or as plain lines."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, field

from recording_core.cli.output.messages import write_message
from recording_core.cli.output.output import OutputColumn
from recording_core.reporting.number_format import (
    format_count,
    format_length,
    format_number,
    format_size,
)

if TYPE_CHECKING:
    import recording_core as rec

#: Seconds between two plain lines of an account; the output of a cron job is mailed to a person.
_LINE_SECONDS = 60.0


@define
class AccountProgress:
    """What a run did with the recordings of one account so far."""

    provider: str
    account: str
    #: the account's name in messages
    label: str
    #: the number of recordings that the vendor lists; None until it is known
    expected: int | None = None
    #: whether the list was read to its end
    is_listed: bool = False
    is_complete: bool = False
    #: kind of `ArchiveProgress` -> the number of recordings
    counts: Counter[str] = field(factory=Counter)
    files: int = 0
    bytes: int = 0
    began: float = field(factory=time.monotonic)

    @property
    def done(self) -> int:
        return sum(self.counts.values())

    def add(self, progress: rec.ArchiveProgress, parts: int) -> None:
        """Add what was reported; a run of one of several `parts` copies its share of the list."""
        if progress.expected is not None:
            self.expected = progress.expected // parts
        if progress.kind == "listed":
            self.is_listed = True
        elif progress.kind != "listing":
            self.counts[progress.kind] += progress.count
            self.files += progress.files
            self.bytes += progress.bytes

    def describe(self) -> str:
        """Describe the progress: `12 of 45 recordings, 9 files, 1.2 MB, 0.4 MB/s, 0:30 left`."""
        elapsed = max(time.monotonic() - self.began, 0.001)
        of = "" if self.expected is None else f"{self.done:,} of "
        number = self.done if self.expected is None else max(self.expected, self.done)
        words = [f"{of}{format_count(number, 'recording')}"]
        if self.files:
            words.append(f"{format_count(self.files, 'file')}, {format_size(self.bytes)}")
            words.append(f"{format_size(round(self.bytes / elapsed))}/s")
        if self.counts["failed"]:
            words.append(f"{self.counts['failed']:,} failed")
        left = 0 if self.expected is None else self.expected - self.done
        if left > 0 and self.counts["copied"]:
            # What is there already takes no time, so this is the longest time.
            words.append(f"{format_length(left * elapsed / self.counts['copied'])} left")
        return ", ".join(words)


def _build_count_column(heading: str, kind: str) -> OutputColumn[AccountProgress]:
    return OutputColumn(heading, lambda each: each.counts[kind], format_number, right=True)


COLUMNS: tuple[OutputColumn[AccountProgress], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider),
    OutputColumn("ACCOUNT", lambda each: each.account),
    _build_count_column("COPIED", "copied"),
    _build_count_column("ALREADY THERE", "already_there"),
    _build_count_column("NOT READY", "not_ready"),
    _build_count_column("FAILED", "failed"),
    _build_count_column("WITHOUT MEDIA", "without_media"),
    OutputColumn("FILES", lambda each: each.files, format_number, right=True, drop_priority=1),
    OutputColumn("BYTES", lambda each: each.bytes, format_size, right=True),
    OutputColumn("COMPLETE", lambda each: each.is_complete),
)


@contextmanager
def show_archive_progress(
    accounts: Mapping[tuple[str, str], AccountProgress], *, parts: int, plain: bool
) -> Iterator[Callable[[rec.ArchiveProgress], None]]:
    """Show the progress of a run on standard error; yields the function that receives it.

    Without a terminal, a line per account is written now and then, if `plain`.
    """
    if sys.stderr.isatty():
        with _show_bars(accounts) as update:
            yield _build_receiver(accounts, parts, update)
    else:
        yield _build_receiver(accounts, parts, _build_line_writer() if plain else None)


def _build_receiver(
    accounts: Mapping[tuple[str, str], AccountProgress],
    parts: int,
    update: Callable[[AccountProgress], None] | None,
) -> Callable[[rec.ArchiveProgress], None]:
    def receive(progress: rec.ArchiveProgress) -> None:
        account = accounts[progress.provider, progress.account]
        account.add(progress, parts)
        if update is not None:
            update(account)

    return receive


def _build_line_writer() -> Callable[[AccountProgress], None]:
    written: dict[str, float] = {}

    def write(account: AccountProgress) -> None:
        now = time.monotonic()
        if now - written.setdefault(account.label, account.began) >= _LINE_SECONDS:
            written[account.label] = now
            write_message(f"{account.label}: {account.describe()}")

    return write


@contextmanager
def _show_bars(
    accounts: Mapping[tuple[str, str], AccountProgress],
) -> Iterator[Callable[[AccountProgress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(20),
        TextColumn("{task.fields[so_far]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {
            each.label: bar.add_task(each.label, total=None, so_far="listing")
            for each in accounts.values()
        }

        def update(account: AccountProgress) -> None:
            total = account.expected
            if account.is_listed:
                total = account.done
            bar.update(
                tasks[account.label],
                total=total,
                completed=account.done,
                so_far=account.describe(),
            )

        yield update
