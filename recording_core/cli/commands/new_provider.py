"""Command `new-provider`: writes the distribution of a new provider."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from recording_core.cli.scaffold.distribution import (
    GUIDE,
    build_folder_name,
    build_label,
    find_label_error,
    find_name_error,
    write_distribution,
)


@click.command("new-provider")
@click.argument("name")
@click.option("--label", help="The vendor's name as people write it.  [default: from NAME]")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The new directory.  [default: recording-NAME in the current directory]",
)
def new_provider(name: str, label: str | None, output: Path | None) -> None:
    """Write the distribution of a provider for another vendor.

    NAME is the provider's name for programs: lower-case letters, digits and underscores. The
    distribution has a plugin, client, mapping, webhooks, emulator and tests. They pass as they are,
    for a vendor that does not exist. A comment marks each place to fill in, and pytest lists them.
    """
    label = build_label(name) if label is None else label
    if error := find_name_error(name) or find_label_error(label):
        raise click.UsageError(error)
    folder = output or Path(build_folder_name(name))
    if folder.exists():
        raise click.UsageError(f"{folder} exists: choose another directory with --output.")
    try:
        written = write_distribution(name, label, folder)
    except OSError as failure:
        raise click.ClickException(f"Cannot write {folder}: {failure.strerror}") from None
    click.echo(folder)
    click.echo(
        f"""Wrote {len(written)} files. Next:

  cd {shlex.quote(str(folder))}
  pip install -e '.[dev]'
  pytest

pytest lists each place to fill in. The guide: {GUIDE}""",
        err=True,
    )
