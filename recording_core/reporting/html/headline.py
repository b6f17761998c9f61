"""What does a page say first? The period, one sentence, the main figures, what to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.reporting.compute.groupings import checked_zone
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.account_coverage import Seen, labelled, whose

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

__all__ = ["Headline", "Tile"]


@frozen
class Tile:
    """A headline figure: its name, the figure with its unit, and what to know of it."""

    label: str
    value: str
    unit: str
    note: str
    alarm: bool = False


class Headline:
    """The top of the page, in words; `seen` are all accounts that were asked."""

    def __init__(self, report: Report, seen: Sequence[Seen]) -> None:
        self._report = report
        self._totals = report.totals
        self._accounts = report.overview.accounts
        self._zone: tzinfo = checked_zone(report.window.tz)
        self._asked = len(seen)
        self._gone = [each.label for each in seen if each.state == "missing"]
        window = report.window
        self.tz = window.tz
        self.made = wording.moment(window.now, self._zone)
        self.period = wording.period(window.since, window.until, window.now, self._zone)
        self.window = wording.bounds(window.since, window.until, window.now, self._zone)

    @property
    def title(self) -> str:
        return f"Recordings, {self.period}"

    @property
    def summary(self) -> str:
        """One sentence with the main figures."""
        totals, count = self._totals, self._totals["recordings"]
        vendors = wording.joined(dict.fromkeys(labelled(row["provider"]) for row in self._accounts))
        if not count:
            words = f", and {wording.joined(self._gone)} could not be asked" if self._gone else ""
            return f"No recordings were found{words}."
        words = f"{wording.counted(count, 'recording')} at {vendors}"
        if totals["hours"] is not None:
            words += f", {wording.hours(totals['hours'])}\N{NO-BREAK SPACE}hours long together"
            words += self._of("seconds_known", " (as far as told)")
        if totals["bytes"] is not None:
            words += f", {wording.size(totals['bytes'])} in size"
            words += self._of(
                "bytes_known", f" where that is told ({{}} of {wording.number(count)})"
            )
        failed = totals["failed"]
        words += f"; {wording.number(failed) if failed else 'none'} failed"
        return words + (
            f". {wording.joined(self._gone)} could not be asked." if self._gone else "."
        )

    def _of(self, known: str, words: str) -> str:
        told = self._totals[known]
        return "" if told == self._totals["recordings"] else words.format(wording.number(told))

    @property
    def tiles(self) -> tuple[Tile, ...]:
        totals, count = self._totals, self._totals["recordings"]
        lengths = "length is not told"
        if totals["seconds_median"] is not None:
            lengths = (
                f"median {wording.length(totals['seconds_median'])}, "
                f"95 % within {wording.length(totals['seconds_p95'])}"
            )
        accounts = wording.counted(self._asked, "account")
        if self._gone:
            accounts = f"{self._asked - len(self._gone)} of {accounts}"
        days = self._report.expiring.days
        soon = (
            wording.counted(days, "day")
            if days
            else wording.length(self._report.expiring.total_seconds())
        )
        return (
            Tile("Recordings", wording.number(count), "", f"at {accounts}"),
            self._tile("Length", "hours", wording.hours, "hours", "seconds_known", lengths),
            self._tile("Size", "bytes", wording.size, "", "bytes_known", ""),
            Tile(
                "Failed",
                wording.number(totals["failed"]),
                "",
                f"{wording.percent(totals['failed'], count)} of all" if count else "",
                totals["failed"] > 0,
            ),
            Tile(
                f"Expiring within {soon}",
                wording.number(totals["expiring"]),
                "",
                "their vendors then remove the media"
                if totals["expiring"]
                else "none that is told",
                totals["expiring"] > 0,
            ),
            self._tile(
                "Peak at once",
                "peak_concurrency",
                wording.number,
                "",
                "peak_known",
                self._peak_at(totals),
            ),
            self._tile(
                "Storage cost",
                "cost",
                wording.cost,
                f"{self._report.currency} a month",
                "cost_known",
                "",
            ),
        )

    def _tile(
        self, label: str, name: str, write: Callable[[Any], str], unit: str, known: str, note: str
    ) -> Tile:
        value, told, count = self._totals[name], self._totals[known], self._totals["recordings"]
        if value is None:
            why = "no price is known" if name == "cost" else "not told by any vendor"
            return Tile(label, wording.NOT_TOLD, "", why if count else "")
        of = f"known of {wording.number(told)} of {wording.number(count)}"
        if told == count:
            of = "known of all" if not note else ""
        return Tile(label, write(value), unit, "; ".join(filter(None, (note, of))))

    def _peak_at(self, row: Mapping[str, Any]) -> str:
        at = row["peak_at"]
        return "" if at is None else wording.moment(at, self._zone)

    # -- what somebody should look at -------------------------------------------------------------

    @property
    def attention(self) -> tuple[tuple[str, str], ...]:
        """(what it is about, a sentence): the worst first."""
        found = []
        failed = self._totals["failed"]
        if failed:
            found.append(("Failed", f"{_recordings(failed)} failed: {self._where('failed')}."))
        expiring = self._totals["expiring"]
        if expiring:
            found.append(
                (
                    "Expiring",
                    f"{_recordings(expiring)} will lose their media soon: "
                    f"{self._where('expiring')}. Download what must be kept.",
                )
            )
        if self._totals["unknown"]:
            found.append(("New words", self._drift()))
        without = self._totals["without_media"]
        if without:
            found.append(
                (
                    "No media",
                    f"{_recordings(without)} should be there, and have no file to download: "
                    f"{self._where('without_media')}.",
                )
            )
        undated = self._totals["undated"]
        if undated:
            found.append(
                (
                    "No date",
                    f"{_recordings(undated)} without any date, {self._where('undated')}: they "
                    "are counted here whatever the period is.",
                )
            )
        return tuple(found)

    def _drift(self) -> str:
        """Words are a vendor's, whichever account it says them of."""
        words: dict[str, set[str]] = {}
        for row in self._accounts:
            if row["unknown"]:
                words.setdefault(labelled(row["provider"]), set()).update(row["unknown_words"])
        vendors = "; ".join(f"{vendor} says {_quoted(said)}" for vendor, said in words.items())
        return (
            f"The state of {_recordings(self._totals['unknown'])} is in words that are new to this "
            f"report: {vendors}. A vendor that changes its vocabulary leaves it open whether these "
            "went well; an update of recording-core may know."
        )

    def _where(self, name: str) -> str:
        rows = sorted((row for row in self._accounts if row[name]), key=lambda row: -row[name])
        named = [
            f"{wording.number(row[name])} at {whose(row['provider'], row['account'])}"
            for row in rows[:6]
        ]
        if len(rows) > 6:
            named.append(f"{wording.number(sum(row[name] for row in rows[6:]))} elsewhere")
        return wording.joined(named)


def _recordings(count: int) -> str:
    return wording.counted(count, "recording")


def _quoted(words: Iterable[str]) -> str:
    """`“one” and “two”`, and how many more where there are many."""
    first, rest = sorted(words)[:12], sorted(words)[12:]
    more = [f"{wording.number(len(rest))} more"] if rest else []
    return wording.joined([*(f"“{word}”" for word in first), *more]) or "nothing"
