"""Listing: filters, order and pages of the list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from recording_core.testing import Reply, Request

from recording_acme.emulator.recordings import AcmeRecording
from recording_acme.emulator.responses import build_problem

PER_PAGE = 20


# FILL IN: the vendor's filters, order, pages and limits of the list (section 7)
def build_page(
    request: Request,
    recordings: Iterable[AcmeRecording],
    build_row: Callable[[AcmeRecording], dict[str, Any]],
    *,
    newest_first: bool,
) -> Reply:
    call_id, page = request.arg("call"), request.arg("page") or "1"
    if not page.isdecimal():
        return build_problem(400, "invalid page")
    found = [each for each in recordings if call_id in (None, each.call)]
    if newest_first:
        found.sort(key=lambda each: each.started, reverse=True)
    else:
        found.sort(key=lambda each: each.id)
    end = int(page) * PER_PAGE
    return Reply.json(
        {
            "recordings": [build_row(each) for each in found[end - PER_PAGE : end]],
            "total": len(found),
            "next_page": str(int(page) + 1) if end < len(found) else None,
        }
    )
