"""Providers with one fault each in a verb: the suite finds every one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]
_GET = 'return self._read(self.transport.get(path, operation="get").payload)'
_PAUSE = 'return self._send_verb(session, "pause")'
_RESUME = 'return self._send_verb(session, "resume")'
_STOP = 'return self._send_verb(session, "stop")'
_ACTIVE = "    def _active(self,"
_READ = "    def _read(self,"
_DELETE = 'self.transport.request("DELETE", path'

#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- canned data, swallowed errors -------------------------------------------------------------
    "get_is_canned": (
        "test_an_operation_does_what_is_declared[call-get]",
        "get returns [], list returns",
        (
            "client.py",
            _GET,
            'self.transport.get(path, operation="get")\n        return Recording("bravo", '
            "self.account, recording_id, status=RecordingStatus.AVAILABLE, raw={1: 1})",
        ),
    ),
    "get_keeps_the_first_answer": (
        "test_an_operation_does_what_is_declared[call-get]",
        "is processing after 120 s",
        (
            "client.py",
            _GET,
            'kept = self.__dict__.setdefault("kept", {})\n'
            "        if path not in kept:\n"
            '            kept[path] = self.transport.get(path, operation="get").payload\n'
            "        return self._read(kept[path])",
        ),
    ),
    "start_is_canned": (
        "test_an_unknown_word_costs_no_verb",
        "never guesses",
        (
            "client.py",
            "return mapping.read_session(answer.payload, request.target, self.account)",
            'id = mapping.require_object(answer.payload).get("id")\n        '
            'return RecordingSession("bravo", self.account, id, request.target, '
            "status=RecordingStatus.RECORDING)",
        ),
    ),
    "active_swallows_errors": (
        "test_a_foreign_error_page_proves_nothing",
        "call active raises Unavailable behind HTML with HTTP 400",
        ("client.py", "        except NotFound:\n", "        except Exception:\n"),
    ),
    "delete_swallows_errors": (
        "test_an_operation_does_what_is_declared[call-delete]",
        "DID NOT RAISE NotFound",
        (
            "client.py",
            '        self.transport.request("DELETE", path, operation="delete", '
            "retry=RetryPolicy.IDEMPOTENT)",
            "        try:\n"
            '            self.transport.request("DELETE", path, operation="delete", '
            "retry=RetryPolicy.IDEMPOTENT)\n"
            "        except Exception:\n            pass",
        ),
    ),
    "stop_swallows_errors": (
        "test_a_foreign_error_page_proves_nothing",
        "call stop raises Unavailable",
        (
            "client.py",
            _STOP,
            'try:\n            return self._send_verb(session, "stop")\n'
            "        except Exception:\n"
            "            return evolve(session, status=RecordingStatus.PROCESSING)",
        ),
    ),
    "get_swallows_errors": (
        "test_a_foreign_error_page_proves_nothing",
        "get raises Unavailable",
        (
            "client.py",
            _GET,
            f"try:\n            {_GET}\n"
            "        except Exception as error:\n"
            '            raise NotFound("no such recording") from error',
        ),
    ),
    # -- verbs that lie ----------------------------------------------------------------------------
    "delete_does_nothing": (
        "test_an_operation_does_what_is_declared[call-delete]",
        "the provider sent: GET -> HTTP 200",
        (
            "client.py",
            _DELETE,
            'self.transport.request("GET", path',
        ),
    ),
    "delete_of_a_meeting_does_nothing": (
        "test_an_operation_does_what_is_declared[meeting-delete]",
        "the provider sent: GET -> HTTP 200",
        (
            "client.py",
            _DELETE,
            "is_meeting = target is not None and target.kind is SessionKind.MEETING\n"
            '        self.transport.request("GET" if is_meeting else "DELETE", path',
        ),
    ),
    "stop_lies": (
        "test_an_operation_does_what_is_declared[call-stop]",
        "the provider sent: nothing",
        (
            "client.py",
            _STOP,
            "return evolve(session, status=RecordingStatus.PROCESSING, "
            "stopped_at=self.clock.now())",
        ),
    ),
    "stop_only_pauses": (
        "test_an_operation_does_what_is_declared[call-stop]",
        "active after stop is",
        (
            "client.py",
            _STOP,
            'return evolve(self._send_verb(session, "pause"), '
            "status=RecordingStatus.PROCESSING, stopped_at=self.clock.now())",
        ),
    ),
    "stop_of_a_conference_only_pauses": (
        "test_an_operation_does_what_is_declared[conference-stop]",
        "active after stop is",
        (
            "client.py",
            _STOP,
            "if session.target.kind is SessionKind.CALL:\n"
            '            return self._send_verb(session, "stop")\n'
            '        return evolve(self._send_verb(session, "pause"), '
            "status=RecordingStatus.PROCESSING, stopped_at=self.clock.now())",
        ),
    ),
    "pause_is_local": (
        "test_an_operation_does_what_is_declared[call-pause]",
        "the provider sent: nothing",
        (
            "client.py",
            _PAUSE,
            "return evolve(session, status=RecordingStatus.PAUSED)",
        ),
    ),
    "pause_of_a_conference_is_local": (
        "test_an_operation_does_what_is_declared[conference-pause]",
        "the provider sent: nothing",
        (
            "client.py",
            _PAUSE,
            "if session.target.kind is SessionKind.CONFERENCE:\n"
            "            return evolve(session, status=RecordingStatus.PAUSED)\n"
            '        return self._send_verb(session, "pause")',
        ),
    ),
    "pause_believes_itself": (
        "test_a_pause_counts_only_if_the_vendor_shows_it",
        "it changes neither status nor pauses",
        (
            "client.py",
            _PAUSE,
            'return evolve(self._send_verb(session, "pause"), status=RecordingStatus.PAUSED)',
        ),
    ),
    "pause_believes_itself_without_the_word": (
        "test_a_pause_counts_only_if_the_vendor_shows_it",
        "it changes neither status nor pauses",
        (
            "client.py",
            _PAUSE,
            'return evolve(self._send_verb(session, "pause"), status=RecordingStatus.PAUSED, '
            "provider_status=None)",
        ),
    ),
    "no_word_in_sessions_and_pause_believes_itself": (
        "test_a_pause_counts_only_if_the_vendor_shows_it",
        "it changes neither status nor pauses",
        (
            "client.py",
            _PAUSE,
            'return evolve(self._send_verb(session, "pause"), status=RecordingStatus.PAUSED)',
        ),
        ("mapping.py", "        provider_status=recording.provider_status,\n", ""),
    ),
    "resume_believes_itself": (
        "test_a_pause_counts_only_if_the_vendor_shows_it",
        "it changes neither status nor pauses",
        (
            "client.py",
            _RESUME,
            'return evolve(self._send_verb(session, "resume"), status=RecordingStatus.RECORDING, '
            "provider_status=None)",
        ),
    ),
    "resume_pauses_again": (
        "test_an_operation_does_what_is_declared[call-resume]",
        "pause and resume send the same request",
        (
            "client.py",
            _RESUME,
            'return evolve(self._send_verb(session, "pause"), status=RecordingStatus.RECORDING)',
        ),
        (
            "client.py",
            "    rate = 10.0\n",
            "    rate = 10.0\n    get_shows_pauses = False\n",
        ),
    ),
    "pause_stops": (
        "test_an_operation_does_what_is_declared[call-pause]",
        "active of another connection is None after pause",
        (
            "client.py",
            _PAUSE,
            'return evolve(self._send_verb(session, "stop"), status=RecordingStatus.PAUSED)',
        ),
    ),
    "stop_drops_pauses": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "pauses after stop, of a session",
        (
            "client.py",
            _ACTIVE,
            "    def stop(self, session: RecordingSession) -> RecordingSession:\n"
            "        return evolve(super().stop(session), pauses=())\n\n"
            "    def _active(self,",
        ),
    ),
    "wait_drops_pauses": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "pauses after wait, of a session",
        (
            "client.py",
            _ACTIVE,
            "    def _observe(self, session: RecordingSession) -> RecordingSession:\n"
            "        return evolve(super()._observe(session), pauses=())\n\n"
            "    def _active(self,",
        ),
    ),
    "stop_keeps_the_last_pause": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "pauses after stop, of a session",
        (
            "client.py",
            _ACTIVE,
            "    def stop(self, session: RecordingSession) -> RecordingSession:\n"
            "        after = super().stop(session)\n"
            "        return evolve(after, pauses=after.pauses[-1:])\n\n"
            "    def _active(self,",
        ),
    ),
    "a_pause_is_dated_an_hour_late": (
        "test_times_durations_and_pauses_are_those_of_the_recording",
        "by the clock at each pause and resume",
        (
            "client.py",
            _PAUSE,
            'after = self._send_verb(session, "pause")\n'
            "        at = self.clock.now() + timedelta(hours=1)\n"
            "        return evolve(after, pauses=(*session.pauses, Interval(at)))",
        ),
        ("client.py", "    CommunicationSession,\n", "    CommunicationSession,\n    Interval,\n"),
    ),
    # -- verbs that one kind alone cannot do -------------------------------------------------------
    "no_pause_of_a_conference": (
        "test_an_operation_does_what_is_declared[conference-pause]",
        "NotImplementedError",
        (
            "client.py",
            _PAUSE,
            "if session.target.kind is SessionKind.CONFERENCE:\n"
            "            raise NotImplementedError\n"
            '        return self._send_verb(session, "pause")',
        ),
    ),
    "no_resume_of_a_conference": (
        "test_an_operation_does_what_is_declared[conference-resume]",
        "NotImplementedError",
        (
            "client.py",
            _RESUME,
            "if session.target.kind is SessionKind.CONFERENCE:\n"
            "            raise NotImplementedError\n"
            '        return self._send_verb(session, "resume")',
        ),
    ),
    "active_never_finds_a_conference": (
        "test_an_operation_does_what_is_declared[conference-active]",
        "active sent no request",
        (
            "client.py",
            '        path = f"active/',
            "        if target.kind is SessionKind.CONFERENCE:\n            return None\n"
            '        path = f"active/',
        ),
    ),
    "no_get_of_a_meeting": (
        "test_an_operation_does_what_is_declared[meeting-get]",
        "NotImplementedError",
        (
            "client.py",
            _GET,
            'found = self._read(self.transport.get(path, operation="get").payload)\n'
            "        if found.kind is SessionKind.MEETING:\n"
            "            raise NotImplementedError\n        return found",
        ),
    ),
    "no_delete_of_a_meeting": (
        "test_an_operation_does_what_is_declared[meeting-delete]",
        "NotImplementedError",
        (
            "client.py",
            _DELETE,
            "if target is not None and target.kind is SessionKind.MEETING:\n"
            "            raise NotImplementedError\n"
            '        self.transport.request("DELETE", path',
        ),
    ),
    "no_download_of_a_meeting": (
        "test_an_operation_does_what_is_declared[meeting-download]",
        "NotImplementedError",
        (
            "client.py",
            _READ,
            "    def _download(self, recording: Any, *rest: Any) -> Any:\n"
            "        if recording.kind is SessionKind.MEETING:\n"
            "            raise NotImplementedError\n"
            "        return super()._download(recording, *rest)\n\n"
            "    def _read(self,",
        ),
    ),
    "download_leaves_a_file_out": (
        "test_an_operation_does_what_is_declared[meeting-download]",
        "not ['mix', 'video']",
        (
            "client.py",
            _READ,
            "    def _download(self, recording: Any, files: Any, *rest: Any) -> Any:\n"
            "        return super()._download(recording, files[:1], *rest)\n\n"
            "    def _read(self,",
        ),
    ),
    "get_lists_one_file": (
        "test_sizes_channels_and_formats_are_those_of_the_media",
        "as many bytes as",
        ("mapping.py", "        files=files,\n", "        files=files[:1],\n"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
