"""File names: different files have different, portable names, no matter what ids vendors use."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recording_core import FileRole, MediaFile, Recording
from recording_core.download.file_names import build_file_name
from recording_core.download.formats import FORMATS

NAME = re.compile(r"[a-z0-9_-]{1,128}\.[a-z0-9]{1,5}", re.ASCII)

HASH = "0123456789abcdef"
IDS = (
    st.text(min_size=1, max_size=40)
    | st.text("aA0-_./\\", min_size=1, max_size=8)
    | st.lists(
        st.sampled_from(["a", "-", "_", "mix", "leg", "track", "-mix-", "A", HASH, ".", "/"]),
        min_size=1,
        max_size=5,
    ).map("".join)
    | st.uuids().map(str)
    | st.text("a/", min_size=100, max_size=400)
    | st.sampled_from(["..", ".", "con", "../../etc/passwd", "a\0b", "é", "e\u0301", "ß", "ss"])
)
ACCOUNTS = st.sampled_from(["default", "a", "a-b", "A", "sub account", "-", "ä", "a" * 200])
FILES = st.builds(MediaFile, id=IDS, role=st.sampled_from(FileRole))
SUBJECTS = st.tuples(
    st.builds(Recording, provider=st.sampled_from(["a", "ab"]), account=ACCOUNTS, id=IDS),
    FILES,
    st.booleans(),
)


def build_identity(recording: Recording, file: MediaFile, alone: bool) -> tuple[str, ...]:
    """Return what a name identifies: for a recording's only file, the recording."""
    identity = (recording.provider, recording.account, recording.id)
    return identity if alone else (*identity, file.role, file.id)


def build_name(provider: str, account: str, id: str, *file: str) -> str:
    role, file_id = (FileRole(file[0]), file[1]) if file else (FileRole.MIX, "f")
    recording = Recording(provider, account, id)
    return build_file_name(recording, MediaFile(file_id, role), alone=not file)


@settings(max_examples=300)
@given(SUBJECTS, SUBJECTS)
def test_different_ids_have_different_names(
    one: tuple[Recording, MediaFile, bool], other: tuple[Recording, MediaFile, bool]
) -> None:
    """D7."""
    names = [build_file_name(each[0], each[1], alone=each[2]) for each in (one, other)]
    assert (names[0] == names[1]) is (build_identity(*one) == build_identity(*other))


@pytest.mark.parametrize(
    "several",
    [
        [("a", "d", "x"), ("a", "d", "X"), ("a", "d", "x "), ("a", "d", "x/"), ("a", "d", "x_")],
        [("a", "d", "x-mix"), ("a", "d", "x", "mix", "mix"), ("a", "d", "x-mix-mix")],
        [("a", "d", "x-leg-1"), ("a", "d", "x", "leg", "1"), ("a", "d-x", "leg-1")],
        [("a", "b-c", "d"), ("a", "b", "c-d"), ("a", "b", "c", "leg", "d")],
        [("a", "d", "é"), ("a", "d", "e\u0301"), ("a", "d", "_"), ("a", "d", "__")],
        [("a", "d", "l" * 200), ("a", "d", "l" * 201), ("a", "d", "l" * 200 + "m")],
        [("a", "d", "x", "leg", "y-track-z"), ("a", "d", "x-leg-y", "track", "z")],
        [("a", "d", "l" * 200 + "\0leg\0y"), ("a", "d", "l" * 200, "leg", "y")],
        [("a", "d", "l" * 200 + '", "leg'), ("a", "d", "l" * 200, "leg", "leg")],
        [("a", "d", "x", "leg", "Y"), ("a", "d", "x", "leg", "y"), ("a", "d", "x", "leg", "_")],
    ],
)
def test_similar_ids_have_different_names(several: list[tuple[str, ...]]) -> None:
    """D7."""
    names = [build_name(*each) for each in several]
    assert len(set(names)) == len(names), names


def test_file_ids_cannot_imitate_a_hashed_name() -> None:
    """D7: a vendor may choose ids after it has seen the names of other files."""
    for hashed in (("a", "d", "x-mix"), ("a", "d", "x-leg"), ("a", "d-e", "x")):
        name = build_name(*hashed).removesuffix(".bin")
        stem, _, digest = name.rpartition("-")
        parts = stem.split("-")
        for cut in itertools.product(range(3, len(parts) + 1), FileRole):
            forged = ("a", parts[1], "-".join(parts[2 : cut[0]]) or "x", cut[1], digest)
            assert build_name(*forged) != f"{name}.bin", forged
        assert build_name("a", "d", "x", "mix", digest) != f"{name}.bin"


@given(SUBJECTS, st.sampled_from([None, "holo", "../x", "", *FORMATS]))
@example((Recording("a", "d", "../../etc/passwd"), MediaFile("f", FileRole.MIX), True), None)
@example((Recording("a", "d", "\ud800"), MediaFile("f", FileRole.MIX), True), None)
def test_names_are_portable_and_stay_in_their_folder(
    subject: tuple[Recording, MediaFile, bool], format: str | None
) -> None:
    """D7."""
    recording, file, alone = subject
    name = build_file_name(recording, evolve(file, format=format), alone=alone)
    assert NAME.fullmatch(name)
    assert Path(name).name == name
    assert name.endswith(f".{format}" if format in FORMATS else ".bin")
    assert name == build_file_name(recording, evolve(file, format=format), alone=alone)


def test_plain_ids_have_plain_names() -> None:
    assert build_name("plivo", "default", "4b2a-11ee") == "plivo-default-4b2a-11ee.bin"
    assert build_name("plivo", "default", "r1", "leg", "a") == "plivo-default-r1-leg-a.bin"
    assert build_name("plivo", "default", "r1", "mix", "mix") == "plivo-default-r1-mix.bin"
