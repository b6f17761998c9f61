"""Official client: Twilio's client for Node works against the emulator.

If it does not, the emulator is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from recording_core.plugin import Webhook
from recording_core.testing import ManualClock
from recording_twilio.emulator import TwilioEmulator
from recording_twilio.emulator.webhooks import build_signed_request

pytestmark = [pytest.mark.node, pytest.mark.emulator("twilio")]

UNTIL_COMPLETED = timedelta(seconds=8)
HOOK = "https://app.example.com:8443/hook?b=%20x&a=1"


@pytest.fixture
def twilio(call_client: Callable[..., list[Any]], emulator: TwilioEmulator) -> Callable[..., Any]:
    """Return a function that calls methods of the client with the emulator's credentials."""

    def call(*steps: Any) -> list[Any]:
        return call_client("twilio", emulator.origin, emulator.credentials, *steps)

    return call


def test_a_call_is_recorded_paused_stopped_and_deleted(
    twilio: Callable[..., Any], emulator: TwilioEmulator, manual_clock: ManualClock
) -> None:
    recordings = f"calls({emulator.sessions[0].id}).recordings"
    options = {
        "recordingChannels": "dual",
        "recordingStatusCallback": HOOK,
        "recordingStatusCallbackEvent": ["in-progress", "completed"],
    }
    [started] = twilio([f"{recordings}.create", [options]])
    assert (started["status"], started["channels"]) == ("in-progress", 2)
    sid = started["sid"]
    assert emulator.stored[sid].events == ("in-progress", "completed")
    manual_clock.advance(timedelta(seconds=10))
    paused, running, resumed, stopped = twilio(
        [f"{recordings}({sid}).update", [{"status": "paused", "pauseBehavior": "skip"}]],
        [f"{recordings}({sid}).fetch", []],
        [f"{recordings}({sid}).update", [{"status": "in-progress"}]],
        [f"{recordings}({sid}).update", [{"status": "stopped"}]],
    )
    words = [each["status"] for each in (paused, running, resumed, stopped)]
    assert words == ["paused", "processing", "in-progress", "stopped"]
    manual_clock.advance(UNTIL_COMPLETED)
    found, listed, deleted, again = twilio(
        [f"recordings({sid}).fetch", []],
        [f"{recordings}.list", [{}]],
        [f"recordings({sid}).remove", []],
        [f"recordings({sid}).fetch", []],
    )
    assert (found["status"], found["duration"]) == ("completed", "10")
    assert [row["sid"] for row in listed] == [sid]
    assert deleted is True
    assert again["error"]["status"] == 404


def test_recordings_and_live_calls_are_listed_page_by_page(
    twilio: Callable[..., Any], emulator: TwilioEmulator, manual_clock: ManualClock
) -> None:
    sids = [emulator.add(ended=manual_clock.now() - timedelta(hours=each)) for each in range(1, 6)]
    conference = emulator.sessions[1].id
    own = emulator.begin_recording(emulator.sessions[1])
    listed, live, found, paused = twilio(
        ["recordings.list", [{"pageSize": 2}]],
        ["conferences.list", [{"status": "in-progress"}]],
        [f"conferences({conference}).recordings.list", [{}]],
        [f"conferences({conference}).recordings(Twilio.CURRENT).update", [{"status": "paused"}]],
    )
    assert [row["sid"] for row in listed] == [own, *sids]
    assert [row["sid"] for row in live] == [conference]
    assert [row["sid"] for row in found] == [own]
    assert (paused["sid"], paused["status"]) == (own, "paused")


@pytest.mark.parametrize("shared_key", [None, "SK1"])
def test_the_emulators_webhooks_are_valid(
    twilio: Callable[..., Any], emulator: TwilioEmulator, shared_key: str | None
) -> None:
    emulator.begin_recording(emulator.sessions[0])
    (event,) = emulator.deliveries.list_events()
    secret = emulator.credentials["auth_token"]
    algorithm = "HMAC_SHA1" if shared_key is None else "HMAC_SHA256"
    steps: list[Any] = []
    for method, as_json in (("POST", False), ("GET", False), ("POST", True)):
        request = build_signed_request(
            event.payload, Webhook(HOOK, method), secret, shared_key=shared_key, as_json=as_json
        )
        signed: Any = (secret, request.header("X-Twilio-Signature"), request.url)
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        if as_json:
            name, content = "validateRequestWithBody", request.body.decode()
            steps.append([name, [*signed, content, algorithm]])
        else:
            steps.append(["validateRequest", [*signed, form, algorithm]])
    assert twilio(*steps) == [True, True, True]
