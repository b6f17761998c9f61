"""How is one recording started, paused, stopped, shown, downloaded, deleted?"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

import recording_core as rec
from recording_core.cli.arguments import (
    DURATION,
    EXTRA,
    KIND,
    PROVIDER,
    TARGET,
    Where,
    where_options,
    wrong_call,
)
from recording_core.cli.output.output import Column, Output, needs_attention, output_options, say
from recording_core.cli.output.progress import downloading
from recording_core.cli.output.values import counted, size
from recording_core.redaction import redact_url

__all__ = ["active", "delete", "download", "pause", "resume", "show", "start", "stop"]

SESSION: tuple[Column[rec.RecordingSession], ...] = (
    Column("PROVIDER", lambda each: each.provider),
    Column("RECORDING", lambda each: each.id),
    Column("STATUS", lambda each: each.status),
    Column("OF", lambda each: each.target),
)

RECORDING: tuple[Column[rec.Recording], ...] = (
    Column("recording", lambda each: each.id),
    Column("provider", lambda each: each.provider),
    Column("account", lambda each: each.account),
    Column("status", lambda each: each.status),
    Column("vendor's word", lambda each: each.provider_status),
    Column("of", lambda each: each.target or each.kind),
    Column("reference", lambda each: each.reference),
    Column("title", lambda each: each.title),
    Column("created", lambda each: each.created_at),
    Column("started", lambda each: each.started_at),
    Column("ended", lambda each: each.ended_at),
    Column("duration", lambda each: each.duration),
    Column("size", lambda each: each.size, size),
    Column("format", lambda each: each.format),
    Column("channels", lambda each: each.channels),
    Column("media until", lambda each: each.media_expires_at),
    Column("deleted", lambda each: each.deleted_at),
    Column("error", lambda each: each.error),
)

FILE: tuple[Column[rec.MediaFile], ...] = (
    Column("FILE", lambda each: each.id),
    Column("ROLE", lambda each: each.role),
    Column("FORMAT", lambda each: each.format),
    Column("SIZE", lambda each: each.size, size, right=True),
    Column("DURATION", lambda each: each.duration, right=True),
    Column("PARTICIPANT", lambda each: each.participant),
)

COPY: tuple[Column[rec.Copy], ...] = (
    Column("COPY", lambda each: each.path),
    Column("SIZE", lambda each: each.size, size, width=8, right=True),
    Column("CHECKS", lambda each: each.checks, yields=1),
    Column("SHA256", lambda each: each.sha256, lambda value: f"{value[:12]}…", yields=2),
)


# -- an act of recording --------------------------------------------------------------------------


@click.command()
@click.argument("provider", type=PROVIDER)
@click.argument("kind", type=KIND, metavar="KIND")
@click.argument("id")
@click.option("--format", metavar="FORMAT", help="Such as mp3, wav, mp4.")
@click.option("--max-duration", type=DURATION, help="Stop by itself then, such as 1h30m.")
@click.option("--channels", type=click.IntRange(min=1), help="2 for a side each.")
@click.option("--participant", "participants", multiple=True, help="Only this one; repeatable.")
@click.option("--tracks", is_flag=True, help="One file a participant.")
@click.option("--title")
@click.option("--callback-url", metavar="URL", help="Where the vendor sends its webhooks.")
@click.option(
    "--extra", multiple=True, type=EXTRA, help="Handed to the vendor as it is; repeatable."
)
@output_options
@where_options
def start(
    provider: str,
    kind: str,
    id: str,
    format: str | None,
    max_duration: timedelta | None,
    channels: int | None,
    participants: tuple[str, ...],
    tracks: bool,
    title: str | None,
    callback_url: str | None,
    extra: tuple[tuple[str, Any], ...],
    where: Where,
    out: Output,
) -> None:
    """Start recording a call, conference or meeting.

    KIND is call, conference or meeting, and ID what the vendor calls it. Without --max-duration
    the vendor's longest is asked for. It is sent once, whatever happens.
    """
    target = _target(kind, id)
    with where.connect(provider) as connected, wrong_call():
        session = connected.start(
            target,
            format=format,
            max_duration=max_duration,
            channels=channels,
            participant=participants or None,
            tracks=tracks,
            title=title,
            callback_url=callback_url,
            extra=dict(extra) or None,
        )
    out.rows((session,), SESSION)
    if out.for_people:
        of_it = f" --recording {shlex.quote(session.id)}" if session.id else ""
        say(f"\nstop it with: recordings stop {provider} {kind} {shlex.quote(id)}{of_it}")


def _session_verb(
    name: str, help: str, act: Callable[[rec.Provider, rec.RecordingSession], rec.RecordingSession]
) -> click.Command:
    """pause, resume and stop: one shape, three verbs."""

    @click.command(name, help=help)
    @click.argument("provider", metavar="PROVIDER|-")
    @click.argument("kind", type=KIND, metavar="[KIND]", required=False)
    @click.argument("id", required=False)
    @click.option("--recording", metavar="ID", help="This recording of it.")
    @output_options
    @where_options
    @click.pass_context
    def command(
        ctx: click.Context,
        provider: str,
        kind: str | None,
        id: str | None,
        recording: str | None,
        where: Where,
        out: Output,
    ) -> None:
        if provider == "-":
            if kind or id or recording:
                raise click.UsageError("`-` stands alone: the session says all of it")
            session = rec.loads(sys.stdin.buffer.read(), rec.RecordingSession)
        else:
            name = PROVIDER.convert(provider, None, ctx)
            if not kind or not id:
                raise click.UsageError("say PROVIDER KIND ID, or - for a session's JSON on stdin")
            session = rec.RecordingSession(
                name, where.account or "default", recording or None, _target(kind, id)
            )
        with where.connect(session.provider, account=session.account) as connected, wrong_call():
            out.rows((act(connected, session),), SESSION)

    return command


_SAY = """

