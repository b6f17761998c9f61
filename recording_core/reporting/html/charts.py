"""Charts: the positions of a chart's parts, as percentages of the plot.

Percentages need neither a script nor a fixed size: a chart is as wide as the page, and its text is
as large as the text around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recording_core.reporting.html.status_groups import STATUS_GROUPS
from recording_core.reporting.html.timeline import TimelineStep
from recording_core.reporting.number_format import format_count, join_words

_MAX_LABELS = 7
_MAX_GRID_LINES = 4
#: The share of a step's width that its column fills.
_COLUMN_WIDTH = 0.78


def format_bar_width(value: float | None, maximum: float) -> str:
    """Format the width of a bar. A positive value stays visible; an unknown one has no width."""
    if not value or not maximum:
        return "0%"
    return _format_css_percent(max(value / maximum, 0.006))


def build_stacked_chart(steps: Sequence[TimelineStep]) -> dict[str, list[dict[str, Any]]]:
    """Build a chart with one column per step, whose status groups are stacked.

    It has `columns`, each with its `segments` from bottom to top; `labels` below the plot, of which
    narrow pages hide the `minor` ones; `grid_lines` with their values; and `gaps`, the marks of
    steps for which an account is missing.
    """
    highest = max((step.recordings for step in steps), default=0)
    interval = _choose_interval(highest)
    top = max(1, -(-highest // interval)) * interval
    pitch = 1 / max(1, len(steps))
    # Limited, so that the columns of a few steps are not too wide.
    width = min(pitch * _COLUMN_WIDTH, 0.06)
    columns = [
        {
            "x": _format_css_percent((index + 0.5) * pitch - width / 2),
            "width": _format_css_percent(width),
            **_build_segments(step, top),
        }
        for index, step in enumerate(steps)
    ]
    grid_lines = [
        {"y": _format_css_percent(1 - at / top), "text": f"{at:,}"}
        for at in range(0, top + 1, interval)
    ]
    gaps = [
        {
            "x": _format_css_percent(index * pitch),
            "width": _format_css_percent(pitch),
            "description": f"{step.name}: not all recordings of {join_words(step.missing)}",
        }
        for index, step in enumerate(steps)
        if step.missing
    ]
    labels = _build_labels(steps, pitch)
    return {"columns": columns, "labels": labels, "grid_lines": grid_lines, "gaps": gaps}


def _build_segments(step: TimelineStep, top: int) -> dict[str, Any]:
    """Build a column's segments from bottom to top, and its description."""
    segments, words, height = [], [], 0
    for group in STATUS_GROUPS:
        count = step.counts.get(group.name, 0)
        if count:
            height += count
            y, share = _format_css_percent(1 - height / top), _format_css_percent(count / top)
            segments.append({"group": group.name, "y": y, "height": share})
            words.append(f"{count:,} {group.label}")
    description = f"{step.name}: {format_count(step.recordings, 'recording')}"
    description += f" ({', '.join(words)})" if words else ""
    return {"segments": segments, "description": description}


def _build_labels(steps: Sequence[TimelineStep], pitch: float) -> list[dict[str, Any]]:
    every = -(-len(steps) // _MAX_LABELS) or 1
    labels = []
    for number, index in enumerate(range(0, len(steps), every)):
        x = (index + 0.5) * pitch
        labels.append(
            {
                "x": _format_css_percent(x),
                "anchor": "start" if x < 0.04 else "end" if x > 0.96 else "middle",
                "text": steps[index].label,
                "minor": number % 2 == 1,
            }
        )
    return labels


def _choose_interval(highest: int) -> int:
    """Choose the interval of the grid lines: 1, 2 or 5, times a power of ten."""
    power = 1
    while True:
        for interval in (power, 2 * power, 5 * power):
            if interval * _MAX_GRID_LINES >= highest:
                return interval
        power *= 10


def _format_css_percent(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"
