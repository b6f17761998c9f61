"""Models: values are frozen, comparable and picklable, and show no signed URL."""

from __future__ import annotations

import ast
import copy
import inspect
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

import recording_core as rec
from recording_core import plugin, testing
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
def test_values_are_frozen_hashable_and_survive_copies(value: Any) -> None:
    name = attrs.fields(type(value))[0].name
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(value, name, "other")
    with pytest.raises((attrs.exceptions.FrozenInstanceError, AttributeError)):
        value.no_such_field = 1
    for twin in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert twin == value
        assert hash(twin) == hash(value)


@pytest.mark.parametrize("value", VALUES, ids=IDS)
def test_repr_shows_no_signed_query(value: Any) -> None:
    """X1."""
    assert "canary" not in repr(value)
    assert "pw@" not in repr(value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (RECORDING, "<Recording vendor 'r1' unknown>"),
        (
            attrs.evolve(
                RECORDING,
                status=rec.RecordingStatus.AVAILABLE,
                created_at=NOW,
                duration=timedelta(seconds=90),
            ),
            "<Recording vendor 'r1' available 2026-06-01 12:00:00 UTC 0:01:30>",
        ),
        (FILE, "<MediaFile 'f' mix wav 0:00:03>"),
        (
            rec.RecordingSession("vendor", "default", None, rec.meeting("m")),
            "<RecordingSession vendor None meeting:m pending>",
        ),
        (
            rec.RecordingSession(
                "vendor",
                "default",
                "s1",
                rec.call("c1"),
                rec.RecordingStatus.PROCESSING,
                started_at=NOW,
                stopped_at=NOW + timedelta(minutes=5),
            ),
            "<RecordingSession vendor 's1' call:c1 processing 2026-06-01 12:00:00 UTC 0:05:00>",
        ),
        (
            rec.Copy("vendor", "default", "r1", FILE, Path("a.wav"), 3000, "0", ("size",), NOW),
            "<Copy vendor 'r1' a.wav 3,000 bytes verified>",
        ),
        (
            rec.Copy("vendor", "default", "r1", FILE, Path("a.wav"), 3, "0", (), NOW),
            "<Copy vendor 'r1' a.wav 3 bytes not verified>",
        ),
        (
            rec.ProviderInfo(
                name="acme",
                label="Acme Voice",
                settings=[rec.Setting("key", "ACME_KEY"), rec.Setting("region", "ACME_REGION")],
                capabilities=plugin.build_capabilities(meeting="get", call="start"),
                documentation="",
                client="acme:Acme",
            ),
            "<ProviderInfo Acme Voice: call/meeting; settings key, region>",
        ),
    ],
)
def test_repr_is_one_line_that_identifies_the_value(value: Any, shown: str) -> None:
    assert repr(value) == shown


def test_html_of_a_recording_shows_what_is_known_and_no_signed_query() -> None:
    html = attrs.evolve(
        RECORDING, title="<b>Q&A</b>", created_at=NOW, size=1234, unread_fields=("a.b", "c")
    )._repr_html_()
    assert "&lt;b&gt;Q&amp;A&lt;/b&gt;" in html
    assert "2026-06-01 12:00:00 UTC" in html
    assert '<td style="text-align:right">1,234</td>' in html
    assert "a.b<br>c" in html
    assert "&lt;MediaFile &#x27;f&#x27; mix wav 0:00:03&gt;" in html
    assert "started_at" not in html  # unknown
    assert "canary" not in html


def test_html_shows_a_zero_and_a_count_per_path() -> None:
    html = rec.Coverage(seen=0, unread_fields={"size": 3})._repr_html_()
    assert '>seen</td><td style="text-align:right">0<' in html
    assert "size: 3" in html
    assert "not_listable" not in html


def test_raw_is_not_compared() -> None:
    other = attrs.evolve(RECORDING, raw={"something": "else"})
    assert other == RECORDING
    assert {other, RECORDING} == {RECORDING}
    assert attrs.evolve(RECORDING, id="r2") != RECORDING


