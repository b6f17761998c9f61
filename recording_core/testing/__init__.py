"""What does a test of recordings need? Emulators, a clock to advance, the conformance suite.

Nothing here is imported before it is used: `recordings demo` needs the server and no pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_core.testing.cassettes import recorder
    from recording_core.testing.clock import ManualClock
    from recording_core.testing.conformance import ProviderConformance, WebhookConformance
    from recording_core.testing.emulator import Emulator
    from recording_core.testing.server import LoopbackServer, Reply, Request

__all__ = [
    "Emulator",
    "LoopbackServer",
    "ManualClock",
    "ProviderConformance",
    "Reply",
    "Request",
    "WebhookConformance",
    "recorder",
]

_WHERE = {
    "Emulator": "emulator",
    "LoopbackServer": "server",
    "ManualClock": "clock",
    "ProviderConformance": "conformance",
    "Reply": "server",
    "Request": "server",
    "WebhookConformance": "conformance",
    "recorder": "cassettes",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
