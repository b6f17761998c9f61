"""What does this machine have for each vendor? Its distribution, and its credentials or not."""

from __future__ import annotations

import os
from importlib import metadata

import recording_core as rec
from recording_core.hookspecs import PROJECT

__all__ = ["configured", "distribution_of", "missing_settings"]


def configured(info: rec.ProviderInfo) -> bool:
    """Whether the environment holds any credential of this vendor's, if not each."""
    return any(os.environ.get(each.env) for each in info.settings if not each.default)


def missing_settings(info: rec.ProviderInfo) -> tuple[str, ...]:
    """The variables that must be set and are not."""
    return tuple(
        each.env for each in info.settings if each.default is None and not os.environ.get(each.env)
    )


def distribution_of(provider: str) -> str:
    """The name and version of the distribution whose plugin this is."""
    for entry in metadata.entry_points(group=PROJECT, name=provider):
        if entry.dist is not None:
            return f"{entry.dist.name} {entry.dist.version}"
    return "unknown"
