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
#: Changes after which the words of the status are numbers.
_CODES = (
    (
        "mapping.py",
        "#: https://bravo.example/docs/recordings#kind\n",
        "STATUSES = {str(10 + n): each for n, each in enumerate(STATUSES.values())}\n",
    ),
    (
        "emulator/recordings.py",
        '"status": status,',
        '"status": str(10 + "queued recording paused encoding ready silent failed purged absent"'
        ".split().index(status)),",
    ),
)
_VERIFY = "    def verify(self, request: Any, secrets: Any, **options: Any) -> None:\n"

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
    "unknown_numbers_are_available": (
        "test_an_unknown_word_is_unknown_and_kept",
        "is ('available', '97531'), not",
        (
            "mapping.py",
            "status=find_status(status, STATUSES)",
            'status=STATUSES.get(status or "", RecordingStatus.AVAILABLE)',
        ),
        *_CODES,
    ),
    "unknown_numbers_are_dropped_from_lists": (
        "test_each_word_of_the_table_has_its_status",
        "loses the rows with status=['97531']",
        (
            "client.py",
            "read_rows(rows, self._read),",
            'read_rows([each for each in rows if each["status"] in mapping.STATUSES], self._read),',
        ),
        *_CODES,
    ),
    "unknown_is_not_listed_by_its_status": (
        "test_each_word_of_the_table_has_its_status",
        "list(status='unknown') lacks",
        (
            "client.py",
            "read_rows(rows, self._read),",
            "read_rows([each for each in rows if query.statuses is None or "
            'each["status"] in mapping.STATUSES], self._read),',
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
    "half_of_a_signature_is_compared": (
        "TestWebhooks::test_each_character_of_a_signature_counts",
        "verify rejected only 32",
        (
            "webhooks.py",
            _HOOK,
            f"{_VERIFY}        import hmac\n"
            "        from attrs import evolve\n"
            "        [given, time] = [request.header(f'X-Bravo-{each}') or '' for each in "
            "('Signature', 'Timestamp')]\n"
            "        for secret in secrets:\n"
            "            message = time.encode() + b'.' + request.body\n"
            "            digest = hmac.digest(secret.encode(), message, 'sha256')\n"
            "            whole = f'sha256={digest.hex()}'\n"
            "            if given[:39] == whole[:39]:\n"
            "                headers = dict(request.headers) | {'x-bravo-signature': whole}\n"
            "                request = evolve(request, headers=headers)\n"
            f"        super().verify(request, secrets, **options)\n\n{_HOOK}",
        ),
    ),
    "a_signed_time_is_never_too_old": (
        "TestWebhooks::test_a_signed_time_must_be_recent",
        "x-bravo-timestamp is signed, and the outcome is",
        (
            "webhooks.py",
            _HOOK,
            f"{_VERIFY}        time = request.header('X-Bravo-Timestamp') or ''\n"
            "        if time.isdecimal():\n"
            "            options['now'] = options['now'].fromtimestamp(int(time), "
            "options['now'].tzinfo)\n"
            f"        super().verify(request, secrets, **options)\n\n{_HOOK}",
        ),
    ),
    "only_the_first_secret_is_tried": (
        "TestWebhooks::test_a_signature_of_another_secret_is_rejected",
        "one of several secrets",
        (
            "webhooks.py",
            _HOOK,
            f"{_VERIFY}        super().verify(request, secrets[:1], **options)\n\n{_HOOK}",
        ),
    ),
    "without_a_time_nothing_is_verified": (
        "TestWebhooks::test_a_request_without_a_signature_is_rejected",
        "the outcome is",
        (
            "webhooks.py",
            _HOOK,
            f"{_VERIFY}        if len(request.headers) != 2 or request.header('X-Bravo-Timestamp'):"
            f"\n            super().verify(request, secrets, **options)\n\n{_HOOK}",
        ),
    ),
    "the_account_of_a_recording_in_webhooks_is_fixed": (
        "TestWebhooks::test_each_request_verifies_and_names_its_recording",
        "of the event's recording is",
        (
            "webhooks.py",
            "mapping.read_recording(self.read_row(payload), account)",
            'mapping.read_recording(self.read_row(payload), "default")',
        ),
    ),
    "an_unreadable_body_is_no_event": (
        "TestWebhooks::test_any_body_raises_nothing_but_webhook_rejected",
        "is a webhook without an event",
        (
            "webhooks.py",
            _HOOK,
            "    def parse(self, *args: Any, **options: Any) -> Any:\n"
            "        try:\n            return super().parse(*args, **options)\n"
            f"        except Exception:\n            return ()\n\n{_HOOK}",
        ),
    ),
    # -- errors ------------------------------------------------------------------------------------
    "each_object_is_recognized": (
        "test_a_foreign_error_page_proves_nothing",
        "behind JSON of another API",
        ("mapping.py", "recognized=code is not None,", "recognized=True,"),
    ),
    "each_404_states_absence": (
        "test_a_code_that_is_new_states_no_absence",
        "absent is true after HTTP 404",
        (
            "client.py",
            "return mapping.read_error_details(body)",
            "return evolve(mapping.read_error_details(body), absent=status == 404)",
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
