"""Command `report`: reports on the recordings of all configured accounts, as a table or file."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

import recording_core as rec
from recording_core.cli.arguments import PERIOD, raise_usage_errors
from recording_core.cli.options import CollectOptions, add_collect_options
from recording_core.cli.output.messages import describe_credentials, raise_errors, write_message
from recording_core.cli.output.output import OutputColumn, write_table
from recording_core.cli.output.progress import show_status
from recording_core.cli.output.summary import describe_coverage
from recording_core.cli.output.values import format_for_programs, sanitize_line
from recording_core.redaction import escape_controls
from recording_core.reporting.number_format import (
    NOT_REPORTED,
    format_count,
    format_datetime,
    format_length,
    format_number,
    format_size,
)

if TYPE_CHECKING:
    from recording_core.listing.coverage import AccountCoverage
    from recording_core.reporting.report import Report

#: format -> the file name extensions for which it is the default
FORMATS: Mapping[str, tuple[str, ...]] = {
    "table": (".txt", ".tsv"),
    "csv": (".csv",),
    "json": (".json",),
    "parquet": (".parquet",),
    "arrow": (".arrow",),
    "html": (".html", ".htm"),
}


@click.command()
@add_collect_options
@click.option(
    "--by",
    default="provider",
    metavar="NAME,...",
    help="Group by these columns, or by hour, day, week or month, e.g. provider,day,status.",
)
@click.option(
    "--expiring",
    type=PERIOD,
    default="7d",
    help="Report media that expires within this time.",
)
@click.option("--prices", metavar="FILE", help="File with your storage prices, in TOML.")
@click.option(
    "--engine",
    type=click.Choice(("duckdb", "spark")),
    default="duckdb",
    help="Engine that computes the report. Spark reads its address from its own settings.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(tuple(FORMATS)),
    help="Output format.  [default: from the extension of --output, otherwise table]",
)
@click.option(
    "--output", metavar="FILE", help="Write to this file, a path or URL; - is standard output."
)
@click.option("--json", "as_json", is_flag=True, help="Same as --format json.")
@click.option("--raw", is_flag=True, help="Write CSV without protection against formulas.")
@click.option(
    "--excel",
    is_flag=True,
    help="Write CSV for a spreadsheet with decimal commas: a byte order mark and semicolons.",
)
@click.option(
    "--metrics",
    metavar="FILE",
    help="Write Prometheus text to this file, for the textfile collector of node_exporter.",
)
def report(
    collect: CollectOptions,
    form: str | None,
    output: str | None,
    as_json: bool,
    raw: bool,
    excel: bool,
    metrics: str | None,
    **options: Any,
) -> None:
    """Report on the recordings of all configured accounts.

    Lists all accounts in parallel. If a vendor fails, the report names it first and contains the
    rows of the others. A later report with the same --to folder requests only what may have
    changed.

    In a pipe or file, a table is written as lines of tab-separated fields, below a line of their
    names: those of --by, then every measure in the order of docs/report.md. A CSV file gets a
    .coverage.json next to it.

    Exit code 3: an account is missing or its listing is not complete.
    """
    output = None if output == "-" else output
    form = _choose_format(form or ("json" if as_json else None), output, as_csv=raw or excel)
    if as_json and form != "json":
        raise click.UsageError(f"--json and --format {form} contradict each other.")
    if raw and excel:
        raise click.UsageError("--raw, for machines, and --excel, for people, exclude each other.")
    on_terminal = output is None and sys.stdout.isatty()
    if on_terminal and form in ("parquet", "arrow"):
        raise click.UsageError(f"A terminal cannot show {form}: write it to a file with --output.")
    _check_options(collect, **options)
    accounts = collect.find_accounts()
    with note_interruption(collect), show_waiting_status(accounts), raise_usage_errors():
        found = rec.report(
            since=collect.since,
            until=collect.until,
            tz=collect.tz,
            accounts=accounts,
            to=collect.to,
            source=collect.source,
            **options,
        )
    if metrics is not None:
        from recording_core.reporting.metrics import write_metrics

        write_metrics(found, metrics)
    if on_terminal and form == "table":
        show_report(found)
        _show_commands(found)
    else:
        for line in (*_describe_missing(found), *_describe_unknown_statuses(found)):
            write_message(line)
        if form == "csv":
            data = found.to_csv(output, raw=raw, excel=excel).encode()
        else:
            data = _serialize_report(found, form)
        _write_data(data, output, written=form == "csv")
    _report_coverage(found.coverage, accounts or ())


@contextmanager
def note_interruption(collect: CollectOptions) -> Iterator[None]:
    """Note on an interruption what a later run need not collect again."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        note = "Interrupted while recordings were collected: nothing was written"
        if collect.to is not None:
            note += f", but what is complete is in {collect.to}, and the next run continues"
        interruption.add_note(f"{note}.")
        raise


