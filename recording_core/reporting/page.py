"""How is a report handed on? As one self-contained page that opens from disk without a network."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recording_core.reporting.report import Report

__all__ = ["page"]


def page(report: Report) -> str:
    """The report as HTML: what is missing first, then its rows, then what could be seen."""
    missing = "".join(
        f"<p><strong>Not all of {escape(each.provider)} ({escape(each.account)}):</strong> "
        f"{escape('; '.join(each.coverage.errors))}</p>"
        for each in report.missing
    )
    accounts = [each.as_row() for each in report.coverage]
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Recordings</title>'
        "<style>body{font-family:sans-serif}td,th{padding:.2em .6em;text-align:left}</style></head>"
        f"<body><h1>Recordings</h1>{missing}{_table([*report.rows, report.totals])}"
        f"<h2>What could be seen</h2>{_table(accounts)}</body></html>"
    )


def _table(rows: Iterable[dict[str, Any]]) -> str:
    rows = list(rows)
    names = list(rows[0]) if rows else []
    heading = "".join(f"<th>{escape(name)}</th>" for name in names)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(_shown(row.get(name)))}</td>' for name in names)}</tr>"
        for row in rows
    )
    return f"<table><tr>{heading}</tr>{lines}</table>"


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
