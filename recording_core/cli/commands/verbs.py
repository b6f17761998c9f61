"""Commands for a recording session: start, pause, resume, stop, active."""

from __future__ import annotations

import shlex
import sys
from datetime import timedelta
from typing import Any

import click

import recording_core as rec
from recording_core.cli.arguments import EXTRA, PROVIDER, build_target, raise_usage_errors
from recording_core.cli.options import (
    ConnectOptions,
    StartCommand,
    add_connect_options,
    add_connection,
    build_option_group,
)
from recording_core.cli.output.messages import set_error_context, write_message
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.model.enums import FINAL

SESSION: tuple[OutputColumn[rec.RecordingSession], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider),
    OutputColumn("RECORDING", lambda each: each.id),
    OutputColumn("STATUS", lambda each: each.status),
    OutputColumn("TARGET", lambda each: each.target),
)


def _build_target(kind: str, id: str) -> rec.CommunicationSession:
    target = build_target(kind, id)
    set_error_context(subject=str(target))
    return target


KIND = click.Choice([kind.value for kind in rec.SessionKind])
#: PROVIDER KIND ID; a command receives the last two as `target`.
_add_target_arguments = build_option_group(
    "target",
    _build_target,
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
        alone = shlex.join(["--recording", session.id]) if session.id else ""
        alone = alone and f" (this recording alone: {alone})"
        write_message(f"To stop: recordings stop {shlex.join(words)}{alone}")


def _build_session_command(verb: str, summary: str) -> click.Command:
    """Build the command `pause`, `resume` or `stop`, which have the same arguments."""

    @click.command(verb, help=f"{summary}\n\n{_SESSION_HELP}")
    @click.argument("provider", metavar="PROVIDER|-", shell_complete=PROVIDER.shell_complete)
    @click.argument("kind", type=KIND, metavar="[KIND]", required=False)
    @click.argument("id", required=False)
    @click.option(
        "--recording",
        metavar="ID",
        help="Id of the recording, if the target has several. For some vendors give `-` instead.",
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
        set_error_context(subject=str(session.target))
        with connect_options.open(account) as connection, raise_usage_errors():
            try:
                after = getattr(connection, verb)(session)
            except KeyboardInterrupt as interruption:
                interruption.add_note(
                    f"Interrupted. The {verb} of {session.target} may have taken effect: repeat it."
                )
                raise
            is_known = session.id is not None or session.started_at is not None
            if verb == "stop" and not is_known and not _shows_recording(connection, after):
                is_certain = _report_nothing(connection, session.target)
                if is_certain and not out.json:
                    return
            out.write_rows((after,), SESSION)

    return command


def _shows_recording(provider: rec.Provider, stopped: rec.RecordingSession) -> bool:
    """Whether the vendor shows a recording that a stop of a bare target may have stopped.

    Vendors accept the stop of what is not being recorded. Their answer then names no recording, and
    the list has none that runs or has just ended.
    """
    if stopped.id is not None or stopped.status is rec.RecordingStatus.STOPPING:
        return True
    now = provider.clock.now()
    try:
        found = provider.list(target=stopped.target, since=now - timedelta(days=1))
        return any(
            each.status not in FINAL or (each.ended_at or now) > now - timedelta(minutes=5)
            for each in found
        )
    except rec.RecordingError:
        return False


def _report_nothing(provider: rec.Provider, target: rec.CommunicationSession) -> bool:
    """Write that nothing was recording, and return whether the vendor's API shows it for certain.

    It does if it shows what is being recorded now.
    """
    label = provider.info.label
    shown = f"{label} shows no recording of {target} that runs or has just ended."
    if provider.can(rec.Operation.ACTIVE, target.kind):
        write_message(f"Nothing was recording: {shown}")
        return True
    words = [provider.name, "--account", provider.account, "--target", str(target)]
    write_message(
        f"Nothing was recording, or it is not listed yet: {shown} A recording that was stopped now "
        f"may be listed some minutes later. To look again: recordings list {shlex.join(words)}"
    )
    return False


_SESSION_HELP = """
KIND is call, conference or meeting; ID is its identifier at the vendor. With `-` as the only
argument, the session is read as JSON from standard input, as `start --json` prints it. It is used
with the credentials of the account that it names.
"""
pause = _build_session_command(
    "pause", "Pause a recording, such as while a card number is read out. May be repeated."
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