def _choose_format(form: str | None, output: str | None, *, as_csv: bool) -> str:
    """Choose the format: the given one, else that of the file's extension, else a table."""
    ending = os.path.splitext(output or "")[1].lower()
    known = {each: name for name, endings in FORMATS.items() for each in endings}
    if form is None and ending and ending not in known:
        raise click.UsageError(
            f"--output {output}: no format has the extension {ending}. Known extensions are "
            f"{', '.join(known)}; --format names another format."
        )
    form = form or known.get(ending) or ("csv" if as_csv else "table")
    if as_csv and form != "csv":
        raise click.UsageError(f"--raw and --excel are options of CSV, and not of {form}.")
    return form


def _check_options(
    collect: CollectOptions, *, by: str, engine: str, expiring: timedelta, **_: Any
) -> None:
    """Raise `UsageError` for options that are wrong."""
    from recording_core.reporting.report import check_arguments
    from recording_core.reporting.window import build_window

    try:
        window = build_window(collect.since, collect.until, collect.tz)
        check_arguments(window, by, engine, expiring, stored=collect.is_stored)
    except rec.ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def show_waiting_status(accounts: tuple[rec.Account, ...] | None) -> AbstractContextManager[object]:
    """Show on a terminal that accounts are being listed."""
    text = f"listing {format_count(len(accounts or ()), 'account')}"
    return show_status(text, hidden=accounts is None)


def _report_coverage(
    coverage: tuple[AccountCoverage, ...], accounts: Sequence[rec.Account]
) -> None:
    """Report the coverage of each account, and raise its errors."""
    configured = {(each.provider, each.name): each for each in accounts}
    for each in coverage:
        write_message(f"{_format_account(each)}: {describe_coverage(each.coverage)}")
        account = configured.get((each.provider, each.account))
        if account is not None and isinstance(each.error, rec.AuthenticationFailed):
            write_message(f"{_format_account(each)}: {describe_credentials(account)}.")
        for sentence in each.repaired:
            write_message(f"{_format_account(each)}: {sentence}")
    errors = [each.error for each in coverage if each.error is not None]
    raise_errors(
        [] if any(each.asked_at for each in coverage) else errors,
        len(coverage),
        "No account could be collected",
        complete=all(each.coverage.complete for each in coverage),
    )


def _format_account(each: AccountCoverage) -> str:
    return each.provider if each.account == "default" else f"{each.provider} {each.account}"


def _describe_missing(found: Report) -> Iterator[str]:
    """Describe the accounts that are missing or not complete."""
    for each in found.missing:
        problem = "MISSING" if each.error is not None else "NOT COMPLETE"
        errors = "; ".join(each.coverage.errors) or "see below"
        yield sanitize_line(f"{problem}: {_format_account(each)}: {errors}")


def _describe_unknown_statuses(found: Report) -> Iterator[str]:
    """Describe the status values of vendors that the library does not support."""
    for row in found.rows:
        if row.get("unknown_words"):
            group = " ".join(_format_group(row[name]) for name in found.by)
            words = ", ".join(row["unknown_words"])
            yield sanitize_line(f"{group}: unknown status values: {words}")


# -- files and pipes ------------------------------------------------------------------------------


def _write_data(data: bytes, output: str | None, *, written: bool) -> None:
    """Write data to standard output or a file, unless the file has been `written` already."""
    if output is None:
        click.echo(data, nl=False)
        return
    if not written:
        from recording_core.storage.folder import write_file

        write_file(output, data)
    write_message(f"Wrote {output}, {format_size(len(data))}.")


def _serialize_report(found: Report, form: str) -> bytes:
    if form == "json":
        return f"{escape_controls(found.to_json())}\n".encode()
    if form == "html":
        from recording_core.reporting.html.page import render_page

        return render_page(found).encode()
    if form == "parquet":
        from recording_core.storage.parquet import encode_parquet

        return encode_parquet(found.to_arrow())
    if form == "arrow":
        return _encode_arrow(found.to_arrow())
    names = list(found.rows[0]) if found.rows else found.to_arrow().column_names
    values = ("\t".join(map(format_for_programs, row.values())) for row in found.rows)
    lines = ("\t".join(names), *values)
    return "".join(f"{line}\n" for line in lines).encode()


