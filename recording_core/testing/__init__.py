"""Testing: emulators, a clock that tests advance, cassettes, and the conformance suite.

Each name is resolved on first use: `recordings demo` needs the server and not pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recording_core import attach_names

if TYPE_CHECKING:
    from recording_core.testing.cassettes import build_recorder as build_recorder
    from recording_core.testing.conformance.suite import ProviderConformance as ProviderConformance
    from recording_core.testing.conformance.suite import WebhookConformance as WebhookConformance
    from recording_core.testing.emulator.emulator import Emulator as Emulator
    from recording_core.testing.emulator.server import LoopbackServer as LoopbackServer
    from recording_core.testing.emulator.server import Reply as Reply
    from recording_core.testing.emulator.server import Request as Request
    from recording_core.testing.manual_clock import ManualClock as ManualClock
    from recording_core.testing.offset_clock import OffsetClock as OffsetClock

#: module -> the names that it defines
_MODULES = {
    "testing.cassettes": "build_recorder",
    "testing.conformance.suite": "ProviderConformance WebhookConformance",
    "testing.emulator.emulator": "Emulator",
    "testing.emulator.server": "LoopbackServer Reply Request",
    "testing.manual_clock": "ManualClock",
    "testing.offset_clock": "OffsetClock",
}

if not TYPE_CHECKING:  # a type checker then reports a name that does not exist
    __getattr__, __dir__, __all__ = attach_names(__name__, _MODULES)
