"""Which accounts were asked, and in how far was each of them seen? In words for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from recording_core.plugins.registry import providers
from recording_core.reporting.compute.groupings import checked_zone
from recording_core.reporting.html import number_format as wording

if TYPE_CHECKING:
    from recording_core.reporting.collect.selection import Covered
    from recording_core.reporting.report import Report

__all__ = ["Seen", "labelled", "seen_accounts", "whose"]


@frozen
class Seen:
    """One account: in how far it was seen, as a word, and in what words beside it."""

    label: str
    #: the account as a command line or a file names it
    name: str
    #: `complete`, `partial` or `missing`: nothing of it is in any figure
    state: str
    word: str
    seen: str
    expected: str | None
    asked: str | None
    reasons: tuple[str, ...]
    not_listable: tuple[str, ...]


def seen_accounts(report: Report) -> tuple[Seen, ...]:
    """Every account that was asked, in the order in which they were."""
    found = {(row["provider"], row["account"]) for row in report.overview.accounts}
    return tuple(
        _seen(each, report, in_figures=(each.provider, each.account) in found)
        for each in report.coverage
    )


def _seen(each: Covered, report: Report, *, in_figures: bool) -> Seen:
    coverage = each.coverage
    if coverage.complete:
        state, word = "complete", "complete"
    elif not in_figures and (each.error is not None or each.asked_at is None):
        state, word = "missing", "missing"
    else:
        state, word = "partial", "not complete"
    return Seen(
        label=whose(each.provider, each.account),
        name=f"{each.provider} {each.account}",
        state=state,
        word=word,
        seen=wording.number(coverage.seen),
        expected=None if coverage.expected is None else wording.number(coverage.expected),
        asked=None
        if each.asked_at is None
        else wording.moment(each.asked_at, checked_zone(report.window.tz)),
        reasons=_reasons(each),
        not_listable=coverage.not_listable,
    )


def labelled(provider: str | None) -> str:
    """The vendor as it writes itself, where its plugin is installed."""
    info = providers().get(provider or "")
    return info.label if info is not None else provider or wording.NOT_TOLD


def whose(provider: str | None, account: str | None) -> str:
    """The vendor, and the account where that has a name of its own."""
    if account in (None, "default"):
        return labelled(provider)
    return f"{labelled(provider)} · {account}"


def _reasons(each: Covered) -> tuple[str, ...]:
    """Why not all of an account was seen; nothing where all was."""
    coverage = each.coverage
    if coverage.complete:
        return coverage.errors
    found: list[str] = list(coverage.errors)
    if each.error is not None and str(each.error) not in found:
        found.append(str(each.error))
    if coverage.unreadable:
        found.append(f"{wording.counted(coverage.unreadable, 'recording')} could not be read.")
    if coverage.expected is not None and coverage.seen < coverage.expected:
        found.append(
            f"The vendor counts {wording.number(coverage.expected)}, and showed "
            f"{wording.number(coverage.seen)}."
        )
    return tuple(found) or ("Not all of what was asked for has been collected.",)