def _encode_arrow(table: Any) -> bytes:
    import pyarrow as pa

    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    return sink.getvalue()


# -- the table on a terminal ----------------------------------------------------------------------

#: measure -> its heading, format and drop priority. Measures that are unknown or 0 in every row are
#: left out.
SHOWN: Mapping[str, tuple[str, Callable[[Any], str], int]] = {
    "recordings": ("recordings", format_number, 0),
    "hours": ("hours", "{:,.1f}".format, 1),
    "bytes": ("size", format_size, 2),
    "seconds_median": ("median", format_length, 6),
    "seconds_p95": ("95 %", format_length, 8),
    "failed": ("failed", format_number, 3),
    "empty": ("empty", format_number, 10),
    "unknown": ("unknown", format_number, 5),
    "without_media": ("no media", format_number, 11),
    "expiring": ("expiring", format_number, 4),
    "peak_concurrency": ("peak", format_number, 7),
    "cost": ("cost per month", "{:,.2f}".format, 9),
}
BAR_WIDTH = 12


def show_report(found: Report) -> None:
    """Print the table with its bars, missing accounts above it and unknown statuses below."""
    from rich.bar import Bar

    for line in _describe_missing(found):
        click.secho(line, fg="red", bold=True)
    click.secho(_build_title(found), bold=True)
    if not found.rows:
        click.echo("No recordings.")
        return
    most = max(row["recordings"] for row in found.rows) or 1
    # The total has no value for the groupings, apart from the word "total" in the first one.
    total = dict.fromkeys(found.by, "") | found.totals | dict.fromkeys(found.by[:1], "total")

    def build_bar(row: Mapping[str, Any]) -> Any:
        count = row["recordings"]
        return "" if row is total else Bar(most, 0, count, width=BAR_WIDTH, color="cyan")

    columns: list[OutputColumn[Mapping[str, Any]]] = [
        OutputColumn(_build_heading(name, found), itemgetter(name), _format_group)
        for name in found.by
    ]
    columns.append(OutputColumn("", build_bar, lambda bar: bar, width=BAR_WIDTH))
    columns += [
        OutputColumn(
            heading,
            partial(_format_cell, name=name, format_value=format_value),
            right=True,
            drop_priority=drop_priority,
        )
        for name, (heading, format_value, drop_priority) in SHOWN.items()
        if name == "recordings" or found.totals.get(name)
    ]
    has_total = len(found.rows) > 1
    rows = [*found.rows, total] if has_total else found.rows
    shown = write_table(rows, columns, has_total=has_total)
    if any("*" in column.value(total) for column in shown if column.right):
        click.secho("*: the number of recordings for which the value is known", dim=True)
    for line in _describe_unknown_statuses(found):
        click.secho(line, fg="yellow")


def _show_commands(found: Report) -> None:
    """Print the command that lists the recordings of each count that asks for action."""
    from recording_core.reporting.next_steps import build_command

    for name, recordings in found.attention.items():
        command = build_command(found.window, found.expiring, name, recordings)
        click.echo(f"{SHOWN[name][0]}: {format_number(found.totals[name])}, listed by `{command}`")


def _build_heading(name: str, found: Report) -> str:
    """Build the heading of a grouping: that of a time names its zone."""
    from recording_core.reporting.compute.groupings import TIME_GROUPINGS

    if name in TIME_GROUPINGS:
        return f"{name} ({found.window.tz})"
    # The values of a column are shown as they are, in UTC.
    is_time = any(isinstance(row[name], datetime) for row in found.rows)
    return f"{name} (UTC)" if is_time else name


def _build_title(found: Report) -> str:
    window = found.window
    until = f"{format_datetime(window.until or window.now, window.zone)} ({window.tz})"
    if window.since is None:
        return f"Recordings until {until}"
    return f"Recordings from {format_datetime(window.since, window.zone)} to {until}"


def _format_cell(row: Mapping[str, Any], name: str, format_value: Callable[[Any], str]) -> str:
    """Format a cell: `1.2 GB`, or `1.2 GB *9` if the value is known for only 9 recordings."""
    from recording_core.reporting.html.measure_format import find_known_measure

    value = row.get(name)
    if value is None:
        return NOT_REPORTED
    known = row[find_known_measure(name)]
    text = format_value(value)
    return text if known == row["recordings"] else f"{text} *{known}"


def _format_group(value: Any) -> str:
    if value is None:
        return NOT_REPORTED
    if isinstance(value, datetime):
        clock = "%Y-%m-%d" if value.hour == value.minute == 0 else "%Y-%m-%d %H:%M"
        return value.strftime(clock)
    return str(value)
