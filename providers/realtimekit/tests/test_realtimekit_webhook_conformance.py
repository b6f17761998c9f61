"""Do RealtimeKit's callbacks keep what the library promises of every vendor's?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_core.testing import WebhookConformance
from recording_realtimekit.emulator import RealtimeKitEmulator


class TestRealtimeKitWebhooks(WebhookConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[RealtimeKitEmulator]:
        with RealtimeKitEmulator(recordings=5) as emulator:
            yield emulator
