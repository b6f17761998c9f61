"""Requirements for webhooks: only genuine events are received, each of them once."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve, frozen

from recording_core import (
    NotFound,
    Operation,
    Receiver,
    Recording,
    RecordingEvent,
    RecordingSession,
    WebhookRejected,
    WebhookRequest,
    unsafe_parse,
)
from recording_core.model.events import LASTING, TOGGLES, build_event, build_event_key
from recording_core.testing.conformance.base import (
    ConformanceBase,
    check_equal,
    skip_undeclared,
    state_requirement,
)
from recording_core.testing.conformance.forgeries import (
    JUNK,
    generate_bodies,
)
from recording_core.testing.conformance.secrecy import check_reprs
from recording_core.testing.emulator.server import LoopbackServer, Reply, Request


@frozen
class SessionRun:
    """A session that was run.

    Attributes:
        begun: what its start returned
        requests: its webhook requests, oldest first
        polled: what `get` returned, oldest first
        steps: when it was started, paused, resumed and ended, and when it was final
        before_end: the number of requests before its end
        before_final: the number of requests after its end and before the media was there; what
            `get` returned then is `at_end`
    """

    begun: RecordingSession
    requests: list[WebhookRequest]
    polled: list[Recording]
    steps: Mapping[str, datetime]
    before_end: int
    before_final: int
    at_end: tuple[Recording, ...]


class WebhookRequirements(ConformanceBase):
    """Requirements for the provider's webhooks."""

    # -- events of the emulator ------------------------------------------------------------------

    def build_receiver(self, **others: Any) -> Receiver:
        """Build a receiver with the emulator's secret or key on its clock, or other arguments."""
        arguments = {**self.vendor.webhooks, "clock": self.vendor.clock, **others}
        return Receiver(self.vendor.provider, **arguments)

    def run_sessions(self) -> Iterator[SessionRun]:
        """Run a session of each kind."""
        any_request = False
        verbs = self.build_verbs(self.provider)
        for target in self.find_live_targets(Operation.GET):
            before = len(self.vendor.build_webhook_requests())
            steps = {"start": self.vendor.clock.now()}
            session = begun = self.begin(self.provider, target)
            polled = [*self._poll(session)]
            self.vendor.advance(self.warm_up)
            polled += self._poll(session)
            pausing = (Operation.PAUSE, Operation.RESUME)
            if all(self.provider.can(each, target.kind) for each in pausing):
                for operation in pausing:
                    steps[operation] = self.vendor.clock.now()
                    session = verbs[operation](session)
                    self.vendor.advance(self.warm_up)
            before_end = len(self.vendor.build_webhook_requests()) - before
            steps["end"] = self.vendor.clock.now()
            session = self.vendor.finish_session(self.provider, session)
            before_final = len(self.vendor.build_webhook_requests()) - before
            at_end = self._poll(session)
            polled += at_end
            polled += self.provider.wait(session, timeout=self.processing_timeout).recordings
            steps["final"] = self.vendor.clock.now()
            requests = self.vendor.build_webhook_requests()[before:]
            any_request = any_request or bool(requests)
            yield SessionRun(begun, requests, polled, steps, before_end, before_final, at_end)
        assert any_request, (
            "Emulator.build_webhook_requests returned no event of a recording that was started "
            "and stopped: call deliveries.follow for each started recording"
        )

    def _poll(self, session: RecordingSession) -> tuple[Recording, ...]:
        if session.id is None:
            return ()
        try:
            return (self.provider.get(session.id, target=session.target),)
        except NotFound:
            return ()  # some vendors return a recording only after its end

    def find_genuine_request(self) -> WebhookRequest:
        """Return a signed webhook request about a recording."""
        for run in self.run_sessions():
            for request in run.requests:
                if unsafe_parse(self.vendor.provider, request):
                    return request
        raise AssertionError("no webhook request of the emulator is about a recording")

    # -- requirements ----------------------------------------------------------------------------

    def test_each_request_verifies_and_names_its_recording(self) -> None:
        ours = self.build_receiver(account="other")
        for run in self.run_sessions():
            ids = {each.id.casefold() for each in run.polled}
            for event in _receive_all(ours, run):
                with state_requirement("an event names the recording that get returns"):
                    assert event.recording_id is not None, f"no recording id: {event!r}"
                    assert event.recording_id.casefold() in ids, (
                        f"event.recording_id is {event.recording_id!r}, get returns {ids}"
                    )
                    owner = (self.provider.name, "other")
                    check_equal(
                        "(provider, account) of the event", (event.provider, event.account), owner
                    )
                    if (found := event.recording) is not None:
                        its = (found.provider, found.account)
                        check_equal("(provider, account) of the event's recording", its, owner)
                    assert not event.replayed, f"the first delivery is replayed: {event!r}"

    def test_an_event_has_the_same_key_by_webhook_and_by_polling(self) -> None:
        ours = self.build_receiver()
        compared = 0
        for run in self.run_sessions():
            keys = {event.key for each in run.polled if (event := build_event(each)) is not None}
            for event in _receive_all(ours, run):
                if event.kind not in LASTING:
                    continue
                with state_requirement(
                    "the key of a lasting event consists of provider, account, recording and kind"
                ):
                    expected = build_event_key(
                        event.provider, event.account, event.recording_id, event.kind
                    )
                    check_equal("the key", event.key, expected)
                compared += event.key in keys
        with state_requirement("an event has the same key by webhook and by polling"):
            assert compared, "no key of a webhook event equals the key of a poll"

    def test_reconcile_dispatches_only_what_no_webhook_delivered(self) -> None:
        self.require_declared(Operation.LIST)
        ours = self.build_receiver()
        dispatched: list[RecordingEvent] = []
        ours.listen(dispatched.append)
        for run in self.run_sessions():
            _receive_all(ours, run)
        by_webhook = {event.key for event in dispatched}
        reconciled = ours.reconcile(self.provider, **self.bounds)
        with state_requirement("reconcile dispatches once what no webhook delivered"):
            assert by_webhook, "no webhook event was dispatched"
            repeated = by_webhook.intersection(event.key for event in reconciled)
            assert not repeated, f"reconcile dispatched again: {repeated}"
            later = [event.key for event in dispatched[len(by_webhook) :]]
            returned = [each.key for each in reconciled]
            assert later == returned, f"listeners received {later}, reconcile returned {returned}"
            again = ours.reconcile(self.provider, **self.bounds)
            assert len(again) == 0, f"a second reconcile dispatched {again}"

    def test_no_recording_is_lost_if_deliveries_fail(self) -> None:
        self.require_declared(Operation.LIST)
        ours = self.build_receiver()
        dispatched: list[RecordingEvent] = []
        failing = [True]

        @ours.listen
        def listen(event: RecordingEvent) -> None:
            if failing[0]:
                raise ConnectionError("the application's database is not reachable")
            dispatched.append(event)

        def answer(request: Request) -> Reply:
            url = request.origin + request.path
            try:
                ours.receive(WebhookRequest(request.method, url, request.headers, request.body))
            except WebhookRejected as error:
                return Reply(error.status)
            return Reply(200)

        with LoopbackServer(answer) as server:
            self.vendor.deliver_to(f"{server.origin}/hook")
            runs = list(self.run_sessions())
            self.vendor.wait_for_deliveries()
            statuses = {attempt.status for attempt in self.vendor.deliveries.attempts}
            with state_requirement("a webhook request whose listener raises gets HTTP 503"):
                assert statuses == {503}, f"the responses have the statuses {statuses}"
                assert dispatched == [], f"the listener received {dispatched}"
            failing[0] = False
            self.vendor.advance(self.processing_timeout)  # redeliveries are due by then
            self.vendor.wait_for_deliveries()
        ours.reconcile(self.provider, **self.bounds)
        for run in runs:  # some vendors list these only by target
            ours.reconcile(self.provider, **self.bounds, target=run.begun.target)
        keys = [event.key for event in dispatched]
        ends = {each.id: build_event(each) for run in runs for each in run.polled}
        with state_requirement(
            "the end of each recording is dispatched once, by webhook or by reconcile"
        ):
            missing = {event.key for event in ends.values() if event is not None} - set(keys)
            assert not missing, f"events were not dispatched: {missing}"
            assert len(keys) == len(set(keys)), f"events were dispatched twice: {keys}"

    def test_a_replayed_request_is_returned_and_not_dispatched(self) -> None:
        ours = self.build_receiver()
        request = self.find_genuine_request()
        dispatched: list[RecordingEvent] = []
        ours.listen(dispatched.append)
        first, again = ours.receive(request), ours.receive(request)
        with state_requirement("a second delivery has replayed=True and reaches no listener"):
            assert [event.replayed for event in first] == [False] * len(first), f"{first}"
            assert [event.replayed for event in again] == [True] * len(first), f"{again}"
            assert dispatched == list(first), f"listeners received {dispatched}, not {first}"

    def test_pauses_and_resumes_are_dispatched_again(self) -> None:
        ours = self.build_receiver()
        dispatched: list[RecordingEvent] = []
        ours.listen(dispatched.append)
        for run in self.run_sessions():
            session = run.begun
            for request in run.requests:
                first = ours.receive(request)
                for event in first:
                    session = session.apply(event)
                if not any(event.kind in TOGGLES for event in first):
                    continue
                with state_requirement("a second delivery of a pause or resume is dispatched"):
                    del dispatched[:]
                    again = ours.receive(request)
                    replays = [each for each in again if each.kind in TOGGLES]
                    assert all(each.replayed for each in replays), f"{again}"
                    check_equal("what listeners received", dispatched, replays)
                with state_requirement("a second delivery of a pause or resume changes nothing"):
                    for event in again:
                        check_equal("the session", session.apply(event), session)

    def test_any_body_raises_nothing_but_webhook_rejected(self) -> None:
        ours = self.build_receiver()
        request = self.find_genuine_request()
        genuine = freeze_events(ours.verify(request))
        bodies = [*JUNK, *generate_bodies(request.body)]
        bodies += [request.body[:length] for length in range(len(request.body))]
        for body in bodies:
            forged = evolve(request, body=body)
            with state_requirement(f"a request with the body {body[:80]!r} is read or rejected"):
                # The parameters of a GET are in its URL; its body is ignored.
                outcome = find_outcome(ours, forged)
                assert outcome in (400, 401, genuine), f"the outcome is {outcome}"
                try:
                    events = unsafe_parse(self.vendor.provider, forged)
                except WebhookRejected:
                    continue
                trusted = [event for event in events if event.trusted]
                assert not trusted, f"unsafe_parse returned trusted events: {trusted}"
                is_silent = events == () and body == b"{" and request.body[:1] == b"{"
                assert not is_silent, "a body that is not JSON is a webhook without an event"

    def test_the_session_is_the_same_in_any_order_of_events(self) -> None:
        for run in self.run_sessions():
            ids = {each.id.casefold() for each in run.polled}
            events = _receive_all(self.build_receiver(), run)
            events = [each for each in events if (each.recording_id or "").casefold() in ids]
            ends = set()
            for order in itertools.islice(itertools.permutations(events), 200):
                after = run.begun
                for event in (*order, *order):
                    after = after.apply(event)
                files = tuple((each.id, each.status) for each in after.recordings)
                ends.add((after.status, after.pauses, files))
            with state_requirement(
                "late, duplicate and reordered events give the same session as ordered ones"
            ):
                assert len(ends) == 1, f"status, pauses and recordings differ by order: {ends}"

    def test_no_repr_or_log_shows_a_secret(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        if "secret" not in self.vendor.webhooks:
            skip_undeclared("a shared secret, since the vendor signs with a key pair")
        secret = self.vendor.webhooks["secret"]
        request = self.find_genuine_request()
        ours = self.build_receiver()
        values: list[Any] = [ours, *vars(ours).values(), request, *ours.receive(request)]
        with pytest.raises(WebhookRejected) as caught:
            ours.receive(evolve(request, headers=[]))
        values += [caught.value, [each.getMessage() for each in caplog.records]]
        check_reprs({secret: "the secret"}, values)


def _receive_all(ours: Receiver, run: SessionRun) -> list[RecordingEvent]:
    """Receive the webhook requests of a session."""
    return [event for request in run.requests for event in ours.receive(request)]


def find_outcome(ours: Receiver, request: WebhookRequest) -> list[Any] | int:
    """Return the events of a request, or the status with which it is rejected."""
    try:
        return freeze_events(ours.verify(request))
    except WebhookRejected as error:
        return error.status


def freeze_events(events: tuple[RecordingEvent, ...]) -> list[Any]:
    """Return the content of events that can be compared, without the id that no vendor signs."""
    return [
        (evolve(event, delivery_id=None), json.dumps(event.raw, sort_keys=True, default=str))
        for event in events
    ]
