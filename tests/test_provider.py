"""What do the verbs do around a vendor's answer? Core's own part, through an emulator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

import recording_core as rec
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
def test_an_id_of_dots_never_becomes_a_path(
    dots: str, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises(ValueError, match="must not be"):
        provider.delete(dots)
    with pytest.raises(ValueError, match="must not be"):
        rec.call(dots)
    # An answer may carry one, too.
    recording = rec.Recording("plivo", "default", dots, kind=rec.SessionKind.CALL)
    with pytest.raises(ValueError, match="must not be"):
        provider.delete(recording)
    with pytest.raises(rec.Rejected, match="another path"):
        provider.transport.get(f"Recording/{dots}/", operation="get")
    assert emulator.requests() == []


@pytest.mark.parametrize("empty", ["", " ", "\n"])
def test_an_empty_id_is_never_sent(
    empty: str, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        provider.delete(rec.Recording("plivo", "default", empty))
    assert emulator.requests() == []


def test_another_accounts_session_or_recording_is_refused(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = rec.RecordingSession("plivo", "emea", "x", rec.conference("standup"))
    with pytest.raises(ValueError, match="account 'emea'"):
        provider.stop(session)
    with pytest.raises(ValueError, match="account 'emea'"):
        provider.delete(rec.Recording("plivo", "emea", "x"))
    assert emulator.requests() == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"error": "boom"}, rec.OutcomeUnknown),
        ({"recording_id": None}, rec.OutcomeUnknown),
        ({"recording_id": ".."}, rec.OutcomeUnknown),
        ({"recording_id": "00000000-0000-0000-0000-000000000000", "url": "x"}, rec.Conflict),
    ],
)
def test_an_answer_to_start_that_names_nothing_is_no_success(
    answer: dict[str, Any],
    error: type[rec.ProviderError],
    provider: rec.Provider,
    emulator: PlivoEmulator,
) -> None:
    emulator.faults.append(Reply.json(answer, 202))
    with pytest.raises(error):
        provider.start(emulator.sessions[0])
    assert len(emulator.requests()) == 1


@pytest.mark.parametrize("value", [float("nan"), "\udc80", {1, 2}])
def test_an_extra_that_json_cannot_say_is_refused_at_once(
    value: object, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    with pytest.raises((ValueError, TypeError)):
        provider.start(emulator.sessions[0], extra={"a": value})
    assert emulator.requests() == []


def test_an_answer_about_another_recording_is_none(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    asked, other = (emulator.add(ended=emulator.clock.now() - HOUR) for _ in range(2))
    emulator.alter = lambda request, payload: {**payload, "recording_id": other}
    with pytest.raises(rec.MalformedPayload, match="another recording"):
        provider.get(asked)


@pytest.mark.parametrize("url", ["http://[::1", "https://exa\u2106mple/a.mp3", "https://h:x/a"])
def test_a_row_whose_url_nobody_can_parse_costs_no_other(
    url: str, provider: rec.Provider, emulator: PlivoEmulator, tmp_path: Path
) -> None:
    ids = [emulator.add(ended=emulator.clock.now() - HOUR) for _ in range(3)]

    def odd(request: Request, payload: Any) -> Any:
        for row in payload.get("objects", [payload]):
            if row.get("recording_id") == ids[1]:
                row["recording_url"] = url
        return payload

    emulator.alter = odd
    assert {each.id for each in provider.list()} == set(ids)
    with pytest.raises(rec.ForbiddenHost) as caught:
        provider.download(ids[1], tmp_path)
    assert (caught.value.provider, caught.value.recording_id) == ("plivo", ids[1])


def test_a_stop_that_something_else_answers_with_404_is_no_success(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = provider.start(emulator.sessions[0])
    emulator.faults.append(Reply(404, b"<html>nginx</html>", {"Content-Type": "text/html"}))
    with pytest.raises(rec.NotFound):
        provider.stop(session)


def test_a_delete_that_was_refused_for_its_rate_leaves_no_doubt(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    emulator.faults.append(Reply.json({"error": "slow down"}, 429, retry_after="0"))
    with pytest.raises(rec.NotFound):
        provider.delete("no-such-recording")


def test_an_interrupted_start_says_that_something_may_run(
    provider: rec.Provider, emulator: PlivoEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(provider.transport, "request", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        provider.start(emulator.sessions[0])
    assert "it may run" in caught.value.__notes__[0]


def test_a_download_that_fails_halfway_keeps_the_copies_it_made(tmp_path: Path) -> None:
    with RealtimeKitEmulator() as kit, kit.connect() as provider:
        added = kit.add(body={"audio_config": {"codec": "MP3"}})
        files = provider.get(added.id).files
        assert [file.role for file in files] == ["video", "audio"]
        second = Reply(200, b"<html>", {"Content-Type": "text/html"})
        first = kit.answer_media
        seen: list[Request] = []

        def once(request: Request) -> Reply:
            seen.append(request)
            return first(request) if len(seen) == 1 else second

        kit.answer_media = once  # type: ignore[method-assign]  # the emulator's host goes wrong
        with pytest.raises(rec.NotMedia) as caught:
            provider.download(added.id, tmp_path)
        (copy,) = caught.value.copies
        assert copy.path.exists()
        assert copy.file.role == "video"


def test_wait_without_an_id_takes_nobody_elses_recording(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    target = emulator.sessions[0]
    first = provider.start(target)
    emulator.clock.sleep(3600)
    provider.stop(first)
    emulator.clock.sleep(60)
    second = evolve(provider.start(target), id=None)
    with pytest.raises(rec.NotReady) as caught:
        provider.wait(second, timeout=timedelta(seconds=30))
    assert caught.value.session == second
    second = provider.stop(second)
    finished = provider.wait(second, timeout=timedelta(minutes=2))
    assert finished.id not in (None, first.id)


def test_without_max_duration_the_vendors_longest_is_sent(
    provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    provider.start(emulator.sessions[0])
    assert emulator.requests()[-1].json()["time_limit"] == 14400


def test_what_a_list_says_too_little_of_is_got_before_it_is_downloaded(
    provider: rec.Provider, emulator: PlivoEmulator, tmp_path: Path
) -> None:
    # A file's name ends in its format: the same recording would have two names.
    target = emulator.sessions[0]
    session = provider.start(target, format="wav")
    emulator.clock.sleep(10)
    recording = provider.wait(provider.stop(session), timeout=timedelta(minutes=2)).recordings[0]
    said_less = evolve(recording, files=(evolve(recording.files[0], format=None),))
    (before,) = provider.download(recording, tmp_path)
    (after,) = provider.download(said_less, tmp_path)
    assert (after.path, after.file.format) == (before.path, "wav")


@pytest.mark.parametrize("timeout", [None, 60, timedelta(0)])
def test_a_wait_without_a_bound_is_refused_before_anything_is_asked(
    timeout: Any, provider: rec.Provider, emulator: PlivoEmulator
) -> None:
    session = provider.start(emulator.sessions[0])
    asked = len(emulator.requests())
    with pytest.raises((TypeError, ValueError), match="timeout"):
        provider.wait(session, timeout=timeout)
    assert len(emulator.requests()) == asked
