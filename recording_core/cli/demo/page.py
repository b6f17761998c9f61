"""What did the demo do, as a page? `index.html`: a timeline, the matrix, the report, the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import frozen

import recording_core as rec
from recording_core.cli.output.matrix import Ability, abilities
from recording_core.download.formats import FORMATS
from recording_core.reporting.html import number_format as wording
from recording_core.reporting.html.page import rendered, style_sheet
from recording_core.reporting.html.table import Figures
from recording_core.reporting.report import Report

__all__ = ["Span", "Taken", "demo_page"]

#: The columns of its table; the others are on the report's own page.
_MEASURES = ("recordings", "hours", "bytes", "seconds_median", "failed", "expiring")
#: Seconds between two marks of the axis: the first with at most ten marks.
_STEPS = (0.5, 1, 2, 5, 10, 30, 60)
_SECOND = timedelta(seconds=1)
#: What is drawn is at least this share of the width.
_SEEN = 0.006


@frozen
class Taken:
    """A session that was recorded, whose vendor is called `label`, and what was said to it.

    `ran` is from the start's being sent to the stop's being answered, by the clock of this machine,
    which also tells when it was paused: a vendor's own may tell whole seconds alone.
    """

    label: str
    session: rec.RecordingSession
    ran: rec.Interval
    did: tuple[str, ...]
    copies: tuple[rec.Copy, ...]


@frozen
class Span:
    """Where something lies on the timeline, in percent of its width, and what it is."""

    x: str
    width: str
    words: str


@frozen
class _Line:
    label: str
    kind: str
    of: str
    words: str
    did: str
    whole: Span | None
    pauses: tuple[Span, ...]


@frozen
class _File:
    """A copy as the page shows it; `href` is relative to the page."""

    words: str
    name: str
    href: str
    sound: bool


@frozen
class _Copied:
    """A recording and the copies of its files."""

    title: str
    files: tuple[_File, ...]


class _Timeline:
    """The sessions one below the other over the seconds that all of them took."""

    def __init__(self, taken: Sequence[Taken]) -> None:
        self._begin = min(
            (each.ran.start for each in taken), default=datetime(2026, 1, 1, tzinfo=UTC)
        )
        last = max((each.ran.end for each in taken if each.ran.end), default=self._begin)
        seconds = (last - self._begin) / _SECOND
        step = next((step for step in _STEPS if seconds / step <= 10), _STEPS[-1])
        steps = max(ceil(seconds / step), 1)
        self._seconds = steps * step  # the axis ends in a mark
        self.lines = [self._line(each) for each in taken]
        space = "\N{NO-BREAK SPACE}"
        self.marks = [
            (self._percent(each * step), f"{each * step:g}{space}s") for each in range(steps + 1)
        ]

    def _percent(self, seconds: float) -> str:
        return f"{100 * min(max(seconds, 0.0), self._seconds) / self._seconds:.2f}%"

    def _span(self, start: datetime, end: datetime, words: str) -> Span:
        begin, length = (start - self._begin) / _SECOND, (end - start) / _SECOND
        return Span(self._percent(begin), self._percent(max(length, _SEEN * self._seconds)), words)

    def _line(self, each: Taken) -> _Line:
        session, end = each.session, each.ran.end
        whole, pauses, words = None, list[Span](), str(session.status)
        if end is not None:
            words = _length(end - each.ran.start)
            whole = self._span(each.ran.start, end, f"recorded for {words}")
            for pause in session.pauses:
                stop = pause.end or end
                held = _length(stop - pause.start)
                pauses.append(self._span(pause.start, stop, f"paused for {held}"))
                words += f", paused for {held}"
        return _Line(
            label=each.label,
            kind=session.target.kind.value,
            of=session.target.id,
            words=words,
            did=", ".join(each.did),
            whole=whole,
            pauses=tuple(pauses),
        )


def demo_page(
    folder: Path,
    *,
    taken: Sequence[Taken],
    newest: Sequence[tuple[str, Sequence[rec.Copy]]],
    report: Report | None,
    kept: int,
    broken: Sequence[str],
    took: timedelta,
    made: datetime,
) -> str:
    """The page as HTML, to be written into `folder`, in which the copies and report.html lie.

    `newest` are the copies of past recordings by the vendor's label; `kept` and `broken` are the
    promises that were checked.
    """
    own = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    files = _files(folder, taken, newest)
    copies = [copy for each in taken for copy in each.copies]
    copies += [copy for _, some in newest for copy in some]
    return rendered(
        "recording_core.cli.demo",
        "page.html.jinja",
        style_sheet() + own,
        allowed="media-src 'self' file:; ",
        made=wording.moment(made, UTC),
        took=f"{took / _SECOND:.0f}",
        kept=kept,
        broken=broken,
        vendors=list(dict.fromkeys(each.label for each in abilities())),
        timeline=_Timeline(taken),
        recorded=len(taken),
        paused=sum(bool(each.session.pauses) for each in taken),
        operations=[each.value for each in rec.Operation],
        matrix=_matrix(abilities()),
        report=_figures(report) if report is not None else None,
        report_page="report.html" if (folder / "report.html").is_file() else None,
        files=files,
        copied=len(copies),
        size=wording.size(sum(copy.size for copy in copies)),
    )


def _length(lasted: timedelta) -> str:
    """`0.4 s`, `5:14`; who tells whole seconds alone says 0 of what is shorter."""
    space = "\N{NO-BREAK SPACE}"
    if not lasted:
        return f"under{space}1{space}s"
    if lasted < 10 * _SECOND:
        return f"{lasted / _SECOND:.1f}{space}s"
    return wording.length(lasted / _SECOND)


def _matrix(found: Iterable[Ability]) -> list[tuple[str, str, int, list[bool]]]:
    """Label, kind, how many rows the label spans (0: it stands above), and each operation."""
    rows = list(found)
    matrix: list[tuple[str, str, int, list[bool]]] = []
    before = ""
    for each in rows:
        spans = sum(other.label == each.label for other in rows) if each.label != before else 0
        marks = [operation in each.operations for operation in rec.Operation]
        matrix.append((each.label, each.kind.value, spans, marks))
        before = each.label
    return matrix


def _figures(report: Report) -> dict[str, Any]:
    """The report's table, each row with the width of a bar."""
    table = Figures(report, only=_MEASURES)
    most = max((row["recordings"] for row in report.rows), default=0) or 1
    widths = [f"{100 * row['recordings'] / most:.1f}%" for row in report.rows]
    return {
        "seen": wording.number(report.totals["recordings"]),
        "accounts": len(report.rows),
        "groups": table.groups,
        "headings": table.headings,
        "rows": [(*row, width) for row, width in zip(table.rows, widths, strict=False)],
        "together": table.together,
    }


