"""RealtimeKit's client: the requests that it sends, and its reading of answers, over HTTP.

The conformance suite tests the requirements of every provider. These tests are about RealtimeKit
alone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import ManualClock, Reply, Request
from recording_core.transport.address_policy import matches_any_pattern
from recording_core.transport.rate_limit import TokenBucket
from recording_realtimekit.emulator import RealtimeKitEmulator

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
#: longer than from INVOKED to RECORDING, and than the shortest recording that is kept
STARTED = timedelta(seconds=10)
STORAGE = {
    "type": "sftp",
    "host": "files.example.com",
    "auth_method": "PASSWORD",
    "username": "rtk",
    "password": "canary-password",
    "secret": "canary-secret",
}
VP8 = {"video_config": {"codec": "VP8"}}
#: as many participants as one request may name
USERS = [f"user-{number}" for number in range(100)]
ONE_BY_ONE = rec.HttpSettings(workers=1)

pytestmark = pytest.mark.emulator("realtimekit")


@pytest.fixture
def kit(emulated_provider: rec.Provider) -> rec.Provider:
    return emulated_provider


@pytest.fixture
def meeting(emulator: RealtimeKitEmulator) -> rec.CommunicationSession:
    """A live meeting."""
    return emulator.sessions[0]


def list_sent(emulator: RealtimeKitEmulator) -> list[str]:
    """List requests as `POST /track`: the method, and the path below the recordings."""
    return [
        f"{each.method} {each.path.partition('/recordings')[2]}"
        for each in emulator.list_requests()
    ]


#: Answers with status 404 that do not mean that the meeting is not recorded.
FOREIGN_404: Mapping[str, Reply] = {
    "a page": Reply(404, b"<html><h1>Not Found</h1></html>", {"Content-Type": "text/html"}),
    "no body": Reply(404),
    "another server's JSON": Reply.json({"message": "no Route matched with those values"}, 404),
    "an unknown app": Reply.json(
        {"success": False, "error": {"code": 404, "message": "App not found"}}, 404
    ),
    "the gateway's unknown app": Reply.json(
        {"success": False, "errors": [{"code": 1404, "message": "unknown app"}]}, 404
    ),
    "the gateway's unknown path": Reply.json(
        {"success": False, "errors": [{"code": 7003, "message": "Could not route"}]}, 404
    ),
}


class TestStart:
    def test_a_start_sends_the_meeting_and_nothing_else(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        session = kit.start(meeting)
        assert list_sent(emulator) == ["POST "]
        assert emulator.list_requests()[0].json() == {"meeting_id": meeting.id}
        assert session.id in emulator.list_ids()
        assert (session.target, session.status) == (meeting, rec.RecordingStatus.PENDING)
        assert session.provider_status == "INVOKED"

    @pytest.mark.parametrize(
        ("keywords", "body"),
        [
            ({"max_duration": timedelta(hours=1)}, {"max_seconds": 3600}),
            ({"max_duration": timedelta(seconds=60)}, {"max_seconds": 60}),
            ({"max_duration": timedelta(hours=24)}, {"max_seconds": 86400}),
            ({"format": "mp4"}, {"video_config": {"codec": "H264"}}),
            ({"format": "WebM"}, VP8),
            (
                {"format": "mp3"},
                {"audio_config": {"codec": "MP3"}, "video_config": {"export_file": False}},
            ),
            (
                {"format": "aac"},
                {"audio_config": {"codec": "AAC"}, "video_config": {"export_file": False}},
            ),
            ({"channels": 1}, {"audio_config": {"channel": "mono"}}),
            ({"channels": 2}, {"audio_config": {"channel": "stereo"}}),
            (
                {"format": "mp3", "channels": 1},
                {
                    "audio_config": {"codec": "MP3", "channel": "mono"},
                    "video_config": {"export_file": False},
                },
            ),
        ],
    )
    def test_parameters_are_sent_as_the_vendors_fields(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        lowered = {"format": keywords["format"].lower()} if "format" in keywords else {}
        session = kit.start(meeting, **keywords)
        assert emulator.list_requests()[0].json() == {"meeting_id": meeting.id, **body}
        assert session.parameters == {**keywords, **lowered}

    def test_vp8_may_have_an_audio_file_with_its_own_sound(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        audio = {"audio_config": {"export_file": True}}
        kit.start(meeting, format="webm", extra=audio)
        assert emulator.list_requests()[0].json() == {"meeting_id": meeting.id, **VP8, **audio}

    def test_extra_is_merged_into_the_body_and_wins(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        watermark = {"url": "https://example.com/logo.png", "size": {"width": 10, "height": 10}}
        extra = {
            "file_name_prefix": "weekly",
            "max_seconds": 600,
            "video_config": {"width": 640, "watermark": watermark},
            "audio_config": {"codec": "AAC"},
        }
        kit.start(meeting, format="mp3", channels=1, extra=extra)
        assert emulator.list_requests()[0].json() == {
            "meeting_id": meeting.id,
            "max_seconds": 600,
            "file_name_prefix": "weekly",
            "video_config": {"export_file": False, "width": 640, "watermark": watermark},
            "audio_config": {"codec": "AAC", "channel": "mono"},
        }

    @pytest.mark.parametrize(
        ("keywords", "more"),
        [
            ({"tracks": True}, {}),
            ({"participant": "alice"}, {"user_ids": ["alice"]}),
            ({"participant": ["alice", "bob_2"]}, {"user_ids": ["alice", "bob_2"]}),
            ({"participant": "alice", "tracks": True}, {"user_ids": ["alice"]}),
            ({"participant": USERS}, {"user_ids": USERS}),
        ],
    )
    def test_tracks_and_participants_are_sent_to_the_tracks_endpoint(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        keywords: dict[str, Any],
        more: dict[str, Any],
    ) -> None:
        session = kit.start(meeting, **keywords)
        assert list_sent(emulator) == ["POST /track"]
        assert emulator.list_requests()[0].json() == {"meeting_id": meeting.id, **more}
        assert session.parameters.get("participant", ()) == tuple(more.get("user_ids", ()))
        assert rec.loads(rec.dumps(session), rec.RecordingSession) == session
        assert session.id in emulator.list_ids()

    def test_extra_of_tracks_is_the_callers_alone(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        outputs = [{"type": "REALTIMEKIT_BUCKET"}]
        extra = {"layers": {"default": {"file_name_prefix": "p", "outputs": outputs}}}
        before = deepcopy(extra)
        kit.start(meeting, tracks=True, extra=extra)
        assert emulator.list_requests()[0].json() == {"meeting_id": meeting.id, **before}
        assert extra == before, "the caller's object was changed"

    def test_omit_removes_a_field_and_leaves_its_neighbours(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        extra = {
            "max_seconds": rec.OMIT,
            "audio_config": {"codec": rec.OMIT, "export_file": True},
            "layers": {"default": {"media_kind": rec.OMIT}},
        }
        kit.start(meeting, format="mp3", channels=1, max_duration=MINUTE, extra=extra)
        assert emulator.list_requests()[0].json() == {
            "meeting_id": meeting.id,
            "audio_config": {"channel": "mono", "export_file": True},
            "video_config": {"export_file": False},
        }

    @pytest.mark.parametrize(
        ("keywords", "message"),
        [
            ({"max_duration": timedelta(seconds=30)}, "at least 60 s"),
            ({"max_duration": timedelta(seconds=59.9)}, "at least 60 s"),
            ({"max_duration": timedelta(hours=24, milliseconds=1)}, "at most 86400 s"),
            ({"max_duration": timedelta(hours=48)}, "at most 86400 s"),
            ({"participant": [*USERS, "one more"]}, "at most 100"),
            ({"extra": {"meeting_id": "another"}}, "'meeting_id'"),
            ({"extra": {"meeting_id": rec.OMIT}}, "'meeting_id'"),
            ({"tracks": True, "extra": {"meeting_id": {"id": "another"}}}, "'meeting_id'"),
            ({"participant": "alice", "extra": {"user_ids": ["bob"]}}, "'user_ids'"),
        ],
    )
    def test_a_value_outside_its_bounds_raises_before_any_request(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        keywords: dict[str, Any],
        message: str,
    ) -> None:
        with emulator.forbid_requests(), pytest.raises(ValueError, match=message):
            kit.start(meeting, **keywords)

    @pytest.mark.parametrize(
        "keywords",
        [
            {"format": "wav"},
            {"channels": 3},
            {"format": "webm", "channels": 1},
            {"channels": 1, "extra": VP8},
            {"format": "mp3", "extra": VP8},
            {"format": "webm", "extra": {"audio_config": {"codec": "AAC"}}},
            {"title": "x"},
            {"callback_url": "https://example.com/hook"},
            {"tracks": True, "format": "mp3"},
            {"tracks": True, "channels": 1},
            {"tracks": True, "max_duration": MINUTE},
            {"participant": "alice", "format": "mp4"},
        ],
    )
    def test_an_unsupported_parameter_raises_before_any_request(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        keywords: dict[str, Any],
    ) -> None:
        with (
            emulator.forbid_requests(),
            pytest.raises(rec.UnsupportedOperation, match="RealtimeKit"),
        ):
            kit.start(meeting, **keywords)

    def test_calls_and_conferences_raise_before_any_request(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        for target in (rec.call("a"), rec.conference("b")):
            for verb in (kit.start, kit.active, lambda t: kit.list(target=t)):
                with (
                    emulator.forbid_requests(),
                    pytest.raises(rec.UnsupportedOperation, match="meeting"),
                ):
                    verb(target)

    def test_a_second_start_is_a_conflict_unless_several_are_allowed(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        first = kit.start(meeting)
        with pytest.raises(rec.Conflict, match=r"realtimekit start: .*in progress.*HTTP 409"):
            kit.start(meeting)
        assert len(emulator.list_requests()) == 2, "a start is sent once"
        second = kit.start(meeting, extra={"allow_multiple_recordings": True})
        assert first.id != second.id

    def test_a_start_answered_without_data_has_an_unknown_outcome(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        emulator.alter = lambda request, payload: {"success": True}
        with pytest.raises(rec.OutcomeUnknown) as caught:
            kit.start(meeting, format="mp3")
        emulator.alter = None
        assert caught.value.target == meeting
        assert caught.value.parameters == {"format": "mp3"}
        assert kit.active(meeting) is not None, "it shows whether the start was processed"

    @pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
    def test_a_start_refused_by_another_server_has_an_unknown_outcome(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        status: int,
    ) -> None:
        emulator.faults.append(Reply(status, b"<html>nginx</html>", {"Content-Type": "text/html"}))
        with pytest.raises(rec.OutcomeUnknown):
            kit.start(meeting)
        assert len(emulator.list_requests()) == 1, "a start is sent once"

    def test_an_odd_side_field_of_a_starts_answer_does_not_fail_it(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        odd = {"invoked_time": 7, "session_id": [], "file_size": -1, "output_file_name": {}}
        emulator.alter = lambda request, payload: {**payload, "data": {**payload["data"], **odd}}
        session = kit.start(meeting)
        assert session.id in emulator.list_ids()
        assert session.status is rec.RecordingStatus.PENDING

    @pytest.mark.parametrize("tracks", [False, True])
    def test_a_starts_answer_may_be_wrapped(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        tracks: bool,
    ) -> None:
        emulator.alter = lambda request, payload: {
            **payload,
            "data": {"recording": payload["data"].get("recording", payload["data"])},
        }
        assert kit.start(meeting, tracks=tracks).id in emulator.list_ids()


class TestActive:
    def test_active_finds_what_another_process_or_the_vendor_started(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        assert kit.active(meeting) is None
        running = emulator.add(
            ago=MINUTE, duration=None, start_reason={"reason": "RECORD_ON_START"}
        )
        session = kit.active(meeting)
        assert session is not None
        assert (session.id, session.target) == (running.id, meeting)
        assert session.status is rec.RecordingStatus.RECORDING
        assert session.started_at == manual_clock.now() - MINUTE
        stopped = kit.stop(session)
        assert stopped.status is rec.RecordingStatus.PROCESSING
        assert kit.active(meeting) is None
        done = kit.wait(stopped, timeout=MINUTE)
        assert [recording.target for recording in done.recordings] == [meeting]

    def test_active_raises_for_a_wrong_base_url(
        self, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        credentials: dict[str, Any] = emulator.credentials
        with (
            rec.connect("realtimekit", base_url=f"{emulator.base_url}/v9", **credentials) as kit,
            pytest.raises(rec.Unavailable, match="Could not route"),
        ):
            kit.active(meeting)

    def test_a_404_means_that_nothing_is_recorded_if_the_list_answers(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        assert kit.active(meeting) is None
        active, control = emulator.list_requests()
        assert active.path.endswith(f"/recordings/active-recording/{meeting.id}")
        assert (control.method, control.arg("per_page")) == ("GET", "1")
        assert control.path.endswith("/recordings")

    @pytest.mark.parametrize("reply", FOREIGN_404.values(), ids=FOREIGN_404)
    def test_a_404_that_is_not_about_the_meeting_raises(
        self,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
        reply: Reply,
    ) -> None:
        unnamed = rec.RecordingSession("realtimekit", "default", None, meeting)
        with emulator.connect(http=rec.HttpSettings(retries=0)) as kit:
            kit.start(meeting)
            manual_clock.advance(STARTED)
            verbs: list[Callable[[], Any]] = [
                lambda: kit.active(meeting),
                lambda: kit.stop(unnamed),
            ]
            for verb in verbs:
                # The second reply answers the control request.
                emulator.faults.extend([reply, reply])
                with pytest.raises(rec.Unavailable) as caught:
                    verb()
                assert caught.value.status == 404
                emulator.faults.clear()
            running = kit.active(meeting)
            assert running is not None
            assert running.status is rec.RecordingStatus.RECORDING

    def test_the_gateways_404_raises_although_the_list_answers(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        for name in ("the gateway's unknown app", "the gateway's unknown path"):
            emulator.faults.append(FOREIGN_404[name])
            with pytest.raises(rec.NotFound):
                kit.active(meeting)

    @pytest.mark.parametrize(
        "payload", [{"success": True}, {"success": True, "data": {}}, {"data": []}, [], None]
    )
    def test_a_control_request_without_a_list_confirms_nothing(
        self,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        payload: Any,
    ) -> None:
        emulator.alter = lambda request, answer: (
            answer if "active-recording" in request.path else payload
        )
        with (
            emulator.connect(http=rec.HttpSettings(retries=0)) as kit,
            pytest.raises(rec.Unavailable, match="control request"),
        ):
            kit.active(meeting)


@pytest.mark.emulator("realtimekit", assume=[5])
class TestPauseResumeStop:
    @pytest.mark.parametrize("status", [409, 400, 404, 422, 200])
    def test_a_repeated_action_succeeds_despite_the_vendors_error(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
        status: int,
    ) -> None:
        emulator.conflict_status = status
        session = kit.start(meeting)
        manual_clock.advance(STARTED)
        for verb, wanted in (
            (kit.pause, rec.RecordingStatus.PAUSED),
            (kit.resume, rec.RecordingStatus.RECORDING),
            (kit.stop, rec.RecordingStatus.PROCESSING),
        ):
            once = verb(session)
            assert once.status is wanted
            manual_clock.advance(SECOND)
            session = verb(once)
            assert session == once
            control = ["GET "] if status == 404 and verb == kit.stop else []
            expected = [f"PUT /{session.id}", *control, f"GET /{session.id}"]
            assert list_sent(emulator)[-len(expected) :] == expected
            manual_clock.advance(SECOND)
        assert [str(pause.end and pause.end - pause.start) for pause in session.pauses] == [
            "0:00:02"
        ]

    @pytest.mark.parametrize("status", [409, 400, 404, 200])
    def test_an_action_in_a_wrong_state_raises(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
        status: int,
    ) -> None:
        emulator.conflict_status = status
        session = kit.start(meeting)
        with pytest.raises(rec.ProviderError, match="Cannot pause a recording that is INVOKED"):
            kit.pause(session)
        manual_clock.advance(STARTED)
        stopped = kit.stop(session)
        for verb in (kit.pause, kit.resume):
            with pytest.raises(rec.ProviderError, match="that is UPLOADING"):
                verb(stopped)

    def test_a_failed_stop_of_an_unknown_status_raises(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
    ) -> None:
        session = kit.start(meeting)
        emulator.faults.append(Reply.json({"success": False, "error": {"code": 409}}, 409))
        emulator.alter = lambda request, payload: {
            **payload,
            "data": {**payload["data"], "status": "WINDING_DOWN"},
        }
        with pytest.raises(rec.Conflict):
            kit.stop(session)

    def test_an_action_is_retried_if_its_answer_is_lost(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = kit.start(meeting)
        manual_clock.advance(STARTED)
        answer, lost = emulator.answer, list[bool]()

        def lose_answer(request: Request) -> Reply:
            reply = answer(request)
            return Reply(abort=True) if request.method == "PUT" and lost and lost.pop() else reply

        emulator.answer = lose_answer  # type: ignore[method-assign]
        for verb, wanted in (
            (kit.pause, rec.RecordingStatus.PAUSED),
            (kit.resume, rec.RecordingStatus.RECORDING),
            (kit.stop, rec.RecordingStatus.PROCESSING),
        ):
            lost.append(True)
            session = verb(session)
            assert session.status is wanted

    def test_an_action_answered_without_data_reads_the_recording(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = kit.start(meeting)
        manual_clock.advance(STARTED)
        emulator.alter = lambda request, payload: (
            {"success": True} if request.method == "PUT" else payload
        )
        assert kit.pause(session).status is rec.RecordingStatus.PAUSED
        assert kit.stop(session).status is rec.RecordingStatus.PROCESSING

    def test_started_at_is_preserved_if_an_answer_omits_it(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        kit.start(meeting)
        manual_clock.advance(STARTED)
        running = kit.active(meeting)
        assert running is not None
        emulator.alter = lambda request, payload: {
            **payload,
            "data": {**payload["data"], "started_time": None},
        }
        assert running.started_at is not None
        assert kit.stop(running).started_at == running.started_at

    def test_a_session_without_an_id_stands_for_the_running_recording(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        unnamed = rec.RecordingSession("realtimekit", "default", None, meeting)
        with pytest.raises(rec.NotFound, match="realtimekit pause: nothing is recorded"):
            kit.pause(unnamed)
        assert kit.stop(unnamed).status is rec.RecordingStatus.PROCESSING
        started = kit.start(meeting)
        manual_clock.advance(STARTED)
        assert kit.pause(unnamed).id == started.id
        stopped = kit.stop(unnamed)
        assert (stopped.id, stopped.status) == (started.id, rec.RecordingStatus.PROCESSING)
        assert kit.active(meeting) is None

    def test_leaving_the_block_stops_the_recording(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        with kit.record(meeting) as recorder:
            manual_clock.advance(MINUTE)
            recorder.pause()
            manual_clock.advance(MINUTE)
        assert kit.active(meeting) is None
        done = kit.wait(recorder.session, timeout=MINUTE)
        assert done.status is rec.RecordingStatus.AVAILABLE
        (pause,) = done.pauses
        assert pause.end is not None
        assert pause.end - pause.start == MINUTE

    @pytest.mark.emulator("realtimekit")
    def test_an_action_without_an_effect_succeeds_if_the_state_is_reached(
        self,
        kit: rec.Provider,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = kit.start(meeting)
        pending = kit.pause(session)
        assert (pending.status, pending.pauses) == (rec.RecordingStatus.PENDING, ())
        manual_clock.advance(STARTED)
        paused = kit.pause(kit.pause(session))
        assert (paused.status, len(paused.pauses)) == (rec.RecordingStatus.PAUSED, 1)
        stopped = kit.stop(kit.stop(paused))
        assert stopped.status is rec.RecordingStatus.PROCESSING
        assert kit.resume(stopped).status is rec.RecordingStatus.PROCESSING

    def test_wait_returns_a_recording_of_three_seconds_as_failed(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = kit.start(meeting)
        manual_clock.advance(5 * SECOND)
        done = kit.wait(kit.stop(session), timeout=MINUTE)
        assert done.status is rec.RecordingStatus.FAILED
        assert done.recordings[0].error == "API_CALL"


#: What may be wrong with the paging of a list's answer: the vendor documents it in one example.
PAGINGS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "absent": lambda payload: {"success": True, "data": payload["data"]},
    "null": lambda payload: {**payload, "paging": None},
    "a list": lambda payload: {**payload, "paging": [payload["paging"]]},
    "without a count": lambda payload: {
        **payload,
        "paging": {n: value for n, value in payload["paging"].items() if n != "total_count"},
    },
    "halves": lambda payload: {
        **payload,
        "paging": {name: value + 0.5 for name, value in payload["paging"].items()},
    },
    "texts": lambda payload: {
        **payload,
        "paging": {name: str(value) for name, value in payload["paging"].items()},
    },
}


class TestList:
    @pytest.mark.parametrize("base", [0, 1])
    @pytest.mark.parametrize("recordings", [0, 1, 24, 25, 26, 50, 99, 100, 101])
    @pytest.mark.parametrize("largest", [25, 100, 1000])
    def test_every_row_is_listed_once_for_every_page_base_and_size(
        self, manual_clock: ManualClock, base: int, recordings: int, largest: int
    ) -> None:
        with RealtimeKitEmulator(
            clock=manual_clock, recordings=recordings, page_base=base
        ) as emulator:
            emulator.max_page_size = largest
            with emulator.connect() as kit:
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert sorted(found) == sorted(emulator.list_ids())
            assert len(found) == recordings
            assert listing.coverage.complete
            assert listing.coverage.expected == recordings
            assert listing.coverage.duplicates == 0

    def test_rows_are_requested_and_listed_newest_first(self, manual_clock: ManualClock) -> None:
        with RealtimeKitEmulator(clock=manual_clock, recordings=60) as emulator:
            emulator.max_page_size = 10
            with emulator.connect() as kit:
                times = [recording.created_at for recording in kit.list()]
            assert times == sorted(times, key=lambda each: str(each), reverse=True)
            for request in emulator.list_requests():
                assert (request.arg("sort_by"), request.arg("sort_order")) == (
                    "invokedTime",
                    "DESC",
                )

    def test_pages_are_fetched_concurrently(
        self, manual_clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with RealtimeKitEmulator(clock=manual_clock, recordings=440) as emulator:
            emulator.max_page_size = 50
            with emulator.connect(http=rec.HttpSettings(workers=4)) as kit:
                get, together = kit.transport.get, threading.Barrier(4)
                requested: set[int] = {1}

                def wait_for_others(path: str, **more: Any) -> Any:
                    number = more["params"]["page_no"]
                    if number not in requested:
                        requested.add(number)
                        together.wait(timeout=10)  # fails unless four requests are in progress
                    return get(path, **more)

                monkeypatch.setattr(kit.transport, "get", wait_for_others)
                found = [recording.id for recording in kit.list()]
            assert sorted(found) == sorted(emulator.list_ids())
            assert len(emulator.list_requests()) == 9 + 2  # the first and the last are read twice

    def test_the_page_after_a_full_last_page_is_fetched(self, manual_clock: ManualClock) -> None:
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=200) as emulator,
            emulator.connect() as kit,
        ):
            assert len(list(kit.list())) == 200
            requested = [request.arg("page_no") for request in emulator.list_requests()]
            # Concurrent requests arrive in any order.
            assert (requested[0], sorted(map(str, requested))) == ("1", ["1", "1", "2", "2", "3"])

    def test_rows_beyond_a_wrong_total_are_listed(self, manual_clock: ManualClock) -> None:
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=250) as emulator,
            emulator.connect() as kit,
        ):

            def understate_total(request: Request, payload: Any) -> Any:
                return {**payload, "paging": {**payload["paging"], "total_count": 100}}

            emulator.alter = understate_total
            assert len(list(kit.list())) == 250

    @pytest.mark.parametrize("base", [0, 1])
    def test_since_ends_the_sweep_at_the_first_row_before_it(
        self, manual_clock: ManualClock, base: int
    ) -> None:
        with RealtimeKitEmulator(clock=manual_clock, recordings=450, page_base=base) as emulator:
            emulator.max_page_size = 50
            with emulator.connect(http=ONE_BY_ONE) as kit:
                everything = list(kit.list())
                whole = len(emulator.list_requests())
                since = everything[70].created_at
                listing = kit.list(since=since)
                assert [each.id for each in listing] == [each.id for each in everything[:71]]
                assert listing.coverage.complete
            requested = len(emulator.list_requests()) - whole
            # Two pages, page 0 if pages count from 0, one page fetched ahead, and a second reading
            # of the first and the last.
            assert requested <= 7, f"{requested} requests, of {whole} for all"

    def test_since_and_until_are_exact_to_the_millisecond(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        tick = timedelta(milliseconds=1)
        made = emulator.add(ago=DAY)
        moment = made.invoked_at
        for since, until, expected in (
            (moment, None, [made.id]),
            (moment + tick, None, []),
            (moment - DAY, moment, []),
            (moment - DAY, moment + tick, [made.id]),
        ):
            found = [recording.id for recording in kit.list(since=since, until=until)]
            assert found == expected, (since, until)

    @pytest.mark.parametrize("base", [0, 1])
    @pytest.mark.parametrize("workers", [1, 4])
    def test_rows_that_arrive_while_paging_cause_no_loss_and_no_duplicate(
        self, manual_clock: ManualClock, base: int, workers: int
    ) -> None:
        with RealtimeKitEmulator(clock=manual_clock, recordings=95, page_base=base) as emulator:
            emulator.max_page_size = 10
            before = set(emulator.list_ids())
            count = iter(range(1000))

            def add_rows(request: Request, payload: Any) -> Any:
                for _ in range(3 if next(count) in (0, 2, 5) else 0):
                    emulator.add(ago=timedelta(0), duration=None)
                return payload

            emulator.alter = add_rows
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as kit:
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "some were listed twice"
            assert before <= set(found), f"{len(before - set(found))} were lost"
            assert listing.coverage.complete

    def test_rows_removed_while_paging_cause_no_loss_of_others(
        self, manual_clock: ManualClock
    ) -> None:
        with RealtimeKitEmulator(clock=manual_clock, recordings=95) as emulator:
            emulator.max_page_size = 10
            newest_first = emulator.list_ids()
            with emulator.connect(http=ONE_BY_ONE) as kit:
                newest_first = [recording.id for recording in kit.list()]
                gone, count = newest_first[2:7], iter(range(1000))

                def remove_rows(request: Request, payload: Any) -> Any:
                    if next(count) == 1:
                        for id in gone:
                            emulator.remove(id)
                    return payload

                emulator.alter = remove_rows
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "some were listed twice"
            assert set(newest_first) - set(gone) <= set(found), "some were lost"
            assert listing.coverage.complete

    def test_a_target_is_requested_by_its_meeting_id(self, manual_clock: ManualClock) -> None:
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=45) as emulator,
            emulator.connect() as kit,
        ):
            meeting = emulator.sessions[0]
            found = list(kit.list(target=meeting))
            assert emulator.list_requests()[0].arg("meeting_id") == meeting.id
            assert len(found) == 15
            assert {recording.target for recording in found} == {meeting}
            assert {recording.title for recording in found} == {"Weekly sync"}

    @pytest.mark.parametrize("base", [0, 1])
    @pytest.mark.parametrize(("recordings", "largest"), [(0, 25), (2, 100), (45, 25), (50, 25)])
    @pytest.mark.parametrize("paging", PAGINGS.values(), ids=PAGINGS)
    def test_a_list_without_a_usable_total_is_read_to_the_end(
        self, manual_clock: ManualClock, base: int, recordings: int, largest: int, paging: Any
    ) -> None:
        with RealtimeKitEmulator(
            clock=manual_clock, recordings=recordings, page_base=base
        ) as emulator:
            emulator.max_page_size = largest
            emulator.alter = lambda request, payload: paging(payload)
            with emulator.connect() as kit:
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert sorted(found) == sorted(emulator.list_ids())
            assert (listing.coverage.expected, listing.coverage.complete) == (None, True)

    def test_the_numbers_of_a_list_may_be_written_as_floats(
        self, manual_clock: ManualClock
    ) -> None:
        with RealtimeKitEmulator(clock=manual_clock, recordings=30, page_base=0) as emulator:
            emulator.max_page_size = 10
            emulator.alter = lambda request, payload: {
                **payload,
                "paging": {name: float(value) for name, value in payload["paging"].items()},
            }
            with emulator.connect() as kit:
                listing = kit.list()
                assert len(list(listing)) == 30
            assert (listing.coverage.expected, listing.coverage.unread_fields) == (30, {})

    def test_a_list_without_a_total_ends_with_a_repeated_page(
        self, manual_clock: ManualClock
    ) -> None:
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=2) as emulator,
            emulator.connect() as kit,
        ):
            everything = {"success": True, "data": []}

            def repeat_page(request: Request, payload: Any) -> Any:
                everything["data"] = payload["data"] or everything["data"]
                return everything

            emulator.alter = repeat_page
            listing = kit.list()
            assert sorted(each.id for each in listing) == sorted(emulator.list_ids())
            assert (listing.coverage.expected, listing.coverage.complete) == (None, True)

    def test_repeated_pages_without_a_total_that_are_full_raise(
        self, manual_clock: ManualClock
    ) -> None:
        """Nothing shows that there are no other rows."""
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=100) as emulator,
            emulator.connect() as kit,
        ):
            first_page: list[Any] = []

            def repeat_page(request: Request, payload: Any) -> Any:
                first_page[:] = first_page or payload["data"]
                return {"success": True, "data": first_page}

            emulator.alter = repeat_page
            listing = kit.list()
            with pytest.raises(rec.PaginationError, match="same page"):
                list(listing)
            assert not listing.coverage.complete

    def test_a_page_without_rows_of_the_documented_type_raises(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        wrong: list[Any] = [{}, None, "rows"]
        emulator.alter = lambda request, payload: {**payload, "data": wrong[0]}
        for _ in range(len(wrong)):
            wrong.append(wrong.pop(0))
            with pytest.raises(rec.MalformedPayload, match="realtimekit list"):
                list(kit.list())

    def test_an_odd_field_is_named_and_costs_no_recording(
        self, manual_clock: ManualClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=6) as emulator,
            emulator.connect() as kit,
        ):
            odd = next(each for each in kit.list(status="available") if each.files)

            def change_row(request: Request, payload: Any) -> Any:
                rows = payload["data"] if isinstance(payload["data"], list) else [payload["data"]]
                for row in rows:
                    if row["id"] == odd.id:
                        row |= {"recording_duration": -1731660518, "stopped_time": None}
                return payload

            emulator.alter = change_row
            listing = kit.list()
            found = {each.id: each for each in listing}
            assert sorted(found) == sorted(emulator.list_ids())
            assert listing.coverage.complete
            assert listing.coverage.unread_fields == {"recording_duration": 1}
            (warning,) = [each for each in caplog.messages if "recording_duration" in each]
            assert odd.id in warning
            for recording in (found[odd.id], kit.get(odd.id)):
                assert (recording.status, recording.duration) == ("available", None)
                assert recording.unread_fields == ("recording_duration",)
            assert len(kit.download(odd.id, tmp_path)) == len(odd.files)

    def test_a_row_without_a_usable_id_has_a_sentence(self, manual_clock: ManualClock) -> None:
        with (
            RealtimeKitEmulator(clock=manual_clock, recordings=3) as emulator,
            emulator.connect() as kit,
        ):

            def change_row(request: Request, payload: Any) -> Any:
                payload["data"][1]["id"] = "zero\u200bwidth"
                return payload

            emulator.alter = change_row
            listing = kit.list()
            assert len(list(listing)) == 2
            (sentence,) = listing.coverage.unreadable
            assert r"zero\u200bwidth" in sentence
            assert not listing.coverage.complete


class TestMedia:
    @pytest.mark.parametrize(
        ("host", "is_listed"),
        [
            ("storage.googleapis.com", True),  # tracks
            ("0123abcd.r2.cloudflarestorage.com", True),  # composites
            ("dyte-recordings.s3.ap-south-1.amazonaws.com", True),
            ("other.storage.googleapis.com", False),
            ("r2.cloudflarestorage.com.example.com", False),
            ("s3.us-east-1.amazonaws.com", False),
        ],
    )
    def test_the_listed_media_hosts_are_those_that_third_parties_saw(
        self, host: str, is_listed: bool
    ) -> None:
        hosts = rec.providers()["realtimekit"].media_hosts
        assert matches_any_pattern(host, hosts) is is_listed

    @pytest.mark.parametrize(
        ("body", "tracks", "made"),
        [
            ({}, False, [("video", "mp4")]),
            ({"audio_config": {"codec": "MP3"}}, False, [("video", "mp4"), ("audio", "mp3")]),
            ({"video_config": {"codec": "VP8"}}, False, [("video", "webm")]),
            (
                {"audio_config": {"codec": "MP3"}, "video_config": {"export_file": False}},
                False,
                [("audio", "mp3")],
            ),
            ({"interactive_config": {"type": "ID3"}}, False, [("video", "tar")]),
            ({}, True, [("track", "webm")] * 4),
        ],
    )
    def test_each_file_becomes_a_copy(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        tmp_path: Path,
        body: Mapping[str, Any],
        tracks: bool,
        made: list[tuple[str, str]],
    ) -> None:
        id = emulator.add(body=body, tracks=tracks).id
        copies = kit.download(id, tmp_path)
        assert [(str(copy.file.role), copy.file.format) for copy in copies] == made
        assert (
            len({copy.path for copy in copies})
            == len({copy.sha256 for copy in copies})
            == len(made)
        )
        for copy in copies:
            assert copy.path.suffix == f".{copy.file.format}"
            assert copy.size == copy.path.stat().st_size
            assert "format" in copy.checks

    def test_a_track_names_its_participant(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        recording = kit.get(emulator.add(tracks=True).id)
        participants = [file.participant for file in recording.files]
        assert participants == ["alice", None, "6b1f6f0e-carol", "alice"], "one id is ambiguous"
        assert {file.media_type for file in recording.files} == {"audio/webm"}

    def test_a_session_names_the_participants_that_it_was_started_for(
        self,
        kit: rec.Provider,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        for users, expected in (
            (["bob_2", "alice"], ["alice", "bob_2", "alice"]),
            (["bob_2", "2"], [None]),  # both fit
        ):
            session = kit.start(meeting, participant=users)
            manual_clock.advance(STARTED)
            stopped = rec.loads(rec.dumps(kit.stop(session)), rec.RecordingSession)
            (recording,) = kit.wait(stopped, timeout=MINUTE).recordings
            assert [file.participant for file in recording.files] == expected

    @pytest.mark.emulator("realtimekit", assume="all")
    def test_uuids_in_the_names_of_tracks_are_the_participants(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        recording = kit.get(emulator.add(tracks=True).id)
        ids = [each.id for each in emulator.meetings[meeting.id].participants]
        assert [file.participant for file in recording.files] == ids
        assert recording.size is None, "0 is not a size"

    def test_listed_tracks_without_urls_are_read_again_for_a_download(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        emulator.add(tracks=True)
        (listed,) = kit.list()
        assert (listed.status, listed.files) == (rec.RecordingStatus.AVAILABLE, ())
        assert len(kit.download(listed, tmp_path)) == 4

    def test_download_fetches_only_the_selected_files(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add(body={"audio_config": {"codec": "MP3"}}).id
        (copy,) = kit.download(id, tmp_path, files=rec.FileRole.AUDIO)
        assert copy.path.suffix == ".mp3"

    def test_no_authorization_is_sent_to_the_media_host(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        bodies: tuple[dict[str, Any], ...] = ({}, {"audio_config": {}})
        for body in bodies:
            kit.download(emulator.add(body=body).id, tmp_path)
        requests = emulator.list_requests("media")
        assert len(requests) == 3
        token = emulator.credentials["api_token"]
        for request in requests:
            assert request.method == "GET", "a URL that is signed for GET is valid for GET alone"
            assert request.header("authorization") is None
            assert token not in f"{request.headers} {request.query}"

    def test_downloading_an_expired_recording_raises_with_the_reason(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        id = emulator.add(ago=6 * DAY).id
        listed = kit.get(id)
        assert listed.status is rec.RecordingStatus.AVAILABLE
        assert listed.media_expires_at is not None
        manual_clock.advance(listed.media_expires_at - manual_clock.now())
        both: tuple[rec.Recording | str, ...] = (id, listed)
        for count, given in enumerate(both, 1):
            with pytest.raises(rec.NotFound, match=f"{id} is expired"):
                kit.download(given, tmp_path)
            assert len(emulator.list_requests("media")) == count, "our clock may be wrong"
        assert [each.status for each in kit.list()] == [rec.RecordingStatus.EXPIRED]
        assert kit.get(id).provider_status == "UPLOADED"

    def test_a_recording_in_the_customers_own_bucket_cannot_be_downloaded(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        body = {"realtimekit_bucket_config": {"enabled": False}, "storage_config": STORAGE}
        recording = kit.get(emulator.add(body=body).id)
        assert (recording.status, recording.files) == (rec.RecordingStatus.AVAILABLE, ())
        with pytest.raises(rec.UnsupportedOperation, match=r"your own storage \(sftp\)"):
            kit.download(recording, tmp_path)
        assert emulator.list_requests("media") == []

    def test_no_storage_is_named_unless_the_answer_names_one(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        manual_clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        id = emulator.add(body={"realtimekit_bucket_config": {"enabled": False}}).id
        for status in (rec.RecordingStatus.AVAILABLE, rec.RecordingStatus.EXPIRED):
            assert kit.get(id).status is status
            with pytest.raises(rec.NotFound, match=f"is {status}, and .* names no other storage"):
                kit.download(id, tmp_path)
            manual_clock.advance(8 * DAY)
        assert emulator.list_requests("media") == []

    def test_an_invalid_listed_url_is_renewed_once(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        emulator.add()

        def break_signatures(request: Request, payload: Any) -> Any:
            for row in payload["data"]:
                row["download_url"] = row["download_url"].replace("X-Amz-Signature=", "&=no")
            return payload

        emulator.alter = break_signatures
        (listed,) = kit.list()
        emulator.alter = None
        (copy,) = kit.download(listed, tmp_path)
        assert [exchange.status for exchange in emulator.journal if exchange.port == "media"] == [
            403,
            200,
        ]
        assert list_sent(emulator)[-1] == f"GET /{listed.id}"
        assert copy.path.exists()

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (401, b""),
            (403, b"<Error><Code>AccessDenied</Code></Error>"),
            (410, b"<Error><Code>Gone</Code></Error>"),
            (400, b"<Error><Code>ExpiredToken</Code></Error>"),
            (400, b'{"error": {"code": "ExpiredRequest"}}'),
        ],
    )
    def test_an_expired_link_is_renewed_once(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        tmp_path: Path,
        status: int,
        body: bytes,
    ) -> None:
        listed = kit.get(emulator.add().id)
        emulator.media_faults.append(Reply(status, body))
        sent = len(emulator.journal)
        (copy,) = kit.download(listed, tmp_path)
        assert copy.verified
        asked = [(each.port, each.status) for each in emulator.journal[sent:]]
        assert asked == [("media", status), ("api", 200), ("media", 200)]
        emulator.media_faults.extend([Reply(status, body)] * 3)
        with pytest.raises((rec.AuthenticationFailed, rec.NotFound)) as caught:
            kit.download(listed, tmp_path / "again")
        assert len(emulator.media_faults) == 1
        assert caught.value.status == status
        assert "again" not in str(caught.value)

    def test_a_url_that_stays_invalid_raises(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        listed = kit.get(emulator.add().id)
        emulator.media_faults.extend([Reply(403, b"<Error/>")] * 3)
        with pytest.raises(rec.AuthenticationFailed, match=r"realtimekit download: .*expired"):
            kit.download(listed, tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestResponses:
    def test_the_gateways_errors_are_read(
        self, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        credentials: dict[str, Any] = {**emulator.credentials, "api_token": "wrong-token"}
        with rec.connect("realtimekit", base_url=emulator.base_url, **credentials) as kit:
            for verb in (kit.start, kit.active, lambda t: list(kit.list(target=t))):
                with pytest.raises(rec.AuthenticationFailed) as caught:
                    verb(meeting)
                assert (caught.value.code, caught.value.status) == ("10000", 401)
                assert "HTTP 401, code 10000)" in str(caught.value)

    def test_realtimekits_own_errors_are_read(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        with pytest.raises(rec.NotFound) as caught:
            kit.get("00000000-0000-4000-8000-000000000000")
        assert str(caught.value) == (
            "realtimekit get: Recording not found (recording "
            "00000000-0000-4000-8000-000000000000, HTTP 404, code 404)"
        )
        with pytest.raises(rec.NotFound, match="Meeting not found"):
            kit.start(rec.meeting("00000000-0000-4000-8000-000000000000"))
        with pytest.raises(rec.Rejected, match='"meeting_id" contains an invalid value'):
            kit.start(rec.meeting("no-uuid"))

    @pytest.mark.parametrize(
        ("payload", "kind"),
        [
            ({"success": False, "error": {"code": 404, "message": "gone"}}, rec.NotFound),
            ({"success": False, "error": {"code": 409, "message": "gone"}}, rec.Conflict),
            (
                {"success": False, "error": {"code": 401, "message": "gone"}},
                rec.AuthenticationFailed,
            ),
            ({"success": False, "error": {"code": "x", "message": "gone"}}, rec.MalformedPayload),
            (
                {"success": False, "errors": [{"code": 10000, "message": "gone"}]},
                rec.AuthenticationFailed,
            ),
            ({"success": False, "errors": [{"code": 1, "message": "gone"}]}, rec.Rejected),
            ({"success": False, "message": "gone"}, rec.MalformedPayload),
            ({"success": False, "errors": [], "data": {"id": "x"}}, rec.MalformedPayload),
        ],
    )
    def test_a_200_with_success_false_raises(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        payload: dict[str, Any],
        kind: type[rec.ProviderError],
    ) -> None:
        for verb in (lambda: kit.get("some-id"), lambda: list(kit.list())):
            emulator.faults.append(Reply.json(payload))
            with pytest.raises(kind):
                verb()
        # What is not in the vendor's shape does not show that nothing was started.
        emulator.faults.append(Reply.json(payload))
        with pytest.raises(rec.OutcomeUnknown if kind is rec.MalformedPayload else kind):
            kit.start(meeting)

    def test_the_401_of_the_older_api_is_read(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        emulator.faults.append(Reply.json({"message": "Unauthorized"}, 401))
        with pytest.raises(rec.AuthenticationFailed, match="Unauthorized"):
            kit.get("some-id")

    def test_a_429_is_retried_after_retry_after(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, manual_clock: ManualClock
    ) -> None:
        id = emulator.add().id
        began = manual_clock.now()
        emulator.faults.extend([Reply(429, b"", {"Retry-After": "3"})] * 2)
        assert kit.get(id).id == id
        assert manual_clock.now() - began >= 6 * SECOND
        assert len(emulator.list_requests()) == 3

    def test_no_five_minutes_have_more_requests_than_cloudflare_permits(
        self, kit: rec.Provider, manual_clock: ManualClock
    ) -> None:
        bucket = TokenBucket(kit.rate, manual_clock, kit.burst)
        end = manual_clock.now() + 5 * MINUTE
        count = 0
        while manual_clock.now() < end:
            bucket.take()
            count += 1
        assert 1100 < count <= 1200

    def test_a_start_with_429_is_not_retried(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        emulator.faults.append(Reply(429, b"", {"Retry-After": "3"}))
        with pytest.raises(rec.RateLimited) as caught:
            kit.start(meeting)
        assert caught.value.retry_after == 3 * SECOND
        assert len(emulator.list_requests()) == 1

    def test_the_secrets_of_a_storage_config_are_masked(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
    ) -> None:
        body = {"realtimekit_bucket_config": {"enabled": False}, "storage_config": STORAGE}
        id = emulator.add(body=body).id
        session = kit.start(meeting, extra=body)
        for value in (kit.get(id), *kit.list(), session):
            storage = value.raw["storage_config"]
            assert (storage["secret"], storage["password"]) == ("***", "***")
            assert storage["host"] == "files.example.com"
            assert "canary" not in f"{value!r} {rec.dumps(value)}"

    def test_a_recording_cannot_be_deleted(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        recording = kit.get(emulator.add().id)
        for given in (recording, recording.id):
            with (
                emulator.forbid_requests(),
                pytest.raises(rec.UnsupportedOperation, match="RealtimeKit"),
            ):
                kit.delete(given)

    def test_only_a_list_names_the_meeting_and_a_given_target_is_returned(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, meeting: rec.CommunicationSession
    ) -> None:
        id = emulator.add().id
        assert kit.get(id).target is None
        assert kit.get(id, target=meeting).target == meeting
        (listed,) = kit.list()
        assert listed.target == meeting
        assert kit.get(listed).target == meeting

    def test_the_reasons_of_start_and_stop_are_in_the_raw_payload(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        meeting: rec.CommunicationSession,
        manual_clock: ManualClock,
    ) -> None:
        session = kit.start(meeting)
        manual_clock.advance(STARTED)
        assert "stop_reason" not in kit.get(str(session.id)).raw
        stopped = kit.stop(session)
        assert stopped.raw["stop_reason"]["reason"] == "API_CALL"
        ended = kit.get(emulator.add(start_reason={"reason": "RECORD_ON_START"}).id)
        reasons = (ended.raw["start_reason"]["reason"], ended.raw["stop_reason"]["reason"])
        assert (reasons, ended.error) == (("RECORD_ON_START", "ALL_PEERS_LEFT"), None)
