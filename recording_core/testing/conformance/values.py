"""Requirements for values: what is reported is what the suite recorded, and what is stored."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing.conformance.base import ConformanceBase, state_requirement
from recording_core.testing.conformance.parameters import build_bounds, find_values
from recording_core.testing.conformance.world import (
    AFTER_NOON,
    PLANS,
    Plan,
    Take,
    check_recording,
    check_session,
    record,
    use_local_time,
)

#: Between two recordings, and before an old one is read again.
_LATER = timedelta(hours=1, minutes=13, seconds=7)
#: Parameters that a recording reports.
_REPORTED = ("format", "channels", "title")
_SHORT = Plan(timedelta(seconds=20))
#: What a vendor may send in place of a number of channels, or names the field that states it.
_CHANNEL_WORDS = ("channel", "dual", "mono", "single", "stereo")
#: Codecs that may be requested as a format, and the formats of their files.
_CONTAINERS: Mapping[Any, tuple[str, ...]] = {"aac": ("m4a", "mp4"), "opus": ("ogg", "webm")}
#: How many of the recordings of a kind are looked at.
_MOST_ROWS = 25
_AVAILABLE = rec.RecordingStatus.AVAILABLE


class ValueRequirements(ConformanceBase):
    """Requirements for the values of sessions, recordings and files."""

    @pytest.fixture
    def another_time_zone(self, connect: None) -> Iterator[None]:
        """Shortly before midnight in UTC, and far from midnight by the local time."""
        self.vendor.advance(AFTER_NOON)
        with use_local_time("Asia/Kathmandu"):
            yield

    def test_times_durations_and_pauses_are_those_of_the_recording(
        self, another_time_zone: None
    ) -> None:
        for target in self.find_live_targets():
            kind, provider = target.kind, self.provider
            plans = PLANS if provider.can(rec.Operation.PAUSE, kind) else PLANS[:2]
            for plan in plans:
                with state_requirement(
                    f"{kind}: times, durations and pauses are those of the vendor's clock"
                ):
                    take = record(self, self.find_session(kind), plan)
                    self._check_reads(take)
                self.vendor.advance(_LATER)

    def _check_reads(self, take: Take) -> None:
        """Check what `wait`, `get` and `list` return of a recording, at once and later."""
        provider, kind = self.provider, take.target.kind
        recordings: dict[str, rec.Recording] = {}
        if provider.can(rec.Operation.GET, kind):
            session = provider.wait(take.session, timeout=self.processing_timeout)
            check_session("wait", session, take)
            recordings = {each.id: each for each in session.recordings}
        else:
            self.vendor.advance(self.processing_timeout)
        now = self.vendor.clock.now()
        for each in recordings.values():
            check_recording("wait", each, take, now)
        self.vendor.advance(_LATER)
        ids = recordings.keys() or {take.id} - {None}
        if provider.can(rec.Operation.LIST, kind):
            since = take.started - _LATER / 2
            listed = [*provider.list(since=since, target=take.target)]
            if self.is_listable(kind):
                listed += provider.list(since=since)
            found = [each for each in listed if each.id in ids]
            assert found or not ids, (
                f"list since {since} returns {[each.id for each in listed]}. Expected: also {ids}, "
                f"which the suite recorded at {take.started}"
            )
            for each in found:
                check_recording("list", each, take, now)
                recordings.setdefault(each.id, each)
        if provider.can(rec.Operation.GET, kind):
            for id in list(recordings):
                got = provider.get(id, target=take.target)
                check_recording("get", got, take, now)

    def test_sizes_channels_and_formats_are_those_of_the_media(self, tmp_path: Path) -> None:
        for kind in self.find_kinds(rec.Operation.DOWNLOAD):
            for number, recording in enumerate(self._find_samples(kind)):
                with state_requirement(
                    f"{kind}: sizes, channels and formats are those of the files that are stored, "
                    "and what the vendor sent"
                ):
                    self._check_media(recording, tmp_path / f"{kind}-{number}")

    def _find_samples(self, kind: rec.SessionKind) -> Iterator[rec.Recording]:
        """Yield a new recording if there can be one, and old ones; by `list` and by `get`."""
        newest: list[rec.Recording] = []
        listed: list[rec.Recording] = []
        if self.is_recorded_live(kind):
            target = self.find_session(kind)
            session = record(self, target, _SHORT).session
            self.vendor.advance(self.processing_timeout)
            if self.provider.can(rec.Operation.LIST, kind):
                newest += self.list_all(target=target)[:1]
            elif self.provider.can(rec.Operation.GET, kind):
                newest += self.provider.wait(session, timeout=self.warm_up).recordings
        if self.provider.can(rec.Operation.LIST, kind):
            listed += self.list_of_kind(kind, most=_MOST_ROWS)
        available = [each for each in listed if each.status is _AVAILABLE and each.files]
        for each in [*newest, *available[:1], *available[-1:]]:
            yield each
            if self.provider.can(rec.Operation.GET, kind):
                got, answers = self.log_answers(partial(self.provider.get, each))
                if answers:  # a vendor's answers may be another form than JSON
                    _check_evidence(got, list(_list_scalars(answers)))
                yield got

    def _check_media(self, recording: rec.Recording, directory: Path) -> None:
        if recording.status is not _AVAILABLE or not recording.files:
            return
        copies = self.provider.download(recording, directory)
        sizes = [each.size for each in copies]
        for each in copies:
            assert each.size == each.path.stat().st_size > 0, f"size of {each!r} is not its file's"
            assert each.file.size in (None, each.size), (
                f"size of file {each.file.id} of {recording.id} is {each.file.size}. Expected: "
                f"{each.size}, as many bytes as a download stores"
            )
        assert recording.size in (None, sum(sizes), *sizes), (
            f"size of {recording.id} is {recording.size}. Expected: {sum(sizes)}, as many bytes as "
            f"a download stores"
        )
        formats = {each.path.suffix.lstrip(".") for each in copies}
        formats |= {each.file.format or "" for each in copies if "format" in each.checks}
        assert recording.format is None or recording.format in formats, (
            f"format of {recording.id} is {recording.format}. Expected: that of a file that a "
            f"download stores, one of {formats}"
        )

    def test_a_recording_has_the_parameters_of_its_start(self) -> None:
        provider = self.provider
        for kind in self.find_kinds(rec.Operation.START, rec.Operation.GET):
            for name, bounds in build_bounds(provider, kind).items():
                for value in find_values(name, bounds) if name in _REPORTED else ():
                    with state_requirement(
                        f"{kind} start with {name}={value!r}: the recording has this {name}"
                    ):
                        arguments = {**self.start_arguments.get(kind, {}), name: value}
                        session = provider.start(self.find_session(kind), **arguments)
                        self.vendor.advance(self.warm_up)
                        session = self.vendor.finish_session(provider, session)
                        session = provider.wait(session, timeout=self.processing_timeout)
                        for each in session.recordings:
                            found = getattr(each, name)
                            assert found in (None, value, *_CONTAINERS.get(value, ())), (
                                f"{name} of {each.id} is {found!r}. Expected: {value!r}"
                            )
                    self.vendor.advance(_LATER)


def _check_evidence(recording: rec.Recording, sent: Collection[Any]) -> None:
    """Require that each number of a recording is in what the vendor sent."""
    words = " ".join(each for each in sent if isinstance(each, str)).lower()
    numbers = set(map(_read_number, sent)) - {None}
    texts = {float(each) for each in re.findall(r"\d+", words)}
    sizes = [each.size or 0 for each in recording.files]
    for part in (recording, *recording.files):
        for name in ("size", "sample_rate", "bit_rate", "channels"):
            value = getattr(part, name, None)
            if value is None or (name, value) == ("size", sum(sizes)):
                continue
            is_sent = not numbers.isdisjoint((value, value / 1000, value / 1024))
            if name == "channels":
                is_sent = is_sent or any(each in words for each in _CHANNEL_WORDS)
            else:
                is_sent = is_sent or not texts.isdisjoint((value, value / 1000))
            assert is_sent, (
                f"{name} of {part!r} is {value}. Expected: None, or a number that the vendor sent"
            )


def _read_number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) or value is None else float(value)
    except ValueError:
        return None


def _list_scalars(payload: Any) -> Iterator[Any]:
    """Yield each name and value inside a JSON payload that is neither an object nor an array."""
    if isinstance(payload, dict):
        yield from payload
        payload = list(payload.values())
    if isinstance(payload, list):
        for each in payload:
            yield from _list_scalars(each)
    else:
        yield payload
