"""Official client: Plivo's Python client works against the emulator.

If it does not, the emulator is wrong. The tests use the methods of collections only: those of
single objects drop arguments (`Conference.record` filters its own by the signature of
`member_speak`, 4.63).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args
from urllib.parse import quote

import plivo
import pytest
from plivo.exceptions import AuthenticationError, ResourceNotFoundError, ValidationError
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from recording_core import SessionKind
from recording_core.testing import ManualClock
from recording_plivo.emulator import PlivoEmulator
from recording_plivo.emulator.listing import PagingMode

VENDOR = "https://api.plivo.com"
DAY = timedelta(days=1)
UNTIL_LISTED = timedelta(seconds=8)


class EmulatorAdapter(HTTPAdapter):
    """Redirects requests for Plivo to the emulator."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        assert request.url is not None
        request.url = request.url.replace(VENDOR, self.origin, 1)
        return super().send(request, *args, **kwargs)


pytestmark = pytest.mark.emulator("plivo")


@pytest.fixture
def client(emulator: PlivoEmulator) -> Iterator[Any]:
    with plivo.RestClient(**emulator.credentials) as client:
        client.session.mount(VENDOR, EmulatorAdapter(emulator.origin))
        yield client


@pytest.fixture
def call(emulator: PlivoEmulator) -> str:
    return emulator.sessions[0].id


@pytest.fixture
def conference(emulator: PlivoEmulator) -> str:
    """The quoted name: the client does not quote names in paths."""
    return quote(emulator.sessions[1].id, safe="")


@pytest.fixture
def friendly_name(emulator: PlivoEmulator) -> str:
    return emulator.sessions[2].id.removeprefix("name_")


def add_recordings(
    emulator: PlivoEmulator, manual_clock: ManualClock, *ages: timedelta
) -> list[str]:
    return [emulator.add(ended=manual_clock.now() - age, added_after=timedelta(0)) for age in ages]


def list_ids(listing: Any) -> list[str]:
    return [recording.recording_id for recording in listing]


