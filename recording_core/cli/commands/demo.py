"""Command `demo`: runs the library against emulators of all installed vendors."""

from __future__ import annotations

import re
import time
from pathlib import Path

import click

import recording_core as rec


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the copies, the report and a page with all results in this directory.  [default: "
    "write the report to the current directory and remove the copies]",
)
@click.option(
    "--drop-webhooks",
    is_flag=True,
    help="Deliver no webhooks; every event then comes from reconciliation with the listing.",
)
def demo(output: Path | None, drop_webhooks: bool) -> None:
    """Run the library against emulators of all installed vendors.

    Records, downloads, deletes, lists, reports and archives, and checks the library's requirements.
    Takes less than a minute and needs no account and no network: the emulators run on this machine.

    Exit code 1: a requirement was not met.
    """
    if (
        output is not None
        and not output.is_dir()
        and re.fullmatch(r"\.[A-Za-z]{2,5}", output.suffix)
    ):
        raise click.UsageError(
            f"--output {output} looks like a file, and the results need a folder."
        )
    from recording_core.cli.demo.steps import run_demo

    began = time.monotonic()
    requirements = run_demo(output, drop_webhooks=drop_webhooks)
    took = time.monotonic() - began
    click.echo()
    if requirements.violations:
        for each in requirements.violations:
            click.echo(f"Requirement not met: {each}", err=True)
        checked = requirements.passed + len(requirements.violations)
        raise rec.RecordingError(
            f"{len(requirements.violations)} of {checked} requirements were not met"
        )
    if output is not None:
        click.echo(f"The copies are in {output}; open {output / 'index.html'} to see the results.")
    click.echo(f"{requirements.passed} requirements checked, all met, in {took:.0f} s.")
