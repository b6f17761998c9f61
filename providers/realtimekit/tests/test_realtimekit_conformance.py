"""Does RealtimeKit keep what the library promises of every provider?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_core.testing import ProviderConformance
from recording_realtimekit.emulator import RealtimeKitEmulator


class TestRealtimeKitConformance(ProviderConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[RealtimeKitEmulator]:
        with RealtimeKitEmulator(recordings=45) as emulator:
            emulator.largest_page = 10  # so that there are several
            yield emulator