class TestVerbs:
    def test_a_call_is_recorded_found_and_deleted(
        self, client: Any, manual_clock: ManualClock, call: str
    ) -> None:
        started = client.calls.start_recording(call, time_limit=600, file_format="wav")
        assert started.message == "call recording started"
        assert started.url.endswith(f"/Recording/{started.recording_id}.wav")
        manual_clock.advance(timedelta(seconds=90))
        assert client.calls.stop_recording(call, None, None) is None
        manual_clock.advance(UNTIL_LISTED)
        recording = client.recordings.get(started.recording_id)
        assert recording.id == started.recording_id
        assert recording.call_uuid == call
        assert recording.recording_duration_ms == "90000.00000"
        assert recording.recording_url == started.url
        assert list_ids(client.recordings.list(call_uuid=call)) == [started.recording_id]
        client.recordings.delete(started.recording_id)
        with pytest.raises(ResourceNotFoundError, match="not found"):
            client.recordings.get(started.recording_id)

    def test_a_conference_is_recorded_found_and_deleted(
        self, client: Any, manual_clock: ManualClock, conference: str
    ) -> None:
        started = client.conferences.record(conference, file_format="wav")
        assert started.message == "conference recording started"
        manual_clock.advance(timedelta(minutes=5))
        client.conferences.record_stop(conference)
        manual_clock.advance(UNTIL_LISTED)
        [recording] = client.recordings.list(conference_name="Daily Standup #1")
        assert recording.recording_id == started.recording_id
        assert recording.recording_format == "wav"
        assert recording.conference_name == "Daily Standup #1"
        assert client.recordings.delete(recording.id) is None

    def test_a_conference_name_that_is_not_quoted_is_not_found(
        self, client: Any, emulator: PlivoEmulator
    ) -> None:
        target = emulator.begin(SessionKind.CONFERENCE, "Board/Q3")
        with pytest.raises(ResourceNotFoundError):
            client.conferences.record(target.id)

    def test_a_live_conference_is_shown(
        self, client: Any, manual_clock: ManualClock, conference: str
    ) -> None:
        assert client.conferences.list().conferences == ["Daily Standup #1"]
        manual_clock.advance(timedelta(seconds=30))
        shown = client.conferences.get(conference)
        assert (shown.conference_run_time, shown.conference_member_count) == ("30", "2")

    def test_a_multiparty_call_is_paused_and_resumed(
        self, client: Any, manual_clock: ManualClock, friendly_name: str
    ) -> None:
        calls = client.multi_party_calls
        started = calls.start_recording(friendly_name=friendly_name, file_format="wav")
        assert started.recording_url.endswith(f"{started.recording_id}.wav")
        for verb in (calls.pause_recording, calls.resume_recording, calls.stop_recording):
            assert calls.get(friendly_name=friendly_name).recording == "recording"
            manual_clock.advance(timedelta(seconds=10))
            assert verb(friendly_name=friendly_name) is None
        shown = calls.get(friendly_name=friendly_name)
        assert shown.recording == "not-recording"
        manual_clock.advance(UNTIL_LISTED)
        recording = client.recordings.get(started.recording_id)
        assert recording.recording_duration_ms == "20000.00000"
        assert list_ids(client.recordings.list(mpc_uuid=shown.mpc_uuid)) == [started.recording_id]
        assert list_ids(client.recordings.list(mpc_name=friendly_name)) == [started.recording_id]

    def test_a_participant_is_recorded_by_the_calls_uuid(
        self, client: Any, manual_clock: ManualClock, emulator: PlivoEmulator
    ) -> None:
        meeting = emulator.sessions[2]
        participant = {
            "participant_id": emulator.find_session(meeting).members[0],
            "uuid": emulator.find_session(meeting).uuid,
        }
        participant["record_track_type"] = "participant"
        calls = client.multi_party_calls
        started = calls.start_participant_recording(**participant)
        calls.pause_participant_recording(**participant)
        manual_clock.advance(timedelta(seconds=10))
        calls.resume_participant_recording(**participant)
        manual_clock.advance(timedelta(seconds=10))
        calls.stop_participant_recording(**participant)
        manual_clock.advance(UNTIL_LISTED)
        recording = client.recordings.get(started.recording_id)
        assert recording.recording_duration_ms == "10000.00000"

    def test_live_calls_are_listed_and_shown(self, client: Any, call: str) -> None:
        assert client.live_calls.list_ids().calls == [call]
        assert client.live_calls.get(call).call_status == "in-progress"

    def test_multiparty_calls_and_participants_are_listed_and_shown(
        self, client: Any, emulator: PlivoEmulator, friendly_name: str
    ) -> None:
        calls, session = client.multi_party_calls, emulator.find_session(emulator.sessions[2])
        assert [each.mpc_uuid for each in calls.list(status="active")] == [session.uuid]
        assert list(calls.list(friendly_name="unknown")) == []
        assert calls.get(uuid=session.uuid).friendly_name == friendly_name
        members = calls.list_participants(friendly_name=friendly_name)
        assert [each.member_id for each in members] == list(session.members)
        shown = calls.get_participant(session.members[0], friendly_name=friendly_name)
        assert shown.mpc_uuid == session.uuid

    def test_the_account_is_shown(self, client: Any, emulator: PlivoEmulator) -> None:
        assert client.account.get().auth_id == emulator.credentials["auth_id"]

    def test_a_transcription_is_made_and_read(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        [id] = add_recordings(emulator, manual_clock, DAY)
        made = client.transcriptions.create_transcription(id)
        assert made.message == "transcription in progress"
        assert client.transcriptions.get_transcription(id).status == "success"
        assert client.transcriptions.delete_transcription(id).message == "request accepted"

    def test_an_asynchronous_get_returns_no_recording(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        [id] = add_recordings(emulator, manual_clock, DAY)
        reply = client.recordings.get(id, callback_url="https://example.com/hook")
        assert reply.message == "async api spawned"
        assert "recording_id" not in reply


class TestListing:
    def test_a_page_has_meta(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        expected = add_recordings(
            emulator, manual_clock, *[timedelta(hours=hour) for hour in range(1, 6)]
        )
        page = client.recordings.list(limit=2, offset=2)
        assert list_ids(page) == expected[2:4]
        assert len(page) == 2
        assert (page.meta.limit, page.meta.offset, page.meta.total_count) == (2, 2, 5)

    @pytest.mark.parametrize("paging", get_args(PagingMode))
    def test_iterating_reads_all_pages_of_the_last_seven_days_only(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock, paging: PagingMode
    ) -> None:
        emulator.paging = paging
        recent = add_recordings(
            emulator, manual_clock, *[timedelta(hours=3 * n) for n in range(1, 46)]
        )
        add_recordings(emulator, manual_clock, 8 * DAY)
        assert list_ids(client.recordings) == recent
        assert len(emulator.list_requests()) == 3

    @pytest.mark.parametrize("microsecond", [0, 104_729])
    def test_a_naive_datetime_is_a_bound_in_utc(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock, microsecond: int
    ) -> None:
        _, old, _ = add_recordings(emulator, manual_clock, 10 * DAY, 20 * DAY, 40 * DAY)
        now = manual_clock.now().replace(tzinfo=None, microsecond=microsecond)
        window = {"add_time__gte": now - 30 * DAY, "add_time__lt": now - 15 * DAY}
        assert list_ids(client.recordings.list(**window)) == [old]

    def test_an_aware_datetime_is_sent_with_its_offset_and_rejected(
        self, client: Any, manual_clock: ManualClock
    ) -> None:
        with pytest.raises(ValidationError, match="YYYY-MM-DD"):
            client.recordings.list(add_time__gt=manual_clock.now() - DAY)

    def test_a_window_of_sixty_days_is_rejected(
        self, client: Any, manual_clock: ManualClock
    ) -> None:
        now = manual_clock.now().replace(tzinfo=None)
        with pytest.raises(ValidationError, match="30 days"):
            client.recordings.list(add_time__gt=now - 60 * DAY, add_time__lt=now)

    def test_numbers_and_subaccounts_are_filters(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        auth_id = emulator.subaccount["auth_id"]
        id = emulator.add(ended=manual_clock.now() - DAY, subaccount=auth_id)
        add_recordings(emulator, manual_clock, DAY)
        recording = client.recordings.get(id)
        assert list_ids(client.recordings.list(subaccount=auth_id)) == [id]
        number = recording.from_number.removeprefix("+")
        assert id in list_ids(client.recordings.list(from_number=number))

    def test_each_filter_is_sent(
        self, client: Any, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        auth_id = emulator.subaccount["auth_id"]
        found: dict[SessionKind, str] = {}
        for kind in SessionKind:
            name = "" if kind is SessionKind.CALL else "filtered"
            ended = manual_clock.now() - DAY
            found[kind] = emulator.add(ended=ended, kind=kind, name=name, subaccount=auth_id)
        add_recordings(emulator, manual_clock, DAY, 3 * DAY)
        rows = {kind: client.recordings.get(id) for kind, id in found.items()}
        call, conference, meeting = (rows[kind] for kind in SessionKind)
        now = manual_clock.now().replace(tzinfo=None)
        since, until = now - 2 * DAY, now
        for row, filters in (
            (call, {"call_uuid": call.call_uuid}),
            (call, {"from_number": call.from_number, "call_uuid": call.call_uuid}),
            (call, {"to_number": call.to_number, "call_uuid": call.call_uuid}),
            (conference, {"conference_name": "filtered"}),
            (conference, {"conference_uuid": conference.conference_uuid}),
            (meeting, {"mpc_name": "filtered"}),
            (meeting, {"mpc_uuid": meeting.mpc_uuid}),
            (meeting, {"mpc_uuid": meeting.mpc_uuid, "subaccount": auth_id}),
            (meeting, {"mpc_name": "filtered", "add_time__gt": since, "add_time__lte": until}),
            (meeting, {"mpc_name": "filtered", "add_time__gte": since, "add_time__lt": until}),
            (meeting, {"mpc_name": "filtered", "recording_storage_duration": 1}),
            (
                meeting,
                {
                    "mpc_name": "filtered",
                    "recording_storage_duration__gte": 1,
                    "recording_storage_duration__lte": 1,
                },
            ),
            (
                meeting,
                {
                    "mpc_name": "filtered",
                    "recording_storage_duration__gt": 0,
                    "recording_storage_duration__lt": 2,
                },
            ),
        ):
            assert list_ids(client.recordings.list(**filters)) == [row.recording_id], filters


class TestErrors:
    def test_a_wrong_token_is_an_authentication_error(self, emulator: PlivoEmulator) -> None:
        with plivo.RestClient(emulator.credentials["auth_id"], "x" * 40) as client:
            client.session.mount(VENDOR, EmulatorAdapter(emulator.origin))
            with pytest.raises(AuthenticationError, match="Failed to authenticate"):
                client.recordings.list()

    def test_an_unknown_id_is_a_not_found_error(self, client: Any) -> None:
        with pytest.raises(ResourceNotFoundError):
            client.recordings.get("93bc7c6a-3b2b-11e3")
        with pytest.raises(ResourceNotFoundError):
            client.recordings.delete("93bc7c6a-3b2b-11e3")
        with pytest.raises(ResourceNotFoundError):
            client.calls.stop_recording("unknown", None, None)

    def test_a_bad_parameter_is_a_validation_error(self, client: Any, call: str) -> None:
        with pytest.raises(ValidationError, match="file_format"):
            client.calls.start_recording(call, file_format="ogg")

    def test_the_validators_accept_the_emulated_credentials(self, emulator: PlivoEmulator) -> None:
        from plivo.utils import is_valid_mainaccount, is_valid_subaccount

        assert is_valid_mainaccount(emulator.credentials["auth_id"])
        assert is_valid_subaccount(emulator.subaccount["auth_id"])


def test_a_call_that_ended_is_no_longer_recorded(
    client: Any, emulator: PlivoEmulator, manual_clock: ManualClock
) -> None:
    session = emulator.begin(SessionKind.CALL)
    started = client.calls.start_recording(session.id)
    manual_clock.advance(timedelta(seconds=3))
    emulator.hang_up(session)
    with pytest.raises(ResourceNotFoundError):
        client.calls.start_recording(session.id)
    manual_clock.advance(UNTIL_LISTED)
    assert client.recordings.get(started.recording_id).recording_duration_ms == "3000.00000"
