"""Start request: `OMIT`, merging of `extra`, and the bounds of parameters."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta
from typing import Any

import pytest

import recording_core as rec
from recording_core.plugin import Bounds
from recording_core.provider.start_request import build_start_request, check_support
from recording_core.testing import Emulator

MINUTE = timedelta(minutes=1)
TARGET = rec.meeting("m1")


def merge(body: dict[str, Any], extra: dict[str, Any], **given: Any) -> dict[str, Any]:
    return build_start_request(TARGET, given, extra).merge(body)


def test_omit_is_one_object_in_every_copy_and_process() -> None:
    nested = {"a": [rec.OMIT]}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(rec.OMIT, protocol)) is rec.OMIT
    assert copy.copy(rec.OMIT) is rec.OMIT
    assert copy.deepcopy(nested)["a"][0] is rec.OMIT
    assert repr(rec.OMIT) == "OMIT"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ({}, {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": [4]}),
        ({"a": 7}, {"a": 7, "b": {"c": 2, "d": {"e": 3}}, "f": [4]}),
        ({"b": {"d": {"x": 7}}}, {"a": 1, "b": {"c": 2, "d": {"e": 3, "x": 7}}, "f": [4]}),
        ({"b": {"d": rec.OMIT}, "f": [5]}, {"a": 1, "b": {"c": 2}, "f": [5]}),
        ({"b": {"c": rec.OMIT, "d": {"e": rec.OMIT}}}, {"a": 1, "b": {"d": {}}, "f": [4]}),
        ({"a": rec.OMIT, "b": rec.OMIT, "f": rec.OMIT}, {}),
        ({"a": None, "b": "text", "f": {"g": 1}}, {"a": None, "b": "text", "f": {"g": 1}}),
    ],
)
def test_extra_is_merged_deeply_and_lists_are_replaced(
    extra: dict[str, Any], expected: dict[str, Any]
) -> None:
    body = {"a": 1, "b": {"c": 2, "d": {"e": 3}}, "f": [4]}
    before = copy.deepcopy((body, extra))
    assert merge(body, extra) == expected
    assert (body, extra) == before, "the caller's objects were changed"


@pytest.mark.parametrize(
    ("extra", "added"),
    [
        ({"x": rec.OMIT}, {}),
        ({"x": {"y": {"z": rec.OMIT}}}, {}),
        ({"x": {"y": rec.OMIT, "z": 1}}, {"x": {"z": 1}}),
        ({"x": [rec.OMIT, {"y": rec.OMIT, "z": 1}]}, {"x": [{"z": 1}]}),
        ({"x": {}}, {"x": {}}),
        ({"a": {"y": rec.OMIT}}, {}),
    ],
)
def test_omit_has_no_effect_on_what_is_not_sent(
    extra: dict[str, Any], added: dict[str, Any]
) -> None:
    assert merge({"a": 1}, extra) == {"a": 1, **added}


@pytest.mark.parametrize("value", ["m1", "m2", rec.OMIT, {"id": "m2"}, None])
@pytest.mark.parametrize("body", [{"id": "m1"}, {"id": ["p1"]}, {"id": {"of": {"meeting": "m1"}}}])
def test_extra_that_changes_what_is_recorded_raises(body: dict[str, Any], value: Any) -> None:
    if isinstance(body["id"], dict) and isinstance(value, dict):
        value = {"of": {"meeting": "m2"}}
    with pytest.raises(ValueError, match="names what is recorded"):
        merge(body, {"id": value}, participant="p1")


def test_extra_may_add_to_an_object_that_names_what_is_recorded() -> None:
    assert merge({"of": {"id": "m1"}}, {"of": {"x": 1}}) == {"of": {"id": "m1", "x": 1}}


BOUNDS = {
    "format": Bounds(values=("mp3", "wav")),
    "max_duration": Bounds(least=MINUTE, most=60 * MINUTE),
    "channels": Bounds(values=(1, 2)),
    "participant": Bounds(most=2),
    "tracks": Bounds(),
}


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"format": "MP3", "channels": 2, "tracks": True}, None),
        ({"format": "ogg"}, rec.UnsupportedOperation),
        ({"channels": 3}, rec.UnsupportedOperation),
        ({"title": "x"}, rec.UnsupportedOperation),
        ({"max_duration": MINUTE}, None),
        ({"max_duration": 60 * MINUTE}, None),
        ({"max_duration": MINUTE - timedelta(microseconds=1)}, ValueError),
        ({"max_duration": 60 * MINUTE + timedelta(microseconds=1)}, ValueError),
        ({"participant": "ab"}, None),
        ({"participant": ["a", "b"]}, None),
        ({"participant": ["a", "b", "c"]}, ValueError),
    ],
)
def test_bounds_are_checked(given: dict[str, Any], error: type[Exception] | None) -> None:
    request = build_start_request(TARGET, given, None)
    if error is None:
        check_support(request, BOUNDS, "Acme")
        return
    with pytest.raises(error, match="Acme"):
        check_support(request, BOUNDS, "Acme")


def test_keywords_without_bounds_are_a_set() -> None:
    request = build_start_request(TARGET, {"format": "any"}, None)
    check_support(request, frozenset({"format"}), "Acme")
    with pytest.raises(rec.UnsupportedOperation, match="Supported: extra"):
        check_support(request, frozenset(), "Acme")


@pytest.mark.emulator("plivo")
def test_a_session_keeps_neither_extra_nor_callback_url(
    emulator: Emulator, emulated_provider: rec.Provider
) -> None:
    session = emulated_provider.start(
        emulator.sessions[0],
        format="wav",
        max_duration=MINUTE,
        callback_url="https://example.com/hook",
        extra={"transcription_type": "auto"},
    )
    assert session.parameters == {"format": "wav", "max_duration": MINUTE}


@pytest.mark.emulator("plivo")
def test_an_unknown_outcome_has_every_parameter(
    emulator: Emulator, emulated_provider: rec.Provider
) -> None:
    emulator.faults.append(emulator.build_error(500))
    with pytest.raises(rec.OutcomeUnknown) as caught:
        emulated_provider.start(
            emulator.sessions[0],
            max_duration=MINUTE,
            callback_url="https://example.com/hook",
            extra={"time_limit": rec.OMIT, "token": "secret"},
        )
    assert caught.value.parameters == {
        "max_duration": "0:01:00",
        "callback_url": "https://example.com/hook",
        "time_limit": rec.OMIT,
        "token": "***",
    }
    assert pickle.loads(pickle.dumps(caught.value)).parameters == caught.value.parameters
