"""What would be lost by moving from one vendor to another? A line for everything either can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import recording_core as rec
from recording_core.cli.arguments import PROVIDER
from recording_core.cli.output.output import Column, Output, output_options

if TYPE_CHECKING:
    from recording_core.reporting.compare import Difference

__all__ = ["compare"]

#: What an aspect is called before its words.
ASPECTS = {
    "target": "record a",
    "operation": "",
    "parameter": "start, told",
    "format": "format",
    "listing": "cannot list:",
}


def _columns(here: str, there: str) -> tuple[Column[Difference], ...]:
    def change(each: Difference) -> str:
        return "lost" if each.lost else "won" if each.won else ""

    return (
        Column("OF", lambda each: each.kind),
        Column("WHAT", lambda each: f"{ASPECTS[each.aspect]} {each.what}".strip()),
        Column(here.upper(), lambda each: each.here),
        Column(there.upper(), lambda each: each.there),
        Column("BY MOVING", change),
    )


@click.command()
@click.argument("here", type=PROVIDER, metavar="PROVIDER")
@click.argument("there", type=PROVIDER, metavar="OTHER")
@click.option("--lost", is_flag=True, help="Only what would be lost.")
@output_options
def compare(here: str, there: str, lost: bool, out: Output) -> None:
    """Compare what two vendors can do, and what would be lost by moving to OTHER.

    Kinds of session, operations, parameters of start, formats, and what cannot be listed. Elsewhere
    than on a terminal the fields are: kind, what, whether PROVIDER can, whether OTHER can, and lost
    or won. From what the plugins declare; nobody is asked.
    """
    from recording_core.reporting.compare import compare as compared

    if here == there:
        raise click.UsageError("that is one vendor twice: name two")
    found = [each for each in compared(here, there) if each.lost or not lost]
    if out.json:
        for each in found:
            out.object(_as_row(each, here, there))
        return
    infos = rec.providers()
    out.rows(found, _columns(infos[here].label, infos[there].label))


def _as_row(each: Difference, here: str, there: str) -> dict[str, object]:
    return {
        "kind": each.kind,
        "aspect": each.aspect,
        "what": each.what,
        here: each.here,
        there: each.there,
        "lost": each.lost,
        "won": each.won,
    }
