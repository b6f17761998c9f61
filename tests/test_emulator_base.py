"""Emulator base: an author's names, failures inside it, and what the vendor alone can start."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
import weakref
from typing import Any

import pytest

import recording_core as rec
from recording_core import WebhookRequest, call
from recording_core.plugin import EmulatedEvent, Webhook, build_capabilities
from recording_core.testing import Emulator, LoopbackServer, ProviderConformance, Reply, Request


class Vendor(Emulator):
    """A vendor whose helpers have the names that the base class once used itself."""

    provider = "vendor"

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.credentials = {}
        self.sessions = [call("C1")]
        self._media = self._port = self._servers = self._webhook = self._assumed = None

    def _handle(self) -> None: ...

    def _find_origin(self) -> None: ...

    def populate(self) -> None: ...

    def list_ids(self) -> list[str]:
        return []

    def is_media(self, request: Request) -> bool:
        return request.path.endswith(".wav")

    def answer(self, request: Request) -> Reply:
        if request.path == "/fail":
            raise LookupError("no row for R1")
        return Reply.json({"path": request.path})

    def answer_media(self, request: Request) -> Reply:
        return Reply(200, b"media")

    def sign_event(self, event: EmulatedEvent, webhook: Webhook, now: Any) -> WebhookRequest:
        raise LookupError("no secret")


def fetch(url: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_authors_attribute_of_any_name_changes_nothing() -> None:
    with Vendor() as emulator:
        assert fetch(f"{emulator.base_url}/a") == (200, b'{"path":"/a"}')


def test_a_request_during_a_reset_reaches_the_control(monkeypatch: pytest.MonkeyPatch) -> None:
    statuses: list[int] = []
    construct = Vendor.__init__

    def request() -> None:
        statuses.append(fetch(f"{origin}/_emulator/a")[0])

    def construct_slowly(self: Vendor) -> None:
        construct(self)
        request()

    with Vendor() as emulator:
        origin = emulator.origin
        emulator.serve_control(lambda request: Reply(204))
        vars(emulator)["forgotten"] = threading.Event()
        weakref.finalize(vars(emulator)["forgotten"], request)
        monkeypatch.setattr(Vendor, "__init__", construct_slowly)
        emulator.reset()
    assert statuses == [204, 204]


def test_a_failure_inside_an_emulator_is_answered_and_raised_in_the_test() -> None:
    emulator = Vendor().start()
    status, body = fetch(f"{emulator.origin}/fail")
    assert status == 500
    assert b"in answer" in body
    assert b"LookupError: no row for R1" in body
    assert [entry.status for entry in emulator.journal] == [500]
    assert fetch(f"{emulator.origin}/a")[0] == 200
    with pytest.raises(LookupError, match="no row for R1"):
        emulator.stop()


def test_a_failure_to_sign_a_webhook_is_raised_in_the_test() -> None:
    emulator = Vendor().start()
    emulator.deliver_to("http://127.0.0.1:9/hook")
    event = EmulatedEvent(emulator.clock.now(), "available", {}, is_last=True)
    emulator.deliveries.follow("R1", lambda now: [event])
    with pytest.raises(LookupError, match="no secret"):
        emulator.wait_for_deliveries()
    with pytest.raises(LookupError, match="no secret"):
        emulator.stop()


def test_a_thread_that_has_not_started_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def close_and_start(thread: threading.Thread) -> None:
        emulator.deliveries.close()
        start(thread)

    with Vendor() as emulator:
        monkeypatch.setattr(threading.Thread, "start", close_and_start)
        emulator.deliver_to("http://127.0.0.1:9/hook")
        monkeypatch.undo()


def test_a_failure_inside_a_server_is_raised_in_the_test() -> None:
    def answer(request: Request) -> Reply:
        raise LookupError("a bug of the test")

    with pytest.raises(LookupError, match="a bug of the test"), LoopbackServer(answer) as server:
        assert fetch(server.origin)[0] == 500


def test_media_at_the_apis_origin_is_as_good_as_a_second_port() -> None:
    with Vendor() as emulator:
        emulator.media_faults.append(Reply(410))
        assert fetch(f"{emulator.origin}/r.wav")[0] == 410
        assert fetch(f"{emulator.origin}/r.wav") == (200, b"media")
        assert fetch(f"{emulator.origin}/r.json")[0] == 200
        assert [entry.port for entry in emulator.journal] == ["media", "media", "api"]


@pytest.mark.parametrize("method", ["begin_recording", "hang_up"])
def test_a_kind_that_cannot_be_started_needs_an_emulator_that_can(method: str) -> None:
    with pytest.raises(NotImplementedError, match=f"must implement {method}"):
        getattr(Vendor(), method)(call("C1"))


CONFERENCE = rec.conference("F1")
CAPABILITIES = build_capabilities(
    call="start stop get", conference="pause resume active get", meeting="list get"
)


class Recorded:
    """A provider whose verbs note their call; `active` finds what the emulator began."""

    name, account = "vendor", "default"

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def can(self, operation: rec.Operation, kind: rec.SessionKind) -> bool:
        return operation in CAPABILITIES[kind]

    def start(self, target: Any, **parameters: Any) -> Any:
        return self.note("start", target)

    def stop(self, session: Any) -> Any:
        return self.note("stop", session.target)

    def active(self, target: Any) -> Any:
        return self.note("active", target) if ("begin", target) in self.calls else None

    def note(self, verb: str, target: Any) -> rec.RecordingSession:
        self.calls.append((verb, target))
        return rec.RecordingSession(self.name, self.account, "R1", target)


class Vendors(Vendor):
    """A vendor that alone can start and end the recording of a conference."""

    provided: Any

    def begin_recording(self, target: rec.CommunicationSession) -> str:
        self.provided.note("begin", target)
        return "R1"

    def hang_up(self, target: rec.CommunicationSession) -> None:
        self.provided.note("hang up", target)


@pytest.fixture
def provided() -> Any:
    return Recorded()


@pytest.fixture
def vendors(provided: Any) -> Vendors:
    emulator = Vendors()
    emulator.provided = provided
    emulator.sessions = [call("C1"), CONFERENCE, rec.meeting("M1")]
    return emulator


def test_what_the_api_cannot_start_or_stop_the_emulator_does(
    vendors: Vendors, provided: Any
) -> None:
    for target, verbs in (
        (call("C1"), ["start", "stop"]),
        (CONFERENCE, ["begin", "active", "hang up"]),
    ):
        provided.calls.clear()
        session = vendors.begin_session(provided, target)
        assert (session.id, session.target) == ("R1", target)
        assert vendors.finish_session(provided, session).target == target
        assert provided.calls == [(verb, target) for verb in verbs]


def test_the_suite_records_each_kind_that_can_be_recorded(vendors: Vendors, provided: Any) -> None:
    suite = ProviderConformance()
    suite.vendor, suite.provider = vendors, provided
    assert suite.list_live_targets() == [call("C1"), CONFERENCE]
    assert suite.find_live_targets(rec.Operation.PAUSE) == [CONFERENCE]
    assert suite.list_live_targets(rec.Operation.LIST) == []
    with pytest.raises(pytest.skip.Exception):
        suite.find_live_targets(rec.Operation.LIST)
    assert suite.find_targets(rec.Operation.START) == [call("C1")]
