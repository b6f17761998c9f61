"""VoIPBin meets the requirements of the conformance suite for providers."""

from __future__ import annotations

import pytest

from recording_core import RecordingSession
from recording_core.testing import Emulator, ProviderConformance
from recording_core.testing.conformance.secrecy import SecrecyRequirements
from recording_voipbin.emulator import VoIPBinEmulator


@pytest.mark.emulator("voipbin", recordings=45)
class TestVoIPBinConformance(ProviderConformance):
    @pytest.fixture(autouse=True)
    def limit_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # Several pages: the rows would fit on one page of a hundred.
        monkeypatch.setattr("recording_voipbin.emulator.listing.LARGEST_PAGE", 20)

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        assert isinstance(emulator, VoIPBinEmulator)
        emulator.hang_up(session.target)


@pytest.mark.emulator("voipbin", recordings=9, credential="accesskey")
class TestVoIPBinSecrecyOfAnAccessKey(SecrecyRequirements):
    """The requirements of secrecy, with a credential in a cookie."""
