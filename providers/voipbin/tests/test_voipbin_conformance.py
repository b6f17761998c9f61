"""Does VoIPBin keep what the library promises of every provider?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance
from recording_core.testing.conformance.secrecy import SecrecyRequirements
from recording_voipbin.emulator import VoIPBinEmulator


class TestVoIPBinConformance(ProviderConformance):
    @pytest.fixture
    def emulator(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[VoIPBinEmulator]:
        # So that there are several; a hundred rows would be one.
        monkeypatch.setattr("recording_voipbin.emulated_listing.LARGEST_PAGE", 20)
        with VoIPBinEmulator(recordings=45) as emulator:
            yield emulator

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, VoIPBinEmulator)
        emulator.hang_up(session.target)


class TestVoIPBinSecrecyOfAnAccessKey(SecrecyRequirements):
    """The same where the credential is in each URL."""

    @pytest.fixture
    def emulator(self) -> Iterator[VoIPBinEmulator]:
        with VoIPBinEmulator(recordings=9, signing="accesskey") as emulator:
            yield emulator
