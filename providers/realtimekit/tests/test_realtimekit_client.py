"""What is RealtimeKit sent, and what is made of its answers? Asked of the emulator, over HTTP.

What the library promises of every provider is in the conformance suite; here is what is
RealtimeKit's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing import ManualClock, Reply, Request
from recording_realtimekit.emulator import RealtimeKitEmulator

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
#: from INVOKED to RECORDING, and more than enough for a recording that is worth keeping
STARTED = timedelta(seconds=10)
STORAGE = {
    "type": "sftp",
    "host": "files.example.com",
    "auth_method": "PASSWORD",
    "username": "rtk",
    "password": "canary-password",
    "secret": "canary-secret",
}
ONE_BY_ONE = rec.HttpSettings(workers=1)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[RealtimeKitEmulator]:
    with RealtimeKitEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def kit(emulator: RealtimeKitEmulator) -> Iterator[rec.Provider]:
    with emulator.connect() as provider:
        yield provider


@pytest.fixture
def room(emulator: RealtimeKitEmulator) -> rec.CommunicationSession:
    """A live meeting."""
    return emulator.sessions[0]


def sent(emulator: RealtimeKitEmulator) -> list[str]:
    """Each request as `POST /track`: its method, and its path below the recordings."""
    return [
        f"{each.method} {each.path.partition('/recordings')[2]}" for each in emulator.requests()
    ]


@contextmanager
def silence(emulator: RealtimeKitEmulator) -> Iterator[None]:
    """Inside, nothing is sent."""
    before = len(emulator.journal)
    yield
    assert emulator.journal[before:] == []


class TestStart:
    def test_a_start_asks_for_the_longest_and_for_nothing_else(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        session = kit.start(room)
        assert sent(emulator) == ["POST "]
        assert emulator.requests()[0].json() == {"meeting_id": room.id, "max_seconds": 86400}
        assert session.id in emulator.listed()
        assert (session.target, session.status) == (room, rec.RecordingStatus.PENDING)
        assert session.provider_status == "INVOKED"

    @pytest.mark.parametrize(
        ("keywords", "body"),
        [
            ({"max_duration": timedelta(hours=1)}, {"max_seconds": 3600}),
            ({"format": "mp4"}, {"video_config": {"codec": "H264"}}),
            ({"format": "WebM"}, {"video_config": {"codec": "VP8"}}),
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
    def test_keywords_are_told_in_the_vendors_words(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        kit.start(room, **keywords)
        expected = {"meeting_id": room.id, "max_seconds": 86400, **body}
        assert emulator.requests()[0].json() == expected

    def test_extra_goes_beside_what_we_say_and_wins(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        watermark = {"url": "https://example.com/logo.png", "size": {"width": 10, "height": 10}}
        extra = {
            "file_name_prefix": "weekly",
            "max_seconds": 600,
            "video_config": {"width": 640, "watermark": watermark},
            "audio_config": {"codec": "AAC"},
        }
        kit.start(room, format="mp3", channels=1, extra=extra)
        assert emulator.requests()[0].json() == {
            "meeting_id": room.id,
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
        ],
    )
    def test_tracks_and_participants_go_to_the_endpoint_of_tracks(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        keywords: dict[str, Any],
        more: dict[str, Any],
    ) -> None:
        session = kit.start(room, **keywords)
        assert sent(emulator) == ["POST /track"]
        assert emulator.requests()[0].json() == {
            "meeting_id": room.id,
            "layers": {"default": {"media_kind": "audio"}},
            **more,
        }
        assert session.id in emulator.listed()

    def test_extra_of_tracks_is_merged_all_the_way_down(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        extra = {"layers": {"default": {"file_name_prefix": "desk"}}}
        kit.start(room, tracks=True, extra=extra)
        layers = emulator.requests()[0].json()["layers"]
        assert layers == {"default": {"media_kind": "audio", "file_name_prefix": "desk"}}
        assert extra == {"layers": {"default": {"file_name_prefix": "desk"}}}, "the caller's own"

    @pytest.mark.parametrize(
        "keywords",
        [
            {"format": "wav"},
            {"channels": 3},
            {"title": "x"},
            {"callback_url": "https://example.com/hook"},
            {"tracks": True, "format": "mp3"},
            {"tracks": True, "channels": 1},
            {"tracks": True, "max_duration": MINUTE},
            {"participant": "alice", "format": "mp4"},
        ],
    )
    def test_what_the_vendor_cannot_be_told_raises_before_any_request(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        keywords: dict[str, Any],
    ) -> None:
        with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="RealtimeKit"):
            kit.start(room, **keywords)

    def test_calls_and_conferences_raise_before_any_request(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        for target in (rec.call("a"), rec.conference("b")):
            for ask in (kit.start, kit.active, lambda t: kit.list(target=t)):
                with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="meeting"):
                    ask(target)

    def test_a_second_start_is_a_conflict_unless_several_are_allowed(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        first = kit.start(room)
        with pytest.raises(rec.Conflict, match=r"realtimekit start: .*in progress.*HTTP 409"):
            kit.start(room)
        assert len(emulator.requests()) == 2, "a start is sent once"
        second = kit.start(room, extra={"allow_multiple_recordings": True})
        assert first.id != second.id

    def test_a_start_without_data_in_its_answer_is_a_doubt(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        emulator.alter = lambda request, payload: {"success": True}
        with pytest.raises(rec.OutcomeUnknown) as caught:
            kit.start(room, format="mp3")
        emulator.alter = None
        assert caught.value.target == room
        assert caught.value.parameters == {"format": "mp3"}
        assert kit.active(room) is not None, "where to look before one repeats it"


class TestActive:
    def test_it_finds_what_another_process_or_the_vendor_started(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        assert kit.active(room) is None
        begun = emulator.add(ago=MINUTE, duration=None, start_reason={"reason": "RECORD_ON_START"})
        session = kit.active(room)
        assert session is not None
        assert (session.id, session.target) == (begun.id, room)
        assert session.status is rec.RecordingStatus.RECORDING
        assert session.started_at == clock.now() - MINUTE
        stopped = kit.stop(session)
        assert stopped.status is rec.RecordingStatus.PROCESSING
        assert kit.active(room) is None
        done = kit.wait(stopped, timeout=MINUTE)
        assert [recording.target for recording in done.recordings] == [room]

    def test_a_wrong_address_is_no_meeting_that_nobody_records(
        self, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        credentials: dict[str, Any] = emulator.credentials
        with (
            rec.connect("realtimekit", base_url=f"{emulator.base_url}/v9", **credentials) as kit,
            pytest.raises(rec.NotFound, match="Could not route"),
        ):
            kit.active(room)


class TestPauseResumeStop:
    @pytest.mark.parametrize("status", [409, 400, 404, 422, 200])
    def test_what_holds_already_is_success_however_the_vendor_refuses_it(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
        status: int,
    ) -> None:
        emulator.conflict_status = status
        session = kit.start(room)
        clock.advance(STARTED)
        for verb, wanted in (
            (kit.pause, rec.RecordingStatus.PAUSED),
            (kit.resume, rec.RecordingStatus.RECORDING),
            (kit.stop, rec.RecordingStatus.PROCESSING),
        ):
            once = verb(session)
            assert once.status is wanted
            clock.advance(SECOND)
            session = verb(once)
            assert session == once
            assert sent(emulator)[-2:] == [f"PUT /{session.id}", f"GET /{session.id}"]
            clock.advance(SECOND)
        assert [str(pause.end and pause.end - pause.start) for pause in session.pauses] == [
            "0:00:02"
        ]

    @pytest.mark.parametrize("status", [409, 400, 404, 200])
    def test_what_is_really_refused_is_an_error(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
        status: int,
    ) -> None:
        emulator.conflict_status = status
        session = kit.start(room)
        with pytest.raises(rec.ProviderError, match="Cannot pause a recording that is INVOKED"):
            kit.pause(session)
        clock.advance(STARTED)
        stopped = kit.stop(session)
        for verb in (kit.pause, kit.resume):
            with pytest.raises(rec.ProviderError, match="that is UPLOADING"):
                verb(stopped)

    def test_a_refused_stop_of_what_may_still_record_is_an_error(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
    ) -> None:
        session = kit.start(room)
        emulator.faults.append(Reply.json({"success": False, "error": {"code": 409}}, 409))
        emulator.alter = lambda request, payload: {
            **payload,
            "data": {**payload["data"], "status": "WINDING_DOWN"},
        }
        with pytest.raises(rec.Conflict):
            kit.stop(session)

    def test_an_answer_that_was_lost_costs_nothing(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        session = kit.start(room)
        clock.advance(STARTED)
        answer, lost = emulator.answer, list[bool]()

        def losing(request: Request) -> Reply:
            reply = answer(request)
            return Reply(abort=True) if request.method == "PUT" and lost and lost.pop() else reply

        emulator.answer = losing  # type: ignore[method-assign]
        for verb, wanted in (
            (kit.pause, rec.RecordingStatus.PAUSED),
            (kit.resume, rec.RecordingStatus.RECORDING),
            (kit.stop, rec.RecordingStatus.PROCESSING),
        ):
            lost.append(True)
            session = verb(session)
            assert session.status is wanted

    def test_an_answer_without_data_is_looked_up(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        session = kit.start(room)
        clock.advance(STARTED)
        emulator.alter = lambda request, payload: (
            {"success": True} if request.method == "PUT" else payload
        )
        assert kit.pause(session).status is rec.RecordingStatus.PAUSED
        assert kit.stop(session).status is rec.RecordingStatus.PROCESSING

    def test_an_answer_that_forgets_the_start_does_not_make_us_forget_it(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        kit.start(room)
        clock.advance(STARTED)
        running = kit.active(room)
        assert running is not None
        emulator.alter = lambda request, payload: {
            **payload,
            "data": {**payload["data"], "started_time": None},
        }
        assert running.started_at is not None
        assert kit.stop(running).started_at == running.started_at

    def test_a_session_without_an_id_means_what_runs_now(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        unnamed = rec.RecordingSession("realtimekit", "default", None, room)
        with pytest.raises(rec.NotFound, match="realtimekit pause: nothing is recorded"):
            kit.pause(unnamed)
        assert kit.stop(unnamed).status is rec.RecordingStatus.PROCESSING
        started = kit.start(room)
        clock.advance(STARTED)
        assert kit.pause(unnamed).id == started.id
        stopped = kit.stop(unnamed)
        assert (stopped.id, stopped.status) == (started.id, rec.RecordingStatus.PROCESSING)
        assert kit.active(room) is None

    def test_leaving_the_block_stops_it(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        with kit.record(room) as recorder:
            clock.advance(MINUTE)
            recorder.pause()
            clock.advance(MINUTE)
        assert kit.active(room) is None
        done = kit.wait(recorder.session, timeout=MINUTE)
        assert done.status is rec.RecordingStatus.AVAILABLE
        (pause,) = done.pauses
        assert pause.end is not None
        assert pause.end - pause.start == MINUTE

    def test_a_recording_of_three_seconds_fails_and_wait_says_so(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        clock: ManualClock,
    ) -> None:
        session = kit.start(room)
        clock.advance(5 * SECOND)
        done = kit.wait(kit.stop(session), timeout=MINUTE)
        assert done.status is rec.RecordingStatus.FAILED
        assert done.recordings[0].error == "API_CALL"


class TestList:
    @pytest.mark.parametrize("base", [0, 1])
    @pytest.mark.parametrize("recordings", [0, 1, 24, 25, 26, 50, 99, 100, 101])
    @pytest.mark.parametrize("largest", [25, 100, 1000])
    def test_every_row_comes_once_wherever_pages_begin_and_whatever_they_hold(
        self, clock: ManualClock, base: int, recordings: int, largest: int
    ) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=recordings, page_base=base) as emulator:
            emulator.largest_page = largest
            with emulator.connect() as kit:
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert sorted(found) == sorted(emulator.listed())
            assert len(found) == recordings
            assert listing.coverage.complete
            assert listing.coverage.expected == recordings
            assert listing.coverage.duplicates == 0

    def test_rows_come_newest_first_and_are_asked_for_so(self, clock: ManualClock) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=60) as emulator:
            emulator.largest_page = 10
            with emulator.connect() as kit:
                times = [recording.created_at for recording in kit.list()]
            assert times == sorted(times, key=lambda each: str(each), reverse=True)
            for request in emulator.requests():
                assert (request.arg("sort_by"), request.arg("sort_order")) == (
                    "invokedTime",
                    "DESC",
                )

    def test_many_pages_are_fetched_at_once(
        self, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=440) as emulator:
            emulator.largest_page = 50
            with emulator.connect(http=rec.HttpSettings(workers=4)) as kit:
                get, together = kit.transport.get, threading.Barrier(4)
                asked: set[int] = {1}

                def meeting(path: str, **more: Any) -> Any:
                    number = more["params"]["page_no"]
                    if number not in asked:
                        asked.add(number)
                        together.wait(timeout=10)  # four are on their way, or this breaks
                    return get(path, **more)

                monkeypatch.setattr(kit.transport, "get", meeting)
                found = [recording.id for recording in kit.list()]
            assert sorted(found) == sorted(emulator.listed())
            assert len(emulator.requests()) == 9 + 2  # the first and the last, once more

    def test_a_full_last_page_is_followed_by_one_that_should_be_empty(
        self, clock: ManualClock
    ) -> None:
        with (
            RealtimeKitEmulator(clock=clock, recordings=200) as emulator,
            emulator.connect() as kit,
        ):
            assert len(list(kit.list())) == 200
            asked = [request.arg("page_no") for request in emulator.requests()]
            # Pages that are asked for at once arrive in any order.
            assert (asked[0], sorted(map(str, asked))) == ("1", ["1", "1", "2", "2", "3"])

    def test_a_total_that_ends_with_a_full_page_hides_nothing(self, clock: ManualClock) -> None:
        with (
            RealtimeKitEmulator(clock=clock, recordings=250) as emulator,
            emulator.connect() as kit,
        ):

            def modest(request: Request, payload: Any) -> Any:
                return {**payload, "paging": {**payload["paging"], "total_count": 100}}

            emulator.alter = modest
            assert len(list(kit.list())) == 250

    @pytest.mark.parametrize("base", [0, 1])
    def test_since_ends_the_sweep_at_the_first_row_before_it(
        self, clock: ManualClock, base: int
    ) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=450, page_base=base) as emulator:
            emulator.largest_page = 50
            with emulator.connect(http=ONE_BY_ONE) as kit:
                everything = list(kit.list())
                whole = len(emulator.requests())
                since = everything[70].created_at
                listing = kit.list(since=since)
                assert [each.id for each in listing] == [each.id for each in everything[:71]]
                assert listing.coverage.complete
            asked = len(emulator.requests()) - whole
            # Two pages, the one before the first where pages count from 0, one fetched ahead, and
            # the first and the last once more.
            assert asked <= 7, f"{asked} requests, of {whole} for all"

    def test_since_and_until_are_exact_at_the_millisecond(
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
    def test_rows_that_arrive_while_paging_lose_and_double_none(
        self, clock: ManualClock, base: int, workers: int
    ) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=95, page_base=base) as emulator:
            emulator.largest_page = 10
            before = set(emulator.listed())
            count = iter(range(1000))

            def arriving(request: Request, payload: Any) -> Any:
                for _ in range(3 if next(count) in (0, 2, 5) else 0):
                    emulator.add(ago=timedelta(0), duration=None)
                return payload

            emulator.alter = arriving
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as kit:
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "some came twice"
            assert before <= set(found), f"{len(before - set(found))} were lost"
            assert listing.coverage.complete

    def test_rows_that_vanish_while_paging_cost_no_other(self, clock: ManualClock) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=95) as emulator:
            emulator.largest_page = 10
            newest_first = emulator.listed()
            with emulator.connect(http=ONE_BY_ONE) as kit:
                newest_first = [recording.id for recording in kit.list()]
                gone, count = newest_first[2:7], iter(range(1000))

                def vanishing(request: Request, payload: Any) -> Any:
                    if next(count) == 1:
                        for id in gone:
                            emulator.remove(id)
                    return payload

                emulator.alter = vanishing
                listing = kit.list()
                found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "some came twice"
            assert set(newest_first) - set(gone) <= set(found), "some were lost"
            assert listing.coverage.complete

    def test_a_meeting_is_asked_for_by_its_id(self, clock: ManualClock) -> None:
        with RealtimeKitEmulator(clock=clock, recordings=45) as emulator, emulator.connect() as kit:
            room = emulator.sessions[0]
            found = list(kit.list(target=room))
            assert emulator.requests()[0].arg("meeting_id") == room.id
            assert len(found) == 15
            assert {recording.target for recording in found} == {room}
            assert {recording.title for recording in found} == {"Weekly sync"}

    def test_a_list_that_does_not_say_how_many_there_are_is_refused(
        self, clock: ManualClock
    ) -> None:
        """An API without a count and without a next link could hide any number of rows."""
        with RealtimeKitEmulator(clock=clock, recordings=45) as emulator, emulator.connect() as kit:
            emulator.alter = lambda request, payload: {**payload, "paging": {}}
            listing = kit.list()
            with pytest.raises(rec.MalformedPayload, match="realtimekit list"):
                list(listing)
            assert not listing.coverage.complete


class TestMedia:
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
        assert participants == ["alice", "bob_2", "6b1f6f0e-carol", "alice"]

    def test_some_files_may_be_chosen(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add(body={"audio_config": {"codec": "MP3"}}).id
        (copy,) = kit.download(id, tmp_path, files=rec.FileRole.AUDIO)
        assert copy.path.suffix == ".mp3"

    def test_no_authorization_reaches_the_media(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        bodies: tuple[dict[str, Any], ...] = ({}, {"audio_config": {}})
        for body in bodies:
            kit.download(emulator.add(body=body).id, tmp_path)
        requests = emulator.requests("media")
        assert len(requests) == 3
        token = emulator.credentials["api_token"]
        for request in requests:
            assert request.method == "GET", "a URL that is signed for GET is good for nothing else"
            assert request.header("authorization") is None
            assert token not in f"{request.headers} {request.query}"

    def test_what_expired_is_not_found_and_says_why(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        clock: ManualClock,
        tmp_path: Path,
    ) -> None:
        id = emulator.add(ago=6 * DAY).id
        listed = kit.get(id)
        assert listed.status is rec.RecordingStatus.AVAILABLE
        assert listed.media_expires_at is not None
        clock.advance(listed.media_expires_at - clock.now())
        for given in (id, listed):
            with pytest.raises(rec.NotFound, match="expired: there is no media"):
                kit.download(given, tmp_path)
        assert emulator.requests("media") == []
        assert [each.status for each in kit.list()] == [rec.RecordingStatus.EXPIRED]
        assert kit.get(id).provider_status == "UPLOADED"

    def test_what_went_to_a_bucket_of_ones_own_cannot_be_downloaded(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        body = {"realtimekit_bucket_config": {"enabled": False}, "storage_config": STORAGE}
        recording = kit.get(emulator.add(body=body).id)
        assert (recording.status, recording.files) == (rec.RecordingStatus.AVAILABLE, ())
        with pytest.raises(rec.UnsupportedOperation, match="storage of your own"):
            kit.download(recording, tmp_path)
        assert emulator.requests("media") == []

    def test_a_link_that_went_bad_since_it_was_listed_is_asked_for_anew(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        emulator.add()

        def spoilt(request: Request, payload: Any) -> Any:
            for row in payload["data"]:
                row["download_url"] = row["download_url"].replace("X-Amz-Signature=", "&=no")
            return payload

        emulator.alter = spoilt
        (listed,) = kit.list()
        emulator.alter = None
        (copy,) = kit.download(listed, tmp_path)
        assert [exchange.status for exchange in emulator.journal if exchange.port == "media"] == [
            403,
            200,
        ]
        assert sent(emulator)[-1] == f"GET /{listed.id}"
        assert copy.path.exists()

    def test_a_link_that_nobody_renews_is_an_error(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, tmp_path: Path
    ) -> None:
        listed = kit.get(emulator.add().id)
        emulator.media_faults.extend([Reply(403, b"<Error/>")] * 3)
        with pytest.raises(rec.AuthenticationFailed, match=r"realtimekit download: .*expired"):
            kit.download(listed, tmp_path)
        assert list(tmp_path.iterdir()) == []


class TestAnswers:
    def test_the_gateways_errors_are_read(
        self, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        credentials: dict[str, Any] = {**emulator.credentials, "api_token": "wrong-token-of-nobody"}
        with rec.connect("realtimekit", base_url=emulator.base_url, **credentials) as kit:
            for ask in (kit.start, kit.active, lambda t: list(kit.list(target=t))):
                with pytest.raises(rec.AuthenticationFailed) as caught:
                    ask(room)
                assert (caught.value.code, caught.value.status) == ("10000", 401)
                assert "Authentication error (HTTP 401, code 10000)" in str(caught.value)

    def test_realtimekits_own_errors_are_read(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        with pytest.raises(rec.NotFound) as caught:
            kit.get("00000000-0000-4000-8000-000000000000")
        assert str(caught.value) == "realtimekit get: Recording not found (HTTP 404, code 404)"
        with pytest.raises(rec.NotFound, match="Meeting not found"):
            kit.start(rec.meeting("00000000-0000-4000-8000-000000000000"))
        with pytest.raises(rec.Rejected, match='"meeting_id" is invalid'):
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
            ({"success": False, "error": {"code": "x", "message": "gone"}}, rec.Rejected),
            (
                {"success": False, "errors": [{"code": 10000, "message": "gone"}]},
                rec.AuthenticationFailed,
            ),
            ({"success": False, "errors": [{"code": 1, "message": "gone"}]}, rec.Rejected),
            ({"success": False, "message": "gone"}, rec.Rejected),
            ({"success": False, "errors": [], "data": {"id": "x"}}, rec.Rejected),
        ],
    )
    def test_a_200_that_says_it_failed_is_an_error(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
        payload: dict[str, Any],
        kind: type[rec.ProviderError],
    ) -> None:
        for ask in (lambda: kit.get("some-id"), lambda: list(kit.list())):
            emulator.faults.append(Reply.json(payload))
            with pytest.raises(kind):
                ask()

    def test_the_401_of_the_older_api_is_read(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator
    ) -> None:
        emulator.faults.append(Reply.json({"message": "Unauthorized"}, 401))
        with pytest.raises(rec.AuthenticationFailed, match="Unauthorized"):
            kit.get("some-id")

    def test_too_many_requests_are_waited_out_as_long_as_the_vendor_says(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, clock: ManualClock
    ) -> None:
        id = emulator.add().id
        began = clock.now()
        emulator.faults.extend([Reply(429, b"", {"Retry-After": "3"})] * 2)
        assert kit.get(id).id == id
        assert clock.now() - began >= 6 * SECOND
        assert len(emulator.requests()) == 3

    def test_a_start_that_was_one_too_many_is_not_repeated(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        emulator.faults.append(Reply(429, b"", {"Retry-After": "3"}))
        with pytest.raises(rec.RateLimited) as caught:
            kit.start(room)
        assert caught.value.retry_after == 3 * SECOND
        assert len(emulator.requests()) == 1

    def test_the_secrets_of_ones_own_storage_are_masked(
        self,
        kit: rec.Provider,
        emulator: RealtimeKitEmulator,
        room: rec.CommunicationSession,
    ) -> None:
        body = {"realtimekit_bucket_config": {"enabled": False}, "storage_config": STORAGE}
        id = emulator.add(body=body).id
        session = kit.start(room, extra=body)
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
            with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="RealtimeKit"):
                kit.delete(given)

    def test_only_a_list_names_the_meeting_and_a_target_that_is_given_is_kept(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, room: rec.CommunicationSession
    ) -> None:
        id = emulator.add().id
        assert kit.get(id).target is None
        assert kit.get(id, target=room).target == room
        (listed,) = kit.list()
        assert listed.target == room
        assert kit.get(listed).target == room

    def test_times_in_both_of_the_vendors_notations_and_sizes_in_quotes_are_read(
        self, kit: rec.Provider, emulator: RealtimeKitEmulator, clock: ManualClock
    ) -> None:
        made = emulator.add(ago=DAY, size_as_text=True, spaced_times=True, zero_duration=True)
        recording = kit.get(made.id)
        assert recording.ended_at == clock.now() - DAY
        assert recording.duration == MINUTE, "0 is no duration where start and end are told"
        assert recording.size == made.size
        assert recording.created_at == made.invoked_at
        assert isinstance(recording.created_at, datetime)
        assert recording.created_at.tzinfo is UTC
