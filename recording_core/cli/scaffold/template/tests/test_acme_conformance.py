"""Conformance: the requirements of every provider, against the emulator."""

from __future__ import annotations

import pytest
from recording_core.testing import ProviderConformance, WebhookConformance

pytestmark = pytest.mark.emulator("acme", recordings=45)


class TestAcmeConformance(ProviderConformance):
    """The requirements of every provider."""

    # FILL IN: `recordings` above, for three pages; `start_arguments`, `warm_up` ... (section 8)


class TestAcmeWebhooks(WebhookConformance):
    """The requirements of webhooks."""
