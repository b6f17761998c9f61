"""What do the verbs do around a vendor's answer? Core's own part, through an emulator."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from attrs import evolve

import recording_core as rec
from recording_core.testing import Emulator
from recording_plivo.emulator import PlivoEmulator


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
    with pytest.raises(rec.Rejected, match="another path"):
        provider.delete(recording)
    assert emulator.requests() == []


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
