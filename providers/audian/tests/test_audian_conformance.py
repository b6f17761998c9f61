"""Audian meets the requirements of the conformance suite for providers."""

from __future__ import annotations

import pytest

from recording_audian.emulator import AudianEmulator
from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance


# More than two pages of a hundred.
@pytest.mark.emulator("audian", recordings=230)
class TestAudianConformance(ProviderConformance):
    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, AudianEmulator)
        emulator.hang_up(session.target)
