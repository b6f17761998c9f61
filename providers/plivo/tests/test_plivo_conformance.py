"""Conformance: the requirements for every provider, for Plivo."""

from __future__ import annotations

import pytest

from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance
from recording_plivo.emulator import PlivoEmulator


@pytest.mark.emulator("plivo", **PlivoEmulator.conformance_settings)
class TestPlivoConformance(ProviderConformance):
    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, PlivoEmulator)
        emulator.hang_up(session.target)
