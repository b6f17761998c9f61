"""Do Audian's callbacks keep what the library promises of every vendor's?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recording_audian.emulator import AudianEmulator
from recording_core.testing import WebhookConformance


class TestAudianWebhooks(WebhookConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[AudianEmulator]:
        with AudianEmulator(recordings=5) as emulator:
            yield emulator
