"""Does Plivo keep what the library promises of every provider?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance
from recording_plivo.emulator import PlivoEmulator


class TestPlivoConformance(ProviderConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[PlivoEmulator]:
        # More than a page of twenty in each of its windows of thirty days.
        with PlivoEmulator(recordings=75) as emulator:
            yield emulator

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, PlivoEmulator)
        emulator.hang_up(session.target)
