"""Client: Plivo's requests and responses, against the emulator over HTTP.

The requirements for every provider are in the conformance suite; these tests are specific to Plivo.
"""

from __future__ import annotations

import io
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from attrs import evolve

import recording_core as rec
from recording_core.testing import ManualClock, Reply, Request
from recording_plivo import client
from recording_plivo.emulator import PlivoEmulator
from recording_plivo.emulator.listing import PagingMode

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
#: From the end of a recording to its row.
UNTIL_LISTED = timedelta(seconds=8)
HOOK = "https://example.com/hook"

KINDS = pytest.mark.parametrize("kind", list(rec.SessionKind))
PAGINGS = pytest.mark.parametrize("paging", get_args(PagingMode))

pytestmark = pytest.mark.emulator("plivo")


@pytest.fixture
def plivo(emulated_provider: rec.Provider) -> rec.Provider:
    return emulated_provider


def find_live(emulator: PlivoEmulator, kind: rec.SessionKind | str) -> rec.CommunicationSession:
    """Find the live call, conference or multiparty call."""
    return next(target for target in emulator.sessions if target.kind == kind)


def list_sent(emulator: PlivoEmulator) -> list[str]:
    """List each request as `POST Call/x/Record/`: its method, and its path below the account."""
    root = f"{emulator.prefix}/Account/{emulator.credentials['auth_id']}/"
    return [f"{each.method} {each.path.removeprefix(root)}" for each in emulator.list_requests()]


@pytest.mark.parametrize("prefix", ["", "name_"])
def test_a_meeting_has_one_target_in_start_events_list_and_get(
    plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, prefix: str
) -> None:
    meeting = find_live(emulator, "meeting")
    session = plivo.start(rec.meeting(prefix + meeting.id), callback_url=HOOK)
    assert session.id is not None
    manual_clock.advance(MINUTE)
    stopped = plivo.stop(session)
    manual_clock.advance(UNTIL_LISTED)
    events = [
        event
        for request in emulator.build_webhook_requests()
        for event in rec.unsafe_parse("plivo", request)
        if event.recording_id == session.id
    ]
    listed = [each for each in plivo.list() if each.id == session.id]
    assert events
    assert listed
    found: list[Any] = [session, stopped, *events, *listed, plivo.get(session.id)]
    assert {each.target for each in found} == {meeting}


