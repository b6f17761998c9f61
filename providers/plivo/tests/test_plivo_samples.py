"""Samples: the JSON of Plivo's pages and clients, read without the emulator.

The emulator has the same author as the mapping: what both invented would confirm itself.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import LoopbackServer, Reply, Request
from recording_plivo import mapping

UUID = "33333333-aaaa-4bbb-8ccc-000000000003"
TOKEN = "0123456789abcdef0123456789abcdef01234567"

#: https://github.com/plivo/plivo-node, lib/rest/request-test.js: conferences of 2014
ROW_2014 = {
    "add_time": "2014-08-05 16:15:15.852059+05:30",
    "api_id": "7abf0744-1ca0-11e4-a2d1-22000ac5040c",
    "call_uuid": "c2c128e2-1c8c-11e4-9bff-1db8a9db0432",
    "conference_name": "noname",
    "recording_duration_ms": "345100.00000",
    "recording_end_ms": "1407235509007.00000",
    "recording_format": "mp3",
    "recording_id": "c2186400-1c8c-11e4-a664-0026b945b52x",
    "recording_start_ms": "1407235163907.00000",
    "recording_type": "conference",
    "recording_url": "http://s3.amazonaws.com/recordings_2013/c2186400-1c8c-11e4-a664-0026b945b52x.mp3",
    "resource_uri": "/v1/Account/MANWVLYTK4ZWU1YTY4ZT/Recording/c2186400/",
    "from_number": "+919999323467",
    "to_number": "+919891865130",
}
#: https://github.com/plivo/plivo-python, tests: recordingGetAddedFilterResponse
ROW_2022 = {
    "add_time": "2022-04-12 16:08:53.523657+05:30",
    "call_uuid": "f72eea2a-ba4e-11ec-8a4e-0242ac110005",
    "conference_name": "",
    "from_number": "+919768368717",
    "monthly_recording_storage_amount": 0.0008,
    "recording_duration_ms": "7560.00000",
    "recording_end_ms": "1649759930398.00000",
    "recording_format": "mp3",
    "recording_id": "d405c4eb-ba4e-11ec-8a4e-0242ac110005",
    "recording_start_ms": "1649759922838.00000",
    "recording_storage_duration": 209,
    "recording_storage_rate": 0.0004,
    "recording_type": "call",
    "recording_url": "https://media.plivo.com/v1/Account/MAZTXXXXXXXXXXXXXXXX/Recording/d405c4eb.mp3",
    "resource_uri": "/v1/Account/MAZTXXXXXXXXXXXXXXXX/Recording/d405c4eb/",
    "rounded_recording_duration": 120,
    "to_number": "sip:agent@phone.plivo.com",
}
#: https://www.plivo.com/docs/voice/api/recordings: numbers in quotes, null, no times
ROW_OF_THE_PAGE = {
    "add_time": "2022-08-05 16:15:15.852059+05:30",
    "api_id": "b12d05c8-1ca0-11e4-a2d1-22000ac5040c",
    "call_uuid": "c2c128e2-1c8c-11e4-9bff-1db8a9db0432",
    "conference_name": None,
    "monthly_recording_storage_amount": "0.02304",
    "recording_format": "mp3",
    "recording_id": "c2186400-1c8c-11e4-a664-0026b945b522",
    "recording_storage_duration": "723",
    "recording_storage_rate": "0.0004",
    "recording_type": "normal",
    "recording_url": "https://media.plivo.com/v1/Account/MAXX/Recording/c2186400.mp3",
    "rounded_recording_duration": "3456",
}
#: The same fields for a multiparty call, as the clients for Ruby and Node read them
ROW_OF_A_MEETING = {
    **ROW_2022,
    "recording_type": "mpc",
    "mpc_name": "Weekly Review",
    "mpc_uuid": UUID,
}


def read(row: dict[str, Any], **changes: Any) -> rec.Recording:
    return mapping.read_recording({**row, **changes}, "default")


def test_a_row_of_2014_is_read() -> None:
    recording = read(ROW_2014)
    assert recording.id == "c2186400-1c8c-11e4-a664-0026b945b52x", "not every id is a UUID"
    assert recording.target == rec.conference("noname")
    assert recording.duration == timedelta(milliseconds=345100)
    assert recording.created_at == datetime(2014, 8, 5, 10, 45, 15, 852059, tzinfo=UTC)
    assert recording.status is rec.RecordingStatus.AVAILABLE
    assert recording.unread_fields == ()


def test_a_row_of_2022_is_read() -> None:
    recording = read(ROW_2022)
    assert (recording.kind, recording.target) == ("call", rec.call(str(ROW_2022["call_uuid"])))
    assert recording.duration == timedelta(milliseconds=7560), "not the billed 120 s"
    assert recording.unread_fields == ()


def test_the_row_of_the_page_is_read() -> None:
    recording = read(ROW_OF_THE_PAGE)
    assert (recording.kind, recording.status) == ("call", "available")
    assert (recording.duration, recording.started_at) == (None, None)
    assert recording.unread_fields == ()


@pytest.mark.parametrize("type", ["mpc", "call", "normal", "", "trunk", None, 7])
def test_a_row_with_the_name_of_a_multiparty_call_is_a_meetings(type: Any) -> None:
    recording = read(ROW_OF_A_MEETING, recording_type=type)
    assert recording.kind is rec.SessionKind.MEETING
    assert recording.target == rec.meeting("Weekly Review")
    assert recording.reference == ROW_OF_A_MEETING["mpc_uuid"]


@pytest.mark.parametrize(
    ("name", "uuid", "target"),
    [
        ("Sales", "", "Sales"),
        ("Sales", None, "Sales"),
        ("name_x", "3-a", "name_name_x"),
        (
            "33333333-aaaa-4bbb-8ccc-000000000003",
            "3-a",
            "name_33333333-aaaa-4bbb-8ccc-000000000003",
        ),
        ("", "33333333-aaaa-4bbb-8ccc-000000000003", "33333333-aaaa-4bbb-8ccc-000000000003"),
        (None, "3-a", "uuid_3-a"),
        (".", "3-a", "name_."),
    ],
)
def test_the_target_of_a_meeting_is_what_start_accepts(name: Any, uuid: Any, target: str) -> None:
    recording = read(ROW_OF_A_MEETING, mpc_name=name, mpc_uuid=uuid)
    assert recording.target == rec.meeting(target)
    assert recording.reference == (uuid or ROW_2022["call_uuid"])
    assert recording.unread_fields == ()


@pytest.mark.parametrize("value", [7, ["a"], {"a": 1}, True])
def test_an_odd_name_of_a_session_costs_the_name_alone(value: Any) -> None:
    meeting = read(ROW_OF_A_MEETING, mpc_uuid=value)
    assert (meeting.kind, meeting.target) == ("meeting", rec.meeting("Weekly Review"))
    assert (meeting.reference, meeting.unread_fields) == (None, ("mpc_uuid",))
    unnamed = read(ROW_OF_A_MEETING, mpc_name=value)
    assert (unnamed.kind, unnamed.target, unnamed.reference) == ("meeting", None, UUID)
    conference = read(ROW_2014, conference_uuid=value)
    assert (conference.target, conference.unread_fields) == (
        rec.conference("noname"),
        ("conference_uuid",),
    )
    call = read(ROW_2022, mpc_name=value)
    assert (call.kind, call.unread_fields) == ("call", ("mpc_name",))


def test_the_uuid_of_a_conference_is_its_reference() -> None:
    assert read(ROW_2014, conference_uuid=UUID).reference == UUID
    for absent in ("", None):
        assert read(ROW_2014, conference_uuid=absent).reference == ROW_2014["call_uuid"]


#: The responses to a start that pages and clients show.
STARTED = [
    {
        "api_id": "2867b6e2-58c3-11e1-86da-adf28403fe48",
        "message": "conference recording started",
        "recording_id": "93bc7c6a-3b2b-11e3",
        "url": "https://media.plivo.com/v1/Account/<Auth_ID>/Recording/93bc7c6a-3b2b-11e3.mp3",
    },
    {
        "url": "http://s3.amazonaws.com/recordings_2013/48dfaf60-3b2a-11e3.mp3",
        "message": "call recording started",
        "recording_id": "48dfaf60-3b2a-11e3",
        "api_id": "c7b69074-58be-11e1-86da-adf28403fe48",
    },
    {
        "api_id": "e9b9b0cf-ee0a-11ea-b02e-0242ac110003",
        "message": "MPC: TestMPC record started",
        "recording_id": "e9bd7634-ee0a-11ea-9ddf-06feebbe3347",
        "recording_url": "https://media-qa.voice.plivodev.com/v1/Account/MA/Recording/e9bd7634.mp3",
    },
]
#: plivo-php, issue 204, and the fixture of plivo-python: no recording is named.
WITHOUT_ID = [
    ({"api_id": "a", "message": "async api spawned"}, "pending"),
    ({"api_id": "a", "message": "call recording started"}, "recording"),
    ({"api_id": "a", "message": "MPC: X record started", "request_uuid": "b"}, "recording"),
]


def start(payload: dict[str, Any]) -> rec.RecordingSession:
    """Start recording a call at a server that returns this response."""
    with (
        LoopbackServer(lambda request: Reply.json(payload, 202)) as server,
        rec.connect(
            "plivo",
            auth_id="MA" + "X" * 18,
            auth_token=TOKEN,
            base_url=f"{server.origin}/v1",
        ) as plivo,
    ):
        return plivo.start(rec.call("f72eea2a"), callback_url="https://hooks.example.com/plivo")


@pytest.mark.parametrize("payload", STARTED, ids=lambda payload: payload["message"])
def test_the_responses_to_a_start_are_read(payload: dict[str, Any]) -> None:
    session = start(payload)
    assert (session.id, session.status) == (payload["recording_id"], "recording")


@pytest.mark.parametrize(("payload", "status"), WITHOUT_ID)
def test_a_response_that_names_no_recording_gives_a_session_without_an_id(
    payload: dict[str, Any], status: str
) -> None:
    session = start(payload)
    assert (session.id, session.status) == (None, status)


def test_a_list_of_a_client_is_read() -> None:
    rows = [ROW_2014, {**ROW_2014, "recording_id": "fc2716b0-1c8b-11e4-bwad-842b2b17453e"}]
    # The fixture's total differs from its rows, one of which is repeated.
    payload = {
        "api_id": "ff25223a-1c9f-11e4-80aa-12313f048015",
        "meta": {"limit": 3, "next": None, "offset": 0, "previous": None, "total_count": 948},
        "objects": [*rows, ROW_2014],
    }

    def answer(request: Request) -> Reply:
        assert request.arg("add_time__gte")
        return Reply.json(payload)

    with (
        LoopbackServer(answer) as server,
        rec.connect(
            "plivo", auth_id="MA" + "X" * 18, auth_token=TOKEN, base_url=f"{server.origin}/v1"
        ) as plivo,
    ):
        day = timedelta(days=1)
        added = datetime(2014, 8, 5, tzinfo=UTC)
        listing = plivo.list(since=added - day, until=added + day)
        assert [each.id for each in listing] == [row["recording_id"] for row in rows]
