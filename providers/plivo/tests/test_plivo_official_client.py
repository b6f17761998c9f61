"""Does Plivo's own Python client believe the emulator? Where it does not, the emulator is wrong.

The collection's methods are used throughout: those of single objects drop arguments
(`Conference.record` filters its own by the signature of `member_speak`, 4.63).
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
from recording_core.testing.manual_clock import ManualClock
from recording_plivo.emulated_listing import Paging
from recording_plivo.emulator import PlivoEmulator

VENDOR = "https://api.plivo.com"
DAY = timedelta(days=1)
UNTIL_LISTED = timedelta(seconds=8)


class ToEmulator(HTTPAdapter):
    """Carries what is meant for Plivo to loopback."""

    def __init__(self, origin: str) -> None:
        super().__init__()
        self.origin = origin

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        assert request.url is not None
        request.url = request.url.replace(VENDOR, self.origin, 1)
        return super().send(request, *args, **kwargs)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[PlivoEmulator]:
    with PlivoEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: PlivoEmulator) -> Iterator[Any]:
    with plivo.RestClient(**emulator.credentials) as client:
        client.session.mount(VENDOR, ToEmulator(emulator.origin))
        yield client


@pytest.fixture
def call(emulator: PlivoEmulator) -> str:
    return emulator.sessions[0].id


@pytest.fixture
def conference(emulator: PlivoEmulator) -> str:
    """The client puts a name into the path as it is, so it must be quoted beforehand."""
    return quote(emulator.sessions[1].id, safe="")


@pytest.fixture
def friendly_name(emulator: PlivoEmulator) -> str:
    return emulator.sessions[2].id.removeprefix("name_")


def planted(emulator: PlivoEmulator, clock: ManualClock, *ages: timedelta) -> list[str]:
    return [emulator.add(ended=clock.now() - age, added_after=timedelta(0)) for age in ages]


def ids(listing: Any) -> list[str]:
    return [recording.recording_id for recording in listing]


class TestVerbs:
    def test_a_call_is_recorded_found_and_deleted(
        self, client: Any, clock: ManualClock, call: str
    ) -> None:
        started = client.calls.start_recording(call, time_limit=600, file_format="wav")
        assert started.message == "call recording started"
        assert started.url.endswith(f"/Recording/{started.recording_id}.wav")
        clock.advance(timedelta(seconds=90))
        assert client.calls.stop_recording(call, None, None) is None
        clock.advance(UNTIL_LISTED)
        recording = client.recordings.get(started.recording_id)
        assert recording.id == started.recording_id
        assert recording.call_uuid == call
        assert recording.recording_duration_ms == "90000.00000"
        assert recording.recording_url == started.url
        assert ids(client.recordings.list(call_uuid=call)) == [started.recording_id]
        client.recordings.delete(started.recording_id)
        with pytest.raises(ResourceNotFoundError, match="not found"):
            client.recordings.get(started.recording_id)

    def test_a_conference_is(self, client: Any, clock: ManualClock, conference: str) -> None:
        started = client.conferences.record(conference, file_format="wav")
        assert started.message == "conference recording started"
        clock.advance(timedelta(minutes=5))
        client.conferences.record_stop(conference)
        clock.advance(UNTIL_LISTED)
        [recording] = client.recordings.list(conference_name="Daily Standup #1")
        assert recording.recording_id == started.recording_id
        assert recording.recording_format == "wav"
        assert recording.conference_name == "Daily Standup #1"
        assert client.recordings.delete(recording.id) is None

    def test_a_conferences_name_that_is_not_quoted_never_arrives(
        self, client: Any, emulator: PlivoEmulator
    ) -> None:
        with pytest.raises(ResourceNotFoundError):
            client.conferences.record(emulator.sessions[1].id)

    def test_a_live_conference_is_shown(
        self, client: Any, clock: ManualClock, conference: str
    ) -> None:
        assert client.conferences.list().conferences == ["Daily Standup #1"]
        clock.advance(timedelta(seconds=30))
        shown = client.conferences.get(conference)
        assert (shown.conference_run_time, shown.conference_member_count) == ("30", "2")

    def test_a_multiparty_call_is_paused_and_resumed(
        self, client: Any, clock: ManualClock, friendly_name: str
    ) -> None:
        calls = client.multi_party_calls
        started = calls.start_recording(friendly_name=friendly_name, file_format="wav")
        assert started.recording_url.endswith(f"{started.recording_id}.wav")
        for verb in (calls.pause_recording, calls.resume_recording, calls.stop_recording):
            assert calls.get(friendly_name=friendly_name).recording == "recording"
            clock.advance(timedelta(seconds=10))
            assert verb(friendly_name=friendly_name) is None
        shown = calls.get(friendly_name=friendly_name)
        assert shown.recording == "not-recording"
        clock.advance(UNTIL_LISTED)
        recording = client.recordings.get(started.recording_id)
        assert recording.recording_duration_ms == "20000.00000"
        assert ids(client.recordings.list(mpc_uuid=shown.mpc_uuid)) == [started.recording_id]
        assert ids(client.recordings.list(mpc_name=friendly_name)) == [started.recording_id]

    def test_a_participant_is_recorded_by_the_calls_uuid(
        self, client: Any, clock: ManualClock, emulator: PlivoEmulator
    ) -> None:
        meeting = emulator.sessions[2]
        whom = {"participant_id": emulator.members(meeting)[0], "uuid": emulator.uuid(meeting)}
        calls = client.multi_party_calls
        started = calls.start_participant_recording(record_track_type="participant", **whom)
        calls.pause_participant_recording(**whom)
        clock.advance(timedelta(seconds=10))
        calls.resume_participant_recording(**whom)
        clock.advance(timedelta(seconds=10))
        calls.stop_participant_recording(**whom)
        clock.advance(UNTIL_LISTED)
        recording = client.recordings.get(started.recording_id)
        assert recording.recording_duration_ms == "10000.00000"

    def test_a_transcription_is_made_and_read(
        self, client: Any, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        [id] = planted(emulator, clock, DAY)
        made = client.transcriptions.create_transcription(id)
        assert made.message == "transcription in progress"
        assert client.transcriptions.get_transcription(id).status == "success"
        assert client.transcriptions.delete_transcription(id).message == "request accepted"

    def test_an_asynchronous_get_holds_no_recording(
        self, client: Any, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        [id] = planted(emulator, clock, DAY)
        reply = client.recordings.get(id, callback_url="https://example.com/hook")
        assert reply.message == "async api spawned"
        assert "recording_id" not in reply


class TestListing:
    def test_a_page_has_its_meta(
        self, client: Any, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        expected = planted(emulator, clock, *[timedelta(hours=hour) for hour in range(1, 6)])
        page = client.recordings.list(limit=2, offset=2)
        assert ids(page) == expected[2:4]
        assert len(page) == 2
        assert (page.meta.limit, page.meta.offset, page.meta.total_count) == (2, 2, 5)

    @pytest.mark.parametrize("paging", get_args(Paging))
    def test_iterating_walks_all_pages_of_the_last_seven_days_and_no_more(
        self, client: Any, emulator: PlivoEmulator, clock: ManualClock, paging: Paging
    ) -> None:
        emulator.paging = paging
        recent = planted(emulator, clock, *[timedelta(hours=3 * n) for n in range(1, 46)])
        planted(emulator, clock, 8 * DAY)
        assert ids(client.recordings) == recent
        assert len(emulator.requests()) == 3

    @pytest.mark.parametrize("microsecond", [0, 104_729])
    def test_a_naive_datetime_is_a_bound_in_utc(
        self, client: Any, emulator: PlivoEmulator, clock: ManualClock, microsecond: int
    ) -> None:
        _, old, _ = planted(emulator, clock, 10 * DAY, 20 * DAY, 40 * DAY)
        now = clock.now().replace(tzinfo=None, microsecond=microsecond)
        window = {"add_time__gte": now - 30 * DAY, "add_time__lt": now - 15 * DAY}
        assert ids(client.recordings.list(**window)) == [old]

    def test_an_aware_datetime_goes_out_with_its_offset_and_is_refused(
        self, client: Any, clock: ManualClock
    ) -> None:
        with pytest.raises(ValidationError, match="YYYY-MM-DD"):
            client.recordings.list(add_time__gt=clock.now() - DAY)

    def test_a_window_of_sixty_days_is_refused(self, client: Any, clock: ManualClock) -> None:
        now = clock.now().replace(tzinfo=None)
        with pytest.raises(ValidationError, match="30 days"):
            client.recordings.list(add_time__gt=now - 60 * DAY, add_time__lt=now)

    def test_numbers_and_subaccounts_are_filters(
        self, client: Any, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        its = emulator.subaccount["auth_id"]
        id = emulator.add(ended=clock.now() - DAY, subaccount=its)
        planted(emulator, clock, DAY)
        recording = client.recordings.get(id)
        assert ids(client.recordings.list(subaccount=its)) == [id]
        number = recording.from_number.removeprefix("+")
        assert id in ids(client.recordings.list(from_number=number))


class TestErrors:
    def test_a_wrong_token_is_an_authentication_error(self, emulator: PlivoEmulator) -> None:
        with plivo.RestClient(emulator.credentials["auth_id"], "x" * 40) as client:
            client.session.mount(VENDOR, ToEmulator(emulator.origin))
            with pytest.raises(AuthenticationError, match="Failed to authenticate"):
                client.recordings.list()

    def test_what_is_not_there_is_a_not_found_error(self, client: Any, call: str) -> None:
        with pytest.raises(ResourceNotFoundError):
            client.recordings.get("93bc7c6a-3b2b-11e3")
        with pytest.raises(ResourceNotFoundError):
            client.recordings.delete("93bc7c6a-3b2b-11e3")
        with pytest.raises(ResourceNotFoundError):
            client.calls.stop_recording(call, None, None)

    def test_a_bad_parameter_is_a_validation_error(self, client: Any, call: str) -> None:
        with pytest.raises(ValidationError, match="file_format"):
            client.calls.start_recording(call, file_format="ogg")

    def test_its_validators_accept_the_emulated_credentials(self, emulator: PlivoEmulator) -> None:
        from plivo.utils import is_valid_mainaccount, is_valid_subaccount

        assert is_valid_mainaccount(emulator.credentials["auth_id"])
        assert is_valid_subaccount(emulator.subaccount["auth_id"])


def test_a_hung_up_call_is_not_recorded_any_more(
    client: Any, emulator: PlivoEmulator, clock: ManualClock
) -> None:
    session = emulator.begin(SessionKind.CALL)
    started = client.calls.start_recording(session.id)
    clock.advance(timedelta(seconds=3))
    emulator.hang_up(session)
    with pytest.raises(ResourceNotFoundError):
        client.calls.start_recording(session.id)
    clock.advance(UNTIL_LISTED)
    assert client.recordings.get(started.recording_id).recording_duration_ms == "3000.00000"
