"""Requirements for listings: complete, lazy, and exact about what they could not read."""

from __future__ import annotations

import itertools
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from recording_core import Operation, Recording, RecordingError
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    check_equal,
    find_listing_time,
    state_requirement,
)
from recording_core.testing.conformance.replies import select_failures
from recording_core.testing.emulator.server import Reply, Request

_NO_END = datetime.max.replace(tzinfo=UTC)
#: Replies to the request of one page.
FAILED_PAGES = select_failures(
    *("HTTP 500", "HTTP 404", "HTTP 401", "HTTP 200 with HTML", "HTTP 200 with no body"),
    *("a truncated body", "a closed connection"),
)


class ListingRequirements(ConformanceBase):
    """Requirements for `list`."""

    def test_a_list_without_bounds_returns_each_recording_once(self) -> None:
        self._check_complete({})

    def test_a_list_since_long_ago_returns_each_recording_once(self) -> None:
        self._check_complete(self.bounds)

    def _check_complete(self, bounds: Any) -> None:
        listing = self.provider.list(**bounds)
        ids = [recording.id for recording in listing]
        listed = set(self.vendor.list_ids())
        coverage = listing.coverage
        with state_requirement("list is complete and returns each recording once"):
            lost, unknown = listed - set(ids), set(ids) - listed
            assert not lost, (
                f"lost {len(lost)} of the {len(listed)} recordings that the vendor lists, such as "
                f"{min(lost)}"
            )
            assert not unknown, (
                f"list returned {len(unknown)} recordings that the vendor does not list, such as "
                f"{min(unknown)}"
            )
            assert len(ids) == len(set(ids)), (
                f"list returned {len(ids)} rows for {len(set(ids))} recordings"
            )
            assert coverage.complete, f"coverage.complete is false: {coverage}"
            check_equal("coverage.seen", coverage.seen, len(ids))
            assert coverage.expected is None or coverage.expected >= len(ids), (
                f"coverage.expected is {coverage.expected}, less than the {len(ids)} listed"
            )
            assert not coverage.unreadable, (
                f"rows of the emulator could not be read: {coverage.unreadable}"
            )
            assert not coverage.errors, f"coverage.errors is not empty: {coverage.errors}"

    def test_the_emulator_lists_several_pages(self) -> None:
        with self.vendor.log_requests("api") as requests:
            listed = self.list_all()
        assert len(listed) >= 9, (
            f"the emulator lists {len(listed)} recordings, too few to test a listing: start it "
            "with more"
        )
        assert len(requests) >= 3, (
            f"the listing takes {len(requests)} requests, too few to test a lost page: start the "
            "emulator with more recordings, or with smaller pages"
        )

    def test_since_is_inclusive_and_until_is_exclusive(self) -> None:
        everything = self.list_all()
        dated = [recording for recording in everything if find_listing_time(recording)]
        assert dated, (
            "no recording has a created_at or started_at: since and until cannot select any"
        )
        moments = sorted({find_listing_time(recording) for recording in dated})
        early, late = moments[len(moments) // 3], moments[2 * len(moments) // 3]
        undated = {each.id for each in everything if not find_listing_time(each)}
        for since, until in ((early, late), (early, None), (self.bounds["since"], early)):
            with state_requirement(
                f"list(since={since}, until={until}) selects by created_at, else started_at"
            ):
                found = {each.id for each in self.provider.list(since=since, until=until)}
                found -= undated
                expected = {
                    each.id
                    for each in dated
                    if since <= find_listing_time(each) < (until or _NO_END)
                }
                assert expected <= found, f"recordings are missing: {sorted(expected - found)}"
                assert found <= expected, f"recordings out of range: {sorted(found - expected)}"

    def test_no_request_is_sent_before_the_iteration(self) -> None:
        with self.forbid_requests("list sends no request before its first recording is read"):
            iter(self.provider.list())

    def test_stopping_early_sends_fewer_requests(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            with self.vendor.log_requests("api") as all_requests:
                count = len(list(provider.list(**self.bounds)))
            with state_requirement("list sends fewer requests for one recording than for all"):
                with self.vendor.log_requests("api") as requests:
                    iterator = iter(provider.list(**self.bounds))
                    next(iterator)
                    iterator.close()  # type: ignore[attr-defined]  # a generator
                assert len(requests) < len(all_requests), (
                    f"list sent {len(requests)} requests for one recording and "
                    f"{len(all_requests)} for all"
                )
            with state_requirement("list is complete after another one was closed early"):
                again = len(list(provider.list(**self.bounds)))
                check_equal("the number of listed recordings", again, count)

    def test_iterating_again_reads_again(self) -> None:
        listing = self.provider.list(**self.bounds)
        first = list(listing)
        with state_requirement("a second iteration reads the vendor's list again"):
            with self.vendor.log_requests("api") as requests:
                second = list(listing)
            assert requests, "the second iteration sent no request"
            lost = {each.id for each in first} ^ {each.id for each in second}
            assert not lost, f"the two iterations differ by {sorted(lost)}"
            seen = listing.coverage.seen
            check_equal("coverage.seen after the second iteration", seen, len(first))

    def test_status_filters_the_list(self) -> None:
        everything = self.list_all()
        for status in {recording.status for recording in everything}:
            with state_requirement(f"list(status={status!s}) returns exactly these recordings"):
                found = [each.id for each in self.list_all(status=status)]
                expected = [each.id for each in everything if each.status is status]
                assert sorted(found) == sorted(expected), f"it returned {found}, not {expected}"

    def test_target_filters_the_list(self) -> None:
        everything = self.list_all()
        kinds = {recording.id: recording.kind for recording in everything}
        targets = [recording.target for recording in everything if recording.target is not None]
        for target in list(dict.fromkeys(targets))[:12]:
            if not self.provider.can(Operation.LIST, target.kind):
                continue
            with state_requirement(
                f"list(target={target.kind}) returns exactly the recordings of that {target.kind}"
            ):
                found = {each.id: each for each in self.list_all(target=target)}
                expected = {each.id for each in everything if each.target == target}
                missing = expected - found.keys()
                assert not missing, f"recordings are missing: {sorted(missing)}"
                others = [each.id for each in found.values() if each.target != target]
                assert not others, f"recordings of other targets: {others}"
                others = [id for id in found if kinds.get(id) not in (target.kind, None)]
                assert not others, f"recordings of another kind: {others}"

    def test_a_failed_page_never_gives_complete_coverage(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            with self.vendor.log_requests("api") as requests:
                listed = {each.id for each in provider.list(**self.bounds)}
            for number in range(len(requests)):
                for what, fault in FAILED_PAGES.items():
                    with state_requirement(
                        f"coverage is incomplete if the vendor sends {what} for page {number + 1}"
                    ):
                        listing = provider.list(**self.bounds)
                        found: list[Recording] = []
                        fail_page = self._fail_page(number, fault)
                        with self.alter_payloads(fail_page), suppress(RecordingError):
                            found.extend(listing)
                        self.vendor.faults.clear()
                        lost = listed - {each.id for each in found}
                        coverage = listing.coverage
                        assert not coverage.complete, (
                            f"the page failed and {len(lost)} recordings are lost, but "
                            f"coverage.complete is true: {coverage}"
                        )
                        assert coverage.errors, f"coverage.errors is empty: {coverage}"

    def _fail_page(self, earlier_pages: int, fault: Reply) -> Any:
        """For `Emulator.alter`: send a fault in place of the page after so many pages."""
        pages = itertools.count(1)
        if not earlier_pages:
            self.vendor.faults.append(fault)

        def alter(request: Request, payload: Any) -> Any:
            if next(pages) == earlier_pages:
                self.vendor.faults.append(fault)
            return payload

        return alter
