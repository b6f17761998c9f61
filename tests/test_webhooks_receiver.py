"""Receiver: webhooks are verified, parsed, and dispatched until every listener has returned."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core import plugin
from recording_core.model.events import build_event
from recording_plivo.emulator import PlivoEmulator

AVAILABLE = {"event": "available", "id": "R1"}


@pytest.fixture
def receiver(made_up: Any) -> rec.Receiver:
    return rec.receiver("sharing", secret=made_up.secret)


def test_verified_webhook_is_dispatched_and_returned(made_up: Any, receiver: rec.Receiver) -> None:
    (event,) = receiver.receive(made_up.build_request())
    assert (event.kind, event.recording_id, event.replayed) == (
        rec.EventKind.AVAILABLE,
        "R1",
        False,
    )
    assert made_up.dispatched == [event]


def test_repeated_event_is_a_replay_and_not_dispatched(
    made_up: Any, receiver: rec.Receiver
) -> None:
    (first,) = receiver.receive(made_up.build_request())
    (again,) = receiver.receive(made_up.build_request({**AVAILABLE, "more": "fields"}))
    assert again.replayed
    assert again.key == first.key
    assert made_up.dispatched == [first]


def test_each_pause_is_an_event_of_its_own(made_up: Any, receiver: rec.Receiver) -> None:
    for at in ("2026-06-01T12:00:00+00:00", "2026-06-01T12:05:00+00:00"):
        paused = {"event": "paused", "id": "R1", "at": at}
        receiver.receive(made_up.build_request(paused))
        (again,) = receiver.receive(made_up.build_request(paused))
        assert again.replayed
    assert [event.replayed for event in made_up.dispatched] == [False, True, False, True]
    assert len({event.key for event in made_up.dispatched}) == 2


@pytest.mark.parametrize("at", [None, "2026-06-01T12:00:00+00:00"])
def test_a_start_without_a_time_is_dispatched_again_after_a_pause(
    made_up: Any, receiver: rec.Receiver, at: str | None
) -> None:
    begun, paused = {"event": "started", "id": "R1", "at": at}, {"event": "paused", "id": "R1"}
    for payload in (begun, begun, paused, begun, {**begun, "id": "R2"}, begun):
        receiver.receive(made_up.build_request(payload))
    found = [(event.recording_id, event.kind.value, event.replayed) for event in made_up.dispatched]
    resumes = [("R1", "started", True)] if at is None else []
    assert found == [
        ("R1", "started", False),
        ("R1", "paused", False),
        *resumes,
        ("R2", "started", False),
        *resumes,
    ]


def test_application_listens_without_a_plugin(made_up: Any, receiver: rec.Receiver) -> None:
    received: list[rec.RecordingEvent] = []

    @receiver.listen
    def append(event: rec.RecordingEvent) -> None:
        received.append(event)

    receiver.receive(made_up.build_request())
    receiver.receive(made_up.build_request())
    assert received == made_up.dispatched
    assert len(received) == 1
    with pytest.raises(TypeError):
        receiver.listen("not callable")  # type: ignore[type-var]


def test_event_is_dispatched_again_after_a_listener_failed(
    made_up: Any, receiver: rec.Receiver
) -> None:
    made_up.listener_error = KeyError("the database is unavailable: password=hunter22")
    for _ in range(2):
        with pytest.raises(rec.WebhookRejected) as caught:
            receiver.receive(made_up.build_request())
        assert caught.value.status == 503
        assert caught.value.__cause__ is made_up.listener_error
        assert "hunter22" not in str(caught.value)
    made_up.listener_error = None
    (event,) = receiver.receive(made_up.build_request())
    assert not event.replayed
    assert made_up.dispatched == [event]


def test_application_listener_that_raises_is_503(made_up: Any, receiver: rec.Receiver) -> None:
    receiver.listen(lambda event: 1 / 0)
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.build_request())
    assert caught.value.status == 503
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_events_before_a_failed_one_in_the_same_request_are_stored(
    made_up: Any, receiver: rec.Receiver
) -> None:
    failing = {"R2"}

    @receiver.listen
    def fail(event: rec.RecordingEvent) -> None:
        if event.recording_id in failing:
            raise RuntimeError

    payloads = [{"event": "available", "id": id} for id in ("R1", "R2", "R3")]
    with pytest.raises(rec.WebhookRejected):
        receiver.receive(made_up.build_request(payloads))
    failing.clear()
    again = receiver.receive(made_up.build_request(payloads))
    assert [event.replayed for event in again] == [True, False, False]


def test_several_secrets_allow_a_rotation(made_up: Any) -> None:
    receiver = rec.receiver("sharing", secret=["new-secret", made_up.secret])
    for secret in ("new-secret", made_up.secret):
        receiver.receive(made_up.build_request(secret=secret))
    with pytest.raises(rec.WebhookRejected):
        receiver.receive(made_up.build_request(secret="another"))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"secret": None},
        {"secret": ""},
        {"secret": " \n"},
        {"secret": "\u200b\ufeff"},
        {"secret": "not text: \udcff"},
        {"secret": []},
        {"secret": ["good", ""]},
        {"secret": b"bytes"},
        {"secret": [b"bytes"]},
        {"secret": 7},
        {"secret": "good", "key": "PEM"},
        {"secret": "good", "account": ""},
    ],
)
def test_unusable_secret_raises_configuration_error(made_up: Any, wrong: Any) -> None:
    with pytest.raises(rec.ConfigurationError):
        rec.receiver("sharing", **wrong)
    with pytest.raises(rec.ConfigurationError):
        rec.receive("sharing", made_up.build_request(), **wrong)


def test_vendor_that_publishes_its_key_accepts_no_secret(made_up: Any) -> None:
    wrongs: tuple[Any, ...] = ({"secret": "x"}, {"key": ""}, {"key": []}, {"key": "not PEM"})
    for wrong in wrongs:
        with pytest.raises(rec.ConfigurationError):
            rec.receiver("publishing", **wrong)
    with pytest.raises(rec.ConfigurationError, match=r"rec\.receiver"):
        rec.receive("publishing", made_up.build_request())
    with pytest.raises(rec.ConfigurationError, match="key_url"):
        rec.Receiver("sharing", secret="x", key_url="https://example.com")


def test_provider_without_webhooks_raises_plugin_error(made_up: Any) -> None:
    with pytest.raises(rec.PluginError):
        rec.receiver("unknown", secret="x")


def test_receive_function_has_no_store(made_up: Any) -> None:
    for _ in range(2):
        (event,) = rec.receive("sharing", made_up.build_request(), secret=made_up.secret)
        assert not event.replayed
    assert len(made_up.dispatched) == 2


def test_unsafe_parse_does_not_verify(made_up: Any) -> None:
    forged = made_up.build_request(secret="another secret")
    (event,) = rec.unsafe_parse("sharing", forged, account="mine")
    assert not event.trusted
    assert event.account == "mine"
    assert made_up.dispatched == []


def test_forged_webhook_is_neither_parsed_nor_dispatched(
    made_up: Any, receiver: rec.Receiver
) -> None:
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.build_request(b"not even JSON", secret="another secret"))
    assert caught.value.status == 401
    assert made_up.dispatched == []


def test_verify_neither_dispatches_nor_stores(made_up: Any, receiver: rec.Receiver) -> None:
    assert len(receiver.verify(made_up.build_request())) == 1
    assert made_up.dispatched == []
    assert not receiver.receive(made_up.build_request())[0].replayed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"event": NaN}',
        b"null",
        b'"text"',
        b"9" * 5000,
        b'{"event": "available"}',
        b'{"event": "no such event", "id": "R1"}',
    ],
    ids=range(9),
)
def test_signed_but_unreadable_body_is_400(
    made_up: Any, receiver: rec.Receiver, body: bytes
) -> None:
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.build_request(body))
    assert caught.value.status == 400
    with pytest.raises(rec.WebhookRejected):
        rec.unsafe_parse("sharing", made_up.build_request(body))


def test_oversized_request_is_rejected_before_verification(
    made_up: Any, receiver: rec.Receiver
) -> None:
    genuine = made_up.build_request()
    many = [("x-signature", "0" * 64)] * 10_000
    for request, status in (
        (made_up.build_request(bytes(64 * 1024 * 1024)), 413),
        (rec.WebhookRequest("POST", genuine.url, many, genuine.body), 400),
        (made_up.build_request(Cookie="c" * 1_000_000), 400),
        (rec.WebhookRequest("POST", "https://h/?" + "q" * 70_000, genuine.headers, b"{}"), 400),
    ):
        start = time.thread_time()
        with pytest.raises(rec.WebhookRejected) as caught:
            receiver.receive(request)
        assert caught.value.status == status
        assert time.thread_time() - start < 0.01


def test_wrong_argument_type_raises_type_error(receiver: rec.Receiver) -> None:
    for wrong in (None, b"body", {"body": b""}):
        with pytest.raises(TypeError):
            receiver.receive(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            rec.unsafe_parse("sharing", wrong)  # type: ignore[arg-type]
    for body in ("text", 5, None):
        with pytest.raises(TypeError):
            rec.WebhookRequest("POST", "https://h", {}, body)  # type: ignore[arg-type]
    for not_text in (b"https://h", 5, None):
        with pytest.raises(TypeError, match="url"):
            rec.WebhookRequest("POST", not_text)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="method"):
            rec.WebhookRequest(not_text, "https://h")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        rec.receiver("sharing", secret="x", replay_store=object())  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.text(max_size=20),
    value=st.one_of(st.text(max_size=50), st.binary(max_size=50), st.lists(st.binary())),
    body=st.binary(max_size=200),
    signed=st.booleans(),
)
def test_any_request_raises_typed_errors_only(
    made_up: Any, receiver: rec.Receiver, name: str, value: Any, body: bytes, signed: bool
) -> None:
    headers = dict(made_up.build_request(body).headers) if signed else {"x-signature": value}
    request = rec.WebhookRequest("POST", "https://h", {**headers, name: value}, body)
    with contextlib.suppress(rec.WebhookRejected):
        receiver.receive(request)


def test_one_event_in_many_threads_is_dispatched_once(made_up: Any, receiver: rec.Receiver) -> None:
    barrier, events = threading.Barrier(8), list[rec.RecordingEvent]()
    receiver.listen(lambda event: time.sleep(0.05))

    def deliver() -> None:
        barrier.wait()
        events.extend(receiver.receive(made_up.build_request()))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(events) == 8
    assert [event.replayed for event in events].count(False) == 1
    assert len(made_up.dispatched) == 1


class AtomicStore:
    """The smallest store that the interface allows."""

    def __init__(self) -> None:
        self.keys: dict[str, timedelta] = {}
        self.lock = threading.Lock()

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        with self.lock:
            if key in self.keys:
                return False
            self.keys[key] = ttl
            return True

    def discard(self, key: str) -> None:
        self.keys.pop(key, None)


def test_store_without_contains_is_enough(made_up: Any) -> None:
    store = AtomicStore()
    receiver = rec.receiver("sharing", secret=made_up.secret, replay_store=store)
    made_up.listener_error = RuntimeError()
    with pytest.raises(rec.WebhookRejected):
        receiver.receive(made_up.build_request())
    assert not store.keys
    made_up.listener_error = None
    assert [receiver.receive(made_up.build_request())[0].replayed for _ in range(3)] == [
        False,
        True,
        True,
    ]
    assert len(store.keys) == 1


@pytest.mark.parametrize("store", [AtomicStore, rec.MemoryReplayStore])
def test_receivers_that_share_a_store_dispatch_an_event_once(made_up: Any, store: Any) -> None:
    shared, barrier = store(), threading.Barrier(8)
    events = list[rec.RecordingEvent]()

    def deliver() -> None:
        receiver = rec.receiver("sharing", secret=made_up.secret, replay_store=shared)
        receiver.listen(lambda event: time.sleep(0.05))
        barrier.wait()
        events.extend(receiver.receive(made_up.build_request()))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [event.replayed for event in events].count(False) == 1
    assert len(made_up.dispatched) == 1


class UnavailableStore:
    """A store whose server is unavailable."""

    def __contains__(self, key: object) -> bool:
        raise ConnectionError("redis://:hunter22@cache")

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        raise ConnectionError("redis://:hunter22@cache")

    def discard(self, key: str) -> None:
        raise ConnectionError("redis://:hunter22@cache")


def test_store_that_fails_is_503(made_up: Any) -> None:
    receiver = rec.receiver("sharing", secret=made_up.secret, replay_store=UnavailableStore())
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.build_request())
    assert caught.value.status == 503
    assert "hunter22" not in str(caught.value)
    assert made_up.dispatched == []


def test_reprs_logs_and_pickles_show_no_secret(
    made_up: Any, receiver: rec.Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.build_request(secret="another secret"))
    parts = [receiver, *vars(receiver).values(), *vars(receiver._verifier).values()]
    for text in (*map(repr, parts), *map(str, parts), repr(caught.value), caplog.text):
        assert made_up.secret not in text
    for part in (receiver, receiver._verifier):
        with pytest.raises(TypeError):
            pickle.dumps(part)


class ListingConnection:
    """A connection to a vendor that lists these recordings."""

    name = "sharing"
    account = "default"

    def __init__(self, *recordings: rec.Recording) -> None:
        self.recordings = recordings

    def list(self, *, since: Any = None, target: Any = None) -> rec.Listing:
        return rec.Listing(
            plugin.Query(since),
            lambda query: (plugin.Window(),),
            lambda query, window, cursor: plugin.Page(self.recordings),
            workers=1,
            now=lambda: None,  # type: ignore[arg-type, return-value]
        )


def build_recording(id: str, status: rec.RecordingStatus) -> rec.Recording:
    return rec.Recording("sharing", "default", id, status=status)


def test_reconciliation_dispatches_missing_events_with_the_keys_of_their_webhooks(
    made_up: Any, receiver: rec.Receiver
) -> None:
    receiver.receive(made_up.build_request())
    vendor: Any = ListingConnection(
        build_recording("R1", rec.RecordingStatus.AVAILABLE),
        build_recording("R2", rec.RecordingStatus.AVAILABLE),
        build_recording("R3", rec.RecordingStatus.PENDING),
        build_recording("R4", rec.RecordingStatus.PAUSED),
    )
    done = receiver.reconcile(vendor, since=None)
    assert [(each.recording_id, each.kind) for each in done] == [
        ("R2", rec.EventKind.AVAILABLE),
        ("R4", rec.EventKind.STARTED),
    ]
    assert done.coverage.complete
    assert made_up.dispatched[1:] == list(done)
    assert len(receiver.reconcile(vendor)) == 0
    (late,) = receiver.receive(made_up.build_request({"event": "available", "id": "R2"}))
    assert late.replayed


def test_reconciliation_continues_after_an_event_that_a_listener_fails_on(
    made_up: Any, receiver: rec.Receiver
) -> None:
    @receiver.listen
    def fail_on_first(event: rec.RecordingEvent) -> None:
        if event.recording_id == "R1":
            raise RuntimeError

    vendor: Any = ListingConnection(
        *(build_recording(id, rec.RecordingStatus.AVAILABLE) for id in ("R1", "R2"))
    )
    for dispatched in (["R2"], []):
        done = receiver.reconcile(vendor)
        assert [each.recording_id for each in done] == dispatched
        assert [each.recording_id for each in done.failed] == ["R1"]


def test_reconciliation_with_another_account_raises_value_error(receiver: rec.Receiver) -> None:
    for name, account in (("other", "default"), ("sharing", "other")):
        vendor: Any = ListingConnection()
        vendor.name, vendor.account = name, account
        with pytest.raises(ValueError, match="this receiver is for"):
            receiver.reconcile(vendor)


def test_event_survives_json(made_up: Any, receiver: rec.Receiver) -> None:
    (event,) = receiver.receive(made_up.build_request())
    loaded = rec.loads(rec.dumps(event), rec.RecordingEvent)
    assert loaded == event
    assert type(loaded.kind) is rec.EventKind
    assert json.loads(rec.dumps(event))["kind"] == "available"


def test_untrusted_event_is_confirmed_by_reading_the_recording() -> None:
    with PlivoEmulator(recordings=3) as emulator, emulator.connect() as plivo:
        recording = plivo.get(emulator.list_ids()[0])
        event = build_event(recording)
        assert event is not None
        claimed = evolve(event, recording=None, target=None, trusted=False, delivery_id="d1")
        sure = plivo.confirm(claimed)
        assert sure == evolve(event, delivery_id="d1")
        assert sure.trusted
        plivo.delete(recording)
        with pytest.raises(rec.NotFound):
            plivo.confirm(claimed)
        for foreign in ({"provider": "acme"}, {"account": "other"}, {"recording_id": None}):
            with pytest.raises(ValueError, match="the event"):
                plivo.confirm(evolve(claimed, **foreign))
        with pytest.raises(TypeError):
            plivo.confirm(recording)  # type: ignore[arg-type]
