"""Account coverage: how complete the rows of each account are, in words for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recording_core.listing.page import Window
from recording_core.plugins.registry import providers
from recording_core.reporting.next_steps import build_examination
from recording_core.reporting.number_format import NOT_REPORTED, format_count, format_time

if TYPE_CHECKING:
    from recording_core.listing.coverage import AccountCoverage
    from recording_core.reporting.report import Report


def summarize_accounts(report: Report) -> list[dict[str, Any]]:
    """Summarize the coverage of every account of the report, in its order.

    `name` is the account's name on a command line and in a file, `queried` is when the vendor was
    queried, and `state` is `complete`, `partial`, or `missing`: none of its recordings is in any
    figure.
    """
    without_figures = report.without_figures
    summaries = []
    for each in report.coverage:
        coverage = each.coverage
        state, state_label = "partial", "not complete"
        if coverage.complete:
            state = state_label = "complete"
        elif each in without_figures and (each.error or not each.asked_at):
            state = state_label = "missing"
        expected, asked_at = coverage.expected, each.asked_at
        summaries.append(
            {
                "label": build_account_label(each.provider, each.account),
                "name": f"{each.provider} {each.account}",
                "state": state,
                "state_label": state_label,
                "seen": f"{coverage.seen:,}",
                "expected": f"{expected:,}" if expected is not None else None,
                "queried": format_time(asked_at, report.window.zone) if asked_at else None,
                "reasons": _collect_reasons(each),
                "repaired": each.repaired,
                "command": build_examination(each.provider, each.account),
                "not_listable": coverage.not_listable,
                "unread_fields": coverage.unread_fields,
            }
        )
    return summaries


def find_gaps(report: Report) -> dict[str, tuple[Window, ...]]:
    """Find the windows that were not listed completely, by the label of the account."""
    return {
        # An account that lacks single rows may lack them anywhere.
        build_account_label(each.provider, each.account): each.gaps or (Window(),)
        for each in report.missing
    }


def find_provider_label(provider: str | None) -> str:
    """Return the vendor's own spelling of its name, if its plugin is installed."""
    info = providers().get(provider or "")
    return info.label if info is not None else provider or NOT_REPORTED


def build_account_label(provider: str | None, account: str | None) -> str:
    """Return the vendor's label, followed by the account's name unless it is `default`."""
    if account in (None, "default"):
        return find_provider_label(provider)
    return f"{find_provider_label(provider)} · {account}"


def _collect_reasons(each: AccountCoverage) -> tuple[str, ...]:
    """Collect the reasons why an account is not complete; empty if it is."""
    coverage = each.coverage
    if coverage.complete:
        return coverage.errors
    found = list(coverage.errors)
    if each.error is not None and str(each.error) not in found:
        found.append(str(each.error))
    if coverage.unreadable:
        found.append(f"{format_count(len(coverage.unreadable), 'recording')} could not be read.")
    if coverage.expected is not None and coverage.seen < coverage.expected:
        found.append(
            f"The vendor reports a total of {coverage.expected:,}, and {coverage.seen:,} were seen."
        )
    return tuple(found) or ("Not all days of the period have been collected.",)
