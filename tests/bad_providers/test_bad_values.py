"""Providers with one wrong or invented value: the suite finds every one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]
_GET = 'return self._read(self.transport.get(path, operation="get").payload)'
_DURATION = 'duration=fields.milliseconds("duration_ms")'
_CREATED = 'created_at=fields.instant("created_ms", epoch="milliseconds")'
_TIME = "from datetime import UTC, datetime, timedelta\nfrom typing import Any\n"

#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- wrong values ------------------------------------------------------------------------------
    "duration_thousandfold": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "duration of the recording after wait",
        ("mapping.py", _DURATION, 'duration=fields.seconds("duration_ms")'),
    ),
    "duration_of_files_thousandfold": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "duration of file mix after wait",
        ("mapping.py", 'each.milliseconds("duration_ms")', 'each.seconds("duration_ms")'),
    ),
    "duration_in_get_alone_is_wrong": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "duration of the recording after wait",
        (
            "client.py",
            _GET,
            'found = self._read(self.transport.get(path, operation="get").payload)\n'
            "        return evolve(found, duration=found.duration and found.duration * 2)",
        ),
    ),
    "duration_in_list_alone_is_wrong": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "duration of the recording after list",
        (
            "client.py",
            "read_rows(rows, self._read),",
            "read_rows(rows, lambda row: evolve(self._read(row), duration=timedelta(hours=1))),",
        ),
    ),
    "created_at_an_hour_off": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "created_at after wait",
        ("mapping.py", _CREATED, f"created_at=_shift({_CREATED.partition('=')[2]})"),
        (
            "mapping.py",
            "def _read_files(",
            "def _shift(moment: Any) -> Any:\n"
            "    return moment + timedelta(hours=1) if moment else None\n\n\n"
            "def _read_files(",
        ),
        ("mapping.py", "from typing import Any\n", _TIME),
    ),
    "started_at_an_hour_off": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "started_at after start",
        ("mapping.py", 'fields.instant("started_at")', '_shift(fields.instant("started_at"))'),
        (
            "mapping.py",
            "def _read_files(",
            "def _shift(moment: Any) -> Any:\n"
            "    return moment - timedelta(hours=1) if moment else None\n\n\n"
            "def _read_files(",
        ),
        ("mapping.py", "from typing import Any\n", _TIME),
    ),
    "ended_at_is_the_last_change": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "stopped_at after start",
        ("mapping.py", 'fields.instant("ended_at")', 'fields.instant("changed_at")'),
    ),
    "ended_at_is_the_start": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "stopped_at after start",
        ("mapping.py", 'fields.instant("ended_at")', 'fields.instant("started_at")'),
    ),
    "size_in_kilobytes": (
        "test_sizes_channels_and_formats_are_those_of_the_media",
        "as many bytes as a download stores",
        ("mapping.py", 'size=fields.count("bytes")', 'size=(fields.count("bytes") or 0) // 1024'),
    ),
    "size_of_files_in_bits": (
        "test_sizes_channels_and_formats_are_those_of_the_media",
        "of the 2560352 bytes that the vendor reports arrived",
        ("mapping.py", 'size=each.count("bytes")', 'size=(each.count("bytes") or 0) * 8'),
    ),
    "size_is_estimated": (
        "test_sizes_channels_and_formats_are_those_of_the_media",
        "as many bytes as a download stores",
        (
            "mapping.py",
            'size=fields.count("bytes")',
            'size=fields.count("bytes") and 16 * (fields.count("duration_ms") or 0)',
        ),
    ),
    "channels_are_always_one": (
        "test_a_recording_has_the_parameters_of_its_start",
        "is 1. Expected: 2",
        ("mapping.py", 'channels=fields.count("channels")', "channels=1"),
    ),
    "channels_are_always_two": (
        "test_a_recording_has_the_parameters_of_its_start",
        "is 2. Expected: 1",
        ("mapping.py", 'channels=fields.count("channels")', "channels=2"),
    ),
    "every_kind_is_a_call": (
        "test_an_operation_does_what_is_declared[meeting-get]",
        "lists no recording of a meeting",
        ("mapping.py", 'KINDS.get(fields.text("kind") or "")', "SessionKind.CALL"),
    ),
    "format_is_always_wav": (
        "test_a_recording_has_the_parameters_of_its_start",
        "is 'wav'. Expected: 'mp3'",
        (
            "mapping.py",
            'format=fields.text("format"),\n        channels',
            'format="wav",\n        channels',
        ),
    ),
    "created_at_is_the_time_of_the_request": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "created_at after wait",
        ("mapping.py", _CREATED, "created_at=datetime.now(UTC)"),
        ("mapping.py", "from typing import Any\n", _TIME),
    ),
    # -- invented values ---------------------------------------------------------------------------
    "duration_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and duration became",
        ("mapping.py", _DURATION, f"{_DURATION} or timedelta(seconds=7)"),
        ("mapping.py", "from typing import Any\n", _TIME),
    ),
    "duration_of_files_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and files.duration became",
        (
            "mapping.py",
            'duration=each.milliseconds("duration_ms")',
            'duration=each.milliseconds("duration_ms") or fields.milliseconds("duration_ms")',
        ),
    ),
    "size_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and size became 0",
        ("mapping.py", 'size=fields.count("bytes")', 'size=fields.count("bytes") or 0'),
    ),
    "size_is_invented_from_the_duration": (
        "test_a_field_that_is_missing_becomes_none",
        "and size became",
        (
            "mapping.py",
            'size=fields.count("bytes")',
            'size=fields.count("bytes") or 16 * (fields.count("duration_ms") or 0) or None',
        ),
    ),
    "channels_are_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and channels became 1",
        (
            "mapping.py",
            'channels=fields.count("channels")',
            'channels=fields.count("channels") or 1',
        ),
    ),
    "channels_of_files_are_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and files.channels became 1",
        ("mapping.py", 'channels=each.count("channels")', 'channels=each.count("channels") or 1'),
    ),
    "created_at_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and created_at became",
        ("mapping.py", _CREATED, f'{_CREATED} or fields.instant("started_at")'),
    ),
    "started_at_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and started_at became",
        (
            "mapping.py",
            'fields.instant("started_at")',
            f'fields.instant("started_at") or {_CREATED.partition("=")[2]}',
        ),
    ),
    "ended_at_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and ended_at became",
        (
            "mapping.py",
            'fields.instant("ended_at")',
            'fields.instant("ended_at") or fields.instant("changed_at")',
        ),
    ),
    "format_is_invented": (
        "test_a_format_follows_from_the_answer",
        "and format of",
        (
            "mapping.py",
            'format=fields.text("format"),\n        channels',
            'format=fields.text("format") or "wav",\n        channels',
        ),
    ),
    "format_of_files_is_invented": (
        "test_a_format_follows_from_the_answer",
        "and format of",
        ("mapping.py", 'each.text("format"),', 'each.text("format") or "mp3",'),
    ),
    "title_is_invented": (
        "test_a_field_that_is_missing_becomes_none",
        "and title became 'Recording'",
        ("mapping.py", 'title=fields.text("title")', 'title=fields.text("title") or "Recording"'),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
