"""VoIPBin's webhooks meet the requirements of the conformance suite for webhooks."""

from __future__ import annotations

import pytest

from recording_core.testing import WebhookConformance


@pytest.mark.emulator("voipbin", recordings=5)
class TestVoIPBinWebhooks(WebhookConformance):
    """With the default settings of the suite."""
