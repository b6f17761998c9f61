"""Responses: errors in the vendor's form."""

from __future__ import annotations

from recording_core.testing import Reply


# FILL IN: the vendor's error body (section 7)
def build_problem(status: int, message: str) -> Reply:
    return Reply.json({"problem": message}, status)
