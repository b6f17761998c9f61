"""Conformance: the requirements of every provider, against the emulator."""

from __future__ import annotations

import pytest
from recording_core.testing import ProviderConformance, WebhookConformance

pytestmark = pytest.mark.emulator("acme", recordings=45)


class TestAcmeConformance(ProviderConformance):
    """The requirements of every provider."""

    # FILL IN: `start_arguments`, `warm_up` and others, if the vendor needs them (section 8)


class TestAcmeWebhooks(WebhookConformance):
    """The requirements of webhooks."""
