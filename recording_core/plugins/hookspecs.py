"""What can a plugin do? Every hook stands here, and nothing else does.

Hooks declare and announce; verbs are methods on `Provider`. An exception from an announcing hook
is logged with the plugin's name and never changes what a verb returns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from recording_core.model.capabilities import ProviderInfo
    from recording_core.model.entities import RecordingSession
    from recording_core.model.events import RecordingEvent
    from recording_core.reporting.row_schema import Column

__all__ = ["PROJECT", "hookimpl", "hookspec"]

#: The entry-point group, and pluggy's project name.
PROJECT = "recording_core"

hookspec = pluggy.HookspecMarker(PROJECT)
#: Marks a function of a plugin's module as an implementation of the hook of its name.
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def recording_provider() -> ProviderInfo:
    """Declare one provider. Called once, at discovery; must import no client."""
    raise NotImplementedError


@hookspec
def recording_event(event: RecordingEvent) -> None:
    """A verified webhook event arrived."""


@hookspec
def recording_session_changed(session: RecordingSession, previous: RecordingSession | None) -> None:
    """A start, pause, resume or stop succeeded. `previous` is None after a start."""


@hookspec
def recording_report_columns() -> Iterable[Column]:
    """Declare columns that a report gains, before it is built."""
    raise NotImplementedError


@hookspec
def recording_commands(group: Any) -> None:
    """Add commands to the command line: `group` is its `click.Group`."""
