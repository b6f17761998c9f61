"""Table: the rows, columns and cells of the page's table of all measures."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from attrs import frozen

from recording_core.reporting.compute.groupings import TIME_GROUPINGS
from recording_core.reporting.html.account_coverage import find_provider_label
from recording_core.reporting.html.measure_format import find_known_measure, format_measure
from recording_core.reporting.number_format import NOT_REPORTED, format_count, format_time

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

#: Further rows are combined into one, so that the page stays small.
MAX_ROWS = 1_000
#: measure -> (heading, unit), in the order of the columns
_COLUMNS = {
    "recordings": ("Recordings", ""),
    "hours": ("Duration", "hours"),
    "bytes": ("Size", ""),
    "seconds_median": ("Median", "h:min:s"),
    "seconds_p95": ("95 % within", "h:min:s"),
    "failed": ("Failed", ""),
    "empty": ("Empty", ""),
    "unknown": ("Unknown", ""),
    "without_media": ("No media", ""),
    "expiring": ("Expiring", ""),
    "undated": ("Undated", ""),
    "peak_concurrency": ("Peak", "at once"),
    "cost": ("Storage", "{currency} per month"),
}
#: Measures whose values of two groups cannot be added.
_NOT_ADDITIVE = frozenset({"seconds_median", "seconds_p95", "peak_concurrency"})


@frozen
class Cell:
    """A formatted value, the exact one, and the number of recordings for which it is known."""

    text: str
    exact: str = ""
    of: str = ""
    #: Whether any cell of its column has an `of`, so that the numbers are aligned.
    is_partial: bool = False
    #: Shown in a quiet colour, such as 0 failures.
    is_quiet: bool = False


class MeasureTable:
    """The table of all measures."""

    def __init__(self, report: Report, *, only: Iterable[str] = _COLUMNS) -> None:
        """`only` restricts the table to the measures with these names."""
        self._report = report
        self._totals = report.totals
        #: The measures that are not 0 or unknown in every row.
        self._names = [
            name
            for name in _COLUMNS
            if name in only
            and name not in report.by
            and (name == "recordings" or self._totals[name])
        ]

    @property
    def groups(self) -> int:
        """The number of columns that identify a row."""
        return max(1, len(self._report.by))

    @property
    def left_out(self) -> str:
        """A sentence about the measures without a column: 0 everywhere, or never reported."""
        if not self._report.rows:
            return ""
        rest = [name for name in _COLUMNS if name not in (*self._names, *self._report.by)]
        unknown = [_COLUMNS[name][0].lower() for name in rest if self._totals[name] is None]
        zero = [_COLUMNS[name][0].lower() for name in rest if self._totals[name] is not None]
        sentences = []
        if zero:
            sentences.append(f"Left out, since 0 or not reported: {', '.join(zero)}.")
        if unknown:
            sentences.append(f"Left out, since no vendor reports it: {', '.join(unknown)}.")
        return " ".join(sentences)

    @property
    def headings(self) -> list[dict[str, Any]]:
        """The heading of each column; cells of an `is_partial` one may have an `of`."""
        tz, currency = self._report.window.tz, self._report.currency
        groups = [
            (name.replace("_", " ").capitalize(), tz if self._is_time(name) else "")
            for name in self._report.by
        ]
        return [
            {"text": text, "unit": unit, "align_right": False, "is_partial": False}
            for text, unit in groups or [("All", "")]
        ] + [
            {
                "text": _COLUMNS[name][0],
                "unit": _COLUMNS[name][1].format(currency=currency),
                "align_right": True,
                "is_partial": self._is_partial(name),
            }
            for name in self._names
        ]

    @property
    def rows(self) -> list[tuple[tuple[str, ...], list[Cell]]]:
        """The groups and the cells of each row, at most `MAX_ROWS` rows."""
        return [
            (
                tuple(self._format_group(name, row[name]) for name in self._report.by) or ("all",),
                self._build_cells(row),
            )
            for row in self._report.rows[:MAX_ROWS]
        ]

    @functools.cached_property
    def remainder(self) -> tuple[str, list[Cell]] | None:
        """The further rows as one: a label, and the sums of the additive measures."""
        rest = self._report.rows[MAX_ROWS:]
        if not rest:
            return None
        names = _COLUMNS.keys() - _NOT_ADDITIVE
        names |= set(map(find_known_measure, names))
        sums = {name: _sum(row[name] for row in rest) for name in names}
        return f"{format_count(len(rest), 'further row')} together", self._build_cells(sums)

    @property
    def totals(self) -> list[Cell]:
        return self._build_cells(self._totals)

    def _format_group(self, name: str, value: Any) -> str:
        if value is None:
            return NOT_REPORTED
        if name == "provider":
            return find_provider_label(value)
        if hasattr(value, "astimezone"):
            return format_time(value, self._report.window.zone)
        return str(value)

    def _is_time(self, name: str) -> bool:
        return name in TIME_GROUPINGS or any(
            isinstance(row[name], datetime) for row in self._report.rows
        )

    def _is_partial(self, name: str) -> bool:
        return bool(self._totals[find_known_measure(name)] != self._totals["recordings"])

    def _build_cells(self, row: Mapping[str, Any]) -> list[Cell]:
        return [self._build_cell(name, row) for name in self._names]

    def _build_cell(self, name: str, row: Mapping[str, Any]) -> Cell:
        is_partial = self._is_partial(name)
        if name not in row:
            return Cell("·", "cannot be added up", is_partial=is_partial, is_quiet=True)
        value, known = row[name], row[find_known_measure(name)]
        if value is None:
            return Cell(NOT_REPORTED, is_partial=is_partial, is_quiet=True)
        exact = f"{value:,} bytes" if name == "bytes" else ""
        if name == "peak_concurrency" and row["peak_at"]:
            exact = format_time(row["peak_at"], self._report.window.zone)
        of = "" if known == row["recordings"] else f"of {known:,}"
        return Cell(format_measure(row, name), exact, of, is_partial, is_quiet=not value)


def _sum(values: Iterable[Any]) -> Any:
    """Sum the known values; None if there are none."""
    known = [each for each in values if each is not None]
    return sum(known) if known else None
