"""To do: the places that still describe the vendor of the template, in the order of the work.

A comment that begins with FILL IN marks each, and pytest lists it as skipped. Remove the comment
when the place describes your vendor. When none is left, delete this file. The sections are those of
https://github.com/recording-core/recording-core/blob/main/docs/writing-a-provider.md
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "recording_acme"
#: In the order of the work.
FILES = (
    PACKAGE / "plugin.py",
    PACKAGE / "__init__.py",
    *sorted(PACKAGE.glob("emulator/*.py")),
    ROOT / "tests" / "test_acme_emulator.py",
    PACKAGE / "mapping.py",
    ROOT / "tests" / "test_acme_mapping.py",
    PACKAGE / "client.py",
    ROOT / "tests" / "test_acme_client.py",
    PACKAGE / "webhooks.py",
    PACKAGE / "assumptions.py",
    ROOT / "tests" / "test_acme_conformance.py",
    *(ROOT / name for name in ("README.md", "pyproject.toml", "LICENSE")),
)
MARK = re.compile(r"^(?:\s*#|<!--|) ?FILL IN: (.+?)(?: -->)?$")
#: What the template's vendor alone has: its hosts.
TEMPLATE = re.compile(r"\b(?:[\w-]+\.)*acme\.example\b")

LINES = [
    (path, number, line)
    for path in FILES
    if path.exists()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
]
MARKS = [
    (f"{path.relative_to(ROOT)}:{number}", found[1])
    for path, number, line in LINES
    if (found := MARK.match(line))
]


if MARKS:

    @pytest.mark.parametrize(("place", "wanted"), MARKS, ids=[place for place, _ in MARKS])
    def test_each_place_is_filled_in(place: str, wanted: str) -> None:
        pytest.skip(f"FILL IN {place}: {wanted}")


def test_what_is_filled_in_names_no_host_of_the_template() -> None:
    marked = {path for path, _, line in LINES if MARK.match(line)}
    left = [
        f"{path.relative_to(ROOT)}:{number} has {found[0]}, and no comment FILL IN"
        for path, number, line in LINES
        if path not in marked and (found := TEMPLATE.search(line))
    ]
    assert not left, "\n".join(left)