def _files(
    folder: Path, taken: Sequence[Taken], newest: Sequence[tuple[str, Sequence[rec.Copy]]]
) -> list[tuple[str, list[_Copied]]]:
    """The recordings that were copied, by vendor: first what the demo recorded itself."""
    found: dict[str, list[_Copied]] = {}
    for each in taken:
        title = f"The {each.session.target.kind} recorded here"
        found.setdefault(each.label, []).extend(_copied(folder, title, each.copies))
    for label, copies in newest:
        found.setdefault(label, []).extend(_copied(folder, "A past recording", copies))
    return [(label, some) for label, some in found.items() if some]


def _copied(folder: Path, title: str, copies: Sequence[rec.Copy]) -> Iterable[_Copied]:
    for _, files in groupby(copies, key=lambda copy: copy.recording_id):
        yield _Copied(title, tuple(_file(folder, copy) for copy in files))


def _file(folder: Path, copy: rec.Copy) -> _File:
    file = copy.file
    known = FORMATS.get(file.format or "")
    words = [str(file.role), file.format or "?", wording.size(copy.size)]
    if file.duration is not None:
        words.append(_length(file.duration))
    if file.participant is not None:
        words.append(file.participant)
    relative = copy.path.relative_to(folder)
    return _File(
        words=" · ".join(words),
        name=copy.path.name,
        href=quote(relative.as_posix()),
        sound=known is not None and known.media_type.startswith("audio/"),
    )
