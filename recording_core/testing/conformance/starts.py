"""Is a start sent at most once, whatever the answer, and does a doubt say that it is one?"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from recording_core import (
    AuthenticationFailed,
    Conflict,
    HttpSettings,
    NotFound,
    Operation,
    OutcomeUnknown,
    Provider,
    ProviderError,
    RateLimited,
    RecordingSession,
    Rejected,
)
from recording_core.testing.conformance.base import (
    ConformanceBase,
    carrying,
    exchanges,
    horizon,
    promising,
)
from recording_core.testing.emulator.emulator import Emulator, Exchange
from recording_core.testing.emulator.server import Reply

__all__ = ["StartRequirements"]

_JSON = {"Content-Type": "application/json"}
_HTML = {"Content-Type": "text/html"}
_IMPATIENT = HttpSettings(read_timeout=0.4)  # seconds that are really waited

#: After these nobody knows whether the vendor has started.
DOUBTS: Mapping[str, Reply] = {
    "HTTP 500": Reply(500, b"{}", _JSON),
    "HTTP 502": Reply(502, b"<html>Bad gateway</html>", _HTML),
    "HTTP 503": Reply(503, b"", {"Retry-After": "1"}),
    "HTTP 504": Reply(504),
    "headers that are cut": Reply(200, b"{}", _JSON, cut_headers=True),
    "a body that is cut": Reply(200, b'{"id": "some-id"}', _JSON, cut_after=5),
    "a connection that is cut": Reply(abort=True),
    "no answer in time": Reply(200, b"{}", _JSON, stall="headers", stall_seconds=5),
    "no body in time": Reply(200, b"{}", _JSON, stall="body", stall_seconds=5),
    "HTML with 200": Reply(200, b"<html>Welcome</html>", _HTML),
    "JSON that breaks off, with 200": Reply(200, b'{"id": ', _JSON),
}
#: What parses and is no answer: a doubt again, unless the vendor may answer so.
STRANGE: Mapping[str, Reply] = {
    f"the JSON {body.decode() or 'of no bytes'}": Reply(200, body, _JSON)
    for body in (b"", b"null", b"[]", b"{}", b"7", b'"words"')
}
#: With these the vendor says that it has not.
REFUSALS: Mapping[int, type[ProviderError]] = {
    400: Rejected,
    401: AuthenticationFailed,
    404: NotFound,
    409: Conflict,
    422: Rejected,
    429: RateLimited,
}


class StartRequirements(ConformanceBase):
    """A second start is a second recording, a second bill, a second consent that nobody gave."""

    def test_a_doubtful_start_is_sent_once_and_says_so(self, emulator: Emulator) -> None:
        doubts = {what: reply for what, reply in DOUBTS.items() if not reply.stall}
        with emulator.connect() as provider:
            self._doubt(provider, emulator, {**doubts, **_redirects(emulator)})

    def test_a_start_without_an_answer_in_time_is_sent_once(self, emulator: Emulator) -> None:
        with emulator.connect(http=_IMPATIENT) as provider:
            stalls = {what: reply for what, reply in DOUBTS.items() if reply.stall}
            self._doubt(provider, emulator, stalls)

    def _doubt(self, provider: Provider, emulator: Emulator, doubts: Mapping[str, Reply]) -> None:
        _sign_in(provider, emulator)
        for target in carrying(emulator, provider.info, Operation.START):
            for what, reply in doubts.items():
                with promising(f"{target.kind} start, answered by {what}: OutcomeUnknown"):
                    asked_at = emulator.clock.now()
                    emulator.faults.append(reply)
                    with exchanges(emulator) as seen, pytest.raises(OutcomeUnknown) as caught:
                        self.begin(provider, target)
                    _sent_once(seen)
                    error = caught.value
                    assert error.target == target, f"its target is {error.target}"
                    assert error.sent_at == asked_at, f"its sent_at is {error.sent_at}"
                    assert error.parameters is not None, "its parameters are None"
                    given = self.start_arguments.get(target.kind, {}).keys() - {"extra"}
                    missing = given - error.parameters.keys()
                    assert not missing, f"its parameters lack {missing}"

    def test_a_start_with_a_strange_answer_is_sent_once(self, emulator: Emulator) -> None:
        with emulator.connect() as provider:
            _sign_in(provider, emulator)
            for target in carrying(emulator, provider.info, Operation.START):
                for what, reply in STRANGE.items():
                    with promising(
                        f"{target.kind} start, answered by {what}: a session or OutcomeUnknown"
                    ):
                        emulator.faults.append(reply)
                        with exchanges(emulator) as seen:
                            try:
                                session = self.begin(provider, target)
                                assert isinstance(session, RecordingSession)
                            except OutcomeUnknown:
                                pass
                        _sent_once(seen)

    def test_a_refused_start_is_sent_once_and_typed(self, emulator: Emulator) -> None:
        # A 429 was not done either, and might be sent again; who starts decides that himself.
        with emulator.connect() as provider:
            _sign_in(provider, emulator)
            for target in carrying(emulator, provider.info, Operation.START):
                for status, kind in REFUSALS.items():
                    with promising(
                        f"{target.kind} start, answered by HTTP {status}: {kind.__name__}"
                    ):
                        emulator.faults.append(Reply(status, b"{}", _JSON))
                        with exchanges(emulator) as seen, pytest.raises(ProviderError) as caught:
                            self.begin(provider, target)
                        _sent_once(seen)
                        assert type(caught.value) is kind, f"raised {caught.value!r}"
                        assert caught.value.status == status, f"its status is {caught.value.status}"


def _redirects(emulator: Emulator) -> Mapping[str, Reply]:
    here, there = f"{emulator.base_url}/moved", f"{emulator.media_origin}/moved"
    return {
        f"HTTP {status} to {where}": Reply(status, headers={"Location": where})
        for status in (301, 302, 303, 307, 308)
        for where in (here, there)
    }


def _sign_in(provider: Provider, emulator: Emulator) -> None:
    """A first request, so that whatever signs in has done so."""
    if provider.can(Operation.LIST):
        list(provider.list(**horizon(emulator)))


def _sent_once(seen: list[Exchange]) -> None:
    sent = [f"{e.request.method} {e.request.path}" for e in seen if e.request.method != "GET"]
    assert len(sent) == 1, f"sent {len(sent)} times: {', '.join(sent) or 'nothing'}"
