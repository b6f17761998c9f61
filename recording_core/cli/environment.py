"""What does this machine have for each vendor? Its distribution, and its credentials or not."""

from __future__ import annotations

from importlib import metadata

from recording_core.accounts import configured, missing_settings
from recording_core.plugins.hookspecs import PROJECT

__all__ = ["configured", "distribution_of", "missing_settings"]


def distribution_of(provider: str) -> str:
    """The name and version of the distribution whose plugin this is."""
    for entry in metadata.entry_points(group=PROJECT, name=provider):
        if entry.dist is not None:
            return f"{entry.dist.name} {entry.dist.version}"
    return "unknown"
