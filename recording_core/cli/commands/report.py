"""What is there at every vendor together? One table, or one file, of all configured accounts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

import recording_core as rec
from recording_core.cli.arguments import DURATION, MOMENT, wrong_call
from recording_core.cli.commands.list import coverage_words
from recording_core.cli.output.output import needs_attention, say
from recording_core.cli.output.progress import counting
from recording_core.cli.output.values import (
    NOTHING,
    clock_time,
    counted,
    for_programs,
    one_line,
    size,
    width_of,
)

if TYPE_CHECKING:
    from rich.console import Console

    from recording_core.reporting.collect.selection import Covered
    from recording_core.reporting.report import Report

__all__ = ["asked_accounts", "config_option", "report", "show_report", "tell_coverage", "waiting"]

FORMATS = ("table", "csv", "json", "parquet", "arrow", "html")
#: What a file's name says of its format.
ENDINGS = {".csv": "csv", ".json": "json", ".parquet": "parquet", ".arrow": "arrow"} | {
    ".html": "html",
    ".htm": "html",
}
#: Formats that no terminal can show.
BINARY = ("parquet", "arrow")
ENGINES = ("duckdb", "spark")

config_option = click.option(
    "--config",
    metavar="FILE",
    help="The accounts.  [default: recordings.toml here or of the user, else the environment]",
)


@click.command()
@click.option("--since", type=MOMENT, help="Created then or later: 90d (ago), or ISO 8601.")
@click.option("--until", type=MOMENT, help="Created before then.")
@click.option(
    "--by",
    default="provider",
    show_default=True,
    metavar="NAME,...",
    help="Columns of the rows, and hour, day, week, month; such as provider,day,status.",
)
@click.option(
    "--tz",
    default="UTC",
    show_default=True,
    metavar="ZONE",
    help="Of these, as Europe/Berlin.",
)
@click.option(
    "--to", metavar="FOLDER", help="Keep what is collected there, a path or URL, as Parquet."
)
@click.option(
    "--from", "source", metavar="FOLDER", help="Read what was collected there; ask no vendor."
)
@click.option(
    "--expiring",
    type=DURATION,
    default="7d",
    show_default=True,
    help="How soon is soon for media that the vendor will remove.",
)
@click.option("--prices", metavar="FILE", help="Your own price table, in TOML.")
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="duckdb",
    show_default=True,
    help="What computes it; spark takes its address from its own settings.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    help="[default: what the output's name says, else a table]",
)
@click.option("--output", metavar="FILE", help="Write it there, a path or URL; - writes it here.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@config_option
def report(
    since: datetime | None,
    until: datetime | None,
    by: str,
    tz: str,
    to: str | None,
    source: str | None,
    expiring: timedelta,
    prices: str | None,
    engine: str,
    form: str | None,
    output: str | None,
    as_json: bool,
    config: str | None,
) -> None:
    """Report on the recordings of every configured account, in one normalised view.

    Each account is asked at once, and a vendor that fails costs its own rows alone: the report
    says so first. With --to the next report asks only for what may have changed. Elsewhere than on
    a terminal a table is lines of tab-separated fields: those of --by, then every measure in the
    order that docs/report.md gives.

    Exit code 3: a vendor is missing, or not all of it could be seen.
    """
    form = _form(form, output, as_json)
    output = None if output == "-" else output
    if form in BINARY and output is None and sys.stdout.isatty():
        raise click.UsageError(f"{form} is not for a terminal: name a file with --output")
    _check(since, until, by, tz, engine, expiring, stored=source is not None and to is None)
    with ExitStack() as meanwhile:
        accounts = asked_accounts(config, source if to is None else None)
        meanwhile.enter_context(waiting(accounts))
        meanwhile.enter_context(wrong_call())
        found = rec.report(
            since=since,
            until=until,
            by=by,
            tz=tz,
            accounts=accounts,
            to=to,
            source=source,
            engine=engine,
            expiring=expiring,
            prices=prices,
        )
    if form == "table" and output is None and sys.stdout.isatty():
        from rich.console import Console

        show_report(found, Console(highlight=False))
    else:
        _tell_missing(found.missing, say)
        for line in _drift(found):
            say(line)
        _write(_bytes(found, form), output)
    tell_coverage(found.coverage)


def _check(
    since: datetime | None,
    until: datetime | None,
    by: str,
    tz: str,
    engine: str,
    expiring: timedelta,
    *,
    stored: bool,
) -> None:
    """What is wrong with the question is a wrong call."""
    from recording_core.reporting.collect.selection import ReportWindow
    from recording_core.reporting.compute.figures import checked_terms
    from recording_core.reporting.report import checked_question

    try:
        asked = ReportWindow(since, until, tz, datetime.now(UTC))
        checked_question(asked, by, engine, stored=stored)
        checked_terms(asked.now, expiring)
    except rec.ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def asked_accounts(config: str | None, source: str | None) -> tuple[rec.Account, ...] | None:
    """The accounts to ask; None where a folder is read: whose rows are there is asked of it."""
    return None if source is not None and config is None else rec.find_accounts(config)


def waiting(accounts: tuple[rec.Account, ...] | None) -> Any:
    """A word to whoever waits on a terminal."""
    if accounts is None or not sys.stderr.isatty():
        return ExitStack()
    return counting(f"asking {counted(len(accounts), 'account')}")


def tell_coverage(coverage: tuple[Covered, ...]) -> None:
    """What was seen of each account; raises where somebody should look, or nobody answered."""
    for each in coverage:
        say(f"{_whose(each)}: {coverage_words(each.coverage)}")
    errors = [each.error for each in coverage if each.error is not None]
    if errors and len(errors) == len(coverage) and not any(each.asked_at for each in coverage):
        several = rec.RecordingError("no account could be collected: see above, one by one")
        raise errors[0] if len(errors) == 1 else several
    if not all(each.coverage.complete for each in coverage):
        raise needs_attention()


def _form(form: str | None, output: str | None, as_json: bool) -> str:
    if as_json and form not in (None, "json"):
        raise click.UsageError(f"--json and --format {form} are two formats")
    if as_json or form:
        return form or "json"
    name = (output or "").lower()
    return next((form for ending, form in ENDINGS.items() if name.endswith(ending)), "table")


def _whose(each: Covered) -> str:
    return each.provider if each.account == "default" else f"{each.provider} {each.account}"


def _tell_missing(missing: tuple[Covered, ...], tell: Callable[[str], None]) -> None:
    for each in missing:
        what = "MISSING" if each.error is not None else "NOT COMPLETE"
        tell(f"{what}: {_whose(each)}: {'; '.join(each.coverage.errors) or 'see below'}")


# -- files and pipes ------------------------------------------------------------------------------


def _write(data: bytes, output: str | None) -> None:
    if output is None:
        click.echo(data, nl=False)
        return
    from recording_core.reporting.collect.folder import write_file

    write_file(output, data)
    say(f"wrote {output}, {size(len(data))}")


def _bytes(found: Report, form: str) -> bytes:
    if form == "json":
        return f"{found.to_json()}\n".encode()
    if form == "csv":
        return found.to_csv().encode()
    if form == "html":
        from recording_core.reporting.html.page import page

        return page(found).encode()
    if form in BINARY:
        return _arrow(found.to_arrow(), form)
    lines = ("\t".join(map(_for_programs, row.values())) for row in found.rows)
    return "".join(f"{line}\n" for line in lines).encode()


def _arrow(table: Any, form: str) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    if form == "parquet":
        pq.write_table(table, sink, compression="zstd")
    else:
        with pa.ipc.new_file(sink, table.schema) as file:
            file.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _for_programs(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}" if value.is_integer() else repr(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return for_programs(value)


# -- the table on a terminal ----------------------------------------------------------------------


def _seconds(value: float) -> str:
    return clock_time(timedelta(seconds=value))


#: measure -> its heading, and how people read it; what is nowhere known or always 0 is left out
SHOWN: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "recordings": ("recordings", "{:,}".format),
    "hours": ("hours", "{:,.1f}".format),
    "bytes": ("size", size),
    "seconds_median": ("median", _seconds),
    "seconds_p95": ("95 %", _seconds),
    "failed": ("failed", "{:,}".format),
    "empty": ("empty", "{:,}".format),
    "unknown": ("unknown", "{:,}".format),
    "without_media": ("no media", "{:,}".format),
    "expiring": ("expiring", "{:,}".format),
    "peak_concurrency": ("peak", "{:,}".format),
    "cost": ("cost a month", "{:,.2f}".format),
}
#: a measure -> the one that says of how many recordings it is
KNOWN = {"hours": "seconds_known", "bytes": "bytes_known", "cost": "cost_known"}
#: What is left out on a narrow terminal, first to last.
YIELDS = (
    *("without_media", "empty", "cost", "seconds_p95", "peak_concurrency", "seconds_median"),
    *("unknown", "expiring", "failed", "bytes", "hours"),
)
BAR = 12


def show_report(found: Report, console: Console) -> None:
    """The table with its bars, what is missing above it and new words below."""
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    def alarm(text: str) -> None:
        console.print(Text(one_line(text), style="bold red"))

    _tell_missing(found.missing, alarm)
    console.print(Text(_title(found), style="bold"))
    if not found.rows:
        console.print("no recordings")
        return
    groups = [[one_line(_group(row[name])) for row in found.rows] for name in found.by]
    room = console.width - BAR - 2
    room -= sum(
        2 + max(map(width_of, [name, *cells])) for name, cells in zip(found.by, groups, strict=True)
    )
    columns = _fitting(found, room)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_footer=len(found.rows) > 1)
    for index, name in enumerate(found.by):
        table.add_column(name, footer="together" if index == 0 else "", no_wrap=True)
    table.add_column("", width=BAR)
    for heading, cells in columns.values():
        table.add_column(heading, footer=cells[-1], justify="right", no_wrap=True)
    most = max(row["recordings"] for row in found.rows) or 1
    for index, row in enumerate(found.rows):
        bar = Bar(most, 0, row["recordings"], width=BAR, color="cyan")
        named = (Text(cells[index]) for cells in groups)
        table.add_row(*named, bar, *(cells[index] for _, cells in columns.values()))
    console.print(table)
    if any("*" in cell for _, cells in columns.values() for cell in cells):
        console.print("*: of so many it is known", style="dim")
    for line in _drift(found):
        console.print(Text(line, style="yellow"))


def _fitting(found: Report, room: int) -> dict[str, tuple[str, list[str]]]:
    """Measure -> its heading and cells, the last of them the totals; those that matter least are
    left out where there is no room, and those that say nothing everywhere."""
    columns: dict[str, tuple[str, list[str]]] = {}
    for name, (heading, words) in SHOWN.items():
        if name == "recordings" or found.totals.get(name):
            cells = [_cell(row, name, words) for row in (*found.rows, found.totals)]
            columns[name] = (heading, cells)
    yielding = [name for name in YIELDS if name in columns]
    while yielding and sum(2 + max(map(len, [h, *c])) for h, c in columns.values()) > room:
        del columns[yielding.pop(0)]
    return columns


def _drift(found: Report) -> Iterator[str]:
    """The words that a vendor began to use and we don't know."""
    for row in found.rows:
        if row.get("unknown_words"):
            whose = " ".join(_group(row[name]) for name in found.by)
            yield one_line(f"{whose}: words that we don't know: {', '.join(row['unknown_words'])}")


def _title(found: Report) -> str:
    from zoneinfo import ZoneInfo

    window = found.window
    zone = ZoneInfo(window.tz)
    until = f"{(window.until or window.now).astimezone(zone):%Y-%m-%d %H:%M} ({window.tz})"
    if window.since is None:
        return f"Recordings until {until}"
    return f"Recordings from {window.since.astimezone(zone):%Y-%m-%d %H:%M} to {until}"


def _cell(row: Mapping[str, Any], name: str, words: Callable[[Any], str]) -> str:
    """`1.2 GB`, or `1.2 GB *9` where only 9 of the recordings tell."""
    value = row.get(name)
    if value is None:
        return NOTHING
    known = row.get(KNOWN.get(name, ""), row["recordings"])
    return words(value) if known == row["recordings"] else f"{words(value)} *{known}"


def _group(value: Any) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, datetime):
        clock = "%Y-%m-%d" if value.hour == value.minute == 0 else "%Y-%m-%d %H:%M"
        return value.strftime(clock)
    return str(value)
