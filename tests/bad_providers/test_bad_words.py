"""Providers that lose or misread one word, or an event: the suite finds every one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]
_GET = 'return self._read(self.transport.get(path, operation="get").payload)'
_STATUS = "        status=find_status(status, STATUSES),\n        provider_status=status,\n"
_PARSE = (
    "    def parse(self, *args: Any, **options: Any) -> Any:\n"
    "        events = super().parse(*args, **options)\n"
)
_HOOK = "    def read_recording(self,"

#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- unknown words -----------------------------------------------------------------------------
    "unknown_is_available": (
        "test_an_unknown_word_is_unknown_and_kept",
        "is ('available', 'zz-new-word'), not",
        (
            "mapping.py",
            "status=find_status(status, STATUSES)",
            'status=STATUSES.get(status or "", RecordingStatus.AVAILABLE)',
        ),
    ),
    "unknown_is_available_and_no_word_is_kept": (
        "test_an_unknown_word_is_unknown_and_kept",
        "is ('available', None), not",
        (
            "mapping.py",
            _STATUS,
            '        status=STATUSES.get(status or "", RecordingStatus.AVAILABLE),\n',
        ),
    ),
    "no_word_is_kept": (
        "test_an_unknown_word_is_unknown_and_kept",
        "is ('unknown', None), not",
        ("mapping.py", _STATUS, _STATUS.splitlines(keepends=True)[0]),
    ),
    "unknown_words_alone_are_not_kept": (
        "test_an_unknown_word_is_unknown_and_kept",
        "is ('unknown', None), not",
        (
            "mapping.py",
            "        provider_status=status,\n",
            "        provider_status=status if status in STATUSES else None,\n",
        ),
    ),
    "unknown_is_recording_in_sessions": (
        "test_an_unknown_word_costs_no_verb",
        "is ('recording', None), not",
        (
            "mapping.py",
            "        status=recording.status,\n"
            "        provider_status=recording.provider_status,\n",
            '        status=STATUSES.get(recording.provider_status or "", '
            "RecordingStatus.RECORDING),\n",
        ),
    ),
    "unknown_is_dropped_from_lists": (
        "test_an_unknown_word_is_unknown_and_kept",
        "is nothing: the recording is lost",
        (
            "client.py",
            "read_rows(rows, self._read),",
            'read_rows([each for each in rows if each.get("status") in mapping.STATUSES], '
            "self._read),",
        ),
    ),
    "absent_is_dropped_from_lists": (
        "test_each_word_of_the_table_has_its_status",
        "loses the rows with status=['absent']",
        (
            "client.py",
            "read_rows(rows, self._read),",
            'read_rows([each for each in rows if each["status"] != "absent"], self._read),',
        ),
        ("client.py", "            total=total,\n", ""),
    ),
    "queued_is_dropped_from_lists": (
        "test_each_word_of_the_table_has_its_status",
        "loses the rows with status=['queued']",
        (
            "client.py",
            "read_rows(rows, self._read),",
            'read_rows([each for each in rows if each["status"] != "queued"], self._read),',
        ),
    ),
    "absent_cannot_be_read": (
        "test_each_word_of_the_table_has_its_status",
        "loses the rows with status=['absent']",
        (
            "mapping.py",
            '    kind = KINDS.get(fields.text("kind") or "")\n',
            '    kind = KINDS.get(fields.text("kind") or "")\n'
            '    if status == "absent":\n        raise MalformedPayload("absent")\n',
        ),
    ),
    "absent_is_not_found": (
        "test_each_word_of_the_table_has_its_status",
        "NotFound",
        (
            "client.py",
            _GET,
            'found = self._read(self.transport.get(path, operation="get").payload)\n'
            '        if found.provider_status == "absent":\n'
            '            raise NotFound("absent")\n        return found',
        ),
    ),
    # -- webhooks ----------------------------------------------------------------------------------
    "unknown_words_are_dropped_in_webhooks": (
        "TestWebhooks::test_a_new_word_loses_no_event",
        "and no event is about",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        return tuple(each for each in events if each.recording is None or "
            f"each.recording.provider_status in mapping.STATUSES)\n\n{_HOOK}",
        ),
    ),
    "unknown_events_are_dropped_in_webhooks": (
        "TestWebhooks::test_a_new_word_loses_no_event",
        "and no event is about",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        return tuple(each for each in events if each.raw.get('event') in "
            f"self.events)\n\n{_HOOK}",
        ),
    ),
    "failures_are_dropped_in_webhooks": (
        "TestWebhooks::test_a_new_word_loses_no_event",
        "and no event is about",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        return tuple(each for each in events if each.kind != 'failed')"
            f"\n\n{_HOOK}",
        ),
    ),
    "pauses_are_dropped_in_webhooks": (
        "TestWebhooks::test_events_state_what_happened",
        "and parse returned no event",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        return tuple(each for each in events if each.kind not in "
            f"(EventKind.PAUSED, EventKind.RESUMED))\n\n{_HOOK}",
        ),
    ),
    "conferences_are_dropped_in_webhooks": (
        "TestWebhooks::test_events_state_what_happened",
        "and parse returned no event",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        return tuple(each for each in events if each.target is None or "
            f"each.target.kind == 'call')\n\n{_HOOK}",
        ),
    ),
    "the_time_of_an_event_is_its_delivery": (
        "TestWebhooks::test_events_state_what_happened",
        "it happened from",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        return tuple(evolve(each, occurred_at=options['now']) for each in "
            f"events)\n\n{_HOOK}",
        ),
        (
            "webhooks.py",
            "from recording_bravo import",
            "from attrs import evolve\n\nfrom recording_bravo import",
        ),
    ),
    "the_recording_of_an_event_is_wrong": (
        "TestWebhooks::test_events_state_what_happened",
        "has duration=",
        (
            "webhooks.py",
            "return mapping.read_recording(self.read_row(payload), account)",
            "found = mapping.read_recording(self.read_row(payload), account)\n"
            "        return evolve(found, duration=found.duration and found.duration * 1000)",
        ),
        (
            "webhooks.py",
            "from recording_bravo import",
            "from attrs import evolve\n\nfrom recording_bravo import",
        ),
    ),
    "unknown_is_available_in_webhooks": (
        "TestWebhooks::test_a_new_word_loses_no_event",
        "(kind, status) is (available, available)",
        (
            "webhooks.py",
            _HOOK,
            f"{_PARSE}        new = type(events[0].status)('available')\n"
            "        return tuple(evolve(each, status=new, kind=EventKind.AVAILABLE) "
            f"if each.status == 'unknown' else each for each in events)\n\n{_HOOK}",
        ),
        (
            "webhooks.py",
            "from recording_bravo import",
            "from attrs import evolve\n\nfrom recording_bravo import",
        ),
    ),
    "any_signature_is_accepted": (
        "TestWebhooks::test_a_signature_of_another_secret_is_rejected",
        "the outcome is",
        (
            "webhooks.py",
            _HOOK,
            f"    def verify(self, *args: Any, **options: Any) -> None:\n        pass\n\n{_HOOK}",
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
