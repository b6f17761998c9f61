"""Which recordings are there? At one vendor, several, or all whose credentials are set."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import click
from attrs import asdict, frozen

import recording_core as rec
from recording_core.cli.arguments import (
    MOMENT,
    PROVIDER,
    TARGET,
    Where,
    where_options,
    wrong_call,
)
from recording_core.cli.environment import configured
from recording_core.cli.output.output import Column, Output, needs_attention, output_options, say
from recording_core.cli.output.progress import counting
from recording_core.cli.output.values import counted, size

__all__ = ["coverage_words", "list_recordings"]

ON_TERMINAL: tuple[Column[rec.Recording], ...] = (
    Column("CREATED", lambda each: each.created_at or each.started_at, width=16),
    Column("STATUS", lambda each: each.status, width=10),
    Column("DURATION", lambda each: each.duration, width=8, right=True),
    Column("SIZE", lambda each: each.size, size, width=8, right=True, yields=2),
    Column("RECORDING", lambda each: each.id, width=36),
    Column("OF", lambda each: each.target or each.kind, width=24, yields=3),
)
ELSEWHERE: tuple[Column[rec.Recording], ...] = (
    Column("provider", lambda each: each.provider),
    Column("recording", lambda each: each.id),
    Column("status", lambda each: each.status),
    Column("created", lambda each: each.created_at or each.started_at),
    Column("duration", lambda each: each.duration),
    Column("size", lambda each: each.size),
    Column("of", lambda each: each.target or each.kind),
)


@frozen
class Swept:
    """How one vendor's listing went."""

    provider: str
    account: str
    coverage: rec.Coverage
    #: how many were shown: those seen and not asked for were not
    shown: int
    error: rec.RecordingError | None = None


@click.command("list")
@click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]...")
@click.option("--since", type=MOMENT, help="Created then or later: 90d (ago), or ISO 8601.")
@click.option("--until", type=MOMENT, help="Created before then.")
@click.option(
    "--status",
    multiple=True,
    metavar="STATUS",
    type=click.Choice([each.value for each in rec.RecordingStatus]),
    help=f"Only these, may be repeated: {' '.join(rec.RecordingStatus)}.",
)
@click.option("--target", type=TARGET, help="Only of this call, conference or meeting.")
@output_options
@where_options
def list_recordings(
    providers: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    status: tuple[str, ...],
    target: rec.CommunicationSession | None,
    where: Where,
    out: Output,
) -> None:
    """List recordings, each once, and say what could not be seen.

    Without PROVIDER every vendor is asked whose credentials are set in the environment. Elsewhere
    than on a terminal the fields are: provider, id, status, created, duration in seconds, size in
    bytes, what it is a recording of. With --json the last line of each vendor is
    {"coverage": {...}}.

    Exit code 3: a listing is not complete, or one of several vendors did not answer.
    """
    names = tuple(dict.fromkeys(providers)) or _configured_providers()
    if where.base_url and len(names) > 1:
        raise click.UsageError("--base-url is one vendor's: name the PROVIDER")
    if since and until and since > until:
        raise click.UsageError("--since is after --until")

    def ask(provider: rec.Provider) -> rec.Listing:
        with wrong_call():
            return provider.list(since=since, until=until, target=target, status=status or None)

    swept = [_sweep(name, ask, where, out, several=len(names) > 1) for name in names]
    for each in swept:
        _tell(each, out, alone=len(swept) == 1)
    errors = [each.error for each in swept if each.error is not None]
    if errors and len(swept) == 1:
        raise errors[0]
    if errors and len(errors) == len(swept):
        raise rec.RecordingError("no vendor could be listed")
    if not all(each.coverage.complete for each in swept):
        raise needs_attention()


def _configured_providers() -> tuple[str, ...]:
    names = tuple(info.name for info in rec.providers().values() if configured(info))
    if not names:
        raise rec.ConfigurationError(
            "no vendor's credentials are set in the environment; `recordings doctor` names the "
            "variables"
        )
    return names


def _sweep(
    name: str,
    ask: Callable[[rec.Provider], rec.Listing],
    where: Where,
    out: Output,
    *,
    several: bool,
) -> Swept:
    """Write one vendor's recordings as they come. What goes wrong there stops no other vendor."""
    account = where.account or "default"
    listing: rec.Listing | None = None
    shown = 0

    def to_show(listing: rec.Listing) -> Iterator[rec.Recording]:
        nonlocal shown
        for recording in listing:
            shown += 1
            yield recording

    try:
        with where.connect(name) as provider:
            listing = ask(provider)
            rows: Iterable[rec.Recording] = to_show(listing)
            if out.for_people and several:
                click.secho(f"\n{provider.info.label}", bold=True)
            elif sys.stderr.isatty() and not sys.stdout.isatty():
                rows = _counted(rows, name)
            out.rows(rows, ON_TERMINAL if out.for_people else ELSEWHERE)
        return Swept(name, account, listing.coverage, shown)
    except rec.RecordingError as error:
        coverage = listing.coverage if listing else rec.Coverage(errors=(str(error),))
        return Swept(name, account, coverage, shown, error)


def _counted(rows: Iterable[rec.Recording], name: str) -> Iterator[rec.Recording]:
    """The same, with a count for whoever watches while the data goes to a file."""
    with counting(name) as count:
        for seen, recording in enumerate(rows, 1):
            count(f"{name}: {counted(seen, 'recording')}")
            yield recording


def _tell(swept: Swept, out: Output, *, alone: bool) -> None:
    if out.json:
        whose = {"provider": swept.provider, "account": swept.account}
        out.object({"coverage": whose | asdict(swept.coverage, recurse=False)})
    elif swept.error is None:
        of = f"{swept.shown:,} of " if swept.shown != swept.coverage.seen else ""
        say(f"{swept.provider}: {of}{coverage_words(swept.coverage)}")
    elif not alone:  # else it is the whole command's error
        say(f"Error: {swept.error}")


def coverage_words(coverage: rec.Coverage) -> str:
    """`45 recordings seen in 2 pages, complete; cannot be seen here: ...`"""
    words = f"{counted(coverage.seen, 'recording')} seen in {counted(coverage.pages, 'page')}"
    words += ", complete" if coverage.complete else ", NOT complete"
    if coverage.unreadable:
        words += f"; {counted(coverage.unreadable, 'row')} unreadable"
    for error in coverage.errors:
        words += f"; {error}"
    if coverage.not_listable:
        words += f"; cannot be seen here: {', '.join(coverage.not_listable)}"
    return words
