"""Conformance: the requirements for every vendor's webhooks, for Plivo."""

from __future__ import annotations

import pytest

from recording_core.testing import WebhookConformance


@pytest.mark.emulator("plivo", recordings=5)
class TestPlivoWebhooks(WebhookConformance):
    """With the default settings of the suite."""
