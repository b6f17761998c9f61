"""Authors: what the library adds to the methods that a provider's author writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve
from requests.auth import AuthBase

import recording_core as rec
from recording_core.plugin import (
    Connection,
    ErrorDetails,
    NoAuth,
    PageRows,
    StartRequest,
    build_capabilities,
)
from recording_core.testing import ManualClock, Reply, Request
from recording_core.testing.emulator.media import build_media

Serve = Callable[..., tuple[str, list[Request]]]
Status = rec.RecordingStatus

CALL, START = rec.call("C1"), datetime(2026, 11, 1, tzinfo=UTC)
INFO = rec.ProviderInfo(
    name="brief",
    label="Brief",
    settings=(rec.Setting("key", "BRIEF_KEY", secret=True),),
    capabilities=build_capabilities(
        call="start pause resume stop active get download", meeting="get"
    ),
    documentation="https://brief.example/docs",
    client="brief:Brief",
)


class Brief(rec.Provider):
    """A vendor whose answers report nothing but a status: `answers` are the next ones."""

    default_base_url = "https://api.brief.example"
    answers: list[rec.RecordingSession | None]
    found: rec.Recording | None = None
    reads = 0

    def _auth(self, settings: Mapping[str, str]) -> AuthBase:
        return NoAuth()

    def _start(self, request: StartRequest) -> rec.RecordingSession:
        return self._answer()

    def _pause(self, session: rec.RecordingSession) -> rec.RecordingSession:
        return self._answer()

    _resume = _stop = _pause

    def _active(self, target: rec.CommunicationSession) -> rec.RecordingSession | None:
        return self.answers.pop(0)

    def _answer(self) -> rec.RecordingSession:
        answer = self.answers.pop(0)
        assert answer is not None
        return answer

    def _get(self, recording_id: str, target: rec.CommunicationSession | None) -> rec.Recording:
        self.reads += 1
        if self.found is None:
            raise rec.NotFound("no such recording")
        return self.found


def build_session(status: Status, **facts: Any) -> rec.RecordingSession:
    """Build the session of an answer that names another target, such as the leg of the call."""
    return rec.RecordingSession("brief", "default", facts.pop("id", None), rec.call("leg"), status)


@pytest.fixture
def connect(manual_clock: ManualClock) -> Iterator[Callable[..., Any]]:
    opened: list[rec.Provider] = []

    def build(kind: type[Brief] = Brief, base_url: str | None = None) -> Any:
        connection = Connection(
            INFO, settings={"key": "key-of-an-account"}, base_url=base_url, clock=manual_clock
        )
        opened.append(kind(connection))
        return opened[-1]

    yield build
    for each in opened:
        each.close()


def test_a_session_keeps_what_the_answer_to_a_verb_does_not_report(
    connect: Callable[..., Brief], manual_clock: ManualClock
) -> None:
    provider = connect()
    recording = rec.Recording("brief", "default", "R1", status=Status.AVAILABLE)
    provider.answers = [
        build_session(Status.PAUSED),
        build_session(Status.RECORDING),
        build_session(Status.PROCESSING),
        evolve(build_session(Status.PROCESSING), id="R1"),
    ]
    begun = rec.RecordingSession(
        "brief",
        "default",
        "R1",
        CALL,
        Status.RECORDING,
        started_at=START,
        parameters={"format": "mp3"},
        recordings=(recording,),
        start_id="request-1",
    )
    paused = provider.pause(begun)
    manual_clock.advance(timedelta(seconds=5))
    resumed = provider.resume(paused)
    stopped = provider.stop(resumed)
    manual_clock.advance(timedelta(seconds=5))
    again = provider.stop(stopped)
    for session in (paused, resumed, stopped, again):
        assert (session.id, session.target, session.started_at) == ("R1", CALL, START)
        assert session.parameters == {"format": "mp3"}
        assert session.recordings == (recording,)
        assert session.start_id == "request-1"
        assert len(session.pauses) == 1
    assert resumed.pauses[0].end is not None
    assert again.stopped_at == stopped.stopped_at is not None


@pytest.mark.parametrize(
    ("before", "answer", "after"),
    [
        (Status.AVAILABLE, Status.PROCESSING, Status.AVAILABLE),
        (Status.AVAILABLE, Status.RECORDING, Status.AVAILABLE),
        (Status.AVAILABLE, Status.EXPIRED, Status.EXPIRED),
        (Status.AVAILABLE, Status.UNKNOWN, Status.UNKNOWN),
        (Status.RECORDING, Status.PROCESSING, Status.PROCESSING),
    ],
)
def test_a_second_stop_makes_no_final_status_less_certain(
    connect: Callable[..., Brief], before: Status, answer: Status, after: Status
) -> None:
    provider = connect()
    provider.answers = [build_session(answer, id="R1")]
    session = rec.RecordingSession("brief", "default", "R1", CALL, before, stopped_at=START)
    assert provider.stop(session).status is after


def test_a_session_has_the_target_that_the_caller_gave(connect: Callable[..., Brief]) -> None:
    provider = connect()
    provider.answers = [build_session(Status.RECORDING), build_session(Status.RECORDING), None]
    assert provider.start(CALL).target == CALL
    active = provider.active(CALL)
    assert active is not None
    assert active.target == CALL
    assert provider.active(CALL) is None


@pytest.mark.parametrize("shows", [True, False])
def test_the_answer_decides_if_get_shows_no_pauses(
    connect: Callable[..., Brief], shows: bool
) -> None:
    class Vendor(Brief):
        get_shows_pauses = shows

    provider = connect(Vendor)
    provider.found = rec.Recording("brief", "default", "R1", status=Status.RECORDING)
    session = evolve(build_session(Status.PAUSED, id="R1"), pauses=(rec.Interval(START),))
    provider.answers = [build_session(Status.PAUSED)]
    after = provider.resume(session)
    assert after.status is (Status.RECORDING if shows else Status.PAUSED)
    assert (after.pauses[0].end is not None) is shows
    assert provider.reads == shows
    provider.answers = [build_session(Status.RECORDING)]
    assert provider.stop(session).status is Status.STOPPING
    assert provider.reads == shows + 1


def test_an_authors_helper_of_any_name_changes_no_verb(connect: Callable[..., Brief]) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise AssertionError("the library called a helper of the author")

    names = "_check_session _finish _get_exact _look_again _media _read_page _run_verb _trace"
    provider = connect(type("Vendor", (Brief,), dict.fromkeys(names.split(), fail)))
    provider.answers = [build_session(Status.RECORDING, id="R1") for _ in range(2)]
    provider.found = rec.Recording("brief", "default", "R1", status=Status.RECORDING)
    session = provider.start(CALL)
    assert session.id == provider.get("R1").id == "R1"
    assert provider.pause(session).status is Status.RECORDING
    assert provider.media is provider.media
    assert vars(provider).keys().isdisjoint(names.split())


def test_the_rows_of_a_page_are_its_recordings() -> None:
    found = [rec.Recording("brief", "default", each) for each in ("R1", "R2")]
    assert list(PageRows(found)) == found
    rows = PageRows([{"id": "R3"}, 7], lambda row: rec.Recording("brief", "default", row["id"]))
    assert [each.id for each in rows] == ["R3"]
    assert len(rows) == 2


class Formats(Brief):
    """A vendor that offers each file as WAV and MP3, by its suffix."""

    download_formats: ClassVar[tuple[str, ...]] = ("wav", "mp3")

    def _offer_format(self, file: rec.MediaFile, format: str) -> rec.MediaFile:
        assert file.url is not None
        assert file.format != format  # the listed format has the listed size
        url = f"{file.url.rpartition('.')[0]}.{format}"
        return evolve(file, format=format, url=url, size=None)


def build_recording(origin: str, revision: int = 1) -> rec.Recording:
    url = f"{origin}/{revision}.wav"
    file = rec.MediaFile("mix", rec.FileRole.MIX, "wav", size=10_000, url=url)
    return rec.Recording("brief", "default", "R1", status=Status.AVAILABLE, files=(file,))


def test_a_file_is_downloaded_in_an_offered_format(
    connect: Callable[..., Brief], serve: Serve, tmp_path: Path
) -> None:
    origin, journal = serve(Reply(200, build_media("mp3", timedelta(seconds=3))))
    provider = connect(Formats, origin)
    (copy,) = provider.download(build_recording(origin), tmp_path, format="MP3")
    assert (copy.path.suffix, copy.file.format, copy.verified) == (".mp3", "mp3", True)
    assert [request.path for request in journal] == ["/1.mp3"]


def test_a_renewed_link_keeps_the_format(
    connect: Callable[..., Brief], serve: Serve, tmp_path: Path
) -> None:
    media, journal = serve(Reply(403), Reply(200, build_media("mp3", timedelta(seconds=3))))
    api, _ = serve(Reply.json({}))
    provider = connect(Formats, api)
    provider.found = build_recording(media, revision=2)
    (copy,) = provider.download(build_recording(media), tmp_path, format="mp3")
    assert copy.path.suffix == ".mp3"
    assert [request.path for request in journal] == ["/1.mp3", "/2.mp3"]


def test_the_listed_format_keeps_its_size(
    connect: Callable[..., Brief], serve: Serve, tmp_path: Path
) -> None:
    body = build_media("wav", timedelta(seconds=1))
    origin, _ = serve(Reply(200, body))
    provider, recording = connect(Formats, origin), build_recording(origin)
    with pytest.raises(rec.DownloadError):
        provider.download(recording, tmp_path, format="wav")
    file = evolve(recording.files[0], size=len(body))
    (copy,) = provider.download(evolve(recording, files=(file,)), tmp_path, format="wav")
    assert "size" in copy.checks


@pytest.mark.parametrize(
    ("kind", "format", "message"),
    [(Brief, "wav", "in one format"), (Formats, "ogg", "offers wav, mp3, and not 'ogg'")],
)
def test_a_format_that_is_not_offered_raises_before_any_request(
    connect: Callable[..., Brief],
    serve: Serve,
    tmp_path: Path,
    kind: type[Brief],
    format: str,
    message: str,
) -> None:
    origin, journal = serve(Reply(500))
    provider = connect(kind, origin)
    with pytest.raises(rec.UnsupportedOperation, match=message):
        provider.download(build_recording(origin), tmp_path, format=format)
    for wrong in ("", " "):
        with pytest.raises(ValueError, match="format"):
            provider.download("R1", tmp_path, target=CALL, format=wrong)
    assert not journal
    assert provider.reads == 0


def test_a_text_in_place_of_an_error_body_has_no_details_by_default(
    connect: Callable[..., Brief],
) -> None:
    assert connect()._error_details(404, {}, "<error/>") == ErrorDetails()
