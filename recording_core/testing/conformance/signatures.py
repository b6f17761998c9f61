"""Requirements for signatures: no webhook request is genuine but one that the vendor signed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve

from recording_core import ConfigurationError, receive, receiver
from recording_core.testing.conformance.base import check_equal, state_requirement
from recording_core.testing.conformance.forgeries import (
    build_other_secret,
    generate_flips,
    generate_other_times,
    generate_substitutions,
)
from recording_core.testing.conformance.webhooks import (
    WebhookRequirements,
    find_outcome,
    freeze_events,
)
from recording_core.testing.manual_clock import ManualClock


class SignatureRequirements(WebhookRequirements):
    """Requirements for what is signed, when, and with which secret."""

    def test_a_flipped_bit_changes_no_event(self) -> None:
        ours = self.build_receiver()
        request = self.find_genuine_request()
        genuine = freeze_events(ours.verify(request))
        rejected = flips = 0
        for what, forged in generate_flips(request):
            flips += 1
            with state_requirement(f"{what} flipped: rejected, or read as the genuine request"):
                outcome = find_outcome(ours, forged)
                assert outcome in (400, 401, genuine), f"the outcome is {outcome}"
            rejected += outcome != genuine
        assert rejected > flips / 2, f"only {rejected} of {flips} requests were rejected"

    def test_each_character_of_a_signature_counts(self) -> None:
        ours = self.build_receiver()
        request = self.find_genuine_request()
        for name, requests in generate_substitutions(request):
            rejected = sum(find_outcome(ours, each) in (400, 401) for each in requests)
            with state_requirement("each character of a signature is compared, or none"):
                # The last character of base64 has bits that mean nothing.
                assert rejected == 0 or rejected >= len(requests) - 1, (
                    f"of {len(requests)} requests, each with another character in {name}, "
                    f"verify rejected only {rejected}"
                )

    def test_a_signed_time_must_be_recent(self) -> None:
        request = self.find_genuine_request()
        now = self.vendor.clock.now()
        ours = self.build_receiver()
        later = self.build_receiver(clock=ManualClock(now + timedelta(days=7)))
        for name, forged in generate_other_times(request, now):
            if find_outcome(ours, forged) not in (400, 401):
                continue  # it is not signed
            with state_requirement("a request that was signed a week before is rejected"):
                outcome = find_outcome(later, request)
                assert outcome in (400, 401), f"{name} is signed, and the outcome is {outcome}"

    def test_a_signature_of_another_secret_is_rejected(self) -> None:
        request = self.find_genuine_request()
        other = build_other_secret(self.vendor.webhooks)
        with state_requirement("a request that another secret signed is rejected with 401"):
            check_equal("the outcome", find_outcome(self.build_receiver(**other), request), 401)
        [(name, wrong)], right = other.items(), self.vendor.webhooks
        genuine = find_outcome(self.build_receiver(), request)
        for several in ([wrong, right[name]], [right[name], wrong]):
            with state_requirement("a request that one of several secrets signed is genuine"):
                outcome = find_outcome(self.build_receiver(**{name: several}), request)
                check_equal("the outcome", outcome, genuine)

    def test_a_request_without_a_signature_is_rejected(self) -> None:
        request = self.find_genuine_request()
        # The name of the header is the vendor's. Without any header there is no signature.
        unsigned = [pair for pair in request.headers if "signature" not in pair[0]]
        for headers in (unsigned, []) if len(unsigned) < len(request.headers) else ([],):
            with state_requirement("a request without a signature is rejected with 400 or 401"):
                outcome = find_outcome(self.build_receiver(), evolve(request, headers=headers))
                assert outcome in (400, 401), f"the outcome is {outcome}"
        forged = evolve(request, body=request.body[:-1] + b" " + request.body[-1:])
        if find_outcome(self.build_receiver(), forged) not in (400, 401):
            return  # the body is not read, as that of a GET
        for number, (name, _) in enumerate(request.headers):
            headers = [*request.headers[:number], *request.headers[number + 1 :]]
            with state_requirement(f"a forged body without {name} is rejected with 400 or 401"):
                outcome = find_outcome(self.build_receiver(), evolve(forged, headers=headers))
                assert outcome in (400, 401), f"the outcome is {outcome}"

    def test_a_blank_or_missing_secret_raises_configuration_error(self) -> None:
        vendor, request = self.vendor.provider, self.find_genuine_request()
        [name] = self.vendor.webhooks
        wrongs: list[dict[str, Any]] = [{name: blank} for blank in ("", "  ", "\n", [], [""])]
        wrongs.append({"secret": "x" * 40, "key": "x" * 40})
        for wrong in wrongs:
            with state_requirement(f"receiver and receive with {wrong} raise ConfigurationError"):
                with pytest.raises(ConfigurationError):
                    receiver(vendor, **wrong)
                with pytest.raises(ConfigurationError):
                    receive(vendor, request, **wrong)
        with pytest.raises(ConfigurationError):
            receive(vendor, request)
