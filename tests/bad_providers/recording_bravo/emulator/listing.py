"""Listing of the emulator: filters, order and pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from recording_bravo.emulator.recordings import BravoRecording, RowBuilder
from recording_bravo.emulator.responses import build_problem
from recording_core.testing import Reply, Request

#: Also the default of `per_page`.
LARGEST_PAGE = 20


def list_rows(
    request: Request, recordings: Sequence[BravoRecording], rows: RowBuilder, now: datetime
) -> Reply:
    """Answer a list request: newest first, and the days `from` and `to` are included."""
    try:
        number = max(1, int(request.arg("page") or 1))
        size = min(LARGEST_PAGE, int(request.arg("per_page") or LARGEST_PAGE))
        first = date.fromisoformat(request.arg("from") or "0001-01-01")
        last = date.fromisoformat(request.arg("to") or "9999-12-31")
    except ValueError:
        return build_problem(400, "invalid_argument")
    found = [
        each
        for each in recordings
        if first <= each.started.date() <= last
        and request.arg("kind") in (None, each.kind)
        and request.arg("session") in (None, each.session)
    ]
    found.sort(key=lambda each: (each.started, each.id), reverse=True)
    shown = found[(number - 1) * size : number * size]
    return Reply.json(
        {
            "items": [rows.build_row(each, now) for each in shown],
            "page": number,
            "total": len(found),
        }
    )
