"""What can be said to which vendor, of what? Generated from what the plugins declare."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

import recording_core as rec

__all__ = ["Ability", "abilities", "matrix_markdown", "matrix_rows"]

YES, NO = "yes", "–"


@frozen
class Ability:
    """What a vendor can be told of one kind of session."""

    provider: str
    label: str
    kind: rec.SessionKind
    operations: tuple[rec.Operation, ...]


def abilities() -> Iterator[Ability]:
    """One for each vendor and kind that has any."""
    for info in rec.providers().values():
        for kind in rec.SessionKind:
            operations = tuple(each for each in rec.Operation if info.can(each, kind))
            if operations:
                yield Ability(info.name, info.label, kind, operations)


def matrix_rows() -> list[tuple[str, ...]]:
    """A heading, and a row for each vendor and kind; a vendor is named in its first row."""
    rows: list[tuple[str, ...]] = [("", "", *(each.value for each in rec.Operation))]
    before = ""
    for ability in abilities():
        marks = (YES if each in ability.operations else NO for each in rec.Operation)
        label = ability.label if ability.label != before else ""
        rows.append((label, ability.kind.value, *marks))
        before = ability.label
    return rows


def matrix_markdown() -> str:
    """The matrix as README and docs carry it."""
    heading, *rows = matrix_rows()
    lines = [heading, ("---", "---", *(":-:" for _ in rec.Operation)), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
