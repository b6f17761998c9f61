"""What is Plivo sent, and what is made of its answers? Asked of the emulator, over HTTP.

What the library promises of every provider is in the conformance suite; here is what is Plivo's.
"""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import urllib3

import recording_core as rec
from recording_core.testing import ManualClock, Reply, Request
from recording_plivo.emulated_listing import Paging
from recording_plivo.emulator import PlivoEmulator

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
#: from the end of a recording until its row is there
SETTLED = timedelta(seconds=8)
HOOK = "https://example.com/hook"

KINDS = pytest.mark.parametrize("kind", list(rec.SessionKind))
PAGINGS = pytest.mark.parametrize("paging", get_args(Paging))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[PlivoEmulator]:
    with PlivoEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def plivo(emulator: PlivoEmulator) -> Iterator[rec.Provider]:
    with emulator.connect() as provider:
        yield provider


def live(emulator: PlivoEmulator, kind: rec.SessionKind | str) -> rec.CommunicationSession:
    """The live call, conference or multiparty call."""
    return next(target for target in emulator.sessions if target.kind == kind)


def sent(emulator: PlivoEmulator) -> list[str]:
    """Each request as `POST Call/x/Record/`: its method, and its path below the account."""
    root = f"{emulator.prefix}/Account/{emulator.credentials['auth_id']}/"
    return [f"{each.method} {each.path.removeprefix(root)}" for each in emulator.requests()]


@contextmanager
def silence(emulator: PlivoEmulator) -> Iterator[None]:
    """Inside, nothing is sent."""
    before = len(emulator.journal)
    yield
    assert emulator.journal[before:] == []


