"""Official client: Twilio's Python client works against the emulator.

If it does not, the emulator is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from recording_core import SessionKind
from recording_core.plugin import Webhook
from recording_core.testing import ManualClock
from recording_twilio.emulator import TwilioEmulator
from recording_twilio.emulator.webhooks import build_signed_request

pytestmark = pytest.mark.emulator("twilio")

VENDOR = "https://api.twilio.com"
UNTIL_COMPLETED = timedelta(seconds=8)


class EmulatorHttpClient(TwilioHttpClient):  # type: ignore[misc]  # the client has no types
    """Redirects requests for Twilio to the emulator."""

    def __init__(self, origin: str) -> None:
        super().__init__(pool_connections=True)
        self.origin = origin

    def request(self, method: str, url: str, *more: Any, **keywords: Any) -> Any:
        return super().request(method, url.replace(VENDOR, self.origin, 1), *more, **keywords)


@pytest.fixture
def client(emulator: TwilioEmulator) -> Iterator[Any]:
    http = EmulatorHttpClient(emulator.origin)
    credentials = emulator.credentials
    yield Client(credentials["account_sid"], credentials["auth_token"], http_client=http)
    http.session.close()


@pytest.fixture
def call(client: Any, emulator: TwilioEmulator) -> Any:
    return client.calls(emulator.sessions[0].id)


def list_sids(rows: Any) -> list[str]:
    return [row.sid for row in rows]


class TestVerbs:
    def test_a_call_is_recorded_paused_resumed_stopped_and_deleted(
        self, client: Any, call: Any, manual_clock: ManualClock
    ) -> None:
        started = call.recordings.create(
            recording_channels="dual",
            recording_track="both",
            trim="do-not-trim",
            recording_status_callback="https://app.example.com/hook",
            recording_status_callback_event=["in-progress", "completed"],
        )
        assert (started.status, started.channels, started.track) == ("in-progress", 2, "both")
        assert (started.duration, started.price) == (None, None)
        manual_clock.advance(timedelta(seconds=10))
        update = call.recordings(started.sid).update
        assert update(status="paused", pause_behavior="skip").status == "paused"
        assert call.recordings("Twilio.CURRENT").update(status="in-progress").sid == started.sid
        manual_clock.advance(timedelta(seconds=10))
        # A get shows neither that it is paused nor that it runs.
        running = call.recordings(started.sid).fetch()
        assert (running.status, running.duration) == ("processing", "-1")
        assert update(status="stopped").status == "stopped"
        manual_clock.advance(UNTIL_COMPLETED)
        found = client.recordings(started.sid).fetch()
        assert (found.status, found.duration, found.price_unit) == ("completed", "20", "USD")
        assert found.media_url.endswith(f"/Recordings/{started.sid}")
        assert list_sids(call.recordings.list()) == [started.sid]
        assert client.recordings(started.sid).delete() is True
        assert client.recordings.list() == []
        (deleted,) = client.recordings.list(include_soft_deleted=True)
        assert deleted.status == "deleted"
        with pytest.raises(TwilioRestException) as caught:
            client.recordings(started.sid).fetch()
        assert (caught.value.status, caught.value.code) == (404, 20404)

    def test_a_conference_is_paused_and_resumed_and_not_stopped(
        self, client: Any, emulator: TwilioEmulator, manual_clock: ManualClock
    ) -> None:
        sid = emulator.begin_recording(emulator.sessions[1])
        conference = client.conferences(emulator.sessions[1].id)
        assert conference.fetch().status == "in-progress"
        manual_clock.advance(timedelta(seconds=5))
        for word in ("paused", "in-progress"):
            assert conference.recordings(sid).update(status=word).status == word
        with pytest.raises(TwilioRestException) as caught:
            conference.recordings(sid).update(status="stopped")
        assert caught.value.status == 400
        assert list_sids(conference.recordings.list()) == [sid]
        assert not hasattr(conference.recordings, "create")

    def test_a_call_that_is_not_in_progress_is_not_recorded(
        self, client: Any, emulator: TwilioEmulator
    ) -> None:
        ringing = emulator.begin(SessionKind.CALL, is_ringing=True)
        with pytest.raises(TwilioRestException) as caught:
            client.calls(ringing.id).recordings.create()
        assert (caught.value.status, caught.value.code) == (400, 21220)
        assert "recording" in caught.value.msg


class TestLists:
    def test_recordings_are_listed_page_by_page(
        self, client: Any, emulator: TwilioEmulator, manual_clock: ManualClock
    ) -> None:
        now = manual_clock.now()
        sids = [emulator.add(ended=now - timedelta(hours=hour)) for hour in range(1, 8)]
        assert list_sids(client.recordings.list(page_size=3)) == sids
        assert list_sids(client.recordings.stream(limit=5)) == sids[:5]
        day = now.date() - timedelta(days=1)
        assert list_sids(client.recordings.list(date_created_after=day)) == sids
        assert list_sids(client.recordings.list(date_created_before=day)) == []
        row = client.recordings(sids[2]).fetch()
        assert list_sids(client.recordings.list(call_sid=row.call_sid)) == [sids[2]]

    def test_live_calls_and_conferences_are_listed(
        self, client: Any, emulator: TwilioEmulator
    ) -> None:
        call, conference = emulator.sessions
        emulator.begin(SessionKind.CALL, is_ringing=True)
        live = list_sids(client.calls.list(status="in-progress"))
        assert call.id in live
        assert len(live) == 2  # a member of the conference is on a call, too
        name = emulator.find_session(conference).name
        found = client.conferences.list(friendly_name=name, status="in-progress")
        assert list_sids(found) == [conference.id]
        client.calls(call.id).update(status="completed")
        assert client.calls(call.id).fetch().status == "completed"


class TestAuthentication:
    def test_an_api_key_is_accepted(self, emulator: TwilioEmulator) -> None:
        http = EmulatorHttpClient(emulator.origin)
        key, sid = emulator.api_key, emulator.credentials["account_sid"]
        client = Client(key["api_key"], key["api_secret"], sid, http_client=http)
        assert client.recordings.list() == []
        http.session.close()

    def test_a_wrong_token_is_refused(self, emulator: TwilioEmulator) -> None:
        http = EmulatorHttpClient(emulator.origin)
        client = Client(emulator.credentials["account_sid"], "wrong", http_client=http)
        with pytest.raises(TwilioRestException) as caught:
            client.recordings("RE0").fetch()
        assert (caught.value.status, caught.value.code) == (401, 20003)
        http.session.close()

    @pytest.mark.parametrize(
        ("suffix", "kind"), [("", "x-wav"), (".wav", "x-wav"), (".mp3", "mpeg")]
    )
    def test_media_is_chosen_by_suffix_and_requires_authentication(
        self, emulator: TwilioEmulator, client: Any, suffix: str, kind: str
    ) -> None:
        sid = emulator.add(ended=emulator.clock.now() - timedelta(hours=1))
        url = client.recordings(sid).fetch().media_url + suffix
        assert requests.get(url, timeout=5).status_code == 401
        pair = (emulator.credentials["account_sid"], emulator.credentials["auth_token"])
        found = requests.get(url, auth=pair, timeout=5)
        assert (found.status_code, found.headers["Content-Type"]) == (200, f"audio/{kind}")
        emulator.media_auth = False
        assert requests.get(url, timeout=5).status_code == 200


class TestSignatures:
    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize(
        "url",
        [
            "https://app.example.com/hook",
            "https://app.example.com:8443/hook?b=%20x&a=1#rc=3",
            "https://user:pw@app.example.com/hook",
        ],
    )
    def test_the_official_validator_accepts_the_emulators_requests(
        self, emulator: TwilioEmulator, url: str, method: str
    ) -> None:
        token = emulator.credentials["auth_token"]
        emulator.begin_recording(emulator.sessions[0])
        (event,) = emulator.deliveries.list_events()
        request = build_signed_request(event.payload, Webhook(url, method), token)
        form = dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        signature = request.header("X-Twilio-Signature")
        assert RequestValidator(token).validate(request.url, form, signature)

    def test_the_official_validator_accepts_json(self, emulator: TwilioEmulator) -> None:
        token, hook = emulator.credentials["auth_token"], Webhook("https://app.example.com/hook")
        request = build_signed_request({"RecordingSid": "RE1"}, hook, token, as_json=True)
        signature = request.header("X-Twilio-Signature")
        assert RequestValidator(token).validate(request.url, request.body.decode(), signature)
