"""Commands for one recording: start, pause, resume, stop, active, show, download, delete."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import recording_core as rec
from recording_core.cli.arguments import EXTRA, PROVIDER, TARGET, build_target, raise_usage_errors
from recording_core.cli.options import (
    ConnectOptions,
    StartCommand,
    add_arguments,
    add_connect_options,
    add_connection,
    build_option_group,
)
from recording_core.cli.output.messages import (
    AttentionNeeded,
    confirm_action,
    describe_account,
    raise_errors,
    write_message,
)
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.progress import show_download_progress
from recording_core.redaction import escape_controls, redact_url
from recording_core.reporting.number_format import format_count, format_size

SESSION: tuple[OutputColumn[rec.RecordingSession], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider),
    OutputColumn("RECORDING", lambda each: each.id),
    OutputColumn("STATUS", lambda each: each.status),
    OutputColumn("TARGET", lambda each: each.target),
)

RECORDING: tuple[OutputColumn[rec.Recording], ...] = (
    OutputColumn("recording", lambda each: each.id),
    OutputColumn("provider", lambda each: each.provider),
    OutputColumn("account", lambda each: each.account),
    OutputColumn("status", lambda each: each.status),
    OutputColumn("vendor status", lambda each: each.provider_status),
    OutputColumn("target", lambda each: each.target or each.kind),
    OutputColumn("reference", lambda each: each.reference),
    OutputColumn("title", lambda each: each.title),
    OutputColumn("created", lambda each: each.created_at),
    OutputColumn("started", lambda each: each.started_at),
    OutputColumn("ended", lambda each: each.ended_at),
    OutputColumn("duration", lambda each: each.duration),
    OutputColumn("size", lambda each: each.size, format_size),
    OutputColumn("format", lambda each: each.format),
    OutputColumn("channels", lambda each: each.channels),
    OutputColumn("media expires", lambda each: each.media_expires_at),
    OutputColumn("deleted", lambda each: each.deleted_at),
    OutputColumn("error", lambda each: each.error),
)

FILE: tuple[OutputColumn[rec.MediaFile], ...] = (
    OutputColumn("FILE", lambda each: each.id),
    OutputColumn("ROLE", lambda each: each.role),
    OutputColumn("FORMAT", lambda each: each.format),
    OutputColumn("SIZE", lambda each: each.size, format_size, right=True),
    OutputColumn("DURATION", lambda each: each.duration, right=True),
    OutputColumn("PARTICIPANT", lambda each: each.participant),
)

COPY: tuple[OutputColumn[rec.Copy], ...] = (
    OutputColumn("COPY", lambda each: each.path),
    OutputColumn("SIZE", lambda each: each.size, format_size, width=8, right=True),
    OutputColumn("CHECKS", lambda each: each.checks, drop_priority=1),
    OutputColumn("SHA256", lambda each: each.sha256, "{:.12}…".format, drop_priority=2),
    OutputColumn("VERIFIED", lambda each: each.verified),
)


# -- recording sessions ---------------------------------------------------------------------------

KIND = click.Choice([kind.value for kind in rec.SessionKind])
#: PROVIDER KIND ID; a command receives the last two as `target`.
_add_target_arguments = build_option_group(
    "target",
    build_target,
    click.argument("provider", type=PROVIDER),
    click.argument("kind", type=KIND, metavar="KIND"),
    click.argument("id"),
)


@click.command(cls=StartCommand)
@_add_target_arguments
@click.option(
    "--extra",
    multiple=True,
    type=EXTRA,
    help="Add this field to the vendor's request. May be repeated.",
)
@add_output_options
@add_connection
def start(
    provider: rec.Provider,
    target: rec.CommunicationSession,
    extra: tuple[tuple[str, Any], ...],
    out: Output,
    **parameters: Any,
) -> None:
    """Start recording a call, conference or meeting.

    KIND is call, conference or meeting; ID is its identifier at the vendor. What no option sets
    is the vendor's default. The request is sent at most once, even if it fails.
    """
    given = {name: value for name, value in parameters.items() if value}
    with raise_usage_errors():
        session = provider.start(target, extra=dict(extra) or None, **given)
    out.write_rows((session,), SESSION)
    if out.is_table:
        words = [provider.name, target.kind, target.id]
        words += ["--account", provider.account] if provider.account != "default" else []
        words += ["--recording", session.id] if session.id else []
        write_message(f"To stop: recordings stop {shlex.join(words)}")


def _build_session_command(verb: str, summary: str) -> click.Command:
    """Build the command `pause`, `resume` or `stop`, which have the same arguments."""

    @click.command(verb, help=f"{summary}\n\n{_SESSION_HELP}")
    @click.argument("provider", metavar="PROVIDER|-")
    @click.argument("kind", type=KIND, metavar="[KIND]", required=False)
    @click.argument("id", required=False)
    @click.option(
        "--recording", metavar="ID", help="Id of the recording, if the target has several."
    )
    @add_output_options
    @add_connect_options
    def command(
        provider: str,
        kind: str | None,
        id: str | None,
        recording: str | None,
        connect_options: ConnectOptions,
        out: Output,
    ) -> None:
        if provider == "-":
            if kind or id or recording:
                raise click.UsageError(
                    "`-` takes no KIND, ID or --recording: the session has them."
                )
            session = rec.loads(sys.stdin.buffer.read(), rec.RecordingSession)
            if connect_options.account not in (None, session.account):
                raise click.UsageError(
                    f"The session belongs to account {session.account!r}, not to "
                    f"{connect_options.account!r}."
                )
            account = connect_options.choose(session.provider, session.account)
        else:
            name = PROVIDER.convert(provider, None, None)
            if not kind or not id:
                raise click.UsageError(
                    "Give PROVIDER KIND ID, or - to read a session's JSON from standard input."
                )
            target = build_target(kind, id)
            account = connect_options.choose(name)
            session = rec.RecordingSession(name, account.name, recording or None, target)
        with connect_options.open(account) as connection, raise_usage_errors():
            out.write_rows((getattr(connection, verb)(session),), SESSION)

    return command


_SESSION_HELP = """
KIND is call, conference or meeting; ID is its identifier at the vendor. With `-` as the only
argument, the session is read as JSON from standard input, as `start --json` prints it. It is used
with the credentials of the account that it names.
"""
pause = _build_session_command(
    "pause", "Pause a recording, e.g. while a card number is read out. May be repeated."
)
resume = _build_session_command("resume", "Resume a paused recording. May be repeated.")
stop = _build_session_command(
    "stop", "Stop a recording. Also succeeds if the recording has already ended."
)


@click.command()
@_add_target_arguments
@add_output_options
@add_connection
def active(provider: rec.Provider, target: rec.CommunicationSession, out: Output) -> None:
    """Show the recording that is in progress, if any.

    Also shows a recording that another program or the vendor started. KIND is call, conference or
    meeting; ID is its identifier at the vendor.
    """
    session = provider.active(target)
    if session is None:
        write_message(f"{provider.name}: {target} is not being recorded.")
    else:
        out.write_rows((session,), SESSION)


# -- recordings -----------------------------------------------------------------------------------

if TYPE_CHECKING:  # the entities are imported when a command runs
    #: The option `--target`.
    Target = rec.CommunicationSession | None
#: PROVIDER ID... and --target
_add_recording_arguments = add_arguments(
    click.argument("provider", type=PROVIDER),
    click.argument("ids", nargs=-1, required=True, metavar="ID..."),
    click.option(
        "--target",
        type=TARGET,
        help="The call, conference or meeting; needed by vendors that look recordings up by it.",
    ),
)


@click.command()
@_add_recording_arguments
@add_output_options
@add_connection
def show(provider: rec.Provider, ids: tuple[str, ...], target: Target, out: Output) -> None:
    """Show the details of recordings."""

    def show_recording(id: str) -> None:
        recording = provider.get(id, target=target)
        out.write_fields(recording, RECORDING)
        if out.is_table and recording.files:
            click.echo()
            out.write_rows(recording.files, FILE)
            for file in recording.files:
                if file.url:
                    url = file.url if out.urls else redact_url(file.url)
                    click.echo(escape_controls(f"{file.id}: {url}"))

    _apply_to_each(ids, show_recording)


@click.command()
@_add_recording_arguments
@click.option(
    "--to",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default="the current directory",
    help="Directory for the files; created if missing.",
)
@click.option(
    "--only",
    multiple=True,
    metavar="ROLE",
    help="Download only files with this role or id. May be repeated.",
)
@add_output_options
@add_connection
def download(
    provider: rec.Provider,
    ids: tuple[str, ...],
    target: Target,
    directory: Path,
    only: tuple[str, ...],
    out: Output,
) -> None:
    """Download the files of recordings and verify them.

    A file is downloaded completely or not at all.

    Exit code 3: one of several recordings could not be downloaded, or a copy is not verified.
    """
    verified: list[bool] = []

    def download_recording(id: str) -> None:
        recording = provider.get(id, target=target)
        with show_download_progress((recording,), directory, id) as add_copies:
            copies = provider.download(recording, directory, target=target, files=only or None)
            add_copies(copies)
        out.write_rows(copies, COPY)
        for copy in copies:
            verified.append(copy.verified)
            for doubt in copy.doubts:
                write_message(f"{copy.path}: {doubt}.")

    _apply_to_each(ids, download_recording)
    if not all(verified):
        raise AttentionNeeded()


@click.command()
@_add_recording_arguments
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@add_output_options
@add_connection
def delete(
    provider: rec.Provider, ids: tuple[str, ...], target: Target, yes: bool, out: Output
) -> None:
    """Delete recordings at the vendor permanently.

    Asks for confirmation on a terminal; otherwise --yes is required.
    """

    place = describe_account(provider)

    def delete_recording(id: str) -> None:
        provider.delete(id, target=target)
        if out.json:
            names = {"provider": provider.name, "account": provider.account}
            out.write_object({**names, "id": id, "deleted": True})
        else:
            write_message(f"Deleted {id} of {place}.")

    if not yes:
        recordings = f"{format_count(len(ids), 'recording')} of {place}"
        confirm_action(
            f"Delete {recordings} permanently?",
            reason=f"This deletes {recordings} permanently",
            refused="Nothing was deleted.",
        )
    _apply_to_each(ids, delete_recording)


def _apply_to_each(ids: Sequence[str], act: Callable[[str], None]) -> None:
    """Call `act` for each id. An error of one is reported and does not stop the others."""
    ids = tuple(dict.fromkeys(ids))
    errors: list[rec.RecordingError] = []
    for id in ids:
        try:
            with raise_usage_errors():
                act(id)
        except rec.RecordingError as error:
            errors.append(error)
            if len(ids) > 1:
                write_message(f"Error: {id}: {error}")
    raise_errors(errors, len(ids), f"Failed for all of {format_count(len(ids), 'recording')}")