class TestStart:
    def test_a_call_is_recorded_for_as_long_as_a_call_may_last(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        session = plivo.start(live(emulator, "call"))
        assert emulator.requests()[0].json() == {"time_limit": 14400}
        clock.advance(3 * MINUTE)
        plivo.stop(session)
        done = plivo.wait(session, timeout=MINUTE)
        assert done.recordings[0].duration == 3 * MINUTE, "Plivo's own default is 60 s"

    def test_a_start_is_a_session_with_its_id(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        target = live(emulator, "conference")
        session = plivo.start(target)
        assert session.id is not None
        assert session == rec.RecordingSession(
            provider="plivo",
            account="default",
            id=session.id,
            target=target,
            status=rec.RecordingStatus.RECORDING,
            started_at=clock.now(),
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
        ],
    )
    def test_keywords_are_told_in_plivos_words(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        kind: str,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        plivo.start(live(emulator, kind), **keywords)
        assert emulator.requests()[0].json() == body

    def test_extra_goes_as_it_is_and_wins(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        extra = {"transcription_type": "auto", "time_limit": 90, "x_new": [1, {"a": None}]}
        plivo.start(live(emulator, "call"), format="mp3", extra=extra)
        assert emulator.requests()[0].json() == {"file_format": "mp3", **extra}

    @pytest.mark.parametrize(
        ("kind", "keywords"),
        [
            ("call", {"participant": "1"}),
            ("call", {"tracks": True}),
            ("call", {"title": "x"}),
            ("call", {"channels": 3}),
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
    def test_what_plivo_cannot_be_told_raises_before_any_request(
        self,
        plivo: rec.Provider,
        emulator: PlivoEmulator,
        kind: str,
        keywords: dict[str, Any],
    ) -> None:
        with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="Plivo"):
            plivo.start(live(emulator, kind), **keywords)

    @pytest.mark.parametrize("name", ["Board/Q3 50%", "My Conf?x#y", "..a", "Köln & Ärger"])
    def test_a_conference_of_any_name_is_recorded(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock, name: str
    ) -> None:
        target = emulator.begin(rec.SessionKind.CONFERENCE, name)
        session = plivo.start(target)
        assert emulator.requests()[0].segments()[-3:] == ["Conference", name, "Record"]
        clock.advance(MINUTE)
        done = plivo.wait(plivo.stop(session), timeout=MINUTE)
        assert done.recordings[0].target == target
        assert [each.id for each in plivo.list(target=target, since=clock.now() - DAY)] == [done.id]

    def test_a_multiparty_call_is_known_by_its_name_and_by_its_uuid(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        target = emulator.begin(rec.SessionKind.MEETING, "Support Line 9")
        uuid = emulator.uuid(target)
        for given, path in (
            ("Support Line 9", "name_Support%20Line%209"),
            ("name_Support Line 9", "name_Support%20Line%209"),
            (uuid, f"uuid_{uuid}"),
            (f"uuid_{uuid}", f"uuid_{uuid}"),
        ):
            session = plivo.start(rec.meeting(given))
            assert sent(emulator)[-1] == f"POST MultiPartyCall/{path}/Record/"
            plivo.stop(session)
            assert sent(emulator)[-1] == f"DELETE MultiPartyCall/{path}/Record/"

    def test_an_answer_that_comes_later_leaves_a_session_without_an_id(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        target = live(emulator, "meeting")
        session = plivo.start(target, extra={"callback_url": HOOK})
        assert (session.id, session.status) == (None, rec.RecordingStatus.PENDING)
        clock.advance(MINUTE)
        done = plivo.wait(plivo.stop(session), timeout=MINUTE)
        assert [recording.target for recording in done.recordings] == [target]
        assert done.id == done.recordings[0].id == emulator.listed()[0]
        assert done.status is rec.RecordingStatus.AVAILABLE


class TestPauseResumeStop:
    def test_one_participant_is_recorded_paused_and_stopped_also_by_another_process(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        target = live(emulator, "meeting")
        member = emulator.members(target)[1]
        whole = plivo.start(target)
        session = plivo.start(target, participant=member)
        text = rec.dumps(session)
        with emulator.connect() as other:
            session = rec.loads(text, rec.RecordingSession)
            for verb in (other.pause, other.resume, other.stop):
                clock.advance(10 * SECOND)
                session = rec.loads(rec.dumps(verb(session)), rec.RecordingSession)
        path = f"MultiPartyCall/name_Weekly%20Review/Participant/{member}/Record/"
        assert sent(emulator)[1:] == [
            f"POST {path}",
            f"POST {path}Pause/",
            f"POST {path}Resume/",
            f"DELETE {path}",
        ]
        assert [pause.end - pause.start for pause in session.pauses if pause.end] == [10 * SECOND]
        done = plivo.wait(session, timeout=MINUTE)
        assert done.recordings[0].duration == 20 * SECOND
        assert emulator.listed() == [session.id], "that of the whole goes on"
        plivo.stop(whole)
        assert sent(emulator)[-1] == "DELETE MultiPartyCall/name_Weekly%20Review/Record/"

    def test_a_stop_ends_its_own_recording_of_a_call_and_no_other(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        target = live(emulator, "call")
        first, second = plivo.start(target), plivo.start(target, format="wav")
        clock.advance(MINUTE)
        plivo.stop(rec.loads(rec.dumps(first), rec.RecordingSession))
        clock.advance(SETTLED)
        assert emulator.listed() == [first.id]
        plivo.stop(second)
        clock.advance(SETTLED)
        assert sorted(emulator.listed()) == sorted([str(first.id), str(second.id)])
        durations = {each.id: each.duration for each in plivo.list(since=clock.now() - DAY)}
        assert durations == {first.id: MINUTE, second.id: MINUTE + SETTLED}

    @KINDS
    def test_a_stop_after_it_ended_by_itself_is_success(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock, kind: str
    ) -> None:
        session = plivo.start(live(emulator, kind))
        clock.advance(MINUTE)
        emulator.hang_up(session.target)
        for _ in range(2):
            session = plivo.stop(session)
            assert session.status is rec.RecordingStatus.PROCESSING
        done = plivo.wait(session, timeout=MINUTE)
        assert done.recordings[0].duration == MINUTE
        assert plivo.stop(done).status is rec.RecordingStatus.AVAILABLE, "no step back"

    @KINDS
    def test_a_stop_may_be_repeated(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock, kind: str
    ) -> None:
        session = plivo.start(live(emulator, kind))
        clock.advance(MINUTE)
        stopped = plivo.stop(session)
        clock.advance(MINUTE)
        assert plivo.stop(stopped) == stopped

    @pytest.mark.parametrize("status", [400, 409])
    def test_a_refused_pause_of_what_is_paused_is_success(
        self, plivo: rec.Provider, emulator: PlivoEmulator, status: int
    ) -> None:
        refusal = Reply.json({"api_id": "a-1", "error": "already so"}, status)
        session = plivo.start(live(emulator, "meeting"))
        paused = plivo.pause(session)
        emulator.faults.append(refusal)
        assert plivo.pause(paused) == paused
        resumed = plivo.resume(paused)
        emulator.faults.append(refusal)
        assert plivo.resume(resumed) == resumed

    @pytest.mark.parametrize("status", [400, 409])
    def test_a_refused_pause_of_what_is_not_paused_is_an_error(
        self, plivo: rec.Provider, emulator: PlivoEmulator, status: int
    ) -> None:
        session = plivo.start(live(emulator, "meeting"))
        emulator.faults.append(Reply.json({"api_id": "a-1", "error": "not now"}, status))
        with pytest.raises((rec.Rejected, rec.Conflict), match="plivo pause: not now"):
            plivo.pause(session)

    def test_what_plivo_cannot_pause_raises_before_any_request(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        for kind in ("call", "conference"):
            session = plivo.start(live(emulator, kind))
            for verb in (plivo.pause, plivo.resume):
                with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="meeting"):
                    verb(session)

    def test_active_cannot_be_asked(self, plivo: rec.Provider, emulator: PlivoEmulator) -> None:
        for target in emulator.sessions:
            with silence(emulator), pytest.raises(rec.UnsupportedOperation):
                plivo.active(target)

    def test_leaving_the_block_after_the_call_ended_is_success(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        with plivo.record(live(emulator, "call")) as recorder:
            clock.advance(MINUTE)
            emulator.hang_up(recorder.session.target)
            clock.advance(MINUTE)
        assert recorder.session.status is rec.RecordingStatus.PROCESSING


class TestWait:
    def test_wait_bears_404_until_the_row_is_there(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        session = plivo.start(live(emulator, "call"))
        clock.advance(MINUTE)
        session = plivo.stop(session)
        asked = len(emulator.journal)
        done = plivo.wait(session, timeout=MINUTE)
        statuses = [exchange.status for exchange in emulator.journal[asked:]]
        assert Counter(statuses)[404] >= 3
        assert statuses[-1] == 200
        assert done.status is rec.RecordingStatus.AVAILABLE
        assert done.recordings[0].target == session.target

    def test_wait_gives_up_with_the_last_session(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        session = plivo.start(live(emulator, "call"))
        began = clock.now()
        with pytest.raises(rec.NotReady) as caught:
            plivo.wait(session, timeout=MINUTE)
        assert caught.value.session == session
        assert clock.now() - began == MINUTE


class TestList:
    def test_the_seven_days_of_a_list_without_bounds_are_no_trap(self, clock: ManualClock) -> None:
        with PlivoEmulator(recordings=45, clock=clock) as emulator, emulator.connect() as plivo:
            for since in (None, clock.now() - 91 * DAY):
                listing = plivo.list(since=since)
                found = [recording.id for recording in listing]
                assert sorted(found) == sorted(emulator.listed())
                assert len(found) == 45
                assert listing.coverage.complete
                assert listing.coverage.expected == 45

    def test_without_since_the_windows_reach_back_to_2011(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        old = emulator.add(ended=datetime(2011, 5, 4, tzinfo=UTC), shape="2013")
        assert [recording.id for recording in plivo.list()] == [old]
        windows = windows_of(emulator)
        assert windows[0][0] == datetime(2011, 1, 1, tzinfo=UTC)
        assert windows[-1][1] > clock.now()
        for one, following in itertools.pairwise(windows):
            assert one[1] == following[0], "a gap, or what is asked twice"

    def test_each_window_is_of_thirty_days_at_most_and_has_both_bounds(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        since = clock.now() - 100 * DAY
        list(plivo.list(since=since, until=clock.now()))
        windows = windows_of(emulator)
        assert len(windows) == 4
        assert all(end - start <= 30 * DAY for start, end in windows)
        assert (windows[0][0], windows[-1][1]) == (since, clock.now())
        assert {exchange.status for exchange in emulator.journal} == {200}

    def test_an_until_of_the_far_future_asks_for_no_empty_centuries(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        id = emulator.add(ended=clock.now() - DAY)
        listing = plivo.list(since=clock.now() - 2 * DAY, until=datetime.max.replace(tzinfo=UTC))
        assert [recording.id for recording in listing] == [id]
        assert listing.coverage.windows == 1

    @PAGINGS
    def test_windows_of_several_pages_are_read_whole(
        self, clock: ManualClock, paging: Paging
    ) -> None:
        with PlivoEmulator(clock=clock, paging=paging) as emulator, emulator.connect() as plivo:
            planted = [emulator.add(ended=clock.now() - index * DAY) for index in range(1, 71)]
            listing = plivo.list(since=clock.now() - 75 * DAY)
            assert [recording.id for recording in listing] == planted, "newest first"
            assert listing.coverage.complete
            assert (listing.coverage.expected, listing.coverage.duplicates) == (70, 0)
            assert {request.arg("limit") for request in emulator.requests()} == {"20"}
            assert not [r for r in emulator.requests() if r.arg("cursor") and r.arg("offset")], (
                "an offset beside a cursor leads back to the first page"
            )

    @PAGINGS
    def test_a_next_link_without_the_filters_leads_on_all_the_same(
        self, clock: ManualClock, paging: Paging
    ) -> None:
        """The only links that are published are `?limit=20&offset=20` and `?limit=20&cursor=x`."""
        with PlivoEmulator(clock=clock, paging=paging) as emulator, emulator.connect() as plivo:
            old = [emulator.add(ended=clock.now() - 60 * DAY - index * DAY) for index in range(50)]
            new = [emulator.add(ended=clock.now() - DAY - index * MINUTE) for index in range(50)]
            emulator.alter = bare_links
            found = [recording.id for recording in plivo.list(since=clock.now() - 120 * DAY)]
            assert sorted(found) == sorted(old + new)

    @PAGINGS
    @pytest.mark.parametrize("workers", [1, 8])
    def test_rows_that_vanish_between_pages_cost_no_other(
        self, clock: ManualClock, paging: Paging, workers: int
    ) -> None:
        with PlivoEmulator(clock=clock, paging=paging) as emulator:
            planted = [emulator.add(ended=clock.now() - index * MINUTE) for index in range(1, 91)]
            gone = planted[3:9] + planted[22:25]
            removals = {1: gone[:4], 2: gone[4:6], 3: gone[6:]}

            def vanish(number: int) -> None:
                for id in removals.get(number, ()):
                    emulator.remove(id)

            emulator.alter = after_answers(vanish)
            with emulator.connect(http=rec.HttpSettings(workers=workers)) as plivo:
                listing = plivo.list(since=clock.now() - DAY)
                found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "some came twice"
            assert set(planted) - set(gone) <= set(found), "some were lost"
            assert listing.coverage.complete

    @PAGINGS
    def test_rows_that_arrive_between_pages_double_none(
        self, clock: ManualClock, paging: Paging
    ) -> None:
        with PlivoEmulator(clock=clock, paging=paging) as emulator, emulator.connect() as plivo:
            planted = [emulator.add(ended=clock.now() - index * MINUTE) for index in range(1, 91)]

            def arrive(number: int) -> None:
                for _ in range(3 if number <= 3 else 0):
                    emulator.add(ended=clock.now() - SETTLED, added_after=SECOND)

            emulator.alter = after_answers(arrive)
            listing = plivo.list(since=clock.now() - DAY)
            found = [recording.id for recording in listing]
            assert len(found) == len(set(found)), "some came twice"
            assert set(planted) <= set(found), "some were lost"
            assert listing.coverage.complete

    def test_since_and_until_are_exact_at_the_microsecond(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        tick = timedelta(microseconds=1)
        ended = clock.now() - DAY
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

    def test_times_are_asked_in_utc_whatever_their_offset(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        since = datetime.fromisoformat("2026-05-20T01:30:00.000001+05:30")
        list(plivo.list(since=since, until=since + DAY))
        request = emulator.requests()[0]
        assert request.arg("add_time__gte") == "2026-05-19 20:00:00.000001"
        assert request.arg("add_time__lt") == "2026-05-20 20:00:00.000001"

    def test_a_target_is_asked_for_in_plivos_words(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        meeting = live(emulator, "meeting")
        uuid = emulator.uuid(meeting)
        for target, filter in (
            (live(emulator, "call"), ("call_uuid", live(emulator, "call").id)),
            (rec.conference("Daily Standup #1"), ("conference_name", "Daily Standup #1")),
            (meeting, ("mpc_name", "Weekly Review")),
            (rec.meeting("Weekly Review"), ("mpc_name", "Weekly Review")),
            (rec.meeting(uuid), ("mpc_uuid", uuid)),
        ):
            session = plivo.start(target)
            emulator.add(ended=clock.now() - DAY)
            clock.advance(MINUTE)
            done = plivo.wait(plivo.stop(session), timeout=MINUTE)
            before = len(emulator.journal)
            found = list(plivo.list(since=clock.now() - 2 * DAY, target=target))
            assert filter in emulator.journal[before].request.query
            assert done.id in [recording.id for recording in found]
            assert {recording.target for recording in found} == {target}
            assert {recording.kind for recording in found} == {target.kind}

    @pytest.mark.parametrize("foreign", ["absolute", "relative to the scheme", "with user info"])
    def test_a_next_link_that_leads_away_is_not_followed(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock, foreign: str
    ) -> None:
        host = urlsplit(emulator.media_origin).netloc
        link = {
            "absolute": f"http://{host}/v1/Recording/?offset=20",
            "relative to the scheme": f"//{host}/v1/Recording/?offset=20",
            "with user info": f"{emulator.origin}@{host}/v1/Recording/?offset=20",
        }[foreign]
        planted = [emulator.add(ended=clock.now() - index * MINUTE) for index in range(1, 30)]
        emulator.alter = lambda request, payload: {
            **payload,
            "meta": {**payload["meta"], "next": link},
        }
        listing = plivo.list(since=clock.now() - DAY)
        found: list[str] = []
        with pytest.raises(rec.PaginationError, match="plivo list"):
            found.extend(recording.id for recording in listing)
        assert set(found) <= set(planted)
        assert not listing.coverage.complete
        assert emulator.requests("media") == []
        assert len(emulator.requests()) == 1

    def test_a_cursor_that_repeats_ends_the_listing_with_an_error(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        for index in range(1, 70):
            emulator.add(ended=clock.now() - index * MINUTE)
        emulator.alter = lambda request, payload: {
            **payload,
            "meta": {**payload["meta"], "next": "/v1/x/?limit=20&offset=20"},
        }
        listing = plivo.list(since=clock.now() - DAY)
        with pytest.raises(rec.PaginationError):
            list(listing)
        assert not listing.coverage.complete
        assert len(emulator.requests()) < 6


class TestMedia:
    def test_what_is_recorded_is_downloaded(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock, tmp_path: Path
    ) -> None:
        for format, start in (("mp3", b"\xff\xf3"), ("wav", b"RIFF")):
            id = emulator.add(ended=clock.now() - DAY, format=format)
            (copy,) = plivo.download(id, tmp_path)
            assert copy.path.suffix == f".{format}"
            assert copy.path.read_bytes().startswith(start)
            assert "framing" in copy.checks

    def test_no_credential_reaches_a_media_host_that_is_not_in_the_table(
        self, clock: ManualClock, tmp_path: Path
    ) -> None:
        with (
            PlivoEmulator(clock=clock, media_auth=True) as emulator,
            emulator.connect() as plivo,
        ):
            id = emulator.add(ended=clock.now() - DAY)
            with pytest.raises(rec.AuthenticationFailed, match=r"plivo download: .*HTTP 401"):
                plivo.download(id, tmp_path)
            assert emulator.requests("media"), "it was not asked at all"
            assert not [r for r in emulator.requests("media") if r.header("authorization")]
            assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize(
        ("url", "asked"),
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
        self, monkeypatch: pytest.MonkeyPatch, url: str, asked: list[str]
    ) -> None:
        with connected(monkeypatch) as (plivo, answers):
            answers.extend([401, 401])
            with pytest.raises((rec.AuthenticationFailed, rec.ForbiddenHost)):
                fetch(plivo, url)
            assert [signed for _, signed in answers.asked] == asked
            assert all(asked_url.startswith("https://") for asked_url, _ in answers.asked)

    def test_credentials_never_follow_a_redirect(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with connected(monkeypatch) as (plivo, answers):
            answers.extend([302, 401])
            answers.location = "https://aps1.media.plivo.com/v1/a.mp3"
            with pytest.raises(rec.AuthenticationFailed):
                fetch(plivo, "https://media.plivo.com/v1/a.mp3")
            assert [signed for _, signed in answers.asked] == ["-", "-"]

    def test_a_plain_http_link_of_the_first_years_is_fetched_by_https(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with connected(monkeypatch) as (plivo, answers):
            answers.append(200)
            assert fetch(plivo, "http://s3.amazonaws.com/recordings_2013/a.mp3") == b"media"
            assert answers.asked == [("https://s3.amazonaws.com/recordings_2013/a.mp3", "-")]


class TestGetAndDelete:
    def test_a_deleted_recording_is_not_found(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        id, other = (emulator.add(ended=clock.now() - DAY) for _ in range(2))
        recording = plivo.get(id)
        plivo.delete(recording)
        for ask in (plivo.get, plivo.delete):
            with pytest.raises(rec.NotFound):
                ask(id)
        assert emulator.listed() == [other]

    def test_a_delete_whose_answer_was_lost_is_done(
        self, plivo: rec.Provider, emulator: PlivoEmulator, clock: ManualClock
    ) -> None:
        id = emulator.add(ended=clock.now() - DAY)
        answer = emulator.answer

        def lost(request: Request) -> Reply:
            reply = answer(request)
            return Reply(abort=True) if reply.status == 204 else reply

        emulator.answer = lost  # type: ignore[method-assign]
        plivo.delete(id)
        assert emulator.listed() == []

    def test_an_id_with_a_slash_is_one_part_of_the_path(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        with pytest.raises(rec.NotFound):
            plivo.get("../Call/x?y")
        assert emulator.requests()[0].segments()[-2:] == ["Recording", "../Call/x?y"]

    def test_an_error_names_provider_operation_status_and_api_id(
        self, plivo: rec.Provider, emulator: PlivoEmulator
    ) -> None:
        emulator.faults.append(Reply.json({"api_id": "97ceeb52", "error": "not found"}, 404))
        with pytest.raises(rec.NotFound) as caught:
            plivo.get("some-id")
        error = caught.value
        assert str(error) == "plivo get: not found (HTTP 404, request 97ceeb52)"
        assert (error.status, error.request_id) == (404, "97ceeb52")

    def test_a_401_in_text_is_an_error_of_the_credentials(
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
    def test_plivos_words_are_found_in_whatever_shape(
        self, plivo: rec.Provider, emulator: PlivoEmulator, error: object
    ) -> None:
        emulator.faults.append(Reply.json({"api_id": "a-1", "error": error}, 400))
        with pytest.raises(rec.Rejected, match="plivo start: bad"):
            plivo.start(live(emulator, "call"))


# -- what the tests are told by -------------------------------------------------------------------


def windows_of(emulator: PlivoEmulator) -> list[tuple[datetime, datetime]]:
    """The bounds of each list that was asked for, oldest first."""
    bounds = []
    for request in emulator.requests():
        since, until = request.arg("add_time__gte"), request.arg("add_time__lt")
        assert since is not None, "a bound is missing"
        assert until is not None, "a bound is missing"
        moments = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (since, until))
        bounds.append((next(moments), next(moments)))
    return sorted(bounds)


def bare_links(request: Request, payload: Any) -> Any:
    """For `Emulator.alter`: links that say where to go on, and not of what."""
    link = payload["meta"]["next"]
    if link is not None:
        query = parse_qs(urlsplit(link).query)
        kept = [
            f"{name}={query[name][0]}" for name in ("limit", "offset", "cursor") if name in query
        ]
        payload["meta"]["next"] = f"{urlsplit(link).path}?{'&'.join(kept)}"
    return payload


def after_answers(happens: Callable[[int], object]) -> Callable[[Request, Any], Any]:
    """For `Emulator.alter`: something happens at the vendor after the first answer, and so on."""
    count = iter(range(1, 10_000))

    def alter(request: Request, payload: Any) -> Any:
        happens(next(count))
        return payload

    return alter


class Answers(list[int]):
    """The statuses that hosts of the internet answer; `asked` is each URL, signed or not."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.location = ""

    def send(self, session: object, method: str, url: str, *_: object, **more: Any) -> Any:
        prepared = requests.Request(method, url, auth=more["auth"]).prepare()
        self.asked.append((url, "signed" if "Authorization" in prepared.headers else "-"))
        response = requests.Response()
        response.status_code = self.pop(0)
        response.headers["Location"] = self.location
        response.raw = urllib3.HTTPResponse(io.BytesIO(b"media"), preload_content=False)
        return response


@contextmanager
def connected(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[rec.Provider, Answers]]:
    """A connection to the real Plivo, from which nothing leaves this machine."""
    monkeypatch.delenv("PLIVO_BASE_URL", raising=False)
    answers = Answers()
    with rec.connect("plivo", auth_id="MA" + "X" * 18, auth_token="t" * 40) as plivo:
        monkeypatch.setattr(plivo.transport, "send", answers.send)
        yield plivo, answers


def fetch(provider: rec.Provider, url: str) -> bytes:
    with provider.media.fetch(url, {}) as response:
        return b"".join(response.chunks(65536))
