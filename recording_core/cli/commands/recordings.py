"""Commands for recordings: show, download, delete."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import define, field, frozen

import recording_core as rec
from recording_core.cli.arguments import PROVIDER, TARGET, raise_usage_errors
from recording_core.cli.options import ConnectOptions, add_arguments, add_connect_options
from recording_core.cli.output.messages import (
    AttentionNeeded,
    confirm_action,
    describe_account,
    describe_error,
    raise_errors,
    set_error_context,
    write_message,
)
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.progress import show_download_progress
from recording_core.redaction import escape_controls, redact_url
from recording_core.reporting.number_format import format_count, format_size

RECORDING: tuple[OutputColumn[rec.Recording], ...] = (
    OutputColumn("recording", lambda each: each.id),
    OutputColumn("provider", lambda each: each.provider),
    OutputColumn("account", lambda each: each.account),
    OutputColumn("status", lambda each: each.status),
    OutputColumn("vendor status", lambda each: each.provider_status),
    OutputColumn("target", lambda each: each.target or each.kind),
    OutputColumn("reference", lambda each: each.reference),
    OutputColumn("title", lambda each: each.title),
    OutputColumn("created (UTC)", lambda each: each.created_at),
    OutputColumn("started (UTC)", lambda each: each.started_at),
    OutputColumn("ended (UTC)", lambda each: each.ended_at),
    OutputColumn("duration", lambda each: each.duration),
    OutputColumn("size", lambda each: each.size, format_size),
    OutputColumn("format", lambda each: each.format),
    OutputColumn("channels", lambda each: each.channels),
    OutputColumn("media expires (UTC)", lambda each: each.media_expires_at),
    OutputColumn("deleted (UTC)", lambda each: each.deleted_at),
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


if TYPE_CHECKING:  # the entities are imported when a command runs
    #: The option `--target`.
    Target = rec.CommunicationSession | None
    AddCopies = Callable[[Sequence[rec.Copy]], None]
#: PROVIDER ID... and --target
_add_recording_arguments = add_arguments(
    click.argument("provider", metavar="PROVIDER|-", shell_complete=PROVIDER.shell_complete),
    click.argument("ids", nargs=-1, metavar="[ID...|-]"),
    click.option(
        "--target",
        type=TARGET,
        help="The call, conference or meeting; needed by vendors that look recordings up by it.",
    ),
)


@frozen
class ChosenRecording:
    """A recording, and the connection to its account."""

    account: rec.Account
    provider: rec.Provider
    id: str
    target: Target


def _choose_recordings(
    provider: str, ids: Sequence[str], target: Target, connect_options: ConnectOptions
) -> tuple[ChosenRecording, ...]:
    """Connect to the account of each recording until the command ends; sends no request."""
    from recording_core.cli.recording_ids import STDIN, read_recording_ids

    if provider != STDIN and not ids:
        raise click.UsageError("Give at least one ID, or - to read the ids from standard input.")
    wanted = read_recording_ids(provider, ids, target)
    for each in wanted:
        if each.account is not None and connect_options.account not in (None, each.account):
            raise click.UsageError(
                f"Recording {each.id} belongs to account {each.account!r}, not to "
                f"{connect_options.account!r}."
            )
    accounts = {
        (each.provider, each.account): connect_options.choose(each.provider, each.account)
        for each in wanted
    }
    connect_options.check_base_url(tuple(set(accounts.values())))
    opened = {
        account: click.get_current_context().with_resource(connect_options.open(account))
        for account in dict.fromkeys(accounts.values())
    }
    return tuple(
        ChosenRecording(account, opened[account], each.id, each.target)
        for each in wanted
        for account in [accounts[each.provider, each.account]]
    )


@click.command()
@_add_recording_arguments
@add_output_options
@add_connect_options
def show(
    provider: str,
    ids: tuple[str, ...],
    target: Target,
    connect_options: ConnectOptions,
    out: Output,
) -> None:
    """Show the details of recordings.

    With `-` as the only ID, the ids are read from standard input: one per line, or what
    `recordings list` prints in a pipe or with --json, for any account of PROVIDER. With `-` in
    place of PROVIDER and ID, they may be of any vendor.
    """

    def show_recording(wanted: ChosenRecording) -> None:
        recording = wanted.provider.get(wanted.id, target=wanted.target)
        out.write_fields(recording, RECORDING)
        if out.is_table and recording.files:
            click.echo()
            out.write_rows(recording.files, FILE)
            for file in recording.files:
                if file.url:
                    url = file.url if out.urls else redact_url(file.url)
                    click.echo(escape_controls(f"{file.id}: {url}"))

    recordings = _choose_recordings(provider, ids, target, connect_options)
    _raise_errors(_apply_to_each(recordings, show_recording), recordings)


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
@click.option("--again", is_flag=True, help="Also download files that are already there.")
@click.option(
    "--sidecar",
    is_flag=True,
    help="Write NAME.sha256 next to each verified file, for `sha256sum -c` and for later "
    "downloads, which recognise the file by it.",
)
@add_output_options
@add_connect_options
def download(
    provider: str,
    ids: tuple[str, ...],
    target: Target,
    connect_options: ConnectOptions,
    directory: Path,
    only: tuple[str, ...],
    again: bool,
    sidecar: bool,
    out: Output,
) -> None:
    """Download the files of recordings and verify them.

    A file is downloaded completely or not at all.

    With `-` as the only ID, the ids are read from standard input: one per line, or what
    `recordings list` prints in a pipe or with --json, for any account of PROVIDER. With `-` in
    place of PROVIDER and ID, they may be of any vendor.

    A file that is already there is verified again and not downloaded, if it has the size or the
    SHA-256 that the vendor reports, or the SHA-256 of its side-car.

    Exit code 3: one of several recordings could not be downloaded, or a copy is not verified.
    """
    from recording_core.download.existing_copy import find_verified_copies, update_side_car
    from recording_core.provider.validation import select_files

    recordings = _choose_recordings(provider, ids, target, connect_options)
    run = DownloadRun(len(recordings))

    def download_recording(wanted: ChosenRecording) -> None:
        recording = wanted.provider.get(wanted.id, target=wanted.target)
        files = select_files(recording, only or None) if recording.files else ()
        there = () if again else find_verified_copies(wanted.provider, recording, files, directory)
        missing = [each for each in files if each not in [copy.file for copy in there]]
        copies: tuple[rec.Copy, ...] = ()
        is_complete = False
        try:
            if missing or not files:
                with run.show_progress(recording, directory) as add_copies:
                    copies = wanted.provider.download(
                        recording, directory, target=wanted.target, files=missing or only or None
                    )
                    add_copies(copies)
            is_complete = True
        except rec.RecordingError as error:
            copies = error.copies
            raise
        finally:
            run.add(there, copies, is_complete=is_complete)
            if not out.is_table:
                out.write_rows((*there, *copies), COPY)
            for copy in (*there, *copies):
                update_side_car(copy, wanted=sidecar)

    try:
        with run.show_total_progress(directory):
            errors = _apply_to_each(recordings, download_recording)
    except KeyboardInterrupt as interruption:
        interruption.add_note(f"Interrupted. {run.describe()}.")
        raise
    finally:
        run.write_copies(out)
    if len(recordings) > 1 or run.there:
        write_message(f"{run.describe()}.")
    _raise_errors(errors, recordings)
    if not all(copy.verified for copy in run.copies):
        raise AttentionNeeded()


@define
class DownloadRun:
    """What a download of recordings did so far."""

    wanted: int
    copies: list[rec.Copy] = field(factory=list)
    #: the number of recordings that were downloaded, and that were there and verified
    downloaded: int = 0
    there: int = 0
    received: int = 0
    _add_to_total: AddCopies | None = None

    def add(
        self, there: Sequence[rec.Copy], copies: Sequence[rec.Copy], *, is_complete: bool
    ) -> None:
        """Add the copies of one recording that were there, and those that were made now."""
        self.copies += (*there, *copies)
        self.downloaded += bool(is_complete and copies)
        self.there += bool(is_complete and not copies)
        self.received += sum(copy.size for copy in copies)
        if self._add_to_total is not None:
            self._add_to_total((*there, *copies))

    def describe(self) -> str:
        """Describe what was done: `3 recordings: 2 downloaded (1.2 MB), 1 not downloaded`."""
        parts = []
        if self.downloaded:
            parts.append(f"{self.downloaded} downloaded ({format_size(self.received)})")
        if self.there:
            parts.append(f"{self.there} already there and verified")
        if rest := self.wanted - self.downloaded - self.there:
            parts.append(f"{rest} not downloaded")
        if unverified := sum(not copy.verified for copy in self.copies):
            parts.append(f"{format_count(unverified, 'file')} not verified")
        return f"{format_count(self.wanted, 'recording')}: {', '.join(parts)}"

    def write_copies(self, out: Output) -> None:
        """Write the table of all copies, on a terminal, and a message on each doubt."""
        if self.copies and out.is_table:
            out.write_rows(self.copies, COPY)
        for copy in self.copies:
            for doubt in copy.doubts:
                write_message(f"{copy.path}: {doubt}.")

    @contextmanager
    def show_total_progress(self, directory: Path) -> Iterator[None]:
        """Show one progress bar for several recordings."""
        if self.wanted < 2:
            yield
            return
        with show_download_progress(self.wanted, directory, "Downloading") as self._add_to_total:
            yield

    def show_progress(
        self, recording: rec.Recording, directory: Path
    ) -> AbstractContextManager[AddCopies]:
        """Show the progress of one recording, unless one bar is shown for several."""
        if self._add_to_total is not None:
            return nullcontext(lambda _: None)
        return show_download_progress((recording,), directory, recording.id)


@click.command()
@_add_recording_arguments
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@add_output_options
@add_connect_options
def delete(
    provider: str,
    ids: tuple[str, ...],
    target: Target,
    yes: bool,
    connect_options: ConnectOptions,
    out: Output,
) -> None:
    """Delete recordings at the vendor permanently.

    Asks for confirmation on a terminal; otherwise --yes is required.

    With `-` as the only ID, the ids are read from standard input: one per line, or what
    `recordings list` prints in a pipe or with --json, for any account of PROVIDER. With `-` in
    place of PROVIDER and ID, they may be of any vendor.
    """
    wanted = _choose_recordings(provider, ids, target, connect_options)
    counts = Counter(describe_account(each.provider) for each in wanted)
    recordings = " and ".join(
        f"{format_count(count, 'recording')} of {place}" for place, count in counts.items()
    )
    deleted: list[str] = []

    def delete_recording(each: ChosenRecording) -> None:
        each.provider.delete(each.id, target=each.target)
        deleted.append(each.id)
        if out.json:
            names = {"provider": each.account.provider, "account": each.account.name}
            out.write_object({**names, "id": each.id, "deleted": True})
        else:
            write_message(f"Deleted {each.id} of {describe_account(each.provider)}.")

    can_delete = any(each.provider.can(rec.Operation.DELETE) for each in wanted)
    if can_delete and not yes:
        confirm_action(
            f"Delete {recordings} permanently?",
            reason=f"This deletes {recordings} permanently",
            refused="Nothing was deleted.",
        )
    try:
        errors = _apply_to_each(wanted, delete_recording)
    except KeyboardInterrupt as interruption:
        interruption.add_note(
            f"Interrupted. Deleted {len(deleted)} of {recordings}; the next one may be deleted too."
        )
        raise
    _raise_errors(errors, wanted)


def _apply_to_each(
    recordings: Sequence[ChosenRecording], act: Callable[[ChosenRecording], None]
) -> list[rec.RecordingError]:
    """Call `act` for each recording, and return the errors. One does not stop the others."""
    errors: list[rec.RecordingError] = []
    several = len(recordings) > 1
    if not recordings:
        write_message("No recordings: standard input has no ids.")
    for each in recordings:
        # The message on one of several begins with the id.
        set_error_context(account=each.account, subject="" if several else f"recording {each.id}")
        try:
            with raise_usage_errors():
                act(each)
        except rec.RecordingError as error:
            errors.append(error)
            if several:
                write_message(f"Error: {each.id}: {describe_error(error)}")
    return errors


def _raise_errors(
    errors: Sequence[rec.RecordingError], recordings: Sequence[ChosenRecording]
) -> None:
    """Raise the error of the only recording, or that some or all of several failed."""
    count = len(recordings)
    raise_errors(errors, count, f"Failed for all of {format_count(count, 'recording')}")
