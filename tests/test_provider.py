"""Provider: what the verbs do before and after a vendor's response, with emulators."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.provider.start_request import START_PARAMETERS
from recording_core.testing import Emulator, Reply, Request
from recording_plivo.emulator import PlivoEmulator
from recording_realtimekit.emulator import RealtimeKitEmulator

HOUR = timedelta(hours=1)


@pytest.fixture
def emulator() -> Iterator[PlivoEmulator]:
    with PlivoEmulator() as emulator:
        yield emulator


@pytest.fixture
def provider(emulator: Emulator) -> Iterator[rec.Provider]:
    with emulator.connect() as provider:
        yield provider


@pytest.mark.parametrize("dots", [".", ".."])
def test_id_of_dots_never_becomes_a_path(
    dots: str, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises(ValueError, match="must not be"):
        provider.delete(dots)
    with pytest.raises(ValueError, match="must not be"):
        rec.call(dots)
    # A response may contain such an id, too.
    recording = rec.Recording("plivo", "default", dots, kind=rec.SessionKind.CALL)
    with pytest.raises(ValueError, match="must not be"):
        provider.delete(recording)
    with pytest.raises(rec.Rejected, match="change the path"):
        provider.transport.get(f"Recording/{dots}/", operation="get")
    assert emulator.list_requests() == []


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_empty_id_is_never_sent(
    empty: str, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        provider.delete(rec.Recording("plivo", "default", empty))
    assert emulator.list_requests() == []


def test_session_or_recording_of_another_account_raises(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = rec.RecordingSession("plivo", "emea", "x", rec.conference("standup"))
    with pytest.raises(ValueError, match="account 'emea'"):
        provider.stop(session)
    with pytest.raises(ValueError, match="account 'emea'"):
        provider.delete(rec.Recording("plivo", "emea", "x"))
    assert emulator.list_requests() == []


@pytest.mark.parametrize(
    ("response", "error"),
    [
        ({"error": "boom"}, rec.OutcomeUnknown),
        ({"recording_id": None}, rec.OutcomeUnknown),
        ({"recording_id": ".."}, rec.OutcomeUnknown),
        ({"recording_id": "00000000-0000-0000-0000-000000000000", "url": "x"}, rec.Conflict),
    ],
)
def test_start_response_without_a_usable_id_raises(
    response: dict[str, Any],
    error: type[rec.ProviderError],
    provider: rec.Provider,
    emulator: PlivoEmulator,
) -> None:
    emulator.faults.append(Reply.json(response, 202))
    with pytest.raises(error):
        provider.start(emulator.sessions[0])
    assert len(emulator.list_requests()) == 1


@pytest.mark.parametrize("value", [float("nan"), "\udc80", {1, 2}])
def test_extra_that_json_cannot_represent_raises_before_any_request(
    value: object, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises((ValueError, TypeError)):
        provider.start(emulator.sessions[0], extra={"a": value})
    assert emulator.list_requests() == []


def test_response_about_another_recording_raises(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    requested, other = (emulator.add(ended=emulator.clock.now() - HOUR) for _ in range(2))
    emulator.alter = lambda request, payload: {**payload, "recording_id": other}
    with pytest.raises(rec.MalformedPayload, match="another recording"):
        provider.get(requested)


@pytest.mark.parametrize("url", ["http://[::1", "https://exa\u2106mple/a.mp3", "https://h:x/a"])
def test_unparsable_url_does_not_affect_other_rows(
    url: str, provider: rec.Provider, emulator: PlivoEmulator, tmp_path: Path
) -> None:
    ids = [emulator.add(ended=emulator.clock.now() - HOUR) for _ in range(3)]

    def break_url(request: Request, payload: Any) -> Any:
        for row in payload.get("objects", [payload]):
            if row.get("recording_id") == ids[1]:
                row["recording_url"] = url
        return payload

    emulator.alter = break_url
    assert {each.id for each in provider.list()} == set(ids)
    with pytest.raises(rec.ForbiddenHost) as caught:
        provider.download(ids[1], tmp_path)
    assert (caught.value.provider, caught.value.recording_id) == ("plivo", ids[1])


def test_404_that_is_not_from_the_vendor_does_not_count_as_stopped(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = provider.start(emulator.sessions[0])
    page = Reply(404, b"<html>nginx</html>", {"Content-Type": "text/html"})
    emulator.faults += [page] * 20
    with pytest.raises(rec.Unavailable, match="a proxy or gateway may have sent it"):
        provider.stop(session)


def test_delete_is_repeated_after_429(provider: rec.Provider, emulator: PlivoEmulator) -> None:
    emulator.faults.append(Reply.json({"error": "slow down"}, 429, retry_after="0"))
    with pytest.raises(rec.NotFound):
        provider.delete("no-such-recording")


def test_interrupted_start_has_a_note_that_the_recording_may_run(
    provider: rec.Provider, emulator: PlivoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(provider.transport, "request", interrupt)
    with pytest.raises(KeyboardInterrupt) as caught:
        provider.start(emulator.sessions[0])
    assert "the recording may run" in caught.value.__notes__[0]


def test_failed_download_keeps_completed_copies(tmp_path: Path) -> None:
    with RealtimeKitEmulator() as kit, kit.connect() as provider:
        added = kit.add(body={"audio_config": {"codec": "MP3"}})
        files = provider.get(added.id).files
        assert [file.role for file in files] == ["video", "audio"]
        second = Reply(200, b"<html>", {"Content-Type": "text/html"})
        first = kit.answer_media
        seen: list[Request] = []

        def fail_second(request: Request) -> Reply:
            seen.append(request)
            return first(request) if len(seen) == 1 else second

        kit.answer_media = fail_second  # type: ignore[method-assign]  # the media host then fails
        with pytest.raises(rec.NotMedia) as caught:
            provider.download(added.id, tmp_path)
        (copy,) = caught.value.copies
        assert copy.path.exists()
        assert copy.file.role == "video"


@pytest.mark.parametrize("since_the_end", [60, 3600])
def test_wait_without_an_id_ignores_recordings_of_other_sessions(
    provider: rec.Provider, emulator: PlivoEmulator, since_the_end: int
) -> None:
    """Also one that ended a moment before, within the difference of clocks that is allowed."""
    target = emulator.sessions[0]
    first = provider.start(target)
    emulator.clock.sleep(30)
    provider.stop(first)
    emulator.clock.sleep(since_the_end)
    second = evolve(provider.start(target), id=None)
    with pytest.raises(rec.NotReady) as caught:
        provider.wait(second, timeout=timedelta(seconds=30))
    assert caught.value.session == second
    second = provider.stop(second)
    finished = provider.wait(second, timeout=timedelta(minutes=2))
    assert finished.id not in (None, first.id)


def test_a_session_that_failed_before_it_had_a_recording_is_not_waited_for(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = evolve(
        provider.start(emulator.sessions[0]), id=None, status=rec.RecordingStatus.FAILED
    )
    before = emulator.clock.now()
    assert provider.wait(session, timeout=timedelta(minutes=2)) == session
    assert emulator.clock.now() == before


def test_start_without_max_duration_sends_the_documented_maximum(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    provider.start(emulator.sessions[0])
    assert emulator.list_requests()[-1].json()["time_limit"] == 14400


def test_download_reads_an_incomplete_row_again(
    provider: rec.Provider, emulator: PlivoEmulator, tmp_path: Path
) -> None:
    # The format is part of the file name: without it the same file would have two names.
    target = emulator.sessions[0]
    session = provider.start(target, format="wav")
    emulator.clock.sleep(10)
    recording = provider.wait(provider.stop(session), timeout=timedelta(minutes=2)).recordings[0]
    incomplete = evolve(recording, files=(evolve(recording.files[0], format=None),))
    (before,) = provider.download(recording, tmp_path)
    (after,) = provider.download(incomplete, tmp_path)
    assert (after.path, after.file.format) == (before.path, "wav")


@pytest.mark.parametrize("timeout", [None, 60, timedelta(0)])
def test_wait_without_a_timeout_raises_before_any_request(
    timeout: Any, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = provider.start(emulator.sessions[0])
    requests = len(emulator.list_requests())
    with pytest.raises((TypeError, ValueError), match="timeout"):
        provider.wait(session, timeout=timeout)
    assert len(emulator.list_requests()) == requests


def test_latest_is_the_newest_available_recording_of_a_target(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    target = emulator.sessions[0]
    assert provider.latest(target) is None
    ids = []
    for _ in range(2):
        session = provider.start(target)
        emulator.clock.sleep(60)
        ids.append(provider.wait(provider.stop(session), timeout=HOUR).recordings[0].id)
    provider.start(target)  # one that runs is not available
    latest = provider.latest(target)
    assert latest is not None
    assert latest.id == ids[-1]


@pytest.mark.parametrize(
    ("given", "in_utc"),
    [
        (datetime(2026, 6, 2, 3, tzinfo=timezone(timedelta(hours=5))), (2026, 6, 1, 22)),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), (1, 1, 1)),
    ],
)
def test_times_of_a_list_are_converted_to_utc(
    provider: rec.Provider, given: datetime, in_utc: tuple[int, int, int]
) -> None:
    found = provider.list(since=given, until=given).query
    for each in (found.since, found.until):
        assert each is not None
        assert (each, each.tzinfo) == (datetime(*in_utc, tzinfo=UTC), UTC)


def test_start_and_record_name_their_parameters_for_help() -> None:
    for verb in (rec.Provider.start, rec.Provider.record):
        names = list(inspect.signature(verb).parameters)
        assert names == ["self", "target", *START_PARAMETERS, "extra"]


def test_unknown_parameter_of_start_raises_before_any_request(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises(TypeError, match="start has no parameter colour"):
        provider.start(emulator.sessions[0], colour="red")  # type: ignore[call-arg]
    assert emulator.list_requests() == []
