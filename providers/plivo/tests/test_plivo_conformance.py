"""Conformance: the requirements for every provider, for Plivo."""

from __future__ import annotations

import pytest

from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance
from recording_plivo.emulator import PlivoEmulator


# More than one page of twenty in each window of thirty days.
@pytest.mark.emulator("plivo", recordings=75)
class TestPlivoConformance(ProviderConformance):
    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, PlivoEmulator)
        emulator.hang_up(session.target)
