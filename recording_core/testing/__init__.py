"""Testing: emulators, a clock that tests advance, cassettes, and the conformance suite.

Each name is resolved on first use: `recordings demo` needs the server and not pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recording_core import build_name_table, resolve_name

if TYPE_CHECKING:
    from recording_core.testing.cassettes import build_recorder
    from recording_core.testing.conformance.suite import ProviderConformance, WebhookConformance
    from recording_core.testing.emulator.emulator import Emulator
    from recording_core.testing.emulator.server import LoopbackServer, Reply, Request
    from recording_core.testing.manual_clock import ManualClock

__all__ = [
    "Emulator",
    "LoopbackServer",
    "ManualClock",
    "ProviderConformance",
    "Reply",
    "Request",
    "WebhookConformance",
    "build_recorder",
]

#: name -> the module that defines it
_MODULES = build_name_table(
    {
        "testing.cassettes": "build_recorder",
        "testing.conformance.suite": "ProviderConformance WebhookConformance",
        "testing.emulator.emulator": "Emulator",
        "testing.emulator.server": "LoopbackServer Reply Request",
        "testing.manual_clock": "ManualClock",
    }
)


if not TYPE_CHECKING:  # a type checker then reports a name that does not exist

    def __getattr__(name: str) -> Any:
        value = globals()[name] = resolve_name(__name__, _MODULES, name)
        return value


def __dir__() -> list[str]:
    return __all__
