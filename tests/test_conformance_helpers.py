"""Helpers of the conformance suite: what they take for a row, a word and a module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recording_core import SessionKind
from recording_core.testing.conformance.base import ConformanceBase
from recording_core.testing.conformance.independence import _read_imports
from recording_core.testing.conformance.mutations import find_rows


@pytest.mark.parametrize("field", ["id", "recording_id", "recordingId"])
def test_an_id_may_be_a_number(field: str) -> None:
    row = {field: 7001, "size": 12}
    assert list(find_rows({"rows": [row]}, {"7001"})) == [("7001", row)]


def test_a_number_of_another_field_is_not_an_id() -> None:
    page = {"total": 7001, "rows": [{"id": "a"}]}
    assert list(find_rows(page, {"7001"})) == []


def test_a_kind_is_a_word_of_what_is_not_listed() -> None:
    test = ConformanceBase()
    test.provider = type("", (), {"not_listable": ("meetings that start automatically",)})()
    assert [kind for kind in SessionKind if test.is_listable(kind)] == ["call", "conference"]


def test_no_module_of_another_package_is_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search imports the packages around a module, which may be a script that ends the run."""
    (tmp_path / "made_up.py").write_text('import script\nEVENT = "script.completed"\n')
    (tmp_path / "script.py").write_text("raise SystemExit('it was run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list(_read_imports("made_up", {"made_up"})) == []
    assert "script" not in sys.modules
