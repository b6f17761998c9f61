"""Which sessions should have a recording and have none? Those of a CSV file, at all accounts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import click

import recording_core as rec
from recording_core.cli.arguments import MOMENT, wrong_call
from recording_core.cli.commands.report import asked_accounts, config_option, waiting
from recording_core.cli.output.output import Column, Output, needs_attention, output_options, say
from recording_core.cli.output.values import counted

if TYPE_CHECKING:
    from recording_core.reporting.missing import Ask, Found

__all__ = ["missing"]

FOUND: tuple[Column[Found], ...] = (
    Column("ANSWER", lambda each: each.answer),
    Column("PROVIDER", lambda each: each.expected.provider),
    Column("ACCOUNT", lambda each: each.expected.account, yields=2),
    Column("SESSION", lambda each: each.expected.session),
    Column("STARTED", lambda each: each.expected.started_at, yields=1),
    Column("", lambda each: each.why or None),
)


@click.command()
@click.option(
    "--expected",
    required=True,
    metavar="FILE",
    help="CSV with the columns provider,kind,id and, if you like, account,started_at.",
)
@click.option("--since", type=MOMENT, help="Look at recordings created then or later.")
@click.option("--until", type=MOMENT, help="And before then.")
@click.option("--to", metavar="FOLDER", help="Keep what is collected there, a path or URL.")
@click.option(
    "--from", "source", metavar="FOLDER", help="Read what was collected there; ask no vendor."
)
@click.option("--all", "everything", is_flag=True, help="Name those that are recorded, too.")
@config_option
@output_options
def missing(
    expected: str,
    since: datetime | None,
    until: datetime | None,
    to: str | None,
    source: str | None,
    everything: bool,
    config: str | None,
    out: Output,
) -> None:
    """Find the sessions that should have a recording and have none.

    The answers are: recorded; no media (each recording failed, is empty or gone); missing (all was
    seen, and there is none); not seen (a vendor failed, or cannot list such recordings: there may
    be one). Elsewhere than on a terminal the fields are: answer, provider, account, session, its
    start, and why.

    Exit code 3: one of them is not recorded.
    """
    from recording_core.clock import SystemClock
    from recording_core.reporting.collect.selection import ReportWindow, collected
    from recording_core.reporting.missing import Answer, find_missing, read_expected

    sessions = read_expected(expected)
    accounts = asked_accounts(config, source if to is None else None)
    window = ReportWindow(since, until, "UTC", SystemClock().now())
    with ExitStack() as meanwhile:
        meanwhile.enter_context(wrong_call())
        with waiting(accounts):
            collection = meanwhile.enter_context(
                collected(window, accounts=accounts, to=to, source=source)
            )
        ask = _asking(accounts, meanwhile) if accounts is not None else None
        found = list(find_missing(sessions, collection, window, ask))
    shown = [each for each in found if everything or each.answer is not Answer.RECORDED]
    out.rows(shown, FOUND)
    counts = ", ".join(
        f"{number} {answer}"
        for answer in Answer
        if (number := sum(each.answer is answer for each in found))
    )
    say(f"{counted(len(found), 'session')} expected: {counts or 'none'}")
    if any(each.answer is not Answer.RECORDED for each in found):
        raise needs_attention()


def _asking(accounts: Sequence[rec.Account], meanwhile: ExitStack) -> Ask:
    """Asks an account for one session's recordings, where listing all of them cannot tell."""
    connections: dict[tuple[str, str], rec.Provider] = {}

    def ask(
        provider: str, account: str, session: rec.CommunicationSession
    ) -> Sequence[rec.Recording]:
        if (provider, account) not in connections:
            [its] = [each for each in accounts if (each.provider, each.name) == (provider, account)]
            connections[provider, account] = meanwhile.enter_context(its.connect())
        listing = connections[provider, account].list(target=session)
        found = list(listing)
        if not found and not listing.coverage.complete:
            raise rec.RecordingError(
                "; ".join(listing.coverage.errors) or "not all of its recordings could be seen"
            )
        return found

    return ask
