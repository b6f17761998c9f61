"""Command `compare`: what two vendors support, and what a move from one to the other loses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import recording_core as rec
from recording_core.cli.arguments import PROVIDER
from recording_core.cli.output.output import Output, OutputColumn, add_output_options

if TYPE_CHECKING:
    from recording_core.reporting.compare import Difference

#: aspect -> the text before its value
ASPECTS = {
    "target": "record a",
    "operation": "",
    "parameter": "start with",
    "format": "format",
    "listing": "cannot list:",
}


@click.command()
@click.argument("here", type=PROVIDER, metavar="PROVIDER")
@click.argument("there", type=PROVIDER, metavar="OTHER")
@click.option("--lost", is_flag=True, help="Show only what is lost.")
@add_output_options
def compare(here: str, there: str, lost: bool, out: Output) -> None:
    """Compare two vendors and show what is lost by moving to OTHER.

    Compares kinds of session, operations, parameters of start, formats, and recordings that cannot
    be listed, as the installed plugins declare them. Sends no request.

    In a pipe or file, the fields are: kind, feature, whether PROVIDER supports it, whether OTHER
    supports it, and "lost" or "gained".
    """
    from recording_core.reporting.compare import compare as find_differences

    if here == there:
        raise click.UsageError("PROVIDER and OTHER are the same vendor.")
    differences = [each for each in find_differences(here, there) if each.lost or not lost]
    if out.json:
        for each in differences:
            names = {"kind": each.kind, "aspect": each.aspect, "what": each.what}
            supported = {here: each.here, there: each.there}
            out.write_object({**names, **supported, "lost": each.lost, "gained": each.gained})
        return
    infos = rec.providers()
    columns: tuple[OutputColumn[Difference], ...] = (
        OutputColumn("KIND", lambda each: each.kind),
        OutputColumn("FEATURE", lambda each: f"{ASPECTS[each.aspect]} {each.what}".strip()),
        OutputColumn(infos[here].label.upper(), lambda each: each.here),
        OutputColumn(infos[there].label.upper(), lambda each: each.there),
        OutputColumn(
            "CHANGE", lambda each: "lost" if each.lost else "gained" if each.gained else ""
        ),
    )
    out.write_rows(differences, columns)
