"""How do accounts, days and statuses compare? As a page's bars, with the words beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.reporting.compute.groupings import checked_zone
from recording_core.reporting.html import charts as plots
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.account_coverage import Seen, whose
from recording_core.reporting.html.status_groups import FAMILIES, MEANINGS, Family, family_of
from recording_core.reporting.html.timeline import Timeline, timeline

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

__all__ = ["MOST_ACCOUNTS", "Bar", "Comparison", "Comparisons", "StatusLine"]

#: Of the accounts that are compared.
MOST_ACCOUNTS = 24


@frozen
class Bar:
    """A line of a comparison; what is not told has no width."""

    label: str
    width: str | None
    value: str
    note: str = ""
    missing: bool = False


@frozen
class Comparison:
    """One measure of every account."""

    title: str
    note: str
    bars: tuple[Bar, ...]


@frozen
class StatusLine:
    """One status: in what colour, how many, and what that means."""

    family: str
    word: str
    meaning: str
    count: str
    share: str
    width: str


class Comparisons:
    """What the page draws; `seen` are all accounts that were asked."""

    def __init__(self, report: Report, seen: Sequence[Seen]) -> None:
        self._report = report
        self._accounts = report.overview.accounts
        self._zone: tzinfo = checked_zone(report.window.tz)
        self._gone = [each.label for each in seen if each.state == "missing"]

    @property
    def timeline(self) -> tuple[Timeline, plots.Chart] | None:
        """The recordings by time and status, and where each column stands; None without dates."""
        window = self._report.window
        until = min(window.until or window.now, window.now)
        found = timeline(self._report.overview, window.since, until, self._zone)
        return None if found is None else (found, plots.stacked(found.steps))

    @property
    def families(self) -> tuple[Family, ...]:
        names = {family_of(row["status"]).name for row in self._report.overview.times}
        return tuple(each for each in FAMILIES if each.name in names)

    @property
    def accounts(self) -> tuple[Comparison, ...]:
        """The accounts beside each other, by each measure that anybody tells of."""
        currency = self._report.currency
        found = (
            self._comparison("Recordings", "", "recordings", wording.number, None),
            self._comparison("Length", "in hours", "hours", wording.hours, "seconds_known"),
            self._comparison(
                "Storage", "size of what is told", "bytes", wording.size, "bytes_known"
            ),
            self._comparison(
                "Peak at once",
                "vendors limit this by account",
                "peak_concurrency",
                wording.number,
                "peak_known",
            ),
            self._comparison(
                "Storage cost", f"{currency} a month", "cost", wording.cost, "cost_known"
            ),
        )
        return tuple(each for each in found if each is not None)

    def _comparison(
        self, title: str, note: str, name: str, write: Callable[[Any], str], known: str | None
    ) -> Comparison | None:
        rows = self._accounts
        if all(row[name] is None for row in rows):
            return None
        rows = sorted(rows, key=lambda row: -row["recordings"])
        most = max(row[name] or 0 for row in rows)
        bars = [
            Bar(
                whose(row["provider"], row["account"]),
                None if row[name] is None else plots.share(row[name], most),
                wording.NOT_TOLD if row[name] is None else write(row[name]),
                self._bar_note(row, name, known),
            )
            for row in rows[:MOST_ACCOUNTS]
        ]
        if len(rows) > MOST_ACCOUNTS:
            note = f"{note}; " if note else ""
            note += (
                f"the {MOST_ACCOUNTS} of {wording.number(len(rows))} accounts with most recordings"
            )
        bars += [Bar(label, None, "missing", missing=True) for label in self._gone]
        return Comparison(title, note, tuple(bars))

    def _bar_note(self, row: Mapping[str, Any], name: str, known: str | None) -> str:
        if row[name] is None or known is None:
            return ""
        told, count = row[known], row["recordings"]
        of = "" if told == count else f"of {wording.number(told)} of {wording.number(count)}"
        at = row["peak_at"] if name == "peak_concurrency" else None
        when = "" if at is None else wording.moment(at, self._zone)
        return ", ".join(filter(None, (when, of)))

    @property
    def statuses(self) -> tuple[StatusLine, ...]:
        counts: Counter[str] = Counter()
        for row in self._report.overview.times:
            counts[row["status"] or ""] += row["recordings"]
        total, most = sum(counts.values()), max(counts.values(), default=0)
        order = {status.value: at for at, status in enumerate(MEANINGS)}
        meanings: Mapping[str, str] = {status.value: words for status, words in MEANINGS.items()}
        return tuple(
            StatusLine(
                family_of(status).name,
                status or wording.NOT_TOLD,
                meanings.get(status, "is a status that this version does not know"),
                wording.number(count),
                wording.percent(count, total),
                plots.share(count, most),
            )
            for status, count in sorted(counts.items(), key=lambda item: order.get(item[0], 99))
        )
