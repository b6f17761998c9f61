"""Hook specifications: every hook that a plugin can implement.

Some hooks declare something, the others notify. An exception from a notifying hook is logged with
the plugin's name and never changes the result of a verb. Verbs are methods of `Provider`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from recording_core.model.capabilities import ProviderInfo
    from recording_core.model.entities import Copy, RecordingSession
    from recording_core.model.events import RecordingEvent
    from recording_core.plugins.columns import Column

#: The entry-point group, and pluggy's project name.
PROJECT = "recording_core"

hookspec = pluggy.HookspecMarker(PROJECT)
#: Marks a function of a plugin's module as the implementation of the hook with the same name.
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def recording_provider() -> ProviderInfo:
    """Declare one provider. Called once, at discovery; must not import the client."""
    raise NotImplementedError


@hookspec
def recording_event(event: RecordingEvent) -> None:
    """A verified webhook event arrived."""


@hookspec
def recording_session_changed(session: RecordingSession, previous: RecordingSession | None) -> None:
    """A start, pause, resume or stop succeeded. `previous` is None after a start."""


@hookspec
def recording_archived(copy: Copy) -> None:
    """A copy was recorded in an archive. Called in the thread or process that made it."""


@hookspec
def recording_report_columns() -> Iterable[Column]:
    """Declare additional columns of a report, before it is built."""
    raise NotImplementedError


@hookspec
def recording_commands(group: Any) -> None:
    """Add commands to the command line: `group` is its `click.Group`."""
