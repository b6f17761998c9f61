"""Providers with one fault each in what they report or do at a moment, or in a path."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]
_PAUSE = 'return self._send_verb(session, "pause")'
_RESUME = 'return self._send_verb(session, "resume")'
_STOP = 'return self._send_verb(session, "stop")'
_DELETE = 'self.transport.request("DELETE", path'
_ENCODING_AVAILABLE = '"encoding": RecordingStatus.AVAILABLE'
_LIMIT = "request.max_duration.total_seconds()"

#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- verbs that lie about the moment -----------------------------------------------------------
    "stop_is_always_available": (
        "test_a_recording_is_available_only_if_its_media_is",
        "status after stop is <RecordingStatus.AVAILABLE",
        ("client.py", _STOP, f"return evolve({_STOP[7:]}, status=RecordingStatus.AVAILABLE)"),
    ),
    "processing_is_available": (
        "test_a_recording_is_available_only_if_its_media_is",
        "So the media can be fetched at that moment",
        ("mapping.py", '"encoding": RecordingStatus.PROCESSING', _ENCODING_AVAILABLE),
    ),
    "active_started_now": (
        "test_active_reports_the_time_of_the_start",
        "when the suite started it",
        (
            "client.py",
            "return mapping.read_session(answer.payload, target, self.account)",
            "found = mapping.read_session(answer.payload, target, self.account)\n"
            "        return evolve(found, started_at=self.clock.now())",
        ),
    ),
    "resume_is_local_if_it_seems_to_record": (
        "test_a_verb_with_an_older_session_reaches_the_vendor",
        "what another connection sees is <RecordingStatus.PAUSED",
        (
            "client.py",
            _RESUME,
            "if session.status is RecordingStatus.RECORDING:\n            return session\n"
            f"        {_RESUME}",
        ),
    ),
    "pause_is_local_if_it_seems_paused": (
        "test_a_verb_with_an_older_session_reaches_the_vendor",
        "what another connection sees is <RecordingStatus.RECORDING",
        (
            "client.py",
            _PAUSE,
            "if session.status is RecordingStatus.PAUSED:\n            return session\n"
            f"        {_PAUSE}",
        ),
    ),
    "a_refused_delete_is_hidden": (
        "test_a_running_recording_is_deleted_or_delete_raises",
        "it deletes, or raises",
        (
            "client.py",
            f"        {_DELETE}",
            '        with suppress(Conflict):\n            self.transport.request("DELETE", path',
        ),
        ("client.py", "    CommunicationSession,\n", "    CommunicationSession,\n    Conflict,\n"),
        ("client.py", "from datetime", "from contextlib import suppress\nfrom datetime"),
        (
            "emulator/app.py",
            'case ("DELETE", ""):',
            'case ("DELETE", "") if recording.ended is None:\n'
            '                return build_problem(409, "runs")\n            case ("DELETE", ""):',
        ),
    ),
    # -- ids ---------------------------------------------------------------------------------------
    "get_quotes_no_id": (
        "test_an_id_is_one_part_of_a_path",
        "call get with the id 'zz/xx?yy#zz'",
        (
            "client.py",
            "-> Recording:\n        path = f\"recordings/{quote(recording_id, safe='')}\"",
            '-> Recording:\n        path = f"recordings/{recording_id}"',
        ),
    ),
    "verbs_quote_ids_like_paths": (
        "test_an_id_is_one_part_of_a_path",
        "call pause with the id 'zz/xx?yy#zz'",
        ("client.py", "{quote(str(session.id), safe='')}", "{quote(str(session.id))}"),
    ),
    "active_quotes_no_id": (
        "test_an_id_is_one_part_of_a_path",
        "call active with the id 'zz/xx?yy#zz'",
        ("client.py", "{quote(target.id, safe='')}", "{target.id}"),
    ),
    "max_duration_in_minutes": (
        "test_a_recording_does_not_end_before_its_max_duration",
        "is the unit of the limit right?",
        ("client.py", f"round({_LIMIT})", f"round({_LIMIT} / 60)"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
