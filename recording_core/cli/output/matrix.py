"""Capability matrix: the operations that each vendor supports, as the plugins declare them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

from attrs import frozen

import recording_core as rec
from recording_core.cli.output.output import OutputColumn, write_table

YES, NO = "yes", "–"


@frozen
class SupportedOperations:
    """The operations that a vendor supports for one kind of session."""

    provider: str
    label: str
    kind: rec.SessionKind
    operations: tuple[rec.Operation, ...]


def find_supported_operations() -> Iterator[SupportedOperations]:
    """Yield one item per vendor and kind of session that has any operation."""
    for info in rec.providers().values():
        for kind in rec.SessionKind:
            operations = tuple(each for each in rec.Operation if info.can(each, kind))
            if operations:
                yield SupportedOperations(info.name, info.label, kind, operations)


def build_matrix_rows() -> list[tuple[str, ...]]:
    """Return a heading and one row per vendor and kind; only a vendor's first row names it."""
    rows: list[tuple[str, ...]] = [("", "", *rec.Operation)]
    for label, group in groupby(find_supported_operations(), key=lambda each: each.label):
        for index, each in enumerate(group):
            marks = (YES if operation in each.operations else NO for operation in rec.Operation)
            rows.append(("" if index else label, each.kind, *marks))
    return rows


def build_matrix_markdown() -> str:
    """Return the matrix as the Markdown table of README and docs."""
    heading, *rows = build_matrix_rows()
    lines = [heading, ("---", "---", *(":-:" for _ in rec.Operation)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_matrix(indent: int = 0) -> None:
    """Write the matrix as a table for people."""
    heading, *rows = build_matrix_rows()
    columns: list[OutputColumn[tuple[str, ...]]] = [
        OutputColumn(name, itemgetter(index), str) for index, name in enumerate(heading)
    ]
    write_table(rows, columns, gap=1, indent=indent)
