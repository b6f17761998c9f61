"""Requirements for deadlines: each verb returns in time, however slowly the vendor responds."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve

from recording_core import HttpSettings, Operation, OutcomeUnknown, RecordingError, Unavailable
from recording_core.testing.conformance.base import Call, ConformanceBase, state_requirement
from recording_core.testing.conformance.replies import JSON
from recording_core.testing.emulator.server import Reply
from recording_core.testing.timing import assert_within

#: In seconds. The read timeout is far longer and never ends a call here.
TOTAL = 0.3
_COMPLETE = Reply(200, b'{"message": "' + b"x" * 200 + b'"}', JSON)
_LONG = 30.0
SLOW: Mapping[str, Reply] = {
    "sends nothing": evolve(_COMPLETE, stall="headers", stall_seconds=_LONG),
    "stalls within the headers": evolve(_COMPLETE, drip="headers", drip_seconds=_LONG),
    "drips the headers": evolve(_COMPLETE, drip="headers"),
    "stalls before the body": evolve(_COMPLETE, stall="body", stall_seconds=_LONG),
    "stalls within the body": evolve(_COMPLETE, drip="body", drip_seconds=_LONG),
    "drips the body": evolve(_COMPLETE, drip="body"),
    "drips a body without a length": evolve(_COMPLETE, drip="body", framing="none"),
    "drips chunks": evolve(_COMPLETE, drip="body", framing="chunked"),
}


class DeadlineRequirements(ConformanceBase):
    """Requirements for every verb, against every way to be slow."""

    def test_each_verb_returns_within_the_total_timeout(self) -> None:
        """The total of a listing applies per page. A start raises `OutcomeUnknown`."""
        with self.vendor.connect(http=HttpSettings(total_timeout=TOTAL)) as provider:
            calls = self.build_calls(provider)
            for what, slow in SLOW.items():
                self.vendor.faults.extend([slow] * 40 * len(calls))
                with state_requirement(
                    f"each verb returns within total_timeout={TOTAL} if the vendor {what}"
                ):
                    errors = _run_in_time(calls, TOTAL)
                self.vendor.faults.clear()
                for verb, error in errors.items():
                    kind = OutcomeUnknown if verb.endswith(Operation.START) else Unavailable
                    with state_requirement(f"{verb} raises {kind.__name__} if the vendor {what}"):
                        _check_timeout(error, kind)

    def test_a_verb_of_several_requests_returns_within_the_total_timeout(self) -> None:
        """Each response arrives in time; the total applies to the verb, or the listing's page."""
        total = 1.0  # three such responses take longer than the total and its slack
        with self.vendor.connect(http=HttpSettings(total_timeout=total, workers=1)) as provider:
            calls = self.build_calls(provider)
            if "list" in calls:  # the total applies to its page
                calls["list"] = lambda: next(iter(provider.list(**self.bounds)))
            self.vendor.latency = timedelta(seconds=total * 0.8)
            with state_requirement(
                f"each verb returns within total_timeout={total} if each response takes "
                f"{total * 0.8} seconds"
            ):
                _run_in_time(calls, total)
            self.vendor.latency = timedelta(0)

    def test_a_download_returns_within_its_timeout(self, tmp_path: Path) -> None:
        self.require_declared(Operation.LIST, Operation.DOWNLOAD)
        some = next((each for each in self.list_all() if each.files), None)
        if some is None:
            pytest.skip("the emulator lists no recording with a file")
        download = partial(
            self.provider.download,
            directory=tmp_path,
            target=some.target,
            timeout=timedelta(seconds=TOTAL),
        )
        vendor = self.vendor
        for what, slow in SLOW.items():
            for host, faults, reply, given in (
                ("media host", vendor.media_faults, evolve(slow, headers={}), some),
                ("API", vendor.faults, slow, some.id),
            ):
                faults.extend([reply] * 40)
                with state_requirement(
                    f"download returns within timeout={TOTAL}, raises Unavailable and leaves no "
                    f"file if the {host} {what}"
                ):
                    raised = _run_in_time({"download": partial(download, given)}, TOTAL)
                    _check_timeout(raised["download"], Unavailable)
                    files = [each for each in tmp_path.rglob("*") if each.is_file()]
                    assert files == [], f"download left {files}"
                faults.clear()


def _check_timeout(error: RecordingError | None, kind: type[Unavailable | OutcomeUnknown]) -> None:
    assert type(error) is kind, f"the verb raised {error!r}"
    assert "within" in error.message, f"the message does not name the time: {error.message!r}"


def _run_in_time(calls: Mapping[str, Call], seconds: float) -> dict[str, RecordingError | None]:
    """Run all calls at once, each within so many seconds; return what each raised."""

    def run(verb: str) -> RecordingError | None:
        with assert_within(seconds), state_requirement(verb):
            try:
                calls[verb]()
            except RecordingError as error:
                return error
        return None

    with ThreadPoolExecutor(len(calls) or 1) as threads:
        return dict(zip(calls, threads.map(run, calls), strict=True))
