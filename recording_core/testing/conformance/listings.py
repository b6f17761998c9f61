"""Is a listing complete, lazy and honest about what it could not see?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import define, field

from recording_core import Operation, Provider, Recording, RecordingError
from recording_core.testing.conformance.base import (
    ONCE,
    ConformanceBase,
    exchanges,
    horizon,
    promising,
    silence,
    times,
)
from recording_core.testing.emulator.emulator import Emulator
from recording_core.testing.emulator.server import Reply, Request

__all__ = ["ListingRequirements"]

_NO_END = datetime.max.replace(tzinfo=UTC)
_JSON = {"Content-Type": "application/json"}
#: Ways in which one page of several fails.
FAILED_PAGES = {
    "HTTP 500": Reply(500),
    "HTTP 404": Reply(404, b"{}", _JSON),
    "HTTP 401": Reply(401, b"{}", _JSON),
    "HTML with 200": Reply(200, b"<html>Welcome</html>", {"Content-Type": "text/html"}),
    "no bytes with 200": Reply(200, b"", _JSON),
    "a body that is cut": Reply(200, b'{"a": "b"}', _JSON, cut_after=4),
    "a connection that is cut": Reply(abort=True),
}


@define
class FailAfter:
    """For `Emulator.alter`: after so many answers the next request gets the fault."""

    emulator: Emulator
    answers: int
    fault: Reply
    seen: int = field(init=False, default=0)

    def __call__(self, request: Request, payload: Any) -> Any:
        self.seen += 1
        if self.seen == self.answers:
            self.emulator.faults.append(self.fault)
        return payload


class ListingRequirements(ConformanceBase):
    """`list`, for a vendor that can be asked for one."""

    def test_a_list_without_bounds_has_every_recording_once(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        self._has_all(provider, emulator, {})

    def test_a_list_since_long_ago_has_every_recording_once(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        self._has_all(provider, emulator, horizon(emulator))

    def _has_all(self, provider: Provider, emulator: Emulator, bounds: Any) -> None:
        listing = provider.list(**bounds)
        ids = [recording.id for recording in listing]
        expected = set(emulator.listed())
        coverage = listing.coverage
        with promising("list is complete, and each recording comes once"):
            lost, strange = expected - set(ids), set(ids) - expected
            assert not lost, f"lost {len(lost)} of {len(expected)} recordings, such as {min(lost)}"
            assert not strange, f"{len(strange)} that the vendor does not list: {min(strange)}"
            assert len(ids) == len(set(ids)), "some recordings came more than once"
            assert coverage.complete, f"coverage is not complete: {coverage}"
            assert coverage.seen == len(ids), f"coverage.seen is {coverage.seen}, not {len(ids)}"
            promised = coverage.expected
            assert promised is None or promised >= len(ids), f"coverage.expected is {promised}"
            assert not coverage.unreadable, f"{coverage.unreadable} of the emulator's own rows"
            assert not coverage.errors, f"coverage.errors: {coverage.errors}"

    def test_the_emulator_lists_enough_to_prove_something(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        with exchanges(emulator) as seen:
            listed = list(provider.list(**horizon(emulator)))
        assert len(listed) >= 9, f"start the emulator with more recordings than {len(listed)}"
        assert len(seen) >= 3, (
            f"the listing takes {len(seen)} requests, so that no page can get lost: start the "
            "emulator with more recordings, or with smaller pages"
        )

    def test_since_is_included_and_until_is_not(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        bounds = horizon(emulator)
        everything = list(provider.list(**bounds))
        whole = [recording for recording in everything if times(recording)]
        assert whole, "no recording has a created_at or started_at: since and until do nothing"
        moments = sorted({times(recording) for recording in whole})
        early, late = moments[len(moments) // 3], moments[2 * len(moments) // 3]
        undated = {each.id for each in everything if not times(each)}
        for since, until in ((early, late), (early, None), (bounds["since"], early)):
            with promising(f"list(since={since}, until={until}): as the recordings' own times say"):
                found = {each.id for each in provider.list(since=since, until=until)} - undated
                wanted = {each.id for each in whole if since <= times(each) < (until or _NO_END)}
                assert wanted <= found, f"missing: {sorted(wanted - found)}"
                assert found <= wanted, f"too many: {sorted(found - wanted)}"

    def test_nothing_is_asked_before_the_iteration(
        self, provider: Provider, emulator: Emulator
    ) -> None:
        with silence(emulator, "list is lazy: nothing is asked before the first recording is"):
            iter(provider.list())

    def test_breaking_off_early_asks_for_less(self, emulator: Emulator) -> None:
        with emulator.connect(http=ONCE) as provider:
            with exchanges(emulator) as whole:
                wanted = len(list(provider.list(**horizon(emulator))))
            with promising("list is lazy: who takes one recording does not pay for all"):
                with exchanges(emulator) as some:
                    iterator = iter(provider.list(**horizon(emulator)))
                    next(iterator)
                    iterator.close()  # type: ignore[attr-defined]  # a generator
                assert len(some) < len(whole), f"{len(some)} requests for one, as for all"
            with promising("list works after another was broken off"):
                assert len(list(provider.list(**horizon(emulator)))) == wanted

    def test_iterating_again_sweeps_again(self, provider: Provider, emulator: Emulator) -> None:
        listing = provider.list(**horizon(emulator))
        first = list(listing)
        with promising("iterating a second time asks the vendor anew"):
            with exchanges(emulator) as seen:
                second = list(listing)
            assert seen, "no request was sent"
            assert {each.id for each in second} == {each.id for each in first}
            assert listing.coverage.seen == len(first), f"coverage adds up: {listing.coverage}"

    def test_a_status_narrows_the_list(self, provider: Provider, emulator: Emulator) -> None:
        whole = list(provider.list(**horizon(emulator)))
        for status in {recording.status for recording in whole}:
            with promising(f"list(status={status!s}): those and no others"):
                found = [each.id for each in provider.list(status=status, **horizon(emulator))]
                wanted = [each.id for each in whole if each.status is status]
                assert sorted(found) == sorted(wanted), f"found {found}, wanted {wanted}"

    def test_a_target_narrows_the_list(self, provider: Provider, emulator: Emulator) -> None:
        whole = list(provider.list(**horizon(emulator)))
        kinds = {recording.id: recording.kind for recording in whole}
        named = [recording.target for recording in whole if recording.target is not None]
        for target in list(dict.fromkeys(named))[:12]:
            if not provider.can(Operation.LIST, target.kind):
                continue
            with promising(f"list(target={target.kind}): its own and no others"):
                found = {
                    each.id: each for each in provider.list(target=target, **horizon(emulator))
                }
                wanted = {each.id for each in whole if each.target == target}
                assert wanted <= found.keys(), f"missing: {sorted(wanted - found.keys())}"
                others = [one.id for one in found.values() if one.target != target]
                assert not others, f"of other targets: {others}"
                strange = [id for id in found if kinds.get(id) not in (target.kind, None)]
                assert not strange, f"of another kind: {strange}"

    def test_a_failed_page_never_makes_a_complete_list(self, emulator: Emulator) -> None:
        with emulator.connect(http=ONCE) as provider:
            with exchanges(emulator) as whole:
                expected = {each.id for each in provider.list(**horizon(emulator))}
            for number in range(len(whole)):
                for what, fault in FAILED_PAGES.items():
                    with promising(f"list with page {number + 1} answered by {what}: incomplete"):
                        self._fail(emulator, number, fault)
                        listing = provider.list(**horizon(emulator))
                        found: list[Recording] = []
                        try:
                            found.extend(listing)
                        except RecordingError:
                            pass
                        finally:
                            emulator.alter = None
                            emulator.faults.clear()
                        lost = expected - {each.id for each in found}
                        coverage = listing.coverage
                        assert not coverage.complete, (
                            f"the page failed, {len(lost)} recordings are lost, and coverage says "
                            f"complete: {coverage}"
                        )
                        assert coverage.errors, f"coverage names no error: {coverage}"

    def _fail(self, emulator: Emulator, after: int, fault: Reply) -> None:
        if after == 0:
            emulator.faults.append(fault)
        else:
            emulator.alter = FailAfter(emulator, after, fault)
