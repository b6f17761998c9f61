"""Smoke test: it runs first, and ends the run if the emulator does not answer."""

from __future__ import annotations

import pytest

from recording_core import HttpSettings, Unavailable
from recording_core.testing.conformance.base import ConformanceBase

#: In seconds of real time.
_TIMEOUT = HttpSettings(retries=0, workers=1, total_timeout=5.0)


class SmokeRequirements(ConformanceBase):
    """The requirement without which every other test would fail, each after its timeout."""

    def test_the_emulator_answers(self, request: pytest.FixtureRequest) -> None:
        with self.vendor.connect(http=_TIMEOUT) as provider:
            try:
                self.authenticate(provider)
            except Unavailable as error:
                request.session.shouldstop = f"the emulator of {provider.name} does not answer"
                error.add_note(f"The run ends here: {request.session.shouldstop}")
                raise
