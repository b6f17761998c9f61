"""Attention: what a reader of the page should act on, with its recordings and the next command."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from recording_core.redaction import redact_text
from recording_core.reporting.csv_format import format_csv
from recording_core.reporting.html.account_coverage import build_account_label, find_provider_label
from recording_core.reporting.next_steps import build_command
from recording_core.reporting.number_format import (
    NOT_REPORTED,
    format_count,
    format_time,
    join_words,
)

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

#: The most recordings of a topic in the page's own text, and in the CSV that it contains.
MOST_SHOWN = 20
MOST_IN_CSV = 2_000
#: measure -> a topic, and a sentence about the recordings; most important first
_ATTENTION = {
    "failed": ("Failed", "{recordings} failed: {accounts}."),
    "expiring": (
        "Expiring",
        "{recordings} will lose their media soon: {accounts}. Download what must be kept.",
    ),
    "unknown": (
        "New statuses",
        "The status of {recordings} is not supported yet: {statuses}. It is unknown whether these "
        "recordings succeeded. An update of recording-core may support these statuses.",
    ),
    "without_media": (
        "No media",
        "{recordings} without a file to download, although available: {accounts}.",
    ),
    "empty": (
        "Empty",
        "{recordings} without content: {accounts}. There was nothing to record, which is not an "
        "error; check that these sessions had media.",
    ),
    "undated": (
        "No date",
        "{recordings} without a date, {accounts}: they are counted in every period.",
    ),
}


def list_attention(report: Report) -> list[dict[str, Any]]:
    """List the topics that need attention.

    Each has a sentence and, if its recordings are named, the first of them, all of them as CSV,
    and the command that lists them.
    """
    accounts = report.overview.accounts
    found = []
    for name, (topic, sentence) in _ATTENTION.items():
        if not report.totals[name]:
            continue
        words = sentence.format(
            recordings=format_count(report.totals[name], "recording"),
            accounts=_list_accounts(accounts, name),
            statuses=_list_unknown_statuses(accounts),
        )
        found.append({"topic": topic, "sentence": words, **_name_recordings(report, name)})
    return found


def _name_recordings(report: Report, name: str) -> dict[str, Any]:
    recordings = report.attention.get(name, ())
    if not recordings:
        return {"recordings": ()}
    total, zone = report.totals[name], report.window.zone
    shown, attached = min(total, MOST_SHOWN), min(total, MOST_IN_CSV)
    lines = [
        {
            field: redact_text(value) if isinstance(value, str) else value
            for field, value in each.items()
        }
        for each in recordings[:MOST_IN_CSV]
    ]
    text = format_csv(lines[0], (each.values() for each in lines))
    return {
        "title": "The recordings" if shown == total else f"The first {shown} recordings",
        "recordings": [
            {
                "id": each["recording_id"],
                "account": build_account_label(each["provider"], each["account"]),
                "session": each["session_id"] or NOT_REPORTED,
                "time": format_time(each["time"], zone) if each["time"] else NOT_REPORTED,
                "expires": format_time(each["media_expires_at"], zone)
                if each["media_expires_at"]
                else NOT_REPORTED,
            }
            for each in recordings[:MOST_SHOWN]
        ],
        "file": f"{name}.csv",
        # In the page itself, so that the link works wherever the page is sent.
        "csv": f"data:text/csv;charset=utf-8;base64,{b64encode(text.encode()).decode()}",
        "csv_words": f"{'All' if attached == total else 'The first'} {attached:,} as CSV",
        "command": build_command(report.window, report.expiring, name, recordings),
    }


def _list_accounts(accounts: Iterable[Mapping[str, Any]], name: str) -> str:
    rows = sorted((row for row in accounts if row[name]), key=lambda row: -row[name])
    named = [
        f"{row[name]:,} at {build_account_label(row['provider'], row['account'])}"
        for row in rows[:6]
    ]
    if len(rows) > 6:
        named.append(f"{sum(row[name] for row in rows[6:]):,} elsewhere")
    return join_words(named)


def _list_unknown_statuses(accounts: Iterable[Mapping[str, Any]]) -> str:
    """List the unknown statuses by vendor, since all its accounts share its vocabulary."""
    found: dict[str, set[str]] = {}
    for row in accounts:
        if row["unknown"]:
            label = find_provider_label(row["provider"])
            found.setdefault(label, set()).update(row["unknown_words"])
    return "; ".join(f"{vendor} sends {_quote(statuses)}" for vendor, statuses in found.items())


def _quote(words: Iterable[str]) -> str:
    """Format words as `“one” and “two”`, with the number of further words if there are many."""
    first, rest = sorted(words)[:12], sorted(words)[12:]
    more = [f"{len(rest):,} more"] if rest else []
    return join_words([*(f"“{word}”" for word in first), *more]) or "nothing"
