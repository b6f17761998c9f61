"""Where does each part of a chart stand? Bars as shares of their plot, in percent.

Percentages need no script and no fixed size: a chart is as wide as the page, and its text stays
as large as the text around it.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.status_groups import FAMILIES
from recording_core.reporting.html.timeline import Step

__all__ = ["Chart", "Column", "Label", "Rung", "Segment", "share", "stacked"]

_LABELS = 7
_RUNGS = 4
#: How much of its step a column fills.
_FILL = 0.78


@frozen
class Segment:
    """A part of a column, of one family of statuses."""

    family: str
    y: str
    height: str


@frozen
class Column:
    """One step in time: where it stands, its parts from bottom to top, and its figures in words."""

    x: str
    width: str
    segments: tuple[Segment, ...]
    words: str


@frozen
class Label:
    """A step's name below the plot; a `minor` one is left out where there is little room."""

    x: str
    anchor: str
    words: str
    minor: bool


@frozen
class Rung:
    """A line of reference across the plot, and its figure beside it."""

    y: str
    words: str


@frozen
class Chart:
    """A plot of stacked columns."""

    columns: tuple[Column, ...]
    labels: tuple[Label, ...]
    rungs: tuple[Rung, ...]


def share(value: float | None, most: float) -> str:
    """The width of a bar. What is there at all can be seen; what is not told has none."""
    if not value or not most:
        return "0%"
    return _percent(max(value / most, 0.006))


def stacked(steps: Sequence[Step]) -> Chart:
    """Columns side by side, each of its families on top of each other."""
    top, rungs = _rungs(max((step.recordings for step in steps), default=0))
    pitch = 1 / max(1, len(steps))
    # A few steps are not drawn as walls.
    width = min(pitch * _FILL, 0.06)
    columns = tuple(
        Column(
            _percent((index + 0.5) * pitch - width / 2),
            _percent(width),
            _segments(step, top),
            _words(step),
        )
        for index, step in enumerate(steps)
    )
    return Chart(columns, _labels(steps, pitch), rungs)


def _segments(step: Step, top: int) -> tuple[Segment, ...]:
    parts, below = [], 0
    for family in FAMILIES:
        count = step.counts.get(family.name, 0)
        if count:
            below += count
            parts.append(Segment(family.name, _percent(1 - below / top), _percent(count / top)))
    return tuple(parts)


def _words(step: Step) -> str:
    counts = [
        f"{wording.number(step.counts[family.name])} {family.label}"
        for family in FAMILIES
        if step.counts.get(family.name)
    ]
    total = wording.counted(step.recordings, "recording")
    return f"{step.words}: {total}" + (f" ({', '.join(counts)})" if counts else "")


def _labels(steps: Sequence[Step], pitch: float) -> tuple[Label, ...]:
    every = -(-len(steps) // _LABELS) or 1
    labels = []
    for number, index in enumerate(range(0, len(steps), every)):
        x = (index + 0.5) * pitch
        anchor = "start" if x < 0.04 else "end" if x > 0.96 else "middle"
        labels.append(Label(_percent(x), anchor, steps[index].label, bool(number % 2)))
    return tuple(labels)


def _rungs(most: int) -> tuple[int, tuple[Rung, ...]]:
    """The height of the plot, a round number, and the lines on the way up to it."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            step = factor * power
            if step * _RUNGS >= most:
                top = max(1, -(-most // step)) * step
                rungs = (
                    Rung(_percent(1 - at / top), wording.number(at))
                    for at in range(0, top + 1, step)
                )
                return top, tuple(rungs)
        power *= 10


def _percent(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"
