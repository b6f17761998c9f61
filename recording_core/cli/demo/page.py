"""Demo page: `index.html` with a timeline, the capability matrix, the report and the files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from importlib import resources
from itertools import groupby
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import quote

from attrs import asdict, define, field

import recording_core as rec
from recording_core.cli.demo.archive_steps import PERIOD, ArchiveFigures
from recording_core.cli.output.matrix import find_supported_operations
from recording_core.download.formats import FORMATS
from recording_core.reporting import number_format
from recording_core.reporting.html.page import read_style_sheet, render_template
from recording_core.reporting.html.table import MeasureTable
from recording_core.reporting.report import Report

#: The columns of the report's table; the report's own page has all of them.
_MEASURES = ("recordings", "hours", "bytes", "seconds_median", "failed", "expiring")
#: Seconds between two marks of the axis; the first with at most ten intervals is used.
_STEPS = (0.5, 1, 2, 5, 10, 30, 60)
_SECOND = timedelta(seconds=1)
#: The minimum width of a span, as a share of the timeline.
_MIN_WIDTH = 0.006
_SPACE = "\N{NO-BREAK SPACE}"


@define
class TimelineEntry:
    """A session that was recorded, with its vendor's label, its actions and its copies.

    `interval` is from the request of `start` to the response of `stop`, by this machine's clock,
    like the pauses of `session`: some vendors report whole seconds only.
    """

    label: str
    session: rec.RecordingSession
    interval: rec.Interval
    actions: list[str] = field(factory=list)
    copies: Sequence[rec.Copy] = ()


def build_demo_page(
    folder: Path,
    *,
    entries: Sequence[TimelineEntry],
    past_copies: Sequence[tuple[str, Sequence[rec.Copy]]],
    report: Report | None,
    archive: ArchiveFigures | None = None,
    passed: int,
    violations: Sequence[str],
    duration: timedelta,
    created_at: datetime,
) -> str:
    """Build the page as HTML, to be written into `folder`, which holds the copies and report.html.

    `past_copies` are the copies of past recordings by the vendor's label. `passed` counts the
    requirements that were met; `violations` describes the others.
    """
    style = resources.files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    matrix = [
        (label, list(group))
        for label, group in groupby(find_supported_operations(), key=lambda each: each.label)
    ]
    groups = [
        (each.label, f"The {each.session.target.kind} recorded here", each.copies)
        for each in entries
    ]
    groups += [(label, "A past recording", copies) for label, copies in past_copies]
    sizes = [copy.size for _, _, copies in groups for copy in copies]
    return render_template(
        "recording_core.cli.demo",
        "page.html.jinja",
        read_style_sheet() + style,
        allowed="media-src 'self' file:; ",
        created_at=number_format.format_time(created_at, UTC),
        seconds=f"{duration / _SECOND:.0f}",
        passed=passed,
        violations=violations,
        vendors=[label for label, _ in matrix],
        timeline=_build_timeline(entries),
        recorded=len(entries),
        paused=sum(bool(each.session.pauses) for each in entries),
        operations=list(rec.Operation),
        matrix=matrix,
        report=_build_report_table(report) if report is not None else None,
        archive=archive
        and {
            **asdict(archive),
            "size": number_format.format_size(archive.bytes),
            "days": PERIOD.days,
        },
        report_page="report.html" if (folder / "report.html").is_file() else None,
        files=_group_files(folder, groups),
        copied=len(sizes),
        size=number_format.format_size(sum(sizes)),
    )


def _build_timeline(entries: Sequence[TimelineEntry]) -> dict[str, Any]:
    """Return one row per session over the time that all sessions took, and the axis's marks."""
    begin = min((each.interval.start for each in entries), default=datetime(2026, 1, 1, tzinfo=UTC))
    last = max((each.interval.end for each in entries if each.interval.end), default=begin)
    seconds = (last - begin) / _SECOND
    step = next((step for step in _STEPS if seconds / step <= 10), _STEPS[-1])
    steps = max(ceil(seconds / step), 1)
    length = steps * step  # the axis ends at a mark

    def format_position(seconds: float) -> str:
        return f"{100 * min(max(seconds, 0.0), length) / length:.2f}%"

    def build_span(start: datetime, end: datetime, action: str) -> dict[str, str]:
        return {
            "x": format_position((start - begin) / _SECOND),
            "width": format_position(max((end - start) / _SECOND, _MIN_WIDTH * length)),
            "description": f"{action} for {_format_duration(end - start)}",
        }

    def build_row(entry: TimelineEntry) -> dict[str, Any]:
        start, end = entry.interval.start, entry.interval.end
        session, actions = entry.session, ", ".join(entry.actions)
        row = {"label": entry.label, "kind": session.target.kind, "actions": actions}
        if end is None:
            return {**row, "description": session.status, "recorded": None}
        pauses = [build_span(each.start, each.end or end, "paused") for each in session.pauses]
        words = (_format_duration(end - start), *(each["description"] for each in pauses))
        recorded = build_span(start, end, "recorded")
        return {**row, "description": ", ".join(words), "recorded": recorded, "pauses": pauses}

    seconds_of_marks = [each * step for each in range(steps + 1)]
    marks = [(format_position(each), f"{each:g}{_SPACE}s") for each in seconds_of_marks]
    return {"rows": [build_row(each) for each in entries], "marks": marks}


def _format_duration(duration: timedelta) -> str:
    """Format `0.4 s` or `5:14`; 0 is `under 1 s`, because some vendors report whole seconds."""
    if not duration:
        return f"under{_SPACE}1{_SPACE}s"
    if duration < 10 * _SECOND:
        return f"{duration / _SECOND:.1f}{_SPACE}s"
    return number_format.format_length(duration / _SECOND)


def _build_report_table(report: Report) -> dict[str, Any]:
    """Return the report's table, each row with the width of its bar."""
    table = MeasureTable(report, only=_MEASURES)
    most = max((row["recordings"] for row in report.rows), default=0) or 1
    widths = [f"{100 * row['recordings'] / most:.1f}%" for row in report.rows]
    return {
        "recordings": number_format.format_number(report.totals["recordings"]),
        "accounts": len(report.rows),
        "table": table,
        "rows": [(*row, width) for row, width in zip(table.rows, widths, strict=False)],
    }


def _group_files(
    folder: Path, groups: Sequence[tuple[str, str, Sequence[rec.Copy]]]
) -> dict[str, list[dict[str, Any]]]:
    """Return label -> the copied recordings of a vendor, from (label, title, copies)."""
    found: dict[str, list[dict[str, Any]]] = {}
    for label, title, copies in groups:
        for _, files in groupby(copies, key=lambda copy: copy.recording_id):
            recording = {"title": title, "files": [_build_file(folder, each) for each in files]}
            found.setdefault(label, []).append(recording)
    return found


def _build_file(folder: Path, copy: rec.Copy) -> dict[str, Any]:
    """Return a copy as the page shows it; `href` is relative to the page."""
    file = copy.file
    format = FORMATS.get(file.format or "")
    size = number_format.format_size(copy.size)
    duration = None if file.duration is None else _format_duration(file.duration)
    parts = (file.role, file.format or "?", size, duration, file.participant)
    return {
        "description": " · ".join(part for part in parts if part is not None),
        "name": copy.path.name,
        "href": quote(copy.path.relative_to(folder).as_posix()),
        # A player of less than a second would show 0:00.
        "is_audio": format is not None
        and format.media_type.startswith("audio/")
        and (file.duration is None or file.duration >= _SECOND),
    }
