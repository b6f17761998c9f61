"""Requirements for evidence: only the vendor's own answer shows that something is so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    state_requirement,
)
from recording_core.testing.conformance.replies import HTML
from recording_core.testing.emulator.server import Reply

#: More replies than any verb sends requests.
_MANY = 30
#: The statuses of pages that proxies and gateways send in place of the vendor.
FOREIGN_STATUSES = (400, 404, 409, 410, 422, 503)


def build_foreign_page(status: int) -> Reply:
    """Build the error page of a proxy or gateway."""
    return Reply(status, b"<html><h1>%d</h1><hr>gateway</html>" % status, HTML)


class EvidenceRequirements(ConformanceBase):
    """Requirements for verbs behind a proxy or gateway that answers in place of the vendor."""

    def test_a_foreign_error_page_proves_nothing(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for verb, call in self.build_calls(provider).items():
                for status in FOREIGN_STATUSES:
                    expected: type[rec.ProviderError] = rec.Unavailable
                    if verb.endswith(rec.Operation.START):
                        expected = rec.OutcomeUnknown
                    with state_requirement(
                        f"{verb} raises {expected.__name__} behind a page with HTTP {status}"
                    ):
                        error = self._fail(call, build_foreign_page(status))
                        assert type(error) is expected, f"{verb} gave {error!r}"

    def test_a_foreign_404_after_a_504_deletes_nothing(self) -> None:
        self.require_declared(rec.Operation.LIST, rec.Operation.DELETE)
        http = rec.HttpSettings(retries=1, workers=1)
        with self.vendor.connect(http=http) as provider:
            recording = self.list_all()[-1]
            self.vendor.faults += [build_foreign_page(504), build_foreign_page(404)]
            with state_requirement("delete raises if a 404 that is not the vendor's follows a 504"):
                with pytest.raises(rec.Unavailable):
                    provider.delete(recording)
                self.vendor.faults.clear()
                assert recording.id in {each.id for each in self.list_all()}, "it was deleted"

    def test_a_404_about_another_resource_needs_an_answer_of_the_api(self) -> None:
        self.require_declared(rec.Operation.LIST, rec.Operation.GET)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            reply, absent = self._capture_not_found(provider)
            if absent:
                pytest.skip("the vendor's code names the resource, which is proof")
            for verb, call in self.build_calls(provider).items():
                if not verb.endswith(("delete", rec.Operation.ACTIVE, rec.Operation.STOP)):
                    continue
                with state_requirement(
                    f"{verb} raises if each request gets the vendor's 404, as under a wrong account"
                ):
                    error = self._fail(call, reply)
                    assert isinstance(error, rec.ProviderError), f"{verb} gave {error!r}"

    def _capture_not_found(self, provider: rec.Provider) -> tuple[Reply, bool]:
        """Return the vendor's 404 for a recording that does not exist, and if it is proof."""
        recording = self.list_all()[0]
        unknown = recording.id[:-3] + ("000" if not recording.id.endswith("000") else "111")
        with pytest.raises(rec.NotFound) as caught:
            provider.get(unknown, target=recording.target)
        return Reply.json(caught.value.body, 404), caught.value.absent

    def _fail(self, call: Callable[[], Any], reply: Reply) -> Any:
        """Return the error of a verb, or its result, with one reply to all of its requests."""
        self.vendor.faults += [reply] * _MANY
        try:
            return call()
        except rec.ProviderError as error:
            return error
        finally:
            self.vendor.faults.clear()
