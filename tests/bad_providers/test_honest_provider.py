"""Bravo itself, of which the bad providers are copies, passes the whole suite."""

from __future__ import annotations

from collections.abc import Mapping

import pytest


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_honest_provider_passes_the_whole_suite(
    whole_suite: Mapping[str, list[tuple[str, str, str]]],
) -> None:
    (rows,) = whole_suite.values()
    for test, outcome, text in rows:
        is_declared = outcome == "skipped" and ("not declared" in text or "NOT TESTED" in text)
        assert outcome == "passed" or is_declared, f"{test} {outcome}:\n{text}"
