"""Requirements for starts: sent at most once, and only what the caller asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

import recording_core as rec
from recording_core.testing.conformance.base import ConformanceBase, check_equal, state_requirement
from recording_core.testing.conformance.parameters import (
    build_bounds,
    find_values,
    find_values_beyond,
)
from recording_core.testing.conformance.replies import JSON, REJECTIONS, select_failures
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply, Request

_SHORT_TIMEOUT = rec.HttpSettings(read_timeout=0.4)  # in seconds of real time

#: Replies that do not show whether the vendor has started a recording.
UNKNOWN_OUTCOMES = select_failures(
    *("HTTP 500", "HTTP 502 with HTML", "HTTP 503", "HTTP 504"),
    *("truncated headers", "a truncated body", "a closed connection"),
    *("HTTP 200 with HTML", "HTTP 200 with truncated JSON"),
)
#: Valid JSON without a recording: the outcome is unknown, unless the vendor documents the reply.
UNEXPECTED: Mapping[str, Reply] = {
    f"HTTP 200 with {body.decode() or 'no body'}": Reply(200, body, JSON)
    for body in (b"", b"null", b"[]", b"{}", b"7", b'"words"')
}


#: Parameters whose values are sent as they are.
_VERBATIM = ("callback_url", "participant", "title")


class StartRequirements(ConformanceBase):
    """Requirements for `start`. A second start is a second recording and a second bill."""

    #: whether the body of the last start was a form
    _is_form = False

    def test_a_start_with_an_unknown_outcome_is_sent_once(self) -> None:
        self._check_unknown(self.provider, {**UNKNOWN_OUTCOMES, **_build_redirects(self.vendor)})

    def test_a_start_without_a_response_in_time_is_sent_once(self) -> None:
        with self.vendor.connect(http=_SHORT_TIMEOUT) as provider:
            stalls = select_failures("no headers in time", "no body in time")
            self._check_unknown(provider, stalls)

    def _check_unknown(self, provider: rec.Provider, replies: Mapping[str, Reply]) -> None:
        self.authenticate(provider)
        for target in self.find_targets(rec.Operation.START):
            for what, reply in replies.items():
                with state_requirement(
                    f"{target.kind} start raises OutcomeUnknown if the vendor sends {what}"
                ):
                    sent_at = self.vendor.clock.now()
                    error = self._start_once(provider, target, reply)
                    assert isinstance(error, rec.OutcomeUnknown), f"start gave {error!r}"
                    check_equal("error.target", error.target, target)
                    check_equal("error.sent_at", error.sent_at, sent_at)
                    assert error.parameters is not None, "error.parameters is None"
                    given = self.start_arguments.get(target.kind, {}).keys() - {"extra"}
                    missing = given - error.parameters.keys()
                    assert not missing, f"error.parameters lacks {missing}"

    def test_a_start_with_an_unexpected_response_is_sent_once(self) -> None:
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            for what, reply in UNEXPECTED.items():
                with state_requirement(
                    f"{target.kind} start returns a session or raises OutcomeUnknown if the "
                    f"vendor sends {what}"
                ):
                    outcome = self._start_once(self.provider, target, reply)
                    assert isinstance(outcome, rec.RecordingSession | rec.OutcomeUnknown), (
                        f"start gave {outcome!r}"
                    )

    def test_a_rejected_start_is_sent_once_and_raises_a_typed_error(self) -> None:
        # After a 429 nothing was started either; whether to start again is the caller's decision.
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            for status, kind in REJECTIONS.items():
                with state_requirement(
                    f"{target.kind} start raises {kind.__name__} if the vendor sends HTTP {status}"
                ):
                    reply = self.vendor.build_error(status)
                    error = self._start_once(self.provider, target, reply)
                    assert type(error) is kind, f"start gave {error!r}"
                    check_equal("error.status", error.status, status)

    def test_parameters_at_their_bounds_are_sent_and_others_raise_before_any_request(self) -> None:
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            for name, value in self._find_values(target.kind):
                with state_requirement(f"{target.kind} start sends {name}={value!r}"):
                    self._send_start(target, **{name: value})
            for name, bounds in build_bounds(self.provider, target.kind).items():
                for value in find_values_beyond(name, bounds):
                    with (
                        self.forbid_requests(
                            f"{target.kind} start raises for {name}={value!r}, which is outside "
                            "its bounds in start_parameters"
                        ),
                        pytest.raises((rec.UnsupportedOperation, ValueError)),
                    ):
                        self._start(target, **{name: value})

    def test_each_start_parameter_is_sent(self) -> None:
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            default = self._describe_start(target)
            for name, bounds in build_bounds(self.provider, target.kind).items():
                sent: dict[str, Any] = {}
                for value in find_values(name, bounds, more=True):
                    with state_requirement(
                        f"{target.kind} start: each value of {name} gives another request"
                    ):
                        request = self._describe_start(target, **{name: value})
                        other = sent.setdefault(repr(request), value)
                        assert other == value, (
                            f"the provider sends the same for {name}={value!r} and {other!r}: "
                            f"{request}"
                        )
                        if name in _VERBATIM and not bounds.values:
                            texts = list(_list_texts(request))
                            for each in value if isinstance(value, tuple) else (value,):
                                assert any(each in text for text in texts), (
                                    f"{name}={value!r} is not in the request, which is {request}"
                                )
                with state_requirement(
                    f"{target.kind} start: {name} gives another request than no {name}"
                ):
                    # The only value may be sent anyway.
                    is_only = len(bounds.values) == 1 and str(bounds.values[0]) in repr(default)
                    assert is_only or [*sent] != [repr(default)], (
                        f"the provider sends the same with {name} as without it: {default}"
                    )

    def test_extra_is_merged_deeply_and_omit_removes_a_field(self) -> None:
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            given: list[dict[str, Any]] = [{}]
            given += [{name: value} for name, value in self._find_values(target.kind)]
            for parameters in given:
                body = self._send_start(target, **parameters)
                ids = {target.id, *parameters.get("participant", ())}
                for extra, wanted in _build_merges(body, ids, self._is_form):
                    with state_requirement(
                        f"{target.kind} start with {parameters} and extra={extra} merges the extra "
                        "into the body: use StartRequest.merge"
                    ):
                        sent = self._send_start(target, extra=extra, **parameters)
                        check_equal("the body", sent, wanted)

    def test_extra_that_changes_what_is_recorded_raises_before_any_request(self) -> None:
        self.authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            fields = [n for n, value in self._send_start(target).items() if value == target.id]
            for name in fields:
                for value in ("another-id", rec.OMIT):
                    with (
                        self.forbid_requests(
                            f"{target.kind} start raises ValueError for extra with {name!r}, which "
                            "names what is recorded"
                        ),
                        pytest.raises(ValueError, match=name),
                    ):
                        self._start(target, extra={name: value})

    def test_a_session_keeps_the_parameters_of_its_start(self) -> None:
        for target in self.find_targets(rec.Operation.START, rec.Operation.STOP):
            for name, value in [("", None), *self._find_values(target.kind)]:
                if name in ("participant", "callback_url"):  # who takes part differs by emulator
                    continue
                parameters = {name: value} if name else {}
                arguments = {**self.start_arguments.get(target.kind, {}), **parameters}
                wanted = {n: v for n, v in arguments.items() if n not in ("extra", "callback_url")}
                with state_requirement(
                    f"{target.kind} start with {parameters}: the session has them, also in another "
                    "process and after a stop"
                ):
                    started = self._start(target, **parameters)
                    assert wanted.items() <= started.parameters.items(), (
                        f"session.parameters is {started.parameters}, without all of {wanted}"
                    )
                    session = rec.loads(rec.dumps(started), rec.RecordingSession)
                    check_equal("the session that was serialised", session, started)
                    self.vendor.advance(self.warm_up)
                    with self.vendor.connect() as other:
                        stopped = other.stop(session)
                    check_equal("parameters after stop", stopped.parameters, started.parameters)
                    self.vendor.advance(self.processing_timeout)

    def _find_values(self, kind: rec.SessionKind) -> list[tuple[str, Any]]:
        """Return each value in, or at, the bounds of a parameter."""
        return [
            (name, value)
            for name, bounds in build_bounds(self.provider, kind).items()
            for value in find_values(name, bounds)
        ]

    def _start(self, target: rec.CommunicationSession, **parameters: Any) -> rec.RecordingSession:
        arguments = {**self.start_arguments.get(target.kind, {}), **parameters}
        return self.provider.start(target, **arguments)

    def _send_start(self, target: rec.CommunicationSession, **parameters: Any) -> dict[str, Any]:
        """Send a start that the vendor rejects, so that nothing is recorded; return its body."""
        request = self._catch_start(target, **parameters)
        found = request.json_object()
        self._is_form = found is None
        return found if found is not None else _read_form(request)

    def _describe_start(self, target: rec.CommunicationSession, **parameters: Any) -> Any:
        """Return what a start sends: the method, the path, the query and the body."""
        request = self._catch_start(target, **parameters)
        body = request.json_object()
        return (
            *(request.method, request.segments(), request.query),
            _read_form(request) if body is None else body,
        )

    def _catch_start(self, target: rec.CommunicationSession, **parameters: Any) -> Request:
        self.vendor.faults.append(self.vendor.build_error(429))
        with self.vendor.log_requests("api") as entries, pytest.raises(rec.RateLimited):
            self._start(target, **parameters)
        (request,) = [each.request for each in entries if each.request.method != "GET"]
        return request

    def _start_once(
        self, provider: rec.Provider, target: rec.CommunicationSession, reply: Reply
    ) -> rec.RecordingSession | rec.ProviderError:
        """Start, with a reply of the vendor to the only request that is not a GET."""
        # A token that is refused is fetched again; that is refused, too, and so it ends there.
        self.vendor.faults += [reply] * (2 if reply.status == 401 else 1)
        outcome: rec.RecordingSession | rec.ProviderError
        with self.vendor.log_requests("api") as entries:
            try:
                outcome = self.begin(provider, target)
            except rec.ProviderError as error:
                outcome = error
        self.vendor.faults.clear()
        requests = [each.request for each in entries if each.request.method != "GET"]
        if reply.status == 401:
            requests = [each for each in requests if each.path == requests[0].path]
        assert len(requests) == 1, (
            f"start sent {len(requests)} requests that are not GET, instead of one: "
            f"{', '.join(f'{each.method} {each.path}' for each in requests) or 'none'}"
        )
        return outcome


def _build_redirects(emulator: Emulator) -> Mapping[str, Reply]:
    urls = (f"{emulator.base_url}/moved", f"{emulator.media_origin}/moved")
    return {
        f"HTTP {status} to {url}": Reply(status, headers={"Location": url})
        for status in (301, 302, 303, 307, 308)
        for url in urls
    }


def _build_merges(
    body: Mapping[str, Any], ids: set[str], is_form: bool
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield an `extra`, and the body that a start then sends."""
    yield {"x_omitted": rec.OMIT}, {**body}
    yield {"x_omitted": {"a": {"b": rec.OMIT}}}, {**body}
    added: Any = ["1", "2"] if is_form else {"a": [1]}  # a form contains no object
    yield {"x_added": added}, {**body, "x_added": added}
    for name, ours in body.items():
        if ids.isdisjoint(_list_texts(ours)):
            yield {name: rec.OMIT}, {key: value for key, value in body.items() if key != name}
        if isinstance(ours, dict):
            yield {name: {"x_added": 1}}, {**body, name: {**ours, "x_added": 1}}
            for inner in (name for name in ours if ids.isdisjoint(_list_texts(ours[name]))):
                left = {key: value for key, value in ours.items() if key != inner}
                yield {name: {inner: rec.OMIT}}, {**body, name: left}


def _read_form(request: Request) -> dict[str, Any]:
    """Read the body of a start that is a form; a field that repeats is a list."""
    found = parse_qs(request.body.decode(), keep_blank_values=True)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _list_texts(value: Any) -> Iterator[str]:
    """Yield each value inside a request, as text."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _list_texts(each)
    else:
        yield str(value)
