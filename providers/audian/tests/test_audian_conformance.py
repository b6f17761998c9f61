"""Does Audian keep what the library promises of every provider?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_audian.emulator import AudianEmulator
from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance


class TestAudianConformance(ProviderConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[AudianEmulator]:
        # More than two pages of a hundred.
        with AudianEmulator(recordings=230) as emulator:
            yield emulator

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, AudianEmulator)
        emulator.hang_up(session.target)
