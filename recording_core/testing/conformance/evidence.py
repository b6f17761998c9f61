"""Requirements for evidence: only the vendor's own answer shows that something is so."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import recording_core as rec
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    Call,
    ConformanceBase,
    state_requirement,
)
from recording_core.testing.conformance.replies import HTML
from recording_core.testing.emulator.server import Reply
from recording_core.testing.json_paths import replace_value, walk_values

#: More replies than any verb sends requests.
_MANY = 30
_READS = (rec.Operation.GET, rec.Operation.LIST, rec.Operation.ACTIVE)
#: Statuses that are errors of each verb, and what they raise; a start may have begun after a 500.
ERRORS: Mapping[int, type[rec.ProviderError]] = {
    401: rec.AuthenticationFailed,
    403: rec.ProviderError,
    429: rec.RateLimited,
    500: rec.Unavailable,
}
#: The statuses of pages that proxies and gateways send in place of the vendor.
FOREIGN_STATUSES = (400, 404, 409, 410, 422, 503)


def build_foreign_page(status: int) -> Reply:
    """Build the error page of a proxy or gateway."""
    return Reply(status, b"<html><h1>%d</h1><hr>gateway</html>" % status, HTML)


def build_foreign_json(status: int) -> Reply:
    """Build an error of a gateway in JSON, which is in no vendor's documented shape."""
    return Reply.json({"zz-gateway": 7}, status)


class EvidenceRequirements(ConformanceBase):
    """Requirements for verbs behind a proxy or gateway that answers in place of the vendor."""

    def test_a_foreign_error_page_proves_nothing(self) -> None:
        pages = (("HTML", build_foreign_page), ("JSON of another API", build_foreign_json))
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            for verb, call in self.build_calls(provider).items():
                for status, (form, build) in itertools.product(FOREIGN_STATUSES, pages):
                    expected: type[rec.ProviderError] = rec.Unavailable
                    if verb.endswith(rec.Operation.START):
                        expected = rec.OutcomeUnknown
                    with state_requirement(
                        f"{verb} raises {expected.__name__} behind {form} with HTTP {status}"
                    ):
                        error = self._fail(call, build(status))
                        assert type(error) is expected, f"{verb} gave {error!r}"

    def test_an_error_is_never_a_value(self, tmp_path: Path) -> None:
        """Also for a recording of each kind that the vendor alone starts."""
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            for verb, call in self._build_calls_of_kinds(provider, tmp_path).items():
                for status, kind in ERRORS.items():
                    expected = kind
                    if verb.endswith(rec.Operation.START) and status >= 500:
                        expected = rec.OutcomeUnknown
                    with state_requirement(
                        f"{verb} raises {expected.__name__} if the vendor refuses with HTTP "
                        f"{status}"
                    ):
                        error = self._fail(call, self.vendor.build_error(status))
                        assert isinstance(error, expected), (
                            f"the vendor sent HTTP {status}, and {verb} gave {error!r}"
                        )
                if verb.endswith(_READS):
                    with state_requirement(
                        f"{verb} raises MalformedPayload if the vendor sends HTTP 200 with HTML"
                    ):
                        error = self._fail(call, Reply(200, b"<html>Log in</html>", HTML))
                        assert isinstance(error, rec.MalformedPayload), f"{verb} gave {error!r}"

    def _build_calls_of_kinds(self, provider: rec.Provider, directory: Path) -> dict[str, Call]:
        """Build a call of each declared verb, of each kind that is listed or live."""
        calls = dict(self.build_calls(provider))
        recordings = self.list_all() if provider.can(rec.Operation.LIST) else []
        for recording in {each.kind: each for each in recordings}.values():
            verbs: dict[rec.Operation, Callable[..., Any]] = {
                rec.Operation.GET: provider.get,
                rec.Operation.DELETE: provider.delete,
                rec.Operation.DOWNLOAD: partial(provider.download, directory=directory),
            }
            for operation, verb in verbs.items():
                if recording.kind and provider.can(operation, recording.kind):
                    call = partial(verb, recording.id, target=recording.target)
                    calls[f"{recording.kind} {operation}"] = call
        for target in self.list_live_targets(rec.Operation.LIST):
            calls[f"{target.kind} list"] = partial(_list_target, provider, target)
        return calls

    def test_a_foreign_404_after_a_504_deletes_nothing(self) -> None:
        self.require_declared(rec.Operation.LIST, rec.Operation.DELETE)
        http = rec.HttpSettings(retries=1, workers=1)
        with self.vendor.connect(http=http) as provider:
            self.authenticate(provider)
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
            self.authenticate(provider)
            missing = self._capture_not_found(provider)
            reply = Reply.json(missing.body, 404)
            if missing.absent:  # its code is proof; that of another 404 of the vendor need not be
                reply = self.vendor.build_error(404)
                error = self._fail(partial(provider.get, self.list_all()[0]), reply)
                if isinstance(error, rec.NotFound) and error.absent:
                    return
            for verb, call in self.build_calls(provider).items():
                if not verb.endswith(("delete", rec.Operation.ACTIVE, rec.Operation.STOP)):
                    continue
                with state_requirement(
                    f"{verb} raises if each request gets the vendor's 404, as under a wrong account"
                ):
                    error = self._fail(call, reply)
                    assert isinstance(error, rec.ProviderError), f"{verb} gave {error!r}"

    def test_a_code_that_is_new_states_no_absence(self) -> None:
        """It may be that of an unknown route or account."""
        self.require_declared(rec.Operation.LIST, rec.Operation.GET)
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            missing = self._capture_not_found(provider)
            if missing.code is None:
                return  # the vendor has no codes, so that something else may state it
            payload = copy.deepcopy(missing.body)
            for path, value in list(walk_values(payload)):
                if isinstance(value, str) or type(value) is int:
                    payload = replace_value(payload, path, type(value)(97531))
            with state_requirement("only the code of a missing recording states that it is absent"):
                call = partial(provider.get, self.list_all()[0])
                error = self._fail(call, Reply.json(payload, 404))
                assert isinstance(error, rec.ProviderError), f"get gave {error!r}"
                is_absent = isinstance(error, rec.NotFound) and error.absent
                assert not is_absent, f"absent is true after HTTP 404 with {payload}"

    def _capture_not_found(self, provider: rec.Provider) -> rec.NotFound:
        """Return the error of a recording that does not exist."""
        recording = self.list_all()[0]
        unknown = recording.id[:-3] + ("000" if not recording.id.endswith("000") else "111")
        with pytest.raises(rec.NotFound) as caught:
            provider.get(unknown, target=recording.target)
        return caught.value

    def _fail(self, call: Callable[[], Any], reply: Reply) -> Any:
        """Return the error of a verb, or its result, with one reply to all of its requests."""
        self.vendor.faults += [reply] * _MANY
        try:
            return call()
        except rec.ProviderError as error:
            return error
        finally:
            self.vendor.faults.clear()


def _list_target(provider: rec.Provider, target: rec.CommunicationSession) -> list[rec.Recording]:
    return list(provider.list(target=target))
