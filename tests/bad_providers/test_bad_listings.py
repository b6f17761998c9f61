"""Providers that lose rows of a list, in one way each: the suite finds every one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]
_ROWS = "read_rows(rows, self._read),"
_SENT = '        answer = self.transport.get("recordings", operation="list", params=params)\n'
_TOTAL = (
    "            total=total,\n"
    "            remaining_cursors=range(2, pages + 1) if number == 1 else (),\n"
)

#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- rows --------------------------------------------------------------------------------------
    "list_swallows_errors": (
        "test_a_failed_page_never_gives_complete_coverage",
        "but coverage.complete is true",
        (
            "client.py",
            _SENT,
            "        try:\n    "
            + _SENT
            + "        except Exception:\n            return Page(())\n",
        ),
    ),
    "positions_are_declared_stable": (
        "test_rows_that_move_between_pages_are_not_lost",
        "list lost",
        ("client.py", "            total=total,\n", "            stable_cursor=True,\n"),
    ),
    "positions_are_declared_stable_with_a_total": (
        "test_pages_are_as_they_are_declared",
        "declared stable_cursor=True",
        (
            "client.py",
            "            total=total,\n",
            "            total=total,\n            stable_cursor=True,\n",
        ),
    ),
    "pages_follow_a_position_that_is_declared_stable": (
        "test_pages_are_as_they_are_declared",
        "declared stable_cursor=True",
        (
            "client.py",
            _TOTAL,
            "            stable_cursor=True,\n            next=number + 1 if rows else None,\n",
        ),
        ("client.py", "        pages = -(-total // PER_PAGE)\n", ""),
    ),
    "overlap_is_invented": (
        "test_pages_are_as_they_are_declared",
        "declared overlap_id=",
        (
            "client.py",
            "            total=total,\n",
            '            overlap_id="same",\n            last_id="same",\n',
        ),
    ),
    "a_row_is_lost_at_the_border": (
        "test_a_list_without_bounds_returns_each_recording_once",
        "lost 2 of the 45",
        ("client.py", _ROWS, "read_rows(rows[number > 1:], self._read),"),
    ),
    "the_last_page_is_lost": (
        "test_a_list_without_bounds_returns_each_recording_once",
        "lost 5 of the 45",
        ("client.py", "pages = -(-total // PER_PAGE)", "pages = total // PER_PAGE"),
        ("client.py", "            total=total,\n", ""),
    ),
    "until_loses_its_day": (
        "test_since_is_inclusive_and_until_is_exclusive",
        "selects by created_at, else started_at",
        (
            "client.py",
            "_format_day(query.until)",
            "_format_day(query.until - timedelta(days=1))",
        ),
    ),
    "since_loses_its_day": (
        "test_since_is_inclusive_and_until_is_exclusive",
        "selects by created_at, else started_at",
        (
            "client.py",
            "_format_day(query.since)",
            "_format_day(query.since + timedelta(days=1))",
        ),
    ),
    "since_loses_an_afternoon": (
        "test_since_is_inclusive_and_until_is_exclusive",
        "selects by created_at, else started_at",
        (
            "client.py",
            "_format_day(query.since)",
            "_format_day(query.since + timedelta(hours=8))",
        ),
    ),
    "until_loses_a_morning": (
        "test_since_is_inclusive_and_until_is_exclusive",
        "selects by created_at, else started_at",
        (
            "client.py",
            "_format_day(query.until)",
            "_format_day(query.until - timedelta(hours=8))",
        ),
    ),
    "days_are_in_the_zone_of_the_machine": (
        "test_since_is_inclusive_and_until_is_exclusive",
        "selects by created_at, else started_at",
        ("client.py", "moment.date()", "moment.astimezone().date()"),
    ),
    "live_recordings_are_not_listed": (
        "test_status_filters_the_list",
        "a list of unfinished recordings has what runs",
        (
            "client.py",
            _ROWS,
            'read_rows([each for each in rows if each["status"] != "recording"], self._read),',
        ),
        ("client.py", "            total=total,\n", ""),
    ),
    "one_recording_of_each_session_is_listed": (
        "test_target_selects_exactly_what_was_recorded_of_it",
        "list lost 20",
        (
            "client.py",
            _ROWS,
            'read_rows([*{each["session"]: each for each in rows}.values()], self._read),',
        ),
        ("client.py", "            total=total,\n", ""),
    ),
    "a_target_lists_its_newest_alone": (
        "test_target_selects_exactly_what_was_recorded_of_it",
        "list lost 20",
        ("client.py", _ROWS, "read_rows(rows[:1] if query.target else rows, self._read),"),
        ("client.py", "            total=total,\n", ""),
    ),
    "a_meeting_as_target_lists_nothing": (
        "test_target_filters_the_list",
        "recordings are missing",
        (
            "client.py",
            _SENT,
            "        if query.target is not None and query.target.kind is SessionKind.MEETING:\n"
            f"            return Page((), total=0)\n{_SENT}",
        ),
    ),
    "the_newest_month_alone_is_listed": (
        "test_a_list_without_bounds_returns_each_recording_once",
        "lost 29 of the 45",
        (
            "client.py",
            "        if query.since is not None:\n",
            "        params['from'] = (self.clock.now() - timedelta(days=30)).date().isoformat()\n"
            "        if query.since is not None and 'from' not in params:\n",
        ),
    ),
    "recordings_without_files_are_not_listed": (
        "test_an_unreadable_row_costs_only_that_row",
        "rows are lost; coverage.unreadable has 0",
        (
            "client.py",
            _ROWS,
            'read_rows([each for each in rows if each.get("files") or '
            'each["status"] != "ready"], self._read),',
        ),
    ),
    "rows_that_are_no_objects_are_not_counted": (
        "test_a_row_that_is_no_object_costs_only_itself",
        "are lost, and coverage.unreadable has 0",
        (
            "client.py",
            _ROWS,
            "read_rows([each for each in rows if isinstance(each, dict)], self._read),",
        ),
    ),
    "raw_lacks_the_files": (
        "test_raw_is_the_whole_payload",
        "and raw lacks",
        (
            "mapping.py",
            "raw=fields.row,",
            'raw={key: each for key, each in fields.row.items() if key != "files"},',
        ),
    ),
    "an_end_is_a_deletion": (
        "test_each_value_comes_from_the_answer",
        "but the recording was not deleted",
        (
            "mapping.py",
            '        ended_at=fields.instant("ended_at"),\n',
            '        ended_at=fields.instant("ended_at"),\n'
            '        deleted_at=fields.instant("ended_at"),\n',
        ),
    ),
    "failed_recordings_are_listed_by_status_alone": (
        "test_a_list_without_bounds_returns_each_recording_once",
        "lost 6 of the 45",
        (
            "client.py",
            _ROWS,
            "read_rows([each for each in rows if query.statuses or "
            'each["status"] != "failed"], self._read),',
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
