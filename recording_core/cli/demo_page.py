"""What did the demo do, as a page? `index.html`: a timeline, the matrix, the report, the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import frozen

import recording_core as rec
from recording_core.cli.matrix import Ability, abilities
from recording_core.media_types import FORMATS
from recording_core.reporting import wording
from recording_core.reporting.page import rendered, style_sheet
from recording_core.reporting.report import Report

__all__ = ["Span", "Taken", "demo_page"]

#: Seconds between two marks of the axis: the first with at most ten marks.
_STEPS = (0.5, 1, 2, 5, 10, 30, 60)
_SECOND = timedelta(seconds=1)
#: What is drawn is at least this share of the width.
_SEEN = 0.006


@frozen
class Taken:
    """A session that was recorded, whose vendor is called `label`, and what was said to it."""

    label: str
    session: rec.RecordingSession
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

    title: str
    words: str
    name: str
    href: str
    sound: bool
    made_here: bool


class _Timeline:
    """The sessions one below the other over the seconds that all of them took."""

    def __init__(self, taken: Sequence[Taken]) -> None:
        bounds = [found for each in taken if (found := _bounds(each.session)) is not None]
        self._begin = min((start for start, _ in bounds), default=datetime(2026, 1, 1, tzinfo=UTC))
        last = max((end for _, end in bounds), default=self._begin)
        self._seconds = max((last - self._begin) / _SECOND, 0.1)
        self.lines = [self._line(each) for each in taken]
        step = next((step for step in _STEPS if self._seconds / step <= 10), _STEPS[-1])
        count = int(self._seconds / step) + 1
        self.marks = [(self._percent(each * step), f"{each * step:g} s") for each in range(count)]

    def _percent(self, seconds: float) -> str:
        return f"{100 * min(max(seconds, 0.0), self._seconds) / self._seconds:.2f}%"

    def _span(self, start: datetime, end: datetime, words: str) -> Span:
        begin, length = (start - self._begin) / _SECOND, (end - start) / _SECOND
        return Span(self._percent(begin), self._percent(max(length, _SEEN * self._seconds)), words)

    def _line(self, each: Taken) -> _Line:
        session, bounds = each.session, _bounds(each.session)
        whole, pauses, words = None, list[Span](), str(session.status)
        if bounds is not None:
            start, end = bounds
            words = _length(start, end)
            whole = self._span(start, end, f"recorded for {words}")
            for pause in session.pauses:
                stop = pause.end or end
                held = _length(pause.start, stop)
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
    own = resources.files(__package__).joinpath("demo_page.css").read_text(encoding="utf-8")
    files = _files(folder, taken, newest)
    copies = [copy for each in taken for copy in each.copies]
    copies += [copy for _, some in newest for copy in some]
    return rendered(
        "recording_core.cli",
        "demo_page.html.jinja",
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
        report=_rows(report) if report is not None else [],
        report_page="report.html" if (folder / "report.html").is_file() else None,
        seen=wording.number(report.totals["recordings"]) if report is not None else "",
        files=files,
        copied=len(copies),
        size=wording.size(sum(copy.size for copy in copies)),
    )


def _bounds(session: rec.RecordingSession) -> tuple[datetime, datetime] | None:
    """From when to when. Starts and stops are by the vendor's clock, if it tells, which may tell
    whole seconds alone; pauses are by ours, and lie within."""
    if session.started_at is None or session.stopped_at is None:
        return None
    starts = [session.started_at, *(pause.start for pause in session.pauses)]
    ends = [session.stopped_at, *(pause.end for pause in session.pauses if pause.end)]
    return min(starts), max(min(starts), *ends)


def _length(start: datetime, end: datetime) -> str:
    seconds = (end - start) / _SECOND
    space = "\N{NO-BREAK SPACE}"
    if start.microsecond == end.microsecond == 0:  # who tells no fraction is not taken for exact
        return f"about{space}{seconds:.0f}{space}s" if seconds else f"under{space}1{space}s"
    return f"{seconds:.1f}{space}s"


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


def _rows(report: Report) -> list[dict[str, Any]]:
    """The report's rows in words, with the width of a bar each."""
    labels = {name: info.label for name, info in rec.providers().items()}
    most = max((row["recordings"] for row in report.rows), default=0) or 1
    return [
        {
            "label": labels.get(row["provider"], row["provider"]),
            "account": row["account"],
            "recordings": wording.number(row["recordings"]),
            "width": f"{100 * row['recordings'] / most:.1f}%",
            "hours": _told(row["hours"], wording.hours),
            "size": _told(row["bytes"], wording.size),
            "median": _told(row["seconds_median"], wording.length),
            "failed": wording.number(row["failed"]),
            "expiring": wording.number(row["expiring"]),
        }
        for row in report.rows
    ]


def _told(value: Any, words: Any) -> str:
    return wording.NOT_TOLD if value is None else str(words(value))


def _files(
    folder: Path, taken: Sequence[Taken], newest: Sequence[tuple[str, Sequence[rec.Copy]]]
) -> list[tuple[str, list[_File]]]:
    """The copies by vendor: first what the demo recorded itself."""
    found: dict[str, list[_File]] = {}
    for each in taken:
        target = each.session.target
        found.setdefault(each.label, []).extend(
            _file(folder, copy, f"The {target.kind} recorded here", made_here=True)
            for copy in each.copies
        )
    for label, copies in newest:
        found.setdefault(label, []).extend(
            _file(folder, copy, "A past recording", made_here=False) for copy in copies
        )
    return list(found.items())


def _file(folder: Path, copy: rec.Copy, title: str, *, made_here: bool) -> _File:
    file = copy.file
    known = FORMATS.get(file.format or "")
    words = [str(file.role), file.format or "?", wording.size(copy.size)]
    if file.duration is not None:
        long = file.duration >= 10 * _SECOND
        words.append(
            wording.length(file.duration / _SECOND)
            if long
            else f"{file.duration / _SECOND:.1f}\N{NO-BREAK SPACE}s"
        )
    if file.participant is not None:
        words.append(file.participant)
    relative = copy.path.relative_to(folder)
    return _File(
        title=title,
        words=" · ".join(words),
        name=copy.path.name,
        href=quote(relative.as_posix()),
        sound=known is not None and known.media_type.startswith("audio/"),
        made_here=made_here,
    )
