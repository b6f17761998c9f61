"""Command `missing`: finds the sessions of a CSV file that have no recording at any account."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
from attrs import evolve

import recording_core as rec
from recording_core.accounts import find_same_accounts
from recording_core.cli.arguments import raise_usage_errors
from recording_core.cli.commands.report import note_interruption, show_waiting_status
from recording_core.cli.options import CollectOptions, add_collect_options
from recording_core.cli.output.messages import AttentionNeeded, write_message
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.reporting.number_format import format_count

if TYPE_CHECKING:
    from recording_core.reporting.missing import ExpectedSession, SessionLookup, SessionResult

RESULT_COLUMNS: tuple[OutputColumn[SessionResult], ...] = (
    OutputColumn("OUTCOME", lambda each: each.outcome),
    OutputColumn("PROVIDER", lambda each: each.expected.provider),
    OutputColumn("ACCOUNT", lambda each: each.expected.account, drop_priority=2),
    OutputColumn("SESSION", lambda each: each.expected.session),
    OutputColumn("STARTED (UTC)", lambda each: each.expected.started_at, drop_priority=1),
    OutputColumn("REASON", lambda each: each.reason or None),
)


@click.command()
@click.option(
    "--expected",
    required=True,
    metavar="FILE",
    help="CSV file of sessions with the columns provider,kind,id and optionally "
    "account,started_at.",
)
@add_collect_options
@click.option("--all", "everything", is_flag=True, help="Show the recorded sessions too.")
@add_output_options
def missing(expected: str, collect: CollectOptions, everything: bool, out: Output) -> None:
    """Find sessions that should have a recording and have none.

    \b
    Outcomes:
      recorded  there is a recording with media
      no media  every recording failed, is empty, or its media is gone
      missing   everything was listed, and there is no recording
      not seen  there may be a recording: a vendor failed, or cannot list it

    In a pipe or file, the fields are: outcome, provider, account, session, start time, and
    reason.

    Exit code 3: at least one session is not recorded.
    """
    from recording_core.clock import SystemClock
    from recording_core.reporting.collect.collected_rows import open_collected_rows
    from recording_core.reporting.missing import (
        SessionOutcome,
        find_missing,
        read_expected_sessions,
    )
    from recording_core.reporting.next_steps import build_lookup
    from recording_core.reporting.window import ReportWindow

    sessions = read_expected_sessions(expected)
    accounts = collect.find_accounts()
    sessions = _rename_accounts(sessions, accounts or ())
    window = ReportWindow(collect.since, collect.until, collect.tz, SystemClock().now())
    with ExitStack() as stack:
        stack.enter_context(note_interruption(collect))
        stack.enter_context(raise_usage_errors())
        with show_waiting_status(accounts):
            collection = stack.enter_context(
                open_collected_rows(window, accounts=accounts, to=collect.to, source=collect.source)
            )
        lookup = _build_lookup(accounts, stack) if accounts is not None else None
        found = list(find_missing(sessions, collection, window, lookup))
    shown = [each for each in found if everything or each.outcome is not SessionOutcome.RECORDED]
    out.write_rows(shown, RESULT_COLUMNS)
    counts = Counter(each.outcome for each in found)
    outcomes = ", ".join(f"{counts[each]} {each}" for each in SessionOutcome if counts[each])
    write_message(f"{format_count(len(found), 'session')} expected: {outcomes or 'none'}")
    if counts[SessionOutcome.RECORDED] < len(found):
        first = next(each.expected for each in found if each.outcome is not SessionOutcome.RECORDED)
        write_message(
            f"To look again: {build_lookup(first.provider, first.account, first.session)}"
        )
        raise AttentionNeeded()


def _rename_accounts(
    sessions: Sequence[ExpectedSession], accounts: Sequence[rec.Account]
) -> tuple[ExpectedSession, ...]:
    """Name the account that is listed, if another one has the same credentials."""
    same = find_same_accounts(accounts)
    names = {(each.provider, each.name): earlier.name for each, earlier in same.items()}
    return tuple(
        evolve(each, account=names.get((each.provider, each.account or ""), each.account))
        for each in sessions
    )


def _build_lookup(accounts: Sequence[rec.Account], stack: ExitStack) -> SessionLookup:
    """Build a function that lists one session's recordings, if a full list does not show them."""
    configured = {(each.provider, each.name): each for each in accounts}

    @functools.cache
    def connect(provider: str, account: str) -> rec.Provider:
        return stack.enter_context(configured[provider, account].connect())

    def find_recordings(
        provider: str, account: str, session: rec.CommunicationSession
    ) -> Sequence[rec.Recording]:
        listing = connect(provider, account).list(target=session)
        found = list(listing)
        if not found and not listing.coverage.complete:
            raise rec.RecordingError(
                "; ".join(listing.coverage.errors)
                or "its recordings could not be listed completely"
            )
        return found

    return find_recordings
