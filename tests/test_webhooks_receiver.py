"""Does a callback become events once verified, and is each announced until somebody took it?"""

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

TOLD = {"event": "available", "id": "R1"}


@pytest.fixture
def receiver(made_up: Any) -> rec.Receiver:
    return rec.receiver("sharing", secret=made_up.secret)


def test_a_verified_callback_is_announced_and_returned(
    made_up: Any, receiver: rec.Receiver
) -> None:
    (event,) = receiver.receive(made_up.callback())
    assert (event.kind, event.recording_id, event.replayed) == (
        rec.EventKind.AVAILABLE,
        "R1",
        False,
    )
    assert made_up.heard == [event]


def test_the_same_fact_again_is_a_replay_and_not_announced(
    made_up: Any, receiver: rec.Receiver
) -> None:
    (first,) = receiver.receive(made_up.callback())
    (again,) = receiver.receive(made_up.callback({**TOLD, "wrapped": "otherwise"}))
    assert again.replayed
    assert again.key == first.key
    assert made_up.heard == [first]


def test_pauses_are_facts_of_their_own(made_up: Any, receiver: rec.Receiver) -> None:
    for at in ("2026-06-01T12:00:00+00:00", "2026-06-01T12:05:00+00:00"):
        paused = {"event": "paused", "id": "R1", "at": at}
        receiver.receive(made_up.callback(paused))
        (again,) = receiver.receive(made_up.callback(paused))
        assert again.replayed
    assert len(made_up.heard) == 2


def test_an_application_listens_without_a_plugin(made_up: Any, receiver: rec.Receiver) -> None:
    heard: list[rec.RecordingEvent] = []

    @receiver.listen
    def take(event: rec.RecordingEvent) -> None:
        heard.append(event)

    receiver.receive(made_up.callback())
    receiver.receive(made_up.callback())
    assert heard == made_up.heard
    assert len(heard) == 1
    with pytest.raises(TypeError):
        receiver.listen("no listener")  # type: ignore[type-var]


def test_a_failing_listener_is_reported_and_told_again(
    made_up: Any, receiver: rec.Receiver
) -> None:
    made_up.failing = KeyError("the database is away: password=hunter22")
    for _ in range(2):
        with pytest.raises(rec.WebhookRejected) as caught:
            receiver.receive(made_up.callback())
        assert caught.value.status == 503
        assert caught.value.__cause__ is made_up.failing
        assert "hunter22" not in str(caught.value)
    made_up.failing = None
    (event,) = receiver.receive(made_up.callback())
    assert not event.replayed
    assert made_up.heard == [event]


def test_an_applications_listener_that_fails_is_reported_too(
    made_up: Any, receiver: rec.Receiver
) -> None:
    receiver.listen(lambda event: 1 / 0)
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.callback())
    assert caught.value.status == 503
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_came_before_a_failure_in_one_request_stays_announced(
    made_up: Any, receiver: rec.Receiver
) -> None:
    bad = {"R2"}

    @receiver.listen
    def take(event: rec.RecordingEvent) -> None:
        if event.recording_id in bad:
            raise RuntimeError

    facts = [{"event": "available", "id": id} for id in ("R1", "R2", "R3")]
    with pytest.raises(rec.WebhookRejected):
        receiver.receive(made_up.callback(facts))
    bad.clear()
    again = receiver.receive(made_up.callback(facts))
    assert [event.replayed for event in again] == [True, False, False]


def test_several_secrets_serve_a_rotation(made_up: Any) -> None:
    receiver = rec.receiver("sharing", secret=["new-secret", made_up.secret])
    for secret in ("new-secret", made_up.secret):
        receiver.receive(made_up.callback(secret=secret))
    with pytest.raises(rec.WebhookRejected):
        receiver.receive(made_up.callback(secret="another"))


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"secret": None},
        {"secret": ""},
        {"secret": " \n"},
        {"secret": "\u200b\ufeff"},
        {"secret": "no text: \udcff"},
        {"secret": []},
        {"secret": ["good", ""]},
        {"secret": b"bytes"},
        {"secret": [b"bytes"]},
        {"secret": 7},
        {"secret": "good", "key": "PEM"},
        {"secret": "good", "account": ""},
    ],
)
def test_a_receiver_without_a_usable_secret_is_not_made(made_up: Any, wrong: Any) -> None:
    with pytest.raises(rec.ConfigurationError):
        rec.receiver("sharing", **wrong)
    with pytest.raises(rec.ConfigurationError):
        rec.receive("sharing", made_up.callback(), **wrong)


def test_a_vendor_that_publishes_its_key_takes_no_secret(made_up: Any) -> None:
    wrongs: tuple[Any, ...] = ({"secret": "x"}, {"key": ""}, {"key": []}, {"key": "no PEM"})
    for wrong in wrongs:
        with pytest.raises(rec.ConfigurationError):
            rec.receiver("publishing", **wrong)
    with pytest.raises(rec.ConfigurationError, match=r"rec\.receiver"):
        rec.receive("publishing", made_up.callback())
    with pytest.raises(rec.ConfigurationError, match="key_url"):
        rec.Receiver("sharing", secret="x", key_url="https://example.com")


