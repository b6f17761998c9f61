"""RealtimeKit meets the requirements of every provider."""

from __future__ import annotations

import pytest

from recording_core.testing import ProviderConformance
from recording_realtimekit.emulator import RealtimeKitEmulator


@pytest.mark.emulator("realtimekit", **RealtimeKitEmulator.conformance_settings)
class TestRealtimeKitConformance(ProviderConformance):
    """With the settings that give several pages."""
