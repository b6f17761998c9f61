"""Do Plivo's callbacks keep what the library promises of every vendor's?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_core.testing import WebhookConformance
from recording_plivo.emulator import PlivoEmulator


class TestPlivoWebhooks(WebhookConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[PlivoEmulator]:
        with PlivoEmulator(recordings=5) as emulator:
            yield emulator