def test_a_provider_without_webhooks_says_so(made_up: Any) -> None:
    with pytest.raises(rec.PluginError):
        rec.receiver("nobody", secret="x")


def test_one_use_has_no_store(made_up: Any) -> None:
    for _ in range(2):
        (event,) = rec.receive("sharing", made_up.callback(), secret=made_up.secret)
        assert not event.replayed
    assert len(made_up.heard) == 2


def test_unsafe_is_what_is_not_verified(made_up: Any) -> None:
    forged = made_up.callback(secret="a stranger's")
    (event,) = rec.unsafe_parse("sharing", forged, account="mine")
    assert not event.trusted
    assert event.account == "mine"
    assert made_up.heard == []


def test_a_forged_callback_is_neither_read_nor_announced(
    made_up: Any, receiver: rec.Receiver
) -> None:
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.callback(b"not even JSON", secret="a stranger's"))
    assert caught.value.status == 401
    assert made_up.heard == []


def test_verifying_alone_neither_announces_nor_remembers(
    made_up: Any, receiver: rec.Receiver
) -> None:
    assert len(receiver.verify(made_up.callback())) == 1
    assert made_up.heard == []
    assert not receiver.receive(made_up.callback())[0].replayed


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
        b'{"event": "no such word", "id": "R1"}',
    ],
    ids=range(9),
)
def test_a_signed_body_that_nobody_can_read_is_400(
    made_up: Any, receiver: rec.Receiver, body: bytes
) -> None:
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.callback(body))
    assert caught.value.status == 400
    with pytest.raises(rec.WebhookRejected):
        rec.unsafe_parse("sharing", made_up.callback(body))


def test_what_is_too_large_is_refused_before_it_is_looked_at(
    made_up: Any, receiver: rec.Receiver
) -> None:
    genuine = made_up.callback()
    many = [("x-signature", "0" * 64)] * 10_000
    for request, status in (
        (made_up.callback(bytes(64 * 1024 * 1024)), 413),
        (rec.WebhookRequest("POST", genuine.url, many, genuine.body), 400),
        (made_up.callback(Cookie="c" * 1_000_000), 400),
        (rec.WebhookRequest("POST", "https://h/?" + "q" * 70_000, genuine.headers, b"{}"), 400),
    ):
        start = time.thread_time()
        with pytest.raises(rec.WebhookRejected) as caught:
            receiver.receive(request)
        assert caught.value.status == status
        assert time.thread_time() - start < 0.01


def test_a_wrong_argument_is_the_callers(receiver: rec.Receiver) -> None:
    for wrong in (None, b"body", {"body": b""}):
        with pytest.raises(TypeError):
            receiver.receive(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            rec.unsafe_parse("sharing", wrong)  # type: ignore[arg-type]
    for body in ("text", 5, None):
        with pytest.raises(TypeError):
            rec.WebhookRequest("POST", "https://h", {}, body)  # type: ignore[arg-type]
    for no_text in (b"https://h", 5, None):
        with pytest.raises(TypeError, match="url"):
            rec.WebhookRequest("POST", no_text)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="method"):
            rec.WebhookRequest(no_text, "https://h")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        rec.receiver("sharing", secret="x", replay_store=object())  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    name=st.text(max_size=20),
    value=st.one_of(st.text(max_size=50), st.binary(max_size=50), st.lists(st.binary())),
    body=st.binary(max_size=200),
    signed=st.booleans(),
)
def test_whatever_a_stranger_sends_only_typed_errors_leave(
    made_up: Any, receiver: rec.Receiver, name: str, value: Any, body: bytes, signed: bool
) -> None:
    headers = dict(made_up.callback(body).headers) if signed else {"x-signature": value}
    request = rec.WebhookRequest("POST", "https://h", {**headers, name: value}, body)
    with contextlib.suppress(rec.WebhookRejected):
        receiver.receive(request)


def test_one_fact_at_many_threads_is_announced_once(made_up: Any, receiver: rec.Receiver) -> None:
    barrier, events = threading.Barrier(8), list[rec.RecordingEvent]()
    receiver.listen(lambda event: time.sleep(0.05))

    def deliver() -> None:
        barrier.wait()
        events.extend(receiver.receive(made_up.callback()))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(events) == 8
    assert [event.replayed for event in events].count(False) == 1
    assert len(made_up.heard) == 1


class OnlyAtomic:
    """The smallest store that the interface asks for."""

    def __init__(self) -> None:
        self.keys: dict[str, timedelta] = {}

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        return self.keys.setdefault(key, ttl) is ttl