class TestStart:
    def test_start_of_a_call_sends_the_longest_time_limit(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        session = plivo.start(find_live(emulator, "call"))
        assert emulator.list_requests()[0].json() == {"time_limit": 14400}
        manual_clock.advance(3 * MINUTE)
        plivo.stop(session)
        done = plivo.wait(session, timeout=MINUTE)
        assert done.recordings[0].duration == 3 * MINUTE, "Plivo's own default is 60 s"

    def test_start_returns_a_session_with_the_recording_id(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "conference")
        session = plivo.start(target)
        assert session.id is not None
        assert session == rec.RecordingSession(
            provider="plivo",
            account="default",
            id=session.id,
            target=target,
            status=rec.RecordingStatus.RECORDING,
            started_at=manual_clock.now(),
        )
        assert session.raw["message"] == "conference recording started"

    @pytest.mark.parametrize(
        ("kind", "keywords", "body"),
        [
            (
                "call",
                {
                    "format": "WAV",
                    "max_duration": timedelta(hours=1),
                    "channels": 2,
                    "callback_url": HOOK,
                },
                {
                    "file_format": "wav",
                    "time_limit": 3600,
                    "record_channel_type": "stereo",
                    "callback_url": HOOK,
                },
            ),
            ("call", {"channels": 1}, {"time_limit": 14400, "record_channel_type": "mono"}),
            ("call", {"max_duration": timedelta(milliseconds=200)}, {"time_limit": 1}),
            ("conference", {}, {}),
            (
                "conference",
                {"format": "mp3", "callback_url": HOOK},
                {"file_format": "mp3", "callback_url": HOOK},
            ),
            ("meeting", {}, {}),
            (
                "meeting",
                {"format": "wav", "callback_url": HOOK},
                {"file_format": "wav", "recording_callback_url": HOOK},
            ),
            ("meeting", {"format": "mp3"}, {"file_format": "mp3"}),
        ],
    )
    def test_keywords_are_sent_under_plivos_names(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        kind: str,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        plivo.start(find_live(emulator, kind), **keywords)
        assert emulator.list_requests()[0].json() == body

    def test_the_time_limit_of_a_call_can_be_omitted(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        plivo.start(find_live(emulator, "call"), extra={"time_limit": rec.OMIT})
        assert emulator.list_requests()[0].json() == {}

    def test_a_call_is_recorded_for_four_hours_at_most(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        longest = timedelta(hours=4)
        with emulator.forbid_requests(), pytest.raises(ValueError, match="at most 14400 s"):
            plivo.start(find_live(emulator, "call"), max_duration=longest + SECOND)
        plivo.start(find_live(emulator, "call"), max_duration=longest)
        assert emulator.list_requests()[0].json() == {"time_limit": 14400}

    def test_extra_is_added_and_overrides(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        extra = {"transcription_type": "auto", "time_limit": 90, "x_new": [1, {"a": None}]}
        plivo.start(find_live(emulator, "call"), format="mp3", extra=extra)
        assert emulator.list_requests()[0].json() == {"file_format": "mp3", **extra}

    @pytest.mark.parametrize(
        ("kind", "keywords"),
        [
            ("call", {"participant": "1"}),
            ("call", {"tracks": True}),
            ("call", {"title": "x"}),
            ("call", {"channels": 3}),
            ("call", {"format": "ogg"}),
            ("conference", {"max_duration": MINUTE}),
            ("conference", {"channels": 1}),
            ("conference", {"participant": "1"}),
            ("conference", {"tracks": True}),
            ("conference", {"title": "x"}),
            ("meeting", {"max_duration": MINUTE}),
            ("meeting", {"channels": 1}),
            ("meeting", {"participant": ["1", "2"]}),
            ("meeting", {"tracks": True}),
            ("meeting", {"title": "x"}),
        ],
    )
    def test_unsupported_parameters_raise_before_any_request(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        kind: str,
        keywords: dict[str, Any],
    ) -> None:
        with emulator.forbid_requests(), pytest.raises(rec.UnsupportedOperation, match="Plivo"):
            plivo.start(find_live(emulator, kind), **keywords)

    @pytest.mark.parametrize("name", ["Board/Q3 50%", "My Conf?x#y", "..a", "Köln & Ärger"])
    def test_a_conference_of_any_name_is_recorded(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, name: str
    ) -> None:
        target = emulator.begin(rec.SessionKind.CONFERENCE, name)
        session = plivo.start(target)
        assert emulator.list_requests()[0].segments()[-3:] == ["Conference", name, "Record"]
        manual_clock.advance(MINUTE)
        done = plivo.wait(plivo.stop(session), timeout=MINUTE)
        assert done.recordings[0].target == target
        assert [each.id for each in plivo.list(target=target, since=manual_clock.now() - DAY)] == [
            done.id
        ]

    def test_a_multiparty_call_is_addressed_by_name_or_uuid(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        target = emulator.begin(rec.SessionKind.MEETING, "Support Line 9")
        uuid = emulator.find_session(target).uuid
        for given, path in (
            ("Support Line 9", "name_Support%20Line%209"),
            ("name_Support Line 9", "name_Support%20Line%209"),
            (uuid, f"uuid_{uuid}"),
            (f"uuid_{uuid}", f"uuid_{uuid}"),
        ):
            session = plivo.start(rec.meeting(given))
            assert list_sent(emulator)[-1] == f"POST MultiPartyCall/{path}/Record/"
            plivo.stop(session)
            assert list_sent(emulator)[-1] == f"DELETE MultiPartyCall/{path}/Record/"

    @pytest.mark.parametrize("by", ["name", "uuid"])
    def test_start_get_list_and_events_name_a_multiparty_call_alike(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, by: str
    ) -> None:
        live = emulator.find_session(find_live(emulator, "meeting"))
        id = live.name if by == "name" else live.uuid
        for given in (id, f"{by}_{id}"):
            session = plivo.start(rec.meeting(given))
            assert session.target == rec.meeting(id)
            manual_clock.advance(MINUTE)
            done = plivo.wait(plivo.stop(session), timeout=MINUTE)
            assert [each.target for each in done.recordings] == [session.target]
            recording = plivo.get(str(done.id), target=rec.meeting(given))
            assert (recording.target, recording.reference) == (session.target, live.uuid)
            listing = plivo.list(since=manual_clock.now() - DAY, target=rec.meeting(given))
            assert {each.target for each in listing} == {session.target}
            by_default = [each.target for each in plivo.list(since=manual_clock.now() - DAY)]
            assert set(by_default) == {rec.meeting(live.name)}
            emulator.remove(str(done.id))
        begun = evolve(session, id=None, recordings=())
        for request in emulator.build_webhook_requests()[-2:]:
            [event] = rec.unsafe_parse("plivo", request)
            assert [each.id for each in begun.apply(event).recordings] == [done.id]

    def test_an_asynchronous_start_returns_a_session_without_an_id(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "meeting")
        session = plivo.start(target, extra={"callback_url": HOOK})
        assert (session.id, session.status) == (None, rec.RecordingStatus.PENDING)
        manual_clock.advance(MINUTE)
        done = plivo.wait(plivo.stop(session), timeout=MINUTE)
        assert [recording.target for recording in done.recordings] == [target]
        assert done.id == done.recordings[0].id == emulator.list_ids()[0]
        assert done.status is rec.RecordingStatus.AVAILABLE

    @pytest.mark.parametrize("id", [None, "", 7, ["a"], "..", "a\nb"])
    def test_a_start_that_names_no_usable_id_returns_a_session_without_one(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, id: Any
    ) -> None:
        emulator.alter = lambda request, payload: {**payload, "recording_id": id}
        session = plivo.start(find_live(emulator, "call"))
        emulator.alter = None
        assert (session.id, session.status) == (None, rec.RecordingStatus.RECORDING)
        manual_clock.advance(MINUTE)
        assert plivo.wait(plivo.stop(session), timeout=MINUTE).id == emulator.list_ids()[0]

    @pytest.mark.parametrize("value", [7, True, ["a"], {"a": 1}, "\ud83d"])
    def test_an_odd_field_of_a_starts_answer_changes_nothing(
        self, plivo: rec.Provider, emulator: PlivoEmulator, value: Any
    ) -> None:
        for name in ("message", "api_id", "url"):
            emulator.alter = lambda request, payload, name=name: {**payload, name: value}
            session = plivo.start(find_live(emulator, "call"))
            assert session.id is not None
            assert session.status is rec.RecordingStatus.RECORDING

    def test_a_start_without_id_and_message_is_an_unknown_outcome(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        emulator.alter = lambda request, payload: {"recording_id": 7, "message": ["started"]}
        with pytest.raises(rec.OutcomeUnknown):
            plivo.start(find_live(emulator, "call"))

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
    def test_a_foreign_error_to_a_start_is_an_unknown_outcome(
        self, plivo: rec.Provider, emulator: PlivoEmulator, status: int
    ) -> None:
        for reply in (build_page(status), Reply.json({"message": "no such route"}, status)):
            emulator.faults.append(reply)
            with pytest.raises(rec.OutcomeUnknown):
                plivo.start(find_live(emulator, "call"))
        assert len(emulator.list_requests()) == 2


class TestPauseResumeStop:
    def test_a_participants_recording_is_controlled_from_another_process(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "meeting")
        member = emulator.find_session(target).members[1]
        whole = plivo.start(target)
        session = plivo.start(target, participant=member)
        assert session.parameters == {
            "participant": (member,),
            "record_track_type": "participant",
        }
        text = rec.dumps(session)
        with emulator.connect() as other:
            session = rec.loads(text, rec.RecordingSession)
            for verb in (other.pause, other.resume, other.stop):
                manual_clock.advance(10 * SECOND)
                session = rec.loads(rec.dumps(verb(session)), rec.RecordingSession)
        path = f"MultiPartyCall/name_Weekly%20Review/Participant/{member}/Record/"
        look = f"GET Recording/{session.id}/"  # whether it has ended
        assert list_sent(emulator)[1:] == [
            f"POST {path}",
            *(look, f"POST {path}Pause/"),
            *(look, f"POST {path}Resume/"),
            *(look, f"DELETE {path}"),
        ]
        track = {"record_track_type": "participant"}
        sent = emulator.list_requests()
        assert [each.json() for each in sent if each.method == "POST"][1:] == [track] * 3
        assert sent[-1].query == tuple(track.items())
        assert [pause.end - pause.start for pause in session.pauses if pause.end] == [10 * SECOND]
        done = plivo.wait(session, timeout=MINUTE)
        assert done.recordings[0].duration == 20 * SECOND
        assert emulator.list_ids() == [session.id], "the recording of the whole call continues"
        plivo.stop(whole)
        assert list_sent(emulator)[-1] == "DELETE MultiPartyCall/name_Weekly%20Review/Record/"

    @pytest.mark.parametrize("word", ["participant", "all", "both"])
    def test_the_track_type_of_the_start_is_repeated(
        self, plivo: rec.Provider, emulator: PlivoEmulator, word: str
    ) -> None:
        target = find_live(emulator, "meeting")
        member = emulator.find_session(target).members[0]
        session = plivo.start(target, participant=member, extra={"record_track_type": word})
        assert emulator.list_requests()[-1].json() == {"record_track_type": word}
        session = plivo.pause(session)
        assert emulator.list_requests()[-1].json() == {"record_track_type": word}
        plivo.stop(session)
        assert emulator.list_requests()[-1].query == (("record_track_type", word),)

    def test_a_track_type_that_was_omitted_is_not_repeated(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        target = find_live(emulator, "meeting")
        member = emulator.find_session(target).members[0]
        omitted = {"record_track_type": rec.OMIT}
        session = plivo.start(target, participant=member, extra=omitted)
        assert session.parameters == {"participant": (member,)}
        plivo.stop(plivo.pause(session))
        assert [each.body for each in emulator.list_requests()[:2]] == [b"{}", b""]
        assert emulator.list_requests()[2].query == ()

    @pytest.mark.parametrize(("word", "role"), [("participant", "track"), ("all", "mix")])
    def test_wait_returns_the_track_that_the_start_asked_for(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        manual_clock: ManualClock,
        word: str,
        role: str,
    ) -> None:
        target = find_live(emulator, "meeting")
        member = emulator.find_session(target).members[0]
        session = plivo.start(target, participant=member, extra={"record_track_type": word})
        manual_clock.advance(MINUTE)
        (recording,) = plivo.wait(plivo.stop(session), timeout=MINUTE).recordings
        (file,) = recording.files
        assert (file.role, file.participant) == (role, member if role == "track" else None)

    def test_a_stop_that_ends_every_recording_of_a_call_is_logged(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        target = find_live(emulator, "call")
        started = plivo.start(target)
        plivo.stop(started)
        assert caplog.messages == []
        emulator.alter = lambda request, payload: {
            "api_id": payload["api_id"],
            "message": "async api spawned",
        }
        asynchronous = plivo.start(target)
        emulator.alter = None
        by_hand = rec.RecordingSession("plivo", "default", None, target)
        urls = [f"https://media.plivo.com/{name}.mp3" for name in "ab"]
        recordings = tuple(
            rec.Recording("plivo", "default", url[-5], raw={"recording_url": url}) for url in urls
        )
        several = evolve(by_hand, recordings=recordings)  # either may be its own
        unnamed = evolve(started, raw={"message": "call recording started"})  # no URL
        for session in (asynchronous, by_hand, several, unnamed):
            caplog.clear()
            plivo.stop(session)
            assert f"Every recording of {target} is stopped" in caplog.text

    def test_stop_of_a_calls_recording_by_its_id_alone_raises_before_any_request(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        target = find_live(emulator, "call")
        started = plivo.start(target)
        session = rec.RecordingSession("plivo", "default", started.id, target)
        with (
            emulator.forbid_requests(),
            pytest.raises(rec.Conflict, match=r"every recording of call:.*`recordings stop -`"),
        ):
            plivo.stop(session)

    @pytest.mark.parametrize("kind", ["conference", "meeting"])
    def test_a_stored_session_does_not_act_on_a_newer_recording(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, kind: str
    ) -> None:
        target = find_live(emulator, kind)
        first = plivo.start(target)
        stored = rec.loads(rec.dumps(first), rec.RecordingSession)
        manual_clock.advance(MINUTE)
        plivo.stop(first)
        manual_clock.advance(UNTIL_LISTED)
        second = plivo.start(target)
        before = len(emulator.list_requests())
        assert plivo.stop(stored).status is rec.RecordingStatus.PROCESSING
        for verb in (plivo.pause, plivo.resume):
            if plivo.can(rec.Operation.PAUSE, target.kind):
                with pytest.raises(rec.NotFound, match=f"{first.id} of {target} has ended"):
                    verb(stored)
        assert set(list_sent(emulator)[before:]) == {f"GET Recording/{first.id}/"}
        manual_clock.advance(MINUTE)
        (recording,) = plivo.wait(plivo.stop(second), timeout=MINUTE).recordings
        assert recording.duration == MINUTE

    def test_a_start_without_a_url_that_ended_does_not_stop_a_newer_recording_of_the_call(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "call")
        first = plivo.start(target)
        manual_clock.advance(MINUTE)
        plivo.stop(first)
        manual_clock.advance(UNTIL_LISTED)
        plivo.start(target)
        plivo.stop(evolve(first, raw={"message": "call recording started"}))
        assert list_sent(emulator)[-1] == f"GET Recording/{first.id}/"

    @pytest.mark.parametrize("kind", ["conference", "meeting"])
    def test_a_look_that_fails_prevents_no_stop_and_is_not_repeated(
        self, plivo: rec.Provider, emulator: PlivoEmulator, kind: str
    ) -> None:
        end = {"recording_end_ms": "1649759930398.00000"}
        no_end = {"recording_end_ms": None, "recording_duration_ms": None}
        odd: tuple[Any, ...] = ([], end, {"recording_id": "1", **end})
        for reply in (
            *(build_page(status) for status in (401, 404, 429, 500, 503)),
            *map(Reply.json, odd),
            Reply(abort=True),
            None,
        ):
            session = plivo.start(find_live(emulator, kind))
            before = len(emulator.list_requests())
            # A row without an end does not show that nothing records.
            running = Reply.json({"recording_id": session.id, **no_end})
            emulator.faults.append(reply or running)
            assert plivo.stop(session).status is rec.RecordingStatus.PROCESSING
            assert [each.split()[0] for each in list_sent(emulator)[before:]] == ["GET", "DELETE"]

    def test_a_look_that_takes_long_delays_a_pause_by_seconds_only(
        self, plivo: rec.Provider, emulator: PlivoEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(client, "_LONGEST_LOOK", 0.3)
        session = plivo.start(find_live(emulator, "meeting"))
        emulator.faults.append(Reply(stall="headers"))
        began = time.monotonic()
        assert plivo.pause(session).status is rec.RecordingStatus.PAUSED
        assert time.monotonic() - began < 5

    def test_a_session_without_an_id_has_id_and_url_from_its_webhook(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        manual_clock: ManualClock,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        target = find_live(emulator, "call")
        other = plivo.start(target)
        session = evolve(plivo.start(target), id=None, raw={})
        id = emulator.record_by_xml(target)
        begun = next(
            event
            for request in emulator.build_webhook_requests()
            for event in rec.unsafe_parse("plivo", request)
            if event.recording_id == id
        )
        session = plivo.stop(session.apply(begun))
        assert caplog.messages == []
        url = dict(emulator.list_requests()[-1].query)["URL"]
        assert f"/Recording/{id}." in url
        manual_clock.advance(UNTIL_LISTED)
        plivo.stop(other)
        manual_clock.advance(UNTIL_LISTED)
        assert plivo.wait(session, timeout=MINUTE).id == id, "the list has two"

    def test_stop_ends_only_its_own_recording_of_a_call(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "call")
        first, second = plivo.start(target), plivo.start(target, format="wav")
        manual_clock.advance(MINUTE)
        plivo.stop(rec.loads(rec.dumps(first), rec.RecordingSession))
        manual_clock.advance(UNTIL_LISTED)
        assert emulator.list_ids() == [first.id]
        plivo.stop(second)
        manual_clock.advance(UNTIL_LISTED)
        assert sorted(emulator.list_ids()) == sorted([str(first.id), str(second.id)])
        durations = {each.id: each.duration for each in plivo.list(since=manual_clock.now() - DAY)}
        assert durations == {first.id: MINUTE, second.id: MINUTE + UNTIL_LISTED}

    @KINDS
    def test_stop_after_the_session_ended_succeeds(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, kind: str
    ) -> None:
        session = plivo.start(find_live(emulator, kind))
        manual_clock.advance(MINUTE)
        emulator.hang_up(session.target)
        for _ in range(2):
            session = plivo.stop(session)
            assert session.status is rec.RecordingStatus.PROCESSING
        done = plivo.wait(session, timeout=MINUTE)
        assert done.recordings[0].duration == MINUTE
        assert plivo.stop(done).status is rec.RecordingStatus.AVAILABLE, "no step back"

    @KINDS
    def test_stop_can_be_repeated(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, kind: str
    ) -> None:
        session = plivo.start(find_live(emulator, kind))
        manual_clock.advance(MINUTE)
        stopped = plivo.stop(session)
        manual_clock.advance(MINUTE)
        assert plivo.stop(stopped) == stopped

    @pytest.mark.parametrize("status", [400, 409])
    def test_an_error_to_a_repeated_pause_is_success(
        self, plivo: rec.Provider, emulator: PlivoEmulator, status: int
    ) -> None:
        error = Reply.json({"api_id": "a-1", "error": "already so"}, status)
        replies = (Reply.json({"error": "not found"}, 404), error)  # no row yet
        session = plivo.start(find_live(emulator, "meeting"))
        paused = plivo.pause(session)
        emulator.faults.extend(replies)
        assert plivo.pause(paused) == paused
        resumed = plivo.resume(paused)
        emulator.faults.extend(replies)
        assert plivo.resume(resumed) == resumed

    @pytest.mark.parametrize("status", [400, 404, 409, 422])
    def test_a_foreign_error_to_a_repeated_pause_is_raised(
        self, plivo: rec.Provider, emulator: PlivoEmulator, status: int
    ) -> None:
        paused = plivo.pause(plivo.start(find_live(emulator, "meeting")))
        emulator.faults.extend([build_page(status)] * 5)
        with pytest.raises(rec.Unavailable):
            plivo.pause(paused)

    @pytest.mark.parametrize("body", [{}, {"error": "not found"}, {"api_id": "1", "error": "gone"}])
    def test_stop_succeeds_after_plivos_404_if_a_control_request_does(
        self, plivo: rec.Provider, emulator: PlivoEmulator, body: Any
    ) -> None:
        session = plivo.start(find_live(emulator, "call"))
        emulator.faults.append(Reply.json(body, 404))
        assert plivo.stop(session).status is rec.RecordingStatus.PROCESSING
        control = emulator.list_requests()[-1]
        assert (list_sent(emulator)[-1], control.query) == ("GET Recording/", (("limit", "1"),))

    @pytest.mark.parametrize("body", [{}, {"api_id": "1"}, {"objects": []}, [], {"meta": {}}])
    def test_stop_fails_if_the_control_request_returns_no_list(
        self, plivo: rec.Provider, emulator: PlivoEmulator, body: Any
    ) -> None:
        session = plivo.start(find_live(emulator, "call"))
        answer_by_method(emulator, DELETE=Reply.json({}, 404), GET=Reply.json(body))
        with pytest.raises(rec.Unavailable, match="control request"):
            plivo.stop(session)

    def test_stop_behind_a_foreign_404_fails(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        session = plivo.start(find_live(emulator, "call"))
        emulator.faults.extend([build_page(404)] * 5)
        with pytest.raises(rec.Unavailable):
            plivo.stop(session)

    @pytest.mark.parametrize("status", [400, 409])
    def test_an_error_to_the_first_pause_is_raised(
        self, plivo: rec.Provider, emulator: PlivoEmulator, status: int
    ) -> None:
        session = plivo.start(find_live(emulator, "meeting"))
        error = Reply.json({"api_id": "a-1", "error": "not now"}, status)
        answer_by_method(emulator, GET=Reply.json({}, 404), POST=error)
        with pytest.raises((rec.Rejected, rec.Conflict), match="plivo pause: not now"):
            plivo.pause(session)

    def test_pause_of_calls_and_conferences_raises_before_any_request(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        for kind in ("call", "conference"):
            session = plivo.start(find_live(emulator, kind))
            for verb in (plivo.pause, plivo.resume):
                with (
                    emulator.forbid_requests(),
                    pytest.raises(rec.UnsupportedOperation, match="meeting"),
                ):
                    verb(session)

    def test_active_is_unsupported(self, plivo: rec.Provider, emulator: PlivoEmulator) -> None:
        for target in emulator.sessions:
            with emulator.forbid_requests(), pytest.raises(rec.UnsupportedOperation):
                plivo.active(target)

    def test_leaving_the_recorder_after_the_call_ended_succeeds(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        with plivo.record(find_live(emulator, "call")) as recorder:
            manual_clock.advance(MINUTE)
            emulator.hang_up(recorder.session.target)
            manual_clock.advance(MINUTE)
        assert recorder.session.status is rec.RecordingStatus.PROCESSING


class TestWait:
    def test_several_recordings_of_a_session_without_an_id_are_no_guess(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "conference")
        before = plivo.start(target)
        manual_clock.advance(3 * MINUTE)
        session = evolve(plivo.start(target), id=None, raw={})
        manual_clock.advance(MINUTE)
        plivo.stop(before)
        manual_clock.advance(MINUTE)
        with pytest.raises(rec.NotReady, match="2 recordings of conference:Daily") as caught:
            plivo.wait(session, timeout=MINUTE)
        assert caught.value.session == session
        assert str(before.id) in str(caught.value)

    def test_a_recording_that_began_long_before_is_no_candidate(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        target = find_live(emulator, "conference")
        plivo.start(target)
        manual_clock.advance(6 * MINUTE)
        session = plivo.start(target)
        manual_clock.advance(MINUTE)
        plivo.stop(session)
        manual_clock.advance(MINUTE)
        assert plivo.wait(evolve(session, id=None), timeout=MINUTE).id == session.id

    def test_wait_continues_on_404_until_the_row_exists(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        session = plivo.start(find_live(emulator, "call"))
        manual_clock.advance(MINUTE)
        session = plivo.stop(session)
        before = len(emulator.journal)
        done = plivo.wait(session, timeout=MINUTE)
        statuses = [exchange.status for exchange in emulator.journal[before:]]
        assert Counter(statuses)[404] >= 3
        assert statuses[-1] == 200
        assert done.status is rec.RecordingStatus.AVAILABLE
        assert done.recordings[0].target == session.target

    def test_wait_raises_with_the_last_session_at_the_timeout(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        session = plivo.start(find_live(emulator, "call"))
        began = manual_clock.now()
        with pytest.raises(rec.NotReady) as caught:
            plivo.wait(session, timeout=MINUTE)
        assert caught.value.session == session
        assert manual_clock.now() - began == MINUTE


class TestList:
    def test_list_returns_more_than_the_last_seven_days(self, manual_clock: ManualClock) -> None:
        with (
            PlivoEmulator(recordings=45, clock=manual_clock) as emulator,
            emulator.connect() as plivo,
        ):
            for since in (None, manual_clock.now() - 91 * DAY):
                listing = plivo.list(since=since)
                found = [recording.id for recording in listing]
                assert sorted(found) == sorted(emulator.list_ids())
                assert len(found) == 45
                assert listing.coverage.complete
                assert listing.coverage.expected == 45

    def test_windows_reach_back_to_2011_without_since(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        old = emulator.add(ended=datetime(2011, 5, 4, tzinfo=UTC), shape="2013")
        assert [recording.id for recording in plivo.list()] == [old]
        windows = list_windows(emulator)
        assert windows[0][0] == datetime(2011, 1, 1, tzinfo=UTC)
        assert windows[-1][1] > manual_clock.now()
        for one, following in itertools.pairwise(windows):
            assert one[1] == following[0], "a gap or an overlap"

    def test_each_window_has_both_bounds_and_at_most_thirty_days(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        since = manual_clock.now() - 100 * DAY
        list(plivo.list(since=since, until=manual_clock.now()))
        windows = list_windows(emulator)
        assert len(windows) == 4
        assert all(end - start <= 30 * DAY for start, end in windows)
        assert (windows[0][0], windows[-1][1]) == (since, manual_clock.now())
        assert {exchange.status for exchange in emulator.journal} == {200}

    def test_until_in_the_far_future_adds_no_windows(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        id = emulator.add(ended=manual_clock.now() - DAY)
        listing = plivo.list(
            since=manual_clock.now() - 2 * DAY, until=datetime.max.replace(tzinfo=UTC)
        )
        assert [recording.id for recording in listing] == [id]
        assert listing.coverage.windows == 1

    @PAGINGS
    def test_all_pages_of_each_window_are_read(
        self, manual_clock: ManualClock, paging: PagingMode
    ) -> None:
        with (
            PlivoEmulator(clock=manual_clock, paging=paging) as emulator,
            emulator.connect() as plivo,
        ):
            added = [emulator.add(ended=manual_clock.now() - index * DAY) for index in range(1, 71)]
            listing = plivo.list(since=manual_clock.now() - 75 * DAY)
            assert [recording.id for recording in listing] == added, "newest first"
            assert listing.coverage.complete
            assert (listing.coverage.expected, listing.coverage.duplicates) == (70, 0)
            assert {request.arg("limit") for request in emulator.list_requests()} == {"20"}
            assert not [
                r for r in emulator.list_requests() if r.arg("cursor") and r.arg("offset")
            ], "an offset with a cursor leads back to the first page"

    @PAGINGS
    @pytest.mark.parametrize("assume", [(), (2,)], ids=["without filters", "with filters"])
    def test_filters_are_sent_with_every_next_link(
        self, manual_clock: ManualClock, paging: PagingMode, assume: tuple[int, ...]
    ) -> None:
        """Published links have no filters.

        They are `?limit=20&offset=20` and `?limit=20&cursor=x`.
        """
        with (
            PlivoEmulator(clock=manual_clock, paging=paging, assume=assume) as emulator,
            emulator.connect() as plivo,
        ):
            old = [
                emulator.add(ended=manual_clock.now() - 60 * DAY - index * DAY)
                for index in range(50)
            ]
            new = [
                emulator.add(ended=manual_clock.now() - DAY - index * MINUTE) for index in range(50)
            ]
            found = [recording.id for recording in plivo.list(since=manual_clock.now() - 120 * DAY)]
            assert sorted(found) == sorted(old + new)

    @PAGINGS
    @pytest.mark.parametrize("workers", [1, 8])
    def test_rows_removed_between_pages_lose_no_other_row(
        self, manual_clock: ManualClock, paging: PagingMode, workers: int
    ) -> None:
        with PlivoEmulator(clock=manual_clock, paging=paging) as emulator:
            added = [
                emulator.add(ended=manual_clock.now() - index * MINUTE) for index in range(1, 91)
            ]
            removed = added[3:9] + added[22:25]
            removals = {1: removed[:4], 2: removed[4:6], 3: removed[6:]}

            def remove(number: int) -> None:
                for id in removals.get(number, ()):
                    emulator.remove(id)

            emulator.alter = run_after_responses(remove)
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as plivo:
                listing = plivo.list(since=manual_clock.now() - DAY)
                found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "duplicates"
            assert set(added) - set(removed) <= set(found), "rows were lost"
            assert listing.coverage.complete

    @PAGINGS
    def test_rows_added_between_pages_cause_no_duplicates(
        self, manual_clock: ManualClock, paging: PagingMode
    ) -> None:
        with (
            PlivoEmulator(clock=manual_clock, paging=paging) as emulator,
            emulator.connect() as plivo,
        ):
            added = [
                emulator.add(ended=manual_clock.now() - index * MINUTE) for index in range(1, 91)
            ]

            def add(number: int) -> None:
                for _ in range(3 if number <= 3 else 0):
                    emulator.add(ended=manual_clock.now() - UNTIL_LISTED, added_after=SECOND)

            emulator.alter = run_after_responses(add)
            listing = plivo.list(since=manual_clock.now() - DAY)
            found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "duplicates"
            assert set(added) <= set(found), "rows were lost"
            assert listing.coverage.complete

    def test_since_and_until_are_exact_to_the_microsecond(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        tick = timedelta(microseconds=1)
        ended = manual_clock.now() - DAY
        moment = ended + timedelta(microseconds=1_234_567)
        id = emulator.add(ended=ended, added_after=moment - ended)
        for since, until, expected in (
            (moment, None, [id]),
            (moment + tick, None, []),
            (moment - DAY, moment, []),
            (moment - DAY, moment + tick, [id]),
            (moment, moment + tick, [id]),
            (moment, moment, []),
        ):
            found = [recording.id for recording in plivo.list(since=since, until=until)]
            assert found == expected, (since, until)

    def test_bounds_are_sent_in_utc(self, plivo: rec.Provider, emulator: PlivoEmulator) -> None:
        since = datetime.fromisoformat("2026-05-20T01:30:00.000001+05:30")
        list(plivo.list(since=since, until=since + DAY))
        request = emulator.list_requests()[0]
        assert request.arg("add_time__gte") == "2026-05-19 20:00:00.000001"
        assert request.arg("add_time__lt") == "2026-05-20 20:00:00.000001"

    def test_a_target_is_sent_as_plivos_filter(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        meeting = find_live(emulator, "meeting")
        uuid = emulator.find_session(meeting).uuid
        for target, filter in (
            (find_live(emulator, "call"), ("call_uuid", find_live(emulator, "call").id)),
            (rec.conference("Daily Standup #1"), ("conference_name", "Daily Standup #1")),
            (meeting, ("mpc_name", "Weekly Review")),
            (rec.meeting("Weekly Review"), ("mpc_name", "Weekly Review")),
            (rec.meeting(uuid), ("mpc_uuid", uuid)),
        ):
            session = plivo.start(target)
            emulator.add(ended=manual_clock.now() - DAY)
            manual_clock.advance(MINUTE)
            done = plivo.wait(plivo.stop(session), timeout=MINUTE)
            before = len(emulator.journal)
            found = list(plivo.list(since=manual_clock.now() - 2 * DAY, target=target))
            assert filter in emulator.journal[before].request.query
            assert done.id in [recording.id for recording in found]
            assert {recording.target for recording in found} == {target}
            assert {recording.kind for recording in found} == {target.kind}

    def test_odd_fields_of_rows_are_counted_and_cost_no_row(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        added = [emulator.add(ended=manual_clock.now() - index * MINUTE) for index in range(1, 5)]
        odd = {
            added[0]: {"recording_duration_ms": -1, "add_time": "0000-00-00"},
            added[1]: {"add_time": "0000-00-00", "to_number": "\ud83d"},
            added[2]: {"recording_id": "a\u202eb"},
        }

        def alter(request: Request, payload: Any) -> Any:
            for row in payload.get("objects", [payload]):
                row.update(odd.get(row["recording_id"], {}))
            return payload

        emulator.alter = alter
        listing = plivo.list(since=manual_clock.now() - DAY)
        found = {recording.id: recording for recording in listing}
        assert list(found) == [added[0], added[1], added[3]]
        assert {each.status for each in found.values()} == {rec.RecordingStatus.AVAILABLE}
        coverage = listing.coverage
        assert coverage.unread_fields == {
            "recording_duration_ms": 1,
            "add_time": 2,
            "to_number": 1,
        }
        assert ["a\\u202eb" in sentence for sentence in coverage.unreadable] == [True]
        assert not coverage.complete
        assert plivo.get(added[0]) == found[added[0]]

    @pytest.mark.parametrize("value", [-1, "45", 4.5, None, [1], {"a": 1}, True, 2**70])
    def test_an_odd_total_costs_no_row(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, value: Any
    ) -> None:
        added = [emulator.add(ended=manual_clock.now() - index * MINUTE) for index in range(1, 46)]
        emulator.alter = change_meta(total_count=value)
        listing = plivo.list(since=manual_clock.now() - DAY)
        assert [recording.id for recording in listing] == added
        assert listing.coverage.expected is None

    @pytest.mark.parametrize("value", [7, True, ["a"], {"a": 1}, "\ud83d"])
    def test_an_odd_link_ends_a_list_only_after_a_page_that_is_not_full(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, value: Any
    ) -> None:
        added = [emulator.add(ended=manual_clock.now() - index * MINUTE) for index in range(1, 20)]
        emulator.alter = change_meta(next=value)
        listing = plivo.list(since=manual_clock.now() - DAY)
        assert [recording.id for recording in listing] == added
        emulator.add(ended=manual_clock.now() - 21 * MINUTE)
        listing = plivo.list(since=manual_clock.now() - DAY)
        with pytest.raises(rec.MalformedPayload, match=r"meta\.next"):
            list(listing)
        assert not listing.coverage.complete

    @pytest.mark.parametrize("foreign", ["absolute", "relative to the scheme", "with user info"])
    def test_a_next_link_to_another_host_is_not_followed(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock, foreign: str
    ) -> None:
        host = urlsplit(emulator.media_origin).netloc
        link = {
            "absolute": f"http://{host}/v1/Recording/?offset=20",
            "relative to the scheme": f"//{host}/v1/Recording/?offset=20",
            "with user info": f"{emulator.origin}@{host}/v1/Recording/?offset=20",
        }[foreign]
        added = [emulator.add(ended=manual_clock.now() - index * MINUTE) for index in range(1, 30)]
        emulator.alter = lambda request, payload: {
            **payload,
            "meta": {**payload["meta"], "next": link},
        }
        listing = plivo.list(since=manual_clock.now() - DAY)
        found: list[str] = []
        with pytest.raises(rec.PaginationError, match="plivo list"):
            found.extend(recording.id for recording in listing)
        assert set(found) <= set(added)
        assert not listing.coverage.complete
        assert emulator.list_requests("media") == []
        assert len(emulator.list_requests()) == 1

    def test_an_offset_beside_a_cursor_is_not_sent(self, manual_clock: ManualClock) -> None:
        def append_offset(request: Request, payload: Any) -> Any:
            link = payload["meta"]["next"]
            return {**payload, "meta": {**payload["meta"], "next": link and f"{link}&offset=0"}}

        with (
            PlivoEmulator(clock=manual_clock, paging="hybrid") as emulator,
            emulator.connect() as plivo,
        ):
            added = [emulator.add(ended=manual_clock.now() - n * MINUTE) for n in range(1, 50)]
            emulator.alter = append_offset
            found = [recording.id for recording in plivo.list(since=manual_clock.now() - DAY)]
            assert found == added

    def test_a_repeated_cursor_raises(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        for index in range(1, 70):
            emulator.add(ended=manual_clock.now() - index * MINUTE)
        emulator.alter = lambda request, payload: {
            **payload,
            "meta": {**payload["meta"], "next": "/v1/x/?limit=20&offset=20"},
        }
        listing = plivo.list(since=manual_clock.now() - DAY)
        with pytest.raises(rec.PaginationError):
            list(listing)
        assert not listing.coverage.complete
        assert len(emulator.list_requests()) < 6


class TestRate:
    def test_no_five_seconds_have_more_than_three_hundred_requests(
        self, monkeypatch: pytest.MonkeyPatch, manual_clock: ManualClock
    ) -> None:
        with connect_offline(monkeypatch) as (plivo, _):
            bucket: Any = plivo.transport.bucket
            bucket._clock, bucket._last = manual_clock, manual_clock.monotonic()
            sent = []
            for _ in range(1000):
                bucket.take()
                sent.append(manual_clock.monotonic())
        assert all(last - first > 5 for first, last in zip(sent, sent[300:], strict=False))


class TestMedia:
    def test_recordings_are_downloaded_in_their_format(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        for format, start in (("mp3", b"\xff\xf3"), ("wav", b"RIFF")):
            id = emulator.add(ended=manual_clock.now() - DAY, format=format)
            (copy,) = plivo.download(id, tmp_path)
            assert copy.path.suffix == f".{format}"
            assert copy.path.read_bytes().startswith(start)
            assert "framing" in copy.checks

    def test_other_media_hosts_get_no_credentials(
        self, manual_clock: ManualClock, tmp_path: Path
    ) -> None:
        with (
            PlivoEmulator(clock=manual_clock, media_auth=True) as emulator,
            emulator.connect() as plivo,
        ):
            id = emulator.add(ended=manual_clock.now() - DAY)
            with pytest.raises(rec.AuthenticationFailed, match=r"plivo download: .*HTTP 401"):
                plivo.download(id, tmp_path)
            assert emulator.list_requests("media"), "no request reached the media host"
            assert not [r for r in emulator.list_requests("media") if r.header("authorization")]
            assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("url", "sent"),
        [
            ("https://media.plivo.com/v1/a.mp3", ["-", "signed"]),
            ("https://aps1.media.plivo.com/v1/a.mp3", ["-", "signed"]),
            ("http://media.plivo.com/v1/a.mp3", ["-", "signed"]),
            ("https://s3.amazonaws.com/recordings_2013/a.mp3", ["-"]),
            ("http://s3.amazonaws.com/recordings_2013/a.mp3", ["-"]),
            ("https://media.plivo.com.example.net/a.mp3", ["-"]),
            ("https://notmedia.plivo.com/a.mp3", ["-"]),
            ("https://example.net/media.plivo.com/a.mp3", ["-"]),
            ("https://media.plivo.com:8443/a.mp3", []),
            ("https://media.plivo.com@example.net/a.mp3", []),
            ("https://media.plivo.com\\@example.net/a.mp3", []),
            ("ftp://media.plivo.com/a.mp3", []),
        ],
    )
    def test_only_plivos_media_hosts_get_credentials_after_a_401_over_https(
        self, monkeypatch: pytest.MonkeyPatch, url: str, sent: list[str]
    ) -> None:
        with connect_offline(monkeypatch) as (plivo, responses):
            responses.extend([401, 401])
            with pytest.raises((rec.AuthenticationFailed, rec.ForbiddenHost)):
                fetch(plivo, url)
            assert [signed for _, signed in responses.sent] == sent
            assert all(sent_url.startswith("https://") for sent_url, _ in responses.sent)

    def test_credentials_are_not_sent_after_a_redirect(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connect_offline(monkeypatch) as (plivo, responses):
            responses.extend([302, 401])
            responses.location = "https://aps1.media.plivo.com/v1/a.mp3"
            with pytest.raises(rec.AuthenticationFailed):
                fetch(plivo, "https://media.plivo.com/v1/a.mp3")
            assert [signed for _, signed in responses.sent] == ["-", "-"]

    def test_a_plain_http_link_is_fetched_by_https(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with connect_offline(monkeypatch) as (plivo, responses):
            responses.append(200)
            assert fetch(plivo, "http://s3.amazonaws.com/recordings_2013/a.mp3") == b"media"
            assert responses.sent == [("https://s3.amazonaws.com/recordings_2013/a.mp3", "-")]


class TestGetAndDelete:
    def test_a_deleted_recording_is_not_found(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        id, other = (emulator.add(ended=manual_clock.now() - DAY) for _ in range(2))
        recording = plivo.get(id)
        plivo.delete(recording)
        for verb in (plivo.get, plivo.delete):
            with pytest.raises(rec.NotFound):
                verb(id)
        assert emulator.list_ids() == [other]

    def test_delete_succeeds_if_its_response_was_lost(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        id = emulator.add(ended=manual_clock.now() - DAY)
        answer = emulator.answer

        def lose_response(request: Request) -> Reply:
            reply = answer(request)
            return Reply(abort=True) if reply.status == 204 else reply

        emulator.answer = lose_response  # type: ignore[method-assign]
        plivo.delete(id)
        assert emulator.list_ids() == []

    def test_delete_behind_a_foreign_404_fails(
        self, plivo: rec.Provider, emulator: PlivoEmulator, manual_clock: ManualClock
    ) -> None:
        id = emulator.add(ended=manual_clock.now() - DAY)
        emulator.faults.extend([build_page(504), *[build_page(404)] * 5])
        with pytest.raises(rec.Unavailable):
            plivo.delete(id)
        emulator.faults.clear()
        assert emulator.list_ids() == [id]

    @pytest.mark.parametrize("lost", [True, False])
    def test_delete_fails_if_the_control_request_does(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        manual_clock: ManualClock,
        lost: bool,
    ) -> None:
        id = emulator.add(ended=manual_clock.now() - DAY)
        if lost:
            emulator.faults.append(build_page(504))
        # Something else answers in Plivo's shape.
        refusal = Reply.json({"error": "not found"}, 404)
        answer_by_method(emulator, DELETE=refusal, GET=build_page(404))
        with pytest.raises(rec.Unavailable, match="control request"):
            plivo.delete(id)
        assert emulator.list_ids() == [id]

    def test_an_id_with_a_slash_is_one_path_segment(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        with pytest.raises(rec.NotFound):
            plivo.get("../Call/x?y")
        assert emulator.list_requests()[0].segments()[-2:] == ["Recording", "../Call/x?y"]

    def test_an_error_contains_provider_operation_status_and_api_id(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        emulator.faults.append(Reply.json({"api_id": "97ceeb52", "error": "not found"}, 404))
        with pytest.raises(rec.NotFound) as caught:
            plivo.get("some-id")
        error = caught.value
        assert str(error) == "plivo get: not found (recording some-id, HTTP 404, request 97ceeb52)"
        assert (error.status, error.request_id) == (404, "97ceeb52")

    def test_a_plain_text_401_is_an_authentication_error(
        self, emulator: PlivoEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        token = "x" * 40
        with (
            rec.connect(
                "plivo",
                auth_id=emulator.credentials["auth_id"],
                auth_token=token,
                base_url=emulator.base_url,
            ) as plivo,
            pytest.raises(rec.AuthenticationFailed, match=r"plivo get: .*HTTP 401") as caught,
        ):
            plivo.get("some-id")
        assert token not in str(caught.value)

    @pytest.mark.parametrize(
        "error",
        ["bad time_limit", {"error": "bad time_limit"}, ["bad time_limit"], {"message": "bad"}],
    )
    def test_error_messages_are_read_in_any_shape(
        self, plivo: rec.Provider, emulator: PlivoEmulator, error: object
    ) -> None:
        emulator.faults.append(Reply.json({"api_id": "a-1", "error": error}, 400))
        with pytest.raises(rec.Rejected, match="plivo start: bad"):
            plivo.start(find_live(emulator, "call"))


# -- helpers -------------------------------------------------------------------------------------


def list_windows(emulator: PlivoEmulator) -> list[tuple[datetime, datetime]]:
    """List the bounds of each list request, oldest first."""
    bounds = []
    for request in emulator.list_requests():
        since, until = request.arg("add_time__gte"), request.arg("add_time__lt")
        assert since is not None, "a bound is missing"
        assert until is not None, "a bound is missing"
        moments = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (since, until))
        bounds.append((next(moments), next(moments)))
    return sorted(bounds)


def change_meta(**changes: Any) -> Callable[[Request, Any], Any]:
    """For `Emulator.alter`: change fields of each list's `meta`."""
    return lambda request, payload: {**payload, "meta": {**payload["meta"], **changes}}


def answer_by_method(emulator: PlivoEmulator, **replies: Reply) -> None:
    """Let the emulator answer each request of these methods with one reply."""
    emulator.answer = lambda request: replies[request.method]  # type: ignore[method-assign]


def build_page(status: int) -> Reply:
    """Build the page of a gateway in front of the vendor."""
    return Reply(status, b"<html><h1>error</h1><hr>nginx</html>", {"Content-Type": "text/html"})


def run_after_responses(change: Callable[[int], object]) -> Callable[[Request, Any], Any]:
    """For `Emulator.alter`: call `change` with the number of each response, from 1 on."""
    count = iter(range(1, 10_000))

    def alter(request: Request, payload: Any) -> Any:
        change(next(count))
        return payload

    return alter


class StubResponses(list[int]):
    """The statuses that stubbed hosts return; `sent` holds each URL, and whether it was signed."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, str]] = []
        self.location = ""

    def send(self, session: object, method: str, url: str, *_: object, **more: Any) -> Any:
        prepared = requests.Request(method, url, auth=more["auth"]).prepare()
        self.sent.append((url, "signed" if "Authorization" in prepared.headers else "-"))
        response = requests.Response()
        response.status_code = self.pop(0)
        response.url = url
        response.headers["Location"] = self.location
        response.raw = urllib3.HTTPResponse(io.BytesIO(b"media"), preload_content=False)
        return response


@contextmanager
def connect_offline(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[tuple[rec.Provider, StubResponses]]:
    """Connect to the real Plivo with stubbed responses: nothing leaves this machine."""
    monkeypatch.delenv("PLIVO_BASE_URL", raising=False)
    responses = StubResponses()
    with rec.connect("plivo", auth_id="MA" + "X" * 18, auth_token="t" * 40) as plivo:
        monkeypatch.setattr(plivo.transport, "send", responses.send)
        yield plivo, responses


def fetch(provider: rec.Provider, url: str) -> bytes:
    with provider.media.fetch(url, {}) as response:
        return b"".join(response.iter_chunks(65536))
