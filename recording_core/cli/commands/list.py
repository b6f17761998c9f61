"""Command `list`: lists the recordings of one or several vendors."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click
from attrs import asdict, define, field

import recording_core as rec
from recording_core.accounts import is_configured
from recording_core.cli.arguments import PROVIDER, TARGET, raise_usage_errors
from recording_core.cli.options import (
    ConnectOptions,
    add_connect_options,
    since_option,
    until_option,
)
from recording_core.cli.output.messages import raise_errors, write_message
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.progress import show_status
from recording_core.cli.output.summary import describe_coverage
from recording_core.reporting.number_format import format_count, format_size

TABLE_COLUMNS: tuple[OutputColumn[rec.Recording], ...] = (
    OutputColumn("CREATED", lambda each: each.created_at or each.started_at, width=16),
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
)


@define
class ListingResult:
    """The result of listing one vendor's recordings."""

    provider: str
    account: str
    coverage: rec.Coverage = field(factory=lambda: rec.Coverage())
    #: the number of recordings printed; filters exclude others that were seen
    shown: int = 0
    error: rec.RecordingError | None = None


@click.command("list")
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@since_option
@until_option
@click.option(
    "--status",
    multiple=True,
    metavar="STATUS",
    type=click.Choice([each.value for each in rec.RecordingStatus]),
    help="Only recordings in this status. May be repeated. One of: "
    f"{', '.join(rec.RecordingStatus)}.",
)
@click.option("--target", type=TARGET, help="Only recordings of this call, conference or meeting.")
@add_output_options
@add_connect_options
def list_recordings(
    providers: tuple[str, ...], connect_options: ConnectOptions, out: Output, **filters: Any
) -> None:
    """List recordings, each once, and report what could not be listed.

    Without PROVIDER, lists every vendor whose credentials are set in the environment.

    In a pipe or file, the fields are: provider, id, status, creation time, duration in seconds,
    size in bytes, and target. With --json, the last line of each vendor is {"coverage": {...}}.

    Exit code 3: a listing is not complete, or one of several vendors failed.
    """
    names = tuple(dict.fromkeys(providers)) or _find_configured_providers()
    connect_options.check_providers(names)
    if filters["since"] and filters["until"] and filters["since"] > filters["until"]:
        raise click.UsageError("--since is later than --until.")
    filters["status"] = filters["status"] or None
    several = len(names) > 1
    results = [_list_provider(name, filters, connect_options, out, several) for name in names]
    for each in results:
        _report_result(each, out, several)
    raise_errors(
        [each.error for each in results if each.error is not None],
        len(results),
        "No vendor could be listed",
        complete=all(each.coverage.complete for each in results),
    )


def _find_configured_providers() -> tuple[str, ...]:
    names = tuple(info.name for info in rec.providers().values() if is_configured(info))
    if not names:
        raise rec.ConfigurationError(
            "No vendor's credentials are set in the environment; `recordings doctor` lists the "
            "variables to set"
        )
    return names


def _list_provider(
    name: str, filters: dict[str, Any], connect_options: ConnectOptions, out: Output, several: bool
) -> ListingResult:
    """Print one vendor's recordings as they arrive. An error does not stop other vendors."""
    result = ListingResult(name, connect_options.account or "default")
    listing: rec.Listing | None = None
    try:
        with connect_options.connect(name) as provider:
            with raise_usage_errors():
                listing = provider.list(**filters)
            if out.is_table and several:
                click.secho(f"\n{provider.info.label}", bold=True)
            columns = TABLE_COLUMNS if out.is_table else FIELD_COLUMNS
            out.write_rows(_count_shown(listing, result), columns)
    except rec.RecordingError as error:
        result.error = error
    result.coverage = listing.coverage if listing else rec.Coverage(errors=(str(result.error),))
    return result


def _count_shown(listing: rec.Listing, result: ListingResult) -> Iterator[rec.Recording]:
    """Count the recordings, and show the count on the terminal while the data goes to a file."""
    with show_status(result.provider, hidden=sys.stdout.isatty()) as update_status:
        for recording in listing:
            result.shown += 1
            update_status(f"{result.provider}: {format_count(result.shown, 'recording')}")
            yield recording


def _report_result(result: ListingResult, out: Output, several: bool) -> None:
    if out.json:
        account = {"provider": result.provider, "account": result.account}
        out.write_object({"coverage": account | asdict(result.coverage, recurse=False)})
    elif result.error is None:
        of = f"{result.shown:,} of " if result.shown != result.coverage.seen else ""
        write_message(f"{result.provider}: {of}{describe_coverage(result.coverage)}")
    elif several:  # otherwise it is the error of the whole command
        write_message(f"Error: {result.error}")
