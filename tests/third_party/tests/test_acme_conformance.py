"""Does Acme keep what recording-core promises of every provider?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recording_acme.emulator import AcmeEmulator

from recording_core.testing import ProviderConformance, WebhookConformance


class TestAcmeConformance(ProviderConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[AcmeEmulator]:
        with AcmeEmulator(recordings=45) as emulator:
            yield emulator


class TestAcmeWebhooks(WebhookConformance):
    @pytest.fixture
    def emulator(self) -> Iterator[AcmeEmulator]:
        with AcmeEmulator(recordings=45) as emulator:
            yield emulator
