"""Where does docs/cli.md come from? `python -m recording_core.cli.pages > docs/cli.md`."""

from __future__ import annotations

import sys

import click

from recording_core.cli.commands import command_line

__all__ = ["help_markdown"]

HEAD = """# The command line

What `recordings` and each of its commands say of themselves. This page is generated, and a test
compares it: `python -m recording_core.cli.pages > docs/cli.md` writes it anew.
"""


def help_markdown() -> str:
    """The help of every command of ours as one page, the same on every machine."""
    group = command_line(with_plugins=False)
    settings = {**group.context_settings, "terminal_width": 80, "color": False}
    top = click.Context(group, info_name="recordings", **settings)
    parts = [HEAD, _section("recordings", group.get_help(top))]
    for name, command in group.commands.items():
        inner = click.Context(command, parent=top, info_name=name)
        parts.append(_section(f"recordings {name}", command.get_help(inner)))
    return "\n".join(parts)


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(help_markdown())
