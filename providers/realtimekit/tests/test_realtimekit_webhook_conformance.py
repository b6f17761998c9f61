"""RealtimeKit's webhooks meet the requirements of every provider's webhooks."""

from __future__ import annotations

import pytest

from recording_core.testing import WebhookConformance


@pytest.mark.emulator("realtimekit", recordings=5)
class TestRealtimeKitWebhooks(WebhookConformance):
    """With the default settings of the suite."""
