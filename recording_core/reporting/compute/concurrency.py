"""Concurrency: the peak number of simultaneous recordings, as a running total of starts and ends.

A recording runs over `[started_at, ended_at)`: one that ends at an instant does not overlap one
that starts at it, and one that ends when it starts never runs. Rows without both times, or that end
before they start, are ignored; the measure `peak_known` counts the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recording_core.reporting.compute.functions import SECOND, cast_to_microseconds, floor

if TYPE_CHECKING:
    from ibis.expr.types import Table

_MINUTE = 60 * SECOND
#: From this number of recordings per group and minute, `compute_pruned_peaks` is faster.
MIN_ROWS_PER_MINUTE = 2


def compute_peaks(rows: Table) -> Table:
    """Compute `number`, `peak_concurrency` and `peak_at` (microseconds, the first) per group.

    The rows have `number`, which identifies their group, `started_at` and `ended_at`.
    """
    changes = _build_changes(rows)
    return _select_peaks(changes.mutate(running=_build_running_total(changes, "number")))


def _build_changes(rows: Table) -> Table:
    """Build one row per start (+1) and one per end (-1)."""
    import ibis

    spans = rows.select(
        "number",
        start=cast_to_microseconds(rows.started_at),
        end=cast_to_microseconds(rows.ended_at),
    )
    spans = spans.filter(spans.start < spans.end)
    starts = spans.select("number", at=spans.start, change=ibis.literal(1, "int8"))
    ends = spans.select("number", at=spans.end, change=ibis.literal(-1, "int8"))
    return starts.union(ends)


def _build_running_total(changes: Table, *by: str) -> Any:
    # At the same instant, ends (-1) sort before starts (+1).
    return changes.change.sum().over(rows=(None, 0), group_by=by, order_by=["at", "change"])


def _select_peaks(running: Table) -> Table:
    # The first instant of each total, and then the greatest total: of several instants with the
    # same total, an engine's own `argmax` returns any.
    heights = running.aggregate(by=["number", "running"], first=running["at"].min())
    return heights.aggregate(
        by="number",
        peak_concurrency=heights["running"].max(),
        peak_at=heights["first"].argmax(heights["running"]),
    )


def compute_pruned_peaks(rows: Table) -> Table:
    """Compute the same as `compute_peaks`, faster if few groups hold many recordings.

    Only minutes that may contain the peak are examined. A minute cannot contain it if the number
    running at its start plus the number started in it is less than the number running at the end of
    another minute.
    """
    changes = _build_changes(rows)
    changes = changes.mutate(minute=floor(changes["at"], _MINUTE))
    minutes = changes.aggregate(
        by=["number", "minute"],
        net=changes.change.sum(),
        started=(changes.change > 0).cast("int64").sum(),
    )
    up_to_minute = minutes.net.sum().over(rows=(None, 0), group_by="number", order_by="minute")
    totals = minutes.mutate(at_end=up_to_minute)
    totals = totals.mutate(
        at_start=totals.at_end - totals.net, best=totals.at_end.max().over(group_by="number")
    )
    candidates = totals.filter(totals.at_start + totals.started >= totals.best)
    inside = changes.join(candidates, ["number", "minute"]).select(
        "number", "minute", "at", "change", "at_start"
    )
    within = _build_running_total(inside, "number", "minute")
    return _select_peaks(inside.mutate(running=within + inside.at_start))
