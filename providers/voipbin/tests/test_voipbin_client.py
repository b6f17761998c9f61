"""What is VoIPBin sent, and what is made of its answers? Asked of the emulator, over HTTP.

What the library promises of every provider is in the conformance suite; here is what is VoIPBin's.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.testing import ManualClock, Reply, Request
from recording_voipbin import mapping, storage
from recording_voipbin.client import VoIPBin
from recording_voipbin.emulator import VoIPBinEmulator
from recording_voipbin.storage import Place, Storage, following

CALL, CONFERENCE = rec.SessionKind.CALL, rec.SessionKind.CONFERENCE
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ONE_BY_ONE = rec.HttpSettings(workers=1, retries=0)
STATUS = rec.RecordingStatus
KINDS = pytest.mark.parametrize("kind", [CALL, CONFERENCE])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> Iterator[VoIPBinEmulator]:
    with VoIPBinEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def voipbin(emulator: VoIPBinEmulator) -> Iterator[rec.Provider]:
    with emulator.connect() as provider:
        yield provider


def live(emulator: VoIPBinEmulator, kind: rec.SessionKind) -> rec.CommunicationSession:
    return next(each for each in emulator.sessions if each.kind is kind)


def sent(emulator: VoIPBinEmulator) -> list[str]:
    """Each request as `POST calls/*/recording_stop`: the ids are left out."""
    return [
        f"{each.method} " + "/".join("*" if "-" in part else part for part in each.segments()[1:])
        for each in emulator.requests()
    ]


def asked(emulator: VoIPBinEmulator, path: str) -> list[str | None]:
    """The page tokens with which a list was asked for."""
    return [each.arg("page_token") for each in emulator.requests() if each.path.endswith(path)]


@contextmanager
def silence(emulator: VoIPBinEmulator) -> Iterator[None]:
    """Inside, nothing is sent."""
    before = len(emulator.journal)
    yield
    assert emulator.journal[before:] == []


class TestCredentials:
    def test_a_token_is_a_bearer_and_never_in_a_url(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        list(voipbin.list())
        for request in emulator.requests():
            assert request.header("authorization") == f"Bearer {emulator.token}"
            assert {name for name, _ in request.query} <= {"page_size", "page_token"}

    def test_an_access_key_is_in_the_query_and_in_no_header(
        self, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add()
        emulator.credentials = {"accesskey": emulator.accesskey}
        with emulator.connect() as voipbin:
            session = voipbin.start(live(emulator, CALL), format="wav")
            voipbin.stop(session)
            assert len(list(voipbin.list(since=emulator.clock.now() - DAY))) == 2
            assert len(voipbin.download(id, tmp_path)) == 2
        for request in emulator.requests():
            assert request.arg("accesskey") == emulator.accesskey
            assert request.header("authorization") is None
        for request in emulator.requests("media"):
            assert emulator.accesskey not in f"{request.query} {dict(request.headers)}"

    @pytest.mark.parametrize(
        ("given", "word"),
        [({}, "neither is"), ({"token": "a.b.c", "accesskey": "vb_key"}, "both are")],
    )
    def test_exactly_one_of_the_two_connects(
        self, given: dict[str, Any], word: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("VOIPBIN_TOKEN", "VOIPBIN_ACCESSKEY"):
            monkeypatch.delenv(name, raising=False)
        with pytest.raises(rec.ConfigurationError, match=word) as caught:
            rec.connect("voipbin", **given)
        assert "vb_key" not in str(caught.value)

    def test_each_comes_from_the_environment_too(
        self, emulator: VoIPBinEmulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VOIPBIN_BASE_URL", emulator.base_url)
        for name in ("TOKEN", "ACCESSKEY"):
            with monkeypatch.context() as only:
                only.setenv(f"VOIPBIN_{name}", getattr(emulator, name.lower()))
                with rec.connect("voipbin") as voipbin:
                    assert list(voipbin.list()) == []

    def test_no_error_log_or_repr_shows_an_access_key(
        self, emulator: VoIPBinEmulator, caplog: pytest.LogCaptureFixture, tmp_path: Path
    ) -> None:
        caplog.set_level(logging.DEBUG)
        key = emulator.accesskey
        emulator.credentials = {"accesskey": key}
        id = emulator.add()
        shown: list[str] = []
        with emulator.connect(http=ONE_BY_ONE) as voipbin:
            shown += [repr(voipbin), repr(voipbin.transport.auth)]
            for fault in (
                Reply(401, f"bad key {key}".encode()),
                Reply.json({"error": {"reason": key, "message": f"?accesskey={key}"}}, 400),
                Reply(302, headers={"Location": f"/elsewhere?accesskey={key}"}),
                Reply(302, headers={"Location": f"http://localhost:1/?accesskey={key}"}),
                Reply(abort=True),
                Reply(200, f'{{"id": "{key}'.encode()),
            ):
                for ask in (
                    lambda: list(voipbin.list()),
                    lambda: voipbin.get(id),
                    lambda: voipbin.start(live(emulator, CALL)),
                    lambda: voipbin.download(id, tmp_path),
                ):
                    emulator.faults.append(fault)
                    try:
                        ask()
                    except rec.RecordingError as error:
                        shown += [repr(vars(error)), *traceback.format_exception(error)]
                    emulator.faults.clear()
        shown += [f"{record.getMessage()}" for record in caplog.records]
        assert any("recordings" in each for each in shown), "something was logged"
        assert not [each for each in shown if key in each]


class TestStart:
    @KINDS
    def test_it_asks_for_the_longest_and_the_only_format(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, kind: rec.SessionKind
    ) -> None:
        target = live(emulator, kind)
        session = voipbin.start(target)
        assert sent(emulator) == [f"POST {kind}s/*/recording_start"]
        assert emulator.requests()[0].json() == {"format": "wav", "duration": 86400}
        assert emulator.listed() == [session.id], "the answer's recording_id, and not its id"
        assert (session.target, session.status) == (target, STATUS.PENDING)

    @KINDS
    @pytest.mark.parametrize(
        ("keywords", "body"),
        [
            ({"max_duration": HOUR}, {"duration": 3600}),
            ({"max_duration": timedelta(milliseconds=1)}, {"duration": 1}),
            ({"format": "WAV"}, {}),
            ({"extra": {"duration": 0}}, {"duration": 0}),
            (
                {"extra": {"end_of_silence": 5, "end_of_key": "#", "on_end_flow_id": mapping.NIL}},
                {"end_of_silence": 5, "end_of_key": "#", "on_end_flow_id": mapping.NIL},
            ),
        ],
    )
    def test_keywords_and_extra_are_told_in_the_vendors_words(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        kind: rec.SessionKind,
        keywords: dict[str, Any],
        body: dict[str, Any],
    ) -> None:
        voipbin.start(live(emulator, kind), **keywords)
        assert emulator.requests()[0].json() == {"format": "wav", "duration": 86400, **body}

    @pytest.mark.parametrize(
        "keywords",
        [
            {"format": "mp3"},
            {"channels": 1},
            {"participant": "x"},
            {"tracks": True},
            {"title": "x"},
            {"callback_url": "https://example.com/hook"},
        ],
    )
    def test_what_the_vendor_cannot_be_told_raises_before_any_request(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, keywords: dict[str, Any]
    ) -> None:
        for target in emulator.sessions:
            with silence(emulator), pytest.raises(rec.UnsupportedOperation, match="VoIPBin"):
                voipbin.start(target, **keywords)

    def test_a_second_start_of_a_call_is_a_doubt_that_says_what_may_be(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = live(emulator, CALL)
        first = voipbin.start(target)
        with pytest.raises(rec.OutcomeUnknown, match="One may be running already") as caught:
            voipbin.start(target, max_duration=HOUR)
        assert sent(emulator) == ["POST calls/*/recording_start"] * 2, "sent once"
        error = caught.value
        assert (error.target, error.status, error.code) == (target, 500, "INTERNAL")
        assert (error.request_id or "").startswith("req_")
        assert error.parameters == {"max_duration": "1:00:00"}
        running = voipbin.active(target)
        assert running is not None, "what the text tells to ask"
        assert running.id == first.id

    def test_another_5xx_is_a_doubt_without_that_guess(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        emulator.faults.append(Reply(503))
        with pytest.raises(rec.OutcomeUnknown) as caught:
            voipbin.start(live(emulator, CALL))
        assert "active()" not in str(caught.value)

    def test_a_second_start_of_a_conference_is_a_conflict(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = live(emulator, CONFERENCE)
        voipbin.start(target)
        with pytest.raises(rec.Conflict, match="recorded already"):
            voipbin.start(target)
        assert sent(emulator) == ["POST conferences/*/recording_start"] * 2, "sent once"

    @pytest.mark.parametrize("name", ["id", "recording_id"])
    def test_either_nil_id_is_a_conflict(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, name: str
    ) -> None:
        emulator.alter = lambda request, payload: {**payload, name: mapping.NIL}
        with pytest.raises(rec.Conflict):
            voipbin.start(live(emulator, CALL))

    def test_an_answer_that_names_no_recording_is_a_doubt(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        emulator.alter = lambda request, payload: {"id": payload["id"]}
        with pytest.raises(rec.OutcomeUnknown):
            voipbin.start(live(emulator, CALL))


class TestStop:
    @KINDS
    def test_what_runs_is_stopped_and_the_next_start_works(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = live(emulator, kind)
        session = voipbin.start(target)
        clock.advance(MINUTE)
        stopped = voipbin.stop(session)
        assert (stopped.status, stopped.id) == (STATUS.STOPPING, session.id)
        assert sent(emulator)[-1] == f"POST {kind}s/*/recording_stop"
        assert voipbin.stop(stopped) == stopped, "an all-zero object, or 400: nothing records"
        assert voipbin.start(target).id != session.id

    @KINDS
    def test_what_a_hang_up_ended_is_success(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = live(emulator, kind)
        session = voipbin.start(target)
        clock.advance(MINUTE)
        emulator.hang_up(target)
        clock.advance(SECOND)
        stopped = voipbin.stop(session)
        refused = emulator.journal[-2]
        assert refused.request.path.endswith("/recording_stop")
        assert refused.status == (500 if kind is CALL else 400), "the vendor's way to say so"
        assert stopped.status is STATUS.PROCESSING
        done = voipbin.wait(stopped, timeout=MINUTE)
        assert done.status is STATUS.AVAILABLE

    @KINDS
    def test_what_ended_at_its_duration_is_stopped_all_the_same_so_that_another_may_start(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = live(emulator, kind)
        session = voipbin.start(target, max_duration=5 * SECOND)
        clock.advance(MINUTE)
        assert voipbin.active(target) is None
        stopped = voipbin.stop(session)
        done = voipbin.wait(stopped, timeout=MINUTE)
        assert done.recordings[0].provider_status == "stopping", "and stays so for ever"
        assert done.status is STATUS.AVAILABLE
        voipbin.start(target)

    @pytest.mark.parametrize("status", [400, 500, 503, 403])
    def test_a_refused_stop_of_what_records_is_an_error(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        status: int,
    ) -> None:
        session = voipbin.start(live(emulator, CALL))
        clock.advance(MINUTE)
        answer = emulator.answer

        def refusing(request: Request) -> Reply:
            return Reply(status, b"{}") if request.method == "POST" else answer(request)

        emulator.answer = refusing  # type: ignore[method-assign]
        before = len(emulator.journal)
        with pytest.raises(rec.ProviderError) as caught:
            voipbin.stop(session)
        assert caught.value.status == status
        posts = [each for each in emulator.journal[before:] if each.request.method == "POST"]
        assert len(posts) == 1, "a stop with an effect is not repeated after a 5xx"

    def test_what_somebody_else_started_meanwhile_records_on(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        target = live(emulator, CALL)
        ours = voipbin.start(target)
        clock.advance(MINUTE)
        with emulator.connect() as other:
            other.stop(ours)
            theirs = other.start(target)
        clock.advance(MINUTE)
        assert voipbin.stop(ours).status is STATUS.PROCESSING
        running = voipbin.active(target)
        assert running is not None
        assert (running.id, running.status) == (theirs.id, STATUS.RECORDING)

    def test_a_stop_does_not_depend_on_looking_first(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        session = voipbin.start(live(emulator, CALL))
        clock.advance(MINUTE)
        emulator.faults.append(Reply(503))
        assert voipbin.stop(session).status is STATUS.STOPPING

    @KINDS
    def test_a_session_without_an_id_means_what_runs_now(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = live(emulator, kind)
        unnamed = rec.RecordingSession("voipbin", "default", None, target)
        assert voipbin.stop(unnamed).status is STATUS.PROCESSING
        voipbin.start(target)
        clock.advance(MINUTE)
        assert voipbin.stop(unnamed).status is STATUS.STOPPING
        assert voipbin.active(target) is None


class TestActive:
    @KINDS
    def test_only_what_still_records_is_active(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        target = live(emulator, kind)
        assert voipbin.active(target) is None
        session = voipbin.start(target)
        clock.advance(MINUTE)
        running = voipbin.active(target)
        assert running is not None
        assert (running.id, running.status) == (session.id, STATUS.RECORDING)
        assert running.started_at == clock.now() - MINUTE + SECOND
        emulator.hang_up(target)
        clock.advance(SECOND)
        assert voipbin.active(target) is None, "its recording_id is still named"

    def test_a_deleted_one_says_no_more(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = live(emulator, CALL)
        voipbin.delete(str(voipbin.start(target).id))
        assert voipbin.active(target) is None

    def test_a_word_that_we_do_not_know_may_record(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        voipbin.start(live(emulator, CALL))
        emulator.alter = lambda request, payload: {**payload, "status": "humming"}
        running = voipbin.active(live(emulator, CALL))
        assert running is not None
        assert running.status is STATUS.UNKNOWN

    def test_a_call_that_nobody_knows_is_not_found(self, voipbin: rec.Provider) -> None:
        with pytest.raises(rec.NotFound, match="CALL_NOT_FOUND"):
            voipbin.active(rec.call("00000000-0000-4000-8000-000000000000"))


class TestGet:
    @KINDS
    def test_between_ended_and_the_files_it_is_processing(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        kind: rec.SessionKind,
    ) -> None:
        session = voipbin.start(live(emulator, kind))
        clock.advance(MINUTE)
        voipbin.stop(session)
        clock.advance(SECOND)
        seen: list[tuple[str, int, bool]] = []
        for _ in range(3):
            recording = voipbin.get(str(session.id))
            (listed,) = voipbin.list(since=clock.now() - DAY)
            assert (listed.status, listed.files, listed.size) == (
                recording.status,
                recording.files,
                recording.size,
            ), "list and get agree"
            assert recording.provider_status == "ended"
            seen.append((str(recording.status), len(recording.files), bool(recording.size)))
            clock.advance(emulator.processing / 2)
        calls = [("processing", 0, False), ("processing", 1, False), ("available", 2, True)]
        rooms = [("processing", 0, False), ("processing", 0, False), ("available", 1, True)]
        assert seen == (calls if kind is CALL else rooms)

    def test_files_are_the_wavs_that_storage_names(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        target = live(emulator, CALL)
        recording = voipbin.get(emulator.add(target=target, duration=10 * SECOND))
        assert [(file.role, file.format, file.url) for file in recording.files] == [
            (rec.FileRole.LEG, "wav", None)
        ] * 2
        names = [(file.name or "") for file in recording.files]
        assert [name.rpartition("_")[2] for name in names] == ["in.wav", "out.wav"]
        assert recording.size == sum(file.size or 0 for file in recording.files)

    def test_an_old_one_costs_one_look_into_storage_where_its_files_are(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        for days in range(1, 90):
            emulator.add(created=clock.now() - days * DAY)
        id = emulator.add(created=clock.now() - 40 * DAY + HOUR)
        assert voipbin.get(id).status is STATUS.AVAILABLE
        assert sent(emulator) == ["GET recordings/*", "GET storage_files"]
        (token,) = asked(emulator, "/storage_files")
        assert token == "2026-04-22T13:11:01.000000Z", "ten minutes after its end"

    def test_storage_is_read_until_its_files_are_found_and_no_further(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulated_listing.LARGEST_PAGE", 2)
        for hours in range(1, 20):
            emulator.add(created=clock.now() - 10 * DAY + hours * HOUR)
        id = emulator.add(created=clock.now() - 10 * DAY, duration=20 * HOUR)
        assert voipbin.get(id).status is STATUS.AVAILABLE
        assert len(asked(emulator, "/storage_files")) == 1

    def test_files_that_are_stored_late_are_found_for_a_day(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        emulator.processing = 20 * HOUR
        id = emulator.add(created=clock.now() - 3 * DAY)
        listed = {each.id: each for each in voipbin.list(until=clock.now() - 2 * DAY)}
        assert voipbin.get(id) == listed[id]
        assert listed[id].status is STATUS.AVAILABLE
        emulator.processing = 60 * HOUR
        id = emulator.add(created=clock.now() - 6 * DAY)
        listed = {each.id: each for each in voipbin.list()}
        assert voipbin.get(id) == listed[id]
        assert listed[id].status is STATUS.PROCESSING

    @pytest.mark.parametrize("status", [403, 404, 500, 503])
    def test_where_storage_cannot_be_asked_ten_minutes_decide(
        self, emulator: VoIPBinEmulator, clock: ManualClock, status: int
    ) -> None:
        id = emulator.add(created=clock.now() - 5 * MINUTE, duration=MINUTE)
        answer = emulator.answer

        def without_storage(request: Request) -> Reply:
            return Reply(status) if "storage_files" in request.path else answer(request)

        emulator.answer = without_storage  # type: ignore[method-assign]
        with emulator.connect(http=ONE_BY_ONE) as voipbin:
            assert voipbin.get(id).status is STATUS.PROCESSING
            clock.advance(10 * MINUTE)
            recording = voipbin.get(id)
            assert (recording.status, recording.files) == (STATUS.AVAILABLE, ())

    def test_a_credential_that_expired_midway_is_no_silent_storage(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()

        def expiring(request: Request, payload: Any) -> Any:
            emulator.faults.append(Reply(401))
            return payload

        emulator.alter = expiring
        with pytest.raises(rec.AuthenticationFailed):
            voipbin.get(id)

    def test_another_recording_than_asked_for_is_an_error(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        id = emulator.add()
        assert voipbin.get(id.upper()).id == id
        emulator.alter = lambda request, payload: {**payload, "id": "other"}
        with pytest.raises(rec.MalformedPayload):
            voipbin.get(id)

    def test_foreign_and_deleted_ones_are_refused(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        foreign, gone = emulator.add(foreign=True), emulator.add()
        with pytest.raises(rec.AuthenticationFailed, match="PERMISSION_DENIED"):
            voipbin.get(foreign)
        voipbin.delete(gone)
        with pytest.raises(rec.NotFound, match="RESOURCE_NOT_FOUND"):
            voipbin.get(gone)


class TestList:
    @pytest.mark.parametrize("age", ["rfc3339", "sentinel", "fixed6"])
    @pytest.mark.parametrize("old_page", [False, True])
    def test_every_age_of_the_vendor_lists_alike(
        self, clock: ManualClock, age: Any, old_page: bool
    ) -> None:
        with VoIPBinEmulator(recordings=45, clock=clock) as emulator:
            emulator.timestamps = age
            if old_page:
                emulator.reference_key, emulator.conference_word = "type", "conference"
            with emulator.connect() as voipbin:
                listing = voipbin.list(since=clock.now() - 100 * DAY)
                found = list(listing)
        assert {each.id for each in found} == set(emulator.listed())
        assert len(found) == 45
        assert listing.coverage.complete
        counted = [str(each.kind) for each in found]
        assert (counted.count("call"), counted.count("conference")) == (30, 15)
        statuses = [str(each.status) for each in found]
        assert (statuses.count("available"), statuses.count("processing")) == (43, 2)

    def test_list_and_get_say_the_same_of_each(self, clock: ManualClock) -> None:
        with VoIPBinEmulator(recordings=45, clock=clock) as emulator, emulator.connect() as voipbin:
            for kind in (CALL, CONFERENCE):
                for stuck in (None, "initiating", "recording", "stopping"):
                    emulator.add(kind=kind, stuck=stuck)
            emulator.add(duration=30 * HOUR, created=clock.now() - 9 * DAY)
            for recording in voipbin.list():
                assert voipbin.get(recording.id) == recording

    def test_windows_are_fetched_at_once_and_cover_the_time(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        since = clock.now() - 80 * DAY
        list(voipbin.list(since=since))
        tokens = asked(emulator, "/recordings")
        expected = [mapping.page_token(clock.now() - number * 10 * DAY) for number in range(1, 8)]
        assert sorted(tokens, key=str) == sorted([None, *expected], key=str)

    def test_a_short_time_is_one_window(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        list(voipbin.list(since=clock.now() - HOUR))
        list(voipbin.list(since=clock.now() + HOUR))
        list(voipbin.list(since=clock.now() - DAY, until=clock.now() - 2 * HOUR))
        expected = [None, None, mapping.page_token(clock.now() - 2 * HOUR)]
        assert asked(emulator, "/recordings") == expected

    def test_a_window_ends_at_the_first_row_before_it(
        self, emulator: VoIPBinEmulator, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulated_listing.LARGEST_PAGE", 5)
        for hours in range(1, 100):
            emulator.add(created=clock.now() - hours * HOUR)
        with emulator.connect(http=ONE_BY_ONE) as voipbin:
            assert len(list(voipbin.list(since=clock.now() - 8 * HOUR))) == 8
        assert len(asked(emulator, "/recordings")) <= 4, "one of them ahead"
        assert len(asked(emulator, "/storage_files")) <= 6

    @pytest.mark.parametrize("duration", [MINUTE, 23 * HOUR, 30 * HOUR, 80 * HOUR])
    def test_files_are_found_that_were_stored_after_the_window(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        duration: timedelta,
    ) -> None:
        created = clock.now() - 9 * DAY
        id = emulator.add(created=created, duration=duration)
        for hours in range(-2, 120):
            emulator.add(created=created + hours * HOUR + MINUTE)
        until = created + timedelta(microseconds=1)
        (recording,) = voipbin.list(since=created, until=until)
        assert (recording.id, recording.status) == (id, STATUS.AVAILABLE)
        assert recording == voipbin.get(id)
        assert {each.id: each for each in voipbin.list()}[id] == recording

    def test_without_since_there_is_a_window_a_year_and_one_without_end(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        oldest = emulator.add(created=datetime(2018, 3, 1, tzinfo=UTC))
        borders = [emulator.add(created=datetime(year, 1, 1, tzinfo=UTC)) for year in (2020, 2026)]
        tick = timedelta(microseconds=1)
        before = emulator.add(created=datetime(2026, 1, 1, tzinfo=UTC) - tick)
        listing = voipbin.list()
        assert {each.id for each in listing} == {oldest, before, *borders}
        assert listing.coverage.windows == 8
        assert (listing.coverage.duplicates, listing.coverage.complete) == (0, True)
        assert len(list(voipbin.list(until=datetime(2019, 1, 1, tzinfo=UTC)))) == 1

    @pytest.mark.parametrize("size", [1, 2, 3, 5])
    def test_rows_of_one_microsecond_at_a_pages_end_are_not_lost(
        self,
        emulator: VoIPBinEmulator,
        clock: ManualClock,
        monkeypatch: pytest.MonkeyPatch,
        size: int,
    ) -> None:
        monkeypatch.setattr("recording_voipbin.emulated_listing.LARGEST_PAGE", 6)
        at = clock.now() - HOUR
        for number in range(8):
            for _ in range(size):
                emulator.add(created=at - number * MINUTE)
        with emulator.connect(http=ONE_BY_ONE) as voipbin:
            listing = voipbin.list()
            found = [each.id for each in listing]
        assert sorted(found) == sorted(emulator.listed())
        assert (listing.coverage.duplicates, listing.coverage.found_on_reread) == (0, 0), (
            "read once, too"
        )
        assert listing.coverage.complete
        assert {str(each.status) for each in listing} == {"available"}, "files as well"

    def test_more_of_one_microsecond_than_a_page_holds_is_an_error(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        for _ in range(101):
            emulator.add(created=clock.now() - HOUR, kind=CONFERENCE, stored=0)
        listing = voipbin.list()
        with pytest.raises(rec.PaginationError, match="microsecond"):
            list(listing)
        assert not listing.coverage.complete

    def test_a_target_is_listed_by_the_ids_that_it_names(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        for target in emulator.sessions:
            ids = [
                emulator.add(target=target, created=clock.now() - number * HOUR)
                for number in range(25, 0, -1)
            ]
            voipbin.delete(ids[3])
            emulator.journal.clear()
            listing = voipbin.list(target=target, since=clock.now() - 20 * HOUR)
            found = list(listing)
            assert [each.id for each in found] == ids[:4:-1], "newest first, since included"
            assert {each.target for each in found} == {target}
            assert listing.coverage.complete
            assert "GET recordings" not in sent(emulator), "no sweep"

    def test_deleted_ones_that_a_target_still_names_are_no_endless_list(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        target = live(emulator, CONFERENCE)
        ids = [emulator.add(target=target) for _ in range(60)]
        for id in ids[:-1]:
            voipbin.delete(id)
        listing = voipbin.list(target=target)
        assert [each.id for each in listing] == [ids[-1]]
        assert listing.coverage.complete
        voipbin.delete(ids[-1])
        assert list(listing) == []
        assert listing.coverage.complete

    def test_a_call_that_nobody_knows_is_not_found(self, voipbin: rec.Provider) -> None:
        listing = voipbin.list(target=rec.call("00000000-0000-4000-8000-000000000000"))
        with pytest.raises(rec.NotFound):
            list(listing)
        assert not listing.coverage.complete

    def test_where_storage_cannot_be_asked_coverage_says_so_once(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        emulator.storage_forbidden = True
        for hours in range(300):
            emulator.add(created=clock.now() - hours * HOUR - 2 * MINUTE)
        listing = voipbin.list(since=clock.now() - 99 * DAY)
        statuses = [str(each.status) for each in listing]
        assert (statuses.count("available"), statuses.count("processing")) == (299, 1)
        (said,) = listing.coverage.errors
        assert said.startswith("/storage_files cannot be read (HTTP 403)")
        assert not listing.coverage.complete
        listing = voipbin.list(target=live(emulator, CALL))
        assert list(listing) == []
        emulator.add(target=live(emulator, CALL))
        assert [str(each.status) for each in listing] == ["available"]
        assert len(listing.coverage.errors) == 1

    def test_a_malformed_file_costs_its_recordings_status_and_is_said(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator
    ) -> None:
        emulator.add()
        emulator.add()

        def alter(request: Request, payload: Any) -> Any:
            if "storage_files" in request.path and payload["result"]:
                payload["result"][0]["filesize"] = "big"
            return payload

        emulator.alter = alter
        listing = voipbin.list(since=emulator.clock.now() - DAY)
        assert sorted(str(each.status) for each in listing) == ["available", "processing"]
        (said,) = listing.coverage.errors
        assert "'filesize'" in said
        assert not listing.coverage.complete

    def test_uploads_and_deleted_files_are_nobodys(self, clock: ManualClock) -> None:
        with VoIPBinEmulator(recordings=9, clock=clock) as emulator, emulator.connect() as voipbin:
            named = {file.name or "" for each in voipbin.list() for file in each.files}
        assert not [name for name in named if name.startswith("greeting")]

    def test_a_vendor_that_ignores_the_token_is_no_endless_list(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock
    ) -> None:
        numbers = iter(range(10_000))

        def alter(request: Request, payload: Any) -> Any:
            if not payload.get("result"):
                return payload
            at = mapping.page_token(clock.now() - HOUR + next(numbers) * SECOND)
            return {**payload, "result": [{**payload["result"][0], "id": at, "tm_create": at}]}

        emulator.add(created=clock.now() - 2 * HOUR)
        emulator.alter = alter
        with pytest.raises(rec.PaginationError, match="back in time"):
            list(voipbin.list())


class TestReadingStorage:
    """What a sweep holds of storage, without a vendor."""

    AT = datetime(2026, 6, 1, tzinfo=UTC)

    def recording(self, number: int) -> rec.Recording:
        """The recording of that number: each began an hour before the one before it."""
        began = self.AT - number * HOUR
        row = {
            "id": f"r{number}",
            "reference_type": "confbridge",
            "status": "ended",
            "tm_create": mapping.page_token(began),
            "tm_end": mapping.page_token(began + MINUTE),
        }
        return mapping.recording(row, "default")

    def test_a_sweep_of_years_holds_a_days_files(self) -> None:
        pages: list[Place] = []

        def read_page(place: Place) -> tuple[list[Any], Place | None]:
            pages.append(place)
            first = 100 * (len(pages) - 1)
            rows = [
                {
                    "id": f"f{number}",
                    "reference_type": "recording",
                    "reference_id": f"r{number}",
                    "filename": "x_in.wav",
                    "filesize": 1,
                    "tm_create": mapping.page_token(self.AT - number * HOUR + 2 * MINUTE),
                }
                for number in range(first, first + 100)
            ]
            fresh, place_after = following(place, rows, None)
            return list(fresh), place_after

        shelf = Storage(read_page, Place(None))
        voipbin = object.__new__(VoIPBin)
        voipbin.clock = ManualClock()
        for first in range(0, 20_000, 100):
            page = [self.recording(number) for number in range(first, first + 100)]
            joined, errors = voipbin._joined(page, shelf)
            assert {str(each.status) for each in joined} == {"available"}
            assert errors == ()
            assert len(shelf._known) <= 130
        assert len(pages) <= 201, "each page was read once"

    def test_it_reads_no_further_than_the_oldest_recording(self) -> None:
        pages: list[Place] = []

        def read_page(place: Place) -> tuple[list[Any], Place | None]:
            pages.append(place)
            return [], Place(self.AT - len(pages) * DAY)

        shelf = Storage(read_page, Place(self.AT))
        shelf.read_back_to(self.AT - 5 * DAY)
        assert len(pages) == 5
        shelf.read_back_to(self.AT - 5 * DAY)
        assert len(pages) == 5

    def test_rows_without_end_of_one_microsecond_are_an_error(self) -> None:
        at = mapping.page_token(self.AT)
        place: Place | None = Place(self.AT + DAY)
        for number in range(10):
            assert place is not None
            rows = [{"id": f"{number}-{n}", "tm_create": at} for n in range(100)]
            _, place = following(place, rows, None)
        assert place is not None
        with pytest.raises(rec.PaginationError):
            following(place, [{"id": "one more", "tm_create": at}], None)

    def test_a_page_whose_end_cannot_be_read_is_an_error(self) -> None:
        with pytest.raises(rec.MalformedPayload):
            following(Place(None), [{"id": "x"}], None)
        assert following(Place(None), [{"id": "x"}], self.AT)[1] == Place(
            self.AT + mapping.TICK, frozenset({"x"})
        )

    def test_page_size_is_the_most_that_may_be(self) -> None:
        assert storage.PAGE_SIZE == 100


class TestDownload:
    @KINDS
    def test_there_is_one_copy_a_wav_and_nothing_else(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        tmp_path: Path,
        kind: rec.SessionKind,
    ) -> None:
        id = emulator.add(kind=kind)
        copies = voipbin.download(id, tmp_path)
        recording = voipbin.get(id)
        assert tuple(copy.file for copy in copies) == recording.files
        assert len(copies) == (2 if kind is CALL else 1)
        for copy in copies:
            assert copy.path.read_bytes()[:4] == b"RIFF"
            assert copy.size == copy.file.size
            assert copy.checks == ("framing", "size", "format")
            assert ":" not in copy.path.name
        assert len({copy.sha256 for copy in copies}) == len(copies)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {copy.path.name for copy in copies}, "no archive"
        alone = f"voipbin-default-{id}.wav"
        assert names == {alone} if kind is CONFERENCE else alone not in names

    def test_files_are_chosen_by_id_and_by_role(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        recording = voipbin.get(emulator.add())
        both = voipbin.download(recording, tmp_path / "both")
        for number, file in enumerate(recording.files):
            for files in (file.id, file, [file.id]):
                (copy,) = voipbin.download(recording, tmp_path / "one", files=files)
                assert copy.file == file
                assert copy.sha256 == both[number].sha256
                assert copy.path.name == both[number].path.name
        assert len(voipbin.download(recording, tmp_path / "legs", files="leg")) == 2
        with pytest.raises(ValueError, match="no file 'mix'"):
            voipbin.download(recording, tmp_path, files="mix")

    def test_what_is_not_stored_yet_is_not_ready_and_nothing_is_fetched(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        for stored in (0, 1):
            with pytest.raises(rec.NotReady, match="processing"):
                voipbin.download(emulator.add(stored=stored), tmp_path)
        assert emulator.requests("media") == []

    @pytest.mark.parametrize("stored", [0, 1])
    def test_an_empty_or_short_archive_is_not_ready(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path, stored: int
    ) -> None:
        emulator.storage_forbidden = True
        id = emulator.add(stored=stored)
        with pytest.raises(rec.NotReady, match=f"{stored} of 2 files"):
            voipbin.download(id, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_an_archive_that_lags_behind_storage_is_not_ready(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id, short = emulator.add(), emulator.add(stored=1)
        emulator.storage_forbidden = False
        answer = emulator.answer

        def lagging(request: Request) -> Reply:
            if "recordingfiles" in request.path:
                request = evolve(request, path=request.path.replace(id, short))
            return answer(request)

        emulator.answer = lagging  # type: ignore[method-assign]
        with pytest.raises(rec.NotReady, match="1 of 2 files"):
            voipbin.download(id, tmp_path)

    @KINDS
    def test_where_storage_cannot_be_asked_the_archive_tells(
        self,
        voipbin: rec.Provider,
        emulator: VoIPBinEmulator,
        tmp_path: Path,
        kind: rec.SessionKind,
    ) -> None:
        emulator.storage_forbidden = True
        copies = voipbin.download(emulator.add(kind=kind), tmp_path)
        ids = [copy.file.id for copy in copies]
        assert ids == (["leg-1", "leg-2"] if kind is CALL else ["leg-1"])
        assert [copy.file.role for copy in copies] == [rec.FileRole.LEG] * len(ids)
        assert (copies[0].file.name or "").endswith("_in.wav")
        assert {path.name for path in tmp_path.iterdir()} == {copy.path.name for copy in copies}

    def test_the_signed_url_is_asked_for_without_the_credential(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        voipbin.download(emulator.add(), tmp_path)
        (request,) = emulator.requests("media")
        assert request.arg("X-Goog-Signature")
        assert request.header("authorization") is None
        assert request.header("accept-encoding") == "identity"
        assert emulator.token not in json.dumps([request.path, request.query])

    def test_a_cut_archive_is_resumed_at_a_freshly_signed_url(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add(duration=10 * MINUTE)
        first = voipbin.download(id, tmp_path)
        answer_media, cuts = emulator.answer_media, [True]

        def cutting(request: Request) -> Reply:
            reply = answer_media(request)
            return evolve(reply, cut_after=300) if cuts and cuts.pop() else reply

        emulator.answer_media = cutting  # type: ignore[method-assign]
        again = voipbin.download(id, tmp_path)
        assert [copy.sha256 for copy in again] == [copy.sha256 for copy in first]
        assert sent(emulator).count("GET recordingfiles/*") == 3

    def test_a_recording_that_was_deleted_meanwhile_is_not_found(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        id = emulator.add()
        answer = emulator.answer

        def deleting(request: Request) -> Reply:
            if "recordingfiles" in request.path:
                emulator.remove(id)
            return answer(request)

        emulator.answer = deleting  # type: ignore[method-assign]
        with pytest.raises(rec.NotFound, match="RECORDING_NOT_FOUND"):
            voipbin.download(id, tmp_path)

    def test_an_archive_that_is_404_although_the_recording_is_there_is_not_ready(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, tmp_path: Path
    ) -> None:
        emulator.media_faults.append(Reply(404))
        with pytest.raises(rec.NotReady, match="archive answers 404"):
            voipbin.download(emulator.add(), tmp_path)

    def test_the_first_byte_may_take_as_long_as_the_server_zips(self) -> None:
        assert VoIPBin.media_first_byte == 330.0

    def test_a_listed_recording_is_downloaded_with_the_files_that_it_has_now(
        self, voipbin: rec.Provider, emulator: VoIPBinEmulator, clock: ManualClock, tmp_path: Path
    ) -> None:
        session = voipbin.start(live(emulator, CALL))
        clock.advance(MINUTE)
        voipbin.stop(session)
        (listed,) = voipbin.list(since=clock.now() - DAY)
        assert listed.status is STATUS.STOPPING
        clock.advance(MINUTE)
        assert len(voipbin.download(listed, tmp_path)) == 2


class TestLimits:
    def test_the_vendors_rate_and_burst_are_kept(self) -> None:
        with rec.connect("voipbin", token="a.b.c") as voipbin:
            bucket: Any = voipbin.transport.bucket
            assert (bucket._rate, bucket._capacity) == (16.7, 33.0)

    def test_a_rate_of_the_callers_has_no_burst_of_the_vendors(self) -> None:
        http = rec.HttpSettings(rate=2.0)
        with rec.connect("voipbin", token="a.b.c", http=http) as voipbin:
            bucket: Any = voipbin.transport.bucket
            assert (bucket._rate, bucket._capacity) == (2.0, 120.0)
