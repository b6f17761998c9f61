"""Audian's webhooks meet the requirements of the conformance suite for webhooks."""

from __future__ import annotations

import pytest

from recording_core.testing import WebhookConformance


@pytest.mark.emulator("audian", recordings=5)
class TestAudianWebhooks(WebhookConformance):
    """With the default settings of the suite."""
