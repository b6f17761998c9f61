"""Conformance base: the connection, hooks and helpers that all requirements share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import pytest

from recording_core import (
    CommunicationSession,
    HttpSettings,
    Operation,
    Provider,
    Recording,
    RecordingSession,
    SessionKind,
)
from recording_core.testing.conformance.documented_types import find_type_error
from recording_core.testing.conformance.guard import ConnectionGuard, guard_connections
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Request

#: In seconds of real time: an emulator that stops answering must not make each test slow.
_TOTAL_TIMEOUT = 10.0
#: No retries and one page at a time: each fault hits one request, in a known order.
SINGLE_REQUESTS = HttpSettings(retries=0, workers=1, total_timeout=_TOTAL_TIMEOUT)

#: A kind that declares one of these can be recorded while it is live.
OF_LIVE_RECORDINGS = (
    *(Operation.START, Operation.PAUSE, Operation.RESUME, Operation.STOP, Operation.ACTIVE),
)

Call = Callable[[], Any]

#: How the reason of a skip begins, by which the table of a run separates them.
UNDECLARED = "not declared"
NOT_TESTED = "NOT TESTED"


class ConformanceBase:
    """The connection of each test, what a provider's author may override, and helpers."""

    #: within this time after its end a recording is final and its media available
    processing_timeout: ClassVar[timedelta] = timedelta(minutes=2)
    #: this long after its start a recording can be paused, and is long enough to be kept
    warm_up: ClassVar[timedelta] = timedelta(seconds=10)
    #: keywords that `start` needs at this vendor, by kind
    start_arguments: ClassVar[Mapping[SessionKind, Mapping[str, Any]]] = {}

    #: the emulated vendor of the test, which is its fixture `emulator`
    vendor: Emulator
    #: a provider that is connected to it
    provider: Provider
    #: forbids connections to anything but the vendor; `allow` names the suite's own ports
    guard: ConnectionGuard

    @pytest.fixture(autouse=True)
    def connect(self, emulator: Emulator) -> Iterator[None]:
        """Set `vendor` and `provider`, and forbid connections to anything but the vendor."""
        self.vendor = emulator
        http = HttpSettings(total_timeout=_TOTAL_TIMEOUT)
        with (
            guard_connections(emulator) as self.guard,
            emulator.connect(http=http) as self.provider,
        ):
            yield
        # pytest keeps the instance of each test, and with these the journals of all emulators.
        del self.vendor, self.provider, self.guard

    def begin(self, provider: Provider, target: CommunicationSession) -> RecordingSession:
        """Start a recording of the target. Override if that takes more than `provider.start`.

        A kind that the API cannot start is started by the emulator, as the vendor does on its own.
        """
        arguments = self.start_arguments.get(target.kind, {})
        return self.vendor.begin_session(provider, target, **arguments)

    def end(self, emulator: Emulator, session: RecordingSession) -> None:
        """End a recording without its provider; by default another connection stops it.

        The emulator hangs up if the API cannot stop this kind. Override with a hang-up if the
        emulator has one.
        """
        with emulator.connect() as other:
            emulator.finish_session(other, session)

    def build_verbs(
        self, provider: Provider
    ) -> Mapping[Operation, Callable[[RecordingSession], Any]]:
        """Return the verbs that take a session or its target, by operation."""
        return {
            Operation.START: lambda session: self.begin(provider, session.target),
            Operation.ACTIVE: lambda session: provider.active(session.target),
            Operation.PAUSE: provider.pause,
            Operation.RESUME: provider.resume,
            Operation.STOP: provider.stop,
        }

    def record_once(self, target: CommunicationSession) -> RecordingSession:
        """Start a recording, stop it, and wait until it is final."""
        session = self.begin(self.provider, target)
        self.vendor.advance(self.warm_up)
        return self.provider.wait(
            self.vendor.finish_session(self.provider, session), timeout=self.processing_timeout
        )

    def build_calls(
        self, provider: Provider, download_directory: Path | None = None
    ) -> dict[str, Call]:
        """Build a call of each declared verb, by kind, with live sessions.

        Without a directory there is no call of `download`.
        """
        calls: dict[str, Call] = {}
        bounds = self.bounds
        if provider.can(Operation.LIST):
            recordings = self.list_all()
            some = next((each for each in recordings if each.files), recordings[0])
            calls["list"] = lambda: list(provider.list(**bounds))
            if provider.can(Operation.GET):
                calls["get"] = partial(provider.get, some)
            if provider.can(Operation.DELETE):
                calls["delete"] = partial(provider.delete, recordings[-1])
            if download_directory and provider.can(Operation.DOWNLOAD):
                calls["download"] = partial(provider.download, some, download_directory)
        for target in self.list_live_targets():
            session = self.begin(self.provider, target)
            self.vendor.advance(self.warm_up)
            for operation, verb in self.build_verbs(provider).items():
                if provider.can(operation, target.kind):
                    calls[f"{target.kind} {operation}"] = partial(verb, session)
        return calls

    def authenticate(self, provider: Provider) -> None:
        """Send a first request, so that a token is fetched before requests are counted, faults
        are queued or answers are logged."""
        if provider.can(Operation.LIST):
            # To its end, so that no page is fetched ahead; of a day, as a provider may send nothing
            # for an empty period.
            list(provider.list(since=self.vendor.clock.now() - timedelta(days=1)))
        else:
            provider._control()

    def find_kinds(self, *operations: Operation) -> list[SessionKind]:
        """Return the kinds that declare all of the operations; skip without one."""
        kinds = [k for k in SessionKind if all(self.provider.can(each, k) for each in operations)]
        if not kinds:
            skip_undeclared(*operations)
        return kinds

    def find_targets(self, *operations: Operation) -> list[CommunicationSession]:
        """Return a live session of each kind of `find_kinds`."""
        return [self.find_session(kind) for kind in self.find_kinds(*operations)]

    def find_live_targets(self, *operations: Operation) -> list[CommunicationSession]:
        """Return a live session of each kind that can be recorded, also by the vendor alone, and
        that declares all of the operations; skip without one."""
        if targets := self.list_live_targets(*operations):
            return targets
        skip_undeclared(*operations)

    def list_live_targets(self, *operations: Operation) -> list[CommunicationSession]:
        """Return what `find_live_targets` does, which may be nothing."""
        kinds = [
            kind
            for kind in SessionKind
            if self.is_recorded_live(kind)
            and all(self.provider.can(each, kind) for each in operations)
        ]
        return [self.find_session(kind) for kind in kinds]

    def is_recorded_live(self, kind: SessionKind) -> bool:
        """Whether a kind declares an operation of a recording that runs."""
        return any(self.provider.can(each, kind) for each in OF_LIVE_RECORDINGS)

    def find_session(self, kind: SessionKind) -> CommunicationSession:
        """Return a live session of a kind."""
        live = next((target for target in self.vendor.sessions if target.kind is kind), None)
        declared = [each for each in OF_LIVE_RECORDINGS if self.provider.can(each, kind)]
        assert live is not None, (
            f"Emulator.sessions has no live {kind}, but the provider declares "
            f"{', '.join(declared)} for a {kind}: add one to Emulator.sessions"
        )
        return live

    def require_declared(self, *operations: Operation) -> None:
        """Skip the test if no kind declares one of the operations."""
        if not all(map(self.provider.can, operations)):
            skip_undeclared(*operations)

    @contextmanager
    def require_request(self, *, write: bool = False) -> Iterator[list[Request]]:
        """Require that a request is sent inside and that the vendor accepts it.

        With `write` it is not a GET. The list has what was accepted, on leaving the block.
        """
        accepted: list[Request] = []
        with self.vendor.log_requests() as entries:
            yield accepted
        accepted += [
            each.request
            for each in entries
            if each.status < 300 and not (write and each.request.method == "GET")
        ]
        sent = ", ".join(f"{each.request.method} -> HTTP {each.status}" for each in entries)
        assert accepted, (
            f"the vendor accepted no request{' that changes anything' if write else ''}; the "
            f"provider sent: {sent or 'nothing'}"
        )

    def is_listable(self, kind: SessionKind) -> bool:
        """Whether the vendor's own list contains the recordings of a kind."""
        word = re.compile(rf"\b{kind}s?\b", re.IGNORECASE)  # "automatically" contains "call"
        return not any(map(word.search, self.provider.not_listable))

    def list_of_kind(
        self,
        kind: SessionKind,
        target: CommunicationSession | None = None,
        *,
        most: int | None = None,
        **filters: Any,
    ) -> list[Recording]:
        """List the recordings that are of a kind or name none, or the first ones.

        Those that the vendor's own list cannot contain are listed by the target, or by the live
        session of that kind.
        """
        filters = {**self.bounds, **filters}
        found = self.provider.list(**filters)
        if not self.is_listable(kind):
            found = self.provider.list(**filters, target=target or self.find_session(kind))
        return list(islice((each for each in found if each.kind in (kind, None)), most))

    @property
    def bounds(self) -> dict[str, Any]:
        """Keywords of `list` that include everything that the emulator lists."""
        return {"since": self.vendor.clock.now() - self.vendor.retention - timedelta(days=2)}

    def find_newest_bounds(self) -> dict[str, Any]:
        """Return keywords of `list` that include the 24 newest rows, which are read quickly."""
        moments = sorted(filter(None, map(find_listing_time, self.list_all())))
        return {"since": moments[-24:][0]} if moments else self.bounds

    def list_all(self, **filters: Any) -> list[Recording]:
        """List everything that the emulator lists."""
        return list(self.provider.list(**self.bounds, **filters))

    @contextmanager
    def alter_payloads(self, alter: Callable[[Request, Any], Any]) -> Iterator[None]:
        """Let a function rewrite each JSON payload of the vendor's API."""
        self.vendor.alter = alter
        try:
            yield
        finally:
            self.vendor.alter = None

    def log_answers(self, read: Callable[[], Any]) -> tuple[Any, list[Any]]:
        """Return what a call returns, and every JSON payload that it received."""
        answers: list[Any] = []

        def log(request: Request, payload: Any) -> Any:
            answers.append(payload)
            return payload

        with self.alter_payloads(log):
            return read(), answers

    @contextmanager
    def forbid_requests(self, requirement: str) -> Iterator[None]:
        """Require that no request reaches the vendor inside, on either port."""
        with state_requirement(requirement), self.vendor.forbid_requests():
            yield


@contextmanager
def state_requirement(requirement: str) -> Iterator[None]:
    """Add the requirement as a note to any error that is raised inside."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"The requirement: {requirement}")
        raise


def skip_undeclared(*what: str) -> NoReturn:
    """Skip a test because the provider does not declare something."""
    pytest.skip(f"{UNDECLARED}: {', '.join(what)}")


def check_equal(what: str, found: Any, expected: Any) -> None:
    """Require that a value is the expected one; the message names it."""
    assert found == expected, f"{what} is {found!r}, not {expected!r}"


def check_types(value: Any) -> None:
    """Require that each field of a value has its documented type."""
    wrong = find_type_error(value)
    assert wrong is None, wrong


def find_listing_time(recording: Recording) -> Any:
    """Return the time that `since` and `until` of a list apply to."""
    return recording.created_at or recording.started_at
