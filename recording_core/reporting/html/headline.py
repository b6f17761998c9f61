"""Headline: the top of the page, with period, summary, main figures and what needs attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from recording_core.reporting.html.account_coverage import find_provider_label
from recording_core.reporting.html.measure_format import (
    find_known_measure,
    format_known,
    format_measure,
)
from recording_core.reporting.number_format import (
    format_count,
    format_length,
    format_percent,
    format_period,
    format_time,
    format_window,
    join_words,
)

if TYPE_CHECKING:
    from recording_core.reporting.report import Report


def build_headline(
    report: Report, account_count: int, missing_accounts: Sequence[str]
) -> dict[str, Any]:
    """Build the top of the page in words; `missing_accounts` are labels."""
    window = report.window
    return {
        "period": format_period(window.since, window.until, window.now, window.zone),
        "window": format_window(window.since, window.until, window.now, window.zone),
        "created_at": format_time(window.now, window.zone),
        "tz": window.tz,
        "summary": _summarize(report, missing_accounts),
        "tiles": _build_tiles(report, account_count, len(missing_accounts)),
    }


def _summarize(report: Report, missing_accounts: Sequence[str]) -> str:
    """Build a sentence with the main figures."""
    totals, count = report.totals, report.totals["recordings"]
    unread = f"{join_words(missing_accounts)} could not be read" if missing_accounts else ""
    if not count:
        return f"No recordings were found{', and ' if unread else ''}{unread}."
    providers = (row["provider"] for row in report.overview.accounts)
    vendors = join_words(dict.fromkeys(map(find_provider_label, providers)))
    words = f"{format_count(count, 'recording')} at {vendors}"
    if totals["hours"] is not None:
        words += f", {format_measure(totals, 'hours')}\N{NO-BREAK SPACE}hours in total"
        words += " (as far as known)" if format_known(totals, "hours") else ""
    if totals["bytes"] is not None:
        words += f", {format_measure(totals, 'bytes')} in size"
        known = format_known(totals, "bytes", "known for ")
        words += f" ({known})" if known else ""
    words += f"; {format_measure(totals, 'failed') if totals['failed'] else 'none'} failed."
    return f"{words} {unread}." if unread else words


def _build_tiles(report: Report, account_count: int, missing_count: int) -> list[dict[str, Any]]:
    """Build the main figures, each with its label, value, unit and note."""
    totals, count = report.totals, report.totals["recordings"]
    accounts = format_count(account_count, "account")
    if missing_count:
        accounts = f"{account_count - missing_count} of {accounts}"
    durations = "duration is not reported"
    if totals["seconds_median"] is not None:
        durations = (
            f"median {format_measure(totals, 'seconds_median')}, "
            f"95 % within {format_measure(totals, 'seconds_p95')}"
        )
    failed = f"{format_percent(totals['failed'], count)} of all" if count else ""
    days, seconds = report.expiring.days, report.expiring.total_seconds()
    period = format_count(days, "day") if days else format_length(seconds)
    expiring = "their vendors then remove the media" if totals["expiring"] else "none reported"
    peak_at = format_time(totals["peak_at"], report.window.zone) if totals["peak_at"] else ""
    tiles = [
        ("Recordings", "recordings", "", f"at {accounts}"),
        ("Duration", "hours", "hours", durations),
        ("Size", "bytes", "", ""),
        ("Failed", "failed", "", failed),
        (f"Expiring within {period}", "expiring", "", expiring),
        ("Peak at once", "peak_concurrency", "", peak_at),
    ]
    if totals["cost_known"] == count:  # a part of the cost is not a figure to plan with
        tiles.append(("Storage cost", "cost", f"{report.currency} per month", ""))
    return [
        {
            "label": label,
            "value": format_measure(totals, name),
            "unit": unit if totals[name] is not None else "",
            "note": _build_note(totals, name, note),
            "is_alarming": name in ("failed", "expiring") and totals[name] > 0,
        }
        for label, name, unit, note in tiles
    ]


def _build_note(totals: Mapping[str, Any], name: str, note: str) -> str:
    """Add to a tile's note for how many recordings its measure is known."""
    if totals[name] is None:
        if not totals["recordings"]:
            return ""
        return "no price is known" if name == "cost" else "not reported by any vendor"
    of = format_known(totals, name, "known for ")
    if not note and not of and find_known_measure(name) != "recordings":
        return "known for all"
    return "; ".join(filter(None, (note, of)))
