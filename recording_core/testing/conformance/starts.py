"""Requirements for starts: sent at most once, and an unknown outcome raises `OutcomeUnknown`."""

from __future__ import annotations

from collections.abc import Mapping

import recording_core as rec
from recording_core.testing.conformance.base import ConformanceBase, check_equal, state_requirement
from recording_core.testing.conformance.replies import JSON, REJECTIONS, select_failures
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply

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


class StartRequirements(ConformanceBase):
    """Requirements for `start`. A second start is a second recording and a second bill."""

    def test_a_start_with_an_unknown_outcome_is_sent_once(self) -> None:
        self._check_unknown(self.provider, {**UNKNOWN_OUTCOMES, **_build_redirects(self.vendor)})

    def test_a_start_without_a_response_in_time_is_sent_once(self) -> None:
        with self.vendor.connect(http=_SHORT_TIMEOUT) as provider:
            stalls = select_failures("no headers in time", "no body in time")
            self._check_unknown(provider, stalls)

    def _check_unknown(self, provider: rec.Provider, replies: Mapping[str, Reply]) -> None:
        self._authenticate(provider)
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
        self._authenticate(self.provider)
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
        self._authenticate(self.provider)
        for target in self.find_targets(rec.Operation.START):
            for status, kind in REJECTIONS.items():
                with state_requirement(
                    f"{target.kind} start raises {kind.__name__} if the vendor sends HTTP {status}"
                ):
                    reply = self.vendor.build_error(status)
                    error = self._start_once(self.provider, target, reply)
                    assert type(error) is kind, f"start gave {error!r}"
                    check_equal("error.status", error.status, status)

    def _authenticate(self, provider: rec.Provider) -> None:
        """Send a first request, so that a token is fetched before requests are counted."""
        if provider.can(rec.Operation.LIST):
            list(provider.list(**self.bounds))

    def _start_once(
        self, provider: rec.Provider, target: rec.CommunicationSession, reply: Reply
    ) -> rec.RecordingSession | rec.ProviderError:
        """Start, with a reply of the vendor to the only request that is not a GET."""
        self.vendor.faults.append(reply)
        outcome: rec.RecordingSession | rec.ProviderError
        with self.vendor.log_requests("api") as entries:
            try:
                outcome = self.begin(provider, target)
            except rec.ProviderError as error:
                outcome = error
        requests = [each.request for each in entries if each.request.method != "GET"]
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
