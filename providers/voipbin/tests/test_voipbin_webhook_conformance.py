"""Do VoIPBin's callbacks keep what the library promises of every vendor's?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_core.testing import WebhookConformance
from recording_voipbin.emulator import VoIPBinEmulator


class TestVoIPBinWebhooks(WebhookConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[VoIPBinEmulator]:
        with VoIPBinEmulator(recordings=5) as emulator:
            yield emulator