def test_a_store_that_only_adds_will_do(made_up: Any) -> None:
    store = OnlyAtomic()
    receiver = rec.receiver("sharing", secret=made_up.secret, replay_store=store)
    made_up.failing = RuntimeError()
    with pytest.raises(rec.WebhookRejected):
        receiver.receive(made_up.callback())
    assert not store.keys
    made_up.failing = None
    assert [receiver.receive(made_up.callback())[0].replayed for _ in range(3)] == [
        False,
        True,
        True,
    ]
    assert len(store.keys) == 1


@pytest.mark.parametrize("store", [OnlyAtomic, rec.MemoryReplayStore])
def test_receivers_that_share_a_store_announce_a_fact_once(made_up: Any, store: Any) -> None:
    shared, barrier = store(), threading.Barrier(8)
    events = list[rec.RecordingEvent]()

    def deliver() -> None:
        receiver = rec.receiver("sharing", secret=made_up.secret, replay_store=shared)
        receiver.listen(lambda event: time.sleep(0.05))
        barrier.wait()
        events.extend(receiver.receive(made_up.callback()))

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [event.replayed for event in events].count(False) == 1
    assert len(made_up.heard) == 1


class Away:
    """A store whose server is away."""

    def __contains__(self, key: object) -> bool:
        raise ConnectionError("redis://:hunter22@cache")

    def add_if_absent(self, key: str, ttl: timedelta) -> bool:
        raise ConnectionError("redis://:hunter22@cache")


def test_a_store_that_fails_is_503(made_up: Any) -> None:
    receiver = rec.receiver("sharing", secret=made_up.secret, replay_store=Away())
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.callback())
    assert caught.value.status == 503
    assert "hunter22" not in str(caught.value)
    assert made_up.heard == []


def test_no_repr_log_or_pickle_shows_a_secret(
    made_up: Any, receiver: rec.Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(rec.WebhookRejected) as caught:
        receiver.receive(made_up.callback(secret="a stranger's"))
    parts = [receiver, *vars(receiver).values(), *vars(receiver._verifier).values()]
    for text in (*map(repr, parts), *map(str, parts), repr(caught.value), caplog.text):
        assert made_up.secret not in text
    for part in (receiver, receiver._verifier):
        with pytest.raises(TypeError):
            pickle.dumps(part)


class Listed:
    """A connection whose vendor lists these recordings."""

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


def listed(id: str, status: rec.RecordingStatus) -> rec.Recording:
    return rec.Recording("sharing", "default", id, status=status)


def test_reconciling_announces_what_never_came_with_the_callbacks_key(
    made_up: Any, receiver: rec.Receiver
) -> None:
    receiver.receive(made_up.callback())
    vendor: Any = Listed(
        listed("R1", rec.RecordingStatus.AVAILABLE),
        listed("R2", rec.RecordingStatus.AVAILABLE),
        listed("R3", rec.RecordingStatus.PENDING),
        listed("R4", rec.RecordingStatus.PAUSED),
    )
    done = receiver.reconcile(vendor, since=None)
    assert [(each.recording_id, each.kind) for each in done] == [
        ("R2", rec.EventKind.AVAILABLE),
        ("R4", rec.EventKind.STARTED),
    ]
    assert done.coverage.complete
    assert made_up.heard[1:] == list(done)
    assert len(receiver.reconcile(vendor)) == 0
    (late,) = receiver.receive(made_up.callback({"event": "available", "id": "R2"}))
    assert late.replayed


def test_a_recording_that_a_listener_cannot_bear_keeps_no_other_back(
    made_up: Any, receiver: rec.Receiver
) -> None:
    @receiver.listen
    def take(event: rec.RecordingEvent) -> None:
        if event.recording_id == "R1":
            raise RuntimeError

    vendor: Any = Listed(*(listed(id, rec.RecordingStatus.AVAILABLE) for id in ("R1", "R2")))
    for announced in (["R2"], []):
        done = receiver.reconcile(vendor)
        assert [each.recording_id for each in done] == announced
        assert [each.recording_id for each in done.failed] == ["R1"]


def test_reconciling_with_another_account_is_the_callers_mistake(receiver: rec.Receiver) -> None:
    for name, account in (("other", "default"), ("sharing", "other")):
        vendor: Any = Listed()
        vendor.name, vendor.account = name, account
        with pytest.raises(ValueError, match="this receiver is for"):
            receiver.reconcile(vendor)


def test_an_event_is_json_and_back(made_up: Any, receiver: rec.Receiver) -> None:
    (event,) = receiver.receive(made_up.callback())
    assert rec.loads(rec.dumps(event), rec.RecordingEvent) == event
    assert json.loads(rec.dumps(event))["kind"] == "available"


def test_an_event_that_leaves_room_is_confirmed_by_reading_anew() -> None:
    with PlivoEmulator(recordings=3) as emulator, emulator.connect() as plivo:
        recording = plivo.get(emulator.listed()[0])
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
            with pytest.raises(ValueError, match="this event"):
                plivo.confirm(evolve(claimed, **foreign))
        with pytest.raises(TypeError):
            plivo.confirm(recording)  # type: ignore[arg-type]