KIND is call, conference or meeting, and ID what the vendor calls it. In place of them, `-` reads
a session's JSON from standard input, as `start --json` writes it.
"""
pause = _session_verb(
    "pause",
    f"Suspend a recording, such as while a card number is read out. May be repeated.{_SAY}",
    lambda provider, session: provider.pause(session),
)
resume = _session_verb(
    "resume",
    f"Go on after a pause. May be repeated.{_SAY}",
    lambda provider, session: provider.resume(session),
)
stop = _session_verb(
    "stop",
    f"End a recording. Success also where nothing records any more.{_SAY}",
    lambda provider, session: provider.stop(session),
)


@click.command()
@click.argument("provider", type=PROVIDER)
@click.argument("kind", type=KIND, metavar="KIND")
@click.argument("id")
@output_options
@where_options
def active(provider: str, kind: str, id: str, where: Where, out: Output) -> None:
    """Show the recording that runs now, by whomever it was started; nothing where none does."""
    target = _target(kind, id)
    with where.connect(provider) as connected:
        session = connected.active(target)
    if session is None:
        say(f"{target} is not recorded at {provider} now")
    else:
        out.rows((session,), SESSION)


def _target(kind: str, id: str) -> rec.CommunicationSession:
    with wrong_call():
        return rec.CommunicationSession(rec.SessionKind(kind), id)


# -- recordings -----------------------------------------------------------------------------------

_of = click.option(
    "--of",
    "target",
    type=TARGET,
    help="What it is a recording of, where the vendor finds it only so.",
)


@click.command()
@click.argument("provider", type=PROVIDER)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_of
@output_options
@where_options
def show(
    provider: str,
    ids: tuple[str, ...],
    target: rec.CommunicationSession | None,
    where: Where,
    out: Output,
) -> None:
    """Show what the vendor says of a recording."""

    def look(connected: rec.Provider, id: str) -> None:
        recording = connected.get(id, target=target)
        out.fields(recording, RECORDING)
        if out.for_people and recording.files:
            click.echo()
            out.rows(recording.files, FILE)
            for file in recording.files:
                if file.url:
                    click.echo(f"{file.id}: {file.url if out.urls else redact_url(file.url)}")

    with where.connect(provider) as connected:
        _each(ids, lambda id: look(connected, id))


@click.command()
@click.argument("provider", type=PROVIDER)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_of
@click.option(
    "--to",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The directory; made where it is missing.  [default: here]",
)
@click.option("--only", multiple=True, metavar="ROLE", help="Files of this role or id; repeatable.")
@output_options
@where_options
def download(
    provider: str,
    ids: tuple[str, ...],
    target: rec.CommunicationSession | None,
    directory: Path,
    only: tuple[str, ...],
    where: Where,
    out: Output,
) -> None:
    """Copy recordings' files into a directory, whole and verified.

    Exit code 3: one of several could not be copied, or nothing proves that a copy is whole.
    """
    unverified = False
    with where.connect(provider) as connected:

        def fetch(id: str) -> None:
            nonlocal unverified
            recording = connected.get(id, target=target)
            with downloading((recording,), directory, id) as arrived, wrong_call():
                copies = connected.download(recording, directory, target=target, files=only or None)
                arrived(copies)
            out.rows(copies, COPY)
            unverified = unverified or any("unverified" in copy.checks for copy in copies)

        _each(ids, fetch)
    if unverified:
        say("unverified: the vendor told neither size nor checksum nor end of a file")
        raise needs_attention()


@click.command()
@click.argument("provider", type=PROVIDER)
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@_of
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_options
@where_options
def delete(
    provider: str,
    ids: tuple[str, ...],
    target: rec.CommunicationSession | None,
    yes: bool,
    where: Where,
    out: Output,
) -> None:
    """Delete recordings at the vendor, for good.

    Asks first on a terminal, and elsewhere wants --yes.
    """
    with where.connect(provider) as connected:
        if not yes:
            if not sys.stdin.isatty():
                raise click.UsageError("deleting is for good: say --yes where nobody can be asked")
            what = f"{counted(len(ids), 'recording')} at {connected.info.label}"
            try:
                sure = click.confirm(f"Delete {what} for good?", err=True)
            except click.Abort:
                click.echo(err=True)  # the shell's next prompt stands on a line of its own
                raise
            if not sure:
                raise click.ClickException("nothing was deleted")

        def remove(id: str) -> None:
            connected.delete(id, target=target)
            if out.json:
                out.object({"provider": provider, "id": id, "deleted": True})
            else:
                say(f"{provider}: {id} is deleted")

        _each(ids, remove)


def _each(ids: Sequence[str], act: Callable[[str], None]) -> None:
    """One after the other; what goes wrong with one is told, and stops none of the others."""
    wrong: dict[str, rec.RecordingError] = {}
    for id in dict.fromkeys(ids):
        try:
            with wrong_call():
                act(id)
        except rec.RecordingError as error:
            wrong[id] = error
            if len(ids) > 1:
                say(f"Error: {id}: {error}")
    if wrong and len(ids) == 1:
        raise next(iter(wrong.values()))
    if wrong and len(wrong) == len(set(ids)):
        raise rec.RecordingError(f"none of {counted(len(wrong), 'recording')} went well")
    if wrong:
        raise needs_attention()
