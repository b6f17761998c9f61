"""Providers with one fault each in what a start sends: the suite finds every one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

#: The first test waits for the run of all.
pytestmark = pytest.mark.timeout(600)

Change = tuple[str, str, str]

#: name -> the tests that fail, words of the failure, and each change: file, right text, wrong text
FAULTS: Mapping[str, tuple[str, str, *tuple[Change, ...]]] = {
    # -- parameters --------------------------------------------------------------------------------
    "start_may_be_sent_twice": (
        "test_a_start_with_an_unknown_outcome_is_sent_once",
        "instead of one",
        ("client.py", "retry=RetryPolicy.NEVER", "retry=RetryPolicy.IDEMPOTENT"),
    ),
    "format_is_never_sent": (
        "test_each_start_parameter_is_sent",
        "the provider sends the same for format=",
        ("client.py", 'body["format"] = request.format', "pass"),
    ),
    "max_duration_is_never_sent": (
        "test_each_start_parameter_is_sent",
        "the provider sends the same for max_duration=",
        ("client.py", 'body["max_seconds"] = round(request.max_duration.total_seconds())', "pass"),
    ),
    "channels_are_never_sent": (
        "test_each_start_parameter_is_sent",
        "the provider sends the same for channels=",
        ("client.py", 'body["channels"] = request.channels', "pass"),
    ),
    "one_channel_is_sent_always": (
        "test_each_start_parameter_is_sent",
        "the provider sends the same for channels=",
        ("client.py", 'body["channels"] = request.channels', 'body["channels"] = 1'),
    ),
    "participant_is_never_sent": (
        "test_each_start_parameter_is_sent",
        "is not in the request",
        ("client.py", 'body["legs"] = list(request.participant)', "pass"),
    ),
    "the_first_participant_alone_is_sent": (
        "test_each_start_parameter_is_sent",
        "is not in the request",
        ("client.py", "list(request.participant)", "list(request.participant[:1])"),
    ),
    "title_is_never_sent": (
        "test_each_start_parameter_is_sent",
        "title='a title' is not in the request",
        ("client.py", 'body["title"] = request.title', "pass"),
    ),
    "callback_url_is_never_sent": (
        "test_each_start_parameter_is_sent",
        "is not in the request",
        ("client.py", 'body["notify_url"] = request.callback_url', "pass"),
    ),
    "callback_url_is_another": (
        "test_each_start_parameter_is_sent",
        "is not in the request",
        (
            "client.py",
            'body["notify_url"] = request.callback_url',
            'body["notify_url"] = "https://hooks.bravo.example"',
        ),
    ),
    "extra_is_never_sent": (
        "test_extra_is_merged_deeply_and_omit_removes_a_field",
        "merges the extra into the body",
        ("client.py", "request.merge(body)", "body"),
    ),
    "extra_loses_to_ours": (
        "test_extra_is_merged_deeply_and_omit_removes_a_field",
        "merges the extra into the body",
        ("client.py", "request.merge(body)", "{**request.merge({}), **body}"),
    ),
    "extra_with_a_format_is_dropped": (
        "test_extra_is_merged_deeply_and_omit_removes_a_field",
        "merges the extra into the body",
        ("client.py", "request.merge(body)", "body if request.format else request.merge(body)"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_finds_the_fault(fault: str, check_fault: Callable[[str], None]) -> None:
    check_fault(fault)


def test_the_honest_provider_passes_the_same_tests(check_honest: Callable[[], None]) -> None:
    check_honest()
