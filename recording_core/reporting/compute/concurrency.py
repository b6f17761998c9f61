"""How many ran at once? Starts and ends in order of time, and the running total of both.

A recording runs over `[started_at, ended_at)`: one that ends at an instant makes room for one that
starts at it, and one that ends as it starts never runs. Rows of which a time is not known, or that
end before they start, take no part; the measure `peak_known` counts the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from recording_core.reporting.compute.functions import microseconds

if TYPE_CHECKING:
    from ibis.expr.types import Table

__all__ = ["MINUTES_PRUNE", "peaks", "pruned_peaks"]

_MINUTE = 60_000_000
#: Whole minutes, and more than lie between the year 1 and 1970: a remainder is then never negative.
_CENTURIES = 2000 * 366 * 1440 * _MINUTE
#: From how many recordings a group and minute on it pays to look at minutes first.
MINUTES_PRUNE = 2


def peaks(rows: Table) -> Table:
    """`number`, `peak_concurrency` and `peak_at` (microseconds, the earliest) of each group.

    The rows have `number`, which names their group, `started_at` and `ended_at`.
    """
    changes = _changes(rows)
    running = changes.mutate(running=_total(changes.change, by=changes.number, order=changes))
    return _highest(running)


def _changes(rows: Table) -> Table:
    """One row a start (+1) and one an end (-1)."""
    import ibis

    spans = rows.select(
        "number", start=microseconds(rows.started_at), end=microseconds(rows.ended_at)
    )
    spans = spans.filter(spans.start < spans.end)
    starts = spans.select("number", at=spans.start, change=ibis.literal(1, "int8"))
    ends = spans.select("number", at=spans.end, change=ibis.literal(-1, "int8"))
    return starts.union(ends)


def _total(value: Any, *, by: Any, order: Table) -> Any:
    import ibis

    # Ends sort before starts of the same instant, since -1 is before 1.
    window = ibis.window(group_by=by, order_by=[order["at"], order.change], preceding=(None, 0))
    return value.sum().over(window)


def _highest(running: Table) -> Table:
    # The first instant of each height, and then the greatest height: an engine's own `argmax`
    # answers any of several instants.
    heights = running.aggregate(by=["number", "running"], first=running["at"].min())
    return heights.aggregate(
        by="number",
        peak_concurrency=heights["running"].max(),
        peak_at=heights["first"].argmax(heights["running"]),
    )


def pruned_peaks(rows: Table) -> Table:
    """The same where many run in few groups, in less time: only minutes that may hold the peak.

    A minute cannot hold it where all that were running as it began and all that started in it are
    fewer than were running at the end of another.
    """
    import ibis

    changes = _changes(rows)
    changes = changes.mutate(minute=_minute(changes["at"]))
    minutes = changes.aggregate(
        by=["number", "minute"],
        net=changes.change.sum(),
        started=(changes.change > 0).cast("int64").sum(),
    )
    until_now = ibis.window(group_by=minutes.number, order_by=minutes.minute, preceding=(None, 0))
    carried = minutes.mutate(left=minutes.net.sum().over(until_now))
    carried = carried.mutate(brought=carried.left - carried.net)
    best = carried.left.max().over(ibis.window(group_by=carried.number))
    reached = carried.mutate(best=best)
    likely = reached.filter(reached.brought + reached.started >= reached.best)
    inside = changes.join(
        likely, [changes.number == likely.number, changes.minute == likely.minute]
    ).select(changes.number, changes.minute, changes["at"], changes.change, likely.brought)
    within = _total(inside.change, by=[inside.number, inside.minute], order=inside)
    return _highest(inside.mutate(running=within + inside.brought))


def _minute(at: Any) -> Any:
    return at - (at + _CENTURIES) % _MINUTE
