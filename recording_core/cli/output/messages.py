"""Messages: lines on standard error, and the errors with which a command ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

import recording_core as rec
from recording_core.cli.output.values import sanitize_line


class AttentionNeeded(click.exceptions.Exit):
    """Ends a command that succeeded although something needs attention, with exit code 3."""

    def __init__(self) -> None:
        super().__init__(3)


def raise_errors(
    errors: Sequence[rec.RecordingError], count: int, message: str, *, complete: bool = True
) -> None:
    """Raise the errors of `count` actions, each of which was reported, unless there are none.

    Raises the error of a single action, `message` if every action failed, and `AttentionNeeded` if
    some failed or the result is not complete.
    """
    if errors and count == 1:
        raise errors[0]
    if errors and len(errors) == count:
        raise rec.RecordingError(f"{message}: see the errors above")
    if errors or not complete:
        raise AttentionNeeded()


def write_message(text: str) -> None:
    """Write a message, as one line, to standard error."""
    click.echo(sanitize_line(text), err=True)


def describe_account(provider: rec.Provider) -> str:
    """Describe the account that an action affects, and the API that receives the request."""
    return f"account {provider.account!r} of {provider.info.label} at {provider.transport.base_url}"


def confirm_action(question: str, *, reason: str, refused: str) -> None:
    """Ask a person to confirm an action.

    Without a terminal it raises `UsageError` with the reason why it must be confirmed; an answer
    other than yes ends the command with the message `refused`.
    """
    if not sys.stdin.isatty():
        text = f"{reason}: confirm it with --yes, as this is not a terminal."
        raise click.UsageError(sanitize_line(text))
    try:
        confirmed = click.confirm(sanitize_line(question), err=True)
    except click.Abort:
        click.echo(err=True)  # so that the shell's prompt begins on a new line
        raise
    if not confirmed:
        raise click.ClickException(refused)
