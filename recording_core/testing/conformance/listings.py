"""Requirements for listings: complete, lazy, and exact about what they could not read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from attrs import define

from recording_core import (
    Recording,
    RecordingError,
)
from recording_core.testing.conformance.base import (
    SINGLE_REQUESTS,
    ConformanceBase,
    check_equal,
    state_requirement,
)
from recording_core.testing.conformance.mutations import find_id
from recording_core.testing.conformance.replies import select_failures
from recording_core.testing.emulator.server import Reply, Request
from recording_core.testing.json_paths import (
    JsonPath,
    get_value,
    replace_value,
    walk_values,
)

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
            "emulator with more recordings, so that it has at least three pages as your client "
            "requests them"
        )

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

    def test_a_failed_page_never_gives_complete_coverage(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            self.authenticate(provider)
            with self.vendor.log_requests("api") as requests:
                listed = {each.id for each in provider.list(**self.bounds)}
            paths = {each.request.path for each in requests}
            edges = {0, 1, len(requests) - 1}
            rotation = itertools.cycle(FAILED_PAGES)
            for number in range(len(requests)):
                # Every failure of the pages at the edges, and one of each page in between.
                for what in FAILED_PAGES if number in edges else (next(rotation),):
                    fault = FAILED_PAGES[what]
                    with state_requirement(
                        f"coverage is incomplete if the vendor sends {what} for page {number + 1}"
                    ):
                        listing = provider.list(**self.bounds)
                        found: list[Recording] = []
                        fail_page = self._fail_page(number, fault)
                        with (
                            self.vendor.log_requests("api") as sent,
                            self.alter_payloads(fail_page),
                            suppress(RecordingError),
                        ):
                            found.extend(listing)
                        self.vendor.faults.clear()
                        lost = listed - {each.id for each in found}
                        coverage = listing.coverage
                        if not lost and not paths.issuperset(each.request.path for each in sent):
                            continue  # a new token was fetched, and then the page
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

    def test_a_page_of_another_shape_is_no_end(self) -> None:
        listed = set(self.vendor.list_ids())
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for shape, change in _SHAPES.items():
                for number in (0, 1):
                    with state_requirement(
                        f"coverage is incomplete if page {number + 1} is {shape}"
                    ):
                        listing = provider.list(**self.bounds)
                        alter = _PageChange(listed, number, change)
                        with self.alter_payloads(alter), suppress(RecordingError):
                            list(listing)
                        assert alter.earlier_pages < 0, (
                            "no page had an array with rows by their ids"
                        )
                        coverage = listing.coverage
                        assert not coverage.complete, (
                            f"the page was {shape}, but coverage.complete is true: {coverage}"
                        )

    def test_a_refused_page_is_no_empty_page(self) -> None:
        with self.vendor.connect(http=SINGLE_REQUESTS) as provider:
            for status in (401, 403, 404, 410, 429, 500, 503):
                with state_requirement(
                    f"list raises if the vendor refuses its first page with HTTP {status}"
                ):
                    self.vendor.faults += [self.vendor.build_error(status)] * 30
                    listing = provider.list(**self.bounds)
                    with suppress(RecordingError):
                        found = [each.id for each in listing]
                        raise AssertionError(f"list returned {found} and did not raise")
                    self.vendor.faults.clear()
                    assert not listing.coverage.complete, f"it is complete: {listing.coverage}"


@define
class _PageChange:
    """For `Emulator.alter`: change each page with rows, after so many other ones."""

    ids: Collection[str]
    earlier_pages: int
    change: Callable[[Any, JsonPath], Any]

    def __call__(self, request: Request, payload: Any) -> Any:
        rows = next(find_array_rows(payload, self.ids), None)
        if rows is None:
            return payload
        self.earlier_pages -= 1
        return payload if self.earlier_pages >= 0 else self.change(payload, rows[0][:-1])


def _replace_array(new: Any) -> Callable[[Any, JsonPath], Any]:
    """Build a change that replaces the array of a page's rows."""
    return lambda payload, array: replace_value(payload, array, new)


def _remove_array(payload: Any, array: JsonPath) -> Any:
    if not array:
        return {}
    del get_value(payload, array[:-1])[array[-1]]
    return payload


#: What a gateway, or a vendor's change, makes of a page: it has no array of rows.
_SHAPES: Mapping[str, Callable[[Any, JsonPath], Any]] = {
    "null": lambda payload, array: None,
    "an empty object": lambda payload, array: {},
    "a text": lambda payload, array: "recordings",
    "a page without its array": _remove_array,
    "a page with null in place of its array": _replace_array(None),
    "a page with an object in place of its array": _replace_array({}),
    "a page with a text in place of its array": _replace_array("none"),
}


def find_array_rows(
    payload: Any, ids: Collection[str]
) -> Iterator[tuple[JsonPath, dict[str, Any]]]:
    """Find the rows of recordings in an array of a payload, with their paths."""
    for path, value in walk_values(payload):
        if not isinstance(value, dict) or not path or isinstance(path[-1], str):
            continue
        if find_id(value, ids) is not None:
            yield path, value
