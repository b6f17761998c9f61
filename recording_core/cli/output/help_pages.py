"""Where does docs/cli.md come from? `python -m recording_core.cli.output.help_pages > docs/cli.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from recording_core.cli.app import command_line

__all__ = ["help_markdown"]

HEAD = """# The command line

What `recordings` and each of its commands say of themselves. This page is generated, and a test
compares it: `python -m recording_core.cli.output.help_pages > docs/cli.md` writes it anew.
"""


def help_markdown() -> str:
    """The help of every command of ours as one page, the same on every machine."""
    group = command_line(with_plugins=False)
    settings = {**group.context_settings, "terminal_width": 80, "color": False}
    top = click.Context(group, info_name="recordings", **settings)
    parts = [HEAD, _section("recordings", group.get_help(top))]
    for name, command in group.commands.items():
        parts += _pages(command, top, f"recordings {name}")
    return "\n".join(parts)


def _pages(command: click.Command, parent: click.Context, title: str) -> Iterator[str]:
    """A command's help, and those of the commands below it."""
    context = click.Context(command, parent=parent, info_name=title.rpartition(" ")[2])
    yield _section(title, command.get_help(context))
    for name, inner in getattr(command, "commands", {}).items():
        yield from _pages(inner, context, f"{title} {name}")


def _section(title: str, text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"## {title}\n\n```\n{lines}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(help_markdown())
