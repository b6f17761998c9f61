"""Comparisons: accounts and statuses as bars, with their labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from recording_core.reporting.html.account_coverage import build_account_label
from recording_core.reporting.html.charts import format_bar_width
from recording_core.reporting.html.measure_format import format_known, format_measure
from recording_core.reporting.html.status_groups import (
    MEANINGS,
    count_statuses,
    find_status_group,
)
from recording_core.reporting.number_format import NOT_REPORTED, format_percent, format_time

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

#: The maximum number of accounts in a comparison.
MAX_ACCOUNTS = 24
#: measure -> a title, and a note
_COMPARED = {
    "recordings": ("Recordings", ""),
    "hours": ("Duration", "in hours"),
    "bytes": ("Storage", "of recordings with a known size"),
    "peak_concurrency": ("Peak at once", "vendors limit this per account"),
    "cost": ("Storage cost", "{currency} per month"),
}


def compare_accounts(report: Report, missing_accounts: Sequence[str]) -> list[dict[str, Any]]:
    """Compare the accounts by each measure that is known for any of them.

    Returns a title, a note and bars for each measure; the bar of an unknown value has no width.
    """
    rows = sorted(report.overview.accounts, key=lambda row: -row["recordings"])
    shown = f"the {MAX_ACCOUNTS} of {len(rows):,} accounts with most recordings"
    found = []
    for name, (title, note) in _COMPARED.items():
        if all(row[name] is None for row in rows):
            continue
        maximum = max(row[name] or 0 for row in rows)
        notes = [note.format(currency=report.currency), shown if len(rows) > MAX_ACCOUNTS else ""]
        bars = [
            {
                "label": build_account_label(row["provider"], row["account"]),
                "width": None if row[name] is None else format_bar_width(row[name], maximum),
                "value": format_measure(row, name),
                "note": _build_bar_note(row, name, report.window.zone),
                "missing": False,
            }
            for row in rows[:MAX_ACCOUNTS]
        ]
        bars += [
            {"label": label, "width": None, "value": "missing", "note": "", "missing": True}
            for label in missing_accounts
        ]
        found.append({"title": title, "note": "; ".join(filter(None, notes)), "bars": bars})
    return found


def _build_bar_note(row: Mapping[str, Any], name: str, zone: tzinfo) -> str:
    if row[name] is None:
        return ""
    peak_at = row["peak_at"] if name == "peak_concurrency" else None
    time = format_time(peak_at, zone) if peak_at is not None else ""
    return ", ".join(filter(None, (time, format_known(row, name, "of "))))


def list_statuses(report: Report) -> list[dict[str, str]]:
    """List each status with its group, its meaning, its count and its share."""
    counts: Counter[str] = Counter()
    for _, status, count in count_statuses(report.overview):
        counts[status or ""] += count
    maximum = max(counts.values(), default=0)
    order = [*MEANINGS, *(each for each in counts if each not in MEANINGS)]
    return [
        {
            "group": find_status_group(status).name,
            "status": status or NOT_REPORTED,
            "meaning": MEANINGS.get(status, "has a status that this version does not support"),
            "count": f"{counts[status]:,}",
            "share": format_percent(counts[status], counts.total()),
            "width": format_bar_width(counts[status], maximum),
        }
        for status in order
        if status in counts
    ]
