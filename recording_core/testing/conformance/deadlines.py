"""Does each verb come back in time? Whichever way its vendor, or a stranger between, is slow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from recording_core import (
    HttpSettings,
    Operation,
    OutcomeUnknown,
    Provider,
    ProviderError,
    Recording,
    RecordingError,
    Unavailable,
)
from recording_core.testing.conformance.base import (
    ConformanceBase,
    advance,
    carrying,
    horizon,
    promising,
)
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply
from recording_core.testing.timing import within

__all__ = ["DeadlineRequirements"]

#: Seconds. A read's own timeout, which is far longer, ends none of these.
TOTAL = 0.3
_BODY = b'{"message": "' + b"x" * 200 + b'"}'
_WHOLE = Reply(200, _BODY, {"Content-Type": "application/json"})
_LONG = 30.0
SLOW: Mapping[str, Reply] = {
    "says nothing": evolve(_WHOLE, stall="headers", stall_seconds=_LONG),
    "stalls within its headers": evolve(_WHOLE, drip="headers", drip_seconds=_LONG),
    "drips its headers": evolve(_WHOLE, drip="headers"),
    "stalls before its body": evolve(_WHOLE, stall="body", stall_seconds=_LONG),
    "stalls within its body": evolve(_WHOLE, drip="body", drip_seconds=_LONG),
    "drips its body": evolve(_WHOLE, drip="body"),
    "drips a body that it never measured": evolve(_WHOLE, drip="body", framing="none"),
    "drips chunks": evolve(_WHOLE, drip="body", framing="chunked"),
}

_Ask = Callable[[], Any]


class DeadlineRequirements(ConformanceBase):
    """Every verb, against every way to be slow."""

    def test_each_verb_is_back_within_the_total(self, emulator: Emulator) -> None:
        """A listing's bound is of its page; a start that got no answer leaves a doubt."""
        with emulator.connect(http=HttpSettings(total_timeout=TOTAL)) as provider:
            asks = self._verbs(provider, emulator)
            for what, slow in SLOW.items():
                emulator.faults.extend([slow] * 40 * len(asks))
                with promising(f"a vendor that {what}: each verb is back within the total"):
                    errors = _in_time(asks, TOTAL)
                emulator.faults.clear()
                for verb, error in errors.items():
                    kind = OutcomeUnknown if verb.endswith(Operation.START) else Unavailable
                    with promising(f"{verb}, whose vendor {what}: a {kind.__name__}"):
                        assert type(error) is kind, repr(error)
                        assert isinstance(error, ProviderError)
                        assert "within" in error.message, error.message

    def test_a_verb_of_many_exchanges_is_back_within_the_total(self, emulator: Emulator) -> None:
        """Each answer is in time by itself; what counts is the verb, or the listing's page."""
        total = 1.0  # of which three such answers pass even the second more
        with emulator.connect(http=HttpSettings(total_timeout=total, workers=1)) as provider:
            asks = self._verbs(provider, emulator)
            if "list" in asks:  # of which it is the page that has a bound
                asks["list"] = lambda: next(iter(provider.list(**horizon(emulator))))
            emulator.latency = timedelta(seconds=total * 0.8)
            with promising("answers that are nearly late: each verb is back within the total"):
                _in_time(asks, total)
            emulator.latency = timedelta(0)

    def test_a_download_is_back_within_its_timeout(
        self, emulator: Emulator, tmp_path: Path
    ) -> None:
        with emulator.connect() as provider:
            if not (provider.can(Operation.LIST) and provider.can(Operation.DOWNLOAD)):
                pytest.skip("list and download are not both declared")
            some = _with_media(provider, emulator)
            limit = timedelta(seconds=TOTAL)
            kept = partial(provider.download, some, tmp_path / "kept", timeout=limit)
            by_id = partial(
                provider.download, some.id, tmp_path / "by id", target=some.target, timeout=limit
            )
            for what, slow in SLOW.items():
                emulator.media_faults.extend([evolve(slow, headers={})] * 40)
                with promising(f"media that {what}: the download is back within its timeout"):
                    errors = _in_time({"download": kept}, TOTAL)
                emulator.media_faults.clear()
                emulator.faults.extend([slow] * 40)
                with promising(f"an API that {what}: the download is back within its timeout"):
                    errors |= _in_time({"download by id": by_id}, TOTAL)
                emulator.faults.clear()
                for verb, error in errors.items():
                    with promising(f"{verb}, {what}: Unavailable, and nothing is left behind"):
                        assert type(error) is Unavailable, repr(error)
                        assert "within" in error.message, error.message
                        left = [path for path in tmp_path.rglob("*") if path.is_file()]
                        assert left == []

    def _verbs(self, provider: Provider, emulator: Emulator) -> dict[str, _Ask]:
        """Each declared verb but the download, of each kind; with live sessions to ask of."""
        asks: dict[str, _Ask] = {}
        bounds = horizon(emulator)
        with emulator.connect() as patient:
            if provider.can(Operation.LIST):
                recordings = list(patient.list(**bounds))
                asks["list"] = lambda: list(provider.list(**bounds))
                if provider.can(Operation.GET):
                    asks["get"] = partial(provider.get, recordings[0])
                if provider.can(Operation.DELETE):
                    asks["delete"] = partial(provider.delete, recordings[-1])
            for target in carrying(emulator, provider.info, Operation.START):
                session = self.begin(patient, target)
                advance(emulator, self.warm_up)
                for operation, verb in self.verbs(provider).items():
                    if provider.can(operation, target.kind):
                        asks[f"{target.kind} {operation}"] = partial(verb, session)
        return asks


def _in_time(asks: Mapping[str, _Ask], seconds: float) -> dict[str, RecordingError | None]:
    """What each raised. All are asked at once: the slowest is waited for, and not the sum."""
    raised: dict[str, RecordingError | None] = {}
    wrong: list[BaseException] = []

    def one(verb: str, ask: _Ask) -> None:
        try:
            with within(seconds), promising(verb):
                try:
                    ask()
                    raised[verb] = None
                except RecordingError as error:
                    raised[verb] = error
        except BaseException as error:  # noqa: BLE001  # told below, in the test's own thread
            wrong.append(error)

    threads = [threading.Thread(target=one, args=each) for each in asks.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if wrong:
        raise wrong[0]
    return raised


def _with_media(provider: Provider, emulator: Emulator) -> Recording:
    found = [each for each in provider.list(**horizon(emulator)) if each.files]
    if not found:
        pytest.skip("the emulator lists no recording with a file")
    return found[0]
