"""Listing: complete, without duplicates and finite, no matter what moves while it is read."""

from __future__ import annotations

import gc
import itertools
import logging
import random
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given, settings
from hypothesis import strategies as st

from recording_core import (
    HttpSettings,
    Listing,
    MalformedPayload,
    PaginationError,
    Recording,
    RecordingStatus,
    Unavailable,
    call,
    conference,
    providers,
)
from recording_core.listing.coverage import MOST_KEPT, CoverageCounter
from recording_core.plugin import Page, Query, Window, read_rows
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, Reply

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ONE = (Window(),)
FINAL = (RecordingStatus.AVAILABLE, RecordingStatus.FAILED)


def build_row(number: int, **changes: Any) -> Recording:
    """Build the recording of a number, one minute older than the previous one."""
    at = NOW - timedelta(minutes=number + 1)
    return evolve(Recording("vendor", "default", f"r{number}", created_at=at), **changes)


def build_listing(
    fetch: Callable[[Query, Window, Any], Page],
    *,
    windows: Sequence[Window] = ONE,
    workers: int = 8,
    query: Query | None = None,
    not_listable: tuple[str, ...] = (),
) -> Listing:
    return Listing(
        query or Query(),
        lambda query: windows,
        fetch,
        workers=workers,
        now=lambda: NOW,
        not_listable=not_listable,
        provider="vendor",
    )


def read_ids(recordings: Iterable[Recording]) -> list[str]:
    return [recording.id for recording in recordings]


