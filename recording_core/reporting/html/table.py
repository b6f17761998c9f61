"""Which rows and columns has the page's table of all figures, and what stands in each cell?"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.reporting.compute.groupings import TIME_GROUPINGS, checked_zone
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.account_coverage import labelled

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

__all__ = ["MOST_ROWS", "Cell", "Figures", "Heading"]

#: The rows after those are one row together, so that the page stays small.
MOST_ROWS = 1_000


@frozen
class _Figure:
    """How a measure stands in the table: heading, unit, and of how many recordings it is."""

    name: str
    words: str
    unit: str
    write: Callable[[Any], str]
    known: str | None = None
    #: Whether the figures of two groups can be added.
    adds: bool = True


#: In the order of their columns.
_FIGURES = (
    _Figure("recordings", "Recordings", "", wording.number),
    _Figure("hours", "Length", "hours", wording.hours, "seconds_known"),
    _Figure("bytes", "Size", "", wording.size, "bytes_known"),
    _Figure("seconds_median", "Median", "h:min:s", wording.length, adds=False),
    _Figure("seconds_p95", "95 % within", "h:min:s", wording.length, adds=False),
    _Figure("failed", "Failed", "", wording.number),
    _Figure("empty", "Empty", "", wording.number),
    _Figure("unknown", "Unknown", "", wording.number),
    _Figure("without_media", "No media", "", wording.number),
    _Figure("expiring", "Expiring", "", wording.number),
    _Figure("undated", "Undated", "", wording.number),
    _Figure("peak_concurrency", "Peak", "at once", wording.number, "peak_known", adds=False),
    _Figure("cost", "Storage", "", wording.cost, "cost_known"),
)


@frozen
class Heading:
    """A column of the table of all figures."""

    words: str
    unit: str
    right: bool
    #: Whether its cells have an `of`.
    partly: bool = False


@frozen
class Cell:
    """A figure as people read it, the exact one, and of how many recordings it is."""

    shown: str
    exact: str = ""
    of: str = ""
    #: Whether any cell of its column has such an `of`, so that figures stand below figures.
    partly: bool = False
    #: Nothing to look at, such as no failures: shown, and quietly.
    quiet: bool = False


class Figures:
    """The table of all figures."""

    def __init__(self, report: Report, *, only: Iterable[str] | None = None) -> None:
        """`only`: of the measures of these names."""
        self._report = report
        self._only = None if only is None else frozenset(only)
        self._totals = report.totals
        self._zone: tzinfo = checked_zone(report.window.tz)

    @property
    def groups(self) -> int:
        """How many columns of the table name a row."""
        return max(1, len(self._report.by))

    @functools.cached_property
    def _figures(self) -> tuple[_Figure, ...]:
        """Those that tell anything in any row."""
        return tuple(
            each
            for each in _FIGURES
            if each.name not in self._report.by
            and (self._only is None or each.name in self._only)
            and (each.name == "recordings" or self._totals[each.name])
        )

    @property
    def left_out(self) -> str:
        """What has no column, since there is nothing in it: 0 everywhere, or told nowhere."""
        if not self._report.rows:
            return ""
        rest = [
            each
            for each in _FIGURES
            if each not in self._figures and each.name not in self._report.by
        ]
        never = [each.words.lower() for each in rest if self._totals[each.name] is None]
        none = [each.words.lower() for each in rest if self._totals[each.name] is not None]
        words = []
        if none:
            words.append(f"0 wherever it is told, and left out: {', '.join(none)}.")
        if never:
            words.append(f"Not told by any vendor, and left out: {', '.join(never)}.")
        return " ".join(words)

    @property
    def headings(self) -> tuple[Heading, ...]:
        groups = [
            Heading(
                name.replace("_", " ").capitalize(),
                self._report.window.tz if name in TIME_GROUPINGS else "",
                False,
            )
            for name in self._report.by
        ]
        currency = {"cost": f"{self._report.currency} a month"}
        return (
            *(groups or [Heading("All", "", False)]),
            *(
                Heading(each.words, currency.get(each.name, each.unit), True, self._partly(each))
                for each in self._figures
            ),
        )

    @property
    def rows(self) -> tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]:
        """(the groups, the figures) of each row, at most `MOST_ROWS` of them."""
        return tuple(
            (
                tuple(self._group(name, row[name]) for name in self._report.by) or ("all",),
                self._cells(row),
            )
            for row in self._report.rows[:MOST_ROWS]
        )

    @property
    def folded(self) -> tuple[str, tuple[Cell, ...]] | None:
        """The rows after those as one, of what can be added up."""
        rest = self._report.rows[MOST_ROWS:]
        if not rest:
            return None
        return f"{wording.counted(len(rest), 'further row')} together", self._cells(_added(rest))

    @property
    def together(self) -> tuple[Cell, ...]:
        return self._cells(self._totals)

    def _group(self, name: str, value: Any) -> str:
        if value is None:
            return wording.NOT_TOLD
        if name == "provider":
            return labelled(value)
        if hasattr(value, "astimezone"):
            return wording.moment(value, self._zone)
        return str(value)

    def _partly(self, figure: _Figure) -> bool:
        return bool(self._totals[figure.known or "recordings"] != self._totals["recordings"])

    def _cells(self, row: Mapping[str, Any]) -> tuple[Cell, ...]:
        return tuple(self._cell(each, row) for each in self._figures)

    def _cell(self, figure: _Figure, row: Mapping[str, Any]) -> Cell:
        value = row.get(figure.name)
        known, partly = figure.known or "recordings", self._partly(figure)
        if value is None:
            if figure.name not in row:
                return Cell("·", "cannot be added up", partly=partly, quiet=True)
            return Cell(wording.NOT_TOLD, partly=partly, quiet=True)
        exact = f"{value:,} bytes" if figure.name == "bytes" else ""
        if figure.name == "peak_concurrency":
            exact = wording.moment(row["peak_at"], self._zone) if row["peak_at"] else ""
        of = "" if row[known] == row["recordings"] else f"of {wording.number(row[known])}"
        return Cell(figure.write(value), exact, of, partly, quiet=not value)


def _added(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The sums of the measures that can be added; null where nothing is known of any."""
    names = {each.name for each in _FIGURES if each.adds}
    names |= {each.known for each in _FIGURES if each.adds and each.known}
    return {name: _sum(row[name] for row in rows) for name in names}


def _sum(values: Iterable[Any]) -> Any:
    known = [each for each in values if each is not None]
    return sum(known) if known else None
