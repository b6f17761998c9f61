"""Is the list complete? Whatever moves while it is read, nothing is lost, doubled or endless."""

from __future__ import annotations

import gc
import itertools
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
from recording_core.plugin import Page, Query, Window, read_rows
from recording_core.plugins.registry import load_object
from recording_core.testing import Emulator, Reply

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ONE = (Window(),)


def row(number: int, **changes: Any) -> Recording:
    """The recording of that number, one minute older than the one before it."""
    at = NOW - timedelta(minutes=number + 1)
    return evolve(Recording("vendor", "default", f"r{number}", created_at=at), **changes)


def listing(
    fetch: Callable[[Query, Window, Any], Page],
    *,
    windows: Sequence[Window] = ONE,
    workers: int = 8,
    query: Query | None = None,
    not_listable: tuple[str, ...] = (),
) -> Listing:
    return Listing(
        query or Query(),
        lambda asked: windows,
        fetch,
        workers=workers,
        now=lambda: NOW,
        not_listable=not_listable,
    )


def ids(recordings: Iterable[Recording]) -> list[str]:
    return [recording.id for recording in recordings]


def numbered(rows: Sequence[Recording], size: int) -> Callable[[Query, Window, Any], Page]:
    """Pages 1, 2, 3 ... of rows that hold still, of which the first tells how many there are."""

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 1
        some = rows[(number - 1) * size : number * size]
        last = -(-len(rows) // size)
        return Page(
            some, total=len(rows), remaining_cursors=range(2, last + 1) if cursor is None else ()
        )

    return fetch


# -- what holds still -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 95])
@pytest.mark.parametrize("workers", [1, 2, 8])
def test_every_page_is_read_once_and_in_order(count: int, workers: int) -> None:
    rows = [row(number) for number in range(count)]
    found = listing(numbered(rows, 10), workers=workers)
    assert ids(found) == ids(rows)
    coverage = found.coverage
    pages = max(1, -(-count // 10))
    looks = 2 if pages > 1 else 0  # the first and the last again: do they still look so?
    assert (coverage.windows, coverage.pages) == (1, pages + looks)
    assert (coverage.expected, coverage.seen, coverage.duplicates) == (count, count, 0)
    assert (coverage.found_on_reread, coverage.unreadable, coverage.errors) == (0, 0, ())
    assert coverage.complete


def test_windows_come_in_their_order_and_their_overlap_once() -> None:
    rows = [row(number) for number in range(100)]
    windows = [
        Window(NOW - timedelta(minutes=n + 30), NOW - timedelta(minutes=n)) for n in (0, 20, 40)
    ]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        time.sleep(0.002 if window is windows[0] else 0)  # the first comes last
        inside = [
            each
            for each in rows
            if each.created_at and Query(window.since, window.until).wants(each)
        ]
        page = int(cursor or 0)
        return Page(
            inside[page * 7 : page * 7 + 7],
            next=page + 1 if inside[page * 7 + 7 :] else None,
            total=len(inside),
        )

    found = listing(fetch, windows=windows)
    assert ids(found) == ids(rows[:70])
    assert found.coverage.complete
    assert (found.coverage.windows, found.coverage.seen, found.coverage.duplicates) == (3, 70, 20)


def test_what_was_asked_is_decided_here() -> None:
    """By `created_at`, else `started_at`; a row with neither is yielded and counted."""
    since, until = NOW - timedelta(minutes=10), NOW - timedelta(minutes=5)
    rows = [row(number) for number in range(20)]
    rows[6] = evolve(rows[6], started_at=NOW - timedelta(days=9))
    rows[8] = evolve(rows[8], created_at=None, started_at=rows[8].created_at)
    rows[15] = evolve(rows[15], created_at=None)
    found = listing(numbered(rows, 6), query=Query(since, until))
    assert ids(found) == ["r5", "r6", "r7", "r8", "r9", "r15"]  # [since, until)
    assert found.coverage.undated == 1
    assert found.coverage.seen == 20


def test_a_target_and_a_status_are_decided_here_too() -> None:
    rows = [
        row(1, target=call("a"), status=RecordingStatus.AVAILABLE),
        row(2, target=conference("a"), status=RecordingStatus.AVAILABLE),
        row(3, target=None, status=RecordingStatus.AVAILABLE),
        row(4, target=call("a"), status=RecordingStatus.FAILED),
    ]
    query = Query(target=call("a"), statuses=frozenset({RecordingStatus.AVAILABLE}))
    assert ids(listing(numbered(rows, 10), query=query)) == ["r1", "r3"]


def test_iterating_again_sweeps_again() -> None:
    rows = [row(number) for number in range(30)]
    found = listing(numbered(rows, 10))
    assert not found.coverage.complete
    first = ids(found)
    del rows[3:9]
    assert len(first) == 30
    assert ids(found) == ids(rows)
    assert found.coverage.seen == 24


def test_two_iterations_at_once_do_not_disturb_each_other() -> None:
    rows = [row(number) for number in range(500)]
    found = listing(numbered(rows, 10), workers=3)
    assert all(one.id == other.id for one, other in zip(found, found, strict=True))
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(ids(found))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [ids(rows)] * 4


def test_what_a_vendor_cannot_enumerate_is_told_and_no_error() -> None:
    found = listing(numbered([], 5), not_listable=("conferences without an id",))
    assert ids(found) == []
    assert found.coverage.not_listable == ("conferences without an id",)
    assert found.coverage.complete


# -- what cannot be read --------------------------------------------------------------------------


def test_a_row_that_cannot_be_read_costs_itself_alone() -> None:
    """P3."""

    def read(payload: Mapping[str, Any]) -> Recording:
        if "id" not in payload:
            raise MalformedPayload("field 'id' is missing", path="id")
        return Recording("vendor", "default", payload["id"])

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        rows = read_rows([{"id": "a"}, {}, "text", None, {"id": "b"}], read)
        return Page(rows, total=5)

    found = listing(fetch)
    assert ids(found) == ["a", "b"]
    coverage = found.coverage
    assert (coverage.unreadable, coverage.complete, coverage.undated) == (3, False, 2)


@pytest.mark.parametrize("error", [Unavailable("down"), MalformedPayload("junk"), KeyError("bug")])
@pytest.mark.parametrize("page", [1, 4])
def test_a_page_that_fails_raises_and_the_list_is_not_complete(error: Exception, page: int) -> None:
    """L4."""
    good = numbered([row(number) for number in range(100)], 10)

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        if (cursor or 1) == page:
            raise error
        return good(query, window, cursor)

    found = listing(fetch)
    seen: list[str] = []
    with pytest.raises(type(error)):
        seen.extend(recording.id for recording in found)
    assert not found.coverage.complete
    assert found.coverage.seen == (page - 1) * 10
    if not isinstance(error, KeyError):
        assert found.coverage.errors == (str(error),)


def test_what_went_wrong_beside_the_rows_is_said_once_and_the_list_is_not_complete() -> None:
    rows = [row(number) for number in range(6)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        errors = ("the sizes could not be read",) if number > 1 else ()
        return Page([rows[number]], next=number + 1, is_last=number == 5, errors=errors)

    found = listing(fetch)
    assert ids(found) == ids(rows)
    assert found.coverage.errors == ("the sizes could not be read",)
    assert not found.coverage.complete


# -- what never ends ------------------------------------------------------------------------------


def endless(kind: str) -> Callable[[Query, Window, Any], Page]:
    """A vendor, or somebody in its place, whose listing has no end."""
    some = [row(number) for number in range(10)]
    other = [row(number) for number in range(10, 20)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        fresh = [row(number) for number in range(at * 10, at * 10 + 10)]
        return {
            "the same cursor": Page(fresh, next=1),
            "a cycle of cursors": Page(fresh, next=(at + 1) % 7),
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
    ],
)
@pytest.mark.parametrize("workers", [1, 8])
def test_a_listing_without_end_ends_in_a_typed_error(kind: str, workers: int) -> None:
    """L3."""
    found = listing(endless(kind), workers=workers)
    seen: list[str] = []
    with pytest.raises(PaginationError):
        seen.extend(recording.id for recording in found)
    assert len(seen) == len(set(seen))
    assert not found.coverage.complete
    assert found.coverage.pages < 200


@pytest.mark.parametrize("empty", [1, 2])
def test_an_empty_page_in_between_is_not_the_end(empty: int) -> None:
    pages = [[row(1)], *([[]] * empty), [row(2)], []]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        return Page(pages[at], next=at + 1 if at + 1 < len(pages) else None)

    assert ids(listing(fetch)) == ["r1", "r2"]


def test_the_last_page_that_counts_ends_the_window() -> None:
    asked: list[Any] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        asked.append(cursor)
        number = cursor or 1
        rows = [row(n) for n in range(number * 5, number * 5 + 5)]
        more = range(2, 1000) if cursor is None else ()
        return Page(rows, total=5000, remaining_cursors=more, is_last=number == 3)

    found = listing(fetch, workers=4)
    assert len(list(found)) == 15
    assert found.coverage.complete
    assert found.coverage.expected is None
    assert len(asked) < 12


# -- what moves -----------------------------------------------------------------------------------


@define
class Moving:
    """A vendor whose rows come and go between any two of our requests."""

    dice: random.Random
    rows: list[Recording] = field(factory=list)
    kept: set[str] = field(factory=set)
    made: int = 0
    #: what remains to happen
    insertions: int = 0
    deletions: int = 0
    size: int = 5
    lock: threading.Lock = field(factory=threading.Lock)

    def start(self, count: int, insertions: int, deletions: int) -> None:
        self.rows = [row(number) for number in range(count)]
        self.kept = {each.id for each in self.rows}
        self.insertions, self.deletions = insertions, deletions

    def move(self) -> None:
        for _ in range(self.dice.randint(0, 3)):
            if self.insertions and self.dice.random() < 0.5:
                self.insertions -= 1
                self.made += 1
                self.rows.insert(
                    0, Recording("vendor", "default", f"new{self.made}", created_at=NOW)
                )
            if self.deletions and self.rows and self.dice.random() < 0.5:
                self.deletions -= 1
                self.kept.discard(self.rows.pop(self.dice.randrange(len(self.rows))).id)

    def by_number(self, query: Query, window: Window, cursor: Any) -> Page:
        """Numbered pages, all of which the first one names."""
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

    def by_offset(self, query: Query, window: Window, cursor: Any) -> Page:
        """A link to the next page, as an offset."""
        with self.lock:
            self.move()
            at = int(cursor or 0)
            some = self.rows[at : at + self.size]
            more = at + self.size < len(self.rows)
            return Page(some, total=len(self.rows), next=at + self.size if more else None)

    def by_key(self, query: Query, window: Window, cursor: Any) -> Page:
        """A link that names the row after which to go on."""
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


@pytest.mark.parametrize("paging", ["by_number", "by_offset", "by_key"])
@pytest.mark.parametrize("workers", [1, 4])
@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 60),
    insertions=st.integers(0, 40),
    deletions=st.integers(0, 40),
)
def test_nothing_that_was_there_throughout_is_lost_or_doubled(
    paging: str, workers: int, seed: int, count: int, insertions: int, deletions: int
) -> None:
    """L1, L2: or the list says itself that it is not complete."""
    vendor = Moving(random.Random(seed))
    vendor.start(count, insertions, deletions)
    found = listing(getattr(vendor, paging), workers=workers)
    seen = ids(found)
    assert len(seen) == len(set(seen))
    if found.coverage.complete:
        assert vendor.kept <= set(seen)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_list_that_comes_to_rest_is_complete(workers: int) -> None:
    """L2: what is lost on one pass is found on the next, and counted as late."""
    late = 0
    for seed in range(40):
        vendor = Moving(random.Random(seed))
        vendor.start(60, 6, 12)
        found = listing(vendor.by_number, workers=workers)
        seen = ids(found)
        assert found.coverage.complete, found.coverage
        assert vendor.kept <= set(seen)
        late += found.coverage.found_on_reread
    assert late > 0


def test_a_list_that_never_rests_says_so() -> None:
    """L2: three deletions a page, for ever."""
    counter = itertools.count()
    rows = [row(number) for number in range(10_000)]

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        del rows[:3]
        at = int(cursor or 0)
        assert next(counter) < 20_000
        return Page(
            rows[at : at + 100], total=len(rows), next=at + 100 if rows[at + 100 :] else None
        )

    found = listing(fetch)
    assert len(list(found)) > 9000
    assert not found.coverage.complete
    assert found.coverage.errors


def test_a_promise_that_is_not_kept_is_an_error_of_the_listing() -> None:
    found = listing(lambda query, window, cursor: Page([row(1)], total=7))
    assert ids(found) == ["r1"]
    assert "reports 7" in found.coverage.errors[0]
    assert not found.coverage.complete


# -- how it works ---------------------------------------------------------------------------------


def list_threads() -> int:
    return sum(thread.name.startswith("recording-list") for thread in threading.enumerate())


def settled() -> bool:
    end = time.monotonic() + 5
    while list_threads() and time.monotonic() < end:
        time.sleep(0.005)
    return list_threads() == 0


def use_badly(found: Listing) -> None:
    for _ in found:
        raise RuntimeError("ours")


@pytest.mark.parametrize("how", ["break", "error", "close", "end", "forget"])
def test_no_thread_outlives_its_iteration(how: str) -> None:
    found = listing(numbered([row(number) for number in range(300)], 5), workers=4)
    iterator = iter(found)
    if how == "end":
        list(iterator)
    elif how == "error":
        with pytest.raises(RuntimeError, match="ours"):
            use_badly(found)
    else:
        for _, _ in zip(range(12), iterator, strict=False):
            pass
        if how == "close":
            iterator.close()  # type: ignore[attr-defined]  # a generator's
    del iterator
    gc.collect()
    assert settled()


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_no_more_pages_are_held_than_workers_and_one(workers: int) -> None:
    """L6."""
    good = numbered([row(number) for number in range(400)], 5)
    fetched = 0

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        nonlocal fetched
        fetched += 1
        return good(query, window, cursor)

    taken = 0
    for taken, _ in enumerate(listing(fetch, workers=workers), 1):
        if taken % 7 == 0:
            time.sleep(0.001)
        assert fetched <= -(-taken // 5) + workers
    assert taken == 400


def test_nothing_is_asked_before_the_first_row_is_wanted() -> None:
    """L6."""
    asked: list[Any] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        asked.append(cursor)
        return Page([row(1)])

    found = listing(fetch)
    iterator = iter(found)
    assert asked == []
    next(iterator)
    assert asked == [None]
    assert "seen=1" in repr(found)


def test_the_next_page_is_fetched_while_this_one_is_used() -> None:
    ahead = threading.Event()

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        at = int(cursor or 0)
        if at == 1:
            ahead.set()
        return Page([row(at)], next=at + 1 if at < 3 else None)

    for taken in listing(fetch):
        if taken.id == "r0":
            assert ahead.wait(5)


def test_pages_that_are_known_are_fetched_at_once() -> None:
    """40 pages of 20 ms each take 800 ms one by one."""
    good = numbered([row(number) for number in range(400)], 10)
    together = 0
    most = 0
    lock = threading.Lock()

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        time.sleep(0.02)
        with lock:
            together -= 1
        return good(query, window, cursor)

    start = time.monotonic()
    assert len(list(listing(fetch, workers=8))) == 400
    assert time.monotonic() - start < 0.5
    assert 4 < most <= 8


def test_a_long_list_needs_little_memory() -> None:
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
        count = sum(1 for _ in listing(fetch))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < 50 * 1024 * 1024


# -- over HTTP ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(providers()))
def test_an_emulated_vendor_is_listed_whole(name: str) -> None:
    emulator_class: type[Emulator] = load_object(providers()[name], "emulator")
    with emulator_class(recordings=45) as emulator:
        emulator.faults.extend([Reply(503), Reply(abort=True)])
        http = HttpSettings(workers=4)
        with emulator.connect(http=http) as provider:
            found = provider.list()
            seen = ids(found)
            assert found.coverage.complete, found.coverage
        assert sorted(seen) == sorted(emulator.listed())
        assert settled()


@pytest.mark.parametrize("name", sorted(providers()))
def test_an_emulated_vendor_that_fails_midway_is_never_complete(name: str) -> None:
    """L4."""
    emulator_class: type[Emulator] = load_object(providers()[name], "emulator")
    with (
        emulator_class(recordings=300) as emulator,
        emulator.connect(http=HttpSettings(retries=0, workers=1)) as provider,
    ):
        found = provider.list()
        iterator = iter(found)
        next(iterator)
        emulator.faults.extend([Reply(500)] * 500)
        with pytest.raises(Unavailable):
            list(iterator)
        assert not found.coverage.complete
        assert found.coverage.errors


def test_positions_without_a_total_are_read_until_nothing_new_comes() -> None:
    """L2: rows that slipped from one page to another while it paged; nothing else could tell."""
    shown = [["a", "b"], ["d"], ["a", "b"], ["c", "d"], ["a", "b"], ["c", "d"]]
    pages = iter(shown)

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        rows = [Recording("vendor", "default", each) for each in next(pages)]
        return Page(rows, next=1 if cursor is None else None)

    listing = Listing(Query(), lambda query: (Window(),), fetch, workers=1, now=lambda: NOW)
    assert [each.id for each in listing] == ["a", "b", "d", "c"]
    assert listing.coverage.complete
    assert listing.coverage.found_on_reread == 1


def test_a_cursor_that_holds_still_needs_no_second_reading() -> None:
    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        rows = [Recording("vendor", "default", str(number))]
        return Page(rows, next=number + 1 if number < 3 else None, stable_cursor=True)

    listing = Listing(Query(), lambda query: (Window(),), fetch, workers=1, now=lambda: NOW)
    assert [each.id for each in listing] == ["0", "1", "2", "3"]
    assert listing.coverage.pages == 4


@pytest.mark.parametrize("newest_first", [True, False])
def test_one_that_goes_for_each_that_comes_is_noticed(newest_first: bool) -> None:
    """L2: the total stands still, and rows slip from a page to come to one that was read."""
    rows = [row(number) for number in range(40)]
    kept = list(rows)
    read: list[int] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        read.append(number)
        if len(read) == 2:  # between the first page and the second
            gone = rows.pop(0)
            kept.remove(gone)
            rows.insert(0, row(900)) if not newest_first else rows.append(row(900))
        inside = rows[number * 10 : number * 10 + 10]
        return Page(inside, total=len(rows), next=number + 1 if number < 3 else None)

    found = listing_of(fetch)
    assert {each.id for each in kept} <= set(ids(found))
    assert found.coverage.complete
    assert len(ids(found)) == len(set(ids(found)))


def test_as_many_rows_as_a_page_holds_may_come_between_two_pages() -> None:
    """L2: then the second page looks as the first did, and the list goes on all the same."""
    rows = [row(number) for number in range(30)]
    asked: list[int] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        number = cursor or 0
        asked.append(number)
        if len(asked) == 2:
            rows[:0] = [row(900 + number) for number in range(10)]
        inside = rows[number * 10 : number * 10 + 10]
        return Page(inside, total=len(rows), next=number + 1 if rows[number * 10 + 10 :] else None)

    found = listing_of(fetch)
    assert set(ids(found)) == set(ids(rows))
    assert found.coverage.complete


def test_rows_that_come_in_both_readings_leave_the_list_complete() -> None:
    """L2: a second reading that the vendor counted anew on its way is read again."""
    rows = [row(number) for number in range(20)]
    asked: list[Any] = []

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        asked.append(cursor)
        if len(asked) in (2, 4):
            rows.insert(0, row(-len(asked)))
        left = rows if cursor is None else rows[ids(rows).index(cursor) + 1 :]
        return Page(left[:10], total=len(rows), next=left[9].id if left[10:] else None)

    found = listing_of(fetch)
    assert set(ids(found)) == set(ids(rows))
    assert found.coverage.complete, found.coverage


def listing_of(fetch: Callable[[Query, Window, Any], Page]) -> Listing:
    return Listing(Query(), lambda query: (Window(),), fetch, workers=1, now=lambda: NOW)


def overlapping(rows: list[Recording], moves: Callable[[int], None]) -> Callable[..., Page]:
    """Pages of five by offset, each beginning with the last row of the one before; `moves` is
    told how many answers were given."""
    answers = itertools.count()

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        moves(next(answers))
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
@pytest.mark.parametrize("goes", range(20))
@pytest.mark.parametrize("comes", range(20))
def test_what_slips_over_a_seam_is_noticed_there(workers: int, goes: int, comes: int) -> None:
    """In one moment one row goes and another comes, each anywhere: no count and no end shows it."""
    rows = [row(number) for number in range(20)]
    kept = set(ids(rows)) - {f"r{goes}"}

    def moves(answered: int) -> None:
        if answered == 2:
            del rows[goes]
            rows.insert(comes, row(100 + comes))

    found = listing(overlapping(rows, moves), workers=workers)
    seen = ids(found)
    assert kept <= set(seen)
    assert len(seen) == len(set(seen))
    assert found.coverage.complete


def test_pages_that_overlap_are_read_once_where_nothing_moves() -> None:
    rows = [row(number) for number in range(21)]
    found = listing(overlapping(rows, lambda answered: None))
    assert ids(found) == ids(rows)
    coverage = found.coverage
    assert (coverage.pages, coverage.seen, coverage.duplicates, coverage.complete) == (
        5,
        21,
        0,
        True,
    )


def test_a_reading_that_lacks_another_number_of_rows_than_the_one_before_is_no_proof() -> None:
    """Neither the first nor the second shows all that it promises, and the second nothing new."""
    rows = [row(number) for number in range(12)]
    shown = iter([10, 9, 12])

    def fetch(query: Query, window: Window, cursor: Any) -> Page:
        return Page(rows[: next(shown)] if cursor is None else [], total=12)

    found = listing(fetch, workers=1)
    assert ids(found) == ids(rows)
    assert found.coverage.complete


def test_a_second_reading_over_whose_seams_rows_slip_is_no_proof() -> None:
    """One row slips away in both, and nothing but the seams tells: the totals stand still."""
    rows = [row(number) for number in range(20)]
    news = (row(number, created_at=NOW) for number in itertools.count(100))

    def moves(answered: int) -> None:
        if answered == 2:
            rows[:] = [*rows[1:], next(news)]
        if answered == 6:  # the second page of the second reading
            rows[:] = [next(news), *rows[:-1]]
        if answered == 7:
            rows[:] = [*rows[2:], next(news), next(news)]

    found = listing(overlapping(rows, moves), workers=1)
    assert {f"r{number}" for number in range(2, 20)} <= set(ids(found))
    assert found.coverage.complete
