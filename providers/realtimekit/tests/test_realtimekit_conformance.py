"""RealtimeKit meets the requirements of every provider."""

from __future__ import annotations

import pytest

from recording_core.testing import ProviderConformance
from recording_realtimekit.emulator import RealtimeKitEmulator


@pytest.mark.emulator("realtimekit", recordings=45)
class TestRealtimeKitConformance(ProviderConformance):
    @pytest.fixture
    def emulator(self, emulator: RealtimeKitEmulator) -> RealtimeKitEmulator:
        emulator.max_page_size = 10  # so that there are several pages
        return emulator
