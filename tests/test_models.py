"""Can a value be trusted? It is frozen, compares by what it means, and shows no signature."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

import recording_core as rec
from recording_core import plugin
from recording_core.model.enums import FINAL, LIVE

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SIGNED = "https://user:pw@media.test/a.wav?X-Amz-Signature=canary"

FILE = rec.MediaFile("f", rec.FileRole.MIX, "wav", url=SIGNED, duration=timedelta(seconds=3))
RECORDING = rec.Recording(
    "vendor", "default", "r1", target=rec.call("c1"), files=(FILE,), raw={"url": SIGNED}
)
VALUES = [
    rec.call("c1"),
    rec.Interval(NOW),
    FILE,
    RECORDING,
    rec.RecordingSession(
        "vendor", "default", None, rec.meeting("m"), recordings=(RECORDING,), raw={"url": SIGNED}
    ),
    rec.Copy("vendor", "default", "r1", FILE, Path("a.wav"), 3, "0" * 64, ("size",), NOW),
    rec.RecordingEvent(
        provider="vendor",
        account="default",
        kind=rec.EventKind.AVAILABLE,
        recording_id="r1",
        target=None,
        recording=RECORDING,
        status=rec.RecordingStatus.AVAILABLE,
        occurred_at=NOW,
        delivery_id=None,
        key="k",
        raw={"url": SIGNED},
    ),
    plugin.Query(NOW),
    plugin.Window(NOW),
    rec.Coverage(),
    rec.Setting("token", "TOKEN", secret=True),
]
IDS = [type(value).__name__ for value in VALUES]


@pytest.mark.parametrize("value", VALUES, ids=IDS)
def test_a_value_is_frozen_and_hashable_and_survives_a_copy(value: Any) -> None:
    name = attrs.fields(type(value))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, "other")
    with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
        value.no_such_field = 1
    for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert twin == value
        assert hash(twin) == hash(value)


@pytest.mark.parametrize("value", VALUES, ids=IDS)
def test_no_repr_shows_what_signs_a_url(value: Any) -> None:
    """X1."""
    assert "canary" not in repr(value)
    assert "pw@" not in repr(value)


def test_the_vendors_payload_takes_no_part_in_comparisons() -> None:
    other = attrs.evolve(RECORDING, raw={"something": "else"})
    assert other == RECORDING
    assert {other, RECORDING} == {RECORDING}
    assert attrs.evolve(RECORDING, id="r2") != RECORDING


@pytest.mark.parametrize("make", [rec.call, rec.conference, rec.meeting])
@pytest.mark.parametrize("wrong", ["", " ", "\t", "a\nb", "a\0", "\ud800", "a\x7f"])
def test_an_id_that_no_vendor_gave_is_refused(make: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match="the id of a"):
        make(wrong)


@pytest.mark.parametrize("wrong", [None, 1, b"c1", ["c1"], True])
def test_an_id_that_is_no_text_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be a str"):
        rec.call(wrong)


def test_targets_are_their_kind_and_id() -> None:
    assert rec.call("c1") == rec.CommunicationSession(rec.SessionKind.CALL, "c1")
    assert rec.CommunicationSession("call", "c1") == rec.call("c1")
    assert rec.call("c1") != rec.conference("c1")
    assert str(rec.meeting("m")) == "meeting:m"
    with pytest.raises(ValueError, match="webinar"):
        rec.CommunicationSession("webinar", "w")


def test_words_are_as_documented() -> None:
    assert " ".join(rec.RecordingStatus) == (
        "pending recording paused stopping processing available failed empty expired deleted "
        "unknown"
    )
    assert " ".join(rec.SessionKind) == "call conference meeting"
    assert " ".join(rec.FileRole) == "mix leg track video audio"
    assert " ".join(rec.Operation) == "start pause resume stop active list get download delete"
    assert FINAL.isdisjoint(LIVE)
    assert rec.RecordingStatus.UNKNOWN not in FINAL | LIVE


# -- the facade -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", rec.__all__)
def test_every_public_name_resolves(name: str) -> None:
    value = getattr(rec, name)
    assert value is getattr(rec, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name
        assert value.__module__.startswith("recording_core")
        assert value.__doc__


def imported_for_type_checkers() -> dict[str, str]:
    """name -> module, of the facade's imports under TYPE_CHECKING."""
    tree = ast.parse(Path(rec.__file__).read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: str(node.module).removeprefix("recording_core.")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_and_the_interpreter_see_the_same_facade() -> None:
    assert imported_for_type_checkers() == rec._MODULES
    assert sorted(rec.__all__) == sorted([*rec._MODULES, "__version__"])
    assert dir(rec) == sorted(rec.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rec.nothing  # type: ignore[attr-defined]


def test_importing_the_library_imports_nothing_heavy() -> None:
    code = (
        "import sys, recording_core as rec; rec.call('c'); rec.dumps; rec.HttpSettings;"
        "rec.providers(); print(sorted({'requests', 'urllib3', 'http.client', 'ssl',"
        "'xml', 'lxml', 'pytest', 'hypothesis', 'click', 'rich', 'duckdb'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
