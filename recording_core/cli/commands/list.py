"""Command `list`: lists the recordings of one or several accounts."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import click
from attrs import asdict, define, field, frozen

import recording_core as rec
from recording_core.cli.arguments import PERIOD, PROVIDER, TARGET, find_zone, raise_usage_errors
from recording_core.cli.options import (
    ConnectOptions,
    add_connect_options,
    build_tz_option,
    name_accounts,
    since_option,
    until_option,
)
from recording_core.cli.output.messages import describe_error, raise_errors, write_message
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.progress import show_status
from recording_core.cli.output.summary import describe_coverage
from recording_core.clock import SystemClock
from recording_core.reporting.number_format import format_count, format_datetime, format_size

TABLE_COLUMNS: tuple[OutputColumn[rec.Recording], ...] = (
    OutputColumn("CREATED (UTC)", lambda each: each.created_at or each.started_at, width=16),
    OutputColumn("STATUS", lambda each: each.status, width=10),
    OutputColumn("DURATION", lambda each: each.duration, width=8, right=True),
    OutputColumn("SIZE", lambda each: each.size, format_size, width=8, right=True, drop_priority=2),
    OutputColumn("RECORDING", lambda each: each.id, width=36),
    OutputColumn("TARGET", lambda each: each.target or each.kind, width=24, drop_priority=3),
)
CREATED, STATUS, DURATION, SIZE, RECORDING, TARGET_OR_KIND = TABLE_COLUMNS
FIELD_COLUMNS: tuple[OutputColumn[rec.Recording], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider),
    *(RECORDING, STATUS, CREATED, DURATION, SIZE, TARGET_OR_KIND),
    OutputColumn("ACCOUNT", lambda each: each.account),
)


EXPIRES: OutputColumn[rec.Recording] = OutputColumn(
    "EXPIRES (UTC)", lambda each: each.media_expires_at, width=16
)


@frozen
class Selection:
    """The recordings that ask for action, as a report counts them; all if nothing is chosen."""

    failed: bool
    expiring: timedelta | None
    no_media: bool
    now: datetime = field(factory=lambda: SystemClock().now())

    def __call__(self, each: rec.Recording) -> bool:
        if not (self.failed or self.expiring or self.no_media):
            return True
        available = each.status is rec.RecordingStatus.AVAILABLE
        expires = each.media_expires_at
        if available and expires is not None and expires <= self.now:
            return False
        soon = bool(self.expiring and expires and expires - self.now < self.expiring)
        return (
            (self.failed and each.status is rec.RecordingStatus.FAILED)
            or (available and soon)
            or (self.no_media and available and not each.files)
        )


@define
class ListingResult:
    """The result of listing one account's recordings."""

    account: rec.Account
    #: the name of the account in messages
    label: str
    coverage: rec.Coverage = field(factory=lambda: rec.Coverage())
    #: the number of recordings printed; filters exclude others that were seen
    shown: int = 0
    error: rec.RecordingError | None = None
    #: the error in words
    problem: str = ""


