"""Messages: lines on standard error, and the errors with which a command ends."""

from __future__ import annotations

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
