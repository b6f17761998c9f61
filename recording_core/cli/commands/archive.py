"""Commands `archive`: copy recordings into an archive, verify it, and list what it lacks."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import Any

import click
from attrs import asdict, fields_dict

import recording_core as rec
from recording_core.accounts import select_accounts
from recording_core.cli.arguments import PERIOD, PROVIDER, ParsedType, raise_usage_errors
from recording_core.cli.commands.list import EXPIRES, FIELD_COLUMNS
from recording_core.cli.options import (
    account_option,
    add_arguments,
    build_tz_option,
    config_option,
    name_accounts,
    since_option,
    until_option,
)
from recording_core.cli.output.messages import (
    AttentionNeeded,
    describe_error,
    raise_errors,
    set_error_context,
    write_message,
)
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.cli.output.progress import show_status
from recording_core.cli.output.summary import describe_coverage
from recording_core.reporting.number_format import (
    format_count,
    format_size,
)

ARCHIVED: tuple[OutputColumn[rec.ArchivedRecording], ...] = (
    OutputColumn("PROVIDER", lambda each: each.recording.provider, drop_priority=3),
    OutputColumn("RECORDING", lambda each: each.recording.id),
    OutputColumn("STATUS", lambda each: each.recording.status, drop_priority=5),
    OutputColumn(
        "CREATED (UTC)", lambda each: each.recording.created_at or each.recording.started_at
    ),
    OutputColumn("FILES", lambda each: len(each.copies), right=True, drop_priority=1),
    OutputColumn(
        "BYTES", lambda each: sum(copy.size for copy in each.copies), format_size, right=True
    ),
    OutputColumn("VERIFIED", lambda each: each.verified),
    OutputColumn("ARCHIVED (UTC)", lambda each: each.archived_at, drop_priority=4),
    OutputColumn("ACCOUNT", lambda each: each.recording.account, drop_priority=2),
    OutputColumn("RECORD", lambda each: each.record, drop_priority=6),
)


#: What `verify` found: the name of a field of `Verification`, and one of its sentences.
PROBLEM: tuple[OutputColumn[dict[str, str]], ...] = (
    OutputColumn("PROBLEM", lambda each: each["kind"], width=10),
    OutputColumn("DESCRIPTION", lambda each: each["description"]),
)
#: The problems in the order of what they demand; a copy that is not verified is not damaged.
PROBLEM_KINDS = ("missing", "changed", "unreadable", "unverified")


def _parse_fraction(text: str) -> float:
    number, percent, rest = text.partition("%")
    try:
        fraction = float(number) / (100 if percent else 1)
    except ValueError:
        fraction = -1.0
    if rest or not 0 <= fraction <= 1:
        raise click.BadParameter(f"{text!r} is not a part such as 5% or 0.05.")
    return fraction


def _parse_shard(text: str) -> tuple[int, int]:
    number, slash, parts = text.partition("/")
    if not (slash and all(each.isascii() and each.isdigit() for each in (number, parts))):
        raise click.BadParameter(f"{text!r} is not NUMBER/PARTS, such as 3/16.")
    if not int(number) < int(parts):
        raise click.BadParameter(
            f"{text!r} names a part that does not exist: parts are counted from 0, so that "
            f"the last of {parts} is {max(int(parts) - 1, 0)}/{parts}."
        )
    return int(number), int(parts)


FRACTION = ParsedType("part", _parse_fraction)
SHARD = ParsedType("number/parts", _parse_shard)

_destination_argument = click.argument("destination", metavar="DEST", type=click.Path())
_add_accounts = add_arguments(
    _destination_argument,
    click.argument("providers", nargs=-1, type=PROVIDER, metavar="[PROVIDER]..."),
    account_option,
    config_option,
)


@click.group()
def archive() -> None:
    """Keep verified copies of all recordings in a folder or another storage.

    DEST is a folder, or any URL of fsspec such as s3://bucket/recordings or sftp://host/folder,
    whose own settings and environment variables apply. An archive may have several writers.
    """


@archive.command()
@_add_accounts
@since_option
@until_option
@build_tz_option()
@click.option(
    "--workers", type=click.IntRange(1), default=8, help="Make this number of copies at once."
)
@click.option(
    "--share",
    type=FRACTION,
    default=1.0,
    help="Use this part of each account's rate, such as 0.5, and leave the rest to others.",
)
@click.option(
    "--shard",
    type=SHARD,
    default="0/1",
    help="Copy one part of all recordings, counted from 0, for several machines, such as 3/16.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per event.")
@click.option(
    "--metrics",
    metavar="FILE",
    help="Write Prometheus text to this file, for the textfile collector of node_exporter.",
)
def copy(
    destination: str,
    providers: tuple[str, ...],
    account: str | None,
    config: str | None,
    since: datetime | None,
    until: datetime | None,
    tz: str,
    as_json: bool,
    metrics: str | None,
    shard: tuple[int, int],
    **options: Any,
) -> None:
    """Copy what is new or changed at the vendors, and verify each file.

    Copies from all configured accounts, or those of PROVIDER, or those that --account names. What
    fails or is not ready stops nothing else, and the next run tries it again.

    Without --since, a run goes on from the last complete one of the account, less a day, and the
    first one copies everything. So an outage loses nothing, and `recordings archive copy DEST` in
    cron is enough.

    In a pipe or file, there is a line per account, below a line of the fields' names. With --json,
    each recording that was copied or failed is an object, and the last line is {"summary": {...}}.

    An interrupted run keeps what it copied, and the next one goes on.

    Exit code 3: a recording failed, or an account could not be listed completely.
    """
    from recording_core.cli.output.archive_progress import AccountProgress, show_archive_progress
    from recording_core.cli.output.archive_run import CopyRun

    accounts = name_accounts(select_accounts(account, tuple(dict.fromkeys(providers)), config))
    archive = rec.Archive(destination)
    run = CopyRun(
        Output(json=as_json),
        {
            (each.provider, each.name): AccountProgress(each.provider, each.name, label)
            for each, label in accounts.items()
        },
    )
    try:
        with (
            show_archive_progress(run.accounts, parts=shard[1], plain=not as_json) as show,
            raise_usage_errors(),
        ):

            def receive(progress: rec.ArchiveProgress) -> None:
                show(progress)
                run.receive(progress)

            done = archive.copy(
                list(accounts),
                since=since,
                until=until,
                shard=shard,
                on_progress=receive,
                **options,
            )
    except KeyboardInterrupt as interruption:
        run.write(archive, None)
        interruption.add_note(
            f"Interrupted. {run.describe()}. The copies that were made are kept, and the next run "
            "goes on."
        )
        raise
    except rec.StorageError:
        run.write(archive, None)
        raise
    run.write(archive, done)
    errors = [each.error for each in done.coverage if each.error is not None]
    if any(each.done for each in run.accounts.values()):
        errors = []  # some of the work was done: each was written as a message
    elif len(accounts) == 1:
        set_error_context(account=next(iter(accounts)))
    if not errors or len(accounts) > 1:  # otherwise it is the error of the command
        run.write_messages(archive, done, list(accounts))
    if metrics is not None:
        from recording_core.cli.output.archive_metrics import write_archive_metrics

        write_archive_metrics(done, run.accounts.values(), metrics)
    raise_errors(errors, len(accounts), "No account could be listed", complete=done.complete)


@archive.command()
@_destination_argument
@click.option(
    "--sample",
    type=FRACTION,
    default=1.0,
    help="Read and hash the files of this part of the recordings, such as 5%. The presence and "
    "size of every file are always checked.",
)
@click.option(
    "--clean",
    is_flag=True,
    help="Remove what no record needs and is older than two days, by the storage's clock.",
)
@add_output_options
def verify(destination: str, sample: float, clean: bool, out: Output) -> None:
    """Read an archive again and compare each file with its record.

    In a pipe or file, a line is the kind of a problem (missing, changed, unreadable or unverified)
    and its description. With --json, the last line is {"summary": {...}}.

    Exit code 3: a file is missing or changed, or a record cannot be read. A copy that is there and
    could not be verified when it was made is named, and is not an error.
    """
    archive = _open_archive(destination)
    with show_status(f"Verifying {archive.folder}"):
        found = archive.verify(sample=sample, clean=clean)
    problems = [
        {"kind": kind, "description": each}
        for kind in PROBLEM_KINDS
        for each in getattr(found, kind)
    ]
    if problems or not out.is_table:
        out.write_rows(problems, PROBLEM)
    if out.json:
        summary = {name: getattr(found, name) for name in fields_dict(rec.Verification)}
        counts = {name: len(summary[name]) for name in PROBLEM_KINDS}
        out.write_object({"summary": {**summary, **counts, "ok": found.ok}})
    words = [f"{len(getattr(found, kind))} {kind}" for kind in PROBLEM_KINDS]
    write_message(
        f"{archive.folder}: {format_count(found.recordings, 'recording')}, "
        f"{format_count(found.files, 'file')}, {found.hashed:,} hashed; {', '.join(words)}"
    )
    if found.removed:
        write_message(f"Removed {format_count(found.removed, 'file')} that no record needs.")
    elif found.garbage:
        later = "too young to be removed" if clean else "--clean removes those older than two days"
        write_message(
            f"{format_count(found.garbage, 'file')} ({format_size(found.garbage_bytes)}) that no "
            f"record needs: {later}."
        )
    if not found.ok:
        place = shlex.quote(str(archive.folder))
        write_message(
            "To copy these recordings again, if their vendors still have them: move the damaged "
            "files and their records away, then run `recordings archive rebuild-index "
            f"{place}` and `recordings archive copy {place} --since TIME`."
        )
        raise AttentionNeeded()


@archive.command()
@_add_accounts
@click.option(
    "--within",
    type=PERIOD,
    required=True,
    help="Only what the vendor removes within this time, such as 48h.",
)
@add_output_options
def expiring(
    destination: str,
    providers: tuple[str, ...],
    account: str | None,
    config: str | None,
    within: timedelta,
    out: Output,
) -> None:
    """List what vendors will remove soon and the archive has no verified copy of.

    The fields are those of `recordings list --expiring`. With --json, the last line of each account
    is {"coverage": {...}}.

    Exit code 3: there is such a recording, or an account could not be listed completely.
    """
    from recording_core.archiving.expiry import find_expiring

    accounts = name_accounts(select_accounts(account, tuple(dict.fromkeys(providers)), config))
    archive = rec.Archive(destination)
    errors: list[rec.RecordingError] = []
    rows: list[rec.Recording] = []
    without_copy: list[rec.Recording] = []
    complete = True
    results = find_expiring(archive.folder, accounts, within)
    for (each, label), found in zip(accounts.items(), results, strict=True):
        rows += found.recordings
        without_copy += (row for row in found.recordings if row.id not in found.doubtful)
        complete = complete and found.coverage.complete
        if out.json:
            out.write_rows(found.recordings, FIELD_COLUMNS)
            coverage = asdict(found.coverage, recurse=False)
            out.write_object(
                {"coverage": {"provider": each.provider, "account": each.name, **coverage}}
            )
        if found.error is None:
            write_message(f"{label}: {describe_coverage(found.coverage)}")
            continue
        errors.append(found.error)
        set_error_context(account=each)
        if len(accounts) > 1:  # otherwise it is the error of the command
            write_message(f"Error: {label}: {describe_error(found.error)}")
    if not out.json:
        out.write_rows(rows, (*FIELD_COLUMNS, EXPIRES))
    if without_copy:
        options = {"--account": account, "--config": config}
        chosen = [word for pair in options.items() if pair[1] for word in pair if word]
        names = dict.fromkeys(each.provider for each in without_copy)
        command = ["recordings", "archive", "copy", str(archive.folder), *names, *chosen]
        # Otherwise a run begins at the last one, which may be after them.
        began = [each.created_at or each.started_at for each in without_copy]
        oldest = min(filter(None, began), default=None)
        if oldest is not None:
            command += ["--since", f"{oldest - timedelta(days=1):%Y-%m-%d}"]
        count = format_count(len(without_copy), "recording")
        write_message(f"{count} without a copy: run `{shlex.join(command)}` now.")
    if doubtful := len(rows) - len(without_copy):
        command = ["recordings", "archive", "verify", str(archive.folder), "--sample", "0"]
        count = format_count(doubtful, "recording")
        write_message(
            f"{count} with a copy that is not verified: `{shlex.join(command)}` describes why."
        )
    raise_errors(
        errors, len(accounts), "No account could be listed", complete=complete and not rows
    )


@archive.command("list")
@_destination_argument
@add_output_options
def list_archived(destination: str, out: Output) -> None:
    """List the recordings of an archive, from their records.

    Sends no request to any vendor. A recording whose records cannot be read is left out: `archive
    verify` names it.
    """
    archive = _open_archive(destination)
    count = 0

    def count_rows() -> Any:
        nonlocal count
        for each in archive.recordings():
            count += 1
            yield each

    if out.is_table:
        with show_status(f"Reading {archive.folder}"):
            rows: Any = list(count_rows())
    else:
        rows = count_rows()
    out.write_rows(rows, ARCHIVED)
    write_message(f"{archive.folder}: {format_count(count, 'recording')}")


@archive.command()
@_destination_argument
def compact(destination: str) -> None:
    """Merge the files of an archive's index, which makes reading it faster.

    Runs do this themselves if there are many. The old files are kept for a day, for programs that
    read them.
    """
    archive = _open_archive(destination)
    with show_status(f"Compacting the index of {archive.folder}"):
        count = archive.compact()
    merged = f"merged {count} files" if count > 1 else "there is nothing to merge"
    write_message(f"{archive.folder}, index: {merged}.")


@archive.command("rebuild-index")
@_destination_argument
def rebuild_index(destination: str) -> None:
    """Write an archive's index again from its records, if it was damaged or removed.

    Recordings without media are looked up at the vendor again.
    """
    archive = _open_archive(destination)
    with show_status(f"Reading the records of {archive.folder}"):
        count = archive.rebuild_index()
    write_message(f"Wrote the index of {archive.folder} with {format_count(count, 'record')}.")


def _open_archive(destination: str) -> rec.Archive:
    """Open an archive that exists: a wrong path must not look like an archive without damage."""
    archive = rec.Archive(destination)
    if not archive.folder.list_names(""):
        raise rec.ConfigurationError(
            f"{archive.folder} holds no archive: check the path, or copy into it first with "
            "`recordings archive copy`"
        )
    return archive
