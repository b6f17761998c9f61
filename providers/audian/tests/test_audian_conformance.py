"""Audian meets the requirements of the conformance suite for providers."""

from __future__ import annotations

import pytest

from recording_audian.emulator import AudianEmulator
from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance


@pytest.mark.emulator("audian", **AudianEmulator.conformance_settings)
class TestAudianConformance(ProviderConformance):
    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, AudianEmulator)
        emulator.hang_up(session.target)
