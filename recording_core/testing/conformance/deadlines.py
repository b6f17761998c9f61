"""Requirements for deadlines: each verb returns in time, however slowly the vendor responds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from attrs import evolve

from recording_core import (
    HttpSettings,
    NotReady,
    Operation,
    OutcomeUnknown,
    RateLimited,
    RecordingError,
    Unavailable,
    UnsupportedOperation,
    connect,
)
from recording_core.clock import SystemClock
from recording_core.testing.conformance.base import Call, ConformanceBase, state_requirement
from recording_core.testing.conformance.copies import find_downloadable
from recording_core.testing.conformance.guard import ConnectionGuard
from recording_core.testing.conformance.replies import JSON
from recording_core.testing.emulator.server import Reply
from recording_core.testing.timing import assert_within
from recording_core.transport.rate_limit import TokenBucket

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


@contextmanager
def _open_full_port(guard: ConnectionGuard) -> Iterator[str]:
    """Yield a base URL at which connecting hangs: its queue is full, and nothing accepts."""
    with socket.socket() as server, ExitStack() as waiting:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        guard.allow(url := f"http://127.0.0.1:{server.getsockname()[1]}")
        for _ in range(8):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield url


@contextmanager
def _open_silent_port(guard: ConnectionGuard) -> Iterator[str]:
    """Yield an https base URL whose host accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        guard.allow(url := f"https://127.0.0.1:{server.getsockname()[1]}")
        yield url


@contextmanager
def _hold_name_resolution(_: ConnectionGuard) -> Iterator[str]:
    """Yield a base URL whose host's name is resolved when the block ends."""
    host, ended, resolve = "hanging-resolver.invalid", threading.Event(), socket.getaddrinfo

    def hang(name: Any, *others: Any, **more: Any) -> Any:
        if name != host:
            return resolve(name, *others, **more)
        ended.wait(_LONG)
        raise socket.gaierror

    with mock.patch("socket.getaddrinfo", hang):
        try:
            yield f"https://{host}"
        finally:
            ended.set()


#: What can block before anything is sent to the vendor.
BLOCKED: Mapping[str, Callable[[ConnectionGuard], AbstractContextManager[str]]] = {
    "the host accepts no connection": _open_full_port,
    "the TLS handshake never ends": _open_silent_port,
    "the name is not resolved": _hold_name_resolution,
}


class DeadlineRequirements(ConformanceBase):
    """Requirements for every verb, against every way to be slow."""

    def test_each_verb_returns_within_the_total_timeout(self) -> None:
        """The total of a listing applies per page. A start raises `OutcomeUnknown`."""
        with self.vendor.connect(http=HttpSettings(total_timeout=TOTAL)) as provider:
            with suppress(Unavailable):  # a busy machine may be as slow
                self.authenticate(provider)
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

    @pytest.mark.parametrize("what", BLOCKED)
    def test_each_verb_returns_in_time_if_no_connection_is_made(self, what: str) -> None:
        """Nothing was sent, so that a start raises `Unavailable` too."""
        with (
            BLOCKED[what](self.guard) as base_url,
            connect(
                self.vendor.provider,
                base_url=base_url,
                http=HttpSettings(total_timeout=TOTAL),
                **self.vendor.credentials,
            ) as provider,
            state_requirement(
                f"each verb returns within total_timeout={TOTAL} and raises Unavailable, also a "
                f"start, if {what}"
            ),
        ):
            for error in _run_in_time(self.build_calls(provider), TOTAL).values():
                assert type(error) is Unavailable, f"the verb raised {error!r}"

    def test_a_timeout_includes_the_wait_for_a_turn_under_the_rate(self, tmp_path: Path) -> None:
        """`total_timeout` does not include it: a rate limit makes no verb late."""
        some = find_downloadable(self)[0]
        sessions = [
            self.begin(self.provider, each) for each in self.list_live_targets(Operation.GET)
        ]
        limit = timedelta(seconds=TOTAL)
        calls: dict[str, Call] = {
            f"wait for a {each.target.kind}": partial(self.provider.wait, each, timeout=limit)
            for each in sessions
        }
        calls["download"] = partial(
            self.provider.download, some.id, tmp_path, target=some.target, timeout=limit
        )
        bucket = TokenBucket(0.001, SystemClock(), 1.0)
        bucket.take()  # the next one is allowed a quarter of an hour later
        self.provider.transport.bucket = bucket
        with state_requirement(f"each call returns within timeout={TOTAL} at an empty bucket"):
            for error in _run_in_time(calls, TOTAL).values():
                assert isinstance(error, NotReady | RateLimited), f"it raised {error!r}"

    def test_a_wait_for_a_session_without_an_id_returns_within_its_timeout(self) -> None:
        """Its recording is searched in the list, whose pages are fetched in other threads."""
        self.require_declared(Operation.LIST)
        sessions = [
            self.begin(self.provider, each) for each in self.list_live_targets(Operation.GET)
        ]
        calls: dict[str, Call] = {
            f"wait for a {each.target.kind}": partial(
                self.provider.wait, evolve(each, id=None), timeout=timedelta(seconds=TOTAL)
            )
            for each in sessions
        }
        for what in ("sends nothing", "drips the body"):
            self.vendor.faults.extend([SLOW[what]] * 40 * len(calls))
            with state_requirement(f"wait returns within timeout={TOTAL} if the vendor {what}"):
                for error in _run_in_time(calls, TOTAL).values():
                    expected = NotReady | UnsupportedOperation
                    assert isinstance(error, expected), f"wait raised {error!r}"
            self.vendor.faults.clear()

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
        some, seconds = find_downloadable(self)[0], TOTAL / 2
        limits: dict[str, Any] = {"target": some.target, "timeout": timedelta(seconds=seconds)}
        download = self.provider.download
        calls: dict[str, Call] = {
            "download by its id": partial(download, some.id, tmp_path / "api", **limits),
        }
        if some.files:  # otherwise an endpoint of the API names the media
            calls["download"] = partial(download, some, tmp_path / "media", **limits)
        for what, slow in SLOW.items():
            self.vendor.faults.extend([slow] * 40)
            self.vendor.media_faults.extend([evolve(slow, headers={})] * 40)
            with state_requirement(
                f"download returns within timeout={seconds}, raises Unavailable and leaves no file "
                f"if the API and the media host {what}"
            ):
                for error in _run_in_time(calls, seconds).values():
                    _check_timeout(error, Unavailable)
                files = [each for each in tmp_path.rglob("*") if each.is_file()]
                assert files == [], f"download left {files}"
            self.vendor.faults.clear()
            self.vendor.media_faults.clear()


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

    before = set(threading.enumerate())
    with ThreadPoolExecutor(len(calls) or 1) as threads:
        raised = dict(zip(calls, threads.map(run, calls), strict=True))
    # The pages that a listing fetches ahead end a moment later, before another test may notice.
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("recording-list") and thread.is_alive():
            thread.join(seconds * 2)
    return raised
