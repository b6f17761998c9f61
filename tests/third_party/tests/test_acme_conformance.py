"""Conformance of the Acme provider."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recording_core import Provider
from recording_core.testing import Emulator, ProviderConformance, WebhookConformance

pytestmark = pytest.mark.emulator("acme", recordings=45)


class TestAcmeConformance(ProviderConformance):
    """The requirements of every provider."""


class TestAcmeWebhooks(WebhookConformance):
    """The requirements of webhooks."""


def test_the_format_is_sent(emulator: Emulator, emulated_provider: Provider) -> None:
    with emulator.log_requests("api") as requests:
        emulated_provider.start(emulator.sessions[0], format="mp3")
    assert requests[0].request.json()["format"] == "mp3"


def test_a_recording_without_its_end_has_no_file(
    emulator: Emulator, emulated_provider: Provider
) -> None:
    session = emulated_provider.start(emulator.sessions[0])
    emulator.advance(timedelta(seconds=10))
    assert emulated_provider.get(session.id or "").files == ()
