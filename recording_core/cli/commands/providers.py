"""Which vendors are installed, and what can each be told?"""

from __future__ import annotations

from typing import Any

import click

import recording_core as rec
from recording_core.cli.environment import configured, distribution_of, missing_settings
from recording_core.cli.output.matrix import Ability, abilities, matrix_markdown, matrix_rows
from recording_core.cli.output.output import Column, Output, output_options
from recording_core.cli.output.values import aligned

__all__ = ["matrix", "providers"]

INFO: tuple[Column[dict[str, Any]], ...] = (
    Column("PROVIDER", lambda info: info["name"]),
    Column("NAME", lambda info: info["label"]),
    Column("DISTRIBUTION", lambda info: info["distribution"]),
    Column("CREDENTIALS", lambda info: "set" if info["configured"] else "not set"),
    Column("EMULATOR", lambda info: info["emulator"], yields=2),
    Column("DOCUMENTATION", lambda info: info["documentation"], yields=3),
)

ABILITY: tuple[Column[Ability], ...] = (
    Column("PROVIDER", lambda ability: ability.provider),
    Column("KIND", lambda ability: ability.kind),
    Column("OPERATIONS", lambda ability: ability.operations),
)


@click.command()
@output_options
def providers(out: Output) -> None:
    """Show the vendors whose plugins are installed."""
    out.rows([_described(info) for info in rec.providers().values()], INFO)


def _described(info: rec.ProviderInfo) -> dict[str, Any]:
    missing = missing_settings(info)
    return {
        "name": info.name,
        "label": info.label,
        "distribution": distribution_of(info.name),
        "configured": configured(info) and not missing,
        "settings": [
            {"name": each.name, "env": each.env, "secret": each.secret, "default": each.default}
            for each in info.settings
        ],
        "capabilities": {
            kind: [each for each in rec.Operation if info.can(each, kind)]
            for kind in info.capabilities
        },
        "emulator": info.emulator is not None,
        "documentation": info.documentation,
    }


@click.command()
@click.option("--markdown", is_flag=True, help="As README and docs carry it.")
@output_options
def matrix(markdown: bool, out: Output) -> None:
    """Show what each vendor can be told, for each kind of session."""
    if markdown:
        click.echo(matrix_markdown(), nl=False)
    elif out.for_people:
        for line in matrix_lines():
            click.echo(line)
    else:
        out.rows(abilities(), ABILITY)


def matrix_lines(indent: int = 0) -> list[str]:
    """The matrix for people, its heading in bold."""
    heading, *rows = aligned(matrix_rows(), gap=1, indent=indent)
    return [click.style(heading, bold=True), *rows]
