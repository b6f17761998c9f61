"""RealtimeKit meets the requirements of every provider."""

from __future__ import annotations

import pytest

from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance
from recording_realtimekit.emulator import RealtimeKitEmulator


@pytest.mark.emulator("realtimekit", **RealtimeKitEmulator.conformance_settings)
class TestRealtimeKitConformance(ProviderConformance):
    """With the settings that give several pages."""

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        emulator.hang_up(session.target)
