"""Commands `providers` and `matrix`: the installed vendors, and what each supports."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Any

import click

import recording_core as rec
from recording_core.accounts import list_accounts
from recording_core.cli.output.matrix import (
    SupportedOperations,
    build_matrix_markdown,
    find_supported_operations,
    write_matrix,
)
from recording_core.cli.output.output import Output, OutputColumn, add_output_options
from recording_core.configuration.environment import is_configured, list_missing_settings
from recording_core.plugins.hookspecs import PROJECT

INFO: tuple[OutputColumn[dict[str, Any]], ...] = (
    OutputColumn("PROVIDER", lambda info: info["name"]),
    OutputColumn("NAME", lambda info: info["label"]),
    OutputColumn("DISTRIBUTION", lambda info: info["distribution"]),
    OutputColumn("ACCOUNTS", lambda info: tuple(info["accounts"])),
    OutputColumn("EMULATOR", lambda info: info["emulator"], drop_priority=2),
    OutputColumn("DOCUMENTATION", lambda info: info["documentation"], drop_priority=3),
)

OPERATIONS: tuple[OutputColumn[SupportedOperations], ...] = (
    OutputColumn("PROVIDER", lambda each: each.provider),
    OutputColumn("KIND", lambda each: each.kind),
    OutputColumn("OPERATIONS", lambda each: each.operations),
)


@click.command()
@add_output_options
def providers(out: Output) -> None:
    """List the installed vendors and their configured accounts."""
    accounts = list_accounts()
    out.write_rows([_describe_provider(info, accounts) for info in rec.providers().values()], INFO)


def _describe_provider(info: rec.ProviderInfo, accounts: Sequence[rec.Account]) -> dict[str, Any]:
    own = [each for each in accounts if each.provider == info.name]
    in_environment = is_configured(info) and not list_missing_settings(info)
    return {
        "name": info.name,
        "label": info.label,
        "distribution": find_distribution(info.name),
        "configured": in_environment or any(each.source for each in own),
        "accounts": [each.name for each in own],
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


def find_distribution(provider: str) -> str:
    """Return the name and version of the distribution that provides a provider's plugin."""
    for entry in metadata.entry_points(group=PROJECT, name=provider):
        if entry.dist is not None:
            return f"{entry.dist.name} {entry.dist.version}"
    return "unknown"


@click.command()
@click.option("--markdown", is_flag=True, help="Print a Markdown table.")
@add_output_options
def matrix(markdown: bool, out: Output) -> None:
    """Show the operations that each vendor supports.

    Prints one row per vendor and kind of session: call, conference or meeting.
    """
    if markdown:
        click.echo(build_matrix_markdown(), nl=False)
    elif out.is_table:
        write_matrix()
    else:
        out.write_rows(find_supported_operations(), OPERATIONS)
