"""Does it keep its promises? Every installed vendor, emulated here, recorded at and listed."""

from __future__ import annotations

import time
from pathlib import Path

import click

import recording_core as rec

__all__ = ["demo"]


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the copies and the report stay.  [default: the report here; copies are removed]",
)
@click.option("--drop-webhooks", is_flag=True, help="Cut the vendors' callbacks off.")
def demo(output: Path | None, drop_webhooks: bool) -> None:
    """Show it at work at every installed vendor.

    Takes less than a minute and needs no account and no network: the vendors are emulated on this
    machine.
    """
    from recording_core.cli.demo.steps import run_demo  # `recordings --help` need not wait for it

    began = time.monotonic()
    promises = run_demo(output, drop_webhooks=drop_webhooks)
    took = time.monotonic() - began
    click.echo()
    if promises.broken:
        for each in promises.broken:
            click.echo(f"Not as promised: {each}", err=True)
        checked = promises.kept + len(promises.broken)
        raise rec.RecordingError(f"{len(promises.broken)} of {checked} promises were not kept")
    if output is not None:
        click.echo(f"The copies are in {output}, all on one page: {output / 'index.html'}")
    click.echo(f"{promises.kept} promises checked, all kept, in {took:.0f} s.")
