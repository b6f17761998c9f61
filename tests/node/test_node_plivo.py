"""Official client: Plivo's client for Node works against the emulator.

If it does not, the emulator is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from recording_core.testing import ManualClock
from recording_plivo.emulator import PlivoEmulator

pytestmark = [pytest.mark.node, pytest.mark.emulator("plivo")]

DAY = timedelta(days=1)
UNTIL_LISTED = timedelta(seconds=8)


@pytest.fixture
def plivo(call_client: Callable[..., list[Any]], emulator: PlivoEmulator) -> Callable[..., Any]:
    """Return a function that calls methods of the client with the emulator's credentials."""

    def call(*steps: Any, **options: Any) -> list[Any]:
        return call_client("plivo", emulator.origin, {**emulator.credentials, **options}, *steps)

    return call


def test_a_call_is_recorded_found_and_deleted(
    plivo: Callable[..., Any], emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    uuid = emulator.sessions[0].id
    live, shown, started = plivo(
        ["calls.listLiveCalls", [{}]],
        ["calls.getLiveCall", [uuid]],
        ["calls.record", [uuid, {"timeLimit": 600, "fileFormat": "wav"}]],
    )
    assert [each["callUuid"] for each in live] == [uuid]
    assert shown["callStatus"] == "in-progress"
    assert started["message"] == "call recording started"
    manual_clock.advance(timedelta(seconds=90))
    [stopped] = plivo(["calls.stopRecording", [uuid, {"URL": started["url"]}]])
    assert "error" not in (stopped or {})
    manual_clock.advance(UNTIL_LISTED)
    id = started["recordingId"]
    got, listed, deleted, again = plivo(
        ["recordings.get", [id]],
        ["recordings.list", [{"callUuid": uuid}]],
        ["recordings.delete", [id]],
        ["recordings.get", [id]],
    )
    assert got["recordingUrl"] == started["url"]
    assert got["recordingDurationMs"] == "90000.00000"
    assert [row["recordingId"] for row in listed] == [id]
    assert deleted is True
    assert (again["error"]["status"], again["error"]["message"]) == (404, "not found")


def test_a_conference_is_shown_recorded_and_found(
    plivo: Callable[..., Any], emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    name = emulator.sessions[1].id
    path = quote(name, safe="")  # the client does not quote names in paths
    live, shown, started = plivo(
        ["conferences.list", []], ["conferences.get", [path]], ["conferences.record", [path, {}]]
    )
    assert live["conferences"] == [name]
    assert shown["conferenceMemberCount"] == "2"
    assert started["message"] == "conference recording started"
    manual_clock.advance(timedelta(minutes=1))
    [stopped] = plivo(["conferences.stopRecording", [path]])
    assert "error" not in (stopped or {})
    manual_clock.advance(UNTIL_LISTED)
    uuid = emulator.find_session(emulator.sessions[1]).uuid
    by_name, by_uuid = plivo(
        ["recordings.list", [{"conferenceName": name}]],
        ["recordings.list", [{"conferenceUuid": uuid}]],
    )
    assert [row["recordingId"] for row in by_name] == [started["recordingId"]]
    assert by_uuid == by_name
    assert by_uuid[0]["conferenceUuid"] == uuid


def test_a_multiparty_call_is_found_paused_and_resumed(
    plivo: Callable[..., Any], emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    session = emulator.find_session(emulator.sessions[2])
    by_name = {"friendlyName": session.name}
    listed, shown, members, started = plivo(
        ["multiPartyCalls.list", [{}]],
        ["multiPartyCalls.get", [by_name]],
        ["multiPartyCalls.listParticipants", [by_name]],
        ["multiPartyCalls.startRecording", [by_name]],
    )
    assert [each["mpcUuid"] for each in listed] == [session.uuid]
    assert shown["status"] == "Active"
    assert [each["memberId"] for each in members["objects"]] == list(session.members)
    assert started["recordingUrl"].endswith(f"{started['recordingId']}.mp3")
    for verb in ("pause", "resume", "stop"):
        manual_clock.advance(timedelta(seconds=10))
        [done] = plivo([f"multiPartyCalls.{verb}Recording", [by_name]])
        assert "error" not in (done or {})
    manual_clock.advance(UNTIL_LISTED)
    by_filter = plivo(
        ["recordings.list", [{"mpcName": session.name}]],
        ["recordings.list", [{"mpcUuid": session.uuid}]],
    )
    for rows in by_filter:
        assert [row["recordingId"] for row in rows] == [started["recordingId"]]
        assert (rows[0]["mpcName"], rows[0]["mpcUuid"]) == (session.name, session.uuid)
        assert rows[0]["recordingDurationMs"] == "20000.00000"


def test_a_participant_is_recorded_alone(
    plivo: Callable[..., Any], emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    session = emulator.find_session(emulator.sessions[2])
    member, track = session.members[0], {"recordTrackType": "participant"}
    arguments = [member, {"uuid": session.uuid, **track}]
    [started] = plivo(["multiPartyCalls.startParticipantRecording", arguments])
    for verb in ("pause", "resume", "stop"):
        manual_clock.advance(timedelta(seconds=10))
        [done] = plivo([f"multiPartyCalls.{verb}ParticipantRecording", arguments])
        assert "error" not in (done or {})
    manual_clock.advance(UNTIL_LISTED)
    assert emulator.list_ids() == [started["recordingId"]]


def test_every_filter_is_sent(
    plivo: Callable[..., Any], emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    account = emulator.subaccount["auth_id"]
    id = emulator.add(ended=manual_clock.now() - DAY, subaccount=account)
    emulator.add(ended=manual_clock.now() - DAY)
    emulator.add(ended=manual_clock.now() - 9 * DAY)
    [row] = plivo(["recordings.get", [id]])
    since, until = (
        (manual_clock.now() - days * DAY).strftime("%Y-%m-%d %H:%M:%S") for days in (2, 0)
    )
    filters = [
        {"subaccount": account},
        {"callUuid": row["callUuid"]},
        {"fromNumber": row["fromNumber"], "toNumber": row["toNumber"], "subaccount": account},
        {"add_time__gte": since, "add_time__lt": until, "subaccount": account},
        {"add_time__gt": since, "add_time__lte": until, "subaccount": account},
        {"recordingStorageDuration": 1, "subaccount": account},
        {"recording_storage_duration__gte": 1, "subaccount": account, "limit": 5, "offset": 0},
    ]
    for found in plivo(*(["recordings.list", [each]] for each in filters)):
        assert [each["recordingId"] for each in found] == [id]


def test_a_populated_list_has_values_of_the_expected_types(
    plivo: Callable[..., Any], emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    for index in range(45):
        emulator.add(ended=manual_clock.now() - index * timedelta(hours=1))
    pages = plivo(*(["recordings.list", [{"offset": offset}]] for offset in (0, 20, 40)))
    rows = [row for page in pages for row in page]
    assert len({row["recordingId"] for row in rows}) >= 40
    assert {type(row["recordingStorageDuration"]) for row in rows} == {int}
    assert {type(row["recordingDurationMs"]) for row in rows} == {str}


def test_wrong_credentials_and_unknown_ids_are_errors(
    plivo: Callable[..., Any], emulator: PlivoEmulator
) -> None:
    [error] = plivo(["recordings.list", [{}]], auth_token="x" * 40)
    assert error["error"]["status"] == 401
    errors = plivo(
        ["recordings.get", ["93bc7c6a-3b2b-11e3"]],
        ["recordings.delete", ["93bc7c6a-3b2b-11e3"]],
        ["calls.stopRecording", ["unknown", {}]],
        ["calls.record", [emulator.sessions[0].id, {"fileFormat": "ogg"}]],
    )
    assert [each["error"]["status"] for each in errors] == [404, 404, 404, 400]