def make_numbered_pages(
    rows: Sequence[Recording], size: int
) -> Callable[[Query, Window, Any], Page]:
    """Make pages 1, 2, 3 ... of stable rows; the first one has the cursors of the rest."""

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 1
        some = rows[(number - 1) * size : number * size]
        last = -(-len(rows) // size)
        return Page(
            some, total=len(rows), remaining_cursors=range(2, last + 1) if cursor is None else ()
        )

    return fetch


# -- stable rows ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_pages_are_read_once_and_in_order(count: int, workers: int) -> None:
    rows = [build_row(number) for number in range(count)]
    found = build_listing(make_numbered_pages(rows, 10), workers=workers)
    assert read_ids(found) == read_ids(rows)
    coverage = found.coverage
    pages = max(1, -(-count // 10))
    edges = 2 if pages > 1 else 0  # the first and the last page are fetched again and compared
    assert (coverage.windows, coverage.pages) == (1, pages + edges)
    assert (coverage.expected, coverage.seen, coverage.duplicates) == (count, count, 0)
    assert (coverage.found_on_reread, coverage.unreadable, coverage.errors) == (0, (), ())
    assert coverage.complete


def test_windows_keep_their_order_and_overlapping_rows_come_once() -> None:
    rows = [build_row(number) for number in range(100)]
    windows = [
        Window(NOW - timedelta(minutes=n + 30), NOW - timedelta(minutes=n)) for n in (0, 20, 40)
    ]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        time.sleep(0.002 if window is windows[0] else 0)  # the first window arrives last
        inside = [
            each
            for each in rows
            if each.created_at and Query(window.since, window.until).matches(each)
        ]
        page = int(cursor or 0)
        return Page(
            inside[page * 7 : page * 7 + 7],
            next=page + 1 if inside[page * 7 + 7 :] else None,
            total=len(inside),
        )

    found = build_listing(fetch, windows=windows)
    assert read_ids(found) == read_ids(rows[:70])
    assert found.coverage.complete
    assert (found.coverage.windows, found.coverage.seen, found.coverage.duplicates) == (3, 70, 20)


def test_times_are_filtered_locally() -> None:
    """By `created_at`, else `started_at`; a row with neither is yielded and counted."""
    since, until = NOW - timedelta(minutes=10), NOW - timedelta(minutes=5)
    rows = [build_row(number) for number in range(20)]
    rows[6] = evolve(rows[6], started_at=NOW - timedelta(days=9))
    rows[8] = evolve(rows[8], created_at=None, started_at=rows[8].created_at)
    rows[15] = evolve(rows[15], created_at=None)
    found = build_listing(make_numbered_pages(rows, 6), query=Query(since, until))
    assert read_ids(found) == ["r5", "r6", "r7", "r8", "r9", "r15"]  # [since, until)
    assert found.coverage.undated == 1
    assert found.coverage.seen == 20


def test_target_and_status_are_filtered_locally() -> None:
    rows = [
        build_row(1, target=call("a"), status=RecordingStatus.AVAILABLE),
        build_row(2, target=conference("a"), status=RecordingStatus.AVAILABLE),
        build_row(3, target=None, status=RecordingStatus.AVAILABLE),
        build_row(4, target=call("a"), status=RecordingStatus.FAILED),
    ]
    query = Query(target=call("a"), statuses=frozenset({RecordingStatus.AVAILABLE}))
    assert read_ids(build_listing(make_numbered_pages(rows, 10), query=query)) == ["r1", "r3"]


def test_iterating_again_sweeps_again() -> None:
    rows = [build_row(number) for number in range(30)]
    found = build_listing(make_numbered_pages(rows, 10))
    assert not found.coverage.complete
    first = read_ids(found)
    del rows[3:9]
    assert len(first) == 30
    assert read_ids(found) == read_ids(rows)
    assert found.coverage.seen == 24


def test_concurrent_iterations_are_independent() -> None:
    rows = [build_row(number) for number in range(500)]
    found = build_listing(make_numbered_pages(rows, 10), workers=3)
    assert all(one.id == other.id for one, other in zip(found, found, strict=True))
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(read_ids(found))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [read_ids(rows)] * 4


def test_not_listable_is_reported_and_not_an_error() -> None:
    found = build_listing(make_numbered_pages([], 5), not_listable=("conferences without an id",))
    assert read_ids(found) == []
    assert found.coverage.not_listable == ("conferences without an id",)
    assert found.coverage.complete


# -- unreadable rows and pages --------------------------------------------------------------------


def test_unreadable_row_does_not_affect_others() -> None:
    """P3."""

    def read(payload: Mapping[str, Any]) -> Recording:
        if "id" not in payload:
            raise MalformedPayload("The field 'id' is missing", path="id")
        return Recording("vendor", "default", payload["id"])

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        rows = read_rows([{"id": "a"}, {}, "text", None, {"id": "b"}], read)
        return Page(rows, total=5)

    found = build_listing(fetch)
    assert read_ids(found) == ["a", "b"]
    coverage = found.coverage
    assert coverage.unreadable == (
        "Row 1: The field 'id' is missing",
        "Row 2: It is not an object",
        "Row 3: It is not an object",
    )
    assert (coverage.complete, coverage.undated) == (False, 2)


def test_unread_fields_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """One odd field costs neither its recording nor the completeness of the list."""

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        unread = {"a": ("size",), "b": (), "c": ("size", "meeting.title")}
        rows = [Recording("vendor", "default", id, unread_fields=unread[id]) for id in unread]
        return Page(rows, total=3)

    found = build_listing(fetch)
    with caplog.at_level(logging.WARNING, "recording_core"):
        assert read_ids(found) == ["a", "b", "c"]
    assert found.coverage.unread_fields == {"size": 2, "meeting.title": 1}
    assert (found.coverage.complete, found.coverage.unreadable) == (True, ())
    messages = [record.getMessage() for record in caplog.records]
    assert [message.partition(";")[0] for message in messages] == [
        "vendor list: the field 'size' could not be read, first in recording a",
        "vendor list: the field 'meeting.title' could not be read, first in recording c",
    ]


def test_log_line_has_no_control_characters(caplog: pytest.LogCaptureFixture) -> None:
    """The id is the vendor's."""
    row = Recording("vendor", "default", "r\x1b[2J\n1", unread_fields=("size",))
    with caplog.at_level(logging.WARNING, "recording_core"):
        list(build_listing(lambda *_: Page([row], total=1)))
    assert r"in recording r\u001b[2J\n1;" in caplog.records[0].getMessage()


def test_unreadable_rows_and_fields_are_bounded() -> None:
    """A vendor chooses how many there are."""
    counter = CoverageCounter()
    logged = [counter.add_unread_fields((f"x{number}",)) for number in range(3 * MOST_KEPT)]
    assert sum(map(len, logged)) == MOST_KEPT  # each new path is a line of the log
    assert len(counter.build_coverage(()).unread_fields) == MOST_KEPT

    def read(payload: Mapping[str, Any]) -> Recording:
        raise MalformedPayload("The field 'id' is missing", path="id")

    found = build_listing(lambda *_: Page(read_rows([{}] * (3 * MOST_KEPT), read), total=None))
    assert read_ids(found) == []
    assert len(found.coverage.unreadable) == MOST_KEPT
    assert not found.coverage.complete


def test_errors_of_pages_are_bounded() -> None:
    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        errors = tuple(f"problem {number} of page {at}" for number in range(700))
        return Page([build_row(at)], next=at + 1 if at < 3 else None, errors=errors, total=4)

    found = build_listing(fetch)
    assert len(read_ids(found)) == 4
    assert len(found.coverage.errors) == MOST_KEPT


@pytest.mark.parametrize("error", [Unavailable("down"), MalformedPayload("junk"), KeyError("bug")])
@pytest.mark.parametrize("page", [1, 4])
def test_failed_page_raises_and_coverage_is_incomplete(error: Exception, page: int) -> None:
    """L4."""
    good = make_numbered_pages([build_row(number) for number in range(100)], 10)

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        if (cursor or 1) == page:
            raise error
        return good(query, window, cursor)

    found = build_listing(fetch)
    seen: list[str] = []
    with pytest.raises(type(error)):
        seen.extend(recording.id for recording in found)
    assert not found.coverage.complete
    assert found.coverage.seen == (page - 1) * 10
    if not isinstance(error, KeyError):
        assert found.coverage.errors == (str(error),)


def test_page_errors_are_listed_once_and_coverage_is_incomplete() -> None:
    rows = [build_row(number) for number in range(6)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        errors = ("the sizes could not be read",) if number > 1 else ()
        return Page([rows[number]], next=number + 1, is_last=number == 5, errors=errors)

    found = build_listing(fetch)
    assert read_ids(found) == read_ids(rows)
    assert found.coverage.errors == ("the sizes could not be read",)
    assert not found.coverage.complete


# -- endless listings -----------------------------------------------------------------------------


def make_endless_pages(kind: str) -> Callable[[Query, Window, Any], Page]:
    """Make the pages of a vendor, or of an attacker in its place, whose listing has no end."""
    some = [build_row(number) for number in range(10)]
    other = [build_row(number) for number in range(10, 20)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        new_rows = [build_row(number) for number in range(at * 10, at * 10 + 10)]
        many_new_rows = [build_row(number) for number in range(at * 100, at * 100 + 100)]
        return {
            "the same cursor": Page(new_rows, next=1),
            "a cycle of cursors": Page(new_rows, next=(at + 1) % 7),
            "the same page": Page(some, next=at + 1),
            "the same two pages": Page(other if at % 2 else some, next=at + 1),
            "the same rows, shuffled": Page(random.sample(some, 10), next=at + 1),
            "one row again": Page(some[:1], next=at + 1),
            "empty pages": Page([] if at else some, next=at + 1),
            "an absurd total": Page(
                [] if at else some, total=10**12, remaining_cursors=range(1, 10**11)
            ),
            "the same page, an absurd total": Page(
                some, total=10**12, remaining_cursors=range(1, 10**11)
            ),
            "new rows, a small total": Page(many_new_rows, total=100, next=at + 1),
            "new rows, a total of the first page": Page(
                many_new_rows, total=None if at else 0, next=at + 1
            ),
            "rows that cannot be read": Page(
                read_rows([None], lambda row: some[0]),
                total=10**12,
                remaining_cursors=range(1, 10**11),
            ),
        }[kind]

    return fetch


@pytest.mark.parametrize(
    "kind",
    [
        "the same cursor",
        "a cycle of cursors",
        "the same page",
        "the same two pages",
        "the same rows, shuffled",
        "one row again",
        "empty pages",
        "an absurd total",
        "the same page, an absurd total",
        "rows that cannot be read",
        "new rows, a small total",
        "new rows, a total of the first page",
    ],
)
@pytest.mark.parametrize("workers", [1, 8])
def test_endless_listing_raises_pagination_error(kind: str, workers: int) -> None:
    """L3."""
    found = build_listing(make_endless_pages(kind), workers=workers)
    seen: list[str] = []
    with pytest.raises(PaginationError):
        seen.extend(recording.id for recording in found)
    assert len(seen) == len(set(seen))
    assert not found.coverage.complete
    assert found.coverage.pages < 200


@pytest.mark.parametrize("empty", [1, 2])
def test_empty_page_is_not_the_end(empty: int) -> None:
    pages = [[build_row(1)], *([[]] * empty), [build_row(2)], []]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        return Page(pages[at], next=at + 1 if at + 1 < len(pages) else None)

    assert read_ids(build_listing(fetch)) == ["r1", "r2"]


def test_several_lists_without_rows_are_not_endless() -> None:
    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        return Page(
            [build_row(1)] if at == 9 else [], next=at + 1 if at < 9 else None, ends_list=True
        )

    found = build_listing(fetch)
    assert read_ids(found) == ["r1"]
    assert found.coverage.complete


def test_is_last_ends_the_window() -> None:
    requested: list[Any] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        requested.append(cursor)
        number = cursor or 1
        rows = [build_row(n) for n in range(number * 5, number * 5 + 5)]
        more = range(2, 1000) if cursor is None else ()
        return Page(rows, total=5000, remaining_cursors=more, is_last=number == 3)

    found = build_listing(fetch, workers=4)
    assert len(list(found)) == 15
    assert found.coverage.complete
    assert found.coverage.expected is None
    assert len(requested) < 12


# -- moving rows ----------------------------------------------------------------------------------


@define
class MovingVendor:
    """A vendor whose rows come and go between any two requests."""

    generator: random.Random
    rows: list[Recording] = field(factory=list)
    #: the ids of the rows that are there from the start to the end
    kept: set[str] = field(factory=set)
    created: int = 0
    #: the changes that are still to come
    insertions: int = 0
    deletions: int = 0
    size: int = 5
    lock: threading.Lock = field(factory=threading.Lock)

    def start(self, count: int, insertions: int, deletions: int) -> None:
        self.rows = [build_row(number) for number in range(count)]
        self.kept = {each.id for each in self.rows}
        self.insertions, self.deletions = insertions, deletions

    def move(self) -> None:
        for _ in range(self.generator.randint(0, 3)):
            if self.insertions and self.generator.random() < 0.5:
                self.insertions -= 1
                self.created += 1
                self.rows.insert(
                    0, Recording("vendor", "default", f"new{self.created}", created_at=NOW)
                )
            if self.deletions and self.rows and self.generator.random() < 0.5:
                self.deletions -= 1
                self.kept.discard(self.rows.pop(self.generator.randrange(len(self.rows))).id)

    def page_by_number(self, query: Query, window: Window, cursor: Any) -> Page:
        """Return a numbered page; the first one has the cursors of the rest."""
        with self.lock:
            self.move()
            number = cursor or 1
            some = self.rows[(number - 1) * self.size : number * self.size]
            last = -(-len(self.rows) // self.size)
            return Page(
                some,
                total=len(self.rows),
                remaining_cursors=range(2, last + 1) if cursor is None else (),
            )

    def page_by_offset(self, query: Query, window: Window, cursor: Any) -> Page:
        """Return a page whose cursor is an offset."""
        with self.lock:
            self.move()
            at = int(cursor or 0)
            some = self.rows[at : at + self.size]
            more = at + self.size < len(self.rows)
            return Page(some, total=len(self.rows), next=at + self.size if more else None)

    def page_by_key(self, query: Query, window: Window, cursor: Any) -> Page:
        """Return a page whose cursor names its last row."""
        with self.lock:
            self.move()
            after = [
                each
                for each in self.rows
                if cursor is None or (each.created_at or NOW, each.id) < cursor
            ]
            some = sorted(after, key=lambda each: (each.created_at or NOW, each.id), reverse=True)
            some = some[: self.size]
            last = (some[-1].created_at or NOW, some[-1].id) if len(some) == self.size else None
            return Page(some, next=last)


@pytest.mark.parametrize("paging", ["page_by_number", "page_by_offset", "page_by_key"])
@pytest.mark.parametrize("workers", [1, 4])
@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 60),
    insertions=st.integers(0, 40),
    deletions=st.integers(0, 40),
)
def test_moving_rows_cause_no_loss_and_no_duplicate(
    paging: str, workers: int, seed: int, count: int, insertions: int, deletions: int
) -> None:
    """L1, L2: unless the coverage reports that the listing is incomplete."""
    vendor = MovingVendor(random.Random(seed))
    vendor.start(count, insertions, deletions)
    found = build_listing(getattr(vendor, paging), workers=workers)
    seen = read_ids(found)
    assert len(seen) == len(set(seen))
    if found.coverage.complete:
        assert vendor.kept <= set(seen)


@pytest.mark.parametrize("workers", [1, 4])
def test_listing_that_becomes_stable_is_complete(workers: int) -> None:
    """L2: rows missed by one pass are found by the next, and counted in `found_on_reread`."""
    found_on_reread = 0
    for seed in range(40):
        vendor = MovingVendor(random.Random(seed))
        vendor.start(60, 6, 12)
        found = build_listing(vendor.page_by_number, workers=workers)
        seen = read_ids(found)
        assert found.coverage.complete, found.coverage
        assert vendor.kept <= set(seen)
        found_on_reread += found.coverage.found_on_reread
    assert found_on_reread > 0


def test_listing_that_stays_unstable_is_incomplete() -> None:
    """L2: three deletions per page, without end."""
    counter = itertools.count()
    rows = [build_row(number) for number in range(10_000)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        del rows[:3]
        at = int(cursor or 0)
        assert next(counter) < 20_000
        return Page(
            rows[at : at + 100], total=len(rows), next=at + 100 if rows[at + 100 :] else None
        )

    found = build_listing(fetch)
    assert len(list(found)) > 9000
    assert not found.coverage.complete
    assert found.coverage.errors


def test_fewer_rows_than_the_total_is_an_error_of_the_listing() -> None:
    found = build_listing(lambda query, window, cursor: Page([build_row(1)], total=7))
    assert read_ids(found) == ["r1"]
    assert "reports 7" in found.coverage.errors[0]
    assert not found.coverage.complete


@pytest.mark.parametrize(
    ("count", "totals"),
    [
        (11_000, [100]),
        (3_000, [0]),
        (30_000, [2_000]),
        (30_000, [30_000, 10]),
        (30_000, [None]),
    ],
    ids=["at the bound", "0", "estimated", "rows were removed meanwhile", "none"],
)
def test_total_may_be_far_from_the_number_of_rows(count: int, totals: list[int | None]) -> None:
    """Some vendors estimate it, report that of the page, or count what was removed meanwhile."""
    rows = [build_row(number) for number in range(count)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        more = at + 1000 if at + 1000 < count else None
        total = totals[min(at // 1000, len(totals) - 1)]
        return Page(rows[at : at + 1000], total=total, next=more, stable_cursor=True)

    assert len(read_ids(build_listing(fetch))) == count


# -- threads and memory ---------------------------------------------------------------------------


def count_threads() -> int:
    return sum(thread.name.startswith("recording-list") for thread in threading.enumerate())


def wait_for_threads() -> bool:
    """Wait until no thread of a listing is left; false after 5 seconds."""
    end = time.monotonic() + 5
    while count_threads() and time.monotonic() < end:
        time.sleep(0.005)
    return count_threads() == 0


def raise_in_loop(found: Listing) -> None:
    for _ in found:
        raise RuntimeError("ours")


@pytest.mark.parametrize("how", ["break", "error", "close", "end", "forget"])
def test_threads_end_with_their_iteration(how: str) -> None:
    found = build_listing(
        make_numbered_pages([build_row(number) for number in range(300)], 5), workers=4
    )
    iterator = iter(found)
    if how == "end":
        list(iterator)
    elif how == "error":
        with pytest.raises(RuntimeError, match="ours"):
            raise_in_loop(found)
    else:
        for _, _ in zip(range(12), iterator, strict=False):
            pass
        if how == "close":
            iterator.close()  # type: ignore[attr-defined]  # of a generator
    del iterator
    gc.collect()
    assert wait_for_threads()


@pytest.mark.parametrize("startable", [0, 1, 3])
def test_list_needs_one_worker_that_can_be_started(
    monkeypatch: pytest.MonkeyPatch, startable: int
) -> None:
    """`Thread.start` fails if the process has reached the system's limit of threads."""
    start, started = threading.Thread.start, 0

    def start_some(thread: threading.Thread) -> None:
        nonlocal started
        if started == startable:
            raise RuntimeError("can't start new thread")
        started += 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    rows = [build_row(number) for number in range(95)]
    found = build_listing(make_numbered_pages(rows, 10), workers=8)
    if startable == 0:
        with pytest.raises(Unavailable, match="cannot start a thread"):
            list(found)
    else:
        assert read_ids(found) == read_ids(rows)
        assert found.coverage.pages == 12  # none is fetched twice


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_at_most_workers_plus_one_pages_are_held(workers: int) -> None:
    """L6."""
    good = make_numbered_pages([build_row(number) for number in range(400)], 5)
    fetched = 0

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        nonlocal fetched
        fetched += 1
        return good(query, window, cursor)

    taken = 0
    for taken, _ in enumerate(build_listing(fetch, workers=workers), 1):
        if taken % 7 == 0:
            time.sleep(0.001)
        assert fetched <= -(-taken // 5) + workers
    assert taken == 400


def test_nothing_is_requested_before_the_first_row() -> None:
    """L6."""
    requested: list[Any] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        requested.append(cursor)
        return Page([build_row(1)])

    found = build_listing(fetch)
    iterator = iter(found)
    assert requested == []
    next(iterator)
    assert requested == [None]
    assert "seen=1" in repr(found)


@pytest.mark.parametrize("method", ["to_arrow", "to_pandas", "to_polars"])
def test_listing_gives_a_frame_with_a_row_per_recording(method: str) -> None:
    rows = [build_row(1), build_row(2, size=7)]
    found = build_listing(lambda query, window, cursor: Page(rows))
    frame = getattr(found, method)()
    assert frame.shape[0] == 2
    assert list(map(str, frame["recording_id"])) == ["r1", "r2"]
    assert found.coverage.complete


def test_frame_of_a_listing_that_fails_raises_the_error_of_the_listing() -> None:
    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        raise Unavailable("the vendor is down")

    found = build_listing(fetch)
    with pytest.raises(Unavailable, match="the vendor is down"):
        found.to_pandas()
    assert not found.coverage.complete


def test_repr_of_a_listing_shows_its_query_and_what_was_seen() -> None:
    query = Query(since=NOW, target=conference("standup"), statuses=frozenset(FINAL))
    found = build_listing(lambda query, window, cursor: Page([build_row(1)]), query=query)
    assert repr(found) == (
        "<Listing vendor since=2026-06-01 12:00:00+00:00 target=conference:standup "
        "status=available,failed seen=0 complete=False>"
    )
    found = build_listing(lambda query, window, cursor: Page([build_row(1)]))
    assert list(found)
    html = found._repr_html_()
    assert html == found.coverage._repr_html_()
    assert '<td style="text-align:left">complete</td>' in html
    assert ">True</td>" in html


def test_next_page_is_fetched_while_rows_are_used() -> None:
    ahead = threading.Event()

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        if at == 1:
            ahead.set()
        return Page([build_row(at)], next=at + 1 if at < 3 else None)

    for taken in build_listing(fetch):
        if taken.id == "r0":
            assert ahead.wait(5)


def test_pages_with_known_cursors_are_fetched_in_parallel() -> None:
    """40 pages of 20 ms each take 800 ms one after the other."""
    good = make_numbered_pages([build_row(number) for number in range(400)], 10)
    concurrent = 0
    most = 0
    lock = threading.Lock()

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        nonlocal concurrent, most
        with lock:
            concurrent += 1
            most = max(most, concurrent)
        time.sleep(0.02)
        with lock:
            concurrent -= 1
        return good(query, window, cursor)

    start = time.monotonic()
    assert len(list(build_listing(fetch, workers=8))) == 400
    assert time.monotonic() - start < 0.5
    assert 4 < most <= 8


@pytest.mark.long
def test_long_listing_needs_little_memory() -> None:
    """L6: 200,000 rows in under 50 MiB."""

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 1
        rows = [
            Recording("vendor", "default", f"{n:08x}-aaaa-4bbb-8ccc-0123456789ab", created_at=NOW)
            for n in range((number - 1) * 1000, number * 1000)
        ]
        return Page(rows, total=200_000, remaining_cursors=range(2, 201) if cursor is None else ())

    tracemalloc.start()
    try:
        count = sum(1 for _ in build_listing(fetch))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < 50 * 1024 * 1024


# -- over HTTP ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(providers()))
def test_emulated_vendor_is_listed_completely(name: str) -> None:
    emulator_class: type[Emulator] = load_object(providers()[name], "emulator")
    with emulator_class(recordings=45) as emulator:
        emulator.faults.extend([Reply(503), Reply(abort=True)])
        http = HttpSettings(workers=4)
        with emulator.connect(http=http) as provider:
            found = provider.list()
            seen = read_ids(found)
            assert found.coverage.complete, found.coverage
        assert sorted(seen) == sorted(emulator.list_ids())
        assert wait_for_threads()


@pytest.mark.parametrize("name", sorted(providers()))
def test_emulated_vendor_that_fails_midway_is_incomplete(name: str) -> None:
    """L4."""
    emulator_class: type[Emulator] = load_object(providers()[name], "emulator")
    with (
        emulator_class(recordings=300) as emulator,
        emulator.connect(http=HttpSettings(retries=0, workers=1)) as provider,
    ):
        vars(emulator)["max_page_size"] = 20  # for a vendor whose page would hold all of them
        found = provider.list()
        iterator = iter(found)
        next(iterator)
        emulator.faults.extend([Reply(500)] * 500)
        with pytest.raises(Unavailable):
            list(iterator)
        assert not found.coverage.complete
        assert found.coverage.errors


def test_positions_without_a_total_are_read_until_no_new_row_comes() -> None:
    """L2: a row moved to a page that was already read, and no total or overlap row shows it."""
    pages = iter([["a", "b"], ["d"], ["a", "b"], ["c", "d"], ["a", "b"], ["c", "d"]])

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        rows = [Recording("vendor", "default", each) for each in next(pages)]
        return Page(rows, next=1 if cursor is None else None)

    listing = Listing(Query(), lambda query: (Window(),), fetch, workers=1, now=lambda: NOW)
    assert [each.id for each in listing] == ["a", "b", "d", "c"]
    assert listing.coverage.complete
    assert listing.coverage.found_on_reread == 1


def test_stable_cursor_needs_no_second_pass() -> None:
    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        rows = [Recording("vendor", "default", str(number))]
        return Page(rows, next=number + 1 if number < 3 else None, stable_cursor=True)

    listing = Listing(Query(), lambda query: (Window(),), fetch, workers=1, now=lambda: NOW)
    assert [each.id for each in listing] == ["0", "1", "2", "3"]
    assert listing.coverage.pages == 4


@pytest.mark.parametrize("newest_first", [True, False])
def test_row_that_replaces_another_is_noticed(newest_first: bool) -> None:
    """L2: the total stays the same, and rows move from a later page to one that was read."""
    rows = [build_row(number) for number in range(40)]
    kept = list(rows)
    read: list[int] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        read.append(number)
        if len(read) == 2:  # between the first page and the second
            removed = rows.pop(0)
            kept.remove(removed)
            rows.insert(0, build_row(900)) if not newest_first else rows.append(build_row(900))
        inside = rows[number * 10 : number * 10 + 10]
        return Page(inside, total=len(rows), next=number + 1 if number < 3 else None)

    found = build_listing_with_one_worker(fetch)
    assert {each.id for each in kept} <= set(read_ids(found))
    assert found.coverage.complete
    assert len(read_ids(found)) == len(set(read_ids(found)))


def test_one_page_of_rows_may_come_between_two_pages() -> None:
    """L2: the second page then equals the first, but the listing has an end."""
    rows = [build_row(number) for number in range(30)]
    requested: list[int] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        requested.append(number)
        if len(requested) == 2:
            rows[:0] = [build_row(900 + number) for number in range(10)]
        inside = rows[number * 10 : number * 10 + 10]
        return Page(inside, total=len(rows), next=number + 1 if rows[number * 10 + 10 :] else None)

    found = build_listing_with_one_worker(fetch)
    assert set(read_ids(found)) == set(read_ids(rows))
    assert found.coverage.complete


def test_rows_that_come_in_two_passes_cause_a_third() -> None:
    """L2: a total that changes during the second pass makes it unstable, too."""
    rows = [build_row(number) for number in range(20)]
    requested: list[Any] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        requested.append(cursor)
        if len(requested) in (2, 4):
            rows.insert(0, build_row(-len(requested)))
        left = rows if cursor is None else rows[read_ids(rows).index(cursor) + 1 :]
        return Page(left[:10], total=len(rows), next=left[9].id if left[10:] else None)

    found = build_listing_with_one_worker(fetch)
    assert set(read_ids(found)) == set(read_ids(rows))
    assert found.coverage.complete, found.coverage


def build_listing_with_one_worker(fetch: Callable[[Query, Window, Any], Page]) -> Listing:
    return Listing(Query(), lambda query: (Window(),), fetch, workers=1, now=lambda: NOW)


def make_overlapping_pages(
    rows: list[Recording], move_rows: Callable[[int], None]
) -> Callable[..., Page]:
    """Make pages of five by offset, each beginning with the last row of the previous one.

    Calls `move_rows` before each page, with the number of pages that were returned.
    """
    returned = itertools.count()

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        move_rows(next(returned))
        offset, overlap = cursor or (0, 0)
        found = rows[offset : offset + 5]
        return Page(
            found[overlap:],
            total=len(rows),
            remaining_cursors=None
            if cursor
            else [(each, 1) for each in range(4, len(rows) - 1, 4)],
            overlap_id=(found[0].id if found else "") if overlap else None,
            last_id=found[-1].id if found else None,
        )

    return fetch


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("removed", range(20))
@pytest.mark.parametrize("inserted", range(20))
def test_row_that_moves_over_a_page_boundary_changes_the_overlap_row(
    workers: int, removed: int, inserted: int
) -> None:
    """One row goes and another comes at once, anywhere: no total and no edge page shows it."""
    rows = [build_row(number) for number in range(20)]
    kept = set(read_ids(rows)) - {f"r{removed}"}

    def move_rows(returned: int) -> None:
        if returned == 2:
            del rows[removed]
            rows.insert(inserted, build_row(100 + inserted))

    found = build_listing(make_overlapping_pages(rows, move_rows), workers=workers)
    seen = read_ids(found)
    assert kept <= set(seen)
    assert len(seen) == len(set(seen))
    assert found.coverage.complete


def test_overlapping_pages_are_read_once_if_nothing_moves() -> None:
    rows = [build_row(number) for number in range(21)]
    found = build_listing(make_overlapping_pages(rows, lambda returned: None))
    assert read_ids(found) == read_ids(rows)
    coverage = found.coverage
    assert (coverage.pages, coverage.seen, coverage.duplicates, coverage.complete) == (
        5,
        21,
        0,
        True,
    )


def test_passes_that_lack_different_numbers_of_rows_are_repeated() -> None:
    """The first and second pass return fewer rows than the total, and the second nothing new."""
    rows = [build_row(number) for number in range(12)]
    counts = iter([10, 9, 12])

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        return Page(rows[: next(counts)] if cursor is None else [], total=12)

    found = build_listing(fetch, workers=1)
    assert read_ids(found) == read_ids(rows)
    assert found.coverage.complete


def test_second_pass_with_changed_overlap_rows_is_repeated() -> None:
    """One row moves away in both passes, and only overlap rows show it: the total is the same."""
    rows = [build_row(number) for number in range(20)]
    new_rows = (build_row(number, created_at=NOW) for number in itertools.count(100))

    def move_rows(returned: int) -> None:
        if returned == 2:
            rows[:] = [*rows[1:], next(new_rows)]
        if returned == 6:  # the second page of the second pass
            rows[:] = [next(new_rows), *rows[:-1]]
        if returned == 7:
            rows[:] = [*rows[2:], next(new_rows), next(new_rows)]

    found = build_listing(make_overlapping_pages(rows, move_rows), workers=1)
    assert {f"r{number}" for number in range(2, 20)} <= set(read_ids(found))
    assert found.coverage.complete
