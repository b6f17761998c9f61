"""README: its tables are those of the code."""

from __future__ import annotations

from pathlib import Path

from recording_core import Operation

from recording_acme.assumptions import ASSUMPTIONS
from recording_acme.plugin import recording_provider

NO = "–"  # noqa: RUF001
README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_readme_names_each_operation() -> None:
    for kind, operations in recording_provider().capabilities.items():
        words = ["yes" if each in operations else NO for each in Operation]
        assert f"| {kind} | {' | '.join(words)} |" in README


def test_the_readme_names_each_assumption() -> None:
    for each in ASSUMPTIONS:
        probe = NO if each.probe is None else "yes"
        cells = (str(each.number), each.leaves_open, each.assumed, each.refuted_by, probe)
        assert f"| {' | '.join(cells)} |" in README