@pytest.mark.parametrize("make", [rec.call, rec.conference, rec.meeting])
@pytest.mark.parametrize("wrong", ["", " ", "\t", "a\nb", "a\0", "\ud800", "a\x7f"])
def test_invalid_ids_raise_value_error(make: Any, wrong: str) -> None:
    with pytest.raises(ValueError, match="the id of a"):
        make(wrong)


@pytest.mark.parametrize("wrong", [None, 1, b"c1", ["c1"], True])
def test_ids_that_are_not_str_raise_type_error(wrong: Any) -> None:
    with pytest.raises(TypeError, match="must be a str"):
        rec.call(wrong)


def test_targets_compare_by_kind_and_id() -> None:
    assert rec.call("c1") == rec.CommunicationSession(rec.SessionKind.CALL, "c1")
    assert rec.CommunicationSession("call", "c1") == rec.call("c1")
    assert rec.call("c1") != rec.conference("c1")
    assert str(rec.meeting("m")) == "meeting:m"
    with pytest.raises(ValueError, match="webinar"):
        rec.CommunicationSession("webinar", "w")


def test_enum_values_match_the_documentation() -> None:
    assert " ".join(rec.RecordingStatus) == (
        "pending recording paused stopping processing available failed empty expired deleted "
        "unknown"
    )
    assert " ".join(rec.SessionKind) == "call conference meeting"
    assert " ".join(rec.FileRole) == "mix leg track video audio"
    assert " ".join(rec.Operation) == "start pause resume stop active list get download delete"
    assert FINAL.isdisjoint(LIVE)
    assert rec.RecordingStatus.UNKNOWN not in FINAL | LIVE


@pytest.mark.parametrize(
    ("checks", "doubts", "verified"),
    [
        (("framing",), (), True),
        (("size", "format"), (), True),
        (("checksum",), (), True),
        (("format",), (), False),
        ((), (), False),
        (("framing", "size"), ("The file is shorter than the vendor reports",), False),
    ],
)
def test_copy_is_verified_by_a_completeness_check_without_doubts(
    checks: tuple[str, ...], doubts: tuple[str, ...], verified: bool
) -> None:
    copied = rec.Copy(
        "vendor", "default", "r1", FILE, Path("a.wav"), 3, "0" * 64, checks, NOW, doubts=doubts
    )
    assert copied.verified is verified


# -- public names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", dir(rec))
def test_public_names_resolve(name: str) -> None:
    value = getattr(rec, name)
    assert value is getattr(rec, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name
        assert value.__module__.startswith("recording_core")
        assert value.__doc__


def read_typed_imports(facade: ModuleType) -> Iterator[tuple[str, str]]:
    """Yield module and name of each import of a facade under TYPE_CHECKING."""
    tree = ast.parse(Path(str(facade.__file__)).read_text(encoding="utf-8"))
    for block in (each for each in tree.body if isinstance(each, ast.If)):
        for node in (each for each in block.body if isinstance(each, ast.ImportFrom)):
            for alias in node.names:
                module = str(node.module)
                names = [alias.name] if alias.name != "*" else import_module(module).__all__
                assert alias.asname == alias.name or alias.name == "*"
                yield from ((module.removeprefix("recording_core."), name) for name in names)


@pytest.mark.parametrize("facade", [rec, plugin, testing])
def test_type_checkers_and_the_interpreter_see_the_same_names(facade: Any) -> None:
    table = [(module, name) for module, names in facade._MODULES.items() for name in names.split()]
    assert sorted(read_typed_imports(facade)) == sorted(table)
    eager = {"__version__"} & set(vars(facade))
    assert sorted(facade.__all__) == sorted([*(name for _, name in table), *eager])
    assert dir(facade) == sorted(facade.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = facade.nothing


def test_importing_the_library_imports_no_heavy_dependency() -> None:
    code = (
        "import sys, recording_core as rec; rec.call('c'); rec.dumps; rec.HttpSettings;"
        "rec.providers(); print(sorted({'requests', 'urllib3', 'http.client', 'ssl',"
        "'xml', 'lxml', 'pytest', 'hypothesis', 'click', 'rich', 'duckdb'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
