"""Messages: lines on standard error, and the errors with which a command ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

import recording_core as rec
from recording_core.accounts import uses_environment
from recording_core.cli.output.values import sanitize_line
from recording_core.configuration.environment import is_credential

#: The keys of click's `meta` for the account and the recording that the command is about now.
_ACCOUNT, _SUBJECT = f"{__name__}.account", f"{__name__}.subject"


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


def set_error_context(*, account: rec.Account | None = None, subject: str | None = None) -> None:
    """Set what `describe_error` adds: the account, and the recording or target, such as `call:x`.

    It stays so until the command ends, or another one is set.
    """
    meta = click.get_current_context().meta
    meta.update({_ACCOUNT: account} if account is not None else {})
    meta.update({_SUBJECT: subject} if subject is not None else {})


def describe_error(error: rec.RecordingError) -> str:
    """Describe an error for a person: which recording and account it is about, and what to check.

    The error names them itself if it is of a verb, and the account is not `default`.
    """
    text = str(error) or type(error).__name__
    if not isinstance(error, rec.ProviderError | rec.DownloadError):
        return text
    meta = click.get_current_context().meta
    account: rec.Account | None = meta.get(_ACCOUNT)
    subject: str = meta.get(_SUBJECT, "")
    more = [subject] if subject and subject.rpartition(" ")[2] not in text else []
    if account is not None:
        if f"account {account.name}" not in text:
            more.append(f"account {account.name!r}")
        if isinstance(error, rec.AuthenticationFailed):
            more.append(describe_credentials(account))
    return "; ".join((text.rstrip("."), *more))


def describe_credentials(account: rec.Account) -> str:
    """Describe what to check if a vendor does not accept an account's credentials."""
    try:
        is_of_file = not uses_environment(account)
    except rec.ConfigurationError:  # the file has changed meanwhile
        is_of_file = True
    if is_of_file:
        return f"check the credentials and permissions of this account in {account.source}"
    credentials = [each for each in _find_settings(account.provider) if is_credential(each)]
    given = [each.env for each in credentials if os.environ.get(each.env)]
    return f"check {' and '.join(given or [each.env for each in credentials])}"


def _find_settings(provider: str) -> Sequence[rec.Setting]:
    info = rec.providers().get(provider)
    return () if info is None else info.settings


def write_notes(interruption: BaseException) -> None:
    """Write what a command noted on its interruption, such as how much was done before."""
    for each in (interruption, interruption.__cause__):
        for note in getattr(each, "__notes__", ()):
            write_message(note)


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
