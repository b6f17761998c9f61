"""Client: the requests that are sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from recording_core import Provider
from recording_core.testing import Emulator

pytestmark = pytest.mark.emulator("acme")


# FILL IN: what each keyword of `start` adds to the request (section 4)
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({}, {}),
        ({"format": "mp3"}, {"format": "mp3"}),
        ({"max_duration": timedelta(minutes=5)}, {"max_seconds": 300}),
        ({"extra": {"note": "x"}}, {"note": "x"}),
    ],
)
def test_a_start_sends_its_keywords(
    emulator: Emulator,
    emulated_provider: Provider,
    arguments: dict[str, Any],
    sent: dict[str, Any],
) -> None:
    [target] = emulator.sessions
    emulated_provider.start(target, **arguments)
    assert emulator.list_requests()[-1].json() == {"call": target.id, **sent}


def test_a_live_recording_has_no_file(emulator: Emulator, emulated_provider: Provider) -> None:
    session = emulated_provider.start(emulator.sessions[0])
    emulator.advance(timedelta(seconds=10))
    assert emulated_provider.get(session.id or "").files == ()
