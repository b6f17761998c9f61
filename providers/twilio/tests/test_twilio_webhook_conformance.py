"""Conformance: the requirements for webhooks, for Twilio."""

from __future__ import annotations

import pytest

from recording_core.testing import WebhookConformance


@pytest.mark.emulator("twilio", recordings=5)
class TestTwilioWebhooks(WebhookConformance):
    """The requirements of webhooks."""
