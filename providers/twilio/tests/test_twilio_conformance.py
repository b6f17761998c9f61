"""Conformance: the requirements for every provider, for Twilio."""

from __future__ import annotations

import pytest

from recording_core.testing import ProviderConformance
from recording_twilio.emulator import TwilioEmulator


@pytest.mark.emulator("twilio", **TwilioEmulator.conformance_settings)
class TestTwilioConformance(ProviderConformance):
    """The requirements of every provider."""
