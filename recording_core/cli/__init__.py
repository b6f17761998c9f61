"""Command line: the `recordings` command. `main` imports the rest when it runs."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        import click  # noqa: F401  # only checks that click is installed
    except ImportError:
        print(
            "Error: The command line needs click, which is not installed: "
            "pip install 'recording-core[cli]'",
            file=sys.stderr,
        )
        return 1
    from recording_core.cli.app import run

    return run()