@click.command("list")
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@since_option
@until_option
@build_tz_option()
@click.option(
    "--status",
    multiple=True,
    metavar="STATUS",
    type=click.Choice([each.value for each in rec.RecordingStatus]),
    help="Only recordings in this status. May be repeated. One of: "
    f"{', '.join(rec.RecordingStatus)}.",
)
@click.option("--target", type=TARGET, help="Only recordings of this call, conference or meeting.")
@click.option("--failed", is_flag=True, help="Only recordings that failed.")
@click.option(
    "--expiring",
    type=PERIOD,
    help="Only available recordings whose media the vendor removes within this time, e.g. 7d.",
)
@click.option(
    "--no-media", is_flag=True, help="Only available recordings without a file to download."
)
@add_output_options
@add_connect_options
def list_recordings(
    providers: tuple[str, ...],
    connect_options: ConnectOptions,
    out: Output,
    failed: bool,
    expiring: timedelta | None,
    no_media: bool,
    tz: str,
    **filters: Any,
) -> None:
    """List recordings, each once, and what could not be listed.

    Lists all configured accounts, or those of PROVIDER, or those that --account names.

    In a pipe or file, the first line has the names of the fields: provider, recording, status,
    created, duration in seconds, size in bytes, target, and account. `recordings download` reads
    these lines. With --json, the last line of each account is {"coverage": {...}}.

    Of --failed, --expiring and --no-media, a recording must match one. With --expiring, the last
    field is the time when the media expires.

    Exit code 3: a listing is not complete, or one of several accounts failed.
    """
    accounts = connect_options.select(tuple(dict.fromkeys(providers)))
    if filters["since"] and filters["until"] and filters["since"] > filters["until"]:
        raise click.UsageError("--since is later than --until.")
    filters["status"] = filters["status"] or None
    names = name_accounts(accounts)
    several = len(names) > 1
    results = [ListingResult(account, name) for account, name in names.items()]
    selection = Selection(failed, expiring, no_media)
    try:
        for each in results:
            _list_account(each, filters, connect_options, out, several, selection)
    except KeyboardInterrupt as interruption:
        counts = (f"{each.label}: {format_count(each.shown, 'recording')}" for each in results)
        interruption.add_note(f"Interrupted. Listed so far, not complete: {', '.join(counts)}.")
        raise
    window = _describe_window(filters["since"], filters["until"], tz)
    if window and not out.json and any(each.error is None for each in results):
        write_message(window)
    for each in results:
        _report_result(each, out, several)
    raise_errors(
        [each.error for each in results if each.error is not None],
        len(results),
        "No account could be listed",
        complete=all(each.coverage.complete for each in results),
    )


def _list_account(
    result: ListingResult,
    filters: dict[str, Any],
    connect_options: ConnectOptions,
    out: Output,
    several: bool,
    selection: Selection,
) -> None:
    """Print one account's recordings as they arrive. An error does not stop other accounts."""
    listing: rec.Listing | None = None
    try:
        with connect_options.open(result.account) as provider:
            with raise_usage_errors():
                listing = provider.list(**filters)
            if out.is_table and several:
                name = result.label.removeprefix(result.account.provider)
                click.secho(f"\n{provider.info.label}{name}", bold=True)
            columns = TABLE_COLUMNS if out.is_table else FIELD_COLUMNS
            if selection.expiring is not None:
                columns += (EXPIRES,)
            out.write_rows(_count_shown(filter(selection, listing), result), columns)
    except rec.RecordingError as error:
        result.error, result.problem = error, describe_error(error)
    result.coverage = listing.coverage if listing else rec.Coverage(errors=(str(result.error),))


def _count_shown(
    recordings: Iterable[rec.Recording], result: ListingResult
) -> Iterator[rec.Recording]:
    """Count the recordings, and show the count on the terminal while the data goes to a file."""
    with show_status(result.label, hidden=sys.stdout.isatty()) as update_status:
        for recording in recordings:
            result.shown += 1
            update_status(f"{result.label}: {format_count(result.shown, 'recording')}")
            yield recording


def _describe_window(since: datetime | None, until: datetime | None, tz: str) -> str:
    """Describe the window in the zone in which it was given; empty if it is not bounded."""
    bounds = {"from": since, "to": until}
    words = [
        f"{word} {format_datetime(time, find_zone(tz))}"
        for word, time in bounds.items()
        if time is not None
    ]
    return f"Recordings {' '.join(words)} ({tz}):" if words else ""


def _report_result(result: ListingResult, out: Output, several: bool) -> None:
    if out.json:
        account = {"provider": result.account.provider, "account": result.account.name}
        out.write_object({"coverage": account | asdict(result.coverage, recurse=False)})
    elif result.error is None:
        of = f"{result.shown:,} of " if result.shown != result.coverage.seen else ""
        write_message(f"{result.label}: {of}{describe_coverage(result.coverage)}")
    elif several:  # otherwise it is the error of the whole command
        write_message(f"Error: {result.label}: {result.problem}")
