"""Other clients: what Plivo's clients for Go and Ruby send to the emulator, and expect of it.

Neither is in a registry, so that their requests and types stand here:
https://github.com/plivo/plivo-go (recordings.go, multipartycall.go, baseclient.go) and
https://github.com/plivo/plivo-ruby (base_client.rb).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import requests

from recording_core import SessionKind
from recording_core.testing import ManualClock
from recording_plivo.emulator import PlivoEmulator

Send = Callable[..., requests.Response]
pytestmark = pytest.mark.emulator("plivo", recordings=45)

#: The JSON types of Go's `Recording`; Go decodes null and an absent field as the zero value.
GO_RECORDING: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (
            *("add_time", "call_uuid", "conference_name", "recording_id", "recording_type"),
            *("recording_format", "recording_url", "resource_uri", "from_number", "to_number"),
            *("recording_duration_ms", "recording_start_ms", "recording_end_ms"),
        ),
        (str,),
    ),
    **dict.fromkeys(("recording_storage_duration", "rounded_recording_duration"), (int,)),
    **dict.fromkeys(("recording_storage_rate", "monthly_recording_storage_amount"), (int, float)),
}
#: Those of its `MultiPartyCallGetResponse`.
GO_MEETING: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (
            *("billed_amount", "creation_time", "end_time", "friendly_name", "mpc_uuid"),
            *("participants", "recording", "resource_uri", "start_time", "status"),
            *("sub_account", "termination_cause"),
        ),
        (str,),
    ),
    **dict.fromkeys(("billed_duration", "duration", "termination_cause_code"), (int,)),
    "stay_alone": (bool,),
}


@pytest.fixture
def send(emulator: PlivoEmulator) -> Send:
    """Return a function that sends a request below the account, with its credentials."""
    auth = (emulator.credentials["auth_id"], emulator.credentials["auth_token"])

    def send(method: str, path: str, **more: Any) -> requests.Response:
        url = f"{emulator.base_url}/Account/{auth[0]}/{path}"
        return requests.request(method, url, auth=auth, timeout=10, **more)

    return send


def check_types(payload: dict[str, Any], types: dict[str, tuple[type, ...]]) -> None:
    wrong = {
        name: payload[name]
        for name, allowed in types.items()
        if payload.get(name) is not None and type(payload[name]) not in allowed
    }
    assert not wrong


def list_rows(send: Send, clock: ManualClock) -> list[dict[str, Any]]:
    """List the rows of ninety days, in windows of thirty."""
    rows: list[dict[str, Any]] = []
    for days in (0, 30, 60):
        until = clock.now() - timedelta(days=days)
        bounds = {
            "add_time__gte": f"{until - timedelta(days=30):%Y-%m-%d %H:%M:%S}",
            "add_time__lt": f"{until:%Y-%m-%d %H:%M:%S}",
        }
        rows += send("GET", "Recording/", params=bounds).json()["objects"]
    return rows


def test_every_listed_row_has_the_types_that_go_decodes(
    send: Send, manual_clock: ManualClock
) -> None:
    rows = list_rows(send, manual_clock)
    assert len(rows) == 45
    for row in rows:
        check_types(row, GO_RECORDING)


@pytest.mark.emulator("plivo", recordings=45, assume=[6])
def test_numbers_may_be_in_quotes_as_on_the_page(send: Send, manual_clock: ManualClock) -> None:
    rates = [row.get("recording_storage_rate") for row in list_rows(send, manual_clock)]
    assert {type(rate) for rate in rates} == {str, float, type(None)}


def test_an_empty_parameter_is_absent(send: Send, emulator: PlivoEmulator) -> None:
    # Go sends it also if it was not given: its field has no `omitempty`.
    body = {"file_format": "mp3", "record_track_type": ""}
    reply = send("POST", "MultiPartyCall/name_Weekly%20Review/Record/", json=body)
    assert reply.status_code == 202
    assert reply.json()["recording_url"].endswith(".mp3")
    member = emulator.find_session(emulator.sessions[2]).members[0]
    path = f"MultiPartyCall/name_Weekly%20Review/Participant/{member}/Record/"
    assert send("POST", path, json={**body, "file_format": ""}).status_code == 202
    assert send("DELETE", path, json={"record_track_type": ""}).status_code == 204
    call = f"Call/{emulator.sessions[0].id}/Record/"
    assert send("POST", call, json={"time_limit": "", "callback_url": ""}).json()["recording_id"]


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_multiparty_call_has_the_types_that_go_decodes(
    send: Send, emulator: PlivoEmulator, has_ended: bool
) -> None:
    if has_ended:
        emulator.hang_up(emulator.sessions[2])
    payload = send("GET", "MultiPartyCall/name_Weekly%20Review/").json()
    assert set(GO_MEETING) <= set(payload)
    check_types(payload, GO_MEETING)


def test_every_204_has_a_content_type(send: Send, emulator: PlivoEmulator) -> None:
    # Ruby's client fails without.
    path = f"Call/{emulator.sessions[0].id}/Record/"
    assert send("POST", path, json={}).status_code == 202
    recording = emulator.add(ended=emulator.clock.now(), kind=SessionKind.CALL)
    emulator.advance(timedelta(seconds=20))
    meeting = "MultiPartyCall/name_Weekly%20Review/Record/"
    send("POST", meeting, json={})
    for method, each in (
        ("DELETE", path),
        ("DELETE", f"Recording/{recording}/"),
        ("POST", f"{meeting}Pause/"),
        ("POST", f"{meeting}Resume/"),
        ("DELETE", meeting),
    ):
        reply = send(method, each)
        assert (reply.status_code, reply.content) == (204, b"")
        assert reply.headers["Content-Type"] == "application/json"
