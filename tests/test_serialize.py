"""Serialisation: values survive JSON unchanged, and everything else raises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recording_core as rec
from recording_core.model.serialization import make_converter
from recording_core.provider.start_request import START_PARAMETERS, build_start_request

TEXT = st.text(st.characters(codec="utf-8"), max_size=6)
ID = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=6)
MOMENT = st.integers(0, 10**15).map(
    lambda microseconds: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)
LENGTH = st.timedeltas(timedelta(0), timedelta(days=3650))
SIZE = st.integers(0, 2**63 - 1)
TARGET = st.builds(rec.CommunicationSession, st.sampled_from(rec.SessionKind), ID)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
RAW = st.dictionaries(TEXT, JSON, max_size=3)


def build_optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def build_tuples(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=2).map(tuple)


FILES = st.builds(
    rec.MediaFile,
    id=TEXT,
    role=st.sampled_from(rec.FileRole),
    format=build_optional(TEXT),
    size=build_optional(SIZE),
    duration=build_optional(LENGTH),
    url=build_optional(TEXT),
    url_expires_at=build_optional(MOMENT),
)
RECORDINGS = st.builds(
    rec.Recording,
    provider=TEXT,
    account=TEXT,
    id=TEXT,
    kind=build_optional(st.sampled_from(rec.SessionKind)),
    target=build_optional(TARGET),
    status=st.sampled_from(rec.RecordingStatus),
    created_at=build_optional(MOMENT),
    duration=build_optional(LENGTH),
    size=build_optional(SIZE),
    files=build_tuples(FILES),
    raw=RAW,
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "format": TEXT,
        "max_duration": LENGTH,
        "channels": st.integers(1, 2),
        "participant": build_tuples(TEXT),
        "tracks": st.booleans(),
        "title": TEXT,
        "of_the_vendor": JSON,
    },
)
SESSIONS = st.builds(
    rec.RecordingSession,
    provider=TEXT,
    account=TEXT,
    id=build_optional(TEXT),
    target=TARGET,
    pauses=build_tuples(st.builds(rec.Interval, MOMENT, build_optional(MOMENT))),
    parameters=PARAMETERS,
    recordings=build_tuples(RECORDINGS),
    raw=RAW,
)
COPIES = st.builds(
    rec.Copy,
    provider=TEXT,
    account=TEXT,
    recording_id=TEXT,
    file=FILES,
    path=ID.map(Path),
    size=SIZE,
    sha256=TEXT,
    checks=build_tuples(TEXT),
    doubts=build_tuples(TEXT),
    made_at=MOMENT,
)


@settings(max_examples=200)
@given(FILES | RECORDINGS | SESSIONS | COPIES | TARGET)
def test_values_round_trip_through_json(value: Any) -> None:
    again = rec.loads(rec.dumps(value), type(value))
    assert again == value
    assert rec.loads(rec.dumps(value, indent=2).encode(), type(value)) == value
    if hasattr(value, "raw"):
        assert again.raw == value.raw
    assert rec.dumps(again) == rec.dumps(value)


RECORDING = rec.Recording(
    "vendor",
    "default",
    "r1",
    kind=rec.SessionKind.CALL,
    target=rec.call("c1"),
    status=rec.RecordingStatus.AVAILABLE,
    created_at=datetime(2026, 6, 1, 14, 0, tzinfo=timezone(timedelta(hours=2))),
    duration=timedelta(seconds=1.5),
    files=(rec.MediaFile("f", rec.FileRole.MIX, url="https://h.test/a?sig=kept"),),
    raw={"any": ["thing"]},
)


def test_json_matches_the_documentation() -> None:
    found = json.loads(rec.dumps(RECORDING))
    assert found["created_at"] == "2026-06-01T12:00:00+00:00"
    assert found["duration"] == 1.5
    assert found["status"] == "available"
    assert found["target"] == {"kind": "call", "id": "c1"}
    assert found["files"][0]["url"] == "https://h.test/a?sig=kept"
    assert found["raw"] == {"any": ["thing"]}
    assert rec.loads(rec.dumps([RECORDING]), list[rec.Recording]) == [RECORDING]
    assert rec.loads("[]", tuple[rec.Recording, ...]) == ()


def dump_with(**fields: Any) -> str:
    return json.dumps(json.loads(rec.dumps(RECORDING)) | fields)


CANARY = "canary-value"
WRONG: list[tuple[Mapping[str, Any], str]] = [
    ({"id": None}, "id"),
    ({"id": [CANARY]}, "id"),
    ({"id": 7}, "id"),
    ({"size": "7"}, "size"),
    ({"size": 7.0}, "size"),
    ({"size": True}, "size"),
    ({"size": -7}, "size"),
    ({"duration": -0.5}, "duration"),
    ({"duration": CANARY}, "duration"),
    ({"duration": True}, "duration"),
    ({"duration": 1e18}, "duration"),
    ({"created_at": "2026-06-01T12:00:00"}, "created_at"),
    ({"created_at": CANARY}, "created_at"),
    ({"created_at": 1_780_315_200}, "created_at"),
    ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at"),
    ({"kind": CANARY}, "kind"),
    ({"kind": []}, "kind"),
    ({"status": 7}, "status"),
    ({"target": {"kind": "call", "id": ""}}, "target"),
    ({"target": {"kind": "call"}}, "target"),
    ({"target": [CANARY]}, "target"),
    ({"files": {}}, "files"),
    ({"files": CANARY}, "files"),
    ({"files": [{"id": "f", "role": CANARY}]}, "files"),
    ({"files": [None]}, "files"),
    ({"raw": [CANARY]}, "raw"),
    ({"raw": None}, "raw"),
    ({CANARY: 1}, "unknown fields"),
]


@pytest.mark.parametrize(("fields", "path"), WRONG)
def test_wrong_types_raise_with_the_path(fields: Mapping[str, Any], path: str) -> None:
    """P2: the error does not quote the value, which may be confidential."""
    with pytest.raises(rec.MalformedPayload, match=path) as caught:
        rec.loads(dump_with(**fields), rec.Recording)
    assert path in caught.value.path
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_path_of_a_nested_value() -> None:
    text = dump_with(files=[{"id": "f", "role": "mix", "size": "7"}])
    with pytest.raises(rec.MalformedPayload, match=r"files.*size"):
        rec.loads(text, rec.Recording)


def test_unsupported_status_reads_as_unknown() -> None:
    found = rec.loads(dump_with(status="teleported"), rec.Recording)
    assert found.status is rec.RecordingStatus.UNKNOWN


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "7", '"r1"', "\ud800", "{}", "[" * 100_000, '{"id": NaN}', b"\xff"],
)
def test_other_documents_raise(text: str | bytes) -> None:
    """P1."""
    with pytest.raises(rec.MalformedPayload):
        rec.loads(text, rec.Recording)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1e300", timedelta),
        ('"0001-01-01T00:00:00+14:00"', datetime),
        ('"9999-12-31T23:59:59-14:00"', datetime),
        ("[1]", tuple[str, ...]),
        ('"x"', rec.SessionKind),
        ("{}", rec.FileRole),
        ("1", bool),
        ("true", int),
        ("true", float),
    ],
)
def test_single_values_are_checked_as_strictly(text: str, kind: Any) -> None:
    with pytest.raises(rec.MalformedPayload):
        rec.loads(text, kind)


@settings(max_examples=300)
@given(st.data())
def test_mutated_documents_never_give_wrong_types(data: st.DataObject) -> None:
    """P1, P2: cattrs without our hooks accepted one in fourteen."""
    document = json.loads(rec.dumps(data.draw(RECORDINGS)))
    field = data.draw(st.sampled_from(attrs.fields(rec.Recording)))
    document[field.name] = data.draw(JSON | st.floats(allow_nan=False, allow_infinity=False))
    try:
        found = rec.loads(json.dumps(document), rec.Recording)
    except rec.MalformedPayload:
        return
    for name in ("provider", "account", "id"):
        assert type(getattr(found, name)) is str
    for name, kind in (("size", int), ("duration", timedelta), ("created_at", datetime)):
        assert getattr(found, name) is None or type(getattr(found, name)) is kind
    assert type(found.files) is tuple
    assert type(found.raw) is dict


@pytest.mark.parametrize("other", [object(), {1, 2}, b"bytes", rec.call])
def test_other_types_are_not_written(other: Any) -> None:
    with pytest.raises(TypeError):
        rec.dumps(other)


def test_values_that_json_cannot_represent_are_not_written() -> None:
    with pytest.raises(ValueError, match="JSON"):
        rec.dumps(attrs.evolve(RECORDING, raw={"a": float("nan")}))


def test_converters_are_not_shared() -> None:
    assert make_converter() is not make_converter()


def test_every_shared_parameter_of_a_session_has_its_type_again() -> None:
    request = build_start_request(
        rec.call("c1"), {name: each.example for name, each in START_PARAMETERS.items()}, None
    )
    given = request.given_parameters()
    assert given.keys() == START_PARAMETERS.keys()
    session = rec.RecordingSession("vendor", "default", "r1", rec.call("c1"), parameters=given)
    again = rec.loads(rec.dumps(session), rec.RecordingSession)
    assert (again, hash(again)) == (session, hash(session))
    found = {name: type(value) for name, value in again.parameters.items()}
    assert found == {name: type(value) for name, value in given.items()}
    assert json.loads(rec.dumps(session))["parameters"]["max_duration"] == 3600


@pytest.mark.parametrize(
    "parameters",
    [{"max_duration": "1h"}, {"max_duration": -1}, {"participant": "a"}, {"tracks": 1}, []],
)
def test_parameters_of_a_wrong_type_are_refused(parameters: Any) -> None:
    session = rec.RecordingSession("vendor", "default", "r1", rec.call("c1"))
    text = json.dumps(json.loads(rec.dumps(session)) | {"parameters": parameters})
    with pytest.raises(rec.MalformedPayload, match="parameters"):
        rec.loads(text, rec.RecordingSession)


def test_a_session_without_parameters_is_read() -> None:
    session = rec.RecordingSession("vendor", "default", "r1", rec.call("c1"))
    plain = json.loads(rec.dumps(session))
    del plain["parameters"]
    assert rec.loads(json.dumps(plain), rec.RecordingSession) == session


def test_text_that_looks_like_an_escape_survives_and_a_lone_surrogate_is_refused() -> None:
    recording = rec.Recording("vendor", "default", "r1", raw={r"\uD": r"\ud83d"})
    again = rec.loads(rec.dumps(recording), rec.Recording)
    assert again.raw == recording.raw
    for key in (rb"\ud83d", rb"x"):
        text = rec.dumps(attrs.evolve(recording, raw={})).encode()
        broken = text.replace(b'"raw": {}', b'"raw": {"%s": "\\ud83d"}' % key)
        with pytest.raises(rec.MalformedPayload):
            rec.loads(broken, rec.Recording)
