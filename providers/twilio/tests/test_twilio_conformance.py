"""Conformance: the requirements for every provider, for Twilio."""

from __future__ import annotations

import pytest

from recording_core.testing import ProviderConformance


# Twenty rows per page, so that the recordings take several.
@pytest.mark.emulator("twilio", recordings=45, largest_page=20)
class TestTwilioConformance(ProviderConformance):
    """The requirements of every provider."""
