"""What runs when `recordings` is typed? `main`; nothing is imported before it is needed."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        import click  # noqa: F401  # whether it is there is the question
    except ImportError:
        print("recordings needs click: install recording-core[cli]", file=sys.stderr)
        return 1
    from recording_core.cli.app import run

    return run()
